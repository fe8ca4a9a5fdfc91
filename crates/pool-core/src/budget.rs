//! Budgets: how many items, and how many bytes of them, a pool may hold, and how many it shall.
//!
//! A pool with a limit keeps exact accounts, two counts that everything which comes in or goes out changes by an atomic
//! read-modify-write. That is what limits across threads cost, so only such a pool pays: its takes are kept off
//! the fast path by granting its caches no budget of fast takes, and its puts by the branch that every pool with a
//! hook takes. A pool without limits never comes here.

use std::collections::VecDeque;

use crate::deferred::Deferred;
use crate::discard::DiscardReason;
use crate::part::{Parity, Part};
use crate::policy::WeightHook;
use crate::pool::Pool;
use crate::stats::Event;
use crate::sync::{AtomicUsize, Ordering, const_unless_loom};

/// How many of the coldest items are let go of to make room for one that comes in.
const EVICTIONS: usize = 8;

/// What a pool may hold.
pub(crate) struct Limits<T> {
    pub(crate) max_idle: usize,
    pub(crate) max_weight: usize,
    pub(crate) weight: Option<WeightHook<T>>,
}

impl<T> Limits<T> {
    pub(crate) const NONE: Self = Self {
        max_idle: usize::MAX,
        max_weight: usize::MAX,
        weight: None,
    };

    /// Whether accounts have to be kept.
    pub(crate) fn any(&self) -> bool {
        self.max_idle != usize::MAX || self.weight.is_some()
    }

    /// The user's code.
    fn weigh(&self, item: &T) -> usize {
        self.weight.as_ref().map_or(0, |weight| weight(item))
    }
}

/// What a pool holds. At least what lies in it, at any moment: an item is entered before it comes in and struck off
/// after it is out (B1).
pub(crate) struct Held {
    items: AtomicUsize,
    weight: AtomicUsize,
}

impl Held {
    const_unless_loom! {
        pub(crate) const fn new() -> Self {
            Self {
                items: AtomicUsize::new(0),
                weight: AtomicUsize::new(0),
            }
        }
    }

    pub(crate) fn weight(&self) -> usize {
        // ORDERING: Relaxed. A statistic.
        self.weight.load(Ordering::Relaxed)
    }

    /// Enters an item if that exceeds no limit. Lock-free.
    fn enter<T>(&self, weight: usize, limits: &Limits<T>) -> bool {
        if !change(&self.items, |items| {
            (items < limits.max_idle).then(|| items + 1)
        }) {
            return false;
        }
        let fits = change(&self.weight, |held| {
            held.checked_add(weight)
                .filter(|&sum| sum <= limits.max_weight)
        });
        if !fits {
            change(&self.items, |items| Some(items.saturating_sub(1)));
        }
        fits
    }

    /// Strikes an item off. Lock-free. Never below zero, though an item's weight should have changed.
    fn strike(&self, weight: usize) {
        change(&self.items, |items| Some(items.saturating_sub(1)));
        change(&self.weight, |held| Some(held.saturating_sub(weight)));
    }
}

/// Replaces a count by what `next` makes of it, unless that is nothing; says whether it did.
fn change(count: &AtomicUsize, next: impl Fn(usize) -> Option<usize>) -> bool {
    // ORDERING: Relaxed. Only the count itself is agreed upon; items travel by other orderings.
    let mut seen = count.load(Ordering::Relaxed);
    loop {
        let Some(new) = next(seen) else {
            return false;
        };
        if new == seen {
            return true;
        }
        // ORDERING: Relaxed, as above.
        match count.compare_exchange_weak(seen, new, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return true,
            Err(now) => seen = now,
        }
    }
}

impl<T, F> Pool<T, F> {
    /// Takes from a pool that keeps accounts or is in chaos: every take comes by here.
    pub(crate) fn try_take_watched(&self) -> Option<T> {
        let item = self.take_unaccounted()?;
        if self.policy.limits.any() {
            self.strike(&item);
        }
        Some(item)
    }

    fn take_unaccounted(&self) -> Option<T> {
        let own = self.part().or_else(|| self.own_part());
        let look = match own {
            Some(own) => own.cache.look_if_due(|| self.read_clock()),
            None => Some((1, self.read_clock())),
        };
        let looked = look.is_some();
        if let Some((operations, reading)) = look {
            self.turn_if_due(operations, reading);
        }
        if let Some(chaos) = &self.policy.chaos {
            if let Some(outcome) = self.take_in_chaos(chaos) {
                return outcome;
            }
        }
        let cache = self.cache_of(own);
        if let Some((cache, item)) = cache.and_then(|cache| Some((cache, cache.take_parked()?))) {
            cache.counters.event(Event::CacheHit).bump();
            if looked {
                cache.operation_was_served();
            }
            return Some(item);
        }
        self.take_uncached(own, cache)
    }

