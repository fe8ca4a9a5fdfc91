//! The pool's hot path as a program: what `cargo xtask asm` reads the machine code of.
//!
//! Run, it says what a pair of calls costs on this machine.

use std::hint::black_box;
use std::time::Instant;

use pool_core::Pool;

static POOL: Pool<Vec<u8>> = Pool::new(Vec::new);

/// Takes an item through the guard and gives it back.
#[inline(never)]
#[unsafe(no_mangle)]
pub fn hot_get_drop() {
    let mut guard = POOL.get();
    black_box(&mut *guard);
}

/// Takes an item by value and puts it back.
#[inline(never)]
#[unsafe(no_mangle)]
pub fn hot_take_put() {
    let mut item = POOL.take();
    black_box(&mut item);
    POOL.put(item);
}

fn main() {
    const PAIRS: u32 = if cfg!(debug_assertions) {
        10_000
    } else {
        10_000_000
    };
    for (name, pair) in [
        ("get and drop", hot_get_drop as fn()),
        ("take and put", hot_take_put),
    ] {
        let began = Instant::now();
        for _ in 0..PAIRS {
            pair();
        }
        let each = began.elapsed().as_secs_f64() * 1e9 / f64::from(PAIRS);
        println!("{name}: {each:.1} ns");
    }
    let stats = POOL.stats();
    assert_eq!(
        stats.creates, 1,
        "one thread with one item at a time needs one item: {stats:?}"
    );
}
