//! All parts of a pool, by their threads' numbers, and a bit for each chain that may hold something.
//!
//! A part is made when a thread with that number first comes by, so they are as many as threads that have used this
//! pool at once; the tables that lead to them cost 8 to 16 bytes for a number, and 4 KiB more for one that is high.
//!
//! The bits spare a thread that finds nothing the walk over all chains. Each has one writer, its part's owner: set
//! after a push that finds it clear, cleared by the owner when it finds its own chain empty (S3). So a push needs no
//! fence, and what thieves have emptied costs others a look in vain until its owner comes by.

use core::ptr;

use crate::part::{Parity, Part};
use crate::sync::{AtomicPtr, AtomicUsize, Ordering, const_unless_loom};
use crate::table::{LAST_DOUBLED, Place, Table, buckets_for};
use crate::thread;

const BITS: usize = usize::BITS as usize;

/// Words of bits for all numbers that there are.
const WORDS: usize = thread::NUMBERS.div_ceil(BITS);

/// Which of so many parts in a row may hold something: for each parity, a bit a part.
struct Row([AtomicUsize; 2]);

impl Row {
    fn new() -> Self {
        Self([AtomicUsize::new(0), AtomicUsize::new(0)])
    }
}

/// A part, once it is made. Dropping it drops the part.
struct Entry<T>(AtomicPtr<Part<T>>);

impl<T> Entry<T> {
    fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    #[inline(always)]
    fn get(&self) -> Option<&Part<T>> {
        // ORDERING: Acquire, pairs with the Release in `make`: the part is initialised.
        let part = self.0.load(Ordering::Acquire);
        // SAFETY: null, or made before it was published; freed with the entry, which we borrow.
        unsafe { part.as_ref() }
    }

    /// Makes the part, unless somebody else has just done so. False without memory.
    fn make(&self, number: u32) -> bool {
        let mut fresh = Vec::new();
        if fresh.try_reserve_exact(1).is_err() {
            return false;
        }
        fresh.push(Part::new(number));
        let fresh: Box<[Part<T>]> = fresh.into_boxed_slice();
        let fresh = Box::into_raw(fresh).cast::<Part<T>>();
        // ORDERING: Release on success, pairs with the Acquire in `get`. Relaxed on failure: `get` does its own load.
        let won =
            self.0
                .compare_exchange(ptr::null_mut(), fresh, Ordering::Release, Ordering::Relaxed);
        if won.is_err() {
            // SAFETY: ours from above, and never published.
            drop(unsafe { Self::boxed(fresh) });
        }
        true
    }

    /// # Safety
    ///
    /// The pointer comes from `make`, and nobody else uses it any more.
    unsafe fn boxed(part: *mut Part<T>) -> Box<[Part<T>]> {
        // SAFETY: the caller's: a boxed slice of one.
        unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(part, 1)) }
    }

    fn get_mut(&mut self) -> Option<&mut Part<T>> {
        // ORDERING: Relaxed. We have the entry exclusively, so every write to it happened before.
        let part = self.0.load(Ordering::Relaxed);
        // SAFETY: null, or made by `make`; exclusive with the entry.
        unsafe { part.as_mut() }
    }
}

impl<T> Drop for Entry<T> {
    fn drop(&mut self) {
        // ORDERING: Relaxed, as in `get_mut`.
        let part = self.0.load(Ordering::Relaxed);
        if !part.is_null() {
            // SAFETY: made by `make`, and gone with the entry.
            drop(unsafe { Self::boxed(part) });
        }
    }
}

/// Buckets for the lowest numbers: those that double.
const LOW: usize = LAST_DOUBLED as usize + 1;

/// All buckets. Those of [`LOW`] stay empty in this one.
type High<T> = Table<Entry<T>, { thread::BUCKETS }>;

