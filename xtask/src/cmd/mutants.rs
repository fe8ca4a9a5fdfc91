//! `mutants`: whether the tests notice when the plain logic is changed. The orderings are the business of
//! `orderings`.
//!
//! A build of all tests for every change would take days. So a change meets first the unit tests, then the few test
//! programs that are about its file, and only what these let pass meets the whole suite. All of it happens in one copy
//! of the crates with one target folder, so that each change builds only what it touches.
//!
//! What is left out is what models and `orderings` look after, where a changed program may hang as well as fail, or fail
//! in some schedules only: the steps by which threads agree (`slot`, `node`, `backend`, `value`, `reader`, `part`, `parts`,
//! `slow`, `table`, `thread`, `recent`, `pool`, `barrier`), and the reaper's thread and those who wait (`reaper/mod.rs`,
//! `state.rs`, `waiter.rs`). Of the other files with such steps the functions in [`EXCERPTS`] are changed, which have none of
//! their own. `sync` is the models', and in `guard` and the ring's `handle` there is nothing to change that would build.
//! cargo-mutants changes no `unsafe fn`; what matters in those, models and Miri see.

use std::cell::Cell;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::PathBuf;
use std::process::{Command as Process, ExitCode, Stdio};
use std::rc::Rc;

use super::Command;
use crate::args::Args;
use crate::copy::Tree;
use crate::orderings::allowed::{self, Entry};
use crate::runner::{self, Job, Options};
use crate::step::Step;
use crate::tools;
use crate::workspace::{self, Workspace};

pub(super) const COMMAND: Command = Command {
    name: "mutants",
    usage: "[CRATE | CRATE/PART …]",
    about: "change the logic that has no atomics: some test must fail",
    details: "Runs cargo-mutants over the files of plain logic, of all crates or of these, and compares what no test\n\
        noticed with docs/mutants-allowed.txt, which gives a reason for each. A change that is not listed fails the\n\
        command, and so does an entry that a test does notice. A large crate can be had in parts: pool-core/chaos. The\n\
        last line is for machines: `mutants: N changes, U do not build, K noticed, A allowed`.",
    flags: &[],
    passes_on: false,
    run,
};

/// The list of changes that may go unnoticed.
const ALLOWED: &str = "docs/mutants-allowed.txt";

/// Files of plain logic, or with some of it.
struct Group {
    krate: &'static str,
    /// What it is called, where a crate has several.
    part: &'static str,
    files: &'static [&'static str],
    /// The test programs that are about them.
    tests: &'static [&'static str],
}

const fn group(
    krate: &'static str,
    part: &'static str,
    files: &'static [&'static str],
    tests: &'static [&'static str],
) -> Group {
    Group {
        krate,
        part,
        files,
        tests,
    }
}

const GROUPS: &[Group] = &[
    group(
        "pool-gate",
        "",
        &["barrier.rs", "linux.rs", "gate.rs", "sweep.rs"],
        &["gate", "trust"],
    ),
    group(
        "pool-dequeue",
        "",
        &["index.rs", "error.rs", "inline.rs", "raw.rs"],
        &["capacity", "types", "values", "panics", "ladder"],
    ),
    group(
        "pool-chain",
        "",
        &[
            "error.rs",
            "batch.rs",
            "detached.rs",
            "handle.rs",
            "raw.rs",
            "reclaim.rs",
        ],
        &["items", "raw", "memory", "panics", "ladder"],
    ),
    group(
        "atomic-value",
        "",
        &["error.rs", "any.rs"],
        &["any", "value", "user_code"],
    ),
    group(
        "pool-core",
        "policy",
        &["policy.rs", "discard.rs"],
        &["builder", "budgets", "time", "reaper", "panics"],
    ),
    group(
        "pool-core",
        "counts",
        &[
            "stats.rs",
            "budget.rs",
            "usage.rs",
            "presets.rs",
            "export.rs",
        ],
        &["stats", "budgets", "builder", "presets", "insight"],
    ),
    group(
        "pool-core",
        "buffers",
        &["buffers.rs", "clock.rs"],
        &["buffers", "time"],
    ),
    group(
        "pool-core",
        "batches",
        &["batch.rs", "deferred.rs", "moves.rs"],
        &["items", "panics"],
    ),
    group("pool-core", "chaos", &["chaos.rs"], &["chaos"]),
    group(
        "pool-core",
        "reaper",
        &[
            "reaper/decay.rs",
            "reaper/round.rs",
            "reaper/trim.rs",
            "registry.rs",
        ],
        &["reaper", "budgets", "registry", "insight", "trim"],
    ),
    group(
        "pool-core",
        "pressure",
        &[
            "pressure/cgroup.rs",
            "pressure/files.rs",
            "pressure/mod.rs",
            "pressure/psi.rs",
            "pressure/systemd.rs",
        ],
        &["pressure", "reaper"],
    ),
    group(
        "pool-core",
        "cache",
        &["cache.rs"],
        &["rotation", "threads", "memory", "no_memory", "stopped"],
    ),
    group(
        "pool-core",
        "rotation",
        &["rotation.rs", "env.rs"],
        &["rotation", "time", "threads", "stopped"],
    ),
];

