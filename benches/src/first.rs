//! What the very first use of a pool costs a program whose threads are running: measured in a process of its own, because
//! there is one first use in each.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use crate::measure::{Entrant, Sample};
use crate::memory::{listen, program_of};

/// The threads that run beside it.
const THREADS: usize = 8;

/// Puts an item into a new pool, or into a new `Mutex<Vec>`, beside running threads, and prints how many nanoseconds the
/// call took. The first thing that the process does.
///
/// # Errors
///
/// When there is no such contender.
pub fn play(name: &str) -> Result<(), String> {
    let first: fn() -> u64 = match name {
        "pool" => || {
            static POOL: pool_core::Pool<Box<u64>> = pool_core::Pool::new(|| Box::new(0));
            timed(|item| POOL.put(item))
        },
        "Mutex<Vec>" => || {
            #[expect(clippy::vec_box, reason = "the items are the pool's, which are boxes")]
            static ITEMS: std::sync::Mutex<Vec<Box<u64>>> = std::sync::Mutex::new(Vec::new());
            timed(|item| ITEMS.lock().expect("no panics").push(item))
        },
        _ => return Err(format!("no contender {name}")),
    };
    let stop = AtomicBool::new(false);
    let took = thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let took = first();
        stop.store(true, Ordering::Relaxed);
        took
    });
    println!("{took}");
    Ok(())
}

/// By the clock on the wall: a wait in the kernel takes no time of a processor's.
fn timed(put: impl FnOnce(Box<u64>)) -> u64 {
    let item = Box::new(7);
    // Not a time slice that is nearly over: the others have the processors, too.
    thread::yield_now();
    let start = Instant::now();
    put(item);
    start.elapsed().as_nanos() as u64
}

/// The contenders.
#[must_use]
pub fn entrants() -> Vec<Entrant> {
    let entrant = |name: &'static str| {
        let run = move |_| {
            let mut program = Command::new(program_of("self"));
            let took = listen(program.args(["--first", name]));
            Sample {
                cost: took[0] / 1000.0,
                seconds: 0.1,
            }
        };
        Entrant::new(name, run).of(1)
    };
    vec![entrant("pool"), entrant("Mutex<Vec>")]
}
