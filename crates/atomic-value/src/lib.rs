#![doc = include_str!("../README.md")]
//! How it works, and why it may, is told in [`design`].

mod any;
mod backend;
#[cfg(doctest)]
mod compile_fail;
pub mod design;
mod env;
mod error;
mod reader;
mod sync;
mod value;
#[cfg(doctest)]
mod variance;

pub use any::{AnyGuard, AnyValue};
pub use backend::Guard;
pub use error::{AnyCompareError, CompareError, TypeMismatch};
pub use reader::{OwnedReader, Reader};
pub use value::AtomicValue;
