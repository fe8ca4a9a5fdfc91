//! `tidy`: the house rules that no lint knows.
//!
//! Each rule is a function from the files to a list of complaints, and each has a test that breaks it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::Command;
use crate::args::Args;
use crate::runner::{self, Options};
use crate::scan::{self, Line};
use crate::step::{Step, Subject};
use crate::workspace::{self, Workspace};

pub(super) const COMMAND: Command = Command {
    name: "tidy",
    usage: "",
    about: "check the house rules that no lint knows: comments, orderings, facade, canaries",
    details: "Every module opens with `//!`. The atomics facade is the same file in every crate, and only it names\n\
        core::sync::atomic or loom. Every atomic access outside tests has its `// ORDERING:` argument, which pairs\n\
        with functions that exist, every `unsafe impl` and `unsafe fn` its safety text. SeqCst is for fences only.\n\
        A crate with a protocol of its own has a loom canary. Nothing is initialised under a lock: a forked child, an\n\
        allocator or a stopped thread's neighbours would hang on it. Nothing is left unfinished, and no path of one\n\
        machine is in the repository.",
    flags: &[],
    passes_on: false,
    run,
};

fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode, String> {
    args.no_words()?;
    Ok(runner::run(workspace, steps(), Options::of(args)))
}

/// The rules, as one step.
pub(super) fn steps() -> Vec<Step> {
    let check = Step::check("tidy", |job| {
        let files = collect(job.workspace.root())?;
        let complaints = check(&files);
        if complaints.is_empty() {
            Ok(format!("{} files", files.len()))
        } else {
            Err(format!(
                "{} places break a house rule\n{}",
                complaints.len(),
                complaints.join("\n")
            ))
        }
    });
    vec![
        check
            .looks_at([Subject::Anything])
            .on_failure("the rules are explained by `cargo xtask tidy --help`"),
    ]
}

/// A text file of the repository.
struct File {
    /// Relative to the root, with forward slashes.
    path: String,
    text: String,
    /// Taken apart, for Rust.
    lines: Vec<Line>,
    /// Only tests, benchmarks or examples see it.
    test: bool,
}

impl File {
    fn new(path: &str, text: String) -> Self {
        let rust = path.ends_with(".rs");
        let lines = if rust { scan::lines(&text) } else { Vec::new() };
        let test = path
            .split('/')
            .any(|part| matches!(part, "tests" | "benches" | "examples" | "xtask"));
        Self {
            path: path.to_owned(),
            text,
            lines,
            test,
        }
    }

    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    fn is_facade(&self) -> bool {
        self.path.ends_with("/src/sync.rs")
    }

    /// The published crate that the file belongs to.
    fn krate(&self) -> Option<&str> {
        self.path.strip_prefix("crates/")?.split('/').next()
    }

    /// Code that users run: in a published crate, and not a test, an example or the facade.
    fn is_product(&self) -> bool {
        self.is_rust() && !self.test && !self.is_facade() && self.krate().is_some()
    }

    /// The lines that users run, numbered from zero.
    fn product_lines(&self) -> impl Iterator<Item = (usize, &Line)> {
        let lines: &[Line] = if self.is_product() { &self.lines } else { &[] };
        lines.iter().enumerate().filter(|(_, line)| !line.test)
    }

    fn complain(&self, line: usize, what: &str) -> String {
        format!("{}:{}: {what}", self.path, line + 1)
    }
}

/// Reads the repository's text files, without what is built or belongs to git.
fn collect(root: &Path) -> Result<Vec<File>, String> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let named = |error: std::io::Error| format!("{}: {error}", folder.display());
        // Marked by cargo itself, whatever the folder is called.
        if folder.join("CACHEDIR.TAG").exists() {
            continue;
        }
        for entry in fs::read_dir(&folder).map_err(named)? {
            let path = entry.map_err(named)?.path();
            let Ok(kind) = fs::symlink_metadata(&path) else {
                continue;
            };
            // A folder, or in a second work tree a file that names it.
            if path.file_name().is_some_and(|name| name == ".git") {
                continue;
            }
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                if let Ok(text) = fs::read_to_string(&path) {
                    files.push(File::new(&relative(root, &path), text));
                }
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    mark_test_modules(&mut files);
    Ok(files)
}

