//! Atomics that count how they are used, in place of the crates' own, under a scheduler that stands for many cores.
//!
//! One thread runs at a time. After every read-modify-write, and every access that others can tell, another one, chosen
//! at random from a fixed seed, goes on: as if each thread had a core of its own and all cores ran equally fast. What two threads touch is thus touched
//! in turns, as on a real machine with that many cores, whatever machine this is. Lines are followed as a coherence
//! protocol would with caches that never forget: a line is with one core that may write it, or with several that may
//! read it.

pub mod atomic;

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// The most threads of a run.
pub const MAX_THREADS: usize = 256;

/// How large a line is. Two neighbours may travel together; the crates keep what matters 128 bytes apart.
const LINE: usize = 64;

/// What an access does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reads.
    Load,
    /// Writes.
    Store,
    /// Reads and writes at once, or tries to.
    Rmw,
    /// Reads memory that is not atomic.
    PlainRead,
    /// Writes memory that is not atomic.
    PlainWrite,
}

/// Threads, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Set([u64; MAX_THREADS / 64]);

impl Set {
    fn only(thread: usize) -> Self {
        let mut set = Self::default();
        set.insert(thread);
        set
    }

    fn insert(&mut self, thread: usize) {
        self.0[thread / 64] |= 1 << (thread % 64);
    }

    fn remove(&mut self, thread: usize) {
        self.0[thread / 64] &= !(1 << (thread % 64));
    }

    fn contains(&self, thread: usize) -> bool {
        self.0[thread / 64] & (1 << (thread % 64)) != 0
    }

    fn len(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }
}

/// A line of memory.
#[derive(Clone, Copy, Debug, Default)]
struct Line {
    /// Who has a copy.
    holders: Set,
    /// Who touched it since the count began.
    touched: Set,
    /// Who read it since then, read-modify-writes included.
    read: Set,
    /// Stores and read-modify-writes since then, and by whom if by one.
    written: u64,
    writers: Set,
    /// How often it went from one core to another since then.
    moved: u64,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    /// Operations, as the threads reported them.
    pub operations: u64,
    /// Atomic loads.
    pub loads: u64,
    /// Atomic stores.
    pub stores: u64,
    /// Atomic read-modify-writes, failed ones included.
    pub rmws: u64,
    /// Full fences.
    pub fences: u64,
    /// Stores and read-modify-writes of lines that another thread reads.
    pub shared_writes: u64,
    /// How often a line had to come from another core.
    pub moves: u64,
    /// The same of the one line that moves most.
    pub hottest: u64,
    /// Lines that more than one thread touched.
    pub shared_lines: u64,
}

impl Tally {
    /// All of it, in the order of its line.
    fn fields(&mut self) -> [&mut u64; 9] {
        [
            &mut self.operations,
            &mut self.loads,
            &mut self.stores,
            &mut self.rmws,
            &mut self.fences,
            &mut self.shared_writes,
            &mut self.moves,
            &mut self.hottest,
            &mut self.shared_lines,
        ]
    }

    /// In one line, for another process.
    #[must_use]
    pub fn numbers(mut self) -> String {
        self.fields().map(|number| number.to_string()).join(" ")
    }

    /// The reverse.
    #[must_use]
    pub fn of_numbers(line: &str) -> Option<Self> {
        let numbers: Result<Vec<u64>, _> = line.split_whitespace().map(str::parse).collect();
        let numbers: [u64; 9] = numbers.ok()?.try_into().ok()?;
        let mut tally = Self::default();
        for (field, number) in tally.fields().into_iter().zip(numbers) {
            *field = number;
        }
        Some(tally)
    }
}

/// The state of a run.
#[derive(Debug, Default)]
struct World {
    lines: HashMap<usize, Line>,
    tally: Tally,
    threads: Vec<Option<Thread>>,
    /// Threads that have not ended.
    live: Vec<usize>,
    /// Threads that count, those that have ended included.
    counting: Set,
    /// How many threads are warm, and how many have done what is counted.
    warm: usize,
    done: usize,
    random: u64,
    /// How far the run has come.
    steps: u64,
    /// Accesses to lines that were there.
    hits: u64,
}

