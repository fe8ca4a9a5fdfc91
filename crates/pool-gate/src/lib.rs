#![doc = include_str!("../README.md")]
#![cfg_attr(not(any(pool_loom, test)), no_std)]

// For the error number of a system call, and nothing else.
#[cfg(all(target_os = "linux", not(any(miri, pool_loom, test))))]
extern crate std;

mod barrier;
#[cfg(doctest)]
mod compile_fail;
pub mod design;
mod gate;
#[cfg(all(target_os = "linux", not(any(miri, pool_loom))))]
mod linux;
mod sweep;
mod sync;
#[cfg(all(windows, not(any(miri, pool_loom))))]
mod windows;

pub use barrier::{Asymmetric, Refused, Status, register, status};
pub use gate::{Gate, Inside, Owner};
#[cfg(pool_loom)]
#[doc(hidden)]
pub use sweep::begin_model;
pub use sweep::{Sweep, Unordered, Visit, Visits};
