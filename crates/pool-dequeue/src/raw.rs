//! The ring itself, with a shared `&self` for every operation: what the handles and the layers above
//! are made of.
//!
//! The algorithm is `poolDequeue` of Go's `sync/poolqueue.go`; the [design page](crate::design) says why
//! it holds. Use this form when one producer *at a time* is all that you can promise, for example because
//! a claim flag decides who it is; everybody else wants `bounded` or [`InlineRing`](crate::InlineRing),
//! whose handles keep the promise by their types.
//!
//! ```
//! # #[cfg(feature = "alloc")] {
//! use pool_dequeue::raw::BoxedRing;
//!
//! let ring = BoxedRing::boxed(4)?;
//! // SAFETY: this thread alone calls the `*_head*` methods.
//! unsafe { ring.push_head(1) }?;
//! assert_eq!(ring.pop_tail(), Some(1));
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use core::fmt;
use core::iter::FusedIterator;
use core::marker::PhantomData;
use core::mem;

#[cfg(feature = "alloc")]
use {crate::error::CapacityError, alloc::boxed::Box, core::num::NonZero};

use crate::error::Full;
use crate::index::{AtomicWord, Indices, MAX_CAPACITY};
pub use crate::slot::Slot;
use crate::sync::{Ordering, const_unless_loom};

/// Where a ring's slots live: a boxed slice, an array, or a slice behind a reference to either.
///
/// # Safety
///
/// `slots` returns the same slice every time, its length a power of two and at most
/// [`MAX_CAPACITY`].
pub unsafe trait Slots<T>: sealed::Sealed {
    /// The slots.
    #[doc(hidden)]
    fn slots(&self) -> &[Slot<T>];
}

mod sealed {
    pub trait Sealed {}
}

impl<T> sealed::Sealed for [Slot<T>] {}
// SAFETY: the slice itself; `Ring` makes none whose length is not an allowed power of two (I5).
unsafe impl<T> Slots<T> for [Slot<T>] {
    #[inline(always)]
    fn slots(&self) -> &[Slot<T>] {
        self
    }
}

impl<T, const N: usize> sealed::Sealed for [Slot<T>; N] {}
// SAFETY: an array is one slice for ever; `Ring::inline` checks the length at compile time (I5).
unsafe impl<T, const N: usize> Slots<T> for [Slot<T>; N] {
    #[inline(always)]
    fn slots(&self) -> &[Slot<T>] {
        self
    }
}

#[cfg(feature = "alloc")]
impl<T> sealed::Sealed for Box<[Slot<T>]> {}
// SAFETY: a box points at one slice for ever; `Ring::boxed` checks the length (I5).
#[cfg(feature = "alloc")]
unsafe impl<T> Slots<T> for Box<[Slot<T>]> {
    #[inline(always)]
    fn slots(&self) -> &[Slot<T>] {
        self
    }
}

/// A cache line of its own, so that moving an index does not evict the slots' address.
///
/// 128 bytes where the prefetcher pulls lines in pairs or lines are that long; a word on small
/// machines, which have no such caches.
#[cfg_attr(
    any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "powerpc64"
    ),
    repr(align(128))
)]
#[cfg_attr(
    not(any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "powerpc64"
    )),
    cfg_attr(target_pointer_width = "64", repr(align(64)))
)]
struct OwnLine<W>(W);

/// A ring whose producer is named by the caller instead of by a handle.
///
/// Pushes and pops at the head are `unsafe`: there may be one producer at a time. Pops at the tail are
/// anybody's. Dropping the ring drops what is left in it, each value once, even when one of the
/// destructors panics.
pub struct Ring<T, S: ?Sized + Slots<T>> {
    indices: OwnLine<AtomicWord>,
    /// The ring owns slots, and like them is shared between threads when `T: Send`: no `&T` is ever lent.
    _slots: PhantomData<Slot<T>>,
    storage: S,
}

/// A ring on the heap.
#[cfg(feature = "alloc")]
pub type BoxedRing<T> = Ring<T, Box<[Slot<T>]>>;

/// A ring seen without its length in the type.
pub type RingRef<'a, T> = &'a Ring<T, [Slot<T>]>;

#[cfg(feature = "alloc")]
impl<T> BoxedRing<T> {
    /// A ring for at least `capacity` values, rounded up to a power of two.
    ///
    /// # Errors
    ///
    /// A capacity of zero or above [`MAX_CAPACITY`], or an allocator without room. Nothing aborts.
    pub fn boxed(capacity: usize) -> Result<Self, CapacityError> {
        Self::boxed_at(capacity, 0)
    }

