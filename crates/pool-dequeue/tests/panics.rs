//! Destructors and iterators that panic, batches and handles that are forgotten: nothing is dropped twice,
//! nothing is lost that need not be, and the ring works on.
#![cfg(not(pool_loom))]

mod common;

use common::for_every_form;

for_every_form! {
    ring_drop;
    tail_batch_drop;
    head_batch_drop;
    iterator;
    iterator_that_consumes;
    forgotten_tail_batch;
    forgotten_head_batch;
}

mod bodies {
    use std::cell::RefCell;
    use std::mem;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use crate::common::{Counted, Drops, Form, Head, Tail, below_the_wrap};

    /// Runs something that must panic and says with what.
    fn panic_of<R>(run: impl FnOnce() -> R) -> String {
        let Err(payload) = catch_unwind(AssertUnwindSafe(run)) else {
            panic!("did not panic");
        };
        match payload.downcast::<String>() {
            Ok(text) => *text,
            Err(payload) => payload.downcast::<&str>().unwrap().to_string(),
        }
    }

    /// Fills a ring; value number `bad` panics when it is dropped.
    fn fill(head: &mut impl Head<Counted>, drops: &Drops, bad: usize) {
        for number in 0..head.capacity() {
            let value = if number == bad {
                drops.panicking_value(number)
            } else {
                drops.value(number)
            };
            head.push(value).unwrap();
        }
    }

    /// The ring still does everything.
    fn works(head: &mut impl Head<Counted>, tail: &impl Tail<Counted>) {
        let capacity = head.capacity();
        drop(head.pop_batch(usize::MAX));
        let drops = Drops::new(capacity);
        for number in 0..capacity {
            head.push(drops.value(number)).unwrap();
        }
        for number in 0..capacity / 2 {
            assert_eq!(tail.pop().unwrap().number, number);
        }
        for number in (capacity / 2..capacity).rev() {
            assert_eq!(head.pop().unwrap().number, number);
        }
        assert!(head.is_empty());
        assert_eq!(drops.counts(), vec![1; capacity]);
    }

