//! What is counted: each scene run by one thread and by many.

use std::hint::black_box;
use std::sync::Mutex;

use atomic_value::AtomicValue;
use pool_core::Pool;
use tally::{Tally, Work, give_way, run, run_and_count};

/// Something to count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scene {
    /// As in the table.
    pub(crate) name: &'static str,
    /// What one operation is.
    pub(crate) unit: &'static str,
    /// Whether only the first thread is counted, and the others are there for it to meet.
    pub(crate) by_one: bool,
    /// How many threads it makes sense for.
    pub(crate) threads: &'static [usize],
    /// Counts it.
    pub(crate) count: fn(threads: usize) -> Tally,
}

type Buffer = Vec<u8>;

/// A pool that thinks it is on a machine with a core for each thread.
fn pool(cores: usize, thread_cache: bool) -> Pool<Buffer> {
    let builder = Pool::builder((|| Vec::with_capacity(64)) as fn() -> Buffer).rotate_manually();
    if thread_cache {
        builder.build()
    } else {
        builder.thread_cache(0).build()
    }
}

/// Turns of each thread, so that all of them together take about as long for any number.
fn turns(all: usize, threads: usize) -> usize {
    (all / threads).max(8)
}

/// The same work for all threads of a pool, again and again.
fn each(threads: usize, cache: bool, all: usize, work: fn(&Pool<Buffer>) -> u64) -> Tally {
    let pool = pool(threads, cache);
    let pool = &pool;
    let turns = turns(all, threads);
    run(threads, turns / 4 + 12, turns, &|_| {
        Box::new(move || work(pool))
    })
}

fn pair(pool: &Pool<Buffer>) -> u64 {
    pool.put(black_box(pool.take()));
    1
}

fn guarded(pool: &Pool<Buffer>) -> u64 {
    black_box(&mut *pool.get());
    1
}

fn held(pool: &Pool<Buffer>, count: u64) -> u64 {
    let items: Vec<_> = (0..count).map(|_| pool.take()).collect();
    items.into_iter().for_each(|item| pool.put(item));
    count
}

/// Go's 67 puts and 100 takes. Counts takes.
fn starved(pool: &Pool<Buffer>) -> u64 {
    for _ in 0..67 {
        pool.put(Vec::new());
    }
    for _ in 0..100 {
        black_box(pool.try_take());
    }
    100
}

/// Half of the threads take, the other half puts what they took.
fn migration(threads: usize) -> Tally {
    const BATCH: usize = 64;
    let pool = pool(threads, true);
    let pool = &pool;
    // A channel for each pair, whose own cost is not the pool's and is not counted.
    let channels: Vec<Mutex<Vec<Buffer>>> = (0..threads).map(|_| Mutex::default()).collect();
    let channels = &channels;
    let turns = turns(1200, threads);
    run(threads, turns / 4 + 12, turns, &|me| {
        let channel = &channels[me / 2];
        let work: Work<'_> = if me % 2 == 0 {
            Box::new(move || {
                let batch: Vec<Buffer> = (0..BATCH).map(|_| pool.take()).collect();
                channel.lock().expect("no panic").extend(batch);
                // Does not run ahead by more than two batches.
                for _ in 0..100 {
                    if channel.lock().expect("no panic").len() < 2 * BATCH {
                        break;
                    }
                    give_way();
                }
                BATCH as u64
            })
        } else {
            Box::new(move || {
                let mut batch = Vec::new();
                for _ in 0..100 {
                    batch = std::mem::take(&mut *channel.lock().expect("no panic"));
                    if !batch.is_empty() {
                        break;
                    }
                    give_way();
                }
                batch.into_iter().for_each(|item| pool.put(item));
                0
            })
        };
        work
    })
}

/// One thread turns the generation while the others go on. Counts only the turns.
fn rotation(threads: usize) -> Tally {
    let pool = pool(threads, true);
    let pool = &pool;
    run_and_count(threads, |me| me == 0, 3, 5, &|me| {
        Box::new(move || {
            if me == 0 {
                pool.rotate();
                1
            } else {
                pair(pool);
                0
            }
        })
    })
}

