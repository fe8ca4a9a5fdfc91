//! `NonEmptyValue` and its readers: the first value, who makes it, and what holds from then on.

#![cfg(not(pool_loom))]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use atomic_value::{AtomicValue, Guard, NonEmptyValue};

mod common;
use common::Counted;

#[test]
fn a_static_makes_its_first_value_once() {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    static VALUE: NonEmptyValue<usize> =
        NonEmptyValue::lazy(|| MADE.fetch_add(1, Ordering::Relaxed));
    assert_eq!(MADE.load(Ordering::Relaxed), 0);
    assert_eq!((*VALUE.load(), *VALUE.load()), (0, 0));
    VALUE.store(7);
    assert_eq!(*VALUE.load(), 7);
    assert_eq!(MADE.load(Ordering::Relaxed), 1);
}

#[test]
fn a_store_spares_the_first_value() {
    let value = NonEmptyValue::lazy(|| -> u8 { unreachable!("a value was stored") });
    value.store(1);
    assert_eq!(*value.load(), 1);
    assert_eq!(*value.into_inner(), 1);
}

/// Each operation that needs a first value makes it.
#[test]
fn every_operation_finds_a_value() {
    fn lazy() -> NonEmptyValue<u8> {
        NonEmptyValue::lazy(|| 1)
    }
    assert_eq!(*lazy().load(), 1);
    assert_eq!(*lazy().load_arc(), 1);
    assert_eq!(*lazy().swap(2), 1);
    assert_eq!(*lazy().compare_and_swap(&1, 2).unwrap(), 1);
    assert_eq!(
        *lazy().compare_and_swap(&3, 2).unwrap_err().current.unwrap(),
        1
    );
    assert_eq!(*lazy().update(|n| n + 1), 1);
    assert_eq!(lazy().try_update(|n| Err(*n)).unwrap_err(), 1);
    assert_eq!(*lazy().reader().load(), 1);
    assert_eq!(*Arc::new(lazy()).reader_owned().load(), 1);
    assert_eq!(*lazy().into_inner(), 1);
    assert_eq!(*NonEmptyValue::<u8>::default().load(), 0);
    assert_eq!(*NonEmptyValue::new(4).load(), 4);
    // What needs none makes none.
    assert_eq!(format!("{:?}", lazy()), "NonEmptyValue(None)");
    assert!(AtomicValue::from(lazy()).is_empty());
}

#[test]
fn operations_by_identity() {
    let value = NonEmptyValue::new(1);
    let seen = value.load();
    let other = Arc::new(1);
    let refused = value
        .compare_and_swap_ptr(&other, Arc::clone(&other))
        .unwrap_err();
    assert!(Arc::ptr_eq(&refused.new, &other));
    assert!(
        value
            .compare_and_swap_ptr(&seen, Arc::clone(&other))
            .is_ok()
    );
    let old = value.update_arc(|now| {
        assert!(Arc::ptr_eq(now, &other));
        Guard::into_arc(value.load())
    });
    assert!(Arc::ptr_eq(&old, &value.load_arc()));
    assert_eq!(value.try_update_arc(|_| Err("no")), Err("no"));
}

/// Threads that need the first value at the same time each make one, agree on one, and drop the others.
#[test]
fn a_race_for_the_first_value_has_one_winner() {
    const THREADS: usize = 4;
    const ROUNDS: usize = if cfg!(miri) { 5 } else { 300 };
    let mut raced = 0;
    for _ in 0..ROUNDS {
        let (made, drops) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let start = Barrier::new(THREADS);
        let value = NonEmptyValue::lazy(|| {
            // All that are here at the same time go on together, if there are any.
            thread::yield_now();
            Counted::new(made.fetch_add(1, Ordering::Relaxed), &drops)
        });
        let seen: Vec<usize> = thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        let guard = value.load();
                        guard.check();
                        guard.number
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        assert!(seen.iter().all(|number| *number == seen[0]), "{seen:?}");
        let made = made.load(Ordering::Relaxed);
        assert_eq!(drops.load(Ordering::Relaxed), made - 1, "but the winner");
        drop(value);
        assert_eq!(drops.load(Ordering::Relaxed), made);
        raced += usize::from(made > 1);
    }
    assert!(
        cfg!(miri) || raced > 0,
        "no two threads ever made a first value"
    );
}

#[test]
fn a_first_value_that_panics_is_tried_again() {
    let calls = AtomicUsize::new(0);
    let value = NonEmptyValue::lazy(|| {
        assert!(
            calls.fetch_add(1, Ordering::Relaxed) > 0,
            "the first call fails"
        );
        5
    });
    assert!(catch_unwind(AssertUnwindSafe(|| value.load())).is_err());
    assert_eq!(*value.load(), 5);
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

#[test]
fn a_first_value_that_stores_is_not_used() {
    static VALUE: NonEmptyValue<&str> = NonEmptyValue::lazy(|| {
        VALUE.store("stored meanwhile");
        "too late"
    });
    assert_eq!(*VALUE.load(), "stored meanwhile");
}

#[test]
fn a_reader_sees_each_store() {
    let drops = AtomicUsize::new(0);
    let value = Arc::new(NonEmptyValue::new(Counted::new(0, &drops)));
    let (mut reader, mut owned) = (value.reader(), value.reader_owned());
    for number in 1..10 {
        value.store(Counted::new(number, &drops));
        assert_eq!(
            (reader.load().number, owned.load().number),
            (number, number)
        );
        assert_eq!(drops.load(Ordering::Relaxed), number);
    }
    let mut clone = owned.clone();
    reader.release();
    owned.release();
    value.store(Counted::new(10, &drops));
    assert_eq!(drops.load(Ordering::Relaxed), 9, "the clone holds one");
    assert_eq!(clone.load().number, 10);
    assert_eq!(drops.load(Ordering::Relaxed), 10);
    assert!(Arc::ptr_eq(clone.source(), &value));
}

#[test]
fn projections_follow_their_reader() {
    struct Config {
        limits: [u32; 2],
        name: String,
    }
    fn config(upper: u32, name: &str) -> Config {
        Config {
            limits: [0, upper],
            name: name.to_string(),
        }
    }
    let value = NonEmptyValue::new(config(1, "one"));
    let optional = Arc::new(AtomicValue::empty());
    let mut limits = value.reader().map(|config| &config.limits);
    let mut name = optional
        .reader()
        .map(|config: &Config| config.name.as_str());
    let mut owned = optional.reader_owned().map(|config| &config.limits[..]);
    assert_eq!(
        (limits.load(), name.load(), owned.load()),
        (&[0, 1], None, None)
    );
    value.store(config(2, "two"));
    optional.store(config(3, "three"));
    assert_eq!(limits.load(), &[0, 2]);
    assert_eq!(
        (name.load(), owned.load()),
        (Some("three"), Some(&[0, 3][..]))
    );
    let held = optional.take().unwrap();
    assert_eq!(Arc::strong_count(&held), 3);
    name.release();
    owned.release();
    limits.release();
    assert_eq!(Arc::strong_count(&held), 1);
    assert_eq!(limits.into_inner().load().limits, [0, 2]);
    let elsewhere = thread::spawn(move || owned.load().is_none());
    assert!(elsewhere.join().unwrap());
}
