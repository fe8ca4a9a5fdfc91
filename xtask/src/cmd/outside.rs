//! `outside`: tries each crate as a stranger would: an empty project elsewhere, the crate as its only
//! dependency, the README's example for it as the program.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use super::Command;
use crate::args::Args;
use crate::runner::{self, Job, Options};
use crate::step::{Invocation, Step};
use crate::workspace::{self, Workspace};

pub(super) const COMMAND: Command = Command {
    name: "outside",
    usage: "[CRATE…]",
    about: "run the README's example of each crate in an empty project outside the workspace",
    details: "",
    flags: &[],
    passes_on: false,
    run,
};

fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode, String> {
    let chosen = args.choose("crate", &workspace.names())?;
    let steps = steps(workspace).into_iter().zip(workspace.names());
    let steps = steps
        .filter(|(_, name)| chosen.contains(name))
        .map(|(step, _)| step)
        .collect();
    Ok(runner::run(workspace, steps, Options::of(args)))
}

/// One step a crate.
pub(super) fn steps(workspace: &Workspace) -> Vec<Step> {
    let step = |name: String| {
        Step::check(format!("outside {name}"), move |job| try_out(job, &name))
            .on_failure("the README's example must work by copy and paste, with this crate alone")
    };
    workspace
        .names()
        .into_iter()
        .map(|name| step(name.to_owned()))
        .collect()
}

fn try_out(job: &mut Job<'_>, name: &str) -> Result<String, String> {
    let root = job.workspace.root();
    let krate = job.workspace.krate(name).ok_or("no such crate")?;
    let readme = workspace::read(&root.join("README.md"))?;
    let mut examples = rust_blocks(&readme);
    examples.retain(|block| block.contains(&format!("{}::", krate.ident())));
    if examples.is_empty() {
        return Err(format!("README.md has no example that uses {name}"));
    }
    let path = format!("{:?}", krate.dir.to_string_lossy());
    let lock = workspace::read(&root.join("Cargo.lock"))?;
    let target = job.workspace.target_for("outside");
    // Elsewhere, so that no manifest of ours lies above it.
    let folder = std::env::temp_dir().join(format!("outside-{name}-{}", std::process::id()));
    let result = examples.iter().try_for_each(|example| {
        write_project(&folder, name, &path, &lock, example)?;
        let run = Invocation::cargo("run --quiet")
            .in_dir(&folder)
            .env("CARGO_TARGET_DIR", &target);
        job.run(&run).map(drop)
    });
    let _ = fs::remove_dir_all(&folder);
    result.map(|()| format!("{} of the README's examples", examples.len()))
}

fn write_project(
    folder: &Path,
    name: &str,
    path: &str,
    lock: &str,
    example: &str,
) -> Result<(), String> {
    let manifest = format!(
        "[package]\nname = \"outside-{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n\n\
         [dependencies]\n{name} = {{ path = {path} }}\n"
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
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if line.trim() == "```rust" {
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
