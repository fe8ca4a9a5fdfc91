//! One shard: two chains, primary and victim by turns, under a claim that is tried and never waited for.

use core::mem;

use crossbeam_utils::CachePadded;
use pool_chain::raw::{Chain, Detached};

use crate::batch::Batch;
use crate::sync::{AtomicBool, AtomicUsize, Ordering};

/// Which of a shard's two chains.
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

/// A shard of the pool.
///
/// Whoever holds the claim is the chains' one producer (S1); anybody steals from their tails.
pub(crate) struct Shard<T> {
    claimed: CachePadded<AtomicBool>,
    /// The generation that the chains' roles stand at. Written under the claim.
    generation: AtomicUsize,
    chains: [Chain<T>; 2],
}

/// The items that a change of generation took out of a shard: to be dropped once nothing is held.
pub(crate) type Outdated<T> = [Option<Detached<T>>; 2];

impl<T> Shard<T> {
    pub(crate) fn new(generation: usize) -> Self {
        Self {
            claimed: CachePadded::new(AtomicBool::new(false)),
            generation: AtomicUsize::new(generation),
            chains: [Chain::new(), Chain::new()],
        }
    }

    /// Becomes the shard's producer, if nobody is. Wait-free.
    #[inline]
    pub(crate) fn try_claim(&self) -> Option<Claim<'_, T>> {
        // A look first: a swap would pull the line away from the holder.
        //
        // ORDERING: Relaxed. The swap decides.
        if self.claimed.load(Ordering::Relaxed) {
            return None;
        }
        // ORDERING: Acquire, pairs with the Release in `Claim::drop`: what the last producer did to the chains
        // happened before what we do.
        if self.claimed.swap(true, Ordering::Acquire) {
            return None;
        }
        Some(Claim { shard: self })
    }

    /// One of the two chains, for what needs no claim.
    #[inline]
    pub(crate) fn chain(&self, parity: Parity) -> &Chain<T> {
        &self.chains[parity.0]
    }

    /// Takes what is there now from the tails, without the claim.
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

    /// How many items the shard holds.
    pub(crate) fn len(&self) -> usize {
        self.chains.iter().map(Chain::len).sum()
    }
}

/// The right to be a shard's producer.
pub(crate) struct Claim<'a, T> {
    shard: &'a Shard<T>,
}

impl<T> Claim<'_, T> {
    /// Brings the shard to a generation; what became too old on the way comes back in `outdated`, for the
    /// caller to drop after the claim. O(1), whatever the number of items.
    ///
    /// Returns the generation the shard stands at: never behind the pool's as the caller saw it.
    pub(crate) fn catch_up(&mut self, generation: usize, outdated: &mut Outdated<T>) -> usize {
        // ORDERING: Relaxed. Written under the claim only, which we hold.
        let ours = self.shard.generation.load(Ordering::Relaxed);
        // A holder before us may have seen a later generation than we did.
        let behind = generation.wrapping_sub(ours) as isize;
        if behind <= 0 {
            return ours;
        }
        // The old victim is too old, and about to be the new primary.
        let victim = Parity::primary(generation);
        outdated[victim.0] = self.detach(victim);
        if behind > 1 {
            // Nobody came by for a whole generation: what was primary is too old as well.
            let primary = Parity::victim(generation);
            outdated[primary.0] = self.detach(primary);
        }
        // ORDERING: Relaxed, as the load.
        self.shard.generation.store(generation, Ordering::Relaxed);
        generation
    }

    /// Takes a whole chain. O(1).
    pub(crate) fn detach(&mut self, parity: Parity) -> Option<Detached<T>> {
        let chain = self.shard.chain(parity);
        // SAFETY: the claim makes us the one producer (S1).
        (!chain.is_empty() || chain.rings() > 0).then(|| unsafe { chain.detach() })
    }

    /// Adds items, oldest first, as far as there is memory; the rest stays in the iterator.
    pub(crate) fn push(&mut self, parity: Parity, items: &mut impl Iterator<Item = T>) -> usize {
        // SAFETY: the claim makes us the one producer (S1), and the items come out of a batch, which does
        // nothing but hand them out.
        unsafe { self.shard.chain(parity).push_head_batch(items) }
    }

    /// Adds one item.
    pub(crate) fn push_one(&mut self, parity: Parity, item: T) -> Result<(), T> {
        // SAFETY: the claim makes us the one producer (S1).
        unsafe { self.shard.chain(parity).push_head(item) }.map_err(pool_chain::Full::into_inner)
    }

    /// Takes the newest item.
    pub(crate) fn pop_one(&mut self, parity: Parity) -> Option<T> {
        // SAFETY: the claim makes us the one producer (S1).
        unsafe { self.shard.chain(parity).pop_head() }
    }

    /// Takes up to `max` of the newest items, as far as the batch has room; newest first.
    pub(crate) fn pop(&mut self, parity: Parity, max: usize, into: &mut Batch<T>) {
        let max = max.min(Batch::<T>::CAPACITY - into.len());
        // SAFETY: the claim makes us the one producer (S1).
        unsafe {
            self.shard
                .chain(parity)
                .pop_head_batch(max, |item| keep(into, item))
        };
    }
}

impl<T> Drop for Claim<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // ORDERING: Release, pairs with the Acquire in `try_claim`.
        self.shard.claimed.store(false, Ordering::Release);
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
