//! The chain itself, with a shared `&self` for every operation: what the handles and the layers above
//! are made of.
//!
//! The algorithm is `poolChain` of Go's `sync/poolqueue.go`; the design page says where and why this one
//! goes further. Use it directly when one producer *at a time* is all that you can promise, for example
//! because a claim flag decides who it is; everybody else wants [`unbounded`](crate::unbounded), whose
//! types keep the promise.

use core::fmt;
use core::marker::PhantomData;
use core::panic::{RefUnwindSafe, UnwindSafe};
use core::ptr;

use crossbeam_utils::CachePadded;
use pool_dequeue::MAX_CAPACITY;

pub use crate::detached::Detached;
use crate::error::Full;
use crate::node::Node;
use crate::reclaim::{Domain, Guard};
use crate::sync::{AtomicPtr, Ordering, UnsafeCell, const_unless_loom, fence};

/// Slots of the first ring.
///
/// Eight, as in Go; two under the model checker, so that a model of a few operations meets growth; less
/// where the indices are too narrow for eight.
#[doc(hidden)]
pub const FIRST_CAPACITY: usize = if cfg!(pool_loom) {
    2
} else if MAX_CAPACITY < 8 {
    MAX_CAPACITY
} else {
    8
};

/// A blocked ring smaller than this is followed by one of twice its size, any other by one of the same.
const BLOCKED_DOUBLES_BELOW: usize = 64;

/// A ring is judged too big or not after this many times its capacity in pushes …
const LAPS_PER_JUDGEMENT: usize = 2;
/// … and no sooner than this, so that what shrinking and growing again cost is spread thin.
const MIN_PUSHES_PER_JUDGEMENT: usize = 1024;

/// An unbounded chain of rings whose producer is named by the caller instead of by a handle.
///
/// Everything at the head is `unsafe`: there may be one producer at a time. Pops at the tail are
/// anybody's. Nothing is allocated before the first push. Dropping the chain drops what is left in it,
/// each value once, even when one of the destructors panics.
pub struct Chain<T> {
    /// The oldest ring. Null before the first push and after a detachment. Set from null by the
    /// producer; moved forward by whoever finds the ring drained; set to null by the producer (C3).
    tail: CachePadded<AtomicPtr<Node<T>>>,
    /// The producer's own memory.
    owner: UnsafeCell<Owner<T>>,
    /// The first index of every ring, for tests.
    origin: u32,
    domain: Domain,
    _values: PhantomData<T>,
}

/// What only the producer reads and writes.
struct Owner<T> {
    /// The newest ring, the only one that is pushed to. Null if and only if `tail` is (C1).
    head: *mut Node<T>,
    /// At least as many values as the rings behind the head ring hold: their sum when it was last taken,
    /// and it can only have fallen since.
    older: usize,
    /// The most values seen at once since the head ring was last judged.
    high: usize,
    /// Pushes left until it is judged again.
    pushes_left: usize,
}

impl<T> Owner<T> {
    const fn new() -> Self {
        Self {
            head: ptr::null_mut(),
            older: 0,
            high: 0,
            pushes_left: 0,
        }
    }

    /// Enters `count` pushes to the head ring, which then holds `len` values. Says whether it is to be judged.
    #[inline(always)]
    fn pushed(&mut self, count: usize, len: usize) -> bool {
        self.high = self.high.max(self.older + len);
        self.pushes_left = self.pushes_left.saturating_sub(count);
        self.pushes_left == 0
    }

    /// Starts counting anew for a head ring that holds `len` values.
    fn judged(&mut self, capacity: usize, len: usize) {
        self.high = self.older + len;
        self.pushes_left = pushes_per_judgement(capacity);
    }

    /// Enters a new head ring, in front of one that holds `left` values. Says whether nothing is left behind it.
    fn followed(&mut self, head: *mut Node<T>, capacity: usize, left: usize) -> bool {
        self.head = head;
        self.older += left;
        self.pushes_left = pushes_per_judgement(capacity);
        self.older == 0
    }
}

