//! This project's pool: by value, through its guard, in a `static`, without its thread cache.

use pool_core::{Pool, Pooled};

use super::{ByValue, Contender, by_value};
use crate::item::Item;

/// By value, in a `static`.
#[derive(Debug)]
pub struct Static;

impl<T: Item> ByValue<T> for Static {
    fn new() -> Self {
        Self
    }

    #[inline(always)]
    fn try_take(&self) -> Option<T> {
        T::pool().try_take()
    }

    #[inline(always)]
    fn take(&self) -> T {
        T::pool().take()
    }

    #[inline(always)]
    fn put(&self, item: T) {
        T::pool().put(item);
    }
}

by_value!(Static, "pool");

/// Through the guard, in a `static`.
#[derive(Debug)]
pub struct StaticGuard;

impl<T: Item> Contender<T> for StaticGuard {
    const NAME: &'static str = "pool, guard";
    type Held<'a> = Pooled<'static, T>;

    fn new() -> Self {
        Self
    }

    #[inline(always)]
    fn take(&self) -> Self::Held<'_> {
        T::pool().get()
    }
}

/// Contenders that have a pool of their own, which they use by value, and differ in how it is built.
macro_rules! own_pool {
    ($(#[$about:meta])* $contender:ident, $name:literal, $pool:expr) => {
        $(#[$about])*
        #[derive(Debug)]
        pub struct $contender<T>(pub Pool<T>);

        impl<T: Item> ByValue<T> for $contender<T> {
            fn new() -> Self {
                Self($pool)
            }

            #[inline(always)]
            fn try_take(&self) -> Option<T> {
                self.0.try_take()
            }

            #[inline(always)]
            fn take(&self) -> T {
                self.0.take()
            }

            #[inline(always)]
            fn put(&self, item: T) {
                self.0.put(item);
            }
        }

        by_value!($contender<T>, $name);
    };
}

own_pool!(
    /// By value, reached through a reference.
    Local,
    "pool, local",
    Pool::new(T::make)
);

own_pool!(
    /// By value, without the thread cache: every operation goes to the thread's chain.
    NoCache,
    "pool, no thread cache",
    Pool::builder(T::make as fn() -> T).thread_cache(0).build()
);

own_pool!(
    /// With a `recycle` hook that clears and decides, as most pools of buffers have.
    Recycling,
    "pool, recycle hook",
    {
        let keep = |item: &mut T| {
            item.touch();
            pool_core::Recycle::Keep
        };
        Pool::builder(T::make as fn() -> T).recycle(keep).build()
    }
);