/// An owner who pushes, and thieves who take from the other end, one value at a time.
macro_rules! stolen {
    ($name:ident, $new:expr, $push:expr, $steal:expr, $group:expr) => {
        fn $name(threads: usize) -> Tally {
            let (producer, consumer) = $new;
            let producer = Mutex::new(Some(producer));
            let (producer, consumer) = (&producer, &consumer);
            run(threads, 200, 600, &|me| {
                let work: Work<'_> = if me == 0 {
                    let mut own = producer
                        .lock()
                        .expect("no panic")
                        .take()
                        .expect("one owner");
                    Box::new(move || {
                        for _ in 0..100 {
                            if own.len() < 32 {
                                break;
                            }
                            give_way();
                        }
                        $push(&mut own);
                        $group
                    })
                } else {
                    let thief = consumer.clone();
                    Box::new(move || {
                        for _ in 0..100 {
                            if thief.len() >= 2 * $group {
                                break;
                            }
                            give_way();
                        }
                        $steal(&thief);
                        0
                    })
                };
                work
            })
        }
    };
}

stolen!(
    dequeue_stolen,
    pool_dequeue::bounded(64),
    |own: &mut pool_dequeue::Producer<u64>| {
        let _ = black_box(own.push_head(1));
    },
    |thief: &pool_dequeue::Consumer<u64>| {
        black_box(thief.pop_tail());
    },
    1
);

stolen!(
    dequeue_stolen_by_batch,
    pool_dequeue::bounded(64),
    |own: &mut pool_dequeue::Producer<u64>| {
        own.push_head_batch([1; 8]);
    },
    |thief: &pool_dequeue::Consumer<u64>| drop(thief.pop_tail_batch(8)),
    8
);

stolen!(
    chain_stolen,
    pool_chain::unbounded(),
    |own: &mut pool_chain::Producer<u64>| own.push(1),
    |thief: &pool_chain::Consumer<u64>| {
        black_box(thief.pop_tail());
    },
    1
);

stolen!(
    chain_stolen_by_batch,
    pool_chain::unbounded(),
    |own: &mut pool_chain::Producer<u64>| {
        own.push_head_batch([1; 8]);
    },
    |thief: &pool_chain::Consumer<u64>| drop(thief.pop_tail_batch(8)),
    8
);

fn dequeue_alone(_: usize) -> Tally {
    run(1, 100, 1000, &|_| {
        let (mut own, other) = pool_dequeue::bounded(64);
        Box::new(move || {
            let _other = &other;
            let _ = own.push_head(1u64);
            black_box(own.pop_head());
            1
        })
    })
}

fn chain_alone(_: usize) -> Tally {
    run(1, 100, 1000, &|_| {
        let (mut own, other) = pool_chain::unbounded();
        Box::new(move || {
            let _other = &other;
            own.push(1u64);
            black_box(own.pop_head());
            1
        })
    })
}

fn load(threads: usize) -> Tally {
    let value = AtomicValue::new(1u64);
    let value = &value;
    let turns = turns(4000, threads);
    run(threads, turns / 2, turns, &|_| {
        Box::new(move || {
            black_box(value.load().as_deref());
            1
        })
    })
}

fn cached_load(threads: usize) -> Tally {
    let value = AtomicValue::new(1u64);
    let value = &value;
    let turns = turns(4000, threads);
    run(threads, turns / 2, turns, &|_| {
        let mut reader = value.reader();
        Box::new(move || {
            black_box(reader.load());
            1
        })
    })
}

/// One thread stores, the others load. Counts only the stores.
fn store(threads: usize) -> Tally {
    let value = AtomicValue::new(1u64);
    let value = &value;
    run_and_count(threads, |me| me == 0, 5, 20, &|me| {
        let work: Work<'_> = if me == 0 {
            Box::new(move || {
                value.store(2);
                1
            })
        } else {
            Box::new(move || {
                black_box(value.load().as_deref());
                0
            })
        };
        work
    })
}

