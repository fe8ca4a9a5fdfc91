//! An allocator that fails: at its k-th call for a ring, a cache or a list, for each k, once or from then on. The pool
//! keeps what it has room for, drops the rest and says so, loses nothing, and works again when there is memory.

#![cfg(all(not(pool_loom), not(miri)))]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use common::{Item, Ledger, Shape, caches_work, turn_out};
use pool_core::{DiscardReason, Pool};

struct Failing;

/// Smaller ones are the test's own, the harness's, or crossbeam-epoch's, whose failure ends the process.
const BIG: usize = 3 * 1024;

thread_local! {
    /// How many big allocations of this thread succeed, and how many fail after them.
    static PLAN: Cell<(usize, usize)> = const { Cell::new((usize::MAX, 0)) };
    /// How many have failed.
    static FAILED: Cell<usize> = const { Cell::new(0) };
}

fn refuses(layout: Layout) -> bool {
    if layout.size() < BIG {
        return false;
    }
    let (left, failures) = PLAN.get();
    if let Some(left) = left.checked_sub(1) {
        PLAN.set((left, failures));
        return false;
    }
    let Some(failures) = failures.checked_sub(1) else {
        return false;
    };
    PLAN.set((0, failures));
    FAILED.set(FAILED.get() + 1);
    true
}

// SAFETY: passes everything on to the system's allocator, or answers that there is no memory.
unsafe impl GlobalAlloc for Failing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if refuses(layout) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Failing = Failing;

/// So big that two of them, as many as a ring has places for, are a big allocation.
struct Fat {
    item: Item,
    filling: [u8; 1900],
}

impl Fat {
    fn new(item: Item) -> Self {
        let filling = [item.number() as u8; 1900];
        Self { item, filling }
    }

    fn check(&self) {
        let expected = self.item.number() as u8;
        assert!(self.filling.iter().all(|byte| *byte == expected));
    }
}

/// What uses every way in and out.
fn use_it<F: Fn() -> Fat>(pool: &Pool<Fat, F>, ledger: &Ledger, held: &mut Vec<Fat>) {
    for _ in 0..80 {
        pool.put(Fat::new(ledger.item()));
    }
    for round in 0..3 {
        held.extend((0..90).map(|_| pool.take()));
        held.iter().for_each(Fat::check);
        held.drain(20..).for_each(|item| pool.put(item));
        held.drain(..10 - round).for_each(|item| pool.put(item));
        pool.rotate();
    }
    held.drain(5..).for_each(|item| pool.put(item));
    pool.clear();
    for _ in 0..80 {
        pool.put(Fat::new(ledger.item()));
    }
}

/// Runs it with so many big allocations that succeed and so many after them that do not; returns how many failed.
fn run(shape: Shape, succeed: usize, fail: usize) -> usize {
    let ledger = Ledger::new();
    let maker = ledger.maker();
    let pool = shape.pool(move || Fat::new(maker()));
    let mut held = Vec::with_capacity(2000);
    FAILED.set(0);
    PLAN.set((succeed, fail));
    use_it(&pool, &ledger, &mut held);
    PLAN.set((usize::MAX, 0));
    let stats = pool.stats();
    assert_eq!(ledger.alive(), stats.idle + held.len(), "{stats:?}");
    assert_eq!(ledger.dropped() as u64, stats.discards.total(), "{stats:?}");
    // It works again.
    let before = pool.stats().creates;
    held.drain(..).for_each(|item| pool.put(item));
    pool.take().check();
    assert_eq!(pool.stats().creates, before, "something was put");
    turn_out(&pool, &ledger);
    FAILED.get()
}

/// More than a run asks for.
const MOST: usize = 400;

#[test]
fn each_allocation_fails() {
    for shape in Shape::all() {
        for fail in [1, usize::MAX] {
            let (mut failed, mut now) = (0, 0);
            // A run that gets all that it asks for has been through each of them.
            for succeed in 0..MOST {
                now = run(shape, succeed, fail);
                failed += now;
                if now == 0 {
                    break;
                }
            }
            assert!(failed > 0, "{shape:?} needs memory");
            assert_eq!(now, 0, "{shape:?} asks for more than {MOST}");
        }
    }
}

/// Without any, what finds no place is dropped, and the reason is told.
#[test]
fn no_memory_at_all() {
    let ledger = Ledger::new();
    let maker = ledger.maker();
    let shape = Shape { depth: 0 };
    let pool = shape.pool(move || Fat::new(maker()));
    PLAN.set((0, usize::MAX));
    for _ in 0..10 {
        pool.put(Fat::new(ledger.item()));
    }
    PLAN.set((usize::MAX, 0));
    let stats = pool.stats();
    assert_eq!(
        stats.discards.by(DiscardReason::OutOfMemory),
        10,
        "{stats:?}"
    );
    assert_eq!((stats.idle, ledger.alive()), (0, 0));
}

/// A cache that gets no more room uses what it has.
#[test]
fn a_cache_that_cannot_grow() {
    if !caches_work() {
        return;
    }
    let pool = Pool::builder(|| [0u64; 16])
        .thread_cache(512)
        .rotate_manually()
        .build();
    // More than the first room of a cache.
    (0..1000).for_each(|_| pool.put([1; 16]));
    let before = pool.stats();
    FAILED.set(0);
    PLAN.set((0, usize::MAX));
    for _ in 0..500 {
        assert_eq!(pool.take(), [1; 16]);
    }
    PLAN.set((usize::MAX, 0));
    assert_ne!(FAILED.get(), 0);
    let hits = pool.stats().cache_hits - before.cache_hits;
    assert!(hits > 250, "{hits} of 500");
}
