//! What was measured, and its files: a table of all costs, one of the memory over time, and a note on the run.

use std::fmt::Write as _;
use std::process::Command;

use crate::measure::Spread;

/// The files, in the report's folder.
const COSTS: &str = "costs.csv";
const MEMORY: &str = "memory.csv";
const RUN: &str = "run.txt";

/// All that a report is made of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Data {
    /// What there is to know of the run: the machine, the toolchain, and so on, by name.
    pub run: Vec<(String, String)>,
    /// What each contender cost.
    pub costs: Vec<Costs>,
    /// Resident memory through a burst, by contender.
    pub memory: Vec<(String, Vec<f64>)>,
}

/// A contender's costs in a workload.
#[derive(Clone, Debug, PartialEq)]
pub struct Costs {
    /// The workload.
    pub workload: String,
    /// The contender.
    pub contender: String,
    /// By round.
    pub rounds: Vec<f64>,
}

impl Data {
    /// A contender's costs in a workload, by round.
    #[must_use]
    pub fn rounds(&self, workload: &str, contender: &str) -> Option<&[f64]> {
        let found = |costs: &&Costs| costs.workload == workload && costs.contender == contender;
        Some(&self.costs.iter().find(found)?.rounds)
    }

    /// All contenders of a workload.
    pub fn of<'a>(&'a self, workload: &'a str) -> impl Iterator<Item = &'a Costs> {
        self.costs
            .iter()
            .filter(move |costs| costs.workload == workload)
    }

    /// A contender's cost.
    #[must_use]
    pub fn cost(&self, workload: &str, contender: &str) -> Option<Spread> {
        Some(Spread::of(
            self.rounds(workload, contender)?.iter().copied(),
        ))
    }

    /// What `ours` costs for each unit of what `rival` costs, compared within each round.
    #[must_use]
    pub fn ratio(&self, workload: &str, ours: &str, rival: &str) -> Option<Spread> {
        let ours = self.rounds(workload, ours)?;
        let rival = self.rounds(workload, rival)?;
        Some(Spread::of(
            ours.iter().zip(rival).map(|(ours, rival)| ours / rival),
        ))
    }

    /// What there is to know of the run.
    #[must_use]
    pub fn note(&self, name: &str) -> &str {
        let found = self.run.iter().find(|(known, _)| known == name);
        found.map_or("unknown", |(_, value)| value)
    }

    /// The files and their texts.
    #[must_use]
    pub fn files(&self) -> Vec<(&'static str, String)> {
        let mut costs = "workload,contender,round,cost\n".to_owned();
        for one in &self.costs {
            for (round, cost) in one.rounds.iter().enumerate() {
                let (workload, contender) = (quoted(&one.workload), quoted(&one.contender));
                let _ = writeln!(costs, "{workload},{contender},{round},{cost:.4}");
            }
        }
        let mut memory = "contender,step,MiB\n".to_owned();
        for (contender, steps) in &self.memory {
            for (step, size) in steps.iter().enumerate() {
                let _ = writeln!(memory, "{},{step},{size:.3}", quoted(contender));
            }
        }
        let mut run = String::new();
        for (name, value) in &self.run {
            let _ = writeln!(run, "{name}: {value}");
        }
        vec![(COSTS, costs), (MEMORY, memory), (RUN, run)]
    }

    /// Reads the files.
    ///
    /// # Errors
    ///
    /// What is wrong with them.
    pub fn parse(get: &dyn Fn(&str) -> Result<String, String>) -> Result<Self, String> {
        let mut data = Self::default();
        for line in get(COSTS)?.lines().skip(1) {
            let fields = fields(line);
            let [workload, contender, _, cost] = &fields[..] else {
                return Err(format!("{COSTS}: {line}"));
            };
            let cost: f64 = cost.parse().map_err(|_| format!("{COSTS}: {line}"))?;
            match data.costs.last_mut() {
                Some(last) if last.workload == *workload && last.contender == *contender => {
                    last.rounds.push(cost);
                }
                _ => data.costs.push(Costs {
                    workload: workload.clone(),
                    contender: contender.clone(),
                    rounds: vec![cost],
                }),
            }
        }
        for line in get(MEMORY)?.lines().skip(1) {
            let fields = fields(line);
            let [contender, _, size] = &fields[..] else {
                return Err(format!("{MEMORY}: {line}"));
            };
            let size: f64 = size.parse().map_err(|_| format!("{MEMORY}: {line}"))?;
            match data.memory.last_mut() {
                Some((name, steps)) if name == contender => steps.push(size),
                _ => data.memory.push((contender.clone(), vec![size])),
            }
        }
        for line in get(RUN)?.lines() {
            let (name, value) = line.split_once(": ").ok_or(format!("{RUN}: {line}"))?;
            data.run.push((name.to_owned(), value.to_owned()));
        }
        Ok(data)
    }
}

