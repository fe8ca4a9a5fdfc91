//! What the system says of its barrier, and what it is worth: filters in the kernel stand for sandboxes and emulators that
//! refuse, lie, or begin later.

#![cfg(all(target_os = "linux", not(pool_loom), not(miri)))]

mod common;

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use common::{For, answer, in_child};
use pool_gate::{Asymmetric, Gate, Status, Sweep, register, status};

/// Whether this machine has the barrier at all, and filters.
fn can_be_tested() -> bool {
    let mut can = false;
    in_child(|| assert_eq!(status(), Status::NotYet, "a child begins afresh"));
    let probe = std::panic::catch_unwind(|| {
        in_child(|| {
            assert!(register().is_some());
            assert!(answer(For::ThisThread, libc::EPERM, None));
        });
    });
    if probe.is_ok() {
        can = true;
    } else {
        println!("no barrier here, or no filters");
    }
    can
}

#[test]
fn with_one_thread_the_first_call_registers() {
    if !can_be_tested() {
        return;
    }
    in_child(|| {
        let pair = Asymmetric::get().expect("it works");
        assert_eq!((status(), pair.heavy()), (Status::Ready, Ok(())));
    });
}

#[test]
fn a_barrier_that_answers_0_to_all_is_none() {
    if !can_be_tested() {
        return;
    }
    in_child(|| {
        assert!(answer(For::AllThreads, 0, None));
        assert_eq!((Asymmetric::get(), status()), (None, Status::Unavailable));
        assert_eq!(register(), None);
    });
}

#[test]
fn one_that_knows_no_command_as_unknown_is_none() {
    if !can_be_tested() {
        return;
    }
    // It names the right commands, and answers 0 to the one that does not exist.
    in_child(|| {
        assert!(answer(For::AllThreads, 0, Some(-1)));
        assert_eq!((Asymmetric::get(), status()), (None, Status::Unavailable));
    });
}

#[test]
fn one_that_refuses_from_the_start_is_none() {
    if !can_be_tested() {
        return;
    }
    for error in [libc::ENOSYS, libc::EPERM, libc::ENOMEM] {
        in_child(|| {
            assert!(answer(For::AllThreads, error, None));
            assert_eq!((Asymmetric::get(), status()), (None, Status::Unavailable));
        });
        let register = libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED;
        in_child(|| {
            assert!(answer(For::AllThreads, error, Some(register)));
            assert_eq!((Asymmetric::get(), status()), (None, Status::Unavailable));
        });
    }
}

#[test]
fn a_later_refusal_is_told_and_remembered() {
    if !can_be_tested() {
        return;
    }
    for error in [libc::EPERM, libc::ENOSYS, libc::EINVAL, libc::EACCES] {
        for whom in [For::ThisThread, For::AllThreads] {
            in_child(|| {
                let pair = register().expect("it works");
                assert!(answer(whom, error, None));
                assert_eq!(status(), Status::Ready, "not known yet");
                let refused = pair.heavy().unwrap_err();
                assert!(refused.is_for_good());
                assert_eq!((Asymmetric::get(), status()), (None, Status::Refused));
                assert_eq!(register(), None);
            });
        }
    }
}

#[test]
fn short_of_memory_is_not_for_good() {
    if !can_be_tested() {
        return;
    }
    in_child(|| {
        let pair = register().expect("it works");
        assert!(answer(For::AllThreads, libc::ENOMEM, None));
        assert!(!pair.heavy().unwrap_err().is_for_good());
        assert_eq!((Asymmetric::get(), status()), (Some(pair), Status::Ready));
    });
}

/// A refused barrier taken for a success would let a visitor in.
#[test]
fn nobody_visits_after_a_refusal() {
    if !can_be_tested() {
        return;
    }
    for (error, for_good) in [(libc::EPERM, true), (libc::ENOMEM, false)] {
        in_child(|| {
            let gate = Gate::new(7);
            let mut owner = gate.claim().unwrap();
            let sweep = Sweep::new(register().unwrap()).unwrap();
            assert!(answer(For::AllThreads, error, None));
            assert!(sweep.revoke(&gate));
            let unordered = sweep.heavy().expect_err("refused");
            assert!(owner.enter().is_none(), "still shut");
            unordered.restore(&gate);
            assert_eq!(gate.is_refused(), for_good);
            assert_eq!(owner.enter().is_some(), !for_good);
            assert_eq!(owner.enter_refused().is_some(), for_good);
        });
    }
}

/// Beside running threads the first call returns at once, and a helper does the rest.
#[test]
fn beside_threads_a_helper_registers() {
    if !can_be_tested() {
        return;
    }
    in_child(|| {
        let end = Arc::new(Barrier::new(2));
        let theirs = end.clone();
        let other = thread::spawn(move || theirs.wait());
        let start = Instant::now();
        let first = Asymmetric::get();
        let took = start.elapsed();
        while Asymmetric::get().is_none() {
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "nobody registers"
            );
            thread::yield_now();
        }
        println!("first call {took:?}, ready after {:?}", start.elapsed());
        assert_eq!(first, None);
        assert_eq!(status(), Status::Ready);
        end.wait();
        other.join().unwrap();
    });
}

/// The helper takes no signal that all threads of the program block because one of them waits for it.
#[test]
fn the_helper_takes_no_signals() {
    if !can_be_tested() {
        return;
    }
    in_child(|| {
        let mut signals = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: there is room for a set.
        unsafe { libc::sigemptyset(signals.as_mut_ptr()) };
        // SAFETY: the set was made above.
        unsafe { libc::sigaddset(signals.as_mut_ptr(), libc::SIGTERM) };
        let (set, nowhere) = (signals.as_ptr(), std::ptr::null_mut());
        // SAFETY: the set was made above, and the call takes a null pointer.
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, set, nowhere) };
        let end = Arc::new(Barrier::new(2));
        let theirs = end.clone();
        let other = thread::spawn(move || theirs.wait());
        assert_eq!(Asymmetric::get(), None);
        // The helper is at work for some milliseconds. SIGTERM would end the process.
        // SAFETY: has no requirements.
        let own = unsafe { libc::getpid() };
        // SAFETY: has no requirements.
        unsafe { libc::kill(own, libc::SIGTERM) };
        let mut got = 0;
        // SAFETY: the set was made above, and there is room for the answer.
        unsafe { libc::sigwait(signals.as_ptr(), &mut got) };
        assert_eq!(got, libc::SIGTERM);
        while Asymmetric::get().is_none() {
            thread::yield_now();
        }
        end.wait();
        other.join().unwrap();
    });
}

/// A fork between the first call and the end of the helper: the child has lost it, and begins again.
#[test]
fn a_child_that_lost_the_helper_begins_again() {
    if !can_be_tested() {
        return;
    }
    in_child(|| {
        let end = Arc::new(Barrier::new(2));
        let theirs = end.clone();
        let other = thread::spawn(move || theirs.wait());
        assert_eq!(Asymmetric::get(), None);
        in_child(|| assert!(Asymmetric::get().is_some(), "one thread: at once"));
        end.wait();
        other.join().unwrap();
    });
}
