//! `loom`: the models, each in every interleaving up to a bound.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use super::{Command, lint};
use crate::args::{Args, Flag};
use crate::narrow;
use crate::runner::{self, Options};
use crate::step::{HOURS, Step};
use crate::workspace::{Crate, Workspace};

pub(super) const COMMAND: Command = Command {
    name: "loom",
    usage: "[CRATE…] [--deep | --preemptions N] [-- FILTER…]",
    about: "check the models in every interleaving, up to a bound",
    details: "Runs tests/loom.rs of each crate that has one. The bound counts forced switches of threads; at three\n\
        the outcomes of our models stop growing. Arguments behind `--` go to the test program. Models of the ring run\n\
        with counts of 3 bits, too; with --deep, a bound or a filter all of them with 3, 4 and 5.",
    flags: &[
        Flag {
            name: "--preemptions",
            value: Some("N"),
            about: "the bound (default: 3, and no less)",
        },
        Flag {
            name: "--deep",
            value: None,
            about: "the same as --preemptions 5: hours",
        },
    ],
    passes_on: false,
    run,
};

/// At three preemptions the sets of outcomes are complete; a fourth costs ten times the time.
const PREEMPTIONS: &str = "3";
/// The same as a number.
const LEAST: usize = 3;
/// What nobody waits for.
const DEEP: &str = "5";

/// To how many bits the ring's indices are narrowed, the quickest first.
const BITS: &[&str] = &["3", "4", "5"];
/// The models, by what is in their names, that mean something else with narrow counts: a thief sleeps until a count has
/// come back.
const TURNS: [&str; 2] = ["a_full_turn", "a_drained_ring"];

fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode, String> {
    let known: Vec<_> = with_models(workspace)
        .map(|krate| krate.name.as_str())
        .collect();
    let chosen = args.choose("crate with models", &known)?;
    let usual = if args.has("--deep") {
        DEEP
    } else {
        PREEMPTIONS
    };
    let bound = args.value("--preemptions").unwrap_or(usual);
    match bound.parse::<usize>() {
        Err(_) => return Err(format!("--preemptions {bound} is no number")),
        // The floors would not hold, and neither would all sets of outcomes.
        Ok(few) if few < LEAST => {
            return Err(format!(
                "--preemptions {few}: the models assert what there is at {LEAST}"
            ));
        }
        Ok(_) => {}
    }
    let steps = chosen
        .iter()
        .flat_map(|name| steps_of(workspace, name, bound, &args.rest))
        .collect();
    Ok(runner::run(workspace, steps, Options::of(args)))
}

fn with_models(workspace: &Workspace) -> impl Iterator<Item = &Crate> {
    workspace.crates().iter().filter(|krate| krate.has_models)
}

/// Every crate's models; two more preemptions in the deep run.
pub(super) fn steps(workspace: &Workspace, deep: bool) -> Vec<Step> {
    let bound = if deep { DEEP } else { PREEMPTIONS };
    with_models(workspace)
        .flat_map(|krate| steps_of(workspace, &krate.name, bound, &[]))
        .collect()
}

/// One crate's models, and those of the ring with narrow indices, too: in the usual run the models that need it at one
/// width, in the deep one all of them at each. A turn has too many steps for more preemptions than usual.
fn steps_of(workspace: &Workspace, name: &str, bound: &str, filter: &[OsString]) -> Vec<Step> {
    let mut steps = vec![step(workspace, name, bound, filter)];
    if name == narrow::RING {
        let turns = TURNS.map(Into::into);
        let (widths, bound, filter) = match bound {
            PREEMPTIONS if filter.is_empty() => (&BITS[..1], bound, turns.as_slice()),
            DEEP => (BITS, PREEMPTIONS, filter),
            _ => (BITS, bound, filter),
        };
        steps.extend(widths.iter().map(|bits| {
            let mut step = step(workspace, name, bound, filter);
            step.name += &format!(", {bits} bits");
            if widths == BITS {
                step = step.within(HOURS);
            }
            narrow::narrowed(step, bits)
        }));
    }
    steps
}

/// Clippy over the code that exists for the model checker only.
pub(super) fn lint(workspace: &Workspace) -> Option<Step> {
    let crates: String = with_models(workspace)
        .map(|krate| format!("-p {} ", krate.name))
        .collect();
    if crates.is_empty() {
        return None;
    }
    let which = format!("{crates} --features loom --all-targets");
    Some(with_loom(lint::clippy("clippy, models", &which), workspace))
}

fn step(workspace: &Workspace, name: &str, bound: &str, filter: &[OsString]) -> Step {
    let program = std::env::current_exe().unwrap_or_else(|_| "xtask".into());
    let runner = format!("target.'cfg(all())'.runner=[{program:?}, \"apart\"]");
    let line = format!("test -p {name} --release --features loom --test loom");
    let step = with_loom(
        Step::cargo(format!("loom {name}"), &line)
            .args(["--config", &runner, "--"])
            .args(filter),
        workspace,
    )
    .env("LOOM_MAX_PREEMPTIONS", bound)
    .at_least(1)
    .on_failure("docs/TESTING.md says how to replay one interleaving");
    if bound == PREEMPTIONS {
        step
    } else {
        step.within(HOURS)
    }
}

/// Sets the model checker's flags, and removes the variables that make a run that was cut short pass.
fn with_loom(step: Step, workspace: &Workspace) -> Step {
    let target: PathBuf = workspace.target_for("loom");
    let mut step = step
        .env("RUSTFLAGS", "--cfg pool_loom")
        .env("CARGO_TARGET_DIR", target);
    for name in [
        "CARGO_ENCODED_RUSTFLAGS",
        "LOOM_MAX_DURATION",
        "LOOM_MAX_PERMUTATIONS",
        "LOOM_MAX_BRANCHES",
    ] {
        step = step.without(name);
    }
    step
}
