//! `ci`: all that a change has to pass, cheapest first.

use std::fs;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::{
    Command, bench, demo, deps, docs, fmt, lint, outside, package, server, targets, test, tidy,
    verify,
};
use crate::args::{Args, Flag};
use crate::changed::Touched;
use crate::runner::{self, Options};
use crate::step::{Action, Step};
use crate::workspace::{Crate, Workspace};

pub(super) const COMMAND: Command = Command {
    name: "ci",
    usage: "[--changed] [--only TEXT] [--list] [--no-skips]",
    about: "everything that a change has to pass",
    details: "Ends with a table of the steps, a line `SKIPPED: tool: reason` for each check that this machine lacks a\n\
        tool for, and the table of `verify`, which is a part of it; with --no-skips such a line fails. `.ci/run`\n\
        installs what it can and calls this.\n\
        --changed chooses by package: those with changed files, and all that are built on them; pages bring the\n\
        steps that read pages. What all steps depend on (the root manifest, the lock file, xtask itself) brings\n\
        everything.",
    flags: &[
        Flag {
            name: "--changed",
            value: None,
            about: "only the steps that look at what differs from main, committed or not",
        },
        Flag {
            name: "--since",
            value: Some("REV"),
            about: "the same, from another revision than main",
        },
        Flag {
            name: "--list",
            value: None,
            about: "show the steps, run nothing",
        },
        Flag {
            name: "--only",
            value: Some("TEXT"),
            about: "run the steps with this in their name",
        },
    ],
    passes_on: false,
    run,
};

/// All steps together should not take longer than this on two cores, builds from nothing included.
const ENOUGH: Duration = Duration::from_secs(25 * 60);

fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode, String> {
    args.no_words()?;
    let chosen = ["--changed", "--since", "--only"]
        .iter()
        .any(|flag| args.has(flag));
    let mut steps = steps(workspace, chosen);
    let mut text = String::new();
    let main = args.has("--changed").then_some("main");
    if let Some(revision) = args.value("--since").or(main) {
        let touched = Touched::since(workspace, revision)?;
        text = format!("since {revision}, this touches {}\n", touched.told());
        steps.retain(|step| touched.concerns(step));
    }
    if let Some(text) = args.value("--only") {
        steps.retain(|step| step.name.contains(text));
        if steps.is_empty() {
            return Err(format!(
                "no step has `{text}` in its name; --list shows them"
            ));
        }
    }
    if args.has("--list") {
        let width = steps.iter().map(|step| step.name.len()).max().unwrap_or(0);
        for step in &steps {
            text += &format!("{:width$}  {}\n", step.name, told(&step.action));
        }
        crate::print(&text);
        return Ok(ExitCode::SUCCESS);
    }
    crate::print(&text);
    let options = Options::of(args);
    let begun = Instant::now();
    Ok(runner::run_and_tell(workspace, steps, options, |done| {
        verify::table(done) + &slow(begun.elapsed())
    }))
}

/// A warning for a run that took too long. No failure: machines differ.
fn slow(time: Duration) -> String {
    if time <= ENOUGH {
        return String::new();
    }
    let [time, enough] = [time, ENOUGH].map(runner::seconds);
    format!(
        "\nWARNING: the steps took {time} together, and {enough} should be enough: what has become slow?\n"
    )
}

/// A step's command line, or that it has none.
fn told(action: &Action) -> String {
    match action {
        Action::Run(invocation) => invocation.command_line(),
        Action::Check(_) => "(checked by xtask)".to_owned(),
        Action::Skip { tool, reason } => format!("SKIPPED: {tool}: {reason}"),
    }
}

/// Every step, those first that fail fast; `chosen`, if not all of them will be run.
fn steps(workspace: &Workspace, chosen: bool) -> Vec<Step> {
    let mut steps = fmt::steps();
    steps.extend(tidy::steps());
    steps.extend(lint::steps(workspace));
    steps.extend(workspace.crates().iter().flat_map(test::alone));
    steps.extend(test::tools());
    steps.extend(workspace.crates().iter().flat_map(examples));
    steps.extend(targets::steps(workspace));
    steps.extend(outside::steps(workspace));
    steps.extend(docs::steps(workspace));
    steps.extend(package::steps(workspace));
    steps.extend(deps::steps(workspace));
    steps.extend(workspace.crates().iter().filter_map(test::long));
    steps.extend(demo::steps(workspace));
    steps.extend(server::steps());
    steps.extend(verify::steps(workspace, false, chosen));
    steps.extend(bench::steps());
    steps
}

/// A crate's examples, but for the demo, which has a step of its own, and for the scenes of `memory`, which take
/// minutes and have tests of their own.
fn examples(krate: &Crate) -> Vec<Step> {
    let Ok(entries) = fs::read_dir(krate.dir.join("examples")) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension().is_some_and(|extension| extension == "rs")
                || path.join("main.rs").exists()
        })
        .filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
        .filter(|name| name != "compress" && name != "memory")
        .collect();
    names.sort();
    let step = |example: &String| {
        let name = &krate.name;
        Step::cargo(
            format!("example {example} of {name}"),
            &format!("run -p {name} --example {example}"),
        )
    };
    names.iter().map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_run_is_told() {
        assert_eq!(slow(ENOUGH), "");
        let told = slow(ENOUGH + Duration::from_secs(61));
        assert!(told.contains("WARNING: the steps took 26:01 min"), "{told}");
    }
}
