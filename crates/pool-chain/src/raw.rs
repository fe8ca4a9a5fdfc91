//! The chain with a shared `&self` for every operation: what the layers above are made of.
//!
//! Use it directly when one producer *at a time* is all that you can promise, for example because a claim flag
//! decides who it is; everybody else wants [`unbounded`](crate::unbounded), whose types keep the promise, and whose
//! producer is a step nearer to its ring.

use core::fmt;
use core::marker::PhantomData;
use core::panic::{RefUnwindSafe, UnwindSafe};
use core::ptr;

use pool_dequeue::MAX_CAPACITY;

pub use crate::detached::Detached;
use crate::error::Full;
use crate::growth::{GREATEST, slots_in};
use crate::links::Links;
use crate::node::Node;
use crate::owner::Owner;
use crate::sync::{UnsafeCell, const_unless_loom};

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

/// An unbounded chain of rings whose producer is named by the caller instead of by a handle.
///
/// Everything at the head is `unsafe`: there may be one producer at a time. Pops at the tail are
/// anybody's. Nothing is allocated before the first push. Dropping the chain drops what is left in it,
/// each value once, even when one of the destructors panics.
pub struct Chain<T> {
    /// The producer's own memory.
    owner: UnsafeCell<Owner<T>>,
    links: Links<T>,
    _values: PhantomData<T>,
}

// SAFETY: the chain owns its values and its nodes.
unsafe impl<T: Send> Send for Chain<T> {}
// SAFETY: sharing the chain moves values between threads and never lends a `&T`. `owner` is reached only
// by the unsafe methods, whose callers promise one producer at a time.
unsafe impl<T: Send> Sync for Chain<T> {}

