//! User code that panics at its k-th call, and values whose destructors do. The same file in pool-dequeue and pool-chain.
// Each of them uses the part that it needs.
#![allow(dead_code)]

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::sync::Once;

/// What user code panics with when a test wants it to.
struct Planned;

/// Runs user code that may panic as planned, and says with `None` that it did. Other panics go on.
pub(crate) fn planned<R>(f: impl FnOnce() -> R) -> Option<R> {
    // Quiet for planned panics only.
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !info.payload().is::<Planned>() {
                loud(info);
            }
        }));
    });
    match panic::catch_unwind(AssertUnwindSafe(f)) {
        Ok(result) => Some(result),
        Err(payload) if payload.is::<Planned>() => None,
        Err(payload) => panic::resume_unwind(payload),
    }
}

/// Panics at a call that is chosen beforehand.
#[derive(Clone, Default)]
pub(crate) struct Fuse(Rc<Cell<usize>>);

impl Fuse {
    /// The `count`-th call from now on panics; 0 for none. None where a panic ends the process.
    pub(crate) fn set(&self, count: usize) {
        self.0.set(if cfg!(panic = "unwind") { count } else { 0 });
    }

    pub(crate) fn tick(&self) {
        let before = self.0.get();
        self.0.set(before.saturating_sub(1));
        // A second panic while unwinding would end the process, whatever the crate does.
        if before == 1 && !std::thread::panicking() {
            panic::panic_any(Planned);
        }
    }
}

/// Puts a fuse out at the end: a test that has failed shall tell of its failure, not of a planned panic after it.
pub(crate) struct PutOut(pub(crate) Fuse);

impl Drop for PutOut {
    fn drop(&mut self) {
        self.0.set(0);
    }
}

/// A value that says how many there are of it, and may panic when it is dropped.
pub(crate) struct Value {
    number: Rc<usize>,
    fuse: Fuse,
}

impl Value {
    pub(crate) fn number(&self) -> usize {
        *self.number
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        self.fuse.tick();
    }
}

/// The values made. One handle to each stays here and tells whether the other was dropped once.
#[derive(Default)]
pub(crate) struct Witnesses {
    numbers: Vec<Rc<usize>>,
    /// Burns down with each value dropped.
    pub(crate) drop: Fuse,
}

impl Witnesses {
    pub(crate) fn make(&mut self) -> Value {
        let number = Rc::new(self.numbers.len());
        self.numbers.push(number.clone());
        Value {
            number,
            fuse: self.drop.clone(),
        }
    }

    /// One that nobody watches, and that never panics.
    pub(crate) fn unseen() -> Value {
        Value {
            number: Rc::new(0),
            fuse: Fuse::default(),
        }
    }

    pub(crate) fn made(&self) -> usize {
        self.numbers.len()
    }

    /// How many handles there are to a value, with ours: one when it was dropped, two while it lives.
    pub(crate) fn handles(&self, number: usize) -> usize {
        Rc::strong_count(&self.numbers[number])
    }

    /// Ends the life of a value that was forgotten on purpose, so that leak checkers stay useful.
    ///
    /// # Safety
    ///
    /// The value was forgotten, and nobody can reach it.
    pub(crate) unsafe fn bury(&self, number: usize) {
        // SAFETY: the forgotten value owned one count, and nobody else can reach it (caller's).
        unsafe { Rc::decrement_strong_count(Rc::as_ptr(&self.numbers[number])) };
        // SAFETY: as above.
        unsafe { Rc::decrement_strong_count(Rc::as_ptr(&self.drop.0)) };
    }
}
