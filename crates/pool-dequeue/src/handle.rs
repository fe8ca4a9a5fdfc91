//! The handles: types that keep the promise of one producer, over a shared ring on the heap or a
//! borrowed one.

use core::fmt;
use core::marker::PhantomData;
#[cfg(feature = "alloc")]
use core::ops::Deref;
use core::panic::RefUnwindSafe;
use core::ptr;

#[cfg(all(feature = "alloc", pool_loom))]
use crate::sync::Arc;
#[cfg(all(feature = "alloc", not(pool_loom)))]
use alloc::sync::Arc;

use crate::error::Full;
use crate::raw::{Batch, RingRef};
#[cfg(feature = "alloc")]
use crate::{
    error::CapacityError,
    raw::BoxedRing,
    sync::{AtomicBool, Ordering},
};

/// Makes a ring for at least `capacity` values and gives out its two ends.
///
/// The capacity is rounded up to a power of two; [`Producer::capacity`] says what you got.
///
/// # Panics
///
/// On a capacity of zero or above [`MAX_CAPACITY`](crate::MAX_CAPACITY), or when the allocator has no
/// room for the slots; [`try_bounded`] returns these as errors.
///
/// # Examples
///
/// ```
/// let (mut producer, consumer) = pool_dequeue::bounded(4);
/// producer.push_head("old").unwrap();
/// producer.push_head("new").unwrap();
/// assert_eq!(consumer.pop_tail(), Some("old"));
/// assert_eq!(producer.pop_head(), Some("new"));
/// ```
#[cfg(feature = "alloc")]
#[must_use]
#[track_caller]
pub fn bounded<T>(capacity: usize) -> (Producer<T>, Consumer<T>) {
    match try_bounded(capacity) {
        Ok(ends) => ends,
        Err(error) => panic!("{error}"),
    }
}

/// Makes a ring for at least `capacity` values and gives out its two ends, or says why it cannot.
///
/// # Errors
///
/// [`CapacityError`] on a capacity of zero or above [`MAX_CAPACITY`](crate::MAX_CAPACITY), or when the
/// allocator has no room for the slots.
///
/// # Examples
///
/// ```
/// use pool_dequeue::{CapacityError, try_bounded};
///
/// let (producer, _consumer) = try_bounded::<u8>(5)?;
/// assert_eq!(producer.capacity(), 8);
/// assert_eq!(try_bounded::<u8>(0).unwrap_err(), CapacityError::Zero);
/// # Ok::<(), CapacityError>(())
/// ```
#[cfg(feature = "alloc")]
pub fn try_bounded<T>(capacity: usize) -> Result<(Producer<T>, Consumer<T>), CapacityError> {
    try_bounded_at(capacity, 0)
}

/// The same with the first index given, so that a test can start just below the wrap.
#[cfg(feature = "alloc")]
#[doc(hidden)]
pub fn try_bounded_at<T>(
    capacity: usize,
    origin: u32,
) -> Result<(Producer<T>, Consumer<T>), CapacityError> {
    let shared = Arc::new(Shared {
        ring: BoxedRing::boxed_at(capacity, origin)?,
        abandoned: AtomicBool::new(false),
    });
    let consumer = Consumer {
        ring: shared.clone(),
    };
    let producer = Producer {
        ring: shared,
        _not_sync: PhantomData,
    };
    Ok((producer, consumer))
}

/// What the handles of a queue share.
#[cfg(feature = "alloc")]
struct Shared<T> {
    ring: BoxedRing<T>,
    /// Whether the producer is gone. Goes from `false` to `true` once, when the producer is dropped.
    abandoned: AtomicBool,
}

/// The handles call the ring through it.
#[cfg(feature = "alloc")]
impl<T> Deref for Shared<T> {
    type Target = BoxedRing<T>;

    #[inline(always)]
    fn deref(&self) -> &BoxedRing<T> {
        &self.ring
    }
}

/// Takes `Sync` from a type and leaves it `Send`: a producer is used by one thread at a time.
type NotSync = PhantomData<core::cell::Cell<()>>;

