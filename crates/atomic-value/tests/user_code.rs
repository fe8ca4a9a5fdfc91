//! `PartialEq`, update closures and destructors that panic or come back: nothing is lost, doubled or stuck.

#![cfg(not(pool_loom))]

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use atomic_value::{AnyValue, AtomicValue, Guard};

/// Runs what panics; gives the message.
fn caught(run: impl FnOnce()) -> &'static str {
    let payload = panic::catch_unwind(AssertUnwindSafe(run)).expect_err("it should have panicked");
    payload.downcast::<&'static str>().map_or("?", |text| *text)
}

fn nothing() {}

/// A number that runs what it is told to when it is compared and when it is dropped, and counts its drops.
#[derive(Debug)]
struct Hooked {
    number: usize,
    drops: &'static AtomicUsize,
    on_eq: fn(),
    on_drop: fn(),
}

impl Hooked {
    fn new(number: usize, drops: &'static AtomicUsize) -> Self {
        Self {
            number,
            drops,
            on_eq: nothing,
            on_drop: nothing,
        }
    }

    fn on_eq(mut self, on_eq: fn()) -> Self {
        self.on_eq = on_eq;
        self
    }

    fn on_drop(mut self, on_drop: fn()) -> Self {
        self.on_drop = on_drop;
        self
    }
}

impl PartialEq for Hooked {
    fn eq(&self, other: &Self) -> bool {
        (self.on_eq)();
        self.number == other.number
    }
}

impl Drop for Hooked {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::Relaxed);
        (self.on_drop)();
    }
}

fn number(value: &AtomicValue<Hooked>) -> Option<usize> {
    value.load().map(|hooked| hooked.number)
}

fn count(drops: &AtomicUsize) -> usize {
    drops.load(Ordering::Relaxed)
}

#[test]
fn eq_panics() {
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    let value = AtomicValue::new(Hooked::new(1, &DROPS).on_eq(|| panic!("in eq")));
    let expected = Hooked::new(1, &DROPS);
    let swap = || drop(value.compare_and_swap(Some(&expected), Hooked::new(2, &DROPS)));
    assert_eq!(caught(swap), "in eq");
    assert_eq!(count(&DROPS), 1, "the new value, once");
    assert_eq!(number(&value), Some(1));
    value.store(Hooked::new(3, &DROPS));
    assert_eq!(number(&value), Some(3));
    assert_eq!(count(&DROPS), 2);
}

/// The first comparison replaces the value by an equal one, so that there is a second, with the new value in
/// its `Arc` already; that one panics.
#[test]
fn eq_panics_the_second_time() {
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    static VALUE: AtomicValue<Hooked> = AtomicValue::empty();
    VALUE.store(Hooked::new(1, &DROPS).on_eq(|| {
        VALUE.store(Hooked::new(1, &DROPS).on_eq(|| panic!("in the second eq")));
    }));
    let expected = Hooked::new(1, &DROPS);
    let swap = || drop(VALUE.compare_and_swap(Some(&expected), Hooked::new(2, &DROPS)));
    assert_eq!(caught(swap), "in the second eq");
    assert_eq!(
        count(&DROPS),
        2,
        "the first value and the new one, once each"
    );
    assert_eq!(number(&VALUE), Some(1));
}

/// `eq` uses the value that it is called for, here and on another thread: nothing is locked.
#[test]
fn eq_comes_back() {
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    static VALUE: AtomicValue<Hooked> = AtomicValue::empty();
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    fn replace() {
        if CALLS.fetch_add(1, Ordering::Relaxed) < 3 {
            assert_eq!(number(&VALUE), Some(1));
            VALUE.store(Hooked::new(1, &DROPS).on_eq(replace));
            thread::spawn(|| VALUE.swap(Hooked::new(1, &DROPS).on_eq(replace)))
                .join()
                .unwrap();
        }
    }
    VALUE.store(Hooked::new(1, &DROPS).on_eq(replace));
    let expected = Hooked::new(1, &DROPS);
    let swapped = VALUE.compare_and_swap(Some(&expected), Hooked::new(2, &DROPS));
    assert_eq!(swapped.unwrap().map(|old| old.number), Some(1));
    assert_eq!(
        CALLS.load(Ordering::Relaxed),
        4,
        "once for each equal value"
    );
    assert_eq!(number(&VALUE), Some(2));
    assert_eq!(count(&DROPS), 7, "all values but the last, once");
}

