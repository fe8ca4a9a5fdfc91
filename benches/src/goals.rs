//! What the design promises about speed, as data.

/// One promise: a contender's cost in a workload is at most so much.
#[derive(Clone, Copy, Debug)]
pub struct Goal {
    /// The workload it is about.
    pub workload: &'static str,
    /// The contender it is about.
    pub ours: &'static str,
    /// Its measure.
    pub limit: Limit,
}

/// The measure of a promise.
#[derive(Clone, Copy, Debug)]
pub enum Limit {
    /// At most so many times what this contender costs in the same rounds.
    Times(f64, &'static str),
    /// At most this, in the workload's unit.
    AtMost(f64),
}

const fn times(
    workload: &'static str,
    ours: &'static str,
    ratio: f64,
    rival: &'static str,
) -> Goal {
    Goal {
        workload,
        ours,
        limit: Limit::Times(ratio, rival),
    }
}

/// All promises.
pub const GOALS: &[Goal] = &[
    // Against the limits.
    times("hot", "pool", 1.45, "thread-local cell"),
    times("hot", "pool, guard", 1.15, "pool"),
    times("hot, boxed", "pool", 0.85, "thread-local Vec"),
    times("nested 8", "pool", 1.0, "thread-local Vec"),
    times("burst 100", "pool", 1.35, "thread-local Vec"),
    // Against Go.
    times("hot", "pool", 0.30, "Go"),
    times("nested 8", "pool", 0.18, "Go"),
    times("burst 100", "pool", 0.22, "Go"),
    times("hot, 64 threads", "pool", 0.30, "Go"),
    // Against Rust's pools and the allocators.
    times("hot", "pool", 1.1, "regex-automata"),
    times("hot", "pool", 0.2, "regex-automata, not owner"),
    times("hot", "pool", 0.17, "opool"),
    times("hot", "pool", 0.17, "object-pool"),
    times("hot", "pool", 0.17, "lockfree-object-pool"),
    times("hot", "pool", 0.17, "sharded-slab"),
    times("hot", "pool", 0.42, "malloc"),
    times("nested 8", "pool", 0.65, "mimalloc"),
    // Against itself, as threads are added.
    times("hot, 2 threads", "pool", 1.15, "pool, one thread"),
    times("hot, 8 threads", "pool", 1.15, "pool, one thread"),
    times("hot, 32 threads", "pool", 1.15, "pool, one thread"),
    times("hot, 64 threads", "pool", 1.15, "pool, one thread"),
    // The ring.
    times("owner pair", "pool-dequeue", 1.0, "st3"),
    times("owner pair", "pool-dequeue", 0.52, "crossbeam-deque"),
    times("fill and drain", "pool-dequeue", 1.0, "st3"),
    times("fill and drain", "pool-dequeue", 0.8, "crossbeam-deque"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload;

    #[test]
    fn goals_name_what_exists() {
        for goal in GOALS {
            let found = workload::find(goal.workload)
                .unwrap_or_else(|| panic!("no workload {}", goal.workload));
            let entrants = (found.entrants)(&None);
            let known = |name| name == "Go" || entrants.iter().any(|entrant| entrant.name == name);
            assert!(known(goal.ours), "{goal:?}");
            if let Limit::Times(_, rival) = goal.limit {
                assert!(known(rival), "{goal:?}");
            }
        }
    }
}
