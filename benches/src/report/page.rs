//! The report's pages: all workloads with their pictures and tables, where we lose, and the README's summary.

use std::fmt::Write as _;

use super::data::Data;
use super::plot::{Bar, Lines, Scale, Series, bars, lines, short};
use crate::goals::{GOALS, Goal, Limit};
use crate::measure::Spread;
use crate::memory;
use crate::workload::{Layer, WORKLOADS, Workload};

/// What is written.
#[derive(Clone, Debug)]
pub struct Page {
    /// The page itself.
    pub text: String,
    /// Its pictures, by file name.
    pub pictures: Vec<(String, String)>,
    /// For the README.
    pub summary: String,
}

/// The contender of each workload that is this project's and that others are compared with.
const OURS: [&str; 5] = [
    "pool",
    "pool, 1 thread known",
    "pool-dequeue",
    "pool-chain",
    "atomic-value",
];

/// Those of our own.
fn is_ours(name: &str) -> bool {
    ["pool", "atomic-value"]
        .iter()
        .any(|own| name.starts_with(own))
}

/// Those that are no rivals but limits: they can do less than what they are compared with.
const LIMITS: [&str; 4] = [
    "thread-local cell",
    "thread-local Vec",
    "AtomicPtr (never frees)",
    "rtrb (no thieves)",
];

/// How a goal was met: what was compared, and whether it holds.
struct Verdict {
    spread: Spread,
    limit: f64,
    holds: bool,
}

fn verdict(data: &Data, goal: &Goal) -> Option<Verdict> {
    let (spread, limit) = match goal.limit {
        Limit::Times(limit, rival) => (data.ratio(goal.workload, goal.ours, rival)?, limit),
        Limit::AtMost(limit) => (data.cost(goal.workload, goal.ours)?, limit),
    };
    Some(Verdict {
        spread,
        limit,
        holds: spread.median <= limit,
    })
}

/// Everything.
#[must_use]
pub fn report(data: &Data) -> Page {
    let mut pictures = Vec::new();
    let mut text = "# Benchmarks\n\n".to_owned();
    text.push_str(
        "Written by `cargo xtask bench --report`; do not edit. `--redraw` draws the same again from [costs.csv](costs.csv) and\n\
         [memory.csv](memory.csv), which hold every figure that was measured. How it is measured is said in\n\
         [PERFORMANCE.md](../PERFORMANCE.md).\n\n",
    );
    for (name, value) in &data.run {
        let _ = writeln!(text, "- {name}: {value}");
    }
    text.push_str(
        "\nContenders run in turn, a few milliseconds each, round after round. Figures are medians over the rounds; in brackets is\n\
         where the middle half of them lies. A ratio is formed within each round. CPU time, not wall time.\n\n",
    );
    text.push_str(&losses(data));
    text.push_str(&goals(data));
    text.push_str("## Cost against thread count\n\n");
    let threads = plot(&mut pictures, "threads.svg", threads_plot(data));
    text.push_str(&threads);
    text.push_str(&threads_table(data));
    text.push_str(&footer(data));
    text.push_str("## Rotation pause against items\n\n");
    let pause = plot(&mut pictures, "rotation.svg", rotation_plot(data));
    text.push_str(&pause);
    text.push_str(&rotation_table(data));
    text.push_str(&footer(data));
    text.push_str(
        "## Memory through a burst\n\nEight threads take some blocks of 1 KiB each in every step, and put them back. In \
         the burst it is fifty times as many. Every five steps the generation turns: `rotate()` here, a collection in Go, \
         nothing elsewhere; freed memory is then returned to the system at once in all of them.\n\n",
    );
    let memory = plot(&mut pictures, "memory-over-time.svg", memory_plot(data));
    text.push_str(&memory);
    text.push_str(&memory_table(data));
    text.push_str(&footer(data));
    for (layer, title) in [
        (Layer::Pool, "Pools"),
        (Layer::Ring, "Rings"),
        (Layer::Scheduler, "A scheduler over the rings"),
        (Layer::Value, "Values"),
    ] {
        let _ = writeln!(text, "## {title}\n");
        let of = |workload: &&Workload| {
            workload.layer == layer && data.of(workload.name).next().is_some()
        };
        for workload in WORKLOADS.iter().filter(of) {
            if let Some(section) = section(data, workload, &mut pictures) {
                text.push_str(&section);
            }
        }
    }
    Page {
        text: escaped(text.trim_end()) + "\n",
        pictures,
        summary: escaped(&summary(data)),
    }
}

