//! The gate: data of one owner, which others can shut the owner out of.
//!
//! ```text
//!   owner                                     visitor (sweep)
//!   pinned := true                            revoked := me
//!   light barrier                             heavy barrier, one for many gates
//!   revoked?  ── yes ─► pinned := false       pinned? ── yes ─► wait a little, else give up
//!      │ no                                      │ no
//!   use the data                              use the data
//!   pinned := false                           revoked := 0
//! ```
//!
//! The barriers make sure that of the owner's look at `revoked` and the visitor's look at `pinned` at least one sees the
//! other's write (design page, G1), so the two never use the data at the same time.

use core::fmt;
use core::marker::PhantomData;

use crate::barrier;
use crate::sync::{AtomicBool, AtomicUsize, Ordering, UnsafeCell, const_unless_loom};

/// `revoked` of a gate that nobody has shut.
pub(crate) const OPEN: usize = 0;
/// `revoked` of a gate that is its owner's alone from now on. No sweep has this number.
pub(crate) const REFUSED: usize = usize::MAX;

/// Data that one thread, the owner, uses often, and that others visit now and then.
///
/// The owner's way in is two plain stores and a load: no fence, no read-modify-write. The price is the visitors': they
/// shut gates with a [`Sweep`](crate::Sweep), issue one [heavy barrier](crate::Asymmetric::heavy) for all of them, and come
/// in where the owner is out. While a gate is shut, its owner is turned away and has to do without the data.
///
/// [`claim`](Self::claim) makes a thread the owner. Layers that know by other means who the owner is use
/// [`enter`](Self::enter), which is `unsafe`.
///
/// The owner should do a few moves inside and leave: visitors do not wait for long.
///
/// # Examples
///
/// ```
/// use pool_gate::{Gate, Sweep};
///
/// let gate = Gate::new(0_u64);
/// let mut owner = gate.claim().expect("nobody else has");
/// if let Some(mut inside) = owner.enter() {
///     inside.with(|count| *count += 1);
/// }
///
/// if let Some(sweep) = pool_gate::register().and_then(Sweep::new) {
///     assert!(sweep.revoke(&gate));
///     assert!(owner.enter().is_none(), "shut");
///     let mut visits = sweep.heavy().expect("it works");
///     let mut visit = visits.enter(&gate).expect("the owner is out");
///     assert_eq!(visit.with(|count| std::mem::take(count)), 1);
///     drop(visit); // open again
///     assert!(owner.enter().is_some());
/// }
/// ```
#[repr(C)]
pub struct Gate<T> {
    /// Written by the owner: it is inside.
    pinned: AtomicBool,
    /// Whether there is an [`Owner`].
    claimed: AtomicBool,
    /// Written by visitors: [`OPEN`], the number of the sweep that holds the gate, or [`REFUSED`].
    pub(crate) revoked: AtomicUsize,
    /// Written by each thread that acts as the owner, before the barrier, whose fences under the model checker would hide
    /// that an heir does not know of its predecessor.
    #[cfg(pool_loom)]
    owned: UnsafeCell<()>,
    data: UnsafeCell<T>,
}

// SAFETY: the data moves between the owner's thread and a visitor's, never both at once (G1); nobody lends a `&T`.
unsafe impl<T: Send> Sync for Gate<T> {}

impl<T> Gate<T> {
    const_unless_loom! {
        /// An open gate without an owner.
        pub const fn new(data: T) -> Self {
            Self {
                pinned: AtomicBool::new(false),
                claimed: AtomicBool::new(false),
                revoked: AtomicUsize::new(OPEN),
                #[cfg(pool_loom)]
                owned: UnsafeCell::new(()),
                data: UnsafeCell::new(data),
            }
        }
    }

