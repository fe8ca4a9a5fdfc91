//! How often a thread looks at the clock: after how many takes that its cache serves.
//!
//! Reading the time costs more than a take, so a busy thread looks only now and then. But a thread that takes once a
//! second must look each time, or what a burst left behind stays for minutes. So the pace follows the traffic. At a
//! look, a thread that was here a moment ago is granted more takes until the next look; one that was not looks at
//! every take. Two bounds follow, `P` being the pool's period:
//!
//! * At a steady rate, looks are at most `P / 2` apart, or one take where takes are further apart than that. A thread
//!   is granted [`STEP`] times as many takes only if the last grant was used up within [`MOMENT`] of `P`, so
//!   the next one takes at most `STEP / MOMENT` of `P`.
//! * After the rate has fallen, the next look comes within [`MOST`] takes.
//!
//! A slow operation that is no such look (a miss, an overflow) reads the clock anyway, and after it the next take
//! looks: a burst of misses says nothing about the traffic to come.

use core::cell::Cell;

/// The most takes between two looks.
pub(crate) const MOST: usize = 64;

/// By what the grant grows. By eight, not by two: a thread that refills its cache by batches of some 32 then looks
/// twice for each batch and not five times.
const STEP: usize = 8;

/// Which part of a period counts as a moment.
const MOMENT: usize = 16;

/// What a thread knows of its looks. Touched by the owner of the cache that it belongs to, and by nobody else.
pub(crate) struct Pace {
    /// How many takes the last look granted.
    grant: Cell<usize>,
    /// When the clock was last read.
    read: Cell<usize>,
    /// Takes served when the pool's operations were last counted.
    counted: Cell<usize>,
    /// What is left of the grant in a pool all of whose takes are slow.
    spare: Cell<usize>,
    /// How many takes without a cache came before no put: as many puts need not look, for those takes did when it was
    /// time.
    ahead: Cell<usize>,
}

// SAFETY: an entry of a pool's table has one owner at a time, and only the owner calls the methods. Ownership passes
// from a thread to its heir by the release and acquire of the thread's number (P0).
unsafe impl Sync for Pace {}

/// A reading of a pool's clock, and what goes with it, in milliseconds that wrap where a word does.
#[derive(Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) now: usize,
    /// How long a generation lasts.
    pub(crate) period: usize,
    /// When the generation was to turn, as of a moment before the clock was read; 0 if nobody has asked yet.
    pub(crate) due: usize,
}

impl Reading {
    /// Whether the generation is to turn, or its first period to begin.
    #[inline]
    pub(crate) fn is_due(&self) -> bool {
        // Not half the range of a word: on 32-bit targets that is passed after 25 idle days.
        let ahead = self.due.wrapping_sub(self.now);
        self.due == 0 || ahead == 0 || ahead > 2 * self.period
    }
}

impl Pace {
    pub(crate) const fn new() -> Self {
        Self {
            grant: Cell::new(1),
            read: Cell::new(0),
            counted: Cell::new(0),
            spare: Cell::new(0),
            ahead: Cell::new(0),
        }
    }

    /// A take that came to look: how many takes are granted, itself included. `None` where time plays no part.
    #[inline]
    pub(crate) fn look(&self, reading: Option<Reading>) -> usize {
        let soon = reading.is_none_or(|Reading { now, period, .. }| {
            now.wrapping_sub(self.read.replace(now)) <= period / MOMENT
        });
        let grant = if soon {
            (self.grant.get() * STEP).min(MOST)
        } else {
            1
        };
        self.grant.set(grant);
        grant
    }

    /// Another slow operation: the next take looks.
    pub(crate) fn pass(&self, reading: Option<Reading>) {
        if let Some(Reading { now, .. }) = reading {
            self.read.set(now);
        }
        self.grant.set(1);
        self.spare.set(0);
    }

    /// How many operations lie behind a thread that has been served so many takes, the one that it is making included.
    pub(crate) fn operations(&self, served: usize) -> usize {
        served
            .wrapping_sub(self.counted.replace(served))
            .wrapping_add(1)
    }

    /// The operation that was counted last was a take, and served.
    pub(crate) fn operation_was_served(&self) {
        self.counted.set(self.counted.get().wrapping_add(1));
    }

