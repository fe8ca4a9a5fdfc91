//! The shared word of a ring: how many values were popped at the head and how many were stolen at the
//! tail, in one atomic, so that one compare-exchange sees both.
//!
//! ```text
//!   word   ┌────── pops ──────┬─ unused ─┬───── steals ─────┐
//!          └── COUNT_BITS ────┴──────────┴── COUNT_BITS ────┘
//! ```
//!
//! Both counts wrap. Pops sit in the top bits, so that an addition which overflows them leaves the word
//! instead of running into the steals. Unused bits exist only in the narrow builds that models use; they
//! stay zero.

use crate::sync;

/// The unsigned integer under the atomic word.
#[cfg(target_has_atomic = "64")]
pub(crate) type Word = u64;
/// The unsigned integer under the atomic word.
#[cfg(not(target_has_atomic = "64"))]
pub(crate) type Word = u32;

/// The widest compare-exchange word of the target.
#[cfg(target_has_atomic = "64")]
pub(crate) type AtomicWord = sync::AtomicU64;
/// The widest compare-exchange word of the target.
#[cfg(not(target_has_atomic = "64"))]
pub(crate) type AtomicWord = sync::AtomicU32;

#[cfg(not(target_has_atomic = "32"))]
compile_error!("pool-dequeue needs an atomic compare-exchange of at least 32 bits");

/// Bits of one count: half a word, or fewer where a model wants to meet the wrap.
pub(crate) const COUNT_BITS: u32 = if cfg!(pool_index_bits = "3") {
    3
} else if cfg!(pool_index_bits = "4") {
    4
} else if cfg!(pool_index_bits = "5") {
    5
} else if cfg!(pool_index_bits = "8") {
    8
} else if cfg!(pool_index_bits = "16") {
    16
} else {
    Word::BITS / 2
};

/// Keeps a count within its bits.
const COUNT_MASK: Word = (1 << COUNT_BITS) - 1;
/// Where the pops start in the word.
const POPS_SHIFT: u32 = Word::BITS - COUNT_BITS;

/// The largest capacity of a ring: 2^28 slots where the target has 64-bit atomics and 2^13 where it has
/// not.
///
/// A sixteenth (an eighth) of the range of a count. A length also has to tell a ring from which thieves
/// have claimed more than there is; the rest of the range is theirs.
pub const MAX_CAPACITY: usize = 1 << if COUNT_BITS == 32 { 28 } else { COUNT_BITS - 3 };

/// The most values that one claim at the tail takes.
///
/// All thieves inside a claim at one time must not claim more than a quarter of the range beyond what
/// there is. So 2^22 threads may be there at once, or 2^9 where counts have 16 bits.
pub(crate) const MAX_CLAIM: usize = match COUNT_BITS {
    32 => 256,
    16 => 32,
    8 => 8,
    _ => MAX_CAPACITY,
};

/// So many pushes between a thief's look and its claim cannot have brought the word round.
pub(crate) const UNSUSPICIOUS: u64 = 1 << (COUNT_BITS - 2);

/// How far `a` lies ahead of `b`, both counts modulo the range; negative if it lies behind.
#[inline(always)]
pub(crate) const fn ahead(a: u32, b: u32) -> i32 {
    let unused = 32 - COUNT_BITS;
    ((a.wrapping_sub(b) << unused) as i32) >> unused
}

/// The index of the next push after so many pushes and pops.
#[inline(always)]
pub(crate) const fn head(pushes: u64, pops: u32) -> u32 {
    (pushes as u32).wrapping_sub(pops)
}

/// The two counts of the shared word at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counts(Word);

impl Counts {
    /// Both counts at `origin` (modulo the range).
    pub(crate) const fn both_at(origin: u32) -> Self {
        let count = origin as Word & COUNT_MASK;
        Self(count << POPS_SHIFT | count)
    }

