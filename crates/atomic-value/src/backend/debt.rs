//! References that guards use without having counted them, and how a replacement settles them.
//!
//! A debt is of one of two kinds, by how the load was protected that made it. One that was made behind a fence is struck
//! out by a compare-exchange, of its guard or of a replacement. One that was made behind the light barrier is given up by
//! its guard with plain stores, and a replacement that wants to settle it needs the heavy barrier. The design page has
//! the protocol.

use crate::env::{self, Asymmetric};
use crate::sync::{AtomicUsize, Ordering};

/// A place for one reference that is owed. Free, or in the hands of one guard.
pub(crate) struct Debt {
    /// [`Debt::FREE`]; the address of the value, for a guard of the light kind; the address and one, for a guard of the
    /// fenced kind; [`Debt::CLOSING`]. Filled by the leaseholder of the record. Emptied by the guard, or, if it is of the
    /// fenced kind, by a replacement, which first counts the reference on the guard's behalf.
    owed: AtomicUsize,
    /// For guards of the light kind: [`Debt::UNPAID`]; the ticket of a replacement that is about to settle;
    /// [`Debt::PAID`], when a reference has been counted for the guard. That only the guard takes away.
    paid: AtomicUsize,
}

/// What a debt is to a replacement of some value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Owed {
    /// Not this value.
    Nothing,
    /// This value, by a guard of the light kind.
    Light,
    /// This value, by a guard of the fenced kind.
    Fenced,
}

impl Debt {
    const FREE: usize = 0;
    /// No value's address: counts lie before it.
    const CLOSING: usize = 1;
    const UNPAID: usize = 0;
    /// No ticket, so that a replacement that comes late does not take what another guard has been paid for one.
    const PAID: usize = 1;

    pub(super) fn new() -> Self {
        Self {
            owed: AtomicUsize::new(Self::FREE),
            paid: AtomicUsize::new(Self::UNPAID),
        }
    }

    /// What `owed` holds for a guard of the fenced kind. Not the address of another value: the two words of counts before
    /// that one would lie over those of this one.
    #[inline]
    fn fenced(value: usize) -> usize {
        value.wrapping_add(1)
    }

    #[inline]
    pub(super) fn is_free(&self) -> bool {
        // ORDERING: Acquire, pairs with the Release in `strike` and `close`: what a replacement did before it struck the
        // last debt here, or a guard before it gave its own up, comes before the one that we are about to write, and so
        // is known to whoever finds ours in its place.
        self.owed.load(Ordering::Acquire) == Self::FREE
    }

    /// Fills a free debt for a guard of the light kind. For the leaseholder, inside a light window.
    #[inline]
    pub(super) fn owe(&self, value: usize) {
        // ORDERING: Release, pairs with the Acquire in `looks_like`: passes on what `is_free` acquired.
        self.owed.store(value, Ordering::Release);
    }

    /// Fills a free debt for a guard of the fenced kind. For the leaseholder, inside a window.
    #[inline]
    pub(super) fn owe_fenced(&self, value: usize) {
        // ORDERING: Release, pairs with the Acquire in `strike` and `looks_like`: passes on what `is_free` acquired.
        self.owed.store(Self::fenced(value), Ordering::Release);
    }

    /// What somebody owes here of `value`.
    #[inline]
    pub(super) fn looks_like(&self, value: usize) -> Owed {
        // ORDERING: Acquire, pairs with the Release in `strike` and `close`: when a guard has given its debt up, its
        // reads come before what the replacement does next, which may be to free the value.
        match self.owed.load(Ordering::Acquire).wrapping_sub(value) {
            0 => Owed::Light,
            1 => Owed::Fenced,
            _ => Owed::Nothing,
        }
    }

    /// Strikes out a debt of the fenced kind. False when somebody else has: for a guard, the debt has been paid; for a
    /// replacement, the guard is gone.
    #[inline]
    pub(super) fn strike(&self, value: usize) -> bool {
        // ORDERING: Release on success, pairs with the Acquire below and in `looks_like` and `is_free`. From a
        // guard: its reads come before the value is freed. From a replacement: the reference that it counted comes
        // before the guard gives that reference back. Acquire on failure: the other side of both.
        self.owed
            .compare_exchange(
                Self::fenced(value),
                Self::FREE,
                Ordering::Release,
                Ordering::Acquire,
            )
            .is_ok()
    }

