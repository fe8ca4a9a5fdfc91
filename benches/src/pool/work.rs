//! The workloads, each written once for all contenders. None is inlined into its caller, so that each contender's loop
//! is compiled by itself.

use std::hint::black_box;
use std::sync::mpsc::sync_channel;

use super::{ByValue, Contender, Hold};
use crate::item::{Costly, Item};
use crate::measure::{Sample, process_cpu};

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
            pool.put(black_box(item));
        }
        for _ in 0..BURST {
            black_box(pool.try_take());
        }
    }
}

/// How many items [`migration`] hands over at once.
pub const BATCH: usize = 128;

/// One thread takes items, another puts them back. Counts everybody's CPU time for each item, the way over a channel
/// in batches of 128 included.
pub fn migration<T: Item, C: ByValue<T>>(pool: &C, items: u64) -> Sample {
    let batches = items.div_ceil(BATCH as u64);
    let (there, arrived) = sync_channel::<Vec<T>>(8);
    let (back, empty) = sync_channel(8);
    for _ in 0..8 {
        back.send(Vec::with_capacity(BATCH)).expect("there is room");
    }
    let start = process_cpu();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for _ in 0..batches {
                let mut batch = empty.recv().expect("the other side lives");
                batch.extend((0..BATCH).map(|_| pool.take()));
                there.send(batch).expect("the other side lives");
            }
        });
        for _ in 0..batches {
            let mut batch = arrived.recv().expect("the other side lives");
            assert_eq!(batch.len(), BATCH);
            batch.drain(..).for_each(|item| pool.put(item));
            // Nobody takes the last ones any more.
            let _ = back.send(batch);
        }
    });
    let took = process_cpu() - start;
    Sample {
        cost: took as f64 / (batches * BATCH as u64) as f64,
        seconds: took as f64 / 1e9,
    }
}

/// What is done with an item that was dear: some work with memory of its own.
pub const SCRATCH: usize = 32 << 10;

/// As in Go's `BenchmarkPoolExpensiveNew`: takes a hundred items, does some work after each, puts them back. Counts
/// rounds.
#[inline(never)]
pub fn expensive<C: Contender<Costly>>(pool: &C, rounds: u64) {
    let mut held = Vec::with_capacity(BURST);
    for _ in 0..rounds {
        for _ in 0..BURST {
            held.push(pool.take());
            black_box(vec![0u8; SCRATCH]);
        }
        held.drain(..).for_each(|item| pool.put(item));
    }
}

/// Looks for an item where there is none.
#[inline(never)]
pub fn miss<T: Item, C: ByValue<T>>(pool: &C, misses: u64) {
    for _ in 0..misses {
        black_box(pool.try_take());
    }
}