static WORLD: Mutex<Option<World>> = Mutex::new(None);

/// Whose turn it is.
static TURN: AtomicUsize = AtomicUsize::new(NOBODY);
const NOBODY: usize = usize::MAX;

thread_local! {
    /// This thread's number, if its accesses count.
    static NUMBER: Cell<usize> = const { Cell::new(NOBODY) };
}

fn world() -> MutexGuard<'static, Option<World>> {
    WORLD.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    /// Counts an access and says whether others can tell when it happens.
    fn record(&mut self, thread: usize, access: Access, address: usize, size: usize) -> bool {
        if self.counting.contains(thread) {
            match access {
                Access::Load => self.tally.loads += 1,
                Access::Store => self.tally.stores += 1,
                Access::Rmw => self.tally.rmws += 1,
                Access::PlainRead | Access::PlainWrite => {}
            }
        }
        let last = address + size.max(1) - 1;
        let mut shared = access == Access::Rmw;
        for line in address / LINE..=last / LINE {
            shared |= self.touch(thread, access, line);
        }
        shared
    }

    /// Whether the line is anybody else's, too.
    fn touch(&mut self, thread: usize, access: Access, line: usize) -> bool {
        let line = self.lines.entry(line).or_default();
        let reads = matches!(access, Access::Load | Access::PlainRead | Access::Rmw);
        let writes = !matches!(access, Access::Load | Access::PlainRead);
        let cold = line.holders == Set::default();
        let alone = line.holders == Set::only(thread);
        // Nobody's: it comes from memory, which is no matter of cores.
        let moved = !cold
            && if writes {
                !alone
            } else {
                !line.holders.contains(thread)
            };
        if writes {
            line.holders = Set::only(thread);
        } else if !line.holders.contains(thread) {
            line.holders.insert(thread);
        }
        if self.counting.contains(thread) {
            line.touched.insert(thread);
            if reads {
                line.read.insert(thread);
            }
            if matches!(access, Access::Store | Access::Rmw) {
                line.written += 1;
                line.writers.insert(thread);
            }
            line.moved += u64::from(moved);
            self.tally.moves += u64::from(moved);
        }
        // To read what one has a copy of can wait. Now and then it does not, for those who read until it changes.
        self.hits += u64::from(!moved);
        !cold && !alone && (moved || writes || self.hits % 8 == 0)
    }

    fn end(&self) -> Tally {
        let mut tally = self.tally;
        for line in self.lines.values() {
            tally.hottest = tally.hottest.max(line.moved);
            tally.shared_lines += u64::from(line.touched.len() > 1);
            // Read by one other than its only writer, or by anybody beside several writers.
            let foreign = match line.writers.len() {
                0 => false,
                1 => line.read.len() > 1 || (line.read.len() == 1 && line.read != line.writers),
                _ => line.read.len() > 0,
            };
            if foreign {
                tally.shared_writes += line.written;
            }
        }
        tally
    }

    fn next(&mut self) -> usize {
        if self.live.is_empty() {
            return NOBODY;
        }
        // xorshift: the same runs on every machine.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.live[(self.random >> 33) as usize % self.live.len()]
    }
}

/// Counts an access, then lets another thread go on if that can make a difference.
pub fn access(access: Access, address: usize, size: usize) {
    step(|world, me| world.record(me, access, address, size));
}

/// Counts a full fence.
fn full_fence() {
    step(|world, me| {
        if world.counting.contains(me) {
            world.tally.fences += 1;
        }
        false
    });
}

/// For threads of a run that have nothing to do until another one has done something.
pub fn give_way() {
    step(|_, _| true);
}

/// Does something and, if that says so, lets another thread go on.
fn step(record: impl FnOnce(&mut World, usize) -> bool) {
    let me = NUMBER.get();
    if me == NOBODY {
        return;
    }
    let mut guard = world();
    let Some(world) = guard.as_mut() else { return };
    let change = record(world, me);
    world.steps += 1;
    if !change {
        return;
    }
    let next = world.next();
    if next == me {
        return;
    }
    pass(world, next);
    drop(guard);
    wait(me);
}

