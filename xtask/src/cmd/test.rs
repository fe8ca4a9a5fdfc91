//! `test`: each crate's tests and doctests alone, without default features, and all together.

use std::fs;
use std::process::ExitCode;
use std::time::Duration;

use super::Command;
use crate::args::{Args, Flag, unknown};
use crate::narrow;
use crate::runner::{self, Options};
use crate::step::{HOURS, Step, Subject};
use crate::tools;
use crate::workspace::{Crate, Workspace};

pub(super) const COMMAND: Command = Command {
    name: "test",
    usage: "[CRATE…] [--release] [--target TARGET]",
    about: "tests and doctests of each crate alone, then of all together",
    details: "Alone matters: together, crates switch on each other's features. Runs under nextest where that is\n\
        installed. --release runs optimised, with the long tests (#[ignore]) that a debug build is too slow for.\n\
        --target builds for another machine and runs the tests here, under an emulator where it takes one.",
    flags: &[
        Flag {
            name: "--release",
            value: None,
            about: "optimised, including the long tests",
        },
        Flag {
            name: "--target",
            value: Some("TARGET"),
            about: "the tests of each crate on another machine than this one",
        },
    ],
    passes_on: false,
    run,
};

fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode, String> {
    let chosen = args.choose("crate", &workspace.names())?;
    let crates = || {
        workspace
            .crates()
            .iter()
            .filter(|krate| chosen.contains(&krate.name.as_str()))
    };
    let steps: Vec<_> = if let Some(target) = args.value("--target") {
        let known: Vec<_> = MACHINES.iter().map(|machine| machine.target).collect();
        let machine = MACHINES
            .iter()
            .find(|machine| machine.target == target)
            .ok_or_else(|| unknown("target", target, known))?;
        crates()
            .filter_map(|krate| machine.tests(workspace, krate, args.has("--release")))
            .collect()
    } else if args.has("--release") {
        crates().map(optimised).collect()
    } else {
        let mut steps: Vec<_> = crates().flat_map(alone).collect();
        if args.words.is_empty() {
            steps.extend(together());
        }
        steps
    };
    if steps.is_empty() {
        return Err(format!("nothing of {} can run there", chosen.join(", ")));
    }
    Ok(runner::run(workspace, steps, Options::of(args)))
}

/// A machine other than this one, whose programs this one can run.
struct Machine {
    target: &'static str,
    /// What links its programs, if rustc does not know, and what runs them.
    linker: Option<&'static str>,
    runner: Option<&'static str>,
    /// How to get them.
    needs: &'static str,
}

const MACHINES: &[Machine] = &[
    Machine {
        target: "i686-unknown-linux-gnu",
        linker: Some("i686-linux-gnu-gcc"),
        runner: None,
        needs: "apt-get install gcc-i686-linux-gnu libc6-dev-i386-cross lib32gcc-s1",
    },
    Machine {
        target: "armv7-unknown-linux-gnueabihf",
        linker: Some("arm-linux-gnueabihf-gcc"),
        runner: Some("qemu-arm -L /usr/arm-linux-gnueabihf"),
        needs: "apt-get install gcc-arm-linux-gnueabihf libc6-dev-armhf-cross qemu-user",
    },
    Machine {
        target: WASM,
        linker: None,
        runner: Some("node --no-warnings ROOT/xtask/wasi.mjs"),
        needs: "Node",
    },
];

/// One thread, no unwinding, and a stack of a mebibyte.
const WASM: &str = "wasm32-wasip1";

/// What can be run there: the programs, and what of them to leave out because it starts a thread or a process, catches
/// a panic, or moves large values over the stack. All of pool-core's policy is written for threads.
const ON_WASM: &[(&str, &str, &[&str])] = &[
    (
        "pool-dequeue",
        "--lib --test capacity --test ladder --test panics --test properties --test types --test values",
        &[
            "blames",
            "destructors",
            "spsc",
            "stampede",
            "stress",
            "batch_drop",
            "iterator",
            "ring_drop",
            "that_moves",
            "split_once",
            "huge_values",
        ],
    ),
    (
        "pool-chain",
        "--test items --test ladder --test memory --test panics --test properties --test raw",
        &[
            "large",
            "destructors",
            "spsc",
            "stampede",
            "stress",
            "keeps_an_older_ring",
            "a_million_values",
            "without_a_way_back",
            "thieves",
            "panics",
            "who_produces",
        ],
    ),
    (
        "atomic-value",
        "--lib --test any --test auto_traits --test go_value_test --test properties --test user_code --test value",
        &[
            "never_ends",
            "taken_over",
            "a_replacement",
            "drops_are_counted",
            "one_type_wins",
            "concurrent",
            "panics",
            "comes_back",
            "unwinding",
            "an_owned_reader",
            "no_reader_goes_back",
            "stampede",
            "two_types",
            "that_borrow",
        ],
    ),
];

