//! The handles: types that keep the promise of one producer, over a shared ring on the heap or a
//! borrowed one.

use core::fmt;
use core::marker::PhantomData;

use crate::error::Full;
use crate::raw::{Batch, RingRef};
#[cfg(feature = "alloc")]
use crate::{error::CapacityError, raw::BoxedRing};
#[cfg(all(feature = "alloc", not(pool_loom)))]
use alloc::sync::Arc;
#[cfg(all(feature = "alloc", pool_loom))]
use loom::sync::Arc;

/// Makes a ring for at least `capacity` values and gives out its two ends.
///
/// The capacity is rounded up to a power of two; [`Producer::capacity`] says what you got.
///
/// # Panics
///
/// On a capacity of zero or above [`MAX_CAPACITY`](crate::MAX_CAPACITY), or when the allocator has no
/// room; [`try_bounded`] returns these as errors.
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
/// allocator has no room.
///
/// # Examples
///
/// ```
/// use pool_dequeue::{CapacityError, try_bounded};
///
/// let (producer, _consumer) = try_bounded::<u8>(5).unwrap();
/// assert_eq!(producer.capacity(), 8);
/// assert_eq!(try_bounded::<u8>(0).unwrap_err(), CapacityError::Zero);
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
    let ring = Arc::new(BoxedRing::boxed_at(capacity, origin)?);
    let consumer = Consumer { ring: ring.clone() };
    Ok((
        Producer {
            ring,
            _single: PhantomData,
        },
        consumer,
    ))
}

/// Makes a type `Send` where its contents are, and never `Sync`: the producer is one thread at a time.
type Single = PhantomData<core::cell::Cell<()>>;

/// The producing end of a ring made by [`bounded`]: pushes and pops at the head.
///
/// There is one. It can move to another thread, but it cannot be cloned or shared.
#[cfg(feature = "alloc")]
pub struct Producer<T> {
    ring: Arc<BoxedRing<T>>,
    _single: Single,
}

/// The consuming end of a ring made by [`bounded`]: pops at the tail.
///
/// Clone it or share it with as many threads as you like.
#[cfg(feature = "alloc")]
pub struct Consumer<T> {
    ring: Arc<BoxedRing<T>>,
}

#[cfg(feature = "alloc")]
impl<T> Clone for Consumer<T> {
    fn clone(&self) -> Self {
        Self {
            ring: self.ring.clone(),
        }
    }
}

/// The producing end of a borrowed ring, made by [`InlineRing::split`](crate::InlineRing::split).
///
/// There is one at a time. It can move to another thread, but it cannot be cloned or shared.
pub struct ProducerRef<'a, T> {
    ring: RingRef<'a, T>,
    _single: Single,
}

/// The consuming end of a borrowed ring, made by [`InlineRing::split`](crate::InlineRing::split).
///
/// Copy it or share it with as many threads as you like.
pub struct ConsumerRef<'a, T> {
    ring: RingRef<'a, T>,
}

impl<T> Clone for ConsumerRef<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for ConsumerRef<'_, T> {}

/// The two ends of a ring that the caller has exclusively.
pub(crate) fn ends<'a, T>(ring: RingRef<'a, T>) -> (ProducerRef<'a, T>, ConsumerRef<'a, T>) {
    (
        ProducerRef {
            ring,
            _single: PhantomData,
        },
        ConsumerRef { ring },
    )
}

/// What both ends can say of their ring.
macro_rules! observers {
    ($name:literal) => {
        /// How many values the ring can hold: what was asked for, rounded up to a power of two.
        #[inline]
        #[must_use]
        pub fn capacity(&self) -> usize {
            self.ring.capacity()
        }

        /// How many values the ring held at some moment during the call. Wait-free: one load.
        #[inline]
        #[must_use]
        pub fn len(&self) -> usize {
            self.ring.len()
        }

        /// Whether the ring was empty at some moment during the call. Wait-free: one load.
        #[inline]
        #[must_use]
        pub fn is_empty(&self) -> bool {
            self.ring.is_empty()
        }

        fn debug(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct($name)
                .field("len", &self.len())
                .field("capacity", &self.capacity())
                .finish()
        }
    };
}

