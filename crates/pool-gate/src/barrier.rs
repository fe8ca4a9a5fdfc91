//! The asymmetric barrier: a pair of store-buffering fences whose frequent side costs nothing.
//!
//! Of two threads, each writes one word and then reads the other's. Each needs its write out before its read. Instead of a
//! full fence on both sides, the frequent one has a [`light`](Asymmetric::light) barrier that only binds the compiler, and
//! the rare one a [`heavy`](Asymmetric::heavy) barrier that makes every running thread of the process execute a full fence.
//!
//! The model checker and Miri know no such system call. Under them both sides are full fences.

use core::fmt;

#[cfg(all(target_os = "linux", not(any(miri, pool_loom))))]
use crate::linux as system;
#[cfg(all(windows, not(any(miri, pool_loom))))]
use crate::windows as system;
#[cfg(any(miri, pool_loom))]
use fences as system;
#[cfg(not(any(miri, pool_loom, target_os = "linux", windows)))]
use nothing as system;

/// The proof that the asymmetric barrier works in this process.
///
/// Zero-sized. Get one with [`Asymmetric::get`] and pass it around, so that nobody uses one side of the barrier where the
/// other side is missing.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
///
/// use pool_gate::Asymmetric;
///
/// static BUSY: AtomicBool = AtomicBool::new(false);
/// static STOP: AtomicBool = AtomicBool::new(false);
///
/// /// The frequent side: no fence. Of the two functions, at least one sees the other's write.
/// fn work(pair: Asymmetric) -> bool {
///     BUSY.store(true, Relaxed);
///     pair.light();
///     !STOP.load(Relaxed)
/// }
///
/// /// The rare side: a system call.
/// fn stop(pair: Asymmetric) -> Result<bool, pool_gate::Refused> {
///     STOP.store(true, Relaxed);
///     pair.heavy()?;
///     Ok(BUSY.load(Relaxed))
/// }
///
/// if let Some(pair) = pool_gate::register() {
///     assert!(work(pair));
///     assert_eq!(stop(pair), Ok(true));
///     assert!(!work(pair));
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Asymmetric(());

impl Asymmetric {
    /// The barrier, if it works in this process by now.
    ///
    /// The first call asks the system. Linux wants a process to register, which takes 3 microseconds while there is one
    /// thread and about 10 milliseconds later. With one thread, this call registers. With more, it starts a short-lived
    /// helper thread that does, and returns `None` until the helper is done; if no thread can be started, for good. Call
    /// [`register`] in `main` to have it done at once.
    ///
    /// Never waits for another thread. Allocates nothing from Rust's global allocator.
    #[inline]
    #[must_use]
    pub fn get() -> Option<Self> {
        system::works().then_some(Self(()))
    }

    /// The frequent side. Orders the stores before it against the loads after it, with respect to a thread that issues
    /// [`heavy`](Self::heavy) between its own. Wait-free; compiles to no instruction.
    #[inline(always)]
    pub fn light(self) {
        light();
    }

    /// The rare side. Orders the stores before it against the loads after it, with respect to every thread that issues
    /// [`light`](Self::light) between its own.
    ///
    /// A system call that interrupts each processor on which a thread of this process is running: from 0.1 microseconds
    /// with one thread to some 10 with many.
    ///
    /// # Errors
    ///
    /// When the system refuses, for example because a sandbox has begun since [`get`](Self::get). Then nothing is
    /// ordered. A refusal [for good](Refused::is_for_good) is remembered: `get` returns `None` from then on.
    pub fn heavy(self) -> Result<(), Refused> {
        system::heavy()
    }
}

impl fmt::Debug for Asymmetric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asymmetric")
    }
}

/// The frequent side, without the proof: for the gate, which nobody shuts who does not have it.
#[inline(always)]
pub(crate) fn light() {
    system::light();
}

/// Makes the barrier ready now, on the calling thread, and returns the proof if it works.
///
/// Meant for the first lines of `main`, where it takes about 3 microseconds. Called beside running threads on Linux it
/// blocks for about 10 milliseconds, in the kernel. Never calling it is fine too: see [`Asymmetric::get`].
///
/// # Examples
///
/// ```
/// if pool_gate::register().is_none() {
///     eprintln!("no asymmetric barrier here: {:?}", pool_gate::status());
/// }
/// // … start threads.
/// ```
pub fn register() -> Option<Asymmetric> {
    system::register().then_some(Asymmetric(()))
}

/// Whether the barrier works, as far as is known. Asks nobody and starts nothing.
#[must_use]
pub fn status() -> Status {
    system::status()
}

/// What is known of the barrier in this process, see [`status`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// It works.
    Ready,
    /// The process is not registered yet, or nobody has asked so far.
    NotYet,
    /// This system has no such barrier, or does not let this process use it.
    Unavailable,
    /// It worked once, and then the system refused it for good: a sandbox has begun.
    Refused,
}

/// The system refused a heavy barrier: nothing was ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Refused {
    pub(crate) for_good: bool,
}

impl Refused {
    /// Whether trying again is useless.
    ///
    /// On Linux every error but `ENOMEM` is for good: a filter does not go away.
    #[must_use]
    pub fn is_for_good(self) -> bool {
        self.for_good
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.for_good {
            "the system refuses heavy barriers to this process"
        } else {
            "the system had no memory for a heavy barrier"
        })
    }
}

impl core::error::Error for Refused {}

/// Two full fences, for tools that know no such system call.
#[cfg(any(miri, pool_loom))]
mod fences {
    use super::{Refused, Status};
    use crate::sync::{Ordering, fence};

    pub(super) fn works() -> bool {
        true
    }

    pub(super) fn register() -> bool {
        true
    }

    pub(super) fn status() -> Status {
        Status::Ready
    }

    #[inline(always)]
    pub(super) fn light() {
        // ORDERING: SeqCst, pairs with the fence in `heavy`: of the two reads, at least one sees the other side's write.
        fence(Ordering::SeqCst);
    }

    pub(super) fn heavy() -> Result<(), Refused> {
        // ORDERING: SeqCst, pairs with the fence in `light`.
        fence(Ordering::SeqCst);
        Ok(())
    }
}

/// A system without such a barrier. Two full fences would cost as much as a lock without contention, so they are not
/// offered.
#[cfg(not(any(miri, pool_loom, target_os = "linux", windows)))]
mod nothing {
    use super::{Refused, Status};

    #[inline(always)]
    pub(super) fn works() -> bool {
        false
    }

    pub(super) fn register() -> bool {
        false
    }

    pub(super) fn status() -> Status {
        Status::Unavailable
    }

    /// Nobody holds a pair of barriers here.
    #[inline(always)]
    pub(super) fn light() {}

    pub(super) fn heavy() -> Result<(), Refused> {
        Err(Refused { for_good: true })
    }
}
