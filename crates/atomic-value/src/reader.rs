//! Readers that remember: one load to see that nothing has changed.

use std::fmt;
use std::marker::PhantomData;
use std::mem::{self, ManuallyDrop};
use std::ptr;

use crate::env::Arc;
use crate::projection::Projection;
use crate::value::AtomicValue;

/// What a reader loaded last: the raw form of an `Option<Arc<T>>`, so that a look compares two words.
pub(crate) struct Cached<T> {
    /// Made by `Arc::into_raw`, and one count is ours; null for none.
    seen: *const T,
    _held: PhantomData<Arc<T>>,
}

// SAFETY: as an `Arc<T>`, which is what it is.
unsafe impl<T: Send + Sync> Send for Cached<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Cached<T> {}

impl<T> Cached<T> {
    pub(crate) fn new(held: Option<Arc<T>>) -> Self {
        Self {
            seen: held.map_or(ptr::null(), Arc::into_raw),
            _held: PhantomData,
        }
    }

    #[inline]
    pub(crate) fn get(&self) -> Option<&T> {
        // SAFETY: null, or the value that we hold and do not let go of while it is borrowed from us.
        unsafe { self.seen.as_ref() }
    }

    #[inline]
    pub(crate) fn load(&mut self, source: &AtomicValue<T>) -> Option<&T> {
        // We hold what is at that address, so nothing else can be there (C1).
        if !ptr::eq(self.seen, source.address()) {
            // By value and not through `&mut self`, so that the reader can stay in registers.
            let old = mem::replace(self, Self::anew(source));
            // May run a destructor, which finds us complete.
            old.release();
        }
        self.get()
    }

    #[cold]
    #[inline(never)]
    fn anew(source: &AtomicValue<T>) -> Self {
        Self::new(source.load_arc())
    }

    /// Lets go of the value, until the next load.
    pub(crate) fn forget(&mut self) {
        // May run a destructor, which finds us complete.
        mem::replace(self, Self::new(None)).release();
    }

    /// Lets go of the value.
    #[cold]
    #[inline(never)]
    fn release(self) {}
}

impl<T> Drop for Cached<T> {
    fn drop(&mut self) {
        if !self.seen.is_null() {
            // SAFETY: from `into_raw`, and the count is ours to give up, once.
            drop(unsafe { Arc::from_raw(self.seen) });
        }
    }
}

impl<T> Clone for Cached<T> {
    fn clone(&self) -> Self {
        if self.seen.is_null() {
            return Self::new(None);
        }
        // SAFETY: from `into_raw`; the count stays ours, because this one is never dropped.
        let held = ManuallyDrop::new(unsafe { Arc::from_raw(self.seen) });
        Self::new(Some(Arc::clone(&held)))
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
            cached: Cached::new(source.load_arc()),
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
        self.cached.forget();
    }

    /// Turns the reader into one of a part of the value.
    ///
    /// ```
    /// use atomic_value::AtomicValue;
    ///
    /// struct Limits { requests: u32 }
    /// struct Config { limits: Limits }
    ///
    /// let config = AtomicValue::new(Config { limits: Limits { requests: 10 } });
    /// let mut limits = config.reader().map(|config| &config.limits);
    /// assert_eq!(limits.load().map(|limits| limits.requests), Some(10));
    /// ```
    #[must_use]
    pub fn map<U: ?Sized, F: Fn(&T) -> &U>(self, project: F) -> Projection<Self, F> {
        Projection::new(self, project)
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
            cached: self.cached.clone(),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Reader<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reader").field(&self.cached.get()).finish()
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
        let cached = Cached::new(source.load_arc());
        Self { source, cached }
    }

    /// What is stored now, or `None` if the value is empty. See [`Reader::load`].
    #[inline]
    pub fn load(&mut self) -> Option<&T> {
        self.cached.load(&self.source)
    }

    /// Lets go of the value that it loaded last, until the next load.
    pub fn release(&mut self) {
        self.cached.forget();
    }

    /// Turns the reader into one of a part of the value. See [`Reader::map`].
    #[must_use]
    pub fn map<U: ?Sized, F: Fn(&T) -> &U>(self, project: F) -> Projection<Self, F> {
        Projection::new(self, project)
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
            cached: self.cached.clone(),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for OwnedReader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnedReader")
            .field(&self.cached.get())
            .finish()
    }
}
