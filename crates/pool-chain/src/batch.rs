//! Values claimed together through a handle, moved out of their rings one by one.
//!
//! User code runs between two of them for as long as it likes, so a batch pins no epoch: a batch kept, or
//! forgotten, would keep every thread's garbage in the whole process. It holds its ring instead.

use core::fmt;
use core::iter::FusedIterator;
use core::marker::PhantomData;
use core::mem::{self, MaybeUninit};
use core::ptr::{self, NonNull};

use pool_dequeue::Batch;
use pool_dequeue::raw::BoxedRing;

use crate::handle::Producer;
use crate::node::Node;
use crate::raw::Chain;

/// A run of claimed values and what keeps the ring that they are in.
struct Held<'a, T> {
    /// Always initialised. It has a reference to the ring's slots, and dropping the last hold frees those; as
    /// a plain field that reference would have to stay valid for as long as a function that was given the
    /// batch by value runs, `drop` for one.
    values: MaybeUninit<Batch<'a, T>>,
    node: NonNull<Node<T>>,
    /// Whether there is a hold of ours on the node, or the borrow of the producer keeps it.
    holds: bool,
}

// SAFETY: it moves the values that it has, and gives back a hold, which is any thread's work.
unsafe impl<T: Send> Send for Held<'_, T> {}
// SAFETY: a shared one only counts.
unsafe impl<T: Send> Sync for Held<'_, T> {}

impl<'a, T> Held<'a, T> {
    /// What a claim on a ring has given, if it is anything; takes a hold where one is asked for.
    ///
    /// # Safety
    ///
    /// `node` is where `link` points, and `link` came from a link. The node stays for this call, and for `'a`
    /// without a hold.
    unsafe fn new(
        node: &Node<T>,
        link: *mut Node<T>,
        holds: bool,
        claim: impl FnOnce(&'a BoxedRing<T>) -> Batch<'a, T>,
    ) -> Option<Self> {
        let link = NonNull::new(link)?;
        // SAFETY: the ring stays as long as the node: for `'a`, or until the hold is given back, and the batch
        // is used no longer than that.
        let ring = unsafe { &*ptr::from_ref(&node.ring) };
        let values = claim(ring);
        if values.len() == 0 {
            return None;
        }
        if holds {
            node.hold();
        }
        Some(Self {
            values: MaybeUninit::new(values),
            node: link,
            holds,
        })
    }

    fn len(&self) -> usize {
        // SAFETY: always initialised.
        unsafe { self.values.assume_init_ref() }.len()
    }

    /// Nothing in production. The model checker finds out here if the node has been freed.
    #[inline(always)]
    fn check(&self) {
        // SAFETY: kept by the hold, or by the borrow.
        let _node = unsafe { Node::at(self.node.as_ptr()) };
    }

    #[inline]
    fn next(&mut self) -> Option<T> {
        self.check();
        // SAFETY: always initialised.
        unsafe { self.values.assume_init_mut() }.next()
    }
}

impl<T> Drop for Held<'_, T> {
    fn drop(&mut self) {
        /// Gives the hold back after the values are gone, also when one of their destructors panics.
        struct GiveBack<T> {
            node: NonNull<Node<T>>,
            holds: bool,
        }
        impl<T> Drop for GiveBack<T> {
            fn drop(&mut self) {
                if self.holds {
                    // SAFETY: the hold was taken in `new`, through the link, and is given up here, once. It is not the
                    // chain's.
                    unsafe { Node::release(self.node) };
                }
            }
        }

        let _hold = GiveBack {
            node: self.node,
            holds: self.holds,
        };
        self.check();
        // SAFETY: always initialised, and not used again.
        unsafe { self.values.assume_init_drop() };
    }
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
        let claim = |node: &Node<T>, link| {
            let holds = !mem::replace(&mut at_head, false);
            // SAFETY: we are the producer for `'a` (`new`).
            let claim = |ring: &'a BoxedRing<T>| unsafe { ring.pop_head_batch(left) };
            // SAFETY: node and link are what `at_head` found. The head's node, which comes first, stays while we are
            // the producer and append nothing, which is for `'a` (`new`); for any other there is a hold.
            unsafe { Held::new(node, link, holds, claim) }
        };
        // SAFETY: we are the producer for `'a` (`new`); the closure calls no method of the chain.
        self.held = unsafe { self.chain.at_head(claim) };
        match &self.held {
            Some(held) => self.left -= held.len(),
            None => self.left = 0,
        }
    }
}

impl<T> Iterator for HeadBatch<'_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        loop {
            if let Some(value) = self.held.as_mut()?.next() {
                return Some(value);
            }
            self.claim();
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let claimed = self.held.as_ref().map_or(0, Held::len);
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
        let claimed = self.held.as_ref().map_or(0, Held::len);
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
        let held = chain.at_tail(|node, link| {
            // SAFETY: node and link are what `at_tail` found, and there is a hold.
            unsafe { Held::new(node, link, true, |ring| ring.pop_tail_batch(max)) }
        });
        Self { held }
    }
}

impl<T> Iterator for TailBatch<'_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        self.held.as_mut()?.next()
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        let claimed = self.held.as_ref().map_or(0, Held::len);
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
