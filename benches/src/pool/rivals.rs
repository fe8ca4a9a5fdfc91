//! The pools and queues that people use today.

use std::fmt;
use std::sync::Mutex;

use crossbeam_queue::{ArrayQueue, SegQueue};
use lockfree_object_pool::{LinearObjectPool, LinearReusable};
use opool::{PoolAllocator, RefGuard};

use super::{ByValue, Contender, Hold, by_value};
use crate::item::{Buffer, Item, SIZE};

/// Room in those that need to be told.
const CAPACITY: usize = 1024;

/// A vector under the standard library's lock.
#[derive(Debug)]
pub struct Locked<T>(Mutex<Vec<T>>);

impl<T: Item> ByValue<T> for Locked<T> {
    fn new() -> Self {
        Self(Mutex::default())
    }

    #[inline(always)]
    fn try_take(&self) -> Option<T> {
        self.0.lock().expect("no poison").pop()
    }

    #[inline(always)]
    fn put(&self, item: T) {
        self.0.lock().expect("no poison").push(item);
    }
}

by_value!(Locked<T>, "Mutex<Vec>");

/// A vector under parking_lot's lock.
#[derive(Debug)]
pub struct Parked<T>(parking_lot::Mutex<Vec<T>>);

impl<T: Item> ByValue<T> for Parked<T> {
    fn new() -> Self {
        Self(parking_lot::Mutex::default())
    }

    #[inline(always)]
    fn try_take(&self) -> Option<T> {
        self.0.lock().pop()
    }

    #[inline(always)]
    fn put(&self, item: T) {
        self.0.lock().push(item);
    }
}

by_value!(Parked<T>, "parking_lot");

impl<T: Item> ByValue<T> for ArrayQueue<T> {
    fn new() -> Self {
        Self::new(CAPACITY)
    }

    #[inline(always)]
    fn try_take(&self) -> Option<T> {
        self.pop()
    }

    #[inline(always)]
    fn put(&self, item: T) {
        let _ = self.push(item);
    }
}

by_value!(ArrayQueue<T>, "ArrayQueue");

impl<T: Item> ByValue<T> for SegQueue<T> {
    fn new() -> Self {
        Self::new()
    }

    #[inline(always)]
    fn try_take(&self) -> Option<T> {
        self.pop()
    }

    #[inline(always)]
    fn put(&self, item: T) {
        self.push(item);
    }
}

by_value!(SegQueue<T>, "SegQueue");

/// What pools that are given a constructor are given.
type Create<T> = fn() -> T;

/// regex-automata's pool, on the thread that it has made its owner: the first to use it.
pub struct Regex<T: Send>(regex_automata::util::pool::Pool<T, Create<T>>);

impl<T: Send> fmt::Debug for Regex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Regex")
    }
}

impl<T: Item + std::panic::UnwindSafe + std::panic::RefUnwindSafe> Contender<T> for Regex<T> {
    const NAME: &'static str = "regex-automata";
    type Held<'a> = regex_automata::util::pool::PoolGuard<'a, T, Create<T>>;

    fn new() -> Self {
        Self(regex_automata::util::pool::Pool::new(T::make))
    }

    #[inline(always)]
    fn take(&self) -> Self::Held<'_> {
        self.0.get()
    }
}

/// The same when another thread was first.
pub struct RegexOther<T: Send>(Regex<T>);

impl<T: Send> fmt::Debug for RegexOther<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RegexOther")
    }
}

impl<T: Item + std::panic::UnwindSafe + std::panic::RefUnwindSafe> Contender<T> for RegexOther<T> {
    const NAME: &'static str = "regex-automata, not owner";
    type Held<'a> = <Regex<T> as Contender<T>>::Held<'a>;

    fn new() -> Self {
        let pool = Regex::new();
        std::thread::scope(|scope| {
            scope.spawn(|| drop(pool.take()));
        });
        Self(pool)
    }

    #[inline(always)]
    fn take(&self) -> Self::Held<'_> {
        self.0.take()
    }

    #[inline(always)]
    fn put<'a>(&'a self, held: Self::Held<'a>) {
        self.0.put(held);
    }
}

impl<T: Item> Contender<T> for object_pool::Pool<T> {
    const NAME: &'static str = "object-pool";
    type Held<'a> = object_pool::Reusable<'a, T>;

    fn new() -> Self {
        Self::from_vec(Vec::new())
    }

    #[inline(always)]
    fn take(&self) -> Self::Held<'_> {
        self.pull(T::make)
    }
}

impl<T: Item> Contender<T> for LinearObjectPool<T> {
    const NAME: &'static str = "lockfree-object-pool";
    type Held<'a> = LinearReusable<'a, T>;

    fn new() -> Self {
        Self::new(T::make, |_| ())
    }

    #[inline(always)]
    fn take(&self) -> Self::Held<'_> {
        self.pull()
    }
}

/// What opool makes items with.
#[derive(Debug)]
pub struct Maker;

impl<T: Item> PoolAllocator<T> for Maker {
    #[inline(always)]
    fn allocate(&self) -> T {
        T::make()
    }
}

/// opool's pool.
pub struct Opool<T>(opool::Pool<Maker, T>)
where
    Maker: PoolAllocator<T>;

