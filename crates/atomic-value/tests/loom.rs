//! Models of the protocols, run by loom through the repaired facade.
//!
//! Under the model checker a record has room for one debt instead of eight, so that a second guard counts.
//! Values are [`Tracked`]: loom reports one that is dropped while somebody may be reading it, its `Arc` one
//! that leaks. Each model asserts the exact set of its outcomes over all schedules, and a floor on their
//! number, so that one which explores nothing fails.
//!
//! ```text
//! RUSTFLAGS="--cfg pool_loom" LOOM_MAX_PREEMPTIONS=3 \
//!     cargo test -p atomic-value --release --features loom --test loom
//! ```
//!
//! Some of the models are searched whole, and some more in the deep tier. The bound of three preemptions is for the
//! others, whose searches do not end without one; no set of outcomes grows from three to four, but for one model that
//! nobody has waited for at four (docs/VERIFICATION.md).
#![cfg(pool_loom)]

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use atomic_value::{
    AnyCompareError, AnyValue, AtomicValue, Barrier, Guard, NonEmptyValue, begin_model,
};
use loom::cell::UnsafeCell;
use loom::model::Builder;
use loom::sync::Arc;
use loom::thread;

use Search::{Bounded, Brief, Whole, WholeIfDeep};

/// Which schedules of a model are tried.
#[derive(Clone, Copy)]
enum Search {
    /// All there are.
    Whole,
    /// Those with three preemptions; all, if the environment asks for more than three.
    WholeIfDeep,
    /// Those with three preemptions, or with as many more as the environment asks for.
    Bounded,
    /// Those with two preemptions, or with as many as the environment asks for if that is more than three. Three take
    /// half a minute and more, and find no other outcome.
    Brief,
}

/// The bound of every change.
const USUAL: usize = 3;

impl Search {
    /// The bound, by what the environment asks for. It asks for less than usual where more is to follow: then
    /// everybody does with that.
    fn bound(self, asked: Option<usize>) -> Option<usize> {
        match (self, asked) {
            (_, Some(shallow)) if shallow < USUAL => Some(shallow),
            (Self::Whole, _) => None,
            (Self::WholeIfDeep, Some(deep)) if deep > USUAL => None,
            (Self::WholeIfDeep | Self::Bounded, asked) => Some(asked.unwrap_or(USUAL)),
            (Self::Brief, asked) => Some(asked.filter(|&deep| deep > USUAL).unwrap_or(2)),
        }
    }
}

/// Runs a model; asserts which outcomes it had, and that there were at least `floor` schedules: about nine in ten of
/// those of the usual bound. With a lower one there is no floor.
fn explore<O>(
    name: &str,
    search: Search,
    floor: usize,
    expected: impl IntoIterator<Item = O>,
    model: impl Fn() -> O + Send + Sync + 'static,
) where
    O: Ord + Debug + Send + 'static,
{
    explore_on(Barrier::None, name, search, floor, expected, model);
}

/// The same on one of the barriers.
fn explore_on<O>(
    barrier: Barrier,
    name: &str,
    search: Search,
    floor: usize,
    expected: impl IntoIterator<Item = O>,
    model: impl Fn() -> O + Send + Sync + 'static,
) where
    O: Ord + Debug + Send + 'static,
{
    let mut builder = Builder::new();
    // These end a run early and call it a success.
    assert!(
        builder.max_duration.is_none() && builder.max_permutations.is_none(),
        "unset LOOM_MAX_DURATION and LOOM_MAX_PERMUTATIONS: they hide what was not explored"
    );
    let bound = search.bound(builder.preemption_bound);
    builder.preemption_bound = bound;

    let seen = std::sync::Arc::new((AtomicUsize::new(0), Mutex::new(BTreeSet::new())));
    let collector = std::sync::Arc::clone(&seen);
    builder.check(move || {
        begin_model(barrier);
        // The list of records exists before the threads do: loom orders whoever makes a static before whoever
        // finds it made.
        drop(AtomicValue::new(()).take());
        let outcome = model();
        collector.0.fetch_add(1, Ordering::Relaxed);
        collector.1.lock().unwrap().insert(outcome);
    });

    let schedules = seen.0.load(Ordering::Relaxed);
    let outcomes = std::mem::take(&mut *seen.1.lock().unwrap());
    println!("{name}: {schedules} schedules, {} outcomes", outcomes.len());
    assert_eq!(
        outcomes,
        expected.into_iter().collect::<BTreeSet<_>>(),
        "{name}: the outcomes are not the expected ones"
    );
    let enough = search.bound(Some(USUAL)).unwrap_or(USUAL);
    if bound.is_none_or(|bound| bound >= enough) {
        assert!(schedules >= floor, "{name}: only {schedules} schedules");
    }
}

