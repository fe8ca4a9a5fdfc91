//! Go's tests of `atomic.Value` (`sync/atomic/value_test.go`), by name, with the property kept.
//!
//! Each runs on [`AnyValue`], which is Go's type, and where it means something on [`AtomicValue`]. What makes
//! Go panic is an error here, or does not compile; the latter cases are in `src/compile_fail.rs`.

#![cfg(not(pool_loom))]

use std::any::Any;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use atomic_value::{AnyCompareError, AnyValue, AtomicValue};

/// What `AnyValue` holds, by value.
fn load<T: Any + Send + Sync + Clone>(value: &AnyValue) -> Option<T> {
    value.load::<T>().unwrap().map(|guard| T::clone(&guard))
}

#[test]
fn test_value() {
    let value = AnyValue::empty();
    assert!(value.load_any().is_none(), "initial value is not nil");
    value.store(42_i32).unwrap();
    assert_eq!(load(&value), Some(42_i32));
    value.store(84_i32).unwrap();
    assert_eq!(load(&value), Some(84_i32));

    let value = AtomicValue::empty();
    assert!(value.load().is_none());
    value.store(42);
    assert_eq!(*value.load().unwrap(), 42);
    value.store(84);
    assert_eq!(*value.load().unwrap(), 84);
}

/// A payload of more than one word.
#[test]
fn test_value_large() {
    let value = AnyValue::empty();
    assert!(value.load_any().is_none());
    value.store("foo").unwrap();
    assert_eq!(load(&value), Some("foo"));
    value.store("barbaz").unwrap();
    assert_eq!(load(&value), Some("barbaz"));

    let value = AtomicValue::empty();
    value.store("foo".to_string());
    assert_eq!(*value.load().unwrap(), "foo");
    value.store("barbaz".to_string());
    assert_eq!(*value.load().unwrap(), "barbaz");
}

/// Another type is refused, with a message that names both. There is no nil to refuse: what comes closest
/// to it is a type like any other.
#[test]
fn test_value_panic() {
    let value = AnyValue::empty();
    value.store(42_i32).unwrap();
    let refused = value.store("foo").unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the value holds `i32`, not `&str`",
        "the message names both types"
    );
    assert_eq!(refused.into_inner(), "foo");
    let refused = value.store(None::<i32>).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the value holds `i32`, not `core::option::Option<i32>`"
    );
    let refused = value.load::<u8>().unwrap_err();
    assert_eq!((refused.stored(), refused.given()), ("i32", "u8"));
    assert_eq!(
        load(&value),
        Some(42_i32),
        "the refused values left no trace"
    );

    let value = AnyValue::empty();
    value.store(None::<i32>).unwrap();
    assert!(!value.is_empty(), "`None` is a value");
    assert_eq!(load(&value), Some(None::<i32>));
    assert!(value.store(42_i32).is_err());
}

/// Only what was stored is ever seen, at several widths: no value is torn.
#[test]
fn test_value_concurrent() {
    concurrent([0_u16, !0, 1 + (2 << 8), 3 + (4 << 8)]);
    concurrent([0_u32, !0, 1 + (2 << 16), 3 + (4 << 16)]);
    concurrent([0_u64, !0, 1 + (2 << 32), 3 + (4 << 32)]);
    concurrent([(0.0, 0.0), (1.0, 2.0), (3.0, 4.0), (5.0, 6.0)]);
}

fn concurrent<T: Any + Send + Sync + Copy + PartialEq + Debug>(values: [T; 4]) {
    const ROUNDS: usize = if cfg!(miri) { 20 } else { 3_000 };
    let threads = if cfg!(miri) { 3 } else { 4 * cpus() };
    let dynamic = AnyValue::empty();
    let typed = AtomicValue::empty();
    thread::scope(|scope| {
        for thread in 0..threads {
            let (dynamic, typed) = (&dynamic, &typed);
            scope.spawn(move || {
                let mut random = Random::new(thread);
                let mut reader = typed.reader();
                for _ in 0..ROUNDS {
                    let new = values[random.below(values.len())];
                    dynamic.store(new).unwrap();
                    typed.store(new);
                    let seen = [
                        load::<T>(dynamic).unwrap(),
                        *typed.load().unwrap(),
                        *reader.load().unwrap(),
                    ];
                    for seen in seen {
                        assert!(values.contains(&seen), "{seen:?} was never stored");
                    }
                }
            });
        }
    });
}

fn cpus() -> usize {
    thread::available_parallelism().map_or(2, Into::into)
}

/// A small generator: every test run does the same.
struct Random(u64);

impl Random {
    fn new(seed: usize) -> Self {
        Self(seed as u64 * 2 + 1)
    }

