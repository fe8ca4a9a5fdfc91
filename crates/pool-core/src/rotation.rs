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

use crate::barrier;
use crate::cache::{Loot, Sweep, Take};
use crate::discard::DiscardReason;
use crate::env::Patience;
use crate::pool::Pool;
use crate::shard::{Outdated, Parity};
use crate::sync::Ordering;

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
        // With nothing held: a subscriber is the program's own code.
        #[cfg(feature = "tracing")]
        tracing::debug!(
            generation,
            idle = self.idle(),
            "the pool's generation turned"
        );
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
        tracing::debug!(idle = self.idle(), "the pool was cleared");
    }

    /// Visits all caches and takes items out of them.
    fn sweep(&self, take: Take) -> Vec<Loot<T>> {
        let mut loot = Vec::new();
        // By twos, so that the number is never 0. It comes back after half the range of a word.
        //
        // ORDERING: Relaxed. Only has to differ from the numbers of other sweeps under way.
        let sweep = Sweep::new(self.sweeps.fetch_add(2, Ordering::Relaxed));
        let mut revoked = false;
        for cache in self.caches.iter() {
            revoked |= sweep.revoke(cache);
        }
        if revoked {
            // One barrier for all caches.
            let ordered = barrier::heavy();
            // First those whose owners are out, so that no cache is shut while we wait for another's owner.
            let mut left = !ordered;
            if ordered {
                for cache in self.caches.iter() {
                    left |= !sweep.visit(cache, take, &mut loot);
                }
            }
            if left {
                let mut patience = match take {
                    Take::Parked => Patience::short(),
                    Take::All => Patience::long(),
                };
                for cache in self.caches.iter() {
                    // An owner that stays inside was stopped there, or lost in a fork; its cache is left as it is.
                    if ordered {
                        patience.wait_until(|| sweep.visit(cache, take, &mut loot));
                    }
                    sweep.restore(cache);
                }
            }
        }
        loot
    }

    /// Turns the generation if its time has come. Called on slow paths with nothing held; so many operations lie
    /// behind the caller since it last came by.
    pub(crate) fn turn_if_due(&self, operations: usize) {
        let turns = self.turns_by_operations(operations) + self.turns_by_time();
        for _ in 0..turns.min(2) {
            self.rotate();
        }
        // In the child of a fork.
        #[cfg(not(pool_loom))]
        crate::reaper::restart_if_lost();
    }

    /// Turns the generation if a period is over; says how long the current one still lasts. None if time has
    /// nothing to do with it.
    #[cfg(not(pool_loom))]
    pub(crate) fn turn_by_time(&self) -> Option<Duration> {
        let period = millis(self.policy.every?);
        for _ in 0..self.turns_by_time() {
            self.rotate();
        }
        let now = millis(self.policy.now());
        // ORDERING: Relaxed. A time.
        let left = self.due.load(Ordering::Relaxed).wrapping_sub(now);
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

    fn turns_by_time(&self) -> usize {
        let Some(every) = self.policy.every else {
            return 0;
        };
        // ORDERING: Relaxed. A time; the exchange below makes one caller the one that turns. Before the look at the
        // clock, so that a due time that is new to us is not far ahead of it.
        let due = self.due.load(Ordering::Relaxed);
        let (now, period) = (millis(self.policy.now()), millis(every));
        // Zero means that nobody has asked yet.
        let next = now.wrapping_add(period) | 1;
        // Not half the range of a word: on 32-bit targets that is passed after 25 idle days.
        let ahead = due.wrapping_sub(now);
        if due != 0 && ahead != 0 && ahead <= 2 * period {
            return 0;
        }
        let late = now.wrapping_sub(due);
        // ORDERING: Relaxed, as above.
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
    time.as_millis() as usize
}
