//! Byte buffers by size: what a request gets, where a buffer goes back to, and `Bytes` that come back.

#![cfg(not(pool_loom))]

mod common;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use common::{elsewhere, scaled};
use pool_core::{BufferPool, BuildError, ManualClock, PooledBuffer, rotate_all, tend};

#[test]
fn requests_get_room() {
    let pool = BufferPool::new();
    for _ in 0..2 {
        for at_least in [0, 1, 63, 64, 65, 1000, 4096, 4097, 1 << 20, (1 << 20) + 1] {
            let mut buffer = pool.get(at_least);
            assert!(buffer.is_empty() && buffer.capacity() >= at_least);
            assert!(buffer.capacity() <= (2 * at_least).max(64));
            buffer.extend_from_slice(b"something");
            buffer[0] = b'S';
            assert_eq!(&buffer[..4], b"Some");
        }
    }
    let stats = pool.stats();
    // The sizes up to 64, 128, 1024, 4096, 8192, 1 MiB and 2 MiB; everything else was a hit.
    assert_eq!((stats.idle, stats.creates), (7, 7));
    assert_eq!(stats.hits() + stats.misses, 20);
    assert_eq!(stats.weight, 64 + 128 + 1024 + 4096 + 8192 + 3 * (1 << 20));
    assert_eq!(stats.discards.total(), 0);
}

/// The same sizes again and again are hits, however they are mixed (a pool that pops one and pushes it back if it
/// does not fit finds nothing).
#[test]
fn mixed_sizes_hit() {
    let pool = BufferPool::new();
    let mut random = 1u32;
    for _ in 0..scaled(50, 20_000, 20_000) {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let one = pool.get(1 << ((random >> 16) % 14));
        let other = pool.get((random >> 20) as usize);
        drop((one, other));
    }
    let stats = pool.stats();
    assert!(stats.creates <= 2 * 8 + 2, "{stats:?}");
}

#[test]
fn buffers_go_where_they_fit_now() {
    let pool = BufferPool::new();
    let mut buffer = pool.get(100);
    buffer.resize(5000, 1);
    let address = buffer.as_ptr();
    drop(buffer);
    let by_size = |size| pool.stats_by_size().find(|&(s, _)| s == size).unwrap().1;
    assert_eq!((by_size(128).idle, by_size(4096).idle), (0, 1));
    assert_ne!(pool.get(100).as_ptr(), address);
    assert_eq!(pool.get(4096).as_ptr(), address);
    // What fits no class is not kept; what was never ours is.
    pool.clear();
    pool.put(Vec::new());
    pool.put(Vec::with_capacity(63));
    assert_eq!(pool.stats().idle, 0);
    pool.put(vec![1; 100]);
    assert_eq!(pool.stats().idle, 1);
    assert!(pool.get(64).is_empty());
    let kept = PooledBuffer::detach(pool.get(64));
    assert!(kept.capacity() >= 64);
    assert_eq!(pool.stats().idle, 0);
    std::mem::forget(pool.get(64));
    assert_eq!(pool.stats().idle, 0);
}

#[test]
#[should_panic(expected = "capacity overflow")]
fn more_than_there_is() {
    drop(BufferPool::new().get(usize::MAX));
}

#[test]
fn owned_buffers_travel() {
    let pool = Arc::new(BufferPool::new());
    let mut buffer = pool.get_owned(10);
    buffer.extend_from_slice(&[3, 4]);
    AsMut::<[u8]>::as_mut(&mut buffer)[1] = 5;
    assert_eq!(AsRef::<[u8]>::as_ref(&buffer), [3, 5]);
    buffer.clear();
    buffer.push(7);
    let buffer = thread::spawn(move || buffer).join().unwrap();
    assert_eq!(**buffer, [7]);
    assert!(std::ptr::eq(PooledBuffer::pool(&buffer), &*pool));
    assert_eq!(format!("{buffer:?}"), "PooledBuffer([7])");
    elsewhere(move || drop(buffer));
    assert_eq!((pool.stats().idle, Arc::strong_count(&pool)), (1, 1));
    let last = pool.get_owned(10);
    drop(pool);
    drop(last);
}

