//! `test`: each crate's tests and doctests alone, without default features, and all together.

use std::fs;
use std::process::ExitCode;

use super::Command;
use crate::args::{Args, Flag};
use crate::runner::{self, Options};
use crate::step::{Step, Subject};
use crate::tools;
use crate::workspace::{Crate, Workspace};

pub(super) const COMMAND: Command = Command {
    name: "test",
    usage: "[CRATE…] [--release]",
    about: "tests and doctests of each crate alone, then of all together",
    details: "Alone matters: together, crates switch on each other's features. Runs under nextest where that is\n\
        installed. --release runs optimised, with the long tests (#[ignore]) that a debug build is too slow for.",
    flags: &[Flag {
        name: "--release",
        value: None,
        about: "optimised, including the long tests",
    }],
    passes_on: false,
    run,
};

fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode, String> {
    let chosen = args.choose("crate", &workspace.names())?;
    let crates = || {
        workspace
            .crates()
            .iter()
            .filter(|krate| chosen.contains(&krate.name.as_str()))
    };
    let steps = if args.has("--release") {
        crates().map(optimised).collect()
    } else {
        let mut steps: Vec<_> = crates().flat_map(alone).collect();
        if args.words.is_empty() {
            steps.extend(together());
        }
        steps
    };
    Ok(runner::run(workspace, steps, Options::of(args)))
}

/// A step that runs tests other than doctests.
fn tests(name: String, which: &str) -> Step {
    let run = if tools::has_subcommand("nextest") {
        "nextest run --no-fail-fast"
    } else {
        "test --no-fail-fast"
    };
    Step::cargo(name, &format!("{run} {which}")).at_least(1)
}

/// A step that runs doctests.
fn doctests(name: impl Into<String>, which: &str) -> Step {
    Step::cargo(name, &format!("test --doc {which}")).at_least(1)
}

/// One crate, as if nothing else existed.
pub(super) fn alone(krate: &Crate) -> Vec<Step> {
    let name = krate.name.as_str();
    let mut steps = vec![
        tests(
            format!("test {name}"),
            &format!("-p {name} --tests --examples"),
        ),
        doctests(format!("doctest {name}"), &format!("-p {name}")),
    ];
    if krate.has_default_features() {
        let which = format!("-p {name} --no-default-features");
        steps.push(tests(
            format!("test {name}, no default features"),
            &format!("{which} --tests --examples"),
        ));
        steps.push(doctests(
            format!("doctest {name}, no default features"),
            &which,
        ));
    }
    if let Some(features) = krate.optional_features() {
        let which = format!("-p {name} --features {features}");
        // What no feature changes has been tested.
        let programs = programs(krate, &["feature = "]);
        steps.push(tests(
            format!("test {name}, all features"),
            &format!("{which} --lib {programs}"),
        ));
        steps.push(doctests(format!("doctest {name}, all features"), &which));
    }
    steps
}

/// The whole workspace; xtask's doctests are the README.
pub(super) fn together() -> Vec<Step> {
    vec![
        tests("test together".to_owned(), "--tests --examples"),
        doctests("doctest together, with the README", ""),
    ]
}

/// What is not published, and the README's examples: all that `together` has and `alone` has not.
pub(super) fn tools() -> Vec<Step> {
    vec![
        tests(
            "test the tools".to_owned(),
            "-p trials -p xtask --tests --examples",
        ),
        doctests("doctest the README", "-p xtask")
            .looks_at([Subject::Pages, Subject::Package("xtask".to_owned())]),
    ]
}

/// One crate, optimised: the tests that are too long for a debug build, too.
fn optimised(krate: &Crate) -> Step {
    let name = &krate.name;
    let line = format!("test --release --no-fail-fast -p {name} --tests -- --include-ignored");
    Step::cargo(format!("long tests {name}"), &line).at_least(1)
}

/// The tests that are too long for a debug build, if the crate has any: what else runs optimised is the business of
/// `verify`.
pub(super) fn long(krate: &Crate) -> Option<Step> {
    let programs = programs(krate, &["#[ignore"]);
    if programs.is_empty() {
        return None;
    }
    let name = &krate.name;
    let line = format!("test --release --no-fail-fast -p {name} {programs} -- --ignored");
    Some(Step::cargo(format!("long tests {name}"), &line).at_least(1))
}

/// The test programs with one of these words in them, for cargo.
fn programs(krate: &Crate, words: &[&str]) -> String {
    let Ok(entries) = fs::read_dir(krate.dir.join("tests")) else {
        return String::new();
    };
    let mut names: Vec<String> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            fs::read_to_string(path).is_ok_and(|text| words.iter().any(|word| text.contains(word)))
        })
        .filter_map(|path| Some(format!("--test {}", path.file_stem()?.to_str()?)))
        .collect();
    names.sort();
    names.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_chosen_by_what_they_say() {
        let workspace = Workspace::find().unwrap();
        let krate = workspace.krate("atomic-value").unwrap();
        assert_eq!(programs(krate, &["#[ignore"]), "--test threads");
        assert_eq!(programs(krate, &["nobody says this"]), "");
    }
}
