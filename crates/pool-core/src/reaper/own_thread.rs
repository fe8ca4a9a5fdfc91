//! The thread inherits nothing from the thread that starts it. A new thread starts with its creator's processors,
//! scheduling policy and signal mask, and the creator is any thread that makes a pool, or, in a forked child, any that
//! uses one.

#[cfg(all(unix, not(miri)))]
pub(super) use imp::{Quiet, settle};

#[cfg(not(all(unix, not(miri))))]
pub(super) use nothing::{Quiet, settle};

#[cfg(all(unix, not(miri)))]
mod imp {
    use core::mem::MaybeUninit;
    use core::ptr;

    /// Signals that a thread causes by what it does itself. Some programs live by them, and a user's destructor may run
    /// on the reaper's thread.
    const OWN: [libc::c_int; 6] = [
        libc::SIGSEGV,
        libc::SIGBUS,
        libc::SIGFPE,
        libc::SIGILL,
        libc::SIGTRAP,
        libc::SIGSYS,
    ];

    /// While this lives the calling thread takes none of the process's signals, and so a thread that it starts never
    /// does: some programs wait for a signal that each of their own threads blocks.
    pub(in super::super) struct Quiet {
        before: libc::sigset_t,
    }

    impl Quiet {
        /// `None` if the system refuses.
        pub(in super::super) fn new() -> Option<Self> {
            let mut signals = MaybeUninit::<libc::sigset_t>::uninit();
            let mut before = MaybeUninit::<libc::sigset_t>::uninit();
            // SAFETY: there is room for a set.
            unsafe { libc::sigfillset(signals.as_mut_ptr()) };
            for signal in OWN {
                // SAFETY: the set has been made.
                unsafe { libc::sigdelset(signals.as_mut_ptr(), signal) };
            }
            // SAFETY: the first set has been made; there is room for the second.
            let refused = unsafe {
                libc::pthread_sigmask(libc::SIG_BLOCK, signals.as_ptr(), before.as_mut_ptr())
            };
            (refused == 0).then(|| Self {
                // SAFETY: the call has written it.
                before: unsafe { before.assume_init() },
            })
        }
    }

    impl Drop for Quiet {
        fn drop(&mut self) {
            // SAFETY: the set is the one that was there before.
            unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.before, ptr::null_mut()) };
        }
    }

    /// Called by the new thread. What the system refuses stays as it was: then the thread is slower or faster than it
    /// should be, and does its work.
    pub(in super::super) fn settle() {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        {
            // A real-time thread would run before the program's own. The kernel's structure of parameters is one number.
            let priority: libc::c_int = 0;
            // By number: musl's function of this name always fails.
            // SAFETY: 0 is the calling thread, and the number is there.
            unsafe {
                libc::syscall(
                    libc::SYS_sched_setscheduler,
                    0,
                    libc::SCHED_OTHER,
                    &raw const priority,
                )
            };
            // Where the process's first thread may run: a program is confined by confining that one. 1,024 bytes are
            // 8,192 processors.
            let mut processors = [0_u64; 128];
            let bytes = size_of_val(&processors);
            let room = processors.as_mut_ptr();
            // SAFETY: has no requirements.
            let first = unsafe { libc::getpid() };
            // SAFETY: there is room for so many bytes.
            let found = unsafe { libc::sched_getaffinity(first, bytes, room.cast()) };
            if found == 0 {
                // SAFETY: so many bytes have been written; 0 is the calling thread.
                unsafe { libc::sched_setaffinity(0, bytes, room.cast()) };
            }
        }
    }
}

/// Without the system's calls.
#[cfg(not(all(unix, not(miri))))]
mod nothing {
    pub(in super::super) struct Quiet;

    impl Quiet {
        pub(in super::super) fn new() -> Option<Self> {
            Some(Self)
        }
    }

    pub(in super::super) fn settle() {}
}
