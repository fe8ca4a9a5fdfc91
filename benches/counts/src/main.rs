//! Counts, for each kind of operation, what does not get cheaper with more cores: read-modify-writes, fences, stores to
//! lines that others read, and lines that have to come from another core. `cargo xtask bench --counts` builds it with
//! the counting atomics; without them it refuses.

mod model;
mod scenes;

use std::io::Write as _;
use std::process::{Command, ExitCode, Stdio};

use scenes::{SCENES, Scene};
use tally::Tally;

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[String]) -> Result<(), String> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let bless = match words[..] {
        [] => false,
        ["--bless"] => true,
        ["--check"] => return check(),
        // A process of its own for each figure: thread records, caches and thread numbers are never given up.
        ["--one", name, threads] => {
            let scene = SCENES.iter().find(|scene| scene.name == name);
            let threads = threads.parse().map_err(|_| "not a number of threads")?;
            println!(
                "{}",
                (scene.ok_or("no such scene")?.count)(threads).numbers()
            );
            return Ok(());
        }
        ["--help" | "-h"] => {
            println!(
                "cargo xtask bench --counts [--bless]\n\nCounts what does not get cheaper with more cores.\n\n\
                 Options:\n  --bless   put the tables into docs/PERFORMANCE.md\n  \
                 --check   only make sure that taking and putting within a thread cache needs nothing of others"
            );
            return Ok(());
        }
        _ => {
            return Err(format!(
                "unknown arguments {words:?}; --help shows what there is"
            ));
        }
    };
    let mut rows = Vec::new();
    for scene in SCENES {
        for &threads in scene.threads {
            let tally = one(scene, threads)?;
            if scene.name == "dequeue: owner alone" && tally.rmws == 0 {
                return Err(ORDINARY.to_owned());
            }
            eprint!(".");
            let _ = std::io::stderr().flush();
            rows.push((scene, threads, tally));
        }
    }
    eprintln!();
    let text = format!("{}\n{}", model::counts(&rows), model::costs(&rows));
    if !bless {
        print!("{text}");
        return Ok(());
    }
    // The program is built in a copy; the pages are not there.
    let root = std::env::var("POOL_ROOT")
        .map_err(|_| "--bless works with `cargo xtask bench --counts`")?;
    let path = std::path::Path::new(&root).join("docs/PERFORMANCE.md");
    let named = |error: std::io::Error| format!("{}: {error}", path.display());
    let page = std::fs::read_to_string(&path).map_err(named)?;
    let (before, rest) = page
        .split_once(BEGIN)
        .ok_or("the page has no place for the tables")?;
    let (_, after) = rest
        .split_once(END)
        .ok_or("the place for the tables has no end")?;
    std::fs::write(&path, format!("{before}{BEGIN}\n{text}{END}{after}")).map_err(named)
}

/// What is promised of the pool's hot path, on eight cores.
fn check() -> Result<(), String> {
    let counts = SCENES
        .iter()
        .find(|scene| scene.name == "dequeue: owner alone");
    if one(counts.ok_or("no such scene")?, 1)?.rmws == 0 {
        return Err(ORDINARY.to_owned());
    }
    let hot = ["pool: take and put", "pool: get and drop", "pool: 8 nested"];
    for scene in SCENES.iter().filter(|scene| hot.contains(&scene.name)) {
        let tally = one(scene, 8)?;
        let of_others = [tally.rmws, tally.fences, tally.shared_writes, tally.moves];
        if of_others != [0; 4] || tally.operations == 0 {
            return Err(format!(
                "{}: more than its own memory: {tally:?}",
                scene.name
            ));
        }
        println!(
            "{}: no locked instruction, no fence, no line of others",
            scene.name
        );
    }
    Ok(())
}

/// What is wrong with a build in the workspace itself.
const ORDINARY: &str =
    "built with ordinary atomics, which count nothing: use `cargo xtask bench --counts`";

/// Where the page's tables are.
const BEGIN: &str = "<!-- counts:begin, written by `cargo xtask bench --counts --bless` -->";
const END: &str = "<!-- counts:end -->";

fn one(scene: &Scene, threads: usize) -> Result<Tally, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new(own)
        .args(["--one", scene.name, &threads.to_string()])
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    Tally::of_numbers(&text).ok_or(format!("{} with {threads} threads failed", scene.name))
}
