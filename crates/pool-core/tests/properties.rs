//! Random sequences of operations against a model: a map from each item in the pool to the generation that it was
//! put back in.
//!
//! One operation runs at a time, so the model is exact: after each step the items alive are those that the model and
//! the caller hold, whatever turned, panicked or was refused. On one thread it also knows when a take must find
//! something; on several, a thread may have items that others cannot reach.

#![cfg(not(pool_loom))]

mod common;

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, Scope, scope};
use std::time::Duration;

use common::{Fuse, Item, Ledger, Shape, panics, scaled};
use pool_core::{ManualClock, Pool, Recycle};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

const PERIOD: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
enum Op {
    /// Takes, which may create.
    Take,
    TryTake,
    /// Puts an item that the pool has never seen.
    PutNew,
    /// Puts one of the items taken.
    Put(usize),
    /// Drops one of the items taken.
    Drop(usize),
    /// Lends so many at once, and returns them.
    Lend(usize),
    /// Lends one and keeps it.
    Detach,
    Rotate,
    Clear,
    /// Lets time pass, in milliseconds.
    Wait(u64),
    /// The next item that comes back is refused.
    Refuse,
    /// The so many-th call of this user code from now on panics.
    Fault(Fault, usize),
    /// Goes on with another thread.
    Switch(usize),
    /// The thread ends; another takes its place.
    Die,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    Create,
    Recycle,
    OnDiscard,
    Drop,
}

fn op() -> impl Strategy<Value = Op> {
    let fault = prop_oneof![
        Just(Fault::Create),
        Just(Fault::Recycle),
        Just(Fault::OnDiscard),
        Just(Fault::Drop),
    ];
    prop_oneof![
        6 => Just(Op::Take),
        6 => Just(Op::TryTake),
        4 => Just(Op::PutNew),
        10 => (0..100_usize).prop_map(Op::Put),
        1 => (0..100_usize).prop_map(Op::Drop),
        4 => (1..20_usize).prop_map(Op::Lend),
        1 => (60..150_usize).prop_map(Op::Lend),
        1 => Just(Op::Detach),
        4 => Just(Op::Rotate),
        1 => Just(Op::Clear),
        2 => (1..2500_u64).prop_map(Op::Wait),
        1 => Just(Op::Refuse),
        2 => (fault, 1..10_usize).prop_map(|(fault, count)| Op::Fault(fault, count)),
        3 => (0..THREADS).prop_map(Op::Switch),
        1 => Just(Op::Die),
    ]
}

fn shape() -> impl Strategy<Value = Shape> {
    let depth = prop_oneof![Just(0), Just(1), Just(2), Just(3), Just(8), Just(64)];
    let shards = prop_oneof![Just(1), Just(2), Just(usize::BITS as usize)];
    (depth, shards).prop_map(|(depth, shards)| Shape { depth, shards })
}

/// How the generation turns besides by hand.
#[derive(Clone, Copy, Debug)]
struct Turning {
    by_time: bool,
    after: Option<usize>,
}

fn turning() -> impl Strategy<Value = Turning> {
    (any::<bool>(), proptest::option::of(1..200_usize))
        .prop_map(|(by_time, after)| Turning { by_time, after })
}

type Job<'a> = Box<dyn FnOnce() + Send + 'a>;

/// A thread's inbox, and where it says how its job went.
type Member<'a> = (Sender<Job<'a>>, Receiver<thread::Result<()>>);

const THREADS: usize = 3;

/// Threads that do what they are told, one at a time.
struct Crew<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    members: Vec<Member<'scope>>,
    now: usize,
}

impl<'scope, 'env> Crew<'scope, 'env> {
    fn new(scope: &'scope Scope<'scope, 'env>, size: usize) -> Self {
        let mut crew = Self {
            scope,
            members: Vec::new(),
            now: 0,
        };
        for _ in 0..size {
            let member = crew.hire();
            crew.members.push(member);
        }
        crew
    }

    fn hire(&self) -> Member<'scope> {
        let (jobs, inbox) = channel::<Job<'scope>>();
        let (outbox, done) = channel();
        self.scope.spawn(move || {
            for job in inbox {
                if outbox.send(catch_unwind(AssertUnwindSafe(job))).is_err() {
                    break;
                }
            }
        });
        (jobs, done)
    }

    /// Runs a job on the current thread of the crew.
    fn run<R: Send + 'scope>(&self, job: impl FnOnce() -> R + Send + 'scope) -> R {
        let (result, results) = channel();
        let (jobs, done) = &self.members[self.now];
        let job: Job<'scope> = Box::new(move || _ = result.send(job()));
        jobs.send(job)
            .unwrap_or_else(|_| panic!("the thread is gone"));
        match done.recv().expect("the thread is gone") {
            Ok(()) => results.recv().expect("sent before the job was done"),
            Err(payload) => resume_unwind(payload),
        }
    }

    /// Ends the current thread and hires another.
    fn replace(&mut self) {
        let (jobs, done) = self.hire();
        let (old_jobs, old_done) = std::mem::replace(&mut self.members[self.now], (jobs, done));
        drop(old_jobs);
        // Closed when the thread has ended, but for its thread-locals; it may give back its number a little later.
        assert!(old_done.recv().is_err());
    }
}

