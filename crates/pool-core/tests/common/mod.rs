//! What the tests share: items that are counted, user code that panics when told to, and pools in many
//! shapes.

#![allow(dead_code, reason = "each test binary uses a part of it")]

#[path = "../../src/ready.rs"]
mod ready;

use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use pool_core::{Builder, Pool};

/// Keeps a book of all items it made: which of them are alive, and that none dies twice.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger(Arc<Books>);

#[derive(Debug, Default)]
struct Books {
    entries: Mutex<Entries>,
    /// Counts down with each item dropped; the one that takes it from 1 to 0 panics after its death is booked.
    fuse: AtomicUsize,
}

#[derive(Debug, Default)]
struct Entries {
    /// By item number: whether the item is alive.
    alive: Vec<bool>,
    dropped: usize,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0
            .entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A new item.
    pub(crate) fn item(&self) -> Item {
        let alive = &mut self.entries().alive;
        let number = alive.len();
        alive.push(true);
        Item {
            number: Box::new(number),
            ledger: self.clone(),
        }
    }

    /// A constructor for a pool.
    pub(crate) fn maker(&self) -> impl Fn() -> Item + Send + Sync + use<> {
        let ledger = self.clone();
        move || ledger.item()
    }

    /// From here on the `count`-th drop of an item panics; 0 for none.
    pub(crate) fn drop_panics_at(&self, count: usize) {
        self.0.fuse.store(count, Ordering::Relaxed);
    }

    /// Whether the drop that was to panic has.
    pub(crate) fn has_panicked(&self) -> bool {
        self.0.fuse.load(Ordering::Relaxed) == 0
    }

    pub(crate) fn created(&self) -> usize {
        self.entries().alive.len()
    }

    pub(crate) fn alive(&self) -> usize {
        let entries = self.entries();
        entries.alive.len() - entries.dropped
    }

    pub(crate) fn dropped(&self) -> usize {
        self.entries().dropped
    }

    pub(crate) fn is_alive(&self, number: usize) -> bool {
        self.entries().alive[number]
    }

    fn bury(&self, number: usize) {
        let mut entries = self.entries();
        if !std::mem::replace(&mut entries.alive[number], false) {
            // A panic could be swallowed by a test that expects another.
            eprintln!("item {number} was dropped twice");
            std::process::abort();
        }
        entries.dropped += 1;
        drop(entries);
        let lit = self
            .0
            .fuse
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            });
        // A second panic while unwinding would abort the process, which is not what is tested.
        if lit == Ok(1) && !std::thread::panicking() {
            panic::panic_any(Planned);
        }
    }
}

/// An item of a [`Ledger`]. The number is boxed so that Miri and the sanitizers see every misuse.
#[derive(Debug)]
pub(crate) struct Item {
    number: Box<usize>,
    ledger: Ledger,
}

impl Item {
    pub(crate) fn number(&self) -> usize {
        *self.number
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        self.ledger.bury(*self.number);
    }
}

/// What user code panics with when a test wants it to.
#[derive(Debug)]
pub(crate) struct Planned;

/// Runs `f` and says whether it panicked as planned; other panics go on.
pub(crate) fn panics(f: impl FnOnce()) -> bool {
    // Quiet for planned panics only.
    static QUIET: std::sync::Once = std::sync::Once::new();
    QUIET.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !info.payload().is::<Planned>() {
                loud(info);
            }
        }));
    });
    match panic::catch_unwind(AssertUnwindSafe(f)) {
        Ok(()) => false,
        Err(payload) if payload.is::<Planned>() => true,
        Err(payload) => panic::resume_unwind(payload),
    }
}

/// Panics at the `count`-th call of [`tick`](Self::tick).
#[derive(Debug)]
pub(crate) struct Fuse(AtomicUsize);

impl Fuse {
    pub(crate) const fn new(count: usize) -> Self {
        Self(AtomicUsize::new(count))
    }

    pub(crate) fn set(&self, count: usize) {
        self.0.store(count, Ordering::Relaxed);
    }

