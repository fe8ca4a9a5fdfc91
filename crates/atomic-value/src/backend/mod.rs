//! The place where a shared, counted value lives: the one module to replace for another way of protecting
//! loads.
//!
//! Nothing outside knows how a load is protected. What the rest of the crate asks for is a [`Slot`] with a
//! `const` empty form, `load` to a [`Guard`] that may outlive the slot and move between threads, `load_arc`,
//! `swap`, `compare_exchange` by address, and `address` for a reader's cache. The design page argues why this
//! one is right.

mod debt;
pub(crate) mod mode;
mod owing;
mod record;
mod settle;
#[cfg(all(test, not(pool_loom)))]
mod tests;

use std::borrow::Borrow;
use std::cmp;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr;

use crate::env::{Arc, Asymmetric};
use crate::sync::{AtomicPtr, Ordering, const_unless_loom, fence};
use mode::{Mode, Sweep};
use owing::{Kind, Owing};
pub(crate) use record::Trust;
use record::{Record, Window};

/// Holds an `Option<Arc<T>>` that any thread may load and replace.
pub(crate) struct Slot<T> {
    /// From `Arc::into_raw`, or null. The slot owns one reference to it (R2).
    value: AtomicPtr<T>,
    /// How loads are protected.
    mode: Mode,
    /// Sends, shares and drops like the `Arc` it holds.
    owns: PhantomData<Option<Arc<T>>>,
}

impl<T> Slot<T> {
    const_unless_loom! {
        pub(crate) const fn empty() -> Self {
            Self { value: AtomicPtr::new(ptr::null_mut()), mode: Mode::new(), owns: PhantomData }
        }
    }

    pub(crate) fn new(value: Option<Arc<T>>) -> Self {
        Self {
            value: AtomicPtr::new(into_raw(value)),
            mode: Mode::new(),
            owns: PhantomData,
        }
    }

    /// What sweeps compare announcements with.
    #[inline]
    fn name(&self) -> usize {
        ptr::from_ref(self).addr()
    }

    /// The value, in a guard that in general has counted no reference. Wait-free.
    #[inline]
    pub(crate) fn load(&self) -> Option<Guard<T>> {
        match self.light_window() {
            Some(window) => self.load_in(window),
            None => self.load_without(),
        }
    }

    /// A window for a load by the light barrier, if the slot and the thread are for it.
    #[inline]
    fn light_window(&self) -> Option<LightWindow> {
        self.light_window_of(record::light()?)
    }

