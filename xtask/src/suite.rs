//! Test programs, run one test at a time: so that a test that fails can be named, timed and told by its
//! kind, and one that hangs can be stopped without the rest.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::runner;
use crate::step::Invocation;

/// A program with tests in it.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// The crate.
    pub(crate) krate: String,
    /// How it is started; the arguments for the tests come behind.
    pub(crate) invocation: Invocation,
}

/// One test of a program.
#[derive(Clone, Debug)]
pub(crate) struct Test {
    pub(crate) program: Program,
    pub(crate) name: String,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Passed,
    /// Why, in a word or two.
    Failed(String),
    TimedOut,
}

/// A run's end and what was printed.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) ended: Ended,
    pub(crate) output: String,
    pub(crate) time: Duration,
}

impl Test {
    /// Runs the test with variables set. What it prints goes through the file `log`.
    pub(crate) fn run(
        &self,
        env: &[(&str, &str)],
        limit: Duration,
        log: &Path,
    ) -> Result<Run, String> {
        let mut invocation = self.program.invocation.clone();
        let args = ["--exact", &self.name, "--nocapture", "--test-threads=1"];
        invocation.args.extend(args.into_iter().map(Into::into));
        for (name, value) in env {
            invocation = invocation.env(name, *value);
        }
        let begun = Instant::now();
        let (status, output) = run(&invocation, limit, log)?;
        let time = begun.elapsed();
        let ended = match status {
            None => Ended::TimedOut,
            Some(true) if !output.contains("running 1 test") => {
                return Err(format!(
                    "no test {} in {}",
                    self.name,
                    invocation.command_line()
                ));
            }
            Some(true) => Ended::Passed,
            Some(false) => Ended::Failed(kind(&output).to_owned()),
        };
        Ok(Run {
            ended,
            output,
            time,
        })
    }
}

/// Runs a program with its output in a file. `None` if it had to be stopped; else whether it succeeded.
fn run(
    invocation: &Invocation,
    limit: Duration,
    log: &Path,
) -> Result<(Option<bool>, String), String> {
    let named =
        |error: std::io::Error| format!("{}: {error}", invocation.program.to_string_lossy());
    let file = File::create(log).map_err(named)?;
    let mut command = Command::new(&invocation.program);
    command
        .args(&invocation.args)
        .stdin(Stdio::null())
        .stdout(file.try_clone().map_err(named)?)
        .stderr(file)
        .env("RUST_BACKTRACE", "0");
    if let Some(dir) = &invocation.dir {
        command.current_dir(dir);
    }
    for (name, value) in &invocation.env {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    #[cfg(unix)]
    if !runner::watched() {
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
    }
    let mut child = command.spawn().map_err(named)?;
    let begun = Instant::now();
    let mut nap = Duration::from_millis(1);
    let status = loop {
        if let Some(status) = child.try_wait().map_err(named)? {
            break Some(status.success());
        }
        if begun.elapsed() >= limit {
            runner::stop(&mut child);
            break None;
        }
        std::thread::sleep(nap);
        nap = (nap * 2).min(Duration::from_millis(20));
    };
    let output = fs::read(log).map_err(named)?;
    Ok((status, String::from_utf8_lossy(&output).into_owned()))
}

/// What kind of failure this is, going by what was printed. The first that fits counts.
fn kind(output: &str) -> &'static str {
    const KINDS: &[(&str, &[&str])] = &[
        (
            "data race",
            &[
                "Causality violation",
                "Data race",
                "data race",
                "Concurrent",
            ],
        ),
        (
            "undefined behaviour",
            &["Undefined Behavior", "Undefined behavior"],
        ),
        ("use after free", &["a freed node was used"]),
        ("leak", &["leaked", "memory leak"]),
        ("deadlock", &["deadlock"]),
        (
            "endless",
            &["exceeded maximum number of branches", "Model exceeded"],
        ),
        ("outcomes", &["outcomes", "were never reached"]),
        ("floor", &["schedules", "executions only"]),
        ("assertion", &["panicked at"]),
    ];
    // What comes first explains what comes later: a destructor that panics in turn, the test as a whole.
    let first = output
        .find("panicked at")
        .map_or(output, |at| &output[at..]);
    let first = first
        .get(1..)
        .and_then(|rest| rest.find("panicked at"))
        .map_or(first, |end| &first[..end]);
    let fits = |text: &str| {
        KINDS
            .iter()
            .find(|(_, marks)| marks.iter().any(|mark| text.contains(mark)))
            .map(|(kind, _)| *kind)
    };
    fits(first).or_else(|| fits(output)).unwrap_or("crash")
}

/// The programs that `cargo test --no-run` says it has built, by the name of their source.
pub(crate) fn executables(output: &str) -> Vec<(String, PathBuf)> {
    output
        .lines()
        .filter_map(|line| {
            let rest = line.trim().strip_prefix("Executable ")?;
            let (source, path) = rest.split_once(" (")?;
            Some((source.to_owned(), PathBuf::from(path.strip_suffix(')')?)))
        })
        .collect()
}

/// The tests in a program.
pub(crate) fn tests(program: &Program, limit: Duration, log: &Path) -> Result<Vec<Test>, String> {
    let mut invocation = program.invocation.clone();
    invocation
        .args
        .extend(["--list", "--format", "terse"].map(Into::into));
    let (status, output) = run(&invocation, limit, log)?;
    if status != Some(true) {
        return Err(format!(
            "{} lists no tests:\n{output}",
            invocation.command_line()
        ));
    }
    let names = output
        .lines()
        .filter_map(|line| line.strip_suffix(": test"));
    Ok(names
        .map(|name| Test {
            program: program.clone(),
            name: name.to_owned(),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executables_are_found() {
        let output = "   Compiling x\n    Finished `release` profile\n  Executable tests/loom.rs (/t/deps/loom-1a2b)\n  \
                      Executable unittests src/lib.rs (/t/with (brackets)/x-1)\n";
        assert_eq!(
            executables(output),
            [
                (
                    "tests/loom.rs".to_owned(),
                    PathBuf::from("/t/deps/loom-1a2b")
                ),
                (
                    "unittests src/lib.rs".to_owned(),
                    PathBuf::from("/t/with (brackets)/x-1")
                ),
            ]
        );
    }

    #[test]
    fn failures_are_told_apart() {
        let panic = "thread 'a' panicked at tests/loom.rs:1:2:\n";
        for (text, expected) in [
            (
                "Causality violation: Concurrent load and mut accesses.",
                "data race",
            ),
            ("a: of 3 outcomes 1 were never reached: []", "outcomes"),
            (
                "assertion `left == right` failed: other outcomes than known",
                "outcomes",
            ),
            ("full: only 3 schedules, expected at least 5", "floor"),
            ("explored 3 executions only, expected 9", "floor"),
            ("first push: only 3 schedules", "floor"),
            ("Arc leaked.", "leak"),
            ("deadlock; threads = []", "deadlock"),
            (
                "Model exceeded maximum number of branches. This is often caused by",
                "endless",
            ),
            ("assertion failed: a == b", "assertion"),
        ] {
            assert_eq!(kind(&format!("{panic}{text}")), expected, "{text}");
        }
        assert_eq!(
            kind("error: Undefined Behavior: Data race detected"),
            "data race"
        );
        assert_eq!(
            kind("error: Undefined Behavior: reading memory"),
            "undefined behaviour"
        );
        assert_eq!(kind("running 1 test\n"), "crash");
        let twice = format!("{panic}Causality violation\n{panic}assertion failed: x");
        assert_eq!(kind(&twice), "data race");
    }
}
