//! Panics of user code that have to wait until everything in hand is where it belongs.

use core::mem;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// The first panic of several calls. The others are forgotten: their destructors may panic in turn.
#[must_use = "a panic goes on in `resume`"]
pub(crate) struct Deferred(Option<Box<dyn Any + Send>>);

impl Deferred {
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// Makes a call, and catches its panic. Nothing may be held, so that nobody sees anything half-done.
    pub(crate) fn call(&mut self, call: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(call)) {
            if self.0.is_none() {
                self.0 = Some(payload);
            } else {
                mem::forget(payload);
            }
        }
    }

    /// Whether a call has panicked.
    pub(crate) fn is_due(&self) -> bool {
        self.0.is_some()
    }

    /// Lets the first panic go on.
    pub(crate) fn resume(self) {
        if let Some(payload) = self.0 {
            resume_unwind(payload);
        }
    }
}
