//! What the types promise without being called: auto traits, sizes, `Debug` and `Error` texts.
#![cfg(not(pool_loom))]

use std::cell::Cell;
use std::error::Error;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::rc::Rc;
use std::sync::MutexGuard;

use pool_dequeue::raw::RingRef;
use pool_dequeue::{Batch, ConsumerRef, Full, InlineRing, ProducerRef};
#[cfg(feature = "alloc")]
use pool_dequeue::{CapacityError, Consumer, Producer, bounded, raw::BoxedRing};
use static_assertions::{assert_impl_all, assert_not_impl_any};

/// A value that is `Send` and nothing else.
type SendOnly = Cell<u8>;
/// A value that is `Sync` and not `Send`.
type SyncOnly = MutexGuard<'static, u8>;
/// A value that is neither.
type Neither = Rc<u8>;

#[cfg(feature = "alloc")]
mod on_the_heap {
    use super::*;

    assert_impl_all!(Producer<SendOnly>: Send);
    assert_not_impl_any!(Producer<u8>: Sync, Clone);
    assert_not_impl_any!(Producer<SyncOnly>: Send);
    assert_not_impl_any!(Producer<Neither>: Send);
    assert_impl_all!(Producer<Neither>: UnwindSafe, RefUnwindSafe, Unpin);

    assert_impl_all!(Consumer<SendOnly>: Send, Sync, Clone);
    assert_not_impl_any!(Consumer<SyncOnly>: Send, Sync);
    assert_not_impl_any!(Consumer<Neither>: Send, Sync);
    assert_impl_all!(Consumer<Neither>: UnwindSafe, RefUnwindSafe, Unpin, Clone);

    assert_impl_all!(BoxedRing<SendOnly>: Send, Sync);
    assert_not_impl_any!(BoxedRing<SyncOnly>: Send, Sync);
    assert_not_impl_any!(BoxedRing<Neither>: Send, Sync);
    assert_impl_all!(BoxedRing<Neither>: UnwindSafe, RefUnwindSafe, Unpin);

    assert_impl_all!(CapacityError: Send, Sync, Copy, Error);
}

