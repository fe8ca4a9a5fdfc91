//! Moving an item in and out of a cache word by word.
//!
//! A copy of a few words is free to use the widest registers there are. If the item was just written in smaller
//! pieces, as the one who used it will have done, the processor cannot take such a wide load from the stores
//! that are still on their way to the cache, and waits some twelve cycles until they have arrived: longer than
//! all the rest of a take. Loads as wide as the stores before them are served at once.
//!
//! A word of an item may be part of a pointer, or padding: `MaybeUninit` carries both unchanged.

use core::mem::{ManuallyDrop, MaybeUninit, align_of, size_of};

type Word = MaybeUninit<usize>;

/// How many words `T` consists of, if it is to be moved by words: a few, and nothing else.
const fn words<T>() -> Option<usize> {
    const MOST: usize = 6;
    let (size, word) = (size_of::<T>(), size_of::<Word>());
    // Where a word is aligned to less than its size, an item need not be whole words.
    let whole = align_of::<T>() == align_of::<Word>() && size % word == 0;
    if whole && size > word && size <= MOST * word {
        Some(size / word)
    } else {
        None
    }
}

/// Reads an item, as [`ptr::read`](core::ptr::read) does.
///
/// # Safety
///
/// The same.
#[inline(always)]
pub(crate) unsafe fn read<T>(from: *const T) -> T {
    let Some(words) = words::<T>() else {
        // SAFETY: the caller's.
        return unsafe { from.read() };
    };
    let mut item = MaybeUninit::<T>::uninit();
    let (from, to) = (from.cast::<Word>(), item.as_mut_ptr().cast::<Word>());
    for index in 0..words {
        // Volatile, or the compiler would join the words again.
        //
        // SAFETY: within the item, which is aligned like a word; any byte is a valid `MaybeUninit`.
        let word = unsafe { from.wrapping_add(index).read_volatile() };
        // SAFETY: within `item`, as above.
        unsafe { to.wrapping_add(index).write(word) };
    }
    // SAFETY: all words of an item, and the caller forgets the original.
    unsafe { item.assume_init() }
}

/// Copies an item, as [`ptr::copy_nonoverlapping`](core::ptr::copy_nonoverlapping) does.
///
/// # Safety
///
/// The same.
#[inline(always)]
pub(crate) unsafe fn copy<T>(from: *const T, to: *mut T) {
    let Some(words) = words::<T>() else {
        // SAFETY: the caller's.
        return unsafe { from.copy_to_nonoverlapping(to, 1) };
    };
    let (from, to) = (from.cast::<Word>(), to.cast::<Word>());
    for index in 0..words {
        // SAFETY: within the item, which is aligned like a word; any byte is a valid `MaybeUninit`.
        let word = unsafe { from.wrapping_add(index).read() };
        // Volatile, as above.
        //
        // SAFETY: within the place, as above.
        unsafe { to.wrapping_add(index).write_volatile(word) };
    }
}

/// An item that has come from elsewhere, in words too: where it meets one that was read here, the compiler can
/// keep both in registers.
#[inline(always)]
pub(crate) fn in_words<T>(item: T) -> T {
    let item = ManuallyDrop::new(item);
    // SAFETY: the original is never used or dropped after this.
    unsafe { read(&raw const *item) }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_few_words_and_nothing_else() {
        #[repr(align(64))]
        struct Strict(#[expect(dead_code)] [usize; 8]);
        assert_eq!(words::<()>(), None);
        assert_eq!(words::<usize>(), None, "no need: one is moved as one");
        assert_eq!(words::<[usize; 2]>(), Some(2));
        assert_eq!(words::<Vec<u8>>(), Some(3));
        assert_eq!(words::<[usize; 6]>(), Some(6));
        assert_eq!(words::<[usize; 7]>(), None, "too many");
        assert_eq!(words::<[u8; 2 * size_of::<usize>()]>(), None);
        assert_eq!(words::<Strict>(), None);
    }
}
