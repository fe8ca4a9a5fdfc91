//! Limits, floors and rules: what a pool with a budget holds at most, what it keeps at least, and which items it lets
//! go for how they were used.

#![cfg(not(pool_loom))]

mod common;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use common::{Fuse, Item, Ledger, caches_work, elsewhere, panics, scaled, with_shapes};
use pool_core::{
    BuildError, Builder, Calibrator, DiscardReason, ManualClock, Pool, Recycle, Usage, relieve,
};

/// A buffer as far as a budget is concerned.
fn buffer(bytes: usize) -> Vec<u8> {
    Vec::with_capacity(bytes)
}

fn by_capacity<F: Fn() -> Vec<u8>>(builder: Builder<Vec<u8>, F>) -> Builder<Vec<u8>, F> {
    builder.weight(Vec::capacity)
}

#[test]
#[cfg_attr(
    miri,
    ignore = "many items, and no unsafe code that smaller tests do not reach"
)]
fn a_pool_holds_no_more_items_than_it_may() {
    with_shapes(|shape| {
        for max in [1, 2, 63, 64, 65, 200] {
            let ledger = Ledger::new();
            let pool = shape.builder(ledger.maker()).max_idle(max).build();
            for _ in 0..3 {
                elsewhere(|| (0..max).for_each(|_| pool.put(ledger.item())));
                assert_eq!(pool.stats().idle, max);
                (0..10).for_each(|_| pool.put(ledger.item()));
                let stats = pool.stats();
                assert_eq!((stats.idle, ledger.alive()), (max, max));
                let held: Vec<_> = std::iter::from_fn(|| pool.try_take()).collect();
                // What lies in another thread's cache is not to be had.
                let left = pool.stats().idle;
                assert_eq!(held.len() + left, max);
                held.into_iter().for_each(|item| pool.put(item));
                assert_eq!(pool.stats().idle, max, "what is taken makes room");
                pool.clear();
                assert_eq!(ledger.alive(), 0);
            }
            assert_eq!(pool.stats().discards.by(DiscardReason::OverBudget), 30);
        }
    });
}

#[test]
fn a_pool_weighs_no_more_than_it_may() {
    with_shapes(|shape| {
        let pool = by_capacity(shape.builder(|| buffer(0)))
            .max_weight(1000)
            .build();
        for bytes in [400, 500, 100] {
            pool.put(buffer(bytes));
        }
        assert_eq!((pool.stats().idle, pool.stats().weight), (3, 1000));
        pool.put(buffer(1));
        pool.put(buffer(usize::MAX >> 40));
        assert_eq!((pool.stats().idle, pool.stats().weight), (3, 1000));
        // Weightless ones always fit.
        pool.put(buffer(0));
        assert_eq!(pool.stats().idle, 4);
        let taken: Vec<_> = std::iter::from_fn(|| pool.try_take()).collect();
        assert_eq!((taken.len(), pool.stats().weight), (4, 0));
        // One that grew while it was out counts as what it is now.
        pool.put(buffer(10));
        let mut guard = pool.get();
        guard.reserve_exact(700);
        drop(guard);
        assert_eq!(pool.stats().weight, 700);
        let mut guard = pool.get();
        guard.reserve_exact(1001);
        drop(guard);
        assert_eq!((pool.stats().idle, pool.stats().weight), (0, 0));
        assert_eq!(pool.stats().discards.by(DiscardReason::OverBudget), 3);
    });
}

/// What fits into an empty pool takes the place of victims, of all if need be; what does not takes nobody's.
#[test]
fn what_fits_alone_takes_the_place_of_victims() {
    let pool = by_capacity(Pool::builder(|| buffer(0)))
        .thread_cache(0)
        .rotate_manually()
        .max_weight(1000)
        .build();
    pool.put(buffer(400));
    pool.put(buffer(500));
    pool.rotate();
    pool.put(buffer(1001));
    assert_eq!((pool.stats().idle, pool.stats().weight), (2, 900));
    pool.put(buffer(1000));
    let stats = pool.stats();
    assert_eq!((stats.idle, stats.weight), (1, 1000));
    assert_eq!(stats.discards.by(DiscardReason::Aged), 2);
    assert_eq!(stats.discards.by(DiscardReason::OverBudget), 1);
}

