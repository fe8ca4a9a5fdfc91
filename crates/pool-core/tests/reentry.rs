//! User code that uses the very pool that calls it: the constructor, both hooks and the items' destructors, each
//! with every operation. Nothing of it runs inside a pin or a claim, so nothing hangs, and no item is lost.

#![cfg(not(pool_loom))]

mod common;

use std::cell::Cell;
use std::sync::{Arc, OnceLock, Weak};

use common::{Item, Ledger, Shape, with_shapes};
use pool_core::{DiscardReason, Pool, Recycle};

type Maker = Box<dyn Fn() -> Busy + Send + Sync>;
type BusyPool = Pool<Busy, Maker>;

/// An item whose destructor uses the pool.
struct Busy {
    _item: Item,
    world: Arc<World>,
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.world.call(Place::Drop);
    }
}

/// Where user code is called.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Create,
    Recycle,
    OnDiscard,
    Drop,
}

/// An operation on the pool, with somewhere to put what it yields.
type Action = (&'static str, fn(&BusyPool, &Arc<World>));

const ACTIONS: [Action; 9] = [
    ("get", |pool, _| drop(pool.get())),
    ("get twice", |pool, _| drop((pool.get(), pool.get()))),
    ("take and put", |pool, _| pool.put(pool.take())),
    ("take and drop", |pool, _| drop(pool.take())),
    ("try_take", |pool, _| drop(pool.try_take())),
    ("put", |pool, world| pool.put(world.busy())),
    ("rotate", |pool, _| pool.rotate()),
    ("clear", |pool, _| pool.clear()),
    ("stats", |pool, _| {
        assert!(!format!("{:?} {pool:?}", pool.stats()).is_empty())
    }),
];

struct World {
    ledger: Ledger,
    pool: OnceLock<Weak<BusyPool>>,
    place: Place,
    action: Action,
}

thread_local! {
    /// How deep user code has called itself through the pool, and how often in all.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

impl World {
    fn busy(self: &Arc<Self>) -> Busy {
        Busy {
            _item: self.ledger.item(),
            world: self.clone(),
        }
    }

    /// Runs the action if this is the place for it; not without end.
    fn call(self: &Arc<Self>, place: Place) {
        let Some(pool) = self.pool.get().and_then(Weak::upgrade) else {
            return;
        };
        if place != self.place || DEPTH.get() == 3 {
            return;
        }
        DEPTH.set(DEPTH.get() + 1);
        CALLS.set(CALLS.get() + 1);
        (self.action.1)(&pool, self);
        DEPTH.set(DEPTH.get() - 1);
    }
}

fn world(shape: Shape, place: Place, action: Action) -> (Arc<World>, Arc<BusyPool>) {
    let world = Arc::new(World {
        ledger: Ledger::new(),
        pool: OnceLock::new(),
        place,
        action,
    });
    let maker = Arc::downgrade(&world);
    let make: Maker = Box::new(move || {
        let world = maker.upgrade().expect("outlives the pool");
        world.call(Place::Create);
        world.busy()
    });
    let pool = shape
        .builder(make)
        .recycle(|busy| {
            busy.world.call(Place::Recycle);
            // Every third is refused, so that `put` runs the other hooks.
            if busy._item.number() % 3 == 2 {
                Recycle::Discard
            } else {
                Recycle::Keep
            }
        })
        .on_discard(|busy, _| busy.world.call(Place::OnDiscard))
        .build();
    let pool = Arc::new(pool);
    world.pool.set(Arc::downgrade(&pool)).expect("set once");
    (world, pool)
}

#[test]
fn every_operation_in_every_place() {
    for place in [Place::Create, Place::Recycle, Place::OnDiscard, Place::Drop] {
        for action in ACTIONS {
            with_shapes(|shape| {
                let name = action.0;
                CALLS.set(0);
                let (world, pool) = world(shape, place, action);
                let check = |held: usize| {
                    assert_eq!(
                        world.ledger.alive(),
                        pool.stats().idle + held,
                        "{name} in {place:?}"
                    );
                };
                // Enough to overflow the smaller caches and to reach the chains.
                let held: Vec<_> = (0..12).map(|_| pool.get()).collect();
                check(12);
                drop(held);
                check(0);
                pool.rotate();
                let held: Vec<_> = (0..3).map(|_| pool.take()).collect();
                check(3);
                pool.rotate();
                check(3);
                held.into_iter().for_each(|item| pool.put(item));
                pool.clear();
                check(0);
                (0..80).for_each(|_| pool.put(world.busy()));
                pool.rotate();
                pool.rotate();
                check(0);
                assert_eq!(DEPTH.get(), 0);
                assert!(CALLS.get() >= 3, "{name} in {place:?} is hardly tested");
                assert_eq!(Arc::strong_count(&pool), 1);
                drop(pool);
                assert_eq!(world.ledger.alive(), 0, "{name} in {place:?}");
            });
        }
    }
}

/// A destructor that puts a new item for each that dies would keep a pool full for ever; a turn drops what was old
/// and ends.
#[test]
fn a_turn_ends_though_destructors_refill() {
    thread_local! {
        static POOL: Pool<Phoenix> = Pool::builder((|| Phoenix) as fn() -> Phoenix).rotate_manually().build();
    }
    struct Phoenix;
    impl Drop for Phoenix {
        fn drop(&mut self) {
            // Not while the pool is being dropped.
            _ = POOL.try_with(|pool| pool.put(Phoenix));
        }
    }
    POOL.with(|pool| {
        (0..100).for_each(|_| pool.put(Phoenix));
        for _ in 0..10 {
            pool.rotate();
            assert_eq!(pool.stats().idle, 100);
        }
        pool.clear();
        assert_eq!(pool.stats().idle, 100);
        assert_eq!(pool.stats().discards.by(DiscardReason::Cleared), 100);
    });
}

/// One pool's user code may be at work in another's, to any depth.
#[test]
fn pools_of_pools() {
    static INNER: Pool<Vec<u8>> = Pool::new(Vec::new);
    type Lent = pool_core::Pooled<'static, Vec<u8>>;
    let outer: Pool<Lent, _> = Pool::builder(|| INNER.get()).rotate_manually().build();
    let mut item = outer.get();
    item.push(1);
    drop(item);
    assert_eq!((outer.stats().idle, INNER.stats().idle), (1, 0));
    outer.rotate();
    outer.rotate();
    assert_eq!((outer.stats().idle, INNER.stats().idle), (0, 1));
    assert_eq!(*INNER.take(), [1]);
}
