//! The pairs of what two threads can do to a pool, at the same time, with thread caches and without: on an empty pool, on
//! one with items in a cache and a shard, and on one with victims, too. A pair has the starts in which it does something
//! that it does in no other. Small enough to run under Miri with many seeds, which is what it is for:
//!
//! ```text
//! MIRIFLAGS="-Zmiri-tree-borrows -Zmiri-permissive-provenance -Zmiri-many-seeds=0..64" \
//!     cargo +nightly miri test -p pool-core --test pairs
//! ```
//!
//! No vectors, few iterators, and a book without a lock: a lock would order what the pool has to order.
#![cfg(not(pool_loom))]

#[path = "common/meeting.rs"]
mod meeting;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use pool_core::{Pool, PooledOwned};

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
    ("take and put", |part| {
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
            // The end of the scope does not wait for what a thread does at its own end; `join` does.
            scope.spawn(|| pool.get().use_up()).join().unwrap();
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
    ("stats", |part| {
        // An item on its way may be seen twice.
        assert!(part.pool.stats().idle <= 16);
        Some(part)
    }),
    (DROP, |part| {
        drop(part);
        None
    }),
];

/// Needs a guard.
const OWNED: &str = "drop of an owned guard";
/// Costs a thread.
const EXIT: &str = "exit of a thread";
/// The last one drops the pool.
const DROP: &str = "drop of an Arc";

/// What a pool is like at the start.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Start {
    Empty,
    /// Two items in the cache of one of the threads and one in a shard; without caches, as many as the shard keeps.
    Some,
    /// The same a generation ago, and a new one.
    Victims,
}

struct Case {
    left: &'static (&'static str, Op),
    right: &'static (&'static str, Op),
    start: Start,
    caches: bool,
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
            caches,
        } = self;
        format!("{left} against {right}, {start:?}, thread caches: {caches}")
    }
}

fn pool(case: &Case, book: &'static Book) -> Arc<Items> {
    let make: Made = Box::new(|| book.item());
    let (depth, shards) = if case.caches { (2, 1) } else { (0, 2) };
    let pool = Pool::builder(make)
        .thread_cache(depth)
        .max_shards(shards)
        .rotate_manually()
        .build();
    if case.start != Start::Empty {
        for _ in 0..3 {
            pool.put(book.item());
        }
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
            }
            // By now somebody has dropped the pool, with what was in it.
            book.close(|| case.told());
        },
    );
}

/// A pair with thread caches, and without.
const BOTH: &[bool] = &[true, false];
const CACHES: &[bool] = &[true];

/// A pair with this start.
fn add(
    cases: &mut Vec<Case>,
    (left, right): (&'static (&'static str, Op), &'static (&'static str, Op)),
    start: Start,
    caches: &[bool],
) {
    for &caches in caches {
        cases.push(Case {
            left,
            right,
            start,
            caches,
        });
    }
}

#[test]
fn two_uses() {
    static BOOK: Book = Book::new();
    let mut cases = Vec::new();
    for (place, one) in USES.iter().enumerate() {
        for other in &USES[place..] {
            // The end of a thread concerns those that look at all caches.
            if other.0 != EXIT {
                add(&mut cases, (one, other), Start::Some, BOTH);
            }
        }
        add(&mut cases, (one, &USES[0]), Start::Empty, &[false]);
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
                (EXIT, _) => add(&mut cases, pair, Start::Empty, CACHES),
                // Only these take what is a generation old, or end it.
                ("get" | "try_take", "rotate" | "clear") => {
                    add(&mut cases, pair, Start::Some, CACHES);
                    add(&mut cases, pair, Start::Victims, CACHES);
                    add(&mut cases, pair, Start::Victims, &[false]);
                }
                _ => add(&mut cases, pair, Start::Some, BOTH),
            }
        }
    }
    run(&cases, &BOOK);
}

#[test]
fn two_sweeps() {
    static BOOK: Book = Book::new();
    let mut cases = Vec::new();
    for (place, one) in SWEEPS.iter().enumerate() {
        for other in &SWEEPS[place..] {
            add(&mut cases, (one, other), Start::Some, CACHES);
        }
    }
    run(&cases, &BOOK);
}
