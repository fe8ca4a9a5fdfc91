//! The pool's hot path as a program: what `cargo xtask asm` reads the machine code of.
//!
//! Run, it says what a pair of calls costs on this machine.

#[cfg(not(pool_loom))]
use std::hint::black_box;
#[cfg(not(pool_loom))]
use std::time::Instant;

#[cfg(not(pool_loom))]
use pool_core::Pool;

#[cfg(not(pool_loom))]
static POOL: Pool<Vec<u8>> = Pool::new(Vec::new);

/// Takes an item through the guard and gives it back.
#[cfg(not(pool_loom))]
#[inline(never)]
#[unsafe(no_mangle)]
pub fn hot_get_drop() {
    let mut guard = POOL.get();
    black_box(&mut *guard);
}

/// Takes an item by value and puts it back.
#[cfg(not(pool_loom))]
#[inline(never)]
#[unsafe(no_mangle)]
pub fn hot_take_put() {
    let mut item = POOL.take();
    black_box(&mut item);
    POOL.put(item);
}

#[cfg(pool_loom)]
fn main() {
    eprintln!(
        "not for the model checker, under which there is neither a pool in a static nor a hot path"
    );
}

#[cfg(not(pool_loom))]
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
