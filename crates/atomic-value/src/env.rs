//! What the standard library offers and the model checker replaces: `Arc`, statics, thread-locals, waiting.
//! The atomics' half of this is `sync.rs`.

pub(crate) use imp::*;

#[cfg(not(pool_loom))]
mod imp {
    pub(crate) use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    /// How many guards of one thread are cheap at the same time; any further one counts references.
    pub(crate) const DEBTS: usize = 8;

    /// Looks that only spin: a thread that is loading is a few instructions from done.
    const SPINS: u32 = 100;
    /// Looks that give up the processor: it has been preempted there.
    const YIELDS: u32 = 100;
    /// Looks a millisecond apart: it does not get to run, perhaps because our priority is higher.
    const SLEEPS: u32 = 1000;

    /// Waits until `done`, and says whether it came to that.
    ///
    /// Never waits for ever: whoever we wait for may have been lost in a fork.
    pub(crate) fn wait_until(mut done: impl FnMut() -> bool) -> bool {
        for look in 0..SPINS + YIELDS + SLEEPS {
            if done() {
                return true;
            }
            if look < SPINS {
                crate::sync::spin_loop();
            } else if look < SPINS + YIELDS {
                thread::yield_now();
            } else {
                thread::sleep(Duration::from_millis(1));
            }
        }
        done()
    }

    /// Has `child` run in each child of a fork, before anything else does there; says whether it will. Where there are no
    /// forks, that is so already. Elsewhere a child waits for lost threads as for stopped ones.
    #[cfg(all(
        any(
            target_os = "linux",
            target_vendor = "apple",
            target_os = "freebsd",
            target_os = "netbsd"
        ),
        not(miri)
    ))]
    pub(crate) fn run_in_children(child: extern "C" fn()) -> bool {
        // SAFETY: the function takes and returns nothing, and does what a child of a fork may do.
        unsafe { libc::pthread_atfork(None, None, Some(child)) == 0 }
    }

    #[cfg(not(all(
        any(
            target_os = "linux",
            target_vendor = "apple",
            target_os = "freebsd",
            target_os = "netbsd"
        ),
        not(miri)
    )))]
    pub(crate) fn run_in_children(_: extern "C" fn()) -> bool {
        true
    }

    /// Whether destructors of thread-locals run outside of the world that they belong to.
    #[inline(always)]
    pub(crate) fn is_torn_down() -> bool {
        false
    }
}

#[cfg(pool_loom)]
mod imp {
    pub(crate) use crate::sync::Arc;

    /// One, so that a second guard of a thread meets the counting path.
    pub(crate) const DEBTS: usize = 1;

    /// How many looks are worth exploring. A look changes nothing, so what can follow the third can follow
    /// the second.
    const LOOKS: u32 = 2;

    /// Waits for ever: a model's threads are all scheduled.
    pub(crate) fn wait_until(mut done: impl FnMut() -> bool) -> bool {
        let mut looks = 0;
        while !done() {
            looks += 1;
            if looks == LOOKS {
                crate::sync::skip_branch();
            }
            crate::sync::yield_now();
        }
        true
    }

    /// A model that has failed is unwound first and loses its thread-locals afterwards, when its atomics are
    /// gone.
    pub(crate) fn is_torn_down() -> bool {
        std::thread::panicking()
    }
}
