//! This project's value, and what it is measured against.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};

use arc_swap::{ArcSwap, ArcSwapOption};
use atomic_value::{AtomicValue, Reader};
use crossbeam_utils::atomic::AtomicCell;

use super::{Config, Swap, Value};

/// What of a [`Value`] is the same for all that are read through nothing but a reference.
macro_rules! read_by_reference {
    () => {
        type Reader<'a> = &'a Self;

        fn reader(&self) -> &Self {
            self
        }
    };
}

impl Value for AtomicValue<Config> {
    const NAME: &'static str = "atomic-value";
    read_by_reference!();

    fn new(config: Config) -> Self {
        Self::new(config)
    }

    #[inline(always)]
    fn limit(reader: &mut &Self) -> u64 {
        reader.load().map_or(0, |config| config.limit)
    }

    fn config(reader: &mut &Self) -> Config {
        *reader.load().expect("never emptied")
    }

    #[inline(always)]
    fn store(&self, config: Config) {
        self.store(config);
    }
}

impl Swap for AtomicValue<Config> {
    #[inline(always)]
    fn swap(&self, config: Config) -> Config {
        *self.swap(config).expect("never emptied")
    }

    #[inline(always)]
    fn update(&self, next: impl Fn(Config) -> Config) {
        self.update(|config| next(*config.expect("never emptied")));
    }
}

/// The same, read through its `reader`.
#[derive(Debug)]
pub struct Cached(AtomicValue<Config>);

impl Value for Cached {
    const NAME: &'static str = "atomic-value, reader";
    type Reader<'a> = Reader<'a, Config>;

    fn new(config: Config) -> Self {
        Self(AtomicValue::new(config))
    }

    fn reader(&self) -> Self::Reader<'_> {
        self.0.reader()
    }

    #[inline(always)]
    fn limit(reader: &mut Self::Reader<'_>) -> u64 {
        reader.load().map_or(0, |config| config.limit)
    }

    fn config(reader: &mut Self::Reader<'_>) -> Config {
        *reader.load().expect("never emptied")
    }

    #[inline(always)]
    fn store(&self, config: Config) {
        self.0.store(config);
    }
}

impl Value for ArcSwapOption<Config> {
    const NAME: &'static str = "arc-swap, optional";
    read_by_reference!();

    fn new(config: Config) -> Self {
        Self::from_pointee(config)
    }

    #[inline(always)]
    fn limit(reader: &mut &Self) -> u64 {
        reader.load().as_ref().map_or(0, |config| config.limit)
    }

    fn config(reader: &mut &Self) -> Config {
        **reader.load().as_ref().expect("never emptied")
    }

    #[inline(always)]
    fn store(&self, config: Config) {
        self.store(Some(Arc::new(config)));
    }
}

impl Swap for ArcSwapOption<Config> {
    #[inline(always)]
    fn swap(&self, config: Config) -> Config {
        *self.swap(Some(Arc::new(config))).expect("never emptied")
    }

    #[inline(always)]
    fn update(&self, next: impl Fn(Config) -> Config) {
        self.rcu(|config| {
            let config = config.as_ref().expect("never emptied");
            Some(Arc::new(next(**config)))
        });
    }
}

impl Value for ArcSwap<Config> {
    const NAME: &'static str = "arc-swap";
    read_by_reference!();

    fn new(config: Config) -> Self {
        Self::from_pointee(config)
    }

    #[inline(always)]
    fn limit(reader: &mut &Self) -> u64 {
        reader.load().limit
    }

    fn config(reader: &mut &Self) -> Config {
        **reader.load()
    }

    #[inline(always)]
    fn store(&self, config: Config) {
        self.store(Arc::new(config));
    }
}

impl Swap for ArcSwap<Config> {
    #[inline(always)]
    fn swap(&self, config: Config) -> Config {
        *self.swap(Arc::new(config))
    }

    #[inline(always)]
    fn update(&self, next: impl Fn(Config) -> Config) {
        self.rcu(|config| next(**config));
    }
}

/// arc-swap, read through its `Cache`.
#[derive(Debug)]
pub struct ArcSwapCached(ArcSwap<Config>);

impl Value for ArcSwapCached {
    const NAME: &'static str = "arc-swap, cache";
    type Reader<'a> = arc_swap::Cache<&'a ArcSwap<Config>, Arc<Config>>;

    fn new(config: Config) -> Self {
        Self(ArcSwap::from_pointee(config))
    }

