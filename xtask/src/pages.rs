//! Makes tests of the pages: every Rust block of the family's README is compiled and run by
//! `cargo test --doc -p xtask`.
//!
//! They live here, and not in one of the crates, because they use all of the crates, and because a
//! published crate cannot include a file from outside its own folder.

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