/// A number that loom sees being read and dropped.
struct Tracked {
    number: u32,
    alive: UnsafeCell<bool>,
}

// SAFETY: the cell is read through shared references and written in `drop`, and loom checks that the two do
// not meet.
unsafe impl Send for Tracked {}
// SAFETY: as above.
unsafe impl Sync for Tracked {}

impl Tracked {
    fn new(number: u32) -> Self {
        let alive = UnsafeCell::new(false);
        // What loom sees of its making, so that it must be visible to who reads it.
        // SAFETY: nobody else has it yet.
        alive.with_mut(|alive| unsafe { *alive = true });
        Self { number, alive }
    }

    fn number(&self) -> u32 {
        // SAFETY: nobody writes but `drop`; loom checks it.
        let alive = self.alive.with(|alive| unsafe { *alive });
        assert!(alive, "read after drop");
        self.number
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        // SAFETY: exclusive; loom checks it.
        self.alive.with_mut(|alive| unsafe { *alive = false });
    }
}

impl PartialEq for Tracked {
    fn eq(&self, other: &Self) -> bool {
        self.number() == other.number()
    }
}

type Value = Arc<AtomicValue<Tracked>>;

fn value(number: u32) -> Value {
    Arc::new(AtomicValue::new(Tracked::new(number)))
}

fn seen(value: &AtomicValue<Tracked>) -> Option<u32> {
    value.load().map(|guard| guard.number())
}

fn spawn<R: 'static>(
    value: &Value,
    run: impl FnOnce(&AtomicValue<Tracked>) -> R + 'static,
) -> thread::JoinHandle<R> {
    let value = Arc::clone(value);
    thread::spawn(move || run(&value))
}

fn number(value: Option<Arc<Tracked>>) -> Option<u32> {
    value.map(|value| value.number())
}

/// Asserts an untruth. If the model does not panic, loom does not see the crate's atomics.
#[test]
#[should_panic(expected = "the store came first")]
fn canary() {
    loom::model(|| {
        let value = value(1);
        let store = spawn(&value, |value| value.store(Tracked::new(2)));
        let number = seen(&value);
        store.join().unwrap();
        assert_ne!(number, Some(2), "the store came first");
    });
}

/// A load sees the old value or the new one, whole, and neither is dropped while it is looked at, nor ever
/// leaked.
#[test]
fn load_against_store() {
    explore(
        "load_against_store",
        Bounded,
        1_300,
        [Some(1), Some(2)],
        || {
            let value = value(1);
            let store = spawn(&value, |value| value.store(Tracked::new(2)));
            let number = seen(&value);
            store.join().unwrap();
            number
        },
    );
}

/// What comes before a store is visible to who loads what was stored.
#[test]
fn a_store_happens_before_its_load() {
    explore(
        "a_store_happens_before_its_load",
        Whole,
        18,
        [false, true],
        || {
            let cell = Arc::new(UnsafeCell::new(0));
            let value = Arc::new(AtomicValue::<Arc<UnsafeCell<u32>>>::empty());
            let store = {
                let value = Arc::clone(&value);
                thread::spawn(move || {
                    // SAFETY: not shared yet.
                    cell.with_mut(|cell| unsafe { *cell = 1 });
                    value.store(cell);
                })
            };
            let loaded = value.load();
            if let Some(cell) = &loaded {
                // SAFETY: not written any more; loom checks it.
                assert_eq!(cell.with(|cell| unsafe { *cell }), 1);
            }
            let loaded = loaded.is_some();
            store.join().unwrap();
            loaded
        },
    );
}

/// One loads, two replace: the loaded value is not freed between the load and its protection.
#[test]
fn load_against_two_stores() {
    explore(
        "load_against_two_stores",
        Brief,
        23_000,
        [Some(1), Some(2), Some(3)],
        || {
            let value = value(1);
            let one = spawn(&value, |value| value.store(Tracked::new(2)));
            let other = spawn(&value, |value| value.store(Tracked::new(3)));
            let number = seen(&value);
            one.join().unwrap();
            other.join().unwrap();
            number
        },
    );
}

