//! Random operations on many threads, with every item counted: what was created was dropped, or is still held.
//!
//! A soak is a series of rounds. Each makes a new structure, whose indices, where one can say so, start a little below
//! their wrap, lets threads at it, drops what is left, and then demands that as many items died as were made, that their
//! numbers add up, and that none died twice.
//!
//! What counts as work is what moved: values that went in, came out or were looked at. An attempt that found nothing, or
//! no room, is none.

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
    /// Values moved by all threads together.
    pub moved: u64,
    /// Time.
    pub time: Duration,
}

/// What a soak did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Soaked {
    /// Values that went in, came out or were looked at.
    pub moved: u64,
    /// Items made, each of which was dropped once.
    pub items: u64,
    /// Structures made and dropped.
    pub rounds: u64,
    /// Of those, how many had indices that are known to have wrapped.
    pub wrapped: u64,
}

/// What a round did.
struct Round {
    moved: u64,
    wrapped: bool,
}

/// A structure, and how a round on it goes.
type Soak = (&'static str, fn(&Arc<Counts>, u64) -> Round);

/// What can be soaked.
pub const SOAKS: &[&str] = &["dequeue", "chain", "pool", "value"];

const ROUNDS: &[Soak] = &[
    ("dequeue", dequeue),
    ("chain", chain),
    ("pool", pool),
    ("value", value),
];

/// Attempts of a thread in a round.
const ATTEMPTS: u64 = if cfg!(miri) {
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
    while soaked.moved < enough.moved || start.elapsed() < enough.time {
        let counts = Arc::new(Counts::default());
        let did = round(&counts, soaked.rounds);
        soaked.moved += did.moved;
        soaked.wrapped += u64::from(did.wrapped);
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

/// How far below their wrap a ring's indices start.
const BELOW: u32 = 500;

/// The same for the rings of a chain, few of which see that many values. A ring that is left for a bigger one was full, and
/// the smallest has eight slots.
const BELOW_IN_CHAINS: u32 = 4;

/// A thief of a round, who takes one or some until nobody pushes any more and nothing is left. Says how many it got.
fn steal<Batch: Iterator<Item = Item>>(
    done: &AtomicBool,
    mut random: Random,
    one: impl Fn() -> Option<Item>,
    some: impl Fn(usize) -> Batch,
) -> u64 {
    let mut stolen = 0;
    loop {
        let last = done.load(Ordering::Acquire);
        let got = if random.below(2) == 0 {
            one().inspect(Item::check).into_iter().count()
        } else {
            some(8).inspect(Item::check).count()
        };
        stolen += got as u64;
        if got == 0 {
            if last {
                return stolen;
            }
            thread::yield_now();
        }
    }
}

/// Runs an owner beside thieves, who end after it: what it did, and what all of them have stolen.
fn with_thieves<R>(
    round: u64,
    thief: impl Fn(&AtomicBool, Random) -> u64 + Sync,
    owner: impl FnOnce(Random) -> R,
) -> (R, u64) {
    let (done, stolen) = (AtomicBool::new(false), AtomicU64::new(0));
    let did = thread::scope(|scope| {
        let (done, stolen, thief) = (&done, &stolen, &thief);
        let work = |_, random| {
            stolen.fetch_add(thief(done, random), Ordering::Relaxed);
        };
        threads(round, work, scope, THREADS);
        let did = owner(Random(round));
        done.store(true, Ordering::Release);
        did
    });
    (did, stolen.into_inner())
}

fn dequeue(counts: &Arc<Counts>, round: u64) -> Round {
    let capacity = [1, 2, 7, 64, 500][round as usize % 5];
    let Ok((mut head, tail)) = try_bounded_at::<Item>(capacity, 0_u32.wrapping_sub(BELOW)) else {
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
    let (moved, stolen) = with_thieves(round, thief, |mut random| {
        let mut moved = 0;
        for attempt in 0..ATTEMPTS {
            moved += match random.below(8) {
                0..4 => usize::from(head.push_head(counts.item(attempt)).is_ok()),
                4 => head.push_head_batch((0..9).map(|n| counts.item(n))),
                5 => head.pop_head().iter().inspect(|item| item.check()).count(),
                6 => head.pop_head_batch(3).inspect(Item::check).count(),
                _ => {
                    if attempt % 16 == 0 {
                        thread::yield_now();
                    }
                    0
                }
            } as u64;
        }
        moved
    });
    // What nobody took is dropped with the ring.
    head.push_head_batch((0..5).map(|n| counts.item(n)));
    drop((head, tail));
    Round {
        moved: moved + stolen,
        // The tail has passed so many slots, and the head is never behind it.
        wrapped: stolen >= u64::from(BELOW),
    }
}

fn chain(counts: &Arc<Counts>, round: u64) -> Round {
    let origin = 0_u32.wrapping_sub(BELOW_IN_CHAINS);
    let (mut head, tail) = pool_chain::unbounded_at::<Item>(origin);
    let thief = |done: &_, random| {
        let tail = tail.clone();
        steal(
            done,
            random,
            || tail.pop_tail(),
            |max| tail.pop_tail_batch(max),
        )
    };
    let ((moved, longest), stolen) = with_thieves(round, thief, |mut random| {
        let (mut moved, mut longest) = (0, 0);
        for attempt in 0..ATTEMPTS {
            moved += match random.below(16) {
                0..8 => {
                    head.push(counts.item(attempt));
                    1
                }
                8 => {
                    let burst = random.below(300);
                    let pushed = head.push_head_batch((0..burst).map(|n| counts.item(n))) as u64;
                    longest = longest.max(pushed);
                    pushed
                }
                9..12 => head.pop_head().iter().inspect(|item| item.check()).count() as u64,
                12 => head.pop_head_batch(40).inspect(Item::check).count() as u64,
                choice => {
                    if choice == 13 && attempt % 64 == 0 {
                        head.shrink();
                    } else {
                        thread::yield_now();
                    }
                    0
                }
            };
        }
        (moved, longest)
    });
    head.push_head_batch((0..100).map(|n| counts.item(n)));
    drop((head, tail));
    Round {
        moved: moved + stolen,
        // They all went into one ring, or one was full.
        wrapped: longest > u64::from(BELOW_IN_CHAINS),
    }
}

fn pool(counts: &Arc<Counts>, round: u64) -> Round {
    let clock = Arc::new(ManualClock::new());
    let maker = counts.clone();
    let mut builder = Pool::builder(move || maker.item(7))
        .thread_cache([0, 1, 8, 64][round as usize % 4])
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
    let moved = AtomicU64::new(0);
    // Items that go from thread to thread.
    let (give, get): (Vec<SyncSender<Item>>, Vec<_>) =
        (0..THREADS).map(|_| sync_channel::<Item>(64)).unzip();
    let get: Vec<_> = get.into_iter().map(std::sync::Mutex::new).collect();
    thread::scope(|scope| {
        let (pool, clock, moved, give, get) = (&pool, &clock, &moved, &give, &get);
        let work = move |number: usize, mut random: Random| {
            let inbox: &Receiver<Item> = &get[number - 1].lock().expect("mine alone");
            let mut held = Vec::new();
            // In and out are two.
            let mut own = 0;
            for attempt in 0..ATTEMPTS {
                let before = held.len();
                match random.below(64) {
                    0..16 => {
                        drop((pool.get(), pool.get()));
                        own += 4;
                    }
                    16..30 => {
                        held.push(pool.take());
                        own += 1;
                    }
                    30..44 => {
                        held.pop().into_iter().for_each(|item| pool.put(item));
                        own += (before - held.len()) as u64;
                    }
                    44..48 => {
                        held.extend(pool.try_take());
                        own += (held.len() - before) as u64;
                    }
                    48..52 => {
                        drop(pool.get_owned());
                        own += 2;
                    }
                    52 | 53 => {
                        pool.put(counts.item(attempt));
                        own += 1;
                    }
                    54..57 => {
                        let to = &give[random.below(THREADS as u64) as usize];
                        if let Some(Err(back)) = held.pop().map(|item| to.try_send(item)) {
                            drop(back);
                        }
                    }
                    57..60 => held.extend(inbox.try_recv()),
                    60 => {
                        let burst: Vec<_> = (0..random.below(100)).map(|_| pool.get()).collect();
                        own += 2 * burst.len() as u64;
                    }
                    61 if random.below(16) == 0 => pool.rotate(),
                    62 if random.below(64) == 0 => pool.clear(),
                    _ => clock.advance(Duration::from_millis(1)),
                }
                held.truncate(100);
            }
            held.iter().for_each(Item::check);
            moved.fetch_add(own, Ordering::Relaxed);
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
    Round {
        moved: moved.into_inner(),
        // Its rings' indices start at zero.
        wrapped: false,
    }
}

fn value(counts: &Arc<Counts>, round: u64) -> Round {
    let value = AtomicValue::<Item>::empty();
    let any = AnyValue::empty();
    let moved = AtomicU64::new(0);
    /// Looks at what there is, and says how many that were.
    fn look<S: std::ops::Deref<Target = Item>>(seen: Option<S>) -> usize {
        seen.iter().inspect(|seen| seen.check()).count()
    }
    thread::scope(|scope| {
        let (value, any, moved) = (&value, &any, &moved);
        let work = move |_, mut random: Random| {
            let mut reader = value.reader();
            let mut held = Vec::new();
            let mut own = 0;
            for count in 0..ATTEMPTS {
                own += match random.below(32) {
                    0..12 => look(value.load()),
                    12..20 => look(reader.load()),
                    20 => {
                        value.store(counts.item(count));
                        1
                    }
                    21 => 1 + look(value.swap(counts.item(count))),
                    22 => look(value.take()),
                    23 => {
                        let seen = value.load_arc();
                        let swapped = value.compare_and_swap(seen.as_deref(), counts.item(count));
                        look(seen) + usize::from(swapped.is_ok())
                    }
                    24 => {
                        1 + look(
                            value.update(|old| counts.item(old.map_or(0, |old| old.number + 1))),
                        )
                    }
                    25 => {
                        let before = held.len();
                        held.extend(value.load());
                        held.len() - before
                    }
                    26 => {
                        held.clear();
                        0
                    }
                    27 => {
                        reader.release();
                        0
                    }
                    28 => usize::from(any.store(counts.item(count)).is_ok()),
                    29 => any.load::<Item>().map_or(0, look),
                    30 => usize::from(any.swap(counts.item(count)).is_ok()),
                    _ => {
                        assert!(any.is_empty() || any.store(count).is_err());
                        0
                    }
                };
                if held.len() > 20 {
                    held.iter().for_each(|guard| guard.check());
                    held.clear();
                }
            }
            moved.fetch_add(own as u64, Ordering::Relaxed);
        };
        threads(round, work, scope, THREADS);
    });
    drop((value, any));
    Round {
        moved: moved.into_inner(),
        // It has no indices.
        wrapped: false,
    }
}
