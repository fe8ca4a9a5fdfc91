//! The workloads by name, each with its contenders.

use std::cell::RefCell;
use std::rc::Rc;

use arc_swap::{ArcSwap, ArcSwapOption};
use atomic_value::AtomicValue;
use crossbeam_queue::{ArrayQueue, SegQueue};
use crossbeam_utils::atomic::AtomicCell;
use lockfree_object_pool::LinearObjectPool;

use crate::fork::{Deque, work as forks};
use crate::go::{self, Go};
use crate::item::{Block, Buffer, Costly, Item, costly_made};
use crate::measure::{Entrant, SHORT, Sample, on_this_thread, on_threads};
use crate::pool::limits::{LocalCell, LocalStack, Malloc, Mimalloc};
use crate::pool::ours::{Local, NoCache, Recycling, Static, StaticGuard};
use crate::pool::rivals::{
    Locked, Opool, Parked, Place, Regex, RegexOther, SharkGlobal, SharkLocal, Zero,
};
use crate::pool::{ByValue, Contender, leaked, turn, work as pools};
use crate::ring::contenders::{
    Array, Chain, Concurrent, Crossbeam, Dequeue, Packed, Rtrb, St3Fifo, St3Lifo,
};
use crate::ring::{Batches, Ring, work as rings};
use crate::value::contenders::{
    ArcSwapCached, Cached, Leaked, MutexLocked, ParkingLocked, RwLocked,
};
use crate::value::{Config, Swap, Value, work as values};
use crate::{check, first, memory};

/// Go, if it is there.
pub type MaybeGo = Option<Rc<RefCell<Go>>>;

/// What a workload is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// Pools.
    Pool,
    /// One pool with more and more in it.
    Rotation,
    /// Rings, deques and queues.
    Ring,
    /// A fork-join scheduler over deques.
    Scheduler,
    /// Values that are read often.
    Value,
}

/// Something to do, and those who do it.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// As in the tables.
    pub name: &'static str,
    /// What it is about.
    pub layer: Layer,
    /// What is done, in a line.
    pub about: &'static str,
    /// What the figures are.
    pub unit: &'static str,
    /// Makes the contenders, each of which has proved that it works.
    pub entrants: fn(&MaybeGo) -> Vec<Entrant>,
}

/// What most figures are.
const PER_PAIR: &str = "ns of CPU time for a take and a put";

/// What the figures of rings are.
const PER_VALUE: &str = "ns of CPU time for a push and a pop";

/// A contender alone on its thread.
fn alone<T: Item, C: Contender<T>>(work: fn(&C, u64)) -> Entrant {
    let pool: &'static C = leaked::<T, C>();
    check::pool(pool);
    Entrant::new(C::NAME, move |operations| {
        on_this_thread(operations, |operations| work(pool, operations))
    })
}

/// A new one of a contender for each run, used by several threads at once.
fn together<T: Item, C: Contender<T>>(threads: usize, work: fn(&C, u64)) -> Entrant {
    check::pool(&C::new());
    let run = move |operations| {
        let pool = C::new();
        on_threads(
            threads,
            operations,
            || work(&pool, 100),
            |operations| work(&pool, operations),
        )
    };
    // Beyond the cores, long enough for each thread to lose its CPU in the middle of something.
    let budget = match threads {
        ..=2 => SHORT * threads as f64,
        _ => 0.005 * threads as f64,
    };
    Entrant::new(C::NAME, run).lasting(budget)
}

/// All pools and their like, alone on a thread.
macro_rules! all_alone {
    ($item:ty, $work:ident) => {
        vec![
            alone::<$item, Static>(pools::$work::<$item, _>),
            alone::<$item, StaticGuard>(pools::$work::<$item, _>),
            alone::<$item, Local<$item>>(pools::$work::<$item, _>),
            alone::<$item, Recycling<$item>>(pools::$work::<$item, _>),
            alone::<$item, NoCache<$item>>(pools::$work::<$item, _>),
            alone::<$item, LocalCell>(pools::$work::<$item, _>),
            alone::<$item, LocalStack>(pools::$work::<$item, _>),
            alone::<$item, Malloc>(pools::$work::<$item, _>),
            alone::<$item, Regex<$item>>(pools::$work::<$item, _>),
            alone::<$item, RegexOther<$item>>(pools::$work::<$item, _>),
            alone::<$item, Opool<$item>>(pools::$work::<$item, _>),
            alone::<$item, object_pool::Pool<$item>>(pools::$work::<$item, _>),
            alone::<$item, LinearObjectPool<$item>>(pools::$work::<$item, _>),
            alone::<$item, sharded_slab::Pool<Place<$item>>>(pools::$work::<$item, _>),
            alone::<$item, Locked<$item>>(pools::$work::<$item, _>),
            alone::<$item, Parked<$item>>(pools::$work::<$item, _>),
            alone::<$item, ArrayQueue<$item>>(pools::$work::<$item, _>),
            alone::<$item, SegQueue<$item>>(pools::$work::<$item, _>),
        ]
    };
}

