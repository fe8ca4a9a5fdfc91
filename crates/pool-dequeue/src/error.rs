//! What can be refused: a value by a full ring, a capacity by a constructor.

use core::error::Error;
use core::fmt;

/// A push found no free slot; the value comes back in here.
///
/// A ring also counts as full while a consumer has claimed the value in the next slot and not yet moved it
/// out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Full<T>(pub(crate) T);

impl<T> Full<T> {
    /// The value that was refused.
    #[must_use = "dropping the result drops the refused value"]
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for Full<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Full").finish_non_exhaustive()
    }
}

impl<T> fmt::Display for Full<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the ring is full; `into_inner` gives the value back")
    }
}

impl<T> Error for Full<T> {}

/// Why no ring of the wanted capacity could be made.
#[cfg(feature = "alloc")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CapacityError {
    /// The capacity was zero; a ring holds at least one value.
    Zero,
    /// The capacity was above [`MAX_CAPACITY`](crate::MAX_CAPACITY).
    TooLarge {
        /// What was asked for.
        given: usize,
        /// What is allowed.
        max: usize,
    },
    /// The allocator had no room for the slots.
    OutOfMemory {
        /// How many slots were asked of it: the capacity rounded up to a power of two.
        slots: usize,
    },
}

#[cfg(feature = "alloc")]
impl fmt::Display for CapacityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Zero => f.write_str("the capacity of a ring must be at least 1, given was 0"),
            Self::TooLarge { given, max } => {
                write!(
                    f,
                    "the capacity of a ring must be at most {max}, given was {given}"
                )
            }
            Self::OutOfMemory { slots } => {
                write!(f, "the allocator had no room for a ring of {slots} slots")
            }
        }
    }
}

#[cfg(feature = "alloc")]
impl Error for CapacityError {}
