//! Models of the pool's own protocols: the gate of a thread cache, the claim, the turn of a generation.
//!
//! `RUSTFLAGS="--cfg pool_loom" cargo test -p pool-core --release --features loom --test loom`
//!
//! Every model goes through the public interface, gathers what each execution came to, and asserts the exact
//! set of outcomes and a floor on the number of executions: a model that explores less than it did fails. A
//! pool's slow path makes many steps, so most searches are bounded to three preemptions unless
//! `LOOM_MAX_PREEMPTIONS` says otherwise; the outcome sets do not grow beyond two.
#![cfg(pool_loom)]

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use loom::cell::UnsafeCell;
use loom::thread;
use pool_core::{DiscardReason, Pool, Stats};

/// Explores a model and compares what its executions came to.
#[track_caller]
fn explore<O>(floor: usize, expected: &[O], model: impl Fn() -> O + Send + Sync + 'static)
where
    O: Ord + Debug + Clone + Send + 'static,
{
    explore_within(Some(3), floor, expected, model);
}

/// The same with all executions there are.
#[track_caller]
fn explore_all<O>(floor: usize, expected: &[O], model: impl Fn() -> O + Send + Sync + 'static)
where
    O: Ord + Debug + Clone + Send + 'static,
{
    explore_within(None, floor, expected, model);
}

/// With so many preemptions, or with as many as the environment says; without a bound, if it does not ask for less
/// than three.
#[track_caller]
fn explore_within<O>(
    preemptions: Option<usize>,
    floor: usize,
    expected: &[O],
    model: impl Fn() -> O + Send + Sync + 'static,
) where
    O: Ord + Debug + Clone + Send + 'static,
{
    let outcomes = Arc::new(Mutex::new(BTreeSet::new()));
    let executions = Arc::new(AtomicUsize::new(0));
    let mut builder = loom::model::Builder::new();
    // These end a run early and call it a success.
    assert!(
        builder.max_duration.is_none() && builder.max_permutations.is_none(),
        "unset LOOM_MAX_DURATION and LOOM_MAX_PERMUTATIONS: they hide what was not explored"
    );
    builder.preemption_bound = match preemptions {
        Some(usual) => builder.preemption_bound.or(Some(usual)),
        None => builder.preemption_bound.filter(|&bound| bound < 3),
    };
    builder.max_branches = 10_000;
    {
        let (outcomes, executions) = (outcomes.clone(), executions.clone());
        builder.check(move || {
            let outcome = model();
            pool_chain::finish_model();
            outcomes.lock().unwrap().insert(outcome);
            executions.fetch_add(1, Ordering::Relaxed);
        });
    }
    let executions = executions.load(Ordering::Relaxed);
    let outcomes = outcomes.lock().unwrap();
    println!("{executions} executions, {} outcomes", outcomes.len());
    assert_eq!(
        *outcomes,
        expected.iter().cloned().collect(),
        "other outcomes than known"
    );
    assert!(
        executions >= floor,
        "explored {executions} executions only, expected {floor}"
    );
}

/// Counts items made and dropped.
#[derive(Clone, Default)]
struct Ledger {
    made: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
}

impl Ledger {
    fn item(&self) -> Item {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let payload = UnsafeCell::new(0);
        // SAFETY: nobody else knows the item yet.
        payload.with_mut(|p| unsafe { *p = number });
        Item {
            payload,
            ledger: self.clone(),
        }
    }

    fn dropped(&self) -> usize {
        self.dropped.load(Ordering::Relaxed)
    }

    fn made(&self) -> usize {
        self.made.load(Ordering::Relaxed)
    }
}

/// Its payload is written by whoever holds it; the model checker sees a race if two hold it, or if one
/// holds it without what the other did having happened before.
struct Item {
    payload: UnsafeCell<usize>,
    ledger: Ledger,
}

impl Item {
    fn touch(&self) -> usize {
        // SAFETY: whoever has the item has it alone; loom checks that.
        self.payload.with_mut(|p| unsafe { *p })
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        self.touch();
        self.ledger.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

type Maker = Box<dyn Fn() -> Item + Send + Sync>;

fn pool(depth: usize, shards: usize) -> (Arc<Pool<Item, Maker>>, Ledger) {
    let ledger = Ledger::default();
    let maker = ledger.clone();
    let make: Maker = Box::new(move || maker.item());
    let pool = Pool::builder(make)
        .thread_cache(depth)
        .max_shards(shards)
        .rotate_manually()
        .build();
    (Arc::new(pool), ledger)
}

/// Runs `other` beside `this` on one pool, then checks that nothing was lost or doubled.
fn beside<A, B: Send + 'static>(
    (pool, ledger): (Arc<Pool<Item, Maker>>, Ledger),
    this: impl FnOnce(&Pool<Item, Maker>) -> A,
    other: impl FnOnce(&Pool<Item, Maker>) -> B + Send + 'static,
) -> (A, B, Stats) {
    let theirs = pool.clone();
    let thread = thread::spawn(move || {
        let result = other(&theirs);
        drop(theirs);
        result
    });
    let (this, other) = (this(&pool), thread.join().unwrap());
    let stats = pool.stats();
    assert_eq!(
        ledger.made(),
        ledger.dropped() + stats.idle,
        "an item was lost or doubled"
    );
    drop(pool);
    assert_eq!(ledger.made(), ledger.dropped(), "the pool kept an item");
    (this, other, stats)
}

/// Asserts an untruth: that the turn always keeps the owner out. If this does not panic, loom does not see the
/// crate's atomics.
#[test]
#[should_panic(expected = "other outcomes than known")]
fn canary() {
    explore(7740, &[1], || {
        let (pool, ledger) = pool(2, 1);
        pool.put(ledger.item());
        beside(
            (pool, ledger),
            |pool| pool.take().touch(),
            |pool| pool.rotate(),
        )
        .0
    });
}

/// P1: a take from the owner's cache against a turn. The item is the owner's, or the owner was kept out and made
/// another.
#[test]
fn take_against_rotate() {
    explore(7740, &[0, 1], || {
        let (pool, ledger) = pool(2, 1);
        pool.put(ledger.item());
        beside(
            (pool, ledger),
            |pool| pool.take().touch(),
            |pool| pool.rotate(),
        )
        .0
    });
}

/// P1: a put into the owner's cache against a turn that takes a parked item out. The new item is kept, in the
/// cache or, when the owner was kept out, in a shard; the parked one goes, or stays when the turn ran out of
/// patience.
#[test]
fn put_against_rotate() {
    explore(2520, &[(0, 1), (1, 1), (1, 2), (2, 2)], || {
        let (pool, ledger) = pool(2, 1);
        pool.put(ledger.item());
        pool.rotate();
        let item = ledger.item();
        let stats = beside(
            (pool, ledger),
            move |pool| pool.put(item),
            |pool| pool.rotate(),
        )
        .2;
        (stats.idle_in_caches, stats.idle)
    });
}

/// P1, between intruders: two turns at once. One after the other they park an item and take it out; the one that
/// finds the other in the cache leaves it to that one.
#[test]
fn rotate_against_rotate() {
    explore(3060, &[0, 1], || {
        let (pool, ledger) = pool(2, 1);
        pool.put(ledger.item());
        let stats = beside((pool, ledger), |pool| pool.rotate(), |pool| pool.rotate()).2;
        stats.idle
    });
}

/// Clearing takes a foreign cache's items, or finds them gone.
#[test]
fn take_against_clear() {
    explore(9900, &[0, 1], || {
        let (pool, ledger) = pool(2, 1);
        pool.put(ledger.item());
        beside(
            (pool, ledger),
            |pool| pool.take().touch(),
            |pool| pool.clear(),
        )
        .0
    });
}

/// S1: two threads without caches put into one shard. The one that finds the claim held drops its item.
#[test]
fn put_against_put_on_one_shard() {
    explore(31500, &[1, 2], || {
        let (pool, ledger) = pool(0, 1);
        let (mine, theirs) = (ledger.item(), ledger.item());
        let stats = beside(
            (pool, ledger),
            move |pool| pool.put(mine),
            move |pool| pool.put(theirs),
        )
        .2;
        stats.idle
    });
}

/// A failed claim adds a shard instead of dropping the item.
#[test]
fn put_against_put_adds_a_shard() {
    explore(71100, &[(2, 1), (2, 2)], || {
        let (pool, ledger) = pool(0, 2);
        let (mine, theirs) = (ledger.item(), ledger.item());
        let stats = beside(
            (pool, ledger),
            move |pool| pool.put(mine),
            move |pool| pool.put(theirs),
        )
        .2;
        (stats.idle, stats.shards)
    });
}

/// The last item of a shard is taken by one of two threads; the other makes its own.
#[test]
fn take_against_take_on_one_shard() {
    explore(2430, &[(0, 1), (1, 0)], || {
        let (pool, ledger) = pool(0, 1);
        pool.put(ledger.item());
        let (mine, theirs, _) = beside(
            (pool, ledger),
            |pool| pool.take().touch(),
            |pool| pool.take().touch(),
        );
        (mine, theirs)
    });
}

/// An item that is put is taken with everything done to it before.
#[test]
fn put_against_take() {
    explore(11400, &[false, true], || {
        let (pool, ledger) = pool(0, 1);
        let item = ledger.item();
        beside(
            (pool, ledger),
            move |pool| pool.put(item),
            |pool| pool.try_take().map(|item| item.touch()).is_some(),
        )
        .1
    });
}

/// S2: a turn against a put into a shard: the item is a victim or of the new generation. It is dropped only if
/// the turn held the one claim.
#[test]
fn shard_put_against_rotate() {
    explore(1800, &[(0, 1), (1, 0)], || {
        let (pool, ledger) = pool(0, 1);
        let item = ledger.item();
        let stats = beside(
            (pool, ledger),
            move |pool| pool.put(item),
            |pool| pool.rotate(),
        )
        .2;
        (stats.idle, stats.discards.by(DiscardReason::Contended))
    });
}

/// S2: a victim's last chance against the turn that drops it.
#[test]
fn victim_take_against_rotate() {
    explore(19800, &[false, true], || {
        let (pool, ledger) = pool(0, 1);
        pool.put(ledger.item());
        pool.rotate();
        beside(
            (pool, ledger),
            |pool| pool.try_take().is_some(),
            |pool| pool.rotate(),
        )
        .0
    });
}

/// A thread that ends leaves its items to the next that gets its number. (Under loom, `join` returns before the
/// thread's thread-locals are gone, so the heir may also get a number of its own.)
#[test]
fn a_dead_threads_cache_is_inherited() {
    explore_all(40, &[0, 1], || {
        let (pool, ledger) = pool(2, 1);
        let theirs = pool.clone();
        let item = ledger.item();
        thread::spawn(move || theirs.put(item)).join().unwrap();
        let heir = pool.clone();
        thread::spawn(move || heir.take().touch()).join().unwrap()
    });
}

/// The occupancy word: an item put between a clear's look into a shard and its word that nothing is there. If
/// the item stays, a take finds it.
#[test]
fn put_against_clear() {
    explore(4800, &[0, 1], || {
        let (pool, ledger) = pool(0, 1);
        pool.put(ledger.item());
        let item = ledger.item();
        let theirs = pool.clone();
        let thread = thread::spawn(move || theirs.clear());
        pool.put(item);
        thread.join().unwrap();
        let idle = pool.stats().idle;
        for _ in 0..idle {
            assert!(pool.try_take().is_some(), "an item is there and not found");
        }
        idle
    });
}

/// A number goes from one thread to the next while both run, and with it a cache: what the first left there
/// is whole.
#[test]
fn a_number_passes_between_running_threads() {
    explore_all(20_000, &[false, true], || {
        let (pool, ledger) = pool(2, 1);
        let item = ledger.item();
        let (first, second) = (pool.clone(), pool.clone());
        let first = thread::spawn(move || first.put(item));
        let second = thread::spawn(move || second.try_take().map(|item| item.touch()).is_some());
        first.join().unwrap();
        second.join().unwrap()
    });
}
