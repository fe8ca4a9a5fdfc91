//! `orderings`: whether every memory ordering earns its keep.

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::Command;
use crate::args::{Args, Flag};
use crate::copy::{Borrowed, Tree};
use crate::orderings::allowed::{self, Entry};
use crate::orderings::hunt::{self, Fate, Level, Reach, Scope};
use crate::orderings::killers::Killers;
use crate::orderings::sites::{Order, Site};
use crate::orderings::{self, Mutant, Tool, plant, report, sites};
use crate::runner::{self, Job, Options, seconds};
use crate::step::{Invocation, Step};
use crate::suite::{self, Program, Test};
use crate::tools;
use crate::workspace::{self, Crate, Workspace};

pub(super) const COMMAND: Command = Command {
    name: "orderings",
    usage: "[--crate X] [--only TEXT] [--engine TOOL] [--quick] [--remember] [--list]",
    about: "weaken each memory ordering in turn: some model or tool must object",
    details: "Weakens each `Ordering` and each fence of the crates by one step, or leaves the fence out, in a copy of the\n\
        sources, and runs the models that come by it until one fails; then Miri and ThreadSanitizer for what the\n\
        models leave. What survives fails the command, unless docs/orderings-allowed.txt gives a reason; so does an\n\
        entry of that list that no longer survives. With --quick, each mutant meets the test that noticed it the last\n\
        time, by docs/orderings-killers.txt, and everybody else only when that one does not object any more; what the\n\
        list of reasons allows is believed and not run. The last line is for machines:\n\
        `orderings: N mutants, K killed, J justified, S survived`.",
    flags: &[
        Flag {
            name: "--only",
            value: Some("TEXT"),
            about: "the mutants with this in their name, as --list shows it",
        },
        Flag {
            name: "--crate",
            value: Some("X"),
            about: "this crate's orderings only",
        },
        Flag {
            name: "--engine",
            value: Some("TOOL"),
            about: "ask loom, miri or tsan alone; then a survivor is no failure",
        },
        Flag {
            name: "--quick",
            value: None,
            about: "ask first who noticed it the last time, and believe the list of reasons",
        },
        Flag {
            name: "--remember",
            value: None,
            about: "write down who noticed what, for --quick",
        },
        Flag {
            name: "--list",
            value: None,
            about: "show the mutants, run nothing",
        },
    ],
    passes_on: false,
    run,
};

/// The list of what may survive.
const ALLOWED: &str = "docs/orderings-allowed.txt";
/// The list of who notices the rest.
const KILLERS: &str = "docs/orderings-killers.txt";

/// Miri's schedules for each test.
const SEEDS: u32 = 4;
/// ThreadSanitizer's.
const REPEATS: usize = 3;

/// What was asked for.
#[derive(Clone)]
struct Wish {
    crates: Vec<String>,
    /// Part of the mutants' names.
    only: String,
    tools: Vec<Tool>,
    /// Whether a survivor is a failure.
    judge: bool,
    /// Whether those are asked first who are known to object.
    quick: bool,
    /// Whether to write down who objects.
    remember: bool,
}

fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode, String> {
    args.no_words()?;
    let names = workspace.names();
    let crates = match args.value("--crate") {
        None => names,
        Some(name) if names.contains(&name) => vec![name],
        Some(name) => return Err(crate::args::unknown("crate", name, names)),
    };
    let all = [
        ("loom", Tool::Loom),
        ("miri", Tool::Miri),
        ("tsan", Tool::Tsan),
    ];
    let tools = match args.value("--engine") {
        None => all.map(|(_, tool)| tool).to_vec(),
        Some(name) => match all.iter().find(|(known, _)| *known == name) {
            Some((_, tool)) => vec![*tool],
            None => {
                return Err(crate::args::unknown(
                    "engine",
                    name,
                    all.map(|(known, _)| known),
                ));
            }
        },
    };
    let wish = Wish {
        crates: crates.into_iter().map(str::to_owned).collect(),
        only: args.value("--only").unwrap_or_default().to_owned(),
        tools,
        judge: args.value("--engine").is_none(),
        quick: args.has("--quick"),
        remember: args.has("--remember"),
    };
    if args.has("--list") {
        return list(workspace, &wish);
    }
    let line = Rc::new(RefCell::new("orderings: no figures".to_owned()));
    let code = runner::run(
        workspace,
        vec![step(wish, Rc::clone(&line))],
        Options::of(args),
    );
    println!("{}", line.borrow());
    Ok(code)
}

