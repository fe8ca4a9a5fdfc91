//! Random sequences of operations on one thread, against a model that is plainly right: a `VecDeque` and
//! the set of slots that a batch still holds. Destructors and iterators panic at their k-th call.
#![cfg(not(pool_loom))]

mod common;
#[path = "common/faults.rs"]
mod faults;

use std::collections::VecDeque;
#[cfg(not(miri))]
use std::collections::hash_map::RandomState;
#[cfg(not(miri))]
use std::hash::BuildHasher as _;

use proptest::prelude::*;
#[cfg(not(miri))]
use proptest::test_runner::{Config, RngSeed};

use common::Choices;
use faults::{Fuse, PutOut, Value, Witnesses, planned};
#[cfg(feature = "alloc")]
use pool_dequeue::raw::BoxedRing;
use pool_dequeue::raw::{Batch, Ring, Slot, Slots};
use pool_dequeue::{Full, InlineRing, MAX_CAPACITY};

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
    /// The so many-th call of this user code from now on panics.
    Fault(Fault, usize),
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    Drop,
    Iterator,
}

#[cfg(not(miri))]
fn op() -> impl Strategy<Value = Op> {
    let fault = prop_oneof![Just(Fault::Drop), Just(Fault::Iterator)];
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
        1 => (fault, 1..20usize).prop_map(|(fault, count)| Op::Fault(fault, count)),
    ]
}

/// Where indices start: at every offset around the wrap.
#[cfg(not(miri))]
fn origin() -> impl Strategy<Value = u32> {
    (0..64u32).prop_map(|offset| 32u32.wrapping_sub(offset))
}

/// Where a batch was claimed.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Head,
    Tail,
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
}

impl Model {
    fn slot(&self, back: usize) -> usize {
        // The head never goes below zero: it starts a whole number of laps above.
        (self.head - back) % self.capacity
    }

