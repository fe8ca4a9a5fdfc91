//! Threads that are stopped at the worst moment: at the head of their chain, as the holder of another's cache, inside
//! of their own. The others never wait for them for long, lose nothing, and go on with what they can reach.

#![cfg(all(not(pool_loom), not(miri)))]

mod common;
#[path = "common/trap.rs"]
mod trap;

use std::time::{Duration, Instant};

use common::{Item, Ledger, booked, caches_work, turn_out};
use pool_core::{DiscardReason, Pool};
use trap::{Trapping, while_stopped};

#[global_allocator]
static ALLOCATOR: Trapping = Trapping;

/// As many as the first ring of a chain holds: the next put allocates at the head.
const RING: usize = 8;

/// Far more than a bounded wait takes, on any machine.
const SOON: Duration = Duration::from_secs(10);

fn soon(f: impl FnOnce()) {
    let start = Instant::now();
    f();
    assert!(start.elapsed() < SOON, "that took {:?}", start.elapsed());
}

/// Runs `check` while another thread is stopped at the head of its chain, which has a ring full of items.
fn while_producing<F: Fn() -> Item + Sync>(
    pool: &Pool<Item, F>,
    ledger: &Ledger,
    check: impl FnOnce(),
) {
    let prepare = || {
        (0..RING).for_each(|_| pool.put(ledger.item()));
        ledger.item()
    };
    while_stopped(prepare, |item| pool.put(item), check);
    assert_eq!(ledger.alive(), pool.stats().idle, "lost or doubled");
    turn_out(pool, ledger);
}

/// Anybody can take from its chain, and puts into its own.
#[test]
fn a_thread_at_its_chain_keeps_nobody() {
    let (ledger, pool) = booked(0);
    while_producing(&pool, &ledger, || {
        let mut taken: Vec<_> = (0..RING).map(|_| pool.try_take()).collect();
        let numbers: Vec<_> = taken.iter().flatten().map(Item::number).collect();
        assert_eq!(numbers.len(), RING);
        assert!(pool.try_take().is_none());
        let stats = pool.stats();
        assert_eq!(
            (stats.steals + stats.chain_hits, stats.idle),
            (RING as u64, 0)
        );
        // And create goes on.
        drop(pool.take());
        taken.drain(..).flatten().for_each(|item| pool.put(item));
        let stats = pool.stats();
        assert_eq!(
            (stats.discards.total(), stats.idle, stats.parts),
            (0, RING, 2)
        );
    });
}

/// A whole batch that overflows a cache meets the same.
#[test]
fn a_batch_at_the_chain_keeps_nobody() {
    if !caches_work() {
        return;
    }
    let (ledger, pool) = booked(4);
    let prepare = || {
        // One in the chain for each above the four of the cache, and one short of growth.
        (0..RING + 4).for_each(|_| pool.put(ledger.item()));
        assert_eq!(pool.stats().idle_in_caches, 4);
        (ledger.item(), ledger.item())
    };
    let overflow = |(one, other)| {
        pool.put(one);
        pool.put(other);
    };
    while_stopped(prepare, overflow, || {
        (0..5).for_each(|_| pool.put(ledger.item()));
        // Half of the cache has gone to the chain, but not what came last.
        assert_eq!(pool.stats().discards.total(), 0);
        let newest = pool.try_take().expect("they are all there");
        assert_eq!(newest.number() + 1, ledger.created());
    });
    assert_eq!(ledger.alive(), pool.stats().idle);
}

/// Turns and clears wait for nobody at a chain, and empty it from the tail.
#[test]
fn a_thread_at_its_chain_keeps_nobody_from_turning() {
    for turns in [1, 2, 3] {
        let (ledger, pool) = booked(0);
        let prepare = || {
            (0..RING).for_each(|_| pool.put(ledger.item()));
            ledger.item()
        };
        while_stopped(
            prepare,
            |item| pool.put(item),
            || {
                soon(|| (0..turns).for_each(|_| pool.rotate()));
                assert_eq!(pool.stats().generation, turns as u64);
                assert_eq!(pool.stats().idle, if turns == 1 { RING } else { 0 });
                assert!(format!("{pool:?}").contains("idle"));
            },
        );
        // The stopped put is done, in the generation in which it began: as old as what was there, or young again.
        let left = if turns == 1 { RING + 1 } else { 1 };
        assert_eq!((ledger.alive(), pool.stats().idle), (left, left));
        turn_out(&pool, &ledger);
    }
    let (ledger, pool) = booked(0);
    while_producing(&pool, &ledger, || {
        soon(|| pool.clear());
        assert_eq!(pool.stats().idle, 0);
        assert_eq!(
            pool.stats().discards.by(DiscardReason::Cleared),
            RING as u64
        );
    });
}