/// `Mutex<Vec>` would lose its `<Vec>`: Markdown takes it for HTML, of which these texts have none.
fn escaped(text: &str) -> String {
    text.replace('<', "\\<")
}

fn plot(pictures: &mut Vec<(String, String)>, file: &str, picture: (String, String)) -> String {
    let (alternative, picture) = picture;
    pictures.push((file.to_owned(), picture));
    format!("![{alternative}]({file})\n\n")
}

/// Under each table.
fn footer(data: &Data) -> String {
    format!(
        "\n{}; {}; {}; commit {}; `{}`\n\n",
        data.note("machine"),
        data.note("toolchain"),
        data.note("Go"),
        data.note("commit"),
        data.note("command")
    )
}

fn spread(Spread { low, median, high }: Spread) -> String {
    format!("{} [{} … {}]", short(median), short(low), short(high))
}

fn what(goal: &Goal) -> String {
    match goal.limit {
        Limit::Times(_, rival) => format!("{} / {rival}", goal.ours),
        Limit::AtMost(_) => goal.ours.to_owned(),
    }
}

/// Where the project does not keep its promise, and where somebody else is faster.
fn losses(data: &Data) -> String {
    let mut text = "## Where we lose\n\n".to_owned();
    let short_of: Vec<_> = GOALS
        .iter()
        .filter_map(|goal| Some((goal, verdict(data, goal)?)))
        .filter(|(_, verdict)| !verdict.holds)
        .collect();
    if short_of.is_empty() {
        text.push_str("All goals that could be measured hold.\n\n");
    } else {
        text.push_str("Goals that fall short:\n\n| workload | ratio of | measured | goal |\n|---|---|--:|--:|\n");
        for (goal, verdict) in short_of {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} |",
                goal.workload,
                what(goal),
                spread(verdict.spread),
                short(verdict.limit)
            );
        }
        text.push('\n');
    }
    let mut faster = Vec::new();
    for workload in WORKLOADS {
        let Some(ours) = ours(data, workload.name) else {
            continue;
        };
        for rival in data.of(workload.name) {
            let name = rival.contender.as_str();
            if is_ours(name) || LIMITS.contains(&name) || workload.layer == Layer::Rotation {
                continue;
            }
            if let Some(ratio) = data
                .ratio(workload.name, ours, name)
                .filter(|ratio| ratio.median > 1.0)
            {
                faster.push(format!(
                    "| {} | {name} | {} |",
                    workload.name,
                    spread(ratio)
                ));
            }
        }
    }
    if faster.is_empty() {
        text.push_str("No rival is cheaper in any workload.\n\n");
    } else {
        text.push_str("Rivals that are cheaper, whether or not we promised otherwise:\n\n| workload | rival | our cost for each unit of theirs |\n|---|---|--:|\n");
        text.push_str(&faster.join("\n"));
        text.push_str("\n\n");
    }
    text
}

fn goals(data: &Data) -> String {
    let mut text =
        "## Goals\n\n| workload | ratio of | measured | goal | |\n|---|---|--:|--:|---|\n"
            .to_owned();
    for goal in GOALS {
        let (measured, limit, word) = match verdict(data, goal) {
            Some(verdict) => (
                spread(verdict.spread),
                short(verdict.limit),
                if verdict.holds {
                    "holds"
                } else {
                    "**falls short**"
                },
            ),
            None => ("-".to_owned(), String::new(), "not measured"),
        };
        let _ = writeln!(
            text,
            "| {} | {} | {measured} | {limit} | {word} |",
            goal.workload,
            what(goal)
        );
    }
    text.push_str(&footer(data));
    text
}

fn ours(data: &Data, workload: &str) -> Option<&'static str> {
    OURS.into_iter()
        .find(|name| data.rounds(workload, name).is_some())
}

