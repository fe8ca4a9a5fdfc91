//! The protocol of the chain: links between rings, the producer's path at the head and everybody's at the tail.
//!
//! What the producer keeps for itself comes as an argument, [`Owner`], so that a handle can have it at hand. The
//! algorithm is `poolChain` of Go's `sync/poolqueue.go`; the design page says where and why this one goes further.

use core::panic::{RefUnwindSafe, UnwindSafe};
use core::ptr;

use crossbeam_utils::CachePadded;

use crate::detached::Detached;
use crate::error::Full;
use crate::growth::{fit, next_capacity};
use crate::node::Node;
use crate::owner::Owner;
use crate::raw::FIRST_CAPACITY;
use crate::reclaim::{Domain, Guard};
use crate::sync::{AtomicPtr, Ordering, const_unless_loom};

/// The rings of a chain, as everybody finds them.
///
/// All `unsafe` methods that get an [`Owner`] ask for the same: the caller is the producer, one at a time, each call
/// after the one before, and the owner is this chain's. Dropping it leaks; [`dispose`](Self::dispose) does not.
pub(crate) struct Links<T> {
    /// The oldest ring. Null before the first push and after a detachment. Set from null by the
    /// producer; moved forward by whoever finds the ring drained; set to null by the producer (C3).
    tail: CachePadded<AtomicPtr<Node<T>>>,
    /// The first index of every ring, for tests.
    origin: u32,
    /// The capacity at which rings stop doubling: a power of two.
    greatest: usize,
    domain: Domain,
}

// No operation leaves the links half-changed when user code panics: it runs either before a link is
// written or after.
impl<T> UnwindSafe for Links<T> {}
impl<T> RefUnwindSafe for Links<T> {}

/// The allocator had no room for another ring.
struct OutOfMemory;

impl<T> Links<T> {
    const_unless_loom! {
        pub(crate) const fn new(origin: u32, greatest: usize) -> Self {
            Self {
                tail: CachePadded::new(AtomicPtr::new(ptr::null_mut())),
                origin,
                greatest,
                domain: Domain::new(),
            }
        }
    }

    /// Adds a value at the head.
    ///
    /// # Safety
    ///
    /// As said at [`Links`].
    #[inline]
    pub(crate) unsafe fn push_head(
        &self,
        owner: &mut Owner<T>,
        mut value: T,
    ) -> Result<(), Full<T>> {
        loop {
            // SAFETY: we are the producer (caller's), and append only after the last use of the node.
            if let Some(head) = unsafe { owner.head() } {
                // SAFETY: we are the producer of the head ring.
                match unsafe { head.ring().push_head(value) } {
                    Ok(()) => {
                        if owner.pushed(1) {
                            // SAFETY: the caller's.
                            unsafe { self.look(owner) };
                        }
                        return Ok(());
                    }
                    Err(full) => value = full.into_inner(),
                }
            }
            // A fresh ring has room, so this comes round at most once.
            //
            // SAFETY: the caller's.
            if unsafe { self.grow(owner) }.is_err() {
                return Err(Full::out_of_memory(value));
            }
        }
    }

    /// Adds values at the head until the iterator ends; says how many.
    ///
    /// # Safety
    ///
    /// As said at [`Links`]; that includes the iterator, which must not come to the head of this chain.
    #[inline]
    pub(crate) unsafe fn push_head_batch<I>(&self, owner: &mut Owner<T>, values: &mut I) -> usize
    where
        I: Iterator<Item = T> + ?Sized,
    {
        let mut total = 0;
        loop {
            // SAFETY: we are the producer (caller's), and append only after the last use of the node.
            if let Some(head) = unsafe { owner.head() } {
                let mut ended = false;
                let mut watched = Watched {
                    values: &mut *values,
                    ended: &mut ended,
                };
                // SAFETY: we are the producer of the head ring, and the iterator is not (caller's).
                let count = unsafe { head.ring().push_head_batch(&mut watched) };
                total += count;
                if owner.pushed(count) {
                    // SAFETY: the caller's.
                    unsafe { self.look(owner) };
                }
                if ended {
                    return total;
                }
            }
            // The iterator is not asked for a value that might find no slot.
            let at_end = values.size_hint().1 == Some(0);
            // SAFETY: the caller's.
            if at_end || unsafe { self.grow(owner) }.is_err() {
                return total;
            }
        }
    }

