//! The dynamic value: Go's `atomic.Value` as it is, one type for life, chosen by the first store.

use std::any::{self, Any, TypeId};
use std::borrow::Borrow;
use std::cmp;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc as StdArc;

use crate::backend::Guard;
use crate::env::Arc;
use crate::error::{AnyCompareError, CompareError, TypeMismatch};
use crate::sync::const_unless_loom;
use crate::value::{AtomicValue, unshared};

/// A value together with its type, so that one exchange sets both.
struct Entry {
    id: TypeId,
    name: &'static str,
    value: StdArc<dyn Any + Send + Sync>,
}

impl Entry {
    fn new<T: Any + Send + Sync>(value: T) -> Self {
        Self {
            id: TypeId::of::<T>(),
            name: any::type_name::<T>(),
            value: StdArc::new(value),
        }
    }

    fn holds<T: Any>(&self) -> bool {
        self.id == TypeId::of::<T>()
    }

    /// The value alone, without the entry's share of it if nobody else has the entry.
    fn into_any(entry: Arc<Self>) -> StdArc<dyn Any + Send + Sync> {
        match Arc::try_unwrap(entry) {
            Ok(entry) => entry.value,
            Err(shared) => StdArc::clone(&shared.value),
        }
    }

    /// The value of an entry whose type has been checked.
    fn into_value<T: Any + Send + Sync>(entry: Arc<Self>) -> StdArc<T> {
        typed(Self::into_any(entry))
    }

    /// Gets the value out of an entry that was never stored.
    fn into_unstored<T: Any + Send + Sync>(entry: Arc<Self>) -> T {
        let value = StdArc::into_inner(typed(unshared(entry).value));
        value.expect("an entry that was not stored holds its value alone")
    }
}

/// A value whose type has been checked.
fn typed<T: Any + Send + Sync>(value: StdArc<dyn Any + Send + Sync>) -> StdArc<T> {
    let value = value.downcast().ok();
    value.expect("an entry's type is that of its value")
}

/// A value whose type is chosen by the first store and stays. Go's `atomic.Value`.
///
/// Where the type is known beforehand [`AtomicValue`] is faster, checked by the compiler, and has more to
/// offer. This one is for plugins, registries by name, and programs that come from Go.
///
/// ```
/// use atomic_value::AnyValue;
///
/// let value = AnyValue::empty();
/// assert!(value.load::<u32>().unwrap().is_none());
/// value.store(42_u32).unwrap();
/// assert_eq!(*value.load::<u32>().unwrap().unwrap(), 42);
///
/// let refused = value.store("text").unwrap_err();
/// assert_eq!(refused.to_string(), "the value holds `u32`, not `&str`");
/// assert_eq!(refused.into_inner(), "text");
/// ```
///
/// # The first store
///
/// Value and type arrive in one exchange, so there is no moment at which a value has a type and no content.
/// Of several first stores of different types one wins and the others get [`TypeMismatch`]. A
/// compare-and-swap that expects the empty value is a first store like any other.
///
/// # No nil
///
/// Go's `Store(nil)` panics, for a nil interface has no type to fix. Rust has no value without a type, so
/// there is nothing to refuse: `store(None::<T>)` stores an `Option<T>`, and fixes that type. As in Go, a
/// value that is no longer empty never is again.
///
/// Progress, order and what user code may do are as for [`AtomicValue`].
pub struct AnyValue {
    entry: AtomicValue<Entry>,
}

impl AnyValue {
    const_unless_loom! {
        /// An empty value that has no type yet, fit for a `static`. Allocates nothing.
        #[must_use]
        pub const fn empty() -> Self {
            Self { entry: AtomicValue::empty() }
        }
    }

    /// A value of type `T`. Costs two allocations.
    #[must_use]
    pub fn new<T: Any + Send + Sync>(value: T) -> Self {
        Self {
            entry: AtomicValue::new(Entry::new(value)),
        }
    }

