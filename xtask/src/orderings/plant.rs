//! Rewrites a copy of the sources so that one ordering can be weakened when a program starts.
//!
//! Every mutant lives in one build: `Ordering::X` becomes a call that returns X, or what the variable
//! [`VARIABLE`] names for this site. The variable is read once in a process, and by relaxed accesses, which
//! put no edge between threads. A fence is called through a function that can leave it out.

use std::fmt::Write as _;

use super::Mutant;
use super::sites::{Role, Site};
use crate::copy::Tree;

/// `SITE:Ordering` weakens a site, `SITE:none` leaves a fence out, `trace` prints each site that is reached.
pub(crate) const VARIABLE: &str = "POOL_ORDERING";

/// The beginning of a line that says that a site was reached.
pub(crate) const REACHED: &str = "[ordering reached: ";

/// What the variable says for a mutant.
pub(crate) fn choice(mutant: &Mutant) -> String {
    match mutant.weaker {
        Some(order) => format!("{}:{order}", mutant.number),
        None => format!("{}:none", mutant.number),
    }
}

/// The sites whose lines are among what a program printed.
pub(crate) fn reached(output: &str) -> impl Iterator<Item = usize> {
    output
        .match_indices(REACHED)
        .filter_map(|(at, _)| output[at + REACHED.len()..].split(']').next()?.parse().ok())
}

/// Plants all sites into a tree. A site's number is its place in the list.
pub(crate) fn plant(tree: &mut Tree, sites: &[Site]) -> Result<(), String> {
    let mut files: Vec<&str> = sites.iter().map(|site| site.file.as_str()).collect();
    files.dedup();
    for file in files {
        let numbered = sites
            .iter()
            .enumerate()
            .filter(|(_, site)| site.file == file);
        tree.edit(file, |source| Ok(rewritten(source, numbered)))?;
    }
    let mut crates: Vec<&str> = sites.iter().map(|site| site.krate.as_str()).collect();
    crates.dedup();
    for name in crates {
        tree.edit(&format!("crates/{name}/src/sync.rs"), |source| {
            Ok(format!("{source}{}", switch(sites.len())))
        })?;
    }
    Ok(())
}

fn rewritten<'a>(source: &str, sites: impl Iterator<Item = (usize, &'a Site)>) -> String {
    let mut edits = Vec::new();
    for (number, site) in sites {
        let order = &source[site.span.clone()];
        match (&site.fence, site.role) {
            (Some(name), _) => {
                edits.push((name.clone(), "crate::sync::__fence".to_owned()));
                edits.push((site.span.clone(), format!("{number}, {order}")));
            }
            // Nothing can be chosen for the compiler when the program runs.
            (None, Role::CompilerFence) => {}
            (None, _) => edits.push((
                site.span.clone(),
                format!("crate::sync::__ordering({number}, {order})"),
            )),
        }
    }
    let mut text = source.to_owned();
    edits.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
    for (span, new) in edits {
        text.replace_range(span, &new);
    }
    text
}

/// What is added to the facade.
fn switch(sites: usize) -> String {
    let mut text = String::new();
    let _ = write!(
        text,
        "\n/// How many orderings there are in the family.\nconst __SITES: usize = {sites};\n"
    );
    text.push_str(SWITCH);
    text
}

const SWITCH: &str = r#"
pub(crate) use __switch::{__fence, __ordering};

mod __switch {
    extern crate std;

    use self::std::sync::atomic::{AtomicBool, AtomicUsize, Ordering as Real};
    use super::{__SITES, Ordering, fence};

    const UNREAD: usize = 0;
    const NOTHING: usize = 1;
    const TRACE: usize = 2;
    /// Above it: the site, and in the low bits what is to become of it.
    const CHOSEN: usize = 16;

    static CHOICE: AtomicUsize = AtomicUsize::new(UNREAD);
    static SEEN: [AtomicBool; __SITES] = [const { AtomicBool::new(false) }; __SITES];

    #[inline(always)]
    pub(crate) fn __ordering(site: usize, given: Ordering) -> Ordering {
        let choice = CHOICE.load(Real::Relaxed);
        if choice == NOTHING {
            return given;
        }
        slow(choice, site, given).expect("only a fence can be left out")
    }

    #[inline(always)]
    pub(crate) fn __fence(site: usize, given: Ordering) {
        let choice = CHOICE.load(Real::Relaxed);
        if choice == NOTHING {
            return fence(given);
        }
        if let Some(order) = slow(choice, site, given) {
            fence(order);
        }
    }

    #[cold]
    fn slow(mut choice: usize, site: usize, given: Ordering) -> Option<Ordering> {
        if choice == UNREAD {
            choice = read();
            CHOICE.store(choice, Real::Relaxed);
        }
        if choice == TRACE && !SEEN[site].swap(true, Real::Relaxed) {
            std::eprintln!("[ordering reached: {site}]");
        }
        if choice < CHOSEN || choice / CHOSEN - 1 != site {
            return Some(given);
        }
        match choice % CHOSEN {
            0 => None,
            1 => Some(Ordering::Relaxed),
            2 => Some(Ordering::Release),
            3 => Some(Ordering::Acquire),
            _ => Some(Ordering::AcqRel),
        }
    }

    fn read() -> usize {
        let Some(text) = std::env::var_os("POOL_ORDERING") else {
            return NOTHING;
        };
        let text = text.to_str().expect("POOL_ORDERING");
        if text == "trace" {
            return TRACE;
        }
        let (site, order) = text.split_once(':').expect("POOL_ORDERING=SITE:Ordering");
        let order = match order {
            "none" => 0,
            "Relaxed" => 1,
            "Release" => 2,
            "Acquire" => 3,
            "AcqRel" => 4,
            _ => panic!("POOL_ORDERING: {order}"),
        };
        (site.parse::<usize>().expect("POOL_ORDERING: a site") + 1) * CHOSEN + order
    }
}
"#;

#[cfg(test)]
mod tests {
    use super::super::sites::Order;
    use super::super::worlds::Worlds;
    use super::*;

    fn site(source: &str, text: &str, role: Role, fence: Option<&str>) -> Site {
        let span = |text: &str| source.find(text).map(|at| at..at + text.len()).unwrap();
        Site {
            krate: "x".to_owned(),
            file: "x.rs".to_owned(),
            function: "f".to_owned(),
            access: "a#1".to_owned(),
            role,
            order: Order::Acquire,
            line: 1,
            worlds: Worlds::ALL,
            span: span(text),
            fence: fence.map(span),
        }
    }

    #[test]
    fn sites_become_calls() {
        let source = "a.load(Ordering::Acquire); fence(Ordering::SeqCst); compiler_fence(Ordering::Release);";
        let sites = [
            site(source, "Ordering::Acquire", Role::Load, None),
            site(source, "Ordering::SeqCst", Role::Fence, Some("fence")),
            site(source, "Ordering::Release", Role::CompilerFence, None),
        ];
        assert_eq!(
            rewritten(source, sites.iter().enumerate()),
            "a.load(crate::sync::__ordering(0, Ordering::Acquire)); \
             crate::sync::__fence(1, Ordering::SeqCst); compiler_fence(Ordering::Release);"
        );
    }

    #[test]
    fn the_switch_and_this_side_agree() {
        assert!(SWITCH.contains(&format!("\"{VARIABLE}\"")) && SWITCH.contains(REACHED));
        let printed =
            "x\n[ordering reached: 3]\ntest a ... [ordering reached: 12]ok\n[ordering reached: \n";
        assert_eq!(reached(printed).collect::<Vec<_>>(), [3, 12]);
    }
}
