//! The raw chain: one producer at a time, named by the caller; detachment.
#![cfg(not(pool_loom))]

mod common;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use common::{Drops, below_the_wrap, scaled};
use pool_chain::raw::{Chain, FIRST_CAPACITY};

/// A chain whose producer is this thread, safely.
struct Owned<T>(Chain<T>);

impl<T> Owned<T> {
    fn new() -> Self {
        Self(Chain::new_at(below_the_wrap(20)))
    }

    fn push(&mut self, value: T) {
        // SAFETY: the exclusive borrow makes us the only producer.
        assert!(unsafe { self.0.push_head(value) }.is_ok());
    }

    fn push_all(&mut self, mut values: impl Iterator<Item = T>) -> usize {
        // SAFETY: as above; the iterator cannot reach the chain's head.
        unsafe { self.0.push_head_batch(&mut values) }
    }

    fn pop(&mut self) -> Option<T> {
        // SAFETY: as above.
        unsafe { self.0.pop_head() }
    }

    fn pop_all(&mut self, max: usize) -> Vec<T> {
        let mut popped = Vec::new();
        // SAFETY: as above; the sink does not know the chain.
        let count = unsafe { self.0.pop_head_batch(max, |value| popped.push(value)) };
        assert_eq!(count, popped.len());
        popped
    }

    fn detach(&mut self) -> pool_chain::raw::Detached<T> {
        // SAFETY: as above.
        unsafe { self.0.detach() }
    }
}

#[test]
fn smoke() {
    let mut chain = Owned::new();
    assert_eq!((chain.0.pop_tail(), chain.pop()), (None, None));
    for value in 0..100 {
        chain.push(value);
    }
    assert_eq!(chain.0.len(), 100);
    assert_eq!((chain.0.pop_tail(), chain.pop()), (Some(0), Some(99)));
    assert!(chain.detach().eq(1..99));

    assert_eq!(chain.push_all(0..1000), 1000);
    assert!(chain.pop_all(900).into_iter().eq((100..1000).rev()));
    assert!(chain.pop_all(0).is_empty());
    let mut stolen = Vec::new();
    let count = chain.0.pop_tail_batch(1000, |value| stolen.push(value));
    assert_eq!(count, FIRST_CAPACITY.div_ceil(2), "half of the oldest ring");
    assert!(stolen.into_iter().eq(0..count));
    assert!(chain.pop_all(usize::MAX).into_iter().eq((count..100).rev()));
    assert!(chain.0.is_empty());
}

/// A thief takes half of the oldest ring that holds any: it passes over a drained one.
#[test]
fn steals_pass_over_drained_rings() {
    let mut chain = Owned::new();
    chain.push_all(0..FIRST_CAPACITY + 1);
    for value in 0..FIRST_CAPACITY {
        assert_eq!(chain.0.pop_tail(), Some(value));
    }
    assert_eq!(chain.0.rings(), 2);
    assert_eq!(
        chain
            .0
            .pop_tail_batch(5, |value| assert_eq!(value, FIRST_CAPACITY)),
        1
    );
    assert_eq!(chain.0.rings(), 1, "and unlinks it");
}

/// The producer's role is handed from thread to thread by a lock; thieves need none.
#[test]
fn a_claim_decides_who_produces() {
    const ITEMS: usize = scaled(40_000, 150);
    let chain = Chain::new();
    let claim = Mutex::new(0);
    let sum = AtomicUsize::new(0);
    let taken = AtomicUsize::new(0);

    let take = |value: usize| {
        sum.fetch_add(value, Ordering::Relaxed);
        taken.fetch_add(1, Ordering::Relaxed);
    };
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while taken.load(Ordering::Relaxed) != ITEMS {
                    let mut next = claim.lock().unwrap();
                    for _ in 0..10 {
                        if *next < ITEMS {
                            // SAFETY: the lock makes us the only producer, and orders us after the one before.
                            unsafe { chain.push_head(*next) }.unwrap();
                            *next += 1;
                        }
                    }
                    // SAFETY: as above, and the sink does not know the chain.
                    unsafe { chain.pop_head_batch(4, take) };
                    if *next % 1000 == 0 {
                        // SAFETY: as above.
                        unsafe { chain.detach() }.for_each(take);
                    }
                }
            });
            scope.spawn(|| {
                while taken.load(Ordering::Relaxed) != ITEMS {
                    chain.pop_tail().into_iter().for_each(take);
                    if chain.pop_tail_batch(3, take) == 0 {
                        thread::yield_now();
                    }
                }
            });
        }
    });
    assert_eq!(sum.load(Ordering::Relaxed), ITEMS * (ITEMS - 1) / 2);
    assert!(chain.is_empty());
}

