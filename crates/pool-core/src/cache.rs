//! The thread cache: a few items of one thread in plain memory, behind a gate that others can shut.
//!
//! The gate is `pool-gate`'s: the thread is its owner, and rotations and clearings are visitors. Between going in and
//! out stand only moves of items: no call, no allocation, no code of the user's. That is what lets a visitor wait for a
//! bounded time and otherwise leave the cache alone.
//!
//! The items are a stack. `floor` parts it: what lies below was here at the last rotation and has not been
//! touched since, and goes at the next one.

use core::fmt;
use core::mem::{self, ManuallyDrop, MaybeUninit};
use core::ptr;

use pool_gate::{Gate, Inside, Sweep, Unordered, Visits};

use crate::batch::Batch;
use crate::moves;
use crate::pace::{Pace, Reading};
use crate::stats::{Counters, Event};
use crate::sync::{AtomicPtr, AtomicUsize, Ordering};

/// The room that a cache begins with. It doubles when its thread turns out to take more than that.
const FIRST_DEPTH: usize = 64;

/// The takes that an owner has left until it looks at the clock, above the low bits of how many it has made: one
/// subtraction changes both, and its sign says whether there was one left.
///
/// When the low bits come round, what is left is one more than it was; once in so many takes nobody minds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Takes(usize);

impl Takes {
    /// What is left fits above, with a bit for the sign. As few as make a number that an instruction can hold.
    const BITS: u32 = if usize::BITS == 32 { 24 } else { 31 };
    const MADE: usize = (1 << Self::BITS) - 1;

    #[inline]
    fn of(left: usize, made: usize) -> Self {
        Self(left << Self::BITS | made & Self::MADE)
    }

    /// After one take more; None if none is left.
    #[inline(always)]
    fn after_one(self) -> Option<Self> {
        // One less is left, and one more is made.
        let after = self.0.wrapping_sub((1 << Self::BITS) - 1);
        ((after as isize) >= 0).then_some(Self(after))
    }

    #[inline]
    fn left(self) -> usize {
        self.0 >> Self::BITS
    }

    /// How many takes were made, given a number that is not further from it than half of what the low bits count.
    #[inline]
    fn taken(self, near: usize) -> usize {
        // The difference of the low bits, with their highest as its sign.
        let up = usize::BITS - Self::BITS;
        let ahead = (self.0.wrapping_sub(near) << up) as isize >> up;
        near.wrapping_add(ahead as usize)
    }
}

/// One thread's items of one pool.
///
/// Lines of their own: neighbours in the table are other threads' caches. In this order, because what the
/// fast path touches shall lie in the first.
#[repr(C, align(128))]
pub(crate) struct LocalCache<T> {
    gate: Gate<Bounds<T>>,
    /// The takes that the owner may make before it looks at the clock, and how many it has made ([`Takes`]). Written by
    /// the owner, read for statistics.
    takes: AtomicUsize,
    /// The place above the newest item. Written by whoever holds the cache, read for statistics.
    top: AtomicPtr<T>,
    /// The lowest place. Written by whoever holds the cache, read for statistics.
    base: AtomicPtr<T>,
    /// How many takes the owner had made when it last came to a slow path. Written by the owner, read for statistics.
    settled: AtomicUsize,
    /// When the owner looks at the clock. The owner's alone.
    pace: Pace,
    /// Written by the owner, read for statistics.
    pub(crate) counters: Counters,
}

/// How far the fast path may go. Only the holder of the cache may touch it.
///
/// Addresses and not counts: the fast path is spared the arithmetic that makes one of the other.
struct Bounds<T> {
    /// A take stops here: what lies below is parked, untouched since the last rotation.
    floor: *mut T,
    /// A put stops here: there is no place.
    end: *mut T,
}

impl<T> Bounds<T> {
    /// No place at all.
    const NONE: Self = Self {
        floor: ptr::dangling_mut(),
        end: ptr::dangling_mut(),
    };
}

// SAFETY: the pointers lead to items, which are `Send`, and whoever is behind the gate may use them.
unsafe impl<T: Send> Send for Bounds<T> {}

/// The items as the slow paths and the visitors see them.
struct Stack<T> {
    /// `capacity` places, the first `len` of them items; dangling while `capacity` is 0.
    items: *mut MaybeUninit<T>,
    capacity: usize,
    /// Items below this index are parked. At most `len`.
    floor: usize,
}

impl<T> Stack<T> {
    const EMPTY: Self = Self {
        items: ptr::dangling_mut(),
        capacity: 0,
        floor: 0,
    };
}

/// From one place of a stack to the next. Items without a size are counted in bytes all the same.
const fn step<T>() -> usize {
    if size_of::<T>() == 0 {
        1
    } else {
        size_of::<T>()
    }
}

/// The place that lies `count` places above another.
#[inline(always)]
fn above<T>(place: *mut T, count: usize) -> *mut T {
    place.wrapping_byte_add(count * step::<T>())
}

