#![cfg_attr(feature = "alloc", doc = include_str!("../README.md"))]
#![cfg_attr(
    not(feature = "alloc"),
    doc = "A lock-free ring with one producer at the head and any number of consumers at the tail, over inline",
    doc = "storage: see [`InlineRing`]. With the feature `alloc` this page is the whole story, and there are rings",
    doc = "on the heap."
)]
#![cfg_attr(not(pool_loom), no_std)]

#[cfg(feature = "alloc")]
extern crate alloc;

#[cfg(all(doctest, feature = "alloc"))]
mod compile_fail;
pub mod design;
mod error;
mod handle;
mod index;
mod inline;
mod pushes;
pub mod raw;
mod slot;
mod sync;

#[cfg(feature = "alloc")]
pub use error::CapacityError;
pub use error::Full;
#[cfg(feature = "alloc")]
#[doc(hidden)]
pub use handle::try_bounded_at;
#[cfg(feature = "alloc")]
pub use handle::{Consumer, Producer, bounded, try_bounded};
pub use handle::{ConsumerRef, ProducerRef};
pub use index::MAX_CAPACITY;
pub use inline::InlineRing;
pub use raw::Batch;
