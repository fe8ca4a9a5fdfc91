//! The ready-made hooks for growable things.

#![cfg(not(pool_loom))]

use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, VecDeque};
use std::ffi::OsString;

use pool_core::{DiscardReason, Pool, Reusable};

/// Empties what is small, drops what is big, and says so.
fn check<T: Reusable>(make: impl Fn() -> T, fill: impl Fn(&mut T, usize)) {
    let pool = Pool::builder(&make).clear_up_to(100).build();
    let mut item = make();
    fill(&mut item, 10);
    assert_eq!(item.used(), 10);
    assert!(item.capacity() >= 10 && item.bytes() >= item.capacity());
    assert!(item.capacity() <= 100, "too generous for this test");
    let capacity = item.capacity();
    pool.put(item);
    let item = pool.take();
    assert_eq!(item.used(), 0);
    assert!(
        item.capacity() == capacity || item.capacity() == 0,
        "its memory comes along, if there is any without elements"
    );
    let mut item = make();
    fill(&mut item, 101);
    pool.put(item);
    let stats = pool.stats();
    assert_eq!(
        (stats.idle, stats.discards.by(DiscardReason::Refused)),
        (0, 1)
    );
}

#[test]
fn everything_growable() {
    check(Vec::<u16>::new, |item, count| item.resize(count, 1));
    check(String::new, |item, count| item.extend(vec!['x'; count]));
    check(OsString::new, |item, count| {
        (0..count).for_each(|_| item.push("x"));
    });
    check(VecDeque::<u64>::new, |item, count| item.resize(count, 1));
    check(BinaryHeap::new, |item, count| item.extend(0..count as u32));
    check(HashMap::new, |item, count| {
        item.extend((0..count).map(|key| (key, key)));
    });
    check(HashSet::new, |item, count| item.extend(0..count));
    check(BTreeMap::new, |item, count| {
        item.extend((0..count).map(|key| (key, key)));
    });
    check(BTreeSet::new, |item, count| item.extend(0..count));
    check(Box::<Vec<u8>>::default, |item, count| item.resize(count, 1));
    #[cfg(feature = "bytes")]
    check(bytes::BytesMut::new, |item, count| item.resize(count, 1));
}

/// What has just as much room as it may is kept.
#[test]
fn up_to_and_including() {
    let pool = Pool::builder(Vec::<u8>::new).clear_up_to(100).build();
    pool.put(Vec::with_capacity(100));
    pool.put(Vec::with_capacity(101));
    assert_eq!((pool.stats().idle, pool.take().capacity()), (1, 100));
}

#[test]
fn bytes_count_elements() {
    assert_eq!(Vec::<u32>::with_capacity(10).bytes(), 40);
    assert_eq!(Vec::<()>::new().bytes(), 0);
    assert_eq!(String::with_capacity(10).bytes(), 10);
    assert_eq!(BTreeSet::from([1u64, 2]).bytes(), 16);
}

#[test]
fn a_budget_of_bytes() {
    let pool = Pool::builder(Vec::<u32>::new).max_bytes(1000).build();
    pool.put(Vec::with_capacity(200));
    pool.put(Vec::with_capacity(50));
    pool.put(Vec::with_capacity(1));
    assert_eq!((pool.stats().idle, pool.stats().weight), (2, 1000));
}

#[test]
fn elements_are_dropped_when_they_come_back() {
    let item = std::sync::Arc::new(());
    let pool = Pool::builder(Vec::new).clear_up_to(10).build();
    pool.get().push(item.clone());
    assert_eq!(std::sync::Arc::strong_count(&item), 1);
}
