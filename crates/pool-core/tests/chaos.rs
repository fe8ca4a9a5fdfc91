//! Chaos does everything that a pool may do, loses and doubles nothing, and finds what a program should not rely on.

#![cfg(not(pool_loom))]

mod common;

use std::thread;

use common::{Ledger, caches_work, scaled, with_shapes};
use pool_core::{DiscardReason, Pool};

#[test]
fn nothing_is_lost_or_doubled() {
    with_shapes(|shape| {
        // Miri sees enough in one shape.
        if cfg!(miri) && shape.depth != 2 {
            return;
        }
        for seed in 0..scaled(1, 20, 100) as u64 {
            let ledger = Ledger::new();
            let pool = shape
                .builder(ledger.maker())
                .chaos(seed)
                .max_idle(100)
                .build();
            thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| {
                        for count in 0..scaled(10, 60, 60) {
                            drop((0..count % 7).map(|_| pool.get()).collect::<Vec<_>>());
                            pool.put(ledger.item());
                            drop(pool.try_take());
                        }
                    });
                }
            });
            assert_eq!(pool.stats().idle, ledger.alive());
            pool.clear();
            assert_eq!((pool.stats().idle, ledger.alive()), (0, 0));
            drop(pool);
            assert_eq!(ledger.created(), ledger.dropped());
        }
    });
}

/// Each kind of disorder turns up.
#[test]
fn everything_happens() {
    let ledger = Ledger::new();
    let pool = Pool::builder(ledger.maker())
        .chaos(42)
        .rotate_manually()
        .build();
    let (mut newest, mut others, mut from_amidst) = (0, 0, 0);
    for _ in 0..scaled(500, 5000, 5000) {
        let last = ledger.item();
        let number = last.number();
        pool.put(ledger.item());
        let before = pool.stats().idle_in_caches;
        pool.put(last);
        let stats = pool.stats();
        let on_top = stats.idle_in_caches == before + 1;
        match pool.try_take() {
            Some(item) if item.number() == number => newest += 1,
            taken => {
                others += 1;
                let cached = taken.is_some() && pool.stats().cache_hits > stats.cache_hits;
                from_amidst += usize::from(on_top && cached);
            }
        }
    }
    let from_cache = caches_work();
    assert_eq!(
        from_amidst > 0,
        from_cache,
        "a cache gives its newest alone"
    );
    assert!(
        newest > others / 4 && others > newest / 4,
        "{newest} {others}"
    );
    let stats = pool.stats();
    assert_ne!(stats.discards.by(DiscardReason::Chaos), 0);
    assert_ne!(stats.discards.by(DiscardReason::Aged), 0);
    assert!(stats.misses > 0 && stats.steals > 0 && stats.generation > 0);
    assert_eq!(stats.cache_hits > 0, from_cache);
    assert_eq!(stats.creates, 0);
}

/// On one thread the same seed does the same, so a test that fails can be run again.
#[test]
fn the_same_seed_does_the_same() {
    let run = |seed| {
        let ledger = Ledger::new();
        let pool = Pool::builder(ledger.maker())
            .chaos(seed)
            .rotate_manually()
            .build();
        (0..scaled(30, 300, 300))
            .map(|round| {
                let held: Vec<_> = (0..round % 5).map(|_| pool.get()).collect();
                held.iter().map(|item| item.number()).collect::<Vec<_>>()
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

/// A program's mistake that only chaos shows: that what was put comes back.
#[test]
fn finds_a_hidden_assumption() {
    let assumes = |pool: &Pool<Vec<u8>, fn() -> Vec<u8>>| {
        pool.put(vec![1]);
        pool.take() == [1]
    };
    let fine = Pool::builder(Vec::new as fn() -> Vec<u8>).build();
    assert!((0..100).all(|_| assumes(&fine)));
    let found = (0..20).any(|seed| {
        let pool = Pool::builder(Vec::new as fn() -> Vec<u8>)
            .chaos(seed)
            .build();
        !assumes(&pool)
    });
    assert!(found);
}
