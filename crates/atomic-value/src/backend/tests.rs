//! What cannot be reached from outside: windows that stay open, debts that are taken over.

use std::ptr;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::*;
use crate::sync::AtomicBool;

/// A thread that is in the middle of a load from `slot` until the returned sender says to go on.
fn stuck_in<T: Sync>(slot: &Slot<T>) -> (thread::JoinHandle<()>, mpsc::Sender<()>) {
    let name = slot.name();
    let (go, wait) = mpsc::channel();
    let (ready, is_ready) = mpsc::channel();
    let thread = thread::spawn(move || {
        record::with(|record, turn| {
            let window = record.open(name, turn);
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

/// A reader that begins one load as soon as another has ended holds no replacement up: that one waits for the window that
/// it has seen, not for a moment without one.
#[test]
fn a_replacement_waits_for_one_window_only() {
    const ROUNDS: usize = if cfg!(miri) { 5 } else { 200 };
    let slot = Slot::new(Some(Arc::new(1)));
    let name = slot.name();
    let mut given_up = 0;
    let stop = AtomicBool::new(false);
    let stop = &stop;
    thread::scope(|scope| {
        let (ready, is_ready) = mpsc::channel();
        scope.spawn(move || {
            // Always in a window: the next one replaces the last.
            while !stop.load(Ordering::Relaxed) {
                record::with(|record, turn| mem::forget(record.open(name, turn)));
                let _ = ready.send(());
                thread::yield_now();
            }
            record::with(|record, turn| drop(record.open(name, turn)));
        });
        is_ready.recv().unwrap();
        for _ in 0..ROUNDS {
            let old = slot.swap(Some(Arc::new(1))).unwrap();
            given_up += Arc::strong_count(&old) - 1;
            if given_up > 0 {
                break;
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(given_up, 0, "given up");
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
    record::with(|own, _| {
        record::with_borrowed(|borrowed, _| {
            assert!(!ptr::eq(own, borrowed));
            record::with_borrowed(|nested, _| assert!(!ptr::eq(borrowed, nested)));
            thread::scope(|scope| {
                let elsewhere = || record::with(|other, _| assert!(!ptr::eq(borrowed, other)));
                scope.spawn(elsewhere).join().unwrap();
            });
        });
    });
}

/// A window that was lost in a fork ends in the child, by the fork itself: a replacement there waits for nobody and leaks
/// nothing.
#[test]
#[cfg(all(target_os = "linux", not(miri)))]
fn a_fork_ends_the_windows_that_it_loses() {
    let slot = Slot::new(Some(Arc::new(1)));
    // This thread's own record goes on.
    let guard = slot.load().unwrap();
    let (loading, go) = stuck_in(&slot);
    // SAFETY: the child runs no code but ours, allocates, which the C library allows, and ends by `_exit`.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let start = std::time::Instant::now();
        let old = slot.swap(None).unwrap();
        let waited = start.elapsed() >= Duration::from_millis(500);
        let counted = Arc::strong_count(&old);
        drop(guard);
        let left = Arc::strong_count(&old);
        let wrong = waited || counted != 2 || left != 1;
        // SAFETY: ends the process without running anything of ours.
        unsafe { libc::_exit(i32::from(wrong)) };
    }
    let mut status = -1;
    // SAFETY: a child of ours, and a place for its status.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0, "the child waited, or lost a reference");
    go.send(()).unwrap();
    loading.join().unwrap();
    drop(guard);
}
