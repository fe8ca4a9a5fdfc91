//! The value that is never empty: `load` without an `Option`, and a first value that is made when it is needed.

use std::fmt;
use std::ops::Deref;

use crate::backend::Guard;
use crate::env::Arc;
use crate::error::CompareError;
use crate::projection::Projection;
use crate::reader::Cached;
use crate::sync::const_unless_loom;
use crate::value::AtomicValue;

/// An [`AtomicValue`] that is never empty: loads give the value and not an `Option`.
///
/// It holds a value from the start ([`new`](Self::new)), or makes its first value when that is needed
/// ([`lazy`](Self::lazy), which is `const` and so fit for a `static`).
///
/// ```
/// use atomic_value::NonEmptyValue;
///
/// static HOST: NonEmptyValue<String> = NonEmptyValue::lazy(|| "localhost".to_string());
///
/// assert_eq!(*HOST.load(), "localhost");
/// HOST.store("example.org".to_string());
/// assert_eq!(*HOST.load(), "example.org");
/// ```
///
/// # The first value
///
/// No thread waits for another that is making the first value, as threads do with `LazyLock`. Each thread that needs it
/// meanwhile makes one of its own; the one that finishes first stores it, and the others drop theirs and use that. So `first` may
/// run several times, also at the same time, and all loads agree on the value. It is not run if a value has been stored
/// before.
///
/// If `first` panics, so does the call that needed it, and nothing is stored. If it stores into the same value, what it stored is
/// the first value and what it returns is dropped. If it loads from the same value, it calls itself without end.
///
/// Otherwise progress, order and what user code may do are as for [`AtomicValue`].
pub struct NonEmptyValue<T, F = fn() -> T> {
    value: AtomicValue<T>,
    /// `None` if a value was there from the start.
    first: Option<F>,
}

impl<T> NonEmptyValue<T> {
    /// A value that holds `value`. Costs an allocation.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self::from(Arc::new(value))
    }
}

impl<T, F> NonEmptyValue<T, F> {
    const_unless_loom! {
        /// A value that holds what `first` returns, as soon as it is loaded. Allocates nothing until then.
        #[must_use]
        pub const fn lazy(first: F) -> Self {
            Self { value: AtomicValue::empty(), first: Some(first) }
        }
    }

    /// Replaces what is stored. Does not make a first value. See [`AtomicValue::store`].
    pub fn store(&self, value: T) {
        self.value.store(value);
    }

    /// As [`store`](Self::store), for a value that is in an `Arc` already.
    pub fn store_arc(&self, value: Arc<T>) {
        self.value.store_arc(value);
    }
}

impl<T, F: Fn() -> T> NonEmptyValue<T, F> {
    /// What is stored now. See [`AtomicValue::load`].
    ///
    /// Wait-free once there is a value; before that, makes one.
    #[inline]
    #[must_use]
    pub fn load(&self) -> Guard<T> {
        match self.value.load() {
            Some(guard) => guard,
            None => self.load_first(),
        }
    }

    #[cold]
    fn load_first(&self) -> Guard<T> {
        self.fill();
        self.value.load().expect(NEVER_EMPTY)
    }

    /// As [`load`](Self::load), but counted. See [`AtomicValue::load_arc`].
    #[must_use]
    pub fn load_arc(&self) -> Arc<T> {
        self.fill();
        self.value.load_arc().expect(NEVER_EMPTY)
    }

    /// Sees to it that there is a value. There is one from then on, for nothing here takes one out.
    fn fill(&self) {
        if self.value.is_empty() {
            let first = self.first.as_ref().expect(NEVER_EMPTY)();
            // Refused: another one is there. Ours is dropped.
            drop(self.value.compare_and_swap_ptr(None, Arc::new(first)));
        }
    }

    /// Replaces what is stored and returns what was. Makes a first value if there is none. See [`AtomicValue::swap`].
    pub fn swap(&self, value: T) -> Arc<T> {
        self.swap_arc(Arc::new(value))
    }

    /// As [`swap`](Self::swap), for a value that is in an `Arc` already.
    pub fn swap_arc(&self, value: Arc<T>) -> Arc<T> {
        self.fill();
        self.value.swap_arc(value).expect(NEVER_EMPTY)
    }

    /// Stores `new` if what is stored equals `current`, and returns what it replaced. See
    /// [`AtomicValue::compare_and_swap`].
    ///
    /// # Errors
    ///
    /// [`CompareError`], whose `current` is never `None` here.
    pub fn compare_and_swap(&self, current: &T, new: T) -> Result<Arc<T>, CompareError<T>>
    where
        T: PartialEq,
    {
        self.fill();
        let old = self.value.compare_and_swap(Some(current), new)?;
        Ok(old.expect(NEVER_EMPTY))
    }

    /// Stores `new` if what is stored *is* `current`, the same object, and returns what it replaced. See
    /// [`AtomicValue::compare_and_swap_ptr`].
    ///
    /// # Errors
    ///
    /// [`CompareError`], whose `current` is never `None` here.
    pub fn compare_and_swap_ptr(
        &self,
        current: &T,
        new: Arc<T>,
    ) -> Result<Arc<T>, CompareError<T, Arc<T>>> {
        self.fill();
        let old = self.value.compare_and_swap_ptr(Some(current), new)?;
        Ok(old.expect(NEVER_EMPTY))
    }

    /// Stores what `next` makes of what is stored, and returns what it replaced. See [`AtomicValue::update`].
    pub fn update(&self, mut next: impl FnMut(&T) -> T) -> Arc<T> {
        self.update_arc(|value| Arc::new(next(value)))
    }

