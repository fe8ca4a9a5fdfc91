//! Ring memory: when it is taken, when it comes back, and what happens when there is none. A counting
//! allocator tells.
#![cfg(not(pool_loom))]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::thread;

use common::{Choices, Counted, Drops, scaled};
use pool_chain::raw::{Chain, FIRST_CAPACITY};
use pool_chain::{Full, MAX_CAPACITY, Reason, unbounded, with_limit};
use pool_dequeue::raw::BoxedRing;

struct Counting;

/// As large as a node, which nobody else sees: a ring, two links and a count.
struct Node {
    _ring: BoxedRing<u8>,
    _links: [usize; 3],
}

/// Bytes that are allocated by anybody.
static LIVE: AtomicUsize = AtomicUsize::new(0);
/// Allocations made by anybody.
static MADE: AtomicUsize = AtomicUsize::new(0);

std::thread_local! {
    /// How many more rings and nodes this thread gets.
    static LEFT: Cell<usize> = const { Cell::new(usize::MAX) };
    /// Allocations that this thread made or was refused.
    static ASKED: Cell<usize> = const { Cell::new(0) };
    /// How many of them were nodes: as many as there were rings.
    static NODES: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: the system's allocator, counted; a null pointer is the way to refuse.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // crossbeam-epoch aborts without memory, so only the chain's own allocations are ever refused: a
        // ring of pages, and a node.
        let node = layout == Layout::new::<Node>();
        let own = node || layout.size() >= size_of::<Page>();
        let refuse = LEFT
            .try_with(|left| {
                ASKED.set(ASKED.get() + 1);
                NODES.set(NODES.get() + usize::from(node));
                if !own {
                    return false;
                }
                let now = left.get();
                left.set(now - usize::from(now != 0 && now != usize::MAX));
                now == 0
            })
            .unwrap_or(false);
        if refuse {
            return ptr::null_mut();
        }
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        MADE.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What the test runner and crossbeam-epoch's book-keeping may have on top.
const SLACK: usize = 64 * 1024;

/// A value so big that a ring of it is told from everything else.
type Page = [u8; 4096];

/// One test at a time, because the counts are everybody's.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let guard = ALONE
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    // crossbeam-epoch's first use on a thread registers it.
    Chain::<u8>::new().collect();
    guard
}

fn live() -> usize {
    LIVE.load(Ordering::Relaxed)
}

/// Asserts that no more is live than was before.
#[track_caller]
fn assert_given_back(before: usize) {
    let left = live().saturating_sub(before);
    assert!(left <= SLACK, "{left} bytes are left");
}

/// How many allocations this thread makes in `f`.
fn allocations(f: impl FnOnce()) -> usize {
    let before = ASKED.get();
    f();
    ASKED.get() - before
}

/// Asserts that this thread makes no ring in `f`, and hardly any allocation for all of its `operations`:
/// crossbeam-epoch clears up after a thread that has ended, now and then.
#[track_caller]
fn assert_no_churn(operations: usize, f: impl FnOnce()) {
    let before = NODES.get();
    let asked = allocations(f);
    assert_eq!(NODES.get() - before, 0, "rings were made");
    assert!(asked <= 1 + operations / 1000, "{asked} allocations");
}

/// Runs `f` with an allocator that has room for so many rings and nodes.
fn with_room_for<R>(own: usize, f: impl FnOnce() -> R) -> R {
    LEFT.set(own);
    let result = f();
    LEFT.set(usize::MAX);
    result
}

/// A chain costs its two handles until the first push, and a raw one nothing at all.
#[test]
fn nothing_before_the_first_push() {
    let _alone = alone();
    static CHAIN: Chain<u64> = Chain::new();
    let none = allocations(|| {
        assert_eq!(CHAIN.pop_tail(), None);
        assert_eq!(CHAIN.pop_tail_batch(9, |_| ()), 0);
        assert!(CHAIN.is_empty());
        assert_eq!((CHAIN.len(), CHAIN.rings(), CHAIN.capacity()), (0, 0, 0));
        // SAFETY: this thread is the only producer.
        assert_eq!(unsafe { CHAIN.pop_head() }, None);
        // SAFETY: as above.
        assert!(unsafe { CHAIN.detach() }.next().is_none());
    });
    assert_eq!(none, 0);
    let mut ends = None;
    assert_eq!(allocations(|| ends = Some(unbounded::<u64>())), 1);
    let (mut producer, consumer) = ends.unwrap();
    assert_eq!(
        allocations(|| {
            assert_eq!((producer.pop_head(), consumer.pop_tail()), (None, None));
            producer.shrink();
            assert_eq!(producer.push_head_batch(std::iter::empty()), 0);
        }),
        0
    );
    assert_eq!(allocations(|| producer.push(1)), 2, "the ring and its node");
}

