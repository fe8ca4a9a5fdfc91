//! `test`: each crate's tests and doctests alone, without default features, and all together.

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
        crates().map(long).collect()
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
        "test --no-fail-fast --tests --examples"
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
        tests(format!("test {name}"), &format!("-p {name}")),
        doctests(format!("doctest {name}"), &format!("-p {name}")),
    ];
    if krate.has_default_features() {
        let which = format!("-p {name} --no-default-features");
        steps.push(tests(format!("test {name}, no default features"), &which));
        steps.push(doctests(
            format!("doctest {name}, no default features"),
            &which,
        ));
    }
    if let Some(features) = krate.optional_features() {
        let which = format!("-p {name} --features {features}");
        steps.push(tests(format!("test {name}, all features"), &which));
        steps.push(doctests(format!("doctest {name}, all features"), &which));
    }
    steps
}

/// The whole workspace; xtask's doctests are the README.
pub(super) fn together() -> Vec<Step> {
    vec![
        tests("test together".to_owned(), ""),
        doctests("doctest together, with the README", ""),
    ]
}

/// What is not published, and the README's examples: all that `together` has and `alone` has not.
pub(super) fn tools() -> Vec<Step> {
    vec![
        tests("test the tools".to_owned(), "-p trials -p xtask"),
        doctests("doctest the README", "-p xtask")
            .looks_at([Subject::Pages, Subject::Package("xtask".to_owned())]),
    ]
}

/// One crate, optimised, with the tests that are too long for a debug build.
pub(super) fn long(krate: &Crate) -> Step {
    let name = &krate.name;
    let line = format!("test --release -p {name} --tests -- --include-ignored");
    Step::cargo(format!("long tests {name}"), &line).at_least(1)
}
