//! `rotate_all`: it turns what was registered, as long as it lives, once each. The list is the process's, so the
//! tests take turns.

#![cfg(not(pool_loom))]

mod common;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use common::{Item, Ledger, elsewhere, panics, scaled};
use pool_core::{Pool, rotate_all};

fn alone() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

type Maker = Box<dyn Fn() -> Item + Send + Sync>;

fn pool(ledger: &Ledger) -> Pool<Item, Maker> {
    Pool::new(Box::new(ledger.maker()))
}

#[test]
fn turns_static_and_shared_pools() {
    static STATIC: Pool<Vec<u8>> = Pool::new(Vec::new);
    static BYSTANDER: Pool<Vec<u8>> = Pool::new(Vec::new);
    let _alone = alone();
    let ledger = Ledger::new();
    let shared = Arc::new(pool(&ledger));
    STATIC.register();
    shared.register_shared();
    // Again, which changes nothing.
    STATIC.register();
    shared.register_shared();
    STATIC.put(vec![]);
    BYSTANDER.put(vec![]);
    shared.put(ledger.item());
    elsewhere(|| shared.put(ledger.item()));
    rotate_all();
    assert_eq!(
        (STATIC.stats().generation, shared.stats().generation),
        (1, 1)
    );
    assert_eq!((STATIC.stats().idle, shared.stats().idle), (1, 2));
    elsewhere(rotate_all);
    assert_eq!(
        (STATIC.stats().generation, shared.stats().generation),
        (2, 2)
    );
    assert_eq!((STATIC.stats().idle, shared.stats().idle), (0, 0));
    assert_eq!(
        (BYSTANDER.stats().generation, BYSTANDER.stats().idle),
        (0, 1)
    );
}

#[test]
fn does_not_keep_pools_alive() {
    let _alone = alone();
    let ledger = Ledger::new();
    for _ in 0..scaled(3, 100, 100) {
        let shared = Arc::new(pool(&ledger));
        shared.register_shared();
        shared.put(ledger.item());
        assert_eq!(Arc::strong_count(&shared), 1);
        drop(shared);
        assert_eq!(ledger.alive(), 0);
        rotate_all();
    }
    // Each registration forgets those that are gone: the last two pools may be on the list, not a hundred.
    let shared = Arc::new(pool(&ledger));
    shared.register_shared();
    assert_eq!(Arc::weak_count(&shared), 1);
}

#[test]
fn survives_a_panic() {
    let _alone = alone();
    let ledger = Ledger::new();
    let pools: Vec<_> = (0..3).map(|_| Arc::new(pool(&ledger))).collect();
    for pool in &pools {
        pool.register_shared();
        pool.put(ledger.item());
    }
    rotate_all();
    ledger.drop_panics_at(2);
    assert!(panics(rotate_all));
    // The rest follows the next time.
    rotate_all();
    assert_eq!(ledger.alive(), 0);
    for pool in &pools {
        assert!(pool.stats().generation >= 2);
    }
}

/// A pool registered by a destructor that runs inside of `rotate_all`, which is called in there, too.
#[test]
fn re_entered() {
    struct Nested(Arc<Pool<Item, Maker>>);
    impl Drop for Nested {
        fn drop(&mut self) {
            self.0.register_shared();
            rotate_all();
        }
    }
    let _alone = alone();
    let ledger = Ledger::new();
    let inner = Arc::new(pool(&ledger));
    let outer: Arc<Pool<Nested, fn() -> Nested>> = Arc::new(Pool::new(|| unreachable!()));
    outer.register_shared();
    outer.put(Nested(inner.clone()));
    rotate_all();
    assert_eq!(inner.stats().generation, 0);
    rotate_all();
    assert_eq!(inner.stats().generation, 1);
    assert_eq!(outer.stats().generation, 3);
}

#[test]
fn pools_come_and_go_meanwhile() {
    let _alone = alone();
    let ledger = Ledger::new();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..scaled(3, 200, 200) {
                    let shared = Arc::new(pool(&ledger));
                    shared.register_shared();
                    drop(shared.get_owned());
                }
            });
        }
        scope.spawn(|| (0..scaled(3, 200, 200)).for_each(|_| rotate_all()));
    });
    assert_eq!(ledger.alive(), 0);
}
