//! Models of the pool's own protocols: the gate of a thread cache, the claim, the turn of a generation, the list of pools.
//!
//! `RUSTFLAGS="--cfg pool_loom" cargo test -p pool-core --release --features loom --test loom`
//!
//! Every model goes through the public interface, gathers what each execution came to, and asserts the exact
//! set of outcomes and a floor on the number of executions: a model that explores less than it did fails. A
//! pool's slow path makes many steps, so most searches are bounded to three preemptions unless
//! `LOOM_MAX_PREEMPTIONS` says otherwise. Most outcome sets do not grow beyond two; `put_against_rotate` reaches its
//! fourth outcome with the third.
#![cfg(pool_loom)]

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use loom::cell::UnsafeCell;
use loom::thread;
use pool_core::{DiscardReason, ModelArc, Pool, Stats, rotate_all};

/// The bound of every change. The floors are nine tenths of what there is to explore with that.
const USUAL: usize = 3;

/// Explores a model and compares what its executions came to.
#[track_caller]
fn explore<O>(floor: usize, expected: &[O], model: impl Fn() -> O + Send + Sync + 'static)
where
    O: Ord + Debug + Clone + Send + 'static,
{
    explore_within(Some(USUAL), floor, expected, model);
}

/// The same with all executions there are.
#[track_caller]
fn explore_all<O>(floor: usize, expected: &[O], model: impl Fn() -> O + Send + Sync + 'static)
where
    O: Ord + Debug + Clone + Send + 'static,
{
    explore_within(None, floor, expected, model);
}

/// The same with two preemptions, or with as many as the environment says if that is more than three. Three take half a
/// minute and more, and find no other outcome.
#[track_caller]
fn explore_briefly<O>(floor: usize, expected: &[O], model: impl Fn() -> O + Send + Sync + 'static)
where
    O: Ord + Debug + Clone + Send + 'static,
{
    let asked = loom::model::Builder::new().preemption_bound;
    let bound = asked.filter(|&deep| deep > USUAL).unwrap_or(2);
    explore_within(Some(bound), floor, expected, model);
}

/// With so many preemptions, or with as many as the environment says; without a bound, if it does not ask for less
/// than three. What is bounded to less than three stays there.
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
        Some(few) if few < USUAL => builder.preemption_bound.or(Some(few)).min(Some(few)),
        Some(usual) => builder.preemption_bound.or(Some(usual)),
        None => builder.preemption_bound.filter(|&bound| bound < USUAL),
    };
    // The floor is for a whole run: `cargo xtask orderings` begins with less.
    let floor = match (builder.preemption_bound, preemptions.unwrap_or(USUAL)) {
        (Some(bound), usual) if bound < usual => 1,
        _ => floor,
    };
    builder.max_branches = 10_000;
    {
        let (outcomes, executions) = (outcomes.clone(), executions.clone());
        builder.check(move || {
            pool_chain::begin_model();
            pool_core::begin_model();
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
    (this, other, settle(pool, &ledger))
}

/// Drops a pool that nobody else has, and checks that nothing was lost or doubled in it.
fn settle(pool: impl Deref<Target = Pool<Item, Maker>>, ledger: &Ledger) -> Stats {
    let stats = pool.stats();
    assert_eq!(
        ledger.made(),
        ledger.dropped() + stats.idle,
        "an item was lost or doubled"
    );
    drop(pool);
    assert_eq!(ledger.made(), ledger.dropped(), "the pool kept an item");
    stats
}

/// Asserts an untruth: that the turn never keeps the owner out. This is what comes of the one execution that there is if
/// loom does not see the crate's atomics; then the floor objects instead, which is not what is expected here.
#[test]
#[should_panic(expected = "other outcomes than known")]
fn canary() {
    explore(29_900, &[0], || {
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
    explore(29_900, &[0, 1], || {
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
    explore(28_000, &[(0, 1), (1, 1), (1, 2), (2, 2)], || {
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
    explore(14_400, &[0, 1], || {
        let (pool, ledger) = pool(2, 1);
        pool.put(ledger.item());
        let stats = beside((pool, ledger), |pool| pool.rotate(), |pool| pool.rotate()).2;
        stats.idle
    });
}

/// Clearing takes a foreign cache's items, or finds them gone.
#[test]
fn take_against_clear() {
    explore(28_500, &[0, 1], || {
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
    explore(31_900, &[1, 2], || {
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
    explore_briefly(8_500, &[(2, 1), (2, 2)], || {
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
    explore(3960, &[(0, 1), (1, 0)], || {
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
    explore(10_200, &[false, true], || {
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
    explore(2900, &[(0, 1), (1, 0)], || {
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

/// A put that finds a clear in the one shard adds a second. Whoever clears walks over the shards while it comes: first to
/// empty them, again to free memory, and for the statistics. It sees one or two, and of the second all that was made.
#[test]
fn put_adds_a_shard_against_clear() {
    let outcomes = [(1, 1, 0), (1, 1, 1), (1, 2, 1), (2, 2, 1)];
    explore(29_000, &outcomes, || {
        let (pool, ledger) = pool(0, 2);
        pool.put(ledger.item());
        let item = ledger.item();
        let (_, seen, stats) = beside(
            (pool, ledger),
            move |pool| pool.put(item),
            |pool| {
                pool.clear();
                pool.stats().shards
            },
        );
        (seen, stats.shards, stats.idle)
    });
}

/// S2: a victim's last chance against the turn that drops it.
#[test]
fn victim_take_against_rotate() {
    explore(31_000, &[false, true], || {
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
    explore_all(45, &[0, 1], || {
        let (pool, ledger) = pool(2, 1);
        let theirs = pool.clone();
        let item = ledger.item();
        thread::spawn(move || theirs.put(item)).join().unwrap();
        let heir = pool.clone();
        let taken = thread::spawn(move || heir.take().touch()).join().unwrap();
        settle(pool, &ledger);
        taken
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
        settle(pool, &ledger);
        idle
    });
}

/// A number goes from one thread to the next while both run, and with it a cache: what the first left there
/// is whole.
#[test]
fn a_number_passes_between_running_threads() {
    explore_all(22_500, &[false, true], || {
        let (pool, ledger) = pool(2, 1);
        let item = ledger.item();
        let (first, second) = (pool.clone(), pool.clone());
        let first = thread::spawn(move || first.put(item));
        let second = thread::spawn(move || second.try_take().map(|item| item.touch()).is_some());
        first.join().unwrap();
        let taken = second.join().unwrap();
        settle(pool, &ledger);
        taken
    });
}

/// A turn and a clearing that meet at a cache: the one that finds the other there leaves the cache to it, and the
/// clearing then leaves what the turn parks.
#[test]
fn rotate_against_clear() {
    explore(10_400, &[(1, 0), (1, 1), (0, 2)], || {
        let (pool, ledger) = pool(2, 1);
        pool.put(ledger.item());
        pool.rotate();
        pool.put(ledger.item());
        let stats = beside((pool, ledger), |pool| pool.rotate(), |pool| pool.clear()).2;
        aged_and_cleared(&stats)
    });
}

/// The same at a shard with a victim, which goes with the one or the other, once.
#[test]
fn rotate_against_clear_on_one_shard() {
    explore_briefly(10_600, &[(0, 1), (1, 0)], || {
        let (pool, ledger) = pool(0, 1);
        pool.put(ledger.item());
        pool.rotate();
        let stats = beside((pool, ledger), |pool| pool.rotate(), |pool| pool.clear()).2;
        aged_and_cleared(&stats)
    });
}

fn aged_and_cleared(stats: &Stats) -> (u64, u64) {
    let by = |reason| stats.discards.by(reason);
    (by(DiscardReason::Aged), by(DiscardReason::Cleared))
}

/// S2: two turns at one claim. The item goes at the second, unless the one that came second found the claim held for
/// too long; the one that comes late with the earlier generation does nothing.
#[test]
fn rotate_against_rotate_on_one_shard() {
    explore_briefly(7_000, &[0, 1], || {
        let (pool, ledger) = pool(0, 1);
        pool.put(ledger.item());
        let stats = beside((pool, ledger), |pool| pool.rotate(), |pool| pool.rotate()).2;
        stats.idle
    });
}

/// S2: a take of an item of this generation against the turn that makes it a victim: it is found as the one, as
/// the other, or stolen while the turn has the claim; but found.
#[test]
fn shard_take_against_rotate() {
    explore(8600, &[(0, 0, 1), (0, 1, 0), (1, 0, 0)], || {
        let (pool, ledger) = pool(0, 1);
        pool.put(ledger.item());
        let stats = beside(
            (pool, ledger),
            |pool| pool.try_take().map(|item| item.touch()),
            |pool| pool.rotate(),
        )
        .2;
        (stats.shard_hits, stats.steals, stats.victim_hits)
    });
}

/// A turn against a thread that leaves an item in its cache and ends. The item is parked or came too late for that,
/// and the next thread with this number finds it in either state.
#[test]
fn rotate_against_thread_exit() {
    explore(45_700, &[(true, 0), (false, 0), (false, 1)], || {
        let (pool, ledger) = pool(2, 1);
        let item = ledger.item();
        let theirs = pool.clone();
        let thread = thread::spawn(move || theirs.put(item));
        pool.rotate();
        thread.join().unwrap();
        let found = pool.try_take().map(|item| item.touch()).is_some();
        pool.rotate();
        (found, settle(pool, &ledger).idle)
    });
}

/// A sweep that walks the table of caches while another thread's first put adds one to it, with an item in it that
/// the sweep finds or not.
#[test]
fn clear_against_first_cache() {
    explore_briefly(2_000, &[0, 1], || {
        let (pool, ledger) = pool(2, 1);
        pool.put(ledger.item());
        let item = ledger.item();
        let stats = beside(
            (pool, ledger),
            |pool| pool.clear(),
            move |pool| pool.put(item),
        )
        .2;
        stats.idle
    });
}

/// A pool whose thread moves items between its cache and the shard by twos: two are in the shard, and so many in the
/// cache.
fn in_batches(in_cache: usize) -> (Arc<Pool<Item, Maker>>, Ledger) {
    let (pool, ledger) = pool(4, 1);
    // The fifth sends the two oldest to the shard.
    (0..5).for_each(|_| pool.put(ledger.item()));
    (in_cache..3).for_each(|_| drop(pool.take()));
    let stats = pool.stats();
    assert_eq!((stats.idle_in_caches, stats.idle), (in_cache, in_cache + 2));
    (pool, ledger)
}

/// A miss that takes a batch from the shard, against the turn that makes its items victims. The newer comes out and
/// the older is left in the cache; or the older comes out alone, stolen or as a victim. With two preemptions: three cost
/// too much time.
#[test]
fn batched_miss_against_rotate() {
    explore_within(Some(2), 13_500, &[(0, 0, 1), (1, 1, 1)], || {
        let (item, (), stats) = beside(
            in_batches(0),
            |pool| pool.take().touch(),
            |pool| pool.rotate(),
        );
        (item, stats.idle_in_caches, stats.idle)
    });
}

/// A take that a clearing keeps out of the cache gets a batch from the shard. What it does not need goes into the cache, or
/// back to the shard if the cache is still shut, and there the clearing finds it or does not.
#[test]
fn batched_take_against_clear() {
    // The newest, from the cache; none; one alone, stolen; and the newer of a batch.
    let expected = [
        (2, 0, 0),
        (5, 0, 0),
        (0, 0, 0),
        (1, 0, 0),
        (1, 0, 1),
        (1, 1, 1),
    ];
    // No more than two: loom lets a store come between what a swap reads and what it writes (tokio-rs/loom#254). With
    // three, after a claim that failed, it has two threads claim the shard at once.
    explore_within(Some(2), 17_500, &expected, || {
        let (item, (), stats) = beside(
            in_batches(1),
            |pool| pool.take().touch(),
            |pool| pool.clear(),
        );
        (item, stats.idle_in_caches, stats.idle)
    });
}

/// A pool that the list of pools may hold. The list exists from here on, before there are threads: loom orders whoever
/// makes a static before whoever finds it made.
fn registrable() -> (ModelArc<Pool<Item, Maker>>, Ledger) {
    rotate_all();
    let (pool, ledger) = pool(2, 1);
    let pool = Arc::into_inner(pool).expect("nobody else has it");
    (ModelArc::new(pool), ledger)
}

/// Two pools come onto the list at once, and both are on it.
#[test]
fn register_against_register() {
    explore_all(210, &[(1, 1)], || {
        let (mine, theirs) = (registrable().0, registrable().0);
        let thread = thread::spawn(move || {
            Pool::register_shared(&theirs);
            theirs
        });
        Pool::register_shared(&mine);
        let theirs = thread.join().unwrap();
        rotate_all();
        let turns = (mine.stats().generation, theirs.stats().generation);
        pool_core::finish_model();
        turns
    });
}

/// A pool that comes onto the list while all are turned is turned or is not; one that was there is. The turn sees
/// all that was done to the pool before.
#[test]
fn register_against_rotate_all() {
    explore_all(53_600, &[(1, 0), (1, 1)], || {
        let ((old, _), (new, ledger)) = (registrable(), registrable());
        Pool::register_shared(&old);
        let thread = thread::spawn(move || {
            new.put(ledger.item());
            Pool::register_shared(&new);
            (new, ledger)
        });
        rotate_all();
        let (new, ledger) = thread.join().unwrap();
        let turns = (old.stats().generation, new.stats().generation);
        pool_core::finish_model();
        settle(new, &ledger);
        turns
    });
}

/// Three at the list: two pools come onto it while all are turned. Each is turned or is not, whatever happens to the
/// other, and both are on the list. With two preemptions: three cost too much time.
#[test]
fn two_registers_against_rotate_all() {
    explore_within(Some(2), 11_600, &[(0, 0), (0, 1), (1, 0), (1, 1)], || {
        let (mine, theirs) = (registrable().0, registrable().0);
        let thread = thread::spawn(move || {
            Pool::register_shared(&theirs);
            theirs
        });
        let turning = thread::spawn(rotate_all);
        Pool::register_shared(&mine);
        let theirs = thread.join().unwrap();
        turning.join().unwrap();
        let turns = || (mine.stats().generation, theirs.stats().generation);
        let before = turns();
        rotate_all();
        assert_eq!(turns(), (before.0 + 1, before.1 + 1), "not on the list");
        pool_core::finish_model();
        before
    });
}

/// The last handle of a pool goes while all pools are turned: the turn finds the pool gone, or keeps it for as long
/// as it needs it and may then be the one that drops it. What the pool was used for comes before its drop.
#[test]
fn rotate_all_against_the_last_drop() {
    /// Says on which thread it was dropped.
    struct Witness(Arc<Mutex<Option<thread::ThreadId>>>);

    impl Drop for Witness {
        fn drop(&mut self) {
            *self.0.lock().unwrap() = Some(thread::current().id());
        }
    }

    // Whether the turn came in time to drop the item, and whether it dropped the pool.
    explore_all(108, &[(false, false), (true, false), (true, true)], || {
        rotate_all();
        let ledger = Ledger::default();
        let (dropped_by, aged) = (Arc::default(), Arc::new(AtomicUsize::new(0)));
        let (witness, ages) = (Witness(Arc::clone(&dropped_by)), Arc::clone(&aged));
        let pool = Pool::builder(move || -> Item {
            let _ = &witness;
            unreachable!("nothing is taken")
        });
        let pool = pool
            .thread_cache(2)
            .rotate_manually()
            .on_discard(move |_: &Item, reason| {
                ages.fetch_add((reason == DiscardReason::Aged).into(), Ordering::Relaxed);
            })
            .build();
        pool.put(ledger.item());
        // What is parked goes at the next turn.
        pool.rotate();
        let pool = ModelArc::new(pool);
        Pool::register_shared(&pool);
        let thread = thread::spawn(move || drop(pool));
        rotate_all();
        thread.join().unwrap();
        pool_core::finish_model();
        assert_eq!(ledger.made(), ledger.dropped(), "the pool kept an item");
        let dropped_by = dropped_by.lock().unwrap().expect("the pool is gone");
        (
            aged.load(Ordering::Relaxed) == 1,
            dropped_by == thread::current().id(),
        )
    });
}
