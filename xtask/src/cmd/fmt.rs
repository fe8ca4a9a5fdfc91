//! `fmt`: formats the workspace, or says what is not formatted.

use std::process::ExitCode;

use super::Command;
use crate::args::{Args, Flag};
use crate::runner::{self, Options};
use crate::step::{Step, Subject};
use crate::tools;
use crate::workspace::Workspace;

pub(super) const COMMAND: Command = Command {
    name: "fmt",
    usage: "[--check]",
    about: "format all code, or check that it is formatted",
    details: "",
    flags: &[Flag {
        name: "--check",
        value: None,
        about: "change nothing, fail if something would change",
    }],
    passes_on: false,
    run,
};

fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode, String> {
    args.no_words()?;
    let steps = if args.has("--check") {
        steps()
    } else {
        vec![fmt("fmt --all")]
    };
    Ok(runner::run(workspace, steps, Options::of(args)))
}

/// The check.
pub(super) fn steps() -> Vec<Step> {
    vec![
        fmt("fmt --all --check")
            .looks_at([Subject::Anything])
            .on_failure("`cargo xtask fmt` formats it"),
    ]
}

fn fmt(line: &str) -> Step {
    Step::cargo("fmt", line).needs_component("rustfmt", tools::has_subcommand("fmt"))
}
