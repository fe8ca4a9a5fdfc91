//! `package`: what would be published: each crate from its own tarball, with all that belongs into it.

use std::path::Path;
use std::process::ExitCode;

use super::Command;
use crate::args::Args;
use crate::runner::{self, Job, Options};
use crate::step::{Invocation, Step};
use crate::workspace::{self, Workspace};

pub(super) const COMMAND: Command = Command {
    name: "package",
    usage: "",
    about: "build each crate from its tarball alone, and check what is in it",
    details: "The lower crates are taken from their tarballs, too, as if they were published.",
    flags: &[],
    passes_on: false,
    run,
};

fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode, String> {
    args.no_words()?;
    Ok(runner::run(workspace, steps(workspace), Options::of(args)))
}

/// All of it.
pub(super) fn steps(workspace: &Workspace) -> Vec<Step> {
    let mut line = String::from("package --allow-dirty");
    for krate in workspace.crates() {
        line += &format!(" -p {}", krate.name);
    }
    vec![
        Step::check("manifests", manifests).on_failure(
            "what a stranger needs to judge a crate belongs into its manifest and package",
        ),
        Step::cargo("package", &line).on_failure("a file from outside the crate's folder?"),
    ]
}

/// Files that every package has.
const FILES: &[&str] = &[
    "Cargo.toml",
    "README.md",
    "CHANGELOG.md",
    "LICENSE-MIT",
    "LICENSE-APACHE",
    "src/lib.rs",
];

/// Keys that every manifest has.
const KEYS: &[&str] = &[
    "description",
    "license",
    "rust-version",
    "readme",
    "documentation",
    "keywords",
    "categories",
];

fn manifests(job: &mut Job<'_>) -> Result<String, String> {
    let mut wrong = Vec::new();
    let root = job.workspace.root().to_owned();
    for krate in job.workspace.crates() {
        let name = &krate.name;
        let manifest = workspace::read(&krate.dir.join("Cargo.toml"))?;
        wrong.extend(lacks(&manifest).map(|key| format!("{name}: its manifest lacks {key}")));
        let list = job.run(&Invocation::cargo(&format!(
            "package -p {name} --list --allow-dirty"
        )))?;
        let listed = |file: &&&str| !list.lines().any(|line| line == **file);
        wrong.extend(
            FILES
                .iter()
                .filter(listed)
                .map(|file| format!("{name}: its package lacks {file}")),
        );
        for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
            if !same(&root.join(licence), &krate.dir.join(licence)) {
                wrong.push(format!("{name}: its {licence} is not the workspace's"));
            }
        }
    }
    if wrong.is_empty() {
        Ok(format!("{} crates", job.workspace.crates().len()))
    } else {
        Err(format!(
            "{} things are missing\n{}",
            wrong.len(),
            wrong.join("\n")
        ))
    }
}

/// The keys that a manifest should have and has not.
fn lacks(manifest: &str) -> impl Iterator<Item = &'static str> {
    let has = |key: &str| {
        workspace::value(manifest, "package", key)
            .or_else(|| workspace::value(manifest, "package", &format!("{key}.workspace")))
            .is_some()
    };
    let missing: Vec<_> = KEYS.iter().copied().filter(|key| !has(key)).collect();
    let docs_rs = manifest.contains("[package.metadata.docs.rs]");
    missing
        .into_iter()
        .chain((!docs_rs).then_some("[package.metadata.docs.rs]"))
}

fn same(a: &Path, b: &Path) -> bool {
    matches!((workspace::read(a), workspace::read(b)), (Ok(a), Ok(b)) if a == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        let manifest = "[package]\nname = \"x\"\ndescription = \"y\"\nlicense.workspace = true\n\
            rust-version.workspace = true\nreadme = \"README.md\"\ndocumentation = \"z\"\nkeywords = []\n";
        assert!(lacks(manifest).eq(["categories", "[package.metadata.docs.rs]"]));
    }
}
