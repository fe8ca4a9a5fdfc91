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
use crate::sync::{AtomicPtr, Ordering, UnsafeCell, const_unless_loom};

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

/// Rings of a chain without a bound of its own double up to this.
const GREATEST: usize = MAX_CAPACITY;

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
    /// The capacity at which rings stop doubling: a power of two.
    greatest: usize,
    domain: Domain,
    _values: PhantomData<T>,
}

/// What only the producer reads and writes.
struct Owner<T> {
    /// The newest ring, the only one that is pushed to. Null if and only if `tail` is (C1).
    head: *mut Node<T>,
    /// The oldest ring that the producer has a hold on: it has one on each from here to the head (C5).
    oldest: *mut Node<T>,
    /// The newest ring behind the head that may hold values: those between are drained. Null if all are.
    behind: *mut Node<T>,
    /// At least as many values as the rings behind the head ring hold: their sum when it was last taken,
    /// without what the producer has popped since.
    older: usize,
    /// How many slots the rings from `oldest` to the one behind the head have.
    slots: usize,
    /// No fewer than the most values held at once since the head ring was last judged.
    high: usize,
    /// Pushes left until the producer looks how many values there are.
    countdown: usize,
    /// What `countdown` began with.
    quiet: usize,
    /// Pushes left until the head ring is judged again, counted when `countdown` began.
    pushes_left: usize,
}

