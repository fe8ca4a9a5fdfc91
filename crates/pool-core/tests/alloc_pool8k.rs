//! A global allocator that serves blocks of 8 KiB from a pool, which a pool's own first use must not need: a process that
//! counts its CPUs by reading files does.

#![cfg(all(target_os = "linux", not(pool_loom), not(miri)))]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use pool_core::Pool;

/// Memory from the system, given back when it is dropped.
struct Block(*mut u8);

// SAFETY: whoever has the block has it alone.
unsafe impl Send for Block {}

const LAYOUT: Layout = match Layout::from_size_align(8192, 128) {
    Ok(layout) => layout,
    Err(_) => panic!("a power of two"),
};

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: every block comes from there.
        unsafe { System.dealloc(self.0, LAYOUT) };
    }
}

static POOL: OnceLock<Pool<Block>> = OnceLock::new();
static ON: AtomicBool = AtomicBool::new(false);
static SERVED: AtomicUsize = AtomicUsize::new(0);
thread_local!(static INSIDE: Cell<bool> = const { Cell::new(false) });

struct Pooling;

impl Pooling {
    /// Runs `f` with the pool, if it serves this and is not being served.
    fn with<R>(layout: Layout, f: impl FnOnce(&Pool<Block>) -> R) -> Option<R> {
        let is_ours = layout.size() == LAYOUT.size() && layout.align() <= LAYOUT.align();
        if !is_ours || !ON.load(Ordering::Relaxed) || INSIDE.replace(true) {
            return None;
        }
        let result = POOL.get().map(f);
        INSIDE.set(false);
        result
    }

    fn layout(layout: Layout) -> Layout {
        let is_ours = layout.size() == LAYOUT.size() && layout.align() <= LAYOUT.align();
        if is_ours { LAYOUT } else { layout }
    }
}

// SAFETY: the system's, or a block of the pool's, which is the system's too.
unsafe impl GlobalAlloc for Pooling {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let served = Self::with(layout, |pool| {
            SERVED.fetch_add(1, Ordering::Relaxed);
            ManuallyDrop::new(pool.take()).0
        });
        // SAFETY: the caller's.
        served.unwrap_or_else(|| unsafe { System.alloc(Self::layout(layout)) })
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        if Self::with(layout, |pool| pool.put(Block(place))).is_none() {
            // SAFETY: the caller's.
            unsafe { System.dealloc(place, Self::layout(layout)) };
        }
    }
}

#[global_allocator]
static ALLOCATOR: Pooling = Pooling;

#[test]
fn an_allocator_may_serve_blocks_from_a_pool() {
    // SAFETY: has no requirements. It kills a test that hangs.
    unsafe { libc::alarm(60) };
    // SAFETY: a layout with a size.
    let make: fn() -> Block = || Block(unsafe { System.alloc(LAYOUT) });
    _ = POOL.set(
        Pool::builder(make)
            .thread_cache(0)
            .rotate_manually()
            .build(),
    );
    ON.store(true, Ordering::Relaxed);
    let blocks = |count: usize| -> Vec<Vec<u8>> {
        (0..count)
            .map(|_| Vec::with_capacity(LAYOUT.size()))
            .collect()
    };
    drop(blocks(1000));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for round in 0..50 {
                    drop(blocks(round * 3));
                    if round % 10 == 0 {
                        POOL.get().unwrap().rotate();
                    }
                }
            });
        }
    });
    ON.store(false, Ordering::Relaxed);
    assert!(SERVED.load(Ordering::Relaxed) > 1000, "nothing was served");
}
