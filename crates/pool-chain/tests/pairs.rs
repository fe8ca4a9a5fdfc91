//! Every pair of what the producer and a consumer can do, of what two consumers can do, and of what the owner of a raw
//! chain and a thief can do, at the same time: on an empty chain, on one whose ring is full so that a push adds another,
//! and on two rings of which one is drained. Small enough to run under Miri with many seeds, which is what it is for:
//!
//! ```text
//! MIRIFLAGS="-Zmiri-tree-borrows -Zmiri-permissive-provenance -Zmiri-many-seeds=0..64" \
//!     cargo +nightly miri test -p pool-chain --test pairs
//! ```
//!
//! No vectors and few iterators: they would cost Miri more than the chain.
#![cfg(not(pool_loom))]

#[path = "common/meeting.rs"]
mod meeting;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use pool_chain::raw::{Chain, FIRST_CAPACITY};
use pool_chain::{Consumer, Limited, Producer, with_limit};

/// How often each number was dropped: two bits for each.
#[derive(Default)]
struct Book(AtomicU32);

/// A number that counts its drops, and that tools see being read too early, twice or never.
struct Value<'a> {
    number: Box<u32>,
    book: &'a Book,
}

impl<'a> Value<'a> {
    fn new(number: u32, book: &'a Book) -> Self {
        Self {
            number: Box::new(number),
            book,
        }
    }
}

impl Drop for Value<'_> {
    fn drop(&mut self) {
        self.book
            .0
            .fetch_add(1 << (2 * *self.number), Ordering::Relaxed);
    }
}

/// Each of so many numbers once.
fn once_each(numbers: u32) -> u32 {
    assert!(numbers < 16);
    0x5555_5555 & ((1 << (2 * numbers)) - 1)
}

/// What the producer pushes: two values that are not in the chain yet. What is refused stays.
type Stock<'a> = [Option<Value<'a>>; 2];

/// All chains have a limit, most of them none that is met.
type Ours<'a> = Producer<Value<'a>, Limited>;

/// Gets and gives back the producer, unless it drops it.
type ProducerOp = for<'a> fn(Ours<'a>, &mut Stock<'a>) -> Option<Ours<'a>>;
type ConsumerOp = for<'a> fn(Consumer<Value<'a>>);

/// What is popped is dropped, and that is counted.
const PRODUCER: &[(&str, ProducerOp)] = &[
    ("push_head", |mut producer, stock| {
        assert!(producer.push_head(stock[0].take().unwrap()).is_ok());
        Some(producer)
    }),
    ("push_head twice", |mut producer, stock| {
        for place in stock {
            if let Err(full) = producer.push_head(place.take().unwrap()) {
                *place = Some(full.into_inner());
            }
        }
        Some(producer)
    }),
    ("push_head_batch", |mut producer, stock| {
        producer.push_head_batch(stock.iter_mut().map_while(Option::take));
        Some(producer)
    }),
    ("pop_head", |mut producer, _| {
        drop(producer.pop_head());
        Some(producer)
    }),
    ("pop_tail", |mut producer, _| {
        drop(producer.pop_tail());
        Some(producer)
    }),
    ("pop_head_batch", |mut producer, _| {
        producer.pop_head_batch(2).for_each(drop);
        Some(producer)
    }),
    ("shrink", |mut producer, _| {
        producer.shrink();
        Some(producer)
    }),
    ("len", |producer, _| {
        assert!(producer.len() <= FIRST_CAPACITY + 1);
        Some(producer)
    }),
    ("drop", |producer, _| {
        drop(producer);
        None
    }),
];

const CONSUMER: &[(&str, ConsumerOp)] = &[
    ("pop_tail", |consumer| drop(consumer.pop_tail())),
    ("pop_tail twice", |consumer| {
        drop(consumer.pop_tail());
        drop(consumer.pop_tail());
    }),
    ("pop_tail_batch", |consumer| {
        consumer.pop_tail_batch(2).for_each(drop);
    }),
    (STEAL, |consumer| {
        let (mut own, rest) = with_limit(FIRST_CAPACITY);
        drop(consumer.steal_into(&mut own));
        drop(own);
        drop(rest.pop_tail());
    }),
    ("clone, drop, pop_tail", |consumer| {
        let clone = consumer.clone();
        drop(consumer);
        drop(clone.pop_tail());
    }),
    ("len", |consumer| {
        assert!(consumer.len() <= FIRST_CAPACITY + 2);
    }),
    ("drop", |consumer| drop(consumer)),
];

