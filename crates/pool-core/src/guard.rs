//! Items on loan: guards that put their item back when they are dropped.

use core::fmt;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::pool::Pool;

macro_rules! guard {
    ($guard:ident < $($lifetime:lifetime,)? T, F >) => {
        impl<$($lifetime,)? T, F> $guard<$($lifetime,)? T, F> {
            /// Keeps the item: it belongs to the caller and not to the pool any more.
            ///
            /// An associated function, so that it cannot hide a method of the item.
            #[must_use = "dropping the result drops the item"]
            pub fn detach(guard: Self) -> T {
                let mut guard = ManuallyDrop::new(guard);
                // SAFETY: the guard is never used or dropped after this, so the item leaves it once.
                let item = unsafe { ManuallyDrop::take(&mut guard.item) };
                {
                    // In a block of its own: were it dropped after the item is returned, a panic of the pool's would
                    // leak the item (rust-lang/rust#47949).
                    //
                    // SAFETY: as above; the pool's handle is dropped here in the guard's stead.
                    let _pool = unsafe { core::ptr::read(&guard.pool) };
                }
                item
            }

            /// The pool that the item goes back to.
            #[must_use]
            pub fn pool(guard: &Self) -> &Pool<T, F> {
                &guard.pool
            }
        }

        impl<$($lifetime,)? T, F> Deref for $guard<$($lifetime,)? T, F> {
            type Target = T;
            #[inline(always)]
            fn deref(&self) -> &T {
                &self.item
            }
        }

        impl<$($lifetime,)? T, F> DerefMut for $guard<$($lifetime,)? T, F> {
            #[inline(always)]
            fn deref_mut(&mut self) -> &mut T {
                &mut self.item
            }
        }

        impl<$($lifetime,)? T, F> AsRef<T> for $guard<$($lifetime,)? T, F> {
            fn as_ref(&self) -> &T {
                self
            }
        }

        impl<$($lifetime,)? T, F> AsMut<T> for $guard<$($lifetime,)? T, F> {
            fn as_mut(&mut self) -> &mut T {
                self
            }
        }

        impl<$($lifetime,)? T, F> Drop for $guard<$($lifetime,)? T, F> {
            #[inline]
            fn drop(&mut self) {
                // SAFETY: the guard is being dropped, so nobody looks at the item again.
                unsafe { self.pool.put_from(&self.item) };
            }
        }

        impl<$($lifetime,)? T: fmt::Debug, F> fmt::Debug for $guard<$($lifetime,)? T, F> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($guard)).field(&**self).finish()
            }
        }

        impl<$($lifetime,)? T: fmt::Display, F> fmt::Display for $guard<$($lifetime,)? T, F> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }
    };
}

/// An item on loan from a borrowed pool. Made by [`Pool::get`].
///
/// Dropping it puts the item back, on whatever thread that happens. Forgetting it (`mem::forget`) leaks the
/// item and nothing else.
#[must_use = "dropping a guard at once puts the item back unused"]
pub struct Pooled<'a, T, F = fn() -> T> {
    item: ManuallyDrop<T>,
    pool: &'a Pool<T, F>,
}

/// An item on loan from a shared pool, which it keeps alive. Made by [`Pool::get_owned`].
///
/// Goes where a borrow cannot: into a thread, a task, a collection. Dropping it puts the item back, on
/// whatever thread that happens; if it was the last to hold the pool, the pool is dropped after that.
#[must_use = "dropping a guard at once puts the item back unused"]
pub struct PooledOwned<T, F = fn() -> T> {
    item: ManuallyDrop<T>,
    pool: Arc<Pool<T, F>>,
}

guard!(Pooled<'a, T, F>);
guard!(PooledOwned<T, F>);

impl<'a, T, F> Pooled<'a, T, F> {
    #[inline(always)]
    pub(crate) fn new(pool: &'a Pool<T, F>, item: T) -> Self {
        Self {
            item: ManuallyDrop::new(item),
            pool,
        }
    }
}

impl<T, F> PooledOwned<T, F> {
    pub(crate) fn new(pool: Arc<Pool<T, F>>, item: T) -> Self {
        Self {
            item: ManuallyDrop::new(item),
            pool,
        }
    }
}
