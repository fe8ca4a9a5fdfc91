//! Models of the gate: owner against visitors, visitors against each other, refusals, claims and numbers that pass on.
//!
//! `RUSTFLAGS="--cfg pool_loom" cargo test -p pool-gate --release --features loom --test loom`
//!
//! Every model goes through the public interface, gathers what each execution came to, and asserts the exact set of
//! outcomes and a floor on the number of executions: a model that explores less than it did fails. The models with two
//! threads explore everything; those with three are bounded to three preemptions unless `LOOM_MAX_PREEMPTIONS` says
//! otherwise.
#![cfg(pool_loom)]

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use loom::thread;
use pool_gate::{Asymmetric, Gate, Sweep, begin_model, register};

/// The bound of every change. The floors are nine tenths of what there is to explore with that.
const USUAL: usize = 3;

/// Explores a model and compares what its executions came to.
#[track_caller]
fn explore<O>(floor: usize, expected: &[O], model: impl Fn() -> O + Send + Sync + 'static)
where
    O: Ord + Debug + Clone + Send + 'static,
{
    explore_within(Some(USUAL), floor, expected, model);
}

/// The same with all executions there are.
#[track_caller]
fn explore_all<O>(floor: usize, expected: &[O], model: impl Fn() -> O + Send + Sync + 'static)
where
    O: Ord + Debug + Clone + Send + 'static,
{
    explore_within(None, floor, expected, model);
}

#[track_caller]
fn explore_within<O>(
    preemptions: Option<usize>,
    floor: usize,
    expected: &[O],
    model: impl Fn() -> O + Send + Sync + 'static,
) where
    O: Ord + Debug + Clone + Send + 'static,
{
    let outcomes = Arc::new(Mutex::new(BTreeSet::new()));
    let executions = Arc::new(AtomicUsize::new(0));
    let mut builder = loom::model::Builder::new();
    // These end a run early and call it a success.
    assert!(
        builder.max_duration.is_none() && builder.max_permutations.is_none(),
        "unset LOOM_MAX_DURATION and LOOM_MAX_PERMUTATIONS: they hide what was not explored"
    );
    builder.preemption_bound = match preemptions {
        Some(few) if few < USUAL => builder.preemption_bound.or(Some(few)).min(Some(few)),
        Some(usual) => builder.preemption_bound.or(Some(usual)),
        None => builder.preemption_bound.filter(|&bound| bound < USUAL),
    };
    // The floor is for a whole run: `cargo xtask orderings` begins with less.
    let floor = match builder.preemption_bound {
        Some(bound) if bound < preemptions.unwrap_or(USUAL) => 1,
        _ => floor,
    };
    {
        let (outcomes, executions) = (outcomes.clone(), executions.clone());
        builder.check(move || {
            begin_model();
            let outcome = model();
            outcomes.lock().unwrap().insert(outcome);
            executions.fetch_add(1, Ordering::Relaxed);
        });
    }
    let executions = executions.load(Ordering::Relaxed);
    let outcomes = outcomes.lock().unwrap();
    println!("{executions} executions, {} outcomes", outcomes.len());
    assert_eq!(
        *outcomes,
        expected.iter().cloned().collect(),
        "other outcomes than known"
    );
    assert!(
        executions >= floor,
        "explored {executions} executions only, expected {floor}"
    );
}

fn pair() -> Asymmetric {
    register().expect("two fences")
}

fn sweep() -> Sweep {
    Sweep::new(pair()).expect("a number")
}

/// The owner counts one more, if the gate is open.
fn count(gate: &Gate<usize>) -> bool {
    let mut owner = gate.claim().expect("nobody else");
    let counted = owner.enter().map(|mut inside| inside.with(|n| *n += 1));
    counted.is_some()
}

/// A visitor takes what has been counted. None if the gate was not to be had, or its owner inside.
fn collect(gate: &Gate<usize>) -> Option<usize> {
    let sweep = sweep();
    if !sweep.revoke(gate) {
        return None;
    }
    let mut visits = sweep.heavy().expect("two fences");
    let found = visits
        .enter(gate)
        .map(|mut visit| visit.with(std::mem::take));
    visits.restore(gate);
    found
}

/// What is in a gate that nobody uses any more.
fn rest(gate: Arc<Gate<usize>>) -> usize {
    let mut gate = Arc::into_inner(gate).expect("nobody else has it");
    gate.exclusive(|n| *n).expect("nobody is inside")
}

/// Asserts an untruth: that the visitor never keeps the owner out. This is what comes of the one execution that there is if
/// loom does not see the crate's atomics; then the floor objects instead, which is not what is expected here.
#[test]
#[should_panic(expected = "other outcomes than known")]
fn canary() {
    explore_all(7490, &[(true, Some(0), 1)], enter_and_visit);
}

fn enter_and_visit() -> (bool, Option<usize>, usize) {
    let gate = Arc::new(Gate::new(0));
    let theirs = gate.clone();
    let visitor = thread::spawn(move || collect(&theirs));
    let counted = count(&gate);
    let found = visitor.join().unwrap();
    (counted, found, rest(gate))
}

/// G1: an owner's pass against a visit. Each sees what the other has done, or one of them stays out.
#[test]
fn enter_against_visit() {
    explore_all(
        7490,
        &[
            (true, Some(0), 1),
            (true, Some(1), 0),
            (true, None, 1),
            (false, Some(0), 0),
            (false, None, 0),
        ],
        enter_and_visit,
    );
}

/// G1: the second pass of an owner sees what the visitor between its passes did.
#[test]
fn two_passes_against_visit() {
    explore(2320, &[0, 1, 2], || {
        let gate = Arc::new(Gate::new(0));
        let theirs = gate.clone();
        let visitor = thread::spawn(move || collect(&theirs));
        let counted = usize::from(count(&gate)) + usize::from(count(&gate));
        let found = visitor.join().unwrap().unwrap_or(0);
        let rest = rest(gate);
        assert_eq!(counted, found + rest, "lost or doubled");
        found
    });
}

/// G2: of two sweeps one visits, or both do, one after the other.
#[test]
fn visit_against_visit() {
    explore(2060, &[(1, 0), (0, 1), (1, 1)], || {
        let gate = Arc::new(Gate::new(5));
        let theirs = gate.clone();
        let other = thread::spawn(move || collect(&theirs));
        let (ours, theirs) = (collect(&gate), other.join().unwrap());
        assert_eq!(
            ours.unwrap_or(0) + theirs.unwrap_or(0),
            5,
            "lost or doubled"
        );
        (usize::from(ours.is_some()), usize::from(theirs.is_some()))
    });
}

/// G2: a sweep that gives up opens no gate that another sweep holds. Two gates with something in them; the owner of the
/// second is stuck inside, so the other sweep goes through all gates to open those that it has shut.
#[test]
fn giving_up_opens_no_gate_of_anothers() {
    explore_within(Some(2), 4400, &[true, false], || {
        let gates = Arc::new([Gate::new(1), Gate::new(1)]);
        let mut stuck = gates[1].claim().unwrap();
        let inside = stuck.enter().unwrap();
        let theirs = gates.clone();
        let visitor = thread::spawn(move || collect(&theirs[0]));
        let theirs = gates.clone();
        let gives_up = thread::spawn(move || {
            let sweep = sweep();
            theirs.iter().for_each(|gate| _ = sweep.revoke(gate));
            let mut visits = sweep.heavy().unwrap();
            assert!(visits.enter(&theirs[1]).is_none(), "its owner is inside");
            theirs.iter().for_each(|gate| visits.restore(gate));
        });
        let counted = count(&gates[0]);
        visitor.join().unwrap();
        gives_up.join().unwrap();
        drop(inside);
        counted
    });
}

/// G2: a number passes from one sweep to the next, which does not take the other's gates for its own.
#[test]
fn a_number_passes_between_sweeps() {
    explore(545, &[false], || {
        let gate = Arc::new(Gate::new(0));
        let theirs = gate.clone();
        let first = thread::spawn(move || _ = collect(&theirs));
        let visits = sweep().heavy().unwrap();
        let holds = visits.holds(&gate);
        first.join().unwrap();
        holds
    });
}

/// G3: a claim passes from thread to thread with what was done under it.
#[test]
fn a_claim_passes_between_threads() {
    explore_all(52, &[1, 2], || {
        let gate = Arc::new(Gate::new(0));
        let theirs = gate.clone();
        let claim = |gate: &Gate<usize>| {
            let counted = gate
                .claim()
                .and_then(|mut owner| owner.enter().map(|mut inside| inside.with(|n| *n += 1)));
            usize::from(counted.is_some())
        };
        let other = thread::spawn(move || claim(&theirs));
        let counted = claim(&gate) + other.join().unwrap();
        assert_eq!(rest(gate), counted);
        counted
    });
}

/// G4: a gate that a refused sweep gives up, against its owner and after a visit. The owner has it alone, and sees what the
/// visitor did.
#[test]
fn a_refused_sweep_leaves_the_gate_to_its_owner() {
    let outcomes: Vec<_> = [false, true]
        .into_iter()
        .flat_map(|counted| [false, true].map(|alone| (counted, alone)))
        .flat_map(|(counted, alone)| {
            let own = usize::from(counted) + 100 * usize::from(alone);
            // Visited, or not because the owner was inside.
            [10, 0].map(|visited| (counted, alone, own + visited))
        })
        .collect();
    explore(3620, &outcomes, || {
        let gate = Arc::new(Gate::new(0));
        let theirs = gate.clone();
        let refused = thread::spawn(move || {
            let sweep = sweep();
            assert!(sweep.revoke(&theirs));
            let mut visits = sweep.heavy().unwrap();
            if let Some(mut visit) = visits.enter(&theirs) {
                visit.with(|n| *n += 10);
            }
            visits.restore(&theirs);
            drop(visits);
            let sweep = self::sweep();
            assert!(sweep.revoke(&theirs));
            sweep.refused(true).restore(&theirs);
        });
        let counted = count(&gate);
        let mut owner = gate.claim().unwrap();
        // Alone as soon as it is told.
        let alone = owner
            .enter_refused()
            .map(|mut inside| inside.with(|n| *n += 100));
        drop(owner);
        refused.join().unwrap();
        assert!(gate.is_refused());
        (counted, alone.is_some(), rest(gate))
    });
}

/// G4: the same where somebody who never held the gate gives it up.
#[test]
fn giving_up_carries_on_what_a_visitor_released() {
    explore(1190, &[None, Some(0), Some(10)], || {
        let gate = Arc::new(Gate::new(0));
        let theirs = gate.clone();
        let visitor = thread::spawn(move || {
            let sweep = sweep();
            if sweep.revoke(&theirs) {
                let mut visits = sweep.heavy().unwrap();
                visits.enter(&theirs).unwrap().with(|n| *n += 10);
            }
        });
        let theirs = gate.clone();
        let gives_up = thread::spawn(move || {
            theirs.refuse();
            theirs.is_refused()
        });
        let mut owner = gate.claim().unwrap();
        let found = owner.enter_refused().map(|mut inside| inside.with(|n| *n));
        drop(owner);
        visitor.join().unwrap();
        gives_up.join().unwrap();
        found
    });
}
