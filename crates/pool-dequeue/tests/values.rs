//! Values of every kind: empty, huge, over-aligned, with niches, borrowed; and values that move between
//! threads with their handle.
#![cfg(not(pool_loom))]

mod common;

use std::num::NonZeroU8;
use std::thread;

use common::for_every_form;
use pool_dequeue::InlineRing;
#[cfg(feature = "alloc")]
use pool_dequeue::bounded;

for_every_form! {
    zero_sized;
    zero_sized_with_drop;
    over_aligned;
    niches;
    borrowed;
}

mod bodies {
    use std::fmt::Debug;
    use std::num::{NonZeroU64, NonZeroUsize};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use crate::common::{Form, Head, Tail, below_the_wrap};

    /// Every way in and every way out, twice round the ring.
    fn through<F: Form, T: Send + Clone + PartialEq + Debug>(values: &[T]) {
        F::with(below_the_wrap(1), |mut head: F::Head<'_, T>, tail| {
            for value in values
                .iter()
                .cycle()
                .take(2 * values.len() * head.capacity())
            {
                head.push(value.clone()).unwrap();
                assert_eq!(tail.pop().as_ref(), Some(value));
                head.push(value.clone()).unwrap();
                assert_eq!(head.pop().as_ref(), Some(value));
                assert_eq!(head.push_batch(&mut Some(value.clone()).into_iter()), 1);
                assert!(tail.pop_batch(9).eq([value.clone()]));
                assert_eq!(head.push_batch(&mut Some(value.clone()).into_iter()), 1);
                assert!(head.pop_batch(9).eq([value.clone()]));
                assert!(head.is_empty());
            }
        });
    }

    pub(crate) fn zero_sized<F: Form>() {
        through::<F, ()>(&[()]);
        F::with(0, |mut head, tail| {
            let capacity = head.capacity();
            assert_eq!(head.push_batch(&mut std::iter::repeat(())), capacity);
            assert_eq!(head.push(()).unwrap_err().into_inner(), ());
            assert_eq!(std::iter::from_fn(|| tail.pop()).count(), capacity);
        });
    }

    pub(crate) fn zero_sized_with_drop<F: Form>() {
        /// Counts its drops in whatever the thread-local says, because it has no room for a counter.
        struct Empty;
        thread_local!(static DROPS: AtomicUsize = const { AtomicUsize::new(0) });
        impl Drop for Empty {
            fn drop(&mut self) {
                DROPS.with(|drops| drops.fetch_add(1, Ordering::Relaxed));
            }
        }

        // The thread may have run another of these.
        DROPS.with(|drops| drops.store(0, Ordering::Relaxed));
        let made = F::with(0, |mut head, tail| {
            let capacity = head.capacity();
            for _ in 0..capacity {
                head.push(Empty).unwrap();
            }
            drop(tail.pop());
            capacity
        });
        assert_eq!(DROPS.with(|drops| drops.load(Ordering::Relaxed)), made);
    }

    #[derive(Clone, Debug, PartialEq)]
    #[repr(align(256))]
    struct Aligned(u8);

    pub(crate) fn over_aligned<F: Form>() {
        through::<F, _>(&[Aligned(1), Aligned(2), Aligned(3)]);
        assert_eq!(align_of::<Aligned>(), 256);
    }

    pub(crate) fn niches<F: Form>() {
        static BYTES: [u8; 3] = [1, 2, 3];
        through::<F, &'static u8>(&[&BYTES[0], &BYTES[1], &BYTES[2]]);
        through::<F, Option<&'static u8>>(&[None, Some(&BYTES[0])]);
        through::<F, Box<u8>>(&[Box::new(1), Box::new(2)]);
        through::<F, Option<Box<u8>>>(&[None, Some(Box::new(2))]);
        through::<F, NonZeroU64>(&[NonZeroU64::MIN, NonZeroU64::MAX]);
        through::<F, Option<NonZeroUsize>>(&[None, Some(NonZeroUsize::MAX)]);
        through::<F, bool>(&[true, false]);
        through::<F, char>(&['a', '\u{10FFFF}']);
        through::<F, String>(&[String::new(), "text".to_string()]);
        through::<F, std::cmp::Ordering>(&[std::cmp::Ordering::Less]);
    }

    pub(crate) fn borrowed<F: Form>() {
        let words = "values that borrow from the caller".to_string();
        let words: Vec<&str> = words.split(' ').collect();
        through::<F, &str>(&words);
    }
}

/// One mebibyte by value.
#[cfg(feature = "alloc")]
struct Huge([u8; 1 << 20]);

