//! Models of the chain's protocols, run by loom through the repaired facade.
//!
//! Rings start at two slots here, so that the third push grows the chain. Each model asserts the exact set
//! of its outcomes over all schedules, and a floor on their number, so that one which explores nothing
//! fails. At the end of each execution the model reclaimer asserts that every node was freed, once; during
//! it, that no freed node is used.
//!
//! ```text
//! RUSTFLAGS="--cfg pool_loom" LOOM_MAX_PREEMPTIONS=3 \
//!     cargo test -p pool-chain --release --features loom --test loom
//! ```
//!
//! The bound of three preemptions: one set (`detach`) is complete at three and not at two, and none grows
//! at four. Models of two threads that end without a bound have none. The floors are for these bounds.
#![cfg(pool_loom)]

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use loom::thread;
use pool_chain::raw::Chain;
use pool_chain::{Consumer, Producer, begin_model, finish_model, unbounded, with_limit};

/// Runs a model over all schedules, asserts that there were at least `floor` and which outcomes they had.
fn explore<O>(
    name: &str,
    floor: usize,
    expected: &[O],
    body: impl Fn() -> O + Send + Sync + 'static,
) where
    O: Ord + Clone + Debug + Send + 'static,
{
    explore_within(Some(3), name, floor, expected, body);
}

/// The same over all schedules there are.
fn explore_all<O>(
    name: &str,
    floor: usize,
    expected: &[O],
    body: impl Fn() -> O + Send + Sync + 'static,
) where
    O: Ord + Clone + Debug + Send + 'static,
{
    explore_within(None, name, floor, expected, body);
}

/// With so many preemptions: fewer if the environment says so, and more if it says more than three. Without a bound, if
/// the environment does not ask for less than three.
fn explore_within<O>(
    preemptions: Option<usize>,
    name: &str,
    floor: usize,
    expected: &[O],
    body: impl Fn() -> O + Send + Sync + 'static,
) where
    O: Ord + Clone + Debug + Send + 'static,
{
    let seen = Arc::new((Mutex::new(BTreeSet::new()), AtomicUsize::new(0)));
    let record = seen.clone();
    let mut builder = loom::model::Builder::new();
    // These end a run early and call it a success.
    assert!(
        builder.max_duration.is_none() && builder.max_permutations.is_none(),
        "unset LOOM_MAX_DURATION and LOOM_MAX_PERMUTATIONS: they hide what was not explored"
    );
    builder.preemption_bound = match (preemptions, builder.preemption_bound) {
        (None, asked) => asked.filter(|&bound| bound < 3),
        (Some(_), Some(deep)) if deep > 3 => Some(deep),
        (Some(usual), asked) => Some(asked.map_or(usual, |bound| bound.min(usual))),
    };
    builder.check(move || {
        begin_model();
        let outcome = body();
        finish_model();
        record.0.lock().unwrap().insert(outcome);
        record.1.fetch_add(1, Ordering::Relaxed);
    });
    let outcomes = seen.0.lock().unwrap().clone();
    let iterations = seen.1.load(Ordering::Relaxed);
    println!(
        "{name}: {iterations} schedules, {} outcomes",
        outcomes.len()
    );
    assert_eq!(
        outcomes,
        expected.iter().cloned().collect::<BTreeSet<_>>(),
        "{name}: the outcomes are not the expected ones"
    );
    assert!(iterations >= floor, "{name}: only {iterations} schedules");
}

/// A chain with so many values in it, 1, 2, 3 …
fn filled(values: u8) -> (Producer<u8>, Consumer<u8>) {
    let (mut producer, consumer) = unbounded();
    for value in 1..=values {
        producer.push_head(value);
    }
    (producer, consumer)
}

/// What is left, from the tail.
fn rest(consumer: &Consumer<u8>) -> Vec<u8> {
    std::iter::from_fn(|| consumer.pop_tail()).collect()
}