    /// The same with the first index given, so that a test can start just below the wrap.
    #[doc(hidden)]
    pub fn boxed_at(capacity: usize, origin: u32) -> Result<Self, CapacityError> {
        let slots = check_capacity(capacity)?;
        let storage =
            Slot::boxed(slots).ok_or(CapacityError::OutOfMemory { slots: slots.get() })?;
        Ok(Self {
            indices: OwnLine(AtomicWord::new(Indices::empty_at(origin).pack())),
            _slots: PhantomData,
            storage,
        })
    }
}

impl<T, const N: usize> Ring<T, [Slot<T>; N]> {
    /// Fails the build of a length that no ring can have.
    const LENGTH_IS_ALLOWED: () = {
        assert!(
            N.is_power_of_two(),
            "the length of an inline ring must be a power of two"
        );
        assert!(
            N <= MAX_CAPACITY,
            "the length of an inline ring must be at most MAX_CAPACITY"
        );
    };

    const_unless_loom! {
        /// A ring whose slots lie in the ring itself.
        pub const fn inline() -> Self {
            Self::inline_at(0)
        }
    }

    const_unless_loom! {
        /// The same with the first index given, so that a test can start just below the wrap.
        #[doc(hidden)]
        pub const fn inline_at(origin: u32) -> Self {
            const { Self::LENGTH_IS_ALLOWED };
            Self {
                indices: OwnLine(AtomicWord::new(Indices::empty_at(origin).pack())),
                _slots: PhantomData,
                storage: empty_slots(),
            }
        }
    }
}

#[cfg(not(pool_loom))]
const fn empty_slots<T, const N: usize>() -> [Slot<T>; N] {
    [const { Slot::new() }; N]
}

#[cfg(pool_loom)]
fn empty_slots<T, const N: usize>() -> [Slot<T>; N] {
    core::array::from_fn(|_| Slot::new())
}

/// Rounds a capacity up to what a ring can have.
#[cfg(feature = "alloc")]
fn check_capacity(capacity: usize) -> Result<NonZero<usize>, CapacityError> {
    let given = NonZero::new(capacity).ok_or(CapacityError::Zero)?;
    given
        .checked_next_power_of_two()
        .filter(|slots| slots.get() <= MAX_CAPACITY)
        .ok_or(CapacityError::TooLarge {
            given: capacity,
            max: MAX_CAPACITY,
        })
}

impl<T, S: ?Sized + Slots<T>> Ring<T, S> {
    /// The slot of an index.
    #[inline(always)]
    fn slot(&self, index: usize) -> &Slot<T> {
        slot(self.storage.slots(), index)
    }