impl<T> fmt::Debug for Opool<T>
where
    Maker: PoolAllocator<T>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opool")
    }
}

impl<T: Item> Contender<T> for Opool<T> {
    const NAME: &'static str = "opool";
    type Held<'a> = RefGuard<'a, Maker, T>;

    fn new() -> Self {
        Self(opool::Pool::new(CAPACITY, Maker))
    }

    #[inline(always)]
    fn take(&self) -> Self::Held<'_> {
        self.0.get()
    }
}

/// A place in sharded-slab's pool, which makes its items by `Default`.
#[derive(Debug)]
pub struct Place<T>(Option<T>);

impl<T> Default for Place<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> sharded_slab::Clear for Place<T> {
    fn clear(&mut self) {}
}

/// A place on loan.
pub struct SlabHeld<'a, T>(sharded_slab::pool::RefMut<'a, Place<T>>);

impl<T> fmt::Debug for SlabHeld<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SlabHeld").field(&self.0.key()).finish()
    }
}

impl<T: Item> SlabHeld<'_, T> {
    fn item(&self) -> &T {
        self.0.0.as_ref().expect("filled when it was taken")
    }
}

impl<T: Item> Hold for SlabHeld<'_, T> {
    #[inline(always)]
    fn touch(&mut self) {
        if let Some(item) = &mut self.0.0 {
            item.touch();
        }
    }

    fn mark(&mut self, mark: u64) {
        self.0.0.get_or_insert_with(T::make).mark(mark);
    }

    fn marked(&self) -> u64 {
        self.item().marked()
    }
}

impl<T: Item> Contender<T> for sharded_slab::Pool<Place<T>> {
    const NAME: &'static str = "sharded-slab";
    type Held<'a> = SlabHeld<'a, T>;

    fn new() -> Self {
        Self::new()
    }

    #[inline(always)]
    fn take(&self) -> Self::Held<'_> {
        let mut place = self.create().expect("there is room");
        if place.0.is_none() {
            place.0 = Some(T::make());
        }
        SlabHeld(place)
    }

    #[inline(always)]
    fn put<'a>(&'a self, held: Self::Held<'a>) {
        let key = held.0.key();
        drop(held);
        self.clear(key);
    }
}

/// poolshark's pools of each thread, which all containers of the same layout in the program share. They clear what comes
/// back.
#[derive(Debug)]
pub struct SharkLocal;

impl Contender<Buffer> for SharkLocal {
    const NAME: &'static str = "poolshark, local";
    const KEEPS: usize = 0;
    type Held<'a> = poolshark::local::LPooled<Buffer>;

    fn new() -> Self {
        Self
    }

    #[inline(always)]
    fn take(&self) -> Self::Held<'_> {
        let mut buffer = poolshark::local::LPooled::<Buffer>::take();
        // It makes empty ones.
        if buffer.capacity() == 0 {
            *buffer = Buffer::make();
        }
        buffer
    }
}

/// poolshark's pool for all threads.
pub struct SharkGlobal(poolshark::global::Pool<Buffer>);

impl fmt::Debug for SharkGlobal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharkGlobal")
    }
}

impl Contender<Buffer> for SharkGlobal {
    const NAME: &'static str = "poolshark, global";
    const KEEPS: usize = 0;
    type Held<'a> = poolshark::global::GPooled<Buffer>;

    fn new() -> Self {
        Self(poolshark::global::Pool::new(CAPACITY, 2 * SIZE))
    }

    #[inline(always)]
    fn take(&self) -> Self::Held<'_> {
        let mut buffer = self.0.take();
        if buffer.capacity() == 0 {
            *buffer = Buffer::make();
        }
        buffer
    }
}

/// zeropool, which pools buffers of bytes and nothing else. Its quickest way is used, which does not fill them with zeros.
pub struct Zero(zeropool::ZeroPool);

impl fmt::Debug for Zero {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Zero")
    }
}

/// A buffer of zeropool's.
pub struct ZeroHeld<'a> {
    start: *mut u64,
    _buffer: zeropool::BufUninit<'a>,
}

impl fmt::Debug for ZeroHeld<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ZeroHeld").field(&self.start).finish()
    }
}

impl Hold for ZeroHeld<'_> {
    #[inline(always)]
    fn touch(&mut self) {
        std::hint::black_box(self.start);
    }

    fn mark(&mut self, mark: u64) {
        // SAFETY: the buffer is `SIZE` bytes and lent to us.
        unsafe { self.start.write_unaligned(mark) };
    }

    fn marked(&self) -> u64 {
        // SAFETY: as above; a workload reads the mark only after it has set it.
        unsafe { self.start.read_unaligned() }
    }
}

impl Contender<Buffer> for Zero {
    const NAME: &'static str = "zeropool";
    const KEEPS: usize = 0;
    type Held<'a> = ZeroHeld<'a>;

    fn new() -> Self {
        Self(zeropool::ZeroPool::new())
    }

    #[inline(always)]
    fn take(&self) -> ZeroHeld<'_> {
        let mut buffer = self.0.alloc_uninit(SIZE);
        ZeroHeld {
            start: buffer.as_uninit_mut().as_mut_ptr().cast(),
            _buffer: buffer,
        }
    }
}
