//! Indices of a few bits, which come back while a test still looks: a copy of the crates in which the ring has a build
//! script that sets `pool_index_bits`.
//!
//! `RUSTFLAGS` would do the same, but all that the crates depend on would be built again for each width. To cargo a package
//! with a build script is another than the one without, so neither's builds are taken for the other's.

use std::path::PathBuf;

use crate::copy::Tree;
use crate::runner;
use crate::step::{Action, Step};
use crate::workspace::Workspace;

/// The crate whose indices can be narrowed.
pub(crate) const RING: &str = "pool-dequeue";

/// What the build script goes by.
pub(crate) const VARIABLE: &str = "POOL_INDEX_BITS";

const SCRIPT: &str = r#"//! Narrows the indices.

fn main() {
    println!("cargo::rerun-if-env-changed=POOL_INDEX_BITS");
    if let Ok(bits) = std::env::var("POOL_INDEX_BITS") {
        println!("cargo::rustc-cfg=pool_index_bits=\"{bits}\"");
    }
}
"#;

/// A step that runs tests, run in the copy with indices of so many bits.
pub(crate) fn narrowed(step: Step, bits: &'static str) -> Step {
    let subjects = step.subjects();
    let Action::Run(invocation) = step.action else {
        return step;
    };
    let check = Step::check(step.name, move |job| {
        let folder = copy(job.workspace)?;
        let invocation = invocation.env(VARIABLE, bits).in_dir(&folder);
        let output = job.run(&invocation)?;
        runner::note(&invocation, &output)
    });
    let check = check.looks_at(subjects);
    match step.hint {
        Some(hint) => check.on_failure(hint),
        None => check,
    }
}

/// Makes the copy and says where it is.
fn copy(workspace: &Workspace) -> Result<PathBuf, String> {
    let folder = workspace.target_for("narrow").join("copy");
    scripted(Tree::read(workspace)?)?.write(&folder)?;
    Ok(folder)
}

/// With the build script.
pub(crate) fn scripted(mut tree: Tree) -> Result<Tree, String> {
    tree.add(&format!("crates/{RING}/build.rs"), SCRIPT)?;
    Ok(tree)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_told_by_the_variable() {
        assert!(SCRIPT.contains(&format!("var(\"{VARIABLE}\")")));
        let tree = scripted(Tree::of(&[])).unwrap();
        assert_eq!(tree.text("crates/pool-dequeue/build.rs"), Some(SCRIPT));
        assert!(scripted(tree).is_err(), "the ring has a script of its own");
    }
}
