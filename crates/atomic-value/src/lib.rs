#![doc = include_str!("../README.md")]
//! How it works, and why it may, is told in [`design`].

mod any;
mod backend;
#[cfg(doctest)]
mod compile_fail;
pub mod design;
mod env;
mod error;
mod nonempty;
mod projection;
mod reader;
mod replacement;
mod sync;
mod value;
#[cfg(doctest)]
mod variance;
mod weak;
#[cfg(all(feature = "arc-swap", not(pool_loom)))]
mod with_arc_swap;
#[cfg(all(feature = "serde", not(pool_loom)))]
mod with_serde;

pub use any::{AnyGuard, AnyValue};
pub use backend::Guard;
#[cfg(pool_loom)]
#[doc(hidden)]
pub use env::{Barrier, begin_model};
pub use error::{AnyCompareError, CompareError, TypeMismatch};
pub use nonempty::{NonEmptyReader, NonEmptyValue};
pub use projection::Projection;
pub use reader::{OwnedReader, Reader};
pub use replacement::Replacement;
pub use value::AtomicValue;
pub use weak::WeakValue;
#[cfg(all(feature = "arc-swap", not(pool_loom)))]
pub use with_arc_swap::{ArcAccess, GuardAccess, PartAccess};