    /// How many values the ring can hold.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.storage.slots().len()
    }

    #[inline(always)]
    fn indices(&self) -> Indices {
        // ORDERING: Relaxed. No value is read on the strength of this load. The producer knows its own head,
        // which only it moves; a stale tail makes it see a fuller ring than there is, and whether a slot is
        // really free is said by the slot's flag (`is_full`). A claim is decided by its compare-exchange.
        Indices::unpack(self.indices.0.load(Ordering::Relaxed))
    }

    /// How many values the ring holds: a snapshot of both indices at one moment, which other threads may
    /// already have changed. Wait-free: one load.
    #[inline]
    pub fn len(&self) -> usize {
        self.indices().len()
    }

    /// Whether the ring holds no value: a snapshot, as [`len`](Self::len). Wait-free: one load.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.indices().is_empty()
    }

    /// Adds a value at the head. Wait-free: one atomic addition.
    ///
    /// # Errors
    ///
    /// [`Full`] gives the value back when the next slot is not free. A slot whose value a consumer has
    /// claimed is free when that value has been moved out and word of it has reached the producer.
    ///
    /// # Safety
    ///
    /// One producer at a time: no other call of a `*_head*` method of this ring runs at the same time, and
    /// each earlier one happened before this one.
    #[inline]
    pub unsafe fn push_head(&self, value: T) -> Result<(), Full<T>> {
        let indices = self.indices();
        if indices.len() == self.capacity() {
            return Err(Full(value));
        }
        let slot = self.slot(indices.head());
        if slot.is_full() {
            return Err(Full(value));
        }
        // SAFETY: we are the producer (the caller's promise); the head's slot is outside `[tail, head)`
        // because the ring is not full, and stays so, because only we move the head forward; its flag is
        // false.
        unsafe { slot.fill(value) };
        self.publish(1);
        Ok(())
    }

    /// Adds values at the head until the iterator ends or the ring is full; says how many. Wait-free apart
    /// from the iterator: one atomic addition for all of them, so consumers see all or none.
    ///
    /// The iterator is asked for a value only when there is a slot for it. If it panics, what it gave so
    /// far is in the ring.
    ///
    /// # Safety
    ///
    /// As [`push_head`](Self::push_head). The call lasts while the iterator runs, so the iterator must not
    /// push or pop at the head of this ring.
    pub unsafe fn push_head_batch<I>(&self, values: &mut I) -> usize
    where
        I: Iterator<Item = T> + ?Sized,
    {
        /// Publishes what was written, also when the iterator panics.
        struct Written<'a, T, S: ?Sized + Slots<T>> {
            ring: &'a Ring<T, S>,
            count: usize,
        }
        impl<T, S: ?Sized + Slots<T>> Drop for Written<'_, T, S> {
            fn drop(&mut self) {
                if self.count != 0 {
                    self.ring.publish(self.count);
                }
            }
        }

        let indices = self.indices();
        let free = self.capacity() - indices.len();
        let mut written = Written {
            ring: self,
            count: 0,
        };
        while written.count < free {
            let slot = self.slot(indices.head().wrapping_add(written.count));
            if slot.is_full() {
                break;
            }
            let Some(value) = values.next() else { break };
            // SAFETY: we are the producer (the caller's promise); `count < free` keeps the slot outside
            // `[tail, head)`, whose tail can only have moved away from it since; its flag is false.
            unsafe { slot.fill(value) };
            written.count += 1;
        }
        written.count
    }

    /// Makes the `count` slots behind the head visible.
    #[inline(always)]
    fn publish(&self, count: usize) {
        // ORDERING: Release, pairs with the Acquire compare-exchange in `claim_tail`: whoever claims one of
        // these slots sees the value in it. Weaker, and a consumer could read the slot's old bytes. The word
        // is changed by read-modify-writes alone (I7), so later ones continue this release sequence instead
        // of ending it. Not Acquire: we read nothing that a consumer wrote on the strength of it.
        self.indices
            .0
            .fetch_add(Indices::head_step(count), Ordering::Release);
    }

    /// Takes the newest value, if there is one. Lock-free: one compare-exchange, retried while consumers
    /// move the tail.
    ///
    /// # Safety
    ///
    /// As [`push_head`](Self::push_head).
    #[inline]
    pub unsafe fn pop_head(&self) -> Option<T> {
        let claimed = self.claim_head(|_| 1)?;
        // SAFETY: `claim_head` moved the head back over this slot, so it is ours (I2); we take it once.
        Some(unsafe { self.slot(claimed.first).take() })
    }

    /// Takes up to `max` of the newest values, newest first. Lock-free: one compare-exchange for all of
    /// them, retried while consumers move the tail.
    ///
    /// The slots are the batch's until it is used up or dropped; a push before that finds the ring full.
    ///
    /// # Safety
    ///
    /// As [`push_head`](Self::push_head), for the call alone: the batch that it returns has nothing to do
    /// with the head any more, and may be used while others push.
    pub unsafe fn pop_head_batch(&self, max: usize) -> Batch<'_, T> {
        let claimed = if max == 0 {
            None
        } else {
            self.claim_head(|len| len.min(max))
        };
        self.batch(claimed, Order::NewestFirst)
    }

    /// Takes the oldest value, if there is one. Any thread. Lock-free: one compare-exchange, retried while
    /// others move an index.
    #[inline]
    pub fn pop_tail(&self) -> Option<T> {
        let claimed = self.claim_tail(|_| 1)?;
        // SAFETY: `claim_tail` moved the tail over this slot, so it is ours (I2); we take it once.
        Some(unsafe { self.slot(claimed.first).take() })
    }

    /// Takes up to `max` of the oldest values, oldest first, and never more than half of what is there,
    /// rounded up: a thief leaves its victim something. Any thread. Lock-free: one compare-exchange for all
    /// of them, retried while others move an index.
    ///
    /// The slots are the batch's until it is used up or dropped; a producer that comes round to them before
    /// that finds the ring full.
    pub fn pop_tail_batch(&self, max: usize) -> Batch<'_, T> {
        let claimed = if max == 0 {
            None
        } else {
            self.claim_tail(|len| len.div_ceil(2).min(max))
        };
        self.batch(claimed, Order::OldestFirst)
    }

    /// Moves the head back over as many values as `count` says for the length found.
    #[inline(always)]
    fn claim_head(&self, count: impl Fn(usize) -> usize) -> Option<Claim> {
        let mut now = self.indices();
        loop {
            if now.is_empty() {
                return None;
            }
            let count = count(now.len());
            let then = now.head_back(count);
            // ORDERING: Relaxed both ways. The values were written by the producer, which is us, so there is
            // nobody to synchronise with; that we alone get them is a matter of atomicity. As a
            // read-modify-write this continues the release sequences of earlier `publish` calls, so a
            // consumer whose claim reads our word still sees the values below it (I7).
            match self.indices.0.compare_exchange_weak(
                now.pack(),
                then.pack(),
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => {
                    return Some(Claim {
                        first: then.head(),
                        count,
                    });
                }
                Err(word) => now = Indices::unpack(word),
            }
        }
    }

    /// Moves the tail over as many values as `count` says for the length found.
    #[inline(always)]
    fn claim_tail(&self, count: impl Fn(usize) -> usize) -> Option<Claim> {
        let mut now = self.indices();
        loop {
            if now.is_empty() {
                return None;
            }
            let count = count(now.len());
            // However long we slept since the load, the exchange succeeds only on this very pair of
            // indices, and the pair alone says which slots hold values (I1): a wrapped word is no trap.
            //
            // ORDERING: Acquire on success, pairs with the Release addition in `publish`: the values of the
            // claimed slots are visible. Weaker, and we could read a slot before its value arrives. Not
            // Release: what we do next is handed back through the slot's flag, in `take`. Relaxed on failure:
            // only the next attempt uses the word.
            match self.indices.0.compare_exchange_weak(
                now.pack(),
                now.tail_forward(count).pack(),
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => {
                    return Some(Claim {
                        first: now.tail(),
                        count,
                    });
                }
                Err(word) => now = Indices::unpack(word),
            }
        }
    }

    fn batch(&self, claimed: Option<Claim>, order: Order) -> Batch<'_, T> {
        let Claim { first, count } = claimed.unwrap_or(Claim { first: 0, count: 0 });
        Batch {
            slots: self.storage.slots(),
            first,
            count,
            order,
        }
    }
}

