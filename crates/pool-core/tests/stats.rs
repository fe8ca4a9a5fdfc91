//! Statistics add up: on one thread to the item, on many once they are done.

#![cfg(not(pool_loom))]

mod common;

use std::sync::Barrier;
use std::thread;

use common::{Ledger, booked, cached, caches_work, elsewhere, scaled, with_shapes};
use pool_core::{CacheState, DiscardReason, Pool, Stats};

#[test]
fn a_new_pool_has_done_nothing() {
    let pool: Pool<u8> = Pool::new(|| 0);
    let mut nothing = Stats::default();
    // Of which the process has decided before.
    nothing.caches = pool.stats().caches;
    assert_eq!(pool.stats(), nothing);
    assert_eq!(nothing.caches == CacheState::Cached, caches_work());
    assert_eq!(pool.stats().hits(), 0);
    assert_eq!(pool.stats().hit_rate(), 0.0);
    assert_eq!(pool.stats().discards.total(), 0);
}

/// Every take is a hit of some level or a creation, whatever came before it.
#[test]
fn takes_are_hits_or_creations() {
    with_shapes(|shape| {
        let ledger = Ledger::new();
        let pool = shape.pool(ledger.maker());
        let (mut takes, mut misses, mut held) = (0, 0, Vec::new());
        let depth = cached(shape.depth);
        // A fixed pseudo-random walk: nested takes and puts, turns, clears, looks that find nothing.
        let mut random = 12345_u32;
        for step in 0..scaled(500, 10_000, 10_000) {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            match (random >> 16) % 16 {
                0..7 => {
                    held.push(pool.take());
                    takes += 1;
                }
                7..14 => {
                    if let Some(item) = held.pop() {
                        pool.put(item);
                    }
                }
                14 if step % 10 == 0 => pool.rotate(),
                15 if step % 50 == 0 => pool.clear(),
                _ => {
                    if let Some(item) = pool.try_take() {
                        held.push(item);
                        takes += 1;
                    } else {
                        misses += 1;
                    }
                }
            }
            let stats = pool.stats();
            assert_eq!(stats.hits() + stats.creates, takes, "step {step}");
            assert_eq!(stats.misses, stats.creates + misses, "step {step}");
            assert_eq!(stats.creates, ledger.created() as u64);
            assert_eq!(stats.discards.total(), ledger.dropped() as u64);
            assert_eq!(stats.idle + held.len(), ledger.alive());
            assert!(stats.idle_in_caches <= stats.idle.min(depth));
        }
        let stats = pool.stats();
        let rate = stats.hits() as f64 / (takes + misses) as f64;
        assert!((stats.hit_rate() - rate).abs() < 1e-9);
        // Not in vain: every level had its part.
        assert_eq!(stats.cache_hits > 0, depth > 0, "{stats:?}");
        assert!(stats.chain_hits > 0 || depth == 64, "{stats:?}");
        assert!(stats.victim_hits > 0 || depth == 64, "{stats:?}");
        assert!(stats.steals == 0, "from whom? {stats:?}");
        assert!(stats.discards.by(DiscardReason::Aged) > 0, "{stats:?}");
        assert!(stats.discards.by(DiscardReason::Cleared) > 0, "{stats:?}");
        assert_eq!(stats.parts, 1, "one thread has one part");
    });
}

/// Each level is told apart.
#[test]
fn levels() {
    if !caches_work() {
        return;
    }
    let (_, pool) = booked(2);
    let level = |expected: (u64, u64, u64, u64, u64)| {
        let stats = pool.stats();
        let found = (
            stats.creates,
            stats.cache_hits,
            stats.chain_hits,
            stats.steals,
            stats.victim_hits,
        );
        assert_eq!(found, expected);
    };
    let items = [pool.take(), pool.take(), pool.take(), pool.take()];
    level((4, 0, 0, 0, 0));
    items.into_iter().for_each(|item| pool.put(item));
    assert_eq!(
        (
            pool.stats().idle_in_caches,
            pool.stats().idle,
            pool.stats().parts
        ),
        (2, 4, 1)
    );
    let first = [pool.take(), pool.take()];
    level((4, 2, 0, 0, 0));
    let second = [pool.take(), pool.take()];
    level((4, 2, 2, 0, 0));
    first
        .into_iter()
        .chain(second)
        .for_each(|item| pool.put(item));
    pool.rotate();
    // Parked in the cache is still a hit of the cache.
    let first = [pool.take(), pool.take()];
    level((4, 4, 2, 0, 0));
    let second = [pool.take(), pool.take()];
    level((4, 4, 2, 0, 2));
    drop((first, second, pool.take()));
    level((5, 4, 2, 0, 2));
    // Nothing for one who only looks.
    assert!(pool.try_take().is_none());
    level((5, 4, 2, 0, 2));
    assert_eq!(pool.stats().hits(), 8);
}

/// After many threads' work the sum is exact, and so is the number of items.
#[test]
fn of_many_threads() {
    const THREADS: usize = 4;
    const ROUNDS: usize = scaled(10, 1000, 10_000);
    with_shapes(|shape| {
        let ledger = Ledger::new();
        let pool = shape.pool(ledger.maker());
        let barrier = Barrier::new(THREADS);
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    barrier.wait();
                    for round in 0..ROUNDS {
                        let nested = round % 5 + 1;
                        drop((0..nested).map(|_| pool.get()).collect::<Vec<_>>());
                    }
                });
            }
        });
        let stats = pool.stats();
        assert_eq!(
            stats.hits() + stats.creates,
            (THREADS * ROUNDS * 3) as u64,
            "{stats:?}"
        );
        assert_eq!(stats.creates, ledger.created() as u64);
        assert_eq!(stats.discards.total(), ledger.dropped() as u64);
        assert_eq!(stats.idle, ledger.alive());
        assert!((1..=THREADS).contains(&stats.parts), "{stats:?}");
        assert_eq!(stats.discards.total(), 0, "{stats:?}");
    });
}

/// Reading disturbs nobody and needs nobody to hold still.
#[test]
fn while_others_work() {
    let ledger = Ledger::new();
    let pool = Pool::builder(ledger.maker()).rotate_manually().build();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..scaled(50, 5000, 50_000) {
                        drop((pool.get(), pool.get(), pool.get()));
                    }
                })
            })
            .collect();
        let mut last = pool.stats();
        while !workers.iter().all(thread::ScopedJoinHandle::is_finished) {
            let now = pool.stats();
            assert!(
                now.creates >= last.creates && now.hits() + 2 >= last.hits(),
                "{last:?} {now:?}"
            );
            assert!(now.idle <= 6 + 4, "{now:?}");
            assert!((0.0..=1.0).contains(&now.hit_rate()));
            last = now;
        }
    });
    let stats = pool.stats();
    assert_eq!(
        stats.hits() + stats.creates,
        2 * 3 * scaled(50, 5000, 50_000) as u64
    );
}

/// The counts of threads that are gone are kept, and their heirs go on with them.
#[test]
fn of_dead_threads() {
    with_shapes(|shape| {
        let ledger = Ledger::new();
        let pool = shape.pool(ledger.maker());
        for threads in 1..=20 {
            elsewhere(|| drop((pool.get(), pool.get())));
            let stats = pool.stats();
            assert_eq!(stats.hits() + stats.creates, 2 * threads);
        }
    });
}