/// The producing end of a ring made by [`bounded`]: pushes and pops at the head.
///
/// There is one. It can move to another thread when `T: Send`, but it can be neither cloned nor shared.
/// Dropping it leaves the values to the consumers; the last handle of either kind drops what is left.
#[cfg(feature = "alloc")]
pub struct Producer<T> {
    ring: Arc<Shared<T>>,
    _not_sync: NotSync,
}

#[cfg(feature = "alloc")]
impl<T> Producer<T> {
    /// Whether the consumer is of the same queue.
    ///
    /// Wait-free.
    ///
    /// # Examples
    ///
    /// ```
    /// let (producer, consumer) = pool_dequeue::bounded::<u8>(4);
    /// let (_other_producer, other_consumer) = pool_dequeue::bounded::<u8>(4);
    /// assert!(producer.same_queue(&consumer));
    /// assert!(!producer.same_queue(&other_consumer));
    /// ```
    #[must_use]
    pub fn same_queue(&self, consumer: &Consumer<T>) -> bool {
        Arc::ptr_eq(&self.ring, &consumer.ring)
    }
}

#[cfg(feature = "alloc")]
impl<T> Drop for Producer<T> {
    fn drop(&mut self) {
        // ORDERING: Release, pairs with the Acquire load in `is_abandoned`: who hears of it sees every push.
        self.ring.abandoned.store(true, Ordering::Release);
    }
}

/// The consuming end of a ring made by [`bounded`]: pops at the tail.
///
/// Clone it, or share it, among as many threads as you like; that asks for `T: Send` and no more.
#[cfg(feature = "alloc")]
pub struct Consumer<T> {
    ring: Arc<Shared<T>>,
}

#[cfg(feature = "alloc")]
impl<T> Consumer<T> {
    /// Moves the older half of the values, rounded up, into another queue and returns the oldest of them.
    ///
    /// This is how a thread without work steals from another: it runs the value that comes back, and the
    /// others are in its own queue by then. They arrive in the order of their age, the newest at the head.
    /// `None` means that this queue was empty at some moment during the call.
    ///
    /// - One claim takes the values, up to 256 of them (32 on targets without 64-bit atomics). So no other
    ///   thread finds half of a batch.
    /// - Never more values move than there is room for. If `into` has no free slot, or a consumer has not
    ///   yet emptied its next one, this takes one value as [`pop_tail`](Self::pop_tail) does.
    /// - If both are the same queue, this is `pop_tail`.
    ///
    /// Lock-free: one compare-exchange for all of them, retried while others change the counts.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut victim, thief) = pool_dequeue::bounded(8);
    /// victim.push_head_batch(1..=6);
    /// let (mut own, _) = pool_dequeue::bounded(8);
    /// assert_eq!(thief.steal_into(&mut own), Some(1));
    /// assert_eq!(own.pop_head(), Some(3));
    /// assert_eq!(own.pop_head(), Some(2));
    /// assert_eq!(victim.len(), 3);
    /// ```
    #[inline]
    pub fn steal_into(&self, into: &mut Producer<T>) -> Option<T> {
        // SAFETY: there is one producer handle and we have it exclusively (I4).
        unsafe { self.ring.steal_into(&**into.ring, usize::MAX) }
    }

    /// Whether the producer is gone.
    ///
    /// Nothing is pushed after that, and a pop that begins when this has returned `true` sees every push: a
    /// consumer that then finds the ring empty may stop. Wait-free: one load.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, consumer) = pool_dequeue::bounded(4);
    /// producer.push_head("last").unwrap();
    /// assert!(!consumer.is_abandoned());
    /// drop(producer);
    /// assert!(consumer.is_abandoned());
    /// assert_eq!(consumer.pop_tail(), Some("last"));
    /// ```
    #[inline]
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        // ORDERING: Acquire, pairs with the Release store in `drop` of the producer: the next look at the pushes
        // finds all of them.
        self.ring.abandoned.load(Ordering::Acquire)
    }

    /// Whether both consumers are of the same queue.
    ///
    /// Wait-free.
    #[must_use]
    pub fn same_queue(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.ring, &other.ring)
    }
}

