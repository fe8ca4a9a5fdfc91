//! Go's own `sync.Pool`, in a process of its own that is asked to run in turn with the contenders here.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;

use crate::measure::{Entrant, Sample};
use crate::memory;

/// The running program.
#[derive(Debug)]
pub struct Go {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Go {
    /// Builds and starts the program; says what is missing where there is no Go.
    ///
    /// # Errors
    ///
    /// What went wrong, for the reader.
    pub fn start() -> Result<Rc<RefCell<Self>>, String> {
        let program = build()?;
        let mut child = Command::new(&program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot run {}: {error}", program.display()))?;
        let requests = child.stdin.take().ok_or("no pipe to Go")?;
        let answers = BufReader::new(child.stdout.take().ok_or("no pipe from Go")?);
        Ok(Rc::new(RefCell::new(Self {
            child,
            requests,
            answers,
        })))
    }

    /// Runs a workload: nanoseconds of CPU time per operation, and how many items were made.
    ///
    /// # Panics
    ///
    /// When the program has died.
    pub fn ask(&mut self, workload: &str, threads: usize, operations: u64) -> (f64, u64) {
        writeln!(self.requests, "{workload} {threads} {operations}").expect("Go listens");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("Go answers");
        let mut words = line.split_whitespace();
        let cost = words.next().and_then(|word| word.parse().ok());
        let made = words.next().and_then(|word| word.parse().ok());
        (
            cost.expect("a cost from Go"),
            made.expect("a count from Go"),
        )
    }
}

impl Go {
    /// Go's side of [`memory::steps`].
    ///
    /// # Panics
    ///
    /// When the program fails.
    #[must_use]
    pub fn memory(&self) -> Vec<f64> {
        memory::burst_of(self.alone("memory"))
    }

    /// Go's side of [`memory::moments`].
    ///
    /// # Panics
    ///
    /// When the program fails.
    #[must_use]
    pub fn life(&self) -> Vec<f64> {
        memory::life_of(self.alone("life"))
    }

    /// Plays a scene in a new process of the same program.
    fn alone(&self, scene: &str) -> Vec<f64> {
        memory::listen(Command::new(memory::program_of(self.child.id())).arg(scene))
    }
}

impl Drop for Go {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Go's side of a workload.
#[must_use]
pub fn entrant(go: &Rc<RefCell<Go>>, workload: &'static str, threads: usize) -> Entrant {
    let go = Rc::clone(go);
    Entrant::new("Go", move |operations| {
        let (cost, _) = go.borrow_mut().ask(workload, threads, operations);
        Sample {
            cost,
            seconds: cost * operations as f64 / 1e9,
        }
    })
}

/// The version of Go, if it is installed.
#[must_use]
pub fn version() -> Option<String> {
    let output = Command::new("go").arg("version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    output.status.success().then(|| text.trim().to_owned())
}

/// Compiles the program next to this one.
fn build() -> Result<PathBuf, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("go");
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let program = own.with_file_name("go-rival");
    let status = Command::new("go")
        .args(["build", "-o"])
        .arg(&program)
        .arg(".")
        .current_dir(&source)
        // Nothing to fetch, and no toolchain but the one that is there.
        .env("GOFLAGS", "-mod=mod")
        .env("GOTOOLCHAIN", "local")
        .env("GOPROXY", "off")
        .status()
        .map_err(|error| format!("go is not installed ({error})"))?;
    if status.success() {
        Ok(program)
    } else {
        Err(format!("go build failed in {}", source.display()))
    }
}
