//! Whether the tools notice bugs that are known: each is planted in a copy of the sources and shown to the checks
//! that are there to notice it.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

mod bugs;

use crate::copy::{Borrowed, Tree};
use crate::narrow;
use crate::runner::Job;
use crate::step::Invocation;
use crate::suite::{self, Ended, Program, Test};
use crate::tools;
use crate::workspace::Workspace;
use bugs::{BUGS, Bug, Check, Tool, Witness};

/// A check that takes longer has not noticed anything.
const LIMIT: Duration = Duration::from_secs(120);

/// Miri's schedules for each test; of those of the pairs, four in five notice a bug that is theirs.
const SEEDS: u32 = 4;

/// What became of a check.
#[derive(Clone, PartialEq, Eq)]
enum Verdict {
    /// It failed, and how.
    Caught(String),
    Missed,
    /// The tool is not here.
    Absent,
}

/// Plants each bug in turn. The `Ok` text is for the summary; its beginning is read by machines.
///
/// What fails without a bug proves nothing about one: the checks are made without one first, unless this is not `alone`, but
/// part of a run that makes them all by other steps.
pub(crate) fn run(job: &mut Job<'_>, alone: bool) -> Result<String, String> {
    let tree = Tree::read(job.workspace)?;
    let place = Place::new(job.workspace)?;
    let _borrowed = Borrowed::new(job.workspace);
    if place.nightly.is_none() {
        job.lacks("miri", tools::MIRI);
    }
    if alone {
        place.write(&tree)?;
        pass_without(job, &place)?;
    }

    let mut rows = Vec::new();
    for bug in BUGS {
        job.note(bug.name);
        let path = format!("crates/{}/{}", bug.krate, bug.file);
        let mut spoilt = tree.clone();
        spoilt.edit(&path, |text| plant(text, bug))?;
        place.write(&spoilt)?;
        let verdicts = bug
            .checks
            .iter()
            .map(|witness| place.ask(job, bug.krate, witness.check))
            .collect::<Result<Vec<_>, String>>()?;
        rows.push(Row { bug, verdicts });
    }
    place.write(&tree)?;

    job.say(&table(&rows));
    let surprises: Vec<String> = rows.iter().flat_map(Row::surprises).collect();
    let caught = rows.iter().filter(|row| row.caught()).count();
    let told = format!("self-test: {} bugs, {caught} caught", rows.len());
    if caught == rows.len() && surprises.is_empty() {
        Ok(told)
    } else {
        job.say(&surprises.join("\n"));
        Err(format!("{told}; {} surprises", surprises.len()))
    }
}

/// Makes every check, each once, where no bug is planted.
fn pass_without(job: &mut Job<'_>, place: &Place) -> Result<(), String> {
    let mut asked = HashSet::new();
    for bug in BUGS {
        for Witness { check, .. } in bug.checks {
            if !asked.insert((bug.krate, *check)) {
                continue;
            }
            if let Verdict::Caught(how) = place.ask(job, bug.krate, *check)? {
                return Err(format!(
                    "{} {} {} fails without a planted bug: {how}",
                    bug.krate, check.program, check.test
                ));
            }
        }
    }
    Ok(())
}

/// A bug, and what its checks said, in their order.
struct Row<'a> {
    bug: &'a Bug,
    verdicts: Vec<Verdict>,
}

impl Row<'_> {
    fn witnesses(&self) -> impl Iterator<Item = (&Witness, &Verdict)> {
        self.bug.checks.iter().zip(&self.verdicts)
    }

    /// Whether one of those noticed it that are known to, and as they are known to.
    fn caught(&self) -> bool {
        self.witnesses().any(|(witness, verdict)| {
            matches!((witness.says, verdict), (Some(known), Verdict::Caught(how)) if known == how)
        })
    }

    /// What the checks said otherwise than they are known to. A search that became shorter, or a program that broke
    /// down, would pass for a catch if any failure did.
    fn surprises(&self) -> Vec<String> {
        self.witnesses()
            .filter_map(|(witness, verdict)| {
                let said = match verdict {
                    Verdict::Caught(how) => Some(how.as_str()),
                    Verdict::Missed => None,
                    Verdict::Absent => return None,
                };
                let told = |says: Option<&str>| says.unwrap_or("nothing").to_owned();
                (said != witness.says).then(|| {
                    format!(
                        "{}: {} `{}` says {}, not {}",
                        self.bug.name,
                        witness.check.tool.name(),
                        witness.check.test,
                        told(said),
                        told(witness.says)
                    )
                })
            })
            .collect()
    }
}

