//! A growing table whose entries never move: lazily allocated buckets, each twice the last.
//!
//! ```text
//!   bucket 0: always null, so that "no place" needs no branch of its own
//!   bucket 1: entry 0        bucket 2: entries 1, 2        bucket 3: entries 3 … 6        …
//! ```
//!
//! A look-up is two loads; nothing is freed before the table is. The idea of buckets that double is
//! boxcar's and thread_local's.

use core::fmt;
use core::iter::Enumerate;
use core::marker::PhantomData;
use core::ptr;
use core::slice;

use crate::sync::{AtomicPtr, Ordering, const_unless_loom};

/// Where an entry is: computed once, so that the hot path need not take a logarithm.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    /// 0 for none, else the bucket.
    bucket: u32,
    /// Within the bucket; below its length, `1 << (bucket - 1)`.
    index: u32,
}

impl Place {
    /// No entry: looked up, it finds nothing.
    pub(crate) const NONE: Self = Self {
        bucket: 0,
        index: 0,
    };

    /// The place of an entry counted from 0.
    pub(crate) fn of(number: usize) -> Self {
        let position = number
            .checked_add(1)
            .and_then(|n| u32::try_from(n).ok())
            .unwrap_or(0);
        match position.checked_ilog2() {
            Some(log) => Self {
                bucket: log + 1,
                index: position - (1 << log),
            },
            None => Self::NONE,
        }
    }

    /// Whether a table of so many buckets can have an entry there.
    pub(crate) fn is_within<const BUCKETS: usize>(self) -> bool {
        (self.bucket as usize) < BUCKETS
    }

    /// Spares the look-up its check.
    ///
    /// # Safety
    ///
    /// `is_within` holds.
    #[inline(always)]
    pub(crate) unsafe fn assume_within<const BUCKETS: usize>(self) {
        // SAFETY: the caller's.
        unsafe { core::hint::assert_unchecked((self.bucket as usize) < BUCKETS) };
    }

    /// The reverse of `of`.
    pub(crate) fn number(self) -> Option<usize> {
        let log = self.bucket.checked_sub(1)?;
        Some((1 << log) - 1 + self.index as usize)
    }
}

/// Entries in buckets, made when first asked for.
pub(crate) struct Table<E, const BUCKETS: usize> {
    buckets: [AtomicPtr<E>; BUCKETS],
    _entries: PhantomData<E>,
}

impl<E, const BUCKETS: usize> Table<E, BUCKETS> {
    const_unless_loom! {
        /// An empty table; allocates nothing.
        pub(crate) const fn new() -> Self {
            Self { buckets: no_buckets(), _entries: PhantomData }
        }
    }

    /// The entry at a place, if it has been made. Wait-free.
    #[inline(always)]
    pub(crate) fn get(&self, place: Place) -> Option<&E> {
        let bucket = self.buckets.get(place.bucket as usize)?;
        // ORDERING: Acquire, pairs with the Release in `get_or_make`: the entries are initialised.
        let entries = bucket.load(Ordering::Acquire);
        if entries.is_null() {
            return None;
        }
        // SAFETY: the bucket has `1 << (bucket - 1)` entries and `Place` keeps the index below that.
        let entry = unsafe { entries.add(place.index as usize) };
        // SAFETY: initialised before it was published, and freed only with the table, which we borrow.
        Some(unsafe { &*entry })
    }

    /// The entry at a place; makes its bucket first if need be. None when there is no such place or no
    /// memory for it. Lock-free: of several threads that make one bucket, all but one throw theirs away.
    #[cold]
    pub(crate) fn get_or_make(&self, place: Place, make: impl Fn() -> E) -> Option<&E> {
        if let Some(entry) = self.get(place) {
            return Some(entry);
        }
        let number = place.bucket.checked_sub(1)?;
        let bucket = self.buckets.get(place.bucket as usize)?;
        let len = 1usize << number;
        let mut entries = Vec::new();
        entries.try_reserve_exact(len).ok()?;
        entries.extend(core::iter::repeat_with(make).take(len));
        let fresh = Box::into_raw(entries.into_boxed_slice());
        // ORDERING: Release on success, pairs with the Acquire in `get`: whoever finds the bucket finds its
        // entries initialised. Relaxed on failure: `get` below does its own load.
        let won = bucket
            .compare_exchange(
                ptr::null_mut(),
                fresh.cast(),
                Ordering::Release,
                Ordering::Relaxed,
            )
            .is_ok();
        if !won {
            // SAFETY: ours from `into_raw` above, and never published.
            drop(unsafe { Box::from_raw(fresh) });
        }
        self.get(place)
    }

