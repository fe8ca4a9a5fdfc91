//! Turning the generation: what makes the pool give idle memory back.
//!
//! ```text
//!   generation      g             g + 1           g + 2
//!   chain[0]     primary   ───►   victim   ───►   detached, then primary again
//!   chain[1]     victim    ───►   detached,
//!                                 then primary ─► victim
//!   caches       used      ───►   parked   ───►   taken out, unless used in between
//! ```
//!
//! A turn detaches and relabels; it moves no item but the few that lie parked in a cache that is still in
//! use. Destructors run at the end, when nothing is held.

use core::time::Duration;

use pool_chain::raw::Detached;
use pool_gate::{Asymmetric, Status, Sweep};

use crate::cache::{LocalCache, Loot, Take};
use crate::discard::DiscardReason;
use crate::env::Patience;
use crate::pace::Reading;
use crate::pool::Pool;
use crate::shard::{Outdated, Parity};
use crate::sync::Ordering;
use crate::thread;

impl<T, F> Pool<T, F> {
    /// Turns the generation: what was put back since the last turn becomes the victim, and what was left of
    /// the old victim is dropped. What is left unused by two turns is gone, whichever thread holds it; what is
    /// used once in between stays.
    ///
    /// Takes time in proportion to shards and threads, whatever the number of items, and then runs the
    /// destructors of what it drops. Blocks for a bounded time at most: a thread that was stopped in
    /// the few instructions in which it may not be disturbed is passed over.
    ///
    /// # Panics
    ///
    /// When a destructor or the `on_discard` hook panics; what was to be dropped is dropped all the same, and
    /// the pool stays usable.
    pub fn rotate(&self) {
        self.turn_without_event();
        // With nothing held: a subscriber is the program's own code.
        #[cfg(feature = "tracing")]
        crate::events::emit(|| {
            tracing::debug!(
                generation = self.generation(),
                idle = self.idle(),
                "the pool's generation turned"
            );
        });
        #[cfg(feature = "tracing")]
        crate::events::tell_refusal();
    }

    /// The same without an event.
    fn turn_without_event(&self) {
        // ORDERING: Relaxed. See `generation`.
        let generation = self
            .generation
            .fetch_add(1, Ordering::Relaxed)
            .wrapping_add(1);
        let mut detached = Vec::new();
        self.shards.turn(generation, |outdated| {
            self.set_aside(outdated, &mut detached, DiscardReason::Aged);
        });
        let loot = self.sweep(Take::Parked);
        let old = loot.into_iter().flatten();
        self.let_go(old.chain(detached.into_iter().flatten()));
        self.shards.collect();
    }

    /// Keeps what came out of a shard until nothing is held; drops it now if there is no memory for that.
    fn set_aside(&self, out: Outdated<T>, into: &mut Vec<Detached<T>>, reason: DiscardReason) {
        for chain in out.into_iter().flatten() {
            if into.try_reserve(1).is_ok() {
                into.push(chain);
            } else {
                self.discard_all(chain, reason);
            }
        }
    }

    /// Drops everything that the pool holds, in every thread's cache and every shard. Items on loan are not
    /// affected and may come back.
    ///
    /// As [`rotate`](Self::rotate), it blocks for a bounded time at most and passes over a cache whose thread was
    /// stopped at the wrong moment.
    ///
    /// # Panics
    ///
    /// When a destructor or the `on_discard` hook panics; what was to be dropped is dropped all the same, and
    /// the pool stays usable.
    pub fn clear(&self) {
        let loot = self.sweep(Take::All);
        let mut detached = Vec::new();
        // Shards whose producer is stopped or lost, a bit each.
        let mut stuck = 0usize;
        let mut patience = Patience::long();
        for (number, shard) in self.shards.iter() {
            let mut out = [None, None];
            let claimed = patience.wait_until(|| match shard.try_claim() {
                Some(mut claim) => {
                    out = [0, 1].map(|index| claim.detach(Parity::primary(index)));
                    true
                }
                None => false,
            });
            if !claimed {
                stuck |= 1 << number;
            }
            self.set_aside(out, &mut detached, DiscardReason::Cleared);
            self.shards.unmark(Parity::primary(0), number);
            self.shards.unmark(Parity::primary(1), number);
        }
        // The tail of a stuck shard is anybody's.
        let stuck = self
            .shards
            .iter()
            .filter(|(number, _)| stuck & 1 << number != 0);
        // Only now, so that a destructor that panics keeps nothing in the pool.
        let all = loot.into_iter().flatten();
        let all = all.chain(detached.into_iter().flatten());
        self.discard_all(
            all.chain(stuck.flat_map(|(_, shard)| shard.drain())),
            DiscardReason::Cleared,
        );
        self.shards.collect();
        #[cfg(feature = "tracing")]
        crate::events::emit(|| tracing::debug!(idle = self.idle(), "the pool was cleared"));
        #[cfg(feature = "tracing")]
        crate::events::tell_refusal();
    }