/// Whichever way items leave, the accounts come out even.
#[test]
#[cfg_attr(
    miri,
    ignore = "many items, and no unsafe code that smaller tests do not reach"
)]
fn every_way_out_is_counted() {
    with_shapes(|shape| {
        let ledger = Ledger::new();
        let pool = shape
            .builder(ledger.maker())
            .max_idle(500)
            .weight(|_| 3)
            .max_weight(3 * 400)
            .build();
        let check = |idle: usize| {
            let stats = pool.stats();
            assert_eq!((stats.idle, stats.weight), (idle, 3 * idle));
            assert_eq!(ledger.alive(), idle);
        };
        for ways in 0..4 {
            elsewhere(|| (0..150).for_each(|_| pool.put(ledger.item())));
            (0..300).for_each(|_| pool.put(ledger.item()));
            check(400);
            match ways {
                0 => pool.clear(),
                1 => {
                    pool.rotate();
                    check(400);
                    pool.rotate();
                }
                2 => {
                    pool.rotate();
                    // Victims make room for what comes in.
                    (0..150).for_each(|_| pool.put(ledger.item()));
                    check(400);
                    drop(std::iter::from_fn(|| pool.try_take()).collect::<Vec<_>>());
                    pool.clear();
                }
                _ => {
                    for _ in 0..100 {
                        drop((pool.get(), pool.get()));
                    }
                    pool.rotate();
                    drop(pool.get());
                    pool.rotate();
                    check(pool.stats().idle);
                    pool.clear();
                }
            }
            check(0);
        }
    });
}

/// Never above, whatever goes on; and back to nothing at the end.
#[test]
#[cfg_attr(
    miri,
    ignore = "many items, and no unsafe code that smaller tests do not reach"
)]
fn limits_hold_under_threads() {
    const MAX: usize = 40;
    for depth in [0, 2, 64] {
        let ledger = Ledger::new();
        // What lies in the pool, by the items' own account: entered late and left early.
        let pool = Pool::builder(ledger.maker())
            .thread_cache(depth)
            .max_idle(MAX)
            .weight(|_| 10)
            .max_weight(10 * MAX - 5)
            .rotate_manually()
            .build();
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let workers: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        for round in 0..scaled(5, 100, 3000) {
                            let held: Vec<_> = (0..round % 20).map(|_| pool.take()).collect();
                            held.into_iter().for_each(|item| pool.put(item));
                            (0..5).for_each(|_| pool.put(ledger.item()));
                            if round % 50 == 0 {
                                pool.rotate();
                            }
                        }
                    })
                })
                .collect();
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    assert!(pool.stats().weight <= 10 * MAX - 5);
                    thread::yield_now();
                }
            });
            for worker in workers {
                worker.join().unwrap();
            }
            done.store(true, Ordering::Relaxed);
        });
        let stats = pool.stats();
        assert!(stats.idle < MAX, "{stats:?}");
        assert_eq!(
            (stats.weight, ledger.alive()),
            (10 * stats.idle, stats.idle)
        );
        assert_ne!(stats.discards.by(DiscardReason::OverBudget), 0);
        pool.clear();
        assert_eq!((pool.stats().idle, pool.stats().weight), (0, 0));
    }
}

