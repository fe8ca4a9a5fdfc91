//! What turns the generation without being asked: time and operations, noticed on slow paths. The clock is driven
//! by the tests, so none of them waits, but for one step of the system's.

#![cfg(not(pool_loom))]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use common::{Item, Ledger, Shape, caches_work, elsewhere, scaled, with_shapes};
use pool_core::{Clock, ManualClock, Pool};

const PERIOD: Duration = Duration::from_secs(10);

/// A pool whose generation lasts a period of the clock that comes with it.
fn timed<F: Fn() -> Item>(shape: Shape, make: F) -> (Pool<Item, F>, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new());
    let pool = shape
        .builder(make)
        .rotate_every(PERIOD)
        .clock(clock.clone())
        .build();
    (pool, clock)
}

/// A slow operation that takes nothing: a look into what is empty for the caller, by a thread of its own.
fn knock<F: Fn() -> Item + Sync>(pool: &Pool<Item, F>) {
    let generation = pool.stats().generation;
    elsewhere(|| {
        // An heir finds what the last owner of its place left.
        let found: Vec<_> = std::iter::from_fn(|| pool.try_take()).collect();
        found.into_iter().for_each(|item| pool.put(item));
    });
    assert!(
        pool.stats().generation - generation <= 2,
        "one knock, more than two turns"
    );
}

#[test]
fn turns_when_a_period_has_passed() {
    with_shapes(|shape| {
        let ledger = Ledger::new();
        let (pool, clock) = timed(shape, ledger.maker());
        // The first period begins with the first slow operation.
        clock.advance(100 * PERIOD);
        drop(pool.get());
        assert_eq!(pool.stats().generation, 0);
        clock.advance(PERIOD - Duration::from_millis(1));
        knock(&pool);
        assert_eq!(pool.stats().generation, 0);
        clock.advance(Duration::from_millis(2));
        knock(&pool);
        assert_eq!(pool.stats().generation, 1);
        knock(&pool);
        assert_eq!(pool.stats().generation, 1, "once a period");
        clock.advance(PERIOD + Duration::from_millis(2));
        knock(&pool);
        assert_eq!(pool.stats().generation, 2);
        // More than a period late: whatever lies here has been idle for two.
        clock.advance(3 * PERIOD);
        knock(&pool);
        assert_eq!(pool.stats().generation, 4);
        knock(&pool);
        assert_eq!(pool.stats().generation, 4);
    });
}

/// The clock drives an idle pool to zero, as often as one likes (a pool that looked only every eighth time, by a
/// condition that was always true, never shrank).
#[test]
fn idle_pools_reach_zero_a_hundred_times_over() {
    with_shapes(|shape| {
        let ledger = Ledger::new();
        let (pool, clock) = timed(shape, ledger.maker());
        for round in 0..scaled(3, 100, 100) {
            let count = [1, 10, 150][round % 3];
            drop((0..count).map(|_| pool.get()).collect::<Vec<_>>());
            assert!(pool.stats().idle >= count);
            if round % 2 == 0 {
                clock.advance(3 * PERIOD);
                knock(&pool);
            } else {
                for _ in 0..2 {
                    clock.advance(PERIOD + Duration::from_millis(2));
                    // Not one of those that take and return what they find.
                    elsewhere(|| pool.put(ledger.item()));
                }
                clock.advance(3 * PERIOD);
                knock(&pool);
            }
            assert_eq!((pool.stats().idle, ledger.alive()), (0, 0), "round {round}");
        }
    });
}

/// A load that the thread cache carries alone still looks at the clock now and then.
#[test]
fn a_hot_loop_notices() {
    with_shapes(|shape| {
        let ledger = Ledger::new();
        let (pool, clock) = timed(shape, ledger.maker());
        drop((0..100).map(|_| pool.get()).collect::<Vec<_>>());
        for turns in 1..=4 {
            clock.advance(PERIOD + Duration::from_millis(2));
            // Go on until it is noticed.
            let mut loops = 0;
            while pool.stats().generation < turns {
                drop(pool.get());
                loops += 1;
                assert!(loops <= 65, "not noticed");
            }
            // What turned was not the load itself.
            assert_eq!(pool.stats().generation, turns);
        }
        assert_eq!(
            (pool.stats().idle, ledger.alive()),
            (1, 1),
            "and the burst is gone"
        );
    });
}

