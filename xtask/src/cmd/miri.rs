//! `miri`: the tests under Miri, which finds undefined behaviour that no run on a machine shows.

use std::ffi::OsString;
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use super::Command;
use crate::args::{Args, Flag};
use crate::runner::{self, Options};
use crate::step::{HOURS, Invocation, Step};
use crate::tools;
use crate::workspace::Workspace;

pub(super) const COMMAND: Command = Command {
    name: "miri",
    usage: "[CRATE…] [--quick | --deep] [--seeds N | A..B] [-- FILTER…]",
    about: "run the tests under Miri (needs a nightly toolchain with the miri component)",
    details: "Strict provenance, leak check and weak memory are on, under both models of aliasing. Crates that free memory\n\
        through crossbeam-epoch, which casts integers to pointers, run with it under Tree Borrows, with provenance merely\n\
        permissive, and without it under Stacked Borrows, with a list behind a lock in its place.\n\
        --quick is CI's part: the pairs of operations of two sides, 4 schedules on this machine's architecture (2 of\n\
        the pool's), 1 on 32 bits and 1 on big-endian. --deep is the same with 4,096 schedules on six architectures,\n\
        64 schedules of the larger programs on this one, and one of everything else: days; `verify --deep --only`\n\
        picks parts, `--seeds` a range.\n\
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
            about: "the pairs on six architectures, and larger programs on this one",
        },
        Flag {
            name: "--seeds",
            value: Some("N | A..B"),
            about: "how many schedules to try, or which (default: 1, with --deep 4096)",
        },
    ],
    passes_on: false,
    run,
};

/// Crates whose rings are freed by crossbeam-epoch.
const OVER_EPOCH: &[&str] = &["pool-chain", "pool-core"];

/// In every crate, each pair of what two sides can do, and nothing else: seconds for a schedule, half a minute for the pool's.
const PAIRS: &str = "--test pairs";

/// The same of the crate whose sides can do so little that all they can do together is one program.
const PAIRS_OF_GATE: &str = "--test gate";

/// Two sides meet less often for its time here, and more threads than two: the crate, the program, and what of it to
/// leave out because it takes minutes. What one thread does alone is the full run's.
const LARGER: &[(&str, &str, &[&str])] = &[
    (
        "pool-dequeue",
        "--test ladder",
        &["smoke", "batches", "is_empty"],
    ),
    (
        "pool-chain",
        "--test ladder",
        &["smoke", "batches", "is_empty"],
    ),
    ("pool-core", "--test stress", &["turning_by_themselves"]),
    ("atomic-value", "--test threads", &[]),
];

/// Every test of a crate once, on this architecture, in the deep run. Which of them cannot run here they say themselves;
/// what is left out takes minutes.
const WHOLE: &[(&str, &[&str])] = &[
    ("pool-gate", &[]),
    ("pool-dequeue", &[]),
    ("pool-chain", &[]),
    ("pool-core", &[]),
    ("atomic-value", &[]),
];

/// The crate whose arithmetic depends on the width of a pointer: every test of it with 32 bits, too.
const BY_WIDTH: &str = "pool-dequeue";

/// 32 bits, big-endian, and no atomics of 64 bits: there the ring's indices share a word of 32, which no other machine
/// with a standard library does.
const NARROW: &str = "powerpc-unknown-linux-gnu";

/// Schedules of the pairs in the deep run, in two steps, because one might take a machine of CI's too long; and of the
/// larger programs.
const DEEP_SEEDS: [Range<u32>; 2] = [0..2048, 2048..4096];
const LARGER_SEEDS: u32 = 64;

/// When a few of them are stopped, which share the processors with others.
const SHARED: Duration = Duration::from_secs(30 * 60);

