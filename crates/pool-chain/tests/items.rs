//! Values of every shape, and what the types promise about threads, panics and printing.
#![cfg(not(pool_loom))]

use std::cell::Cell;
use std::num::NonZeroU64;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::rc::Rc;
use std::thread;

use pool_chain::raw::{Chain, Detached};
use pool_chain::{
    Consumer, Full, HeadBatch, LimitError, Producer, Reason, TailBatch, try_with_limit, unbounded,
    with_limit,
};
use static_assertions::{assert_impl_all, assert_not_impl_any};

assert_impl_all!(Producer<Cell<u8>>: Send, UnwindSafe, RefUnwindSafe);
assert_not_impl_any!(Producer<u8>: Sync, Clone);
assert_not_impl_any!(Producer<Rc<u8>>: Send);
assert_impl_all!(Consumer<Cell<u8>>: Send, Sync, Clone, UnwindSafe, RefUnwindSafe);
assert_not_impl_any!(Consumer<Rc<u8>>: Send, Sync);
assert_impl_all!(Chain<Cell<u8>>: Send, Sync, Default, UnwindSafe, RefUnwindSafe);
assert_not_impl_any!(Chain<Rc<u8>>: Send, Sync);
assert_impl_all!(Detached<Cell<u8>>: Send, Sync, Iterator);
assert_not_impl_any!(Detached<Rc<u8>>: Send, Sync);
assert_impl_all!(HeadBatch<'static, Cell<u8>>: Send, Iterator);
assert_not_impl_any!(HeadBatch<'static, Rc<u8>>: Send, Sync);
assert_impl_all!(TailBatch<'static, Cell<u8>>: Send, ExactSizeIterator);
assert_not_impl_any!(TailBatch<'static, Rc<u8>>: Send, Sync);
assert_not_impl_any!(TailBatch<'static, std::sync::MutexGuard<'static, u8>>: Send);
assert_not_impl_any!(Consumer<std::sync::MutexGuard<'static, u8>>: Send, Sync);
assert_impl_all!(Full<u8>: Copy, std::error::Error);
assert_impl_all!(LimitError: Copy, std::error::Error);

/// Through growth from one end to either.
fn there_and_back<T: PartialEq + std::fmt::Debug>(make: impl Fn(usize) -> T) {
    const ITEMS: usize = 40;
    let (mut producer, consumer) = unbounded();
    for number in 0..ITEMS {
        producer.push(make(number));
    }
    assert_eq!(consumer.pop_tail(), Some(make(0)));
    assert_eq!(producer.pop_head(), Some(make(ITEMS - 1)));
    let mut expected = 1;
    while expected < ITEMS - 1 {
        for value in consumer.pop_tail_batch(usize::MAX) {
            assert_eq!(value, make(expected));
            expected += 1;
        }
    }
    assert_eq!((consumer.pop_tail(), producer.pop_head()), (None, None));
}

#[test]
fn zero_sized() {
    there_and_back(|_| ());
    there_and_back(|_| [0u64; 0]);
}

#[test]
fn with_niches() {
    static BYTES: [u8; 64] = [7; 64];
    there_and_back(|number| &BYTES[number]);
    there_and_back(|number| NonZeroU64::new(number as u64 + 1).unwrap());
    there_and_back(Box::new);
    there_and_back(|number| Some(Box::new(number)));
    there_and_back(|number| number % 2 == 0);
}

#[test]
fn over_aligned() {
    #[derive(Debug, PartialEq)]
    #[repr(align(1024))]
    struct Aligned(usize);
    impl Aligned {
        fn checked(self) -> Self {
            assert_eq!(std::ptr::from_ref(&self).addr() % 1024, 0);
            self
        }
    }
    there_and_back(|number| Aligned(number).checked());
}

/// Rings are made on the heap, not on the stack: large values must do with a stack that could never hold the largest ring
/// of them, in an optimised build not even the first. (In another the calls that pass one by value put some copies there.)
#[test]
fn large() {
    const SIZE: usize = if cfg!(miri) { 1 << 10 } else { 1 << 18 };
    // For rings of 8, 16 and 32 slots.
    const ITEMS: u8 = 40;
    let run = || {
        let (mut producer, consumer) = unbounded();
        for number in 0..ITEMS {
            producer.push([number; SIZE]);
        }
        assert_eq!(consumer.pop_tail().unwrap()[SIZE - 1], 0);
        let newest = producer.pop_head().unwrap();
        assert_eq!((newest[0], newest[SIZE - 1]), (ITEMS - 1, ITEMS - 1));
        assert_eq!(producer.len(), usize::from(ITEMS) - 2);
    };
    let stack = if cfg!(debug_assertions) { 32 } else { 8 } * SIZE.max(1 << 16);
    thread::Builder::new()
        .stack_size(stack)
        .spawn(run)
        .unwrap()
        .join()
        .unwrap();
}

/// Values that borrow: the memory of a drained ring may be freed after they are gone.
#[test]
fn borrowing() {
    for _ in 0..10 {
        let text = String::from("some text to borrow from");
        let (mut producer, consumer) = unbounded();
        producer.push_head_batch(text.split(' ').cycle().take(100));
        let popped: Vec<_> = std::iter::from_fn(|| consumer.pop_tail()).collect();
        assert_eq!(popped[5], "some");
        producer.shrink();
    }
}

#[test]
fn printing() {
    let (mut producer, consumer) = unbounded::<Rc<u8>>();
    assert_eq!(
        format!("{producer:?}"),
        "Producer { len: 0, capacity: 0, .. }"
    );
    assert_eq!(
        format!("{consumer:?}"),
        "Consumer { len: 0, capacity: 0, .. }"
    );
    let batch = consumer.pop_tail_batch(4);
    assert_eq!(format!("{batch:?}"), "TailBatch { len: 0, .. }");
    let batch = producer.pop_head_batch(4);
    assert_eq!(format!("{batch:?}"), "HeadBatch { claimed: 0, .. }");
    drop(batch);
    producer.push_head_batch([Rc::new(1), Rc::new(2)]);
    let capacity = producer.capacity();
    assert_eq!(
        format!("{producer:?}"),
        format!("Producer {{ len: 2, capacity: {capacity}, .. }}")
    );
    let batch = producer.pop_head_batch(4);
    assert_eq!(format!("{batch:?}"), "HeadBatch { claimed: 2, .. }");

    let chain = Chain::<Rc<u8>>::default();
    assert_eq!(format!("{chain:?}"), "Chain { len: 0, rings: 0, .. }");
    // SAFETY: this thread is the only producer.
    let detached = unsafe { chain.detach() };
    assert_eq!(format!("{detached:?}"), "Detached { len: 0, .. }");
}

#[test]
fn errors_say_what_happened() {
    let (mut producer, _consumer) = with_limit(1);
    assert_eq!(producer.limit(), Some(1));
    producer.push_head(Rc::new(1)).unwrap();
    let full = producer.push_head(Rc::new(2)).unwrap_err();
    assert_eq!(full.reason(), Reason::Limit);
    assert_eq!(format!("{full:?}"), "Full { reason: Limit, .. }");
    assert_eq!(
        full.to_string(),
        "the chain holds as many values as its limit allows: the value can be had back with `into_inner`"
    );
    assert_eq!(*full.into_inner(), 2);

    let error = try_with_limit::<u8>(0).unwrap_err();
    assert_eq!(error, LimitError::Zero);
    assert_eq!(
        error.to_string(),
        "the limit of a chain must be at least 1, given was 0"
    );
    assert_eq!(unbounded::<u8>().0.limit(), None);
    assert_eq!(with_limit::<u8>(usize::MAX).0.limit(), Some(usize::MAX));
}

/// The limit is exact, over the borders of rings and whatever way values come in and go out.
#[test]
fn limits() {
    for limit in [1, 2, 7, 8, 9, 63, 64, 65, 100] {
        let (mut producer, consumer) = with_limit(limit);
        for lap in 0..4 {
            for number in 0..limit {
                producer.push_head(lap + number).unwrap();
            }
            assert!(producer.push_head(0).is_err());
            assert_eq!(producer.push_head_batch(0..10), 0);
            assert_eq!(producer.len(), limit);
            // What thieves take makes room at once, also from behind the newest ring.
            assert_eq!(consumer.pop_tail(), Some(lap));
            producer.push_head(lap + limit).unwrap();
            assert!(producer.push_head(0).is_err());
            let stolen = consumer.pop_tail_batch(limit).count();
            let mut more = 0..limit + 3;
            assert_eq!(producer.push_head_batch(&mut more), stolen);
            assert_eq!(more.start, stolen);
            assert_eq!(producer.pop_head_batch(usize::MAX).count(), limit);
        }
    }
}

/// What thieves take while a batch is pushed makes room for the rest of it.
#[test]
fn room_made_meanwhile() {
    let (mut producer, consumer) = with_limit(4);
    producer.push_head_batch(0..2);
    let values = (2..20).inspect(|value| assert_eq!(consumer.pop_tail(), Some(value - 2)));
    assert_eq!(producer.push_head_batch(values), 18);
}
