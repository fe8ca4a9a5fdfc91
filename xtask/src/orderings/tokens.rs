//! Takes Rust source apart into tokens, each with the place where it stands.
//!
//! As much of a lexer as it takes to find calls, items and attributes, so that `xtask` needs no parser
//! from outside and stays quick to build. What it does not know comes out as punctuation, and whoever
//! relies on more says so loudly.

use std::ops::Range;

/// A word, a sign or a literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'s> {
    /// As it is written.
    pub(crate) text: &'s str,
    /// Where it begins, in bytes.
    pub(crate) at: usize,
    /// What it is.
    pub(crate) kind: Kind,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A name or a keyword.
    Word,
    /// One character that is neither.
    Sign,
    /// A number, a string, a character or a lifetime.
    Literal,
}

impl Token<'_> {
    /// Where it stands.
    pub(crate) fn span(&self) -> Range<usize> {
        self.at..self.at + self.text.len()
    }

    /// Whether it is this sign or word.
    pub(crate) fn is(&self, text: &str) -> bool {
        self.kind != Kind::Literal && self.text == text
    }
}

/// The source without comments and blanks.
pub(crate) fn tokens(source: &str) -> Result<Vec<Token<'_>>, String> {
    let bytes = source.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &source[at..];
        let (kind, len) = match bytes[at] {
            byte if byte.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            b'/' if rest.starts_with("//") => {
                at += rest.find('\n').unwrap_or(rest.len());
                continue;
            }
            b'/' if rest.starts_with("/*") => {
                at += block_comment(rest).ok_or_else(|| unended(source, at, "comment"))?;
                continue;
            }
            b'"' => (
                Kind::Literal,
                text(rest).ok_or_else(|| unended(source, at, "string"))?,
            ),
            b'\'' => (Kind::Literal, quote(rest)),
            b'0'..=b'9' => (Kind::Literal, number(rest)),
            _ => match word(rest) {
                0 => (Kind::Sign, rest.chars().next().map_or(1, char::len_utf8)),
                len => match prefixed(&rest[..len], &rest[len..]) {
                    Some(Some(more)) => (Kind::Literal, len + more),
                    Some(None) => return Err(unended(source, at, "string")),
                    None => (Kind::Word, len),
                },
            },
        };
        tokens.push(Token {
            text: &source[at..at + len],
            at,
            kind,
        });
        at += len;
    }
    Ok(tokens)
}

/// The line of a place, counted from one.
pub(crate) fn line(source: &str, at: usize) -> usize {
    1 + source[..at].bytes().filter(|byte| *byte == b'\n').count()
}

/// For each opening bracket the index of the closing one.
pub(crate) fn mates(source: &str, tokens: &[Token<'_>]) -> Result<Vec<usize>, String> {
    let mut mates = vec![usize::MAX; tokens.len()];
    let mut open: Vec<(usize, &str)> = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        if token.kind != Kind::Sign {
            continue;
        }
        let close = match token.text {
            "(" => ")",
            "[" => "]",
            "{" => "}",
            ")" | "]" | "}" => {
                match open.pop() {
                    Some((begin, close)) if close == token.text => mates[begin] = index,
                    _ => return Err(unended(source, token.at, "bracket")),
                }
                continue;
            }
            _ => continue,
        };
        open.push((index, close));
    }
    match open.last() {
        None => Ok(mates),
        Some((begin, _)) => Err(unended(source, tokens[*begin].at, "bracket")),
    }
}

fn unended(source: &str, at: usize, what: &str) -> String {
    format!("line {}: a {what} without its other end", line(source, at))
}

fn word(rest: &str) -> usize {
    rest.find(|c: char| !(c.is_alphanumeric() || c == '_'))
        .unwrap_or(rest.len())
}

fn number(rest: &str) -> usize {
    let len = word(rest);
    // A fraction, but not the dots of a range or of a call.
    match rest[len..].strip_prefix('.') {
        Some(more) if more.starts_with(|c: char| c.is_ascii_digit()) => len + 1 + word(more),
        _ => len,
    }
}