    /// Takes the newest value.
    ///
    /// # Safety
    ///
    /// As said at [`Links`].
    #[inline]
    pub(crate) unsafe fn pop_head(&self, owner: &mut Owner<T>) -> Option<T> {
        // SAFETY: we are the producer (caller's) of all of the chain's rings.
        let pop = |node: &Node<T>| Some((unsafe { node.ring().pop_head() }?, 1));
        // SAFETY: the caller's, and the closure calls nothing of the chain's.
        unsafe { self.at_head(owner, pop) }
    }

    /// Takes the oldest value. Pins no epoch while there is one ring.
    ///
    /// # Safety
    ///
    /// As said at [`Links`].
    #[inline]
    pub(crate) unsafe fn producer_pop_tail(&self, owner: &Owner<T>) -> Option<T> {
        // SAFETY: we are the producer (caller's), and append nothing in here.
        let head = unsafe { owner.head() }?;
        if owner.has_one() {
            return head.ring().pop_tail();
        }
        self.at_tail(|node, _| node.ring().pop_tail())
    }

    /// Moves the older half of the values of the oldest ring that holds any, rounded up and at most `max` besides
    /// the one that comes back, to the head of another chain.
    ///
    /// # Safety
    ///
    /// As said at [`Links`], for `into`, which is another chain, and `owner`, which is its.
    pub(crate) unsafe fn steal_into(
        &self,
        into: &Self,
        owner: &mut Owner<T>,
        max: usize,
    ) -> Option<T> {
        let mut room = false;
        let stolen = self.at_tail(|node, _| {
            if !room && max != 0 && !node.ring().is_empty() {
                // SAFETY: we are the producer of `into` (caller's).
                room = unsafe { into.make_room(owner) };
            }
            if !room {
                return node.ring().pop_tail();
            }
            // SAFETY: we are the producer of `into`, whose head stays here.
            let head = unsafe { owner.head() }?;
            // SAFETY: we are the producer of the head ring.
            unsafe { node.ring().steal_into(head.ring(), max) }
        });
        // A chain that only gets stolen values is judged by the pushes that come from them, if any do.
        if room && owner.pushed(0) {
            // SAFETY: we are the producer of `into` (caller's), and this is its head.
            if let Some(head) = unsafe { owner.head() } {
                let (capacity, len) = (head.ring().capacity(), head.ring().len());
                let _judge = owner.looked(capacity, len);
            }
        }
        stolen
    }

    /// Sees to it that the head ring is not full. Says whether it is so.
    ///
    /// # Safety
    ///
    /// As said at [`Links`].
    #[inline]
    unsafe fn make_room(&self, owner: &mut Owner<T>) -> bool {
        // SAFETY: we are the producer (caller's), and append only after the last use of the node.
        if let Some(head) = unsafe { owner.head() } {
            if head.ring().len() < head.ring().capacity() {
                return true;
            }
        }
        // SAFETY: the caller's.
        unsafe { self.grow(owner) }.is_ok()
    }

    /// Runs `attempt` on the rings from the newest to the oldest until it has found something: what it is, and
    /// how many values that were.
    ///
    /// # Safety
    ///
    /// As said at [`Links`]; `attempt` does not come to the head of this chain.
    #[inline(always)]
    pub(crate) unsafe fn at_head<R>(
        &self,
        owner: &mut Owner<T>,
        mut attempt: impl FnMut(&Node<T>) -> Option<(R, usize)>,
    ) -> Option<R> {
        // SAFETY: we are the producer (caller's), and append nothing in here.
        let head = unsafe { owner.head() }?;
        if let Some((found, _)) = attempt(head) {
            return Some(found);
        }
        if owner.behind.is_null() {
            return None;
        }
        // SAFETY: the caller's.
        unsafe { self.at_older(owner, attempt) }
    }

