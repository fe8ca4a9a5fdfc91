//! One round of the reaper: what is asked of the sources, and what is done to the pools.

use core::any::Any;
use core::time::Duration;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Instant;

use super::state::Source;
use crate::pressure::Pressure;
use crate::registry;

/// How long nothing is asked of a source that has just been asked, or of a pool whose visit has panicked.
pub(super) const PAUSE: Duration = Duration::from_millis(500);

/// What a panic leaves.
type Payload = Box<dyn Any + Send>;

/// Runs something of the user's; keeps the first panic for later. Nothing is held, and what it does to a pool is whole
/// whenever it stops.
fn guarded<R>(first: &mut Option<Payload>, f: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(result) => Some(result),
        Err(payload) => {
            match first {
                None => *first = Some(payload),
                // Its destructor may panic too.
                Some(_) => core::mem::forget(payload),
            }
            None
        }
    }
}

/// Visits all registered pools; says when the next visit is due.
pub(super) fn tend_all(first: &mut Option<Payload>) -> Option<Duration> {
    let mut next = None;
    for member in registry::members() {
        // Twice an option: a pool may be gone, or not go by time.
        let due =
            guarded(first, || member.visit(|pool| pool.tend()).flatten()).unwrap_or(Some(PAUSE));
        next = next.into_iter().chain(due).min();
        guarded(first, || drop(member));
    }
    next
}

/// How many items all registered pools have let go of, for whoever wants to know that it has changed.
pub(super) fn released(first: &mut Option<Payload>) -> u64 {
    registry::members().fold(0, |sum: u64, member| {
        let released = guarded(first, || {
            let released = member.visit(|pool| pool.released());
            drop(member);
            released
        });
        sum.wrapping_add(released.flatten().unwrap_or(0))
    })
}

/// Has all registered pools react.
pub(super) fn relieve_all(pressure: Pressure, first: &mut Option<Payload>) {
    #[cfg(feature = "tracing")]
    if pressure != Pressure::None {
        crate::events::emit(|| tracing::info!(?pressure, "pools react to memory pressure"));
    }
    for member in registry::members() {
        guarded(first, || {
            member.visit(|pool| match pressure {
                Pressure::None => {}
                Pressure::Medium => pool.turn(),
                Pressure::High => pool.empty(),
            });
            drop(member);
        });
    }
}

fn go_on(first: Option<Payload>) {
    if let Some(payload) = first {
        resume_unwind(payload);
    }
}

/// Looks after all registered pools once, as the [`Reaper`](crate::Reaper)'s thread does: turns the generations whose
/// time has come and lets the coldest items go. Says when to come again; None when no registered pool goes by time.
///
/// For event loops that want no thread. Takes time in proportion to the registered pools' threads, and then
/// runs destructors. Blocks for a bounded time at most, as [`Pool::rotate`](crate::Pool::rotate) does.
///
/// # Panics
///
/// When a destructor, a hook or a clock has panicked; all pools have been looked after even so.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use pool_core::{ManualClock, Pool, tend};
///
/// let clock = Arc::new(ManualClock::new());
/// let pool = Arc::new(
///     Pool::builder(String::new)
///         .rotate_every(Duration::from_secs(60))
///         .clock(clock.clone())
///         .build(),
/// );
/// pool.register_shared();
/// pool.put(String::from("idle"));
/// for _ in 0..2 {
///     let next = tend().expect("one pool goes by time");
///     assert!(next <= Duration::from_secs(61));
///     clock.advance(Duration::from_secs(61));
/// }
/// tend();
/// assert_eq!(pool.stats().idle, 0);
/// ```
pub fn tend() -> Option<Duration> {
    let mut first = None;
    let next = tend_all(&mut first);
    go_on(first);
    next
}

/// Has all registered pools react to memory pressure, as the [`Reaper`](crate::Reaper) does when a source tells it of
/// any: under [`Pressure::Medium`] each turns its generation, under [`Pressure::High`] each is cleared, and under
/// [`Pressure::None`] nothing happens.
///
/// Cost and blocking as [`Pool::rotate`](crate::Pool::rotate) and [`Pool::clear`](crate::Pool::clear).
///
/// # Panics
///
/// When a destructor or a hook has panicked; all pools have reacted even so.
pub fn relieve(pressure: Pressure) {
    let mut first = None;
    relieve_all(pressure, &mut first);
    go_on(first);
}

/// When which source was last asked.
#[derive(Default)]
pub(super) struct Asked(HashMap<(u64, usize), Instant>);

impl Asked {
    /// Whether a source may be asked again already.
    pub(super) fn is_fresh(&self, key: (u64, usize), now: Instant, pause: Duration) -> bool {
        self.0
            .get(&key)
            .is_some_and(|&then| now.saturating_duration_since(then) < pause)
    }