    #[inline]
    fn light_window_of(
        &self,
        (record, pair, turn): (&'static Record, Asymmetric, record::Turn),
    ) -> Option<LightWindow> {
        let window = record.open_light(self.name(), turn, pair);
        self.mode.is(record.trust()).then_some(LightWindow {
            window,
            record,
            pair,
        })
    }

    #[inline]
    fn load_in(&self, light: LightWindow) -> Option<Guard<T>> {
        // ORDERING: Acquire, pairs with the Release in `swap` and `compare_exchange`: the value's content is
        // visible to us.
        let value = self.value.load(Ordering::Acquire);
        if value.is_null() {
            return None;
        }
        let debt = light.record.free_debt();
        match debt {
            Some(debt) => debt.owe(value.addr()),
            // SAFETY: from `Arc::into_raw`; not freed before the window closes (R3).
            None => unsafe { count(value) },
        }
        drop(light.window);
        // SAFETY: from `Arc::into_raw`. The guard drops it only when a reference has been counted for it
        // (R4).
        let value = unsafe { Arc::from_raw(value) };
        Some(Guard {
            value: ManuallyDrop::new(value),
            owing: debt.map_or(Owing::COUNTED, |debt| Owing::light(debt, light.pair)),
        })
    }

    /// As `load`, where slot and thread are not known to be for the light barrier.
    #[inline(never)]
    fn load_without(&self) -> Option<Guard<T>> {
        if let Some(window) = self.light_window_after_all() {
            return self.load_in(window);
        }
        let loaded = record::with(|record, turn| {
            let window = record.open(self.name(), turn);
            // ORDERING: Acquire, as in `load_in`.
            let value = self.value.load(Ordering::Acquire);
            if value.is_null() {
                return None;
            }
            let debt = record.free_debt();
            match debt {
                Some(debt) => debt.owe_fenced(value.addr()),
                // SAFETY: from `Arc::into_raw`; not freed before the window closes (R3).
                None => unsafe { count(value) },
            }
            drop(window);
            // SAFETY: from `Arc::into_raw`. The guard drops it only when a reference has been counted for it
            // (R4).
            let value = unsafe { Arc::from_raw(value) };
            Some(Guard {
                value: ManuallyDrop::new(value),
                owing: debt.map_or(Owing::COUNTED, Owing::fenced),
            })
        });
        self.reconsider();
        loaded
    }

    /// For a thread's first load, or a slot's.
    fn light_window_after_all(&self) -> Option<LightWindow> {
        let first = record::first_light()?;
        if self.mode.is_undecided() {
            self.mode.reconsider();
            return self.light_window_of(first);
        }
        None
    }

    /// After a load behind a fence, outside of its window.
    #[inline]
    fn reconsider(&self) {
        if record::is_look_due() || self.mode.is_undecided() {
            self.reconsider_now();
        }
    }

    #[cold]
    fn reconsider_now(&self) {
        if record::asks_again() {
            self.mode.reconsider();
        } else {
            self.mode.give_up();
        }
    }

    /// The value, counted. Wait-free.
    pub(crate) fn load_arc(&self) -> Option<Arc<T>> {
        let light = self.light_window();
        if let Some(light) = light.or_else(|| self.light_window_after_all()) {
            return self.count_in(&light.window);
        }
        let counted = record::with(|record, turn| self.count_in(&record.open(self.name(), turn)));
        self.reconsider();
        counted
    }

    fn count_in(&self, _window: &Window) -> Option<Arc<T>> {
        // ORDERING: Acquire, as in `load_in`.
        let value = self.value.load(Ordering::Acquire);
        if value.is_null() {
            return None;
        }
        // SAFETY: from `Arc::into_raw`; not freed before the window closes (R3).
        unsafe { Arc::increment_strong_count(value) };
        // SAFETY: from `Arc::into_raw`, and the reference was counted just now.
        Some(unsafe { Arc::from_raw(value) })
    }

    /// The value's address, for comparison only; null when there is none.
    #[inline]
    pub(crate) fn address(&self) -> *const T {
        // ORDERING: Acquire, pairs with the Release in `swap` and `compare_exchange`. Who compares it with a
        // value that it holds reads that value's content already; this is for an `Arc` that was stored a
        // second time, so that what came before the second store is visible, too.
        self.value.load(Ordering::Acquire)
    }

    pub(crate) fn is_empty(&self) -> bool {
        // ORDERING: Relaxed. Nothing is read through it.
        self.value.load(Ordering::Relaxed).is_null()
    }

    /// Replaces the value and returns the old one. Waits for threads that are in the middle of a load from
    /// here.
    pub(crate) fn swap(&self, new: Option<Arc<T>>) -> Option<Arc<T>> {
        // ORDERING: Release, pairs with the Acquire in `load_in`, `load_without`, `count_in` and `address`: the new
        // value's content is visible to whoever loads it. Acquire: the old value's content is visible to our
        // caller. The fence in `removed` would do for that, but ThreadSanitizer knows no fences.
        let old = self.value.swap(into_raw(new), Ordering::AcqRel);
        self.removed(old)
    }

    /// Replaces the value if it is the one at `current` (null: if there is none), and returns the old one.
    /// Otherwise gives `new` back. Waits as `swap` does.
    ///
    /// The caller keeps `current` from being freed, so an equal address is the same value.
    pub(crate) fn compare_exchange(
        &self,
        current: *const T,
        new: Option<Arc<T>>,
    ) -> Result<Option<Arc<T>>, Option<Arc<T>>> {
        let new = into_raw(new);
        // ORDERING: as in `swap`. Relaxed on failure, nothing is done with what was read.
        match self.value.compare_exchange(
            current.cast_mut(),
            new,
            Ordering::AcqRel,
            Ordering::Relaxed,
        ) {
            Ok(old) => Ok(self.removed(old)),
            // It was not stored: the reference that it stands for is still ours.
            Err(_) => Err(from_raw(new)),
        }
    }

    pub(crate) fn into_inner(self) -> Option<Arc<T>> {
        let slot = ManuallyDrop::new(self);
        slot.take_last()
    }

    /// Takes the value out of a slot that nobody else can reach.
    fn take_last(&self) -> Option<Arc<T>> {
        // ORDERING: Relaxed. We are alone with the slot, so whatever made us so ordered all stores before.
        let value = from_raw(self.value.load(Ordering::Relaxed));
        if let Some(value) = &value {
            // No fence, and nobody to wait for: a load that is under way borrows the slot. Guards may be
            // left.
            settle::pay(value, None);
        }
        value
    }

    /// Takes over the slot's reference to a value that was just removed.
    fn removed(&self, old: *mut T) -> Option<Arc<T>> {
        let old = from_raw(old)?;
        // ORDERING: SeqCst, pairs with the fence in `Record::open`, which argues both cases, and with the heavy barrier in
        // `Mode::turn`: a thread that loads by the light barrier after a turn finds our exchange, or we see the turn.
        fence(Ordering::SeqCst);
        match self.mode.order() {
            Sweep::Ordered => {}
            Sweep::Refused { for_good } => {
                if !record::all_by_fences(for_good) {
                    // Whoever loads by the light barrier may yet use the value (R6).
                    settle::leak(&old);
                }
            }
        }
        settle::pay(&old, Some(self.name()));
        self.mode.stored();
        Some(old)
    }

    /// Turns the slot to the light barrier or to fences, in a model.
    #[cfg(pool_loom)]
    pub(crate) fn turn(&self, light: bool) {
        self.mode.turn_now(light);
    }
}

/// A load by the light barrier under way.
struct LightWindow {
    window: Window<'static>,
    record: &'static Record,
    pair: Asymmetric,
}

impl<T> Drop for Slot<T> {
    fn drop(&mut self) {
        drop(self.take_last());
    }
}

fn into_raw<T>(value: Option<Arc<T>>) -> *mut T {
    value.map_or(ptr::null_mut(), |value| Arc::into_raw(value).cast_mut())
}

/// Counts a reference more, for a thread that has no debt free.
///
/// # Safety
///
/// `value` is from `into_raw`, and not freed meanwhile.
#[cold]
#[inline(never)]
unsafe fn count<T>(value: *mut T) {
    // SAFETY: the caller's promise.
    unsafe { Arc::increment_strong_count(value) };
}

/// Takes over the reference that `into_raw` gave up.
fn from_raw<T>(value: *mut T) -> Option<Arc<T>> {
    // SAFETY: from `into_raw`, and the reference is the caller's: it has just removed the value from its slot, whose
    // reference this is (R2), or has not stored it.
    (!value.is_null()).then(|| unsafe { Arc::from_raw(value) })
}

/// A loaded value. It stays as it was, and alive, until the guard is dropped, whatever is stored meanwhile.
///
/// Made by [`AtomicValue::load`](crate::AtomicValue::load). It does not borrow the `AtomicValue`, may outlive
/// it, and may be sent to and dropped on another thread. A thread that holds at most eight guards at a time
/// makes and drops them without touching the value's reference count; any further guard counts. Forgetting a
/// guard leaks the value and is otherwise harmless.
///
/// To keep a value for long, turn the guard into an [`Arc`] with [`Guard::into_arc`].
///
/// Guards are compared, ordered, hashed and printed as the values that they show. [`Arc::ptr_eq`] of
/// [`Guard::as_arc`] tells whether two show the same object.
pub struct Guard<T> {
    value: ManuallyDrop<Arc<T>>,
    owing: Owing,
}

impl<T> Guard<T> {
    /// Turns the guard into an `Arc`. Wait-free; costs one or two changes of the reference count.
    ///
    /// An associated function, so that it is in the way of no method of `T`.
    #[must_use]
    pub fn into_arc(guard: Self) -> Arc<T> {
        Arc::clone(&guard.value)
    }

