//! The gate's rules, one by one, on one thread, and many threads at once.
#![cfg(not(pool_loom))]

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use pool_gate::{Gate, Sweep, Visits, register};

/// A sweep, where there are any.
fn sweep() -> Option<Sweep> {
    let sweep = register().and_then(Sweep::new);
    assert!(
        sweep.is_some() || register().is_none(),
        "no number was left"
    );
    sweep
}

fn visits(gates: &[&Gate<u32>]) -> Option<Visits> {
    let sweep = sweep()?;
    gates.iter().for_each(|gate| assert!(sweep.revoke(gate)));
    Some(sweep.heavy().expect("it works"))
}

#[test]
fn there_is_one_owner() {
    let gate = Gate::new(1);
    let first = gate.claim().unwrap();
    assert!(gate.claim().is_none() && gate.claim().is_none());
    drop(first);
    assert!(gate.claim().is_some());
    mem::forget(gate.claim());
    assert!(gate.claim().is_none(), "forgotten");
}

#[test]
fn owners_and_visitors_turn_each_other_away() {
    let gate = Gate::new(1);
    let Some(mut visits) = visits(&[&gate]) else {
        return;
    };
    let mut owner = gate.claim().unwrap();
    assert!(owner.enter().is_none() && owner.enter_refused().is_none());
    let mut visit = visits.enter(&gate).unwrap();
    visit.with(|n| *n += 1);
    drop(visit);
    assert!(!visits.holds(&gate) && visits.enter(&gate).is_none());
    let mut inside = owner.enter().unwrap();
    assert_eq!(inside.with(|n| mem::replace(n, 5)), 2);
    let mut visits = self::visits(&[&gate]).unwrap();
    assert!(visits.enter(&gate).is_none() && visits.holds(&gate));
    drop(inside);
    assert!(visits.enter(&gate).is_some());
}

#[test]
fn sweeps_leave_each_others_gates_alone() {
    let (ours, theirs) = (Gate::new(1), Gate::new(2));
    let (Some(mut first), Some(mut second)) = (visits(&[&ours]), visits(&[&theirs])) else {
        return;
    };
    assert!(!sweep().unwrap().revoke(&ours));
    first.restore(&theirs);
    second.restore(&ours);
    assert!(first.holds(&ours) && second.holds(&theirs));
    assert!(first.enter(&theirs).is_none() && second.enter(&ours).is_none());
    assert!(theirs.claim().unwrap().enter().is_none(), "still shut");
    second.restore(&theirs);
    assert!(theirs.claim().unwrap().enter().is_some());
}

#[test]
fn what_is_forgotten_stays_as_it_is() {
    let gate = Gate::new(1);
    let Some(mut visits) = visits(&[&gate]) else {
        return;
    };
    mem::forget(visits.enter(&gate));
    assert!(gate.claim().unwrap().enter().is_none());
    visits.restore(&gate);
    let mut owner = gate.claim().unwrap();
    mem::forget(owner.enter());
    drop(owner);
    let mut visits = self::visits(&[&gate]).unwrap();
    assert!(visits.enter(&gate).is_none(), "as if inside");
    visits.restore(&gate);
    assert!(gate.claim().unwrap().enter().is_some(), "the owner goes on");
    let mut visits = self::visits(&[&gate]).unwrap();
    assert!(visits.enter(&gate).is_some(), "and is out again");
}

#[test]
fn a_panic_opens_the_gate_again() {
    let gate = Gate::new(1);
    let mut owner = gate.claim().unwrap();
    let panics = |f: &mut dyn FnMut()| assert!(catch_unwind(AssertUnwindSafe(f)).is_err());
    panics(&mut || owner.enter().unwrap().with(|_| panic!("planned")));
    if let Some(mut visits) = visits(&[&gate]) {
        panics(&mut || visits.enter(&gate).unwrap().with(|_| panic!("planned")));
    }
    assert!(owner.enter().is_some());
}

#[test]
fn what_is_given_up_is_the_owners() {
    let mut gate = Gate::new(1);
    gate.refuse();
    gate.refuse();
    assert!(gate.is_refused());
    if let Some(sweep) = sweep() {
        assert!(!sweep.revoke(&gate));
        assert!(sweep.heavy().unwrap().enter(&gate).is_none());
    }
    let mut owner = gate.claim().unwrap();
    assert!(owner.enter().is_none());
    owner.enter_refused().unwrap().with(|n| *n = 7);
    drop(owner);
    assert_eq!(gate.exclusive(|n| *n), Some(7));
}

#[test]
fn a_held_gate_is_not_given_up() {
    let gate = Gate::new(1);
    let Some(mut visits) = visits(&[&gate]) else {
        return;
    };
    gate.refuse();
    assert!(!gate.is_refused() && visits.enter(&gate).is_some());
}

#[test]
fn data_of_somebody_lost_is_out_of_reach() {
    let mut gate = Gate::new(1);
    assert_eq!(gate.exclusive(|n| *n), Some(1));
    let mut owner = gate.claim().unwrap();
    mem::forget(owner.enter());
    mem::forget(owner);
    assert_eq!(gate.exclusive(|n| *n), None);
    let mut gate = Gate::new(1);
    if let Some(visits) = visits(&[&gate]) {
        drop(visits);
        assert_eq!(gate.exclusive(|n| *n), None);
    }
    assert!(format!("{:?} {:?}", Gate::new(1), Gate::<u8>::default()).contains("Gate"));
}

/// Owners count, visitors read and reset: each count is found once.
#[test]
fn many_owners_and_visitors() {
    let rounds = if cfg!(miri) { 30 } else { 30_000 };
    let gates: Vec<Gate<u64>> = (0..3).map(|_| Gate::new(0)).collect();
    let collect = || {
        let Some(sweep) = sweep() else { return 0 };
        gates.iter().for_each(|gate| _ = sweep.revoke(gate));
        let mut visits = sweep.heavy().unwrap();
        let mut sum = 0;
        for gate in &gates {
            sum += visits
                .enter(gate)
                .map_or(0, |mut visit| visit.with(mem::take));
            visits.restore(gate);
        }
        sum
    };
    let stop = AtomicBool::new(false);
    let (counted, found): (u64, u64) = thread::scope(|scope| {
        let owners: Vec<_> = gates
            .iter()
            .map(|gate| {
                scope.spawn(move || {
                    let mut owner = gate.claim().unwrap();
                    let mut counted = 0;
                    for _ in 0..rounds {
                        if let Some(mut inside) = owner.enter() {
                            inside.with(|n| *n += 1);
                            counted += 1;
                        }
                    }
                    counted
                })
            })
            .collect();
        let visitors: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut found = 0;
                    while !stop.load(Ordering::Relaxed) {
                        found += collect();
                        thread::yield_now();
                    }
                    found
                })
            })
            .collect();
        let counted = owners.into_iter().map(|owner| owner.join().unwrap()).sum();
        stop.store(true, Ordering::Relaxed);
        let found = visitors.into_iter().map(|visitor| visitor.join().unwrap());
        (counted, found.sum())
    });
    let rest: u64 = gates
        .into_iter()
        .map(|mut gate| gate.exclusive(|n| *n).expect("nobody is inside"))
        .sum();
    assert_eq!(counted, found + rest);
    assert!(counted > 0);
}
