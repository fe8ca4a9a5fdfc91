//! The reaper: idle pools shrink with no call from anyone, each at its own pace, the coldest items first, whatever the
//! destructors do on its thread. The clocks are driven by the tests, except in the one that says so. The thread and the
//! list of pools are the process's, so the tests take turns.

#![cfg(not(pool_loom))]

mod common;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use common::{Item, Ledger, Planned, caches_work, elsewhere, panics, scaled};
use pool_core::pressure::{Pressure, PressureSource};
use pool_core::{
    BuildError, Builder, DiscardReason, ManualClock, Pool, Reaper, relieve, rotate_all, tend,
};

const PERIOD: Duration = Duration::from_secs(32);

/// More than a millisecond, by which a due time may be rounded up.
const MOMENT: Duration = Duration::from_millis(2);

fn alone() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

type Maker = Box<dyn Fn() -> Item + Send + Sync>;

fn builder(ledger: &Ledger, clock: &Arc<ManualClock>) -> Builder<Item, Maker> {
    Pool::<Item, Maker>::builder(Box::new(ledger.maker()))
        .rotate_every(PERIOD)
        .clock(clock.clone())
}

fn registered(builder: Builder<Item, Maker>) -> Arc<Pool<Item, Maker>> {
    let pool = Arc::new(builder.build());
    pool.register_shared();
    pool
}

/// Items in the cache of another thread, in this one's and in chains.
fn fill(pool: &Pool<Item, Maker>, ledger: &Ledger, count: usize) {
    elsewhere(|| (0..count / 2).for_each(|_| pool.put(ledger.item())));
    (0..count - count / 2).for_each(|_| pool.put(ledger.item()));
    assert_eq!(pool.stats().idle, ledger.alive());
}

#[test]
#[cfg_attr(
    miri,
    ignore = "long, and no unsafe code that smaller tests do not reach"
)]
fn idle_pools_shrink_within_two_periods_a_hundred_times_over() {
    let _alone = alone();
    let (ledger, clock) = (Ledger::new(), Arc::new(ManualClock::new()));
    let pool = registered(builder(&ledger, &clock));
    tend();
    for round in 0..scaled(3, 100, 100) {
        let count = [1, 10, 300][round % 3];
        fill(&pool, &ledger, count);
        let mut waited = Duration::ZERO;
        while pool.stats().idle != 0 {
            let next = tend().expect("a pool that goes by time");
            assert!(next <= PERIOD + MOMENT);
            // Whoever sleeps rounds up.
            let next = next + MOMENT;
            clock.advance(next);
            waited += next;
            tend();
            assert!(waited < 2 * PERIOD + 100 * MOMENT, "{waited:?}");
        }
        assert_eq!(ledger.alive(), 0);
    }
}

/// mimalloc#1246: a common deadline was put off though some had one of their own.
#[test]
#[cfg_attr(
    miri,
    ignore = "long, and no unsafe code that smaller tests do not reach"
)]
fn each_pool_has_its_own_period() {
    let _alone = alone();
    let clock = Arc::new(ManualClock::new());
    let ledger = Ledger::new();
    let [short, long, never] = [Some(1000), Some(7000), None].map(|millis| {
        let builder = builder(&ledger, &clock);
        registered(match millis {
            Some(millis) => builder.rotate_every(Duration::from_millis(millis)),
            None => builder.rotate_manually(),
        })
    });
    never.put(ledger.item());
    for second in 0..=21 {
        let next = tend().unwrap();
        assert!(next <= Duration::from_millis(1001), "the shorter one's");
        assert_eq!(
            (short.stats().generation, long.stats().generation),
            (second, second / 7)
        );
        clock.advance(Duration::from_millis(1002));
    }
    assert_eq!((never.stats().generation, never.stats().idle), (0, 1));
    // Without those that go by time there is nothing to come for.
    drop((short, long));
    assert_eq!(tend(), None);
}

