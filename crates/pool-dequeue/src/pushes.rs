//! How many values were ever pushed: written by the producer with plain stores, read by everybody, and
//! wide enough never to wrap.
//!
//! A machine of 64 bits keeps the count in one word. Others keep it in three, because a store of 64 bits
//! is not plain there.

use crate::sync::Ordering;

#[cfg(not(any(not(target_pointer_width = "64"), pool_index_bits = "5")))]
pub(crate) use one_word::Pushes;
#[cfg(any(not(target_pointer_width = "64"), pool_index_bits = "5"))]
pub(crate) use three_words::Pushes;

#[cfg(not(any(not(target_pointer_width = "64"), pool_index_bits = "5")))]
mod one_word {
    use super::Ordering;
    use crate::sync::{AtomicU64, const_unless_loom};

    /// The count of pushes.
    pub(crate) struct Pushes(AtomicU64);

    impl Pushes {
        const_unless_loom! {
            pub(crate) const fn new(count: u64) -> Self {
                Self(AtomicU64::new(count))
            }
        }

        /// The count, for the producer.
        #[inline(always)]
        pub(crate) fn own(&self) -> u64 {
            // ORDERING: Relaxed. The producer alone writes it, and we are the producer.
            self.0.load(Ordering::Relaxed)
        }

        /// Makes `count` pushes known. For the producer.
        #[inline(always)]
        pub(crate) fn add(&self, count: usize) {
            let pushes = self.own() + count as u64;
            // ORDERING: Release, pairs with the Acquire in `load`: who sees the count sees the values in the
            // slots. Weaker, and a thief could read a slot's old bytes.
            self.0.store(pushes, Ordering::Release);
        }

        /// The count, and what the producer did before.
        #[inline(always)]
        pub(crate) fn load(&self) -> u64 {
            // ORDERING: Acquire, pairs with the Release in `add`.
            self.0.load(Ordering::Acquire)
        }

        /// At least the count of every push that happened before.
        #[inline(always)]
        pub(crate) fn at_least(&self) -> u64 {
            // ORDERING: Relaxed. Compared with an earlier count, not trusted with a value.
            self.0.load(Ordering::Relaxed)
        }
    }
}

#[cfg(any(not(target_pointer_width = "64"), pool_index_bits = "5", test))]
#[cfg_attr(
    not(any(not(target_pointer_width = "64"), pool_index_bits = "5")),
    allow(dead_code)
)]
mod three_words {
    use super::Ordering;
    use crate::sync::{AtomicU32, const_unless_loom};

    /// Bits of the low word; few where models want to meet the carry.
    const LOW_BITS: u32 = if cfg!(pool_index_bits = "5") { 5 } else { 32 };
    const LOW_MASK: u32 = u32::MAX >> (32 - LOW_BITS);
    const HALF: u32 = 1 << (LOW_BITS - 1);

    /// The count of pushes.
    ///
    /// The high half stands twice. The producer writes `begun`, `low` and `done` in this order when the low
    /// half carries, `low` alone otherwise; readers go from `done` to `begun`.
    pub(crate) struct Pushes {
        begun: AtomicU32,
        low: AtomicU32,
        done: AtomicU32,
    }

    fn join(high: u32, low: u32) -> u64 {
        u64::from(high) << LOW_BITS | u64::from(low)
    }

    impl Pushes {
        const_unless_loom! {
            pub(crate) const fn new(count: u64) -> Self {
                let (high, low) = ((count >> LOW_BITS) as u32, count as u32 & LOW_MASK);
                Self { begun: AtomicU32::new(high), low: AtomicU32::new(low), done: AtomicU32::new(high) }
            }
        }

        /// The count, for the producer.
        #[inline(always)]
        pub(crate) fn own(&self) -> u64 {
            // ORDERING: Relaxed both. The producer alone writes them, and we are the producer.
            let high = self.done.load(Ordering::Relaxed);
            join(high, self.low.load(Ordering::Relaxed))
        }

        /// Makes `count` pushes known. For the producer.
        #[inline(always)]
        pub(crate) fn add(&self, count: usize) {
            // ORDERING: Relaxed. As in `own`.
            let old = self.low.load(Ordering::Relaxed);
            let low = old.wrapping_add(count as u32) & LOW_MASK;
            if low >= old {
                // ORDERING: Release, pairs with the Acquire in `load`: who sees the count sees the values in the
                // slots. Weaker, and a thief could read a slot's old bytes.
                self.low.store(low, Ordering::Release);
            } else {
                self.carry(low);
            }
        }