/// Making a ring of huge values, and dropping it, needs no stack to speak of.
#[cfg(feature = "alloc")]
#[test]
#[cfg_attr(miri, ignore = "Miri has no stack to overflow")]
fn huge_values_do_not_pass_over_the_stack_when_a_ring_is_made() {
    thread::Builder::new()
        .stack_size(64 << 10)
        .spawn(|| {
            let (producer, consumer) = bounded::<Huge>(common::at_most(16));
            assert!(producer.is_empty() && consumer.is_empty());
        })
        .unwrap()
        .join()
        .unwrap();
}

/// A huge value goes through on a stack that holds a few of them.
#[cfg(feature = "alloc")]
#[test]
#[cfg_attr(miri, ignore = "copies many mebibytes byte by byte")]
fn huge_values_pass() {
    // Without optimisation each call on the way has its own copy.
    let stack = if cfg!(debug_assertions) { 32 } else { 4 };
    thread::Builder::new()
        .stack_size(stack << 20)
        .spawn(|| {
            let (mut producer, consumer) = bounded::<Huge>(common::at_most(4));
            for lap in 0..9 {
                assert!(producer.push_head(Huge([lap; 1 << 20])).is_ok());
                let got = consumer.pop_tail().unwrap();
                assert!(got.0.iter().all(|byte| *byte == lap));
                assert!(producer.push_head(got).is_ok());
                assert!(producer.pop_head().unwrap().0[1 << 19] == lap);
            }
        })
        .unwrap()
        .join()
        .unwrap();
}

/// The whole handle moves to another thread with values in the ring, and back.
#[cfg(feature = "alloc")]
#[test]
fn a_producer_that_moves() {
    let (mut producer, consumer) = bounded::<Box<u32>>(2);
    producer.push_head(Box::new(1)).unwrap();
    let mut producer = thread::spawn(move || {
        assert_eq!(producer.pop_head(), Some(Box::new(1)));
        producer.push_head(Box::new(2)).unwrap();
        producer
    })
    .join()
    .unwrap();
    producer.push_head(Box::new(3)).unwrap();
    assert!(producer.push_head(Box::new(4)).is_err());
    drop(producer);
    // The values outlive the producer.
    let rest = thread::spawn(move || {
        (
            consumer.pop_tail(),
            consumer.pop_tail(),
            consumer.pop_tail(),
        )
    });
    assert_eq!(
        rest.join().unwrap(),
        (Some(Box::new(2)), Some(Box::new(3)), None)
    );
}

/// A batch may be carried to another thread and used up there.
#[test]
fn a_batch_that_moves() {
    let mut ring = InlineRing::<NonZeroU8, 2>::new();
    let (mut producer, consumer) = ring.split();
    let (one, two) = (NonZeroU8::new(1).unwrap(), NonZeroU8::new(2).unwrap());
    assert_eq!(producer.push_head_batch([one, two]), 2);
    let mut batch = producer.pop_head_batch(2);
    thread::scope(|scope| {
        scope.spawn(move || assert_eq!(batch.next(), Some(two)));
    });
    assert_eq!(consumer.pop_tail(), None);
    assert_eq!(producer.push_head_batch([two, one]), 2);
    assert_eq!(consumer.pop_tail(), Some(two));
}

/// Values left by one split are there for the next, and a ring's drop sees to the rest.
#[test]
fn a_ring_that_is_split_again() {
    let drops = common::Drops::new(3);
    let mut ring = InlineRing::<_, 2>::default();
    drop(ring.split().0.push_head(drops.value(0)));
    assert_eq!(ring.split().1.pop_tail().unwrap().number, 0);
    let (mut producer, _) = ring.split();
    assert_eq!(producer.push_head_batch([1, 2].map(|n| drops.value(n))), 2);
    assert_eq!(ring.split().0.pop_head().unwrap().number, 2);
    assert_eq!(drops.counts(), [1, 0, 1]);
    drop(ring);
    assert_eq!(drops.counts(), [1, 1, 1]);
}

/// However many threads ask at once, one gets the ends of a `static` ring.
#[test]
fn a_static_is_split_once() {
    static RING: InlineRing<u8, 2> = InlineRing::new();
    let ends: Vec<_> = thread::scope(|scope| {
        let ask = || scope.spawn(|| RING.split_static());
        let threads = [(); 4].map(|()| ask());
        threads
            .into_iter()
            .filter_map(|t| t.join().unwrap())
            .collect()
    });
    let [(mut producer, consumer)] = <[_; 1]>::try_from(ends).unwrap();
    producer.push_head(1).unwrap();
    assert_eq!(consumer.pop_tail(), Some(1));
    assert!(RING.split_static().is_none());
}