/// User code's behaviour, set from outside.
struct Moods {
    create: Fuse,
    recycle: Fuse,
    on_discard: Fuse,
    refuse: AtomicBool,
}

type TestPool = Pool<Item, Box<dyn Fn() -> Item + Send + Sync>>;

struct Checker<'scope, 'env> {
    crew: Crew<'scope, 'env>,
    pool: Arc<TestPool>,
    ledger: Ledger,
    moods: Arc<Moods>,
    clock: Arc<ManualClock>,
    turning: Turning,
    /// What the pool must hold, with the generation each was put in.
    pooled: BTreeMap<usize, u64>,
    held: Vec<Item>,
    generation: u64,
}

impl<'scope, 'env> Checker<'scope, 'env> {
    fn new(crew: Crew<'scope, 'env>, shape: Shape, turning: Turning) -> Self {
        let ledger = Ledger::new();
        let clock = Arc::new(ManualClock::new());
        let moods = Arc::new(Moods {
            create: Fuse::new(0),
            recycle: Fuse::new(0),
            on_discard: Fuse::new(0),
            refuse: AtomicBool::new(false),
        });
        let make: Box<dyn Fn() -> Item + Send + Sync> = {
            let (maker, moods) = (ledger.maker(), moods.clone());
            Box::new(move || {
                moods.create.tick();
                maker()
            })
        };
        let mut builder = shape.builder(make).clock(clock.clone());
        if turning.by_time {
            builder = builder.rotate_every(PERIOD);
        }
        if let Some(after) = turning.after {
            builder = builder.rotate_after(after);
        }
        let pool = builder
            .recycle({
                let moods = moods.clone();
                move |_| {
                    moods.recycle.tick();
                    if moods.refuse.swap(false, Ordering::Relaxed) {
                        Recycle::Discard
                    } else {
                        Recycle::Keep
                    }
                }
            })
            .on_discard({
                let moods = moods.clone();
                move |_, _| moods.on_discard.tick()
            })
            .build();
        Self {
            crew,
            pool: Arc::new(pool),
            ledger,
            moods,
            clock,
            turning,
            pooled: BTreeMap::new(),
            held: Vec::new(),
            generation: 0,
        }
    }

