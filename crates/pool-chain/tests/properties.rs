//! Random sequences of operations on one thread, against a model that is plainly right: a `VecDeque`. Destructors,
//! iterators and sinks panic at their k-th call.
#![cfg(not(pool_loom))]

#[path = "common/faults.rs"]
mod faults;

use std::collections::VecDeque;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

use faults::{Fuse, PutOut, Value, Witnesses, planned};
use pool_chain::raw::{Chain, Detached, FIRST_CAPACITY};
use pool_chain::{
    Consumer, Full, Limit, MAX_CAPACITY, Producer, TailBatch, try_with_limit_at, unbounded_at,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

#[derive(Clone, Debug)]
enum Op {
    PushHead,
    PopHead,
    PopTail,
    PushHeadBatch(usize),
    /// Asks for so many and takes so many of them before it drops the batch.
    PopHeadBatch(usize, usize),
    PopTailBatch(usize),
    /// Takes one value out of a batch, or out of detached rings, that are still held.
    TakeFromHeld(usize),
    DropHeld(usize),
    Shrink,
    /// The raw chain only; the handles shrink instead.
    Detach,
    /// Pushes and pops so often that the newest ring is judged.
    Spin,
    /// The so many-th call of this user code from now on panics.
    Fault(Fault, usize),
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    Drop,
    Iterator,
    /// The raw chain only.
    Sink,
}

fn op() -> impl Strategy<Value = Op> {
    let fault = prop_oneof![Just(Fault::Drop), Just(Fault::Iterator), Just(Fault::Sink)];
    prop_oneof![
        8 => Just(Op::PushHead),
        4 => Just(Op::PopHead),
        4 => Just(Op::PopTail),
        4 => (0..70usize).prop_map(Op::PushHeadBatch),
        2 => (0..70usize, 0..70usize).prop_map(|(max, take)| Op::PopHeadBatch(max, take)),
        4 => (0..20usize).prop_map(Op::PopTailBatch),
        4 => any::<usize>().prop_map(Op::TakeFromHeld),
        3 => any::<usize>().prop_map(Op::DropHeld),
        1 => Just(Op::Shrink),
        1 => Just(Op::Detach),
        1 => Just(Op::Spin),
        3 => (fault, 1..30usize).prop_map(|(fault, count)| Op::Fault(fault, count)),
    ]
}

/// Where indices start: at every offset around the wrap.
fn origin() -> impl Strategy<Value = u32> {
    (0..64u32).prop_map(|offset| 32u32.wrapping_sub(offset))
}

/// A value that comes out is the caller's, and so is the panic of its destructor.
fn number_of(value: Option<Value>) -> Option<usize> {
    let number = value.as_ref().map(Value::number);
    planned(|| drop(value));
    number
}

/// All are gone.
fn check_dropped(
    witnesses: &Witnesses,
    numbers: impl IntoIterator<Item = usize>,
) -> Result<(), TestCaseError> {
    for number in numbers {
        prop_assert_eq!(witnesses.handles(number), 1, "value {}", number);
    }
    Ok(())
}

/// What is known of the rings of a chain.
#[derive(Clone, Copy)]
struct Rings {
    slots: usize,
    /// Whether all values are in one ring.
    one: bool,
}

impl Rings {
    /// By the slots of all rings. Those that are drained were unlinked when it was last asked whether there is anything.
    ///
    /// A ring is followed by one of another size, unless it is blocked and has 64 slots or more, or there is no bigger
    /// one. So a power of two below twice that is one ring.
    fn of(slots: usize) -> Self {
        Self {
            slots,
            one: slots.is_power_of_two() && slots < 2 * MAX_CAPACITY.min(64),
        }
    }
}

/// Checks a steal: the oldest values, in order, and half of those in one ring, rounded up. The model does not know
/// how many values are in the oldest of several: at least one, if there is one.
fn stolen(
    model: &mut VecDeque<usize>,
    rings: Rings,
    max: usize,
    count: usize,
) -> Result<Vec<usize>, TestCaseError> {
    let bound = max.min(model.len().div_ceil(2));
    prop_assert!(count <= bound && (count != 0 || bound == 0));
    prop_assert!(count == bound || !rings.one, "{} of {}", count, bound);
    Ok(model.drain(..count).collect())
}

/// Checks a shrinkage: an empty chain comes down to its smallest ring, one ring that is too big for the values in it is
/// followed by one that they fill to a half.
fn shrunk(before: Rings, values: usize, slots: usize) -> Result<(), TestCaseError> {
    let fit = (2 * values).min(MAX_CAPACITY);
    let fit = fit.next_power_of_two().max(FIRST_CAPACITY);
    let more = if fit < before.slots { fit } else { 0 };
    if values == 0 {
        // None if nothing was ever pushed.
        prop_assert!(slots <= FIRST_CAPACITY, "{} slots for nothing", slots);
    } else if before.one {
        prop_assert_eq!(slots, before.slots + more);
    } else {
        prop_assert!(slots <= before.slots + more);
    }
    Ok(())
}

/// How many pushes make sure that a ring of up to so many values is judged.
const SPINS: usize = if cfg!(miri) { 10 } else { 1100 };

/// Runs a sequence over the handles and the model.
fn check_handles<L: Limit>(
    (mut producer, consumer): (Producer<Value, L>, Consumer<Value>),
    ops: &[Op],
) -> Result<(), TestCaseError> {
    let limit = producer.limit().unwrap_or(usize::MAX);
    let mut model = VecDeque::new();
    let mut witnesses = Witnesses::default();
    let iterator = Fuse::default();
    let thief = consumer.clone();
    let mut held: Vec<(TailBatch<'_, Value>, VecDeque<usize>)> = Vec::new();
    let _end = PutOut(witnesses.drop.clone());

    for op in ops {
        match *op {
            Op::PushHead => {
                let value = witnesses.make();
                let number = value.number();
                match producer.push_head(value) {
                    Ok(()) => model.push_back(number),
                    Err(full) => {
                        prop_assert_eq!(number_of(Some(Full::into_inner(full))), Some(number));
                        prop_assert_eq!(model.len(), limit);
                    }
                }
            }
            Op::PopHead => prop_assert_eq!(number_of(producer.pop_head()), model.pop_back()),
            Op::PopTail => prop_assert_eq!(number_of(consumer.pop_tail()), model.pop_front()),
            Op::PushHeadBatch(count) => {
                let room = limit - producer.len();
                let before = model.len();
                let values = std::iter::repeat_with(|| {
                    iterator.tick();
                    let value = witnesses.make();
                    model.push_back(value.number());
                    value
                });
                let pushed = planned(|| producer.push_head_batch(values.take(count)));
                // Also what a panicking iterator gave before.
                let asked = model.len() - before;
                prop_assert!(
                    asked <= count.min(room),
                    "asked for a value that had no place"
                );
                if let Some(pushed) = pushed {
                    prop_assert_eq!((pushed, asked), (count.min(room), pushed));
                }
            }
            Op::PopHeadBatch(max, take) => {
                let mut batch = producer.pop_head_batch(max);
                let (least, most) = batch.size_hint();
                let count = max.min(model.len());
                prop_assert!(least <= count && most.is_none_or(|most| count <= most));
                let expected: Vec<_> = model.drain(model.len() - count..).rev().collect();
                for &number in expected.iter().take(take) {
                    prop_assert_eq!(number_of(batch.next()), Some(number));
                }
                if take >= count {
                    prop_assert!(batch.next().is_none());
                }
                planned(|| drop(batch));
                check_dropped(&witnesses, expected)?;
            }
            Op::PopTailBatch(max) => {
                let rings = Rings::of(producer.capacity());
                let batch = thief.pop_tail_batch(max);
                let numbers = stolen(&mut model, rings, max, batch.len())?;
                held.push((batch, numbers.into()));
            }
            Op::TakeFromHeld(which) => {
                if let Some(which) = which.checked_rem(held.len()) {
                    let (batch, numbers) = &mut held[which];
                    prop_assert_eq!(number_of(batch.next()), numbers.pop_front());
                    prop_assert_eq!(batch.len(), numbers.len());
                }
            }
            Op::DropHeld(which) => {
                if let Some(which) = which.checked_rem(held.len()) {
                    let (batch, numbers) = held.swap_remove(which);
                    planned(|| drop(batch));
                    check_dropped(&witnesses, numbers)?;
                }
            }
            Op::Shrink | Op::Detach => {
                let rings = Rings::of(producer.capacity());
                producer.shrink();
                shrunk(rings, model.len(), producer.capacity())?;
            }
            Op::Spin => {
                if model.len() < limit {
                    for _ in 0..SPINS {
                        prop_assert!(producer.push_head(Witnesses::unseen()).is_ok());
                        prop_assert!(producer.pop_head().is_some());
                    }
                }
            }
            Op::Fault(Fault::Drop, count) => witnesses.drop.set(count),
            Op::Fault(Fault::Iterator, count) => iterator.set(count),
            Op::Fault(Fault::Sink, _) => {}
        }
        prop_assert_eq!(producer.len(), model.len());
        prop_assert_eq!(consumer.is_empty(), model.is_empty());
        prop_assert!(producer.capacity() >= model.len());
    }

    planned(|| drop(producer));
    for (batch, _) in held {
        planned(|| drop(batch));
    }
    planned(|| drop((thief, consumer)));
    check_dropped(&witnesses, 0..witnesses.made())
}

/// Runs a sequence over the raw chain and the model.
fn check_raw(chain: Chain<Value>, ops: &[Op]) -> Result<(), TestCaseError> {
    let mut model = VecDeque::new();
    let mut witnesses = Witnesses::default();
    let (iterator, sink) = (Fuse::default(), Fuse::default());
    let mut held: Vec<(Detached<Value>, VecDeque<usize>)> = Vec::new();
    let _end = PutOut(witnesses.drop.clone());
    let rings = |chain: &Chain<Value>| Rings {
        slots: chain.capacity(),
        one: chain.rings() == 1,
    };

    // Said once for all calls of the chain's unsafe methods: there is only this thread, and no iterator or
    // sink knows the chain.
    for op in ops {
        match *op {
            Op::PushHead => {
                let value = witnesses.make();
                model.push_back(value.number());
                // SAFETY: one thread, as said above.
                let pushed = unsafe { chain.push_head(value) };
                prop_assert!(pushed.is_ok());
            }
            Op::PopHead => {
                // SAFETY: one thread, as said above.
                let got = unsafe { chain.pop_head() };
                prop_assert_eq!(number_of(got), model.pop_back());
            }
            Op::PopTail => prop_assert_eq!(number_of(chain.pop_tail()), model.pop_front()),
            Op::PushHeadBatch(count) => {
                let before = model.len();
                let mut values = std::iter::repeat_with(|| {
                    iterator.tick();
                    let value = witnesses.make();
                    model.push_back(value.number());
                    value
                })
                .take(count);
                // SAFETY: one thread, as said above.
                let pushed = planned(|| unsafe { chain.push_head_batch(&mut values) });
                prop_assert!(pushed.is_none_or(|pushed| pushed == count));
                let asked = model.len() - before;
                prop_assert!(pushed.is_none_or(|pushed| pushed == asked) && asked <= count);
            }
            Op::PopHeadBatch(max, _) => {
                let mut got = Vec::new();
                let take = |value: Value| {
                    got.push(value.number());
                    sink.tick();
                };
                // SAFETY: one thread, as said above.
                let count = planned(|| unsafe { chain.pop_head_batch(max, take) });
                let most = max.min(model.len());
                // What was claimed together with the value that the sink, or its destructor, broke down at is dropped.
                let gone = count.unwrap_or(model.len() - chain.len());
                prop_assert!(gone <= most && (gone == most || count.is_none()));
                let expected: Vec<_> = model.drain(model.len() - gone..).rev().collect();
                prop_assert!(expected.starts_with(&got));
                prop_assert!(count.is_none() || got.len() == gone);
                check_dropped(&witnesses, expected)?;
            }
            Op::PopTailBatch(max) => {
                let rings = rings(&chain);
                let mut got = Vec::new();
                let count = planned(|| {
                    chain.pop_tail_batch(max, |value| {
                        got.push(value.number());
                        sink.tick();
                    })
                });
                let gone = count.unwrap_or(model.len() - chain.len());
                let expected = stolen(&mut model, rings, max, gone)?;
                prop_assert!(expected.starts_with(&got));
                prop_assert!(count.is_none() || got.len() == gone);
                check_dropped(&witnesses, expected)?;
            }
            Op::TakeFromHeld(which) => {
                if let Some(which) = which.checked_rem(held.len()) {
                    let (detached, numbers) = &mut held[which];
                    prop_assert_eq!(number_of(detached.next()), numbers.pop_front());
                    prop_assert_eq!(detached.len(), numbers.len());
                }
            }
            Op::DropHeld(which) => {
                if let Some(which) = which.checked_rem(held.len()) {
                    let (detached, numbers) = held.swap_remove(which);
                    planned(|| drop(detached));
                    check_dropped(&witnesses, numbers)?;
                }
            }
            Op::Shrink => {
                let rings = rings(&chain);
                // SAFETY: one thread, as said above.
                unsafe { chain.shrink() };
                shrunk(rings, model.len(), chain.capacity())?;
            }
            Op::Detach => {
                // SAFETY: one thread, as said above.
                let detached = unsafe { chain.detach() };
                prop_assert_eq!(detached.size_hint(), (0, Some(model.len())));
                held.push((detached, std::mem::take(&mut model)));
                prop_assert_eq!((chain.rings(), chain.capacity()), (0, 0));
            }
            Op::Spin => {
                for _ in 0..SPINS {
                    // SAFETY: one thread, as said above.
                    let pushed = unsafe { chain.push_head(Witnesses::unseen()) };
                    prop_assert!(pushed.is_ok());
                    // SAFETY: one thread, as said above.
                    let popped = unsafe { chain.pop_head() };
                    prop_assert!(popped.is_some());
                }
            }
            Op::Fault(Fault::Drop, count) => witnesses.drop.set(count),
            Op::Fault(Fault::Iterator, count) => iterator.set(count),
            Op::Fault(Fault::Sink, count) => sink.set(count),
        }
        prop_assert_eq!(chain.len(), model.len());
        prop_assert_eq!(chain.is_empty(), model.is_empty());
        prop_assert!(chain.capacity() >= model.len());
    }

    planned(|| drop(chain));
    for (detached, _) in held {
        planned(|| drop(detached));
    }
    check_dropped(&witnesses, 0..witnesses.made())
}

/// `usual` cases, unless `PROPTEST_CASES` asks for others. A failure tells the seed, and given back by
/// `PROPTEST_RNG_SEED` it brings the same cases again.
fn config(usual: u32) -> Config {
    let given = Config::default();
    let seed = match given.rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => RandomState::new().hash_one(usual),
    };
    println!("PROPTEST_RNG_SEED={seed}");
    Config {
        cases: match std::env::var_os("PROPTEST_CASES") {
            Some(_) => given.cases,
            None => usual,
        },
        rng_seed: RngSeed::Fixed(seed),
        // What fails is printed in full; there is no file to keep.
        failure_persistence: None,
        ..given
    }
}

const MAX_OPS: usize = if cfg!(miri) { 40 } else { 120 };

proptest! {
    #![proptest_config(config(if cfg!(miri) { 6 } else { 200 }))]

    #[test]
    fn unlimited(origin in origin(), ops in prop::collection::vec(op(), 0..MAX_OPS)) {
        check_handles(unbounded_at(origin), &ops)?;
    }

    #[test]
    fn limited(
        limit in 1..100usize,
        origin in origin(),
        ops in prop::collection::vec(op(), 0..MAX_OPS),
    ) {
        check_handles(try_with_limit_at(limit, origin).unwrap(), &ops)?;
    }

    #[test]
    fn raw(origin in origin(), ops in prop::collection::vec(op(), 0..MAX_OPS)) {
        check_raw(Chain::new_at(origin), &ops)?;
    }
}
