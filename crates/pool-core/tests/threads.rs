//! Threads that come and go: steals between them, caches of idle and dead ones, and use of a pool while a thread
//! tears down its thread-locals.

#![cfg(not(pool_loom))]

mod common;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use common::{
    Item, Ledger, beside_idle_threads, between_idle_threads, booked, cached, caches_work,
    elsewhere, scaled, with_shapes,
};
use pool_core::{Pool, Pooled, PooledOwned};

/// What a thread puts beyond its own cache, others find.
#[test]
fn others_find_what_a_cache_has_no_room_for() {
    with_shapes(|shape| {
        let ledger = Ledger::new();
        let pool = shape.pool(ledger.maker());
        let put = 2 * shape.depth + 10;
        (0..put).for_each(|_| pool.put(ledger.item()));
        let beyond = pool.stats().idle - pool.stats().idle_in_caches;
        assert!(
            beyond >= put - cached(shape.depth),
            "more in caches than they have room for"
        );
        let found = elsewhere(|| std::iter::from_fn(|| pool.try_take()).count());
        assert_eq!(found, beyond, "all that is not in our cache, and no more");
        let stats = pool.stats();
        assert_eq!(stats.hits(), found as u64);
        assert!(stats.chain_hits + stats.steals > 0);
        // What is left is ours.
        let rest = std::iter::from_fn(|| pool.try_take()).count();
        assert_eq!((found + rest, pool.stats().idle), (put, 0));
    });
}

/// What others have put into their chains is stolen, in batches where the thief has a place for them.
#[test]
fn steals() {
    for depth in [0, 1, 2, 64] {
        let (ledger, pool) = booked(depth);
        let each = depth + 50;
        let fill = |_| (0..each).for_each(|_| pool.put(ledger.item()));
        let take_all = || elsewhere(|| std::iter::from_fn(|| pool.try_take()).count());
        let taken = beside_idle_threads(4, fill, take_all);
        // All that was not in the others' caches.
        assert!(taken >= 4 * (each - cached(depth)), "{taken}");
        let stats = pool.stats();
        assert!(stats.steals > 0, "{stats:?}");
        assert_eq!((stats.discards.total(), taken + stats.idle), (0, 4 * each));
        assert_eq!(ledger.alive(), stats.idle);
    }
}

/// `clear` and `rotate` reach into the caches of threads that do something else.
#[test]
fn caches_of_idle_threads() {
    with_shapes(|shape| {
        for clear in [false, true] {
            let ledger = Ledger::new();
            let pool = shape.pool(ledger.maker());
            let fill = |_| (0..5).for_each(|_| pool.put(ledger.item()));
            let check = || {
                assert_eq!(pool.stats().idle, 15);
                if clear {
                    pool.clear();
                } else {
                    pool.rotate();
                    assert_eq!(pool.stats().idle, 15);
                    pool.rotate();
                }
                assert_eq!((pool.stats().idle, ledger.alive()), (0, 0));
            };
            let go_on = |_| {
                let before = pool.stats().idle_in_caches;
                pool.put(ledger.item());
                if cached(shape.depth) != 0 {
                    assert!(pool.stats().idle_in_caches > before, "the cache is shut");
                }
            };
            between_idle_threads(3, fill, check, go_on);
            assert_eq!(ledger.alive(), pool.stats().idle);
        }
    });
}

/// Caches of threads that are gone are emptied like any other, and an heir may use them before that.
#[test]
fn caches_of_dead_threads() {
    with_shapes(|shape| {
        let ledger = Ledger::new();
        let pool = shape.pool(ledger.maker());
        elsewhere(|| (0..5).for_each(|_| pool.put(ledger.item())));
        assert_eq!(pool.stats().idle, 5);
        pool.rotate();
        assert_eq!(ledger.alive(), 5);
        pool.rotate();
        assert_eq!(ledger.alive(), 0);
        elsewhere(|| (0..5).for_each(|_| pool.put(ledger.item())));
        pool.clear();
        assert_eq!(ledger.alive(), 0);
        elsewhere(|| (0..5).for_each(|_| pool.put(ledger.item())));
        drop(pool);
        assert_eq!(ledger.alive(), 0);
    });
}

