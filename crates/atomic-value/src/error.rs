//! Why an operation did not happen, with the value that it was given.

use std::any;
use std::error::Error;
use std::fmt;

use crate::any::AnyGuard;
use crate::backend::Guard;

/// A compare-and-swap found another value than the expected one and stored nothing.
///
/// `N` is the form in which the new value was given: `T`, or `Arc<T>` for
/// [`compare_and_swap_ptr`](crate::AtomicValue::compare_and_swap_ptr).
pub struct CompareError<T, N = T> {
    /// What was there instead; `None` if the value was empty.
    pub current: Option<Guard<T>>,
    /// The value that was not stored.
    pub new: N,
}

impl<T, N> CompareError<T, N> {
    /// The value that was not stored.
    #[must_use]
    pub fn into_inner(self) -> N {
        self.new
    }
}

impl<T, N> fmt::Debug for CompareError<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompareError")
            .field("empty", &self.current.is_none())
            .finish_non_exhaustive()
    }
}

impl<T, N> fmt::Display for CompareError<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(not_equal(self.current.is_none()))
    }
}

impl<T, N> Error for CompareError<T, N> {}

fn not_equal(empty: bool) -> &'static str {
    if empty {
        "the value is empty, and not the expected one"
    } else {
        "the value is not the expected one"
    }
}

/// An [`AnyValue`](crate::AnyValue) holds values of another type.
///
/// `T` is the value that was not stored, or `()` if there was none to store.
pub struct TypeMismatch<T = ()> {
    stored: &'static str,
    given: &'static str,
    value: T,
}

impl TypeMismatch {
    pub(crate) fn asked_for<T: 'static>(stored: &'static str) -> Self {
        Self {
            stored,
            given: any::type_name::<T>(),
            value: (),
        }
    }
}

impl<T> TypeMismatch<T> {
    pub(crate) fn new(stored: &'static str, value: T) -> Self {
        Self {
            stored,
            given: any::type_name::<T>(),
            value,
        }
    }

    /// The name of the type that the first store fixed.
    #[must_use]
    pub fn stored(&self) -> &'static str {
        self.stored
    }

    /// The name of the type that this operation was about.
    #[must_use]
    pub fn given(&self) -> &'static str {
        self.given
    }

    /// The value that was not stored.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T> fmt::Debug for TypeMismatch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypeMismatch")
            .field("stored", &self.stored)
            .field("given", &self.given)
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Display for TypeMismatch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the value holds `{}`, not `{}`", self.stored, self.given)?;
        if self.stored == self.given {
            f.write_str(", which is another type of the same name")?;
        }
        Ok(())
    }
}

impl<T> Error for TypeMismatch<T> {}

/// Why [`AnyValue::compare_and_swap`](crate::AnyValue::compare_and_swap) stored nothing.
pub enum AnyCompareError<T> {
    /// There is another value than the expected one.
    NotEqual {
        /// What was there instead; `None` if the value was empty.
        current: Option<AnyGuard<T>>,
        /// The value that was not stored.
        new: T,
    },
    /// There is a value of another type.
    TypeMismatch(TypeMismatch<T>),
}

impl<T> AnyCompareError<T> {
    /// The value that was not stored.
    #[must_use]
    pub fn into_inner(self) -> T {
        match self {
            Self::NotEqual { new, .. } => new,
            Self::TypeMismatch(error) => error.into_inner(),
        }
    }
}

impl<T> fmt::Debug for AnyCompareError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotEqual { current, .. } => f
                .debug_struct("NotEqual")
                .field("empty", &current.is_none())
                .finish_non_exhaustive(),
            Self::TypeMismatch(error) => error.fmt(f),
        }
    }
}

impl<T> fmt::Display for AnyCompareError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotEqual { current, .. } => f.write_str(not_equal(current.is_none())),
            Self::TypeMismatch(error) => error.fmt(f),
        }
    }
}

impl<T> Error for AnyCompareError<T> {}

impl<T> From<TypeMismatch<T>> for AnyCompareError<T> {
    fn from(error: TypeMismatch<T>) -> Self {
        Self::TypeMismatch(error)
    }
}