/// A guard's value stays, whatever is stored; the guard gives its reference back once.
#[test]
fn a_guard_outlives_a_store() {
    explore("a_guard_outlives_a_store", Whole, 41, [1], || {
        let value = value(1);
        let guard = value.load().unwrap();
        let store = spawn(&value, |value| value.store(Tracked::new(2)));
        let number = guard.number();
        drop(guard);
        store.join().unwrap();
        number
    });
}

/// With no debt free a load counts, inside its window.
#[test]
fn a_second_guard_counts() {
    explore(
        "a_second_guard_counts",
        Bounded,
        880,
        [(1, 1), (1, 2)],
        || {
            let value = value(1);
            let first = value.load().unwrap();
            let store = spawn(&value, |value| value.store(Tracked::new(2)));
            let second = value.load().unwrap();
            let numbers = (first.number(), second.number());
            drop(first);
            drop(second);
            store.join().unwrap();
            numbers
        },
    );
}

/// A debt that was paid is used again while the paid guard still lives.
#[test]
fn a_paid_debt_is_used_again() {
    explore(
        "a_paid_debt_is_used_again",
        WholeIfDeep,
        870,
        [(1, 1), (1, 2)],
        || {
            let value = value(1);
            let first = value.load().unwrap();
            let store = spawn(&value, |value| value.store(Tracked::new(2)));
            let second = value.load().unwrap();
            let numbers = (first.number(), second.number());
            // In the other order than in `a_second_guard_counts`.
            drop(second);
            drop(first);
            store.join().unwrap();
            numbers
        },
    );
}

/// A guard that was sent away is dropped there while its value is replaced here.
#[test]
fn a_guard_dropped_on_another_thread() {
    explore(
        "a_guard_dropped_on_another_thread",
        Whole,
        88,
        [Some(1)],
        || {
            let value = value(1);
            let guard = value.load().unwrap();
            let other = thread::spawn(move || guard.number());
            let old = number(value.swap(Tracked::new(2)));
            assert_eq!(other.join().unwrap(), 1);
            old
        },
    );
}

/// A guard is dropped on another thread, and its debt is used again here for something else, before a sweep
/// looks at it: the sweep still knows that the guard's reads are over.
#[test]
fn a_struck_debt_is_used_again() {
    explore(
        "a_struck_debt_is_used_again",
        Bounded,
        33_000,
        [Some(1), None],
        || {
            let value = value(1);
            let elsewhere = AtomicValue::new(Tracked::new(9));
            let guard = value.load().unwrap();
            let other = thread::spawn(move || guard.number());
            let take = spawn(&value, |value| drop(value.take()));
            assert_eq!(seen(&elsewhere), Some(9));
            let number = seen(&value);
            assert_eq!(other.join().unwrap(), 1);
            take.join().unwrap();
            number
        },
    );
}

/// A guard may outlive the value that it came from.
#[test]
fn a_guard_outlives_the_atomic_value() {
    explore("a_guard_outlives_the_atomic_value", Whole, 88, [1], || {
        let value = AtomicValue::new(Tracked::new(1));
        let guard = value.load().unwrap();
        let other = thread::spawn(move || guard.number());
        drop(value);
        other.join().unwrap()
    });
}

/// Guards of two values that hold the same object: whoever removes it first may pay for the other.
#[test]
fn one_object_in_two_values() {
    explore(
        "one_object_in_two_values",
        Brief,
        13_000,
        [None, Some(1)],
        || {
            let object = Arc::new(Tracked::new(1));
            let one = Arc::new(AtomicValue::from(Arc::clone(&object)));
            let other = Arc::new(AtomicValue::from(object));
            let take = spawn(&one, |one| drop(one.take()));
            let take_other = spawn(&other, |other| drop(other.take()));
            let number = seen(&one);
            take.join().unwrap();
            take_other.join().unwrap();
            number
        },
    );
}

/// The address of a value that was freed comes back with another value. A reader that had loaded the address
/// before must not get the other value, nor a writer settle with the reader what it owes somebody else.
#[test]
fn values_of_two_types_do_not_mix() {
    explore(
        "values_of_two_types_do_not_mix",
        Bounded,
        2_000,
        [None, Some(1)],
        || {
            let one = value(1);
            let writer = spawn(&one, |one| {
                drop(one.take());
                let other = AtomicValue::new(Box::new(Tracked::new(7)));
                let guard = other.load().unwrap();
                drop(other.take());
                assert_eq!(guard.number(), 7);
            });
            let number = seen(&one);
            writer.join().unwrap();
            number
        },
    );
}

