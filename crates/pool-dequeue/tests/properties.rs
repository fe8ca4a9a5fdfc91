//! Random sequences of operations on one thread, against a model that is plainly right: a `VecDeque` and
//! the set of slots that a batch still holds.
#![cfg(not(pool_loom))]

mod common;

use std::collections::VecDeque;
#[cfg(not(miri))]
use std::collections::hash_map::RandomState;
#[cfg(not(miri))]
use std::hash::BuildHasher as _;
use std::rc::Rc;

use proptest::prelude::*;
#[cfg(not(miri))]
use proptest::test_runner::{Config, RngSeed};

use common::Choices;
#[cfg(feature = "alloc")]
use pool_dequeue::raw::BoxedRing;
use pool_dequeue::raw::{Batch, Ring, Slot, Slots};
use pool_dequeue::{InlineRing, MAX_CAPACITY};

#[derive(Clone, Debug)]
enum Op {
    PushHead,
    PopHead,
    PopTail,
    PushHeadBatch(usize),
    PopHeadBatch(usize),
    PopTailBatch(usize),
    /// Takes one value out of a batch that is still held.
    TakeFromBatch(usize),
    DropBatch(usize),
    ForgetBatch(usize),
}

#[cfg(not(miri))]
fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => Just(Op::PushHead),
        4 => Just(Op::PopHead),
        4 => Just(Op::PopTail),
        3 => (0..20usize).prop_map(Op::PushHeadBatch),
        2 => (0..9usize).prop_map(Op::PopHeadBatch),
        2 => (0..9usize).prop_map(Op::PopTailBatch),
        4 => any::<usize>().prop_map(Op::TakeFromBatch),
        3 => any::<usize>().prop_map(Op::DropBatch),
        // Rare, because every one blocks its slots for the rest of the case.
        1 => any::<usize>().prop_map(Op::ForgetBatch),
    ]
}

/// Where indices start: at every offset around the wrap.
#[cfg(not(miri))]
fn origin() -> impl Strategy<Value = u32> {
    (0..64u32).prop_map(|offset| 32u32.wrapping_sub(offset))
}

/// The values of a batch that is held, in the order in which it gives them, each with its slot.
type Held = VecDeque<(usize, usize)>;

/// What the ring should be.
struct Model {
    capacity: usize,
    /// The slot of the next push, counted from the origin.
    head: usize,
    /// Numbers of the values in the ring, oldest first.
    values: VecDeque<usize>,
    /// Which slots have a value in them, in the range of the indices or in a batch.
    full: Vec<bool>,
    next_number: usize,
}

impl Model {
    fn slot(&self, back: usize) -> usize {
        // The head never goes below zero: it starts a whole number of laps above.
        (self.head - back) % self.capacity
    }

    fn push(&mut self) -> Option<usize> {
        let slot = self.slot(0);
        if self.full[slot] {
            return None;
        }
        let number = self.next_number;
        self.next_number += 1;
        self.full[slot] = true;
        self.values.push_back(number);
        self.head += 1;
        Some(number)
    }

    /// Claims the newest `count` values.
    fn claim_head(&mut self, count: usize) -> Held {
        (0..count)
            .map(|_| {
                let value = self.values.pop_back().unwrap();
                self.head -= 1;
                (value, self.slot(0))
            })
            .collect()
    }

    /// Claims the oldest `count` values.
    fn claim_tail(&mut self, count: usize) -> Held {
        (0..count)
            .map(|_| {
                let slot = self.slot(self.values.len());
                (self.values.pop_front().unwrap(), slot)
            })
            .collect()
    }

    fn release(&mut self, claimed: impl IntoIterator<Item = (usize, usize)>) -> Vec<usize> {
        claimed
            .into_iter()
            .map(|(value, slot)| {
                self.full[slot] = false;
                value
            })
            .collect()
    }
}

