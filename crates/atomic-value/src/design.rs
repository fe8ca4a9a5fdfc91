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
//!   ┌───────┐                  ┌─────────┬───────┬─────────────────────┬────────┐   ┌─────────┬──
//!   │ value │──► Arc<T>        │ loading │ trust │ debts, eight        │ leased │──►│ loading │ …
//!   │ mode  │    ▲   ▲         │ slot? 0 │       │ owed? paid? …       │        │   │         │
//!   └───────┘    │   │         └─────────┴───────┴──┬──────────────────┴────────┘   └─────────┴──
//!       counted ─┘   └── owed ──────────────────────┘
//!       by the slot      by a guard
//! ```
//!
//! The difficulty is the moment between reading the pointer and being counted. A load announces itself first, and who
//! replaces the value looks for announcements afterwards: each side writes and then reads what the other one writes, so
//! both need a barrier in between. Where there is an asymmetric one (`pool_gate`), loads use its light side, which is no
//! instruction, and replacements the heavy one, a system call. Elsewhere, and for values that are stored to often, both
//! use fences. A load goes like this:
//!
//! ```text
//!   load (slot)                                  replacement (slot, new)
//!   L1  loading := slot, turn    release         S1  old := exchange(value, new)  acquire, release
//!   L2  light barrier; mode and trust LIGHT?     S2  fence                        SC
//!       otherwise: fence         SC                  mode not FENCES: heavy barrier
//!   L3  p := value               acquire         S3  for each record:
//!   L4  a free debt := p         release         S4     loading names slot: wait until it changes   acquire
//!       otherwise p + 1, or: count p             S5     debts that are old: settle them
//!   L5  loading := 0             release         S6  old is the caller's
//!   …   use p
//!   drop the guard
//! ```
//!
//! L1 to L5 is the *window*. S3 to S5 is the *sweep*. The *turn* counts a thread's windows in the two or three bits that the
//! address of a slot leaves free, so that a sweep sees that one window has ended although the next one has begun.
//!
//! ## Debts
//!
//! A debt is of the kind of its load, the light or the fenced one, and is given up and settled in the way of its kind,
//! whatever the mode of the slot is by then. The guard knows the kind.
//!
//! ```text
//!   the guard, light                             the sweep, light
//!   G1  owed := CLOSING          release         T1  owed = old and paid is not PAID:
//!   G2  light barrier                                exchange(paid → own ticket)
//!   G3  while paid is not 0:                     T2  one heavy barrier for all of them
//!           exchange(paid → 0)   acquire         T3  a debt that has the ticket:
//!           it was PAID: settled                        owed = old still: count old,
//!   G4  owed := 0                release                   exchange(ticket → PAID)   release
//!   G5  settled: give the count back                    otherwise exchange(ticket → 0)
//!                                                T4  again from T1, if tickets were left or displaced
//!
//!   the guard, fenced                            the sweep, fenced
//!   F1  exchange(owed, p + 1 → 0)  release       U1  owed = old + 1: count old,
//!       failed: give the count back  acquire            exchange(owed, old + 1 → 0)  release
//! ```
//!
//! A *ticket* is an address in the sweep's own stack, which no other sweep has at the time.
//!
//! | state of `owed` | means | leaves to |
//! |---|---|---|
//! | 0 | free | *p* or *p* + 1: the leaseholder of the record, in its window (L4) |
//! | *p* | a guard of the light kind uses *p* | `CLOSING` by its guard |
//! | `CLOSING` | that guard is being dropped | 0 by its guard, or, if that was lost in a fork, by the child |
//! | *p* + 1 | a guard of the fenced kind uses *p* and has not been counted | 0 by its guard: it was never counted. 0 by a sweep: it is counted now, and gives that back |
//!
//! | state of `paid` | means | leaves to |
//! |---|---|---|
//! | 0 | not settled | a ticket, by a sweep |
//! | a ticket | a sweep has seen the debt | `PAID` or 0 by its sweep; another ticket by another sweep; 0 by the guard |
//! | `PAID` | a reference has been counted for the guard | 0 by the guard, which gives it back |
//!
//! ## Modes
//!
//! ```text
//!   UNDECIDED ──first load──► LIGHT ◄────── TURNING ◄──────┐
//!       │                       └──────────►  │  ▲         │
//!       └──first replacement, or no barrier──►FENCES ──────┘
//! ```
//!
//! | mode | loads | replacements |
//! |---|---|---|
//! | `LIGHT` | light barrier | heavy barrier |
//! | `TURNING` | fence | heavy barrier |
//! | `FENCES` | fence | fence |
//!
//! A turn is: an exchange to `TURNING`, a heavy barrier, an exchange to the new mode. Both exchanges name the number of the turn, so
//! that a thread that was stopped in the middle of one does not end a later one. Any thread may end a turn that it finds
//! under way, with a heavy barrier of its own. Replacements turn a slot to `FENCES` when eight of them came within some
//! hundred microseconds, and back when 64 took more than four milliseconds; loads, of which every 64th behind a fence looks, turn it back
//! when there were no stores for as long.
//!
//! # Invariants
//!
//! - **R1** Records are made by `push` and live for ever. They are only ever shared. `next` does not change
//!   once the record is in the list, and nothing leaves the list.
//! - **R2** A slot's `value` is null or came from `Arc::into_raw`, and the slot owns one reference to it. An
//!   exchange hands that reference to whoever made it.
//! - **R3** A value that was read in a window (L3) is not freed before the window ends.
//! - **R4** A guard owes, or a reference has been counted for it: at the start, or by a sweep that settled its debt. It gives a
//!   reference back in the second case alone.
//! - **R5** What `owed` names is alive; so of two equal addresses, one in a debt and one held by a sweep, both are the
//!   same object.
//! - **R6** Giving up leaks. When a sweep's patience with a window ends, when the system refuses the heavy barrier, or
//!   when a sweep has looked a hundred thousand times and still finds debts, it leaks one reference to the old value.
//! - **R7** No user code runs in a window, in a sweep, or while a debt is given up: no destructor, comparison or closure, nor anything that
//!   could panic.
//! - **R8** Who replaces a value without a heavy barrier finds each load by the light one, that may have read the old
//!   value, announced.
//!
//! ## Why they hold
//!
//! *R3, behind fences.* Let a window of a thread read `p` from the slot at L3, and let a replacement take `p` out at S1.
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
//! *R3, behind the barrier.* The heavy barrier has a point in the course of each thread that is a full fence there
//! (`pool_gate::design`, G1). It falls before L3, and then L3 reads what S1 wrote; or after it, and then L1 is visible to S4. The rest is as
//! above. A load behind a fence against a heavy barrier is safe too: the call stands between two fences.
//!
//! *R8.* To `FENCES`: the heavy barrier of the turn falls, for each thread, after its look at the mode in L2, and then its
//! announcement is visible to the turning thread, and through the release of the last exchange to each thread that reads `FENCES`; or
//! before it, and then the load sees `TURNING` and uses a fence. To `LIGHT`: it falls after a replacement's look at the
//! mode, and then the replacement's S1 is visible before the mode is `LIGHT`, so that a load that reads `LIGHT` does not
//! read the old value; or before it, and then the replacement uses the heavy barrier. An undecided slot has seen no
//! replacement without the heavy barrier, and no load by the light one. The look at the mode has to be inside the window, and after
//! the exchange.
//!
//! *The light kind of R4.* The count of T3 is given to the guard that is there. The heavy barrier T2 has a point in the
//! course of the thread that drops the guard. It falls after G1: then T3 sees `CLOSING` or what came later, and pays nothing.
//! Or before it: then G3 sees the ticket of T1, or what was put in its place, and does not end before it has taken that away by
//! an exchange. That is a ticket, whose owner fails in T3 and looks again, or `PAID`. A debt that is `CLOSING` is not
//! free, so no other guard gets it before G4. A ticket that is left in a debt that is free does no harm, so a load need not
//! look at `paid`. `PAID` is not the address of what was paid: a sweep that slept between its look at `owed` and its exchange could
//! take the payment of another object's guard for a ticket.
//!
//! *The fenced kind of R4.* A debt is struck out by one
//! compare-exchange, of the guard or of a sweep, so one of them learns that it was the one. A sweep counts
//! the reference before the exchange and keeps it if it fails. Two guards of *one* object may exchange their
//! debts: a guard whose debt was paid finds, in the same place, the debt of a later guard of the same object and kind,
//! and strikes that. The later one then fails and gives back the reference that was counted for the first.
//! The number of references is right at all times, and never lower than the number of guards that do not owe.
//!
//! *R5.* A debt is filled in a window, with the value that the window read, which is alive until the window
//! ends (R3). Whoever takes it out of the slot passes the record after that and counts it, unless the guard
//! has given the debt up. So the object is alive as long as the debt stands. An address is that of one live
//! object at most: the sixteen bytes before it, counters or padding, belong to its own allocation, also if the value has
//! no size. For the same reason *p* + 1 is not the address of another one.
//!
//! *R7.* A window consists of stores to the record, a fence, loads, and perhaps an increment. A sweep clones
//! an `Arc`, of which it holds another, so that dropping the clone is never the last. A guard's debt is free again before the guard gives its
//! reference back (G4, G5). The record of a thread
//! is made before its first window. Memory comes from the allocator there, and an allocator that uses an
//! `AtomicValue` for that would call itself without end.
//!
//! *Orderings of counts.* A settled guard's decrement must come after the sweep's increment, although both are
//! relaxed or release in `Arc`. The sweep's exchange releases, and the guard's acquires. If a debt of the fenced kind has been filled again
//! meanwhile, F1 reads what the leaseholder wrote, who had
//! acquired the 0 and released the new debt. The chain does not break. In the same way it carries a guard's
//! reads to the sweep that frees the value.
//!
//! ## A refusal
//!
//! A sandbox that begins later may refuse the heavy barrier. Then nothing is known of loads by the light one. `trust` in each
//! record says whether its thread may use it, and is compared with the mode in each load. Who learns of the refusal tells all records
//! (`LIGHT` → `TOLD`, never asked → `CONFIRMED`), runs a fence, and leaks the old value (R6) unless each record is free or
//! `CONFIRMED`. A thread that finds itself told writes `CONFIRMED` with release, uses fences from then on, and thereby shows all its loads of
//! before. A thread that takes a record runs a fence before it asks for the barrier: either the
//! replacement sees the lease, or the thread sees what it was told. Debts of the light kind cannot be settled any more. Their values are
//! leaked, one reference each. A refusal for the moment leaks one version and changes nothing.
//!
//! Whether the barrier was there is never asked of a copy of the answer: a slot is `LIGHT` only after some thread has had the proof, and who reads
//! `LIGHT` with acquire reads no older answer.
//!
//! ## Progress
//!
//! A load has no loop but the one over eight debts. A guard's drop may go round as often as sweeps put tickets there, each of
//! which is behind its second look then. A replacement waits for windows of its own slot only. A
//! thread in a window is a few instructions from its end and takes no lock, so the wait ends unless that
//! thread does not run: preempted (the wait yields, then sleeps, so that a thread of lower priority gets its
//! turn), or stopped. After a thousand sleeps of a millisecond the wait is given up (R6). Two sweeps of one object that find each other's tickets
//! wait for some microseconds and then displace them, so that a stopped one stops nobody.
//! The sweep of an object that other slots hold as well meets debts of loads from there. It cannot tell them from debts
//! whose ticket was displaced, so it settles them, too, and looks again. After a hundred thousand looks, a fraction of a second, it gives up (R6): what it leaks
//! then is one count of an object that is stored elsewhere.
//!
//! *After a fork* the child has lost all threads but one. A function that `pthread_atfork` runs there first ends their windows
//! and their leases, and frees the debts that they were giving up. It takes no lock and allocates nothing. It need not look at its own thread's window: no user code runs in a
//! window, so no thread forks in one. What guards of lost threads owe stays until a replacement counts it, and then nobody gives
//! it back: the child leaks the versions that lost threads held, and none that it stores itself. Patience could not do that: a
//! stopped thread that comes back would use what had been freed. A lost sweep's ticket is displaced. Where a child is made by the bare system call, nothing runs
//! there, and a lost thread is waited for as a stopped one is.
//!
//! Child handlers run in the order of their registration, and ours is registered by the first load that needs a record. A
//! handler that was registered before, and that starts a thread in the child which uses values at once, is outside of what
//! is promised here: that thread would run beside ours. So is a `fork` in a signal handler that came in the middle of a
//! load.
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
//! | `open`, `open_light`: store `loading` | release | `await_window` | a sweep that reads the announcement of a later window misses an earlier debt |
//! | `open`: fence, `removed`: fence | SC | each other | neither sees the other (store buffering): use after free |
//! | `light` barriers | | `heavy` | the same |
//! | `is`: load the mode | acquire | `turn` | a load reads a value that was removed without the heavy barrier |
//! | `order`: load the mode | acquire | `turn` | a sweep misses a window from before the turn |
//! | `turn`: exchanges | acquire, release | each other, and these | the same |
//! | `load_in`, `load_without`, `count_in`: load `value` | acquire | `swap`, `compare_exchange` | content not visible |
//! | `address`: load `value` | acquire | the same | the second store of an `Arc` orders nothing |
//! | `swap`, `compare_exchange` | release | the loads | content not visible |
//! | the same | acquire | each other | the old value's content not visible to who took it; the fence that follows would do, but ThreadSanitizer knows no fences |
//! | `Window::drop`: store `loading` | release | `await_window` | a sweep misses the debt or the count |
//! | `await_window`: load `loading` | acquire | `Window::drop`, `open` | the same |
//! | `is_free`: load | acquire | `strike`, `close` | what a sweep counted, or a guard read, is not passed on by the next `owe` |
//! | `owe`, `owe_fenced`: store | release | `looks_like`, `strike` | the same |
//! | `looks_like`: load | acquire | `strike`, `close` | a value is freed while a guard that is gone may still have read it |
//! | `strike`, success | release | `looks_like`, `is_free`, `strike` | the same; a decrement before its increment |
//! | `strike`, failure | acquire | `strike` | the same |
//! | `close`: stores | release | `looks_like`, `is_free` | a value is freed while its guard may still have read it |
//! | `pay`, `take_back`: exchanges | release, acquire | each other | a decrement before its increment |
//! | `confirm_now`: store `trust` | release | `is_by_fences` | after a refusal, a sweep misses a window or a debt |
//! | `ask`, `all_by_fences`: fence | SC | each other | neither sees the other: a load by the light barrier after a refusal |
//! | `push`: exchange | release | `records` | a record is read before it is initialised |
//! | `records`: load | acquire | `push` | the same |
//! | `try_lease`: exchange | acquire | `release` | the last leaseholder's 0 replaces the next one's announcement |
//! | `release`: store | release | `try_lease`, `is_by_fences` | the same |
//!
//! # How it is checked
//!
//! *Models.* The atomics come from `sync.rs` and are loom's under the model checker, as is `Arc`: a value
//! that is freed too early, twice or never fails a model, not only a wrong outcome. A record has room for one
//! debt there, so that a second guard takes the counting path. The list of records is made anew for each
//! execution. A waiting sweep explores two looks at a window and then stops branching: a look changes
//! nothing, so what can follow the third can follow the second. Constructors are not `const` under the model
//! checker, whose types have no `const` form. Each model says which barrier it runs on. Words that say how
//! loads are protected are explored only in models in which they change.
//!
//! *With store buffers.* The model checker knows no heavy barrier, so both of its sides are full fences there. What that
//! hides, `tests/store_buffers.rs` searches: the protocols above in small, with a buffer for each reader's
//! stores, which the heavy barrier empties. Windows with modes, turns and refusals, and debts, each as they are and with one
//! step left out.
//!
//! *Miri* runs the tests under both aliasing models, with strict provenance: addresses are compared, never
//! turned into pointers. It has no barrier, so that both sides are fences there, too.
//!
//! *Tests only:* that a sweep gives up on a thread that never ends its window, that a fork ends the windows that it loses, and that
//! a refused barrier leaks and nothing worse (`tests/refused.rs`, behind a filter in the kernel). Unit
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
