//! Counting without a shared counter: each count belongs to whoever owns the cache it is kept in, and
//! the reader adds them up.

use crate::discard::DiscardReason;
use crate::sync::{AtomicUsize, Ordering, const_unless_loom};

/// One count. A word wide: on 32-bit targets it wraps after four thousand million events.
pub(crate) struct Count(AtomicUsize);

impl Count {
    const_unless_loom! {
        const fn new() -> Self {
            Self(AtomicUsize::new(0))
        }
    }

    /// One more. Only for the count's single writer.
    #[inline(always)]
    pub(crate) fn bump(&self) {
        // ORDERING: Relaxed. A statistic with one writer.
        let count = self.0.load(Ordering::Relaxed);
        // ORDERING: Relaxed, as above.
        self.0.store(count.wrapping_add(1), Ordering::Relaxed);
    }

    /// One more, from any thread.
    pub(crate) fn bump_shared(&self) {
        // ORDERING: Relaxed. A statistic.
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        // ORDERING: Relaxed. A statistic.
        self.0.load(Ordering::Relaxed) as u64
    }
}

/// What a take or a put came to, where it was not the thread cache.
#[derive(Clone, Copy)]
pub(crate) enum Event {
    ChainHit,
    Steal,
    VictimHit,
    Create,
    /// A take that found nothing, whether an item was made for it or not.
    Miss,
    /// A take that the thread cache served but did not count itself.
    CacheHit,
}

impl Event {
    const COUNT: usize = 6;
}

/// No events yet, of any kind.
#[cfg(not(pool_loom))]
const fn no_counts<const N: usize>() -> [Count; N] {
    [const { Count::new() }; N]
}

#[cfg(pool_loom)]
fn no_counts<const N: usize>() -> [Count; N] {
    core::array::from_fn(|_| Count::new())
}

/// The counts of one thread, or of all threads that have no cache.
pub(crate) struct Counters {
    events: [Count; Event::COUNT],
    discards: [Count; DiscardReason::ALL.len()],
}

impl Counters {
    const_unless_loom! {
        pub(crate) const fn new() -> Self {
            Self {
                events: no_counts(),
                discards: no_counts(),
            }
        }
    }

    pub(crate) fn event(&self, event: Event) -> &Count {
        &self.events[event as usize]
    }

    pub(crate) fn discard(&self, reason: DiscardReason) -> &Count {
        &self.discards[reason as usize]
    }

    /// Adds these counts to a reader's.
    pub(crate) fn add_to(&self, stats: &mut Stats) {
        stats.chain_hits += self.event(Event::ChainHit).get();
        stats.steals += self.event(Event::Steal).get();
        stats.victim_hits += self.event(Event::VictimHit).get();
        stats.creates += self.event(Event::Create).get();
        stats.misses += self.event(Event::Miss).get();
        stats.cache_hits += self.event(Event::CacheHit).get();
        for (sum, count) in stats.discards.0.iter_mut().zip(&self.discards) {
            *sum += count.get();
        }
    }
}

/// Whether a pool's threads have caches of their own, and if not, why. Without them every take and put goes to
/// the thread's chain, and costs about four times as much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CacheState {
    /// They have.
    Cached,
    /// Not yet: the system has not been asked, or takes its time. [`pool_gate::register`] in `main` makes it quick.
    #[default]
    NotYet,
    /// The system has no barrier to take items back with, or does not let this process use it.
    Unavailable,
    /// Not any more: the system has begun to refuse the barrier, as sandboxes do. A thread's cache is emptied by its
    /// thread's next operation, or by a turn after its thread has ended.
    Refused,
    /// The pool was built with [`thread_cache(0)`](crate::Builder::thread_cache).
    Off,
}

/// What a pool has done and holds, as of [`Pool::stats`](crate::Pool::stats).
///
/// Each number is exact for threads that are not using the pool at that moment; for those that are it may
/// be an operation behind. In the moment in which a thread cache gets other memory, what it holds counts as anything
/// up to the most that a cache can hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Takes served by the caller's thread cache.
    pub cache_hits: u64,
    /// Takes served by the caller's own chain: what its cache had no room for, or all it has where there is no cache.
    pub chain_hits: u64,
    /// Takes served by another thread's chain.
    pub steals: u64,
    /// Takes served by a victim: an item saved from being dropped at the next rotation.
    pub victim_hits: u64,
    /// Takes that found nothing.
    pub misses: u64,
    /// Calls of the constructor by takes that found nothing.
    pub creates: u64,
    /// Items dropped by the pool, by reason.
    pub discards: Discarded,
    /// Items held now, in thread caches and chains.
    pub idle: usize,
    /// Of these, the items in thread caches.
    pub idle_in_caches: usize,
    /// What the items held now weigh together; 0 for a pool without
    /// [`Builder::weight`](crate::Builder::weight).
    pub weight: usize,
    /// Parts: as many as threads have used the pool at the same time, the dead counted whose part nobody has inherited.
    pub parts: usize,
    /// How often the generation has turned.
    pub generation: u64,
    /// Whether threads have caches.
    pub caches: CacheState,
}

