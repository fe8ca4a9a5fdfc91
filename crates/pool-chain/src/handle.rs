//! The handles: types that keep the promise of one producer, and the limit.

use core::alloc::Layout;
use core::fmt;
use core::marker::PhantomData;
use core::panic::RefUnwindSafe;

use crate::batch::{HeadBatch, TailBatch};
use crate::error::{Full, LimitError, Reason};
use crate::raw::{Chain, FIRST_CAPACITY};
#[cfg(pool_loom)]
use crate::sync::Arc;
#[cfg(not(pool_loom))]
use alloc::sync::Arc;

/// Stands for "no limit".
const UNLIMITED: usize = usize::MAX;

/// Makes a chain that grows as needed, and gives out its two ends.
///
/// The first push allocates the first ring.
///
/// # Examples
///
/// ```
/// let (mut producer, consumer) = pool_chain::unbounded();
/// for n in 0..100 {
///     producer.push_head(n);
/// }
/// assert_eq!(consumer.pop_tail(), Some(0));
/// assert_eq!(producer.pop_head(), Some(99));
/// ```
#[must_use]
pub fn unbounded<T>() -> (Producer<T>, Consumer<T>) {
    ends(UNLIMITED, 0)
}

/// The same with the first index of every ring given, so that a test can start just below the wrap.
#[doc(hidden)]
#[must_use]
pub fn unbounded_at<T>(origin: u32) -> (Producer<T>, Consumer<T>) {
    ends(UNLIMITED, origin)
}

