//! Looks at Rust source as text, line by line, with comments and literals told apart from code.
//!
//! Deliberately no parser: `tidy` asks where words stand and what the comment above them says, and a
//! scanner answers that in milliseconds, without a dependency, for code under any `cfg`.

use std::iter;

/// One line, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    /// The code, with the insides of literals blanked.
    pub(crate) code: String,
    /// The text of comments, slashes included.
    pub(crate) comment: String,
    /// The line is part of code that only tests see.
    pub(crate) test: bool,
}

impl Line {
    /// Nothing but a comment or an attribute, as may stand between a comment and its code.
    fn is_prelude(&self) -> bool {
        let code = self.code.trim();
        (code.is_empty() && !self.comment.is_empty()) || code.starts_with("#[")
    }
}

/// Takes a source apart.
pub(crate) fn lines(source: &str) -> Vec<Line> {
    let mut lines = split(source);
    mark_tests(&mut lines);
    lines
}

/// Where the scanner is.
enum State {
    Code,
    LineComment,
    BlockComment(usize),
    Text,
    RawText(usize),
}

fn split(source: &str) -> Vec<Line> {
    let chars: Vec<char> = source.chars().collect();
    let mut lines = Vec::new();
    let mut line = Line::default();
    let mut state = State::Code;
    let mut i = 0;
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    while i < chars.len() {
        let c = chars[i];
        if c == '\n' {
            if matches!(state, State::LineComment) {
                state = State::Code;
            }
            lines.push(std::mem::take(&mut line));
            i += 1;
            continue;
        }
        match state {
            State::Code => match c {
                '/' if at(i + 1) == '/' => {
                    line.comment.push_str("//");
                    state = State::LineComment;
                    i += 2;
                }
                '/' if at(i + 1) == '*' => {
                    line.comment.push_str("/*");
                    state = State::BlockComment(1);
                    i += 2;
                }
                '"' => {
                    line.code.push('"');
                    state = State::Text;
                    i += 1;
                }
                'r' if !in_word(&line.code) && raw_hashes(&chars, i + 1).is_some() => {
                    let hashes = raw_hashes(&chars, i + 1).unwrap_or(0);
                    line.code.push('"');
                    state = State::RawText(hashes);
                    i += hashes + 2;
                }
                '\'' => {
                    let end = char_literal(&chars, i);
                    line.code.push('\'');
                    if end > i {
                        line.code.push('\'');
                    }
                    i = end + 1;
                }
                _ => {
                    line.code.push(c);
                    i += 1;
                }
            },
            State::LineComment => {
                line.comment.push(c);
                i += 1;
            }
            State::BlockComment(depth) => {
                if c == '*' && at(i + 1) == '/' {
                    line.comment.push_str("*/");
                    state = if depth == 1 {
                        State::Code
                    } else {
                        State::BlockComment(depth - 1)
                    };
                    i += 2;
                } else if c == '/' && at(i + 1) == '*' {
                    line.comment.push_str("/*");
                    state = State::BlockComment(depth + 1);
                    i += 2;
                } else {
                    line.comment.push(c);
                    i += 1;
                }
            }
            State::Text => match c {
                '\\' if at(i + 1) != '\n' => i += 2,
                '"' => {
                    line.code.push('"');
                    state = State::Code;
                    i += 1;
                }
                _ => i += 1,
            },
            State::RawText(hashes) => {
                if c == '"' && (1..=hashes).all(|k| at(i + k) == '#') {
                    line.code.push('"');
                    state = State::Code;
                    i += hashes + 1;
                } else {
                    i += 1;
                }
            }
        }
    }
    if line != Line::default() {
        lines.push(line);
    }
    lines
}

/// Whether the code so far ends inside a word, so that an `r` is no literal's prefix. `br"…"` and
/// `cr"…"` are literals.
fn in_word(code: &str) -> bool {
    let word: String = code.chars().rev().take_while(|c| is_word(*c)).collect();
    !matches!(word.as_str(), "" | "b" | "c")
}

/// How many hashes open a raw string at `i`, if one opens there.
fn raw_hashes(chars: &[char], i: usize) -> Option<usize> {
    let hashes = chars[i..].iter().take_while(|c| **c == '#').count();
    (chars.get(i + hashes) == Some(&'"')).then_some(hashes)
}

