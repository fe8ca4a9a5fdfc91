//! Readers that remember: one load to see that nothing has changed.

use std::fmt;
use std::mem;
use std::ptr;

use crate::env::Arc;
use crate::value::AtomicValue;

/// What a reader loaded last.
struct Cached<T>(Option<Arc<T>>);

impl<T> Cached<T> {
    #[inline]
    fn load(&mut self, source: &AtomicValue<T>) -> Option<&T> {
        // We hold what is at that address, so nothing else can be there (C1).
        let current = self
            .0
            .as_ref()
            .is_some_and(|held| ptr::eq(Arc::as_ptr(held), source.address()));
        if !current {
            self.refresh(source);
        }
        self.0.as_deref()
    }

    /// Loads anew, unless there is nothing to load.
    #[cold]
    fn refresh(&mut self, source: &AtomicValue<T>) {
        if self.0.is_none() && source.address().is_null() {
            return;
        }
        let old = mem::replace(&mut self.0, source.load_arc());
        // May run a destructor, which finds us complete.
        drop(old);
    }
}

/// A reader of an [`AtomicValue`] that keeps what it loaded, made by [`AtomicValue::reader`].
///
/// As long as nothing new is stored, [`load`](Self::load) costs one acquire load, and readers share no memory
/// that any of them writes. That is for the worker that looks at its configuration for every request.
///
/// A reader keeps the value that it loaded last alive until it loads again. One that rests for long should
/// [`release`](Self::release) it.
///
/// ```
/// use atomic_value::AtomicValue;
///
/// static LIMIT: AtomicValue<usize> = AtomicValue::empty();
/// LIMIT.store(10);
///
/// let mut limit = LIMIT.reader();
/// assert_eq!(limit.load(), Some(&10));
/// LIMIT.store(20);
/// assert_eq!(limit.load(), Some(&20));
/// ```
pub struct Reader<'a, T> {
    source: &'a AtomicValue<T>,
    cached: Cached<T>,
}

impl<'a, T> Reader<'a, T> {
    pub(crate) fn new(source: &'a AtomicValue<T>) -> Self {
        Self {
            source,
            cached: Cached(source.load_arc()),
        }
    }

    /// What is stored now, or `None` if the value is empty.
    ///
    /// Wait-free. One acquire load if nothing was stored since the last call; otherwise
    /// [`AtomicValue::load_arc`], and the old value is dropped here if this reader was the last to hold it.
    ///
    /// Never older than what this thread has seen already, be it by a reader or by any other load.
    #[inline]
    pub fn load(&mut self) -> Option<&T> {
        self.cached.load(self.source)
    }

    /// Lets go of the value that it loaded last, until the next load.
    pub fn release(&mut self) {
        drop(self.cached.0.take());
    }

    /// The value that this reader reads.
    #[must_use]
    pub fn source(&self) -> &'a AtomicValue<T> {
        self.source
    }
}

impl<T> Clone for Reader<'_, T> {
    fn clone(&self) -> Self {
        Self {
            source: self.source,
            cached: Cached(self.cached.0.clone()),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Reader<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reader").field(&self.cached.0).finish()
    }
}

/// A [`Reader`] that owns a share of its source, made by [`AtomicValue::reader_owned`].
///
/// ```
/// use std::sync::Arc;
/// use std::thread;
/// use atomic_value::AtomicValue;
///
/// let limit = Arc::new(AtomicValue::new(10));
/// let mut reader = limit.reader_owned();
/// let worker = thread::spawn(move || reader.load().copied());
/// assert_eq!(worker.join().unwrap(), Some(10));
/// ```
pub struct OwnedReader<T> {
    source: std::sync::Arc<AtomicValue<T>>,
    cached: Cached<T>,
}

impl<T> OwnedReader<T> {
    pub(crate) fn new(source: std::sync::Arc<AtomicValue<T>>) -> Self {
        let cached = Cached(source.load_arc());
        Self { source, cached }
    }

    /// What is stored now, or `None` if the value is empty. See [`Reader::load`].
    #[inline]
    pub fn load(&mut self) -> Option<&T> {
        self.cached.load(&self.source)
    }

    /// Lets go of the value that it loaded last, until the next load.
    pub fn release(&mut self) {
        drop(self.cached.0.take());
    }

    /// The value that this reader reads.
    #[must_use]
    pub fn source(&self) -> &std::sync::Arc<AtomicValue<T>> {
        &self.source
    }
}

impl<T> Clone for OwnedReader<T> {
    fn clone(&self) -> Self {
        Self {
            source: std::sync::Arc::clone(&self.source),
            cached: Cached(self.cached.0.clone()),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for OwnedReader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnedReader").field(&self.cached.0).finish()
    }
}
