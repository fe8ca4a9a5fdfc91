//! Threads that take, put, turn, clear and read at once: nothing is lost or doubled, and what was done to an item
//! before it was put is seen by whoever takes it. Most of its worth comes out under ThreadSanitizer and Miri.

#![cfg(not(pool_loom))]

mod common;

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use common::{Ledger, Shape, booked, scaled, turn_out, with_shapes};
use pool_core::{DiscardReason, Pool};

/// A few pseudo-random numbers for one thread.
struct Random(u32);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 16) % limit
    }
}

/// Plain memory that each holder checks and overwrites: a missing edge between `put` and `take` is a data race,
/// and shows natively as words that do not match.
struct Page {
    words: [usize; 16],
}

impl Page {
    fn check_and_write(&mut self, value: usize) {
        let first = self.words[0];
        assert!(
            self.words.iter().all(|&word| word == first),
            "torn: {:?}",
            self.words
        );
        self.words.fill(value);
    }
}

#[test]
fn a_put_happens_before_the_take() {
    const THREADS: usize = 3;
    const ROUNDS: usize = scaled(5, 2000, 20_000);
    with_shapes(|shape| {
        let pool: Pool<Box<Page>, _> = shape.pool(|| Box::new(Page { words: [0; 16] }));
        let barrier = Barrier::new(THREADS);
        thread::scope(|scope| {
            for number in 1..=THREADS {
                let (pool, barrier) = (&pool, &barrier);
                scope.spawn(move || {
                    let mut random = Random(number as u32);
                    barrier.wait();
                    for round in 0..ROUNDS {
                        let mut held: Vec<_> = (0..=random.below(4)).map(|_| pool.get()).collect();
                        for page in &mut held {
                            page.check_and_write(round * THREADS + number);
                        }
                        // In another order than they came.
                        held.reverse();
                        if random.below(50) == 0 {
                            pool.rotate();
                        }
                    }
                });
            }
        });
        let stats = pool.stats();
        assert_eq!(stats.idle as u64 + stats.discards.total(), stats.creates);
    });
}

/// What is written in a constructor happens before the take, too, and what a destructor reads after both.
#[test]
fn from_constructor_to_destructor() {
    struct Checked(Page);
    impl Drop for Checked {
        fn drop(&mut self) {
            self.0.check_and_write(0);
        }
    }
    let pool: Pool<Checked, _> = Shape { depth: 2 }.pool(|| Checked(Page { words: [1; 16] }));
    thread::scope(|scope| {
        for number in 1..4 {
            let pool = &pool;
            scope.spawn(move || {
                for round in 0..scaled(20, 5000, 50_000) {
                    let mut item = pool.take();
                    item.0.check_and_write(round);
                    pool.put(item);
                    match round % 64 {
                        // Destructors run here, for items of all.
                        7 => pool.rotate(),
                        31 if number == 1 => pool.clear(),
                        _ => {}
                    }
                }
            });
        }
    });
}

/// Everything at once, on every shape; then the sums.
#[test]
fn conservation() {
    const THREADS: usize = 3;
    const ROUNDS: usize = scaled(8, 2000, 50_000);
    with_shapes(|shape| {
        let ledger = Ledger::new();
        let pool = shape.pool(ledger.maker());
        let barrier = Barrier::new(THREADS + 1);
        let done = AtomicUsize::new(0);
        thread::scope(|scope| {
            for number in 0..THREADS {
                let (pool, ledger, barrier, done) = (&pool, &ledger, &barrier, &done);
                scope.spawn(move || {
                    let mut random = Random(number as u32 + 77);
                    let mut held = Vec::new();
                    barrier.wait();
                    for _ in 0..ROUNDS {
                        match random.below(10) {
                            0..4 => held.push(pool.take()),
                            4..8 => {
                                if let Some(item) = held.pop() {
                                    pool.put(item);
                                }
                            }
                            8 => held.extend(pool.try_take()),
                            _ => pool.put(ledger.item()),
                        }
                    }
                    held.into_iter().for_each(|item| pool.put(item));
                    done.fetch_add(1, Ordering::Relaxed);
                });
            }
            barrier.wait();
            while done.load(Ordering::Relaxed) != THREADS {
                pool.rotate();
                // An item on its way from a cache to a shard may be seen in both.
                let (idle, created) = (pool.stats().idle, ledger.created());
                assert!(idle <= created + THREADS * 64, "{idle} of {created}");
                thread::yield_now();
                if pool.stats().generation % 5 == 0 {
                    pool.clear();
                }
            }
        });
        let stats = pool.stats();
        assert_eq!(stats.idle, ledger.alive(), "{stats:?}");
        assert_eq!(stats.discards.total(), ledger.dropped() as u64, "{stats:?}");
        assert_eq!(
            stats.discards.by(DiscardReason::OutOfMemory),
            0,
            "{stats:?}"
        );
        // With nobody else about, the promises of `rotation.rs` hold again.
        turn_out(&pool, &ledger);
    });
}

/// A sweep may find any thread inside its cache; it waits for it or passes it over, and what it passed over goes
/// with the next.
#[test]
fn turns_against_hot_caches() {
    let ledger = Ledger::new();
    let pool = Pool::builder(ledger.maker()).rotate_manually().build();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    drop((pool.get(), pool.get()));
                }
            });
        }
        for round in 0..scaled(10, 3000, 30_000) {
            if round % 2 == 0 {
                pool.rotate();
            } else {
                pool.clear();
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    let stats = pool.stats();
    assert_eq!(stats.idle, ledger.alive());
    // Four are out at once, and as many may have lain where the other thread or a sweep had them meanwhile.
    assert!(stats.idle <= 8, "{stats:?}");
    assert_eq!(stats.creates, stats.idle as u64 + stats.discards.total());
    pool.clear();
    assert_eq!(ledger.alive(), 0);
}

/// Many threads without caches: no item is dropped, and hardly one is made anew.
#[test]
fn many_without_caches() {
    let (ledger, pool) = booked(0);
    let rounds = scaled(20, 20_000, 200_000);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..rounds).for_each(|_| drop(pool.get())));
        }
    });
    let stats = pool.stats();
    assert_eq!((ledger.dropped(), stats.idle), (0, ledger.alive()));
    assert!(stats.creates <= 4 + rounds as u64 / 250, "{stats:?}");
}

/// Time and operations turn it from inside, in all threads.
#[test]
fn turning_by_themselves() {
    with_shapes(|shape| {
        let ledger = Ledger::new();
        let pool = shape
            .builder(ledger.maker())
            // Under Miri a millisecond is a single operation.
            .rotate_every(Duration::from_millis(if cfg!(miri) { 500 } else { 1 }))
            .rotate_after(scaled(10, 50, 50))
            .build();
        thread::scope(|scope| {
            for number in 0..3 {
                let pool = &pool;
                scope.spawn(move || {
                    let mut random = Random(number);
                    for _ in 0..scaled(10, 3000, 30_000) {
                        drop(
                            (0..=random.below(5))
                                .map(|_| pool.get())
                                .collect::<Vec<_>>(),
                        );
                    }
                });
            }
        });
        let stats = pool.stats();
        assert!(stats.generation > 0, "{stats:?}");
        assert_eq!(stats.idle, ledger.alive());
        assert_eq!(stats.creates, ledger.created() as u64);
    });
}