impl<T> Owner<T> {
    const fn new() -> Self {
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

    /// Enters `count` pushes to the head ring. Says whether it is time to look at it.
    #[inline(always)]
    fn pushed(&mut self, count: usize) -> bool {
        if count < self.countdown {
            self.countdown -= count;
            return false;
        }
        let pushes = self.quiet - self.countdown + count;
        self.pushes_left = self.pushes_left.saturating_sub(pushes);
        true
    }

    /// Enters that the head ring of so many slots holds `len` values. Says whether it is to be judged.
    fn looked(&mut self, capacity: usize, len: usize) -> bool {
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
    fn judged(&mut self, capacity: usize, len: usize) {
        self.high = 0;
        self.pushes_left = pushes_per_judgement(capacity);
        self.rest(capacity, len);
    }

    /// Enters a new head ring, in front of one of `slots` slots that holds `left` values.
    fn followed(&mut self, head: *mut Node<T>, capacity: usize, slots: usize, left: usize) {
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
    fn single(&mut self) {
        self.behind = ptr::null_mut();
        self.older = 0;
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
            Self::with(origin, GREATEST)
        }
    }

    const_unless_loom! {
        /// An empty chain whose rings stop doubling at `bytes` bytes of slots: beyond that it grows by more rings of
        /// this size, so that memory comes and goes by small pieces. Allocates nothing.
        ///
        /// A ring has at least one slot, however large `T` is. Rings become larger than this only while most
        /// slots of the older ones are empty and their values still keep them: otherwise a value that is never
        /// taken from the tail would let empty rings pile up in front of it.
        #[must_use]
        pub const fn with_ring_bytes(bytes: usize) -> Self {
            Self::with(0, slots_in(bytes, size_of::<pool_dequeue::raw::Slot<T>>()))
        }
    }

    const_unless_loom! {
        /// The same with a bound in slots, a power of two, and the first index of every ring.
        #[doc(hidden)]
        #[must_use]
        pub const fn with(origin: u32, greatest: usize) -> Self {
            Self {
                tail: CachePadded::new(AtomicPtr::new(ptr::null_mut())),
                owner: UnsafeCell::new(Owner::new()),
                origin,
                greatest,
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
    /// The caller is the producer. The node lives until the producer trims after appending another, or detaches
    /// or drops the chain.
    #[inline(always)]
    unsafe fn head<'a>(&self) -> Option<&'a Node<T>> {
        // SAFETY: the caller is the producer; a pointer is copied.
        let head = unsafe { self.with_owner(|owner| owner.head) };
        // SAFETY: the producer has a hold on the head (C5), and producers before us, or we, initialised it.
        unsafe { Node::at(head) }
    }

    /// Adds a value at the head.
    ///
    /// Wait-free but for the allocator: plain loads and stores, and now and then a new ring. No fence: who
    /// pushes and then looks whether a consumer sleeps needs a sequentially consistent one in between.
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
                match unsafe { head.ring().push_head(value) } {
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

    /// Adds values at the head until the iterator ends; says how many. One store for each ring filled makes
    /// them visible.
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
                let count = unsafe { head.ring().push_head_batch(&mut watched) };
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
    /// Lock-free: one compare-exchange, retried while consumers move the tail. Pins no epoch, but where it
    /// finds older rings drained and unlinks them.
    ///
    /// # Safety
    ///
    /// As [`push_head`](Self::push_head).
    #[inline]
    pub unsafe fn pop_head(&self) -> Option<T> {
        // SAFETY: we are the producer (caller's) of all of the chain's rings.
        let pop = |node: &Node<T>| Some((unsafe { node.ring().pop_head() }?, 1));
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
    /// this chain.
    pub unsafe fn pop_head_batch(&self, max: usize, mut sink: impl FnMut(T)) -> usize {
        let mut total = 0;
        if max == 0 {
            return 0;
        }
        while total < max {
            // Claimed ring by ring, and given away when the books are closed.
            //
            // SAFETY: we are the producer (caller's) of all of the chain's rings.
            let pop = |node: &Node<T>| unsafe { self.batch_of(node, max - total) };
            // SAFETY: as above, and the closure calls nothing of the chain's that moves rings.
            let Some(batch) = (unsafe { self.at_head(pop) }) else {
                break;
            };
            for value in batch {
                total += 1;
                sink(value);
            }
        }
        total
    }

    /// Up to `max` of the newest values of a ring, and how many.
    ///
    /// # Safety
    ///
    /// The caller is the producer, and the node stays for `'a`.
    pub(crate) unsafe fn batch_of<'a>(
        &self,
        node: &Node<T>,
        max: usize,
    ) -> Option<(pool_dequeue::Batch<'a, T>, usize)> {
        // SAFETY: the caller's.
        let ring: &'a pool_dequeue::raw::BoxedRing<T> = unsafe { &*ptr::from_ref(node.ring()) };
        // SAFETY: the caller's.
        let batch = unsafe { ring.pop_head_batch(max) };
        let count = batch.len();
        (count != 0).then_some((batch, count))
    }

    /// Takes the oldest value. Any thread.
    ///
    /// Lock-free: the current epoch is pinned, then one compare-exchange, retried while others move an
    /// index. `None` means that the chain was empty at some moment during the call.
    #[inline]
    pub fn pop_tail(&self) -> Option<T> {
        self.at_tail(|node, _| node.ring().pop_tail())
    }

    /// Takes the oldest value, for the producer. As [`pop_tail`](Self::pop_tail), and pins no epoch while there is
    /// one ring.
    ///
    /// # Safety
    ///
    /// As [`push_head`](Self::push_head).
    #[inline]
    pub unsafe fn producer_pop_tail(&self) -> Option<T> {
        // SAFETY: we are the producer (caller's), and append nothing in here.
        let head = unsafe { self.head() }?;
        // SAFETY: as above; pointers are compared.
        if unsafe { self.with_owner(|owner| ptr::eq(owner.oldest, head)) } {
            return head.ring().pop_tail();
        }
        self.pop_tail()
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
            let batch = node.ring().pop_tail_batch(max);
            let count = batch.len();
            batch.for_each(&mut sink);
            (count != 0).then_some(count)
        })
        .unwrap_or(0)
    }

    /// Moves the older half of the values of the oldest ring that holds any, rounded up, to the head of another
    /// chain and gives the oldest of them back. Any thread, as far as this chain goes.
    ///
    /// One claim takes all of them: never more than `into` has slots for in its newest ring (it makes one if
    /// that is full), nor more than `max` besides the one that comes back, nor more than 256 in all (32 on
    /// targets without 64-bit atomics). Without memory for a ring one value comes back, and none moves. If
    /// both are the same chain, this is [`pop_tail`](Self::pop_tail).
    ///
    /// # Safety
    ///
    /// As [`push_head`](Self::push_head), for the chain `into`.
    pub unsafe fn steal_into(&self, into: &Self, max: usize) -> Option<T> {
        if ptr::eq(self, into) || max == 0 {
            return self.pop_tail();
        }
        let mut room = false;
        let stolen = self.at_tail(|node, _| {
            if !room && !node.ring().is_empty() {
                // SAFETY: we are the producer of `into` (caller's).
                room = unsafe { into.make_room() };
            }
            if !room {
                return node.ring().pop_tail();
            }
            // SAFETY: we are the producer of `into`, whose head stays here.
            let head = unsafe { into.head() }?;
            // SAFETY: we are the producer of the head ring.
            unsafe { node.ring().steal_into(head.ring(), max) }
        });
        if room {
            // SAFETY: we are the producer of `into`.
            unsafe { into.moved_in() };
        }
        stolen
    }

    /// Sees to it that the head ring is not full. Says whether it is so.
    ///
    /// # Safety
    ///
    /// The caller is the producer.
    #[inline]
    unsafe fn make_room(&self) -> bool {
        // SAFETY: we are the producer (caller's), and append only after the last use of the node.
        if let Some(head) = unsafe { self.head() } {
            if head.ring().len() < head.ring().capacity() {
                return true;
            }
        }
        // SAFETY: as above.
        unsafe { self.grow() }.is_ok()
    }

    /// Keeps the books after values came to the head ring in another way than by a push.
    ///
    /// # Safety
    ///
    /// The caller is the producer.
    unsafe fn moved_in(&self) {
        // SAFETY: we are the producer (caller's), and append nothing in here.
        if let Some(head) = unsafe { self.head() } {
            // A chain that only gets stolen values is judged by the pushes that come from them, if any do.
            //
            // SAFETY: as above; this is the head.
            let _judge = unsafe { self.pushed(head, 0) };
        }
    }

    /// Runs `attempt` on the rings from the newest to the oldest until it has found something: what it is, and
    /// how many values that were.
    ///
    /// # Safety
    ///
    /// The caller is the producer, and `attempt` calls no unsafe method of the chain.
    #[inline(always)]
    pub(crate) unsafe fn at_head<R>(
        &self,
        mut attempt: impl FnMut(&Node<T>) -> Option<(R, usize)>,
    ) -> Option<R> {
        // SAFETY: as in `head`; we append nothing in here.
        let head = unsafe { self.head() }?;
        if let Some((found, _)) = attempt(head) {
            return Some(found);
        }
        // SAFETY: we are the producer (caller's); a pointer is copied.
        if unsafe { self.with_owner(|owner| owner.behind) }.is_null() {
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
        mut attempt: impl FnMut(&Node<T>) -> Option<(R, usize)>,
    ) -> Option<R> {
        // Whether all rings so far are drained.
        let mut drained = true;
        // SAFETY: we are the producer (caller's), and `attempt` calls nothing that moves rings.
        for at in unsafe { self.behind() } {
            // SAFETY: initialised by the producer, which has a hold on it (C5).
            let node = unsafe { Node::at(at) }?;
            if let Some((found, count)) = attempt(node) {
                // SAFETY: as above; the closure stores.
                unsafe {
                    self.with_owner(|owner| owner.older = owner.older.saturating_sub(count));
                }
                return Some(found);
            }
            // Its pushes are our own past, so a ring that is drained is so for good (C4).
            drained = drained && node.ring().is_drained();
            if drained {
                // SAFETY: as above; the closure stores.
                unsafe {
                    self.with_owner(|owner| {
                        if owner.oldest != at {
                            owner.behind = node.prev();
                        }
                    });
                }
            }
        }
        // Most likely all of them are drained, and then the next call need not come here.
        //
        // SAFETY: we are the producer, and this is the head (caller's).
        unsafe { self.trim(head) };
        None
    }

    /// The rings behind the head that may hold values, from the newest to the oldest.
    ///
    /// # Safety
    ///
    /// The caller is the producer, and gives no hold up before the last of them.
    #[inline]
    unsafe fn behind(&self) -> impl Iterator<Item = *mut Node<T>> {
        // SAFETY: we are the producer (caller's); pointers are copied.
        let (mut next, oldest) = unsafe { self.with_owner(|owner| (owner.behind, owner.oldest)) };
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
    /// The caller is the producer, and `head` is the head's node.
    unsafe fn trim(&self, head: &Node<T>) -> bool {
        // SAFETY: we are the producer (caller's); a pointer is copied.
        if unsafe { self.with_owner(|owner| ptr::eq(owner.oldest, head)) } {
            return true;
        }
        // SAFETY: as above.
        unsafe { self.trim_older(head) }
    }

    /// `trim` where the producer holds more than the head.
    ///
    /// # Safety
    ///
    /// As `trim`.
    #[cold]
    unsafe fn trim_older(&self, head: &Node<T>) -> bool {
        let mut guard = None;
        let single = loop {
            // ORDERING: Relaxed. All nodes were made by the producer, which is us.
            let at = self.tail.load(Ordering::Relaxed);
            // SAFETY: we are the producer (caller's), and everything before the tail is unlinked.
            unsafe { self.give_up_before(at) };
            if ptr::eq(at, head) {
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
            // SAFETY: we are the producer (caller's); the closure stores.
            unsafe { self.with_owner(Owner::single) };
        }
        single
    }

    /// Gives up the producer's holds on the rings before `tail`.
    ///
    /// # Safety
    ///
    /// The caller is the producer; `tail` is on the chain, and what is before it is unlinked.
    unsafe fn give_up_before(&self, tail: *mut Node<T>) {
        loop {
            // SAFETY: we are the producer (caller's); a pointer is copied.
            let at = unsafe { self.with_owner(|owner| owner.oldest) };
            if at == tail {
                return;
            }
            // SAFETY: the producer has a hold on it (C5).
            let Some(node) = (unsafe { Node::at(at) }) else {
                return;
            };
            // ORDERING: Relaxed. Written by the producer.
            let next = node.next().load(Ordering::Relaxed);
            let slots = node.ring().capacity();
            // SAFETY: as above; the closure stores.
            unsafe {
                self.with_owner(|owner| {
                    owner.oldest = next;
                    owner.slots -= slots;
                    // No ring holds more than it has slots.
                    owner.older = owner.older.min(owner.slots);
                    if owner.behind == at {
                        owner.behind = ptr::null_mut();
                    }
                });
            }
            if let Some(node) = ptr::NonNull::new(at) {
                // SAFETY: the producer's hold, which the lines above gave up. An unlinked ring is drained, so whoever
                // still claims in it has claimed before.
                unsafe { Node::release(node) };
            }
        }
    }

    /// Keeps the books after `count` pushes to the head ring. Says whether the ring is to be judged.
    ///
    /// # Safety
    ///
    /// The caller is the producer, and `head` is the head's node.
    #[inline(always)]
    unsafe fn pushed(&self, head: &Node<T>, count: usize) -> bool {
        // SAFETY: we are the producer (caller's), and the closure counts.
        let look = unsafe { self.with_owner(|owner| owner.pushed(count)) };
        // SAFETY: as above, and this is the head.
        look && unsafe { self.looked(head) }
    }

    /// Looks how many values there are. Says whether the ring is to be judged.
    ///
    /// # Safety
    ///
    /// As `pushed`.
    #[cold]
    unsafe fn looked(&self, head: &Node<T>) -> bool {
        let (capacity, len) = (head.ring().capacity(), head.ring().len());
        // SAFETY: we are the producer (caller's), and the closure counts.
        unsafe { self.with_owner(|owner| owner.looked(capacity, len)) }
    }

    // The head's node is not an argument of what follows: it may be freed when another is appended and the
    // producer trims, and a reference that a function was given has to stay valid for as long as it runs.

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
        let capacity = head.ring().capacity();
        // SAFETY: we are the producer, and this is the head.
        let single = unsafe { self.trim(head) };
        let len = head.ring().len();
        // SAFETY: as above; the closure counts.
        unsafe { self.with_owner(|owner| owner.judged(capacity, len)) };
        let fit = fit(values, self.greatest);
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
            return unsafe { self.append(FIRST_CAPACITY.min(self.greatest)) };
        };
        // SAFETY: as above.
        let single = unsafe { self.trim(head) };
        let (capacity, len) = (head.ring().capacity(), head.ring().len());
        // SAFETY: we are the producer; the closure reads.
        let sparse =
            unsafe { self.with_owner(|owner| owner.older + len < (owner.slots + capacity) / 2) };
        let next = next_capacity(capacity, len, single, sparse, self.greatest);
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
        // SAFETY: the producer has a hold on the old head.
        let (slots, left) = match unsafe { Node::at(old) } {
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
        // SAFETY: we are the producer; the closure stores.
        let drained = unsafe {
            self.with_owner(|owner| {
                owner.followed(new.as_ptr(), capacity, slots, left);
                owner.older == 0
            })
        };
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
        let len = head.ring().len();
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
        let len = head.ring().len();
        // SAFETY: as above.
        let held = unsafe { self.with_owner(|owner| owner.older) } + len;
        if held < limit {
            return limit - held;
        }
        // The older rings may hold fewer by now.
        //
        // SAFETY: as above.
        unsafe { self.trim(head) };
        // SAFETY: as above.
        let older = unsafe { self.older() };
        // SAFETY: as above; the closure stores.
        unsafe { self.with_owner(|owner| owner.older = older) };
        let held = older + head.ring().len();
        limit.saturating_sub(held)
    }

    /// How many values the rings behind the head hold.
    ///
    /// # Safety
    ///
    /// The caller is the producer.
    unsafe fn older(&self) -> usize {
        // SAFETY: we are the producer (caller's), and give no hold up in here.
        let rings = unsafe { self.behind() };
        // SAFETY: initialised by the producer, which has a hold on it (C5).
        let nodes = rings.filter_map(|at| unsafe { Node::at(at) });
        nodes.map(|node| node.ring().len()).sum()
    }

    /// How many values the chain holds, as its producer sees it: exact while nobody takes any.
    ///
    /// Wait-free; pins no epoch. One look at each ring that holds values, mostly one.
    ///
    /// # Safety
    ///
    /// As [`push_head`](Self::push_head).
    #[inline]
    pub unsafe fn producer_len(&self) -> usize {
        // SAFETY: we are the producer (caller's), and append nothing in here.
        let Some(head) = (unsafe { self.head() }) else {
            return 0;
        };
        // SAFETY: as above; a pointer is copied.
        if unsafe { self.with_owner(|owner| owner.behind) }.is_null() {
            return head.ring().len();
        }
        // SAFETY: as above.
        head.ring().len() + unsafe { self.older() }
    }

    /// Whether the chain is empty, as its producer sees it.
    ///
    /// Wait-free; pins no epoch. One look at each ring that may hold values, mostly one.
    ///
    /// # Safety
    ///
    /// As [`push_head`](Self::push_head).
    #[inline]
    pub unsafe fn producer_is_empty(&self) -> bool {
        // SAFETY: the caller's.
        unsafe { self.producer_len() == 0 }
    }

    /// How many slots the rings have that the producer knows of: it hears of those that consumers unlink when it
    /// looks for room, and here.
    ///
    /// Wait-free; pins no epoch.
    ///
    /// # Safety
    ///
    /// As [`push_head`](Self::push_head).
    pub unsafe fn producer_capacity(&self) -> usize {
        // SAFETY: we are the producer (caller's), and append nothing in here.
        let Some(head) = (unsafe { self.head() }) else {
            return 0;
        };
        // ORDERING: Relaxed. All nodes were made by the producer, which is us.
        let tail = self.tail.load(Ordering::Relaxed);
        // SAFETY: as above, and everything before the tail is unlinked.
        unsafe { self.give_up_before(tail) };
        // SAFETY: as above; a number is copied.
        head.ring().capacity() + unsafe { self.with_owner(|owner| owner.slots) }
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
        // An exchange, not a load and a store: a consumer could move the tail in between.
        //
        // ORDERING: Relaxed. Null publishes nothing, and every node was made by the producer, which is us. Consumers
        // that still find a detached node have a guard from before its retirement (C7).
        let front = self.tail.swap(ptr::null_mut(), Ordering::Relaxed);
        // SAFETY: we are the producer (caller's). The swap took the list from `front` on; what was before is unlinked.
        unsafe { self.give_up_before(front) };
        // SAFETY: as above; the closure stores. The holds go with the list.
        unsafe { self.with_owner(|owner| *owner = Owner::new()) };
        // SAFETY: the list is unlinked and given away here, once, with the producer's holds.
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
            at = node.next().load(Ordering::Acquire);
            if !f(node) {
                break;
            }
        }
    }

    /// About how many values the chain holds: the sum over its rings, looked at one after the other.
    pub fn len(&self) -> usize {
        let mut len = 0;
        self.walk(|node| {
            len += node.ring().len();
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
        self.at_tail(|node, _| (!node.ring().is_empty()).then_some(()))
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
            slots += node.ring().capacity();
            true
        });
        slots
    }
}

/// How many slots of `size` bytes a ring of so many bytes has: a power of two.
const fn slots_in(bytes: usize, size: usize) -> usize {
    let slots = bytes / size;
    if slots >= GREATEST {
        return GREATEST;
    }
    match slots.checked_ilog2() {
        Some(bits) => 1 << bits,
        None => 1,
    }
}

/// The capacity of a ring that `values` fill to a half at most, if rings become so large.
fn fit(values: usize, greatest: usize) -> usize {
    values
        .saturating_mul(2)
        .min(MAX_CAPACITY)
        .next_power_of_two()
        .max(FIRST_CAPACITY)
        .min(greatest)
}

/// The capacity of the ring behind one that refused a value; `single` if that one is the only ring, `sparse` if most
/// slots of all are empty. Rings stop doubling at `greatest`.
fn next_capacity(
    capacity: usize,
    len: usize,
    single: bool,
    sparse: bool,
    greatest: usize,
) -> usize {
    // A ring that is far from full and still refuses a value is blocked: a consumer was stopped between
    // claiming a slot and moving the value out. What is needed is another ring, not a bigger one, or a
    // sleeping thief would make the chain grow with the time that it sleeps.
    let blocked = len < capacity / 2;
    if blocked && single && capacity >= BLOCKED_DOUBLES_BELOW.min(greatest) {
        capacity
    } else if capacity >= greatest && !sparse {
        greatest
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
        // SAFETY: nobody else is in here, or will be, the producer included; what is before the tail is unlinked.
        unsafe { self.give_up_before(front) };
        // SAFETY: as above, so the nodes need no epoch; the links go with the chain, and the producer's holds.
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
            let found = next_capacity(capacity, len, single, !single, MAX_CAPACITY);
            assert_eq!(found, next, "{capacity}, {len}, {single}");
        }
    }

    #[test]
    fn rings_stop_doubling_at_the_bound() {
        for (capacity, len, single, sparse, next) in [
            (2, 2, true, false, 4),
            (4, 4, true, false, 4),
            (4, 4, false, false, 4),
            // Blocked.
            (4, 1, true, false, 4),
            // Empty rings pile up.
            (4, 4, false, true, 8),
            (8, 8, false, true, 16),
            // They are gone.
            (8, 8, false, false, 4),
        ] {
            if next > MAX_CAPACITY {
                continue;
            }
            let found = next_capacity(capacity, len, single, sparse, 4);
            assert_eq!(found, next, "{capacity}, {len}, {single}, {sparse}");
        }
    }

    #[test]
    fn a_bound_in_bytes_is_at_least_a_slot() {
        for (bytes, size, slots) in [
            (0, 16, 1),
            (1024, 4096, 1),
            (1024, 1024, 1),
            (1024, 16, 64),
            (1024, 24, 32),
            (usize::MAX, 1, GREATEST),
        ] {
            assert_eq!(
                slots_in(bytes, size),
                slots.min(GREATEST),
                "{bytes}, {size}"
            );
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
                assert_eq!(fit(values, MAX_CAPACITY), capacity, "{values}");
            }
        }
        assert_eq!(fit(1000, FIRST_CAPACITY / 2), FIRST_CAPACITY / 2);
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
