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
//! at four. Models of two threads that end without a bound have none.
#![cfg(pool_loom)]

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use loom::thread;
use pool_chain::raw::Chain;
use pool_chain::{Consumer, Producer, begin_model, finish_model, unbounded, with_limit};

use Search::{Bounded, Brief, Shallow, Whole};

/// Which schedules of a model are tried.
#[derive(Clone, Copy)]
enum Search {
    /// All there are.
    Whole,
    /// Those with three preemptions, or with as many more as the environment asks for.
    Bounded,
    /// Those with two preemptions, or with as many as the environment asks for if that is more than three. Three take
    /// half a minute and more, and find no other outcome.
    Brief,
    /// Those with two preemptions, whatever the environment asks for.
    Shallow,
}

/// The bound of every change.
const USUAL: usize = 3;

impl Search {
    /// The bound, by what the environment asks for. It asks for less than usual where more is to follow: then
    /// everybody does with that.
    fn bound(self, asked: Option<usize>) -> Option<usize> {
        match (self, asked) {
            (_, Some(shallow)) if shallow < USUAL => Some(shallow),
            (Self::Whole, _) => None,
            (Self::Bounded, asked) => Some(asked.unwrap_or(USUAL)),
            (Self::Brief, Some(deep)) if deep > USUAL => Some(deep),
            (Self::Brief | Self::Shallow, _) => Some(2),
        }
    }
}

