//! This project's ring and chain, and what they are measured against.

use std::sync::Arc;

use concurrent_queue::ConcurrentQueue;
use crossbeam_deque::Steal;
use crossbeam_queue::ArrayQueue;

use super::{Batches, Ring, packed};

/// This project's, which differ in how they are made and in whether a push can fail.
macro_rules! ours {
    ($ring:ident, $of:ident, $name:literal, $new:expr, $pushed:expr) => {
        #[doc = concat!("`", $name, "`.")]
        #[derive(Debug)]
        pub struct $ring;

        impl Ring for $ring {
            const NAME: &'static str = $name;
            const LIFO: bool = true;
            type Owner = $of::Producer<u64>;
            type Thief = $of::Consumer<u64>;

            fn new(capacity: usize) -> (Self::Owner, Self::Thief) {
                $new(capacity)
            }

            fn another(thief: &Self::Thief) -> Self::Thief {
                thief.clone()
            }

            #[inline(always)]
            fn push(owner: &mut Self::Owner, value: u64) -> bool {
                $pushed(owner.push_head(value))
            }

            #[inline(always)]
            fn pop(owner: &mut Self::Owner) -> Option<u64> {
                owner.pop_head()
            }

            #[inline(always)]
            fn steal(thief: &mut Self::Thief) -> Option<u64> {
                thief.pop_tail()
            }
        }

        impl Batches for $ring {
            #[inline(always)]
            fn push_batch(
                owner: &mut Self::Owner,
                values: impl ExactSizeIterator<Item = u64>,
            ) -> usize {
                owner.push_head_batch(values)
            }

            #[inline(always)]
            fn steal_batch(
                thief: &mut Self::Thief,
                max: usize,
                mut take: impl FnMut(u64),
            ) -> usize {
                let mut count = 0;
                for value in thief.pop_tail_batch(max) {
                    take(value);
                    count += 1;
                }
                count
            }
        }
    };
}

ours!(
    Dequeue,
    pool_dequeue,
    "pool-dequeue",
    pool_dequeue::bounded,
    |pushed: Result<(), pool_dequeue::Full<u64>>| pushed.is_ok()
);
ours!(
    Chain,
    pool_chain,
    "pool-chain",
    |_| pool_chain::unbounded(),
    |pushed: Result<(), pool_chain::Full<u64>>| pushed.is_ok()
);

/// What `pool-dequeue` was before its counts were split.
#[derive(Debug)]
pub struct Packed;

impl Ring for Packed {
    const NAME: &'static str = "Go's packed ring";
    const LIFO: bool = true;
    type Owner = packed::Owner<u64>;
    type Thief = packed::Thief<u64>;

    fn new(capacity: usize) -> (Self::Owner, Self::Thief) {
        packed::bounded(capacity)
    }

    fn another(thief: &Self::Thief) -> Self::Thief {
        thief.clone()
    }

    #[inline(always)]
    fn push(owner: &mut Self::Owner, value: u64) -> bool {
        owner.push(value).is_ok()
    }

    #[inline(always)]
    fn pop(owner: &mut Self::Owner) -> Option<u64> {
        owner.pop()
    }

    #[inline(always)]
    fn steal(thief: &mut Self::Thief) -> Option<u64> {
        thief.steal()
    }
}

impl Batches for Packed {
    #[inline(always)]
    fn push_batch(owner: &mut Self::Owner, values: impl ExactSizeIterator<Item = u64>) -> usize {
        owner.push_batch(values)
    }

    #[inline(always)]
    fn steal_batch(thief: &mut Self::Thief, max: usize, take: impl FnMut(u64)) -> usize {
        thief.steal_batch(max, take)
    }
}

/// crossbeam-deque, last in, first out.
#[derive(Debug)]
pub struct Crossbeam;

/// A thief who steals into a deque of its own.
#[derive(Debug)]
pub struct CrossbeamThief {
    from: crossbeam_deque::Stealer<u64>,
    to: crossbeam_deque::Worker<u64>,
}

impl Ring for Crossbeam {
    const NAME: &'static str = "crossbeam-deque";
    const LIFO: bool = true;
    type Owner = crossbeam_deque::Worker<u64>;
    type Thief = CrossbeamThief;

    fn new(_: usize) -> (Self::Owner, Self::Thief) {
        let owner = crossbeam_deque::Worker::new_lifo();
        let thief = CrossbeamThief {
            from: owner.stealer(),
            to: crossbeam_deque::Worker::new_fifo(),
        };
        (owner, thief)
    }

    fn another(thief: &Self::Thief) -> Self::Thief {
        CrossbeamThief {
            from: thief.from.clone(),
            to: crossbeam_deque::Worker::new_fifo(),
        }
    }

    #[inline(always)]
    fn push(owner: &mut Self::Owner, value: u64) -> bool {
        crossbeam_deque::Worker::push(owner, value);
        true
    }

    #[inline(always)]
    fn pop(owner: &mut Self::Owner) -> Option<u64> {
        crossbeam_deque::Worker::pop(owner)
    }

    #[inline(always)]
    fn steal(thief: &mut Self::Thief) -> Option<u64> {
        match thief.from.steal() {
            Steal::Success(value) => Some(value),
            Steal::Empty | Steal::Retry => None,
        }
    }
}

