//! Clocks, and the contest: contenders run in turn, round after round.

use std::time::Instant;

/// What one run of a contender cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// The figure that is compared: usually nanoseconds of CPU time per operation.
    pub cost: f64,
    /// How much CPU time the run took in all, in seconds; decides how long the next one may be.
    pub seconds: f64,
}

/// Reads one of the clocks of `clock_gettime`, in nanoseconds.
fn clock(id: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to a `timespec` of ours.
    let result = unsafe { libc::clock_gettime(id, &mut time) };
    assert_eq!(result, 0, "the clock {id} exists");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The CPU time of the calling thread, in nanoseconds. Stands still while another thread has the CPU.
#[must_use]
pub fn thread_cpu() -> u64 {
    clock(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// The CPU time of all threads of this process, in nanoseconds.
#[must_use]
pub fn process_cpu() -> u64 {
    clock(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// Runs `work` on this thread and returns its CPU time per operation.
pub fn on_this_thread(operations: u64, work: impl FnOnce(u64)) -> Sample {
    let start = thread_cpu();
    work(operations);
    let took = thread_cpu() - start;
    Sample {
        cost: took as f64 / operations as f64,
        seconds: took as f64 / 1e9,
    }
}

/// Runs `work` on `threads` threads that start together and returns their CPU time per operation. `warm` is run by each
/// before they start.
pub fn on_threads(
    threads: usize,
    operations: u64,
    warm: impl Fn() + Sync,
    work: impl Fn(u64) + Sync,
) -> Sample {
    let each = (operations / threads as u64).max(1);
    let barrier = std::sync::Barrier::new(threads);
    let nanoseconds: u64 = std::thread::scope(|scope| {
        let run = || {
            warm();
            barrier.wait();
            let start = thread_cpu();
            work(each);
            thread_cpu() - start
        };
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        handles
            .into_iter()
            .map(|handle| handle.join().expect("no worker panics"))
            .sum()
    });
    Sample {
        cost: nanoseconds as f64 / (each * threads as u64) as f64,
        seconds: nanoseconds as f64 / 1e9,
    }
}

/// One side of a comparison: does some number of operations and says what they cost.
pub struct Entrant {
    /// Who it is.
    pub name: &'static str,
    run: Box<dyn FnMut(u64) -> Sample>,
    /// How much CPU time a run should take, in seconds.
    budget: f64,
    operations: u64,
}

impl std::fmt::Debug for Entrant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entrant")
            .field("name", &self.name)
            .field("operations", &self.operations)
            .finish_non_exhaustive()
    }
}

/// The usual length of a run, in seconds of CPU time: short enough that a disturbance hits both sides or one round.
pub const SHORT: f64 = 0.006;

impl Entrant {
    /// An entrant whose runs take [`SHORT`].
    pub fn new(name: &'static str, run: impl FnMut(u64) -> Sample + 'static) -> Self {
        Self {
            name,
            run: Box::new(run),
            budget: SHORT,
            operations: 0,
        }
    }

    /// Gives it another name.
    #[must_use]
    pub fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// Makes the runs longer or shorter.
    #[must_use]
    pub fn lasting(mut self, seconds: f64) -> Self {
        self.budget = seconds;
        self
    }

    /// Fixes the number of operations of a run.
    #[must_use]
    pub fn of(mut self, operations: u64) -> Self {
        self.operations = operations;
        self
    }

    /// The number of operations, if it is fixed.
    #[must_use]
    pub fn fixed(&self) -> Option<u64> {
        (self.operations != 0).then_some(self.operations)
    }

    /// As [`of`](Self::of).
    pub fn fix(&mut self, operations: u64) {
        self.operations = operations;
    }

    /// Runs it once with a few operations, for a test.
    pub fn try_out(&mut self, operations: u64) -> Sample {
        (self.run)(operations)
    }

    /// Finds out how many operations fill the budget. Also warms up.
    fn calibrate(&mut self) {
        if self.operations != 0 {
            (self.run)(self.operations);
            return;
        }
        let mut operations = 100;
        loop {
            let sample = (self.run)(operations);
            if sample.seconds >= self.budget / 4.0 || operations >= 1 << 40 {
                let factor = self.budget / sample.seconds.max(1e-9);
                self.operations = ((operations as f64 * factor) as u64).max(1);
                return;
            }
            operations *= 4;
        }
    }
}

/// What a contest gave: for each entrant its cost in each round.
#[derive(Clone, Debug, Default)]
pub struct Rounds {
    names: Vec<&'static str>,
    costs: Vec<Vec<f64>>,
}

impl Rounds {
    /// Who took part.
    #[must_use]
    pub fn names(&self) -> &[&'static str] {
        &self.names
    }

    /// An entrant's costs, by round.
    #[must_use]
    pub fn costs(&self, name: &str) -> Option<&[f64]> {
        let at = self.names.iter().position(|known| *known == name)?;
        Some(&self.costs[at])
    }

    /// An entrant's cost.
    #[must_use]
    pub fn cost(&self, name: &str) -> Option<Spread> {
        Some(Spread::of(self.costs(name)?.iter().copied()))
    }

    /// What `ours` costs for each unit of what `rival` costs, compared within each round.
    #[must_use]
    pub fn ratio(&self, ours: &str, rival: &str) -> Option<Spread> {
        let pairs = self.costs(ours)?.iter().zip(self.costs(rival)?);
        Some(Spread::of(pairs.map(|(ours, rival)| ours / rival)))
    }
}

/// A median and how far the middle half of the figures lies around it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// A quarter of the figures are below this.
    pub low: f64,
    /// The middle one.
    pub median: f64,
    /// A quarter of the figures are above this.
    pub high: f64,
}

impl Spread {
    /// The spread of some figures.
    ///
    /// # Panics
    ///
    /// Without any.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        assert!(!sorted.is_empty(), "there is something to compare");
        sorted.sort_by(f64::total_cmp);
        let at = |part: f64| {
            let place = part * (sorted.len() - 1) as f64;
            let (below, above) = (place.floor() as usize, place.ceil() as usize);
            sorted[below] + (sorted[above] - sorted[below]) * place.fract()
        };
        Self {
            low: at(0.25),
            median: at(0.5),
            high: at(0.75),
        }
    }
}

/// Lets the entrants run in turn for so many rounds. Each round starts with another one, as whoever comes after a
/// noisy neighbour has a colder cache.
///
/// Adds to `rounds`, so that a contest can be continued.
pub fn contest(entrants: &mut [Entrant], count: usize, rounds: &mut Rounds) {
    if rounds.names.is_empty() {
        rounds.names = entrants.iter().map(|entrant| entrant.name).collect();
        rounds.costs = vec![Vec::new(); entrants.len()];
        entrants.iter_mut().for_each(Entrant::calibrate);
    }
    for round in 0..count {
        for turn in 0..entrants.len() {
            let at = (round + turn) % entrants.len();
            let entrant = &mut entrants[at];
            let sample = (entrant.run)(entrant.operations);
            rounds.costs[at].push(sample.cost);
        }
    }
}

/// Wall time of one call, in nanoseconds. For what is too short or too rare to be repeated within a run.
pub fn wall<R>(work: impl FnOnce() -> R) -> (R, f64) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed().as_nanos() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_not_moved_by_an_outlier() {
        let spread = Spread::of([1.0, 2.0, 3.0, 4.0, 1e9]);
        assert_eq!((spread.low, spread.median, spread.high), (2.0, 3.0, 4.0));
        assert_eq!(Spread::of([7.0, 8.0]).median, 7.5);
    }

    #[test]
    fn a_contest_compares_within_rounds() {
        let mut slower = 1.0;
        let mut noisy = 1.0;
        let grow = |cost: &mut f64, by: f64| {
            *cost *= 10.0;
            Sample {
                cost: *cost * by,
                seconds: 1.0,
            }
        };
        let mut entrants = [
            Entrant::new("a", move |_| grow(&mut slower, 3.0)).of(1),
            Entrant::new("b", move |_| grow(&mut noisy, 1.0)).of(1),
        ];
        let mut rounds = Rounds::default();
        contest(&mut entrants, 4, &mut rounds);
        contest(&mut entrants, 3, &mut rounds);
        let ratio = rounds.ratio("a", "b").unwrap();
        assert!((ratio.median - 3.0).abs() < 1e-9, "{ratio:?}");
        assert_eq!(rounds.costs("a").unwrap().len(), 7);
        assert!(rounds.ratio("a", "c").is_none());
    }

    #[test]
    fn runs_fill_their_budget() {
        let mut entrant = Entrant::new("x", |operations| Sample {
            cost: 1.0,
            seconds: operations as f64 / 1e6,
        })
        .lasting(0.5);
        entrant.calibrate();
        assert!(
            (400_000..600_000).contains(&entrant.operations),
            "{entrant:?}"
        );
    }

    #[test]
    fn cpu_time_stands_still_while_a_thread_sleeps() {
        let sample = on_threads(
            2,
            2,
            || {},
            |_| {
                std::thread::sleep(std::time::Duration::from_millis(50));
            },
        );
        assert!(sample.seconds < 0.05, "{sample:?}");
    }
}
