//! The pool: its parts, its public methods and their fast paths. What is slow stands in `slow.rs`, what
//! turns the generation in `rotation.rs`.

use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::panic::{RefUnwindSafe, UnwindSafe};
use core::ptr;
use std::sync::Arc;

use crossbeam_utils::CachePadded;
use pool_gate::Status;

use crate::budget::Held;
use crate::cache::OpenToTake;
use crate::discard::DiscardReason;
use crate::guard::{Pooled, PooledOwned};
use crate::moves;
use crate::part::Part;
use crate::parts::Parts;
use crate::policy::{Builder, Policy};
#[cfg(not(pool_loom))]
use crate::reaper::Curve;
use crate::recent::Identity;
use crate::stats::{CacheState, Counters, Event, Stats};
use crate::sync::{AtomicUsize, Ordering, const_unless_loom};
use crate::thread;

/// A pool of objects that are costly to make and used for a short time, by any number of threads.
///
/// `take` and `put` move items out and in; `get` lends one through a guard. Which item comes out is not
/// specified, nor that an item put back is kept. What lies unused while the generation turns twice is
/// dropped, so a burst does not leave its memory behind.
///
/// A `put(x)` happens before the take that returns `x`, as the writes in the constructor happen before the
/// take that returns its result.
///
/// # Examples
///
/// ```
/// use pool_core::Pool;
///
/// static BUFFERS: Pool<Vec<u8>> = Pool::new(Vec::new);
///
/// let mut buffer = BUFFERS.get();
/// buffer.clear();
/// buffer.extend_from_slice(b"hello");
/// drop(buffer); // back in the pool, with its memory
/// assert!(BUFFERS.take().capacity() >= 5);
/// ```
///
/// A pool of items that cannot be sent stays on its thread:
///
/// ```compile_fail,E0277
/// let pool = pool_core::Pool::new(|| std::rc::Rc::new(0));
/// std::thread::scope(|s| {
///     s.spawn(|| drop(pool.take()));
/// });
/// ```
///
/// ```
/// let pool = pool_core::Pool::new(|| std::sync::Arc::new(0));
/// std::thread::scope(|s| {
///     s.spawn(|| drop(pool.take()));
/// });
/// ```
pub struct Pool<T, F = fn() -> T> {
    pub(crate) create: F,
    pub(crate) policy: Policy<T>,
    /// By which a thread knows the pool again.
    pub(crate) identity: Identity,
    /// One for each thread that has used the pool's slow path, by the thread's number.
    pub(crate) parts: Parts<T>,
    /// How often the generation has turned. Read by every slow operation, written by rotation alone.
    pub(crate) generation: CachePadded<AtomicUsize>,
    /// When the generation turns next, in milliseconds of the clock; 0 while no slow operation has asked.
    pub(crate) due: AtomicUsize,
    /// Operations since the generation last turned; counted only when the policy asks for it.
    pub(crate) operations: AtomicUsize,
    /// How the victims of this generation go before its end.
    #[cfg(not(pool_loom))]
    pub(crate) curve: Curve,
    /// The accounts of a pool with limits.
    pub(crate) held: CachePadded<Held>,
    /// The counts of threads without a number, and of rotations.
    pub(crate) stray: Counters,
    _items: PhantomData<T>,
}

// SAFETY: sharing a pool moves items between threads, which `T: Send` allows, and calls the constructor from
// any of them, which `F: Sync` allows. No `&T` reaches a second thread: an item is in one place, reached by
// one holder at a time (P1, and the ring's I2). The hooks are `Send + Sync` by their types.
unsafe impl<T: Send, F: Sync> Sync for Pool<T, F> {}

// A panic in user code leaves no operation half-done: user code runs with nothing held and items in flight
// belong to the unwinding frame.
impl<T, F: UnwindSafe> UnwindSafe for Pool<T, F> {}
impl<T, F: RefUnwindSafe> RefUnwindSafe for Pool<T, F> {}

