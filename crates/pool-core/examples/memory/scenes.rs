//! What happens in each scene, and what is to come out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, LazyLock};
use std::thread;
use std::time::{Duration, Instant};

use pool_core::{Builder, DiscardReason, Pool, Reaper};

const KIB: usize = 1024;
const THREADS: usize = 64;
const BUFFERS: usize = 1000;

/// Enough to go through a thread's cache to its chain.
const REHEARSAL: usize = 150;

/// Threads and buffers of the burst in the picture.
const BURSTING: usize = 8;
const BURST: usize = 50_000;

/// A buffer whose every page is touched.
type Buffer = Box<[u8; KIB]>;

fn buffer() -> Buffer {
    Box::new([1; KIB])
}

/// What was seen at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) ms: u64,
    pub(crate) resident_kib: u64,
    pub(crate) idle: usize,
}

impl Sample {
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let sample = Self {
            ms: words.next()?.parse().ok()?,
            resident_kib: words.next()?.parse().ok()?,
            idle: words.next()?.parse().ok()?,
        };
        words.next().is_none().then_some(sample)
    }
}

/// The memory of this process that lies in the machine's, in KiB; None where the system does not say.
pub(crate) fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

/// Prints samples as time goes by.
struct Watch {
    start: Instant,
}

impl Watch {
    fn sample(&self, idle: usize) {
        let ms = self.start.elapsed().as_millis();
        println!("{ms} {} {idle}", resident().expect("asked before"));
    }

    /// Samples every 20 ms until so many milliseconds after the start.
    fn until(&self, ms: u64, idle: impl Fn() -> usize) {
        let end = Duration::from_millis(ms);
        while self.start.elapsed() < end {
            self.sample(idle());
            thread::sleep(Duration::from_millis(20).min(end.saturating_sub(self.start.elapsed())));
        }
        self.sample(idle());
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scene {
    Reaped,
    Unreaped,
    Quiet,
    Huge,
    Kept,
    GosRule,
    Ours,
}

impl Scene {
    pub(crate) const ALL: [Self; 7] = [
        Self::Reaped,
        Self::Unreaped,
        Self::Quiet,
        Self::Huge,
        Self::Kept,
        Self::GosRule,
        Self::Ours,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Reaped => "64-threads-reaper",
            Self::Unreaped => "64-threads-no-reaper",
            Self::Quiet => "one-use-a-second",
            Self::Huge => "two-64-MiB-buffers",
            Self::Kept => "no-release",
            Self::GosRule => "go-rule",
            Self::Ours => "ours",
        }
    }

    /// What page and picture call it.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Reaped => "64 threads put 1,000 buffers each and go idle, with the reaper",
            Self::Unreaped => "the same without: at the first activity after two periods",
            Self::Quiet => "a `static` pool, a burst of 90 MiB, then one use a second, no reaper",
            Self::Huge => "two buffers of 64 MiB among small uses",
            Self::Kept => "no release",
            Self::GosRule => "Go's rule",
            Self::Ours => "ours",
        }
    }

    /// What a scene's process is told: glibc's allocator, which has a heap for each few threads, not to keep 128 KiB at
    /// the end of each. What is measured is what the pool holds on to.
    pub(crate) const ENVIRONMENT: [(&'static str, &'static str); 2] =
        [("MALLOC_TRIM_THRESHOLD_", "0"), ("MALLOC_TOP_PAD_", "0")];

    /// Runs the scene in this process and prints its samples.
    pub(crate) fn run(self, period_ms: u64) {
        let period = Duration::from_millis(period_ms);
        match self {
            Self::Reaped => idle_threads(period, true),
            Self::Unreaped => idle_threads(period, false),
            Self::Quiet => quiet(),
            Self::Huge => huge(),
            // A pool that is never turned keeps its high-water mark, as the pools of this world do.
            Self::Kept => burst(period, |builder| builder.rotate_manually(), false),
            // Two turns that take all at once, and in a program that allocates next to nothing a collection every two
            // minutes, which is four times our 30 seconds.
            Self::GosRule => burst(
                period,
                |builder| builder.rotate_every(4 * period).decay(false),
                true,
            ),
            Self::Ours => burst(period, |builder| builder.rotate_every(period), true),
        }
    }

    /// What came of a scene that is checked, for better or worse.
    pub(crate) fn verdict(
        self,
        samples: &[Sample],
        period_ms: u64,
    ) -> Option<Result<String, String>> {
        match self {
            Self::Reaped | Self::Unreaped => Some(idle_verdict(samples, period_ms)),
            Self::Quiet => Some(quiet_verdict(samples)),
            Self::Huge => Some(huge_verdict(samples)),
            Self::Kept | Self::GosRule | Self::Ours => None,
        }
    }
}

