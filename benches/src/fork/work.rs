//! What runs on the scheduler: recursion without end, a tree of spawned jobs, a loop in small pieces, a sort.

use std::hint::black_box;

use super::Deque;
use super::runtime::{Worker, run};
use crate::measure::{Sample, process_cpu};

/// One round of a task.
pub type Round<D> = Box<dyn FnMut(&mut Worker<'_, D>)>;

/// Something to compute on the scheduler, again and again.
pub struct Task<D: Deque> {
    /// How many operations one round of it counts for.
    pub operations: u64,
    /// One round. The first checks the result.
    pub round: Round<D>,
}

impl<D: Deque> std::fmt::Debug for Task<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Task")
            .field("operations", &self.operations)
            .finish_non_exhaustive()
    }
}

/// Runs a task on so many threads. Counts all threads' CPU time for each of its operations.
pub fn timed<D: Deque>(task: &mut Task<D>, threads: usize, operations: u64) -> Sample {
    let rounds = operations.div_ceil(task.operations);
    let took = run::<D, _>(threads, |worker| {
        let start = process_cpu();
        for _ in 0..rounds {
            (task.round)(worker);
        }
        process_cpu() - start
    });
    Sample {
        cost: took as f64 / (rounds * task.operations) as f64,
        seconds: took as f64 / 1e9,
    }
}

/// The argument of [`fib`].
const FIB: u64 = 20;

/// The Fibonacci numbers by their definition, with a join at each call. Counts joins.
#[must_use]
pub fn fib<D: Deque>() -> Task<D> {
    fn fib<D: Deque>(worker: &mut Worker<'_, D>, n: u64) -> u64 {
        if n < 2 {
            return n;
        }
        let (a, b) = worker.join(|worker| fib(worker, n - 1), |worker| fib(worker, n - 2));
        a + b
    }
    Task {
        operations: 10_945,
        round: Box::new(|worker| assert_eq!(fib(worker, black_box(FIB)), 6_765)),
    }
}

/// Something that takes a few nanoseconds.
fn mixed(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// How many nodes the tree has.
const NODES: usize = 4_095;

/// A tree whose nodes are jobs: each does a little, spawns two more in a scope of its own, and waits for them. Counts
/// nodes.
#[must_use]
pub fn tree<D: Deque>() -> Task<D> {
    fn node<D: Deque>(worker: &mut Worker<'_, D>, nodes: &mut [u64]) {
        let Some((this, below)) = nodes.split_first_mut() else {
            return;
        };
        *this = mixed(*this);
        if below.is_empty() {
            return;
        }
        let (left, right) = below.split_at_mut(below.len() / 2);
        worker.scope(|scope, worker| {
            for child in [left, right] {
                scope.spawn(worker, |_, worker| node(worker, child));
            }
        });
    }
    let mut nodes: Vec<u64> = (0..NODES as u64).collect();
    let mut expected = Some(nodes.iter().copied().map(mixed).collect::<Vec<_>>());
    Task {
        operations: NODES as u64,
        round: Box::new(move |worker| {
            node(worker, &mut nodes);
            if let Some(expected) = expected.take() {
                assert_eq!(nodes, expected);
            }
        }),
    }
}

/// How many elements the loop goes over, and how many are a piece.
const ELEMENTS: usize = 1 << 14;
const PIECE: usize = 8;

/// A loop over a slice that is halved down to small pieces. Counts pieces.
#[must_use]
pub fn pieces<D: Deque>() -> Task<D> {
    fn change<D: Deque>(worker: &mut Worker<'_, D>, values: &mut [u64]) {
        if values.len() <= PIECE {
            for value in values {
                *value = mixed(*value);
            }
            return;
        }
        let (left, right) = values.split_at_mut(values.len() / 2);
        worker.join(
            |worker| change(worker, left),
            |worker| change(worker, right),
        );
    }
    let mut values: Vec<u64> = (0..ELEMENTS as u64).collect();
    let mut expected = Some(values.iter().copied().map(mixed).collect::<Vec<_>>());
    Task {
        operations: (ELEMENTS / PIECE) as u64,
        round: Box::new(move |worker| {
            change(worker, &mut values);
            if let Some(expected) = expected.take() {
                assert_eq!(values, expected);
            }
        }),
    }
}

/// How many values are sorted, and how few are left to the library.
const VALUES: usize = 1 << 14;
const FEW: usize = 32;

/// Quicksort, with a join at each partition. Counts values.
#[must_use]
pub fn quicksort<D: Deque>() -> Task<D> {
    fn sort<D: Deque>(worker: &mut Worker<'_, D>, values: &mut [u64]) {
        if values.len() <= FEW {
            values.sort_unstable();
            return;
        }
        let last = values.len() - 1;
        // The middle one of three, moved to the end.
        let mut three = [0, last / 2, last];
        three.sort_unstable_by_key(|at| values[*at]);
        values.swap(three[1], last);
        let pivot = values[last];
        let mut middle = 0;
        for at in 0..last {
            if values[at] < pivot {
                values.swap(at, middle);
                middle += 1;
            }
        }
        values.swap(middle, last);
        let (left, right) = values.split_at_mut(middle);
        worker.join(
            |worker| sort(worker, left),
            |worker| sort(worker, &mut right[1..]),
        );
    }
    let shuffled: Vec<u64> = (0..VALUES as u64).map(mixed).collect();
    let mut values = shuffled.clone();
    let mut expected = Some(shuffled.clone());
    Task {
        operations: VALUES as u64,
        round: Box::new(move |worker| {
            values.copy_from_slice(&shuffled);
            sort(worker, &mut values);
            if let Some(mut expected) = expected.take() {
                expected.sort_unstable();
                assert_eq!(values, expected);
            }
        }),
    }
}