    fn reader(&self) -> Self::Reader<'_> {
        arc_swap::Cache::new(&self.0)
    }

    #[inline(always)]
    fn limit(reader: &mut Self::Reader<'_>) -> u64 {
        reader.load().limit
    }

    fn config(reader: &mut Self::Reader<'_>) -> Config {
        **reader.load()
    }

    #[inline(always)]
    fn store(&self, config: Config) {
        self.0.store(Arc::new(config));
    }
}

/// An `Arc` under a lock, which is held while it is read.
macro_rules! locked {
    ($value:ident, $lock:ty, $name:literal, $read:expr, $write:expr) => {
        #[doc = concat!($name, ".")]
        #[derive(Debug)]
        pub struct $value($lock);

        impl Value for $value {
            const NAME: &'static str = $name;
            read_by_reference!();

            fn new(config: Config) -> Self {
                Self(<$lock>::new(Arc::new(config)))
            }

            #[inline(always)]
            fn limit(reader: &mut &Self) -> u64 {
                $read(&reader.0).limit
            }

            fn config(reader: &mut &Self) -> Config {
                **$read(&reader.0)
            }

            #[inline(always)]
            fn store(&self, config: Config) {
                Swap::swap(self, config);
            }
        }

        impl Swap for $value {
            #[inline(always)]
            fn swap(&self, config: Config) -> Config {
                let new = Arc::new(config);
                let old = std::mem::replace(&mut *$write(&self.0), new);
                *old
            }

            #[inline(always)]
            fn update(&self, next: impl Fn(Config) -> Config) {
                let mut held = $write(&self.0);
                let new = Arc::new(next(**held));
                let old = std::mem::replace(&mut *held, new);
                drop(held);
                drop(old);
            }
        }
    };
}

type Std = std::sync::RwLock<Arc<Config>>;
type StdMutex = std::sync::Mutex<Arc<Config>>;
type Parking = parking_lot::RwLock<Arc<Config>>;

locked!(RwLocked, Std, "RwLock<Arc>", read_std, write_std);
locked!(MutexLocked, StdMutex, "Mutex<Arc>", lock_std, lock_std);
locked!(
    ParkingLocked,
    Parking,
    "parking_lot RwLock<Arc>",
    Parking::read,
    Parking::write
);

#[inline(always)]
fn read_std(lock: &Std) -> std::sync::RwLockReadGuard<'_, Arc<Config>> {
    lock.read().expect("no poison")
}

#[inline(always)]
fn write_std(lock: &Std) -> std::sync::RwLockWriteGuard<'_, Arc<Config>> {
    lock.write().expect("no poison")
}

#[inline(always)]
fn lock_std(lock: &StdMutex) -> std::sync::MutexGuard<'_, Arc<Config>> {
    lock.lock().expect("no poison")
}

/// crossbeam's `AtomicCell`, which copies the value under a sequence lock.
impl Value for AtomicCell<Config> {
    const NAME: &'static str = "AtomicCell";
    read_by_reference!();

    fn new(config: Config) -> Self {
        Self::new(config)
    }

    #[inline(always)]
    fn limit(reader: &mut &Self) -> u64 {
        reader.load().limit
    }

    fn config(reader: &mut &Self) -> Config {
        reader.load()
    }

    #[inline(always)]
    fn store(&self, config: Config) {
        self.store(config);
    }
}

impl Swap for AtomicCell<Config> {
    #[inline(always)]
    fn swap(&self, config: Config) -> Config {
        self.swap(config)
    }

    #[inline(always)]
    fn update(&self, next: impl Fn(Config) -> Config) {
        let mut seen = self.load();
        while let Err(other) = self.compare_exchange(seen, next(seen)) {
            seen = other;
        }
    }
}

/// A pointer to a value that is never freed: the limit.
pub struct Leaked(AtomicPtr<Config>);

impl fmt::Debug for Leaked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Leaked")
    }
}

impl Value for Leaked {
    const NAME: &'static str = "AtomicPtr (never frees)";
    read_by_reference!();

    fn new(config: Config) -> Self {
        Self(AtomicPtr::new(Box::leak(Box::new(config))))
    }

    #[inline(always)]
    fn limit(reader: &mut &Self) -> u64 {
        Self::config(reader).limit
    }

    #[inline(always)]
    fn config(reader: &mut &Self) -> Config {
        // SAFETY: what the pointer ever points to is leaked.
        unsafe { *reader.0.load(Ordering::Acquire) }
    }

    fn store(&self, config: Config) {
        let new = Box::leak(Box::new(config));
        self.0.store(new, Ordering::Release);
    }
}
