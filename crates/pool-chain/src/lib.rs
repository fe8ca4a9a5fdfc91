#![doc = include_str!("../README.md")]
#![no_std]

extern crate alloc;
#[cfg(any(pool_loom, miri))]
extern crate std;

mod detached;
mod error;
mod node;
pub mod raw;
mod reclaim;
mod sync;

pub use error::{Full, LimitError, Reason};
pub use pool_dequeue::MAX_CAPACITY;
/// The model checker's view of reclamation.
#[cfg(pool_loom)]
#[doc(hidden)]
pub use reclaim::model::finish as finish_model;
