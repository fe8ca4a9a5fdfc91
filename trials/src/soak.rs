//! Random operations on many threads, with every item counted: what was created was dropped, or is still held.
//!
//! A soak is a series of rounds. Each makes a new structure, whose indices start 500 below their wrap, lets threads at
//! it, drops what is left, and then demands that as many items died as were made, that their numbers add up, and that
//! none died twice.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use atomic_value::{AnyValue, AtomicValue};
use pool_core::{ManualClock, Pool, Recycle};
use pool_dequeue::try_bounded_at;

/// How much is enough. Both have to be reached.
#[derive(Clone, Copy, Debug)]
pub struct Enough {
    /// Operations of all threads together.
    pub operations: u64,
    /// Time.
    pub time: Duration,
}

/// What a soak did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Soaked {
    /// Operations of all threads together.
    pub operations: u64,
    /// Items made, each of which was dropped once.
    pub items: u64,
    /// Structures made and dropped.
    pub rounds: u64,
}

/// A structure, and how a round on it goes.
type Soak = (&'static str, fn(&Arc<Counts>, u64) -> u64);

/// What can be soaked.
pub const SOAKS: &[&str] = &["dequeue", "chain", "pool", "value"];

const ROUNDS: &[Soak] = &[
    ("dequeue", dequeue),
    ("chain", chain),
    ("pool", pool),
    ("value", value),
];

/// Operations of a thread in a round.
const OPERATIONS: u64 = if cfg!(miri) {
    40
} else if cfg!(debug_assertions) {
    20_000
} else {
    200_000
};

/// Beside the main one.
const THREADS: usize = 3;

/// A round that takes this long hangs.
const STUCK: Duration = Duration::from_secs(300);

/// Soaks one structure and reports as it goes, about every ten seconds.
///
/// # Panics
///
/// When there is no such structure, or an item is lost, doubled or damaged.
pub fn run(what: &str, enough: Enough, mut report: impl FnMut(&Soaked)) -> Soaked {
    let (_, round) = ROUNDS
        .iter()
        .find(|(name, _)| *name == what)
        .expect("the name of a soak");
    let _dog = Watchdog::new(what);
    let start = Instant::now();
    let mut reported = start;
    let mut soaked = Soaked::default();
    while soaked.operations < enough.operations || start.elapsed() < enough.time {
        let counts = Arc::new(Counts::default());
        soaked.operations += round(&counts, soaked.rounds);
        soaked.items += counts.settle();
        soaked.rounds += 1;
        BARKS.fetch_add(1, Ordering::Relaxed);
        if reported.elapsed() >= Duration::from_secs(10) {
            reported = Instant::now();
            report(&soaked);
        }
    }
    soaked
}

/// Counts rounds.
static BARKS: AtomicU64 = AtomicU64::new(0);

/// Ends the process when no round ends for a long time.
struct Watchdog(Arc<AtomicBool>);

impl Watchdog {
    fn new(what: &str) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let (seen, what) = (done.clone(), what.to_owned());
        thread::spawn(move || {
            let (mut last, mut since) = (0, Instant::now());
            while !seen.load(Ordering::Relaxed) {
                let now = BARKS.load(Ordering::Relaxed);
                if now != last {
                    (last, since) = (now, Instant::now());
                } else if since.elapsed() > STUCK && !cfg!(miri) {
                    eprintln!("soak of the {what}: a round hangs");
                    std::process::abort();
                }
                thread::sleep(Duration::from_millis(if cfg!(miri) { 1 } else { 50 }));
            }
        });
        Self(done)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// One thread's counts, on a cache line of their own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Count {
    made: AtomicU64,
    dropped: AtomicU64,
    /// Of the numbers of the items made, less those of the items dropped.
    sum: AtomicU64,
}

/// All counts of a round.
#[derive(Debug, Default)]
struct Counts([Count; THREADS + 1]);

thread_local! {
    /// Which counts are this thread's.
    static ME: Cell<usize> = const { Cell::new(0) };
}

impl Counts {
    fn mine(&self) -> &Count {
        &self.0[ME.get()]
    }

    fn item(self: &Arc<Self>, number: u64) -> Item {
        let count = self.mine();
        count.made.fetch_add(1, Ordering::Relaxed);
        count.sum.fetch_add(number, Ordering::Relaxed);
        Item {
            number,
            seal: !number,
            counts: self.clone(),
        }
    }

    /// How many items there were, when all are gone.
    fn settle(&self) -> u64 {
        let sum = |of: fn(&Count) -> &AtomicU64| {
            self.0.iter().fold(0_u64, |sum, count| {
                sum.wrapping_add(of(count).load(Ordering::Relaxed))
            })
        };
        let (made, dropped) = (sum(|c| &c.made), sum(|c| &c.dropped));
        assert_eq!(made, dropped, "items made, items dropped");
        assert_eq!(sum(|c| &c.sum), 0, "sum of their numbers, {made} items");
        made
    }
}

/// An item that knows when it is read half-written, and when it is dropped a second time.
#[derive(Debug)]
struct Item {
    number: u64,
    seal: u64,
    counts: Arc<Counts>,
}

impl Item {
    fn check(&self) {
        assert_eq!(self.seal, !self.number, "damaged");
    }
}

impl PartialEq for Item {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        if self.seal != !self.number {
            eprintln!("item {} is damaged or was dropped before", self.number);
            std::process::abort();
        }
        self.seal = self.number;
        let count = self.counts.mine();
        count.dropped.fetch_add(1, Ordering::Relaxed);
        count.sum.fetch_sub(self.number, Ordering::Relaxed);
    }
}

