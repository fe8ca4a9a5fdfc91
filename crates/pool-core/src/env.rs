//! What the standard library offers and the model checker replaces: thread-locals, yields, `Arc`
//! where a model has to see its counts. The atomics' half of this is `sync.rs`.

/// For models to hold pools with.
#[cfg(pool_loom)]
pub use imp::Arc as ModelArc;
pub(crate) use imp::*;

#[cfg(not(pool_loom))]
mod imp {
    pub(crate) use std::sync::{Arc, Weak};
    pub(crate) use std::thread::yield_now;
    pub(crate) use std::thread_local;

    #[cfg(not(all(target_os = "linux", not(miri))))]
    use crate::sync::{AtomicPtr, Ordering};

    /// A value that is made at its first use. Several threads may make one then; the first to have finished wins, and the
    /// others throw theirs away. So nobody waits: neither for a thread that was stopped there or lost in a fork, nor
    /// for itself when an allocator comes back here.
    #[cfg(not(all(target_os = "linux", not(miri))))]
    pub(crate) struct Raced<T>(AtomicPtr<T>);

    #[cfg(not(all(target_os = "linux", not(miri))))]
    impl<T> Raced<T> {
        pub(crate) const fn new() -> Self {
            Self(AtomicPtr::new(core::ptr::null_mut()))
        }

        /// The value, for as long as the process runs.
        pub(crate) fn get_or_make(&'static self, make: impl FnOnce() -> T) -> &'static T {
            // ORDERING: Acquire, pairs with the Release below: the value is made.
            let mut made = self.0.load(Ordering::Acquire);
            if made.is_null() {
                let fresh = Box::into_raw(Box::new(make()));
                // ORDERING: Release on success, Acquire on failure: as above, pairs with itself.
                made = match self.0.compare_exchange(
                    core::ptr::null_mut(),
                    fresh,
                    Ordering::Release,
                    Ordering::Acquire,
                ) {
                    Ok(_) => fresh,
                    Err(theirs) => {
                        // SAFETY: ours from `into_raw` above, and never published.
                        drop(unsafe { Box::from_raw(fresh) });
                        theirs
                    }
                };
            }
            // SAFETY: made before it was published, and never freed.
            unsafe { &*made }
        }
    }

    /// Looks that only spin: whoever is inside and running is out before these are over.
    pub(crate) const SPINS: u32 = 100;
    /// Looks that yield, for whoever has been preempted inside. Each may take a time slice of every runnable
    /// thread.
    pub(crate) const YIELDS: u32 = 100;
}

#[cfg(pool_loom)]
mod imp {
    use core::ops::Deref;
    use std::sync;

    use crate::sync::{AtomicUsize, Ordering, fence};
    pub(crate) use crate::sync::{lazy_static, thread_local, yield_now};

    /// The standard library's `Arc`, of whose counts the model checker sees nothing, beside a count that it sees and
    /// that goes by the same orderings. (loom's own `Arc` has no `Weak`.)
    ///
    /// loom changes threads only before an access, so the two counts are one to it.
    #[derive(Debug)]
    pub struct Arc<T: ?Sized> {
        value: sync::Arc<T>,
        strong: sync::Arc<AtomicUsize>,
    }

    impl<T> Arc<T> {
        /// As the standard library's.
        pub fn new(value: T) -> Self {
            Self {
                value: sync::Arc::new(value),
                strong: sync::Arc::new(AtomicUsize::new(1)),
            }
        }
    }

    impl<T: ?Sized> Arc<T> {
        pub(crate) fn downgrade(this: &Self) -> Weak<T> {
            Weak {
                value: sync::Arc::downgrade(&this.value),
                strong: this.strong.clone(),
            }
        }
    }

    impl<T: ?Sized> Deref for Arc<T> {
        type Target = T;

        fn deref(&self) -> &T {
            &self.value
        }
    }

