//! `AtomicValue`, `Reader` and `Guard`, operation by operation, on one thread and then on many.

#![cfg(not(pool_loom))]

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use atomic_value::{AtomicValue, Guard, OwnedReader, Reader};

mod common;
use common::Counted;

#[test]
fn smoke() {
    let value = AtomicValue::empty();
    assert!(value.load().is_none());
    value.store(1);
    assert_eq!(*value.load().unwrap(), 1);
    assert_eq!(value.swap(2).as_deref(), Some(&1));
    assert_eq!(value.into_inner().as_deref(), Some(&2));
}

#[test]
fn is_empty() {
    let value = AtomicValue::default();
    assert!(value.is_empty());
    value.store(());
    assert!(!value.is_empty());
    assert!(value.take().is_some());
    assert!(value.is_empty());
    assert!(value.take().is_none());
    assert!(value.into_inner().is_none());
}

/// Each form of an operation that takes or gives an `Arc` keeps its allocation.
#[test]
fn arcs_go_in_and_come_out_as_they_are() {
    let one = Arc::new(1);
    let value = AtomicValue::from(Arc::clone(&one));
    assert!(Arc::ptr_eq(&value.load_arc().unwrap(), &one));
    assert!(Arc::ptr_eq(&Guard::into_arc(value.load().unwrap()), &one));
    assert!(Arc::ptr_eq(&Arc::from(value.load().unwrap()), &one));
    let two = Arc::new(2);
    assert!(Arc::ptr_eq(
        &value.swap_arc(Arc::clone(&two)).unwrap(),
        &one
    ));
    value.store_arc(Arc::clone(&one));
    assert!(Arc::ptr_eq(&value.into_inner().unwrap(), &one));
    assert_eq!((Arc::strong_count(&one), Arc::strong_count(&two)), (1, 1));

    assert!(AtomicValue::<u8>::from(None).is_empty());
    assert!(AtomicValue::<u8>::default().load_arc().is_none());
}

#[test]
fn compare_and_swap_ptr_can_empty() {
    let drops = AtomicUsize::new(0);
    let value = AtomicValue::new(Counted::new(1, &drops));
    let seen = value.load();
    let other = Arc::new(Counted::new(1, &drops));
    // Equal, but not the same; what was refused comes back as it was given.
    let refused = value.compare_and_swap_ptr(Some(&*other), None).unwrap_err();
    assert!(refused.new.is_none());
    assert!(refused.current.is_some());
    drop(refused);
    let refused = value.compare_and_swap_ptr(None, Some(Arc::clone(&other)));
    let refused = refused.unwrap_err().into_inner();
    assert!(Arc::ptr_eq(&refused.unwrap(), &other));
    let old = value.compare_and_swap_ptr(seen.as_deref(), None).unwrap();
    assert_eq!(old.map(|old| old.number), Some(1));
    assert!(value.is_empty());
    assert_eq!(drops.load(Ordering::Relaxed), 0, "the guard has it");
    drop(seen);
    assert_eq!(drops.load(Ordering::Relaxed), 1);
    // From empty to empty, and to an existing `Arc`.
    assert!(value.compare_and_swap_ptr(None, None).unwrap().is_none());
    assert!(
        value
            .compare_and_swap_ptr(None, Some(Arc::clone(&other)))
            .unwrap()
            .is_none()
    );
    assert!(Arc::ptr_eq(&value.into_inner().unwrap(), &other));
    drop(other);
    assert_eq!(drops.load(Ordering::Relaxed), 2);
}

#[test]
fn update_arc_can_empty_and_keep() {
    let one = Arc::new(1);
    let value = AtomicValue::empty();
    assert!(
        value
            .update_arc(|seen| {
                assert!(seen.is_none());
                Some(Arc::clone(&one))
            })
            .is_none()
    );
    // Stored again, the same object.
    let old = value.update_arc(|seen| seen.cloned());
    assert!(Arc::ptr_eq(&old.unwrap(), &one));
    assert_eq!(value.try_update_arc(|seen| Err(**seen.unwrap())), Err(1));
    assert!(Arc::ptr_eq(&value.update_arc(|_| None).unwrap(), &one));
    assert!(value.is_empty());
    assert_eq!(Arc::strong_count(&one), 1);
}

