//! How the loads of one slot are protected: by the light barrier, or by fences. Decided by how often it is stored to.

use crate::env::{self, Asymmetric, Switch};
use crate::sync::{AtomicU32, Ordering, const_unless_loom};

/// Nobody has decided: loads use fences, and no replacement has gone without the heavy barrier.
pub(crate) const UNDECIDED: u32 = 0;
/// Loads use the light barrier, replacements the heavy one.
pub(crate) const LIGHT: u32 = 1;
/// Between the two: loads use fences, replacements the heavy barrier.
const TURNING: u32 = 2;
/// Both use fences.
pub(crate) const FENCES: u32 = 3;

/// The bits of the word that hold one of these. The others count the turns, so that a thread that was stopped in the
/// middle of a turn does not end another one.
const STATE: u32 = 3;
const ONE_TURN: u32 = 4;

/// How many stores behind the heavy barrier are timed together.
const LIGHT_STORES: u32 = 8;
/// How many stores behind a fence are timed together. Every so many fit the count.
const FENCED_STORES: u32 = 64;
/// Stores that come more often than this are better off with fences.
const TOO_OFTEN_US: u32 = 16;
/// Stores that come less often than this are better off with the barrier.
const SELDOM_US: u32 = 64;

/// The low bits of [`Mode::pace`] count stores. The others are the time at which the count last began, in units of as
/// many microseconds as the count has values.
const COUNT: u32 = FENCED_STORES - 1;

/// The mode of one slot.
pub(super) struct Mode {
    word: Switch,
    /// When, and how often since, the slot was stored to. Written without regard for others: what gets lost makes a turn
    /// come late.
    pace: AtomicU32,
}

/// What protects a replacement's sweep.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sweep {
    /// Loads that may have read the old value have announced it.
    Ordered,
    /// The system has refused the barrier, and loads that relied on it may be under way. For good, or for now.
    Refused { for_good: bool },
}

impl Mode {
    const_unless_loom! {
        pub(super) const fn new() -> Self {
            Self { word: Switch::new(env::first_mode()), pace: AtomicU32::new(0) }
        }
    }

    /// Whether a thread with so much trust in the barrier may load by it.
    #[inline]
    pub(super) fn is(&self, trust: u32) -> bool {
        // ORDERING: Acquire, pairs with the Release in `turn`: what a replacement removed that went without the heavy
        // barrier is out of the slot for us.
        self.word.look(|word| word.load(Ordering::Acquire)) & STATE == trust
    }

    /// Orders a replacement against the loads that may be under way. After the exchange, and a fence.
    #[inline]
    pub(super) fn order(&self) -> Sweep {
        loop {
            // ORDERING: Acquire, pairs with the Release in `turn`: the announcements of loads by the light barrier,
            // from before the turn to fences, are visible.
            let seen = self.word.look(|word| word.load(Ordering::Acquire));
            match seen & STATE {
                FENCES => return Sweep::Ordered,
                UNDECIDED if !self.decide(FENCES) => {}
                UNDECIDED => return Sweep::Ordered,
                _ => return heavy(),
            }
        }
    }

    /// Decides, unless somebody has. Costs no barrier: nobody has gone without one side so far.
    fn decide(&self, state: u32) -> bool {
        // ORDERING: Relaxed. No load by the light barrier and no replacement without the heavy one has come before. Who
        // reads `LIGHT` here has to find the barrier there, too: who decides so has asked for it in `Record::ask`, and
        // the fence in there comes between the two.
        let decided = self.word.change(|word| {
            word.compare_exchange(UNDECIDED, state, Ordering::Relaxed, Ordering::Relaxed)
        });
        decided.is_some_and(|decided| decided.is_ok())
    }

    /// Counts a store, and turns the slot when they come often, or no longer do. Outside of everything.
    #[inline]
    pub(super) fn stored(&self) {
        if !env::PACED {
            return;
        }
        // ORDERING: Relaxed, as for all of `pace`: it decides what is quick, never what is right.
        let pace = self.pace.load(Ordering::Relaxed).wrapping_add(1);
        // ORDERING: Relaxed, as above. Only the count moves: where it comes round, the time is written anew.
        self.pace.store(pace, Ordering::Relaxed);
        if pace & (LIGHT_STORES - 1) == 0 {
            self.look_at_the_clock(pace);
        }
    }

