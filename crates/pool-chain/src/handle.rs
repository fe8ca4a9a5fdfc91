//! The handles: types that keep the promise of one producer, and the limit.

use core::alloc::Layout;
use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;
use core::panic::RefUnwindSafe;

use crate::batch::{HeadBatch, TailBatch};
use crate::error::{Full, LimitError};
use crate::links::Links;
use crate::owner::Owner;
use crate::raw::{Chain, FIRST_CAPACITY};
#[cfg(pool_loom)]
use crate::sync::Arc;
use crate::sync::{AtomicBool, Ordering};
#[cfg(not(pool_loom))]
use alloc::sync::Arc;

/// Whether a chain has a limit: [`Unlimited`] or [`Limited`].
pub trait Limit: sealed::Limit {}

/// The mark of a producer whose chain grows as needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unlimited(());

/// The mark of a producer whose chain holds so many values at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limited(usize);

impl Limit for Unlimited {}
impl Limit for Limited {}

mod sealed {
    use super::{Limited, Unlimited};

    pub trait Limit {
        /// The most values that the chain may hold, if there is such a number.
        fn limit(&self) -> Option<usize>;
    }

    impl Limit for Unlimited {
        #[inline(always)]
        fn limit(&self) -> Option<usize> {
            None
        }
    }

    impl Limit for Limited {
        #[inline(always)]
        fn limit(&self) -> Option<usize> {
            Some(self.0)
        }
    }
}

/// Makes a chain that grows as needed, and gives out its two ends.
///
/// The first push allocates the first ring.
///
/// # Examples
///
/// ```
/// let (mut producer, consumer) = pool_chain::unbounded();
/// for n in 0..100 {
///     producer.push(n);
/// }
/// assert_eq!(consumer.pop_tail(), Some(0));
/// assert_eq!(producer.pop_head(), Some(99));
/// ```
#[must_use]
pub fn unbounded<T>() -> (Producer<T>, Consumer<T>) {
    ends(Unlimited(()), 0)
}

/// The same with the first index of every ring given, so that a test can start just below the wrap.
#[doc(hidden)]
#[must_use]
pub fn unbounded_at<T>(origin: u32) -> (Producer<T>, Consumer<T>) {
    ends(Unlimited(()), origin)
}

/// Makes a chain that never holds more than `limit` values, and gives out its two ends.
///
/// The limit is exact, whatever consumers do at the same time: a push is refused only if the chain held
/// `limit` values at some moment during the call. Values that a consumer has claimed no longer count.
///
/// # Panics
///
/// On a limit of zero; [`try_with_limit`] returns this as an error.
///
/// # Examples
///
/// ```
/// let (mut producer, consumer) = pool_chain::with_limit(2);
/// producer.push_head("a").unwrap();
/// producer.push_head("b").unwrap();
/// assert_eq!(producer.push_head("c").unwrap_err().into_inner(), "c");
/// assert_eq!(consumer.pop_tail(), Some("a"));
/// producer.push_head("c").unwrap();
/// ```
#[must_use]
#[track_caller]
pub fn with_limit<T>(limit: usize) -> (Producer<T, Limited>, Consumer<T>) {
    match try_with_limit(limit) {
        Ok(ends) => ends,
        Err(error) => panic!("{error}"),
    }
}

/// Makes a chain that never holds more than `limit` values, or says why it cannot.
///
/// # Errors
///
/// [`LimitError::Zero`] on a limit of zero.
pub fn try_with_limit<T>(limit: usize) -> Result<(Producer<T, Limited>, Consumer<T>), LimitError> {
    try_with_limit_at(limit, 0)
}

/// The same with the first index of every ring given, so that a test can start just below the wrap.
#[doc(hidden)]
pub fn try_with_limit_at<T>(
    limit: usize,
    origin: u32,
) -> Result<(Producer<T, Limited>, Consumer<T>), LimitError> {
    if limit == 0 {
        return Err(LimitError::Zero);
    }
    Ok(ends(Limited(limit), origin))
}

fn ends<T, L>(limit: L, origin: u32) -> (Producer<T, L>, Consumer<T>) {
    let shared = Arc::new(Shared {
        chain: Chain::new_at(origin),
        abandoned: AtomicBool::new(false),
    });
    let consumer = Consumer {
        chain: shared.clone(),
    };
    (
        Producer {
            chain: Mine {
                shared,
                owner: Owner::new(),
            },
            limit,
            _single: PhantomData,
        },
        consumer,
    )
}

