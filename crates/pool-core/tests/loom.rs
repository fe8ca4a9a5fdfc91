//! Models of the pool's own protocols: the gate of a thread cache, part against part, the turn of a generation, the
//! list of pools.
//!
//! `RUSTFLAGS="--cfg pool_loom" cargo test -p pool-core --release --features loom --test loom`
//!
//! Every model goes through the public interface, gathers what each execution came to, and asserts the exact
//! set of outcomes and a floor on the number of executions: a model that explores less than it did fails. A
//! pool's slow path makes many steps, so most searches are bounded to two preemptions unless
//! `LOOM_MAX_PREEMPTIONS` says otherwise. Most outcome sets do not grow beyond that.
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

/// Explores all executions of a model and compares what they came to.
#[track_caller]
fn explore_all<O>(floor: usize, expected: &[O], model: impl Fn() -> O + Send + Sync + 'static)
where
    O: Ord + Debug + Clone + Send + 'static,
{
    explore_within(None, floor, expected, model);
}

/// The same with two preemptions, or with as many as the environment says if that is more than three. Three take a
/// minute and more.
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

fn pool(depth: usize) -> (Arc<Pool<Item, Maker>>, Ledger) {
    let ledger = Ledger::default();
    let maker = ledger.clone();
    let make: Maker = Box::new(move || maker.item());
    let pool = Pool::builder(make)
        .thread_cache(depth)
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

/// Asserts an untruth: that the turn never keeps the owner out. This is what comes of the one execution that there is
/// if loom does not see the crate's atomics; then the floor objects instead, which is not what is expected here.
#[test]
#[should_panic(expected = "other outcomes than known")]
fn canary() {
    explore_briefly(6720, &[0], || {
        let (pool, ledger) = pool(2);
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
    explore_briefly(6720, &[0, 1], || {
        let (pool, ledger) = pool(2);
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
/// cache or, when the owner was kept out, in its chain; the parked one goes, or stays when the turn ran out of
/// patience.
#[test]
fn put_against_rotate() {
    explore_within(Some(2), 2380, &[(0, 1), (1, 1), (1, 2)], || {
        let (pool, ledger) = pool(2);
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
    explore_briefly(1, &[0, 1], || {
        let (pool, ledger) = pool(2);
        pool.put(ledger.item());
        let stats = beside((pool, ledger), |pool| pool.rotate(), |pool| pool.rotate()).2;
        stats.idle
    });
}

/// Clearing takes a foreign cache's items, or finds them gone.
#[test]
fn take_against_clear() {
    explore_briefly(7860, &[0, 1], || {
        let (pool, ledger) = pool(2);
        pool.put(ledger.item());
        beside(
            (pool, ledger),
            |pool| pool.take().touch(),
            |pool| pool.clear(),
        )
        .0
    });
}

/// S1: two threads without caches put at the same time, each into its own part; or one after the other into the part
/// that the one has left to the other. Nothing is dropped.
#[test]
fn put_against_put() {
    explore_briefly(2590, &[(2, 1), (2, 2)], || {
        let (pool, ledger) = pool(0);
        let (mine, theirs) = (ledger.item(), ledger.item());
        let stats = beside(
            (pool, ledger),
            move |pool| pool.put(mine),
            move |pool| pool.put(theirs),
        )
        .2;
        (stats.idle, stats.parts)
    });
}

/// A thief against the owner at the last item: one of them has it, the other makes its own.
#[test]
fn steal_against_owner() {
    explore_briefly(748, &[(0, 1), (1, 0)], || {
        let (pool, ledger) = pool(0);
        pool.put(ledger.item());
        let (mine, theirs, _) = beside(
            (pool, ledger),
            |pool| pool.take().touch(),
            |pool| pool.take().touch(),
        );
        (mine, theirs)
    });
}

/// A thief that takes several against the owner, who takes one and puts it back: nobody makes one.
#[test]
fn steal_of_several_against_owner() {
    explore_within(Some(1), 19, &[(3, 3)], || {
        let (pool, ledger) = pool(0);
        (0..3).for_each(|_| pool.put(ledger.item()));
        let stats = beside(
            (pool, ledger),
            |pool| pool.put(pool.take()),
            |pool| pool.put(pool.take()),
        )
        .2;
        (stats.idle, stats.idle + stats.creates as usize)
    });
}

/// An item that is put is taken with everything done to it before.
#[test]
fn put_against_take() {
    explore_briefly(26_100, &[false, true], || {
        let (pool, ledger) = pool(0);
        let item = ledger.item();
        beside(
            (pool, ledger),
            move |pool| pool.put(item),
            |pool| pool.try_take().map(|item| item.touch()).is_some(),
        )
        .1
    });
}

/// R1, R2: a turn against a put into a chain. The item is a victim after it or of the new generation; so it goes at the
/// next turn or at the one after that.
#[test]
fn chain_put_against_rotate() {
    explore_briefly(2080, &[(1, 0), (1, 1)], || {
        let (pool, ledger) = pool(0);
        let item = ledger.item();
        let theirs = pool.clone();
        let thread = thread::spawn(move || theirs.rotate());
        pool.put(item);
        thread.join().unwrap();
        let idle = pool.stats().idle;
        pool.rotate();
        let left = pool.stats().idle;
        pool.rotate();
        assert_eq!(settle(pool, &ledger).idle, 0, "idle for two turns");
        (idle, left)
    });
}

/// A victim's last chance against the turn that drops it.
#[test]
fn victim_take_against_rotate() {
    explore_briefly(5820, &[false, true], || {
        let (pool, ledger) = pool(0);
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

/// R3: a turn that is about to take a victim, against another that turns before and a put after that into the same
/// chain, which takes what is new by then. What was put stays, though the late turn may have had it in its hands. The
/// victim goes, or stays when the late turn had it in its hands as the other ended. One preemption makes each of these;
/// two take minutes.
#[test]
fn late_turn_against_put() {
    explore_within(Some(1), 1660, &[(1, 1), (2, 0)], || {
        let (pool, ledger) = pool(0);
        pool.put(ledger.item());
        pool.rotate();
        let item = ledger.item();
        let stats = beside(
            (pool, ledger),
            move |pool| {
                pool.rotate();
                pool.put(item);
            },
            |pool| pool.rotate(),
        )
        .2;
        (stats.idle, stats.discards.by(DiscardReason::Aged))
    });
}

/// What a thread that is gone has in its cache, against two that miss: the one that inherits its number, and one that
/// moves it to the chains. One of them has it.
#[test]
fn two_against_the_cache_of_the_dead() {
    explore_within(Some(1), 52, &[(0, 1), (1, 0)], || {
        let (pool, ledger) = pool(2);
        let theirs = pool.clone();
        let item = ledger.item();
        thread::spawn(move || theirs.put(item)).join().unwrap();
        let (mine, theirs, _) = beside(
            (pool, ledger),
            |pool| pool.take().touch(),
            |pool| pool.take().touch(),
        );
        (mine, theirs)
    });
}

/// A thread that ends leaves its items to the next that gets its number. (Under loom, `join` returns before the
/// thread's thread-locals are gone, so the heir may also get a number of its own.)
#[test]
fn a_dead_threads_cache_is_inherited() {
    explore_all(66, &[0, 1], || {
        let (pool, ledger) = pool(2);
        let theirs = pool.clone();
        let item = ledger.item();
        thread::spawn(move || theirs.put(item)).join().unwrap();
        let heir = pool.clone();
        let taken = thread::spawn(move || heir.take().touch()).join().unwrap();
        settle(pool, &ledger);
        taken
    });
}

/// S3: an item put while all is cleared. If it stays, a take finds it.
#[test]
fn put_against_clear() {
    explore_briefly(5250, &[0, 1], || {
        let (pool, ledger) = pool(0);
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
    explore_briefly(45_900, &[false, true], || {
        let (pool, ledger) = pool(2);
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
    explore_briefly(53_800, &[(1, 0), (1, 1), (0, 2)], || {
        let (pool, ledger) = pool(2);
        pool.put(ledger.item());
        pool.rotate();
        pool.put(ledger.item());
        let stats = beside((pool, ledger), |pool| pool.rotate(), |pool| pool.clear()).2;
        aged_and_cleared(&stats)
    });
}

/// The same at a chain with a victim, which goes with the one or the other, once.
#[test]
fn rotate_against_clear_without_caches() {
    explore_within(Some(1), 540, &[(0, 1), (1, 0)], || {
        let (pool, ledger) = pool(0);
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

/// S2: two turns at once are two turns: the item is gone.
#[test]
fn rotate_against_rotate_without_caches() {
    explore_within(Some(1), 282, &[(2, 0)], || {
        let (pool, ledger) = pool(0);
        pool.put(ledger.item());
        let stats = beside((pool, ledger), |pool| pool.rotate(), |pool| pool.rotate()).2;
        (stats.generation, stats.idle)
    });
}

/// S2: a take of an item of this generation against the turn that makes it a victim: it is found as the one or as
/// the other; but found.
#[test]
fn chain_take_against_rotate() {
    explore_briefly(441, &[(1, 0, 0), (0, 0, 1)], || {
        let (pool, ledger) = pool(0);
        pool.put(ledger.item());
        let stats = beside(
            (pool, ledger),
            |pool| pool.try_take().map(|item| item.touch()),
            |pool| pool.rotate(),
        )
        .2;
        (stats.chain_hits, stats.steals, stats.victim_hits)
    });
}

/// A turn against a thread that leaves an item in its cache and ends. The item is parked or came too late for that,
/// and the next thread with this number finds it in either state.
#[test]
fn rotate_against_thread_exit() {
    explore_briefly(1, &[(true, 0), (false, 0), (false, 1)], || {
        let (pool, ledger) = pool(2);
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
    explore_briefly(8520, &[0, 1], || {
        let (pool, ledger) = pool(2);
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

/// A pool whose thread moves items between its cache and its chain by twos: two are in the chain, and so many in the
/// cache.
fn in_batches(in_cache: usize) -> (Arc<Pool<Item, Maker>>, Ledger) {
    let (pool, ledger) = pool(4);
    // The fifth sends the two oldest to the chain.
    (0..5).for_each(|_| pool.put(ledger.item()));
    (in_cache..3).for_each(|_| drop(pool.take()));
    let stats = pool.stats();
    assert_eq!((stats.idle_in_caches, stats.idle), (in_cache, in_cache + 2));
    (pool, ledger)
}

/// A miss that takes a batch from the chain, against the turn that makes its items victims. The newer comes out and the
/// older is left in the cache; or the older comes out alone, stolen or as a victim. With two preemptions: three cost
/// too much time.
#[test]
fn batched_miss_against_rotate() {
    explore_within(Some(2), 4030, &[(0, 0, 1), (1, 1, 1)], || {
        let (item, (), stats) = beside(
            in_batches(0),
            |pool| pool.take().touch(),
            |pool| pool.rotate(),
        );
        (item, stats.idle_in_caches, stats.idle)
    });
}

/// A take that a clearing keeps out of the cache gets a batch from the chain. What it does not need goes into the
/// cache, or back to the chain if the cache is still shut, and there the clearing finds it or does not.
#[test]
fn batched_take_against_clear() {
    // The newest, from the cache; none; one alone, stolen; and the newer of a batch.
    let expected = [(2, 0, 0), (5, 0, 0), (1, 0, 0), (1, 0, 1), (1, 1, 1)];
    // No more than two: three cost too much time.
    explore_within(Some(2), 1, &expected, || {
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
    let (pool, ledger) = pool(2);
    let pool = Arc::into_inner(pool).expect("nobody else has it");
    (ModelArc::new(pool), ledger)
}

/// Two pools come onto the list at once, and both are on it.
#[test]
fn register_against_register() {
    explore_all(214, &[(1, 1)], || {
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

/// A pool that comes onto the list while all are turned is turned or is not; one that was there is. (It has been turned
/// and not put into before: the ends of a thread's number and of its place at the list come in any order, which loom
/// takes for chance.)
#[test]
fn register_against_rotate_all() {
    explore_within(Some(2), 1100, &[(1, 1), (1, 2)], || {
        let ((old, _), (new, ledger)) = (registrable(), registrable());
        Pool::register_shared(&old);
        let thread = thread::spawn(move || {
            new.rotate();
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
    explore_within(Some(2), 1, &[(0, 0), (0, 1), (1, 0), (1, 1)], || {
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
    explore_all(1, &[(false, false), (true, false), (true, true)], || {
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