/// How likely Miri goes on with another thread after a basic block. A pair is so short that at the usual 0.01 the two
/// operations on a ring overlap in 34 of 100 schedules, with this in 57, which takes no longer.
const PREEMPTION: &str = " -Zmiri-preemption-rate=0.05";

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
    let Some(tool) = Tool::find(workspace) else {
        return Ok(runner::run(workspace, vec![absent()], Options::of(args)));
    };
    let seeds = args.value("--seeds").map(parse_seeds).transpose()?;
    let steps = match (args.has("--quick"), args.has("--deep"), seeds) {
        (false, false, seeds) => {
            let seeds = seeds.unwrap_or(0..1);
            let all = |name: &&str| {
                let which = What {
                    krate: name,
                    called: "all",
                    programs: "--tests",
                    target: None,
                    seeds: seeds.clone(),
                    rate: "",
                };
                models(name)
                    .iter()
                    .map(|model| which.step(&tool, model, args.rest.clone()))
                    .collect::<Vec<_>>()
            };
            chosen.iter().flat_map(all).collect()
        }
        (true, false, None) => quick(&tool, &chosen),
        (false, true, seeds) => deep(&tool, &chosen, seeds.as_ref()),
        _ => return Err("--quick goes with neither --deep nor --seeds".to_owned()),
    };
    Ok(runner::run(workspace, steps, Options::of(args)))
}

/// What runs the programs.
struct Tool {
    nightly: String,
    /// Where those without crossbeam-epoch are built.
    epochless: PathBuf,
}

impl Tool {
    fn find(workspace: &Workspace) -> Option<Self> {
        Some(Self {
            nightly: tools::nightly_with_miri()?,
            epochless: workspace.target_for("epochless"),
        })
    }
}

fn absent() -> Step {
    Step::skip("miri", "miri", tools::MIRI)
}

/// A number of schedules, or which.
fn parse_seeds(text: &str) -> Result<Range<u32>, String> {
    let range = match text.split_once("..") {
        Some((first, end)) => first.parse().ok().zip(end.parse().ok()),
        None => text.parse().ok().map(|end| (0, end)),
    };
    match range {
        Some((first, end)) if first < end => Ok(first..end),
        _ => Err(format!(
            "--seeds {text}: allowed are a number from 1 to {most}, or a range A..B of such with A below B, from 0",
            most = u32::MAX
        )),
    }
}

/// CI's part, or the deep one.
pub(super) fn steps(workspace: &Workspace, is_deep: bool) -> Vec<Step> {
    match Tool::find(workspace) {
        Some(tool) if is_deep => deep(&tool, &workspace.names(), None),
        Some(tool) => quick(&tool, &workspace.names()),
        None => vec![absent()],
    }
}

fn quick(tool: &Tool, crates: &[&str]) -> Vec<Step> {
    let steps = crates.iter().flat_map(|krate| {
        // A schedule of the pool's pairs takes as long as ten of another crate's.
        let seeds = if *krate == "pool-core" { 0..2 } else { 0..4 };
        let targets = [(TARGETS[0], seeds), (TARGETS[1], 0..1), (TARGETS[2], 0..1)];
        let pairs = pairs(tool, krate, &targets);
        pairs.into_iter().chain(epochless(tool, krate, 0..1))
    });
    steps.map(Step::beside).collect()
}

fn deep(tool: &Tool, crates: &[&str], seeds: Option<&Range<u32>>) -> Vec<Step> {
    let ranges = seeds.map_or(DEEP_SEEDS.to_vec(), |seeds| vec![seeds.clone()]);
    let mut steps = Vec::new();
    for krate in crates {
        for seeds in &ranges {
            steps.extend(pairs(
                tool,
                krate,
                &TARGETS.map(|target| (target, seeds.clone())),
            ));
        }
        // Aliasing depends on the schedule in few ways.
        let few = seeds.cloned().unwrap_or(0..LARGER_SEEDS);
        steps.extend(epochless(tool, krate, few.clone()));
        for (_, programs, skipped) in LARGER.iter().filter(|(name, ..)| name == krate) {
            let what = What {
                krate,
                called: "larger",
                programs,
                target: Some(TARGETS[0]),
                seeds: few.clone(),
                rate: "",
            };
            let filter = skipped.iter().flat_map(|name| ["--skip", name]);
            steps.push(what.step(tool, &models(krate)[0], filter.map(Into::into).collect()));
        }
        // More schedules of everything are not worth their time: where threads meet are pairs and larger programs.
        if seeds.is_none() {
            steps.extend(whole(tool, krate));
            steps.extend(narrow(tool, krate));
        }
    }
    steps
}