/// What the handles of a queue share.
struct Shared<T> {
    chain: Chain<T>,
    /// Whether the producer is gone. Goes from `false` to `true` once, when the producer is dropped.
    abandoned: AtomicBool,
}

/// The handles call the chain through it.
impl<T> Deref for Shared<T> {
    type Target = Chain<T>;

    #[inline(always)]
    fn deref(&self) -> &Chain<T> {
        &self.chain
    }
}

/// The producer's part of what is shared, and what it keeps for itself.
struct Mine<T> {
    shared: Arc<Shared<T>>,
    owner: Owner<T>,
}

impl<T> Mine<T> {
    #[inline(always)]
    fn links(&self) -> &Links<T> {
        self.shared.links()
    }

    /// Both parts.
    #[inline(always)]
    fn parts(&mut self) -> (&Links<T>, &mut Owner<T>) {
        (self.shared.links(), &mut self.owner)
    }
}

impl<T> Drop for Mine<T> {
    fn drop(&mut self) {
        let owner = core::mem::replace(&mut self.owner, Owner::new());
        // SAFETY: we are the producer, and the last. Whoever drops the chain has this behind it by the count of the
        // handles.
        unsafe { self.shared.inherit(owner) };
        // ORDERING: Release, pairs with the Acquire load in `is_abandoned`: who hears of it sees every push.
        self.shared.abandoned.store(true, Ordering::Release);
    }
}

/// The producing end of a chain: pushes and pops at the head.
///
/// There is one. It can move to another thread, but it cannot be cloned or shared. `L` says whether the chain has a
/// limit.
pub struct Producer<T, L = Unlimited> {
    chain: Mine<T>,
    limit: L,
    /// Not `Sync`: the producer is one thread at a time.
    _single: PhantomData<core::cell::Cell<()>>,
}

/// The consuming end of a chain: pops at the tail.
///
/// Clone it or share it with as many threads as you like.
pub struct Consumer<T> {
    chain: Arc<Shared<T>>,
}

impl<T> Clone for Consumer<T> {
    fn clone(&self) -> Self {
        Self {
            chain: self.chain.clone(),
        }
    }
}

// The cell is only a mark: there is nothing in the handle that a panic could leave half-changed.
impl<T, L> RefUnwindSafe for Producer<T, L> {}

impl<T> Producer<T> {
    /// Adds a value at the head. It cannot be refused: the chain has no limit.
    ///
    /// Wait-free but for the allocator, as [`push_head`](Self::push_head).
    ///
    /// # Aborts
    ///
    /// When the allocator has no room for another ring, this ends as `Vec::push` does, in
    /// [`handle_alloc_error`](alloc::alloc::handle_alloc_error). `push_head` gives the value back instead.
    #[inline]
    pub fn push(&mut self, value: T) {
        if self.push_head(value).is_err() {
            no_room::<T>();
        }
    }
}

impl<T, L: Limit> Producer<T, L> {
    /// How many slots the rings have together, without those that consumers have unlinked.
    ///
    /// Wait-free: one step for each ring. Pins no epoch.
    #[must_use]
    pub fn capacity(&self) -> usize {
        // SAFETY: there is one producer handle, it is not `Sync`, and no call of it is under way.
        unsafe { self.chain.links().producer_capacity(&self.chain.owner) }
    }

