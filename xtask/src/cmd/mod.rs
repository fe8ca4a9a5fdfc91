//! The commands, one module each, as a table that `cargo xtask` prints and [`crate::main`] searches.

use std::process::ExitCode;

use crate::args::{Args, Flag};
use crate::workspace::Workspace;

mod apart;
mod api;
mod asm;
mod bench;
mod ci;
mod demo;
mod deps;
mod docs;
mod faults;
mod fmt;
mod fuzz;
mod lint;
mod litmus;
mod loom;
mod memory;
mod miri;
mod mutants;
mod orderings;
mod outside;
mod package;
mod sanitize;
mod semver;
mod server;
mod targets;
mod test;
mod tidy;
mod verify;

/// A command of xtask.
pub(crate) struct Command {
    /// As it is typed.
    pub(crate) name: &'static str,
    /// Its arguments, for the help.
    pub(crate) usage: &'static str,
    /// What it does, in a line.
    pub(crate) about: &'static str,
    /// What else there is to know.
    pub(crate) details: &'static str,
    /// Its own options.
    pub(crate) flags: &'static [Flag],
    /// Hands all arguments on to the program that it starts.
    pub(crate) passes_on: bool,
    /// Does it. An `Err` means that the arguments were wrong.
    pub(crate) run: fn(&Workspace, &Args) -> Result<ExitCode, String>,
}

/// All commands, in the order in which they are listed.
pub(crate) const COMMANDS: &[Command] = &[
    ci::COMMAND,
    demo::COMMAND,
    fmt::COMMAND,
    lint::COMMAND,
    tidy::COMMAND,
    docs::COMMAND,
    api::COMMAND,
    test::COMMAND,
    loom::COMMAND,
    apart::COMMAND,
    miri::COMMAND,
    faults::COMMAND,
    fuzz::COMMAND,
    litmus::COMMAND,
    sanitize::COMMAND,
    orderings::COMMAND,
    mutants::COMMAND,
    verify::COMMAND,
    targets::COMMAND,
    outside::COMMAND,
    package::COMMAND,
    deps::COMMAND,
    semver::COMMAND,
    asm::COMMAND,
    bench::COMMAND,
    memory::COMMAND,
    server::COMMAND,
];
