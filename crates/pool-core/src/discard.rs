//! Why an item leaves the pool for good.

use core::fmt;

/// Why the pool dropped an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DiscardReason {
    /// It lay unused since an earlier rotation: for two rotations, or for one if it was let go early, by decay or to
    /// make room for an item within the pool's limits.
    Aged,
    /// [`Pool::clear`](crate::Pool::clear) took everything.
    Cleared,
    /// The `recycle` hook answered [`Recycle::Discard`](crate::Recycle::Discard).
    Refused,
    /// It came back while its thread was unwinding, and the pool was told not to keep such items.
    Unwinding,
    /// There was no memory to keep it in, or more than 65,536 threads were at it at once.
    OutOfMemory,
    /// The pool itself was dropped.
    PoolDropped,
    /// The pool held as many items or bytes as it may.
    OverBudget,
    /// Items of its size had been used for much less than they hold, too many times in a row.
    Underused,
    /// It was bigger than what is commonly used.
    Oversized,
    /// The pool is in chaos, which drops items for no reason.
    Chaos,
}

impl DiscardReason {
    /// All reasons.
    pub const ALL: [Self; 10] = [
        Self::Aged,
        Self::Cleared,
        Self::Refused,
        Self::Unwinding,
        Self::OutOfMemory,
        Self::PoolDropped,
        Self::OverBudget,
        Self::Underused,
        Self::Oversized,
        Self::Chaos,
    ];

    /// Whether such an item was in the pool before, and not turned away when it came.
    pub(crate) fn was_in(self) -> bool {
        match self {
            Self::Aged | Self::Cleared | Self::OutOfMemory | Self::PoolDropped => true,
            Self::Refused
            | Self::Unwinding
            | Self::OverBudget
            | Self::Underused
            | Self::Oversized
            | Self::Chaos => false,
        }
    }
}

impl fmt::Display for DiscardReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Aged => "unused since an earlier rotation",
            Self::Cleared => "the pool was cleared",
            Self::Refused => "refused by the recycle hook",
            Self::Unwinding => "returned while unwinding",
            Self::OutOfMemory => "no memory to keep it in",
            Self::PoolDropped => "the pool was dropped",
            Self::OverBudget => "the pool's budget was spent",
            Self::Underused => "too big for what it was used for",
            Self::Oversized => "bigger than what is commonly used",
            Self::Chaos => "by chance",
        })
    }
}
