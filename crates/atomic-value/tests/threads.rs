//! Threads that come and go: statics, thread-local destructors, guards that move, values that are dropped
//! elsewhere.

#![cfg(not(pool_loom))]

use std::cell::{RefCell, UnsafeCell};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use atomic_value::{AnyValue, AtomicValue, Guard, Reader};

mod common;
use common::Counted;

#[test]
fn in_a_static() {
    static VALUE: AtomicValue<Vec<&str>> = AtomicValue::empty();
    static ANY: AnyValue = AnyValue::empty();
    static LISTS: [AtomicValue<u8>; 3] = [const { AtomicValue::empty() }; 3];

    let add = |name| {
        VALUE.update(|names| {
            let mut names = names.cloned().unwrap_or_default();
            names.push(name);
            names
        })
    };
    let threads = ["a", "b", "c"].map(|name| thread::spawn(move || add(name)));
    for thread in threads {
        thread.join().unwrap();
    }
    let mut names = Vec::clone(&VALUE.load().unwrap());
    names.sort_unstable();
    assert_eq!(names, ["a", "b", "c"]);

    thread::spawn(|| ANY.store("text").unwrap()).join().unwrap();
    assert_eq!(*ANY.load::<&str>().unwrap().unwrap(), "text");
    LISTS[1].store(1);
    assert!(LISTS[0].is_empty() && LISTS[2].is_empty());

    // A static's reader goes anywhere.
    let mut reader: Reader<'static, _> = LISTS[1].reader();
    let read = thread::spawn(move || reader.load().copied());
    assert_eq!(read.join().unwrap(), Some(1));
}

/// Uses the value when its thread's locals are destroyed.
struct AtExit(mpsc::Sender<(u32, bool)>);

static AT_EXIT: AtomicValue<u32> = AtomicValue::empty();

impl Drop for AtExit {
    fn drop(&mut self) {
        let guards: Vec<_> = (0..20).map(|_| AT_EXIT.load().unwrap()).collect();
        AT_EXIT.update(|old| old.unwrap() + 1);
        let arc = AT_EXIT.load_arc().unwrap();
        let kept = guards
            .iter()
            .all(|guard| **guard == **guards.first().unwrap());
        self.0.send((*arc, kept)).unwrap();
    }
}

/// A thread-local that was there before the thread's record is destroyed after it, and the other way round.
#[test]
fn in_a_destructor_of_a_thread_local() {
    thread_local! {
        static AT_THE_END: RefCell<Option<AtExit>> = const { RefCell::new(None) };
    }
    AT_EXIT.store(0);
    let (sender, results) = mpsc::channel();
    for before in [true, false] {
        let at_exit = AtExit(sender.clone());
        thread::spawn(move || {
            if before {
                AT_THE_END.set(Some(at_exit));
                assert!(AT_EXIT.load().is_some());
            } else {
                assert!(AT_EXIT.load().is_some());
                AT_THE_END.set(Some(at_exit));
            }
        })
        .join()
        .unwrap();
    }
    drop(sender);
    assert_eq!(results.iter().collect::<Vec<_>>(), [(1, true), (2, true)]);
}

/// A guard and a reader in a thread-local: dropped when the thread goes, before or after its record.
#[test]
fn guards_in_thread_locals() {
    static VALUE: AtomicValue<Arc<()>> = AtomicValue::empty();
    thread_local! {
        static GUARD: RefCell<Option<Guard<Arc<()>>>> = const { RefCell::new(None) };
        static READER: RefCell<Option<Reader<'static, Arc<()>>>> = const { RefCell::new(None) };
    }
    let object = Arc::new(());
    VALUE.store(Arc::clone(&object));
    for _ in 0..3 {
        thread::spawn(|| {
            GUARD.with(|guard| *guard.borrow_mut() = VALUE.load());
            READER.set(Some(VALUE.reader()));
        })
        .join()
        .unwrap();
    }
    VALUE.take();
    assert_eq!(Arc::strong_count(&object), 1, "nothing is held any more");
}