    /// Lets the current thread do something with the pool; None when user code panicked. The model's items age by
    /// the turns that came with it.
    fn act<R: Send + 'scope>(
        &mut self,
        turns: u64,
        f: impl FnOnce(&TestPool) -> R + Send + 'scope,
    ) -> Option<R> {
        let pool = self.pool.clone();
        let (result, generation) = self.crew.run(move || {
            let mut result = None;
            let panicked = panics(|| result = Some(f(&pool)));
            assert_eq!(panicked, result.is_none());
            (result, pool.stats().generation)
        });
        let turned = generation - self.generation;
        assert!(turned <= turns, "turned {turned} times");
        for _ in 0..turned {
            self.generation += 1;
            let generation = self.generation;
            self.pooled.retain(|_, put| *put + 2 > generation);
        }
        result
    }

    /// How often an operation may turn.
    fn unasked(&self) -> u64 {
        if self.turning.by_time || self.turning.after.is_some() {
            2
        } else {
            0
        }
    }

    /// Whether one thread has done everything, so that nothing can be out of its reach.
    fn alone(&self) -> bool {
        self.crew.members.len() == 1
    }

    fn took(&mut self, item: &Item, created: usize) {
        let number = item.number();
        if number < created {
            assert!(
                self.pooled.remove(&number).is_some(),
                "{number} was not in the pool"
            );
        } else if self.alone() {
            assert!(self.pooled.is_empty(), "created beside {:?}", self.pooled);
        }
    }

    fn take(&mut self) -> Option<Item> {
        let created = self.ledger.created();
        let item = self.act(self.unasked(), TestPool::take)?;
        self.took(&item, created);
        Some(item)
    }

    fn put(&mut self, item: Item) {
        let number = item.number();
        let refused = self.moods.refuse.load(Ordering::Relaxed);
        let done = self.act(self.unasked(), move |pool| pool.put(item));
        if done.is_some() && !refused {
            self.pooled.insert(number, self.generation);
        }
        // Else it is gone: refused, or down with a panic.
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Take => {
                let item = self.take();
                self.held.extend(item);
            }
            Op::TryTake => {
                let created = self.ledger.created();
                match self.act(self.unasked(), TestPool::try_take) {
                    Some(Some(item)) => {
                        assert!(item.number() < created, "created");
                        self.took(&item, created);
                        self.held.push(item);
                    }
                    Some(None) if self.alone() => assert!(self.pooled.is_empty(), "found nothing"),
                    _ => {}
                }
            }
            Op::PutNew => self.put(self.ledger.item()),
            Op::Put(index) | Op::Drop(index) => {
                if self.held.is_empty() {
                    return;
                }
                let item = self.held.swap_remove(index % self.held.len());
                if matches!(op, Op::Put(_)) {
                    self.put(item);
                } else {
                    panics(|| drop(item));
                }
            }
            Op::Lend(count) => {
                let lent: Vec<_> = (0..count).filter_map(|_| self.take()).collect();
                // A guard's way back is `put`'s; `guards.rs` sees to the guards themselves.
                lent.into_iter().for_each(|item| self.put(item));
            }
            Op::Detach => {
                let created = self.ledger.created();
                let item = self.act(self.unasked(), |pool| pool_core::Pooled::detach(pool.get()));
                if let Some(item) = item {
                    self.took(&item, created);
                    self.held.push(item);
                }
            }
            Op::Rotate => {
                let before = self.generation;
                self.act(1, TestPool::rotate);
                assert_eq!(self.generation, before + 1);
            }
            Op::Clear => {
                self.act(0, TestPool::clear);
                self.pooled.clear();
            }
            Op::Wait(millis) => self.clock.advance(Duration::from_millis(millis)),
            Op::Refuse => self.moods.refuse.store(true, Ordering::Relaxed),
            Op::Fault(Fault::Create, count) => self.moods.create.set(count),
            Op::Fault(Fault::Recycle, count) => self.moods.recycle.set(count),
            Op::Fault(Fault::OnDiscard, count) => self.moods.on_discard.set(count),
            Op::Fault(Fault::Drop, count) => self.ledger.drop_panics_at(count),
            Op::Switch(number) => self.crew.now = number % self.crew.members.len(),
            // A lone thread's heir might have another number, and not find everything.
            Op::Die if self.alone() => {}
            Op::Die => self.crew.replace(),
        }
        self.check();
    }

    /// The pool holds what the model says, no more and no less.
    fn check(&self) {
        assert_eq!(self.pool.stats().idle, self.pooled.len());
        assert_eq!(self.ledger.alive(), self.pooled.len() + self.held.len());
        assert!(
            self.pooled
                .keys()
                .all(|&number| self.ledger.is_alive(number))
        );
    }

    /// Two turns without use, and it is empty; whatever is left goes with the pool.
    fn finish(mut self, empty: bool) {
        if empty {
            self.apply(&Op::Rotate);
            self.apply(&Op::Rotate);
            assert_eq!(self.pool.stats().idle, 0);
        }
        let stats = self.pool.stats();
        assert_eq!(stats.idle, self.pooled.len());
        // Jobs are gone, and their handles on the pool with them.
        let pool = Arc::into_inner(self.pool).expect("the last handle");
        panics(|| drop(pool));
        assert_eq!(self.ledger.alive(), self.held.len());
        self.ledger.drop_panics_at(0);
    }
}

fn run(threads: usize, shape: Shape, turning: Turning, ops: &[Op]) {
    scope(|scope| {
        let crew = Crew::new(scope, threads);
        let mut checker = Checker::new(crew, shape, turning);
        ops.iter().for_each(|op| checker.apply(op));
        checker.finish(ops.len() % 2 == 0);
    });
}

/// `usual` cases, unless `PROPTEST_CASES` asks for others. A failure tells the seed, and given back by
/// `PROPTEST_RNG_SEED` it brings the same cases again.
fn config(usual: u32) -> Config {
    let given = Config::default();
    let seed = match given.rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => RandomState::new().hash_one(usual),
    };
    println!("PROPTEST_RNG_SEED={seed}");
    Config {
        cases: match std::env::var_os("PROPTEST_CASES") {
            Some(_) => given.cases,
            None => usual,
        },
        rng_seed: RngSeed::Fixed(seed),
        // What fails is printed in full; there is no file to keep.
        failure_persistence: None,
        ..given
    }
}

proptest! {
    #![proptest_config(config(scaled(2, 64, 1024) as u32))]

    #[test]
    fn on_one_thread(shape in shape(), turning in turning(), ops in vec(op(), 1..scaled(30, 200, 300))) {
        run(1, shape, turning, &ops);
    }

    #[test]
    fn on_several_threads(shape in shape(), turning in turning(), ops in vec(op(), 1..scaled(30, 200, 300))) {
        run(THREADS, shape, turning, &ops);
    }
}
