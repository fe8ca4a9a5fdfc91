//! How the chain works, and why it may: a page to read, with nothing to call.
//!
//! The algorithm is `poolChain` of Go's `sync/poolqueue.go`, over the rings of [`pool_dequeue`], whose own
//! design page has their half of the argument (I1 … I8). The invariants here are numbered C1 … C9; `SAFETY`
//! comments in the source cite them by number, and `ORDERING` comments name their partner by function.
//!
//! # The picture
//!
//! ```text
//!   consumers: pop_tail                                    producer: push_head, pop_head
//!        │                                                            │
//!   tail ▼  atomic, a cache line of its own                      head ▼  the producer's plain memory
//!   ┌─────────┐   next    ┌─────────┐   next    ┌─────────┐   next    ┌─────────┐
//!   │ ring  8 │ ────────► │ ring 16 │ ────────► │ ring 32 │ ────────► │ ring 64 │ ──► null
//!   │ B C .   │ ◄──────── │ D … S   │ ◄──────── │ T …     │ ◄──────── │ U V     │
//!   └─────────┘   prev    └─────────┘   prev    └─────────┘   prev    └─────────┘
//!   oldest: only popped; unlinked when drained               newest: the only one pushed to
//!
//!   next   null, then the next ring for ever; written by the producer, once
//!   prev   the ring before, then null; cleared by whoever unlinks that ring, once
//! ```
//!
//! A ring goes in at the head and out at the tail, and in no other way. So growing is appending a bigger ring,
//! shrinking is appending a smaller one, and detaching is taking the whole list away from the tail pointer.
//!
//! # States of a ring
//!
//! | state | `next` | found by | who may do what | leaves to |
//! |---|---|---|---|---|
//! | newest | null | `tail` or the `next` before it, `head` | the producer pushes and pops, consumers pop | *older*: the producer appends another |
//! | older | set | the same, and `prev` of the one after it | the producer pops, consumers pop | *drained*: the last value is claimed |
//! | drained | set | the same | nobody finds anything in it, ever again | *unlinked*: someone moves `tail` past it and clears the `prev` after it |
//! | detached | any | guards from before, and the [`Detached`](crate::raw::Detached) that owns it | consumers who are still inside pop, its owner pops | *unlinked*: its owner finds it drained |
//! | unlinked | any | guards from before its retirement | move values out of slots that they had claimed; pass on to `next` | *freed*: those guards are gone, and so are all batches that hold it |
//!
//! # Invariants
//!
//! - **C1** One producer at a time: calls of the unsafe methods do not overlap, and each happens before the next. The
//!   handles keep it by their types, [`raw`](crate::raw) asks it of the caller. `head` is null if and only if `tail`
//!   is null.
//! - **C2** `next` of a ring is written once, by the producer, after its last push to that ring. So a ring with a
//!   successor only ever loses values.
//! - **C3** `tail` changes in three ways: from null to the first ring, by the producer; from a drained ring to its
//!   successor, by anybody's compare-exchange; to null, by the producer's swap, which takes all rings. So the ring
//!   that `head` points at is never unlinked while it is the head.
//! - **C4** A ring is drained for good if it had a successor *before* it was found empty.
//! - **C5** Whoever finds a node through `tail`, `next` or `prev` under a guard may use it until the guard is dropped:
//!   a node is retired after `tail` has moved past it *and* the `prev` after it is null, and freed when every guard from
//!   before its retirement is gone.
//! - **C6** A node is freed once: by whoever gives back its last hold. The chain's hold is given back once, by the
//!   reclamation, to which it was retired by the one thread that unlinked it. Batches of the handles have holds of their own.
//! - **C7** A detached ring is retired by the `Detached` that owns it and by nobody else.
//! - **C8** The number of rings is bounded by the number of doublings from the first to the greatest capacity, and a
//!   few more, as long as the greatest is not reached.
//! - **C9** A retired ring holds no value: freeing it runs no code of the user's.
//!
//! ## Why they hold
//!
//! *C2.* `append` is the only one who writes `next`. It makes the new ring the head in the same call, and pushes go to the
//! head.
//!
//! *C3.* `unlink` needs a successor, and the head has none.
//!
//! *C4.* This is Go's rule, and the order of two loads is all of it. `at_tail` loads `next` first and tries to pop second.
//! If `next` is there, the load synchronised with `append`, which came after the last push to this ring; so the pop sees
//! a word at least as new as that push, and empty means that all of them are claimed (C2 and I1). The other way round, the ring could be
//! empty at the pop, filled, and given a successor before the load: the thread would throw a full ring away.
//! The producer itself needs no order: every push is its own past.
//!
//! *C5.* Whoever unlinks a node changes `tail`, clears the `prev` after it, and retires it, in this order; whoever
//! detaches a list changes `tail` and hands the list to the one who retires it. Retirement and pin both have a sequentially
//! consistent fence in crossbeam-epoch. Take a guard and a retirement. If the guard's fence comes first, the
//! retirement waits for the guard. If the retirement's fence comes first, every load under the guard sees `tail` as it was left
//! past the node, or later, and `prev` null: the node is found by neither. Nor by `next`: a walk along `next` begins at a node that was read from
//! `tail` under the guard, so at the node that `tail` was left at or one that came later, and goes on to later ones. Hence also a
//! consumer whose exchange failed may go on to `next`: it began at a node that its guard keeps, and all that follow
//! were unlinked later.
//!
//! *C7.* The swap in `detach` takes the list in one step. A consumer's exchange from `d` to its successor came before, and
//! then `d` is not in the list; or it comes after and fails, because `tail` is null or a ring that was made later. That ring cannot
//! have `d`'s address while the consumer has its guard, since `d` is freed after all guards that could know it (C5): there is no
//! ABA, and this is why rings are not reused behind the reclamation's back. Consumers inside the list may still pop; each pop is an
//! exchange on a ring's own word, so each value leaves once. They never move `tail`, and nobody clears a `prev` any more.
//!
//! *C8.* A ring is followed by one of twice its size, with two exceptions, and both are allowed only when no other ring
//! is linked behind it: a smaller one (`refit`), and one of the same size when it is blocked (`grow`). Without this condition
//! a value that nobody takes from the tail would keep every ring of every growth and shrinkage.
//!
//! *C9.* A ring is unlinked when it is drained (C4), values are moved out by whoever claimed them, and only a batch that was
//! forgotten leaves any behind, with its hold, so that the ring is never freed.
//!
//! # Empty means empty
//!
//! Go's consumer returns "empty" when the ring it looked at had no successor and then no value. In between the producer may have
//! appended a ring and pushed to it, and others may have emptied the first one; the chain was never empty, and
//! yet that is what the consumer says. For a pool of spare objects this does not matter. For a queue it does: here the
//! consumer looks at `next` again, behind an acquire fence that pairs with a release fence of whoever claimed the last value.
//! So `None` from `pop_tail`, and `true` from `is_empty`, mean that the chain was empty at some moment during the call, in an order
//! that agrees with everything that happened before it. On x86-64 both fences are free. The model
//! `never_empty_is_never_seen_empty` fails without either of them.
//!
//! # Growth, and what is not growth
//!
//! A push is refused by a ring that is full, or *blocked*: the slot whose turn it is was claimed by a consumer that has not moved its
//! value out yet, because it was preempted there. Go doubles in both cases, so a chain of three values grows for as long as a thief
//! sleeps. Here a ring less than half full, of 64 slots or more, is followed by one of the same size: the sleeper
//! keeps the old ring, and the chain goes on in the new one. Smaller ones double, because more slots make it less likely to
//! be blocked at all. A ring of less than 64 slots costs less than the argument.
//!
//! # Shrinking
//!
//! Go's rings never shrink. Here the producer counts, in its own memory, the pushes to the newest ring and the most values that the chain
//! held at once. After twice the ring's capacity in pushes, and at least 1024, the ring is judged: if that most would have fitted into a
//! quarter of it, a ring of twice that most is appended, rounded up to a power of two. The new ring is half full at the most when
//! the next burst is like the last, so it is neither refused nor judged too big at once: that is the hysteresis. Counting costs a push one
//! load of a word that it has just written, and a few plain instructions.
//!
//! What it costs to be wrong: a load that goes up and down between two judgements makes the chain shrink and grow again, with one allocation
//! for each doubling in between, so in the worst case some ten allocations in a thousand pushes. Loads that stay below a ring's
//! capacity, or cross it again and again, allocate nothing at all once the bigger ring is there, since the chain does
//! not go back by itself at the border. `tests/memory.rs` counts: bursts of 100 in turn, and three up and three down across the
//! capacity of a ring, make no ring in a thousand rounds; a load that breathes between 10 and 1000 makes less than one in three
//! hundred pushes. Therefore there is **no cache of rings**. One was planned; it could only save those, and it would have to hold
//! each ring back until the epoch has passed anyway (C7).
//!
//! A chain whose older rings still hold values is not shrunk (C8). Its owner works at the head; what lies at the tail
//! stays until a consumer, or [`detach`](crate::raw::Chain::detach), takes it.
//!
//! # Who unlinks
//!
//! Consumers, when they meet a drained ring, as in Go. And the producer: when `pop_head` has found nothing in any ring, when it grows,
//! when it judges, in `shrink`, and when a limit makes it look. It does what a consumer does, by the same exchange, so it needs no
//! rule of its own. Thereby an owner who works alone comes back to one ring, and to a `pop_head` that does not pin.
//!
//! # The limit
//!
//! The producer knows the newest ring's length, and an upper bound of the older rings', since those only lose values (C2). As long as the sum
//! is below the limit, a push needs no more than that. At the limit it walks the older rings under a guard. Every length
//! it reads is at least what that ring holds from then on, so the limit is never exceeded. And it was reached when the call began: the lengths have only
//! fallen since.
//!
//! # Reclamation
//!
//! `src/reclaim.rs` is the only file that names crossbeam-epoch: pin, retire, flush. It frees ring memory and never a value (C9).
//! Retiring is followed by a flush, because a thread's bag would otherwise wait for 64 more of the kind. Memory goes after the epoch
//! has advanced twice, so `shrink` and `collect` look three times.
//!
//! - The newest ring is reached without a pin: pushes never pin, and pops at the head only go on to older rings under one.
//! - An empty chain without a ring is seen without a pin, too. One with a ring is not: the ring could be freed while we look.
//! - A pin costs a sequentially consistent fence, 20 cycles or so, as much as the claim of the value itself. Batches pay it once.
//! - A guard that lives long, anywhere in the process, delays all garbage of the default collector, this crate's with it. So no guard is held
//!   while user code runs, with one exception, the sinks of [`raw`](crate::raw), which say so. The handles' batches hold their ring
//!   instead, by a count that is one addition to take and one to give back.
//! - crossbeam-epoch allocates: for each thread at its first pin, and for each flush that has something to hand over.
//!   Without memory it aborts. That is the one way in which a chain without memory does not just give the value back.
//! - The deferred function may run after the end of `T`'s lifetime and on any thread. It frees a ring without values (C9).
//! - In a child after `fork`, a thread of the parent that was pinned stays pinned for ever: chains work, and memory is no longer freed
//!   (`tests/fork.rs`).
//! - In a thread-local's destructor a pin works: crossbeam-epoch registers the thread once more, for that pin.
//!
//! Under the model checker the seam is a reclaimer of our own, which frees at the very end of the last guard that is older
//! than the retirement, and sees every use of a node that was freed or not published, every leak and every second free.
//! Under Miri it is a collector for each chain. crossbeam-epoch 0.9 passes under Tree Borrows only; everything else passes under Stacked
//! Borrows and strict provenance, too, which Miri sees where a list behind a lock stands for it (`pool_epochless`).
//!
//! # Orderings
//!
//! | access | ordering | partner | if it were weaker | why not stronger |
//! |---|---|---|---|---|
//! | `append`, store of `tail` | `Release` | `at_tail`, `walk` | a consumer finds a node that is not initialised | |
//! | `append`, store of `next` | `Release` | `at_tail`, `walk` | the same; and a ring taken for drained before its last values are seen (C4) | |
//! | `at_tail`, `walk`, load of `tail` | `Acquire` | `append`, `unlink` | as for `append` | |
//! | `at_tail`, `walk`, load of `next` | `Acquire` | `append` | as for `append` | |
//! | `at_tail`, second load of `next` | `Relaxed` | the fences | it cannot be | the pointer is not followed |
//! | `at_tail`, fence before the attempt | `Release` | the fence below | "empty" of a chain that never was | |
//! | `at_tail`, fence after a failed attempt | `Acquire` | the fence above | the same | |
//! | `at_tail`, `walk`, first load of `tail` | `Relaxed` | none | it cannot be | null is all that is asked |
//! | `unlink`, exchange of `tail` | `Release`, failure `Relaxed` | `at_tail`, `walk` | a third thread finds the next node not initialised | the next node was acquired through `next` |
//! | `unlink`, store of `prev` | `Relaxed` | none | it cannot be | null publishes nothing; C5 is a matter of the fences |
//! | producer's loads of `tail`, `next`, `prev` | `Relaxed` | none | it cannot be | every node was made by the producer (C1) |
//! | `detach`, swap of `tail` | `Relaxed` | none | it cannot be | null publishes nothing, and the nodes are the producer's own |
//! | `Detached`, loads of `next` | `Relaxed` | none | it cannot be | written before the detachment |
//! | `hold`, addition to `holders` | `Relaxed` | none | it cannot be | somebody else's hold lasts |
//! | `release`, subtraction from `holders` | `Release` | the load | a slot is read after the node is freed | |
//! | `release`, load of `holders` | `Acquire` | the subtraction | the same | |
//!
//! There is no sequentially consistent access and no sequentially consistent fence of our own; those that C5 needs are
//! crossbeam-epoch's.
//!
//! # Progress
//!
//! - `push_head`: wait-free but for the allocator, and for `grow`, which unlinks what is drained.
//! - Pops, `is_empty`: lock-free. A failed exchange means that somebody else's succeeded.
//! - `len`, `capacity`, `rings`: wait-free, in steps for each ring.
//! - `detach`: wait-free, one swap, however many rings and values there are.
//! - Nobody waits for anybody. A thread stopped under a guard costs memory, one stopped inside a slot costs a ring.
//!
//! # What user code can do to it
//!
//! | it | then |
//! |---|---|
//! | destructor panics in a dropped chain, batch or `Detached` | the other values are dropped, each once, then the panic goes on; a second one aborts, as everywhere in Rust |
//! | iterator of `push_head_batch` panics | what it gave is in the chain |
//! | iterator or destructor calls a consumer of the same chain | allowed: consumers run at any time, and no guard or borrow of ours is in the way |
//! | iterator lies in `size_hint` | one that claims to be at its end is left alone, anything else costs a ring at most |
//! | batch is forgotten | its values and the memory of its ring leak; a slot at the head blocks its ring, and the chain goes on in another |
//! | `Detached` is forgotten | its values and rings leak |
//! | value borrows | it must outlive the chain; freed rings do not touch it (C9) |
//!
//! # Differences from Go
//!
//! - `None` means empty, see above.
//! - A blocked ring is not followed by a bigger one, rings shrink, and the producer unlinks, too.
//! - Go leaves unlinked rings, and all values in a dropped chain, to its collector.
//! - Go links a new ring with a value already pushed to `head` in either order, under the protection of its sequentially consistent
//!   atomics; here each access is as weak as the table argues.
//! - `detach`, batches, limits, and a refusal instead of a crash without memory, are not in Go.
//! - Go's rings double up to 2^30 slots. So do ours; on targets without 64-bit atomics up to 2^14.