/// Asserts an untruth. If the model does not panic, loom does not see the crate's atomics.
#[test]
#[should_panic(expected = "the spawned thief won")]
fn canary() {
    loom::model(|| {
        begin_model();
        let (_producer, consumer) = filled(1);
        let other = consumer.clone();
        let thief = thread::spawn(move || other.pop_tail().is_some());
        consumer.pop_tail();
        assert!(!thief.join().unwrap(), "the spawned thief won");
    });
}

/// The first push publishes the first ring: a thief finds no ring, or one whose value it can take.
#[test]
fn first_push_against_thief() {
    let expected = [
        ((None, None), Some(1)),
        ((None, Some(1)), None),
        ((Some(1), None), None),
    ];
    explore_all("first push", 20_000, &expected, || {
        let (mut producer, consumer) = unbounded();
        let thief = thread::spawn(move || (consumer.pop_tail(), consumer.pop_tail()));
        producer.push_head(1u8);
        let stolen = thief.join().unwrap();
        (stolen, producer.pop_head())
    });
}

/// Growth: the third push links a second ring while a thief drains the first and goes on to it. A thief that
/// took "no successor" or "drained" from the wrong moment would lose a value for ever.
#[test]
fn growth_against_thief() {
    let expected = [
        ([Some(1), Some(2), None], vec![3]),
        ([Some(1), Some(2), Some(3)], vec![]),
    ];
    explore("growth", 9000, &expected, || {
        let (mut producer, consumer) = filled(2);
        let thief = thread::spawn({
            let consumer = consumer.clone();
            move || [(); 3].map(|()| consumer.pop_tail())
        });
        producer.push_head(3);
        let stolen = thief.join().unwrap();
        (stolen, rest(&consumer))
    });
}

/// The rule itself: a ring that is empty now, and has no successor yet, is full when it gets one. A thief that
/// looked for a value first and for the successor second would throw the ring away with its values.
#[test]
fn next_is_read_before_the_pop() {
    let expected = [(None, vec![1, 2, 3]), (Some(1), vec![2, 3])];
    explore("next before pop", 1500, &expected, || {
        let (mut producer, consumer) = filled(1);
        assert_eq!(consumer.pop_tail(), Some(1));
        let thief = thread::spawn({
            let consumer = consumer.clone();
            move || consumer.pop_tail()
        });
        for value in 1..=3 {
            producer.push_head(value);
        }
        let stolen = thief.join().unwrap();
        (stolen, rest(&consumer))
    });
}

/// The same while a thief keeps a slot claimed: the ring is blocked, whatever there is room for.
#[test]
fn blocked_ring_against_thief() {
    let expected = [
        (false, Some(1), Some(2), vec![3, 4]),
        (true, Some(1), Some(2), vec![3, 4]),
        (false, Some(2), Some(1), vec![3, 4]),
        (true, Some(2), Some(1), vec![3, 4]),
    ];
    explore("blocked", 4000, &expected, || {
        let (mut producer, consumer) = filled(2);
        let thief = thread::spawn({
            let consumer = consumer.clone();
            move || consumer.pop_tail()
        });
        let own = consumer.pop_tail();
        producer.push_head(3);
        producer.push_head(4);
        let stolen = thief.join().unwrap();
        let grown = producer.capacity() > 2;
        (grown, own, stolen, rest(&consumer))
    });
}

/// A chain that is never empty is never reported empty, although one thread empties the first ring after it
/// has gone on to the second.
#[test]
fn never_empty_is_never_seen_empty() {
    let expected = [
        ((Some(1), Some(2)), false, Some(3)),
        ((Some(1), Some(3)), false, Some(2)),
        ((Some(2), Some(3)), false, Some(1)),
    ];
    explore("never empty", 7000, &expected, || {
        let (mut producer, consumer) = filled(2);
        let thief = thread::spawn({
            let consumer = consumer.clone();
            move || (consumer.is_empty(), consumer.pop_tail())
        });
        producer.push_head(3);
        let own = (consumer.pop_tail(), consumer.pop_tail());
        let (empty, stolen) = thief.join().unwrap();
        (own, empty, stolen)
    });
}