/// Short-lived threads use what those before them left behind: items follow the threads alive at once, not all
/// that ever were.
#[test]
fn ten_thousand_threads() {
    const THREADS: usize = scaled(20, 10_000, 10_000);
    let ledger = Ledger::new();
    let pool = Pool::builder(ledger.maker()).rotate_manually().build();
    for _ in 0..THREADS {
        elsewhere(|| drop((pool.get(), pool.get(), pool.get())));
    }
    let stats = pool.stats();
    assert_eq!(ledger.alive(), stats.idle);
    assert_eq!(stats.hits() + stats.creates, 3 * THREADS as u64);
    // One thread at a time, but those of the tests beside this one may take the number of the last.
    assert!(stats.creates <= 3 * 128, "{stats:?}");
    pool.rotate();
    pool.rotate();
    assert_eq!(ledger.alive(), 0);
}

/// Many at a time, and every one of them leaves something.
#[test]
fn waves_of_threads() {
    const WAVES: usize = scaled(2, 50, 200);
    const WIDTH: usize = scaled(3, 40, 40);
    let ledger = Ledger::new();
    let pool = Pool::builder(ledger.maker()).rotate_manually().build();
    for _ in 0..WAVES {
        let barrier = Barrier::new(WIDTH);
        thread::scope(|scope| {
            for _ in 0..WIDTH {
                scope.spawn(|| {
                    let held = (pool.get(), pool.get());
                    barrier.wait();
                    drop(held);
                });
            }
        });
    }
    let stats = pool.stats();
    assert_eq!(ledger.alive(), stats.idle);
    // A wave may begin before the last one's threads have given back their numbers, which they do after they were
    // joined; and the tests beside this one have threads, too.
    assert!(stats.creates <= 2 * (2 * WIDTH as u64 + 64), "{stats:?}");
}

/// Uses a pool in a thread-local's destructor, made before or after the pool's own thread-locals, so that it runs
/// after or before theirs.
#[test]
fn in_a_thread_locals_destructor() {
    type MadePool = Pool<Item, Box<dyn Fn() -> Item + Send + Sync>>;
    struct Late {
        pool: Arc<MadePool>,
        ledger: Ledger,
        /// Whether the thread still had a cache.
        cached: Arc<Mutex<BTreeSet<bool>>>,
    }
    impl Drop for Late {
        fn drop(&mut self) {
            let (pool, ledger) = (&self.pool, &self.ledger);
            pool.put(pool.take());
            drop(pool.get());
            drop(pool.get_owned());
            pool.rotate();
            pool.clear();
            let before = pool.stats();
            pool.put(ledger.item());
            let after = pool.stats();
            assert_eq!(after.idle, before.idle + 1);
            drop(pool.try_take().expect("just put"));
            pool.clear();
            assert_eq!(pool.stats().idle, 0);
            (0..100).for_each(|_| pool.put(ledger.item()));
            assert_eq!(pool.stats().idle, 100);
            let cached = after.idle_in_caches > before.idle_in_caches;
            self.cached.lock().unwrap().insert(cached);
        }
    }
    thread_local! {
        static LATE: RefCell<Option<Late>> = const { RefCell::new(None) };
    }

    with_shapes(|shape| {
        let ledger = Ledger::new();
        let pool: Arc<MadePool> = Arc::new(shape.pool(Box::new(ledger.maker())));
        let cached = Arc::new(Mutex::new(BTreeSet::new()));
        for pool_first in [false, true] {
            let late = Late {
                pool: pool.clone(),
                ledger: ledger.clone(),
                cached: cached.clone(),
            };
            // Not scoped: a scope does not wait for the destructors, a join does.
            let body = move || {
                let pool = late.pool.clone();
                let use_pool = || drop((pool.get(), pool.get()));
                if pool_first {
                    use_pool();
                }
                LATE.with(|cell| *cell.borrow_mut() = Some(late));
                use_pool();
            };
            thread::spawn(body).join().unwrap();
        }
        let cached = std::mem::take(&mut *cached.lock().unwrap());
        // Without caches there is nothing to lose.
        let expected: &[bool] = if common::cached(shape.depth) == 0 {
            &[false]
        } else {
            &[false, true]
        };
        assert_eq!(
            Vec::from_iter(cached),
            expected,
            "one of the orders was not met"
        );
        assert_eq!(ledger.alive(), pool.stats().idle);
        pool.clear();
        assert_eq!((pool.stats().idle, ledger.alive()), (0, 0));
    });
}

