//! What time it is, as far as rotation is concerned; replaceable, so that tests need not sleep.

use core::time::Duration;
use std::sync::{Mutex, PoisonError};

/// A source of time for rotation.
///
/// Called on slow paths only, with nothing held: it may be slow, or panic. It must not use the pool that asks
/// it, which would ask it again, and so on.
pub trait Clock: Send + Sync {
    /// Time passed since some fixed moment. Never goes back.
    fn now(&self) -> Duration;
}

/// The system's monotonic clock.
///
/// On Linux its coarse form: a few nanoseconds to read, a few milliseconds fine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[cfg(all(target_os = "linux", not(miri)))]
impl Clock for SystemClock {
    fn now(&self) -> Duration {
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: `time` is ours and outlives the call, which writes one `timespec` to it.
        let status = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &mut time) };
        debug_assert_eq!(status, 0, "the kernel has had this clock since 2.6.32");
        // Never negative: the clock counts from the start of the machine.
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }
}

#[cfg(not(all(target_os = "linux", not(miri))))]
impl Clock for SystemClock {
    fn now(&self) -> Duration {
        use crate::env::Raced;

        static START: Raced<std::time::Instant> = Raced::new();
        START.get_or_make(std::time::Instant::now).elapsed()
    }
}

/// A clock that stands still until it is told otherwise.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use pool_core::{Clock, ManualClock, Pool};
///
/// let clock = Arc::new(ManualClock::new());
/// let pool = Pool::builder(Vec::<u8>::new)
///     .rotate_every(Duration::from_secs(60))
///     .clock(clock.clone())
///     .build();
/// clock.advance(Duration::from_secs(61));
/// assert_eq!(clock.now(), Duration::from_secs(61));
/// # drop(pool);
/// ```
#[derive(Debug, Default)]
pub struct ManualClock(Mutex<Duration>);

impl ManualClock {
    /// A clock that stands at zero.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(Duration::ZERO))
    }

    /// Moves the clock on.
    ///
    /// # Panics
    ///
    /// When the time does not fit a `Duration`.
    pub fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = now
            .checked_add(by)
            .expect("the clock moved beyond Duration::MAX");
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Duration {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