/// Moves values, if there are three or more.
const STEAL: &str = "steal_into";

/// What a chain is like at the start.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Start {
    Empty,
    /// One value in a ring with room.
    One,
    /// One value, which is as many as the chain may hold.
    AtLimit,
    /// One ring without room: the next push adds another.
    Full,
    /// A value in the newer of two rings, the older of which is drained and not unlinked yet.
    Drained,
}

/// A chain at its start, and how many numbers were used up for it.
fn chain(start: Start, book: &Book) -> (Ours<'_>, Consumer<Value<'_>>, u32) {
    let (mut producer, consumer) = match start {
        Start::AtLimit => with_limit(1),
        _ => with_limit(usize::MAX),
    };
    let mut numbers = match start {
        Start::Empty => 0,
        Start::One | Start::AtLimit => 1,
        Start::Full => FIRST_CAPACITY as u32,
        Start::Drained => FIRST_CAPACITY as u32 + 1,
    };
    producer.push_head_batch((0..numbers).map(|number| Value::new(number, book)));
    if start == Start::Drained {
        // A pop that has all that it wants unlinks nothing.
        producer.pop_head_batch(FIRST_CAPACITY + 1).for_each(drop);
        assert!(producer.push_head(Value::new(numbers, book)).is_ok());
        numbers += 1;
    }
    if !cfg!(miri) {
        assert_eq!(
            producer.capacity() > FIRST_CAPACITY,
            start == Start::Drained
        );
    }
    (producer, consumer, numbers)
}

/// Fails unless each number was dropped once, and opens the next page.
fn close(book: &Book, numbers: u32, what: impl FnOnce() -> String) {
    let drops = book.0.swap(0, Ordering::Relaxed);
    assert!(drops == once_each(numbers), "{}: {drops:b}", what());
}

#[test]
fn producer_and_consumer() {
    let mut cases = Vec::new();
    for producer in PRODUCER {
        for consumer in CONSUMER {
            // Room matters to pushes alone, and an empty chain to the first of them. How many rings there are matters
            // to all but those who only hold the chain.
            let holds = matches!(consumer.0, "clone, drop, pop_tail" | "drop");
            let starts: &[Start] = match (producer.0, consumer.0) {
                ("shrink" | "len" | "drop", STEAL) => &[],
                (_, STEAL) => &[Start::Full],
                ("push_head", _) if holds => &[Start::Empty],
                ("push_head", _) => &[Start::Empty, Start::Full],
                ("push_head twice", "pop_tail") => &[Start::AtLimit, Start::Full],
                ("push_head twice", "pop_tail_batch") => &[Start::AtLimit, Start::Empty],
                ("push_head_batch", "pop_tail") => &[Start::AtLimit, Start::Empty],
                ("push_head_batch", "pop_tail_batch") => {
                    &[Start::AtLimit, Start::Full, Start::Drained]
                }
                ("push_head_batch", "pop_tail twice") => &[Start::Drained],
                ("push_head twice" | "push_head_batch", _) => &[Start::AtLimit],
                ("drop", _) => &[Start::One],
                // Two that look.
                ("len", "len") => &[],
                _ if holds => &[Start::One],
                // More to look at, and to come to.
                ("len", _) | (_, "len" | "pop_tail twice") => &[Start::Drained],
                _ => &[Start::One, Start::Drained],
            };
            for start in starts {
                cases.push((producer, consumer, *start));
            }
        }
    }
    let book = Book::default();
    meeting::each(
        &cases,
        |(_, _, start)| {
            let (producer, consumer, filled) = chain(*start, &book);
            let stock = [filled, filled + 1].map(|number| Some(Value::new(number, &book)));
            ((producer, stock, filled + 2), consumer)
        },
        |((_, op), _, _), (producer, mut stock, numbers)| {
            (op(producer, &mut stock), stock, numbers)
        },
        |(_, (_, op), _), consumer| op(consumer),
        |((producer_name, _), (consumer_name, _), start), (producer, stock, numbers), ()| {
            // What is left in the chain goes with its last handle, which some pairs have dropped.
            drop((producer, stock));
            close(&book, numbers, || {
                format!("{producer_name} against {consumer_name}, {start:?}")
            });
        },
    );
}

