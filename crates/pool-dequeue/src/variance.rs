//! What lifetimes may not be exchanged for another: the variance of every public generic type. Each case fails to
//! compile beside a twin that does, so that it cannot fail for the wrong reason. Only doc tests see this module.
//!
//! What a value can be put into takes no shorter and no longer lifetime than it was made for:
//!
//! ```
//! use pool_dequeue::*;
//! fn f0<'a>(x: Producer<&'a str>) -> Producer<&'a str> { x }
//! fn f1<'a>(x: Consumer<&'a str>) -> Consumer<&'a str> { x }
//! fn f2<'a>(x: ProducerRef<'a, &'a str>) -> ProducerRef<'a, &'a str> { x }
//! fn f3<'a>(x: ConsumerRef<'a, &'a str>) -> ConsumerRef<'a, &'a str> { x }
//! fn f4<'a>(x: InlineRing<&'a str, 2>) -> InlineRing<&'a str, 2> { x }
//! fn f5<'a>(x: Batch<'a, &'a str>) -> Batch<'a, &'a str> { x }
//! fn f6<'a>(x: raw::Slot<&'a str>) -> raw::Slot<&'a str> { x }
//! fn f7<'a>(x: raw::BoxedRing<&'a str>) -> raw::BoxedRing<&'a str> { x }
//! ```
//!
//! ```compile_fail
//! use pool_dequeue::*;
//! fn f<'a>(x: Producer<&'static str>) -> Producer<&'a str> { x }
//! ```
//!
//! ```compile_fail
//! use pool_dequeue::*;
//! fn f<'a>(x: Producer<&'a str>) -> Producer<&'static str> { x }
//! ```
//!
//! ```compile_fail
//! use pool_dequeue::*;
//! fn f<'a>(x: Consumer<&'static str>) -> Consumer<&'a str> { x }
//! ```
//!
//! ```compile_fail
//! use pool_dequeue::*;
//! fn f<'a>(x: Consumer<&'a str>) -> Consumer<&'static str> { x }
//! ```
//!
//! ```compile_fail
//! use pool_dequeue::*;
//! fn f<'a>(x: ProducerRef<'a, &'static str>) -> ProducerRef<'a, &'a str> { x }
//! ```
//!
//! ```compile_fail
//! use pool_dequeue::*;
//! fn f<'a>(x: ProducerRef<'a, &'a str>) -> ProducerRef<'a, &'static str> { x }
//! ```
//!
//! ```compile_fail
//! use pool_dequeue::*;
//! fn f<'a>(x: ConsumerRef<'a, &'static str>) -> ConsumerRef<'a, &'a str> { x }
//! ```
//!
//! ```compile_fail
//! use pool_dequeue::*;
//! fn f<'a>(x: ConsumerRef<'a, &'a str>) -> ConsumerRef<'a, &'static str> { x }
//! ```
//!
//! ```compile_fail
//! use pool_dequeue::*;
//! fn f<'a>(x: InlineRing<&'static str, 2>) -> InlineRing<&'a str, 2> { x }
//! ```
//!
//! ```compile_fail
//! use pool_dequeue::*;
//! fn f<'a>(x: InlineRing<&'a str, 2>) -> InlineRing<&'static str, 2> { x }
//! ```
//!
//! ```compile_fail
//! use pool_dequeue::*;
//! fn f<'a>(x: Batch<'a, &'static str>) -> Batch<'a, &'a str> { x }
//! ```
//!
//! ```compile_fail
//! use pool_dequeue::*;
//! fn f<'a>(x: Batch<'a, &'a str>) -> Batch<'a, &'static str> { x }
//! ```
//!
//! ```compile_fail
//! use pool_dequeue::*;
//! fn f<'a>(x: raw::Slot<&'static str>) -> raw::Slot<&'a str> { x }
//! ```
//!
//! ```compile_fail
//! use pool_dequeue::*;
//! fn f<'a>(x: raw::Slot<&'a str>) -> raw::Slot<&'static str> { x }
//! ```
//!
//! ```compile_fail
//! use pool_dequeue::*;
//! fn f<'a>(x: raw::BoxedRing<&'static str>) -> raw::BoxedRing<&'a str> { x }
//! ```
//!
//! ```compile_fail
//! use pool_dequeue::*;
//! fn f<'a>(x: raw::BoxedRing<&'a str>) -> raw::BoxedRing<&'static str> { x }
//! ```
//!
//! What only gives a value takes a shorter lifetime and no longer one:
//!
//! ```
//! use pool_dequeue::*;
//! fn f0<'a>(x: Full<&'static str>) -> Full<&'a str> { x }
//! ```
//!
//! ```compile_fail
//! use pool_dequeue::*;
//! fn f<'a>(x: Full<&'a str>) -> Full<&'static str> { x }
//! ```
