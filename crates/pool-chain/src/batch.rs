//! Values claimed together through a handle, moved out of their rings one by one.
//!
//! User code runs between two of them for as long as it likes, so a batch pins no epoch: a batch kept, or
//! forgotten, would keep every thread's garbage in the whole process. It holds its ring instead.

use core::fmt;
use core::iter::FusedIterator;
use core::marker::PhantomData;

use pool_dequeue::Batch;

use crate::handle::Producer;
use crate::node::{Hold, Node};
use crate::raw::Chain;

/// A run of claimed values and what keeps the ring that they are in.
struct Held<'a, T> {
    // Dropped in this order: the values first.
    values: Batch<'a, T>,
    /// None where the borrow of the producer keeps the ring.
    _hold: Option<Hold<T>>,
}

/// Up to so many of the newest values of a chain, newest first: what
/// [`Producer::pop_head_batch`] returns.
///
/// Values are claimed ring by ring, as the batch comes to them; until then consumers may take them.
/// Dropping the batch pops and drops what it has not given out, each value once, even when one of the
/// destructors panics. Forgetting it (`mem::forget`) leaks the values it had claimed and the memory of
/// their ring, and nothing else.
#[must_use = "dropping a batch drops the values in it"]
pub struct HeadBatch<'a, T> {
    chain: &'a Chain<T>,
    held: Option<Held<'a, T>>,
    /// How many more may be claimed.
    left: usize,
    _producer: PhantomData<&'a mut Producer<T>>,
}

impl<'a, T> HeadBatch<'a, T> {
    /// A batch of at most `max` values.
    ///
    /// # Safety
    ///
    /// The caller is the producer for `'a`, and does nothing else with the chain's head meanwhile.
    pub(crate) unsafe fn new(chain: &'a Chain<T>, max: usize) -> Self {
        let mut batch = Self {
            chain,
            held: None,
            left: max,
            _producer: PhantomData,
        };
        batch.claim();
        batch
    }

    /// Claims what the newest ring that has any can give.
    fn claim(&mut self) {
        // The ring that it was in goes before another comes.
        self.held = None;
        if self.left == 0 {
            return;
        }
        let left = self.left;
        let mut at_head = true;
        let claim = |node: &Node<T>| {
            let keeps_itself = core::mem::replace(&mut at_head, false);
            // SAFETY: the head's node stays while we are the producer and append nothing, which is for `'a`
            // (`new`); any other is kept by the hold, which `Held` drops after the values.
            let ring = unsafe { &*core::ptr::from_ref(&node.ring) };
            // SAFETY: we are the producer for `'a` (`new`).
            let values = unsafe { ring.pop_head_batch(left) };
            (values.len() != 0).then(|| Held {
                values,
                _hold: (!keeps_itself).then(|| node.hold()),
            })
        };
        // SAFETY: we are the producer for `'a` (`new`); the closure calls no method of the chain.
        self.held = unsafe { self.chain.at_head(claim) };
        match &self.held {
            Some(held) => self.left -= held.values.len(),
            None => self.left = 0,
        }
    }
}

impl<T> Iterator for HeadBatch<'_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        loop {
            if let Some(value) = self.held.as_mut()?.values.next() {
                return Some(value);
            }
            self.claim();
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let claimed = self.held.as_ref().map_or(0, |held| held.values.len());
        (claimed, claimed.checked_add(self.left))
    }
}

impl<T> FusedIterator for HeadBatch<'_, T> {}

impl<T> Drop for HeadBatch<'_, T> {
    fn drop(&mut self) {
        /// Drops the rest when a destructor has panicked.
        struct Rest<'a, 'b, T>(&'a mut HeadBatch<'b, T>);
        impl<T> Drop for Rest<'_, '_, T> {
            fn drop(&mut self) {
                self.0.by_ref().for_each(drop);
            }
        }

        let rest = Rest(self);
        rest.0.by_ref().for_each(drop);
    }
}

impl<T> fmt::Debug for HeadBatch<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let claimed = self.held.as_ref().map_or(0, |held| held.values.len());
        f.debug_struct("HeadBatch")
            .field("claimed", &claimed)
            .finish_non_exhaustive()
    }
}

/// Some of the oldest values of a chain, oldest first: what
/// [`Consumer::pop_tail_batch`](crate::Consumer::pop_tail_batch) returns.
///
/// Dropping the batch drops the values not yet taken, each once, even when one of the destructors panics.
/// Forgetting it (`mem::forget`) leaks them and the memory of their ring, and nothing else.
#[must_use = "dropping a batch drops the values in it"]
pub struct TailBatch<'a, T> {
    held: Option<Held<'a, T>>,
}

impl<'a, T> TailBatch<'a, T> {
    /// Claims up to `max` values at the tail.
    pub(crate) fn new(chain: &'a Chain<T>, max: usize) -> Self {
        if max == 0 {
            return Self { held: None };
        }
        let held = chain.at_tail(|node| {
            // SAFETY: kept by the hold, which `Held` drops after the values; the chain's own hold is not given
            // back before this closure is done.
            let ring = unsafe { &*core::ptr::from_ref(&node.ring) };
            let values = ring.pop_tail_batch(max);
            (values.len() != 0).then(|| Held {
                values,
                _hold: Some(node.hold()),
            })
        });
        Self { held }
    }
}

impl<T> Iterator for TailBatch<'_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        self.held.as_mut()?.values.next()
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        let claimed = self.held.as_ref().map_or(0, |held| held.values.len());
        (claimed, Some(claimed))
    }
}

impl<T> ExactSizeIterator for TailBatch<'_, T> {}
impl<T> FusedIterator for TailBatch<'_, T> {}

impl<T> fmt::Debug for TailBatch<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TailBatch")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