/// Runs `check` while another thread turns the pool and is stopped with the caller's cache, of three items, in its
/// hands.
fn while_revoked<F: Fn() -> Item + Sync>(
    pool: &Pool<Item, F>,
    ledger: &Ledger,
    check: impl FnOnce(),
) {
    (0..3).for_each(|_| pool.put(ledger.item()));
    pool.rotate();
    assert_eq!((pool.stats().idle, pool.stats().idle_in_caches), (3, 3));
    while_stopped(|| (), |()| pool.rotate(), check);
}

/// An owner whose cache is in other hands uses its chain.
#[test]
fn a_revoked_cache_keeps_nobody() {
    if !caches_work() {
        return;
    }
    let (ledger, pool) = booked(8);
    while_revoked(&pool, &ledger, || {
        assert!(pool.try_take().is_none(), "they are out of reach");
        pool.put(ledger.item());
        let stats = pool.stats();
        assert_eq!(
            (stats.idle, stats.idle_in_caches),
            (4, 3),
            "put into a chain"
        );
        assert_eq!(pool.take().number(), 3);
        // Other threads are not concerned.
        common::elsewhere(|| {
            let hits = pool.stats().cache_hits;
            drop(pool.get());
            drop(pool.get());
            assert_eq!(pool.stats().cache_hits, hits + 1);
        });
    });
    assert_eq!(ledger.alive(), pool.stats().idle);
    assert!(
        !ledger.is_alive(0) && !ledger.is_alive(1) && !ledger.is_alive(2),
        "they were old"
    );
    // And the cache is open again.
    pool.put(ledger.item());
    let hits = pool.stats().cache_hits;
    assert!(pool.try_take().is_some());
    assert_eq!(pool.stats().cache_hits, hits + 1);
}

/// A second sweep leaves the cache to the first.
#[test]
fn a_revoked_cache_is_left_to_its_holder() {
    if !caches_work() {
        return;
    }
    let (ledger, pool) = booked(8);
    while_revoked(&pool, &ledger, || {
        soon(|| {
            pool.rotate();
            pool.rotate();
            pool.clear();
        });
        assert_eq!((pool.stats().idle, ledger.alive()), (3, 3));
    });
    assert_eq!((pool.stats().idle, ledger.alive()), (0, 0));
}

/// A thread stopped just anywhere in a loop of takes and puts: within its cache, a sweep passes it over; outside,
/// the sweep empties its cache. Both for turns and for clearing.
///
/// What stops it is a signal's handler that does not return. `SIGSTOP` would stop all threads of the process, and then
/// nobody is left who could turn: no pool is shared by processes. To the others there is no difference but that the
/// thread still uses its processor, between its turns of yielding.
#[cfg(target_os = "linux")]
#[test]
fn an_owner_inside_its_cache_is_passed_over() {
    if !caches_work() {
        return;
    }
    let ledger = Ledger::new();
    let pool = Pool::builder(ledger.maker()).rotate_manually().build();
    // How often an owner was met inside of its cache, and outside.
    let mut met = [("clear", 0, 0), ("rotate", 0, 0)];
    let prepare = || {
        // One is always in the cache.
        (0..2).for_each(|_| pool.put(pool.take()));
        drop((pool.get(), pool.get()));
    };
    let step = || {
        (0..100).for_each(|_| pool.put(pool.take()));
        drop((pool.get(), pool.get()));
    };
    trap::signal::while_running(prepare, step, |target| {
        for round in 0..20_000 {
            let enough = |&(_, inside, outside): &_| inside >= 3 && outside >= 3;
            if round >= 100 && met.iter().all(enough) {
                break;
            }
            let (name, inside, outside) = &mut met[round % 2];
            let held = target.stop();
            let before = pool.stats().idle_in_caches;
            soon(|| match *name {
                "clear" => pool.clear(),
                // The first turn parks what the second takes.
                _ => (0..2).for_each(|_| pool.rotate()),
            });
            match pool.stats().idle_in_caches {
                _ if before == 0 => {}
                0 => *outside += 1,
                after => {
                    assert_eq!(after, before, "{name} has half emptied a cache");
                    *inside += 1;
                }
            }
            held.release();
            // Back to two items before the next.
            std::thread::yield_now();
        }
    });
    for (name, inside, outside) in met {
        assert!(
            inside > 0 && outside > 0,
            "{name}: {inside} inside, {outside} outside"
        );
    }
    assert_eq!(ledger.alive(), pool.stats().idle);
    pool.clear();
    assert_eq!((pool.stats().idle, ledger.alive()), (0, 0));
}