    /// Takes items out of all caches.
    fn sweep(&self, take: Take) -> Vec<Loot<T>> {
        let mut loot = Vec::new();
        if let Some(sweep) = Asymmetric::get().and_then(Sweep::new) {
            self.visit_all(sweep, take, &mut loot);
        }
        if pool_gate::status() == Status::Refused {
            self.give_caches_up(take, &mut loot);
        }
        loot
    }

    /// What time it is, and when the generation turns, in a pool that turns by time.
    pub(crate) fn read_clock(&self) -> Option<Reading> {
        let period = millis(self.policy.every?);
        // ORDERING: Relaxed. A time; the exchange in `turns_by_time` makes one caller the one that turns. Before the
        // clock is read, so that a due time that is new to us is not far ahead of it.
        let due = self.due.load(Ordering::Relaxed);
        let now = millis(self.policy.now());
        Some(Reading { now, period, due })
    }

    /// Visits all caches.
    fn visit_all(&self, sweep: Sweep, take: Take, loot: &mut Vec<Loot<T>>) {
        let mut revoked = false;
        for cache in self.caches.iter() {
            revoked |= cache.revoke(&sweep);
        }
        if !revoked {
            return;
        }
        // One barrier for all caches.
        let mut visits = match sweep.heavy() {
            Ok(visits) => visits,
            Err(unordered) => {
                self.caches
                    .iter()
                    .for_each(|cache| cache.give_back(&unordered));
                return;
            }
        };
        // First those whose owners are out, so that no cache is shut while we wait for another's owner.
        let mut left = false;
        for cache in self.caches.iter() {
            left |= !cache.visit(&mut visits, take, loot);
        }
        if left {
            let mut patience = match take {
                Take::Parked => Patience::short(),
                Take::All => Patience::long(),
            };
            for cache in self.caches.iter() {
                // An owner that stays inside was stopped there, or lost in a fork; its cache is left as it is.
                patience.wait_until(|| cache.visit(&mut visits, take, loot));
                cache.restore(&mut visits);
            }
        }
    }

    /// Has every thread empty its own cache at its next operation, for nobody else can any more: heavy barriers are refused
    /// for good. Empties the caller's, and those of threads that are gone.
    #[cold]
    fn give_caches_up(&self, take: Take, loot: &mut Vec<Loot<T>>) {
        for (place, cache) in self.caches.places() {
            cache.give_up();
            if cache.is_empty() {
                continue;
            }
            // As whose heirs we are their owners.
            let heir = thread::inherit(place);
            if heir.is_none() && place != thread::place() {
                continue;
            }
            if take == Take::All && loot.try_reserve(1).is_ok() {
                loot.extend(cache.strip());
            } else {
                self.empty_given_up(cache);
            }
        }
    }

    /// Turns the generation if its time has come. Called on slow paths with nothing held; so many operations lie
    /// behind the caller since it last came by.
    ///
    /// No event tells of it: this may be a put in the destructor of a thread-local, where a subscriber may panic.
    pub(crate) fn turn_if_due(&self, operations: usize, reading: Option<Reading>) {
        let turns = self.turns_by_operations(operations) + self.turns_by_time(reading);
        for _ in 0..turns.min(2) {
            self.turn_without_event();
        }
        // In the child of a fork.
        #[cfg(not(pool_loom))]
        crate::reaper::restart_if_lost();
    }

