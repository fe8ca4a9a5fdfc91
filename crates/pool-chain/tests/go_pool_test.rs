//! `TestPoolChain` of Go's `sync/pool_test.go`: one producer that sometimes pops its own values, nine
//! consumers, and every value seen exactly once. Go starts the indices of its dequeue 500 below the wrap;
//! here each ring of the chain does.
#![cfg(not(pool_loom))]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use common::{below_the_wrap, scaled};
use pool_chain::unbounded_at;

/// No fewer than the two million of Go's long mode.
const N: usize = scaled((1 << 21) + 1000, 300);
const THREADS: usize = if cfg!(miri) { 4 } else { 10 };

#[test]
fn test_pool_chain() {
    let (mut producer, consumer) = unbounded_at(below_the_wrap(500));
    let have: Vec<AtomicUsize> = (0..N).map(|_| AtomicUsize::new(0)).collect();
    let done = AtomicUsize::new(0);
    let record = |value: usize| {
        have[value].fetch_add(1, Ordering::Relaxed);
        done.fetch_add(1, Ordering::Relaxed);
    };
    let mut popped_at_head = 0;

    thread::scope(|scope| {
        // Go's consumers stop when one of them has seen the last value. Here the producer pops some values
        // and the last could be one of them, so they stop when all have been seen.
        for _ in 1..THREADS {
            let (consumer, done, record) = (consumer.clone(), &done, &record);
            scope.spawn(move || {
                let mut fail = 0;
                while done.load(Ordering::Relaxed) != N {
                    match consumer.pop_tail() {
                        Some(value) => {
                            fail = 0;
                            record(value);
                        }
                        None => {
                            fail += 1;
                            if fail % 100 == 0 {
                                thread::yield_now();
                            }
                        }
                    }
                }
            });
        }
        for value in 0..N {
            producer.push(value);
            if value % 10 == 0 {
                if let Some(value) = producer.pop_head() {
                    popped_at_head += 1;
                    record(value);
                }
            }
        }
    });

    for (value, count) in have.iter().enumerate() {
        let count = count.load(Ordering::Relaxed);
        assert_eq!(count, 1, "value {value} was seen {count} times");
    }
    assert_eq!((producer.pop_head(), consumer.pop_tail()), (None, None));
    // Go asserts this in its long mode only: a short run may never find a value at the head.
    if N > 1 << 20 {
        assert!(popped_at_head > 0, "the producer never popped a value");
    }
}