fn pass(world: &World, next: usize) {
    TURN.store(next, Ordering::Release);
    if let Some(Some(thread)) = world.threads.get(next) {
        thread.unpark();
    }
}

/// How long the run may stand still.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for this thread's turn.
fn wait(me: usize) {
    let mut steps = None;
    let mut since = Instant::now();
    while TURN.load(Ordering::Acquire) != me {
        thread::park_timeout(PATIENCE);
        if since.elapsed() >= PATIENCE {
            let now = Some(with_world(|world| world.steps));
            if steps == now {
                eprintln!(
                    "the thread whose turn it is has died, or waits for a lock that another one holds"
                );
                std::process::abort();
            }
            steps = now;
            since = Instant::now();
        }
    }
}

/// What a thread does in each turn: reports how many operations these were.
pub type Work<'a> = Box<dyn FnMut() -> u64 + 'a>;

/// Runs threads, each of which makes its work itself and does it `warm` times, and then, when all are warm, `turns`
/// times more, which is what is counted.
///
/// # Panics
///
/// When a run is under way, or with no thread or more than [`MAX_THREADS`], or when a thread panics.
pub fn run<'a>(
    threads: usize,
    warm: usize,
    turns: usize,
    make: &(dyn Fn(usize) -> Work<'a> + Sync),
) -> Tally {
    run_and_count(threads, |_| true, warm, turns, make)
}

/// The same, but only what some of the threads do is counted.
///
/// # Panics
///
/// As [`run`].
pub fn run_and_count<'a>(
    threads: usize,
    counted: fn(usize) -> bool,
    warm: usize,
    turns: usize,
    make: &(dyn Fn(usize) -> Work<'a> + Sync),
) -> Tally {
    assert!((1..=MAX_THREADS).contains(&threads), "{threads} threads");
    {
        let mut world = world();
        assert!(world.is_none(), "one run at a time");
        *world = Some(World {
            threads: vec![None; threads],
            live: (0..threads).collect(),
            random: 0x9E37_79B9_7F4A_7C15,
            ..World::default()
        });
    }
    TURN.store(NOBODY, Ordering::Release);
    let ready = std::sync::Barrier::new(threads + 1);
    thread::scope(|scope| {
        for me in 0..threads {
            let ready = &ready;
            scope.spawn(move || {
                with_world(|world| world.threads[me] = Some(thread::current()));
                ready.wait();
                wait(me);
                NUMBER.set(me);
                one_thread(me, counted(me), warm, turns, make);
            });
        }
        ready.wait();
        with_world(|world| pass(world, 0));
    });
    let world = world().take().expect("a run is under way");
    world.end()
}

fn one_thread<'a>(
    me: usize,
    counted: bool,
    warm: usize,
    turns: usize,
    make: &(dyn Fn(usize) -> Work<'a> + Sync),
) {
    let mut work = make(me);
    for _ in 0..warm {
        work();
        give_way();
    }
    with_world(|world| world.warm += 1);
    // Whoever is ready goes on, uncounted, so that nobody is alone while he counts.
    while with_world(|world| world.warm < world.threads.len()) {
        work();
        give_way();
    }
    if counted {
        with_world(|world| world.counting.insert(me));
    }
    for _ in 0..turns {
        let operations = work();
        with_world(|world| world.tally.operations += operations);
        give_way();
    }
    with_world(|world| {
        world.counting.remove(me);
        world.done += 1;
    });
    while with_world(|world| world.done < world.threads.len()) {
        work();
        give_way();
    }
    // What is destroyed at the end of a thread does not count.
    NUMBER.set(NOBODY);
    with_world(|world| {
        world.live.retain(|other| *other != me);
        let next = world.next();
        pass(world, next);
    });
}