    /// The same on the slow path of a put. The next take from this cache looks at the clock.
    pub(crate) fn turn_if_due_at_put(&self, cache: Option<&LocalCache<T>>) {
        let reading = self.read_clock();
        let operations = cache.map_or(1, |cache| cache.pass(reading));
        self.turn_if_due(operations, reading);
    }

    /// Turns the generation if a period is over; says how long the current one still lasts. None if time has
    /// nothing to do with it.
    #[cfg(not(pool_loom))]
    pub(crate) fn turn_by_time(&self) -> Option<Duration> {
        let reading = self.read_clock()?;
        for _ in 0..self.turns_by_time(Some(reading)) {
            self.rotate();
        }
        // Turns may have taken their time.
        let Reading { now, period, due } = self.read_clock()?;
        let left = due.wrapping_sub(now);
        let left = if left <= 2 * period { left } else { 0 };
        Some(Duration::from_millis(left as u64))
    }

    fn turns_by_operations(&self, done: usize) -> usize {
        let Some(after) = self.policy.after else {
            return 0;
        };
        // ORDERING: Relaxed. A count.
        if self
            .operations
            .fetch_add(done, Ordering::Relaxed)
            .wrapping_add(done)
            < after
        {
            return 0;
        }
        // ORDERING: Relaxed. Of several that see it full, one resets it to zero from a count that big.
        let count = self.operations.swap(0, Ordering::Relaxed);
        usize::from(count >= after)
    }

    fn turns_by_time(&self, reading: Option<Reading>) -> usize {
        let Some(Reading { now, period, due }) = reading.filter(Reading::is_due) else {
            return 0;
        };
        // Zero means that nobody has asked yet.
        let next = now.wrapping_add(period) | 1;
        let late = now.wrapping_sub(due);
        // ORDERING: Relaxed. See `read_clock`.
        if self
            .due
            .compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed)
            .is_err()
        {
            return 0;
        }
        match due {
            0 => 0,
            // Nobody came by for a whole period more: what lies here has been idle for two.
            _ if late >= period => 2,
            _ => 1,
        }
    }
}