/// Every test of a crate once.
fn whole(tool: &Tool, krate: &str) -> Vec<Step> {
    let targets = if krate == BY_WIDTH {
        &TARGETS[..2]
    } else {
        &TARGETS[..1]
    };
    let own = WHOLE.iter().filter(|(name, _)| *name == krate);
    own.flat_map(|(_, skipped)| targets.iter().map(move |target| (target, skipped)))
        .map(|(target, skipped)| {
            let what = What {
                krate,
                called: "everything",
                programs: "--lib --tests",
                target: Some(target),
                seeds: 0..1,
                rate: "",
            };
            let filter = skipped.iter().flat_map(|name| ["--skip", name]);
            what.step(tool, &models(krate)[0], filter.map(Into::into).collect())
                .within(HOURS)
        })
        .collect()
}

/// The ring whose indices share a word of 32 bits.
fn narrow(tool: &Tool, krate: &str) -> Option<Step> {
    let what = What {
        krate,
        called: "narrow",
        programs: "--lib --test pairs",
        target: Some(NARROW),
        seeds: 0..1,
        rate: PREEMPTION,
    };
    (krate == BY_WIDTH).then(|| what.step(tool, &models(krate)[0], vec![]))
}

/// The pairs of a crate on each of these architectures.
fn pairs(tool: &Tool, krate: &str, targets: &[(&str, Range<u32>)]) -> Vec<Step> {
    let mut steps = Vec::new();
    for (index, (target, seeds)) in targets.iter().enumerate() {
        let what = What {
            krate,
            called: "pairs",
            programs: if krate == "pool-gate" {
                PAIRS_OF_GATE
            } else {
                PAIRS
            },
            target: Some(target),
            seeds: seeds.clone(),
            rate: PREEMPTION,
        };
        // One model of aliasing is enough on the others: it does not depend on the architecture.
        let models = models(krate);
        let models = if index == 0 { models } else { &models[..1] };
        let over_epoch = models.iter().filter(|model| !model.epochless);
        steps.extend(over_epoch.map(|model| what.step(tool, model, vec![])));
    }
    steps
}

/// The pairs of a crate over crossbeam-epoch, without it.
fn epochless(tool: &Tool, krate: &str, seeds: Range<u32>) -> Option<Step> {
    let what = What {
        krate,
        called: "pairs",
        programs: PAIRS,
        target: Some(TARGETS[0]),
        seeds,
        rate: PREEMPTION,
    };
    OVER_EPOCH
        .contains(&krate)
        .then(|| what.step(tool, &EPOCHLESS, vec![]))
}

/// A model of aliasing.
struct Model {
    name: &'static str,
    /// What chooses it.
    flags: &'static str,
    /// Whether crossbeam-epoch is left out, whose released version casts integers to pointers.
    epochless: bool,
}

const STACKED: Model = Model {
    name: "stacked borrows",
    flags: "-Zmiri-strict-provenance",
    epochless: false,
};

/// Of chain and pool all but the seam to crossbeam-epoch, which has a lock for this.
const EPOCHLESS: Model = Model {
    name: "stacked borrows without epochs",
    epochless: true,
    ..STACKED
};

const TREE: Model = Model {
    name: "tree borrows",
    flags: "-Zmiri-strict-provenance -Zmiri-tree-borrows",
    ..STACKED
};

const OVER_EPOCH_TREE: Model = Model {
    flags: "-Zmiri-tree-borrows -Zmiri-permissive-provenance",
    ..TREE
};

/// The models of aliasing that a crate is meant for, and that of most of its runs first.
fn models(krate: &str) -> &'static [Model] {
    if OVER_EPOCH.contains(&krate) {
        &[OVER_EPOCH_TREE, EPOCHLESS]
    } else {
        &[STACKED, TREE]
    }
}

