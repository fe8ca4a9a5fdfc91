//! The ring without an allocator: slots in the ring itself, ends that borrow it.

use core::fmt;

use crate::handle::{ConsumerRef, ProducerRef, ends};
use crate::raw::{Ring, Slot};
use crate::sync::const_unless_loom;

/// A ring over inline storage for exactly `N` values, fit for a `static` in firmware.
///
/// `N` is a power of two between 1 and [`MAX_CAPACITY`](crate::MAX_CAPACITY); anything else fails the
/// build.
///
/// # Examples
///
/// ```
/// let mut ring = pool_dequeue::InlineRing::<u16, 8>::new();
/// let (mut producer, consumer) = ring.split();
/// producer.push_head(7).unwrap();
/// assert_eq!(consumer.pop_tail(), Some(7));
/// ```
pub struct InlineRing<T, const N: usize> {
    ring: Ring<T, [Slot<T>; N]>,
}

impl<T, const N: usize> InlineRing<T, N> {
    const_unless_loom! {
        /// An empty ring.
        #[must_use]
        pub const fn new() -> Self {
            Self { ring: Ring::inline() }
        }
    }

    /// Gives out the two ends. Values left by an earlier split are still there.
    pub fn split(&mut self) -> (ProducerRef<'_, T>, ConsumerRef<'_, T>) {
        // The exclusive borrow makes the new producer the only one (I4).
        ends(&self.ring)
    }
}

impl<T, const N: usize> Default for InlineRing<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, const N: usize> fmt::Debug for InlineRing<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InlineRing")
            .field("len", &self.ring.len())
            .field("capacity", &self.ring.capacity())
            .finish()
    }
}