/// The record of a thread that has gone is taken over, debt and all.
#[test]
fn a_record_changes_hands() {
    explore(
        "a_record_changes_hands",
        Bounded,
        3_100,
        [(1, 1), (1, 2)],
        || {
            let value = value(1);
            // The guard outlives its thread, whose record the other thread may find free.
            let guard = spawn(&value, |value| value.load().unwrap()).join().unwrap();
            let other = spawn(&value, |value| seen(value).unwrap());
            value.store(Tracked::new(2));
            let numbers = (guard.number(), other.join().unwrap());
            drop(guard);
            numbers
        },
    );
}

/// Two threads load while a third replaces. They may have a record each, or one after the other the same:
/// then the second's announcement does not hide behind what the first wrote.
///
/// The longest of all. Tests begin in the order of their names, and another core is busy with the others meanwhile.
#[test]
fn a_store_against_two_loads_of_two_threads() {
    explore(
        "a_store_against_two_loads_of_two_threads",
        Brief,
        32_000,
        [(1, 1), (1, 2), (2, 1), (2, 2)],
        || {
            let value = value(1);
            let one = spawn(&value, |value| seen(value).unwrap());
            let other = spawn(&value, |value| seen(value).unwrap());
            value.store(Tracked::new(2));
            (one.join().unwrap(), other.join().unwrap())
        },
    );
}

/// A thread that loads twice: from elsewhere first, so that a sweep may read the announcement of either.
#[test]
fn two_loads_against_a_store() {
    explore(
        "two_loads_against_a_store",
        Bounded,
        8_700,
        [(1, 1), (1, 2), (2, 2)],
        || {
            let value = value(1);
            let elsewhere = AtomicValue::new(Tracked::new(9));
            let store = spawn(&value, |value| value.store(Tracked::new(2)));
            let first = value.load().unwrap();
            assert_eq!(seen(&elsewhere), Some(9));
            let second = seen(&value).unwrap();
            let first = first.number();
            store.join().unwrap();
            (first, second)
        },
    );
}

/// Of two first stores each replaces what the other one stored, or nothing; and the last stays.
#[test]
fn first_store_against_swap() {
    explore(
        "first_store_against_swap",
        Whole,
        11,
        [(None, Some(1)), (Some(1), Some(2))],
        || {
            let value = Value::default();
            let store = spawn(&value, |value| value.store(Tracked::new(1)));
            let old = number(value.swap(Tracked::new(2)));
            store.join().unwrap();
            (old, seen(&value))
        },
    );
}

/// Of two that expect the empty value one succeeds; the other is told so, and gets its value back.
#[test]
fn compare_and_swap_from_empty_against_another() {
    explore(
        "compare_and_swap_from_empty_against_another",
        WholeIfDeep,
        700,
        [(true, false, 1), (false, true, 2)],
        || {
            let value = Value::default();
            let other = spawn(&value, |value| {
                let result = value.compare_and_swap(None, Tracked::new(1));
                result.map_err(|error| error.new.number()).is_ok()
            });
            let won = match value.compare_and_swap(None, Tracked::new(2)) {
                Ok(old) => {
                    assert!(old.is_none());
                    true
                }
                Err(error) => {
                    assert_eq!(error.current.unwrap().number(), 1);
                    assert_eq!(error.new.number(), 2);
                    false
                }
            };
            (other.join().unwrap(), won, seen(&value).unwrap())
        },
    );
}

/// A first store against a compare-and-swap from empty: the latter is first, or finds the store's value.
#[test]
fn first_store_against_compare_and_swap() {
    explore(
        "first_store_against_compare_and_swap",
        Whole,
        50,
        [(true, 1), (false, 1)],
        || {
            let value = Value::default();
            let store = spawn(&value, |value| value.store(Tracked::new(1)));
            let won = value.compare_and_swap(None, Tracked::new(2)).is_ok();
            store.join().unwrap();
            (won, seen(&value).unwrap())
        },
    );
}

/// A value that is replaced by an equal one between comparison and exchange is compared again.
#[test]
fn compare_and_swap_against_an_equal_store() {
    explore(
        "compare_and_swap_against_an_equal_store",
        Bounded,
        6_800,
        [(true, 1), (true, 2)],
        || {
            let value = value(1);
            let store = spawn(&value, |value| value.store(Tracked::new(1)));
            let swapped = value
                .compare_and_swap(Some(&Tracked::new(1)), Tracked::new(2))
                .is_ok();
            store.join().unwrap();
            (swapped, seen(&value).unwrap())
        },
    );
}

