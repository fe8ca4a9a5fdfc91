//! A sandbox that begins after the first use: the barrier that worked is refused from now on. What lies in threads'
//! caches is let go of all the same, by its owner's next operation or after its thread's end, and statistics say so.

#![cfg(all(target_os = "linux", not(pool_loom), not(miri)))]

#[path = "../../pool-gate/tests/common/mod.rs"]
mod barrier;

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use barrier::{For, answer, in_child};
use pool_core::{CacheState, Pool};

/// Whether this machine has the barrier at all, and filters.
fn can_be_tested() -> bool {
    let probe = std::panic::catch_unwind(|| {
        in_child(|| {
            assert!(pool_gate::register().is_some());
            assert!(answer(For::ThisThread, libc::EPERM, None));
        });
    });
    if probe.is_err() {
        println!("no barrier here, or no filters");
    }
    probe.is_ok()
}

fn pool() -> Pool<u64> {
    let make: fn() -> u64 = || 7;
    Pool::builder(make).rotate_manually().build()
}

#[test]
fn idle_items_are_let_go_of_after_a_refusal() {
    if !can_be_tested() {
        return;
    }
    for whom in [For::ThisThread, For::AllThreads] {
        in_child(|| late(whom));
    }
}

fn late(whom: For) {
    assert!(pool_gate::register().is_some());
    let pool = pool();
    assert_eq!(pool.stats().caches, CacheState::Cached);
    thread::scope(|scope| {
        let (go, wait) = channel::<()>();
        let (ready, started) = channel();
        // One thread that comes again, and one that does not.
        let theirs = &pool;
        let comes_again = scope.spawn(move || {
            (0..60).for_each(|item| theirs.put(item));
            ready.send(()).unwrap();
            wait.recv().unwrap();
            drop(theirs.get());
            theirs.stats().idle_in_caches
        });
        started.recv().unwrap();
        let (end, hold) = channel::<()>();
        let (ready, started) = channel();
        let sleeps = scope.spawn(move || {
            (0..20).for_each(|item| theirs.put(item));
            ready.send(()).unwrap();
            _ = hold.recv();
        });
        started.recv().unwrap();
        (0..50).for_each(|item| pool.put(item));
        assert_eq!(pool.stats().idle_in_caches, 130);
        assert!(answer(whom, libc::EPERM, None));
        // The caller's own go now: the refusal is found, and the caches are given up.
        pool.clear();
        let stats = pool.stats();
        assert_eq!((stats.caches, stats.idle), (CacheState::Refused, 80));
        // The owner's next operation empties its cache into the chains, from where the others are let go of.
        go.send(()).unwrap();
        assert_eq!(comes_again.join().unwrap(), 20);
        assert_eq!(pool.stats().idle, 80);
        pool.clear();
        assert_eq!(pool.stats().idle, 20);
        // What a thread that never comes again holds returns when it ends.
        drop(end);
        sleeps.join().unwrap();
        pool.rotate();
        pool.rotate();
        assert_eq!(
            pool.stats().idle,
            20,
            "moved at the first turn, and parked at the next"
        );
        pool.rotate();
        assert_eq!(pool.stats().idle, 0);
        // Nobody's cache holds anything from now on.
        for _ in 0..20 {
            (0..200).for_each(|_| drop((pool.get(), pool.get())));
            assert_eq!(pool.stats().idle_in_caches, 0);
        }
        pool.clear();
        assert_eq!(pool.stats().idle, 0);
    });
    // A pool made after the sandbox began.
    let young = self::pool();
    (0..50).for_each(|item| young.put(item));
    assert_eq!(young.stats().idle_in_caches, 0);
    (0..2).for_each(|_| young.rotate());
    assert_eq!(
        (young.stats().idle, young.stats().caches),
        (0, CacheState::Refused)
    );
}