/// A workload's picture and table.
fn section(
    data: &Data,
    workload: &Workload,
    pictures: &mut Vec<(String, String)>,
) -> Option<String> {
    let ours = ours(data, workload.name)?;
    let mut rows: Vec<(String, Spread, Spread)> = data
        .of(workload.name)
        .filter_map(|costs| {
            let name = &costs.contender;
            let cost = data.cost(workload.name, name)?;
            Some((name.clone(), cost, data.ratio(workload.name, name, ours)?))
        })
        .collect();
    rows.sort_by(|a, b| a.1.median.total_cmp(&b.1.median));
    let list: Vec<_> = rows
        .iter()
        .map(|(name, cost, ratio)| Bar {
            name: name.clone(),
            cost: short(cost.median),
            ratio: (ratio.low, ratio.median, ratio.high),
            ours: name == ours,
        })
        .collect();
    let title = format!("{}: {}", workload.name, workload.about);
    let file = format!("{}.svg", slug(workload.name));
    let mut text = format!("### {}\n\n{}.\n\n", workload.name, capital(workload.about));
    text.push_str(&plot(
        pictures,
        &file,
        (title.clone(), bars(workload.name, workload.unit, &list)),
    ));
    let _ = writeln!(
        text,
        "| contender | {} | for each unit of {ours} |\n|---|--:|--:|",
        workload.unit
    );
    for (name, cost, ratio) in &rows {
        let _ = writeln!(text, "| {name} | {} | {} |", spread(*cost), spread(*ratio));
    }
    text.push_str(&footer(data));
    Some(text)
}

fn slug(name: &str) -> String {
    let letters: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    letters
        .split('-')
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("-")
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// How many threads the workloads of threads have.
const THREADS: [usize; 5] = [1, 2, 8, 32, 64];

fn hot_on(threads: usize) -> String {
    match threads {
        1 => "hot".to_owned(),
        _ => format!("hot, {threads} threads"),
    }
}

/// The contenders of the workloads of threads.
fn threaded(data: &Data) -> Vec<String> {
    let last = hot_on(64);
    let names = data.of(&last).map(|costs| costs.contender.clone());
    names.filter(|name| name != "pool, one thread").collect()
}

/// A contender's median cost, where the workload has one thread under the name that it has there.
fn on(data: &Data, threads: usize, name: &str) -> Option<f64> {
    let workload = hot_on(threads);
    // Reached through a reference, as in the workloads of more threads.
    let name = if threads == 1 && name == "pool" {
        "pool, local"
    } else {
        name
    };
    Some(data.cost(&workload, name)?.median)
}

fn threads_plot(data: &Data) -> (String, String) {
    let series: Vec<Series> = threaded(data)
        .into_iter()
        .map(|name| {
            let points = THREADS
                .iter()
                .filter_map(|&n| Some((n as f64, on(data, n, &name)?)));
            (name.clone(), points.collect())
        })
        .collect();
    let about = Lines {
        title: "Take a buffer and put it back, by threads",
        across: "threads",
        upwards: "ns of CPU time for a take and a put, all threads' together",
        scales: (Scale::Logarithmic, Scale::Logarithmic),
        places: &THREADS.map(|n| n as f64),
    };
    (
        "CPU time for a take and a put against the number of threads".to_owned(),
        lines(&about, &series),
    )
}

fn threads_table(data: &Data) -> String {
    let mut text = "| contender |".to_owned();
    for n in THREADS {
        let _ = write!(text, " {n} |");
    }
    text.push_str("\n|---|--:|--:|--:|--:|--:|\n");
    for name in threaded(data) {
        let _ = write!(text, "| {name} |");
        for n in THREADS {
            let cost = on(data, n, &name).map_or("-".to_owned(), short);
            let _ = write!(text, " {cost} |");
        }
        text.push('\n');
    }
    text
}

/// The workloads of rotations, and the sizes in them.
const ROTATIONS: [&str; 2] = ["rotation", "rotation that drops"];
const SIZES: [(&str, f64); 4] = [
    ("1,000 items", 1e3),
    ("10,000 items", 1e4),
    ("100,000 items", 1e5),
    ("1,000,000 items", 1e6),
];

fn rotation_plot(data: &Data) -> (String, String) {
    let series: Vec<Series> = ROTATIONS
        .iter()
        .map(|workload| {
            let points = SIZES
                .iter()
                .filter_map(|(name, n)| Some((*n, data.cost(workload, name)?.median)));
            ((*workload).to_owned(), points.collect())
        })
        .collect();
    let about = Lines {
        title: "How long a rotation takes until destructors run",
        across: "items in the pool",
        upwards: "ns of CPU time",
        scales: (Scale::Logarithmic, Scale::Linear),
        places: &SIZES.map(|(_, n)| n),
    };
    (
        "Rotation pause against the number of items".to_owned(),
        lines(&about, &series),
    )
}

fn rotation_table(data: &Data) -> String {
    let mut text = "| ns of CPU time | 1,000 items | 10,000 items | 100,000 items | 1,000,000 items |\n|---|--:|--:|--:|--:|\n".to_owned();
    for workload in ROTATIONS {
        let _ = write!(text, "| {workload} |");
        for (name, _) in SIZES {
            let cost = data.cost(workload, name).map_or("-".to_owned(), spread);
            let _ = write!(text, " {cost} |");
        }
        text.push('\n');
    }
    text
}

fn memory_plot(data: &Data) -> (String, String) {
    let points = |steps: &[f64]| {
        steps
            .iter()
            .enumerate()
            .map(|(step, size)| (step as f64, *size))
            .collect()
    };
    let series: Vec<Series> = data
        .memory
        .iter()
        .map(|(name, steps)| (name.clone(), points(steps)))
        .collect();
    let about = Lines {
        title: "Memory through a burst",
        across: "steps; the generation turns every five",
        upwards: "MiB of resident memory above the start",
        scales: (Scale::Linear, Scale::Linear),
        places: &[],
    };
    (
        "Resident memory over time through a burst".to_owned(),
        lines(&about, &series),
    )
}

fn memory_table(data: &Data) -> String {
    let mut text = "| contender | before the burst | at its height | five steps after it | ten steps after it | at the end |\n|---|--:|--:|--:|--:|--:|\n".to_owned();
    for (name, steps) in &data.memory {
        let at = |step: usize| steps.get(step).copied().map_or("-".to_owned(), short);
        let height = steps.iter().copied().fold(0.0, f64::max);
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {} | {} | {} |",
            at(memory::BURST.start - 1),
            short(height),
            at(memory::BURST.end + 4),
            at(memory::BURST.end + 9),
            at(memory::MOMENTS - 1),
        );
    }
    text
}

