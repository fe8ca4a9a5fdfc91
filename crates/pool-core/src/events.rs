//! Events for the program's `tracing` subscriber, which is the program's own code and must not bring it down.
//!
//! A subscriber may use thread-locals that are already destroyed when a pool is used in the destructor of another one,
//! and then panics, and a panic there aborts the process. There is no way to ask whether a thread is tearing down its
//! locals. So takes and puts, which are what a destructor does, emit no event. Calls by name (`rotate`, `clear`,
//! `tend`, `relieve`) and the reaper do, unless the thread is known to be at its end: [`Sentinel`] is a thread-local
//! that is made after the subscriber's, at the first event, and so destroyed before them.
//!
//! A subscriber may use the pool that told it something. Nothing is emitted from within an event, or that would never
//! end.

use core::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread_local;

#[cfg(not(pool_loom))]
use crate::sync::{AtomicBool, Ordering};

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// No event has been emitted on this thread.
    Unused,
    Idle,
    /// An event is being emitted.
    Emitting,
    /// The thread is tearing down its locals.
    Ending,
}

thread_local! {
    /// Has no destructor, so that it can be read during teardown.
    static STATE: Cell<State> = const { Cell::new(State::Unused) };
    static SENTINEL: Sentinel = const { Sentinel };
}

/// Notices that the thread tears down its locals.
struct Sentinel;

impl Drop for Sentinel {
    fn drop(&mut self) {
        STATE.set(State::Ending);
    }
}

/// Emits an event, unless from within another or at the end of the thread. Nothing may be held. A panic of the
/// subscriber ends here: the panic hook has told of it.
pub(crate) fn emit(event: impl FnOnce()) {
    let before = STATE.get();
    if matches!(before, State::Emitting | State::Ending) {
        return;
    }
    STATE.set(State::Emitting);
    if let Err(payload) = catch_unwind(AssertUnwindSafe(event)) {
        // Its destructor may panic too.
        core::mem::forget(payload);
    }
    STATE.set(State::Idle);
    if before == State::Unused {
        // Fails where the thread ends already; then the state says so.
        let _ = SENTINEL.try_with(|_| ());
    }
}

/// Nothing is refused under the model checker.
#[cfg(pool_loom)]
pub(crate) fn tell_refusal() {}

/// Tells, once in the process, that the system refuses heavy barriers for good. Nothing may be held.
#[cfg(not(pool_loom))]
pub(crate) fn tell_refusal() {
    static TOLD: AtomicBool = AtomicBool::new(false);
    if pool_gate::status() != pool_gate::Status::Refused {
        return;
    }
    emit(|| {
        // ORDERING: Relaxed. One of several callers tells it; nothing else depends on that.
        if !TOLD.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "the system has begun to refuse heavy barriers: thread caches are given up"
            );
        }
    });
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use super::*;

    #[test]
    fn no_event_within_an_event() {
        let told = Cell::new(0);
        let tell = || told.set(told.get() + 1);
        emit(|| {
            tell();
            emit(tell);
        });
        assert_eq!(told.get(), 1);
        emit(tell);
        assert_eq!(told.get(), 2);
    }

    #[test]
    fn a_panic_ends_with_the_event() {
        emit(|| std::panic::panic_any(std::sync::Arc::new(0)));
        let told = Cell::new(false);
        emit(|| told.set(true));
        assert!(told.get());
    }

    #[test]
    fn no_event_while_locals_are_torn_down() {
        use crate::sync::AtomicUsize;
        static TOLD: AtomicUsize = AtomicUsize::new(0);
        struct AtEnd;
        impl Drop for AtEnd {
            fn drop(&mut self) {
                // ORDERING: Relaxed. The thread is joined before it is read.
                emit(|| _ = TOLD.fetch_add(100, Ordering::Relaxed));
            }
        }
        thread_local!(static AT_END: AtEnd = const { AtEnd });
        let thread = std::thread::spawn(|| {
            // Made before the sentinel, as what the subscriber of the first event uses is.
            AT_END.with(|_| ());
            // ORDERING: Relaxed, as above.
            emit(|| _ = TOLD.fetch_add(1, Ordering::Relaxed));
        });
        thread.join().unwrap();
        // ORDERING: Relaxed, as above.
        assert_eq!(TOLD.load(Ordering::Relaxed), 1);
    }
}