fn block_comment(rest: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += 1;
        }
    }
    None
}

/// The length of a string that begins here.
fn text(rest: &str) -> Option<usize> {
    let bytes = rest.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
    None
}

/// The length of a character literal or of a lifetime.
fn quote(rest: &str) -> usize {
    let mut chars = rest[1..].char_indices();
    match chars.next() {
        Some((_, '\\')) => match rest[3..].find('\'') {
            Some(end) => 3 + end + 1,
            None => 1,
        },
        Some(_) => match chars.next() {
            Some((end, '\'')) => 1 + end + 1,
            _ => 1 + word(&rest[1..]),
        },
        None => 1,
    }
}

/// The rest of a literal that begins with a letter: `r"…"`, `br#"…"#`, `b'…'`. `None` for a plain word,
/// `Some(None)` for a literal that does not end.
fn prefixed(word: &str, rest: &str) -> Option<Option<usize>> {
    match word {
        "r" | "br" | "cr" => {
            let hashes = rest.len() - rest.trim_start_matches('#').len();
            rest[hashes..].strip_prefix('"')?;
            let close = format!("\"{}", "#".repeat(hashes));
            let begin = hashes + 1;
            Some(
                rest[begin..]
                    .find(&close)
                    .map(|end| begin + end + close.len()),
            )
        }
        "b" | "c" if rest.starts_with('"') => Some(text(rest)),
        "b" if rest.starts_with('\'') => Some(Some(quote(rest))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<&str> {
        tokens(source)
            .unwrap()
            .into_iter()
            .map(|token| token.text)
            .collect()
    }

    #[test]
    fn source_is_taken_apart() {
        assert_eq!(
            texts("a.load(Ordering::Acquire); // b.load(X)\n/* c /* d */ e */ f"),
            [
                "a", ".", "load", "(", "Ordering", ":", ":", "Acquire", ")", ";", "f"
            ]
        );
        assert_eq!(
            texts("x.0.load(1_000u32, 0..2, 1.5)"),
            [
                "x", ".", "0", ".", "load", "(", "1_000u32", ",", "0", ".", ".", "2", ",", "1.5",
                ")"
            ]
        );
    }

    #[test]
    fn literals_hide_their_insides() {
        assert_eq!(
            texts(r####"("a\"(", r#"b"("#, b"(", '(', '\'', '\u{1F600}', 'é', &'a str, b'(')"####),
            [
                "(",
                r#""a\"(""#,
                ",",
                r##"r#"b"("#"##,
                ",",
                r#"b"(""#,
                ",",
                "'('",
                ",",
                r"'\''",
                ",",
                r"'\u{1F600}'",
                ",",
                "'é'",
                ",",
                "&",
                "'a",
                "str",
                ",",
                "b'('",
                ")"
            ]
        );
    }

    #[test]
    fn brackets_find_their_mates() {
        let source = "f(a[0], {b})";
        let tokens = tokens(source).unwrap();
        let mates = mates(source, &tokens).unwrap();
        let pairs: Vec<_> = mates
            .iter()
            .enumerate()
            .filter(|(_, mate)| **mate != usize::MAX)
            .map(|(open, close)| (open, *close))
            .collect();
        assert_eq!(pairs, [(1, 10), (3, 5), (7, 9)]);
    }

    #[test]
    fn what_does_not_end_is_an_error() {
        assert_eq!(
            tokens("a\n\"b").unwrap_err(),
            "line 2: a string without its other end"
        );
        assert!(tokens("/* /* */").unwrap_err().contains("comment"));
        for source in ["f(", "f)", "f(]"] {
            let tokens = tokens(source).unwrap();
            assert!(
                mates(source, &tokens).unwrap_err().contains("bracket"),
                "{source}"
            );
        }
    }

    #[test]
    fn lines_are_counted_from_one() {
        assert_eq!(line("a\nb\nc", 0), 1);
        assert_eq!(line("a\nb\nc", 4), 3);
    }
}
