//! As much of Markdown as it takes to check a page: its links, the places they can lead to, and its code.

use std::collections::BTreeSet;

/// A link, and the line that it is on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// Counted from one.
    pub(crate) line: usize,
    /// As it is written, without a title.
    pub(crate) target: String,
}

/// A fenced block of code.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fence {
    /// Counted from one.
    pub(crate) line: usize,
    /// What follows the fence: the language, and what rustdoc is told.
    pub(crate) info: String,
    /// A line that rustdoc hides, and Markdown shows: one that begins with a hash and a space.
    pub(crate) hidden: Option<usize>,
}

/// A page taken apart.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// Where it leads to: links, pictures, definitions, and the same as HTML.
    pub(crate) links: Vec<Link>,
    /// References to a definition that the page does not have, in the form that only names of code have.
    pub(crate) undefined: Vec<Link>,
    /// What a link's fragment can name.
    pub(crate) anchors: BTreeSet<String>,
    /// Its blocks of code.
    pub(crate) fences: Vec<Fence>,
}

impl Page {
    /// Takes it apart.
    pub(crate) fn read(text: &str) -> Self {
        let mut page = Self::default();
        let prose = page.without_fences(text);
        let masked = mask_code(&prose);
        page.find_links(&masked);
        page.find_undefined(&prose);
        page.find_anchors(&prose);
        page
    }

    /// The text with its blocks of code blank, line by line.
    fn without_fences(&mut self, text: &str) -> String {
        let mut prose = String::with_capacity(text.len());
        let mut open: Option<&str> = None;
        for (index, line) in text.lines().enumerate() {
            let start = line.trim_start();
            let marks = start.find(|c| !start.starts_with(c)).unwrap_or(start.len());
            let is_fence = marks >= 3 && start.starts_with(['`', '~']);
            let (mark, info) = start.split_at(marks);
            match open {
                Some(opened) if is_fence && mark.starts_with(opened) && info.trim().is_empty() => {
                    open = None;
                }
                None if is_fence && !info.contains('`') => {
                    open = Some(mark);
                    self.fences.push(Fence {
                        line: index + 1,
                        info: info.trim().to_owned(),
                        hidden: None,
                    });
                }
                Some(_) => {
                    if start == "#" || start.starts_with("# ") {
                        if let Some(fence) = self.fences.last_mut() {
                            fence.hidden.get_or_insert(index + 1);
                        }
                    }
                }
                None => prose.push_str(line),
            }
            prose.push('\n');
        }
        prose
    }

    fn find_links(&mut self, masked: &str) {
        for (index, line) in masked.lines().enumerate() {
            let mut add = |target: &str| {
                let target = target.trim().trim_start_matches('<');
                let end = target.find(|c: char| c.is_whitespace() || c == '>');
                let target = &target[..end.unwrap_or(target.len())];
                self.links.push(Link {
                    line: index + 1,
                    target: target.to_owned(),
                });
            };
            for (at, mark) in line.match_indices("](") {
                let rest = &line[at + mark.len()..];
                add(&rest[..closing(rest)]);
            }
            if let Some((_, target)) = definition(line) {
                add(target);
            }
            for attribute in ["src=\"", "href=\"", "srcset=\""] {
                for (at, mark) in line.match_indices(attribute) {
                    let rest = &line[at + mark.len()..];
                    add(rest.split('"').next().unwrap_or_default());
                }
            }
        }
    }

    fn find_undefined(&mut self, prose: &str) {
        let defined: BTreeSet<_> = prose
            .lines()
            .filter_map(|line| Some(definition(line)?.0.to_lowercase()))
            .collect();
        for (index, line) in prose.lines().enumerate() {
            for (at, _) in line.match_indices("[`") {
                let rest = &line[at + 1..];
                let Some(end) = rest.find("`]") else { continue };
                let (name, after) = (&rest[..=end], &rest[end + 2..]);
                let name = match after
                    .strip_prefix('[')
                    .and_then(|rest| rest.split_once(']'))
                {
                    Some((name, _)) if !name.is_empty() => name,
                    _ => name,
                };
                if !after.starts_with(['(', ':']) && !defined.contains(&name.to_lowercase()) {
                    self.undefined.push(Link {
                        line: index + 1,
                        target: name.to_owned(),
                    });
                }
            }
        }
    }

