//! A fork while other threads are in the middle of loads or of a store, which never end in the child: the child goes on.
#![cfg(all(target_os = "linux", not(miri), not(pool_loom)))]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{io, thread};

use atomic_value::AtomicValue;

/// One test at a time: a child inherits the locks that other tests' threads hold.
fn alone() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Forks. The child does `f`, which says whether a thread was lost where it matters, and ends.
fn fork(f: impl FnOnce() -> bool) -> libc::pid_t {
    // SAFETY: the child allocates, which the C library allows after a fork, sleeps, and ends by `_exit`; it takes no
    // lock that another thread may have held.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: has no requirements. It kills a child that hangs.
        unsafe { libc::alarm(60) };
        // The harness would keep what a test says, and end with the child.
        std::panic::set_hook(Box::new(|info| {
            let text = format!("in the child: {info}\n");
            // SAFETY: the text is there.
            unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
        }));
        let status = catch_unwind(AssertUnwindSafe(f)).map_or(2, i32::from);
        // SAFETY: ends the process without running anything of ours.
        unsafe { libc::_exit(status) };
    }
    assert!(child > 0, "fork: {}", io::Error::last_os_error());
    child
}

/// Waits for a child, and says what it said.
fn said(child: libc::pid_t) -> bool {
    let mut status = -1;
    // SAFETY: a child of ours that has not been waited for, and a place for its status.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(waited, child);
    assert!(libc::WIFEXITED(status), "the child was killed: {status}");
    let status = libc::WEXITSTATUS(status);
    assert!(status <= 1, "the child went wrong: {status}");
    status == 1
}

/// Runs `check` beside threads that do `step` over and over until the check has ended or failed.
fn beside(threads: usize, step: impl Fn() + Sync, check: impl FnOnce()) {
    struct Stop<'a>(&'a AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    step();
                }
            });
        }
        let _stop = Stop(&stop);
        check();
    });
}

static MADE: AtomicUsize = AtomicUsize::new(0);
static DROPPED: AtomicUsize = AtomicUsize::new(0);

/// Counted, and with memory of its own, so that the allocator, too, sees it dropped twice.
struct Item(Box<usize>);

impl Item {
    fn new() -> Self {
        Self(Box::new(MADE.fetch_add(1, Ordering::Relaxed) + 1))
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

fn alive() -> usize {
    MADE.load(Ordering::Relaxed) - DROPPED.load(Ordering::Relaxed)
}

static LOADED: AtomicValue<Item> = AtomicValue::empty();

/// Far more than a store takes on a busy machine, and less than the second for which one would wait for a thread that does
/// not end its window.
const WITHOUT_WAITING: Duration = Duration::from_millis(500);

/// The child of threads that load: whether a version was lost with one of them.
fn store_in_the_child() -> bool {
    for _ in 0..10 {
        let start = Instant::now();
        LOADED.store(Item::new());
        let took = start.elapsed();
        assert!(took < WITHOUT_WAITING, "waited {took:?} for a lost thread");
        assert!(alive() <= 2, "the newest, and the one that was lost");
    }
    let newest = *LOADED.load().unwrap().0;
    assert_eq!(newest, MADE.load(Ordering::Relaxed));
    assert_eq!(LOADED.reader().load().map(|item| *item.0), Some(newest));
    // What this thread had before goes on in the child, and new threads can load.
    let there = thread::spawn(|| LOADED.load().map(|item| *item.0));
    assert_eq!(there.join().unwrap(), Some(newest));
    drop(LOADED.take());
    alive() == 1
}

/// Stores in the child of a fork wait for none of the threads that were in the middle of a load, and leave at most one
/// version to them in all: the one that was current.
#[test]
fn a_forked_child_can_store() {
    const READERS: usize = 8;
    const ENOUGH: usize = 5;
    let _alone = alone();
    LOADED.store(Item::new());
    let number = *LOADED.load().unwrap().0;
    let mut lost = 0;
    let load = || {
        let seen = LOADED.load().unwrap();
        assert_eq!(*seen.0, number, "the child's memory is its own");
    };
    beside(READERS, load, || {
        for _ in 0..200 {
            lost += usize::from(said(fork(store_in_the_child)));
            if lost == ENOUGH {
                break;
            }
        }
    });
    assert_eq!(lost, ENOUGH, "forked while a thread held the version");
    drop(LOADED.take());
    assert_eq!(alive(), 0);
}

static STORED: AtomicValue<Item> = AtomicValue::empty();

/// The child of a thread that stores: whether it was lost in the middle of a store, after the new item came in and before
/// the old one was dropped.
fn go_on_in_the_child() -> bool {
    let made = MADE.load(Ordering::Relaxed);
    let newest = *STORED.load().unwrap().0;
    // One is in place. The other, if there is one, was in the lost thread's hands: not yet stored, or just replaced.
    let lost = alive() - 1;
    assert!(lost <= 1 && made - newest <= lost);
    let inside = lost == 1 && newest == made;
    for _ in 0..10 {
        STORED.store(Item::new());
        let guard = STORED.load();
        let old = STORED.swap(Item::new()).unwrap();
        assert_eq!(*guard.unwrap().0, *old.0);
        let old = STORED.update(|_| Item::new()).unwrap();
        assert_eq!(*old.0 + 1, *STORED.load().unwrap().0);
    }
    assert_eq!(alive(), 1 + lost, "the newest, and what was lost");
    drop(STORED.take());
    assert_eq!(alive(), lost);
    inside
}

#[test]
fn a_child_of_an_interrupted_store_goes_on() {
    const ENOUGH: usize = 5;
    let _alone = alone();
    STORED.store(Item::new());
    let mut inside = 0;
    beside(
        1,
        || STORED.store(Item::new()),
        || {
            for _ in 0..2000 {
                inside += usize::from(said(fork(go_on_in_the_child)));
                if inside == ENOUGH {
                    break;
                }
            }
        },
    );
    assert_eq!(inside, ENOUGH, "forked in the middle of a store");
    assert_eq!(alive(), 1);
    drop(STORED.take());
    assert_eq!(alive(), 0);
}
