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

    /// Looks that only spin: whoever is inside and running is out before these are over.
    pub(crate) const SPINS: u32 = 100;
    /// Looks that yield, for whoever has been preempted inside. Each may take a time slice of every runnable
    /// thread.
    pub(crate) const YIELDS: u32 = 100;
}

#[cfg(pool_loom)]
mod imp {
    pub(crate) use crate::sync::{lazy_static, thread_local, yield_now};

    /// Fixed, so that executions repeat.
    pub(crate) fn parallelism() -> usize {
        2
    }

    /// Few: each look is another branch of the search, and one that only spins is a wait for ever to loom.
    pub(crate) const SPINS: u32 = 1;
    pub(crate) const YIELDS: u32 = 2;
}

/// How long one operation waits for others, for all of them together.
///
/// Never for ever: whoever we wait for may have been stopped, or lost in a fork.
pub(crate) struct Patience {
    looks: u32,
    limit: u32,
}

impl Patience {
    /// For a turn, which somebody may be waiting for who only wanted an item: waits for those who run, not
    /// for those who have been preempted.
    pub(crate) fn short() -> Self {
        Self {
            looks: 0,
            limit: if cfg!(pool_loom) { YIELDS } else { SPINS },
        }
    }

    /// For whoever asked to have everything out.
    pub(crate) fn long() -> Self {
        Self {
            looks: 0,
            limit: SPINS + YIELDS,
        }
    }

    /// Asks `done` until it is true or patience has run out, and says which.
    pub(crate) fn wait_until(&mut self, mut done: impl FnMut() -> bool) -> bool {
        while !done() {
            if self.looks == self.limit {
                return false;
            }
            if self.looks < SPINS {
                crate::sync::spin_loop();
            } else {
                yield_now();
            }
            self.looks += 1;
        }
        true
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use super::*;

    #[test]
    fn patience_is_for_all_waits_together() {
        for (mut patience, limit) in [
            (Patience::short(), SPINS),
            (Patience::long(), SPINS + YIELDS),
        ] {
            let mut looks = 0;
            let mut never = || {
                looks += 1;
                assert!(looks <= limit + 2, "without an end");
                false
            };
            assert!(!patience.wait_until(&mut never));
            assert!(!patience.wait_until(&mut never));
            assert_eq!(looks, limit + 2);
            assert!(
                patience.wait_until(|| true),
                "who is done is not waited for"
            );
        }
    }
}
