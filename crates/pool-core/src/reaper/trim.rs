//! Asking the allocator to return to the system what the pools gave back to it.
//!
//! An allocator keeps what is freed for the next request. glibc's, which is the usual one on Linux, returns only what
//! lies at the end of a heap, so a program that has let go of everything but one object in the wrong place may look as
//! big as before. `malloc_trim` returns every free page. It holds each heap's lock while it walks it, so it is done
//! on the reaper's thread, after something was let go of, and not too often.

use std::time::{Duration, Instant};

/// The shortest time between two trims.
const PAUSE: Duration = Duration::from_millis(10);

/// How many times as long as the last trim took the next is waited for: heaps are locked a tenth of the time at most.
const REST: u32 = 9;

/// When to trim.
#[derive(Default)]
pub(super) struct Trim {
    /// What the pools had let go of when it was last looked at.
    seen: u64,
    pending: bool,
    /// When the last trim ended, and how long it took.
    last: Option<(Instant, Duration)>,
}

impl Trim {
    /// Trims if pools have let go of something; says when to come back for it if it is too early.
    pub(super) fn after(&mut self, released: u64) -> Option<Duration> {
        self.pending |= released != self.seen;
        self.seen = released;
        if !self.pending {
            return None;
        }
        if let Some((ended, took)) = self.last {
            let pause = PAUSE.max(took.saturating_mul(REST));
            if let Some(left) = pause.checked_sub(ended.elapsed()) {
                return Some(left);
            }
        }
        let start = Instant::now();
        trim();
        self.last = Some((Instant::now(), start.elapsed()));
        self.pending = false;
        None
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu", not(miri)))]
fn trim() {
    // SAFETY: has no requirements: it takes the allocator's own locks.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(not(all(target_os = "linux", target_env = "gnu", not(miri))))]
fn trim() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trims_once_for_what_was_let_go() {
        let mut trim = Trim::default();
        assert_eq!(trim.after(0), None);
        assert!(trim.last.is_none(), "for nothing");
        assert_eq!(trim.after(5), None);
        let (ended, _) = trim.last.expect("something was let go");
        // One that took a minute is not followed by another for nine.
        trim.last = Some((ended, Duration::from_secs(60)));
        let wait = trim.after(6).expect("too early");
        assert!(wait > Duration::from_secs(8 * 60) && wait <= Duration::from_secs(9 * 60));
        // Still to do, though nothing more was let go.
        trim.last = None;
        assert_eq!(trim.after(6), None);
        assert!(trim.last.is_some() && !trim.pending);
        trim.last = None;
        assert_eq!(trim.after(6), None);
        assert!(trim.last.is_none(), "for nothing");
    }
}
