//! What lifetimes may not be exchanged for another: the variance of every public generic type. Each case fails to
//! compile beside a twin that does, so that it cannot fail for the wrong reason. Only doc tests see this module.
//!
//! What a value can be put into takes no shorter and no longer lifetime than it was made for:
//!
//! ```
//! use pool_chain::*;
//! fn f0<'a>(x: Producer<&'a str>) -> Producer<&'a str> { x }
//! fn f1<'a>(x: Consumer<&'a str>) -> Consumer<&'a str> { x }
//! fn f2<'a>(x: HeadBatch<'a, &'a str>) -> HeadBatch<'a, &'a str> { x }
//! fn f3<'a>(x: TailBatch<'a, &'a str>) -> TailBatch<'a, &'a str> { x }
//! fn f4<'a>(x: raw::Chain<&'a str>) -> raw::Chain<&'a str> { x }
//! fn f5<'a>(x: raw::Detached<&'a str>) -> raw::Detached<&'a str> { x }
//! ```
//!
//! ```compile_fail
//! use pool_chain::*;
//! fn f<'a>(x: Producer<&'static str>) -> Producer<&'a str> { x }
//! ```
//!
//! ```compile_fail
//! use pool_chain::*;
//! fn f<'a>(x: Producer<&'a str>) -> Producer<&'static str> { x }
//! ```
//!
//! ```compile_fail
//! use pool_chain::*;
//! fn f<'a>(x: Consumer<&'static str>) -> Consumer<&'a str> { x }
//! ```
//!
//! ```compile_fail
//! use pool_chain::*;
//! fn f<'a>(x: Consumer<&'a str>) -> Consumer<&'static str> { x }
//! ```
//!
//! ```compile_fail
//! use pool_chain::*;
//! fn f<'a>(x: HeadBatch<'a, &'static str>) -> HeadBatch<'a, &'a str> { x }
//! ```
//!
//! ```compile_fail
//! use pool_chain::*;
//! fn f<'a>(x: HeadBatch<'a, &'a str>) -> HeadBatch<'a, &'static str> { x }
//! ```
//!
//! ```compile_fail
//! use pool_chain::*;
//! fn f<'a>(x: TailBatch<'a, &'static str>) -> TailBatch<'a, &'a str> { x }
//! ```
//!
//! ```compile_fail
//! use pool_chain::*;
//! fn f<'a>(x: TailBatch<'a, &'a str>) -> TailBatch<'a, &'static str> { x }
//! ```
//!
//! ```compile_fail
//! use pool_chain::*;
//! fn f<'a>(x: raw::Chain<&'static str>) -> raw::Chain<&'a str> { x }
//! ```
//!
//! ```compile_fail
//! use pool_chain::*;
//! fn f<'a>(x: raw::Chain<&'a str>) -> raw::Chain<&'static str> { x }
//! ```
//!
//! ```compile_fail
//! use pool_chain::*;
//! fn f<'a>(x: raw::Detached<&'static str>) -> raw::Detached<&'a str> { x }
//! ```
//!
//! ```compile_fail
//! use pool_chain::*;
//! fn f<'a>(x: raw::Detached<&'a str>) -> raw::Detached<&'static str> { x }
//! ```
//!
//! What only gives a value takes a shorter lifetime and no longer one:
//!
//! ```
//! use pool_chain::*;
//! fn f0<'a>(x: Full<&'static str>) -> Full<&'a str> { x }
//! ```
//!
//! ```compile_fail
//! use pool_chain::*;
//! fn f<'a>(x: Full<&'a str>) -> Full<&'static str> { x }
//! ```