/// The index of a character literal's closing quote, or `i` for a lifetime.
fn char_literal(chars: &[char], i: usize) -> usize {
    if chars.get(i + 1) == Some(&'\\') {
        let close = chars[i + 3..].iter().position(|c| *c == '\'' || *c == '\n');
        return close.map_or(i, |close| i + 3 + close);
    }
    if chars.get(i + 2) == Some(&'\'') {
        i + 2
    } else {
        i
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Marks everything below `#[cfg(test)]` and `#[test]`.
fn mark_tests(lines: &mut [Line]) {
    let mut i = 0;
    while i < lines.len() {
        let code = lines[i].code.trim_start();
        let opens = ["#[cfg(test)]", "#[cfg(all(test,", "#[test]"];
        if !opens.iter().any(|attribute| code.starts_with(attribute)) {
            i += 1;
            continue;
        }
        // The item ends with the brace that it opens, or with a semicolon before any brace.
        let mut depth = 0_usize;
        'item: while i < lines.len() {
            lines[i].test = true;
            let code = lines[i].code.clone();
            i += 1;
            for c in code.chars() {
                match c {
                    '{' => depth += 1,
                    '}' => {
                        depth = depth.saturating_sub(1);
                        if depth == 0 {
                            break 'item;
                        }
                    }
                    ';' if depth == 0 => break 'item,
                    _ => {}
                }
            }
        }
    }
}

/// The modules that only tests see and that live in files of their own.
pub(crate) fn test_modules(lines: &[Line]) -> Vec<String> {
    lines
        .iter()
        .filter(|line| line.test)
        .filter_map(|line| line.code.trim().strip_suffix(';')?.split_once("mod "))
        .map(|(_, name)| name.trim().to_owned())
        .collect()
}

/// Whether `word` stands in `text` as a whole word.
pub(crate) fn has_word(text: &str, word: &str) -> bool {
    words_at(text, word).next().is_some()
}

/// Where `word` stands in `text` as a whole word.
pub(crate) fn words_at<'t>(text: &'t str, word: &'t str) -> impl Iterator<Item = usize> + 't {
    text.match_indices(word)
        .map(|(at, _)| at)
        .filter(move |at| {
            let before = text[..*at].chars().next_back();
            let after = text[at + word.len()..].chars().next();
            !before.is_some_and(is_word) && !after.is_some_and(is_word)
        })
}

/// Which lines belong to `use` declarations.
pub(crate) fn imports(lines: &[Line]) -> Vec<bool> {
    let mut inside = false;
    lines
        .iter()
        .map(|line| {
            let code = line.code.trim();
            let head = match code.strip_prefix("pub") {
                Some(rest) if rest.starts_with('(') => rest
                    .split_once(')')
                    .map_or(rest, |(_, rest)| rest)
                    .trim_start(),
                Some(rest) => rest.trim_start(),
                None => code,
            };
            inside |= head.starts_with("use ");
            let import = inside;
            if inside && code.ends_with(';') {
                inside = false;
            }
            import
        })
        .collect()
}

/// Whether a comment with `label` stands at the statement on line `at`: in the comment directly
/// above it, above the method call or argument in question, or at the end of one of its lines.
pub(crate) fn labelled(lines: &[Line], at: usize, label: &str) -> bool {
    let mut first = at;
    loop {
        if lines[first].comment.contains(label) {
            return true;
        }
        // The comment and the attributes directly above.
        let mut above = first;
        while above > 0 && lines[above - 1].is_prelude() {
            above -= 1;
            if lines[above].comment.contains(label) {
                return true;
            }
        }
        if above == 0 || !continues(lines, above - 1, first) {
            return false;
        }
        first = above - 1;
    }
}

/// The comment that goes on from line `at`, in one line and without slashes.
pub(crate) fn comment_from(lines: &[Line], at: usize) -> String {
    let more = lines[at + 1..]
        .iter()
        .take_while(|line| line.code.trim().is_empty() && !line.comment.is_empty());
    let text = iter::once(&lines[at]).chain(more);
    let text = text.map(|line| line.comment.trim_start_matches('/').trim());
    text.collect::<Vec<_>>().join(" ")
}

/// Whether line `next` belongs to the statement that the line `before` it is part of.
fn continues(lines: &[Line], before: usize, next: usize) -> bool {
    let head = lines[next].code.trim_start();
    let tail = lines[before].code.trim();
    if tail.is_empty() {
        return false;
    }
    let joins_back = [".", "?", "&&", "||", "+", "-", "*", "==", "!=", "|"];
    let joins_on = [
        "=", "(", "[", "&&", "||", "=>", "return", "+", "-", "|", "unsafe {", " in",
    ];
    joins_on.iter().any(|sign| tail.ends_with(sign))
        || (joins_back.iter().any(|sign| head.starts_with(sign))
            && !tail.ends_with([';', '}', '{']))
        || open_parens(lines, before) > 0
}

/// How many round brackets are open at the end of line `at`, counted from the last line before it
/// that ends a statement.
fn open_parens(lines: &[Line], at: usize) -> i32 {
    let start = (0..at)
        .rev()
        .find(|i| lines[*i].code.trim_end().ends_with([';', '{', '}']));
    let start = start.map_or(0, |line| line + 1);
    lines[start..=at]
        .iter()
        .flat_map(|line| line.code.chars())
        .map(|c| i32::from(c == '(') - i32::from(c == ')'))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(source: &str) -> Vec<String> {
        lines(source).into_iter().map(|line| line.code).collect()
    }

    #[test]
    fn comments_and_literals_are_no_code() {
        assert_eq!(code("let a = \"x // y\"; // z"), ["let a = \"\"; "]);
        assert_eq!(
            code("let a = r#\"SeqCst \" \"# + b;"),
            ["let a = \"\" + b;"]
        );
        assert_eq!(code("let a = br\"x\\\"; f()"), ["let a = b\"\"; f()"]);
        assert_eq!(code("a /* b /* c */ d */ e"), ["a  e"]);
        assert_eq!(code("f('\"', '\\'', 'x', &'a b)"), ["f('', '', '', &'a b)"]);
        assert_eq!(code("\"a\nSeqCst\n\" + x"), ["\"", "", "\" + x"]);
        assert_eq!(code("let bar = \"a\\\"b\"; c"), ["let bar = \"\"; c"]);
        assert_eq!(lines("x // SAFETY: y")[0].comment, "// SAFETY: y");
    }

    #[test]
    fn test_code_is_marked() {
        let source = "fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() {}\n}\nfn c() {}\n#[cfg(test)]\nmod more;\nfn d() {}";
        let marks: Vec<_> = lines(source).iter().map(|line| line.test).collect();
        assert_eq!(
            marks,
            [false, true, true, true, true, false, true, true, false]
        );
        assert_eq!(test_modules(&lines(source)), ["more"]);
    }

    #[test]
    fn whole_words() {
        assert!(has_word("x.load(Acquire)", "Acquire"));
        assert!(!has_word("AcquireGuard", "Acquire"));
        assert!(!has_word("pre_Acquire", "Acquire"));
        assert_eq!(words_at("a ab a", "a").collect::<Vec<_>>(), [0, 5]);
    }

    #[test]
    fn imports_may_span_lines() {
        let source = "pub(crate) use a::{\n Acquire,\n};\nuse b;\nlet c = Acquire;";
        assert_eq!(imports(&lines(source)), [true, true, true, true, false]);
    }

    /// Whether the access in the last line that names `Acquire` is labelled.
    fn argued(source: &str) -> bool {
        let lines = lines(source);
        let at = lines
            .iter()
            .rposition(|line| has_word(&line.code, "Acquire"))
            .unwrap();
        labelled(&lines, at, "ORDERING:")
    }

    #[test]
    fn labels_are_found_where_people_put_them() {
        assert!(argued("// ORDERING: x\nlet a = b.load(Acquire);"));
        assert!(argued(
            "// ORDERING: x\n// more\n#[rustfmt::skip]\nlet a = b.load(Acquire);"
        ));
        assert!(argued("let a = b.load(Acquire); // ORDERING: x"));
        assert!(argued("// ORDERING: x\nlet a =\n    b.load(Acquire);"));
        assert!(argued(
            "// ORDERING: x\nlet a = self\n    .b\n    .load(Acquire);"
        ));
        assert!(argued(
            "let a = self\n    .b\n    // ORDERING: x\n    .load(Acquire);"
        ));
        assert!(argued(
            "// ORDERING: x\nmatch a.compare_exchange(\n    1,\n    2,\n    AcqRel,\n    Acquire,\n) {"
        ));
        assert!(argued(
            "a.compare_exchange(\n    1,\n    2,\n    // ORDERING: x\n    AcqRel,\n    Acquire,\n)"
        ));
        assert!(argued("// ORDERING: x\nif a && b.load(Acquire) == 1 {"));
        assert!(argued(
            "// ORDERING: x\n// SAFETY: y\nlet a = unsafe {\n    (*b).load(Acquire)\n};"
        ));
        assert!(argued(
            "// SAFETY: y\nlet a = unsafe {\n    // ORDERING: x\n    (*b).load(Acquire)\n};"
        ));
    }

    #[test]
    fn labels_of_others_do_not_count() {
        assert!(!argued("let a = b.load(Acquire);"));
        assert!(!argued(
            "// ORDERING: x\nlet a = b.load(Relaxed);\nlet c = b.load(Acquire);"
        ));
        assert!(!argued(
            "// ORDERING: x\nf(a.load(Relaxed));\n\nf(a.load(Acquire));"
        ));
        assert!(!argued("// ORDERING: x\nfn f() {\n    a.load(Acquire)\n}"));
        assert!(!argued(
            "// ORDERING: x\nif a.load(Relaxed) {\n    b.load(Acquire);\n}"
        ));
        assert!(!argued("// ORDERING: x\n\nlet a = b.load(Acquire);"));
    }
}