/// What is changed of a file that holds steps of a protocol, too.
struct Excerpt {
    krate: &'static str,
    file: &'static str,
    /// As cargo-mutants names them, without what they are generic over.
    functions: &'static [&'static str],
}

const fn excerpt(
    krate: &'static str,
    file: &'static str,
    functions: &'static [&'static str],
) -> Excerpt {
    Excerpt {
        krate,
        file,
        functions,
    }
}

const EXCERPTS: &[Excerpt] = &[
    excerpt(
        "pool-dequeue",
        "raw.rs",
        // Sizes, and what batches give. Not the claims and the publishing.
        &[
            "check_capacity",
            "slot",
            "Ring::capacity",
            "Ring::len",
            "Ring::is_empty",
            "Ring::pop_tail_batch",
            "Ring::drop",
            "Ring::fmt",
            "Batch::next",
            "Batch::size_hint",
            "Batch::drop",
            "Batch::fmt",
        ],
    ),
    excerpt(
        "pool-chain",
        "raw.rs",
        // How big the next ring is, the producer's books, and what is counted. Not the links and who follows them.
        &[
            "Owner::pushed",
            "Owner::judged",
            "Owner::followed",
            "Chain::pop_tail_batch",
            "Chain::collect",
            "Chain::walk",
            "Chain::len",
            "Chain::is_empty",
            "Chain::look",
            "Chain::rings",
            "Chain::capacity",
            "Chain::fmt",
            "Watched::next",
            "fit",
            "next_capacity",
            "pushes_per_judgement",
        ],
    ),
    excerpt(
        "pool-chain",
        "reclaim.rs",
        // That there is something to collect. The rest is the collector's, and the models'.
        &["Domain::collect"],
    ),
    excerpt(
        "pool-core",
        "cache.rs",
        // Books, places, and what is done while the cache is held. Not the gate's own steps.
        &[
            "Takes::of",
            "Takes::after_one",
            "Takes::left",
            "Takes::taken",
            "step",
            "above",
            "places",
            "item",
            "LocalCache::put",
            "LocalCache::hold",
            "LocalCache::is_spent",
            "LocalCache::settle",
            "LocalCache::look_if_due",
            "LocalCache::is_empty",
            "LocalCache::len",
            "LocalCache::take_parked",
            "LocalCache::take_any",
            "LocalCache::room",
            "LocalCache::capacity",
            "LocalCache::furnish",
            "LocalCache::grow",
            "LocalCache::widen",
            "LocalCache::take_all",
            "LocalCache::spill",
            "LocalCache::fill",
            "LocalCache::visit",
            "LocalCache::strip",
            "Stack::remove_lowest",
            "Stack::take_out",
            "Loot::next",
        ],
    ),
    excerpt(
        "pool-core",
        "env.rs",
        // How often is looked. The rest is there twice, and one of each is the models'.
        &["Patience::wait_until"],
    ),
    excerpt(
        "pool-core",
        "rotation.rs",
        // When to turn, how often, and what becomes of what comes out. Not the visit to the caches.
        &[
            "Pool::turn_without_event",
            "Pool::let_victims_go",
            "Pool::let_some_go",
            "Pool::let_coldest_go",
            "Pool::clear",
            "Pool::turn_if_due",
            "Pool::turn_by_time",
            "Pool::turns_by_operations",
            "Pool::turns_by_time",
            "millis",
        ],
    ),
];

