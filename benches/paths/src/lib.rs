//! The hot paths one by one: what `instructions` counts. Without a rival and without a clock, so that a run is the same
//! as the one before.

use std::hint::black_box;

use atomic_value::AtomicValue;
use pool_core::Pool;

/// A hot path, ready to run.
pub struct Path {
    /// As in the golden figures.
    pub name: &'static str,
    run: Box<dyn FnMut(u64)>,
}

impl std::fmt::Debug for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Path")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Path {
    fn new(name: &'static str, run: impl FnMut(u64) + 'static) -> Self {
        Self {
            name,
            run: Box::new(run),
        }
    }

    /// Goes along it so many times, for the caches to fill.
    pub fn warm(&mut self, operations: u64) {
        (self.run)(operations);
    }

    /// The same, inside [`measured_path`].
    pub fn measure(&mut self, operations: u64) {
        measured_path(&mut *self.run, operations);
    }
}

/// What is executed in here is counted: the counting tool looks for this name.
#[inline(never)]
#[unsafe(no_mangle)]
pub fn measured_path(run: &mut dyn FnMut(u64), operations: u64) {
    run(operations);
}

/// A multiple of every group of operations below, and of the number of takes after which a thread cache looks at the
/// clock.
pub const OPERATIONS: u64 = 102_400;

/// How many items a burst takes.
const BURST: usize = 100;

/// Items moved at once by the batches.
const BATCH: usize = 8;

/// Values that stay in a ring, so that half of them is at least a batch.
const RESIDENT: u64 = 16;

type Buffer = Vec<u8>;

fn buffer() -> Buffer {
    Vec::with_capacity(64)
}

static POOL: Pool<Buffer> = Pool::new(buffer);

/// A pool whose generation turns only when asked to: a run under a counting tool may take long.
fn calm(thread_cache: bool) -> &'static Pool<Buffer> {
    let mut builder = Pool::builder(buffer as fn() -> Buffer).rotate_manually();
    if !thread_cache {
        builder = builder.thread_cache(0);
    }
    Box::leak(Box::new(builder.build()))
}

/// All of them.
#[must_use]
pub fn all() -> Vec<Path> {
    let mut paths = pools();
    paths.extend(dequeues());
    paths.extend(chains());
    paths.extend(values());
    paths
}

fn pools() -> Vec<Path> {
    let nested = calm(true);
    let burst = calm(true);
    let empty = calm(true);
    let chains = calm(false);
    vec![
        Path::new("pool: take and put", |n| {
            for _ in 0..n {
                let mut item = POOL.take();
                black_box(&mut item);
                POOL.put(item);
            }
        }),
        Path::new("pool: get and drop", |n| {
            for _ in 0..n {
                let mut guard = POOL.get();
                black_box(&mut *guard);
            }
        }),
        Path::new("pool: take and put, 8 nested", move |n| {
            for _ in 0..n / 8 {
                let mut held: [Buffer; 8] = std::array::from_fn(|_| nested.take());
                black_box(&mut held);
                held.into_iter().for_each(|item| nested.put(item));
            }
        }),
        Path::new("pool: take and put, bursts of 100", move |n| {
            let mut held = Vec::with_capacity(BURST);
            for _ in 0..n / BURST as u64 {
                held.extend((0..BURST).map(|_| burst.take()));
                black_box(&mut held);
                held.drain(..).for_each(|item| burst.put(item));
            }
        }),
        Path::new("pool: miss", move |n| {
            for _ in 0..n {
                black_box(empty.try_take());
            }
        }),
        Path::new("pool: take and put, no thread cache", move |n| {
            for _ in 0..n {
                let mut item = chains.take();
                black_box(&mut item);
                chains.put(item);
            }
        }),
    ]
}

