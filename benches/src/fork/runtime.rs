//! The scheduler: workers that join, spawn, steal, and wait.
//!
//! It is written as work-stealing runtimes are. A join pushes its second half, runs the first, and takes the second back
//! if no other worker has it; a worker that has to wait runs what it can steal; one that finds nothing spins, lets others
//! have its CPU, and at last sleeps.

use std::any::Any;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use crossbeam_utils::CachePadded;

use super::job::{Job, OnHeap, OnStack};
use super::{Deque, Steal};

/// How often a worker looks for work in vain, with ever longer pauses, before it gives its CPU away …
const SPINS: u32 = 6;
/// … and how often it does that before it sleeps.
const YIELDS: u32 = 64;

/// How long a worker sleeps if no other wakes it: a push is no fence, so it may overlook one that is about to sleep.
const NAP: Duration = Duration::from_millis(1);

/// What the workers of a run share.
struct Shared<D: Deque> {
    thieves: Vec<D::Thief>,
    /// Whether the run has ended.
    ended: AtomicBool,
    /// How many workers look for work and find none.
    searching: CachePadded<AtomicUsize>,
    /// How many workers sleep: the length of `asleep`.
    sleepers: CachePadded<AtomicUsize>,
    asleep: Mutex<Vec<Thread>>,
}

impl<D: Deque> Shared<D> {
    fn asleep(&self) -> std::sync::MutexGuard<'_, Vec<Thread>> {
        self.asleep.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps until another worker wakes this one, or for a short while.
    fn sleep(&self) {
        let me = thread::current();
        {
            let mut asleep = self.asleep();
            asleep.push(me.clone());
            // ORDERING: Relaxed. A hint for `push`, which may miss it: hence the nap's end.
            self.sleepers.store(asleep.len(), Ordering::Relaxed);
        }
        // ORDERING: Relaxed, as at the end of the run every sleeper is woken, or wakes by itself.
        if !self.ended.load(Ordering::Relaxed) {
            thread::park_timeout(NAP);
        }
        let mut asleep = self.asleep();
        asleep.retain(|other| other.id() != me.id());
        // ORDERING: Relaxed, as above.
        self.sleepers.store(asleep.len(), Ordering::Relaxed);
    }

    /// Wakes a sleeper after a push, unless there are others who look for work and `was_empty` says that they keep up.
    #[cold]
    fn wake(&self, was_empty: bool) {
        // ORDERING: Relaxed. A hint: to wake one too many or too few costs time alone.
        if was_empty && self.searching.load(Ordering::Relaxed) > 0 {
            return;
        }
        let mut asleep = self.asleep();
        let woken = asleep.pop();
        // ORDERING: Relaxed, as in `sleep`.
        self.sleepers.store(asleep.len(), Ordering::Relaxed);
        drop(asleep);
        if let Some(thread) = woken {
            thread.unpark();
        }
    }
}

/// Ends the run, also when it ends in a panic.
struct End<'a, D: Deque>(&'a Shared<D>);

impl<D: Deque> Drop for End<'_, D> {
    fn drop(&mut self) {
        // ORDERING: Relaxed. The helpers learn of nothing by it but that they may go.
        self.0.ended.store(true, Ordering::Relaxed);
        for thread in self.0.asleep().drain(..) {
            thread.unpark();
        }
    }
}

/// Runs `root` on this thread with `threads - 1` helpers.
///
/// # Panics
///
/// When `root` does.
pub fn run<D: Deque, R>(threads: usize, root: impl FnOnce(&mut Worker<'_, D>) -> R) -> R {
    let (owners, thieves): (Vec<_>, Vec<_>) = (0..threads).map(|_| D::new()).unzip();
    let shared = Shared::<D> {
        thieves,
        ended: AtomicBool::new(false),
        searching: CachePadded::new(AtomicUsize::new(0)),
        sleepers: CachePadded::new(AtomicUsize::new(0)),
        asleep: Mutex::new(Vec::new()),
    };
    let ready = Barrier::new(threads);
    let mut owners = owners.into_iter();
    thread::scope(|scope| {
        let _end = End(&shared);
        let (shared, ready) = (&shared, &ready);
        let mut first = Worker::new(shared, owners.next().expect("one worker"), 0);
        for (at, owner) in owners.enumerate() {
            scope.spawn(move || {
                let mut worker = Worker::new(shared, owner, at + 1);
                ready.wait();
                // ORDERING: Relaxed, as where it is set.
                worker.work_until(|| shared.ended.load(Ordering::Relaxed), true);
            });
        }
        ready.wait();
        root(&mut first)
    })
}

/// A thread of the scheduler with its deque.
pub struct Worker<'a, D: Deque> {
    shared: &'a Shared<D>,
    owner: D::Owner,
    /// Its own place among the thieves' ends.
    at: usize,
    /// Where the next search begins, at random.
    seed: u32,
}

