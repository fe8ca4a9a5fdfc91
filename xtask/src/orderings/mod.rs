//! Whether every memory ordering earns its keep: weakens each of them by one step, one at a time, and looks
//! whether a model or a tool objects.
//!
//! - [`sites`] finds the orderings, with [`tokens`] and [`worlds`];
//! - [`plant`] rewrites a copy of the sources so that one build serves every mutant;
//! - [`hunt`] runs the tests that reach a site until one fails;
//! - [`allowed`] reads the list of weakenings that may go unnoticed;
//! - [`killers`] remembers who noticed the others;
//! - [`report`] says how it went.

pub(crate) mod allowed;
pub(crate) mod hunt;
pub(crate) mod killers;
pub(crate) mod plant;
pub(crate) mod report;
pub(crate) mod sites;
mod tokens;
mod worlds;

use sites::{Order, Role, Site};
use worlds::Worlds;

/// A site made one step weaker.
#[derive(Clone, Debug)]
pub(crate) struct Mutant {
    /// The place of its site in the list of sites.
    pub(crate) number: usize,
    pub(crate) site: Site,
    /// What it becomes; `None` for a fence that is left out.
    pub(crate) weaker: Option<Order>,
}

impl Mutant {
    /// Its name, by which the list of exceptions knows it.
    pub(crate) fn key(&self) -> String {
        format!("{}: {}", self.site.key(), self.step())
    }

    /// What happens to the ordering.
    pub(crate) fn step(&self) -> String {
        match self.weaker {
            Some(weaker) => format!("{} -> {weaker}", self.site.order),
            None => format!("{} -> none", self.site.order),
        }
    }

    /// Where to find it.
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.site.file, self.site.line)
    }

    /// Whether a tool could object: it has to run the code, and to know what the ordering means.
    pub(crate) fn within_reach_of(&self, tool: Tool) -> bool {
        let known = match self.site.role {
            Role::CompilerFence => false,
            // ThreadSanitizer knows no fences.
            Role::Fence => tool != Tool::Tsan,
            _ => true,
        };
        let world = match tool {
            Tool::Loom => Worlds::LOOM,
            Tool::Miri => Worlds::MIRI,
            Tool::Tsan => Worlds::NATIVE,
        };
        known && self.site.worlds.has(world)
    }

    /// Whether any of them could.
    pub(crate) fn within_reach(&self) -> bool {
        [Tool::Loom, Tool::Miri, Tool::Tsan]
            .iter()
            .any(|tool| self.within_reach_of(*tool))
    }
}

/// What a mutant is run under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    Loom,
    Miri,
    Tsan,
}

impl Tool {
    /// Whether the level of this name is one of its own.
    pub(crate) fn has(self, level: &str) -> bool {
        level.starts_with(match self {
            Self::Loom => "loom, ",
            Self::Miri => "miri, ",
            Self::Tsan => "tsan, ",
        })
    }
}

/// Every mutant of these sites.
pub(crate) fn mutants(sites: &[Site]) -> Vec<Mutant> {
    let of = |(number, site): (usize, &Site)| {
        let site = site.clone();
        let weaker = site.weakenings().into_iter();
        weaker.map(move |weaker| Mutant {
            number,
            site: site.clone(),
            weaker,
        })
    };
    sites.iter().enumerate().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::copy::Tree;

    #[test]
    fn mutants_have_names_and_tools() {
        let source = "fn f() { fence(Ordering::SeqCst); A.load(Ordering::Relaxed); A.load(Ordering::Acquire); }
            #[cfg(windows)] fn g() { A.store(1, Ordering::Release); }
            fn h() { compiler_fence(Ordering::Release); }";
        let tree = Tree::of(&[("crates/x/src/lib.rs", source)]);
        let mutants = mutants(&sites::of_crate(&tree, "x").unwrap());
        let found: Vec<_> = mutants
            .iter()
            .map(|mutant| {
                let tools =
                    [Tool::Loom, Tool::Miri, Tool::Tsan].map(|tool| mutant.within_reach_of(tool));
                (mutant.key().replace("crates/x/src/", ""), tools)
            })
            .collect();
        let expected = [
            ("lib.rs f fence#1: SeqCst -> AcqRel", [true, true, false]),
            ("lib.rs f fence#1: SeqCst -> none", [true, true, false]),
            ("lib.rs f load#2: Acquire -> Relaxed", [true; 3]),
            ("lib.rs g store#1: Release -> Relaxed", [false; 3]),
            ("lib.rs h compiler_fence#1: Release -> none", [false; 3]),
        ];
        assert_eq!(found, expected.map(|(key, tools)| (key.to_owned(), tools)));
        assert!(mutants[0].within_reach() && !mutants[3].within_reach());
    }
}
