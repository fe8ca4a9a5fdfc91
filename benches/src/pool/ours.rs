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

    #[inline(always)]
    fn put(&self, held: Self::Held<'_>) {
        drop(held);
    }
}

/// By value, reached through a reference.
#[derive(Debug)]
pub struct Local<T>(pub Pool<T>);

impl<T: Item> ByValue<T> for Local<T> {
    fn new() -> Self {
        Self(Pool::new(T::make))
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

by_value!(Local<T>, "pool, local");

/// By value, without the thread cache: every operation claims a shard.
#[derive(Debug)]
pub struct NoCache<T>(pub Pool<T>);

impl<T: Item> ByValue<T> for NoCache<T> {
    fn new() -> Self {
        Self(Pool::builder(T::make as fn() -> T).thread_cache(0).build())
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

by_value!(NoCache<T>, "pool, no thread cache");

/// With a `recycle` hook that clears and decides, as most pools of buffers have.
#[derive(Debug)]
pub struct Recycling<T>(pub Pool<T>);

impl<T: Item> ByValue<T> for Recycling<T> {
    fn new() -> Self {
        let keep = |item: &mut T| {
            item.touch();
            pool_core::Recycle::Keep
        };
        Self(Pool::builder(T::make as fn() -> T).recycle(keep).build())
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

by_value!(Recycling<T>, "pool, recycle hook");