/// What every pool with one shared word comes to at the least.
fn shared_word(threads: usize) -> Tally {
    let word = tally::atomic::AtomicUsize::new(0);
    let word = &word;
    let turns = turns(4000, threads);
    run(threads, turns / 2, turns, &|_| {
        Box::new(move || {
            word.fetch_add(1, tally::atomic::Ordering::Relaxed);
            word.fetch_sub(1, tally::atomic::Ordering::Relaxed);
            1
        })
    })
}

/// All of them.
pub(crate) const SCENES: &[Scene] = &[
    Scene {
        name: "pool: take and put",
        unit: "pair",
        by_one: false,
        threads: &[1, 8, 64, 256],
        count: |threads| each(threads, true, 4000, pair),
    },
    Scene {
        name: "pool: get and drop",
        unit: "pair",
        by_one: false,
        threads: &[1, 8, 64, 256],
        count: |threads| each(threads, true, 4000, guarded),
    },
    Scene {
        name: "pool: 8 nested",
        unit: "pair",
        by_one: false,
        threads: &[1, 8, 64, 256],
        count: |threads| each(threads, true, 1000, |pool| held(pool, 8)),
    },
    Scene {
        name: "pool: bursts of 100",
        unit: "pair",
        by_one: false,
        threads: &[1, 8, 64],
        count: |threads| each(threads, true, 200, |pool| held(pool, 100)),
    },
    Scene {
        name: "pool: bursts of 1000",
        unit: "pair",
        by_one: false,
        threads: &[1, 8, 64],
        count: |threads| each(threads, true, 40, |pool| held(pool, 1000)),
    },
    Scene {
        name: "pool: 67 puts, 100 takes",
        unit: "take",
        by_one: false,
        threads: &[1, 8, 64],
        count: |threads| each(threads, true, 200, starved),
    },
    Scene {
        name: "pool: taken here, put there",
        unit: "item",
        by_one: false,
        threads: &[2, 8, 64, 256],
        count: migration,
    },
    Scene {
        name: "pool: miss",
        unit: "miss",
        by_one: false,
        threads: &[1, 8, 64, 256],
        count: |threads| {
            each(threads, true, 4000, |pool| {
                black_box(pool.try_take());
                1
            })
        },
    },
    Scene {
        name: "pool: take and put, no thread cache",
        unit: "pair",
        by_one: false,
        threads: &[1, 8, 64, 256],
        count: |threads| each(threads, false, 2000, pair),
    },
    Scene {
        name: "pool: rotation",
        unit: "turn",
        by_one: true,
        threads: &[1, 8, 64],
        count: rotation,
    },
    Scene {
        name: "dequeue: owner alone",
        unit: "value",
        by_one: false,
        threads: &[1],
        count: dequeue_alone,
    },
    Scene {
        name: "dequeue: owner and thieves",
        unit: "value",
        by_one: false,
        threads: &[2, 4],
        count: dequeue_stolen,
    },
    Scene {
        name: "dequeue: the same by 8",
        unit: "value",
        by_one: false,
        threads: &[2, 4],
        count: dequeue_stolen_by_batch,
    },
    Scene {
        name: "chain: owner alone",
        unit: "value",
        by_one: false,
        threads: &[1],
        count: chain_alone,
    },
    Scene {
        name: "chain: owner and thieves",
        unit: "value",
        by_one: false,
        threads: &[2, 4],
        count: chain_stolen,
    },
    Scene {
        name: "chain: the same by 8",
        unit: "value",
        by_one: false,
        threads: &[2, 4],
        count: chain_stolen_by_batch,
    },
    Scene {
        name: "value: load",
        unit: "load",
        by_one: false,
        threads: &[1, 8, 64, 256],
        count: load,
    },
    Scene {
        name: "value: reader().load",
        unit: "load",
        by_one: false,
        threads: &[1, 8, 64, 256],
        count: cached_load,
    },
    Scene {
        name: "value: store, others load",
        unit: "store",
        by_one: true,
        threads: &[1, 8, 64, 256],
        count: store,
    },
    Scene {
        name: "one shared word, added to and taken from",
        unit: "pair",
        by_one: false,
        threads: &[1, 8, 64, 256],
        count: shared_word,
    },
];