#[cfg(feature = "alloc")]
impl<T> Clone for Consumer<T> {
    fn clone(&self) -> Self {
        Self {
            ring: self.ring.clone(),
        }
    }
}

/// The producing end of a borrowed ring, made by [`InlineRing::split`](crate::InlineRing::split): pushes
/// and pops at the head.
///
/// There is one at a time. It can move to another thread when `T: Send`, but it can be neither cloned nor
/// shared. Values left when the handles go stay in the ring.
pub struct ProducerRef<'a, T> {
    ring: RingRef<'a, T>,
    _not_sync: NotSync,
}

/// The consuming end of a borrowed ring, made by [`InlineRing::split`](crate::InlineRing::split): pops at
/// the tail.
///
/// Copy it, or share it, among as many threads as you like; that asks for `T: Send` and no more.
pub struct ConsumerRef<'a, T> {
    ring: RingRef<'a, T>,
}

impl<T> ProducerRef<'_, T> {
    /// Whether the consumer is of the same ring.
    ///
    /// Wait-free.
    #[must_use]
    pub fn same_queue(&self, consumer: &ConsumerRef<'_, T>) -> bool {
        ptr::eq(self.ring, consumer.ring)
    }
}

impl<T> ConsumerRef<'_, T> {
    /// Moves the older half of the values, rounded up, into another ring and returns the oldest of them.
    ///
    /// The others arrive in the order of their age, the newest at the head. One claim takes all of them, up
    /// to 256 (32 on targets without 64-bit atomics), and never more than there is room for: if `into` has
    /// no free slot, or a consumer has not yet emptied its next one, this takes one value as
    /// [`pop_tail`](Self::pop_tail) does. If both are the same ring, this is `pop_tail`.
    ///
    /// Lock-free: one compare-exchange for all of them, retried while others change the counts.
    #[inline]
    pub fn steal_into(&self, into: &mut ProducerRef<'_, T>) -> Option<T> {
        // SAFETY: there is one producer handle and we have it exclusively (I4).
        unsafe { self.ring.steal_into(into.ring, usize::MAX) }
    }

    /// Whether both consumers are of the same ring.
    ///
    /// Wait-free.
    #[must_use]
    pub fn same_queue(&self, other: &ConsumerRef<'_, T>) -> bool {
        ptr::eq(self.ring, other.ring)
    }
}

impl<T> Clone for ConsumerRef<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for ConsumerRef<'_, T> {}

/// The two ends of a ring whose producer the caller may appoint (I4).
pub(crate) fn ends<T>(ring: RingRef<'_, T>) -> (ProducerRef<'_, T>, ConsumerRef<'_, T>) {
    let producer = ProducerRef {
        ring,
        _not_sync: PhantomData,
    };
    (producer, ConsumerRef { ring })
}

/// What every handle can say of its ring.
macro_rules! handle {
    ($name:ident<$($arg:tt),+>) => {
        impl<T> $name<$($arg),+> {
            /// How many values the ring can hold: what was asked for, rounded up to a power of two.
            #[inline]
            #[must_use]
            pub fn capacity(&self) -> usize {
                self.ring.capacity()
            }

            /// About how many values the ring holds.
            ///
            /// Exact when no other thread changes the ring meanwhile. For the producer it is exact at some moment
            /// during the call. Wait-free: two loads.
            #[inline]
            #[must_use]
            pub fn len(&self) -> usize {
                self.ring.len()
            }

            /// Whether the ring held no value at some moment during the call.
            ///
            /// Lock-free: three loads, repeated while the producer pushes.
            #[inline]
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.ring.is_empty()
            }
        }

        impl<T> fmt::Debug for $name<$($arg),+> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))
                    .field("len", &self.len())
                    .field("capacity", &self.capacity())
                    .finish()
            }
        }
    };
}

