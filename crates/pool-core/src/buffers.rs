//! Byte buffers by size: for programs that need buffers of many sizes and do not want a pool for each.
//!
//! One pool for each power of two from 64 bytes to 1 GiB. A request for so many bytes gets a buffer of the smallest class
//! that has as many; what comes back goes to the class of what it has become. So a buffer that grew while it was
//! out never serves small requests again, and a class that nobody asks for any more is empty two turns later.

use core::fmt;
use core::mem;
use core::ops::{Deref, DerefMut};
use core::time::Duration;
use std::sync::Arc;

use crate::clock::Clock;
use crate::policy::{BuildError, Policy};
use crate::pool::Pool;
#[cfg(not(pool_loom))]
use crate::registry::{self, Member, Tended};
use crate::stats::{Event, Stats};
use crate::sync::const_unless_loom;
#[cfg(not(pool_loom))]
use crate::sync::{AtomicBool, Ordering};

/// The smallest class holds buffers of so many bytes.
const SMALLEST: usize = 1 << SMALLEST_LOG;
const SMALLEST_LOG: u32 = 6;

/// How many there are: the largest holds buffers of 1 GiB.
const CLASSES: usize = 25;

/// How many bytes of each class a thread may keep for itself.
const CACHED_BYTES: usize = 64 * 1024;

/// Up to this size a thread may keep one buffer, however big; bigger ones go to its chain at once.
const CACHED_SIZE: usize = 1024 * 1024;

/// The most buffers of a class that a thread keeps.
const CACHED: usize = 64;

type Class = Pool<Vec<u8>>;

const fn depth(size: usize) -> usize {
    match CACHED_BYTES / size {
        0 if size <= CACHED_SIZE => 1,
        count @ 0..CACHED => count,
        _ => CACHED,
    }
}

const_unless_loom! {
    const fn class(index: u32) -> Class {
        let mut policy = Policy::DEFAULT;
        policy.depth = depth(SMALLEST << index);
        // The constructor is never called: `take` knows the size.
        Pool::with_policy(Vec::new, policy)
    }
}

/// A pool of byte buffers of all sizes.
///
/// It is to this crate's [`Pool`] what .NET's `ArrayPool` is to its object pools: ask for at least so many bytes, get an
/// empty buffer with room for them, and give it back by dropping it. [`BufferPool::shared`] is one for everybody.
///
/// Sizes are powers of two from 64 bytes to 1 GiB; a larger request is served, but not from the pool and not back to it. A
/// thread keeps up to 64 KiB of each size for itself, and one buffer of each size above that up to 1 MiB.
///
/// Progress and cost are those of [`Pool::get`], and the allocator's when there is no buffer.
///
/// # Examples
///
/// ```
/// use pool_core::BufferPool;
///
/// static BUFFERS: BufferPool = BufferPool::new();
///
/// let mut buffer = BUFFERS.get(1000);
/// assert!(buffer.is_empty() && buffer.capacity() >= 1000);
/// buffer.extend_from_slice(b"hello");
/// drop(buffer);
/// assert_eq!(BUFFERS.stats().idle, 1);
/// ```
pub struct BufferPool {
    classes: [Class; CLASSES],
}

/// The class that serves a request, if one does.
fn serving(at_least: usize) -> Option<usize> {
    let log = at_least.max(SMALLEST).checked_next_power_of_two()?.ilog2();
    let index = (log - SMALLEST_LOG) as usize;
    (index < CLASSES).then_some(index)
}

/// The class that a buffer belongs to, if it does to any.
fn owning(capacity: usize) -> Option<usize> {
    let index = capacity.checked_ilog2()?.checked_sub(SMALLEST_LOG)? as usize;
    (index < CLASSES).then_some(index)
}

impl BufferPool {
    const_unless_loom! {
        /// An empty pool. Allocates nothing; fit for a `static`.
        #[must_use]
        pub const fn new() -> Self {
            Self {
                classes: [
                    class(0), class(1), class(2), class(3), class(4), class(5), class(6),
                    class(7), class(8), class(9), class(10), class(11), class(12), class(13),
                    class(14), class(15), class(16), class(17), class(18), class(19), class(20),
                    class(21), class(22), class(23), class(24),
                ],
            }
        }
    }

    /// A pool whose generations turn at other times.
    pub fn builder() -> BufferPoolBuilder {
        BufferPoolBuilder {
            every: Policy::<Vec<u8>>::DEFAULT.every,
            clock: None,
        }
    }

