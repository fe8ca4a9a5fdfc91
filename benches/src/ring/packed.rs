//! Go's packed ring, which `pool-dequeue` was made of at first: head and tail in one word.
//!
//! It stays as a rival, so that what the split ring gains can be measured. The algorithm is `poolDequeue` of Go's
//! `sync/poolqueue.go`, in safe hands: an owner that cannot be cloned and thieves that can.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crossbeam_utils::CachePadded;

/// Where the head starts in the word: on top, so that an addition which overflows it leaves the word.
const HEAD_SHIFT: u32 = 32;

/// A place for a value.
struct Slot<T> {
    /// `true` from the owner's write until the value has been moved out.
    full: AtomicBool,
    value: UnsafeCell<MaybeUninit<T>>,
}

/// The ring itself.
///
/// P1: slots in `[tail, head)` hold values. P2: a slot that an exchange has moved an index over belongs to the one whose
/// exchange it was, until it stores `false` in `full`. P3: the owner writes only to a slot outside `[tail, head)` whose
/// `full` is `false`.
struct Ring<T> {
    /// The head in the upper half and the tail in the lower half.
    word: CachePadded<AtomicU64>,
    slots: Box<[Slot<T>]>,
}

// SAFETY: a ring moves values between threads and never lends a reference to one; each access of a slot is exclusive
// (P2, P3).
unsafe impl<T: Send> Sync for Ring<T> {}

/// The end of the one who adds. There is one.
pub struct Owner<T>(Arc<Ring<T>>);

/// An end of those who only take.
pub struct Thief<T>(Arc<Ring<T>>);

impl<T> Clone for Thief<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> std::fmt::Debug for Owner<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Owner").finish_non_exhaustive()
    }
}

impl<T> std::fmt::Debug for Thief<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Thief").finish_non_exhaustive()
    }
}

/// A ring for at least `capacity` values.
///
/// # Panics
///
/// When the capacity is zero or above 2^30.
#[must_use]
pub fn bounded<T>(capacity: usize) -> (Owner<T>, Thief<T>) {
    bounded_at(capacity, 0)
}

/// The same with the first index given, for tests near the wrap.
fn bounded_at<T>(capacity: usize, origin: u32) -> (Owner<T>, Thief<T>) {
    assert!(
        (1..=1 << 30).contains(&capacity),
        "a capacity of {capacity}"
    );
    let slots = (0..capacity.next_power_of_two()).map(|_| Slot {
        full: AtomicBool::new(false),
        value: UnsafeCell::new(MaybeUninit::uninit()),
    });
    let ring = Arc::new(Ring {
        word: CachePadded::new(AtomicU64::new(pack(origin, origin))),
        slots: slots.collect(),
    });
    (Owner(Arc::clone(&ring)), Thief(ring))
}

const fn pack(head: u32, tail: u32) -> u64 {
    (head as u64) << HEAD_SHIFT | tail as u64
}

const fn unpack(word: u64) -> (u32, u32) {
    ((word >> HEAD_SHIFT) as u32, word as u32)
}

impl<T> Slot<T> {
    /// Whether the value of an earlier lap is still in here.
    #[inline(always)]
    fn is_full(&self) -> bool {
        // ORDERING: Acquire, pairs with the Release store in `take`: the owner writes after the value was moved out.
        self.full.load(Ordering::Acquire)
    }

    /// Fills the slot.
    ///
    /// # Safety
    ///
    /// The caller is the owner, and the slot is outside `[tail, head)` and not full.
    #[inline(always)]
    unsafe fn fill(&self, value: T) {
        // SAFETY: nobody else looks at such a slot (P3, the caller's promise).
        unsafe { self.value.get().write(MaybeUninit::new(value)) };
        // ORDERING: Relaxed. Thieves learn of the value from the word, in `publish`.
        self.full.store(true, Ordering::Relaxed);
    }

    /// Moves the value out.
    ///
    /// # Safety
    ///
    /// The caller's exchange moved an index over the slot, and it takes the slot once.
    #[inline(always)]
    unsafe fn take(&self) -> T {
        // SAFETY: the slot held a value (P1) and is the caller's (P2).
        let value = unsafe { self.value.get().cast::<T>().read() };
        // ORDERING: Release, pairs with the Acquire load in `is_full`.
        self.full.store(false, Ordering::Release);
        value
    }
}

impl<T> Ring<T> {
    #[inline(always)]
    fn slot(&self, index: u32) -> &Slot<T> {
        // SAFETY: the number of slots is a power of two, and the mask keeps the index below it.
        unsafe {
            self.slots
                .get_unchecked(index as usize & (self.slots.len() - 1))
        }
    }

    #[inline(always)]
    fn indices(&self) -> (u32, u32) {
        // ORDERING: Relaxed. No value is read on the strength of this load: a claim is decided by its exchange, and
        // whether a slot is free by its flag.
        unpack(self.word.load(Ordering::Relaxed))
    }

    /// Makes the slots behind the head visible.
    #[inline(always)]
    fn publish(&self, count: u32) {
        // ORDERING: Release, pairs with the Acquire exchange in `claim_tail`: the values are visible.
        self.word
            .fetch_add(u64::from(count) << HEAD_SHIFT, Ordering::Release);
    }

