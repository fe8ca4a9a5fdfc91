//! The workloads, each written once for all contenders. None is inlined into its caller, so that each contender's loop
//! is compiled by itself.

use super::{ByValue, Contender, Hold};
use crate::item::Item;

/// Takes an item and puts it back.
#[inline(never)]
pub fn hot<T: Item, C: Contender<T>>(pool: &C, pairs: u64) {
    for _ in 0..pairs {
        let mut held = pool.take();
        held.touch();
        pool.put(held);
    }
}

/// Eight calls deep, each of which holds an item: eight takes, then eight puts. Counts pairs.
#[inline(never)]
pub fn nested<T: Item, C: Contender<T>>(pool: &C, pairs: u64) {
    macro_rules! nest {
        () => {};
        ($first:ident $($rest:ident)*) => {
            let mut $first = pool.take();
            $first.touch();
            nest!($($rest)*);
            pool.put($first);
        };
    }
    for _ in 0..pairs.div_ceil(8) {
        nest!(a b c d e f g h);
    }
}

/// How many items a burst takes.
pub const BURST: usize = 100;

/// A hundred takes, then a hundred puts, as in Go's `BenchmarkPoolOverflow`. Counts pairs.
#[inline(never)]
pub fn burst<T: Item, C: Contender<T>>(pool: &C, pairs: u64) {
    let mut held = Vec::with_capacity(BURST);
    for _ in 0..pairs.div_ceil(BURST as u64) {
        for _ in 0..BURST {
            let mut item = pool.take();
            item.touch();
            held.push(item);
        }
        while let Some(item) = held.pop() {
            pool.put(item);
        }
    }
}

/// How many of the takes of a starved round find nothing.
pub const STARVED: usize = BURST / 3;

/// 67 puts, then 100 takes, as in Go's `BenchmarkPoolStarvation`. Counts rounds.
#[inline(never)]
pub fn starvation<T: Item + Copy, C: ByValue<T>>(pool: &C, item: T, rounds: u64) {
    for _ in 0..rounds {
        for _ in 0..BURST - STARVED {
            pool.put(std::hint::black_box(item));
        }
        for _ in 0..BURST {
            std::hint::black_box(pool.try_take());
        }
    }
}
