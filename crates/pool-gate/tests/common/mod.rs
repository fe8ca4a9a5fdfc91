//! What the tests of the barrier share: processes in which nothing was asked of the system yet, and filters that make the
//! system answer in other ways.

#![allow(dead_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `f` in a child, which has one thread, and checks that it ends well and soon. The parent never uses the barrier,
/// so the child finds nothing decided.
pub(crate) fn in_child(f: impl FnOnce()) {
    // SAFETY: the child runs `f` and ends; the C library takes care of its own locks.
    let child = unsafe { libc::fork() };
    assert_ne!(child, -1, "no fork");
    if child == 0 {
        // SAFETY: has no requirements. It kills a child that hangs.
        unsafe { libc::alarm(30) };
        // The harness would keep what a test says, and end with the child.
        std::panic::set_hook(Box::new(|info| {
            let text = format!("in the child: {info}\n");
            // SAFETY: the text is there.
            unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
        }));
        let result = catch_unwind(AssertUnwindSafe(f));
        // SAFETY: has no requirements. Nothing of the parent's is run at this exit.
        unsafe { libc::_exit(if result.is_ok() { 0 } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: `status` is ours.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert!(!libc::WIFSIGNALED(status), "the child was killed");
    assert_eq!(libc::WEXITSTATUS(status), 0, "the child failed");
}

/// Who a filter is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    ThisThread,
    AllThreads,
}

/// From here on `membarrier` is answered by this error, also 0, which is a success that did nothing; with `only`, this
/// command alone. False where there are no such filters.
pub(crate) fn answer(whom: For, error: i32, only: Option<i32>) -> bool {
    let statement = |code: u32, k: u32| libc::sock_filter {
        code: code as u16,
        jt: 0,
        jf: 0,
        k,
    };
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let unless = |value: u32, skip: u8| libc::sock_filter {
        jf: skip,
        ..statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, value)
    };
    let deny = libc::SECCOMP_RET_ERRNO | error as u32;
    // The first word is the number of the call; the low half of the first argument comes 16 bytes in (24 on big-endian
    // machines, which are not tested).
    let mut filter = vec![
        statement(load, 0),
        unless(
            libc::SYS_membarrier as u32,
            if only.is_some() { 3 } else { 1 },
        ),
    ];
    if let Some(command) = only {
        filter.extend([statement(load, 16), unless(command as u32, 1)]);
    }
    filter.extend([
        statement(libc::BPF_RET | libc::BPF_K, deny),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW),
    ]);
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: these take numbers. Only with this promise may somebody who is not root install a filter.
    let promised = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } == 0;
    let flags = match whom {
        For::ThisThread => 0,
        For::AllThreads => libc::SECCOMP_FILTER_FLAG_TSYNC,
    };
    let mode = libc::SECCOMP_SET_MODE_FILTER;
    // SAFETY: the program is there, and is copied.
    let installed = unsafe { libc::syscall(libc::SYS_seccomp, mode, flags, &program) } == 0;
    promised && installed
}