    /// The same on the rings behind the head.
    ///
    /// # Safety
    ///
    /// As `at_head`.
    #[cold]
    unsafe fn at_older<R>(
        &self,
        owner: &mut Owner<T>,
        mut attempt: impl FnMut(&Node<T>) -> Option<(R, usize)>,
    ) -> Option<R> {
        // Whether all rings so far are drained.
        let mut drained = true;
        // SAFETY: we are the producer (caller's), and `attempt` calls nothing that moves rings.
        for at in unsafe { owner.behind() } {
            // SAFETY: initialised by the producer, which has a hold on it (C5).
            let node = unsafe { Node::at(at) }?;
            if let Some((found, count)) = attempt(node) {
                owner.older = owner.older.saturating_sub(count);
                return Some(found);
            }
            // Its pushes are our own past, so a ring that is drained is so for good (C4).
            drained = drained && node.ring().is_drained();
            if drained && owner.oldest != at {
                owner.behind = node.prev();
            }
        }
        // Most likely all of them are drained, and then the next call need not come here.
        //
        // SAFETY: the caller's.
        unsafe { self.trim(owner) };
        None
    }

    /// Runs `attempt` on the rings from the oldest to the newest until it has found something, and unlinks
    /// those that are drained for good. It gets the node and the link that leads there.
    #[inline(always)]
    pub(crate) fn at_tail<R>(
        &self,
        mut attempt: impl FnMut(&Node<T>, *mut Node<T>) -> Option<R>,
    ) -> Option<R> {
        // ORDERING: Relaxed. Null says that there is no ring, and nothing is read on the strength of it.
        if self.tail.load(Ordering::Relaxed).is_null() {
            return None;
        }
        let guard = self.domain.pin();
        let mut unlinked = false;
        // ORDERING: Acquire, pairs with the Release store in `append` and the Release exchange in `unlink`: the
        // node is initialised. It comes after the pin, so a node that was retired before is not found (C5).
        let mut at = self.tail.load(Ordering::Acquire);
        let found = loop {
            // SAFETY: initialised, as said at the loads of `at`; kept by the guard (C5).
            let Some(node) = (unsafe { Node::at(at) }) else {
                break None;
            };
            // ORDERING: Acquire, pairs with the Release store in `append`: the next node is initialised, and every
            // push into this ring happened before. So if there is a next ring *before* the attempt and the
            // attempt finds nothing, nothing will ever be found in this one (C4).
            let next = node.next().load(Ordering::Acquire);
            if let Some(found) = attempt(node, at) {
                break Some(found);
            }
            if next.is_null() {
                // NOTE: Go reports an empty chain here. But the producer may have filled the ring and gone on to
                // the next one between our two looks, in which case the chain was never empty.
                //
                // ORDERING: Relaxed: not followed from here. If a push to the next ring happened before the claim that
                // emptied this one, the attempt has read that claim with Acquire, and this load sees the next ring.
                if node.next().load(Ordering::Relaxed).is_null() {
                    break None;
                }
                continue;
            }
            if !node.ring().is_drained() {
                // Somebody has given tickets back, or has just taken something.
                continue;
            }
            // SAFETY: drained for good (C4), and `next` is its successor.
            unlinked |= unsafe { self.unlink(at, next, &guard) };
            at = next;
        };
        if unlinked {
            guard.flush();
        }
        found
    }

    /// Moves the tail from a drained ring to its successor, unless somebody else has; retires the ring.
    ///
    /// # Safety
    ///
    /// `at` was read from `tail` or `next` under the guard, or the caller has a hold on it; it is drained for
    /// good, and `next`, not null, was read from its `next`.
    unsafe fn unlink(&self, at: *mut Node<T>, next: *mut Node<T>, guard: &Guard) -> bool {
        // A detached ring is not found here, and no address comes back while the guard or the hold exists, so only
        // the ring that the tail still points at is unlinked, by one thread (C5, C7).
        //
        // ORDERING: Release on success, pairs with the Acquire load of `tail` in `at_tail`: whoever finds the next
        // node there sees it initialised, as we did through `next`. Relaxed on failure: the value is not used.
        if self
            .tail
            .compare_exchange(at, next, Ordering::Release, Ordering::Relaxed)
            .is_err()
        {
            return false;
        }
        if let Some(node) = ptr::NonNull::new(at) {
            // SAFETY: `tail` does not lead to the node any more; `next` of the one before it, if that still exists,
            // is read by older guards only (C5). It is drained (caller's), and only the winner of the exchange
            // retires it.
            unsafe { guard.retire(node) };
        }
        true
    }

