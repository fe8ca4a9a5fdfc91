//! The pairs of what two threads can do to a pool, at the same time, with thread caches and without: on an empty pool,
//! on one with items in a cache and a shard, on one with victims, on one that is due to turn and on one with limits;
//! and of what is done to all pools that are registered, and to one of them. A pair has the starts in which it does
//! something that it does in no other. Small enough to run under Miri with many seeds, which is what it is for:
//!
//! ```text
//! MIRIFLAGS="-Zmiri-tree-borrows -Zmiri-permissive-provenance -Zmiri-many-seeds=0..64" \
//!     cargo +nightly miri test -p pool-core --test pairs
//! ```
//!
//! No vectors, few iterators, and a book without a lock: a lock would order what the pool has to order.
//!
//! An operation that is not here is to the other side as one that is: `take`, `put` and `get_owned` are parts of others
//! below, `detach` ends a take, `Debug` and `export` read what `stats` reads, a `BufferPool` is many pools, and a
//! reaper's thread does what `tend` and `relieve` do.
#![cfg(not(pool_loom))]

#[path = "common/meeting.rs"]
mod meeting;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use pool_core::pressure::Pressure;
use pool_core::{Builder, Clock, Pool, PooledOwned, relieve, rotate_all, tend};

/// What was made and what was dropped.
struct Book {
    made: AtomicU32,
    /// Two bits for each number.
    dropped: AtomicU32,
}

impl Book {
    const fn new() -> Self {
        Self {
            made: AtomicU32::new(0),
            dropped: AtomicU32::new(0),
        }
    }

    fn item(&'static self) -> Item {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        assert!(number < 16);
        Item {
            number: Box::new(number),
            uses: 0,
            book: self,
        }
    }

    /// How many are alive.
    fn alive(&self) -> usize {
        let made = self.made.load(Ordering::Relaxed);
        (made - self.dropped.load(Ordering::Relaxed).count_ones()) as usize
    }

    /// Fails unless each item was dropped once, and opens the next page.
    fn close(&self, what: impl FnOnce() -> String) {
        let made = self.made.swap(0, Ordering::Relaxed);
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        let each_once = 0x5555_5555 & ((1 << (2 * made)) - 1);
        assert!(
            dropped == each_once,
            "{}: {made} made, dropped {dropped:b}",
            what()
        );
    }
}

/// A number that counts its drops, and that tools see being read too early, twice or never.
struct Item {
    number: Box<u32>,
    /// Plain memory: without an edge from its last user to this one, a data race.
    uses: u32,
    book: &'static Book,
}

impl Item {
    fn use_up(&mut self) {
        self.uses += 1;
        *self.number += 0;
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        self.uses += 1;
        self.book
            .dropped
            .fetch_add(1 << (2 * *self.number), Ordering::Relaxed);
    }
}

type Made = Box<dyn Fn() -> Item + Send + Sync>;
type Items = Pool<Item, Made>;
type Guard = PooledOwned<Item, Made>;

/// What a side gets: the pool, and an item that the other side's thread has taken.
struct Part {
    pool: Arc<Items>,
    guard: Option<Guard>,
    book: &'static Book,
}

/// Gives back the pool, unless it drops it.
type Op = fn(Part) -> Option<Part>;

/// What uses an item.
const USES: &[(&str, Op)] = &[
    ("get", |part| {
        part.pool.get().use_up();
        Some(part)
    }),
    (TAKE_AND_PUT, |part| {
        let mut item = part.pool.take();
        item.use_up();
        part.pool.put(part.book.item());
        part.pool.put(item);
        Some(part)
    }),
    ("try_take", |part| {
        if let Some(mut item) = part.pool.try_take() {
            item.use_up();
        }
        Some(part)
    }),
    (OWNED, |mut part| {
        // Taken by the thread that prepares.
        let mut guard = part.guard.take().unwrap();
        guard.use_up();
        drop(guard);
        Some(part)
    }),
    (EXIT, |part| {
        let pool = &part.pool;
        thread::scope(|scope| {
            // Not `get`, which others do: the same, and a handle of the pool.
            let other = scope.spawn(|| pool.get_owned().use_up());
            // The end of the scope does not wait for what a thread does at its own end; this does.
            other.join().unwrap();
        });
        Some(part)
    }),
];