impl Batches for Crossbeam {
    #[inline(always)]
    fn steal_batch(thief: &mut Self::Thief, max: usize, mut take: impl FnMut(u64)) -> usize {
        let _ = thief.from.steal_batch_with_limit(&thief.to, max);
        let mut count = 0;
        while let Some(value) = thief.to.pop() {
            take(value);
            count += 1;
        }
        count
    }
}

macro_rules! st3 {
    ($ring:ident, $thief:ident, $module:ident, $name:literal, $lifo:literal) => {
        #[doc = concat!($name, ".")]
        #[derive(Debug)]
        pub struct $ring;

        /// A thief who steals into a queue of its own.
        #[derive(Debug)]
        pub struct $thief {
            from: st3::$module::Stealer<u64>,
            to: st3::$module::Worker<u64>,
        }

        impl Ring for $ring {
            const NAME: &'static str = $name;
            const LIFO: bool = $lifo;
            type Owner = st3::$module::Worker<u64>;
            type Thief = $thief;

            fn new(capacity: usize) -> (Self::Owner, Self::Thief) {
                let owner = st3::$module::Worker::new(capacity);
                let thief = $thief {
                    from: owner.stealer(),
                    to: st3::$module::Worker::new(capacity),
                };
                (owner, thief)
            }

            fn another(thief: &Self::Thief) -> Self::Thief {
                $thief {
                    from: thief.from.clone(),
                    to: st3::$module::Worker::new(thief.to.capacity()),
                }
            }

            #[inline(always)]
            fn push(owner: &mut Self::Owner, value: u64) -> bool {
                st3::$module::Worker::push(owner, value).is_ok()
            }

            #[inline(always)]
            fn pop(owner: &mut Self::Owner) -> Option<u64> {
                st3::$module::Worker::pop(owner)
            }

            #[inline(always)]
            fn steal(thief: &mut Self::Thief) -> Option<u64> {
                let stolen = thief.from.steal_and_pop(&thief.to, |_| 1);
                Some(stolen.ok()?.0)
            }
        }

        impl Batches for $ring {
            #[inline(always)]
            fn push_batch(
                owner: &mut Self::Owner,
                values: impl ExactSizeIterator<Item = u64>,
            ) -> usize {
                // What does not fit would be lost.
                let count = owner.spare_capacity().min(values.len());
                owner.extend(values.take(count));
                count
            }

            #[inline(always)]
            fn steal_batch(
                thief: &mut Self::Thief,
                max: usize,
                mut take: impl FnMut(u64),
            ) -> usize {
                // Half of what is there, rounded up, as the others do.
                let _ = thief
                    .from
                    .steal(&thief.to, |there| there.div_ceil(2).min(max));
                let mut count = 0;
                while let Some(value) = thief.to.pop() {
                    take(value);
                    count += 1;
                }
                count
            }
        }
    };
}

st3!(St3Lifo, St3LifoThief, lifo, "st3", true);
st3!(St3Fifo, St3FifoThief, fifo, "st3, fifo", false);

/// A queue whose ends are the same handle.
macro_rules! shared_queue {
    ($ring:ident, $queue:ty, $name:literal, $new:expr) => {
        #[doc = concat!($name, ".")]
        #[derive(Debug)]
        pub struct $ring;

        impl Ring for $ring {
            const NAME: &'static str = $name;
            const LIFO: bool = false;
            type Owner = Arc<$queue>;
            type Thief = Arc<$queue>;

            fn new(capacity: usize) -> (Self::Owner, Self::Thief) {
                let queue = Arc::new($new(capacity));
                (Arc::clone(&queue), queue)
            }

            fn another(thief: &Self::Thief) -> Self::Thief {
                Arc::clone(thief)
            }

            #[inline(always)]
            fn push(owner: &mut Self::Owner, value: u64) -> bool {
                <$queue>::push(owner, value).is_ok()
            }

            #[inline(always)]
            fn pop(owner: &mut Self::Owner) -> Option<u64> {
                <$queue>::pop(owner).into_iter().next()
            }

            #[inline(always)]
            fn steal(thief: &mut Self::Thief) -> Option<u64> {
                <$queue>::pop(thief).into_iter().next()
            }
        }
    };
}

shared_queue!(Array, ArrayQueue<u64>, "ArrayQueue", ArrayQueue::new);
shared_queue!(
    Concurrent,
    ConcurrentQueue<u64>,
    "concurrent-queue",
    ConcurrentQueue::bounded
);

/// rtrb: one producer, one consumer, first in, first out. Its owner keeps both ends, so nobody can steal.
#[derive(Debug)]
pub struct Rtrb;

impl Ring for Rtrb {
    const NAME: &'static str = "rtrb (no thieves)";
    const LIFO: bool = false;
    type Owner = (rtrb::Producer<u64>, rtrb::Consumer<u64>);
    type Thief = ();

    fn new(capacity: usize) -> (Self::Owner, Self::Thief) {
        (rtrb::RingBuffer::new(capacity), ())
    }

    fn another((): &Self::Thief) -> Self::Thief {}

    #[inline(always)]
    fn push(owner: &mut Self::Owner, value: u64) -> bool {
        owner.0.push(value).is_ok()
    }

    #[inline(always)]
    fn pop(owner: &mut Self::Owner) -> Option<u64> {
        owner.1.pop().ok()
    }

    #[inline(always)]
    fn steal((): &mut Self::Thief) -> Option<u64> {
        None
    }
}
