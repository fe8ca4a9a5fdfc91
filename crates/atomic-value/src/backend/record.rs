//! The records in which threads announce what they load and what they owe.

use std::array;
use std::cell::Cell;
use std::iter;
use std::ptr;

use super::debt::Debt;
use super::mode::LIGHT;
use crate::env::{self, Asymmetric, DEBTS, Switch};
use crate::sync::{AtomicBool, AtomicPtr, AtomicUsize, Ordering, fence};

/// One thread's record. Records are never freed: when the thread ends another one takes its record over.
///
/// Aligned to a pair of cache lines, so that threads that load do not disturb each other.
/// What a load looks at lies in the first of the lines.
#[repr(C, align(128))]
pub(crate) struct Record {
    /// Address of the slot that the leaseholder is loading from, with the number of the window in the bits that an
    /// address leaves free ([`Turn`]); 0 when it is not loading. Written by the leaseholder only, or, for one that was lost
    /// in a fork, by the child.
    loading: AtomicUsize,
    /// Whether the leaseholder loads by the light barrier: one of the values of [`Trust`].
    trust: Switch,
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
    static OWN: Own = const { Own::none() };
}

#[cfg(pool_loom)]
crate::sync::thread_local! {
    static LEASE: Lease = Lease::none();
    static OWN: Own = Own::none();
}

/// What a thread looks at in each load. Has no destructor, so that it is there without a question, and looking at it
/// allocates nothing.
struct Own {
    /// The record of the thread, and the proof that the barrier works, when it may load by it.
    light: Cell<Option<(&'static Record, Asymmetric)>>,
    /// The number of the last window.
    turn: Cell<usize>,
    /// How often the thread has loaded behind a fence.
    fenced: Cell<u32>,
    /// The record of the thread, for the child of a fork.
    record: Cell<Option<&'static Record>>,
}

impl Own {
    const fn none() -> Self {
        Self {
            light: Cell::new(None),
            turn: Cell::new(0),
            fenced: Cell::new(0),
            record: Cell::new(None),
        }
    }

