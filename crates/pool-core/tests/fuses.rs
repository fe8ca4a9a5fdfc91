//! User code that panics at its k-th call, for each k: every hook, in every operation that runs it, in pools of several
//! kinds. After each the items are counted, the limits hold, and the pool works on. `panics.rs` has the scenes that
//! need more than that.

#![cfg(not(pool_loom))]

mod common;

use std::collections::BTreeSet;
use std::panic::{catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{Fuse, Item, Ledger, Shape, cached, elsewhere, elsewhere_planned, panics, scaled};
use pool_core::{Clock, Pool, Recycle, Usage, tend};

/// The most that a pool with limits holds, in items that weigh as much as most.
const MAX: usize = 12;

/// What a pool of [`Kind::Counted`] keeps through a turn.
const FLOOR: usize = 2;

/// What an item weighs.
const WEIGHT: usize = 10;

/// What the heavy one weighs.
const HEAVY: usize = 3 * WEIGHT;

const PERIOD: Duration = Duration::from_secs(32);

/// What a pool calls of the user's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Hook {
    Create,
    Usage,
    Recycle,
    Weight,
    OnDiscard,
    Drop,
    Clock,
}

use Hook::{Create, OnDiscard, Weight};

const HOOKS: [Hook; 7] = [
    Create,
    Hook::Usage,
    Hook::Recycle,
    Weight,
    OnDiscard,
    Hook::Drop,
    Hook::Clock,
];

/// What kind of pool.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// No hook but those that every pool has. Its takes and puts are fast, and its parts drop their items themselves.
    Plain,
    /// All hooks, and no accounts.
    Hooked,
    /// A limit and a floor for the number of items.
    Counted,
    /// A limit for their weight.
    Weighed,
}

use Kind::{Counted, Hooked, Plain, Weighed};

const ALL: &[Kind] = &[Plain, Hooked, Counted, Weighed];

/// The user: what the hooks do, and when.
struct User {
    ledger: Ledger,
    /// By hook; the ledger has the one of the destructors.
    fuses: [Fuse; HOOKS.len()],
    /// The number of the item that weighs more than others, plus one.
    heavy: AtomicUsize,
    /// The number of the item that is not worth keeping, plus one.
    refused: AtomicUsize,
    millis: AtomicUsize,
}

impl User {
    fn new() -> Self {
        Self {
            ledger: Ledger::new(),
            fuses: HOOKS.map(|_| Fuse::new(0)),
            heavy: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
            millis: AtomicUsize::new(0),
        }
    }

    /// The next calls of a hook, counted from here: the `count`-th panics. None does if it is 0.
    fn light(&self, hook: Hook, count: usize) {
        match hook {
            Hook::Drop => self.ledger.drop_panics_at(count),
            _ => self.fuses[hook as usize].set(count),
        }
    }

    fn is_spent(&self, hook: Hook) -> bool {
        match hook {
            Hook::Drop => self.ledger.has_panicked(),
            _ => self.fuses[hook as usize].is_spent(),
        }
    }

    fn tick(&self, hook: Hook) {
        self.fuses[hook as usize].tick();
    }

    fn is_marked(mark: &AtomicUsize, item: &Item) -> bool {
        mark.load(Ordering::Relaxed) == item.number() + 1
    }

    /// A new item, with one of the marks.
    fn marked(&self, mark: &AtomicUsize) -> Item {
        let item = self.ledger.item();
        mark.store(item.number() + 1, Ordering::Relaxed);
        item
    }

    fn weight(&self, item: &Item) -> usize {
        if Self::is_marked(&self.heavy, item) {
            HEAVY
        } else {
            WEIGHT
        }
    }

    fn pass(&self, time: Duration) {
        let millis = time.as_millis() as usize;
        self.millis.fetch_add(millis, Ordering::Relaxed);
    }
}

impl Clock for User {
    fn now(&self) -> Duration {
        self.tick(Hook::Clock);
        Duration::from_millis(self.millis.load(Ordering::Relaxed) as u64)
    }
}

type Maker = Box<dyn Fn() -> Item + Send + Sync>;
type Tried = Pool<Item, Maker>;