    /// Gives up the producer's holds on the rings that are unlinked, and unlinks what is drained behind the head.
    /// Says whether nothing is left there.
    ///
    /// # Safety
    ///
    /// As said at [`Links`]; there is a head.
    unsafe fn trim(&self, owner: &mut Owner<T>) -> bool {
        // SAFETY: the caller's.
        owner.has_one() || unsafe { self.trim_older(owner) }
    }

    /// `trim` where the producer holds more than the head.
    ///
    /// # Safety
    ///
    /// As `trim`.
    #[cold]
    unsafe fn trim_older(&self, owner: &mut Owner<T>) -> bool {
        let mut guard = None;
        let single = loop {
            // ORDERING: Relaxed. All nodes were made by the producer, which is us.
            let at = self.tail.load(Ordering::Relaxed);
            // SAFETY: we are the producer (caller's), and everything before the tail is unlinked.
            unsafe { Self::give_up_before(owner, at) };
            if at == owner.head {
                break true;
            }
            // SAFETY: made by the producer, which has a hold on it (C5).
            let Some(node) = (unsafe { Node::at(at) }) else {
                break true;
            };
            // The ring is not the head, and its pushes are our own past: if it is drained it stays so (C4).
            if !node.ring().is_drained() {
                break false;
            }
            // ORDERING: Relaxed. Written by the producer.
            let next = node.next().load(Ordering::Relaxed);
            let guard = guard.get_or_insert_with(|| self.domain.pin());
            // SAFETY: the producer has a hold on it, it is drained for good, and `next` is its successor.
            unsafe { self.unlink(at, next, guard) };
        };
        if let Some(guard) = guard {
            guard.flush();
        }
        if single {
            owner.single();
        }
        single
    }

    /// Gives up the producer's holds on the rings before `tail`.
    ///
    /// # Safety
    ///
    /// `owner` is of the chain on which `tail` is, or was before a detachment; what is before it is unlinked.
    unsafe fn give_up_before(owner: &mut Owner<T>, tail: *mut Node<T>) {
        loop {
            let at = owner.oldest;
            if at == tail {
                return;
            }
            // SAFETY: the producer has a hold on it (C5).
            let Some(node) = (unsafe { Node::at(at) }) else {
                return;
            };
            // ORDERING: Relaxed. Written by the producer.
            let next = node.next().load(Ordering::Relaxed);
            owner.oldest = next;
            owner.slots -= node.ring().capacity();
            // No ring holds more than it has slots.
            owner.older = owner.older.min(owner.slots);
            if owner.behind == at {
                owner.behind = ptr::null_mut();
            }
            if let Some(node) = ptr::NonNull::new(at) {
                // SAFETY: the producer's hold, which the lines above gave up. An unlinked ring is drained, so whoever
                // still claims in it has claimed before.
                unsafe { Node::release(node) };
            }
        }
    }

    // The head's node is not an argument of what follows: it may be freed when another is appended and the
    // producer trims, and a reference that a function was given has to stay valid for as long as it runs.

    /// Looks how many values there are, and when it is time shrinks, if the most held lately would fit into a
    /// quarter of the head ring.
    ///
    /// # Safety
    ///
    /// As said at [`Links`]; the caller uses no earlier node of the head afterwards.
    #[cold]
    unsafe fn look(&self, owner: &mut Owner<T>) {
        // SAFETY: we are the producer (caller's), and append only after the last use of the node.
        let Some(head) = (unsafe { owner.head() }) else {
            return;
        };
        let (capacity, len) = (head.ring().capacity(), head.ring().len());
        if owner.looked(capacity, len) {
            // SAFETY: the caller's.
            unsafe { self.refit(owner, owner.high) };
        }
    }

