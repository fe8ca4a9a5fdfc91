#![doc = include_str!("../README.md")]
#![no_std]

extern crate alloc;
// For the thread's part of the collector.
extern crate std;

mod batch;
#[cfg(doctest)]
mod compile_fail;
pub mod design;
mod detached;
mod error;
mod growth;
mod handle;
mod links;
mod node;
mod owner;
pub mod raw;
mod reclaim;
mod sync;
#[cfg(doctest)]
mod variance;

pub use batch::{HeadBatch, TailBatch};
pub use error::{Full, LimitError, Reason};
pub use handle::{
    Consumer, Limit, Limited, Producer, Unlimited, try_with_limit, unbounded, with_limit,
};
#[doc(hidden)]
pub use handle::{try_with_limit_at, unbounded_at};
pub use pool_dequeue::MAX_CAPACITY;
/// The model checker's view of reclamation.
#[cfg(pool_loom)]
#[doc(hidden)]
pub use reclaim::model::{begin as begin_model, finish as finish_model};
