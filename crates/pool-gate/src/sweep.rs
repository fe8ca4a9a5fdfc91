//! The visitors' side: shut many gates, issue one heavy barrier, come in where the owner is out, open again.
//!
//! The steps are types, so that none is left out: a [`Sweep`] revokes, the heavy barrier turns it into [`Visits`], and
//! each [`Visit`] opens its gate when it ends. If the barrier is refused there are no visits, only gates to be given back
//! ([`Unordered`]).
//!
//! A sweep is known by a number, which it leaves in the gates that it holds. Numbers are leased, lowest first, so no two
//! sweeps ever have the same at the same time, however many there are and however long one takes. What a sweep lost in a
//! fork holds, no later one of that child takes for its own.

use core::fmt;

use crate::barrier::{Asymmetric, Refused};
use crate::gate::{Gate, OPEN, REFUSED};
use crate::sync::{AtomicUsize, Ordering};

/// Words of the bitmap of numbers: so many sweeps times the bits of a word can be under way.
const WORDS: usize = if cfg!(pool_loom) { 1 } else { 16 };
const BITS: usize = usize::BITS as usize;

#[cfg(not(pool_loom))]
fn numbers() -> &'static [AtomicUsize; WORDS] {
    static NUMBERS: [AtomicUsize; WORDS] = [const { AtomicUsize::new(0) }; WORDS];
    &NUMBERS
}

#[cfg(pool_loom)]
fn numbers() -> &'static [AtomicUsize; WORDS] {
    crate::sync::lazy_static! {
        static ref NUMBERS: [AtomicUsize; WORDS] = core::array::from_fn(|_| AtomicUsize::new(0));
    }
    &NUMBERS
}

/// Begins an execution, before its threads are spawned: makes what is made at its first use, which would otherwise be an
/// edge between two of them.
#[cfg(pool_loom)]
pub fn begin_model() {
    use crate::sync::fence;

    // ORDERING: SeqCst, pairs with nothing: it makes the companion of all such fences.
    fence(Ordering::SeqCst);
    numbers();
}

/// Leases the lowest free number; they begin with 1. Lock-free.
fn lease() -> Option<usize> {
    for (index, word) in numbers().iter().enumerate() {
        // ORDERING: Relaxed. The exchange below decides.
        let mut seen = word.load(Ordering::Relaxed);
        while seen != usize::MAX {
            let bit = seen.trailing_ones() as usize;
            // ORDERING: Relaxed, both. The fence in `heavy`, which stands between this and the first look in `holds`,
            // makes it an acquire that pairs with the Release in `drop`: where the last sweep of this number opened a
            // gate, we do not find our number any more.
            match word.compare_exchange_weak(
                seen,
                seen | 1 << bit,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Some(index * BITS + bit + 1),
                Err(now) => seen = now,
            }
        }
    }
    None
}

/// A visitor on its way to one or many [`Gate`]s.
///
/// # Examples
///
/// Reads and resets the counters of all threads:
///
/// ```
/// use pool_gate::{Gate, Sweep};
///
/// static COUNTERS: [Gate<u64>; 4] = [const { Gate::new(0) }; 4];
///
/// /// What has been counted since the last call; `None` if no gate can be visited.
/// fn collect() -> Option<u64> {
///     let sweep = Sweep::new(pool_gate::Asymmetric::get()?)?;
///     for gate in &COUNTERS {
///         sweep.revoke(gate);
///     }
///     // One barrier for all.
///     let mut visits = match sweep.heavy() {
///         Ok(visits) => visits,
///         Err(unordered) => {
///             COUNTERS.iter().for_each(|gate| unordered.restore(gate));
///             return None;
///         }
///     };
///     let mut sum = 0;
///     for gate in &COUNTERS {
///         // Waits for a bounded time: an owner inside may have been stopped there.
///         for _ in 0..1000 {
///             if let Some(mut visit) = visits.enter(gate) {
///                 sum += visit.with(std::mem::take);
///                 break;
///             }
///             std::hint::spin_loop();
///         }
///         visits.restore(gate);
///     }
///     Some(sum)
/// }
/// # pool_gate::register();
/// # let mut owner = COUNTERS[2].claim().unwrap();
/// # owner.enter().unwrap().with(|count| *count = 5);
/// # assert!(matches!(collect(), None | Some(5)));
/// ```
#[derive(Debug)]
pub struct Sweep {
    number: usize,
    pair: Asymmetric,
}

impl Sweep {
    /// Begins a sweep; `None` while 1024 others are under way (512 on 32-bit targets). Lock-free.
    ///
    /// Forgetting a sweep, or losing its thread in a fork, leaves its gates shut and uses up one of these places.
    #[must_use]
    pub fn new(pair: Asymmetric) -> Option<Self> {
        Some(Self {
            number: lease()?,
            pair,
        })
    }

