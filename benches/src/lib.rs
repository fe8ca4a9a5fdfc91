//! Measures every layer against its real rivals.
//!
//! A figure counts only next to its rival's from the same run, because the machine is never quiet: [`measure`] lets the
//! contenders of a workload run in turn, a few milliseconds each, round after round, and compares them within each
//! round. What a contender has to do is written once, as a generic function over a small trait, so that all do the same;
//! before anything is timed each is asked to prove that it does it.
//!
//! [`goals`] is the table of what this project promises about its speed.

pub mod check;
pub mod first;
pub mod fork;
pub mod go;
pub mod goals;
pub mod item;
pub mod measure;
pub mod memory;
pub mod pool;
pub mod report;
pub mod ring;
pub mod value;
pub mod workload;
