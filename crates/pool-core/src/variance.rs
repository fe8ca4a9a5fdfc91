//! What lifetimes may not be exchanged for another: the variance of every public generic type. Each case fails to
//! compile beside a twin that does, so that it cannot fail for the wrong reason. Only doc tests see this module.
//!
//! What a value can be put into takes no shorter and no longer lifetime than it was made for:
//!
//! ```
//! use pool_core::*;
//! fn f0<'a>(x: Pool<&'a str>) -> Pool<&'a str> { x }
//! fn f1<'a>(x: Pooled<'a, &'a str>) -> Pooled<'a, &'a str> { x }
//! fn f2<'a>(x: PooledOwned<&'a str>) -> PooledOwned<&'a str> { x }
//! fn f3<'a>(x: Builder<&'a str, fn() -> &'a str>) -> Builder<&'a str, fn() -> &'a str> { x }
//! ```
//!
//! ```compile_fail
//! use pool_core::*;
//! fn f<'a>(x: Pool<&'static str>) -> Pool<&'a str> { x }
//! ```
//!
//! ```compile_fail
//! use pool_core::*;
//! fn f<'a>(x: Pool<&'a str>) -> Pool<&'static str> { x }
//! ```
//!
//! ```compile_fail
//! use pool_core::*;
//! fn f<'a>(x: Pooled<'a, &'static str>) -> Pooled<'a, &'a str> { x }
//! ```
//!
//! ```compile_fail
//! use pool_core::*;
//! fn f<'a>(x: Pooled<'a, &'a str>) -> Pooled<'a, &'static str> { x }
//! ```
//!
//! ```compile_fail
//! use pool_core::*;
//! fn f<'a>(x: PooledOwned<&'static str>) -> PooledOwned<&'a str> { x }
//! ```
//!
//! ```compile_fail
//! use pool_core::*;
//! fn f<'a>(x: PooledOwned<&'a str>) -> PooledOwned<&'static str> { x }
//! ```
//!
//! ```compile_fail
//! use pool_core::*;
//! fn f<'a>(x: Builder<&'static str, fn() -> &'static str>) -> Builder<&'a str, fn() -> &'a str> { x }
//! ```
//!
//! ```compile_fail
//! use pool_core::*;
//! fn f<'a>(x: Builder<&'a str, fn() -> &'a str>) -> Builder<&'static str, fn() -> &'static str> { x }
//! ```
