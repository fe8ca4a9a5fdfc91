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

const fn at_most(workload: &'static str, ours: &'static str, limit: f64) -> Goal {
    Goal {
        workload,
        ours,
        limit: Limit::AtMost(limit),
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
    times("migration", "pool", 0.35, "Go"),
    times("starvation", "pool", 0.45, "Go"),
    times("starvation, 64 threads", "pool", 0.6, "Go"),
    times("expensive new", "pool", 0.18, "Go"),
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
    // What happens seldom.
    times(
        "miss",
        "pool, 64 threads known",
        1.2,
        "pool, 1 thread known",
    ),
    at_most("first use", "pool", 1000.0),
    at_most("first use beside threads", "pool", 100.0),
    times("rotation", "1,000,000 items", 1.5, "1,000 items"),
    times("rotation that drops", "1,000,000 items", 1.5, "1,000 items"),
    at_most("memory", "pool", 5.0),
    // The ring.
    times("owner pair", "pool-dequeue", 0.90, "st3"),
    times("owner pair", "pool-dequeue", 0.75, "crossbeam-deque"),
    times("owner pair on 32", "pool-dequeue", 0.92, "st3"),
    times("owner pair on 32", "pool-dequeue", 1.5, "crossbeam-deque"),
    times("fill and drain", "pool-dequeue", 1.10, "st3"),
    times("fill and drain", "pool-dequeue", 1.1, "crossbeam-deque"),
    times("eight added singly", "pool-dequeue", 0.40, "st3"),
    times("batch of 8", "pool-dequeue", 0.40, "st3"),
    times("one thief, added singly", "pool-dequeue", 0.75, "st3"),
    times("one thief by batch", "pool-dequeue", 0.75, "st3"),
    times("three thieves, added singly", "pool-dequeue", 0.65, "st3"),
    times("three thieves by batch", "pool-dequeue", 0.65, "st3"),
    times("owner under a thief by batch", "pool-dequeue", 1.1, "st3"),
    times("owner under a thief", "pool-dequeue", 1.1, "st3"),
    times("batch of 8", "pool-dequeue", 0.3, "pool-dequeue, singles"),
    // The chain.
    times("owner pair", "pool-chain", 1.15, "pool-dequeue"),
    times("owner pair on 32", "pool-chain", 1.15, "pool-dequeue"),
    times("fill and drain", "pool-chain", 1.15, "pool-dequeue"),
    times("eight added singly", "pool-chain", 1.15, "pool-dequeue"),
    times("batch of 8", "pool-chain", 1.15, "pool-dequeue"),
    times(
        "one thief, added singly",
        "pool-chain",
        1.15,
        "pool-dequeue",
    ),
    times("one thief by batch", "pool-chain", 1.15, "pool-dequeue"),
    times(
        "three thieves, added singly",
        "pool-chain",
        1.15,
        "pool-dequeue",
    ),
    times("three thieves by batch", "pool-chain", 1.15, "pool-dequeue"),
    times(
        "owner under a thief by batch",
        "pool-chain",
        1.15,
        "pool-dequeue",
    ),
    times("owner under a thief", "pool-chain", 1.15, "pool-dequeue"),
    // The scheduler.
    times("fib", "pool-dequeue", 1.2, "crossbeam-deque"),
    times("fib", "pool-chain", 1.3, "crossbeam-deque"),
    times("fib, 2 threads", "pool-dequeue", 1.2, "crossbeam-deque"),
    times("fib, 2 threads", "pool-chain", 1.3, "crossbeam-deque"),
    times("spawn tree", "pool-dequeue", 1.05, "crossbeam-deque"),
    times("spawn tree", "pool-chain", 1.1, "crossbeam-deque"),
    times(
        "spawn tree, 2 threads",
        "pool-dequeue",
        1.05,
        "crossbeam-deque",
    ),
    times(
        "spawn tree, 2 threads",
        "pool-chain",
        1.1,
        "crossbeam-deque",
    ),
    times("small pieces", "pool-dequeue", 1.08, "crossbeam-deque"),
    times("small pieces", "pool-chain", 1.1, "crossbeam-deque"),
    times(
        "small pieces, 2 threads",
        "pool-dequeue",
        1.08,
        "crossbeam-deque",
    ),
    times(
        "small pieces, 2 threads",
        "pool-chain",
        1.1,
        "crossbeam-deque",
    ),
    times("quicksort", "pool-dequeue", 1.03, "crossbeam-deque"),
    times("quicksort", "pool-chain", 1.05, "crossbeam-deque"),
    times(
        "quicksort, 2 threads",
        "pool-dequeue",
        1.03,
        "crossbeam-deque",
    ),
    times(
        "quicksort, 2 threads",
        "pool-chain",
        1.05,
        "crossbeam-deque",
    ),
    // The value.
    times("load", "atomic-value", 1.03, "arc-swap, optional"),
    times("store", "atomic-value", 1.05, "arc-swap, optional"),
    times(
        "load",
        "atomic-value, reader",
        1.5,
        "AtomicPtr (never frees)",
    ),
    times("load", "atomic-value, reader", 0.75, "Go"),
];
