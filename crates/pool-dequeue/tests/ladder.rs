//! The ladder that every container here has to climb: smoke, is_empty, spsc, stampede, stress,
//! destructors; each step over both forms of the ring and with indices that wrap on the way.
#![cfg(not(pool_loom))]

mod common;

use common::for_every_form;

for_every_form! {
    smoke;
    batches;
    is_empty;
    spsc;
    stampede;
    stress;
    destructors;
}

mod bodies {
    use std::collections::VecDeque;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::thread;

    use crate::common::{Choices, Drops, Form, Head, Tail, below_the_wrap};

    /// One thread, every operation.
    pub(crate) fn smoke<F: Form>() {
        for origin in [0, below_the_wrap(1), below_the_wrap(2), below_the_wrap(40)] {
            F::with(origin, |mut head, tail| {
                let capacity = head.capacity();
                assert_eq!(tail.capacity(), capacity);
                assert_eq!(head.pop(), None);
                assert_eq!(tail.pop(), None);

                for lap in 0..5 {
                    for number in 0..capacity {
                        head.push(lap * capacity + number).unwrap();
                    }
                    let refused = head.push(usize::MAX).unwrap_err();
                    assert_eq!(refused.into_inner(), usize::MAX);

                    // Half from each end: oldest first at the tail, newest first at the head.
                    for number in 0..capacity / 2 {
                        assert_eq!(tail.pop(), Some(lap * capacity + number));
                    }
                    for number in (capacity / 2..capacity).rev() {
                        assert_eq!(head.pop(), Some(lap * capacity + number));
                    }
                    assert_eq!(tail.pop(), None);
                    assert_eq!(head.pop(), None);
                }
            });
        }
    }

    /// One thread, many at a time.
    pub(crate) fn batches<F: Form>() {
        for origin in [0, below_the_wrap(1), below_the_wrap(3)] {
            F::with(origin, |mut head, tail| {
                let capacity = head.capacity();
                assert_eq!(head.pop_batch(5).len(), 0);
                assert_eq!(tail.pop_batch(5).len(), 0);
                assert_eq!(head.push_batch(&mut std::iter::empty()), 0);

                // What does not fit stays in the iterator.
                let mut numbers = 0..capacity + 3;
                assert_eq!(head.push_batch(&mut numbers), capacity);
                assert_eq!(numbers, capacity..capacity + 3);
                assert_eq!(head.push_batch(&mut numbers), 0);
                assert_eq!(numbers, capacity..capacity + 3);

                assert_eq!(head.pop_batch(0).len(), 0);
                assert_eq!(tail.pop_batch(0).len(), 0);

                // A thief takes half, rounded up, and never more than it asked for.
                let mut left = VecDeque::from_iter(0..capacity);
                while !left.is_empty() {
                    let half = left.len().div_ceil(2).min(5);
                    let expected: Vec<_> = left.drain(..half).collect();
                    let batch = tail.pop_batch(5);
                    assert_eq!(batch.len(), half);
                    assert_eq!(batch.collect::<Vec<_>>(), expected);
                }

                // The owner takes as many as it asked for.
                assert_eq!(head.push_batch(&mut (0..capacity)), capacity);
                let newest: Vec<_> = head.pop_batch(3).collect();
                let expected: Vec<_> = (0..capacity).rev().take(3).collect();
                assert_eq!(newest, expected);
                assert_eq!(
                    head.pop_batch(usize::MAX).collect::<Vec<_>>(),
                    (0..capacity).rev().skip(3).collect::<Vec<_>>()
                );

                // A batch that is dropped half-way drops the rest of it, and the slots come back.
                assert_eq!(head.push_batch(&mut (0..capacity)), capacity);
                {
                    let mut batch = tail.pop_batch(usize::MAX);
                    assert_eq!(batch.next(), Some(0));
                }
                let left = capacity - capacity.div_ceil(2);
                assert_eq!(tail.len(), left);
                assert_eq!(head.push_batch(&mut (0..capacity)), capacity - left);
                while tail.pop().is_some() {}
            });
        }
    }

    /// `len` and `is_empty` follow every operation.
    pub(crate) fn is_empty<F: Form>() {
        F::with(below_the_wrap(2), |mut head, tail| {
            let capacity = head.capacity();
            for _ in 0..5 {
                assert!(head.is_empty() && tail.is_empty());
                for number in 0..capacity {
                    head.push(number).unwrap();
                    assert!(!head.is_empty() && !tail.is_empty());
                    assert_eq!((head.len(), tail.len()), (number + 1, number + 1));
                }
                for number in (0..capacity).rev() {
                    if number % 2 == 0 {
                        head.pop().unwrap();
                    } else {
                        tail.pop().unwrap();
                    }
                    assert_eq!((head.len(), tail.len()), (number, number));
                }
            }
        });
    }

    /// One producer, one consumer: everything arrives, in order.
    pub(crate) fn spsc<F: Form>() {
        const ITEMS: usize = if cfg!(miri) { 100 } else { 50_000 };

        F::with(below_the_wrap(50), |mut head, tail| {
            thread::scope(|scope| {
                scope.spawn(move || {
                    for expected in 0..ITEMS {
                        loop {
                            if let Some(got) = tail.pop() {
                                // Boxed, so that a value read too early or too late is seen by tools.
                                let got: Box<usize> = got;
                                assert_eq!(*got, expected);
                                break;
                            }
                            thread::yield_now();
                        }
                    }
                    assert!(tail.pop().is_none());
                });
                for number in 0..ITEMS {
                    let mut value = Box::new(number);
                    while let Err(full) = head.push(value) {
                        value = full.into_inner();
                        thread::yield_now();
                    }
                }
            });
            assert!(head.is_empty());
        });
    }

