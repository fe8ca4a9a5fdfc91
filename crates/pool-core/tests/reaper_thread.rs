//! The reaper's thread inherits nothing from the thread that starts it, in the first process and in a forked child: not its
//! processors, not its real-time policy, not its signal mask. The test has a process of its own, whose first thread is free.

#![cfg(all(target_os = "linux", not(pool_loom), not(miri)))]

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use pool_core::{Pool, Reaper};

const NAME: &str = "quiet-reaper";

/// What the kernel says of the thread; it may not have come far yet.
struct Status {
    id: libc::pid_t,
    lines: String,
}

impl Status {
    fn find() -> Option<Self> {
        let tasks = fs::read_dir("/proc/self/task").expect("our threads");
        tasks.flatten().map(|task| task.path()).find_map(|path| {
            let name = fs::read_to_string(path.join("comm")).ok()?;
            let id = path.file_name()?.to_str()?.parse().ok()?;
            let lines = fs::read_to_string(path.join("status")).ok()?;
            (name.trim() == NAME).then_some(Self { id, lines })
        })
    }

    fn line(&self, field: &str) -> &str {
        let line = self.lines.lines().find_map(|line| line.strip_prefix(field));
        line.expect("the kernel says so").trim()
    }

    fn blocks(&self, signal: libc::c_int) -> bool {
        let blocked = u64::from_str_radix(self.line("SigBlk:"), 16).expect("a set");
        blocked & 1 << (signal - 1) != 0
    }
}

/// The thread is there, and is as it should be; `processors` are those of the first thread.
fn is_its_own(processors: &str) -> bool {
    let Some(status) = Status::find() else {
        return false;
    };
    for signal in [
        libc::SIGTERM,
        libc::SIGINT,
        libc::SIGUSR1,
        libc::SIGCHLD,
        libc::SIGALRM,
    ] {
        assert!(status.blocks(signal), "takes signal {signal}");
    }
    // Not those that it may cause itself.
    for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE] {
        assert!(
            !status.blocks(signal),
            "signal {signal} would end the process unheard"
        );
    }
    // SAFETY: takes a number.
    let policy = unsafe { libc::sched_getscheduler(status.id) };
    policy == libc::SCHED_OTHER && status.line("Cpus_allowed_list:") == processors
}

fn in_time(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        thread::sleep(Duration::from_millis(1));
    }
}

fn own_processors() -> String {
    let lines = fs::read_to_string("/proc/self/status").expect("our status");
    Status { id: 0, lines }
        .line("Cpus_allowed_list:")
        .to_owned()
}

/// As a worker of a thread-per-core program may be: pinned, and with a real-time policy where that is allowed.
fn confine() {
    let mut processors = [0_u64; 128];
    let bytes = size_of_val(&processors);
    // SAFETY: there is room for so many bytes; 0 is the calling thread.
    let found = unsafe { libc::sched_getaffinity(0, bytes, processors.as_mut_ptr().cast()) };
    assert_eq!(found, 0);
    let place = processors.iter().position(|word| *word != 0);
    let place = place.expect("we run somewhere");
    let lowest = processors[place] & processors[place].wrapping_neg();
    processors = [0; 128];
    processors[place] = lowest;
    // SAFETY: so many bytes are there.
    let pinned = unsafe { libc::sched_setaffinity(0, bytes, processors.as_ptr().cast()) };
    assert_eq!(pinned, 0);
    let priority: libc::c_int = 1;
    // SAFETY: 0 is the calling thread, and the kernel's structure of parameters is this number.
    let refused = unsafe {
        libc::syscall(
            libc::SYS_sched_setscheduler,
            0,
            libc::SCHED_FIFO,
            &raw const priority,
        )
    };
    if refused != 0 {
        println!("no real-time policy for us");
    }
}

#[test]
fn the_thread_is_its_own() {
    static POOL: Pool<u64> = Pool::new(|| 0);
    POOL.register();
    let processors = own_processors();
    let reaper = thread::scope(|scope| {
        let worker = scope.spawn(|| {
            confine();
            Reaper::builder().name(NAME).start().expect("a thread")
        });
        worker.join().expect("no panic")
    });
    in_time("inherited", || is_its_own(&processors));

    // SAFETY: the child uses the pool and ends; the allocator takes care of its own locks.
    let child = unsafe { libc::fork() };
    assert_ne!(child, -1, "no fork");
    if child == 0 {
        // SAFETY: has no requirements. It kills a child that hangs.
        unsafe { libc::alarm(30) };
        // The forking thread is the child's first, and is free.
        let worker = thread::spawn(|| {
            confine();
            // A slow operation, which finds that the thread was lost.
            POOL.rotate();
            (0..200).for_each(|item| POOL.put(item));
        });
        let done = worker.join().is_ok();
        let holds = std::panic::catch_unwind(|| {
            in_time("inherited in the child", || is_its_own(&processors));
        });
        // SAFETY: has no requirements. Nothing of the parent's is run at this exit.
        unsafe { libc::_exit(if done && holds.is_ok() { 0 } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: `status` is ours.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert_eq!(status, 0, "the child failed");
    drop(reaper);
}
