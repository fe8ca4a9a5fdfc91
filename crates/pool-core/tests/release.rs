//! What is promised about memory, with the numbers that it is promised with: 64 threads put 1,000 buffers of 1 KiB each
//! and go idle. An allocator that counts says what is left; `cargo xtask memory` looks at the system's view of it.

#![cfg(all(not(pool_loom), not(miri)))]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use pool_core::{ManualClock, Pool, Reaper};

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const KIB: usize = 1024;
const THREADS: usize = 64;
const BUFFERS: usize = 1000;
const BURST: usize = THREADS * BUFFERS * KIB;

type Buffer = Box<[u8; KIB]>;

fn buffer() -> Buffer {
    Box::new([1; KIB])
}

fn alone() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has 64 threads put their buffers, and runs `check` while they are alive and idle, with what was live at the start.
fn beside_idle_threads<R>(pool: &Pool<Buffer>, check: impl FnOnce(usize) -> R) -> R {
    let (ready, go, full, end) = (
        Barrier::new(THREADS + 1),
        Barrier::new(THREADS + 1),
        Barrier::new(THREADS + 1),
        Barrier::new(THREADS + 1),
    );
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                // What a thread needs to take part, once and for all.
                (0..200).for_each(|_| pool.put(buffer()));
                ready.wait();
                go.wait();
                (0..BUFFERS).for_each(|_| pool.put(buffer()));
                full.wait();
                end.wait();
            });
        }
        ready.wait();
        pool.clear();
        let start = LIVE.load(Ordering::Relaxed);
        go.wait();
        full.wait();
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(start)));
        // The threads would wait for ever.
        end.wait();
        result.unwrap_or_else(|payload| std::panic::resume_unwind(payload))
    })
}

/// Whether what the threads have put is there.
fn is_full(pool: &Pool<Buffer>) -> bool {
    pool.stats().idle == THREADS * BUFFERS
}

/// Whether no more than a hundredth of what came in is still there.
fn is_released(start: usize) -> bool {
    LIVE.load(Ordering::Relaxed).saturating_sub(start) < BURST / 100
}

#[test]
fn with_the_reaper_and_no_further_call() {
    let _alone = alone();
    // On a busy machine the first may be over before all is in.
    let periods = [300, 1_200, 4_800, 19_200].map(Duration::from_millis);
    assert!(periods.into_iter().any(is_released_by_the_reaper));
}

/// Whether the pool was full in time; then all of it is released in time, too.
fn is_released_by_the_reaper(period: Duration) -> bool {
    let pool = Arc::new(
        Pool::builder(buffer as fn() -> Buffer)
            .rotate_every(period)
            .build(),
    );
    pool.register_shared();
    let _reaper = Reaper::start().unwrap();
    beside_idle_threads(&pool, |start| {
        if !is_full(&pool) {
            return false;
        }
        let idle = Instant::now();
        // The items, and the rings that they lay in.
        while pool.stats().idle != 0 || !is_released(start) {
            // Two periods, and whatever a busy machine adds to them.
            let late = idle.elapsed() > 2 * period + Duration::from_secs(20);
            assert!(!late, "{:?}, {LIVE:?} bytes", pool.stats());
            thread::sleep(Duration::from_millis(5));
        }
        true
    })
}

#[test]
fn without_it_at_the_next_use() {
    let _alone = alone();
    let clock = Arc::new(ManualClock::new());
    let period = Duration::from_secs(30);
    let pool: Pool<Buffer> = Pool::builder(buffer as fn() -> Buffer)
        .rotate_every(period)
        .clock(clock.clone())
        .build();
    beside_idle_threads(&pool, |start| {
        assert!(is_full(&pool));
        clock.advance(2 * period + Duration::from_millis(2));
        assert!(pool.try_take().is_none());
        assert_eq!(pool.stats().idle, 0);
        // Rings are freed when nobody may be inside any more.
        pool.rotate();
        assert!(is_released(start), "{LIVE:?} bytes, {start} at the start");
    });
}

/// Two buffers of 64 MiB among thousands of small uses.
#[test]
fn huge_buffers_among_small_uses() {
    let _alone = alone();
    const HUGE: usize = 64 * KIB * KIB;
    let pool = Pool::builder(Vec::<u8>::new)
        .clear_up_to(usize::MAX)
        .shed_underused(16)
        .build();
    let start = LIVE.load(Ordering::Relaxed);
    (0..2).for_each(|_| pool.put(Vec::with_capacity(HUGE)));
    assert!(LIVE.load(Ordering::Relaxed) > start + 2 * HUGE - KIB);
    for _ in 0..5000 {
        let (mut one, mut other) = (pool.get(), pool.get());
        one.extend_from_slice(b"small");
        other.extend_from_slice(b"small");
    }
    assert!(LIVE.load(Ordering::Relaxed) < start + 64 * KIB);
}
