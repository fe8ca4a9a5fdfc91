//! What can be refused: a value by a chain without room, a limit by a constructor.

use core::error::Error;
use core::fmt;

/// A push found no room; the value comes back in here.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Full<T> {
    value: T,
    reason: Reason,
}

/// Why a push found no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The chain held as many values as its limit allows.
    Limit,
    /// The chain needed another ring and the allocator had no room for it.
    OutOfMemory,
}

impl<T> Full<T> {
    pub(crate) fn limit(value: T) -> Self {
        Self {
            value,
            reason: Reason::Limit,
        }
    }

    pub(crate) fn out_of_memory(value: T) -> Self {
        Self {
            value,
            reason: Reason::OutOfMemory,
        }
    }

    /// The value that was refused.
    #[must_use = "dropping the result drops the refused value"]
    pub fn into_inner(self) -> T {
        self.value
    }

    /// Why it was refused.
    pub fn reason(&self) -> Reason {
        self.reason
    }
}

impl<T> fmt::Debug for Full<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Full")
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Display for Full<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.reason {
            Reason::Limit => "the chain holds as many values as its limit allows",
            Reason::OutOfMemory => "the allocator had no room for another ring",
        })?;
        f.write_str(": the value can be had back with `into_inner`")
    }
}

impl<T> Error for Full<T> {}

/// Why no chain of the wanted limit could be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitError {
    /// The limit was zero: such a chain could hold nothing.
    Zero,
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zero => f.write_str("the limit of a chain must be at least 1, given was 0"),
        }
    }
}

impl Error for LimitError {}
