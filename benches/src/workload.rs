//! The workloads by name, each with its contenders.

use std::cell::RefCell;
use std::rc::Rc;

use crate::check;
use crate::go::{self, Go};
use crate::item::{Block, Buffer, Item};
use crate::measure::{Entrant, SHORT, on_this_thread, on_threads};
use crate::pool::limits::{LocalCell, LocalStack, Malloc, Mimalloc};
use crate::pool::ours::{Local, NoCache, Recycling, Static, StaticGuard};
use crate::pool::rivals::{Locked, Opool, Parked, Place, Regex, RegexOther};
use crate::pool::{Contender, leaked, work as pools};
use crate::ring::contenders::{
    Array, Chain, Concurrent, Crossbeam, Dequeue, Rtrb, St3Fifo, St3Lifo,
};
use crate::ring::{Ring, work as rings};
use crossbeam_queue::{ArrayQueue, SegQueue};
use lockfree_object_pool::LinearObjectPool;

/// Go, if it is there.
pub type MaybeGo = Option<Rc<RefCell<Go>>>;

/// Something to do, and those who do it.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// As in the tables.
    pub name: &'static str,
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
    and_go(all_together!(Buffer, threads, hot), go, "hot", threads)
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
            owner::<Crossbeam>($resident, rings::$work::<Crossbeam>),
            owner::<St3Lifo>($resident, rings::$work::<St3Lifo>),
            owner::<St3Fifo>($resident, rings::$work::<St3Fifo>),
            owner::<Array>($resident, rings::$work::<Array>),
            owner::<Concurrent>($resident, rings::$work::<Concurrent>),
            owner::<Rtrb>($resident, rings::$work::<Rtrb>),
        ]
    };
}

/// All workloads.
pub const WORKLOADS: &[Workload] = &[
    Workload {
        name: "hot",
        about: "take a Vec<u8> of 1 KiB and put it back, one thread",
        unit: PER_PAIR,
        entrants: |go| {
            let mut entrants = all_alone!(Buffer, hot);
            entrants.push(alone::<Buffer, Mimalloc>(pools::hot::<Buffer, _>));
            and_go(entrants, go, "hot", 1)
        },
    },
    Workload {
        name: "hot, boxed",
        about: "take a Box<[u8; 1024]> and put it back, one thread",
        unit: PER_PAIR,
        entrants: |_| all_alone!(Block, hot),
    },
    Workload {
        name: "hot, number",
        about: "take a u64 and put it back, one thread",
        unit: PER_PAIR,
        entrants: |_| all_alone!(u64, hot),
    },
    Workload {
        name: "nested 8",
        about: "take eight buffers, then put them back, one thread",
        unit: PER_PAIR,
        entrants: |go| {
            let mut entrants = all_alone!(Buffer, nested);
            entrants.push(alone::<Buffer, Mimalloc>(pools::nested::<Buffer, _>));
            and_go(entrants, go, "nested", 1)
        },
    },
    Workload {
        name: "burst 100",
        about: "take a hundred buffers, then put them back, one thread",
        unit: PER_PAIR,
        entrants: |go| {
            let mut entrants = all_alone!(Buffer, burst);
            entrants.push(alone::<Buffer, Mimalloc>(pools::burst::<Buffer, _>));
            and_go(entrants, go, "burst", 1)
        },
    },
    Workload {
        name: "hot, 2 threads",
        about: "take a buffer and put it back, 2 threads",
        unit: PER_PAIR,
        entrants: |go| hot_on(2, go),
    },
    Workload {
        name: "hot, 8 threads",
        about: "take a buffer and put it back, 8 threads",
        unit: PER_PAIR,
        entrants: |go| hot_on(8, go),
    },
    Workload {
        name: "hot, 32 threads",
        about: "take a buffer and put it back, 32 threads",
        unit: PER_PAIR,
        entrants: |go| hot_on(32, go),
    },
    Workload {
        name: "hot, 64 threads",
        about: "take a buffer and put it back, 64 threads",
        unit: PER_PAIR,
        entrants: |go| hot_on(64, go),
    },
    Workload {
        name: "owner pair",
        about: "the owner pushes onto an empty ring and pops, nobody else near",
        unit: PER_VALUE,
        entrants: |_| all_owners!(0, pair),
    },
    Workload {
        name: "owner pair above 8",
        about: "the owner pushes onto a ring of eight and pops, nobody else near",
        unit: PER_VALUE,
        entrants: |_| all_owners!(8, pair),
    },
    Workload {
        name: "fill and drain",
        about: "the owner pushes 64 values and pops them, nobody else near",
        unit: PER_VALUE,
        entrants: |_| all_owners!(0, fill_drain),
    },
];

/// The workload of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Workload> {
    WORKLOADS.iter().find(|workload| workload.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_contender_of_every_workload_works() {
        for workload in WORKLOADS {
            for mut entrant in (workload.entrants)(&None) {
                let sample = entrant.try_out(256);
                assert!(
                    sample.cost.is_finite() && sample.cost >= 0.0,
                    "{} at {}: {sample:?}",
                    entrant.name,
                    workload.name
                );
            }
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = WORKLOADS.iter().map(|workload| workload.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), WORKLOADS.len());
    }
}
