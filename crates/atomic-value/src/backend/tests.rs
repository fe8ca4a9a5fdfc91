//! What cannot be reached from outside: windows that stay open, debts that are taken over.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use std::{mem, ptr};

use super::*;
use crate::sync::AtomicBool;

/// A slot whose loads are protected by fences.
fn by_fences(value: Arc<i32>) -> Slot<i32> {
    let slot = Slot::new(Some(value));
    slot.mode.give_up();
    slot
}

/// A slot whose loads are protected by the barrier, if there is one here.
fn by_the_barrier(value: Arc<i32>) -> Option<Slot<i32>> {
    pool_gate::register()?;
    assert!(record::asks_again());
    let slot = Slot::new(Some(value));
    let guard = slot.load().unwrap();
    assert!(matches!(guard.owing.kind(), Kind::Light(..)));
    Some(slot)
}

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

/// A guard of the fenced kind whose debt was paid may strike out another guard's debt on the same value: the two then change
/// places.
#[test]
fn guards_of_one_value_may_exchange_their_debts() {
    let value = Arc::new(1);
    let slot = by_fences(Arc::clone(&value));
    let paid = slot.load().unwrap();
    slot.swap(Some(Arc::clone(&value)));
    let owing = slot.load().unwrap();
    assert_eq!(paid.owing, owing.owing);
    // Ours, the slot's, and one for `paid`.
    assert_eq!(Arc::strong_count(&value), 3);
    drop(paid);
    assert_eq!(Arc::strong_count(&value), 3);
    drop(slot);
    assert_eq!((*owing, Arc::strong_count(&value)), (1, 2));
    drop(owing);
    assert_eq!(Arc::strong_count(&value), 1);
}

/// The debts of one record are of both kinds at the same time, on one object, and each is settled in its way.
#[test]
fn guards_of_both_kinds() {
    let value = Arc::new(1);
    let Some(light) = by_the_barrier(Arc::clone(&value)) else {
        return;
    };
    let fenced = by_fences(Arc::clone(&value));
    let guards = [&light, &fenced, &light, &fenced].map(|slot| slot.load().unwrap());
    assert_eq!(Arc::strong_count(&value), 3, "ours, and the slots'");
    drop(light.swap(None));
    assert_eq!(Arc::strong_count(&value), 2 + guards.len());
    // All are paid.
    drop(fenced.swap(None));
    assert_eq!(Arc::strong_count(&value), 1 + guards.len());
    let [first, second, third, fourth] = guards;
    drop((second, third));
    assert_eq!(Arc::strong_count(&value), 3);
    thread::spawn(move || drop((first, fourth))).join().unwrap();
    assert_eq!(Arc::strong_count(&value), 1);
}

/// A guard of the light kind stays uncounted when its slot has turned to fences meanwhile, and its debt is settled in the
/// way of its kind.
#[test]
fn a_debt_is_settled_by_its_kind() {
    let value = Arc::new(1);
    let Some(slot) = by_the_barrier(Arc::clone(&value)) else {
        return;
    };
    let light = slot.load().unwrap();
    slot.mode.turn_now(false);
    let fenced = slot.load().unwrap();
    assert!(matches!(fenced.owing.kind(), Kind::Fenced(_)));
    slot.mode.turn_now(true);
    let again = slot.load().unwrap();
    assert!(matches!(again.owing.kind(), Kind::Light(..)));
    slot.mode.turn_now(false);
    assert_eq!(Arc::strong_count(&value), 2);
    drop(slot);
    assert_eq!(Arc::strong_count(&value), 4);
    drop((light, fenced, again));
    assert_eq!(Arc::strong_count(&value), 1);
}

/// A replacement that was stopped, or lost in a fork, has left its ticket: the guard displaces it, and so does another
/// replacement.
#[test]
fn a_ticket_that_nobody_comes_back_for() {
    let value = Arc::new(1);
    let Some(slot) = by_the_barrier(Arc::clone(&value)) else {
        return;
    };
    let owner = 0_u8;
    let ticket = (&raw const owner).addr();
    let leave = |guard: &Guard<i32>| match guard.owing.kind() {
        Kind::Light(debt, _) => assert!(debt.announce(ticket) && debt.has(ticket)),
        _ => unreachable!(),
    };
    let guard = slot.load().unwrap();
    leave(&guard);
    drop(guard);
    assert_eq!(Arc::strong_count(&value), 2);
    let guard = slot.load().unwrap();
    leave(&guard);
    drop(slot.swap(None));
    assert_eq!(Arc::strong_count(&value), 2, "ours, and the guard's");
    drop(guard);
    assert_eq!(Arc::strong_count(&value), 1);
}

/// A value that is stored to often goes without the heavy barrier, and comes back to it when the stores end, by its readers
/// alone.
#[test]
#[cfg(not(miri))]
fn a_slot_turns_with_its_stores() {
    const LOADS: usize = 1_000;
    let Some(slot) = by_the_barrier(Arc::new(0)) else {
        return;
    };
    let is_light = || slot.mode.is(mode::LIGHT);
    assert!(is_light());
    let value = Arc::new(1);
    let turned = (0..1_000_000).any(|_| {
        slot.swap(Some(Arc::clone(&value)));
        !is_light()
    });
    assert!(turned, "stored without a pause");
    thread::sleep(Duration::from_millis(20));
    (0..LOADS).for_each(|_| drop(slot.load()));
    assert!(is_light(), "not stored to for long");
    // A store now and then changes nothing.
    for _ in 0..50 {
        thread::sleep(Duration::from_millis(1));
        slot.swap(Some(Arc::clone(&value)));
        assert!(is_light());
    }
    assert_eq!(Arc::strong_count(&value), 2);
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

/// A debt that a lost thread was giving up is free in the child.
#[test]
#[cfg(all(target_os = "linux", not(miri)))]
fn a_fork_frees_what_was_being_given_up() {
    let value = Arc::new(1);
    let Some(slot) = by_the_barrier(Arc::clone(&value)) else {
        return;
    };
    let guard = slot.load().unwrap();
    let Kind::Light(debt, _) = guard.owing.kind() else {
        unreachable!()
    };
    debt.begin_closing();
    // SAFETY: the child runs no code but ours, allocates, which the C library allows, and ends by `_exit`.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: ends the process without running anything of ours.
        unsafe { libc::_exit(i32::from(!debt.is_free())) };
    }
    let mut status = -1;
    // SAFETY: a child of ours, and a place for its status.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0, "the debt stayed");
    drop(guard);
    assert_eq!(Arc::strong_count(&value), 2);
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