/// The contenders that know only buffers.
fn for_buffers(
    mimalloc: fn(&Mimalloc, u64),
    local: fn(&SharkLocal, u64),
    global: fn(&SharkGlobal, u64),
    zero: fn(&Zero, u64),
) -> Vec<Entrant> {
    vec![
        alone::<Buffer, _>(mimalloc),
        alone::<Buffer, _>(local),
        alone::<Buffer, _>(global),
        alone::<Buffer, _>(zero),
    ]
}

/// All pools and their like, on several threads.
macro_rules! all_together {
    ($item:ty, $threads:expr, $work:ident) => {
        vec![
            together::<$item, Local<$item>>($threads, pools::$work::<$item, _>).named("pool"),
            together::<$item, Local<$item>>(1, pools::$work::<$item, _>).named("pool, one thread"),
            together::<$item, NoCache<$item>>($threads, pools::$work::<$item, _>),
            together::<$item, Malloc>($threads, pools::$work::<$item, _>),
            together::<$item, Regex<$item>>($threads, pools::$work::<$item, _>),
            together::<$item, Opool<$item>>($threads, pools::$work::<$item, _>),
            together::<$item, object_pool::Pool<$item>>($threads, pools::$work::<$item, _>),
            together::<$item, LinearObjectPool<$item>>($threads, pools::$work::<$item, _>),
            together::<$item, sharded_slab::Pool<Place<$item>>>($threads, pools::$work::<$item, _>),
            together::<$item, Locked<$item>>($threads, pools::$work::<$item, _>),
            together::<$item, Parked<$item>>($threads, pools::$work::<$item, _>),
            together::<$item, ArrayQueue<$item>>($threads, pools::$work::<$item, _>),
            together::<$item, SegQueue<$item>>($threads, pools::$work::<$item, _>),
        ]
    };
}

/// Adds Go to the contenders.
fn and_go(
    mut entrants: Vec<Entrant>,
    go: &MaybeGo,
    workload: &'static str,
    threads: usize,
) -> Vec<Entrant> {
    let budget = if threads > 2 {
        0.005 * threads as f64
    } else {
        SHORT
    };
    let rival = go.as_ref().map(|go| go::entrant(go, workload, threads));
    entrants.extend(rival.map(|rival| rival.lasting(budget)));
    entrants
}

fn hot_on(threads: usize, go: &MaybeGo) -> Vec<Entrant> {
    let mut entrants = all_together!(Buffer, threads, hot);
    entrants.extend([
        together::<Buffer, Mimalloc>(threads, pools::hot::<Buffer, _>),
        together::<Buffer, SharkLocal>(threads, pools::hot::<Buffer, _>),
        together::<Buffer, SharkGlobal>(threads, pools::hot::<Buffer, _>),
        together::<Buffer, Zero>(threads, pools::hot::<Buffer, _>),
    ]);
    and_go(entrants, go, "hot", threads)
}

/// A ring whose owner is alone, above some values that stay.
fn owner<R: Ring>(resident: usize, work: fn(&mut R::Owner, u64)) -> Entrant {
    check::ring::<R>();
    let (mut owner, thief) = R::new(rings::CAPACITY);
    for value in 0..resident as u64 {
        assert!(R::push(&mut owner, value), "there is room");
    }
    Entrant::new(R::NAME, move |operations| {
        // The other end lives on: a queue without it may know that nobody can steal.
        let _thief = &thief;
        on_this_thread(operations, |operations| work(&mut owner, operations))
    })
}

macro_rules! all_owners {
    ($resident:expr, $work:ident) => {
        vec![
            owner::<Dequeue>($resident, rings::$work::<Dequeue>),
            owner::<Chain>($resident, rings::$work::<Chain>),
            owner::<Packed>($resident, rings::$work::<Packed>),
            owner::<Crossbeam>($resident, rings::$work::<Crossbeam>),
            owner::<St3Lifo>($resident, rings::$work::<St3Lifo>),
            owner::<St3Fifo>($resident, rings::$work::<St3Fifo>),
            owner::<Array>($resident, rings::$work::<Array>),
            owner::<Concurrent>($resident, rings::$work::<Concurrent>),
            owner::<Rtrb>($resident, rings::$work::<Rtrb>),
        ]
    };
}

