//! What a pool lets go of, and when: idle for two turns is gone, used once in between stays, whoever holds it
//! and however it got there. `time.rs` tests what makes the generation turn by itself.

#![cfg(not(pool_loom))]

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Item, Ledger, Shape, cached, elsewhere, scaled, turn_out, with_shapes};
use pool_core::{DiscardReason, MAX_THREAD_CACHE, Pool};

/// From a single item to several caches full.
const COUNTS: [usize; 8] = [1, 2, 3, 63, 64, 65, 130, scaled(150, 1000, 1000)];

#[test]
fn idle_for_two_turns_is_gone() {
    with_shapes(|shape| {
        for count in COUNTS {
            let ledger = Ledger::new();
            let pool = shape.pool(ledger.maker());
            (0..count).for_each(|_| pool.put(ledger.item()));
            pool.rotate();
            assert_eq!(
                (pool.stats().idle, ledger.alive()),
                (count, count),
                "gone after one turn"
            );
            pool.rotate();
            assert_eq!(
                (pool.stats().idle, ledger.alive()),
                (0, 0),
                "there after two turns"
            );
            let stats = pool.stats();
            assert_eq!(stats.discards.by(DiscardReason::Aged), count as u64);
            assert_eq!(
                (stats.discards.total(), stats.generation),
                (count as u64, 2)
            );
        }
    });
}

/// Go's pool once fell off the list of pools to clean after the first time (golang/go#8979).
#[test]
fn a_hundred_times_over() {
    with_shapes(|shape| {
        let ledger = Ledger::new();
        let pool = shape.pool(ledger.maker());
        for round in 0..scaled(5, 100, 100) {
            pool.put(ledger.item());
            pool.rotate();
            (0..5).for_each(|_| pool.put(ledger.item()));
            if round % 3 == 0 {
                elsewhere(|| pool.put(ledger.item()));
            }
            pool.rotate();
            pool.rotate();
            assert_eq!((pool.stats().idle, ledger.alive()), (0, 0), "round {round}");
        }
    });
}

/// What was put in each of two generations goes in turn.
#[test]
fn each_generation_goes_in_turn() {
    with_shapes(|shape| {
        for (first, second) in [(1, 1), (3, 70), (70, 3), (100, 100)] {
            let ledger = Ledger::new();
            let pool = shape.pool(ledger.maker());
            (0..first).for_each(|_| pool.put(ledger.item()));
            pool.rotate();
            (0..second).for_each(|_| pool.put(ledger.item()));
            pool.rotate();
            let alive: Vec<_> = (0..first + second)
                .filter(|&number| ledger.is_alive(number))
                .collect();
            assert_eq!(alive, (first..first + second).collect::<Vec<_>>());
            pool.rotate();
            assert_eq!(ledger.alive(), 0);
        }
    });
}

/// Exactly those taken between two turns survive the second, and nothing that stood beside them.
#[test]
fn used_once_in_between_stays() {
    with_shapes(|shape| {
        for count in COUNTS {
            for used in [1, 2, count / 2, count] {
                let ledger = Ledger::new();
                let pool = shape.pool(ledger.maker());
                (0..count).for_each(|_| pool.put(ledger.item()));
                pool.rotate();
                let taken: Vec<Item> = (0..used.min(count)).map(|_| pool.take()).collect();
                let numbers: BTreeSet<_> = taken.iter().map(Item::number).collect();
                taken.into_iter().for_each(|item| pool.put(item));
                pool.rotate();
                let alive: BTreeSet<_> = (0..ledger.created())
                    .filter(|&number| ledger.is_alive(number))
                    .collect();
                assert_eq!(alive, numbers, "{used} of {count} used");
                assert_eq!(pool.stats().idle, numbers.len());
                assert_eq!(ledger.created(), count, "all were found");
            }
        }
    });
}