/// What concerns the whole pool.
const SWEEPS: &[(&str, Op)] = &[
    ("rotate", |part| {
        part.pool.rotate();
        Some(part)
    }),
    ("clear", |part| {
        part.pool.clear();
        Some(part)
    }),
    (PREFILL, |part| {
        part.pool.prefill(4);
        Some(part)
    }),
    (STATS, |part| {
        // An item on its way may be seen twice.
        assert!(part.pool.stats().idle <= 16);
        Some(part)
    }),
    (DROP, |part| {
        drop(part);
        None
    }),
];

/// Puts more than it takes.
const TAKE_AND_PUT: &str = "take and put";
/// Needs a guard.
const OWNED: &str = "drop of an owned guard";
/// Costs a thread.
const EXIT: &str = "exit of a thread";
/// The last one drops the pool.
const DROP: &str = "drop of an Arc";
/// Only looks.
const STATS: &str = "stats";
/// Puts, to the chains.
const PREFILL: &str = "prefill";

/// What a pool is like at the start.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Start {
    Empty,
    /// Items in the cache of one of the threads and in its chain; without caches, all in its chain.
    Some,
    /// The same a generation ago, and a new one.
    Victims,
    /// The same as with some, and the next slow operation turns.
    Due,
    /// The same as with some, and as many as there may be.
    AtLimit,
}

/// A thread cache for nothing, for two items, which move one by one, and for four, which move by twos.
const NONE: usize = 0;
const TWO: usize = 2;
const FOUR: usize = 4;

struct Case {
    left: &'static (&'static str, Op),
    right: &'static (&'static str, Op),
    start: Start,
    depth: usize,
}

impl Case {
    fn is(&self, op: &str) -> bool {
        self.left.0 == op || self.right.0 == op
    }

    fn told(&self) -> String {
        let Self {
            left: (left, _),
            right: (right, _),
            start,
            depth,
        } = self;
        format!("{left} against {right}, {start:?}, thread caches of {depth}")
    }
}

/// A clock without a lock, which would order what the pool has to order.
struct Hand(AtomicU32);

impl Clock for Hand {
    fn now(&self) -> Duration {
        Duration::from_millis(u64::from(self.0.load(Ordering::Relaxed)))
    }
}

fn builder(depth: usize, book: &'static Book) -> Builder<Item, Made> {
    let make: Made = Box::new(|| book.item());
    Pool::builder(make).thread_cache(depth).rotate_manually()
}

/// A pool that turns every second, and its clock.
fn timed_pool(builder: Builder<Item, Made>, book: &'static Book) -> (Items, Arc<Hand>) {
    let clock = Arc::new(Hand(AtomicU32::new(0)));
    let pool = builder
        .rotate_every(Duration::from_secs(1))
        .clock(Arc::clone(&clock) as Arc<dyn Clock>)
        .build();
    (0..3).for_each(|_| pool.put(book.item()));
    (pool, clock)
}

/// One on whose clock a second is over.
fn due_pool(depth: usize, book: &'static Book) -> Items {
    let (pool, clock) = timed_pool(builder(depth, book), book);
    clock.0.store(1500, Ordering::Relaxed);
    pool
}

/// One with three victims in its one part, of which all but one should be gone by now.
fn decaying_pool(book: &'static Book) -> Items {
    let (pool, clock) = timed_pool(builder(NONE, book), book);
    pool.rotate();
    clock.0.store(990, Ordering::Relaxed);
    pool
}

fn pool(case: &Case, book: &'static Book) -> Arc<Items> {
    let pool = match case.start {
        Start::Due => return Arc::new(due_pool(case.depth, book)),
        Start::AtLimit => builder(case.depth, book)
            .max_idle(4)
            .weight(|_| 1)
            .max_weight(3)
            .build(),
        _ => builder(case.depth, book).build(),
    };
    if case.start != Start::Empty {
        let items = if case.depth == FOUR { 6 } else { 3 };
        (0..items).for_each(|_| pool.put(book.item()));
    }
    if case.start == Start::Victims {
        pool.rotate();
        pool.put(book.item());
    }
    Arc::new(pool)
}

