//! Where this thread's cache of one pool is, the pool it was slow with last: spares that pool the look-up in
//! the table, a quarter of what a take and a put cost.
//!
//! One entry, not several: choosing among them costs what the look-up does. It changes on slow paths only, so
//! that threads that use several pools in turn find the same answer every time, and branch the same way.

pub(crate) use imp::{Identity, forget};

#[cfg(not(pool_loom))]
mod imp {
    use core::cell::Cell;
    use core::ptr::NonNull;
    use std::thread_local;

    use crate::sync::{AtomicUsize, Ordering};

    /// What tells a pool from all others that this process ever has, also from those that are gone: an address
    /// would not, for another pool may come to lie there.
    pub(crate) struct Identity(AtomicUsize);

    /// What a pool has before anything of it is remembered.
    const UNNAMED: usize = 0;
    /// What no pool ever has.
    const NOBODY: usize = 1;

    #[derive(Clone, Copy)]
    struct Recent {
        identity: usize,
        cache: NonNull<()>,
    }

    const NONE: Recent = Recent {
        identity: NOBODY,
        cache: NonNull::dangling(),
    };

    thread_local! {
        /// Has no destructor, so that it can be read during teardown.
        static RECENT: Cell<Recent> = const { Cell::new(NONE) };
    }

    impl Identity {
        pub(crate) const fn new() -> Self {
            Self(AtomicUsize::new(UNNAMED))
        }

        /// Where this thread's cache of the pool is, if it is remembered. Wait-free: two loads of words that do not
        /// change.
        #[inline(always)]
        pub(crate) fn recent(&self) -> Option<NonNull<()>> {
            let recent = RECENT.try_with(Cell::get).unwrap_or(NONE);
            // ORDERING: Relaxed. Compared and nothing else: what lies behind it was stored by this very thread.
            (self.0.load(Ordering::Relaxed) == recent.identity).then_some(recent.cache)
        }

        /// Remembers where this thread's cache of the pool is.
        #[cold]
        pub(crate) fn remember(&self, cache: NonNull<()>) {
            if let Some(identity) = self.name() {
                let _ = RECENT.try_with(|recent| recent.set(Recent { identity, cache }));
            }
        }

        /// The pool's number, chosen now if need be; None when all are used up.
        fn name(&self) -> Option<usize> {
            static NEXT: AtomicUsize = AtomicUsize::new(NOBODY + 1);
            // ORDERING: Relaxed. See `recent`.
            let ours = self.0.load(Ordering::Relaxed);
            if ours != UNNAMED {
                return Some(ours);
            }
            // ORDERING: Relaxed. Only has to give each number once.
            let fresh = NEXT
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| {
                    next.checked_add(1)
                })
                .ok()?;
            // ORDERING: Relaxed. See `recent`; of several threads one chooses for all.
            let chosen =
                self.0
                    .compare_exchange(UNNAMED, fresh, Ordering::Relaxed, Ordering::Relaxed);
            Some(chosen.map_or_else(|theirs| theirs, |_| fresh))
        }
    }

    /// Forgets what this thread remembers, because its caches are about to be another's.
    pub(crate) fn forget() {
        let _ = RECENT.try_with(|recent| recent.set(NONE));
    }
}

/// The model checker goes without: what is left out is one thread's own memory.
#[cfg(pool_loom)]
mod imp {
    use core::ptr::NonNull;

    pub(crate) struct Identity;

    impl Identity {
        pub(crate) fn new() -> Self {
            Self
        }

        pub(crate) fn recent(&self) -> Option<NonNull<()>> {
            None
        }

        pub(crate) fn remember(&self, _: NonNull<()>) {}
    }

    pub(crate) fn forget() {}
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use core::ptr::NonNull;

    use super::*;

    #[test]
    fn one_pool_is_remembered_by_one_thread() {
        let (first, second) = (Identity::new(), Identity::new());
        let (mut a, mut b) = (1, 2);
        let (a, b) = (NonNull::from(&mut a).cast(), NonNull::from(&mut b).cast());
        assert_eq!((first.recent(), second.recent()), (None, None));
        first.remember(a);
        assert_eq!((first.recent(), second.recent()), (Some(a), None));
        std::thread::scope(|scope| {
            scope.spawn(|| assert_eq!(first.recent(), None));
        });
        second.remember(b);
        assert_eq!((first.recent(), second.recent()), (None, Some(b)));
        // A new one in the same place is another.
        let place = Box::new(Identity::new());
        place.remember(a);
        assert_eq!(place.recent(), Some(a));
        let place = Box::new({
            drop(place);
            Identity::new()
        });
        assert_eq!(place.recent(), None);
        forget();
        assert_eq!(second.recent(), None);
    }
}
