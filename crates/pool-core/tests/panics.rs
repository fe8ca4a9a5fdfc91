//! User code that panics, at its every call: the constructor, the hooks, the clock and the items' destructors, in
//! each operation that runs them. Nothing is lost, nothing dies twice, and the pool works on. `fuses.rs` goes through
//! all hooks and operations in small pools; here are large ones, and scenes.

#![cfg(not(pool_loom))]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use common::{
    Fuse, Item, Ledger, Planned, Shape, beside_idle_threads, cached, caches_work, panics, scaled,
    turn_out, with_shapes,
};
use pool_core::{Clock, DiscardReason, Pool, PooledOwned, Recycle};

/// Threads that hold items in their caches at the same time: enough for several buckets of the table.
const THREADS: usize = 5;

/// Fills every place that a pool has: the caches of several threads, chains, victims. One thread at a time, so
/// that nothing is turned away. Returns how many items it put.
fn populate<F: Fn() -> Item + Sync>(pool: &Pool<Item, F>, ledger: &Ledger, each: usize) -> usize {
    let turn = AtomicUsize::new(0);
    let before = pool.stats().idle;
    // All alive until the last has put, so that each has a cache of its own.
    let work = |number| {
        while turn.load(Ordering::Acquire) != number {
            thread::yield_now();
        }
        (0..each).for_each(|_| pool.put(ledger.item()));
        turn.store(number + 1, Ordering::Release);
    };
    beside_idle_threads(THREADS, work, || {});
    assert_eq!(pool.stats().idle, before + THREADS * each);
    THREADS * each
}

/// Whether a pool with thread caches that deep does its work: keeps, finds, turns, and serves its owner fast.
fn check_works<F: Fn() -> Item>(pool: &Pool<Item, F>, ledger: &Ledger, depth: usize) {
    assert_eq!(ledger.alive(), pool.stats().idle, "lost or doubled");
    let item = ledger.item();
    let number = item.number();
    pool.put(item);
    let idle = pool.stats().idle;
    assert_eq!(ledger.alive(), idle);
    let found = pool.try_take().expect("there is at least one");
    assert_eq!(found.number(), number, "the newest comes first");
    drop(found);
    turn_out(pool, ledger);
    let fresh = pool.take();
    assert_eq!(ledger.alive(), 1);
    pool.put(fresh);
    assert_eq!((pool.stats().idle, ledger.alive()), (1, 1));
    // Not from a shard, where a thread that has lost its cache would find it for ever after.
    let hits = pool.stats().cache_hits;
    (0..3).for_each(|_| drop(pool.get()));
    let more = if cached(depth) == 0 { 0 } else { 3 };
    assert_eq!(pool.stats().cache_hits, hits + more, "hits by the cache");
}

#[test]
fn constructor() {
    with_shapes(|shape| {
        for k in 1..=4 {
            let (ledger, fuse) = (Ledger::new(), Fuse::new(k));
            let make = ledger.maker();
            let pool = shape.pool(|| {
                fuse.tick();
                make()
            });
            let mut held = Vec::new();
            assert!(panics(|| loop {
                held.push(pool.get());
            }));
            assert_eq!((held.len(), ledger.alive()), (k - 1, k - 1));
            // Half-way through a nested loan as well.
            held.push(pool.get());
            drop(held);
            assert_eq!(
                pool.stats().creates,
                k as u64 + 1,
                "a failed call counts as a call"
            );
            check_works(&pool, &ledger, shape.depth);
        }
    });
}

#[test]
fn constructor_of_an_owned_guard() {
    let fuse = Arc::new(Fuse::new(1));
    let pool = Arc::new(Pool::new({
        let fuse = fuse.clone();
        move || {
            fuse.tick();
            Box::new(7)
        }
    }));
    assert!(panics(|| drop(pool.get_owned())));
    assert_eq!(
        Arc::strong_count(&pool),
        1,
        "the failed guard holds the pool"
    );
    assert_eq!(**pool.get_owned(), 7);
    let hits = pool.stats().cache_hits;
    (0..3).for_each(|_| drop(pool.get_owned()));
    let more = if caches_work() { 3 } else { 0 };
    assert_eq!(pool.stats().cache_hits, hits + more, "hits by the cache");
}

