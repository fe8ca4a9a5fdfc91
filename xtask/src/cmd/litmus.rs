//! `litmus`: the asymmetric barrier on this machine, with a control that shows whether the machine could have told.

use std::process::{Command as Process, ExitCode};

use super::Command;
use crate::args::{Args, Flag};
use crate::step::Invocation;
use crate::workspace::Workspace;

pub(super) const COMMAND: Command = Command {
    name: "litmus",
    usage: "[--seconds N]",
    about: "try the asymmetric barrier on this machine, and say when that is no evidence",
    details: "Two threads write a word each and read the other's. With the light barrier on one side and the heavy one on\n\
        the other, at least one must see the other's write. The same with a system call that orders nothing in place of\n\
        the heavy barrier is the control: where it never shows the weak outcome, the run proves nothing, and the last\n\
        line says so.",
    flags: &[Flag {
        name: "--seconds",
        value: Some("N"),
        about: "how long each of the three runs takes (default: 10)",
    }],
    passes_on: false,
    run,
};

/// Builds and runs the test, whose verdict is a line that begins with `litmus:`.
const RUN: &str =
    "test --release -q -p pool-gate --test litmus -- --nocapture --exact light_against_heavy";

fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode, String> {
    args.no_words()?;
    let seconds = args.value("--seconds").unwrap_or("10");
    if seconds.parse::<u32>().is_err() {
        return Err(format!("--seconds {seconds} is no number"));
    }
    let invocation = Invocation::cargo(RUN);
    let output = Process::new(&invocation.program)
        .args(&invocation.args)
        .env("POOL_LITMUS_SECONDS", seconds)
        .current_dir(workspace.root())
        .output()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let verdict = text
        .lines()
        .find_map(|line| line.find("litmus:").map(|at| &line[at..]));
    match verdict {
        Some(verdict) if output.status.success() => {
            println!("{verdict}");
            Ok(ExitCode::SUCCESS)
        }
        _ => {
            print!("{text}");
            eprint!("{}", String::from_utf8_lossy(&output.stderr));
            println!("litmus: FAILED, {}", output.status);
            Ok(ExitCode::FAILURE)
        }
    }
}
