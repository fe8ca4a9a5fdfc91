//! Runs the mutants, level by level, until a test objects or none is left to ask.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::killers::Killers;
use super::plant::{self, VARIABLE};
use super::{Mutant, Tool};
use crate::parallel::parallel;
use crate::runner::{Job, seconds};
use crate::suite::{Ended, Test};

/// One way of asking: a tool and how hard it looks.
pub(crate) struct Level {
    /// For people.
    pub(crate) name: String,
    pub(crate) tool: Tool,
    /// What is asked.
    pub(crate) tests: Vec<Test>,
    /// The variables of each run of a test; every run has to pass.
    pub(crate) runs: Vec<Vec<(String, String)>>,
    /// A test may miss outcomes or executions that it asserts, because this level explores less than it is
    /// meant for. Such a failure then says nothing of a mutant, either; any other does.
    pub(crate) shallow: bool,
}

/// Whose tests a mutant is shown to.
#[derive(Clone, Copy)]
pub(crate) enum Scope<'a> {
    /// Those of its own crate: mostly enough, and few.
    Own,
    /// Those of the crates that are built on it.
    Others,
    /// The one that noticed it the last time.
    Remembered(&'a Killers),
}

impl Scope<'_> {
    /// Whether this mutant is shown to this test.
    fn joins(self, mutant: &Mutant, test: &Test, level: &Level) -> bool {
        let krate = &test.program.krate;
        match self {
            Self::Own => *krate == mutant.site.krate,
            Self::Others => *krate != mutant.site.krate,
            Self::Remembered(killers) => killers.of(mutant).is_some_and(|killer| {
                killer.level == level.name && killer.krate == *krate && killer.test == test.name
            }),
        }
    }
}

/// What became of a mutant.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fate {
    /// Who objected, if anybody did.
    pub(crate) killed: Option<Kill>,
    /// The tests that had to be stopped, which proves nothing.
    pub(crate) timeouts: Vec<String>,
    /// Whether any test came by its site.
    pub(crate) reached: bool,
    /// Nobody was asked: the list of what may survive was believed.
    pub(crate) believed: bool,
}

/// An objection.
#[derive(Clone, Debug)]
pub(crate) struct Kill {
    pub(crate) level: String,
    pub(crate) tool: Tool,
    pub(crate) krate: String,
    pub(crate) test: String,
    /// A race, a wrong set of outcomes …
    pub(crate) kind: String,
}

/// What a test does when nothing is wrong.
struct Sound {
    time: Duration,
    /// The sites that it comes by.
    reached: HashSet<usize>,
    /// How it fails, at a shallow level.
    failed: bool,
}

/// The failures of a test that was not allowed to explore enough.
const SHALLOW: &[&str] = &["outcomes", "floor"];

/// The test that has to fail: it shows that the tool sees anything at all, and not what a mutant does.
const CANARY: &str = "canary";

/// The sites that tests come by, as far as that is known.
#[derive(Debug, Default)]
pub(crate) struct Reach(HashMap<(String, String), HashSet<usize>>);

impl Reach {
    fn place(test: &Test) -> (String, String) {
        (test.program.krate.clone(), test.name.clone())
    }

    /// Whether the test may come by this site.
    fn may(&self, test: &Test, site: usize) -> bool {
        self.0
            .get(&Self::place(test))
            .is_none_or(|known| known.contains(&site))
    }
}

/// Runs each mutant that is still alive at this level, and says what it finds. `reach` is what earlier levels of
/// the same tool have found out.
pub(crate) fn run(
    job: &mut Job<'_>,
    level: &Level,
    scope: Scope<'_>,
    mutants: &[Mutant],
    fates: &mut [Fate],
    reach: &mut Reach,
    scratch: &Path,
) -> Result<(), String> {
    let own: Vec<&Test> = level
        .tests
        .iter()
        .filter(|test| test.name != CANARY)
        .collect();
    let alive: Vec<usize> = (0..mutants.len())
        .filter(|index| {
            let (mutant, fate) = (&mutants[*index], &fates[*index]);
            fate.killed.is_none()
                && !fate.believed
                && mutant.within_reach_of(level.tool)
                && own.iter().any(|test| scope.joins(mutant, test, level))
        })
        .collect();
    if alive.is_empty() {
        return Ok(());
    }
    let tests: Vec<&Test> = own
        .into_iter()
        .filter(|test| {
            let joined = alive.iter().map(|index| &mutants[*index]);
            let mut joined = joined.filter(|mutant| scope.joins(mutant, test, level));
            joined.any(|mutant| reach.may(test, mutant.number))
        })
        .collect();
    let begun = Instant::now();
    job.say(&format!(
        "{}: {} tests without a mutant",
        level.name,
        tests.len()
    ));
    let sound = baseline(level, &tests, scratch)?;
    for (test, sound) in tests.iter().zip(&sound) {
        let note = if sound.failed {
            ", asserts more than this level explores"
        } else {
            ""
        };
        job.note(&format!(
            "{} {}: {}, reaches {} sites{note}",
            test.program.krate,
            test.name,
            seconds(sound.time),
            sound.reached.len()
        ));
        let known = reach.0.entry(Reach::place(test)).or_default();
        known.extend(&sound.reached);
    }
    job.say(&format!(
        "{}: {} mutants, after {}",
        level.name,
        alive.len(),
        seconds(begun.elapsed())
    ));
    let tests: Vec<(&Test, &Sound)> = tests.into_iter().zip(&sound).collect();
    let mut done = 0;
    let all = alive.len();
    let results = parallel(
        &alive,
        |worker, index| {
            let mutant = &mutants[*index];
            let joins = |(test, _): &(&Test, &Sound)| scope.joins(mutant, test, level);
            let tests = tests.iter().copied().filter(joins).collect();
            hunt(level, tests, mutant, &log(scratch, worker))
        },
        |index, result| {
            done += 1;
            if let Ok((fate, time)) = result {
                let mutant = &mutants[*index];
                job.say(&format!(
                    "[{done:>3}/{all}] {} {} {}: {}, {}",
                    mutant.place(),
                    mutant.site.access,
                    mutant.step(),
                    told(fate),
                    seconds(*time)
                ));
            }
        },
    );
    for (index, result) in alive.iter().zip(results) {
        let (fate, _) = result?;
        let old = &mut fates[*index];
        old.killed = fate.killed;
        old.timeouts.extend(fate.timeouts);
        old.reached |= fate.reached;
    }
    Ok(())
}