/// The parts of a pool.
pub(crate) struct Parts<T> {
    table: Table<Entry<T>, LOW>,
    /// Apart, because it is large and seldom needed. One entry.
    high: Table<High<T>, 2>,
    rows: Table<Row, { buckets_for(WORDS) }>,
    /// One more than the highest number that has a part.
    end: AtomicUsize,
}

impl<T> Parts<T> {
    const_unless_loom! {
        pub(crate) const fn new() -> Self {
            Self {
                table: Table::new(),
                high: Table::new(),
                rows: Table::new(),
                end: AtomicUsize::new(0),
            }
        }
    }

    /// The part at a thread's place, if it has been made. Wait-free.
    #[inline(always)]
    pub(crate) fn get(&self, place: Place) -> Option<&Part<T>> {
        if place.is_low() {
            self.table.get(place)?.get()
        } else {
            self.get_high(place)
        }
    }

    #[cold]
    fn get_high(&self, place: Place) -> Option<&Part<T>> {
        self.high.get(Place::of(0))?.get(place)?.get()
    }

    fn entry(&self, place: Place) -> Option<&Entry<T>> {
        if place.is_low() {
            return self.table.get_or_make(place, Entry::new);
        }
        let high = self.high.get_or_make(Place::of(0), High::new)?;
        high.get_or_make(place, Entry::new)
    }

    /// The part at a thread's place; makes it first if need be. None when there is no such place or no memory for it.
    #[cold]
    pub(crate) fn get_or_make(&self, place: Place) -> Option<&Part<T>> {
        if let Some(part) = self.get(place) {
            return Some(part);
        }
        let number = place.number()?;
        self.rows.get_or_make(Place::of(number / BITS), Row::new)?;
        let mut end = self.end();
        while end <= number {
            // ORDERING: Relaxed, both. Says how far to look; the tables' own Acquire orders what a look-up finds.
            match self
                .end
                .compare_exchange(end, number + 1, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => break,
                Err(now) => end = now,
            }
        }
        let entry = self.entry(place)?;
        if entry.make(number as u32) {
            entry.get()
        } else {
            None
        }
    }

