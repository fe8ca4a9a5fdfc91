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
use core::panic::{RefUnwindSafe, UnwindSafe};
use core::ptr;

#[cfg(feature = "alloc")]
use {crate::error::CapacityError, alloc::boxed::Box, core::num::NonZero};

use crate::error::Full;
use crate::index::{AtomicWord, Counts, MAX_CAPACITY, MAX_CLAIM, UNSUSPICIOUS, ahead, head};
use crate::pushes::Pushes;
pub use crate::slot::Slot;
use crate::sync::{Ordering, UnsafeCell, const_unless_loom, spin_loop};

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

/// A cache line of its own, so that a thief's claim does not evict what the producer writes.
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

/// What the producer alone writes.
struct Pushed {
    /// How many values were ever pushed.
    pushes: Pushes,
    /// The pops of the shared word, which only the producer changes. So a push need not look at the word,
    /// whose line thieves pull away. Nobody else reads it (I4).
    pops: UnsafeCell<u32>,
}

// SAFETY: `pops` is reached by the producer alone, one at a time, each after the one before (I4).
unsafe impl Sync for Pushed {}
impl UnwindSafe for Pushed {}
impl RefUnwindSafe for Pushed {}

impl Pushed {
    const_unless_loom! {
        const fn new(counts: Counts, pushes: u64) -> Self {
            Self { pushes: Pushes::new(pushes), pops: UnsafeCell::new(counts.pops()) }
        }
    }

    /// The index of the next push.
    ///
    /// # Safety
    ///
    /// The caller is the producer.
    #[inline(always)]
    unsafe fn head(&self) -> usize {
        let pops = self.pops.with(|pops| {
            // SAFETY: nobody else is at it (I4, the caller's promise).
            unsafe { *pops }
        });
        head(self.pushes.own(), pops) as usize
    }

    /// Enters the pops that the shared word has by now.
    ///
    /// # Safety
    ///
    /// The caller is the producer.
    #[inline(always)]
    unsafe fn popped(&self, count: u32) {
        self.pops.with_mut(|pops| {
            // SAFETY: nobody else is at it (I4, the caller's promise).
            unsafe { *pops = count }
        });
    }
}

/// A ring whose producer is named by the caller instead of by a handle.
///
/// Pushes and pops at the head are `unsafe`: there may be one producer at a time. Pops at the tail are
/// anybody's. Dropping the ring drops the values in it, each once, even when one of the destructors
/// panics.
#[repr(C)]
pub struct Ring<T, S: ?Sized + Slots<T>> {
    /// Pops and steals. Whoever takes values changes it.
    counts: OwnLine<AtomicWord>,
    pushed: Pushed,
    /// The ring owns slots, and like them is shared between threads when `T: Send`: no `&T` is ever lent.
    _slots: PhantomData<Slot<T>>,
    /// In the producer's line, if it is a pointer: who looks at it looks at the pushes, too.
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
        let mut storage =
            Slot::boxed(slots).ok_or(CapacityError::OutOfMemory { slots: slots.get() })?;
        if origin != 0 {
            for (place, slot) in storage.iter_mut().enumerate() {
                slot.begin(first_is_odd(place, slots.get(), origin));
            }
        }
        let (counts, pushes) = start(origin);
        Ok(Self {
            counts: OwnLine(AtomicWord::new(counts.pack())),
            pushed: Pushed::new(counts, pushes),
            _slots: PhantomData,
            storage,
        })
    }
}

/// Whether the first lap that reaches a place is an odd one, in a ring that begins at an index.
const fn first_is_odd(place: usize, slots: usize, origin: u32) -> bool {
    let origin = origin as usize;
    let index = origin.wrapping_add(place.wrapping_sub(origin) & (slots - 1));
    index & slots != 0
}

/// The counts of a ring that begins at an index: both halves of the word there, and twice as many pushes.
const fn start(origin: u32) -> (Counts, u64) {
    (Counts::both_at(origin), 2 * origin as u64)
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
            let (counts, pushes) = start(origin);
            Self {
                counts: OwnLine(AtomicWord::new(counts.pack())),
                pushed: Pushed::new(counts, pushes),
                _slots: PhantomData,
                storage: empty_slots(origin),
            }
        }
    }
}

#[cfg(not(pool_loom))]
const fn empty_slots<T, const N: usize>(origin: u32) -> [Slot<T>; N] {
    let mut slots = [const { Slot::new(false) }; N];
    let mut place = 0;
    while place < N && origin != 0 {
        slots[place] = Slot::new(first_is_odd(place, N, origin));
        place += 1;
    }
    slots
}

