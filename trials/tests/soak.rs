//! A short soak of each structure, in the plain test run; `cargo xtask faults --deep` soaks for long.

use std::time::Duration;

use trials::soak::{Enough, SOAKS, run};

#[test]
fn a_short_soak() {
    for what in SOAKS {
        let enough = Enough {
            operations: 1,
            time: if cfg!(miri) {
                Duration::ZERO
            } else {
                Duration::from_millis(700)
            },
        };
        let soaked = run(what, enough, |_| {});
        assert!(soaked.items > 0 && soaked.rounds > 0, "{what}: {soaked:?}");
    }
}
