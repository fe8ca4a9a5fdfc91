//! Ports, by name, of the tests in Go's `sync/pool_test.go` and of the pair in `runtime/race/testdata/pool_test.go`.
//!
//! The properties are Go's; where the two pools differ the test says so. `TestPoolDequeue` and
//! `TestPoolChain` stand in the crates of those layers. `TestRacePool`, which must not compile here, is a
//! doctest in `src/compile_fail.rs`.

#![cfg(not(pool_loom))]

mod common;

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::thread;

use common::{Planned, caches_work, panics, scaled};
use pool_core::{Pool, Recycle};

/// Go gives "a" before "b", because the first put fills the private slot. Our thread cache is a stack.
#[test]
fn test_pool() {
    let pool: Pool<&str, _> = Pool::builder(|| "new").rotate_manually().build();
    assert_eq!(pool.try_take(), None, "expected empty");

    pool.put("a");
    pool.put("b");
    assert_eq!(pool.try_take(), Some("b"));
    assert_eq!(pool.try_take(), Some("a"));
    assert_eq!(pool.try_take(), None);

    // Put in a large number of objects so they spill into stealable space.
    for _ in 0..100 {
        pool.put("c");
    }
    // After one rotation, the victim cache should keep them alive.
    pool.rotate();
    assert_eq!(pool.stats().idle, 100);
    assert_eq!(
        pool.try_take(),
        Some("c"),
        "the victims are gone after one rotation"
    );
    // A second rotation should drop the victim cache.
    pool.rotate();
    assert_eq!(pool.try_take(), None, "the victims survived two rotations");
    assert_eq!(pool.stats().idle, 0);
}

#[test]
fn test_pool_new() {
    let made = AtomicUsize::new(0);
    let pool = Pool::new(|| made.fetch_add(1, Ordering::Relaxed) + 1);
    assert_eq!(pool.take(), 1);
    assert_eq!(pool.take(), 2);
    pool.put(42);
    assert_eq!(pool.take(), 42);
    assert_eq!(pool.take(), 3);
}

/// Test that Pool does not hold pointers to previously cached resources.
#[test]
fn test_pool_gc() {
    test_pool_releases(true);
}

/// Test that Pool releases resources on rotation.
#[test]
fn test_pool_release() {
    test_pool_releases(false);
}

/// Go waits for N-1 of N finalizers; ours are reference counts, and all have to fall.
fn test_pool_releases(drain: bool) {
    const N: usize = 100;
    let pool: Pool<Arc<String>, _> = Pool::builder(Arc::default).rotate_manually().build();
    for _ in 0..3 {
        let mut watched: Vec<Weak<String>> = Vec::new();
        for number in 0..N {
            let item = Arc::new(number.to_string());
            watched.push(Arc::downgrade(&item));
            pool.put(item);
        }
        if drain {
            for _ in 0..N {
                assert!(pool.try_take().is_some());
            }
        } else {
            let alive = watched
                .iter()
                .filter(|item| item.strong_count() != 0)
                .count();
            assert_eq!(alive, N, "the pool keeps what it is given");
            pool.rotate();
            pool.rotate();
        }
        let alive = watched
            .iter()
            .filter(|item| item.strong_count() != 0)
            .count();
        assert_eq!(alive, 0, "{alive} of {N} resources are still held");
    }
}

/// Ten threads put and take one value; nobody ever sees another.
#[test]
fn test_pool_stress() {
    const P: usize = 10;
    const N: usize = scaled(100, 100_000, 1_000_000);
    let pool: Pool<Box<usize>> = Pool::new(Box::default);
    thread::scope(|scope| {
        for _ in 0..P {
            scope.spawn(|| {
                let mut value = Some(Box::new(0));
                for _ in 0..N {
                    pool.put(value.unwrap_or_default());
                    value = pool.try_take();
                    assert!(
                        value.as_deref().is_none_or(|&value| value == 0),
                        "{value:?}"
                    );
                }
            });
        }
    });
    let stats = pool.stats();
    // Not in vain: on a thread of its own each take finds what it has just put, in its cache or its chain.
    assert!(stats.hits() >= (P * N / 2) as u64, "{stats:?}");
}

/// In Go a nil pool must panic, and not leave the goroutine pinned. Ours cannot be nil, but the user's code
/// in `take` and `put` can panic; the thread's cache has to be open and in use after it.
#[test]
fn test_nil_pool() {
    let fail = AtomicUsize::new(1);
    let pool = Pool::builder(|| {
        if fail.load(Ordering::Relaxed) == 1 {
            std::panic::panic_any(Planned);
        }
        0_u64
    })
    .recycle(|item| {
        if *item == 13 {
            std::panic::panic_any(Planned);
        }
        Recycle::Keep
    })
    .rotate_manually()
    .build();

    // Get, on a thread that has never used the pool and on one that has.
    assert!(panics(|| _ = pool.take()));
    assert!(panics(|| _ = pool.get()));
    // Put.
    assert!(panics(|| pool.put(13)));

    fail.store(0, Ordering::Relaxed);
    pool.put(1);
    let before = pool.stats();
    let by_cache = u64::from(caches_work());
    assert_eq!(
        before.idle_in_caches as u64, by_cache,
        "the cache takes items"
    );
    assert_eq!(pool.take(), 1);
    assert_eq!(
        pool.stats().cache_hits,
        before.cache_hits + by_cache,
        "the cache gives items"
    );
    // An intruder finds nobody inside.
    pool.put(2);
    pool.clear();
    assert_eq!(pool.stats().idle, 0);
    assert_eq!(pool.take(), 0);
}

/// Buffers that a logger lends for the time of one line.
static BUFFERS: Pool<Vec<u8>> = Pool::new(Vec::new);

fn log(out: &mut impl Write, key: &str, value: &str) {
    let mut line = BUFFERS.get();
    line.clear();
    // A real logger would take the time.
    line.extend_from_slice(b"2006-01-02T15:04:05Z ");
    write!(line, "{key}={value}").unwrap();
    out.write_all(&line).unwrap();
}

#[test]
fn example_pool() {
    let mut out = Vec::new();
    log(&mut out, "path", "/search?q=flowers");
    assert_eq!(out, b"2006-01-02T15:04:05Z path=/search?q=flowers");
    assert_eq!(BUFFERS.stats().idle, 1, "the buffer is back");
    log(&mut out, "path", "/");
    assert_eq!(BUFFERS.stats().creates, 1);
}

/// An item put here and taken there is written to in both places, and only the pool orders the two: the flags are
/// relaxed. ThreadSanitizer and Miri have to be silent.
#[test]
fn test_no_race_pool() {
    // So that the item does not stay in the putting thread's cache.
    let pool: Pool<Vec<u8>, _> = Pool::builder(|| vec![0; 10]).thread_cache(0).build();
    let turn = AtomicUsize::new(0);
    let take_back = |expected: usize| {
        while turn.load(Ordering::Relaxed) != expected {
            thread::yield_now();
        }
        loop {
            if let Some(item) = pool.try_take() {
                return item;
            }
            thread::yield_now();
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..10 {
                let mut y = take_back(2 * round + 1);
                assert_eq!(y[0], 1);
                y[0] = 2;
                pool.put(y);
                turn.store(2 * round + 2, Ordering::Relaxed);
            }
        });
        let mut x = pool.take();
        for round in 0..10 {
            x[0] = 1;
            pool.put(x);
            turn.store(2 * round + 1, Ordering::Relaxed);
            x = take_back(2 * round + 2);
            assert_eq!(x[0], 2);
            x[0] = 3;
        }
    });
    assert_eq!(pool.stats().creates, 1, "one item all the time");
}