#[cfg(pool_loom)]
fn empty_slots<T, const N: usize>(origin: u32) -> [Slot<T>; N] {
    core::array::from_fn(|place| Slot::new(first_is_odd(place, N, origin)))
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
    /// The slot of an index, and whether the index is of an odd lap.
    #[inline(always)]
    fn slot(&self, index: usize) -> (&Slot<T>, bool) {
        slot(self.storage.slots(), index)
    }

    /// How many values the ring can hold.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.storage.slots().len()
    }

    /// The shared word, for the producer.
    #[inline(always)]
    fn counts(&self) -> Counts {
        // ORDERING: Relaxed. The producer wrote the values itself and knows its pushes and pops; an old count of
        // steals makes it try a claim that fails.
        Counts::unpack(self.counts.0.load(Ordering::Relaxed))
    }

    /// The shared word, for those who compare it with the pushes.
    #[inline(always)]
    fn counts_of_others(&self) -> Counts {
        // ORDERING: Acquire, pairs with the Release of `claim_head` and `try_claim_tail`: who sees a claim sees, at
        // its next look, the pushes that its author knew of. Weaker, and "empty" could be said of a ring that
        // never was.
        Counts::unpack(self.counts.0.load(Ordering::Acquire))
    }

    /// The pushes and the shared word of one moment.
    #[inline]
    fn snapshot(&self) -> (u64, Counts) {
        let mut pushes = self.pushed.pushes.load();
        loop {
            let counts = self.counts_of_others();
            let after = self.pushed.pushes.load();
            if pushes == after {
                return (pushes, counts);
            }
            // The producer has pushed.
            pushes = after;
        }
    }

    /// About how many values the ring holds. Wait-free: two loads.
    ///
    /// Exact when nobody changes the ring meanwhile; for the producer exact at some moment during the call.
    #[inline]
    pub fn len(&self) -> usize {
        let pushes = self.pushed.pushes.load();
        let len = self.counts_of_others().len(pushes).max(0) as usize;
        len.min(self.capacity())
    }

    /// Whether the ring held no value at some moment during the call. Lock-free: three loads, repeated
    /// while the producer pushes.
    #[inline]
    pub fn is_empty(&self) -> bool {
        let (pushes, counts) = self.snapshot();
        counts.len(pushes) <= 0
    }

    /// Whether the ring is empty for good, provided that the last push happened before. Any thread.
    ///
    /// May say no of a ring that is: when somebody else takes from it meanwhile. When it says yes, all
    /// values were claimed, and no thief that gives tickets back ([design page](crate::design)) can make
    /// one visible that it does not take itself. One compare-exchange, which changes nothing: this is what
    /// an unlinked ring needs and `is_empty` does not give.
    pub fn is_drained(&self) -> bool {
        let (pushes, counts) = self.snapshot();
        // ORDERING: Release, pairs with the Acquire exchange in `settle`: who gives tickets back later knows of
        // every push that we know of. Not Acquire: nothing is read after it. Relaxed on failure: the value is not
        // used.
        counts.len(pushes) <= 0
            && self
                .counts
                .0
                .compare_exchange(
                    counts.pack(),
                    counts.pack(),
                    Ordering::Release,
                    Ordering::Relaxed,
                )
                .is_ok()
    }

    /// Adds a value at the head. Wait-free: plain loads and stores.
    ///
    /// A push is no fence: who pushes and then looks whether somebody sleeps needs a sequentially consistent
    /// fence between the two.
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
        // SAFETY: we are the producer (the caller's promise).
        let head = unsafe { self.pushed.head() };
        let (slot, odd) = self.slot(head);
        if !slot.is_free(odd) {
            return Err(Full(value));
        }
        // SAFETY: we are the producer (the caller's promise), the slot is the head's, and it is free.
        unsafe { slot.fill(value) };
        self.pushed.pushes.add(1);
        Ok(())
    }

    /// Adds values at the head until the iterator ends or the ring is full; says how many. Wait-free apart
    /// from the iterator: one store makes all of them visible, so consumers see all or none.
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
                    self.ring.pushed.pushes.add(self.count);
                }
            }
        }

        // SAFETY: we are the producer (the caller's promise).
        let head = unsafe { self.pushed.head() };
        let mut written = Written {
            ring: self,
            count: 0,
        };
        loop {
            // A slot that we have filled is not free: it waits for its lap to be taken.
            let (slot, odd) = self.slot(head.wrapping_add(written.count));
            if !slot.is_free(odd) {
                break;
            }
            let Some(value) = values.next() else { break };
            // SAFETY: we are the producer (the caller's promise), the slot lies beyond the head, and it is free and
            // stays so until we make its value visible.
            unsafe { slot.fill(value) };
            written.count += 1;
        }
        written.count
    }

    /// Takes the newest value, if there is one. Lock-free: one compare-exchange, retried while consumers
    /// move the tail.
    ///
    /// # Safety
    ///
    /// As [`push_head`](Self::push_head).
    #[inline]
    pub unsafe fn pop_head(&self) -> Option<T> {
        // SAFETY: we are the producer (the caller's promise).
        let claimed = unsafe { self.claim_head(|_| 1) }?;
        // SAFETY: `claim_head` moved the head back over this slot, so it is ours (I2); we read it once, and push
        // nothing before.
        Some(unsafe { self.slot(claimed.first).0.read() })
    }

    /// Takes up to `max` of the newest values, newest first. Lock-free: one compare-exchange for all of
    /// them, retried while consumers move the tail.
    ///
    /// # Safety
    ///
    /// As [`push_head`](Self::push_head). The slots are the batch's: nothing may be pushed before it is used
    /// up, dropped or forgotten.
    pub unsafe fn pop_head_batch(&self, max: usize) -> Batch<'_, T> {
        let claimed = if max == 0 {
            None
        } else {
            // SAFETY: we are the producer (the caller's promise).
            unsafe { self.claim_head(|len| len.min(max)) }
        };
        self.batch(claimed, Order::NewestFirst)
    }

    /// Takes the oldest value, if there is one. Any thread. Lock-free: one compare-exchange, retried while
    /// others change the counts.
    #[inline]
    pub fn pop_tail(&self) -> Option<T> {
        let claimed = self.claim_tail(|_| 1)?;
        let (slot, odd) = self.slot(claimed.first);
        // SAFETY: `claim_tail` moved the tail over this slot, so it is ours (I2); we take it once.
        Some(unsafe { slot.take(odd) })
    }

    /// Takes up to `max` of the oldest values, oldest first, and never more than half of what is there,
    /// rounded up: a thief leaves its victim something. No more than 256 either (32 where the target has no
    /// 64-bit atomics). Any thread. Lock-free: one compare-exchange for all of them, retried while others
    /// change the counts.
    ///
    /// The slots are the batch's until it is used up or dropped; a producer that comes round to them before
    /// that finds the ring full.
    pub fn pop_tail_batch(&self, max: usize) -> Batch<'_, T> {
        let claimed = if max == 0 {
            None
        } else {
            self.claim_tail(|len| half(len).min(max))
        };
        self.batch(claimed, Order::OldestFirst)
    }

    /// Moves the older half of the values, rounded up, to the head of another ring and gives the oldest of
    /// them back. Any thread, as far as this ring goes. Lock-free: one compare-exchange for all of them,
    /// retried while others change the counts.
    ///
    /// Never more move than fit, nor more than `max`: without a free slot in `into` one value comes back, and none moves. They
    /// arrive in the order of their age, the newest at the head. No more than 256 are claimed (32 where the
    /// target has no 64-bit atomics). If both are the same ring, this is [`pop_tail`](Self::pop_tail).
    ///
    /// # Safety
    ///
    /// As [`push_head`](Self::push_head), for the ring `into`.
    pub unsafe fn steal_into<D: ?Sized + Slots<T>>(
        &self,
        into: &Ring<T, D>,
        max: usize,
    ) -> Option<T> {
        if ptr::addr_eq(&raw const self.counts, &raw const into.counts) {
            return self.pop_tail();
        }
        // SAFETY: we are the producer of `into` (the caller's promise).
        let head = unsafe { into.pushed.head() };
        // One comes back.
        let wanted = half(self.len()).min(MAX_CLAIM).saturating_sub(1).min(max);
        let room = into.free(head, wanted);
        let claimed = self.claim_tail(|len| half(len).min(1 + room))?;
        let take = |index| {
            let (slot, odd) = self.slot(claimed.first.wrapping_add(index));
            // SAFETY: `claim_tail` moved the tail over these slots, so they are ours (I2); we take each once.
            unsafe { slot.take(odd) }
        };
        let oldest = take(0);
        for index in 1..claimed.count {
            let (slot, _) = into.slot(head.wrapping_add(index - 1));
            // SAFETY: we are the producer of `into`; so many slots from its head were free, and stay so until we
            // fill them.
            unsafe { slot.fill(take(index)) };
        }
        if claimed.count > 1 {
            into.pushed.pushes.add(claimed.count - 1);
        }
        Some(oldest)
    }

    /// How many slots from the head are free, looked at up to `wanted`.
    fn free(&self, head: usize, wanted: usize) -> usize {
        let is_free = |place: &usize| {
            let (slot, odd) = self.slot(head.wrapping_add(*place));
            slot.is_free(odd)
        };
        (0..wanted).take_while(is_free).count()
    }

    /// Moves the head back over as many values as `count` says for the length found.
    ///
    /// # Safety
    ///
    /// The caller is the producer.
    #[inline(always)]
    unsafe fn claim_head(&self, count: impl Fn(usize) -> usize) -> Option<Claim> {
        let pushes = self.pushed.pushes.own();
        let mut now = self.counts();
        loop {
            let len = now.len(pushes);
            if len <= 0 {
                return None;
            }
            let count = count(len as usize);
            let then = now.popped(count);
            // ORDERING: Release on success, pairs with the Acquire of `counts_of_others` and `try_claim_tail`: a thief
            // that slept while pops brought the word round sees, at its second look, the pushes between them.
            // Not Acquire: the values are our own. Relaxed on failure: as in `counts`.
            match self.counts.0.compare_exchange_weak(
                now.pack(),
                then.pack(),
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => {
                    // SAFETY: we are the producer (caller's).
                    unsafe { self.pushed.popped(then.pops()) };
                    let first = then.head(pushes) as usize;
                    return Some(Claim { first, count });
                }
                Err(word) => now = Counts::unpack(word),
            }
        }
    }

    /// Moves the tail over as many values as `count` says for the length found, but at most [`MAX_CLAIM`].
    #[inline(always)]
    fn claim_tail(&self, count: impl Fn(usize) -> usize) -> Option<Claim> {
        let (claim, before) = self.try_claim_tail(count)?;
        if self.is_good(before) {
            Some(claim)
        } else {
            self.settle(claim)
        }
    }

    /// Whether a claim is beyond doubt: too few pushes were made since `before` for the word to have come
    /// round.
    #[inline(always)]
    fn is_good(&self, before: u64) -> bool {
        self.pushed.pushes.at_least().wrapping_sub(before) < UNSUSPICIOUS
    }

    /// Claims at the tail; also gives the number of pushes from before the claim. Whether there is a value
    /// behind every ticket has to be seen yet.
    #[inline(always)]
    fn try_claim_tail(&self, count: impl Fn(usize) -> usize) -> Option<(Claim, u64)> {
        let mut before = self.pushed.pushes.load();
        let mut now = self.counts_of_others();
        loop {
            let len = now.len(before);
            if len <= 0 || len as usize > self.capacity() {
                // Empty; or `before` is old, and this says nothing.
                let after = self.pushed.pushes.load();
                if after == before {
                    return None;
                }
                before = after;
                now = self.counts_of_others();
                continue;
            }
            let count = count(len as usize).min(MAX_CLAIM);
            witness::nap();
            // ORDERING: AcqRel on success. Acquire pairs with the Release of `claim_head` and of this exchange
            // itself: when the word has come round since our look, the count of pushes that we read next is no
            // older than those that the claims between were made by. Release is the other end of that. The values
            // are visible by the look at the pushes. Acquire on failure: as in `counts_of_others`.
            match self.counts.0.compare_exchange_weak(
                now.pack(),
                now.claimed(count).pack(),
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => {
                    let first = now.tail() as usize;
                    return Some((Claim { first, count }, before));
                }
                Err(word) => now = Counts::unpack(word),
            }
        }
    }

    /// Finds out whether there are values behind the tickets of a claim before which this thread slept for
    /// a quarter of a turn of the pushes. If not, gives all of them back and claims again, up to as many.
    #[cold]
    fn settle(&self, claim: Claim) -> Option<Claim> {
        // Who gives tickets back has to claim again before anything else: between our look and our give-back the
        // tickets may have been filled, and others may have taken the ring for drained and left it to us (I9).
        witness::suspect();
        let most = claim.count;
        let mut claim = claim;
        loop {
            let end = claim.first.wrapping_add(claim.count) as u32;
            loop {
                let (pushes, now) = self.snapshot();
                if ahead(now.head(pushes), end) >= 0 {
                    return Some(claim);
                }
                // Somebody who claimed beyond us is in the same state and has to give back first.
                if ahead(now.tail(), end) == 0 {
                    // ORDERING: Acquire on success, pairs with the exchange in `is_drained`: if the ring was taken for
                    // drained before, our next look finds every push. Relaxed on failure: the value is not used.
                    let given_back = self.counts.0.compare_exchange(
                        now.pack(),
                        now.given_back(claim.count).pack(),
                        Ordering::Acquire,
                        Ordering::Relaxed,
                    );
                    if given_back.is_ok() {
                        witness::given_back();
                        break;
                    }
                }
                spin_loop();
            }
            let (again, before) = self.try_claim_tail(|len| len.min(most))?;
            if self.is_good(before) {
                return Some(again);
            }
            claim = again;
        }
    }

    #[inline(always)]
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