    /// All parts that have been made.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Part<T>> {
        let high = self.high.iter().flat_map(Table::iter);
        self.table.iter().chain(high).filter_map(Entry::get)
    }

    /// The same, exclusively.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Part<T>> {
        let high = self.high.iter_mut().flat_map(Table::iter_mut);
        self.table.iter_mut().chain(high).filter_map(Entry::get_mut)
    }

    fn row(&self, number: usize) -> Option<&Row> {
        self.rows.get(Place::of(number / BITS))
    }

    /// One more than the highest number that has a part.
    fn end(&self) -> usize {
        // ORDERING: Relaxed. Whoever knows of an item in a part knows of its number.
        self.end.load(Ordering::Relaxed)
    }

    /// Says that a chain holds something. For the owner, after the push.
    #[inline]
    pub(crate) fn mark(&self, parity: Parity, part: &Part<T>) {
        let number = part.number() as usize;
        let Some(row) = self.row(number) else {
            return;
        };
        let (word, bit) = (&row.0[parity.index()], 1 << (number % BITS));
        // ORDERING: Relaxed. Nobody but us writes this bit (S3).
        if word.load(Ordering::Relaxed) & bit == 0 {
            // ORDERING: Relaxed. Items travel by the chain's own orderings; whoever knows that the push is done sees
            // the bit.
            word.fetch_or(bit, Ordering::Relaxed);
        }
    }

    /// Says that the owner has found a chain empty. For the owner, before it pushes again.
    pub(crate) fn unmark(&self, parity: Parity, part: &Part<T>) {
        let number = part.number() as usize;
        let Some(row) = self.row(number) else {
            return;
        };
        let (word, bit) = (&row.0[parity.index()], 1 << (number % BITS));
        // ORDERING: Relaxed. Nobody but us writes this bit (S3).
        if word.load(Ordering::Relaxed) & bit != 0 {
            // ORDERING: Relaxed, as in `mark`.
            word.fetch_and(!bit, Ordering::Relaxed);
        }
    }

    /// Runs `attempt` on the parts whose chain of this parity may hold something, from a number on and round, until it
    /// has found something.
    pub(crate) fn find<R>(
        &self,
        parity: Parity,
        from: u32,
        mut attempt: impl FnMut(&Part<T>) -> Option<R>,
    ) -> Option<R> {
        let rows = self.end().div_ceil(BITS);
        if rows == 0 {
            return None;
        }
        let (start, bit) = (from as usize / BITS % rows, from as usize % BITS);
        let upper = usize::MAX << bit;
        // The first row comes twice: from the number on, and at the end up to there.
        for step in 0..=rows {
            let index = (start + step) % rows;
            let Some(row) = self.rows.get(Place::of(index)) else {
                continue;
            };
            // ORDERING: Relaxed. A hint; see `mark`.
            let mut left = row.0[parity.index()].load(Ordering::Relaxed);
            if step == 0 {
                left &= upper;
            } else if step == rows {
                left &= !upper;
            }
            while left != 0 {
                let number = index * BITS + left.trailing_zeros() as usize;
                left &= left - 1;
                if let Some(found) = self.get(Place::of(number)).and_then(&mut attempt) {
                    return Some(found);
                }
            }
        }
        None
    }

    /// Runs `attempt` on all parts that nobody owns at this moment, until it has found something.
    pub(crate) fn find_orphan<R>(
        &self,
        mut attempt: impl FnMut(&Part<T>) -> Option<R>,
    ) -> Option<R> {
        thread::free_numbers(self.end()).find_map(|number| {
            let part = self.get(Place::of(number))?;
            attempt(part)
        })
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use super::*;

    const NUMBERS: [usize; 7] = [0, 1, 63, 64, 510, 511, 65_535];

    fn parts() -> Parts<usize> {
        let parts = Parts::new();
        for number in NUMBERS {
            let part = parts.get_or_make(Place::of(number)).unwrap();
            assert_eq!(part.number() as usize, number);
            assert!(ptr::eq(part, parts.get(Place::of(number)).unwrap()));
        }
        parts
    }

    #[test]
    fn low_and_high_numbers_have_parts() {
        let mut parts = parts();
        let numbers = parts.iter().map(|part| part.number() as usize);
        assert_eq!(numbers.collect::<Vec<_>>(), NUMBERS);
        assert_eq!(parts.iter_mut().count(), NUMBERS.len());
        for number in [2, 62, 65, 509, 512, 65_534] {
            assert!(parts.get(Place::of(number)).is_none(), "{number}");
        }
        assert!(parts.get_or_make(Place::of(65_536 + 512)).is_none());
        assert!(parts.get(Place::NONE).is_none());
    }

    #[test]
    fn once_round_from_any_number() {
        let parts = parts();
        let primary = Parity::primary(0);
        let round = |from| {
            let mut seen = Vec::new();
            let found: Option<()> = parts.find(primary, from, |part| {
                seen.push(part.number() as usize);
                None
            });
            assert!(found.is_none());
            seen
        };
        assert_eq!(round(0), [0; 0], "nothing has come in");
        for part in parts.iter() {
            parts.mark(primary, part);
        }
        assert_eq!(round(0), NUMBERS);
        assert_eq!(round(1), [1, 63, 64, 510, 511, 65_535, 0]);
        assert_eq!(round(64), [64, 510, 511, 65_535, 0, 1, 63]);
        assert_eq!(round(65_535), [65_535, 0, 1, 63, 64, 510, 511]);
        let first = parts.find(primary, 2, |part| Some(part.number()));
        assert_eq!(first, Some(63));
        parts.unmark(primary, parts.get(Place::of(63)).unwrap());
        assert_eq!(round(2), [64, 510, 511, 65_535, 0, 1]);
        let none: Option<()> = parts.find(Parity::victim(0), 0, |_| unreachable!());
        assert!(none.is_none(), "the other parity");
    }
}
