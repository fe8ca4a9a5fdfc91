//! `memory`: runs bursts and looks at what they leave behind, checks it, and writes figures and picture to `docs`. All
//! arguments, `--help` included, are those of the example that it builds and runs.

use std::process::ExitCode;

use super::Command;
use crate::args::Args;
use crate::step::Invocation;
use crate::workspace::Workspace;

pub(super) const COMMAND: Command = Command {
    name: "memory",
    usage: "[--period-ms N]",
    about: "check that memory comes back after bursts; figures and picture go to docs",
    details: "",
    flags: &[],
    passes_on: true,
    run,
};

/// Builds and runs the example.
const RUN: &str = "run --release -p pool-core --example memory --";

fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode, String> {
    let docs = workspace.root().join("docs");
    Invocation::cargo(RUN)
        .args(["--docs"])
        .args([docs])
        .args(&args.rest)
        .hand_over()
}
