//! That the reaper has the allocator return what pools let go of. The size of the process shows it, so this test is alone
//! in its program.

#![cfg(all(target_os = "linux", target_env = "gnu", not(pool_loom), not(miri)))]

use std::sync::Arc;

use pool_core::{Pool, Reaper};

const KIB: usize = 1024;
/// Below what the allocator asks the system for one by one.
const SIZE: usize = 16 * KIB;
const COUNT: usize = 2048;
/// Few enough to let pages go between two of them, which the allocator does not return by itself.
const PER_PIN: usize = 64;

/// What of the process is in memory, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.unwrap().parse::<usize>().unwrap() * KIB
}

/// Fills a pool, empties it, and has the reaper make a round; says what that left of the memory, for a whole of `COUNT`
/// items.
fn left(trim: bool) -> usize {
    let pool = Arc::new(Pool::builder(|| vec![1u8; SIZE]).rotate_manually().build());
    pool.register_shared();
    let reaper = Reaper::builder().trim_heap(trim).start().unwrap();
    let start = resident();
    let mut pins = Vec::new();
    let mut items = Vec::new();
    for count in 0..COUNT {
        items.push(pool.take());
        if count % PER_PIN == 0 {
            pins.push(vec![1u8; 2 * KIB]);
        }
    }
    items.into_iter().for_each(|item| pool.put(item));
    let full = resident();
    assert!(full >= start + COUNT * SIZE / 10 * 9, "{start}, {full}");
    pool.clear();
    reaper.round();
    drop(reaper);
    let left = resident();
    assert_eq!(pins.len(), COUNT / PER_PIN);
    left.saturating_sub(start)
}

#[test]
fn memory_goes_back_to_the_system() {
    // In this order: what is left in the heap is used again.
    let trimmed = left(true);
    assert!(
        trimmed < COUNT * SIZE / 4,
        "{trimmed} are left of {}",
        COUNT * SIZE
    );
    let kept = left(false);
    assert!(
        kept > COUNT * SIZE / 2,
        "without a trim {kept} are left: nothing was shown"
    );
}
