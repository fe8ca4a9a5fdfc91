//! How the values work, and why they may: a page to read, with nothing to call.
//!
//! Three layers: a [slot](#the-slot) holds an `Arc` and protects loads of it;
//! [`AtomicValue`](crate::AtomicValue) is a slot with Go's operations and a [reader's
//! cache](#the-readers-cache); [`AnyValue`](crate::AnyValue) is an `AtomicValue` whose content [knows its
//! type](#anyvalue). Only the first has atomics of its own. The invariants are numbered; `SAFETY` comments in
//! the source cite them by number, and `ORDERING` comments name their partner by function.
//!
//! # The slot
//!
//! ```text
//!   slot                       one record a thread, in a list that only grows
//!   ┌───────┐                  ┌─────────┬────────────────┬────────┐   ┌─────────┬──
//!   │ value │──► Arc<T>        │ loading │ debts, eight   │ leased │──►│ loading │ …
//!   └───────┘    ▲   ▲         │ slot? 0 │ value? 0  …    │        │   │         │
//!                │   │         └─────────┴───┬────────────┴────────┘   └─────────┴──
//!       counted ─┘   └── owed ───────────────┘
//!       by the slot      by a guard
//! ```
//!
//! The difficulty is the moment between reading the pointer and being counted. A load goes like this:
//!
//! ```text
//!   load (slot)                                  replacement (slot, new)
//!   L1  loading := slot, turn    release         S1  old := exchange(value, new)  acquire, release
//!   L2  fence                    SC              S2  fence                        SC
//!   L3  p := value               acquire         S3  for each record:
//!   L4  a free debt := p         release         S4     loading names slot: wait until it changes   acquire
//!       or: count p                              S5     debts that are old: count old,
//!   L5  loading := 0             release                then exchange(debt, old → 0)   release
//!   …   use p                                    S6  old is the caller's
//!   G1  exchange(debt, p → 0)    release
//!       failed: give the count back  acquire
//! ```
//!
//! L1 to L5 is the *window*. S3 to S5 is the *sweep*. The *turn* counts a thread's windows in the two or three bits that the
//! address of a slot leaves free, so that a sweep sees that one window has ended although the next one has begun.
//!
//! | state of a debt | means | leaves to |
//! |---|---|---|
//! | 0 | free | *p*: the leaseholder of the record, in its window (L4) |
//! | *p* | a guard uses *p* and has not been counted | 0 by its guard (G1): it was never counted. 0 by a sweep (S5): it is counted now, and gives that back |
//!
//! # Invariants
//!
//! - **R1** Records are made by `push` and live for ever. They are only ever shared. `next` does not change
//!   once the record is in the list, and nothing leaves the list.
//! - **R2** A slot's `value` is null or came from `Arc::into_raw`, and the slot owns one reference to it. An
//!   exchange hands that reference to whoever made it.
//! - **R3** A value that was read in a window (L3) is not freed before the window ends.
//! - **R4** A guard owes (`debt` is set and holds its value), or a reference has been counted for it: at the
//!   start, or by the sweep that struck its debt. It gives a reference back in the second case alone.
//! - **R5** A debt that is not 0 is the address of a value that is alive; so of two equal addresses, one in a
//!   debt and one held by a sweep, both are the same object.
//! - **R6** Giving up leaks. When a sweep's patience with a window ends, it leaves one reference to the old
//!   value for ever.
//! - **R7** No user code runs in a window or a sweep: no destructor, comparison or closure, nor anything that
//!   could panic.
//!
//! ## Why they hold
//!
//! *R3.* Let a window of a thread read `p` from the slot at L3, and let a replacement take `p` out at S1.
//! Both have a fence between their write and their read, and the two fences have an order. If L2 is first, S4
//! reads the announcement of L1 or something that was written to `loading` later. If it reads the
//! announcement, it waits until `loading` is another word. What it then reads, or has read at once instead of the
//! announcement, was written after L5 of this window, by a
//! release store (L1 of a later window, or L5), or by a later leaseholder, who acquired the lease that the
//! earlier one released; so the sweep, which reads with acquire, sees the debt of L4 or what became of it.
//! The record itself is in the list that S3 reads, for it was pushed before L1. If S2 is first, L3 reads what
//! S1 wrote or something later. It reads `p` only if somebody stored the same `Arc` again, and then the
//! reference of that store is the one that matters, and the replacement that takes it out. So when the sweep
//! has passed the record, the window has ended or never had `p`; and until then the sweep holds the slot's
//! reference. A window that begins while the sweep waits needs no wait: the sweep's first look did not read its
//! announcement, so S2 is before its L2. If the turns come round between two looks and the sweep reads the same word
//! again, it waits longer than it has to.
//!
//! *R4.* A debt is filled by the leaseholder alone, when it is free. It is struck out by one
//! compare-exchange, of the guard or of a sweep, so one of them learns that it was the one. A sweep counts
//! the reference before the exchange and keeps it if it fails. Two guards of *one* object may exchange their
//! debts: a guard whose debt was paid finds, in the same place, the debt of a later guard of the same object,
//! and strikes that. The later one then fails and gives back the reference that was counted for the first.
//! The number of references is right at all times, and never lower than the number of guards that do not owe.
//!
//! *R5.* A debt is filled in a window, with the value that the window read, which is alive until the window
//! ends (R3). Whoever takes it out of the slot passes the record after that and counts it, unless the guard
//! has struck the debt. So the object is alive as long as the debt stands. An address is that of one live
//! object at most: the byte before it belongs to the counters of its own allocation, also if the value has no
//! size.
//!
//! *R7.* A window consists of stores to the record, a fence, a load, and perhaps an increment. A sweep clones
//! an `Arc`, of which it holds another, so that dropping the clone is never the last. The record of a thread
//! is made before its first window. Memory comes from the allocator there, and an allocator that uses an
//! `AtomicValue` for that would call itself without end.
//!
//! *Orderings of counts.* A paid guard's decrement must come after the sweep's increment, although both are
//! relaxed or release in `Arc`. The sweep's exchange (S5) releases, and the guard's failed exchange (G1)
//! acquires. If the debt has been filled again meanwhile, G1 reads what the leaseholder wrote, who had
//! acquired the 0 and released the new debt. The chain does not break. In the same way it carries a guard's
//! reads to the sweep that frees the value.
//!
//! ## Progress
//!
//! A load has no loop but the one over eight debts. A replacement waits for windows of its own slot only. A
//! thread in a window is a few instructions from its end and takes no lock, so the wait ends unless that
//! thread does not run: preempted (the wait yields, then sleeps, so that a thread of lower priority gets its
//! turn), or stopped. After a thousand sleeps of a millisecond the wait is given up (R6).
//!
//! *After a fork* the child has lost all threads but one. A function that `pthread_atfork` runs there first ends their windows
//! and their leases. It takes no lock and allocates nothing. It need not look at its own thread's record: no user code runs in a
//! window, so no thread forks in one. What guards of lost threads owe stays until a replacement counts it, and then nobody gives
//! it back: the child leaks the versions that lost threads held, and none that it stores itself. Patience could not do that: a
//! stopped thread that comes back would use what had been freed. Where a child is made by the bare system call, nothing runs
//! there, and a lost thread is waited for as a stopped one is.
//!
//! # The reader's cache
//!
//! - **C1** A reader compares the slot's address with that of an `Arc` that it holds. It holds it, so no
//!   other object can have the address: equal means the same object. (An address that comes back with another
//!   value, the pattern known as ABA, needs the object to be freed in between.)
//!
//! The load is an acquire load although the object's content is visible already, for the sake of an `Arc`
//! that is stored a second time: a thread that knows that it was out meanwhile may conclude that it sees the
//! second store, and then must see what came before it.
//!
//! # `AnyValue`
//!
//! An entry holds a value, its `TypeId` and its name, behind one pointer.
//!
//! - **A1** An `AnyValue` is empty, then holds entries of one type for ever. The first entry is stored by a
//!   compare-and-swap from empty. Any other is stored by someone who has seen an entry of the same type; that
//!   the entry has been replaced since does no harm.
//! - **A2** An entry's `TypeId` is that of its value. A guard for `T` is made after comparing the `TypeId`. It may then be
//!   used as a guard for a type that `T` is a subtype of; what it hands out is cast, not compared again.
//!
//! Go keeps type and data in two words and marks the first store as under way in between; its
//! compare-and-swap once took that mark for a type (golang/go#52612). Here there is no such state.
//!
//! # Orderings
//!
//! | access | ordering | partner | without it |
//! |---|---|---|---|
//! | `open`: store `loading` | release | `await_window` | a sweep that reads the announcement of a later window misses an earlier debt |
//! | `open`: fence, `removed`: fence | SC | each other | neither sees the other (store buffering): use after free |
//! | `load_through`, `load_arc`: load `value` | acquire | `swap`, `compare_exchange` | content not visible |
//! | `address`: load `value` | acquire | the same | the second store of an `Arc` orders nothing |
//! | `swap`, `compare_exchange` | release | the loads | content not visible |
//! | the same | acquire | each other | the old value's content not visible to who took it; the fence that follows would do, but ThreadSanitizer knows no fences |
//! | `Window::drop`: store `loading` | release | `await_window` | a sweep misses the debt or the count |
//! | `await_window`: load `loading` | acquire | `Window::drop`, `open` | the same |
//! | `is_free`: load | acquire | `strike` | what a sweep counted, or a guard read, is not passed on by the next `owe` |
//! | `owe`: store | release | `owes`, `strike` | the same |
//! | `owes`: load | acquire | `strike` | a value is freed while a guard that is gone may still have read it |
//! | `strike`, success | release | `owes`, `is_free`, `strike` | the same; a decrement before its increment |
//! | `strike`, failure | acquire | `strike` | the same |
//! | `push`: exchange | release | `records` | a record is read before it is initialised |
//! | `records`: load | acquire | `push` | the same |
//! | `try_lease`: exchange | acquire | `release` | the last leaseholder's 0 replaces the next one's announcement |
//! | `release`: store | release | `try_lease` | the same |
//!
//! The models in `tests/loom.rs` fail for each of these made weaker, but for the acquire that the table calls
//! redundant.
//!
//! # How it is checked
//!
//! *Models.* The atomics come from `sync.rs` and are loom's under the model checker, as is `Arc`: a value
//! that is freed too early, twice or never fails a model, not only a wrong outcome. A record has room for one
//! debt there, so that a second guard takes the counting path. The list of records is made anew for each
//! execution. A waiting sweep explores two looks at a window and then stops branching: a look changes
//! nothing, so what can follow the third can follow the second. Constructors are not `const` under the model
//! checker, whose types have no `const` form.
//!
//! *Miri* runs the tests under both aliasing models, with strict provenance: addresses are compared, never
//! turned into pointers.
//!
//! *Tests only:* that a sweep gives up on a thread that never ends its window, and that a fork ends the windows that it loses. Unit
//! tests hold a thread there, and `tests/fork.rs` forks while threads load and store, until some were in the middle of it.
//!
//! # Why not arc-swap
//!
//! It would be the obvious thing to build on, and could stand behind the private module that holds records
//! and debts. When this crate was designed, arc-swap was at version 1.9.3, and a load could return the value of
//! another instance. A load of its default strategy publishes the pointer in a place of its thread's own (the debt),
//! looks again whether it is still the current one, and lets a writer that takes the value away pay what it
//! finds. It publishes the pointer *before* it knows that the value is alive, and writers could not tell such a debt
//! from one that is owed:
//!
//! ```text
//!   reader of X                       elsewhere
//!   p := X
//!                                     X's value is replaced and freed: nobody owes it
//!                                     the memory at p becomes a value of Y, of another type
//!   debt := p
//!                                     Y's value is replaced; the writer finds p, counts
//!                                     Y's value for the reader, and strikes the debt
//!   X is not p any more: strike the
//!   debt. It is gone, so it was paid:
//!   use p
//! ```
//!
//! The reader then held a reference to Y's value as if it were one of X (vorner/arc-swap#210). Version 1.9.5 mended
//! that: a debt that is not confirmed yet names the instance that is loaded from, and writers of other instances
//! pass it over. Version 1.9.4 had mended another: the debt of an `Arc` was taken for that of a `Weak` to the same
//! object, which was then freed while in use (vorner/arc-swap#214).
//!
//! Here neither can happen by construction. A debt is written only while its value cannot be freed (R3), so every debt
//! found is owed (R5); what is published early is the *slot* that is loaded from, which its borrow keeps alive, and which
//! no writer settles. There is one kind of reference to a value, a strong one. The price is that a replacement waits for windows, where arc-swap helps the reader out. It
//! also makes the sweep cheaper (it reads where arc-swap exchanges), and lets a model checker see all of it.
//!
//! The other ways that were weighed: arc-swap's `rwlock-strategy` is sound, but has no `const` constructor,
//! drops a refused value under its lock, and makes readers write to one word; an `RwLock<Option<Arc<T>>>` has
//! the last of these alone. Validating the announced pointer by a second exchange would make replacements
//! lock-free and loads half as expensive again. Epochs would free old values late.
//!
//! The fence of a load is what is left to win: with an asymmetric barrier (`membarrier`) the announcement
//! would be a plain store. The two fences stand in one function each, so that it can be done there.
