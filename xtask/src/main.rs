//! `cargo xtask`: everything that is done with this workspace, as commands that work the same at
//! home and in CI. `cargo xtask` alone lists them.

mod args;
mod changed;
mod cmd;
mod copy;
mod counting;
mod markdown;
mod orderings;
mod packages;
mod runner;
mod scan;
mod selftest;
mod step;
mod suite;
mod tools;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

use args::{Args, COMMON, Flag};
use cmd::{COMMANDS, Command};
use workspace::Workspace;

/// Exit status for arguments that make no sense.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let mut given = std::env::args_os().skip(1);
    match given.next() {
        None => list(),
        Some(word) if word == "--help" || word == "-h" || word == "help" => list(),
        Some(word) => match start(&word, given.collect()) {
            Ok(code) => code,
            Err(message) => {
                eprintln!("error: {message}");
                ExitCode::from(USAGE)
            }
        },
    }
}

/// Runs the command called `word`.
fn start(word: &OsString, given: Vec<OsString>) -> Result<ExitCode, String> {
    let word = word.to_string_lossy();
    let Some(command) = COMMANDS.iter().find(|command| command.name == word) else {
        let names = COMMANDS.iter().map(|command| command.name);
        return Err(args::unknown("command", &word, names));
    };
    let more = |message| format!("{message}\nsee: cargo xtask {} --help", command.name);
    let args = if command.passes_on {
        Args::passed_on(given)
    } else {
        Args::parse(given, command.flags).map_err(more)?
    };
    if args.has("--help") {
        return Ok(help(command));
    }
    let workspace = Workspace::find()?;
    (command.run)(&workspace, &args).map_err(more)
}

/// Lists the commands.
fn list() -> ExitCode {
    println!("Usage: cargo xtask COMMAND [ARGUMENTS]\n");
    let head = |command: &Command| format!("{} {}", command.name, command.usage);
    let width = COMMANDS
        .iter()
        .map(|command| head(command).trim_end().len())
        .max()
        .unwrap_or(0);
    for command in COMMANDS {
        println!("  {:width$}  {}", head(command).trim_end(), command.about);
    }
    println!("\n`cargo xtask COMMAND --help` says more about one.");
    ExitCode::SUCCESS
}

/// Says what a command does.
fn help(command: &Command) -> ExitCode {
    println!("cargo xtask {} {}\n", command.name, command.usage);
    println!("{}.", command.about);
    if !command.details.is_empty() {
        println!("\n{}", command.details);
    }
    println!("\nOptions:");
    let head = |flag: &Flag| match flag.value {
        None => flag.name.to_owned(),
        Some(value) => format!("{} {value}", flag.name),
    };
    for flag in command.flags.iter().chain(COMMON) {
        println!("  {:<18}{}", head(flag), flag.about);
    }
    ExitCode::SUCCESS
}