/// Uses the pool once, `apart` after the last use, until the generation has turned to this; says how many uses it took.
fn uses_until<F: Fn() -> Item>(
    pool: &Pool<Item, F>,
    clock: &ManualClock,
    apart: Duration,
    generation: u64,
) -> u32 {
    let mut uses = 0;
    while pool.stats().generation < generation {
        clock.advance(apart);
        drop(pool.get());
        uses += 1;
        assert!(apart * uses < 10 * PERIOD, "it does not turn");
    }
    uses
}

/// However far apart its uses are, a pool turns at most a period late: the next use comes with a turn, or, where uses
/// are dense, one of those of the next half period.
#[test]
fn a_steady_load_turns_in_time() {
    for apart in [
        PERIOD + Duration::from_millis(2),
        PERIOD / 2,
        PERIOD / 10,
        PERIOD / 17,
        PERIOD / 100,
        PERIOD / scaled(200, 5000, 100_000) as u32,
    ] {
        with_shapes(|shape| {
            let ledger = Ledger::new();
            let (pool, clock) = timed(shape, ledger.maker());
            // What a burst left.
            drop((0..100).map(|_| pool.get()).collect::<Vec<_>>());
            for generation in 1..=4 {
                let took = apart * uses_until(&pool, &clock, apart, generation);
                let most = PERIOD + apart.max(PERIOD / 2) + Duration::from_millis(2);
                assert!(took <= most, "{took:?} for a turn, uses {apart:?} apart");
            }
            assert_eq!(pool.stats().idle, 1, "uses {apart:?} apart");
        });
    }
}

/// Uses that come 10 ns apart look at the clock seldom, and in time all the same.
#[test]
fn the_densest_load_turns_in_time() {
    let ledger = Ledger::new();
    let clock = Arc::new(ManualClock::new());
    let pool = Pool::builder(ledger.maker())
        .rotate_every(Duration::from_millis(1))
        .clock(clock.clone())
        .build();
    drop((0..100).map(|_| pool.get()).collect::<Vec<_>>());
    for generation in 1..=scaled(1, 4, 4) as u64 {
        let uses = uses_until(&pool, &clock, Duration::from_nanos(10), generation);
        // A period is 100,000 uses, and the clock's milliseconds are as coarse as the period.
        assert!(uses <= 300_064, "{uses}");
    }
}

/// After dense traffic a thread may look at the clock late, but not by more than 64 of its takes.
#[test]
fn a_load_that_falls_turns_within_64_takes() {
    for dense in [1, 8, 9, 50, 72, 73, 1000] {
        with_shapes(|shape| {
            let ledger = Ledger::new();
            let (pool, clock) = timed(shape, ledger.maker());
            drop((0..100).map(|_| pool.get()).collect::<Vec<_>>());
            for _ in 0..dense {
                clock.advance(Duration::from_nanos(10));
                drop(pool.get());
            }
            let apart = PERIOD + Duration::from_millis(2);
            let mut uses = 0;
            while pool.stats().idle != 1 {
                clock.advance(apart);
                drop(pool.get());
                uses += 1;
                assert!(uses <= 65, "{} idle", pool.stats().idle);
            }
        });
    }
}

/// A burst of misses is no dense traffic: the first take after it looks.
#[test]
fn a_burst_is_gone_two_periods_later() {
    with_shapes(|shape| {
        let ledger = Ledger::new();
        let (pool, clock) = timed(shape, ledger.maker());
        drop((0..1000).map(|_| pool.get()).collect::<Vec<_>>());
        for _ in 0..3 {
            clock.advance(PERIOD + Duration::from_millis(2));
            drop(pool.get());
        }
        assert_eq!((pool.stats().idle, ledger.alive()), (1, 1));
    });
}