    /// The process's own pool, for everybody who has none. Registered, so that [`rotate_all`](crate::rotate_all) and the
    /// [`Reaper`](crate::Reaper) know it.
    #[cfg(not(pool_loom))]
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: BufferPool = BufferPool::new();
        static REGISTERED: AtomicBool = AtomicBool::new(false);
        // Several threads may do it at first, which does no harm: nobody waits for one that is stopped in it.
        //
        // ORDERING: Relaxed, and so the store. The list has its own.
        if !REGISTERED.load(Ordering::Relaxed) {
            SHARED.register();
            // ORDERING: Relaxed, as above.
            REGISTERED.store(true, Ordering::Relaxed);
        }
        &SHARED
    }

    /// Lends an empty buffer with room for at least so many bytes.
    ///
    /// # Panics
    ///
    /// When so many bytes are more than a vector can have, as [`Vec::with_capacity`] does.
    pub fn get(&self, at_least: usize) -> PooledBuffer<&Self> {
        PooledBuffer {
            bytes: self.take(at_least),
            pool: self,
        }
    }

    /// The same with a guard that keeps the pool alive.
    ///
    /// # Panics
    ///
    /// As [`get`](Self::get).
    pub fn get_owned(self: &Arc<Self>, at_least: usize) -> PooledBuffer<Arc<Self>> {
        PooledBuffer {
            bytes: self.take(at_least),
            pool: Arc::clone(self),
        }
    }

    /// Takes an empty buffer with room for at least so many bytes out of the pool.
    ///
    /// # Panics
    ///
    /// As [`get`](Self::get).
    #[must_use = "dropping the result frees the buffer"]
    pub fn take(&self, at_least: usize) -> Vec<u8> {
        let Some(index) = serving(at_least) else {
            return Vec::with_capacity(at_least);
        };
        let class = &self.classes[index];
        class.try_take().unwrap_or_else(|| {
            class.count(Event::Create);
            Vec::with_capacity(SMALLEST << index)
        })
    }

    /// Puts a buffer back, or any other in; it is emptied. One that has less than 64 bytes of room, or 2 GiB and more, is
    /// freed.
    pub fn put(&self, mut buffer: Vec<u8>) {
        if let Some(index) = owning(buffer.capacity()) {
            buffer.clear();
            self.classes[index].put(buffer);
        }
    }

    /// Turns the generation of every size, as [`Pool::rotate`] does.
    pub fn rotate(&self) {
        self.classes.iter().for_each(Pool::rotate);
    }

    /// Frees all idle buffers, as [`Pool::clear`] does.
    pub fn clear(&self) {
        self.classes.iter().for_each(Pool::clear);
    }

    /// What the pool has done and holds, all sizes together. [`Stats::weight`] is about how many bytes: each buffer counts
    /// as the least that its class has.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut sum = Stats::default();
        for (_, stats) in self.stats_by_size() {
            sum.add(&stats);
        }
        sum
    }

    /// The same for each size, smallest first, with the size.
    pub fn stats_by_size(&self) -> impl Iterator<Item = (usize, Stats)> {
        self.classes.iter().enumerate().map(|(index, class)| {
            let mut stats = class.stats();
            stats.weight = stats.idle.saturating_mul(SMALLEST << index);
            (SMALLEST << index, stats)
        })
    }

    /// Lets [`rotate_all`](crate::rotate_all) and the [`Reaper`](crate::Reaper) turn this pool, from now on and for ever.
    #[cfg(not(pool_loom))]
    pub fn register(&'static self) {
        registry::add(Member::Static(self));
    }

    /// The same for as long as it lives.
    #[cfg(not(pool_loom))]
    pub fn register_shared(self: &Arc<Self>) {
        let weak: std::sync::Weak<Self> = Arc::downgrade(self);
        registry::add(Member::Shared(weak));
    }
}

#[cfg(not(pool_loom))]
impl Tended for BufferPool {
    fn turn(&self) {
        self.rotate();
    }

    fn empty(&self) {
        self.clear();
    }

    fn released(&self) -> u64 {
        self.classes.iter().map(Pool::released_items).sum()
    }

    fn tend(&self) -> Option<Duration> {
        self.classes.iter().filter_map(Pool::turn_and_decay).min()
    }
}

impl Default for BufferPool {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for BufferPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferPool")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// Makes a [`BufferPool`] with other than the default times. Made by [`BufferPool::builder`].
#[must_use = "a builder does nothing until `build` is called"]
pub struct BufferPoolBuilder {
    every: Option<Duration>,
    clock: Option<Arc<dyn Clock>>,
}

impl BufferPoolBuilder {
    /// Turns generations when this much time has passed. Default: [`DEFAULT_PERIOD`](crate::DEFAULT_PERIOD).
    pub fn rotate_every(mut self, period: Duration) -> Self {
        self.every = Some(period);
        self
    }

    /// Leaves turning to [`BufferPool::rotate`] and [`rotate_all`](crate::rotate_all) alone.
    pub fn rotate_manually(mut self) -> Self {
        self.every = None;
        self
    }

    /// The clock. Default: [`SystemClock`](crate::SystemClock).
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// The pool.
    ///
    /// # Panics
    ///
    /// When the period is out of its range; [`try_build`](Self::try_build) returns that as an error.
    #[track_caller]
    pub fn build(self) -> BufferPool {
        match self.try_build() {
            Ok(pool) => pool,
            Err(error) => panic!("{error}"),
        }
    }