/// Pseudo-random numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % limit
    }
}

/// Starts threads together, with numbers from 1 and random numbers of their own.
fn threads<'scope>(
    round: u64,
    work: impl Fn(usize, Random) + Send + Sync + Clone + 'scope,
    scope: &'scope thread::Scope<'scope, '_>,
    count: usize,
) {
    let barrier = Arc::new(Barrier::new(count));
    for number in 1..=count {
        let (work, barrier) = (work.clone(), barrier.clone());
        scope.spawn(move || {
            ME.set(number);
            barrier.wait();
            work(number, Random(round << 8 | number as u64));
        });
    }
}

/// Where indices start.
const ORIGIN: u32 = 0_u32.wrapping_sub(500);

/// A thief of a round, who takes one or some until nobody pushes any more and nothing is left.
fn steal<Batch: Iterator<Item = Item>>(
    done: &AtomicBool,
    mut random: Random,
    one: impl Fn() -> Option<Item>,
    some: impl Fn(usize) -> Batch,
) -> u64 {
    let mut operations = 0;
    loop {
        let last = done.load(Ordering::Acquire);
        let got = if random.below(2) == 0 {
            one().inspect(Item::check).into_iter().count()
        } else {
            some(8).inspect(Item::check).count()
        };
        operations += 1 + got as u64;
        if got == 0 {
            if last {
                return operations;
            }
            thread::yield_now();
        }
    }
}

/// Runs an owner beside thieves, who end after it: operations of all together.
fn with_thieves(
    round: u64,
    thief: impl Fn(&AtomicBool, Random) -> u64 + Sync,
    owner: impl FnOnce(Random) -> u64,
) -> u64 {
    let (done, operations) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let (done, operations, thief) = (&done, &operations, &thief);
        let work = |_, random| {
            operations.fetch_add(thief(done, random), Ordering::Relaxed);
        };
        threads(round, work, scope, THREADS);
        operations.fetch_add(owner(Random(round)), Ordering::Relaxed);
        done.store(true, Ordering::Release);
    });
    operations.into_inner()
}

fn dequeue(counts: &Arc<Counts>, round: u64) -> u64 {
    let capacity = [1, 2, 7, 64, 500][round as usize % 5];
    let Ok((mut head, tail)) = try_bounded_at::<Item>(capacity, ORIGIN) else {
        panic!("no ring of {capacity}");
    };
    let thief = |done: &_, random| {
        let tail = tail.clone();
        steal(
            done,
            random,
            || tail.pop_tail(),
            |max| tail.pop_tail_batch(max),
        )
    };
    let operations = with_thieves(round, thief, |mut random| {
        let mut count = 0;
        while count < OPERATIONS {
            count += 1;
            match random.below(8) {
                0..4 => _ = head.push_head(counts.item(count)),
                4 => count += head.push_head_batch((0..9).map(|n| counts.item(n))) as u64,
                5 => head.pop_head().iter().for_each(Item::check),
                6 => count += head.pop_head_batch(3).inspect(Item::check).count() as u64,
                _ if count % 16 == 0 => thread::yield_now(),
                _ => {}
            }
        }
        count
    });
    // What nobody took is dropped with the ring.
    head.push_head_batch((0..5).map(|n| counts.item(n)));
    drop((head, tail));
    operations
}

fn chain(counts: &Arc<Counts>, round: u64) -> u64 {
    let (mut head, tail) = pool_chain::unbounded_at::<Item>(ORIGIN);
    let thief = |done: &_, random| {
        let tail = tail.clone();
        steal(
            done,
            random,
            || tail.pop_tail(),
            |max| tail.pop_tail_batch(max),
        )
    };
    let operations = with_thieves(round, thief, |mut random| {
        let mut count = 0;
        while count < OPERATIONS {
            count += 1;
            match random.below(16) {
                0..8 => head.push_head(counts.item(count)),
                8 => {
                    let burst = random.below(300);
                    count += head.push_head_batch((0..burst).map(|n| counts.item(n))) as u64;
                }
                9..12 => head.pop_head().iter().for_each(Item::check),
                12 => count += head.pop_head_batch(40).inspect(Item::check).count() as u64,
                13 if count % 64 == 0 => head.shrink(),
                _ => thread::yield_now(),
            }
        }
        count
    });
    head.push_head_batch((0..100).map(|n| counts.item(n)));
    drop((head, tail));
    operations
}

