//! What the producer keeps for itself: where its rings are, what it has a hold on, and when it looks whether the
//! newest is too large.
//!
//! It lies in the producer's handle, one step from the ring that it pushes to; in a [`Chain`](crate::raw::Chain), whose
//! producer has no handle, beside the links.

use core::panic::{RefUnwindSafe, UnwindSafe};
use core::ptr;

use crate::growth::pushes_per_judgement;
use crate::node::Node;
use crate::raw::FIRST_CAPACITY;

/// What only the producer reads and writes.
pub(crate) struct Owner<T> {
    /// The newest ring, the only one that is pushed to. Null if and only if the chain's `tail` is (C1).
    pub(crate) head: *mut Node<T>,
    /// The oldest ring that the producer has a hold on: it has one on each from here to the head (C5).
    pub(crate) oldest: *mut Node<T>,
    /// The newest ring behind the head that may hold values: those between are drained. Null if all are.
    pub(crate) behind: *mut Node<T>,
    /// At least as many values as the rings behind the head ring hold: their sum when it was last taken,
    /// without what the producer has popped since.
    pub(crate) older: usize,
    /// How many slots the rings from `oldest` to the one behind the head have.
    pub(crate) slots: usize,
    /// No fewer than the most values held at once since the head ring was last judged.
    pub(crate) high: usize,
    /// Pushes left until the producer looks how many values there are.
    pub(crate) countdown: usize,
    /// What `countdown` began with.
    pub(crate) quiet: usize,
    /// Pushes left until the head ring is judged again, counted when `countdown` began.
    pub(crate) pushes_left: usize,
}

impl<T> Owner<T> {
    pub(crate) const fn new() -> Self {
        Self {
            head: ptr::null_mut(),
            oldest: ptr::null_mut(),
            behind: ptr::null_mut(),
            older: 0,
            slots: 0,
            high: 0,
            countdown: 0,
            quiet: 0,
            pushes_left: 0,
        }
    }

    /// The newest ring.
    ///
    /// # Safety
    ///
    /// The node lives until the producer gives up its hold: when it trims after appending another, or detaches or
    /// drops the chain. The caller does not use it after that.
    #[inline(always)]
    pub(crate) unsafe fn head<'a>(&self) -> Option<&'a Node<T>> {
        // SAFETY: we have a hold on the head (C5), and producers before us, or we, initialised it.
        unsafe { Node::at(self.head) }
    }

    /// Whether the head is the only ring that the producer has a hold on.
    #[inline(always)]
    pub(crate) fn has_one(&self) -> bool {
        self.oldest == self.head
    }

    /// The rings behind the head that may hold values, from the newest to the oldest.
    ///
    /// # Safety
    ///
    /// No hold is given up before the last of them.
    #[inline]
    pub(crate) unsafe fn behind(&self) -> impl Iterator<Item = *mut Node<T>> + use<T> {
        let (mut next, oldest) = (self.behind, self.oldest);
        core::iter::from_fn(move || {
            let at = next;
            // SAFETY: the producer has a hold on each from the head to the oldest (C5), so `prev` of all but the
            // oldest leads to one that it holds, too.
            let node = unsafe { Node::at(at) }?;
            next = if at == oldest {
                ptr::null_mut()
            } else {
                node.prev()
            };
            Some(at)
        })
    }

    /// How many values the rings behind the head hold.
    pub(crate) fn count_older(&self) -> usize {
        // SAFETY: we give no hold up in here.
        let rings = unsafe { self.behind() };
        // SAFETY: initialised by the producer, which has a hold on it (C5).
        let nodes = rings.filter_map(|at| unsafe { Node::at(at) });
        nodes.map(|node| node.ring().len()).sum()
    }

