//! What no pool can beat: a thread's own memory, without a way for anybody else to reach it. And the allocators, which
//! a pool has to beat to be of use.

use std::ptr::NonNull;

use super::{ByValue, Contender, Hold, by_value};
use crate::item::{Buffer, Item, SIZE};

/// A thread-local place for one item.
#[derive(Debug)]
pub struct LocalCell;

impl<T: Item> ByValue<T> for LocalCell {
    fn new() -> Self {
        Self
    }

    #[inline(always)]
    fn try_take(&self) -> Option<T> {
        T::cell(|cell| cell.take())
    }

    #[inline(always)]
    fn put(&self, item: T) {
        T::cell(|cell| cell.set(Some(item)));
    }
}

by_value!(LocalCell, "thread-local cell", keeps 1);

/// A thread-local stack.
#[derive(Debug)]
pub struct LocalStack;

impl<T: Item> ByValue<T> for LocalStack {
    fn new() -> Self {
        Self
    }

    #[inline(always)]
    fn try_take(&self) -> Option<T> {
        T::stack(|stack| stack.borrow_mut().pop())
    }

    #[inline(always)]
    fn put(&self, item: T) {
        T::stack(|stack| stack.borrow_mut().push(item));
    }
}

by_value!(LocalStack, "thread-local Vec");

/// Makes every item anew, with the system's allocator.
#[derive(Debug)]
pub struct Malloc;

impl<T: Item> ByValue<T> for Malloc {
    fn new() -> Self {
        Self
    }

    #[inline(always)]
    fn try_take(&self) -> Option<T> {
        None
    }

    #[inline(always)]
    fn take(&self) -> T {
        T::make()
    }

    #[inline(always)]
    fn put(&self, item: T) {
        drop(item);
    }
}

by_value!(Malloc, "malloc", keeps 0);

/// Makes every buffer anew, with mimalloc.
#[derive(Debug)]
pub struct Mimalloc;

/// A buffer of mimalloc's.
#[derive(Debug)]
pub struct MiBuffer(NonNull<u8>);

impl Hold for MiBuffer {
    #[inline(always)]
    fn touch(&mut self) {
        std::hint::black_box(self.0.as_ptr());
    }

    fn mark(&mut self, mark: u64) {
        // SAFETY: the buffer is `SIZE` bytes and ours.
        unsafe { self.0.cast::<u64>().write_unaligned(mark) };
    }

    fn marked(&self) -> u64 {
        // SAFETY: as above; a workload reads the mark only after it has set it.
        unsafe { self.0.cast::<u64>().read_unaligned() }
    }
}

impl Contender<Buffer> for Mimalloc {
    const NAME: &'static str = "mimalloc";
    const KEEPS: usize = 0;
    type Held<'a> = MiBuffer;

    fn new() -> Self {
        Self
    }

    #[inline(always)]
    fn take(&self) -> MiBuffer {
        // SAFETY: any size may be asked for.
        let buffer = unsafe { libmimalloc_sys::mi_malloc(SIZE) };
        MiBuffer(NonNull::new(buffer.cast()).expect("there is memory"))
    }

    #[inline(always)]
    fn put(&self, held: MiBuffer) {
        // SAFETY: the buffer is mimalloc's, and this is its only handle.
        unsafe { libmimalloc_sys::mi_free(held.0.as_ptr().cast()) };
    }
}