/// By address, an equal store makes it fail.
#[test]
fn compare_and_swap_ptr_against_an_equal_store() {
    explore(
        "compare_and_swap_ptr_against_an_equal_store",
        WholeIfDeep,
        400,
        [(true, 1), (false, 1)],
        || {
            let value = value(1);
            let expected = value.load();
            let store = spawn(&value, |value| value.store(Tracked::new(1)));
            let new = Arc::new(Tracked::new(2));
            let swapped = value.compare_and_swap_ptr(expected.as_deref(), new).is_ok();
            drop(expected);
            store.join().unwrap();
            (swapped, seen(&value).unwrap())
        },
    );
}

/// Of two updates none is lost, and each knows what it replaced.
#[test]
fn update_against_update() {
    explore(
        "update_against_update",
        Brief,
        9_900,
        [(Some(10), Some(11), 12), (Some(11), Some(10), 12)],
        || {
            let increment = |value: &AtomicValue<Tracked>| {
                number(value.update(|old| Tracked::new(old.unwrap().number() + 1)))
            };
            let value = value(10);
            let other = spawn(&value, increment);
            let mine = increment(&value);
            (mine, other.join().unwrap(), seen(&value).unwrap())
        },
    );
}

/// A reader never goes back, neither by itself nor against other loads of its thread.
#[test]
fn a_reader_against_a_store() {
    explore(
        "a_reader_against_a_store",
        Bounded,
        5_500,
        [[1, 1, 1], [1, 1, 2], [1, 2, 2], [2, 2, 2]],
        || {
            let value = value(1);
            let mut reader = value.reader();
            let store = spawn(&value, |value| value.store(Tracked::new(2)));
            let numbers = [
                reader.load().unwrap().number(),
                seen(&value).unwrap(),
                reader.load().unwrap().number(),
            ];
            store.join().unwrap();
            assert_eq!(reader.load().unwrap().number(), 2);
            numbers
        },
    );
}

/// An object that is stored a second time: what came before the second store is visible to a reader that has
/// the object already, and knows that it was out meanwhile.
#[test]
fn a_reader_against_an_object_that_comes_back() {
    explore(
        "a_reader_against_an_object_that_comes_back",
        Whole,
        5_600,
        [false, true],
        || {
            let object = Arc::new(1);
            let value = Arc::new(AtomicValue::from(Arc::clone(&object)));
            let mut reader = value.reader();
            value.store(2);
            let cell = Arc::new(UnsafeCell::new(0));
            let store = {
                let (value, cell) = (Arc::clone(&value), Arc::clone(&cell));
                thread::spawn(move || {
                    // SAFETY: not read before the object is back; loom checks it.
                    cell.with_mut(|cell| unsafe { *cell = 1 });
                    value.store_arc(object);
                })
            };
            let back = reader.load() == Some(&1);
            if back {
                // SAFETY: not written any more; loom checks it.
                assert_eq!(cell.with(|cell| unsafe { *cell }), 1);
            }
            store.join().unwrap();
            back
        },
    );
}

/// Taking the value out against a load: the load's reference is its own.
#[test]
fn into_arc_against_take() {
    explore(
        "into_arc_against_take",
        WholeIfDeep,
        850,
        [None, Some(1)],
        || {
            let value = value(1);
            let take = spawn(&value, |value| number(value.take()));
            let mine = value.load().map(Guard::into_arc);
            assert_eq!(take.join().unwrap(), Some(1));
            number(mine)
        },
    );
}

/// As above, for the load that counts from the start.
#[test]
fn load_arc_against_take() {
    explore(
        "load_arc_against_take",
        Whole,
        19_000,
        [None, Some(1)],
        || {
            let value = value(1);
            let take = spawn(&value, |value| number(value.take()));
            let mine = value.load_arc();
            assert_eq!(take.join().unwrap(), Some(1));
            number(mine)
        },
    );
}

/// Both empty the value; one gets it.
#[test]
fn take_against_take() {
    explore(
        "take_against_take",
        Whole,
        11,
        [(None, Some(1)), (Some(1), None)],
        || {
            let value = value(1);
            let other = spawn(&value, |value| number(value.take()));
            let mine = number(value.take());
            (mine, other.join().unwrap())
        },
    );
}

/// Four threads empty the value; one gets it.
#[test]
fn four_takes() {
    explore("four_takes", Bounded, 6_000, [0, 1, 2, 3], || {
        let value = value(1);
        let others = [(); 3].map(|()| spawn(&value, |value| number(value.take())));
        let mine = number(value.take());
        let others = others.map(|other| other.join().unwrap());
        let takers: Vec<_> = [mine].into_iter().chain(others).collect();
        assert_eq!(takers.iter().flatten().count(), 1, "one of them gets it");
        takers.iter().position(Option::is_some).unwrap()
    });
}

