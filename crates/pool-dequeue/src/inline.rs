//! The ring without an allocator: slots in the ring itself, ends that borrow it.

use core::fmt;

use crate::handle::{ConsumerRef, ProducerRef, ends};
use crate::raw::{Ring, Slot};
use crate::sync::{AtomicBool, Ordering, const_unless_loom};

/// A ring over inline storage for exactly `N` values, fit for a `static` in firmware.
///
/// `N` is a power of two between 1 and [`MAX_CAPACITY`](crate::MAX_CAPACITY); anything else fails the
/// build. The two ends come from [`split`](Self::split), or from
/// [`split_static`](Self::split_static) where the ring is a `static` and nobody can borrow it exclusively.
///
/// The values lie in the ring, so a ring of large values is large itself: build it in a `static` or in
/// a box, not on a small stack.
///
/// # Examples
///
/// ```
/// let mut ring = pool_dequeue::InlineRing::<u16, 8>::new();
/// let (mut producer, consumer) = ring.split();
/// producer.push_head(7).unwrap();
/// assert_eq!(consumer.pop_tail(), Some(7));
/// ```
///
/// A capacity that is no power of two does not build:
///
/// ```compile_fail,E0080
/// let ring = pool_dequeue::InlineRing::<u16, 6>::new();
/// ```
pub struct InlineRing<T, const N: usize> {
    /// Whether `split_static` has given out the ends. Goes from `false` to `true` once.
    given_out: AtomicBool,
    ring: Ring<T, [Slot<T>; N]>,
}

impl<T, const N: usize> InlineRing<T, N> {
    const_unless_loom! {
        /// An empty ring.
        #[must_use]
        pub const fn new() -> Self {
            Self::new_at(0)
        }
    }

    const_unless_loom! {
        /// The same with the first index given, so that a test can start just below the wrap.
        #[doc(hidden)]
        pub const fn new_at(origin: u32) -> Self {
            Self { given_out: AtomicBool::new(false), ring: Ring::inline_at(origin) }
        }
    }

    /// Gives out the two ends for as long as the ring is borrowed. Values left by an earlier split are
    /// still there.
    pub fn split(&mut self) -> (ProducerRef<'_, T>, ConsumerRef<'_, T>) {
        // The exclusive borrow makes the new producer the only one (I4).
        ends(&self.ring)
    }

    /// Gives out the two ends of a ring that lives for ever, to the first who asks; `None` to the others.
    ///
    /// The consumer is `Copy`: who needs more of them copies the first. Wait-free: one atomic swap.
    ///
    /// # Examples
    ///
    /// An interrupt handler that produces, a main loop that consumes:
    ///
    /// ```
    /// use pool_dequeue::{InlineRing, ProducerRef};
    ///
    /// static SAMPLES: InlineRing<u16, 64> = InlineRing::new();
    ///
    /// /// What the board's interrupt calls; a value that does not fit is dropped.
    /// fn on_sample(producer: &mut ProducerRef<'static, u16>, sample: u16) {
    ///     let _ = producer.push_head(sample);
    /// }
    ///
    /// let (mut producer, consumer) = SAMPLES.split_static().expect("nobody else splits it");
    /// on_sample(&mut producer, 1023);
    /// assert_eq!(consumer.pop_tail(), Some(1023));
    /// assert!(SAMPLES.split_static().is_none());
    /// ```
    pub fn split_static(
        &'static self,
    ) -> Option<(ProducerRef<'static, T>, ConsumerRef<'static, T>)> {
        // ORDERING: Relaxed. That only one swap finds `false` is a matter of atomicity; the winner reads
        // nothing that another caller of this function wrote.
        let first = !self.given_out.swap(true, Ordering::Relaxed);
        // The ring is shared for ever, so `split` cannot be called any more, and an earlier `split`'s borrow
        // has ended: the first to come here has the only producer (I4).
        first.then(|| ends(&self.ring))
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
