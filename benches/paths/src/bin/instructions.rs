//! `cargo xtask bench --instructions`: counts the instructions of each hot path under valgrind's callgrind and compares
//! them with golden figures.
//!
//! Unlike a time, a count is the same on a busy machine as on a quiet one, so a change of a few instructions can be told
//! from noise. The same dump says how often each instruction was executed; those that lock the bus or fence are counted
//! by themselves, as one of them costs as much as twenty others.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

const HELP: &str = "\
cargo xtask bench --instructions [--bless]

Counts the instructions of each hot path and compares them with benches/instructions.txt.

Options:
  --bless   accept what is counted as the new golden figures
  --check   the same as without options, but a machine without valgrind is an error
";

/// How far a figure may move, as a part of the golden one, with the toolchain that made it.
const SAME_TOOLCHAIN: f64 = 0.03;

/// The same with another toolchain: compilers move figures by a few per cent. A path that is no longer inlined moves
/// by more.
const OTHER_TOOLCHAIN: f64 = 0.10;

/// How far a count of locked instructions may move: some paths meet a slow path once in a thousand operations.
const LOCKED: f64 = 0.02;

fn main() -> ExitCode {
    let result = match std::env::args().nth(1).as_deref() {
        // In the counting tool.
        Some("--run") => {
            run();
            return ExitCode::SUCCESS;
        }
        None => count(false, false),
        Some("--check") => count(false, true),
        Some("--bless") => count(true, true),
        Some("--help" | "-h") => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Some(word) => Err(format!("unknown argument {word}\n\n{HELP}")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

/// What is counted.
fn run() {
    paths::check();
    for mut path in paths::all() {
        path.warm(paths::OPERATIONS);
        path.measure(paths::OPERATIONS);
    }
}

/// What a path executes, per operation.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Figure {
    instructions: f64,
    /// Locked instructions and full fences; `None` where nobody could read the machine code.
    locked: Option<f64>,
}

fn count(bless: bool, must: bool) -> Result<(), String> {
    if let Err(why) = tool("valgrind") {
        if must {
            return Err(why);
        }
        println!("SKIPPED: valgrind: {why}; no instruction is counted");
        return Ok(());
    }
    let counted = measure()?;
    let toolchain = toolchain()?;
    let path = golden_path();
    if bless {
        fs::write(&path, written(&toolchain, &counted))
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let golden = Golden::parse(&text)?;
    let same = golden.toolchain == toolchain;
    if !same {
        println!(
            "NOTE: the golden figures were made with {}, this is {toolchain}: up to {:.0} % are the toolchain's",
            golden.toolchain,
            OTHER_TOOLCHAIN * 100.0
        );
    }
    let complaints = compare(&golden, &counted, same);
    println!(
        "{:>14} {:>10} {:>8}  per operation",
        "instructions", "golden", "locked"
    );
    for (name, figure) in &counted {
        let before = golden.figures.iter().find(|(known, _)| known == name);
        println!(
            "{:>14.2} {:>10} {:>8}  {name}",
            figure.instructions,
            before.map_or("-".to_owned(), |(_, before)| format!(
                "{:.2}",
                before.instructions
            )),
            figure
                .locked
                .map_or("?".to_owned(), |locked| format!("{locked:.2}")),
        );
    }
    if complaints.is_empty() {
        println!(
            "{} paths execute what they should, with {toolchain}",
            counted.len()
        );
        Ok(())
    } else {
        Err(format!(
            "{}\nif that is meant to be: cargo xtask bench --instructions --bless",
            complaints.join("\n")
        ))
    }
}

fn golden_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../instructions.txt")
}

/// The golden figures.
#[derive(Debug, Default, PartialEq)]
struct Golden {
    toolchain: String,
    figures: Vec<(String, Figure)>,
}

impl Golden {
    fn parse(text: &str) -> Result<Self, String> {
        let mut golden = Self::default();
        let lines = text.lines().map(str::trim);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(toolchain) = line.strip_prefix("toolchain ") {
                toolchain.clone_into(&mut golden.toolchain);
                continue;
            }
            let mut words = line.splitn(3, char::is_whitespace);
            let mut number = || words.next()?.parse::<f64>().ok();
            let figures = number().zip(number());
            let (instructions, locked) = figures.ok_or(format!("no figures: {line}"))?;
            let name = words.next().ok_or(format!("no name: {line}"))?;
            let figure = Figure {
                instructions,
                locked: Some(locked),
            };
            golden.figures.push((name.to_owned(), figure));
        }
        if golden.toolchain.is_empty() {
            return Err("the golden figures name no toolchain".to_owned());
        }
        Ok(golden)
    }
}

fn written(toolchain: &str, counted: &[(String, Figure)]) -> String {
    let mut text = "\
# What each hot path executes per operation: instructions, and among them those that are locked or a full fence.
# A path of groups (8 nested, bursts, batches) counts one item of the group as one operation.
# Written by `cargo xtask bench --instructions --bless`; docs/PERFORMANCE.md says how it is compared.
"
    .to_owned();
    let _ = writeln!(text, "toolchain {toolchain}");
    for (name, figure) in counted {
        let locked = figure.locked.unwrap_or(f64::NAN);
        let _ = writeln!(text, "{:.2} {locked:.2} {name}", figure.instructions);
    }
    text
}

/// What is wrong.
fn compare(golden: &Golden, counted: &[(String, Figure)], same: bool) -> Vec<String> {
    let limit = if same {
        SAME_TOOLCHAIN
    } else {
        OTHER_TOOLCHAIN
    };
    let mut complaints = Vec::new();
    for (name, figure) in counted {
        let Some((_, before)) = golden.figures.iter().find(|(known, _)| known == name) else {
            complaints.push(format!("{name} has no golden figure"));
            continue;
        };
        let change = figure.instructions / before.instructions - 1.0;
        if change.abs() > limit {
            complaints.push(format!(
                "{name}: {:.2} instructions, {:.2} before: {:+.1} %",
                figure.instructions,
                before.instructions,
                change * 100.0
            ));
        }
        if let (Some(now), Some(then)) = (figure.locked, before.locked) {
            // A golden figure that is not a number was blessed without a disassembler; it asks for a new blessing.
            let agree = (now - then).abs() <= LOCKED;
            if !agree {
                complaints.push(format!(
                    "{name}: {now:.2} locked instructions, {then:.2} before"
                ));
            }
        }
    }
    for (name, _) in &golden.figures {
        if !counted.iter().any(|(known, _)| known == name) {
            complaints.push(format!("{name} has a golden figure but is not counted"));
        }
    }
    complaints
}

/// Fails if a program is not there.
fn tool(name: &str) -> Result<String, String> {
    let output = Command::new(name)
        .arg("--version")
        .stderr(Stdio::null())
        .output()
        .map_err(|error| format!("{name} is not installed ({error})"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    output
        .status
        .success()
        .then(|| text.lines().next().unwrap_or_default().to_owned())
        .ok_or(format!("{name} does not work"))
}

/// The compiler, and the C library, whose allocator some paths run through.
fn toolchain() -> Result<String, String> {
    let rustc = tool(&std::env::var("RUSTC").unwrap_or("rustc".to_owned()))?;
    let libc = tool("ldd").map_or("another C library".to_owned(), |line| {
        format!("glibc {}", line.rsplit(' ').next().unwrap_or_default())
    });
    Ok(format!(
        "{rustc}, {}-{}, {libc}",
        std::env::consts::ARCH,
        std::env::consts::OS
    ))
}

/// Counts all paths in one run.
fn measure() -> Result<Vec<(String, Figure)>, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let folder = own.with_file_name(format!("callgrind-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let result = measure_in(&own, &folder);
    fs::remove_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    result
}

fn measure_in(own: &Path, folder: &Path) -> Result<Vec<(String, Figure)>, String> {
    let dump = folder.join("dump");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet"])
        .args(["--zero-before=measured_path", "--dump-after=measured_path"])
        .args([
            "--dump-instr=yes",
            "--compress-pos=no",
            "--compress-strings=no",
        ])
        .arg(format!("--callgrind-out-file={}", dump.display()))
        .arg(own)
        .arg("--run")
        .output()
        .map_err(|error| format!("cannot run valgrind: {error}"))?;
    if !output.status.success() {
        return Err(format!(
            "valgrind: {}",
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    let locked = locked_instructions(own);
    if let Err(why) = &locked {
        println!("SKIPPED: objdump: {why}; locked instructions are not counted");
    }
    let mut counted = Vec::new();
    for (index, path) in paths::all().iter().enumerate() {
        let part = folder.join(format!("dump.{}", index + 1));
        let text = fs::read_to_string(&part).map_err(|error| {
            format!("{}: nothing counted for {path:?}: {error}", part.display())
        })?;
        let per_operation = |count: u64| count as f64 / paths::OPERATIONS as f64;
        let figure = Figure {
            instructions: per_operation(total(&text)?),
            locked: locked
                .as_ref()
                .ok()
                .map(|locked| per_operation(executed(&text, own, locked))),
        };
        counted.push((path.name.to_owned(), figure));
    }
    let next = folder.join(format!("dump.{}", counted.len() + 1));
    if next.exists() {
        return Err("more was counted than there are paths".to_owned());
    }
    Ok(counted)
}

/// All instructions of a dump.
fn total(dump: &str) -> Result<u64, String> {
    let line = dump.lines().find_map(|line| line.strip_prefix("totals: "));
    line.and_then(|line| line.trim().parse().ok())
        .ok_or("callgrind's dump has no total".to_owned())
}

/// How many of a dump's instructions are at one of the addresses in the program itself.
fn executed(dump: &str, program: &Path, at: &HashSet<u64>) -> u64 {
    let program = program.to_string_lossy();
    let mut inside = false;
    let mut sum = 0;
    let mut lines = dump.lines();
    while let Some(line) = lines.next() {
        if let Some(object) = line.strip_prefix("ob=") {
            inside = object == program;
        } else if line.starts_with("calls=") {
            // What the callee cost, which is counted where it stands.
            lines.next();
        } else if let Some(rest) = line.strip_prefix("0x") {
            let mut words = rest.split(' ');
            let address = words
                .next()
                .and_then(|word| u64::from_str_radix(word, 16).ok());
            let count = words.nth(1).and_then(|word| word.parse::<u64>().ok());
            if let (true, Some(address), Some(count)) = (inside, address, count) {
                if at.contains(&address) {
                    sum += count;
                }
            }
        }
    }
    sum
}

/// The addresses of the program's locked instructions and full fences.
fn locked_instructions(program: &Path) -> Result<HashSet<u64>, String> {
    tool("objdump")?;
    let output = Command::new("objdump")
        .args(["-d", "--no-show-raw-insn"])
        .arg(program)
        .output()
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let found = locked_in(&text);
    if output.status.success() && found.len() > 10 {
        Ok(found.into_keys().collect())
    } else {
        Err("no locked instruction found in this program, which has many".to_owned())
    }
}

/// The same of a disassembly, with each instruction's text.
fn locked_in(disassembly: &str) -> BTreeMap<u64, &str> {
    disassembly
        .lines()
        .filter_map(|line| {
            let (address, code) = line.split_once(":\t")?;
            let address = u64::from_str_radix(address.trim(), 16).ok()?;
            let locked = code.starts_with("lock ")
                // An exchange with memory is locked without saying so.
                || (code.starts_with("xchg") && code.contains('('))
                || code.starts_with("mfence");
            locked.then_some((address, code))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISASSEMBLY: &str = "\
0000000000001000 <f>:
    1000:\tlock cmpxchg %rcx,(%rdi)
    1005:\txchg   %ax,%ax
    1008:\txchg   %al,0x8(%rdi)
    100b:\tmfence
    100e:\tmov    (%rdi),%rax
";

    #[test]
    fn locked_instructions_are_found() {
        let found: Vec<_> = locked_in(DISASSEMBLY).into_keys().collect();
        assert_eq!(found, [0x1000, 0x1008, 0x100b]);
    }

    #[test]
    fn only_the_program_s_own_lines_count() {
        let dump = "totals: 99\n\nob=/p\nfn=f\n0x1000 7 10\n0x1005 7 10\ncfn=g\ncalls=3 0x1008\n0x1008 7 500\n\
                    ob=/libc\nfn=h\n0x1008 7 40\nob=/p\nfn=i\n0x1008 9 2\n";
        let at = locked_in(DISASSEMBLY).into_keys().collect();
        assert_eq!(executed(dump, Path::new("/p"), &at), 12);
        assert_eq!(total(dump), Ok(99));
        assert!(total("nothing").is_err());
    }

    fn figure(instructions: f64, locked: f64) -> Figure {
        Figure {
            instructions,
            locked: Some(locked),
        }
    }

    fn complaints(now: Figure, same: bool) -> Vec<String> {
        let golden = Golden {
            toolchain: "x".to_owned(),
            figures: vec![("a".to_owned(), figure(100.0, 1.0))],
        };
        compare(&golden, &[("a".to_owned(), now)], same)
    }

    #[test]
    fn a_rise_and_a_fall_are_noticed() {
        assert!(complaints(figure(102.9, 1.0), true).is_empty());
        assert_eq!(complaints(figure(103.1, 1.0), true).len(), 1);
        assert_eq!(complaints(figure(96.9, 1.0), true).len(), 1);
        assert!(complaints(figure(109.0, 1.0), false).is_empty());
        assert_eq!(complaints(figure(111.0, 1.0), false).len(), 1);
        assert_eq!(complaints(figure(100.0, 1.1), false).len(), 1);
        let blind = Figure {
            instructions: 100.0,
            locked: None,
        };
        assert!(complaints(blind, true).is_empty());
    }

    #[test]
    fn golden_figures_are_read_as_they_were_written() {
        let counted = [("a path: b".to_owned(), figure(12.25, 0.5))];
        let golden = Golden::parse(&written("rustc 1.2.3", &counted)).unwrap();
        assert_eq!(golden.toolchain, "rustc 1.2.3");
        assert_eq!(golden.figures, counted);
        assert!(compare(&golden, &counted, true).is_empty());
        assert_eq!(compare(&golden, &[], true).len(), 1);
        assert_eq!(
            compare(&Golden::parse("toolchain x").unwrap(), &counted, true).len(),
            1
        );
        assert!(Golden::parse("").is_err());
        assert!(Golden::parse("toolchain x\none 2 a").is_err());
    }
}
