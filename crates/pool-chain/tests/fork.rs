//! A child of `fork` has one thread. Whatever thieves were doing in the parent, both ends of a chain work in the child, no
//! value comes or is dropped twice, and nothing is lost but what a thief had claimed. If a thief was inside an operation,
//! the epoch stands still: then, and only then, drained rings are no longer freed.

#![cfg(all(
    target_os = "linux",
    target_pointer_width = "64",
    not(pool_loom),
    not(miri)
))]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{ptr, thread};

use common::{Counted, Drops};
use pool_chain::raw::{Chain, FIRST_CAPACITY};

/// The system's allocator. Counts what fills cache lines: the nodes of chains, of which there are as many as rings, and a
/// few things that are there before.
struct Counting;

static ALIGNED: AtomicUsize = AtomicUsize::new(0);

fn is_aligned(layout: Layout) -> bool {
    layout.align() >= 64 && layout.size() < 1024
}

// SAFETY: passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALIGNED.fetch_add(usize::from(is_aligned(layout)), Ordering::Relaxed);
        // SAFETY: the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        ALIGNED.fetch_sub(usize::from(is_aligned(layout)), Ordering::Relaxed);
        // SAFETY: the caller's.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One test at a time: rings are everybody's, and so is the epoch.
fn alone() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `f` in a child, checks that it ends well, and soon, and passes on what it says.
fn in_child(f: impl FnOnce() -> bool) -> bool {
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
        let status = catch_unwind(AssertUnwindSafe(f)).map_or(2, i32::from);
        // SAFETY: has no requirements. Nothing of the parent's is run at this exit.
        unsafe { libc::_exit(status) };
    }
    let mut status = 0;
    // SAFETY: `status` is ours.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert!(
        !libc::WIFSIGNALED(status),
        "the child was killed by signal {}",
        libc::WTERMSIG(status)
    );
    match libc::WEXITSTATUS(status) {
        0 => false,
        1 => true,
        _ => panic!("the child failed"),
    }
}

/// A chain, and what became of each value. The test's own thread is its producer, and so is its copy in a child.
struct Booked {
    chain: Chain<Counted>,
    pushed: AtomicUsize,
    came: Vec<AtomicUsize>,
    drops: Drops,
    /// What was allocated before and looks like a ring.
    others: usize,
}

impl Booked {
    /// For so many values.
    fn new(values: usize) -> Self {
        // crossbeam-epoch's first use makes what everybody shares.
        Chain::<u8>::new().collect();
        Self {
            others: ALIGNED.load(Ordering::Relaxed),
            chain: Chain::new(),
            pushed: AtomicUsize::new(0),
            came: (0..values).map(|_| AtomicUsize::new(0)).collect(),
            drops: Drops::new(values),
        }
    }

    fn push(&self, count: usize) {
        let first = self.pushed.fetch_add(count, Ordering::Relaxed);
        let mut values = (first..first + count).map(|number| self.drops.value(number));
        // SAFETY: only the test's own thread calls this.
        let pushed = unsafe { self.chain.push_head_batch(&mut values) };
        assert_eq!(pushed, count);
    }

    fn pop_head(&self) -> Option<Counted> {
        // SAFETY: only the test's own thread calls this.
        unsafe { self.chain.pop_head() }
    }

    /// A value has come.
    fn enter(&self, value: Counted) {
        let before = self.came[value.number].fetch_add(1, Ordering::Relaxed);
        assert_eq!(before, 0, "value {} came twice", value.number);
    }

    /// Uses both ends, through growth and back, and leaves the chain empty.
    fn work(&self) {
        for _ in 0..3 {
            self.push(100);
            for back in 1..=20 {
                let newest = self.pop_head().expect("a hundred were pushed");
                assert_eq!(newest.number, self.pushed.load(Ordering::Relaxed) - back);
                self.enter(newest);
            }
            // SAFETY: only the test's own thread calls this, and the sink enters a value.
            let popped = unsafe { self.chain.pop_head_batch(10, |value| self.enter(value)) };
            assert_eq!(popped, 10);
            thread::scope(|scope| {
                let other = scope.spawn(|| {
                    for _ in 0..5 {
                        self.enter(self.chain.pop_tail().expect("seventy are left"));
                        self.chain.pop_tail_batch(4, |value| self.enter(value));
                    }
                });
                // Until it is really gone, and pins nothing any more.
                other.join().unwrap();
            });
            while let Some(oldest) = self.chain.pop_tail() {
                self.enter(oldest);
            }
            assert!(self.chain.is_empty() && self.pop_head().is_none());
            // SAFETY: only the test's own thread calls this.
            unsafe { self.chain.shrink() };
        }
        // More often than it takes.
        (0..5).for_each(|_| self.chain.collect());
    }

    /// The rings that have been made and not freed.
    fn rings(&self) -> usize {
        ALIGNED.load(Ordering::Relaxed) - self.others
    }

    /// The values that were pushed and have not come.
    fn missing(&self) -> Vec<usize> {
        let came = |number: &usize| self.came[*number].load(Ordering::Relaxed) != 0;
        let pushed = 0..self.pushed.load(Ordering::Relaxed);
        pushed.filter(|number| !came(number)).collect()
    }