/// A heir of the dead thread's number comes before any turn.
#[test]
fn an_heir_empties_a_cache_that_was_given_up() {
    if !can_be_tested() {
        return;
    }
    in_child(|| {
        assert!(pool_gate::register().is_some());
        let pool = pool();
        let (go, wait) = channel::<()>();
        thread::scope(|scope| {
            let theirs = &pool;
            let other = scope.spawn(move || {
                (0..20).for_each(|item| theirs.put(item));
                wait.recv().unwrap();
            });
            while pool.stats().idle < 20 {
                thread::yield_now();
            }
            pool.put(1);
            assert!(answer(For::AllThreads, libc::EPERM, None));
            pool.clear();
            assert_eq!(pool.stats().idle, 20);
            go.send(()).unwrap();
            other.join().unwrap();
            scope.spawn(|| drop(pool.get()));
        });
        assert_eq!((pool.stats().idle, pool.stats().idle_in_caches), (20, 0));
        drop(pool);
    });
}

/// When the kernel has no memory for a barrier, caches are opened again and live on.
#[test]
fn short_of_memory_is_not_for_good() {
    if !can_be_tested() {
        return;
    }
    in_child(|| {
        assert!(pool_gate::register().is_some());
        let pool = pool();
        (0..50).for_each(|item| pool.put(item));
        assert!(answer(For::AllThreads, libc::ENOMEM, None));
        pool.clear();
        let stats = pool.stats();
        assert_eq!(
            (stats.caches, stats.idle_in_caches),
            (CacheState::Cached, 50)
        );
        drop(pool.get());
        assert_eq!(pool.stats().cache_hits, 1, "open again");
    });
}

/// A sandbox that answers 0 to everything. If that passed for a barrier, owner and visitor would have one item at once.
#[test]
fn a_lie_is_not_believed() {
    const IN: u32 = 0;
    const OUT: u32 = 1;
    const DEAD: u32 = 2;
    static BAD: AtomicU64 = AtomicU64::new(0);
    struct Item(&'static AtomicU32);
    impl Drop for Item {
        fn drop(&mut self) {
            let was = self.0.swap(DEAD, Ordering::Relaxed);
            BAD.fetch_add(u64::from(was != IN), Ordering::Relaxed);
        }
    }
    if !can_be_tested() {
        return;
    }
    in_child(|| {
        assert!(answer(For::AllThreads, 0, None));
        let make: fn() -> Item = || Item(Box::leak(Box::new(AtomicU32::new(IN))));
        let pool = Pool::builder(make).rotate_manually().build();
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let item = pool.take();
                    let was = item.0.swap(OUT, Ordering::Relaxed);
                    BAD.fetch_add(u64::from(was != IN), Ordering::Relaxed);
                    item.0.store(IN, Ordering::Relaxed);
                    pool.put(item);
                }
            });
            let start = Instant::now();
            while start.elapsed() < Duration::from_millis(300) {
                pool.clear();
            }
            stop.store(true, Ordering::Relaxed);
        });
        assert_eq!(BAD.load(Ordering::Relaxed), 0);
        assert_eq!(pool.stats().caches, CacheState::Unavailable);
    });
}

/// A subscriber hears of the refusal, once in the process.
#[cfg(feature = "tracing")]
#[test]
fn a_refusal_is_told_once() {
    use std::sync::{Arc, Mutex};

    /// Keeps what is written.
    #[derive(Clone, Default)]
    struct Heard(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Heard {
        fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend(text);
            Ok(text.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    if !can_be_tested() {
        return;
    }
    in_child(|| {
        let heard = Heard::default();
        let writer = heard.clone();
        tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .init();
        let times_told = || {
            let text = String::from_utf8(heard.0.lock().unwrap().clone()).unwrap();
            text.matches("refuse heavy barriers").count()
        };
        assert!(pool_gate::register().is_some());
        let pools = [pool(), pool()];
        for pool in &pools {
            (0..20).for_each(|item| pool.put(item));
            pool.clear();
        }
        assert_eq!(times_told(), 0, "the barrier works");
        assert!(answer(For::AllThreads, libc::EPERM, None));
        for pool in &pools {
            pool.put(1);
            pool.clear();
            pool.clear();
        }
        assert_eq!(times_told(), 1);
    });
}
