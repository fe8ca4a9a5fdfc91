//! Runs the inputs that are checked in: those that the fuzzer found worth keeping, and those that once failed.

use std::fs;
use std::io;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use crate::TARGETS;

/// How a replay went.
#[derive(Debug)]
pub struct Replayed {
    /// How many inputs ran.
    pub inputs: usize,
    /// Those that failed.
    pub failed: Vec<PathBuf>,
}

/// Where the corpus is, below the repository's root.
#[must_use]
pub fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus")
}

/// Runs every input below `corpus`, which has a folder for each target.
///
/// # Errors
///
/// When a folder or an input cannot be read, or a target has no inputs.
pub fn all(corpus: &Path) -> io::Result<Replayed> {
    let mut replayed = Replayed {
        inputs: 0,
        failed: Vec::new(),
    };
    for (name, run) in TARGETS {
        let mut files: Vec<PathBuf> = fs::read_dir(corpus.join(name))?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<io::Result<_>>()?;
        files.sort();
        if files.is_empty() {
            return Err(io::Error::other(format!("no inputs for {name}")));
        }
        for file in files {
            let input = fs::read(&file)?;
            replayed.inputs += 1;
            if catch_unwind(|| run(&input)).is_err() {
                replayed.failed.push(file);
            }
        }
    }
    Ok(replayed)
}