fn pool(counts: &Arc<Counts>, round: u64) -> u64 {
    let clock = Arc::new(ManualClock::new());
    let maker = counts.clone();
    let mut builder = Pool::builder(move || maker.item(7))
        .thread_cache([0, 1, 8, 64][round as usize % 4])
        .max_shards([1, 2, 64][round as usize % 3])
        .rotate_every(Duration::from_secs(1))
        .clock(clock.clone())
        .recycle(|item: &mut Item| {
            item.check();
            Recycle::Keep
        });
    if round % 5 == 4 {
        builder = builder.max_idle(20);
    }
    let pool = Arc::new(builder.build());
    let operations = AtomicU64::new(0);
    // Items that go from thread to thread.
    let (give, get): (Vec<SyncSender<Item>>, Vec<_>) =
        (0..THREADS).map(|_| sync_channel::<Item>(64)).unzip();
    let get: Vec<_> = get.into_iter().map(std::sync::Mutex::new).collect();
    thread::scope(|scope| {
        let (pool, clock, operations, give, get) = (&pool, &clock, &operations, &give, &get);
        let work = move |number: usize, mut random: Random| {
            let inbox: &Receiver<Item> = &get[number - 1].lock().expect("mine alone");
            let mut held = Vec::new();
            let mut count = 0;
            while count < OPERATIONS {
                count += 1;
                match random.below(64) {
                    0..16 => drop((pool.get(), pool.get())),
                    16..30 => held.push(pool.take()),
                    30..44 => held.pop().into_iter().for_each(|item| pool.put(item)),
                    44..48 => held.extend(pool.try_take()),
                    48..52 => drop(pool.get_owned()),
                    52 | 53 => pool.put(counts.item(count)),
                    54..57 => {
                        let to = &give[random.below(THREADS as u64) as usize];
                        if let Some(Err(back)) = held.pop().map(|item| to.try_send(item)) {
                            drop(back);
                        }
                    }
                    57..60 => held.extend(inbox.try_recv()),
                    60 => {
                        let burst: Vec<_> = (0..random.below(100)).map(|_| pool.get()).collect();
                        count += burst.len() as u64;
                    }
                    61 if random.below(16) == 0 => pool.rotate(),
                    62 if random.below(64) == 0 => pool.clear(),
                    _ => clock.advance(Duration::from_millis(1)),
                }
                held.truncate(100);
            }
            held.iter().for_each(Item::check);
            operations.fetch_add(count, Ordering::Relaxed);
        };
        threads(round, work, scope, THREADS);
    });
    let stats = pool.stats();
    assert!(stats.hits() > 0, "{stats:?}");
    drop((give, get));
    if round % 2 == 0 {
        pool.rotate();
        pool.rotate();
        assert_eq!(pool.stats().idle, 0, "two turns without use");
    }
    drop(pool);
    operations.into_inner()
}

fn value(counts: &Arc<Counts>, round: u64) -> u64 {
    let value = AtomicValue::<Item>::empty();
    let any = AnyValue::empty();
    let operations = AtomicU64::new(0);
    thread::scope(|scope| {
        let (value, any, operations) = (&value, &any, &operations);
        let work = move |_, mut random: Random| {
            let mut reader = value.reader();
            let mut held = Vec::new();
            for count in 0..OPERATIONS {
                match random.below(32) {
                    0..12 => value.load().iter().for_each(|seen| seen.check()),
                    12..20 => reader.load().into_iter().for_each(Item::check),
                    20 => value.store(counts.item(count)),
                    21 => value
                        .swap(counts.item(count))
                        .iter()
                        .for_each(|old| old.check()),
                    22 => value.take().iter().for_each(|old| old.check()),
                    23 => {
                        let seen = value.load_arc();
                        let _lost = value.compare_and_swap(seen.as_deref(), counts.item(count));
                    }
                    24 => _ = value.update(|old| counts.item(old.map_or(0, |old| old.number + 1))),
                    25 => held.extend(value.load()),
                    26 => held.clear(),
                    27 => reader.release(),
                    28 => drop(any.store(counts.item(count))),
                    29 => drop(
                        any.load::<Item>()
                            .map(|seen| seen.iter().for_each(|seen| seen.check())),
                    ),
                    30 => drop(any.swap(counts.item(count))),
                    _ => assert!(any.is_empty() || any.store(count).is_err()),
                }
                if held.len() > 20 {
                    held.iter().for_each(|guard| guard.check());
                    held.clear();
                }
            }
            operations.fetch_add(OPERATIONS, Ordering::Relaxed);
        };
        threads(round, work, scope, THREADS);
    });
    drop((value, any));
    operations.into_inner()
}