    /// How many values the chain holds. Exact while nobody takes any.
    ///
    /// Wait-free; pins no epoch. One look at each ring that holds values, mostly one.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.chain.owner.len()
    }

    /// Whether the chain is empty. Values may leave it at any moment, but none comes but by the producer.
    ///
    /// Wait-free; pins no epoch. One look at each ring that may hold values, mostly one.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The most values that the chain may hold, if it was made with a limit.
    #[must_use]
    pub fn limit(&self) -> Option<usize> {
        self.limit.limit()
    }

    /// Whether the consumer is of the same chain. Wait-free.
    #[must_use]
    pub fn same_queue(&self, consumer: &Consumer<T>) -> bool {
        Arc::ptr_eq(&self.chain.shared, &consumer.chain)
    }

    /// Adds a value at the head, or gives it back.
    ///
    /// Wait-free but for the allocator: plain loads and stores, and a new ring when the newest is full. At a limit
    /// each push also looks at the older rings.
    ///
    /// A push is no fence. A producer that pushes and then looks whether a consumer sleeps needs a sequentially
    /// consistent fence ([`fence`](core::sync::atomic::fence)) between the two, and so does a consumer between
    /// its note that it sleeps and its last look at the chain.
    ///
    /// # Errors
    ///
    /// [`Full`] when the chain is at its limit, or needs another ring and the allocator has no room. A chain
    /// without a limit has [`push`](Producer::push), too, which cannot be refused.
    #[inline]
    pub fn push_head(&mut self, value: T) -> Result<(), Full<T>> {
        let limit = self.limit.limit();
        let (links, owner) = self.chain.parts();
        if let Some(limit) = limit {
            // SAFETY: there is one producer handle, we have it exclusively, and the owner is in it.
            if unsafe { links.room(owner, limit) } == 0 {
                return Err(Full::limit(value));
            }
        }
        // SAFETY: as above.
        unsafe { links.push_head(owner, value) }
    }

    /// Adds values at the head until `values` ends, and says how many. Fewer are taken only when the chain
    /// comes to its limit, or when it needs another ring and the allocator has no room.
    ///
    /// One store for each ring filled makes its values visible: consumers see all of them or none.
    /// An iterator passed by reference keeps what did not fit: it is asked for a value only when there is a
    /// place for it. If it panics, what it gave so far is in the chain.
    pub fn push_head_batch<I>(&mut self, values: I) -> usize
    where
        I: IntoIterator<Item = T>,
    {
        let mut values = values.into_iter();
        let limit = self.limit.limit();
        let (links, owner) = self.chain.parts();
        let Some(limit) = limit else {
            // SAFETY: there is one producer handle, we have it exclusively, so the iterator cannot reach it, and the
            // owner is in it.
            return unsafe { links.push_head_batch(owner, &mut values) };
        };
        let mut total = 0;
        loop {
            // SAFETY: as above.
            let room = unsafe { links.room(owner, limit) };
            if room == 0 {
                return total;
            }
            let mut some = values.by_ref().take(room);
            // SAFETY: as above.
            let count = unsafe { links.push_head_batch(owner, &mut some) };
            total += count;
            if count < room {
                return total;
            }
        }
    }

    /// Takes the newest value.
    ///
    /// Lock-free: one compare-exchange, retried while consumers move the tail. Pins no epoch, but where it
    /// finds older rings drained and unlinks them.
    #[inline]
    pub fn pop_head(&mut self) -> Option<T> {
        let (links, owner) = self.chain.parts();
        // SAFETY: there is one producer handle, we have it exclusively, and the owner is in it.
        unsafe { links.pop_head(owner) }
    }

    /// Takes the oldest value: for a producer that works first in, first out.
    ///
    /// Lock-free, as [`Consumer::pop_tail`]. Pins the epoch only where there is more than one ring.
    #[inline]
    pub fn pop_tail(&mut self) -> Option<T> {
        let (links, owner) = self.chain.parts();
        // SAFETY: there is one producer handle, we have it exclusively, and the owner is in it.
        unsafe { links.producer_pop_tail(owner) }
    }

    /// Takes up to `max` of the newest values, newest first.
    ///
    /// Lock-free: one compare-exchange for the values of each ring.
    pub fn pop_head_batch(&mut self, max: usize) -> HeadBatch<'_, T> {
        let (links, owner) = self.chain.parts();
        // SAFETY: there is one producer handle, the batch keeps it borrowed, and the owner is in it.
        unsafe { HeadBatch::new(links, owner, max) }
    }

    /// Gives ring memory back: unlinks drained rings, and follows a newest ring that is too big for the
    /// values in the chain by a smaller one, so that it goes too: at once if it is empty, and else when the
    /// values in it have been taken.
    ///
    /// Rings also shrink by themselves: every so many pushes the newest ring is followed by a smaller one if
    /// the most values held since the last time would have fitted into a quarter of it. This call is for when
    /// there are no pushes. It looks at each ring, tries to advance the epoch, and does not wait for anybody:
    /// memory that another thread may still look at is freed later.
    pub fn shrink(&mut self) {
        let (links, owner) = self.chain.parts();
        // SAFETY: there is one producer handle, we have it exclusively, and the owner is in it.
        unsafe { links.shrink(owner) }
    }
}