/// So does a load of puts alone.
#[test]
fn puts_alone_notice() {
    with_shapes(|shape| {
        let ledger = Ledger::new();
        let (pool, clock) = timed(shape, ledger.maker());
        pool.put(ledger.item());
        clock.advance(PERIOD + Duration::from_millis(2));
        (0..=shape.depth).for_each(|_| pool.put(ledger.item()));
        assert_eq!(pool.stats().generation, 1);
        // A turn that comes with a put, however late, does not take what is put.
        for _ in 0..3 {
            clock.advance(10 * PERIOD);
            let before = pool.stats();
            while pool.stats().generation == before.generation {
                pool.put(ledger.item());
            }
            assert_eq!(pool.stats().generation, before.generation + 2);
            assert!(pool.stats().idle >= 1);
            assert_eq!(pool.stats().idle, ledger.alive());
        }
    });
}

/// Many threads notice at once; one turns.
#[test]
fn one_of_many_turns() {
    with_shapes(|shape| {
        let ledger = Ledger::new();
        let (pool, clock) = timed(shape, ledger.maker());
        drop(pool.get());
        for turns in 1..=scaled(2, 10, 10) as u64 {
            clock.advance(PERIOD + Duration::from_millis(2));
            let barrier = Barrier::new(4);
            thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        barrier.wait();
                        drop(pool.try_take());
                        drop(pool.try_take());
                    });
                }
            });
            // The slow operation that all of them may have been spared.
            knock(&pool);
            assert_eq!(pool.stats().generation, turns);
        }
    });
}

/// Each pool has a period of its own, on one clock.
#[test]
fn periods_do_not_mix() {
    let clock = Arc::new(ManualClock::new());
    let ledger = Ledger::new();
    let [short, long] = [1000, 7000].map(|millis| {
        Pool::builder(ledger.maker())
            .rotate_every(Duration::from_millis(millis))
            .clock(clock.clone())
            .build()
    });
    for second in 0..=21 {
        knock(&short);
        knock(&long);
        assert_eq!(
            (short.stats().generation, long.stats().generation),
            (second, second / 7)
        );
        // A due time may be rounded up by a millisecond.
        clock.advance(Duration::from_millis(1002));
    }
}

/// The shortest period there is, and a clock that wraps the word that times are kept in.
#[test]
fn extreme_times() {
    for period in [Duration::from_millis(1), PERIOD] {
        let clock = Arc::new(ManualClock::new());
        clock.advance(Duration::from_millis(usize::MAX as u64 - 25_000));
        let ledger = Ledger::new();
        let pool = Pool::builder(ledger.maker())
            .rotate_every(period)
            .clock(clock.clone())
            .build();
        knock(&pool);
        for turn in 1..10 {
            clock.advance(period + Duration::from_millis(1));
            knock(&pool);
            let generation = pool.stats().generation;
            assert!(
                (turn..=2 * turn).contains(&generation),
                "{generation} after {turn} periods"
            );
        }
        // Idle for longer than half the range of a word can tell: late, not early.
        for idle in [usize::MAX / 2, usize::MAX / 2 + 2, usize::MAX - 3 * 10_000] {
            pool.put(ledger.item());
            let before = pool.stats().generation;
            clock.advance(Duration::from_millis(idle as u64));
            knock(&pool);
            assert_eq!(pool.stats().generation, before + 2, "{idle} ms later");
            assert_eq!(ledger.alive(), 0);
        }
    }
}

/// Told not to, it does not turn, whatever the clock says; told again, the last word counts.
#[test]
fn by_hand_only() {
    struct Watched(AtomicUsize);
    impl Clock for Watched {
        fn now(&self) -> Duration {
            self.0.fetch_add(1, Ordering::Relaxed);
            Duration::MAX
        }
    }
    let clock = Arc::new(Watched(AtomicUsize::new(0)));
    let ledger = Ledger::new();
    let pool = Pool::builder(ledger.maker())
        .rotate_every(Duration::from_millis(1))
        .rotate_after(1)
        .clock(clock.clone())
        .rotate_manually()
        .thread_cache(0)
        .build();
    (0..2000).for_each(|_| drop(pool.get()));
    assert_eq!(
        (pool.stats().generation, clock.0.load(Ordering::Relaxed)),
        (0, 0)
    );
    pool.rotate();
    assert_eq!(pool.stats().generation, 1);
}

