//! How the pool works, and why it may.
//!
//! # Parts
//!
//! ```text
//!   module      what it is                                     who may touch it
//!   cache       a stack of items of one thread                 the owner inside the gate, or a visitor
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
//! Each cache stands behind a gate of `pool-gate`, whose design page has the handshake, the barrier and the proof. The thread is
//! the gate's owner, and rotations and clearings are its visitors: a sweep revokes the caches that hold something, issues
//! one heavy barrier, and visits those whose owners are out.
//!
//! **P0. A cache has one owner**: the thread whose number leads to its place in the table. Numbers are leased by an exchange
//! (acquire) and given back (release), so a thread that inherits a number has seen all that its predecessor did.
//!
//! **P1. Owner and visitor never use the items at the same time, and each sees what the other did before.** The gate's G1,
//! and G2 between visitors.
//!
//! **P2. Between going in and out nothing is called.** Only loads, stores and moves of items. So an owner that is not
//! stopped is out again after as many moves as the call needs, and re-entering the gate from inside is impossible. A take
//! and a put move one item. An overflow or a refill moves half of the cache, and growth moves all of it, at most 4,096
//! items; large ones then take microseconds.
//!
//! **P3. A visitor gives up.** It looks a bounded number of times. An owner that was stopped inside, or
//! lost in a fork, keeps its items; the visitor opens the gate again and has touched nothing.
//!
//! **P4. No cache without a barrier.** A cache gets room for items only while the barrier works, so nothing lies where
//! nobody could take it back. While the process is not registered yet, takes and puts go to the shards.
//!
//! **P5. A barrier that is refused later** (a sandbox has begun). If it is refused for good, the sweep that finds out, and
//! each one after it, gives the caches up (the gate's G4). Each owner finds its cache shut at its next operation, moves
//! what it holds to the shards, frees the room, and goes without from then on. The thread that sweeps does so with its own.
//! What a thread that is gone left behind goes the same way: a sweep leases the thread's number, whose owner it thereby
//! is, and gives it back after; or a new thread inherits the number and finds the cache given up. What is left is in
//! the caches of living threads that never come by again. Items that lay parked count as used once more by that.
//! If it is refused for lack of memory, the gates are opened again and the items wait for the next turn.
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
//! **T2a. What pools do takes no lock.** They wake the thread through a value of `atomic-value`. What is made once is made by
//! a race that anyone can win: a finished value is put in place by a compare-exchange, and the others throw theirs away.
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
//! | `Shard::try_claim` | swap | acquire | `Claim::drop` | two producers' writes would be unordered |
//! | `Claim::drop` | store | release | `try_claim` | as above |
//! | `Shards::mark`, `unmark` | fence | sequentially consistent | each other | an item could stay unseen by thieves |
//! | `Table::get` | load | acquire | `get_or_make` | an entry could be seen before it is made |
//! | `Table::get_or_make` | exchange | release | `get` | as above |
//! | `Numbers::lease`, `lease_one` | exchange, or | acquire | `release` | an heir could miss the last owner's changes |
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
