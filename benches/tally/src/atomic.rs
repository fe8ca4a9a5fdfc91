//! The atomics themselves: `core`'s, each of whose accesses is counted first.

use core::sync::atomic as stock;
pub use core::sync::atomic::{Ordering, compiler_fence};

use crate::{Access, access};

/// A fence. Only full ones cost anything on the machines of the model.
#[inline]
pub fn fence(order: Ordering) {
    // Spelled this way round because a full fence is the only use of the ordering here.
    if !matches!(
        order,
        Ordering::Acquire | Ordering::Release | Ordering::AcqRel
    ) {
        crate::full_fence();
    }
    stock::fence(order);
}

macro_rules! counted {
    ($($name:ident $(<$t:ident>)? : $value:ty => $($op:ident)*;)*) => {$(
        /// As in `core`, but counted.
        #[repr(transparent)]
        pub struct $name $(<$t>)? (stock::$name $(<$t>)?);

        impl $(<$t>)? $name $(<$t>)? {
            /// A new one.
            pub const fn new(value: $value) -> Self {
                Self(stock::$name::new(value))
            }

            fn count(&self, kind: Access) -> &stock::$name $(<$t>)? {
                access(kind, core::ptr::from_ref(self).addr(), size_of::<Self>());
                &self.0
            }

            /// As in `core`.
            pub fn load(&self, order: Ordering) -> $value {
                self.count(Access::Load).load(order)
            }

            /// As in `core`.
            pub fn store(&self, value: $value, order: Ordering) {
                self.count(Access::Store).store(value, order);
            }

            /// As in `core`.
            pub fn swap(&self, value: $value, order: Ordering) -> $value {
                self.count(Access::Rmw).swap(value, order)
            }

            /// As in `core`.
            ///
            /// # Errors
            ///
            /// What is there instead.
            pub fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.count(Access::Rmw).compare_exchange(current, new, success, failure)
            }

            /// As in `core`, but never fails without a reason, so that runs repeat.
            ///
            /// # Errors
            ///
            /// What is there instead.
            pub fn compare_exchange_weak(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.compare_exchange(current, new, success, failure)
            }

            /// As in `core`: a load, and an exchange for each attempt.
            ///
            /// # Errors
            ///
            /// What is there, when there is nothing to make of it.
            pub fn fetch_update(
                &self,
                set: Ordering,
                fetch: Ordering,
                mut change: impl FnMut($value) -> Option<$value>,
            ) -> Result<$value, $value> {
                let mut seen = self.load(fetch);
                while let Some(new) = change(seen) {
                    match self.compare_exchange(seen, new, set, fetch) {
                        Ok(old) => return Ok(old),
                        Err(now) => seen = now,
                    }
                }
                Err(seen)
            }

            /// As in `core`: whoever has it to himself does not share it.
            pub fn get_mut(&mut self) -> &mut $value {
                self.0.get_mut()
            }

            $(
                /// As in `core`.
                pub fn $op(&self, value: $value, order: Ordering) -> $value {
                    self.count(Access::Rmw).$op(value, order)
                }
            )*
        }

        impl $(<$t>)? core::fmt::Debug for $name $(<$t>)? {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

counted! {
    AtomicBool: bool => fetch_and fetch_or;
    AtomicU8: u8 => fetch_add fetch_sub fetch_and fetch_or;
    AtomicU32: u32 => fetch_add fetch_sub fetch_and fetch_or;
    AtomicU64: u64 => fetch_add fetch_sub fetch_and fetch_or;
    AtomicUsize: usize => fetch_add fetch_sub fetch_and fetch_or;
    AtomicPtr<T>: *mut T =>;
}
