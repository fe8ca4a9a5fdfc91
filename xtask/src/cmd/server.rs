//! `server`: measures the example server with pools and without. All arguments, `--help` included, are its own.

use std::process::ExitCode;

use super::Command;
use crate::args::Args;
use crate::step::{Invocation, Step};
use crate::workspace::Workspace;

pub(super) const COMMAND: Command = Command {
    name: "server",
    usage: "[--quick]",
    about: "measure an HTTP server with pools and without: requests, allocations, memory",
    details: "",
    flags: &[],
    passes_on: true,
    run,
};

fn run(_: &Workspace, args: &Args) -> Result<ExitCode, String> {
    Invocation::cargo("run --release --quiet -p server --")
        .args(&args.rest)
        .hand_over()
}

/// Its tests: what it does with input that no server wants.
pub(super) fn steps() -> Vec<Step> {
    vec![Step::cargo("server", "test -p server --tests").at_least(1)]
}
