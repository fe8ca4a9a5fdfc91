//! Each contender's proof that it does what it is timed for.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::fork::runtime::{Worker, run};
use crate::fork::{Deque, work};
use crate::item::Item;
use crate::pool::{Contender, Hold};
use crate::ring::{Batches, Ring};
use crate::value::{Config, Swap, Value};

/// How many items a check holds at once.
pub const ITEMS: usize = 20;

/// Never hands out a mark twice.
fn next_mark() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Asserts that a pool lends each item to one holder at a time and finds again what was put back.
///
/// # Panics
///
/// When it does not.
pub fn pool<T: Item, C: Contender<T>>(pool: &C) {
    let name = C::NAME;
    let mut marks = HashSet::new();
    let mut held: Vec<_> = (0..ITEMS).map(|_| pool.take()).collect();
    for item in &mut held {
        let mark = next_mark();
        item.mark(mark);
        marks.insert(mark);
    }
    let found: HashSet<u64> = held.iter().map(Hold::marked).collect();
    assert_eq!(found, marks, "{name} lent an item twice");
    held.into_iter().for_each(|item| pool.put(item));
    if C::KEEPS > 0 {
        let held: Vec<_> = (0..ITEMS).map(|_| pool.take()).collect();
        let again = held.iter().filter(|item| marks.remove(&item.marked()));
        let again = again.count();
        assert!(
            again >= C::KEEPS,
            "{name} found {again} of {ITEMS} items again"
        );
        held.into_iter().for_each(|item| pool.put(item));
    }
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for round in 0..500 {
                    let mark = next_mark();
                    let mut first = pool.take();
                    first.mark(mark);
                    let mut second = pool.take();
                    second.mark(next_mark());
                    if round % 8 == 0 {
                        std::thread::yield_now();
                    }
                    assert_eq!(first.marked(), mark, "{name} lent an item to two threads");
                    pool.put(first);
                    pool.put(second);
                }
            });
        }
    });
}

/// Asserts that a ring gives out each value once, in its order, and to one taker.
///
/// # Panics
///
/// When it does not.
pub fn ring<R: Ring>() {
    let name = R::NAME;
    let (mut owner, mut thief) = R::new(ITEMS);
    for value in 0..ITEMS as u64 {
        assert!(R::push(&mut owner, value), "{name} is full too soon");
    }
    let mut out: Vec<u64> = std::iter::from_fn(|| R::pop(&mut owner)).collect();
    if R::LIFO {
        out.reverse();
    }
    assert!(out.into_iter().eq(0..ITEMS as u64), "{name}: wrong order");
    assert_eq!(R::steal(&mut thief), None, "{name} gave a value twice");

    let mut thieves = [R::another(&thief), thief];
    let count = 10_000;
    let done = AtomicU64::new(0);
    let (popped, stolen) = std::thread::scope(|scope| {
        let done = &done;
        let handles = thieves.each_mut().map(|thief| {
            scope.spawn(move || {
                let mut sum = (0, 0);
                while done.load(Ordering::Acquire) == 0 {
                    match R::steal(thief) {
                        Some(value) => sum = (sum.0 + 1, sum.1 + value),
                        None => std::thread::yield_now(),
                    }
                }
                sum
            })
        });
        let mut sum = (0, 0);
        for value in 0..count {
            while !R::push(&mut owner, value) {
                std::thread::yield_now();
                if let Some(value) = R::pop(&mut owner) {
                    sum = (sum.0 + 1, sum.1 + value);
                }
            }
        }
        while let Some(value) = R::pop(&mut owner) {
            sum = (sum.0 + 1, sum.1 + value);
        }
        done.store(1, Ordering::Release);
        let stolen = handles.map(|handle| handle.join().expect("no thief panics"));
        (sum, stolen)
    });
    let mut rest = (0, 0);
    while let Some(value) = R::pop(&mut owner) {
        rest = (rest.0 + 1, rest.1 + value);
    }
    let sums = [popped, stolen[0], stolen[1], rest];
    let all = sums.iter().fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    let expected = (count, count * (count - 1) / 2);
    assert_eq!(all, expected, "{name} lost a value or gave one twice");
}

