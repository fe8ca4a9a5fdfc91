//! `fuzz`: sequences of operations that a coverage-guided fuzzer thinks up, and the replay of those worth keeping.

use std::cell::Cell;
use std::process::{Command as Process, ExitCode};
use std::rc::Rc;

use super::Command;
use crate::args::{Args, Flag};
use crate::runner::{self, Options};
use crate::step::{HOURS, Invocation, Step};
use crate::tools;
use crate::workspace::Workspace;

pub(super) const COMMAND: Command = Command {
    name: "fuzz",
    usage: "[TARGET…] [--seconds N] [--replay]",
    about: "let a coverage-guided fuzzer think up sequences of operations (nightly, cargo-fuzz), or replay its corpus",
    details: "The targets are dequeue, chain, pool and value. What the fuzzer finds goes to target/xtask/fuzz, not to the\n\
        corpus that is checked in below fuzz/corpus. --replay runs that corpus on any toolchain, through the same\n\
        interpreters; its last line says how many inputs there were and how many of them failed.",
    flags: &[
        Flag {
            name: "--seconds",
            value: Some("N"),
            about: "how long to fuzz each target (default: 60)",
        },
        Flag {
            name: "--replay",
            value: None,
            about: "run the inputs that are checked in, without a fuzzer",
        },
    ],
    passes_on: false,
    run,
};

/// What can be fuzzed.
const TARGETS: &[&str] = &["dequeue", "chain", "pool", "value"];

/// The longest input: a few hundred operations.
const LONGEST: usize = 400;

fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode, String> {
    let chosen = args.choose("target", TARGETS)?;
    if args.has("--replay") {
        args.no_words()?;
        return replay(workspace);
    }
    let seconds = args.value("--seconds").unwrap_or("60");
    if seconds.parse::<u32>().is_err() {
        return Err(format!("--seconds {seconds} is no number"));
    }
    let tried = Rc::new(Cell::new(0));
    let steps = match tools::nightly() {
        Some(nightly) if tools::has_subcommand("fuzz") => chosen
            .iter()
            .map(|target| step(workspace, &nightly, target, seconds, &tried))
            .collect(),
        _ => vec![Step::skip(
            "fuzz",
            "cargo-fuzz",
            "`.ci/get nightly cargo-fuzz` gets what it needs",
        )],
    };
    let code = runner::run(workspace, steps, Options::of(args));
    println!("fuzz: {} inputs, new ones and old", tried.get());
    Ok(code)
}

/// Fuzzes one target from the corpus that is checked in, and from what earlier runs found.
fn step(
    workspace: &Workspace,
    nightly: &str,
    target: &'static str,
    seconds: &str,
    tried: &Rc<Cell<u64>>,
) -> Step {
    let tried = tried.clone();
    let (found, fuzz) = (
        workspace.target().join("xtask").join("fuzz").join(target),
        workspace.root().join("fuzz"),
    );
    let run = Invocation::cargo_of(nightly, &format!("fuzz run {target}"))
        .args([&found])
        .args([fuzz.join("corpus").join(target)])
        .args(["--".to_owned()])
        .args([format!("-max_total_time={seconds}")])
        .args([format!("-max_len={LONGEST}")])
        .in_dir(&fuzz)
        .within(HOURS)
        .env("CARGO_TARGET_DIR", workspace.target_for("fuzz"));
    Step::check(format!("fuzz {target}"), move |job| {
        std::fs::create_dir_all(&found).map_err(|error| format!("{}: {error}", found.display()))?;
        let text = job.run(&run)?;
        let (line, runs) = done(&text).ok_or("the fuzzer did not say that it is done")?;
        tried.set(tried.get() + runs);
        Ok(line.to_owned())
    })
    .on_failure("the input is below fuzz/artifacts; put it into fuzz/corpus, and `cargo xtask fuzz --replay` repeats it")
}

/// The fuzzer's last word, `Done 5000 runs in 61 second(s)`, and the runs.
fn done(text: &str) -> Option<(&str, u64)> {
    let line = text.lines().rev().find(|line| line.starts_with("Done "))?;
    let runs = line.split_whitespace().nth(1)?.parse().ok()?;
    Some((line, runs))
}

/// Its last line is that of the program.
fn replay(workspace: &Workspace) -> Result<ExitCode, String> {
    let invocation = Invocation::cargo("run --release -q -p trials --bin replay");
    let status = Process::new(&invocation.program)
        .args(&invocation.args)
        .current_dir(workspace.root())
        .status()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use super::done;

    #[test]
    fn the_fuzzers_last_word_is_read() {
        let line = "Done 5000 runs in 61 second(s)";
        let printed = format!("#5000 DONE cov: 12\n{line}\n");
        assert_eq!(done(&printed), Some((line, 5000)));
        assert_eq!(done("==1== ERROR: libFuzzer"), None);
    }
}
