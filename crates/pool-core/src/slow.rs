//! The slow paths of take and put: between the thread cache and the shards, in batches.
//!
//! Nothing of the user's runs while a claim or a pin is held: what has to be dropped is carried out
//! first, in a batch or a detached chain, and dropped after.

use core::iter;
use core::ptr::NonNull;

use pool_gate::{Asymmetric, Status};

use crate::batch::Batch;
use crate::cache::{LocalCache, OpenToTake};
use crate::deferred::Deferred;
use crate::discard::DiscardReason;
use crate::policy::Recycle;
use crate::pool::Pool;
use crate::shard::{Outdated, Parity, Shard, keep};
use crate::stats::Event;
use crate::thread;

impl<T, F> Pool<T, F> {
    /// The calling thread's entry, made now if need be; None for a thread without a number or without memory.
    pub(crate) fn entry(&self) -> Option<&LocalCache<T>> {
        if let Some(recent) = self.recent() {
            return Some(recent);
        }
        let entry = self
            .caches
            .get_or_make(thread::lease_place(), LocalCache::new)?;
        self.identity.remember(NonNull::from(entry).cast());
        Some(entry)
    }

    /// The calling thread's entry, if it may hold items and not only counts.
    ///
    /// The first call of the process begins what has to be done before it may. An entry that has items though it must not
    /// have any, because nobody could take them back, is emptied here.
    pub(crate) fn cache_of<'a>(
        &self,
        entry: Option<&'a LocalCache<T>>,
    ) -> Option<&'a LocalCache<T>> {
        let entry = entry?;
        if self.policy.depth == 0 {
            return None;
        }
        if Asymmetric::get().is_none() {
            self.leave_cache(entry);
            return None;
        }
        Some(entry)
    }

    /// Moves what the calling thread's cache holds to the shards if caches are given up.
    #[cold]
    fn leave_cache(&self, entry: &LocalCache<T>) {
        if pool_gate::status() == Status::Refused {
            entry.give_up();
            self.empty_given_up(entry);
        }
    }

    /// Moves what a cache holds to the shards. For its owner, when it was given up.
    pub(crate) fn empty_given_up(&self, cache: &LocalCache<T>) {
        let mut panics = Deferred::none();
        for item in cache.strip().into_iter().flatten() {
            panics.call(|| self.shelve_one(item));
        }
        panics.resume();
    }

    /// The shard that the calling thread goes to first.
    fn home(&self) -> usize {
        thread::place().number().unwrap_or(0) % self.shards.active().max(1)
    }

    /// How many items move between a cache and a shard at once: half of what there is room for.
    fn batch_size(room: usize) -> usize {
        (room / 2).clamp(1, Batch::<T>::CAPACITY.max(1))
    }

    /// Counts what a take came to.
    pub(crate) fn count(&self, event: Event) {
        match self.cache() {
            Some(entry) => entry.counters.event(event).bump(),
            None => self.stray.event(event).bump_shared(),
        }
    }

    /// Takes from anywhere but the fast path.
    #[cold]
    #[inline(never)]
    pub(crate) fn try_take_slow(&self) -> Option<T> {
        if self.policy.watches {
            return self.try_take_watched();
        }
        let cache = self.cache_of(self.entry());
        let reading = self.read_clock();
        let operations = cache.map_or(1, |cache| cache.look(reading));
        self.turn_if_due(operations, reading);
        if let Some((cache, item)) = cache.and_then(|cache| Some((cache, cache.take_parked()?))) {
            cache.count_served();
            return Some(item);
        }
        self.take_uncached(cache)
    }

    /// Looks at the clock, which is all that most slow takes of a busy thread come for. If nothing is due, the fast path
    /// goes on.
    #[inline(always)]
    pub(crate) fn look(&self) -> Option<OpenToTake<'_, T>> {
        let cache = self.recent().filter(|cache| cache.only_looks())?;
        // Such a pool counts its operations.
        if self.policy.watches || self.policy.after.is_some() {
            return None;
        }
        let reading = self.read_clock();
        if reading.is_some_and(|reading| reading.is_due()) {
            return None;
        }
        // In the child of a fork.
        #[cfg(not(pool_loom))]
        crate::reaper::restart_if_lost();
        cache.renew(reading);
        cache.open_to_take()
    }
    /// Takes from the shards, and leaves more in the cache.
    pub(crate) fn take_uncached(&self, cache: Option<&LocalCache<T>>) -> Option<T> {
        let found = match cache {
            // Most misses: nothing anywhere.
            _ if self.shards.occupied(Parity::primary(self.generation())) == 0 => None,
            Some(cache) if Self::batch_size(self.policy.depth) > 1 => self.take_batch(cache),
            _ => self.take_one(),
        };
        let found = found.or_else(|| Some((self.take_victim()?, Event::VictimHit)));
        self.count(found.as_ref().map_or(Event::Miss, |&(_, event)| event));
        found.map(|(item, _)| item)
    }

    /// Takes several items from the shards, keeps one and leaves the rest in the cache.
    fn take_batch(&self, cache: &LocalCache<T>) -> Option<(T, Event)> {
        let mut batch = Batch::new();
        let mut event = Event::ShardHit;
        let max = Self::batch_size(cache.room(self.policy.depth));
        self.with_home(|shard, primary| {
            shard.pop(primary, max, &mut batch);
            batch.len() != 0
        });
        if batch.len() != 0 {
            // Popped newest first; the cache wants the newest on top.
            batch.reverse();
        } else {
            event = Event::Steal;
            self.steal(Parity::primary(self.generation()), |shard, primary| {
                shard
                    .chain(primary)
                    .pop_tail_batch(max, |item| keep(&mut batch, item));
                batch.len() != 0
            });
        }
        let mut item = Some(batch.pop()?);
        // It took all it had, and there was more to take.
        if batch.len() != 0 && cache.grow(self.policy.depth) {
            cache.fill(&mut batch);
        }
        if batch.len() != 0 {
            // A rotation has just revoked the cache.
            item = self.shelve_beside(batch, 0, item);
        }
        Some((item?, event))
    }

    /// Takes one item from the shards.
    fn take_one(&self) -> Option<(T, Event)> {
        let mut found = None;
        self.with_home(|shard, primary| {
            found = shard.pop_one(primary);
            found.is_some()
        });
        if let Some(item) = found {
            return Some((item, Event::ShardHit));
        }
        self.steal(Parity::primary(self.generation()), |shard, primary| {
            found = shard.chain(primary).pop_tail();
            found.is_some()
        });
        Some((found?, Event::Steal))
    }

    /// Takes one item whose last chance this is. One at a time: what nobody asks for shall age.
    fn take_victim(&self) -> Option<T> {
        let mut found = None;
        self.steal(Parity::victim(self.generation()), |shard, victim| {
            found = shard.chain(victim).pop_tail();
            found.is_some()
        });
        found
    }

    /// Runs `pop` on the claimed home shard, if it holds something and can be claimed.
    fn with_home(&self, pop: impl FnOnce(&mut crate::shard::Claim<'_, T>, Parity) -> bool) {
        let generation = self.generation();
        let home = self.home();
        if self.shards.occupied(Parity::primary(generation)) & 1 << home == 0 {
            return;
        }
        let Some(mut claim) = self.shards.get(home).and_then(Shard::try_claim) else {
            return;
        };
        let mut outdated = [None, None];
        let generation = self
            .shards
            .catch_up(&mut claim, home, generation, &mut outdated);
        let primary = Parity::primary(generation);
        if !pop(&mut claim, primary) {
            self.shards.unmark(primary, home);
        }
        drop(claim);
        // With nothing in hand: where something is outdated the primary is a new one, and empty.
        self.discard_outdated(outdated);
    }

    /// Runs `pop` on one shard after the other until it finds something.
    fn steal(&self, parity: Parity, mut pop: impl FnMut(&Shard<T>, Parity) -> bool) {
        for number in self.shards.candidates(parity, self.home()) {
            let Some(shard) = self.shards.get(number) else {
                continue;
            };
            if pop(shard, parity) {
                return;
            }
            self.shards.unmark(parity, number);
        }
    }

    /// Puts an item back after asking the policy.
    #[inline(never)]
    pub(crate) fn put_inspected(&self, mut item: T) {
        let refused = if self.policy.discard_unwinding && std::thread::panicking() {
            DiscardReason::Unwinding
        } else if let Some(reason) = self.policy.misused(&item) {
            reason
        } else {
            match self
                .policy
                .recycle
                .as_ref()
                .map(|recycle| recycle(&mut item))
            {
                Some(Recycle::Discard) => DiscardReason::Refused,
                Some(Recycle::Keep) | None if self.policy.watches => {
                    return self.put_watched(item);
                }
                Some(Recycle::Keep) | None => {
                    let left = match self.cache() {
                        Some(cache) => cache.put(item).err(),
                        None => Some(item),
                    };
                    return left.map_or((), |item| self.put_slow(item));
                }
            }
        };
        self.discard(item, refused);
    }

    /// Puts an item anywhere but into a cache with room.
    #[cold]
    #[inline(never)]
    pub(crate) fn put_slow(&self, item: T) {
        // First, so that a turn long overdue does not take the item that has just come.
        let cache = self.cache_of(self.entry());
        self.turn_if_due_at_put(cache);
        self.put_settled_in(cache, item);
    }

    /// The same without looking whether the generation is to turn: what panics in here is a destructor or hook of
    /// another item, and this one is in by then; or its own, and it is out.
    pub(crate) fn put_settled(&self, item: T) {
        self.put_settled_in(self.cache_of(self.entry()), item);
    }

    fn put_settled_in(&self, cache: Option<&LocalCache<T>>, item: T) {
        if let Some(item) = self.put_cached(cache, item) {
            self.shelve_one(item);
        }
    }

    /// Puts an item into the cache, making room by moving its older half to a shard; gives it back if that
    /// cannot be.
    fn put_cached(&self, cache: Option<&LocalCache<T>>, item: T) -> Option<T> {
        let Some(cache) = cache else {
            return Some(item);
        };
        if !cache.furnish(self.policy.depth) {
            return Some(item);
        }
        let item = match cache.put(item) {
            Ok(()) => return None,
            Err(item) => item,
        };
        let mut batch = Batch::new();
        let parked = cache.spill(Self::batch_size(cache.room(self.policy.depth)), &mut batch);
        let refused = cache.put(item).err();
        if batch.len() == 0 {
            return refused;
        }
        self.shelve_beside(batch, parked, refused)
    }

    /// The same as `shelve` with an item in hand, which goes to a shard, too, if a hook or a destructor panics.
    fn shelve_beside(&self, batch: Batch<T>, parked: usize, mut in_hand: Option<T>) -> Option<T> {
        let mut panics = Deferred::none();
        panics.call(|| self.shelve(batch, parked));
        if panics.is_due() {
            panics.call(|| {
                if let Some(item) = in_hand.take() {
                    self.shelve_one(item);
                }
            });
        }
        panics.resume();
        in_hand
    }

    /// Puts a batch into a shard; its first `parked` items among the victims.
    fn shelve(&self, mut batch: Batch<T>, parked: usize) {
        if batch.len() == 0 {
            return;
        }
        let generation = self.generation();
        let mut outdated = [None, None];
        let reason = match self.claim_any(generation) {
            Some((number, mut claim)) => {
                let generation =
                    self.shards
                        .catch_up(&mut claim, number, generation, &mut outdated);
                let mut items = batch.drain();
                if parked != 0 {
                    let victim = Parity::victim(generation);
                    claim.push(victim, &mut items.by_ref().take(parked));
                    self.shards.mark(victim, number);
                }
                let primary = Parity::primary(generation);
                claim.push(primary, &mut items);
                self.shards.mark(primary, number);
                DiscardReason::OutOfMemory
            }
            None => DiscardReason::Contended,
        };
        let left = iter::from_fn(|| batch.pop());
        self.discard_left(left, reason, outdated);
    }

    /// Puts one item into a shard.
    pub(crate) fn shelve_one(&self, item: T) {
        let generation = self.generation();
        let mut outdated = [None, None];
        let left = match self.claim_any(generation) {
            Some((number, mut claim)) => {
                let generation =
                    self.shards
                        .catch_up(&mut claim, number, generation, &mut outdated);
                let primary = Parity::primary(generation);
                let left = claim.push_one(primary, item).err();
                self.shards.mark(primary, number);
                left.map(|item| (item, DiscardReason::OutOfMemory))
            }
            None => Some((item, DiscardReason::Contended)),
        };
        match left {
            Some((item, reason)) => self.discard_left(iter::once(item), reason, outdated),
            None => self.discard_outdated(outdated),
        }
    }

    /// Drops what found no place, and what came out of the shard, by the same rules also when a destructor panics.
    fn discard_left(
        &self,
        left: impl Iterator<Item = T>,
        reason: DiscardReason,
        outdated: Outdated<T>,
    ) {
        let mut panics = Deferred::none();
        panics.call(|| self.discard_all(left, reason));
        panics.call(|| self.discard_outdated(outdated));
        panics.resume();
    }

    fn claim_any(&self, generation: usize) -> Option<(usize, crate::shard::Claim<'_, T>)> {
        self.shards
            .claim_any(self.home(), || self.policy.max_shards(), generation)
    }

    /// Drops an item, tells the hook why and counts it. Nothing may be held.
    pub(crate) fn discard(&self, item: T, reason: DiscardReason) {
        self.stray.discard(reason).bump_shared();
        if self.policy.limits.any() && reason.was_in() {
            self.strike(&item);
        }
        if let Some(hook) = &self.policy.on_discard {
            hook(&item, reason);
        }
        drop(item);
    }

    /// Drops items, every one of them, whatever hooks and destructors panic; the first panic goes on after that.
    pub(crate) fn discard_all(&self, items: impl Iterator<Item = T>, reason: DiscardReason) {
        let mut panics = Deferred::none();
        for item in items {
            panics.call(|| self.discard(item, reason));
        }
        panics.resume();
    }

    /// Drops what a change of generation took out of a shard.
    #[inline]
    pub(crate) fn discard_outdated(&self, outdated: Outdated<T>) {
        /// Apart: it is rare, and what it is made of is long.
        #[cold]
        fn discard<T, F>(pool: &Pool<T, F>, outdated: Outdated<T>) {
            pool.let_go(outdated.into_iter().flatten().flatten());
        }

        if outdated.iter().any(Option::is_some) {
            discard(self, outdated);
        }
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use crate::batch::Batch;
    use crate::shard::Parity;
    use crate::{DiscardReason, Pool};

    #[test]
    fn batches_are_half_of_the_room() {
        type Small = Pool<u8>;
        for (room, size) in [(0, 1), (1, 1), (3, 1), (4, 2), (65, 32)] {
            assert_eq!(Small::batch_size(room), size, "{room}");
        }
        assert_eq!(Small::batch_size(usize::MAX), Batch::<u8>::CAPACITY);
        assert_eq!(Pool::<[u8; 1 << 20]>::batch_size(usize::MAX), 1);
    }

    #[test]
    fn threads_have_homes_of_their_own() {
        let pool = Pool::builder(|| 0).thread_cache(0).max_shards(3).build();
        let number = crate::thread::lease_place().number().unwrap();
        assert_eq!(pool.home(), 0, "there is none yet");
        let claims: Vec<_> = (0..3).map(|_| pool.shards.claim_any(0, || 3, 0)).collect();
        drop(claims);
        assert_eq!(pool.home(), number % 3);
        pool.put(1);
        assert_eq!(pool.shards.occupied(Parity::primary(0)), 1 << (number % 3));
    }

    #[test]
    fn what_cannot_be_shelved_goes_by_the_rules_although_hooks_panic() {
        let pool = Pool::builder(|| 0)
            .thread_cache(8)
            .max_shards(1)
            .max_idle(9)
            .rotate_manually()
            .on_discard(|_, reason| assert_ne!(reason, DiscardReason::Contended))
            .build();
        if pool.cache_of(pool.entry()).is_none() {
            return;
        }
        let claim = pool.shards.claim_any(0, || 1, 0);
        assert!(claim.is_some());
        for item in 0..8 {
            pool.put(item);
        }
        let put = catch_unwind(AssertUnwindSafe(|| pool.put(8)));
        assert!(put.is_err());
        let dropped = pool.stats().discards.by(DiscardReason::Contended) as usize;
        assert_ne!(dropped, 0);
        assert_eq!(pool.stats().idle, 9 - dropped);
        // The accounts know it: there is room for as many again.
        drop(claim);
        for item in 0..dropped {
            pool.put(item);
        }
        assert_eq!(pool.stats().idle, 9);
        assert_eq!(pool.stats().discards.total() as usize, dropped);
    }

    #[test]
    fn what_the_floor_keeps_goes_by_the_rules_although_hooks_panic() {
        let pool = Pool::builder(|| 0)
            .max_shards(1)
            .min_idle(4)
            .rotate_manually()
            .on_discard(|_, reason| assert_ne!(reason, DiscardReason::Contended))
            .build();
        let claim = pool.shards.claim_any(0, || 1, 0);
        assert!(claim.is_some());
        let told = catch_unwind(AssertUnwindSafe(|| pool.let_go(0..6)));
        assert!(told.is_err());
        let discards = pool.stats().discards;
        assert_eq!(discards.by(DiscardReason::Aged), 2);
        assert_eq!(discards.by(DiscardReason::Contended), 4);
    }

    #[test]
    fn what_is_in_hand_goes_by_the_rules_although_hooks_panic() {
        let pool = Pool::builder(|| 0)
            .max_shards(1)
            .rotate_manually()
            .on_discard(|_, reason| assert_ne!(reason, DiscardReason::Contended))
            .build();
        let claim = pool.shards.claim_any(0, || 1, 0);
        assert!(claim.is_some());
        let batch = || {
            let mut batch = Batch::new();
            assert!(batch.push(1).is_ok() && batch.push(2).is_ok());
            batch
        };
        let told = catch_unwind(AssertUnwindSafe(|| pool.shelve_beside(batch(), 0, Some(3))));
        assert!(told.is_err());
        assert_eq!(pool.stats().discards.by(DiscardReason::Contended), 3);
        // Without a panic it stays in hand.
        drop(claim);
        assert_eq!(pool.shelve_beside(batch(), 0, Some(3)), Some(3));
        assert_eq!(pool.stats().idle, 2);
    }
}
