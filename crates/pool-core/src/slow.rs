//! The slow paths of take and put: between the thread cache and the chains, in batches.
//!
//! Nothing of the user's runs while the owner is at a chain's head or behind a gate: what has to be dropped is carried
//! out first, and dropped after.

use core::iter;
use core::ptr::NonNull;

use pool_gate::{Asymmetric, Status};

use crate::batch::Batch;
use crate::cache::{LocalCache, OpenToTake};
use crate::deferred::Deferred;
use crate::discard::DiscardReason;
use crate::pace::Reading;
use crate::part::{Parity, Part, Producer, keep};
use crate::policy::Recycle;
use crate::pool::Pool;
use crate::stats::Event;
use crate::table::Place;
use crate::thread;

impl<T, F> Pool<T, F> {
    /// How many items a thread without a cache steals besides the one that it needs: about a kilobyte of them.
    const SPOILS: usize = match 1024_usize.checked_div(size_of::<T>()) {
        Some(few @ 0..31) => few,
        _ => 31,
    };

    /// The calling thread's part, made now if need be; None for a thread without a number or without memory.
    pub(crate) fn own_part(&self) -> Option<&Part<T>> {
        if let Some(recent) = self.recent() {
            return Some(recent);
        }
        let is_new = thread::place() == Place::NONE;
        let part = self.parts.get_or_make(thread::lease_place())?;
        if is_new {
            part.cache.start_over();
        }
        self.identity.remember(NonNull::from(part).cast());
        Some(part)
    }