/// Comparisons for the README: a workload, in words, and with whom.
const SUMMARY: &[(&str, &str, &[&str])] = &[
    (
        "take and put, one thread",
        "hot",
        &[
            "thread-local cell",
            "regex-automata",
            "opool",
            "malloc",
            "Go",
        ],
    ),
    (
        "eight deep",
        "nested 8",
        &[
            "thread-local Vec",
            "regex-automata",
            "opool",
            "mimalloc",
            "Go",
        ],
    ),
    (
        "bursts of 100",
        "burst 100",
        &[
            "thread-local Vec",
            "regex-automata",
            "opool",
            "mimalloc",
            "Go",
        ],
    ),
    (
        "64 threads on 2 cores",
        "hot, 64 threads",
        &["regex-automata", "opool", "ArrayQueue", "malloc", "Go"],
    ),
    (
        "taken here, put there",
        "migration",
        &["ArrayQueue", "SegQueue", "malloc", "Go"],
    ),
];

/// A few figures for the README.
fn summary(data: &Data) -> String {
    let mut text = "Our cost for each unit of theirs, medians of interleaved rounds (less than 1 is cheaper):\n\n| | compared with |\n|---|---|\n".to_owned();
    for (words, workload, rivals) in SUMMARY {
        let ratios: Vec<_> = rivals
            .iter()
            .filter_map(|rival| {
                let ratio = data.ratio(workload, "pool", rival)?;
                Some(format!("{rival} **{}**", short(ratio.median)))
            })
            .collect();
        if !ratios.is_empty() {
            let _ = writeln!(text, "| {words} | {} |", ratios.join(", "));
        }
    }
    let verdicts: Vec<_> = GOALS
        .iter()
        .filter_map(|goal| verdict(data, goal))
        .collect();
    let hold = verdicts.iter().filter(|verdict| verdict.holds).count();
    let _ = writeln!(
        text,
        "\nOf {} goals {hold} hold and {} fall short: [where we lose](docs/benchmarks/README.md#where-we-lose). A thread-local cell or\n\
         `Vec` is the limit, not a rival: nobody else can reach what lies in it. All workloads, pictures and raw figures are in\n\
         [docs/benchmarks](docs/benchmarks/README.md), the method in [docs/PERFORMANCE.md](docs/PERFORMANCE.md).\n\
         Measured at commit {} on: {}.",
        verdicts.len(),
        verdicts.len() - hold,
        data.note("commit"),
        data.note("machine"),
    );
    text
}