macro_rules! producer {
    ($($head:tt)*) => {
        $($head)* {
            /// Adds a value at the head.
            ///
            /// Wait-free: a load, a store into the slot and one atomic addition.
            ///
            /// # Errors
            ///
            /// [`Full`] gives the value back when no slot is free. A slot whose value a consumer has claimed
            /// and not yet moved out counts as full; the consumer is a few instructions from done, or has
            /// been preempted there.
            #[inline]
            pub fn push_head(&mut self, value: T) -> Result<(), Full<T>> {
                // SAFETY: there is one producer handle and we have it exclusively (I4).
                unsafe { self.ring.push_head(value) }
            }

            /// Takes the newest value.
            ///
            /// Lock-free: one compare-exchange, retried while consumers move the tail.
            #[inline]
            pub fn pop_head(&mut self) -> Option<T> {
                // SAFETY: there is one producer handle and we have it exclusively (I4).
                unsafe { self.ring.pop_head() }
            }

            /// Adds values at the head until `values` ends or the ring is full, and says how many.
            ///
            /// One atomic addition for all of them; consumers see all or none. An iterator passed by
            /// reference keeps what did not fit: it is asked for a value only when a slot is free. If it
            /// panics, what it gave so far is in the ring.
            pub fn push_head_batch<I>(&mut self, values: I) -> usize
            where
                I: IntoIterator<Item = T>,
            {
                let mut values = values.into_iter();
                // SAFETY: there is one producer handle and we have it exclusively (I4), so the iterator
                // cannot reach it either.
                unsafe { self.ring.push_head_batch(&mut values) }
            }

            /// Takes up to `max` of the newest values, newest first.
            ///
            /// Lock-free: one compare-exchange for all of them.
            #[inline]
            pub fn pop_head_batch(&mut self, max: usize) -> Batch<'_, T> {
                // SAFETY: there is one producer handle, and the batch keeps it borrowed (I4).
                unsafe { self.ring.pop_head_batch(max) }
            }
        }
    };
}

macro_rules! consumer {
    ($($head:tt)*) => {
        $($head)* {
            /// Takes the oldest value.
            ///
            /// Lock-free: one compare-exchange, retried while others move an index.
            #[inline]
            pub fn pop_tail(&self) -> Option<T> {
                self.ring.pop_tail()
            }

            /// Takes up to `max` of the oldest values, oldest first, and never more than half of what is
            /// there, rounded up.
            ///
            /// Lock-free: one compare-exchange for all of them. A producer that comes round to the batch's
            /// slots before they are taken out finds the ring full.
            #[inline]
            pub fn pop_tail_batch(&self, max: usize) -> Batch<'_, T> {
                self.ring.pop_tail_batch(max)
            }
        }
    };
}

#[cfg(feature = "alloc")]
producer!(impl<T> Producer<T>);
#[cfg(feature = "alloc")]
impl<T> Producer<T> {
    observers!("Producer");
}
producer!(impl<T> ProducerRef<'_, T>);
impl<T> ProducerRef<'_, T> {
    observers!("ProducerRef");
}
#[cfg(feature = "alloc")]
consumer!(impl<T> Consumer<T>);
#[cfg(feature = "alloc")]
impl<T> Consumer<T> {
    observers!("Consumer");
}
consumer!(impl<T> ConsumerRef<'_, T>);
impl<T> ConsumerRef<'_, T> {
    observers!("ConsumerRef");
}

macro_rules! debug {
    ($($head:tt)*) => {
        $($head)* {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.debug(f)
            }
        }
    };
}

#[cfg(feature = "alloc")]
debug!(impl<T> fmt::Debug for Producer<T>);
#[cfg(feature = "alloc")]
debug!(impl<T> fmt::Debug for Consumer<T>);
debug!(impl<T> fmt::Debug for ProducerRef<'_, T>);
debug!(impl<T> fmt::Debug for ConsumerRef<'_, T>);
