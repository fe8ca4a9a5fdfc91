//! `api`: the public names of each crate against a golden list, so that none changes unnoticed.
//!
//! Read from rustdoc's pages, because these are there anyway on the stable toolchain and show auto traits, which
//! no source does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{Command, docs};
use crate::args::{Args, Flag};
use crate::runner::{self, Job, Options};
use crate::step::{Step, Subject};
use crate::tools;
use crate::workspace::{self, Crate, Workspace};

pub(super) const COMMAND: Command = Command {
    name: "api",
    usage: "[--bless]",
    about: "compare the public names of each crate with docs/public-api",
    details: "A difference is a change that users see: accept it with --bless, and say so in the changelog.",
    flags: &[Flag {
        name: "--bless",
        value: None,
        about: "write the lists anew",
    }],
    passes_on: false,
    run,
};

fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode, String> {
    args.no_words()?;
    let second = if args.has("--bless") {
        Step::check("write lists", bless)
    } else {
        step(workspace)
    };
    let steps = vec![docs::rustdoc(workspace), second];
    Ok(runner::run(workspace, steps, Options::of(args)))
}

/// The comparison. Needs what [`docs::rustdoc`] writes.
pub(super) fn step(workspace: &Workspace) -> Step {
    const NAME: &str = "public names";
    let made_by = workspace
        .crates()
        .first()
        .and_then(|krate| fs::read_to_string(golden(workspace, krate)).ok())
        .and_then(|text| Some(text.lines().next()?.trim_start_matches("# ").to_owned()));
    match (made_by, writer()) {
        (Some(made_by), Ok(here)) if made_by != here => {
            let reason = format!("the lists were made by {made_by}, this is {here}");
            Step::skip(NAME, made_by, reason)
        }
        _ => Step::check(NAME, compare)
            .looks_at([Subject::AnyPackage, Subject::Pages])
            .on_failure("if it is meant: `cargo xtask api --bless`, and an entry in the changelog"),
    }
}

/// What writes the pages, as the lists' first line names it.
fn writer() -> Result<String, String> {
    let release = tools::rustdoc_release().ok_or("rustdoc does not run")?;
    Ok(format!("rustdoc {release}, {}", std::env::consts::OS))
}

fn golden(workspace: &Workspace, krate: &Crate) -> PathBuf {
    let folder = workspace.root().join("docs").join("public-api");
    folder.join(format!("{}.txt", krate.name))
}

