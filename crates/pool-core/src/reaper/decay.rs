//! Cold-end decay: the victims of a generation go a few at a time instead of all at its end.
//!
//! ```text
//!   victims │▔▔▔▔▔╲
//!           │      ╲       coldest first, from the tails
//!           │       ╲
//!           └────────╲▁▁▁▁ time
//!           turn       next turn
//! ```
//!
//! The owner works at the head and what is put back is pushed there, so a chain is in order of age and its tail is
//! its coldest end. The curve is jemalloc's: it falls slowly at first, when a victim may still be wanted, and
//! arrives slowly, so that the turn itself has next to nothing to do. Idle memory goes back in many small
//! portions, and a load that comes again in the middle of a period still finds half of what it left.

use core::time::Duration;

use crate::deferred::Deferred;
use crate::discard::DiscardReason;
use crate::part::Parity;
use crate::pool::Pool;
use crate::sync::{AtomicUsize, Ordering};

/// In how many steps a generation's victims go.
const STEPS: u32 = 32;

/// What the curve starts from.
pub(crate) struct Curve {
    /// The generation, plus one so that 0 is none.
    generation: AtomicUsize,
    /// The most victims seen in it.
    victims: AtomicUsize,
}

impl Curve {
    pub(crate) const fn new() -> Self {
        Self {
            generation: AtomicUsize::new(0),
            victims: AtomicUsize::new(0),
        }
    }

    /// How many victims a generation started with, as far as anybody saw.
    fn start(&self, generation: usize, victims: usize) -> usize {
        let current = generation.wrapping_add(1);
        // ORDERING: Relaxed. A hint: of two that look after one pool at once, each has a curve to follow.
        let start = if self.generation.load(Ordering::Relaxed) == current {
            // ORDERING: Relaxed, as above.
            self.victims.load(Ordering::Relaxed).max(victims)
        } else {
            victims
        };
        // ORDERING: Relaxed, as above.
        self.victims.store(start, Ordering::Relaxed);
        // ORDERING: Relaxed, as above.
        self.generation.store(current, Ordering::Relaxed);
        start
    }
}

/// The part that is gone after `done` of the time: the quintic that starts and ends with no slope and no curvature.
fn smooth(done: f64) -> f64 {
    let x = done.clamp(0.0, 1.0);
    x * x * x * (x * (6.0 * x - 15.0) + 10.0)
}

/// How many of `start` victims may be left when `left` of a period is to come.
fn allowed(start: usize, left: Duration, period: Duration) -> usize {
    let done = 1.0 - left.as_secs_f64() / period.as_secs_f64();
    start - (start as f64 * smooth(done)) as usize
}

impl<T, F> Pool<T, F> {
    /// Turns the generation if a period is over, and otherwise lets some of the coldest items go. Says when it
    /// wants to be called again; None for never.
    ///
    /// Takes time in proportion to threads and rings, and then runs destructors, with nothing held.
    pub(crate) fn turn_and_decay(&self) -> Option<Duration> {
        let period = self.policy.every?;
        let left = self.turn_by_time()?;
        if self.policy.gradual && self.decay(left, period) {
            return Some(left.min(period / STEPS));
        }
        Some(left)
    }

    /// How many items have been dropped so far, for whatever reason.
    pub(crate) fn released_items(&self) -> u64 {
        DiscardReason::ALL
            .into_iter()
            .map(|reason| self.stray.discard(reason).get())
            .sum()
    }

    /// Lets the coldest victims go that should be gone by now; says whether there are more.
    fn decay(&self, left: Duration, period: Duration) -> bool {
        let generation = self.generation();
        let victim = Parity::victim(generation);
        let victims = self.victims(victim);
        let start = self.curve.start(generation, victims);
        let mut surplus = victims.saturating_sub(allowed(start, left, period));
        if self.policy.min_idle != 0 {
            surplus = surplus.min(self.idle().saturating_sub(self.policy.min_idle));
        }
        if surplus != 0 {
            let mut panics = Deferred::none();
            self.let_some_go(generation, victims, surplus, &mut panics);
            self.collect();
            panics.resume();
        }
        victims != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Recycle;

    #[test]
    fn the_curve_falls_from_all_to_none() {
        let period = Duration::from_secs(10);
        for start in [0, 1, 2, 7, 1000, 1 << (usize::BITS / 2 + 8)] {
            let mut before = start;
            for step in 0..=100 {
                let left = period - period * step / 100;
                let now = allowed(start, left, period);
                assert!(now <= before, "{start} {step}");
                before = now;
            }
            assert_eq!(allowed(start, period, period), start);
            assert_eq!(allowed(start, period * 2, period), start);
            assert_eq!(allowed(start, Duration::ZERO, period), 0);
        }
        // Half at half time, and slow at both ends.
        assert_eq!(allowed(1000, period / 2, period), 500);
        assert!(allowed(1000, period * 9 / 10, period) > 990);
        assert!(allowed(1000, period / 10, period) < 10);
    }

    #[test]
    fn the_curve_starts_anew_with_each_generation() {
        let curve = Curve::new();
        assert_eq!(curve.start(0, 5), 5);
        assert_eq!(curve.start(0, 3), 5);
        assert_eq!(curve.start(0, 8), 8);
        assert_eq!(curve.start(1, 2), 2);
        assert_eq!(curve.start(usize::MAX, 4), 4);
    }

    #[test]
    fn every_part_loses_the_same_part() {
        let pool = Pool::builder(|| 0u8)
            .thread_cache(0)
            .rotate_manually()
            .build();
        let barrier = std::sync::Barrier::new(3);
        std::thread::scope(|scope| {
            for count in [300, 60, 40] {
                let (pool, barrier) = (&pool, &barrier);
                scope.spawn(move || {
                    (0..count).for_each(|_| pool.put(0));
                    // No two of them one after the other in one part.
                    barrier.wait();
                });
            }
        });
        pool.rotate();
        let victim = Parity::victim(pool.generation());
        let lens = || {
            let lens = pool.parts.iter().map(|part| part.chain(victim).len());
            let mut lens: Vec<_> = lens.filter(|&len| len != 0).collect();
            lens.sort_unstable();
            lens
        };
        assert_eq!(lens(), [40, 60, 300]);
        let period = Duration::from_secs(10);
        assert!(pool.decay(period / 2, period));
        assert_eq!(lens(), [20, 30, 150]);
        assert!(pool.decay(Duration::ZERO, period));
        assert!(lens().is_empty());
        assert!(!pool.decay(Duration::ZERO, period), "nothing is left");
    }

    #[test]
    fn what_was_let_go_of_is_told_whatever_the_reason() {
        let refuse = |item: &mut u8| match *item {
            0 => Recycle::Discard,
            _ => Recycle::Keep,
        };
        let pool = Pool::builder(|| 1u8).recycle(refuse).build();
        for item in [0, 1, 1] {
            pool.put(item);
        }
        assert_eq!(pool.released_items(), 1);
        pool.clear();
        assert_eq!(pool.released_items(), 3);
    }
}