    #[cold]
    fn look_at_the_clock(&self, pace: u32) {
        // ORDERING: Relaxed. A hint; `turn` looks again.
        let seen = self.word.look(|word| word.load(Ordering::Relaxed));
        let is_fenced = seen & STATE == FENCES;
        if is_fenced && (pace & COUNT != 0 || Asymmetric::get().is_none()) {
            return;
        }
        // It has carried into the time, at the last of them.
        let since = if is_fenced {
            pace.wrapping_sub(1)
        } else {
            pace
        };
        let now = env::microseconds() & !COUNT;
        // ORDERING: Relaxed, see `stored`.
        self.pace.store(now, Ordering::Relaxed);
        if since & !COUNT == 0 {
            // The first time.
            return;
        }
        let passed = now.wrapping_sub(since & !COUNT);
        if is_fenced && passed > SELDOM_US * FENCED_STORES {
            self.turn(seen, LIGHT);
        } else if !is_fenced && passed < TOO_OFTEN_US * LIGHT_STORES {
            self.turn(seen, FENCES);
        }
    }

    /// For a load that had to use fences: sees whether it might be otherwise. Outside of everything.
    #[cold]
    pub(super) fn reconsider(&self) {
        // ORDERING: Relaxed. A hint; `turn` looks again.
        let seen = self.word.look(|word| word.load(Ordering::Relaxed));
        match seen & STATE {
            UNDECIDED => {
                self.decide(LIGHT);
            }
            LIGHT => {}
            TURNING => self.turn(seen, LIGHT),
            _ => {
                // ORDERING: Relaxed, see `stored`.
                let since = self.pace.load(Ordering::Relaxed) & !COUNT;
                let passed = (env::microseconds() & !COUNT).wrapping_sub(since);
                if passed > SELDOM_US * FENCED_STORES {
                    self.turn(seen, LIGHT);
                }
            }
        }
    }

    /// Decides for fences, where there is no barrier.
    pub(super) fn give_up(&self) {
        self.decide(FENCES);
    }

    /// Whether nobody has decided so far.
    #[inline]
    pub(super) fn is_undecided(&self) -> bool {
        // ORDERING: Relaxed. A hint.
        self.word.look(|word| word.load(Ordering::Relaxed)) & STATE == UNDECIDED
    }

    /// Turns the slot to `state`, from what was seen, or ends the turn of somebody else.
    ///
    /// A slot behind fences stays so unless the barrier is there: while it turns, a replacement takes a missing barrier
    /// for one that was refused.
    fn turn(&self, seen: u32, state: u32) {
        if seen & STATE == FENCES && Asymmetric::get().is_none() {
            return;
        }
        let turning = if seen & STATE == TURNING {
            seen
        } else {
            (seen & !STATE).wrapping_add(ONE_TURN) | TURNING
        };
        // ORDERING: Acquire, pairs with the Release below: passes on what earlier turns made visible.
        // Relaxed on failure: somebody else turns it.
        let begun = self.word.change(|word| {
            word.compare_exchange(seen, turning, Ordering::Acquire, Ordering::Relaxed)
        });
        if begun.is_none_or(|begun| begun.is_err()) {
            return;
        }
        let state = match heavy() {
            // Now each thread either has its announcement out and its removal done, or sees that the slot is turning.
            Sweep::Ordered => state,
            // As before: nobody has used the light barrier since.
            Sweep::Refused { .. } if seen & STATE == FENCES => FENCES,
            Sweep::Refused { .. } => return,
        };
        // ORDERING: Release, pairs with the Acquire in `is` and `order`. Relaxed on failure: somebody else was quicker.
        self.word.change(|word| {
            word.compare_exchange(
                turning,
                turning & !STATE | state,
                Ordering::Release,
                Ordering::Relaxed,
            )
        });
    }

    /// Turns the slot now, for models and tests.
    #[cfg(any(pool_loom, test))]
    pub(super) fn turn_now(&self, light: bool) {
        // ORDERING: Acquire, as in `turn`.
        let seen = self.word.look(|word| word.load(Ordering::Acquire));
        self.turn(seen, if light { LIGHT } else { FENCES });
    }
}

/// The heavy barrier. What the system says decides, never what was known of it.
pub(super) fn heavy() -> Sweep {
    // Without the pair it is refused already: no slot is `LIGHT` or turning before there is one, and who sees that it is
    // sees so much of the barrier.
    match Asymmetric::get().map(Asymmetric::heavy) {
        Some(Ok(())) => Sweep::Ordered,
        Some(Err(refused)) => Sweep::Refused {
            for_good: refused.is_for_good(),
        },
        None => Sweep::Refused { for_good: true },
    }
}
