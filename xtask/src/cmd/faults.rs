//! `faults`: what the crates do when threads are killed or stopped, memory runs out and user code panics; and the
//! soak, which counts every item over as many operations as one has time for.

use std::cell::Cell;
use std::process::{Command as Process, ExitCode};
use std::rc::Rc;

use super::Command;
use crate::args::{Args, Flag};
use crate::runner::{self, Job, Options};
use crate::step::{Invocation, Step};
use crate::workspace::Workspace;

pub(super) const COMMAND: Command = Command {
    name: "faults",
    usage: "[--deep]",
    about: "kill and stop threads, run out of memory, panic in user code, and soak with every item counted",
    details: "Runs the tests of each crate that inject faults, optimised, and a soak of each structure: random\n\
        operations of several threads, in ring and chain with indices that start near their wrap, and the demand that\n\
        what was created was dropped, once. The last line says how many cases there were and how many of them failed.",
    flags: &[Flag {
        name: "--deep",
        value: None,
        about: "with the long tests, and a soak of at least ten minutes and 10^9 values moved",
    }],
    passes_on: false,
    run,
};

/// What is injected, into which crate, and the test programs that do it.
const FAULTS: &[(&str, &str, &[&str])] = &[
    (
        "threads lost in a fork",
        "pool-core",
        &["fork", "first_use"],
    ),
    ("threads lost in a fork", "pool-chain", &["fork"]),
    ("threads lost in a fork", "atomic-value", &["fork"]),
    ("threads stopped", "pool-core", &["stopped"]),
    ("a system that refuses or lies", "pool-gate", &["trust"]),
    (
        "a system that refuses or lies",
        "pool-core",
        &["refused", "refused_late"],
    ),
    (
        "allocators that use a pool",
        "pool-core",
        &["alloc_reenter", "alloc_pool8k"],
    ),
    ("threads that come and go", "pool-core", &["threads"]),
    ("threads that come and go", "atomic-value", &["threads"]),
    ("no memory", "pool-core", &["memory", "no_memory"]),
    ("no memory", "pool-chain", &["memory"]),
    ("no memory", "pool-dequeue", &["capacity"]),
    (
        "panics",
        "pool-core",
        &["fuses", "panics", "reentry", "budgets"],
    ),
    ("panics", "pool-chain", &["panics"]),
    ("panics", "pool-dequeue", &["panics"]),
    ("panics", "atomic-value", &["user_code"]),
    ("corpus and random inputs", "trials", &["replay"]),
];

/// What is soaked.
const SOAKS: &[&str] = &["dequeue", "chain", "pool", "value"];

/// Cases that passed and failed.
type Tally = Rc<Cell<(usize, usize)>>;

fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode, String> {
    args.no_words()?;
    let deep = args.has("--deep");
    let tally = Tally::default();
    let tests = FAULTS
        .iter()
        .map(|(what, krate, programs)| tests(what, krate, programs, deep, &tally));
    let soaks = SOAKS.iter().map(|what| soak(what, deep, &tally));
    let mut options = Options::of(args);
    // The count at the end is of all.
    options.keep_going = true;
    let code = runner::run(workspace, tests.chain(soaks).collect(), options);
    let (passed, failed) = tally.get();
    println!("faults: {} cases, {failed} failed", passed + failed);
    Ok(code)
}

fn count(tally: &Tally, passed: usize, failed: usize) {
    let (before, wrong) = tally.get();
    tally.set((before + passed, wrong + failed));
}

/// The test programs of one crate that inject one kind of fault.
fn tests(
    what: &str,
    krate: &'static str,
    programs: &'static [&'static str],
    deep: bool,
    tally: &Tally,
) -> Step {
    let tally = tally.clone();
    Step::check(format!("{what}, {krate}"), move |job| {
        let mut line = format!("test --release --no-fail-fast -p {krate}");
        for program in programs {
            line.push_str(" --test ");
            line.push_str(program);
        }
        if deep {
            line.push_str(" -- --include-ignored");
        }
        let result = job.run(&Invocation::cargo(&line));
        let (passed, failed) = runner::tests_passed_and_failed(&job.printed());
        // A program that was stopped or crashed has not counted itself.
        let failed = failed.max(usize::from(result.is_err()));
        count(&tally, passed, failed);
        result?;
        if passed < programs.len() {
            return Err(format!("{passed} tests ran, fewer than programs"));
        }
        Ok(format!("{passed} cases"))
    })
}

/// A soak. It speaks for itself while it runs, and it has a watchdog of its own.
fn soak(what: &'static str, deep: bool, tally: &Tally) -> Step {
    let tally = tally.clone();
    Step::check(format!("soak {what}"), move |job| {
        let result = soaked(job, what, deep);
        count(
            &tally,
            usize::from(result.is_ok()),
            usize::from(result.is_err()),
        );
        result
    })
}

fn soaked(job: &mut Job<'_>, what: &str, deep: bool) -> Result<String, String> {
    job.run(&Invocation::cargo("build --release -p trials --bin soak"))?;
    // Of four, so in all ten minutes and a thousand million values, and a little more.
    let enough = if deep { "155 260000000" } else { "1 1" };
    let line = format!("run --release -q -p trials --bin soak -- {what} {enough}");
    let invocation = Invocation::cargo(&line);
    job.note(&format!("$ {}", invocation.command_line()));
    let status = Process::new(&invocation.program)
        .args(&invocation.args)
        .current_dir(job.workspace.root())
        .status()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    if status.success() {
        Ok(String::new())
    } else {
        Err(format!("{status} of: {}", invocation.command_line()))
    }
}
