//! The floor for idle programs: one thread that looks after all registered pools when nobody uses them.
//!
//! A pool looks at the clock whenever its slow path is used, so a program that works needs no thread. One that has
//! become idle altogether keeps what it has, unless somebody comes by: an event loop that calls [`tend`], or this
//! thread. It sleeps until the first pool's generation ends, a few steps in between while there are victims to let
//! go ([`decay`]), or until a source of memory pressure speaks up.

mod decay;
mod own_thread;
mod round;
mod state;
mod trim;
mod waiter;

use core::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use decay::Curve;
pub use round::{relieve, tend};
pub(crate) use state::{restart_if_lost, wake};

use crate::pressure::PressureSource;
use round::Asked;
use state::Shared;
use trim::Trim;

/// The thread's name unless it is given another. Linux shows 15 characters.
const DEFAULT_NAME: &str = "pool-reaper";

/// The shortest sleep: a clock may be a few milliseconds coarse, or stand still.
const SHORTEST: Duration = Duration::from_millis(5);

/// A claim on the process's one background thread that looks after idle pools.
///
/// As long as there is a `Reaper`, whoever made it, every registered pool ([`Pool::register`](crate::Pool::register),
/// [`Pool::register_shared`](crate::Pool::register_shared), [`Builder::build_reaped`](crate::Builder::build_reaped))
/// turns its generation on time with no call from anyone, each with its own period: what is idle is gone two periods
/// after its last use, or 10 milliseconds later, and 10 milliseconds after that, unless the heap is so big that it takes
/// longer, the allocator is asked to return it to the system. In between, the coldest items go a few at a time, unless
/// [`Builder::decay`](crate::Builder::decay) says otherwise. Pools that were told not to turn by time are left alone,
/// except under memory pressure.
///
/// Dropping the last `Reaper` ends the thread and waits for it, as long as the destructors that it may be running take;
/// only the thread itself, when it drops the last pool that wants it, does not wait.
///
/// The thread inherits nothing from the one that starts it. Signals sent to the process are never delivered to it, it
/// has the default scheduling policy, and it runs on the processors that the process's first thread may use.
///
/// Destructors and hooks run on the thread with nothing held. One that panics is reported by the panic hook and
/// stops nothing.
///
/// The child of a `fork` has no such thread; it starts again at the first slow operation of any pool.
/// (Where a process is copied by other means than the C library's `fork`, it does not.)
///
/// # Examples
///
/// ```
/// use pool_core::{Pool, Reaper};
///
/// static POOL: Pool<Vec<u8>> = Pool::new(Vec::new);
///
/// fn main() -> std::io::Result<()> {
///     POOL.register();
///     let _reaper = Reaper::start()?;
///     // … the program; idle buffers go by themselves.
///     Ok(())
/// }
/// ```
#[must_use = "the thread ends when the last `Reaper` is dropped"]
pub struct Reaper {
    number: u64,
}

impl Reaper {
    /// Starts the thread, or joins those who want it already.
    ///
    /// Takes a lock for a short time. Nothing of the user's runs under it.
    ///
    /// # Errors
    ///
    /// What the system says when it will not start a thread, or give what the thread waits on.
    pub fn start() -> io::Result<Self> {
        Self::builder().start()
    }

    /// A reaper with a name or with sources of memory pressure.
    pub fn builder() -> ReaperBuilder {
        ReaperBuilder {
            name: None,
            sources: Vec::new(),
            trim: true,
        }
    }

    /// Has the thread make a round now, which asks all sources and visits all pools, and waits for its end.
    ///
    /// Blocks as long as the destructors that run in the round do. Does nothing on the thread itself. For tests, and
    /// for programs that know that they have just become idle.
    pub fn round(&self) {
        state::round();
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        state::release(self.number);
    }
}

impl fmt::Debug for Reaper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reaper").finish_non_exhaustive()
    }
}

/// Starts a [`Reaper`] with other than the defaults. Made by [`Reaper::builder`].
#[must_use = "a builder does nothing until `start` is called"]
pub struct ReaperBuilder {
    name: Option<String>,
    sources: Vec<Arc<dyn PressureSource>>,
    trim: bool,
}

