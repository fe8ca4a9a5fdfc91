//! Memory, counted by an allocator that stands before the system's: what a pool allocates, when, and that it gives
//! all of it back. The count is the process's, so the tests take turns.

#![cfg(all(not(pool_loom), not(miri)))]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Barrier, Mutex, MutexGuard, PoisonError};
use std::thread;

use common::{Shape, beside_idle_threads, elsewhere, scaled, with_shapes};
use pool_core::Pool;

struct Counting;

static LIVE_BYTES: AtomicUsize = AtomicUsize::new(0);
static CALLS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Ordering::Relaxed);
        LIVE_BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        LIVE_BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn alone() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

fn live() -> usize {
    LIVE_BYTES.load(Ordering::Relaxed)
}

fn calls() -> usize {
    CALLS.load(Ordering::Relaxed)
}

const KIB: usize = 1024;

/// The harness's own threads allocate a little now and then.
const SLACK: usize = 8 * KIB;

fn page() -> Box<[u8; KIB]> {
    Box::new([1; KIB])
}

/// Nor one that has been looked into by a thread, but for that thread's part and two tables.
#[test]
fn a_new_pool_has_no_memory() {
    let _alone = alone();
    // The least of several counts: the harness may start another test's thread just now.
    let count = |f: &dyn Fn()| {
        let once = |_| {
            let before = calls();
            f();
            calls() - before
        };
        (0..20).map(once).min()
    };
    let unused = count(&|| {
        let pool = Pool::new(page);
        assert_eq!(pool.stats().idle, 0);
    });
    assert_eq!(unused, Some(0));
    let looked_into = count(&|| assert!(Pool::new(page).try_take().is_none()));
    assert!(looked_into <= Some(3), "{looked_into:?} allocations");
}

/// Once it is warm, a pool allocates nothing, whatever the pattern of its use.
#[test]
fn a_warm_pool_allocates_nothing() {
    let _alone = alone();
    with_shapes(|shape| {
        for nested in [1, 8, 100] {
            let pool = shape.pool(page);
            let mut held = Vec::with_capacity(nested);
            let mut round = || {
                held.extend((0..nested).map(|_| pool.take()));
                held.drain(..).for_each(|item| pool.put(item));
            };
            (0..20).for_each(|_| round());
            let before = calls();
            (0..1000).for_each(|_| round());
            let made = calls() - before;
            assert!(made <= 20, "{made} allocations in 1000 rounds of {nested}");
        }
    });
}

/// A pool that is dropped leaves nothing behind, wherever its items were.
#[test]
fn a_dropped_pool_leaves_nothing() {
    let _alone = alone();
    let use_it = |shape: Shape| {
        let pool = shape.pool(page);
        (0..500).for_each(|_| pool.put(page()));
        let barrier = Barrier::new(3);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    barrier.wait();
                    drop((0..200).map(|_| pool.get()).collect::<Vec<_>>());
                });
            }
        });
        pool.rotate();
        drop((0..100).map(|_| pool.get()).collect::<Vec<_>>());
    };
    with_shapes(|shape| {
        (0..3).for_each(|_| use_it(shape));
        let before = live();
        (0..10).for_each(|_| use_it(shape));
        let grown = live().saturating_sub(before);
        // Each time some 600 KiB; memory of rings that thieves unlinked may still wait for the epoch.
        assert!(grown < 32 * KIB, "{grown} bytes are left");
    });
}

/// What is idle for two turns is gone, with the rings and stacks that it lay in.
#[test]
fn an_idle_pool_gives_all_back() {
    const THREADS: usize = 4;
    let _alone = alone();
    with_shapes(|shape| {
        let before = live();
        let pool = shape.pool(page);
        let burst = |_| drop((0..1000).map(|_| pool.get()).collect::<Vec<_>>());
        beside_idle_threads(THREADS, burst, || {
            let high = live() - before;
            assert!(high > 200 * KIB, "{high} bytes: nothing was kept");
            pool.rotate();
            pool.rotate();
            assert_eq!(pool.stats().idle, 0);
            let left = live().saturating_sub(before);
            // The tables of parts, the parts, and a ring for each chain; and the threads' own, which is some 7 KiB each
            // with what the collector of rings keeps for them.
            assert!(left < 48 * KIB, "{left} of {high} bytes are left");
        });
    });
}