/// The victims go along the curve, oldest first, and what is put back meanwhile is not touched.
#[test]
#[cfg_attr(
    miri,
    ignore = "long, and no unsafe code that smaller tests do not reach"
)]
fn the_coldest_go_first() {
    let _alone = alone();
    const COUNT: usize = scaled(64, 1000, 1000);
    let (ledger, clock) = (Ledger::new(), Arc::new(ManualClock::new()));
    let gone = Arc::new(Mutex::new(Vec::new()));
    let pool = registered(builder(&ledger, &clock).thread_cache(0).on_discard({
        let gone = gone.clone();
        move |item: &Item, reason| {
            if reason == DiscardReason::Aged {
                gone.lock().unwrap().push(item.number());
            }
        }
    }));
    tend();
    (0..COUNT).for_each(|_| pool.put(ledger.item()));
    clock.advance(PERIOD + MOMENT);
    tend();
    assert_eq!((pool.stats().generation, pool.stats().idle), (1, COUNT));
    let mut left = vec![COUNT];
    for _ in 0..31 {
        clock.advance(PERIOD / 32);
        let next = tend().unwrap();
        assert!(next <= PERIOD / 32, "there is more to let go of");
        left.push(pool.stats().idle);
    }
    assert!(left.is_sorted_by(|before, after| before >= after));
    // Not all at once: no step takes more than the curve's steepest, and half are gone at half time.
    let steepest = left.windows(2).map(|two| two[0] - two[1]).max().unwrap();
    assert!(steepest <= COUNT / 15, "{left:?}");
    assert!(left[16].abs_diff(COUNT / 2) <= 2, "{left:?}");
    assert!(left[31] <= COUNT / 100 + 1, "{left:?}");
    assert_eq!(pool.stats().generation, 1);
    // From the tail, so in order of age.
    assert!(gone.lock().unwrap().is_sorted());
    // Young ones.
    let young: BTreeSet<_> = (0..10)
        .map(|_| {
            let item = ledger.item();
            let number = item.number();
            pool.put(item);
            number
        })
        .collect();
    clock.advance(PERIOD / 32 + MOMENT);
    tend();
    assert_eq!(pool.stats().generation, 2);
    assert_eq!(pool.stats().idle, young.len());
    assert!(young.iter().all(|&number| ledger.is_alive(number)));
    assert_eq!(
        pool.stats().discards.by(DiscardReason::Aged),
        COUNT as u64,
        "each counted"
    );
}

#[test]
fn all_at_once_if_told_so() {
    let _alone = alone();
    let (ledger, clock) = (Ledger::new(), Arc::new(ManualClock::new()));
    let pool = registered(builder(&ledger, &clock).decay(false).thread_cache(0));
    tend();
    fill(&pool, &ledger, 100);
    clock.advance(PERIOD + MOMENT);
    for _ in 0..30 {
        tend();
        assert_eq!((pool.stats().generation, pool.stats().idle), (1, 100));
        clock.advance(PERIOD / 32);
    }
    clock.advance(PERIOD / 10);
    tend();
    assert_eq!((pool.stats().generation, pool.stats().idle), (2, 0));
}

/// What is used once in between stays, decay or not.
#[test]
#[cfg_attr(
    miri,
    ignore = "long, and no unsafe code that smaller tests do not reach"
)]
fn what_is_used_stays() {
    let _alone = alone();
    let (ledger, clock) = (Ledger::new(), Arc::new(ManualClock::new()));
    let pool = registered(builder(&ledger, &clock));
    tend();
    fill(&pool, &ledger, 200);
    let mut used = vec![pool.get().number()];
    for _ in 0..64 {
        clock.advance(PERIOD / 16);
        tend();
        used.push(pool.get().number());
    }
    used.dedup();
    // A cache gives it again after the turn; chains give the oldest then, and go on with that.
    let items = if caches_work() { 1 } else { 2 };
    assert_eq!(used.len(), items, "{used:?}");
    assert_eq!((pool.stats().idle, ledger.alive()), (1, 1));
    assert_eq!(ledger.created(), 200);
}

/// The thread itself, with nobody but it at work.
#[test]
fn the_thread_does_it() {
    let _alone = alone();
    let (ledger, clock) = (Ledger::new(), Arc::new(ManualClock::new()));
    let pool = registered(builder(&ledger, &clock));
    let reaper = Reaper::start().unwrap();
    reaper.round();
    fill(&pool, &ledger, 300);
    for _ in 0..2 {
        assert_ne!(ledger.alive(), 0);
        clock.advance(PERIOD + MOMENT);
        reaper.round();
    }
    assert_eq!((pool.stats().idle, ledger.alive()), (0, 0));
}

