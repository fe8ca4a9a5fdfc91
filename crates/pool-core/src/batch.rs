//! A handful of items on the stack, on their way between a thread cache and a chain.
//!
//! Items move in batches so that one store or exchange serves many operations, and through here so that no
//! gate is ever held while the allocator or anybody else's code runs.

use core::mem::{MaybeUninit, align_of, size_of};
use core::ptr;

/// Room on the stack, in bytes.
const BYTES: usize = 4096;

/// The strictest alignment that a batch can give its items.
const ALIGN: usize = 128;

#[repr(C, align(128))]
struct Room([MaybeUninit<u8>; BYTES]);

/// Up to [`Batch::CAPACITY`] items, oldest first. Dropping it drops them.
pub(crate) struct Batch<T> {
    len: usize,
    /// The first `len` places of type `T` in here hold items.
    room: Room,
    _items: core::marker::PhantomData<T>,
}

impl<T> Batch<T> {
    /// How many items fit. Zero for types too large or too strictly aligned, which move one by one.
    pub(crate) const CAPACITY: usize = if align_of::<T>() > ALIGN {
        0
    } else if size_of::<T>() == 0 {
        64
    } else {
        BYTES / size_of::<T>()
    };

    #[inline]
    pub(crate) fn new() -> Self {
        Self {
            len: 0,
            room: Room([MaybeUninit::uninit(); BYTES]),
            _items: core::marker::PhantomData,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The place of an item, or the one behind the last.
    fn place(&mut self, index: usize) -> *mut T {
        debug_assert!(index <= Self::CAPACITY);
        // `wrapping_add` because a zero-sized type has places without bytes.
        self.room.0.as_mut_ptr().cast::<T>().wrapping_add(index)
    }

    /// Adds the newest item; gives it back when there is no room.
    pub(crate) fn push(&mut self, item: T) -> Result<(), T> {
        if self.len == Self::CAPACITY {
            return Err(item);
        }
        let place = self.place(self.len);
        // SAFETY: below the capacity, so the place is within the room and aligned, and no item is in it.
        unsafe { place.write(item) };
        self.len += 1;
        Ok(())
    }

    /// Takes the newest item.
    pub(crate) fn pop(&mut self) -> Option<T> {
        self.len = self.len.checked_sub(1)?;
        let place = self.place(self.len);
        // SAFETY: it was below `len`, so it holds an item, which is the caller's now.
        Some(unsafe { place.read() })
    }

    /// Turns newest first into oldest first and back.
    pub(crate) fn reverse(&mut self) {
        let (mut low, mut high) = (0, self.len);
        while low + 1 < high {
            high -= 1;
            // One from the other: a second reborrow of the room would end the first.
            let a = self.place(low);
            let b = a.wrapping_add(high - low);
            // SAFETY: two different places below `len`, both holding items.
            unsafe { ptr::swap(a, b) };
            low += 1;
        }
    }

    /// Copies `count` items in from `from`, which gives them up.
    ///
    /// # Safety
    ///
    /// `from` holds `count` items, `len() + count` is at most the capacity, and the caller never uses those
    /// items again.
    pub(crate) unsafe fn append(&mut self, from: *const T, count: usize) {
        debug_assert!(self.len + count <= Self::CAPACITY);
        if count == 0 {
            // The room is not aligned for a type that never finds a place in it, and copying nothing to a place that
            // is not aligned is not allowed.
            return;
        }
        let place = self.place(self.len);
        // SAFETY: the caller's; the room is ours alone, so the two do not overlap.
        unsafe { ptr::copy_nonoverlapping(from, place, count) };
        self.len += count;
    }

    /// The items, oldest first. What the iterator does not give out stays in the batch.
    pub(crate) fn drain(&mut self) -> Drain<'_, T> {
        Drain {
            next: 0,
            batch: self,
        }
    }
}

impl<T> Drop for Batch<T> {
    fn drop(&mut self) {
        /// Drops the rest when a destructor has panicked.
        struct Rest<'a, T>(&'a mut Batch<T>);
        impl<T> Drop for Rest<'_, T> {
            fn drop(&mut self) {
                while let Some(item) = self.0.pop() {
                    drop(item);
                }
            }
        }