/// After a burst, `shrink` returns the chain to its first ring, and all other memory to the allocator.
#[test]
fn burst_then_shrink() {
    const BURST: usize = scaled(1_000_000, 500);
    let _alone = alone();
    for from_head in [true, false] {
        let before = live();
        let (mut producer, consumer) = unbounded();
        producer.push_head_batch(0..BURST);
        assert!(live() - before >= BURST * size_of::<usize>());
        if from_head {
            assert_eq!(producer.pop_head_batch(usize::MAX).count(), BURST);
        } else {
            while consumer.pop_tail().is_some() {}
        }
        producer.shrink();
        assert_eq!(producer.capacity(), FIRST_CAPACITY);
        assert_given_back(before);
    }
}

/// A few values left at the tail keep what they are in; once they are gone, so is the rest.
#[test]
fn shrink_with_values_left() {
    const BURST: usize = scaled(100_000, 500);
    let _alone = alone();
    let before = live();
    let (mut producer, consumer) = unbounded();
    producer.push_head_batch(0..BURST);
    for _ in 0..BURST - 3 {
        consumer.pop_tail().unwrap();
    }
    // The last ring is too big for three values: a small one follows, and the owner works in that.
    producer.shrink();
    let small = producer.capacity();
    producer.shrink();
    producer.shrink();
    assert_eq!(producer.capacity(), small, "shrinking again adds nothing");
    producer.push(BURST);
    for expected in BURST - 3..=BURST {
        assert_eq!(consumer.pop_tail(), Some(expected));
    }
    producer.shrink();
    assert_eq!(producer.capacity(), FIRST_CAPACITY);
    assert_given_back(before);
}

/// The owner's batch keeps the older ring that it is in, though others have emptied and unlinked it; that goes when the
/// owner next looks at its rings.
#[test]
fn a_head_batch_keeps_an_older_ring() {
    const SIZE: usize = SLACK;
    let _alone = alone();
    let collect = || (0..8).for_each(|_| Chain::<u8>::new().collect());
    let (mut producer, consumer) = unbounded();
    for _ in 0..=FIRST_CAPACITY {
        producer.push([1u8; SIZE]);
    }
    let both = producer.capacity();
    assert!(producer.pop_head().is_some());
    let batch = producer.pop_head_batch(2);
    while consumer.pop_tail().is_some() {}
    assert_eq!(consumer.capacity(), both - FIRST_CAPACITY);
    collect();
    let before = live();
    drop(batch);
    assert_eq!(producer.capacity(), both - FIRST_CAPACITY);
    assert!(producer.pop_head().is_none());
    collect();
    let freed = before - live();
    assert!(freed >= FIRST_CAPACITY * SIZE, "{freed} bytes");
}

/// Without a call, too: after a burst, light use brings the chain back.
#[test]
fn light_use_shrinks() {
    const BURST: usize = scaled(100_000, 60);
    let _alone = alone();
    let (mut producer, consumer) = unbounded();
    producer.push_head_batch(0..BURST);
    while consumer.pop_tail().is_some() {}
    let big = producer.capacity();
    assert!(MAX_CAPACITY < BURST || big >= BURST / 2, "{big} slots");
    // The first judgement still knows of the burst; the second does not.
    for number in 0..3 * big.max(1024) {
        producer.push(number);
        producer.push(number);
        producer.pop_head();
        consumer.pop_tail();
    }
    assert_eq!(producer.capacity(), FIRST_CAPACITY);
}

/// A burst that comes again and again finds the ring of the last one: no allocation, from either end.
#[test]
fn repeated_bursts_do_not_allocate() {
    let _alone = alone();
    let (mut producer, consumer) = unbounded();
    let mut burst = |count: usize, from_head: bool| {
        for number in 0..count {
            producer.push(number);
        }
        for _ in 0..count {
            let value = if from_head {
                producer.pop_head()
            } else {
                consumer.pop_tail()
            };
            assert!(value.is_some());
        }
    };
    // A burst of a ring of the greatest capacity at most: narrow indices make rings of every few values.
    let count = 100.min(MAX_CAPACITY);
    for from_head in [true, false] {
        for _ in 0..4 {
            burst(count, from_head);
        }
        let rounds = if cfg!(miri) { 20 } else { 1000 };
        assert_no_churn(2 * count * rounds, || {
            (0..rounds).for_each(|_| burst(count, from_head))
        });
    }
}