/// Runs a sequence over a ring and the model, and then drops the ring.
fn check<S: Slots<Rc<usize>>>(ring: Ring<Rc<usize>, S>, ops: &[Op]) -> Result<(), TestCaseError> {
    let capacity = ring.capacity();
    let mut model = Model {
        capacity,
        head: capacity * ops.len().max(1) * 20,
        values: VecDeque::new(),
        full: vec![false; capacity],
        next_number: 0,
    };
    // One handle to each value stays here and tells at the end whether the other was dropped once.
    let mut witnesses: Vec<Rc<usize>> = Vec::new();
    let mut forgotten = Vec::new();
    let mut batches: Vec<(Batch<'_, Rc<usize>>, Held)> = Vec::new();

    for op in ops {
        match *op {
            Op::PushHead => {
                let value = Rc::new(witnesses.len());
                // SAFETY: there is only this thread, and no iterator running.
                let pushed = unsafe { ring.push_head(value.clone()) };
                match model.push() {
                    Some(_) => {
                        prop_assert!(pushed.is_ok());
                        witnesses.push(value);
                    }
                    None => prop_assert_eq!(pushed.unwrap_err().into_inner(), value),
                }
            }
            Op::PopHead => {
                // SAFETY: there is only this thread, and no iterator running.
                let got = unsafe { ring.pop_head() };
                let claimed = model.claim_head(usize::from(!model.values.is_empty()));
                let expected = model.release(claimed).pop();
                prop_assert_eq!(got.as_deref().copied(), expected);
            }
            Op::PopTail => {
                let got = ring.pop_tail();
                let claimed = model.claim_tail(usize::from(!model.values.is_empty()));
                let expected = model.release(claimed).pop();
                prop_assert_eq!(got.as_deref().copied(), expected);
            }
            Op::PushHeadBatch(count) => {
                let mut asked = 0;
                let mut values = (0..count).map(|_| {
                    asked += 1;
                    let value = Rc::new(witnesses.len());
                    witnesses.push(value.clone());
                    value
                });
                // SAFETY: there is only this thread, and the iterator does not know the ring.
                let pushed = unsafe { ring.push_head_batch(&mut values) };
                let expected = (0..count).map_while(|_| model.push()).count();
                prop_assert_eq!(pushed, expected);
                prop_assert_eq!(asked, expected, "asked for a value that had no slot");
            }
            Op::PopHeadBatch(max) => {
                // SAFETY: there is only this thread, and no iterator running.
                let batch = unsafe { ring.pop_head_batch(max) };
                let claimed = model.claim_head(model.values.len().min(max));
                prop_assert_eq!(batch.len(), claimed.len());
                batches.push((batch, claimed));
            }
            Op::PopTailBatch(max) => {
                let batch = ring.pop_tail_batch(max);
                let claimed = model.claim_tail(model.values.len().div_ceil(2).min(max));
                prop_assert_eq!(batch.len(), claimed.len());
                batches.push((batch, claimed));
            }
            Op::TakeFromBatch(which) => {
                let which = which.checked_rem(batches.len());
                if let Some((batch, claimed)) = which.map(|which| &mut batches[which]) {
                    let expected = model.release(claimed.pop_front()).pop();
                    prop_assert_eq!(batch.next().as_deref().copied(), expected);
                    prop_assert_eq!(batch.len(), claimed.len());
                }
            }
            Op::DropBatch(which) => {
                if let Some(which) = which.checked_rem(batches.len()) {
                    let (batch, claimed) = batches.swap_remove(which);
                    drop(batch);
                    for number in model.release(claimed) {
                        prop_assert_eq!(Rc::strong_count(&witnesses[number]), 1);
                    }
                }
            }
            Op::ForgetBatch(which) => {
                if let Some(which) = which.checked_rem(batches.len()) {
                    let (batch, claimed) = batches.swap_remove(which);
                    std::mem::forget(batch);
                    forgotten.extend(claimed.into_iter().map(|(number, _)| number));
                }
            }
        }
        prop_assert_eq!(ring.len(), model.values.len());
        prop_assert_eq!(ring.is_empty(), model.values.is_empty());
    }

    drop(batches);
    drop(ring);
    for (number, witness) in witnesses.iter().enumerate() {
        let expected = 1 + usize::from(forgotten.contains(&number));
        prop_assert_eq!(Rc::strong_count(witness), expected, "value {}", number);
    }
    // Forgotten values are leaked on purpose; end their lives here, so that leak checkers stay useful.
    for number in forgotten {
        // SAFETY: the forgotten batch owned one count of this value, and nobody else can reach it.
        unsafe { Rc::decrement_strong_count(Rc::as_ptr(&witnesses[number])) };
    }
    Ok(())
}

/// `usual` cases, unless `PROPTEST_CASES` asks for others. A failure tells the seed, and given back by
/// `PROPTEST_RNG_SEED` it brings the same cases again.
#[cfg(not(miri))]
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

#[cfg(not(miri))]
const MAX_OPS: usize = 120;

// Miri spends its time on the generator; it has `plain_sequences`.
#[cfg(not(miri))]
proptest! {
    #![proptest_config(config(1_000))]

    #[cfg(feature = "alloc")]
    #[test]
    fn boxed(
        capacity in 1..=MAX_CAPACITY.min(33),
        origin in origin(),
        ops in prop::collection::vec(op(), 0..MAX_OPS),
    ) {
        check(BoxedRing::boxed_at(capacity, origin).unwrap(), &ops)?;
    }

    #[test]
    fn inline_1(origin in origin(), ops in prop::collection::vec(op(), 0..MAX_OPS)) {
        check(Ring::<_, [Slot<_>; 1]>::inline_at(origin), &ops)?;
    }

    #[test]
    fn inline_2(origin in origin(), ops in prop::collection::vec(op(), 0..MAX_OPS)) {
        check(Ring::<_, [Slot<_>; 2]>::inline_at(origin), &ops)?;
    }

    #[test]
    fn inline_8(origin in origin(), ops in prop::collection::vec(op(), 0..MAX_OPS)) {
        const N: usize = if MAX_CAPACITY < 8 { MAX_CAPACITY } else { 8 };
        check(Ring::<_, [Slot<_>; N]>::inline_at(origin), &ops)?;
    }
}

/// The same property without the generator and its shrinking, which Miri is too slow for.
#[test]
fn plain_sequences() {
    let mut choices = Choices::new(7);
    for _ in 0..if cfg!(miri) { 40 } else { 400 } {
        let origin = 16u32.wrapping_sub(choices.below(32) as u32);
        let count = choices.below(40);
        let ops: Vec<_> = std::iter::repeat_with(|| match choices.below(31) {
            0..8 => Op::PushHead,
            8..12 => Op::PopHead,
            12..16 => Op::PopTail,
            16..19 => Op::PushHeadBatch(choices.below(5)),
            19..21 => Op::PopHeadBatch(choices.below(4)),
            21..23 => Op::PopTailBatch(choices.below(4)),
            23..27 => Op::TakeFromBatch(choices.below(9)),
            27..30 => Op::DropBatch(choices.below(9)),
            _ => Op::ForgetBatch(choices.below(9)),
        })
        .take(count)
        .collect();
        check(Ring::<_, [Slot<_>; 2]>::inline_at(origin), &ops).unwrap();
        #[cfg(feature = "alloc")]
        check(
            BoxedRing::boxed_at(MAX_CAPACITY.min(3), origin).unwrap(),
            &ops,
        )
        .unwrap();
    }
}

/// One fixed script at every offset of the wrap from the first push to the last.
#[test]
fn every_offset_of_the_wrap() {
    const N: usize = if MAX_CAPACITY < 4 { MAX_CAPACITY } else { 4 };
    for offset in 0..40 {
        let mut ring = InlineRing::<usize, N>::new_at(0u32.wrapping_sub(offset));
        let (mut head, tail) = ring.split();
        for lap in 0..12 {
            for number in 0..N {
                head.push_head(lap + number).unwrap();
            }
            assert!(head.push_head(0).is_err());
            assert_eq!(head.pop_head(), Some(lap + N - 1));
            let mut oldest = lap;
            while let Some(got) = tail.pop_tail() {
                assert_eq!(got, oldest);
                oldest += 1;
            }
            assert_eq!(oldest, lap + N - 1);
            assert_eq!(head.push_head_batch(0..N + 1), N);
            assert_eq!(tail.pop_tail_batch(N).count(), N.div_ceil(2));
            assert_eq!(head.pop_head_batch(N).count(), N / 2);
        }
    }
}
