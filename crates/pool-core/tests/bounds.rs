//! Which thread may have what: the auto traits of every public type, for every kind of item. Most of this
//! is checked by compiling it; `src/compile_fail.rs` shows what a user sees.

#![cfg(not(pool_loom))]

use std::cell::Cell;
use std::error::Error;
use std::fmt::Debug;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::rc::Rc;
use std::sync::{Arc, MutexGuard};

use pool_core::{
    BuildError, Builder, Clock, DiscardReason, Discarded, ManualClock, Pool, Pooled, PooledOwned,
    Recycle, Stats, SystemClock,
};
use static_assertions::{assert_impl_all, assert_not_impl_any};

/// Neither to be sent nor to be shared.
type Nailed = Rc<u8>;
/// To be sent, not to be shared.
type Private = Cell<u8>;
/// To be shared, not to be sent.
type Anchored = MutexGuard<'static, u8>;

// Pools. What decides is whether an item can be sent.
assert_impl_all!(Pool<Vec<u8>>: Send, Sync);
assert_impl_all!(Pool<Private>: Send, Sync);
assert_not_impl_any!(Pool<Nailed>: Send, Sync);
assert_not_impl_any!(Pool<Anchored>: Send, Sync);
assert_not_impl_any!(Pool<*const u8>: Send, Sync);
assert_not_impl_any!(Pool<*mut u8>: Send, Sync);

// The constructor moves with the pool and is called by all who share it. `Pool` asks nothing of `F` to name it.
assert_not_impl_any!(Pool<u8, Nailed>: Send, Sync);
assert_impl_all!(Pool<u8, Private>: Send);
assert_not_impl_any!(Pool<u8, Private>: Sync);
assert_impl_all!(Pool<u8, Anchored>: Sync);
assert_not_impl_any!(Pool<u8, Anchored>: Send);

// Borrowed guards: an exclusive loan of an item and a shared one of the pool.
assert_impl_all!(Pooled<'static, Vec<u8>>: Send, Sync);
assert_impl_all!(Pooled<'static, Private>: Send);
assert_not_impl_any!(Pooled<'static, Private>: Sync);
assert_not_impl_any!(Pooled<'static, Nailed>: Send, Sync);
assert_not_impl_any!(Pooled<'static, Anchored>: Send, Sync);
assert_not_impl_any!(Pooled<'static, *const u8>: Send, Sync);
// It puts its item back, which calls no constructor, but it leads to the pool.
assert_not_impl_any!(Pooled<'static, u8, Private>: Send, Sync);
assert_impl_all!(Pooled<'static, u8, Anchored>: Send, Sync);

// Owned guards: the last one drops the pool, and the constructor with it.
assert_impl_all!(PooledOwned<Vec<u8>>: Send, Sync);
assert_impl_all!(PooledOwned<Private>: Send);
assert_not_impl_any!(PooledOwned<Private>: Sync);
assert_not_impl_any!(PooledOwned<Nailed>: Send, Sync);
assert_not_impl_any!(PooledOwned<Anchored>: Send, Sync);
assert_not_impl_any!(PooledOwned<*const u8>: Send, Sync);
assert_not_impl_any!(PooledOwned<u8, Private>: Send, Sync);
assert_not_impl_any!(PooledOwned<u8, Anchored>: Send, Sync);

// Builders.
assert_impl_all!(Builder<Vec<u8>, fn() -> Vec<u8>>: Send, Sync);
assert_not_impl_any!(Builder<u8, Nailed>: Send, Sync);
assert_not_impl_any!(Builder<u8, Private>: Sync);

// A panic leaves a pool whole, whatever its items; the constructor is the user's own affair.
assert_impl_all!(Pool<Vec<u8>>: UnwindSafe, RefUnwindSafe);
assert_impl_all!(Pool<Private>: UnwindSafe, RefUnwindSafe);
assert_impl_all!(Pool<&'static mut u8>: UnwindSafe, RefUnwindSafe);
assert_not_impl_any!(Pool<u8, Private>: RefUnwindSafe);
assert_not_impl_any!(Pool<u8, &'static mut u8>: UnwindSafe);
// A guard is as its item is.
assert_impl_all!(Pooled<'static, Vec<u8>>: UnwindSafe, RefUnwindSafe);
assert_impl_all!(PooledOwned<Vec<u8>>: UnwindSafe, RefUnwindSafe);
assert_not_impl_any!(Pooled<'static, Private>: RefUnwindSafe);
assert_not_impl_any!(PooledOwned<Private>: RefUnwindSafe);
assert_not_impl_any!(Pooled<'static, &'static mut u8>: UnwindSafe);

// Guards have one owner each.
assert_not_impl_any!(Pooled<'static, u8>: Clone, Copy);
assert_not_impl_any!(PooledOwned<u8>: Clone, Copy);

assert_impl_all!(Stats: Send, Sync, Clone, Debug, Default, PartialEq, UnwindSafe, RefUnwindSafe);
assert_impl_all!(Discarded: Send, Sync, Clone, Debug, Default, PartialEq, UnwindSafe, RefUnwindSafe);
assert_impl_all!(BuildError: Send, Sync, Copy, Debug, PartialEq, Error, UnwindSafe, RefUnwindSafe);
assert_impl_all!(DiscardReason: Send, Sync, Copy, Debug, PartialEq, std::hash::Hash);
assert_impl_all!(Recycle: Send, Sync, Copy, Debug, PartialEq, std::hash::Hash);
assert_impl_all!(ManualClock: Send, Sync, Debug, Default, Clock, UnwindSafe, RefUnwindSafe);
assert_impl_all!(SystemClock: Send, Sync, Copy, Debug, Default, Clock);

/// No bound on the item or the constructor but those above: none of `'static`, `Debug`, `Default`, `Clone`.
#[test]
fn pools_ask_little_of_their_items() {
    struct Plain<'a>(&'a str);
    let text = String::from("local");
    let pool = Pool::new(|| Plain(&text));
    let shared = Arc::new(Pool::new(|| Plain(&text)));
    let (item, owned) = (pool.get(), shared.get_owned());
    assert_eq!((item.0, owned.0), ("local", "local"));
    drop((item, owned));
    assert_eq!((pool.stats().idle, shared.stats().idle), (1, 1));
}

/// The trait object that the builder takes.
#[test]
fn clocks_are_objects() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let first = clock.now();
    assert!(clock.now() >= first);
}

/// A pool that is in the way of an unwinding panic is as usable as before.
#[test]
fn pools_cross_catch_unwind() {
    let pool: Pool<Box<u8>> = Pool::new(Box::default);
    let caught = std::panic::catch_unwind(|| {
        let _guard = pool.get();
        std::panic::resume_unwind(Box::new("planned"));
    });
    assert!(caught.is_err());
    assert_eq!(
        pool.stats().idle,
        1,
        "the guard put its item back while unwinding"
    );
}
