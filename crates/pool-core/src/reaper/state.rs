//! The one thread of the process: who wants it, and what becomes of it in a fork.
//!
//! Every [`Reaper`](super::Reaper) is a claim on the same thread: the first starts it, the last to go ends it and waits
//! for its end. All of that happens under one lock, which is taken to start, to end and to ask for the sources, and under
//! which nothing of the user's runs. Waking the thread, as a pool does when it is registered, takes no lock.
//!
//! A forked child has lost the thread. Fork handlers, which are installed before the lock is first taken, hold it while
//! the process is copied, so that the child finds it free and what it guards whole; there they forget the thread and
//! leave a note, and the next slow operation of any pool reads the note and starts another one. So a child that uses
//! no pool gets no thread.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::{self, JoinHandle};

use atomic_value::AtomicValue;

use super::own_thread::{self, Quiet};
use super::waiter::Waiter;
use crate::pressure::PressureSource;
use crate::sync::{AtomicBool, Ordering};

/// What the thread and its callers share.
#[derive(Debug)]
pub(super) struct Shared {
    stop: AtomicBool,
    pub(super) waiter: Waiter,
    rounds: Mutex<Rounds>,
    finished: Condvar,
}

#[derive(Debug, Default)]
struct Rounds {
    wanted: u64,
    done: u64,
}

impl Shared {
    fn new() -> io::Result<Self> {
        Ok(Self {
            stop: AtomicBool::new(false),
            waiter: Waiter::new()?,
            rounds: Mutex::default(),
            finished: Condvar::new(),
        })
    }

    fn rounds(&self) -> MutexGuard<'_, Rounds> {
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_stopped(&self) -> bool {
        // ORDERING: Relaxed. Nothing is read on the strength of it, and whoever sets it wakes the thread after, by a
        // system call or a lock.
        self.stop.load(Ordering::Relaxed)
    }

    fn stop(&self) {
        // ORDERING: Relaxed, as in `is_stopped`.
        self.stop.store(true, Ordering::Relaxed);
        self.waiter.wake();
    }

    /// The number of the last round that somebody waits for.
    pub(super) fn wanted(&self) -> u64 {
        self.rounds().wanted
    }

    /// Tells those who wait for a round up to this one.
    pub(super) fn finish(&self, round: u64) {
        self.rounds().done = round;
        self.finished.notify_all();
    }

    /// Has the thread make a round and waits for its end.
    pub(super) fn round(&self) {
        let mut rounds = self.rounds();
        rounds.wanted += 1;
        let wanted = rounds.wanted;
        drop(rounds);
        self.waiter.wake();
        let mut rounds = self.rounds();
        while rounds.done < wanted {
            rounds = self
                .finished
                .wait(rounds)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// However the thread ends, nobody shall wait for a round that will not come.
struct LastRound<'a>(&'a Shared);

impl Drop for LastRound<'_> {
    fn drop(&mut self) {
        self.0.finish(u64::MAX);
    }
}

/// A source, and who brought it.
pub(super) type Source = (u64, Arc<dyn PressureSource>);

struct State {
    /// How many [`Reaper`](super::Reaper)s there are.
    claims: usize,
    /// Numbers the claims.
    next: u64,
    name: Option<String>,
    /// Whether to trim the heap.
    trim: bool,
    sources: Vec<Source>,
    thread: Option<(Arc<Shared>, JoinHandle<()>)>,
}

static STATE: Mutex<State> = Mutex::new(State {
    claims: 0,
    next: 0,
    name: None,
    trim: true,
    sources: Vec::new(),
    thread: None,
});

/// What the thread shares, for those who wake it: they take no lock. Written under the lock. In a forked child it may be
/// the lost thread's until there is another, and waking that one does no harm.
static RUNNING: AtomicValue<Shared> = AtomicValue::empty();

/// The note in a forked child that its thread was lost.
static LOST: AtomicBool = AtomicBool::new(false);

thread_local! {
    static IS_REAPER: core::cell::Cell<bool> = const { core::cell::Cell::new(false) };
}

/// Whether the caller is the reaper's thread, which must not wait for itself.
pub(super) fn is_reaper() -> bool {
    IS_REAPER.try_with(core::cell::Cell::get).unwrap_or(false)
}

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// Starts the thread if there is none.
    fn ensure_thread(&mut self) -> io::Result<()> {
        if self.thread.is_some() {
            return Ok(());
        }
        let shared = Arc::new(Shared::new()?);
        let theirs = shared.clone();
        let name = self.name.as_deref().unwrap_or(super::DEFAULT_NAME);
        let quiet = Quiet::new();
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                IS_REAPER.set(true);
                own_thread::settle();
                let last = LastRound(&theirs);
                super::run(last.0);
            })?;
        drop(quiet);
        RUNNING.store_arc(shared.clone());
        self.thread = Some((shared, thread));
        // ORDERING: Relaxed. A note; the lock orders what it is about.
        LOST.store(false, Ordering::Relaxed);
        Ok(())
    }
}

/// A claim on the thread, which is started if need be; returns the claim's number.
pub(super) fn claim(
    name: Option<String>,
    trim: bool,
    sources: Vec<Arc<dyn PressureSource>>,
) -> io::Result<u64> {
    // Before the lock is taken for the first time: a child would find it taken for good.
    #[cfg(unix)]
    fork::install()?;
    let mut state = state();
    if state.thread.is_none() {
        state.name = name;
        state.trim = trim;
    }
    // Before anything is changed: an error leaves everything as it was.
    state.ensure_thread()?;
    state.claims += 1;
    state.next += 1;
    let number = state.next;
    state
        .sources
        .extend(sources.into_iter().map(|source| (number, source)));
    drop(state);
    wake();
    Ok(number)
}