/// A value that is emptied by identity, as a stack's last node is popped: one of two gets it.
#[test]
fn emptied_by_identity_once() {
    explore(
        "emptied_by_identity_once",
        Bounded,
        25_000,
        [(None, Some(1)), (Some(1), None)],
        || {
            let pop = |value: &AtomicValue<Tracked>| {
                let seen = value.load()?;
                number(value.compare_and_swap_ptr(Some(&*seen), None).ok()?)
            };
            let value = value(1);
            let other = spawn(&value, pop);
            let mine = pop(&value);
            let other = other.join().unwrap();
            assert!(value.is_empty());
            (mine, other)
        },
    );
}

/// Two threads need the first value: each may make one, both see the same, and the other one is dropped.
#[test]
fn two_first_values() {
    explore("two_first_values", WholeIfDeep, 2_100, [1, 2], || {
        let made = Arc::new(AtomicU32::new(0));
        let make = {
            let made = Arc::clone(&made);
            move || Tracked::new(made.fetch_add(1, Ordering::Relaxed) + 1)
        };
        let value = Arc::new(NonEmptyValue::lazy(make));
        let other = {
            let value = Arc::clone(&value);
            thread::spawn(move || value.load().number())
        };
        let mine = value.load().number();
        assert_eq!(other.join().unwrap(), mine);
        mine
    });
}

/// A store against the making of a first value: the store is never lost.
#[test]
fn a_store_against_a_first_value() {
    explore(
        "a_store_against_a_first_value",
        WholeIfDeep,
        1_050,
        [1, 2],
        || {
            let value = Arc::new(NonEmptyValue::lazy(|| Tracked::new(1)));
            let other = {
                let value = Arc::clone(&value);
                thread::spawn(move || value.store(Tracked::new(2)))
            };
            let mine = value.load().number();
            other.join().unwrap();
            assert_eq!(value.load().number(), 2);
            mine
        },
    );
}

type Any = Arc<AnyValue>;

fn spawn_any<R: 'static>(
    value: &Any,
    run: impl FnOnce(&AnyValue) -> R + 'static,
) -> thread::JoinHandle<R> {
    let value = Arc::clone(value);
    thread::spawn(move || run(&value))
}

/// Two first stores of different types: one type wins, and the other is named in the error.
#[test]
fn any_first_store_against_another_type() {
    explore(
        "any_first_store_against_another_type",
        Bounded,
        700,
        [(true, false, Some("u32")), (false, true, Some("i64"))],
        || {
            let value = Any::default();
            let other = spawn_any(&value, |value| match value.store(1_u32) {
                Ok(()) => true,
                Err(error) => {
                    assert_eq!((error.stored(), error.given()), ("i64", "u32"));
                    assert_eq!(error.into_inner(), 1);
                    false
                }
            });
            let mine = match value.store(2_i64) {
                Ok(()) => true,
                Err(error) => {
                    assert_eq!((error.stored(), error.given()), ("u32", "i64"));
                    assert_eq!(error.into_inner(), 2);
                    false
                }
            };
            (other.join().unwrap(), mine, value.type_name())
        },
    );
}

/// Two first stores of one type: both succeed.
#[test]
fn any_first_store_against_first_store() {
    explore(
        "any_first_store_against_first_store",
        WholeIfDeep,
        700,
        [1, 2],
        || {
            let value = Any::default();
            let other = spawn_any(&value, |value| value.store(1_u32).unwrap());
            value.store(2_u32).unwrap();
            other.join().unwrap();
            *value.load::<u32>().unwrap().unwrap()
        },
    );
}

/// A first store against a load: nothing, or all of it.
#[test]
fn any_first_store_against_load() {
    explore(
        "any_first_store_against_load",
        Whole,
        18_000,
        [None, Some([1, 2])],
        || {
            let value = Any::default();
            let store = spawn_any(&value, |value| value.store([1_u64, 2]).unwrap());
            let loaded = value.load::<[u64; 2]>().unwrap().map(|guard| *guard);
            store.join().unwrap();
            loaded
        },
    );
}

/// A first store against a load of another type: nothing, or the refusal.
#[test]
fn any_first_store_against_load_of_another_type() {
    explore(
        "any_first_store_against_load_of_another_type",
        Bounded,
        470,
        [Ok(false), Err("u32")],
        || {
            let value = Any::default();
            let store = spawn_any(&value, |value| value.store(1_u32).unwrap());
            let loaded = value.load::<i64>();
            let loaded = loaded
                .map(|guard| guard.is_some())
                .map_err(|error| error.stored());
            store.join().unwrap();
            loaded
        },
    );
}

