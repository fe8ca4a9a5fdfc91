//! What a command does, as data: a list of steps, each with its name, its command line, its
//! environment and what to say when it fails. [`crate::runner`] carries them out.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, ExitCode};
use std::time::Duration;

use crate::runner::Job;

/// A program that runs longer than this is stopped, unless someone is watching: code without locks
/// fails by spinning for ever, too.
const TIME_LIMIT: Duration = Duration::from_secs(10 * 60);
/// The same for what is meant to take hours. A little less than code hosts grant, so that it is us who tell.
pub(crate) const HOURS: Duration = Duration::from_secs(350 * 60);

/// One line of the summary.
pub(crate) struct Step {
    /// Short, and the same from run to run: `--only` selects by it.
    pub(crate) name: String,
    /// What is done.
    pub(crate) action: Action,
    /// What helps after a failure.
    pub(crate) hint: Option<String>,
    /// What it looks at, if that is not to be seen from what it runs.
    subjects: Vec<Subject>,
    /// See [`Step::beside`].
    beside: bool,
}

/// What a step may look at, and a change touch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    /// This package.
    Package(String),
    /// Code, in whatever package.
    AnyPackage,
    /// What people read.
    Pages,
    /// What the code host runs.
    Workflows,
    /// Whatever it is: for steps that are quick.
    Anything,
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
    fn new(name: impl Into<String>, action: Action) -> Self {
        Self {
            name: name.into(),
            action,
            hint: None,
            subjects: Vec::new(),
            beside: false,
        }
    }

    /// A step that runs a program.
    pub(crate) fn run(name: impl Into<String>, invocation: Invocation) -> Self {
        Self::new(name, Action::Run(invocation))
    }

    /// A step that runs cargo.
    pub(crate) fn cargo(name: impl Into<String>, line: impl Words) -> Self {
        Self::run(name, Invocation::cargo(line))
    }

    /// A step that xtask does itself.
    pub(crate) fn check(
        name: impl Into<String>,
        check: impl FnOnce(&mut Job<'_>) -> Result<String, String> + 'static,
    ) -> Self {
        Self::new(name, Action::Check(Box::new(check)))
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
        Self::new(name, action)
    }

    /// Skips the step where a component of the toolchain is missing.
    pub(crate) fn needs_component(self, component: &str, present: bool) -> Self {
        if present {
            return self;
        }
        let reason = format!("not installed: rustup component add {component}");
        Self::skip(self.name, component, reason)
    }

    /// What to say when the step fails.
    pub(crate) fn on_failure(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What a change must touch for the step to say anything new.
    pub(crate) fn looks_at(mut self, subjects: impl IntoIterator<Item = Subject>) -> Self {
        self.subjects.extend(subjects);
        self
    }

    /// What it was told to look at; else the packages that it names to cargo; else all code.
    pub(crate) fn subjects(&self) -> Vec<Subject> {
        if !self.subjects.is_empty() {
            return self.subjects.clone();
        }
        let args = match &self.action {
            Action::Run(invocation) => invocation.args.as_slice(),
            Action::Check(_) | Action::Skip { .. } => &[],
        };
        let mut packages: Vec<_> = args
            .windows(2)
            .take_while(|pair| pair[0] != "--")
            .filter(|pair| pair[0] == "-p")
            .map(|pair| Subject::Package(pair[1].to_string_lossy().into_owned()))
            .collect();
        if packages.is_empty() {
            packages.push(Subject::AnyPackage);
        }
        packages
    }

    /// The step's program may run at the same time as those of its neighbours of which this is said, too: mostly it keeps
    /// one core busy, what it measures is no time, and it shares no file with them but through cargo.
    pub(crate) fn beside(mut self) -> Self {
        self.beside = true;
        self
    }

    /// Whether this is so.
    pub(crate) fn runs_beside(&self) -> bool {
        self.beside && matches!(self.action, Action::Run(_))
    }

    /// More arguments for the step's program, as they are.
    pub(crate) fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        if let Action::Run(invocation) = &mut self.action {
            invocation.args.extend(args.into_iter().map(Into::into));
        }
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

    /// Gives the step's program more time than others.
    pub(crate) fn within(mut self, limit: Duration) -> Self {
        if let Action::Run(invocation) = &mut self.action {
            invocation.limit = limit;
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
    /// When it is stopped if nobody is watching.
    pub(crate) limit: Duration,
    /// How the line begins that it ends with, if it has something to say.
    pub(crate) last_word: Option<&'static str>,
}

impl Invocation {
    /// Any program and its arguments.
    pub(crate) fn new(program: impl Into<OsString>, line: impl Words) -> Self {
        Self {
            program: program.into(),
            args: line.words(),
            env: Vec::new(),
            dir: None,
            at_least: None,
            limit: TIME_LIMIT,
            last_word: None,
        }
    }

    /// The cargo that runs xtask.
    pub(crate) fn cargo(line: impl Words) -> Self {
        Self::new(
            std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()),
            line,
        )
    }

    /// The cargo of another toolchain.
    pub(crate) fn cargo_of(toolchain: &str, line: impl Words) -> Self {
        // Set by the cargo that runs xtask, they would lead the other one to the wrong compiler.
        Self::new("rustup", ["run", toolchain, "cargo"])
            .args(line.words())
            .without("RUSTC")
            .without("RUSTDOC")
            .without("CARGO")
    }

    /// More arguments, as they are.
    pub(crate) fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
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

    /// Gives it more time than others.
    pub(crate) fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Its last line that begins so is for the summary, and has to be there.
    pub(crate) fn ending_with(mut self, beginning: &'static str) -> Self {
        self.last_word = Some(beginning);
        self
    }

    /// Runs it elsewhere.
    pub(crate) fn in_dir(mut self, dir: &Path) -> Self {
        self.dir = Some(dir.to_owned());
        self
    }

    /// Runs it in the caller's place: on the caller's terminal, in the caller's folder unless another is set, with the
    /// program's exit code as the result. For programs that are no checks.
    pub(crate) fn hand_over(&self) -> Result<ExitCode, String> {
        let mut process = Process::new(&self.program);
        process.args(&self.args);
        for (name, value) in &self.env {
            match value {
                Some(value) => process.env(name, value),
                None => process.env_remove(name),
            };
        }
        if let Some(dir) = &self.dir {
            process.current_dir(dir);
        }
        let status = process
            .status()
            .map_err(|error| format!("cannot run {}: {error}", self.program.to_string_lossy()))?;
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
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

/// A command line, or the arguments in it.
pub(crate) trait Words {
    /// One by one.
    fn words(self) -> Vec<OsString>;
}

/// Split at spaces: for lines that are written down here, not for paths.
impl Words for &str {
    fn words(self) -> Vec<OsString> {
        self.split_whitespace().map(OsString::from).collect()
    }
}

impl Words for &String {
    fn words(self) -> Vec<OsString> {
        self.as_str().words()
    }
}

impl<A: Into<OsString>, const N: usize> Words for [A; N] {
    fn words(self) -> Vec<OsString> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<A: Into<OsString>> Words for Vec<A> {
    fn words(self) -> Vec<OsString> {
        self.into_iter().map(Into::into).collect()
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
        let step = Step::run("x", Invocation::new("/usr/bin/cargo", "test"))
            .args(["it's"])
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

    #[test]
    fn packages_are_read_from_the_command_line() {
        let package = |name: &str| Subject::Package(name.to_owned());
        let step = Step::cargo("x", "test -p a -p b -- -p c");
        assert_eq!(step.subjects(), [package("a"), package("b")]);
        assert_eq!(Step::cargo("x", "fmt").subjects(), [Subject::AnyPackage]);
        let step = step.looks_at([Subject::Pages]);
        assert_eq!(step.subjects(), [Subject::Pages]);
    }
}
