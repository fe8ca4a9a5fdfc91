//! `test`: each crate's tests and doctests alone, without default features, and all together.

use std::process::ExitCode;

use super::Command;
use crate::args::{Args, Flag};
use crate::runner::{self, Options};
use crate::step::Step;
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

/// The head of the command line that runs tests other than doctests.
fn runner_args() -> &'static [&'static str] {
    if tools::has_nextest() {
        &["nextest", "run", "--no-fail-fast"]
    } else {
        &["test", "--no-fail-fast", "--tests", "--examples"]
    }
}

/// A step that runs tests.
fn tests<'a>(name: String, args: impl IntoIterator<Item = &'a str>) -> Step {
    let args: Vec<&str> = runner_args().iter().copied().chain(args).collect();
    Step::cargo(name, args).at_least(1)
}

/// One crate, as if nothing else existed.
pub(super) fn alone(krate: &Crate) -> Vec<Step> {
    let name = krate.name.as_str();
    let mut steps = vec![
        tests(format!("test {name}"), ["-p", name]),
        Step::cargo(format!("doctest {name}"), ["test", "--doc", "-p", name]).at_least(1),
    ];
    if krate.has_default_features {
        let bare = "--no-default-features";
        steps.push(tests(
            format!("test {name}, no default features"),
            ["-p", name, bare],
        ));
        let args = ["test", "--doc", "-p", name, bare];
        steps.push(Step::cargo(format!("doctest {name}, no default features"), args).at_least(1));
    }
    steps
}

/// The whole workspace; xtask's doctests are the README.
pub(super) fn together() -> Vec<Step> {
    vec![
        tests("test together".to_owned(), []),
        Step::cargo("doctest together, with the README", ["test", "--doc"]).at_least(1),
    ]
}

/// One crate, optimised, with the tests that are too long for a debug build.
pub(super) fn long(krate: &Crate) -> Step {
    let name = krate.name.as_str();
    let args = [
        "test",
        "--release",
        "-p",
        name,
        "--tests",
        "--",
        "--include-ignored",
    ];
    Step::cargo(format!("long tests {name}"), args).at_least(1)
}