    /// For a pool all of whose takes are slow: whether this one need not look.
    pub(crate) fn is_spared(&self) -> bool {
        let left = self.spare.get().checked_sub(1);
        self.spare.set(left.unwrap_or(0));
        left.is_some()
    }

    /// A take without a cache.
    #[inline]
    pub(crate) fn took(&self) {
        self.ahead.set((self.ahead.get() + 1).min(MOST));
    }

    /// A put without a cache: whether it need not look.
    #[inline]
    pub(crate) fn is_put_spared(&self) -> bool {
        let left = self.ahead.get().checked_sub(1);
        self.ahead.set(left.unwrap_or(0));
        left.is_some()
    }

    /// Another thread has begun: its next operation looks.
    pub(crate) fn start_over(&self) {
        self.pass(None);
        self.ahead.set(0);
    }

    /// For such a pool: how many takes after this need not look.
    pub(crate) fn spare(&self, takes: usize) {
        self.spare.set(takes);
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use super::*;

    /// Takes at these times, each look's grant used up before the next look; gives the times of the looks.
    fn looks(period: usize, takes: impl IntoIterator<Item = usize>) -> Vec<usize> {
        let pace = Pace::new();
        let mut left = 0;
        let mut looks = Vec::new();
        for now in takes {
            if left == 0 {
                left = pace.look(Some(Reading {
                    now,
                    period,
                    due: 0,
                }));
                looks.push(now);
            }
            left -= 1;
        }
        looks
    }

    #[test]
    fn steady_takes_look_twice_a_period() {
        for (period, apart) in [(1000, 1), (1000, 7), (1000, 62), (1000, 63), (1000, 400)] {
            let looks = looks(period, (1..5000).map(|take| take * apart));
            let longest = looks.windows(2).map(|pair| pair[1] - pair[0]).max();
            assert!(
                longest <= Some(apart.max(period / 2)),
                "{longest:?} between looks, takes {apart} apart"
            );
        }
    }

    #[test]
    fn dense_takes_look_every_64th_time() {
        let looks = looks(1000, std::iter::repeat_n(5, 8 + 64 * 100));
        assert_eq!(looks.len(), 101);
    }

    #[test]
    fn a_fall_of_the_rate_is_noticed() {
        let dense = std::iter::repeat_n(1, 8 + 64 + 3);
        let looks = looks(1000, dense.chain((1..200).map(|take| take * 1000)));
        let late: Vec<_> = looks.iter().filter(|&&at| at > 1).collect();
        // 61 takes of the grant were left.
        assert_eq!(late[..3], [&62_000, &63_000, &64_000]);
        assert_eq!(late.len(), 138, "each one after that");
    }

    #[test]
    fn other_slow_operations_start_over() {
        let reading = |now| {
            Some(Reading {
                now,
                period: 1000,
                due: 0,
            })
        };
        let pace = Pace::new();
        assert_eq!((pace.look(reading(1000)), pace.look(reading(1001))), (1, 8));
        assert_eq!(pace.look(reading(1002)), 64);
        pace.pass(reading(1003));
        assert_eq!(pace.look(reading(1066)), 1, "63 ms are more than a moment");
        assert_eq!(pace.look(reading(1066)), 8);
        // Without a period only operations are counted.
        let pace = Pace::new();
        assert_eq!([1, 2, 3].map(|_| pace.look(None)), [8, 64, 64]);
    }

    #[test]
    fn puts_without_takes_look() {
        let pace = Pace::new();
        assert!(!pace.is_put_spared());
        (0..3).for_each(|_| pace.took());
        assert_eq!(
            [1, 2, 3, 4].map(|_| pace.is_put_spared()),
            [true, true, true, false]
        );
        (0..1000).for_each(|_| pace.took());
        assert_eq!((0..1000).filter(|_| pace.is_put_spared()).count(), MOST);
        pace.took();
        pace.start_over();
        assert!(!pace.is_put_spared());
    }

    #[test]
    fn operations_are_counted_once() {
        let pace = Pace::new();
        assert_eq!(pace.operations(0), 1);
        pace.operation_was_served();
        assert_eq!(pace.operations(10), 10);
        assert_eq!(pace.operations(10), 1);
    }
}