        let rest = Rest(self);
        while let Some(item) = rest.0.pop() {
            drop(item);
        }
    }
}

/// Gives items out of a batch, oldest first.
pub(crate) struct Drain<'a, T> {
    batch: &'a mut Batch<T>,
    /// Places below this have been given out.
    next: usize,
}

impl<T> Iterator for Drain<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if self.next == self.batch.len {
            return None;
        }
        let place = self.batch.place(self.next);
        self.next += 1;
        // SAFETY: `next` was below `len`, so the place holds an item, which is the caller's now: `drop` below
        // closes the gap before anybody looks at the batch again.
        Some(unsafe { place.read() })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.batch.len - self.next;
        (left, Some(left))
    }
}

impl<T> Drop for Drain<'_, T> {
    fn drop(&mut self) {
        let left = self.batch.len - self.next;
        if left != 0 {
            // One from the other, as in `reverse`.
            let to = self.batch.place(0);
            let from = to.wrapping_add(self.next);
            // SAFETY: `left` items lie from `next` on; what lay below has been given out.
            unsafe { ptr::copy(from, to, left) };
        }
        self.batch.len = left;
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_and_drops_the_rest() {
        let item = std::rc::Rc::new(());
        let mut batch = Batch::new();
        for number in 0..10 {
            assert!(batch.push((number, item.clone())).is_ok());
        }
        assert_eq!(batch.pop().unwrap().0, 9);
        let mut drain = batch.drain();
        let oldest: Vec<_> = drain.by_ref().take(3).map(|(n, _)| n).collect();
        assert_eq!(oldest, [0, 1, 2]);
        assert_eq!(drain.size_hint(), (6, Some(6)));
        drop(drain);
        assert_eq!(batch.len(), 6);
        batch.reverse();
        let newest = [3, 4, 5].map(|_| batch.pop().unwrap().0);
        assert_eq!(newest, [3, 4, 5]);
        assert_eq!(std::rc::Rc::strong_count(&item), 4);
        drop(batch);
        assert_eq!(std::rc::Rc::strong_count(&item), 1);
    }

    #[test]
    fn a_destructor_that_panics_keeps_no_other_from_running() {
        struct Counted<'a>(&'a core::cell::Cell<usize>);
        impl Drop for Counted<'_> {
            fn drop(&mut self) {
                self.0.set(self.0.get() + 1);
                assert_ne!(self.0.get(), 3, "the third panics");
            }
        }
        let dropped = core::cell::Cell::new(0);
        let mut batch = Batch::new();
        for _ in 0..10 {
            assert!(batch.push(Counted(&dropped)).is_ok());
        }
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(batch)));
        assert_eq!((panicked.is_err(), dropped.get()), (true, 10));
    }

    #[test]
    fn odd_types() {
        #[repr(align(256))]
        #[derive(Debug)]
        struct Strict;
        #[repr(align(128))]
        struct Aligned;
        assert_eq!(Batch::<Strict>::CAPACITY, 0);
        assert_eq!(Batch::<Aligned>::CAPACITY, 64);
        assert_eq!(Batch::<[u64; 3]>::CAPACITY, 4096 / 24);
        assert!(Batch::new().push(Strict).is_err());
        // Moving nothing in or out is fine.
        let mut strict = Batch::<Strict>::new();
        // SAFETY: no items are copied.
        unsafe { strict.append(ptr::dangling(), 0) };
        assert_eq!(strict.drain().count(), 0);
        assert!(Batch::new().push([0u8; 5000]).is_err());
        let mut units = Batch::new();
        for _ in 0..64 {
            assert!(units.push(()).is_ok());
        }
        assert!(units.push(()).is_err());
        assert_eq!(units.drain().count(), 64);
    }
}