fn build(user: &Arc<User>, shape: Shape, kind: Kind) -> Tried {
    let make: Maker = Box::new({
        let user = user.clone();
        move || {
            user.tick(Create);
            user.ledger.item()
        }
    });
    let mut builder = shape.builder(make).rotate_every(PERIOD).clock(user.clone());
    if kind != Plain {
        builder = builder
            .usage({
                let user = user.clone();
                move |_: &Item| {
                    user.tick(Hook::Usage);
                    Usage {
                        used: 1,
                        capacity: 1,
                    }
                }
            })
            .discard_underused(1)
            .recycle({
                let user = user.clone();
                move |item: &mut Item| {
                    user.tick(Hook::Recycle);
                    if User::is_marked(&user.refused, item) {
                        Recycle::Discard
                    } else {
                        Recycle::Keep
                    }
                }
            })
            .on_discard({
                let user = user.clone();
                move |_: &Item, _| user.tick(OnDiscard)
            });
    }
    if matches!(kind, Counted | Weighed) {
        let user = user.clone();
        builder = builder.weight(move |item: &Item| {
            user.tick(Weight);
            user.weight(item)
        });
    }
    match kind {
        Plain | Hooked => builder,
        Counted => builder.max_idle(MAX).min_idle(FLOOR),
        Weighed => builder.max_weight(MAX * WEIGHT),
    }
    .build()
}

/// A pool, its user, and what the test has of its items.
struct Scene {
    user: Arc<User>,
    kind: Kind,
    depth: usize,
    /// None when it has been dropped.
    pool: Option<Arc<Tried>>,
    held: Vec<Item>,
}

impl Scene {
    fn new(shape: Shape, kind: Kind) -> Self {
        let user = Arc::new(User::new());
        let pool = build(&user, shape, kind);
        Self {
            user,
            kind,
            depth: shape.depth,
            pool: Some(Arc::new(pool)),
            held: Vec::new(),
        }
    }

    fn pool(&self) -> &Arc<Tried> {
        self.pool.as_ref().expect("it was dropped")
    }

    fn put_new(&self, count: usize) {
        (0..count).for_each(|_| self.pool().put(self.user.ledger.item()));
    }

    /// Six items more: in another thread's cache, in this one's and in chains.
    fn populate(&self) {
        elsewhere(|| self.put_new(2));
        self.put_new(2);
        self.pool().prefill(self.pool().stats().idle + 2);
    }

    /// Items of two generations, as many as fit.
    fn populate_twice(&self) {
        self.populate();
        self.pool().rotate();
        self.populate();
        assert_eq!(self.pool().stats().idle, MAX);
    }

    /// As many items as fit, so many of them victims in chains.
    fn fill(&self, victims: usize) {
        self.pool().prefill(victims);
        self.pool().rotate();
        self.put_new(MAX - victims);
        assert_eq!(self.pool().stats().idle, MAX);
    }

    fn hold_new(&mut self, count: usize) {
        self.held
            .extend((0..count).map(|_| self.user.ledger.item()));
    }

    fn put_held(&mut self) {
        while let Some(item) = self.held.pop() {
            self.pool().put(item);
        }
    }

    /// What the items in the pool weigh.
    fn weight(&self) -> usize {
        let heavy = self.user.heavy.load(Ordering::Relaxed);
        let is_in = heavy != 0
            && self.user.ledger.is_alive(heavy - 1)
            && self.held.iter().all(|item| item.number() + 1 != heavy);
        let more = if is_in { HEAVY - WEIGHT } else { 0 };
        self.pool().stats().idle * WEIGHT + more
    }

    /// Everything is where it belongs, and no more than there may be. `unknown` is the weight of what went out while
    /// its weight was not to be had: that stays counted.
    fn check_counts(&self, unknown: usize) {
        let alive = self.user.ledger.alive();
        let stats = self.pool().stats();
        assert_eq!(alive, stats.idle + self.held.len(), "lost or doubled");
        match self.kind {
            Plain | Hooked => return,
            Counted => assert!(stats.idle <= MAX, "{stats:?}"),
            Weighed => assert!(stats.weight <= MAX * WEIGHT, "{stats:?}"),
        }
        assert_eq!(stats.weight, self.weight() + unknown);
    }

