//! What a pool's maker decides, and the builder that takes the decisions.

use core::fmt;
use core::marker::PhantomData;
use core::mem::size_of;
use core::time::Duration;
use std::error::Error;
use std::sync::Arc;

use crate::budget::Limits;
use crate::chaos::Chaos;
use crate::clock::{Clock, SystemClock};
use crate::discard::DiscardReason;
use crate::pool::Pool;
#[cfg(not(pool_loom))]
use crate::reaper::Reaper;
use crate::usage::{Calibrator, Rules, Strikes, Usage};

/// What a `recycle` hook decides about an item that comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Recycle {
    /// Keep it for the next taker.
    Keep,
    /// Drop it.
    Discard,
}

/// The most items that a thread cache can be told to hold.
pub const MAX_THREAD_CACHE: usize = 4096;

/// How long a generation lasts unless the builder says otherwise.
pub const DEFAULT_PERIOD: Duration = Duration::from_secs(30);

/// The deepest thread cache that is made unasked: it carries a burst of a hundred at little more than the
/// cost of a plain vector.
const DEFAULT_DEPTH: usize = if cfg!(pool_loom) { 2 } else { 128 };

/// The most bytes of items that a thread cache may hold unasked.
const DEFAULT_DEPTH_BYTES: usize = 8192;

pub(crate) type RecycleHook<T> = Box<dyn Fn(&mut T) -> Recycle + Send + Sync>;
pub(crate) type WeightHook<T> = Box<dyn Fn(&T) -> usize + Send + Sync>;
pub(crate) type UsageHook<T> = Box<dyn Fn(&T) -> Usage + Send + Sync>;
pub(crate) type DiscardHook<T> = Box<dyn Fn(&T, DiscardReason) + Send + Sync>;

/// All of a pool's decisions.
pub(crate) struct Policy<T> {
    pub(crate) recycle: Option<RecycleHook<T>>,
    pub(crate) on_discard: Option<DiscardHook<T>>,
    pub(crate) discard_unwinding: bool,
    pub(crate) usage: Option<UsageHook<T>>,
    pub(crate) rules: Option<Box<Rules>>,
    pub(crate) limits: Limits<T>,
    /// How many items rotation leaves.
    pub(crate) min_idle: usize,
    prefill: usize,
    underused_after: Option<usize>,
    calibrator: Option<Arc<Calibrator>>,
    pub(crate) chaos: Option<Chaos>,
    /// Whether no take may be fast: there are limits to keep, or chaos.
    pub(crate) watches: bool,
    /// Whether an item that comes back has to be looked at: something above asks for it.
    pub(crate) inspects: bool,
    /// Items a thread cache holds; 0 for no cache.
    pub(crate) depth: usize,
    /// How long a generation lasts.
    pub(crate) every: Option<Duration>,
    /// How many operations a generation lasts.
    pub(crate) after: Option<usize>,
    pub(crate) clock: Option<Arc<dyn Clock>>,
    /// Whether victims go a few at a time when there is somebody to see to it.
    pub(crate) gradual: bool,
    /// Keeps the thread alive as long as the pool.
    #[cfg(not(pool_loom))]
    pub(crate) reaper: Option<Reaper>,
}

impl<T> Policy<T> {
    /// What [`Pool::new`] gives.
    pub(crate) const DEFAULT: Self = Self {
        recycle: None,
        on_discard: None,
        discard_unwinding: false,
        usage: None,
        rules: None,
        limits: Limits::NONE,
        min_idle: 0,
        prefill: 0,
        underused_after: None,
        calibrator: None,
        chaos: None,
        watches: false,
        inspects: false,
        depth: default_depth::<T>(),
        every: Some(DEFAULT_PERIOD),
        after: None,
        clock: None,
        gradual: true,
        #[cfg(not(pool_loom))]
        reaper: None,
    };