/// A first store against a swap: each is first, or sees the other.
#[test]
fn any_first_store_against_swap() {
    explore(
        "any_first_store_against_swap",
        WholeIfDeep,
        700,
        [(None, 1), (Some(1), 2)],
        || {
            let value = Any::default();
            let store = spawn_any(&value, |value| value.store(1_u32).unwrap());
            let old = value.swap(2_u32).unwrap().map(|old| *old);
            store.join().unwrap();
            let last = *value.load::<u32>().unwrap().unwrap();
            (old, last)
        },
    );
}

/// What Go got wrong (golang/go#52612): a compare-and-swap that expects the empty value, against a first
/// store.
#[test]
fn any_first_store_against_compare_and_swap() {
    explore(
        "any_first_store_against_compare_and_swap",
        WholeIfDeep,
        700,
        [(true, 1), (false, 1)],
        || {
            let value = Any::default();
            let store = spawn_any(&value, |value| value.store(1_u32).unwrap());
            let won = match value.compare_and_swap(None, 2_u32) {
                Ok(old) => {
                    assert!(old.is_none());
                    true
                }
                Err(AnyCompareError::NotEqual { current, new }) => {
                    assert_eq!((current.map(|now| *now), new), (Some(1), 2));
                    false
                }
                Err(AnyCompareError::TypeMismatch(error)) => panic!("{error}"),
            };
            store.join().unwrap();
            let last = *value.load::<u32>().unwrap().unwrap();
            (won, last)
        },
    );
}

/// The same with another type: first, or refused for its type and not for its content.
#[test]
fn any_first_store_against_compare_and_swap_of_another_type() {
    explore(
        "any_first_store_against_compare_and_swap_of_another_type",
        Bounded,
        700,
        [(Ok(()), Err(1)), (Err(2), Ok(()))],
        || {
            let value = Any::default();
            let store = spawn_any(&value, |value| {
                value.store(1_u32).map_err(|error| error.into_inner())
            });
            let swapped = match value.compare_and_swap(None, 2_i64) {
                Ok(_) => Ok(()),
                Err(AnyCompareError::TypeMismatch(error)) => Err(error.into_inner()),
                Err(AnyCompareError::NotEqual { .. }) => panic!("a wrong type comes first"),
            };
            (swapped, store.join().unwrap())
        },
    );
}

/// Behind the light barrier: a load sees the old value or the new one, and neither is dropped while it is looked at.
#[test]
fn light_load_against_store() {
    explore_on(
        Barrier::Light,
        "light_load_against_store",
        Bounded,
        2029,
        [Some(1), Some(2)],
        || {
            let value = value(1);
            let store = spawn(&value, |value| value.store(Tracked::new(2)));
            let number = seen(&value);
            store.join().unwrap();
            number
        },
    );
}

/// Two loads behind the light barrier with nothing between them, so that a sweep may read the announcement of either: the
/// debt of the first is seen with that of the second.
#[test]
fn two_light_loads_against_a_store() {
    explore_on(
        Barrier::Light,
        "two_light_loads_against_a_store",
        Bounded,
        1,
        [(1, 1), (1, 2), (2, 2)],
        || {
            let value = value(1);
            let elsewhere = AtomicValue::new(Tracked::new(9));
            let store = spawn(&value, |value| value.store(Tracked::new(2)));
            let first = value.load().unwrap();
            let other = elsewhere.load().unwrap();
            let second = value.load().unwrap();
            assert_eq!(other.number(), 9);
            let numbers = (first.number(), second.number());
            drop((first, other, second));
            store.join().unwrap();
            numbers
        },
    );
}

/// A guard of the light kind is dropped while its value is replaced: the reference is given back if it was counted, and
/// not otherwise.
#[test]
fn light_guard_against_store() {
    explore_on(
        Barrier::Light,
        "light_guard_against_store",
        Bounded,
        20,
        [1],
        || {
            let value = value(1);
            let guard = value.load().unwrap();
            let store = spawn(&value, |value| value.store(Tracked::new(2)));
            let number = guard.number();
            drop(guard);
            store.join().unwrap();
            number
        },
    );
}

