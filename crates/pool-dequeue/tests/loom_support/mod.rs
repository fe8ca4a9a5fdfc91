//! The harness of the models: explores one, and asserts what it explored.
//!
//! A model that passes proves nothing by itself, since it may have explored one schedule. So each one
//! states the exact set of its outcomes and a floor on the number of schedules.

pub(crate) mod spec;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use loom::model::Builder;
use loom::thread;
use pool_dequeue::{Consumer, MAX_CAPACITY, Producer, bounded, try_bounded_at};

use spec::{Got, Op, Outcome, Program};

/// How many preemptions a schedule may have.
#[derive(Clone, Copy)]
pub(crate) enum Bound {
    /// Any number: every schedule is explored, whatever the environment says.
    None,
    /// So many, or `LOOM_MAX_PREEMPTIONS` if that is more than three. The state space of three threads is
    /// out of reach without a bound; that the bound is wide enough is shown by the outcomes, which are
    /// compared with a set that was not computed from them.
    Preemptions(usize),
}

/// Runs `model` over all schedules within the bound; asserts which results it had, and that there were at
/// least `floor` schedules.
#[track_caller]
pub(crate) fn explore<O>(
    name: &str,
    bound: Bound,
    floor: usize,
    expected: impl IntoIterator<Item = O>,
    model: impl Fn() -> O + Send + Sync + 'static,
) where
    O: Ord + Debug + Send + 'static,
{
    let (schedules, outcomes) = outcomes(name, bound, model);
    let expected: BTreeSet<_> = expected.into_iter().collect();
    let missed: Vec<_> = expected.difference(&outcomes).collect();
    let surprising: Vec<_> = outcomes.difference(&expected).collect();
    assert!(
        missed.is_empty() && surprising.is_empty(),
        "{name}: of {} outcomes {} were never reached: {missed:#?}\nand {} are wrong: {surprising:#?}",
        expected.len(),
        missed.len(),
        surprising.len(),
    );
    enough(name, schedules, floor);
}

/// Asserted last: that there was less to explore than there should be explains nothing of what else is wrong.
#[track_caller]
pub(crate) fn enough(name: &str, schedules: usize, floor: usize) {
    assert!(
        schedules >= floor,
        "{name}: only {schedules} schedules, expected at least {floor}"
    );
}

/// Runs `model` over all schedules within the bound; gives how many there were, and its outcomes.
pub(crate) fn outcomes<O>(
    name: &str,
    bound: Bound,
    model: impl Fn() -> O + Send + Sync + 'static,
) -> (usize, BTreeSet<O>)
where
    O: Ord + Debug + Send + 'static,
{
    let mut builder = Builder::new();
    // These end a run early and call it a success.
    assert!(
        builder.max_duration.is_none() && builder.max_permutations.is_none(),
        "unset LOOM_MAX_DURATION and LOOM_MAX_PERMUTATIONS: they hide what was not explored"
    );
    builder.preemption_bound = match bound {
        Bound::None => None,
        Bound::Preemptions(usual) => match builder.preemption_bound {
            Some(deep) if deep > 3 => Some(deep),
            _ => Some(usual),
        },
    };

    let start = Instant::now();
    let schedules = Arc::new(AtomicUsize::new(0));
    let outcomes = Arc::new(Mutex::new(BTreeSet::new()));
    let (counter, collector) = (schedules.clone(), outcomes.clone());
    builder.check(move || {
        let outcome = model();
        counter.fetch_add(1, Ordering::Relaxed);
        collector.lock().unwrap().insert(outcome);
    });

    let schedules = schedules.load(Ordering::Relaxed);
    let outcomes = std::mem::take(&mut *outcomes.lock().unwrap());
    println!(
        "{name}: {schedules} schedules, {} outcomes, {:.2?}",
        outcomes.len(),
        start.elapsed()
    );
    (schedules, outcomes)
}

/// Runs a program on a ring under the model checker and by the specification, and compares the outcomes.
#[track_caller]
pub(crate) fn check(name: &str, bound: Bound, floor: usize, program: Program) {
    if program.capacity > MAX_CAPACITY {
        println!("{name}: not with counts as narrow as these");
        return;
    }
    let expected = spec::outcomes(&program);
    explore(name, bound, floor, expected, move || run(&program));
}