    /// Whether the numbers of items, bytes and uses make sense, each alone and together.
    fn check_limits(&self) -> Result<(), BuildError> {
        let range = |what, given, min, max| {
            if given < min || given > max {
                return Err(BuildError::OutOfRange {
                    what,
                    given,
                    min,
                    max,
                });
            }
            Ok(())
        };
        let needs = |what, needs, there| {
            if there {
                Ok(())
            } else {
                Err(BuildError::Missing { what, needs })
            }
        };
        let limits = &self.limits;
        range("max_idle", limits.max_idle, 1, usize::MAX)?;
        range("max_weight", limits.max_weight, 1, usize::MAX)?;
        range("min_idle", self.min_idle, 0, limits.max_idle)?;
        range("prefill", self.prefill, 0, limits.max_idle)?;
        if limits.max_weight != usize::MAX {
            needs("max_weight", "weight", limits.weight.is_some())?;
        }
        if let Some(uses) = self.underused_after {
            range("discard_underused", uses, 1, usize::MAX)?;
            needs("discard_underused", "usage", self.usage.is_some())?;
        }
        if self.calibrator.is_some() {
            needs("calibrate", "usage", self.usage.is_some())?;
        }
        Ok(())
    }

    /// Why an item goes for how it was used, if it does. Runs the user's code.
    pub(crate) fn misused(&self, item: &T) -> Option<DiscardReason> {
        let (usage, rules) = (self.usage.as_ref()?, self.rules.as_ref()?);
        rules.verdict(usage(item))
    }

    pub(crate) fn now(&self) -> Duration {
        match &self.clock {
            Some(clock) => clock.now(),
            None => SystemClock.now(),
        }
    }
}

/// How many items of a type a thread cache holds unless told: fewer of large ones, none of huge ones.
const fn default_depth<T>() -> usize {
    match DEFAULT_DEPTH_BYTES.checked_div(size_of::<T>()) {
        Some(fewer @ 0..DEFAULT_DEPTH) => fewer,
        _ => DEFAULT_DEPTH,
    }
}

/// Why a pool could not be built as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// The thread cache was to hold more than [`MAX_THREAD_CACHE`] items.
    ThreadCache {
        /// What was asked for.
        given: usize,
        /// What is allowed.
        max: usize,
    },
    /// The period of rotation was below a millisecond or above the limit.
    Period {
        /// What was asked for.
        given: Duration,
        /// What is allowed.
        max: Duration,
    },
    /// The number of operations between rotations was zero.
    Operations,
    /// A number of items, bytes or uses was out of its range.
    OutOfRange {
        /// Which number: the builder's method.
        what: &'static str,
        /// What was asked for.
        given: usize,
        /// The least that is allowed.
        min: usize,
        /// The most that is allowed.
        max: usize,
    },
    /// Something was asked for that needs something else as well.
    Missing {
        /// What was asked for: the builder's method.
        what: &'static str,
        /// What it needs: another of the builder's methods.
        needs: &'static str,
    },
    /// The system would not start the [`Reaper`](crate::Reaper)'s thread.
    Reaper {
        /// What the system said.
        kind: std::io::ErrorKind,
    },
}

/// The longest period: its milliseconds must fit half the range of a word.
const MAX_PERIOD: Duration = Duration::from_millis((usize::MAX / 4) as u64);

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ThreadCache { given, max } => {
                write!(
                    f,
                    "a thread cache holds 0 to {max} items, given was {given}"
                )
            }
            Self::Period { given, max } => {
                write!(
                    f,
                    "a period of rotation is 1ms to {max:?}, given was {given:?}"
                )
            }
            Self::Operations => {
                f.write_str("a pool rotates after 1 operation or more, given was 0")
            }
            Self::OutOfRange {
                what,
                given,
                min,
                max: usize::MAX,
            } => {
                write!(f, "`{what}` is at least {min}, given was {given}")
            }
            Self::OutOfRange {
                what,
                given,
                min,
                max,
            } => {
                write!(f, "`{what}` is {min} to {max}, given was {given}")
            }
            Self::Missing { what, needs } => {
                write!(f, "`{what}` needs `{needs}` as well")
            }
            Self::Reaper { kind } => {
                write!(f, "the reaper's thread could not be started: {kind}")
            }
        }
    }
}

impl Error for BuildError {}

