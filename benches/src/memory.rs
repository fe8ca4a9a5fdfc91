//! How much memory a pool holds on to: a process of its own for each contender, so that none inherits another's heap.
//!
//! 64 threads each take 1,000 blocks of 1 KiB, put them back and stay alive, idle. What the pool offers to give memory
//! back is then used twice; after each step the resident memory above the start is noted.

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

/// Contenders by name: what each does to give memory back is the second part.
type Scene = (&'static str, fn());

/// All contenders.
const SCENES: &[Scene] = &[
    ("pool", || burst::<Local<Block>>(|pool| pool.0.rotate())),
    ("thread-local Vec", || burst::<LocalStack>(|_| ())),
    ("Mutex<Vec>", || burst::<Locked<Block>>(|_| ())),
    ("SegQueue", || burst::<SegQueue<Block>>(|_| ())),
    ("regex-automata", || burst::<Regex<Block>>(|_| ())),
    ("object-pool", || burst::<object_pool::Pool<Block>>(|_| ())),
    ("opool", || burst::<Opool<Block>>(|_| ())),
    ("lockfree-object-pool", || {
        burst::<LinearObjectPool<Block>>(|_| ());
    }),
];

/// Plays a contender's scene in this process and prints its steps.
///
/// # Errors
///
/// When there is no such contender.
pub fn play(name: &str) -> Result<(), String> {
    let (_, scene) = SCENES
        .iter()
        .find(|(known, _)| *known == name)
        .ok_or(format!("no contender {name}"))?;
    scene();
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
            note();
        }
        over.wait();
    });
}

/// Where the program is that can [`play`] the scenes, if it is not the one that is running.
pub static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Runs a contender's scene in a new process: MiB after each of [`STEPS`].
///
/// # Panics
///
/// When that fails.
#[must_use]
pub fn steps(name: &str) -> Vec<f64> {
    let own = || std::env::current_exe().expect("a program knows where it is");
    let program = PROGRAM.get_or_init(own);
    listen(Command::new(program).args(["--memory", name]))
}

/// Runs a program that prints its steps.
///
/// # Panics
///
/// When that fails, or when what it did was no burst.
#[must_use]
pub fn listen(program: &mut Command) -> Vec<f64> {
    let output = program
        .stderr(Stdio::inherit())
        .output()
        .expect("the program runs");
    assert!(output.status.success(), "{program:?} failed");
    let steps: Vec<f64> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| line.parse().expect("a number"))
        .collect();
    assert_eq!(steps.len(), STEPS.len(), "{program:?} left out a step");
    let held = (THREADS * BLOCKS * SIZE) as f64 / f64::from(1 << 20);
    assert!(
        steps[1] > held,
        "{program:?} did not hold all blocks at once"
    );
    steps
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
    SCENES.iter().map(|(name, _)| at_the_end(*name)).collect()
}

/// All that can be shown, by name.
pub fn names() -> impl Iterator<Item = &'static str> {
    SCENES.iter().map(|(name, _)| *name)
}
