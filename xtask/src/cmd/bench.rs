//! `bench`: holds the promises about speed against the machine.
//!
//! Each way of measuring is a program of its own, which is built and run here; all arguments, `--help` included, are
//! that program's.

use std::ffi::OsString;
use std::process::ExitCode;

use super::{Command, lint};
use crate::args::Args;
use crate::counting;
use crate::runner::{self, Options};
use crate::step::{Invocation, Step};
use crate::tools;
use crate::workspace::Workspace;

pub(super) const COMMAND: Command = Command {
    name: "bench",
    usage: "[--quick | --report | --instructions | --counts | --once]",
    about: "measure every layer against its rivals, and fail where a goal is missed",
    details: "",
    flags: &[],
    passes_on: true,
    run,
};

/// Times the contenders.
const MEASURE: &str = "run --release --quiet -p benches --bin measure --";

/// Counts instructions.
const INSTRUCTIONS: &str = "run --release --quiet -p paths --bin instructions --";

/// Counts what does not get cheaper with more cores. Runs in a copy of the crates whose atomics count.
const COUNTS: &str = "run --release --quiet -p counts --";

fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode, String> {
    let mut rest: Vec<OsString> = args.rest.clone();
    let mut chosen = |word: &str| {
        let before = rest.len();
        rest.retain(|given| given != word);
        rest.len() != before
    };
    if chosen("--once") {
        return Ok(runner::run(workspace, once(), Options::of(args)));
    }
    let invocation = if chosen("--instructions") {
        Invocation::cargo(INSTRUCTIONS).in_dir(workspace.root())
    } else if chosen("--counts") {
        counts(workspace)?
    } else {
        Invocation::cargo(MEASURE).in_dir(workspace.root())
    };
    invocation.args(&rest).hand_over()
}

/// Makes the copy with the counting atomics, and says how its program is run.
fn counts(workspace: &Workspace) -> Result<Invocation, String> {
    let folder = counting::copy(workspace)?;
    // Other builds of the same packages must not be thrown out for these.
    let target = workspace.target_for("counting").join("target");
    Ok(Invocation::cargo(COUNTS)
        .env("CARGO_TARGET_DIR", target)
        .env("POOL_ROOT", workspace.root())
        .in_dir(&folder))
}

/// Everything that measures.
const PACKAGES: &str = "-p benches -p counts -p paths -p tally";

/// What of it every change has to pass: that it builds, and that no hot path has grown. Times are for quiet machines.
pub(super) fn steps() -> Vec<Step> {
    vec![
        lint::clippy("clippy benches", &format!("{PACKAGES} --all-targets")),
        instructions(),
        Step::check("counts", |job| {
            let invocation = counts(job.workspace)?.args(["--check"]);
            job.run(&invocation)?;
            Ok("the hot path needs nothing that is another core's".to_owned())
        })
        .on_failure("`cargo xtask bench --counts` counts everything"),
    ]
}

/// That everything which is measured works, with every rival. A job of its own in the workflow: the rivals take long to
/// build.
fn once() -> Vec<Step> {
    let line = format!("test --release {PACKAGES} --lib --bins --tests");
    let mut steps = vec![Step::cargo("every benchmark once", &line).at_least(1)];
    // The test of the benchmarks leaves Go out without failing.
    if !tools::has_go() {
        steps.push(Step::skip(
            "every benchmark once, Go",
            "go",
            "not installed: apt-get install golang-go",
        ));
    }
    steps
}

/// Compares the instructions of the hot paths with the golden figures.
fn instructions() -> Step {
    let name = "instructions";
    if !tools::runs("valgrind") {
        return Step::skip(name, "valgrind", "not installed: apt-get install valgrind");
    }
    Step::cargo(name, INSTRUCTIONS)
        .args(["--check"])
        .on_failure("the figures are benches/instructions.txt; --bless accepts new ones")
}
