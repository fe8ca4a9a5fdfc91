//! The process's own cgroup (version 2), and its count of times that a memory limit was met.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, TryLockError};
use std::time::Duration;

use super::{Pressure, PressureSource, Watch, files};

/// How often the counts are read though the kernel has not spoken up, for systems that only look like its files.
const INTERVAL: Duration = Duration::from_secs(10);

/// Where the process's own cgroup is.
pub(super) fn own() -> io::Result<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
    let groups = std::fs::read_to_string("/proc/self/cgroup")?;
    locate(&mounts, &groups).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            "the process is in no cgroup of version 2",
        )
    })
}

/// The same from the texts of `mountinfo` and `cgroup`.
fn locate(mounts: &str, groups: &str) -> Option<PathBuf> {
    let group = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    mounts.lines().find_map(|line| {
        let (mount, filesystem) = line.split_once(" - ")?;
        (filesystem.split(' ').next()? == "cgroup2").then_some(())?;
        let mut words = mount.split(' ').skip(3);
        let (root, point) = (words.next()?, words.next()?);
        // What is mounted may be a part of the hierarchy, in a container just our own.
        let below = Path::new(group).strip_prefix(unescape(root)).ok()?;
        Some(Path::new(&unescape(point)).join(below))
    })
}

/// `mountinfo` writes spaces and the like as three octal digits.
fn unescape(word: &str) -> String {
    let mut parts = word.split('\\');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.get(..3).map(|code| u8::from_str_radix(code, 8)) {
            Some(Ok(code)) if code.is_ascii() => {
                text.push(code.into());
                text.push_str(&part[3..]);
            }
            _ => {
                text.push('\\');
                text.push_str(part);
            }
        }
    }
    text
}

/// A source that counts how often the process's cgroup met a memory limit, from its `memory.events`.
///
/// [`Pressure::Medium`] when the group was throttled for being above `memory.high` since it was last asked,
/// [`Pressure::High`] when it met `memory.max` or ran out of memory. The kernel speaks up when a count changes.
#[derive(Debug)]
pub struct CgroupEvents {
    file: File,
    last: Mutex<Counts>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    high: u64,
    /// `max` and `oom` together.
    limit: u64,
}

impl CgroupEvents {
    /// The process's own cgroup's.
    ///
    /// # Errors
    ///
    /// When the process is in no cgroup of version 2, or in one without a memory controller, as the root is.
    pub fn own() -> io::Result<Self> {
        Self::new(own()?.join("memory.events"))
    }

    /// Those of another group: the path of its `memory.events`, or of `memory.events.local`.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn new(path: impl AsRef<Path>) -> io::Result<Self> {
        let file = File::open(path)?;
        let last = Mutex::new(counts(&files::read(&file)?));
        Ok(Self { file, last })
    }
}

fn counts(text: &str) -> Counts {
    let mut counts = Counts::default();
    for line in text.lines() {
        let Some((name, count)) = line.split_once(' ') else {
            continue;
        };
        let count = count.trim().parse().unwrap_or(0u64);
        match name {
            "high" => counts.high = count,
            "max" | "oom" => counts.limit = counts.limit.saturating_add(count),
            _ => {}
        }
    }
    counts
}

impl PressureSource for CgroupEvents {
    fn pressure(&self, _ready: bool) -> Pressure {
        let Ok(text) = files::read(&self.file) else {
            // The group has been removed.
            return Pressure::None;
        };
        let now = counts(&text);
        let mut last = match self.last.try_lock() {
            Ok(last) => last,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Somebody else is asking, or was lost in a fork as it asked. Nobody waits for that.
            Err(TryLockError::WouldBlock) => return Pressure::None,
        };
        let before = std::mem::replace(&mut *last, now);
        if now.limit > before.limit {
            Pressure::High
        } else if now.high > before.high {
            Pressure::Medium
        } else {
            Pressure::None
        }
    }

    fn interval(&self) -> Option<Duration> {
        Some(INTERVAL)
    }

    fn watch(&self) -> Option<Watch<'_>> {
        Some(Watch {
            file: self.file.as_fd(),
            priority: true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let line = |root: &str, point: &str, kind: &str| {
            format!("36 24 0:30 {root} {point} rw,nosuid shared:9 - {kind} cgroup rw\n")
        };
        let v1 = line("/", "/sys/fs/cgroup/memory", "cgroup");
        let groups = "12:memory:/old\n0::/user.slice/a b\n";
        let found = |mounts: &str| locate(mounts, groups).map(|path| path.display().to_string());
        for (root, point, place) in [
            ("/", "/sys/fs/cgroup", "/sys/fs/cgroup/user.slice/a b"),
            ("/user.slice", "/sys/fs/cgroup", "/sys/fs/cgroup/a b"),
            ("/user.slice/a\\040b", "/mnt/c\\040g", "/mnt/c g"),
        ] {
            let mounts = format!("{v1}{}", line(root, point, "cgroup2"));
            let found = found(&mounts).unwrap();
            assert_eq!(found.trim_end_matches('/'), place);
        }
        assert_eq!(found(&v1), None);
        assert_eq!(found(&line("/other", "/sys/fs/cgroup", "cgroup2")), None);
        assert_eq!(locate(&line("/", "/c", "cgroup2"), "4:memory:/x\n"), None);
        assert_eq!(unescape("a\\040b\\x\\04"), "a b\\x\\04");
        assert_eq!(unescape("\\377"), "\\377", "no text in one byte");
    }

    #[test]
    #[cfg_attr(miri, ignore = "reads files")]
    fn ones_own_is_somewhere_or_nowhere() {
        match own() {
            Ok(path) => assert!(path.is_absolute(), "{path:?}"),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::NotFound),
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "reads files")]
    fn counting() {
        let path = std::env::temp_dir().join(format!("pool-core-events-{}", std::process::id()));
        let write = |high: u64, max: u64, oom: u64| {
            let text = format!("low 7\nhigh {high}\nmax {max}\noom {oom}\noom_kill 0\n");
            std::fs::write(&path, text).unwrap();
        };
        write(5, 3, 0);
        let source = CgroupEvents::new(&path).unwrap();
        assert!(source.watch().is_some_and(|watch| watch.priority));
        assert_eq!(source.interval(), Some(Duration::from_secs(10)));
        for (high, max, oom, expected) in [
            (5, 3, 0, Pressure::None),
            (6, 3, 0, Pressure::Medium),
            (6, 3, 0, Pressure::None),
            (9, 4, 0, Pressure::High),
            (9, 4, 1, Pressure::High),
            (9, 4, 1, Pressure::None),
            (u64::MAX, 4, 1, Pressure::Medium),
        ] {
            write(high, max, oom);
            for ready in [true, false] {
                let expected = if ready { expected } else { Pressure::None };
                assert_eq!(source.pressure(ready), expected, "{high} {max} {oom}");
            }
        }
        std::fs::remove_file(&path).unwrap();
        assert!(CgroupEvents::new(&path).is_err());
    }
}
