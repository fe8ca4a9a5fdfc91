//! What must not compile, each case beside a twin that does, so that a case cannot fail for the wrong
//! reason. Only doc tests see this module.

/// What may not be shared between threads keeps its value on its thread.
///
/// ```
/// use std::sync::Mutex;
/// use atomic_value::*;
/// fn cross<T: Send + Sync>(_: T) {}
/// let value = AtomicValue::new(Mutex::new(std::cell::Cell::new(1)));
/// cross(value.load());
/// cross(value.reader());
/// cross(value);
/// cross(AnyValue::new(1).load::<i32>());
/// ```
///
/// ```compile_fail,E0277
/// fn cross<T: Send>(_: T) {}
/// cross(atomic_value::AtomicValue::<std::rc::Rc<u8>>::empty());
/// ```
///
/// ```compile_fail,E0277
/// fn cross<T: Sync>(_: T) {}
/// cross(atomic_value::AtomicValue::<std::rc::Rc<u8>>::empty());
/// ```
///
/// ```compile_fail,E0277
/// fn cross<T: Send>(_: T) {}
/// cross(atomic_value::AtomicValue::<std::cell::Cell<u8>>::empty());
/// ```
///
/// ```compile_fail,E0277
/// fn cross<T: Sync>(_: T) {}
/// cross(atomic_value::AtomicValue::<std::cell::Cell<u8>>::empty());
/// ```
///
/// ```compile_fail,E0277
/// fn cross<T: Sync>(_: T) {}
/// cross(atomic_value::AtomicValue::<std::sync::MutexGuard<'static, u8>>::empty());
/// ```
///
/// ```compile_fail,E0277
/// fn cross<T: Send>(_: T) {}
/// cross(atomic_value::AtomicValue::<*const u8>::empty());
/// ```
///
/// ```compile_fail,E0277
/// fn cross<T: Send>(_: T) {}
/// cross(atomic_value::AtomicValue::<std::rc::Rc<u8>>::empty().load());
/// ```
///
/// ```compile_fail,E0277
/// fn cross<T: Sync>(_: T) {}
/// cross(atomic_value::AtomicValue::<std::cell::Cell<u8>>::empty().load());
/// ```
///
/// ```compile_fail,E0277
/// fn cross<T: Send>(_: T) {}
/// let value = atomic_value::AtomicValue::<std::cell::Cell<u8>>::empty();
/// cross(value.reader());
/// ```
///
/// What makes a first value is called by any thread:
///
/// ```
/// use atomic_value::NonEmptyValue;
/// fn cross<T: Send + Sync>(_: T) {}
/// cross(NonEmptyValue::<u8, _>::lazy(|| 1).reader());
/// cross(NonEmptyValue::<u8, _>::lazy(|| 1));
/// ```
///
/// ```compile_fail,E0277
/// use atomic_value::NonEmptyValue;
/// fn cross<T: Sync>(_: T) {}
/// let count = std::cell::Cell::new(1);
/// cross(NonEmptyValue::<u8, _>::lazy(move || count.get()));
/// ```
///
/// ```compile_fail,E0277
/// use atomic_value::NonEmptyValue;
/// fn cross<T: Send>(_: T) {}
/// cross(NonEmptyValue::new(std::cell::Cell::new(1)).reader());
/// ```
///
/// A static is shared:
///
/// ```
/// static VALUE: atomic_value::AtomicValue<u8> = atomic_value::AtomicValue::empty();
/// ```
///
/// ```compile_fail,E0277
/// static VALUE: atomic_value::AtomicValue<std::rc::Rc<u8>> = atomic_value::AtomicValue::empty();
/// ```
mod threads {}

/// An `AnyValue` is `Send` and `Sync` whatever its type turns out to be, so it takes nothing that is not, nor
/// what borrows.
///
/// ```
/// atomic_value::AnyValue::new(std::sync::Arc::new(1));
/// atomic_value::AnyValue::empty().load::<std::sync::Arc<u8>>().unwrap();
/// ```
///
/// ```compile_fail,E0277
/// atomic_value::AnyValue::new(std::rc::Rc::new(1));
/// ```
///
/// ```compile_fail,E0277
/// atomic_value::AnyValue::empty().store(std::cell::Cell::new(1)).ok();
/// ```
///
/// ```compile_fail,E0277
/// atomic_value::AnyValue::empty().load::<std::rc::Rc<u8>>().unwrap();
/// ```
///
/// ```
/// let text = "static";
/// atomic_value::AnyValue::new(text);
/// ```
///
/// ```compile_fail,E0597
/// let text = String::new();
/// atomic_value::AnyValue::new(text.as_str());
/// ```
mod any {}