/// The hunt; `line` gets its figures.
fn step(wish: Wish, line: Rc<RefCell<String>>) -> Step {
    Step::check("orderings", move |job| hunt_all(job, &wish, &line))
        .on_failure("write the model that is missing, weaken the ordering, or argue it in docs/orderings-allowed.txt")
}

/// The sites of these crates, and of the rest, since all are planted.
fn all_sites(workspace: &Workspace, tree: &Tree) -> Result<Vec<Site>, String> {
    let mut all = Vec::new();
    for name in workspace.names() {
        let sites = sites::of_crate(tree, name)?;
        all.extend(
            sites
                .into_iter()
                .filter(|site| site.order != Order::Relaxed),
        );
    }
    Ok(all)
}

fn chosen(wish: &Wish, sites: &[Site]) -> Vec<Mutant> {
    let mut mutants = orderings::mutants(sites);
    mutants.retain(|mutant| {
        wish.crates.contains(&mutant.site.krate) && mutant.key().contains(&wish.only)
    });
    mutants
}

fn read_allowed(workspace: &Workspace) -> Result<Vec<Entry>, String> {
    let text = workspace::read(&workspace.root().join(ALLOWED))?;
    allowed::parse(&text).map_err(|error| format!("{ALLOWED}: {error}"))
}

/// Who is known to object; nobody, if there is no list.
fn read_killers(workspace: &Workspace) -> Result<Killers, String> {
    let path = workspace.root().join(KILLERS);
    if !path.exists() {
        return Ok(Killers::default());
    }
    Killers::parse(&workspace::read(&path)?).map_err(|error| format!("{KILLERS}: {error}"))
}

fn list(workspace: &Workspace, wish: &Wish) -> Result<ExitCode, String> {
    let tree = Tree::read(workspace)?;
    let allowed = read_allowed(workspace)?;
    for mutant in chosen(wish, &all_sites(workspace, &tree)?) {
        let entry = allowed.iter().find(|entry| entry.key == mutant.key());
        let reach = if mutant.within_reach() {
            ""
        } else {
            "  (out of reach)"
        };
        let reason = entry.map_or(String::new(), |entry| format!("\n    {}", entry.reason));
        println!("{}  line {}{reach}{reason}", mutant.key(), mutant.site.line);
    }
    Ok(ExitCode::SUCCESS)
}

fn hunt_all(job: &mut Job<'_>, wish: &Wish, line: &RefCell<String>) -> Result<String, String> {
    let workspace = job.workspace;
    let allowed = read_allowed(workspace)?;
    let mut killers = read_killers(workspace)?;
    let mut tree = Tree::read(workspace)?;
    let sites = all_sites(workspace, &tree)?;
    let mutants = chosen(wish, &sites);
    plant::plant(&mut tree, &sites)?;
    let place = Place::new(workspace)?;
    let _borrowed = Borrowed::new(workspace);
    tree.write(&place.copy)?;

    let mut fates = vec![Fate::default(); mutants.len()];
    if wish.quick {
        for (mutant, fate) in mutants.iter().zip(&mut fates) {
            fate.believed = allowed.iter().any(|entry| entry.key == mutant.key());
        }
        for tool in &wish.tools {
            place.hunt(
                job,
                *tool,
                Scope::Remembered(&killers),
                &mutants,
                &mut fates,
            )?;
        }
        let quickly = fates.iter().filter(|fate| fate.killed.is_some()).count();
        job.say(&format!(
            "{quickly} of {} mutants noticed as before",
            mutants.len()
        ));
    }
    for tool in &wish.tools {
        for scope in [Scope::Own, Scope::Others] {
            place.hunt(job, *tool, scope, &mutants, &mut fates)?;
        }
    }
    if wish.remember {
        killers.learn(&orderings::mutants(&sites), &mutants, &fates);
        fs::write(workspace.root().join(KILLERS), killers.text())
            .map_err(|error| format!("{KILLERS}: {error}"))?;
    }

    let crates: Vec<&str> = wish.crates.iter().map(String::as_str).collect();
    let mut complaints = allowed::unknown(&allowed, &orderings::mutants(&sites), &crates);
    complaints.extend(report::complaints(&mutants, &fates, &allowed, wish.judge));
    job.say(&report::survivors(&mutants, &fates, &allowed));
    job.say(&report::table(&crates, &mutants, &fates, &allowed));
    job.say(&report::kinds(&fates));
    let count = report::count(None, &mutants, &fates, &allowed);
    *line.borrow_mut() = count.line();
    let told = format!(
        "{} of {} mutants at {} sites killed, {} justified, {} out of reach",
        count.killed(),
        count.mutants,
        count.sites,
        count.justified,
        count.out_of_reach
    );
    if complaints.is_empty() {
        Ok(told)
    } else {
        job.say(&complaints.join("\n"));
        Err(format!("{told}; {} complaints", complaints.len()))
    }
}

