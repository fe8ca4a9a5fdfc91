//! When an unlinked ring's memory may go: the one place that knows crossbeam-epoch.
//!
//! The chain asks for three things. `pin`: from here until the guard is dropped, a node that I find
//! through a link stays. `retire`: this node is unlinked; give back the chain's hold on it once every
//! guard that exists now is gone. `flush`: do not sit on what was retired.
//!
//! In production that is a crossbeam-epoch collector for all chains of the process, but not its default one, which is made
//! under a lock: the second thread to come would wait for a thread that may be stopped, or lost in a fork, or the caller itself
//! in its allocator. Under Miri it is a collector for each chain, because one in a static is reported as leaked.
//! crossbeam-epoch 0.9 passes
//! Miri under Tree Borrows only; so that all but this seam meets Stacked Borrows and strict provenance, too, Miri
//! with `--cfg pool_epochless` has a reclaimer behind a lock. Under the model checker it is one that notices every
//! use of what it has freed. Both of these are as eager as the contract allows.

#[cfg(all(not(pool_loom), not(miri)))]
pub(crate) use epoch::Domain;
#[cfg(not(any(pool_loom, pool_epochless)))]
pub(crate) use epoch::Guard;
#[cfg(all(not(pool_loom), pool_epochless))]
pub(crate) use locked::{Domain, Guard};
#[cfg(pool_loom)]
pub(crate) use model::{Domain, Guard};
#[cfg(all(not(any(pool_loom, pool_epochless)), miri))]
pub(crate) use own_collector::Domain;

#[cfg(all(pool_epochless, not(miri)))]
compile_error!("pool_epochless is for Miri: its reclaimer has a lock");

/// How often [`collect`] looks for memory to free. Memory goes after the epoch has advanced twice, each
/// look advances it at most once, and one more makes up for a look that met another thread's.
const ROUNDS: usize = 3;

impl Domain {
    /// Frees what can be freed now.
    pub(crate) fn collect(&self) {
        for _ in 0..ROUNDS {
            self.pin().flush();
        }
    }
}

#[cfg(not(pool_loom))]
mod raced {
    use alloc::boxed::Box;
    use core::marker::PhantomData;
    use core::ptr;

    use crate::sync::{AtomicPtr, Ordering};

    /// A value that is made at its first use. Several threads may make one then; the first to have finished wins, and the
    /// others throw theirs away. So nobody waits.
    pub(super) struct Raced<T> {
        made: AtomicPtr<T>,
        _value: PhantomData<Box<T>>,
    }

    impl<T> Raced<T> {
        pub(super) const fn new() -> Self {
            Self {
                made: AtomicPtr::new(ptr::null_mut()),
                _value: PhantomData,
            }
        }

        pub(super) fn get_or_make(&self, make: impl FnOnce() -> T) -> &T {
            // ORDERING: Acquire, pairs with the Release below: the value is made.
            let mut made = self.made.load(Ordering::Acquire);
            if made.is_null() {
                let fresh = Box::into_raw(Box::new(make()));
                // ORDERING: Release on success, Acquire on failure, pairs with itself: as above.
                made = match self.made.compare_exchange(
                    ptr::null_mut(),
                    fresh,
                    Ordering::Release,
                    Ordering::Acquire,
                ) {
                    Ok(_) => fresh,
                    Err(theirs) => {
                        // SAFETY: ours from `into_raw` above, and never published.
                        drop(unsafe { Box::from_raw(fresh) });
                        theirs
                    }
                };
            }
            // SAFETY: made before it was published, and freed only with us.
            unsafe { &*made }
        }
    }

    /// With this value already made.
    #[cfg(miri)]
    impl<T> From<T> for Raced<T> {
        fn from(value: T) -> Self {
            Self {
                made: AtomicPtr::new(Box::into_raw(Box::new(value))),
                _value: PhantomData,
            }
        }
    }

