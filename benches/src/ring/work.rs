//! The workloads of rings, each written once for all contenders.

use std::hint::{black_box, spin_loop};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Batches, Ring};
use crate::measure::{Sample, process_cpu, thread_cpu};

/// How many values a ring has room for.
pub const CAPACITY: usize = 128;

/// The owner adds a value and takes it again.
#[inline(never)]
pub fn pair<R: Ring>(owner: &mut R::Owner, pairs: u64) {
    for n in 0..pairs {
        black_box(R::push(owner, black_box(n)));
        black_box(R::pop(owner));
    }
}

/// The owner fills the ring, then drains it. Counts values.
#[inline(never)]
pub fn fill_drain<R: Ring>(owner: &mut R::Owner, values: u64) {
    for n in 0..values.div_ceil(CAPACITY as u64) {
        for _ in 0..CAPACITY {
            black_box(R::push(owner, black_box(n)));
        }
        for _ in 0..CAPACITY {
            black_box(R::pop(owner));
        }
    }
}

/// How many values a ring with thieves has room for.
const SHARED_CAPACITY: usize = 256;

/// How many values the owner adds before it takes them again.
const ROUND: u64 = 32;

/// How many values a thief takes at once.
pub const BATCH: usize = 32;

/// Ends the thieves' work, also when the owner's ends in a panic.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Lets `count` thieves use `steal` for as long as `owner` runs, and says what they have got.
///
/// A thief that finds nothing 64 times in a row lets another thread have its CPU.
fn beside_thieves<R: Ring, O>(
    thieves: Vec<R::Thief>,
    steal: impl Fn(&mut R::Thief) -> u64 + Sync,
    owner: impl FnOnce() -> O,
) -> (O, u64) {
    let done = AtomicBool::new(false);
    let ready = Barrier::new(thieves.len() + 1);
    std::thread::scope(|scope| {
        let (done, ready, steal) = (&done, &ready, &steal);
        let handles: Vec<_> = thieves
            .into_iter()
            .map(|mut thief| {
                scope.spawn(move || {
                    let mut stolen = 0;
                    let mut in_vain = 0;
                    ready.wait();
                    loop {
                        // Looked at before the attempt: what was there when the owner ended is still taken.
                        let last = done.load(Ordering::Acquire);
                        let got = steal(&mut thief);
                        stolen += got;
                        if got != 0 {
                            in_vain = 0;
                            continue;
                        }
                        if last {
                            return stolen;
                        }
                        in_vain += 1;
                        if in_vain == 64 {
                            in_vain = 0;
                            std::thread::yield_now();
                        } else {
                            spin_loop();
                        }
                    }
                })
            })
            .collect();
        let guard = Done(done);
        ready.wait();
        let result = owner();
        drop(guard);
        let stolen = handles
            .into_iter()
            .map(|handle| handle.join().expect("no thief panics"));
        (result, stolen.sum())
    })
}

/// A ring and so many ends to steal from.
fn with_thieves<R: Ring>(thieves: usize) -> (R::Owner, Vec<R::Thief>) {
    let (owner, thief) = R::new(SHARED_CAPACITY);
    let mut all: Vec<_> = (1..thieves).map(|_| R::another(&thief)).collect();
    all.push(thief);
    (owner, all)
}

/// The owner adds 32 values and takes back what is left, while thieves take one at a time. Counts the owner's CPU time
/// for each value.
pub fn under_thieves<R: Ring>(thieves: usize, values: u64) -> Sample {
    under::<R>(thieves, values, |thief| {
        u64::from(R::steal(thief).is_some())
    })
}

/// The same with thieves that take several at a time.
pub fn under_thieves_by_batch<R: Batches>(thieves: usize, values: u64) -> Sample {
    under::<R>(thieves, values, |thief| {
        R::steal_batch(thief, BATCH, |value| {
            black_box(value);
        }) as u64
    })
}

fn under<R: Ring>(
    thieves: usize,
    values: u64,
    steal: impl Fn(&mut R::Thief) -> u64 + Sync,
) -> Sample {
    let (mut owner, all) = with_thieves::<R>(thieves);
    let rounds = values.div_ceil(ROUND);
    let work = || {
        let start = thread_cpu();
        let mut popped = 0;
        let mut refused = 0;
        for _ in 0..rounds {
            for n in 0..ROUND {
                refused += u64::from(!R::push(&mut owner, black_box(n)));
            }
            while R::pop(&mut owner).is_some() {
                popped += 1;
            }
        }
        (thread_cpu() - start, popped, refused)
    };
    let ((took, popped, refused), stolen) = beside_thieves::<R, _>(all, steal, work);
    // An owner may see as empty what a thief is about to give back; it is then the thief's.
    assert_eq!(
        popped + stolen + refused,
        rounds * ROUND,
        "{} lost a value",
        R::NAME
    );
    Sample {
        cost: took as f64 / (rounds * ROUND) as f64,
        seconds: took as f64 / 1e9,
    }
}

/// The owner adds `added` values at once, thieves take several. Counts everybody's CPU time for each value.
pub fn by_batch<R: Batches>(thieves: usize, added: usize, values: u64) -> Sample {
    let (mut owner, all) = with_thieves::<R>(thieves);
    let start = process_cpu();
    let work = || {
        let mut next = 0;
        while next < values {
            let batch = added.min((values - next) as usize);
            let first = next;
            let pushed = R::push_batch(&mut owner, (0..batch).map(|n| first + n as u64));
            if pushed < batch {
                std::thread::yield_now();
            }
            next += pushed as u64;
        }
    };
    let steal = |thief: &mut R::Thief| {
        R::steal_batch(thief, BATCH, |value| {
            black_box(value);
        }) as u64
    };
    let ((), stolen) = beside_thieves::<R, _>(all, steal, work);
    let took = process_cpu() - start;
    let rest = std::iter::from_fn(|| R::pop(&mut owner)).count() as u64;
    assert_eq!(stolen + rest, values, "{} lost a value", R::NAME);
    Sample {
        cost: took as f64 / values as f64,
        seconds: took as f64 / 1e9,
    }
}

/// How many values are moved at once where that is compared with moving one.
pub const EIGHT: usize = 8;

/// Eight pushes, then eight steals, above sixteen values that stay. Counts values.
#[inline(never)]
pub fn eight_singles<R: Ring>(owner: &mut R::Owner, thief: &mut R::Thief, values: u64) {
    for n in 0..values.div_ceil(EIGHT as u64) {
        for _ in 0..EIGHT {
            black_box(R::push(owner, black_box(n)));
        }
        for _ in 0..EIGHT {
            black_box(R::steal(thief));
        }
    }
}

/// Eight pushes, then one steal of up to eight.
#[inline(never)]
pub fn eight_pushed_singly<R: Batches>(owner: &mut R::Owner, thief: &mut R::Thief, values: u64) {
    for n in 0..values.div_ceil(EIGHT as u64) {
        for _ in 0..EIGHT {
            black_box(R::push(owner, black_box(n)));
        }
        R::steal_batch(thief, EIGHT, |value| {
            black_box(value);
        });
    }
}

/// The same eight, pushed and stolen at once.
#[inline(never)]
pub fn batch_of_eight<R: Batches>(owner: &mut R::Owner, thief: &mut R::Thief, values: u64) {
    for n in 0..values.div_ceil(EIGHT as u64) {
        R::push_batch(owner, [black_box(n); EIGHT].into_iter());
        R::steal_batch(thief, EIGHT, |value| {
            black_box(value);
        });
    }
}
