//! How the pool works, and why it may.
//!
//! # Parts
//!
//! ```text
//!   module      what it is                                     who may touch it
//!   cache       a stack of items of one thread                 the owner inside the gate, or a visitor
//!   part        a cache and two chains, primary and victim     the owner at the heads; anybody at the tails
//!   parts       all parts of a pool, and which hold something  anybody, by atomics; each bit has one writer
//!   table       buckets of entries                             anybody; only grows
//!   recent      where the thread's part of one pool is         the thread
//!   thread      small numbers for threads                      anybody, by atomics
//!   slow        between a cache and the chains, in batches
//!   rotation    turning the generation
//!   budget      what a pool may hold, and what it shall
//!   usage       what items were used for
//!   chaos       everything at random, for tests
//!   registry    the pools of the process that want to be looked after
//!   reaper      the thread that does, and what it does between turns
//!   pressure    who says that memory is short
//! ```
//!
//! Take order: cache, own chain's head, others' tails beginning with the one that had something last, victims' tails,
//! the caches of threads that are gone, constructor. Put order: `recycle` hook, cache, own chain.
//!
//! What one thread puts goes into its own part, so no put ever meets another, and nothing is dropped because
//! somebody was in the way. A pool without caches, by choice or because the system has no barrier, uses the chains
//! by the same code.
//!
//! # The gate of a thread cache
//!
//! Each cache stands behind a gate of `pool-gate`, whose design page has the handshake, the barrier and the proof. The
//! thread is the gate's owner, and rotations and clearings are its visitors: a sweep revokes the caches that hold
//! something, issues one heavy barrier, and visits those whose owners are out.
//!
//! **P0. A part has one owner**: who has the number that leads to its place in the table. Numbers are leased by an
//! exchange (acquire) and given back (release), so whoever inherits a number has seen all that its predecessor did. A
//! thread has one number for itself. It leases another for one operation where it cannot use its own part: its
//! thread-locals are gone, it has met itself (S1), or it takes over what a thread that is gone has left.
//!
//! **P1. Owner and visitor never use the items at the same time, and each sees what the other did before.** The gate's
//! G1, and G2 between visitors.
//!
//! **P2. Between going in and out nothing is called.** Only loads, stores and moves of items. So an owner that is not
//! stopped is out again after as many moves as the call needs, and re-entering the gate from inside is impossible. A
//! take and a put move one item. An overflow or a refill moves half of the cache, and growth moves all of it, at most
//! 4,096 items; large ones then take microseconds.
//!
//! **P3. A visitor gives up.** It looks a bounded number of times. An owner that was stopped inside, or
//! lost in a fork, keeps its items; the visitor opens the gate again and has touched nothing.
//!
//! **P4. No cache without a barrier.** A cache gets room for items only while the barrier works, so nothing lies where
//! nobody could take it back. While the process is not registered yet, takes and puts go to the chains.
//!
//! **P5. A barrier that is refused later** (a sandbox has begun). If it is refused for good, the sweep that finds out,
//! and each one after it, gives the caches up (the gate's G4). Each owner finds its cache shut at its next operation,
//! moves what it holds to its chain, frees the room, and goes without from then on. The thread that sweeps does so with
//! its own. What a thread that is gone left behind goes the same way: a sweep leases the thread's number, whose owner
//! it thereby is, and gives it back after; or a new thread inherits the number and finds the cache given up. What is
//! left is in the caches of living threads that never come by again. Items that lay parked count as used once more by
//! that. If it is refused for lack of memory, the gates are opened again and the items wait for the next turn.
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
//! **K3.** When the cache overflows, its older half goes to its thread's chains: the parked part of it to the victim
//! chain, where items of its age are, the rest to the primary.
//!
//! **K4. What a thread remembers is its own.** A thread remembers one pair of a pool's number and the address of its
//! own part of it, and uses the address only for a pool of that number. No two pools ever have the same number, and the
//! number is a pool's for as long as it lives, so the pool that is asked now is the one the address came from, and its
//! table, which frees nothing before it is dropped, still holds the part. The thread forgets the pair before it gives
//! its place back, so the part is nobody else's.
//!
//! The room begins with 64 places and doubles when a thread has taken all that it had and the chains have more for
//! it: a thread that only puts, or that uses one item at a time, stays small.
//!
//! # Chains
//!
//! ```text
//!   owner (P0), not busy                     anybody
//!   busy := true                             generation, bits: whose chain may hold something
//!   g := generation                          pop one or a batch at its tail
//!   push at the head of chain[g & 1]
//!   its bit clear? set it
//!   busy := false
//! ```
//!
//! **S1. The owner is the one producer of its part's chains, and is so once.** It calls no user code at their heads but
//! the allocator, when a push needs a ring, and the collector of unlinked rings. Either may come back to this pool. So
//! a flag of the owner's own says that it is there; an operation that finds it set leases another number for a put, and
//! takes at tails only. The heads stand behind a gate of their own, too: a sweep that finds rings in an empty chain
//! goes in where the owner is out, is the one producer for that moment, and takes the rings. An owner that is turned
//! away does as one that has met itself.
//!
//! **S2. A chain's role is read, not agreed upon.** An operation reads the generation once and uses `chain[g & 1]` as
//! the primary. If the generation turns in between, it has taken or put as if before the turn, which overlaps with it.
//! A put that was stopped for longer has put into a chain in an older role; see R1 and R2.
//!
//! **S3. Occupancy.** Each bit is written by its part's owner alone: set after a push that finds it clear, cleared when
//! the owner finds that chain empty. One thread's steps need no fence: a bit is clear only if no push has come since
//! the chain was last empty, or the push is still under way. So whoever comes after a put, and finds its bit clear,
//! comes after a take by the owner that found nothing. What thieves have emptied keeps its bit until the owner comes
//! by, and costs others a look. Turns, clearings, decay and statistics walk the parts and ask no bit.
//!
//! **S4. What lies in a part is within everybody's reach, whoever its owner is.** The chains at their tails, whether
//! the owner is asleep, stopped in the midst of a push, gone, or lost in a fork. The cache of a thread that is gone by
//! whoever finds nothing elsewhere: it leases the number, if it is free, and as the owner moves what is there to the
//! chains. A cache of a living thread by sweeps.
//!
//! # What a turn does
//!
//! 1. Takes the victims out at the tails, at most as many as there were, and drops them; as long as the generation is
//!    the one that it began with (R3).
//! 2. Adds one to the generation by a compare-exchange. If that fails it begins anew, a few times: what it waits for,
//!    others have done by then.
//! 3. Revokes the caches that hold something, issues one heavy barrier, and visits them: parked items out, the rest
//!    parked.
//!    Behind the same barrier it takes the rings of empty chains.
//! 4. With nothing held, drops what came out.
//!
//! It waits for nobody but, in step 3 and for a bounded time, the owners of caches. A living thread that does not come
//! by keeps the rings of its last burst where there is no barrier; where there is one, nothing.
//!
//! **R1. What is idle for two turns is gone.** An item in a primary chain becomes a victim at the first turn and is
//! taken out in the second. An item in a cache is parked at the first and taken out at the second. Victims are taken
//! one at a time and parked items one at a time, so nothing is made young by standing next to what is used. A steal or
//! refill in batches moves only items of the current generation. Counted are turns that begin after the put has ended:
//! a put that was late (S2) has left its item in the primary chain of some generation or among the victims, and from
//! there it is two turns or one. What is on its way between a cache and a chain while a turn runs counts as used in it,
//! and so does what one turn has in hand when another ends.
//!
//! **R2. What is used once in between stays**: it comes back through `put`, into a cache above its floor or a primary
//! chain. Counted are turns that end after the put has begun: a put that meets the end of one is as old as what was
//! there before.
//!
//! **R3. No turn takes what is young.** What it pops at a tail was pushed before. If it was pushed in a later
//! generation, the owner had read that before it pushed; so whoever has popped it, by the chain's release and acquire,
//! reads a generation that is no older, sees that it has changed, and puts the item back. Decay does the same.
//!
//! # The reaper
//!
//! ```text
//!   reapers alive   0 ──────► 1 ──────► 2 ──────► 1 ──────► 0
//!   thread          none      started   the same  the same  stopped, joined
//!   in a child      none      lost ───────► at the first slow operation: started
//! ```
//!
//! **T1. There is one thread if and only if somebody holds a `Reaper`**, but for the time between a fork and the
//! child's first slow operation, and for a process that could not start one.
//!
//! **T2. The lock of the reaper's state covers starting and ending the thread and the list of sources, and nothing of
//! the user's runs under it**: sources are dropped, pools visited and threads joined after it. Fork handlers hold it
//! while the process is copied, so a child finds it free and the state whole; the only things that are left half-done
//! are the lost thread's own, which nobody touches any more.
//!
//! **T2a. What pools do takes no lock.** They wake the thread through a value of `atomic-value`. What is made once is
//! made by a race that anyone can win: a finished value is put in place by a compare-exchange, and the others throw
//! theirs away.
//!
//! **T3. The thread waits for nobody who may wait for it.** A claim given back on the thread, or a round asked for on
//! it, does not wait. A slow operation that finds the thread lost tries the lock and never waits.
//!
//! **D1. Decay takes victims only, from the tails, one at a time**, as a turn does (R3). R1 holds as before: what decay
//! leaves, the turn takes.
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
//! **B1. The accounts of a pool with limits are never below what lies in it.** An item is entered, by a
//! compare-exchange that exceeds no limit, before it goes into a cache or chain, and struck off after it is out: taken,
//! or on its way to be dropped. Between entering and going in nothing of the user's runs. So no limit is ever exceeded,
//! by anything.
//!
//! **B2. No take of such a pool is fast**: its caches are never granted a budget of fast takes, so each take comes by
//! the accounts. Puts come by them through the branch that hooks take. A pool without limits, rules, hooks and chaos
//! executes not one instruction for their sake.
//!
//! **B3. A floor holds what would have gone.** A turn leaves as many victims as would be missing below the floor, the
//! youngest of each part, and they become the primary chain's. What it takes out of caches goes through a window as
//! long as what is missing then; what is left in the window at the end, the youngest, is put back into a chain. What is
//! used less than the floor circles between the two chains and never leaves.
//!
//! # Orderings
//!
//! | where | access | ordering | pairs with | if it were weaker |
//! |--|--|--|--|--|
//! | `Entry::get` | load | acquire | `make` | a part could be seen before it is made |
//! | `Entry::make` | exchange | release | `get` | as above |
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
//! The child has one thread. The number of a lost thread stays leased, so nobody owns its part: its chains are stolen
//! from and turned like any other's, whatever the thread was doing at their heads, and sweeps visit its cache. A cache
//! pinned by a lost thread is passed over (P3); dropping the pool in the child leaks its items, because they may be
//! half-moved. A revocation held by a lost thread leaves its cache's owner on the slow path.
//!
//! # Decisions
//!
//! * *A cache a thread and not a CPU.* A CPU's cache needs either an atomic read-modify-write (20 cycles, twice a pair)
//!   or restartable sequences, which are Linux's alone. The caches are one module behind a narrow interface, so that
//!   one a CPU can take its place.
//! * *A part a thread and not a shard a CPU.* Without a way to pin a thread, a shard needs a claim, and a claim that
//!   fails means waiting, dropping or making anew. A thread that is the one producer of its chains needs none.
//! * *Parts by the thread's number* and not by one of the pool's own: whoever has the number owns the part, so there is
//!   nothing to hand over when a thread ends. The table that leads to them grows by 8 bytes a number, 2 KiB at a time
//!   for high ones.
//! * *No third variant* where the asymmetric barrier is missing: a full fence on each side costs what a chain does.
//! * *A turn drains and does not detach.* To detach is the producer's; without a claim a turn is not.
//! * *One batch buffer on the stack* between cache and chain, so that neither the allocator nor user code is ever
//!   called inside a gate. An allocator that itself uses a pool needs a guard of its own against re-entry: the pool's
//!   slow path allocates.
//! * *One remembered cache and not several.* Choosing among eight costs more than the look-up in the table does.
//! * *Items are moved word by word*, see `moves.rs`: a wide load of what was just stored in words waits for the stores.
//! * *Time is looked at on every slow operation, and after 1 to 64 takes that the cache serves*, depending on how dense
//!   they are: see `pace.rs`. On Linux that is a coarse clock without a system call.