/// The same, dropped on a thread that has never loaded.
#[test]
fn light_guard_dropped_on_another_thread() {
    explore_on(
        Barrier::Light,
        "light_guard_dropped_on_another_thread",
        Bounded,
        37,
        [Some(1)],
        || {
            let value = value(1);
            let guard = value.load().unwrap();
            let other = thread::spawn(move || guard.number());
            let old = number(value.swap(Tracked::new(2)));
            assert_eq!(other.join().unwrap(), 1);
            old
        },
    );
}

/// Two values hold the object that a guard owes, and both are emptied: one of the two pays, and a ticket in the way of
/// the other's is displaced.
#[test]
fn light_guard_against_two_takes() {
    explore_on(
        Barrier::Light,
        "light_guard_against_two_takes",
        Bounded,
        5517,
        [1],
        || {
            let object = Arc::new(Tracked::new(1));
            let one = Arc::new(AtomicValue::from(Arc::clone(&object)));
            let other = Arc::new(AtomicValue::from(object));
            let guard = one.load().unwrap();
            let take = spawn(&one, |one| drop(one.take()));
            let take_other = spawn(&other, |other| drop(other.take()));
            let number = guard.number();
            drop(guard);
            take.join().unwrap();
            take_other.join().unwrap();
            number
        },
    );
}

/// A debt of the light kind is given up elsewhere and used again here, for the same object, while a replacement settles.
#[test]
fn light_debt_is_used_again() {
    explore_on(
        Barrier::Light,
        "light_debt_is_used_again",
        Bounded,
        20522,
        [None, Some(1)],
        || {
            let value = value(1);
            let guard = value.load().unwrap();
            let other = thread::spawn(move || guard.number());
            let take = spawn(&value, |value| drop(value.take()));
            let number = seen(&value);
            assert_eq!(other.join().unwrap(), 1);
            take.join().unwrap();
            number
        },
    );
}

/// The guard of a thread that has ended, in a record that another thread takes over, against a replacement.
#[test]
fn light_record_changes_hands() {
    explore_on(
        Barrier::Light,
        "light_record_changes_hands",
        Bounded,
        4991,
        [(1, 1), (1, 2)],
        || {
            let value = value(1);
            let guard = spawn(&value, |value| value.load().unwrap()).join().unwrap();
            let other = spawn(&value, |value| seen(value).unwrap());
            value.store(Tracked::new(2));
            let numbers = (guard.number(), other.join().unwrap());
            drop(guard);
            numbers
        },
    );
}

/// A compare-and-swap by the guard that it compares with, against a load.
#[test]
fn light_load_against_compare_and_swap() {
    explore_on(
        Barrier::Light,
        "light_load_against_compare_and_swap",
        Brief,
        1798,
        [1, 2],
        || {
            let value = value(1);
            let exchange = spawn(&value, |value| {
                let expected = value.load();
                let new = Arc::new(Tracked::new(2));
                assert!(value.compare_and_swap_ptr(expected.as_deref(), new).is_ok());
            });
            let number = seen(&value).unwrap();
            exchange.join().unwrap();
            number
        },
    );
}

/// A value turns to fences while it is loaded; whoever replaces it then does without the heavy barrier, and the load that
/// relied on that is waited for.
#[test]
fn turn_to_fences_against_load() {
    explore_on(
        Barrier::Turning,
        "turn_to_fences_against_load",
        Brief,
        1905,
        [Some(1), Some(2)],
        || {
            let value = value(1);
            let store = spawn(&value, |value| {
                value.turn(false);
                value.store(Tracked::new(2));
            });
            let number = seen(&value);
            store.join().unwrap();
            number
        },
    );
}

/// A value turns back to the barrier while a replacement goes without: who loads by the barrier finds its work done.
#[test]
fn turn_to_the_barrier_against_store() {
    explore_on(
        Barrier::Turning,
        "turn_to_the_barrier_against_store",
        Brief,
        1233,
        [Some(1), Some(2)],
        || {
            let value = value(1);
            value.turn(false);
            let store = spawn(&value, |value| value.store(Tracked::new(2)));
            value.turn(true);
            let number = seen(&value);
            store.join().unwrap();
            number
        },
    );
}

/// Nobody has decided how a value is protected: its first load and its first replacement decide together.
#[test]
fn undecided_load_against_store() {
    explore_on(
        Barrier::Undecided,
        "undecided_load_against_store",
        Brief,
        2029,
        [Some(1), Some(2)],
        || {
            let value = value(1);
            let store = spawn(&value, |value| value.store(Tracked::new(2)));
            let number = seen(&value);
            store.join().unwrap();
            number
        },
    );
}