    /// Makes the caller the owner, unless there is one. Wait-free.
    #[must_use = "dropping the owner gives the claim back"]
    pub fn claim(&self) -> Option<Owner<'_, T>> {
        // ORDERING: Acquire, pairs with the Release in `Owner::drop`: what an earlier owner did happened before.
        if self.claimed.swap(true, Ordering::Acquire) {
            return None;
        }
        Some(Owner { gate: self })
    }

    /// The owner goes in; `None` while the gate is shut. Wait-free: two plain stores and a load, counting the store with
    /// which [`Inside`] goes out again.
    ///
    /// # Safety
    ///
    /// The caller is the owner:
    ///
    /// - nobody has an [`Owner`] of this gate;
    /// - no other [`Inside`] of this gate is alive, not on this thread either;
    /// - all earlier calls happened before this one.
    #[inline(always)]
    pub unsafe fn enter(&self) -> Option<Inside<'_, T>> {
        // ORDERING: Relaxed; the barrier orders it before the load below. Pairs with the load in `is_drained`.
        self.pinned.store(true, Ordering::Relaxed);
        #[cfg(pool_loom)]
        self.owned.with_mut(|_| ());
        // Store buffering with `Sweep::revoke`: if our store comes first, the visitor sees it and stays out; if theirs does, we
        // see it below.
        barrier::light();
        let inside = Inside::of(self);
        // ORDERING: Acquire, pairs with the Release in `Gate::reopen`: what the visitor did to the data happened before we
        // look at it.
        if self.revoked.load(Ordering::Acquire) == OPEN {
            Some(inside)
        } else {
            drop(inside);
            None
        }
    }

    /// The owner goes in although the gate was given up (see [`refuse`](Self::refuse)): no visitor ever comes in again, so
    /// the data is the owner's alone. `None` if it was not given up.
    ///
    /// # Safety
    ///
    /// As [`enter`](Self::enter).
    #[cold]
    pub unsafe fn enter_refused(&self) -> Option<Inside<'_, T>> {
        // ORDERING: Acquire, pairs with the Release in `reopen`: what visitors did before happened before we look. Once it
        // reads so it stays so (G4).
        (self.revoked.load(Ordering::Acquire) == REFUSED).then(|| {
            #[cfg(pool_loom)]
            self.owned.with_mut(|_| ());
            Inside::of(self)
        })
    }

    /// Gives an open gate up: no sweep can shut it from now on, and the owner, which is turned away too, learns of it by
    /// [`is_refused`](Self::is_refused). For when heavy barriers are [refused for good](crate::Refused::is_for_good).
    ///
    /// Changes nothing while a sweep holds the gate. Wait-free.
    pub fn refuse(&self) {
        // ORDERING: Relaxed. As a read-modify-write it carries on what the last visitor released with the store that it
        // replaces, for the Acquire in `enter_refused`.
        let _ = self
            .revoked
            .compare_exchange(OPEN, REFUSED, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Whether the gate was given up, which it then stays.
    #[inline]
    #[must_use]
    pub fn is_refused(&self) -> bool {
        // ORDERING: Relaxed. `enter_refused` looks again before it touches anything.
        self.revoked.load(Ordering::Relaxed) == REFUSED
    }

    /// The data of a gate that nobody else can reach, for example to take it apart; `None` if somebody was lost inside, in
    /// a fork or by a forgotten guard, and may have left the data half-changed.
    pub fn exclusive<R>(&mut self, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        // ORDERING: Relaxed. We have the gate exclusively, so every write to it happened before.
        let pinned = self.pinned.load(Ordering::Relaxed);
        // ORDERING: Relaxed, see above.
        let revoked = self.revoked.load(Ordering::Relaxed);
        if pinned || !matches!(revoked, OPEN | REFUSED) {
            return None;
        }
        // SAFETY: we have it exclusively.
        Some(self.data.with_mut(|data| f(unsafe { &mut *data })))
    }

    /// Whether the owner is out; after a revocation and a heavy barrier it then stays out.
    pub(crate) fn is_drained(&self) -> bool {
        // ORDERING: Acquire, pairs with the Release in `Inside::drop`: what the owner did to the data happened before the
        // visitor looks at it.
        !self.pinned.load(Ordering::Acquire)
    }

    /// The sweep that holds the gate lets go of it: for others, or for the owner alone.
    pub(crate) fn reopen(&self, to: usize) {
        // ORDERING: Release, pairs with the Acquire in `enter`, `enter_refused` and `Sweep::revoke`: what visitors did to
        // the data happened before the next to come looks at it.
        self.revoked.store(to, Ordering::Release);
    }

    /// Lends the data.
    ///
    /// # Safety
    ///
    /// The caller is inside, or has drained the gate and holds it, and has no other borrow of the data.
    #[inline(always)]
    pub(crate) unsafe fn data<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: nobody else is there (G1); the caller has no other borrow.
        self.data.with_mut(|data| f(unsafe { &mut *data }))
    }
}

