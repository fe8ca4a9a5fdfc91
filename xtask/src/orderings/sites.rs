//! Finds the places where an ordering is written, and what each may be weakened to.
//!
//! Follows a crate's modules from `lib.rs`, so that a file nobody compiles has no sites, and passes over
//! tests and what exists for a tool only. An ordering in a place that is not understood is an error:
//! a site that is overlooked would be one that nobody checks.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use super::tokens::{Kind, Token, line, mates, tokens};
use super::worlds::{Worlds, holding};
use crate::copy::Tree;

/// An `Ordering`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Relaxed,
    Release,
    Acquire,
    AcqRel,
    SeqCst,
}

impl Order {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "Relaxed" => Self::Relaxed,
            "Release" => Self::Release,
            "Acquire" => Self::Acquire,
            "AcqRel" => Self::AcqRel,
            "SeqCst" => Self::SeqCst,
            _ => return None,
        })
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What an ordering is given to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Load,
    Store,
    /// A read-modify-write, or a compare-exchange that succeeds.
    Change,
    /// A compare-exchange that fails.
    Failure,
    Fence,
    /// A fence for the compiler alone, of which no tool knows anything.
    CompilerFence,
}

/// One ordering in the source.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// The crate.
    pub(crate) krate: String,
    /// The file, from the workspace's root, with forward slashes.
    pub(crate) file: String,
    /// The function around it, with the types or modules around that.
    pub(crate) function: String,
    /// The access: the method's name, and which call of it in the function this is.
    pub(crate) access: String,
    pub(crate) role: Role,
    pub(crate) order: Order,
    pub(crate) line: usize,
    pub(crate) worlds: Worlds,
    /// Where the ordering is written.
    pub(crate) span: Range<usize>,
    /// Where the fence's name is written.
    pub(crate) fence: Option<Range<usize>>,
}

impl Site {
    /// The site's name, which survives edits elsewhere.
    pub(crate) fn key(&self) -> String {
        let failure = if self.role == Role::Failure {
            " on failure"
        } else {
            ""
        };
        format!("{} {} {}{failure}", self.file, self.function, self.access)
    }

    /// One step weaker, in each direction there is; `None` for a fence that is gone.
    pub(crate) fn weakenings(&self) -> Vec<Option<Order>> {
        use Order::{AcqRel, Acquire, Relaxed, Release, SeqCst};
        match (self.role, self.order) {
            (_, Relaxed) => vec![],
            (Role::Fence | Role::CompilerFence, SeqCst) => vec![Some(AcqRel), None],
            (Role::Fence | Role::CompilerFence, AcqRel) => vec![Some(Acquire), Some(Release)],
            (Role::Fence | Role::CompilerFence, _) => vec![None],
            (Role::Load | Role::Failure, SeqCst) => vec![Some(Acquire)],
            (Role::Store, SeqCst) => vec![Some(Release)],
            (Role::Change, SeqCst) => vec![Some(AcqRel)],
            (_, AcqRel) => vec![Some(Acquire), Some(Release)],
            (_, Acquire | Release) => vec![Some(Relaxed)],
        }
    }
}

/// All sites of a crate.
pub(crate) fn of_crate(tree: &Tree, name: &str) -> Result<Vec<Site>, String> {
    let mut sites = Vec::new();
    let folder = format!("crates/{name}/src");
    let mut files = vec![(format!("{folder}/lib.rs"), folder, Worlds::ALL)];
    while let Some((file, folder, worlds)) = files.pop() {
        let source = tree
            .text(&file)
            .ok_or_else(|| format!("{file} is not there"))?;
        let found =
            of_source(name, &file, source, worlds).map_err(|error| format!("{file}: {error}"))?;
        sites.extend(found.sites);
        for (module, worlds) in found.modules {
            // The facade is where the sites' new orderings come from.
            if module == "sync" || !worlds.ship() {
                continue;
            }
            let inside = format!("{folder}/{module}");
            let file = [format!("{inside}.rs"), format!("{inside}/mod.rs")]
                .into_iter()
                .find(|file| tree.text(file).is_some())
                .ok_or_else(|| format!("{file}: where is `mod {module}`?"))?;
            files.push((file, inside, worlds));
        }
    }
    sites.sort_by(|a, b| (&a.file, a.span.start).cmp(&(&b.file, b.span.start)));
    Ok(sites)
}

