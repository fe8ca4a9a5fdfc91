//! One place of a ring: a value, and the flag by which a consumer hands the place back.

use core::fmt;
use core::mem::MaybeUninit;

use crate::sync::{AtomicBool, Ordering, UnsafeCell, const_unless_loom};

/// One slot of a ring. Opaque: it exists in the public interface only so that a ring's storage can be
/// named.
///
/// Who may touch `value` is decided by the ring's indices (design page, I2 and I3); `full` is written
/// by whoever holds the slot.
pub struct Slot<T> {
    /// `true` from the producer's write until the value has been moved out.
    full: AtomicBool,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: a slot only moves values between threads; it never lends a `&T`. The ring's protocol makes
// every access exclusive (I2, I3), so sending the values is all that sharing a slot asks for.
unsafe impl<T: Send> Sync for Slot<T> {}

impl<T> Slot<T> {
    const_unless_loom! {
        /// An empty slot.
        pub(crate) const fn new() -> Self {
            Self { full: AtomicBool::new(false), value: UnsafeCell::new(MaybeUninit::uninit()) }
        }
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
    /// The caller is the producer, the slot's index is outside `[tail, head)`, and `is_full` was false.
    #[inline(always)]
    pub(crate) unsafe fn fill(&self, value: T) {
        self.value.with_mut(|place| {
            // SAFETY: the caller's: nobody else looks at a slot outside `[tail, head)` whose flag is
            // false (I3), and the pointer comes from the cell itself.
            unsafe { &mut *place }.write(value);
        });
        // ORDERING: Relaxed. Consumers learn of the value from the index word; the next to read the flag
        // is this producer.
        self.full.store(true, Ordering::Relaxed);
    }

    /// Moves the value out and hands the slot back to the producer.
    ///
    /// # Safety
    ///
    /// The caller's compare-exchange moved an index past this slot, and it takes the slot once.
    #[inline(always)]
    pub(crate) unsafe fn take(&self) -> T {
        // SAFETY:
        // - initialised: slots in `[tail, head)` hold values (I1), and the caller's claim took this one out
        //   of that range;
        // - exclusive: only the claimant reads it (I2), and the producer writes only once the flag below is
        //   false (I3).
        let value = self
            .value
            .with_mut(|place| unsafe { place.cast::<T>().read() });
        // ORDERING: Release, pairs with the Acquire load in `is_full`: the producer's next write into this
        // slot comes after our read. One that still sees `true` reports a full ring and touches nothing.
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