    /// The calling thread's cache serves it.
    fn check_hits(&self) {
        // Wherever this one comes from.
        drop(self.pool().get());
        let hits = self.pool().stats().cache_hits;
        (0..2).for_each(|_| drop(self.pool().get()));
        let more = if cached(self.depth) == 0 { 0 } else { 2 };
        assert_eq!(self.pool().stats().cache_hits, hits + more);
    }

    /// The pool has lost nothing, and does its work. `burnt` is what has panicked.
    fn check(mut self, burnt: Option<Hook>) {
        let ledger = self.user.ledger.clone();
        let Some(pool) = self.pool.clone() else {
            assert_eq!(ledger.alive(), self.held.len(), "the pool kept an item");
            return;
        };
        assert_eq!(Arc::strong_count(&pool), 2, "a guard has kept the pool");
        let unknown = match (self.kind, burnt) {
            (Counted | Weighed, Some(Weight)) => pool.stats().weight - self.weight(),
            _ => 0,
        };
        assert!(unknown == 0 || unknown == WEIGHT);
        self.check_counts(unknown);
        // What can be reached comes out, each once, and goes in again.
        let before = self.held.len();
        let drain = || std::iter::from_fn(|| pool.try_take()).collect::<Vec<_>>();
        self.held.extend(drain());
        // An heir finds what a dead thread has left.
        self.held.extend(elsewhere(drain));
        self.check_counts(unknown);
        let numbers: BTreeSet<_> = self.held.iter().map(Item::number).collect();
        assert_eq!(numbers.len(), self.held.len());
        let reached = self.held.split_off(before);
        let any = !reached.is_empty();
        reached.into_iter().for_each(|item| pool.put(item));
        self.check_counts(unknown);
        if any {
            self.check_hits();
        }
        // And everything goes.
        pool.clear();
        assert_eq!(pool.stats().idle, 0, "a cache is shut");
        self.check_counts(unknown);
        // As many fit as before.
        self.put_new(2 * MAX);
        self.check_counts(unknown);
        let stats = pool.stats();
        match self.kind {
            Plain | Hooked => assert_eq!(stats.idle, 2 * MAX),
            Counted => assert_eq!(stats.idle, MAX),
            Weighed => assert_eq!(stats.weight, MAX * WEIGHT),
        }
        self.check_hits();
        (0..2).for_each(|_| pool.rotate());
        let left = if self.kind == Counted { FLOOR } else { 0 };
        assert_eq!(pool.stats().idle, left);
        self.check_counts(unknown);
        self.pool = None;
        drop(pool);
        assert_eq!(ledger.alive(), self.held.len(), "the pool kept an item");
    }
}

/// What is done to a pool while a fuse burns.
struct Operation {
    name: &'static str,
    kinds: &'static [Kind],
    prepare: fn(&mut Scene),
    run: fn(&mut Scene),
    /// The hooks that it runs in some kind of pool.
    runs: &'static [Hook],
}