/// How often a model came by the rare paths, lest it pass because it never did; and a way to get there.
#[cfg(pool_loom)]
#[doc(hidden)]
pub mod witness {
    use std::cell::Cell;

    // The model checker runs all threads of a model on one.
    std::thread_local! {
        static SUSPECTS: Cell<usize> = const { Cell::new(0) };
        static GIVEN_BACK: Cell<usize> = const { Cell::new(0) };
        static NAPS: Cell<bool> = const { Cell::new(false) };
    }

    /// Whether thieves let others run before they claim, which takes a preemption otherwise.
    pub fn naps(on: bool) {
        NAPS.set(on);
    }

    pub(super) fn nap() {
        if NAPS.get() {
            crate::sync::yield_now();
        }
    }

    /// A claim was in doubt.
    pub(super) fn suspect() {
        SUSPECTS.set(SUSPECTS.get() + 1);
    }

    /// A claim was given back.
    pub(super) fn given_back() {
        GIVEN_BACK.set(GIVEN_BACK.get() + 1);
    }

    /// How many claims of this thread's models were in doubt, and how many of them were given back.
    pub fn counts() -> (usize, usize) {
        (SUSPECTS.get(), GIVEN_BACK.get())
    }
}

#[cfg(not(pool_loom))]
mod witness {
    #[inline(always)]
    pub(super) fn suspect() {}
    #[inline(always)]
    pub(super) fn given_back() {}
    #[inline(always)]
    pub(super) fn nap() {}
}

