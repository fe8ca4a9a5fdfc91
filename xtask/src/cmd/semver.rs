//! `semver`: whether the public names still allow what the last release allowed.

use std::process::{Command as Process, ExitCode};

use super::Command;
use crate::args::{Args, Flag};
use crate::runner::{self, Options};
use crate::step::Step;
use crate::tools;
use crate::workspace::Workspace;

pub(super) const COMMAND: Command = Command {
    name: "semver",
    usage: "[--since REV]",
    about: "compare the public names with those of the last release",
    details: "The last release is the newest tag `v…` that this commit is built on; before the first there is nothing to\n\
        compare with. Needs cargo-semver-checks. `cargo xtask api` shows every change since the lists in docs/public-api\n\
        were accepted, breaking or not, and needs nothing.",
    flags: &[Flag {
        name: "--since",
        value: Some("REV"),
        about: "compare with this revision",
    }],
    passes_on: false,
    run,
};

fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode, String> {
    args.no_words()?;
    let since = args.value("--since").map(str::to_owned);
    let Some(since) = since.or_else(|| last_release(workspace)) else {
        println!("semver: there is no release yet (no tag `v…`): nothing to compare with");
        return Ok(ExitCode::SUCCESS);
    };
    let steps = workspace
        .crates()
        .iter()
        .map(|krate| step(&krate.name, &since))
        .collect();
    Ok(runner::run(workspace, steps, Options::of(args)))
}

fn step(name: &str, since: &str) -> Step {
    let title = format!("semver {name}");
    if !tools::has_subcommand("semver-checks") {
        let reason = "not installed: `.ci/get cargo-semver-checks` gets it";
        return Step::skip(title, "cargo-semver-checks", reason);
    }
    Step::cargo(title, &format!("semver-checks -p {name}"))
        .args(["--baseline-rev", since])
        .on_failure("docs/stability.md says which version may break what")
}

/// The newest tag of a release that `HEAD` is built on.
fn last_release(workspace: &Workspace) -> Option<String> {
    let output = Process::new("git")
        .args(["describe", "--tags", "--abbrev=0", "--match", "v[0-9]*"])
        .current_dir(workspace.root())
        .output()
        .ok()?;
    let tag = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !tag.is_empty()).then_some(tag)
}
