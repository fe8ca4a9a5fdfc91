//! The deques that the scheduler runs on.

use super::job::Job;
use super::{Deque, ROOM, Steal};
use crate::ring::contenders::{Chain, Crossbeam, Dequeue, Packed, St3Lifo};
use crate::ring::packed;

impl Deque for Crossbeam {
    const NAME: &'static str = <Self as crate::ring::Ring>::NAME;
    type Owner = crossbeam_deque::Worker<Job>;
    type Thief = crossbeam_deque::Stealer<Job>;

    fn new() -> (Self::Owner, Self::Thief) {
        let owner = crossbeam_deque::Worker::new_lifo();
        let thief = owner.stealer();
        (owner, thief)
    }

    #[inline(always)]
    fn push(owner: &mut Self::Owner, job: Job) -> Result<(), Job> {
        crossbeam_deque::Worker::push(owner, job);
        Ok(())
    }

    #[inline(always)]
    fn pop(owner: &mut Self::Owner) -> Option<Job> {
        crossbeam_deque::Worker::pop(owner)
    }

    #[inline(always)]
    fn is_empty(owner: &mut Self::Owner) -> bool {
        crossbeam_deque::Worker::is_empty(owner)
    }

    #[inline(always)]
    fn steal(thief: &Self::Thief, _: &mut Self::Owner) -> Steal {
        match thief.steal() {
            crossbeam_deque::Steal::Success(job) => Steal::Job(job),
            crossbeam_deque::Steal::Empty => Steal::Empty,
            crossbeam_deque::Steal::Retry => Steal::Retry,
        }
    }
}

impl Deque for St3Lifo {
    const NAME: &'static str = <Self as crate::ring::Ring>::NAME;
    type Owner = st3::lifo::Worker<Job>;
    type Thief = st3::lifo::Stealer<Job>;

    fn new() -> (Self::Owner, Self::Thief) {
        let owner = st3::lifo::Worker::new(ROOM);
        let thief = owner.stealer();
        (owner, thief)
    }

    #[inline(always)]
    fn push(owner: &mut Self::Owner, job: Job) -> Result<(), Job> {
        st3::lifo::Worker::push(owner, job)
    }

    #[inline(always)]
    fn pop(owner: &mut Self::Owner) -> Option<Job> {
        st3::lifo::Worker::pop(owner)
    }

    #[inline(always)]
    fn is_empty(owner: &mut Self::Owner) -> bool {
        st3::lifo::Worker::is_empty(owner)
    }

    #[inline(always)]
    fn steal(thief: &Self::Thief, own: &mut Self::Owner) -> Steal {
        // One, as with the others: the rest would stay in the thief's own deque.
        match thief.steal_and_pop(own, |_| 1) {
            Ok((job, _)) => Steal::Job(job),
            Err(st3::StealError::Empty) => Steal::Empty,
            Err(st3::StealError::Busy) => Steal::Retry,
        }
    }
}

/// This project's, whose thieves find nothing only where there is nothing.
macro_rules! ours {
    ($deque:ident, $owner:ty, $thief:ty, $new:expr, $push:ident, $pop:ident, $steal:ident) => {
        impl Deque for $deque {
            const NAME: &'static str = <Self as crate::ring::Ring>::NAME;
            type Owner = $owner;
            type Thief = $thief;

            fn new() -> (Self::Owner, Self::Thief) {
                $new
            }

            #[inline(always)]
            fn push(owner: &mut Self::Owner, job: Job) -> Result<(), Job> {
                owner.$push(job).map_err(|full| full.into())
            }

            #[inline(always)]
            fn pop(owner: &mut Self::Owner) -> Option<Job> {
                owner.$pop()
            }

            #[inline(always)]
            fn is_empty(owner: &mut Self::Owner) -> bool {
                owner.is_empty()
            }

            #[inline(always)]
            fn steal(thief: &Self::Thief, _: &mut Self::Owner) -> Steal {
                thief.$steal().map_or(Steal::Empty, Steal::Job)
            }
        }
    };
}

ours!(
    Dequeue,
    pool_dequeue::Producer<Job>,
    pool_dequeue::Consumer<Job>,
    pool_dequeue::bounded(ROOM),
    push_head,
    pop_head,
    pop_tail
);
ours!(
    Chain,
    pool_chain::Producer<Job>,
    pool_chain::Consumer<Job>,
    pool_chain::unbounded(),
    push_head,
    pop_head,
    pop_tail
);
ours!(
    Packed,
    packed::Owner<Job>,
    packed::Thief<Job>,
    packed::bounded(ROOM),
    push,
    pop,
    steal
);

impl From<pool_dequeue::Full<Job>> for Job {
    fn from(full: pool_dequeue::Full<Job>) -> Self {
        full.into_inner()
    }
}

impl From<pool_chain::Full<Job>> for Job {
    fn from(full: pool_chain::Full<Job>) -> Self {
        full.into_inner()
    }
}
