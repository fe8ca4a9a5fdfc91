//! A fork while other threads are in the middle of loads, which never end in the child: the child goes on.
#![cfg(all(target_os = "linux", not(miri), not(pool_loom)))]

use std::sync::atomic::{AtomicBool, Ordering};
use std::{io, thread};

use atomic_value::AtomicValue;

static VALUE: AtomicValue<[u64; 4]> = AtomicValue::empty();

/// What the child does; true if all was well.
fn in_the_child() -> bool {
    let before = VALUE.load();
    // Perhaps somebody was loading, and never will be done: this waits a second, and no longer.
    VALUE.store([2; 4]);
    let after = VALUE.load();
    let old = VALUE.update(|old| old.map_or([0; 4], |old| old.map(|number| number + 1)));
    before.is_some_and(|before| *before == [1; 4])
        && after.is_some_and(|after| *after == [2; 4])
        && old.is_some_and(|old| *old == [2; 4])
        && VALUE.reader().load() == Some(&[3; 4])
}

#[test]
fn a_forked_child_can_store() {
    const CHILDREN: usize = 8;
    let done = AtomicBool::new(false);
    VALUE.store([1; 4]);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    assert_eq!(
                        *VALUE.load().unwrap(),
                        [1; 4],
                        "the child's memory is its own"
                    );
                }
            });
        }
        let children: Vec<_> = (0..CHILDREN)
            .map(|_| {
                // SAFETY: the child allocates, which the C library allows after a fork, sleeps, and ends by `_exit`;
                // it takes no lock that another thread may have held.
                let child = unsafe { libc::fork() };
                if child == 0 {
                    let status = i32::from(!in_the_child());
                    // SAFETY: ends the process without running anything of ours.
                    unsafe { libc::_exit(status) };
                }
                assert!(child > 0, "fork: {}", io::Error::last_os_error());
                child
            })
            .collect();
        for child in children {
            let mut status = -1;
            // SAFETY: a child of ours that has not been waited for, and a place for its status.
            let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
            done.store(true, Ordering::Relaxed);
            assert_eq!((waited, status), (child, 0), "the child went wrong");
        }
    });
    assert_eq!(*VALUE.load().unwrap(), [1; 4]);
}
