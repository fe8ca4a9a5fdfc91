//! Why an item leaves the pool for good.

use core::fmt;

/// Why the pool dropped an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DiscardReason {
    /// It lay unused for two rotations.
    Aged,
    /// [`Pool::clear`](crate::Pool::clear) took everything.
    Cleared,
    /// The `recycle` hook answered [`Recycle::Discard`](crate::Recycle::Discard).
    Refused,
    /// It came back while its thread was unwinding, and the pool was told not to keep such items.
    Unwinding,
    /// Every shard was claimed by somebody else, and waiting is not what a pool is for.
    Contended,
    /// There was no memory to keep it in.
    OutOfMemory,
    /// The pool itself was dropped.
    PoolDropped,
}

impl DiscardReason {
    /// All reasons.
    pub const ALL: [Self; 7] = [
        Self::Aged,
        Self::Cleared,
        Self::Refused,
        Self::Unwinding,
        Self::Contended,
        Self::OutOfMemory,
        Self::PoolDropped,
    ];
}

impl fmt::Display for DiscardReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Aged => "unused for two rotations",
            Self::Cleared => "the pool was cleared",
            Self::Refused => "refused by the recycle hook",
            Self::Unwinding => "returned while unwinding",
            Self::Contended => "all shards were claimed",
            Self::OutOfMemory => "no memory to keep it in",
            Self::PoolDropped => "the pool was dropped",
        })
    }
}
