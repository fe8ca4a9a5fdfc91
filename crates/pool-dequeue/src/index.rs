//! The packed index word: head and tail of a ring in one atomic, so that one compare-exchange sees
//! both.
//!
//! ```text
//!   word   ┌────── head ──────┬─ unused ─┬────── tail ──────┐
//!          └── INDEX_BITS ────┴──────────┴── INDEX_BITS ────┘
//! ```
//!
//! `head` counts pushes less pops at the head, `tail` counts pops at the tail; both wrap. Head sits in
//! the top bits, so that an addition which overflows it leaves the word instead of running into
//! anything. Unused bits exist only in the narrow builds that models use; they stay zero.

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

/// Bits of one index: half a word, or fewer where a model wants to meet the wrap.
pub(crate) const INDEX_BITS: u32 = if cfg!(pool_index_bits = "3") {
    3
} else if cfg!(pool_index_bits = "4") {
    4
} else if cfg!(pool_index_bits = "8") {
    8
} else if cfg!(pool_index_bits = "16") {
    16
} else {
    Word::BITS / 2
};

/// Keeps an index within its bits.
const INDEX_MASK: Word = (1 << INDEX_BITS) - 1;
/// Where `head` starts in the word.
const HEAD_SHIFT: u32 = Word::BITS - INDEX_BITS;

/// The largest capacity of a ring: a quarter of the indices' range, 2^30 slots where the target has
/// 64-bit atomics and 2^14 where it has not.
///
/// Half the range would still tell full from empty; a quarter is Go's choice and leaves every sum of an
/// index and a capacity in range.
pub const MAX_CAPACITY: usize = 1 << (INDEX_BITS - 2);

/// The two indices of a ring at one moment.
///
/// Invariant: both lie in `0..=INDEX_MASK`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Indices {
    head: Word,
    tail: Word,
}

impl Indices {
    /// An empty ring whose next push goes to `origin` (modulo the range).
    pub(crate) const fn empty_at(origin: u32) -> Self {
        let index = origin as Word & INDEX_MASK;
        Self {
            head: index,
            tail: index,
        }
    }

    #[inline(always)]
    pub(crate) const fn unpack(word: Word) -> Self {
        Self {
            head: word >> HEAD_SHIFT,
            tail: word & INDEX_MASK,
        }
    }

    #[inline(always)]
    pub(crate) const fn pack(self) -> Word {
        self.head << HEAD_SHIFT | self.tail
    }

    /// What to add to a word to move its head forward by `count`.
    #[inline(always)]
    pub(crate) const fn head_step(count: usize) -> Word {
        (count as Word) << HEAD_SHIFT
    }

    /// How many slots lie in `[tail, head)`.
    #[inline(always)]
    pub(crate) const fn len(self) -> usize {
        (self.head.wrapping_sub(self.tail) & INDEX_MASK) as usize
    }

    #[inline(always)]
    pub(crate) const fn is_empty(self) -> bool {
        self.head == self.tail
    }

    #[inline(always)]
    pub(crate) const fn head(self) -> usize {
        self.head as usize
    }

    #[inline(always)]
    pub(crate) const fn tail(self) -> usize {
        self.tail as usize
    }

    /// The producer takes `count` back.
    #[inline(always)]
    pub(crate) const fn head_back(self, count: usize) -> Self {
        Self {
            head: self.head.wrapping_sub(count as Word) & INDEX_MASK,
            tail: self.tail,
        }
    }

    /// A consumer takes `count`.
    #[inline(always)]
    pub(crate) const fn tail_forward(self, count: usize) -> Self {
        Self {
            head: self.head,
            tail: self.tail.wrapping_add(count as Word) & INDEX_MASK,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_capacity_is_a_quarter_of_the_range() {
        assert_eq!(MAX_CAPACITY as Word, INDEX_MASK / 4 + 1);
    }

    #[test]
    fn an_empty_ring_begins_at_its_origin_modulo_the_range() {
        for origin in [0, 1, 5, u32::MAX - 1, u32::MAX] {
            let indices = Indices::empty_at(origin);
            let expected = (u64::from(origin) % (u64::from(INDEX_MASK as u32) + 1)) as usize;
            assert_eq!((indices.head(), indices.tail()), (expected, expected));
        }
    }

    #[test]
    fn packing_round_trips_at_the_edges() {
        for head in [0, 1, INDEX_MASK / 2, INDEX_MASK - 1, INDEX_MASK] {
            for tail in [0, 1, INDEX_MASK / 2, INDEX_MASK - 1, INDEX_MASK] {
                let indices = Indices { head, tail };
                assert_eq!(Indices::unpack(indices.pack()), indices);
            }
        }
    }

    #[test]
    fn head_overflow_leaves_the_tail_alone() {
        let full = Indices {
            head: INDEX_MASK,
            tail: INDEX_MASK - 1,
        };
        let word = full.pack().wrapping_add(Indices::head_step(2));
        assert_eq!(
            Indices::unpack(word),
            Indices {
                head: 1,
                tail: INDEX_MASK - 1
            }
        );
        assert_eq!(Indices::unpack(word).len(), 3);
    }

    #[test]
    fn tail_overflow_leaves_the_head_alone() {
        let indices = Indices {
            head: 1,
            tail: INDEX_MASK,
        };
        assert_eq!(indices.len(), 2);
        assert_eq!(indices.tail_forward(2), Indices { head: 1, tail: 1 });
        assert!(indices.tail_forward(2).is_empty());
        assert_eq!(
            indices.head_back(2),
            Indices {
                head: INDEX_MASK,
                tail: INDEX_MASK
            }
        );
    }
}