fn with_world<R>(change: impl FnOnce(&mut World) -> R) -> R {
    change(world().as_mut().expect("a run is under way"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atomic::{AtomicUsize, fence};

    /// Runs exclude each other.
    static ALONE: Mutex<()> = Mutex::new(());

    #[test]
    fn a_tally_goes_through_a_line_and_back() {
        let line = "1 2 3 4 5 6 7 8 9";
        let tally = Tally::of_numbers(line).expect("nine numbers");
        let expected = Tally {
            operations: 1,
            loads: 2,
            stores: 3,
            rmws: 4,
            fences: 5,
            shared_writes: 6,
            moves: 7,
            hottest: 8,
            shared_lines: 9,
        };
        assert_eq!((tally, tally.numbers().as_str()), (expected, line));
        for wrong in ["", "1 2 3 4 5 6 7 8", "1 2 3 4 5 6 7 8 9 10", "a b"] {
            assert_eq!(Tally::of_numbers(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_shared_counter_moves_almost_always_and_an_own_one_never() {
        let _alone = ALONE.lock();
        let shared = AtomicUsize::new(0);
        let tally = run(8, 10, 100, &|_| {
            let shared = &shared;
            Box::new(move || {
                shared.fetch_add(1, Ordering::Relaxed);
                1
            })
        });
        assert_eq!(tally.operations, 800);
        assert_eq!(tally.rmws, 800);
        assert_eq!(tally.shared_writes, 800);
        assert_eq!(tally.shared_lines, 1);
        assert_eq!(tally.moves, tally.hottest);
        assert!((500..=800).contains(&tally.moves), "{tally:?}");

        let tally = run(8, 10, 100, &|_| {
            let own = Box::new([const { AtomicUsize::new(0) }; 32]);
            Box::new(move || {
                own[16].store(1, Ordering::Relaxed);
                own[16].load(Ordering::Relaxed);
                fence(Ordering::SeqCst);
                fence(Ordering::Acquire);
                1
            })
        });
        assert_eq!(
            (tally.loads, tally.stores, tally.rmws, tally.fences),
            (800, 800, 0, 800)
        );
        assert_eq!(
            (tally.moves, tally.shared_writes, tally.shared_lines),
            (0, 0, 0)
        );
    }

    #[test]
    fn readers_share_a_line_until_somebody_writes() {
        let _alone = ALONE.lock();
        let line = AtomicUsize::new(0);
        let line = &line;
        let tally = run(4, 5, 50, &|_| {
            Box::new(move || {
                line.load(Ordering::Acquire);
                1
            })
        });
        assert_eq!(
            (tally.moves, tally.shared_lines, tally.shared_writes),
            (0, 1, 0)
        );

        let tally = run(2, 5, 50, &|me| {
            Box::new(move || {
                if me == 0 {
                    line.store(1, Ordering::Release);
                } else {
                    line.load(Ordering::Acquire);
                }
                1
            })
        });
        assert_eq!(tally.shared_writes, 50);
        assert!(tally.moves > 20, "{tally:?}");
    }

    #[test]
    fn runs_repeat() {
        let _alone = ALONE.lock();
        let once = || {
            let shared = Box::new(AtomicUsize::new(0));
            run(5, 3, 40, &|_| {
                let shared = &shared;
                Box::new(move || {
                    let now = shared.load(Ordering::Relaxed);
                    let done = shared
                        .compare_exchange(now, now + 1, Ordering::AcqRel, Ordering::Relaxed)
                        .is_ok();
                    u64::from(done)
                })
            })
        };
        let first = once();
        assert_eq!(first, once());
        assert!(
            first.operations < 200,
            "some exchanges were lost: {first:?}"
        );
    }

    #[test]
    fn a_wide_cell_is_on_all_its_lines() {
        let mut world = World {
            counting: Set([u64::MAX; 4]),
            ..World::default()
        };
        world.record(0, Access::PlainWrite, 60, 8);
        world.record(1, Access::PlainRead, 60, 8);
        let tally = world.end();
        assert_eq!((tally.moves, tally.shared_lines), (2, 2));
        // Plain memory is not among the stores.
        assert_eq!((tally.shared_writes, tally.stores), (0, 0));
    }
}
