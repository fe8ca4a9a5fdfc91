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

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use super::*;

    fn primary() -> Parity {
        Parity::primary(0)
    }

    /// So many shards, with an item each.
    fn shards(count: usize) -> Shards<usize> {
        let shards = Shards::new();
        let mut claims = Vec::new();
        for number in 0..count {
            let (found, mut claim) = shards.claim_any(0, || count, 0).unwrap();
            assert_eq!(found, number, "a new one while all are claimed");
            assert_eq!(claim.push_one(primary(), number), Ok(()));
            shards.mark(primary(), number);
            claims.push(claim);
        }
        assert_eq!(shards.active(), count);
        assert!(
            shards.claim_any(0, || count, 0).is_none(),
            "all are claimed"
        );
        drop(claims);
        shards
    }

    #[test]
    fn the_home_shard_comes_last_of_all() {
        let shards = shards(4);
        let from = |home| {
            let candidates = shards.candidates(primary(), home);
            candidates.take(10).collect::<Vec<_>>()
        };
        assert_eq!(shards.occupied(primary()), 0b1111);
        assert_eq!(from(0), [1, 2, 3, 0]);
        assert_eq!(from(2), [3, 0, 1, 2]);
        assert_eq!(from(3), [0, 1, 2, 3]);
        assert_eq!(from(6), from(2), "there are four");
        assert_eq!(shards.candidates(Parity::victim(0), 0).next(), None);
        // One that was emptied is none.
        assert_eq!(shards.get(3).unwrap().chain(primary()).pop_tail(), Some(3));
        shards.unmark(primary(), 3);
        assert_eq!(from(2), [0, 1, 2]);
        assert_eq!(
            shards.iter().map(|(number, _)| number).collect::<Vec<_>>(),
            [0, 1, 2, 3]
        );
    }

    #[test]
    fn a_word_full_of_shards() {
        let shards = shards(MAX_SHARDS);
        let home = MAX_SHARDS - 1;
        let all: Vec<_> = shards.candidates(primary(), home).take(100).collect();
        assert_eq!(all, (0..MAX_SHARDS).collect::<Vec<_>>());
        let claims: Vec<_> = shards.iter().map(|(_, shard)| shard.try_claim()).collect();
        assert!(
            shards.claim_any(0, || usize::MAX, 0).is_none(),
            "no more than bits"
        );
        drop(claims);
    }

    #[test]
    fn claims_go_to_the_home_shard_else_to_a_new_one_else_on() {
        let shards = shards(3);
        let claim = |home, limit| shards.claim_any(home, || limit, 0);
        assert_eq!(claim(1, 3).unwrap().0, 1);
        assert_eq!(claim(4, 3).unwrap().0, 1, "there are three");
        let mut held = vec![claim(1, 3)];
        for number in [2, 0] {
            let next = claim(1, 3);
            assert_eq!(next.as_ref().unwrap().0, number);
            held.push(next);
        }
        assert!(claim(1, 3).is_none());
        assert_eq!(claim(1, 4).unwrap().0, 3);
        assert_eq!(shards.active(), 4);
        assert!(Shards::<u8>::new().claim_any(0, || 0, 0).is_none());
    }

    #[test]
    fn a_turn_passes_over_what_is_claimed() {
        let shards = shards(3);
        let claim = shards.get(1).unwrap().try_claim();
        for (generation, gone) in [(1, vec![]), (2, vec![0, 2])] {
            let mut out = Vec::new();
            shards.turn(generation, |outdated| {
                out.extend(outdated.into_iter().flatten().flatten())
            });
            assert_eq!(out, gone);
        }
        assert_eq!(shards.occupied(primary()), 0b10);
        drop(claim);
        let mut out = Vec::new();
        shards.turn(2, |outdated| {
            out.extend(outdated.into_iter().flatten().flatten())
        });
        assert_eq!((out, shards.occupied(primary())), (vec![1], 0));
    }
}