    /// Unlinks drained rings, follows the head ring by a smaller one if it is too big for `values`, and
    /// starts counting anew.
    ///
    /// # Safety
    ///
    /// As `look`.
    unsafe fn refit(&self, owner: &mut Owner<T>, values: usize) {
        // SAFETY: we are the producer (caller's), and append only after the last use of the node.
        let Some(head) = (unsafe { owner.head() }) else {
            return;
        };
        let capacity = head.ring().capacity();
        // SAFETY: the caller's.
        let single = unsafe { self.trim(owner) };
        owner.judged(capacity, head.ring().len());
        let fit = fit(values, self.greatest);
        // A chain whose older rings still hold values is left alone: otherwise a value that nobody ever
        // takes from the tail would keep each ring of every growth and shrinkage behind it (C8).
        if single && fit < capacity {
            // Without room for a smaller ring we keep the bigger one.
            //
            // SAFETY: the caller's.
            let _no_room = unsafe { self.append(owner, fit) };
        }
    }

    /// Makes room behind a head ring that refused a value, or makes the first ring.
    ///
    /// # Safety
    ///
    /// As `look`.
    #[cold]
    unsafe fn grow(&self, owner: &mut Owner<T>) -> Result<(), OutOfMemory> {
        // SAFETY: we are the producer (caller's), and append only after the last use of the node.
        let Some(head) = (unsafe { owner.head() }) else {
            // SAFETY: the caller's.
            return unsafe { self.append(owner, FIRST_CAPACITY.min(self.greatest)) };
        };
        // SAFETY: the caller's.
        let single = unsafe { self.trim(owner) };
        let (capacity, len) = (head.ring().capacity(), head.ring().len());
        let sparse = owner.older + len < (owner.slots + capacity) / 2;
        let next = next_capacity(capacity, len, single, sparse, self.greatest);
        // SAFETY: the caller's.
        unsafe { self.append(owner, next) }
    }

    /// Appends an empty ring, which becomes the head; unlinks what is drained behind it.
    ///
    /// # Safety
    ///
    /// As `look`.
    unsafe fn append(&self, owner: &mut Owner<T>, capacity: usize) -> Result<(), OutOfMemory> {
        let new = Node::allocate(capacity, self.origin, owner.head).ok_or(OutOfMemory)?;
        // SAFETY: we are the producer (caller's), which has a hold on the old head.
        let (slots, left) = match unsafe { owner.head() } {
            None => {
                // ORDERING: Release, pairs with the Acquire load of `tail` in `at_tail`: the node is initialised.
                self.tail.store(new.as_ptr(), Ordering::Release);
                (0, 0)
            }
            Some(old) => {
                // Nobody pushes to the old ring from here on, so it holds no more than this.
                let left = old.ring().len();
                // ORDERING: Release, pairs with the Acquire load of `next` in `at_tail`: the new node is initialised,
                // and every push to the old ring happened before. Weaker, and a consumer could take the old
                // ring for drained before it sees the last values in it.
                old.next().store(new.as_ptr(), Ordering::Release);
                // From here on consumers may unlink the old node.
                (old.ring().capacity(), left)
            }
        };
        owner.followed(new.as_ptr(), capacity, slots, left);
        if owner.older == 0 {
            // SAFETY: the caller's.
            unsafe { self.trim(owner) };
        }
        Ok(())
    }

    /// Unlinks drained rings, and follows a head ring that is too big for the values in the chain by a smaller one.
    ///
    /// # Safety
    ///
    /// As said at [`Links`].
    pub(crate) unsafe fn shrink(&self, owner: &mut Owner<T>) {
        // SAFETY: we are the producer (caller's), and append, in `refit`, only after the last use of the node.
        let Some(head) = (unsafe { owner.head() }) else {
            return;
        };
        // SAFETY: the caller's.
        unsafe { self.trim(owner) };
        let values = owner.older + head.ring().len();
        // SAFETY: the caller's.
        unsafe { self.refit(owner, values) };
        self.domain.collect();
    }

    /// Frees the memory of unlinked rings, as far as no thread may still look at them.
    pub(crate) fn collect(&self) {
        self.domain.collect();
    }