/// A burst of many leaves one behind when one at a time is used from then on (reuse in order of age keeps all
/// warm).
#[test]
fn a_burst_ebbs_away() {
    with_shapes(|shape| {
        for load in [1, 2, 10] {
            let ledger = Ledger::new();
            let pool = shape.pool(ledger.maker());
            let burst: Vec<_> = (0..300).map(|_| pool.get()).collect();
            drop(burst);
            assert_eq!(pool.stats().idle, 300);
            for _ in 0..2 {
                (0..scaled(3, 50, 50))
                    .for_each(|_| drop((0..load).map(|_| pool.get()).collect::<Vec<_>>()));
                pool.rotate();
            }
            assert_eq!((pool.stats().idle, ledger.alive()), (load, load));
            // And there it stays, without a new item.
            for _ in 0..10 {
                (0..3).for_each(|_| drop((0..load).map(|_| pool.get()).collect::<Vec<_>>()));
                pool.rotate();
            }
            assert_eq!((pool.stats().idle, ledger.created()), (load, 300));
        }
    });
}

/// The same when it is other threads that had the burst, and are gone.
#[test]
fn a_burst_elsewhere_ebbs_away() {
    with_shapes(|shape| {
        let ledger = Ledger::new();
        let pool = shape.pool(ledger.maker());
        elsewhere(|| drop((0..200).map(|_| pool.get()).collect::<Vec<_>>()));
        for _ in 0..3 {
            drop(pool.get());
            pool.rotate();
        }
        assert_eq!((pool.stats().idle, ledger.alive()), (1, 1));
    });
}

#[test]
fn items_on_loan_do_not_age() {
    with_shapes(|shape| {
        let ledger = Ledger::new();
        let pool = shape.pool(ledger.maker());
        let guards: Vec<_> = (0..70).map(|_| pool.get()).collect();
        (0..5).for_each(|_| pool.rotate());
        pool.clear();
        assert_eq!(ledger.alive(), 70);
        drop(guards);
        assert_eq!(pool.stats().idle, 70);
        pool.rotate();
        assert_eq!(ledger.alive(), 70, "young again");
        pool.rotate();
        assert_eq!(ledger.alive(), 0);
    });
}

#[test]
fn clear_empties_at_once() {
    with_shapes(|shape| {
        for count in COUNTS {
            let ledger = Ledger::new();
            let pool = shape.pool(ledger.maker());
            // In every state: parked and victims, used, of other threads.
            (0..count).for_each(|_| pool.put(ledger.item()));
            elsewhere(|| (0..count).for_each(|_| pool.put(ledger.item())));
            pool.rotate();
            (0..count).for_each(|_| pool.put(ledger.item()));
            assert_eq!(pool.stats().idle, 3 * count);
            pool.clear();
            assert_eq!((pool.stats().idle, ledger.alive()), (0, 0));
            let stats = pool.stats();
            assert_eq!(stats.discards.by(DiscardReason::Cleared), 3 * count as u64);
            assert_eq!(
                (stats.discards.total(), stats.generation),
                (3 * count as u64, 1)
            );
            assert!(pool.try_take().is_none());
            pool.put(ledger.item());
            assert_eq!(pool.stats().idle, 1);
        }
    });
}

#[test]
fn an_empty_pool_turns() {
    with_shapes(|shape| {
        let ledger = Ledger::new();
        let pool = shape.pool(ledger.maker());
        (0..100).for_each(|_| pool.rotate());
        (0..100).for_each(|_| pool.clear());
        let stats = pool.stats();
        assert_eq!(
            (stats.generation, stats.idle, stats.discards.total()),
            (100, 0, 0)
        );
        drop(pool.get());
        assert_eq!(pool.stats().idle, 1);
    });
}

#[test]
fn pools_turn_by_themselves() {
    let (ledger, other_ledger) = (Ledger::new(), Ledger::new());
    let pool = Pool::new(ledger.maker());
    let other = Pool::new(other_ledger.maker());
    pool.put(ledger.item());
    other.put(other_ledger.item());
    pool.rotate();
    pool.rotate();
    pool.clear();
    assert_eq!((ledger.alive(), other_ledger.alive()), (0, 1));
    assert_eq!((pool.stats().generation, other.stats().generation), (2, 0));
}