/// What a guard or a reader lends ends with it.
///
/// ```
/// let value = atomic_value::AtomicValue::new(1);
/// let guard = value.load().unwrap();
/// let number: &i32 = &guard;
/// assert_eq!(*number, 1);
/// drop(guard);
/// ```
///
/// ```compile_fail,E0505
/// let value = atomic_value::AtomicValue::new(1);
/// let guard = value.load().unwrap();
/// let number: &i32 = &guard;
/// drop(guard);
/// assert_eq!(*number, 1);
/// ```
///
/// ```
/// let value = atomic_value::AtomicValue::new(1);
/// let mut reader = value.reader();
/// let number = reader.load();
/// assert_eq!(number, Some(&1));
/// reader.load();
/// ```
///
/// ```compile_fail,E0499
/// let value = atomic_value::AtomicValue::new(1);
/// let mut reader = value.reader();
/// let number = reader.load();
/// reader.load();
/// assert_eq!(number, Some(&1));
/// ```
///
/// ```compile_fail,E0505
/// let value = atomic_value::AtomicValue::new(1);
/// let mut reader = value.reader();
/// drop(value);
/// reader.load();
/// ```
///
/// The same of the `Arc` that a guard lends, and of the part that a projection does:
///
/// ```
/// use atomic_value::{AtomicValue, Guard};
/// let guard = AtomicValue::new(1).load().unwrap();
/// let kept = Guard::as_arc(&guard).clone();
/// drop(guard);
/// assert_eq!(*kept, 1);
/// ```
///
/// ```compile_fail,E0505
/// use atomic_value::{AtomicValue, Guard};
/// let guard = AtomicValue::new(1).load().unwrap();
/// let lent = Guard::as_arc(&guard);
/// drop(guard);
/// assert_eq!(**lent, 1);
/// ```
///
/// ```
/// let value = atomic_value::NonEmptyValue::new((1, 2));
/// let mut part = value.reader().map(|pair| &pair.1);
/// let number = part.load();
/// assert_eq!(*number, 2);
/// part.load();
/// ```
///
/// ```compile_fail,E0499
/// let value = atomic_value::NonEmptyValue::new((1, 2));
/// let mut part = value.reader().map(|pair| &pair.1);
/// let number = part.load();
/// part.load();
/// assert_eq!(*number, 2);
/// ```
///
/// A guard may outlive the value that it came from, but not what that value borrows:
///
/// ```
/// use atomic_value::AtomicValue;
/// let text = String::from("long");
/// let guard = AtomicValue::new(text.as_str()).load();
/// assert_eq!(*guard.unwrap(), "long");
/// ```
///
/// ```compile_fail,E0597
/// use atomic_value::AtomicValue;
/// let guard;
/// {
///     let text = String::from("short");
///     guard = AtomicValue::new(text.as_str()).load();
/// }
/// assert_eq!(*guard.unwrap(), "short");
/// ```
///
/// Nor can other types be stored by identity than an `Arc` and none:
///
/// ```
/// let value = atomic_value::AtomicValue::new(1);
/// value.compare_and_swap_ptr(None, std::sync::Arc::new(2)).unwrap_err();
/// value.compare_and_swap_ptr(None, None).unwrap_err();
/// ```
///
/// ```compile_fail,E0277
/// atomic_value::AtomicValue::new(1).compare_and_swap_ptr(None, 2).unwrap_err();
/// ```
///
/// ```compile_fail,E0277
/// struct Mine;
/// impl atomic_value::Replacement<u8> for Mine {}
/// ```
///
/// Nor can a value that is stored be changed in place:
///
/// ```compile_fail,E0594
/// let value = atomic_value::AtomicValue::new(1);
/// *value.load().unwrap() = 2;
/// ```
mod lifetimes {}

/// What Go's `Value` refuses at run time, and Rust before.
///
/// `TestValue_CompareAndSwap`: an old and a new value of different types.
///
/// ```
/// let value = atomic_value::AnyValue::new(true);
/// value.compare_and_swap(Some(&true), false).unwrap();
/// ```
///
/// ```compile_fail,E0308
/// let value = atomic_value::AnyValue::new(true);
/// value.compare_and_swap(Some(&true), "").unwrap();
/// ```
///
/// A type that cannot be compared:
///
/// ```
/// atomic_value::AnyValue::empty().compare_and_swap(None, 1).unwrap();
/// ```
///
/// ```compile_fail,E0277
/// atomic_value::AnyValue::empty().compare_and_swap(None, || ()).unwrap();
/// ```
///
/// `TestValuePanic`: there is no nil to store.
///
/// ```
/// atomic_value::AtomicValue::<u8>::empty().store(1);
/// ```
///
/// ```compile_fail,E0308
/// atomic_value::AtomicValue::<u8>::empty().store(None);
/// ```
mod go {}