    impl<T> Drop for Raced<T> {
        fn drop(&mut self) {
            // ORDERING: Relaxed. We have it exclusively, so every write to it happened before.
            let made = self.made.load(Ordering::Relaxed);
            if !made.is_null() {
                // SAFETY: from `into_raw`, and nobody else's any more.
                drop(unsafe { Box::from_raw(made) });
            }
        }
    }
}

#[cfg(not(any(pool_loom, pool_epochless)))]
mod epoch {
    #[cfg(not(miri))]
    use core::cell::{Cell, OnceCell};
    #[cfg(not(miri))]
    use core::ptr;
    use core::ptr::NonNull;

    #[cfg(not(miri))]
    use crossbeam_epoch::{Collector, LocalHandle};

    #[cfg(not(miri))]
    use super::raced::Raced;
    use crate::node::Node;

    /// Whose garbage is collected together: everybody's.
    #[cfg(not(miri))]
    #[derive(Clone)]
    pub(crate) struct Domain;

    #[cfg(not(miri))]
    impl Domain {
        pub(crate) const fn new() -> Self {
            Self
        }

        /// Keeps the nodes found through links from now on.
        #[inline(always)]
        pub(crate) fn pin(&self) -> Guard {
            let handle = HANDLE.with(Cell::get);
            if handle.is_null() {
                return Guard(pin_first());
            }
            // SAFETY: this thread's, and `Kept` takes the address back before it goes.
            Guard(unsafe { &*handle }.pin())
        }
    }

    /// This thread's part of the collector.
    #[cfg(not(miri))]
    struct Kept(OnceCell<LocalHandle>);

    #[cfg(not(miri))]
    impl Drop for Kept {
        fn drop(&mut self) {
            HANDLE.set(ptr::null());
        }
    }

    #[cfg(not(miri))]
    std::thread_local! {
        /// Where the thread's part of the collector is. Has no destructor, so that a pin does not ask whether it has run.
        static HANDLE: Cell<*const LocalHandle> = const { Cell::new(ptr::null()) };
        static KEPT: Kept = const { Kept(OnceCell::new()) };
    }

    /// Makes the thread's part of the collector, and the collector, if need be.
    #[cfg(not(miri))]
    #[cold]
    fn pin_first() -> crossbeam_epoch::Guard {
        static COLLECTOR: Raced<Collector> = Raced::new();
        let handle = COLLECTOR.get_or_make(Collector::new).register();
        let guard = handle.pin();
        // Not if the thread's locals are gone, nor if the allocator has come here in between: then there is one. The guard
        // keeps what it needs of this.
        _ = KEPT.try_with(|kept| {
            _ = kept.0.set(handle);
            HANDLE.set(kept.0.get().map_or(ptr::null(), ptr::from_ref));
        });
        guard
    }

    /// Keeps the nodes found through links since it was made.
    pub(crate) struct Guard(pub(super) crossbeam_epoch::Guard);

    impl Guard {
        /// Gives the chain's hold on a node back once every guard that exists now is gone.
        ///
        /// # Safety
        ///
        /// The node cannot be found through a link by a guard made from now on, its values have been moved
        /// out, and it is retired once.
        pub(crate) unsafe fn retire<T>(&self, node: NonNull<Node<T>>) {
            // SAFETY: the caller gives the chain's hold up, once.
            let release = move || unsafe { Node::release(node) };
            // SAFETY: the closure may run on any thread and after the end of `T`'s lifetime. It may: the node holds
            // no value, so freeing it runs no code of `T` and touches nothing that belongs to one.
            unsafe { self.0.defer_unchecked(release) };
        }

        /// Hands what this thread has retired to the collector, and lets it free what it can.
        pub(crate) fn flush(&self) {
            self.0.flush();
        }
    }
}

#[cfg(all(not(any(pool_loom, pool_epochless)), miri))]
mod own_collector {
    use super::Guard;
    use super::raced::Raced;
    use crossbeam_epoch::Collector;

