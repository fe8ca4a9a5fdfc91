//! Pools and what does a pool's work: one trait for all, and each of the contenders.

pub mod limits;
pub mod ours;
pub mod rivals;
pub mod turn;
pub mod work;

use std::ops::DerefMut;

use crate::item::Item;

/// Hands out items and takes them back.
pub trait Contender<T: Item>: Send + Sync + Sized + 'static {
    /// As in the tables.
    const NAME: &'static str;

    /// How many of the items put back by a thread it finds again at the least, up to [`crate::check::ITEMS`].
    const KEEPS: usize = crate::check::ITEMS;

    /// An item on loan.
    type Held<'a>: Hold;

    /// An empty one.
    fn new() -> Self;

    /// Takes an item, or makes one.
    fn take(&self) -> Self::Held<'_>;

    /// Puts it back: by dropping its guard, if it has one.
    #[inline(always)]
    fn put<'a>(&'a self, held: Self::Held<'a>) {
        drop(held);
    }
}

/// A contender that moves items in and out instead of lending them.
pub trait ByValue<T: Item>: Send + Sync + Sized + 'static {
    /// An empty one.
    fn new() -> Self;

    /// Takes an item if there is one.
    fn try_take(&self) -> Option<T>;

    /// Takes an item, or makes one.
    #[inline(always)]
    fn take(&self) -> T {
        self.try_take().unwrap_or_else(T::make)
    }

    /// Puts an item in.
    fn put(&self, item: T);
}

/// What a workload does with an item that it has taken.
pub trait Hold {
    /// See [`Item::touch`].
    fn touch(&mut self);
    /// See [`Item::mark`].
    fn mark(&mut self, mark: u64);
    /// See [`Item::marked`].
    fn marked(&self) -> u64;
}

/// An item that is held as such.
#[derive(Debug)]
pub struct Own<T>(pub T);

impl<T: Item> Hold for Own<T> {
    #[inline(always)]
    fn touch(&mut self) {
        self.0.touch();
    }

    fn mark(&mut self, mark: u64) {
        self.0.mark(mark);
    }

    fn marked(&self) -> u64 {
        self.0.marked()
    }
}

/// An item that is held through a guard.
impl<G: DerefMut> Hold for G
where
    G::Target: Item,
{
    #[inline(always)]
    fn touch(&mut self) {
        (**self).touch();
    }

    fn mark(&mut self, mark: u64) {
        (**self).mark(mark);
    }

    fn marked(&self) -> u64 {
        (**self).marked()
    }
}

/// Makes a [`Contender`] of a [`ByValue`].
macro_rules! by_value {
    ($contender:ty, $name:literal $(, keeps $keeps:expr)?) => {
        impl<T: Item> Contender<T> for $contender
        where
            $contender: ByValue<T>,
        {
            const NAME: &'static str = $name;
            $(const KEEPS: usize = $keeps;)?
            type Held<'a> = $crate::pool::Own<T>;

            fn new() -> Self {
                <Self as ByValue<T>>::new()
            }

            #[inline(always)]
            fn take(&self) -> Self::Held<'_> {
                $crate::pool::Own(ByValue::take(self))
            }

            #[inline(always)]
            fn put(&self, held: Self::Held<'_>) {
                ByValue::put(self, held.0);
            }
        }
    };
}
use by_value;

/// A contender for the rest of the process: workloads are kept in closures that borrow nothing.
#[must_use]
pub fn leaked<T: Item, C: Contender<T>>() -> &'static C {
    Box::leak(Box::new(C::new()))
}
