//! A list of rings that no longer belongs to a chain.

use core::fmt;
use core::iter::FusedIterator;
use core::marker::PhantomData;
use core::ptr::NonNull;

use crate::node::Node;
use crate::reclaim::Domain;
use crate::sync::Ordering;

/// The rings that [`Chain::detach`](crate::raw::Chain::detach) took out of a chain: an iterator over their
/// values, oldest first.
///
/// Dropping it drops the values that are left, each once, even when one of the destructors panics.
/// Forgetting it (`mem::forget`) leaks them.
#[must_use = "dropping the rings drops the values in them"]
pub struct Detached<T> {
    /// The oldest ring left.
    front: *mut Node<T>,
    /// Where drained rings go. None if nobody can be inside one.
    domain: Option<Domain>,
    _values: PhantomData<T>,
}

// SAFETY: it owns its values and nodes.
unsafe impl<T: Send> Send for Detached<T> {}
// SAFETY: a shared one only counts.
unsafe impl<T: Send> Sync for Detached<T> {}

impl<T> Detached<T> {
    /// Takes over a list of nodes.
    ///
    /// # Safety
    ///
    /// The list is linked through `next` to its end, no chain leads to it any more (other than for guards
    /// of `domain` that exist already, if there is a domain), and the chain's hold on each node and the
    /// producer's are given up here. No producer will touch it.
    pub(crate) unsafe fn new(front: *mut Node<T>, domain: Option<Domain>) -> Self {
        Self {
            front,
            domain,
            _values: PhantomData,
        }
    }

    fn front(&self) -> Option<&Node<T>> {
        // SAFETY: the chain's hold on the node is ours, so it stays at least until `next` gives it up, which
        // needs `&mut self`. Its maker gave it to us.
        unsafe { Node::at(self.front) }
    }

    /// How many values are left. Consumers that were inside the rings when they were detached may still
    /// take some.
    pub fn len(&self) -> usize {
        let mut len = 0;
        let mut node = self.front();
        while let Some(at) = node {
            len += at.ring().len();
            // ORDERING: Relaxed. The producer wrote it before it detached the list.
            let next = at.next().load(Ordering::Relaxed);
            // SAFETY: as in `front`; the whole list is ours.
            node = unsafe { Node::at(next) };
        }
        len
    }

    /// Whether no value is left.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Iterator for Detached<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        loop {
            let node = self.front()?;
            if let Some(value) = node.ring().pop_tail() {
                return Some(value);
            }
            // Nobody pushes any more, so a ring that is drained is so for good (C4).
            if !node.ring().is_drained() {
                continue;
            }
            // ORDERING: Relaxed. The producer wrote it before it detached the list.
            let next = node.next().load(Ordering::Relaxed);
            if let Some(node) = NonNull::new(self.front) {
                self.front = next;
                // SAFETY: the producer's hold, given up by whoever made this. The chain's is there yet.
                unsafe { Node::release(node) };
                match &self.domain {
                    Some(domain) => {
                        let guard = domain.pin();
                        // SAFETY: only guards from before the detachment lead to the node (maker's), it is drained, and
                        // the line above took it from the list.
                        unsafe { guard.retire(node) };
                        if next.is_null() {
                            guard.flush();
                        }
                    }
                    // SAFETY: as above, and there are no such guards; batches have holds of their own.
                    None => unsafe { Node::release(node) },
                }
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // Somebody who is still inside may take all of them.
        let least = if self.domain.is_some() { 0 } else { self.len() };
        (least, Some(self.len()))
    }
}

impl<T> FusedIterator for Detached<T> {}

impl<T> Drop for Detached<T> {
    fn drop(&mut self) {
        /// Drops the rest when a destructor has panicked.
        struct Rest<'a, T>(&'a mut Detached<T>);
        impl<T> Drop for Rest<'_, T> {
            fn drop(&mut self) {
                self.0.by_ref().for_each(drop);
            }
        }

        // Each value has left its ring before its destructor runs, so one that panics is not run again.
        let rest = Rest(self);
        rest.0.by_ref().for_each(drop);
    }
}

impl<T> fmt::Debug for Detached<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Detached")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
