//! The demo's arguments.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

pub(crate) const HELP: &str = "\
Usage: cargo xtask demo [OPTIONS] [DIR]

Compresses every regular file below DIR (default: this repository) in memory, on all CPUs, three
ways by turns: a new compressor for each, a Mutex<Vec<_>> of compressors, and pool-core.

  --all         also go into folders that are marked as caches (CACHEDIR.TAG, as cargo's target)
  --passes N    compress everything N times each way (default: for about a second each way)
  --memory MIB  how much of the files to hold at a time (default: 32); longer files are compressed
                in pieces of 4 MiB
  --help        this

Symbolic links are not followed. Exit status: 0 if anything was compressed, 1 if nothing could be,
2 for wrong arguments, 3 if the ways disagree.";

/// What the user wants.
#[derive(Debug)]
pub(crate) enum Request {
    Help,
    Run(Args),
}

/// How to run.
#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) dir: PathBuf,
    pub(crate) all: bool,
    /// `None`: as many as make the measurement long enough.
    pub(crate) passes: Option<u32>,
    /// Bytes of files held at a time.
    pub(crate) memory: usize,
}

/// Reads the arguments; the error says what is wrong with them.
pub(crate) fn parse(given: impl IntoIterator<Item = OsString>) -> Result<Request, String> {
    let mut args = Args {
        dir: repository(),
        all: false,
        passes: None,
        memory: 32 << 20,
    };
    let mut dir = None;
    let mut given = given.into_iter();
    let mut options = true;
    while let Some(arg) = given.next() {
        let text = arg.to_str().unwrap_or_default();
        match text {
            "--" if options => options = false,
            "--help" | "-h" if options => return Ok(Request::Help),
            "--all" if options => args.all = true,
            "--passes" if options => args.passes = Some(number(text, given.next(), 10_000)?),
            "--memory" if options => {
                args.memory =
                    (number(text, given.next(), 1 << 20)? as usize).saturating_mul(1 << 20);
            }
            _ if options && text.starts_with('-') => return Err(format!("unknown option {arg:?}")),
            _ => {
                if let Some(first) = dir.replace(PathBuf::from(&arg)) {
                    return Err(format!("one folder at a time, not {first:?} and {arg:?}"));
                }
            }
        }
    }
    if let Some(dir) = dir {
        args.dir = dir;
    }
    Ok(Request::Run(args))
}

/// The number behind an option, from 1 to `most`.
fn number(option: &str, value: Option<OsString>, most: u32) -> Result<u32, String> {
    let value = value.ok_or_else(|| format!("{option} needs a number"))?;
    let number = value.to_str().and_then(|text| text.parse().ok());
    match number {
        Some(number) if (1..=most).contains(&number) => Ok(number),
        _ => Err(format!(
            "{option} needs a number from 1 to {most}, not {value:?}"
        )),
    }
}

/// The repository that this example belongs to or, away from it, the crate's own folder.
fn repository() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    match own.parent().and_then(Path::parent) {
        Some(root) if root.join("xtask").is_dir() => root.to_owned(),
        _ => own.to_owned(),
    }
}
