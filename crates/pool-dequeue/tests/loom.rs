//! Models of the ring's protocol, run by loom through the repaired facade.
//!
//! ```text
//! RUSTFLAGS="--cfg pool_loom" LOOM_MAX_PREEMPTIONS=3 \
//!     cargo test -p pool-dequeue --release --features loom --test loom
//! ```
//!
//! With `--cfg pool_index_bits="4"` besides, a count comes back after sixteen steps, with `"5"` after thirty-two, and
//! `a_full_turn` meets the pattern known as ABA; `cargo xtask loom` builds the models so, too. Two threads are explored
//! without a bound (but for that pattern, which takes many steps and two preemptions), three within three preemptions.
//! Most models are programs, whose outcomes are compared with those of the specification in
//! `loom_support::spec`: all of them must be reached, and no other.
#![cfg(pool_loom)]

mod loom_support;
/// The facade itself, for the model of its fences: the ring has none.
#[path = "../src/sync.rs"]
mod sync;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;
use pool_dequeue::raw::{BoxedRing, witness};
use pool_dequeue::{InlineRing, MAX_CAPACITY, bounded, try_bounded_at};

use loom_support::spec::{Op, Program};
use loom_support::{Bound, check, check_sleeper, enough, explore, outcomes};

use Op::{PopHead, PopHeadBatch, PopTail, PopTailBatch, Push, PushBatch, StealInto};

/// An index so many steps below the wrap, at every width.
const fn below_the_wrap(count: u32) -> u32 {
    0u32.wrapping_sub(count)
}

/// Asserts an untruth. If the model does not panic, loom does not see the crate's atomics.
#[test]
#[should_panic(expected = "the spawned thief won")]
fn canary() {
    loom::model(|| {
        let (mut producer, consumer) = bounded(2);
        producer.push_head(1).unwrap();
        let other = consumer.clone();
        let thief = thread::spawn(move || other.pop_tail().is_some());
        consumer.pop_tail();
        assert!(!thief.join().unwrap(), "the spawned thief won");
    });
}

/// The facade itself. To stock loom the other thread's own load hides ours: it never tries the exchange before our
/// load. The companion's stores bring that back.
#[test]
fn facade_regression() {
    use sync::{AtomicBool, Ordering::Relaxed};
    explore("facade_regression", Bound::None, 15, [false, true], || {
        let word = Arc::new(AtomicBool::new(false));
        let other = thread::spawn({
            let word = word.clone();
            move || {
                let seen = word.load(Relaxed);
                word.compare_exchange(seen, true, Relaxed, Relaxed).unwrap();
            }
        });
        let exchanged = word.load(Relaxed);
        other.join().unwrap();
        exchanged
    });
}

/// The facade's fences. The other thread sees `flag` and, with its own fence before ours, not yet the `here` from before
/// it. Without a companion of the fences the model checker does not try our fence later than `there`: the two have
/// nothing in common that it knows of.
#[test]
fn facade_regression_of_fences() {
    use sync::{AtomicBool, Ordering::Relaxed, Ordering::SeqCst, fence};
    // What the fences forbid is that neither thread sees the other.
    let seen = [(false, true), (true, false), (true, true)];
    let expected = seen.map(|(there, here)| [(there, false, here), (there, true, here)]);
    explore(
        "facade_regression_of_fences",
        Bound::None,
        1_500,
        expected.concat(),
        || {
            // Makes the companion, which otherwise would be an edge from whoever is first to whoever finds it made.
            fence(SeqCst);
            let [here, flag, there] = [(); 3].map(|()| Arc::new(AtomicBool::new(false)));
            let other = thread::spawn({
                let (here, flag, there) = (here.clone(), flag.clone(), there.clone());
                move || {
                    there.store(true, Relaxed);
                    let flag = flag.load(Relaxed);
                    fence(SeqCst);
                    (flag, here.load(Relaxed))
                }
            });
            here.store(true, Relaxed);
            flag.store(true, Relaxed);
            fence(SeqCst);
            let there = there.load(Relaxed);
            let (flag, here) = other.join().unwrap();
            (there, flag, here)
        },
    );
}

