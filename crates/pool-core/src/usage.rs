//! How much of an item was used: what lets a pool drop what is too big for what it is used for, and learn how big
//! items should be.

use core::fmt;

use crate::discard::DiscardReason;
use crate::sync::{AtomicUsize, Ordering};

/// How much of an item its last user needed, and how much there is. In whatever unit: bytes, elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Usage {
    /// What was used.
    pub used: usize,
    /// What could have been.
    pub capacity: usize,
}

/// One class for each power of two, and one for zero.
const CLASSES: usize = usize::BITS as usize + 1;

/// The class of sizes from a power of two up to below the next.
fn class(size: usize) -> usize {
    size.checked_ilog2().map_or(0, |log| log as usize + 1)
}

/// Below this capacity it is not worth while to ask whether an item is too big.
const WORTH_WHILE: usize = 4096;

/// Less than one part in so many is a small use.
const SMALL: usize = 4;

fn zeros() -> [AtomicUsize; CLASSES] {
    core::array::from_fn(|_| AtomicUsize::new(0))
}

/// Lets go of items that are used for much less than they hold.
///
/// What counts is the size class of the item, not the item: as many small uses in a row of items of that class. So the
/// rule needs no memory in the item, and as long as one use in so many needs items that big, there are some.
pub(crate) struct Strikes {
    allowed: usize,
    /// Small uses in a row, by class of capacity.
    counts: [AtomicUsize; CLASSES],
}

impl Strikes {
    pub(crate) fn new(allowed: usize) -> Self {
        Self {
            allowed,
            counts: zeros(),
        }
    }

    /// Whether this use is one small use too many.
    fn is_out(&self, usage: Usage) -> bool {
        if usage.capacity < WORTH_WHILE {
            return false;
        }
        let count = &self.counts[class(usage.capacity)];
        if usage.used >= usage.capacity / SMALL {
            // ORDERING: Relaxed. A count of which only the value matters; a use that is lost or counted twice moves
            // the decision by one. The look first keeps the line shared where all uses are big.
            if count.load(Ordering::Relaxed) != 0 {
                // ORDERING: Relaxed, as above.
                count.store(0, Ordering::Relaxed);
            }
            return false;
        }
        // ORDERING: Relaxed, as above.
        if count.fetch_add(1, Ordering::Relaxed) < self.allowed {
            return false;
        }
        // ORDERING: Relaxed, as above.
        count.store(0, Ordering::Relaxed);
        true
    }
}

/// What a pool asks about the use of its items.
pub(crate) struct Rules {
    pub(crate) strikes: Option<Strikes>,
    pub(crate) calibrator: Option<std::sync::Arc<Calibrator>>,
}

impl Rules {
    /// Why an item that was used so should go, if it should.
    pub(crate) fn verdict(&self, usage: Usage) -> Option<DiscardReason> {
        if let Some(calibrator) = &self.calibrator {
            calibrator.observe(usage.used);
            if usage.capacity > calibrator.limit() {
                return Some(DiscardReason::Oversized);
            }
        }
        let out = self.strikes.as_ref()?.is_out(usage);
        out.then_some(DiscardReason::Underused)
    }
}

/// Uses between two calibrations.
const SAMPLE: usize = 1024;

/// Learns how big items should be from how much of them is used.
///
/// After each 1024 uses it takes their 95th percentile, rounded up to a power of two, older uses counting half as much
/// with each step. The constructor makes items that big; the pool drops those above twice that, which is as far as
/// a buffer that doubles overshoots. So one huge request in a hundred neither sets the size of all nor stays.
///
/// The rule is valyala/bytebufferpool's.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use pool_core::{Calibrator, Pool, Usage};
///
/// let sizes = Arc::new(Calibrator::new());
/// let pool = Pool::builder({
///     let sizes = sizes.clone();
///     move || Vec::<u8>::with_capacity(sizes.capacity())
/// })
/// .usage(|buffer| Usage { used: buffer.len(), capacity: buffer.capacity() })
/// .calibrate(sizes.clone())
/// .clear_up_to(1 << 20)
/// .build();
/// for _ in 0..2000 {
///     pool.get().extend_from_slice(&[0; 700]);
/// }
/// assert_eq!(sizes.capacity(), 1024);
/// ```
pub struct Calibrator {
    /// Uses lately, by class.
    counts: [AtomicUsize; CLASSES],
    seen: AtomicUsize,
    /// 0 while nothing is known.
    capacity: AtomicUsize,
}

