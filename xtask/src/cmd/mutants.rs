//! `mutants`: whether the tests notice when the plain logic is changed. The orderings are the business of
//! `orderings`.

use std::path::Path;
use std::process::{Command as Process, ExitCode, Stdio};

use super::Command;
use crate::args::Args;
use crate::orderings::allowed::{self, Entry};
use crate::runner::{self, Job, Options};
use crate::step::Step;
use crate::tools;
use crate::workspace::{self, Workspace};

pub(super) const COMMAND: Command = Command {
    name: "mutants",
    usage: "[CRATE …]",
    about: "change the logic that has no atomics: some test must fail",
    details: "Runs cargo-mutants over the files of plain logic, of all crates or of these, and compares what no test\n\
        noticed with docs/mutants-allowed.txt, which gives a reason for each. A change that is not listed fails the\n\
        command, and so does an entry that a test does notice.",
    flags: &[],
    passes_on: false,
    run,
};

/// The list of changes that may go unnoticed.
const ALLOWED: &str = "docs/mutants-allowed.txt";

/// The files without protocols of their own, by crate. What the rest does is checked by models and tools, under
/// which a changed program may hang as well as fail.
const FILES: &[(&str, &[&str])] = &[
    ("pool-dequeue", &["index.rs", "error.rs", "inline.rs"]),
    ("pool-chain", &["error.rs", "batch.rs", "detached.rs"]),
    ("atomic-value", &["error.rs"]),
    (
        "pool-core",
        &["policy.rs", "clock.rs", "batch.rs", "stats.rs"],
    ),
];

fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode, String> {
    let chosen = args.choose("crate", &workspace.names())?;
    let steps = FILES
        .iter()
        .filter(|(krate, _)| chosen.contains(krate))
        .map(|(krate, files)| step(krate, files))
        .collect();
    Ok(runner::run(workspace, steps, Options::of(args)))
}

