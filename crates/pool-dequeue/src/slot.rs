//! One place of a ring: a value, and the flag by which a consumer hands the place back.

use core::fmt;
use core::mem::MaybeUninit;
use core::panic::{RefUnwindSafe, UnwindSafe};

#[cfg(feature = "alloc")]
use {alloc::boxed::Box, core::num::NonZero};

use crate::sync::{AtomicBool, Ordering, UnsafeCell, const_unless_loom};

/// One slot of a ring. Opaque: it exists in the public interface only so that a ring's storage can be
/// named.
///
/// Who may touch `value` is decided by the ring's indices and by `full` together
/// ([design page](crate::design), I2 and I3). All bytes zero is an empty slot.
pub struct Slot<T> {
    /// `true` from the producer's write until the value has been moved out. Set by the producer in `fill`,
    /// cleared by whoever claimed the slot in `take`, read by the producer in `is_full`.
    full: AtomicBool,
    /// Written by the producer in `fill`, read by whoever claimed the slot in `take`.
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
        pub(crate) const fn new() -> Self {
            Self { full: AtomicBool::new(false), value: UnsafeCell::new(MaybeUninit::uninit()) }
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
            core::iter::repeat_with(Self::new)
                .take(count.get())
                .collect(),
        )
    }

    /// Whether the value of an earlier lap is still in here.
    #[inline(always)]
    pub(crate) fn is_full(&self) -> bool {
        // ORDERING: Acquire, pairs with the Release store in `take`: a producer that sees `false` writes
        // after the consumer's read. Weaker, and the write could overtake that read.
        self.full.load(Ordering::Acquire)
    }

    /// Fills the slot.
    ///
    /// # Safety
    ///
    /// The caller is the producer (I4), the slot is outside `[tail, head)`, and `is_full` was false.
    #[inline(always)]
    pub(crate) unsafe fn fill(&self, value: T) {
        self.value.with_mut(|place| {
            // SAFETY: the pointer is the cell's own, and nobody else looks at a slot outside `[tail, head)`
            // whose flag is false (I3, the caller's promise).
            unsafe { place.write(MaybeUninit::new(value)) };
        });
        // ORDERING: Relaxed. Nobody learns of the value from this flag: consumers learn of it from the index
        // word, whose Release addition in `Ring::publish` comes after this store and so also puts it before
        // the claimant's `false` in `take`. Until then the flag's only reader is the producer itself.
        self.full.store(true, Ordering::Relaxed);
    }

    /// Moves the value out and hands the slot back to the producer.
    ///
    /// # Safety
    ///
    /// The caller's compare-exchange moved an index over this slot, and it takes the slot once.
    #[inline(always)]
    pub(crate) unsafe fn take(&self) -> T {
        let value = self.value.with_mut(|place| {
            // SAFETY: slots in `[tail, head)` hold values (I1), and the caller's claim took this one out of that
            // range. Only the claimant reads it, and once (I2), and the producer writes only after it has seen the
            // flag below as false (I3).
            unsafe { place.cast::<T>().read() }
        });
        // ORDERING: Release, pairs with the Acquire load in `is_full`: the producer's next write into this
        // slot comes after our read. Weaker, and it could come before. A producer that still sees `true`
        // reports a full ring and touches nothing.
        self.full.store(false, Ordering::Release);
        // The producer owns the slot from here on.
        value
    }
}

impl<T> fmt::Debug for Slot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").finish_non_exhaustive()
    }
}