impl Calibrator {
    /// One that knows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            counts: zeros(),
            seen: AtomicUsize::new(0),
            capacity: AtomicUsize::new(0),
        }
    }

    /// How big a new item should be; 0 until there have been enough uses to tell. Wait-free.
    #[must_use]
    pub fn capacity(&self) -> usize {
        // ORDERING: Relaxed. A hint.
        self.capacity.load(Ordering::Relaxed)
    }

    /// How big an item may be to be kept; everything is while nothing is known. Wait-free.
    #[must_use]
    pub fn limit(&self) -> usize {
        match self.capacity() {
            0 => usize::MAX,
            capacity => capacity.saturating_mul(2),
        }
    }

    /// Counts a use. The pool does that for items that come back; call it for those that do not. Wait-free, two atomic
    /// read-modify-writes, and 65 more with each 1024th use.
    pub fn observe(&self, used: usize) {
        // ORDERING: Relaxed. Counts; what is lost in between two of them does not change the percentile.
        self.counts[class(used)].fetch_add(1, Ordering::Relaxed);
        // ORDERING: Relaxed, as above. One caller in 1024 sees the number go round.
        if self.seen.fetch_add(1, Ordering::Relaxed) % SAMPLE == SAMPLE - 1 {
            self.calibrate();
        }
    }

    #[cold]
    fn calibrate(&self) {
        let mut lately = [0; CLASSES];
        for (count, lately) in self.counts.iter().zip(&mut lately) {
            // ORDERING: Relaxed, as in `observe`.
            *lately = count.load(Ordering::Relaxed);
            // ORDERING: Relaxed, as in `observe`. Half of it stays, rounded down, so that the past fades.
            count.fetch_sub(*lately - *lately / 2, Ordering::Relaxed);
        }
        let total: usize = lately.iter().sum();
        let mut above = total;
        let class = lately.iter().position(|count| {
            above -= count;
            // At most one in twenty lies above.
            above * 20 <= total
        });
        // The classes' upper bounds are the powers of two; zero means that nothing of any size is needed.
        let capacity = match class {
            None | Some(0) => 1,
            Some(class) => 1usize.checked_shl(class as u32).unwrap_or(usize::MAX),
        };
        // ORDERING: Relaxed. A hint.
        self.capacity.store(capacity, Ordering::Relaxed);
    }
}

impl Default for Calibrator {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Calibrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calibrator")
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use super::*;

    #[test]
    fn classes() {
        assert_eq!(
            [0, 1, 2, 3, 4, 1023, 1024].map(class),
            [0, 1, 2, 2, 3, 10, 11]
        );
        assert_eq!(class(usize::MAX), CLASSES - 1);
    }

    #[test]
    fn strikes_in_a_row() {
        let strikes = Strikes::new(3);
        let big = 1 << 20;
        let use_of = |used, capacity| strikes.is_out(Usage { used, capacity });
        for _ in 0..3 {
            assert!(!use_of(10, big));
        }
        assert!(use_of(10, big), "the fourth");
        // The next item of its class begins anew.
        for _ in 0..3 {
            assert!(!use_of(big / 4 - 1, big));
        }
        // A use worth its size forgives; other classes do not.
        assert!(!use_of(big, 2 * big));
        assert!(use_of(0, big));
        for _ in 0..100 {
            assert!(!use_of(0, big) && !use_of(0, big) && !use_of(big / 4, big));
            assert!(!use_of(0, 4095), "not worth while");
        }
        assert!(!use_of(0, 0));
        // The smallest that is.
        assert!(
            (0..4)
                .map(|_| use_of(0, 4096))
                .eq([false, false, false, true])
        );
    }

    #[test]
    fn percentiles() {
        let after = |uses: &[(usize, usize)]| {
            let calibrator = Calibrator::new();
            assert_eq!((calibrator.capacity(), calibrator.limit()), (0, usize::MAX));
            for &(count, used) in uses {
                (0..count).for_each(|_| calibrator.observe(used));
            }
            calibrator.capacity()
        };
        assert_eq!(after(&[(SAMPLE - 1, 100)]), 0, "too few");
        assert_eq!(after(&[(SAMPLE, 100)]), 128);
        assert_eq!(after(&[(SAMPLE, 128)]), 256);
        assert_eq!(after(&[(SAMPLE, 0)]), 1);
        assert_eq!(after(&[(SAMPLE, usize::MAX)]), usize::MAX);
        // One in twenty may be above, and no more.
        assert_eq!(after(&[(SAMPLE - 51, 100), (51, 1 << 20)]), 128);
        assert_eq!(after(&[(SAMPLE - 52, 100), (52, 1 << 20)]), 2 << 20);
        // It follows when times change.
        assert_eq!(after(&[(10 * SAMPLE, 100), (4 * SAMPLE, 10_000)]), 16_384);
        assert_eq!(after(&[(10 * SAMPLE, 10_000), (6 * SAMPLE, 100)]), 128);
        // And remembers half as much with each step: a sixteenth is more than one in twenty.
        assert_eq!(after(&[(10 * SAMPLE, 10_000), (4 * SAMPLE, 100)]), 16_384);
        assert_eq!(after(&[(10 * SAMPLE, 10_000), (5 * SAMPLE, 100)]), 128);
    }
}
