//! `membarrier(2)`, private expedited: whether it can be trusted, who registers the process, what a refusal means.
//!
//! ```text
//!                      one thread, or `register`: registered here
//!            ┌──────────────────────────────────────────────┐
//!   UNKNOWN ─┤                                              ├─► WORKS ──► REFUSED
//!      ▲     └─► STARTING: a helper thread registers ───────┘      refused for good
//!      │            │   └──────────────────────────────────► UNAVAILABLE
//!      └────────────┘                          not offered, not registered, no thread
//!       a fork has lost the helper
//! ```
//!
//! Nobody waits for anybody here. Registering twice does no harm, so any thread that finds the state undecided may decide it, and
//! the first decision stays.

use core::ffi::{c_int, c_long, c_void};
use core::mem::MaybeUninit;
use core::ptr;
use std::io;

use crate::barrier::{Refused, Status};
use crate::sync::{AtomicU32, Ordering, compiler_fence, fence};

const UNKNOWN: u32 = 0;
const WORKS: u32 = 1;
const UNAVAILABLE: u32 = 2;
const REFUSED: u32 = 3;
/// Above these: a helper thread of the process with this number is at work. A child of a fork has another number and lost
/// the helper. Process numbers end at 2^22.
const STARTING: u32 = 4;

/// What is known. All accesses are relaxed, also of a decision: what it is about is the kernel's, and its users ask
/// the kernel. Nothing of ours is read on the strength of it.
static STATE: AtomicU32 = AtomicU32::new(UNKNOWN);

/// A command that does not exist: commands are single bits.
const NO_SUCH_COMMAND: c_int = -1;

/// The commands that `MEMBARRIER_CMD_QUERY` has to name.
///
/// Linux for riscv64 had the private expedited command before it had the full fence in its switch of threads on which
/// the command rests. The fence came in Linux 6.9, in one series with the core-serializing command, and before that
/// one. So there the latter's name stands for the fence, also where a distribution has taken the series into an older
/// kernel.
const REQUIRED: c_int = libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED
    | libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED
    | if cfg!(any(target_arch = "riscv64", target_arch = "riscv32")) {
        libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE
    } else {
        0
    };

#[inline]
pub(crate) fn works() -> bool {
    // ORDERING: Relaxed, see `STATE`.
    match STATE.load(Ordering::Relaxed) {
        WORKS => true,
        UNAVAILABLE | REFUSED => false,
        seen => begin(seen),
    }
}

pub(crate) fn status() -> Status {
    // ORDERING: Relaxed, see `STATE`.
    match STATE.load(Ordering::Relaxed) {
        WORKS => Status::Ready,
        UNAVAILABLE => Status::Unavailable,
        REFUSED => Status::Refused,
        _ => Status::NotYet,
    }
}

#[inline(always)]
pub(crate) fn light() {
    // ORDERING: SeqCst for the compiler only, pairs with the fences in `heavy`. The processor's part is done by the call
    // between them, which makes this thread run a full fence somewhere between two of its instructions.
    compiler_fence(Ordering::SeqCst);
}

/// Begins what has to be done before the barrier works; says whether it does by now.
#[cold]
fn begin(seen: u32) -> bool {
    if seen == own_start() {
        // The helper is at work.
        return false;
    }
    if !is_offered() {
        return decide(seen, UNAVAILABLE) == WORKS;
    }
    if is_only_thread() {
        return decide(seen, registered_here()) == WORKS;
    }
    let starting = own_start();
    if decide(seen, starting) == starting && !start_helper() {
        decide(starting, UNAVAILABLE);
    }
    false
}

pub(crate) fn register() -> bool {
    // ORDERING: Relaxed, see `STATE`.
    let seen = STATE.load(Ordering::Relaxed);
    match seen {
        WORKS => true,
        REFUSED => false,
        _ if is_offered() => decide(seen, registered_here()) == WORKS,
        _ => decide(seen, UNAVAILABLE) == WORKS,
    }
}

/// Decides, unless somebody has decided since; returns what holds.
fn decide(seen: u32, found: u32) -> u32 {
    // ORDERING: Relaxed, see `STATE`.
    match STATE.compare_exchange(seen, found, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => found,
        Err(decided) => decided,
    }
}

/// The state while a helper of this process is at work.
fn own_start() -> u32 {
    // SAFETY: has no requirements.
    let process = unsafe { libc::getpid() };
    STARTING + process as u32
}

/// Whether the kernel has the barrier and can be trusted: it names the command, and refuses one that does not exist. A
/// filter or an emulator that answers 0 to everything does not.
fn is_offered() -> bool {
    matches!(membarrier(libc::MEMBARRIER_CMD_QUERY), Ok(named) if named & REQUIRED == REQUIRED)
        && membarrier(NO_SUCH_COMMAND).is_err()
}

/// Registers the process; says what that came to. Takes a grace period of the kernel's if there are other threads.
fn registered_here() -> u32 {
    let registered = membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)
        .and_then(|_| membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED));
    if registered.is_ok() {
        WORKS
    } else {
        UNAVAILABLE
    }
}

pub(crate) fn heavy() -> Result<(), Refused> {
    // ORDERING: SeqCst, pairs with the compiler fence in `light`; it keeps the compiler, and this processor, from moving our
    // own accesses across the call.
    fence(Ordering::SeqCst);
    let done = interrupt_all();
    // ORDERING: SeqCst, for what follows the call; pairs with `light`, too.
    fence(Ordering::SeqCst);
    done
}