/// Detachment leaves a chain as new, at its first size, whatever it held.
#[test]
fn detach_starts_afresh() {
    let mut chain = Owned::new();
    for round in 0..3 {
        assert!(chain.detach().next().is_none(), "nothing to detach");
        assert_eq!(chain.push_all(0..500), 500);
        let mut detached = chain.detach();
        assert_eq!(
            (chain.0.rings(), chain.0.capacity(), chain.0.len()),
            (0, 0, 0)
        );
        assert_eq!((detached.len(), detached.is_empty()), (500, false));
        assert_eq!((chain.0.pop_tail(), chain.pop()), (None, None));
        chain.push(round);
        assert_eq!((chain.0.rings(), chain.0.capacity()), (1, FIRST_CAPACITY));
        // Neither sees the other.
        assert_eq!(detached.next(), Some(0));
        assert_eq!(chain.0.pop_tail(), Some(round));
        assert_eq!(detached.size_hint(), (0, Some(499)));
        assert!(detached.by_ref().eq(1..500));
        assert_eq!(detached.next(), None);
        assert!(detached.is_empty());
    }
}

/// Detached again and again under thieves, and the detached values taken elsewhere: each value goes to one.
#[test]
fn detach_against_thieves() {
    const ROUNDS: usize = scaled(2_000, 15);
    const PER_ROUND: usize = 40;
    const ITEMS: usize = ROUNDS * PER_ROUND;

    let drops = Drops::new(ITEMS);
    let taken = AtomicUsize::new(0);
    let detached_values = AtomicUsize::new(0);
    let chain = Chain::new_at(below_the_wrap(20));
    let done = AtomicBool::new(false);
    let (to_dropper, from_owner) = std::sync::mpsc::channel::<pool_chain::raw::Detached<_>>();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    taken.fetch_add(usize::from(chain.pop_tail().is_some()), Ordering::Relaxed);
                    taken.fetch_add(chain.pop_tail_batch(4, drop), Ordering::Relaxed);
                }
            });
        }
        // Values and rings are dropped by another thread than the one that detached them.
        scope.spawn(|| {
            for (round, mut detached) in from_owner.into_iter().enumerate() {
                if round % 2 == 0 {
                    detached_values.fetch_add(detached.by_ref().take(5).count(), Ordering::Relaxed);
                }
                drop(detached);
            }
        });
        for round in 0..ROUNDS {
            let mut values = (0..PER_ROUND).map(|n| drops.value(round * PER_ROUND + n));
            // SAFETY: this thread is the only producer, and the iterator does not know the chain.
            assert_eq!(unsafe { chain.push_head_batch(&mut values) }, PER_ROUND);
            if round % 3 != 0 {
                // SAFETY: as above.
                to_dropper.send(unsafe { chain.detach() }).unwrap();
            }
        }
        drop(to_dropper);
        done.store(true, Ordering::Relaxed);
    });
    drop(chain);
    drops.assert_once_each();
    if !cfg!(miri) {
        assert!(
            detached_values.into_inner() > 0,
            "nothing was ever detached"
        );
    }
}

/// A thief that is inside a ring when it is detached: its batch stays good, and its values are not the
/// detached ones'.
#[test]
fn a_thief_is_inside_a_detached_ring() {
    let mut chain = Owned::new();
    chain.push_all((0..20).map(Box::new));
    let shared = &chain.0;
    let mut detached = Vec::new();
    let mut stolen = Vec::new();
    shared.pop_tail_batch(3, |value| {
        if stolen.is_empty() {
            // SAFETY: this thread is the only producer, and no other call of an unsafe method is running.
            detached.extend(unsafe { shared.detach() });
            shared.collect();
        }
        stolen.push(value);
    });
    detached.extend(stolen);
    detached.sort_unstable();
    assert!(detached.into_iter().map(|value| *value).eq(0..20));
    assert!(chain.0.is_empty());
}