    impl<T: ?Sized> Drop for Arc<T> {
        fn drop(&mut self) {
            // ORDERING: Release, pairs with the fence below: what we did to the value comes before its destructor.
            if self.strong.fetch_sub(1, Ordering::Release) == 1 {
                // ORDERING: Acquire, pairs with the Release above: what the others did comes before the destructor.
                fence(Ordering::Acquire);
            }
        }
    }

    /// The standard library's `Weak`, in the same way.
    pub(crate) struct Weak<T: ?Sized> {
        value: sync::Weak<T>,
        strong: sync::Arc<AtomicUsize>,
    }

    impl<T: ?Sized> Weak<T> {
        pub(crate) fn upgrade(&self) -> Option<Arc<T>> {
            // ORDERING: Relaxed. The exchange below decides.
            let mut count = self.strong.load(Ordering::Relaxed);
            while count != 0 {
                // ORDERING: Acquire on success and Relaxed on failure, as the standard library has it.
                match self.strong.compare_exchange(
                    count,
                    count + 1,
                    Ordering::Acquire,
                    Ordering::Relaxed,
                ) {
                    Ok(_) => {
                        return Some(Arc {
                            value: self.value.upgrade().expect("the counts differ"),
                            strong: self.strong.clone(),
                        });
                    }
                    Err(now) => count = now,
                }
            }
            None
        }

        pub(crate) fn strong_count(&self) -> usize {
            // ORDERING: Relaxed, as the standard library has it.
            self.strong.load(Ordering::Relaxed)
        }

        pub(crate) fn as_ptr(&self) -> *const T {
            self.value.as_ptr()
        }

        /// Forgets the type of the value, which the compiler does only for the standard library's.
        pub(crate) fn forget_type<U: ?Sized>(
            self,
            coerce: impl FnOnce(sync::Weak<T>) -> sync::Weak<U>,
        ) -> Weak<U> {
            Weak {
                value: coerce(self.value),
                strong: self.strong,
            }
        }
    }

    impl<T: ?Sized> Clone for Weak<T> {
        fn clone(&self) -> Self {
            Self {
                value: self.value.clone(),
                strong: self.strong.clone(),
            }
        }
    }

    /// Few: each look is another branch of the search, and one that only spins is a wait for ever to loom.
    pub(crate) const SPINS: u32 = 1;
    pub(crate) const YIELDS: u32 = 2;
}

/// How long one operation waits for others, for all of them together.
///
/// Never for ever: whoever we wait for may have been stopped, or lost in a fork.
pub(crate) struct Patience {
    looks: u32,
    limit: u32,
}

impl Patience {
    /// For a turn, which somebody may be waiting for who only wanted an item: waits for those who run, not
    /// for those who have been preempted.
    pub(crate) fn short() -> Self {
        Self {
            looks: 0,
            limit: if cfg!(pool_loom) { YIELDS } else { SPINS },
        }
    }

    /// For whoever asked to have everything out.
    pub(crate) fn long() -> Self {
        Self {
            looks: 0,
            limit: SPINS + YIELDS,
        }
    }

    /// Asks `done` until it is true or patience has run out, and says which.
    pub(crate) fn wait_until(&mut self, mut done: impl FnMut() -> bool) -> bool {
        while !done() {
            if self.looks == self.limit {
                return false;
            }
            if self.looks < SPINS {
                crate::sync::spin_loop();
            } else {
                yield_now();
            }
            self.looks += 1;
        }
        true
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use super::*;

    #[test]
    fn patience_is_for_all_waits_together() {
        for (mut patience, limit) in [
            (Patience::short(), SPINS),
            (Patience::long(), SPINS + YIELDS),
        ] {
            let mut looks = 0;
            let mut never = || {
                looks += 1;
                assert!(looks <= limit + 2, "without an end");
                false
            };
            assert!(!patience.wait_until(&mut never));
            assert!(!patience.wait_until(&mut never));
            assert_eq!(looks, limit + 2);
            assert!(
                patience.wait_until(|| true),
                "who is done is not waited for"
            );
        }
    }
}
