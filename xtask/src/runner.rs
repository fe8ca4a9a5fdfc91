//! Carries out steps: shows which one runs and for how long, keeps their output in files, prints
//! that of a failed one, and ends with a table and the list of what could not be done here.

use std::fmt::{self, Write as _};
use std::fs::{self, File};
use std::io::{self, IsTerminal, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::args::Args;
use crate::parallel::parallel;
use crate::step::{Action, Invocation, Step};
use crate::workspace::Workspace;

/// How often a run that nobody watches says that it is still alive.
const HEARTBEAT: Duration = Duration::from_secs(60);
/// How much of a failed step's output is printed.
const LINES_SHOWN: usize = 300;

/// How steps are run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Goes on after a failure.
    pub(crate) keep_going: bool,
    /// Shows all output.
    pub(crate) verbose: bool,
    /// Fails if anything was left out.
    pub(crate) no_skips: bool,
}

impl Options {
    /// From the options that every command understands.
    pub(crate) fn of(args: &Args) -> Self {
        Self {
            keep_going: args.has("--keep-going"),
            verbose: args.has("--verbose"),
            no_skips: args.has("--no-skips"),
        }
    }
}

/// How a step ended.
#[derive(Clone)]
enum Outcome {
    Passed(String),
    Failed(String),
    /// For want of what is missing.
    Skipped,
    NotReached,
}

/// What this machine lacks, and so a check, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Missing {
    tool: String,
    reason: String,
}

impl Missing {
    const MARK: &str = "SKIPPED: ";

    /// From the line that a command prints of it, at its end with the step's name behind.
    fn read(line: &str) -> Option<Self> {
        let text = line.strip_prefix(Self::MARK)?;
        let text = text.rsplit_once(" (step: ").map_or(text, |(text, _)| text);
        let (tool, reason) = text
            .split_once(": ")
            .unwrap_or((text, "and no reason is given"));
        Some(Self {
            tool: tool.to_owned(),
            reason: reason.to_owned(),
        })
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}: {}", Self::MARK, self.tool, self.reason)
    }
}

/// Runs the steps in order and says how it went.
pub(crate) fn run(workspace: &Workspace, steps: Vec<Step>, options: Options) -> ExitCode {
    run_and_tell(workspace, steps, options, |_| String::new())
}

/// A step that has been run, or will be.
#[derive(Clone)]
pub(crate) struct Done {
    pub(crate) name: String,
    /// Its name with its place among the others.
    title: String,
    hint: Option<String>,
    outcome: Outcome,
    /// What was lacking: for all of it if it was skipped, else for a part.
    missing: Vec<Missing>,
    pub(crate) time: Duration,
    log: PathBuf,
}

impl Done {
    fn waiting(step: &Step, number: usize, count: usize, logs: &Path) -> Self {
        Self {
            name: step.name.clone(),
            title: format!("[{number:>2}/{count}] {}", step.name),
            hint: step.hint.clone(),
            outcome: Outcome::NotReached,
            missing: Vec::new(),
            time: Duration::ZERO,
            log: logs.join(format!("{}.log", file_name(&step.name))),
        }
    }

    fn carry_out(&mut self, workspace: &Workspace, action: Action, options: Options) {
        let begun = Instant::now();
        if let Action::Skip { tool, reason } = action {
            self.outcome = Outcome::Skipped;
            self.missing.push(Missing { tool, reason });
        } else {
            match Job::new(workspace, &self.title, self.log.clone(), options) {
                Ok(mut job) => {
                    self.outcome = job.carry_out(action);
                    self.missing.append(&mut job.missing);
                }
                Err(error) => {
                    self.outcome = Outcome::Failed(format!("{}: {error}", self.log.display()));
                }
            }
            self.time = begun.elapsed();
        }
    }

    fn has_failed(&self) -> bool {
        matches!(self.outcome, Outcome::Failed(_))
    }

