//! What users' code can do to a chain: destructors, iterators and sinks that panic, that lie, that call
//! back, and batches that are never finished. Nothing is lost, nothing is dropped twice, and the chain
//! works on.
#![cfg(not(pool_loom))]

mod common;

use std::cell::RefCell;
use std::mem::{self, ManuallyDrop};
use std::panic::{AssertUnwindSafe, catch_unwind};

use common::{Counted, Drops, Push as _, with_chains};
use pool_chain::raw::{Chain, FIRST_CAPACITY};
use pool_chain::{Consumer, unbounded, with_limit};

/// Values in each chain: enough for three rings or more.
const ITEMS: usize = 30;

/// The values 0 … `ITEMS` of which the destructor of one panics.
fn values(drops: &Drops, panicking: usize) -> impl Iterator<Item = Counted> {
    (0..ITEMS).map(move |number| {
        if number == panicking {
            drops.panicking_value(number)
        } else {
            drops.value(number)
        }
    })
}

/// Runs `test` for each value whose destructor could panic, and asserts that it did and that each value was
/// dropped once.
fn for_each_panicking_value(test: impl Fn(Box<dyn Iterator<Item = Counted> + '_>)) {
    for panicking in 0..ITEMS {
        let drops = Drops::new(ITEMS);
        let values = Box::new(values(&drops, panicking));
        let panic = catch_unwind(AssertUnwindSafe(|| test(values))).unwrap_err();
        assert_eq!(
            panic.downcast_ref::<String>().unwrap(),
            &format!("destructor of {panicking}")
        );
        drops.assert_once_each();
    }
}

#[test]
fn a_destructor_panics_when_the_chain_is_dropped() {
    for_each_panicking_value(|values| {
        let (mut producer, consumer) = unbounded();
        producer.push_head_batch(values);
        drop(consumer);
        drop(producer);
    });
}

#[test]
fn a_destructor_panics_when_detached_values_are_dropped() {
    for_each_panicking_value(|mut values| {
        let chain = Chain::new();
        // SAFETY: this thread is the only producer.
        unsafe { chain.push_head_batch(&mut values) };
        // SAFETY: as above.
        let detached = unsafe { chain.detach() };
        assert_eq!((detached.len(), chain.len()), (ITEMS, 0));
        drop(detached);
    });
}

#[test]
fn a_destructor_panics_when_a_head_batch_is_dropped() {
    for_each_panicking_value(|values| {
        let (mut producer, _consumer) = unbounded();
        producer.push_head_batch(values);
        let dropped = catch_unwind(AssertUnwindSafe(|| {
            drop(producer.pop_head_batch(usize::MAX))
        }));
        // The batch dropped all of them, and the chain works on.
        assert!(producer.pop_head().is_none());
        std::panic::resume_unwind(dropped.unwrap_err());
    });
}

#[test]
fn a_destructor_panics_when_a_tail_batch_is_dropped() {
    for_each_panicking_value(|values| {
        let (mut producer, consumer) = unbounded();
        producer.push_head_batch(values);
        let mut panic = None;
        while !consumer.is_empty() {
            let dropped = catch_unwind(AssertUnwindSafe(|| drop(consumer.pop_tail_batch(3))));
            panic = panic.or(dropped.err());
        }
        assert!(producer.pop_head().is_none());
        std::panic::resume_unwind(panic.unwrap());
    });
}

/// What the iterator gave before it panicked is in the chain.
#[test]
fn an_iterator_panics() {
    for panics_at in 0..ITEMS {
        with_chains(|mut producer, consumer| {
            let values = (0..ITEMS).inspect(|number| assert!(*number < panics_at, "no more"));
            let pushed = catch_unwind(AssertUnwindSafe(|| producer.push_head_batch(values)));
            assert_eq!(*pushed.unwrap_err().downcast::<&str>().unwrap(), "no more");
            assert_eq!(producer.len(), panics_at);
            producer.push(panics_at);
            assert!(std::iter::from_fn(|| consumer.pop_tail()).eq(0..=panics_at));
        });
    }
}

/// A sink that panics loses what was claimed with the value it had, and nothing else.
#[test]
fn a_sink_panics() {
    for panics_at in 0..ITEMS {
        for from_head in [true, false] {
            let drops = Drops::new(ITEMS);
            let chain = Chain::new();
            // SAFETY: this thread is the only producer.
            unsafe { chain.push_head_batch(&mut values(&drops, ITEMS)) };
            let mut given = 0;
            let mut sink = |value: Counted| {
                assert_ne!(given, panics_at);
                given += 1;
                drop(value);
            };
            let result = catch_unwind(AssertUnwindSafe(|| {
                if from_head {
                    // SAFETY: as above, and the sink does not know the chain.
                    unsafe { chain.pop_head_batch(ITEMS, sink) };
                } else {
                    while chain.pop_tail_batch(ITEMS, &mut sink) != 0 {}
                }
            }));
            assert!(result.is_err());
            let left = chain.len();
            let counts = drops.counts();
            assert_eq!(counts.iter().sum::<usize>(), ITEMS - left);
            assert!(counts.iter().all(|count| *count <= 1));
            // The chain works on.
            let detached = {
                // SAFETY: as above.
                unsafe { chain.detach() }
            };
            assert_eq!(detached.count(), left);
            drops.assert_once_each();
        }
    }
}

#[test]
#[should_panic(expected = "the limit of a chain must be at least 1, given was 0")]
fn a_limit_of_zero_panics() {
    let _ends = with_limit::<u8>(0);
}

/// A size hint is a hint: a wrong one may cost a ring or leave values in the iterator, and nothing else.
#[test]
fn a_size_hint_lies() {
    struct Liar<I>(I, (usize, Option<usize>));
    impl<I: Iterator> Iterator for Liar<I> {
        type Item = I::Item;
        fn next(&mut self) -> Option<I::Item> {
            self.0.next()
        }
        fn size_hint(&self) -> (usize, Option<usize>) {
            self.1
        }
    }

    for hint in [
        (usize::MAX, None),
        (0, None),
        (usize::MAX, Some(3)),
        (0, Some(usize::MAX)),
    ] {
        let (mut producer, consumer) = unbounded();
        assert_eq!(producer.push_head_batch(Liar(0..ITEMS, hint)), ITEMS);
        assert!(std::iter::from_fn(|| consumer.pop_tail()).eq(0..ITEMS));
    }
    // One that claims to be at its end is believed, and keeps its values.
    let (mut producer, _consumer) = unbounded();
    let mut values = Liar(0..ITEMS, (0, Some(0)));
    assert_eq!(producer.push_head_batch(&mut values), 0);
    assert_eq!(values.next(), Some(0));
}

/// An iterator may call the consumers of the chain that it is pushed to.
#[test]
fn an_iterator_pops_from_its_chain() {
    with_chains(|mut producer, consumer| {
        let other = consumer.clone();
        let mut popped = Vec::new();
        let values = (0..100).inspect(|number| {
            if number % 3 == 0 {
                popped.extend(other.pop_tail());
            }
        });
        assert_eq!(producer.push_head_batch(values), 100);
        popped.extend(std::iter::from_fn(|| consumer.pop_tail()));
        assert!(popped.into_iter().eq(0..100));
    });
}

/// A destructor may call the consumers of the chain that its value was in.
#[test]
fn a_destructor_pops_from_its_chain() {
    std::thread_local! {
        static CONSUMER: RefCell<Option<Consumer<Reentrant>>> = const { RefCell::new(None) };
    }
    struct Reentrant(Counted);
    impl Drop for Reentrant {
        fn drop(&mut self) {
            let consumer = CONSUMER.with_borrow(Clone::clone);
            if let Some(consumer) = consumer.filter(|_| self.0.number % 2 == 0) {
                drop(consumer.pop_tail());
                drop(consumer.pop_tail_batch(2));
            }
        }
    }

    let drops = Drops::new(ITEMS);
    let (mut producer, consumer) = unbounded();
    CONSUMER.set(Some(consumer.clone()));
    producer.push_head_batch((0..ITEMS).map(|number| Reentrant(drops.value(number))));
    drop(producer.pop_head_batch(5));
    while !consumer.is_empty() {
        drop(consumer.pop_tail_batch(4));
    }
    CONSUMER.take();
    drops.assert_once_each();
}

/// Batches that nobody finishes keep their values and the memory of their rings; everything else goes on:
/// others push, pop, grow, unlink those very rings, and drop the chain.
#[test]
fn batches_are_never_finished() {
    let drops = Drops::new(4 * ITEMS);
    let (mut producer, consumer) = unbounded();
    let mut values = (0..4 * ITEMS).map(|number| drops.value(number));

    producer.push_head_batch(values.by_ref().take(2 * ITEMS));
    let mut oldest = ManuallyDrop::new(consumer.pop_tail_batch(3));
    let oldest_numbers: Vec<_> = oldest.next().iter().map(|value| value.number).collect();
    assert_eq!(oldest_numbers, [0]);
    let newest: Vec<_> = producer.pop_head_batch(2).collect();
    let unfinished = oldest.len();
    let claimed = unfinished + newest.len();

    // Several times round, so that the producer meets the slots, and the rings are unlinked.
    for _ in 0..200 {
        while let Some(value) = consumer.pop_tail() {
            producer.push(value);
            if producer.len() > ITEMS {
                break;
            }
        }
        producer.shrink();
    }
    producer.push_head_batch(values.by_ref().take(2 * ITEMS));
    let left = producer.len();
    assert_eq!(left, 4 * ITEMS - claimed - 1);
    drop(producer);
    assert_eq!(drops.counts().iter().sum::<usize>(), 1);
    // The batch gives its values out after all that.
    assert!(
        ManuallyDrop::into_inner(oldest)
            .map(|value| value.number)
            .eq(1..=unfinished)
    );
    drop(newest);
    drop(consumer);
    drops.assert_once_each();
}

/// A head batch that is forgotten blocks its slots; the producer goes on in another ring.
#[test]
fn a_head_batch_is_forgotten() {
    let (mut producer, consumer) = unbounded();
    // Plain numbers, so that what is leaked is the slots alone, and those stay the chain's.
    let left = FIRST_CAPACITY - 2;
    producer.push_head_batch(0..left + 2);
    mem::forget(producer.pop_head_batch(2));
    assert_eq!(producer.len(), left);
    assert_eq!(producer.push_head_batch(10..20), 10);
    assert!(std::iter::from_fn(|| consumer.pop_tail()).eq((0..left).chain(10..20)));
}