/// What a run of the deep tier has time for, each by itself.
pub(super) fn parts() -> Vec<String> {
    GROUPS.iter().map(Group::name).collect()
}

impl Group {
    /// As it is asked for.
    fn name(&self) -> String {
        if self.part.is_empty() {
            return self.krate.to_owned();
        }
        format!("{}/{}", self.krate, self.part)
    }

    /// Whether it is what was asked for, or a part of that.
    fn is_in(&self, what: &str) -> bool {
        self.krate == what || self.name() == what
    }
}

fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode, String> {
    let all = Rc::new(Cell::new(Figures::default()));
    let parts = GROUPS.iter().filter(|group| !group.part.is_empty());
    let parts: Vec<_> = parts.map(Group::name).collect();
    let mut known = workspace.names();
    known.extend(parts.iter().map(String::as_str));
    let mut chosen = args.choose("crate", &known)?;
    if args.words.is_empty() {
        chosen = workspace.names();
    }
    let steps = chosen
        .into_iter()
        .filter_map(|what| {
            let krate = workspace.krate(what.split('/').next()?)?;
            Some(step(what, &krate.name, krate.optional_features(), &all))
        })
        .collect();
    let code = runner::run(workspace, steps, Options::of(args));
    println!("mutants: {}", all.get().told());
    Ok(code)
}

fn step(what: &str, krate: &str, features: Option<String>, all: &Rc<Cell<Figures>>) -> Step {
    let name = format!("mutants {what}");
    if !tools::has_subcommand("mutants") {
        let reason = "not installed: `.ci/get cargo-mutants` gets it";
        return Step::skip(name, "cargo-mutants", reason);
    }
    let (what, krate, all) = (what.to_owned(), krate.to_owned(), all.clone());
    Step::check(name, move |job| check(job, &what, &krate, features.as_deref(), &all))
        .on_failure("write the test that is missing, or argue in docs/mutants-allowed.txt why there can be none")
}

/// How many changes there were, and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Figures {
    changes: usize,
    unbuildable: usize,
    noticed: usize,
    /// Not noticed, and the list says why.
    allowed: usize,
}

impl Figures {
    fn of(found: &Found, allowed: &[Entry]) -> Self {
        let listed = |change: &&String| {
            name(change).is_some_and(|name| allowed.iter().any(|entry| entry.key == name))
        };
        let [unbuildable, noticed, missed] =
            [&found.unbuildable, &found.noticed, &found.missed].map(Vec::len);
        Self {
            changes: unbuildable + noticed + missed,
            unbuildable,
            noticed,
            allowed: found.missed.iter().filter(listed).count(),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            changes: self.changes + other.changes,
            unbuildable: self.unbuildable + other.unbuildable,
            noticed: self.noticed + other.noticed,
            allowed: self.allowed + other.allowed,
        }
    }

    fn told(self) -> String {
        let Self {
            changes,
            unbuildable,
            noticed,
            allowed,
        } = self;
        format!(
            "{changes} changes, {unbuildable} do not build, {noticed} noticed, {allowed} allowed"
        )
    }
}

fn check(
    job: &mut Job<'_>,
    what: &str,
    krate: &str,
    features: Option<&str>,
    all: &Cell<Figures>,
) -> Result<String, String> {
    let text = workspace::read(&job.workspace.root().join(ALLOWED))?;
    let form = |words: &str| {
        words
            .contains(".rs: ")
            .then_some(())
            .ok_or("`FILE: CHANGE`")
    };
    let allowed = allowed::list(&text, form).map_err(|error| format!("{ALLOWED}: {error}"))?;
    let folder = job.workspace.target_for("mutants");
    Tree::read(job.workspace)?.write(&folder.join("copy"))?;
    let groups = || GROUPS.iter().filter(|group| group.is_in(what));
    let files: Vec<_> = groups().flat_map(|group| group.files).copied().collect();

    let mut hunt = Hunt {
        krate,
        features,
        folder,
        found: Found::default(),
    };
    hunt.round(job, &files, Some(&["lib".to_owned()]))?;
    for group in groups() {
        let left: Vec<_> = group
            .files
            .iter()
            .copied()
            .filter(|file| hunt.is_left(file))
            .collect();
        if !left.is_empty() {
            let tests: Vec<_> = group
                .tests
                .iter()
                .map(|test| format!("test={test}"))
                .collect();
            hunt.round(job, &left, Some(&tests))?;
        }
    }
    if !hunt.found.missed.is_empty() {
        hunt.round(job, &files, None)?;
    }
    let found = hunt.found;
    let complaints = complaints(&found, &allowed, krate, &files);
    let figures = Figures::of(&found, &allowed);
    all.set(all.get().plus(figures));
    let told = figures.told();
    if complaints.is_empty() {
        Ok(told)
    } else {
        job.say(&complaints.join("\n"));
        Err(format!("{told}; {} complaints", complaints.len()))
    }
}