impl Machine {
    /// A crate's tests on this machine. What is missing is a failure here: they have been asked for by name.
    fn tests(&self, workspace: &Workspace, krate: &Crate, optimised: bool) -> Option<Step> {
        let Self { target, needs, .. } = self;
        let name = krate.name.as_str();
        let (programs, skipped) = if *target == WASM {
            let (_, programs, skipped) = ON_WASM.iter().find(|(own, ..)| *own == name)?;
            (*programs, *skipped)
        } else {
            ("--tests", &[] as &[&str])
        };
        let profile = if optimised { " --release" } else { "" };
        let line =
            format!("test{profile} --no-fail-fast --target {target} -p {name} {programs} --");
        let mut step = Step::cargo(format!("test {name}, {target}"), &line)
            .args(optimised.then_some("--include-ignored"))
            .args(skipped.iter().flat_map(|name| ["--skip", name]))
            .at_least(1)
            .within(HOURS)
            .on_failure(format!("needs: rustup target add {target}; {needs}"));
        if self.runner.is_some() {
            // What runs other machines' programs takes half a second for each case.
            step = step.env("PROPTEST_CASES", "16");
        }
        for (what, value) in [("LINKER", self.linker), ("RUNNER", self.runner)] {
            let variable =
                format!("CARGO_TARGET_{}_{what}", target.to_uppercase()).replace('-', "_");
            // Unless cargo has been told.
            if let Some(value) = value.filter(|_| std::env::var_os(&variable).is_none()) {
                let root = workspace.root().to_string_lossy();
                step = step.env(&variable, value.replace("ROOT", &root));
            }
        }
        Some(step)
    }
}

/// A step that runs tests other than doctests.
fn tests(name: String, which: &str) -> Step {
    let run = if tools::has_subcommand("nextest") {
        "nextest run --no-fail-fast"
    } else {
        "test --no-fail-fast"
    };
    Step::cargo(name, &format!("{run} {which}")).at_least(1)
}

/// A step that runs doctests.
fn doctests(name: impl Into<String>, which: &str) -> Step {
    Step::cargo(name, &format!("test --doc {which}")).at_least(1)
}

/// One crate, as if nothing else existed.
pub(super) fn alone(krate: &Crate) -> Vec<Step> {
    let name = krate.name.as_str();
    let mut steps = vec![
        tests(
            format!("test {name}"),
            &format!("-p {name} --tests --examples"),
        ),
        doctests(format!("doctest {name}"), &format!("-p {name}")),
    ];
    if krate.has_default_features() {
        let which = format!("-p {name} --no-default-features");
        steps.push(tests(
            format!("test {name}, no default features"),
            &format!("{which} --tests --examples"),
        ));
        steps.push(doctests(
            format!("doctest {name}, no default features"),
            &which,
        ));
    }
    if let Some(features) = krate.optional_features() {
        let which = format!("-p {name} --features {features}");
        // What no feature changes has been tested.
        let programs = programs(krate, &["feature = "]);
        steps.push(tests(
            format!("test {name}, all features"),
            &format!("{which} --lib {programs}"),
        ));
        steps.push(doctests(format!("doctest {name}, all features"), &which));
    }
    steps
}

/// The whole workspace; xtask's doctests are the README.
pub(super) fn together() -> Vec<Step> {
    vec![
        tests("test together".to_owned(), "--tests --examples"),
        doctests("doctest together, with the README", ""),
    ]
}

/// What is not published, and the README's examples: all that `together` has and `alone` has not.
pub(super) fn tools() -> Vec<Step> {
    vec![
        tests(
            "test the tools".to_owned(),
            "-p trials -p xtask --tests --examples",
        ),
        doctests("doctest the README", "-p xtask")
            .looks_at([Subject::Pages, Subject::Package("xtask".to_owned())]),
    ]
}

/// One crate, optimised: the tests that are too long for a debug build, too.
fn optimised(krate: &Crate) -> Step {
    let name = &krate.name;
    let line = format!("test --release --no-fail-fast -p {name} --tests -- --include-ignored");
    // The pool's run twice: once where the kernel refuses the barrier.
    Step::cargo(format!("long tests {name}"), &line)
        .at_least(1)
        .within(Duration::from_secs(30 * 60))
}

/// The tests of ring and chain with indices so narrow that they wrap all the time.
pub(super) fn narrow(workspace: &Workspace) -> Vec<Step> {
    let line = format!(
        "test --no-fail-fast -p {} -p pool-chain --tests",
        narrow::RING
    );
    let one = |bits| {
        let step = Step::cargo(format!("narrow indices, {bits} bits"), &line)
            .env("CARGO_TARGET_DIR", workspace.target())
            .at_least(1)
            .within(HOURS);
        narrow::narrowed(step, bits)
    };
    ["4", "8"].map(one).into()
}

/// The tests that are too long for a debug build, if the crate has any: what else runs optimised is the business of
/// `verify`.
pub(super) fn long(krate: &Crate) -> Option<Step> {
    let programs = programs(krate, &["#[ignore"]);
    if programs.is_empty() {
        return None;
    }
    let name = &krate.name;
    let line = format!("test --release --no-fail-fast -p {name} {programs} -- --ignored");
    Some(Step::cargo(format!("long tests {name}"), &line).at_least(1))
}

/// The test programs with one of these words in them, for cargo.
fn programs(krate: &Crate, words: &[&str]) -> String {
    let Ok(entries) = fs::read_dir(krate.dir.join("tests")) else {
        return String::new();
    };
    let mut names: Vec<String> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            fs::read_to_string(path).is_ok_and(|text| words.iter().any(|word| text.contains(word)))
        })
        .filter_map(|path| Some(format!("--test {}", path.file_stem()?.to_str()?)))
        .collect();
    names.sort();
    names.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_chosen_by_what_they_say() {
        let workspace = Workspace::find().unwrap();
        let krate = workspace.krate("atomic-value").unwrap();
        assert_eq!(
            programs(krate, &["#[ignore"]),
            "--test store_buffers --test threads"
        );
        assert_eq!(programs(krate, &["nobody says this"]), "");
    }
}