    #[inline(always)]
    pub(crate) const fn unpack(word: Word) -> Self {
        Self(word)
    }

    #[inline(always)]
    pub(crate) const fn pack(self) -> Word {
        self.0
    }

    /// How many values were popped at the head.
    #[inline(always)]
    pub(crate) const fn pops(self) -> u32 {
        (self.0 >> POPS_SHIFT) as u32
    }

    /// The index of the oldest value that no thief has claimed: the tail.
    #[inline(always)]
    pub(crate) const fn tail(self) -> u32 {
        (self.0 & COUNT_MASK) as u32
    }

    /// The index of the next push after so many.
    #[inline(always)]
    pub(crate) const fn head(self, pushes: u64) -> u32 {
        head(pushes, self.pops())
    }

    /// How many values there are after so many pushes; below zero if more were claimed than there are.
    #[inline(always)]
    pub(crate) const fn len(self, pushes: u64) -> i32 {
        ahead(self.head(pushes), self.tail())
    }

    /// `count` more popped at the head.
    #[inline(always)]
    pub(crate) const fn popped(self, count: usize) -> Self {
        Self(self.0.wrapping_add((count as Word) << POPS_SHIFT))
    }

    /// `count` more claimed at the tail.
    #[inline(always)]
    pub(crate) const fn claimed(self, count: usize) -> Self {
        let steals = self.0.wrapping_add(count as Word) & COUNT_MASK;
        Self(self.0 & !COUNT_MASK | steals)
    }

    /// `count` fewer claimed at the tail.
    #[inline(always)]
    pub(crate) const fn given_back(self, count: usize) -> Self {
        let steals = self.0.wrapping_sub(count as Word) & COUNT_MASK;
        Self(self.0 & !COUNT_MASK | steals)
    }
}

// The sums that the design page counts on.
const _: () = {
    assert!(MAX_CLAIM <= MAX_CAPACITY);
    // A batch of pushes alone does not make anybody suspicious.
    assert!((MAX_CAPACITY as u64) < UNSUSPICIOUS);
};

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: u64 = 1 << COUNT_BITS;

    #[test]
    fn the_largest_capacity_leaves_room_for_claims() {
        let most = if COUNT_BITS == 32 {
            RANGE / 16
        } else {
            RANGE / 8
        };
        assert_eq!(MAX_CAPACITY as u64, most);
    }

    #[test]
    fn both_counts_begin_at_the_origin() {
        for origin in [0, 1, 5, u32::MAX - 1, u32::MAX] {
            let counts = Counts::both_at(origin);
            let expected = (u64::from(origin) % RANGE) as u32;
            assert_eq!((counts.pops(), counts.tail()), (expected, expected));
            assert_eq!(Counts::unpack(counts.pack()), counts);
        }
    }

    #[test]
    fn a_count_that_wraps_leaves_the_other_alone() {
        let last = (RANGE - 1) as u32;
        let counts = Counts::both_at(last);
        let popped = counts.popped(2);
        assert_eq!((popped.pops(), popped.tail()), (1, last));
        let claimed = counts.claimed(2);
        assert_eq!((claimed.pops(), claimed.tail()), (last, 1));
        assert_eq!(claimed.given_back(2), counts);
    }

    #[test]
    fn lengths_are_signed_and_modulo_the_range() {
        for origin in [0, 1, u32::MAX] {
            let counts = Counts::both_at(origin);
            let pushes = 2 * u64::from(origin);
            assert_eq!(counts.len(pushes), 0);
            assert_eq!(counts.len(pushes + 2), 2);
            assert_eq!(counts.claimed(2).len(pushes + 1), -1);
            assert_eq!(counts.popped(1).len(pushes + 2), 1);
            assert_eq!(counts.len(pushes + RANGE), 0, "a whole turn is not seen");
            let head = counts.popped(1).head(pushes + 2);
            assert_eq!(ahead(head, counts.tail()), 1);
        }
    }
}