    /// Puts an item that the hooks have let pass into a pool that keeps accounts or is in chaos.
    pub(crate) fn put_watched(&self, item: T) {
        // First, because what follows must not be left half-done by a destructor that panics in a turn.
        let has_room = |part: &Part<T>| part.cache.len(self.policy.depth) < part.cache.capacity();
        let own = self.part();
        if !own.is_some_and(has_room) {
            self.turn_if_due_at_put(own.map(|own| &own.cache));
        }
        if let Some(chaos) = &self.policy.chaos {
            if chaos.drops() {
                return self.discard(item, DiscardReason::Chaos);
            }
        }
        if self.policy.limits.any() && !self.enter(&item) {
            return self.discard(item, DiscardReason::OverBudget);
        }
        if self
            .policy
            .chaos
            .as_ref()
            .is_some_and(|chaos| chaos.skips())
        {
            return self.shelve_one(item);
        }
        self.put_settled(item);
    }

    /// Enters an item into the accounts; makes room by letting go of victims, which are about to go anyway.
    fn enter(&self, item: &T) -> bool {
        let limits = &self.policy.limits;
        let weight = limits.weigh(item);
        for _ in 0..EVICTIONS {
            if self.held.enter(weight, limits) {
                return true;
            }
            if weight > limits.max_weight {
                return false;
            }
            let victim = Parity::victim(self.generation());
            let coldest = self
                .parts
                .find(victim, 0, |part| part.chain(victim).pop_tail());
            match coldest {
                Some(coldest) => self.discard(coldest, DiscardReason::Aged),
                None => return false,
            }
        }
        self.held.enter(weight, limits)
    }

    /// Strikes an item off the accounts that is out of the pool.
    pub(crate) fn strike(&self, item: &T) {
        /// Also when the user's code panics; its weight then counts as nothing.
        struct Strike<'a>(&'a Held, usize);
        impl Drop for Strike<'_> {
            fn drop(&mut self) {
                self.0.strike(self.1);
            }
        }
        let mut strike = Strike(&self.held, 0);
        strike.1 = self.policy.limits.weigh(item);
    }

    /// How many items there are in all caches and chains.
    pub(crate) fn idle(&self) -> usize {
        self.parts
            .iter()
            .map(|part| part.cache.len(self.policy.depth) + part.len())
            .sum()
    }

    /// Drops items that are too old, oldest first, but for as many of the youngest as the floor wants: those go back.
    /// Nothing may be held.
    pub(crate) fn let_go(&self, mut items: impl Iterator<Item = T>, panics: &mut Deferred) {
        let missing = match self.policy.min_idle {
            0 => 0,
            floor => floor.saturating_sub(self.idle()),
        };
        if missing == 0 {
            return self.discard_each(items, DiscardReason::Aged, panics);
        }
        let mut youngest = VecDeque::new();
        let surplus = core::iter::from_fn(|| {
            loop {
                let item = items.next()?;
                if youngest.try_reserve(1).is_err() {
                    // No memory to keep it in.
                    return Some(item);
                }
                youngest.push_back(item);
                if youngest.len() > missing {
                    return youngest.pop_front();
                }
            }
        });
        self.discard_each(surplus, DiscardReason::Aged, panics);
        for item in youngest {
            panics.call(|| self.shelve_one(item));
        }
    }
}

impl<T, F: Fn() -> T> Pool<T, F> {
    /// Makes items until the pool holds `count`, or as many as its limits allow. They go to the caller's chain, where
    /// every thread finds them, and age like others: [`Builder::min_idle`](crate::Builder::min_idle) keeps them.
    ///
    /// Takes time in proportion to threads and the items made. The constructor runs with nothing held.
    ///
    /// # Panics
    ///
    /// When the constructor or a hook panics; what was made before is in the pool.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::Pool;
    ///
    /// static PARSERS: Pool<Vec<u8>> = Pool::new(|| Vec::with_capacity(4096));
    /// PARSERS.prefill(8);
    /// assert_eq!(PARSERS.stats().idle, 8);
    /// ```
    pub fn prefill(&self, count: usize) {
        for _ in self.idle()..count {
            let item = (self.create)();
            if self.policy.limits.any() && !self.enter(&item) {
                return self.discard(item, DiscardReason::OverBudget);
            }
            self.shelve_one(item);
        }
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use super::*;

    #[test]
    fn only_a_pool_with_limits_keeps_accounts() {
        let none = || Limits::<u8>::NONE;
        assert!(!none().any());
        let max_idle = 1;
        assert!(Limits { max_idle, ..none() }.any());
        let weight: Option<WeightHook<u8>> = Some(Box::new(|_| 1));
        assert!(Limits { weight, ..none() }.any());
    }
}