/// What a thief takes of so many.
#[inline(always)]
fn half(len: usize) -> usize {
    len.div_ceil(2)
}

/// A run of slots that an index has just been moved over.
struct Claim {
    /// The index of the oldest.
    first: usize,
    count: usize,
}

/// The slot of an index, and whether the index is of an odd lap.
#[inline(always)]
fn slot<T>(slots: &[Slot<T>], index: usize) -> (&Slot<T>, bool) {
    // SAFETY: the number of slots is a power of two (I5), so at least one, and the mask keeps the index
    // below it.
    let slot = unsafe { slots.get_unchecked(index & (slots.len() - 1)) };
    (slot, index & slots.len() != 0)
}

impl<T, S: ?Sized + Slots<T>> Ring<T, S> {
    /// What is in a ring that nobody else is at, or will be.
    fn rest(&self) -> Option<Claim> {
        let now = self.counts();
        let first = now.tail() as usize;
        let count = usize::try_from(now.len(self.pushed.pushes.own())).ok()?;
        Some(Claim { first, count })
    }
}

impl<T, S: ?Sized + Slots<T>> Drop for Ring<T, S> {
    fn drop(&mut self) {
        if mem::needs_drop::<T>() {
            // The batch sees to it that each value is dropped once whatever a destructor does.
            drop(self.batch(self.rest(), Order::OldestFirst));
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
        match self.order {
            Order::OldestFirst => {
                let (slot, odd) = slot(self.slots, self.first);
                self.first = self.first.wrapping_add(1);
                // SAFETY: the claim moved the tail over the `count` slots from `first`, so they are the batch's (I2),
                // and the lines above took this one out of that run, so it is taken once.
                Some(unsafe { slot.take(odd) })
            }
            Order::NewestFirst => {
                let (slot, _) = slot(self.slots, self.first.wrapping_add(self.count));
                // SAFETY: the claim moved the head back over the `count` slots from `first`, so they are the batch's
                // (I2), and nothing is pushed into them meanwhile (the promise to `pop_head_batch`); the line above
                // took this one out of that run, so it is read once.
                Some(unsafe { slot.read() })
            }
        }
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