/// A stack whose nodes are the values: each is popped once.
#[test]
fn a_stack_gives_each_item_once() {
    const THREADS: usize = 3;
    const EACH: usize = if cfg!(miri) { 10 } else { 3_000 };
    struct Node {
        item: usize,
        below: Option<Arc<Node>>,
    }
    fn pop(top: &AtomicValue<Node>) -> Option<usize> {
        let mut seen = top.load()?;
        loop {
            match top.compare_and_swap_ptr(Some(&seen), seen.below.clone()) {
                Ok(_) => return Some(seen.item),
                Err(refused) => seen = refused.current?,
            }
        }
    }
    let top = AtomicValue::empty();
    let popped: Vec<usize> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let top = &top;
                scope.spawn(move || {
                    let mut popped = Vec::new();
                    for item in thread * EACH..(thread + 1) * EACH {
                        top.update_arc(|below| {
                            Some(Arc::new(Node {
                                item,
                                below: below.cloned(),
                            }))
                        });
                        popped.extend(pop(top));
                    }
                    popped
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    let mut all = popped;
    all.extend(std::iter::from_fn(|| pop(&top)));
    all.sort_unstable();
    assert!(all.into_iter().eq(0..THREADS * EACH));
}

/// As what they show, and not by address.
#[test]
fn guards_compare_as_their_values() {
    use std::borrow::Borrow;
    use std::collections::{BTreeSet, HashSet};
    fn load(value: &str) -> Guard<String> {
        AtomicValue::new(value.to_string()).load().unwrap()
    }
    assert_eq!(load("a"), load("a"));
    assert_ne!(load("a"), load("b"));
    assert!(load("a") < load("b") && load("a").max(load("b")) == load("b"));
    let text: &String = &load("a");
    assert_eq!(text, Borrow::<String>::borrow(&load("a")));
    let known = HashSet::from([load("a"), load("b"), load("a")]);
    assert_eq!(known.len(), 2);
    let (there, missing) = ("b".to_string(), "c".to_string());
    assert!(known.contains(&there) && !known.contains(&missing));
    let sorted = BTreeSet::from([load("b"), load("a")]);
    assert_eq!(
        sorted.iter().map(|text| text.as_str()).collect::<String>(),
        "ab"
    );
}

/// The `Arc` that a guard lends may be cloned, and is never taken for the only one.
#[test]
fn a_lent_arc_is_shared() {
    let value = AtomicValue::new(1);
    let guard = value.load().unwrap();
    let mut clone = Arc::clone(Guard::as_arc(&guard));
    assert!(Arc::get_mut(&mut clone).is_none());
    let mut old = value.take().unwrap();
    drop(clone);
    assert!(Arc::get_mut(&mut old).is_none(), "the guard still shows it");
    drop(guard);
    assert!(Arc::get_mut(&mut old).is_some());
}

#[test]
fn compare_and_swap_is_by_value() {
    let value = AtomicValue::new("a".to_string());
    let seen = value.load();
    value.store("a".to_string());
    assert_eq!(
        value
            .compare_and_swap(seen.as_deref(), "b".to_string())
            .unwrap()
            .as_deref()
            .map(String::as_str),
        Some("a")
    );
    let refused = value
        .compare_and_swap(seen.as_deref(), "c".to_string())
        .unwrap_err();
    assert_eq!(refused.current.as_deref().map(String::as_str), Some("b"));
    assert_eq!(refused.into_inner(), "c");
    let refused = value.compare_and_swap(None, "c".to_string()).unwrap_err();
    assert_eq!(refused.to_string(), "the value is not the expected one");
    assert!(refused.source().is_none());
}

/// What equals nothing is never swapped.
#[test]
fn compare_and_swap_of_what_is_not_equal_to_itself() {
    let value = AtomicValue::new(f64::NAN);
    assert!(value.compare_and_swap(Some(&f64::NAN), 1.0).is_err());
    value.store(0.0);
    assert!(
        value.compare_and_swap(Some(&-0.0), 1.0).is_ok(),
        "equal, though the bytes differ"
    );
}

#[test]
fn values_without_size_have_an_identity() {
    let value = AtomicValue::new(());
    let seen = value.load();
    value.store(());
    let refused = value
        .compare_and_swap_ptr(seen.as_deref(), Arc::new(()))
        .unwrap_err();
    assert!(
        value
            .compare_and_swap_ptr(refused.current.as_deref(), refused.new)
            .is_ok()
    );
}

#[test]
fn compare_and_swap_ptr_is_by_identity() {
    let value = AtomicValue::new(1);
    let seen = value.load();
    value.store(1);
    let new = Arc::new(2);
    let refused = value
        .compare_and_swap_ptr(seen.as_deref(), Arc::clone(&new))
        .unwrap_err();
    assert_eq!(refused.current.as_deref(), Some(&1));
    assert!(Arc::ptr_eq(&refused.new, &new));
    let refused = value.compare_and_swap_ptr(None, refused.new).unwrap_err();

    let old = value
        .compare_and_swap_ptr(refused.current.as_deref(), refused.new)
        .unwrap();
    assert_eq!(old.as_deref(), Some(&1));
    assert!(Arc::ptr_eq(&value.load_arc().unwrap(), &new));

    value.take();
    let refused = value
        .compare_and_swap_ptr(Some(&new), Arc::new(3))
        .unwrap_err();
    assert!(refused.current.is_none());
    assert_eq!(
        refused.to_string(),
        "the value is empty, and not the expected one"
    );
    assert!(
        value
            .compare_and_swap_ptr(None, Arc::new(3))
            .unwrap()
            .is_none()
    );
}

/// A reference from wherever it comes names the object.
#[test]
fn compare_and_swap_ptr_takes_references_of_guards_arcs_and_readers() {
    let value = AtomicValue::new(0);
    let guard = value.load();
    assert!(
        value
            .compare_and_swap_ptr(guard.as_deref(), Arc::new(1))
            .is_ok()
    );
    let arc = value.load_arc();
    assert!(
        value
            .compare_and_swap_ptr(arc.as_deref(), Arc::new(2))
            .is_ok()
    );
    let mut reader = value.reader();
    let source = reader.source();
    assert!(
        source
            .compare_and_swap_ptr(reader.load(), Arc::new(3))
            .is_ok()
    );
    assert_eq!(*value.load().unwrap(), 3);
}

#[test]
fn update_returns_what_it_replaced() {
    let value = AtomicValue::empty();
    let add = |old: Option<&u32>| old.map_or(1, |old| old + 1);
    assert!(value.update(add).is_none());
    assert_eq!(value.update(add).as_deref(), Some(&1));
    assert_eq!(*value.load().unwrap(), 2);
}

#[test]
fn try_update_may_refuse() {
    let value = AtomicValue::new(1);
    assert_eq!(
        value.try_update(|old| old.copied().filter(|n| *n > 1).ok_or("too small")),
        Err("too small")
    );
    assert_eq!(
        value
            .try_update(|old| old.map(|n| n + 1).ok_or("empty"))
            .unwrap()
            .as_deref(),
        Some(&1)
    );
    assert_eq!(*value.load().unwrap(), 2);
}

#[test]
fn a_guard_keeps_what_it_saw() {
    let value = AtomicValue::new(vec![1]);
    let before = value.load().unwrap();
    value.store(vec![2]);
    let after = value.load().unwrap();
    drop(value);
    assert_eq!((before.as_slice(), after.as_slice()), (&[1][..], &[2][..]));
    assert_eq!(before.as_ref().len(), 1);
}

/// More guards at a time than a thread has room for without counting.
#[test]
fn any_number_of_guards() {
    let drops = AtomicUsize::new(0);
    let value = AtomicValue::new(Counted::new(0, &drops));
    let mut guards = Vec::new();
    for number in 1..40 {
        guards.push(value.load().unwrap());
        guards.push(value.load().unwrap());
        value.store(Counted::new(number, &drops));
    }
    assert_eq!(drops.load(Ordering::Relaxed), 0, "all of them are watched");
    for (at, guard) in guards.iter().enumerate() {
        assert_eq!(guard.number, at / 2);
    }
    // Not in the order they were made.
    while guards.len() > 1 {
        guards.swap_remove(guards.len() / 2);
    }
    assert_eq!(drops.load(Ordering::Relaxed), 38);
    drop(guards);
    assert_eq!(drops.load(Ordering::Relaxed), 39);
    drop(value);
    assert_eq!(drops.load(Ordering::Relaxed), 40);
}

#[test]
fn a_forgotten_guard_leaks_its_value_and_nothing_else() {
    let drops = AtomicUsize::new(0);
    let value = AtomicValue::new(Counted::new(1, &drops));
    let kept = value.load_arc().unwrap();
    for _ in 0..20 {
        std::mem::forget(value.load());
    }
    value.store(Counted::new(2, &drops));
    assert_eq!(value.load().unwrap().number, 2);
    drop(value);
    assert_eq!(drops.load(Ordering::Relaxed), 1, "the second one");
    assert_eq!(Arc::strong_count(&kept), 21);
    // So that leak checkers find nothing.
    for _ in 0..20 {
        // SAFETY: each forgotten guard was counted when its value was replaced, and will never be dropped.
        unsafe { Arc::decrement_strong_count(Arc::as_ptr(&kept)) };
    }
    drop(kept);
    assert_eq!(drops.load(Ordering::Relaxed), 2);
}

#[test]
fn a_reader_follows() {
    let value = AtomicValue::empty();
    let mut reader = value.reader();
    assert!(reader.load().is_none());
    value.store(1);
    assert_eq!(reader.load(), Some(&1));
    assert_eq!(reader.load(), Some(&1));
    let mut second = reader.clone();
    value.take();
    assert!(reader.load().is_none());
    value.store(2);
    assert_eq!((reader.load(), second.load()), (Some(&2), Some(&2)));
    assert!(std::ptr::eq(reader.source(), &value));
}

/// The cache holds the object, so its address cannot come back with another value.
#[test]
fn a_reader_is_not_fooled_by_an_address_that_comes_back() {
    let value = AtomicValue::new(0_u64);
    let mut reader = value.reader();
    for number in 1..200 {
        // Without the reader's hold, each of these would take the address of the one before the last.
        value.store(number);
        assert_eq!(reader.load(), Some(&number));
    }
}

#[test]
fn a_reader_holds_one_value_until_it_is_released() {
    let drops = AtomicUsize::new(0);
    let value = AtomicValue::new(Counted::new(1, &drops));
    let mut reader = value.reader();
    value.store(Counted::new(2, &drops));
    assert_eq!(drops.load(Ordering::Relaxed), 0);
    reader.release();
    assert_eq!(drops.load(Ordering::Relaxed), 1);
    assert_eq!(reader.load().unwrap().number, 2);
    value.take();
    assert_eq!(drops.load(Ordering::Relaxed), 1);
    assert!(reader.load().is_none());
    assert_eq!(drops.load(Ordering::Relaxed), 2);
    reader.release();
    assert!(reader.load().is_none());
}

#[test]
fn an_owned_reader_goes_where_it_is_needed() {
    let value = Arc::new(AtomicValue::new(1));
    let mut reader = value.reader_owned();
    let mut other: OwnedReader<_> = reader.clone();
    let worker = thread::spawn(move || other.load().copied());
    assert_eq!(worker.join().unwrap(), Some(1));
    value.store(2);
    assert_eq!(reader.load(), Some(&2));
    assert!(Arc::ptr_eq(reader.source(), &value));
    drop(value);
    reader.release();
    assert_eq!(reader.load(), Some(&2), "the reader keeps its source");
}

#[test]
fn debug_of_everything_empty_and_full() {
    let value = AtomicValue::<i32>::empty();
    assert_eq!(format!("{value:?}"), "AtomicValue(None)");
    assert_eq!(format!("{:?}", value.reader()), "Reader(None)");
    value.store(1);
    assert_eq!(format!("{value:?}"), "AtomicValue(Some(1))");
    let reader: Reader<'_, _> = value.reader();
    assert_eq!(format!("{reader:?}"), "Reader(Some(1))");
    let guard = value.load().unwrap();
    assert_eq!(format!("{guard:?} {guard} {guard:>3}"), "1 1   1");
    let refused = value.compare_and_swap(None, 2).unwrap_err();
    assert_eq!(format!("{refused:?}"), "CompareError { empty: false, .. }");
    let owned = Arc::new(AtomicValue::<i32>::empty()).reader_owned();
    assert_eq!(format!("{owned:?}"), "OwnedReader(None)");
}

/// Without size, over-aligned, large, and with a forbidden bit pattern.
#[test]
fn values_of_all_shapes() {
    fn check<T: PartialEq + Clone + std::fmt::Debug>(one: T, other: T) {
        let value = AtomicValue::new(one.clone());
        let guards: Vec<_> = (0..10).map(|_| value.load().unwrap()).collect();
        assert_eq!(value.swap(other.clone()).as_deref(), Some(&one));
        assert!(guards.iter().all(|guard| **guard == one));
        assert!(value.compare_and_swap(Some(&other), one.clone()).is_ok());
        assert_eq!(value.reader().load(), Some(&one));
        assert_eq!(value.into_inner().as_deref(), Some(&one));
    }
    #[derive(Clone, Debug, PartialEq)]
    #[repr(align(256))]
    struct Aligned(u8);
    #[derive(Clone, Debug, PartialEq)]
    #[repr(align(64))]
    struct AlignedNothing;

    check((), ());
    check(AlignedNothing, AlignedNothing);
    check(Aligned(1), Aligned(2));
    check(1_u8, 2);
    check(&1_u8, &2);
    check(std::num::NonZeroU8::MIN, std::num::NonZeroU8::MAX);
    check(Box::new(1), Box::new(2));
    check(vec![1_u8; 1 << 20], vec![2; 1 << 20]);
    check(Some(1), None);
}

/// Values may borrow: everything is dropped in time.
#[test]
fn values_that_borrow() {
    let text = "one two".to_string();
    let value = AtomicValue::empty();
    thread::scope(|scope| {
        scope.spawn(|| value.store(&text[..3]));
        scope.spawn(|| value.store(&text[4..]));
    });
    assert!(["one", "two"].contains(&*value.load().unwrap()));
}

/// One writer counts up, readers of every kind see the numbers in order, and as a whole.
#[test]
fn no_reader_goes_back() {
    const LAST: usize = if cfg!(miri) { 30 } else { 20_000 };
    let value = AtomicValue::new([0_usize; 4]);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..if cfg!(miri) { 2 } else { 4 } {
            scope.spawn(|| {
                let mut reader = value.reader();
                let mut last = 0;
                let mut see = |numbers: &[usize; 4]| {
                    assert!(
                        numbers.iter().all(|number| *number == numbers[0]),
                        "torn: {numbers:?}"
                    );
                    assert!(numbers[0] >= last, "{} after {last}", numbers[0]);
                    last = numbers[0];
                };
                while !done.load(Ordering::Relaxed) {
                    see(&value.load().unwrap());
                    see(reader.load().unwrap());
                    see(&value.load_arc().unwrap());
                    thread::yield_now();
                }
                assert!(last <= LAST);
            });
        }
        for number in 1..=LAST {
            value.store([number; 4]);
        }
        done.store(true, Ordering::Relaxed);
    });
}

