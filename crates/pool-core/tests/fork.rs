//! A child of `fork` has one thread. Whatever the others were doing, it can use the pool: it never waits for a thread
//! that does not exist, and touches nothing that one may have left half-done.

#![cfg(all(target_os = "linux", not(pool_loom), not(miri)))]

mod common;
#[path = "common/trap.rs"]
mod trap;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use common::{Item, Ledger, Shape, booked, cached, caches_work, elsewhere, scaled, with_shapes};
use pool_core::{Pool, Reaper};
use trap::{Trapping, while_stopped};

#[global_allocator]
static ALLOCATOR: Trapping = Trapping;

/// One test at a time: a child inherits the locks that other tests' threads hold.
fn alone() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `f` in a child and checks that it ends well, and soon.
fn in_child(f: impl FnOnce()) {
    // SAFETY: the child runs `f` and ends; the allocator takes care of its own locks.
    let child = unsafe { libc::fork() };
    assert_ne!(child, -1, "no fork");
    if child == 0 {
        // SAFETY: has no requirements. It kills a child that hangs.
        unsafe { libc::alarm(30) };
        // The harness would keep what a test says, and end with the child.
        std::panic::set_hook(Box::new(|info| {
            let text = format!("in the child: {info}\n");
            // SAFETY: the text is there.
            unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
        }));
        let result = catch_unwind(AssertUnwindSafe(f));
        // SAFETY: has no requirements. Nothing of the parent's is run at this exit.
        unsafe { libc::_exit(if result.is_ok() { 0 } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: `status` is ours.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert!(
        !libc::WIFSIGNALED(status),
        "the child was killed by signal {}",
        libc::WTERMSIG(status)
    );
    assert_eq!(libc::WEXITSTATUS(status), 0, "the child failed");
}

/// Drops a pool in a child, where it is nobody else's any more.
fn drop_in_child<F>(pool: &Pool<Item, F>) {
    // SAFETY: the child ends before anybody could use it again.
    drop(unsafe { std::ptr::read(pool) });
}

/// Uses the pool in every way, from two threads; says how many items are out of reach.
fn work_in_child<F: Fn() -> Item + Sync>(pool: &Pool<Item, F>, ledger: &Ledger) -> usize {
    for _ in 0..3 {
        for _ in 0..100 {
            drop((pool.get(), pool.get()));
        }
        (0..50).for_each(|_| pool.put(ledger.item()));
        elsewhere(|| {
            drop((0..80).map(|_| pool.get()).collect::<Vec<_>>());
            pool.rotate();
        });
        _ = pool.try_take();
        pool.rotate();
        pool.rotate();
    }
    pool.clear();
    let left = pool.stats().idle;
    pool.put(ledger.item());
    pool.clear();
    assert!(pool.stats().idle <= left + 1);
    left
}

#[test]
fn with_nobody_about() {
    let _alone = alone();
    with_shapes(|shape| {
        let ledger = Ledger::new();
        let pool = shape.pool(ledger.maker());
        drop((0..100).map(|_| pool.get()).collect::<Vec<_>>());
        in_child(|| {
            assert_eq!(pool.stats().idle, 100, "they have come along");
            drop((pool.get(), pool.get()));
            pool.rotate();
            drop(pool.get());
            pool.rotate();
            assert_eq!(
                (pool.stats().idle, ledger.alive()),
                (1, 1),
                "turns reach every cache"
            );
            assert_eq!(work_in_child(&pool, &ledger), 0);
            drop_in_child(&pool);
            assert_eq!(ledger.alive(), 0);
        });
        assert_eq!((pool.stats().idle, ledger.alive()), (100, 100));
    });
}

/// Another thread was in the midst of a put, at the head of its chain.
#[test]
fn with_a_thread_lost_at_its_chain() {
    let _alone = alone();
    for depth in [0, 4] {
        let (ledger, pool) = booked(depth);
        let room = cached(depth);
        let prepare = || {
            // The ring of the chain is full but for what overflows the cache at the next put.
            (0..8 + room).for_each(|_| pool.put(ledger.item()));
            ledger.item()
        };
        while_stopped(
            prepare,
            |item| pool.put(item),
            || {
                in_child(|| {
                    assert_eq!(pool.stats().parts, 1);
                    assert!(pool.try_take().is_some(), "from the tail");
                    pool.put(ledger.item());
                    assert_eq!((pool.stats().parts, pool.stats().discards.total()), (2, 0));
                    work_in_child(&pool, &ledger);
                    drop_in_child(&pool);
                    // What the lost thread had in its hands is lost with it: an item or a batch.
                    assert_eq!(ledger.alive(), if room == 0 { 1 } else { room / 2 });
                });
            },
        );
        assert_eq!(ledger.alive(), pool.stats().idle);
    }
}

/// Another thread was in the midst of a turn, with this one's cache in its hands.
#[test]
fn with_ones_own_cache_revoked() {
    if !caches_work() {
        return;
    }
    let _alone = alone();
    let (ledger, pool) = booked(8);
    (0..3).for_each(|_| pool.put(ledger.item()));
    pool.rotate();
    while_stopped(
        || (),
        |()| pool.rotate(),
        || {
            in_child(|| {
                assert_eq!(work_in_child(&pool, &ledger), 3, "left alone");
                pool.put(ledger.item());
                assert!(pool.try_take().is_some(), "by way of the chains");
                drop_in_child(&pool);
                assert_eq!(ledger.alive(), 3, "not touched: they may be half-moved");
            });
        },
    );
    assert_eq!((pool.stats().idle, ledger.alive()), (0, 0));
}

/// Another thread was anywhere in a loop of takes and puts, mostly in its cache.
#[test]
fn with_owners_inside_their_caches() {
    if !caches_work() {
        return;
    }
    let _alone = alone();
    let ledger = Ledger::new();
    let pool = Pool::builder(ledger.maker()).rotate_manually().build();
    let mut inside = 0;
    // Nothing is created in the loop: the ledger's lock would be lost with the thread.
    let prepare = || (0..3).for_each(|_| pool.put(ledger.item()));
    let step = || pool.try_take().into_iter().for_each(|item| pool.put(item));
    trap::signal::while_running(prepare, step, |target| {
        let (report, reported) = pipe();
        for _ in 0..1000 {
            let held = target.stop();
            in_child(|| {
                pool.clear();
                let left = pool.stats().idle_in_caches;
                assert!(left <= 3);
                let inside = left != 0;
                // Items that the sweep has passed over stay where they are, even when the pool is dropped.
                assert_eq!(work_in_child(&pool, &ledger), left);
                let alive = ledger.alive();
                drop_in_child(&pool);
                assert!(ledger.alive() <= alive && ledger.alive() >= left);
                report.send(inside);
            });
            inside += usize::from(reported.receive());
            held.release();
            if inside >= scaled(1, 3, 10) {
                break;
            }
        }
    });
    assert!(inside > 0, "never stopped within the cache");
    assert_eq!((pool.stats().idle, ledger.alive()), (3, 3));
}

/// One end of a pipe.
struct End(libc::c_int);

/// For a bit from a child.
fn pipe() -> (End, End) {
    let mut ends = [0; 2];
    // SAFETY: there is room for two.
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
    (End(ends[1]), End(ends[0]))
}

impl End {
    fn send(&self, bit: bool) {
        let byte = u8::from(bit);
        // SAFETY: one byte is there.
        let sent = unsafe { libc::write(self.0, (&raw const byte).cast(), 1) };
        assert_eq!(sent, 1);
    }

    fn receive(&self) -> bool {
        let mut byte = 2_u8;
        // SAFETY: there is room for one byte.
        assert_eq!(unsafe { libc::read(self.0, (&raw mut byte).cast(), 1) }, 1);
        byte == 1
    }
}

impl Drop for End {
    fn drop(&mut self) {
        // SAFETY: ours, and not used again.
        unsafe { libc::close(self.0) };
    }
}

/// Forks at random moments while threads take, put, turn and clear.
#[test]
fn with_everything_going_on() {
    let _alone = alone();
    for shape in [Shape { depth: 0 }, Shape { depth: 2 }, Shape { depth: 64 }] {
        // No ledger, because its lock might be held by a thread that the child does not have.
        let pool: Pool<Box<u64>, _> = shape.pool(|| Box::new(7));
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            struct Stop<'a>(&'a AtomicBool);
            impl Drop for Stop<'_> {
                fn drop(&mut self) {
                    self.0.store(true, Ordering::Relaxed);
                }
            }
            let _stop = Stop(&stop);
            for number in 0..3 {
                let (pool, stop) = (&pool, &stop);
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        let held: Vec<_> = (0..5).map(|_| pool.get()).collect();
                        assert!(held.iter().all(|item| ***item == 7));
                        drop(held);
                        if number == 0 {
                            pool.rotate();
                        }
                        if number == 1 {
                            pool.clear();
                        }
                    }
                });
            }
            for _ in 0..scaled(1, 4, 50) {
                in_child(|| {
                    for _ in 0..5 {
                        let held: Vec<_> = (0..200).map(|_| pool.get()).collect();
                        assert!(held.iter().all(|item| ***item == 7));
                        drop(held);
                        elsewhere(|| drop((0..20).map(|_| pool.get()).collect::<Vec<_>>()));
                        pool.rotate();
                    }
                    pool.clear();
                    assert!(!format!("{:?}", pool.stats()).is_empty());
                });
            }
        });
        pool.clear();
        assert_eq!(pool.stats().idle, 0);
    }
}

