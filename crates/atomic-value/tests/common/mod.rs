//! What the tests share.

// Each test file uses its part.
#![allow(dead_code)]

use std::sync::atomic::{AtomicUsize, Ordering};

/// A number that counts its drops, and knows when it has been dropped.
#[derive(Debug)]
pub(crate) struct Counted<'a> {
    pub(crate) number: usize,
    drops: &'a AtomicUsize,
    alive: bool,
}

impl<'a> Counted<'a> {
    pub(crate) fn new(number: usize, drops: &'a AtomicUsize) -> Self {
        Self {
            number,
            drops,
            alive: true,
        }
    }

    pub(crate) fn check(&self) {
        assert!(self.alive, "used after its drop");
    }
}

impl PartialEq for Counted<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.check();
        self.number == other.number
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        assert!(self.alive, "dropped twice");
        self.alive = false;
        self.drops.fetch_add(1, Ordering::Relaxed);
    }
}
