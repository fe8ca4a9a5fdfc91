//! How much memory a pool holds on to: a process of its own for each contender, so that none inherits another's heap.
//!
//! In one scene 64 threads each take 1,000 blocks of 1 KiB, put them back and stay alive, idle. What the pool offers to
//! give memory back is then used twice; after each step the resident memory above the start is noted. In the other, eight
//! threads go on all the time, and for a while need fifty times as much.
//!
//! What the allocator has got back it is told to return to the system, as Go's runtime is: what is measured is what a
//! pool holds on to, and not when an allocator lets go.

use std::fmt::Display;
use std::ops::Range;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Barrier, OnceLock};

use crate::item::{Block, SIZE};
use crate::measure::{Entrant, Sample};
use crate::pool::limits::LocalStack;
use crate::pool::ours::Local;
use crate::pool::rivals::{Locked, Opool, Regex};
use crate::pool::{Contender, Hold, leaked};
use crossbeam_queue::SegQueue;
use lockfree_object_pool::LinearObjectPool;

/// How many threads take part in the burst.
pub const THREADS: usize = 64;

/// How many blocks each of them holds at its height.
pub const BLOCKS: usize = 1000;

/// What the steps are called.
pub const STEPS: [&str; 5] = ["start", "burst", "idle", "one rotation", "two rotations"];

/// Resident memory of this process, in MiB.
fn resident() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages = text.split_whitespace().nth(1).expect("the second number");
    let pages: f64 = pages.parse().expect("a number");
    pages * 4096.0 / f64::from(1 << 20)
}

/// Asks the allocator to return to the system what nobody uses.
fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: the function may be called at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// A contender: its name, and its two scenes.
type Scene = (&'static str, fn(), fn());

/// Both scenes of a contender, given what it does to give memory back.
macro_rules! scene {
    ($name:literal, $contender:ty, $give_back:expr) => {
        (
            $name,
            || burst::<$contender>($give_back),
            || life::<$contender>($give_back),
        )
    };
}

/// All contenders.
const SCENES: &[Scene] = &[
    scene!("pool", Local<Block>, |pool| pool.0.rotate()),
    scene!("thread-local Vec", LocalStack, |_| ()),
    scene!("Mutex<Vec>", Locked<Block>, |_| ()),
    scene!("SegQueue", SegQueue<Block>, |_| ()),
    scene!("regex-automata", Regex<Block>, |_| ()),
    scene!("object-pool", object_pool::Pool<Block>, |_| ()),
    scene!("opool", Opool<Block>, |_| ()),
    scene!("lockfree-object-pool", LinearObjectPool<Block>, |_| ()),
];

/// Plays one of a contender's scenes in this process and prints its steps.
///
/// # Errors
///
/// When there is no such contender or scene.
pub fn play(scene: &str, name: &str) -> Result<(), String> {
    let (_, burst, life) = SCENES
        .iter()
        .find(|(known, ..)| *known == name)
        .ok_or(format!("no contender {name}"))?;
    match scene {
        "burst" => burst(),
        "life" => life(),
        _ => return Err(format!("no scene {scene}")),
    }
    Ok(())
}

fn burst<C: Contender<Block>>(give_back: impl Fn(&C)) {
    let start = resident();
    let pool = leaked::<Block, C>();
    let steps = Barrier::new(THREADS + 1);
    let over = Barrier::new(THREADS + 1);
    let note = || println!("{:.3}", resident() - start);
    note();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let held: Vec<_> = (0..BLOCKS)
                    .map(|n| {
                        let mut block = pool.take();
                        block.mark(n as u64);
                        block
                    })
                    .collect();
                steps.wait();
                steps.wait();
                held.into_iter().for_each(|block| pool.put(block));
                steps.wait();
                // Idle, but alive.
                over.wait();
            });
        }
        steps.wait();
        note();
        steps.wait();
        steps.wait();
        note();
        for _ in 0..2 {
            give_back(pool);
            trim();
            note();
        }
        over.wait();
    });
}

/// How many threads take part in the life.
const WORKERS: usize = 8;

/// How many moments the life has.
pub const MOMENTS: usize = 60;

/// The moments at which it needs more.
pub const BURST: Range<usize> = 15..20;

/// How many moments pass between two generations.
pub const GENERATION: usize = 5;