    /// A full ring and many thieves: each value goes to one of them.
    pub(crate) fn stampede<F: Form>() {
        const THIEVES: usize = if cfg!(miri) { 3 } else { 8 };
        const ROUNDS: usize = if cfg!(miri) { 2 } else { 100 };

        for round in 0..ROUNDS {
            F::with(below_the_wrap(round as u32), |mut head, tail| {
                let capacity = head.capacity();
                let left = AtomicUsize::new(capacity);
                let sum = AtomicUsize::new(0);
                for number in 0..capacity {
                    head.push(Box::new(number + 1)).unwrap();
                }
                thread::scope(|scope| {
                    for thief in 0..THIEVES {
                        let (tail, left, sum) = (tail.clone(), &left, &sum);
                        scope.spawn(move || {
                            while left.load(Ordering::Relaxed) > 0 {
                                let got: Vec<Box<usize>> = if thief % 2 == 0 {
                                    tail.pop().into_iter().collect()
                                } else {
                                    tail.pop_batch(4).collect()
                                };
                                sum.fetch_add(got.iter().map(|n| **n).sum(), Ordering::Relaxed);
                                left.fetch_sub(got.len(), Ordering::Relaxed);
                            }
                        });
                    }
                    while left.load(Ordering::Relaxed) > 0 {
                        if let Some(number) = head.pop() {
                            sum.fetch_add(*number, Ordering::Relaxed);
                            left.fetch_sub(1, Ordering::Relaxed);
                        }
                    }
                });
                assert_eq!(sum.into_inner(), capacity * (capacity + 1) / 2);
                assert_eq!(left.into_inner(), 0);
                assert!(tail.is_empty());
            });
        }
    }

    /// Every operation at once, many times round: each value is seen once.
    pub(crate) fn stress<F: Form>() {
        const ITEMS: usize = if cfg!(miri) { 150 } else { 60_000 };
        const THIEVES: usize = 3;

        F::with(below_the_wrap(60), |mut head, tail| {
            let have: Vec<_> = (0..ITEMS).map(|_| AtomicUsize::new(0)).collect();
            let done = AtomicBool::new(false);
            let record = |value: Box<usize>| {
                have[*value].fetch_add(1, Ordering::Relaxed);
            };
            thread::scope(|scope| {
                for thief in 0..THIEVES {
                    let (tail, record, done) = (tail.clone(), &record, &done);
                    scope.spawn(move || {
                        let mut choices = Choices::new(thief as u64 + 1);
                        loop {
                            // Read before the attempt, so that nothing is left behind.
                            let last = done.load(Ordering::Acquire);
                            let got = if choices.below(2) == 0 {
                                tail.pop().map(record).iter().count()
                            } else {
                                let batch = tail.pop_batch(choices.below(7));
                                let count = batch.len();
                                batch.for_each(record);
                                count
                            };
                            if got == 0 {
                                if last && tail.is_empty() {
                                    break;
                                }
                                thread::yield_now();
                            }
                        }
                    });
                }

                let mut choices = Choices::new(99);
                let mut next = 0..ITEMS;
                while !next.is_empty() {
                    match choices.below(8) {
                        0 => head.pop().into_iter().for_each(record),
                        1 => head.pop_batch(choices.below(5)).for_each(record),
                        2 => {
                            let wanted = choices.below(9);
                            let mut boxed = next.by_ref().take(wanted).map(Box::new);
                            let pushed = head.push_batch(&mut boxed);
                            assert!(pushed <= wanted);
                        }
                        _ => {
                            let value = Box::new(next.next().unwrap());
                            if let Err(full) = head.push(value) {
                                record(full.into_inner());
                                thread::yield_now();
                            }
                        }
                    }
                }
                done.store(true, Ordering::Release);
            });
            let wrong: Vec<_> = (0..ITEMS)
                .filter(|n| have[*n].load(Ordering::Relaxed) != 1)
                .collect();
            assert!(wrong.is_empty(), "not seen exactly once: {wrong:?}");
        });
    }

    /// Values that are popped are dropped by whoever popped them, the others by the ring; all once.
    pub(crate) fn destructors<F: Form>() {
        const RUNS: usize = if cfg!(miri) { 2 } else { 50 };
        const ITEMS: usize = if cfg!(miri) { 40 } else { 1_000 };

        for run in 0..RUNS {
            let drops = Drops::new(ITEMS);
            F::with(below_the_wrap(ITEMS as u32 / 2), |mut head, tail| {
                thread::scope(|scope| {
                    for thief in 0..2 {
                        let tail = tail.clone();
                        scope.spawn(move || {
                            // Leaves early, so that the ring has something to drop.
                            for _ in 0..ITEMS / 4 {
                                if thief == 0 {
                                    drop(tail.pop());
                                } else {
                                    drop(tail.pop_batch(3));
                                }
                            }
                        });
                    }
                    let mut choices = Choices::new(run as u64 + 1);
                    for number in 0..ITEMS {
                        // A refused value is dropped here.
                        let _ = head.push(drops.value(number));
                        if choices.below(10) == 0 {
                            drop(head.pop());
                        }
                    }
                });
            });
            assert_eq!(drops.counts(), vec![1; ITEMS]);
        }
    }
}