impl Stats {
    /// Adds another pool's numbers.
    pub(crate) fn add(&mut self, other: &Self) {
        let Self {
            cache_hits,
            chain_hits,
            steals,
            victim_hits,
            misses,
            creates,
            discards,
            idle,
            idle_in_caches,
            weight,
            parts,
            generation,
            caches,
        } = other;
        self.cache_hits += cache_hits;
        self.chain_hits += chain_hits;
        self.steals += steals;
        self.victim_hits += victim_hits;
        self.misses += misses;
        self.creates += creates;
        for (sum, count) in self.discards.0.iter_mut().zip(&discards.0) {
            *sum += count;
        }
        self.idle += idle;
        self.idle_in_caches += idle_in_caches;
        self.weight += weight;
        self.parts += parts;
        self.generation += generation;
        self.caches = *caches;
    }

    /// All takes that found something: the hits of every level together.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.cache_hits + self.chain_hits + self.steals + self.victim_hits
    }

    /// The part of takes that found something, between 0 and 1; 0 when there was no take.
    #[must_use]
    pub fn hit_rate(&self) -> f64 {
        let takes = self.hits() + self.misses;
        if takes == 0 {
            0.0
        } else {
            self.hits() as f64 / takes as f64
        }
    }
}

/// Items dropped by a pool, by [`DiscardReason`].
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Discarded([u64; DiscardReason::ALL.len()]);

impl Discarded {
    /// How many items were dropped for this reason.
    #[must_use]
    pub fn by(&self, reason: DiscardReason) -> u64 {
        self.0[reason as usize]
    }

    /// How many items were dropped in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

impl core::fmt::Debug for Discarded {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let nonzero = DiscardReason::ALL
            .into_iter()
            .filter(|&reason| self.by(reason) != 0);
        f.debug_map()
            .entries(nonzero.map(|reason| (reason, self.by(reason))))
            .finish()
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_added_and_every_hit_counts() {
        // No two fields the same.
        let stats = |factor: u64| {
            let size = factor as usize;
            Stats {
                cache_hits: 2 * factor,
                chain_hits: 3 * factor,
                steals: 5 * factor,
                victim_hits: 7 * factor,
                misses: 11 * factor,
                creates: 13 * factor,
                discards: Discarded(core::array::from_fn(|reason| factor * (17 + reason as u64))),
                idle: 31 * size,
                idle_in_caches: 37 * size,
                weight: 41 * size,
                parts: 43 * size,
                generation: 47 * factor,
                caches: CacheState::Cached,
            }
        };
        let mut sum = stats(10);
        sum.add(&stats(3));
        assert_eq!(sum, stats(13));
        assert_eq!(Stats::default().caches, CacheState::NotYet);
        assert_eq!(stats(1).hits(), 2 + 3 + 5 + 7);
        assert_eq!(stats(1).hit_rate(), 17.0 / 28.0);
    }

    #[test]
    fn every_event_has_its_field() {
        let counters = Counters::new();
        for (event, times) in [
            (Event::ChainHit, 1),
            (Event::Steal, 2),
            (Event::VictimHit, 3),
            (Event::Create, 4),
            (Event::Miss, 5),
            (Event::CacheHit, 6),
        ] {
            (0..times).for_each(|_| counters.event(event).bump());
        }
        for (times, reason) in DiscardReason::ALL.into_iter().enumerate() {
            (0..times).for_each(|_| counters.discard(reason).bump_shared());
        }
        let mut sum = Stats::default();
        counters.add_to(&mut sum);
        counters.add_to(&mut sum);
        let expected = Stats {
            chain_hits: 2,
            steals: 4,
            victim_hits: 6,
            creates: 8,
            misses: 10,
            cache_hits: 12,
            discards: Discarded(core::array::from_fn(|times| 2 * times as u64)),
            ..Stats::default()
        };
        assert_eq!(sum, expected);
    }
}
