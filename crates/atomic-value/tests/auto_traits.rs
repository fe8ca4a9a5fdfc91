//! Which types may cross threads and panics, and how large they are. What may not is in
//! `src/compile_fail.rs`, too.

#![cfg(not(pool_loom))]

use std::cell::{Cell, UnsafeCell};
use std::error::Error;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard};

use atomic_value::{
    AnyCompareError, AnyGuard, AnyValue, AtomicValue, CompareError, Guard, NonEmptyReader,
    NonEmptyValue, OwnedReader, Projection, Reader, TypeMismatch, WeakValue,
};
use static_assertions::{assert_eq_size, assert_impl_all, assert_not_impl_any};

// As for `Arc<T>`: readers share a `T`, and the last of them drops it.
assert_impl_all!(AtomicValue<u8>: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe, Default);
assert_impl_all!(AtomicValue<Mutex<Cell<u8>>>: Send, Sync);
assert_not_impl_any!(AtomicValue<Rc<u8>>: Send, Sync);
assert_not_impl_any!(AtomicValue<Cell<u8>>: Send, Sync);
assert_not_impl_any!(AtomicValue<MutexGuard<'static, u8>>: Send, Sync);
assert_not_impl_any!(AtomicValue<*const u8>: Send, Sync);
assert_not_impl_any!(AtomicValue<UnsafeCell<u8>>: UnwindSafe, RefUnwindSafe);

assert_impl_all!(Guard<u8>: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
assert_not_impl_any!(Guard<Rc<u8>>: Send, Sync);
assert_not_impl_any!(Guard<Cell<u8>>: Send, Sync);
assert_not_impl_any!(Guard<MutexGuard<'static, u8>>: Send, Sync);
assert_not_impl_any!(Guard<*const u8>: Send, Sync);
assert_not_impl_any!(Guard<UnsafeCell<u8>>: UnwindSafe, RefUnwindSafe);

assert_impl_all!(Reader<'static, u8>: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe, Clone);
assert_not_impl_any!(Reader<'static, Rc<u8>>: Send, Sync);
assert_not_impl_any!(Reader<'static, Cell<u8>>: Send, Sync);
assert_not_impl_any!(Reader<'static, MutexGuard<'static, u8>>: Send, Sync);
assert_not_impl_any!(Reader<'static, *const u8>: Send, Sync);

assert_impl_all!(OwnedReader<u8>: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe, Clone);
assert_not_impl_any!(OwnedReader<Rc<u8>>: Send, Sync);
assert_not_impl_any!(OwnedReader<Cell<u8>>: Send, Sync);
assert_not_impl_any!(OwnedReader<MutexGuard<'static, u8>>: Send, Sync);

assert_impl_all!(NonEmptyValue<u8>: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe, Default);
assert_not_impl_any!(NonEmptyValue<Rc<u8>>: Send, Sync);
assert_not_impl_any!(NonEmptyValue<Cell<u8>>: Send, Sync);
// What makes the first value is called by any thread, and goes with the value.
assert_not_impl_any!(NonEmptyValue<u8, Cell<u8>>: Sync);
assert_impl_all!(NonEmptyValue<u8, Cell<u8>>: Send);
assert_not_impl_any!(NonEmptyValue<u8, MutexGuard<'static, u8>>: Send);
assert_impl_all!(NonEmptyReader<&'static NonEmptyValue<u8>, u8>: Send, Sync, Unpin, Clone);
assert_impl_all!(NonEmptyReader<Arc<NonEmptyValue<u8>>, u8>: Send, Sync, Unpin, Clone);
assert_not_impl_any!(NonEmptyReader<Arc<NonEmptyValue<Cell<u8>>>, Cell<u8>>: Send, Sync);
assert_impl_all!(Projection<OwnedReader<u8>, fn(&u8) -> &u8>: Send, Sync, Unpin, Clone);
assert_not_impl_any!(Projection<OwnedReader<Cell<u8>>, fn(&Cell<u8>) -> &Cell<u8>>: Send, Sync);
assert_not_impl_any!(Projection<OwnedReader<u8>, Rc<u8>>: Send, Sync);
assert_impl_all!(WeakValue<u8>: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe, Default);
assert_impl_all!(WeakValue<str>: Send, Sync);
assert_not_impl_any!(WeakValue<Cell<u8>>: Send, Sync);

assert_impl_all!(AnyValue: Send, Sync, Unpin, Default);
// What it holds is `dyn Any`, which promises nothing.
assert_not_impl_any!(AnyValue: UnwindSafe, RefUnwindSafe);
assert_impl_all!(AnyGuard<u8>: Send, Sync, Unpin);
assert_not_impl_any!(AnyGuard<Rc<u8>>: Send, Sync);
assert_not_impl_any!(AnyGuard<Cell<u8>>: Send, Sync);

assert_impl_all!(CompareError<u8>: Send, Sync, Error);
assert_impl_all!(TypeMismatch: Send, Sync, Error, UnwindSafe, RefUnwindSafe);
assert_impl_all!(TypeMismatch<Cell<u8>>: Send, Error);
assert_impl_all!(AnyCompareError<u8>: Send, Sync, Error);

// A pointer and two words for the way in which loads are protected; a pointer and the place of its debt, also when it
// may be missing.
assert_eq_size!(AtomicValue<[u64; 9]>, (*const u8, [u32; 2]));
assert_eq_size!(AnyValue, (*const u8, [u32; 2]));
assert_eq_size!(Guard<[u64; 9]>, [*const u8; 2]);
assert_eq_size!(Option<Guard<[u64; 9]>>, [*const u8; 2]);
assert_eq_size!(Option<AnyGuard<[u64; 9]>>, [*const u8; 2]);
assert_eq_size!(Reader<'static, [u64; 9]>, [*const u8; 2]);
assert_eq_size!(NonEmptyValue<[u64; 9]>, (*const u8, [u32; 2], fn() -> u8));
assert_eq_size!(WeakValue<[u64; 9]>, (*const u8, [u32; 2]));
assert_eq_size!(Projection<Reader<'static, [u64; 9]>, ()>, [*const u8; 2]);

/// The assertions above are made by the compiler; this one is that errors of any value can be passed on.
#[test]
fn errors_can_be_boxed() {
    fn fails() -> Result<(), Box<dyn Error + Send + Sync>> {
        AnyValue::new(1_u8).store("text")?;
        Ok(())
    }
    let error = fails().unwrap_err();
    assert!(error.is::<TypeMismatch<&str>>());
}