/// Gives a claim back; the last ends the thread and waits for its end.
pub(super) fn release(number: u64) {
    let mut state = state();
    let (theirs, others) = core::mem::take(&mut state.sources)
        .into_iter()
        .partition(|&(owner, _)| owner == number);
    state.sources = others;
    state.claims -= 1;
    let ended = if state.claims == 0 {
        drop(RUNNING.take());
        state.thread.take()
    } else {
        None
    };
    drop(state);
    if let Some((shared, thread)) = ended {
        shared.stop();
        if !is_reaper() {
            // It catches all panics; one that got through has been reported.
            _ = thread.join();
        }
    }
    // The user's destructors, with nothing held.
    let theirs: Vec<Source> = theirs;
    drop(theirs);
}

/// The thread, if it runs.
fn thread() -> Option<Arc<Shared>> {
    // ORDERING: Relaxed. A note.
    if LOST.load(Ordering::Relaxed) {
        return None;
    }
    RUNNING.load_arc()
}

/// Ends the thread's sleep, if it sleeps. Takes no lock.
pub(crate) fn wake() {
    if let Some(shared) = thread() {
        shared.waiter.wake();
    }
}

/// Has the thread make a round and waits for its end, if there is a thread and it is not the caller.
pub(super) fn round() {
    restart_if_lost();
    if !is_reaper() {
        if let Some(shared) = thread() {
            shared.round();
        }
    }
}

/// Whether to trim the heap.
pub(super) fn trims() -> bool {
    state().trim
}

/// All sources, as of now.
pub(super) fn sources() -> Vec<Source> {
    state().sources.clone()
}

/// Starts the thread again if a fork has lost it. Otherwise one load.
#[inline]
pub(crate) fn restart_if_lost() {
    // ORDERING: Relaxed. The lock decides.
    if LOST.load(Ordering::Relaxed) {
        restart();
    }
}

#[cold]
fn restart() {
    let mut state = match STATE.try_lock() {
        Ok(state) => state,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        // Whoever has the lock starts it.
        Err(TryLockError::WouldBlock) => return,
    };
    // ORDERING: Relaxed. Also when there is no thread to be had: once is enough, or every slow operation would try.
    LOST.store(false, Ordering::Relaxed);
    if state.claims == 0 || state.ensure_thread().is_err() {
        // Without a thread the pools still turn when they are used. Nobody waits for the lost one.
        drop(RUNNING.take());
    }
}

#[cfg(unix)]
mod fork {
    //! What happens around a `fork`.

    use core::cell::{Cell, UnsafeCell};
    use std::io;
    use std::sync::MutexGuard;

    use super::{AtomicBool, LOST, Ordering, State, is_reaper, state};

    /// Holds the lock from before the fork until after it, in parent and child.
    struct Held(UnsafeCell<Option<MutexGuard<'static, State>>>);

    // SAFETY: reached only by a thread that holds the lock of which this is the guard.
    unsafe impl Sync for Held {}

    static HELD: Held = Held(UnsafeCell::new(None));

    /// Whether the handlers are installed.
    static INSTALLED: AtomicBool = AtomicBool::new(false);

    thread_local! {
        /// Whether this thread holds the lock for a fork. The handlers may have been installed twice.
        static FORKING: Cell<bool> = const { Cell::new(false) };
    }

    extern "C" fn before() {
        if FORKING.replace(true) {
            return;
        }
        let guard = state();
        // SAFETY: we hold the lock, so nobody else is here.
        unsafe { HELD.0.get().write(Some(guard)) };
    }

    /// What `before` has left, if it ran on this thread.
    fn after() -> Option<MutexGuard<'static, State>> {
        if !FORKING.replace(false) {
            return None;
        }
        // SAFETY: `before` ran on this thread just now, or on the one that it is the copy of, so the lock is ours.
        unsafe { HELD.0.get().replace(None) }
    }

    extern "C" fn in_parent() {
        drop(after());
    }

    extern "C" fn in_child() {
        if let Some(mut state) = after() {
            // If the thread itself has forked, it is the one thread that has come along.
            if !is_reaper() {
                if let Some(lost) = state.thread.take() {
                    // Not dropped: there is no thread to be detached, and others may have been inside its locks.
                    core::mem::forget(lost);
                    // ORDERING: Relaxed. There is one thread.
                    LOST.store(true, Ordering::Relaxed);
                }
            }
        }
    }

    // Safe to call: the signature is POSIX's, and a call with any functions or none is defined.
    unsafe extern "C" {
        safe fn pthread_atfork(
            prepare: Option<extern "C" fn()>,
            parent: Option<extern "C" fn()>,
            child: Option<extern "C" fn()>,
        ) -> core::ffi::c_int;
    }

    /// Installs the handlers, once or, by threads that come at the same time, several times: nobody waits for another.
    pub(super) fn install() -> io::Result<()> {
        // ORDERING: Relaxed. Nothing is read on the strength of it.
        if cfg!(miri) || INSTALLED.load(Ordering::Relaxed) {
            // Miri forks nothing.
            return Ok(());
        }
        match pthread_atfork(Some(before), Some(in_parent), Some(in_child)) {
            0 => {
                // ORDERING: Relaxed, see above.
                INSTALLED.store(true, Ordering::Relaxed);
                Ok(())
            }
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }
}