/// A time in milliseconds, wrapping where a word does.
fn millis(time: Duration) -> usize {
    (time.as_secs() as usize)
        .wrapping_mul(1000)
        .wrapping_add(time.subsec_millis() as usize)
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use std::sync::{Arc, Mutex, OnceLock};

    use super::*;
    use crate::Clock;

    /// A clock that can be put back.
    struct Hands(Mutex<u64>);

    impl Clock for Hands {
        fn now(&self) -> Duration {
            Duration::from_millis(*self.0.lock().unwrap())
        }
    }

    /// A pool, and what sets its clock, looks whether it is to turn, and says how long the period lasts.
    fn timed(period: u64) -> (Arc<Pool<u8>>, impl Fn(u64) -> Option<u128>) {
        let clock = Arc::new(Hands(Mutex::new(0)));
        let make: fn() -> u8 = || 0;
        let pool = Pool::builder(make)
            .rotate_every(Duration::from_millis(period))
            .clock(clock.clone())
            .build();
        let pool = Arc::new(pool);
        let ours = pool.clone();
        let at = move |now| {
            *clock.0.lock().unwrap() = now;
            ours.turn_by_time().map(|left| left.as_millis())
        };
        (pool, at)
    }

    #[test]
    fn periods_end_at_odd_times() {
        // Never zero, which means that nobody has asked.
        for (period, now, left) in [
            (10, 0, 11),
            (11, 0, 11),
            (10, 1, 10),
            (10, 5, 10),
            (1, 0, 1),
        ] {
            let (pool, at) = timed(period);
            assert_eq!(at(now), Some(left), "{period} at {now}");
            let end = now + left as u64;
            assert_eq!((at(end - 1), pool.generation()), (Some(1), 0));
            at(end);
            assert_eq!(pool.generation(), 1, "{period} at {now}");
        }
    }

    #[test]
    fn once_a_period_and_twice_when_late() {
        let (pool, at) = timed(1000);
        assert_eq!((at(5000), pool.generation()), (Some(1001), 0));
        assert_eq!((at(6000), pool.generation()), (Some(1), 0));
        assert_eq!((at(6001), pool.generation()), (Some(1000), 1));
        // A millisecond before it is a whole period late.
        assert_eq!((at(8000), pool.generation()), (Some(1001), 2));
        assert_eq!((at(10_001), pool.generation()), (Some(1000), 4));
        assert_eq!(
            (at(20_000), pool.generation()),
            (Some(1001), 6),
            "twice and no more"
        );
    }

    #[test]
    fn clocks_may_go_back() {
        let (pool, at) = timed(1000);
        assert_eq!(at(10_000), Some(1001));
        assert_eq!((at(9500), pool.generation()), (Some(1501), 0));
        assert_eq!((at(9001), pool.generation()), (Some(2000), 0));
        // By more than a period: it would wait for long.
        assert_eq!((at(9000), pool.generation()), (Some(1001), 2));
    }

    #[test]
    fn only_those_with_a_period_turn_by_time() {
        let pool = Pool::builder(|| 0).rotate_manually().build();
        assert!(pool.turn_by_time().is_none() && pool.read_clock().is_none());
        assert_eq!(pool.turns_by_operations(usize::MAX), 0);
    }

    #[test]
    fn operations_are_counted_anew_after_a_turn() {
        let pool = Pool::builder(|| 0)
            .rotate_manually()
            .rotate_after(10)
            .build();
        for (operations, turns) in [(9, 0), (1, 1), (9, 0), (100, 1), (10, 1), (9, 0)] {
            assert_eq!(pool.turns_by_operations(operations), turns, "{operations}");
        }
        pool.turn_if_due(1, None);
        assert_eq!(pool.generation(), 1);
    }

    #[test]
    fn time_and_operations_turn_twice_at_most() {
        let clock = Arc::new(Hands(Mutex::new(1)));
        let pool = Pool::builder(|| 0)
            .rotate_every(Duration::from_millis(10))
            .clock(clock.clone())
            .rotate_after(10)
            .build();
        let mut turns = 0;
        // When it is: by operations, by time, by both, and by both when it is late.
        for (now, operations, more) in [(1, 9, 0), (2, 1, 1), (12, 1, 1), (24, 9, 2), (100, 10, 2)]
        {
            *clock.0.lock().unwrap() = now;
            pool.turn_if_due(operations, pool.read_clock());
            turns += more;
            assert_eq!(pool.generation(), turns, "at {now}");
        }
    }

    #[test]
    fn what_comes_while_clearing_stays() {
        static POOL: OnceLock<Pool<u8>> = OnceLock::new();
        let make: fn() -> u8 = || 0;
        let pool = POOL.get_or_init(|| {
            let comes_again = |item: &u8, _| {
                if let (1, Some(pool)) = (item, POOL.get()) {
                    pool.put(2);
                }
            };
            let builder = Pool::builder(make).thread_cache(0).rotate_manually();
            builder.on_discard(comes_again).build()
        });
        pool.put(1);
        pool.clear();
        assert_eq!((pool.stats().idle, pool.try_take()), (1, Some(2)));
    }

    #[test]
    fn clearing_reaches_into_shards_that_are_claimed() {
        for stuck in [None, Some(0), Some(1), Some(2)] {
            let pool = Pool::builder(|| 0)
                .thread_cache(0)
                .rotate_manually()
                .build();
            let mut claims = Vec::new();
            for number in 0..3 {
                let (found, mut claim) = pool.shards.claim_any(0, || 3, 0).unwrap();
                assert_eq!(
                    (found, claim.push_one(Parity::primary(0), 1)),
                    (number, Ok(()))
                );
                pool.shards.mark(Parity::primary(0), number);
                claims.push(claim);
            }
            drop(claims);
            let claim = stuck.map(|number| pool.shards.get(number).unwrap().try_claim());
            pool.clear();
            let stats = pool.stats();
            assert_eq!(
                (stats.idle, stats.discards.by(DiscardReason::Cleared)),
                (0, 3)
            );
            drop(claim);
        }
    }
}
