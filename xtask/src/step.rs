//! What a command does, as data: a list of steps, each with its name, its command line, its
//! environment and what to say when it fails. [`crate::runner`] carries them out.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::runner::Job;

/// One line of the summary.
pub(crate) struct Step {
    /// Short, and the same from run to run: `--only` selects by it.
    pub(crate) name: String,
    /// What is done.
    pub(crate) action: Action,
    /// What helps after a failure.
    pub(crate) hint: Option<String>,
}

/// A check that xtask makes itself: what it found out, or what is wrong.
pub(crate) type Check = Box<dyn FnOnce(&mut Job<'_>) -> Result<String, String>>;

/// What a step does.
pub(crate) enum Action {
    /// Runs a program; it passes if the program does.
    Run(Invocation),
    /// Checks something itself; the `Ok` text goes into the summary.
    Check(Check),
    /// Cannot be done on this machine.
    Skip {
        /// What is missing.
        tool: String,
        /// Why it cannot do without, or how to get it.
        reason: String,
    },
}

impl Step {
    /// A step that runs a program.
    pub(crate) fn run(name: impl Into<String>, invocation: Invocation) -> Self {
        Self {
            name: name.into(),
            action: Action::Run(invocation),
            hint: None,
        }
    }

    /// A step that runs cargo.
    pub(crate) fn cargo<A: Into<OsString>>(
        name: impl Into<String>,
        args: impl IntoIterator<Item = A>,
    ) -> Self {
        Self::run(name, Invocation::cargo(args))
    }

    /// A step that xtask does itself.
    pub(crate) fn check(
        name: impl Into<String>,
        check: impl FnOnce(&mut Job<'_>) -> Result<String, String> + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            action: Action::Check(Box::new(check)),
            hint: None,
        }
    }

    /// A step that this machine lacks a tool for.
    pub(crate) fn skip(
        name: impl Into<String>,
        tool: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        let action = Action::Skip {
            tool: tool.into(),
            reason: reason.into(),
        };
        Self {
            name: name.into(),
            action,
            hint: None,
        }
    }

    /// What to say when the step fails.
    pub(crate) fn on_failure(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Sets a variable of the step's program.
    pub(crate) fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        if let Action::Run(invocation) = &mut self.action {
            invocation.env.push((name.to_owned(), Some(value.into())));
        }
        self
    }

    /// Removes a variable from the environment of the step's program.
    pub(crate) fn without(mut self, name: &str) -> Self {
        if let Action::Run(invocation) = &mut self.action {
            invocation.env.push((name.to_owned(), None));
        }
        self
    }

    /// The step fails if fewer tests ran than this: a filter that matches nothing also "passes".
    pub(crate) fn at_least(mut self, tests: usize) -> Self {
        if let Action::Run(invocation) = &mut self.action {
            invocation.at_least = Some(tests);
        }
        self
    }
}

/// A program to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invocation {
    /// Its name or path.
    pub(crate) program: OsString,
    /// Its arguments.
    pub(crate) args: Vec<OsString>,
    /// Variables set, or removed, on top of the environment.
    pub(crate) env: Vec<(String, Option<OsString>)>,
    /// Where it runs; the workspace's root unless said otherwise.
    pub(crate) dir: Option<PathBuf>,
    /// How many tests it has to run.
    pub(crate) at_least: Option<usize>,
}

impl Invocation {
    /// Any program.
    pub(crate) fn new<A: Into<OsString>>(
        program: impl Into<OsString>,
        args: impl IntoIterator<Item = A>,
    ) -> Self {
        Self {
            program: program.into(),
            args: args.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            dir: None,
            at_least: None,
        }
    }

    /// The cargo that runs xtask.
    pub(crate) fn cargo<A: Into<OsString>>(args: impl IntoIterator<Item = A>) -> Self {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        Self::new(cargo, args)
    }

    /// The cargo of another toolchain.
    pub(crate) fn cargo_of<A: Into<OsString>>(
        toolchain: &str,
        args: impl IntoIterator<Item = A>,
    ) -> Self {
        let head = ["run", toolchain, "cargo"].into_iter().map(OsString::from);
        let args: Vec<OsString> = head.chain(args.into_iter().map(Into::into)).collect();
        // Set by the cargo that runs xtask, they would lead the other one to the wrong compiler.
        let mut this = Self::new("rustup", args)
            .without("RUSTC")
            .without("RUSTDOC");
        this.env.push(("CARGO".to_owned(), None));
        this
    }

    /// Sets a variable.
    pub(crate) fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.env.push((name.to_owned(), Some(value.into())));
        self
    }

    /// Removes a variable.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.env.push((name.to_owned(), None));
        self
    }

    /// Runs it elsewhere.
    pub(crate) fn in_dir(mut self, dir: &Path) -> Self {
        self.dir = Some(dir.to_owned());
        self
    }

    /// As one would type it.
    pub(crate) fn command_line(&self) -> String {
        let program = Path::new(&self.program);
        let program = program
            .file_stem()
            .unwrap_or(&self.program)
            .to_string_lossy()
            .into_owned();
        let set = self.env.iter().filter_map(|(name, value)| {
            Some(format!(
                "{name}={}",
                quoted(&value.as_ref()?.to_string_lossy())
            ))
        });
        set.chain([program])
            .chain(self.args.iter().map(|arg| quoted(&arg.to_string_lossy())))
            .collect::<Vec<_>>()
            .join(" ")
    }
}

/// Quotes what a shell would split.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_can_be_pasted() {
        let step = Step::run("x", Invocation::new("/usr/bin/cargo", ["test", "it's"]))
            .env("RUSTFLAGS", "--cfg pool_loom")
            .at_least(1);
        let Action::Run(invocation) = step.action else {
            panic!("not a run")
        };
        assert_eq!(
            invocation.command_line(),
            r"RUSTFLAGS='--cfg pool_loom' cargo test 'it'\''s'"
        );
        assert_eq!(invocation.at_least, Some(1));
    }
}