/// What the producer did before a push is visible to whoever popped the value.
#[test]
fn a_push_happens_before_its_pop() {
    explore(
        "a_push_happens_before_its_pop",
        Bound::None,
        28,
        [None, Some(7)],
        || {
            let (mut producer, consumer) = bounded(1);
            let beside = Arc::new(UnsafeCell::new(0));
            let thief = {
                let beside = beside.clone();
                thread::spawn(move || {
                    consumer.pop_tail().map(|()| {
                        // SAFETY: the producer wrote it before the push; loom panics if that is not so.
                        beside.with(|value| unsafe { *value })
                    })
                })
            };
            // SAFETY: the thief looks only after the push.
            beside.with_mut(|value| unsafe { *value = 7 });
            producer.push_head(()).unwrap();
            thief.join().unwrap()
        },
    );
}

/// A push into an empty ring, two pops elsewhere.
#[test]
fn hand_over() {
    check(
        "hand_over",
        Bound::Preemptions(3),
        1_100,
        Program {
            capacity: 2,
            origin: below_the_wrap(1),
            start: vec![],
            owner: vec![Push(1), Push(2)],
            thieves: vec![vec![PopTail, PopTail]],
        },
    );
}

/// One value, wanted at both ends.
#[test]
fn last_value() {
    check(
        "last_value",
        Bound::None,
        68,
        Program {
            capacity: 2,
            origin: 0,
            start: vec![1],
            owner: vec![PopHead],
            thieves: vec![vec![PopTail]],
        },
    );
}

/// One value, wanted at the head and by two thieves.
#[test]
fn last_value_of_three() {
    check(
        "last_value_of_three",
        Bound::Preemptions(3),
        1_900,
        Program {
            capacity: 1,
            origin: below_the_wrap(1),
            start: vec![1],
            owner: vec![PopHead],
            thieves: vec![vec![PopTail], vec![PopTail]],
        },
    );
}

/// A full ring of one: the producer gets in before, between or after the consumer's claim and hand-back.
#[test]
fn full_with_a_slow_consumer() {
    check(
        "full_with_a_slow_consumer",
        Bound::None,
        520,
        Program {
            capacity: 1,
            origin: 0,
            start: vec![1],
            owner: vec![Push(2), Push(3)],
            thieves: vec![vec![PopTail]],
        },
    );
}

/// The same twice round, with a thief that comes back.
#[test]
fn full_twice_round() {
    check(
        "full_twice_round",
        Bound::Preemptions(3),
        360,
        Program {
            capacity: 1,
            origin: below_the_wrap(1),
            start: vec![1],
            owner: vec![Push(2), Push(3)],
            thieves: vec![vec![PopTail, PopTail]],
        },
    );
}

/// The producer fills the slot that it took back itself, while a thief empties the other.
#[test]
fn push_after_pop_head() {
    check(
        "push_after_pop_head",
        Bound::Preemptions(3),
        1_100,
        Program {
            capacity: 2,
            origin: below_the_wrap(1),
            start: vec![1, 2],
            owner: vec![PopHead, Push(3)],
            thieves: vec![vec![PopTail, PopTail]],
        },
    );
}

/// A thief claims a value that lies below a word which the producer's own pop wrote last.
#[test]
fn pop_head_keeps_the_release_of_earlier_pushes() {
    check(
        "pop_head_keeps_the_release_of_earlier_pushes",
        Bound::Preemptions(3),
        2_400,
        Program {
            capacity: 2,
            origin: 0,
            start: vec![],
            owner: vec![Push(1), Push(2), PopHead],
            thieves: vec![vec![PopTail]],
        },
    );
}

