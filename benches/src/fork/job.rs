//! What lies in the deques: a pointer to a closure, on a stack or on the heap, and how to run it.

use std::any::Any;
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::Deque;
use super::runtime::Worker;

/// A job in a deque. Who has one runs it once, or gives it back to its maker unrun.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    data: NonNull<()>,
    /// Gets `data` and the worker that runs it.
    run: unsafe fn(NonNull<()>, NonNull<()>),
}

// SAFETY: the closures behind a job, and their results, are `Send` (the bounds of `join` and `spawn`).
unsafe impl Send for Job {}

impl Job {
    /// Runs the job. It does not unwind.
    ///
    /// # Safety
    ///
    /// The job came out of a deque of `D`, into which it was pushed once.
    #[inline]
    pub(super) unsafe fn run<D: Deque>(self, worker: &mut Worker<'_, D>) {
        // SAFETY: the maker of the job keeps `data` until it has run, it runs once (caller's), and the worker is one over
        // the deque that the job was made for.
        unsafe { (self.run)(self.data, NonNull::from(worker).cast()) };
    }

    /// Whether this is the job of that closure.
    #[inline(always)]
    pub(super) fn is<F, R>(self, job: &OnStack<F, R>) -> bool {
        self.data == NonNull::from(job).cast()
    }
}

/// The second half of a join, on the stack of the one who joins.
pub(super) struct OnStack<F, R> {
    /// Set when another worker has run it: its last access to this memory.
    done: AtomicBool,
    /// The closure until it is run or taken back.
    work: UnsafeCell<Option<F>>,
    /// What it gave, once `done` is set.
    result: UnsafeCell<Option<thread::Result<R>>>,
}

impl<F, R> OnStack<F, R> {
    pub(super) fn new(work: F) -> Self {
        Self {
            done: AtomicBool::new(false),
            work: UnsafeCell::new(Some(work)),
            result: UnsafeCell::new(None),
        }
    }

    /// The job that runs it.
    ///
    /// # Safety
    ///
    /// `self` stays where it is until the job has run (`is_done`) or come back unrun, and is touched in no other way
    /// meanwhile. `F` and `R` are `Send`.
    #[inline(always)]
    pub(super) unsafe fn job<D: Deque>(&self) -> Job
    where
        F: FnOnce(&mut Worker<'_, D>) -> R,
    {
        Job {
            data: NonNull::from(self).cast(),
            run: Self::run_elsewhere::<D>,
        }
    }

    unsafe fn run_elsewhere<D: Deque>(data: NonNull<()>, worker: NonNull<()>)
    where
        F: FnOnce(&mut Worker<'_, D>) -> R,
    {
        // SAFETY: the maker keeps it until `done` is set, below (`job`).
        let this = unsafe { data.cast::<Self>().as_ref() };
        // SAFETY: `Job::run` was given this worker exclusively, and its deque is of `D`.
        let worker = unsafe { worker.cast::<Worker<'_, D>>().as_mut() };
        // SAFETY: the one who has the job has the cells, until `done` is set.
        let work = unsafe { (*this.work.get()).take() };
        if let Some(work) = work {
            let result = catch_unwind(AssertUnwindSafe(|| work(worker)));
            // SAFETY: as above.
            unsafe { *this.result.get() = Some(result) };
        }
        // ORDERING: Release, pairs with the Acquire load in `is_done`: the result is there, and so is what the closure did.
        this.done.store(true, Ordering::Release);
    }

    /// Whether another worker has run it.
    #[inline(always)]
    pub(super) fn is_done(&self) -> bool {
        // ORDERING: Acquire, pairs with the Release store in `run_elsewhere`.
        self.done.load(Ordering::Acquire)
    }

    /// The closure that came back unrun.
    #[inline(always)]
    pub(super) fn into_work(self) -> F {
        self.work.into_inner().expect("it has not run")
    }

    /// What another worker made of it.
    pub(super) fn into_result(self) -> thread::Result<R> {
        self.result.into_inner().expect("it has run")
    }
}

/// A job of a scope, on the heap.
pub(super) struct OnHeap<F> {
    work: F,
    /// Where it says that it has run.
    finish: NonNull<()>,
    /// Gets `finish` and what the closure panicked with.
    finished: unsafe fn(NonNull<()>, Option<Box<dyn Any + Send>>),
}

impl<F> OnHeap<F> {
    /// The job that runs a closure, then calls `finished` with `finish`.
    ///
    /// # Safety
    ///
    /// What the closure borrows, and what `finish` points at, stays until `finished` has been called. `F` is `Send`.
    pub(super) unsafe fn job<D: Deque>(
        work: F,
        finish: NonNull<()>,
        finished: unsafe fn(NonNull<()>, Option<Box<dyn Any + Send>>),
    ) -> Job
    where
        F: FnOnce(&mut Worker<'_, D>),
    {
        let this = Box::new(Self {
            work,
            finish,
            finished,
        });
        Job {
            data: NonNull::from(Box::leak(this)).cast(),
            run: Self::run::<D>,
        }
    }

    unsafe fn run<D: Deque>(data: NonNull<()>, worker: NonNull<()>)
    where
        F: FnOnce(&mut Worker<'_, D>),
    {
        // SAFETY: `job` leaked the box, and a job runs once (`Job::run`).
        let this = unsafe { Box::from_raw(data.cast::<Self>().as_ptr()) };
        // SAFETY: `Job::run` was given this worker exclusively, and its deque is of `D`.
        let worker = unsafe { worker.cast::<Worker<'_, D>>().as_mut() };
        let (work, finish, finished) = (this.work, this.finish, this.finished);
        let panic = catch_unwind(AssertUnwindSafe(|| work(worker))).err();
        // SAFETY: the maker's, and this is the one call.
        unsafe { finished(finish, panic) };
    }
}