    /// As [`update`](Self::update), but `next` may refuse: then nothing is stored.
    ///
    /// # Errors
    ///
    /// What `next` returned.
    pub fn try_update<E>(&self, mut next: impl FnMut(&T) -> Result<T, E>) -> Result<Arc<T>, E> {
        self.try_update_arc(|value| next(value).map(Arc::new))
    }

    /// As [`update`](Self::update), in `Arc`s: `next` may give one that exists already.
    pub fn update_arc(&self, mut next: impl FnMut(&Arc<T>) -> Arc<T>) -> Arc<T> {
        self.fill();
        let old = self
            .value
            .update_arc(|value| Some(next(value.expect(NEVER_EMPTY))));
        old.expect(NEVER_EMPTY)
    }

    /// As [`update_arc`](Self::update_arc), but `next` may refuse: then nothing is stored.
    ///
    /// # Errors
    ///
    /// What `next` returned.
    pub fn try_update_arc<E>(
        &self,
        mut next: impl FnMut(&Arc<T>) -> Result<Arc<T>, E>,
    ) -> Result<Arc<T>, E> {
        self.fill();
        let old = self
            .value
            .try_update_arc(|value| next(value.expect(NEVER_EMPTY)).map(Some))?;
        Ok(old.expect(NEVER_EMPTY))
    }

    /// A reader that keeps what it loaded and looks only whether it is still current. Makes a first value if there is none.
    #[must_use]
    pub fn reader(&self) -> NonEmptyReader<&Self, T> {
        NonEmptyReader::new(self)
    }

    /// As [`reader`](Self::reader), for a value in an `Arc` (the standard library's): the reader can go wherever it is
    /// needed.
    #[must_use]
    pub fn reader_owned(self: &std::sync::Arc<Self>) -> NonEmptyReader<std::sync::Arc<Self>, T> {
        NonEmptyReader::new(std::sync::Arc::clone(self))
    }

    /// What is stored, taken out of a value that nobody else uses any more. Makes a first value if there is none.
    #[must_use]
    pub fn into_inner(self) -> Arc<T> {
        self.fill();
        self.value.into_inner().expect(NEVER_EMPTY)
    }
}

const NEVER_EMPTY: &str = "a value that was filled is never empty again";

impl<T> From<Arc<T>> for NonEmptyValue<T> {
    fn from(value: Arc<T>) -> Self {
        Self {
            value: AtomicValue::from(value),
            first: None,
        }
    }
}

impl<T, F> From<NonEmptyValue<T, F>> for AtomicValue<T> {
    /// Empty, if the first value has not been made.
    fn from(value: NonEmptyValue<T, F>) -> Self {
        value.value
    }
}

impl<T: Default> Default for NonEmptyValue<T> {
    /// Makes `T`'s default when it is needed.
    fn default() -> Self {
        Self::lazy(T::default)
    }
}

impl<T: fmt::Debug, F> fmt::Debug for NonEmptyValue<T, F> {
    /// Makes no first value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NonEmptyValue")
            .field(&self.value.load())
            .finish()
    }
}

/// A reader of a [`NonEmptyValue`] that keeps what it loaded, made by [`NonEmptyValue::reader`] and
/// [`NonEmptyValue::reader_owned`]. `S` is how it refers to the value: a reference or an `Arc`.
///
/// As [`Reader`](crate::Reader) in all else.
///
/// ```
/// use atomic_value::NonEmptyValue;
///
/// static LIMITS: NonEmptyValue<(u32, u32)> = NonEmptyValue::lazy(|| (10, 20));
///
/// let mut upper = LIMITS.reader().map(|limits| &limits.1);
/// assert_eq!(*upper.load(), 20);
/// LIMITS.store((10, 30));
/// assert_eq!(*upper.load(), 30);
/// ```
pub struct NonEmptyReader<S, T> {
    source: S,
    cached: Cached<T>,
}

impl<S, T, F> NonEmptyReader<S, T>
where
    S: Deref<Target = NonEmptyValue<T, F>>,
    F: Fn() -> T,
{
    fn new(source: S) -> Self {
        // Filled before the first load, and never empty again.
        let held = Some(source.load_arc());
        Self {
            source,
            cached: Cached::new(held),
        }
    }

    /// What is stored now. See [`Reader::load`](crate::Reader::load).
    #[inline]
    pub fn load(&mut self) -> &T {
        self.cached.load(&self.source.value).expect(NEVER_EMPTY)
    }

    /// Lets go of the value that it loaded last, until the next load.
    pub fn release(&mut self) {
        self.cached.forget();
    }

    /// Turns the reader into one of a part of the value. See [`Reader::map`](crate::Reader::map).
    #[must_use]
    pub fn map<U: ?Sized, P: Fn(&T) -> &U>(self, project: P) -> Projection<Self, P> {
        Projection::new(self, project)
    }

    /// The value that this reader reads.
    #[must_use]
    pub fn source(&self) -> &S {
        &self.source
    }
}

impl<S, T, F, P> Projection<NonEmptyReader<S, T>, P>
where
    S: Deref<Target = NonEmptyValue<T, F>>,
    F: Fn() -> T,
{
    /// The part of what is stored now. See [`Reader::load`](crate::Reader::load).
    #[inline]
    pub fn load<U: ?Sized>(&mut self) -> &U
    where
        P: Fn(&T) -> &U,
    {
        (self.project)(self.reader.load())
    }

    /// Lets go of the value that it loaded last, until the next load.
    pub fn release(&mut self) {
        self.reader.release();
    }
}

impl<S: Clone, T> Clone for NonEmptyReader<S, T> {
    fn clone(&self) -> Self {
        Self {
            source: self.source.clone(),
            cached: self.cached.clone(),
        }
    }
}

impl<S, T: fmt::Debug> fmt::Debug for NonEmptyReader<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NonEmptyReader")
            .field(&self.cached.get())
            .finish()
    }
}
