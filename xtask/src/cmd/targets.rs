//! `targets`: builds for machines other than this one, without `std`, with every set of features, and
//! with the oldest Rust that is promised.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use super::Command;
use crate::args::Args;
use crate::runner::{self, Job, Options};
use crate::step::{Invocation, Step, Subject};
use crate::tools;
use crate::workspace::{self, Crate, Workspace};

pub(super) const COMMAND: Command = Command {
    name: "targets",
    usage: "",
    about: "build with every set of features, without std, for other machines, with the oldest Rust",
    details: "A target or toolchain that is not installed is reported, not installed.",
    flags: &[],
    passes_on: false,
    run,
};

/// The crate that works without `std`, and the features that keep it so.
const NO_STD: (&str, &[Option<&str>]) = ("pool-dequeue", &[None, Some("alloc")]);

/// Machines without an operating system, on which only [`NO_STD`] can be built: one with 32-bit
/// atomics at most.
const BARE: &[&str] = &["thumbv7em-none-eabi"];

/// Machines with one, on which everything can: 32 bits, another system, another memory model.
const HOSTED: &[&str] = &[
    "i686-unknown-linux-gnu",
    "aarch64-unknown-linux-gnu",
    "armv7-unknown-linux-gnueabihf",
    "x86_64-pc-windows-gnu",
    "wasm32-unknown-unknown",
];

fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode, String> {
    args.no_words()?;
    Ok(runner::run(workspace, steps(workspace), Options::of(args)))
}

/// All of it.
pub(super) fn steps(workspace: &Workspace) -> Vec<Step> {
    let mut steps: Vec<_> = workspace
        .crates()
        .iter()
        .cloned()
        .map(every_set_of_features)
        .collect();
    steps.push(
        Step::check("no_std", no_std)
            .looks_at([Subject::Package(NO_STD.0.to_owned())])
            .on_failure("something names std without `#[cfg(test)]`, or a dependency needs it"),
    );
    let (krate, features) = NO_STD;
    for target in BARE {
        for feature in features {
            let line = format!("check -p {krate} --no-default-features --target {target}");
            let features = feature.iter().flat_map(|feature| ["--features", *feature]);
            let name = format!("{target}, {krate} {}", feature.unwrap_or_default());
            steps.push(needs(
                target,
                Step::cargo(name.trim_end(), &line).args(features),
            ));
        }
    }
    for target in HOSTED {
        let line = format!("check --target {target} {}", every_crate(workspace));
        steps.push(needs(target, Step::cargo(*target, &line)));
    }
    steps.push(oldest_rust(workspace));
    steps
}

/// A crate alone with nothing switched on, with each feature, and with each set of them, and no warning.
fn every_set_of_features(krate: Crate) -> Step {
    let name = krate.name.clone();
    Step::check(format!("features of {name}"), move |job| {
        let sets = sets(&krate);
        for set in &sets {
            let line = format!("check -p {} --lib --no-default-features", krate.name);
            let features = if set.is_empty() {
                vec![]
            } else {
                vec!["--features".to_owned(), set.join(",")]
            };
            let printed = job.run(&Invocation::cargo(&line).args(features))?;
            if printed.lines().any(|line| line.starts_with("warning")) {
                return Err(format!("a warning with the features {set:?}"));
            }
        }
        Ok(format!("{} sets", sets.len()))
    })
    .looks_at([Subject::Package(name)])
}

/// Every set of a crate's features.
fn sets(krate: &Crate) -> Vec<Vec<&str>> {
    let mut sets = vec![vec![]];
    for feature in krate.public_features() {
        let with: Vec<_> = sets
            .iter()
            .map(|set: &Vec<&str>| [set.as_slice(), &[feature]].concat())
            .collect();
        sets.extend(with);
    }
    sets
}

/// The options that choose the published crates.
fn every_crate(workspace: &Workspace) -> String {
    workspace
        .crates()
        .iter()
        .map(|krate| format!("-p {} ", krate.name))
        .collect()
}

/// The step, or that its target is missing.
fn needs(target: &str, step: Step) -> Step {
    if tools::has_target(target) {
        step
    } else {
        Step::skip(
            step.name,
            target,
            format!("not installed: rustup target add {target}"),
        )
    }
}

/// The libraries with the oldest Rust that the manifests promise.
fn oldest_rust(workspace: &Workspace) -> Step {
    let release = workspace.rust_version();
    let name = format!("Rust {release}");
    let Some(toolchain) = tools::toolchain(release) else {
        let reason = format!("not installed: rustup toolchain install {release} --profile minimal");
        return Step::skip(&name, &name, reason);
    };
    let line = format!("check --locked{}", workspace.with_all_features());
    let run = Invocation::cargo_of(&toolchain, &line)
        .env("CARGO_TARGET_DIR", workspace.target_for("oldest-rust"));
    Step::run(&name, run).on_failure("rust-version in the root Cargo.toml is a promise")
}

/// Proves that a crate does without `std`, on any machine: two panic handlers cannot be in one
/// program, and `std` brings one. So a crate with a handler of its own compiles with `NO_STD` below it
/// only as long as nothing below it pulls in `std`. That the proof can fail is tried each time.
fn no_std(job: &mut Job<'_>) -> Result<String, String> {
    let (krate, features) = NO_STD;
    let folder = job.workspace.target_for("no-std");
    for feature in features {
        probe(job, &folder, krate, *feature, "")?;
    }
    match probe(job, &folder, krate, None, "extern crate std;\n") {
        Ok(()) => Err("the probe compiles with std in it: it proves nothing".to_owned()),
        Err(_) => Ok(format!("{krate} with {} sets of features", features.len())),
    }
}

fn probe(
    job: &mut Job<'_>,
    folder: &Path,
    krate: &str,
    feature: Option<&str>,
    more: &str,
) -> Result<(), String> {
    let root = job.workspace.root();
    let path = format!("{:?}", root.join("crates").join(krate).to_string_lossy());
    let features: Vec<_> = feature.into_iter().collect();
    let manifest = format!(
        "[package]\nname = \"no-std-probe\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n\n\
         [dependencies.{krate}]\npath = {path}\ndefault-features = false\nfeatures = {features:?}\n\n[workspace]\n"
    );
    let source = format!(
        "//! A program's only panic handler.\n#![no_std]\n{more}use {} as _;\n\
         #[panic_handler]\nfn panic(_: &core::panic::PanicInfo<'_>) -> ! {{\n    loop {{}}\n}}\n",
        krate.replace('-', "_")
    );
    let put = |name: &str, text: &str| {
        let path = folder.join(name);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&path, text))
            .map_err(|error| format!("{}: {error}", path.display()))
    };
    put("Cargo.toml", &manifest)?;
    put("src/lib.rs", &source)?;
    put("Cargo.lock", &workspace::read(&root.join("Cargo.lock"))?)?;
    let check = Invocation::cargo("check --quiet")
        .in_dir(folder)
        .env("CARGO_TARGET_DIR", folder.join("target"));
    job.run(&check).map(drop)
}