    /// The `Arc` that the value is in. Costs nothing.
    ///
    /// Its reference count does not tell how many guards there are: most guards are not counted while their version is
    /// stored.
    ///
    /// An associated function, so that it is in the way of no method of `T`.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use atomic_value::{AtomicValue, Guard};
    ///
    /// let value = AtomicValue::new(1);
    /// let (before, after) = (value.load().unwrap(), value.load().unwrap());
    /// assert!(Arc::ptr_eq(Guard::as_arc(&before), Guard::as_arc(&after)));
    /// ```
    #[inline]
    #[must_use]
    pub fn as_arc(guard: &Self) -> &Arc<T> {
        // Whether or not a reference has been counted for the guard, there is one that outlives it or becomes its own: that
        // of the slot, or of the sweep that settles the debt. So a count of one is never the borrower's alone.
        &guard.value
    }
}

impl<T> Deref for Guard<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Drop for Guard<T> {
    #[inline]
    fn drop(&mut self) {
        let is_counted = match self.owing.kind() {
            Kind::Light(debt, pair) => debt.close(pair),
            Kind::Fenced(debt) => !debt.strike(Arc::as_ptr(&self.value).addr()),
            Kind::Counted => true,
        };
        if !is_counted {
            return;
        }
        // SAFETY: a reference has been counted for us, by the load or by whoever settled our debt (R4);
        // and this is the only place that drops it.
        unsafe { ManuallyDrop::drop(&mut self.value) };
    }
}

impl<T> AsRef<T> for Guard<T> {
    fn as_ref(&self) -> &T {
        self
    }
}

impl<T> Borrow<T> for Guard<T> {
    fn borrow(&self) -> &T {
        self
    }
}

impl<T: PartialEq> PartialEq for Guard<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Eq> Eq for Guard<T> {}

impl<T: PartialOrd> PartialOrd for Guard<T> {
    fn partial_cmp(&self, other: &Self) -> Option<cmp::Ordering> {
        (**self).partial_cmp(&**other)
    }
}

impl<T: Ord> Ord for Guard<T> {
    fn cmp(&self, other: &Self) -> cmp::Ordering {
        (**self).cmp(&**other)
    }
}

impl<T: Hash> Hash for Guard<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl<T> From<Guard<T>> for Arc<T> {
    fn from(guard: Guard<T>) -> Self {
        Guard::into_arc(guard)
    }
}

impl<T: fmt::Debug> fmt::Debug for Guard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: fmt::Display> fmt::Display for Guard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