/// `eq` replaces the value by an unequal one: the new value comes back, out of the `Arc` that it was in
/// already.
#[test]
fn eq_makes_itself_untrue() {
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    static VALUE: AtomicValue<Hooked> = AtomicValue::empty();
    VALUE.store(Hooked::new(1, &DROPS).on_eq(|| VALUE.store(Hooked::new(5, &DROPS))));
    let expected = Hooked::new(1, &DROPS);
    let refused = VALUE
        .compare_and_swap(Some(&expected), Hooked::new(2, &DROPS))
        .unwrap_err();
    assert_eq!(refused.current.as_ref().map(|now| now.number), Some(5));
    assert_eq!(refused.new.number, 2);
    assert_eq!(count(&DROPS), 1, "the first value");
    drop(refused);
    assert_eq!(count(&DROPS), 2, "the new value, once");
}

#[test]
fn an_update_panics() {
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    let value = AtomicValue::new(Hooked::new(1, &DROPS));
    assert_eq!(
        caught(|| drop(value.update(|_| panic!("in update")))),
        "in update"
    );
    assert_eq!((number(&value), count(&DROPS)), (Some(1), 0));
    value.update(|old| Hooked::new(old.unwrap().number + 1, &DROPS));
    assert_eq!((number(&value), count(&DROPS)), (Some(2), 1));
}

/// The closure replaces the value the first time, so that what it made is dropped and it is called again;
/// then it panics, or not.
#[test]
fn an_update_comes_back() {
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    let value = AtomicValue::new(Hooked::new(1, &DROPS));
    let mut seen = Vec::new();
    let old = value.update(|old| {
        let old = old.unwrap().number;
        seen.push(old);
        if seen.len() == 1 {
            value.update(|old| Hooked::new(old.unwrap().number + 10, &DROPS));
        }
        Hooked::new(old + 1, &DROPS)
    });
    assert_eq!(
        (old.map(|old| old.number), number(&value)),
        (Some(11), Some(12))
    );
    assert_eq!(seen, [1, 11]);
    assert_eq!(count(&DROPS), 3, "1, the 2 that was too late, and 11");

    let mut calls = 0;
    let panics = || {
        value.update(|_| {
            calls += 1;
            assert!(calls == 1, "in the second call");
            value.store(Hooked::new(20, &DROPS));
            Hooked::new(30, &DROPS)
        });
    };
    assert_eq!(caught(panics), "in the second call");
    assert_eq!((number(&value), count(&DROPS)), (Some(20), 5));
}

/// The old value's destructor panics, in each operation that drops one: the new value is there all the same,
/// and nothing is dropped twice.
#[test]
fn a_destructor_panics() {
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    let bomb = |number| Hooked::new(number, &DROPS).on_drop(|| panic!("in drop"));
    let value = AtomicValue::new(bomb(1));

    assert_eq!(caught(|| value.store(bomb(2))), "in drop");
    assert_eq!((number(&value), count(&DROPS)), (Some(2), 1));

    assert_eq!(caught(|| drop(value.update(|_| bomb(3)))), "in drop");
    assert_eq!((number(&value), count(&DROPS)), (Some(3), 2));

    let guard = value.load().unwrap();
    value.store(bomb(4));
    assert_eq!(caught(|| drop(guard)), "in drop");
    assert_eq!((number(&value), count(&DROPS)), (Some(4), 3));

    let mut reader = value.reader();
    value.store(bomb(5));
    assert_eq!(
        caught(|| assert!(reader.load().is_some())),
        "in drop",
        "the reader was the last to hold it"
    );
    assert_eq!(reader.load().unwrap().number, 5);
    assert_eq!(count(&DROPS), 4);
    value.store(bomb(6));
    assert_eq!(caught(|| reader.release()), "in drop");
    assert_eq!(reader.load().unwrap().number, 6);
    reader.release();
    assert_eq!(count(&DROPS), 5);

    assert_eq!(
        caught(|| drop(value.compare_and_swap(None, bomb(7)))),
        "in drop",
        "the value that was refused"
    );
    assert_eq!((number(&value), count(&DROPS)), (Some(6), 6));

    assert_eq!(caught(|| drop(value.take())), "in drop");
    assert!(value.is_empty());
    value.store(bomb(8));
    assert_eq!(caught(|| drop(value)), "in drop");
    assert_eq!(count(&DROPS), 8);
}

