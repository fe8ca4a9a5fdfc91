//! Every contender of every workload proves itself and runs once; the goals name what exists.

use std::collections::HashSet;
use std::path::Path;
use std::process::Command;

use benches::goals::{GOALS, Limit};
use benches::workload::{self, WORKLOADS};
use benches::{go, memory};

#[test]
fn every_contender_of_every_workload_works() {
    let program = env!("CARGO_BIN_EXE_measure").into();
    let _ = memory::PROGRAM.set(program);
    let go = go::Go::start();
    if let Err(error) = &go {
        println!("SKIPPED: go: {error}");
    }
    let go = go.ok();
    for workload in WORKLOADS {
        let mut entrants = (workload.entrants)(&go);
        let names: HashSet<_> = entrants.iter().map(|entrant| entrant.name).collect();
        assert_eq!(
            names.len(),
            entrants.len(),
            "{}: a name twice",
            workload.name
        );
        for entrant in &mut entrants {
            let sample = entrant.try_out(256);
            assert!(
                sample.cost.is_finite(),
                "{} at {}: {sample:?}",
                entrant.name,
                workload.name
            );
        }
        for goal in GOALS.iter().filter(|goal| goal.workload == workload.name) {
            let known = |name| names.contains(name) || (name == "Go" && go.is_none());
            assert!(known(goal.ours), "{goal:?}");
            if let Limit::Times(_, rival) = goal.limit {
                assert!(known(rival), "{goal:?}");
            }
        }
    }
}

#[test]
fn every_life_has_a_burst_in_it() {
    let program = env!("CARGO_BIN_EXE_measure").into();
    let _ = memory::PROGRAM.set(program);
    for name in ["Mutex<Vec>", "pool"] {
        let moments = memory::moments(name);
        assert!(moments[memory::MOMENTS - 1] <= moments[memory::BURST.end - 1] + 1.0);
    }
    if let Ok(go) = go::Go::start() {
        assert_eq!(go.borrow().life().len(), memory::MOMENTS);
    }
}

#[test]
fn scenes_are_played_though_the_program_was_removed() {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("measure-removed");
    let _ = std::fs::remove_file(&program);
    std::fs::hard_link(env!("CARGO_BIN_EXE_measure"), &program).unwrap();
    let mut child = Command::new(&program)
        .args(["--quick", "--no-go", "--rounds", "7"])
        .args(["--filter", "memory"])
        .spawn()
        .unwrap();
    // As a build does that somebody starts meanwhile.
    std::fs::remove_file(&program).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn names_are_unique_and_goals_have_workloads() {
    let names: HashSet<_> = WORKLOADS.iter().map(|workload| workload.name).collect();
    assert_eq!(names.len(), WORKLOADS.len());
    for goal in GOALS {
        assert!(workload::find(goal.workload).is_some(), "{goal:?}");
    }
}