/// In real time, with the system's clock and a short period.
#[test]
fn in_real_time() {
    if cfg!(miri) {
        // Time passes differently there.
        return;
    }
    let _alone = alone();
    const SHORT: Duration = Duration::from_millis(100);
    let ledger = Ledger::new();
    let pool = Pool::builder(ledger.maker())
        .rotate_every(SHORT)
        .build_reaped();
    for _ in 0..3 {
        elsewhere(|| drop((0..100).map(|_| pool.get()).collect::<Vec<_>>()));
        let start = Instant::now();
        while ledger.alive() != 0 {
            thread::sleep(Duration::from_millis(1));
            // Far above the bound, for machines that do other things; below it would still be a matter of luck
            // when something went by who calls.
            assert!(start.elapsed() < 100 * SHORT, "{:?}", pool.stats());
        }
        assert!(start.elapsed() > SHORT / 2, "idle for less than a period");
    }
    assert_eq!(pool.stats().idle, 0);
}

/// Where an item's destructor ran.
struct Where(Sender<Option<String>>);

impl Drop for Where {
    fn drop(&mut self) {
        let name = thread::current().name().map(str::to_owned);
        _ = self.0.send(name);
    }
}

/// Drops an item on the thread and says the thread's name.
fn name_of_thread(reaper: &Reaper) -> Option<String> {
    let (sender, receiver): (_, Receiver<_>) = channel();
    let clock = Arc::new(ManualClock::new());
    let pool = Arc::new(
        Pool::builder(|| unreachable!())
            .clock(clock.clone())
            .rotate_every(PERIOD)
            .build(),
    );
    pool.register_shared();
    pool.put(Where(sender));
    reaper.round();
    for _ in 0..2 {
        clock.advance(PERIOD + MOMENT);
        reaper.round();
    }
    receiver.try_recv().expect("not dropped")
}

#[cfg(target_os = "linux")]
fn threads_called(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .filter(|comm| comm.trim_end() == name)
        .count()
}

#[test]
fn one_thread_with_a_name_as_long_as_somebody_wants_it() {
    let _alone = alone();
    let first = Reaper::start().unwrap();
    let second = Reaper::builder().name("too late").start().unwrap();
    let pool = Pool::builder(|| 0u8).build_reaped();
    for reaper in [&first, &second] {
        assert_eq!(name_of_thread(reaper).as_deref(), Some("pool-reaper"));
    }
    #[cfg(all(target_os = "linux", not(miri)))]
    assert_eq!(threads_called("pool-reaper"), 1);
    drop(first);
    assert_eq!(name_of_thread(&second).as_deref(), Some("pool-reaper"));
    drop(second);
    // The pool still wants it.
    #[cfg(all(target_os = "linux", not(miri)))]
    assert_eq!(threads_called("pool-reaper"), 1);
    drop(pool);
    // Joined, so it is gone now and not later.
    #[cfg(all(target_os = "linux", not(miri)))]
    assert_eq!(threads_called("pool-reaper"), 0);
    let named = Reaper::builder().name("sweeper").start().unwrap();
    assert_eq!(name_of_thread(&named).as_deref(), Some("sweeper"));
    drop(named);
    // What nobody looks after stays.
    let (ledger, clock) = (Ledger::new(), Arc::new(ManualClock::new()));
    let pool = registered(builder(&ledger, &clock));
    pool.put(ledger.item());
    clock.advance(10 * PERIOD);
    thread::sleep(Duration::from_millis(20));
    assert_eq!(ledger.alive(), 1);
}

#[test]
fn names_and_errors() {
    let _alone = alone();
    let error = Reaper::builder().name("a\0b").start().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    assert_eq!(
        error.to_string(),
        "a thread's name has no null character, given was \"a\\0b\""
    );
    let error = Pool::builder(|| 0u8)
        .rotate_every(Duration::ZERO)
        .try_build_reaped()
        .map(drop)
        .unwrap_err();
    assert!(matches!(error, BuildError::Period { .. }));
    let error = BuildError::Reaper {
        kind: std::io::ErrorKind::WouldBlock,
    };
    assert_eq!(
        error.to_string(),
        "the reaper's thread could not be started: operation would block"
    );
    let builder = Reaper::builder().name("n").source(|| Pressure::None);
    assert_eq!(
        format!("{builder:?}"),
        "ReaperBuilder { name: Some(\"n\"), sources: 1, trim_heap: true }"
    );
    let reaper = builder.start().unwrap();
    assert_eq!(format!("{reaper:?}"), "Reaper { .. }");
}

