//! Compresses every file below a folder three ways, and says what pooling the compressors is worth.
//!
//! ```text
//! cargo run --release --example compress -- [DIR]
//! ```
//!
//! A compressor's state is some hundreds of KiB: the very case for which servers keep pools. Each file
//! is compressed in memory by a new compressor, by one from a `Mutex<Vec<_>>`, and by one from a
//! [`pool_core::Pool`]; see `ways.rs`, which is all the code that a user of the pool writes. The ways
//! take turns on the same data, so that what disturbs the machine disturbs all of them.

mod args;
mod counting;
mod crew;
mod files;
mod report;
mod ways;

use std::io::{self, Write};
use std::process::ExitCode;

use args::{Args, Request};
use report::Complaints;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

/// Nothing could be done.
const NOTHING: u8 = 1;
/// The arguments made no sense.
const USAGE: u8 = 2;
/// Two ways gave different results, which is a bug.
const DIFFERENT: u8 = 3;

fn main() -> ExitCode {
    match args::parse(std::env::args_os().skip(1)) {
        Ok(Request::Help) => {
            // A closed pipe is no reason to fail.
            let _ = writeln!(io::stdout(), "{}", args::HELP);
            ExitCode::SUCCESS
        }
        Ok(Request::Run(args)) => match run(&args) {
            Ok(()) => ExitCode::SUCCESS,
            Err(code) => ExitCode::from(code),
        },
        Err(message) => {
            eprintln!("compress: {message}\n\n{}", args::HELP);
            ExitCode::from(USAGE)
        }
    }
}

fn run(args: &Args) -> Result<(), u8> {
    let complaints = Complaints::default();
    let listing = files::list(&args.dir, args.all, &complaints);
    if listing.files.is_empty() {
        if complaints.count() == 0 {
            eprintln!("compress: {:?}: no regular file below it", args.dir);
        }
        return Err(NOTHING);
    }
    report::opening(args, &listing);
    let results =
        crew::compress(args, &listing, &complaints).map_err(|crew::Different(path)| {
            eprintln!("compress: {path:?}: the ways disagree on its compressed form");
            DIFFERENT
        })?;
    if results.files == 0 {
        eprintln!("compress: {:?}: none of its files could be read", args.dir);
        return Err(NOTHING);
    }
    report::table(&results, &complaints);
    Ok(())
}
