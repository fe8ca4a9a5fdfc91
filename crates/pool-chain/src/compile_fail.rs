//! What must not compile, each case beside a twin that does, so that a case cannot fail for the wrong
//! reason. Only doc tests see this module.

/// Values that may not cross threads keep every handle on its thread.
///
/// ```
/// use pool_chain::*;
/// fn send<T: Send>(_: T) {}
/// let (mut producer, consumer) = unbounded::<Box<u8>>();
/// send(producer.pop_head_batch(1));
/// send(consumer.pop_tail_batch(1));
/// send(producer);
/// send(consumer);
/// send(raw::Chain::<Box<u8>>::new());
/// ```
///
/// ```compile_fail,E0277
/// fn send<T: Send>(_: T) {}
/// let (producer, _consumer) = pool_chain::unbounded::<std::rc::Rc<u8>>();
/// send(producer);
/// ```
///
/// ```compile_fail,E0277
/// fn send<T: Send>(_: T) {}
/// let (_producer, consumer) = pool_chain::unbounded::<std::rc::Rc<u8>>();
/// send(consumer);
/// ```
///
/// ```compile_fail,E0277
/// fn send<T: Send>(_: T) {}
/// let (mut producer, _consumer) = pool_chain::unbounded::<std::rc::Rc<u8>>();
/// send(producer.pop_head_batch(1));
/// ```
///
/// ```compile_fail,E0277
/// fn send<T: Send>(_: T) {}
/// let (_producer, consumer) = pool_chain::unbounded::<std::rc::Rc<u8>>();
/// send(consumer.pop_tail_batch(1));
/// ```
///
/// ```compile_fail,E0277
/// fn send<T: Send>(_: T) {}
/// send(pool_chain::raw::Chain::<std::rc::Rc<u8>>::new());
/// ```
mod values_that_are_not_send {}

/// Sharing a consumer moves values, so it asks for `Send` values; `Sync` ones that are not `Send` do not
/// do, and `Send` ones that are not `Sync` do.
///
/// ```
/// use pool_chain::*;
/// fn share<T: Sync>(_: T) {}
/// share(unbounded::<std::cell::Cell<u8>>().1);
/// share(raw::Chain::<std::cell::Cell<u8>>::new());
/// ```
///
/// ```compile_fail,E0277
/// fn share<T: Sync>(_: T) {}
/// share(pool_chain::unbounded::<std::sync::MutexGuard<'static, u8>>().1);
/// ```
///
/// ```compile_fail,E0277
/// fn share<T: Sync>(_: T) {}
/// share(pool_chain::raw::Chain::<std::sync::MutexGuard<'static, u8>>::new());
/// ```
mod values_that_are_sync_only {}

/// The producer cannot be shared.
///
/// ```
/// fn share<T: Sync>(_: &T) {}
/// let (_producer, consumer) = pool_chain::unbounded::<u8>();
/// share(&consumer);
/// ```
///
/// ```compile_fail,E0277
/// fn share<T: Sync>(_: &T) {}
/// let (producer, _consumer) = pool_chain::unbounded::<u8>();
/// share(&producer);
/// ```
mod the_producer_is_not_sync {}

/// The producer cannot be cloned.
///
/// ```
/// let (_producer, consumer) = pool_chain::unbounded::<u8>();
/// let _second = consumer.clone();
/// ```
///
/// ```compile_fail,E0599
/// let (producer, _consumer) = pool_chain::unbounded::<u8>();
/// let _second = producer.clone();
/// ```
mod the_producer_is_not_clone {}

/// A batch from the head keeps the producer borrowed.
///
/// ```
/// let (mut producer, _consumer) = pool_chain::unbounded::<u8>();
/// let batch = producer.pop_head_batch(2);
/// drop(batch);
/// producer.push(1);
/// ```
///
/// ```compile_fail,E0499
/// let (mut producer, _consumer) = pool_chain::unbounded::<u8>();
/// let batch = producer.pop_head_batch(2);
/// producer.push(1);
/// drop(batch);
/// ```
mod a_head_batch_borrows_the_producer {}

/// A batch from the tail keeps its chain.
///
/// ```
/// let (_producer, consumer) = pool_chain::unbounded::<u8>();
/// let batch = consumer.pop_tail_batch(2);
/// drop(batch);
/// drop(consumer);
/// ```
///
/// ```compile_fail,E0505
/// let (_producer, consumer) = pool_chain::unbounded::<u8>();
/// let batch = consumer.pop_tail_batch(2);
/// drop(consumer);
/// drop(batch);
/// ```
mod a_tail_batch_keeps_its_chain {}

/// What the values borrow must outlive the chain, whose drop runs their destructors.
///
/// ```
/// let text = String::from("kept");
/// let (mut producer, _consumer) = pool_chain::unbounded::<&String>();
/// producer.push(&text);
/// ```
///
/// ```compile_fail,E0597
/// let (mut producer, _consumer) = pool_chain::unbounded::<&String>();
/// {
///     let text = String::from("gone");
///     producer.push(&text);
/// }
/// producer.pop_head();
/// ```
mod values_outlive_the_chain {}

/// The same for what was detached from it.
///
/// ```
/// let text = String::from("kept");
/// let chain = pool_chain::raw::Chain::<&String>::new();
/// // SAFETY: this thread is the only producer.
/// unsafe { chain.push_head(&text) }.unwrap();
/// // SAFETY: as above.
/// let detached = unsafe { chain.detach() };
/// drop(detached);
/// ```
///
/// ```compile_fail,E0505
/// let text = String::from("gone");
/// let chain = pool_chain::raw::Chain::<&String>::new();
/// // SAFETY: this thread is the only producer.
/// unsafe { chain.push_head(&text) }.unwrap();
/// // SAFETY: as above.
/// let detached = unsafe { chain.detach() };
/// drop(text);
/// drop(detached);
/// ```
mod values_outlive_what_was_detached {}

/// The raw head is for those who promise to be the only producer.
///
/// ```
/// let chain = pool_chain::raw::Chain::new();
/// // SAFETY: nobody else calls an unsafe method.
/// unsafe { chain.push_head(1) }.unwrap();
/// ```
///
/// ```compile_fail,E0133
/// let chain = pool_chain::raw::Chain::new();
/// chain.push_head(1).unwrap();
/// ```
mod unsafe_raw_head {}
