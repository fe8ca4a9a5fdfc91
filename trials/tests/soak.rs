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
        let wraps = *what == "dequeue" || *what == "chain";
        let mut soaked = run(what, enough, |_| {});
        // What starts below the wrap passes it, but for rounds in which hardly anything was stolen. On a machine that is
        // busy with other things there may be no other in this time.
        for _ in 0..20 {
            if cfg!(miri) || !wraps || soaked.wrapped > 0 {
                break;
            }
            soaked = run(what, enough, |_| {});
        }
        assert!(soaked.items > 0 && soaked.rounds > 0, "{what}: {soaked:?}");
        assert!(
            cfg!(miri) || (soaked.wrapped > 0) == wraps,
            "{what}: {soaked:?}"
        );
    }
}
