//! One vocabulary for every form of the ring, so that each test body runs over all of them.
// Each test file uses the part that it needs.
#![allow(dead_code, unused_imports, unused_macros)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[cfg(feature = "alloc")]
use pool_dequeue::{Consumer, Producer, try_bounded_at};
use pool_dequeue::{ConsumerRef, Full, InlineRing, MAX_CAPACITY, ProducerRef};

/// The producing end, whatever ring it belongs to.
pub(crate) trait Head<T>: Send {
    fn push(&mut self, value: T) -> Result<(), Full<T>>;
    fn pop(&mut self) -> Option<T>;
    fn push_batch(&mut self, values: &mut dyn Iterator<Item = T>) -> usize;
    fn pop_batch(&mut self, max: usize) -> impl ExactSizeIterator<Item = T>;
    fn len(&self) -> usize;
    fn is_empty(&self) -> bool;
    fn capacity(&self) -> usize;
}

/// The consuming end, whatever ring it belongs to.
pub(crate) trait Tail<T>: Clone + Send + Sync {
    fn pop(&self) -> Option<T>;
    fn pop_batch(&self, max: usize) -> impl ExactSizeIterator<Item = T>;
    fn len(&self) -> usize;
    fn is_empty(&self) -> bool;
    fn capacity(&self) -> usize;
}

macro_rules! ends {
    ($(#[$meta:meta])* $head:ident<$($arg:tt),+>, $tail:ident) => {
        $(#[$meta])*
        impl<T: Send> Head<T> for $head<$($arg),+> {
            fn push(&mut self, value: T) -> Result<(), Full<T>> {
                self.push_head(value)
            }
            fn pop(&mut self) -> Option<T> {
                self.pop_head()
            }
            fn push_batch(&mut self, values: &mut dyn Iterator<Item = T>) -> usize {
                self.push_head_batch(values)
            }
            fn pop_batch(&mut self, max: usize) -> impl ExactSizeIterator<Item = T> {
                self.pop_head_batch(max)
            }
            fn len(&self) -> usize {
                $head::len(self)
            }
            fn is_empty(&self) -> bool {
                $head::is_empty(self)
            }
            fn capacity(&self) -> usize {
                $head::capacity(self)
            }
        }

        $(#[$meta])*
        impl<T: Send> Tail<T> for $tail<$($arg),+> {
            fn pop(&self) -> Option<T> {
                self.pop_tail()
            }
            fn pop_batch(&self, max: usize) -> impl ExactSizeIterator<Item = T> {
                self.pop_tail_batch(max)
            }
            fn len(&self) -> usize {
                $tail::len(self)
            }
            fn is_empty(&self) -> bool {
                $tail::is_empty(self)
            }
            fn capacity(&self) -> usize {
                $tail::capacity(self)
            }
        }
    };
}

ends!(#[cfg(feature = "alloc")] Producer<T>, Consumer);
ends!(ProducerRef<'_, T>, ConsumerRef);

/// A form of ring: makes one, and runs a test over its ends.
pub(crate) trait Form {
    type Head<'a, T: Send + 'a>: Head<T>;
    type Tail<'a, T: Send + 'a>: Tail<T>;

    /// Runs `test` with a ring of `N` slots whose first index is `origin`, and drops the ring.
    fn with<T: Send, R>(
        origin: u32,
        test: impl FnOnce(Self::Head<'_, T>, Self::Tail<'_, T>) -> R,
    ) -> R;
}

/// A ring made by `bounded`.
#[cfg(feature = "alloc")]
pub(crate) struct Boxed<const N: usize>;

#[cfg(feature = "alloc")]
impl<const N: usize> Form for Boxed<N> {
    type Head<'a, T: Send + 'a> = Producer<T>;
    type Tail<'a, T: Send + 'a> = Consumer<T>;

    fn with<T: Send, R>(origin: u32, test: impl FnOnce(Producer<T>, Consumer<T>) -> R) -> R {
        let (producer, consumer) = try_bounded_at(N, origin).unwrap();
        test(producer, consumer)
    }
}

/// An `InlineRing`.
pub(crate) struct Inline<const N: usize>;

impl<const N: usize> Form for Inline<N> {
    type Head<'a, T: Send + 'a> = ProducerRef<'a, T>;
    type Tail<'a, T: Send + 'a> = ConsumerRef<'a, T>;

    fn with<T: Send, R>(
        origin: u32,
        test: impl FnOnce(ProducerRef<'_, T>, ConsumerRef<'_, T>) -> R,
    ) -> R {
        let mut ring = InlineRing::<T, N>::new_at(origin);
        let (producer, consumer) = ring.split();
        test(producer, consumer)
    }
}

/// Runs a test body, generic over `Form`, for both forms and several capacities.
macro_rules! for_every_form {
    ($($(#[$meta:meta])* $name:ident;)*) => {$(
        mod $name {
            // Not every form needs each of them.
            #[allow(unused_imports)]
            use crate::common::{Inline, LARGE, MEDIUM};
            #[cfg(feature = "alloc")]
            use crate::common::Boxed;

            #[cfg(feature = "alloc")]
            #[test]
            $(#[$meta])*
            fn boxed_1() {
                crate::bodies::$name::<Boxed<1>>();
            }
            #[cfg(feature = "alloc")]
            #[test]
            $(#[$meta])*
            fn boxed_2() {
                crate::bodies::$name::<Boxed<2>>();
            }
            #[cfg(feature = "alloc")]
            #[test]
            $(#[$meta])*
            fn boxed_large() {
                crate::bodies::$name::<Boxed<LARGE>>();
            }
            #[test]
            $(#[$meta])*
            fn inline_2() {
                crate::bodies::$name::<Inline<2>>();
            }
            #[test]
            $(#[$meta])*
            fn inline_medium() {
                crate::bodies::$name::<Inline<MEDIUM>>();
            }
        }
    )*};
}
pub(crate) use for_every_form;

/// Capacities beside the smallest ones. Miri takes its time, and some tests do something for each slot.
pub(crate) const MEDIUM: usize = at_most(if cfg!(miri) { 4 } else { 16 });
pub(crate) const LARGE: usize = at_most(if cfg!(miri) { 8 } else { 64 });

/// A capacity that narrow-index builds can have too.
pub(crate) const fn at_most(capacity: usize) -> usize {
    if capacity < MAX_CAPACITY {
        capacity
    } else {
        MAX_CAPACITY
    }
}

/// The index `count` steps below the wrap.
pub(crate) const fn below_the_wrap(count: u32) -> u32 {
    0u32.wrapping_sub(count)
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
