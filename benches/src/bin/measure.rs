//! `cargo xtask bench`: holds each promise about speed against the machine.

use std::process::ExitCode;
use std::time::Instant;

use benches::goals::{GOALS, Goal, Limit};
use benches::measure::{Rounds, Spread, contest};
use benches::report::data::{self, Costs, Data};
use benches::workload::{MaybeGo, WORKLOADS, Workload};
use benches::{first, go, memory, report};

const HELP: &str = "\
cargo xtask bench [--quick | --report | --redraw] [--filter TEXT] [--rounds N] [--no-go]

Lets the contenders of each workload run in turn and compares them within each round.
Without --quick all contenders run; with it only those that a goal names.
Fails if a goal is missed, but with --report.

Options:
  --quick        only what the goals need
  --report       write docs/benchmarks and the README's summary
  --redraw       the same from the figures of the last report, without measuring
  --filter TEXT  only workloads with this in their name
  --rounds N     rounds of each contest (at least 7; default 11, with --quick 21)
  --no-go        leave Go out even where it is installed
  --list         show the workloads

Other ways to measure, each with its own --help:
  --instructions   count instructions, against golden figures
  --counts         count what does not get cheaper with more cores
";

struct Options {
    quick: bool,
    report: bool,
    redraw: bool,
    filter: String,
    rounds: usize,
    go: bool,
}

