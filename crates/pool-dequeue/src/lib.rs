#![doc = include_str!("../README.md")]
#![cfg_attr(not(pool_loom), no_std)]

#[cfg(feature = "alloc")]
extern crate alloc;

mod error;
mod handle;
mod index;
mod inline;
pub mod raw;
mod slot;
mod sync;

pub use error::{CapacityError, Full};
#[cfg(feature = "alloc")]
#[doc(hidden)]
pub use handle::try_bounded_at;
#[cfg(feature = "alloc")]
pub use handle::{Consumer, Producer, bounded, try_bounded};
pub use handle::{ConsumerRef, ProducerRef};
pub use index::MAX_CAPACITY;
pub use inline::InlineRing;
pub use raw::Batch;