    /// Whose garbage is collected together: one chain's, with the lists detached from it.
    pub(crate) struct Domain(Raced<Collector>);

    impl Clone for Domain {
        fn clone(&self) -> Self {
            // Made here if it is not there yet, so that both clones have the same one.
            Self(Raced::from(self.collector().clone()))
        }
    }

    impl Domain {
        pub(crate) const fn new() -> Self {
            Self(Raced::new())
        }

        fn collector(&self) -> &Collector {
            self.0.get_or_make(Collector::new)
        }

        /// Keeps the nodes found through links from now on.
        pub(crate) fn pin(&self) -> Guard {
            Guard(self.collector().register().pin())
        }
    }
}

/// The contract of the seam and nothing more: a node is freed at the very moment when the last guard that existed at its
/// retirement goes.
#[cfg(any(pool_loom, pool_epochless))]
mod eager {
    use core::ptr::NonNull;
    use std::vec::Vec;

    use crate::node::Node;

    /// The guards there are, and what they keep.
    #[derive(Default)]
    pub(super) struct Kept {
        next_guard: u64,
        guards: Vec<u64>,
        /// With the guards that must go first.
        retired: Vec<(Vec<u64>, Erased)>,
    }

    impl Kept {
        /// Makes a guard.
        pub(super) fn pin(&mut self) -> u64 {
            self.next_guard += 1;
            self.guards.push(self.next_guard);
            self.next_guard
        }

        /// Keeps a node for those who may use it. There is such a guard: that of whoever retires it.
        pub(super) fn retire(&mut self, node: Erased) {
            self.retired.push((self.guards.clone(), node));
        }

        /// Ends a guard, and says what nobody uses any more.
        pub(super) fn unpin(&mut self, gone: u64) -> Vec<Erased> {
            self.guards.retain(|guard| *guard != gone);
            let mut free = Vec::new();
            let mut index = 0;
            while index < self.retired.len() {
                self.retired[index].0.retain(|guard| *guard != gone);
                if self.retired[index].0.is_empty() {
                    free.push(self.retired.swap_remove(index).1);
                } else {
                    index += 1;
                }
            }
            free
        }

        /// Whether every guard is gone, and so all that they kept.
        #[cfg(pool_loom)]
        pub(super) fn is_empty(&self) -> bool {
            self.guards.is_empty() && self.retired.is_empty()
        }
    }

    /// A node without its type, and what is to be done with it.
    pub(super) struct Erased {
        node: NonNull<()>,
        run: unsafe fn(NonNull<()>),
    }

    // SAFETY: what is done with it may be done on any thread and after the end of its values' lifetime: it holds none.
    unsafe impl Send for Erased {}

    impl Erased {
        pub(super) fn new<T>(node: NonNull<Node<T>>, run: unsafe fn(NonNull<()>)) -> Self {
            Self {
                node: node.cast(),
                run,
            }
        }

        /// A retired node, which is to be released.
        pub(super) fn retired<T>(node: NonNull<Node<T>>) -> Self {
            Self::new(node, release::<T>)
        }

        /// Does it.
        ///
        /// # Safety
        ///
        /// Whatever `run` asks for, once.
        pub(super) unsafe fn run(self) {
            // SAFETY: the caller's.
            unsafe { (self.run)(self.node) };
        }
    }

    /// # Safety
    ///
    /// As [`Node::release`], of a node of this type.
    unsafe fn release<T>(node: NonNull<()>) {
        // SAFETY: the caller's.
        unsafe { Node::<T>::release(node.cast()) };
    }
}

#[cfg(all(not(pool_loom), pool_epochless))]
mod locked {
    use core::ptr::NonNull;
    use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

    use super::eager::{Erased, Kept};
    use super::raced::Raced;
    use crate::node::Node;

    /// Whose garbage is kept together: one chain's, with the lists detached from it.
    pub(crate) struct Domain(Raced<Arc<Mutex<Kept>>>);