/// How many places lie between two.
fn places<T>(from: *mut T, to: *mut T) -> usize {
    to.addr().wrapping_sub(from.addr()) / step::<T>()
}

/// Where the item of a place is.
#[inline(always)]
fn item<T>(place: *mut T) -> *mut T {
    if size_of::<T>() == 0 {
        ptr::dangling_mut()
    } else {
        place
    }
}

impl<T> LocalCache<T> {
    pub(crate) fn new() -> Self {
        Self {
            gate: Gate::new(Bounds::NONE),
            // None: the owner's first operation is a slow one.
            takes: AtomicUsize::new(0),
            top: AtomicPtr::new(ptr::dangling_mut()),
            base: AtomicPtr::new(ptr::dangling_mut()),
            settled: AtomicUsize::new(0),
            pace: Pace::new(),
            counters: Counters::new(),
        }
    }

    /// Goes in to take the newest item; None when there is none to be had on the fast path. Wait-free, no
    /// read-modify-write, no fence.
    #[inline(always)]
    pub(crate) fn open_to_take(&self) -> Option<OpenToTake<'_, T>> {
        let mut inside = self.enter()?;
        // ORDERING: Relaxed. The gate orders the holders' accesses; statistics may be stale.
        let top = self.top.load(Ordering::Relaxed);
        if top == inside.with(|bounds| bounds.floor) {
            return None;
        }
        // ORDERING: Relaxed. Only the owner writes it.
        let takes = Takes(self.takes.load(Ordering::Relaxed)).after_one()?;
        // ORDERING: Relaxed, as the loads above.
        self.takes.store(takes.0, Ordering::Relaxed);
        let newest = top.wrapping_byte_sub(step::<T>());
        // ORDERING: Relaxed, as the loads above.
        self.top.store(newest, Ordering::Relaxed);
        Some(OpenToTake {
            inside,
            place: newest,
        })
    }

    /// Goes in to add an item; None when there is no room. Wait-free, no read-modify-write, no fence.
    #[inline(always)]
    pub(crate) fn open_to_put(&self) -> Option<OpenToPut<'_, T>> {
        let mut inside = self.enter()?;
        // ORDERING: Relaxed. The gate orders the holders' accesses; statistics may be stale.
        let top = self.top.load(Ordering::Relaxed);
        if top == inside.with(|bounds| bounds.end) {
            return None;
        }
        Some(OpenToPut {
            cache: self,
            inside,
            place: top,
        })
    }

    /// Adds the newest item, or gives it back when there is no room.
    pub(crate) fn put(&self, item: T) -> Result<(), T> {
        match self.open_to_put() {
            Some(open) => {
                let item = ManuallyDrop::new(item);
                // SAFETY: nobody looks at `item` again.
                unsafe { open.put_from(&raw const *item) };
                Ok(())
            }
            None => Err(item),
        }
    }

    /// The owner goes in; None when the cache is revoked.
    #[inline(always)]
    fn enter(&self) -> Option<Inside<'_, Bounds<T>>> {
        // SAFETY: the caller is the owner:
        // - nobody claims the gate of a cache;
        // - the thread whose number leads here is the only one to call this (P0), and nothing that could call it again
        //   is called from inside (P2);
        // - a number passes from thread to thread by release and acquire.
        unsafe { self.gate.enter() }
    }

    /// The owner goes into a cache that was given up; None if it was not.
    fn enter_given_up(&self) -> Option<Inside<'_, Bounds<T>>> {
        // SAFETY: as in `enter`.
        unsafe { self.gate.enter_refused() }
    }

    /// Runs `f` inside with the stack and its length, which `f` may change; None when revoked.
    ///
    /// `f` only moves items.
    fn inside<R>(&self, f: impl FnOnce(&mut Stack<T>, &mut usize) -> R) -> Option<R> {
        let mut inside = self.enter()?;
        Some(inside.with(|bounds| self.hold(bounds, f)))
    }

    /// The same for who is behind the gate already.
    fn hold<R>(&self, bounds: &mut Bounds<T>, f: impl FnOnce(&mut Stack<T>, &mut usize) -> R) -> R {
        // ORDERING: Relaxed, as the three below. The gate orders the holders' accesses.
        let base = self.base.load(Ordering::Relaxed);
        // ORDERING: Relaxed, see above.
        let top = self.top.load(Ordering::Relaxed);
        let mut len = places(base, top);
        let mut stack = Stack {
            items: base.cast(),
            capacity: places(base, bounds.end),
            floor: places(base, bounds.floor),
        };
        let result = f(&mut stack, &mut len);
        let base = stack.items.cast::<T>();
        *bounds = Bounds {
            floor: above(base, stack.floor),
            end: above(base, stack.capacity),
        };
        // ORDERING: Relaxed, see above.
        self.base.store(base, Ordering::Relaxed);
        // ORDERING: Relaxed, see above.
        self.top.store(above(base, len), Ordering::Relaxed);
        result
    }

    /// The owner's takes.
    #[inline]
    fn takes(&self) -> Takes {
        // ORDERING: Relaxed. Only the owner writes it.
        Takes(self.takes.load(Ordering::Relaxed))
    }

    /// Whether a take came to the slow path to look at the clock. If the cache is empty, it came for an item, and is
    /// no sign that the hits are dense.
    #[inline]
    fn is_spent(&self) -> bool {
        self.takes().left() == 0 && !self.is_empty()
    }

    /// Whether a take came to the slow path to look at the clock and for nothing else: there is an item that is not
    /// parked.
    #[inline]
    pub(crate) fn only_looks(&self) -> bool {
        if self.takes().left() != 0 {
            return false;
        }
        self.enter().is_some_and(|mut inside| {
            // ORDERING: Relaxed. The gate orders the holders' accesses.
            self.top.load(Ordering::Relaxed) != inside.with(|bounds| bounds.floor)
        })
    }

    /// Grants takes to an owner who has none left and has looked at the clock.
    #[inline]
    pub(crate) fn renew(&self, reading: Option<Reading>) {
        self.grant(self.pace.look(reading), self.taken());
    }

    /// The owner has come to the slow path of a take: sets after how many more takes it looks at the clock, and
    /// says how many operations lie behind it.
    pub(crate) fn look(&self, reading: Option<Reading>) -> usize {
        let grant = if self.is_spent() {
            self.pace.look(reading) - 1
        } else {
            self.pace.pass(reading);
            0
        };
        self.settle(grant)
    }

    /// The owner has come to another slow path, which reads the clock too; the next take looks. As `look`.
    pub(crate) fn pass(&self, reading: Option<Reading>) -> usize {
        self.pace.pass(reading);
        self.settle(0)
    }

    /// Grants takes instead of what is left, and says how many operations lie behind the owner.
    fn settle(&self, grant: usize) -> usize {
        let taken = self.taken();
        self.grant(grant, taken);
        // Those of a pool all of whose takes are slow are counted as events.
        let slow = self.counters.event(Event::CacheHit).get() as usize;
        self.pace.operations(taken.wrapping_add(slow))
    }

    /// Grants takes to an owner who has made so many.
    #[inline]
    fn grant(&self, left: usize, taken: usize) {
        // ORDERING: Relaxed, both. A reader may find either first (`taken`).
        self.takes
            .store(Takes::of(left, taken).0, Ordering::Relaxed);
        // ORDERING: Relaxed, see above.
        self.settled.store(taken, Ordering::Relaxed);
    }

    /// Counts a take that the slow path has served from here.
    pub(crate) fn count_served(&self) {
        self.grant(self.takes().left(), self.taken().wrapping_add(1));
        self.operation_was_served();
    }

    /// The operation that was counted last was a take, and served from here.
    pub(crate) fn operation_was_served(&self) {
        self.pace.operation_was_served();
    }

    /// For a take without a cache, as `look`; None for one that need not look at the clock. `counts` says that
    /// operations have to be counted, one by one.
    #[inline]
    pub(crate) fn look_at_take(
        &self,
        counts: bool,
        read: impl FnOnce() -> Option<Reading>,
    ) -> Option<(usize, Option<Reading>)> {
        if self.pace.is_spared() && !counts {
            self.pace.took();
            return None;
        }
        let reading = read();
        self.pace.took();
        self.pace.spare(self.pace.look(reading) - 1);
        Some((self.settle(0), reading))
    }

    /// The same for a put without a cache.
    #[inline]
    pub(crate) fn look_at_put(
        &self,
        counts: bool,
        read: impl FnOnce() -> Option<Reading>,
    ) -> Option<(usize, Option<Reading>)> {
        if self.pace.is_put_spared() && !counts {
            return None;
        }
        Some((self.settle(0), read()))
    }

    /// A take without a cache that found nothing: the next one looks at the clock.
    pub(crate) fn missed(&self) {
        self.pace.pass(None);
    }

    /// Another thread is the owner now: its next operation looks at the clock.
    pub(crate) fn start_over(&self) {
        self.pace.start_over();
    }

    /// For a pool all of whose takes are slow: as `look`, but None for a take that need not look at the clock.
    pub(crate) fn look_if_due(
        &self,
        read: impl FnOnce() -> Option<Reading>,
    ) -> Option<(usize, Option<Reading>)> {
        let empty = self.is_empty();
        if !empty && self.pace.is_spared() {
            return None;
        }
        let reading = read();
        if empty {
            self.pace.pass(reading);
        } else {
            self.pace.spare(self.pace.look(reading) - 1);
        }
        Some((self.settle(0), reading))
    }

    /// How many takes the cache has served.
    pub(crate) fn served(&self) -> u64 {
        self.taken() as u64
    }

    /// How many takes the owner has made. On 32-bit targets it wraps after four thousand million.
    ///
    /// The low bits are exact, and say by how much they are ahead of, or behind, what was settled last. So it does not
    /// matter which of the two words is the newer one.
    #[inline]
    fn taken(&self) -> usize {
        // ORDERING: Relaxed. A statistic for all but the owner.
        let settled = self.settled.load(Ordering::Relaxed);
        self.takes().taken(settled)
    }

    /// Whether nothing is in here.
    pub(crate) fn is_empty(&self) -> bool {
        // ORDERING: Relaxed. As in `len`.
        let base = self.base.load(Ordering::Relaxed);
        // ORDERING: Relaxed, as above.
        self.top.load(Ordering::Relaxed) == base
    }

    /// How many items are in here, of no more than `depth`.
    pub(crate) fn len(&self, depth: usize) -> usize {
        // ORDERING: Relaxed. A statistic; zero only if nothing has come in since the holder's last store.
        let base = self.base.load(Ordering::Relaxed);
        // ORDERING: Relaxed, as above.
        let top = self.top.load(Ordering::Relaxed);
        // The two may belong to different memory while the holder exchanges it.
        places(base, top).min(depth)
    }

    /// Takes the newest item, parked or not. For the owner.
    pub(crate) fn take_parked(&self) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        self.inside(|stack, len| {
            let newest = len.checked_sub(1)?;
            *len = newest;
            stack.floor = stack.floor.min(newest);
            let place = stack.items.wrapping_add(newest).cast::<T>();
            // SAFETY: an item lies at every index below the old `len`; the new one gives this one up.
            Some(unsafe { place.read() })
        })
        .flatten()
    }

    /// Takes any item that is not parked; none if there is none. `chance` says which. For the owner.
    pub(crate) fn take_any(&self, chance: usize) -> Option<T> {
        self.inside(|stack, len| {
            let used = len.checked_sub(stack.floor).filter(|&used| used != 0)?;
            let chosen = stack.floor + chance % used;
            *len -= 1;
            let place = stack.items.wrapping_add(chosen).cast::<T>();
            let newest = stack.items.wrapping_add(*len).cast::<T>();
            // SAFETY: an item lies at every index below the old `len`; the newest is written over this one below, or is
            // this one, and the new `len` gives it up.
            let item = unsafe { place.read() };
            // SAFETY: both lie within the stack, maybe at the same place.
            unsafe { ptr::copy(newest, place, 1) };
            Some(item)
        })
        .flatten()
    }

    /// How many items there is room for, or would be after `furnish`. For the owner.
    pub(crate) fn room(&self, limit: usize) -> usize {
        match self.capacity() {
            0 => limit.min(FIRST_DEPTH),
            capacity => capacity,
        }
    }

    /// How many items there is room for; 0 when revoked.
    pub(crate) fn capacity(&self) -> usize {
        self.inside(|stack, _| stack.capacity).unwrap_or(0)
    }

    /// Gives the stack its first room, for at most `limit` items, if it has none; false when it cannot. For the
    /// owner.
    pub(crate) fn furnish(&self, limit: usize) -> bool {
        self.capacity() != 0 || self.widen(limit.min(FIRST_DEPTH))
    }

    /// Doubles the room, up to `limit` items; says whether there is any after that. For the owner.
    pub(crate) fn grow(&self, limit: usize) -> bool {
        match self.capacity() {
            0 => self.furnish(limit),
            capacity if capacity >= limit => true,
            capacity => self.widen(limit.min(2 * capacity)) || self.capacity() != 0,
        }
    }

    /// Gives the stack room for `capacity` items unless it has as much; false when it cannot.
    ///
    /// Allocates and frees outside the gate: an allocator may come back to this very cache.
    fn widen(&self, capacity: usize) -> bool {
        let mut fresh = Vec::<MaybeUninit<T>>::new();
        if fresh.try_reserve_exact(capacity).is_err() {
            return false;
        }
        // SAFETY: uninitialised places need no initialisation, and there is room for them.
        unsafe { fresh.set_len(capacity) };
        let fresh = Box::into_raw(fresh.into_boxed_slice());
        let mut unused = Loot::of(
            Stack {
                items: fresh.cast(),
                capacity,
                floor: 0,
            },
            0,
        );
        let done = self.inside(|stack, len| {
            if stack.capacity < capacity {
                // SAFETY: the lowest `len` places hold items, and there is more room at the other; the old places are
                // not looked at again.
                unsafe { ptr::copy_nonoverlapping(stack.items, unused.items, *len) };
                mem::swap(&mut stack.items, &mut unused.items);
                mem::swap(&mut stack.capacity, &mut unused.capacity);
            }
        });
        drop(unused);
        done.is_some()
    }

    /// Takes everything out with its memory, oldest first; says how many were parked. None when revoked. For the owner.
    pub(crate) fn take_all(&self) -> Option<(Loot<T>, usize)> {
        self.inside(|stack, len| {
            let parked = stack.floor;
            (stack.take_out(len), parked)
        })
    }

    /// Moves up to `count` of the oldest items into a batch; says how many of them were parked. For the
    /// owner.
    pub(crate) fn spill(&self, count: usize, into: &mut Batch<T>) -> usize {
        self.inside(|stack, len| {
            let count = count.min(*len).min(Batch::<T>::CAPACITY - into.len());
            // SAFETY: the lowest `count` places hold items; `remove_lowest` makes the stack forget them.
            unsafe { into.append(stack.items.cast(), count) };
            stack.remove_lowest(count, len)
        })
        .unwrap_or(0)
    }

    /// Moves a batch in, oldest first, as far as there is room; the rest stays in the batch. For the owner.
    pub(crate) fn fill(&self, from: &mut Batch<T>) {
        self.inside(|stack, len| {
            let room = stack.capacity - *len;
            for item in from.drain().take(room) {
                let place = stack.items.wrapping_add(*len).cast::<T>();
                // SAFETY: below the capacity, and nothing lies at or above `len`.
                unsafe { place.write(item) };
                *len += 1;
            }
        });
    }
}

