//! A store-buffering litmus test of the asymmetric barrier on the machine itself, which no model checker knows.
//!
//! Two threads write to one word each and then read the other's. Without a barrier a processor may let both read the old
//! value: its stores wait in a buffer while the reads go ahead. With the light barrier on one side and the heavy one on
//! the other that must never happen.
//!
//! The heavy barrier takes so long that it might hide the weak outcome by that alone. So there are two controls: without any
//! barrier, and with a system call that orders nothing in the heavy one's place. Only where the second shows the weak
//! outcome is its absence with the barrier any evidence. To give it a chance, the light side first writes to memory
//! that is in no cache, and the write that matters has to wait behind these.

#![cfg(not(any(pool_loom, miri)))]

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pool_gate::Asymmetric;

/// On a cache line of its own.
#[repr(align(128))]
#[derive(Default)]
struct Line(AtomicU32);

/// What is shared by the two sides of a run.
#[derive(Default)]
struct Board {
    x: Line,
    y: Line,
    /// The round that each side is ready for.
    ready: [Line; 2],
    /// Rounds in which the first side read the old value.
    old: Line,
}

/// What stands between a side's write and its read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Barrier {
    /// The compiler's order only, which is what the light side compiles to.
    None,
    Light(Asymmetric),
    /// As long as a system call takes, and no more.
    Call,
    Heavy(Asymmetric),
}

/// A system call that tells which barriers there are, and is none.
#[cfg(target_os = "linux")]
fn call() {
    // SAFETY: this command of `membarrier` takes nothing and touches no memory of ours.
    let barriers = unsafe { libc::syscall(libc::SYS_membarrier, libc::MEMBARRIER_CMD_QUERY, 0, 0) };
    assert!(barriers > 0);
}

#[cfg(not(target_os = "linux"))]
fn call() {
    thread::yield_now();
}

/// Memory that is in no cache: 32 MiB, of which 16 words are written in a round.
const COLD: usize = 8 << 20;
const COLD_WRITES: usize = 16;

impl Barrier {
    #[inline(always)]
    fn issue(self) {
        match self {
            Self::None => std::sync::atomic::compiler_fence(Ordering::AcqRel),
            Self::Light(pair) => pair.light(),
            Self::Call => call(),
            Self::Heavy(pair) => pair.heavy().expect("it works"),
        }
    }
}

/// How often both sides read the old value.
fn both_old(left: Barrier, right: Barrier, rounds: u32, time: Duration) -> (u32, u32) {
    let board = Board::default();
    let cold: Vec<AtomicU32> = (0..COLD).map(|_| AtomicU32::new(1)).collect();
    let weak = AtomicUsize::new(0);
    let last = AtomicU32::new(rounds);
    let side = |me: usize, barrier: Barrier| {
        let (mine, other) = if me == 0 {
            (&board.x.0, &board.y.0)
        } else {
            (&board.y.0, &board.x.0)
        };
        let start = Instant::now();
        let mut place = 0_usize;
        let mut round = 0;
        while round < last.load(Ordering::Relaxed) {
            round += 1;
            // Starts together, and a few instructions apart in many ways: the other's line is read until it comes.
            board.ready[me].0.store(round, Ordering::Release);
            let mut patience = 0_u32;
            while board.ready[1 - me].0.load(Ordering::Acquire) < round {
                patience += 1;
                if patience % 4096 == 0 {
                    thread::yield_now();
                }
                std::hint::spin_loop();
            }
            if me == 0 {
                for _ in 0..COLD_WRITES {
                    place = place.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    cold[(place >> 4) % COLD].store(round, Ordering::Relaxed);
                }
            } else {
                (0..round % 32).for_each(|_| std::hint::spin_loop());
            }
            mine.store(round, Ordering::Relaxed);
            barrier.issue();
            let seen = other.load(Ordering::Relaxed);
            let old = seen != round;
            // The first side leaves its answer for the second, which counts.
            if me == 0 {
                board
                    .old
                    .0
                    .store(round << 1 | u32::from(old), Ordering::Release);
                if round % 64 == 0 && start.elapsed() > time {
                    last.fetch_min(round + 1, Ordering::Relaxed);
                }
            } else {
                let answer = loop {
                    let answer = board.old.0.load(Ordering::Acquire);
                    if answer >> 1 == round {
                        break answer & 1 == 1;
                    }
                    patience += 1;
                    if patience % 4096 == 0 {
                        thread::yield_now();
                    }
                    std::hint::spin_loop();
                };
                weak.fetch_add(usize::from(answer && old), Ordering::Relaxed);
            }
        }
        round
    };
    let rounds = thread::scope(|scope| {
        let right = scope.spawn(|| side(1, right));
        side(0, left);
        right.join().expect("no panics")
    });
    (weak.into_inner() as u32, rounds)
}

/// How long each run takes; `cargo xtask litmus` gives it more.
fn time() -> Duration {
    let seconds = std::env::var("POOL_LITMUS_SECONDS");
    let seconds = seconds.ok().and_then(|seconds| seconds.parse().ok());
    seconds.map_or(Duration::from_millis(200), Duration::from_secs)
}

/// What a run says: the barrier is broken, or it is not as far as this machine can tell.
fn verdict(control: (u32, u32), guarded: (u32, u32)) -> Result<String, String> {
    let ((weak, rounds), (broken, guarded)) = (control, guarded);
    if broken > 0 {
        return Err(format!(
            "litmus: FAILED: the weak outcome in {broken} of {guarded} rounds with the barrier"
        ));
    }
    if weak == 0 {
        return Ok(format!(
            "litmus: NO EVIDENCE: never the weak outcome in {guarded} rounds with the barrier, but never in {rounds} \
             with a system call that orders nothing in its place either"
        ));
    }
    // What the barrier has to prevent has to have had a chance.
    let expected = f64::from(weak) / f64::from(rounds) * f64::from(guarded);
    if expected < 10.0 {
        return Ok(format!(
            "litmus: NO EVIDENCE: the weak outcome in {weak} of {rounds} rounds with a system call that orders \
             nothing, so about \
             {expected:.1} were to be expected in the {guarded} rounds with it, which is too few"
        ));
    }
    Ok(format!(
        "litmus: evidence: the weak outcome in {weak} of {rounds} rounds with a system call that orders \
         nothing, never in {guarded} with the barrier"
    ))
}

#[test]
fn light_against_heavy() {
    let Some(pair) = pool_gate::register() else {
        println!("litmus: NO EVIDENCE: the system offers no barrier");
        return;
    };
    let bare = both_old(Barrier::None, Barrier::None, u32::MAX >> 2, time());
    println!("without any barrier: {} of {} rounds", bare.0, bare.1);
    let control = both_old(Barrier::Light(pair), Barrier::Call, u32::MAX >> 2, time());
    let guarded = both_old(
        Barrier::Light(pair),
        Barrier::Heavy(pair),
        u32::MAX >> 2,
        time(),
    );
    let verdict = verdict(control, guarded);
    println!("{}", verdict.as_ref().unwrap_or_else(|error| error));
    assert!(control.1 > 0 && guarded.1 > 0, "nothing ran");
    assert!(verdict.is_ok());
}

#[test]
fn verdicts() {
    assert!(verdict((5, 100), (1, 100)).is_err());
    assert!(verdict((0, 100), (0, 100)).unwrap().contains("NO EVIDENCE"));
    assert!(verdict((1, 100), (0, 100)).unwrap().contains("NO EVIDENCE"));
    assert!(verdict((50, 100), (0, 100)).unwrap().contains(": evidence"));
}
