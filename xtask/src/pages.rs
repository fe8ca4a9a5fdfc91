//! Nothing but documentation: each Rust block of the family's README and of the pages in docs/ is compiled and run
//! by `cargo test --doc -p xtask`. (The recipes need more, and have a package of their own.)
//!
//! They live here, and not in one of the crates, because they use all of the crates, and because a
//! published crate cannot include a file from outside its own folder.

#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../docs/choosing.md")]
    struct Choosing;
    #[doc = include_str!("../../docs/from-arc-swap.md")]
    struct FromArcSwap;
    #[doc = include_str!("../../docs/from-go.md")]
    struct FromGo;
    #[doc = include_str!("../../README.md")]
    struct Readme;
    #[doc = include_str!("../../docs/rotation.md")]
    struct Rotation;
    #[doc = include_str!("../../docs/tuning.md")]
    struct Tuning;
}
