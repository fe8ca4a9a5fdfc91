//! One thread's part of a pool: its cache, and two chains of which the thread is the one producer.
//!
//! What the cache has no room for, and all of it where there is no cache, goes into the chains. Everybody may take at
//! their tails; the head is the owner's. So nothing in here is claimed, and nobody is in anybody's way.
//!
//! The owner may meet itself: a push allocates a ring, the allocator may use the pool. It finds the part
//! busy then, and leases another for that operation.

use core::cell::Cell;
use core::fmt;
use core::mem;

use pool_chain::raw::{Chain, Detached};
use pool_gate::{Gate, Inside, Sweep, Unordered, Visits};

use crate::batch::Batch;
use crate::cache::LocalCache;
use crate::thread::Heir;

/// Where a chain's rings stop doubling. Small, so that what is idle goes back in small pieces, and what one ring keeps
/// is little.
const RING_BYTES: usize = 4096;

/// Which of a part's two chains.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Parity(usize);

impl Parity {
    /// The chain that takes what is put back in this generation.
    #[inline]
    pub(crate) fn primary(generation: usize) -> Self {
        Self(generation & 1)
    }

    /// The chain whose items were put back in the generation before.
    #[inline]
    pub(crate) fn victim(generation: usize) -> Self {
        Self(!generation & 1)
    }

    #[inline]
    pub(crate) fn index(self) -> usize {
        self.0
    }
}

/// A thread's part of a pool.
///
/// The cache comes first, because the fast path touches nothing else.
#[repr(C)]
pub(crate) struct Part<T> {
    pub(crate) cache: LocalCache<T>,
    number: u32,
    /// The number of the part that the owner has last taken something from. The owner's alone.
    source: Cell<u32>,
    /// Whether the owner is at a chain's head. The owner's alone.
    busy: Cell<bool>,
    /// Before the chains' heads. The owner goes in, and sweeps that free the rings of a thread that does not come by.
    heads: Gate<()>,
    chains: [Chain<T>; 2],
}

// SAFETY: the cells are touched by the owner only, which passes them on by the release and acquire of its number (P0);
// the cache and the chains are `Sync` where the items are `Send`.
unsafe impl<T: Send> Sync for Part<T> {}

impl<T> Part<T> {
    pub(crate) fn new(number: u32) -> Self {
        Self {
            cache: LocalCache::new(),
            number,
            source: Cell::new(number),
            busy: Cell::new(false),
            heads: Gate::new(()),
            chains: [
                Chain::with_ring_bytes(RING_BYTES),
                Chain::with_ring_bytes(RING_BYTES),
            ],
        }
    }

    /// The number that leads here.
    #[inline]
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// The number of the part that the owner has last taken something from. For the owner.
    pub(crate) fn source(&self) -> u32 {
        self.source.get()
    }

    /// Remembers it. For the owner.
    pub(crate) fn came_from(&self, number: u32) {
        self.source.set(number);
    }

    /// The owner comes to its chains' heads; None while it is there already, or a sweep is. For the owner.
    #[inline]
    pub(crate) fn produce(&self) -> Option<Producer<'_, T>> {
        if self.busy.get() {
            return None;
        }
        // SAFETY: the caller is the owner, who has the number that leads here, and nobody claims this gate. It is not
        // inside already, or it would be busy. A number passes on by release and acquire (P0).
        let inside = unsafe { self.heads.enter() };
        // SAFETY: as above.
        let inside = inside.or_else(|| unsafe { self.heads.enter_refused() })?;
        self.busy.set(true);
        Some(Producer {
            part: self,
            _inside: inside,
            _heir: None,
        })
    }

    /// The same for who has leased the part's number.
    pub(crate) fn produce_as(&self, heir: Heir) -> Option<Producer<'_, T>> {
        let producer = self.produce()?;
        // Given back after the part, see there.
        Some(producer.with(heir))
    }

    /// Whether there is a chain without items that has rings.
    fn is_wasteful(&self) -> bool {
        let mut chains = self.chains.iter();
        chains.any(|chain| chain.rings() != 0 && chain.is_empty())
    }

    /// Shuts the heads if there is memory to be freed behind them. For sweeps.
    pub(crate) fn revoke(&self, sweep: &Sweep) -> bool {
        self.is_wasteful() && sweep.revoke(&self.heads)
    }

    /// Takes the memory of empty chains, and opens the heads again; false when the owner is there.
    pub(crate) fn visit(&self, visits: &mut Visits, into: &mut Vec<Detached<T>>) -> bool {
        if !visits.holds(&self.heads) {
            return true;
        }
        let Some(mut visit) = visits.enter(&self.heads) else {
            return false;
        };
        if into.try_reserve(2).is_ok() {
            // SAFETY: the owner is out and stays out (the gate's G1), so we are the one producer (S1).
            visit.with(|()| into.extend(unsafe { self.strip() }.into_iter().flatten()));
        }
        true
    }

    /// Opens the heads again if the sweep still holds them.
    pub(crate) fn restore(&self, visits: &mut Visits) {
        visits.restore(&self.heads);
    }

    /// Opens them after a heavy barrier was refused.
    pub(crate) fn give_back(&self, unordered: &Unordered) {
        unordered.restore(&self.heads);
    }

    /// Takes the memory of chains that are empty.
    ///
    /// # Safety
    ///
    /// The caller is the one producer.
    unsafe fn strip(&self) -> [Option<Detached<T>>; 2] {
        [0, 1].map(|index| {
            let chain = &self.chains[index];
            // SAFETY: the caller's.
            let has_none = unsafe { chain.producer_capacity() } == 0;
            // SAFETY: the caller's.
            if has_none || !unsafe { chain.producer_is_empty() } {
                return None;
            }
            // SAFETY: the caller's.
            Some(unsafe { chain.detach() })
        })
    }

    /// One of the two chains, for what anybody may do.
    #[inline]
    pub(crate) fn chain(&self, parity: Parity) -> &Chain<T> {
        &self.chains[parity.0]
    }

    /// Takes what is there now from the tails.
    pub(crate) fn drain(&self) -> impl Iterator<Item = T> {
        self.chains.iter().flat_map(|chain| {
            // Bounded: what is put in meanwhile is not waited for.
            let len = chain.len();
            core::iter::from_fn(|| chain.pop_tail()).take(len)
        })
    }

    /// Frees the memory of unlinked rings.
    pub(crate) fn collect(&self) {
        for chain in &self.chains {
            chain.collect();
        }
    }

    /// How many items the chains hold.
    pub(crate) fn len(&self) -> usize {
        self.chains.iter().map(Chain::len).sum()
    }
}