/// Guards that a thread leaves in its thread-locals come back when it ends, in either order.
#[test]
fn guards_in_thread_locals() {
    static POOL: Pool<Vec<u8>> = Pool::new(Vec::new);
    thread_local! {
        static BORROWED: Cell<Option<Pooled<'static, Vec<u8>>>> = const { Cell::new(None) };
        static OWNED: Cell<Option<PooledOwned<Vec<u8>>>> = const { Cell::new(None) };
    }
    let shared: Arc<Pool<Vec<u8>>> = Arc::new(Pool::new(Vec::new));
    for pool_first in [false, true] {
        for _ in 0..10 {
            let shared = shared.clone();
            let body = move || {
                if pool_first {
                    drop((POOL.get(), shared.get()));
                }
                // Registers their destructors.
                BORROWED.set(None);
                OWNED.set(None);
                BORROWED.set(Some(POOL.get()));
                OWNED.set(Some(shared.get_owned()));
            };
            thread::spawn(body).join().unwrap();
        }
    }
    assert_eq!(Arc::strong_count(&shared), 1);
    for stats in [POOL.stats(), shared.stats()] {
        assert_eq!(
            stats.idle as u64, stats.creates,
            "a guard did not come back"
        );
    }
}

/// A whole pool in a thread-local, of items that cannot be sent; it goes before or after the pool's own
/// thread-locals.
#[test]
fn a_pool_in_a_thread_local() {
    type LocalPool = Pool<Rc<Item>, Box<dyn Fn() -> Rc<Item>>>;
    thread_local! {
        static LOCAL: RefCell<Option<LocalPool>> = const { RefCell::new(None) };
    }
    for pool_first in [false, true] {
        let ledger = Ledger::new();
        let make = ledger.maker();
        let body = move || {
            if pool_first {
                let other = Pool::new(|| 0);
                drop((other.get(), other.get()));
            }
            let pool: LocalPool = Pool::new(Box::new(move || Rc::new(make())));
            LOCAL.with(|cell| *cell.borrow_mut() = Some(pool));
            LOCAL.with_borrow(|pool| {
                let pool = pool.as_ref().expect("just set");
                drop((0..100).map(|_| pool.get()).collect::<Vec<_>>());
                pool.rotate();
                assert_eq!(pool.stats().idle, 100);
            });
        };
        thread::spawn(body).join().unwrap();
        assert_eq!((ledger.created(), ledger.alive()), (100, 0));
    }
}

/// Threads hand items around in a ring, each with its own cache; nothing is lost on the way.
#[test]
fn round_and_round() {
    const THREADS: usize = 3;
    const LAPS: usize = scaled(20, 2000, 20_000);
    with_shapes(|shape| {
        let ledger = Ledger::new();
        let pool = shape.pool(ledger.maker());
        thread::scope(|scope| {
            let (mut sends, receives): (Vec<_>, Vec<_>) =
                (0..THREADS).map(|_| channel::<Item>()).unzip();
            sends.rotate_left(1);
            for (send, receive) in sends.into_iter().zip(receives) {
                let pool = &pool;
                scope.spawn(move || {
                    _ = send.send(pool.take());
                    for item in receive.iter().take(LAPS) {
                        pool.put(item);
                        _ = send.send(pool.take());
                    }
                });
            }
        });
        let stats = pool.stats();
        assert_eq!(ledger.alive(), stats.idle);
        assert_eq!(ledger.created() as u64, stats.creates);
    });
}