/// Runs a model; asserts which outcomes it had, that no value was lost or dropped twice, and that there were at least
/// `floor` schedules: about nine in ten of those of the usual bound. With a lower one there is no floor.
fn explore<O>(
    name: &str,
    search: Search,
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
    let bound = search.bound(builder.preemption_bound);
    builder.preemption_bound = bound;
    builder.check(move || {
        begin_model();
        LIVES.take();
        let outcome = body();
        finish_model();
        Lives::settle();
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
    let enough = search.bound(Some(USUAL));
    if bound.is_none_or(|bound| enough.is_some_and(|enough| bound >= enough)) {
        assert!(iterations >= floor, "{name}: only {iterations} schedules");
    }
}

std::thread_local! {
    /// The values of this execution. A model's threads share one thread of the system, and its book-keeping must add
    /// no edge between them.
    static LIVES: RefCell<Lives> = RefCell::default();
}

/// How often each number was made a value, and dropped.
#[derive(Default)]
struct Lives {
    made: [usize; 8],
    dropped: [usize; 8],
}

impl Lives {
    /// Asserts that all values are gone, each once.
    fn settle() {
        let Self { made, dropped } = LIVES.take();
        assert_eq!(
            dropped, made,
            "a value was lost, or dropped twice: so often were they dropped, and made"
        );
    }
}

/// A value that counts its drops.
struct Counted(u8);

impl Counted {
    fn new(number: u8) -> Self {
        LIVES.with_borrow_mut(|lives| lives.made[usize::from(number)] += 1);
        Self(number)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        LIVES.with_borrow_mut(|lives| lives.dropped[usize::from(self.0)] += 1);
    }
}

/// The number of a value, which is dropped.
fn number(value: Option<Counted>) -> Option<u8> {
    value.map(|value| value.0)
}

/// The same of many.
fn numbers(values: impl Iterator<Item = Counted>) -> impl Iterator<Item = u8> {
    values.map(|value| value.0)
}

/// A chain with so many values in it, 1, 2, 3 …
fn filled(values: u8) -> (Producer<Counted>, Consumer<Counted>) {
    let (mut producer, consumer) = unbounded();
    for value in 1..=values {
        producer.push(Counted::new(value));
    }
    (producer, consumer)
}

/// What is left, from the tail.
fn rest(consumer: &Consumer<Counted>) -> Vec<u8> {
    numbers(std::iter::from_fn(|| consumer.pop_tail())).collect()
}

/// Asserts an untruth about a link of the chain, the first. If the model does not panic, loom does not see the
/// chain's own atomics: it sees those of the ring in any case.
#[test]
#[should_panic(expected = "the count came first")]
fn canary() {
    loom::model(|| {
        begin_model();
        let (mut producer, consumer) = unbounded();
        let counter = thread::spawn(move || consumer.capacity());
        producer.push(1u8);
        assert_eq!(counter.join().unwrap(), 2, "the count came first");
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
    explore("first push", Whole, 14_000, &expected, || {
        let (mut producer, consumer) = unbounded();
        let thief =
            thread::spawn(move || (number(consumer.pop_tail()), number(consumer.pop_tail())));
        producer.push(Counted::new(1));
        let stolen = thief.join().unwrap();
        (stolen, number(producer.pop_head()))
    });
}

/// The same with four threads: each of three that count finds no ring, or the first one whole.
#[test]
fn first_push_against_three_counters() {
    let expected = [0, 2].map(|a| [0, 2].map(|b| [0, 2].map(|c| [a, b, c])).concat());
    explore(
        "first push, three count",
        Brief,
        11_000,
        &expected.concat(),
        || {
            let (mut producer, consumer) = unbounded();
            let counters = [(); 3].map(|()| {
                let consumer = consumer.clone();
                thread::spawn(move || consumer.capacity())
            });
            producer.push(Counted::new(1));
            counters.map(|counter| counter.join().unwrap())
        },
    );
}

/// Growth: the third push links a second ring while a thief drains the first and goes on to it. A thief that
/// took "no successor" or "drained" from the wrong moment would lose a value for ever.
#[test]
fn growth_against_thief() {
    let expected = [
        ([Some(1), Some(2), None], vec![3]),
        ([Some(1), Some(2), Some(3)], vec![]),
    ];
    explore("growth", Bounded, 65_000, &expected, || {
        let (mut producer, consumer) = filled(2);
        let thief = thread::spawn({
            let consumer = consumer.clone();
            move || [(); 3].map(|()| number(consumer.pop_tail()))
        });
        producer.push(Counted::new(3));
        let stolen = thief.join().unwrap();
        (stolen, rest(&consumer))
    });
}

/// The same with two thieves, one value each.
#[test]
fn growth_against_two_thieves() {
    let expected = [([Some(1), Some(2)], vec![3]), ([Some(2), Some(1)], vec![3])];
    explore("growth, two thieves", Brief, 10_000, &expected, || {
        let (mut producer, consumer) = filled(2);
        let thieves = [(); 2].map(|()| {
            let consumer = consumer.clone();
            thread::spawn(move || number(consumer.pop_tail()))
        });
        producer.push(Counted::new(3));
        let stolen = thieves.map(|thief| thief.join().unwrap());
        (stolen, rest(&consumer))
    });
}

/// The rule itself: a ring that is empty now, and has no successor yet, is full when it gets one. A thief that
/// looked for a value first and for the successor second would throw the ring away with its values.
#[test]
fn next_is_read_before_the_pop() {
    let expected = [(None, vec![1, 2, 3]), (Some(1), vec![2, 3])];
    explore("next before pop", Bounded, 19_000, &expected, || {
        let (mut producer, consumer) = filled(1);
        assert_eq!(number(consumer.pop_tail()), Some(1));
        let thief = thread::spawn({
            let consumer = consumer.clone();
            move || number(consumer.pop_tail())
        });
        for value in 1..=3 {
            producer.push(Counted::new(value));
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
    explore("blocked", Bounded, 26_000, &expected, || {
        let (mut producer, consumer) = filled(2);
        let thief = thread::spawn({
            let consumer = consumer.clone();
            move || number(consumer.pop_tail())
        });
        let own = number(consumer.pop_tail());
        producer.push(Counted::new(3));
        producer.push(Counted::new(4));
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
    explore("never empty", Bounded, 37_000, &expected, || {
        let (mut producer, consumer) = filled(2);
        let thief = thread::spawn({
            let consumer = consumer.clone();
            move || (consumer.is_empty(), number(consumer.pop_tail()))
        });
        producer.push(Counted::new(3));
        let own = (number(consumer.pop_tail()), number(consumer.pop_tail()));
        let (empty, stolen) = thief.join().unwrap();
        (own, empty, stolen)
    });
}

/// The same when the thread that empties the ring has an outer guard, so that its pin has no fence.
#[test]
fn never_empty_under_an_outer_guard() {
    let expected = [1, 2, 3, 4].map(Some);
    explore("outer guard", Brief, 6_000, &expected, || {
        let chain = loom::sync::Arc::new(Chain::new());
        let push = |value| {
            // SAFETY: this thread is the only producer.
            unsafe { chain.push_head(Counted::new(value)) }.unwrap();
        };
        push(1);
        push(2);
        let thief = thread::spawn({
            let chain = chain.clone();
            move || number(chain.pop_tail())
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
    explore("both ends", Bounded, 71_000, &expected, || {
        let (mut producer, consumer) = filled(3);
        let thief = thread::spawn({
            let consumer = consumer.clone();
            move || (number(consumer.pop_tail()), number(consumer.pop_tail()))
        });
        let own = (
            number(producer.pop_head()),
            number(producer.pop_head()),
            number(producer.pop_head()),
        );
        let stolen = thief.join().unwrap();
        assert!(producer.pop_head().is_none());
        (own, stolen)
    });
}

/// The owner walks over three rings, of which the thief unlinks one after the other, and grows again. With three preemptions
/// it had not ended after four minutes.
#[test]
fn long_walk_against_thief() {
    let expected = [
        ((None, None), [Some(1), Some(2), None]),
        ((Some(2), None), [Some(1), None, None]),
        ((Some(2), Some(1)), [None, None, None]),
    ];
    explore("long walk", Shallow, 37_000, &expected, || {
        let (mut producer, consumer) = filled(7);
        assert_eq!(producer.pop_head_batch(5).count(), 5);
        assert_eq!(producer.capacity(), 2 + 4 + 8, "all three rings are linked");
        let thief = thread::spawn({
            let consumer = consumer.clone();
            move || [(); 3].map(|()| number(consumer.pop_tail()))
        });
        let own = (number(producer.pop_head()), number(producer.pop_head()));
        let stolen = thief.join().unwrap();
        assert_eq!(number(consumer.pop_tail()), None);
        assert_eq!(consumer.capacity(), 8);
        (own, stolen)
    });
}

/// A limit of three over two rings: what a thief takes from behind the head makes room.
#[test]
fn limit_against_thief() {
    let expected = [(false, vec![2, 3]), (true, vec![2, 3, 4])];
    explore("limit", Bounded, 450, &expected, || {
        let (mut producer, consumer) = with_limit(3);
        assert_eq!(producer.push_head_batch((1..=4).map(Counted::new)), 3);
        let thief = thread::spawn({
            let consumer = consumer.clone();
            move || number(consumer.pop_tail())
        });
        let pushed = producer.push_head(Counted::new(4)).is_ok();
        assert_eq!(thief.join().unwrap(), Some(1));
        (pushed, rest(&consumer))
    });
}

/// Counting from outside while the chain grows, or begins: the walk meets the new ring whole or not at all.
#[test]
fn counting_against_growth() {
    let expected = [(2, 2), (2, 2 + 4), (3, 2 + 4)];
    explore("counting", Whole, 149_000, &expected, || {
        let (mut producer, consumer) = filled(2);
        let counter = thread::spawn(move || (consumer.len(), consumer.capacity()));
        producer.push(Counted::new(3));
        counter.join().unwrap()
    });
    explore("counting from nothing", Whole, 600, &[0, 1], || {
        let (mut producer, consumer) = unbounded();
        let counter = thread::spawn(move || consumer.len());
        producer.push(Counted::new(1));
        counter.join().unwrap()
    });
}

/// Counting while the producer unlinks what is behind its new ring: a walk that began when the tail was the old
/// ring, but finds the new one there, finds it whole.
#[test]
fn counting_against_unlinking() {
    explore(
        "counting and unlinking",
        Bounded,
        1_700,
        &[2, 2 + 4, 4],
        || {
            let (mut producer, consumer) = filled(2);
            let slow = [consumer.pop_tail_batch(1), consumer.pop_tail_batch(1)];
            let counter = thread::spawn({
                let consumer = consumer.clone();
                move || consumer.capacity()
            });
            producer.push(Counted::new(3));
            let counted = counter.join().unwrap();
            assert!(numbers(slow.into_iter().flatten()).eq([1, 2]));
            counted
        },
    );
}

/// A thief unlinks a drained ring, and a third thread meets the ring behind it by the thief's word alone: it finds
/// it whole. Two preemptions are what that takes: the producer's after it has linked the ring, the thief's after the
/// unlinking. (Three of them, with three threads, make a million schedules and no other outcome. In a smaller model
/// somebody pins after the push, and to the model checker the fence of that makes everything known.)
#[test]
fn a_thief_unlinks_for_another() {
    explore("for another", Shallow, 39_000, &[2, 2 + 4, 4], || {
        let (mut producer, consumer) = filled(2);
        let slow = [consumer.pop_tail_batch(1), consumer.pop_tail_batch(1)];
        let [thief, counter] = [consumer.clone(), consumer.clone()];
        // Looking for a value unlinks as taking one does, in fewer steps.
        let thief = thread::spawn(move || thief.is_empty());
        let counter = thread::spawn(move || counter.capacity());
        producer.push(Counted::new(3));
        thief.join().unwrap();
        let counted = counter.join().unwrap();
        assert!(numbers(slow.into_iter().flatten()).eq([1, 2]));
        assert_eq!(rest(&consumer), [3]);
        counted
    });
}

/// The producer itself passes over a ring that is drained but blocked, by batches that nobody has moved out
/// yet; a thief that begins at the new tail finds the new ring whole.
#[test]
fn producer_unlinks_against_thief() {
    let expected = [(None, vec![3]), (Some(3), vec![])];
    explore("producer unlinks", Bounded, 64_000, &expected, || {
        let (mut producer, consumer) = filled(2);
        let slow = [consumer.pop_tail_batch(1), consumer.pop_tail_batch(1)];
        let thief = thread::spawn({
            let consumer = consumer.clone();
            move || number(consumer.pop_tail())
        });
        producer.push(Counted::new(3));
        // The values go before the thief is gone, and the ring's last holds with them.
        assert!(numbers(slow.into_iter().flatten()).eq([1, 2]));
        let stolen = thief.join().unwrap();
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
    explore("two thieves", Bounded, 50_000, &expected, || {
        let (mut producer, consumer) = filled(3);
        let thieves = [(); 2].map(|()| {
            let consumer = consumer.clone();
            thread::spawn(move || number(consumer.pop_tail()))
        });
        let own = (number(producer.pop_head()), number(producer.pop_head()));
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
        // … or inside the old rings while the detached values are being taken. A thief whose claim comes after one of
        // those knows of the detachment and of the push.
        (vec![2], (Some(1), Some(3)), Some(4)),
        (vec![1, 3], (Some(2), Some(4)), None),
        (vec![1, 2], (Some(3), Some(4)), None),
    ];
    explore("detach", Bounded, 100_000, &expected, || {
        let chain = loom::sync::Arc::new(Chain::new());
        for value in 1..=3 {
            // SAFETY: this thread is the only producer.
            unsafe { chain.push_head(Counted::new(value)) }.unwrap();
        }
        let thief = thread::spawn({
            let chain = chain.clone();
            move || (number(chain.pop_tail()), number(chain.pop_tail()))
        });
        // SAFETY: as above.
        let detached = unsafe { chain.detach() };
        // SAFETY: as above.
        unsafe { chain.push_head(Counted::new(4)) }.unwrap();
        let old: Vec<_> = numbers(detached).collect();
        let stolen = thief.join().unwrap();
        (old, stolen, number(chain.pop_tail()))
    });
}

/// Detachment while a thief unlinks the oldest ring: that ring is either in the detached list or the thief's to
/// free, never both.
#[test]
fn detach_against_unlinking() {
    let expected = [(vec![], Some(3)), (vec![3], None)];
    explore("detach and unlink", Bounded, 18_000, &expected, || {
        let chain = loom::sync::Arc::new(Chain::new());
        for value in 1..=3 {
            // SAFETY: this thread is the only producer.
            unsafe { chain.push_head(Counted::new(value)) }.unwrap();
        }
        let first = (number(chain.pop_tail()), number(chain.pop_tail()));
        assert_eq!(first, (Some(1), Some(2)));
        assert_eq!(chain.rings(), 2, "the first is drained, and still linked");
        let thief = thread::spawn({
            let chain = chain.clone();
            move || number(chain.pop_tail())
        });
        // SAFETY: as above.
        let old: Vec<_> = numbers(unsafe { chain.detach() }).collect();
        (old, thief.join().unwrap())
    });
}

/// A detached list is dropped unread while a thief is inside: what the thief does not get is dropped there, once.
#[test]
fn a_detached_list_is_dropped_against_thief() {
    let expected = [
        (None, None),
        (Some(1), None),
        (Some(2), None),
        (Some(3), None),
        (Some(1), Some(2)),
        (Some(1), Some(3)),
    ];
    explore("detached and dropped", Bounded, 74_000, &expected, || {
        let chain = loom::sync::Arc::new(Chain::new());
        for value in 1..=3 {
            // SAFETY: this thread is the only producer.
            unsafe { chain.push_head(Counted::new(value)) }.unwrap();
        }
        let thief = thread::spawn({
            let chain = chain.clone();
            move || (number(chain.pop_tail()), number(chain.pop_tail()))
        });
        // SAFETY: as above.
        drop(unsafe { chain.detach() });
        thief.join().unwrap()
    });
}

/// Both ends are dropped at once with values in two rings: the last drops what is left, each value once.
#[test]
fn the_last_handle_drops_what_is_left() {
    explore("last handle", Whole, 4, &[false, true], || {
        let (producer, consumer) = filled(4);
        let thief = thread::spawn(move || {
            assert_eq!(number(consumer.pop_tail()), Some(1));
        });
        drop(producer);
        let before = LIVES.with_borrow(|lives| lives.dropped[4] == 0);
        thief.join().unwrap();
        before
    });
}

/// Shrinking: the owner follows its drained ring by a smaller one and unlinks it while a thief looks into it.
#[test]
fn shrink_against_thief() {
    let expected = [
        ((Some(5), None), vec![6], 2),
        ((Some(5), Some(6)), vec![], 2),
    ];
    explore("shrink", Bounded, 42_000, &expected, || {
        let (mut producer, consumer) = filled(4);
        let four = (rest(&consumer).len(), producer.capacity());
        assert_eq!(four, (4, 4), "one ring of four, empty");
        producer.push(Counted::new(5));
        let thief = thread::spawn({
            let consumer = consumer.clone();
            move || (number(consumer.pop_tail()), number(consumer.pop_tail()))
        });
        producer.shrink();
        producer.push(Counted::new(6));
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
    explore("batch", Bounded, 11_000, &expected, || {
        let (mut producer, consumer) = filled(3);
        let thief = thread::spawn({
            let consumer = consumer.clone();
            move || numbers(consumer.pop_tail_batch(2)).collect::<Vec<_>>()
        });
        let own = consumer.pop_tail_batch(1);
        let newest = numbers(producer.pop_head_batch(2)).collect::<Vec<_>>();
        let own: Vec<_> = numbers(own).collect();
        (own, newest, thief.join().unwrap())
    });
}

/// The same for the producer's batch, which reaches behind the newest ring while a thief unlinks what it finds
/// drained there.
#[test]
fn head_batch_outlives_its_ring() {
    let expected = [(vec![3, 2, 1], None), (vec![3, 2], Some(1))];
    explore("head batch", Whole, 48_000, &expected, || {
        let (mut producer, consumer) = filled(3);
        let thief = thread::spawn(move || number(consumer.pop_tail()));
        let newest = numbers(producer.pop_head_batch(3)).collect::<Vec<_>>();
        (newest, thief.join().unwrap())
    });
}

/// Half of the victim moves while its owner pops: each value is in one of the chains, or with one of the two, once.
#[test]
fn steal_into_against_owner() {
    let expected = [(Some(1), Some(2), vec![])];
    explore("steal into", Bounded, 210, &expected, || {
        let (mut producer, consumer) = filled(2);
        let thief = thread::spawn({
            let consumer = consumer.clone();
            move || {
                let (mut own, _own) = unbounded();
                let stolen = number(consumer.steal_into(&mut own));
                assert!(own.is_empty(), "half of two is the one that comes back");
                stolen
            }
        });
        let popped = number(producer.pop_head());
        let stolen = thief.join().unwrap();
        (stolen, popped, rest(&consumer))
    });
}

/// The owner looks at its rings without a pin while a thief unlinks the older one and lets its memory go.
#[test]
fn owner_looks_while_a_thief_unlinks() {
    let expected = [
        (0, None, Some(3)),
        (1, None, Some(3)),
        (2, None, Some(3)),
        (3, None, Some(3)),
        (1, Some(3), None),
        (2, Some(3), None),
        (3, Some(3), None),
    ];
    explore("owner looks", Bounded, 56_000, &expected, || {
        let (mut producer, consumer) = filled(3);
        let thief = thread::spawn(move || {
            for value in 1..=2 {
                assert_eq!(number(consumer.pop_tail()), Some(value));
            }
            number(consumer.pop_tail())
        });
        let len = producer.len();
        let popped = number(producer.pop_head());
        (len, popped, thief.join().unwrap())
    });
}

/// Who hears that the producer is gone finds what it has pushed.
#[test]
fn abandoned_means_that_all_is_there() {
    explore("abandoned", Whole, 21_000, &[None, Some(1)], || {
        let (mut producer, consumer) = unbounded();
        let thief = thread::spawn(move || {
            let abandoned = consumer.is_abandoned();
            let stolen = number(consumer.pop_tail());
            assert!(stolen.is_some() || !abandoned, "the last value was missed");
            stolen
        });
        producer.push(Counted::new(1));
        drop(producer);
        thief.join().unwrap()
    });
}
