//! The fuzzer's corpus and many random inputs, as part of the plain test run.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

use proptest::collection::vec;
use proptest::prelude::any;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use trials::{TARGETS, replay};

#[test]
#[cfg_attr(miri, ignore = "reads files")]
fn the_corpus_passes() {
    let replayed = replay::all(&replay::corpus()).unwrap();
    assert!(replayed.inputs >= TARGETS.len());
    assert!(replayed.failed.is_empty(), "{:?}", replayed.failed);
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

/// Inputs that no fuzzer chose: a floor that holds where there is none. Those that fail shrink, and are printed.
fn random(target: &str) {
    let config = config(if cfg!(miri) { 1 } else { 200 });
    let longest = if cfg!(miri) { 20 } else { 300 };
    let inputs = vec(any::<u8>(), 0..longest);
    TestRunner::new(config)
        .run(&inputs, |input| {
            trials::run(target, &input);
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{target}: {failure}"));
}

#[test]
fn dequeue() {
    random("dequeue");
}

#[test]
fn chain() {
    random("chain");
}

#[test]
fn pool() {
    random("pool");
}

#[test]
fn value() {
    random("value");
}