fn told(fate: &Fate) -> String {
    match &fate.killed {
        Some(kill) => format!("killed by {} of {}: {}", kill.test, kill.krate, kill.kind),
        None if !fate.timeouts.is_empty() => format!("TIMED OUT in {}", fate.timeouts.join(", ")),
        None if !fate.reached => "SURVIVED: nothing here comes by it".to_owned(),
        None => "SURVIVED".to_owned(),
    }
}

fn log(scratch: &Path, worker: usize) -> PathBuf {
    scratch.join(format!("run-{worker}.log"))
}

/// How long a test may take that took so long when nothing was wrong: generous, as the machine may be busy with
/// something else by now.
fn limit(time: Duration) -> Duration {
    (time * 20).max(Duration::from_secs(300))
}

/// Runs every test with nothing wrong.
fn baseline(level: &Level, tests: &[&Test], scratch: &Path) -> Result<Vec<Sound>, String> {
    const LIMIT: Duration = Duration::from_secs(30 * 60);
    let run = |worker: usize, test: &Test| -> Result<Sound, String> {
        let mut sound = Sound {
            time: Duration::ZERO,
            reached: HashSet::new(),
            failed: false,
        };
        for variables in &level.runs {
            let mut env: Vec<(&str, &str)> = pairs(variables);
            env.push((VARIABLE, "trace"));
            let run = test.run(&env, LIMIT, &log(scratch, worker))?;
            sound.time = sound.time.max(run.time);
            sound.reached.extend(plant::reached(&run.output));
            if run.ended == Ended::Passed {
                continue;
            }
            sound.failed = true;
            let excused = |kind: &str| level.shallow && SHALLOW.contains(&kind);
            if !matches!(&run.ended, Ended::Failed(kind) if excused(kind)) {
                return Err(format!(
                    "{} of {} fails without any mutant under {}:\n{}",
                    test.name, test.program.krate, level.name, run.output
                ));
            }
        }
        Ok(sound)
    };
    parallel(tests, |worker, test| run(worker, test), |_, _| ())
        .into_iter()
        .collect()
}

/// Runs one mutant through those of the tests that come by its site, the quick ones first.
fn hunt(
    level: &Level,
    mut candidates: Vec<(&Test, &Sound)>,
    mutant: &Mutant,
    log: &Path,
) -> Result<(Fate, Duration), String> {
    let begun = Instant::now();
    candidates.retain(|(_, sound)| sound.reached.contains(&mutant.number));
    let mut fate = Fate {
        reached: !candidates.is_empty(),
        ..Fate::default()
    };
    candidates.sort_by_key(|(_, sound)| sound.time);
    let choice = plant::choice(mutant);
    for (test, sound) in candidates {
        for variables in &level.runs {
            let mut env = pairs(variables);
            env.push((VARIABLE, &choice));
            match test.run(&env, limit(sound.time), log)?.ended {
                Ended::Passed => {}
                Ended::TimedOut => {
                    fate.timeouts.push(test.name.clone());
                    break;
                }
                Ended::Failed(kind) if sound.failed && SHALLOW.contains(&kind.as_str()) => {}
                // A mutant may make a model smaller, which says nothing about it.
                Ended::Failed(kind) if kind == "floor" => {}
                Ended::Failed(kind) => {
                    fate.killed = Some(Kill {
                        level: level.name.clone(),
                        tool: level.tool,
                        krate: test.program.krate.clone(),
                        test: test.name.clone(),
                        kind,
                    });
                    return Ok((fate, begun.elapsed()));
                }
            }
        }
    }
    Ok((fate, begun.elapsed()))
}

fn pairs(variables: &[(String, String)]) -> Vec<(&str, &str)> {
    variables
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_tests_get_time_in_proportion() {
        assert_eq!(limit(Duration::from_millis(1)), Duration::from_secs(300));
        assert_eq!(limit(Duration::from_secs(20)), Duration::from_secs(400));
    }
}