/// A guard is made here, looked at there, and dropped in a third place, while the value is replaced.
#[test]
fn guards_that_move() {
    const ROUNDS: usize = if cfg!(miri) { 10 } else { 2_000 };
    let drops = AtomicUsize::new(0);
    let value = AtomicValue::new(Counted::new(0, &drops));
    thread::scope(|scope| {
        let (to_second, second) = mpsc::channel::<Guard<Counted<'_>>>();
        let (to_third, third) = mpsc::channel::<Guard<Counted<'_>>>();
        scope.spawn(move || {
            for guard in second {
                guard.check();
                if to_third.send(guard).is_err() {
                    return;
                }
            }
        });
        scope.spawn(move || {
            for guard in third {
                guard.check();
            }
        });
        for number in 1..=ROUNDS {
            to_second.send(value.load().unwrap()).unwrap();
            value.store(Counted::new(number, &drops));
        }
    });
    assert_eq!(drops.load(Ordering::Relaxed), ROUNDS);
    drop(value);
    assert_eq!(drops.load(Ordering::Relaxed), ROUNDS + 1);
}

/// Many threads, one after the other and some together: no value is kept. (That their records are used again is seen from
/// inside, by a test in `src/backend`.)
#[test]
fn short_lived_threads() {
    const THREADS: usize = if cfg!(miri) { 20 } else { 2_000 };
    let drops = AtomicUsize::new(0);
    let value = AtomicValue::new(Counted::new(0, &drops));
    let kept = Mutex::new(Vec::new());
    for number in 0..THREADS / 4 {
        thread::scope(|scope| {
            for own in 0..4 {
                let (value, kept, drops) = (&value, &kept, &drops);
                scope.spawn(move || {
                    let guard = value.load().unwrap();
                    guard.check();
                    if own == 0 {
                        value.store(Counted::new(number, drops));
                        // The guard outlives its thread.
                        kept.lock().unwrap().push(guard);
                    }
                });
            }
        });
    }
    let kept = kept.into_inner().unwrap();
    kept.iter().for_each(|guard| guard.check());
    drop(value);
    drop(kept);
    assert_eq!(drops.load(Ordering::Relaxed), THREADS / 4 + 1);
}

/// Loads in destructors of thread-locals, by several threads at once, against stores.
#[test]
fn loads_of_ending_threads_against_stores() {
    const ROUNDS: usize = if cfg!(miri) { 2 } else { 150 };
    const LOADS: usize = if cfg!(miri) { 3 } else { 300 };
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    static VALUE: AtomicValue<Counted<'_>> = AtomicValue::empty();

    struct Late;
    impl Drop for Late {
        fn drop(&mut self) {
            for _ in 0..LOADS {
                let guards = [(); 2].map(|()| VALUE.load().unwrap());
                guards.iter().for_each(|guard| guard.check());
            }
        }
    }
    thread_local!(static LATE: Late = const { Late });

    VALUE.store(Counted::new(0, &DROPS));
    let done = AtomicBool::new(false);
    let stored = thread::scope(|scope| {
        let stores = scope.spawn(|| {
            let mut stored = 1;
            while !done.load(Ordering::Relaxed) {
                VALUE.store(Counted::new(stored, &DROPS));
                stored += 1;
            }
            stored
        });
        let enders = [(); 3].map(|()| {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    let ending = thread::spawn(|| {
                        // First, so that it is destroyed after the thread's record is given back.
                        LATE.with(|_| ());
                        drop(VALUE.load());
                    });
                    ending.join().unwrap();
                }
            })
        });
        let ended = enders.map(|ender| ender.join());
        done.store(true, Ordering::Relaxed);
        ended.into_iter().for_each(Result::unwrap);
        stores.join().unwrap()
    });
    drop(VALUE.take());
    assert_eq!(DROPS.load(Ordering::Relaxed), stored);
}

/// All that is stored, by whatever operation, is dropped once; and nothing that somebody looks at is.
#[test]
fn drops_are_counted() {
    if cfg!(miri) {
        count_drops(3, 15);
    } else {
        count_drops(4, 4_000);
    }
}

/// The same for longer, with more threads than processors.
#[test]
#[ignore = "takes some minutes in a debug build"]
fn drops_are_counted_stress() {
    count_drops(16, 2_000_000);
}