fn relative(root: &Path, path: &Path) -> String {
    let path: PathBuf = path.strip_prefix(root).unwrap_or(path).to_owned();
    path.to_string_lossy().replace('\\', "/")
}

/// A file that is declared as `#[cfg(test)] mod name;` is test code.
fn mark_test_modules(files: &mut [File]) {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let stem = file.path.trim_end_matches(".rs");
        let (folder, name) = stem.rsplit_once('/').unwrap_or(("", stem));
        let inside = match name {
            "lib" | "main" | "mod" => folder.to_owned(),
            _ => stem.to_owned(),
        };
        for module in scan::test_modules(&file.lines) {
            found.push(format!("{inside}/{module}.rs"));
            found.push(format!("{inside}/{module}/mod.rs"));
        }
    }
    for file in files {
        file.test |= found.contains(&file.path);
    }
}

/// Looks at all files and says what is wrong.
type Rule = fn(&[File]) -> Vec<String>;

/// All rules.
fn check(files: &[File]) -> Vec<String> {
    let rules: [Rule; 14] = [
        headers,
        facade_copies,
        facade_only,
        canaries,
        sequential_consistency,
        orderings,
        partners,
        safety,
        unfinished,
        machine_paths,
        manifests,
        named_tests,
        callers_orderings,
        blocking_initialisation,
    ];
    rules.iter().flat_map(|rule| rule(files)).collect()
}

/// Each module says first why it exists.
fn headers(files: &[File]) -> Vec<String> {
    files
        .iter()
        .filter(|file| file.is_rust())
        .filter(|file| {
            // A page from a file of its own will do.
            let first = file.text.lines().next().unwrap_or_default();
            if first.starts_with("#![") && first.contains("doc = include_str!(") {
                return false;
            }
            let mut lines = file.text.lines().map(str::trim);
            let first = lines.find(|line| !line.is_empty() && !line.starts_with("#!"));
            !first.is_some_and(|line| line.starts_with("//! ") && line.len() > 14)
        })
        .map(|file| {
            file.complain(
                0,
                "does not open with `//!` and a sentence on why it exists",
            )
        })
        .collect()
}

/// What the tests of several crates share: the places where pairs of operations meet, and where user code panics.
const SHARED: &[&str] = &["/tests/common/meeting.rs", "/tests/common/faults.rs"];

/// One facade, copied; one of each file that tests share; and one licence text.
fn facade_copies(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut same = |of: &File, master: &File| {
        if of.text != master.text {
            complaints.push(of.complain(0, &format!("differs from {}", master.path)));
        }
    };
    let facades: Vec<_> = files.iter().filter(|file| file.is_facade()).collect();
    if let Some(master) = facades
        .iter()
        .find(|file| file.krate() == Some("pool-dequeue"))
    {
        facades.iter().for_each(|file| same(file, master));
    }
    for end in SHARED {
        let copies = || files.iter().filter(|file| file.path.ends_with(end));
        if let Some(master) = copies().find(|file| file.krate() == Some("pool-dequeue")) {
            copies().for_each(|file| same(file, master));
        }
    }
    for master in files
        .iter()
        .filter(|file| file.path.starts_with("LICENSE-"))
    {
        let name = format!("/{}", master.path);
        files
            .iter()
            .filter(|file| file.path.ends_with(&name))
            .for_each(|file| same(file, master));
    }
    complaints
}

/// Only the facade names the machine's atomics; only it and the crate's `env` name the model checker.
fn facade_only(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files {
        for (at, line) in file.product_lines() {
            let atomics =
                line.code.contains("sync::atomic") && !line.code.contains("crate::sync::atomic");
            if atomics {
                complaints.push(file.complain(at, "atomics are named in src/sync.rs only"));
            }
            // What a crate needs beyond atomics (threads, clocks) has a second place.
            if line.code.contains("loom::") && !file.path.ends_with("/src/env.rs") {
                complaints.push(file.complain(at, "loom is named in src/sync.rs and env.rs only"));
            }
        }
    }
    complaints
}