/// A burst's rings do not stay behind the load that follows it.
#[test]
fn rings_shrink_with_the_load() {
    let _alone = alone();
    with_shapes(|shape| {
        let before = live();
        let pool = shape.pool(|| ());
        // The items have no memory of their own, so this is that of rings and stacks.
        let words = shape.pool(|| 0_usize);
        for _ in 0..2 {
            (0..20_000).for_each(|_| words.put(1));
            (0..1000).for_each(|_| pool.put(()));
            assert!(live() - before > 200 * KIB);
            for _ in 0..3 {
                words.rotate();
                pool.rotate();
                (0..10).for_each(|_| drop((words.get(), words.get(), pool.get())));
            }
            let left = live().saturating_sub(before);
            assert!(left < 24 * KIB, "{left} bytes");
        }
    });
}

/// Memory follows the threads alive at once, not all that ever were.
#[test]
fn ten_thousand_threads() {
    let _alone = alone();
    for (depth, threads) in [(0, 2000), (64, 10_000)] {
        let pool = Shape { depth }.pool(page);
        let visit = || elsewhere(|| drop((pool.get(), pool.get())));
        (0..500).for_each(|_| visit());
        let before = live();
        (0..threads).for_each(|_| visit());
        let grown = live().saturating_sub(before);
        assert!(grown < 64 * KIB, "depth {depth}: {grown} bytes");
        assert!(pool.stats().creates <= 100, "{:?}", pool.stats());
    }
}

/// Turning for ever under a steady load takes no memory, and gives back what it takes.
#[test]
fn turning_for_ever() {
    let _alone = alone();
    with_shapes(|shape| {
        let pool = shape.pool(page);
        let work = |turns: usize| {
            for _ in 0..turns {
                drop((0..80).map(|_| pool.get()).collect::<Vec<_>>());
                pool.rotate();
            }
        };
        work(50);
        let before = live();
        work(500);
        let grown = live().saturating_sub(before);
        assert!(grown < SLACK, "{grown} bytes");
        assert_eq!((pool.stats().idle, pool.stats().creates), (80, 80));
    });
}

/// Owned guards that go from thread to thread.
#[test]
fn owned_guards_are_flat() {
    let _alone = alone();
    let pool = Arc::new(Pool::builder(page).rotate_manually().build());
    let (send, receive) = sync_channel(16);
    let dropper = thread::spawn(move || receive.iter().for_each(drop));
    let work = |count: usize| {
        for _ in 0..count {
            send.send(pool.get_owned()).unwrap();
        }
    };
    work(20_000);
    let before = live();
    work(scaled(0, 50_000, 1_000_000));
    let grown = live().saturating_sub(before);
    // Some items more or less are on their way at any moment.
    assert!(grown < 300 * KIB, "{grown} bytes");
    drop(send);
    dropper.join().unwrap();
    assert_eq!(Arc::strong_count(&pool), 1);
}

/// Of many threads at once, the one with the highest number: what it costs a pool that only this one comes by is no more
/// than some tables.
#[test]
fn a_high_number_costs_little() {
    const THREADS: usize = 600;
    let _alone = alone();
    let cost = || {
        let before = live();
        let pools: Vec<_> = (0..20)
            .map(|_| {
                let pool = Pool::builder(|| 0_u8)
                    .thread_cache(0)
                    .rotate_manually()
                    .build();
                pool.put(1);
                pool.clear();
                pool
            })
            .collect();
        let each = live().saturating_sub(before) / pools.len();
        assert!(each < 10 * KIB, "{each} bytes");
    };
    elsewhere(cost);
    static NUMBERING: Pool<u8> = Pool::new(|| 0);
    let turn = Mutex::new(());
    beside_idle_threads(
        THREADS,
        |_| {
            let _turn = turn.lock();
            drop(NUMBERING.get());
        },
        || elsewhere(cost),
    );
}
