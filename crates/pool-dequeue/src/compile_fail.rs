//! What must not compile, each case beside a twin that does, so that a case cannot fail for the wrong
//! reason. Only doc tests see this module.

/// Values that may not cross threads keep every handle on its thread.
///
/// ```
/// use pool_dequeue::*;
/// fn send<T: Send>(_: T) {}
/// let (producer, consumer) = bounded::<Box<u8>>(4);
/// send(producer);
/// send(consumer);
/// let mut ring = InlineRing::<Box<u8>, 4>::new();
/// let (producer, consumer) = ring.split();
/// send(consumer.pop_tail_batch(1));
/// send(producer);
/// send(consumer);
/// send(ring);
/// send(raw::BoxedRing::<Box<u8>>::boxed(4));
/// ```
///
/// ```compile_fail,E0277
/// fn send<T: Send>(_: T) {}
/// let (producer, _consumer) = pool_dequeue::bounded::<std::rc::Rc<u8>>(4);
/// send(producer);
/// ```
///
/// ```compile_fail,E0277
/// fn send<T: Send>(_: T) {}
/// let (_producer, consumer) = pool_dequeue::bounded::<std::rc::Rc<u8>>(4);
/// send(consumer);
/// ```
///
/// ```compile_fail,E0277
/// fn send<T: Send>(_: T) {}
/// let mut ring = pool_dequeue::InlineRing::<std::rc::Rc<u8>, 4>::new();
/// let (producer, _consumer) = ring.split();
/// send(producer);
/// ```
///
/// ```compile_fail,E0277
/// fn send<T: Send>(_: T) {}
/// let mut ring = pool_dequeue::InlineRing::<std::rc::Rc<u8>, 4>::new();
/// let (_producer, consumer) = ring.split();
/// send(consumer);
/// ```
///
/// ```compile_fail,E0277
/// fn send<T: Send>(_: T) {}
/// let mut ring = pool_dequeue::InlineRing::<std::rc::Rc<u8>, 4>::new();
/// let (_producer, consumer) = ring.split();
/// send(consumer.pop_tail_batch(1));
/// ```
///
/// ```compile_fail,E0277
/// fn send<T: Send>(_: T) {}
/// send(pool_dequeue::InlineRing::<std::rc::Rc<u8>, 4>::new());
/// ```
///
/// ```compile_fail,E0277
/// fn send<T: Send>(_: T) {}
/// send(pool_dequeue::raw::BoxedRing::<std::rc::Rc<u8>>::boxed(4));
/// ```
mod values_that_are_not_send {}

/// Sharing a consumer moves values, so it asks for `Send` values; `Sync` ones that are not `Send` do not
/// do, and `Send` ones that are not `Sync` do.
///
/// ```
/// use pool_dequeue::*;
/// fn share<T: Sync>(_: T) {}
/// share(bounded::<std::cell::Cell<u8>>(4).1);
/// share(InlineRing::<std::cell::Cell<u8>, 4>::new());
/// share(InlineRing::<std::cell::Cell<u8>, 4>::new().split().1);
/// share(raw::BoxedRing::<std::cell::Cell<u8>>::boxed(4));
/// ```
///
/// ```compile_fail,E0277
/// fn share<T: Sync>(_: T) {}
/// share(pool_dequeue::bounded::<std::sync::MutexGuard<'static, u8>>(4).1);
/// ```
///
/// ```compile_fail,E0277
/// fn share<T: Sync>(_: T) {}
/// share(pool_dequeue::InlineRing::<std::sync::MutexGuard<'static, u8>, 4>::new());
/// ```
///
/// ```compile_fail,E0277
/// fn share<T: Sync>(_: T) {}
/// share(pool_dequeue::InlineRing::<std::sync::MutexGuard<'static, u8>, 4>::new().split().1);
/// ```
///
/// ```compile_fail,E0277
/// fn share<T: Sync>(_: T) {}
/// share(pool_dequeue::raw::BoxedRing::<std::sync::MutexGuard<'static, u8>>::boxed(4));
/// ```
mod values_that_are_sync_only {}

/// The producer cannot be shared.
///
/// ```
/// fn share<T: Sync>(_: &T) {}
/// let (_producer, consumer) = pool_dequeue::bounded::<u8>(4);
/// share(&consumer);
/// ```
///
/// ```compile_fail,E0277
/// fn share<T: Sync>(_: &T) {}
/// let (producer, _consumer) = pool_dequeue::bounded::<u8>(4);
/// share(&producer);
/// ```
///
/// ```compile_fail,E0277
/// fn share<T: Sync>(_: &T) {}
/// let mut ring = pool_dequeue::InlineRing::<u8, 4>::new();
/// share(&ring.split().0);
/// ```
mod the_producer_is_not_sync {}

/// The producer cannot be cloned.
///
/// ```
/// let (_producer, consumer) = pool_dequeue::bounded::<u8>(4);
/// let _second = consumer.clone();
/// ```
///
/// ```compile_fail,E0599
/// let (producer, _consumer) = pool_dequeue::bounded::<u8>(4);
/// let _second = producer.clone();
/// ```
///
/// ```compile_fail,E0599
/// let mut ring = pool_dequeue::InlineRing::<u8, 4>::new();
/// let (producer, _consumer) = ring.split();
/// let _second = producer.clone();
/// ```
mod the_producer_is_not_clone {}