fn step(krate: &'static str, files: &'static [&'static str]) -> Step {
    let name = format!("mutants {krate}");
    if !tools::has_subcommand("mutants") {
        let reason = "not installed: cargo install cargo-mutants --locked";
        return Step::skip(name, "cargo-mutants", reason);
    }
    Step::check(name, move |job| check(job, krate, files))
        .on_failure("write the test that is missing, or argue in docs/mutants-allowed.txt why there can be none")
}

fn check(job: &mut Job<'_>, krate: &str, files: &[&str]) -> Result<String, String> {
    let root = job.workspace.root();
    let text = workspace::read(&root.join(ALLOWED))?;
    let form = |words: &str| {
        words
            .contains(".rs: ")
            .then_some(())
            .ok_or("`FILE: CHANGE`")
    };
    let allowed = allowed::list(&text, form).map_err(|error| format!("{ALLOWED}: {error}"))?;
    let output = job.workspace.target_for("mutants").join(krate);
    std::fs::create_dir_all(&output).map_err(|error| format!("{}: {error}", output.display()))?;
    let mut command = Process::new("cargo");
    command
        .args([
            "mutants",
            "--no-shuffle",
            "--colors",
            "never",
            "--package",
            krate,
        ])
        .arg("--output")
        .arg(&output)
        // Every tree has a target folder of its own, or the trees would throw out each other's builds.
        .env_remove("CARGO_TARGET_DIR")
        .current_dir(root)
        .stdin(Stdio::null());
    for file in files {
        command.args(["--file", &format!("crates/{krate}/src/{file}")]);
    }
    let run = command
        .output()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    job.note(&String::from_utf8_lossy(&run.stdout));
    job.note(&String::from_utf8_lossy(&run.stderr));
    // 2 says that something went unnoticed, 3 that a test ran into its time limit.
    if !matches!(run.status.code(), Some(0 | 2 | 3)) {
        return Err(format!("cargo mutants: {}", run.status));
    }
    let found = Found::read(&output.join("mutants.out"))?;
    let complaints = complaints(&found, &allowed, krate, files);
    let told = format!(
        "{} changes, {} noticed, {} allowed",
        found.noticed.len() + found.missed.len(),
        found.noticed.len(),
        found.missed.len()
    );
    if complaints.is_empty() {
        Ok(told)
    } else {
        job.say(&complaints.join("\n"));
        Err(format!("{told}; {} complaints", complaints.len()))
    }
}

/// What became of the changes, by their names.
#[derive(Debug, Default)]
struct Found {
    missed: Vec<String>,
    /// By a test that failed, or that had to be stopped.
    noticed: Vec<String>,
}

impl Found {
    fn read(folder: &Path) -> Result<Self, String> {
        let names = |file: &str| -> Result<Vec<String>, String> {
            let text = workspace::read(&folder.join(file))?;
            Ok(text.lines().filter_map(name).collect())
        };
        let mut noticed = names("caught.txt")?;
        noticed.extend(names("timeout.txt")?);
        let missed = names("missed.txt")?;
        if missed.is_empty() && noticed.is_empty() {
            return Err("nothing was changed".to_owned());
        }
        Ok(Self { missed, noticed })
    }
}

/// A change's name, without the line and the column, which come and go.
fn name(line: &str) -> Option<String> {
    let (place, change) = line.split_once(": ")?;
    let file = place.split(':').next()?;
    Some(format!("{file}: {change}"))
}

/// What is wrong. One name may stand for several changes; an entry is right while one of them goes unnoticed.
fn complaints(found: &Found, allowed: &[Entry], krate: &str, files: &[&str]) -> Vec<String> {
    let listed = |name: &&String| allowed.iter().any(|entry| entry.key == **name);
    let mut complaints: Vec<String> = found
        .missed
        .iter()
        .filter(|name| !listed(name))
        .map(|name| format!("no test notices, and no reason is given: {name}"))
        .collect();
    let ours = |entry: &&Entry| {
        files.iter().any(|file| {
            entry
                .key
                .starts_with(&format!("crates/{krate}/src/{file}: "))
        })
    };
    for entry in allowed.iter().filter(ours) {
        if found.missed.contains(&entry.key) {
            continue;
        }
        let why = if found.noticed.contains(&entry.key) {
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
    fn names_have_no_line() {
        assert_eq!(
            name("crates/x/src/a.rs:12:5: replace f -> u32 with 0").as_deref(),
            Some("crates/x/src/a.rs: replace f -> u32 with 0")
        );
        assert_eq!(name("nothing"), None);
    }

    #[test]
    fn the_list_and_the_tests_are_compared() {
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let [a, b, c] = ["a", "b", "c"].map(|name| format!("crates/x/src/y.rs: replace {name}"));
        let found = Found {
            missed: own(&[&a, &b]),
            noticed: own(&[&b, &c]),
        };
        let list = |keys: &[&str]| -> Vec<Entry> {
            let entry = |key: &&str| Entry {
                key: (*key).to_owned(),
                reason: "why".to_owned(),
                line: 1,
            };
            keys.iter().map(entry).collect()
        };
        let complaints = |keys: &[&str]| super::complaints(&found, &list(keys), "x", &["y.rs"]);
        assert_eq!(complaints(&[&a, &b]), [""; 0]);
        assert!(complaints(&[&a])[0].starts_with("no test notices"));
        assert!(complaints(&[&a, &b, &c])[0].contains("a test notices what"));
        let gone = "crates/x/src/y.rs: replace gone";
        assert!(complaints(&[&a, &b, gone])[0].contains("no such change"));
        let other = "crates/x/src/other.rs: replace d";
        assert_eq!(complaints(&[&a, &b, other]), [""; 0]);
    }

    #[test]
    fn the_files_are_there() {
        let workspace = Workspace::find().unwrap();
        for (krate, files) in FILES {
            let src = workspace.krate(krate).unwrap().dir.join("src");
            for file in *files {
                assert!(src.join(file).exists(), "{krate}: {file}");
            }
        }
    }
}
