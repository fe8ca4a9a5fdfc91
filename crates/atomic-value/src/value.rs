//! The typed value: Go's `atomic.Value` for one `T`, with what `Arc` adds to it.

use std::convert::Infallible;
use std::fmt;
use std::ptr;

use crate::backend::{Guard, Slot};
use crate::env::Arc;
use crate::error::CompareError;
use crate::reader::{OwnedReader, Reader};
use crate::replacement::Replacement;
use crate::sync::const_unless_loom;

/// A value that any thread reads and any thread replaces, whole.
///
/// It is empty, or holds one `T` behind an [`Arc`]. Stored values are never changed, only replaced:
/// a [`Guard`] shows one version, from the first field to the last, for as long as it lives, and the old
/// version is dropped as soon as nobody looks at it any more.
///
/// ```
/// use atomic_value::AtomicValue;
///
/// static LEVEL: AtomicValue<String> = AtomicValue::empty();
///
/// assert!(LEVEL.load().is_none());
/// LEVEL.store("info".to_string());
/// let seen = LEVEL.load().unwrap();
/// LEVEL.store("debug".to_string());
/// assert_eq!(*seen, "info"); // stays what it was
/// assert_eq!(*LEVEL.load().unwrap(), "debug");
/// ```
///
/// # Progress and order
///
/// Loads are wait-free; only a thread's first may have to allocate, and to try again when other threads have their
/// first at the same time. A store, swap or compare-and-swap that replaces a value waits for the threads that
/// are at that moment in the middle of a load *from the same value*; that takes them a few instructions, or a
/// time slice if they are preempted there. Should a thread stay there for more than a second (stopped by a
/// debugger), the wait ends and the old value is leaked. The child of a fork waits for no thread that it has lost. Nothing else waits, and no operation
/// may be called from a signal handler. If the system takes the barrier away that loads rest on (a sandbox begins), stores leak
/// what they replace until each thread that has loaded before has loaded once more, or ended.
///
/// A store happens before a load that returns what it stored. All stores to one value have one order that
/// every thread agrees on; between two values there is no such promise.
///
/// # User code
///
/// `PartialEq`, the closures of the updates, and destructors run when no lock is held and nothing is half
/// done. They may use the same `AtomicValue`, and they may panic: the value then holds what it held before,
/// or, if it was an old value's destructor, the new one.
pub struct AtomicValue<T> {
    slot: Slot<T>,
}

impl<T> AtomicValue<T> {
    const_unless_loom! {
        /// An empty value, fit for a `static`. Allocates nothing.
        ///
        /// ```
        /// static HOST: atomic_value::AtomicValue<String> = atomic_value::AtomicValue::empty();
        /// assert!(HOST.is_empty());
        /// ```
        #[must_use]
        pub const fn empty() -> Self {
            Self { slot: Slot::empty() }
        }
    }