/// The owner is inside and about to move an item out. In two steps, so that the item moves once, straight to
/// where the caller wants it.
#[must_use = "the owner stays inside until the item is taken"]
pub(crate) struct OpenToTake<'a, T> {
    inside: Inside<'a, Bounds<T>>,
    place: *mut T,
}

impl<T> OpenToTake<'_, T> {
    #[inline(always)]
    pub(crate) fn take(mut self) -> T {
        // SAFETY: an item lay at every place below the old top, and `open_to_take` has given this one up; we have been
        // inside since (P1).
        self.inside
            .with(|_| unsafe { moves::read(item(self.place)) })
    }
}

/// The owner is inside and about to move an item in.
#[must_use = "the owner stays inside until the item is put"]
pub(crate) struct OpenToPut<'a, T> {
    cache: &'a LocalCache<T>,
    inside: Inside<'a, Bounds<T>>,
    place: *mut T,
}

impl<T> OpenToPut<'_, T> {
    /// Moves the item in.
    ///
    /// # Safety
    ///
    /// The caller gives the item up: it is neither used nor dropped after this call.
    #[inline(always)]
    pub(crate) unsafe fn put_from(mut self, given: *const T) {
        // SAFETY: the top is below the end, so the place is there and holds no item; we have been inside since that was
        // found out (P1). The item is the caller's to give.
        self.inside
            .with(|_| unsafe { moves::copy(given, item(self.place)) });
        let top = above(self.place, 1);
        // ORDERING: Relaxed. The gate orders the holders' accesses.
        self.cache.top.store(top, Ordering::Relaxed);
    }
}

