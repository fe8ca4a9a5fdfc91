//! How the ring works, and why it may: a page to read, with nothing to call.
//!
//! The algorithm is `poolDequeue` of Go's `sync/poolqueue.go`. The invariants are numbered; `SAFETY`
//! comments in the source cite them by number, and `ORDERING` comments name their partner by function.
//!
//! # The picture
//!
//! ```text
//!   one atomic word, 64 bits (32 where the target has no 64-bit atomics)
//!   ┌──────── head ────────┬──────── tail ────────┐
//!   │ producer: + and −    │ any consumer: +      │
//!   └──────────────────────┴──────────────────────┘
//!
//!   slot      0       1       2       3       4       5       6       7
//!         ┌───────┬───────┬───────┬───────┬───────┬───────┬───────┬───────┐
//!   value │       │  (a)  │   B   │   C   │   D   │       │       │       │
//!   full  │ false │ true  │ true  │ true  │ true  │ false │ false │ false │
//!         └───────┴───────┴───────┴───────┴───────┴───────┴───────┴───────┘
//!           free   claimed  held    held    held    free    free    free
//!                           ▲ tail                  ▲ head
//!              pop_tail ◄── oldest         newest ──► pop_head
//!                                                   ◄── push_head
//!
//!   head and tail are counters that wrap; the slot of an index is index & (slots − 1)
//!   (a): some consumer has moved the tail over it and is moving the value out
//! ```
//!
//! The counters wrap at 2^32 (2^16 on the narrow word); the number of slots is a power of two and divides
//! that, so the slots follow each other round the wrap as everywhere else. `head` sits in the upper half: an
//! addition that overflows it falls off the word's end instead of running into `tail`.
//!
//! # States of a slot
//!
//! | state | index | `full` | bytes | who may touch it | leaves to |
//! |---|---|---|---|---|---|
//! | free | outside `[tail, head)` | `false` | none | the producer | *filled*: the producer writes the value, then `full = true` |
//! | filled | outside | `true` | a value | the producer | *held*: the producer's addition to the word |
//! | held | inside | `true` | a value | nobody | *claimed*: a compare-exchange that moves `tail` (anyone) or `head` (the producer) over it |
//! | claimed | outside | `true` | a value, then none | the claimant | *free*: the claimant reads the value, then `full = false` |
//!
//! There is no other transition. A claimant that never comes back (a forgotten [`Batch`](crate::Batch), a
//! thread that was killed) leaves its slots claimed for ever: the producer cannot pass them, and nobody
//! reads or writes them again.
//!
//! # Invariants
//!
//! - **I1** A slot in `[tail, head)` holds a value, and its `full` is `true`.
//! - **I2** A slot that a successful compare-exchange moved an index over is the claimant's alone until the
//!   claimant stores `full = false`.
//! - **I3** Before the producer writes a slot, the slot is outside `[tail, head)` and its `full` was seen as
//!   `false`; nobody else touches such a slot.
//! - **I4** One producer at a time: calls that push or pop at the head do not overlap, and each happens before
//!   the next. The handles keep it by their types, [`raw`](crate::raw) asks it of the caller.
//! - **I5** The number of slots is a power of two from 1 to [`MAX_CAPACITY`](crate::MAX_CAPACITY) and never changes.
//! - **I6** `head − tail`, modulo the range of an index, is at most the number of slots. So indices in
//!   `[tail, head)` name different slots, and full and empty are told apart.
//! - **I7** After construction the word is changed by read-modify-writes alone. So every change continues the
//!   release sequence of every earlier `publish`, and a claim that reads the word synchronises with all of them.
//! - **I8** An index moves over a value before user code sees the value or its destructor runs. So no panic can
//!   make a value leave twice.
//!
//! ## Why they hold
//!
//! *I1.* Only `publish` adds slots to the range, after `fill` has written value and flag; only the range's
//! two ends take slots out, and only a claimant clears a flag.
//!
//! *I2.* A compare-exchange succeeds for one thread, and takes its slots out of the range in the same step; from
//! there nobody can claim them until they are in the range again, which needs the producer to fill them, which
//! needs `full` to be `false` (I3), which the claimant alone brings about.
//!
//! *I3.* `push_head` returns [`Full`](crate::Full) when its view of the word says that the ring is full, or
//! when the slot's flag is `true`. The view may be old, but its head is the producer's own and so exact, and an
//! old tail lies behind the real one: the ring is emptier than it seems. The flag may be old as well. An old
//! `true` costs a refusal. An old `false` there cannot be: the last `true` is the producer's own store, and
//! nobody reads what a variable was before their own last write to it.
//!
//! *I6.* A push adds one only when the length that it saw was below the number of slots, and the real
//! length is at most that.
//!
//! # When a push is refused
//!
//! A slot's return travels by its flag alone, not by the word. So the producer may find a slot's flag still
//! `true` after its consumer has moved the value out, even after the word has told it of that consumer's
//! next pop, for as long as the processor takes to pass the flag on; on x86-64 that does not happen, because a
//! read-modify-write there waits for earlier stores. An empty ring may therefore refuse a push, for that moment or
//! for as long as a consumer sleeps between its claim and the hand-back. A pop that *happens before* the push
//! (the consumer was joined, or sent a message) never stands in its way. To promise more, the claim would
//! have to be a `Release` and the producer's load an `Acquire`, on the hottest path, for nothing: a refused
//! push is repeated or gives its value back either way.
//!
//! # A stale word is harmless
//!
//! A thread loads the word, sleeps for as long as it takes the others to turn the ring once, twice, 2^32 times,
//! and finds the very same word again: the pattern known as ABA. Its compare-exchange succeeds, and is right to.
//! The thread remembered nothing but the two indices; no value was read, no pointer followed. The pair of
//! indices in the word *at the moment of the exchange* says which slots hold values (I1), and that is
//! the pair it compared with. It acquires whatever the last `publish` released, so it gets the value that is in the
//! slot now, not the one that was there when it fell asleep. A batch's count was computed from the same pair.
//!
//! After the claim the thread may sleep again; the flag then keeps the producer out of its slots, so the head can
//! get at most one lap ahead of an outstanding claim and no index comes round to it.
//!
//! The model tests show this with indices of three bits, where a full turn is eight pushes.
//!
//! # Orderings
//!
//! | access | ordering | partner | if it were weaker | why not stronger |
//! |---|---|---|---|---|
//! | `Ring::indices`, load of the word | `Relaxed` | none | it cannot be | nothing is read on the strength of it: a claim is decided by its compare-exchange, a push by the slot's flag |
//! | `Ring::publish`, addition to the word | `Release` | `claim_tail` | a consumer reads a slot before its value has arrived | the producer learns of free slots from their flags, so it has nothing to acquire here |
//! | `Ring::claim_head`, compare-exchange | `Relaxed`, failure `Relaxed` | none | it cannot be | the producer wrote those values itself; I7 keeps earlier releases alive |
//! | `Ring::claim_tail`, compare-exchange | `Acquire`, failure `Relaxed` | `publish` | as for `publish` | the consumer has written nothing yet; it hands the slot back through the flag |
//! | `Slot::is_full`, load of the flag | `Acquire` | `take` | the producer's write overtakes the consumer's read: the consumer gets the next lap's value, or half of it | |
//! | `Slot::fill`, store of `true` | `Relaxed` | none | it cannot be | `publish` comes after it and carries it along; the flag itself announces nothing |
//! | `Slot::take`, store of `false` | `Release` | `is_full` | as for `is_full` | |
//! | `InlineRing::split_static`, swap | `Relaxed` | none | it cannot be | that one swap alone finds `false` is a matter of atomicity |
//!
//! There is no sequentially consistent access and no fence: no two variables have to be seen in one order by
//! all. When `take` hands back a slot that the producer popped itself, its `Release` has no partner; a store of
//! its own for that case would save nothing on x86-64 and little elsewhere.
//!
//! So a push happens before the pop that returns its value, as in Go; and the pop that empties a slot happens
//! before the push that fills it again.
//!
//! # Progress
//!
//! - `push_head`, `push_head_batch`, `len`, `is_empty`, `capacity`: wait-free. (The addition is one instruction on
//!   x86-64 and on ARM from 8.1; older machines make a short loop of it, which another thread's success can
//!   make repeat.)
//! - `pop_head`, `pop_tail` and their batches: lock-free. A compare-exchange fails only because another
//!   operation succeeded, or spuriously where the machine does that.
//! - Nobody waits. A consumer stopped between its claim and its `full = false` costs the others nothing, but
//!   the producer meets [`Full`](crate::Full) when it has come round to that slot, and
//!   not before. A stopped producer costs nobody anything.
//! - Nothing allocates after construction.
//!
//! # What user code can do to it
//!
//! User code is the iterator of `push_head_batch` and the destructors of values.
//!
//! | it | then |
//! |---|---|
//! | iterator panics | what it gave is published; the panic goes on; the ring works |
//! | iterator pops at the tail of the same ring | allowed: consumers run at any time; slots freed that way are used by the next call |
//! | iterator never ends | it is asked for no more values than there are free slots |
//! | destructor panics in a dropped batch, or in the dropped ring | the other values are dropped, each once, then the panic goes on; a second panic on the way aborts, as everywhere in Rust |
//! | [`Batch`](crate::Batch) is forgotten | its values leak, its slots stay claimed: [`Full`](crate::Full) when the producer comes round |
//! | handle is forgotten | the ring and what is in it leak |
//! | thread dies inside an operation (`pthread_cancel`, `fork`) | at most the slots that it had claimed or filled are lost, with their values; what it was pushing was not yet visible |
//!
//! # Differences from Go
//!
//! - Go's slot is an `interface{}` whose type word, set back to `nil`, is the hand-back signal. A `T` has no such
//!   word, so the slot has a flag. The flag is cleared by *every* taker, also at the head, where Go resets the slot
//!   with plain stores.
//! - Go clears the slot so that its garbage collector lets go of the value. Here the value is moved out, and the
//!   bytes stay until the next push.
//! - Go's atomics are all sequentially consistent. Here each is as weak as the table above argues; `pop_head`'s
//!   compare-exchange is `Relaxed`.
//! - `push_head_batch`, `pop_head_batch` and `pop_tail_batch` are not in Go. Each is one change to the word; the
//!   slots are handed back one by one.
//! - `push_head` gives the value back instead of returning `false`.
//! - Dropping the ring drops what is in it; Go leaves that to its collector.
//! - The limit of 2^30 slots is Go's. On targets without 64-bit atomics, where Go falls back to a lock, the
//!   word is 32 bits and the limit 2^14.
//! - Go's ring is always part of a chain. This one also stands alone, on the heap or inline.