/// A ring with both ends on one thread, above sixteen values that stay.
fn owner_and_thief<R: Batches>(work: fn(&mut R::Owner, &mut R::Thief, u64)) -> Entrant {
    check::batches::<R>();
    let (mut owner, mut thief) = R::new(rings::CAPACITY);
    for value in 0..16 {
        assert!(R::push(&mut owner, value), "there is room");
    }
    Entrant::new(R::NAME, move |values| {
        on_this_thread(values, |values| work(&mut owner, &mut thief, values))
    })
}

/// Long enough for the threads of a contest to meet.
const MEETING: f64 = 0.02;

fn under_thieves<R: Ring>(thieves: usize) -> Entrant {
    check::ring::<R>();
    Entrant::new(R::NAME, move |values| {
        rings::under_thieves::<R>(thieves, values)
    })
    .lasting(MEETING)
}

fn all_under_thieves(thieves: usize) -> Vec<Entrant> {
    vec![
        under_thieves::<Dequeue>(thieves),
        under_thieves::<Chain>(thieves),
        under_thieves::<Packed>(thieves),
        under_thieves::<Crossbeam>(thieves),
        under_thieves::<St3Lifo>(thieves),
        under_thieves::<St3Fifo>(thieves),
        under_thieves::<Array>(thieves),
        under_thieves::<Concurrent>(thieves),
    ]
}

fn under_thief_by_batch<R: Batches>() -> Entrant {
    check::batches::<R>();
    Entrant::new(R::NAME, |values| {
        rings::under_thieves_by_batch::<R>(1, values)
    })
    .lasting(MEETING)
}

/// What the figures of queues under thieves are.
const BY_ALL: &str = "ns of all threads' CPU time for a value";

fn by_batch<R: Batches>(thieves: usize, added: usize) -> Entrant {
    check::batches::<R>();
    Entrant::new(R::NAME, move |values| {
        rings::by_batch::<R>(thieves, added, values)
    })
    .lasting(2.0 * MEETING)
}

fn all_by_batch(thieves: usize, added: usize) -> Vec<Entrant> {
    vec![
        by_batch::<Dequeue>(thieves, added),
        by_batch::<Chain>(thieves, added),
        by_batch::<Packed>(thieves, added),
        by_batch::<Crossbeam>(thieves, added),
        by_batch::<St3Lifo>(thieves, added),
        by_batch::<St3Fifo>(thieves, added),
    ]
}

/// What most figures of the scheduler are.
const PER_JOIN: &str = "ns of all threads' CPU time for a join";

fn scheduler<D: Deque>(threads: usize, mut task: forks::Task<D>) -> Entrant {
    check::deque::<D>();
    Entrant::new(D::NAME, move |operations| {
        forks::timed(&mut task, threads, operations)
    })
    .lasting(MEETING)
}

macro_rules! all_schedulers {
    ($threads:expr, $task:ident) => {
        vec![
            scheduler::<Dequeue>($threads, forks::$task()),
            scheduler::<Chain>($threads, forks::$task()),
            scheduler::<Packed>($threads, forks::$task()),
            scheduler::<Crossbeam>($threads, forks::$task()),
            scheduler::<St3Lifo>($threads, forks::$task()),
        ]
    };
}

fn migration<C: Contender<Buffer> + ByValue<Buffer>>() -> Entrant {
    check::pool(&<C as Contender<Buffer>>::new());
    let run = |items| pools::migration(&<C as Contender<Buffer>>::new(), items);
    Entrant::new(C::NAME, run).lasting(MEETING)
}

/// What the figures of starvation are.
const PER_STARVED_ROUND: &str = "ns of CPU time for 67 puts and 100 takes";

fn starved<C: Contender<u64> + ByValue<u64>>(threads: usize) -> Entrant {
    together::<u64, C>(threads, |pool, rounds| {
        pools::starvation(pool, 42, rounds);
    })
}

fn all_starved(threads: usize, go: &MaybeGo) -> Vec<Entrant> {
    let entrants = vec![
        starved::<Local<u64>>(threads).named("pool"),
        starved::<NoCache<u64>>(threads),
        starved::<Locked<u64>>(threads),
        starved::<Parked<u64>>(threads),
        starved::<ArrayQueue<u64>>(threads),
        starved::<SegQueue<u64>>(threads),
    ];
    and_go(entrants, go, "starvation", threads)
}

/// What of a run with costly items is the figure.
type Account = fn(cpu: f64, made: f64) -> f64;

/// As if making an item had taken a millisecond.
fn with_making(cpu: f64, made: f64) -> f64 {
    cpu + 1e6 * made
}

