//! How the pool works, and why it may.
//!
//! # Parts
//!
//! ```text
//!   module      what it is                                     who may touch it
//!   cache       a stack of items of one thread                 the owner inside the gate, or an intruder
//!   shard       two chains of rings, primary and victim        the claim holder; thieves at the tails
//!   shards      the shards in use and the occupancy words      anybody, by atomics
//!   table       buckets of caches and of shards                anybody; only grows
//!   recent      where the thread's cache of one pool is        the thread
//!   thread      small numbers for threads                      anybody, by atomics
//!   slow        between a cache and the shards, in batches
//!   rotation    turning the generation
//!   budget      what a pool may hold, and what it shall
//!   usage       what items were used for
//!   chaos       everything at random, for tests
//!   registry    the pools of the process that want to be looked after
//!   reaper      the thread that does, and what it does between turns
//!   pressure    who says that memory is short
//! ```
//!
//! Take order: cache, own shard's head, other shards' tails, victims' tails, constructor. Put order: `recycle`
//! hook, cache, a claimed shard, and the floor if there is none.
//!
//! # The gate of a thread cache
//!
//! ```text
//!   owner                                        intruder (sweep)
//!   O1  pinned := true          relaxed          I1  revoked: 0 → me       compare-exchange, acquire
//!   O2  light barrier                            I2  heavy barrier
//!   O3  read revoked            acquire          I3  read pinned           acquire
//!   O4  if 0: use the items                      I4  if false: use the items
//!   O5  pinned := false         release          I5  revoked := 0          release
//! ```
//!
//! **P1. Owner and intruder never use the items at the same time, and each sees what the other did before.**
//!
//! What the heavy barrier gives, thread by thread of the owners:
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
//! a full fence there, and I1 is before F before I3: I1 is before the call's entry and I3 after its return, and the
//! full fences around the call in `heavy` keep both there. F falls before O3 or after it.
//!
//! * F before O3: then O3 comes after I1 and reads `me`, or what was written later: the 0 of an I5, or a later intruder's
//!   name, for which the owner stays out as well. If it reads the 0 of an I5, the acquire of O3 and the release of I5
//!   order I4 before O4.
//! * F after O3: O1 is before O3 in program order (the light barrier keeps the compiler from exchanging them, and F
//!   is a full fence for the processor), so O1 is visible to I3. I3 reads `true` and the intruder stays out, or
//!   reads the `false` of the matching O5 or a later one, and then release and acquire order O4 before I4. A later
//!   pass of the owner has F before its O3, which is the first case.
//!
//! In the language's terms F is a signal handler that runs `fence(SeqCst)` on the owner's thread: the light barrier is a
//! `compiler_fence(SeqCst)`, which is defined by what it orders against a handler on its own thread. With the
//! handler's fence and the caller's, both cases are those of two sequentially consistent fences. (The C++ paper P1202
//! defines such a pair of fences, and this system call as their implementation.)
//!
//! *Windows.* `FlushProcessWriteBuffers` is documented to flush "the write queue of each processor that is running a thread
//! of the current process" by interrupting it, and to make its writes visible to the others. That is the second case for
//! running owners in words. Three things are not in the documentation, and relied on: that the interrupt orders the reads
//! behind it, too (on x86-64 they keep their order anyway; on aarch64 its handling has to contain a full fence); that a
//! switch of threads contains one; and that the call is ordered with the switches.
//!
//! A compiler cannot move O3 before O1 (a compiler fence of sequentially consistent strength stands between
//! them), nor the uses of the items out of the gate (O3 is an acquire, O5 a release). `cargo xtask asm` checks on
//! the machine code that the light side is plain and has O1 before O3, and `cargo xtask litmus` tries the pair on the
//! machine itself.
//!
//! Two intruders exclude each other by the compare-exchange of I1: the second finds the cache taken and leaves it
//! to the first.
//!
//! **P2. Between O1 and O5 nothing is called.** Only loads, stores and moves of items. So an owner that is not
//! stopped is out again after as many moves as the call needs, and re-entering the gate from inside is impossible. A take
//! and a put move one item. An overflow or a refill moves half of the cache, and growth moves all of it, at most 4,096
//! items; large ones then take microseconds.
//!
//! **P3. An intruder gives up.** It looks at `pinned` a bounded number of times. An owner that was stopped inside, or
//! lost in a fork, keeps its items; the intruder restores `revoked` and has touched nothing.
//!
//! **P4. No cache without a barrier.** Whether the heavy barrier works is decided once, before the first cache holds
//! an item. If the system refuses one later, the sweep restores what it revoked and touches nothing.
//!
//! Where the barrier is two full fences (loom, Miri), P1 is the textbook store-buffering pair: of O3 and I3 at
//! least one reads the other side's write.
//!
//! # The stack and its floor
//!
//! ```text
//!    base     floor               top           end
//!     ┌────────┬───────────────────┬─────────────┐
//!     │ parked │ used since a turn │ free places │
//!     └────────┴───────────────────┴─────────────┘
//! ```
//!
//! **K1.** `base <= floor <= top <= end`, all in one allocation, or all the same dangling address; items lie in the
//! places below `top`. The fast path works on these addresses; the slow paths turn them into counts.
//!
//! **K2.** Below `floor` lie the items that were here at the last turn and have not been touched since. A turn takes
//! them out and then parks the rest (`floor = len`). A take that reaches the floor is a slow one, which
//! lowers the floor by what it takes and no more, so no item is counted as used that was not.
//!
//! **K3.** When the cache overflows, its older half goes to a shard: the parked part of it to the victim chain, where
//! items of its age are, the rest to the primary.
//!
//! **K4. What a thread remembers is its own.** A thread remembers one pair of a pool's number and the address of its own
//! cache there, and uses the address only for a pool of that number. No two pools ever have the same number, and the
//! number is a pool's for as long as it lives, so the pool that is asked now is the one the address came from, and its
//! table, which frees nothing before it is dropped, still holds the cache. The thread forgets the pair before it gives
//! its place back, so the cache is nobody else's.
//!
//! **K5. A cache has one owner.** That is the thread that has leased the number of the cache's place. A number is leased by an
//! acquire that pairs with the release of the last holder, so an heir sees all that its predecessor did, also to what only
//! owners touch: the grant of takes and the pace of looks at the clock (`pace.rs`).
//!
//! The room begins with 64 places and doubles when a thread has taken all that it had and its shard has more for
//! it: a thread that only puts, or that uses one item at a time, stays small.
//!
//! # Shards
//!
//! **S1. The holder of the claim is the one producer of both chains.** The claim is an atomic flag, taken by a swap
//! (acquire), given back by a store (release). It is tried, never waited for: a failed claim is the signal to add a
//! shard. Everything user code could see happens after it is given back.
//!
//! **S2. A shard's roles stand at its own generation**, written under the claim. Whoever claims it first brings it up to
//! the pool's: one turn behind, the old victim is detached; two or more, both chains are. Detaching is O(1).
//!
//! **S3. Occupancy.** A set bit may be stale; a clear bit is stale only while the push that will set it is under way. The
//! pusher pushes, then looks at the bit; whoever finds a chain empty clears the bit, then looks at the chain. A full
//! fence stands in each between the two, so at least one sees the other's write and sets the bit.
//!
//! # What a turn does
//!
//! 1. Adds one to the generation.
//! 2. Claims each shard in turn and brings it up. One that cannot be claimed in bounded time follows when it is next used.
//! 3. Revokes the caches that hold something, issues one heavy barrier, and visits them: parked items out, the rest parked.
//! 4. With nothing held, drops what came out.
//!
//! Steps 1 to 3 take time in proportion to shards and threads; no item is touched in them but the parked ones of a
//! cache that is otherwise in use, at most a cache's worth each.
//!
//! **R1. What is idle for two turns is gone.** An item in a primary chain becomes a victim at the first turn and is
//! detached at the second. An item in a cache is parked at the first and taken out at the second. Victims are taken out
//! one at a time and parked items one at a time, so nothing is made young by standing next to what is used. A steal or
//! refill in batches moves only items of the current generation.
//!
//! **R2. What is used once in between stays**: it comes back through `put`, into a cache above its floor or a primary chain.
//!
//! # The reaper
//!
//! ```text
//!   reapers alive   0 ──────► 1 ──────► 2 ──────► 1 ──────► 0
//!   thread          none      started   the same  the same  stopped, joined
//!   in a child      none      lost ───────► at the first slow operation: started
//! ```
//!
//! **T1. There is one thread if and only if somebody holds a `Reaper`**, but for the time between a fork and the child's
//! first slow operation, and for a process that could not start one.
//!
//! **T2. The lock of the reaper's state covers starting and ending the thread and the list of sources, and nothing of the
//! user's runs under it**: sources are dropped, pools visited and threads joined after it. Fork handlers hold it while
//! the process is copied, so a child finds it free and the state whole; the only things that are left half-done are the
//! lost thread's own, which nobody touches any more.
//!
//! **T3. The thread waits for nobody who may wait for it.** A claim given back on the thread, or a round asked for on it,
//! does not wait. A slow operation that finds the thread lost tries the lock and never waits.
//!
//! **D1. Decay takes victims only, from the tails, one at a time**, and looks at the generation after each: an item that
//! was taken out of a chain that has become the primary meanwhile goes back. So what was put back in this
//! generation is never taken, and R2 holds. R1 holds as before: what decay leaves, the turn takes.
//!
//! **D2. A period's victims follow one curve**: after a part x of the period, `6x⁵ − 15x⁴ + 10x³` of the most that were
//! seen in it are gone, whoever took them. A take that a victim serves counts as gone, so decay never adds to what
//! use has taken.
//!
//! Items parked in a thread's cache go at the turn, not before: to reach into a cache costs its owner a slow
//! operation, and there are no more than a cache's worth.
//!
//! # Budgets
//!
//! **B1. The accounts of a pool with limits are never below what lies in it.** An item is entered, by a compare-exchange that
//! exceeds no limit, before it goes into a cache or shard, and struck off after it is out: taken, or on its way to be
//! dropped. Between entering and going in nothing of the user's runs. So no limit is ever exceeded, by anything.
//!
//! **B2. No take of such a pool is fast**: its caches are never granted a budget of fast takes, so each take comes by the
//! accounts. Puts come by them through the branch that hooks take. A pool without limits, rules, hooks and chaos
//! executes not one instruction for their sake.
//!
//! **B3. A floor holds what would have gone.** What a turn takes out goes through a window as long as what is missing below
//! the floor; what is left in the window at the end, the youngest, is put back into a shard. What is used less than
//! the floor circles between the two chains and never leaves.
//!
//! # Orderings
//!
//! | where | access | ordering | pairs with | if it were weaker |
//! |--|--|--|--|--|
//! | `LocalCache::enter` | store `pinned` | relaxed, then light barrier | `drained` | P1, by the barrier |
//! | `LocalCache::enter` | load `revoked` | acquire | `Sweep::restore` | the owner could miss the intruder's changes |
//! | `LocalCache::leave` | store `pinned` | release | `drained` | the intruder could miss the owner's changes |
//! | `Sweep::revoke` | exchange `revoked` | acquire | `Sweep::restore` | a sweep could miss an earlier sweep's changes |
//! | `Sweep::restore` | store `revoked` | release | `enter`, `revoke` | as above |
//! | `drained` | load `pinned` | acquire | `leave` | as above |
//! | `Shard::try_claim` | swap | acquire | `Claim::drop` | two producers' writes would be unordered |
//! | `Claim::drop` | store | release | `try_claim` | as above |
//! | `Shards::mark`, `unmark` | fence | sequentially consistent | each other | an item could stay unseen by thieves |
//! | `Table::get` | load | acquire | `get_or_make` | an entry could be seen before it is made |
//! | `Table::get_or_make` | exchange | release | `get` | as above |
//! | `Numbers::lease` | exchange | acquire | `release` | an heir could miss the last owner's changes |
//! | `Numbers::release` | and | release | `lease` | as above |
//! | `reaper::state` | flags | relaxed | | each is read again under a lock, or followed by a wake-up |
//!
//! All counts, times, generations and lengths are relaxed: they are hints and statistics.
//!
//! # Fork
//!
//! The child has one thread. A claim held by a lost thread stays held: its shard serves thieves only, and others take
//! its place. A cache pinned by a lost thread is passed over (P3); dropping the pool in the child leaks its items,
//! because they may be half-moved. A revocation held by a lost thread leaves its cache's owner on the slow path.
//!
//! # Decisions
//!
//! * *A cache a thread and not a CPU.* A CPU's cache needs either an atomic read-modify-write (20 cycles, twice a pair)
//!   or restartable sequences, which are Linux's alone. The caches are one module behind a narrow interface, so that one
//!   a CPU can take its place.
//! * *No third variant* where the asymmetric barrier is missing: a full fence on each side costs what a claim does.
//! * *One batch buffer on the stack* between cache and shard, so that neither the allocator nor user code is ever
//!   called inside a gate. An allocator that itself uses a pool needs a guard of its own against re-entry: the pool's slow
//!   path allocates.
//! * *One remembered cache and not several.* Choosing among eight costs more than the look-up in the table does.
//! * *Items are moved word by word*, see `moves.rs`: a wide load of what was just stored in words waits for the stores.
//! * *Time is looked at on every slow operation, and after 1 to 64 takes that the cache serves*, depending on how dense they
//!   are: see `pace.rs`. On Linux that is a coarse clock without a system call.