    /// Moves the tail over as many values as `count` says for the number that there is. Returns the first and how many.
    #[inline(always)]
    fn claim_tail(&self, count: impl Fn(u32) -> u32) -> Option<(u32, u32)> {
        let (mut head, mut tail) = self.indices();
        loop {
            if head == tail {
                return None;
            }
            let count = count(head.wrapping_sub(tail));
            // ORDERING: Acquire on success, pairs with the Release addition in `publish`. Relaxed on failure: only the
            // next attempt uses the word.
            match self.word.compare_exchange_weak(
                pack(head, tail),
                pack(head, tail.wrapping_add(count)),
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Some((tail, count)),
                Err(word) => (head, tail) = unpack(word),
            }
        }
    }
}

impl<T> Owner<T> {
    /// Adds a value, or gives it back when the next slot is not free.
    ///
    /// # Errors
    ///
    /// The value.
    #[inline]
    pub fn push(&mut self, value: T) -> Result<(), T> {
        let (head, tail) = self.0.indices();
        let slot = self.0.slot(head);
        if head.wrapping_sub(tail) as usize == self.0.slots.len() || slot.is_full() {
            return Err(value);
        }
        // SAFETY: there is one owner, which is us; the ring is not full, so the slot is outside `[tail, head)`.
        unsafe { slot.fill(value) };
        self.0.publish(1);
        Ok(())
    }

    /// Adds values until one does not fit, by one addition, and says how many. The iterator does not panic.
    #[inline]
    pub fn push_batch(&mut self, mut values: impl Iterator<Item = T>) -> usize {
        let (head, tail) = self.0.indices();
        let free = self.0.slots.len() as u32 - head.wrapping_sub(tail);
        let mut count = 0;
        while count < free {
            let slot = self.0.slot(head.wrapping_add(count));
            if slot.is_full() {
                break;
            }
            let Some(value) = values.next() else { break };
            // SAFETY: as in `push`; `count < free` keeps the slot outside `[tail, head)`.
            unsafe { slot.fill(value) };
            count += 1;
        }
        if count != 0 {
            self.0.publish(count);
        }
        count as usize
    }

    /// Takes the newest value.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        let (mut head, mut tail) = self.0.indices();
        loop {
            if head == tail {
                return None;
            }
            let last = head.wrapping_sub(1);
            // ORDERING: Relaxed both ways. The owner, which is us, wrote the value; who gets it is a matter of atomicity.
            // The exchange continues the release sequences of `publish`.
            match self.0.word.compare_exchange_weak(
                pack(head, tail),
                pack(last, tail),
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                // SAFETY: the exchange moved the head back over the slot.
                Ok(_) => return Some(unsafe { self.0.slot(last).take() }),
                Err(word) => (head, tail) = unpack(word),
            }
        }
    }

    /// Whether there is no value.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let (head, tail) = self.0.indices();
        head == tail
    }
}

impl<T> Thief<T> {
    /// Takes the oldest value.
    #[inline]
    pub fn steal(&self) -> Option<T> {
        let (first, _) = self.0.claim_tail(|_| 1)?;
        // SAFETY: the claim moved the tail over the slot.
        Some(unsafe { self.0.slot(first).take() })
    }

    /// Takes up to `max` of the oldest values, at most half of what is there, hands each to `take`, and says how many.
    #[inline]
    pub fn steal_batch(&self, max: usize, mut take: impl FnMut(T)) -> usize {
        let most = u32::try_from(max).unwrap_or(u32::MAX);
        if most == 0 {
            return 0;
        }
        let claim = self.0.claim_tail(|there| there.div_ceil(2).min(most));
        let Some((first, count)) = claim else {
            return 0;
        };
        for n in 0..count {
            // SAFETY: the claim moved the tail over these slots.
            take(unsafe { self.0.slot(first.wrapping_add(n)).take() });
        }
        count as usize
    }
}

impl<T> Drop for Ring<T> {
    fn drop(&mut self) {
        while let Some((first, _)) = self.claim_tail(|_| 1) {
            // SAFETY: the claim moved the tail over the slot.
            drop(unsafe { self.slot(first).take() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_leave_once_across_the_wrap() {
        let (mut owner, thief) = bounded_at(4, u32::MAX - 2);
        for round in 0..4 {
            let value = |n: u32| Box::new(round * 10 + n);
            assert_eq!(owner.push_batch((0..6).map(value)), 4);
            assert_eq!(owner.push(value(9)), Err(value(9)));
            assert_eq!(thief.steal(), Some(value(0)));
            assert_eq!(owner.pop(), Some(value(3)));
            let mut out = Vec::new();
            assert_eq!(thief.steal_batch(8, |value| out.push(value)), 1);
            assert_eq!(out, [value(1)]);
            assert_eq!(owner.pop(), Some(value(2)));
            assert!(owner.is_empty());
        }
        assert_eq!(owner.push(Box::new(1)), Ok(()));
    }
}