assert_impl_all!(ProducerRef<'static, SendOnly>: Send);
assert_not_impl_any!(ProducerRef<'static, u8>: Sync, Clone);
assert_not_impl_any!(ProducerRef<'static, SyncOnly>: Send);
assert_not_impl_any!(ProducerRef<'static, Neither>: Send);
assert_impl_all!(ProducerRef<'static, Neither>: UnwindSafe, RefUnwindSafe, Unpin);

assert_impl_all!(ConsumerRef<'static, SendOnly>: Send, Sync, Copy);
assert_not_impl_any!(ConsumerRef<'static, SyncOnly>: Send, Sync);
assert_not_impl_any!(ConsumerRef<'static, Neither>: Send, Sync);
assert_impl_all!(ConsumerRef<'static, Neither>: UnwindSafe, RefUnwindSafe, Unpin, Copy);

assert_impl_all!(InlineRing<SendOnly, 2>: Send, Sync);
assert_not_impl_any!(InlineRing<SyncOnly, 2>: Send, Sync);
assert_not_impl_any!(InlineRing<Neither, 2>: Send, Sync);
assert_impl_all!(InlineRing<Neither, 2>: UnwindSafe, RefUnwindSafe, Unpin);

assert_impl_all!(Batch<'static, SendOnly>: Send, Sync, ExactSizeIterator);
assert_not_impl_any!(Batch<'static, SyncOnly>: Send, Sync);
assert_not_impl_any!(Batch<'static, Neither>: Send, Sync);
assert_impl_all!(Batch<'static, Neither>: UnwindSafe, RefUnwindSafe, Unpin);
assert_not_impl_any!(Batch<'static, u8>: Clone);

assert_impl_all!(RingRef<'static, SendOnly>: Send, Sync);
assert_impl_all!(Full<Neither>: Error);
assert_not_impl_any!(Full<Neither>: Send, Sync);

/// The flag costs what alignment leaves; a ring costs a line for the shared word and one for what the producer
/// writes, in which there is room for its slots' address.
#[test]
#[cfg(target_pointer_width = "64")]
fn sizes() {
    use pool_dequeue::raw::{Ring, Slot};
    use std::mem::{align_of, size_of};

    assert_eq!(size_of::<Slot<()>>(), 1);
    assert_eq!(size_of::<Slot<u8>>(), 2);
    assert_eq!(size_of::<Slot<u32>>(), 8);
    assert_eq!(size_of::<Slot<usize>>(), 16);
    assert_eq!(size_of::<Slot<Box<u8>>>(), 16);
    assert_eq!(size_of::<Slot<Vec<u8>>>(), 32);

    let line = align_of::<Ring<u8, [Slot<u8>; 1]>>();
    assert!([64, 128].contains(&line), "{line}");
    let pushed = 2 * size_of::<u64>();
    assert_eq!(
        size_of::<Ring<usize, [Slot<usize>; 8]>>(),
        (line + pushed + 128).next_multiple_of(line)
    );
    #[cfg(feature = "alloc")]
    assert_eq!(size_of::<BoxedRing<usize>>(), 2 * line);

    #[cfg(feature = "alloc")]
    assert_eq!(size_of::<Producer<u8>>(), size_of::<usize>());
    #[cfg(feature = "alloc")]
    assert_eq!(size_of::<Option<Consumer<u8>>>(), size_of::<usize>());
    assert_eq!(size_of::<ProducerRef<'_, u8>>(), 2 * size_of::<usize>());
    assert_eq!(
        size_of::<Option<ConsumerRef<'_, u8>>>(),
        2 * size_of::<usize>()
    );
    assert_eq!(size_of::<Option<Batch<'_, u8>>>(), 5 * size_of::<usize>());

    // Refusing costs no more than the value.
    assert_eq!(size_of::<Full<u64>>(), 8);
    assert_eq!(size_of::<Result<(), Full<Box<u8>>>>(), size_of::<usize>());
}

#[test]
fn debug_of_an_inline_ring_and_its_ends() {
    /// Has no `Debug`: none is needed.
    struct Opaque;

    let mut ring = InlineRing::<Opaque, 2>::new();
    assert_eq!(format!("{ring:?}"), "InlineRing { len: 0, capacity: 2 }");
    let (mut producer, consumer) = ring.split();
    assert_eq!(
        format!("{producer:?}"),
        "ProducerRef { len: 0, capacity: 2 }"
    );
    assert_eq!(
        format!("{consumer:?}"),
        "ConsumerRef { len: 0, capacity: 2 }"
    );
    assert_eq!(
        format!("{:?}", consumer.pop_tail_batch(1)),
        "Batch { len: 0, .. }"
    );
    assert_eq!(
        format!("{:?}", producer.pop_head_batch(1)),
        "Batch { len: 0, .. }"
    );

    assert_eq!(producer.push_head_batch([Opaque, Opaque]), 2);
    let refused = producer.push_head(Opaque).unwrap_err();
    assert_eq!(format!("{refused:?}"), "Full { .. }");
    assert_eq!(
        refused.to_string(),
        "the ring is full; `into_inner` gives the value back"
    );
    assert!(refused.source().is_none());
    assert_eq!(
        format!("{:?}", consumer.pop_tail_batch(1)),
        "Batch { len: 1, .. }"
    );
    assert_eq!(
        format!("{producer:?}"),
        "ProducerRef { len: 1, capacity: 2 }"
    );
    assert_eq!(format!("{ring:?}"), "InlineRing { len: 1, capacity: 2 }");
}

#[cfg(feature = "alloc")]
#[test]
fn debug_of_a_ring_on_the_heap_and_its_ends() {
    let (mut producer, consumer) = bounded::<Rc<u8>>(2);
    assert_eq!(format!("{producer:?}"), "Producer { len: 0, capacity: 2 }");
    assert_eq!(format!("{consumer:?}"), "Consumer { len: 0, capacity: 2 }");
    producer.push_head(Rc::new(1)).unwrap();
    assert_eq!(format!("{producer:?}"), "Producer { len: 1, capacity: 2 }");

    let ring = BoxedRing::<Rc<u8>>::boxed(2).unwrap();
    assert_eq!(format!("{ring:?}"), "Ring { len: 0, capacity: 2, .. }");

    assert_eq!(
        format!("{:?}", CapacityError::OutOfMemory { slots: 8 }),
        "OutOfMemory { slots: 8 }"
    );
}