    /// One value's destructor panics while the ring is dropped, wherever it lies: the others are dropped.
    pub(crate) fn ring_drop<F: Form>() {
        let capacity = F::with(0, |head: F::Head<'_, u8>, _| head.capacity());
        for bad in 0..capacity {
            let drops = Drops::new(capacity);
            let text = panic_of(|| {
                F::with(below_the_wrap(1), |mut head, _tail| {
                    fill(&mut head, &drops, bad);
                });
            });
            assert_eq!(text, format!("destructor of {bad}"));
            assert_eq!(drops.counts(), vec![1; capacity], "bad was {bad}");
        }
    }

    /// The same for a batch from the tail; what was not in the batch is still in the ring.
    pub(crate) fn tail_batch_drop<F: Form>() {
        F::with(below_the_wrap(1), |mut head, tail| {
            let capacity = head.capacity();
            let half = capacity.div_ceil(2);
            for bad in 0..half {
                let drops = Drops::new(capacity);
                fill(&mut head, &drops, bad);
                assert_eq!(
                    panic_of(|| drop(tail.pop_batch(capacity))),
                    format!("destructor of {bad}")
                );
                let expected = |number| usize::from(number < half);
                assert_eq!(
                    drops.counts(),
                    (0..capacity).map(expected).collect::<Vec<_>>()
                );
                assert_eq!(tail.len(), capacity - half);
                works(&mut head, &tail);
                assert_eq!(drops.counts(), vec![1; capacity]);
            }
        });
    }

    /// The same for a batch from the head.
    pub(crate) fn head_batch_drop<F: Form>() {
        F::with(below_the_wrap(1), |mut head, tail| {
            let capacity = head.capacity();
            for bad in 0..capacity {
                let drops = Drops::new(capacity);
                fill(&mut head, &drops, bad);
                assert_eq!(
                    panic_of(|| drop(head.pop_batch(capacity))),
                    format!("destructor of {bad}")
                );
                assert_eq!(drops.counts(), vec![1; capacity]);
                works(&mut head, &tail);
            }
        });
    }

    /// The iterator of a batch push panics at its k-th value: what it gave before is in the ring.
    pub(crate) fn iterator<F: Form>() {
        F::with(below_the_wrap(1), |mut head, tail| {
            let capacity = head.capacity();
            for bad in 0..capacity {
                let drops = Drops::new(capacity);
                let mut values = (0..capacity).map(|number| {
                    assert_ne!(number, bad, "no more");
                    drops.value(number)
                });
                let text = panic_of(|| head.push_batch(&mut values));
                assert!(text.contains("no more"), "{text}");
                drop(values);
                assert_eq!(head.len(), bad);
                for number in 0..bad {
                    assert_eq!(tail.pop().unwrap().number, number);
                }
                assert!(tail.is_empty());
                let expected = |number| usize::from(number < bad);
                assert_eq!(
                    drops.counts(),
                    (0..capacity).map(expected).collect::<Vec<_>>()
                );
                works(&mut head, &tail);
            }
        });
    }

    /// The iterator of a batch push pops the tail of the same ring.
    pub(crate) fn iterator_that_consumes<F: Form>() {
        F::with(below_the_wrap(1), |mut head, tail| {
            let capacity = head.capacity();
            assert_eq!(head.push_batch(&mut (0..capacity / 2)), capacity / 2);
            let popped = RefCell::new(Vec::new());
            let mut next = capacity / 2;
            let pushed = head.push_batch(&mut std::iter::from_fn(|| {
                // What the batch has given is not visible yet, so only the older half can be had.
                popped.borrow_mut().extend(tail.pop());
                next += 1;
                Some(next - 1)
            }));
            // Slots that it freed are filled again, but those that the batch has filled are not free.
            assert_eq!(pushed, capacity);
            let mut all = popped.into_inner();
            all.extend(std::iter::from_fn(|| tail.pop()));
            assert_eq!(all, Vec::from_iter(0..capacity / 2 + capacity));
        });
    }

    /// A batch from the tail is forgotten: its values leak, its slots stay taken, nothing hangs.
    pub(crate) fn forgotten_tail_batch<F: Form>() {
        F::with(below_the_wrap(1), |mut head, tail| {
            let capacity = head.capacity();
            let half = capacity.div_ceil(2);
            for number in 0..capacity {
                head.push(number).unwrap();
            }
            mem::forget(tail.pop_batch(usize::MAX));

            // The slots of the batch are next in turn, and not free.
            assert_eq!(head.push(0).unwrap_err().into_inner(), 0);
            assert_eq!(head.push_batch(&mut (0..1)), 0);
            // The others work, at both ends, for as long as one likes.
            assert_eq!(head.len(), capacity - half);
            for lap in 0..20 {
                for number in (half..capacity).rev() {
                    assert_eq!(head.pop(), Some(number + lap));
                }
                for number in half..capacity {
                    head.push(number + lap + 1).unwrap();
                }
                assert!(head.push(0).is_err());
            }
            for number in half..capacity {
                assert_eq!(tail.pop(), Some(number + 20));
            }
            // The head has come up to the forgotten slots and cannot pass them.
            assert_eq!((head.pop(), tail.pop()), (None, None));
            assert!(head.push(0).is_err());
        });
    }

    /// A batch from the head is forgotten after some of it was taken.
    pub(crate) fn forgotten_head_batch<F: Form>() {
        F::with(below_the_wrap(1), |mut head, tail| {
            let capacity = head.capacity();
            for number in 0..capacity {
                head.push(number).unwrap();
            }
            let mut batch = head.pop_batch(usize::MAX);
            assert_eq!(batch.next(), Some(capacity - 1));
            mem::forget(batch);

            assert!(head.is_empty());
            assert_eq!(tail.pop(), None);
            // The values leak. Their slots are the producer's own.
            for number in 0..capacity {
                head.push(number + 7).unwrap();
            }
            assert!(head.push(0).is_err());
            for number in 0..capacity {
                assert_eq!(tail.pop(), Some(number + 7));
            }
        });
    }
}

/// A handle that is forgotten keeps the ring, and keeps nobody from using the others.
#[cfg(feature = "alloc")]
#[test]
fn forgotten_handle() {
    let drops = common::Drops::new(2);
    let (producer, consumer) = pool_dequeue::bounded(2);
    // As `mem::forget`, but can be undone, so that leak checkers stay useful.
    let mut producer = std::mem::ManuallyDrop::new(producer);
    producer.push_head(drops.value(0)).unwrap();
    producer.push_head(drops.value(1)).unwrap();
    assert_eq!(consumer.clone().pop_tail().unwrap().number, 0);
    drop(consumer);
    assert_eq!(drops.counts(), [1, 0]);
    drop(std::mem::ManuallyDrop::into_inner(producer));
    assert_eq!(drops.counts(), [1, 1]);
}

/// A refused value is dropped with its `Full`.
#[test]
fn refused_value() {
    let drops = common::Drops::new(2);
    let mut ring = pool_dequeue::InlineRing::<_, 1>::new();
    let (mut producer, _consumer) = ring.split();
    producer.push_head(drops.value(0)).unwrap();
    drop(producer.push_head(drops.value(1)));
    assert_eq!(drops.counts(), [0, 1]);
    drop(ring);
    assert_eq!(drops.counts(), [1, 1]);
}
