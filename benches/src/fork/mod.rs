//! A small fork-join scheduler over the deque under test, and what runs on it.
//!
//! A deque's own figures say what an operation costs alone. Here it does what it is for: each worker has a deque of its
//! own, pushes what another may run, takes it back if no other did, and steals when it has nothing to do.

pub mod contenders;
pub mod job;
pub mod runtime;
pub mod work;

use job::Job;

/// What an attempt to steal has found.
#[derive(Debug)]
pub enum Steal {
    /// A job.
    Job(Job),
    /// The deque was empty.
    Empty,
    /// The attempt was lost to another thread, and there may be more.
    Retry,
}

/// A deque of jobs: the owner takes the newest first, thieves the oldest.
pub trait Deque: 'static {
    /// As in the tables.
    const NAME: &'static str;

    /// The end of the worker whose deque it is.
    type Owner: Send;

    /// The end of the other workers.
    type Thief: Send + Sync;

    /// An empty deque. One with a bound has room for at least [`ROOM`] jobs.
    fn new() -> (Self::Owner, Self::Thief);

    /// Adds a job, or gives it back where there is no room.
    ///
    /// # Errors
    ///
    /// The job.
    fn push(owner: &mut Self::Owner, job: Job) -> Result<(), Job>;

    /// Takes the newest job.
    fn pop(owner: &mut Self::Owner) -> Option<Job>;

    /// Whether the deque is empty, as its owner sees it.
    fn is_empty(owner: &mut Self::Owner) -> bool;

    /// Takes the oldest job of another worker. `own` is the thief's deque, for those that steal into one.
    fn steal(thief: &Self::Thief, own: &mut Self::Owner) -> Steal;
}

/// How many jobs a deque with a bound has room for.
pub const ROOM: usize = 256;