    fn below(&mut self, limit: usize) -> usize {
        // Marsaglia's xorshift.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

/// Go's table: what was there, what is swapped in, what comes out. Its first line (a nil) cannot be written
/// down.
#[test]
fn test_value_swap() {
    let fresh = AnyValue::empty();
    assert!(fresh.swap(true).unwrap().is_none(), "nil, true: nil");
    assert_eq!(load(&fresh), Some(true));

    let value = AnyValue::new(true);
    let refused = value.swap("").unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the value holds `bool`, not `&str`",
        "true, \"\": inconsistently typed"
    );
    assert_eq!(load(&value), Some(true));

    assert!(*value.swap(false).unwrap().unwrap(), "true, false: true");
    assert_eq!(load(&value), Some(false));

    let value = AtomicValue::empty();
    assert!(value.swap(true).is_none());
    assert!(*value.swap(false).unwrap());
    assert!(!*value.load().unwrap());
}

/// Distinct numbers are swapped in by all threads: each comes out once, or is there at the end.
#[test]
fn test_value_swap_concurrent() {
    const THREADS: u64 = if cfg!(miri) { 3 } else { 16 };
    const EACH: u64 = if cfg!(miri) { 20 } else { 10_000 };
    let dynamic = AnyValue::empty();
    let typed = AtomicValue::empty();
    let sums = [AtomicU64::new(0), AtomicU64::new(0)];
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (dynamic, typed, sums) = (&dynamic, &typed, &sums);
            scope.spawn(move || {
                let mut sum = [0; 2];
                for new in thread * EACH..(thread + 1) * EACH {
                    sum[0] += dynamic.swap(new).unwrap().map_or(0, |old| *old);
                    sum[1] += typed.swap(new).map_or(0, |old| *old);
                }
                sums[0].fetch_add(sum[0], Ordering::Relaxed);
                sums[1].fetch_add(sum[1], Ordering::Relaxed);
            });
        }
    });
    let [dynamic_sum, typed_sum] = sums.map(AtomicU64::into_inner);
    let expected = (0..THREADS * EACH).sum();
    assert_eq!(dynamic_sum + load::<u64>(&dynamic).unwrap(), expected);
    assert_eq!(typed_sum + *typed.load().unwrap(), expected);
}

/// Go's table. Missing are a new nil, and an old value of another type than the new one: neither can be
/// written down.
#[test]
fn test_value_compare_and_swap() {
    fn swapped<T: Any + Send + Sync + PartialEq>(
        init: Option<T>,
        old: Option<T>,
        new: T,
    ) -> Result<(), String> {
        let value = AnyValue::empty();
        if let Some(init) = init {
            value.store(init).unwrap();
        }
        match value.compare_and_swap(old.as_ref(), new) {
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    let empty = Err("the value is empty, and not the expected one".to_string());
    let unequal = Err("the value is not the expected one".to_string());
    assert_eq!(swapped(None, Some(true), true), empty);
    assert_eq!(swapped(None, None, true), Ok(()));
    assert_eq!(swapped(Some(true), Some(false), true), unequal);
    assert_eq!(swapped(Some(true), Some(true), true), Ok(()));
    // Not in Go's table: expecting nil of what is not empty.
    assert_eq!(swapped(Some(true), None, true), unequal);

    let value = AnyValue::new(true);
    let refused = value.compare_and_swap(None, "").unwrap_err();
    assert!(
        matches!(&refused, AnyCompareError::TypeMismatch(_)),
        "true, \"\": inconsistently typed"
    );
    assert_eq!(refused.to_string(), "the value holds `bool`, not `&str`");
    assert_eq!(load(&value), Some(true));

    // Equal, though not the same object: two boxes on the heap.
    let (a, b) = (Box::new([0_u32]), Box::new([0_u32]));
    assert_eq!(swapped(Some(a), Some(b), Box::new([1])), Ok(()));

    let value = AtomicValue::empty();
    assert!(value.compare_and_swap(Some(&1), 2).is_err());
    assert!(value.is_empty());
    assert!(value.compare_and_swap(None, 1).is_ok());
    assert!(value.compare_and_swap(None, 2).is_err());
    assert!(value.compare_and_swap(Some(&3), 2).is_err());
    assert_eq!(*value.load().unwrap(), 1);
    assert!(value.compare_and_swap(Some(&1), 2).is_ok());
    assert_eq!(*value.load().unwrap(), 2);
}

/// Each thread takes the counter on from its own residues, and from nowhere else: it ends where it must.
#[test]
fn test_value_compare_and_swap_concurrent() {
    const THREADS: u32 = if cfg!(miri) { 3 } else { 8 };
    const EACH: u32 = if cfg!(miri) { 4 } else { 300 };
    let dynamic = AnyValue::new(0_u32);
    let typed = AtomicValue::new(0_u32);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (dynamic, typed) = (&dynamic, &typed);
            scope.spawn(move || {
                let (mut next, mut next_typed) = (thread, thread);
                while next < THREADS * EACH || next_typed < THREADS * EACH {
                    if next < THREADS * EACH
                        && dynamic.compare_and_swap(Some(&next), next + 1).is_ok()
                    {
                        next += THREADS;
                    }
                    if next_typed < THREADS * EACH
                        && typed
                            .compare_and_swap(Some(&next_typed), next_typed + 1)
                            .is_ok()
                    {
                        next_typed += THREADS;
                    }
                    thread::yield_now();
                }
            });
        }
    });
    assert_eq!(load(&dynamic), Some(THREADS * EACH));
    assert_eq!(*typed.load().unwrap(), THREADS * EACH);
}