fn made_only(_: f64, made: f64) -> f64 {
    made
}

/// A run's rounds: enough for Go's collector to run some hundreds of times, and for the items that everybody has to make
/// once to count for little.
const EXPENSIVE_ROUNDS: u64 = 1000;

fn expensive<C: Contender<Costly>>(account: Account) -> Entrant {
    check::pool(&C::new());
    let run = move |rounds| {
        let pool = C::new();
        costly_made();
        let mut sample = on_threads(2, rounds, || (), |rounds| pools::expensive(&pool, rounds));
        sample.cost = account(sample.cost, costly_made() as f64 / rounds as f64);
        sample
    };
    Entrant::new(C::NAME, run).of(EXPENSIVE_ROUNDS)
}

fn expensive_go(go: &Rc<RefCell<Go>>, account: Account) -> Entrant {
    let go = Rc::clone(go);
    let run = move |rounds| {
        let (cost, made) = go.borrow_mut().ask("expensive", 2, rounds);
        Sample {
            cost: account(cost, made as f64 / rounds as f64),
            seconds: cost * rounds as f64 / 1e9,
        }
    };
    Entrant::new("Go", run).of(EXPENSIVE_ROUNDS)
}

fn miss<C: Contender<u64> + ByValue<u64>>() -> Entrant {
    let pool: &'static C = Box::leak(Box::new(<C as Contender<u64>>::new()));
    Entrant::new(C::NAME, move |misses| {
        on_this_thread(misses, |misses| pools::miss(pool, misses))
    })
}

fn first_use<C: Contender<u64>>() -> Entrant {
    check::pool(&C::new());
    Entrant::new(C::NAME, turn::first_use::<u64, C>)
}

fn all_rotations(rotation: fn(u64) -> Sample) -> Vec<Entrant> {
    let with = |name, items| Entrant::new(name, move |_| rotation(items)).of(1);
    vec![
        with("1,000 items", 1_000),
        with("10,000 items", 10_000),
        with("100,000 items", 100_000),
        with("1,000,000 items", 1_000_000),
    ]
}

/// What the figures of loads are.
const PER_LOAD: &str = "ns of CPU time for a load";

fn read_alone<V: Value>() -> Entrant {
    check::value::<V>();
    let value: &'static V = Box::leak(Box::new(V::new(Config::new(1))));
    Entrant::new(V::NAME, move |loads| {
        on_this_thread(loads, |loads| values::load(value, loads))
    })
}

fn read_by<V: Value>(readers: usize) -> Entrant {
    check::value::<V>();
    let value: &'static V = Box::leak(Box::new(V::new(Config::new(1))));
    let run = move |loads| {
        on_threads(
            readers,
            loads,
            || values::load(value, 10),
            |loads| values::load(value, loads),
        )
    };
    Entrant::new(V::NAME, run).lasting(SHORT * readers as f64)
}

fn read_beside_writer<V: Value>(readers: usize) -> Entrant {
    check::value::<V>();
    let run = move |loads| values::load_beside_writer::<V>(readers, loads);
    Entrant::new(V::NAME, run).lasting(MEETING * readers as f64)
}

fn write<V: Value>(work: fn(&V, u64)) -> Entrant {
    check::value::<V>();
    let value: &'static V = Box::leak(Box::new(V::new(Config::new(1))));
    values::load(value, 10);
    Entrant::new(V::NAME, move |stores| {
        on_this_thread(stores, |stores| work(value, stores))
    })
}

macro_rules! all_values {
    ($make:ident $(, $readers:expr)?) => {
        vec![
            $make::<AtomicValue<Config>>($($readers)?),
            $make::<Cached>($($readers)?),
            $make::<ArcSwapOption<Config>>($($readers)?),
            $make::<ArcSwap<Config>>($($readers)?),
            $make::<ArcSwapCached>($($readers)?),
            $make::<RwLocked>($($readers)?),
            $make::<MutexLocked>($($readers)?),
            $make::<ParkingLocked>($($readers)?),
            $make::<AtomicCell<Config>>($($readers)?),
            $make::<Leaked>($($readers)?),
        ]
    };
}

fn exchange<V: Swap>(work: fn(&V, u64)) -> Entrant {
    check::swap::<V>();
    write(work)
}

macro_rules! all_swaps {
    ($work:ident) => {
        vec![
            exchange::<AtomicValue<Config>>(values::$work),
            exchange::<ArcSwapOption<Config>>(values::$work),
            exchange::<ArcSwap<Config>>(values::$work),
            exchange::<RwLocked>(values::$work),
            exchange::<MutexLocked>(values::$work),
            exchange::<ParkingLocked>(values::$work),
            exchange::<AtomicCell<Config>>(values::$work),
        ]
    };
}

