//! `cargo xtask`: everything that is done with this workspace, as commands that work the same at
//! home and in CI. `cargo xtask` alone lists them.

mod args;
mod assembly;
mod changed;
mod cmd;
mod copy;
mod counting;
mod markdown;
mod narrow;
mod orderings;
mod packages;
mod parallel;
mod runner;
mod scan;
mod selftest;
mod step;
mod suite;
mod tools;
mod workspace;

use std::ffi::OsString;
use std::io::{self, Write};
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
    // The few that are longer stand out: better than all lines too long for a window.
    const WIDTH: usize = 38;
    let mut text = String::from("Usage: cargo xtask COMMAND [ARGUMENTS]\n\n");
    for command in COMMANDS {
        let head = format!("{} {}", command.name, command.usage);
        text += &format!("  {:WIDTH$}  {}\n", head.trim_end(), command.about);
    }
    text += "\n`cargo xtask COMMAND --help` says more about one.\n";
    print(&text);
    ExitCode::SUCCESS
}

/// Prints a text that somebody may read the beginning of only, and then close the pipe: no reason to fail.
fn print(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

/// Says what a command does.
fn help(command: &Command) -> ExitCode {
    let head = format!("cargo xtask {} {}", command.name, command.usage);
    let mut text = format!("{}\n\n{}.\n", head.trim_end(), command.about);
    if !command.details.is_empty() {
        text += &format!("\n{}\n", command.details);
    }
    text += "\nOptions:\n";
    let head = |flag: &Flag| match flag.value {
        None => flag.name.to_owned(),
        Some(value) => format!("{} {value}", flag.name),
    };
    for flag in command.flags.iter().chain(COMMON) {
        text += &format!("  {:<18}{}\n", head(flag), flag.about);
    }
    print(&text);
    ExitCode::SUCCESS
}
