//! Numbers for threads: small, dense, reused after a thread is gone, readable with one plain load.
//!
//! A number names the thread's place in every pool's table of parts. It is leased on a thread's first
//! slow operation and given back by a thread-local destructor, so memory follows the most threads alive
//! at once and not all that ever were. A thread that is already tearing down its thread-locals, or that meets
//! itself in its own part, leases another for one operation.

use core::cell::Cell;

use crate::env;
use crate::recent;
use crate::sync::{AtomicU32, Ordering};
use crate::table::{Place, buckets_for};

/// Words of the bitmap: 65,536 threads at once can have a number; more can take and not put.
const WORDS: usize = if cfg!(pool_loom) { 1 } else { 2048 };

/// How many numbers there are.
pub(crate) const NUMBERS: usize = WORDS * u32::BITS as usize;

/// Buckets that a table needs for all of these numbers and none beyond.
pub(crate) const BUCKETS: usize = buckets_for(NUMBERS);

/// Which numbers are leased, a bit each.
struct Numbers {
    words: [AtomicU32; WORDS],
}

impl Numbers {
    #[cfg(not(pool_loom))]
    const fn new() -> Self {
        Self {
            words: [const { AtomicU32::new(0) }; WORDS],
        }
    }

    #[cfg(pool_loom)]
    fn new() -> Self {
        Self {
            words: core::array::from_fn(|_| AtomicU32::new(0)),
        }
    }

    /// Leases the lowest free number, counted from 0. Lock-free.
    fn lease(&self) -> Option<u32> {
        for (index, word) in (0u32..).zip(&self.words) {
            // ORDERING: Relaxed. The exchange below decides.
            let mut seen = word.load(Ordering::Relaxed);
            while seen != u32::MAX {
                let bit = seen.trailing_ones();
                // ORDERING: Acquire on success, pairs with the Release in `release`: what the number's last holder
                // did to its caches happened before what we do to them. Relaxed on failure: only retried.
                match word.compare_exchange_weak(
                    seen,
                    seen | 1 << bit,
                    Ordering::Acquire,
                    Ordering::Relaxed,
                ) {
                    Ok(_) => return Some(index * u32::BITS + bit),
                    Err(now) => seen = now,
                }
            }
        }
        None
    }

    /// Leases this very number, if no thread has it.
    fn lease_one(&self, number: u32) -> bool {
        let bit = 1 << (number % u32::BITS);
        self.words
            .get((number / u32::BITS) as usize)
            // ORDERING: Acquire, pairs with the Release in `release`, as in `lease`.
            .is_some_and(|word| word.fetch_or(bit, Ordering::Acquire) & bit == 0)
    }

    /// Whether somebody has this number.
    fn is_leased(&self, number: u32) -> bool {
        self.words
            .get((number / u32::BITS) as usize)
            // ORDERING: Relaxed. A hint; `lease_one` decides.
            .is_some_and(|word| word.load(Ordering::Relaxed) >> (number % u32::BITS) & 1 != 0)
    }

    /// Gives a leased number back.
    fn release(&self, number: u32) {
        let word = &self.words[(number / u32::BITS) as usize];
        // ORDERING: Release, pairs with the Acquire in `lease` and `lease_one`.
        word.fetch_and(!(1 << (number % u32::BITS)), Ordering::Release);
    }
}

/// The numbers of the process.
#[cfg(not(pool_loom))]
type Handle = &'static Numbers;
/// Counted under the model checker, which drops its statics before its threads' last destructors run.
#[cfg(pool_loom)]
type Handle = std::sync::Arc<Numbers>;

#[cfg(not(pool_loom))]
fn numbers() -> Handle {
    static NUMBERS: Numbers = Numbers::new();
    &NUMBERS
}

#[cfg(pool_loom)]
fn numbers() -> Handle {
    env::lazy_static! {
        static ref NUMBERS: Handle = Handle::new(Numbers::new());
    }
    NUMBERS.clone()
}

/// Makes the numbers.
#[cfg(pool_loom)]
pub(crate) fn begin_model() {
    drop(numbers());
}

/// Gives the number back when the thread goes.
struct Lease(Cell<Option<(Handle, u32)>>);

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some((numbers, number)) = self.0.take() {
            // The place goes first: later destructors of this thread must not use what is no longer ours.
            let _ = PLACE.try_with(|place| place.set(Place::NONE));
            recent::forget();
            numbers.release(number);
        }
    }
}

#[cfg(not(pool_loom))]
env::thread_local! {
    /// Where this thread's caches are. Has no destructor, so that it can be read during teardown.
    static PLACE: Cell<Place> = const { Cell::new(Place::NONE) };
    static LEASE: Lease = const { Lease(Cell::new(None)) };
}

#[cfg(pool_loom)]
env::thread_local! {
    static PLACE: Cell<Place> = Cell::new(Place::NONE);
    static LEASE: Lease = Lease(Cell::new(None));
}

/// This thread's place, or [`Place::NONE`] when it has none yet or none any more. Wait-free.
#[inline(always)]
pub(crate) fn place() -> Place {
    let place = PLACE.try_with(Cell::get).unwrap_or(Place::NONE);
    // SAFETY: `lease_place` sets it to a place in a table of that many buckets, and `Lease::drop` to none, as it is at
    // first: bucket 0, which each table has.
    unsafe { place.assume_within::<BUCKETS>() };
    place
}

