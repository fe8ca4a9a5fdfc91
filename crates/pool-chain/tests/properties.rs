//! Random sequences of operations on one thread, against a model that is plainly right: a `VecDeque`.
#![cfg(not(pool_loom))]

use std::collections::VecDeque;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::rc::Rc;

use pool_chain::raw::{Chain, Detached};
use pool_chain::{Consumer, Producer, TailBatch, try_with_limit, unbounded_at};
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
}

fn op() -> impl Strategy<Value = Op> {
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
    ]
}

/// Where indices start: at every offset around the wrap.
fn origin() -> impl Strategy<Value = u32> {
    (0..64u32).prop_map(|offset| 32u32.wrapping_sub(offset))
}

type Value = Rc<usize>;

/// One handle to each value stays here and tells at the end whether the other was dropped once.
#[derive(Default)]
struct Witnesses(Vec<Value>);

impl Witnesses {
    fn make(&mut self) -> Value {
        let value = Rc::new(self.0.len());
        self.0.push(value.clone());
        value
    }

    fn check_all_dropped(&self) -> Result<(), TestCaseError> {
        for witness in &self.0 {
            prop_assert_eq!(Rc::strong_count(witness), 1, "value {}", witness);
        }
        Ok(())
    }
}

/// Checks a steal: the oldest values, in order, at least one if there is one, at most half of what there is
/// (the chain takes half of one ring, and the model does not know its rings).
fn stolen(
    model: &mut VecDeque<usize>,
    max: usize,
    count: usize,
) -> Result<Vec<usize>, TestCaseError> {
    let bound = max.min(model.len().div_ceil(2));
    prop_assert!(count <= bound && (count != 0 || bound == 0));
    Ok(model.drain(..count).collect())
}

/// How many pushes make sure that a ring of up to so many values is judged.
const SPINS: usize = if cfg!(miri) { 10 } else { 1100 };

