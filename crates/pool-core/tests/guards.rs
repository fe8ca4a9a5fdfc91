//! Guards: where they may go, how they end, and what comes of their items.

#![cfg(not(pool_loom))]

mod common;

use std::mem;
use std::sync::mpsc::{channel, sync_channel};
use std::sync::{Arc, Barrier};
use std::thread;

use common::{Ledger, elsewhere, scaled, with_shapes};
use pool_core::{Pool, Pooled, PooledOwned};

#[test]
fn lend_and_return() {
    with_shapes(|shape| {
        let ledger = Ledger::new();
        let pool = shape.pool(ledger.maker());
        let first = pool.get();
        let number = first.number();
        assert_eq!(pool.stats().idle, 0);
        drop(first);
        assert_eq!(pool.stats().idle, 1);
        assert_eq!(pool.get().number(), number, "the same item again");
        assert_eq!(ledger.created(), 1);
    });
}

#[test]
fn read_write_and_format() {
    let pool = Arc::new(Pool::new(String::new));
    let mut guard = pool.get();
    guard.push_str("text");
    let as_mut: &mut String = guard.as_mut();
    as_mut.push('!');
    let as_ref: &String = guard.as_ref();
    assert_eq!((as_ref.as_str(), guard.len()), ("text!", 5));
    assert_eq!(guard.to_string(), "text!");
    assert_eq!(format!("{guard:?}"), r#"Pooled("text!")"#);
    assert!(std::ptr::eq(Pooled::pool(&guard), &*pool));
    drop(guard);
    let owned = pool.get_owned();
    assert_eq!(owned.to_string(), "text!", "an item is as it was put back");
    assert_eq!(format!("{owned:?}"), r#"PooledOwned("text!")"#);
    assert!(std::ptr::eq(PooledOwned::pool(&owned), &*pool));
}

/// A thread takes, another returns; the first then finds its own things in order (regex-automata once
/// confused the two threads).
#[test]
fn taken_here_dropped_there() {
    with_shapes(|shape| {
        let ledger = Ledger::new();
        let pool = shape.pool(ledger.maker());
        let (here, there) = (pool.get(), pool.get());
        elsewhere(|| drop(there));
        assert_eq!((pool.stats().idle, ledger.alive()), (1, 2));
        drop(here);
        assert_eq!((pool.stats().idle, ledger.alive()), (2, 2));
        // Both threads go on.
        elsewhere(|| drop((pool.get(), pool.get())));
        drop((pool.get(), pool.get()));
        assert_eq!(pool.stats().idle, ledger.alive());
        pool.clear();
        assert_eq!((pool.stats().idle, ledger.alive()), (0, 0));
    });
}

#[test]
fn forgotten() {
    with_shapes(|shape| {
        let ledger = Ledger::new();
        let pool = shape.pool(ledger.maker());
        mem::forget(pool.get());
        assert_eq!((pool.stats().idle, ledger.alive()), (0, 1));
        // The pool does not wait for it, miss it, or give it out again.
        drop((pool.get(), pool.get()));
        assert_eq!((pool.stats().idle, ledger.alive()), (2, 3));
        pool.rotate();
        pool.rotate();
        pool.clear();
        assert_eq!((pool.stats().idle, ledger.alive()), (0, 1));
        drop(pool);
        assert_eq!(ledger.alive(), 1, "leaked, and nothing else");
    });
}

#[test]
fn forgotten_owned() {
    let ledger = Ledger::new();
    let pool = Arc::new(Pool::new(ledger.maker()));
    mem::forget(pool.get_owned());
    assert_eq!(Arc::strong_count(&pool), 2, "it keeps the pool, too");
    drop(pool.get_owned());
    assert_eq!(pool.stats().idle, 1);
}

#[test]
fn detached() {
    with_shapes(|shape| {
        let ledger = Ledger::new();
        let pool = Arc::new(shape.pool(ledger.maker()));
        let item = Pooled::detach(pool.get());
        let owned = PooledOwned::detach(pool.get_owned());
        assert_eq!(Arc::strong_count(&pool), 1);
        assert_eq!((pool.stats().idle, ledger.alive()), (0, 2));
        pool.put(item);
        drop(owned);
        assert_eq!((pool.stats().idle, ledger.alive()), (1, 1));
        let guard = pool.get_owned();
        drop(pool);
        // The guard was the last to hold the pool, which goes now; the item does not.
        let item = PooledOwned::detach(guard);
        assert_eq!(ledger.alive(), 1);
        drop(item);
        assert_eq!(ledger.alive(), 0);
    });
}

#[test]
fn the_last_guard_drops_the_pool() {
    with_shapes(|shape| {
        let ledger = Ledger::new();
        let pool = Arc::new(shape.pool(ledger.maker()));
        (0..10).for_each(|_| pool.put(ledger.item()));
        let (one, other) = (pool.get_owned(), pool.get_owned());
        drop(pool);
        drop(one);
        assert_eq!(ledger.alive(), 10);
        thread::spawn(move || drop(other)).join().unwrap();
        assert_eq!(ledger.alive(), 0);
    });
}

/// Dropping a pool whose items are on loan by value is no matter to either.
#[test]
fn items_outlive_their_pool() {
    let ledger = Ledger::new();
    let pool = Pool::new(ledger.maker());
    let item = pool.take();
    pool.put(ledger.item());
    drop(pool);
    assert_eq!(ledger.alive(), 1);
    // Any pool takes it.
    let other = Pool::new(ledger.maker());
    other.put(item);
    assert_eq!(other.stats().idle, 1);
}

/// A pool in a static has guards that live as long as anything.
#[test]
fn static_guards() {
    static POOL: Pool<Vec<u8>> = Pool::new(Vec::new);
    let (send, receive) = channel::<Pooled<'static, Vec<u8>>>();
    let worker = thread::spawn(move || receive.iter().map(|guard| guard.len()).sum::<usize>());
    for len in 1..=4 {
        let mut guard = POOL.get();
        guard.clear();
        guard.resize(len, 0);
        send.send(guard).unwrap();
    }
    drop(send);
    assert_eq!(worker.join().unwrap(), 10);
    assert_eq!(POOL.stats().idle as u64, POOL.stats().creates);
}

/// Owned guards taken on one thread and dropped on another, for a long time: the number of items levels out
/// (sharded-slab's grows without bound).
#[test]
fn owned_guards_from_thread_to_thread() {
    const LOANS: usize = scaled(200, 100_000, 1_000_000);
    let ledger = Ledger::new();
    let pool = Arc::new(Pool::new(ledger.maker()));
    let (send, receive) = sync_channel(16);
    let dropper = thread::spawn(move || receive.iter().for_each(drop));
    for _ in 0..LOANS {
        send.send(pool.get_owned()).unwrap();
    }
    drop(send);
    dropper.join().unwrap();
    let stats = pool.stats();
    assert_eq!(ledger.alive(), stats.idle);
    // Two thread caches, what is under way, and the batches between.
    assert!(stats.idle <= 2 * 64 + 16 + 64, "{stats:?}");
    // Items come back by way of the chains, and none is dropped.
    assert_eq!(stats.creates as usize, stats.idle, "{stats:?}");
    if LOANS > 1000 {
        assert!(stats.chain_hits + stats.steals > 0, "{stats:?}");
    }
}

/// Many threads, each lending several at once, guards crossing between them.
#[test]
fn crossing_guards() {
    const THREADS: usize = 4;
    const ROUNDS: usize = scaled(5, 500, 5000);
    with_shapes(|shape| {
        let ledger = Ledger::new();
        let pool = shape.pool(ledger.maker());
        let barrier = Barrier::new(THREADS);
        thread::scope(|scope| {
            let (mut sends, mut receives): (Vec<_>, Vec<_>) =
                (0..THREADS).map(|_| channel()).unzip();
            sends.rotate_left(1);
            for (send, receive) in sends.drain(..).zip(receives.drain(..)) {
                let (pool, barrier) = (&pool, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    for round in 0..ROUNDS {
                        let guard = pool.get();
                        // To the neighbour, who may be gone already.
                        _ = send.send((guard, pool.get().number()));
                        if round % 2 == 1 {
                            drop(receive.try_iter().take(3).collect::<Vec<_>>());
                        }
                    }
                });
            }
        });
        assert_eq!(ledger.alive(), pool.stats().idle);
        assert_eq!(ledger.dropped() as u64, pool.stats().discards.total());
    });
}
