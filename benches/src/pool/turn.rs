//! What turning the generation costs, and what a pool's first use does: single calls, timed one by one.

use std::cell::{Cell, RefCell};

use pool_core::Pool;

use super::{Contender, leaked};
use crate::item::Item;
use crate::measure::{Sample, thread_cpu};

/// How many rotations a figure is the median of: a pool can be turned once before it must be filled again, and a single
/// short call is easily disturbed.
const TURNS: usize = 5;

/// The pause of a rotation of a pool with so many items in it, none of which has to be dropped yet.
#[must_use]
pub fn rotation(items: u64) -> Sample {
    median_of(|| one_rotation(items))
}

/// The same of the rotation that drops them all, up to the first destructor.
#[must_use]
pub fn rotation_that_drops(items: u64) -> Sample {
    median_of(|| one_rotation_that_drops(items))
}

fn median_of(once: impl Fn() -> u64) -> Sample {
    let mut took = [(); TURNS].map(|()| once());
    took.sort_unstable();
    Sample {
        cost: took[TURNS / 2] as f64,
        seconds: took.iter().sum::<u64>() as f64 / 1e9,
    }
}

/// Drives everything out of the caches. A generation lasts many seconds, so whoever turns it finds them cold, and a pool
/// that has just been filled with many items has driven out more than one with few.
fn cool() {
    const LINE: usize = 64;
    thread_local! {
        static OTHER: RefCell<Vec<u8>> = RefCell::new(vec![0; 96 << 20]);
    }
    OTHER.with_borrow_mut(|other| {
        for byte in other.iter_mut().step_by(LINE) {
            *byte = byte.wrapping_add(1);
        }
        std::hint::black_box(other);
    });
}

fn one_rotation(items: u64) -> u64 {
    let pool: Pool<u64> = Pool::builder((|| 0) as fn() -> u64)
        .rotate_manually()
        .build();
    (0..items).for_each(|item| pool.put(item));
    assert_eq!(pool.stats().idle as u64, items, "the pool keeps all");
    cool();
    let start = thread_cpu();
    pool.rotate();
    let took = thread_cpu() - start;
    assert_eq!(
        pool.stats().idle as u64,
        items,
        "the victims are still there"
    );
    took
}

thread_local! {
    /// When the first of the [`Witness`]es on this thread was dropped, in its CPU time.
    static FIRST_DROP: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Notes when it is dropped.
struct Witness;

impl Drop for Witness {
    fn drop(&mut self) {
        if FIRST_DROP.get().is_none() {
            FIRST_DROP.set(Some(thread_cpu()));
        }
    }
}

fn one_rotation_that_drops(items: u64) -> u64 {
    let pool: Pool<(u64, Witness)> = Pool::builder((|| (0, Witness)) as fn() -> _)
        .rotate_manually()
        .build();
    (0..items).for_each(|item| pool.put((item, Witness)));
    pool.rotate();
    FIRST_DROP.set(None);
    cool();
    let start = thread_cpu();
    pool.rotate();
    let first = FIRST_DROP.take().expect("idle for two rotations");
    assert_eq!(pool.stats().idle, 0, "idle for two rotations");
    first - start
}

/// The first take and put of each of many new pools by a thread that knows other pools.
pub fn first_use<T: Item, C: Contender<T>>(pools: u64) -> Sample {
    // The thread's own part is made once for all pools.
    let known: &C = leaked::<T, C>();
    known.put(known.take());
    let fresh: Vec<C> = (0..pools).map(|_| C::new()).collect();
    let start = thread_cpu();
    for pool in &fresh {
        pool.put(pool.take());
    }
    let took = thread_cpu() - start;
    Sample {
        cost: took as f64 / pools as f64,
        seconds: took as f64 / 1e9,
    }
}

/// A pool that so many threads have used, all of which are alive, and which is empty.
#[must_use]
pub fn known_to(threads: usize) -> &'static super::ours::Local<u64> {
    let pool = Box::leak(Box::new(<super::ours::Local<u64> as Contender<u64>>::new()));
    let pool = &*pool;
    let barrier = std::sync::Arc::new(std::sync::Barrier::new(threads + 1));
    for _ in 0..threads {
        let barrier = std::sync::Arc::clone(&barrier);
        std::thread::spawn(move || {
            for _ in 0..100 {
                pool.0.put(7);
                while pool.0.try_take().is_some() {}
            }
            barrier.wait();
            // Stays for the rest of the process.
            loop {
                std::thread::park();
            }
        });
    }
    barrier.wait();
    assert_eq!(pool.0.stats().idle, 0, "every thread emptied its cache");
    pool
}