    /// In a word, and what it said for the summary.
    pub(crate) fn told(&self) -> (&'static str, &str) {
        match &self.outcome {
            Outcome::Passed(note) if self.missing.is_empty() => ("ok", note),
            Outcome::Passed(note) => ("in part", note),
            Outcome::Failed(why) => ("FAILED", why),
            Outcome::Skipped => (
                "SKIPPED",
                self.missing.first().map_or("", |missing| &missing.tool),
            ),
            Outcome::NotReached => ("not reached", ""),
        }
    }

    /// Whether it was not skipped, and its turn came.
    pub(crate) fn has_run(&self) -> bool {
        matches!(self.outcome, Outcome::Passed(_) | Outcome::Failed(_))
    }

    /// What it printed.
    pub(crate) fn output(&self) -> String {
        if !self.has_run() {
            return String::new();
        }
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}

/// The same, and prints what `tell` makes of it.
pub(crate) fn run_and_tell(
    workspace: &Workspace,
    steps: Vec<Step>,
    options: Options,
    tell: impl FnOnce(&[Done]) -> String,
) -> ExitCode {
    let logs = workspace.target().join("xtask").join("logs");
    if let Err(error) = fs::create_dir_all(&logs) {
        eprintln!("error: cannot create {}: {error}", logs.display());
        return ExitCode::FAILURE;
    }
    let started = Instant::now();
    let count = steps.len();
    let mut results: Vec<Done> = Vec::new();
    let mut failed = false;
    let mut ahead = steps.into_iter().enumerate().peekable();
    while let Some((index, step)) = ahead.next() {
        let waiting = |index, step: &Step| Done::waiting(step, index + 1, count, &logs);
        let mut done = vec![waiting(index, &step)];
        if failed && !options.keep_going {
            results.append(&mut done);
            continue;
        }
        if step.runs_beside() {
            let mut actions = vec![step.action];
            while let Some((index, step)) = ahead.next_if(|(_, step)| step.runs_beside()) {
                done.push(waiting(index, &step));
                actions.push(step.action);
            }
            done = together(workspace, done, actions, options);
        } else {
            done[0].carry_out(workspace, step.action, options);
            report(&done[0], options);
        }
        failed |= done.iter().any(Done::has_failed);
        results.append(&mut done);
    }
    print!("{}", summary(&results, started.elapsed()));
    print!("{}", tell(&results));
    if let Some(refusal) = refusal(&results, options) {
        println!("{refusal}");
        failed = true;
    }
    if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// Runs programs at the same time, as many as there are processors, and tells of each at its end.
fn together(
    workspace: &Workspace,
    waiting: Vec<Done>,
    actions: Vec<Action>,
    options: Options,
) -> Vec<Done> {
    let programs: Vec<(Done, Invocation)> = waiting
        .into_iter()
        .zip(actions)
        .filter_map(|(done, action)| match action {
            Action::Run(invocation) => Some((done, invocation)),
            Action::Check(_) | Action::Skip { .. } => None,
        })
        .collect();
    let failed = AtomicBool::new(false);
    parallel(
        &programs,
        |_, (done, invocation)| {
            let mut done = done.clone();
            if options.keep_going || !failed.load(Ordering::Relaxed) {
                done.carry_out(workspace, Action::Run(invocation.clone()), options);
                failed.fetch_or(done.has_failed(), Ordering::Relaxed);
            }
            done
        },
        |_, done| report(done, options),
    )
}

/// Why a run fails in which no step did: what was left out may not be.
fn refusal(results: &[Done], options: Options) -> Option<String> {
    let incomplete = results.iter().filter(|done| !done.missing.is_empty());
    match incomplete.count() {
        count if options.no_skips && count > 0 => Some(format!(
            "FAILED: {count} steps lacked a tool, and with --no-skips none may"
        )),
        _ => None,
    }
}

/// Prints how a step ended; for a failed one, why, what it printed and what helps.
fn report(done: &Done, options: Options) {
    let Done { title, hint, .. } = done;
    clear_line();
    let elapsed = seconds(done.time);
    match &done.outcome {
        Outcome::Passed(_) => {
            let (word, note) = done.told();
            let note = if note.is_empty() {
                String::new()
            } else {
                format!(", {note}")
            };
            println!("{title}: {word}, {elapsed}{note}");
        }
        Outcome::Failed(why) => {
            println!("{title}: FAILED, {elapsed}");
            if !options.verbose {
                let text = fs::read(&done.log).unwrap_or_default();
                let text = String::from_utf8_lossy(&text);
                let lines: Vec<_> = text.lines().collect();
                let hidden = lines.len().saturating_sub(LINES_SHOWN);
                if hidden > 0 {
                    println!(
                        "… {hidden} lines before these are in {}",
                        done.log.display()
                    );
                }
                for line in &lines[hidden..] {
                    println!("{line}");
                }
            }
            println!("{title}: {why}");
            if let Some(hint) = hint {
                println!("hint: {hint}");
            }
        }
        Outcome::Skipped => {
            for missing in &done.missing {
                println!("{title}: {missing}");
            }
        }
        Outcome::NotReached => {}
    }
}

/// The closing table and, below it, what could not be done on this machine.
fn summary(results: &[Done], elapsed: Duration) -> String {
    let width = results
        .iter()
        .map(|done| done.name.chars().count())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    let (mut passed, mut failed, mut skipped, mut partly, mut left) = (0, 0, 0, 0, 0);
    let _ = writeln!(text, "\n{:width$}  result        time", "step");
    for done in results {
        let count = match &done.outcome {
            Outcome::Passed(_) if done.missing.is_empty() => &mut passed,
            Outcome::Passed(_) => &mut partly,
            Outcome::Failed(_) => &mut failed,
            Outcome::Skipped => &mut skipped,
            Outcome::NotReached => &mut left,
        };
        *count += 1;
        let name = &done.name;
        let (word, note) = done.told();
        let note = note.lines().next().unwrap_or_default();
        let line = format!("{name:width$}  {word:11}{:>7}  {note}", seconds(done.time));
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let _ = write!(text, "{passed} passed, {failed} failed, {skipped} skipped");
    if partly > 0 {
        let _ = write!(text, ", {partly} {IN_PART}");
    }
    if left > 0 {
        let _ = write!(text, ", {left} not reached (--keep-going goes on)");
    }
    let _ = writeln!(text, ", {} in all", seconds(elapsed));
    for Done { name, missing, .. } in results {
        for missing in missing {
            let _ = writeln!(text, "{missing} (step: {name})");
        }
    }
    text
}

/// What the closing line calls the steps that could do some of their work.
const IN_PART: &str = "in part";

/// Whether a program was a command of ours, and all that it had to do was skipped.
fn did_nothing(printed: &str) -> bool {
    let closing = |line: &&str| line.contains(" passed, ") && line.ends_with(" in all");
    let line = printed.lines().rev().find(closing).unwrap_or_default();
    line.starts_with("0 passed, 0 failed, ")
        && !line.contains(", 0 skipped")
        && !line.contains(IN_PART)
}

/// What a step works with while it runs.
pub(crate) struct Job<'w> {
    /// The workspace.
    pub(crate) workspace: &'w Workspace,
    title: String,
    path: PathBuf,
    log: File,
    options: Options,
    started: Instant,
    missing: Vec<Missing>,
}

impl<'w> Job<'w> {
    fn new(
        workspace: &'w Workspace,
        title: &str,
        path: PathBuf,
        options: Options,
    ) -> io::Result<Self> {
        let log = File::create(&path)?;
        let title = title.to_owned();
        let job = Self {
            workspace,
            title,
            path,
            log,
            options,
            started: Instant::now(),
            missing: Vec::new(),
        };
        running().push((job.title.clone(), job.started));
        if watched() {
            show_time();
        } else {
            println!("{} …", job.title);
        }
        Ok(job)
    }

    fn carry_out(&mut self, action: Action) -> Outcome {
        let mut skipped = false;
        let result = match action {
            Action::Run(invocation) => self.run(&invocation).and_then(|text| {
                skipped = did_nothing(&text);
                note(&invocation, &text)
            }),
            Action::Check(check) => check(self),
            Action::Skip { tool, reason } => {
                self.missing.push(Missing { tool, reason });
                skipped = true;
                Ok(String::new())
            }
        };
        match result {
            Ok(_) if skipped && !self.missing.is_empty() => Outcome::Skipped,
            Ok(note) => Outcome::Passed(note),
            Err(why) => {
                // The reason may be long (a list of places): it belongs into the log, too.
                let _ = writeln!(self.log, "{why}");
                let first = why.lines().next().unwrap_or_default().to_owned();
                Outcome::Failed(first)
            }
        }
    }

    /// Adds a line to the step's output.
    pub(crate) fn note(&mut self, line: &str) {
        let _ = writeln!(self.log, "{line}");
        if self.options.verbose {
            clear_line();
            println!("{line}");
        }
    }

    /// Adds to the step's output, and shows it whoever is watching: progress of a step that takes long.
    pub(crate) fn say(&mut self, text: &str) {
        let _ = writeln!(self.log, "{text}");
        clear_line();
        println!("{text}");
    }

    /// Says that a part of the step cannot be done, for want of this.
    pub(crate) fn lacks(&mut self, tool: &str, reason: &str) {
        let missing = Missing {
            tool: tool.to_owned(),
            reason: reason.to_owned(),
        };
        if !self.missing.contains(&missing) {
            self.say(&missing.to_string());
            self.missing.push(missing);
        }
    }

    /// What the step has printed so far.
    pub(crate) fn printed(&self) -> String {
        self.printed_from(0)
    }

    /// Runs a program to its end and returns what it printed.
    pub(crate) fn run(&mut self, invocation: &Invocation) -> Result<String, String> {
        self.note(&format!("$ {}", invocation.command_line()));
        let begin = self
            .log
            .seek(SeekFrom::End(0))
            .map_err(|error| error.to_string())?;
        let program = invocation.program.to_string_lossy().into_owned();
        let mut child = self
            .spawn(invocation)
            .map_err(|error| format!("cannot run {program}: {error}"))?;
        let status = self.wait(&mut child, begin, invocation.limit)?;
        let text = self.printed_from(begin);
        // What it had to leave out, we had to.
        for missing in text.lines().filter_map(Missing::read) {
            if !self.missing.contains(&missing) {
                self.missing.push(missing);
            }
        }
        if !status.success() {
            return Err(format!(
                "{} of: {}",
                ending(status),
                invocation.command_line()
            ));
        }
        if let Some(floor) = invocation.at_least {
            let count = tests_run(&text).unwrap_or(0);
            if count < floor {
                return Err(format!("{count} tests ran, at least {floor} expected"));
            }
        }
        Ok(text)
    }

    fn spawn(&self, invocation: &Invocation) -> io::Result<Child> {
        let mut command = Command::new(&invocation.program);
        command
            .args(&invocation.args)
            .current_dir(invocation.dir.as_deref().unwrap_or(self.workspace.root()))
            .stdin(Stdio::null())
            .stdout(self.log.try_clone()?)
            .stderr(self.log.try_clone()?);
        // Those describe xtask's own package and would only disturb caches.
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
                command.env_remove(name);
            }
        }
        for (name, value) in &invocation.env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        // In a group of its own all of it can be stopped; on a terminal Ctrl-C must reach it.
        #[cfg(unix)]
        if !watched() {
            std::os::unix::process::CommandExt::process_group(&mut command, 0);
        }
        command.spawn()
    }

