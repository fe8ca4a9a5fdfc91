//! Memory that comes back: runs bursts, each in a process of its own, and looks at what the system says they hold.
//!
//! `cargo xtask memory` runs it, and writes figures and picture to `docs`. The first scenes decide about success:
//!
//! * 64 threads put 1,000 buffers of 1 KiB each and go idle. With the reaper the pool is empty and the resident memory back
//!   to within a tenth of the start two periods later, with no further call; without it, at the first activity after
//!   two periods.
//! * Two buffers of 64 MiB among thousands of small uses are let go, and a budget of bytes is not exceeded.
//!
//! The others are for the picture: one thread goes on at its pace while eight others need fifty thousand buffers
//! for a moment.

#[cfg(not(pool_loom))]
mod picture;
#[cfg(not(pool_loom))]
mod program;
#[cfg(not(pool_loom))]
mod scenes;

#[cfg(not(pool_loom))]
fn main() -> std::process::ExitCode {
    program::main()
}

#[cfg(pool_loom)]
fn main() {
    eprintln!("not for the model checker, under which nothing runs by itself");
}
