//! `bench`: holds the promises about speed against the machine. All arguments, `--help` included, are those of the
//! program that it builds and runs, which is the package `benches`.

use std::process::{Command as Process, ExitCode};

use super::Command;
use crate::args::Args;
use crate::step::Invocation;
use crate::workspace::Workspace;

pub(super) const COMMAND: Command = Command {
    name: "bench",
    usage: "[--quick] [--filter TEXT] [--instructions] [--report]",
    about: "measure every layer against its rivals, and fail where a goal is missed",
    details: "",
    flags: &[],
    passes_on: true,
    run,
};

/// Builds and runs the program.
const RUN: &str = "run --release --quiet -p benches --bin measure --";

fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode, String> {
    let invocation = Invocation::cargo(RUN).args(&args.rest);
    // On the caller's terminal: this takes minutes, and its output is what it is for.
    let status = Process::new(&invocation.program)
        .args(&invocation.args)
        .current_dir(workspace.root())
        .status()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    Ok(match status.code() {
        Some(0) => ExitCode::SUCCESS,
        Some(code) => u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from),
        None => ExitCode::FAILURE,
    })
}