    /// Waits for the end, showing that time passes and, if wanted, what is printed.
    fn wait(
        &mut self,
        child: &mut Child,
        begin: u64,
        limit: Duration,
    ) -> Result<ExitStatus, String> {
        let begun = Instant::now();
        let mut beat = begun;
        let mut shown = begin;
        let mut nap = Duration::from_millis(5);
        loop {
            let ended = child.try_wait().map_err(|error| error.to_string())?;
            if self.options.verbose {
                let text = self.printed_from(shown);
                shown += text.len() as u64;
                if !text.is_empty() {
                    clear_line();
                    print!("{text}");
                    let _ = io::stdout().flush();
                }
            }
            if let Some(status) = ended {
                return Ok(status);
            }
            if watched() {
                show_time();
            } else {
                if beat.elapsed() >= HEARTBEAT {
                    beat = Instant::now();
                    let tests = match tests_run(&self.printed_from(begin)) {
                        Some(count) => format!(", {count} tests so far"),
                        None => String::new(),
                    };
                    println!(
                        "{} … {}{tests}",
                        self.title,
                        seconds(self.started.elapsed())
                    );
                }
                if begun.elapsed() >= limit {
                    stop(child);
                    return Err(format!("stopped after {}: it hangs", seconds(limit)));
                }
            }
            std::thread::sleep(nap);
            nap = (nap * 2).min(Duration::from_millis(100));
        }
    }

