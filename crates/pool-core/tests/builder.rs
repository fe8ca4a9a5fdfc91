//! The builder: every number it refuses with the very message, every number it takes, and what a pool and its
//! parts look like in `{:?}`.

#![cfg(not(pool_loom))]

mod common;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use common::{Item, Ledger, cached};
use pool_core::{
    BuildError, Builder, DEFAULT_PERIOD, DiscardReason, MAX_THREAD_CACHE, ManualClock, Pool,
    Pooled, Recycle, Stats, SystemClock,
};

fn builder() -> Builder<u8, fn() -> u8> {
    Pool::builder(|| 0)
}

fn refusal(builder: Builder<u8, fn() -> u8>) -> BuildError {
    builder.try_build().map(drop).unwrap_err()
}

#[test]
fn thread_caches() {
    for given in [MAX_THREAD_CACHE + 1, 1 << 20, usize::MAX] {
        let error = refusal(builder().thread_cache(given));
        assert_eq!(error, BuildError::ThreadCache { given, max: 4096 });
        assert_eq!(
            error.to_string(),
            format!("a thread cache holds 0 to 4096 items, given was {given}")
        );
    }
    for given in [0, 1, 63, 64, 65, MAX_THREAD_CACHE] {
        let pool = builder().thread_cache(given).build();
        (0..10_000).for_each(|_| pool.put(0));
        let stats = pool.stats();
        // Half the cache goes when it is full. A thread that never takes gets no more room than at first.
        let first = cached(given).min(64);
        assert!(
            stats.idle_in_caches <= first && stats.idle_in_caches >= first / 2,
            "{stats:?}"
        );
        assert_eq!(stats.idle, 10_000);
        // One that takes more again and again gets all that it may have, and then needs no chain for half of that.
        let burst = |count: usize| {
            let items: Vec<u8> = (0..count).map(|_| pool.take()).collect();
            items.into_iter().for_each(|item| pool.put(item));
        };
        (0..10).for_each(|_| burst(given));
        burst(given / 2);
        let before = pool.stats().cache_hits;
        burst(given / 2);
        let after = pool.stats();
        let hits = cached(given) as u64 / 2;
        assert_eq!(after.cache_hits - before, hits, "{after:?}");
        assert_eq!(after.idle, 10_000);
    }
}

/// Unasked, a thread holds 128 items, and of larger ones as many as fit into 8 KiB.
#[test]
fn thread_caches_by_size() {
    fn check<const SIZE: usize>(depth: usize) {
        let pool = format!("{:?}", Pool::<[u8; SIZE]>::new(|| [0; SIZE]));
        assert!(pool.contains(&format!("thread_cache: {depth},")), "{pool}");
    }
    check::<0>(128);
    check::<1>(128);
    check::<64>(128);
    check::<65>(126);
    check::<8192>(1);
    check::<8193>(0);
}

#[test]
fn periods() {
    let max = Duration::from_millis((usize::MAX / 4) as u64);
    for given in [
        Duration::ZERO,
        Duration::from_nanos(1),
        Duration::from_micros(999),
        max + Duration::from_nanos(1),
        Duration::MAX,
    ] {
        let error = refusal(builder().rotate_every(given));
        assert_eq!(error, BuildError::Period { given, max });
        assert_eq!(
            error.to_string(),
            format!("a period of rotation is 1ms to {max:?}, given was {given:?}")
        );
    }
    assert_eq!(
        refusal(builder().rotate_every(Duration::ZERO)).to_string(),
        format!("a period of rotation is 1ms to {max:?}, given was 0ns")
    );
    for given in [Duration::from_millis(1), DEFAULT_PERIOD, max] {
        assert_eq!(builder().rotate_every(given).build().take(), 0);
    }
}

#[test]
fn operations() {
    let error = refusal(builder().rotate_after(0));
    assert_eq!(error, BuildError::Operations);
    assert_eq!(
        error.to_string(),
        "a pool rotates after 1 operation or more, given was 0"
    );
    for given in [1, 2, usize::MAX] {
        let pool = builder()
            .rotate_manually()
            .rotate_after(given)
            .thread_cache(0)
            .build();
        (0..10).for_each(|_| pool.put(0));
        assert_eq!(pool.stats().generation, (10 / given) as u64);
    }
}

#[test]
fn errors_are_errors() {
    let error: Box<dyn Error + Send + Sync> = Box::new(refusal(builder().rotate_after(0)));
    assert!(error.source().is_none());
    assert_eq!(format!("{error:?}"), "Operations");
}

/// `build` says the same, in a panic.
#[test]
fn build_panics_with_the_message() {
    let panic = std::panic::catch_unwind(|| builder().max_idle(0).build()).unwrap_err();
    let message = panic.downcast::<String>().unwrap();
    assert_eq!(*message, "`max_idle` is at least 1, given was 0");
}