/// Pools that come and go in one place, with items of other types, and two that are used in turn: a thread takes
/// none for another, and one does not cost the other its cache.
#[test]
fn pools_that_take_turns() {
    let kept = Pool::new(|| 0usize);
    kept.put(7);
    for round in 0..scaled(20, 200, 1000) {
        let short_lived = Box::new(Pool::new(String::new));
        assert_eq!(short_lived.try_take(), None);
        short_lived.put(round.to_string());
        assert_eq!(short_lived.try_take(), Some(round.to_string()));
        drop(short_lived);
        let in_its_place = Box::new(Pool::new(|| vec![0u32; 3]));
        assert_eq!(in_its_place.try_take(), None);
        in_its_place.put(vec![1]);
        assert_eq!((kept.take(), in_its_place.take()), (7, vec![1]));
        kept.put(7);
        in_its_place.put(vec![2]);
        // A pool can be moved while nobody uses it.
        let moved = *in_its_place;
        assert_eq!(moved.try_take(), Some(vec![2]));
    }
    let stats = kept.stats();
    let by_chains = stats.chain_hits + stats.steals;
    assert_eq!((stats.creates, by_chains == 0), (0, caches_work()));
}

/// One thread that only takes and one that only puts: items cross in batches, so that the one who takes finds most
/// of them in its own cache.
#[test]
fn those_who_only_take_find_batches() {
    let pool = Pool::new(|| 0usize);
    let (there, arrived) = channel::<Vec<usize>>();
    let (back, empty) = channel();
    (0..4).for_each(|_| back.send(Vec::new()).unwrap());
    let rounds = scaled(5, 100, 1000);
    thread::scope(|scope| {
        let pool = &pool;
        scope.spawn(move || {
            for mut batch in empty.iter().take(rounds) {
                batch.extend((0..128).map(|_| pool.take()));
                there.send(batch).unwrap();
            }
        });
        for mut batch in arrived {
            batch.drain(..).for_each(|item| pool.put(item));
            let _ = back.send(batch);
        }
    });
    let stats = pool.stats();
    let takes = stats.hits() + stats.creates;
    assert_eq!(takes, 128 * rounds as u64);
    // How many items the two have between them depends on who runs when; that they move in batches does not.
    let slow = stats.chain_hits + stats.steals;
    assert!(4 * slow <= takes || !caches_work(), "{stats:?}");
}

/// Threads that are bound to a processor each, before the pool's first use (a program with a thread per core, or a
/// quota): each puts into its own part, so nothing is dropped, and what one puts the other finds.
#[cfg(all(target_os = "linux", not(miri)))]
#[test]
fn threads_bound_to_processors_lose_nothing() {
    fn bind(cpu: usize) {
        let mut set = [0_u64; 16];
        set[0] = 1 << cpu;
        // SAFETY: as many bytes are there. A processor that is not there leaves the thread as it is.
        _ = unsafe { libc::sched_setaffinity(0, size_of_val(&set), set.as_ptr().cast()) };
    }

    const ROUNDS: usize = scaled(10, 2000, 20_000);
    for (depth, burst) in [(0, 1), (0, 20), (1, 3), (64, 300)] {
        let (ledger, pool) = booked(depth);
        let barrier = Barrier::new(2);
        thread::scope(|scope| {
            for cpu in 0..2 {
                let (pool, barrier) = (&pool, &barrier);
                scope.spawn(move || {
                    bind(cpu);
                    barrier.wait();
                    for _ in 0..ROUNDS {
                        drop((0..burst).map(|_| pool.get()).collect::<Vec<_>>());
                    }
                });
            }
        });
        let stats = pool.stats();
        assert_eq!(stats.discards.total(), 0, "{stats:?}");
        assert_eq!(stats.idle, ledger.alive());
        // As many as were out at once, those that one had in hand while the other looked, and what lay in its cache.
        let most = 2 * (burst + depth) + ROUNDS / 100;
        assert!(stats.creates <= most as u64, "{stats:?}");
    }
}

/// An item that is got here and dropped by ever new threads comes back: what they leave in their caches is found.
#[test]
fn dropped_by_ever_new_threads() {
    with_shapes(|shape| {
        let ledger = Ledger::new();
        let pool = shape.pool(ledger.maker());
        for _ in 0..scaled(5, 200, 500) {
            let item = pool.get();
            elsewhere(|| drop(item));
        }
        // Other tests' threads may inherit a number before we look.
        assert!(pool.stats().creates <= 20, "{:?}", pool.stats());
        assert_eq!(ledger.alive(), pool.stats().idle);
    });
}