const OPERATIONS: &[Operation] = &[
    Operation {
        name: "get what has to be made",
        kinds: ALL,
        prepare: |_| {},
        run: |scene| drop((scene.pool().get(), scene.pool().get(), scene.pool().get())),
        runs: &[Create, Hook::Usage, Hook::Recycle, Weight, Hook::Clock],
    },
    Operation {
        name: "get what is there",
        kinds: ALL,
        prepare: |scene| scene.populate(),
        run: |scene| drop((scene.pool().get(), scene.pool().get(), scene.pool().get())),
        runs: &[Hook::Usage, Hook::Recycle, Weight, Hook::Clock],
    },
    Operation {
        name: "get_owned",
        kinds: ALL,
        prepare: |scene| scene.put_new(1),
        run: |scene| {
            let guards = [(); 3].map(|()| scene.pool().get_owned());
            drop(guards);
        },
        runs: &[Create, Hook::Usage, Hook::Recycle, Weight, Hook::Clock],
    },
    Operation {
        name: "take",
        kinds: ALL,
        prepare: |scene| scene.put_new(1),
        run: |scene| (0..3).for_each(|_| scene.held.push(scene.pool().take())),
        runs: &[Create, Weight, Hook::Clock],
    },
    Operation {
        name: "try_take",
        kinds: ALL,
        prepare: |scene| scene.populate(),
        run: |scene| (0..3).for_each(|_| scene.held.extend(scene.pool().try_take())),
        runs: &[Weight, Hook::Clock],
    },
    Operation {
        name: "try_take when turns are due",
        kinds: ALL,
        prepare: |scene| {
            scene.populate();
            scene.user.pass(10 * PERIOD);
        },
        run: |scene| elsewhere_planned(|| scene.held.extend(scene.pool().try_take())),
        runs: &[Weight, OnDiscard, Hook::Drop, Hook::Clock],
    },
    Operation {
        name: "put",
        kinds: ALL,
        // Enough for the smaller caches to run over.
        prepare: |scene| scene.hold_new(MAX - 4),
        run: Scene::put_held,
        runs: &[Hook::Usage, Hook::Recycle, Weight, Hook::Clock],
    },
    Operation {
        name: "put when turns are due",
        kinds: ALL,
        prepare: |scene| {
            scene.populate();
            scene.hold_new(2);
            scene.user.pass(10 * PERIOD);
        },
        run: |scene| elsewhere_planned(|| scene.put_held()),
        runs: &[
            Hook::Usage,
            Hook::Recycle,
            Weight,
            OnDiscard,
            Hook::Drop,
            Hook::Clock,
        ],
    },
    Operation {
        name: "put what is refused",
        kinds: &[Hooked, Counted, Weighed],
        prepare: |scene| {
            let refused = scene.user.marked(&scene.user.refused);
            scene.held.push(refused);
        },
        run: Scene::put_held,
        runs: &[Hook::Usage, Hook::Recycle, OnDiscard, Hook::Drop],
    },
    Operation {
        name: "put over the limit",
        kinds: &[Counted, Weighed],
        prepare: |scene| {
            scene.fill(0);
            scene.hold_new(2);
        },
        run: Scene::put_held,
        runs: &[
            Hook::Usage,
            Hook::Recycle,
            Weight,
            OnDiscard,
            Hook::Drop,
            Hook::Clock,
        ],
    },
    Operation {
        name: "put in the place of victims",
        kinds: &[Counted, Weighed],
        prepare: |scene| {
            scene.fill(6);
            let heavy = scene.user.marked(&scene.user.heavy);
            scene.hold_new(1);
            scene.held.push(heavy);
        },
        run: Scene::put_held,
        runs: &[
            Hook::Usage,
            Hook::Recycle,
            Weight,
            OnDiscard,
            Hook::Drop,
            Hook::Clock,
        ],
    },
    Operation {
        name: "rotate",
        kinds: ALL,
        prepare: |scene| scene.populate_twice(),
        run: |scene| scene.pool().rotate(),
        runs: &[Weight, OnDiscard, Hook::Drop],
    },
    Operation {
        name: "clear",
        kinds: ALL,
        prepare: |scene| scene.populate_twice(),
        run: |scene| scene.pool().clear(),
        runs: &[Weight, OnDiscard, Hook::Drop],
    },
    Operation {
        name: "prefill",
        kinds: ALL,
        prepare: |scene| scene.put_new(1),
        run: |scene| scene.pool().prefill(6),
        runs: &[Create, Weight],
    },
    Operation {
        name: "prefill over the limit",
        kinds: &[Counted, Weighed],
        prepare: |scene| scene.fill(3),
        run: |scene| scene.pool().prefill(2 * MAX),
        runs: &[Create, Weight, OnDiscard, Hook::Drop],
    },
    Operation {
        name: "drop of the pool",
        kinds: ALL,
        prepare: |scene| scene.populate_twice(),
        run: |scene| drop(scene.pool.take()),
        runs: &[Weight, OnDiscard, Hook::Drop],
    },
    Operation {
        name: "drop of the last guard",
        kinds: ALL,
        prepare: |scene| scene.populate(),
        run: |scene| {
            let guard = scene.pool().get_owned();
            drop(scene.pool.take());
            drop(guard);
        },
        runs: &[
            Hook::Usage,
            Hook::Recycle,
            Weight,
            OnDiscard,
            Hook::Drop,
            Hook::Clock,
        ],
    },
    Operation {
        name: "a thread that ends by it",
        kinds: ALL,
        prepare: |scene| scene.hold_new(3),
        run: |scene| {
            elsewhere_planned(|| {
                let _guards = [(); 2].map(|()| scene.pool().get_owned());
                while let Some(item) = scene.held.pop() {
                    scene.pool().put(item);
                }
                scene.held.extend(scene.pool().try_take());
            })
        },
        runs: &[Create, Hook::Usage, Hook::Recycle, Weight, Hook::Clock],
    },
    Operation {
        name: "tend when turns are due",
        kinds: ALL,
        prepare: |scene| {
            scene.pool().register_shared();
            scene.populate();
            scene.user.pass(10 * PERIOD);
        },
        run: |_| _ = tend(),
        runs: &[Weight, OnDiscard, Hook::Drop, Hook::Clock],
    },
    Operation {
        name: "tend in the middle of a period",
        kinds: ALL,
        prepare: |scene| {
            scene.pool().register_shared();
            scene.pool().prefill(6);
            scene.put_new(2);
            tend();
            scene.pool().rotate();
            scene.user.pass(PERIOD / 2);
        },
        run: |_| _ = tend(),
        runs: &[Weight, OnDiscard, Hook::Drop, Hook::Clock],
    },
];

