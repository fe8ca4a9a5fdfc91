//! What several test files need: values that count their drops, chains of every kind, choices that repeat.
// Each test file uses the part that it needs.
#![allow(dead_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pool_chain::{Consumer, Limited, MAX_CAPACITY, Producer, try_with_limit_at};

/// A count of values: less under Miri, which is slow, and where the indices are so narrow that the chain has
/// to make a ring of every few values.
pub(crate) const fn scaled(full: usize, small: usize) -> usize {
    if cfg!(miri) || MAX_CAPACITY < 1 << 14 {
        small
    } else {
        full
    }
}

/// The index `count` steps below the wrap.
pub(crate) const fn below_the_wrap(count: u32) -> u32 {
    0u32.wrapping_sub(count)
}

/// A push that has to find room, under the name that it has where there is no limit.
pub(crate) trait Push<T> {
    fn push(&mut self, value: T);
}

impl<T> Push<T> for Producer<T, Limited> {
    #[track_caller]
    fn push(&mut self, value: T) {
        assert!(self.push_head(value).is_ok());
    }
}

/// Runs a test with a chain whose limit is never met, and with two whose indices wrap soon.
pub(crate) fn with_chains<T>(test: impl Fn(Producer<T, Limited>, Consumer<T>)) {
    for (limit, origin) in [
        (usize::MAX, 0),
        (usize::MAX, below_the_wrap(1)),
        (usize::MAX, below_the_wrap(500)),
    ] {
        let (producer, consumer) = try_with_limit_at(limit, origin).expect("a limit");
        test(producer, consumer);
    }
}

/// Counts the drops of the values that it makes: each must be dropped once.
#[derive(Clone, Default)]
pub(crate) struct Drops(Arc<Vec<AtomicUsize>>);

impl Drops {
    pub(crate) fn new(values: usize) -> Self {
        Self(Arc::new((0..values).map(|_| AtomicUsize::new(0)).collect()))
    }

    /// The value with this number.
    pub(crate) fn value(&self, number: usize) -> Counted {
        Counted {
            number,
            drops: self.clone(),
            panics: false,
        }
    }

    /// The same, and its destructor panics after counting.
    pub(crate) fn panicking_value(&self, number: usize) -> Counted {
        let mut value = self.value(number);
        value.panics = true;
        value
    }

    /// How often each value has been dropped, by number.
    pub(crate) fn counts(&self) -> Vec<usize> {
        self.0.iter().map(|n| n.load(Ordering::Relaxed)).collect()
    }

    /// Fails unless each value has been dropped once.
    #[track_caller]
    pub(crate) fn assert_once_each(&self) {
        assert_eq!(self.counts(), vec![1; self.0.len()]);
    }
}

/// A value that counts its drops and owns memory, so that a double drop is seen by tools as well.
pub(crate) struct Counted {
    pub(crate) number: usize,
    drops: Drops,
    panics: bool,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.drops.0[self.number].fetch_add(1, Ordering::Relaxed);
        if self.panics {
            panic!("destructor of {}", self.number);
        }
    }
}

/// A small, fast and repeatable source of choices.
pub(crate) struct Choices(u64);

impl Choices {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % bound
    }
}