/// What a file holds.
#[derive(Debug)]
struct Found {
    sites: Vec<Site>,
    /// The modules in files of their own.
    modules: Vec<(String, Worlds)>,
}

fn of_source(krate: &str, file: &str, source: &str, worlds: Worlds) -> Result<Found, String> {
    let tokens = tokens(source)?;
    let mates = mates(source, &tokens)?;
    let mut reader = Reader {
        krate,
        file,
        source,
        tokens: &tokens,
        mates: &mates,
        calls: HashMap::new(),
        found: Found {
            sites: Vec::new(),
            modules: Vec::new(),
        },
    };
    reader.walk(0..tokens.len(), &[], worlds, None)?;
    Ok(reader.found)
}

struct Reader<'t, 's> {
    krate: &'t str,
    file: &'t str,
    source: &'s str,
    tokens: &'t [Token<'s>],
    mates: &'t [usize],
    /// How many calls of a method a function has had, and the number of the call with this bracket.
    calls: HashMap<(String, String), Vec<usize>>,
    found: Found,
}

/// Words that begin an item, whose end is a brace or a semicolon and never a comma.
const ITEMS: &[&str] = &[
    "pub",
    "fn",
    "impl",
    "struct",
    "enum",
    "union",
    "trait",
    "mod",
    "use",
    "unsafe",
    "const",
    "static",
    "extern",
    "type",
    "async",
    "let",
    "macro_rules",
];

