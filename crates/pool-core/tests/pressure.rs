//! The sources of memory pressure that Linux has, against pipes, sockets and the real files where this kernel and this
//! sandbox have them; a test says so when they do not. How pools react is `reaper.rs`'s.

#![cfg(all(target_os = "linux", not(pool_loom), not(miri)))]

use std::ffi::CString;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use pool_core::pressure::{CgroupEvents, Pressure, PressureSource, Psi, Systemd, detect};
use pool_core::{Pool, Reaper};

/// One test at a time: the thread that waits for the sources is the process's.
fn alone() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A path that is removed at the end.
struct Temporary(PathBuf);

impl Temporary {
    fn new(name: &str) -> Self {
        let name = format!("pool-core-{name}-{}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn pipe(name: &str) -> Self {
        let path = Self::new(name);
        let name = CString::new(path.0.to_str().unwrap()).unwrap();
        // SAFETY: the string outlives the call.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        path
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        _ = std::fs::remove_file(&self.0);
    }
}

/// A pool that only pressure turns, with an item in it; and whether the item goes soon.
fn goes_soon(act: impl FnOnce()) -> bool {
    let pool = Arc::new(Pool::builder(|| 0u8).rotate_manually().build());
    pool.register_shared();
    pool.put(1);
    act();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(20) {
        if pool.stats().generation != 0 {
            return true;
        }
        thread::sleep(Duration::from_millis(5));
    }
    false
}

#[test]
fn a_pipe() {
    let _alone = alone();
    let path = Temporary::pipe("pipe");
    let source = Systemd::new(&path.0, b"").unwrap();
    assert_eq!(source.interval(), None);
    assert!(!source.watch().unwrap().priority);
    assert_eq!(source.pressure(false), Pressure::None);
    let mut writer = std::fs::OpenOptions::new()
        .write(true)
        .open(&path.0)
        .unwrap();
    writer.write_all(&[1; 5000]).unwrap();
    assert_eq!(source.pressure(true), Pressure::Medium);
    assert_eq!(source.pressure(true), Pressure::None, "read to its end");
    let _reaper = Reaper::builder().source(source).start().unwrap();
    assert!(goes_soon(|| writer.write_all(b"x").unwrap()));
    // A writer that goes away says nothing and ends nothing.
    drop(writer);
    let mut writer = std::fs::OpenOptions::new()
        .write(true)
        .open(&path.0)
        .unwrap();
    assert!(goes_soon(|| writer.write_all(b"x").unwrap()));
}

#[test]
fn a_socket() {
    let _alone = alone();
    let path = Temporary::new("socket");
    let listener = UnixListener::bind(&path.0).unwrap();
    let source = Arc::new(Systemd::new(&path.0, b"some 1 2").unwrap());
    let (mut peer, _) = listener.accept().unwrap();
    let mut line = [0; 8];
    peer.read_exact(&mut line).unwrap();
    assert_eq!(&line, b"some 1 2");
    assert_eq!(source.pressure(true), Pressure::None);
    let _reaper = Reaper::builder().source(source.clone()).start().unwrap();
    assert!(goes_soon(|| peer.write_all(b"x").unwrap()));
    // Whose other end goes away is not watched any more.
    drop(peer);
    let start = Instant::now();
    while source.watch().is_some() {
        assert!(start.elapsed() < Duration::from_secs(20), "still watched");
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(source.pressure(true), Pressure::None);
}

/// A peer that goes before it has read what was written to it leaves an error, and is not watched any more either.
#[test]
fn a_peer_that_does_not_read() {
    let path = Temporary::new("deaf");
    let listener = UnixListener::bind(&path.0).unwrap();
    let source = Systemd::new(&path.0, b"some 1 2").unwrap();
    drop(listener.accept().unwrap());
    assert_eq!(source.pressure(true), Pressure::None);
    assert!(source.watch().is_none());
}

/// What a source does not say itself, and what is said for it behind an `Arc`.
#[test]
fn usual_sources() {
    let closure = Arc::new(|| Pressure::High);
    assert_eq!(closure.pressure(false), Pressure::High);
    assert_eq!(closure.interval(), Some(Duration::from_secs(1)));
    assert!(closure.watch().is_none());
    struct Seldom;
    impl PressureSource for Seldom {
        fn pressure(&self, _: bool) -> Pressure {
            Pressure::Medium
        }
        fn interval(&self) -> Option<Duration> {
            Some(Duration::from_secs(60))
        }
    }
    let seldom: Arc<dyn PressureSource> = Arc::new(Arc::new(Seldom));
    assert_eq!(seldom.pressure(true), Pressure::Medium);
    assert_eq!(seldom.interval(), Some(Duration::from_secs(60)));
}

#[test]
fn what_is_none() {
    for (path, kind) in [
        ("relative", ErrorKind::InvalidInput),
        ("/dev/zero", ErrorKind::InvalidInput),
        ("/", ErrorKind::InvalidInput),
        ("/no such file", ErrorKind::NotFound),
    ] {
        assert_eq!(Systemd::new(path, b"").unwrap_err().kind(), kind, "{path}");
    }
    let error = Systemd::new("relative", b"").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the file to watch has an absolute path, given was \"relative\""
    );
}

/// The variables, each in a process of its own: this test runs itself.
#[test]
fn the_environment() {
    const CHILD: &str = "POOL_CORE_TEST_PRESSURE";
    if let Ok(expected) = std::env::var(CHILD) {
        let found = match Systemd::from_env() {
            Ok(None) => "none".to_owned(),
            Ok(Some(source)) => format!("watches {}", source.watch().unwrap().priority),
            Err(error) => error.to_string(),
        };
        assert_eq!(found, expected);
        if std::env::var_os("MEMORY_PRESSURE_WATCH").is_some_and(|path| path == "/dev/null") {
            assert!(detect().is_empty(), "nothing is to be watched");
        }
        if expected.starts_with("watches") {
            // It goes before all others.
            let sources = detect();
            let ready = sources[0].watch().unwrap();
            let target = std::fs::read_link(format!("/proc/self/fd/{}", ready.file.as_raw_fd()));
            let watched = std::env::var_os("MEMORY_PRESSURE_WATCH").unwrap();
            assert_eq!(target.unwrap(), Path::new(&watched));
        }
        return;
    }
    let pipe = Temporary::pipe("env");
    let pipe = pipe.0.to_str().unwrap();
    let file = Temporary::new("env-file");
    std::fs::write(&file.0, "").unwrap();
    let regular = file.0.to_str().unwrap();
    for (watch, write, expected) in [
        (None, None, "none"),
        (Some(""), None, "none"),
        (Some("/dev/null"), Some("Zm9v"), "none"),
        (Some(pipe), None, "watches false"),
        (Some(regular), Some("c29tZSAxIDIA"), "watches true"),
        (
            Some(pipe),
            Some("?"),
            "MEMORY_PRESSURE_WRITE is to be Base64, given was \"?\"",
        ),
    ] {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "the_environment"])
            .env(CHILD, expected)
            .env_remove("MEMORY_PRESSURE_WATCH")
            .env_remove("MEMORY_PRESSURE_WRITE")
            .envs(watch.map(|text| ("MEMORY_PRESSURE_WATCH", text)))
            .envs(write.map(|text| ("MEMORY_PRESSURE_WRITE", text)));
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "{watch:?} {write:?}: {}",
            String::from_utf8_lossy(&output.stdout)
        );
    }
    assert!(std::fs::read(&file.0).unwrap().starts_with(b"some 1 2\0"));
}