// As for the links.
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
                owner: UnsafeCell::new(Owner::new()),
                links: Links::new(origin, greatest),
                _values: PhantomData,
            }
        }
    }

    /// Runs `f` on the producer's memory and the links.
    ///
    /// # Safety
    ///
    /// The caller is the producer, and `f` does not come here again.
    #[inline(always)]
    unsafe fn with_owner<R>(&self, f: impl FnOnce(&mut Owner<T>, &Links<T>) -> R) -> R {
        self.owner.with_mut(|owner| {
            // SAFETY: one producer at a time, and it is in here once (caller's).
            f(unsafe { &mut *owner }, &self.links)
        })
    }

    /// The links, for a producer that keeps its own memory, and for consumers.
    #[inline(always)]
    pub(crate) fn links(&self) -> &Links<T> {
        &self.links
    }

    /// Takes over the memory of a producer that has kept it until now.
    ///
    /// # Safety
    ///
    /// The caller is the producer, and the memory is this chain's.
    pub(crate) unsafe fn inherit(&self, memory: Owner<T>) {
        // SAFETY: the caller's.
        unsafe { self.with_owner(|owner, _| *owner = memory) };
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
    pub unsafe fn push_head(&self, value: T) -> Result<(), Full<T>> {
        // SAFETY: we are the producer (caller's), and the owner is this chain's.
        let call =
            |owner: &mut Owner<T>, links: &Links<T>| unsafe { links.push_head(owner, value) };
        // SAFETY: as above, in here once.
        unsafe { self.with_owner(call) }
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
        // SAFETY: we are the producer (caller's), and the owner is this chain's.
        let call = |owner: &mut Owner<T>, links: &Links<T>| unsafe {
            links.push_head_batch(owner, values)
        };
        // SAFETY: as above, in here once.
        unsafe { self.with_owner(call) }
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
        // SAFETY: we are the producer (caller's), and the owner is this chain's.
        let call = |owner: &mut Owner<T>, links: &Links<T>| unsafe { links.pop_head(owner) };
        // SAFETY: as above, in here once.
        unsafe { self.with_owner(call) }
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
        while total < max {
            // Claimed ring by ring, and given away when the books are closed.
            //
            // SAFETY: we are the producer (caller's), which has a hold on the ring; the sink comes to no head.
            let pop = |node: &Node<T>| unsafe { node.head_batch(max - total) };
            // SAFETY: as above, and `pop` calls nothing of the chain's.
            let call =
                |owner: &mut Owner<T>, links: &Links<T>| unsafe { links.at_head(owner, pop) };
            // SAFETY: as above, in here once: the sink runs after.
            let claimed = unsafe { self.with_owner(call) };
            let Some(batch) = claimed else {
                break;
            };
            for value in batch {
                total += 1;
                sink(value);
            }
        }
        total
    }

    /// Takes the oldest value. Any thread.
    ///
    /// Lock-free: the current epoch is pinned, then one compare-exchange, retried while others move an
    /// index. `None` means that the chain was empty at some moment during the call.
    #[inline]
    pub fn pop_tail(&self) -> Option<T> {
        self.links.at_tail(|node, _| node.ring().pop_tail())
    }

    /// Takes the oldest value, for the producer. As [`pop_tail`](Self::pop_tail), and pins no epoch while there is
    /// one ring.
    ///
    /// # Safety
    ///
    /// As [`push_head`](Self::push_head).
    #[inline]
    pub unsafe fn producer_pop_tail(&self) -> Option<T> {
        // SAFETY: we are the producer (caller's), and the owner is this chain's.
        let call =
            |owner: &mut Owner<T>, links: &Links<T>| unsafe { links.producer_pop_tail(owner) };
        // SAFETY: as above, in here once.
        unsafe { self.with_owner(call) }
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
        self.links
            .at_tail(|node, _| {
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
        if ptr::eq(self, into) {
            return self.pop_tail();
        }
        // SAFETY: we are the producer of `into` (caller's), and the owner is its.
        let call = |owner: &mut Owner<T>, links: &Links<T>| unsafe {
            self.links.steal_into(links, owner, max)
        };
        // SAFETY: as above, in there once.
        unsafe { into.with_owner(call) }
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
        // SAFETY: we are the producer (caller's), and the owner is this chain's.
        let call = |owner: &mut Owner<T>, links: &Links<T>| unsafe { links.shrink(owner) };
        // SAFETY: as above, in here once.
        unsafe { self.with_owner(call) }
    }

    /// Frees the memory of unlinked rings, as far as no thread may still look at them. Any thread.
    ///
    /// Unlinking does some of this by the way. Whoever wants a quiet program's memory back calls this once
    /// things are unlinked, and again later if other threads were at work meanwhile: it waits for nobody.
    pub fn collect(&self) {
        self.links.collect();
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
        // SAFETY: we are the producer (caller's), in here once.
        unsafe { self.with_owner(|owner, _| owner.len()) }
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

    /// How many slots the rings have together, as the producer sees it.
    ///
    /// Wait-free; pins no epoch.
    ///
    /// # Safety
    ///
    /// As [`push_head`](Self::push_head).
    pub unsafe fn producer_capacity(&self) -> usize {
        // SAFETY: we are the producer (caller's), and the owner is this chain's.
        let call =
            |owner: &mut Owner<T>, links: &Links<T>| unsafe { links.producer_capacity(owner) };
        // SAFETY: as above, in here once.
        unsafe { self.with_owner(call) }
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
        // SAFETY: we are the producer (caller's), and the owner is this chain's.
        let call = |owner: &mut Owner<T>, links: &Links<T>| unsafe { links.detach(owner) };
        // SAFETY: as above, in here once.
        unsafe { self.with_owner(call) }
    }

    /// About how many values the chain holds: the sum over its rings, looked at one after the other.
    pub fn len(&self) -> usize {
        let mut len = 0;
        self.links.walk(|node| len += node.ring().len());
        len
    }

    /// Whether the chain was empty at some moment during the call.
    pub fn is_empty(&self) -> bool {
        // Not `walk`: a ring may be passed only if it had a successor before it was found empty.
        let look = |node: &Node<T>, _| (!node.ring().is_empty()).then_some(());
        self.links.at_tail(look).is_none()
    }

    /// How many rings there are.
    pub fn rings(&self) -> usize {
        let mut rings = 0;
        self.links.walk(|_| rings += 1);
        rings
    }

    /// How many slots the rings have together.
    pub fn capacity(&self) -> usize {
        let mut slots = 0;
        self.links.walk(|node| slots += node.ring().capacity());
        slots
    }
}

impl<T> Default for Chain<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for Chain<T> {
    fn drop(&mut self) {
        let links = &mut self.links;
        self.owner.with_mut(|owner| {
            // SAFETY: we have the chain exclusively.
            links.dispose(unsafe { &mut *owner });
        });
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