impl ReaperBuilder {
    /// Whether the thread asks the allocator to return memory to the system (`malloc_trim`) after pools have let go of
    /// items, for a tenth of the time at most. Default: true. Without it the pools' items are free for other uses, but
    /// a program may look as big as before.
    ///
    /// Counts if this reaper is the one to start the thread. Does nothing where the C library is not glibc, nor for the
    /// memory of another global allocator.
    pub fn trim_heap(mut self, yes: bool) -> Self {
        self.trim = yes;
        self
    }

    /// The thread's name, if this reaper is the one to start it. Default: `pool-reaper`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// A source of memory pressure, which the thread asks for as long as this reaper lives. May be called several
    /// times.
    pub fn source(mut self, source: impl PressureSource + 'static) -> Self {
        self.sources.push(Arc::new(source));
        self
    }

    /// Several sources, as [`pressure::detect`](crate::pressure::detect) finds them.
    pub fn sources(mut self, sources: impl IntoIterator<Item = Arc<dyn PressureSource>>) -> Self {
        self.sources.extend(sources);
        self
    }

    /// Starts the thread, or joins those who want it already.
    ///
    /// # Errors
    ///
    /// As [`Reaper::start`]; a name with a null character in it is one more reason.
    pub fn start(self) -> io::Result<Reaper> {
        if let Some(name) = &self.name {
            if name.contains('\0') {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!("a thread's name has no null character, given was {name:?}"),
                ));
            }
        }
        let number = state::claim(self.name, self.trim, self.sources)?;
        Ok(Reaper { number })
    }
}

impl fmt::Debug for ReaperBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReaperBuilder")
            .field("name", &self.name)
            .field("sources", &self.sources.len())
            .field("trim_heap", &self.trim)
            .finish()
    }
}

/// The thread.
fn run(shared: &Shared) {
    let mut asked = Asked::default();
    let mut trim = Trim::default();
    let mut ready = Vec::new();
    let mut done = 0;
    while !shared.is_stopped() {
        let wanted = shared.wanted();
        let mut panicked = None;
        let sources = state::sources();
        let pressure = asked.ask(&sources, &ready, wanted != done, &mut panicked);
        round::relieve_all(pressure, &mut panicked);
        let tend = round::tend_all(&mut panicked);
        let ask = asked.next(&sources, &mut panicked);
        let again = if state::trims() {
            trim.after(round::released(&mut panicked))
        } else {
            None
        };
        done = wanted;
        shared.finish(done);
        let sleep = tend.into_iter().chain(ask).chain(again).min();
        ready = wait(shared, sleep, &sources, &asked);
        // Sources may have gone meanwhile, and be dropped here.
        let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(sources)));
        // The panic hook has told of these; what a payload's destructor does is not worth the thread.
        core::mem::forget((panicked, dropped));
    }
}

/// Sleeps until there is something to do; says which sources have spoken up.
#[cfg(unix)]
fn wait(
    shared: &Shared,
    sleep: Option<Duration>,
    sources: &[state::Source],
    asked: &Asked,
) -> Vec<(u64, usize)> {
    use round::PAUSE;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    let now = std::time::Instant::now();
    let mut sleep = sleep;
    let (mut watched, mut names) = (Vec::new(), Vec::new());
    for ((_, source), key) in sources.iter().zip(round::keys(sources)) {
        let watch = match catch_unwind(AssertUnwindSafe(|| source.watch())) {
            Ok(Some(watch)) => watch,
            Ok(None) => continue,
            Err(payload) => {
                // Its destructor may panic too, and would end the thread.
                core::mem::forget(payload);
                continue;
            }
        };
        if asked.is_fresh(key, now, PAUSE) {
            // Whatever it has to say, it has to wait.
            sleep = Some(sleep.map_or(PAUSE, |sleep| sleep.min(PAUSE)));
        } else {
            watched.push(watch);
            names.push(key);
        }
    }
    let sleep = sleep.map(|sleep| sleep.max(SHORTEST));
    let spoke = shared.waiter.wait(sleep, &watched).into_iter().zip(names);
    spoke
        .filter_map(|(spoke, key)| spoke.then_some(key))
        .collect()
}

/// Sleeps until there is something to do. There are no files to watch.
#[cfg(not(unix))]
fn wait(
    shared: &Shared,
    sleep: Option<Duration>,
    _sources: &[state::Source],
    _asked: &Asked,
) -> Vec<(u64, usize)> {
    shared.waiter.wait(sleep.map(|sleep| sleep.max(SHORTEST)));
    Vec::new()
}
