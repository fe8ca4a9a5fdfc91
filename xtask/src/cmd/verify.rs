//! `verify`: every tool that looks for mistakes, and one table of what each has covered.

use std::process::ExitCode;

use super::{Command, asm, loom, miri, mutants, sanitize, test};
use crate::args::{Args, Flag};
use crate::runner::{self, Done, Options};
use crate::selftest;
use crate::step::{HOURS, Invocation, Step};
use crate::workspace::Workspace;

pub(super) const COMMAND: Command = Command {
    name: "verify",
    usage: "[--deep] [--self-test] [--only TEXT] [--no-skips]",
    about: "every tool that looks for mistakes, and a table of what each has covered",
    details: "--self-test asks the question the other way round: bugs are planted in a copy of the sources, and each\n\
        check that is there for one has to object, in the way it is known to. --deep takes days; --only picks parts of it.\n\
        A tool that is missing ends as a line `SKIPPED: tool: reason`; with --no-skips that fails.\n\
        docs/VERIFICATION.md says what each tool can see, and what it cannot.",
    flags: &[
        Flag {
            name: "--deep",
            value: None,
            about: "more preemptions, more schedules, longer soaks",
        },
        Flag {
            name: "--self-test",
            value: None,
            about: "only whether planted bugs are noticed",
        },
        Flag {
            name: "--only",
            value: Some("TEXT"),
            about: "the parts with this in their name",
        },
    ],
    passes_on: false,
    run,
};

fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode, String> {
    args.no_words()?;
    let deep = args.has("--deep");
    let mut steps = if args.has("--self-test") {
        vec![self_test(true)]
    } else {
        steps(workspace, deep, true)
    };
    if let Some(text) = args.value("--only") {
        steps.retain(|step| step.name.contains(text));
        if steps.is_empty() {
            return Err(format!("no part has `{text}` in its name"));
        }
    }
    let options = Options::of(args);
    Ok(runner::run_and_tell(workspace, steps, options, table))
}

/// All tools, the quick ones first. `alone` is for a run without other steps that make the self-test's checks.
pub(super) fn steps(workspace: &Workspace, deep: bool, alone: bool) -> Vec<Step> {
    let mut steps = asm::steps();
    steps.extend(loom::steps(workspace, deep));
    steps.extend(properties(workspace, deep));
    steps.push(self_test(alone));
    steps.extend(miri::steps(workspace, deep));
    steps.extend(sanitize::steps(workspace, deep));
    steps.extend(own(deep));
    if deep {
        steps.extend(test::narrow(workspace));
        steps = steps.into_iter().map(|step| step.within(HOURS)).collect();
    }
    steps
}

/// Whether planted bugs are noticed.
fn self_test(alone: bool) -> Step {
    Step::check("self-test", move |job| selftest::run(job, alone))
        .on_failure("a bug that nobody notices needs a test; a place that has moved, xtask/src/selftest/bugs.rs")
}

/// Random operations against a sequential model.
fn properties(workspace: &Workspace, deep: bool) -> Vec<Step> {
    workspace
        .crates()
        .iter()
        .filter(|krate| krate.dir.join("tests/properties.rs").exists())
        .map(|krate| {
            let line = format!("test --release -p {} --test properties", krate.name);
            let step = Step::cargo(format!("properties {}", krate.name), &line).at_least(1);
            let cases = match krate.name.as_str() {
                _ if deep => "100000",
                // Of many threads each.
                "pool-core" => "384",
                _ => "1024",
            };
            step.env("PROPTEST_CASES", cases)
        })
        .collect()
}

/// What has a command of its own, which ends with a line that begins with its name.
fn own(deep: bool) -> Vec<Step> {
    let program = std::env::current_exe().unwrap_or_else(|_| "xtask".into());
    let step = |name: &str, line: &str, last_word| {
        Step::run(name, Invocation::new(&program, line).ending_with(last_word))
    };
    if !deep {
        return vec![
            step("faults", "faults", "faults:"),
            step("fuzz", "fuzz --replay", "fuzz:"),
            step("litmus", "litmus --seconds 2", "litmus:"),
            step("orderings", "orderings --quick", "orderings:"),
        ];
    }
    let mut steps = vec![
        step("faults", "faults --deep", "faults:"),
        step("fuzz", "fuzz --seconds 1800", "fuzz:"),
        step("litmus", "litmus --seconds 600", "litmus:"),
        step("orderings", "orderings", "orderings:"),
    ];
    // Each is a matter of hours.
    steps.extend(mutants::parts().iter().map(|part| {
        let line = format!("mutants {part}");
        step(&line, &line, "mutants:")
    }));
    steps
}

/// What a tool was shown, for the table.
struct Row {
    /// The beginning of the names of its steps.
    prefix: &'static str,
    tool: &'static str,
    covered: &'static str,
    count: Count,
}