/// Asserts that a value shows what was stored last, whole, and never goes back.
///
/// # Panics
///
/// When it does not.
pub fn value<V: Value>() {
    let name = V::NAME;
    let value = V::new(Config::new(1));
    let mut reader = value.reader();
    assert_eq!(V::limit(&mut reader), 1, "{name}");
    value.store(Config::new(2));
    assert_eq!(V::limit(&mut reader), 2, "{name} shows an old value");
    let last = 5_000;
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut reader = value.reader();
                let mut seen = 0;
                while seen < last {
                    let config = V::config(&mut reader);
                    assert_eq!(config, Config::new(config.limit), "{name} shows halves");
                    assert!(config.limit >= seen, "{name} goes back");
                    seen = config.limit;
                }
            });
        }
        for n in 3..=last {
            value.store(Config::new(n));
        }
    });
}

/// Asserts that no update is lost.
///
/// # Panics
///
/// When one is.
pub fn swap<V: Swap>() {
    let name = V::NAME;
    let value = V::new(Config::new(1));
    assert_eq!(value.swap(Config::new(0)), Config::new(1), "{name}");
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..1_000 {
                    value.update(|config| Config::new(config.limit + 1));
                }
            });
        }
    });
    let sum = V::limit(&mut value.reader());
    assert_eq!(sum, 2_000, "{name} lost an update");
}

/// Asserts that batches move each value once, in order.
///
/// # Panics
///
/// When they do not.
pub fn batches<R: Batches>() {
    let name = R::NAME;
    let (mut owner, mut thief) = R::new(ITEMS);
    let pushed = R::push_batch(&mut owner, (0..ITEMS).map(|n| n as u64));
    assert_eq!(pushed, ITEMS, "{name} refused a value");
    let mut out = Vec::new();
    let mut rounds = 0;
    while out.len() < ITEMS && rounds < ITEMS {
        R::steal_batch(&mut thief, 8, |value| out.push(value));
        rounds += 1;
    }
    // st3's last-in-first-out queue is turned round by the way through the thief's own.
    out.sort_unstable();
    assert!(out.into_iter().eq(0..ITEMS as u64), "{name} lost a value");
    assert!(rounds < ITEMS, "{name} takes one at a time");
    assert_eq!(R::pop(&mut owner), None, "{name} gave a value twice");
}

/// Asserts that the scheduler computes what it should on a deque, that jobs are stolen, and that panics come back to the
/// one who joined.
///
/// # Panics
///
/// When it does not.
pub fn deque<D: Deque>() {
    let name = D::NAME;
    for threads in [1, 3] {
        for task in [work::fib, work::tree, work::pieces, work::quicksort] {
            work::timed::<D>(&mut task(), threads, 1);
        }
    }
    // Neither half ends before the other has begun.
    let begun = [AtomicBool::new(false), AtomicBool::new(false)];
    let meet = |me: usize| {
        begun[me].store(true, Ordering::Relaxed);
        while !begun[1 - me].load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
    };
    run::<D, _>(2, |worker| worker.join(|_| meet(0), |_| meet(1)));

    // Without the hook, which would print it.
    let fail = || std::panic::resume_unwind(Box::new("as it should"));
    let half = |fails: bool| {
        move |_: &mut Worker<'_, D>| {
            if fails {
                fail();
            }
        }
    };
    for halves in [(true, false), (false, true), (true, true)] {
        run::<D, _>(2, |worker| {
            let joined = || worker.join(half(halves.0), half(halves.1));
            let result = catch_unwind(AssertUnwindSafe(joined));
            assert!(result.is_err(), "{name} swallowed a panic");
            let ended = AtomicU64::new(0);
            let scope = || {
                worker.scope(|scope, worker| {
                    for n in 0..10 {
                        let ended = &ended;
                        scope.spawn(worker, move |_, _| {
                            ended.fetch_add(1, Ordering::Relaxed);
                            if n == 5 {
                                fail();
                            }
                        });
                    }
                });
            };
            let result = catch_unwind(AssertUnwindSafe(scope));
            assert!(result.is_err(), "{name} swallowed a panic");
            assert_eq!(ended.into_inner(), 10, "{name} ended a scope too soon");
        });
    }
}
