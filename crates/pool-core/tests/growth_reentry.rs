//! An allocator that uses the pool comes back into the very cache that is getting memory from it. What the inner call
//! made of the cache must survive the outer one.

#![cfg(not(pool_loom))]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use common::caches_work;
use pool_core::Pool;

/// What the one block has behind its end, to see whether somebody writes there.
const MARGIN: usize = 4096;
const UNTOUCHED: u8 = 0xa5;

thread_local! {
    /// What the next allocation of this thread does before it returns its block.
    static HOOK: Cell<Option<fn()>> = const { Cell::new(None) };
}

/// The block that was allocated while the hook was set, and how long it is without its margin.
static BLOCK: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());
static LENGTH: AtomicUsize = AtomicUsize::new(0);

struct Reentrant;

fn with_margin(layout: Layout) -> Layout {
    Layout::from_size_align(layout.size() + MARGIN, layout.align()).expect("a small block")
}

// SAFETY: the system's allocator; the one block with a margin is given back with the layout that it was asked with.
unsafe impl GlobalAlloc for Reentrant {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(hook) = HOOK.try_with(Cell::take).unwrap_or(None) else {
            // SAFETY: the caller's promise.
            return unsafe { System.alloc(layout) };
        };
        // SAFETY: no smaller than the caller's, which has a size.
        let block = unsafe { System.alloc(with_margin(layout)) };
        if !block.is_null() {
            // SAFETY: the margin lies within the block.
            unsafe { ptr::write_bytes(block.wrapping_add(layout.size()), UNTOUCHED, MARGIN) };
            LENGTH.store(layout.size(), Ordering::Relaxed);
            BLOCK.store(block, Ordering::Relaxed);
        }
        hook();
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let layout = if block == BLOCK.load(Ordering::Relaxed) {
            assert!(margin_is_untouched(), "written beyond the end of a block");
            BLOCK.store(ptr::null_mut(), Ordering::Relaxed);
            with_margin(layout)
        } else {
            layout
        };
        // SAFETY: the layout that the block was asked with.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Reentrant = Reentrant;

fn margin_is_untouched() -> bool {
    let block = BLOCK.load(Ordering::Relaxed);
    if block.is_null() {
        return true;
    }
    let margin = block.wrapping_add(LENGTH.load(Ordering::Relaxed));
    // SAFETY: written when the block was allocated, and the block is still there.
    (0..MARGIN).all(|at| unsafe { margin.wrapping_add(at).read() } == UNTOUCHED)
}

static POOL: Pool<usize> = Pool::new(|| unreachable!("nobody takes from the empty pool"));

/// More than the first room of a cache, which is 64.
const ITEMS: usize = 200;

/// Fills the cache, and takes and puts so many that it gets more room.
fn fill_and_grow() {
    (1..=ITEMS).for_each(|item| POOL.put(item));
    let out: Vec<_> = (0..ITEMS).map(|_| POOL.take()).collect();
    out.into_iter().for_each(|item| POOL.put(item));
    assert!(!caches_work() || POOL.stats().idle_in_caches > 64);
}

#[test]
fn growth_keeps_what_the_allocator_did() {
    // Makes the thread's part of the pool, without room for items.
    assert_eq!(POOL.try_take(), None);
    HOOK.set(Some(fill_and_grow));
    // Asks for the first room.
    POOL.put(0);
    let asked = HOOK.take().is_none();
    assert!(asked || !caches_work(), "nothing was allocated");
    if !asked {
        fill_and_grow();
    }
    assert!(
        margin_is_untouched(),
        "items overflowed a block that is too small for them"
    );
    let mut items: Vec<_> = std::iter::from_fn(|| POOL.try_take()).collect();
    items.sort_unstable();
    assert!(
        items.into_iter().eq(0..=ITEMS),
        "items were lost or doubled"
    );
}
