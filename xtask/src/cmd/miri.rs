//! `miri`: the tests under Miri, which finds undefined behaviour that no run on a machine shows.

use std::ffi::OsString;
use std::process::ExitCode;

use super::Command;
use crate::args::{Args, Flag};
use crate::runner::{self, Options};
use crate::step::{Invocation, Step};
use crate::tools;
use crate::workspace::{Crate, Workspace};

pub(super) const COMMAND: Command = Command {
    name: "miri",
    usage: "[CRATE…] [--seeds N] [-- FILTER…]",
    about: "run the tests under Miri (needs a nightly toolchain with the miri component)",
    details: "Strict provenance, leak check and weak memory are on. Crates that free memory through crossbeam-epoch\n\
        run under Tree Borrows, with provenance merely permissive: the released epoch casts integers to pointers\n\
        and is not clean under Stacked Borrows. The others run under both models of aliasing.\n\
        Arguments behind `--` go to the test programs.",
    flags: &[Flag {
        name: "--seeds",
        value: Some("N"),
        about: "how many schedules to try (default: 1)",
    }],
    passes_on: false,
    run,
};

/// Crates whose rings are freed by crossbeam-epoch.
const OVER_EPOCH: &[&str] = &["pool-chain", "pool-core"];

fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode, String> {
    let chosen = args.choose("crate", &workspace.names())?;
    let seeds = args.value("--seeds").unwrap_or("1");
    let seeds: u32 = seeds
        .parse()
        .map_err(|_| format!("--seeds {seeds} is no number"))?;
    let crates = workspace
        .crates()
        .iter()
        .filter(|krate| chosen.contains(&krate.name.as_str()));
    let steps = match tools::nightly_with_miri() {
        Some(nightly) => crates
            .flat_map(|krate| steps(&nightly, krate, seeds, &args.rest))
            .collect(),
        None => vec![Step::skip(
            "miri",
            "miri",
            "`rustup toolchain install nightly -c miri,rust-src` gets it",
        )],
    };
    Ok(runner::run(workspace, steps, Options::of(args)))
}

/// One crate under each model of aliasing that it is meant for.
fn steps(nightly: &str, krate: &Crate, seeds: u32, filter: &[OsString]) -> Vec<Step> {
    let seeds = format!(" -Zmiri-many-seeds=0..{seeds}");
    let models: &[(&str, &str)] = if OVER_EPOCH.contains(&krate.name.as_str()) {
        &[(
            "tree borrows",
            "-Zmiri-tree-borrows -Zmiri-permissive-provenance",
        )]
    } else {
        &[
            ("stacked borrows", "-Zmiri-strict-provenance"),
            (
                "tree borrows",
                "-Zmiri-strict-provenance -Zmiri-tree-borrows",
            ),
        ]
    };
    models
        .iter()
        .map(|(model, flags)| {
            let run =
                Invocation::cargo_of(nightly, &format!("miri test -p {} --tests --", krate.name))
                    .args(filter)
                    .env(
                        "MIRIFLAGS",
                        format!("-Zmiri-disable-isolation {flags}{seeds}"),
                    );
            Step::run(format!("miri {}, {model}", krate.name), run)
                .at_least(1)
                .on_failure("the seed that failed is in the output: -Zmiri-seed=N repeats it")
        })
        .collect()
}
