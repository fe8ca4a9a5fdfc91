//! The list of weakenings that are known to go unnoticed, each with the reason why that is right.
//!
//! ```text
//! # a remark
//! crates/x/src/y.rs Type::function load#1: Acquire -> Relaxed
//! crates/x/src/y.rs Type::function fence#2: SeqCst -> none
//!     The reason for both, on as many indented lines as it takes.
//! ```

use super::Mutant;

/// One weakening of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// As [`Mutant::key`] writes it.
    pub(crate) key: String,
    pub(crate) reason: String,
    pub(crate) line: usize,
}

/// Reads the list.
pub(crate) fn parse(text: &str) -> Result<Vec<Entry>, String> {
    let fits = |words: &str| words.contains(": ") && words.contains(" -> ");
    list(text, |words| {
        fits(words)
            .then_some(())
            .ok_or("`FILE FUNCTION ACCESS: FROM -> TO`")
    })
}

/// Reads a list of this kind whose keys have a form of their own, which `form` names when it does not fit.
pub(crate) fn list(
    text: &str,
    form: impl Fn(&str) -> Result<(), &'static str>,
) -> Result<Vec<Entry>, String> {
    let mut entries: Vec<Entry> = Vec::new();
    // The entries whose reason is being read.
    let mut open = 0;
    for (number, line) in (1..).zip(text.lines()) {
        let words = line.trim();
        if words.is_empty() || line.starts_with('#') {
            continue;
        }
        if line.starts_with([' ', '\t']) {
            if open == entries.len() {
                return Err(format!("line {number}: a reason for nothing"));
            }
            for entry in &mut entries[open..] {
                if !entry.reason.is_empty() {
                    entry.reason.push(' ');
                }
                entry.reason.push_str(words);
            }
            continue;
        }
        if entries[open..].iter().all(|entry| !entry.reason.is_empty()) {
            open = entries.len();
        }
        form(words).map_err(|form| format!("line {number}: not of the form {form}"))?;
        if entries.iter().any(|entry| entry.key == words) {
            return Err(format!("line {number}: {words} stands here twice"));
        }
        entries.push(Entry {
            key: words.to_owned(),
            reason: String::new(),
            line: number,
        });
    }
    match entries.iter().find(|entry| entry.reason.is_empty()) {
        None => Ok(entries),
        Some(entry) => Err(format!("line {}: {} has no reason", entry.line, entry.key)),
    }
}

/// The entries that fit no mutant there is, as complaints. Those of other crates do not count.
pub(crate) fn unknown(entries: &[Entry], mutants: &[Mutant], crates: &[&str]) -> Vec<String> {
    let ours = |entry: &&Entry| {
        let mut parts = entry.key.split('/');
        match (parts.next(), parts.next()) {
            (Some("crates"), Some(name)) => crates.contains(&name),
            _ => true,
        }
    };
    let unknown = |entry: &&Entry| !mutants.iter().any(|mutant| mutant.key() == entry.key);
    entries
        .iter()
        .filter(ours)
        .filter(unknown)
        .map(|entry| {
            format!(
                "line {}: there is no such weakening: {}",
                entry.line, entry.key
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_share_reasons() {
        let text = "# remark\na.rs f load#1: Acquire -> Relaxed\na.rs f fence#1: SeqCst -> none\n    one\n    reason\n\n\
                    b.rs g store#1: Release -> Relaxed\n\tother\n";
        let entries = parse(text).unwrap();
        let found: Vec<_> = entries
            .iter()
            .map(|entry| (entry.key.as_str(), entry.reason.as_str(), entry.line))
            .collect();
        assert_eq!(
            found,
            [
                ("a.rs f load#1: Acquire -> Relaxed", "one reason", 2),
                ("a.rs f fence#1: SeqCst -> none", "one reason", 3),
                ("b.rs g store#1: Release -> Relaxed", "other", 7),
            ]
        );
    }

    #[test]
    fn broken_lists_are_refused() {
        let key = "a.rs f load#1: Acquire -> Relaxed\n";
        for (text, part) in [
            ("    reason\n".to_owned(), "line 1: a reason for nothing"),
            (key.to_owned(), "has no reason"),
            (
                format!("{key}{key}    x\n"),
                "line 2: a.rs f load#1: Acquire -> Relaxed stands here twice",
            ),
            (
                format!("{key}    x\nb.rs g\n    y\n"),
                "line 3: not of the form",
            ),
            (
                format!("{key}\nb.rs g load#1: Acquire -> Relaxed\n"),
                "has no reason",
            ),
        ] {
            let message = parse(&text).unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
