//! `server`: measures the example server with pools and without. All arguments, `--help` included, are its own.

use std::process::{Command as Process, ExitCode};

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
    let invocation = Invocation::cargo("run --release --quiet -p server --").args(&args.rest);
    let status = Process::new(&invocation.program)
        .args(&invocation.args)
        .status()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    Ok(match status.code() {
        Some(0) => ExitCode::SUCCESS,
        Some(code) => u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from),
        None => ExitCode::FAILURE,
    })
}

/// Its tests: what it does with input that no server wants.
pub(super) fn steps() -> Vec<Step> {
    vec![Step::cargo("server", "test -p server --tests").at_least(1)]
}