/// The orderings of an atomic access. The words are also variants of nothing else in this workspace.
const ORDERINGS: &[&str] = &["Relaxed", "Acquire", "Release", "AcqRel", "SeqCst"];

/// A crate that orders accesses itself has models, and among them one that must fail.
fn canaries(files: &[File]) -> Vec<String> {
    let mut crates: Vec<&str> = files.iter().filter_map(File::krate).collect();
    crates.sort_unstable();
    crates.dedup();
    let mut complaints = Vec::new();
    for krate in crates {
        let own = || files.iter().filter(|file| file.krate() == Some(krate));
        let protocol = own().any(|file| {
            let imports = scan::imports(&file.lines);
            file.product_lines().any(|(at, line)| {
                !imports[at] && ORDERINGS.iter().any(|o| scan::has_word(&line.code, o))
            })
        });
        let path = format!("crates/{krate}/tests/loom.rs");
        let sound = own()
            .filter(|file| file.path == path)
            .any(|file| has_canary(&file.lines));
        if protocol && !sound {
            complaints.push(format!(
                "{path}: the crate orders atomics, but has no loom test `fn …canary…` with #[should_panic(expected = …)]"
            ));
        }
    }
    complaints
}

fn has_canary(lines: &[Line]) -> bool {
    lines.iter().enumerate().any(|(at, line)| {
        let code = line.code.trim_start();
        let named = code.strip_prefix("fn ").is_some_and(|rest| {
            rest.split('(')
                .next()
                .is_some_and(|name| name.contains("canary"))
        });
        named
            && lines[..at]
                .iter()
                .rev()
                .take_while(|line| {
                    line.code.trim_start().starts_with("#[") || line.code.trim().is_empty()
                })
                .any(|line| line.code.contains("should_panic(expected"))
    })
}

/// The tools see only sequentially consistent *fences* right, so there are no such accesses.
fn sequential_consistency(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files
        .iter()
        // Its commands speak of orderings and order nothing.
        .filter(|file| file.is_rust() && !file.is_facade() && !file.path.starts_with("xtask"))
    {
        let imports = scan::imports(&file.lines);
        for (at, line) in file
            .lines
            .iter()
            .enumerate()
            .filter(|(at, _)| !imports[*at])
        {
            let accessed = scan::words_at(&line.code, "SeqCst").any(|place| {
                let before = line.code[..place].trim_end_matches("Ordering::");
                let before = before.trim_end_matches("atomic::").trim_end();
                !before
                    .strip_suffix('(')
                    .is_some_and(|call| call.ends_with("fence"))
            });
            if accessed {
                complaints.push(file.complain(
                    at,
                    "SeqCst is for `fence(SeqCst)` only: loom and Miri see nothing else right",
                ));
            }
        }
    }
    complaints
}

/// What makes a value at its first use and has others wait for that.
const BLOCKING: &[&str] = &[
    "OnceLock",
    "LazyLock",
    "sync::Once",
    "Once::new",
    "call_once",
    "once_cell",
    "lazy_static::",
    "num_cpus",
    "crossbeam_epoch::pin",
    "crossbeam_epoch::default_collector",
];

/// Nobody waits for another's first use: not the child of a fork, which has lost the other thread, not an allocator that is
/// called by the first use itself, not the neighbours of a stopped thread. The facade's `lazy_static!` is the model
/// checker's alone, and not meant.
fn blocking_initialisation(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files {
        for (at, line) in file.product_lines() {
            if let Some(word) = BLOCKING.iter().find(|word| line.code.contains(**word)) {
                complaints.push(file.complain(
                    at,
                    &format!(
                        "`{word}` has others wait for the first: make it a race that anyone can win"
                    ),
                ));
            }
        }
    }
    complaints
}

