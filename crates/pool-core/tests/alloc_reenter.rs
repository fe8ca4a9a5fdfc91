//! A global allocator that keeps its own records in pooled buffers: each big allocation of the program puts buffers, at the
//! process's first slow operation too. What such an operation does must not come back to itself through the allocator.

#![cfg(all(not(pool_loom), not(miri)))]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use pool_core::Pool;

static RECORDS: Pool<[u64; 4]> = Pool::new(|| [0; 4]);
thread_local!(static INSIDE: Cell<u32> = const { Cell::new(0) });

struct Recording;

// SAFETY: the system's, and puts before it.
unsafe impl GlobalAlloc for Recording {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() >= 4096 {
            // One level of the records' own allocations is let pass.
            let enter = |inside: &Cell<u32>| inside.replace(inside.get() + 1) == 0;
            if INSIDE.try_with(enter).unwrap_or(false) {
                for _ in 0..80 {
                    RECORDS.put([layout.size() as u64; 4]);
                }
            }
            let _ = INSIDE.try_with(|inside| inside.set(inside.get() - 1));
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
static ALLOCATOR: Recording = Recording;

#[test]
fn an_allocator_may_record_into_a_pool() {
    #[cfg(unix)]
    // SAFETY: has no requirements. It kills a test that hangs.
    unsafe {
        unsafe extern "C" {
            fn alarm(seconds: u32) -> u32;
        }
        alarm(60)
    };
    let pool: Pool<Vec<u8>> = Pool::new(|| Vec::with_capacity(100));
    for _ in 0..200 {
        pool.put(Vec::with_capacity(100));
    }
    drop(Vec::<u8>::with_capacity(10_000));
    assert!(RECORDS.stats().idle > 0, "nothing was recorded");
}