/// What runs.
struct What<'a> {
    krate: &'a str,
    /// In a word, for the step's name.
    called: &'a str,
    programs: &'a str,
    target: Option<&'a str>,
    seeds: Range<u32>,
    /// Of preemptions, if it is not the usual one.
    rate: &'a str,
}

impl What<'_> {
    fn step(&self, tool: &Tool, model: &Model, filter: Vec<OsString>) -> Step {
        let Self {
            krate,
            called,
            programs,
            target,
            seeds,
            rate,
        } = self;
        let Range { start, end } = seeds;
        let Model {
            name: aliasing,
            flags,
            epochless,
        } = model;
        let (name, on) = match target {
            Some(target) => {
                let short = target.split('-').next().unwrap_or(target);
                (
                    format!("miri {krate}, {called}, {short}, seeds {start}..{end}, {aliasing}"),
                    format!(" --target {target}"),
                )
            }
            None => (format!("miri {krate}, {aliasing}"), String::new()),
        };
        let line = format!("miri test -p {krate}{on} {programs} --");
        let mut run = Invocation::cargo_of(&tool.nightly, &line)
            .args(filter)
            // To interpret what prints a backtrace takes longer than the tests whose panics are meant.
            .env("RUST_BACKTRACE", "0")
            .env(
                "MIRIFLAGS",
                format!("-Zmiri-disable-isolation -Zmiri-symbolic-alignment-check {flags}{rate} -Zmiri-many-seeds={start}..{end}"),
            );
        if *epochless {
            // Where others build, each would take the other's programs for its own.
            run = run
                .env("RUSTFLAGS", "--cfg pool_epochless")
                .env("CARGO_TARGET_DIR", &tool.epochless)
                .without("CARGO_ENCODED_RUSTFLAGS");
        }
        let step = Step::run(name, run)
            .at_least(1)
            .on_failure("the seed that failed is in the output: -Zmiri-seed=N repeats it");
        step.within(if seeds.len() > 4 { HOURS } else { SHARED })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_a_number_or_a_range() {
        assert_eq!(parse_seeds("64"), Ok(0..64));
        assert_eq!(parse_seeds("1024..2048"), Ok(1024..2048));
        for wrong in [
            "",
            "0",
            "x",
            "-1",
            "4294967296",
            "..",
            "3..",
            "..3",
            "5..5",
            "6..5",
            "1..=3",
            "1..2..3",
        ] {
            let message = parse_seeds(wrong).unwrap_err();
            assert!(
                message.starts_with(&format!("--seeds {wrong}: allowed are")),
                "{message}"
            );
        }
    }

    /// The deep workflow picks its jobs by these beginnings of names.
    #[test]
    fn every_job_of_the_deep_workflow_is_there() {
        let crates = ["pool-dequeue", "pool-chain", "pool-core", "atomic-value"];
        let tool = Tool {
            nightly: "nightly".to_owned(),
            epochless: PathBuf::new(),
        };
        let names: Vec<_> = deep(&tool, &crates, None)
            .into_iter()
            .map(|step| step.name)
            .collect();
        for krate in crates {
            for target in TARGETS {
                let short = target.split('-').next().unwrap();
                for seeds in ["0..2048", "2048..4096"] {
                    let job = format!("miri {krate}, pairs, {short}, seeds {seeds}, ");
                    assert!(
                        names.iter().any(|name| name.starts_with(&job)),
                        "{job} {names:?}"
                    );
                }
            }
            for job in ["larger", "everything"] {
                let job = format!("miri {krate}, {job}, x86_64, ");
                assert!(
                    names.iter().any(|name| name.starts_with(&job)),
                    "{job} {names:?}"
                );
            }
        }
        for krate in OVER_EPOCH {
            let job = format!("miri {krate}, pairs, x86_64, seeds 0..64, stacked");
            assert!(
                names.iter().any(|name| name.starts_with(&job)),
                "{job} {names:?}"
            );
        }
        for job in ["everything, i686", "narrow, powerpc"] {
            let job = format!("miri pool-dequeue, {job}, seeds 0..1, ");
            assert!(
                names.iter().any(|name| name.starts_with(&job)),
                "{job} {names:?}"
            );
        }
    }
}
