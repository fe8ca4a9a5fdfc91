//! What the standard library offers and the model checker replaces: thread-locals, yields, the number
//! of CPUs. The atomics' half of this is `sync.rs`.

pub(crate) use imp::*;

#[cfg(not(pool_loom))]
mod imp {
    use std::sync::OnceLock;
    pub(crate) use std::thread::yield_now;
    pub(crate) use std::thread_local;

    /// How many shards can be of use: one a CPU that the process may run on. Asked of the system once.
    pub(crate) fn parallelism() -> usize {
        static CPUS: OnceLock<usize> = OnceLock::new();
        *CPUS.get_or_init(num_cpus::get)
    }

    /// How often a bounded wait looks before it gives up: a pinned thread is a few instructions from
    /// done, unless it has been preempted there, and then a few time slices may pass.
    pub(crate) const PATIENCE: u32 = 200;
    /// How many of these looks only spin.
    pub(crate) const SPINS: u32 = 100;
}

#[cfg(pool_loom)]
mod imp {
    pub(crate) use crate::sync::{lazy_static, thread_local, yield_now};

    /// Fixed, so that executions repeat.
    pub(crate) fn parallelism() -> usize {
        2
    }

    /// One look beyond the first: each is another branch of the search.
    pub(crate) const PATIENCE: u32 = 2;
    pub(crate) const SPINS: u32 = 0;
}

/// Asks `done` until it is true or patience runs out, and says which.
///
/// Never waits for ever: whoever we wait for may have been stopped, or lost in a fork.
pub(crate) fn wait_until(mut done: impl FnMut() -> bool) -> bool {
    for look in 0..PATIENCE {
        if done() {
            return true;
        }
        if look < SPINS {
            crate::sync::spin_loop();
        } else {
            yield_now();
        }
    }
    done()
}
