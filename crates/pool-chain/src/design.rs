//! How the chain works, and why it may: a page to read, with nothing to call.
//!
//! The algorithm is `poolChain` of Go's `sync/poolqueue.go`, over the rings of [`pool_dequeue`], whose own
//! design page has their half of the argument (I1, I2 …). The invariants here are numbered C1 … C9; `SAFETY`
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
//!   │ B C .   │ ◄─ ─ ─ ─  │ D … S   │ ◄─ ─ ─ ─  │ T …     │ ◄─ ─ ─ ─  │ U V     │
//!   └─────────┘   prev    └─────────┘   prev    └─────────┘   prev    └─────────┘
//!   oldest: only popped; unlinked when drained               newest: the only one pushed to
//!
//!   next   null, then always the next ring; written by the producer, once
//!   prev   the ring before; plain, read by the producer alone, and only as far as its holds reach
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
//! | drained | set | the same | consumers that gave tickets back claim again (C4); no other finds anything | *unlinked*: a thread moves `tail` past it |
//! | detached | any | guards from before, and the [`Detached`](crate::raw::Detached) that owns it | consumers who are still inside pop, its owner pops | *unlinked*: its owner finds it drained |
//! | unlinked | any | guards from before its retirement, `prev` while the producer holds it | move values out of slots that they had claimed; pass on to `next` | *freed*: those guards are gone, the producer has given up its hold, and so have all batches |
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
//! - **C4** A ring that had a successor before it was found drained gives no value to anybody but those who are inside it:
//!   each value in it is claimed, or will be by a consumer that has not answered yet.
//! - **C5** A thread that finds a node through `tail` or `next` under a guard may use it until the guard is dropped: a node is
//!   retired after `tail` has moved past it, and freed when every guard from before its retirement is gone. The
//!   producer needs no guard: it has a hold of its own on each node from `Owner::oldest` to the head, and follows
//!   `prev` no further.
//! - **C6** A node is freed once: by whoever gives back its last hold. The chain's hold is given back once, by the
//!   reclamation, to which it was retired by the one thread that unlinked it. The producer's hold is given back once, by
//!   the producer, when it finds `tail` past the node; with a detached or dropped chain it goes along. Consumers' batches
//!   have holds of their own.
//! - **C7** A detached ring is retired by the `Detached` that owns it and by nobody else.
//! - **C8** The number of rings is bounded. Up to the capacity at which rings stop doubling it is the number of doublings
//!   and a few more. Beyond that, at most half of the slots of all rings were empty when the last ring of that capacity
//!   was appended.
//! - **C9** A retired ring holds no value that is not claimed: freeing it runs no code of the user's.
//!
//! ## Why they hold
//!
//! *C2.* `append` is the only one who writes `next`. It makes the new ring the head in the same call, and pushes go to the
//! head.
//!
//! *C3.* `unlink` needs a successor, and the head has none.
//!
//! *C4.* This is Go's rule, and the order of two loads is half of it. `at_tail` loads `next` first and tries to pop second.
//! If `next` is there, the load synchronised with `append`, which came after the last push to this ring; so the pop sees
//! a count of pushes that is the last, and empty means that all of them are claimed (C2, and the ring's own invariants). The other
//! way round, the ring could be empty at the pop, filled, and given a successor before the load: the thread would throw a full ring away.
//! The producer itself needs no order: every push is its own past.
//!
//! The other half is about a consumer that slept, through 2^30 pushes, between its look at the ring and its claim. It may
//! have claimed tickets without values. It notices, and gives them back; but since its look they may have been filled,
//! and another thread may have found the ring empty, as the tickets counted as claimed, and unlinked it. So **who gave g
//! tickets back claims again in that ring, up to g whatever its batch size, until it has g or reads empty, before it
//! answers or runs user code.** The ring keeps this rule (`settle`), so the chain's part is not to look at a value
//! before the ring has answered. What remains is that the consumer's second claim knows of all pushes. `is_drained` is
//! therefore more than `is_empty`: it exchanges the shared word for itself, with Release, and the give-back is an exchange of the same
//! word with Acquire. Either the give-back comes first, and `is_drained` finds the values; or it comes later, and the thief that
//! gave back sees the pushes that the one who unlinked saw. `tests/drained.rs` goes through every interleaving of this,
//! with counts so narrow that the sleeper meets whole turns: an answer after a give-back, without the second claim, loses a value.
//! A consumer that was stopped in there holds a guard, so the ring stays as long as it may come back.
//!
//! *C5.* A thread that unlinks a node changes `tail` and retires it, in this order; one that
//! detaches a list changes `tail` and hands the list to the one who retires it. Retirement and pin both have a sequentially
//! consistent fence in crossbeam-epoch. Take a guard and a retirement. If the guard's fence comes first, the
//! retirement waits for the guard. If the retirement's fence comes first, every load under the guard sees `tail` as it was left
//! past the node, or later: the node is not found there. Nor by `next`: a walk along `next` begins at a node that was read from
//! `tail` under the guard, so at the node that `tail` was left at or one that came later, and goes on to later ones. Hence also a
//! consumer whose exchange failed may go on to `next`: it began at a node that its guard keeps, and all that follow
//! were unlinked later.
//! The producer's holds reach from `oldest` to the head without a gap: `append` makes a node with one, and
//! `give_up_before` gives them back from the oldest on. `prev` of a node is the node before it, which the producer
//! holds unless the node is `oldest`. A node that only the producer holds costs memory: at most the rings that
//! consumers have drained since the producer last looked for room, popped from behind the newest ring in vain, judged or shrank.
//!
//! *C7.* The swap in `detach` takes the list in one step. A consumer's exchange from `d` to its successor came before, and
//! then `d` is not in the list; or it comes after and fails, because `tail` is null or a ring that was made later. That ring cannot
//! have `d`'s address while the consumer has its guard, since `d` is freed after all guards that could know it (C5): there is no
//! ABA, and this is why rings are not reused behind the reclamation's back. Where the producer unlinks, its hold does what
//! the guard does. Consumers inside the list may still pop; each pop is an
//! exchange on a ring's own word, so each value leaves once. They never move `tail`.
//!
//! *C8.* A ring is followed by one of twice its size, with three exceptions. Two are allowed only when no other ring
//! is linked behind it: a smaller one (`refit`), and one of the same size when it is blocked (`grow`). Without this condition
//! a value that is never taken from the tail would keep every ring of every growth and shrinkage. The third is a ring of the capacity
//! at which rings stop doubling ([`with_ring_bytes`](crate::raw::Chain::with_ring_bytes)): it comes only when at least half of all
//! slots hold values. An owner that works at the head drains its newest rings first, and a value that stays at the tail
//! keeps those linked; burst after burst they would pile up. Where they have, the next rings double again until one is large
//! enough for the burst.
//!
//! *C9.* A ring is unlinked when it is drained (C4): its values are moved out by those who claimed them. Only a batch that was
//! forgotten leaves any behind. A consumer's keeps its hold, so that the ring is never freed. The producer's leaves
//! values in slots that no count speaks of any more, and nothing looks at those.
//!
//! # Empty means empty
//!
//! Go's consumer returns "empty" when the ring it looked at had no successor and then no value. In between the producer may have
//! appended a ring and pushed to it, and others may have emptied the first one; the chain was never empty, and
//! yet that is what the consumer says. For a pool of spare objects this does not matter. For a queue it does: here the
//! consumer looks at `next` again.
//! So `None` from `pop_tail`, and `true` from `is_empty`, mean that the chain was empty at some moment during the call, in an order
//! that agrees with everything that happened before it. The ring sees to the order: a thread that finds it empty has read, with Acquire, the word that the
//! last claim left, and each claim is a Release. If a push to the next ring happened before that claim, the second look at `next`
//! finds it. The models `never_empty_is_never_seen_empty` and `never_empty_under_an_outer_guard` look for the contrary.
//! (A consumer that sleeps through 2^30 pushes in the middle of a claim counts as the owner of the tickets that it claimed, also
//! while it gives them back and claims again.)
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
//! the next burst is like the last, so it is neither refused nor judged too big at once: that is the hysteresis.
//!
//! A push does not look at the shared word, and counting must not make it look. Each push adds one value at most. So the producer puts
//! the mark an eighth above what it finds, and looks again when so many pushes have been made as could bring the values there.
//! The smallest ring, and one whose last quarter has been passed, need no look at all until they are judged. The mark is never below the most
//! that was held, and at most an eighth above what some look found.
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
//! rule of its own. Thereby an owner who works alone comes back to one ring. It pins for nothing but to retire what it has unlinked.
//!
//! The producer remembers the newest ring behind the head that may hold values, `Owner::behind`. All rings between are closed and
//! drained, for good (C4), so that an owner that works its way back over thousands of small rings looks at each once.
//!
//! # The limit
//!
//! The producer knows the newest ring's length, and an upper bound of the older rings' together: those only lose values (C2), the
//! producer takes off what it pops there itself, and no ring holds more than it has slots. As long as the sum
//! is below the limit, a push needs no more than that. At the limit it looks at the older rings.
//!
//! A length is what the ring's counts say, and that can rise for a moment though nothing is pushed: when a consumer gives tickets back
//! (C4). It then claims as many again before it answers, unless others have taken the values. So count tickets as values of the
//! consumer's from its first claim to its answer: the tickets that it gives back and those that it claims again are
//! the same number, or the ring is empty. In this count every length that the producer reads is at least what that ring
//! holds from then on, and **the limit is never exceeded**; `Owner::older` is an upper bound in the same count. A push is refused only
//! if the chain held so many values when the call began: the lengths have only fallen since.
//!
//! Whether there is a limit is part of the producer's type, `Producer<T, L = Unlimited>`. A push that needs no answer
//! is only right where no limit can refuse it, so [`push`](crate::Producer::push) exists for `Producer<T, Unlimited>`
//! alone, and nobody panics, or loses a value, who writes `push` and gets a chain with a limit from elsewhere. The two also differ
//! in what a push does: the type without a limit has no comparison, and no word for one. We did not take an error that cannot be
//! made, an associated type of `L`: without a limit `push_head` can still fail, for want of memory, and it gives the value
//! back there as with a limit. The parameter has a default and comes last, so without a limit one writes `Producer<T>`.
//!
//! # Reclamation
//!
//! `src/reclaim.rs` is the only file that names crossbeam-epoch: pin, retire, flush. It frees ring memory and never a value (C9).
//! Retiring is followed by a flush, because a thread's bag would otherwise wait for 64 more of the kind. Memory goes after the epoch
//! has advanced twice, so `shrink` and `collect` look three times.
//!
//! - The producer reaches all its rings without a pin, by its own holds: its pushes, pops, `len` and `is_empty` never pin but to
//!   retire a ring that they unlink, once for each ring.
//! - An empty chain without a ring is seen without a pin, too. One with a ring is not: the ring could be freed while we look.
//! - A pin costs a sequentially consistent fence, 20 cycles or so, as much as the claim of the value itself. Batches pay it once.
//! - A guard that lives long, anywhere in the process, delays all garbage of the default collector, this crate's with it. So no guard is held
//!   while user code runs, with one exception, the sinks of [`raw`](crate::raw), which say so. The handles' batches hold their ring
//!   instead, by a count that is one addition to take and one to give back.
//! - crossbeam-epoch allocates: for each thread at its first pin, and for each flush that has something to hand over.
//!   Without memory it aborts. That is the one way in which a chain without memory does not just give the value back.
//! - The deferred function may run after the end of `T`'s lifetime and on any thread. It frees a ring without values (C9).
//! - In a child after `fork`, a thread of the parent that was pinned stays pinned: chains work, and memory is no longer freed
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
//! | `at_tail`, second load of `next` | `Relaxed` | the ring's word | it cannot be | the pointer is not followed |
//! | `at_tail`, `walk`, first load of `tail` | `Relaxed` | none | it cannot be | null is all that is asked |
//! | `unlink`, exchange of `tail` | `Release`, failure `Relaxed` | `at_tail`, `walk` | a third thread finds the next node not initialised | the next node was acquired through `next` |
//! | producer's loads of `tail` and `next` | `Relaxed` | none | it cannot be | every node was made by the producer (C1) |
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
//! - Pops, `is_empty`: lock-free. A failed exchange means that another thread's succeeded.
//! - `len`, `capacity`, `rings`: wait-free, in steps for each ring.
//! - `steal_into`: lock-free but for the allocator, one exchange for all values that move.
//! - `detach`: wait-free, one swap for all rings and values. It gives back the producer's holds on rings that consumers have
//!   unlinked since it last looked.
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
//! | batch is forgotten | its values leak, and a consumer's leaks the memory of its ring; a slot at the head blocks its ring, and the chain goes on in another |
//! | `Detached` is forgotten | its values and rings leak |
//! | value borrows | it must outlive the chain; freed rings do not touch it (C9) |
//!
//! # Differences from Go
//!
//! - `None` means empty, see above.
//! - A blocked ring is not followed by a bigger one, rings shrink, and the producer unlinks, too.
//! - The links back are the producer's own, which holds the rings that they lead to; in Go they are atomic and cleared by consumers.
//! - Rings can be told to stop doubling at a size.
//! - Go leaves unlinked rings, and all values in a dropped chain, to its collector.
//! - Go links a new ring with a value already pushed to `head` in either order, under the protection of its sequentially consistent
//!   atomics; here each access is as weak as the table argues.
//! - `detach`, batches, limits, and a refusal instead of a crash without memory, are not in Go.
//! - Go's rings double up to 2^30 slots, ours up to [`MAX_CAPACITY`](crate::MAX_CAPACITY).