/// Makes a pool with other than the default policy. Made by [`Pool::builder`].
///
/// # Examples
///
/// ```
/// use pool_core::{Pool, Recycle};
///
/// let pool = Pool::builder(|| String::with_capacity(256))
///     .recycle(|text| {
///         text.clear();
///         if text.capacity() <= 64 * 1024 { Recycle::Keep } else { Recycle::Discard }
///     })
///     .build();
/// pool.get().push_str("hello");
/// assert_eq!(*pool.get(), "");
/// ```
#[must_use = "a builder does nothing until `build` is called"]
pub struct Builder<T, F> {
    create: F,
    policy: Policy<T>,
    _items: PhantomData<T>,
}

impl<T, F> Builder<T, F> {
    pub(crate) fn new(create: F) -> Self {
        Self {
            create,
            policy: Policy::DEFAULT,
            _items: PhantomData,
        }
    }

    /// Called with every item that comes back, before the pool has it: clear it here, and decide whether it
    /// is worth keeping.
    ///
    /// Runs with nothing held: it may use the pool. If it panics, the item is dropped and the panic goes to
    /// whoever put the item back.
    pub fn recycle(mut self, hook: impl Fn(&mut T) -> Recycle + Send + Sync + 'static) -> Self {
        self.policy.recycle = Some(Box::new(hook));
        self
    }

    /// Called with every item that the pool drops, and told why.
    ///
    /// Runs with nothing held: it may use the pool. If it panics, the item is dropped all the same, the hook hears
    /// of the other items that were to be dropped with it, and then the panic goes to whoever made the pool drop
    /// them.
    pub fn on_discard(mut self, hook: impl Fn(&T, DiscardReason) + Send + Sync + 'static) -> Self {
        self.policy.on_discard = Some(Box::new(hook));
        self
    }

    /// Whether an item that comes back while its thread is unwinding is dropped, because it may be in an odd
    /// state. Default: false, as a `recycle` hook can mend most items.
    pub fn discard_when_unwinding(mut self, yes: bool) -> Self {
        self.policy.discard_unwinding = yes;
        self
    }

    /// What an item weighs, in bytes or whatever [`max_weight`](Self::max_weight) counts in. [`Stats::weight`] has the
    /// sum.
    ///
    /// Asked when an item comes in and when it goes out, and must say the same both times. Runs with nothing held. If
    /// it panics, the item is dropped; one on its way out then counts as weightless, so what it weighed stays counted.
    ///
    /// A pool that weighs its items, or counts them for [`max_idle`](Self::max_idle), keeps its accounts for all
    /// threads together: a take and a put cost two atomic read-modify-writes more for each of the two.
    ///
    /// [`Stats::weight`]: crate::Stats::weight
    pub fn weight(mut self, hook: impl Fn(&T) -> usize + Send + Sync + 'static) -> Self {
        self.policy.limits.weight = Some(Box::new(hook));
        self
    }

    /// The most that the items in the pool may weigh together, at any moment. Needs [`weight`](Self::weight). Default:
    /// no limit.
    ///
    /// An item that does not fit takes the place of victims, which are about to go anyway; if there are none, it is
    /// dropped itself.
    pub fn max_weight(mut self, weight: usize) -> Self {
        self.policy.limits.max_weight = weight;
        self
    }

    /// The most items that the pool may hold, in all threads' caches and chains together, at any moment. Default: no
    /// limit. One more takes the place of a victim, as with [`max_weight`](Self::max_weight).
    pub fn max_idle(mut self, items: usize) -> Self {
        self.policy.limits.max_idle = items;
        self
    }

    /// How many items stay in the pool though nobody uses them: rotation and decay drop no more than what is above
    /// that, the oldest first. Default: 0. [`Pool::clear`] takes these too.
    pub fn min_idle(mut self, items: usize) -> Self {
        self.policy.min_idle = items;
        self
    }

    /// Makes this many items when the pool is built, as [`Pool::prefill`] does. Default: 0.
    pub fn prefill(mut self, items: usize) -> Self {
        self.policy.prefill = items;
        self
    }

    /// How much of an item was used, asked of every item that comes back, before `recycle` clears it.
    ///
    /// Runs with nothing held: it may use the pool. If it panics, the item is dropped.
    pub fn usage(mut self, hook: impl Fn(&T) -> Usage + Send + Sync + 'static) -> Self {
        self.policy.usage = Some(Box::new(hook));
        self
    }

