//! How the barrier and the gate work, and why they may.
//!
//! # The gate
//!
//! ```text
//!   owner                                        visitor (sweep)
//!   O1  pinned := true          relaxed          V1  revoked: 0 → me       compare-exchange, acquire
//!   O2  light barrier                            V2  heavy barrier
//!   O3  read revoked            acquire          V3  read pinned           acquire
//!   O4  if 0: use the data                       V4  if false: use the data
//!   O5  pinned := false         release          V5  revoked := 0          release
//! ```
//!
//! **G1. Owner and visitor never use the data at the same time, and each sees what the other did before.**
//!
//! What the heavy barrier gives, for each thread that may be the owner's:
//!
//! * *Running meanwhile.* `membarrier(2)`: "upon return from the system call, the calling thread has a guarantee that
//!   all its running thread siblings have passed through a state where all memory accesses to user-space addresses match
//!   program order between entry to and return from the system call". That state is a full fence, executed by an
//!   interrupt between two instructions of the owner.
//! * *Not running all the while.* The kernel sends such a thread nothing. It was switched out before and will be switched in
//!   after, and both switches contain a full fence that is ordered against the call's own look at who runs: what the
//!   thread did before is visible to the caller when the call returns, and what it does after comes after the call's
//!   entry. A thread that was not yet created is the same: its first instruction follows a switch.
//! * *Switched in or out meanwhile.* One of the two, by which the kernel found it.
//!
//! So for each pass of the owner through O1 to O3 there is one point F in the owner's program order with the strength of
//! a full fence there, and V1 is before F before V3: V1 is before the call's entry and V3 after its return, and the
//! full fences around the call in `heavy` keep both there. F falls before O3 or after it.
//!
//! * F before O3: then O3 comes after V1 and reads `me`, or what was written later: the 0 of a V5, or a later visitor's
//!   name, for which the owner stays out as well. If it reads the 0 of a V5, the acquire of O3 and the release of V5
//!   order V4 before O4.
//! * F after O3: O1 is before O3 in program order (the light barrier keeps the compiler from exchanging them, and F
//!   is a full fence for the processor), so O1 is visible to V3. V3 reads `true` and the visitor stays out, or
//!   reads the `false` of the matching O5 or a later one, and then release and acquire order O4 before V4. A later
//!   pass of the owner has F before its O3, which is the first case.
//!
//! In the language's terms F is a signal handler that runs `fence(SeqCst)` on the owner's thread: the light barrier is a
//! `compiler_fence(SeqCst)`, which is defined by what it orders against a handler on its own thread. With the
//! handler's fence and the caller's, both cases are those of two sequentially consistent fences. (The C++ paper P1202
//! defines such a pair of fences, and this system call as their implementation.)
//!
//! The owner needs no proof that the barrier works. A visitor does: where there is no `Asymmetric` there is no sweep, and
//! the owner is alone. An owner that went in before the process was registered is covered too, by the barrier that
//! a later visitor issues.
//!
//! A compiler cannot move O3 before O1 (a compiler fence of sequentially consistent strength stands between
//! them), nor the uses of the data out of the gate (O3 is an acquire, O5 a release). `cargo xtask asm` checks on
//! the machine code of pool-core's fast path that the light side is plain and has O1 before O3, and `cargo xtask litmus`
//! tries the pair on the machine itself.
//!
//! Where the barrier is two full fences (loom, Miri), G1 is the textbook store-buffering pair: of O3 and V3 at
//! least one reads the other side's write.
//!
//! **G2. Visitors exclude each other.** A sweep holds a gate while `revoked` is the sweep's number, which only the
//! compare-exchange of V1 puts there, and visits and opens only gates that it holds. Numbers are leased from a bitmap
//! and given back with a release when the sweep ends, so two sweeps never have the same at one time. The next holder of a
//! number looks at gates behind the full fence of its own heavy barrier, which makes its relaxed lease an acquire: it
//! does not find its number where the last holder opened a gate. It may find a gate that the last holder forgot to
//! open. Then `revoked` was written before the number was leased, and so before V2, which is all that G1 asks for. One
//! visit at a time borrows the sweep.
//!
//! A counter in place of the bitmap would come round on 32 bits while a sweep is stopped. In the child of a fork, a lost
//! sweep's number stays leased, and what it holds, perhaps half-changed, stays shut.
//!
//! **G3. There is one owner.** [`claim`](crate::Gate::claim) is a swap with acquire, and its release passes on what was
//! done under it. [`enter`](crate::Gate::enter) leaves it to the caller, by an `unsafe` contract.
//!
//! **G4. A gate that is given up is its owner's alone.** `revoked` becomes `REFUSED`, which is no sweep's number and no 0, so
//! V1 fails for every sweep, and nobody ever writes to `revoked` again: the one sweep that may hold the gate writes it
//! as its last. The owner that reads it with acquire sees what every visitor did: `restore` writes it with release after
//! the acquire of V1, and `refuse`, a read-modify-write that finds the 0 of a V5, carries that one's release on. No
//! barrier is needed, and none is to be had.
//!
//! **G5. A visitor gives up.** An owner that was stopped inside, or lost in a fork, keeps its data: `enter` of
//! [`Visits`](crate::Visits) never waits, and the caller looks a bounded number of times.
//!
//! # What is trusted
//!
//! *Linux.* The process is registered, and the barrier used, if `MEMBARRIER_CMD_QUERY` names the private expedited command
//! and the one to register for it, *and* a command that does not exist is refused. A filter (seccomp) or emulator that
//! answers 0 to everything fails the second test; most fail the first. What is trusted after that: that the kernel does
//! what its manual says whenever it answers 0. A filter that begins later and answers 0 to the barrier alone cannot
//! be told from a kernel that issues it; a filter ought to return an error for what it does not do.
//!
//! *riscv.* The barrier rests on a full fence in the switch of threads between processes, which Linux for riscv lacked before
//! 6.9 ("membarrier: riscv: Add full memory barrier in switch_mm()"). The same series brought the core-serializing
//! command, after that fence. So there `MEMBARRIER_CMD_QUERY` has to name that command too. A kernel with the fence
//! alone, taken over by a distribution, is refused as well: the process goes without, which is slow and safe.
//!
//! *Windows.* `FlushProcessWriteBuffers` is documented to flush "the write queue of each processor that is running a thread
//! of the current process" by interrupting it, and to make its writes visible to the others. That is the second case for
//! running owners in words. Three things are not in the documentation, and relied on: that the interrupt orders the reads
//! behind it, too (on x86-64 they keep their order anyway; on aarch64 its handling has to contain a full fence); that a
//! switch of threads contains one; and that the call is ordered with the switches.
//!
//! *FreeBSD* has had `membarrier` since 14.1, but the `libc` crate does not bind it. There, and everywhere else, the barrier is
//! [unavailable](crate::Status::Unavailable).
//!
//! # Who registers
//!
//! Registering takes 3 microseconds while the process has one thread. Later the kernel waits for a grace period, about 10
//! milliseconds. So the first call of [`Asymmetric::get`](crate::Asymmetric::get) counts the process's threads by one look
//! at `/proc/self/task`, which opens no file. If there is one, it registers. If there are more, or there is no
//! telling, it starts a helper thread and returns.
//!
//! **H1. Nobody waits.** The state is one word, which goes from undecided to decided by a compare-exchange. Registering twice
//! does no harm, so a thread that finds the state undecided never waits for another one.
//!
//! **H2. It may be called inside an allocator.** The caller's way allocates nothing from Rust's global allocator: no
//! `std::thread`, no file, no string. The C library takes a new thread's memory from the system and from its own
//! `malloc`; a `malloc` that is itself built on this crate is let through, because the state says "starting" by then, but it
//! must not hold a lock of its own at that time. Call [`register`](crate::register) in `main`, and the question does not
//! arise.
//!
//! **H3. The helper changes nothing of the program's.** All signals are blocked in it, as it would otherwise take one that
//! the program's own threads block to wait for. It is detached, asks to run on every CPU, since its starter may be
//! pinned, runs four system calls and ends. The child of a fork has lost it, knows that by the process number in the
//! state, and begins again. If no thread can be started, the barrier is unavailable for good.
//!
//! # What a program sees
//!
//! | program | barrier |
//! |--|--|
//! | calls `register` in `main` | ready from there on; 3 microseconds |
//! | starts no threads | ready at the first use; 3 microseconds, no thread |
//! | uses it first beside running threads | not yet, for about 10 milliseconds; the first call takes some 50 microseconds |
//! | is a library that is loaded late (`dlopen`) | the same; it must not be unloaded while the helper runs |
//! | has no `/proc` | as if there were threads |
//! | runs under a filter that refuses the call | unavailable |
//! | runs under a filter that kills for it | is killed at the first use, as by any system call that the filter does not name; before that nothing is called |
//! | enters a sandbox later | [refused](crate::Status::Refused), from the first heavy barrier on that fails |
//!
//! There is no constructor before `main`: it is unreliable in static archives, takes 10 milliseconds under the loader's
//! lock in a late `dlopen`, and under a filter that kills it would end programs that never use a gate.
//!
//! # A refusal at run time
//!
//! `ENOMEM` is passing: the kernel had no memory for its set of CPUs. `EPERM` may mean that the process is not registered, so it
//! is registered and tried once more. Everything else is for good, and remembered for the whole process, also if the filter
//! is for one thread alone: the others' items must not depend on which thread sweeps. A copy of `Asymmetric` that somebody
//! kept still issues the call each time and returns the kernel's word.
//!
//! # Orderings
//!
//! | where | access | ordering | pairs with | if it were weaker |
//! |--|--|--|--|--|
//! | `Gate::enter` | store `pinned` | relaxed, then light barrier | `is_drained` | G1, by the barrier |
//! | `Gate::enter`, `enter_refused` | load `revoked` | acquire | `reopen` | the owner could miss a visitor's changes |
//! | `Inside::drop` | store `pinned` | release | `is_drained` | a visitor could miss the owner's changes |
//! | `Sweep::revoke` | exchange `revoked` | acquire | `reopen` | a sweep could miss an earlier sweep's changes |
//! | `Gate::reopen` | store `revoked` | release | `enter`, `enter_refused`, `revoke` | as above |
//! | `Gate::refuse` | exchange `revoked` | relaxed | carries on `reopen`'s | |
//! | `is_drained` | load `pinned` | acquire | `Inside::drop` | as above |
//! | `Gate::claim` | swap | acquire | `Owner::drop` | two owners' writes would be unordered |
//! | `Owner::drop` | store | release | `claim` | as above |
//! | `lease` | exchange | relaxed | | the fence in `heavy` follows |
//! | `Sweep::drop` | and | release | that fence | a sweep could take another's gate for its own |
//! | `linux::STATE` | all | relaxed | | what it is about is the kernel's |
//!
//! # Sources
//!
//! The pair of barriers is known from userspace RCU (Desnoyers) and from folly's hazard pointers and asymmetric fences; the
//! biased handshake from biased locking (Kawachiya and others) and Java's revocation at safepoints. seize ships the
//! barrier in Rust.
