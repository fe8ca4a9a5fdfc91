//! A sandbox begins while values are in use, and refuses the barrier that their loads rest on: nothing is freed too early,
//! and stores leak until each thread has loaded once more.

#![cfg(all(target_os = "linux", not(pool_loom), not(miri)))]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use atomic_value::AtomicValue;

/// From here on `membarrier` is refused to all threads. False where there are no such filters.
fn refuse() -> bool {
    let statement = |code: u32, k| libc::sock_filter {
        code: code as u16,
        jt: 0,
        jf: 0,
        k,
    };
    let is_barrier = libc::sock_filter {
        // Otherwise past the next.
        jf: 1,
        ..statement(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            libc::SYS_membarrier as u32,
        )
    };
    let mut filter = [
        // The first word is the number of the call.
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0),
        is_barrier,
        statement(
            libc::BPF_RET | libc::BPF_K,
            libc::SECCOMP_RET_ERRNO | libc::EPERM as u32,
        ),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: these take numbers. Only with this promise may somebody who is not root install a filter.
    let promised = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } == 0;
    let (mode, flags) = (
        libc::SECCOMP_SET_MODE_FILTER,
        libc::SECCOMP_FILTER_FLAG_TSYNC,
    );
    // SAFETY: the program is there, and is copied.
    let installed = unsafe { libc::syscall(libc::SYS_seccomp, mode, flags, &program) } == 0;
    promised && installed
}

static ALIVE: AtomicUsize = AtomicUsize::new(0);

struct Item(u32);

impl Item {
    fn new(number: u32) -> Self {
        ALIVE.fetch_add(1, Ordering::Relaxed);
        Self(number)
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Ordering::Relaxed);
    }
}

fn alive() -> usize {
    ALIVE.load(Ordering::Relaxed)
}

static VALUE: AtomicValue<Item> = AtomicValue::empty();
static OTHER: AtomicValue<u32> = AtomicValue::empty();

#[test]
fn stores_leak_until_every_thread_has_loaded_again() {
    if pool_gate::register().is_none() {
        println!("no barrier here");
        return;
    }
    VALUE.store(Item::new(1));
    OTHER.store(1);
    let (go, wait) = mpsc::channel();
    let (done, is_done) = mpsc::channel();
    let reader = thread::spawn(move || {
        // Each message is a load, of the one or of the other value.
        for of_other in wait {
            let number = match of_other {
                true => *OTHER.load().unwrap(),
                false => VALUE.load().unwrap().0,
            };
            done.send(number).unwrap();
        }
    });
    let ended = thread::spawn(|| VALUE.load().unwrap().0);
    assert_eq!(ended.join().unwrap(), 1);
    let ask = |of_other| {
        go.send(of_other).unwrap();
        is_done.recv().unwrap()
    };
    assert_eq!((ask(false), ask(true)), (1, 1));
    let guard = VALUE.load().unwrap();

    // With the barrier nothing is lost.
    VALUE.store(Item::new(2));
    assert_eq!(alive(), 2);
    drop(guard);
    assert_eq!(alive(), 1);
    let held = VALUE.load().unwrap();
    assert_eq!(ask(false), 2);

    if !refuse() {
        println!("no filters here");
        return;
    }
    // The reader may be in the middle of a load for all that can be known. So may this thread.
    VALUE.store(Item::new(3));
    assert_eq!(held.0, 2);
    VALUE.store(Item::new(4));
    assert_eq!(alive(), 3, "two are leaked");
    assert_eq!(pool_gate::status(), pool_gate::Status::Refused);
    assert_eq!(VALUE.load().unwrap().0, 4);
    VALUE.store(Item::new(5));
    assert_eq!(alive(), 4, "the reader has not come by");
    // A load of another value, which nobody has stored to since, does as well.
    assert_eq!(ask(true), 1);
    for number in 6..20 {
        let guard = VALUE.load().unwrap();
        VALUE.store(Item::new(number));
        assert_eq!(guard.0 + 1, ask(false));
    }
    assert_eq!(alive(), 4, "no more than before");
    // A guard from before keeps its version for ever.
    assert_eq!(held.0, 2);
    drop(held);
    assert_eq!(alive(), 4);
    // New threads and new values know no better.
    let new = AtomicValue::new(Item::new(1));
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(new.load().unwrap().0, 1));
    });
    drop(new.swap(Item::new(2)));
    drop(new);
    assert_eq!(alive(), 4);
    drop(go);
    reader.join().unwrap();
    drop(VALUE.take());
    assert_eq!(alive(), 3);
}