/// Every update counts.
#[test]
fn stampede_of_updates() {
    const THREADS: usize = if cfg!(miri) { 3 } else { 8 };
    const EACH: usize = if cfg!(miri) { 10 } else { 2_000 };
    let value = AtomicValue::empty();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..EACH {
                    value.update(|old| old.map_or(1, |old| old + 1));
                }
            });
        }
    });
    assert_eq!(*value.load().unwrap(), THREADS * EACH);
}

/// Values of two types and one size, whose memory goes back and forth between them: each reader sees its own.
#[test]
fn values_of_two_types_do_not_mix() {
    const ROUNDS: u64 = if cfg!(miri) { 15 } else { 20_000 };
    const ONE: u64 = 1 << 32;
    const OTHER: u64 = 2 << 32;
    struct One(u64);
    struct Other(u64);
    let one = AtomicValue::new(One(ONE));
    let other = AtomicValue::new(Other(OTHER));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let seen = one.load();
                    assert!(seen.is_none_or(|seen| seen.0 & !0xffff_ffff == ONE));
                    let seen = other.load();
                    assert!(seen.is_none_or(|seen| seen.0 & !0xffff_ffff == OTHER));
                }
            });
        }
        for round in 0..ROUNDS {
            one.store(One(ONE + round));
            other.take();
            other.store(Other(OTHER + round));
            one.take();
        }
        done.store(true, Ordering::Relaxed);
    });
}