    /// Shuts a gate: its owner is turned away from now on, until it is opened again. False when another sweep holds it, or
    /// it was [given up](Gate::refuse). Wait-free.
    pub fn revoke<T>(&self, gate: &Gate<T>) -> bool {
        // ORDERING: Acquire on success, pairs with the Release in `Gate::reopen`: we see what an earlier visitor did. The
        // fence that the heavy barrier begins with would do for that, but ThreadSanitizer knows no fences.
        // Relaxed on failure: another sweep has the gate, and we leave it to that one. The heavy barrier orders
        // the store before the load in `is_drained`; pairs with the light one in `enter`.
        gate.revoked
            .compare_exchange(OPEN, self.number, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// Issues one heavy barrier for all gates that were revoked: from here on an owner who is out stays out.
    ///
    /// # Errors
    ///
    /// When the system refuses. Nobody may be visited then; the gates have to be [given back](Unordered::restore).
    pub fn heavy(self) -> Result<Visits, Unordered> {
        match self.pair.heavy() {
            Ok(()) => Ok(Visits { sweep: self }),
            Err(refused) => Err(Unordered {
                sweep: self,
                refused,
            }),
        }
    }

    /// As if the system had refused.
    #[cfg(pool_loom)]
    #[doc(hidden)]
    pub fn refused(self, for_good: bool) -> Unordered {
        Unordered {
            sweep: self,
            refused: Refused { for_good },
        }
    }

    /// Whether this sweep holds a gate.
    fn holds<T>(&self, gate: &Gate<T>) -> bool {
        // ORDERING: Relaxed. We look for our own number. While we have it only we write it, and what its last holder
        // wrote happened before we got it.
        gate.revoked.load(Ordering::Relaxed) == self.number
    }
}

impl Drop for Sweep {
    fn drop(&mut self) {
        let at = self.number - 1;
        // ORDERING: Release, pairs with the Acquire in `lease`.
        numbers()[at / BITS].fetch_and(!(1 << (at % BITS)), Ordering::Release);
    }
}

/// A sweep behind its heavy barrier, which may visit the gates that it revoked before. Made by [`Sweep::heavy`].
///
/// Dropping it leaves those gates shut that were neither visited nor restored.
#[derive(Debug)]
pub struct Visits {
    sweep: Sweep,
}

impl Visits {
    /// Whether this sweep still holds a gate: it has revoked and not yet opened it.
    #[must_use]
    pub fn holds<T>(&self, gate: &Gate<T>) -> bool {
        self.sweep.holds(gate)
    }

    /// Comes in; `None` while the owner is inside, and if this sweep does not hold the gate. Wait-free.
    #[must_use = "dropping the visit opens the gate again"]
    pub fn enter<'a, T>(&'a mut self, gate: &'a Gate<T>) -> Option<Visit<'a, T>> {
        if !self.holds(gate) || !gate.is_drained() {
            return None;
        }
        Some(Visit {
            gate,
            _visits: self,
        })
    }

    /// Opens a gate again without a visit, if this sweep holds it. Wait-free.
    pub fn restore<T>(&mut self, gate: &Gate<T>) {
        if self.holds(gate) {
            gate.reopen(OPEN);
        }
    }
}

/// A sweep whose heavy barrier was refused: all it can do is to give the gates back. Made by [`Sweep::heavy`].
#[derive(Debug)]
pub struct Unordered {
    sweep: Sweep,
    refused: Refused,
}

impl Unordered {
    /// What the system said.
    #[must_use]
    pub fn refused(&self) -> Refused {
        self.refused
    }

    /// Gives a gate back if this sweep holds it. If barriers are refused for good the gate is given up, see
    /// [`Gate::refuse`]; otherwise it is open again. Wait-free.
    pub fn restore<T>(&self, gate: &Gate<T>) {
        if self.sweep.holds(gate) {
            gate.reopen(if self.refused.for_good { REFUSED } else { OPEN });
        }
    }
}

/// A visitor is inside. Dropping it opens the gate again.
///
/// Forgetting it leaves the gate shut.
#[must_use = "dropping it opens the gate again"]
pub struct Visit<'a, T> {
    gate: &'a Gate<T>,
    /// One visit at a time.
    _visits: &'a mut Visits,
}

impl<T> Visit<'_, T> {
    /// Uses the data.
    pub fn with<R>(&mut self, f: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: the gate was revoked before the heavy barrier and drained after it, so the owner stays out (G1); other
        // sweeps have other numbers (G2), this one has one visit at a time, and we are borrowed exclusively.
        unsafe { self.gate.data(f) }
    }
}

impl<T> Drop for Visit<'_, T> {
    fn drop(&mut self) {
        self.gate.reopen(OPEN);
    }
}

impl<T> fmt::Debug for Visit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visit").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_leased_lowest_first_until_none_is_left() {
        let sweeps: Vec<_> = core::iter::from_fn(|| Sweep::new(crate::register()?)).collect();
        if sweeps.is_empty() {
            assert_eq!(crate::register(), None);
            return;
        }
        assert_eq!(sweeps.len(), WORDS * BITS);
        let (first, last) = (sweeps[0].number, sweeps[WORDS * BITS - 1].number);
        assert_eq!((first, last), (1, WORDS * BITS));
        let mut sweeps = sweeps;
        drop(sweeps.remove(77));
        assert_eq!(crate::register().and_then(Sweep::new).unwrap().number, 78);
    }
}