/// The same when the thread that empties the ring has an outer guard, so that its pin has no fence.
#[test]
fn never_empty_under_an_outer_guard() {
    let expected = [1, 2, 3, 4].map(Some);
    explore("outer guard", 16_000, &expected, || {
        let chain = loom::sync::Arc::new(Chain::new());
        let push = |value: u8| {
            // SAFETY: this thread is the only producer.
            unsafe { chain.push_head(value) }.unwrap();
        };
        push(1);
        push(2);
        let thief = thread::spawn({
            let chain = chain.clone();
            move || chain.pop_tail()
        });
        chain.pop_tail_batch(1, |_| {
            push(3);
            push(4);
            chain.pop_tail();
            chain.pop_tail();
        });
        let stolen = thief.join().unwrap();
        chain.pop_tail();
        assert!(chain.is_empty());
        stolen
    });
}

/// Unlinking from both ends: the owner pops its way back through drained rings and unlinks them while a
/// thief does the same from the tail.
#[test]
fn unlinking_from_both_ends() {
    let expected = [
        ((Some(3), None, None), (Some(1), Some(2))),
        ((Some(3), Some(2), None), (Some(1), None)),
        ((Some(3), Some(2), Some(1)), (None, None)),
    ];
    explore("both ends", 6000, &expected, || {
        let (mut producer, consumer) = filled(3);
        let thief = thread::spawn({
            let consumer = consumer.clone();
            move || (consumer.pop_tail(), consumer.pop_tail())
        });
        let own = (
            producer.pop_head(),
            producer.pop_head(),
            producer.pop_head(),
        );
        let stolen = thief.join().unwrap();
        assert_eq!(producer.pop_head(), None);
        (own, stolen)
    });
}

/// The owner walks over three rings, of which the thief unlinks one after the other, and grows again.
#[test]
fn long_walk_against_thief() {
    let expected = [
        ((None, None), [Some(1), Some(2), None]),
        ((Some(2), None), [Some(1), None, None]),
        ((Some(2), Some(1)), [None, None, None]),
    ];
    explore("long walk", 50_000, &expected, || {
        let (mut producer, consumer) = filled(7);
        assert_eq!(producer.pop_head_batch(5).count(), 5);
        assert_eq!(producer.capacity(), 2 + 4 + 8, "all three rings are linked");
        let thief = thread::spawn({
            let consumer = consumer.clone();
            move || [(); 3].map(|()| consumer.pop_tail())
        });
        let own = (producer.pop_head(), producer.pop_head());
        let stolen = thief.join().unwrap();
        assert_eq!((consumer.pop_tail(), consumer.capacity()), (None, 8));
        (own, stolen)
    });
}

/// A limit of three over two rings: what a thief takes from behind the head makes room.
#[test]
fn limit_against_thief() {
    let expected = [(false, vec![2, 3]), (true, vec![2, 3, 4])];
    explore("limit", 400, &expected, || {
        let (mut producer, consumer) = with_limit(3);
        assert_eq!(producer.push_head_batch(1..=4), 3);
        let thief = thread::spawn({
            let consumer = consumer.clone();
            move || consumer.pop_tail()
        });
        let pushed = producer.try_push_head(4).is_ok();
        assert_eq!(thief.join().unwrap(), Some(1));
        (pushed, rest(&consumer))
    });
}

/// Counting from outside while the chain grows, or begins: the walk meets the new ring whole or not at all.
#[test]
fn counting_against_growth() {
    let expected = [(2, 2), (2, 2 + 4), (3, 2 + 4)];
    explore_all("counting", 900, &expected, || {
        let (mut producer, consumer) = filled(2);
        let counter = thread::spawn(move || (consumer.len(), consumer.capacity()));
        producer.push_head(3);
        counter.join().unwrap()
    });
    explore_all("counting from nothing", 900, &[0, 1], || {
        let (mut producer, consumer) = unbounded();
        let counter = thread::spawn(move || consumer.len());
        producer.push_head(1);
        counter.join().unwrap()
    });
}