/// Where all this happens.
struct Place {
    copy: PathBuf,
    /// Where builds go that the same tools make of the sources themselves: dependencies may be there already.
    loom: PathBuf,
    miri: PathBuf,
    tsan: PathBuf,
    scratch: PathBuf,
}

impl Place {
    fn new(workspace: &Workspace) -> Result<Self, String> {
        let root = workspace.target_for("orderings");
        let scratch = root.join("logs");
        let named = |error: std::io::Error| format!("{}: {error}", scratch.display());
        fs::create_dir_all(&scratch).map_err(named)?;
        Ok(Self {
            copy: root.join("copy"),
            loom: workspace.target_for("loom"),
            miri: workspace.target().to_owned(),
            tsan: workspace.target_for("thread"),
            scratch,
        })
    }

    /// Shows the mutants that are still alive to the tests of a tool, if there are any for it.
    fn hunt(
        &self,
        job: &mut Job<'_>,
        tool: Tool,
        scope: Scope<'_>,
        mutants: &[Mutant],
        fates: &mut [Fate],
    ) -> Result<(), String> {
        let alive = |(mutant, fate): (&Mutant, &Fate)| {
            let asked = fate.killed.is_none() && !fate.believed;
            (asked && mutant.within_reach_of(tool)).then(|| mutant.clone())
        };
        let alive: Vec<Mutant> = mutants.iter().zip(fates.iter()).filter_map(alive).collect();
        if alive.is_empty() {
            return Ok(());
        }
        let workspace = job.workspace;
        let wanted = |krate: &&Crate| match scope {
            Scope::Own => alive.iter().any(|mutant| mutant.site.krate == krate.name),
            Scope::Others => alive
                .iter()
                .any(|mutant| workspace.is_above(krate, &mutant.site.krate)),
            Scope::Remembered(killers) => alive
                .iter()
                .filter_map(|mutant| killers.of(mutant))
                .any(|killer| killer.krate == krate.name && tool.has(&killer.level)),
        };
        let crates: Vec<&Crate> = workspace.crates().iter().filter(wanted).collect();
        if crates.is_empty() {
            return Ok(());
        }
        let mut reach = Reach::default();
        for level in self.levels(job, tool, &crates)? {
            let begun = Instant::now();
            let scratch = &self.scratch;
            hunt::run(job, &level, scope, mutants, fates, &mut reach, scratch)?;
            job.say(&format!(
                "{}: done, {}",
                level.name,
                seconds(begun.elapsed())
            ));
        }
        Ok(())
    }

    /// The levels of a tool, with the programs of these crates built.
    fn levels(
        &self,
        job: &mut Job<'_>,
        tool: Tool,
        crates: &[&Crate],
    ) -> Result<Vec<Level>, String> {
        match tool {
            Tool::Loom => self.loom(job, crates),
            Tool::Miri => self.miri(job, crates),
            Tool::Tsan => self.tsan(job, crates),
        }
    }

    fn loom(&self, job: &mut Job<'_>, crates: &[&Crate]) -> Result<Vec<Level>, String> {
        let mut tests = Vec::new();
        for krate in crates.iter().filter(|krate| krate.has_models) {
            job.say(&format!("building the models of {}", krate.name));
            let args = [
                "test",
                "-p",
                &krate.name,
                "--release",
                "--features",
                "loom",
                "--test",
                "loom",
                "--no-run",
            ];
            let build = Invocation::cargo(args)
                .env("RUSTFLAGS", "--cfg pool_loom")
                .env("CARGO_TARGET_DIR", &self.loom)
                .without("CARGO_ENCODED_RUSTFLAGS")
                .in_dir(&self.copy);
            tests.extend(self.programs(job, &krate.name, &build, &[])?);
        }
        Ok([(2, true), (3, false)]
            .map(|(bound, shallow)| Level {
                name: format!("loom, {bound} preemptions"),
                tool: Tool::Loom,
                tests: tests.clone(),
                runs: vec![vec![("LOOM_MAX_PREEMPTIONS".to_owned(), bound.to_string())]],
                shallow,
            })
            .into())
    }