impl<T: Default> Default for Gate<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> fmt::Debug for Gate<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

/// The claim on a gate: the thread that has it is the owner. Made by [`Gate::claim`].
///
/// Can be sent to another thread, which is the owner then. Forgetting it leaves the gate claimed.
pub struct Owner<'a, T> {
    gate: &'a Gate<T>,
}

impl<T> Owner<'_, T> {
    /// Goes in; `None` while the gate is shut. Wait-free: two plain stores and a load.
    #[inline(always)]
    pub fn enter(&mut self) -> Option<Inside<'_, T>> {
        // SAFETY: there is one claim at a time, which we borrow exclusively for as long as we are inside; its earlier
        // holders gave it back by a Release that we have acquired.
        unsafe { self.gate.enter() }
    }

    /// Goes in although the gate was given up: it is the owner's alone then. `None` if it was not. See [`Gate::refuse`].
    pub fn enter_refused(&mut self) -> Option<Inside<'_, T>> {
        // SAFETY: as in `enter`.
        unsafe { self.gate.enter_refused() }
    }
}

// SAFETY: as a `&mut T`: the claim is handed over with the data.
unsafe impl<T: Send> Send for Owner<'_, T> {}

impl<T> Drop for Owner<'_, T> {
    fn drop(&mut self) {
        // ORDERING: Release, pairs with the Acquire in `claim`.
        self.gate.claimed.store(false, Ordering::Release);
    }
}

impl<T> fmt::Debug for Owner<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owner").finish_non_exhaustive()
    }
}

/// The owner is inside. Dropping it goes out.
///
/// Forgetting it leaves the owner inside as far as visitors can see; they give up. The owner itself can go in again.
#[must_use = "dropping it goes out again"]
pub struct Inside<'a, T> {
    gate: &'a Gate<T>,
    /// Stays on its thread, and is not `Sync`.
    _thread: PhantomData<*mut T>,
}

impl<'a, T> Inside<'a, T> {
    #[inline(always)]
    fn of(gate: &'a Gate<T>) -> Self {
        Self {
            gate,
            _thread: PhantomData,
        }
    }

    /// Uses the data.
    #[inline(always)]
    pub fn with<R>(&mut self, f: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: we are inside, and borrowed exclusively.
        unsafe { self.gate.data(f) }
    }
}

impl<T> Drop for Inside<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        // ORDERING: Release, pairs with the Acquire in `is_drained`: what we did to the data happened before the visitor
        // looks at it.
        self.gate.pinned.store(false, Ordering::Release);
    }
}

impl<T> fmt::Debug for Inside<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inside").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use super::*;

    /// `cargo xtask asm` knows the gate in the machine code by these.
    #[cfg(target_pointer_width = "64")]
    #[test]
    fn the_gate_lies_where_asm_looks_for_it() {
        let pinned = core::mem::offset_of!(Gate<Vec<u8>>, pinned);
        let revoked = core::mem::offset_of!(Gate<Vec<u8>>, revoked);
        assert_eq!((pinned, revoked), (0, 8), "see xtask/src/assembly/gate.rs");
    }
}
