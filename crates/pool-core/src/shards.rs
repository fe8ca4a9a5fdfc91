//! All shards of a pool: as many as contention called for, and a word that says which hold something.

use crossbeam_utils::CachePadded;

use crate::env::Patience;
use crate::shard::{Claim, Outdated, Parity, Shard};
use crate::sync::{AtomicUsize, Ordering, const_unless_loom, fence};
use crate::table::{Place, Table};

/// The most shards a pool can have: one bit of a word each.
pub(crate) const MAX_SHARDS: usize = usize::BITS as usize;

/// Buckets of the table, which then has room for `MAX_SHARDS`.
const BUCKETS: usize = MAX_SHARDS.ilog2() as usize + 2;

/// The shards and their occupancy.
pub(crate) struct Shards<T> {
    table: Table<Shard<T>, BUCKETS>,
    /// Shards in use; only grows.
    active: AtomicUsize,
    /// For each parity, a bit a shard: set when the chain may hold something. A hint: a set bit may be stale, a
    /// clear one is only stale while a push is under way.
    occupied: [CachePadded<AtomicUsize>; 2],
}

impl<T> Shards<T> {
    const_unless_loom! {
        pub(crate) const fn new() -> Self {
            Self {
                table: Table::new(),
                active: AtomicUsize::new(0),
                occupied: [
                    CachePadded::new(AtomicUsize::new(0)),
                    CachePadded::new(AtomicUsize::new(0)),
                ],
            }
        }
    }

    /// How many shards are in use.
    pub(crate) fn active(&self) -> usize {
        // ORDERING: Relaxed. The table's own Acquire orders what a look-up finds.
        self.active.load(Ordering::Relaxed)
    }

    /// A shard in use.
    pub(crate) fn get(&self, number: usize) -> Option<&Shard<T>> {
        self.table.get(Place::of(number))
    }

    /// All shards in use, with their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &Shard<T>)> {
        (0..self.active()).filter_map(|number| Some((number, self.get(number)?)))
    }

    /// Claims a shard to put into: the home one, else a new one while there may be more, else any. None
    /// when all are claimed or there is no memory. Wait-free but for the making of a shard.
    pub(crate) fn claim_any(
        &self,
        home: usize,
        limit: impl Fn() -> usize,
        generation: usize,
    ) -> Option<(usize, Claim<'_, T>)> {
        if self.active() == 0 {
            if let Some(first) = self.add(0, limit(), generation) {
                return Some(first);
            }
        }
        // Not zero any more, unless there was no memory for the first.
        let active = self.active().max(1);
        let home = home % active;
        if let Some(claim) = self.get(home).and_then(Shard::try_claim) {
            return Some((home, claim));
        }
        if let Some(added) = self.add(active, limit(), generation) {
            return Some(added);
        }
        (1..active).find_map(|step| {
            let number = (home + step) % active;
            Some((number, self.get(number)?.try_claim()?))
        })
    }

    /// Adds shard `number` and claims it. None when there may be no more, or no memory for it, or somebody
    /// else has just claimed it.
    #[cold]
    fn add(&self, number: usize, limit: usize, generation: usize) -> Option<(usize, Claim<'_, T>)> {
        if number >= limit.min(MAX_SHARDS) {
            return None;
        }
        let shard = self
            .table
            .get_or_make(Place::of(number), || Shard::new(generation))?;
        // ORDERING: Relaxed. The count only says how far to look; of several that add one shard, one counts it.
        let _ =
            self.active
                .compare_exchange(number, number + 1, Ordering::Relaxed, Ordering::Relaxed);
        Some((number, shard.try_claim()?))
    }

    /// Says that a chain holds something. Called after the push, with the claim held.
    pub(crate) fn mark(&self, parity: Parity, number: usize) {
        let word = &self.occupied[parity.index()];
        // ORDERING: SeqCst fence, pairs with the one in `unmark`. Store buffering: our push, then our look at the
        // bit; their clearing of the bit, then their look at the chain. If the push comes first, they find the
        // item and set the bit again; if the clearing does, we see it and set the bit.
        fence(Ordering::SeqCst);
        // ORDERING: Relaxed. A hint; items travel by the chain's own orderings.
        if word.load(Ordering::Relaxed) & 1 << number == 0 {
            // ORDERING: Relaxed, as above.
            word.fetch_or(1 << number, Ordering::Relaxed);
        }
    }

    /// Says that a chain was found empty.
    pub(crate) fn unmark(&self, parity: Parity, number: usize) {
        let word = &self.occupied[parity.index()];
        // ORDERING: Relaxed; the fence orders it before the look at the chain.
        word.fetch_and(!(1 << number), Ordering::Relaxed);
        // ORDERING: SeqCst fence, pairs with the one in `mark`.
        fence(Ordering::SeqCst);
        if self
            .get(number)
            .is_some_and(|shard| !shard.chain(parity).is_empty())
        {
            // ORDERING: Relaxed, as above.
            word.fetch_or(1 << number, Ordering::Relaxed);
        }
    }

    /// The shards whose chain of this parity may hold something, a bit each.
    pub(crate) fn occupied(&self, parity: Parity) -> usize {
        // ORDERING: Relaxed. A hint.
        self.occupied[parity.index()].load(Ordering::Relaxed)
    }

    /// The numbers of such shards, beginning behind `home`, which itself comes last if at all.
    pub(crate) fn candidates(
        &self,
        parity: Parity,
        home: usize,
    ) -> impl Iterator<Item = usize> + use<T> {
        let start = ((home % self.active().max(1)) + 1) as u32 % usize::BITS;
        let mut left = self.occupied(parity).rotate_right(start);
        core::iter::from_fn(move || {
            if left == 0 {
                return None;
            }
            let offset = left.trailing_zeros();
            left &= left - 1;
            Some(((offset + start) % usize::BITS) as usize)
        })
    }

    /// Brings every shard to a generation; hands what became too old to `sink`. A shard whose claim is held
    /// for long catches up when it is next used.
    pub(crate) fn turn(&self, generation: usize, mut sink: impl FnMut(Outdated<T>)) {
        let mut patience = Patience::short();
        for (number, shard) in self.iter() {
            let mut outdated = [None, None];
            let turned = patience.wait_until(|| match shard.try_claim() {
                Some(mut claim) => {
                    self.catch_up(&mut claim, number, generation, &mut outdated);
                    true
                }
                None => false,
            });
            if turned {
                sink(outdated);
            }
        }
    }

    /// Frees the memory of rings that were unlinked, as far as no thread may still look at them.
    pub(crate) fn collect(&self) {
        for (_, shard) in self.iter() {
            shard.collect();
        }
    }

    /// Brings a claimed shard to a generation, and the occupancy with it.
    pub(crate) fn catch_up(
        &self,
        claim: &mut Claim<'_, T>,
        number: usize,
        generation: usize,
        outdated: &mut Outdated<T>,
    ) -> usize {
        let now = claim.catch_up(generation, outdated);
        for (index, detached) in outdated.iter().enumerate() {
            if detached.is_some() {
                self.unmark(Parity::primary(index), number);
            }
        }
        now
    }
}