/// A pool with limits has the same order and the same counts as one without.
#[test]
#[cfg_attr(
    miri,
    ignore = "many items, and no unsafe code that smaller tests do not reach"
)]
fn limits_change_nothing_else() {
    with_shapes(|shape| {
        let make = || {
            let ledger = Ledger::new();
            (shape.builder(ledger.maker()), ledger)
        };
        let (plain, _ledger) = make();
        let (limited, _other) = make();
        let pools = [plain.build(), limited.max_idle(10_000).build()];
        let mut held = [VecDeque::new(), VecDeque::new()];
        let mut random = 1u32;
        for _ in 0..scaled(300, 20_000, 20_000) {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            for (pool, held) in pools.iter().zip(&mut held) {
                match random >> 28 {
                    0..7 => held.push_back(pool.take()),
                    7..14 => held.pop_front().into_iter().for_each(|item| pool.put(item)),
                    14 if random % 64 == 0 => pool.rotate(),
                    _ => drop(pool.try_take()),
                }
            }
            let numbers = held
                .each_ref()
                .map(|held| held.iter().map(Item::number).collect::<Vec<_>>());
            assert_eq!(numbers[0], numbers[1]);
        }
        assert_eq!(pools[0].stats(), pools[1].stats());
    });
}

/// Time is noticed though no take is fast and none is slow.
#[test]
#[cfg_attr(
    miri,
    ignore = "many items, and no unsafe code that smaller tests do not reach"
)]
fn time_goes_on() {
    let clock = Arc::new(ManualClock::new());
    let pool = Pool::builder(|| 0u8)
        .max_idle(10)
        .rotate_every(Duration::from_secs(1))
        .clock(clock.clone())
        .build();
    drop(pool.get());
    for turn in 1..10 {
        clock.advance(Duration::from_millis(1002));
        (0..65).for_each(|_| drop(pool.get()));
        assert_eq!(pool.stats().generation, turn);
    }
    let counted = Pool::builder(|| 0u8)
        .max_idle(10)
        .rotate_manually()
        .rotate_after(1000)
        .build();
    (0..10_000).for_each(|_| drop(counted.get()));
    let turns = counted.stats().generation;
    assert!((8..=20).contains(&turns), "{turns}");
}

/// A put looks at the clock when its cache has no room, and only then. Here every look turns.
#[test]
fn puts_look_when_the_cache_is_full() {
    if !caches_work() {
        return;
    }
    let pool = Pool::builder(|| 0u8)
        .max_idle(100)
        .thread_cache(8)
        .rotate_manually()
        .rotate_after(1)
        .build();
    for put in 1..=8 {
        pool.put(put);
        assert_eq!(pool.stats().generation, 1, "there was no cache, then room");
    }
    pool.put(9);
    assert_eq!(pool.stats().generation, 2);
}

/// The weight hook panics at its every call: the accounts stay whole but for the weight that nobody knows.
#[test]
#[cfg_attr(
    miri,
    ignore = "many items, and no unsafe code that smaller tests do not reach"
)]
fn a_weight_that_panics() {
    with_shapes(|shape| {
        for k in 1..=6 {
            let ledger = Ledger::new();
            let fuse = Arc::new(Fuse::new(0));
            let pool = shape
                .builder(ledger.maker())
                .max_idle(100)
                .weight({
                    let fuse = fuse.clone();
                    move |_| {
                        fuse.tick();
                        1
                    }
                })
                .build();
            (0..3).for_each(|_| pool.put(ledger.item()));
            fuse.set(k);
            let mut panicked = 0;
            for _ in 0..3 {
                panicked += usize::from(panics(|| pool.put(ledger.item())));
                panicked += usize::from(panics(|| drop(pool.try_take())));
            }
            assert_eq!(panicked, 1);
            let stats = pool.stats();
            assert_eq!(stats.idle, ledger.alive());
            let unknown = stats.weight - stats.idle;
            assert!(unknown <= 1, "{stats:?}");
            // As many still fit.
            (0..200).for_each(|_| pool.put(ledger.item()));
            assert_eq!(pool.stats().idle, 100);
        }
    });
}