/// Lights a fuse, does an operation, and looks at what is left. Says whether the fuse has burnt down.
fn burns(operation: &Operation, shape: Shape, kind: Kind, hook: Hook, k: usize) -> bool {
    let mut scene = Scene::new(shape, kind);
    (operation.prepare)(&mut scene);
    let user = scene.user.clone();
    user.light(hook, k);
    let panicked = panics(|| (operation.run)(&mut scene));
    let spent = user.is_spent(hook);
    assert_eq!(panicked, spent, "a panic was swallowed");
    user.light(hook, 0);
    scene.check(spent.then_some(hook));
    spent
}

fn shapes() -> impl Iterator<Item = Shape> {
    [2, 0, 1, 64]
        .map(|depth| Shape { depth })
        .into_iter()
        .take(scaled(1, 4, 4))
}

#[test]
fn every_hook_at_every_call() {
    let mut cases = 0;
    for operation in OPERATIONS {
        let mut runs = BTreeSet::new();
        for &kind in operation.kinds {
            for (shape, hook) in shapes().flat_map(|shape| HOOKS.map(|hook| (shape, hook))) {
                let burns = |&k: &usize| {
                    let burns = catch_unwind(|| burns(operation, shape, kind, hook, k));
                    burns.unwrap_or_else(|payload| {
                        let name = operation.name;
                        eprintln!("failed: {name}, {kind:?}, {shape:?}, call {k} of {hook:?}");
                        resume_unwind(payload)
                    })
                };
                let calls = (1..).take_while(burns).count();
                if calls != 0 {
                    runs.insert(hook);
                }
                cases += calls;
            }
        }
        let expected = operation.runs.iter().copied().collect();
        assert_eq!(runs, expected, "{} runs other hooks", operation.name);
    }
    println!("{cases} cases");
    assert!(cases >= scaled(500, 3500, 3500), "{cases} cases only");
}

/// What a thread leaves behind stays as it is. (A guard in a thread-local is put back at the end of its thread; if
/// a hook panics then, Rust ends the process.)
#[test]
fn the_end_of_a_thread_runs_no_hook() {
    for &kind in ALL {
        for shape in shapes() {
            let scene = Scene::new(shape, kind);
            elsewhere(|| {
                scene.put_new(3);
                HOOKS.iter().for_each(|&hook| scene.user.light(hook, 1));
            });
            assert!(HOOKS.iter().all(|&hook| !scene.user.is_spent(hook)));
            HOOKS.iter().for_each(|&hook| scene.user.light(hook, 0));
            assert_eq!(scene.pool().stats().idle, 3);
            scene.check(None);
        }
    }
}