/// The same with the only thief on the first thread and the owner on another: one preemption is then enough for a
/// thief that sleeps while the owner does all that it does. No outcome may be wrong, and at least `variety` different
/// ones are reached; the others need more preemptions.
#[track_caller]
pub(crate) fn check_sleeper(name: &str, floor: usize, variety: usize, program: Program) {
    let expected = spec::outcomes(&program);
    let (schedules, found) = outcomes(name, Bound::Preemptions(1), move || run_beside(&program));
    let surprising: Vec<_> = found.difference(&expected).collect();
    assert!(
        surprising.is_empty(),
        "{name}: {} outcomes are wrong: {surprising:#?}",
        surprising.len()
    );
    assert!(
        found.len() >= variety,
        "{name}: only {} outcomes",
        found.len()
    );
    enough(name, schedules, floor);
}

fn run_beside(program: &Program) -> Outcome {
    let (mut producer, consumer) = try_bounded_at(program.capacity, program.origin).unwrap();
    for value in &program.start {
        producer.push_head(*value).unwrap();
    }
    let owner = {
        let (ops, consumer) = (program.owner.clone(), consumer.clone());
        thread::spawn(move || {
            let ops = ops.iter();
            ops.map(|op| head(op, &mut producer, &consumer)).collect()
        })
    };
    let [ops] = &program.thieves[..] else {
        panic!("one thief");
    };
    let thief = ops.iter().map(|op| tail(op, &consumer)).collect();
    let got = vec![owner.join().unwrap(), thief];
    let left = std::iter::from_fn(|| consumer.pop_tail()).collect();
    Outcome { got, left }
}

/// One execution: the owner on this thread, each thief on one of its own.
fn run(program: &Program) -> Outcome {
    let (mut producer, consumer) = try_bounded_at(program.capacity, program.origin).unwrap();
    for value in &program.start {
        producer.push_head(*value).unwrap();
    }
    let thieves: Vec<_> = program
        .thieves
        .iter()
        .map(|ops| {
            let (ops, consumer) = (ops.clone(), consumer.clone());
            thread::spawn(move || ops.iter().map(|op| tail(op, &consumer)).collect())
        })
        .collect();
    let owner = program.owner.iter();
    let owner = owner.map(|op| head(op, &mut producer, &consumer)).collect();

    let mut got: Vec<Vec<Got>> = vec![owner];
    got.extend(thieves.into_iter().map(|thief| thief.join().unwrap()));
    let left = std::iter::from_fn(|| consumer.pop_tail()).collect();
    Outcome { got, left }
}

fn head(op: &Op, producer: &mut Producer<u8>, consumer: &Consumer<u8>) -> Got {
    match *op {
        Op::Push(value) => match producer.push_head(value) {
            Ok(()) => Got::Pushed(1),
            Err(full) => {
                assert_eq!(full.into_inner(), value, "the refused value comes back");
                Got::Pushed(0)
            }
        },
        Op::PushBatch(values) => Got::Pushed(producer.push_head_batch(values.iter().copied())),
        Op::PopHead => Got::Popped(producer.pop_head().into_iter().collect()),
        Op::PopHeadBatch(max) => Got::Popped(producer.pop_head_batch(max).collect()),
        Op::PopTail => Got::Popped(producer.pop_tail().into_iter().collect()),
        Op::PopTailBatch(_) | Op::StealInto(_) => tail(op, consumer),
    }
}

fn tail(op: &Op, consumer: &Consumer<u8>) -> Got {
    match *op {
        Op::PopTail => Got::Popped(consumer.pop_tail().into_iter().collect()),
        Op::PopTailBatch(max) => Got::Popped(consumer.pop_tail_batch(max).collect()),
        Op::StealInto(capacity) => {
            let (mut own, _) = bounded(capacity);
            let first = consumer.steal_into(&mut own);
            let moved = std::iter::from_fn(|| own.pop_head());
            Got::Popped(first.into_iter().chain(moved).collect())
        }
        _ => unreachable!("only the owner pushes, or pops at the head"),
    }
}