    /// What is stored now, or `None` if the value is empty.
    ///
    /// Wait-free. Costs what [`AtomicValue::load`] does, and the comparison of two types.
    ///
    /// Go: `Value.Load` and a type assertion.
    ///
    /// # Errors
    ///
    /// [`TypeMismatch`] if something is stored, but no `T`.
    pub fn load<T: Any + Send + Sync>(&self) -> Result<Option<AnyGuard<T>>, TypeMismatch> {
        match self.entry.load() {
            None => Ok(None),
            Some(entry) => AnyGuard::of(entry)
                .map(Some)
                .map_err(|entry| TypeMismatch::asked_for::<T>(entry.name)),
        }
    }

    /// What is stored now, of whatever type.
    ///
    /// Wait-free. Counts a reference. Go: `Value.Load`.
    #[must_use]
    pub fn load_any(&self) -> Option<StdArc<dyn Any + Send + Sync>> {
        self.entry.load().map(|entry| StdArc::clone(&entry.value))
    }

    /// Replaces what is stored. The first store fixes the type.
    ///
    /// Costs what [`AtomicValue::store`] does, and another allocation.
    ///
    /// Go: `Value.Store`, which panics instead of returning an error.
    ///
    /// # Errors
    ///
    /// [`TypeMismatch`] with `value`, if the value's type is another one.
    pub fn store<T: Any + Send + Sync>(&self, value: T) -> Result<(), TypeMismatch<T>> {
        self.swap(value).map(drop)
    }

    /// Replaces what is stored and returns what was. The first store fixes the type.
    ///
    /// Costs what [`store`](Self::store) does. Go: `Value.Swap`, which panics instead of returning an error.
    ///
    /// # Errors
    ///
    /// [`TypeMismatch`] with `value`, if the value's type is another one.
    pub fn swap<T: Any + Send + Sync>(
        &self,
        value: T,
    ) -> Result<Option<StdArc<T>>, TypeMismatch<T>> {
        if let Some(stored) = self.entry.load() {
            return if stored.holds::<T>() {
                Ok(self.replace(Arc::new(Entry::new(value))))
            } else {
                Err(TypeMismatch::new(stored.name, value))
            };
        }
        let first = Arc::new(Entry::new(value));
        match self.entry.compare_and_swap_ptr(None, first) {
            Ok(_) => Ok(None),
            // Another first store came before ours, and its type counts.
            Err(CompareError {
                current: Some(stored),
                new,
            }) => {
                if stored.holds::<T>() {
                    Ok(self.replace(new))
                } else {
                    Err(TypeMismatch::new(stored.name, Entry::into_unstored(new)))
                }
            }
            Err(CompareError { current: None, .. }) => {
                unreachable!("a value that has been stored to is never empty again")
            }
        }
    }

    /// Stores an entry whose type has been compared with the one that is fixed (A1).
    fn replace<T: Any + Send + Sync>(&self, entry: Arc<Entry>) -> Option<StdArc<T>> {
        self.entry.swap_arc(entry).map(Entry::into_value)
    }

    /// Stores `new` if what is stored equals `current`; `None` stands for the empty value. Returns what it
    /// replaced.
    ///
    /// Values are compared by `==` and not by address. If the value is replaced between the comparison and
    /// the exchange, it is compared again, so this fails only on a value that was seen to be unequal.
    ///
    /// Go: `Value.CompareAndSwap`, which panics instead of returning [`AnyCompareError::TypeMismatch`]. What
    /// else makes it panic (an old and a new value of different types, a type that cannot be compared) does
    /// not compile here.
    ///
    /// # Errors
    ///
    /// [`AnyCompareError`], with `new` and the reason. A wrong type comes before an unequal value; an empty value
    /// has no wrong type.
    pub fn compare_and_swap<T: Any + Send + Sync + PartialEq>(
        &self,
        current: Option<&T>,
        new: T,
    ) -> Result<Option<StdArc<T>>, AnyCompareError<T>> {
        let mut seen = self.load_typed(new)?;
        loop {
            let (stored, new) = seen;
            if stored.as_deref() != current {
                return Err(AnyCompareError::NotEqual {
                    current: stored,
                    new,
                });
            }
            let expected = stored.as_ref().map(|guard| &*guard.entry);
            match self
                .entry
                .compare_and_swap_ptr(expected, Arc::new(Entry::new(new)))
            {
                Ok(old) => return Ok(old.map(Entry::into_value)),
                Err(refused) => seen = self.load_typed(Entry::into_unstored(refused.new))?,
            }
        }
    }