#[test]
fn two_consumers() {
    let mut cases = Vec::new();
    for (place, one) in CONSUMER.iter().enumerate() {
        for other in &CONSUMER[place..] {
            // Two that look are left out.
            if one.0 != "len" || other.0 != "len" {
                let steal = one.0 == STEAL || other.0 == STEAL;
                let start = if steal { Start::Full } else { Start::One };
                cases.push((one, other, start));
            }
            // Both may be the one that unlinks the drained ring.
            if one.0.starts_with("pop_tail") && other.0.starts_with("pop_tail") {
                cases.push((one, other, Start::Drained));
            }
        }
    }
    let book = Book::default();
    meeting::each(
        &cases,
        |(_, _, start)| {
            let (producer, consumer, numbers) = chain(*start, &book);
            // So their chain may end with one of them.
            drop(producer);
            ((consumer.clone(), numbers), consumer)
        },
        |((_, op), _, _), (consumer, numbers)| {
            op(consumer);
            numbers
        },
        |(_, (_, op), _), consumer| op(consumer),
        |((one, _), (other, _), start), numbers, ()| {
            close(&book, numbers, || {
                format!("{one} against {other}, {start:?}")
            });
        },
    );
}

/// What the handles do not do. Their own operations are the raw chain's, and meet above; so do two thieves, who collect when
/// they have unlinked.
type OwnerOp = for<'a> fn(&Chain<Value<'a>>, &mut Stock<'a>);
type ThiefOp = for<'a> fn(&Chain<Value<'a>>);

const OWNER: &[(&str, OwnerOp)] = &[
    ("detach", |chain, _| {
        // SAFETY: the side on the left is the only producer.
        drop(unsafe { chain.detach() });
    }),
    ("detach and push_head", |chain, stock| {
        // SAFETY: as above.
        let mut detached = unsafe { chain.detach() };
        // SAFETY: as above.
        drop(unsafe { chain.push_head(stock[0].take().unwrap()) });
        drop(detached.next());
        // What thieves leave.
        assert!(detached.len() <= FIRST_CAPACITY);
    }),
    ("pop_head_batch", |chain, _| {
        // SAFETY: as above.
        assert!(unsafe { chain.pop_head_batch(2, drop) } <= 2);
    }),
];

const THIEF: &[(&str, ThiefOp)] = &[
    ("pop_tail", |chain| drop(chain.pop_tail())),
    ("pop_tail_batch", |chain| {
        assert!(chain.pop_tail_batch(2, drop) <= 2);
    }),
    ("rings and is_empty", |chain| {
        assert!(chain.rings() <= 2);
        _ = chain.is_empty();
    }),
    ("collect", |chain| chain.collect()),
];

/// A raw chain at its start, and how many numbers were used up for it.
fn raw(start: Start, book: &Book) -> (Arc<Chain<Value<'_>>>, u32) {
    let chain = Arc::new(Chain::new());
    let push = |number| {
        // SAFETY: nobody else knows the chain yet.
        assert!(unsafe { chain.push_head(Value::new(number, book)) }.is_ok());
    };
    if start == Start::One {
        push(0);
        return (chain, 1);
    }
    let numbers = FIRST_CAPACITY as u32 + 1;
    (0..numbers).for_each(push);
    // SAFETY: as above.
    unsafe { chain.pop_head_batch(FIRST_CAPACITY + 1, drop) };
    push(numbers);
    (chain, numbers + 1)
}

#[test]
fn owner_and_thief() {
    let mut cases = Vec::new();
    for owner in OWNER {
        for thief in THIEF {
            cases.push((owner, thief, Start::Drained));
            if owner.0 == "detach" && thief.0.starts_with("pop_tail") {
                cases.push((owner, thief, Start::One));
            }
        }
    }
    let book = Book::default();
    meeting::each(
        &cases,
        |(_, _, start)| {
            let (chain, numbers) = raw(*start, &book);
            let stock = [numbers, numbers + 1].map(|number| Some(Value::new(number, &book)));
            ((Arc::clone(&chain), stock, numbers + 2), chain)
        },
        |((_, op), _, _), (chain, mut stock, numbers)| {
            op(&chain, &mut stock);
            (stock, numbers)
        },
        |(_, (_, op), _), chain| op(&chain),
        |((owner, _), (thief, _), start), (stock, numbers), ()| {
            drop(stock);
            close(&book, numbers, || {
                format!("{owner} against {thief}, {start:?}")
            });
        },
    );
}