    /// Asks the sources whose time has come, those that spoke up, or all; says the worst answer.
    pub(super) fn ask(
        &mut self,
        sources: &[Source],
        ready: &[(u64, usize)],
        all: bool,
        first: &mut Option<Payload>,
    ) -> Pressure {
        let now = Instant::now();
        let mut worst = Pressure::None;
        let keys: Vec<_> = keys(sources).collect();
        self.0.retain(|key, _| keys.contains(key));
        for ((_, source), key) in sources.iter().zip(keys) {
            let spoke = ready.contains(&key);
            let interval = guarded(first, || source.interval()).unwrap_or(Some(PAUSE));
            // One that was never asked has its first turn now.
            let due = interval.is_some_and(|interval| !self.is_fresh(key, now, interval));
            if all || spoke || due {
                self.0.insert(key, now);
                worst = worst.max(guarded(first, || source.pressure(spoke)).unwrap_or_default());
            }
        }
        worst
    }

    /// When the next source is to be asked.
    pub(super) fn next(&self, sources: &[Source], first: &mut Option<Payload>) -> Option<Duration> {
        let now = Instant::now();
        let left = |((_, source), key): (&Source, (u64, usize))| {
            let interval = guarded(first, || source.interval()).flatten()?;
            let since = now.saturating_duration_since(*self.0.get(&key)?);
            Some(interval.saturating_sub(since))
        };
        sources.iter().zip(keys(sources)).filter_map(left).min()
    }
}

/// What tells sources apart: who brought it, and which of theirs it is.
pub(super) fn keys(sources: &[Source]) -> impl Iterator<Item = (u64, usize)> {
    let mut before = None;
    sources.iter().map(move |&(owner, _)| {
        let index = match before {
            Some((other, index)) if other == owner => index + 1,
            _ => 0,
        };
        before = Some((owner, index));
        (owner, index)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::pressure::PressureSource;

    /// Answers and remembers being asked.
    #[derive(Default)]
    struct Witness {
        interval: Option<Duration>,
        /// For each time, whether it had spoken up.
        asked: Mutex<Vec<bool>>,
    }

    impl PressureSource for Witness {
        fn pressure(&self, ready: bool) -> Pressure {
            self.asked.lock().unwrap().push(ready);
            Pressure::Medium
        }

        fn interval(&self) -> Option<Duration> {
            self.interval
        }
    }

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn sources_are_told_apart() {
        let source = |owner| -> Source { (owner, Arc::new(Witness::default())) };
        let sources = [3, 3, 3, 7, 9, 9].map(source);
        let found: Vec<_> = keys(&sources).collect();
        assert_eq!(found, [(3, 0), (3, 1), (3, 2), (7, 0), (9, 0), (9, 1)]);
    }

    #[test]
    fn what_all_pools_have_let_go_of_is_told() {
        let pool = Arc::new(crate::Pool::new(|| 0u8));
        pool.register_shared();
        let mut first = None;
        let before = released(&mut first);
        (0..3).for_each(|_| pool.put(0));
        pool.clear();
        assert_eq!(released(&mut first) - before, 3);
    }

    #[test]
    fn a_source_is_fresh_until_its_time_has_passed() {
        let (key, then) = ((1, 0), Instant::now());
        let asked = Asked(HashMap::from([(key, then)]));
        assert!(asked.is_fresh(key, then, PAUSE));
        assert!(asked.is_fresh(key, then + PAUSE / 2, PAUSE));
        assert!(!asked.is_fresh(key, then + PAUSE, PAUSE));
        assert!(!asked.is_fresh(key, then + HOUR, PAUSE));
        assert!(!asked.is_fresh((1, 1), then, PAUSE), "never asked");
    }

    /// Those that have an interval have their first turn at once; others are asked when they speak up; and all are when
    /// somebody wants a round.
    #[test]
    fn sources_are_asked_when_it_is_their_turn() {
        let [timed, silent] = [Some(HOUR), None].map(|interval| {
            Arc::new(Witness {
                interval,
                ..Witness::default()
            })
        });
        let sources: [Source; 2] = [(1, timed.clone()), (2, silent.clone())];
        let mut asked = Asked::default();
        let mut first = None;
        assert_eq!(asked.next(&sources, &mut first), None, "none was asked");
        let mut turn = |ready: &[(u64, usize)], all, expected| {
            let pressure = asked.ask(&sources, ready, all, &mut first);
            let count = |witness: &Witness| std::mem::take(&mut *witness.asked.lock().unwrap());
            assert_eq!((count(&timed), count(&silent)), expected);
            let next = asked.next(&sources, &mut first).unwrap();
            assert!(next <= HOUR && next > HOUR / 2, "{next:?}");
            pressure
        };
        let none = Vec::new;
        assert_eq!(turn(&[], false, (vec![false], none())), Pressure::Medium);
        assert_eq!(turn(&[], false, (none(), none())), Pressure::None);
        turn(&[(2, 0)], false, (none(), vec![true]));
        turn(&[(1, 0)], false, (vec![true], none()));
        turn(&[(2, 0)], true, (vec![false], vec![true]));
        assert!(first.is_none());
    }
}