/// Counting while the producer unlinks what is behind its new ring: a walk that began when the tail was the old
/// ring, but finds the new one there, finds it whole.
#[test]
fn counting_against_unlinking() {
    explore("counting and unlinking", 1500, &[2, 2 + 4, 4], || {
        let (mut producer, consumer) = filled(2);
        let slow = [consumer.pop_tail_batch(1), consumer.pop_tail_batch(1)];
        let counter = thread::spawn({
            let consumer = consumer.clone();
            move || consumer.capacity()
        });
        producer.push_head(3);
        let counted = counter.join().unwrap();
        assert!(slow.into_iter().flatten().eq([1, 2]));
        counted
    });
}

/// A thief unlinks a drained ring, and a third thread meets the ring behind it by the thief's word alone: it finds
/// it whole. Two preemptions are what that takes: the producer's after it has linked the ring, the thief's after the
/// unlinking. (Three of them, with three threads, make a million schedules and no other outcome.)
#[test]
fn a_thief_unlinks_for_another() {
    explore_within(Some(2), "for another", 15_000, &[2, 2 + 4, 4], || {
        let (mut producer, consumer) = filled(2);
        let slow = [consumer.pop_tail_batch(1), consumer.pop_tail_batch(1)];
        let [thief, counter] = [consumer.clone(), consumer.clone()];
        // Looking for a value unlinks as taking one does, in fewer steps.
        let thief = thread::spawn(move || thief.is_empty());
        let counter = thread::spawn(move || counter.capacity());
        producer.push_head(3);
        thief.join().unwrap();
        let counted = counter.join().unwrap();
        assert!(slow.into_iter().flatten().eq([1, 2]));
        assert!(rest(&consumer).into_iter().eq([3]));
        counted
    });
}

/// The producer itself passes over a ring that is drained but blocked, by batches that nobody has moved out
/// yet; a thief that begins at the new tail finds the new ring whole.
#[test]
fn producer_unlinks_against_thief() {
    let expected = [(None, vec![3]), (Some(3), vec![])];
    explore("producer unlinks", 3000, &expected, || {
        let (mut producer, consumer) = filled(2);
        let slow = [consumer.pop_tail_batch(1), consumer.pop_tail_batch(1)];
        let thief = thread::spawn({
            let consumer = consumer.clone();
            move || consumer.pop_tail()
        });
        producer.push_head(3);
        let stolen = thief.join().unwrap();
        assert!(slow.into_iter().flatten().eq([1, 2]));
        (stolen, rest(&consumer))
    });
}

/// Two thieves race to unlink the same ring; one of them frees it, and each value goes to one of the three.
#[test]
fn two_thieves_unlink() {
    let expected = [
        ((Some(3), None), [Some(1), Some(2)], vec![]),
        ((Some(3), None), [Some(2), Some(1)], vec![]),
        ((Some(3), Some(2)), [Some(1), None], vec![]),
        ((Some(3), Some(2)), [None, Some(1)], vec![]),
    ];
    explore("two thieves", 16_000, &expected, || {
        let (mut producer, consumer) = filled(3);
        let thieves = [(); 2].map(|()| {
            let consumer = consumer.clone();
            thread::spawn(move || consumer.pop_tail())
        });
        let own = (producer.pop_head(), producer.pop_head());
        let stolen = thieves.map(|thief| thief.join().unwrap());
        (own, stolen, rest(&consumer))
    });
}