/// Two pools used in turn on one thread both keep finding their items (a pool with one thread-local slot for all
/// empties it at each change).
#[test]
fn two_pools_in_turn() {
    with_shapes(|shape| {
        let ledger = Ledger::new();
        let (one, other) = (shape.pool(ledger.maker()), shape.pool(ledger.maker()));
        for round in 0..scaled(20, 1000, 1000) {
            drop((one.get(), other.get()));
            drop((other.get(), other.get(), one.get()));
            if round % 10 == 0 {
                one.rotate();
            }
        }
        assert_eq!((one.stats().creates, other.stats().creates), (1, 2));
        assert!(one.stats().hit_rate() > 0.9, "{:?}", one.stats());
        if cached(shape.depth) >= 2 {
            let stats = other.stats();
            assert_eq!(stats.cache_hits, stats.hits());
        }
    });
}

/// Sizes around which a bitmap or a batch may lose its last word (object-pool loses whole words of slots).
#[test]
fn every_size_around_a_power_of_two() {
    for depth in [
        0,
        1,
        2,
        3,
        31,
        32,
        33,
        63,
        64,
        65,
        127,
        128,
        MAX_THREAD_CACHE,
    ] {
        let shape = Shape { depth };
        for count in [1, 31, 32, 33, 63, 64, 65, 127, 128, 129, depth, depth + 1] {
            let ledger = Ledger::new();
            let pool = shape.pool(ledger.maker());
            (0..count).for_each(|_| pool.put(ledger.item()));
            assert_eq!(pool.stats().idle, count, "depth {depth}");
            let mut found: Vec<_> = std::iter::from_fn(|| pool.try_take())
                .map(|item| item.number())
                .collect();
            found.sort_unstable();
            assert_eq!(found, (0..count).collect::<Vec<_>>(), "depth {depth}");
        }
    }
}

/// Turns by many threads at once, while nobody uses the pool: each counts, none drops twice or too early.
#[test]
fn many_turn_at_once() {
    with_shapes(|shape| {
        let ledger = Ledger::new();
        let pool = shape.pool(ledger.maker());
        (0..200).for_each(|_| pool.put(ledger.item()));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..scaled(2, 50, 50)).for_each(|_| pool.rotate()));
            }
        });
        assert_eq!(pool.stats().generation, 4 * scaled(2, 50, 50) as u64);
        // Two of them may have met in one cache, which one then left to the other.
        turn_out(&pool, &ledger);
        assert_eq!(pool.stats().discards.by(DiscardReason::Aged), 200);
    });
}

/// The hook hears of every item that the pool drops, alive and with the right reason, and of no other.
#[test]
fn reasons() {
    with_shapes(|shape| {
        let ledger = Ledger::new();
        let counts: Arc<[AtomicUsize; DiscardReason::ALL.len()]> = Arc::default();
        let pool = shape
            .builder(ledger.maker())
            .recycle(|item| {
                if item.number() == 0 {
                    pool_core::Recycle::Discard
                } else {
                    pool_core::Recycle::Keep
                }
            })
            .on_discard({
                let (ledger, counts) = (ledger.clone(), counts.clone());
                move |item, reason| {
                    assert!(ledger.is_alive(item.number()));
                    counts[reason as usize].fetch_add(1, Ordering::Relaxed);
                }
            })
            .build();
        let count = |reason| counts[reason as usize].load(Ordering::Relaxed);
        pool.put(ledger.item());
        assert_eq!(count(DiscardReason::Refused), 1);
        (0..100).for_each(|_| pool.put(ledger.item()));
        pool.rotate();
        drop((0..10).map(|_| pool.take()).collect::<Vec<_>>());
        pool.rotate();
        assert_eq!(count(DiscardReason::Aged), 90);
        (0..100).for_each(|_| pool.put(ledger.item()));
        pool.clear();
        assert_eq!(count(DiscardReason::Cleared), 100);
        for reason in DiscardReason::ALL {
            assert_eq!(
                pool.stats().discards.by(reason),
                count(reason) as u64,
                "{reason}"
            );
        }
        (0..100).for_each(|_| pool.put(ledger.item()));
        drop(pool);
        assert_eq!(count(DiscardReason::PoolDropped), 100);
        assert_eq!(
            counts
                .iter()
                .map(|count| count.load(Ordering::Relaxed))
                .sum::<usize>(),
            291
        );
        assert_eq!((ledger.created(), ledger.alive()), (301, 0));
    });
}