/// The last sample at or before a time.
fn at(samples: &[Sample], ms: u64) -> Option<Sample> {
    samples.iter().copied().take_while(|s| s.ms <= ms).last()
}

/// 64 threads put 1,000 buffers each and go idle. The second sample is the height, the third and later are from when they
/// are idle.
fn idle_threads(period: Duration, reaped: bool) {
    let pool = Arc::new(
        Pool::builder(buffer as fn() -> Buffer)
            .rotate_every(period)
            .build(),
    );
    pool.register_shared();
    let _reaper = reaped.then(|| Reaper::start().expect("a thread"));
    let (go, full, end) = (
        Barrier::new(THREADS + 1),
        Barrier::new(THREADS + 1),
        Barrier::new(THREADS + 1),
    );
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                // What a thread needs to take part, once and for all, is part of the start and not of the burst.
                (0..REHEARSAL).for_each(|_| pool.put(buffer()));
                go.wait();
                go.wait();
                (0..BUFFERS).for_each(|_| pool.put(buffer()));
                full.wait();
                end.wait();
            });
        }
        go.wait();
        // Nor is the code that gives memory back, which is read from the disk when it is first used.
        drop(pool.get());
        pool.rotate();
        pool.clear();
        pool.rotate();
        trim();
        _ = (resident(), pool.stats());
        let mut watch = Watch {
            start: Instant::now(),
        };
        watch.sample(pool.stats().idle);
        go.wait();
        full.wait();
        watch.start = Instant::now();
        watch.sample(pool.stats().idle);
        let two = 2 * period.as_millis() as u64;
        watch.until(two + GRACE_MS, || pool.stats().idle);
        if !reaped {
            // Any activity: somebody has a look.
            thread::sleep(period / 2);
            assert!(pool.try_take().is_none());
            // The pool has given back; without a reaper it is the program's to ask the allocator for it.
            trim();
            watch.sample(pool.stats().idle);
        }
        end.wait();
    });
}

/// Has glibc's allocator return what it does not need.
fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: has no requirements.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// What a busy machine may add to two periods.
const GRACE_MS: u64 = 60;

fn idle_verdict(samples: &[Sample], period_ms: u64) -> Result<String, String> {
    let [start, full, ..] = samples else {
        return Err("too few samples".to_owned());
    };
    let last = samples[samples.len() - 1];
    let allowed = start.resident_kib + start.resident_kib / 10;
    let text = format!(
        "{} KiB at the start, {} KiB with {} buffers idle, {} KiB with {} idle {} ms later (periods of {period_ms} ms; up to {allowed} KiB are allowed)",
        start.resident_kib, full.resident_kib, full.idle, last.resident_kib, last.idle, last.ms
    );
    if full.idle >= THREADS * BUFFERS && last.idle == 0 && last.resident_kib <= allowed {
        Ok(text)
    } else {
        Err(text)
    }
}

/// Uses of the quiet program, and the period of its pool.
const SECOND: Duration = Duration::from_secs(1);

/// A pool that is used once a second after a burst, on the same thread. The first sample is before the burst, the second
/// right after it, the others after each use.
fn quiet() {
    static POOL: LazyLock<Pool<Buffer>> = LazyLock::new(|| {
        Pool::builder(buffer as fn() -> Buffer)
            .rotate_every(SECOND)
            .build()
    });
    drop(POOL.get());
    let mut watch = Watch {
        start: Instant::now(),
    };
    watch.sample(POOL.stats().idle);
    drop((0..90 * KIB).map(|_| POOL.get()).collect::<Vec<_>>());
    watch.start = Instant::now();
    watch.sample(POOL.stats().idle);
    for _ in 0..4 {
        thread::sleep(SECOND);
        drop(POOL.get());
        trim();
        watch.sample(POOL.stats().idle);
    }
}