fn run(cases: &[Case], book: &'static Book) {
    meeting::each(
        cases,
        |case| {
            let pool = pool(case, book);
            let part = |op: &str| Part {
                pool: Arc::clone(&pool),
                guard: (op == OWNED).then(|| pool.get_owned()),
                book,
            };
            let (left, right) = (part(case.left.0), part(case.right.0));
            // Without a third handle one of them drops the pool.
            let kept = (!case.is(DROP)).then_some(pool);
            ((left, kept), right)
        },
        |case, (part, kept)| {
            let (_, op) = case.left;
            drop(op(part));
            kept
        },
        |case, part| {
            let (_, op) = case.right;
            drop(op(part));
        },
        |case, kept, ()| {
            // Under Miri half of the time would go into this; whoever has lost an item is told of a leak.
            if let Some(pool) = kept.filter(|_| !cfg!(miri)) {
                assert_eq!(pool.stats().idle, book.alive(), "{}", case.told());
                if case.start == Start::Due {
                    // Both saw that it was time, and one of them turned.
                    let turns = 1 + u64::from(case.is("rotate"));
                    assert_eq!(pool.stats().generation, turns, "{}", case.told());
                }
            }
            // By now somebody has dropped the pool, with what was in it.
            book.close(|| case.told());
        },
    );
}

/// A pair with thread caches, and without.
const BOTH: &[usize] = &[TWO, NONE];

/// A pair with this start.
fn add(
    cases: &mut Vec<Case>,
    (left, right): (&'static (&'static str, Op), &'static (&'static str, Op)),
    start: Start,
    depths: &[usize],
) {
    for &depth in depths {
        cases.push(Case {
            left,
            right,
            start,
            depth,
        });
    }
}

#[test]
fn two_uses() {
    static BOOK: Book = Book::new();
    let mut cases = Vec::new();
    for (place, one) in USES.iter().enumerate() {
        for other in &USES[place..] {
            let pair = (one, other);
            match (one.0, other.0) {
                // Whoever exits leaves a cache to the next with its number.
                (_, EXIT) => add(&mut cases, pair, Start::Some, &[TWO]),
                ("get", "get") => add(&mut cases, pair, Start::Due, &[NONE]),
                (TAKE_AND_PUT, TAKE_AND_PUT) => {
                    add(&mut cases, pair, Start::Due, &[TWO]);
                    add(&mut cases, pair, Start::AtLimit, BOTH);
                    add(&mut cases, pair, Start::Some, &[FOUR]);
                }
                ("get", TAKE_AND_PUT) => {
                    // The side that prepares has the items; the other one comes for them.
                    add(&mut cases, (other, one), Start::Some, &[FOUR]);
                }
                _ => {}
            }
            if other.0 != EXIT {
                add(&mut cases, pair, Start::Some, BOTH);
            }
        }
        if matches!(one.0, "get" | TAKE_AND_PUT | EXIT) {
            add(&mut cases, (one, &USES[0]), Start::Empty, &[NONE]);
        }
    }
    run(&cases, &BOOK);
}