/// Makes every running thread of the process execute a full fence.
fn interrupt_all() -> Result<(), Refused> {
    let issue = || membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED);
    let issued = issue().or_else(|error| {
        if error != libc::EPERM {
            return Err(error);
        }
        // What the kernel says to a process that is not registered, and a child of a fork may not be.
        membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)?;
        issue()
    });
    match issued {
        Ok(_) => Ok(()),
        Err(libc::ENOMEM) => Err(Refused { for_good: false }),
        Err(_) => {
            // ORDERING: Relaxed, see `STATE`.
            STATE.store(REFUSED, Ordering::Relaxed);
            Err(Refused { for_good: true })
        }
    }
}

/// The system call; the error is its number.
fn membarrier(command: c_int) -> Result<c_int, c_int> {
    let (flags, cpu): (c_int, c_int) = (0, 0);
    // SAFETY: `membarrier` takes a command and two numbers and touches no memory of ours; a kernel or a filter that does
    // not know it answers with an error.
    let answer: c_long = unsafe { libc::syscall(libc::SYS_membarrier, command, flags, cpu) };
    // An answer is a set of commands, or 0.
    c_int::try_from(answer)
        .ok()
        .filter(|answer| *answer >= 0)
        .ok_or_else(|| io::Error::last_os_error().raw_os_error().unwrap_or(0))
}

/// Whether the calling thread is the process's only one; false if there is no telling.
///
/// The folder of a process's threads has a link for each of them, and two more. One look at it opens no file and
/// allocates nothing, so it may be had inside an allocator. (glibc's `__libc_single_threaded` is no help: it does not
/// become true again, not every C library has it, and a weak reference to it takes an unstable feature or a look-up
/// under the loader's lock.)
fn is_only_thread() -> bool {
    // Any other thread than the first has that one beside it. The look costs some 20 microseconds.
    // SAFETY: has no requirements.
    let process = unsafe { libc::getpid() };
    // SAFETY: has no requirements.
    if unsafe { libc::gettid() } != process {
        return false;
    }
    let mut found = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the path is a C string, and there is room for the answer.
    let answer = unsafe { libc::stat(c"/proc/self/task".as_ptr(), found.as_mut_ptr()) };
    // SAFETY: the call has written the answer if it succeeded.
    answer == 0 && unsafe { found.assume_init() }.st_nlink == 3
}

/// Starts a thread that registers the process and ends; says whether there is one.
///
/// Not by the standard library, which would allocate from the global allocator: that one may be our caller. The C library
/// takes memory from its own.
fn start_helper() -> bool {
    // The program's signals are for its own threads: some program waits for one that all of its threads block.
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: there is room for a set.
    unsafe { libc::sigfillset(all.as_mut_ptr()) };
    // SAFETY: `sigfillset` has made the first set; there is room for the second.
    let masked =
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr()) };
    if masked != 0 {
        return false;
    }
    let started = start_detached();
    // SAFETY: the set is the one that the call above has written.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut()) };
    started
}

fn start_detached() -> bool {
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    // SAFETY: there is room for the attributes.
    if unsafe { libc::pthread_attr_init(attributes.as_mut_ptr()) } != 0 {
        return false;
    }
    let mut thread = MaybeUninit::<libc::pthread_t>::uninit();
    // SAFETY: the attributes have been made.
    let detached = unsafe {
        libc::pthread_attr_setdetachstate(attributes.as_mut_ptr(), libc::PTHREAD_CREATE_DETACHED)
    };
    // What it calls needs no more than a page of its stack, and a guard page costs two system calls' time.
    // SAFETY: the attributes have been made.
    let unguarded = unsafe { libc::pthread_attr_setguardsize(attributes.as_mut_ptr(), 0) };
    // SAFETY: the attributes have been made, there is room for the answer, and the function takes a null pointer.
    let started = detached == 0
        && unguarded == 0
        && unsafe {
            libc::pthread_create(
                thread.as_mut_ptr(),
                attributes.as_ptr(),
                helper,
                ptr::null_mut(),
            )
        } == 0;
    // SAFETY: the attributes have been made, and are not used again.
    unsafe { libc::pthread_attr_destroy(attributes.as_mut_ptr()) };
    started
}

/// The helper thread. Cannot panic.
extern "C" fn helper(_: *mut c_void) -> *mut c_void {
    // Its starter may be pinned to a processor that is busy. If this is refused, it takes longer.
    let everywhere = [u8::MAX; size_of::<libc::cpu_set_t>()];
    // SAFETY: so many bytes are there; the call writes nothing.
    unsafe {
        libc::sched_setaffinity(0, everywhere.len(), everywhere.as_ptr().cast());
    };
    decide(own_start(), registered_here());
    ptr::null_mut()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_decision_stays() {
        let before = STATE.load(Ordering::Relaxed);
        assert_eq!(decide(before.wrapping_add(1), UNAVAILABLE), before);
        assert_eq!(STATE.load(Ordering::Relaxed), before);
    }

    #[test]
    fn a_command_that_does_not_exist_is_refused() {
        assert!(membarrier(NO_SUCH_COMMAND).is_err());
    }

    #[test]
    fn threads_are_seen() {
        // The harness has one besides this.
        assert!(!is_only_thread());
    }
}
