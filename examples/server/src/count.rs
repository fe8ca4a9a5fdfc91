//! An allocator that counts, and what the process holds of the machine's memory.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

/// The system's allocator, with a count of how often it is asked for memory.
#[derive(Debug)]
pub struct Counting;

static ASKED: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is handed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count_one();
        // SAFETY: the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count_one();
        // SAFETY: the caller's.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count_one();
        // SAFETY: the caller's.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's.
        unsafe { System.dealloc(memory, layout) }
    }
}

fn count_one() {
    // ORDERING: Relaxed: a number that grows, and that nothing else is read by.
    ASKED.fetch_add(1, Ordering::Relaxed);
}

/// How often memory was asked for since the start.
pub fn allocations() -> u64 {
    // ORDERING: Relaxed: as in `count_one`. What the reader wants counted it has seen answered, over a socket.
    ASKED.load(Ordering::Relaxed)
}

/// Tells the allocator to give back to the system what is free.
pub fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: asks nothing of its caller.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Resident memory in KiB.
///
/// # Panics
///
/// On a system without `/proc`.
pub fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages = text.split_whitespace().nth(1).expect("the second number");
    pages.parse::<u64>().expect("a number") * 4
}
