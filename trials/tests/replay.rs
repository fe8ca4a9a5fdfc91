//! The fuzzer's corpus and many random inputs, as part of the plain test run.

use proptest::collection::vec;
use proptest::prelude::any;
use proptest::test_runner::{Config, TestRunner};
use trials::{TARGETS, replay};

#[test]
#[cfg_attr(miri, ignore = "reads files")]
fn the_corpus_passes() {
    let replayed = replay::all(&replay::corpus()).unwrap();
    assert!(replayed.inputs >= TARGETS.len());
    assert!(replayed.failed.is_empty(), "{:?}", replayed.failed);
}

/// Inputs that no fuzzer chose: a floor that holds where there is none. Those that fail shrink, and are printed.
fn random(target: &str) {
    let config = Config {
        cases: if cfg!(miri) { 1 } else { 200 },
        failure_persistence: None,
        ..Config::default()
    };
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