    /// What has been printed since the log was this long.
    fn printed_from(&self, begin: u64) -> String {
        let mut bytes = Vec::new();
        // A handle of its own: the child writes through a shared position.
        if let Ok(mut file) = File::open(&self.path) {
            let _ = file.seek(SeekFrom::Start(begin));
            let _ = file.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Job<'_> {
    fn drop(&mut self) {
        running().retain(|(title, _)| *title != self.title);
    }
}

/// What runs now, and since when, for whoever is watching.
fn running() -> MutexGuard<'static, Vec<(String, Instant)>> {
    static RUNNING: Mutex<Vec<(String, Instant)>> = Mutex::new(Vec::new());
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Shows the first of them, which fits into a line.
fn show_time() {
    let running = running();
    let Some((title, started)) = running.first() else {
        return;
    };
    let others = match running.len() - 1 {
        0 => String::new(),
        count => format!(", {count} more"),
    };
    print!("\r\x1b[2K{title} … {}{others}", seconds(started.elapsed()));
    let _ = io::stdout().flush();
}

/// Ends a program and everything that it started.
pub(crate) fn stop(child: &mut Child) {
    let id = child.id().to_string();
    let (program, args) = if cfg!(windows) {
        (
            "taskkill",
            vec!["/T".to_owned(), "/F".to_owned(), "/PID".to_owned(), id],
        )
    } else {
        (
            "kill",
            vec!["-KILL".to_owned(), "--".to_owned(), format!("-{id}")],
        )
    };
    let _ = Command::new(program)
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let _ = child.kill();
    let _ = child.wait();
}

/// Whether someone is watching: a terminal, and not a CI's imitation of one.
pub(crate) fn watched() -> bool {
    static WATCHED: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *WATCHED.get_or_init(|| io::stdout().is_terminal() && std::env::var_os("CI").is_none())
}

fn clear_line() {
    if watched() {
        print!("\r\x1b[2K");
    }
}

/// A duration as people say it.
pub(crate) fn seconds(time: Duration) -> String {
    match time.as_secs() {
        0..=59 => format!("{:.1} s", time.as_secs_f64()),
        whole => format!("{}:{:02} min", whole / 60, whole % 60),
    }
}

/// What a program that passed says for the summary: its last word, if it has one, or how many tests it ran.
pub(crate) fn note(invocation: &Invocation, printed: &str) -> Result<String, String> {
    if let Some(beginning) = invocation.last_word {
        return match printed.lines().rfind(|line| line.starts_with(beginning)) {
            Some(line) => Ok(line[beginning.len()..].trim().to_owned()),
            None => Err(format!("it did not say `{beginning} …` at its end")),
        };
    }
    Ok(tests_run(printed).map_or(String::new(), |count| format!("{count} tests")))
}

/// How a program ended, in words.
fn ending(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("exit status {code}"),
        None => status.to_string(),
    }
}

/// A step's name as the name of a file.
fn file_name(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect()
}

/// How many tests passed and failed, by each closing line of cargo test's. It is found by its counts alone, which are written
/// in one piece: lines of programs that run side by side, as Miri's seeds do, come out as
/// `test result: test result: okok. 4 passed; 0 failed …`.
fn results(text: &str) -> impl Iterator<Item = (usize, usize)> {
    let ends = text.match_indices(" passed; ");
    ends.filter_map(|(at, word)| {
        let passed = text[..at].rsplit(|c: char| !c.is_ascii_digit()).next()?;
        let (failed, _) = text[at + word.len()..].split_once(" failed")?;
        Some((passed.parse().ok()?, failed.parse().ok()?))
    })
}

/// How many tests passed and failed, going by what cargo test printed.
pub(crate) fn tests_passed_and_failed(text: &str) -> (usize, usize) {
    results(text).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

/// How many tests ran, going by what cargo test or nextest printed; `None` if neither spoke.
fn tests_run(text: &str) -> Option<usize> {
    let nextest = text.lines().filter_map(|line| {
        let (_, rest) = line.trim().strip_prefix("Summary [")?.split_once("] ")?;
        let (count, _) = rest
            .split_once(" tests run:")
            .or_else(|| rest.split_once(" test run:"))?;
        // It writes "3/5 tests run" for a run cut short.
        count.split('/').next()?.trim().parse().ok()
    });
    let cargo = results(text).map(|(passed, _)| passed);
    cargo.chain(nextest).reduce(|sum: usize, count| sum + count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_counted() {
        let cargo = "running 3 tests\ntest result: ok. 3 passed; 0 failed; 1 ignored\n\n\
                     test result: ok. 4 passed; 0 failed\n";
        assert_eq!(tests_run(cargo), Some(7));
        let nextest = "────\n     Summary [   0.134s] 12 tests run: 12 passed, 2 skipped\n";
        assert_eq!(tests_run(nextest), Some(12));
        assert_eq!(
            tests_run("     Summary [   0.1s] 1 test run: 1 passed, 0 skipped"),
            Some(1)
        );
        assert_eq!(tests_run("Compiling x\nFinished"), None);
        assert_eq!(tests_run("test result: ok. 0 passed; 0 failed"), Some(0));
    }

    #[test]
    fn tests_are_counted_where_lines_mix() {
        let seeds = "test result: \noktest result: ok. 4 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out. \
                     14 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 4.96s; finished in 4.95s\n";
        assert_eq!(tests_run(seeds), Some(18));
        assert_eq!(tests_passed_and_failed(seeds), (18, 1));
    }

    #[test]
    fn passed_and_failed_are_counted() {
        let text = "running 3 tests\ntest result: FAILED. 3 passed; 2 failed; 1 ignored; 0 measured\n\n\
                    test result: ok. 4 passed; 0 failed; 0 ignored\n";
        assert_eq!(tests_passed_and_failed(text), (7, 2));
        assert_eq!(tests_passed_and_failed("Compiling x"), (0, 0));
    }

    #[test]
    fn the_summary_names_what_is_missing() {
        let done = |name: &str, outcome, millis| Done {
            outcome,
            time: Duration::from_millis(millis),
            ..Done::waiting(&Step::cargo(name, ""), 1, 1, Path::new(""))
        };
        let lacking = |tool: &str, done: Done| Done {
            missing: vec![Missing {
                tool: tool.into(),
                reason: "not there".into(),
            }],
            ..done
        };
        let results = [
            done("fmt", Outcome::Passed(String::new()), 1234),
            lacking("thumb", done("bare metal", Outcome::Skipped, 0)),
            lacking("miri", done("bugs", Outcome::Passed("3 bugs".into()), 10)),
            done("test", Outcome::Failed("it broke\nbadly".into()), 75_000),
            done("doc", Outcome::NotReached, 0),
        ];
        let text = summary(&results, Duration::from_secs(80));
        assert!(text.contains("fmt         ok           1.2 s"), "{text}");
        assert!(
            text.contains("bare metal  SKIPPED      0.0 s  thumb\n"),
            "{text}"
        );
        assert!(
            text.contains("bugs        in part      0.0 s  3 bugs\n"),
            "{text}"
        );
        assert!(text.contains("FAILED     1:15 min  it broke\n"), "{text}");
        assert!(
            text.contains("1 passed, 1 failed, 1 skipped, 1 in part, 1 not reached"),
            "{text}"
        );
        assert!(
            text.ends_with(
                "SKIPPED: thumb: not there (step: bare metal)\nSKIPPED: miri: not there (step: bugs)\n"
            ),
            "{text}"
        );

        let mut options = Options {
            keep_going: true,
            verbose: false,
            no_skips: false,
        };
        assert_eq!(refusal(&results, options), None);
        options.no_skips = true;
        let refused = refusal(&results, options).unwrap();
        assert!(refused.starts_with("FAILED: 2 steps"), "{refused}");
        assert_eq!(refusal(&results[3..], options), None);
    }

    #[cfg(unix)]
    #[test]
    fn neighbours_run_at_the_same_time() {
        const KEEP_GOING: Options = Options {
            keep_going: true,
            verbose: false,
            no_skips: false,
        };
        let folder = std::env::temp_dir().join(format!("xtask-runner-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let run = |options, scripts: &[&str]| -> Vec<&'static str> {
            let mut done = Vec::new();
            let mut actions = Vec::new();
            for script in scripts {
                let invocation = Invocation::new("sh", ["-c", script]).in_dir(&folder);
                let step = Step::run(*script, invocation.within(Duration::from_secs(20)));
                done.push(Done::waiting(&step, 1, 1, &folder));
                actions.push(step.action);
            }
            let done = together(&Workspace::find().unwrap(), done, actions, options);
            done.iter().map(|done| done.told().0).collect()
        };
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        // On one they take turns, and there is no meeting.
        if processors > 1 {
            let meet = [
                "> a; until [ -e b ]; do :; done",
                "> b; until [ -e a ]; do :; done",
            ];
            assert_eq!(run(KEEP_GOING, &meet), ["ok", "ok"]);
        }
        // Of those that wait, none begins after a failure.
        let mut scripts = vec!["exit 1"; processors];
        scripts.push("true");
        let stopping = Options {
            keep_going: false,
            ..KEEP_GOING
        };
        let told = run(stopping, &scripts);
        assert_eq!((told[0], told[processors]), ("FAILED", "not reached"));
        assert_eq!(
            run(KEEP_GOING, &["exit 1", "true", "true"]),
            ["FAILED", "ok", "ok"]
        );
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_a_command_inside_lacked_is_read() {
        let missing = |tool: &str, reason: &str| {
            Some(Missing {
                tool: tool.into(),
                reason: reason.into(),
            })
        };
        let line = "SKIPPED: cargo-fuzz: `cargo install x` gets it: now (step: fuzz)";
        assert_eq!(
            Missing::read(line),
            missing("cargo-fuzz", "`cargo install x` gets it: now")
        );
        assert_eq!(
            Missing::read("SKIPPED: go: away"),
            missing("go", "away"),
            "as it is said meanwhile"
        );
        assert_eq!(
            Missing::read("SKIPPED: go"),
            missing("go", "and no reason is given")
        );
        assert_eq!(Missing::read("[1/1] fuzz: SKIPPED: cargo-fuzz: x"), None);
    }

    #[test]
    fn a_command_that_skipped_everything_did_nothing() {
        assert!(did_nothing(
            "x\n0 passed, 0 failed, 1 skipped, 0.0 s in all\nSKIPPED: a: b\nfuzz: 0 inputs"
        ));
        for told in [
            "1 passed, 0 failed, 1 skipped, 1.0 s in all",
            "0 passed, 0 failed, 1 skipped, 1 in part, 1.0 s in all",
            "0 passed, 0 failed, 0 skipped, 1 in part, 1.0 s in all",
            "0 passed, 1 failed, 1 skipped, 1.0 s in all",
            "test result: ok. 0 passed; 0 failed",
        ] {
            assert!(!did_nothing(told), "{told}");
        }
    }

    #[test]
    fn the_last_word_of_a_command_is_its_note() {
        let run = Invocation::cargo("x");
        assert_eq!(
            note(&run, "test result: ok. 3 passed; 0 failed").unwrap(),
            "3 tests"
        );
        let run = run.ending_with("litmus:");
        let printed = "litmus: begins\nlitmus: NO EVIDENCE: none\nmore";
        assert_eq!(note(&run, printed).unwrap(), "NO EVIDENCE: none");
        assert!(note(&run, "it was a litmus: not").is_err());
    }
}
