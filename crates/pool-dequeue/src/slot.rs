//! One place of a ring: a value, and the flag by which a thief hands the place back.

use core::fmt;
use core::mem::MaybeUninit;
use core::panic::{RefUnwindSafe, UnwindSafe};

#[cfg(feature = "alloc")]
use {alloc::boxed::Box, core::num::NonZero};

use crate::sync::{AtomicBool, Ordering, UnsafeCell, const_unless_loom};

/// One slot of a ring. Opaque: it exists in the public interface only so that a ring's storage can be
/// named.
///
/// Who may touch `value` is decided by the ring's counts and by `next_is_odd` together
/// ([design page](crate::design), I2 and I3). All bytes zero is an empty slot of a ring that begins at
/// index 0.
pub struct Slot<T> {
    /// Whether the next lap in which the slot may be written is an odd one. Changed by whoever claimed the
    /// slot at the tail, in `take`; read by the producer in `is_free`.
    next_is_odd: AtomicBool,
    /// Written by the producer in `fill`, read by whoever claimed the slot in `read` or `take`.
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: a slot only moves values between threads; it never lends a `&T`. The ring's protocol makes
// every access exclusive (I2, I3), so sending the values is all that sharing a slot asks for.
unsafe impl<T: Send> Sync for Slot<T> {}

// No user code runs while a slot is being filled or emptied, so a panic finds none half-done.
impl<T> UnwindSafe for Slot<T> {}
impl<T> RefUnwindSafe for Slot<T> {}

impl<T> Slot<T> {
    const_unless_loom! {
        /// An empty slot.
        pub(crate) const fn new(next_is_odd: bool) -> Self {
            Self { next_is_odd: AtomicBool::new(next_is_odd), value: UnsafeCell::new(MaybeUninit::uninit()) }
        }
    }

    /// `count` empty slots on the heap, or `None` if there is no room for them.
    ///
    /// The allocator zeroes them: no slot passes over the stack, however large, and a large ring's pages
    /// are not touched before they are used.
    #[cfg(all(feature = "alloc", not(pool_loom)))]
    pub(crate) fn boxed(count: NonZero<usize>) -> Option<Box<[Self]>> {
        let layout = core::alloc::Layout::array::<Self>(count.get()).ok()?;
        // SAFETY: the size is not zero, because there is a slot, and a slot has at least its flag.
        let memory = unsafe { alloc::alloc::alloc_zeroed(layout) };
        if memory.is_null() {
            return None;
        }
        let slots = core::ptr::slice_from_raw_parts_mut(memory.cast::<Self>(), count.get());
        // SAFETY: allocated by the global allocator with the layout of these `count` slots, and nobody else's. They
        // are initialised: an `AtomicBool` of zero is `false`, and `MaybeUninit` asks for nothing.
        Some(unsafe { Box::from_raw(slots) })
    }

    /// The same with the model checker's types, which zeroes do not initialise.
    #[cfg(all(feature = "alloc", pool_loom))]
    pub(crate) fn boxed(count: NonZero<usize>) -> Option<Box<[Self]>> {
        Some(
            core::iter::repeat_with(|| Self::new(false))
                .take(count.get())
                .collect(),
        )
    }

    /// Makes an empty slot wait for an odd or an even lap.
    #[cfg(feature = "alloc")]
    pub(crate) fn begin(&mut self, next_is_odd: bool) {
        self.next_is_odd = AtomicBool::new(next_is_odd);
    }

    /// Whether the producer may write the slot in an odd or an even lap: the value of the lap before has
    /// been moved out.
    #[inline(always)]
    pub(crate) fn is_free(&self, odd: bool) -> bool {
        // ORDERING: Acquire, pairs with the Release store in `take`: a producer that finds its own lap writes
        // after the thief's read. Weaker, and the write could overtake that read.
        self.next_is_odd.load(Ordering::Acquire) == odd
    }

    /// Fills the slot. The value becomes visible with the count of pushes.
    ///
    /// # Safety
    ///
    /// The caller is the producer (I4), the slot is the head's or beyond it, and `is_free` said so for its
    /// lap.
    #[inline(always)]
    pub(crate) unsafe fn fill(&self, value: T) {
        self.value.with_mut(|place| {
            // SAFETY: the pointer is the cell's own, and nobody else looks at a slot that is free (I3, the caller's
            // promise).
            unsafe { place.write(MaybeUninit::new(value)) };
        });
    }

    /// Moves the value out. The slot is the producer's again, who is the caller.
    ///
    /// # Safety
    ///
    /// The caller's compare-exchange moved the tail over this slot or the head back over it, and it reads
    /// the slot once.
    #[inline(always)]
    pub(crate) unsafe fn read(&self) -> T {
        self.value.with_mut(|place| {
            // SAFETY: a slot that was claimed holds a value (I1); only the claimant reads it, and once (I2), and the
            // producer writes only what is free (I3).
            unsafe { place.cast::<T>().read() }
        })
    }

    /// Moves the value of an odd or an even lap out and hands the slot to the producer for the next one.
    ///
    /// # Safety
    ///
    /// The caller's compare-exchange moved the tail over this slot, and it takes the slot once.
    #[inline(always)]
    pub(crate) unsafe fn take(&self, odd: bool) -> T {
        // SAFETY: the caller's.
        let value = unsafe { self.read() };
        // ORDERING: Release, pairs with the Acquire load in `is_free`: the producer's next write into this slot
        // comes after our read. Weaker, and it could come before. A producer that still sees the old lap
        // reports a full ring and touches nothing.
        self.next_is_odd.store(!odd, Ordering::Release);
        // The producer owns the slot from here on.
        value
    }
}

impl<T> fmt::Debug for Slot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").finish_non_exhaustive()
    }
}
