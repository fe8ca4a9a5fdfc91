//! Random sequences of operations against a model that is one `Option`, with every drop accounted for.

#![cfg(not(pool_loom))]

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use atomic_value::{AtomicValue, Guard};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

mod common;
use common::Counted;

/// What can be done; numbers are small, so that values are often equal.
#[derive(Clone, Debug)]
enum Op {
    Store(usize),
    StoreArc(usize),
    StoreAgain,
    Swap(usize),
    Take,
    CompareAndSwap(Option<usize>, usize),
    CompareAndSwapPtr { current: bool, new: usize },
    Update(usize),
    RefuseUpdate,
    Load,
    LoadArc,
    DropGuard(usize),
    Read,
    Release,
}

fn op() -> impl Strategy<Value = Op> {
    let number = 0..3_usize;
    prop_oneof![
        1 => number.clone().prop_map(Op::Store),
        1 => number.clone().prop_map(Op::StoreArc),
        1 => Just(Op::StoreAgain),
        1 => number.clone().prop_map(Op::Swap),
        1 => Just(Op::Take),
        1 => (proptest::option::of(number.clone()), number.clone())
            .prop_map(|(current, new)| Op::CompareAndSwap(current, new)),
        1 => (any::<bool>(), number.clone())
            .prop_map(|(current, new)| Op::CompareAndSwapPtr { current, new }),
        1 => number.clone().prop_map(Op::Update),
        1 => Just(Op::RefuseUpdate),
        3 => Just(Op::Load),
        1 => Just(Op::LoadArc),
        3 => (0..20_usize).prop_map(Op::DropGuard),
        2 => Just(Op::Read),
        1 => Just(Op::Release),
    ]
}

/// A held value, and the number that it must keep.
enum Held<'a> {
    Guard(Guard<Counted<'a>>),
    Arc(Arc<Counted<'a>>),
}

impl<'a> Held<'a> {
    fn value(&self) -> &Counted<'a> {
        match self {
            Self::Guard(guard) => guard,
            Self::Arc(arc) => arc,
        }
    }
}

fn run(ops: &[Op]) {
    let (made, drops) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let new = |number| {
        made.fetch_add(1, Ordering::Relaxed);
        Counted::new(number, &drops)
    };
    let number = |value: Option<Arc<Counted<'_>>>| value.map(|value| value.number);
    let value = AtomicValue::empty();
    let mut model: Option<usize> = None;
    let mut held: Vec<(Held<'_>, usize)> = Vec::new();
    let mut reader = value.reader();

    for op in ops {
        match *op {
            Op::Store(n) => {
                value.store(new(n));
                model = Some(n);
            }
            Op::StoreArc(n) => {
                let arc = Arc::new(new(n));
                value.store_arc(Arc::clone(&arc));
                held.push((Held::Arc(arc), n));
                model = Some(n);
            }
            Op::StoreAgain => {
                if let Some(arc) = value.load_arc() {
                    value.store_arc(arc);
                }
            }
            Op::Swap(n) => assert_eq!(number(value.swap(new(n))), model.replace(n)),
            Op::Take => assert_eq!(number(value.take()), model.take()),
            Op::CompareAndSwap(current, n) => {
                let current = current.map(new);
                let result = value.compare_and_swap(current.as_ref(), new(n));
                if current.map(|current| current.number) == model {
                    assert_eq!(number(result.unwrap()), model.replace(n));
                } else {
                    let refused = result.unwrap_err();
                    assert_eq!(refused.current.map(|now| now.number), model);
                    assert_eq!(refused.new.number, n);
                }
            }
            Op::CompareAndSwapPtr { current, new: n } => {
                let other = Arc::new(new(model.unwrap_or(0)));
                let seen = value.load();
                let expected = if current {
                    seen.as_deref()
                } else {
                    Some(&*other)
                };
                let result = value.compare_and_swap_ptr(expected, Arc::new(new(n)));
                if current {
                    assert_eq!(number(result.unwrap()), model.replace(n));
                } else {
                    let refused = result.unwrap_err();
                    assert_eq!(refused.current.map(|now| now.number), model);
                    assert_eq!(refused.new.number, n);
                }
            }
            Op::Update(n) => {
                let old = value.update(|old| {
                    assert_eq!(old.map(|old| old.number), model);
                    new(n)
                });
                assert_eq!(number(old), model.replace(n));
            }
            Op::RefuseUpdate => {
                assert_eq!(value.try_update(|_| Err(7)).map(number), Err(7));
            }
            Op::Load => {
                if let (Some(guard), Some(n)) = (value.load(), model) {
                    held.push((Held::Guard(guard), n));
                }
            }
            Op::LoadArc => {
                if let (Some(arc), Some(n)) = (value.load_arc(), model) {
                    held.push((Held::Arc(arc), n));
                }
            }
            Op::DropGuard(at) => {
                if !held.is_empty() {
                    held.swap_remove(at % held.len());
                }
            }
            Op::Read => assert_eq!(reader.load().map(|seen| seen.number), model),
            Op::Release => reader.release(),
        }
        assert_eq!(value.load().map(|seen| seen.number), model);
        assert_eq!(value.is_empty(), model.is_none());
        for (held, n) in &held {
            held.value().check();
            assert_eq!(held.value().number, *n);
        }
    }
    drop((reader, held));
    assert_eq!(
        made.load(Ordering::Relaxed) - drops.load(Ordering::Relaxed),
        usize::from(model.is_some()),
        "all but the last have been dropped"
    );
    assert_eq!(number(value.into_inner()), model);
    assert_eq!(made.load(Ordering::Relaxed), drops.load(Ordering::Relaxed));
}

/// Miri takes half a second for an operation.
const CASES: u32 = if cfg!(miri) { 2 } else { 500 };
const LENGTH: usize = if cfg!(miri) { 8 } else { 60 };

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

proptest! {
    #![proptest_config(config(CASES))]

    #[test]
    fn behaves_like_an_option(ops in proptest::collection::vec(op(), 1..LENGTH)) {
        run(&ops);
    }
}
