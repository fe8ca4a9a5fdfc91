//! Values claimed together through a handle, moved out of their rings one by one.
//!
//! User code runs between two of them for as long as it likes, so a batch pins no epoch: a batch kept, or
//! forgotten, would keep every thread's garbage in the whole process. It holds its ring instead.

use core::fmt;
use core::iter::FusedIterator;
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};

use pool_dequeue::Batch;
use pool_dequeue::raw::BoxedRing;

use crate::links::Links;
use crate::node::Node;
use crate::owner::Owner;

/// A run of claimed values and what keeps the ring that they are in.
struct Held<'a, T> {
    /// Always initialised. It has a reference to the ring's slots, and dropping the last hold frees those; as
    /// a plain field that reference would have to stay valid for as long as a function that was given the
    /// batch by value runs, `drop` for one.
    values: MaybeUninit<Batch<'a, T>>,
    /// There is a hold of ours on it.
    node: NonNull<Node<T>>,
}

// SAFETY: it moves the values that it has, and gives back a hold, which is any thread's work.
unsafe impl<T: Send> Send for Held<'_, T> {}
// SAFETY: a shared one only counts.
unsafe impl<T: Send> Sync for Held<'_, T> {}

impl<'a, T> Held<'a, T> {
    /// What a claim on a ring has given, if it is anything, with a hold on the ring.
    ///
    /// # Safety
    ///
    /// `node` is where `link` points, and `link` came from a link. The node stays for this call.
    unsafe fn new(
        node: &Node<T>,
        link: *mut Node<T>,
        claim: impl FnOnce(&'a BoxedRing<T>) -> Batch<'a, T>,
    ) -> Option<Self> {
        let link = NonNull::new(link)?;
        // SAFETY: the ring stays as long as the node: until the hold is given back, and the batch is used no longer
        // than that.
        let ring = unsafe { &*ptr::from_ref(node.ring()) };
        let values = claim(ring);
        if values.len() == 0 {
            return None;
        }
        node.hold();
        Some(Self {
            values: MaybeUninit::new(values),
            node: link,
        })
    }

    fn len(&self) -> usize {
        // SAFETY: always initialised.
        unsafe { self.values.assume_init_ref() }.len()
    }

    /// Nothing in production. The model checker finds out here if the node has been freed.
    #[inline(always)]
    fn check(&self) {
        // SAFETY: kept by the hold.
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
        struct GiveBack<T>(NonNull<Node<T>>);
        impl<T> Drop for GiveBack<T> {
            fn drop(&mut self) {
                // SAFETY: the hold was taken in `new`, through the link, and is given up here, once. It is not the
                // chain's.
                unsafe { Node::release(self.0) };
            }
        }

        let _hold = GiveBack(self.node);
        self.check();
        // SAFETY: always initialised, and not used again.
        unsafe { self.values.assume_init_drop() };
    }
}

/// Up to so many of the newest values of a chain, newest first: what
/// [`Producer::pop_head_batch`](crate::Producer::pop_head_batch) returns.
///
/// Values are claimed ring by ring, as the batch comes to them; until then consumers may take them.
/// Dropping the batch pops and drops what it has not given out, each value once, even when one of the
/// destructors panics. Forgetting it (`mem::forget`) leaks the values it had claimed, and nothing
/// else.
#[must_use = "dropping a batch drops the values in it"]
pub struct HeadBatch<'a, T> {
    links: &'a Links<T>,
    /// The producer's, which is borrowed for as long.
    owner: &'a mut Owner<T>,
    /// From a ring that the producer has a hold on, and gives up none while it is borrowed.
    values: Option<Batch<'a, T>>,
    /// How many more may be claimed.
    left: usize,
}

impl<'a, T> HeadBatch<'a, T> {
    /// A batch of at most `max` values.
    ///
    /// # Safety
    ///
    /// The caller is the producer for `'a`, does nothing else with the chain's head meanwhile, and the owner is this
    /// chain's.
    pub(crate) unsafe fn new(links: &'a Links<T>, owner: &'a mut Owner<T>, max: usize) -> Self {
        let mut batch = Self {
            links,
            owner,
            values: None,
            left: max,
        };
        batch.claim();
        batch
    }

    /// Claims what the newest ring that has any can give.
    fn claim(&mut self) {
        // The ring that it was in may go when the next one is looked for.
        self.values = None;
        if self.left == 0 {
            return;
        }
        let left = self.left;
        // SAFETY: we are the producer for `'a` (`new`), which has a hold on each ring that it pops from (C5), and does
        // nothing with the chain's head meanwhile but come here.
        let claim = |node: &Node<T>| unsafe { node.head_batch(left) };
        // SAFETY: as above; the closure calls no method that moves rings.
        self.values = unsafe { self.links.at_head(self.owner, claim) };
        match &self.values {
            Some(values) => self.left -= values.len(),
            None => self.left = 0,
        }
    }
}

impl<T> Iterator for HeadBatch<'_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        loop {
            if let Some(value) = self.values.as_mut()?.next() {
                return Some(value);
            }
            self.claim();
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let claimed = self.values.as_ref().map_or(0, Batch::len);
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
        let claimed = self.values.as_ref().map_or(0, Batch::len);
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
    pub(crate) fn new(links: &'a Links<T>, max: usize) -> Self {
        if max == 0 {
            return Self { held: None };
        }
        let held = links.at_tail(|node, link| {
            // SAFETY: node and link are what `at_tail` found, and there is a hold.
            unsafe { Held::new(node, link, |ring| ring.pop_tail_batch(max)) }
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
