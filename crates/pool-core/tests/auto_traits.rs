//! Which thread may have what: the auto traits of the public types around the pool. Those of the pool itself and its
//! guards, for every kind of item, are in `bounds.rs`.

#![cfg(not(pool_loom))]

use std::fmt::Debug;
use std::hash::Hash;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use pool_core::pressure::{Pressure, PressureSource};
use pool_core::{
    BufferPool, BufferPoolBuilder, BuildError, Calibrator, PooledBuffer, Reaper, ReaperBuilder,
    Reusable, Stats, Usage,
};
use static_assertions::{assert_impl_all, assert_not_impl_any, assert_obj_safe};

assert_impl_all!(BufferPool: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe, Debug, Default);
assert_impl_all!(BufferPoolBuilder: Send, Sync, Debug);
assert_impl_all!(PooledBuffer<&'static BufferPool>: Send, Sync, UnwindSafe, RefUnwindSafe, Debug);
assert_impl_all!(PooledBuffer<Arc<BufferPool>>: Send, Sync, UnwindSafe, RefUnwindSafe, Debug);
// Guards have one owner each.
assert_not_impl_any!(PooledBuffer<&'static BufferPool>: Clone, Copy);
// Whoever holds the pool by a pointer of one thread keeps the guard on that thread.
assert_not_impl_any!(PooledBuffer<std::rc::Rc<BufferPool>>: Send, Sync);

assert_impl_all!(Calibrator: Send, Sync, UnwindSafe, RefUnwindSafe, Debug, Default);
assert_impl_all!(Usage: Send, Sync, Copy, Debug, Eq, Hash);
assert_impl_all!(Stats: Eq);
assert_impl_all!(BuildError: Eq);

assert_impl_all!(Reaper: Send, Sync, Debug);
assert_impl_all!(ReaperBuilder: Send, Sync, Debug);
// Each is a claim of its own.
assert_not_impl_any!(Reaper: Clone);

assert_impl_all!(Pressure: Send, Sync, Copy, Debug, Default, Ord, Hash);
assert_impl_all!(fn() -> Pressure: PressureSource);
assert_obj_safe!(PressureSource, Reusable);

#[cfg(unix)]
mod files {
    use super::*;
    use pool_core::pressure::Watch;

    assert_impl_all!(Watch<'static>: Send, Sync, Copy, Debug);
}

#[cfg(target_os = "linux")]
mod linux {
    use super::*;
    use pool_core::pressure::{CgroupEvents, Psi, Stall, Systemd};

    assert_impl_all!(Psi: Send, Sync, Debug, PressureSource);
    assert_impl_all!(Systemd: Send, Sync, Debug, PressureSource);
    assert_impl_all!(CgroupEvents: Send, Sync, Debug, PressureSource);
    assert_impl_all!(Stall: Send, Sync, Copy, Debug, Eq, Hash);
}

/// `Debug` says something of everything, also when it is empty and new.
#[test]
fn nothing_is_shown_as_nothing() {
    let shown = [
        format!("{:?}", BufferPool::new()),
        format!("{:?}", BufferPool::builder()),
        format!("{:?}", BufferPool::new().get(10)),
        format!("{:?}", Calibrator::new()),
        format!("{:?}", Reaper::builder()),
        format!("{:?}", Stats::default()),
        format!("{:?}", Stats::default().discards),
        format!("{:?}", Pressure::default()),
    ];
    for text in shown {
        assert!(text.len() > 1, "{text:?}");
    }
}

/// The numbers of a pool are in its `Debug`: whoever prints it wants to know how it is.
#[test]
fn a_pool_shows_how_it_is() {
    let pool = pool_core::Pool::<String>::new(String::new);
    drop(pool.get());
    let text = format!("{pool:?}");
    assert!(
        text.contains("creates: 1") && text.contains("idle: 1"),
        "{text}"
    );
}