/// How much a tool was shown.
enum Count {
    /// Numbers, which are added up over its steps.
    Sum(fn(&str) -> Vec<(u64, &'static str)>),
    /// What it says itself.
    Words,
}

use Count::{Sum, Words};

const ROWS: &[Row] = &[
    Row {
        prefix: "asm",
        tool: "disassembly",
        covered: "a take and a put: no locked instruction, no fence, the gate in order",
        count: Sum(|_| vec![]),
    },
    Row {
        prefix: "loom",
        tool: "loom, repaired",
        covered: "every protocol, all interleavings up to the bound",
        count: Sum(|output| {
            let executions = sum_before(output, "schedules,") + sum_before(output, "executions,");
            vec![(passed(output), "models"), (executions, "executions")]
        }),
    },
    Row {
        prefix: "properties",
        tool: "proptest",
        covered: "random operations against a sequential model",
        count: Sum(|output| vec![(passed(output), "properties")]),
    },
    Row {
        prefix: "self-test",
        tool: "self-test",
        covered: "planted bugs, each to be noticed",
        count: Sum(|output| {
            vec![
                (sum_before(output, "bugs,"), "bugs"),
                (sum_before(output, "caught"), "caught"),
            ]
        }),
    },
    Row {
        prefix: "miri",
        tool: "Miri",
        covered: "meetings of two sides: aliasing, provenance, weak memory, leaks",
        // What is printed is no measure: seeds run side by side, and their lines mix.
        count: Sum(|output| vec![(seeds(output), "seeds of a program")]),
    },
    Row {
        prefix: "thread sanitizer",
        tool: "ThreadSanitizer",
        covered: "stress and ladder tests, Go's at full size",
        count: Sum(|output| vec![(passed(output), "tests")]),
    },
    Row {
        prefix: "address sanitizer",
        tool: "AddressSanitizer, LeakSanitizer",
        covered: "stress and ladder tests",
        count: Sum(|output| vec![(passed(output), "tests")]),
    },
    Row {
        prefix: "faults",
        tool: "faults",
        covered: "threads killed and stopped, no memory, panics in user code, a soak",
        count: Sum(|output| vec![(sum_before(last_line(output, "faults:"), "cases,"), "cases")]),
    },
    Row {
        prefix: "fuzz",
        tool: "fuzzing",
        covered: "sequences of operations that a coverage-guided fuzzer found",
        count: Sum(|output| vec![(sum_before(last_line(output, "fuzz:"), "inputs,"), "inputs")]),
    },
    Row {
        prefix: "litmus",
        tool: "litmus",
        covered: "the asymmetric barrier on this machine",
        count: Words,
    },
    Row {
        prefix: "narrow indices",
        tool: "narrow indices",
        covered: "the tests of ring and chain, with indices that wrap all the time",
        count: Sum(|output| vec![(passed(output), "tests")]),
    },
    Row {
        prefix: "orderings",
        tool: "orderings",
        covered: "each ordering and fence, one step weaker",
        count: Sum(|output| {
            let line = last_line(output, "orderings:");
            vec![
                (sum_before(line, "mutants,"), "mutants"),
                (sum_before(line, "killed,"), "killed"),
                (sum_before(line, "justified,"), "justified"),
            ]
        }),
    },
    Row {
        prefix: "mutants",
        tool: "mutants",
        covered: "plain logic, changed: some test has to fail",
        count: Sum(|output| {
            let line = last_line(output, "mutants:");
            vec![
                (sum_before(line, "changes,"), "changes"),
                (sum_before(line, "noticed,"), "noticed"),
                (sum_before(line, "allowed"), "allowed"),
            ]
        }),
    },
];

/// One row for each tool, as far as any of them has run.
pub(super) fn table(done: &[Done]) -> String {
    let head = "\n| tool | what it covered | count | result |\n|---|---|---|---|\n";
    let mut text = String::new();
    for row in ROWS {
        let own: Vec<&Done> = done
            .iter()
            .filter(|done| done.name.starts_with(row.prefix))
            .collect();
        if own.is_empty() {
            continue;
        }
        let mut results: Vec<&str> = own.iter().map(|done| done.told().0).collect();
        let count = match row.count {
            Sum(count) => {
                // What did not run has counted nothing, which is not the same as none.
                let ran = own.iter().filter(|done| done.has_run());
                let outputs = ran.map(|done| {
                    let (_, said) = done.told();
                    count(&format!("{}\n{said}", done.output()))
                });
                sums(outputs)
            }
            Words => {
                let (told, result) = own.iter().map(|done| words(row, done)).unzip();
                results = result;
                let told: Vec<String> = told;
                told.join(", ")
            }
        };
        results.sort_unstable();
        results.dedup();
        if text.is_empty() {
            text += head;
        }
        text += &format!(
            "| {} | {} | {count} | {} |\n",
            row.tool,
            row.covered,
            results.join(", ")
        );
    }
    text
}

/// Adds up what stands before the same words.
fn sums(parts: impl Iterator<Item = Vec<(u64, &'static str)>>) -> String {
    let mut counts: Vec<(u64, &str)> = Vec::new();
    for (number, what) in parts.flatten() {
        match counts.iter_mut().find(|(_, known)| *known == what) {
            Some((sum, _)) => *sum += number,
            None => counts.push((number, what)),
        }
    }
    let counts: Vec<String> = counts
        .iter()
        .map(|(number, what)| format!("{number} {what}"))
        .collect();
    counts.join(", ")
}

/// What a tool's own last line says, and its result: that nothing went wrong is none where nothing could have.
fn words<'d>(row: &Row, done: &'d Done) -> (String, &'d str) {
    let (result, said) = done.told();
    match result {
        "ok" => verdict(said),
        _ => {
            let output = done.output();
            let line = last_line(&output, &format!("{}:", row.prefix));
            let told = line.split_once(": ").map_or("", |(_, told)| told);
            (told.to_owned(), result)
        }
    }
}

/// The verdict of a tool that may have to say that it has seen nothing.
fn verdict(said: &str) -> (String, &'static str) {
    match said.strip_prefix("NO EVIDENCE: ") {
        Some(why) => (format!("no evidence on this machine: {why}"), "no evidence"),
        None => (said.to_owned(), "ok"),
    }
}

/// The line that a command ends with, by its beginning.
fn last_line<'a>(output: &'a str, beginning: &str) -> &'a str {
    output
        .lines()
        .rev()
        .find(|line| line.starts_with(beginning))
        .unwrap_or("")
}

