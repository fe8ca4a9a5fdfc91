//! Which types cross threads, and which survive a caught panic.
#![cfg(not(pool_loom))]

use std::cell::Cell;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::rc::Rc;

use pool_gate::{
    Asymmetric, Gate, Inside, Owner, Refused, Status, Sweep, Unordered, Visit, Visits,
};
use static_assertions::{assert_eq_size, assert_impl_all, assert_not_impl_any};

assert_impl_all!(Asymmetric: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe, Copy);
assert_impl_all!(Refused: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe, Copy, std::error::Error);
assert_impl_all!(Status: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe, Copy);
assert_impl_all!(Sweep: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
assert_impl_all!(Visits: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
assert_impl_all!(Unordered: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
assert_not_impl_any!(Sweep: Clone);
assert_not_impl_any!(Visits: Clone);

assert_impl_all!(Gate<Cell<u8>>: Send, Sync);
assert_not_impl_any!(Gate<Rc<u8>>: Send, Sync);
assert_impl_all!(Owner<'static, Cell<u8>>: Send);
assert_not_impl_any!(Owner<'static, Cell<u8>>: Clone);
assert_not_impl_any!(Owner<'static, Rc<u8>>: Send, Sync);
assert_not_impl_any!(Inside<'static, u8>: Send, Sync, Clone);
assert_impl_all!(Visit<'static, u8>: Send);
assert_not_impl_any!(Visit<'static, Rc<u8>>: Send, Sync);
assert_not_impl_any!(Visit<'static, u8>: Clone);

assert_eq_size!(Asymmetric, ());
assert_eq_size!(Option<Inside<'static, u8>>, usize);
assert_eq_size!(Gate<usize>, [usize; 3]);
