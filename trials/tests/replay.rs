//! The fuzzer's corpus and many random inputs, as part of the plain test run.

#![cfg(not(pool_loom))]

use std::panic::{self, AssertUnwindSafe};

use trials::{TARGETS, replay};

#[test]
#[cfg_attr(miri, ignore = "reads files")]
fn the_corpus_passes() {
    let replayed = replay::all(&replay::corpus()).unwrap();
    assert!(replayed.inputs >= TARGETS.len());
    assert!(replayed.failed.is_empty(), "{:?}", replayed.failed);
}

/// Inputs that no fuzzer chose: a floor that holds where there is none.
#[test]
fn random_inputs() {
    let (inputs, length) = if cfg!(miri) { (1, 20) } else { (300, 200) };
    let mut state = 1_u64;
    for round in 0..inputs {
        for (name, run) in TARGETS {
            let input: Vec<u8> = (0..length)
                .map(|_| {
                    state = state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    (state >> 56) as u8
                })
                .collect();
            if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(|| run(&input))) {
                eprintln!("{name}, input {round}: {input:?}");
                panic::resume_unwind(payload);
            }
        }
    }
}