    /// Another one than last time.
    #[inline]
    fn turn(&self) -> Turn {
        let turn = self.turn.get().wrapping_add(1) & Turn::BITS;
        self.turn.set(turn);
        Turn(turn)
    }
}

/// Looks at what belongs to this thread. The model checker's threads lose it before they end.
#[inline]
fn own<R>(look: impl FnOnce(&Own) -> R) -> Option<R> {
    OWN.try_with(look).ok()
}

/// The values of [`Record::trust`]. None but the first is a mode of a slot, so that one comparison of the two is enough.
///
/// `UNASKED` → `LIGHT` by the leaseholder. When the barrier has been refused for good: `UNASKED` → `CONFIRMED` and
/// `LIGHT` → `TOLD` by a thread that learns it, `TOLD` → `CONFIRMED` by the leaseholder.
pub(crate) struct Trust;

impl Trust {
    /// The leaseholder may load by the light barrier.
    pub(crate) const LIGHT: u32 = LIGHT;
    /// It has never done so, nor has one before it.
    pub(crate) const UNASKED: u32 = 4;
    /// It may not any longer, but may not have seen that.
    pub(crate) const TOLD: u32 = 5;
    /// It no longer does. A thread that acquires this sees the earlier loads.
    pub(crate) const CONFIRMED: u32 = 6;
}

/// All records, as far as they are known.
///
/// A sweep calls this after its fence, see [`Record::open`].
#[inline]
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

/// This thread's record, the proof that the barrier works, and the number of a window: for a load by the light barrier.
#[inline]
pub(super) fn light() -> Option<(&'static Record, Asymmetric, Turn)> {
    own(|own| Some((own.light.get()?, own.turn())))
        .flatten()
        .map(|((record, pair), turn)| (record, pair, turn))
}

/// As [`light`], for a thread that has no record so far.
#[cold]
#[inline(never)]
pub(super) fn first_light() -> Option<(&'static Record, Asymmetric, Turn)> {
    LEASE.try_with(Lease::record).ok()?;
    light()
}

/// Every how many loads behind a fence a thread asks whether they have to be.
const LOOKS: u32 = 64;

/// Whether this load behind a fence should be followed by a look at what may have changed.
#[inline]
pub(super) fn is_look_due() -> bool {
    own(|own| {
        let fenced = own.fenced.get().wrapping_add(1);
        own.fenced.set(fenced);
        fenced % LOOKS == 0
    })
    .unwrap_or(false)
}

/// Whether this thread may load by the light barrier, by now.
pub(super) fn asks_again() -> bool {
    let has = || own(|own| own.light.get().is_some()).unwrap_or(false);
    has() || {
        let _ = LEASE.try_with(|lease| lease.record().ask());
        has()
    }
}

/// Runs `load` with this thread's record, or with a borrowed one while the thread's locals are being
/// destroyed.
#[inline]
pub(super) fn with<R>(load: impl Fn(&'static Record, Turn) -> R) -> R {
    match LEASE.try_with(Lease::record) {
        Ok(record) => load(record, turn()),
        Err(_) => with_borrowed(load),
    }
}

#[cold]
pub(super) fn with_borrowed<R>(load: impl Fn(&'static Record, Turn) -> R) -> R {
    let lease = Lease::borrowed();
    load(lease.record(), turn())
}

/// The number of this thread's next window.
#[inline]
fn turn() -> Turn {
    own(Own::turn).unwrap_or(Turn(0))
}

/// Whether every thread that has loaded by the light barrier has since run a fence and will not do so again. Otherwise
/// tells them, if the system has refused the barrier for good. Called after that.
#[cold]
pub(super) fn all_by_fences(for_good: bool) -> bool {
    if !for_good {
        return false;
    }
    for record in records() {
        record.tell();
    }
    // ORDERING: SeqCst, pairs with the fence in `Record::ask`. Of us and whoever takes a record, one sees the other: we
    // that it is leased, or that one that it has been told, or that the barrier is no more.
    fence(Ordering::SeqCst);
    records().all(Record::is_by_fences)
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

/// A hold on a record; gives it back when the thread goes, or the borrower.
struct Lease {
    record: Cell<Option<&'static Record>>,
    /// Whether it is the thread's own.
    own: bool,
}

impl Lease {
    const fn none() -> Self {
        Self {
            record: Cell::new(None),
            own: true,
        }
    }

    const fn borrowed() -> Self {
        Self {
            record: Cell::new(None),
            own: false,
        }
    }

    #[inline]
    fn record(&self) -> &'static Record {
        match self.record.get() {
            Some(record) => record,
            None => self.begin(),
        }
    }

    #[cold]
    fn begin(&self) -> &'static Record {
        let record = Record::lease();
        if let Some(other) = self.record.replace(Some(record)) {
            // The allocator asked for a value while it made our record.
            other.release();
        }
        if self.own {
            own(|own| {
                own.light.set(None);
                own.record.set(Some(record));
            });
            record.ask();
        }
        record
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        match self.record.take() {
            Some(record) if !env::is_torn_down() => {
                if self.own {
                    own(|own| {
                        own.light.set(None);
                        own.record.set(None);
                    });
                }
                record.release();
            }
            _ => {}
        }
    }
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
/// there, and their leases, and what they were giving up. What their guards owe stays: a replacement counts it, and nobody
/// gives that back. A ticket of a replacement that is not there needs nothing: it is displaced.
///
/// The forking thread itself is in no window, and is not giving up a debt: no user code runs there.
#[cfg(not(pool_loom))]
extern "C" fn in_the_child() {
    let own = own(|own| own.record.get()).flatten();
    for record in records() {
        record.debts.iter().for_each(Debt::end_closing);
        if own.is_some_and(|own| ptr::eq(own, record)) {
            continue;
        }
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
            trust: Switch::new(env::first_trust()),
            debts: array::from_fn(|_| Debt::new()),
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

    /// How much the leaseholder trusts the barrier, to be compared with the mode of a slot.
    #[inline]
    pub(super) fn trust(&self) -> u32 {
        // ORDERING: Relaxed. Who has told us cannot rely on it before we confirm.
        self.trust.look(|trust| trust.load(Ordering::Relaxed))
    }

    /// For the leaseholder: loads by the light barrier from now on, if there is one.
    #[cold]
    fn ask(&'static self) {
        if Asymmetric::get().is_none() {
            return;
        }
        // ORDERING: SeqCst, pairs with the fence in `all_by_fences`. It also stands between the first look for the barrier
        // and what this thread then makes of a slot: who reads that the slot is `LIGHT` finds the barrier there.
        fence(Ordering::SeqCst);
        let Some(pair) = Asymmetric::get() else {
            return;
        };
        // ORDERING: Relaxed. The next replacement's heavy barrier finds us whatever it reads here.
        self.trust.change(|trust| {
            trust.compare_exchange(
                Trust::UNASKED,
                Trust::LIGHT,
                Ordering::Relaxed,
                Ordering::Relaxed,
            )
        });
        if self.trust() == Trust::LIGHT {
            own(|own| own.light.set(Some((self, pair))));
        }
    }

    /// Tells the leaseholder that the barrier is no more.
    fn tell(&self) {
        for (from, to) in [
            (Trust::UNASKED, Trust::CONFIRMED),
            (Trust::LIGHT, Trust::TOLD),
        ] {
            // ORDERING: Relaxed. The fence in `all_by_fences` follows.
            self.trust.change(|trust| {
                trust.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed)
            });
        }
    }

    /// For the leaseholder, before a load behind a fence: confirms what it has been told.
    #[inline]
    fn confirm(&self) {
        if self.trust() == Trust::TOLD {
            self.confirm_now();
        }
    }

    #[cold]
    fn confirm_now(&self) {
        own(|own| own.light.set(None));
        // ORDERING: Release, pairs with the Acquire in `is_by_fences`: the windows and debts of our loads by the light
        // barrier are visible to who goes without it.
        self.trust
            .change(|trust| trust.store(Trust::CONFIRMED, Ordering::Release));
    }

    /// Whether no load by the light barrier can be under way here, nor begin.
    fn is_by_fences(&self) -> bool {
        // ORDERING: Acquire, pairs with the Release in `confirm_now`.
        self.trust.look(|trust| trust.load(Ordering::Acquire)) == Trust::CONFIRMED
            // ORDERING: Acquire, pairs with the Release in `release`: the loads of who had it are visible.
            || !self.leased.load(Ordering::Acquire)
    }

    /// Announces a load from `slot` by the light barrier. While the window is open, a thread that removes a value from
    /// the slot waits, if the slot is still in that mode.
    #[inline]
    pub(super) fn open_light(&self, slot: usize, turn: Turn, pair: Asymmetric) -> Window<'_> {
        // ORDERING: Release, as in `open`.
        self.loading.store(slot | turn.0, Ordering::Release);
        // Pairs with the heavy barrier of a replacement, or of a turn. There is a point in our course at which it strikes
        // us. What comes before is visible to who issued it, and what comes after sees what came before it there.
        // - If the point is after the load of the value, our announcement is seen.
        // - If it is before that, we read what replaced the value, or see that the slot is turning.
        pair.light();
        Window(self)
    }

    /// Announces a load from `slot` behind a fence. While the window is open, a thread that removes a value from
    /// the slot waits.
    #[inline]
    pub(super) fn open(&self, slot: usize, turn: Turn) -> Window<'_> {
        self.confirm();
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
        let (first, others) = self.debts.split_first()?;
        if first.is_free() {
            return Some(first);
        }
        Self::free_among(others)
    }

    #[inline(never)]
    fn free_among(debts: &[Debt]) -> Option<&Debt> {
        debts.iter().find(|debt| debt.is_free())
    }

    /// Waits until the window in which the leaseholder may be loading from `slot` has ended. False when it seems that it
    /// never will.
    ///
    /// It waits for a change and not for a moment without a window, which a busy reader hardly has: a window that begins
    /// after the first look begins after the sweep's fence, and does not find the value that was removed.
    #[inline]
    pub(super) fn await_window(&self, slot: usize) -> bool {
        // ORDERING: Acquire, pairs with the Release in `Window::drop` and `open`: the debt of a load that is done is
        // visible to the sweep that goes on here.
        let look = || self.loading.load(Ordering::Acquire);
        let seen = look();
        Turn::slot(seen) != slot || env::wait_until(|| look() != seen)
    }

    /// The debts, for a sweep.
    #[inline]
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
