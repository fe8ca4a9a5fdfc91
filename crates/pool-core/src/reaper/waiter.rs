//! How the reaper's thread sleeps: until a time, until it is woken, or until a watched file speaks up.

pub(super) use imp::Waiter;

use core::time::Duration;

/// The longest single sleep; being woken for nothing once a day costs nothing.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(all(target_os = "linux", not(miri)))]
mod imp {
    use std::fs::File;
    use std::io::{self, ErrorKind, Read, Write};
    use std::os::fd::{AsRawFd, FromRawFd, RawFd};

    use super::{Duration, LONGEST};
    use crate::pressure::Watch;

    /// A counter of the kernel's that can be waited on together with files.
    #[derive(Debug)]
    pub(crate) struct Waiter(File);

    impl Waiter {
        pub(crate) fn new() -> io::Result<Self> {
            // SAFETY: takes two numbers and touches no memory.
            let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: just opened, and nobody else's.
            Ok(Self(unsafe { File::from_raw_fd(fd) }))
        }

        /// Ends the current sleep, or the next if there is none.
        pub(crate) fn wake(&self) {
            // Fails only when the counter is full, and then there is enough to wake for.
            _ = (&self.0).write(&1u64.to_ne_bytes());
        }

        /// Sleeps; says of each watched file whether it has spoken up.
        pub(crate) fn wait(&self, at_most: Option<Duration>, watched: &[Watch<'_>]) -> Vec<bool> {
            let entry = |fd: RawFd, events| libc::pollfd {
                fd,
                events,
                revents: 0,
            };
            let mut entries: Vec<_> = watched
                .iter()
                .map(|watch| {
                    let events = if watch.priority {
                        libc::POLLPRI
                    } else {
                        libc::POLLIN
                    };
                    entry(watch.file.as_raw_fd(), events)
                })
                .collect();
            entries.push(entry(self.0.as_raw_fd(), libc::POLLIN));
            // A started millisecond is waited for: nothing is due before.
            let nanos = at_most.unwrap_or(LONGEST).min(LONGEST).as_nanos();
            let millis = i32::try_from(nanos.div_ceil(1_000_000)).unwrap_or(i32::MAX);
            let count = entries.len() as libc::nfds_t;
            // SAFETY: `entries` has `count` entries and outlives the call.
            let found = unsafe { libc::poll(entries.as_mut_ptr(), count, millis) };
            if found < 0 && io::Error::last_os_error().kind() != ErrorKind::Interrupted {
                // No memory in the kernel: come back a little later instead of at once.
                std::thread::sleep(Duration::from_millis(100));
            }
            // Back to zero; fails when it is.
            _ = (&self.0).read(&mut [0; 8]);
            entries.pop();
            entries
                .iter()
                .map(|entry| found > 0 && entry.revents != 0)
                .collect()
        }
    }
}

#[cfg(not(all(target_os = "linux", not(miri))))]
mod imp {
    use std::io;
    use std::sync::{Condvar, Mutex, PoisonError};

    use super::{Duration, LONGEST};

    /// A flag to wait for.
    #[derive(Debug)]
    pub(crate) struct Waiter {
        woken: Mutex<bool>,
        changed: Condvar,
    }

    impl Waiter {
        pub(crate) fn new() -> io::Result<Self> {
            Ok(Self {
                woken: Mutex::new(false),
                changed: Condvar::new(),
            })
        }

        /// Ends the current sleep, or the next if there is none.
        pub(crate) fn wake(&self) {
            *self.woken.lock().unwrap_or_else(PoisonError::into_inner) = true;
            self.changed.notify_one();
        }

        /// Sleeps. Files cannot be watched here: none ever speaks up, and their sources are asked at intervals.
        #[cfg(unix)]
        pub(crate) fn wait(
            &self,
            at_most: Option<Duration>,
            watched: &[crate::pressure::Watch<'_>],
        ) -> Vec<bool> {
            self.sleep(at_most);
            vec![false; watched.len()]
        }

        /// Sleeps.
        #[cfg(not(unix))]
        pub(crate) fn wait(&self, at_most: Option<Duration>) {
            self.sleep(at_most);
        }

        fn sleep(&self, at_most: Option<Duration>) {
            let woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
            let at_most = at_most.unwrap_or(LONGEST).min(LONGEST);
            let (mut woken, _) = self
                .changed
                .wait_timeout_while(woken, at_most, |woken| !*woken)
                .unwrap_or_else(PoisonError::into_inner);
            *woken = false;
        }
    }
}