/// The last word counts, and a mistake that was corrected is none.
#[test]
fn said_twice() {
    let pool = builder()
        .thread_cache(usize::MAX)
        .thread_cache(1)
        .rotate_every(Duration::ZERO)
        .rotate_every(Duration::from_secs(1))
        .rotate_after(0)
        .rotate_after(usize::MAX)
        .recycle(|_| Recycle::Discard)
        .recycle(|_| Recycle::Keep)
        .build();
    pool.put(5);
    assert_eq!(pool.take(), 5);
}

/// Hooks decide one by one, see the item before the pool does, and may change it.
#[test]
fn recycle_clears_and_decides() {
    let pool = Pool::builder(|| vec![0_u8; 4])
        .recycle(|buffer| {
            buffer.clear();
            if buffer.capacity() > 100 {
                Recycle::Discard
            } else {
                Recycle::Keep
            }
        })
        .build();
    let mut guard = pool.get();
    guard.push(1);
    drop(guard);
    assert!(pool.get().is_empty());
    pool.get().reserve(200);
    let stats = pool.stats();
    assert_eq!(
        (stats.idle, stats.discards.by(DiscardReason::Refused)),
        (0, 1)
    );
    pool.put(Vec::with_capacity(101));
    assert_eq!(pool.stats().discards.by(DiscardReason::Refused), 2);
    assert_eq!(pool.stats().discards.total(), 2);
}

/// `{:?}` of everything, empty and not: it neither panics nor says something else tomorrow.
#[test]
fn debug() {
    let pool: Pool<u8> = Pool::new(|| 0);
    let empty = format!("{pool:?}");
    assert!(empty.starts_with("Pool { policy: Policy { "), "{empty}");
    assert!(empty.contains("rotate_every: Some(30s)"), "{empty}");
    assert!(empty.contains("thread_cache: 128"), "{empty}");
    assert!(empty.contains("idle: 0"), "{empty}");
    pool.put(1);
    pool.rotate();
    let full = format!("{pool:#?}");
    assert!(
        full.contains("idle: 1,") && full.contains("generation: 1,"),
        "{full}"
    );
    // A pool has no items to show, so it does not ask them for it.
    struct Opaque;
    let opaque: Pool<Opaque> = Pool::new(|| Opaque);
    assert!(!format!("{opaque:?}").contains("Opaque"));
    assert_eq!(format!("{:?}", pool.get()), "Pooled(1)");
    assert_eq!(
        format!("{:?}", Arc::new(Pool::new(|| 2)).get_owned()),
        "PooledOwned(2)"
    );
    let stats = "Stats { cache_hits: 0, chain_hits: 0, steals: 0, victim_hits: 0, misses: 0, creates: 0, \
                 discards: {}, idle: 0, idle_in_caches: 0, weight: 0, parts: 0, generation: 0, \
                 caches: NotYet }";
    assert_eq!(format!("{:?}", Stats::default()), stats);
    let refusing = builder().recycle(|_| Recycle::Discard).build();
    refusing.put(1);
    assert_eq!(format!("{:?}", refusing.stats().discards), "{Refused: 1}");
    assert_eq!(format!("{SystemClock:?}"), "SystemClock");
    assert!(format!("{:?}", ManualClock::new()).starts_with("ManualClock("));
    assert_eq!(
        format!("{:?} {}", DiscardReason::Aged, DiscardReason::Aged),
        "Aged unused since an earlier rotation"
    );
}

#[test]
fn reasons_read_well() {
    let texts = DiscardReason::ALL.map(|reason| reason.to_string());
    for (index, text) in texts.iter().enumerate() {
        assert!(!text.is_empty() && !texts[..index].contains(text), "{text}");
    }
}

/// Everything at once, in a static and behind an `Arc`.
#[test]
fn where_pools_live() {
    static CONST: Pool<Vec<u8>> = Pool::new(Vec::new);
    static LAZY: std::sync::LazyLock<Pool<String>> = std::sync::LazyLock::new(|| {
        Pool::builder(String::new as fn() -> String)
            .thread_cache(4)
            .build()
    });
    struct Owner {
        pool: Pool<Item, Box<dyn Fn() -> Item + Send + Sync>>,
    }
    CONST.put(vec![1]);
    assert_eq!(CONST.take(), [1]);
    LAZY.get().push('x');
    assert_eq!(LAZY.take(), "x");
    let ledger = Ledger::new();
    let owner = Owner {
        pool: Pool::new(Box::new(ledger.maker())),
    };
    let lent: Pooled<'_, Item, _> = owner.pool.get();
    drop(lent);
    // A pool that has been used can be moved.
    let moved = Box::new(owner);
    assert_eq!(moved.pool.take().number(), 0);
    assert_eq!(ledger.created(), 1);
    drop(moved);
    assert_eq!(ledger.alive(), 0);
}