/// The real thing, as far as it is to be had.
#[test]
fn the_kernels_files() {
    let _alone = alone();
    let mut sources: Vec<Arc<dyn PressureSource>> = Vec::new();
    for (name, found) in [("system", Psi::system()), ("cgroup", Psi::own_cgroup())] {
        match found {
            Ok(both) => {
                for source in both {
                    println!(
                        "{name}: {}",
                        if source.is_triggered() {
                            "triggered"
                        } else {
                            "read once a window, as no trigger is allowed"
                        }
                    );
                    assert_eq!(source.watch().is_some(), source.is_triggered());
                    assert_eq!(source.interval().is_none(), source.is_triggered());
                    sources.push(Arc::new(source));
                }
            }
            Err(error) => println!("{name}: not tested, as the kernel says: {error}"),
        }
    }
    match CgroupEvents::own() {
        Ok(source) => {
            println!("memory.events: read");
            assert!(source.watch().unwrap().priority);
            sources.push(Arc::new(source));
        }
        Err(error) => println!("memory.events: not tested, as the kernel says: {error}"),
    }
    assert!(detect().len() <= sources.len() + 1);
    // The thread waits on all of them, and is still woken by others.
    let reaper = Reaper::builder().sources(sources).start().unwrap();
    let start = Instant::now();
    reaper.round();
    reaper.round();
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_panic_that_panics_again_when_dropped_does_not_end_the_thread() {
    struct Again;
    impl Drop for Again {
        fn drop(&mut self) {
            panic!("again");
        }
    }
    struct Broken;
    impl PressureSource for Broken {
        fn pressure(&self, _: bool) -> Pressure {
            Pressure::None
        }
        fn watch(&self) -> Option<pool_core::pressure::Watch<'_>> {
            std::panic::panic_any(Again)
        }
    }

    let _alone = alone();
    let reaper = Arc::new(Reaper::builder().source(Broken).start().unwrap());
    let (done, rounds) = std::sync::mpsc::channel();
    let theirs = Arc::clone(&reaper);
    thread::spawn(move || {
        for round in 0..3 {
            theirs.round();
            done.send(round).unwrap();
        }
    });
    for round in 0..3 {
        assert_eq!(rounds.recv_timeout(Duration::from_secs(20)), Ok(round));
    }
}
