//! Every pair of what the two sides can do, at the same time, on rings with nothing, something and no room
//! in them. Small enough to run under Miri with many seeds, which is what it is for:
//!
//! ```text
//! MIRIFLAGS="-Zmiri-many-seeds=0..64" cargo +nightly miri test -p pool-dequeue --test pairs
//! ```
#![cfg(not(pool_loom))]

use std::mem;
use std::thread;

use pool_dequeue::{ConsumerRef, InlineRing, ProducerRef};

/// A value that tools see being read too early, twice or never.
type Value = Box<usize>;

/// What one side ends up with.
type Got = Vec<Value>;

type OwnerOp = fn(&mut ProducerRef<'_, Value>, &mut Vec<Value>) -> Got;
type ThiefOp = fn(ConsumerRef<'_, Value>) -> Got;

/// The owner takes what it pushes from a stock, and leaves there what is refused.
const OWNER: &[(&str, OwnerOp)] = &[
    ("push_head", |producer, stock| {
        let value = stock.pop().unwrap();
        stock.extend(
            producer
                .push_head(value)
                .map_err(|full| full.into_inner())
                .err(),
        );
        vec![]
    }),
    ("pop_head", |producer, _| {
        producer.pop_head().into_iter().collect()
    }),
    ("push_head_batch", |producer, stock| {
        let mut values = mem::take(stock).into_iter();
        producer.push_head_batch(&mut values);
        stock.extend(values);
        vec![]
    }),
    ("pop_head_batch", |producer, _| {
        producer.pop_head_batch(2).collect()
    }),
    ("pop_head_batch of one", |producer, _| {
        producer.pop_head_batch(1).collect()
    }),
    ("pop_head and push_head", |producer, stock| {
        let got = producer.pop_head().into_iter().collect();
        let value = stock.pop().unwrap();
        stock.extend(
            producer
                .push_head(value)
                .map_err(|full| full.into_inner())
                .err(),
        );
        got
    }),
    ("len", |producer, _| {
        assert!(producer.len() <= 2);
        vec![]
    }),
];

const THIEF: &[(&str, ThiefOp)] = &[
    ("pop_tail", |consumer| {
        consumer.pop_tail().into_iter().collect()
    }),
    ("pop_tail twice", |consumer| {
        [consumer.pop_tail(), consumer.pop_tail()]
            .into_iter()
            .flatten()
            .collect()
    }),
    ("pop_tail_batch", |consumer| {
        consumer.pop_tail_batch(2).collect()
    }),
    ("len", |consumer| {
        assert!(consumer.len() <= 2);
        vec![]
    }),
];

#[test]
fn every_pair() {
    for (owner_name, owner_op) in OWNER {
        for (thief_name, thief_op) in THIEF {
            for filled in 0..=2 {
                let mut ring = InlineRing::<Value, 2>::new_at(u32::MAX);
                let mut all: Got = {
                    let (mut producer, consumer) = ring.split();
                    assert_eq!(producer.push_head_batch((0..filled).map(Box::new)), filled);
                    let mut stock: Vec<Value> = (filled..filled + 2).map(Box::new).collect();
                    let (owner_got, thief_got) = thread::scope(|scope| {
                        let thief = scope.spawn(move || thief_op(consumer));
                        (owner_op(&mut producer, &mut stock), thief.join().unwrap())
                    });
                    stock
                        .into_iter()
                        .chain(owner_got)
                        .chain(thief_got)
                        .collect()
                };
                let (_, consumer) = ring.split();
                all.extend(std::iter::from_fn(|| consumer.pop_tail()));
                all.sort();
                assert!(
                    all.iter().map(|value| **value).eq(0..filled + 2),
                    "{owner_name} against {thief_name} with {filled} values: {all:?}"
                );
            }
        }
    }
}
