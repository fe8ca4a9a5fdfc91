//! The one place that chooses between the machine's atomics and the model checker's.
//!
//! Everything else in the crate takes its atomics, fences, cells and spin hints from here and names
//! neither `core::sync` nor `loom`. The file is the same, byte for byte, in every crate of the family;
//! `cargo xtask tidy` compares the copies.
//!
//! Under `--cfg pool_loom` each atomic carries a companion that gets a relaxed store before every
//! access. loom 0.7 remembers only the last access to an atomic when it decides which interleavings
//! to try, so a thread's own load hides another thread's earlier one and "load, then
//! compare-exchange" goes unexplored (tokio-rs/loom#166, #392). A store to the companion makes all
//! accesses to one atomic dependent again. It is relaxed: it adds no happens-before edge and so can
//! hide no bug.

// A crate uses the part of the facade that it needs; the file is the same everywhere.
#![allow(dead_code, unused_imports, unused_macros)]

pub(crate) use imp::*;

/// Defines a function that is `const` in production and plain under the model checker, whose types
/// have no `const` constructor.
macro_rules! const_unless_loom {
    ($(#[$meta:meta])* $vis:vis const fn $($rest:tt)*) => {
        #[cfg(not(pool_loom))]
        $(#[$meta])* $vis const fn $($rest)*
        #[cfg(pool_loom)]
        $(#[$meta])* $vis fn $($rest)*
    };
    ($(#[$meta:meta])* $vis:vis const unsafe fn $($rest:tt)*) => {
        #[cfg(not(pool_loom))]
        $(#[$meta])* $vis const unsafe fn $($rest)*
        #[cfg(pool_loom)]
        $(#[$meta])* $vis unsafe fn $($rest)*
    };
}
pub(crate) use const_unless_loom;

#[cfg(not(pool_loom))]
mod imp {
    pub(crate) use core::hint::spin_loop;
    #[cfg(target_has_atomic = "64")]
    pub(crate) use core::sync::atomic::AtomicU64;
    pub(crate) use core::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicUsize, Ordering, compiler_fence, fence,
    };

    /// `core`'s cell behind loom's closures, so that one source serves both.
    #[repr(transparent)]
    pub(crate) struct UnsafeCell<T: ?Sized>(core::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(core::cell::UnsafeCell::new(value))
        }
    }

    impl<T: ?Sized> UnsafeCell<T> {
        /// Hands out a pointer to read through.
        #[inline(always)]
        pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
            f(self.0.get())
        }

        /// Hands out a pointer to write through.
        #[inline(always)]
        pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }
}

#[cfg(pool_loom)]
mod imp {
    pub(crate) use loom::cell::UnsafeCell;
    pub(crate) use loom::hint::spin_loop;
    /// Ends the search below this point: for waiting loops, whose every further round is the same again.
    pub(crate) use loom::skip_branch;
    /// In place of `alloc::sync::Arc`, so that models see its ordering and its leaks.
    pub(crate) use loom::sync::Arc;
    use loom::sync::atomic as stock;
    pub(crate) use loom::sync::atomic::Ordering;
    pub(crate) use loom::thread::yield_now;
    /// In place of `std`'s and of a `static`, so that each execution starts afresh.
    pub(crate) use loom::{lazy_static, thread_local};

    loom::lazy_static! {
        /// The companion of all sequentially consistent fences.
        static ref FENCES: stock::AtomicBool = stock::AtomicBool::new(false);
    }

    /// A fence; the sequentially consistent ones are made dependent on each other.
    pub(crate) fn fence(order: Ordering) {
        if order == Ordering::SeqCst {
            FENCES.store(false, Ordering::Relaxed);
        }
        stock::fence(order);
    }

    macro_rules! repaired {
        ($($name:ident $(<$t:ident>)? : $value:ty),* $(,)?) => {$(
            /// loom's atomic with the companion that the module header explains.
            pub(crate) struct $name $(<$t>)? {
                inner: stock::$name $(<$t>)?,
                companion: stock::AtomicBool,
            }

            impl $(<$t>)? $name $(<$t>)? {
                pub(crate) fn new(value: $value) -> Self {
                    Self { inner: stock::$name::new(value), companion: stock::AtomicBool::new(false) }
                }

                #[track_caller]
                fn touched(&self) -> &stock::$name $(<$t>)? {
                    self.companion.store(false, Ordering::Relaxed);
                    &self.inner
                }

                #[track_caller]
                pub(crate) fn load(&self, order: Ordering) -> $value {
                    self.touched().load(order)
                }

                #[track_caller]
                pub(crate) fn store(&self, value: $value, order: Ordering) {
                    self.touched().store(value, order);
                }

                #[track_caller]
                pub(crate) fn swap(&self, value: $value, order: Ordering) -> $value {
                    self.touched().swap(value, order)
                }

                #[track_caller]
                pub(crate) fn compare_exchange(
                    &self,
                    current: $value,
                    new: $value,
                    success: Ordering,
                    failure: Ordering,
                ) -> Result<$value, $value> {
                    self.touched().compare_exchange(current, new, success, failure)
                }

                #[track_caller]
                pub(crate) fn compare_exchange_weak(
                    &self,
                    current: $value,
                    new: $value,
                    success: Ordering,
                    failure: Ordering,
                ) -> Result<$value, $value> {
                    self.touched().compare_exchange(current, new, success, failure)
                }
            }

            impl $(<$t>)? core::fmt::Debug for $name $(<$t>)? {
                fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                    self.inner.fmt(f)
                }
            }
        )*};
    }

    macro_rules! repaired_fetch {
        ($($name:ident : $value:ty => $($op:ident),+;)*) => {$(
            impl $name {
                $(
                    #[track_caller]
                    pub(crate) fn $op(&self, value: $value, order: Ordering) -> $value {
                        self.touched().$op(value, order)
                    }
                )+
            }
        )*};
    }

    repaired!(
        AtomicBool: bool,
        AtomicU8: u8,
        AtomicU32: u32,
        AtomicU64: u64,
        AtomicUsize: usize,
        AtomicPtr<T>: *mut T,
    );
    repaired_fetch!(
        AtomicBool: bool => fetch_and, fetch_or;
        AtomicU8: u8 => fetch_add, fetch_sub, fetch_and, fetch_or;
        AtomicU32: u32 => fetch_add, fetch_sub, fetch_and, fetch_or;
        AtomicU64: u64 => fetch_add, fetch_sub, fetch_and, fetch_or;
        AtomicUsize: usize => fetch_add, fetch_sub, fetch_and, fetch_or;
    );
}
