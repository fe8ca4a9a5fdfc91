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

/// Headings of every crate's page, in their order; there may be others in between.
const SECTIONS: &[&str] = &[
    "The problem",
    "The handles",
    "Guarantees",
    "Example",
    "Cost and limits",
    "When something else is better",
    "Differences from Go",
    "Features",
    "Minimum Rust version",
    "Licence",
];

fn manifests(job: &mut Job<'_>) -> Result<String, String> {
    let mut wrong = Vec::new();
    let root = job.workspace.root().to_owned();
    for krate in job.workspace.crates() {
        let name = &krate.name;
        let manifest = workspace::read(&krate.dir.join("Cargo.toml"))?;
        wrong.extend(lacks(&manifest).map(|key| format!("{name}: its manifest lacks {key}")));
        let page = workspace::read(&krate.dir.join("README.md"))?;
        if let Some(section) = first_missing(&page) {
            wrong.push(format!(
                "{name}: its page has no `{section}`, or has it in the wrong place"
            ));
        }
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

/// The first of [`SECTIONS`] that a page does not have behind those before it.
fn first_missing(page: &str) -> Option<&'static str> {
    let mut headings = page.lines().filter_map(|line| line.strip_prefix("## "));
    let mut found = |section: &str| headings.any(|heading| heading.starts_with(section));
    SECTIONS.iter().copied().find(|section| !found(section))
}

fn same(a: &Path, b: &Path) -> bool {
    matches!((workspace::read(a), workspace::read(b)), (Ok(a), Ok(b)) if a == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_have_their_order() {
        let page = |sections: &[&str]| format!("# x\n## {}s\n", sections.join("\n## How\n## "));
        assert_eq!(first_missing(&page(SECTIONS)), None);
        let mut swapped = SECTIONS.to_vec();
        swapped.swap(4, 5);
        assert_eq!(first_missing(&page(&swapped)), Some(SECTIONS[5]));
        assert_eq!(first_missing(&page(&SECTIONS[..9])), Some(SECTIONS[9]));
    }

    #[test]
    fn what_is_missing_is_named() {
        let manifest = "[package]\nname = \"x\"\ndescription = \"y\"\nlicense.workspace = true\n\
            rust-version.workspace = true\nreadme = \"README.md\"\ndocumentation = \"z\"\nkeywords = []\n";
        assert!(lacks(manifest).eq(["categories", "[package.metadata.docs.rs]"]));
    }
}
