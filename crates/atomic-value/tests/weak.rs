//! `WeakValue`: a cell that keeps nothing alive.

#![cfg(not(pool_loom))]

use std::sync::{Arc, Weak};
use std::thread;

use atomic_value::WeakValue;

#[test]
fn a_weak_goes_in_and_comes_out() {
    let value = WeakValue::empty();
    assert!(value.load().is_none() && value.upgrade().is_none() && value.take().is_none());
    let (one, two) = (Arc::new(1), Arc::new(2));
    value.store(Arc::downgrade(&one));
    assert!(Arc::ptr_eq(&value.upgrade().unwrap(), &one));
    let old = value.swap(Arc::downgrade(&two)).unwrap();
    assert!(old.ptr_eq(&Arc::downgrade(&one)));
    assert!(value.load().unwrap().ptr_eq(&Arc::downgrade(&two)));
    assert!(value.take().is_some() && value.take().is_none());
    assert!(WeakValue::from(&one).upgrade().is_some());
    drop(old);
    assert_eq!((Arc::weak_count(&one), Arc::weak_count(&two)), (0, 0));
}

#[test]
fn it_keeps_nothing_alive() {
    let one = Arc::new(1);
    let value = WeakValue::from(&one);
    assert_eq!((Arc::strong_count(&one), Arc::weak_count(&one)), (1, 1));
    assert_eq!(Arc::into_inner(one), Some(1));
    assert!(value.upgrade().is_none());
    assert!(value.load().is_some(), "the `Weak` is still there");
    assert_eq!(format!("{value:?}"), "WeakValue { alive: false }");
}

#[test]
fn compare_and_swap_is_by_identity() {
    let (one, equal) = (Arc::new(1), Arc::new(1));
    let value = WeakValue::default();
    let refused = value.compare_and_swap(Some(&Arc::downgrade(&one)), Weak::new());
    assert!(refused.unwrap_err().0.is_none());
    assert!(
        value
            .compare_and_swap(None, Arc::downgrade(&one))
            .unwrap()
            .is_none()
    );
    let (there, new) = value
        .compare_and_swap(Some(&Arc::downgrade(&equal)), Arc::downgrade(&equal))
        .unwrap_err();
    assert!(there.unwrap().ptr_eq(&Arc::downgrade(&one)));
    assert!(new.ptr_eq(&Arc::downgrade(&equal)));
    // Another `Weak` of the same object is the same.
    let old = value
        .compare_and_swap(Some(&Arc::downgrade(&one)), new)
        .unwrap();
    assert!(old.unwrap().ptr_eq(&Arc::downgrade(&one)));
    assert!(Arc::ptr_eq(&value.upgrade().unwrap(), &equal));
}

#[test]
fn what_has_no_size_can_be_referred_to() {
    let text: Arc<str> = "text".into();
    let value = WeakValue::new(Arc::downgrade(&text));
    assert_eq!(value.upgrade().as_deref(), Some("text"));
}

/// An upgrade gives an object that is whole, or nothing.
#[test]
fn upgrades_against_drops() {
    const ROUNDS: usize = if cfg!(miri) { 20 } else { 5_000 };
    let value = WeakValue::empty();
    let mut found = 0;
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut found = 0;
            while value.upgrade().is_none_or(|number| {
                found += 1;
                assert!(*number <= ROUNDS);
                *number != ROUNDS
            }) {
                thread::yield_now();
            }
            found
        });
        for number in 0..ROUNDS {
            let owner = Arc::new(number);
            value.store(Arc::downgrade(&owner));
        }
        let last = Arc::new(ROUNDS);
        value.store(Arc::downgrade(&last));
        found = reader.join().unwrap();
    });
    assert!(found > 0);
}