/// Runs a sequence over the handles and the model.
fn check_handles(
    (mut producer, consumer): (Producer<Value>, Consumer<Value>),
    ops: &[Op],
) -> Result<(), TestCaseError> {
    let limit = producer.limit().unwrap_or(usize::MAX);
    let mut model = VecDeque::new();
    let mut witnesses = Witnesses::default();
    let thief = consumer.clone();
    let mut held: Vec<(TailBatch<'_, Value>, VecDeque<usize>)> = Vec::new();

    for op in ops {
        match *op {
            Op::PushHead => {
                let value = witnesses.make();
                let number = *value;
                match producer.try_push_head(value) {
                    Ok(()) => model.push_back(number),
                    Err(full) => {
                        prop_assert_eq!(*full.into_inner(), number);
                        prop_assert_eq!(model.len(), limit);
                    }
                }
            }
            Op::PopHead => {
                let got = producer.pop_head().map(|value| *value);
                prop_assert_eq!(got, model.pop_back());
            }
            Op::PopTail => {
                let got = consumer.pop_tail().map(|value| *value);
                prop_assert_eq!(got, model.pop_front());
            }
            Op::PushHeadBatch(count) => {
                let mut asked = 0;
                let values = std::iter::repeat_with(|| {
                    asked += 1;
                    let value = witnesses.make();
                    model.push_back(*value);
                    value
                });
                let room = limit - producer.len();
                let pushed = producer.push_head_batch(values.take(count));
                prop_assert_eq!(pushed, count.min(room));
                prop_assert_eq!(asked, pushed, "asked for a value that had no place");
            }
            Op::PopHeadBatch(max, take) => {
                let batch = producer.pop_head_batch(max);
                let (least, most) = batch.size_hint();
                let count = max.min(model.len());
                prop_assert!(least <= count && most.is_none_or(|most| count <= most));
                let expected: Vec<_> = model
                    .drain(model.len() - count..)
                    .rev()
                    .take(take)
                    .collect();
                let got: Vec<_> = batch.take(take).map(|value| *value).collect();
                prop_assert_eq!(got, expected);
            }
            Op::PopTailBatch(max) => {
                let batch = thief.pop_tail_batch(max);
                let numbers = stolen(&mut model, max, batch.len())?;
                held.push((batch, numbers.into()));
            }
            Op::TakeFromHeld(which) => {
                if let Some(which) = which.checked_rem(held.len()) {
                    let (batch, numbers) = &mut held[which];
                    prop_assert_eq!(batch.next().map(|value| *value), numbers.pop_front());
                    prop_assert_eq!(batch.len(), numbers.len());
                }
            }
            Op::DropHeld(which) => {
                if let Some(which) = which.checked_rem(held.len()) {
                    let (batch, numbers) = held.swap_remove(which);
                    drop(batch);
                    for number in numbers {
                        prop_assert_eq!(Rc::strong_count(&witnesses.0[number]), 1);
                    }
                }
            }
            Op::Shrink | Op::Detach => producer.shrink(),
            Op::Spin => {
                if model.len() < limit {
                    for _ in 0..SPINS {
                        producer.push_head(Rc::new(0));
                        prop_assert!(producer.pop_head().is_some());
                    }
                }
            }
        }
        prop_assert_eq!(producer.len(), model.len());
        prop_assert_eq!(consumer.is_empty(), model.is_empty());
        prop_assert!(producer.capacity() >= model.len());
    }

    drop(producer);
    drop(held);
    drop((thief, consumer));
    witnesses.check_all_dropped()
}

/// Runs a sequence over the raw chain and the model.
fn check_raw(chain: Chain<Value>, ops: &[Op]) -> Result<(), TestCaseError> {
    let mut model = VecDeque::new();
    let mut witnesses = Witnesses::default();
    let mut held: Vec<(Detached<Value>, VecDeque<usize>)> = Vec::new();

    // Said once for all calls of the chain's unsafe methods: there is only this thread, and no iterator or
    // sink knows the chain.
    for op in ops {
        match *op {
            Op::PushHead => {
                let value = witnesses.make();
                model.push_back(*value);
                // SAFETY: one thread, as said above.
                let pushed = unsafe { chain.push_head(value) };
                prop_assert!(pushed.is_ok());
            }
            Op::PopHead => {
                // SAFETY: one thread, as said above.
                let got = unsafe { chain.pop_head() };
                prop_assert_eq!(got.map(|value| *value), model.pop_back());
            }
            Op::PopTail => {
                prop_assert_eq!(chain.pop_tail().map(|value| *value), model.pop_front());
            }
            Op::PushHeadBatch(count) => {
                let mut values = std::iter::repeat_with(|| {
                    let value = witnesses.make();
                    model.push_back(*value);
                    value
                })
                .take(count);
                // SAFETY: one thread, as said above.
                let pushed = unsafe { chain.push_head_batch(&mut values) };
                prop_assert_eq!(pushed, count);
            }
            Op::PopHeadBatch(max, _) => {
                let mut got = Vec::new();
                // SAFETY: one thread, as said above.
                let count = unsafe { chain.pop_head_batch(max, |value| got.push(*value)) };
                prop_assert_eq!(count, max.min(model.len()));
                let expected: Vec<_> = model.drain(model.len() - count..).rev().collect();
                prop_assert_eq!(got, expected);
            }
            Op::PopTailBatch(max) => {
                let mut got = Vec::new();
                let count = chain.pop_tail_batch(max, |value| got.push(*value));
                prop_assert_eq!(got, stolen(&mut model, max, count)?);
            }
            Op::TakeFromHeld(which) => {
                if let Some(which) = which.checked_rem(held.len()) {
                    let (detached, numbers) = &mut held[which];
                    prop_assert_eq!(detached.next().map(|value| *value), numbers.pop_front());
                    prop_assert_eq!(detached.len(), numbers.len());
                }
            }
            Op::DropHeld(which) => {
                if let Some(which) = which.checked_rem(held.len()) {
                    let (detached, numbers) = held.swap_remove(which);
                    drop(detached);
                    for number in numbers {
                        prop_assert_eq!(Rc::strong_count(&witnesses.0[number]), 1);
                    }
                }
            }
            Op::Shrink => {
                // SAFETY: one thread, as said above.
                unsafe { chain.shrink() };
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
                    let pushed = unsafe { chain.push_head(Rc::new(0)) };
                    prop_assert!(pushed.is_ok());
                    // SAFETY: one thread, as said above.
                    let popped = unsafe { chain.pop_head() };
                    prop_assert!(popped.is_some());
                }
            }
        }
        prop_assert_eq!(chain.len(), model.len());
        prop_assert_eq!(chain.is_empty(), model.is_empty());
        prop_assert!(chain.capacity() >= model.len());
    }

    drop(chain);
    drop(held);
    witnesses.check_all_dropped()
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
    fn limited(limit in 1..100usize, ops in prop::collection::vec(op(), 0..MAX_OPS)) {
        check_handles(try_with_limit(limit).unwrap(), &ops)?;
    }

    #[test]
    fn raw(origin in origin(), ops in prop::collection::vec(op(), 0..MAX_OPS)) {
        check_raw(Chain::new_at(origin), &ops)?;
    }
}