/// All hooks use the pool itself.
#[test]
#[cfg_attr(
    miri,
    ignore = "many items, and no unsafe code that smaller tests do not reach"
)]
fn hooks_re_enter() {
    static POOL: std::sync::LazyLock<Pool<Box<u8>>> = std::sync::LazyLock::new(|| {
        fn again() {
            thread_local! {
                static DEPTH: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
            }
            let depth = DEPTH.get();
            if depth < 2 {
                DEPTH.set(depth + 1);
                drop(POOL.get());
                POOL.put(Box::new(1));
                POOL.rotate();
                POOL.prefill(2);
                DEPTH.set(depth);
            }
        }
        Pool::builder((|| Box::new(0)) as fn() -> Box<u8>)
            .max_idle(4)
            .max_weight(30)
            .weight(|_| {
                again();
                10
            })
            .usage(|_| {
                again();
                Usage {
                    used: 1,
                    capacity: 1 << 20,
                }
            })
            .discard_underused(1)
            .on_discard(|_, _| again())
            .min_idle(1)
            .build()
    });
    for _ in 0..10 {
        drop((POOL.get(), POOL.get()));
        POOL.rotate();
    }
    let stats = POOL.stats();
    assert!(
        stats.idle <= 3 && stats.weight == 10 * stats.idle,
        "{stats:?}"
    );
}

#[test]
#[cfg_attr(
    miri,
    ignore = "many items, and no unsafe code that smaller tests do not reach"
)]
fn a_floor_stays() {
    with_shapes(|shape| {
        for floor in [1, 5, 100] {
            let ledger = Ledger::new();
            let pool = shape.builder(ledger.maker()).min_idle(floor).build();
            elsewhere(|| (0..80).for_each(|_| pool.put(ledger.item())));
            (0..80).for_each(|_| pool.put(ledger.item()));
            for _ in 0..6 {
                pool.rotate();
                assert!(pool.stats().idle >= floor);
                assert_eq!(pool.stats().idle, ledger.alive());
            }
            // What is above goes, the floor stays for ever.
            assert_eq!(pool.stats().idle, floor);
            assert_eq!(
                pool.stats().discards.by(DiscardReason::Aged),
                160 - floor as u64
            );
            // Out on loan it is not idle, and nothing is made up for it.
            let held: Vec<_> = std::iter::from_fn(|| pool.try_take()).collect();
            assert_eq!(held.len(), floor);
            pool.rotate();
            drop(held);
            // It is the caller who may take everything.
            pool.clear();
            assert_eq!(ledger.alive(), 0);
        }
    });
}

/// The floor keeps the youngest, by decay too, and a panicking destructor does not cost it.
#[test]
fn a_floor_keeps_the_youngest() {
    let ledger = Ledger::new();
    let clock = Arc::new(ManualClock::new());
    let period = Duration::from_secs(32);
    let maker: Box<dyn Fn() -> Item + Send + Sync> = Box::new(ledger.maker());
    let pool = Arc::new(
        Pool::builder(maker)
            .thread_cache(0)
            .min_idle(10)
            .rotate_every(period)
            .clock(clock.clone())
            .build(),
    );
    pool.register_shared();
    _ = pool_core::tend();
    (0..100).for_each(|_| pool.put(ledger.item()));
    ledger.drop_panics_at(50);
    let panicked = (0..200)
        .filter(|_| {
            clock.advance(period / 32);
            panics(|| _ = pool_core::tend())
        })
        .count();
    assert_eq!((panicked, pool.stats().idle, ledger.alive()), (1, 10, 10));
    assert!((90..100).all(|number| ledger.is_alive(number)));
    // All at once.
    let sudden = Pool::builder(ledger.maker())
        .thread_cache(0)
        .min_idle(10)
        .rotate_manually()
        .build();
    (0..100).for_each(|_| sudden.put(ledger.item()));
    ledger.drop_panics_at(50);
    sudden.rotate();
    assert!(panics(|| sudden.rotate()));
    assert_eq!(sudden.stats().idle, 10);
    assert!((190..200).all(|number| ledger.is_alive(number)));
    relieve(pool_core::pressure::Pressure::High);
    assert_eq!(pool.stats().idle, 0, "pressure takes it");
}

