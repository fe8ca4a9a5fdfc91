//! The first use of everything, stopped at each of its allocations: nobody waits for the thread that is stopped there, in
//! this process or in a child of a fork that has lost it.
//!
//! Each case is a process of its own, in which nothing was used before.

#![cfg(all(target_os = "linux", not(pool_loom), not(miri)))]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use pool_core::{BufferPool, Pool, Reaper};

/// Stops the thread that is armed at an allocation of its choice.
struct Trapping;

static CAUGHT: AtomicBool = AtomicBool::new(false);
static RELEASED: AtomicBool = AtomicBool::new(false);
thread_local!(static LEFT: Cell<usize> = const { Cell::new(usize::MAX) });

// SAFETY: the system's, and a wait before it.
unsafe impl GlobalAlloc for Trapping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let left = LEFT.try_with(Cell::get).unwrap_or(usize::MAX);
        if left == 0 {
            LEFT.set(usize::MAX);
            CAUGHT.store(true, Ordering::Release);
            while !RELEASED.load(Ordering::Acquire) {
                thread::yield_now();
            }
        } else if left != usize::MAX {
            LEFT.set(left - 1);
        }
        // SAFETY: the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller's.
        unsafe { System.dealloc(place, layout) };
    }
}

#[global_allocator]
static ALLOCATOR: Trapping = Trapping;

static LARGE: Pool<[u8; 16384]> = Pool::new(|| [0; 16384]);
static SMALL: Pool<u64> = Pool::new(|| 7);

/// What is used for the first time.
const USES: &[(&str, fn())] = &[
    ("a pool without room for two in a cache", || {
        LARGE.put([0; 16384]);
    }),
    ("a pool beyond its cache", || {
        (0..200).for_each(|item| SMALL.put(item));
        (0..200).for_each(|_| _ = SMALL.take());
    }),
    ("the shared buffers", || {
        drop(BufferPool::shared().get(100));
    }),
    ("the list of pools", || {
        SMALL.register();
        LARGE.register();
    }),
    ("turns and clearings", || {
        SMALL.put(1);
        SMALL.rotate();
        SMALL.clear();
    }),
    ("the collector of rings", || {
        let (mut producer, consumer) = pool_chain::unbounded::<u64>();
        (0..100).for_each(|item| producer.push(item));
        assert!((0..100).all(|_| consumer.pop_tail().is_some()));
    }),
];

/// Forks; says whether the child could do it.
fn child_can(f: impl FnOnce()) -> bool {
    // SAFETY: the child runs `f` and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: has no requirements. It kills a child that hangs.
        unsafe { libc::alarm(10) };
        f();
        // SAFETY: has no requirements.
        unsafe { libc::_exit(0) };
    }
    let mut status = 0;
    // SAFETY: `status` is ours.
    unsafe { libc::waitpid(child, &mut status, 0) };
    libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
}

const CASE: &str = "POOL_TEST_CASE";

/// Runs a case in a process of its own; says what it said.
fn apart(test: &str, case: &str) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CASE, case)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{case}: {said}{errors}");
    said
}

#[test]
fn nobody_waits_for_anothers_first_use() {
    let name = "nobody_waits_for_anothers_first_use";
    if let Some(case) = std::env::var(CASE).ok().as_deref() {
        let (number, allocation) = case.split_once(' ').unwrap();
        stopped_at(number.parse().unwrap(), allocation.parse().unwrap());
        return;
    }
    let mut most = 0;
    for (number, (what, _)) in USES.iter().enumerate() {
        let mut allocation = 0;
        while apart(name, &format!("{number} {allocation}")).contains("caught") {
            allocation += 1;
        }
        println!("{what}: {allocation} allocations");
        most += allocation;
    }
    assert!(most > 10, "hardly anything was stopped");
}

/// One thread is stopped at this allocation of its use. A child, and another thread, do the same and more.
fn stopped_at(number: usize, allocation: usize) {
    let (what, first) = USES[number];
    let stopped = thread::spawn(move || {
        LEFT.set(allocation);
        first();
        LEFT.set(usize::MAX);
    });
    while !CAUGHT.load(Ordering::Acquire) {
        if stopped.is_finished() {
            return;
        }
        thread::yield_now();
    }
    println!("caught");
    let everything = || USES.iter().for_each(|(_, f)| f());
    assert!(child_can(first), "{what}: the child hung");
    assert!(child_can(everything), "{what}: the child hung elsewhere");
    let (done, wait) = channel();
    thread::spawn(move || {
        everything();
        done.send(()).unwrap();
    });
    let waited = wait.recv_timeout(Duration::from_secs(10));
    assert!(waited.is_ok(), "{what}: another thread waits");
    RELEASED.store(true, Ordering::Release);
    stopped.join().unwrap();
}

/// The same without a trap, at many moments.
#[test]
fn a_fork_beside_a_first_use() {
    if let Ok(wait) = std::env::var(CASE) {
        let wait = Duration::from_micros(wait.parse().unwrap());
        let go = Arc::new(Barrier::new(2));
        let theirs = go.clone();
        let other = thread::spawn(move || {
            theirs.wait();
            LARGE.put([0; 16384]);
        });
        go.wait();
        let start = Instant::now();
        while start.elapsed() < wait {
            std::hint::spin_loop();
        }
        assert!(child_can(|| LARGE.put([0; 16384])), "the child hung");
        other.join().unwrap();
        return;
    }
    for round in 0..40 {
        apart("a_fork_beside_a_first_use", &(round * 2).to_string());
    }
}

/// Nobody has started a reaper, so there were no fork handlers: a lock would be found taken by the child.
#[test]
fn a_fork_beside_a_registration() {
    if std::env::var_os(CASE).is_none() {
        apart("a_fork_beside_a_registration", "first");
        return;
    }
    let make: fn() -> u64 = || 0;
    let pool = Arc::new(Pool::new(make));
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                pool.register_shared();
            }
        });
        for _ in 0..300 {
            assert!(child_can(|| pool.register_shared()), "the child hung");
        }
        stop.store(true, Ordering::Relaxed);
    });
}

/// The lock of the reaper's state, at its very first use.
#[test]
fn a_fork_beside_the_first_reaper() {
    if let Ok(wait) = std::env::var(CASE) {
        let wait = Duration::from_micros(wait.parse().unwrap());
        let go = Arc::new(Barrier::new(2));
        let theirs = go.clone();
        let other = thread::spawn(move || {
            theirs.wait();
            drop(Reaper::start());
        });
        go.wait();
        let start = Instant::now();
        while start.elapsed() < wait {
            std::hint::spin_loop();
        }
        assert!(child_can(|| drop(Reaper::start())), "the child hung");
        other.join().unwrap();
        return;
    }
    for round in 0..20 {
        apart("a_fork_beside_the_first_reaper", &(round * 5).to_string());
    }
}
