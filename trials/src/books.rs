//! Items whose lives are booked, and user code that panics when its fuse has burnt down.

use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};

/// What user code panics with when an input wants it to.
#[derive(Debug)]
pub struct Planned;

/// Panics at a call that is chosen beforehand.
#[derive(Debug, Default)]
pub(crate) struct Fuse(AtomicUsize);

impl Fuse {
    /// The `count`-th call from now on panics; 0 for none.
    pub(crate) fn set(&self, count: usize) {
        self.0.store(count, Ordering::Relaxed);
    }

    pub(crate) fn tick(&self) {
        let before = self.0.load(Ordering::Relaxed);
        self.set(before.saturating_sub(1));
        // A second panic while unwinding would end the process, whatever the crates do.
        if before == 1 && !std::thread::panicking() {
            panic::panic_any(Planned);
        }
    }
}

/// Runs user code that may panic as planned, and says with `None` that it did. Other panics go on.
pub(crate) fn planned<R>(f: impl FnOnce() -> R) -> Option<R> {
    // Nothing is printed for planned ones; and the fuzzer's own hook, which ends the process, is not asked.
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

/// Which items were made, and which of them live.
#[derive(Clone, Debug, Default)]
pub(crate) struct Books(Arc<Entries>);

#[derive(Debug, Default)]
struct Entries {
    alive: Mutex<Vec<bool>>,
    drop: Fuse,
}

impl Books {
    pub(crate) fn item(&self) -> Item {
        let mut alive = self.0.alive.lock().unwrap_or_else(PoisonError::into_inner);
        alive.push(true);
        Item {
            number: Box::new(alive.len() - 1),
            books: self.clone(),
        }
    }

    /// How many were made.
    pub(crate) fn made(&self) -> usize {
        self.0.alive.lock().unwrap().len()
    }

    /// How many live.
    pub(crate) fn alive(&self) -> usize {
        self.0
            .alive
            .lock()
            .unwrap()
            .iter()
            .filter(|alive| **alive)
            .count()
    }

    pub(crate) fn is_alive(&self, number: usize) -> bool {
        self.0.alive.lock().unwrap()[number]
    }

    /// Burns down with each item that is dropped.
    pub(crate) fn drop_fuse(&self) -> &Fuse {
        &self.0.drop
    }
}

/// An item of the [`Books`]. Its number is boxed so that sanitizers see misuse.
#[derive(Debug)]
pub(crate) struct Item {
    number: Box<usize>,
    books: Books,
}

impl Item {
    pub(crate) fn number(&self) -> usize {
        *self.number
    }
}

impl PartialEq for Item {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        let entries = &self.books.0;
        let was = {
            let mut alive = entries.alive.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut alive[*self.number], false)
        };
        if !was {
            eprintln!("item {} was dropped twice", self.number);
            std::process::abort();
        }
        entries.drop.tick();
    }
}
