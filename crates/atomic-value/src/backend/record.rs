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
    /// Address of the slot that the leaseholder is loading from, with the number of the window in the bits that an
    /// address leaves free ([`Turn`]); 0 when it is not loading. Written by the leaseholder only, or, for one that was lost
    /// in a fork, by the child.
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
    static LEASE: Lease = const { Lease::none() };
    /// This thread's record, for the child of a fork. Has no destructor, so looking at it allocates nothing.
    static OWN: Cell<*const Record> = const { Cell::new(ptr::null()) };
}

#[cfg(pool_loom)]
crate::sync::thread_local! {
    static LEASE: Lease = Lease::none();
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
pub(super) fn with<R>(load: impl Fn(&'static Record, Turn) -> R) -> R {
    match LEASE.try_with(|lease| (lease.record(), lease.turn())) {
        Ok((record, turn)) => load(record, turn),
        Err(_) => with_borrowed(load),
    }
}

#[cold]
pub(super) fn with_borrowed<R>(load: impl Fn(&'static Record, Turn) -> R) -> R {
    let lease = Lease::none();
    load(lease.record(), lease.turn())
}

/// The number of a window among those of its thread, modulo what the address of a slot leaves room for. So a sweep that
/// waits sees that one window has ended, although the thread is in the next one already.
#[derive(Clone, Copy)]
pub(super) struct Turn(usize);

impl Turn {
    /// The bits that are 0 in the address of a slot, which is that of a pointer.
    const BITS: usize = align_of::<*const ()>() - 1;

    /// The slot that a word of `loading` names.
    fn slot(word: usize) -> usize {
        word & !Self::BITS
    }
}

/// A thread's hold on its record; gives it back when the thread goes.
struct Lease {
    record: Cell<Option<&'static Record>>,
    turn: Cell<usize>,
}

impl Lease {
    const fn none() -> Self {
        Self {
            record: Cell::new(None),
            turn: Cell::new(0),
        }
    }

    #[inline]
    fn record(&self) -> &'static Record {
        match self.record.get() {
            Some(record) => record,
            None => self.begin(),
        }
    }

    /// Another one than last time.
    #[inline]
    fn turn(&self) -> Turn {
        let turn = self.turn.get().wrapping_add(1) & Turn::BITS;
        self.turn.set(turn);
        Turn(turn)
    }

    #[cold]
    fn begin(&self) -> &'static Record {
        let record = Record::lease();
        set_own(record);
        if let Some(other) = self.record.replace(Some(record)) {
            // The allocator asked for a value while it made our record.
            other.release();
        }
        record
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        match self.record.take() {
            Some(record) if !env::is_torn_down() => {
                set_own(ptr::null());
                record.release();
            }
            _ => {}
        }
    }
}

/// Notes which record is this thread's.
fn set_own(record: *const Record) {
    #[cfg(not(pool_loom))]
    OWN.set(record);
    #[cfg(pool_loom)]
    let _ = record;
}

/// Whether the child of a fork will run [`in_the_child`].
#[cfg(not(pool_loom))]
static WATCHED: AtomicBool = AtomicBool::new(false);

/// Sees to it that a child of a fork knows which threads it has lost. Blocks nobody: two threads that come here at the
/// same time do it twice, which does no harm.
#[cfg(not(pool_loom))]
fn watch_forks() {
    // ORDERING: Relaxed. Nothing is read on the strength of it, and doing it twice does no harm.
    if !WATCHED.load(Ordering::Relaxed) && env::run_in_children(in_the_child) {
        // Afterwards, so that a child of a fork in between does not take it for done.
        // ORDERING: Relaxed, as above.
        WATCHED.store(true, Ordering::Relaxed);
    }
}

/// Runs in the child of a fork, on its only thread, before anything else does: ends the windows of the threads that are not
/// there, and their leases. What their guards owe stays: a replacement counts it, and nobody gives that back.
///
/// The forking thread itself is in no window: no user code runs in one.
#[cfg(not(pool_loom))]
extern "C" fn in_the_child() {
    let own = OWN.get();
    for record in records().filter(|record| !ptr::eq(*record, own)) {
        // ORDERING: Relaxed. There is one thread, and whatever makes more of them orders this before what they do.
        record.loading.store(0, Ordering::Relaxed);
        // ORDERING: Relaxed, for the same reason.
        record.leased.store(false, Ordering::Relaxed);
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
        #[cfg(not(pool_loom))]
        watch_forks();
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
    pub(super) fn open(&self, slot: usize, turn: Turn) -> Window<'_> {
        // ORDERING: Release, pairs with the Acquire in `await_window`: a sweep that reads this announcement,
        // which is for another slot than the sweep's or for a later window than it waits for, sees the debts of our
        // earlier loads.
        self.loading.store(slot | turn.0, Ordering::Release);
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

    /// Waits until the window in which the leaseholder may be loading from `slot` has ended. False when it seems that it
    /// never will.
    ///
    /// It waits for a change and not for a moment without a window, which a busy reader hardly has: a window that begins
    /// after the first look begins after the sweep's fence, and does not find the value that was removed.
    pub(super) fn await_window(&self, slot: usize) -> bool {
        // ORDERING: Acquire, pairs with the Release in `Window::drop` and `open`: the debt of a load that is done is
        // visible to the sweep that goes on here.
        let look = || self.loading.load(Ordering::Acquire);
        let seen = look();
        Turn::slot(seen) != slot || env::wait_until(|| look() != seen)
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