/// Makes a chain that never holds more than `limit` values, and gives out its two ends.
///
/// The limit is exact, whatever consumers do at the same time: a push is refused only if the chain held
/// `limit` values at some moment during the call. Values in a batch that somebody has claimed no longer
/// count. `usize::MAX` is no limit.
///
/// # Panics
///
/// On a limit of zero; [`try_with_limit`] returns this as an error.
///
/// # Examples
///
/// ```
/// let (mut producer, consumer) = pool_chain::with_limit(2);
/// producer.try_push_head("a").unwrap();
/// producer.try_push_head("b").unwrap();
/// assert_eq!(producer.try_push_head("c").unwrap_err().into_inner(), "c");
/// assert_eq!(consumer.pop_tail(), Some("a"));
/// producer.try_push_head("c").unwrap();
/// ```
#[must_use]
#[track_caller]
pub fn with_limit<T>(limit: usize) -> (Producer<T>, Consumer<T>) {
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
pub fn try_with_limit<T>(limit: usize) -> Result<(Producer<T>, Consumer<T>), LimitError> {
    try_with_limit_at(limit, 0)
}

/// The same with the first index of every ring given, so that a test can start just below the wrap.
#[doc(hidden)]
pub fn try_with_limit_at<T>(
    limit: usize,
    origin: u32,
) -> Result<(Producer<T>, Consumer<T>), LimitError> {
    if limit == 0 {
        return Err(LimitError::Zero);
    }
    Ok(ends(limit, origin))
}

fn ends<T>(limit: usize, origin: u32) -> (Producer<T>, Consumer<T>) {
    let chain = Arc::new(Chain::new_at(origin));
    let consumer = Consumer {
        chain: chain.clone(),
    };
    (
        Producer {
            chain,
            limit,
            _single: PhantomData,
        },
        consumer,
    )
}

/// The producing end of a chain: pushes and pops at the head.
///
/// There is one. It can move to another thread, but it cannot be cloned or shared.
pub struct Producer<T> {
    chain: Arc<Chain<T>>,
    limit: usize,
    /// Not `Sync`: the producer is one thread at a time.
    _single: PhantomData<core::cell::Cell<()>>,
}

/// The consuming end of a chain: pops at the tail.
///
/// Clone it or share it with as many threads as you like.
pub struct Consumer<T> {
    chain: Arc<Chain<T>>,
}

impl<T> Clone for Consumer<T> {
    fn clone(&self) -> Self {
        Self {
            chain: self.chain.clone(),
        }
    }
}

// The cell is only a mark: there is nothing in the handle that a panic could leave half-changed.
impl<T> RefUnwindSafe for Producer<T> {}

/// What both ends can say of their chain.
macro_rules! observers {
    ($name:literal) => {
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

        fn debug(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct($name)
                .field("len", &self.len())
                .field("capacity", &self.capacity())
                .finish_non_exhaustive()
        }
    };
}

impl<T> Producer<T> {
    observers!("Producer");

    /// The most values that the chain may hold, if it was made with a limit.
    #[must_use]
    pub fn limit(&self) -> Option<usize> {
        (self.limit != UNLIMITED).then_some(self.limit)
    }

    /// Adds a value at the head.
    ///
    /// Wait-free but for the allocator: one atomic addition, and a new ring when the newest is full.
    ///
    /// # Panics
    ///
    /// If the chain is at the limit that it was made with: use [`try_push_head`](Self::try_push_head) with
    /// [`with_limit`]. The value is dropped. When the allocator has no room for another ring, this ends as
    /// `Vec::push` does, in [`handle_alloc_error`](alloc::alloc::handle_alloc_error).
    #[inline]
    #[track_caller]
    pub fn push_head(&mut self, value: T) {
        if let Err(full) = self.try_push_head(value) {
            refused(&full);
        }
    }

    /// Adds a value at the head, or gives it back.
    ///
    /// Wait-free but for the allocator, as [`push_head`](Self::push_head).
    ///
    /// # Errors
    ///
    /// [`Full`] when the chain is at its limit, or needs another ring and the allocator has no room.
    #[inline]
    pub fn try_push_head(&mut self, value: T) -> Result<(), Full<T>> {
        if self.limit != UNLIMITED {
            // SAFETY: there is one producer handle and we have it exclusively.
            if unsafe { self.chain.room(self.limit) } == 0 {
                return Err(Full::limit(value));
            }
        }
        // SAFETY: there is one producer handle and we have it exclusively.
        unsafe { self.chain.push_head(value) }
    }

    /// Adds values at the head until `values` ends, and says how many. Fewer are taken only when the chain
    /// comes to its limit, or when it needs another ring and the allocator has no room.
    ///
    /// One atomic addition for each ring filled; consumers see what goes into one ring all or not at all.
    /// An iterator passed by reference keeps what did not fit: it is asked for a value only when there is a
    /// place for it. If it panics, what it gave so far is in the chain.
    pub fn push_head_batch<I>(&mut self, values: I) -> usize
    where
        I: IntoIterator<Item = T>,
    {
        let mut values = values.into_iter();
        if self.limit == UNLIMITED {
            // SAFETY: there is one producer handle and we have it exclusively, so the iterator cannot reach it.
            return unsafe { self.chain.push_head_batch(&mut values) };
        }
        let mut total = 0;
        loop {
            // SAFETY: there is one producer handle and we have it exclusively.
            let room = unsafe { self.chain.room(self.limit) };
            if room == 0 {
                return total;
            }
            let mut some = values.by_ref().take(room);
            // SAFETY: as above, so the iterator cannot reach it.
            let count = unsafe { self.chain.push_head_batch(&mut some) };
            total += count;
            if count < room {
                return total;
            }
        }
    }

    /// Takes the newest value.
    ///
    /// Lock-free: one compare-exchange, retried while consumers move the tail. Only when the newest ring is
    /// empty and older ones are not yet unlinked, the current epoch is pinned too.
    #[inline]
    pub fn pop_head(&mut self) -> Option<T> {
        // SAFETY: there is one producer handle and we have it exclusively.
        unsafe { self.chain.pop_head() }
    }

    /// Takes up to `max` of the newest values, newest first.
    ///
    /// Lock-free: one compare-exchange for the values of each ring.
    pub fn pop_head_batch(&mut self, max: usize) -> HeadBatch<'_, T> {
        // SAFETY: there is one producer handle, and the batch keeps it borrowed.
        unsafe { HeadBatch::new(&self.chain, max) }
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
        // SAFETY: there is one producer handle and we have it exclusively.
        unsafe { self.chain.shrink() }
    }
}

impl<T> Consumer<T> {
    observers!("Consumer");

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
        TailBatch::new(&self.chain, max)
    }
}

/// Says why `push_head` could not.
#[cold]
#[track_caller]
fn refused<T>(full: &Full<T>) -> ! {
    match full.reason() {
        Reason::Limit => panic!("push_head on a chain at its limit: use try_push_head"),
        Reason::OutOfMemory => alloc::alloc::handle_alloc_error(
            Layout::array::<T>(FIRST_CAPACITY).unwrap_or(Layout::new::<T>()),
        ),
    }
}

impl<T> fmt::Debug for Producer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.debug(f)
    }
}

impl<T> fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.debug(f)
    }
}