/// How many seeds Miri was told to try, by the command lines: a step passes if all of them did.
fn seeds(output: &str) -> u64 {
    output
        .lines()
        .filter(|line| line.starts_with("$ "))
        .filter_map(|line| {
            let range = line.split_once("-Zmiri-many-seeds=")?.1;
            let (first, rest) = range.split_once("..")?;
            let end: String = rest.chars().take_while(char::is_ascii_digit).collect();
            end.parse::<u64>().ok()?.checked_sub(first.parse().ok()?)
        })
        .sum()
}

/// How many tests passed, all programs together.
fn passed(output: &str) -> u64 {
    output
        .lines()
        .filter(|line| line.contains("test result: "))
        .map(|line| sum_before(line, "passed;"))
        .sum()
}

/// The sum of the numbers that stand before a word.
fn sum_before(output: &str, word: &str) -> u64 {
    let words: Vec<&str> = output.split_whitespace().collect();
    words
        .windows(2)
        .filter(|pair| pair[1] == word || pair[1].trim_end_matches([',', ';', '.']) == word)
        .filter_map(|pair| pair[0].trim_start_matches('(').parse::<u64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_from_what_was_printed() {
        let output = "hand_over: 120 schedules, 3 outcomes\n30 executions, 2 outcomes\n\
            test result: ok. 4 passed; 0 failed; 1 ignored\ntest result: ok. 5 passed; 0 failed\n";
        assert_eq!(passed(output), 9);
        assert_eq!(sum_before(output, "schedules,"), 120);
        assert_eq!(sum_before(output, "executions,"), 30);
        let lines = "$ MIRIFLAGS='-Zx -Zmiri-many-seeds=0..4' cargo miri test\n\
            $ MIRIFLAGS='-Zmiri-many-seeds=2048..4096 -Zx' cargo miri test\ntest result: ok. 1 passed; 0 failed\n";
        assert_eq!(seeds(lines), 4 + 2048);
        let line = "orderings: 100 mutants, 90 killed, 10 justified, 0 survived";
        assert_eq!(sum_before(line, "killed,"), 90);
        assert_eq!(sum_before("self-test: 10 bugs, 9 caught", "caught"), 9);
        let line = "mutants: 79 changes, 43 do not build, 35 noticed, 1 allowed";
        let row = ROWS.iter().find(|row| row.prefix == "mutants").unwrap();
        let Sum(count) = row.count else {
            panic!("counts nothing")
        };
        let twice = [line, line].map(count).into_iter();
        assert_eq!(sums(twice), "158 changes, 70 noticed, 2 allowed");
    }

    #[test]
    fn no_evidence_is_not_called_ok() {
        let seen = "evidence: the weak outcome in 5 of 100 rounds, never in 90 with the barrier";
        assert_eq!(verdict(seen), (seen.to_owned(), "ok"));
        let (told, result) = verdict("NO EVIDENCE: never in 90 rounds, but never in 100 either");
        assert_eq!(result, "no evidence");
        assert_eq!(
            told,
            "no evidence on this machine: never in 90 rounds, but never in 100 either"
        );
    }

    #[test]
    fn every_step_has_a_row() {
        for deep in [false, true] {
            for step in own(deep) {
                let has_row = ROWS.iter().any(|row| step.name.starts_with(row.prefix));
                assert!(has_row, "{}", step.name);
            }
        }
    }
}
