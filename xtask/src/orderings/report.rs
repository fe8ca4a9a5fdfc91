//! What came of the hunt: a table, the survivors with their reasons, and what is wrong.

use std::fmt::Write as _;

use super::allowed::Entry;
use super::hunt::Fate;
use super::{Mutant, Tool};

/// The figures of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) sites: usize,
    pub(crate) mutants: usize,
    pub(crate) loom: usize,
    pub(crate) miri: usize,
    pub(crate) tsan: usize,
    /// Survived, and the list says why that is right.
    pub(crate) justified: usize,
    /// Survived.
    pub(crate) survived: usize,
    /// In code that no tool here runs or understands. Not among the mutants above.
    pub(crate) out_of_reach: usize,
    /// Of those, the ones that the list gives a reason for.
    pub(crate) excused: usize,
}

impl Count {
    /// The line for whoever reads by machine. What no tool can run counts as justified when it is listed, and
    /// as survived when it is not.
    pub(crate) fn line(self) -> String {
        let Self {
            mutants,
            out_of_reach,
            justified,
            survived,
            excused,
            ..
        } = self;
        format!(
            "orderings: {} mutants, {} killed, {} justified, {} survived",
            mutants + out_of_reach,
            self.killed(),
            justified + excused,
            survived + out_of_reach - excused
        )
    }

    /// How many were noticed.
    pub(crate) fn killed(self) -> usize {
        self.loom + self.miri + self.tsan
    }

    fn add(&mut self, mutant: &Mutant, fate: &Fate, listed: bool) {
        if !mutant.within_reach() {
            self.out_of_reach += 1;
            self.excused += usize::from(listed);
            return;
        }
        self.mutants += 1;
        let place = match &fate.killed {
            Some(kill) => match kill.tool {
                Tool::Loom => &mut self.loom,
                Tool::Miri => &mut self.miri,
                Tool::Tsan => &mut self.tsan,
            },
            None if listed => &mut self.justified,
            None => &mut self.survived,
        };
        *place += 1;
    }
}

/// Counts, for one crate or for all.
pub(crate) fn count(
    krate: Option<&str>,
    mutants: &[Mutant],
    fates: &[Fate],
    allowed: &[Entry],
) -> Count {
    let mut count = Count::default();
    let mut sites = Vec::new();
    for (mutant, fate) in mutants.iter().zip(fates) {
        if krate.is_none_or(|krate| krate == mutant.site.krate) {
            count.add(mutant, fate, listed(allowed, mutant));
            sites.push(mutant.number);
        }
    }
    sites.dedup();
    count.sites = sites.len();
    count
}

fn listed(allowed: &[Entry], mutant: &Mutant) -> bool {
    allowed.iter().any(|entry| entry.key == mutant.key())
}

/// The table of killed and total by crate and tool.
pub(crate) fn table(
    crates: &[&str],
    mutants: &[Mutant],
    fates: &[Fate],
    allowed: &[Entry],
) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{:14}{:>7}{:>9}{:>8}{:>7}{:>7}{:>7}{:>11}{:>10}{:>14}",
        "crate",
        "sites",
        "mutants",
        "killed",
        "loom",
        "miri",
        "tsan",
        "justified",
        "survived",
        "out of reach"
    );
    let rows = crates
        .iter()
        .map(|name| (*name, Some(*name)))
        .chain([("all", None)]);
    for (name, krate) in rows {
        let count = count(krate, mutants, fates, allowed);
        let _ = writeln!(
            text,
            "{name:14}{:>7}{:>9}{:>8}{:>7}{:>7}{:>7}{:>11}{:>10}{:>14}",
            count.sites,
            count.mutants,
            count.killed(),
            count.loom,
            count.miri,
            count.tsan,
            count.justified,
            count.survived,
            count.out_of_reach
        );
    }
    text
}

/// How many objections were of which kind, and at which level, the most frequent first.
pub(crate) fn kinds(fates: &[Fate]) -> String {
    let tally = |name: &dyn Fn(&super::hunt::Kill) -> String| {
        let mut counts: Vec<(String, usize)> = Vec::new();
        for kill in fates.iter().filter_map(|fate| fate.killed.as_ref()) {
            let name = name(kill);
            match counts.iter_mut().find(|(known, _)| *known == name) {
                Some((_, count)) => *count += 1,
                None => counts.push((name, 1)),
            }
        }
        counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let words: Vec<_> = counts
            .iter()
            .map(|(name, count)| format!("{count} {name}"))
            .collect();
        words.join(", ")
    };
    let mut text = String::new();
    let _ = writeln!(text, "killed by: {}", tally(&|kill| kill.kind.clone()));
    let _ = writeln!(text, "at level: {}", tally(&|kill| kill.level.clone()));
    text
}