    /// Builds programs and lists their tests.
    fn programs(
        &self,
        job: &mut Job<'_>,
        krate: &str,
        build: &Invocation,
        env: &[(&str, &str)],
    ) -> Result<Vec<Test>, String> {
        let built = job.run(build)?;
        let mut tests = Vec::new();
        for (_, path) in suite::executables(&built) {
            let path = self.copy.join(path);
            let mut invocation =
                Invocation::new(path, "").in_dir(&self.copy.join("crates").join(krate));
            for name in [
                "LOOM_MAX_DURATION",
                "LOOM_MAX_PERMUTATIONS",
                "LOOM_MAX_BRANCHES",
            ] {
                invocation = invocation.without(name);
            }
            for (name, value) in env {
                invocation = invocation.env(name, *value);
            }
            let program = Program {
                krate: krate.to_owned(),
                invocation,
            };
            tests.extend(self.tests(&program)?);
        }
        if tests.is_empty() {
            return Err(format!("no tests were built by: {}", build.command_line()));
        }
        Ok(tests)
    }

    fn tests(&self, program: &Program) -> Result<Vec<Test>, String> {
        suite::tests(
            program,
            Duration::from_secs(600),
            &self.scratch.join("list.log"),
        )
    }

    fn miri(&self, job: &mut Job<'_>, crates: &[&Crate]) -> Result<Vec<Level>, String> {
        let Some(nightly) = tools::nightly_with_miri() else {
            job.lacks("miri", tools::MIRI);
            return Ok(Vec::new());
        };
        let mut tests = Vec::new();
        for krate in crates {
            job.say(&format!("building the tests of {} for Miri", krate.name));
            let flags = "-Zmiri-disable-isolation -Zmiri-tree-borrows -Zmiri-permissive-provenance";
            let flags = format!("{flags} -Zmiri-many-seeds=0..{SEEDS}");
            // The pairs of two sides are small. The other programs take Miri hours at each mutant, and bring no other pair.
            let args = [
                "miri",
                "test",
                "--quiet",
                "-p",
                &krate.name,
                "--test",
                "pairs",
                "--",
            ];
            let invocation = Invocation::cargo_of(&nightly, args)
                .env("MIRIFLAGS", flags)
                .env("CARGO_TARGET_DIR", &self.miri)
                .in_dir(&self.copy);
            tests.extend(self.tests(&Program {
                krate: krate.name.clone(),
                invocation,
            })?);
        }
        Ok(vec![Level {
            name: format!("miri, {SEEDS} seeds"),
            tool: Tool::Miri,
            tests,
            runs: vec![vec![]],
            shallow: false,
        }])
    }

    fn tsan(&self, job: &mut Job<'_>, crates: &[&Crate]) -> Result<Vec<Level>, String> {
        const TARGET: &str = "x86_64-unknown-linux-gnu";
        let nightly = tools::nightly_with_sources();
        let here = cfg!(all(target_arch = "x86_64", target_os = "linux"));
        let Some(nightly) = nightly.filter(|_| here) else {
            job.lacks(
                "ThreadSanitizer",
                "needs a nightly toolchain with rust-src, on 64-bit Linux",
            );
            return Ok(Vec::new());
        };
        let mut tests = Vec::new();
        for krate in crates {
            job.say(&format!(
                "building the tests of {} for ThreadSanitizer",
                krate.name
            ));
            let programs = super::sanitize::programs(&krate.name);
            let args = format!(
                "test -Zbuild-std --target {TARGET} --release -p {}{programs} --no-run",
                krate.name
            );
            let build = Invocation::cargo_of(&nightly, &args)
                .env("RUSTFLAGS", "-Zsanitizer=thread")
                .env("CARGO_TARGET_DIR", &self.tsan)
                .without("CARGO_ENCODED_RUSTFLAGS")
                .in_dir(&self.copy);
            tests.extend(self.programs(
                job,
                &krate.name,
                &build,
                &[("TSAN_OPTIONS", "halt_on_error=1")],
            )?);
        }
        Ok(vec![Level {
            name: format!("tsan, {REPEATS} runs"),
            tool: Tool::Tsan,
            tests,
            runs: vec![vec![]; REPEATS],
            shallow: false,
        }])
    }
}