    /// The values that were pushed and have not been dropped; fails if one was dropped twice.
    fn alive(&self) -> Vec<usize> {
        let counts = self.drops.counts();
        assert!(counts.iter().all(|count| *count <= 1), "dropped twice");
        let pushed = 0..self.pushed.load(Ordering::Relaxed);
        pushed.filter(|number| counts[*number] == 0).collect()
    }

    /// Uses the chain and drops it with some values in it, in a child, where it is nobody else's any more. Says which
    /// values have not come, which have not been dropped, and whether drained rings were kept.
    fn use_up(&self) -> (Vec<usize>, Vec<usize>, bool) {
        self.work();
        let kept = self.rings() > self.chain.rings();
        let missing = self.missing();
        self.push(20);
        // SAFETY: the child ends before anybody could use it again.
        drop(unsafe { ptr::read(&self.chain) });
        (missing, self.alive(), kept)
    }
}

/// Runs `check` once `thief`, on another thread, has called what it is given, which does not return before the check has
/// ended or failed.
fn while_stopped(thief: impl FnOnce(&dyn Fn()) + Send, check: impl FnOnce()) {
    struct Release<'a>(&'a AtomicBool);
    impl Drop for Release<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let (stopped, released) = (AtomicBool::new(false), AtomicBool::new(false));
    let stop = || {
        stopped.store(true, Ordering::Relaxed);
        while !released.load(Ordering::Relaxed) {
            thread::yield_now();
        }
    };
    thread::scope(|scope| {
        let release = Release(&released);
        let thief = scope.spawn(|| thief(&stop));
        while !stopped.load(Ordering::Relaxed) {
            assert!(!thief.is_finished(), "it has not stopped");
            thread::yield_now();
        }
        check();
        drop(release);
        // Until it is really gone: it pins the epoch once more at its end.
        thief.join().unwrap();
    });
}

/// A thief that is there, and between two operations: the child's chain gives its memory back.
#[test]
fn with_nobody_inside() {
    let _alone = alone();
    let booked = Booked::new(1000);
    booked.push(100);
    let thief = |stop: &dyn Fn()| {
        booked.enter(booked.chain.pop_tail().unwrap());
        stop();
    };
    while_stopped(thief, || {
        in_child(|| {
            let (missing, alive, kept) = booked.use_up();
            assert_eq!((missing.len(), alive.len()), (0, 0));
            assert!(!kept, "drained rings were not freed");
            assert_eq!(booked.rings(), 0);
            false
        });
    });
    assert_eq!((booked.missing().len(), booked.alive().len()), (99, 99));
}

/// A thief that has claimed half a ring and has the first value in its hands: it is pinned, and the other slots are never
/// handed back in the child.
#[test]
fn with_a_thief_amid_a_batch() {
    const CLAIMED: usize = FIRST_CAPACITY / 2;

    let _alone = alone();
    let booked = Booked::new(1000);
    booked.push(FIRST_CAPACITY);
    let thief = |stop: &dyn Fn()| {
        let stolen = booked.chain.pop_tail_batch(CLAIMED, |value| {
            if value.number == 0 {
                stop();
            }
            booked.enter(value);
        });
        assert_eq!(stolen, CLAIMED);
    };
    while_stopped(thief, || {
        in_child(|| {
            let (missing, alive, kept) = booked.use_up();
            assert_eq!(missing, Vec::from_iter(0..CLAIMED));
            assert_eq!(alive, missing);
            assert!(kept, "the thief is pinned for ever");
            false
        });
    });
    let left = FIRST_CAPACITY - CLAIMED;
    assert_eq!((booked.missing().len(), booked.alive().len()), (left, left));
    booked.work();
    assert_eq!((booked.missing().len(), booked.alive().len()), (0, 0));
    assert_eq!(booked.rings(), 1, "the parent's memory is freed");
}

/// Forks at random moments while thieves are at it, until enough of them were inside an operation.
#[test]
fn with_thieves_inside() {
    /// A thief has at most so many values in its hands, or claimed.
    const BATCH: usize = 4;
    const THIEVES: usize = 2;
    const SUPPLY: usize = 200;
    const ENOUGH: usize = 10;
    const CHILDREN: usize = 500;

    let _alone = alone();
    let booked = Booked::new(CHILDREN * SUPPLY + 1000);
    let (mut inside, mut children) = (0, 0);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        /// Ends the thieves also when a check has failed.
        struct Stop<'a>(&'a AtomicBool);
        impl Drop for Stop<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let _stop = Stop(&stop);
        for thief in 0..THIEVES {
            let (booked, stop) = (&booked, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    if thief == 0 {
                        booked
                            .chain
                            .pop_tail()
                            .into_iter()
                            .for_each(|value| booked.enter(value));
                    } else {
                        booked
                            .chain
                            .pop_tail_batch(BATCH, |value| booked.enter(value));
                    }
                }
            });
        }
        while inside < ENOUGH && children < CHILDREN {
            booked.push(SUPPLY);
            children += 1;
            inside += usize::from(in_child(|| {
                let (missing, alive, kept) = booked.use_up();
                let most = THIEVES * BATCH;
                assert!(missing.len() <= most && alive.len() <= most);
                kept
            }));
        }
    });
    assert_eq!(inside, ENOUGH, "of {children} forks");
    booked.work();
    assert_eq!((booked.missing().len(), booked.alive().len()), (0, 0));
}
