//! Where the pools hear from that memory is short.
//!
//! A [`Reaper`](crate::Reaper) asks its sources and lets the registered pools react: under [`Pressure::Medium`] their
//! generations turn, so that what is idle goes sooner; under [`Pressure::High`] they are cleared. Whoever has an event
//! loop and no use for a thread calls [`relieve`](crate::relieve) instead.
//!
//! A source is asked at most twice a second, however often it says that there is something to ask.
//!
//! On Linux [`detect`] finds what the system offers: [`Systemd`], [`Psi`] and [`CgroupEvents`].

#[cfg(target_os = "linux")]
mod cgroup;
#[cfg(target_os = "linux")]
mod files;
#[cfg(target_os = "linux")]
mod psi;
#[cfg(target_os = "linux")]
mod systemd;

#[cfg(target_os = "linux")]
pub use cgroup::CgroupEvents;
#[cfg(target_os = "linux")]
pub use psi::{Psi, Stall};
#[cfg(target_os = "linux")]
pub use systemd::Systemd;

use core::time::Duration;
use std::sync::Arc;

/// How short of memory the system, the container or the program is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pressure {
    /// There is enough.
    #[default]
    None,
    /// Idle memory should go sooner: generations turn.
    Medium,
    /// Idle memory should go now: pools are cleared.
    High,
}

/// Somebody who knows how short memory is.
///
/// Asked on the reaper's thread with nothing held. If a call panics, the answer counts as [`Pressure::None`] and the
/// source is asked again the next time. A closure is a source too.
///
/// # Examples
///
/// A program that counts its own bytes:
///
/// ```
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// use std::sync::Arc;
/// use pool_core::Reaper;
/// use pool_core::pressure::Pressure;
///
/// static IN_USE: AtomicUsize = AtomicUsize::new(0);
///
/// let reaper = Reaper::builder()
///     .source(|| match IN_USE.load(Ordering::Relaxed) >> 20 {
///         0..512 => Pressure::None,
///         512..768 => Pressure::Medium,
///         _ => Pressure::High,
///     })
///     .start()?;
/// # drop(reaper);
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait PressureSource: Send + Sync {
    /// How short memory is. Must not block.
    ///
    /// `ready` says that the [`watch`](Self::watch)ed file had something to say.
    fn pressure(&self, ready: bool) -> Pressure;

    /// How often to ask when no file speaks up; None for never. Default: every second.
    fn interval(&self) -> Option<Duration> {
        Some(Duration::from_secs(1))
    }

    /// The file that speaks up when there is something to ask. Default: none.
    #[cfg(unix)]
    fn watch(&self) -> Option<Watch<'_>> {
        None
    }
}

/// A file for the reaper to wait on.
#[cfg(unix)]
#[derive(Clone, Copy, Debug)]
pub struct Watch<'a> {
    /// The file.
    pub file: std::os::fd::BorrowedFd<'a>,
    /// Whether to wait for priority events (`POLLPRI`), as the kernel's own files send; otherwise for something to
    /// read (`POLLIN`), as pipes and sockets do.
    pub priority: bool,
}

impl<F: Fn() -> Pressure + Send + Sync> PressureSource for F {
    fn pressure(&self, _ready: bool) -> Pressure {
        self()
    }
}

impl<S: PressureSource + ?Sized> PressureSource for Arc<S> {
    fn pressure(&self, ready: bool) -> Pressure {
        (**self).pressure(ready)
    }

    fn interval(&self) -> Option<Duration> {
        (**self).interval()
    }

    #[cfg(unix)]
    fn watch(&self) -> Option<Watch<'_>> {
        (**self).watch()
    }
}

/// What this system offers, best first and without two that say the same: what systemd tells its services, or else the
/// pressure of the process's own cgroup, or else that of the whole system; and the limits of its cgroup.
///
/// What is not there, or not allowed, is left out; on other systems than Linux that is everything. The list is empty, too,
/// if `MEMORY_PRESSURE_WATCH` is `/dev/null`: that is systemd's way to turn the handling of memory pressure off. Opens
/// files.
///
/// # Examples
///
/// ```
/// use pool_core::{Reaper, pressure};
///
/// let reaper = Reaper::builder().sources(pressure::detect()).start()?;
/// # drop(reaper);
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
pub fn detect() -> Vec<Arc<dyn PressureSource>> {
    #[cfg(target_os = "linux")]
    {
        let mut found: Vec<Arc<dyn PressureSource>> = Vec::new();
        if Systemd::is_off() {
            return found;
        }
        if let Ok(Some(source)) = Systemd::from_env() {
            found.push(Arc::new(source));
        } else if let Ok(sources) = Psi::own_cgroup().or_else(|_| Psi::system()) {
            for source in sources {
                found.push(Arc::new(source));
            }
        }
        if let Ok(source) = CgroupEvents::own() {
            found.push(Arc::new(source));
        }
        found
    }
    #[cfg(not(target_os = "linux"))]
    Vec::new()
}
