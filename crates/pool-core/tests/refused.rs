//! Without the barrier: a filter in the kernel refuses the system call, as sandboxes do. Then pools have no thread
//! caches, as on a system that has no such call at all, and do their work.

#![cfg(all(target_os = "linux", not(pool_loom), not(miri)))]

mod common;

use std::process::Command;

use common::{Ledger, beside_idle_threads, caches_work, turn_out, with_shapes};
use pool_core::{CacheState, Pool};

/// From here on `membarrier` is refused to the calling thread, to the threads that it starts, and to their programs. Not
/// possible everywhere: where programs are emulated there may be no such filters.
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
            libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32,
        ),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: these take numbers. Only with this promise may somebody who is not root install a filter.
    let promised = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } == 0;
    // SAFETY: the program is there, and is copied.
    let installed =
        unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program) } == 0;
    promised && installed
}

/// Set in a program that begins under the filter.
const FROM_THE_START: &str = "POOL_TEST_REFUSED";

#[test]
fn pools_do_without() {
    if std::env::var_os(FROM_THE_START).is_none() {
        if !refuse() {
            println!("no filters here");
            return;
        }
        // A program that begins under the filter: this one has registered before.
        let own = std::env::current_exe().unwrap();
        let mut own = Command::new(own);
        own.env(FROM_THE_START, "yes")
            .args(["--exact", "pools_do_without"]);
        let output = own.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && said.contains("1 passed"),
            "{said}"
        );
        return;
    }
    assert!(!caches_work());
    assert_eq!(
        Pool::new(|| 0).stats().caches,
        CacheState::Unavailable,
        "and says so"
    );
    with_shapes(|shape| {
        let ledger = Ledger::new();
        let pool = shape.pool(ledger.maker());
        (0..100).for_each(|_| pool.put(ledger.item()));
        let taken = pool.take();
        assert_eq!(taken.number(), 99, "the newest");
        pool.put(taken);
        let on_each = |_| drop((pool.get(), pool.get()));
        let idle = || (pool.stats().idle, pool.stats().idle_in_caches);
        let (idle, cached) = beside_idle_threads(2, on_each, idle);
        assert_eq!((idle, cached), (ledger.alive(), 0));
        assert_eq!(pool.stats().cache_hits, 0);
        turn_out(&pool, &ledger);
    });
}

/// All the others, too. They ask whether there are caches, and expect as much.
#[test]
#[cfg_attr(debug_assertions, ignore = "they have just run")]
fn the_other_tests() {
    if !refuse() {
        println!("no filters here");
        return;
    }
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo.args(["test", "--no-fail-fast", "-p", "pool-core", "--tests"]);
    let output = cargo
        // Without caches there are few paths to find by chance.
        .env("PROPTEST_CASES", "16")
        .args(["--", "--skip", "the_other_tests"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // Not in vain.
    assert!(said.contains("test pools_do_without ... ok"), "{said}");
}