#[test]
#[cfg_attr(
    miri,
    ignore = "many items, and no unsafe code that smaller tests do not reach"
)]
fn prefilled() {
    with_shapes(|shape| {
        let ledger = Ledger::new();
        let pool = shape.builder(ledger.maker()).prefill(70).build();
        let stats = pool.stats();
        assert_eq!((stats.idle, stats.creates, stats.misses), (70, 0, 0));
        let held: Vec<_> = (0..70).map(|_| pool.get()).collect();
        assert_eq!((pool.stats().misses, ledger.created()), (0, 70));
        drop(held);
        // As many as are missing.
        pool.prefill(75);
        pool.prefill(5);
        assert_eq!((pool.stats().idle, ledger.created()), (75, 75));
        pool.rotate();
        pool.rotate();
        assert_eq!(pool.stats().idle, 0, "they age like others");
        let limited = shape
            .builder(ledger.maker())
            .max_idle(20)
            .prefill(20)
            .min_idle(20)
            .build();
        limited.prefill(30);
        (0..3).for_each(|_| limited.rotate());
        assert_eq!(limited.stats().idle, 20);
        let by_weight = shape
            .builder(ledger.maker())
            .weight(|_| 3)
            .max_weight(10)
            .prefill(20)
            .build();
        assert_eq!((by_weight.stats().idle, by_weight.stats().weight), (3, 9));
    });
}

#[test]
fn a_prefill_that_panics() {
    let (ledger, fuse) = (Ledger::new(), Fuse::new(4));
    let make = ledger.maker();
    let create = || {
        fuse.tick();
        make()
    };
    assert!(panics(|| drop(Pool::builder(create).prefill(10).build())));
    assert_eq!((ledger.created(), ledger.alive()), (3, 0));
    let pool = Pool::builder(create).build();
    fuse.set(4);
    assert!(panics(|| pool.prefill(10)));
    assert_eq!(pool.stats().idle, 3);
}

/// golang/go#23199: a few huge buffers among many small uses are handed round for ever.
#[test]
#[cfg_attr(
    miri,
    ignore = "many items, and no unsafe code that smaller tests do not reach"
)]
fn huge_items_go_after_small_uses() {
    const HUGE: usize = if cfg!(miri) { 1 << 16 } else { 64 << 20 };
    let pool = Pool::builder(|| buffer(64))
        .shed_underused(16)
        .clear_up_to(usize::MAX)
        .on_discard(|item, reason| match reason {
            DiscardReason::Underused => assert_eq!(item.capacity(), HUGE),
            reason => assert_eq!(reason, DiscardReason::PoolDropped),
        })
        .build();
    pool.put(buffer(HUGE));
    pool.put(buffer(HUGE));
    let mut uses = 0;
    while pool.stats().discards.by(DiscardReason::Underused) < 2 {
        let mut two = (pool.get(), pool.get());
        two.0.extend_from_slice(b"small");
        two.1.extend_from_slice(b"small");
        uses += 1;
        assert!(uses < 3 * 17, "still here");
    }
    assert!(pool.take().capacity() < HUGE);
    // Where big uses are common, big buffers stay.
    for round in 0..scaled(20, 200, 1000) {
        let len = if round % 10 == 0 { HUGE / 2 } else { 5 };
        let mut item = pool.get();
        item.reserve_exact(HUGE);
        // Not written to: only the length is looked at.
        item.resize(len.min(1 << 16), 0);
        if round % 10 == 0 {
            item.resize(HUGE / 4, 0);
        }
    }
    assert_eq!(pool.stats().discards.by(DiscardReason::Underused), 2);
}

#[test]
#[cfg_attr(
    miri,
    ignore = "many items, and no unsafe code that smaller tests do not reach"
)]
fn calibrated() {
    let sizes = Arc::new(Calibrator::new());
    let pool = Pool::builder({
        let sizes = sizes.clone();
        move || buffer(sizes.capacity())
    })
    .usage(|item: &Vec<u8>| Usage {
        used: item.len(),
        capacity: item.capacity(),
    })
    .calibrate(sizes.clone())
    .recycle(|item| {
        item.clear();
        Recycle::Keep
    })
    .build();
    pool.put(buffer(1 << 20));
    assert_eq!(pool.stats().idle, 1, "nothing is known yet");
    for round in 0..4096 {
        let len = if round % 100 == 0 { 50_000 } else { 500 };
        pool.get().resize(len, 1);
    }
    assert_eq!((sizes.capacity(), sizes.limit()), (512, 1024));
    assert!(format!("{sizes:?}").contains("512"));
    let before = pool.stats().discards.by(DiscardReason::Oversized);
    assert_ne!(before, 0);
    pool.put(buffer(1024));
    pool.put(buffer(1025));
    assert_eq!(
        pool.stats().discards.by(DiscardReason::Oversized),
        before + 1
    );
    pool.clear();
    assert_eq!(pool.take().capacity(), 512);
}

