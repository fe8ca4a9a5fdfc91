//! What a change touches, and so which steps look at it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::packages::Packages;
use crate::step::{Step, Subject};
use crate::workspace::Workspace;

/// What a change touches.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Touched {
    /// What all steps depend on, this file being the first such.
    Everything(String),
    /// These.
    Subjects(BTreeSet<Subject>),
}

impl Touched {
    /// What differs from where this branch left `revision`: committed, not yet committed, not yet added.
    pub(crate) fn since(workspace: &Workspace, revision: &str) -> Result<Self, String> {
        let files = files(workspace.root(), revision)?;
        Ok(Self::by(&files, &Packages::read(workspace.root())?))
    }

    /// What a change of these files touches.
    fn by(files: &[String], packages: &Packages) -> Self {
        let mut subjects = BTreeSet::from([Subject::Anything]);
        let mut own = Vec::new();
        for file in files {
            let page = file.ends_with(".md") || file.ends_with(".svg") || file.starts_with("docs/");
            let owner = packages.owner(file);
            if page {
                subjects.insert(Subject::Pages);
            }
            if file.starts_with(".github/") {
                subjects.insert(Subject::Workflows);
            } else if let Some(owner) = owner.filter(|owner| owner.name != "xtask") {
                own.push(owner.name.clone());
            } else if !page {
                return Self::Everything(file.clone());
            }
        }
        if !own.is_empty() {
            subjects.insert(Subject::AnyPackage);
        }
        subjects.extend(
            packages
                .with_dependants(own)
                .into_iter()
                .map(Subject::Package),
        );
        Self::Subjects(subjects)
    }

    /// Whether a step looks at any of it.
    pub(crate) fn concerns(&self, step: &Step) -> bool {
        match self {
            Self::Everything(_) => true,
            Self::Subjects(subjects) => step.subjects().iter().any(|one| subjects.contains(one)),
        }
    }

    /// In a line.
    pub(crate) fn told(&self) -> String {
        let subjects = match self {
            Self::Everything(file) => return format!("everything, as {file} does"),
            Self::Subjects(subjects) => subjects,
        };
        let names: Vec<_> = subjects
            .iter()
            .filter_map(|subject| match subject {
                Subject::Package(name) => Some(name.as_str()),
                Subject::Pages => Some("pages"),
                Subject::Workflows => Some("workflows"),
                Subject::AnyPackage | Subject::Anything => None,
            })
            .collect();
        if names.is_empty() {
            "nothing".to_owned()
        } else {
            names.join(", ")
        }
    }
}

fn files(root: &Path, revision: &str) -> Result<Vec<String>, String> {
    let base = git(root, &["merge-base", revision, "HEAD"])?;
    let changed = git(
        root,
        &["diff", "--name-only", "--no-renames", "-z", base.trim()],
    )?;
    let new = git(root, &["ls-files", "--others", "--exclude-standard", "-z"])?;
    let files = changed.split('\0').chain(new.split('\0'));
    Ok(files
        .filter(|file| !file.is_empty())
        .map(str::to_owned)
        .collect())
}

fn git(root: &Path, args: &[&str]) -> Result<String, String> {
    let output = Command::new("git")
        .args(args)
        .current_dir(root)
        .output()
        .map_err(|error| format!("cannot run git: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let why = String::from_utf8_lossy(&output.stderr);
        Err(format!("git {}: {}", args.join(" "), why.trim()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touched(files: &[&str]) -> Touched {
        let packages = Packages::of(&[
            ("crates/low", "[package]\nname = \"low\"\n"),
            (
                "crates/high",
                "[package]\nname = \"high\"\n[dependencies]\nlow.workspace = true\n",
            ),
            (
                "docs/recipes",
                "[package]\nname = \"recipes\"\n[dev-dependencies]\nhigh = \"1\"\n",
            ),
            (
                "xtask",
                "[package]\nname = \"xtask\"\n[dev-dependencies]\nlow = \"1\"\n",
            ),
        ])
        .unwrap();
        let files: Vec<_> = files.iter().map(|file| (*file).to_owned()).collect();
        Touched::by(&files, &packages)
    }

    fn package(name: &str) -> Step {
        Step::cargo(name, &format!("test -p {name}"))
    }

    #[test]
    fn a_package_brings_those_that_are_built_on_it() {
        let low = touched(&["crates/low/src/lib.rs"]);
        assert!(
            ["low", "high", "recipes", "xtask"]
                .iter()
                .all(|name| low.concerns(&package(name)))
        );
        let high = touched(&["crates/high/tests/a.rs"]);
        assert!(high.concerns(&package("high")) && high.concerns(&package("recipes")));
        assert!(!high.concerns(&package("low")));
        assert!(high.concerns(&Step::cargo("all", "clippy --all-targets")));
        assert!(high.concerns(&Step::cargo("two", "test -p low -p high")));
        assert_eq!(high.told(), "high, recipes");
    }

    #[test]
    fn pages_and_workflows_bring_what_looks_at_them() {
        let step = |subject| Step::cargo("x", "x").looks_at([subject]);
        let docs = touched(&["docs/tuning.md"]);
        assert!(docs.concerns(&step(Subject::Pages)) && docs.concerns(&step(Subject::Anything)));
        assert!(!docs.concerns(&package("low")) && !docs.concerns(&step(Subject::Workflows)));
        assert!(!docs.concerns(&Step::cargo("all", "clippy --all-targets")));
        let recipe = touched(&["docs/recipes/a.md"]);
        assert!(recipe.concerns(&package("recipes")) && recipe.concerns(&step(Subject::Pages)));
        let workflow = touched(&[".github/workflows/ci.yml"]);
        assert!(workflow.concerns(&step(Subject::Workflows)));
        assert!(!workflow.concerns(&step(Subject::Pages)));
    }

    #[test]
    fn what_all_depend_on_brings_everything() {
        for file in [
            "Cargo.toml",
            "Cargo.lock",
            "xtask/src/main.rs",
            ".ci/run",
            "rustfmt.toml",
        ] {
            let touched = touched(&["docs/a.md", file]);
            assert_eq!(touched, Touched::Everything(file.to_owned()));
            assert!(touched.concerns(&package("low")));
        }
    }

    #[test]
    fn no_change_leaves_what_is_always_looked_at() {
        let nothing = touched(&[]);
        assert!(nothing.concerns(&Step::cargo("fmt", "fmt").looks_at([Subject::Anything])));
        assert!(!nothing.concerns(&package("low")));
        assert_eq!(nothing.told(), "nothing");
    }

    #[test]
    fn a_revision_that_is_not_there_is_named() {
        let workspace = Workspace::find().unwrap();
        let error = Touched::since(&workspace, "no-such-revision").unwrap_err();
        assert!(error.contains("no-such-revision"), "{error}");
    }
}