impl<T> Consumer<T> {
    /// How many slots the rings have together at the moment.
    ///
    /// Wait-free; pins the current epoch and looks at each ring.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.chain.capacity()
    }

    /// About how many values the chain holds: the sum over its rings, looked at one after the other.
    /// Exact while nobody else is at work.
    ///
    /// Wait-free; pins the current epoch.
    #[must_use]
    pub fn len(&self) -> usize {
        self.chain.len()
    }

    /// Whether the chain was empty at some moment during the call.
    ///
    /// Lock-free; pins the current epoch.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.chain.is_empty()
    }

    /// Whether the producer is gone.
    ///
    /// Nothing is pushed after that, and a pop that begins when this has returned `true` sees every push: a consumer
    /// that then finds the chain empty may stop. Wait-free: one load.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, consumer) = pool_chain::unbounded();
    /// producer.push("last");
    /// assert!(!consumer.is_abandoned());
    /// drop(producer);
    /// assert!(consumer.is_abandoned());
    /// assert_eq!(consumer.pop_tail(), Some("last"));
    /// ```
    #[inline]
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        // ORDERING: Acquire, pairs with the Release store in `drop` of the producer's part: the next look at the chain
        // finds all pushes.
        self.chain.abandoned.load(Ordering::Acquire)
    }

    /// Whether both consumers are of the same chain. Wait-free.
    #[must_use]
    pub fn same_queue(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.chain, &other.chain)
    }

    /// Moves the older half of the values of the oldest ring that holds any, rounded up, into another chain and
    /// returns the oldest of them.
    ///
    /// This is how a thread without work steals from another: it runs the value that comes back, and the others are
    /// in its own chain by then. They arrive in the order of their age, the newest at the head. `None` means that
    /// this chain was empty at some moment during the call.
    ///
    /// - One claim takes the values, up to 256 of them (32 on targets without 64-bit atomics).
    /// - Never more move than the newest ring of `into` has free slots, or than its limit allows. If that ring is
    ///   full, a new one is made first; without memory for it, and where another consumer has not yet emptied the
    ///   next slot, this takes one value as [`pop_tail`](Self::pop_tail) does. So no value is ever dropped.
    /// - If both are the same chain, this is `pop_tail`.
    ///
    /// Lock-free but for the allocator; pins the current epoch.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut victim, thief) = pool_chain::unbounded();
    /// victim.push_head_batch(1..=6);
    /// let (mut own, _) = pool_chain::unbounded();
    /// assert_eq!(thief.steal_into(&mut own), Some(1));
    /// assert_eq!(own.pop_head(), Some(3));
    /// assert_eq!(own.pop_head(), Some(2));
    /// assert_eq!(victim.len(), 3);
    /// ```
    pub fn steal_into<L: Limit>(&self, into: &mut Producer<T, L>) -> Option<T> {
        if Arc::ptr_eq(&into.chain.shared, &self.chain) {
            return self.pop_tail();
        }
        let limit = into.limit.limit();
        let (links, owner) = into.chain.parts();
        let room = match limit {
            // SAFETY: there is one producer handle, we have it exclusively, and the owner is in it.
            Some(limit) => unsafe { links.room(owner, limit) },
            None => usize::MAX,
        };
        // SAFETY: as above, and it is another chain.
        unsafe { self.chain.links().steal_into(links, owner, room) }
    }

    /// Takes the oldest value. `None` means that the chain was empty at some moment during the call.
    ///
    /// Lock-free: the current epoch is pinned, then one compare-exchange, retried while others move an
    /// index.
    #[inline]
    pub fn pop_tail(&self) -> Option<T> {
        self.chain.pop_tail()
    }

    /// Takes up to `max` of the oldest values, oldest first, and never more than half of the oldest ring
    /// that holds any, rounded up.
    ///
    /// Lock-free: one compare-exchange for all of them, and two atomic additions to keep their ring. The
    /// epoch is not pinned while you have the batch.
    pub fn pop_tail_batch(&self, max: usize) -> TailBatch<'_, T> {
        TailBatch::new(self.chain.links(), max)
    }
}

/// What a push that cannot be refused ends in when there is no memory.
#[cold]
fn no_room<T>() -> ! {
    alloc::alloc::handle_alloc_error(
        Layout::array::<T>(FIRST_CAPACITY).unwrap_or(Layout::new::<T>()),
    )
}

impl<T, L: Limit> fmt::Debug for Producer<T, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}