    /// How many values the chain holds: exact while nobody takes any.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        // SAFETY: we give no hold up in here.
        let Some(head) = (unsafe { self.head() }) else {
            return 0;
        };
        if self.behind.is_null() {
            return head.ring().len();
        }
        head.ring().len() + self.count_older()
    }

    /// Enters `count` pushes to the head ring. Says whether it is time to look at it.
    #[inline(always)]
    pub(crate) fn pushed(&mut self, count: usize) -> bool {
        if count < self.countdown {
            self.countdown -= count;
            return false;
        }
        let pushes = self.quiet - self.countdown + count;
        self.pushes_left = self.pushes_left.saturating_sub(pushes);
        true
    }

    /// Enters that the head ring of so many slots holds `len` values. Says whether it is to be judged.
    pub(crate) fn looked(&mut self, capacity: usize, len: usize) -> bool {
        self.rest(capacity, len);
        self.pushes_left == 0
    }

    /// Finds out how many pushes can pass until the next look. Each adds one value at most, so if `high` is put a
    /// little above what there is, as many as lie between need no look. Nor does a ring that will stay: the
    /// smallest, and one whose last quarter has been passed.
    fn rest(&mut self, capacity: usize, len: usize) {
        let values = self.older + len;
        self.high = self.high.max(values + values / 8).max(FIRST_CAPACITY / 2);
        let stays = capacity <= FIRST_CAPACITY || self.high > capacity / 4;
        let quiet = if stays {
            self.pushes_left
        } else {
            self.pushes_left.min(self.high - values + 1)
        };
        self.quiet = quiet;
        self.countdown = quiet;
    }

    /// Starts counting again for a head ring that holds `len` values.
    pub(crate) fn judged(&mut self, capacity: usize, len: usize) {
        self.high = 0;
        self.pushes_left = pushes_per_judgement(capacity);
        self.rest(capacity, len);
    }

    /// Enters a new head ring, in front of one of `slots` slots that holds `left` values.
    pub(crate) fn followed(
        &mut self,
        head: *mut Node<T>,
        capacity: usize,
        slots: usize,
        left: usize,
    ) {
        if self.head.is_null() {
            self.oldest = head;
        } else {
            self.behind = self.head;
        }
        self.head = head;
        self.older += left;
        self.slots += slots;
        self.pushes_left = pushes_per_judgement(capacity);
        self.rest(capacity, 0);
    }

    /// Enters that nothing is left behind the head ring.
    pub(crate) fn single(&mut self) {
        self.behind = ptr::null_mut();
        self.older = 0;
    }
}

// Its numbers are changed after the user's code has run, or before.
impl<T> UnwindSafe for Owner<T> {}
impl<T> RefUnwindSafe for Owner<T> {}

// SAFETY: it leads to nodes, which are any thread's, and is used by one at a time.
unsafe impl<T: Send> Send for Owner<T> {}
#[cfg(all(test, not(pool_loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_books_of_the_producer() {
        let mut owner = Owner::<u8>::new();
        let first = ptr::dangling_mut::<Node<u8>>();
        let nodes = [first, first.wrapping_add(1)];
        owner.followed(nodes[0], FIRST_CAPACITY, 0, 0);
        assert_eq!(
            (owner.head, owner.oldest, owner.behind),
            (nodes[0], nodes[0], ptr::null_mut())
        );
        assert_eq!((owner.older, owner.countdown), (0, 1024), "it will stay");
        assert!(!owner.pushed(FIRST_CAPACITY));
        owner.followed(nodes[1], 1024, FIRST_CAPACITY, 6);
        assert_eq!(
            (owner.head, owner.oldest, owner.behind),
            (nodes[1], nodes[0], nodes[0])
        );
        assert_eq!((owner.older, owner.slots), (6, FIRST_CAPACITY));
        assert_eq!(
            (owner.high, owner.countdown, owner.pushes_left),
            (6, 1, 2048)
        );
        assert!(owner.pushed(1), "a look");
        assert!(!owner.looked(1024, 10));
        assert_eq!(
            (owner.high, owner.countdown, owner.pushes_left),
            (18, 3, 2047)
        );
        assert!(!owner.pushed(2) && owner.pushed(1));
        assert!(!owner.looked(1024, 300));
        assert_eq!(owner.countdown, 2044, "it will stay");
        assert!(!owner.pushed(2043) && owner.pushed(5));
        assert!(owner.looked(1024, 1), "time is up");
        owner.judged(1024, 2);
        assert_eq!(
            (owner.high, owner.countdown, owner.pushes_left),
            (9, 2, 2048)
        );
        owner.single();
        assert_eq!((owner.older, owner.behind), (0, ptr::null_mut()));
    }
}