/// The allocator had no room for another ring.
struct OutOfMemory;

// SAFETY: the chain owns its values and its nodes.
unsafe impl<T: Send> Send for Chain<T> {}
// SAFETY: sharing the chain moves values between threads and never lends a `&T`. `owner` is reached only
// by the unsafe methods, whose callers promise one producer at a time.
unsafe impl<T: Send> Sync for Chain<T> {}

// No operation leaves the chain half-changed when user code panics: it runs either before a link is
// written or after.
impl<T> UnwindSafe for Chain<T> {}
impl<T> RefUnwindSafe for Chain<T> {}

impl<T> Chain<T> {
    const_unless_loom! {
        /// An empty chain. Allocates nothing.
        #[must_use]
        pub const fn new() -> Self {
            Self::new_at(0)
        }
    }

    const_unless_loom! {
        /// The same with the first index of every ring given, so that a test can start just below the wrap.
        #[doc(hidden)]
        #[must_use]
        pub const fn new_at(origin: u32) -> Self {
            Self {
                tail: CachePadded::new(AtomicPtr::new(ptr::null_mut())),
                owner: UnsafeCell::new(Owner::new()),
                origin,
                domain: Domain::new(),
                _values: PhantomData,
            }
        }
    }

    /// Runs `f` on the producer's memory.
    ///
    /// # Safety
    ///
    /// The caller is the producer, and `f` neither calls this again nor runs the user's code.
    #[inline(always)]
    unsafe fn with_owner<R>(&self, f: impl FnOnce(&mut Owner<T>) -> R) -> R {
        self.owner.with_mut(|owner| {
            // SAFETY: one producer at a time, and it is in here once (caller's).
            f(unsafe { &mut *owner })
        })
    }

    /// The newest ring.
    ///
    /// # Safety
    ///
    /// The caller is the producer. The node lives until the producer appends another, or detaches or drops
    /// the chain.
    #[inline(always)]
    unsafe fn head<'a>(&self) -> Option<&'a Node<T>> {
        // SAFETY: the caller is the producer; a pointer is copied.
        let head = unsafe { self.with_owner(|owner| owner.head) };
        // SAFETY: only a node with a successor is unlinked (C3), so the head's memory stays; producers
        // before us, or we, initialised it.
        unsafe { Node::at(head) }
    }

    /// Adds a value at the head.
    ///
    /// Wait-free but for the allocator: one atomic addition, and now and then a new ring.
    ///
    /// # Errors
    ///
    /// [`Full`] gives the value back when another ring is needed and the allocator has no room for it.
    /// The chain is as before, and the next call tries again.
    ///
    /// # Safety
    ///
    /// No other call of an unsafe method of this chain runs at the same time, and the one before this one
    /// happened before it.
    #[inline]
    pub unsafe fn push_head(&self, mut value: T) -> Result<(), Full<T>> {
        loop {
            // SAFETY: we are the producer (caller's), and append only after the last use of the node.
            if let Some(head) = unsafe { self.head() } {
                // SAFETY: we are the producer of the head ring.
                match unsafe { head.ring.push_head(value) } {
                    Ok(()) => {
                        // SAFETY: we are the producer, and this is the head.
                        if unsafe { self.pushed(head, 1) } {
                            // SAFETY: as above.
                            unsafe { self.judge() };
                        }
                        return Ok(());
                    }
                    Err(full) => value = full.into_inner(),
                }
            }
            // A fresh ring has room, so this comes round at most once.
            //
            // SAFETY: we are the producer.
            if unsafe { self.grow() }.is_err() {
                return Err(Full::out_of_memory(value));
            }
        }
    }

