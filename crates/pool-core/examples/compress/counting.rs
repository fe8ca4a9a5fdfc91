//! Counts what the ways allocate, and how much memory is in use.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// The system's allocator, counted.
pub(crate) struct Counting;

/// How many causes are told apart.
const CAUSES: usize = 4;
/// Work of the demo itself.
const OTHER: usize = 0;

thread_local! {
    /// For which cause this thread works.
    static CAUSE: Cell<usize> = const { Cell::new(OTHER) };
}

static ALLOCATIONS: [AtomicU64; CAUSES] = [const { AtomicU64::new(0) }; CAUSES];
static BYTES: [AtomicU64; CAUSES] = [const { AtomicU64::new(0) }; CAUSES];
static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// Runs `f`; what this thread allocates meanwhile is counted for the way with this number.
pub(crate) fn attributed<R>(way: usize, f: impl FnOnce() -> R) -> R {
    CAUSE.set(way + 1);
    let result = f();
    CAUSE.set(OTHER);
    result
}

/// Allocations and bytes that a way has asked for.
pub(crate) fn asked_for(way: usize) -> (u64, u64) {
    // ORDERING: Relaxed, as everywhere here: counts, read after the threads have been heard from.
    (
        ALLOCATIONS[way + 1].load(Relaxed),
        BYTES[way + 1].load(Relaxed),
    )
}

/// Bytes in use.
pub(crate) fn live() -> usize {
    LIVE.load(Relaxed)
}

/// The most bytes that were in use at any time.
pub(crate) fn peak() -> usize {
    PEAK.load(Relaxed)
}

/// Counts a request that was granted: `grown` bytes more than before.
fn count(grown: usize) {
    // A thread that is being torn down no longer has its locals; it does no work for a way, either.
    let cause = CAUSE.try_with(Cell::get).unwrap_or(OTHER);
    ALLOCATIONS[cause].fetch_add(1, Relaxed);
    BYTES[cause].fetch_add(grown as u64, Relaxed);
    let live = LIVE.fetch_add(grown, Relaxed) + grown;
    PEAK.fetch_max(live, Relaxed);
}

// SAFETY: every method hands its arguments on to `System` and returns what that returns; counting
// neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    // SAFETY: the caller keeps the contract of `GlobalAlloc`, which is `System`'s, too.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        let block = unsafe { System.alloc(layout) };
        if !block.is_null() {
            count(layout.size());
        }
        block
    }

    // SAFETY: as for `alloc`.
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        let block = unsafe { System.alloc_zeroed(layout) };
        if !block.is_null() {
            count(layout.size());
        }
        block
    }

    // SAFETY: as for `alloc`.
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(block, layout) }
    }

    // SAFETY: as for `alloc`.
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        let moved = unsafe { System.realloc(block, layout, size) };
        if !moved.is_null() {
            LIVE.fetch_sub(layout.size().saturating_sub(size), Relaxed);
            count(size.saturating_sub(layout.size()));
        }
        moved
    }
}
