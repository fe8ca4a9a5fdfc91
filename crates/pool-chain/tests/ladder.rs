//! The ladder that every container here has to climb: smoke, is_empty, spsc, stampede, stress,
//! destructors.
#![cfg(not(pool_loom))]

mod common;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use common::{Choices, Drops, Push as _, below_the_wrap, scaled, with_chains};
use pool_chain::{unbounded, unbounded_at};

/// One thread, every operation, through several growths.
#[test]
fn smoke() {
    const ITEMS: usize = scaled(1000, 30);
    with_chains(|mut producer, consumer| {
        assert_eq!((producer.pop_head(), consumer.pop_tail()), (None, None));
        for lap in 0..3 {
            for number in 0..ITEMS {
                producer.push(lap + number);
            }
            // Half from each end: oldest first at the tail, newest first at the head.
            for number in 0..ITEMS / 2 {
                assert_eq!(consumer.pop_tail(), Some(lap + number));
            }
            for number in (ITEMS / 2..ITEMS).rev() {
                assert_eq!(producer.pop_head(), Some(lap + number));
            }
            assert_eq!((producer.pop_head(), consumer.pop_tail()), (None, None));
        }
    });
}

/// One thread, many at a time, over the borders between rings.
#[test]
fn batches() {
    const ITEMS: usize = scaled(1000, 100);
    with_chains(|mut producer, consumer| {
        assert_eq!(producer.pop_head_batch(5).count(), 0);
        assert_eq!(consumer.pop_tail_batch(5).len(), 0);
        assert_eq!(producer.push_head_batch(std::iter::empty()), 0);
        assert_eq!(producer.capacity(), 0, "nothing was pushed");

        assert_eq!(producer.push_head_batch(0..ITEMS), ITEMS);
        assert_eq!(producer.pop_head_batch(0).count(), 0);
        assert_eq!(consumer.pop_tail_batch(0).len(), 0);

        // A thief takes no more than it asked for, leaves its ring at least half, and misses nothing.
        let mut expected = VecDeque::from_iter(0..ITEMS);
        while expected.len() > ITEMS / 2 {
            let batch = consumer.pop_tail_batch(5);
            assert!((1..=5).contains(&batch.len()));
            batch.for_each(|value| assert_eq!(Some(value), expected.pop_front()));
        }
        // The owner takes as many as it asked for.
        let newest: Vec<_> = producer.pop_head_batch(7).collect();
        let oldest_of_them = expected.len() - 7;
        assert_eq!(
            newest,
            expected.drain(oldest_of_them..).rev().collect::<Vec<_>>()
        );
        {
            // A batch that is dropped drops what it has not given out.
            let mut batch = producer.pop_head_batch(11);
            assert_eq!(batch.next(), expected.pop_back());
        }
        expected.truncate(expected.len() - 10);
        assert_eq!(producer.len(), expected.len());
        assert!(
            producer
                .pop_head_batch(usize::MAX)
                .eq(expected.into_iter().rev())
        );
        assert!(consumer.is_empty());
    });
}

/// What a batch says that is left of it is neither too much nor too little, over the borders between rings.
#[test]
fn lengths_of_head_batches() {
    const ITEMS: usize = scaled(1000, 100);
    with_chains(|mut producer, _consumer| {
        assert_eq!(producer.pop_head_batch(5).size_hint(), (0, Some(0)));
        producer.push_head_batch(0..ITEMS);
        let mut batch = producer.pop_head_batch(ITEMS / 2);
        assert_ne!(batch.size_hint().0, 0, "some are claimed already");
        for left in (0..=ITEMS / 2).rev() {
            let (least, most) = batch.size_hint();
            assert!(
                least <= left && most == Some(left),
                "{least} {left} {most:?}"
            );
            assert_eq!(batch.next().is_some(), left != 0);
        }
    });
}

/// `len` and `is_empty` follow every operation.
#[test]
fn is_empty() {
    const ITEMS: usize = scaled(200, 12);
    with_chains(|mut producer, consumer| {
        for _ in 0..3 {
            assert!(producer.is_empty() && consumer.is_empty());
            for number in 0..ITEMS {
                producer.push(number);
                assert!(!producer.is_empty() && !consumer.is_empty());
                assert_eq!((producer.len(), consumer.len()), (number + 1, number + 1));
                assert!(producer.capacity() >= producer.len());
                assert_eq!(producer.capacity(), consumer.capacity());
            }
            for number in (0..ITEMS).rev() {
                if number % 3 == 0 {
                    producer.pop_head().unwrap();
                } else {
                    consumer.pop_tail().unwrap();
                }
                assert_eq!((producer.len(), consumer.len()), (number, number));
                assert_eq!(consumer.is_empty(), number == 0);
            }
        }
    });
}

/// One producer, one consumer: everything arrives, in order.
#[test]
fn spsc() {
    const ITEMS: usize = scaled(200_000, 130);

    let (mut producer, consumer) = unbounded_at(below_the_wrap(50));
    thread::scope(|scope| {
        scope.spawn(move || {
            for expected in 0..ITEMS {
                loop {
                    if let Some(got) = consumer.pop_tail() {
                        // Boxed, so that a value read too early or too late is seen by tools.
                        let got: Box<usize> = got;
                        assert_eq!(*got, expected);
                        break;
                    }
                    thread::yield_now();
                }
            }
            assert!(consumer.pop_tail().is_none());
        });
        for number in 0..ITEMS {
            producer.push(Box::new(number));
        }
    });
    assert!(producer.is_empty());
}