    /// The cache of the calling thread's part, if it may hold items and not only counts.
    ///
    /// The first call of the process begins what has to be done before it may. A cache that has items though it must
    /// not have any, because nobody could take them back, is emptied here.
    pub(crate) fn cache_of<'a>(&self, own: Option<&'a Part<T>>) -> Option<&'a LocalCache<T>> {
        if self.policy.depth == 0 {
            return None;
        }
        let cache = &own?.cache;
        if Asymmetric::get().is_none() {
            self.leave_cache(cache);
            return None;
        }
        Some(cache)
    }

    /// Moves what the calling thread's cache holds to the chains if caches are given up.
    #[cold]
    fn leave_cache(&self, cache: &LocalCache<T>) {
        if pool_gate::status() == Status::Refused {
            cache.give_up();
            self.empty_given_up(cache);
        }
    }

    /// Moves what a cache holds to the caller's chains. For its owner, when it was given up.
    pub(crate) fn empty_given_up(&self, cache: &LocalCache<T>) {
        let mut panics = Deferred::none();
        for item in cache.strip().into_iter().flatten() {
            panics.call(|| self.shelve_one(item));
        }
        panics.resume();
    }

    /// The caller at the head of its own chains; or of another part's, if it has none or is there already. None when
    /// there is no memory, or all numbers are taken.
    #[inline]
    fn producer<'a>(&'a self, own: Option<&'a Part<T>>) -> Option<Producer<'a, T>> {
        own.and_then(Part::produce)
            .or_else(|| self.produce_elsewhere())
    }

    #[cold]
    fn produce_elsewhere(&self) -> Option<Producer<'_, T>> {
        for number in thread::free_numbers(thread::NUMBERS) {
            let Some(heir) = thread::inherit(number as u32) else {
                continue;
            };
            let part = self.parts.get_or_make(heir.place())?;
            // Unless a sweep is there. It is at no part that is made just now.
            if let Some(producer) = part.produce_as(heir) {
                return Some(producer);
            }
        }
        None
    }

    /// How many items move between a cache and a chain at once: half of what there is room for.
    fn batch_size(room: usize) -> usize {
        (room / 2).clamp(1, Batch::<T>::CAPACITY.max(1))
    }

    /// Counts what a take came to.
    pub(crate) fn count(&self, event: Event) {
        self.count_in(self.part(), event);
    }

    fn count_in(&self, own: Option<&Part<T>>, event: Event) {
        match own {
            Some(own) => own.cache.counters.event(event).bump(),
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
        let own = self.own_part();
        let Some(cache) = self.cache_of(own) else {
            let look = own.map(|own| own.cache.look_at_take(self.counts(), || self.read_clock()));
            self.turn_if_seen(look);
            return self.take_uncached(own, None);
        };
        let reading = self.read_clock();
        let operations = cache.look(reading);
        self.turn_if_due(operations, reading);
        if let Some(item) = cache.take_parked() {
            cache.count_served();
            return Some(item);
        }
        self.take_uncached(own, Some(cache))
    }

    /// Looks at the clock, which is all that most slow takes of a busy thread come for. If nothing is due, the fast
    /// path goes on.
    #[inline(always)]
    pub(crate) fn look(&self) -> Option<OpenToTake<'_, T>> {
        let cache = self.recent().map(|part| &part.cache)?;
        if !cache.only_looks() {
            return None;
        }
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

    /// Whether operations are counted one by one.
    fn counts(&self) -> bool {
        self.policy.after.is_some()
    }

    /// Turns the generation if an operation without a cache has looked, or has nobody to say when to, and it is due.
    #[inline]
    fn turn_if_seen(&self, look: Option<Option<(usize, Option<Reading>)>>) {
        if let Some((operations, reading)) = look.unwrap_or_else(|| Some((1, self.read_clock()))) {
            self.turn_if_due(operations, reading);
        }
    }

    /// Takes from the chains, and leaves more in the cache if there is one.
    pub(crate) fn take_uncached(
        &self,
        own: Option<&Part<T>>,
        cache: Option<&LocalCache<T>>,
    ) -> Option<T> {
        if let Some(item) = own.and_then(|own| self.take_own(own, cache)) {
            self.count_in(own, Event::ChainHit);
            return Some(item);
        }
        let mut found = self.take_others(own, cache);
        if found.is_none() && self.flush_orphan() {
            found = self.take_others(own, cache);
        }
        let Some((item, event)) = found else {
            if let Some(own) = own.filter(|_| cache.is_none()) {
                own.cache.missed();
            }
            self.count_in(own, Event::Miss);
            return None;
        };
        self.count_in(own, event);
        Some(item)
    }

    /// Takes from the head of the caller's own chain.
    #[inline]
    fn take_own(&self, own: &Part<T>, cache: Option<&LocalCache<T>>) -> Option<T> {
        let producer = own.produce()?;
        let primary = Parity::primary(self.generation());
        match cache {
            Some(cache) if Self::batch_size(self.policy.depth) > 1 => {
                let mut batch = Batch::new();
                let max = Self::batch_size(cache.room(self.policy.depth));
                producer.pop(primary, max, &mut batch);
                if batch.len() == 0 {
                    self.parts.unmark(primary, own);
                    return None;
                }
                drop(producer);
                // Popped newest first; the cache wants the newest on top.
                batch.reverse();
                self.deal(cache, batch)
            }
            _ => {
                let item = producer.pop_one(primary);
                if item.is_none() {
                    self.parts.unmark(primary, own);
                }
                item
            }
        }
    }

    /// Keeps the newest of a batch for the caller and leaves the others in the cache.
    fn deal(&self, cache: &LocalCache<T>, mut batch: Batch<T>) -> Option<T> {
        let mut item = Some(batch.pop()?);
        // It took all it had, and there was more to take.
        if batch.len() != 0 && cache.grow(self.policy.depth) {
            cache.fill(&mut batch);
        }
        if batch.len() != 0 {
            // A rotation has just revoked the cache.
            item = self.shelve_beside(batch, 0, item);
        }
        item
    }

    /// Takes from the tails of others' chains, and then from the victims.
    fn take_others(
        &self,
        own: Option<&Part<T>>,
        cache: Option<&LocalCache<T>>,
    ) -> Option<(T, Event)> {
        self.steal(own, cache)
            .map(|item| (item, Event::Steal))
            .or_else(|| Some((self.take_victim(own)?, Event::VictimHit)))
    }

    /// Takes from others' tails: several, of which what is not asked for goes to the cache, or to the caller's own
    /// chain.
    fn steal(&self, own: Option<&Part<T>>, cache: Option<&LocalCache<T>>) -> Option<T> {
        let primary = Parity::primary(self.generation());
        let from = own.map_or(0, Part::source);
        let remember = |part: &Part<T>| own.map_or((), |own| own.came_from(part.number()));
        if let Some(cache) = cache.filter(|_| Self::batch_size(self.policy.depth) > 1) {
            let mut batch = Batch::new();
            let max = Self::batch_size(cache.room(self.policy.depth));
            self.parts.find(primary, from, |part| {
                let chain = part.chain(primary);
                chain.pop_tail_batch(max, |item| keep(&mut batch, item));
                (batch.len() != 0).then(|| remember(part))
            })?;
            return self.deal(cache, batch);
        }
        let producer = own.and_then(Part::produce);
        let item = self.parts.find(primary, from, |part| {
            let item = match &producer {
                Some(producer) if Self::SPOILS != 0 && cache.is_none() => {
                    producer.steal(primary, part, Self::SPOILS)
                }
                _ => part.chain(primary).pop_tail(),
            }?;
            remember(part);
            Some(item)
        })?;
        if let Some(producer) = producer {
            self.parts.mark(primary, producer.part());
        }
        Some(item)
    }

    /// Takes one item whose last chance this is, the caller's own first. One at a time: what nobody asks for shall age.
    fn take_victim(&self, own: Option<&Part<T>>) -> Option<T> {
        let victim = Parity::victim(self.generation());
        let from = own.map_or(0, Part::number);
        self.parts.find(victim, from, |part| {
            let item = part.chain(victim).pop_tail();
            if item.is_none() && part.number() == from && own.is_some() {
                self.parts.unmark(victim, part);
            }
            item
        })
    }

    /// Moves what lies in the cache of a thread that is gone to the chains of its part, where everybody finds it. Says
    /// whether there was something.
    fn flush_orphan(&self) -> bool {
        let found = self.parts.find_orphan(|part| {
            if part.cache.is_empty() {
                return None;
            }
            // As whose heirs we are its owner.
            let producer = part.produce_as(thread::inherit(part.number())?)?;
            let (mut items, parked) = part.cache.take_all()?;
            let generation = self.generation();
            let victim = Parity::victim(generation);
            if parked != 0 {
                producer.push(victim, &mut items.by_ref().take(parked));
                self.parts.mark(victim, part);
            }
            let primary = Parity::primary(generation);
            producer.push(primary, &mut items);
            self.parts.mark(primary, part);
            Some(items)
        });
        match found {
            Some(left) => {
                self.discard_all(left, DiscardReason::OutOfMemory);
                true
            }
            None => false,
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
                    let left = match self.part() {
                        Some(part) => part.cache.put(item).err(),
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
        let own = self.own_part();
        match self.cache_of(own) {
            Some(cache) => {
                self.turn_if_due_at_put(Some(cache));
                self.put_settled_in(own, Some(cache), item);
            }
            None => {
                let look =
                    own.map(|own| own.cache.look_at_put(self.counts(), || self.read_clock()));
                self.turn_if_seen(look);
                self.shelve_one_in(own, item);
            }
        }
    }

    /// The same without looking whether the generation is to turn: what panics in here is a destructor or hook of
    /// another item, and this one is in by then; or its own, and it is out.
    pub(crate) fn put_settled(&self, item: T) {
        let own = self.own_part();
        self.put_settled_in(own, self.cache_of(own), item);
    }

    fn put_settled_in(&self, own: Option<&Part<T>>, cache: Option<&LocalCache<T>>, item: T) {
        if let Some(item) = self.put_cached(cache, item) {
            self.shelve_one_in(own, item);
        }
    }

    /// Puts an item into the cache, making room by moving its older half to a chain; gives it back if that
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

    /// The same as `shelve` with an item in hand, which goes to a chain, too, if a hook or a destructor panics.
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

    /// Puts a batch into the caller's chains; its first `parked` items among the victims.
    fn shelve(&self, mut batch: Batch<T>, parked: usize) {
        if batch.len() == 0 {
            return;
        }
        if let Some(producer) = self.producer(self.part()) {
            let generation = self.generation();
            let mut items = batch.drain();
            if parked != 0 {
                let victim = Parity::victim(generation);
                producer.push(victim, &mut items.by_ref().take(parked));
                self.parts.mark(victim, producer.part());
            }
            let primary = Parity::primary(generation);
            producer.push(primary, &mut items);
            self.parts.mark(primary, producer.part());
        }
        let left = iter::from_fn(|| batch.pop());
        self.discard_all(left, DiscardReason::OutOfMemory);
    }

    /// Puts one item into the caller's chain.
    pub(crate) fn shelve_one(&self, item: T) {
        self.shelve_one_in(self.part(), item);
    }

    #[inline]
    fn shelve_one_in(&self, own: Option<&Part<T>>, item: T) {
        let left = match self.producer(own) {
            Some(producer) => {
                let primary = Parity::primary(self.generation());
                let left = producer.push_one(primary, item).err();
                self.parts.mark(primary, producer.part());
                left
            }
            None => Some(item),
        };
        if let Some(item) = left {
            self.discard(item, DiscardReason::OutOfMemory);
        }
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
        self.discard_each(items, reason, &mut panics);
        panics.resume();
    }

    /// The same with the panics in the caller's hands.
    pub(crate) fn discard_each(
        &self,
        items: impl Iterator<Item = T>,
        reason: DiscardReason,
        panics: &mut Deferred,
    ) {
        for item in items {
            panics.call(|| self.discard(item, reason));
        }
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use crate::Pool;
    use crate::batch::Batch;
    use crate::part::Parity;
    use crate::thread;

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
    fn spoils_are_a_kilobyte_at_most() {
        assert_eq!(Pool::<()>::SPOILS, 31);
        assert_eq!(Pool::<[u8; 32]>::SPOILS, 31);
        assert_eq!(Pool::<[u8; 100]>::SPOILS, 10);
        assert_eq!(Pool::<[u8; 4096]>::SPOILS, 0);
    }

    #[test]
    fn who_is_at_its_chain_already_leases_another_part() {
        let pool = Pool::builder(|| 0)
            .thread_cache(0)
            .rotate_manually()
            .build();
        let own = pool.own_part();
        let busy = pool.producer(own).unwrap();
        assert_eq!(busy.part().number(), own.unwrap().number());
        let (first, second) = (pool.producer(own).unwrap(), pool.producer(own).unwrap());
        assert_ne!(first.part().number(), busy.part().number());
        assert_ne!(first.part().number(), second.part().number());
        let other = first.part().number();
        drop((first, second));
        // What is put meanwhile is there for everybody, also for those who go by their own chain first.
        pool.put(7);
        assert_eq!(pool.stats().idle, 1);
        assert_eq!(pool.try_take(), Some(7));
        pool.put(8);
        drop(busy);
        assert_eq!(pool.try_take(), Some(8));
        // And the number is free again.
        assert!(thread::inherit(other).is_some() || thread::is_leased(other));
        pool.put(9);
        let primary = Parity::primary(0);
        assert_eq!(own.unwrap().chain(primary).len(), 1);
    }

    #[test]
    fn what_the_dead_had_in_their_caches_is_found() {
        let pool = Pool::builder(|| 0).rotate_manually().build();
        if pool.cache_of(pool.own_part()).is_none() {
            return;
        }
        let number = std::thread::scope(|scope| {
            let put = || {
                (0..3).for_each(|item| pool.put(item));
                pool.part().unwrap().number()
            };
            scope.spawn(put).join().unwrap()
        });
        assert_eq!(pool.stats().idle_in_caches, 3);
        // Its number may be another test's thread's by now.
        if pool.try_take().is_none() {
            assert!(thread::is_leased(number));
            return;
        }
        let left: Vec<_> = std::iter::from_fn(|| pool.try_take()).collect();
        assert_eq!(left.len(), 2);
    }
}