/// Every access to an atomic, and every fence, is argued.
fn orderings(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files {
        let imports = scan::imports(&file.lines);
        for (at, line) in file.product_lines().filter(|(at, _)| !imports[*at]) {
            let accesses = ORDERINGS
                .iter()
                .any(|word| scan::has_word(&line.code, word));
            if accesses && !scan::labelled(&file.lines, at, "ORDERING:") {
                complaints.push(file.complain(at, "no `// ORDERING:` above this access"));
            }
        }
    }
    complaints
}

/// The partner that an argument names, as in "pairs with the Release in `put`", is a function of the same crate.
fn partners(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files {
        let declared = |partner: &str| {
            let (holder, function) = partner.rsplit_once("::").unwrap_or(("", partner));
            let mut own = files.iter().filter(|other| other.krate() == file.krate());
            own.any(|other| {
                let has = |name, after: fn(&str) -> bool| {
                    other.product_lines().any(|(_, line)| {
                        let mut places = scan::words_at(&line.code, name);
                        places.any(|place| after(&line.code[..place]))
                    })
                };
                has(function, |code| code.ends_with("fn "))
                    && (holder.is_empty() || has(holder, |code| code.contains("impl")))
            })
        };
        for (at, _) in file
            .product_lines()
            .filter(|(_, line)| line.comment.contains("ORDERING:"))
        {
            let text = scan::comment_from(&file.lines, at);
            for clause in text.split("airs with ").skip(1) {
                let end = [": ", ". ", "; "].iter().filter_map(|end| clause.find(end));
                let clause = &clause[..end.min().unwrap_or(clause.len())];
                let parts: Vec<_> = clause.split('`').collect();
                for part in parts.chunks_exact(2) {
                    // What is loaded or stored there is no function.
                    if !part[0].ends_with(" of ") && !declared(part[1]) {
                        complaints.push(file.complain(at, &format!("there is no `{}`", part[1])));
                    }
                }
            }
        }
    }
    complaints
}

/// Safety texts where clippy asks for none, and none of the tools that go behind the types' back.
fn safety(files: &[File]) -> Vec<String> {
    let banned = [
        ("transmute", "no transmute"),
        ("transmute_copy", "no transmute"),
        (
            "zeroed",
            "no zeroed memory for arbitrary types: use MaybeUninit",
        ),
        ("uninitialized", "use MaybeUninit"),
    ];
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        for (at, line) in file.lines.iter().enumerate() {
            let code = line.code.as_str();
            for (word, what) in banned {
                if scan::words_at(code, word).any(|place| !code[..place].ends_with('.')) {
                    complaints.push(file.complain(at, what));
                }
            }
            let mut places = code.match_indices("static mut ");
            if places.any(|(place, _)| !code[..place].ends_with('\'')) {
                complaints.push(file.complain(at, "no `static mut`"));
            }
            let silenced = [
                "undocumented_unsafe_blocks",
                "missing_safety_doc",
                "unsafe_op_in_unsafe_fn",
            ];
            if code.contains("allow(") && silenced.iter().any(|lint| code.contains(lint)) {
                complaints.push(file.complain(at, "safety lints are not silenced"));
            }
            if code.contains("unsafe impl") && !scan::labelled(&file.lines, at, "SAFETY:") {
                complaints.push(file.complain(at, "no `// SAFETY:` above this impl"));
            }
            // In tests these are trait methods, whose contract is the trait's.
            if !file.test && declares_unsafe_fn(code) {
                let text = |label| scan::labelled(&file.lines, at, label);
                if !text("# Safety") && !text("SAFETY:") {
                    complaints.push(file.complain(at, "no `# Safety` section above this function"));
                }
            }
        }
    }
    complaints
}

/// Whether the line declares an unsafe function; `unsafe fn(…)` is a pointer's type.
fn declares_unsafe_fn(code: &str) -> bool {
    code.match_indices("unsafe fn ").any(|(at, _)| {
        code[..at]
            .chars()
            .next_back()
            .is_none_or(char::is_whitespace)
            && code[at + "unsafe fn ".len()..].starts_with(|c: char| c.is_alphabetic() || c == '_')
    })
}