    impl Clone for Domain {
        fn clone(&self) -> Self {
            // Made here if it is not there yet, so that both clones have the same one.
            Self(Raced::from(Arc::clone(self.kept())))
        }
    }

    impl Domain {
        pub(crate) const fn new() -> Self {
            Self(Raced::new())
        }

        fn kept(&self) -> &Arc<Mutex<Kept>> {
            self.0.get_or_make(Arc::default)
        }

        /// Keeps the nodes found through links from now on.
        pub(crate) fn pin(&self) -> Guard {
            let kept = Arc::clone(self.kept());
            let number = lock(&kept).pin();
            Guard { kept, number }
        }
    }

    /// Keeps the nodes found through links since it was made.
    pub(crate) struct Guard {
        kept: Arc<Mutex<Kept>>,
        number: u64,
    }

    impl Guard {
        /// # Safety
        ///
        /// As the production form.
        pub(crate) unsafe fn retire<T>(&self, node: NonNull<Node<T>>) {
            lock(&self.kept).retire(Erased::retired(node));
        }

        /// Nothing waits here.
        pub(crate) fn flush(&self) {}
    }

    impl Drop for Guard {
        fn drop(&mut self) {
            let free = lock(&self.kept).unpin(self.number);
            for node in free {
                // SAFETY: whoever retired the node gave the chain's hold up.
                unsafe { node.run() };
            }
        }
    }

    fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
        kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(pool_loom)]
pub(crate) mod model {
    //! The eager reclaimer, in the model checker's terms. A node is not freed really, but marked and kept, so that
    //! whoever still uses it is found out.

    use core::ptr::NonNull;
    use std::boxed::Box;
    use std::cell::{Cell, RefCell};
    use std::vec::Vec;

    use super::eager::{Erased, Kept};
    use crate::node::Node;
    use crate::sync::{AtomicBool, AtomicUsize, Ordering, UnsafeCell, fence};

    /// What the model remembers. A model's threads share one thread of the system, and its book-keeping
    /// must add no edge between them, so this is plain thread-local memory.
    #[derive(Default)]
    struct State {
        kept: Kept,
        /// Freed nodes, whose memory goes at the end of the execution.
        graves: Vec<Erased>,
        nodes: usize,
    }

    /// # Safety
    ///
    /// `Node::<T>::allocate` made the node, and nobody uses it any more.
    unsafe fn bury<T>(node: NonNull<()>) {
        // SAFETY: the caller's; a boxed slice of one has a box's layout.
        drop(unsafe { Box::from_raw(node.cast::<Node<T>>().as_ptr()) });
    }

    std::thread_local! {
        static STATE: RefCell<State> = RefCell::default();
    }

    crate::sync::lazy_static! {
        /// How many guards have gone.
        static ref GONE: AtomicUsize = AtomicUsize::new(0);
    }

    crate::sync::thread_local! {
        /// How many guards this thread of the model has.
        static GUARDS: Cell<usize> = Cell::new(0);
    }

    #[derive(Clone)]
    pub(crate) struct Domain;

    impl Domain {
        pub(crate) fn new() -> Self {
            Self
        }

        pub(crate) fn pin(&self) -> Guard {
            let guard = Guard(STATE.with_borrow_mut(|state| state.kept.pin()));
            let outermost = GUARDS.with(|guards| guards.replace(guards.get() + 1) == 0);
            if !outermost {
                // The outer guard's fence is enough for reclamation, and crossbeam-epoch has no other.
                return guard;
            }
            // ORDERING: SeqCst, pairs with the fence in `retire`, as in crossbeam-epoch: of a guard and a
            // retirement, either the retirement finds the guard or the guard's loads find the node unlinked.
            fence(Ordering::SeqCst);
            guard
        }
    }

    pub(crate) struct Guard(u64);

