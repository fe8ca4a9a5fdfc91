//! The records in which threads announce what they load and what they owe.

use std::array;
use std::cell::Cell;
use std::iter;
use std::ptr;

use crate::env::{self, DEBTS};
use crate::sync::{AtomicBool, AtomicPtr, AtomicUsize, Ordering, fence};

/// One thread's record. Records are never freed: when the thread ends another one takes its record over.
///
/// Aligned to a pair of cache lines, so that threads that load do not disturb each other.
#[repr(align(128))]
pub(crate) struct Record {
    /// Address of the slot that the leaseholder is loading from, 0 when it is not loading.
    /// Written by the leaseholder only.
    loading: AtomicUsize,
    /// What guards made through this record owe. Only the leaseholder fills a free one.
    debts: [Debt; DEBTS],
    /// Whether a thread has this record.
    leased: AtomicBool,
    /// The record that was first in the list before this one. Never changes once others can see the record.
    next: AtomicPtr<Record>,
}

/// The list of all records; it only grows.
#[cfg(not(pool_loom))]
static FIRST: AtomicPtr<Record> = AtomicPtr::new(ptr::null_mut());

#[cfg(pool_loom)]
crate::sync::lazy_static! {
    static ref FIRST: AtomicPtr<Record> = AtomicPtr::new(ptr::null_mut());
}

#[cfg(not(pool_loom))]
thread_local! {
    static LEASE: Lease = const { Lease(Cell::new(None)) };
}

#[cfg(pool_loom)]
crate::sync::thread_local! {
    static LEASE: Lease = Lease(Cell::new(None));
}

/// All records, as far as they are known.
///
/// A sweep calls this after its fence, see [`Record::open`].
pub(super) fn records() -> impl Iterator<Item = &'static Record> {
    // ORDERING: Acquire, pairs with the Release in `push`: the record's fields are initialised before we read
    // them.
    let first = FIRST.load(Ordering::Acquire);
    iter::successors(deref(first), |record| {
        // ORDERING: Relaxed. Written before `push` published the record, and not changed since.
        deref(record.next.load(Ordering::Relaxed))
    })
}

/// The record behind a link of the list.
fn deref(link: *mut Record) -> Option<&'static Record> {
    // SAFETY: null, or a record that `push` leaked: valid for ever, and only ever shared (R1).
    unsafe { link.as_ref() }
}