#[test]
fn recycle_hook() {
    const ITEMS: usize = 10;
    with_shapes(|shape| {
        for k in 1..=ITEMS {
            let (ledger, fuse) = (Ledger::new(), Arc::new(Fuse::new(k)));
            let pool = shape
                .builder(ledger.maker())
                .recycle({
                    let fuse = fuse.clone();
                    move |_| {
                        fuse.tick();
                        Recycle::Keep
                    }
                })
                .build();
            for number in 1..=ITEMS {
                assert_eq!(panics(|| pool.put(ledger.item())), number == k);
            }
            // The item goes down with the panic.
            assert_eq!((pool.stats().idle, ledger.dropped()), (ITEMS - 1, 1));
            check_works(&pool, &ledger, shape.depth);
        }
    });
}

#[test]
fn recycle_hook_behind_guards() {
    let ledger = Ledger::new();
    let fuse = Arc::new(Fuse::new(0));
    let shape = Shape { depth: 2 };
    let pool = Arc::new(
        shape
            .builder(ledger.maker())
            .recycle({
                let fuse = fuse.clone();
                move |_| {
                    fuse.tick();
                    Recycle::Keep
                }
            })
            .build(),
    );
    let (borrowed, owned) = (pool.get(), pool.get_owned());
    fuse.set(1);
    assert!(panics(|| drop(borrowed)));
    fuse.set(1);
    assert!(panics(|| drop(owned)));
    assert_eq!(
        Arc::strong_count(&pool),
        1,
        "the owned guard still lets go of the pool"
    );
    assert_eq!(ledger.alive(), 0);
    check_works(&pool, &ledger, shape.depth);
}