/// Nothing is left for later. The words are put together here so that a search for them finds
/// nothing in this file, either.
fn unfinished(files: &[File]) -> Vec<String> {
    let words = [
        concat!("to", "do!"),
        concat!("unimple", "mented!"),
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X:"),
        concat!("dbg", "!("),
    ];
    let mut complaints = Vec::new();
    for file in files {
        for (at, line) in file.text.lines().enumerate() {
            if let Some(word) = words.iter().find(|word| line.contains(*word)) {
                complaints.push(file.complain(at, &format!("`{word}` is not for a repository")));
            }
        }
    }
    complaints
}

/// No path of one particular machine.
fn machine_paths(files: &[File]) -> Vec<String> {
    let roots = [
        concat!("/ro", "ot/"),
        concat!("/wo", "rk/"),
        concat!("/ho", "me/"),
        concat!("/Us", "ers/"),
    ];
    let mut complaints = Vec::new();
    for file in files {
        for (at, line) in file.text.lines().enumerate() {
            let starts = |place: usize| {
                let before = line[..place].chars().next_back();
                !before.is_some_and(|c| c.is_alphanumeric() || "-_./}~:".contains(c))
            };
            for root in roots {
                if line.match_indices(root).any(|(place, _)| starts(place)) {
                    complaints
                        .push(file.complain(at, &format!("`{root}` is a place on one machine")));
                }
            }
        }
    }
    complaints
}

/// The page that says which test would catch what, and the folders in which a package has its files.
const VERIFICATION: &str = "docs/VERIFICATION.md";
const PLACES: &[&str] = &["crates/{}/tests/", "crates/{}/src/", "{}/tests/", "{}/src/"];

/// Each test that the page on verification names, as `crate/file::function`, exists.
fn named_tests(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    let packages: Vec<&str> = files
        .iter()
        .filter_map(|file| file.path.strip_suffix("/Cargo.toml"))
        .map(|path| path.strip_prefix("crates/").unwrap_or(path))
        .collect();
    for page in files.iter().filter(|file| file.path == VERIFICATION) {
        let mut named = 0;
        for (at, line) in page.text.lines().enumerate() {
            for span in line.split('`').skip(1).step_by(2) {
                let Some((package, test)) = span.split_once('/') else {
                    continue;
                };
                if !packages.contains(&package) {
                    continue;
                }
                named += 1;
                let (file, function) = test.split_once("::").unwrap_or((test, ""));
                let found = PLACES.iter().any(|place| {
                    let path = format!("{}{file}.rs", place.replace("{}", package));
                    let mut lines = files
                        .iter()
                        .filter(|file| file.path == path)
                        .flat_map(|file| &file.lines);
                    lines.any(|line| function.is_empty() || declares(&line.code, function))
                });
                if !found {
                    complaints.push(page.complain(at, &format!("there is no test `{span}`")));
                }
            }
        }
        if named == 0 {
            complaints.push(page.complain(0, "names no test"));
        }
    }
    complaints
}

/// Whether the line declares a function or a module of that name.
fn declares(code: &str, name: &str) -> bool {
    ["fn ", "mod "]
        .iter()
        .any(|word| scan::words_at(code, name).any(|place| code[..place].ends_with(word)))
}

/// No function of ours lets its caller weaken its orderings.
fn callers_orderings(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files {
        for (at, line) in file.product_lines() {
            if line.code.contains(": Ordering") {
                complaints.push(file.complain(at, "an ordering is not for the caller to choose"));
            }
        }
    }
    complaints
}