fn path(krate: &str, file: &str) -> String {
    format!("crates/{krate}/src/{file}")
}

/// What the names of a file's changes look like, to cargo-mutants: the place, then `replace FUNCTION with …` or
/// `replace … in FUNCTION`.
fn pattern(krate: &str, file: &str) -> String {
    let place = format!(r"^{}:\d+:\d+: ", path(krate, file).replace('.', r"\."));
    let is_its = |excerpt: &&Excerpt| excerpt.krate == krate && excerpt.file == file;
    let Some(excerpt) = EXCERPTS.iter().find(is_its) else {
        return place;
    };
    // `Type::function` is `Type<T>::function` there, or `<impl Trait for Type<T>>::function`, and what it stands in may
    // come before.
    let function = |name: &&str| match name.split_once("::") {
        Some((kind, name)) => format!(r"(.*::)?(<impl .* for )?{kind}(<.*>)?>?::{name}"),
        None => (*name).to_owned(),
    };
    let functions: Vec<_> = excerpt.functions.iter().map(function).collect();
    format!("{place}(replace|.* in) ({})( |$)", functions.join("|"))
}

/// The changes of one crate, which fewer and fewer are left of.
struct Hunt<'a> {
    krate: &'a str,
    features: Option<&'a str>,
    folder: PathBuf,
    found: Found,
}

impl Hunt<'_> {
    /// Whether a change of this file has not been noticed so far.
    fn is_left(&self, file: &str) -> bool {
        let path = path(self.krate, file);
        self.found.missed.iter().any(|it| it.starts_with(&path))
    }

    /// Shows what is left in these files to some test targets or to all tests, and tells what becomes of each change as
    /// soon as it is known.
    fn round(
        &mut self,
        job: &mut Job<'_>,
        files: &[&str],
        targets: Option<&[String]>,
    ) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("cannot run cargo: {error}");
        let results = self.folder.join("mutants.out");
        match std::fs::remove_dir_all(&results) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
            _ => std::fs::create_dir_all(&results).map_err(failed)?,
        }
        // Where cargo-mutants looks for what it need not ask again.
        let done = [&*self.found.noticed, &self.found.unbuildable].concat();
        std::fs::write(results.join("caught.txt"), done.join("\n")).map_err(failed)?;
        let paths: Vec<_> = files.iter().map(|file| path(self.krate, file)).collect();
        let ours = |change: &String| paths.iter().any(|path| change.starts_with(path));
        self.found.missed.retain(|change| !ours(change));

        let mut command = Process::new("cargo");
        command
            .args(["mutants", "--in-place", "--iterate", "--no-shuffle"])
            .args(["--no-times", "--caught", "--unviable"])
            .args(["--colors=never", "--package", self.krate])
            .args(paths.iter().map(|path| format!("--file={path}")))
            .args(
                files
                    .iter()
                    .map(|file| format!("--re={}", pattern(self.krate, file))),
            )
            .args(
                self.features
                    .map(|features| format!("--features={features}")),
            )
            // A change that hangs is noticed.
            .arg(if targets.is_some() {
                "--timeout=60"
            } else {
                "--timeout=900"
            })
            // To builds, too: what stands behind `--` is for test runs alone.
            .args(
                targets
                    .into_iter()
                    .flatten()
                    .map(|target| format!("--cargo-arg=--{target}")),
            )
            .arg("--output")
            .arg(&self.folder)
            .current_dir(self.folder.join("copy"))
            .env("CARGO_TARGET_DIR", self.folder.join("build"))
            .env("CARGO_PROFILE_DEV_DEBUG", "none")
            // Four times as fast here: a change touches little.
            .env("CARGO_INCREMENTAL", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        let (mut count, mut all) = (0, "?".to_owned());
        let lines = child.stdout.take().map(|out| BufReader::new(out).lines());
        for line in lines.into_iter().flatten() {
            let line = line.map_err(failed)?;
            if self.found.enter(&line) {
                count += 1;
                job.say(&format!("{count} of {all}: {line}"));
            } else {
                job.say(&line);
                if let Some(number) = line.strip_prefix("Found ") {
                    all = number.split(' ').next().unwrap_or_default().to_owned();
                }
            }
        }
        let status = child.wait().map_err(failed)?;
        // 2 says that something went unnoticed, 3 that a test ran into its time limit.
        match status.code() {
            Some(0 | 2 | 3) if count != 0 => Ok(()),
            _ => Err(format!("cargo mutants: {status} after {count} changes")),
        }
    }
}