/// Items that panic when they die do not take the thread along, nor keep it from other pools.
#[test]
#[cfg_attr(
    miri,
    ignore = "long, and no unsafe code that smaller tests do not reach"
)]
fn survives_destructors() {
    struct Grudge(Arc<AtomicUsize>);
    impl Drop for Grudge {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
            std::panic::panic_any(Planned);
        }
    }
    let _alone = alone();
    // Keeps the output quiet.
    assert!(panics(|| std::panic::panic_any(Planned)));
    let reaper = Reaper::start().unwrap();
    let (ledger, clock) = (Ledger::new(), Arc::new(ManualClock::new()));
    let gone = Arc::new(AtomicUsize::new(0));
    let bad = Arc::new(
        Pool::builder({
            let gone = gone.clone();
            move || Grudge(gone.clone())
        })
        .rotate_every(PERIOD)
        .clock(clock.clone())
        .build(),
    );
    bad.register_shared();
    let good = registered(builder(&ledger, &clock));
    reaper.round();
    for round in 1..=3 {
        (0..100).for_each(|_| bad.put(Grudge(gone.clone())));
        fill(&good, &ledger, 100);
        for _ in 0..66 {
            clock.advance(PERIOD / 32);
            reaper.round();
        }
        assert_eq!((bad.stats().idle, good.stats().idle), (0, 0));
        assert_eq!(gone.load(Ordering::Relaxed), 100 * round);
    }
    // Whoever calls hears of it, after all is done.
    bad.put(Grudge(gone.clone()));
    fill(&good, &ledger, 10);
    assert!(panics(|| {
        for _ in 0..66 {
            clock.advance(PERIOD / 32);
            tend();
        }
    }));
    clock.advance(4 * PERIOD);
    tend();
    assert_eq!((bad.stats().idle, good.stats().idle), (0, 0));
}

/// A destructor on the thread uses everything there is, also what would wait for the thread.
#[test]
fn re_entry() {
    struct Busy {
        pool: Arc<Pool<Box<u8>>>,
        reaper: Arc<Reaper>,
        ran: Arc<AtomicUsize>,
    }
    impl Drop for Busy {
        fn drop(&mut self) {
            self.pool.register_shared();
            drop(self.pool.get());
            self.reaper.round();
            drop(Reaper::start());
            tend();
            rotate_all();
            relieve(Pressure::High);
            drop(Pool::builder(|| 0u8).build_reaped());
            self.ran.fetch_add(1, Ordering::Relaxed);
        }
    }
    let _alone = alone();
    let reaper = Arc::new(Reaper::start().unwrap());
    let clock = Arc::new(ManualClock::new());
    let ran = Arc::new(AtomicUsize::new(0));
    let pool = Arc::new(
        Pool::builder(|| unreachable!())
            .rotate_every(PERIOD)
            .clock(clock.clone())
            .build(),
    );
    pool.register_shared();
    let inner: Arc<Pool<Box<u8>>> = Arc::new(Pool::new(Box::default));
    for _ in 0..10 {
        pool.put(Busy {
            pool: inner.clone(),
            reaper: reaper.clone(),
            ran: ran.clone(),
        });
    }
    reaper.round();
    for _ in 0..2 {
        clock.advance(PERIOD + MOMENT);
        reaper.round();
    }
    assert_eq!(ran.load(Ordering::Relaxed), 10);
    // The last claim may be given back on the thread; then nobody waits for it.
    pool.put(Busy {
        pool: inner,
        reaper,
        ran: ran.clone(),
    });
    clock.advance(4 * PERIOD);
    let start = Instant::now();
    while ran.load(Ordering::Relaxed) != 11 {
        // A new claim, which wakes the thread.
        Reaper::start().unwrap().round();
        assert!(start.elapsed() < Duration::from_secs(60), "stuck");
    }
}

