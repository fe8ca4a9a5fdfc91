//! Items of every kind: without size, huge, strictly aligned, with forbidden bit patterns, borrowing. All of
//! them pass through the caches of several threads, the chains and the victims, and come out as they went in.

#![cfg(not(pool_loom))]

mod common;

use std::fmt::Debug;
use std::num::NonZeroU32;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use common::{Shape, cached, elsewhere, scaled, with_shapes};
use pool_core::Pool;

/// Enough to fill a cache of 64 and to make the chains grow.
const ITEMS: usize = scaled(100, 300, 300);

/// Puts items in, moves them through every part of the pool, and compares.
fn round_trip<T: Ord + Debug + Send>(shape: Shape, make: impl Fn(usize) -> T + Sync) {
    let calls = AtomicUsize::new(0);
    let pool = shape.pool(|| make(calls.fetch_add(1, Ordering::Relaxed)));
    let mut items: Vec<_> = (0..ITEMS).map(|_| pool.take()).collect();
    for _ in 0..3 {
        items.into_iter().for_each(|item| pool.put(item));
        assert_eq!(pool.stats().idle, ITEMS);
        pool.rotate();
        // A thief takes what it finds, puts it back, and takes it again.
        items = elsewhere(|| {
            let steal = || std::iter::from_fn(|| pool.try_take());
            let stolen: Vec<_> = steal().take(ITEMS / 2).collect();
            stolen.into_iter().for_each(|item| pool.put(item));
            assert_eq!(pool.stats().idle, ITEMS);
            steal().collect()
        });
        items.extend(std::iter::from_fn(|| pool.try_take()));
        let mut expected: Vec<_> = (0..ITEMS).map(&make).collect();
        items.sort();
        expected.sort();
        assert_eq!(items, expected);
    }
    assert_eq!((pool.stats().creates, pool.stats().idle), (ITEMS as u64, 0));
}

#[test]
fn with_niches() {
    static BYTES: [u8; 256] = [7; 256];
    with_shapes(|shape| {
        round_trip(shape, |number| &BYTES[number % 256..]);
        round_trip(shape, |number| &BYTES[number % 256]);
        round_trip(shape, |number| NonZeroU32::new(number as u32 + 1).unwrap());
        round_trip(shape, Box::new);
        round_trip(shape, |number| (number % 2 == 0).then(|| Box::new(number)));
        round_trip(shape, |number| number % 2 == 0);
        round_trip(shape, |number| char::from(number as u8));
        round_trip(shape, |number| number.to_string());
    });
}

#[test]
fn without_size() {
    static ALIVE: AtomicUsize = AtomicUsize::new(0);
    #[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
    struct Token;
    impl Token {
        fn new() -> Self {
            ALIVE.fetch_add(1, Ordering::Relaxed);
            Self
        }
    }
    impl Drop for Token {
        fn drop(&mut self) {
            ALIVE.fetch_sub(1, Ordering::Relaxed);
        }
    }
    with_shapes(|shape| {
        round_trip(shape, |_| ());
        round_trip(shape, |_| Token::new());
        assert_eq!(ALIVE.load(Ordering::Relaxed), 0);
        let pool = shape.pool(Token::new);
        (0..1000).for_each(|_| pool.put(Token::new()));
        assert_eq!(
            (pool.stats().idle, ALIVE.load(Ordering::Relaxed)),
            (1000, 1000)
        );
        drop((0..500).map(|_| pool.get()).collect::<Vec<_>>());
        pool.rotate();
        assert_eq!(ALIVE.load(Ordering::Relaxed), pool.stats().idle);
        pool.rotate();
        assert_eq!((pool.stats().idle, ALIVE.load(Ordering::Relaxed)), (0, 0));
    });
}

/// Each alignment from none to a page; above 128 bytes items move one by one.
#[test]
fn strictly_aligned() {
    macro_rules! aligned {
        ($($align:literal)*) => {$({
            #[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
            #[repr(align($align))]
            struct Aligned(usize);
            impl Aligned {
                fn check(&self) {
                    let address = &raw const *self as usize;
                    assert_eq!(address & ($align - 1), 0, "misplaced");
                }
            }
            impl Drop for Aligned {
                fn drop(&mut self) {
                    self.check();
                }
            }
            with_shapes(|shape| {
                round_trip(shape, Aligned);
                let pool = shape.builder(|| Aligned(1)).on_discard(|item, _| item.check()).build();
                (0..100).for_each(|number| pool.put(Aligned(number)));
                pool.get().check();
                pool.rotate();
                pool.get().check();
                pool.clear();
            });
        })*};
    }
    aligned!(1 2 16 64 128 256 4096);
}

