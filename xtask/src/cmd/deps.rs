//! `deps`: what we depend on: no more than we use, no newer than we say, under licences that all can live with.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::Command;
use crate::args::{Args, Flag};
use crate::copy::Tree;
use crate::packages::{Package, Packages};
use crate::runner::{self, Job, Options};
use crate::step::{Invocation, Step};
use crate::tools;
use crate::workspace::{self, Workspace};

pub(super) const COMMAND: Command = Command {
    name: "deps",
    usage: "[--advisories]",
    about: "dependencies: each one used, the oldest that are allowed suffice, licences and sources",
    details: "The oldest versions are resolved by a nightly cargo, in a copy, and built with the oldest Rust that is promised.\n\
        Licences, duplicates and sources are checked by cargo-deny, by deny.toml.",
    flags: &[Flag {
        name: "--advisories",
        value: None,
        about: "known defects of dependencies, too; needs the network",
    }],
    passes_on: false,
    run,
};

fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode, String> {
    args.no_words()?;
    let mut steps = steps(workspace);
    if args.has("--advisories") {
        steps.push(deny("advisories", "advisories"));
    }
    Ok(runner::run(workspace, steps, Options::of(args)))
}

/// All that needs no database of advisories.
pub(super) fn steps(workspace: &Workspace) -> Vec<Step> {
    vec![
        Step::check("unused dependencies", unused)
            .on_failure("a dependency that no source names should go from the manifest"),
        oldest(workspace),
        deny("licences and sources", "licenses bans sources"),
    ]
}

fn deny(name: &str, checks: &str) -> Step {
    if tools::has_subcommand("deny") {
        Step::cargo(name, &format!("deny --locked check {checks}"))
    } else {
        Step::skip(
            name,
            "cargo-deny",
            "not installed: `.ci/get cargo-deny` gets it",
        )
    }
}

/// The published crates, all features on, with each direct dependency as old as its manifest allows.
fn oldest(workspace: &Workspace) -> Step {
    const NAME: &str = "oldest dependencies";
    let Some(nightly) = tools::nightly() else {
        return Step::skip(NAME, "nightly", "not installed: `.ci/get nightly` gets it");
    };
    let rust = tools::toolchain(workspace.rust_version());
    Step::check(NAME, move |job| build_oldest(job, &nightly, rust.as_deref())).on_failure(
        "what needs something newer says so in Cargo.toml; needs the registry for versions that were never downloaded",
    )
}

fn build_oldest(job: &mut Job<'_>, nightly: &str, rust: Option<&str>) -> Result<String, String> {
    let folder = job.workspace.target_for("oldest-dependencies");
    Tree::read(job.workspace)?.write(&folder)?;
    // What is locked stays as it is.
    let lock = folder.join("Cargo.lock");
    fs::remove_file(&lock).map_err(|error| format!("{}: {error}", lock.display()))?;
    let update = Invocation::cargo_of(nightly, "update -Zdirect-minimal-versions");
    job.run(&update.in_dir(&folder))?;
    let line = format!("check --locked{}", job.workspace.with_all_features());
    let check = match rust {
        Some(rust) => Invocation::cargo_of(rust, &line),
        None => Invocation::cargo(&line),
    };
    let check = check
        .in_dir(&folder)
        .env("CARGO_TARGET_DIR", folder.join("target"));
    job.run(&check)?;
    Ok(format!("built by {}", rust.unwrap_or("this Rust")))
}

fn unused(job: &mut Job<'_>) -> Result<String, String> {
    let root = job.workspace.root();
    let packages = Packages::read(root)?;
    let (mut count, mut idle) = (0, Vec::new());
    for package in packages.iter() {
        let nested: BTreeSet<_> = packages
            .iter()
            .map(|other| root.join(&other.folder))
            .filter(|folder| *folder != root.join(&package.folder))
            .collect();
        let mut text = String::new();
        sources(&root.join(&package.folder), &nested, &mut text)?;
        count += package.dependencies.len();
        idle.extend(unnamed(package, &text));
    }
    if idle.is_empty() {
        Ok(format!("{count} dependencies"))
    } else {
        Err(format!("{} are not used\n{}", idle.len(), idle.join("\n")))
    }
}

/// The dependencies that a package's sources do not name.
fn unnamed<'p>(package: &'p Package, text: &'p str) -> impl Iterator<Item = String> + 'p {
    package
        .dependencies
        .iter()
        .filter(|name| !is_named(text, &name.replace('-', "_")))
        .map(|name| format!("{}: {name}", package.name))
}

/// Whether a source uses a crate: by a path that begins with it, or an import.
fn is_named(text: &str, ident: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(ident).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + ident.len()..]);
        let imported = ["use ", "extern crate "]
            .iter()
            .any(|word| before.ends_with(word));
        !before.ends_with(part) && (after.starts_with("::") || imported && !after.starts_with(part))
    })
}

/// What is compiled as Rust in a folder: sources, and pages that they or their tests are made of.
fn sources(folder: &Path, nested: &BTreeSet<PathBuf>, text: &mut String) -> Result<(), String> {
    let named = |error: std::io::Error| format!("{}: {error}", folder.display());
    for entry in fs::read_dir(folder).map_err(named)? {
        let path = entry.map_err(named)?.path();
        if path.is_dir() {
            if !nested.contains(&path) && !path.ends_with("target") {
                sources(&path, nested, text)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = workspace::read(&path)?;
            for page in source.split("include_str!(\"").skip(1) {
                let page = page.split('"').next().unwrap_or_default();
                if page.ends_with(".md") {
                    text.push_str(&workspace::read(&folder.join(page))?);
                }
            }
            // Without comments: prose may name a crate that the code no longer uses. Examples in comments are code.
            let code = source
                .lines()
                .filter(|line| !line.trim_start().starts_with("// "));
            code.for_each(|line| {
                text.push_str(line);
                text.push('\n');
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_are_told_from_mentions() {
        assert!(is_named("let x = libc::fork();", "libc"));
        assert!(is_named("use libc;", "libc"));
        assert!(is_named("extern crate libc as c;", "libc"));
        assert!(!is_named("my_libc::fork()", "libc"));
        assert!(!is_named("use libc_print;", "libc"));
        assert!(!is_named("as libc does", "libc"));
    }

    #[test]
    fn what_nobody_names_is_reported() {
        let manifest = "[package]\nname = \"x\"\n[dependencies]\na-b = \"1\"\nc = \"1\"\n";
        let packages = Packages::of(&[("x", manifest)]).unwrap();
        let package = packages.iter().next().unwrap();
        let idle: Vec<_> = unnamed(package, "use a_b::Y;").collect();
        assert_eq!(idle, ["x: c"]);
    }
}