/// The thread visits a pool while its owner lets go of it: it is dropped there, and the thread does not wait for
/// itself.
#[test]
fn the_last_pool_is_dropped_on_the_thread() {
    struct Slow {
        dying: Arc<AtomicBool>,
        go_on: Arc<AtomicBool>,
    }
    impl Drop for Slow {
        fn drop(&mut self) {
            self.dying.store(true, Ordering::Release);
            while !self.go_on.load(Ordering::Acquire) {
                thread::yield_now();
            }
        }
    }
    let _alone = alone();
    let clock = Arc::new(ManualClock::new());
    let (dying, go_on) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
    let pool = Pool::builder(|| unreachable!())
        .rotate_every(PERIOD)
        .clock(clock.clone())
        .build_reaped();
    pool.put(Slow {
        dying: dying.clone(),
        go_on: go_on.clone(),
    });
    // Not a claim that is kept: the pool's is the last.
    Reaper::start().unwrap().round();
    clock.advance(10 * PERIOD);
    let weak = Arc::downgrade(&pool);
    thread::scope(|scope| {
        scope.spawn(|| Reaper::start().unwrap().round());
        while !dying.load(Ordering::Acquire) {
            thread::yield_now();
        }
        drop(pool);
        assert_eq!(weak.strong_count(), 1, "the thread has it");
        go_on.store(true, Ordering::Release);
    });
    while weak.strong_count() != 0 {
        thread::yield_now();
    }
}

/// What a source says, by the round.
#[test]
fn pressure() {
    let _alone = alone();
    let says = Arc::new(Mutex::new(Pressure::None));
    let asked = Arc::new(AtomicUsize::new(0));
    let reaper = Reaper::builder()
        .source({
            let (says, asked) = (says.clone(), asked.clone());
            move || {
                asked.fetch_add(1, Ordering::Relaxed);
                *says.lock().unwrap()
            }
        })
        .start()
        .unwrap();
    let (ledger, clock) = (Ledger::new(), Arc::new(ManualClock::new()));
    let timed = registered(builder(&ledger, &clock));
    let manual = registered(builder(&ledger, &clock).rotate_manually());
    let both = || (timed.stats().idle, manual.stats().idle);
    for _ in 0..3 {
        fill(&timed, &ledger, 100);
        manual.put(ledger.item());
        reaper.round();
        assert_eq!(both(), (100, 1));
        *says.lock().unwrap() = Pressure::Medium;
        let before = asked.load(Ordering::Relaxed);
        reaper.round();
        // Between two rounds that were asked for the thread may have made some of its own.
        if asked.load(Ordering::Relaxed) == before + 1 {
            assert_eq!(both(), (100, 1), "one turn");
        }
        reaper.round();
        assert_eq!((both(), ledger.alive()), ((0, 0), 0), "two turns");
        *says.lock().unwrap() = Pressure::None;
        reaper.round();
        fill(&timed, &ledger, 100);
        manual.put(ledger.item());
        *says.lock().unwrap() = Pressure::High;
        reaper.round();
        assert_eq!((both(), ledger.alive()), ((0, 0), 0), "cleared");
        assert_ne!(timed.stats().discards.by(DiscardReason::Cleared), 0);
        *says.lock().unwrap() = Pressure::None;
        reaper.round();
    }
    // The source goes with its reaper, though the thread stays.
    let other = Reaper::start().unwrap();
    drop(reaper);
    other.round();
    let before = asked.load(Ordering::Relaxed);
    other.round();
    assert_eq!(asked.load(Ordering::Relaxed), before);
    assert_eq!(Arc::strong_count(&asked), 1);
}

#[test]
fn the_worst_answer_counts_and_a_panic_is_none() {
    let _alone = alone();
    assert!(panics(|| std::panic::panic_any(Planned)));
    // So that the rounds that the thread makes of its own do not empty what is being filled.
    let on = Arc::new(AtomicBool::new(false));
    let when_on = |pressure| {
        let on = on.clone();
        move || match on.load(Ordering::Relaxed) {
            true => pressure,
            false => Pressure::None,
        }
    };
    let reaper = Reaper::builder()
        .source(when_on(Pressure::Medium))
        .source(|| -> Pressure { std::panic::panic_any(Planned) })
        .source(when_on(Pressure::High))
        .start()
        .unwrap();
    let (ledger, clock) = (Ledger::new(), Arc::new(ManualClock::new()));
    let pool = registered(builder(&ledger, &clock));
    for _ in 0..3 {
        fill(&pool, &ledger, 100);
        on.store(true, Ordering::Relaxed);
        reaper.round();
        assert_eq!((pool.stats().idle, ledger.alive()), (0, 0));
        on.store(false, Ordering::Relaxed);
        reaper.round();
    }
    drop(reaper);
    let panicking = Reaper::builder()
        .source(|| -> Pressure { std::panic::panic_any(Planned) })
        .start()
        .unwrap();
    fill(&pool, &ledger, 100);
    panicking.round();
    panicking.round();
    assert_eq!(pool.stats().idle, 100);
}