/// What a rule lets go does not reach the recycle hook, and one that refuses costs no account.
#[test]
fn in_order() {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let note = |what: &'static str| {
        let calls = calls.clone();
        move || calls.lock().unwrap().push(what)
    };
    let (usage, recycle, weight) = (note("usage"), note("recycle"), note("weight"));
    let pool = Pool::builder(|| 0usize)
        .usage(move |&used| {
            usage();
            Usage {
                used,
                capacity: 1 << 20,
            }
        })
        .discard_underused(1)
        .recycle(move |item| {
            recycle();
            if *item == 7 {
                Recycle::Discard
            } else {
                Recycle::Keep
            }
        })
        .weight(move |_| {
            weight();
            1
        })
        .build();
    pool.put(1 << 20);
    pool.put(7);
    pool.put(8);
    let expected = ["usage", "recycle", "weight", "usage", "recycle", "usage"];
    assert_eq!(*calls.lock().unwrap(), expected);
    assert_eq!((pool.stats().idle, pool.stats().weight), (1, 1));
}

#[test]
fn errors() {
    fn builder() -> Builder<u8, fn() -> u8> {
        Pool::builder(|| 0)
    }
    let refusal = |builder: Builder<u8, fn() -> u8>| builder.try_build().map(drop).unwrap_err();
    let range = |what, given, min, max| BuildError::OutOfRange {
        what,
        given,
        min,
        max,
    };
    for (builder, error, text) in [
        (
            builder().max_idle(0),
            range("max_idle", 0, 1, usize::MAX),
            "`max_idle` is at least 1, given was 0",
        ),
        (
            builder().weight(|_| 1).max_weight(0),
            range("max_weight", 0, 1, usize::MAX),
            "`max_weight` is at least 1, given was 0",
        ),
        (
            builder().max_idle(4).min_idle(5),
            range("min_idle", 5, 0, 4),
            "`min_idle` is 0 to 4, given was 5",
        ),
        (
            builder().prefill(5).max_idle(4),
            range("prefill", 5, 0, 4),
            "`prefill` is 0 to 4, given was 5",
        ),
        (
            builder()
                .usage(|_| Usage {
                    used: 0,
                    capacity: 0,
                })
                .discard_underused(0),
            range("discard_underused", 0, 1, usize::MAX),
            "`discard_underused` is at least 1, given was 0",
        ),
        (
            builder().max_weight(5),
            BuildError::Missing {
                what: "max_weight",
                needs: "weight",
            },
            "`max_weight` needs `weight` as well",
        ),
        (
            builder().discard_underused(5),
            BuildError::Missing {
                what: "discard_underused",
                needs: "usage",
            },
            "`discard_underused` needs `usage` as well",
        ),
        (
            builder().calibrate(Arc::default()),
            BuildError::Missing {
                what: "calibrate",
                needs: "usage",
            },
            "`calibrate` needs `usage` as well",
        ),
    ] {
        let found = refusal(builder);
        assert_eq!((found, found.to_string().as_str()), (error, text));
    }
    // Nothing is made for a pool that cannot be.
    let made = AtomicUsize::new(0);
    let create = || made.fetch_add(1, Ordering::Relaxed);
    assert!(
        Pool::builder(create)
            .prefill(3)
            .max_idle(2)
            .try_build()
            .is_err()
    );
    assert_eq!(made.load(Ordering::Relaxed), 0);
}
