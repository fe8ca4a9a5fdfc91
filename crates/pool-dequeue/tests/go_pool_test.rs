//! The part of Go's `sync/pool_test.go` that is about the dequeue.
#![cfg(all(feature = "alloc", not(pool_loom)))]

mod common;

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::thread;

use pool_dequeue::{MAX_CAPACITY, try_bounded_at};

use common::{at_most, below_the_wrap};

/// Go's `TestPoolDequeue`: a ring of 16 whose indices start 500 below the wrap, one producer that
/// sometimes pops the head, nine consumers at the tail; each item is seen exactly once.
#[test]
fn test_pool_dequeue() {
    const CONSUMERS: usize = 9;
    const ITEMS: usize = if cfg!(miri) {
        // Enough to cross the wrap.
        600
    } else if MAX_CAPACITY < 16 {
        // Narrow indices: a ring of two makes every item wait for a thread.
        1 << 17
    } else {
        (1 << 21) + 1000
    };

    let (mut producer, consumer) = try_bounded_at(at_most(16), below_the_wrap(500)).unwrap();
    let have: Vec<_> = (0..ITEMS).map(|_| AtomicU8::new(0)).collect();
    let seen = AtomicUsize::new(0);
    let record = |item: usize| {
        have[item].fetch_add(1, Ordering::Relaxed);
        seen.fetch_add(1, Ordering::Relaxed);
    };
    let mut head_pops = 0;

    thread::scope(|scope| {
        for _ in 0..CONSUMERS {
            scope.spawn(|| {
                let mut failures = 0;
                while seen.load(Ordering::Relaxed) < ITEMS {
                    if let Some(item) = consumer.pop_tail() {
                        failures = 0;
                        record(item);
                    } else {
                        failures += 1;
                        // Let the producer run.
                        if failures % 100 == 0 || cfg!(miri) {
                            thread::yield_now();
                        }
                    }
                }
            });
        }

        for item in 0..ITEMS {
            let mut item = item;
            while let Err(full) = producer.push_head(item) {
                item = full.into_inner();
                // The consumers leave when they have seen as many.
                assert!(
                    seen.load(Ordering::Relaxed) < ITEMS,
                    "an item was seen twice"
                );
                // Let a consumer run.
                thread::yield_now();
            }
            if item % 10 == 0 {
                if let Some(item) = producer.pop_head() {
                    head_pops += 1;
                    record(item);
                }
            }
        }
    });

    let wrong: Vec<_> = (0..ITEMS)
        .filter(|item| have[*item].load(Ordering::Relaxed) != 1)
        .collect();
    assert!(wrong.is_empty(), "not seen exactly once: {wrong:?}");
    assert_eq!(seen.into_inner(), ITEMS);
    // As in Go, not in a short run: consumers may win every race of a few.
    assert!(cfg!(miri) || head_pops > 0, "pop_head never succeeded");
    assert!(producer.is_empty());
}
