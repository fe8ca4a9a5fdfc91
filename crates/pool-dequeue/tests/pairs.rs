//! Every pair of what the two sides can do, at the same time, on rings with nothing, something and no room
//! in them; of what two thieves can do; of the ends of a ring on the heap, and of two consumers, of which the last frees it;
//! and two who want the ends of a static one. Small enough to run under Miri with many seeds, which is what it is for:
//!
//! ```text
//! MIRIFLAGS="-Zmiri-many-seeds=0..64" cargo +nightly miri test -p pool-dequeue --test pairs
//! ```
//!
//! No vectors and few iterators: they would cost Miri more than the ring.
#![cfg(not(pool_loom))]

#[path = "common/meeting.rs"]
mod meeting;

#[cfg(feature = "alloc")]
use std::sync::atomic::{AtomicU32, Ordering};

#[cfg(feature = "alloc")]
use pool_dequeue::{Consumer, Producer, try_bounded_at};
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
    ("pop_tail", |producer, _| producer.pop_tail().map_or(0, see)),
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
    (LEN, |producer, _| {
        assert!(producer.len() <= 2);
        _ = producer.is_empty();
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
    (LEN, |consumer| {
        assert!(consumer.len() <= 2);
        _ = consumer.is_empty();
        0
    }),
];

/// Only looks.
const LEN: &str = "len and is_empty";

#[test]
fn every_pair() {
    let mut cases = Vec::new();
    for owner in OWNER {
        for thief in THIEF {
            let fillings: &[u32] = match (owner.0, thief.0) {
                // Two that look.
                (LEN, LEN) => &[],
                (LEN, _) | (_, LEN) => &[1],
                // With nothing there it is as any other.
                ("pop_head_batch of one", _) => &[1, 2],
                _ => &[0, 1, 2],
            };
            for &filled in fillings {
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

#[test]
fn two_thieves() {
    let mut cases = Vec::new();
    for (place, one) in THIEF.iter().enumerate() {
        for other in &THIEF[place..] {
            for filled in 1..=2 {
                // To who looks, a thief is a thief, beside an owner or another.
                if one.0 != LEN && other.0 != LEN {
                    cases.push((one, other, filled));
                }
            }
        }
    }
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
            ((producer, consumer), consumer)
        },
        |((_, thief), _, _), (producer, consumer)| (thief(consumer), producer),
        |(_, (_, thief), _), consumer| thief(consumer),
        |((one, _), (other, _), filled), (one_saw, mut producer), other_saw| {
            let mut seen = one_saw + other_saw;
            while let Some(value) = producer.pop_head() {
                seen += see(value);
            }
            assert_eq!(
                seen,
                0x11 >> (4 * (2 - filled)),
                "{one} against {other} with {filled} values"
            );
        },
    );
}

/// A thief that takes two and moves one of them into a ring of its own.
#[test]
fn owner_and_steal_into() {
    let mut cases = Vec::new();
    for owner in OWNER {
        // It expects a smaller ring.
        if owner.0 != LEN {
            cases.extend((3..=4).map(|filled| (owner, filled)));
        }
    }
    let mut rings: Vec<_> = (0..cases.len() * meeting::ROUNDS)
        .map(|_| Box::new(InlineRing::<Value, 4>::new_at(u32::MAX)))
        .collect();
    let mut rings = rings.iter_mut();
    meeting::each(
        &cases,
        |(_, filled)| {
            let (mut producer, consumer) = rings.next().unwrap().split();
            for number in 0..*filled {
                assert!(producer.push_head(Value::new(number)).is_ok());
            }
            let stock = [*filled, filled + 1].map(|number| Some(Value::new(number)));
            ((producer, stock), consumer)
        },
        |((_, owner), _), (mut producer, mut stock)| {
            let seen = owner(&mut producer, &mut stock);
            (seen, producer, stock)
        },
        |_, consumer| {
            let mut ring = InlineRing::<Value, 2>::new_at(u32::MAX);
            let (mut own, _) = ring.split();
            let mut seen = consumer.steal_into(&mut own).map_or(0, see);
            while let Some(value) = own.pop_head() {
                seen += see(value);
            }
            seen
        },
        |((owner, _), filled), (owner_saw, mut producer, stock), thief_saw| {
            let mut seen = owner_saw + thief_saw;
            for value in stock {
                seen += value.map_or(0, see);
            }
            while let Some(value) = producer.pop_head() {
                seen += see(value);
            }
            assert_eq!(
                seen,
                0x11_1111 >> (4 * (4 - filled)),
                "{owner} against steal_into with {filled} values"
            );
        },
    );
}

/// Who is first has the ends.
#[test]
fn split_static() {
    static RINGS: [InlineRing<u32, 2>; meeting::ROUNDS] =
        [const { InlineRing::new() }; meeting::ROUNDS];
    let split = |ring: &'static InlineRing<u32, 2>| {
        let (mut producer, consumer) = ring.split_static()?;
        assert!(producer.push_head(7).is_ok());
        consumer.pop_tail()
    };
    let mut rings = RINGS.iter();
    meeting::each(
        &[()],
        |()| {
            let ring = rings.next().unwrap();
            (ring, ring)
        },
        |(), ring| split(ring),
        |(), ring| split(ring),
        |(), one, other| assert_eq!(one.xor(other), Some(7)),
    );
}

/// The ends of a ring on the heap.
#[cfg(feature = "alloc")]
mod handles {
    use super::*;

    /// A number that counts its drops.
    struct Counted<'a> {
        number: Box<u32>,
        drops: &'a AtomicU32,
    }

    impl Drop for Counted<'_> {
        fn drop(&mut self) {
            self.drops
                .fetch_add(1 << (4 * *self.number), Ordering::Relaxed);
        }
    }

    /// Gets and gives back the end, unless it drops it; and what the producer may push.
    type ProducerOp =
        for<'a> fn(Producer<Counted<'a>>, Counted<'a>) -> Option<Producer<Counted<'a>>>;
    type ConsumerOp = for<'a> fn(Consumer<Counted<'a>>);

    const PRODUCER: &[(&str, ProducerOp)] = &[
        ("push_head", |mut producer, value| {
            drop(producer.push_head(value));
            Some(producer)
        }),
        ("pop_head", |mut producer, _| {
            drop(producer.pop_head());
            Some(producer)
        }),
        ("drop", |producer, _| {
            drop(producer);
            None
        }),
    ];

    const CONSUMER: &[(&str, ConsumerOp)] = &[
        ("pop_tail", |consumer| drop(consumer.pop_tail())),
        ("pop_tail_batch", |consumer| {
            drop(consumer.pop_tail_batch(2));
        }),
        ("clone, drop, pop_tail", |consumer| {
            let clone = consumer.clone();
            drop(consumer);
            drop(clone.pop_tail());
        }),
        ("drop", |consumer| drop(consumer)),
    ];

    #[test]
    fn two_consumers() {
        let mut cases = Vec::new();
        for (place, one) in CONSUMER.iter().enumerate() {
            for other in &CONSUMER[place..] {
                cases.push((one, other));
            }
        }
        let drops = AtomicU32::new(0);
        meeting::each(
            &cases,
            |_| {
                let (mut producer, consumer) = try_bounded_at(2, u32::MAX).unwrap();
                for number in 0..2 {
                    let number = Box::new(number);
                    let value = Counted {
                        number,
                        drops: &drops,
                    };
                    assert!(producer.push_head(value).is_ok());
                }
                // So one of the two is the last.
                drop(producer);
                (consumer.clone(), consumer)
            },
            |((_, op), _), consumer| op(consumer),
            |(_, (_, op)), consumer| op(consumer),
            |((one, _), (other, _)), (), ()| {
                assert_eq!(
                    drops.swap(0, Ordering::Relaxed),
                    0x11,
                    "{one} against {other}"
                );
            },
        );
    }

    /// Of what the ends do the few operations that end in one way or another with the ring; the others meet above, on a ring
    /// that stays.
    #[test]
    fn every_pair() {
        let mut cases = Vec::new();
        for producer in PRODUCER {
            for consumer in CONSUMER {
                cases.push((producer, consumer));
            }
        }
        let drops = AtomicU32::new(0);
        let value = |number| Counted {
            number: Box::new(number),
            drops: &drops,
        };
        meeting::each(
            &cases,
            |_| {
                let (mut producer, consumer) = try_bounded_at(2, u32::MAX).unwrap();
                assert!(producer.push_head(value(0)).is_ok());
                ((producer, value(1)), consumer)
            },
            |((_, op), _), (producer, value)| op(producer, value),
            |(_, (_, op)), consumer| op(consumer),
            |((producer_name, _), (consumer_name, _)), producer, ()| {
                // What is left goes with the last end, which one of them may have been.
                drop(producer);
                assert_eq!(
                    drops.swap(0, Ordering::Relaxed),
                    0x11,
                    "{producer_name} against {consumer_name}"
                );
            },
        );
    }
}