/// The owner at its chains' heads: the one producer (S1).
pub(crate) struct Producer<'a, T> {
    part: &'a Part<T>,
    _inside: Inside<'a, ()>,
    /// By whose number this is the owner, if it is not its own. Given back when the part is not busy any more.
    _heir: Option<Heir>,
}

impl<'a, T> Producer<'a, T> {
    fn with(mut self, heir: Heir) -> Self {
        self._heir = Some(heir);
        self
    }

    pub(crate) fn part(&self) -> &'a Part<T> {
        self.part
    }

    /// Adds items, oldest first, as far as there is memory; the rest stays in the iterator.
    pub(crate) fn push(&self, parity: Parity, items: &mut impl Iterator<Item = T>) -> usize {
        // SAFETY: we are the one producer (S1), and the items come out of a batch, which does nothing but hand them
        // out.
        unsafe { self.part.chain(parity).push_head_batch(items) }
    }

    /// Adds one item.
    #[inline]
    pub(crate) fn push_one(&self, parity: Parity, item: T) -> Result<(), T> {
        // SAFETY: we are the one producer (S1).
        unsafe { self.part.chain(parity).push_head(item) }.map_err(pool_chain::Full::into_inner)
    }

    /// Takes the newest item.
    #[inline]
    pub(crate) fn pop_one(&self, parity: Parity) -> Option<T> {
        // SAFETY: we are the one producer (S1).
        unsafe { self.part.chain(parity).pop_head() }
    }

    /// Takes up to `max` of the newest items, as far as the batch has room; newest first.
    pub(crate) fn pop(&self, parity: Parity, max: usize, into: &mut Batch<T>) {
        let max = max.min(Batch::<T>::CAPACITY - into.len());
        // SAFETY: we are the one producer (S1).
        unsafe {
            self.part
                .chain(parity)
                .pop_head_batch(max, |item| keep(into, item))
        };
    }

    /// Moves up to `max` of the oldest items of another part here, and one more to the caller.
    pub(crate) fn steal(&self, parity: Parity, from: &Part<T>, max: usize) -> Option<T> {
        // SAFETY: we are the one producer of the chain that they come into (S1).
        unsafe { from.chain(parity).steal_into(self.part.chain(parity), max) }
    }

    /// Takes the memory of chains that are empty.
    pub(crate) fn strip(&self) -> [Option<Detached<T>>; 2] {
        // SAFETY: we are the one producer (S1).
        unsafe { self.part.strip() }
    }
}

impl<T> Drop for Producer<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.part.busy.set(false);
    }
}

/// Puts an item into a batch whose room has been checked.
pub(crate) fn keep<T>(batch: &mut Batch<T>, item: T) {
    if let Err(item) = batch.push(item) {
        // Cannot happen: callers ask for no more than fits. Leaking is safe anywhere, dropping is not.
        debug_assert!(false, "more items than the batch has room for");
        mem::forget(item);
    }
}

impl<T> fmt::Debug for Part<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}