impl<T> Stack<T> {
    /// Moves everything out, with the memory it lies in.
    fn take_out(&mut self, len: &mut usize) -> Loot<T> {
        Loot::of(mem::replace(self, Stack::EMPTY), mem::take(len))
    }

    /// Forgets the lowest `count` items, which the caller has moved out; says how many were parked.
    fn remove_lowest(&mut self, count: usize, len: &mut usize) -> usize {
        let parked = count.min(self.floor);
        self.floor -= parked;
        *len -= count;
        let from = self.items.wrapping_add(count);
        // SAFETY: both ranges lie within the stack's places.
        unsafe { ptr::copy(from, self.items, *len) };
        parked
    }
}

/// What a sweep takes out of a cache.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Take {
    /// What has been parked for a whole generation; the rest is parked.
    Parked,
    /// Everything.
    All,
}

/// For visitors.
impl<T> LocalCache<T> {
    /// Shuts a cache that has something in it; false when there was nothing to shut, or another sweep has the cache.
    pub(crate) fn revoke(&self, sweep: &Sweep) -> bool {
        !self.is_empty() && sweep.revoke(&self.gate)
    }

    /// Takes items out of a cache that the sweep has revoked, and opens it again; false when its owner is inside.
    pub(crate) fn visit(&self, visits: &mut Visits, take: Take, into: &mut Vec<Loot<T>>) -> bool {
        if !visits.holds(&self.gate) {
            return true;
        }
        let Some(mut visit) = visits.enter(&self.gate) else {
            return false;
        };
        visit.with(|bounds| {
            self.hold(bounds, |stack, len| {
                let count = match take {
                    Take::Parked => stack.floor,
                    Take::All => *len,
                };
                if count == *len {
                    if into.try_reserve(1).is_ok() {
                        into.push(stack.take_out(len));
                    }
                } else if count != 0 {
                    let mut cold = Vec::new();
                    if into.try_reserve(1).is_ok() && cold.try_reserve_exact(count).is_ok() {
                        // SAFETY: the lowest `count` places hold items and `cold` has room; the stack forgets them
                        // below.
                        unsafe { ptr::copy_nonoverlapping(stack.items, cold.as_mut_ptr(), count) };
                        stack.remove_lowest(count, len);
                        let capacity = cold.capacity();
                        let items = mem::ManuallyDrop::new(cold).as_mut_ptr();
                        into.push(Loot {
                            items,
                            capacity,
                            next: 0,
                            len: count,
                        });
                    }
                }
                // What is left was here at this rotation; the owner's next touch lowers the floor again.
                stack.floor = *len;
            });
        });
        true
    }