    /// What is stored now, with the value to store; or an error with the latter.
    fn load_typed<T: Any + Send + Sync>(
        &self,
        new: T,
    ) -> Result<(Option<AnyGuard<T>>, T), TypeMismatch<T>> {
        match self.entry.load().map(AnyGuard::of) {
            None => Ok((None, new)),
            Some(Ok(guard)) => Ok((Some(guard), new)),
            Some(Err(entry)) => Err(TypeMismatch::new(entry.name, new)),
        }
    }

    /// Whether nothing is stored. Wait-free; costs a plain load.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entry.is_empty()
    }

    /// The name of the type that the first store fixed, as [`std::any::type_name`] gives it: for messages,
    /// not for decisions.
    #[must_use]
    pub fn type_name(&self) -> Option<&'static str> {
        self.entry.load().map(|entry| entry.name)
    }

    /// What is stored, taken out of a value that nobody else uses any more.
    #[must_use]
    pub fn into_inner(self) -> Option<StdArc<dyn Any + Send + Sync>> {
        self.entry.into_inner().map(Entry::into_any)
    }
}

impl Default for AnyValue {
    /// The empty value.
    fn default() -> Self {
        Self::empty()
    }
}

impl fmt::Debug for AnyValue {
    /// Names the type; the value need not be printable.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyValue").field(&self.type_name()).finish()
    }
}

/// A loaded value of an [`AnyValue`]. Like [`Guard`] in all else.
pub struct AnyGuard<T> {
    /// Holds a `T` (A2), or a value of a subtype of `T`: a guard is covariant, as [`Guard`] is.
    entry: Guard<Entry>,
    of: PhantomData<StdArc<T>>,
}

impl<T: Any + Send + Sync> AnyGuard<T> {
    fn of(entry: Guard<Entry>) -> Result<Self, Guard<Entry>> {
        if entry.holds::<T>() {
            Ok(Self {
                entry,
                of: PhantomData,
            })
        } else {
            Err(entry)
        }
    }

    /// Turns the guard into an `Arc`. Wait-free; costs one or two changes of reference counts.
    ///
    /// An associated function, so that it is in the way of no method of `T`.
    #[must_use]
    pub fn into_arc(guard: Self) -> StdArc<T> {
        // Not by its type id: a subtype, such as a function of any lifetime, has another id than `T`.
        let value = StdArc::into_raw(StdArc::clone(&guard.entry.value)).cast::<T>();
        // SAFETY:
        // - the pointer is that of an `Arc`, whose share we hand on;
        // - the value is a `T`, or of a subtype of `T` (A2), which has the same layout and may be used as a `T`.
        unsafe { StdArc::from_raw(value) }
    }
}

impl<T> Deref for AnyGuard<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        let value = StdArc::as_ptr(&self.entry.value).cast::<T>();
        // SAFETY: the entry holds a `T` or a value of a subtype (A2), which lives as long as the entry, and the entry as
        // long as the guard.
        unsafe { &*value }
    }
}

impl<T> AsRef<T> for AnyGuard<T> {
    fn as_ref(&self) -> &T {
        self
    }
}

impl<T> Borrow<T> for AnyGuard<T> {
    fn borrow(&self) -> &T {
        self
    }
}

impl<T: PartialEq> PartialEq for AnyGuard<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Eq> Eq for AnyGuard<T> {}

impl<T: PartialOrd> PartialOrd for AnyGuard<T> {
    fn partial_cmp(&self, other: &Self) -> Option<cmp::Ordering> {
        (**self).partial_cmp(&**other)
    }
}

impl<T: Ord> Ord for AnyGuard<T> {
    fn cmp(&self, other: &Self) -> cmp::Ordering {
        (**self).cmp(&**other)
    }
}

impl<T: Hash> Hash for AnyGuard<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl<T: fmt::Debug> fmt::Debug for AnyGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: fmt::Display> fmt::Display for AnyGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
