//! A growing table whose entries never move: lazily allocated buckets, each twice the last up to a size.
//!
//! ```text
//!   bucket 0: always null, so that "no place" needs no branch of its own
//!   bucket 1: entry 0        bucket 2: entries 1, 2        bucket 3: entries 3 … 6        …
//!   bucket 9: entries 255 … 510       bucket 10: the next 256      bucket 11: the next 256      …
//! ```
//!
//! A look-up is two loads; nothing is freed before the table is. The idea of buckets that double is
//! boxcar's and thread_local's. They stop doubling, so that whoever has a high number costs no more than one bucket.

use core::fmt;
use core::iter::Enumerate;
use core::marker::PhantomData;
use core::ptr;
use core::slice;

use crate::sync::{AtomicPtr, Ordering, const_unless_loom};

/// The last bucket that is twice the one before; those after it are as large.
pub(crate) const LAST_DOUBLED: u32 = 9;
/// How many entries the large ones have.
const LARGEST: usize = 1 << (LAST_DOUBLED - 1);
/// How many entries there are up to the last that is doubled.
const DOUBLED: usize = 2 * LARGEST - 1;

/// How many entries a bucket has, the one that is always null aside.
const fn len_of(bucket: u32) -> usize {
    if bucket <= LAST_DOUBLED {
        1 << (bucket - 1)
    } else {
        LARGEST
    }
}

/// How many buckets a table needs for so many entries.
pub(crate) const fn buckets_for(entries: usize) -> usize {
    if entries <= DOUBLED {
        (usize::BITS - entries.leading_zeros()) as usize + 1
    } else {
        LAST_DOUBLED as usize + 1 + (entries - DOUBLED).div_ceil(LARGEST)
    }
}

/// Where an entry is: computed once, so that the hot path need not take a logarithm.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    /// 0 for none, else the bucket.
    bucket: u32,
    /// Within the bucket; below its length.
    index: u32,
}

impl Place {
    /// No entry: looked up, it finds nothing.
    pub(crate) const NONE: Self = Self {
        bucket: 0,
        index: 0,
    };

    /// The place of an entry counted from 0; none for numbers beyond 32 bits.
    pub(crate) fn of(number: usize) -> Self {
        let (bucket, index) = match number.checked_sub(DOUBLED) {
            None => {
                let log = (number + 1).ilog2();
                (log + 1, number + 1 - (1 << log))
            }
            Some(more) => (
                u32::try_from(more / LARGEST)
                    .ok()
                    .and_then(|large| large.checked_add(LAST_DOUBLED + 1))
                    .unwrap_or(0),
                more % LARGEST,
            ),
        };
        match bucket {
            0 => Self::NONE,
            _ => Self {
                bucket,
                index: index as u32,
            },
        }
    }

    /// Whether the bucket is one of those that double.
    #[inline(always)]
    pub(crate) fn is_low(self) -> bool {
        self.bucket <= LAST_DOUBLED
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
        let before = self.bucket.checked_sub(1)?;
        let first = match before.checked_sub(LAST_DOUBLED) {
            None => (1 << before) - 1,
            Some(large) => DOUBLED + large as usize * LARGEST,
        };
        Some(first + self.index as usize)
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
        // SAFETY: the bucket has `len_of(bucket)` entries and `Place` keeps the index below that.
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
        if place == Place::NONE {
            return None;
        }
        let bucket = self.buckets.get(place.bucket as usize)?;
        let len = len_of(place.bucket);
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
        (1..BUCKETS as u32).flat_map(move |bucket| {
            let made = self.get(Place { bucket, index: 0 }).is_some();
            let len = if made { len_of(bucket) } else { 0 };
            (0..len as u32).filter_map(move |index| self.get(Place { bucket, index }))
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
                    len_of(bucket as u32)
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
                    let slice = ptr::slice_from_raw_parts_mut(entries, len_of(bucket as u32));
                    // SAFETY: made by `into_raw` of a boxed slice of this length in `get_or_make`, exclusive, and
                    // passed here once.
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
        for number in (0..10_000).chain([65_535, 1 << 24]) {
            let place = Place::of(number);
            assert_eq!(place.number(), Some(number));
            assert!((place.index as usize) < len_of(place.bucket));
        }
        assert_eq!(Place::NONE.number(), None);
        assert_eq!(Place::of(usize::MAX), Place::NONE);
    }

    #[test]
    fn as_many_buckets_as_it_takes() {
        for entries in (1..5000).chain([65_536]) {
            let last = Place::of(entries - 1);
            assert_eq!(buckets_for(entries), last.bucket as usize + 1, "{entries}");
        }
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