/// Everything that a source is asked panics at its k-th call: the round goes on, and the next one is made.
#[test]
fn a_source_that_panics_at_any_call() {
    #[derive(Default)]
    struct Source {
        /// Of its pressure, its interval and its file.
        fuses: [AtomicUsize; 3],
        is_high: AtomicBool,
    }
    impl Source {
        fn tick(&self, call: usize) {
            let fuse = &self.fuses[call];
            let lit = fuse.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            });
            if lit == Ok(1) {
                std::panic::panic_any(Planned);
            }
        }
    }
    impl PressureSource for Source {
        fn pressure(&self, _ready: bool) -> Pressure {
            self.tick(0);
            match self.is_high.load(Ordering::Relaxed) {
                true => Pressure::High,
                false => Pressure::None,
            }
        }
        fn interval(&self) -> Option<Duration> {
            self.tick(1);
            None
        }
        #[cfg(unix)]
        fn watch(&self) -> Option<pool_core::pressure::Watch<'_>> {
            self.tick(2);
            None
        }
    }
    let _alone = alone();
    assert!(panics(|| std::panic::panic_any(Planned)));
    let (ledger, clock) = (Ledger::new(), Arc::new(ManualClock::new()));
    let pool = registered(builder(&ledger, &clock));
    for call in 0..if cfg!(unix) { 3 } else { 2 } {
        for k in 1..=5 {
            let source = Arc::new(Source::default());
            source.fuses[call].store(k, Ordering::Relaxed);
            let reaper = Reaper::builder().source(source.clone()).start().unwrap();
            fill(&pool, &ledger, 10);
            for round in 0.. {
                // Once a round at least, and the last file is asked for after it.
                if source.fuses[call].load(Ordering::Relaxed) == 0 {
                    break;
                }
                assert!(round <= k, "call {call} is not made");
                reaper.round();
            }
            reaper.round();
            assert_eq!(pool.stats().idle, 10);
            source.is_high.store(true, Ordering::Relaxed);
            reaper.round();
            assert_eq!((pool.stats().idle, ledger.alive()), (0, 0));
        }
    }
}

#[test]
fn relief_by_hand() {
    let _alone = alone();
    let (ledger, clock) = (Ledger::new(), Arc::new(ManualClock::new()));
    let pool = registered(builder(&ledger, &clock));
    fill(&pool, &ledger, 100);
    relieve(Pressure::None);
    assert_eq!((pool.stats().idle, pool.stats().generation), (100, 0));
    relieve(Pressure::Medium);
    assert_eq!((pool.stats().idle, pool.stats().generation), (100, 1));
    relieve(Pressure::High);
    assert_eq!((pool.stats().idle, pool.stats().generation), (0, 1));
    assert!(Pressure::None < Pressure::Medium && Pressure::Medium < Pressure::High);
    assert_eq!(Pressure::default(), Pressure::None);
}

/// Reapers come and go on many threads, while others use the pools.
#[test]
fn coming_and_going() {
    let _alone = alone();
    let ledger = Ledger::new();
    let (ledger, done) = (&ledger, &AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(move || {
                for _ in 0..scaled(3, 100, 300) {
                    let pool = Pool::builder(ledger.maker())
                        .rotate_every(Duration::from_millis(1))
                        .build_reaped();
                    drop((0..10).map(|_| pool.get()).collect::<Vec<_>>());
                    let reaper = Reaper::start().unwrap();
                    reaper.round();
                    drop(pool);
                }
                done.store(true, Ordering::Relaxed);
            });
        }
        scope.spawn(move || {
            while !done.load(Ordering::Relaxed) {
                drop(Reaper::start());
                tend();
            }
        });
    });
    drop(Reaper::start());
    assert_eq!(ledger.alive(), 0);
}

#[test]
fn auto_traits() {
    fn check<T: Send + Sync + Unpin + std::panic::UnwindSafe + std::panic::RefUnwindSafe>() {}
    check::<Reaper>();
    check::<pool_core::Calibrator>();
    check::<Pressure>();
    fn shared<T: Send + Sync>() {}
    shared::<pool_core::ReaperBuilder>();
    #[cfg(target_os = "linux")]
    {
        check::<pool_core::pressure::Psi>();
        check::<pool_core::pressure::CgroupEvents>();
        check::<pool_core::pressure::Systemd>();
    }
}