/// A full chain and many thieves, some of whom take batches: each value goes to one of them.
#[test]
fn stampede() {
    const THIEVES: usize = if cfg!(miri) { 3 } else { 8 };
    const ROUNDS: usize = scaled(20, 2);
    const ITEMS: usize = scaled(2000, 60);

    for round in 0..ROUNDS {
        let (mut producer, consumer) = unbounded_at(below_the_wrap(round as u32));
        let left = AtomicUsize::new(ITEMS);
        let sum = AtomicUsize::new(0);
        producer.push_head_batch((1..=ITEMS).map(Box::new));
        thread::scope(|scope| {
            for thief in 0..THIEVES {
                let (consumer, left, sum) = (consumer.clone(), &left, &sum);
                scope.spawn(move || {
                    let mut last = 0;
                    while left.load(Ordering::Relaxed) != 0 {
                        for value in consumer.pop_tail_batch(1 + thief % 3) {
                            assert!(*value > last, "values come in order");
                            last = *value;
                            sum.fetch_add(last, Ordering::Relaxed);
                            left.fetch_sub(1, Ordering::Relaxed);
                        }
                        thread::yield_now();
                    }
                });
            }
            // The owner takes part from the other end.
            while let Some(value) = producer.pop_head() {
                sum.fetch_add(*value, Ordering::Relaxed);
                left.fetch_sub(1, Ordering::Relaxed);
            }
        });
        assert_eq!(sum.into_inner(), ITEMS * (ITEMS + 1) / 2);
        assert!(consumer.is_empty());
    }
}

/// The owner pushes, pops and shrinks as it likes while thieves take one and many: each value is seen once.
#[test]
fn stress() {
    const ITEMS: usize = scaled(300_000, 150);
    const THIEVES: usize = if cfg!(miri) { 2 } else { 3 };

    let (mut producer, consumer) = unbounded_at(below_the_wrap(500));
    let seen: Vec<AtomicUsize> = (0..ITEMS).map(|_| AtomicUsize::new(0)).collect();
    let saw = |value: Box<usize>| {
        seen[*value].fetch_add(1, Ordering::Relaxed);
    };
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for thief in 0..THIEVES {
            let (consumer, done, saw) = (consumer.clone(), &done, &saw);
            scope.spawn(move || {
                let mut choices = Choices::new(thief as u64 + 1);
                loop {
                    // Read before the look: what was pushed before the end is found after it.
                    let last_look = done.load(Ordering::Acquire);
                    let mut found = false;
                    let burst = choices.below(50);
                    for _ in 0..burst {
                        match choices.below(4) {
                            0 => consumer.pop_tail_batch(choices.below(9)).for_each(|value| {
                                found = true;
                                saw(value);
                            }),
                            _ => consumer.pop_tail().into_iter().for_each(|value| {
                                found = true;
                                saw(value);
                            }),
                        }
                    }
                    if last_look && burst != 0 && !found && consumer.is_empty() {
                        break;
                    }
                    if !found {
                        thread::yield_now();
                    }
                }
            });
        }
        let mut choices = Choices::new(99);
        let mut next = 0;
        while next < ITEMS {
            match choices.below(100) {
                0..50 => {
                    producer.push(Box::new(next));
                    next += 1;
                }
                50..70 => {
                    let count = choices.below(40).min(ITEMS - next);
                    assert_eq!(
                        producer.push_head_batch((next..next + count).map(Box::new)),
                        count
                    );
                    next += count;
                }
                70..90 => producer.pop_head().into_iter().for_each(saw),
                90..98 => producer.pop_head_batch(choices.below(60)).for_each(saw),
                98 => producer.shrink(),
                _ => assert!(producer.len() <= ITEMS),
            }
        }
        done.store(true, Ordering::Release);
    });
    let seen: Vec<_> = seen.into_iter().map(AtomicUsize::into_inner).collect();
    assert_eq!(seen, vec![1; ITEMS]);
}

/// Each value is dropped once: by whoever took it, or with the last handle, whichever that is; and none by
/// the reclamation of the ring that it was in.
#[test]
fn destructors() {
    const ROUNDS: usize = scaled(50, 3);
    const ITEMS: usize = scaled(500, 60);

    for round in 0..ROUNDS {
        let drops = Drops::new(ITEMS);
        let (mut producer, consumer) = unbounded_at(below_the_wrap(round as u32));
        let taken = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..2 {
                let (consumer, taken) = (consumer.clone(), &taken);
                scope.spawn(move || {
                    for _ in 0..ITEMS / 8 {
                        taken.fetch_add(consumer.pop_tail_batch(3).count(), Ordering::Relaxed);
                    }
                });
            }
            for number in 0..ITEMS {
                producer.push(drops.value(number));
            }
            taken.fetch_add(producer.pop_head_batch(10).count(), Ordering::Relaxed);
            // Which handle is the last depends on the round and on the threads.
            if round % 2 == 0 {
                drop(producer);
            } else {
                thread::yield_now();
                let _later = producer;
            }
        });
        let dropped: usize = drops.counts().iter().sum();
        assert_eq!(dropped, taken.into_inner(), "what is in the chain lives");
        drop(consumer);
        drops.assert_once_each();
    }
}

/// The consumers' last handle drops what is left when the producer went first, and the other way round.
#[test]
fn either_handle_may_be_last() {
    for producer_first in [true, false] {
        let drops = Drops::new(30);
        let (mut producer, consumer) = unbounded();
        producer.push_head_batch((0..30).map(|number| drops.value(number)));
        if producer_first {
            drop(producer);
            drop(consumer.pop_tail());
            assert_eq!(drops.counts().iter().sum::<usize>(), 1);
            drop(consumer);
        } else {
            drop(consumer);
            drop(producer.pop_head());
            assert_eq!(drops.counts().iter().sum::<usize>(), 1);
            drop(producer);
        }
        drops.assert_once_each();
    }
}