/// Runs `load` with this thread's record, or with a borrowed one while the thread's locals are being
/// destroyed.
#[inline]
pub(super) fn with<R>(load: impl Fn(&'static Record) -> R) -> R {
    match LEASE.try_with(Lease::record) {
        Ok(record) => load(record),
        Err(_) => with_borrowed(load),
    }
}

#[cold]
pub(super) fn with_borrowed<R>(load: impl Fn(&'static Record) -> R) -> R {
    let lease = Lease(Cell::new(None));
    load(lease.record())
}

/// A thread's hold on its record; gives it back when the thread goes.
struct Lease(Cell<Option<&'static Record>>);

impl Lease {
    #[inline]
    fn record(&self) -> &'static Record {
        match self.0.get() {
            Some(record) => record,
            None => self.begin(),
        }
    }

    #[cold]
    fn begin(&self) -> &'static Record {
        let record = Record::lease();
        if let Some(other) = self.0.replace(Some(record)) {
            // The allocator asked for a value while it made our record.
            other.release();
        }
        record
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        match self.0.take() {
            Some(record) if !env::is_torn_down() => record.release(),
            _ => {}
        }
    }
}

impl Record {
    /// Finds a record that nobody has, or makes one.
    fn lease() -> &'static Self {
        records()
            .find(|record| record.try_lease())
            .unwrap_or_else(Self::push)
    }

    fn try_lease(&self) -> bool {
        // ORDERING: Relaxed. A glance that spares a compare-exchange.
        let leased = self.leased.load(Ordering::Relaxed);
        // ORDERING: Acquire, pairs with the Release in `release`: what the last holder wrote to `loading` and
        // to the debts comes before what we write there. Without it an old 0 could replace our announcement.
        // Relaxed on failure, nothing follows from it.
        !leased
            && self
                .leased
                .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
    }

    /// Gives the record up. Debts may remain in it: guards outlive the thread that made them.
    fn release(&self) {
        // ORDERING: Release, pairs with the Acquire in `try_lease`.
        self.leased.store(false, Ordering::Release);
    }

    /// Makes a record, leased, and puts it in front of the list.
    fn push() -> &'static Self {
        let record: &'static Self = Box::leak(Box::new(Self {
            loading: AtomicUsize::new(0),
            debts: array::from_fn(|_| Debt(AtomicUsize::new(Debt::FREE))),
            leased: AtomicBool::new(true),
            next: AtomicPtr::new(ptr::null_mut()),
        }));
        // ORDERING: Relaxed. We pass the pointer on and look at nothing behind it; whoever does gets to it
        // through the exchange below, which continues the release sequence of the push that published it.
        let mut first = FIRST.load(Ordering::Relaxed);
        loop {
            // ORDERING: Relaxed. Published by the exchange below.
            record.next.store(first, Ordering::Relaxed);
            // ORDERING: Release, pairs with the Acquire in `records`: whoever finds the record finds it
            // initialised. Relaxed on failure, as above.
            match FIRST.compare_exchange(
                first,
                ptr::from_ref(record).cast_mut(),
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return record,
                Err(now) => first = now,
            }
        }
    }

    /// Announces a load from `slot`. Until the window is dropped, whoever removes a value from the slot
    /// waits.
    #[inline]
    pub(super) fn open(&self, slot: usize) -> Window<'_> {
        // ORDERING: Release, pairs with the Acquire in `await_window`: a sweep that reads this announcement,
        // which is for another slot than the sweep's, sees the debts of our earlier loads.
        self.loading.store(slot, Ordering::Release);
        // ORDERING: SeqCst, pairs with the fence in `Slot::removed`.
        // - If ours is first, the sweep reads our announcement or something later, and finds our record in
        //   the list.
        // - If the sweep's is first, we read what replaced the value that it removed.
        // Without it both sides could miss each other, and we would use a value that is being freed.
        fence(Ordering::SeqCst);
        Window(self)
    }

    /// A debt that is free, if there is one. For the leaseholder.
    #[inline]
    pub(super) fn free_debt(&self) -> Option<&Debt> {
        self.debts.iter().find(|debt| debt.is_free())
    }

    /// Waits until the leaseholder is not, or not any more, loading from `slot`. False when it seems that it
    /// never will be done.
    pub(super) fn await_window(&self, slot: usize) -> bool {
        // ORDERING: Acquire, pairs with the Release in `Window::drop` and `open`: the debt of a load that is
        // done is visible to the sweep that goes on here.
        env::wait_until(|| self.loading.load(Ordering::Acquire) != slot)
    }

    /// The debts, for a sweep.
    pub(super) fn debts(&self) -> &[Debt] {
        &self.debts
    }
}

/// A load under way. User code never runs while one is open.
pub(super) struct Window<'a>(&'a Record);

impl Drop for Window<'_> {
    #[inline]
    fn drop(&mut self) {
        // ORDERING: Release, pairs with the Acquire in `await_window`: the debt that we wrote, or the
        // reference that we counted, comes before the end of the window.
        self.0.loading.store(0, Ordering::Release);
    }
}

/// A reference that a guard uses without having counted it: the value's address, or [`Debt::FREE`].
///
/// Filled by the leaseholder of its record; struck out by the guard, or by a sweep, which first counts the
/// reference on the guard's behalf.
pub(crate) struct Debt(AtomicUsize);

impl Debt {
    const FREE: usize = 0;

    #[inline]
    fn is_free(&self) -> bool {
        // ORDERING: Acquire, pairs with the Release in `strike`: what a sweep did before it struck the last
        // debt here comes before the one we are about to write, and so is known to the guard that finds ours
        // in place of its own.
        self.0.load(Ordering::Acquire) == Self::FREE
    }

    /// Fills a free debt. For the leaseholder, inside a window.
    #[inline]
    pub(super) fn owe(&self, value: usize) {
        // ORDERING: Release, pairs with the Acquire in `strike` and `owes`: passes on what `is_free`
        // acquired.
        self.0.store(value, Ordering::Release);
    }

    /// Whether somebody owes a reference to `value` here.
    pub(super) fn owes(&self, value: usize) -> bool {
        // ORDERING: Acquire, pairs with the Release in `strike`: when a guard has struck its debt, its reads
        // come before what the sweep does next, which may be to free the value.
        self.0.load(Ordering::Acquire) == value
    }

    /// Strikes the debt out. False when somebody else has: for a guard, the debt has been paid; for a sweep,
    /// the guard is gone.
    #[inline]
    pub(super) fn strike(&self, value: usize) -> bool {
        // ORDERING: Release on success, pairs with the Acquire below and in `owes` and `is_free`. From a
        // guard: its reads come before the value is freed. From a sweep: the reference that it counted comes
        // before the guard gives that reference back. Acquire on failure: the other side of both.
        self.0
            .compare_exchange(value, Self::FREE, Ordering::Release, Ordering::Acquire)
            .is_ok()
    }
}