    /// Opens a cache again that the sweep still holds.
    pub(crate) fn restore(&self, visits: &mut Visits) {
        visits.restore(&self.gate);
    }

    /// Gives a cache back that the sweep has revoked, after its heavy barrier was refused.
    pub(crate) fn give_back(&self, unordered: &Unordered) {
        unordered.restore(&self.gate);
    }

    /// Gives the cache up: heavy barriers are refused for good, so nobody but its owner ever comes in again, and not
    /// the owner by the fast path.
    pub(crate) fn give_up(&self) {
        self.gate.refuse();
    }

    /// Takes everything out of a cache that was given up, with its memory; None if it was not, or has none. For the
    /// owner.
    pub(crate) fn strip(&self) -> Option<Loot<T>> {
        // ORDERING: Relaxed. As in `len`; what the owner reads is its own.
        let has_none = self.base.load(Ordering::Relaxed) == ptr::dangling_mut();
        if has_none && self.is_empty() {
            return None;
        }
        let mut inside = self.enter_given_up()?;
        Some(inside.with(|bounds| self.hold(bounds, Stack::take_out)))
    }

    /// Takes everything out of a cache that nobody else can reach any more.
    ///
    /// A cache that was inside an operation when its thread was lost may be half-changed; its items are
    /// leaked.
    pub(crate) fn dismantle(&mut self) -> Option<Loot<T>> {
        let mut bounds = self
            .gate
            .exclusive(|bounds| mem::replace(bounds, Bounds::NONE))?;
        Some(self.hold(&mut bounds, Stack::take_out))
    }
}

