//! `demo`: compresses real files with and without the pool and prints what it saved. All arguments,
//! `--help` included, are those of the example that it builds and runs.

use std::process::ExitCode;

use super::Command;
use crate::args::Args;
use crate::step::{Invocation, Step};
use crate::workspace::Workspace;

pub(super) const COMMAND: Command = Command {
    name: "demo",
    usage: "[DIR]",
    about: "compress the files below DIR (default: this repository) with and without the pool",
    details: "",
    flags: &[],
    passes_on: true,
    run,
};

/// Builds and runs the example.
const RUN: &str = "run --release -p pool-core --example compress --";

fn run(_: &Workspace, args: &Args) -> Result<ExitCode, String> {
    Invocation::cargo(RUN).args(&args.rest).hand_over()
}

/// The demo on a small tree.
pub(super) fn steps(workspace: &Workspace) -> Vec<Step> {
    let tree = workspace.root().join("crates").join("pool-dequeue");
    vec![
        Step::cargo("demo", RUN)
            .args(["--passes", "2"])
            .args([tree]),
    ]
}
