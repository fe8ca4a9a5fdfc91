//! What the pools hold: a buffer with its length, a large block, and a number.

use std::cell::{Cell, RefCell};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

/// An item of a pool. Its thread-locals are the limits that no pool can beat.
pub trait Item: Sized + Send + Sync + 'static {
    /// As in the tables.
    const NAME: &'static str;

    /// A new one, as the pools' constructors make it.
    fn make() -> Self;

    /// The least that a user does with an item: hand a reference to it to code that the optimiser cannot see into.
    /// Keeps the put from being merged with the take before it.
    fn touch(&mut self);

    /// Writes a mark into the content.
    fn mark(&mut self, mark: u64);

    /// Reads the mark.
    fn marked(&self) -> u64;

    /// A thread-local place for one.
    fn cell<R>(run: impl FnOnce(&Cell<Option<Self>>) -> R) -> R;

    /// A thread-local stack of them.
    fn stack<R>(run: impl FnOnce(&RefCell<Vec<Self>>) -> R) -> R;

    /// A pool of them in a `static`.
    fn pool() -> &'static pool_core::Pool<Self>;
}

/// How large a buffer or a block is.
pub const SIZE: usize = 1024;

macro_rules! storage {
    () => {
        #[inline(always)]
        fn cell<R>(run: impl FnOnce(&Cell<Option<Self>>) -> R) -> R {
            thread_local! { static CELL: Cell<Option<Own>> = const { Cell::new(None) } }
            CELL.with(run)
        }

        #[inline(always)]
        fn stack<R>(run: impl FnOnce(&RefCell<Vec<Self>>) -> R) -> R {
            thread_local! { static STACK: RefCell<Vec<Own>> = const { RefCell::new(Vec::new()) } }
            STACK.with(run)
        }

        #[inline(always)]
        fn pool() -> &'static pool_core::Pool<Self> {
            static POOL: pool_core::Pool<Own> = pool_core::Pool::new(<Own as Item>::make);
            &POOL
        }
    };
}

/// A buffer whose owner needs pointer, capacity and length: three words to move.
pub type Buffer = Vec<u8>;

/// A block behind one pointer.
pub type Block = Box<[u8; SIZE]>;

const _: () = {
    type Own = Buffer;
    impl Item for Own {
        const NAME: &'static str = "Vec<u8>";

        fn make() -> Self {
            Self::with_capacity(SIZE)
        }

        #[inline(always)]
        fn touch(&mut self) {
            black_box(&mut *self);
        }

        fn mark(&mut self, mark: u64) {
            self.clear();
            self.extend_from_slice(&mark.to_ne_bytes());
        }

        fn marked(&self) -> u64 {
            self[..].try_into().map_or(0, u64::from_ne_bytes)
        }

        storage!();
    }
};

const _: () = {
    type Own = Block;
    impl Item for Own {
        const NAME: &'static str = "Box<[u8; 1024]>";

        fn make() -> Self {
            Self::new([0; SIZE])
        }

        #[inline(always)]
        fn touch(&mut self) {
            black_box(&mut *self);
        }

        fn mark(&mut self, mark: u64) {
            self[..8].copy_from_slice(&mark.to_ne_bytes());
        }

        fn marked(&self) -> u64 {
            self[..8].try_into().map_or(0, u64::from_ne_bytes)
        }

        storage!();
    }
};

const _: () = {
    type Own = u64;
    impl Item for Own {
        const NAME: &'static str = "u64";

        fn make() -> Self {
            0
        }

        #[inline(always)]
        fn touch(&mut self) {
            black_box(&mut *self);
        }

        fn mark(&mut self, mark: u64) {
            *self = mark;
        }

        fn marked(&self) -> u64 {
            *self
        }

        storage!();
    }
};

/// An item that takes long to make. How many were made is counted; the time is added by whoever reports.
#[derive(Debug)]
pub struct Costly(u64);

/// How many [`Costly`] items were made since the last call.
pub fn costly_made() -> u64 {
    COSTLY_MADE.swap(0, Ordering::Relaxed)
}

static COSTLY_MADE: AtomicU64 = AtomicU64::new(0);

const _: () = {
    type Own = Costly;
    impl Item for Own {
        const NAME: &'static str = "costly";

        fn make() -> Self {
            COSTLY_MADE.fetch_add(1, Ordering::Relaxed);
            Self(0)
        }

        #[inline(always)]
        fn touch(&mut self) {
            black_box(&mut *self);
        }

        fn mark(&mut self, mark: u64) {
            self.0 = mark;
        }

        fn marked(&self) -> u64 {
            self.0
        }

        storage!();
    }
};