impl<T> Drop for LocalCache<T> {
    fn drop(&mut self) {
        drop(self.dismantle());
    }
}

impl<T> fmt::Debug for LocalCache<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalCache").finish_non_exhaustive()
    }
}

/// Items taken out of a cache, with the memory they lie in. Dropping it drops them.
pub(crate) struct Loot<T> {
    /// `capacity` places of a vector; those in `next..len` hold items.
    items: *mut MaybeUninit<T>,
    capacity: usize,
    next: usize,
    len: usize,
}

impl<T> Loot<T> {
    fn of(stack: Stack<T>, len: usize) -> Self {
        Self {
            items: stack.items,
            capacity: stack.capacity,
            next: 0,
            len,
        }
    }
}

impl<T> Iterator for Loot<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if self.next == self.len {
            return None;
        }
        let place = self.items.wrapping_add(self.next).cast::<T>();
        self.next += 1;
        // SAFETY: places in `next..len` hold items, and this one has just left that range.
        Some(unsafe { place.read() })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.len - self.next;
        (left, Some(left))
    }
}

impl<T> Drop for Loot<T> {
    fn drop(&mut self) {
        /// Drops the rest and frees the memory, also when a destructor has panicked.
        struct Rest<'a, T>(&'a mut Loot<T>);
        impl<T> Drop for Rest<'_, T> {
            fn drop(&mut self) {
                // SAFETY: pointer and capacity come from a vector or a boxed slice (a vector without spare room)
                // of this element type; the length of 0 leaves the items alone.
                let memory = unsafe { Vec::from_raw_parts(self.0.items, 0, self.0.capacity) };
                self.0.by_ref().for_each(drop);
                drop(memory);
            }
        }

        let rest = Rest(self);
        rest.0.by_ref().for_each(drop);
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use super::*;

    /// `cargo xtask asm` knows the gate in the machine code by the places of its flags, counted from the cache's.
    #[cfg(target_pointer_width = "64")]
    #[test]
    fn a_cache_begins_with_its_gate() {
        let gate = mem::offset_of!(LocalCache<Vec<u8>>, gate);
        assert_eq!(gate, 0, "see xtask/src/assembly/gate.rs");
    }

    /// A cache with room for this many items, and as many of them as there is room for.
    fn filled(capacity: usize) -> LocalCache<usize> {
        let cache = LocalCache::new();
        (0..8).for_each(|_| assert!(cache.grow(capacity)));
        (0..capacity).for_each(|item| assert_eq!(cache.put(item), Ok(())));
        assert_eq!(cache.put(capacity), Err(capacity));
        cache
    }

    fn newest_first(cache: &LocalCache<usize>) -> Vec<usize> {
        core::iter::from_fn(|| cache.take_parked())
            .take(1000)
            .collect()
    }

    /// Asked before a test sweeps: where the barrier is refused, nobody can.
    fn nobody_can_sweep() -> bool {
        let nobody = pool_gate::register().is_none();
        if nobody {
            println!("no barrier here");
        }
        nobody
    }

    /// A visit while the owner is out.
    fn swept(cache: &LocalCache<usize>, take: Take) -> Vec<usize> {
        let pair = pool_gate::register().expect("asked before");
        let sweep = Sweep::new(pair).expect("a number");
        let mut loot = Vec::new();
        cache.revoke(&sweep);
        let mut visits = sweep.heavy().expect("it works");
        assert!(cache.visit(&mut visits, take, &mut loot));
        loot.into_iter().flatten().collect()
    }

    #[test]
    fn room_doubles_up_to_its_limit() {
        let cache = LocalCache::<usize>::new();
        assert_eq!(
            (cache.capacity(), cache.room(8), cache.room(1000)),
            (0, 8, FIRST_DEPTH)
        );
        assert!(cache.furnish(1000));
        assert_eq!(
            (cache.capacity(), cache.room(1000)),
            (FIRST_DEPTH, FIRST_DEPTH)
        );
        assert!(cache.furnish(1), "it has some");
        assert_eq!(cache.capacity(), FIRST_DEPTH);
        for capacity in [2 * FIRST_DEPTH, 200, 200] {
            assert!(cache.grow(200));
            assert_eq!((cache.capacity(), cache.room(200)), (capacity, capacity));
        }
        let small = LocalCache::<usize>::new();
        assert!(small.grow(3) && small.grow(3));
        assert_eq!((small.capacity(), small.room(1000)), (3, 3));
        // What does not fit into memory leaves what is there.
        assert!(!LocalCache::<usize>::new().widen(usize::MAX));
        assert!(!small.widen(usize::MAX));
        assert_eq!(small.capacity(), 3);
    }

    #[test]
    fn growth_keeps_what_is_there() {
        let cache = filled(4);
        assert!(cache.grow(6));
        assert_eq!((cache.len(10), cache.len(3)), (4, 3));
        assert_eq!(cache.put(4), Ok(()));
        assert!(!cache.is_empty());
        assert_eq!(newest_first(&cache), [4, 3, 2, 1, 0]);
        assert!(cache.is_empty());
        assert_eq!(cache.len(10), 0);
    }

    #[test]
    fn the_oldest_spill_and_come_back_on_top() {
        let cache = filled(8);
        let mut batch = Batch::new();
        assert_eq!(cache.spill(3, &mut batch), 0, "none was parked");
        assert_eq!((batch.len(), cache.len(10)), (3, 5));
        (8..10).for_each(|item| assert_eq!(cache.put(item), Ok(())));
        // One place is left.
        cache.fill(&mut batch);
        assert_eq!(batch.len(), 2);
        assert_eq!(newest_first(&cache), [0, 9, 8, 7, 6, 5, 4, 3]);
        cache.fill(&mut batch);
        assert_eq!((batch.len(), newest_first(&cache)), (0, vec![2, 1]));
        // No more than there are, and no more than the batch has room for.
        let large = filled(Batch::<usize>::CAPACITY + 2);
        assert_eq!(large.spill(usize::MAX, &mut batch), 0);
        assert_eq!(batch.len(), Batch::<usize>::CAPACITY);
        assert_eq!(large.spill(usize::MAX, &mut batch), 0);
        assert_eq!(large.len(1000), 2);
        batch.drain().for_each(drop);
        large.spill(usize::MAX, &mut batch);
        assert_eq!((batch.len(), large.len(1000)), (2, 0));
    }

    #[test]
    fn what_is_parked_is_spilled_first_and_taken_last() {
        if nobody_can_sweep() {
            return;
        }
        let cache = filled(4);
        assert_eq!(swept(&cache, Take::Parked), [0; 0], "all is parked now");
        assert_eq!(cache.take_any(0), None, "parked");
        assert!(cache.grow(8));
        (4..6).for_each(|item| assert_eq!(cache.put(item), Ok(())));
        let mut batch = Batch::new();
        assert_eq!(cache.spill(3, &mut batch), 3);
        assert_eq!(cache.spill(2, &mut batch), 1, "and one that was not");
        assert_eq!(batch.drain().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        assert_eq!(newest_first(&cache), [5]);

        let cache = filled(4);
        swept(&cache, Take::Parked);
        // Taken all the same, and one that comes back is not parked.
        assert_eq!((cache.take_parked(), cache.put(7)), (Some(3), Ok(())));
        assert_eq!(swept(&cache, Take::Parked), [0, 1, 2]);
        assert_eq!(newest_first(&cache), [7]);
    }

    #[test]
    fn any_is_any_that_is_not_parked() {
        if nobody_can_sweep() {
            return;
        }
        let cache = filled(2);
        swept(&cache, Take::Parked);
        assert!(cache.grow(6) && cache.grow(6));
        (2..5).for_each(|item| assert_eq!(cache.put(item), Ok(())));
        assert_eq!(cache.take_any(3), Some(2), "round and round");
        // The newest has come to its place.
        assert_eq!(cache.take_any(1), Some(3));
        assert_eq!(cache.take_any(7), Some(4));
        assert_eq!(cache.take_any(0), None);
        assert_eq!(newest_first(&cache), [1, 0]);
    }

    #[test]
    fn a_visit_takes_all_or_what_was_parked() {
        if nobody_can_sweep() {
            return;
        }
        let cache = filled(3);
        assert_eq!(swept(&cache, Take::All), [0, 1, 2]);
        assert_eq!(
            (cache.capacity(), cache.is_empty()),
            (0, true),
            "its room went, too"
        );
        // Whoever does not hold it has nothing to visit.
        let mut loot = Vec::new();
        let sweep = || Sweep::new(pool_gate::register()?);
        let mut visits = sweep().unwrap().heavy().unwrap();
        assert!(filled(3).visit(&mut visits, Take::All, &mut loot) && loot.is_empty());
        // Nor while the owner is inside.
        let cache = filled(3);
        let sweep = sweep().unwrap();
        assert!(cache.revoke(&sweep));
        let mut visits = sweep.heavy().unwrap();
        cache.restore(&mut visits);
        let open = cache.open_to_put();
        assert!(open.is_none(), "full");
        assert!(visits.enter(&cache.gate).is_none(), "restored");
        assert_eq!(newest_first(&cache), [2, 1, 0]);
    }

    #[test]
    fn an_owner_inside_is_not_visited() {
        if nobody_can_sweep() {
            return;
        }
        let cache = filled(3);
        let inside = cache.enter().unwrap();
        let sweep = Sweep::new(pool_gate::register().unwrap()).unwrap();
        assert!(cache.revoke(&sweep));
        let (mut visits, mut loot) = (sweep.heavy().unwrap(), Vec::new());
        assert!(!cache.visit(&mut visits, Take::All, &mut loot) && loot.is_empty());
        drop(inside);
        assert!(cache.visit(&mut visits, Take::All, &mut loot));
        assert_eq!(loot.into_iter().flatten().count(), 3);
    }

    #[test]
    fn what_was_given_up_is_its_owners_alone() {
        if nobody_can_sweep() {
            return;
        }
        let mut cache = filled(3);
        assert!(cache.strip().is_none(), "open");
        cache.give_up();
        assert_eq!(cache.put(4), Err(4));
        assert!(cache.open_to_take().is_none() && cache.take_parked().is_none());
        let sweep = Sweep::new(pool_gate::register().unwrap()).unwrap();
        assert!(!cache.revoke(&sweep));
        assert_eq!(cache.strip().unwrap().collect::<Vec<_>>(), [0, 1, 2]);
        assert!(cache.strip().is_none() && cache.is_empty());
        // Not lost, whoever drops it.
        assert!(cache.dismantle().is_some());
        let mut cache = filled(2);
        cache.give_up();
        assert_eq!(cache.dismantle().unwrap().count(), 2);
    }

    #[test]
    fn takes_left_and_made_are_one_word() {
        let takes = Takes::of(3, 5);
        assert_eq!((takes.left(), takes.taken(0)), (3, 5));
        let after = takes.after_one().unwrap();
        assert_eq!((after.left(), after.taken(5)), (2, 6));
        assert_eq!(Takes::of(0, 5).after_one(), None);
        assert_eq!(Takes::of(0, 0).after_one(), None);
        // Whichever of the two words is the newer one.
        let half = 1 << (Takes::BITS - 1);
        for made in [0, 1, 1000, Takes::MADE - 3, Takes::MADE, Takes::MADE + 1] {
            for near in [made, made + 64, made + half - 1, made.saturating_sub(64)] {
                assert_eq!(Takes::of(7, made).taken(near), made, "near {near}");
            }
        }
        // The low bits come round: one take more than was granted.
        let full = Takes::of(1, Takes::MADE).after_one().unwrap();
        assert_eq!((full.left(), full.taken(Takes::MADE)), (1, Takes::MADE + 1));
    }

    #[test]
    fn takes_are_counted_across_looks() {
        let cache = filled(3);
        let fast = |cache: &LocalCache<usize>| cache.open_to_take().map(OpenToTake::take);
        assert_eq!((fast(&cache), cache.served()), (None, 0), "granted nothing");
        let (mut served, mut operations) = (0, 0);
        for _ in 0..1000 {
            if fast(&cache).is_none() {
                operations += cache.look(None);
                assert!(cache.take_parked().is_some());
                cache.count_served();
            }
            served += 1;
            assert_eq!(cache.served(), served);
            assert!(cache.put(1).is_ok());
        }
        // As many as were served, but for those after the last look.
        assert!((served as usize - operations) < 64, "{operations}");
        // An overflow counts as one, and the next take is a slow one.
        let behind = cache.pass(None);
        assert_eq!(operations + behind, served as usize + 1);
        assert_eq!((fast(&cache), cache.served()), (None, served));
    }

    #[test]
    fn places_of_items_with_and_without_a_size() {
        let mut items = [0u32; 4];
        let first = items.as_mut_ptr();
        assert_eq!(above(first, 3), first.wrapping_add(3));
        assert_eq!((places(first, above(first, 3)), item(first)), (3, first));
        let first = ptr::dangling_mut::<()>();
        assert_eq!(places(first, above(first, 3)), 3);
        assert_eq!(item(above(first, 3)), first);
    }
}
