//! What the standard library and the system offer and the model checker replaces: `Arc`, waiting, the asymmetric barrier,
//! the clock.
//! The atomics' half of this is `sync.rs`.

pub(crate) use imp::*;
#[cfg(pool_loom)]
pub use imp::{Barrier, begin_model};

#[cfg(not(pool_loom))]
mod imp {
    use crate::backend::Trust;
    use crate::backend::mode;
    use crate::sync::AtomicU32;
    pub(crate) use pool_gate::Asymmetric;
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

    /// The mode of a new slot.
    pub(crate) const fn first_mode() -> u32 {
        mode::UNDECIDED
    }

    /// How much the leaseholder of a new record trusts the barrier.
    pub(crate) const fn first_trust() -> u32 {
        Trust::UNASKED
    }

    /// A word that changes only when the way changes in which loads are protected.
    pub(crate) struct Switch(AtomicU32);

    impl Switch {
        pub(crate) const fn new(value: u32) -> Self {
            Self(AtomicU32::new(value))
        }

        #[inline(always)]
        pub(crate) fn look(&self, look: impl FnOnce(&AtomicU32) -> u32) -> u32 {
            look(&self.0)
        }

        #[inline(always)]
        pub(crate) fn change<R>(&self, change: impl FnOnce(&AtomicU32) -> R) -> Option<R> {
            Some(change(&self.0))
        }
    }

    /// Whether stores are timed.
    pub(crate) const PACED: bool = true;

    /// What time it is, modulo some 71 minutes. It may jump: what it decides is quick or slow, never right or wrong. Not
    /// called where there is no barrier.
    #[cfg(not(miri))]
    pub(crate) fn microseconds() -> u32 {
        use std::time::SystemTime;

        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        // Its low bits are meant.
        since.map_or(0, |since| since.as_micros() as u32)
    }

    /// A program under Miri has no such clock.
    #[cfg(miri)]
    pub(crate) fn microseconds() -> u32 {
        0
    }

    /// Gives another thread time to make `changed` true; not for long.
    pub(crate) fn let_go_on(mut changed: impl FnMut() -> bool) {
        for look in 0..SPINS + YIELDS {
            if changed() {
                return;
            }
            if look < SPINS {
                crate::sync::spin_loop();
            } else {
                thread::yield_now();
            }
        }
    }

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
    use std::sync::Mutex;

    use crate::backend::Trust;
    use crate::backend::mode;
    pub(crate) use crate::sync::Arc;
    use crate::sync::{AtomicU32, Ordering, fence};

    loom::lazy_static! {
        /// Which barrier this execution has. Not the model's business.
        static ref BARRIER: Mutex<Barrier> = Mutex::new(Barrier::None);
    }

    /// What a model runs on.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Barrier {
        /// No barrier: all slots use fences.
        None,
        /// There is one, and all slots use it all the time.
        Light,
        /// There is one, and the slots begin with it, but may turn.
        Turning,
        /// There is one, and the slots begin undecided.
        Undecided,
    }

    /// Begins an execution of a model on that barrier.
    pub fn begin_model(barrier: Barrier) {
        *BARRIER.lock().unwrap() = barrier;
    }

    fn barrier() -> Barrier {
        *BARRIER.lock().unwrap()
    }

    /// The mode of a new slot.
    pub(crate) fn first_mode() -> u32 {
        match barrier() {
            Barrier::None => mode::FENCES,
            Barrier::Undecided => mode::UNDECIDED,
            _ => mode::LIGHT,
        }
    }

    /// How much the leaseholder of a new record trusts the barrier.
    pub(crate) fn first_trust() -> u32 {
        match barrier() {
            Barrier::Light => Trust::LIGHT,
            _ => Trust::UNASKED,
        }
    }

    /// A word that changes only when the way changes in which loads are protected. Where it does not in the whole model,
    /// there is nothing to explore.
    pub(crate) enum Switch {
        Fixed(u32),
        Explored(AtomicU32),
    }

    impl Switch {
        pub(crate) fn new(value: u32) -> Self {
            match barrier() {
                Barrier::None | Barrier::Light => Self::Fixed(value),
                _ => Self::Explored(AtomicU32::new(value)),
            }
        }

        pub(crate) fn look(&self, look: impl FnOnce(&AtomicU32) -> u32) -> u32 {
            match self {
                Self::Fixed(value) => *value,
                Self::Explored(word) => look(word),
            }
        }

        /// None where it does not change.
        pub(crate) fn change<R>(&self, change: impl FnOnce(&AtomicU32) -> R) -> Option<R> {
            match self {
                Self::Fixed(_) => None,
                Self::Explored(word) => Some(change(word)),
            }
        }
    }

    /// The barrier as two fences.
    #[derive(Clone, Copy)]
    pub(crate) struct Asymmetric(());

    /// The system has refused the heavy barrier. Not in models: what is leaked then would fail them.
    pub(crate) enum Refused {}

    impl Asymmetric {
        pub(crate) fn get() -> Option<Self> {
            (barrier() != Barrier::None).then_some(Self(()))
        }

        pub(crate) fn light(self) {
            // ORDERING: SeqCst, pairs with the fence in `heavy`.
            fence(Ordering::SeqCst);
        }

        pub(crate) fn heavy(self) -> Result<(), Refused> {
            // ORDERING: SeqCst, pairs with the fence in `light`.
            fence(Ordering::SeqCst);
            Ok(())
        }
    }

    impl Refused {
        pub(crate) fn is_for_good(&self) -> bool {
            match *self {}
        }
    }

    /// Models turn slots themselves.
    pub(crate) const PACED: bool = false;

    pub(crate) fn microseconds() -> u32 {
        0
    }

    /// The other one goes on in other executions.
    pub(crate) fn let_go_on(_: impl FnMut() -> bool) {}

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
