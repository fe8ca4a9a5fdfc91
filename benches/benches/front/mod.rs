//! The workloads of a layer through criterion: for its statistics, its comparison with the last run and its filters.
//!
//! Criterion measures one contender after the other. To compare contenders use `cargo xtask bench`, which lets them take
//! turns; this is for watching one of them while it is changed.

use std::time::Duration;

use benches::workload::{Layer, WORKLOADS};
use criterion::Criterion;

/// All workloads of a layer whose figures are costs of an operation.
pub(crate) fn run(layer: Layer) {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(500))
        .configure_from_args();
    for workload in WORKLOADS.iter().filter(|workload| workload.layer == layer) {
        let entrants = (workload.entrants)(&None);
        // A fixed number of operations means that something else is counted: memory, or items made.
        if entrants.iter().all(|entrant| entrant.fixed().is_some()) {
            continue;
        }
        let mut group = criterion.benchmark_group(workload.name);
        for mut entrant in entrants {
            group.bench_function(entrant.name, |bencher| {
                bencher.iter_custom(|operations| {
                    let sample = entrant.try_out(operations);
                    Duration::from_secs_f64(sample.cost * operations as f64 / 1e9)
                });
            });
        }
        group.finish();
    }
    criterion.final_summary();
}
