//! Every pair of what the two sides can do, at the same time, on rings with nothing, something and no room
//! in them. Small enough to run under Miri with many seeds, which is what it is for:
//!
//! ```text
//! MIRIFLAGS="-Zmiri-many-seeds=0..64" cargo +nightly miri test -p pool-dequeue --test pairs
//! ```
//!
//! No vectors and few iterators: they would cost Miri more than the ring.
#![cfg(not(pool_loom))]

#[path = "common/meeting.rs"]
mod meeting;

use pool_dequeue::{ConsumerRef, InlineRing, ProducerRef};

/// A number that tools see being read too early, twice or never.
struct Value(Box<u32>);

impl Value {
    fn new(number: u32) -> Self {
        Self(Box::new(number))
    }
}

/// How often each number was seen: a digit of 16 for each.
type Seen = u32;

fn see(value: Value) -> Seen {
    1 << (4 * *value.0)
}

fn see_all(values: impl Iterator<Item = Value>) -> Seen {
    let mut seen = 0;
    for value in values {
        seen += see(value);
    }
    seen
}

/// What the owner pushes: two values that are in no ring yet. What is refused stays.
type Stock = [Option<Value>; 2];

type OwnerOp = fn(&mut ProducerRef<'_, Value>, &mut Stock) -> Seen;
type ThiefOp = fn(ConsumerRef<'_, Value>) -> Seen;

fn push_head(producer: &mut ProducerRef<'_, Value>, stock: &mut Stock) {
    if let Err(full) = producer.push_head(stock[0].take().unwrap()) {
        stock[0] = Some(full.into_inner());
    }
}

const OWNER: &[(&str, OwnerOp)] = &[
    ("push_head", |producer, stock| {
        push_head(producer, stock);
        0
    }),
    ("pop_head", |producer, _| producer.pop_head().map_or(0, see)),
    ("push_head_batch", |producer, stock| {
        producer.push_head_batch(stock.iter_mut().map_while(Option::take));
        0
    }),
    ("pop_head_batch", |producer, _| {
        see_all(producer.pop_head_batch(2))
    }),
    ("pop_head_batch of one", |producer, _| {
        see_all(producer.pop_head_batch(1))
    }),
    ("pop_head and push_head", |producer, stock| {
        let seen = producer.pop_head().map_or(0, see);
        push_head(producer, stock);
        seen
    }),
    ("len", |producer, _| {
        assert!(producer.len() <= 2);
        0
    }),
];

const THIEF: &[(&str, ThiefOp)] = &[
    ("pop_tail", |consumer| consumer.pop_tail().map_or(0, see)),
    ("pop_tail twice", |consumer| {
        consumer.pop_tail().map_or(0, see) + consumer.pop_tail().map_or(0, see)
    }),
    ("pop_tail_batch", |consumer| {
        see_all(consumer.pop_tail_batch(2))
    }),
    ("len", |consumer| {
        assert!(consumer.len() <= 2);
        0
    }),
];

#[test]
fn every_pair() {
    let mut cases = Vec::new();
    for owner in OWNER {
        for thief in THIEF {
            for filled in 0..=2 {
                cases.push((owner, thief, filled));
            }
        }
    }
    // All before the first pair, because both threads borrow from them; each by itself, because Miri's time for an
    // access grows with the borrows of an allocation.
    let mut rings: Vec<_> = (0..cases.len() * meeting::ROUNDS)
        .map(|_| Box::new(InlineRing::<Value, 2>::new_at(u32::MAX)))
        .collect();
    let mut rings = rings.iter_mut();
    meeting::each(
        &cases,
        |(_, _, filled)| {
            let (mut producer, consumer) = rings.next().unwrap().split();
            for number in 0..*filled {
                assert!(producer.push_head(Value::new(number)).is_ok());
            }
            let stock = [*filled, filled + 1].map(|number| Some(Value::new(number)));
            ((producer, stock), consumer)
        },
        |((_, owner), _, _), (mut producer, mut stock)| {
            let seen = owner(&mut producer, &mut stock);
            (seen, producer, stock)
        },
        |(_, (_, thief), _), consumer| thief(consumer),
        |((owner, _), (thief, _), filled), (owner_saw, mut producer, stock), thief_saw| {
            let mut seen = owner_saw + thief_saw;
            for value in stock {
                seen += value.map_or(0, see);
            }
            while let Some(value) = producer.pop_head() {
                seen += see(value);
            }
            assert_eq!(
                seen,
                0x1111 >> (4 * (2 - filled)),
                "{owner} against {thief} with {filled} values"
            );
        },
    );
}