/// Going up and down across the capacity of a ring allocates when the chain grows, and then no more. So
/// there is no need for a cache of rings.
#[test]
fn the_border_of_a_ring_does_not_churn() {
    let _alone = alone();
    for border in [1, 2, FIRST_CAPACITY, 2 * FIRST_CAPACITY, 64, 256] {
        if 4 * border > MAX_CAPACITY {
            continue;
        }
        let (mut producer, consumer) = unbounded();
        producer.push_head_batch(0..border);
        let mut step = |from_head: bool| {
            for _ in 0..3 {
                producer.push(0);
            }
            for _ in 0..3 {
                let value = if from_head {
                    producer.pop_head()
                } else {
                    consumer.pop_tail()
                };
                assert!(value.is_some());
            }
        };
        for from_head in [true, false] {
            (0..border).for_each(|_| step(from_head));
            let rounds = if cfg!(miri) { 50 } else { 20_000 };
            assert_no_churn(6 * rounds, || (0..rounds).for_each(|_| step(from_head)));
        }
    }
}

/// A load that goes up and down by a factor of a hundred makes the chain grow and shrink, but far more
/// seldom than it pushes.
#[test]
fn breathing_is_cheap() {
    const BREATHS: usize = scaled(30, 3);
    let _alone = alone();
    let (mut producer, consumer) = unbounded();
    let mut pushes = 0;
    let mut run = || {
        for _ in 0..BREATHS {
            for (values, rounds) in [(1000, 3), (10, 2000)] {
                for _ in 0..rounds {
                    pushes += producer.push_head_batch(0..values);
                    assert_eq!(producer.pop_head_batch(values / 2).count(), values / 2);
                    while consumer.pop_tail().is_some() {}
                }
            }
        }
    };
    let allocations = allocations(&mut run);
    if MAX_CAPACITY >= 1 << 14 {
        assert!(
            allocations > BREATHS,
            "it did shrink and grow: {allocations}"
        );
        assert!(
            allocations * 300 < pushes,
            "{allocations} in {pushes} pushes"
        );
    }
}

/// The same with thieves, who block a ring now and then by being stopped inside a slot.
#[test]
fn thieves_do_not_make_it_churn() {
    const PUSHES: usize = scaled(500_000, 300);
    let _alone = alone();
    for held in [1, 7, 100] {
        let (mut producer, consumer) = unbounded();
        let done = AtomicBool::new(false);
        let before = MADE.load(Ordering::Relaxed);
        let mut most = 0;
        thread::scope(|scope| {
            for _ in 0..2 {
                let (consumer, done) = (consumer.clone(), &done);
                scope.spawn(move || {
                    while !done.load(Ordering::Relaxed) {
                        if consumer.pop_tail().is_none() {
                            thread::yield_now();
                        }
                    }
                });
            }
            for number in 0..PUSHES {
                producer.push(number);
                if number % 64 == 0 {
                    most = most.max(producer.capacity());
                }
                if number % held == 0 {
                    producer.pop_head();
                    // Thieves who get no turn must not decide how many values there are.
                    while producer.len() > held {
                        producer.pop_head();
                    }
                }
            }
            done.store(true, Ordering::Relaxed);
        });
        let made = MADE.load(Ordering::Relaxed) - before;
        if MAX_CAPACITY >= 1 << 14 {
            assert!(made * 50 < PUSHES, "{made} allocations in {PUSHES} pushes");
            assert!(most <= 2048, "{most} slots for {held} values");
        }
    }
}

/// A thief that is stopped between claiming a slot and moving the value out blocks its ring; the chain goes
/// on in rings of the same size, and does not grow with the time that the thief sleeps.
#[test]
fn a_sleeping_thief_does_not_make_it_grow() {
    const LAPS: usize = scaled(200_000, 500);
    let _alone = alone();
    let (mut producer, consumer) = unbounded();
    let mut sleepers = Vec::new();
    let mut choices = Choices::new(7);
    let mut most = 0;
    for number in 0..LAPS {
        producer.push(number);
        if number % (LAPS / 10) == 0 {
            // Claimed, and not taken out until the end.
            sleepers.push(consumer.pop_tail_batch(1));
        } else if choices.below(2) == 0 {
            consumer.pop_tail();
        } else {
            producer.pop_head();
        }
        most = most.max(producer.capacity());
    }
    assert_eq!(
        sleepers.iter().map(ExactSizeIterator::len).sum::<usize>(),
        sleepers.len()
    );
    assert!(most <= 256, "{most} slots for at most two values");
}