/// Every member takes the workspace's lints, and those on which other rules rely are on.
fn manifests(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files
        .iter()
        .filter(|file| file.path.ends_with("Cargo.toml"))
    {
        let package = workspace::value(&file.text, "package", "name").is_some();
        if package && workspace::value(&file.text, "lints", "workspace") != Some("true") {
            complaints.push(file.complain(0, "does not take the workspace's lints"));
        }
        if file.path == "Cargo.toml" {
            for lint in [
                "undocumented_unsafe_blocks",
                "unnecessary_safety_comment",
                "missing_safety_doc",
            ] {
                if workspace::value(&file.text, "workspace.lints.clippy", lint).is_none() {
                    complaints.push(file.complain(0, &format!("clippy::{lint} is not on")));
                }
            }
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File::new(path, text.to_owned())
    }

    /// What a rule says of one file.
    fn says(rule: Rule, path: &str, text: &str) -> usize {
        rule(&[file(path, text)]).len()
    }

    const LIB: &str = "crates/pool-x/src/lib.rs";
    const TEST: &str = "crates/pool-x/tests/t.rs";

    #[test]
    fn modules_open_with_a_reason() {
        assert_eq!(says(headers, LIB, "//! Why this is here.\n"), 0);
        assert_eq!(
            says(headers, LIB, "#![no_std]\n\n//! Why this is here.\n"),
            0
        );
        assert_eq!(
            says(headers, LIB, "#![doc = include_str!(\"../README.md\")]\n"),
            0
        );
        assert_eq!(says(headers, LIB, "//!\nfn f() {}\n"), 1);
        assert_eq!(says(headers, LIB, "// Why this is here.\n"), 1);
        assert_eq!(says(headers, LIB, ""), 1);
        assert_eq!(says(headers, "x.toml", ""), 0);
    }

    #[test]
    fn nobody_waits_for_a_first_use() {
        let product = |text| says(blocking_initialisation, LIB, text);
        assert_eq!(product("static X: OnceLock<u8> = OnceLock::new();"), 1);
        assert_eq!(product("static X: std::sync::Once = Once::new();"), 1);
        assert_eq!(product("static X: LazyLock<u8> = LazyLock::new(f);"), 1);
        assert_eq!(product("fn f() { crossbeam_epoch::pin(); }"), 1);
        assert_eq!(
            product("static X: Raced<u8> = Raced::new();\n// A OnceLock waits.\n"),
            0
        );
        assert_eq!(
            product("crate::sync::lazy_static! { static ref X: u8 = 1; }"),
            0
        );
        assert_eq!(
            product("#[cfg(test)]\nmod tests { static X: OnceLock<u8> = f(); }"),
            0
        );
        assert_eq!(
            says(
                blocking_initialisation,
                TEST,
                "static X: OnceLock<u8> = f();"
            ),
            0
        );
    }

    #[test]
    fn facades_are_equal() {
        let master = file("crates/pool-dequeue/src/sync.rs", "a");
        let same = facade_copies(&[master, file("crates/pool-chain/src/sync.rs", "a")]);
        assert!(same.is_empty());
        let master = file("crates/pool-dequeue/src/sync.rs", "a");
        let other = facade_copies(&[master, file("crates/pool-chain/src/sync.rs", "b")]);
        assert!(
            other[0].starts_with("crates/pool-chain/src/sync.rs:1: differs"),
            "{other:?}"
        );
        for end in SHARED {
            let copies = ["pool-dequeue", "pool-chain"].map(|krate| format!("crates/{krate}{end}"));
            let shared = facade_copies(&[file(&copies[0], "a"), file(&copies[1], "b")]);
            assert_eq!(shared.len(), 1);
        }
        let licence = facade_copies(&[file("LICENSE-MIT", "a"), file("crates/x/LICENSE-MIT", "b")]);
        assert_eq!(licence.len(), 1);
    }

    #[test]
    fn only_the_facade_names_atomics() {
        assert_eq!(
            says(facade_only, LIB, "use core::sync::atomic::AtomicBool;"),
            1
        );
        assert_eq!(says(facade_only, LIB, "fn f() { loom::model(g) }"), 1);
        let env = "crates/pool-x/src/env.rs";
        assert_eq!(says(facade_only, env, "use loom::thread;"), 0);
        assert_eq!(says(facade_only, env, "use core::sync::atomic::fence;"), 1);
        assert_eq!(
            says(
                facade_only,
                LIB,
                "use crate::sync::AtomicBool; // core::sync::atomic"
            ),
            0
        );
        assert_eq!(
            says(
                facade_only,
                "crates/pool-x/src/sync.rs",
                "use core::sync::atomic::fence;"
            ),
            0
        );
        assert_eq!(says(facade_only, TEST, "use std::sync::atomic::fence;"), 0);
        assert_eq!(
            says(
                facade_only,
                LIB,
                "#[cfg(test)]\nmod tests {\n use std::sync::atomic::fence;\n}"
            ),
            0
        );
    }

    #[test]
    fn protocols_have_canaries() {
        let lib = || file(LIB, "// ORDERING: x\nlet a = b.load(Acquire);");
        let models = |text| file("crates/pool-x/tests/loom.rs", text);
        assert_eq!(canaries(&[lib()]).len(), 1);
        assert_eq!(
            canaries(&[lib(), models("#[test]\nfn canary() {}")]).len(),
            1
        );
        let good = "#[test]\n#[should_panic(expected = \"y\")]\nfn canary() {}";
        assert_eq!(canaries(&[lib(), models(good)]).len(), 0);
        let plain = file(LIB, "use crate::sync::{\n Acquire,\n};\nfn f() {}");
        assert_eq!(canaries(&[plain]).len(), 0);
    }

    #[test]
    fn sequential_consistency_is_for_fences() {
        assert_eq!(
            says(
                sequential_consistency,
                LIB,
                "fence(SeqCst); fence(Ordering::SeqCst);"
            ),
            0
        );
        assert_eq!(
            says(
                sequential_consistency,
                LIB,
                "atomic::fence(atomic::Ordering::SeqCst);"
            ),
            0
        );
        assert_eq!(says(sequential_consistency, LIB, "a.load(SeqCst);"), 1);
        assert_eq!(
            says(
                sequential_consistency,
                TEST,
                "a.store(1, Ordering::SeqCst);"
            ),
            1
        );
        assert_eq!(
            says(
                sequential_consistency,
                LIB,
                "use x::SeqCst; // a.load(SeqCst)"
            ),
            0
        );
    }

    #[test]
    fn accesses_are_argued() {
        assert_eq!(says(orderings, LIB, "let a = b.load(Acquire);"), 1);
        assert_eq!(says(orderings, LIB, "fence(Ordering::Release);"), 1);
        assert_eq!(
            says(orderings, LIB, "// ORDERING: x\nfence(Ordering::Release);"),
            0
        );
        assert_eq!(says(orderings, TEST, "let a = b.load(Acquire);"), 0);
        assert_eq!(
            says(
                orderings,
                "crates/pool-x/src/sync.rs",
                "let a = b.load(Acquire);"
            ),
            0
        );
    }

    #[test]
    fn partners_exist() {
        let code = "impl X for Y {\n fn put(x: u8) {}\n}\n";
        let partners = |argument: &str| says(partners, LIB, &format!("{code}// {argument}\nf();"));
        for right in [
            "ORDERING: Acquire, pairs with the Release in `put` and in `Y::put`: as `x` says.",
            "ORDERING: Acquire, pairs with the Release in\n// `put`. See `x`.",
            "ORDERING: Acquire, pairs with the Release store of `x` in `put`.",
            "Pairs with `x`.",
            "ORDERING: Relaxed. As in `x`.",
        ] {
            assert_eq!(partners(right), 0, "{right}");
        }
        for wrong in [
            "ORDERING: Acquire, pairs with the Release in `x`.",
            "ORDERING: Acquire, pairs with the Release in `put`\n// and in `x`: why.",
            "ORDERING: Acquire. Pairs with the load in `Z::put`",
            "ORDERING: Acquire, pairs with `Y`.",
        ] {
            assert_eq!(partners(wrong), 1, "{wrong}");
        }
        // Another crate's.
        let other = file("crates/pool-y/src/lib.rs", "fn x() {}");
        let ours = file(
            LIB,
            "// ORDERING: Acquire, pairs with the Release in `x`.\n",
        );
        assert_eq!(super::partners(&[ours, other]).len(), 1);
    }

    #[test]
    fn files_of_test_modules_are_tests() {
        let mut files = vec![
            file("crates/pool-x/src/ring.rs", "#[cfg(test)]\nmod tests;"),
            file(
                "crates/pool-x/src/ring/tests.rs",
                "let a = b.load(Acquire);",
            ),
        ];
        assert_eq!(orderings(&files).len(), 1);
        mark_test_modules(&mut files);
        assert_eq!(orderings(&files).len(), 0);
    }

    #[test]
    fn named_tests_exist() {
        let files = |page: &str| {
            [
                File::new("crates/a/Cargo.toml", String::new()),
                File::new(
                    "crates/a/tests/b.rs",
                    "//! x\nfn c_d() {}\nmod e {}\n".to_owned(),
                ),
                File::new(VERIFICATION, page.to_owned()),
            ]
        };
        assert!(named_tests(&files("`a/b::c_d`, `a/b::e`, `a/b`, `x/y` and `z`")).is_empty());
        for wrong in ["`a/b::c`", "`a/b::d`", "`a/c::c_d`", "`a/c`", "nothing"] {
            assert_eq!(named_tests(&files(wrong)).len(), 1, "{wrong}");
        }
    }

    #[test]
    fn callers_choose_no_orderings() {
        let file = |text: &str| [File::new("crates/a/src/b.rs", text.to_owned())];
        assert_eq!(
            callers_orderings(&file("pub fn f(order: Ordering) {}")).len(),
            1
        );
        assert!(callers_orderings(&file("use crate::sync::Ordering;\nfn f() {}")).is_empty());
    }

    #[test]
    fn safety_is_argued() {
        assert_eq!(says(safety, LIB, "unsafe impl Send for X {}"), 1);
        assert_eq!(
            says(safety, LIB, "// SAFETY: y\nunsafe impl Send for X {}"),
            0
        );
        assert_eq!(says(safety, LIB, "unsafe fn f() {}"), 1);
        assert_eq!(says(safety, TEST, "unsafe fn f() {}"), 0);
        assert_eq!(
            says(
                safety,
                LIB,
                "/// # Safety\n/// y\n#[inline]\npub(crate) unsafe fn f() {}"
            ),
            0
        );
        assert_eq!(says(safety, LIB, "type F = unsafe fn(u8);"), 0);
        assert_eq!(says(safety, LIB, "let a = mem::transmute(b);"), 1);
        assert_eq!(says(safety, LIB, "static mut A: u8 = 0;"), 1);
        assert_eq!(says(safety, LIB, "fn f(a: &'static mut u8) {}"), 0);
        assert_eq!(
            says(safety, LIB, "#[allow(clippy::undocumented_unsafe_blocks)]"),
            1
        );
    }

    #[test]
    fn nothing_is_left_for_later() {
        assert_eq!(says(unfinished, LIB, concat!("fn f() { to", "do!() }")), 1);
        assert_eq!(says(unfinished, "README.md", concat!("TO", "DO: more")), 1);
        assert_eq!(says(unfinished, LIB, "fn f() { method!() }"), 0);
    }

    #[test]
    fn machines_are_not_named() {
        assert_eq!(says(machine_paths, LIB, concat!("\"/ho", "me/me\"")), 1);
        assert_eq!(
            says(machine_paths, "docs/x.md", concat!("in /ro", "ot/x")),
            1
        );
        assert_eq!(
            says(
                machine_paths,
                "docs/x.md",
                concat!("https://example.org/ho", "me/x")
            ),
            0
        );
    }

    #[test]
    fn members_take_the_lints() {
        let bare = "[package]\nname = \"x\"\n";
        assert_eq!(says(manifests, "crates/x/Cargo.toml", bare), 1);
        let good = format!("{bare}[lints]\nworkspace = true\n");
        assert_eq!(says(manifests, "crates/x/Cargo.toml", &good), 0);
        assert_eq!(says(manifests, "Cargo.toml", "[workspace]\n"), 3);
    }
}
