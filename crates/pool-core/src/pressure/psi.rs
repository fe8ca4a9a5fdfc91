//! Pressure stall information: how much of the time tasks wait for memory.
//!
//! The kernel writes it to `/proc/pressure/memory` and to `memory.pressure` of every cgroup, and wakes whoever has
//! written a trigger to the file when tasks have stalled for so long within a window. Where triggers are not allowed
//! (a read-only file, a kernel that wants a privilege), the file's running total is read once a window instead.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, TryLockError};
use std::time::{Duration, Instant};

use super::{Pressure, PressureSource, Watch, cgroup, files};
use crate::sync::{AtomicBool, Ordering};

/// The window of the triggers made here: the shortest that needs no privilege.
const WINDOW: Duration = Duration::from_secs(2);

/// Which tasks have to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stall {
    /// At least one waits.
    Some,
    /// All of them do, so that no work is done.
    Full,
}

impl Stall {
    fn name(self) -> &'static str {
        match self {
            Self::Some => "some",
            Self::Full => "full",
        }
    }
}

/// A source that reads the kernel's pressure stall information.
///
/// One trigger: under `answer` when tasks have stalled for `threshold` within `window`. Asking costs two system calls at
/// most, and only happens after the kernel has spoken up, or once a window where it does not do that.
///
/// Parent and child of a `fork` share the trigger, and only one of them hears of an event.
#[derive(Debug)]
pub struct Psi {
    file: File,
    stall: Stall,
    threshold: Duration,
    window: Duration,
    answer: Pressure,
    /// Where the kernel wakes nobody: when the total was last read, and what it was.
    polled: Option<Mutex<(Instant, Duration)>>,
    /// Its cgroup was removed.
    gone: AtomicBool,
}

impl Psi {
    /// The whole system's, as two sources: [`Pressure::Medium`] when some tasks have stalled for 150 ms in 2 s, and
    /// [`Pressure::High`] when all have for 100 ms.
    ///
    /// # Errors
    ///
    /// When the kernel has no such file (before 4.20, or with `psi=0`) or does not let us read it.
    pub fn system() -> io::Result<[Self; 2]> {
        Self::both(Path::new("/proc/pressure/memory"))
    }

    /// The same of the process's own cgroup (version 2): of a container, a service or a session.
    ///
    /// # Errors
    ///
    /// When there is no such cgroup, or it does not account for pressure.
    pub fn own_cgroup() -> io::Result<[Self; 2]> {
        Self::both(&cgroup::own()?.join("memory.pressure"))
    }

    fn both(path: &Path) -> io::Result<[Self; 2]> {
        let millis = Duration::from_millis;
        let medium = Self::new(path, Stall::Some, millis(150), WINDOW, Pressure::Medium)?;
        let high = Self::new(path, Stall::Full, millis(100), WINDOW, Pressure::High)?;
        Ok([medium, high])
    }

    /// A source of one's own. Where the kernel does not take the trigger, the total is read once a window.
    ///
    /// The kernel wants a window between 500 ms and 10 s, from programs without privilege a multiple of 2 s.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) when the threshold is zero or longer than the window; otherwise
    /// what the system says when the file cannot be read.
    pub fn new(
        path: impl Into<PathBuf>,
        stall: Stall,
        threshold: Duration,
        window: Duration,
        answer: Pressure,
    ) -> io::Result<Self> {
        if threshold.is_zero() || threshold > window {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "a threshold is more than zero and at most the window of {window:?}, given was {threshold:?}"
                ),
            ));
        }
        let path = path.into();
        let new = |file, polled| Self {
            file,
            stall,
            threshold,
            window,
            answer,
            polled,
            gone: AtomicBool::new(false),
        };
        if let Ok(file) = trigger(&path, stall, threshold, window) {
            return Ok(new(file, None));
        }
        let file = File::open(path)?;
        let total = total(&files::read(&file)?, stall)?;
        Ok(new(file, Some(Mutex::new((Instant::now(), total)))))
    }

    /// Whether the kernel wakes us; otherwise the total is read once a window.
    #[must_use]
    pub fn is_triggered(&self) -> bool {
        self.polled.is_none()
    }

    /// Whether tasks have stalled for long enough since the total was last read.
    fn stalled(&self, last: &mut (Instant, Duration), now: Instant) -> io::Result<bool> {
        let total = total(&files::read(&self.file)?, self.stall)?;
        let (then, before) = std::mem::replace(last, (now, total));
        // The part of the time, as the window may have been longer than ours.
        let elapsed = now.saturating_duration_since(then).max(self.window);
        let stalled = total.saturating_sub(before);
        Ok(stalled.as_secs_f64() * self.window.as_secs_f64()
            >= self.threshold.as_secs_f64() * elapsed.as_secs_f64())
    }
}

impl PressureSource for Psi {
    fn pressure(&self, ready: bool) -> Pressure {
        let stalled = match &self.polled {
            None if ready && files::is_gone(self.file.as_fd()) => {
                // ORDERING: Relaxed. Only asked by the thread that asks for the pressure.
                self.gone.store(true, Ordering::Relaxed);
                false
            }
            None => ready,
            Some(last) => {
                let mut last = match last.try_lock() {
                    Ok(last) => last,
                    Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                    // Somebody else is asking, or was lost in a fork as it asked. Nobody waits for that.
                    Err(TryLockError::WouldBlock) => return Pressure::None,
                };
                // A file that has gone says nothing.
                self.stalled(&mut last, Instant::now()).unwrap_or(false)
            }
        };
        if stalled { self.answer } else { Pressure::None }
    }

    fn interval(&self) -> Option<Duration> {
        self.polled.as_ref().map(|_| self.window)
    }

