//! The pools of the process that have asked to be looked after: what [`rotate_all`] turns and the reaper visits.
//!
//! A pool is in here because it was told to be: the list outlives every scope, so only a pool that lives as
//! long as the process, or that the list holds weakly, may be on it. (A pool with borrowed items that put
//! itself on the list could be forgotten, and its items' destructors would then run after what they borrow is
//! gone.)

#[cfg(not(pool_loom))]
use core::time::Duration;

use atomic_value::AtomicValue;

use crate::env::{Arc, Weak};
use crate::pool::Pool;
#[cfg(not(pool_loom))]
use crate::reaper;

#[cfg(not(pool_loom))]
fn list() -> &'static AtomicValue<Vec<Member>> {
    static MEMBERS: AtomicValue<Vec<Member>> = AtomicValue::empty();
    &MEMBERS
}

#[cfg(pool_loom)]
fn list() -> &'static AtomicValue<Vec<Member>> {
    use core::mem::ManuallyDrop;

    crate::env::lazy_static! {
        /// Never dropped: a model that has failed loses its statics when its atomics are gone. One that has not
        /// empties the list, see `finish_model`.
        static ref MEMBERS: ManuallyDrop<AtomicValue<Vec<Member>>> =
            ManuallyDrop::new(AtomicValue::empty());
    }
    &MEMBERS
}

/// Begins an execution, before its threads are spawned: makes what is made at its first use, which would otherwise be
/// an edge between two of them.
#[cfg(pool_loom)]
pub fn begin_model() {
    use crate::sync::{Ordering, fence};

    // ORDERING: SeqCst, pairs with nothing: it makes the companion of all such fences.
    fence(Ordering::SeqCst);
    pool_gate::begin_model();
    crate::thread::begin_model();
    drop(list().take());
}

/// Empties the list at the end of an execution.
#[cfg(pool_loom)]
pub fn finish_model() {
    drop(list().take());
}

/// A pool, whatever its items, or several of them.
pub(crate) trait Tended: Send + Sync {
    /// Turns the generation.
    fn turn(&self);
    /// Drops everything that is idle.
    #[cfg(not(pool_loom))]
    fn empty(&self);
    /// Does what is due by time; says when there will be more to do, if ever.
    #[cfg(not(pool_loom))]
    fn tend(&self) -> Option<Duration>;
    /// How many items have been dropped so far.
    #[cfg(not(pool_loom))]
    fn released(&self) -> u64;
}

impl<T: Send, F: Send + Sync> Tended for Pool<T, F> {
    fn turn(&self) {
        self.rotate();
    }

    #[cfg(not(pool_loom))]
    fn empty(&self) {
        self.clear();
    }

    #[cfg(not(pool_loom))]
    fn tend(&self) -> Option<Duration> {
        self.turn_and_decay()
    }

    #[cfg(not(pool_loom))]
    fn released(&self) -> u64 {
        self.released_items()
    }
}

#[derive(Clone)]
pub(crate) enum Member {
    Static(&'static dyn Tended),
    Shared(Weak<dyn Tended>),
}

impl Member {
    /// Runs `f` on the pool, unless it is gone. If it was the last to hold it, the pool is dropped here.
    pub(crate) fn visit<R>(&self, f: impl FnOnce(&dyn Tended) -> R) -> Option<R> {
        match self {
            Self::Static(pool) => Some(f(*pool)),
            Self::Shared(pool) => pool.upgrade().map(|pool| f(&*pool)),
        }
    }

    /// Where the pool is; tells members apart.
    fn address(&self) -> *const () {
        match self {
            Self::Static(pool) => core::ptr::from_ref(*pool).cast(),
            Self::Shared(pool) => pool.as_ptr().cast(),
        }
    }

    fn is_gone(&self) -> bool {
        matches!(self, Self::Shared(pool) if pool.strong_count() == 0)
    }
}

/// Adds a pool and forgets those that are gone.
pub(crate) fn add(member: Member) {
    list().update(|members| {
        let others = members.into_iter().flatten();
        // A pool that is gone may have left its address to the new one.
        let mut members: Vec<_> = others
            .filter(|other| !other.is_gone() && other.address() != member.address())
            .cloned()
            .collect();
        members.push(member.clone());
        members
    });
    // Its period may be shorter than the others'.
    #[cfg(not(pool_loom))]
    reaper::wake();
}

/// All pools on the list, as of now.
pub(crate) fn members() -> impl Iterator<Item = Member> {
    let members = list().load_arc();
    let count = members.as_ref().map_or(0, |members| members.len());
    (0..count).filter_map(move |index| members.as_ref()?.get(index).cloned())
}

impl<T: Send + 'static, F: Send + Sync + 'static> Pool<T, F> {
    /// Lets [`rotate_all`] and the [`Reaper`](crate::Reaper) turn this pool from now on. Doing it again
    /// changes nothing.
    ///
    /// Lock-free; takes time in proportion to the number of registered pools.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::{Pool, rotate_all};
    ///
    /// static POOL: Pool<String> = Pool::new(String::new);
    /// POOL.register();
    /// POOL.put(String::from("idle"));
    /// rotate_all();
    /// rotate_all();
    /// assert_eq!(POOL.stats().idle, 0);
    /// ```
    pub fn register(&'static self) {
        add(Member::Static(self));
    }

    /// Lets [`rotate_all`] and the [`Reaper`](crate::Reaper) turn this pool for as long as it lives. Doing it again
    /// changes nothing.
    ///
    /// Lock-free; takes time in proportion to the number of registered pools.
    #[cfg(not(pool_loom))]
    pub fn register_shared(self: &Arc<Self>) {
        let weak: Weak<Self> = Arc::downgrade(self);
        add(Member::Shared(weak));
    }

    /// The same with the model checker's `Arc`, which no method can be called on.
    #[cfg(pool_loom)]
    pub fn register_shared(this: &Arc<Self>) {
        let weak = Arc::downgrade(this).forget_type(|weak| -> std::sync::Weak<dyn Tended> { weak });
        add(Member::Shared(weak));
    }
}

/// Turns the generation of every registered pool, as [`Pool::rotate`] does.
///
/// # Panics
///
/// When a destructor or an `on_discard` hook panics; pools later in the list have then not been turned.
pub fn rotate_all() {
    for member in members() {
        member.visit(|pool| pool.turn());
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use super::*;

    #[test]
    fn who_is_gone_leaves_the_list_with_the_next_that_comes() {
        for _ in 0..20 {
            let pool = Arc::new(Pool::new(|| 0u8));
            pool.register_shared();
            assert!(members().any(|member| member.address() == Arc::as_ptr(&pool).cast()));
        }
        let gone = members().filter(|member| member.visit(|_| ()).is_none());
        // Other tests' pools may be among them.
        assert!(gone.count() < 10);
    }

    #[test]
    fn a_pool_tells_what_it_has_let_go_of() {
        let pool = Pool::new(|| 0u8);
        let member: &dyn Tended = &pool;
        (0..3).for_each(|_| pool.put(0));
        assert_eq!(member.released(), 0);
        member.empty();
        assert_eq!(member.released(), 3);
    }
}