    /// All entries that have been made, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &E> {
        self.places().map(|(_, entry)| entry)
    }

    /// The same with their places.
    pub(crate) fn places(&self) -> impl Iterator<Item = (Place, &E)> {
        (1..BUCKETS as u32).flat_map(move |bucket| {
            let made = self.get(Place { bucket, index: 0 }).is_some();
            let len = if made { 1 << (bucket - 1) } else { 0 };
            (0..len).filter_map(move |index| {
                let place = Place { bucket, index };
                Some((place, self.get(place)?))
            })
        })
    }
}

impl<E, const BUCKETS: usize> Table<E, BUCKETS> {
    /// All entries that have been made, in order, exclusively.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut E> {
        self.buckets
            .iter()
            .enumerate()
            .skip(1)
            .flat_map(|(bucket, entries)| {
                // ORDERING: Relaxed. We have the table exclusively, so every write to it happened before.
                let entries = entries.load(Ordering::Relaxed);
                let len = if entries.is_null() {
                    0
                } else {
                    1 << (bucket - 1)
                };
                (0..len).map(move |index| {
                    // SAFETY: the bucket has `len` entries.
                    let entry = unsafe { entries.add(index) };
                    // SAFETY: initialised before it was published; each is visited once, and the table is borrowed
                    // exclusively.
                    unsafe { &mut *entry }
                })
            })
    }
}

#[cfg(not(pool_loom))]
const fn no_buckets<E, const BUCKETS: usize>() -> [AtomicPtr<E>; BUCKETS] {
    [const { AtomicPtr::new(ptr::null_mut()) }; BUCKETS]
}

#[cfg(pool_loom)]
fn no_buckets<E, const BUCKETS: usize>() -> [AtomicPtr<E>; BUCKETS] {
    core::array::from_fn(|_| AtomicPtr::new(ptr::null_mut()))
}

impl<E, const BUCKETS: usize> Drop for Table<E, BUCKETS> {
    fn drop(&mut self) {
        /// Takes the buckets out; frees those that are left when an entry's destructor has panicked.
        struct Made<'a, E>(Enumerate<slice::Iter<'a, AtomicPtr<E>>>);

        impl<E> Iterator for Made<'_, E> {
            type Item = Box<[E]>;

            fn next(&mut self) -> Option<Box<[E]>> {
                self.0.find_map(|(bucket, entries)| {
                    // ORDERING: Relaxed. We have the table exclusively, so every write to it happened before.
                    let entries = entries.load(Ordering::Relaxed);
                    if entries.is_null() {
                        return None;
                    }
                    // Bucket 0 is null, so there is a bucket before this one.
                    let slice = ptr::slice_from_raw_parts_mut(entries, 1 << (bucket - 1));
                    // SAFETY: made by `into_raw` of a boxed slice of this length in `get_or_make`, exclusive, and passed
                    // here once.
                    Some(unsafe { Box::from_raw(slice) })
                })
            }
        }

        impl<E> Drop for Made<'_, E> {
            fn drop(&mut self) {
                self.for_each(drop);
            }
        }

        Made(self.buckets.iter().enumerate())
            .by_ref()
            .for_each(drop);
    }
}

impl<E, const BUCKETS: usize> fmt::Debug for Table<E, BUCKETS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("entries", &self.iter().count())
            .finish()
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use super::*;

    #[test]
    fn places_round_trip() {
        for number in 0..1000 {
            assert_eq!(Place::of(number).number(), Some(number));
        }
        assert_eq!(Place::NONE.number(), None);
    }

    #[test]
    fn entries_are_made_once_and_stay() {
        let table = Table::<usize, 5>::new();
        assert!(table.get(Place::NONE).is_none());
        assert!(table.get(Place::of(3)).is_none());
        let entry: *const usize = table.get_or_make(Place::of(3), || 7).unwrap();
        assert_eq!(table.iter().count(), 4, "a bucket is made whole");
        table.get_or_make(Place::of(14), || 9).unwrap();
        assert!(ptr::eq(
            entry,
            table.get_or_make(Place::of(3), || 8).unwrap()
        ));
        assert_eq!(
            table.iter().copied().collect::<Vec<_>>(),
            [[7; 4].as_slice(), &[9; 8]].concat()
        );
    }

    #[test]
    fn a_place_beyond_the_table_is_none() {
        let table = Table::<usize, 3>::new();
        assert!(table.get_or_make(Place::of(3), || 1).is_none());
        assert!(table.get_or_make(Place::NONE, || 1).is_none());
        assert!(table.get_or_make(Place::of(usize::MAX - 1), || 1).is_none());
    }
}