    /// Says whether there is room.
    fn push(&mut self, number: usize) -> bool {
        let slot = self.slot(0);
        if self.full[slot] {
            return false;
        }
        self.full[slot] = true;
        self.values.push_back(number);
        self.head += 1;
        true
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
fn check<S: Slots<Value>>(ring: Ring<Value, S>, ops: &[Op]) -> Result<(), TestCaseError> {
    let capacity = ring.capacity();
    let mut model = Model {
        capacity,
        head: capacity * ops.len().max(1) * 20,
        values: VecDeque::new(),
        full: vec![false; capacity],
    };
    let mut witnesses = Witnesses::default();
    let iterator = Fuse::default();
    let mut forgotten = Vec::new();
    let mut batches: Vec<(Batch<'_, Value>, Held, End)> = Vec::new();
    let _end = PutOut(witnesses.drop.clone());
    // A value that comes out is the caller's, and so is the panic of its destructor.
    let number_of = |value: Option<Value>| {
        let number = value.as_ref().map(Value::number);
        planned(|| drop(value));
        number
    };

    for op in ops {
        if let Op::PushHead | Op::PushHeadBatch(_) = op {
            // Who pops at the head may not push before the batch is gone.
            while let Some(which) = batches.iter().position(|(_, _, end)| *end == End::Head) {
                let (batch, claimed, _) = batches.swap_remove(which);
                planned(|| drop(batch));
                model.release(claimed);
            }
        }
        match *op {
            Op::PushHead => {
                let value = witnesses.make();
                let number = value.number();
                // SAFETY: there is only this thread, and no iterator running.
                let pushed = unsafe { ring.push_head(value) };
                let expected = model.push(number);
                prop_assert_eq!(pushed.is_ok(), expected);
                let refused = number_of(pushed.err().map(Full::into_inner));
                prop_assert_eq!(refused, (!expected).then_some(number));
            }
            Op::PopHead => {
                // SAFETY: there is only this thread, and no iterator running.
                let got = unsafe { ring.pop_head() };
                let claimed = model.claim_head(usize::from(!model.values.is_empty()));
                let expected = model.release(claimed).pop();
                prop_assert_eq!(number_of(got), expected);
            }
            Op::PopTail => {
                let got = ring.pop_tail();
                let claimed = model.claim_tail(usize::from(!model.values.is_empty()));
                let expected = model.release(claimed).pop();
                prop_assert_eq!(number_of(got), expected);
            }
            Op::PushHeadBatch(count) => {
                let first = witnesses.made();
                let mut values = (0..count).map(|_| {
                    iterator.tick();
                    witnesses.make()
                });
                // SAFETY: there is only this thread, and the iterator does not know the ring.
                let pushed = planned(|| unsafe { ring.push_head_batch(&mut values) });
                // Also what a panicking iterator gave before.
                let asked = witnesses.made() - first;
                for number in first..first + asked {
                    prop_assert!(model.push(number), "asked for a value that had no slot");
                }
                if let Some(pushed) = pushed {
                    prop_assert_eq!(pushed, asked);
                    prop_assert!(pushed == count || model.full[model.slot(0)]);
                }
            }
            Op::PopHeadBatch(max) => {
                // SAFETY: there is only this thread, and no iterator running.
                let batch = unsafe { ring.pop_head_batch(max) };
                let claimed = model.claim_head(model.values.len().min(max));
                prop_assert_eq!(batch.len(), claimed.len());
                batches.push((batch, claimed, End::Head));
            }
            Op::PopTailBatch(max) => {
                let batch = ring.pop_tail_batch(max);
                let claimed = model.claim_tail(model.values.len().div_ceil(2).min(max));
                prop_assert_eq!(batch.len(), claimed.len());
                batches.push((batch, claimed, End::Tail));
            }
            Op::TakeFromBatch(which) => {
                let which = which.checked_rem(batches.len());
                if let Some((batch, claimed, _)) = which.map(|which| &mut batches[which]) {
                    let expected = model.release(claimed.pop_front()).pop();
                    prop_assert_eq!(number_of(batch.next()), expected);
                    prop_assert_eq!(batch.len(), claimed.len());
                }
            }
            Op::DropBatch(which) => {
                if let Some(which) = which.checked_rem(batches.len()) {
                    let (batch, claimed, _) = batches.swap_remove(which);
                    planned(|| drop(batch));
                    for number in model.release(claimed) {
                        prop_assert_eq!(witnesses.handles(number), 1);
                    }
                }
            }
            Op::ForgetBatch(which) => {
                if let Some(which) = which.checked_rem(batches.len()) {
                    let (batch, claimed, end) = batches.swap_remove(which);
                    std::mem::forget(batch);
                    forgotten.extend(claimed.iter().map(|(number, _)| number));
                    if end == End::Head {
                        // The values leak; their slots are the producer's own.
                        model.release(claimed);
                    }
                }
            }
            Op::Fault(Fault::Drop, count) => witnesses.drop.set(count),
            Op::Fault(Fault::Iterator, count) => iterator.set(count),
        }
        prop_assert_eq!(ring.len(), model.values.len());
        prop_assert_eq!(ring.is_empty(), model.values.is_empty());
    }

    for (batch, _, _) in batches {
        planned(|| drop(batch));
    }
    planned(|| drop(ring));
    for number in 0..witnesses.made() {
        let expected = 1 + usize::from(forgotten.contains(&number));
        prop_assert_eq!(witnesses.handles(number), expected, "value {}", number);
    }
    for number in forgotten {
        // SAFETY: it was in a batch that was forgotten.
        unsafe { witnesses.bury(number) };
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
        let ops: Vec<_> = std::iter::repeat_with(|| match choices.below(33) {
            0..8 => Op::PushHead,
            8..12 => Op::PopHead,
            12..16 => Op::PopTail,
            16..19 => Op::PushHeadBatch(choices.below(5)),
            19..21 => Op::PopHeadBatch(choices.below(4)),
            21..23 => Op::PopTailBatch(choices.below(4)),
            23..27 => Op::TakeFromBatch(choices.below(9)),
            27..30 => Op::DropBatch(choices.below(9)),
            30 => Op::Fault(Fault::Drop, 1 + choices.below(4)),
            31 => Op::Fault(Fault::Iterator, 1 + choices.below(4)),
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
