#![doc = include_str!("../README.md")]

mod batch;
mod budget;
mod buffers;
mod cache;
mod chaos;
mod clock;
#[cfg(doctest)]
mod compile_fail;
mod deferred;
pub mod design;
mod discard;
mod env;
#[cfg(feature = "tracing")]
mod events;
#[cfg(feature = "metrics")]
mod export;
mod guard;
mod moves;
mod pace;
mod part;
mod parts;
mod policy;
mod pool;
mod presets;
#[cfg(not(pool_loom))]
pub mod pressure;
#[cfg(test)]
mod ready;
#[cfg(not(pool_loom))]
mod reaper;
mod recent;
mod registry;
mod rotation;
mod slow;
mod stats;
mod sync;
mod table;
mod thread;
mod usage;
#[cfg(doctest)]
mod variance;

pub use buffers::{BufferPool, BufferPoolBuilder, PooledBuffer};
pub use clock::{Clock, ManualClock, SystemClock};
pub use discard::DiscardReason;
pub use guard::{Pooled, PooledOwned};
pub use policy::{BuildError, Builder, DEFAULT_PERIOD, MAX_THREAD_CACHE, Recycle};
pub use pool::Pool;
pub use presets::Reusable;
#[cfg(not(pool_loom))]
pub use reaper::{Reaper, ReaperBuilder, relieve, tend};
pub use registry::rotate_all;
pub use stats::{CacheState, Discarded, Stats};
pub use usage::{Calibrator, Usage};
/// The model checker's view of the list of pools.
#[cfg(pool_loom)]
#[doc(hidden)]
pub use {
    env::ModelArc,
    registry::{begin_model, finish_model},
};
