//! `outside`: tries each crate as a stranger would: an empty project elsewhere, the crate as its only
//! dependency, the README's example for it as the program; and each recipe with the dependencies that it names.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use super::Command;
use crate::args::Args;
use crate::runner::{self, Job, Options};
use crate::step::{Invocation, Step, Subject};
use crate::workspace::{self, Workspace};

pub(super) const COMMAND: Command = Command {
    name: "outside",
    usage: "[CRATE…]",
    about: "run the README's examples and the recipes in an empty project outside the workspace",
    details: "",
    flags: &[],
    passes_on: false,
    run,
};

fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode, String> {
    let chosen = args.choose("crate", &workspace.names())?;
    let steps = steps(workspace).into_iter().zip(workspace.names());
    let mut steps: Vec<_> = steps
        .filter(|(_, name)| chosen.contains(name))
        .map(|(step, _)| step)
        .collect();
    if args.words.is_empty() {
        steps.extend(recipes(workspace));
    }
    Ok(runner::run(workspace, steps, Options::of(args)))
}

/// One step a recipe. Not in `ci`, which runs the same blocks as tests: a job of its own in the workflow.
fn recipes(workspace: &Workspace) -> Vec<Step> {
    let folder = workspace.root().join("docs").join("recipes");
    let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
    let mut pages: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .filter(|path| !path.ends_with("README.md"))
        .collect();
    pages.sort();
    let step = |page: std::path::PathBuf| {
        let name = page
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        Step::check(format!("outside, recipe {name}"), move |job| {
            follow(job, &page)
        })
        .on_failure("a recipe must work by copy and paste, with the dependencies that it names")
    };
    pages.into_iter().map(step).collect()
}

/// Does what a recipe says.
fn follow(job: &mut Job<'_>, page: &Path) -> Result<String, String> {
    let text = workspace::read(page)?;
    let manifests = blocks(&text, "```toml");
    let [dependencies] = manifests.as_slice() else {
        return Err("a recipe names its dependencies once".to_owned());
    };
    // Until they are published, and afterwards so that these are tried.
    let ours = job.workspace.crates().iter().map(|krate| {
        let path = krate.dir.to_string_lossy();
        format!("{} = {{ path = {path:?} }}\n", krate.name)
    });
    let more = format!(
        "{dependencies}\n[patch.crates-io]\n{}",
        ours.collect::<String>()
    );
    run_all(job, "recipe", &more, &rust_blocks(&text))
}

/// One step a crate.
pub(super) fn steps(workspace: &Workspace) -> Vec<Step> {
    let step = |name: String| {
        let subject = Subject::Package(name.clone());
        Step::check(format!("outside {name}"), move |job| try_out(job, &name))
            .looks_at([subject, Subject::Pages])
            .on_failure("the README's example must work by copy and paste, with this crate alone")
    };
    workspace
        .names()
        .into_iter()
        .map(|name| step(name.to_owned()))
        .collect()
}

fn try_out(job: &mut Job<'_>, name: &str) -> Result<String, String> {
    let root = job.workspace.root().to_owned();
    let krate = job.workspace.krate(name).ok_or("no such crate")?;
    let readme = workspace::read(&root.join("README.md"))?;
    let mut examples = rust_blocks(&readme);
    examples.retain(|block| block.contains(&format!("{}::", krate.ident())));
    if examples.is_empty() {
        return Err(format!("README.md has no example that uses {name}"));
    }
    let path = krate.dir.to_string_lossy();
    let dependencies = format!("[dependencies]\n{name} = {{ path = {path:?} }}\n");
    run_all(job, name, &dependencies, &examples)
}

/// Runs each example as the program of an empty project.
fn run_all(
    job: &mut Job<'_>,
    name: &str,
    dependencies: &str,
    examples: &[String],
) -> Result<String, String> {
    let lock = workspace::read(&job.workspace.root().join("Cargo.lock"))?;
    let target = job.workspace.target_for("outside");
    // Elsewhere, so that no manifest of ours lies above it.
    let folder = std::env::temp_dir().join(format!("outside-{name}-{}", std::process::id()));
    let result = examples.iter().try_for_each(|example| {
        write_project(&folder, name, dependencies, &lock, example)?;
        let run = Invocation::cargo("run --quiet")
            .in_dir(&folder)
            .env("CARGO_TARGET_DIR", &target);
        job.run(&run).map(drop)
    });
    let _ = fs::remove_dir_all(&folder);
    result.map(|()| format!("{} examples", examples.len()))
}

fn write_project(
    folder: &Path,
    name: &str,
    dependencies: &str,
    lock: &str,
    example: &str,
) -> Result<(), String> {
    let manifest = format!(
        "[package]\nname = \"outside-{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n\n{dependencies}"
    );
    let program = if example.contains("fn main(") {
        example.to_owned()
    } else {
        format!("fn main() {{\n{example}}}\n")
    };
    fs::create_dir_all(folder.join("src"))
        .and_then(|()| fs::write(folder.join("Cargo.toml"), manifest))
        .and_then(|()| fs::write(folder.join("Cargo.lock"), lock))
        .and_then(|()| fs::write(folder.join("src").join("main.rs"), program))
        .map_err(|error| format!("{}: {error}", folder.display()))
}

/// The blocks fenced as Rust, without attributes that keep rustdoc from running them.
fn rust_blocks(page: &str) -> Vec<String> {
    blocks(page, "```rust")
}

/// The blocks that begin with this line.
fn blocks(page: &str, fence: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if line.trim() == fence {
            let block: Vec<_> = lines
                .by_ref()
                .take_while(|line| line.trim() != "```")
                .collect();
            blocks.push(block.join("\n") + "\n");
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_cut_out() {
        let page = "x\n```rust\nuse a;\nb();\n```\n```text\nno\n```\n```rust\nc();\n```\n";
        assert_eq!(rust_blocks(page), ["use a;\nb();\n", "c();\n"]);
    }
}
