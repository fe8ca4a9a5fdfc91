//! `apart`: each test of a test program in a process of its own. The models run so, as many at once as there are cores: the
//! model checker maps and unmaps a stack for each thread of each execution, and threads of one process wait for each
//! other there. Two models in two processes took a third of the time that they took in one.

use std::ffi::OsString;
use std::process::{Command as Process, ExitCode, Stdio};

use super::Command;
use crate::args::Args;
use crate::parallel::parallel;
use crate::workspace::Workspace;

pub(super) const COMMAND: Command = Command {
    name: "apart",
    usage: "PROGRAM [FILTER…]",
    about: "run each test of a test program in a process of its own",
    details: "For cargo, as the runner of a target: `loom` uses it so. The filters are those of the test program.",
    flags: &[],
    passes_on: true,
    run,
};

fn run(_: &Workspace, args: &Args) -> Result<ExitCode, String> {
    let (program, filter) = args
        .rest
        .split_first()
        .ok_or("which program? cargo xtask apart PROGRAM")?;
    let listed = start(program, filter.iter().map(OsString::as_os_str))
        .args(["--list", "--format=terse"])
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("{}: {error}", program.to_string_lossy()))?;
    if !listed.status.success() {
        return Err(format!(
            "{}: no list of tests: {}",
            program.to_string_lossy(),
            listed.status
        ));
    }
    let listed = String::from_utf8_lossy(&listed.stdout);
    let names = names(&listed);
    let passed = parallel(&names, |_, name| one(program, name), |_, _| ());
    Ok(if passed.contains(&false) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Runs a test, and prints all that it says when it has ended.
fn one(program: &OsString, name: &str) -> bool {
    let flags = ["--exact", name, "--show-output", "--test-threads=1"];
    let output = match start(program, flags).output() {
        Ok(output) => output,
        Err(error) => {
            eprintln!("{name}: {error}");
            return false;
        }
    };
    let text =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    println!("{}", text.concat().trim());
    if !output.status.success() {
        println!("{name}: {}", output.status);
    }
    output.status.success()
}

fn start<A: AsRef<std::ffi::OsStr>>(
    program: &OsString,
    args: impl IntoIterator<Item = A>,
) -> Process {
    let mut process = Process::new(program);
    process.args(args).stdin(Stdio::null());
    process
}

/// The tests that a program has listed.
fn names(listed: &str) -> Vec<&str> {
    let tests = listed
        .lines()
        .filter_map(|line| line.strip_suffix(": test"));
    tests.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_told_from_what_else_is_listed() {
        assert_eq!(
            names("a: test\nb::c: test\nd: benchmark\n\n2 tests\n"),
            ["a", "b::c"]
        );
    }
}
