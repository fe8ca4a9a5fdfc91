//! Turning the generation: what makes the pool give idle memory back.
//!
//! ```text
//!   generation      g             g + 1           g + 2
//!   chain[0]     primary   ───►   victim   ───►   drained, then primary again
//!   chain[1]     victim    ───►   drained,
//!                                 then primary ─► victim
//!   caches       used      ───►   parked   ───►   taken out, unless used in between
//! ```
//!
//! A turn empties the old victims from their tails, as anybody may, and then relabels. It claims nothing and waits for
//! nobody but, for a bounded time, the owners of caches. Destructors run with nothing held.

use core::time::Duration;

use pool_chain::raw::Detached;
use pool_gate::{Asymmetric, Status, Sweep};

use crate::cache::{LocalCache, Loot, Take};
use crate::deferred::Deferred;
use crate::discard::DiscardReason;
use crate::env::Patience;
use crate::pace::Reading;
use crate::part::{Parity, Part};
use crate::pool::Pool;
use crate::sync::Ordering;
use crate::thread;

/// How often a turn begins anew because the generation has turned meanwhile. Others', or those that a hook or
/// destructor made in its midst, which may bring new victims each time, have then turned it as often, and swept the
/// caches.
const ATTEMPTS: usize = 4;

impl<T, F> Pool<T, F> {
    /// Turns the generation: what was put back since the last turn becomes the victim, and what was left of
    /// the old victim is dropped. What is left unused by two turns is gone, whichever thread holds it; what is
    /// used once in between stays.
    ///
    /// Takes time in proportion to threads and to what it drops, and runs the destructors of that. Blocks for a bounded
    /// time at most: a thread that was stopped in the few instructions in which it may not be disturbed is passed over.
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
        let mut panics = Deferred::none();
        let turned = (0..ATTEMPTS).any(|_| {
            let generation = self.generation();
            // While they are victims, so that nothing that was put back in this generation is among them.
            self.let_victims_go(generation, &mut panics);
            // ORDERING: Relaxed. See `generation`. Who comes second has turned nothing, and begins anew with what have
            // become victims meanwhile.
            self.generation
                .compare_exchange(
                    generation,
                    generation.wrapping_add(1),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                )
                .is_ok()
        });
        if turned {
            let (loot, rings) = self.sweep(Some(Take::Parked));
            self.let_go(loot.into_iter().flatten(), &mut panics);
            self.tidy(rings, &mut panics);
        }
        panics.resume();
    }

    /// Drops the victims of a generation, but for as many as the floor wants.
    fn let_victims_go(&self, generation: usize, panics: &mut Deferred) {
        let victim = Parity::victim(generation);
        if self.policy.min_idle == 0 {
            for part in self.parts.iter() {
                let len = part.chain(victim).len();
                self.let_coldest_go(generation, part, len, panics);
            }
            return;
        }
        let victims = self.victims(victim);
        let surplus = self.idle().saturating_sub(self.policy.min_idle);
        self.let_some_go(generation, victims, surplus.min(victims), panics);
    }

    /// How many victims there are.
    pub(crate) fn victims(&self, victim: Parity) -> usize {
        let lens = self.parts.iter().map(|part| part.chain(victim).len());
        lens.sum()
    }

    /// Drops some of so many victims: the same part of each thread's, as nobody knows which one's are older.
    pub(crate) fn let_some_go(
        &self,
        generation: usize,
        victims: usize,
        mut surplus: usize,
        panics: &mut Deferred,
    ) {
        let victim = Parity::victim(generation);
        let mut there = victims;
        for part in self.parts.iter() {
            let len = part.chain(victim).len().min(there);
            if len == 0 || surplus == 0 {
                continue;
            }
            let share = (surplus as f64 * (len as f64 / there as f64)).ceil() as usize;
            let share = share.min(surplus).min(len);
            self.let_coldest_go(generation, part, share, panics);
            there -= len;
            surplus -= share;
        }
    }

    /// Drops up to `count` of the oldest victims of a part: one by one, so that each is out of the pool only while it is
    /// dropped.
    fn let_coldest_go(
        &self,
        generation: usize,
        part: &Part<T>,
        count: usize,
        panics: &mut Deferred,
    ) {
        let victim = Parity::victim(generation);
        for _ in 0..count {
            let Some(item) = part.chain(victim).pop_tail() else {
                return;
            };
            if self.generation() == generation {
                panics.call(|| self.discard(item, DiscardReason::Aged));
            } else {
                // The chain has become the primary meanwhile, and this may be an item that was just put back (R3).
                return panics.call(|| self.shelve_one(item));
            }
        }
    }

    /// Gives the memory of empty rings back: what a sweep has brought, and where it could not come, the caller's and
    /// that of threads that are gone.
    fn tidy(&self, rings: Vec<Detached<T>>, panics: &mut Deferred) {
        let own = self.part();
        // Empty, but for what a thief that was out of step may have given back meanwhile.
        self.let_go(rings.into_iter().flatten(), panics);
        for part in self.parts.iter() {
            let producer = if own.is_some_and(|own| core::ptr::eq(own, part)) {
                part.produce()
            } else if thread::is_leased(part.number()) {
                None
            } else {
                thread::inherit(part.number()).and_then(|heir| part.produce_as(heir))
            };
            let Some(producer) = producer else {
                continue;
            };
            let rings = producer.strip();
            for (index, rings) in rings.iter().enumerate() {
                if rings.is_some() {
                    self.parts.unmark(Parity::primary(index), part);
                }
            }
            drop(producer);
            self.let_go(rings.into_iter().flatten().flatten(), panics);
        }
        self.collect();
    }

    /// Frees the memory of unlinked rings.
    pub(crate) fn collect(&self) {
        // All chains of the process have it in one place; under Miri each has its own, and the model checker's is eager.
        let chains = match () {
            () if cfg!(miri) => usize::MAX,
            () if cfg!(pool_loom) => 0,
            () => 1,
        };
        self.parts.iter().take(chains).for_each(Part::collect);
    }

    /// Drops everything that the pool holds, in every thread's cache and chains. Items on loan are not
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
        let mut panics = Deferred::none();
        let (loot, rings) = self.sweep(Some(Take::All));
        let all = loot.into_iter().flatten();
        let all = all.chain(self.parts.iter().flat_map(Part::drain));
        self.discard_each(all, DiscardReason::Cleared, &mut panics);
        self.tidy(rings, &mut panics);
        // What the rings have been emptied of is out only now.
        let (_, rings) = self.sweep(None);
        self.tidy(rings, &mut panics);
        panics.resume();
        #[cfg(feature = "tracing")]
        crate::events::emit(|| tracing::debug!(idle = self.idle(), "the pool was cleared"));
        #[cfg(feature = "tracing")]
        crate::events::tell_refusal();
    }

    /// Takes items out of all caches, if told which, and the rings of empty chains.
    fn sweep(&self, take: Option<Take>) -> (Vec<Loot<T>>, Vec<Detached<T>>) {
        let (mut loot, mut rings) = (Vec::new(), Vec::new());
        if let Some(sweep) = Asymmetric::get().and_then(Sweep::new) {
            self.visit_all(sweep, take, &mut loot, &mut rings);
        }
        if let (Some(take), Status::Refused) = (take, pool_gate::status()) {
            self.give_caches_up(take, &mut loot);
        }
        (loot, rings)
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

    /// Visits all caches, and the heads of chains that have rings for nothing.
    fn visit_all(
        &self,
        sweep: Sweep,
        take: Option<Take>,
        loot: &mut Vec<Loot<T>>,
        rings: &mut Vec<Detached<T>>,
    ) {
        let mut revoked = false;
        for part in self.parts.iter() {
            revoked |= take.is_some() && part.cache.revoke(&sweep);
            revoked |= part.revoke(&sweep);
        }
        if !revoked {
            return;
        }
        // One barrier for all of them.
        let mut visits = match sweep.heavy() {
            Ok(visits) => visits,
            Err(unordered) => {
                for part in self.parts.iter() {
                    part.cache.give_back(&unordered);
                    part.give_back(&unordered);
                }
                return;
            }
        };
        // First those whose owners are out, so that nothing is shut while we wait for another's owner.
        let mut left = false;
        for part in self.parts.iter() {
            left |= take.is_some_and(|take| !part.cache.visit(&mut visits, take, loot));
            left |= !part.visit(&mut visits, rings);
        }
        if left {
            let mut patience = match take {
                Some(Take::All) => Patience::long(),
                _ => Patience::short(),
            };
            for part in self.parts.iter() {
                // An owner that stays inside was stopped there, or lost in a fork; its cache is left as it is.
                if let Some(take) = take {
                    patience.wait_until(|| part.cache.visit(&mut visits, take, loot));
                    part.cache.restore(&mut visits);
                }
                // The next turn will do.
                part.restore(&mut visits);
            }
        }
    }

    /// Has every thread empty its own cache at its next operation, for nobody else can any more: heavy barriers are
    /// refused for good. Empties the caller's, and those of threads that are gone.
    #[cold]
    fn give_caches_up(&self, take: Take, loot: &mut Vec<Loot<T>>) {
        let own = self.part();
        for part in self.parts.iter() {
            let cache = &part.cache;
            cache.give_up();
            if cache.is_empty() {
                continue;
            }
            // As whose heirs we are their owners.
            let heir = thread::inherit(part.number());
            if heir.is_none() && !own.is_some_and(|own| core::ptr::eq(own, part)) {
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
    fn what_comes_while_turning_is_not_taken_for_old() {
        let pool = Pool::builder(|| 0)
            .thread_cache(0)
            .rotate_manually()
            .build();
        pool.put(1);
        let own = pool.own_part().unwrap();
        // As one that was about to begin with the victims when another turned.
        pool.rotate();
        pool.rotate();
        pool.put(2);
        let late = pool.generation().wrapping_sub(1);
        pool.let_coldest_go(late, own, 5, &mut Deferred::none());
        assert_eq!((pool.stats().idle, pool.try_take()), (1, Some(2)));
    }

    #[test]
    fn a_turn_in_the_midst_of_a_turn_is_another() {
        static POOL: OnceLock<Pool<u8>> = OnceLock::new();
        let make: fn() -> u8 = || 0;
        let pool = POOL.get_or_init(|| {
            let turns = |item: &u8, _| {
                if let (1, Some(pool)) = (item, POOL.get()) {
                    pool.rotate();
                    pool.put(2);
                }
            };
            let builder = Pool::builder(make).thread_cache(0).rotate_manually();
            builder.on_discard(turns).build()
        });
        pool.put(1);
        pool.rotate();
        assert_eq!(pool.generation(), 1);
        pool.rotate();
        // The one in the hook, and the one that it interrupted.
        assert_eq!((pool.generation(), pool.stats().idle), (3, 1));
        pool.rotate();
        assert_eq!(pool.stats().idle, 0);
    }

    #[test]
    fn turns_that_breed_turns_end() {
        static POOL: OnceLock<Pool<u8>> = OnceLock::new();
        let make: fn() -> u8 = || 0;
        let pool = POOL.get_or_init(|| {
            let breeds = |_: &u8, _| {
                if let Some(pool) = POOL.get() {
                    pool.put(2);
                    pool.rotate();
                }
            };
            let builder = Pool::builder(make).thread_cache(0).rotate_manually();
            builder.on_discard(breeds).build()
        });
        pool.put(1);
        pool.rotate();
        pool.rotate();
        assert_eq!((pool.generation(), pool.stats().idle), (1 + ATTEMPTS, 1));
    }

    #[test]
    fn rings_of_threads_that_are_gone_are_given_back() {
        let pool = Pool::builder(|| 0)
            .thread_cache(0)
            .rotate_manually()
            .build();
        let number = std::thread::scope(|scope| {
            let put = || {
                (0..100).for_each(|_| pool.put(0));
                pool.part().unwrap().number()
            };
            scope.spawn(put).join().unwrap()
        });
        pool.rotate();
        pool.rotate();
        let part = pool.parts.iter().find(|part| part.number() == number);
        let primary = Parity::primary(0);
        assert_eq!(pool.stats().idle, 0);
        // Another test's thread may have the number by now.
        let rings = part.unwrap().chain(primary).rings();
        assert!(rings == 0 || thread::is_leased(number), "{rings}");
    }
}