impl<T, F> Pool<T, F> {
    const_unless_loom! {
        pub(crate) const fn with_policy(create: F, policy: Policy<T>) -> Self {
            Self {
                create,
                policy,
                identity: Identity::new(),
                parts: Parts::new(),
                generation: CachePadded::new(AtomicUsize::new(0)),
                due: AtomicUsize::new(0),
                operations: AtomicUsize::new(0),
                #[cfg(not(pool_loom))]
                curve: Curve::new(),
                held: CachePadded::new(Held::new()),
                stray: Counters::new(),
                _items: PhantomData,
            }
        }
    }

    /// Takes an item if the pool has one; never creates.
    ///
    /// Looks in the caller's thread cache, its chain, other threads' chains and the victims, in this order.
    /// Lock-free; wait-free and without atomic read-modify-write when the thread cache has an item.
    #[inline]
    #[must_use = "dropping the result drops the item"]
    pub fn try_take(&self) -> Option<T> {
        match self.open_to_take() {
            Some(open) => Some(open.take()),
            None => self.try_take_slow(),
        }
    }

    #[inline(always)]
    fn open_to_take(&self) -> Option<OpenToTake<'_, T>> {
        self.part()?.cache.open_to_take()
    }

    /// The calling thread's part, if the thread remembers it. Wait-free.
    #[inline(always)]
    pub(crate) fn recent(&self) -> Option<&Part<T>> {
        let recent = self.identity.recent()?;
        // SAFETY: this thread's part of us, of this type and alive as long as we are (K4).
        Some(unsafe { recent.cast().as_ref() })
    }

    /// The calling thread's part, if it has one. Wait-free.
    #[inline(always)]
    pub(crate) fn part(&self) -> Option<&Part<T>> {
        if let Some(recent) = self.recent() {
            return Some(recent);
        }
        seldom();
        self.parts.get(thread::place())
    }

    /// Puts an item back, or in for the first time.
    ///
    /// It goes through the `recycle` hook, if there is one, and then into the caller's thread cache or, where that is
    /// full or there is none, its chain. It is dropped when there is no memory for it, or it is above a limit.
    /// Lock-free; wait-free and without atomic read-modify-write when the thread cache has room.
    ///
    /// # Panics
    ///
    /// When a hook, the clock or the destructor of an item that has to go panics. The item is dropped then, unless it
    /// was already in; the pool stays usable.
    #[inline]
    pub fn put(&self, item: T) {
        // Not forgotten at the end: the item may be dropped elsewhere as soon as it is in, and a value that dangles
        // must not be moved, not even into `forget`.
        let item = ManuallyDrop::new(item);
        // SAFETY: `item` is given up here.
        unsafe { self.put_from(&item) }
    }

    /// Puts an item back from where its user left it. Through a reference, so that it moves once, straight into
    /// the cache: a copy on the way costs as much as the rest.
    ///
    /// # Safety
    ///
    /// The caller gives the item up: it is neither used nor dropped after this call, also if it panics.
    #[inline(always)]
    pub(crate) unsafe fn put_from(&self, item: &ManuallyDrop<T>) {
        if self.policy.inspects {
            // SAFETY: the item is ours (the caller's promise), and moves once.
            return self.put_inspected(ManuallyDrop::into_inner(unsafe { ptr::read(item) }));
        }
        match self.part().and_then(|part| part.cache.open_to_put()) {
            // SAFETY: as above.
            Some(open) => unsafe { open.put_from(ptr::from_ref(item).cast()) },
            // SAFETY: as above.
            None => self.put_slow(ManuallyDrop::into_inner(unsafe { ptr::read(item) })),
        }
    }

    /// What the pool has done and holds.
    ///
    /// Wait-free but for counting the items in chains, which is lock-free; visits each thread's part once, disturbing
    /// none.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = Stats {
            generation: self.generation() as u64,
            weight: self.held.weight(),
            caches: self.cache_state(),
            ..Stats::default()
        };
        self.stray.add_to(&mut stats);
        for part in self.parts.iter() {
            let cache = &part.cache;
            cache.counters.add_to(&mut stats);
            stats.cache_hits += cache.served();
            let in_cache = cache.len(self.policy.depth);
            stats.idle_in_caches += in_cache;
            stats.idle += in_cache + part.len();
            stats.parts += 1;
        }
        stats
    }

    /// Whether threads have caches.
    fn cache_state(&self) -> CacheState {
        if self.policy.depth == 0 {
            return CacheState::Off;
        }
        match pool_gate::status() {
            Status::Ready => CacheState::Cached,
            Status::NotYet => CacheState::NotYet,
            Status::Refused => CacheState::Refused,
            _ => CacheState::Unavailable,
        }
    }

    /// The current generation.
    pub(crate) fn generation(&self) -> usize {
        // ORDERING: Relaxed. It says which chain to use; one that is late by a turn is used in its old role (S2).
        self.generation.load(Ordering::Relaxed)
    }
}

