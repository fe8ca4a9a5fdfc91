//! One ring of the chain with its links, and the count of those who keep its memory.

use core::ptr::{self, NonNull};

use alloc::boxed::Box;
use alloc::vec::Vec;
use pool_dequeue::raw::BoxedRing;

use crate::sync::{AtomicPtr, AtomicUsize, Ordering};

/// A ring and its place in the chain.
///
/// A node is made and linked by the producer, unlinked by whoever moves the tail past it or detaches
/// it, and freed by whoever gives back the last hold on it (design page, C6).
pub(crate) struct Node<T> {
    ring: BoxedRing<T>,
    /// The next newer ring. Null until the producer appends one, then the same for ever (C2).
    next: AtomicPtr<Node<T>>,
    /// The ring before, for the producer alone, and only while it holds that one, too (C5).
    prev: *mut Node<T>,
    /// One for the chain, given back when every thread that may have found the node through a link has
    /// gone on, one for the producer, given back when it learns that the ring was unlinked, and one for each
    /// batch that still moves values out of the ring.
    holders: AtomicUsize,
    #[cfg(pool_loom)]
    watch: crate::reclaim::model::Watch,
}

impl<T> Node<T> {
    /// A node for an empty ring, not linked yet, with two holds: the chain's and the producer's. `None` if the allocator has no room.
    pub(crate) fn allocate(
        capacity: usize,
        origin: u32,
        prev: *mut Node<T>,
    ) -> Option<NonNull<Self>> {
        let ring = BoxedRing::boxed_at(capacity, origin).ok()?;
        // A vector is the way to a box that can fail; a boxed slice of one has a box's layout.
        let mut place = Vec::new();
        place.try_reserve_exact(1).ok()?;
        place.push(Self {
            ring,
            next: AtomicPtr::new(ptr::null_mut()),
            prev,
            holders: AtomicUsize::new(2),
            #[cfg(pool_loom)]
            watch: crate::reclaim::model::Watch::new(),
        });
        let node = Box::into_raw(place.into_boxed_slice()).cast::<Self>();
        NonNull::new(node)
    }

    /// The node behind a link; `None` behind a null one.
    ///
    /// # Safety
    ///
    /// The node is null, or its initialisation happened before this call and its memory stays for `'a`.
    #[inline(always)]
    pub(crate) unsafe fn at<'a>(node: *mut Self) -> Option<&'a Self> {
        // SAFETY: the caller's.
        let node = unsafe { node.as_ref() }?;
        #[cfg(pool_loom)]
        node.watch.touched();
        Some(node)
    }

    /// Nothing in production. Each way to a part of the node comes by here, so the model checker finds out when it was
    /// freed since the reference was made.
    #[inline(always)]
    #[cfg_attr(pool_loom, track_caller)]
    fn check(&self) {
        #[cfg(pool_loom)]
        self.watch.seen();
    }

    #[inline(always)]
    #[cfg_attr(pool_loom, track_caller)]
    pub(crate) fn ring(&self) -> &BoxedRing<T> {
        self.check();
        &self.ring
    }

    /// Up to `max` of the newest values of the ring, and how many.
    ///
    /// # Safety
    ///
    /// The caller is the producer, and the node stays for `'a`.
    #[inline]
    pub(crate) unsafe fn head_batch<'a>(
        &self,
        max: usize,
    ) -> Option<(pool_dequeue::Batch<'a, T>, usize)> {
        // SAFETY: the caller's.
        let ring: &'a BoxedRing<T> = unsafe { &*ptr::from_ref(self.ring()) };
        // SAFETY: the caller's.
        let batch = unsafe { ring.pop_head_batch(max) };
        let count = batch.len();
        (count != 0).then_some((batch, count))
    }

    #[inline(always)]
    #[cfg_attr(pool_loom, track_caller)]
    pub(crate) fn next(&self) -> &AtomicPtr<Self> {
        self.check();
        &self.next
    }

    #[inline(always)]
    #[cfg_attr(pool_loom, track_caller)]
    pub(crate) fn prev(&self) -> *mut Self {
        self.check();
        self.prev
    }

    /// Takes a hold, to be given back by `release`.
    #[inline]
    pub(crate) fn hold(&self) {
        self.check();
        // ORDERING: Relaxed. The borrow proves that somebody else's hold lasts beyond this call, so the
        // count cannot have reached zero; what matters is the order of the releases.
        self.holders.fetch_add(1, Ordering::Relaxed);
    }

    /// Gives back one hold; the last one frees the memory.
    ///
    /// # Safety
    ///
    /// The caller has a hold and gives it up here. The pointer comes from a link, not from a reference, which
    /// may not be freed through. A node whose chain's hold is given back has had its values moved out.
    pub(crate) unsafe fn release(node: NonNull<Self>) {
        // SAFETY: the caller's hold keeps the memory until the subtraction below.
        let holders = unsafe { &node.as_ref().holders };
        // ORDERING: Release, pairs with the load below: what this holder did with the node happens before
        // it is freed. Weaker, and the last move out of a slot could come after the slot is gone.
        if holders.fetch_sub(1, Ordering::Release) != 1 {
            return;
        }
        // ORDERING: Acquire, pairs with the Release subtractions of the other holders, above, whose release sequences
        // end in the value that we read: our own subtraction's. A load and not a fence, for ThreadSanitizer knows no
        // fences; it is paid once for each ring.
        holders.load(Ordering::Acquire);
        #[cfg(pool_loom)]
        {
            // SAFETY: nobody else holds the node, so it is ours.
            unsafe { node.as_ref() }.watch.freed(node);
        }
        #[cfg(not(pool_loom))]
        {
            // SAFETY: `allocate` made the node as a boxed slice of one, whose layout is that of a box, and
            // nobody else holds it.
            drop(unsafe { Box::from_raw(node.as_ptr()) });
        }
    }
}