fn main() -> ExitCode {
    match parse() {
        Ok(Some(options)) if options.redraw => finish(report::draw()),
        Ok(Some(options)) => run(&options),
        Ok(None) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}

fn finish(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn parse() -> Result<Option<Options>, String> {
    let mut options = Options {
        quick: false,
        report: false,
        redraw: false,
        filter: String::new(),
        rounds: 0,
        go: true,
    };
    let mut given = std::env::args().skip(1).peekable();
    if given.next_if_eq("--memory").is_some() {
        // A scene of the memory workload, in the process of its own that it asks for.
        let mut word = || given.next().unwrap_or_default();
        memory::play(&word(), &word())?;
        return Ok(None);
    }
    if given.next_if_eq("--first").is_some() {
        // The same for a first use.
        first::play(&given.next().unwrap_or_default())?;
        return Ok(None);
    }
    while let Some(word) = given.next() {
        let mut value = || given.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--quick" => options.quick = true,
            "--report" => options.report = true,
            "--redraw" => options.redraw = true,
            "--no-go" => options.go = false,
            "--filter" => options.filter = value()?,
            "--rounds" => {
                options.rounds = value()?.parse().map_err(|_| "--rounds needs a number")?;
                if options.rounds < 7 {
                    return Err("fewer than 7 rounds prove nothing".to_owned());
                }
            }
            "--list" => {
                for workload in WORKLOADS {
                    println!("{:22} {}", workload.name, workload.about);
                }
                return Ok(None);
            }
            "--help" | "-h" => {
                print!("{HELP}");
                return Ok(None);
            }
            _ => return Err(format!("unknown argument {word}")),
        }
    }
    if options.report && (options.quick || !options.filter.is_empty()) {
        return Err("a report is of everything".to_owned());
    }
    if options.rounds == 0 {
        options.rounds = if options.quick { 21 } else { 11 };
    }
    Ok(Some(options))
}

fn run(options: &Options) -> ExitCode {
    let start = Instant::now();
    // As a program does in its `main`. First uses without it have a workload of their own.
    pool_gate::register();
    let load = data::load();
    let go = if options.go { start_go() } else { None };
    let mut data = Data::default();
    let mut missed = Vec::new();
    let mut unmeasured = 0;
    let mut held = 0;
    for workload in WORKLOADS {
        let goals: Vec<&Goal> = GOALS
            .iter()
            .filter(|goal| goal.workload == workload.name)
            .collect();
        if !workload.name.contains(&options.filter) || (options.quick && goals.is_empty()) {
            continue;
        }
        let rounds = measure(workload, &goals, options, &go);
        data.costs.extend(rounds.names().iter().map(|name| Costs {
            workload: workload.name.to_owned(),
            contender: (*name).to_owned(),
            rounds: rounds.costs(name).expect("it took part").to_vec(),
        }));
        for goal in goals {
            match verdict(goal, &rounds) {
                Some((true, line)) => {
                    held += 1;
                    println!("  holds        {line}");
                }
                Some((false, line)) => {
                    println!("  FALLS SHORT  {line}");
                    missed.push(format!("{}: {line}", goal.workload));
                }
                None => {
                    unmeasured += 1;
                    let rival = match goal.limit {
                        Limit::Times(_, rival) => rival,
                        Limit::AtMost(_) => "itself",
                    };
                    println!("  not measured {} / {rival}", goal.ours);
                }
            }
        }
    }
    println!(
        "\n{held} goals hold, {} fall short, {unmeasured} were not measured; {:.0} s",
        missed.len(),
        start.elapsed().as_secs_f64()
    );
    for line in &missed {
        println!("  {line}");
    }
    if options.report {
        data.memory = lives(&go);
        let version = go.as_ref().and_then(|_| go::version());
        data.run = data::this_run(version, options.rounds, load);
        return finish(report::save(&data).and_then(|()| report::draw()));
    }
    if missed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Memory over time: who never gives back, Go, and ours.
fn lives(go: &MaybeGo) -> Vec<(String, Vec<f64>)> {
    let life = |title: &str, name| (title.to_owned(), memory::moments(name));
    let mut lives = vec![
        life("Mutex<Vec>: no release", "Mutex<Vec>"),
        life("pool", "pool"),
    ];
    lives.extend(
        go.as_ref()
            .map(|go| ("Go's rule".to_owned(), go.borrow().life())),
    );
    lives
}

fn start_go() -> MaybeGo {
    match go::Go::start() {
        Ok(go) => {
            println!("with {}", go::version().unwrap_or_default());
            Some(go)
        }
        Err(error) => {
            println!("SKIPPED: go: {error}; nothing is compared with Go's sync.Pool");
            None
        }
    }
}

/// Runs a workload's contest and prints each contender's cost.
fn measure(workload: &Workload, goals: &[&Goal], options: &Options, go: &MaybeGo) -> Rounds {
    println!(
        "\n{}: {} ({})",
        workload.name, workload.about, workload.unit
    );
    let mut entrants = (workload.entrants)(go);
    if options.quick {
        entrants.retain(|entrant| {
            goals.iter().any(|goal| {
                goal.ours == entrant.name
                    || matches!(goal.limit, Limit::Times(_, rival) if rival == entrant.name)
            })
        });
    }
    let mut rounds = Rounds::default();
    contest(&mut entrants, options.rounds, &mut rounds);
    // A figure at its limit says little: measure again, whichever side it is on.
    let close = |goal: &&&Goal| match (goal.limit, ratio(goal, &rounds)) {
        (Limit::Times(limit, _), Some(spread)) => (spread.median / limit - 1.0).abs() < 0.05,
        _ => false,
    };
    if goals.iter().any(|goal| close(&goal)) {
        contest(&mut entrants, options.rounds, &mut rounds);
    }
    for name in rounds.names() {
        let Spread { low, median, high } = rounds.cost(name).expect("it took part");
        println!("  {name:26} {median:8.2}   [{low:.2} … {high:.2}]");
    }
    rounds
}

/// What is compared with a goal's limit.
fn ratio(goal: &Goal, rounds: &Rounds) -> Option<Spread> {
    match goal.limit {
        Limit::Times(_, rival) => rounds.ratio(goal.ours, rival),
        Limit::AtMost(_) => rounds.cost(goal.ours),
    }
}

/// Whether a goal holds, and the figures.
fn verdict(goal: &Goal, rounds: &Rounds) -> Option<(bool, String)> {
    let Spread { low, median, high } = ratio(goal, rounds)?;
    let (limit, to) = match goal.limit {
        Limit::Times(limit, rival) => (limit, format!(" / {rival}")),
        Limit::AtMost(limit) => (limit, String::new()),
    };
    let line = format!(
        "{}{to}: {median:.3}, at most {limit:.2} [{low:.2} … {high:.2}]",
        goal.ours
    );
    Some((median <= limit, line))
}