/// A field of a line.
fn quoted(text: &str) -> String {
    if text.contains([',', '"']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// The fields of a line.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut inside = false;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        let last = fields.last_mut().expect("never empty");
        match letter {
            '"' if inside && letters.next_if_eq(&'"').is_some() => last.push('"'),
            '"' => inside = !inside,
            ',' if !inside => fields.push(String::new()),
            _ => last.push(letter),
        }
    }
    fields
}

/// How many programs wanted to run in the last minute: asked before a run begins, it says what else was going on.
#[must_use]
pub fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("unknown").to_owned()
}

/// What there is to know of this run.
#[must_use]
pub fn this_run(go: Option<String>, rounds: usize, load: String) -> Vec<(String, String)> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let value = |name: &str| {
        let line = info.lines().find(|line| line.starts_with(name));
        line.and_then(|line| Some(line.split_once(':')?.1.trim().to_owned()))
    };
    let model = value("model name").unwrap_or("unknown processor".to_owned());
    let numbers = value("cpu family").zip(value("model"));
    let numbers = numbers.map_or(String::new(), |(family, model)| {
        format!(" (family {family}, model {model})")
    });
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let virtual_machine = if info.contains(" hypervisor") {
        ", virtual"
    } else {
        ""
    };
    let kernel = read("/proc/sys/kernel/osrelease");
    let says = |program: &str, args: &[&str]| {
        let output = Command::new(program)
            .args(args)
            .current_dir(super::root())
            .output();
        let text = output.ok().filter(|output| output.status.success());
        text.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let rustc = std::env::var("RUSTC").unwrap_or("rustc".to_owned());
    let mut commit =
        says("git", &["rev-parse", "--short=12", "HEAD"]).unwrap_or("unknown".to_owned());
    // The report itself may be there already.
    let changes = ["status", "--porcelain", "--", ".", ":!docs", ":!README.md"];
    if says("git", &changes).is_some_and(|changes| !changes.is_empty()) {
        commit.push_str(" and changes");
    }
    let run = [
        (
            "machine",
            format!(
                "{model}{numbers}, {cores} cores{virtual_machine}, Linux {}",
                kernel.trim()
            ),
        ),
        (
            "toolchain",
            says(&rustc, &["--version"]).unwrap_or("unknown".to_owned()),
        ),
        (
            "Go",
            go.unwrap_or("not installed: nothing is compared with it".to_owned()),
        ),
        ("commit", commit),
        ("command", "cargo xtask bench --report".to_owned()),
        ("load average at the start", load),
        (
            "rounds",
            format!(
                "{rounds} interleaved, {} where a figure is close to its goal",
                2 * rounds
            ),
        ),
    ];
    run.map(|(name, value)| (name.to_owned(), value)).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_are_read_as_they_were_written() {
        let costs = |workload: &str, contender: &str| Costs {
            workload: workload.to_owned(),
            contender: contender.to_owned(),
            rounds: vec![1.5, 2.25],
        };
        let data = Data {
            run: vec![("machine".to_owned(), "a: b".to_owned())],
            costs: vec![costs("hot, 2 threads", "a \"b\", c"), costs("hot", "Go")],
            memory: vec![("pool, x".to_owned(), vec![0.0, 12.125])],
        };
        let files = data.files();
        let get = |name: &str| {
            let found = files.iter().find(|(known, _)| *known == name);
            Ok(found.expect("it is there").1.clone())
        };
        assert_eq!(Data::parse(&get), Ok(data.clone()));
        assert_eq!(data.ratio("hot", "Go", "Go").expect("there").median, 1.0);
        assert_eq!(data.note("machine"), "a: b");
        assert!(Data::parse(&|_| Ok("head\nnonsense".to_owned())).is_err());
    }
}
