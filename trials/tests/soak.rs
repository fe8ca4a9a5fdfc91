//! A short soak of each structure, in the plain test run; `cargo xtask faults --deep` soaks for long.

use std::time::Duration;

use trials::soak::{Enough, SOAKS, run};

#[test]
fn a_short_soak() {
    for what in SOAKS {
        let enough = Enough {
            moved: 1,
            time: if cfg!(miri) {
                Duration::ZERO
            } else {
                Duration::from_millis(700)
            },
        };
        let soaked = run(what, enough, |_| {});
        assert!(soaked.items > 0 && soaked.rounds > 0, "{what}: {soaked:?}");
        // What starts below the wrap passes it, but for a round in which hardly anything was stolen.
        let wraps = *what == "dequeue" || *what == "chain";
        assert!(
            cfg!(miri) || (soaked.wrapped > 0) == wraps,
            "{what}: {soaked:?}"
        );
    }
}
