//! What cannot be reached from outside: windows that stay open, debts that are taken over.

use std::ptr;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::*;

/// A thread that is in the middle of a load from `slot` until the returned sender says to go on.
fn stuck_in<T: Sync>(slot: &Slot<T>) -> (thread::JoinHandle<()>, mpsc::Sender<()>) {
    let name = slot.name();
    let (go, wait) = mpsc::channel();
    let (ready, is_ready) = mpsc::channel();
    let thread = thread::spawn(move || {
        record::with(|record| {
            let window = record.open(name);
            ready.send(()).unwrap();
            wait.recv().unwrap();
            drop(window);
        });
    });
    is_ready.recv().unwrap();
    (thread, go)
}

#[test]
fn a_replacement_waits_for_a_load_that_is_under_way() {
    let slot = Slot::new(Some(Arc::new(1)));
    let (loading, go) = stuck_in(&slot);
    let (done, is_done) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            let old = slot.swap(Some(Arc::new(2)));
            done.send(old.map(|old| Arc::strong_count(&old))).unwrap();
        });
        // The new value is there already; only the old one is held back.
        while *slot.load().unwrap() != 2 {
            thread::yield_now();
        }
        assert!(is_done.recv_timeout(Duration::from_millis(20)).is_err());
        go.send(()).unwrap();
        assert_eq!(is_done.recv(), Ok(Some(1)));
    });
    loading.join().unwrap();
}

#[test]
fn a_replacement_does_not_wait_for_a_load_from_elsewhere() {
    let slot = Slot::new(Some(Arc::new(1)));
    let elsewhere = Slot::new(Some(Arc::new(1)));
    let (loading, go) = stuck_in(&elsewhere);
    assert_eq!(slot.swap(None).map(|old| Arc::strong_count(&old)), Some(1));
    go.send(()).unwrap();
    loading.join().unwrap();
}

#[test]
fn a_load_that_never_ends_costs_a_reference_and_not_the_process() {
    let slot = Slot::new(Some(Arc::new(1)));
    let (loading, go) = stuck_in(&slot);
    let old = slot.swap(None).unwrap();
    assert_eq!(Arc::strong_count(&old), 2, "the reference left to the load");
    go.send(()).unwrap();
    loading.join().unwrap();
    // SAFETY: the reference that was left; the load turned out to use none. So that leak checkers find
    // nothing.
    unsafe { Arc::decrement_strong_count(Arc::as_ptr(&old)) };
    assert_eq!(Arc::strong_count(&old), 1);
}

#[test]
fn a_guard_owes_until_a_replacement_pays() {
    let slot = Slot::new(Some(Arc::new(1)));
    let guard = slot.load().unwrap();
    assert_eq!(Arc::strong_count(&guard.value), 1, "only the slot's");
    let old = slot.swap(None).unwrap();
    assert_eq!(Arc::strong_count(&old), 2);
    drop(guard);
    assert_eq!(Arc::strong_count(&old), 1);
}

#[test]
fn guards_beyond_the_debts_count() {
    let slot = Slot::new(Some(Arc::new(1)));
    let guards: Vec<_> = (0..crate::env::DEBTS + 3)
        .map(|_| slot.load().unwrap())
        .collect();
    assert_eq!(Arc::strong_count(&guards[0].value), 1 + 3);
    let old = slot.swap(None).unwrap();
    assert_eq!(Arc::strong_count(&old), 1 + guards.len());
    drop(guards);
    assert_eq!(Arc::strong_count(&old), 1);
}

/// A guard whose debt was paid may strike out another guard's debt on the same value: the two then change
/// places.
#[test]
fn guards_of_one_value_may_exchange_their_debts() {
    let value = Arc::new(1);
    let slot = Slot::new(Some(Arc::clone(&value)));
    let paid = slot.load().unwrap();
    slot.swap(Some(Arc::clone(&value)));
    let owing = slot.load().unwrap();
    assert_eq!(paid.debt.map(ptr::from_ref), owing.debt.map(ptr::from_ref));
    // Ours, the slot's, and one for `paid`.
    assert_eq!(Arc::strong_count(&value), 3);
    drop(paid);
    assert_eq!(Arc::strong_count(&value), 3);
    drop(slot);
    assert_eq!((*owing, Arc::strong_count(&value)), (1, 2));
    drop(owing);
    assert_eq!(Arc::strong_count(&value), 1);
}

#[test]
fn a_record_is_taken_over_with_its_debts() {
    let slot = Slot::new(Some(Arc::new(1)));
    let guards: Vec<_> = thread::scope(|scope| {
        (0..50)
            .map(|_| scope.spawn(|| slot.load().unwrap()).join().unwrap())
            .collect()
    });
    // The other tests' threads hold some records; none of ours is left with one.
    assert!(record::records().count() < 50);
    let old = slot.swap(None).unwrap();
    drop(guards);
    assert_eq!(Arc::strong_count(&old), 1);
}

/// Records do not follow the threads ever seen: there are no more than threads at a time.
#[test]
fn ten_thousand_threads() {
    const THREADS: usize = if cfg!(miri) { 100 } else { 10_000 };
    const AT_A_TIME: usize = 4;
    let slot = Slot::new(Some(Arc::new(1)));
    for _ in 0..THREADS / AT_A_TIME {
        thread::scope(|scope| {
            let threads = [(); AT_A_TIME].map(|()| scope.spawn(|| drop(slot.load())));
            // Until they are really gone, and their records given back.
            for thread in threads {
                thread.join().unwrap();
            }
        });
    }
    // The other tests' threads have some.
    assert!(record::records().count() < 50);
}

/// A record lent for one load is the borrower's alone, or two threads that end at once would overwrite each other's window
/// and debts.
#[test]
fn a_borrowed_record_is_nobody_elses() {
    record::with(|own| {
        record::with_borrowed(|borrowed| {
            assert!(!ptr::eq(own, borrowed));
            record::with_borrowed(|nested| assert!(!ptr::eq(borrowed, nested)));
            thread::scope(|scope| {
                let elsewhere = || record::with(|other| assert!(!ptr::eq(borrowed, other)));
                scope.spawn(elsewhere).join().unwrap();
            });
        });
    });
}