/// The text with the bug in it.
fn plant(text: &str, bug: &Bug) -> Result<String, String> {
    match text.matches(bug.good).count() {
        1 => Ok(text.replacen(bug.good, bug.bad, 1)),
        count => Err(format!(
            "the place of the bug \"{}\" is there {count} times, not once:\n{}",
            bug.name, bug.good
        )),
    }
}

/// Who noticed what, as Markdown.
fn table(rows: &[Row<'_>]) -> String {
    let mut lines = vec![
        "| planted bug | noticed by | not by |".to_owned(),
        "|---|---|---|".to_owned(),
    ];
    for row in rows {
        let told = |wanted: bool| {
            let told: Vec<String> = row
                .witnesses()
                .filter_map(|(Witness { check, .. }, verdict)| {
                    let who = format!("{} `{}`", check.tool.name(), check.test);
                    match verdict {
                        Verdict::Caught(how) if wanted => Some(format!("{who}: {how}")),
                        Verdict::Missed if !wanted => Some(who),
                        _ => None,
                    }
                })
                .collect();
            told.join("; ")
        };
        lines.push(format!(
            "| {} | {} | {} |",
            row.bug.name,
            told(true),
            told(false)
        ));
    }
    lines.join("\n")
}

/// Where the copy is, and what it is built with.
struct Place {
    copy: PathBuf,
    /// The same for narrow indices.
    narrow: PathBuf,
    /// Where everybody builds, and where the models do: what the crates depend on is there already.
    target: PathBuf,
    models: PathBuf,
    log: PathBuf,
    nightly: Option<String>,
}

impl Place {
    fn new(workspace: &Workspace) -> Result<Self, String> {
        let root = workspace.target_for("self-test");
        fs::create_dir_all(&root).map_err(|error| format!("{}: {error}", root.display()))?;
        Ok(Self {
            copy: root.join("copy"),
            narrow: root.join("narrow").join("copy"),
            target: workspace.target().to_owned(),
            models: workspace.target_for("loom"),
            log: root.join("check.log"),
            nightly: tools::nightly_with_miri(),
        })
    }

    fn write(&self, tree: &Tree) -> Result<(), String> {
        tree.write(&self.copy)?;
        narrow::scripted(tree.clone())?.write(&self.narrow)
    }

    /// Builds the check's program and runs its test. A copy that cannot be built is an error and no catch.
    fn ask(&self, job: &mut Job<'_>, krate: &str, check: Check) -> Result<Verdict, String> {
        let Some(program) = self.build(job, krate, check)? else {
            return Ok(Verdict::Absent);
        };
        let test = Test {
            program,
            name: check.test.to_owned(),
        };
        Ok(match test.run(&[], LIMIT, &self.log)?.ended {
            // Which of the two sides of a race Miri finds first depends on the schedule.
            Ended::Failed(how) if check.tool == Tool::Miri && how == "data race" => {
                Verdict::Caught("undefined behaviour".to_owned())
            }
            Ended::Failed(how) => Verdict::Caught(how),
            Ended::Passed | Ended::TimedOut => Verdict::Missed,
        })
    }

    /// The check's program, built; None where the tool is missing.
    fn build(
        &self,
        job: &mut Job<'_>,
        krate: &str,
        check: Check,
    ) -> Result<Option<Program>, String> {
        let which = match check.program {
            "lib" => "--lib".to_owned(),
            file => format!("--test {file}"),
        };
        let copy = match check.tool {
            Tool::Narrow => &self.narrow,
            Tool::Plain | Tool::Loom | Tool::Miri => &self.copy,
        };
        let dir = copy.join("crates").join(krate);
        let (build, ran) = match check.tool {
            Tool::Plain => (
                Invocation::cargo(&format!("test -p {krate} {which} --no-run")),
                None,
            ),
            Tool::Loom | Tool::Narrow => (
                Invocation::cargo(&format!(
                    "test -p {krate} {which} --release --features loom --no-run"
                ))
                .env("RUSTFLAGS", "--cfg pool_loom")
                // Nobody reads it in the other copy.
                .env(narrow::VARIABLE, "3"),
                None,
            ),
            Tool::Miri => {
                let Some(nightly) = &self.nightly else {
                    return Ok(None);
                };
                let line = format!("miri test --quiet -p {krate} {which}");
                let flags =
                    "-Zmiri-disable-isolation -Zmiri-tree-borrows -Zmiri-permissive-provenance";
                let miri = |line: &str| {
                    Invocation::cargo_of(nightly, line)
                        .env("MIRIFLAGS", format!("{flags} -Zmiri-many-seeds=0..{SEEDS}"))
                        .env("CARGO_TARGET_DIR", &self.target)
                        .in_dir(&self.copy)
                };
                (
                    miri(&format!("{line} --no-run")),
                    Some(miri(&format!("{line} --"))),
                )
            }
        };
        let target = match check.tool {
            Tool::Loom | Tool::Narrow => &self.models,
            Tool::Plain | Tool::Miri => &self.target,
        };
        let build = build
            .env("CARGO_TARGET_DIR", target)
            .without("CARGO_ENCODED_RUSTFLAGS")
            .in_dir(copy);
        let built = job.run(&build)?;
        let mut invocation = match ran {
            Some(ran) => ran,
            None => {
                let (_, path) = suite::executables(&built)
                    .pop()
                    .ok_or_else(|| format!("{krate} {which} builds no program"))?;
                Invocation::new(copy.join(path), "")
                    .in_dir(&dir)
                    .env("LOOM_MAX_PREEMPTIONS", "3")
            }
        };
        for name in [
            "LOOM_MAX_DURATION",
            "LOOM_MAX_PERMUTATIONS",
            "LOOM_MAX_BRANCHES",
        ] {
            invocation = invocation.without(name);
        }
        Ok(Some(Program {
            krate: krate.to_owned(),
            invocation,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_has_its_place() {
        let tree = Tree::read(&Workspace::find().unwrap()).unwrap();
        for bug in BUGS {
            let path = format!("crates/{}/{}", bug.krate, bug.file);
            let spoilt = plant(tree.text(&path).unwrap(), bug).unwrap();
            assert_ne!(tree.text(&path), Some(spoilt.as_str()), "{}", bug.name);
            assert!(!bug.checks.is_empty());
        }
    }

    #[test]
    fn every_bug_has_a_witness() {
        for bug in BUGS {
            let said: Vec<_> = bug.checks.iter().filter_map(|it| it.says).collect();
            assert!(!said.is_empty(), "{}", bug.name);
            // The one is no objection to the bug, the other may be anything.
            for no_catch in ["floor", "crash"] {
                assert!(!said.contains(&no_catch), "{}", bug.name);
            }
        }
    }

    const BUG: Bug = Bug {
        name: "a",
        krate: "",
        file: "",
        good: "",
        bad: "",
        checks: &[
            Witness {
                check: BUGS[0].checks[0].check,
                says: Some("data race"),
            },
            Witness {
                check: BUGS[0].checks[0].check,
                says: None,
            },
        ],
    };

    fn row(verdicts: [Verdict; 2]) -> Row<'static> {
        let verdicts = verdicts.into();
        Row {
            bug: &BUG,
            verdicts,
        }
    }

    fn caught(how: &str) -> Verdict {
        Verdict::Caught(how.to_owned())
    }

    #[test]
    fn the_table_tells_who_noticed() {
        let text = table(&[row([caught("data race"), Verdict::Missed])]);
        assert!(
            text.contains("| a | loom `two_thieves`: data race | loom `two_thieves` |"),
            "{text}"
        );
    }

    #[test]
    fn only_what_is_known_is_no_surprise() {
        let known = row([caught("data race"), Verdict::Missed]);
        assert!(known.caught() && known.surprises().is_empty());
        for (verdicts, caught) in [
            ([Verdict::Missed, Verdict::Missed], false),
            ([caught("floor"), Verdict::Missed], false),
            ([caught("data race"), caught("leak")], true),
        ] {
            let row = row(verdicts);
            assert_eq!((row.caught(), row.surprises().len()), (caught, 1));
        }
        let absent = row([Verdict::Absent, Verdict::Missed]);
        assert!(!absent.caught() && absent.surprises().is_empty());
    }
}