/// A run of slots that an index has just been moved over.
struct Claim {
    /// The index of the oldest.
    first: usize,
    count: usize,
}

/// The slot of an index.
#[inline(always)]
fn slot<T>(slots: &[Slot<T>], index: usize) -> &Slot<T> {
    // SAFETY: the number of slots is a power of two (I5), so at least one, and the mask keeps the index
    // below it.
    unsafe { slots.get_unchecked(index & (slots.len() - 1)) }
}

impl<T, S: ?Sized + Slots<T>> Drop for Ring<T, S> {
    fn drop(&mut self) {
        if mem::needs_drop::<T>() {
            // One claim for everything, before the first destructor runs: the batch sees to it that each
            // value is dropped once whatever a destructor does.
            drop(self.batch(self.claim_tail(|len| len), Order::OldestFirst));
        }
    }
}

impl<T, S: ?Sized + Slots<T>> fmt::Debug for Ring<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}

/// Values claimed together, moved out of their slots one by one.
///
/// Each value's slot is free again as soon as the value is out. Dropping the batch drops the values not yet
/// taken, each once, even when one of the destructors panics. Forgetting it (`mem::forget`) leaks them and
/// their slots: the producer finds the ring full when it comes round to them, for ever.
#[must_use = "dropping a batch drops the values in it"]
pub struct Batch<'a, T> {
    slots: &'a [Slot<T>],
    /// The index of the oldest value left.
    first: usize,
    /// How many values are left.
    count: usize,
    order: Order,
}

#[derive(Clone, Copy)]
enum Order {
    OldestFirst,
    NewestFirst,
}

impl<T> Iterator for Batch<'_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        // The count goes down before the value is handed out, so no value leaves twice.
        self.count = self.count.checked_sub(1)?;
        let index = match self.order {
            Order::OldestFirst => {
                let index = self.first;
                self.first = index.wrapping_add(1);
                index
            }
            Order::NewestFirst => self.first.wrapping_add(self.count),
        };
        // SAFETY: the batch's claim moved an index over the `count` slots from `first`, so they are the
        // batch's (I2), and the lines above took this one out of that run, so it is taken once.
        Some(unsafe { slot(self.slots, index).take() })
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.count, Some(self.count))
    }
}

impl<T> ExactSizeIterator for Batch<'_, T> {}
impl<T> FusedIterator for Batch<'_, T> {}

impl<T> Drop for Batch<'_, T> {
    fn drop(&mut self) {
        /// Drops the rest when a destructor has panicked.
        struct Rest<'a, 'b, T>(&'a mut Batch<'b, T>);
        impl<T> Drop for Rest<'_, '_, T> {
            fn drop(&mut self) {
                self.0.by_ref().for_each(drop);
            }
        }

        let rest = Rest(self);
        rest.0.by_ref().for_each(drop);
    }
}

impl<T> fmt::Debug for Batch<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("len", &self.count)
            .finish_non_exhaustive()
    }
}
