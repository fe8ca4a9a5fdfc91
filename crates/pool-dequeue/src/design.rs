//! How the ring works, and why it is correct: a page to read, with nothing to call.
//!
//! The layout of head and tail goes back to `poolDequeue` of Go's `sync/poolqueue.go`; counting pushes apart from pops and
//! steals is the idea of `st3`. The invariants are numbered; `SAFETY` comments in the source cite them by number, and
//! `ORDERING` comments name their partner by function.
//!
//! # The picture
//!
//! ```text
//!   the producer's line, plain stores             the shared word, one compare-exchange for a pop or a batch
//!   ┌──────────────────┬───────────────────┐      ┌──────── pops ────────┬─────── steals ───────┐
//!   │ pushes, 64 bits  │ pops, a copy      │      │ the producer: +      │ any consumer: +      │
//!   └──────────────────┴───────────────────┘      └──────────────────────┴──────────────────────┘
//!
//!   head = pushes − pops      tail = steals      length = head − tail, signed, modulo the range of a count
//!
//!   slot      0       1       2       3       4       5       6       7
//!         ┌───────┬───────┬───────┬───────┬───────┬───────┬───────┬───────┐
//!   value │       │  (a)  │   B   │   C   │   D   │       │       │       │
//!   next  │  odd  │ even  │ even  │ even  │ even  │ even  │ even  │ even  │   (in lap 0, which is even)
//!         └───────┴───────┴───────┴───────┴───────┴───────┴───────┴───────┘
//!           free   claimed  held    held    held    free    free    free
//!          (lap 1)          ▲ tail                  ▲ head
//!              pop_tail ◄── oldest         newest ──► pop_head
//!                                                   ◄── push_head
//!
//!   the slot of an index is index & (slots − 1), its lap is odd if index & slots is not 0
//!   (a): some consumer has moved the tail over it and is moving the value out
//! ```
//!
//! - **`push_head`**: is the slot at the head free for this lap? If not, `Full`. Write the value; store `pushes + 1`.
//!   No read-modify-write, and nothing that thieves write is looked at but the slot.
//! - **`pop_head`**: is the length above zero? Compare-exchange `(pops, steals)` to `(pops + 1, steals)`. Won: the slot
//!   below the head is ours.
//! - **`pop_tail`**: read `pushes`, then the word. Claim what there is *by these pushes*: compare-exchange `steals + k`.
//!   Read `pushes` again. If fewer than a quarter of the range were pushed between the two, the claim is good: move the
//!   values out, and let each slot wait for its next lap. Otherwise see [the sleeper](#the-sleeper).
//! - **"empty"** is answered when the length is not above zero by pushes that are the same before and after the word was
//!   read.
//!
//! The word has 64 bits, two counts of 32; where there are no 64-bit atomics it has 32, two counts of 16. The number of
//! slots divides the range, so slots follow each other round the wrap as everywhere else. Pops sit in the upper half: an
//! addition that overflows them falls off the word's end. `pushes` has 64 bits and never wraps.
//!
//! # Limits
//!
//! A length is a signed distance, so `head` and `tail` must stay within half of the range (2^31) of each other. `head`
//! runs ahead of `tail` by a capacity at most: 2^28. `tail` runs ahead of `head` only by claims of what is not there, of
//! which each sleeping thief has one: at most 256 tickets each, so 2^22 of them take a quarter of the range. With counts of
//! 16 bits it is 2^13 slots, claims of 32 and 2^9 threads.
//!
//! The word comes round only if one of its counts advances by a whole range between a thief's look and its claim. Pops and
//! steals do not exceed pushes by more than the claims in doubt, and lagged behind them by no more than a capacity before.
//! So at least 2^32 − 2^28 − 2^30 pushes lie between, and fewer than 2^30 prove that the word did not come round.
//!
//! # States of a slot
//!
//! | state | index | `next_is_odd` | bytes | who may touch it | leaves to |
//! |---|---|---|---|---|---|
//! | free | at the head or beyond | the parity of its lap | none | the producer | *held*: the producer writes the value, then stores `pushes` |
//! | held | in `[tail, head)` | the parity of its lap | a value | nobody | *claimed*: a compare-exchange that moves the tail (anyone) or the head (the producer) over it |
//! | claimed at the head | at the head or beyond | the parity of its lap | a value, then none | the producer | *free*, in the same lap, without a store |
//! | claimed at the tail | below the tail | the parity of its lap | a value, then none | the claimant | *free* for the next lap: the claimant reads the value, then changes `next_is_odd` |
//!
//! The producer's own pushes and pops do not touch the flag. A claimant at the tail that never comes back (a forgotten
//! [`Batch`](crate::Batch), a thread that was killed) leaves its slots claimed for good: the producer cannot pass them, and
//! nobody reads or writes them again.
//!
//! # Invariants
//!
//! - **I1** A slot in `[tail, head)` holds a value.
//! - **I2** A slot that a *good* claim moved an index over is the claimant's alone until it changes `next_is_odd` (at the
//!   tail) or pushes again (at the head).
//! - **I3** Before the producer writes a slot, the slot is the head's or beyond it, and it waits for the lap of that index.
//!   Nobody else touches such a slot.
//! - **I4** One producer at a time: calls that push or pop at the head do not overlap, and each happens before the next.
//!   A batch popped at the head is gone before the next push. The handles keep it by their types, [`raw`](crate::raw) asks
//!   it of the caller.
//! - **I5** The number of slots is a power of two from 1 to [`MAX_CAPACITY`](crate::MAX_CAPACITY) and never changes.
//! - **I6** The head is at most the number of slots ahead of the oldest ticket that was not taken. So indices in
//!   `[tail, head)` name different slots, and one bit tells the laps of a slot apart.
//! - **I7** After construction the word is changed by read-modify-writes alone. So every change continues the release
//!   sequences of earlier ones.
//! - **I8** An index moves over a value before user code sees the value or its destructor runs. So no panic can make a value
//!   leave twice.
//! - **I9** A thief that gave tickets back claims again in the same ring before it answers or runs user code, as many as it
//!   gave back or all that there is.
//!
//! ## Why they hold
//!
//! *I2.* A compare-exchange succeeds for one thread and takes its slots out of the range in the same step. Nobody can claim
//! them until they are in the range again, for which the producer has to fill them in the next lap, for which they have
//! to wait for that lap (I3), which the claimant alone brings about.
//!
//! *I3.* The producer's own head is exact. Its view of the flag may be old. An old value that is the parity of its lap
//! there cannot be: the last time the flag had it was two laps ago, and since then the producer has seen the parity of the
//! lap between, when it pushed there; nobody reads what a variable was before a value that they have read.
//!
//! *I6.* The slot of a ticket that was not taken waits for the ticket's lap, so a push in the next lap finds it taken.
//!
//! # The sleeper
//!
//! A thief reads the word, sleeps for as long as it takes the others to turn a count once round, and finds the very same
//! word again: the pattern known as ABA. With head and tail in one word, as in Go, that is harmless. Here the word does not
//! say where the head is, so the thief may have claimed what is not there. The second look at the pushes finds that out, and
//! then the thief is *in doubt*:
//!
//! 1. It reads pushes, word, pushes until the pushes agree; the head of that moment is `pushes − pops`. It is no further
//!    than a capacity from the thief's tickets (I6), so the signed distance is right.
//! 2. If the head is at the end of the tickets or beyond, the claim is good: values are there, and nobody else can claim
//!    them.
//! 3. Otherwise, if the tail is at the end of the tickets, it gives *all* of them back by a compare-exchange from exactly
//!    this word. If it succeeds, nothing has happened since the thief's claim but pushes: the ring is as if it had never
//!    claimed.
//! 4. Otherwise somebody has claimed beyond it, who is in the same state. It looks again. This is the one place where a
//!    thread can wait for another, and it takes two that have slept through 2^30 pushes between two instructions.
//!
//! After a give-back it claims again (I9). Between its look and its give-back the owner may have filled the tickets, closed
//! the ring and gone, and others may have found the ring drained: then nobody but the thief will come for these values.
//! There are at most as many as it gave back, so one claim takes them all. That it sees all the pushes is the business of
//! `is_drained`, which reads the word by a read-modify-write: the give-back comes after it in the word's history and
//! acquires what the other knew. Plain `is_empty` does not promise that, because "somebody reads what I have not yet written"
//! is no edge in the memory model.
//!
//! # Orderings
//!
//! | access | ordering | partner | if it were weaker | why not stronger |
//! |---|---|---|---|---|
//! | `Pushes::add`, store | `Release` | `load` | a thief reads a slot before its value has arrived | the producer learns of free slots from their flags |
//! | `Pushes::load`, before a claim, around a look | `Acquire` | `add` | as for `add` | |
//! | `Pushes::at_least`, after a claim | `Relaxed` | none | it cannot be | it is compared, and no value is read on the strength of it; the claim's `Acquire` keeps it from being too old |
//! | `Pushes::own` | `Relaxed` | none | it cannot be | the producer alone writes it |
//! | `Ring::counts`, the producer's load of the word | `Relaxed` | none | it cannot be | the claim is decided by its compare-exchange, the values are its own |
//! | `Ring::counts_of_others` | `Acquire` | claims | "empty" of a ring that never was | |
//! | `Ring::claim_head`, compare-exchange | `Release`, failure `Relaxed` | the loads of thieves | a thief does not see that pops brought the word round | the values are its own |
//! | `Ring::try_claim_tail`, compare-exchange | `AcqRel`, failure `Acquire` | itself, `claim_head` | the second look is too old when steals or pops brought the word round: a claim of what is not there is believed | |
//! | `Ring::settle`, giving back | `Acquire`, failure `Relaxed` | `is_drained` | the thief may not see the last pushes to a ring that others have left | |
//! | `Ring::is_drained`, compare-exchange | `Release`, failure `Relaxed` | `settle` | as for `settle` | |
//! | `Slot::is_free`, load of the flag | `Acquire` | `take` | the producer's write overtakes the thief's read | |
//! | `Slot::take`, store of the flag | `Release` | `is_free` | as for `is_free` | |
//! | `Consumer::is_abandoned` and `drop` of the producer | `Acquire`, `Release` | each other | a consumer stops although a value is there | |
//! | `InlineRing::split_static`, swap | `Relaxed` | none | it cannot be | that one swap alone finds `false` is a matter of atomicity |
//!
//! There is no sequentially consistent access and no fence. So a push is no fence either: a thread that pushes and then looks
//! whether somebody sleeps needs one in between.
//!
//! A push happens before the pop that returns its value, as in Go; and the pop at the tail that empties a slot happens
//! before the push that fills it again.
//!
//! # 32-bit targets
//!
//! A store of 64 bits is not plain there, so `pushes` stands in three words: low half, and the high half twice. The producer
//! writes *begun*, *low*, *done* when the low half carries, *low* alone otherwise. A reader goes from *done* to *begun*. If
//! they agree, `low` is of that half. If they differ by one and *done* still does after a second look at `low`, the producer
//! stands in the middle of the carry, `low` is the last count before it or the first after it, and its top bit says which.
//! So a reader goes round only if the producer has moved, and an interrupt over the producer never waits.
//!
//! # Progress
//!
//! - `push_head`, `push_head_batch`, `len`, `capacity`: wait-free.
//! - `pop_head`, `pop_tail`, their batches, `steal_into` and `is_empty`: lock-free. A compare-exchange fails only because
//!   another operation succeeded, or spuriously where the machine does that; a look is repeated only if the producer has
//!   pushed. The exception is the second of two sleepers, above.
//! - A consumer stopped between its claim and the hand-back costs the others nothing, but the producer meets
//!   [`Full`](crate::Full) when it has come round to that slot, and not before. A stopped producer costs nobody anything.
//! - Nothing allocates after construction.
//!
//! # When a push is refused
//!
//! A slot's return travels by its flag alone. So an empty ring may refuse a push for as long as a consumer sleeps between
//! its claim and the hand-back. A pop that *happens before* the push never stands in its way.
//!
//! # What is checked where
//!
//! | check | covers | does not |
//! |---|---|---|
//! | `tests/exhaustive.rs`, a copy of the protocol in every interleaving | whole turns of counts of 3 and 4 bits, up to three thieves, batches of the owner, claims of any size, up to four slots, give-backs, drained rings, "empty"; that no rule can be left out | weak memory, the code itself, two rings at once (`steal_into` is a claim and a push, whose room can only grow) |
//! | `tests/loom.rs`, the code | each ordering; exact outcomes of small programs | turns of wide counts |
//! | the same with counts of 3 bits | the doubt and the give-back, and asserts that it got there | several sleepers |
//! | `tests/pairs.rs` under Miri | each pair of operations, with the compiler's view of memory | turns |
//! | `tests/properties.rs`, Go's tests | sequences on one thread and long runs, with counts started below the wrap | |
//!
//! # Tried and given up
//!
//! - *A private head instead of a private copy of the pops*: a push then has one more store. With a locked exchange behind
//!   it, which waits for all stores, the pair was 3 % slower.
//! - *A flag "full" set by each push and cleared by each pop*: two more stores for the pair. A lap's parity needs neither, and
//!   fill and drain of 128 went from 1.10 to 0.93 times `st3`'s.
//! - *A stamp in the slot instead of the second look*: the owner may have won the slot and not yet emptied it. The check
//!   and a model break at once.
//! - *Giving back only the tickets without values*: the rest of the claim and what is claimed again are then two runs of
//!   slots. Giving all back is rarer than a batch of two runs is complicated.
//!
//! # What user code can do to it
//!
//! User code is the iterator of `push_head_batch` and the destructors of values.
//!
//! | it | then |
//! |---|---|
//! | iterator panics | what it gave is published; the panic goes on; the ring works |
//! | iterator pops at the tail of the same ring | allowed: consumers run at any time; slots freed that way are filled by the same call |
//! | iterator never ends | it is asked for no more values than there are free slots |
//! | destructor panics in a dropped batch, or in the dropped ring | the other values are dropped, each once, then the panic goes on; a second panic on the way aborts, as everywhere in Rust |
//! | [`Batch`](crate::Batch) from the tail is forgotten | its values leak, its slots stay claimed: [`Full`](crate::Full) when the producer comes round |
//! | [`Batch`](crate::Batch) from the head is forgotten | its values leak, its slots are used again |
//! | handle is forgotten | the ring and what is in it leak |
//! | thread dies inside an operation (`pthread_cancel`, `fork`) | at most the slots that it had claimed are lost, with their values; what it was pushing was not yet visible |
//!
//! # Differences from Go
//!
//! - Go packs head and tail into one word: each push is an atomic addition on the line that thieves pull away. Here a push is
//!   plain stores, and a thief looks at the pushes before and after its claim.
//! - Go's slot is an `interface{}` whose type word, set back to `nil`, is the hand-back signal. A `T` has no such word, so the
//!   slot has a flag that tells its lap.
//! - Go clears the slot so that its garbage collector lets go of the value. Here the value is moved out, and the bytes stay
//!   until the next push.
//! - Go's atomics are all sequentially consistent. Here each is as weak as the table above argues.
//! - Batches and `steal_into` are not in Go. Each is one change to the word; the slots are handed back one by one.
//! - `push_head` gives the value back instead of returning `false`.
//! - Dropping the ring drops what is in it; Go leaves that to its collector.
//! - Go's limit is 2^30 slots; here it is 2^28 (2^13 on targets without 64-bit atomics, where Go falls back to a lock).
//! - Go's ring is always part of a chain. This one also stands alone, on the heap or inline.
