//! The asymmetric barrier: a store-buffering fence pair whose frequent side costs nothing.
//!
//! A thread cache's owner writes a flag and then reads another; whoever wants to reach into the cache
//! writes the second flag and then reads the first. Each side needs its write out before its read.
//! Instead of a full fence on both, the owner has a [`light`] one that only binds the compiler, and the
//! rare intruder a [`heavy`] one that makes every running thread of the process execute a full fence.
//! The proof that the pair does what two full fences do stands in the design page.
//!
//! Linux gives this as `membarrier(2)` (private expedited), Windows as `FlushProcessWriteBuffers`. Where
//! there is neither, or a sandbox forbids it, [`available`] is false and no thread cache is ever made.
//! The model checker and Miri know neither call; under them both sides are full fences.

use crate::sync;

/// Whether the pair works here. Decided once, before the first cache of the process is made.
pub(crate) fn available() -> bool {
    imp::available()
}

/// The owner's side: orders the store before it against the load after it, given that the other side
/// issues [`heavy`].
#[inline(always)]
pub(crate) fn light() {
    imp::light();
}

/// The intruder's side. False when the system refused; then nothing is ordered.
#[must_use]
pub(crate) fn heavy() -> bool {
    imp::heavy()
}

#[cfg(any(miri, pool_loom, not(any(target_os = "linux", windows))))]
mod imp {
    use super::sync::{Ordering, fence};

    /// Both sides are fences here, so the pair always works; on systems without a barrier of their own
    /// it would cost as much as a claim, so there it is not offered.
    pub(super) fn available() -> bool {
        cfg!(any(miri, pool_loom))
    }

    #[inline(always)]
    pub(super) fn light() {
        // ORDERING: SeqCst, pairs with the fence in `heavy`: of the owner's read and the intruder's, at least one
        // sees the other's write.
        fence(Ordering::SeqCst);
    }

    pub(super) fn heavy() -> bool {
        // ORDERING: SeqCst, pairs with the fence in `light`.
        fence(Ordering::SeqCst);
        true
    }
}

#[cfg(all(any(target_os = "linux", windows), not(any(miri, pool_loom))))]
mod imp {
    use super::sync::{Ordering, compiler_fence, fence};
    use super::system;

    pub(super) fn available() -> bool {
        system::available()
    }

    #[inline(always)]
    pub(super) fn light() {
        // ORDERING: SeqCst for the compiler only. The processor's part is done by `heavy`, which makes this
        // thread run a full fence somewhere between two of its instructions.
        compiler_fence(Ordering::SeqCst);
    }

    pub(super) fn heavy() -> bool {
        // ORDERING: SeqCst, pairs with the compiler fence in `light`; it keeps the compiler, and this
        // processor, from moving our own accesses across the call.
        fence(Ordering::SeqCst);
        let done = system::interrupt_all();
        // ORDERING: as above, for what follows the call.
        fence(Ordering::SeqCst);
        done
    }
}

/// `membarrier(2)`, private expedited.
#[cfg(all(target_os = "linux", not(any(miri, pool_loom))))]
mod system {
    use super::sync::{AtomicU8, Ordering};

    const UNKNOWN: u8 = 0;
    const WORKS: u8 = 1;
    const REFUSED: u8 = 2;
    static STATE: AtomicU8 = AtomicU8::new(UNKNOWN);

    pub(super) fn available() -> bool {
        // ORDERING: Relaxed. The answer is the kernel's and the same for every thread; deciding twice does no
        // harm, because registering twice does none and only the first decision is kept.
        match STATE.load(Ordering::Relaxed) {
            WORKS => true,
            REFUSED => false,
            _ => {
                let found = if register() && issue() {
                    WORKS
                } else {
                    REFUSED
                };
                // ORDERING: Relaxed, as above; the first to decide decides for all.
                match STATE.compare_exchange(UNKNOWN, found, Ordering::Relaxed, Ordering::Relaxed) {
                    Ok(_) => found == WORKS,
                    Err(decided) => decided == WORKS,
                }
            }
        }
    }

    /// A forked child may have lost the registration, so a refusal gets one more try.
    pub(super) fn interrupt_all() -> bool {
        issue() || (register() && issue())
    }

    fn register() -> bool {
        membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)
    }

    fn issue() -> bool {
        membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED)
    }

    fn membarrier(command: libc::c_int) -> bool {
        // SAFETY: `membarrier` takes a command and two numbers and touches no memory of ours; a kernel or a
        // sandbox that does not know it answers with an error.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    }
}

#[cfg(all(windows, not(any(miri, pool_loom))))]
mod system {
    // Safe to call: the signature is as the system documents it: no arguments, no result, and it may be called at any time.
    #[link(name = "kernel32")]
    unsafe extern "system" {
        /// "Flushes the write queue of each processor that is running a thread of the current process."
        safe fn FlushProcessWriteBuffers();
    }

    pub(super) fn available() -> bool {
        true
    }

    pub(super) fn interrupt_all() -> bool {
        FlushProcessWriteBuffers();
        true
    }
}