/// A batch from the head keeps the producer borrowed.
///
/// ```
/// let (mut producer, _consumer) = pool_dequeue::bounded::<u8>(4);
/// let batch = producer.pop_head_batch(2);
/// drop(batch);
/// producer.push_head(1).unwrap();
/// ```
///
/// ```compile_fail,E0499
/// let (mut producer, _consumer) = pool_dequeue::bounded::<u8>(4);
/// let batch = producer.pop_head_batch(2);
/// producer.push_head(1).unwrap();
/// drop(batch);
/// ```
mod a_head_batch_borrows_the_producer {}

/// A batch from the tail keeps its ring.
///
/// ```
/// let (_producer, consumer) = pool_dequeue::bounded::<u8>(4);
/// let batch = consumer.pop_tail_batch(2);
/// drop(batch);
/// drop(consumer);
/// ```
///
/// ```compile_fail,E0505
/// let (_producer, consumer) = pool_dequeue::bounded::<u8>(4);
/// let batch = consumer.pop_tail_batch(2);
/// drop(consumer);
/// drop(batch);
/// ```
mod a_tail_batch_keeps_its_ring {}

/// There is one split at a time.
///
/// ```
/// let mut ring = pool_dequeue::InlineRing::<u8, 4>::new();
/// let (mut first, _) = ring.split();
/// first.push_head(1).unwrap();
/// let (mut second, _) = ring.split();
/// second.push_head(2).unwrap();
/// ```
///
/// ```compile_fail,E0499
/// let mut ring = pool_dequeue::InlineRing::<u8, 4>::new();
/// let (mut first, _) = ring.split();
/// let (mut second, _) = ring.split();
/// first.push_head(1).unwrap();
/// second.push_head(2).unwrap();
/// ```
mod one_split_at_a_time {}

/// Borrowed ends do not outlive their ring.
///
/// ```
/// let mut ring = pool_dequeue::InlineRing::<u8, 4>::new();
/// let consumer = ring.split().1;
/// assert!(consumer.is_empty());
/// ```
///
/// ```compile_fail,E0597
/// let consumer;
/// {
///     let mut ring = pool_dequeue::InlineRing::<u8, 4>::new();
///     consumer = ring.split().1;
/// }
/// assert!(consumer.is_empty());
/// ```
mod ends_do_not_outlive_the_ring {}

/// `split_static` is for rings that live for ever, because it never gives the producer back.
///
/// ```
/// static RING: pool_dequeue::InlineRing<u8, 4> = pool_dequeue::InlineRing::new();
/// assert!(RING.split_static().is_some());
/// ```
///
/// ```compile_fail,E0597
/// let ring: pool_dequeue::InlineRing<u8, 4> = pool_dequeue::InlineRing::new();
/// assert!(ring.split_static().is_some());
/// ```
mod split_static_asks_for_static {}

/// After `split_static` there is no `split`.
///
/// ```
/// use pool_dequeue::InlineRing;
/// let ring: &'static mut InlineRing<u8, 4> = Box::leak(Box::new(InlineRing::new()));
/// drop(ring.split());
/// let shared: &'static InlineRing<u8, 4> = ring;
/// let _ends = shared.split_static();
/// ```
///
/// ```compile_fail,E0502
/// use pool_dequeue::InlineRing;
/// let ring: &'static mut InlineRing<u8, 4> = Box::leak(Box::new(InlineRing::new()));
/// let shared: &'static InlineRing<u8, 4> = &*ring;
/// let _ends = shared.split_static();
/// drop(ring.split());
/// ```
mod no_split_after_split_static {}

/// What the values borrow must outlive the ring, whose drop runs their destructors.
///
/// ```
/// let text = String::from("kept");
/// let (mut producer, _consumer) = pool_dequeue::bounded::<&String>(4);
/// producer.push_head(&text).unwrap();
/// ```
///
/// ```compile_fail,E0597
/// let (mut producer, _consumer) = pool_dequeue::bounded::<&String>(4);
/// {
///     let text = String::from("gone");
///     producer.push_head(&text).unwrap();
/// }
/// producer.pop_head();
/// ```
mod values_outlive_the_ring {}

/// The raw head is for those who promise to be the only producer.
///
/// ```
/// let ring = pool_dequeue::raw::BoxedRing::boxed(4).unwrap();
/// // SAFETY: nobody else pushes or pops at the head.
/// unsafe { ring.push_head(1) }.unwrap();
/// ```
///
/// ```compile_fail,E0133
/// let ring = pool_dequeue::raw::BoxedRing::boxed(4).unwrap();
/// ring.push_head(1).unwrap();
/// ```
mod unsafe_raw_head {}

/// Lengths that an inline ring cannot have.
///
/// ```
/// let _ring = pool_dequeue::InlineRing::<u8, 1>::new();
/// ```
///
/// ```compile_fail,E0080
/// let _ring = pool_dequeue::InlineRing::<u8, 0>::new();
/// ```
///
/// ```compile_fail,E0080
/// let _ring = pool_dequeue::InlineRing::<u8, 3>::new();
/// ```
///
/// ```compile_fail,E0080
/// let _ring = pool_dequeue::InlineRing::<u8, { 2 * pool_dequeue::MAX_CAPACITY }>::new();
/// ```
mod lengths_of_an_inline_ring {}