    /// How many values may be added before there are `limit`; exact when it says none.
    ///
    /// # Safety
    ///
    /// As said at [`Links`].
    #[inline]
    pub(crate) unsafe fn room(&self, owner: &mut Owner<T>, limit: usize) -> usize {
        // SAFETY: we are the producer (caller's), and append nothing in here.
        let Some(head) = (unsafe { owner.head() }) else {
            return limit;
        };
        let held = owner.older + head.ring().len();
        if held < limit {
            return limit - held;
        }
        // The older rings may hold fewer by now.
        //
        // SAFETY: the caller's.
        unsafe { self.trim(owner) };
        owner.older = owner.count_older();
        limit.saturating_sub(owner.older + head.ring().len())
    }

    /// How many slots the rings have that are not unlinked, as the producer sees it.
    ///
    /// # Safety
    ///
    /// As said at [`Links`].
    pub(crate) unsafe fn producer_capacity(&self, owner: &Owner<T>) -> usize {
        // ORDERING: Relaxed. All nodes were made by the producer, which is us.
        let tail = self.tail.load(Ordering::Relaxed);
        let mut slots = 0;
        let mut at = owner.head;
        // SAFETY: made by the producer, which has a hold on each from the head to the tail (C5).
        while let Some(node) = unsafe { Node::at(at) } {
            slots += node.ring().capacity();
            if at == tail {
                break;
            }
            at = node.prev();
        }
        slots
    }

    /// Takes all rings with their values out; the chain is then as new.
    ///
    /// # Safety
    ///
    /// As said at [`Links`].
    pub(crate) unsafe fn detach(&self, owner: &mut Owner<T>) -> Detached<T> {
        // An exchange, not a load and a store: a consumer could move the tail in between.
        //
        // ORDERING: Relaxed. Null publishes nothing, and every node was made by the producer, which is us. Consumers
        // that still find a detached node have a guard from before its retirement (C7).
        let front = self.tail.swap(ptr::null_mut(), Ordering::Relaxed);
        // SAFETY: we are the producer (caller's). The swap took the list from `front` on; what was before is unlinked.
        unsafe { Self::give_up_before(owner, front) };
        // The holds go with the list.
        *owner = Owner::new();
        // SAFETY: the list is unlinked and given away here, once, with the producer's holds.
        unsafe { Detached::new(front, Some(self.domain.clone())) }
    }

    /// Drops what is left, each value once, even when one of the destructors panics. The last thing that is done here.
    pub(crate) fn dispose(&mut self, owner: &mut Owner<T>) {
        // ORDERING: Relaxed. We have the chain exclusively, so whatever was done to it happened before.
        let front = self.tail.load(Ordering::Relaxed);
        // SAFETY: nobody else is in here, or will be, the producer included; what is before the tail is unlinked.
        unsafe { Self::give_up_before(owner, front) };
        *owner = Owner::new();
        // SAFETY: as above, so the nodes need no epoch; the links go with the chain, and the producer's holds.
        drop(unsafe { Detached::new(front, None) });
    }

    /// Runs `f` on the rings from the oldest to the newest.
    pub(crate) fn walk(&self, mut f: impl FnMut(&Node<T>)) {
        // ORDERING: Relaxed, as in `at_tail`.
        if self.tail.load(Ordering::Relaxed).is_null() {
            return;
        }
        let _guard = self.domain.pin();
        // ORDERING: Acquire, as in `at_tail`.
        let mut at = self.tail.load(Ordering::Acquire);
        // SAFETY: initialised, as in `at_tail`; kept by the guard (C5).
        while let Some(node) = unsafe { Node::at(at) } {
            // ORDERING: Acquire, pairs with the Release store in `append`: the next node is initialised.
            at = node.next().load(Ordering::Acquire);
            f(node);
        }
    }
}

/// An iterator that remembers whether it has ended.
struct Watched<'a, I: ?Sized> {
    values: &'a mut I,
    ended: &'a mut bool,
}

impl<I: Iterator + ?Sized> Iterator for Watched<'_, I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        let value = self.values.next();
        *self.ended = value.is_none();
        value
    }
}