fn bless(job: &mut Job<'_>) -> Result<String, String> {
    let mut count = 0;
    for krate in job.workspace.crates() {
        let list = list(job.workspace, krate)?;
        count += list.lines().count();
        let path = golden(job.workspace, krate);
        fs::write(&path, list).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(format!("{count} lines"))
}

fn compare(job: &mut Job<'_>) -> Result<String, String> {
    let mut count = 0;
    let mut changed = Vec::new();
    for krate in job.workspace.crates() {
        let now = list(job.workspace, krate)?;
        let before = workspace::read(&golden(job.workspace, krate))?;
        count += now.lines().count();
        changed.extend(differences(&before, &now).map(|line| format!("{}: {line}", krate.name)));
    }
    if changed.is_empty() {
        Ok(format!("{count} lines"))
    } else {
        Err(format!(
            "{} lines changed\n{}",
            changed.len(),
            changed.join("\n")
        ))
    }
}

/// Lines that are in one list only. Each line names its item, so their order does not matter.
fn differences<'t>(before: &'t str, now: &'t str) -> impl Iterator<Item = String> + 't {
    let only = |a: &'t str, b: &'t str, sign: char| {
        let b: Vec<_> = b.lines().collect();
        a.lines()
            .filter(move |line| !b.contains(line))
            .map(move |line| format!("{sign} {line}"))
    };
    only(before, now, '-').chain(only(now, before, '+'))
}

/// All public names of a crate, a line each.
fn list(workspace: &Workspace, krate: &Crate) -> Result<String, String> {
    let folder = workspace.target().join("doc").join(krate.ident());
    let index = workspace::read(&folder.join("all.html"))?;
    let mut text = format!("# {}\n", writer()?);
    for page in targets(&index) {
        let html = workspace::read(&folder.join(page))?;
        let (kind, path) = named(&krate.ident(), page);
        text.push('\n');
        for line in lines(&html) {
            text += &format!("{kind} {path}: {line}\n");
        }
    }
    if text.lines().count() < 3 {
        return Err(format!(
            "{}: rustdoc's pages are not as expected",
            folder.display()
        ));
    }
    Ok(text)
}

/// The pages that the list of all items leads to.
fn targets(index: &str) -> Vec<&str> {
    let mut pages: Vec<_> = index
        .split("<li><a href=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .filter(|page| page.ends_with(".html") && !page.starts_with('#'))
        .collect();
    pages.sort_unstable();
    pages.dedup();
    pages
}

/// `pressure/struct.Psi.html` is the struct `pool_core::pressure::Psi`.
fn named<'p>(krate: &str, page: &'p str) -> (&'p str, String) {
    let page = page.trim_end_matches(".html");
    let (folder, file) = page.rsplit_once('/').unwrap_or(("", page));
    let (kind, name) = file.split_once('.').unwrap_or(("", file));
    let path: Vec<_> = std::iter::once(krate)
        .chain(Path::new(folder).iter().filter_map(|part| part.to_str()))
        .chain([name])
        .collect();
    (kind, path.join("::"))
}

/// The auto traits that say something to users.
const AUTO: &[&str] = &[
    " Send for ",
    " Sync for ",
    " Unpin for ",
    " UnwindSafe for ",
    " RefUnwindSafe for ",
];

/// What a page declares: the item, its methods, the traits that it implements.
fn lines(html: &str) -> Vec<String> {
    let mut found = Vec::new();
    found.extend(between(html, "<pre class=\"rust item-decl\">", "</pre>").map(plain));
    for section in html.split("<h2 id=\"").skip(1) {
        let methods = between(section, "<h4 class=\"code-header\">", "</h4>").map(plain);
        let impls = between(section, "<h3 class=\"code-header\">", "</h3>").map(plain);
        match section.split('"').next() {
            Some("implementations") => found.extend(methods),
            Some("trait-implementations") => {
                found.extend(impls);
                found.extend(methods.filter(|line| line.starts_with("type ")));
            }
            Some("synthetic-implementations") => {
                found.extend(impls.filter(|line| AUTO.iter().any(|auto| line.contains(auto))));
            }
            _ => {}
        }
    }
    found
}

/// What stands between each `begin` and the next `end`.
fn between<'t>(text: &'t str, begin: &str, end: &'t str) -> impl Iterator<Item = &'t str> {
    let parts: Vec<_> = text.split(begin).skip(1).collect();
    parts
        .into_iter()
        .filter_map(move |part| part.split(end).next())
}

/// Text without tags, on one line.
fn plain(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some((before, tag)) = rest.split_once('<') {
        text.push_str(before);
        // A block begins a line of its own.
        if tag.starts_with("div") || tag.starts_with("br") {
            text.push(' ');
        }
        rest = tag.split_once('>').map_or("", |(_, after)| after);
    }
    text.push_str(rest);
    let text = text
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&nbsp;", " ")
        .replace("&amp;", "&")
        .replace('ⓘ', "");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_becomes_lines() {
        let html = "<pre class=\"rust item-decl\"><code>pub struct <a>X</a>&lt;T&gt; { <span>/* private fields */</span> }</code></pre>\
            <h2 id=\"implementations\">I</h2><h4 class=\"code-header\">pub fn <a>f</a>(&amp;self)<div class=\"where\">where\n T: A</div></h4>\
            <h2 id=\"trait-implementations\">T</h2><h3 class=\"code-header\">impl Debug for X</h3><h4 class=\"code-header\">fn fmt()</h4>\
            <h2 id=\"synthetic-implementations\">A</h2><h3 class=\"code-header\">impl Send for X</h3>\
            <h3 class=\"code-header\">impl Freeze for X</h3>\
            <h2 id=\"blanket-implementations\">B</h2><h3 class=\"code-header\">impl Any for X</h3>";
        let expected = [
            "pub struct X<T> { /* private fields */ }",
            "pub fn f(&self) where T: A",
            "impl Debug for X",
            "impl Send for X",
        ];
        assert_eq!(lines(html), expected);
    }

    #[test]
    fn pages_are_named_as_their_items() {
        let index = "<li><a href=\"pressure/struct.Psi.html\">x</a></li><li><a href=\"fn.tend.html\">y</a></li>";
        assert_eq!(targets(index), ["fn.tend.html", "pressure/struct.Psi.html"]);
        let (kind, path) = named("pool_core", "pressure/struct.Psi.html");
        assert_eq!((kind, &*path), ("struct", "pool_core::pressure::Psi"));
    }

    #[test]
    fn differences_name_what_came_and_what_went() {
        let found: Vec<_> = differences("a\nb\n", "b\nc\n").collect();
        assert_eq!(found, ["- a", "+ c"]);
    }
}
