//! A cell of a `Weak`: for caches and registries that keep nothing alive.

use std::fmt;
use std::sync::{Arc, Weak};

use crate::sync::const_unless_loom;
use crate::value::AtomicValue;

/// A cell that holds a [`Weak`], which any thread reads and any thread replaces.
///
/// It keeps nothing alive: when the last `Arc` goes, the value is dropped, and [`upgrade`](Self::upgrade) finds nothing. The
/// memory of the value goes when the cell is stored to as well, as for any `Weak`.
///
/// ```
/// use std::sync::Arc;
/// use atomic_value::WeakValue;
///
/// static SESSION: WeakValue<String> = WeakValue::empty();
///
/// let session = Arc::new("guest".to_string());
/// SESSION.store(Arc::downgrade(&session));
/// assert_eq!(SESSION.upgrade().as_deref().map(String::as_str), Some("guest"));
/// drop(session);
/// assert!(SESSION.upgrade().is_none());
/// ```
///
/// # Cost
///
/// An [`AtomicValue`] of a `Weak`, so that there is one protocol for all: a store allocates two words and the counters of an `Arc`, and a
/// load follows another pointer. Progress and order are those of [`AtomicValue`].
pub struct WeakValue<T: ?Sized> {
    value: AtomicValue<Weak<T>>,
}

impl<T: ?Sized> WeakValue<T> {
    const_unless_loom! {
        /// A cell whose `Weak` refers to nothing, fit for a `static`. Allocates nothing.
        #[must_use]
        pub const fn empty() -> Self {
            Self { value: AtomicValue::empty() }
        }
    }

    /// A cell that holds `value`. Costs an allocation.
    #[must_use]
    pub fn new(value: Weak<T>) -> Self {
        Self {
            value: AtomicValue::new(value),
        }
    }

    /// What the stored `Weak` refers to, if that is still there. Wait-free but for [`Weak::upgrade`], which is lock-free.
    #[must_use]
    pub fn upgrade(&self) -> Option<Arc<T>> {
        self.value.load()?.upgrade()
    }

    /// The stored `Weak`; `None` if none was stored. Wait-free.
    #[must_use]
    pub fn load(&self) -> Option<Weak<T>> {
        self.value.load().map(|weak| Weak::clone(&weak))
    }

    /// Replaces what is stored. See [`AtomicValue::store`].
    pub fn store(&self, value: Weak<T>) {
        self.value.store(value);
    }

    /// Replaces what is stored and returns what was.
    pub fn swap(&self, value: Weak<T>) -> Option<Weak<T>> {
        self.value.swap(value).map(|old| Weak::clone(&old))
    }

    /// Empties the cell and returns what was stored.
    pub fn take(&self) -> Option<Weak<T>> {
        self.value.take().map(|old| Weak::clone(&old))
    }

    /// Stores `new` if what is stored refers to the same object as `current` ([`Weak::ptr_eq`]), or if nothing is stored and
    /// `current` is `None`. Returns what it replaced.
    ///
    /// Lock-free, apart from the wait of every replacement.
    ///
    /// # Errors
    ///
    /// The `Weak` that is there instead, if one is, and `new`.
    #[expect(
        clippy::type_complexity,
        reason = "what is there, and what was not stored"
    )]
    pub fn compare_and_swap(
        &self,
        current: Option<&Weak<T>>,
        new: Weak<T>,
    ) -> Result<Option<Weak<T>>, (Option<Weak<T>>, Weak<T>)> {
        let mut seen = self.value.load();
        loop {
            let same = match (seen.as_deref(), current) {
                (None, None) => true,
                (Some(seen), Some(current)) => seen.ptr_eq(current),
                _ => false,
            };
            if !same {
                return Err((seen.map(|seen| Weak::clone(&seen)), new));
            }
            let stored = crate::env::Arc::new(Weak::clone(&new));
            match self.value.compare_and_swap_ptr(seen.as_deref(), stored) {
                Ok(_) => return Ok(seen.map(|seen| Weak::clone(&seen))),
                Err(refused) => seen = refused.current,
            }
        }
    }
}

impl<T: ?Sized> Default for WeakValue<T> {
    /// The empty cell.
    fn default() -> Self {
        Self::empty()
    }
}

impl<T: ?Sized> From<Weak<T>> for WeakValue<T> {
    fn from(value: Weak<T>) -> Self {
        Self::new(value)
    }
}

impl<T: ?Sized> From<&Arc<T>> for WeakValue<T> {
    fn from(value: &Arc<T>) -> Self {
        Self::new(Arc::downgrade(value))
    }
}

impl<T: ?Sized> fmt::Debug for WeakValue<T> {
    /// Says whether the value is still there; it need not be printable.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakValue")
            .field("alive", &self.upgrade().is_some())
            .finish()
    }
}