/// Detachment: a thief inside the old rings takes from them or finds them empty, never moves the new tail, and
/// each value is taken once.
#[test]
fn detach_against_thief() {
    let expected = [
        // Both attempts before the detachment, or one, or none …
        (vec![3], (Some(1), Some(2)), Some(4)),
        (vec![2, 3], (Some(1), None), Some(4)),
        (vec![2, 3], (Some(1), Some(4)), None),
        (vec![1, 2, 3], (None, None), Some(4)),
        (vec![1, 2, 3], (None, Some(4)), None),
        (vec![1, 2, 3], (Some(4), None), None),
        // … or inside the old rings while the detached values are being taken.
        (vec![2], (Some(1), Some(3)), Some(4)),
        (vec![1, 3], (Some(2), None), Some(4)),
        (vec![1, 3], (Some(2), Some(4)), None),
        (vec![1, 2], (Some(3), None), Some(4)),
        (vec![1, 2], (Some(3), Some(4)), None),
        (vec![1], (Some(2), Some(3)), Some(4)),
    ];
    explore("detach", 40_000, &expected, || {
        let chain = loom::sync::Arc::new(Chain::new());
        for value in 1..=3u8 {
            // SAFETY: this thread is the only producer.
            unsafe { chain.push_head(value) }.unwrap();
        }
        let thief = thread::spawn({
            let chain = chain.clone();
            move || (chain.pop_tail(), chain.pop_tail())
        });
        // SAFETY: as above.
        let detached = unsafe { chain.detach() };
        // SAFETY: as above.
        unsafe { chain.push_head(4) }.unwrap();
        let old: Vec<_> = detached.collect();
        let stolen = thief.join().unwrap();
        (old, stolen, chain.pop_tail())
    });
}

/// Detachment while a thief unlinks the oldest ring: that ring is either in the detached list or the thief's to
/// free, never both.
#[test]
fn detach_against_unlinking() {
    let expected = [(vec![], Some(3)), (vec![3], None)];
    explore("detach and unlink", 600, &expected, || {
        let chain = loom::sync::Arc::new(Chain::new());
        for value in 1..=3u8 {
            // SAFETY: this thread is the only producer.
            unsafe { chain.push_head(value) }.unwrap();
        }
        assert_eq!((chain.pop_tail(), chain.pop_tail()), (Some(1), Some(2)));
        assert_eq!(chain.rings(), 2, "the first is drained, and still linked");
        let thief = thread::spawn({
            let chain = chain.clone();
            move || chain.pop_tail()
        });
        // SAFETY: as above.
        let old: Vec<_> = unsafe { chain.detach() }.collect();
        (old, thief.join().unwrap())
    });
}

/// Shrinking: the owner follows its drained ring by a smaller one and unlinks it while a thief looks into it.
#[test]
fn shrink_against_thief() {
    let expected = [
        ((Some(5), None), vec![6], 2),
        ((Some(5), Some(6)), vec![], 2),
    ];
    explore("shrink", 6000, &expected, || {
        let (mut producer, consumer) = filled(4);
        let four = (rest(&consumer).len(), producer.capacity());
        assert_eq!(four, (4, 4), "one ring of four, empty");
        producer.push_head(5);
        let thief = thread::spawn({
            let consumer = consumer.clone();
            move || (consumer.pop_tail(), consumer.pop_tail())
        });
        producer.shrink();
        producer.push_head(6);
        let stolen = thief.join().unwrap();
        (stolen, rest(&consumer), producer.capacity())
    });
}

/// A batch holds its ring: it moves values out after others have unlinked the ring and all guards are gone.
#[test]
fn batch_outlives_its_ring() {
    let expected = [
        (vec![1], vec![3, 2], vec![]),
        (vec![1], vec![3], vec![2]),
        (vec![2], vec![3], vec![1]),
    ];
    explore("batch", 2500, &expected, || {
        let (mut producer, consumer) = filled(3);
        let thief = thread::spawn({
            let consumer = consumer.clone();
            move || consumer.pop_tail_batch(2).collect::<Vec<_>>()
        });
        let own = consumer.pop_tail_batch(1);
        let newest = producer.pop_head_batch(2).collect::<Vec<_>>();
        let own: Vec<_> = own.collect();
        (own, newest, thief.join().unwrap())
    });
}

/// The same for the producer's batch, which reaches behind the newest ring while a thief unlinks what it finds
/// drained there.
#[test]
fn head_batch_outlives_its_ring() {
    let expected = [(vec![3, 2, 1], None), (vec![3, 2], Some(1))];
    explore_all("head batch", 20_000, &expected, || {
        let (mut producer, consumer) = filled(3);
        let thief = thread::spawn(move || consumer.pop_tail());
        let newest = producer.pop_head_batch(3).collect::<Vec<_>>();
        (newest, thief.join().unwrap())
    });
}