/// The default depth for such items, too: fewer of large ones, none of huge ones.
#[test]
fn of_every_size_by_default() {
    fn check<const SIZE: usize>(depth: usize) {
        let pool: Pool<[u8; SIZE], _> = Pool::builder(|| [1; SIZE]).rotate_manually().build();
        (0..100).for_each(|_| pool.put([2; SIZE]));
        let stats = pool.stats();
        assert_eq!(stats.idle, 100);
        assert!(stats.idle_in_caches <= depth, "{SIZE} bytes: {stats:?}");
        assert_eq!(
            stats.idle_in_caches == 0,
            cached(depth) == 0,
            "{SIZE} bytes: {stats:?}"
        );
        for _ in 0..100 {
            assert_eq!(pool.try_take(), Some([2; SIZE]));
        }
        assert_eq!(pool.try_take(), None);
        assert_eq!(pool.take(), [1; SIZE]);
    }
    check::<1>(64);
    check::<127>(64);
    check::<128>(64);
    check::<129>(63);
    check::<1024>(8);
    check::<4095>(2);
    check::<4096>(2);
    check::<4097>(1);
    check::<8192>(1);
    check::<8193>(0);
}

/// Items of a mebibyte, on a stack that has room for some of them.
#[test]
fn huge() {
    const SIZE: usize = 1 << 20;
    // Items are copied at calls that they pass, in a debug build at every one.
    let stack = if cfg!(debug_assertions) { 64 } else { 32 } * SIZE;
    let work = || {
        for depth in [0, 1, 4] {
            let shape = Shape { depth };
            let pool: Pool<[u8; SIZE], _> = shape.pool(|| [1; SIZE]);
            for round in 0..3 {
                for _ in 0..4 {
                    pool.put([2; SIZE]);
                }
                assert_eq!(pool.stats().idle, 4);
                if round == 1 {
                    pool.rotate();
                }
                {
                    let mut guard = pool.get();
                    assert_eq!((guard[0], guard[SIZE - 1]), (2, 2));
                    guard[SIZE - 1] = 3;
                }
                while pool.try_take().is_some() {}
            }
            assert_eq!(pool.take()[SIZE / 2], 1);
            pool.put([4; SIZE]);
            pool.rotate();
            pool.rotate();
            assert_eq!(pool.stats().idle, 0);
            pool.put([5; SIZE]);
            pool.clear();
            pool.put([6; SIZE]);
        }
    };
    thread::Builder::new()
        .stack_size(stack)
        .spawn(work)
        .unwrap()
        .join()
        .unwrap();
}

/// The first ring and a cache's first room have eight places each. Neither is made on the stack: there is none for
/// eight items.
#[test]
fn huge_ones_do_not_pass_over_the_stack_together() {
    const SIZE: usize = 1 << 20;
    type HugePool = Pool<[u8; SIZE], fn() -> [u8; SIZE]>;
    // In a frame of its own.
    #[inline(never)]
    fn put(pool: &HugePool) {
        pool.put([2; SIZE]);
    }
    // What one item takes in a put, and less than that and a ring.
    let stack = if cfg!(debug_assertions) { 48 } else { 12 } * SIZE;
    let work = || {
        for depth in [0, 8] {
            let shape = Shape { depth };
            let pool: HugePool = shape.pool(|| [1; SIZE]);
            put(&pool);
            assert_eq!(pool.stats().idle, 1);
        }
    };
    let thread = thread::Builder::new().stack_size(stack);
    thread.spawn(work).unwrap().join().unwrap();
}

/// Items that cannot be sent, in a pool that cannot be either.
#[test]
fn of_one_thread() {
    with_shapes(|shape| {
        let rc = Rc::new(());
        let pool = shape.pool(|| rc.clone());
        let items: Vec<_> = (0..100).map(|_| pool.take()).collect();
        assert_eq!(Rc::strong_count(&rc), 101);
        items.into_iter().for_each(|item| pool.put(item));
        pool.rotate();
        drop(pool.get());
        pool.rotate();
        assert_eq!(Rc::strong_count(&rc), 2, "the one used in between");
        drop(pool);
        assert_eq!(Rc::strong_count(&rc), 1);
    });
}

/// Items that borrow from the stack, shared by threads that do so, too.
#[test]
fn borrowing() {
    with_shapes(|shape| {
        let texts: Vec<String> = (0..10).map(|number| number.to_string()).collect();
        let next = AtomicUsize::new(0);
        let pool: Pool<&String, _> =
            shape.pool(|| &texts[next.fetch_add(1, Ordering::Relaxed) % texts.len()]);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let (one, other) = (pool.get(), pool.get());
                    assert!(texts.iter().any(|text| std::ptr::eq(text, *one)));
                    assert!(texts.iter().any(|text| std::ptr::eq(text, *other)));
                });
            }
        });
        let stats = pool.stats();
        assert_eq!(stats.idle as u64 + stats.discards.total(), stats.creates);
    });
}

/// Closures and trait objects.
#[test]
fn code() {
    let pool: Pool<Box<dyn FnMut() -> u32 + Send>> = Pool::new(|| {
        let mut calls = 0;
        Box::new(move || {
            calls += 1;
            calls
        })
    });
    assert_eq!(pool.get()(), 1);
    assert_eq!(pool.get()(), 2);
    let functions: Pool<fn(u8) -> u8, _> = Pool::new(|| u8::swap_bytes as fn(u8) -> u8);
    functions.put(u8::reverse_bits);
    assert_eq!(functions.get()(1), 128);
}