/// How many blocks each thread needs at a moment.
fn need(moment: usize) -> usize {
    if BURST.contains(&moment) { 1000 } else { 20 }
}

fn life<C: Contender<Block>>(give_back: impl Fn(&C)) {
    let start = resident();
    let pool = leaked::<Block, C>();
    let steps = Barrier::new(WORKERS + 1);
    let together = Barrier::new(WORKERS);
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                for moment in 0..MOMENTS {
                    // Sixteen calls at a moment, each of which needs its share at once; of the first ones all at once.
                    for call in 0..16 {
                        let mut held: Vec<_> = (0..need(moment)).map(|_| pool.take()).collect();
                        for (n, block) in held.iter_mut().enumerate() {
                            block.mark(n as u64);
                        }
                        if call == 0 {
                            together.wait();
                        }
                        held.into_iter().for_each(|block| pool.put(block));
                    }
                    steps.wait();
                    steps.wait();
                }
            });
        }
        for moment in 0..MOMENTS {
            steps.wait();
            if moment % GENERATION == GENERATION - 1 {
                give_back(pool);
                trim();
            }
            println!("{:.3}", resident() - start);
            steps.wait();
        }
    });
}

/// Where the program is that can [`play`] the scenes, if it is not the one that is running.
pub static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// The program of a running process: a path that leads to it also when the file has been replaced or removed since, as
/// any build during a long run may do. `std::env::current_exe` would then name a file that is no more.
pub(crate) fn program_of(process: impl Display) -> PathBuf {
    format!("/proc/{process}/exe").into()
}

/// Runs one of a contender's scenes in a new process: MiB after each of its steps.
fn in_a_process(scene: &str, name: &str) -> Vec<f64> {
    let program = PROGRAM.get_or_init(|| program_of("self"));
    listen(Command::new(program).args(["--memory", scene, name]))
}

/// Runs a contender's burst: MiB after each of [`STEPS`].
///
/// # Panics
///
/// When that fails.
#[must_use]
pub fn steps(name: &str) -> Vec<f64> {
    burst_of(in_a_process("burst", name))
}

/// Makes sure that it was a burst.
///
/// # Panics
///
/// When it was none.
#[must_use]
pub fn burst_of(steps: Vec<f64>) -> Vec<f64> {
    assert_eq!(steps.len(), STEPS.len(), "a step was left out");
    let held = (THREADS * BLOCKS * SIZE) as f64 / f64::from(1 << 20);
    assert!(
        steps[1] > held,
        "not all blocks were held at once: {steps:?}"
    );
    steps
}

/// Runs a contender's life: MiB at each of [`MOMENTS`].
///
/// # Panics
///
/// When that fails.
#[must_use]
pub fn moments(name: &str) -> Vec<f64> {
    life_of(in_a_process("life", name))
}

/// Makes sure that it had a burst in it.
///
/// # Panics
///
/// When it had none.
#[must_use]
pub fn life_of(moments: Vec<f64>) -> Vec<f64> {
    assert_eq!(moments.len(), MOMENTS, "a moment was left out");
    let height = moments.iter().copied().fold(0.0, f64::max);
    let held = (WORKERS * need(BURST.start) * SIZE) as f64 / f64::from(1 << 20);
    assert!(height > held, "no burst: {moments:?}");
    moments
}

/// Runs a program that prints its steps.
///
/// # Panics
///
/// When that fails.
#[must_use]
pub fn listen(program: &mut Command) -> Vec<f64> {
    let output = program
        .stderr(Stdio::inherit())
        .output()
        .unwrap_or_else(|error| panic!("cannot run {program:?}: {error}"));
    assert!(output.status.success(), "{program:?} failed");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| line.parse().expect("a number"))
        .collect()
}

/// The contenders' memory after the last step.
#[must_use]
pub fn entrants() -> Vec<Entrant> {
    let at_the_end = |name| {
        let run = move |_| Sample {
            cost: *steps(name).last().expect("five steps"),
            seconds: 0.1,
        };
        Entrant::new(name, run).of(1)
    };
    SCENES.iter().map(|(name, ..)| at_the_end(name)).collect()
}

/// All that can be shown, by name.
pub fn names() -> impl Iterator<Item = &'static str> {
    SCENES.iter().map(|(name, ..)| *name)
}