/// Where the summary is in the README.
const BEGIN: &str = "<!-- benchmarks:begin, written by `cargo xtask bench --report` -->";
const END: &str = "<!-- benchmarks:end -->";

/// The README with this summary.
///
/// # Errors
///
/// When it has no place for one.
pub fn with_summary(readme: &str, summary: &str) -> Result<String, String> {
    let (before, rest) = readme
        .split_once(BEGIN)
        .ok_or("the README has no place for the summary")?;
    let (_, after) = rest
        .split_once(END)
        .ok_or("the summary's place in the README has no end")?;
    Ok(format!("{before}{BEGIN}\n{summary}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::super::data::Costs;
    use super::*;

    fn data() -> Data {
        let costs = |workload: &str, contender: &str, cost: f64| Costs {
            workload: workload.to_owned(),
            contender: contender.to_owned(),
            rounds: vec![cost; 7],
        };
        Data {
            run: vec![("commit".to_owned(), "abc".to_owned())],
            costs: vec![
                costs("hot", "pool", 4.0),
                costs("hot", "thread-local cell", 1.0),
                costs("hot", "opool", 3.0),
                costs("hot", "malloc", 8.0),
                costs("hot, 64 threads", "pool", 4.5),
                costs("rotation", "1,000 items", 10.0),
            ],
            memory: vec![("pool".to_owned(), vec![1.0; memory::MOMENTS])],
        }
    }

    #[test]
    fn losses_are_told() {
        let text = losses(&data());
        // More than the goals allow.
        assert!(
            text.contains("| hot | pool / thread-local cell | 4.00 [4.00 … 4.00] | 1.45 |"),
            "{text}"
        );
        // A rival is cheaper; a limit is no rival; who is dearer is not named.
        assert!(text.contains("| hot | opool | 1.33"), "{text}");
        assert!(
            !text.contains("| hot | thread-local cell |") && !text.contains("| hot | malloc |"),
            "{text}"
        );
    }

    #[test]
    fn types_are_not_taken_for_html() {
        let mut data = data();
        data.costs[2].contender = "Mutex<Vec>".to_owned();
        let text = report(&data).text;
        assert!(text.contains("| Mutex\\<Vec> |"), "{text}");
    }

    #[test]
    fn every_picture_of_the_page_is_drawn() {
        let page = report(&data());
        let files: std::collections::HashSet<_> =
            page.pictures.iter().map(|(file, _)| file).collect();
        assert_eq!(files.len(), page.pictures.len(), "two pictures of one name");
        let named: Vec<_> = page
            .text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
            .collect();
        for (file, picture) in &page.pictures {
            assert!(named.contains(&file.as_str()), "{file} is not shown");
            assert!(picture.starts_with("<svg") && picture.ends_with("</svg>\n"));
        }
        for file in named.iter().filter(|file| file.ends_with(".svg")) {
            assert!(
                page.pictures.iter().any(|(known, _)| known == file),
                "{file} is not drawn"
            );
        }
    }

    #[test]
    fn the_summary_replaces_the_one_before() {
        let readme = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        let text = with_summary(&readme, "new\n").unwrap();
        assert_eq!(text, format!("a\n{BEGIN}\nnew\n{END}\nb\n"));
        assert_eq!(with_summary(&text, "new\n").unwrap(), text);
        assert!(with_summary("a", "b").is_err());
    }
}