impl<T, F: Fn() -> T> Pool<T, F> {
    const_unless_loom! {
        /// A pool that makes items with `create` when it has none.
        ///
        /// Allocates nothing and starts no thread; fit for a `static`. The first use of a pool by a thread
        /// allocates that thread's part of it.
        #[must_use]
        pub const fn new(create: F) -> Self {
            Self::with_policy(create, Policy::DEFAULT)
        }
    }

    /// A pool with hooks, limits or a rotation of its own.
    pub fn builder(create: F) -> Builder<T, F> {
        Builder::new(create)
    }

    /// Lends an item; creates one if the pool has none.
    ///
    /// The item is as it was put back: clear it first, or let a `recycle` hook do so. Progress and cost as
    /// [`take`](Self::take).
    ///
    /// # Panics
    ///
    /// When the constructor panics; the pool stays usable.
    #[inline]
    pub fn get(&self) -> Pooled<'_, T, F> {
        // In two arms, so that the item moves once, into the guard.
        match self.open_to_take() {
            Some(open) => Pooled::new(self, open.take()),
            None => Pooled::new(self, moves::in_words(self.take_slow())),
        }
    }

    /// Lends an item through a guard that keeps the pool alive; creates one if the pool has none.
    ///
    /// As [`get`](Self::get), and one more count on the pool's `Arc`.
    ///
    /// # Panics
    ///
    /// When the constructor panics; the pool stays usable.
    pub fn get_owned(self: &Arc<Self>) -> PooledOwned<T, F> {
        let item = self.take();
        PooledOwned::new(Arc::clone(self), item)
    }

    /// Takes an item out; creates one if the pool has none.
    ///
    /// The item is the caller's, who may [`put`](Self::put) it back or not. Looks in the same places as
    /// [`try_take`](Self::try_take). Lock-free apart from the constructor; wait-free and without atomic
    /// read-modify-write when the thread cache has an item.
    ///
    /// # Panics
    ///
    /// When the constructor panics; the pool stays usable.
    #[inline]
    #[must_use = "dropping the result drops the item"]
    pub fn take(&self) -> T {
        match self.open_to_take() {
            Some(open) => open.take(),
            None => moves::in_words(self.take_slow()),
        }
    }

    #[cold]
    #[inline(never)]
    fn take_slow(&self) -> T {
        if self.policy.depth != 0 {
            if let Some(open) = self.look() {
                return open.take();
            }
        }
        if let Some(item) = self.try_take_slow() {
            return item;
        }
        self.count(Event::Create);
        (self.create)()
    }
}

/// Tells the compiler which branch to lay out of the way.
#[cold]
#[inline]
fn seldom() {}

impl<T, F> Drop for Pool<T, F> {
    fn drop(&mut self) {
        // Without a hook there is nothing to tell anybody: the parts drop their items themselves.
        if self.policy.on_discard.is_none() {
            return;
        }
        let mut in_caches = Vec::new();
        for part in self.parts.iter_mut() {
            if let (Ok(()), Some(loot)) = (in_caches.try_reserve(1), part.cache.dismantle()) {
                in_caches.push(loot);
            }
        }
        let in_chains = self.parts.iter().flat_map(Part::drain);
        let all = in_caches.into_iter().flatten().chain(in_chains);
        self.discard_all(all, DiscardReason::PoolDropped);
    }
}

impl<T, F> fmt::Debug for Pool<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("policy", &self.policy)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