/// An allocator without room: the value comes back, the chain is as before, and works on with what it has.
#[test]
fn out_of_memory() {
    let _alone = alone();
    /// The number of a value that was refused, and why.
    fn refused(pushed: Result<(), Full<(Counted, Page)>>) -> Option<(usize, Reason)> {
        let full = pushed.err()?;
        let reason = full.reason();
        Some((full.into_inner().0.number, reason))
    }

    let drops = Drops::new(200);
    let page = |number| (drops.value(number), [number as u8; size_of::<Page>()]);
    let (mut producer, consumer) = unbounded();
    let mut values = (0..200).map(page);
    // A ring and a node are needed; either may be the one that there is no room for.
    for room in [0, 1] {
        let value = values.next().unwrap();
        let number = with_room_for(room, || refused(producer.push_head(value)));
        assert_eq!(number, Some((room, Reason::OutOfMemory)));
        assert_eq!((producer.capacity(), producer.len()), (0, 0));
    }
    // A batch takes what there are slots for, and leaves the rest where it was.
    let count = with_room_for(2, || producer.push_head_batch(&mut values));
    assert_eq!(
        (count, producer.capacity()),
        (FIRST_CAPACITY, FIRST_CAPACITY)
    );
    let value = values.next().unwrap();
    let number = with_room_for(1, || refused(producer.push_head(value)));
    assert_eq!(number, Some((FIRST_CAPACITY + 2, Reason::OutOfMemory)));
    assert_eq!(consumer.pop_tail().unwrap().0.number, 2);
    // A slot is all that the next one needs.
    with_room_for(0, || producer.push(values.next().unwrap()));
    assert_eq!(
        producer.push_head_batch(&mut values),
        200 - FIRST_CAPACITY - 4
    );
    drop(producer.pop_head_batch(usize::MAX));
    assert_eq!(producer.pop_head().map(|value| value.0.number), None);
    // Without room for a smaller ring, the bigger one stays.
    let capacity = producer.capacity();
    with_room_for(0, || producer.shrink());
    assert_eq!(producer.capacity(), capacity);
    producer.shrink();
    assert_eq!(producer.capacity(), FIRST_CAPACITY);
    drop(values);
    drops.assert_once_each();
}

/// `push_head` has no way to give its value back, and ends the process as `Vec::push` does. Runs itself again, because
/// it does not survive that.
#[test]
#[cfg(not(miri))]
fn out_of_memory_without_a_way_back() {
    const CHILD: &str = "POOL_CHAIN_TEST_CHILD";
    if std::env::var_os(CHILD).is_some() {
        let (mut producer, _consumer) = unbounded();
        with_room_for(0, || producer.push([0_u8; size_of::<Page>()]));
        // The parent asks for more than a failure.
        std::process::exit(0);
    }
    let _alone = alone();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "out_of_memory_without_a_way_back", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("memory allocation of"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}

/// A chain with a limit makes no more rings than its limit needs.
#[test]
fn a_limit_bounds_the_rings() {
    let _alone = alone();
    let (mut producer, consumer) = with_limit(100);
    let mut most = 0;
    for number in 0..scaled(100_000, 1000) {
        let _refused = producer.push_head(number);
        if number % 3 == 0 {
            consumer.pop_tail();
        }
        most = most.max(producer.capacity());
    }
    assert!(
        MAX_CAPACITY < 256 || most <= 8 + 16 + 32 + 64 + 128,
        "{most} slots"
    );
}

/// Dropping a chain, or what was detached from one, gives its memory back.
#[test]
fn dropping_frees() {
    const ITEMS: usize = scaled(100_000, 500);
    let _alone = alone();
    for detached in [false, true] {
        let before = live();
        let chain = Chain::new();
        // SAFETY: this thread is the only producer.
        assert_eq!(unsafe { chain.push_head_batch(&mut (0..ITEMS)) }, ITEMS);
        if detached {
            // SAFETY: as above.
            drop(unsafe { chain.detach() });
            assert_eq!((chain.rings(), chain.len()), (0, 0));
            chain.collect();
        } else {
            drop(chain);
        }
        assert_given_back(before);
    }
}

/// Dropping a long chain does not recurse.
#[test]
fn a_million_values_dropped_on_a_small_stack() {
    const ITEMS: usize = scaled(1_000_000, 2000);
    let _alone = alone();
    let drops = AtomicUsize::new(0);
    struct Value<'a>(&'a AtomicUsize);
    impl Drop for Value<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    for detached in [false, true] {
        let chain = Chain::new();
        let mut values = (0..ITEMS).map(|_| Value(&drops));
        // SAFETY: this thread is the only producer.
        assert_eq!(unsafe { chain.push_head_batch(&mut values) }, ITEMS);
        thread::scope(|scope| {
            thread::Builder::new()
                .stack_size(64 * 1024)
                .spawn_scoped(scope, move || {
                    if detached {
                        // SAFETY: the producer's role has moved here with the chain.
                        drop(unsafe { chain.detach() });
                    }
                    drop(chain);
                })
                .unwrap();
        });
        assert_eq!(drops.swap(0, Ordering::Relaxed), ITEMS);
    }
}