/// Three thieves and the owner, one operation each: two values, which all four want, and a push into a full ring.
#[test]
fn three_thieves() {
    check(
        "three_thieves",
        Bound::Preemptions(2),
        10_000,
        Program {
            capacity: 2,
            origin: below_the_wrap(1),
            start: vec![1, 2],
            owner: vec![Push(3)],
            thieves: vec![vec![PopTail], vec![PopTail], vec![PopTail]],
        },
    );
}

/// Two thieves and a producer that pushes and pops.
#[test]
fn two_thieves() {
    check(
        "two_thieves",
        Bound::Preemptions(2),
        3_000,
        Program {
            capacity: 2,
            origin: below_the_wrap(1),
            start: vec![1],
            owner: vec![Push(2), PopHead],
            thieves: vec![vec![PopTail], vec![PopTail]],
        },
    );
}

/// Two thieves empty a full ring which the producer fills again.
#[test]
fn full_with_two_slow_consumers() {
    check(
        "full_with_two_slow_consumers",
        Bound::Preemptions(3),
        7_700,
        Program {
            capacity: 2,
            origin: below_the_wrap(1),
            start: vec![1, 2],
            owner: vec![Push(3), Push(4)],
            thieves: vec![vec![PopTail], vec![PopTail]],
        },
    );
}

/// A batch at each end: no value in both, none in neither.
#[test]
fn batch_against_batch() {
    check(
        "batch_against_batch",
        Bound::None,
        68,
        Program {
            capacity: 2,
            origin: below_the_wrap(1),
            start: vec![1, 2],
            owner: vec![PopHeadBatch(2)],
            thieves: vec![vec![PopTailBatch(2)]],
        },
    );
}

/// Two batches at the tail, one at the head.
#[test]
fn batches_of_two_thieves() {
    check(
        "batches_of_two_thieves",
        Bound::Preemptions(3),
        2_900,
        Program {
            capacity: 2,
            origin: 0,
            start: vec![1, 2],
            owner: vec![PopHeadBatch(2)],
            thieves: vec![vec![PopTailBatch(2)], vec![PopTailBatch(2)]],
        },
    );
}

/// A batch goes in: consumers see all of it or nothing.
#[test]
fn a_batch_is_seen_whole() {
    check(
        "a_batch_is_seen_whole",
        Bound::None,
        73,
        Program {
            capacity: 2,
            origin: below_the_wrap(1),
            start: vec![],
            owner: vec![PushBatch(&[1, 2])],
            thieves: vec![vec![PopTail, PopTail]],
        },
    );
}

/// A batch goes in while a thief makes room for it.
#[test]
fn batch_push_against_pop() {
    check(
        "batch_push_against_pop",
        Bound::None,
        920,
        Program {
            capacity: 2,
            origin: below_the_wrap(1),
            start: vec![1],
            owner: vec![PushBatch(&[2, 3])],
            thieves: vec![vec![PopTail, PopTail]],
        },
    );
}

/// A batch goes into a full ring while a thief's batch is being handed back slot by slot.
#[test]
fn batch_push_against_batch_pop() {
    check(
        "batch_push_against_batch_pop",
        Bound::None,
        900,
        Program {
            capacity: 2,
            origin: 0,
            start: vec![1, 2],
            owner: vec![PushBatch(&[3, 4])],
            thieves: vec![vec![PopTailBatch(2), PopTailBatch(1)]],
        },
    );
}

/// A thief moves half of a ring into one of its own, while the owner wants the values, too.
#[test]
fn steal_into_against_pop() {
    check(
        "steal_into_against_pop",
        Bound::None,
        200,
        Program {
            capacity: 4,
            origin: below_the_wrap(1),
            start: vec![1, 2, 3],
            owner: vec![PopHead],
            thieves: vec![vec![StealInto(2)]],
        },
    );
}