/// A destructor uses the value that it was in, and others.
#[test]
fn a_destructor_comes_back() {
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    static VALUE: AtomicValue<Hooked> = AtomicValue::empty();
    fn replace() {
        let seen = VALUE.load();
        if let Some(seen) = &seen {
            assert_eq!(seen.number, 2);
            // Its own destructor does nothing.
            VALUE.store(Hooked::new(3, &DROPS));
        }
        drop(seen.map(Guard::into_arc));
        VALUE.update(|old| Hooked::new(old.map_or(0, |old| old.number + 1), &DROPS));
    }
    VALUE.store(Hooked::new(1, &DROPS).on_drop(replace));
    VALUE.store(Hooked::new(2, &DROPS));
    assert_eq!(number(&VALUE), Some(4));
    assert_eq!(count(&DROPS), 3);
}

/// A value that holds the last share of another `AtomicValue`, which holds one of a third: dropping one drops
/// all.
#[test]
fn a_destructor_drops_another_value() {
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    let inner = Arc::new(AtomicValue::new(Hooked::new(1, &DROPS)));
    let middle = Arc::new(AtomicValue::new(Arc::clone(&inner)));
    let outer = AtomicValue::new(Arc::clone(&middle));
    let guard = inner.load().unwrap();
    drop((inner, middle));
    drop(outer);
    assert_eq!((guard.number, count(&DROPS)), (1, 0));
    drop(guard);
    assert_eq!(count(&DROPS), 1);
}

/// A panic that unwinds through guards and readers gives back what they held.
#[test]
fn unwinding_drops_guards() {
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    let value = AtomicValue::new(Hooked::new(1, &DROPS));
    let unwinds = || {
        let _guards: Vec<_> = (0..20).map(|_| value.load()).collect();
        let _reader = value.reader();
        value.store(Hooked::new(2, &DROPS));
        panic!("with guards");
    };
    assert_eq!(caught(unwinds), "with guards");
    assert_eq!((number(&value), count(&DROPS)), (Some(2), 1));
}

#[test]
fn eq_panics_and_comes_back_in_any_value() {
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    static VALUE: AnyValue = AnyValue::empty();
    let store = |hooked| VALUE.store::<Hooked>(hooked).is_ok();
    let expected = Hooked::new(1, &DROPS);
    let swap = || VALUE.compare_and_swap(Some(&expected), Hooked::new(2, &DROPS));

    assert!(store(Hooked::new(1, &DROPS).on_eq(|| panic!("in eq"))));
    assert_eq!(caught(|| drop(swap())), "in eq");
    assert_eq!(count(&DROPS), 1, "the new value");

    // Replaced by an equal value during the comparison: compared again, and swapped.
    assert!(store(Hooked::new(1, &DROPS).on_eq(|| {
        assert!(VALUE.store(Hooked::new(1, &DROPS)).is_ok());
    })));
    assert_eq!(swap().unwrap().map(|old| old.number), Some(1));
    assert_eq!(count(&DROPS), 4, "the three that were replaced");

    // By an unequal one: the new value comes back.
    assert!(store(Hooked::new(1, &DROPS).on_eq(|| {
        assert!(VALUE.store(Hooked::new(9, &DROPS)).is_ok());
    })));
    let refused = swap().unwrap_err();
    assert_eq!(refused.into_inner().number, 2);
    assert_eq!(VALUE.load::<Hooked>().unwrap().unwrap().number, 9);
    assert_eq!(count(&DROPS), 7);
}

#[test]
fn a_destructor_panics_in_any_value() {
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    let bomb = |number| Hooked::new(number, &DROPS).on_drop(|| panic!("in drop"));
    let value = AnyValue::new(bomb(1));
    let number = || value.load::<Hooked>().unwrap().unwrap().number;
    assert_eq!(caught(|| assert!(value.store(bomb(2)).is_ok())), "in drop");
    assert_eq!((number(), count(&DROPS)), (2, 1));
    let guard = value.load::<Hooked>().unwrap();
    drop(value.swap(Hooked::new(3, &DROPS)).unwrap());
    assert_eq!(caught(|| drop(guard)), "in drop");
    assert_eq!((number(), count(&DROPS)), (3, 2));
}