/// The clock is asked on slow paths only.
#[test]
fn the_fast_path_does_not_ask() {
    if !caches_work() {
        return;
    }
    struct Counting(AtomicUsize);
    impl Clock for Counting {
        fn now(&self) -> Duration {
            self.0.fetch_add(1, Ordering::Relaxed);
            Duration::from_secs(1)
        }
    }
    let clock = Arc::new(Counting(AtomicUsize::new(0)));
    let ledger = Ledger::new();
    let pool = Pool::builder(ledger.maker()).clock(clock.clone()).build();
    (0..10_240).for_each(|_| drop(pool.get()));
    let asked = clock.0.load(Ordering::Relaxed);
    // Twice to fill the cache, twice until takes count as dense, and once for each 64 takes.
    assert!((160..=170).contains(&asked), "{asked}");
}

/// Every operation of a pool without caches is a slow one, so they can be counted.
#[test]
fn turns_after_operations() {
    for after in [1, 2, 3, 100] {
        let ledger = Ledger::new();
        let pool = Pool::builder(ledger.maker())
            .rotate_manually()
            .rotate_after(after)
            .thread_cache(0)
            .build();
        for operations in 1..=500 {
            // A take and a put by turns.
            if operations % 2 == 1 {
                let item = pool.take();
                std::mem::forget(item);
            } else {
                pool.put(ledger.item());
            }
            assert_eq!(
                pool.stats().generation,
                (operations / after) as u64,
                "after {after}"
            );
        }
    }
}

/// With a cache the fast ones are counted by the dozen.
#[test]
fn turns_after_about_so_many_fast_operations() {
    for after in [1, 1000, 10_000, 100_000] {
        let ledger = Ledger::new();
        let pool = Pool::builder(ledger.maker())
            .rotate_manually()
            .rotate_after(after)
            .build();
        let takes = scaled(5_000, 300_000, 300_000);
        (0..takes).for_each(|_| drop(pool.get()));
        let turns = pool.stats().generation;
        // A turn needs `after` operations, and is noticed at the next slow one.
        let (least, most) = (takes / (after + 64), 2 * takes / after);
        assert!(
            (least as u64..=most as u64).contains(&turns),
            "{turns} turns, after {after}"
        );
        assert_eq!(ledger.created(), 1, "the one item is in use all the time");
    }
}

/// The first operation of a thread is a slow one, but it is one.
#[test]
fn a_first_operation_counts_as_one() {
    let ledger = Ledger::new();
    let pool = Pool::builder(ledger.maker())
        .rotate_manually()
        .rotate_after(900)
        .build();
    for _ in 0..20 {
        elsewhere(|| drop(pool.take()));
    }
    assert_eq!(pool.stats().generation, 0);
}

/// Time and operations together: whichever comes first.
#[test]
fn both() {
    let clock = Arc::new(ManualClock::new());
    let ledger = Ledger::new();
    let pool = Pool::builder(ledger.maker())
        .rotate_every(PERIOD)
        .clock(clock.clone())
        .rotate_after(10)
        .thread_cache(0)
        .build();
    (0..9).for_each(|_| pool.put(ledger.item()));
    assert_eq!(pool.stats().generation, 0);
    pool.put(ledger.item());
    assert_eq!(pool.stats().generation, 1);
    clock.advance(PERIOD + Duration::from_millis(2));
    pool.put(ledger.item());
    assert_eq!(pool.stats().generation, 2);
    assert_eq!(pool.stats().idle, ledger.alive());
}

#[test]
fn clocks() {
    let manual = ManualClock::new();
    assert_eq!(manual.now(), Duration::ZERO);
    manual.advance(Duration::MAX);
    assert_eq!(manual.now(), Duration::MAX);
    let beyond = std::panic::catch_unwind(|| manual.advance(Duration::from_nanos(1)));
    assert_eq!(
        *beyond.unwrap_err().downcast::<String>().unwrap(),
        "the clock moved beyond Duration::MAX"
    );
    assert_eq!(manual.now(), Duration::MAX, "not moved, and not poisoned");
    let system = pool_core::SystemClock;
    let times: Vec<_> = (0..100).map(|_| system.now()).collect();
    assert!(times.is_sorted());
    // It goes on by itself, in steps of a few milliseconds at most.
    let start = Instant::now();
    while system.now() == times[0] {
        assert!(start.elapsed() < PERIOD, "it stands still");
        thread::yield_now();
    }
}