/// The survivors and the sites out of reach, each with its reason.
pub(crate) fn survivors(mutants: &[Mutant], fates: &[Fate], allowed: &[Entry]) -> String {
    let mut text = String::new();
    for (mutant, fate) in mutants.iter().zip(fates) {
        if fate.killed.is_some() {
            continue;
        }
        let what = if !mutant.within_reach() {
            "out of reach"
        } else if fate.believed {
            "not asked"
        } else if !fate.timeouts.is_empty() {
            "timed out"
        } else if !fate.reached {
            "survived, unreached"
        } else {
            "survived"
        };
        let entry = allowed.iter().find(|entry| entry.key == mutant.key());
        let reason = entry.map_or("NOT IN THE LIST", |entry| entry.reason.as_str());
        let _ = writeln!(
            text,
            "{what}: {} (line {})\n    {reason}",
            mutant.key(),
            mutant.site.line
        );
    }
    text
}

/// What is wrong. `all_asked` says that every tool had its say, so that a survivor is one.
pub(crate) fn complaints(
    mutants: &[Mutant],
    fates: &[Fate],
    allowed: &[Entry],
    all_asked: bool,
) -> Vec<String> {
    let mut complaints = Vec::new();
    for (mutant, fate) in mutants.iter().zip(fates) {
        match (&fate.killed, listed(allowed, mutant)) {
            (Some(kill), true) => complaints.push(format!(
                "the list allows what {} of {} notices: {}",
                kill.test,
                kill.krate,
                mutant.key()
            )),
            (None, false) if all_asked || !mutant.within_reach() => {
                let how = if fate.timeouts.is_empty() {
                    "survives"
                } else {
                    "timed out"
                };
                complaints.push(format!(
                    "{how}, and no reason is given: {} ({})",
                    mutant.key(),
                    mutant.place()
                ));
            }
            _ => {}
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::super::hunt::Kill;
    use super::super::{allowed, mutants, sites};
    use super::*;
    use crate::copy::Tree;

    fn mutants_of(source: &str) -> Vec<Mutant> {
        mutants(&sites::of_crate(&Tree::of(&[("crates/x/src/lib.rs", source)]), "x").unwrap())
    }

    fn killed(tool: Tool, kind: &str) -> Fate {
        let kill = Kill {
            level: "l".to_owned(),
            tool,
            krate: "x".to_owned(),
            test: "t".to_owned(),
            kind: kind.to_owned(),
        };
        Fate {
            killed: Some(kill),
            timeouts: vec![],
            reached: true,
            believed: false,
        }
    }

    const SOURCE: &str = "fn f() { a.load(Ordering::Acquire); a.swap(1, Ordering::AcqRel); a.store(2, Ordering::Release); }
        #[cfg(windows)] fn g() { fence(Ordering::Acquire); }";

    #[test]
    fn everything_is_counted_once() {
        let mutants = mutants_of(SOURCE);
        assert_eq!(mutants.len(), 5);
        let fates = [
            killed(Tool::Loom, "data race"),
            killed(Tool::Miri, "data race"),
            Fate {
                reached: true,
                ..Fate::default()
            },
            Fate {
                timeouts: vec!["t".to_owned()],
                ..Fate::default()
            },
            Fate::default(),
        ];
        let list = allowed::parse(&format!("{}\n    why\n", mutants[2].key())).unwrap();
        let count = count(None, &mutants, &fates, &list);
        let expected = Count {
            sites: 4,
            mutants: 4,
            loom: 1,
            miri: 1,
            tsan: 0,
            justified: 1,
            survived: 1,
            out_of_reach: 1,
            excused: 0,
        };
        assert_eq!(count, expected);
        assert_eq!(
            count.line(),
            "orderings: 5 mutants, 2 killed, 1 justified, 2 survived"
        );
        assert_eq!(count.killed(), 2);
        assert!(table(&["x"], &mutants, &fates, &list).contains("\nx "));
        assert!(kinds(&fates).contains("2 data race"));

        let text = survivors(&mutants, &fates, &list);
        assert!(
            text.contains("AcqRel -> Release (line 1)\n    why"),
            "{text}"
        );
        assert!(text.contains("timed out: "), "{text}");
        assert!(
            text.contains("out of reach: crates/x/src/lib.rs g fence#1"),
            "{text}"
        );

        let all = complaints(&mutants, &fates, &list, true);
        assert_eq!(all.len(), 2, "{all:?}");
        assert!(all[0].starts_with("timed out") && all[1].starts_with("survives"));
        // Whoever asked one tool only hears of what no tool can see.
        assert_eq!(complaints(&mutants, &fates, &list, false).len(), 1);
    }

    #[test]
    fn a_listed_mutant_must_survive() {
        let mutants = mutants_of("fn f() { a.load(Ordering::Acquire); }");
        let list = allowed::parse(&format!("{}\n    why\n", mutants[0].key())).unwrap();
        let complaints = complaints(&mutants, &[killed(Tool::Loom, "floor")], &list, false);
        assert_eq!(complaints.len(), 1);
        assert!(complaints[0].starts_with("the list allows what t of x notices"));
        assert_eq!(allowed::unknown(&list, &[], &["x"]).len(), 1);
        assert_eq!(allowed::unknown(&list, &[], &["y"]).len(), 0);
        assert_eq!(allowed::unknown(&list, &mutants, &["x"]).len(), 0);
    }
}
