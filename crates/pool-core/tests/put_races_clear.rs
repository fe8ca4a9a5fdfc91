//! An item may be gone as soon as `put` has opened the gate again.

#![cfg(not(pool_loom))]

use pool_core::Pool;

#[test]
fn an_item_that_was_put_back_may_be_dropped_at_once() {
    let pool = Pool::<Box<usize>>::new(|| Box::new(0));
    let rounds = if cfg!(miri) { 10 } else { 10_000 };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..rounds {
                pool.put(Box::new(round));
            }
        });
        for _ in 0..rounds {
            pool.clear();
        }
    });
    pool.clear();
    assert_eq!(pool.stats().idle, 0);
}