    fn watch(&self) -> Option<Watch<'_>> {
        // ORDERING: Relaxed, as in `pressure`.
        let silent = self.polled.is_some() || self.gone.load(Ordering::Relaxed);
        (!silent).then(|| Watch {
            file: self.file.as_fd(),
            priority: true,
        })
    }
}

/// Opens the file and writes a trigger to it.
fn trigger(path: &Path, stall: Stall, threshold: Duration, window: Duration) -> io::Result<File> {
    // Nothing but the kernel's files is written to.
    if !std::fs::metadata(path)?.file_type().is_file() || std::fs::metadata(path)?.len() != 0 {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)?;
    // With the null that the kernel's example writes.
    let line = format!(
        "{} {} {}\0",
        stall.name(),
        threshold.as_micros(),
        window.as_micros()
    );
    file.write_all(line.as_bytes())?;
    Ok(file)
}

/// How long tasks have stalled since the machine was started.
fn total(text: &str, stall: Stall) -> io::Result<Duration> {
    text.lines()
        .map(|line| line.split_ascii_whitespace())
        .find_map(|mut words| {
            (words.next()? == stall.name()).then_some(())?;
            words
                .find_map(|word| word.strip_prefix("total="))?
                .parse()
                .ok()
        })
        .map(Duration::from_micros)
        .ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("no line `{} … total=` in {text:?}", stall.name()),
            )
        })
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn totals() {
        let text = "some avg10=0.00 avg60=1.50 avg300=0.00 total=12345\n\
                    full avg10=0.00 avg60=0.00 avg300=0.00 total=67\n";
        let micros = Duration::from_micros;
        assert_eq!(total(text, Stall::Some).unwrap(), micros(12_345));
        assert_eq!(total(text, Stall::Full).unwrap(), micros(67));
        for bad in ["", "some avg10=0\n", "some total=x", "full total=-1"] {
            for stall in [Stall::Some, Stall::Full] {
                let error = total(bad, stall).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            }
        }
    }

    /// The total of a file that is no kernel's: never written to, read by the window.
    #[test]
    #[cfg_attr(miri, ignore = "reads files")]
    fn polling() {
        let path = std::env::temp_dir().join(format!("pool-core-psi-{}", std::process::id()));
        let write = |total: u64| {
            std::fs::write(&path, format!("some avg10=0.00 total={total}\n")).unwrap();
        };
        write(1_000_000);
        let millis = Duration::from_millis;
        let source = Psi::new(
            &path,
            Stall::Some,
            millis(100),
            millis(2000),
            Pressure::Medium,
        )
        .unwrap();
        assert!(!source.is_triggered());
        assert_eq!(source.interval(), Some(millis(2000)));
        assert!(source.watch().is_none());
        let start = Instant::now();
        let last = &mut (start, Duration::from_micros(1_000_000));
        // 99 and 100 ms of a window, and of two.
        for (at, total, stalled) in [
            (2, 1_099_000, false),
            (4, 1_199_000, true),
            (8, 1_398_000, false),
            (12, 1_598_000, true),
            (12, 1_598_000, false),
        ] {
            write(total);
            let now = start + Duration::from_secs(at);
            assert_eq!(source.stalled(last, now).unwrap(), stalled, "{at}");
        }
        write(9_000_000);
        assert_eq!(source.pressure(false), Pressure::Medium);
        assert_eq!(source.pressure(false), Pressure::None);
        std::fs::write(&path, "gone").unwrap();
        assert_eq!(source.pressure(true), Pressure::None);
        std::fs::remove_file(&path).unwrap();
    }

    /// An empty file takes the trigger, as the kernel's do, and is watched.
    #[test]
    #[cfg_attr(miri, ignore = "reads files")]
    fn triggering() {
        let path = std::env::temp_dir().join(format!("pool-core-trigger-{}", std::process::id()));
        std::fs::write(&path, "").unwrap();
        let millis = Duration::from_millis;
        let answer = Pressure::High;
        let source = Psi::new(&path, Stall::Full, millis(100), WINDOW, answer).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"full 100000 2000000\0");
        assert!(source.is_triggered());
        assert_eq!(source.interval(), None);
        assert!(source.watch().is_some_and(|watch| watch.priority));
        assert_eq!(source.pressure(false), Pressure::None);
        assert_eq!(source.pressure(true), answer);
        std::fs::remove_file(&path).unwrap();
    }

    /// A socket stands for the file: unlike the kernel's it can be made to go away.
    #[test]
    #[cfg_attr(miri, ignore = "asks the kernel")]
    fn a_file_that_goes_is_not_watched_any_more() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let source = Psi {
            file: File::from(OwnedFd::from(ours)),
            stall: Stall::Some,
            threshold: WINDOW,
            window: WINDOW,
            answer: Pressure::Medium,
            polled: None,
            gone: AtomicBool::new(false),
        };
        assert_eq!(source.pressure(true), Pressure::Medium);
        drop(theirs);
        assert_eq!(source.pressure(false), Pressure::None);
        assert!(source.watch().is_some(), "nobody has looked");
        assert_eq!(source.pressure(true), Pressure::None);
        assert!(source.watch().is_none());
    }

    #[test]
    fn bad_arguments() {
        for threshold in [Duration::ZERO, Duration::from_secs(3)] {
            let error = Psi::new("/x", Stall::Some, threshold, WINDOW, Pressure::High).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            assert_eq!(
                error.to_string(),
                format!(
                    "a threshold is more than zero and at most the window of 2s, given was {threshold:?}"
                )
            );
        }
        let missing = Psi::new("/no such file", Stall::Some, WINDOW, WINDOW, Pressure::High);
        assert_eq!(missing.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
