//! `AnyValue`, beyond Go's own tests.

#![cfg(not(pool_loom))]

use std::any::Any;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;

use atomic_value::{AnyCompareError, AnyGuard, AnyValue};

#[test]
fn smoke() {
    let value = AnyValue::default();
    assert!(value.is_empty());
    assert_eq!(value.type_name(), None);
    assert!(value.load::<u8>().unwrap().is_none());
    value.store(1_u8).unwrap();
    assert!(!value.is_empty());
    assert_eq!(value.type_name(), Some("u8"));
    let guard = value.load::<u8>().unwrap().unwrap();
    assert_eq!(value.swap(2_u8).unwrap(), Some(Arc::new(1)));
    assert_eq!((*guard, *guard.as_ref()), (1, 1));
    let any = value.load_any().unwrap();
    assert_eq!(any.downcast_ref(), Some(&2_u8));
}

#[test]
fn the_value_comes_back_from_every_refusal() {
    let value = AnyValue::new(1_u8);
    assert_eq!(value.store("a".to_string()).unwrap_err().into_inner(), "a");
    assert_eq!(value.swap("b".to_string()).unwrap_err().into_inner(), "b");
    let refused = value.compare_and_swap(None, "c".to_string()).unwrap_err();
    assert_eq!(refused.into_inner(), "c");
    let refused = value.compare_and_swap(Some(&2_u8), 3).unwrap_err();
    let AnyCompareError::NotEqual { current, new } = refused else {
        panic!("{refused}");
    };
    assert_eq!((current.as_deref(), new), (Some(&1), 3));
}

/// What comes out of a swap is alone in its `Arc` once nobody looks at it.
#[test]
fn a_swapped_value_can_be_owned() {
    let value = AnyValue::new("one".to_string());
    let old = value.swap("two".to_string()).unwrap().unwrap();
    assert_eq!(Arc::into_inner(old).as_deref(), Some("one"));

    let guard = value.load::<String>().unwrap();
    let old = value.swap("three".to_string()).unwrap().unwrap();
    assert_eq!(Arc::strong_count(&old), 2, "the guard's");
    drop(guard);
    assert_eq!(Arc::into_inner(old).as_deref(), Some("two"));

    let old = value
        .compare_and_swap(Some(&"three".to_string()), "four".to_string())
        .unwrap();
    assert_eq!(old.and_then(Arc::into_inner).as_deref(), Some("three"));
    let arc = AnyGuard::into_arc(value.load::<String>().unwrap().unwrap());
    let last = value.into_inner().unwrap().downcast::<String>().unwrap();
    assert!(Arc::ptr_eq(&arc, &last));
    drop(arc);
    assert_eq!(Arc::into_inner(last).as_deref(), Some("four"));
    assert!(AnyValue::empty().into_inner().is_none());
}

#[test]
fn types_are_told_apart_by_more_than_their_name() {
    let value = AnyValue::empty();
    {
        struct Config;
        assert!(value.store(Config).is_ok());
        assert!(value.load::<Config>().is_ok());
    }
    {
        struct Config;
        let refused = value.store(Config).unwrap_err();
        assert_eq!(refused.stored(), refused.given());
        let message = refused.to_string();
        assert!(message.ends_with("which is another type of the same name"));
    }
    // A wrapper without cost, and what it wraps.
    let value = AnyValue::new(std::num::Wrapping(1));
    assert!(value.load::<i32>().is_err());
    let value = AnyValue::new("static");
    assert!(value.load::<&'static str>().is_ok());
    assert!(value.load::<String>().is_err());
    // The type of what is stored counts, and not what that can be turned into.
    let value = AnyValue::new(Box::new(1_u8) as Box<dyn Any + Send + Sync>);
    assert!(value.load::<u8>().is_err());
    assert!(value.load::<Box<dyn Any + Send + Sync>>().is_ok());
}

#[test]
fn values_of_all_shapes() {
    #[repr(align(256))]
    struct Aligned(u8);
    let value = AnyValue::new(());
    assert!(value.load::<()>().unwrap().is_some());
    assert!(value.swap(()).unwrap().is_some());
    let value = AnyValue::new(Aligned(1));
    let guard = value.load::<Aligned>().unwrap().unwrap();
    assert_eq!((&raw const *guard).addr() % 256, 0);
    assert_eq!(value.swap(Aligned(2)).ok().flatten().unwrap().0, 1);
    assert_eq!(guard.0, 1);
}

#[test]
fn errors_print_and_say_where_they_come_from() {
    let value = AnyValue::new(1_u8);
    assert_eq!(format!("{value:?}"), "AnyValue(Some(\"u8\"))");
    assert_eq!(format!("{:?}", AnyValue::empty()), "AnyValue(None)");
    let guard = value.load::<u8>().unwrap().unwrap();
    assert_eq!(format!("{guard:?} {guard}"), "1 1");

    let refused = value.store(2_u16).unwrap_err();
    assert_eq!(
        format!("{refused:?}"),
        "TypeMismatch { stored: \"u8\", given: \"u16\", .. }"
    );
    let refused: Box<dyn Error + Send + Sync> = refused.into();
    assert_eq!(refused.to_string(), "the value holds `u8`, not `u16`");

    let refused = value.compare_and_swap(None, 2_u8).unwrap_err();
    assert_eq!(format!("{refused:?}"), "NotEqual { empty: false, .. }");
    assert_eq!(refused.to_string(), "the value is not the expected one");
    let refused = AnyValue::empty().compare_and_swap(Some(&1), 2).unwrap_err();
    assert_eq!(format!("{refused:?}"), "NotEqual { empty: true, .. }");
    let refused = value.compare_and_swap(None, 2_u16).unwrap_err();
    assert_eq!(
        format!("{refused:?}"),
        "TypeMismatch { stored: \"u8\", given: \"u16\", .. }"
    );
}

/// Threads race to store first, each its own type: one type wins, all of its stores succeed, and no other.
#[test]
fn one_type_wins() {
    const ROUNDS: usize = if cfg!(miri) { 5 } else { 500 };
    fn attempt<T: Any + Send + Sync + PartialEq>(
        value: &AnyValue,
        new: T,
        with_swap: bool,
    ) -> bool {
        if with_swap {
            value.swap(new).is_ok()
        } else {
            !matches!(
                value.compare_and_swap(None, new),
                Err(AnyCompareError::TypeMismatch(_))
            )
        }
    }
    for round in 0..ROUNDS {
        let value = AnyValue::empty();
        let barrier = Barrier::new(4);
        let won = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for thread in 0..4 {
                let (value, barrier, won) = (&value, &barrier, &won);
                scope.spawn(move || {
                    barrier.wait();
                    let with_swap = round % 2 == 0;
                    let (ok, name) = if thread % 2 == 0 {
                        (attempt(value, 1_u32, with_swap), "u32")
                    } else {
                        (attempt(value, "text", with_swap), "&str")
                    };
                    if ok {
                        won.lock().unwrap().push(name);
                    }
                });
            }
        });
        let name = value.type_name().unwrap();
        assert_eq!(won.into_inner().unwrap(), [name, name]);
    }
}