    /// Gives a debt of the light kind up, for its guard, on whatever thread. True when a reference has been counted for
    /// the guard, which is to be given back.
    #[inline]
    pub(super) fn close(&self, pair: Asymmetric) -> bool {
        // ORDERING: Release, pairs with the Acquire in `looks_like`: our reads of the value come before it is freed.
        self.owed.store(Self::CLOSING, Ordering::Release);
        // Pairs with the heavy barrier of `Settlement`. A replacement that still sees our debt behind it has put its ticket
        // where we look now.
        pair.light();
        // ORDERING: Relaxed. Nothing follows from 0; anything else is looked at by `give_up`.
        let paid = self.paid.load(Ordering::Relaxed);
        let settled = paid != Self::UNPAID && self.take_back(paid);
        // ORDERING: Release, pairs with the Acquire in `is_free` and `looks_like`.
        self.owed.store(Self::FREE, Ordering::Release);
        settled
    }

    /// Empties `paid`; says whether the reference had been counted. Any ticket is displaced: its owner may
    /// be stopped, or lost in a fork.
    #[cold]
    fn take_back(&self, mut paid: usize) -> bool {
        while paid != Self::UNPAID {
            // ORDERING: Acquire, pairs with the Release in `pay`: the reference was counted before we give it back.
            match self.paid.compare_exchange(
                paid,
                Self::UNPAID,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) if paid == Self::PAID => return true,
                // It was a ticket. Its owner may have had another one put in its place.
                // ORDERING: Relaxed, as in `close`.
                Ok(_) => paid = self.paid.load(Ordering::Relaxed),
                Err(now) => paid = now,
            }
        }
        false
    }

    /// Puts a ticket where the guard of the light kind will look. False when there is no need: the debt is settled already.
    pub(super) fn announce(&self, ticket: usize) -> bool {
        // ORDERING: Relaxed. What is read is replaced or left alone, and nothing follows from it.
        let mut paid = self.paid.load(Ordering::Relaxed);
        if ![Self::UNPAID, Self::PAID, ticket].contains(&paid) {
            // Another replacement of the same object is about to settle. Two that displace each other's tickets get
            // nowhere, so it gets its time; not for long, for it may be stopped, or lost in a fork.
            // ORDERING: Relaxed, as above.
            env::let_go_on(|| self.paid.load(Ordering::Relaxed) != paid);
            // ORDERING: Relaxed, as above.
            paid = self.paid.load(Ordering::Relaxed);
        }
        loop {
            if paid == Self::PAID {
                return false;
            }
            // ORDERING: Relaxed. The heavy barrier follows.
            match self
                .paid
                .compare_exchange(paid, ticket, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => return true,
                Err(now) => paid = now,
            }
        }
    }

    /// Whether `ticket` is here.
    #[inline]
    pub(super) fn has(&self, ticket: usize) -> bool {
        // ORDERING: Relaxed. Nobody else puts it here or acts on the strength of it.
        self.paid.load(Ordering::Relaxed) == ticket
    }

    /// Puts [`Debt::PAID`] in place of the ticket: the reference that the caller has counted is the guard's. False when the
    /// ticket has been displaced.
    pub(super) fn pay(&self, ticket: usize) -> bool {
        // ORDERING: Release, pairs with the Acquire in `take_back`: the reference is counted before the guard gives it
        // back. Relaxed on failure: nothing follows from what was found.
        self.paid
            .compare_exchange(ticket, Self::PAID, Ordering::Release, Ordering::Relaxed)
            .is_ok()
    }

    /// Takes the ticket away, if it is still there.
    pub(super) fn withdraw(&self, ticket: usize) {
        // ORDERING: Relaxed. Nothing comes of it, whichever way it goes.
        let _ =
            self.paid
                .compare_exchange(ticket, Self::UNPAID, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// What a thread has done that stops in the middle of giving a debt up.
    #[cfg(all(test, target_os = "linux", not(any(miri, pool_loom))))]
    pub(super) fn begin_closing(&self) {
        self.owed.store(Self::CLOSING, Ordering::Relaxed);
    }

    /// Ends the giving up of a thread that was lost in a fork. For the child, while it has one thread.
    #[cfg(not(pool_loom))]
    pub(super) fn end_closing(&self) {
        // ORDERING: Relaxed. There is one thread, and whatever makes more of them orders this before what they do.
        if self.owed.load(Ordering::Relaxed) == Self::CLOSING {
            // ORDERING: Relaxed, as above.
            self.paid.store(Self::UNPAID, Ordering::Relaxed);
            // ORDERING: Relaxed, as above.
            self.owed.store(Self::FREE, Ordering::Relaxed);
        }
    }
}
