//! Who noticed each mutant the last time: asked first, it makes `--quick` quick.
//!
//! ```text
//! # a remark
//! crates/x/src/y.rs Type::function load#1: Acquire -> Relaxed
//!     loom, 2 preemptions: x name_of_test
//! ```
//!
//! The list is a memory and proves nothing: whoever stands in it is run again, and when it does not object any
//! more, everybody else is asked.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Mutant;
use super::allowed;
use super::hunt::Fate;

const HEAD: &str = "\
# The test that notices each weakened ordering, and the level at which it does. `cargo xtask orderings --quick` asks it
# first. Written by `cargo xtask orderings --remember`, alone or with --quick, --crate or --only; not by hand.
";

/// A test at a level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Killer {
    /// The level's name.
    pub(crate) level: String,
    pub(crate) krate: String,
    pub(crate) test: String,
}

/// Killers by the names of mutants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Killers(BTreeMap<String, Killer>);

impl Killers {
    /// Reads the list.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let read = |entry: allowed::Entry| {
            let killer = entry.reason.split_once(": ").and_then(|(level, rest)| {
                let (krate, test) = rest.split_once(' ')?;
                Some(Killer {
                    level: level.to_owned(),
                    krate: krate.to_owned(),
                    test: test.to_owned(),
                })
            });
            let killer = killer.ok_or_else(|| {
                format!(
                    "line {}: whose killer is not of the form `LEVEL: CRATE TEST`",
                    entry.line
                )
            })?;
            Ok((entry.key, killer))
        };
        let entries = allowed::parse(text)?.into_iter().map(read);
        entries.collect::<Result<_, String>>().map(Self)
    }

    /// Who noticed this mutant.
    pub(crate) fn of(&self, mutant: &Mutant) -> Option<&Killer> {
        self.0.get(&mutant.key())
    }

    /// Takes down what has been found out, and forgets who noticed what is no more.
    pub(crate) fn learn(&mut self, existing: &[Mutant], asked: &[Mutant], fates: &[Fate]) {
        for (mutant, fate) in asked.iter().zip(fates) {
            match &fate.killed {
                Some(kill) => {
                    let killer = Killer {
                        level: kill.level.clone(),
                        krate: kill.krate.clone(),
                        test: kill.test.clone(),
                    };
                    self.0.insert(mutant.key(), killer);
                }
                None => {
                    self.0.remove(&mutant.key());
                }
            }
        }
        self.0
            .retain(|key, _| existing.iter().any(|mutant| mutant.key() == *key));
    }

    /// The list as a file.
    pub(crate) fn text(&self) -> String {
        let mut text = HEAD.to_owned();
        for (key, killer) in &self.0 {
            let Killer { level, krate, test } = killer;
            let _ = write!(text, "\n{key}\n    {level}: {krate} {test}\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::hunt::Kill;
    use super::super::{Tool, mutants, sites};
    use super::*;
    use crate::copy::Tree;

    #[test]
    fn what_is_learnt_is_read_again() {
        let source = "fn f() { a.load(Ordering::Acquire); a.swap(1, Ordering::AcqRel); }";
        let tree = Tree::of(&[("crates/x/src/lib.rs", source)]);
        let mutants = mutants(&sites::of_crate(&tree, "x").unwrap());
        let kill = Kill {
            level: "loom, 2 preemptions".to_owned(),
            tool: Tool::Loom,
            krate: "x".to_owned(),
            test: "a::b".to_owned(),
            kind: "data race".to_owned(),
        };
        let noticed = Fate {
            killed: Some(kill),
            ..Fate::default()
        };
        let mut killers = Killers::default();
        let fates = [noticed.clone(), Fate::default(), noticed.clone()];
        killers.learn(&mutants, &mutants, &fates);
        assert_eq!(killers.0.len(), 2);
        assert!(killers.of(&mutants[1]).is_none());
        assert_eq!(killers.of(&mutants[0]).unwrap().test, "a::b");
        assert_eq!(Killers::parse(&killers.text()).as_ref(), Ok(&killers));

        // One survives now, one is gone, and nobody asked for the third.
        killers.learn(&mutants[1..], &mutants[1..2], &[noticed]);
        assert!(killers.of(&mutants[0]).is_none());
        assert!(killers.of(&mutants[1]).is_some() && killers.of(&mutants[2]).is_some());
        killers.learn(&mutants, &mutants[1..2], &[Fate::default()]);
        assert!(killers.of(&mutants[1]).is_none());
    }

    #[test]
    fn broken_lists_are_refused() {
        for by in ["loom", "loom: x"] {
            let text = format!("a.rs f load#1: Acquire -> Relaxed\n    {by}\n");
            let message = Killers::parse(&text).unwrap_err();
            assert!(message.contains("line 1: whose killer"), "{message}");
        }
    }
}
