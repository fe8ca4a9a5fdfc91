//! Reads a command's arguments, and answers a wrong one with the nearest right one.

use std::ffi::OsString;

/// An option that a command understands.
#[derive(Debug)]
pub(crate) struct Flag {
    /// As it is typed, with the dashes.
    pub(crate) name: &'static str,
    /// What the value stands for, for an option that takes one.
    pub(crate) value: Option<&'static str>,
    /// One line for the help.
    pub(crate) about: &'static str,
}

/// Options that every command understands.
pub(crate) const COMMON: &[Flag] = &[
    Flag {
        name: "--keep-going",
        value: None,
        about: "run the remaining steps after a failure",
    },
    Flag {
        name: "--verbose",
        value: None,
        about: "show the output of every step, not of failed ones only",
    },
    Flag {
        name: "--no-skips",
        value: None,
        about: "fail if anything is skipped: for machines that have every tool",
    },
    Flag {
        name: "--help",
        value: None,
        about: "say what the command does",
    },
];

/// The arguments after the command's name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Args {
    /// Words that are not options.
    pub(crate) words: Vec<OsString>,
    /// Options in the order given, with their values.
    options: Vec<(&'static str, Option<String>)>,
    /// Everything behind `--`.
    pub(crate) rest: Vec<OsString>,
}

impl Args {
    /// Sorts `given` into words, options known from `flags` or [`COMMON`], and the rest after `--`.
    pub(crate) fn parse(
        given: impl IntoIterator<Item = OsString>,
        flags: &'static [Flag],
    ) -> Result<Self, String> {
        let mut args = Self::default();
        let mut given = given.into_iter();
        while let Some(arg) = given.next() {
            let text = arg.to_string_lossy().into_owned();
            if text == "--" {
                args.rest.extend(given);
                break;
            }
            if !text.starts_with('-') || text == "-" {
                args.words.push(arg);
                continue;
            }
            let text = if text == "-h" {
                "--help".to_owned()
            } else {
                text
            };
            let (name, inline) = match text.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (text.as_str(), None),
            };
            let known = || flags.iter().chain(COMMON);
            let Some(flag) = known().find(|flag| flag.name == name) else {
                return Err(unknown("option", name, known().map(|flag| flag.name)));
            };
            let value = match (flag.value, inline) {
                (None, None) => None,
                (None, Some(_)) => return Err(format!("{name} takes no value")),
                (Some(_), Some(value)) => Some(value),
                (Some(what), None) => match given.next() {
                    Some(value) => Some(value.to_string_lossy().into_owned()),
                    None => return Err(format!("{name} needs a value: {name} {what}")),
                },
            };
            args.options.push((flag.name, value));
        }
        Ok(args)
    }

    /// Takes all arguments as they are, for a command that hands them on.
    pub(crate) fn passed_on(given: Vec<OsString>) -> Self {
        Self {
            rest: given,
            ..Self::default()
        }
    }

    /// Whether the option was given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.options.iter().any(|(known, _)| *known == name)
    }

    /// The value of an option; the last one counts.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.options
            .iter()
            .rev()
            .find(|(known, _)| *known == name)?
            .1
            .as_deref()
    }

    /// The words, each of which must be one of `known`; no words stand for all of them.
    pub(crate) fn choose<'k>(&self, what: &str, known: &[&'k str]) -> Result<Vec<&'k str>, String> {
        if self.words.is_empty() {
            return Ok(known.to_vec());
        }
        self.words
            .iter()
            .map(|word| {
                let word = word.to_string_lossy();
                known
                    .iter()
                    .find(|name| **name == word)
                    .copied()
                    .ok_or_else(|| unknown(what, &word, known.iter().copied()))
            })
            .collect()
    }

    /// An error unless the command was given no words.
    pub(crate) fn no_words(&self) -> Result<(), String> {
        match self.words.first() {
            None => Ok(()),
            Some(word) => Err(format!("unexpected argument {word:?}")),
        }
    }
}

/// Says that a name is unknown, which one was probably meant, and which there are.
pub(crate) fn unknown<'k>(
    what: &str,
    given: &str,
    known: impl IntoIterator<Item = &'k str>,
) -> String {
    let known: Vec<_> = known.into_iter().collect();
    let mut message = format!("unknown {what} `{given}`");
    if let Some(name) = nearest(given, &known) {
        message.push_str(&format!("; did you mean `{name}`?"));
    }
    if !known.is_empty() {
        message.push_str(&format!("\nknown: {}", known.join(", ")));
    }
    message
}

/// The name most like `given`, if one is like it at all.
fn nearest<'k>(given: &str, known: &[&'k str]) -> Option<&'k str> {
    let bare = given.trim_start_matches('-');
    if bare.len() >= 2 {
        let mut beginnings = known
            .iter()
            .filter(|name| name.trim_start_matches('-').starts_with(bare));
        if let (Some(only), None) = (beginnings.next(), beginnings.next()) {
            return Some(only);
        }
    }
    known
        .iter()
        .map(|name| (distance(given, name), *name))
        .filter(|(distance, name)| *distance <= 1 + name.trim_start_matches('-').len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// How many letters must be added, removed, replaced or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGS: &[Flag] = &[
        Flag {
            name: "--list",
            value: None,
            about: "",
        },
        Flag {
            name: "--only",
            value: Some("NAME"),
            about: "",
        },
    ];

    fn parse(given: &[&str]) -> Result<Args, String> {
        Args::parse(given.iter().map(OsString::from), FLAGS)
    }

    #[test]
    fn words_options_and_the_rest() {
        let args = parse(&[
            "a", "--list", "--only", "x", "--only=y", "b", "--", "--list", "c",
        ])
        .unwrap();
        assert_eq!(args.words, ["a", "b"]);
        assert!(args.has("--list") && !args.has("--verbose"));
        assert_eq!(args.value("--only"), Some("y"));
        assert_eq!(args.rest, ["--list", "c"]);
    }

    #[test]
    fn wrong_options_are_explained() {
        assert!(
            parse(&["--lixt"])
                .unwrap_err()
                .contains("did you mean `--list`?")
        );
        assert!(
            parse(&["--keep"])
                .unwrap_err()
                .contains("did you mean `--keep-going`?")
        );
        assert!(parse(&["--list=3"]).unwrap_err().contains("takes no value"));
        assert!(parse(&["--only"]).unwrap_err().contains("--only NAME"));
        assert!(!parse(&["--zzzzzz"]).unwrap_err().contains("did you mean"));
    }

    #[test]
    fn words_are_chosen_from_a_list() {
        let known = ["pool-core", "pool-chain"];
        assert_eq!(parse(&[]).unwrap().choose("crate", &known).unwrap(), known);
        assert_eq!(
            parse(&["pool-chain"])
                .unwrap()
                .choose("crate", &known)
                .unwrap(),
            ["pool-chain"]
        );
        let message = parse(&["pool-cor"])
            .unwrap()
            .choose("crate", &known)
            .unwrap_err();
        assert!(message.contains("did you mean `pool-core`?"), "{message}");
    }

    #[test]
    fn distances() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("loom", "loom"), 0);
        assert_eq!(distance("lomo", "loom"), 1);
        assert_eq!(distance("dmo", "demo"), 1);
        assert_eq!(distance("tset", "test"), 1);
    }
}