fn dequeues() -> Vec<Path> {
    let (mut pair, pair_thief) = pool_dequeue::bounded(64);
    let (mut tail, tail_thief) = pool_dequeue::bounded(64);
    let (mut batch, batch_thief) = pool_dequeue::bounded(64);
    let (mut heads, heads_thief) = pool_dequeue::bounded(64);
    batch.push_head_batch(0..RESIDENT);
    heads.push_head_batch(0..RESIDENT);
    vec![
        Path::new("dequeue: push_head and pop_head", move |n| {
            // A ring without the other end may know that nobody can steal.
            let _other = &pair_thief;
            for value in 0..n {
                let _ = black_box(pair.push_head(black_box(value)));
                black_box(pair.pop_head());
            }
        }),
        Path::new("dequeue: push_head and pop_tail", move |n| {
            for value in 0..n {
                let _ = black_box(tail.push_head(black_box(value)));
                black_box(tail_thief.pop_tail());
            }
        }),
        Path::new("dequeue: push and pop_tail by 8", move |n| {
            for value in 0..n / BATCH as u64 {
                batch.push_head_batch([black_box(value); BATCH]);
                batch_thief.pop_tail_batch(BATCH).for_each(|value| {
                    black_box(value);
                });
            }
        }),
        Path::new("dequeue: push and pop_head by 8", move |n| {
            let _other = &heads_thief;
            for value in 0..n / BATCH as u64 {
                heads.push_head_batch([black_box(value); BATCH]);
                heads.pop_head_batch(BATCH).for_each(|value| {
                    black_box(value);
                });
            }
        }),
    ]
}

fn chains() -> Vec<Path> {
    let (mut pair, pair_thief) = pool_chain::unbounded();
    let (mut tail, tail_thief) = pool_chain::unbounded();
    let (mut batch, batch_thief) = pool_chain::unbounded();
    batch.push_head_batch(0..RESIDENT);
    vec![
        Path::new("chain: push_head and pop_head", move |n| {
            let _other = &pair_thief;
            for value in 0..n {
                pair.push(black_box(value));
                black_box(pair.pop_head());
            }
        }),
        Path::new("chain: push_head and pop_tail", move |n| {
            for value in 0..n {
                tail.push(black_box(value));
                black_box(tail_thief.pop_tail());
            }
        }),
        Path::new("chain: push and pop_tail by 8", move |n| {
            for value in 0..n / BATCH as u64 {
                batch.push_head_batch([black_box(value); BATCH]);
                batch_thief.pop_tail_batch(BATCH).for_each(|value| {
                    black_box(value);
                });
            }
        }),
    ]
}

fn values() -> Vec<Path> {
    static VALUE: AtomicValue<u64> = AtomicValue::empty();
    VALUE.store(1);
    let stored = AtomicValue::new(1);
    vec![
        Path::new("value: load", |n| {
            for _ in 0..n {
                black_box(VALUE.load().as_deref());
            }
        }),
        Path::new("value: reader().load", |n| {
            let mut reader = VALUE.reader();
            for _ in 0..n {
                black_box(reader.load());
            }
        }),
        Path::new("value: store", move |n| {
            for value in 0..n {
                stored.store(value);
            }
        }),
    ]
}

/// Makes sure that what is to be counted is what users get: where the system has no barrier for it, a pool works
/// without thread caches, and every figure would be another one.
///
/// # Panics
///
/// When it is not.
pub fn check() {
    let pool = calm(true);
    for _ in 0..OPERATIONS {
        pool.put(pool.take());
    }
    let stats = pool.stats();
    assert!(
        stats.cache_hits > stats.chain_hits,
        "pools have thread caches here: {stats:?}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_can_be_gone_along_again_and_again() {
        check();
        let mut names = std::collections::HashSet::new();
        for mut path in all() {
            assert!(names.insert(path.name), "{path:?} twice");
            path.warm(BURST as u64);
            path.measure(BURST as u64);
        }
        assert_eq!(POOL.stats().creates, 1, "one item is enough");
    }
}
