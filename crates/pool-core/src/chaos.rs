//! Chaos: everything that a pool may do but seldom does, done often, so that a program's tests meet it.
//!
//! A pool promises little: which item comes out is not specified, nor that one that was put back is kept. A program
//! that relies on more than that works until there is contention or memory pressure. In chaos the pool
//!
//! * drops items that come back, and finds none where there are some;
//! * gives out any item instead of the newest;
//! * goes past the caller's own cache and chain, as if they were empty;
//! * turns its generation in the middle of things.
//!
//! The idea is Go's race detector's, under which a `sync.Pool` drops one item in four.

use crate::part::Parity;
use crate::pool::Pool;
use crate::stats::Event;
use crate::sync::{AtomicUsize, Ordering};

/// A source of decisions. With one thread the same seed makes the same ones.
pub(crate) struct Chaos {
    seed: u64,
    drawn: AtomicUsize,
}

impl Chaos {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            drawn: AtomicUsize::new(0),
        }
    }

    /// The next number, by Steele, Lea and Flood's SplitMix.
    fn draw(&self) -> u64 {
        // ORDERING: Relaxed. Each number is drawn once; in which order is a matter of chance anyway.
        let drawn = self.drawn.fetch_add(1, Ordering::Relaxed) as u64 + 1;
        let mut z = self
            .seed
            .wrapping_add(drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn one_in(&self, count: u64) -> bool {
        self.draw() % count == 0
    }

    /// Whether an item that comes back is dropped.
    pub(crate) fn drops(&self) -> bool {
        self.one_in(4)
    }

    /// Whether it goes past the cache.
    pub(crate) fn skips(&self) -> bool {
        self.one_in(4)
    }
}

impl<T, F> Pool<T, F> {
    /// What a take comes to if chaos has its way; None to do as usual.
    pub(crate) fn take_in_chaos(&self, chaos: &Chaos) -> Option<Option<T>> {
        if chaos.one_in(16) {
            self.rotate();
        }
        match chaos.draw() % 8 {
            0 => {
                self.count(Event::Miss);
                Some(None)
            }
            1 | 2 => {
                let item = self.take_coldest()?;
                self.count(Event::Steal);
                Some(Some(item))
            }
            3..=5 => {
                let cache = self.cache_of(self.own_part())?;
                let item = cache.take_any(chaos.draw() as usize)?;
                self.count(Event::CacheHit);
                Some(Some(item))
            }
            _ => None,
        }
    }

    /// Takes the oldest item of the first part that has one.
    fn take_coldest(&self) -> Option<T> {
        let generation = self.generation();
        [Parity::victim(generation), Parity::primary(generation)]
            .into_iter()
            .find_map(|parity| {
                self.parts
                    .find(parity, 0, |part| part.chain(parity).pop_tail())
            })
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same() {
        let draws = |seed| {
            let chaos = Chaos::new(seed);
            (0..100).map(|_| chaos.draw()).collect::<Vec<_>>()
        };
        assert_eq!(draws(1), draws(1));
        assert_ne!(draws(1), draws(2));
        // About as often as it says.
        let chaos = Chaos::new(7);
        for one_in_four in [Chaos::drops, Chaos::skips] {
            let count = (0..10_000).filter(|_| one_in_four(&chaos)).count();
            assert!((2300..2700).contains(&count), "{count}");
        }
    }

    #[test]
    fn known_numbers() {
        // The generator's published first outputs for this seed.
        let chaos = Chaos::new(1_234_567);
        let expected = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
        ];
        assert_eq!([chaos.draw(), chaos.draw(), chaos.draw()], expected);
    }
}