macro_rules! producer {
    ($name:ident<$($arg:tt),+>) => {
        handle!($name<$($arg),+>);

        // The marker that takes `Sync` away takes this with it; a panic leaves a ring whole all the same.
        impl<T> RefUnwindSafe for $name<$($arg),+> {}

        impl<T> $name<$($arg),+> {
            /// Adds a value at the head.
            ///
            /// Wait-free, and no read-modify-write: a load, and stores into the slot and the producer's own memory.
            ///
            /// A push is no fence. A producer that pushes and then looks whether a consumer sleeps needs a
            /// sequentially consistent fence ([`fence`](core::sync::atomic::fence)) between the two, and so does a
            /// consumer between its note that it sleeps and its last look at the ring.
            ///
            /// # Errors
            ///
            /// [`Full`] gives the value back when the next slot is not free. A slot whose value a consumer has
            /// claimed is free when that value has been moved out and word of it has reached the producer: a
            /// few instructions later, unless the consumer was preempted there or holds a [`Batch`]. So a
            /// push may be refused for a moment although `len` is below `capacity`. Pops that happened before
            /// the push never stand in its way.
            #[inline]
            pub fn push_head(&mut self, value: T) -> Result<(), Full<T>> {
                // SAFETY: there is one producer handle and we have it exclusively (I4).
                unsafe { self.ring.push_head(value) }
            }

            /// Takes the newest value, or `None` from an empty ring.
            ///
            /// Lock-free: one compare-exchange, retried while consumers move the tail.
            #[inline]
            pub fn pop_head(&mut self) -> Option<T> {
                // SAFETY: there is one producer handle and we have it exclusively (I4).
                unsafe { self.ring.pop_head() }
            }

            /// Adds values at the head until `values` ends or the ring is full, and says how many.
            ///
            /// One store makes all of them visible: consumers see all or none. An iterator passed by
            /// reference keeps what did not fit, because it is asked for a value only when a slot is free.
            /// Wait-free apart from the iterator.
            ///
            /// # Panics
            ///
            /// If the iterator does; what it gave so far is then in the ring.
            pub fn push_head_batch<I>(&mut self, values: I) -> usize
            where
                I: IntoIterator<Item = T>,
            {
                let mut values = values.into_iter();
                // SAFETY: there is one producer handle and we have it exclusively (I4), so the iterator
                // cannot reach it either.
                unsafe { self.ring.push_head_batch(&mut values) }
            }

            /// Takes the oldest value, or `None` from an empty ring: for a producer that works first in, first
            /// out.
            ///
            /// Lock-free: one compare-exchange, retried while consumers move the tail.
            #[inline]
            pub fn pop_tail(&mut self) -> Option<T> {
                self.ring.pop_tail()
            }

            /// Takes up to `max` of the newest values, newest first.
            ///
            /// Lock-free: one compare-exchange for all of them, retried while consumers move the tail. The
            /// producer stays borrowed until the batch goes.
            #[inline]
            pub fn pop_head_batch(&mut self, max: usize) -> Batch<'_, T> {
                // SAFETY: there is one producer handle and we have it exclusively (I4).
                unsafe { self.ring.pop_head_batch(max) }
            }
        }
    };
}

macro_rules! consumer {
    ($name:ident<$($arg:tt),+>) => {
        handle!($name<$($arg),+>);

        impl<T> $name<$($arg),+> {
            /// Takes the oldest value, or `None` from an empty ring.
            ///
            /// Lock-free: one compare-exchange, retried while others change the counts.
            #[inline]
            pub fn pop_tail(&self) -> Option<T> {
                self.ring.pop_tail()
            }

            /// Takes up to `max` of the oldest values, oldest first, and never more than half of what is
            /// there, rounded up: a thief leaves its victim something. No more than 256 either (32 on targets
            /// without 64-bit atomics).
            ///
            /// Lock-free: one compare-exchange for all of them, retried while others change the counts. A
            /// producer that comes round to the batch's slots before they are taken out finds the ring full.
            #[inline]
            pub fn pop_tail_batch(&self, max: usize) -> Batch<'_, T> {
                self.ring.pop_tail_batch(max)
            }
        }
    };
}

#[cfg(feature = "alloc")]
producer!(Producer<T>);
producer!(ProducerRef<'_, T>);
#[cfg(feature = "alloc")]
consumer!(Consumer<T>);
consumer!(ConsumerRef<'_, T>);