/// The side that prepares has items in its cache, and the other one sweeps.
#[test]
fn use_and_sweep() {
    static BOOK: Book = Book::new();
    let mut cases = Vec::new();
    for one in USES {
        for other in SWEEPS {
            let pair = (one, other);
            match (one.0, other.0) {
                (EXIT, _) | ("try_take" | OWNED, PREFILL) => {
                    add(&mut cases, pair, Start::Some, &[TWO]);
                }
                (_, PREFILL) => add(&mut cases, pair, Start::Some, BOTH),
                // Only these take what is a generation old, or end it.
                ("get", "rotate" | "clear") => {
                    add(&mut cases, pair, Start::Some, &[TWO]);
                    add(&mut cases, pair, Start::Victims, BOTH);
                }
                ("try_take", "rotate" | "clear") => {
                    add(&mut cases, pair, Start::Victims, &[TWO]);
                }
                (TAKE_AND_PUT, "rotate" | "clear") => {
                    add(&mut cases, pair, Start::Some, BOTH);
                    add(&mut cases, pair, Start::AtLimit, &[TWO]);
                    // The side that prepares sweeps, and the other one takes two at once.
                    add(&mut cases, (other, one), Start::Some, &[FOUR]);
                }
                (TAKE_AND_PUT, _) => add(&mut cases, pair, Start::Some, BOTH),
                (_, STATS | DROP) => add(&mut cases, pair, Start::Some, &[TWO]),
                _ => add(&mut cases, pair, Start::Some, BOTH),
            }
        }
    }
    // A turn by time and one by hand.
    add(&mut cases, (&USES[0], &SWEEPS[0]), Start::Due, &[NONE]);
    run(&cases, &BOOK);
}

#[test]
fn two_sweeps() {
    static BOOK: Book = Book::new();
    let mut cases = Vec::new();
    for (place, one) in SWEEPS.iter().enumerate() {
        for other in &SWEEPS[place..] {
            let start = match (one.0, other.0) {
                // Two that only look.
                (STATS, STATS) => continue,
                ("rotate" | "clear", "rotate" | "clear") => Start::Victims,
                (PREFILL, PREFILL | DROP) => Start::Empty,
                _ => Start::Some,
            };
            add(&mut cases, (one, other), start, &[TWO]);
        }
    }
    run(&cases, &BOOK);
}

/// What is done to all registered pools.
const TO_ALL: &[(&str, fn())] = &[
    ("rotate_all", rotate_all),
    (TEND, || _ = tend()),
    ("relieve", || relieve(Pressure::High)),
];

type OneOp = fn(&Arc<Items>);

/// What is done to the one pool by its one holder, who then goes: a visit may be the last to hold it.
const TO_ONE: &[(&str, OneOp)] = &[
    ("drop of the last Arc", |_| {}),
    ("get", |pool| pool.get().use_up()),
    (REGISTER, |pool| pool.register_shared()),
    (TURN, |pool| {
        pool.get().use_up();
        pool.rotate();
    }),
    (TEND, |_| _ = tend()),
];

/// Comes onto the list.
const REGISTER: &str = "register_shared";
/// Lets the coldest items go.
const TEND: &str = "tend";
/// Turns the generation when the victims have begun to go: what is taken out then has to stay.
const TURN: &str = "get and rotate";

/// A visit turns the pool, clears it, or lets its coldest items go. Turns, by time or not, and clearings meet above
/// what else is done to a pool, and each other; to a clearing who takes the coldest items is a thief. The list is an
/// `AtomicValue`: that one changes it while another reads it, whatever for, and that two change it, are pairs of that.
#[test]
fn registry() {
    static BOOK: Book = Book::new();
    let mut cases = Vec::new();
    for all in TO_ALL {
        for one in TO_ONE {
            let meets = match one.0 {
                REGISTER => all.0 == "rotate_all",
                TURN | TEND => all.0 == TEND,
                _ => true,
            };
            if meets {
                cases.push((all, one));
            }
        }
    }
    if !cfg!(miri) {
        let pool = Arc::new(decaying_pool(&BOOK));
        pool.register_shared();
        tend();
        assert_eq!(pool.stats().idle, 1, "nothing decays");
        drop(pool);
        BOOK.close(|| TEND.to_owned());
    }
    meeting::each(
        &cases,
        |((all, _), (one, _))| {
            let pool = Arc::new(if *all == TEND {
                decaying_pool(&BOOK)
            } else {
                due_pool(TWO, &BOOK)
            });
            if *one != REGISTER {
                pool.register_shared();
            }
            ((), pool)
        },
        |((_, all), _), ()| all(),
        |(_, (_, one)), pool| one(&pool),
        |((all, _), (one, _)), (), ()| BOOK.close(|| format!("{all} against {one}")),
    );
}