        #[cold]
        fn carry(&self, low: u32) {
            // ORDERING: Relaxed. As in `own`.
            let high = self.done.load(Ordering::Relaxed).wrapping_add(1);
            // ORDERING: Release each, pairs with the Acquire loads in `load` and `at_least`: who sees one of these
            // stores sees those before it, and the values in the slots.
            self.begun.store(high, Ordering::Release);
            self.low.store(low, Ordering::Release);
            self.done.store(high, Ordering::Release);
        }

        /// The count, and what the producer did before.
        ///
        /// Goes round only if the producer came past a carry meanwhile, so it ends in an interrupt over the
        /// producer, too.
        #[inline(always)]
        pub(crate) fn load(&self) -> u64 {
            loop {
                // ORDERING: Acquire each, pairs with the Release stores in `add` and `carry`: `low` is no older
                // than the carry that `done` tells of, and `begun` no older than the one before `low`.
                let done = self.done.load(Ordering::Acquire);
                let low = self.low.load(Ordering::Acquire);
                let begun = self.begun.load(Ordering::Acquire);
                if done == begun {
                    return join(done, low);
                }
                if let Some(count) = self.during_a_carry(done, begun) {
                    return count;
                }
            }
        }

        /// The count while the producer is between its stores to `begun` and `done`.
        #[cold]
        fn during_a_carry(&self, done: u32, begun: u32) -> Option<u64> {
            // ORDERING: Acquire, pairs with the Release stores in `add` and `carry`: if this is a count from after
            // the carry's end, the next load sees that end.
            let low = self.low.load(Ordering::Acquire);
            // ORDERING: Relaxed. Nothing is read on the strength of it.
            let still = self.done.load(Ordering::Relaxed) == done && begun == done.wrapping_add(1);
            // `low` is the last before the carry or the first after it, and no batch of pushes reaches over half
            // of its range.
            still.then(|| join(if low >= HALF { done } else { begun }, low))
        }

        /// At least the count of every push that happened before; more by the low half's range if a carry
        /// comes in between.
        #[inline(always)]
        pub(crate) fn at_least(&self) -> u64 {
            // ORDERING: Acquire, pairs with the Release stores in `add` and `carry`: `begun` is no older than the
            // last carry before `low`.
            let low = self.low.load(Ordering::Acquire);
            // ORDERING: Relaxed. As said.
            join(self.begun.load(Ordering::Relaxed), low)
        }
    }

    #[cfg(all(test, not(pool_loom)))]
    mod tests {
        use super::*;

        #[test]
        fn counts_carry_into_the_high_half() {
            for start in [0, 5, (7 << LOW_BITS) - 3, (7 << LOW_BITS) - 1] {
                let pushes = Pushes::new(start);
                for (step, count) in [1, 2, 1, 3, 4].into_iter().enumerate() {
                    let before = pushes.own();
                    pushes.add(count);
                    let after = before + count as u64;
                    assert_eq!(pushes.own(), after, "{start}, step {step}");
                    assert_eq!(pushes.load(), after, "{start}, step {step}");
                    assert_eq!(pushes.at_least(), after, "{start}, step {step}");
                }
            }
        }

        #[test]
        fn a_carry_that_is_under_way_is_resolved() {
            let pushes = Pushes::new((7 << LOW_BITS) - 1);
            let set = |word: &AtomicU32, value| word.store(value, Ordering::Relaxed);
            set(&pushes.begun, 7);
            assert_eq!(pushes.load(), (7 << LOW_BITS) - 1);
            assert!(pushes.at_least() >= pushes.load());
            set(&pushes.low, 1);
            assert_eq!(pushes.load(), (7 << LOW_BITS) + 1);
            set(&pushes.done, 7);
            assert_eq!(pushes.load(), (7 << LOW_BITS) + 1);
            assert_eq!(pushes.during_a_carry(5, 7), None, "two carries");
            assert_eq!(pushes.during_a_carry(6, 7), None, "it has ended");
        }
    }
}
