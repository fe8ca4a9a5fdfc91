//! What a guard owes, in one word: where, and how the debt is given up.

use std::ptr::{self, NonNull};

use super::debt::Debt;
use crate::env::Asymmetric;

/// A [`Kind`], packed: null, the place of a debt of the light kind, or the place and one byte for the fenced kind. So a
/// guard is two words and fits two registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owing(*const Debt);

// SAFETY: stands for a reference to a `Debt`, which any thread may have.
unsafe impl Send for Owing {}
// SAFETY: as above.
unsafe impl Sync for Owing {}

/// A debt, and how it is given up: in the way in which the load was protected that made it.
pub(super) enum Kind {
    Light(&'static Debt, Asymmetric),
    Fenced(&'static Debt),
    /// The reference has been counted from the start.
    Counted,
}

const FENCED: usize = 1;

const _: () = assert!(align_of::<Debt>() > FENCED && size_of::<Asymmetric>() == 0);

impl Owing {
    pub(super) const COUNTED: Self = Self(ptr::null());

    #[inline]
    pub(super) fn light(debt: &'static Debt, _: Asymmetric) -> Self {
        Self(debt)
    }

    #[inline]
    pub(super) fn fenced(debt: &'static Debt) -> Self {
        Self(ptr::from_ref(debt).wrapping_byte_add(FENCED))
    }

    #[inline]
    pub(super) fn kind(self) -> Kind {
        if self.0.addr() & FENCED != 0 {
            // SAFETY: made of a reference by `fenced`, and this is its place again.
            return Kind::Fenced(unsafe { &*self.0.wrapping_byte_sub(FENCED) });
        }
        // SAFETY: null, or made of a reference by `light`.
        match unsafe { self.0.as_ref() } {
            // SAFETY: has no size, so any place will do, and `light` was given one.
            Some(debt) => Kind::Light(debt, unsafe { NonNull::dangling().read() }),
            None => Kind::Counted,
        }
    }
}