    /// A value that holds `value`. Costs an allocation.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self::from(Arc::new(value))
    }

    /// What is stored now, or `None` if the value is empty.
    ///
    /// Wait-free. Where there is an asymmetric barrier (`pool-gate`), costs plain loads and stores, here and when the guard
    /// is dropped; elsewhere, and while the value is stored to many times in a millisecond, a full fence here and a
    /// compare-exchange there. None of them touches a line that other readers write. To have the barrier from the first load on, call
    /// `pool_gate::register` in `main`. For a thread that loads over and over there is [`reader`](Self::reader), which
    /// needs less.
    ///
    /// Go: `Value.Load`.
    #[inline]
    #[must_use]
    pub fn load(&self) -> Option<Guard<T>> {
        self.slot.load()
    }

    /// As [`load`](Self::load), but counted: for values that are kept for long, or of which a thread holds
    /// many.
    ///
    /// Wait-free. Readers of one value then contend for its reference count.
    #[must_use]
    pub fn load_arc(&self) -> Option<Arc<T>> {
        self.slot.load_arc()
    }

    /// Replaces what is stored.
    ///
    /// Costs an allocation and a walk over one record for every thread that has ever loaded at the same time
    /// as others. The old value is dropped here if nobody looks at it. If its destructor panics, so does this
    /// call, and the new value is stored all the same.
    ///
    /// Go: `Value.Store`; `None` cannot be stored, see [`take`](Self::take).
    pub fn store(&self, value: T) {
        self.store_arc(Arc::new(value));
    }

    /// As [`store`](Self::store), for a value that is in an `Arc` already.
    pub fn store_arc(&self, value: Arc<T>) {
        drop(self.swap_arc(value));
    }

    /// Replaces what is stored and returns what was.
    ///
    /// Costs what [`store`](Self::store) does. Guards may still show the old value; without any,
    /// `Arc::into_inner` gets it out of the `Arc`.
    ///
    /// Go: `Value.Swap`.
    pub fn swap(&self, value: T) -> Option<Arc<T>> {
        self.swap_arc(Arc::new(value))
    }

    /// As [`swap`](Self::swap), for a value that is in an `Arc` already.
    pub fn swap_arc(&self, value: Arc<T>) -> Option<Arc<T>> {
        self.slot.swap(Some(value))
    }

    /// Empties the value and returns what was stored.
    ///
    /// Go has no such operation: there a value, once stored, is never empty again.
    pub fn take(&self) -> Option<Arc<T>> {
        self.slot.swap(None)
    }

    /// Stores `new` if what is stored equals `current`; `None` stands for the empty value. Returns what it
    /// replaced.
    ///
    /// Lock-free, apart from the wait of every replacement. Values are compared by `==` and not by address.
    /// If the value is replaced between the comparison and the exchange, it is compared again, so this fails
    /// only on a value that was seen to be unequal. Nothing is allocated before a comparison has succeeded.
    ///
    /// Go: `Value.CompareAndSwap`, which panics on types that cannot be compared; here they do not compile.
    /// It also fails if another thread has exchanged the value for an equal one meanwhile; this does not.
    ///
    /// # Errors
    ///
    /// [`CompareError`] with the value that is there instead and with `new`.
    ///
    /// ```
    /// use atomic_value::AtomicValue;
    ///
    /// let owner = AtomicValue::empty();
    /// assert!(owner.compare_and_swap(None, "me".to_string()).is_ok());
    /// let refused = owner.compare_and_swap(None, "you".to_string()).unwrap_err();
    /// assert_eq!(*refused.current.unwrap(), "me");
    /// assert_eq!(refused.new, "you");
    /// ```
    pub fn compare_and_swap(
        &self,
        current: Option<&T>,
        new: T,
    ) -> Result<Option<Arc<T>>, CompareError<T>>
    where
        T: PartialEq,
    {
        let mut seen = self.load();
        if seen.as_deref() != current {
            return Err(CompareError { current: seen, new });
        }
        let mut new = Some(Arc::new(new));
        loop {
            match self.slot.compare_exchange(address(seen.as_deref()), new) {
                Ok(old) => return Ok(old),
                Err(refused) => new = refused,
            }
            seen = self.load();
            if seen.as_deref() != current {
                return Err(CompareError {
                    current: seen,
                    new: unshared(new.expect("a refused value comes back")),
                });
            }
        }
    }

    /// Stores `new` if what is stored *is* `current`, the same object and not an equal one; `None` stands for
    /// the empty value. Returns what it replaced.
    ///
    /// `new` is an `Arc<T>`, or an `Option<Arc<T>>` of which `None` empties the value.
    ///
    /// Lock-free, apart from the wait of every replacement. The object is named by a reference into it, as a
    /// [`Guard`], an `Arc` or a [`Reader`] gives: that keeps it alive, so no other object can take its
    /// address meanwhile. It may have been taken out and stored again, though, with
    /// [`store_arc`](Self::store_arc).
    ///
    /// A value of a type without size is named by the address of its `Arc`, which no other `Arc` has. Take the reference
    /// from the `Arc` or the guard: a reference to another such value, for example to a field of a struct, may have the
    /// same address by chance, and then this call stores `new`.
    ///
    /// # Errors
    ///
    /// [`CompareError`] with the value that is there instead and with `new`, in the form in which it was given.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use atomic_value::AtomicValue;
    ///
    /// let value = AtomicValue::new(1);
    /// let seen = value.load();
    /// value.store(1); // equal, but another object
    /// assert!(value.compare_and_swap_ptr(seen.as_deref(), Arc::new(2)).is_err());
    ///
    /// let seen = value.load();
    /// assert!(value.compare_and_swap_ptr(seen.as_deref(), None).is_ok());
    /// assert!(value.is_empty());
    /// ```
    ///
    /// A lock-free stack. Its nodes are never stored a second time, so the node at the top is the one that was seen, and
    /// what is below it is what was below it then:
    ///
    /// ```
    /// use std::sync::Arc;
    /// use atomic_value::AtomicValue;
    ///
    /// struct Node<T> {
    ///     value: T,
    ///     below: Option<Arc<Node<T>>>,
    /// }
    ///
    /// struct Stack<T> {
    ///     top: AtomicValue<Node<T>>,
    /// }
    ///
    /// impl<T: Clone> Stack<T> {
    ///     fn push(&self, value: T) {
    ///         self.top.update_arc(|top| {
    ///             Some(Arc::new(Node { value: value.clone(), below: top.cloned() }))
    ///         });
    ///     }
    ///
    ///     fn pop(&self) -> Option<T> {
    ///         let mut top = self.top.load()?;
    ///         loop {
    ///             match self.top.compare_and_swap_ptr(Some(&top), top.below.clone()) {
    ///                 Ok(_) => return Some(top.value.clone()),
    ///                 Err(refused) => top = refused.current?,
    ///             }
    ///         }
    ///     }
    /// }
    ///
    /// let stack = Stack { top: AtomicValue::empty() };
    /// stack.push(1);
    /// stack.push(2);
    /// assert_eq!([stack.pop(), stack.pop(), stack.pop()], [Some(2), Some(1), None]);
    /// ```
    pub fn compare_and_swap_ptr<N: Replacement<T>>(
        &self,
        current: Option<&T>,
        new: N,
    ) -> Result<Option<Arc<T>>, CompareError<T, N>> {
        let expected = address(current);
        let mut new = new.into_option();
        loop {
            match self.slot.compare_exchange(expected, new) {
                Ok(old) => return Ok(old),
                Err(refused) => new = refused,
            }
            let seen = self.load();
            if address(seen.as_deref()) != expected {
                return Err(CompareError {
                    current: seen,
                    new: N::from_option(new),
                });
            }
        }
    }

    /// Stores what `next` makes of what is stored, and returns what it replaced.
    ///
    /// Lock-free, apart from the wait of every replacement: when another thread stores first, what `next`
    /// made is dropped and `next` is called again, on the newer value. It should be quick and without side
    /// effects. If it stores into the same `AtomicValue` each time it is called, the update never ends.
    ///
    /// Known as read-copy-update.
    ///
    /// ```
    /// use atomic_value::AtomicValue;
    ///
    /// static NAMES: AtomicValue<Vec<&str>> = AtomicValue::empty();
    ///
    /// fn register(name: &'static str) {
    ///     NAMES.update(|names| {
    ///         let mut names = names.cloned().unwrap_or_default();
    ///         names.push(name);
    ///         names
    ///     });
    /// }
    ///
    /// register("a");
    /// register("b");
    /// assert_eq!(*NAMES.load().unwrap(), ["a", "b"]);
    /// ```
    pub fn update<F>(&self, mut next: F) -> Option<Arc<T>>
    where
        F: FnMut(Option<&T>) -> T,
    {
        match self.try_update(|value| Ok::<T, Infallible>(next(value))) {
            Ok(old) => old,
            Err(never) => match never {},
        }
    }

    /// As [`update`](Self::update), but `next` may refuse: then nothing is stored.
    ///
    /// # Errors
    ///
    /// What `next` returned.
    ///
    /// ```
    /// use atomic_value::AtomicValue;
    ///
    /// let free = AtomicValue::new(1_u32);
    /// let take = || free.try_update(|n| n.and_then(|n| n.checked_sub(1)).ok_or("sold out"));
    /// assert!(take().is_ok());
    /// assert_eq!(take(), Err("sold out"));
    /// ```
    pub fn try_update<F, E>(&self, mut next: F) -> Result<Option<Arc<T>>, E>
    where
        F: FnMut(Option<&T>) -> Result<T, E>,
    {
        self.try_update_arc(|seen| {
            let new = next(seen.map(|seen| &**seen))?;
            Ok(Some(Arc::new(new)))
        })
    }

    /// As [`update`](Self::update), in `Arc`s: `next` may give one that exists already, or `None` to leave the value
    /// empty.
    ///
    /// If `next` gives the `Arc` that it was given, that is stored again: it costs what any other store does.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use atomic_value::AtomicValue;
    ///
    /// let budget = AtomicValue::new(2_u32);
    /// let spend = || budget.update_arc(|left| match left.map(|left| **left) {
    ///     None | Some(0 | 1) => None, // used up
    ///     Some(left) => Some(Arc::new(left - 1)),
    /// });
    /// assert_eq!(spend().as_deref(), Some(&2));
    /// assert_eq!(spend().as_deref(), Some(&1));
    /// assert!(budget.is_empty());
    /// ```
    pub fn update_arc<F>(&self, mut next: F) -> Option<Arc<T>>
    where
        F: FnMut(Option<&Arc<T>>) -> Option<Arc<T>>,
    {
        match self.try_update_arc(|value| Ok::<_, Infallible>(next(value))) {
            Ok(old) => old,
            Err(never) => match never {},
        }
    }

    /// As [`update_arc`](Self::update_arc), but `next` may refuse: then nothing is stored.
    ///
    /// # Errors
    ///
    /// What `next` returned.
    pub fn try_update_arc<F, E>(&self, mut next: F) -> Result<Option<Arc<T>>, E>
    where
        F: FnMut(Option<&Arc<T>>) -> Result<Option<Arc<T>>, E>,
    {
        let mut seen = self.load();
        loop {
            let new = next(seen.as_ref().map(Guard::as_arc))?;
            match self.compare_and_swap_ptr(seen.as_deref(), new) {
                Ok(old) => return Ok(old),
                Err(refused) => seen = refused.current,
            }
        }
    }

    /// A reader that keeps what it loaded and looks only whether it is still current.
    ///
    /// Each thread, or each worker, has its own. See [`Reader`].
    #[must_use]
    pub fn reader(&self) -> Reader<'_, T> {
        Reader::new(self)
    }

    /// As [`reader`](Self::reader), for a value in an `Arc` (the standard library's): the reader can go
    /// wherever it is needed.
    #[must_use]
    pub fn reader_owned(self: &std::sync::Arc<Self>) -> OwnedReader<T> {
        OwnedReader::new(std::sync::Arc::clone(self))
    }

    /// Whether nothing is stored. Wait-free; costs a plain load.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slot.is_empty()
    }

    /// What is stored, taken out of a value that nobody else uses any more.
    #[must_use]
    pub fn into_inner(self) -> Option<Arc<T>> {
        self.slot.into_inner()
    }

    /// Turns the value to the light barrier, or to fences, in a model.
    #[cfg(pool_loom)]
    #[doc(hidden)]
    pub fn turn(&self, light: bool) {
        self.slot.turn(light);
    }

    /// For a reader's cache: the address of what is stored.
    #[inline]
    pub(crate) fn address(&self) -> *const T {
        self.slot.address()
    }
}

/// The address that stands for a value or for none.
fn address<T>(value: Option<&T>) -> *const T {
    value.map_or(ptr::null(), ptr::from_ref)
}

/// The value in an `Arc` that never left this thread.
pub(crate) fn unshared<T>(value: Arc<T>) -> T {
    let value = Arc::try_unwrap(value).ok();
    value.expect("a value that was not stored has one owner")
}

impl<T> Default for AtomicValue<T> {
    /// The empty value.
    fn default() -> Self {
        Self::empty()
    }
}

impl<T> From<Arc<T>> for AtomicValue<T> {
    fn from(value: Arc<T>) -> Self {
        Self::from(Some(value))
    }
}

impl<T> From<Option<Arc<T>>> for AtomicValue<T> {
    fn from(value: Option<Arc<T>>) -> Self {
        Self {
            slot: Slot::new(value),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for AtomicValue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AtomicValue").field(&self.load()).finish()
    }
}