/// This thread's place; leases a number for it first if need be.
#[cold]
pub(crate) fn lease_place() -> Place {
    let place = place();
    if place != Place::NONE {
        return place;
    }
    // Fails once the thread-local has been destroyed, and then there will be no more destructor that
    // could give a number back.
    LEASE
        .try_with(|lease| {
            let numbers = numbers();
            let number = numbers.lease()?;
            lease.0.set(Some((numbers, number)));
            let place = Place::of(number as usize);
            assert!(
                place.is_within::<BUCKETS>(),
                "a number above the limit was leased"
            );
            PLACE.try_with(|cell| cell.set(place)).ok()?;
            Some(place)
        })
        .ok()
        .flatten()
        .unwrap_or(Place::NONE)
}

/// A number that no thread has, kept from new threads for as long as this lives: the parts that it leads to are the
/// bearer's.
pub(crate) struct Heir(Handle, u32);

impl Heir {
    /// Where its parts are.
    pub(crate) fn place(&self) -> Place {
        Place::of(self.1 as usize)
    }
}

impl Drop for Heir {
    fn drop(&mut self) {
        self.0.release(self.1);
    }
}

/// The numbers below `end` that belong to nobody at this moment.
pub(crate) fn free_numbers(end: usize) -> impl Iterator<Item = usize> {
    let bits = u32::BITS as usize;
    let numbers = numbers();
    (0..end.div_ceil(bits).min(WORDS)).flat_map(move |index| {
        // ORDERING: Relaxed. A hint; `lease_one` decides.
        let mut free = !numbers.words[index].load(Ordering::Relaxed);
        core::iter::from_fn(move || {
            let bit = free.trailing_zeros() as usize;
            free &= free.checked_sub(1)?;
            Some(index * bits + bit).filter(|&number| number < end)
        })
    })
}

/// Whether the number belongs to somebody at this moment.
pub(crate) fn is_leased(number: u32) -> bool {
    numbers().is_leased(number)
}

/// Becomes the heir of the thread whose number this was; None if it is a living thread's.
pub(crate) fn inherit(number: u32) -> Option<Heir> {
    let numbers = numbers();
    numbers.lease_one(number).then(|| Heir(numbers, number))
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_dense_and_reused() {
        let numbers = Numbers::new();
        for expected in 0..100 {
            assert_eq!(numbers.lease(), Some(expected));
        }
        numbers.release(40);
        numbers.release(7);
        assert_eq!(numbers.lease(), Some(7));
        assert_eq!(numbers.lease(), Some(40));
        assert_eq!(numbers.lease(), Some(100));
    }

    #[test]
    fn one_number_is_leased_if_it_is_free() {
        let numbers = Numbers::new();
        assert_eq!(numbers.lease(), Some(0));
        assert!(!numbers.lease_one(0) && numbers.lease_one(40) && !numbers.lease_one(40));
        assert!(numbers.is_leased(0) && numbers.is_leased(40) && !numbers.is_leased(41));
        numbers.release(0);
        assert!(numbers.lease_one(0));
        assert!(
            !numbers.lease_one(WORDS as u32 * u32::BITS),
            "no such number"
        );
        assert_eq!(numbers.lease(), Some(1));
    }

    #[test]
    fn a_living_threads_place_is_not_inherited() {
        let number = |place: Place| place.number().unwrap() as u32;
        let ours = number(lease_place());
        assert!(inherit(ours).is_none() && is_leased(ours));
        let gone = number(std::thread::spawn(lease_place).join().unwrap());
        let heir = inherit(gone);
        // Another test's thread may have it by now.
        assert!(heir.is_none() || inherit(gone).is_none());
    }

    #[test]
    fn free_numbers_are_nobodys() {
        let ours = lease_place().number().unwrap();
        let heir = free_numbers(NUMBERS).find_map(|number| inherit(number as u32));
        let theirs = heir.as_ref().unwrap().1 as usize;
        assert_eq!(heir.unwrap().place(), Place::of(theirs));
        assert_ne!(theirs, ours);
        assert!(free_numbers(NUMBERS).count() > NUMBERS / 2);
        assert!(free_numbers(NUMBERS).all(|number| number != ours));
        assert_eq!(free_numbers(0).next(), None);
        assert!(free_numbers(1000).all(|number| number < 1000));
    }

    #[test]
    fn numbers_run_out_politely() {
        let numbers = Numbers::new();
        for expected in 0..(WORDS as u32 * u32::BITS) {
            assert_eq!(numbers.lease(), Some(expected));
        }
        assert_eq!(numbers.lease(), None);
        numbers.release(65_535);
        assert_eq!(numbers.lease(), Some(65_535));
    }

    #[test]
    fn a_thread_keeps_its_place_and_returns_it() {
        let place = lease_place();
        assert_ne!(place, Place::NONE);
        assert_eq!(lease_place(), place);
        assert_eq!(super::place(), place);
        let other = std::thread::spawn(lease_place).join().unwrap();
        assert_ne!(other, place);
    }
}