/// The list of pools is the process's.
fn alone() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
#[cfg_attr(miri, ignore = "long, and has no unsafe code of its own")]
fn idle_buffers_go() {
    let _alone = alone();
    let clock = Arc::new(ManualClock::new());
    let period = Duration::from_secs(1);
    let pool = Arc::new(
        BufferPool::builder()
            .rotate_every(period)
            .clock(clock.clone())
            .build(),
    );
    pool.register_shared();
    tend();
    for log in 0..16 {
        pool.put(Vec::with_capacity(64 << log));
    }
    assert_eq!(pool.stats().idle, 16);
    for _ in 0..66 {
        assert!(tend().unwrap() <= period + Duration::from_millis(1));
        clock.advance(period / 32);
    }
    tend();
    assert_eq!((pool.stats().idle, pool.stats().weight), (0, 0));
    let manual = BufferPool::builder().rotate_manually().build();
    manual.put(Vec::with_capacity(64));
    manual.rotate();
    assert_eq!(manual.stats().idle, 1);
    manual.rotate();
    assert_eq!(manual.stats().idle, 0);
    let error = BufferPool::builder()
        .rotate_every(Duration::ZERO)
        .try_build()
        .map(drop)
        .unwrap_err();
    assert!(matches!(error, BuildError::Period { .. }));
    assert_eq!(
        format!("{:?}", BufferPool::builder()),
        "BufferPoolBuilder { rotate_every: Some(30s), .. }"
    );
    assert!(format!("{:?}", BufferPool::default()).starts_with("BufferPool { stats: Stats {"));
}

#[test]
fn everybodys() {
    let _alone = alone();
    let buffer = BufferPool::shared().get(5 << 20);
    let address = buffer.as_ptr() as usize;
    drop(buffer);
    elsewhere(|| {
        let buffer = BufferPool::shared().get(5 << 20);
        assert_eq!(
            buffer.as_ptr() as usize,
            address,
            "big ones are everybody's"
        );
    });
    rotate_all();
    rotate_all();
    assert_eq!(BufferPool::shared().stats().idle, 0);
}

#[test]
fn auto_traits() {
    fn check<T: Send + Sync + Unpin + std::panic::UnwindSafe + std::panic::RefUnwindSafe>() {}
    check::<BufferPool>();
    check::<PooledBuffer<&BufferPool>>();
    check::<PooledBuffer<Arc<BufferPool>>>();
}

#[cfg(feature = "bytes")]
#[test]
fn bytes_come_back_with_the_last_clone() {
    use bytes::Bytes;
    let pool = Arc::new(BufferPool::new());
    let mut buffer = pool.get_owned(100);
    buffer.extend_from_slice(b"hello, world");
    let address = buffer.as_ptr();
    let bytes = Bytes::from(buffer);
    assert_eq!(bytes.as_ptr(), address, "not copied");
    let hello = bytes.slice(..5);
    let world = thread::spawn({
        let bytes = bytes.clone();
        move || bytes.slice(7..)
    })
    .join()
    .unwrap();
    drop(bytes);
    assert_eq!((&hello[..], &world[..]), (&b"hello"[..], &b"world"[..]));
    drop(hello);
    assert_eq!(pool.stats().idle, 0);
    elsewhere(move || drop(world));
    assert_eq!(pool.stats().idle, 1);
    let again = pool.get(100);
    assert!(again.is_empty());
    drop(again);
    // From a pool that lives for ever.
    static POOL: BufferPool = BufferPool::new();
    let mut buffer = POOL.get(64);
    buffer.push(1);
    let bytes: Bytes = buffer.into();
    assert_eq!(POOL.stats().idle, 0);
    drop(bytes);
    assert_eq!(POOL.stats().idle, 1);
}
