//! Stops a thread at a place of the test's choosing: inside of its next allocation, which may be one that the pool
//! makes while it holds a claim or a cache; or, by a signal, wherever it is.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Catches one thread.
#[derive(Debug)]
pub(crate) struct Trap {
    caught: AtomicBool,
    released: AtomicBool,
}

thread_local! {
    static ARMED: Cell<Option<&'static Trap>> = const { Cell::new(None) };
}

impl Trap {
    pub(crate) fn new() -> &'static Self {
        Box::leak(Box::new(Self {
            caught: AtomicBool::new(false),
            released: AtomicBool::new(false),
        }))
    }

    /// The calling thread's next allocation stops it.
    pub(crate) fn arm(&'static self) {
        ARMED.set(Some(self));
    }

    /// Disarms a trap that has not caught the calling thread; says whether it has.
    pub(crate) fn disarm(&self) -> bool {
        ARMED.take().is_none()
    }

    /// Stays here until released.
    pub(crate) fn hold(&self) {
        self.caught.store(true, Ordering::Release);
        while !self.released.load(Ordering::Acquire) {
            thread::yield_now();
        }
    }

    /// Waits for the thread to be caught.
    pub(crate) fn wait(&self) {
        let start = Instant::now();
        while !self.caught.load(Ordering::Acquire) {
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "the trap has caught nobody"
            );
            thread::yield_now();
        }
    }

    pub(crate) fn release(&self) {
        self.released.store(true, Ordering::Release);
    }
}

/// Runs `check` while another thread is stopped in an allocation that `work` makes, and lets it go on after.
/// `prepare` runs on that thread before the trap is armed.
pub(crate) fn while_stopped<P, R>(
    prepare: impl FnOnce() -> P + Send,
    work: impl FnOnce(P) + Send,
    check: impl FnOnce() -> R,
) -> R {
    let trap = Trap::new();
    thread::scope(|scope| {
        let stopped = scope.spawn(move || {
            let prepared = prepare();
            trap.arm();
            work(prepared);
            assert!(trap.disarm(), "it allocated nothing");
        });
        /// Releases also when the check has failed.
        struct Release(&'static Trap);
        impl Drop for Release {
            fn drop(&mut self) {
                self.0.release();
            }
        }
        let release = Release(trap);
        trap.wait();
        let result = check();
        drop(release);
        stopped.join().unwrap();
        result
    })
}

/// The system's allocator with a trap in it.
pub(crate) struct Trapping;

impl Trapping {
    fn pass() {
        if let Ok(Some(trap)) = ARMED.try_with(Cell::take) {
            trap.hold();
        }
    }
}

// SAFETY: passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Trapping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::pass();
        // SAFETY: the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// Stops threads by a signal.
#[cfg(target_os = "linux")]
pub(crate) mod signal {
    use std::ptr;
    use std::sync::Once;
    use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
    use std::sync::mpsc::channel;
    use std::thread;

    use super::Trap;

    /// For the handler. One test at a time uses it.
    static TRAP: AtomicPtr<Trap> = AtomicPtr::new(ptr::null_mut());

    extern "C" fn handle(_signal: libc::c_int) {
        // SAFETY: null or a leaked trap.
        if let Some(trap) = unsafe { TRAP.load(Ordering::Acquire).as_ref() } {
            trap.hold();
        }
    }

    /// A thread that can be stopped anywhere.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Target(libc::pthread_t);

    impl Target {
        /// The calling thread.
        pub(crate) fn this() -> Self {
            static HANDLER: Once = Once::new();
            HANDLER.call_once(|| {
                let handler = handle as extern "C" fn(libc::c_int) as libc::sighandler_t;
                // SAFETY: the handler does nothing but read and write atomics, and yield.
                let old = unsafe { libc::signal(libc::SIGUSR2, handler) };
                assert_ne!(old, libc::SIG_ERR);
            });
            // SAFETY: has no requirements.
            Self(unsafe { libc::pthread_self() })
        }

        /// Stops the thread wherever it is. It must not have ended.
        pub(crate) fn stop(self) -> &'static Trap {
            let trap = Trap::new();
            TRAP.store(ptr::from_ref(trap).cast_mut(), Ordering::Release);
            // SAFETY: the thread exists (caller's), and has a handler.
            assert_eq!(unsafe { libc::pthread_kill(self.0, libc::SIGUSR2) }, 0);
            trap.wait();
            trap
        }
    }

    /// Runs `check` beside a thread that has done `prepare`, and does `step` over and over until the check has ended.
    pub(crate) fn while_running(
        prepare: impl FnOnce() + Send,
        mut step: impl FnMut() + Send,
        check: impl FnOnce(Target),
    ) {
        /// Ends the thread also when the check has failed.
        struct Stop<'a>(&'a AtomicBool);
        impl Drop for Stop<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let stop = &stop;
            let (send, target) = channel();
            scope.spawn(move || {
                prepare();
                send.send(Target::this()).unwrap();
                while !stop.load(Ordering::Relaxed) {
                    step();
                }
            });
            let target = target.recv().unwrap();
            let _stop = Stop(stop);
            check(target);
        });
    }
}