    /// Adds values at the head until the iterator ends; says how many. One atomic addition for each ring
    /// filled.
    ///
    /// Fewer are taken only when another ring is needed and the allocator has no room for it. The iterator
    /// is asked for a value only when there is a slot for it; so an iterator that does not say in
    /// `size_hint` that it is at its end may cost a ring that nobody needed. If it panics, what it gave so
    /// far is in the chain.
    ///
    /// # Safety
    ///
    /// As [`push_head`](Self::push_head); that includes the iterator, which must not call unsafe methods
    /// of this chain.
    pub unsafe fn push_head_batch<I>(&self, values: &mut I) -> usize
    where
        I: Iterator<Item = T> + ?Sized,
    {
        let mut total = 0;
        loop {
            // SAFETY: we are the producer (caller's), and append only after the last use of the node.
            if let Some(head) = unsafe { self.head() } {
                let mut ended = false;
                let mut watched = Watched {
                    values: &mut *values,
                    ended: &mut ended,
                };
                // SAFETY: we are the producer of the head ring, and the iterator is not (caller's).
                let count = unsafe { head.ring.push_head_batch(&mut watched) };
                total += count;
                // SAFETY: we are the producer, and this is the head.
                if unsafe { self.pushed(head, count) } {
                    // SAFETY: as above.
                    unsafe { self.judge() };
                }
                if ended {
                    return total;
                }
            }
            // The iterator is not asked for a value that might find no slot.
            let at_end = values.size_hint().1 == Some(0);
            // SAFETY: we are the producer.
            if at_end || unsafe { self.grow() }.is_err() {
                return total;
            }
        }
    }

    /// Takes the newest value.
    ///
    /// Lock-free. As long as the newest ring holds values, one compare-exchange; behind it each call pins
    /// the current epoch too.
    ///
    /// # Safety
    ///
    /// As [`push_head`](Self::push_head).
    #[inline]
    pub unsafe fn pop_head(&self) -> Option<T> {
        // SAFETY: we are the producer (caller's) of all of the chain's rings.
        let pop = |node: &Node<T>, _| unsafe { node.ring.pop_head() };
        // SAFETY: we are the producer, and the closure calls nothing of the chain's.
        unsafe { self.at_head(pop) }
    }

    /// Takes up to `max` of the newest values, newest first, and gives them to `sink`; says how many. One
    /// compare-exchange for each ring that gives some.
    ///
    /// If `sink` panics, the values claimed with the one it had are dropped.
    ///
    /// # Safety
    ///
    /// As [`push_head`](Self::push_head); that includes the sink, which must not call unsafe methods of
    /// this chain. It runs with the epoch pinned when the values come from behind the newest ring, so keep
    /// it short.
    pub unsafe fn pop_head_batch(&self, max: usize, mut sink: impl FnMut(T)) -> usize {
        let mut total = 0;
        if max == 0 {
            return 0;
        }
        let pop = |node: &Node<T>, _| {
            // SAFETY: we are the producer (caller's) of all of the chain's rings, and the sink calls nothing that
            // only producers may call.
            for value in unsafe { node.ring.pop_head_batch(max - total) } {
                total += 1;
                sink(value);
            }
            (total == max).then_some(())
        };
        // SAFETY: we are the producer, and the closure calls nothing of the chain's that is unsafe.
        let _all = unsafe { self.at_head(pop) };
        total
    }

    /// Takes the oldest value. Any thread.
    ///
    /// Lock-free: the current epoch is pinned, then one compare-exchange, retried while others move an
    /// index. `None` means that the chain was empty at some moment during the call.
    #[inline]
    pub fn pop_tail(&self) -> Option<T> {
        self.at_tail(|node, _| node.ring.pop_tail())
    }

    /// Takes up to `max` of the oldest values, and never more than half of the oldest ring that holds any,
    /// rounded up; gives them to `sink`, oldest first, and says how many. Any thread. One compare-exchange
    /// for all of them.
    ///
    /// The sink runs with the epoch pinned: no unlinked ring of any chain is freed before it returns, so
    /// keep it short. If it panics, the values claimed with the one it had are dropped.
    pub fn pop_tail_batch(&self, max: usize, mut sink: impl FnMut(T)) -> usize {
        if max == 0 {
            return 0;
        }
        self.at_tail(|node, _| {
            let batch = node.ring.pop_tail_batch(max);
            let count = batch.len();
            batch.for_each(&mut sink);
            (count != 0).then_some(count)
        })
        .unwrap_or(0)
    }