fn quiet_verdict(samples: &[Sample]) -> Result<String, String> {
    let [start, full, .., last] = samples else {
        return Err("too few samples".to_owned());
    };
    let uses: Vec<_> = samples[2..].iter().map(|s| s.idle.to_string()).collect();
    let text = format!(
        "{} KiB at the start, {} KiB with {} buffers idle, {} KiB with {} idle {} ms later (idle after each use: {}; period of 1 s)",
        start.resident_kib,
        full.resident_kib,
        full.idle,
        last.resident_kib,
        last.idle,
        last.ms,
        uses.join(", ")
    );
    // The one in use stays. A table of the burst's guards was freed with it.
    if last.idle <= 1 && last.resident_kib <= start.resident_kib + start.resident_kib / 10 {
        Ok(text)
    } else {
        Err(text)
    }
}

/// Two huge buffers among small uses: the first sample is before, the second with both in, the last after thousands of
/// small uses.
fn huge() {
    const HUGE: usize = 64 * KIB * KIB;
    const BUDGET: usize = HUGE + HUGE / 2;
    let pool = Pool::builder(Vec::<u8>::new)
        .clear_up_to(usize::MAX)
        .shed_underused(16)
        .build();
    let watch = Watch {
        start: Instant::now(),
    };
    watch.sample(0);
    (0..2).for_each(|_| pool.put(vec![1; HUGE]));
    watch.sample(pool.stats().idle);
    for _ in 0..5000 {
        let (mut one, mut other) = (pool.get(), pool.get());
        one.extend_from_slice(b"small");
        other.extend_from_slice(b"small");
    }
    assert_eq!(pool.stats().discards.by(DiscardReason::Underused), 2);
    watch.sample(pool.stats().idle);
    // And within a budget, the second does not get in.
    let limited = Pool::builder(Vec::<u8>::new).max_bytes(BUDGET).build();
    (0..2).for_each(|_| limited.put(vec![1; HUGE]));
    assert_eq!((limited.stats().idle, limited.stats().weight), (1, HUGE));
}

fn huge_verdict(samples: &[Sample]) -> Result<String, String> {
    let &[start, full, last] = samples else {
        return Err("not three samples".to_owned());
    };
    let text = format!(
        "{} KiB at the start, {} KiB with both, {} KiB after 5000 small uses",
        start.resident_kib, full.resident_kib, last.resident_kib
    );
    if last.resident_kib <= start.resident_kib + start.resident_kib / 10 {
        Ok(text)
    } else {
        Err(text)
    }
}

/// One thread goes on at its pace; for a moment eight others need many buffers.
fn burst(
    period: Duration,
    policy: impl Fn(Builder<Buffer, fn() -> Buffer>) -> Builder<Buffer, fn() -> Buffer>,
    reaped: bool,
) {
    let pool = Arc::new(policy(Pool::builder(buffer as fn() -> Buffer)).build());
    pool.register_shared();
    let _reaper = reaped.then(|| Reaper::start().expect("a thread"));
    let period_ms = period.as_millis() as u64;
    let done = AtomicBool::new(false);
    let watch = Watch {
        start: Instant::now(),
    };
    let idle = || pool.stats().idle;
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                drop((pool.get(), pool.get()));
                thread::sleep(Duration::from_millis(2));
            }
        });
        watch.until(period_ms, idle);
        let all = Barrier::new(BURSTING);
        thread::scope(|scope| {
            for _ in 0..BURSTING {
                scope.spawn(|| {
                    let held: Vec<_> = (0..BURST / BURSTING).map(|_| pool.take()).collect();
                    all.wait();
                    held.into_iter().for_each(|item| pool.put(item));
                });
            }
        });
        watch.until(12 * period_ms, idle);
        done.store(true, Ordering::Relaxed);
    });
}

/// What a picture shows, in words.
pub(crate) fn summary(samples: &[Sample]) -> String {
    let first = samples.first().map_or(0, |s| s.resident_kib);
    let highest = samples.iter().map(|s| s.resident_kib).max().unwrap_or(0);
    // When the burst came.
    let burst = samples
        .iter()
        .find(|s| s.resident_kib > first + (highest - first) / 2);
    let when = burst.map_or(0, |s| s.ms);
    // Within a tenth of what the burst added.
    let low = first + (highest - first) / 10;
    let back = samples
        .iter()
        .find(|s| s.ms > when && s.resident_kib <= low)
        .map_or("never".to_owned(), |s| format!("{} ms after", s.ms - when));
    let end = at(samples, u64::MAX).map_or(0, |s| s.resident_kib);
    format!(
        "{first} KiB, {highest} KiB at the height, nine tenths of the difference gone {back}, {end} KiB at the end"
    )
}
