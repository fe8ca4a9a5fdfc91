//! Requests are counted by the threads that serve them, each in a counter of its own, and a reporter reads and resets all
//! counters now and then. Counting costs two plain stores and a load more than a plain addition.
//!
//! `cargo run --release --example counters`

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pool_gate::{Asymmetric, Gate, Owner, Sweep};

/// What one thread has counted since the last report. On lines of its own.
#[repr(align(128))]
struct Counter(Gate<u64>);

/// A worker's end of its counter. While a report is being made it counts on by itself.
struct Counting<'a> {
    owner: Owner<'a, u64>,
    turned_away: u64,
}

impl Counting<'_> {
    fn one_more(&mut self) {
        match self.owner.enter() {
            Some(mut inside) => {
                let more = 1 + self.turned_away;
                self.turned_away = 0;
                inside.with(|count| *count += more);
            }
            None => self.turned_away += 1,
        }
    }
}

/// What has been counted since the last report, but for threads that were stopped in the middle of counting.
fn report(pair: Asymmetric, counters: &[Counter]) -> u64 {
    let Some(sweep) = Sweep::new(pair) else {
        return 0;
    };
    for counter in counters {
        sweep.revoke(&counter.0);
    }
    let mut visits = match sweep.heavy() {
        Ok(visits) => visits,
        Err(unordered) => {
            eprintln!("{}", unordered.refused());
            counters
                .iter()
                .for_each(|counter| unordered.restore(&counter.0));
            return 0;
        }
    };
    let mut sum = 0;
    for Counter(gate) in counters {
        for _ in 0..100 {
            if let Some(mut visit) = visits.enter(gate) {
                sum += visit.with(std::mem::take);
                break;
            }
            std::hint::spin_loop();
        }
        visits.restore(gate);
    }
    sum
}

fn main() {
    let Some(pair) = pool_gate::register() else {
        println!("no asymmetric barrier here: {:?}", pool_gate::status());
        return;
    };
    let counters = [(); 4].map(|()| Counter(Gate::new(0)));
    let stop = AtomicBool::new(false);
    let (mut reported, mut reports) = (0, 0);
    let counted: u64 = thread::scope(|scope| {
        let workers: Vec<_> = counters
            .iter()
            .map(|counter| {
                scope.spawn(|| {
                    let owner = counter.0.claim().expect("one owner each");
                    let mut counting = Counting {
                        owner,
                        turned_away: 0,
                    };
                    let mut counted = 0;
                    while !stop.load(Ordering::Relaxed) {
                        counting.one_more();
                        counted += 1;
                    }
                    // Until it is in.
                    while counting.turned_away != 0 {
                        counting.one_more();
                        counted += 1;
                    }
                    counted
                })
            })
            .collect();
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(300) {
            thread::sleep(Duration::from_millis(10));
            reported += report(pair, &counters);
            reports += 1;
        }
        stop.store(true, Ordering::Relaxed);
        workers
            .into_iter()
            .map(|worker| worker.join().expect("no panics"))
            .sum()
    });
    reported += report(pair, &counters);
    println!("{reported} requests in {reports} reports");
    assert_eq!(reported, counted, "each is reported once");
}