/// The owner works at the tail, where the thieves are.
#[test]
fn owner_at_the_tail() {
    check(
        "owner_at_the_tail",
        Bound::None,
        200,
        Program {
            capacity: 2,
            origin: below_the_wrap(1),
            start: vec![1],
            owner: vec![PopTail, Push(2)],
            thieves: vec![vec![PopTail]],
        },
    );
}

/// A consumer that hears that the producer is gone and then finds nothing has missed nothing.
#[test]
fn an_abandoned_ring_keeps_its_values() {
    explore(
        "an_abandoned_ring_keeps_its_values",
        Bound::None,
        20,
        [None, Some(7)],
        || {
            let (mut producer, consumer) = bounded(1);
            let other = thread::spawn(move || producer.push_head(7).unwrap());
            let value = consumer.is_abandoned().then(|| consumer.pop_tail());
            other.join().unwrap();
            value.map(|value| value.expect("a value was missed"))
        },
    );
}

/// The steps after which a narrow count is what it was. With wide ones, which so many do not bring back, the same
/// programs are the control: their outcomes are the same.
const TURN: u8 = if cfg!(pool_index_bits = "4") { 16 } else { 8 };

/// Whether a turn is as many steps as `TURN` says.
const NARROW: bool = cfg!(any(pool_index_bits = "3", pool_index_bits = "4"));

/// `check`, and asserts that thieves doubted claims and gave some back, if counts are narrow.
#[track_caller]
fn check_turn(name: &str, floor: usize, program: Program) {
    let (suspects, given_back) = witness::counts();
    check_sleeper(name, floor, usize::from(TURN), program);
    let (more_suspects, more_given_back) = witness::counts();
    let found = (more_suspects - suspects, more_given_back - given_back);
    println!("{name}: {} in doubt, {} given back", found.0, found.1);
    assert_eq!(found.0 != 0, NARROW, "claims in doubt");
    assert_eq!(found.1 != 0, NARROW, "claims given back");
}

/// A thief may sleep between its look at the word and its claim for a whole turn of the steals: it then finds the very
/// word that it saw, over other values. It must get the one that is there now.
///
/// One preemption suffices: away from the thief after its look. It goes on when the owner is through.
#[test]
fn a_full_turn() {
    let turn = (1..=TURN).flat_map(|value| [PopTail, Push(value)]);
    check_turn(
        "a_full_turn",
        7_000,
        Program {
            capacity: 1,
            origin: below_the_wrap(4),
            start: vec![0],
            owner: turn.collect(),
            thieves: vec![vec![PopTail]],
        },
    );
}

/// The same, but the ring is empty in the end: the word alone is what the thief saw. It must give its claim back and
/// get nothing.
#[test]
fn a_full_turn_and_nothing_there() {
    let turn = (1..TURN).flat_map(|value| [PopTail, Push(value)]);
    check_turn(
        "a_full_turn_and_nothing_there",
        7_000,
        Program {
            capacity: 1,
            origin: below_the_wrap(4),
            start: vec![0],
            owner: turn.chain([PopTail]).collect(),
            thieves: vec![vec![PopTail]],
        },
    );
}

/// A turn of the pops.
#[test]
fn a_full_turn_of_the_pops() {
    let turn = (1..TURN).flat_map(|value| [PopHead, Push(value)]);
    check_turn(
        "a_full_turn_of_the_pops",
        7_000,
        Program {
            capacity: 1,
            origin: below_the_wrap(4),
            start: vec![0],
            owner: turn.chain([PopHead, Push(TURN)]).collect(),
            thieves: vec![vec![PopTail]],
        },
    );
}

