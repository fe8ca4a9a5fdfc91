//! What lifetimes may not be exchanged for another: the variance of every public generic type. Each case fails to
//! compile beside a twin that does, so that it cannot fail for the wrong reason. Only doc tests see this module.
//!
//! What a value can be put into takes no shorter and no longer lifetime than it was made for:
//!
//! ```
//! use atomic_value::*;
//! fn f0<'a>(x: AtomicValue<&'a str>) -> AtomicValue<&'a str> { x }
//! fn f1<'a>(x: Reader<'a, &'a str>) -> Reader<'a, &'a str> { x }
//! fn f2<'a>(x: OwnedReader<&'a str>) -> OwnedReader<&'a str> { x }
//! fn f3<'a>(x: NonEmptyValue<&'a str>) -> NonEmptyValue<&'a str> { x }
//! fn f4<'a>(x: WeakValue<&'a str>) -> WeakValue<&'a str> { x }
//! type Inner<'a> = NonEmptyValue<&'a str>;
//! fn f5<'a>(x: NonEmptyReader<&'a Inner<'a>, &'a str>) -> NonEmptyReader<&'a Inner<'a>, &'a str> { x }
//! fn f6<'a>(x: Projection<OwnedReader<&'a str>, ()>) -> Projection<OwnedReader<&'a str>, ()> { x }
//! ```
//!
//! ```compile_fail
//! use atomic_value::*;
//! fn f<'a>(x: AtomicValue<&'static str>) -> AtomicValue<&'a str> { x }
//! ```
//!
//! ```compile_fail
//! use atomic_value::*;
//! fn f<'a>(x: AtomicValue<&'a str>) -> AtomicValue<&'static str> { x }
//! ```
//!
//! ```compile_fail
//! use atomic_value::*;
//! fn f<'a>(x: Reader<'a, &'static str>) -> Reader<'a, &'a str> { x }
//! ```
//!
//! ```compile_fail
//! use atomic_value::*;
//! fn f<'a>(x: Reader<'a, &'a str>) -> Reader<'a, &'static str> { x }
//! ```
//!
//! ```compile_fail
//! use atomic_value::*;
//! fn f<'a>(x: OwnedReader<&'static str>) -> OwnedReader<&'a str> { x }
//! ```
//!
//! ```compile_fail
//! use atomic_value::*;
//! fn f<'a>(x: OwnedReader<&'a str>) -> OwnedReader<&'static str> { x }
//! ```
//!
//! ```compile_fail
//! use atomic_value::*;
//! fn f<'a>(x: NonEmptyValue<&'static str>) -> NonEmptyValue<&'a str> { x }
//! ```
//!
//! ```compile_fail
//! use atomic_value::*;
//! fn f<'a>(x: NonEmptyValue<&'a str>) -> NonEmptyValue<&'static str> { x }
//! ```
//!
//! ```compile_fail
//! use atomic_value::*;
//! fn f<'a>(x: WeakValue<&'static str>) -> WeakValue<&'a str> { x }
//! ```
//!
//! ```compile_fail
//! use atomic_value::*;
//! fn f<'a>(x: WeakValue<&'a str>) -> WeakValue<&'static str> { x }
//! ```
//!
//! ```compile_fail
//! use atomic_value::*;
//! fn f<'a>(x: NonEmptyReader<&'a NonEmptyValue<&'static str>, &'static str>) -> NonEmptyReader<&'a NonEmptyValue<&'a str>, &'a str> { x }
//! ```
//!
//! ```compile_fail
//! use atomic_value::*;
//! fn f<'a>(x: NonEmptyReader<&'a NonEmptyValue<&'a str>, &'a str>) -> NonEmptyReader<&'a NonEmptyValue<&'static str>, &'static str> { x }
//! ```
//!
//! ```compile_fail
//! use atomic_value::*;
//! fn f<'a>(x: Projection<OwnedReader<&'static str>, ()>) -> Projection<OwnedReader<&'a str>, ()> { x }
//! ```
//!
//! ```compile_fail
//! use atomic_value::*;
//! fn f<'a>(x: Projection<OwnedReader<&'a str>, ()>) -> Projection<OwnedReader<&'static str>, ()> { x }
//! ```
//!
//! What only gives a value takes a shorter lifetime and no longer one:
//!
//! ```
//! use atomic_value::*;
//! type Some = for<'a> fn(&'a u8);
//! type One = fn(&'static u8);
//! fn any(x: AnyGuard<Some>) -> AnyGuard<One> { x }
//! fn error(x: AnyCompareError<Some>) -> AnyCompareError<One> { x }
//! fn f0<'a>(x: Guard<&'static str>) -> Guard<&'a str> { x }
//! fn f1<'a>(x: CompareError<&'static str>) -> CompareError<&'a str> { x }
//! fn f2<'a>(x: TypeMismatch<&'static str>) -> TypeMismatch<&'a str> { x }
//! ```
//!
//! ```compile_fail
//! use atomic_value::*;
//! fn f<'a>(x: Guard<&'a str>) -> Guard<&'static str> { x }
//! ```
//!
//! ```compile_fail
//! use atomic_value::*;
//! fn f<'a>(x: CompareError<&'a str>) -> CompareError<&'static str> { x }
//! ```
//!
//! ```compile_fail
//! use atomic_value::*;
//! fn f<'a>(x: TypeMismatch<&'a str>) -> TypeMismatch<&'static str> { x }
//! ```
//!
//! ```compile_fail,E0308
//! use atomic_value::*;
//! type Some = for<'a> fn(&'a u8);
//! type One = fn(&'static u8);
//! fn any(x: AnyGuard<One>) -> AnyGuard<Some> { x }
//! ```
//!
//! ```compile_fail,E0308
//! use atomic_value::*;
//! type Some = for<'a> fn(&'a u8);
//! type One = fn(&'static u8);
//! fn error(x: AnyCompareError<One>) -> AnyCompareError<Some> { x }
//! ```