fn count_drops(threads: usize, each: usize) {
    let (made, drops) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let new = |number| {
        made.fetch_add(1, Ordering::Relaxed);
        Counted::new(number, &drops)
    };
    let value = AtomicValue::empty();
    let other = AtomicValue::empty();
    thread::scope(|scope| {
        for thread in 0..threads {
            let (value, other, new) = (&value, &other, &new);
            scope.spawn(move || {
                let mut reader = value.reader();
                let mut held = Vec::new();
                for round in 0..each {
                    match (round + thread) % 9 {
                        0 => value.store(new(round)),
                        1 => drop(value.swap(new(round))),
                        2 => drop(value.compare_and_swap(Some(&new(round % 2)), new(round))),
                        3 => {
                            let seen = value.load();
                            drop(value.compare_and_swap_ptr(seen.as_deref(), Arc::new(new(round))));
                        }
                        4 => drop(value.update(|old| new(old.map_or(0, |old| old.number + 1)))),
                        5 => drop(value.take()),
                        6 => {
                            // One object in two values.
                            if let Some(shared) = value.load_arc() {
                                other.store_arc(shared);
                            }
                        }
                        7 => held.extend(other.load()),
                        _ => {
                            if let Some(seen) = reader.load() {
                                seen.check();
                            }
                        }
                    }
                    held.extend(value.load());
                    held.iter().for_each(|guard| guard.check());
                    if held.len() > 12 {
                        held.drain(..6);
                    }
                }
            });
        }
    });
    drop((value, other));
    assert_eq!(drops.load(Ordering::Relaxed), made.load(Ordering::Relaxed));
    assert!(made.load(Ordering::Relaxed) > threads * each / 3);
}

/// Values are made, used by two threads, and dropped while guards of them remain; their memory is used again.
#[test]
fn short_lived_values() {
    const ROUNDS: usize = if cfg!(miri) { 10 } else { 1_000 };
    let drops = AtomicUsize::new(0);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let (sender, values) = mpsc::channel::<Arc<AtomicValue<Counted<'_>>>>();
        let done = &done;
        scope.spawn(move || {
            let mut last: Option<Guard<Counted<'_>>> = None;
            for value in values {
                let guard = value.load();
                drop(value);
                if let Some(last) = last.take() {
                    last.check();
                }
                last = guard;
            }
            done.store(true, Ordering::Relaxed);
        });
        for number in 0..ROUNDS {
            let value = Arc::new(AtomicValue::new(Counted::new(number, &drops)));
            sender.send(Arc::clone(&value)).unwrap();
            value.store(Counted::new(number, &drops));
        }
    });
    assert!(done.load(Ordering::Relaxed));
    assert_eq!(drops.load(Ordering::Relaxed), 2 * ROUNDS);
}

/// What a thread did before it stored an object a second time is seen by whoever exchanges that object, and
/// holds it since the first time: the object's own content says nothing of the second.
#[test]
fn an_exchange_sees_what_came_before_the_second_store() {
    struct Plain(UnsafeCell<usize>);
    // SAFETY: the test lets one thread write it before the store, and another read it after the exchange.
    unsafe impl Sync for Plain {}

    let rounds = if cfg!(miri) { 5 } else { 200 };
    for round in 0..rounds {
        let known = Arc::new(1);
        let value = AtomicValue::new(0);
        let plain = Plain(UnsafeCell::new(0));
        let stored = AtomicBool::new(false);
        thread::scope(|scope| {
            let (value, plain, stored, known) = (&value, &plain, &stored, &known);
            scope.spawn(move || {
                // SAFETY: the other thread reads it only after its exchange has found what we store below.
                unsafe { *plain.0.get() = round };
                value.store_arc(Arc::clone(known));
                // Relaxed, and only so that the exchange finds the object at its first attempt: no edge.
                stored.store(true, Ordering::Relaxed);
            });
            while !stored.load(Ordering::Relaxed) {
                thread::yield_now();
            }
            while value
                .compare_and_swap_ptr(Some(known), Arc::new(2))
                .is_err()
            {}
            // SAFETY: the exchange has found what was stored after the write.
            assert_eq!(unsafe { *plain.0.get() }, round);
        });
    }
}
