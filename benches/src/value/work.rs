//! The workloads of values, each written once for all contenders.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Config, Swap, Value};
use crate::measure::{Sample, on_threads};

/// Reads the limit, over and over.
#[inline(never)]
pub fn load<V: Value>(value: &V, loads: u64) {
    let mut reader = value.reader();
    let mut sum = 0u64;
    for _ in 0..loads {
        sum = sum.wrapping_add(V::limit(&mut reader));
    }
    black_box(sum);
}

/// The same on several threads, while another one stores as fast as a value changes in a busy program: a store, then a
/// thousand turns of doing nothing. Counts the loads and their CPU time alone.
pub fn load_beside_writer<V: Value>(readers: usize, loads: u64) -> Sample {
    let value = V::new(Config::new(1));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut n = 0;
            while !stop.load(Ordering::Relaxed) {
                n += 1;
                value.store(Config::new(n));
                for _ in 0..1000 {
                    std::hint::spin_loop();
                }
            }
        });
        let sample = on_threads(readers, loads, || load(&value, 10), |n| load(&value, n));
        stop.store(true, Ordering::Relaxed);
        sample
    })
}

/// Replaces the value.
#[inline(never)]
pub fn store<V: Value>(value: &V, stores: u64) {
    for n in 0..stores {
        value.store(Config::new(n));
    }
}

/// Replaces the value and looks at the old one.
#[inline(never)]
pub fn swap<V: Swap>(value: &V, swaps: u64) {
    for n in 0..swaps {
        black_box(value.swap(Config::new(n)));
    }
}

/// Makes a new value of the old one.
#[inline(never)]
pub fn update<V: Swap>(value: &V, updates: u64) {
    for _ in 0..updates {
        value.update(|config| Config::new(config.limit + 1));
    }
}