/// What became of the changes.
#[derive(Debug, Default)]
struct Found {
    unbuildable: Vec<String>,
    /// By a test that failed, or that had to be stopped.
    noticed: Vec<String>,
    missed: Vec<String>,
}

impl Found {
    /// Enters a change by what cargo-mutants says of it; says whether the line is of that kind.
    fn enter(&mut self, line: &str) -> bool {
        let Some((fate, change)) = line.split_once(' ') else {
            return false;
        };
        let list = match fate {
            "unviable" => &mut self.unbuildable,
            "caught" | "TIMEOUT" => &mut self.noticed,
            "MISSED" => &mut self.missed,
            _ => return false,
        };
        list.push(change.trim().to_owned());
        true
    }
}

/// A change's name, without the line and the column, which come and go.
fn name(change: &str) -> Option<String> {
    let (place, what) = change.split_once(": ")?;
    let file = place.split(':').next()?;
    Some(format!("{file}: {what}"))
}

/// What is wrong about these files. One name may stand for several changes; an entry is right while one of them goes
/// unnoticed.
fn complaints(found: &Found, allowed: &[Entry], krate: &str, files: &[&str]) -> Vec<String> {
    let names =
        |changes: &[String]| -> Vec<_> { changes.iter().filter_map(|it| name(it)).collect() };
    let (missed, noticed) = (names(&found.missed), names(&found.noticed));
    let listed = |name: &&String| allowed.iter().any(|entry| entry.key == **name);
    let mut complaints: Vec<String> = missed
        .iter()
        .filter(|name| !listed(name))
        .map(|name| format!("no test notices, and no reason is given: {name}"))
        .collect();
    let ours = |entry: &&Entry| {
        let file = entry.key.split(": ").next().unwrap_or_default();
        files.iter().any(|it| path(krate, it) == file)
    };
    for entry in allowed.iter().filter(ours) {
        if missed.contains(&entry.key) {
            continue;
        }
        let why = if noticed.contains(&entry.key) {
            "a test notices what the list allows"
        } else {
            "there is no such change"
        };
        complaints.push(format!("{ALLOWED}:{}: {why}: {}", entry.line, entry.key));
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        let mut found = Found::default();
        for (line, is_change) in [
            ("Found 5 mutants to test", false),
            ("ok       Unmutated baseline", false),
            ("caught   crates/x/src/a.rs:1:2: replace a", true),
            ("TIMEOUT  crates/x/src/a.rs:1:2: replace b", true),
            ("MISSED   crates/x/src/a.rs:1:2: replace c", true),
            ("unviable crates/x/src/a.rs:1:2: replace d", true),
            ("", false),
        ] {
            assert_eq!(found.enter(line), is_change, "{line}");
        }
        let counts = [&found.unbuildable, &found.noticed, &found.missed].map(Vec::len);
        assert_eq!(counts, [1, 2, 1]);
        assert_eq!(found.missed[0], "crates/x/src/a.rs:1:2: replace c");
    }

    #[test]
    fn names_have_no_line() {
        assert_eq!(
            name("crates/x/src/a.rs:12:5: replace f -> u32 with 0").as_deref(),
            Some("crates/x/src/a.rs: replace f -> u32 with 0")
        );
        assert_eq!(name("nothing"), None);
    }

    #[test]
    fn the_list_and_the_tests_are_compared() {
        let [a, b, c] = ["a", "b", "c"].map(|name| format!("crates/x/src/y.rs: replace {name}"));
        let places = |names: &[&str]| {
            let place = |name: &&str| name.replace(".rs: ", ".rs:1:2: ");
            names.iter().map(place).collect()
        };
        let found = Found {
            unbuildable: Vec::new(),
            missed: places(&[&a, &b]),
            noticed: places(&[&b, &c]),
        };
        let list = |keys: &[&str]| -> Vec<Entry> {
            let entry = |key: &&str| Entry {
                key: (*key).to_owned(),
                reason: "why".to_owned(),
                line: 1,
            };
            keys.iter().map(entry).collect()
        };
        let figures = Figures::of(&found, &list(&[&a]));
        assert_eq!(
            figures.plus(figures).told(),
            "8 changes, 0 do not build, 4 noticed, 2 allowed"
        );
        let complaints = |keys: &[&str]| super::complaints(&found, &list(keys), "x", &["y.rs"]);
        assert_eq!(complaints(&[&a, &b]), [""; 0]);
        assert!(complaints(&[&a])[0].starts_with("no test notices"));
        assert!(complaints(&[&a, &b, &c])[0].contains("a test notices what"));
        let gone = "crates/x/src/y.rs: replace gone";
        assert!(complaints(&[&a, &b, gone])[0].contains("no such change"));
        for other in ["other/src/y.rs", "x/src/z.rs", "x/src/w/y.rs"] {
            let other = format!("crates/{other}: replace d");
            assert_eq!(complaints(&[&a, &b, &other]), [""; 0]);
        }
    }

    /// Nobody asks for an entry of another file.
    #[test]
    fn every_entry_is_of_a_file_that_is_changed() {
        let root = Workspace::find().unwrap().root().to_owned();
        let text = workspace::read(&root.join(ALLOWED)).unwrap();
        let entries = allowed::list(&text, |_| Ok(())).unwrap();
        assert!(!entries.is_empty());
        for Entry { key, .. } in entries {
            let file = key.split(": ").next().unwrap();
            let mut groups = GROUPS.iter();
            let known =
                groups.any(|group| group.files.iter().any(|it| path(group.krate, it) == file));
            assert!(known, "{file}");
        }
    }

    /// A part that no job asks for would never be run.
    #[test]
    fn the_deep_workflow_has_a_job_for_each_part() {
        let text = include_str!("../../../.github/workflows/deep.yml");
        for group in GROUPS {
            let name = group.name();
            let job = format!("- {name}\n");
            let count = text
                .lines()
                .filter(|line| format!("{}\n", line.trim_start()) == job)
                .count();
            assert_eq!(count, 1, "{name}");
        }
    }

    #[test]
    fn the_files_and_the_tests_are_there() {
        let workspace = Workspace::find().unwrap();
        for excerpt in EXCERPTS {
            let dir = &workspace.krate(excerpt.krate).unwrap().dir;
            let text = workspace::read(&dir.join("src").join(excerpt.file)).unwrap();
            for function in excerpt.functions {
                let name = function.rsplit("::").next().unwrap();
                let there = ["(", "<"].map(|end| text.contains(&format!("fn {name}{end}")));
                assert!(there != [false; 2], "{}: {function}", excerpt.file);
            }
            let is_its = |group: &&Group| {
                group.krate == excerpt.krate && group.files.contains(&excerpt.file)
            };
            assert_eq!(GROUPS.iter().filter(is_its).count(), 1, "{}", excerpt.file);
        }
        for group in GROUPS {
            let dir = &workspace.krate(group.krate).unwrap().dir;
            for file in group.files {
                assert!(
                    dir.join("src").join(file).exists(),
                    "{}: {file}",
                    group.krate
                );
            }
            for test in group.tests {
                let file = dir.join("tests").join(test).with_extension("rs");
                assert!(file.exists(), "{}: {test}", group.krate);
            }
        }
    }
}