impl<'s> Reader<'_, 's> {
    /// Reads the tokens of one pair of brackets, or of the file. `open` is the bracket.
    fn walk(
        &mut self,
        range: Range<usize>,
        path: &[String],
        mut worlds: Worlds,
        open: Option<usize>,
    ) -> Result<(), String> {
        let mut at = range.start;
        while at < range.end {
            let token = self.tokens[at];
            at = match (token.kind, token.text) {
                (Kind::Sign, "#") if self.is(at + 1, "!") && self.is(at + 2, "[") => {
                    worlds &= self.attribute(at + 2)?;
                    self.mates[at + 2] + 1
                }
                (Kind::Sign, "#") if self.is(at + 1, "[") => {
                    let mut here = worlds;
                    while self.is(at, "#") && self.is(at + 1, "[") {
                        here &= self.attribute(at + 1)?;
                        at = self.mates[at + 1] + 1;
                    }
                    let end = self.extent(at..range.end);
                    self.walk(at..end, path, here, open)?;
                    end
                }
                (Kind::Sign, "(" | "[" | "{") => {
                    self.walk(at + 1..self.mates[at], path, worlds, Some(at))?;
                    self.mates[at] + 1
                }
                (Kind::Word, "macro_rules") if self.is(at + 1, "!") => {
                    let body = at + 3;
                    let inside = &self.tokens[body..*self.mates.get(body).unwrap_or(&body)];
                    if worlds.ship()
                        && inside
                            .iter()
                            .any(|token| Order::parse(token.text).is_some())
                    {
                        return Err(self.misplaced(at, "an ordering inside a macro_rules!"));
                    }
                    self.mates[body] + 1
                }
                (Kind::Word, "mod") if self.is(at + 2, ";") => {
                    self.found
                        .modules
                        .push((self.tokens[at + 1].text.to_owned(), worlds));
                    at + 3
                }
                (Kind::Word, "mod" | "trait" | "fn" | "impl") if self.names_a_scope(at) => {
                    let body = self.body(at..range.end);
                    self.walk(at + 1..body, path, worlds, open)?;
                    if self.is(body, "{") {
                        let mut path = path.to_vec();
                        path.push(self.scope(at, body));
                        self.walk(body + 1..self.mates[body], &path, worlds, Some(body))?;
                        self.mates[body] + 1
                    } else {
                        body
                    }
                }
                (Kind::Word, "Ordering")
                    if worlds.ship()
                        && self.is(at + 1, ":")
                        && (self.is(at + 3, "{") || self.is(at + 3, "*")) =>
                {
                    // Its names would then be orderings wherever they stand.
                    return Err(self.misplaced(at, "an import of the orderings themselves"));
                }
                (Kind::Word, word) => {
                    if let Some(order) = Order::parse(word).filter(|_| worlds.ship()) {
                        self.site(at, order, path, worlds, open)?;
                    }
                    at + 1
                }
                _ => at + 1,
            };
        }
        Ok(())
    }

    fn is(&self, at: usize, text: &str) -> bool {
        self.tokens.get(at).is_some_and(|token| token.is(text))
    }

    /// The builds for which the attribute with its bracket at `open` keeps what it stands on.
    fn attribute(&self, open: usize) -> Result<Worlds, String> {
        if !(self.is(open + 1, "cfg") && self.is(open + 2, "(")) {
            if self.is(open + 1, "path") {
                return Err(self.misplaced(open, "#[path] is not followed"));
            }
            if self.is(open + 1, "test") {
                return Ok(Worlds::NONE);
            }
            return Ok(Worlds::ALL);
        }
        holding(&self.tokens[open + 3..self.mates[open + 2]])
    }

    /// Where that ends which begins at `range.start` with an attribute on it.
    fn extent(&self, range: Range<usize>) -> usize {
        let Some(first) = self.tokens.get(range.start) else {
            return range.end;
        };
        let item = ITEMS.contains(&first.text);
        let statement = first.is("let");
        let mut at = range.start;
        while at < range.end {
            match self.tokens[at].text {
                ";" => return at + 1,
                "," if !item => return at + 1,
                "{" => {
                    at = self.mates[at] + 1;
                    let goes_on = [".", "?", "else", ";", ","]
                        .iter()
                        .any(|sign| self.is(at, sign));
                    if !statement && !goes_on {
                        return at.min(range.end);
                    }
                }
                "(" | "[" => at = self.mates[at] + 1,
                _ => at += 1,
            }
        }
        range.end
    }

    /// Whether the keyword at `at` opens a scope with a name: not the `fn` of a pointer's type, nor the
    /// `impl` of an argument's.
    fn names_a_scope(&self, at: usize) -> bool {
        if !self.is(at, "impl") {
            return self
                .tokens
                .get(at + 1)
                .is_some_and(|token| token.kind == Kind::Word);
        }
        let before = at.checked_sub(1).map(|before| self.tokens[before].text);
        matches!(
            before,
            None | Some("{" | "}" | ";" | "]" | "unsafe" | "default")
        )
    }

    /// Where the body of the item at `range.start` begins, or the semicolon that stands for one.
    fn body(&self, range: Range<usize>) -> usize {
        let mut at = range.start;
        while at < range.end && !self.is(at, "{") && !self.is(at, ";") {
            let bracket = self.is(at, "(") || self.is(at, "[");
            at = if bracket { self.mates[at] + 1 } else { at + 1 };
        }
        at
    }

    /// The name of the item at `at`, whose body begins at `body`: for an `impl`, the type's.
    fn scope(&self, at: usize, body: usize) -> String {
        if !self.is(at, "impl") {
            return self.tokens[at + 1].text.to_owned();
        }
        let mut name = "";
        let mut depth = 0_usize;
        for index in at + 1..body {
            let arrow = self.is(index - 1, "-") || self.is(index - 1, "=");
            match self.tokens[index].text {
                "<" => depth += 1,
                ">" if !arrow => depth = depth.saturating_sub(1),
                "where" if depth == 0 => break,
                "for" if depth == 0 => name = "",
                "mut" | "dyn" => {}
                text if depth == 0 && self.tokens[index].kind == Kind::Word => name = text,
                _ => {}
            }
        }
        name.to_owned()
    }

    /// Takes down the ordering at `at`.
    fn site(
        &mut self,
        at: usize,
        order: Order,
        path: &[String],
        worlds: Worlds,
        open: Option<usize>,
    ) -> Result<(), String> {
        if at < 2 || !self.is(at - 1, ":") || !self.is(at - 2, ":") {
            // A name of something else: orderings are not imported by name.
            return Ok(());
        }
        if at < 3 || !self.is(at - 3, "Ordering") {
            return Err(self.misplaced(at, "an ordering not written as Ordering::X"));
        }
        let begin = at - 3;
        let open = open.filter(|open| *open > 0 && self.is(*open, "("));
        let whole = (self.is(begin - 1, "(") || self.is(begin - 1, ","))
            && (self.is(at + 1, ")") || self.is(at + 1, ","));
        let Some(open) = open.filter(|_| whole) else {
            return Err(self.misplaced(at, "an ordering that is not an argument"));
        };
        let name = self.tokens[open - 1];
        let before = open
            .checked_sub(2)
            .map_or("", |before| self.tokens[before].text);
        let argument = self.argument(open, begin);
        let fetch = name.text.starts_with("fetch_") && name.text != "fetch_update";
        let role = match (before, name.text, argument) {
            (".", "load", 0) => Role::Load,
            (".", "store", 1) => Role::Store,
            (".", "swap", 1) => Role::Change,
            (".", _, 1) if fetch => Role::Change,
            (".", "compare_exchange" | "compare_exchange_weak", 2) => Role::Change,
            (".", "compare_exchange" | "compare_exchange_weak", 3) => Role::Failure,
            (".", "fetch_update", 0) => Role::Change,
            (".", "fetch_update", 1) => Role::Failure,
            ("." | ":", _, _) => {
                return Err(self.misplaced(at, &format!("an ordering given to `{}`", name.text)));
            }
            (_, "fence", 0) => Role::Fence,
            (_, "compiler_fence", 0) => Role::CompilerFence,
            _ => return Err(self.misplaced(at, &format!("an ordering given to `{}`", name.text))),
        };
        let function = path.join("::");
        let calls = self
            .calls
            .entry((function.clone(), name.text.to_owned()))
            .or_default();
        let number = match calls.iter().position(|call| *call == open) {
            Some(known) => known + 1,
            None => {
                calls.push(open);
                calls.len()
            }
        };
        self.found.sites.push(Site {
            krate: self.krate.to_owned(),
            file: self.file.to_owned(),
            function,
            access: format!("{}#{number}", name.text),
            role,
            order,
            line: line(self.source, self.tokens[at].at),
            worlds,
            span: self.tokens[begin].at..self.tokens[at].span().end,
            fence: (role == Role::Fence).then(|| name.span()),
        });
        Ok(())
    }

    /// Which argument of the call with this bracket begins at `at`.
    fn argument(&self, open: usize, at: usize) -> usize {
        let mut number = 0;
        let mut index = open + 1;
        while index < at {
            number += usize::from(self.is(index, ","));
            let bracket = ["(", "[", "{"].iter().any(|sign| self.is(index, sign));
            index = if bracket {
                self.mates[index] + 1
            } else {
                index + 1
            };
        }
        number
    }

    fn misplaced(&self, at: usize, what: &str) -> String {
        format!(
            "line {}: {what} is not understood",
            line(self.source, self.tokens[at].at)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sites(source: &str) -> Vec<Site> {
        of_source("x", "lib.rs", source, Worlds::ALL).unwrap().sites
    }

    fn keys(source: &str) -> Vec<String> {
        sites(source)
            .iter()
            .map(|site| format!("{} {}", &site.key()[7..], site.order))
            .collect()
    }

    fn complaint(source: &str) -> String {
        of_source("x", "lib.rs", source, Worlds::ALL).unwrap_err()
    }

    #[test]
    fn accesses_are_found_and_named() {
        let source = "
            impl<'a, T: Fn() -> u8> Deque<T> for &'a Ring<T> where T: Send {
                pub(crate) unsafe fn push<const N: usize>(&self, f: impl Fn(u8), g: fn(u8)) -> [u8; N] {
                    self.a.load(Ordering::Acquire);
                    // self.a.load(Ordering::Acquire);
                    self.b[1].store(f(1, 2), Ordering::Release);
                    (|| self.a.load(Ordering::Relaxed))();
                    match self.a.compare_exchange_weak(
                        f(1, 2),
                        now.pack(),
                        Ordering::AcqRel,
                        Ordering::Acquire,
                    ) { _ => fence(Ordering::SeqCst) }
                }
            }
            mod imp { fn light() { compiler_fence(Ordering::SeqCst); } }
            fn free() { A.fetch_add(1, Ordering::Release); A.swap(1, Ordering::Acquire); }
        ";
        assert_eq!(
            keys(source),
            [
                "Ring::push load#1 Acquire",
                "Ring::push store#1 Release",
                "Ring::push load#2 Relaxed",
                "Ring::push compare_exchange_weak#1 AcqRel",
                "Ring::push compare_exchange_weak#1 on failure Acquire",
                "Ring::push fence#1 SeqCst",
                "imp::light compiler_fence#1 SeqCst",
                "free fetch_add#1 Release",
                "free swap#1 Acquire",
            ]
        );
        let sites = sites(source);
        assert_eq!(sites[0].line, 4);
        assert_eq!(&source[sites[5].span.clone()], "Ordering::SeqCst");
        assert_eq!(&source[sites[5].fence.clone().unwrap()], "fence");
        assert_eq!(sites[6].fence, None);
    }

    #[test]
    fn what_does_not_ship_is_no_site() {
        let source = "
            #[cfg(test)] mod tests { fn a() { A.load(Ordering::Acquire); } }
            #[cfg(pool_loom)] mod model { fn b() { fence(Ordering::SeqCst); } }
            #[test] fn c() { A.load(Ordering::Acquire); }
            fn d<A, B>() {
                #[cfg(miri)]
                A.load(Ordering::Acquire);
                #[cfg(miri)]
                let x = S { y: 1 }.f(A.load(Ordering::Acquire));
                #[cfg(miri)]
                if a { A.load(Ordering::Acquire); } else { A.load(Ordering::Acquire); }
                A.load(Ordering::Acquire);
                f(#[cfg(miri)] A.load(Ordering::Acquire), B.load(Ordering::Acquire));
            }
            #[cfg(miri)] #[inline] fn e<A, B>() { A.load(Ordering::Acquire); }
            fn f() { A.store(1, Ordering::Release); }
        ";
        assert_eq!(
            keys(source),
            ["d load#1 Acquire", "d load#2 Acquire", "f store#1 Release"]
        );
    }

    #[test]
    fn the_builds_of_a_site_are_known() {
        let source = "
            #[cfg(any(miri, pool_loom, not(any(target_os = \"linux\", windows))))]
            mod imp { fn f() { fence(Ordering::SeqCst); } }
            #[cfg(windows)]
            mod imp { fn f() { fence(Ordering::SeqCst); } }
        ";
        let sites = sites(source);
        assert_eq!(sites[0].function, "imp::f");
        assert!(sites[0].worlds.has(Worlds::LOOM) && !sites[0].worlds.has(Worlds::NATIVE));
        // Numbered through, so that the two have different names.
        assert_eq!(sites[1].access, "fence#2");
        assert!(!sites[1].worlds.has(Worlds::LOOM));
    }

    #[test]
    fn other_things_may_have_the_same_names() {
        let source = "fn f() { struct Release; impl Drop for Release {} g(Release); let a = Release { b }; }";
        assert!(sites(source).is_empty());
    }

    #[test]
    fn modules_are_followed() {
        let found = of_source(
            "x",
            "lib.rs",
            "mod a; #[cfg(test)] mod b; pub mod c { } #![cfg(miri)] mod d;",
            Worlds::ALL,
        );
        let modules = found.unwrap().modules;
        let names: Vec<_> = modules
            .iter()
            .map(|(name, worlds)| (name.as_str(), worlds.ship()))
            .collect();
        assert_eq!(names, [("a", true), ("b", false), ("d", false)]);
    }

    #[test]
    fn weakenings_are_legal_and_one_step() {
        use Order::{AcqRel, Acquire, Relaxed, Release};
        let source = "fn f() {
            a.load(Ordering::Acquire);
            a.store(1, Ordering::Release);
            a.swap(1, Ordering::AcqRel);
            a.compare_exchange(1, 2, Ordering::Release, Ordering::Acquire);
            a.compare_exchange(1, 2, Ordering::Acquire, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            fence(Ordering::Release);
        }";
        let found: Vec<_> = sites(source).iter().map(Site::weakenings).collect();
        assert_eq!(
            found,
            [
                vec![Some(Relaxed)],
                vec![Some(Relaxed)],
                vec![Some(Acquire), Some(Release)],
                vec![Some(Relaxed)],
                vec![Some(Relaxed)],
                vec![Some(Relaxed)],
                vec![],
                vec![Some(AcqRel), None],
                vec![None],
            ]
        );
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        let cases = [
            ("fn f() { let o = Ordering::Acquire; }", "not an argument"),
            (
                "fn f() { a.load(if b { Ordering::Acquire } else { c }); }",
                "not an argument",
            ),
            ("fn f() { a.load(g(Ordering::Acquire)); }", "given to `g`"),
            ("fn f() { a.load(O::Acquire); }", "not written as"),
            (
                "use core::sync::atomic::Ordering::{Acquire, Release};",
                "an import",
            ),
            ("use core::sync::atomic::Ordering::*;", "an import"),
            (
                "use core::sync::atomic::Ordering::Acquire;",
                "not an argument",
            ),
            ("fn f() { a.frob(Ordering::Acquire); }", "given to `frob`"),
            (
                "fn f() { sync::fence(Ordering::Acquire); }",
                "given to `fence`",
            ),
            (
                "fn f() { a.load(x, Ordering::Acquire); }",
                "given to `load`",
            ),
            (
                "macro_rules! m { () => { a.load(Ordering::Acquire) } }",
                "macro_rules",
            ),
            ("#[path = \"x.rs\"] mod a;", "#[path]"),
            ("#[cfg(unheard_of)] fn f() {}", "unheard_of"),
        ];
        for (source, part) in cases {
            let complaint = complaint(source);
            assert!(complaint.contains(part), "{source}: {complaint}");
        }
    }

    #[test]
    fn the_workspace_is_understood() {
        let workspace = crate::workspace::Workspace::find().unwrap();
        let tree = Tree::read(&workspace).unwrap();
        for name in workspace.names() {
            let sites = of_crate(&tree, name).unwrap();
            let orders = sites.iter().filter(|site| site.order != Order::Relaxed);
            assert!(orders.count() >= 3, "{name}");
            let mut keys: Vec<_> = sites.iter().map(Site::key).collect();
            keys.sort();
            keys.dedup();
            assert_eq!(
                keys.len(),
                sites.len(),
                "{name}: every site has a name of its own"
            );
        }
    }
}
