//! Each contender's proof that it does what it is timed for.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::item::Item;
use crate::pool::{Contender, Hold};
use crate::ring::Ring;

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
