//! `sanitize`: the tests that race and the tests that count, under the compiler's sanitizers.

use std::process::ExitCode;

use super::Command;
use crate::args::Args;
use crate::runner::{self, Options};
use crate::step::{Invocation, Step};
use crate::tools;
use crate::workspace::Workspace;

pub(super) const COMMAND: Command = Command {
    name: "sanitize",
    usage: "[thread|address]",
    about: "run stress and ladder tests under ThreadSanitizer and AddressSanitizer (needs nightly)",
    details: "The standard library is instrumented too, nothing is suppressed, and the first report ends the run. Under\n\
        ThreadSanitizer, Go's tests of dequeue and chain run at full size, which Go leaves out under its own.\n\
        AddressSanitizer looks for leaks at the end; tests that leak on purpose are left out by name.",
    flags: &[],
    passes_on: false,
    run,
};

/// The only target that both sanitizers and CI know.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// A crate's test programs that are of use here, and what of them is not.
struct Suite {
    krate: &'static str,
    programs: &'static [&'static str],
    /// The tests that are of use; all, if none is named.
    only: &'static [&'static str],
    /// The tests that leak on purpose.
    leaks: &'static [&'static str],
    /// Those that wait for time to pass, which passes more slowly here.
    waits: &'static [&'static str],
}

const SUITES: &[Suite] = &[
    Suite {
        krate: "pool-gate",
        programs: &["gate"],
        only: &[],
        leaks: &[],
        waits: &[],
    },
    Suite {
        krate: "pool-dequeue",
        programs: &["go_pool_test", "ladder", "pairs", "panics"],
        only: &[],
        leaks: &[],
        waits: &[],
    },
    Suite {
        krate: "pool-chain",
        programs: &["go_pool_test", "ladder", "panics"],
        only: &[],
        leaks: &[],
        waits: &[],
    },
    Suite {
        krate: "pool-core",
        programs: &[
            "go_pool_test",
            "threads",
            "stress",
            "guards",
            "panics",
            "fuses",
        ],
        only: &[],
        leaks: &["forgotten", "forgotten_owned"],
        waits: &["turning_by_themselves"],
    },
    Suite {
        krate: "pool-core",
        programs: &[
            "budgets",
            "put_races_clear",
            "reaper",
            "registry",
            "rotation",
        ],
        only: &[
            "limits_hold_under_threads",
            "an_item_that_was_put_back_may_be_dropped_at_once",
            "coming_and_going",
            "the_last_pool_is_dropped_on_the_thread",
            "re_entry",
            "pools_come_and_go_meanwhile",
            "many_turn_at_once",
        ],
        leaks: &[],
        waits: &[],
    },
    Suite {
        krate: "atomic-value",
        programs: &["go_value_test", "threads", "user_code"],
        only: &[],
        leaks: &[],
        waits: &[],
    },
];

fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode, String> {
    let chosen = args.choose("sanitizer", &["thread", "address"])?;
    let steps = steps(workspace, true)
        .into_iter()
        .filter(|step| chosen.iter().any(|name| step.name.starts_with(name)))
        .collect();
    Ok(runner::run(workspace, steps, Options::of(args)))
}

/// A crate's test programs that are of use under a sanitizer as a whole, as cargo wants to be told of them.
pub(super) fn programs(krate: &str) -> String {
    let is_whole = |suite: &&Suite| suite.krate == krate && suite.only.is_empty();
    SUITES
        .iter()
        .filter(is_whole)
        .map(Suite::programs)
        .collect()
}

impl Suite {
    /// As cargo wants to be told of them.
    fn programs(&self) -> String {
        let programs = self.programs.iter();
        programs
            .map(|program| format!(" --test {program}"))
            .collect()
    }
}

/// Both sanitizers over all crates; single tests of large programs only if there is time.
pub(super) fn steps(workspace: &Workspace, deep: bool) -> Vec<Step> {
    let here = cfg!(all(target_arch = "x86_64", target_os = "linux"));
    let Some(nightly) = tools::nightly_with_sources().filter(|_| here) else {
        let reason = "needs 64-bit Linux and `.ci/get nightly`";
        return ["thread", "address"]
            .map(|name| Step::skip(format!("{name} sanitizer"), "nightly rust-src", reason))
            .into();
    };
    let one = |name: &'static str, suite: &Suite| {
        let line = format!(
            "test -Zbuild-std --target {TARGET} --release -p {}{} -- --exact",
            suite.krate,
            suite.programs()
        );
        let mut invocation = Invocation::cargo_of(&nightly, &line)
            .env("RUSTFLAGS", format!("-Zsanitizer={name}"))
            .env("CARGO_TARGET_DIR", workspace.target_for(name))
            .env("TSAN_OPTIONS", "halt_on_error=1")
            .env("ASAN_OPTIONS", "detect_leaks=1")
            .without("CARGO_ENCODED_RUSTFLAGS");
        invocation = invocation.args(suite.only);
        invocation = invocation.args(suite.waits.iter().flat_map(|test| ["--skip", test]));
        if name == "address" {
            invocation = invocation.args(suite.leaks.iter().flat_map(|leak| ["--skip", leak]));
        }
        let part = if suite.only.is_empty() {
            ""
        } else {
            ", single tests"
        };
        Step::run(
            format!("{name} sanitizer, {}{part}", suite.krate),
            invocation,
        )
        .at_least(suite.programs.len().max(suite.only.len()))
    };
    // Tests that are there for what threads do to each other are of no use to the other.
    let is_for = |name: &str, suite: &Suite| suite.only.is_empty() || deep && name == "thread";
    ["thread", "address"]
        .into_iter()
        .flat_map(|name| SUITES.iter().map(move |suite| (name, suite)))
        .filter(|(name, suite)| is_for(name, suite))
        .map(|(name, suite)| one(name, suite))
        .collect()
}