    fn find_anchors(&mut self, prose: &str) {
        for line in prose.lines() {
            let text = line.trim_start_matches('#');
            let depth = line.len() - text.len();
            if (1..=6).contains(&depth) && text.starts_with(' ') {
                let slug = slug(text.trim());
                let numbered = (1..).map(|count| format!("{slug}-{count}"));
                let free = std::iter::once(slug.clone())
                    .chain(numbered)
                    .find(|slug| !self.anchors.contains(slug));
                self.anchors.extend(free);
            }
            for attribute in [" id=\"", " name=\""] {
                for (at, mark) in line.match_indices(attribute) {
                    let rest = &line[at + mark.len()..];
                    let name = rest.split('"').next().unwrap_or_default();
                    self.anchors.insert(name.to_owned());
                }
            }
        }
    }
}

/// Where the parenthesis closes that a link's target begins with.
fn closing(rest: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in rest.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth == 0 => return at,
            ')' => depth -= 1,
            _ => {}
        }
    }
    rest.len()
}

/// `[name]: target`.
fn definition(line: &str) -> Option<(&str, &str)> {
    let (name, target) = line.trim_start().strip_prefix('[')?.split_once("]:")?;
    (!name.contains(']') && !target.trim().is_empty()).then_some((name, target))
}

/// The text with what is between backticks blank; no byte moves.
fn mask_code(prose: &str) -> String {
    let bytes = prose.as_bytes();
    let mut masked = bytes.to_vec();
    let run = |at: usize| bytes[at..].iter().take_while(|&&byte| byte == b'`').count();
    let mut at = 0;
    while at < bytes.len() {
        let ticks = run(at);
        if ticks == 0 {
            at += 1;
            continue;
        }
        let begin = at + ticks;
        let mut end = begin;
        // A span ends with as many ticks as it began with, in the same paragraph.
        at = loop {
            if end >= bytes.len() || bytes[end..].starts_with(b"\n\n") {
                break begin;
            }
            let count = run(end);
            if count == ticks {
                for byte in &mut masked[begin..end] {
                    if *byte != b'\n' {
                        *byte = b' ';
                    }
                }
                break end + ticks;
            }
            end += count.max(1);
        };
    }
    String::from_utf8(masked).unwrap_or_default()
}

/// The name that a heading gets: lower case, no punctuation, hyphens for spaces.
fn slug(heading: &str) -> String {
    let mut text = String::new();
    let mut rest = heading;
    // Of a link its text.
    while let Some((before, after)) = rest.split_once("](") {
        text.push_str(before);
        rest = &after[(closing(after) + 1).min(after.len())..];
    }
    text.push_str(rest);
    text.chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(text: &str) -> Vec<String> {
        let links = Page::read(text).links;
        links.into_iter().map(|link| link.target).collect()
    }

    #[test]
    fn links_of_every_form_are_found() {
        let text =
            "[a](b.md#c \"title\") ![p](q(1).svg)\n[r]: <s.md>\n<img src=\"t.svg\"> [`x`](y)";
        assert_eq!(targets(text), ["b.md#c", "q(1).svg", "s.md", "y", "t.svg"]);
    }

    #[test]
    fn code_has_no_links() {
        let text = "```text\n[a](b)\n```\n`[a](b)` ``[`a`](b)``\n`over\n[a](b) lines`\n~~~\n```\n[a](b)\n~~~\n";
        assert_eq!(targets(text), [""; 0]);
        assert_eq!(Page::read(text).fences.len(), 2);
    }

    #[test]
    fn an_unpaired_tick_hides_nothing() {
        assert_eq!(targets("a ` tick\n\n[a](b) and ` another"), ["b"]);
    }

    #[test]
    fn headings_have_names() {
        let page = Page::read(
            "# A `b` c/d\n## Why, then?\n## Why, then?\n### [x](y) z\n<a id=\"w\"></a>\n#no\n",
        );
        let expected = ["a-b-cd", "w", "why-then", "why-then-1", "x-z"];
        assert!(page.anchors.iter().eq(expected), "{:?}", page.anchors);
    }

    #[test]
    fn references_need_a_definition() {
        let page = Page::read("[`a`] [`b`] [`c`][d] [`e`](f)\n[`a`]: x\n");
        let names: Vec<_> = page.undefined.iter().map(|link| &link.target).collect();
        assert_eq!(names, ["`b`", "d"]);
    }

    #[test]
    fn fences_say_what_they_hold() {
        let page = Page::read("x\n\n```rust,no_run\nlet a;\n# let b;\n```\n\n````md\n```\n````\n");
        let infos: Vec<_> = page
            .fences
            .iter()
            .map(|fence| (fence.line, &*fence.info))
            .collect();
        assert_eq!(infos, [(3, "rust,no_run"), (8, "md")]);
        assert_eq!(page.fences[0].hidden, Some(5));
    }
}