/// All workloads.
pub const WORKLOADS: &[Workload] = &[
    Workload {
        name: "hot",
        layer: Layer::Pool,
        about: "take a Vec<u8> of 1 KiB and put it back, one thread",
        unit: PER_PAIR,
        entrants: |go| {
            let mut entrants = all_alone!(Buffer, hot);
            entrants.extend(for_buffers(pools::hot, pools::hot, pools::hot, pools::hot));
            and_go(entrants, go, "hot", 1)
        },
    },
    Workload {
        name: "hot, boxed",
        layer: Layer::Pool,
        about: "take a Box<[u8; 1024]> and put it back, one thread",
        unit: PER_PAIR,
        entrants: |_| all_alone!(Block, hot),
    },
    Workload {
        name: "hot, number",
        layer: Layer::Pool,
        about: "take a u64 and put it back, one thread",
        unit: PER_PAIR,
        entrants: |_| {
            let mut entrants = all_alone!(u64, hot);
            // It makes no use of memory.
            entrants.retain(|entrant| entrant.name != "malloc");
            entrants
        },
    },
    Workload {
        name: "nested 8",
        layer: Layer::Pool,
        about: "take eight buffers, then put them back, one thread",
        unit: PER_PAIR,
        entrants: |go| {
            let mut entrants = all_alone!(Buffer, nested);
            entrants.extend(for_buffers(
                pools::nested,
                pools::nested,
                pools::nested,
                pools::nested,
            ));
            and_go(entrants, go, "nested", 1)
        },
    },
    Workload {
        name: "burst 100",
        layer: Layer::Pool,
        about: "take a hundred buffers, then put them back, one thread",
        unit: PER_PAIR,
        entrants: |go| {
            let mut entrants = all_alone!(Buffer, burst);
            entrants.extend(for_buffers(
                pools::burst,
                pools::burst,
                pools::burst,
                pools::burst,
            ));
            and_go(entrants, go, "burst", 1)
        },
    },
    Workload {
        name: "hot, 2 threads",
        layer: Layer::Pool,
        about: "take a buffer and put it back, 2 threads",
        unit: PER_PAIR,
        entrants: |go| hot_on(2, go),
    },
    Workload {
        name: "hot, 8 threads",
        layer: Layer::Pool,
        about: "take a buffer and put it back, 8 threads",
        unit: PER_PAIR,
        entrants: |go| hot_on(8, go),
    },
    Workload {
        name: "hot, 32 threads",
        layer: Layer::Pool,
        about: "take a buffer and put it back, 32 threads",
        unit: PER_PAIR,
        entrants: |go| hot_on(32, go),
    },
    Workload {
        name: "hot, 64 threads",
        layer: Layer::Pool,
        about: "take a buffer and put it back, 64 threads",
        unit: PER_PAIR,
        entrants: |go| hot_on(64, go),
    },
    Workload {
        name: "owner pair",
        layer: Layer::Ring,
        about: "the owner pushes onto an empty ring and pops, nobody else near",
        unit: PER_VALUE,
        entrants: |_| all_owners!(0, pair),
    },
    Workload {
        name: "owner pair on 32",
        layer: Layer::Ring,
        about: "the owner pushes onto a ring of 32 and pops, nobody else near",
        unit: PER_VALUE,
        entrants: |_| all_owners!(32, pair),
    },
    Workload {
        name: "fill and drain",
        layer: Layer::Ring,
        about: "the owner pushes 128 values and pops them, nobody else near",
        unit: PER_VALUE,
        entrants: |_| all_owners!(0, fill_drain),
    },
    Workload {
        name: "owner under a thief",
        layer: Layer::Ring,
        about: "the owner pushes 32 values and pops what is left, a thief takes one at a time",
        unit: "ns of the owner's CPU time for a value",
        entrants: |_| all_under_thieves(1),
    },
    Workload {
        name: "owner under three thieves",
        layer: Layer::Ring,
        about: "the same with three thieves",
        unit: "ns of the owner's CPU time for a value",
        entrants: |_| all_under_thieves(3),
    },
    Workload {
        name: "owner under a thief by batch",
        layer: Layer::Ring,
        about: "the same with one thief, who takes up to 32 at a time",
        unit: "ns of the owner's CPU time for a value",
        entrants: |_| {
            vec![
                under_thief_by_batch::<Dequeue>(),
                under_thief_by_batch::<Chain>(),
                under_thief_by_batch::<Packed>(),
                under_thief_by_batch::<Crossbeam>(),
                under_thief_by_batch::<St3Lifo>(),
                under_thief_by_batch::<St3Fifo>(),
            ]
        },
    },
    Workload {
        name: "one thief by batch",
        about: "the owner adds 32 at once, or as many one by one if it cannot; a thief takes up to 32 at once",
        layer: Layer::Ring,
        unit: BY_ALL,
        entrants: |_| all_by_batch(1, rings::BATCH),
    },
    Workload {
        name: "three thieves by batch",
        about: "the owner adds 32 at once, or as many one by one if it cannot; three thieves take up to 32 at once",
        layer: Layer::Ring,
        unit: BY_ALL,
        entrants: |_| all_by_batch(3, rings::BATCH),
    },
    Workload {
        name: "one thief, added singly",
        about: "the owner adds one at a time, a thief takes up to 32 at once",
        layer: Layer::Ring,
        unit: BY_ALL,
        entrants: |_| all_by_batch(1, 1),
    },
    Workload {
        name: "three thieves, added singly",
        about: "the owner adds one at a time, three thieves take up to 32 at once",
        layer: Layer::Ring,
        unit: BY_ALL,
        entrants: |_| all_by_batch(3, 1),
    },
    Workload {
        name: "eight added singly",
        layer: Layer::Ring,
        about: "push eight values one by one above sixteen that stay, steal eight at once, one thread",
        unit: "ns of CPU time for a push and a steal",
        entrants: |_| {
            vec![
                owner_and_thief::<Dequeue>(rings::eight_pushed_singly::<Dequeue>),
                owner_and_thief::<Chain>(rings::eight_pushed_singly::<Chain>),
                owner_and_thief::<Packed>(rings::eight_pushed_singly::<Packed>),
                owner_and_thief::<Crossbeam>(rings::eight_pushed_singly::<Crossbeam>),
                owner_and_thief::<St3Lifo>(rings::eight_pushed_singly::<St3Lifo>),
                owner_and_thief::<St3Fifo>(rings::eight_pushed_singly::<St3Fifo>),
            ]
        },
    },
    Workload {
        name: "batch of 8",
        layer: Layer::Ring,
        about: "push and steal eight values above sixteen that stay, one thread",
        unit: "ns of CPU time for a push and a steal",
        entrants: |_| {
            vec![
                owner_and_thief::<Dequeue>(rings::batch_of_eight::<Dequeue>),
                owner_and_thief::<Dequeue>(rings::eight_singles::<Dequeue>)
                    .named("pool-dequeue, singles"),
                owner_and_thief::<Chain>(rings::batch_of_eight::<Chain>),
                owner_and_thief::<Chain>(rings::eight_singles::<Chain>)
                    .named("pool-chain, singles"),
                owner_and_thief::<Packed>(rings::batch_of_eight::<Packed>),
                owner_and_thief::<Crossbeam>(rings::batch_of_eight::<Crossbeam>),
                owner_and_thief::<St3Lifo>(rings::batch_of_eight::<St3Lifo>),
                owner_and_thief::<St3Fifo>(rings::batch_of_eight::<St3Fifo>),
            ]
        },
    },
    Workload {
        name: "fib",
        layer: Layer::Scheduler,
        about: "a Fibonacci number by its definition, a join at each call, one thread",
        unit: PER_JOIN,
        entrants: |_| all_schedulers!(1, fib),
    },
    Workload {
        name: "fib, 2 threads",
        layer: Layer::Scheduler,
        about: "a Fibonacci number by its definition, a join at each call, 2 threads",
        unit: PER_JOIN,
        entrants: |_| all_schedulers!(2, fib),
    },
    Workload {
        name: "fib, 8 threads",
        layer: Layer::Scheduler,
        about: "a Fibonacci number by its definition, a join at each call, 8 threads",
        unit: PER_JOIN,
        entrants: |_| all_schedulers!(8, fib),
    },
    Workload {
        name: "spawn tree",
        layer: Layer::Scheduler,
        about: "a tree of 4,095 jobs, each of which spawns two more and waits for them, one thread",
        unit: "ns of all threads' CPU time for a job",
        entrants: |_| all_schedulers!(1, tree),
    },
    Workload {
        name: "spawn tree, 2 threads",
        layer: Layer::Scheduler,
        about: "a tree of 4,095 jobs, each of which spawns two more and waits for them, 2 threads",
        unit: "ns of all threads' CPU time for a job",
        entrants: |_| all_schedulers!(2, tree),
    },
    Workload {
        name: "spawn tree, 8 threads",
        layer: Layer::Scheduler,
        about: "a tree of 4,095 jobs, each of which spawns two more and waits for them, 8 threads",
        unit: "ns of all threads' CPU time for a job",
        entrants: |_| all_schedulers!(8, tree),
    },
    Workload {
        name: "small pieces",
        layer: Layer::Scheduler,
        about: "a loop over 16,384 numbers, halved by joins down to 8, one thread",
        unit: "ns of all threads' CPU time for a piece",
        entrants: |_| all_schedulers!(1, pieces),
    },
    Workload {
        name: "small pieces, 2 threads",
        layer: Layer::Scheduler,
        about: "a loop over 16,384 numbers, halved by joins down to 8, 2 threads",
        unit: "ns of all threads' CPU time for a piece",
        entrants: |_| all_schedulers!(2, pieces),
    },
    Workload {
        name: "small pieces, 8 threads",
        layer: Layer::Scheduler,
        about: "a loop over 16,384 numbers, halved by joins down to 8, 8 threads",
        unit: "ns of all threads' CPU time for a piece",
        entrants: |_| all_schedulers!(8, pieces),
    },
    Workload {
        name: "quicksort",
        layer: Layer::Scheduler,
        about: "16,384 numbers, a join at each partition, one thread",
        unit: "ns of all threads' CPU time for a number",
        entrants: |_| all_schedulers!(1, quicksort),
    },
    Workload {
        name: "quicksort, 2 threads",
        layer: Layer::Scheduler,
        about: "16,384 numbers, a join at each partition, 2 threads",
        unit: "ns of all threads' CPU time for a number",
        entrants: |_| all_schedulers!(2, quicksort),
    },
    Workload {
        name: "quicksort, 8 threads",
        layer: Layer::Scheduler,
        about: "16,384 numbers, a join at each partition, 8 threads",
        unit: "ns of all threads' CPU time for a number",
        entrants: |_| all_schedulers!(8, quicksort),
    },
    Workload {
        name: "migration",
        layer: Layer::Pool,
        about: "one thread takes buffers, another puts them back, by batches of 128 over a channel",
        unit: "ns of all threads' CPU time for an item",
        entrants: |go| {
            let entrants = vec![
                migration::<Local<Buffer>>().named("pool"),
                migration::<NoCache<Buffer>>(),
                migration::<Malloc>(),
                migration::<Locked<Buffer>>(),
                migration::<Parked<Buffer>>(),
                migration::<ArrayQueue<Buffer>>(),
                migration::<SegQueue<Buffer>>(),
            ];
            and_go(entrants, go, "migration", 2)
        },
    },
    Workload {
        name: "starvation",
        layer: Layer::Pool,
        about: "67 puts and 100 takes, over and over, 2 threads",
        unit: PER_STARVED_ROUND,
        entrants: |go| all_starved(2, go),
    },
    Workload {
        name: "starvation, 64 threads",
        layer: Layer::Pool,
        about: "67 puts and 100 takes, over and over, 64 threads",
        unit: PER_STARVED_ROUND,
        entrants: |go| all_starved(64, go),
    },
    Workload {
        name: "expensive new",
        layer: Layer::Pool,
        about: "100 takes with some work after each, 100 puts, 2 threads; making an item takes 1 ms",
        unit: "ns of CPU time, and 1 ms for each item made, for 100 takes and puts",
        entrants: |go| {
            let mut entrants = vec![
                expensive::<Local<Costly>>(with_making).named("pool"),
                expensive::<Locked<Costly>>(with_making),
                expensive::<SegQueue<Costly>>(with_making),
                expensive::<Regex<Costly>>(with_making),
            ];
            entrants.extend(go.as_ref().map(|go| expensive_go(go, with_making)));
            entrants
        },
    },
    Workload {
        name: "expensive new, items made",
        layer: Layer::Pool,
        about: "the same, but what is counted is the items made",
        unit: "items made for each round of 100 takes and puts",
        entrants: |go| {
            let mut entrants = vec![
                expensive::<Local<Costly>>(made_only).named("pool"),
                expensive::<Locked<Costly>>(made_only),
                expensive::<SegQueue<Costly>>(made_only),
                expensive::<Regex<Costly>>(made_only),
            ];
            entrants.extend(go.as_ref().map(|go| expensive_go(go, made_only)));
            entrants
        },
    },
    Workload {
        name: "miss",
        layer: Layer::Pool,
        about: "try_take from an empty pool, one thread",
        unit: "ns of CPU time for a miss",
        entrants: |go| {
            let alone = |name, pool: &'static Local<u64>| {
                Entrant::new(name, move |misses| {
                    on_this_thread(misses, |misses| pools::miss::<u64, _>(pool, misses))
                })
            };
            let entrants = vec![
                alone("pool, 1 thread known", turn::known_to(1)),
                alone("pool, 64 threads known", turn::known_to(64)),
                miss::<Locked<u64>>(),
                miss::<ArrayQueue<u64>>(),
                miss::<SegQueue<u64>>(),
            ];
            and_go(entrants, go, "miss", 1)
        },
    },
    Workload {
        name: "first use",
        layer: Layer::Pool,
        about: "the first take and put of a new pool",
        unit: "ns of CPU time for a take and a put",
        entrants: |go| {
            let entrants = vec![
                first_use::<Local<u64>>().named("pool"),
                first_use::<Regex<u64>>(),
                first_use::<object_pool::Pool<u64>>(),
                first_use::<Opool<u64>>(),
                first_use::<LinearObjectPool<u64>>(),
                first_use::<SegQueue<u64>>(),
                first_use::<Locked<u64>>(),
            ];
            let mut entrants = and_go(entrants, go, "first", 1);
            for entrant in &mut entrants {
                entrant.fix(2000);
            }
            entrants
        },
    },
    Workload {
        name: "first use beside threads",
        layer: Layer::Pool,
        about: "the first put of the process, while 8 threads run",
        unit: "us by the clock on the wall",
        entrants: |_| first::entrants(),
    },
    Workload {
        name: "rotation",
        layer: Layer::Rotation,
        about: "turn a pool's generation",
        unit: "ns of CPU time",
        entrants: |_| all_rotations(turn::rotation),
    },
    Workload {
        name: "rotation that drops",
        layer: Layer::Rotation,
        about: "turn a pool's generation, up to the first destructor",
        unit: "ns of CPU time",
        entrants: |_| all_rotations(turn::rotation_that_drops),
    },
    Workload {
        name: "memory",
        layer: Layer::Pool,
        about: "64 threads take 1,000 blocks of 1 KiB each, put them back and are idle for two rotations",
        unit: "MiB of resident memory above the start",
        entrants: |go| {
            let mut entrants = memory::entrants();
            entrants.extend(go.as_ref().map(|go| {
                let go = Rc::clone(go);
                let run = move |_| Sample {
                    cost: *go.borrow().memory().last().expect("five steps"),
                    seconds: 0.1,
                };
                Entrant::new("Go", run).of(1)
            }));
            entrants
        },
    },
    Workload {
        name: "load",
        layer: Layer::Value,
        about: "read a value, one thread",
        unit: PER_LOAD,
        entrants: |go| {
            let entrants = all_values!(read_alone);
            and_go(entrants, go, "load", 1)
        },
    },
    Workload {
        name: "load, 2 readers",
        layer: Layer::Value,
        about: "read a value, 2 threads",
        unit: PER_LOAD,
        entrants: |go| {
            let entrants = all_values!(read_by, 2);
            and_go(entrants, go, "load", 2)
        },
    },
    Workload {
        name: "load, 8 readers",
        layer: Layer::Value,
        about: "read a value, 8 threads",
        unit: PER_LOAD,
        entrants: |go| {
            let entrants = all_values!(read_by, 8);
            and_go(entrants, go, "load", 8)
        },
    },
    Workload {
        name: "load beside a writer",
        layer: Layer::Value,
        about: "read a value while another thread replaces it every few microseconds",
        unit: PER_LOAD,
        entrants: |_| all_values!(read_beside_writer, 1),
    },
    Workload {
        name: "load, 8 readers beside a writer",
        layer: Layer::Value,
        about: "the same with 8 readers",
        unit: PER_LOAD,
        entrants: |_| all_values!(read_beside_writer, 8),
    },
    Workload {
        name: "store",
        layer: Layer::Value,
        about: "replace a value that one thread has read",
        unit: "ns of CPU time for a store",
        entrants: |go| {
            let entrants = vec![
                write::<AtomicValue<Config>>(values::store),
                write::<ArcSwapOption<Config>>(values::store),
                write::<ArcSwap<Config>>(values::store),
                write::<RwLocked>(values::store),
                write::<MutexLocked>(values::store),
                write::<ParkingLocked>(values::store),
                write::<AtomicCell<Config>>(values::store),
            ];
            and_go(entrants, go, "store", 1)
        },
    },
    Workload {
        name: "swap",
        layer: Layer::Value,
        about: "replace a value and look at the old one",
        unit: "ns of CPU time for a swap",
        entrants: |_| all_swaps!(swap),
    },
    Workload {
        name: "update",
        layer: Layer::Value,
        about: "make a new value of the old one",
        unit: "ns of CPU time for an update",
        entrants: |_| all_swaps!(update),
    },
];

/// The workload of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Workload> {
    WORKLOADS.iter().find(|workload| workload.name == name)
}