    impl Guard {
        /// # Safety
        ///
        /// As the production form.
        pub(crate) unsafe fn retire<T>(&self, node: NonNull<Node<T>>) {
            // ORDERING: SeqCst, pairs with the fence in `pin`.
            fence(Ordering::SeqCst);
            STATE.with_borrow_mut(|state| state.kept.retire(Erased::retired(node)));
        }

        pub(crate) fn flush(&self) {}
    }

    impl Drop for Guard {
        fn drop(&mut self) {
            GUARDS.with(|guards| guards.set(guards.get() - 1));
            // ORDERING: Release, pairs with the Acquire load below: what was done under a guard happens before what
            // the guard kept is freed.
            GONE.fetch_add(1, Ordering::Release);
            let free = STATE.with_borrow_mut(|state| state.kept.unpin(self.0));
            if !free.is_empty() {
                // ORDERING: Acquire, pairs with the Release additions above. Only whoever frees gets this edge.
                GONE.load(Ordering::Acquire);
            }
            for node in free {
                // SAFETY: whoever retired the node gave the chain's hold up.
                unsafe { node.run() };
            }
        }
    }

    /// Sees a node's use before it is published and after it is freed.
    pub(crate) struct Watch {
        /// Written by the maker and by whoever frees, read by every user: a race unless the node was published
        /// before it was used, and used before it was freed.
        made: UnsafeCell<()>,
        freed: AtomicBool,
        /// The same in plain memory: reading it adds no step, and so no schedules.
        gone: Cell<bool>,
    }

    impl Watch {
        pub(crate) fn new() -> Self {
            STATE.with_borrow_mut(|state| state.nodes += 1);
            let made = UnsafeCell::new(());
            let freed = AtomicBool::new(false);
            // loom counts a thread's time in atomic accesses: without one, the write below would seem to have
            // happened when the thread was last synchronised with others, before it made the node.
            //
            // ORDERING: Relaxed: nobody else knows it.
            freed.store(false, Ordering::Relaxed);
            made.with_mut(|_| ());
            Self {
                made,
                freed,
                gone: Cell::new(false),
            }
        }

        #[track_caller]
        pub(crate) fn touched(&self) {
            self.made.with(|_| ());
            // ORDERING: Relaxed: the model looks for any order in which this comes after the store in `freed`.
            assert!(!self.freed.load(Ordering::Relaxed), "a freed node was used");
        }

        /// A look at a node that was touched before. In this schedule it was freed already, or the free that comes is a
        /// race with this look unless it happens after it.
        #[track_caller]
        pub(crate) fn seen(&self) {
            self.made.with(|_| ());
            assert!(!self.gone.get(), "a freed node was used");
        }

        pub(crate) fn freed<T>(&self, node: NonNull<Node<T>>) {
            // ORDERING: Relaxed, as in `touched`.
            assert!(
                !self.freed.swap(true, Ordering::Relaxed),
                "a node was freed twice"
            );
            // Every use must have happened before: another race if not.
            self.made.with_mut(|_| ());
            self.gone.set(true);
            STATE.with_borrow_mut(|state| {
                state.nodes -= 1;
                state.graves.push(Erased::new(node, bury::<T>));
            });
        }
    }

    /// Begins an execution, before its threads are spawned: makes what the facade makes at its first use,
    /// which would otherwise be an edge between two of them.
    pub fn begin() {
        // An execution that was broken off leaves its own behind.
        drop(STATE.take());
        drop(Domain::new().pin());
    }

    /// Ends an execution, after all its threads have been joined: everything must have been freed. Says how
    /// many nodes there were.
    pub fn finish() -> usize {
        let state = STATE.take();
        assert!(state.kept.is_empty(), "a guard or what it kept was left");
        assert_eq!(state.nodes, 0, "a node was leaked");
        let nodes = state.graves.len();
        for node in state.graves {
            // SAFETY: the execution's threads are gone, and with them everybody who could use the node.
            unsafe { node.run() };
        }
        nodes
    }
}
