//! The workloads of rings, each written once for all contenders.

use std::hint::black_box;

use super::Ring;

/// How many values a ring has room for.
pub const CAPACITY: usize = 64;

/// The owner adds a value and takes it again, with `resident` others below it.
#[inline(never)]
pub fn pair<R: Ring>(owner: &mut R::Owner, pairs: u64) {
    for n in 0..pairs {
        black_box(R::push(owner, black_box(n)));
        black_box(R::pop(owner));
    }
}

/// The owner fills the ring, then drains it. Counts values.
#[inline(never)]
pub fn fill_drain<R: Ring>(owner: &mut R::Owner, values: u64) {
    for n in 0..values.div_ceil(CAPACITY as u64) {
        for _ in 0..CAPACITY {
            black_box(R::push(owner, black_box(n)));
        }
        for _ in 0..CAPACITY {
            black_box(R::pop(owner));
        }
    }
}
