//! What a compare-and-swap by identity can put in place: a value in an `Arc`, or nothing.

use crate::env::Arc;

/// What [`AtomicValue::compare_and_swap_ptr`](crate::AtomicValue::compare_and_swap_ptr) stores: an `Arc<T>`, or an
/// `Option<Arc<T>>` of which `None` empties the value.
///
/// A refused replacement comes back in the form in which it was given; that is why this is a trait, and not `Into`. It
/// cannot be implemented for other types.
pub trait Replacement<T>: sealed::Convert<T> {}

impl<T> Replacement<T> for Arc<T> {}
impl<T> Replacement<T> for Option<Arc<T>> {}

mod sealed {
    use super::Arc;

    pub trait Convert<T>: Sized {
        fn into_option(self) -> Option<Arc<T>>;

        /// The inverse, for what `into_option` returned.
        fn from_option(new: Option<Arc<T>>) -> Self;
    }

    impl<T> Convert<T> for Arc<T> {
        fn into_option(self) -> Option<Arc<T>> {
            Some(self)
        }

        fn from_option(new: Option<Arc<T>>) -> Self {
            new.expect("a refused `Arc` comes back")
        }
    }

    impl<T> Convert<T> for Option<Arc<T>> {
        fn into_option(self) -> Self {
            self
        }

        fn from_option(new: Self) -> Self {
            new
        }
    }
}