    /// The pool, or what is wrong with the period.
    ///
    /// # Errors
    ///
    /// [`BuildError::Period`] says what was given and what is allowed.
    pub fn try_build(self) -> Result<BufferPool, BuildError> {
        if let Some(period) = self.every {
            // One place knows what is allowed.
            let probe = Pool::builder(Vec::<u8>::new).rotate_every(period);
            drop(probe.try_build()?);
        }
        let mut pool = BufferPool::new();
        for class in &mut pool.classes {
            class.policy.every = self.every;
            class.policy.clock = self.clock.clone();
        }
        Ok(pool)
    }
}

impl fmt::Debug for BufferPoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferPoolBuilder")
            .field("rotate_every", &self.every)
            .finish_non_exhaustive()
    }
}

/// A buffer on loan from a [`BufferPool`]: a `Vec<u8>` that goes back when it is dropped.
///
/// Made by [`BufferPool::get`] and [`BufferPool::get_owned`]. With the feature `bytes` it turns into `bytes::Bytes` without
/// a copy, if it does not borrow its pool for less than ever; the buffer goes back when the last clone is dropped.
///
/// Forgetting it (`mem::forget`) leaks the buffer and nothing else.
#[must_use = "dropping a guard at once puts the buffer back unused"]
pub struct PooledBuffer<P: Deref<Target = BufferPool>> {
    bytes: Vec<u8>,
    pool: P,
}

impl<P: Deref<Target = BufferPool>> PooledBuffer<P> {
    /// Keeps the buffer: it belongs to the caller and not to the pool any more.
    #[must_use = "dropping the result frees the buffer"]
    pub fn detach(mut guard: Self) -> Vec<u8> {
        // What is left behind has no memory, and putting that back does nothing.
        mem::take(&mut guard.bytes)
    }

    /// The pool that the buffer goes back to.
    #[must_use]
    pub fn pool(guard: &Self) -> &BufferPool {
        &guard.pool
    }
}

impl<P: Deref<Target = BufferPool>> Drop for PooledBuffer<P> {
    fn drop(&mut self) {
        self.pool.put(mem::take(&mut self.bytes));
    }
}

impl<P: Deref<Target = BufferPool>> Deref for PooledBuffer<P> {
    type Target = Vec<u8>;
    #[inline]
    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl<P: Deref<Target = BufferPool>> DerefMut for PooledBuffer<P> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

impl<P: Deref<Target = BufferPool>> AsRef<[u8]> for PooledBuffer<P> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl<P: Deref<Target = BufferPool>> AsMut<[u8]> for PooledBuffer<P> {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl<P: Deref<Target = BufferPool>> fmt::Debug for PooledBuffer<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PooledBuffer").field(&self.bytes).finish()
    }
}

/// Needs the feature `bytes`.
#[cfg(feature = "bytes")]
impl<P: Deref<Target = BufferPool> + Send + 'static> From<PooledBuffer<P>> for bytes::Bytes {
    /// Freezes the buffer. Copies nothing; allocates a few words for the count of clones.
    fn from(buffer: PooledBuffer<P>) -> Self {
        Self::from_owner(buffer)
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use super::*;

    const LARGEST: usize = SMALLEST << (CLASSES - 1);

    #[test]
    fn classes() {
        assert_eq!(
            [0, 1, 64, 65, 128, 129].map(serving),
            [0, 0, 0, 1, 1, 2].map(Some)
        );
        assert_eq!(serving(LARGEST), Some(CLASSES - 1));
        assert_eq!(serving(LARGEST + 1), None);
        assert_eq!(serving(usize::MAX), None);
        assert_eq!([0, 1, 63].map(owning), [None; 3]);
        assert_eq!([64, 127, 128].map(owning), [0, 0, 1].map(Some));
        assert_eq!(owning(2 * LARGEST - 1), Some(CLASSES - 1));
        assert_eq!(owning(2 * LARGEST), None);
        // Whatever a class serves, what it owns has room for.
        for index in 0..CLASSES {
            let size = SMALLEST << index;
            assert_eq!((serving(size), owning(size)), (Some(index), Some(index)));
        }
        assert_eq!(LARGEST, 1 << 30);
    }

    #[test]
    fn what_all_sizes_let_go_of_is_told() {
        let pool = BufferPool::new();
        pool.put(Vec::with_capacity(100));
        pool.put(Vec::with_capacity(5000));
        assert_eq!(pool.released(), 0);
        pool.empty();
        assert_eq!((pool.released(), pool.stats().idle), (2, 0));
    }

    #[test]
    fn depths() {
        let kib = 1024;
        let sizes = [
            64,
            kib,
            2 * kib,
            64 * kib,
            128 * kib,
            kib * kib,
            2 * kib * kib,
        ];
        assert_eq!(sizes.map(depth), [64, 64, 32, 1, 1, 1, 0]);
    }
}