impl<D: Deque> std::fmt::Debug for Worker<'_, D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker")
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

impl<'a, D: Deque> Worker<'a, D> {
    fn new(shared: &'a Shared<D>, owner: D::Owner, at: usize) -> Self {
        Self {
            shared,
            owner,
            at,
            seed: 0x9E37_79B9 ^ (at as u32 + 1),
        }
    }

    /// Runs both, the second perhaps on another worker.
    ///
    /// # Panics
    ///
    /// When one of them does, after both have ended; if the first does, the second may not run at all.
    #[inline]
    pub fn join<A, B, RA, RB>(&mut self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce(&mut Worker<'_, D>) -> RA,
        B: FnOnce(&mut Worker<'_, D>) -> RB + Send,
        RB: Send,
    {
        let second = OnStack::new(b);
        // SAFETY: `second` stays here, untouched, until `take_back` says that the job came back or was run. Between the
        // push and that nothing unwinds: `a` is caught, and jobs do not unwind.
        let job = unsafe { second.job::<D>() };
        if self.push(job).is_err() {
            let first = a(self);
            return (first, second.into_work()(self));
        }
        let first = catch_unwind(AssertUnwindSafe(|| a(self)));
        let back = self.take_back(&second);
        match first {
            Ok(first) if back => (first, second.into_work()(self)),
            Ok(first) => match second.into_result() {
                Ok(second) => (first, second),
                Err(panic) => resume_unwind(panic),
            },
            Err(panic) => resume_unwind(panic),
        }
    }

    /// Takes a job back, or waits until the worker that stole it has run it. Says which.
    #[inline(always)]
    fn take_back<F, R>(&mut self, job: &OnStack<F, R>) -> bool {
        while let Some(found) = D::pop(&mut self.owner) {
            if found.is(job) {
                return true;
            }
            // What was spawned after it.
            //
            // SAFETY: it came out of a deque of ours.
            unsafe { found.run(self) };
        }
        // Thieves take the oldest first, and the deque is empty: the job was stolen.
        self.work_until(|| job.is_done(), false);
        false
    }

    /// Runs `body`, then waits for all that it has spawned in the scope.
    ///
    /// # Panics
    ///
    /// When `body` or one of the jobs does, after all have ended.
    pub fn scope<'scope, R>(
        &mut self,
        body: impl FnOnce(&Scope<'scope, D>, &mut Worker<'_, D>) -> R,
    ) -> R {
        let scope = Scope {
            pending: AtomicUsize::new(0),
            panic: Mutex::new(None),
            _scope: PhantomData,
        };
        let result = catch_unwind(AssertUnwindSafe(|| body(&scope, self)));
        // ORDERING: Acquire, pairs with the Release subtraction in `finished`: what the jobs did is visible.
        self.work_until(|| scope.pending.load(Ordering::Acquire) == 0, false);
        let panic = scope.panic.into_inner();
        match (result, panic.unwrap_or_else(PoisonError::into_inner)) {
            (Ok(result), None) => result,
            (Err(panic), _) | (_, Some(panic)) => resume_unwind(panic),
        }
    }

    #[inline(always)]
    fn push(&mut self, job: Job) -> Result<(), Job> {
        let was_empty = D::is_empty(&mut self.owner);
        D::push(&mut self.owner, job)?;
        // ORDERING: Relaxed, as in `sleep`.
        if self.shared.sleepers.load(Ordering::Relaxed) != 0 {
            self.shared.wake(was_empty);
        }
        Ok(())
    }

    /// Takes the newest job of its own, or the oldest of another worker's.
    fn find(&mut self) -> Option<Job> {
        if let Some(job) = D::pop(&mut self.owner) {
            return Some(job);
        }
        let thieves = &self.shared.thieves;
        loop {
            self.seed ^= self.seed << 13;
            self.seed ^= self.seed >> 17;
            self.seed ^= self.seed << 5;
            let start = self.seed as usize % thieves.len();
            let mut again = false;
            for victim in (start..thieves.len()).chain(0..start) {
                if victim == self.at {
                    continue;
                }
                match D::steal(&thieves[victim], &mut self.owner) {
                    Steal::Job(job) => return Some(job),
                    Steal::Empty => {}
                    Steal::Retry => again = true,
                }
            }
            if !again {
                return None;
            }
        }
    }

    /// Runs jobs until `done`. Only one that may `sleep` does so: whom another worker waits for, or who waits for a job
    /// that runs, goes on looking.
    #[cold]
    fn work_until(&mut self, done: impl Fn() -> bool, sleep: bool) {
        let mut in_vain = 0;
        while !done() {
            if let Some(job) = self.find() {
                if in_vain != 0 {
                    // ORDERING: Relaxed. A hint, as in `wake`.
                    self.shared.searching.fetch_sub(1, Ordering::Relaxed);
                    in_vain = 0;
                }
                // SAFETY: it came out of a deque of ours.
                unsafe { job.run(self) };
                continue;
            }
            if in_vain == 0 {
                // ORDERING: Relaxed. A hint, as in `wake`.
                self.shared.searching.fetch_add(1, Ordering::Relaxed);
            }
            in_vain += 1;
            if in_vain <= SPINS {
                (0..1 << in_vain).for_each(|_| std::hint::spin_loop());
            } else if !sleep || in_vain <= SPINS + YIELDS {
                in_vain = in_vain.min(SPINS + YIELDS);
                thread::yield_now();
            } else {
                // ORDERING: Relaxed. Hints, as in `wake`.
                self.shared.searching.fetch_sub(1, Ordering::Relaxed);
                self.shared.sleep();
                in_vain = 0;
            }
        }
        if in_vain != 0 {
            // ORDERING: Relaxed. A hint, as in `wake`.
            self.shared.searching.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// A place to spawn jobs that may borrow what lives for `'scope`.
pub struct Scope<'scope, D> {
    /// How many jobs have not ended.
    pending: AtomicUsize,
    /// What the first of those that panicked has thrown.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    /// Neither a longer nor a shorter lifetime will do.
    _scope: PhantomData<fn(&'scope D) -> &'scope D>,
}

impl<D> std::fmt::Debug for Scope<'_, D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scope").finish_non_exhaustive()
    }
}

impl<'scope, D: Deque> Scope<'scope, D> {
    /// Adds a job, which some worker runs before the scope ends.
    pub fn spawn<F>(&self, worker: &mut Worker<'_, D>, work: F)
    where
        F: FnOnce(&Scope<'scope, D>, &mut Worker<'_, D>) + Send + 'scope,
    {
        struct Address<'scope, D>(NonNull<Scope<'scope, D>>);
        // SAFETY: a scope is shared by the workers.
        unsafe impl<D> Send for Address<'_, D> {}
        impl<'scope, D> Address<'scope, D> {
            /// # Safety
            ///
            /// The scope exists.
            unsafe fn scope(&self) -> &Scope<'scope, D> {
                // SAFETY: the caller's.
                unsafe { self.0.as_ref() }
            }
        }

        // ORDERING: Relaxed. The count cannot be zero here for the one who waits: it has not begun to wait, or a job runs.
        self.pending.fetch_add(1, Ordering::Relaxed);
        let address = Address(NonNull::from(self));
        // SAFETY: `Worker::scope` waits until the job has finished, so the scope exists.
        let work = move |worker: &mut Worker<'_, D>| work(unsafe { address.scope() }, worker);
        // SAFETY: what the closure borrows lives for `'scope`, so longer than the call of `Worker::scope`, which waits for
        // `finished`. The closure is `Send`.
        let job = unsafe { OnHeap::job::<D>(work, NonNull::from(self).cast(), Self::finished) };
        if let Err(job) = worker.push(job) {
            // SAFETY: the deque gave it back.
            unsafe { job.run(worker) };
        }
    }

    /// Enters the end of a job.
    ///
    /// # Safety
    ///
    /// `scope` points at a scope of this type, in which a job is pending, and that job does nothing else with it.
    unsafe fn finished(scope: NonNull<()>, panic: Option<Box<dyn Any + Send>>) {
        // SAFETY: the job counts as pending, so the scope exists (caller's).
        let scope = unsafe { scope.cast::<Self>().as_ref() };
        if panic.is_some() {
            let mut first = scope.panic.lock().unwrap_or_else(PoisonError::into_inner);
            *first = first.take().or(panic);
        }
        // ORDERING: Release, pairs with the Acquire load in `scope`: what the job did happens before the scope ends. The
        // last access to it.
        scope.pending.fetch_sub(1, Ordering::Release);
    }
}