    /// Runs `attempt` on the rings from the newest to the oldest until it has found something. It gets the
    /// node and the link that leads there.
    ///
    /// # Safety
    ///
    /// The caller is the producer, and `attempt` calls no unsafe method of the chain.
    #[inline(always)]
    pub(crate) unsafe fn at_head<R>(
        &self,
        mut attempt: impl FnMut(&Node<T>, *mut Node<T>) -> Option<R>,
    ) -> Option<R> {
        // SAFETY: we are the producer (caller's); a pointer is copied.
        let at = unsafe { self.with_owner(|owner| owner.head) };
        // SAFETY: as in `head`; we append nothing in here.
        let head = unsafe { Node::at(at) }?;
        if let Some(found) = attempt(head, at) {
            return Some(found);
        }
        // ORDERING: Relaxed. Null says that no ring is linked behind this one, and nothing is read on the
        // strength of it; a stale pointer costs a look.
        if head.prev.load(Ordering::Relaxed).is_null() {
            return None;
        }
        // SAFETY: as above.
        unsafe { self.at_older(head, attempt) }
    }

    /// The same on the rings behind the head.
    ///
    /// # Safety
    ///
    /// As `at_head`; `head` is the head's node.
    #[cold]
    unsafe fn at_older<R>(
        &self,
        head: &Node<T>,
        mut attempt: impl FnMut(&Node<T>, *mut Node<T>) -> Option<R>,
    ) -> Option<R> {
        let guard = self.domain.pin();
        let mut newer = head;
        loop {
            // ORDERING: Relaxed. The producer, which is us, wrote the pointer and made the node behind it.
            // Whoever unlinks that node clears this pointer before it retires the node: either our guard is
            // older than the retirement or we read null (C5).
            let at = newer.prev.load(Ordering::Relaxed);
            // SAFETY: initialised by the producer; kept by the guard (C5).
            let Some(node) = (unsafe { Node::at(at) }) else {
                break;
            };
            if let Some(found) = attempt(node, at) {
                return Some(found);
            }
            newer = node;
        }
        // Most likely all of them are drained, and then the next call need not come here.
        //
        // SAFETY: we are the producer, and this is the head (caller's).
        if unsafe { self.trim_linked(head, &guard) } {
            // SAFETY: as above; the closure stores.
            unsafe { self.with_owner(|owner| owner.older = 0) };
        }
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
        // ORDERING: Release, pairs with the Acquire fence below in a consumer that finds the ring empty because of a
        // claim of ours: it sees every next ring that we could know of. Without it, "empty" could be said
        // of a chain that never was. (A pin has a fence already, but not if there is an outer one.)
        fence(Ordering::Release);
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
            let next = node.next.load(Ordering::Acquire);
            if let Some(found) = attempt(node, at) {
                break Some(found);
            }
            if next.is_null() {
                // NOTE: Go reports an empty chain here. But the producer may have filled the ring and gone on to
                // the next one between our two looks, in which case the chain was never empty.
                //
                // ORDERING: Acquire, pairs with the Release fence above in the consumer whose claim emptied the ring: if
                // a push to the next ring happened before that claim, the load below sees the next ring.
                fence(Ordering::Acquire);
                // ORDERING: Relaxed: not followed from here.
                if node.next.load(Ordering::Relaxed).is_null() {
                    break None;
                }
                continue;
            }
            if !node.ring.is_drained() {
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
    /// `at` was read from `tail` or `next` under the guard, it is drained for good, and `next`, not null,
    /// was read from its `next`.
    unsafe fn unlink(&self, at: *mut Node<T>, next: *mut Node<T>, guard: &Guard) -> bool {
        // A detached ring is not found here, and no address comes back while the guard exists, so only the
        // ring that the tail still points at is unlinked, by one thread (C5, C7).
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
        // SAFETY: initialised, as its address came from `next`; kept by the guard: the tail was moved away from
        // it, if at all, after the guard was made (C5).
        if let Some(next) = unsafe { Node::at(next) } {
            // ORDERING: Relaxed. Null publishes nothing. That the producer sees it before it can find the node
            // freed is the reclamation's doing (C5).
            next.prev.store(ptr::null_mut(), Ordering::Relaxed);
        }
        if let Some(node) = ptr::NonNull::new(at) {
            // SAFETY: neither `tail` nor `prev` leads to the node any more; `next` of the one before it, if that
            // still exists, is read by older guards only (C5). It is drained (caller's), and only the winner of
            // the exchange retires it.
            unsafe { guard.retire(node) };
        }
        true
    }

    /// Unlinks what is drained behind the head. Says whether nothing is left there.
    ///
    /// # Safety
    ///
    /// The caller is the producer, and `head` is the head's node.
    unsafe fn trim(&self, head: &Node<T>) -> bool {
        // ORDERING: Relaxed, as in `at_head`.
        let single = head.prev.load(Ordering::Relaxed).is_null() || {
            let guard = self.domain.pin();
            // SAFETY: the caller's.
            unsafe { self.trim_linked(head, &guard) }
        };
        if single {
            // SAFETY: we are the producer (caller's); the closure stores.
            unsafe { self.with_owner(|owner| owner.older = 0) };
        }
        single
    }

    /// `trim` where something is linked behind the head.
    ///
    /// # Safety
    ///
    /// As `trim`.
    unsafe fn trim_linked(&self, head: &Node<T>, guard: &Guard) -> bool {
        let mut unlinked = false;
        // ORDERING: Relaxed. All nodes were made by the producer, which is us. After the pin, as in `at_tail`.
        let mut at = self.tail.load(Ordering::Relaxed);
        let single = loop {
            if ptr::eq(at, head) {
                break true;
            }
            // SAFETY: made by the producer; kept by the guard (C5).
            let Some(node) = (unsafe { Node::at(at) }) else {
                break true;
            };
            // The ring is not the head, and its pushes are our own past: if it is drained it stays so (C4).
            if !node.ring.is_drained() {
                break false;
            }
            // ORDERING: Relaxed. Written by the producer.
            let next = node.next.load(Ordering::Relaxed);
            // SAFETY: drained for good, and `next` is its successor.
            unlinked |= unsafe { self.unlink(at, next, guard) };
            at = next;
        };
        if unlinked {
            guard.flush();
        }
        single
    }

    /// Keeps the books after `count` pushes to the head ring. Says whether the ring is to be judged.
    ///
    /// # Safety
    ///
    /// The caller is the producer, and `head` is the head's node.
    #[inline(always)]
    unsafe fn pushed(&self, head: &Node<T>, count: usize) -> bool {
        let len = head.ring.len();
        // SAFETY: we are the producer (caller's), and the closure counts.
        unsafe { self.with_owner(|owner| owner.pushed(count, len)) }
    }

    // The head's node is not an argument of what follows: a consumer may free it as soon as another is
    // appended, and a reference that a function was given has to stay valid for as long as the function runs.

    /// Shrinks if the most values held lately would fit into a quarter of the head ring.
    ///
    /// # Safety
    ///
    /// The caller is the producer, and uses no earlier node of the head afterwards.
    #[cold]
    unsafe fn judge(&self) {
        // SAFETY: we are the producer (caller's).
        let high = unsafe { self.with_owner(|owner| owner.high) };
        // SAFETY: the caller's.
        unsafe { self.refit(high) };
    }

    /// Unlinks drained rings, follows the head ring by a smaller one if it is too big for `values`, and
    /// starts counting anew.
    ///
    /// # Safety
    ///
    /// As `judge`.
    unsafe fn refit(&self, values: usize) {
        // SAFETY: we are the producer (caller's), and append only after the last use of the node.
        let Some(head) = (unsafe { self.head() }) else {
            return;
        };
        let capacity = head.ring.capacity();
        // SAFETY: we are the producer, and this is the head.
        let single = unsafe { self.trim(head) };
        let len = head.ring.len();
        // SAFETY: as above; the closure counts.
        unsafe { self.with_owner(|owner| owner.judged(capacity, len)) };
        let fit = fit(values);
        // A chain whose older rings still hold values is left alone: otherwise a value that nobody ever
        // takes from the tail would keep each ring of every growth and shrinkage behind it (C8).
        if single && fit < capacity {
            // Without room for a smaller ring we keep the bigger one.
            //
            // SAFETY: as above; nobody uses the old head afterwards.
            let _no_room = unsafe { self.append(fit) };
        }
    }

    /// Makes room behind a head ring that refused a value, or makes the first ring.
    ///
    /// # Safety
    ///
    /// The caller is the producer, and uses no earlier node of the head afterwards.
    #[cold]
    unsafe fn grow(&self) -> Result<(), OutOfMemory> {
        // SAFETY: we are the producer (caller's), and append only after the last use of the node.
        let Some(head) = (unsafe { self.head() }) else {
            // SAFETY: as above.
            return unsafe { self.append(FIRST_CAPACITY) };
        };
        // SAFETY: as above.
        let single = unsafe { self.trim(head) };
        let next = next_capacity(head.ring.capacity(), head.ring.len(), single);
        // SAFETY: as above.
        unsafe { self.append(next) }
    }

    /// Appends an empty ring, which becomes the head; unlinks what is drained behind it.
    ///
    /// # Safety
    ///
    /// The caller is the producer, and uses no earlier node of the head afterwards.
    unsafe fn append(&self, capacity: usize) -> Result<(), OutOfMemory> {
        // SAFETY: we are the producer (caller's).
        let old = unsafe { self.with_owner(|owner| owner.head) };
        let new = Node::allocate(capacity, self.origin, old).ok_or(OutOfMemory)?;
        // SAFETY: the old head's memory stays until the new one is linked, below.
        let left = match unsafe { Node::at(old) } {
            None => {
                // ORDERING: Release, pairs with the Acquire load of `tail` in `at_tail`: the node is initialised.
                self.tail.store(new.as_ptr(), Ordering::Release);
                0
            }
            Some(old) => {
                // Nobody pushes to the old ring from here on, so it holds no more than this.
                let left = old.ring.len();
                // ORDERING: Release, pairs with the Acquire load of `next` in `at_tail`: the new node is initialised,
                // and every push to the old ring happened before. Weaker, and a consumer could take the old
                // ring for drained before it sees the last values in it.
                old.next.store(new.as_ptr(), Ordering::Release);
                // From here on consumers may unlink and free the old node.
                left
            }
        };
        // SAFETY: we are the producer; the closure stores.
        let drained =
            unsafe { self.with_owner(|owner| owner.followed(new.as_ptr(), capacity, left)) };
        if drained {
            // SAFETY: we are the producer, and just made this the head.
            if let Some(head) = unsafe { Node::at(new.as_ptr()) } {
                // SAFETY: as above.
                unsafe { self.trim(head) };
            }
        }
        Ok(())
    }

    /// Gives ring memory back: unlinks drained rings, and follows a head ring that is too big for the values
    /// in the chain by a smaller one, so that it goes too, at once if it is empty and else when it is
    /// drained.
    ///
    /// Rings shrink by themselves with use; this is for when there is none.
    ///
    /// # Safety
    ///
    /// As [`push_head`](Self::push_head).
    pub unsafe fn shrink(&self) {
        // SAFETY: we are the producer (caller's), and append, in `refit`, only after the last use of the node.
        let Some(head) = (unsafe { self.head() }) else {
            return;
        };
        // SAFETY: as above.
        unsafe { self.trim(head) };
        let len = head.ring.len();
        // SAFETY: as above.
        let values = unsafe { self.with_owner(|owner| owner.older + len) };
        // SAFETY: as above.
        unsafe { self.refit(values) };
        self.domain.collect();
    }

    /// Frees the memory of unlinked rings, as far as no thread may still look at them. Any thread.
    ///
    /// Unlinking does some of this by the way. Whoever wants a quiet program's memory back calls this once
    /// things are unlinked, and again later if other threads were at work meanwhile: it waits for nobody.
    pub fn collect(&self) {
        self.domain.collect();
    }

    /// How many values may be added before there are `limit`; exact when it says none.
    ///
    /// # Safety
    ///
    /// The caller is the producer.
    #[inline]
    pub(crate) unsafe fn room(&self, limit: usize) -> usize {
        // SAFETY: we are the producer (caller's), and append nothing in here.
        let Some(head) = (unsafe { self.head() }) else {
            return limit;
        };
        let len = head.ring.len();
        // SAFETY: as above.
        let held = unsafe { self.with_owner(|owner| owner.older) } + len;
        if held < limit {
            return limit - held;
        }
        // The older rings may hold fewer by now.
        //
        // SAFETY: as above.
        unsafe { self.trim(head) };
        let mut older = 0;
        self.walk(|node| {
            if !ptr::eq(node, head) {
                older += node.ring.len();
            }
            true
        });
        // SAFETY: as above; the closure stores.
        unsafe { self.with_owner(|owner| owner.older = older) };
        let held = older + head.ring.len();
        limit.saturating_sub(held)
    }

    /// Takes all rings with their values out at once, however many they are; the chain is then as new.
    ///
    /// Consumers that are inside a ring at this moment may still take values out of it; each value goes to
    /// one of them or to the result.
    ///
    /// # Safety
    ///
    /// As [`push_head`](Self::push_head).
    pub unsafe fn detach(&self) -> Detached<T> {
        // SAFETY: we are the producer (caller's); the closure stores.
        unsafe { self.with_owner(|owner| *owner = Owner::new()) };
        // An exchange, not a load and a store: a consumer could move the tail in between and free the node
        // that we loaded.
        //
        // ORDERING: Relaxed. Null publishes nothing, and every node was made by the producer, which is us. Consumers
        // that still find a detached node have a guard from before its retirement (C7).
        let front = self.tail.swap(ptr::null_mut(), Ordering::Relaxed);
        // SAFETY: the list is unlinked and given away here, once.
        unsafe { Detached::new(front, Some(self.domain.clone())) }
    }

    /// Runs `f` on the rings from the oldest to the newest until it says stop.
    fn walk(&self, mut f: impl FnMut(&Node<T>) -> bool) {
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
            at = node.next.load(Ordering::Acquire);
            if !f(node) {
                break;
            }
        }
    }

    /// About how many values the chain holds: the sum over its rings, looked at one after the other.
    pub fn len(&self) -> usize {
        let mut len = 0;
        self.walk(|node| {
            len += node.ring.len();
            true
        });
        len
    }

    /// Whether the chain was empty at some moment during the call.
    pub fn is_empty(&self) -> bool {
        // Not `walk`: a ring may be passed only if it had a successor before it was found empty.
        self.look().is_none()
    }

    /// The chain's consumer path without taking anything.
    fn look(&self) -> Option<()> {
        self.at_tail(|node, _| (!node.ring.is_empty()).then_some(()))
    }

    /// How many rings there are.
    pub fn rings(&self) -> usize {
        let mut rings = 0;
        self.walk(|_| {
            rings += 1;
            true
        });
        rings
    }

    /// How many slots the rings have together.
    pub fn capacity(&self) -> usize {
        let mut slots = 0;
        self.walk(|node| {
            slots += node.ring.capacity();
            true
        });
        slots
    }
}

/// The capacity of a ring that `values` fill to a half at most.
fn fit(values: usize) -> usize {
    values
        .saturating_mul(2)
        .min(MAX_CAPACITY)
        .next_power_of_two()
        .max(FIRST_CAPACITY)
}

/// The capacity of the ring behind one that refused a value; `single` if that one is the only ring.
fn next_capacity(capacity: usize, len: usize, single: bool) -> usize {
    // A ring that is far from full and still refuses a value is blocked: a consumer was stopped between
    // claiming a slot and moving the value out. What is needed is another ring, not a bigger one, or a
    // sleeping thief would make the chain grow with the time that it sleeps.
    let blocked = len < capacity / 2;
    if blocked && single && capacity >= BLOCKED_DOUBLES_BELOW {
        capacity
    } else {
        capacity.saturating_mul(2).min(MAX_CAPACITY)
    }
}

fn pushes_per_judgement(capacity: usize) -> usize {
    capacity
        .saturating_mul(LAPS_PER_JUDGEMENT)
        .max(MIN_PUSHES_PER_JUDGEMENT)
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

impl<T> Default for Chain<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for Chain<T> {
    fn drop(&mut self) {
        // ORDERING: Relaxed. We have the chain exclusively, so whatever was done to it happened before.
        let front = self.tail.load(Ordering::Relaxed);
        // SAFETY: nobody else is in here, or will be, so the nodes need no epoch; the links go with the chain.
        drop(unsafe { Detached::new(front, None) });
    }
}

impl<T> fmt::Debug for Chain<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain")
            .field("len", &self.len())
            .field("rings", &self.rings())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use super::*;

    #[test]
    fn blocked_rings_are_followed_by_their_like() {
        for (capacity, len, single, next) in [
            // Full.
            (8, 8, true, 16),
            (64, 64, true, 128),
            // Blocked, and small.
            (32, 0, true, 64),
            // Blocked.
            (64, 31, true, 64),
            (128, 0, true, 128),
            (64, 32, true, 128),
            // Blocked for longer than a ring.
            (64, 0, false, 128),
            (MAX_CAPACITY, MAX_CAPACITY, false, MAX_CAPACITY),
        ] {
            if next > MAX_CAPACITY {
                // With narrow indices.
                continue;
            }
            let found = next_capacity(capacity, len, single);
            assert_eq!(found, next, "{capacity}, {len}, {single}");
        }
    }

    #[test]
    fn rings_that_fit_are_filled_to_a_half_at_most() {
        for (values, capacity) in [
            (0, FIRST_CAPACITY),
            (FIRST_CAPACITY / 2, FIRST_CAPACITY),
            (FIRST_CAPACITY / 2 + 1, 2 * FIRST_CAPACITY),
            (64, 128),
            (65, 256),
            (usize::MAX, MAX_CAPACITY),
        ] {
            if capacity <= MAX_CAPACITY {
                assert_eq!(fit(values), capacity, "{values}");
            }
        }
        for (capacity, pushes) in [
            (8, 1024),
            (512, 1024),
            (1024, 2048),
            (usize::MAX, usize::MAX),
        ] {
            assert_eq!(pushes_per_judgement(capacity), pushes);
        }
    }

    #[test]
    fn the_books_of_the_producer() {
        let mut owner = Owner::<u8>::new();
        let head = ptr::dangling_mut();
        assert!(owner.followed(head, 8, 0), "nothing behind the first");
        assert_eq!(
            (owner.head, owner.older, owner.pushes_left),
            (head, 0, 1024)
        );
        assert!(!owner.pushed(8, 8));
        assert!(!owner.followed(head, 1024, 6));
        assert_eq!((owner.older, owner.high, owner.pushes_left), (6, 8, 2048));
        assert!(!owner.pushed(2000, 5));
        assert_eq!((owner.high, owner.pushes_left), (11, 48));
        assert!(!owner.pushed(47, 3), "one is left");
        assert!(owner.pushed(1, 3));
        assert_eq!(owner.high, 11, "the most, not the last");
        owner.judged(1024, 3);
        assert_eq!((owner.older, owner.high, owner.pushes_left), (6, 9, 2048));
        assert!(owner.pushed(5000, 3), "more than were left");
    }
}