/// A child has no reaper until it uses a pool; then it has one that works, with the claims that came along.
#[test]
fn the_reaper_starts_again() {
    let _alone = alone();
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    let ledger = Ledger::new();
    let pool = Pool::builder(ledger.maker())
        .rotate_every(Duration::from_millis(50))
        .build_reaped();
    let reaper = Reaper::start().unwrap();
    let settle = |pool: &Pool<_, _>| {
        let start = Instant::now();
        while pool.stats().idle != 0 {
            thread::sleep(Duration::from_millis(5));
            assert!(start.elapsed() < Duration::from_secs(20), "nobody came");
        }
    };
    for round in 0..4 {
        // Also with the thread at work, and with one that starts or ends another claim.
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            if round > 0 {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        drop(Reaper::start());
                        reaper.round();
                    }
                });
            }
            for _ in 0..5 {
                in_child(|| {
                    assert_eq!(threads(), 1, "nobody has asked for a thread");
                    drop((0..100).map(|_| pool.get()).collect::<Vec<_>>());
                    assert_eq!(threads(), 2, "the first use has");
                    settle(&pool);
                    if round == 3 {
                        // A child of the child.
                        in_child(|| {
                            assert_eq!(threads(), 1);
                            pool.put(ledger.item());
                            reaper.round();
                            settle(&pool);
                        });
                    }
                    // The parent's claims are ours too: the last ends the thread.
                    // SAFETY: the child ends before anybody could use them again.
                    drop(unsafe { std::ptr::read(&reaper) });
                });
            }
            stop.store(true, Ordering::Relaxed);
        });
        drop((0..100).map(|_| pool.get()).collect::<Vec<_>>());
        settle(&pool);
    }
}
