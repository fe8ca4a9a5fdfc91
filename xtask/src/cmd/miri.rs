//! `miri`: the tests under Miri, which finds undefined behaviour that no run on a machine shows.

use std::ffi::OsString;
use std::process::ExitCode;

use super::Command;
use crate::args::{Args, Flag};
use crate::runner::{self, Options};
use crate::step::{Invocation, Step};
use crate::tools;
use crate::workspace::Workspace;

pub(super) const COMMAND: Command = Command {
    name: "miri",
    usage: "[CRATE…] [--quick | --deep] [--seeds N] [-- FILTER…]",
    about: "run the tests under Miri (needs a nightly toolchain with the miri component)",
    details: "Strict provenance, leak check and weak memory are on. Crates that free memory through crossbeam-epoch\n\
        run under Tree Borrows, with provenance merely permissive: the released epoch casts integers to pointers\n\
        and is not clean under Stacked Borrows. The others run under both models of aliasing.\n\
        --quick is CI's part: the tests in which two sides meet, 4 schedules on this machine's architecture, 1 on\n\
        32 bits and 1 on big-endian. --deep is the same tests with 4,096 schedules on six architectures: a day.\n\
        Arguments behind `--` go to the test programs.",
    flags: &[
        Flag {
            name: "--quick",
            value: None,
            about: "CI's part",
        },
        Flag {
            name: "--deep",
            value: None,
            about: "4,096 schedules on six architectures",
        },
        Flag {
            name: "--seeds",
            value: Some("N"),
            about: "how many schedules to try (default: 1)",
        },
    ],
    passes_on: false,
    run,
};

/// Crates whose rings are freed by crossbeam-epoch.
const OVER_EPOCH: &[&str] = &["pool-chain", "pool-core"];

/// Where two sides meet: the crate, the programs, and what of them to leave out because it takes minutes. What one
/// thread does alone is the full run's.
const MEETINGS: &[(&str, &str, &[&str])] = &[
    ("pool-dequeue", "--test pairs", &[]),
    (
        "pool-chain",
        "--test ladder",
        &["smoke", "batches", "is_empty"],
    ),
    ("pool-core", "--test stress", &["turning_by_themselves"]),
    ("atomic-value", "--test threads", &[]),
];

/// The architectures of the deep run: this one, then 32 bits, big-endian, weak, weak and 32 bits, weak and big-endian.
const TARGETS: [&str; 6] = [
    "x86_64-unknown-linux-gnu",
    "i686-unknown-linux-gnu",
    "s390x-unknown-linux-gnu",
    "aarch64-unknown-linux-gnu",
    "armv7-unknown-linux-gnueabihf",
    "powerpc64-unknown-linux-gnu",
];

fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode, String> {
    let chosen = args.choose("crate", &workspace.names())?;
    let Some(nightly) = tools::nightly_with_miri() else {
        return Ok(runner::run(workspace, vec![absent()], Options::of(args)));
    };
    let steps = match (
        args.has("--quick"),
        args.has("--deep"),
        args.value("--seeds"),
    ) {
        (false, false, seeds) => {
            let seeds = seeds.unwrap_or("1");
            let seeds: u32 = seeds
                .parse()
                .map_err(|_| format!("--seeds {seeds} is no number"))?;
            let all = |name: &&str| {
                let which = What {
                    krate: name,
                    programs: "--tests",
                    target: None,
                    seeds,
                };
                models(name)
                    .iter()
                    .map(|model| which.step(&nightly, model, args.rest.clone()))
                    .collect::<Vec<_>>()
            };
            chosen.iter().flat_map(all).collect()
        }
        (quick, deep, None) if quick != deep => meetings(&nightly, deep, &chosen),
        _ => return Err("--quick, --deep and --seeds exclude each other".to_owned()),
    };
    Ok(runner::run(workspace, steps, Options::of(args)))
}

fn absent() -> Step {
    Step::skip(
        "miri",
        "miri",
        "`rustup toolchain install nightly -c miri,rust-src` gets it",
    )
}

/// CI's part, or the deep one of the same tests.
pub(super) fn steps(workspace: &Workspace, deep: bool) -> Vec<Step> {
    match tools::nightly_with_miri() {
        Some(nightly) => meetings(&nightly, deep, &workspace.names()),
        None => vec![absent()],
    }
}

fn meetings(nightly: &str, deep: bool, crates: &[&str]) -> Vec<Step> {
    let targets: &[(&str, u32)] = if deep {
        &TARGETS.map(|target| (target, 4096))
    } else {
        &[(TARGETS[0], 4), (TARGETS[1], 1), (TARGETS[2], 1)]
    };
    let mut steps = Vec::new();
    for (krate, programs, skipped) in MEETINGS {
        if !crates.contains(krate) {
            continue;
        }
        for (index, (target, seeds)) in targets.iter().enumerate() {
            let what = What {
                krate,
                programs,
                target: Some(target),
                seeds: *seeds,
            };
            // One model of aliasing is enough on the others: it does not depend on the architecture.
            let models = models(krate);
            let models = if index == 0 { models } else { &models[..1] };
            for model in models {
                let filter = skipped.iter().flat_map(|name| ["--skip", name]);
                steps.push(what.step(nightly, model, filter.map(Into::into).collect()));
            }
        }
    }
    steps
}

/// A model of aliasing, and the flags that choose it.
type Model = (&'static str, &'static str);

/// The models of aliasing that a crate is meant for.
fn models(krate: &str) -> &'static [Model] {
    if OVER_EPOCH.contains(&krate) {
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
    }
}

/// What runs.
struct What<'a> {
    krate: &'a str,
    programs: &'a str,
    target: Option<&'a str>,
    seeds: u32,
}

impl What<'_> {
    fn step(&self, nightly: &str, (model, flags): &Model, filter: Vec<OsString>) -> Step {
        let Self {
            krate,
            programs,
            target,
            seeds,
        } = self;
        let (name, on) = match target {
            Some(target) => {
                let short = target.split('-').next().unwrap_or(target);
                (
                    format!("miri {krate}, {model}, {short}, {seeds} seeds"),
                    format!(" --target {target}"),
                )
            }
            None => (format!("miri {krate}, {model}"), String::new()),
        };
        let run = Invocation::cargo_of(nightly, &format!("miri test -p {krate}{on} {programs} --"))
            .args(filter)
            .env(
                "MIRIFLAGS",
                format!("-Zmiri-disable-isolation {flags} -Zmiri-many-seeds=0..{seeds}"),
            );
        Step::run(name, run)
            .at_least(1)
            .on_failure("the seed that failed is in the output: -Zmiri-seed=N repeats it")
    }
}
