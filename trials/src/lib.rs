//! What tries all crates with sequences of operations that nobody wrote: interpreters that turn bytes into operations
//! and compare with a model, for the fuzzer in `fuzz/` and for the replay of its corpus; and the soak, which runs
//! random operations on many threads and counts.
//!
//! An interpreter panics when the crate and the model differ. It is the same code for the fuzzer and the replay, so
//! an input that the fuzzer found fails in the plain test run, too.

mod books;
mod chain;
mod dequeue;
mod pool;
pub mod replay;
pub mod soak;
mod value;

pub use books::Planned;

/// An interpreter: what the fuzzer calls it, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// All interpreters.
pub const TARGETS: &[Target] = &[
    ("dequeue", dequeue::run),
    ("chain", chain::run),
    ("pool", pool::run),
    ("value", value::run),
];

/// Runs one input.
///
/// # Panics
///
/// When there is no such target, and when the crate does not do what its model does.
pub fn run(target: &str, input: &[u8]) {
    let (_, run) = TARGETS
        .iter()
        .find(|(name, _)| *name == target)
        .expect("a target's name");
    run(input);
}

/// The bytes of an input, one after another; zeros behind their end.
struct Bytes<'a>(std::slice::Iter<'a, u8>);

impl<'a> Bytes<'a> {
    fn new(input: &'a [u8]) -> Self {
        Self(input.iter())
    }

    fn next(&mut self) -> Option<u8> {
        self.0.next().copied()
    }

    /// A number below `limit`.
    fn below(&mut self, limit: usize) -> usize {
        usize::from(self.next().unwrap_or(0)) % limit
    }

    /// An index to start at, at one of 256 distances around the wrap.
    fn origin(&mut self) -> u32 {
        128_u32.wrapping_sub(u32::from(self.next().unwrap_or(0)))
    }
}