/// Everything that goes in is dropped once: replaced, refused for its type, refused for its content.
#[test]
fn drops_are_counted() {
    const THREADS: usize = if cfg!(miri) { 3 } else { 4 };
    const EACH: usize = if cfg!(miri) { 20 } else { 5_000 };
    static MADE: AtomicUsize = AtomicUsize::new(0);
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    struct Counted<const TYPE: usize>(usize);
    impl<const TYPE: usize> Counted<TYPE> {
        fn new(number: usize) -> Self {
            MADE.fetch_add(1, Ordering::Relaxed);
            Self(number)
        }
    }
    impl<const TYPE: usize> PartialEq for Counted<TYPE> {
        fn eq(&self, other: &Self) -> bool {
            self.0 == other.0
        }
    }
    impl<const TYPE: usize> Drop for Counted<TYPE> {
        fn drop(&mut self) {
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
    }
    fn hammer<const TYPE: usize>(value: &AnyValue) {
        for number in 0..EACH {
            drop(value.store(Counted::<TYPE>::new(number % 4)));
            drop(value.swap(Counted::<TYPE>::new(number % 4)));
            let expected = Counted::<TYPE>::new(number % 3);
            drop(value.compare_and_swap(Some(&expected), Counted::new(1)));
            let guards = [value.load::<Counted<TYPE>>(), value.load()];
            drop(value.compare_and_swap(None, Counted::<TYPE>::new(1)));
            drop(guards);
        }
    }

    let value = AnyValue::empty();
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let value = &value;
            scope.spawn(move || match thread % 2 {
                0 => hammer::<0>(value),
                _ => hammer::<1>(value),
            });
        }
    });
    assert_eq!(
        DROPPED.load(Ordering::Relaxed) + 1,
        MADE.load(Ordering::Relaxed)
    );
    drop(value);
    let made = MADE.load(Ordering::Relaxed);
    assert_eq!(DROPPED.load(Ordering::Relaxed), made);
    assert_eq!(made, THREADS * EACH * 5);
}

/// A guard of a function of any lifetime is one of a function of a certain lifetime, whose type has another id.
#[test]
fn guards_of_subtypes_are_guards() {
    type AnyLifetime = for<'a> fn(&'a u8) -> u8;
    type One = fn(&'static u8) -> u8;
    static SEVEN: u8 = 7;
    let value = AnyValue::new::<AnyLifetime>(|number| *number);
    let guard: AnyGuard<One> = value.load::<AnyLifetime>().unwrap().unwrap();
    assert_eq!(guard(&SEVEN), 7);
    let arc = AnyGuard::into_arc(guard);
    assert_eq!(arc(&SEVEN), 7);
    drop(value);
    assert_eq!((Arc::strong_count(&arc), arc(&SEVEN)), (1, 7));
}

/// As what they show, and not by address.
#[test]
fn guards_compare_as_their_values() {
    fn load(value: &'static str) -> atomic_value::AnyGuard<&'static str> {
        AnyValue::new(value).load().unwrap().unwrap()
    }
    assert_eq!(load("a"), load("a"));
    assert!(load("a") < load("b") && load("b").max(load("a")) == load("b"));
    let known = std::collections::HashSet::from([load("a"), load("a"), load("b")]);
    assert_eq!(known.len(), 2);
    assert!(known.contains(&"b"));
}
