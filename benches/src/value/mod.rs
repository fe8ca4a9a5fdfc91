//! Values that are read often and replaced seldom.

pub mod contenders;
pub mod work;

/// What is stored: a configuration of two words, the second of which repeats the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// What a reader is after.
    pub limit: u64,
    /// The same again: a reader that sees half of one store and half of another can tell.
    pub again: u64,
}

impl Config {
    /// A configuration that agrees with itself.
    #[must_use]
    pub const fn new(limit: u64) -> Self {
        Self {
            limit,
            again: limit,
        }
    }
}

/// A value that any thread may read and replace.
pub trait Value: Send + Sync + Sized + 'static {
    /// As in the tables.
    const NAME: &'static str;

    /// What a thread reads with.
    type Reader<'a>;

    /// One that holds a configuration.
    fn new(config: Config) -> Self;

    /// What a thread reads with.
    fn reader(&self) -> Self::Reader<'_>;

    /// Reads the limit.
    fn limit(reader: &mut Self::Reader<'_>) -> u64;

    /// Reads all of it.
    fn config(reader: &mut Self::Reader<'_>) -> Config;

    /// Replaces it.
    fn store(&self, config: Config);
}

/// A value that can do more than that.
pub trait Swap: Value {
    /// Replaces it and returns what was.
    fn swap(&self, config: Config) -> Config;

    /// Replaces it by what is made of it.
    fn update(&self, next: impl Fn(Config) -> Config);
}