    /// Lets items go that are too big for what they are used for: when items of about its capacity (within the same
    /// power of two) have come back less than a quarter used for `uses` times in a row, the next one that does is
    /// dropped. Needs [`usage`](Self::usage). Default: never.
    ///
    /// Capacities below 4096 are not worth while and stay.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::{DiscardReason, Pool, Usage};
    ///
    /// let pool = Pool::builder(Vec::<u8>::new)
    ///     .usage(|buffer| Usage { used: buffer.len(), capacity: buffer.capacity() })
    ///     .discard_underused(8)
    ///     .clear_up_to(usize::MAX)
    ///     .build();
    /// pool.put(Vec::with_capacity(64 << 20)); // once, something huge
    /// for _ in 0..10 {
    ///     pool.get().push(1); // and then nothing of the kind
    /// }
    /// assert_eq!(pool.stats().discards.by(DiscardReason::Underused), 1);
    /// assert!(pool.take().capacity() < 4096);
    /// ```
    pub fn discard_underused(mut self, uses: usize) -> Self {
        self.policy.underused_after = Some(uses);
        self
    }

    /// Tells a [`Calibrator`] how much of each item was used, and lets items go that are bigger than it finds right.
    /// Needs [`usage`](Self::usage). Several pools may share one.
    pub fn calibrate(mut self, calibrator: Arc<Calibrator>) -> Self {
        self.policy.calibrator = Some(calibrator);
        self
    }

    /// For tests: does at random what a pool may do but seldom does. Items are dropped that could be kept, takes find
    /// nothing or something old or come from elsewhere, and the generation turns at any time. With one thread,
    /// the same seed does the same things.
    ///
    /// A program that passes its tests under several seeds relies on nothing that a pool does not promise.
    pub fn chaos(mut self, seed: u64) -> Self {
        self.policy.chaos = Some(Chaos::new(seed));
        self
    }

    /// How many items each thread may hold for itself, up to [`MAX_THREAD_CACHE`]. Default: 128, fewer of types
    /// above 64 bytes.
    ///
    /// A thread begins with room for 64 at most and gets more when it has taken all that it had and the pool has
    /// more for it, so a thread that only puts keeps few.
    ///
    /// With 0 there is no thread cache: all that is put is within everybody's reach at once, at the price of an atomic
    /// read-modify-write a take.
    pub fn thread_cache(mut self, items: usize) -> Self {
        self.policy.depth = items;
        self
    }

    /// Turns the generation when this much time has passed. Default: [`DEFAULT_PERIOD`]. What lies unused for two turns
    /// is dropped.
    ///
    /// The pool's users notice that time has passed: at a steady rate of takes at most one period late, after the rate
    /// has fallen at most 64 takes late. A pool that nobody uses needs a [`Reaper`](crate::Reaper) or a call of
    /// [`tend`](crate::tend).
    pub fn rotate_every(mut self, period: Duration) -> Self {
        self.policy.every = Some(period);
        self
    }

    /// Turns the generation after about this many takes and puts, at most 64 takes of each thread later, in addition to
    /// time. Default: never. Puts that a thread cache serves do not count.
    ///
    /// For programs without a clock, or with bursts that are better measured in work than in time.
    pub fn rotate_after(mut self, operations: usize) -> Self {
        self.policy.after = Some(operations);
        self
    }

    /// Leaves turning to [`Pool::rotate`] and [`rotate_all`](crate::rotate_all) alone.
    pub fn rotate_manually(mut self) -> Self {
        self.policy.every = None;
        self.policy.after = None;
        self
    }

    /// The clock for [`rotate_every`](Self::rotate_every). Default: [`SystemClock`].
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.policy.clock = Some(clock);
        self
    }

    /// Whether a [`Reaper`](crate::Reaper) lets the coldest items go a few at a time, along a smooth curve, instead of
    /// all at once at the turn of a generation. Default: true. Without a reaper it changes nothing.
    pub fn decay(mut self, yes: bool) -> Self {
        self.policy.gradual = yes;
        self
    }
}