    pub(crate) fn tick(&self) {
        let lit = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            });
        if lit == Ok(1) && !std::thread::panicking() {
            panic::panic_any(Planned);
        }
    }

    /// Whether it has gone off or was never set.
    pub(crate) fn is_spent(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

/// Whether thread caches hold items, for which the system must have a barrier.
///
/// It is the system that is asked, not a pool: one whose caches are broken must not pass for one without.
pub(crate) fn caches_work() -> bool {
    static WORK: LazyLock<bool> = LazyLock::new(system_has_barrier);
    *WORK
}

/// How many items the cache of a thread has room for that may hold `depth`.
pub(crate) fn cached(depth: usize) -> usize {
    if caches_work() { depth } else { 0 }
}

/// Asks what the kernel offers, and not whether the process is registered.
#[cfg(all(target_os = "linux", not(any(miri, pool_loom))))]
fn system_has_barrier() -> bool {
    let needed =
        libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED | libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED;
    // SAFETY: this command of `membarrier` takes nothing and touches no memory of ours.
    let offered = unsafe { libc::syscall(libc::SYS_membarrier, libc::MEMBARRIER_CMD_QUERY, 0, 0) };
    // Refused where it is negative.
    offered >= 0 && offered & libc::c_long::from(needed) == libc::c_long::from(needed)
}

/// Miri and the model checker have fences in its place.
#[cfg(not(all(target_os = "linux", not(any(miri, pool_loom)))))]
fn system_has_barrier() -> bool {
    cfg!(any(windows, miri, pool_loom))
}

/// How deep the thread caches are, where the system has what they need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) depth: usize,
}

impl Shape {
    /// Without thread caches, with the smallest, and with the usual.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        [0, 1, 2, 64].into_iter().map(|depth| Self { depth })
    }

    /// A builder of this shape for a pool that turns only when told.
    pub(crate) fn builder<T, F>(self, create: F) -> Builder<T, F>
    where
        F: Fn() -> T,
    {
        Pool::builder(create)
            .thread_cache(self.depth)
            .rotate_manually()
    }

    pub(crate) fn pool<T, F>(self, create: F) -> Pool<T, F>
    where
        F: Fn() -> T,
    {
        self.builder(create).build()
    }
}

/// An empty pool of a shape, and the ledger of what it makes.
pub(crate) fn booked(depth: usize) -> (Ledger, Pool<Item, impl Fn() -> Item + Send + Sync>) {
    let ledger = Ledger::new();
    let pool = Shape { depth }.pool(ledger.maker());
    (ledger, pool)
}

/// Turns a pool twice, which is the end of all that lies in it, and of all in the ledger if nothing is held.
#[track_caller]
pub(crate) fn turn_out<T, F: Fn() -> T>(pool: &Pool<T, F>, ledger: &Ledger) {
    pool.rotate();
    pool.rotate();
    let stats = pool.stats();
    assert_eq!((stats.idle, ledger.alive()), (0, 0), "{stats:?}");
}

/// Runs a test on every shape and names the one that fails.
pub(crate) fn with_shapes(test: impl Fn(Shape)) {
    for shape in Shape::all() {
        if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(|| test(shape))) {
            eprintln!("failed with {shape:?}");
            panic::resume_unwind(payload);
        }
    }
}

/// Runs `f` on a thread of its own and waits for it.
pub(crate) fn elsewhere<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    std::thread::scope(|scope| match scope.spawn(f).join() {
        Ok(result) => result,
        Err(payload) => panic::resume_unwind(payload),
    })
}

/// One number for Miri, one for debug builds, one for release builds.
pub(crate) const fn scaled(miri: usize, debug: usize, release: usize) -> usize {
    if cfg!(miri) {
        miri
    } else if cfg!(debug_assertions) {
        debug
    } else {
        release
    }
}

/// [`elsewhere`], with a panic on the other thread going on on this one.
pub(crate) fn elsewhere_planned(f: impl FnOnce() + Send) {
    elsewhere(f);
}

/// Runs `work` on several threads, and then `check` while these are alive and idle.
///
/// Not with barriers: a failed check would leave the threads waiting for ever.
pub(crate) fn beside_idle_threads<R>(
    threads: usize,
    work: impl Fn(usize) + Sync,
    check: impl FnOnce() -> R,
) -> R {
    between_idle_threads(threads, work, check, |_| {})
}

/// The same, and runs `after` on the same threads when the check is done.
pub(crate) fn between_idle_threads<R>(
    threads: usize,
    work: impl Fn(usize) + Sync,
    check: impl FnOnce() -> R,
    after: impl Fn(usize) + Sync,
) -> R {
    std::thread::scope(|scope| {
        let (working, ready) = channel::<()>();
        let mut holds = Vec::new();
        for number in 0..threads {
            let (hold, held) = channel::<()>();
            holds.push(hold);
            let (work, after, working) = (&work, &after, working.clone());
            scope.spawn(move || {
                work(number);
                drop(working);
                // Until the other end is dropped.
                _ = held.recv();
                after(number);
            });
        }
        drop(working);
        // Until every thread has dropped its end.
        _ = ready.recv();
        check()
    })
}