/// What to do with a full pool, and what is left in it after.
type Emptying<F> = (&'static str, fn(&Pool<Item, F>), DiscardReason);

fn emptyings<F>() -> [Emptying<F>; 2] {
    [
        ("rotate", Pool::rotate, DiscardReason::Aged),
        ("clear", Pool::clear, DiscardReason::Cleared),
    ]
}

/// Each destructor in turn panics while a pool is emptied; what was to go is gone all the same.
#[test]
fn destructors_in_rotate_and_clear() {
    // With and without a hook, whose presence changes who drops the items.
    for hooked in [false, true] {
        with_shapes(|shape| {
            let each = scaled(2, 5, 5) + shape.depth / 2;
            for k in (1..=THREADS * each).step_by(scaled(7, 3, 1)) {
                for (name, empty, reason) in emptyings() {
                    let ledger = Ledger::new();
                    let mut builder = shape.builder(ledger.maker());
                    if hooked {
                        builder = builder.on_discard(|_, _| {});
                    }
                    let pool = builder.build();
                    let first = populate(&pool, &ledger, each / 2);
                    pool.rotate();
                    let second = populate(&pool, &ledger, each - each / 2);
                    if name == "rotate" {
                        // What came in first goes now, the rest parks and goes in the second.
                        ledger.drop_panics_at(k);
                        let in_first = panics(|| empty(&pool));
                        assert_eq!(in_first, k <= first, "{name} {k}");
                        assert_eq!(ledger.dropped(), first, "{name} {k}");
                        assert_eq!(pool.stats().idle, second, "{name} {k}");
                        assert_eq!(panics(|| empty(&pool)), !in_first, "{name} {k}");
                    } else {
                        ledger.drop_panics_at(k);
                        assert!(panics(|| empty(&pool)), "{name} {k}");
                    }
                    assert!(ledger.has_panicked());
                    assert_eq!(ledger.dropped(), first + second, "{name} {k}");
                    assert_eq!(pool.stats().idle, 0, "{name} {k}");
                    assert!(pool.stats().discards.by(reason) >= 1);
                    check_works(&pool, &ledger, shape.depth);
                }
            }
        });
    }
}

/// The same with the hook that is told of each item.
#[test]
fn discard_hook_in_rotate_and_clear() {
    with_shapes(|shape| {
        let each = scaled(2, 5, 5) + shape.depth / 2;
        for k in (1..=THREADS * each).step_by(scaled(7, 3, 1)) {
            for (name, empty, reason) in emptyings() {
                let (ledger, fuse, heard) = (
                    Ledger::new(),
                    Arc::new(Fuse::new(0)),
                    Arc::new(AtomicUsize::new(0)),
                );
                let pool = shape
                    .builder(ledger.maker())
                    .on_discard({
                        let (fuse, heard) = (fuse.clone(), heard.clone());
                        move |_, why| {
                            assert!([reason, DiscardReason::PoolDropped].contains(&why));
                            heard.fetch_add(1, Ordering::Relaxed);
                            fuse.tick();
                        }
                    })
                    .build();
                let count = populate(&pool, &ledger, each);
                if name == "rotate" {
                    pool.rotate();
                    assert_eq!(pool.stats().idle, count);
                }
                fuse.set(k);
                assert!(panics(|| empty(&pool)), "{name} {k}");
                assert_eq!(
                    heard.load(Ordering::Relaxed),
                    count,
                    "{name}: the hook hears of all, whichever call of it panics"
                );
                assert_eq!(ledger.dropped(), count, "{name} {k}");
                assert_eq!(pool.stats().idle, 0, "{name} {k}");
                fuse.set(0);
                if name == "rotate" {
                    check_works(&pool, &ledger, shape.depth);
                }
            }
        }
    });
}

/// The pool itself is dropped.
#[test]
fn destructors_in_the_pools_drop() {
    for hooked in [false, true] {
        with_shapes(|shape| {
            let each = scaled(2, 5, 5) + shape.depth / 2;
            for k in (1..=THREADS * each).step_by(scaled(7, 3, 1)) {
                let ledger = Ledger::new();
                let mut builder = shape.builder(ledger.maker());
                if hooked {
                    builder =
                        builder.on_discard(|_, why| assert_eq!(why, DiscardReason::PoolDropped));
                }
                let pool = builder.build();
                let count = populate(&pool, &ledger, each / 2);
                pool.rotate();
                let count = count + populate(&pool, &ledger, each - each / 2);
                ledger.drop_panics_at(k);
                assert!(panics(|| drop(pool)), "{hooked} {k}");
                assert_eq!(
                    (ledger.created(), ledger.alive()),
                    (count, 0),
                    "{hooked} {k}"
                );
            }
        });
    }
}

#[test]
fn discard_hook_in_the_pools_drop() {
    with_shapes(|shape| {
        let each = scaled(2, 5, 5) + shape.depth / 2;
        for k in (1..=THREADS * each).step_by(scaled(7, 3, 1)) {
            let (ledger, fuse) = (Ledger::new(), Fuse::new(k));
            let pool = shape
                .builder(ledger.maker())
                .on_discard(move |_, _| fuse.tick())
                .build();
            populate(&pool, &ledger, each);
            assert!(panics(|| drop(pool)), "{k}");
            assert_eq!(ledger.alive(), 0, "{k}");
        }
    });
}

/// An item that is turned away dies in `put`, with a hook that panics or a destructor that does.
#[test]
fn put_of_what_is_refused() {
    with_shapes(|shape| {
        let (ledger, fuse) = (Ledger::new(), Arc::new(Fuse::new(0)));
        let pool = shape
            .builder(ledger.maker())
            .recycle(|item| {
                if item.number() < 2 {
                    Recycle::Discard
                } else {
                    Recycle::Keep
                }
            })
            .on_discard({
                let fuse = fuse.clone();
                move |_, _| fuse.tick()
            })
            .build();
        fuse.set(1);
        assert!(panics(|| pool.put(ledger.item())));
        assert_eq!(ledger.dropped(), 1);
        ledger.drop_panics_at(1);
        assert!(panics(|| pool.put(ledger.item())));
        assert_eq!(ledger.dropped(), 2);
        assert_eq!(pool.stats().discards.by(DiscardReason::Refused), 2);
        check_works(&pool, &ledger, shape.depth);
    });
}

/// A turn by time or by operations happens inside of `take` and `put`; the destructors that it runs panic there.
#[test]
fn turns_inside_of_take_and_put() {
    with_shapes(|shape| {
        for putting in [false, true] {
            for k in 1..=3 {
                let ledger = Ledger::new();
                let time = Arc::new(pool_core::ManualClock::new());
                let pool = shape
                    .builder(ledger.maker())
                    .rotate_every(Duration::from_secs(1))
                    .clock(time.clone())
                    .build();
                populate(&pool, &ledger, 1);
                let before = pool.stats().generation;
                time.advance(Duration::from_secs(10));
                ledger.drop_panics_at(k);
                // A thread's first operation is a slow one.
                let mut taken = None;
                assert!(panics(|| common::elsewhere_planned(|| {
                    if putting {
                        pool.put(ledger.item());
                    } else {
                        taken = pool.try_take();
                    }
                })));
                assert!(ledger.has_panicked());
                assert!(taken.is_none());
                // The first turn parks, the second drops.
                assert_eq!(pool.stats().generation, before + 2);
                // What was to be put goes down with the panic.
                assert_eq!(pool.stats().idle, 0);
                check_works(&pool, &ledger, shape.depth);
            }
        }
    });
}

#[test]
fn clock() {
    struct Broken(Fuse);
    impl Clock for Broken {
        fn now(&self) -> Duration {
            self.0.tick();
            Duration::ZERO
        }
    }
    with_shapes(|shape| {
        for k in 1..=3 {
            let ledger = Ledger::new();
            let clock = Arc::new(Broken(Fuse::new(k)));
            let pool = shape
                .builder(ledger.maker())
                .rotate_every(Duration::from_secs(1))
                .clock(clock.clone())
                .build();
            let mut held = Vec::new();
            let mut panicked = 0;
            while !clock.0.is_spent() {
                panicked += usize::from(panics(|| held.push(pool.take())));
            }
            assert_eq!((panicked, held.len()), (1, k - 1));
            // In `put` the item goes down with the panic.
            held.push(ledger.item());
            clock.0.set(1);
            while let Some(item) = held.pop() {
                panicked += usize::from(panics(|| pool.put(item)));
            }
            clock.0.set(0);
            assert_eq!((panicked, pool.stats().idle), (2, k - 1));
            check_works(&pool, &ledger, shape.depth);
        }
    });
}

/// The item is already the caller's when the guard's pool goes, and its destructors panic.
#[test]
fn detach_from_the_last_guard() {
    let ledger = Ledger::new();
    let pool = Arc::new(Shape { depth: 2 }.pool(ledger.maker()));
    (0..3).for_each(|_| pool.put(ledger.item()));
    let guard = pool.get_owned();
    drop(pool);
    ledger.drop_panics_at(1);
    assert!(panics(|| drop(PooledOwned::detach(guard))));
    assert_eq!(ledger.alive(), 0);
}

/// Both halves of the option to discard what comes back while unwinding.
#[test]
fn unwinding() {
    for discard in [false, true] {
        with_shapes(|shape| {
            let ledger = Ledger::new();
            let pool = shape
                .builder(ledger.maker())
                .discard_when_unwinding(discard)
                .build();
            assert!(panics(|| {
                let _one = pool.get();
                let _other = pool.get();
                std::panic::panic_any(Planned);
            }));
            let stats = pool.stats();
            let (kept, gone) = if discard { (0, 2) } else { (2, 0) };
            assert_eq!(stats.idle, kept);
            assert_eq!(stats.discards.by(DiscardReason::Unwinding), gone);
            assert_eq!(stats.discards.total(), gone);
            drop((pool.get(), pool.get()));
            assert_eq!(pool.stats().idle, 2, "kept again when nobody unwinds");
            check_works(&pool, &ledger, shape.depth);
        });
    }
}

/// Every destructor panics: all items go, each once and told of, and one panic comes out.
#[test]
fn all_at_once() {
    struct Grudge(Arc<AtomicUsize>);
    impl Drop for Grudge {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
            std::panic::panic_any(Planned);
        }
    }
    let (gone, heard) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let make = || Grudge(gone.clone());
    let pool = Pool::builder(make)
        .thread_cache(4)
        .rotate_manually()
        .on_discard({
            let heard = heard.clone();
            move |_: &Grudge, _| {
                heard.fetch_add(1, Ordering::Relaxed);
            }
        })
        .build();
    for (round, empty) in [Pool::clear as fn(&Pool<Grudge, _>), |pool| {
        pool.rotate();
        pool.rotate();
    }]
    .into_iter()
    .enumerate()
    {
        (0..20).for_each(|_| pool.put(make()));
        assert!(panics(|| empty(&pool)));
        let expected = 20 * (round + 1);
        assert_eq!(
            (
                gone.load(Ordering::Relaxed),
                heard.load(Ordering::Relaxed),
                pool.stats().idle
            ),
            (expected, expected, 0)
        );
    }
}