/// A thief claims what is not there, the owner fills the slot, and somebody who knows that this was the last push finds
/// the ring drained; then the thief gives its claim back. It has to claim again, as nobody else will come.
#[test]
fn a_drained_ring_stays_empty() {
    let name = "a_drained_ring_stays_empty";
    let (suspects, given_back) = witness::counts();
    witness::naps(true);
    let (schedules, found) = outcomes(name, Bound::Preemptions(1), || {
        let ring = Arc::new(BoxedRing::boxed_at(1, below_the_wrap(4)).unwrap());
        // SAFETY: the owner pushes later, and nobody else does.
        unsafe { ring.push_head(0) }.unwrap();
        let owner = {
            let ring = ring.clone();
            thread::spawn(move || {
                for value in 1..TURN {
                    // SAFETY: we are the owner.
                    _ = unsafe { ring.pop_head() };
                    // SAFETY: as above. The thief may keep the slot.
                    _ = unsafe { ring.push_head(value) };
                }
                // SAFETY: as above.
                _ = unsafe { ring.pop_head() };
                thread::yield_now();
                // SAFETY: as above.
                let pushed = unsafe { ring.push_head(TURN) }.is_ok();
                (pushed, ring.is_drained())
            })
        };
        let last = ring.pop_tail() == Some(TURN);
        let (pushed, drained) = owner.join().unwrap();
        let left = ring.pop_tail() == Some(TURN);
        assert!(
            !(drained && left),
            "a value is in a ring that was taken for drained"
        );
        assert_eq!(pushed, last || left, "a value was lost");
        (drained, last)
    });
    witness::naps(false);
    assert!(found.contains(&(false, true)) && found.contains(&(false, false)));
    let (more_suspects, more_given_back) = witness::counts();
    assert_eq!(more_suspects != suspects, NARROW, "claims in doubt");
    assert_eq!(more_given_back != given_back, NARROW, "claims given back");
    enough(name, schedules, 1_000);
}

/// Both ends are dropped at once with values inside: each is dropped once, and so is the ring. (loom counts the
/// `Arc`s.) At least two of them are left, lest dropping the first be enough.
#[test]
fn the_last_handle_drops_what_is_left() {
    explore(
        "the_last_handle_drops_what_is_left",
        Bound::None,
        4,
        [false, true],
        || {
            let (mut producer, consumer) =
                try_bounded_at(MAX_CAPACITY.min(4), below_the_wrap(1)).unwrap();
            let value = Arc::new(());
            for _ in 0..producer.capacity().min(3) {
                producer.push_head(value.clone()).unwrap();
            }
            let thief = thread::spawn(move || drop(consumer.pop_tail()));
            drop(producer);
            // Whether the thread is still on its way.
            let before = Arc::strong_count(&value) > 1;
            thief.join().unwrap();
            assert_eq!(Arc::strong_count(&value), 1, "a value was lost");
            before
        },
    );
}

/// A batch is dropped unread while a thief wants the same values: each is dropped once, and its slot comes
/// back.
#[test]
fn a_batch_drops_what_is_left() {
    explore(
        "a_batch_drops_what_is_left",
        Bound::None,
        120,
        [0, 1],
        || {
            let (mut producer, consumer) = try_bounded_at(2, below_the_wrap(1)).unwrap();
            let value = Arc::new(());
            producer.push_head(value.clone()).unwrap();
            producer.push_head(value.clone()).unwrap();
            let thief = {
                let consumer = consumer.clone();
                thread::spawn(move || consumer.pop_tail().into_iter().count())
            };
            drop(producer.pop_head_batch(2));
            let stolen = thief.join().unwrap();
            assert_eq!(Arc::strong_count(&value), 1, "a value was lost");
            assert_eq!(producer.push_head_batch([value.clone(), value]), 2);
            stolen
        },
    );
}

/// Two threads ask for the ends of one ring: one gets them.
#[test]
fn split_static() {
    explore("split_static", Bound::None, 11, [false, true], || {
        let ring: &'static InlineRing<u8, 1> = Box::leak(Box::new(InlineRing::new()));
        let other = thread::spawn(|| ring.split_static().is_some());
        let here = ring.split_static().is_some();
        assert_ne!(here, other.join().unwrap(), "one producer, and only one");
        here
    });
}