impl<T, F: Fn() -> T> Builder<T, F> {
    /// The pool.
    ///
    /// # Panics
    ///
    /// When a number is out of its range, which [`try_build`](Self::try_build) returns as an error; or when the
    /// constructor panics while the pool is filled.
    #[track_caller]
    pub fn build(self) -> Pool<T, F> {
        match self.try_build() {
            Ok(pool) => pool,
            Err(error) => panic!("{error}"),
        }
    }

    /// The pool, or what is wrong with the numbers.
    ///
    /// # Errors
    ///
    /// [`BuildError`] names the number that is out of its range, what was given and what is allowed.
    pub fn try_build(self) -> Result<Pool<T, F>, BuildError> {
        let mut policy = self.policy;
        policy.check_limits()?;
        policy.watches = policy.limits.any() || policy.chaos.is_some();
        let (uses, calibrator) = (policy.underused_after, policy.calibrator.take());
        if uses.is_some() || calibrator.is_some() {
            policy.rules = Some(Box::new(Rules {
                strikes: uses.map(Strikes::new),
                calibrator,
            }));
        }
        policy.inspects = policy.recycle.is_some()
            || policy.discard_unwinding
            || policy.rules.is_some()
            || policy.watches;
        if policy.depth > MAX_THREAD_CACHE {
            return Err(BuildError::ThreadCache {
                given: policy.depth,
                max: MAX_THREAD_CACHE,
            });
        }
        if let Some(given) = policy.every {
            if given < Duration::from_millis(1) || given > MAX_PERIOD {
                return Err(BuildError::Period {
                    given,
                    max: MAX_PERIOD,
                });
            }
        }
        if policy.after == Some(0) {
            return Err(BuildError::Operations);
        }
        let prefill = policy.prefill;
        let pool = Pool::with_policy(self.create, policy);
        pool.prefill(prefill);
        Ok(pool)
    }
}

#[cfg(not(pool_loom))]
impl<T: Send + 'static, F: Fn() -> T + Send + Sync + 'static> Builder<T, F> {
    /// The pool, registered, and looked after by the process's [`Reaper`](crate::Reaper) for as long as it lives: the
    /// thread is started if there is none, and ends with the last pool or handle that wants it.
    ///
    /// # Panics
    ///
    /// When a number is out of its range or there is no thread to be had;
    /// [`try_build_reaped`](Self::try_build_reaped) returns that as an error.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use pool_core::Pool;
    ///
    /// let pool = Pool::builder(Vec::<u8>::new)
    ///     .rotate_every(Duration::from_millis(50))
    ///     .build_reaped();
    /// pool.put(Vec::with_capacity(1 << 20));
    /// // Nobody uses the pool any more, and still it lets go.
    /// while pool.stats().idle != 0 {
    ///     std::thread::sleep(Duration::from_millis(10));
    /// }
    /// ```
    #[track_caller]
    pub fn build_reaped(self) -> Arc<Pool<T, F>> {
        match self.try_build_reaped() {
            Ok(pool) => pool,
            Err(error) => panic!("{error}"),
        }
    }

    /// As [`build_reaped`](Self::build_reaped), with what is wrong as an error.
    ///
    /// # Errors
    ///
    /// [`BuildError`] names the number that is out of its range, or what the system said to a new thread.
    pub fn try_build_reaped(self) -> Result<Arc<Pool<T, F>>, BuildError> {
        let mut pool = self.try_build()?;
        let reaper = Reaper::start().map_err(|error| BuildError::Reaper { kind: error.kind() })?;
        pool.policy.reaper = Some(reaper);
        let pool = Arc::new(pool);
        pool.register_shared();
        Ok(pool)
    }
}

impl<T, F> fmt::Debug for Builder<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.policy.fmt(f)
    }
}

impl<T> fmt::Debug for Policy<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("recycle", &self.recycle.is_some())
            .field("on_discard", &self.on_discard.is_some())
            .field("discard_when_unwinding", &self.discard_unwinding)
            .field("thread_cache", &self.depth)
            .field("rotate_every", &self.every)
            .field("rotate_after", &self.after)
            .field("decay", &self.gradual)
            .field("max_idle", &self.limits.max_idle)
            .field("max_weight", &self.limits.max_weight)
            .field("min_idle", &self.min_idle)
            .field("chaos", &self.chaos.is_some())
            .finish_non_exhaustive()
    }
}
