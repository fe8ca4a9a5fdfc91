//! `docs`: the documentation as a whole: the crates' pages, the links between all pages, the code on them, the
//! pictures and the book.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;

use super::{Command, api};
use crate::args::Args;
use crate::markdown::Page;
use crate::runner::{self, Job, Options};
use crate::step::{Invocation, Step, Subject};
use crate::tools;
use crate::workspace::{self, Workspace};

pub(super) const COMMAND: Command = Command {
    name: "docs",
    usage: "",
    about: "rustdoc, links, examples on all pages, pictures, and the book",
    details: "Every link and fragment of every Markdown page is followed, offline: to files, and for docs.rs to what\n\
        rustdoc wrote for our crates. Every fenced Rust block has to be a test, every page of docs/ in\n\
        docs/SUMMARY.md. With mdbook installed, builds the book into the target folder, in xtask/book.",
    flags: &[],
    passes_on: false,
    run,
};

fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode, String> {
    args.no_words()?;
    let mut steps = steps(workspace);
    steps.push(Step::cargo("examples on pages", "test --doc -p xtask").at_least(1));
    Ok(runner::run(workspace, steps, Options::of(args)))
}

/// All but the examples that the tests run anyway.
pub(super) fn steps(workspace: &Workspace) -> Vec<Step> {
    let book = if tools::runs("mdbook") {
        Step::check("book", book)
    } else {
        Step::skip("book", "mdbook", "not installed: `.ci/get mdbook` gets it")
    };
    vec![
        rustdoc(workspace),
        api::step(workspace),
        Step::check("pages", pages)
            .looks_at([Subject::Pages, Subject::AnyPackage])
            .on_failure("a link is relative to its page; a heading's name is as on GitHub"),
        Step::cargo("recipes", "test --doc -p recipes").at_least(1),
        book.looks_at([Subject::Pages]),
    ]
}

/// The pages of the crates, as docs.rs would show them.
pub(super) fn rustdoc(workspace: &Workspace) -> Step {
    let line = format!("doc --no-deps{}", workspace.with_all_features());
    Step::cargo("rustdoc, all features", &line)
        .env("RUSTDOCFLAGS", "-D warnings")
        // The steps that look at pages follow links into what this writes.
        .looks_at([Subject::AnyPackage, Subject::Pages])
}

/// The pages, the code they are tested by, and where all of it is.
struct Site {
    root: PathBuf,
    /// What rustdoc wrote.
    rustdoc: PathBuf,
    crates: Vec<String>,
    pages: BTreeMap<PathBuf, Page>,
    /// Pages whose Rust blocks are tests.
    included: BTreeSet<PathBuf>,
    pictures: Vec<PathBuf>,
}

/// Where a link leads.
enum Place {
    /// Out of the repository: not looked at.
    Elsewhere,
    /// A file or folder, and a fragment.
    Here(PathBuf, Option<String>),
}

fn pages(job: &mut Job<'_>) -> Result<String, String> {
    let site = Site::read(job.workspace)?;
    let mut wrong = Vec::new();
    let mut links = 0;
    for (path, page) in &site.pages {
        let shown = path.strip_prefix(&site.root).unwrap_or(path).display();
        links += page.links.len();
        for link in &page.links {
            if let Err(why) = site.follow(path, &link.target) {
                wrong.push(format!("{shown}:{}: {}: {why}", link.line, link.target));
            }
        }
        for link in &page.undefined {
            wrong.push(format!(
                "{shown}:{}: {} is defined nowhere on the page",
                link.line, link.target
            ));
        }
        wrong.extend(
            site.untested(path, page)
                .map(|what| format!("{shown}:{what}")),
        );
    }
    wrong.extend(site.outline());
    wrong.extend(site.pictures());
    if wrong.is_empty() {
        Ok(format!("{} pages, {links} links", site.pages.len()))
    } else {
        Err(format!(
            "{} things are wrong\n{}",
            wrong.len(),
            wrong.join("\n")
        ))
    }
}

impl Site {
    fn read(workspace: &Workspace) -> Result<Self, String> {
        let mut site = Self {
            root: workspace.root().to_owned(),
            rustdoc: workspace.target().join("doc"),
            crates: workspace.names().into_iter().map(str::to_owned).collect(),
            pages: BTreeMap::new(),
            included: BTreeSet::new(),
            pictures: Vec::new(),
        };
        let mut folders = vec![site.root.clone()];
        while let Some(folder) = folders.pop() {
            if folder.join("CACHEDIR.TAG").exists() {
                continue;
            }
            let named = |error: std::io::Error| format!("{}: {error}", folder.display());
            for entry in fs::read_dir(&folder).map_err(named)? {
                let path = entry.map_err(named)?.path();
                if path.is_dir() {
                    if path.file_name().is_some_and(|name| name != ".git") {
                        folders.push(path);
                    }
                    continue;
                }
                match path.extension().and_then(|extension| extension.to_str()) {
                    Some("md") => {
                        let page = Page::read(&workspace::read(&path)?);
                        site.pages.insert(path, page);
                    }
                    Some("rs") => site.included.extend(includes(&path)?),
                    Some("svg") if folder.ends_with("docs/pictures") => site.pictures.push(path),
                    _ => {}
                }
            }
        }
        site.pictures.sort();
        Ok(site)
    }

    /// Looks whether a link leads to something.
    fn follow(&self, page: &Path, target: &str) -> Result<(), String> {
        let Place::Here(path, fragment) = self.place(page, target) else {
            return Ok(());
        };
        // A published page must not leave its crate: the rest is not in the package.
        let own = self
            .crates
            .iter()
            .map(|name| self.root.join("crates").join(name));
        for krate in own.filter(|krate| page.starts_with(krate)) {
            if !path.starts_with(&krate) && !path.starts_with(&self.rustdoc) {
                return Err(
                    "leads out of the crate, and is dead where the crate is published".into(),
                );
            }
        }
        if !path.exists() {
            return Err("there is no such file".into());
        }
        let Some(fragment) = fragment else {
            return Ok(());
        };
        let found = match self.pages.get(&path) {
            Some(page) => page.anchors.contains(&fragment),
            None if path
                .extension()
                .is_some_and(|extension| extension == "html") =>
            {
                workspace::read(&path)?.contains(&format!("id=\"{fragment}\""))
            }
            None => false,
        };
        found
            .then_some(())
            .ok_or_else(|| format!("{} has no #{fragment}", path.display()))
    }

    fn place(&self, page: &Path, target: &str) -> Place {
        let (path, fragment) = match target.split_once('#') {
            Some((path, fragment)) => (path, Some(fragment.to_owned())),
            None => (target, None),
        };
        if let Some(rest) = path.strip_prefix("https://docs.rs/") {
            let mut parts = rest.splitn(3, '/');
            let name = parts.next().unwrap_or_default();
            if !self.crates.iter().any(|krate| krate == name) {
                return Place::Elsewhere;
            }
            let index = format!("{}/", name.replace('-', "_"));
            let file = parts
                .nth(1)
                .filter(|file| !file.is_empty())
                .unwrap_or(&index);
            let file = if file.ends_with('/') {
                format!("{file}index.html")
            } else {
                file.to_owned()
            };
            return Place::Here(self.rustdoc.join(file), fragment);
        }
        if path.contains("://") || path.starts_with("mailto:") {
            return Place::Elsewhere;
        }
        if path.is_empty() {
            return Place::Here(page.to_owned(), fragment);
        }
        let folder = page.parent().unwrap_or(&self.root);
        Place::Here(normal(&folder.join(path)), fragment)
    }

    /// Rust blocks that no test looks at.
    fn untested<'s>(&'s self, path: &'s Path, page: &'s Page) -> impl Iterator<Item = String> + 's {
        let tested = self.included.contains(path);
        page.fences.iter().filter_map(move |fence| {
            let mut words = fence.info.split([',', ' ']);
            let rust = words.clone().any(|word| word == "rust");
            // In what rustdoc reads, a block without a language is Rust.
            if !(rust || tested && fence.info.is_empty()) {
                return None;
            }
            if words.any(|word| word.starts_with("ignore")) {
                return Some(format!("{}: a block that is ignored grows old", fence.line));
            }
            if let Some(line) = fence.hidden {
                return Some(format!(
                    "{line}: hidden by rustdoc only: whoever copies the block has it, too"
                ));
            }
            (!tested).then(|| format!("{}: no test includes this page", fence.line))
        })
    }

    /// The table of contents against the pages.
    fn outline(&self) -> Vec<String> {
        let docs = self.root.join("docs");
        let summary = docs.join("SUMMARY.md");
        let Some(contents) = self.pages.get(&summary) else {
            return vec!["docs/SUMMARY.md is missing".to_owned()];
        };
        let listed: BTreeSet<_> = contents
            .links
            .iter()
            .filter_map(|link| match self.place(&summary, &link.target) {
                Place::Here(path, _) => Some(path),
                Place::Elsewhere => None,
            })
            .collect();
        self.pages
            .keys()
            .filter(|path| path.starts_with(&docs) && **path != summary && !listed.contains(*path))
            .map(|path| format!("{}: not in docs/SUMMARY.md", path.display()))
            .collect()
    }

    /// Pictures must say what they show to those who cannot see them, read on a dark page, and be on some page.
    fn pictures(&self) -> Vec<String> {
        let used: BTreeSet<_> = self
            .pages
            .iter()
            .flat_map(|(path, page)| page.links.iter().map(move |link| (path, link)))
            .filter_map(|(path, link)| match self.place(path, &link.target) {
                Place::Here(path, _) => Some(path),
                Place::Elsewhere => None,
            })
            .collect();
        let mut wrong = Vec::new();
        for path in &self.pictures {
            let shown = path.display();
            let text = workspace::read(path).unwrap_or_default();
            for part in ["<title", "<desc", "prefers-color-scheme: dark", "viewBox"] {
                if !text.contains(part) {
                    wrong.push(format!("{shown}: has no {part}"));
                }
            }
            if !used.contains(path) {
                wrong.push(format!("{shown}: is on no page"));
            }
        }
        wrong
    }
}

/// The pages that a source file makes part of its documentation.
fn includes(source: &Path) -> Result<Vec<PathBuf>, String> {
    let text = workspace::read(source)?;
    let folder = source.parent().unwrap_or(source);
    let found = text
        .match_indices("doc = include_str!(\"")
        .filter_map(|(at, mark)| {
            let path = text[at + mark.len()..].split('"').next()?;
            Some(normal(&folder.join(path)))
        });
    Ok(found.collect())
}

/// Without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                normal.pop();
            }
            Component::CurDir => {}
            part => normal.push(part),
        }
    }
    normal
}

/// Builds the book from a copy, in which links out of docs/ lead to something, too.
fn book(job: &mut Job<'_>) -> Result<String, String> {
    let site = Site::read(job.workspace)?;
    let folder = job.workspace.target_for("book");
    let source = folder.join("src");
    let copy = |path: &Path| -> Result<(), String> {
        let to = source.join(path.strip_prefix(&site.root).unwrap_or(path));
        let named = |error: std::io::Error| format!("{}: {error}", to.display());
        fs::create_dir_all(to.parent().unwrap_or(&source)).map_err(named)?;
        if path.extension().is_some_and(|extension| extension == "md") {
            let to = match to.file_name() {
                Some(name) if name == "README.md" => to.with_file_name("index.md"),
                _ => to.clone(),
            };
            fs::write(to, as_index(&workspace::read(path)?)).map_err(named)
        } else {
            fs::copy(path, &to).map(drop).map_err(named)
        }
    };
    if source.exists() {
        fs::remove_dir_all(&source).map_err(|error| format!("{}: {error}", source.display()))?;
    }
    for (path, page) in &site.pages {
        copy(path)?;
        for link in &page.links {
            if let Place::Here(to, _) = site.place(path, &link.target) {
                if to.is_file() && to.starts_with(&site.root) {
                    copy(&to)?;
                }
            }
        }
    }
    // The same contents, seen from the top folder.
    let contents = workspace::read(&site.root.join("docs/SUMMARY.md"))?
        .replace("](", "](docs/")
        .replace("](docs/../", "](");
    let contents = as_index(&contents);
    let settings = workspace::read(&site.root.join("docs/book.toml"))?;
    fs::write(source.join("SUMMARY.md"), contents)
        .and_then(|()| fs::write(folder.join("book.toml"), settings))
        .map_err(|error| format!("{}: {error}", folder.display()))?;
    let printed = job.run(&Invocation::new("mdbook", "build").in_dir(&folder))?;
    let warnings = printed.matches("WARN ").count();
    if warnings > 0 {
        return Err(format!("{warnings} warnings"));
    }
    Ok(folder.join("book").display().to_string())
}

/// The page with links to each folder's README as mdBook wants them: under the name that it gives the file in the end.
fn as_index(page: &str) -> String {
    page.replace("README.md)", "index.md)")
        .replace("README.md#", "index.md#")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A site of two pages in docs/, of which the second is linked and has a heading "There".
    fn site(first: &str) -> (Site, PathBuf) {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
        let root = normal(&root);
        let path = root.join("docs/README.md");
        let mut pages = BTreeMap::new();
        pages.insert(path.clone(), Page::read(first));
        pages.insert(root.join("docs/TESTING.md"), Page::read("# There\n"));
        let site = Site {
            rustdoc: root.join("no-such-folder"),
            root,
            crates: vec!["pool-core".into()],
            pages,
            included: BTreeSet::new(),
            pictures: Vec::new(),
        };
        (site, path)
    }

    #[test]
    fn dead_links_are_found() {
        let (site, path) = site("# Here\n");
        for good in [
            "#here",
            "TESTING.md",
            "./TESTING.md#there",
            "../README.md",
            "https://example.org/#x",
        ] {
            assert_eq!(site.follow(&path, good), Ok(()), "{good}");
        }
        for bad in [
            "#there",
            "TESTING.md#here",
            "NOWHERE.md",
            "../TESTING.md",
            "https://docs.rs/pool-core/",
        ] {
            assert!(site.follow(&path, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_crate_s_page_stays_in_its_crate() {
        let (site, _) = site("");
        let readme = site.root.join("crates/pool-core/README.md");
        assert!(site.follow(&readme, "CHANGELOG.md").is_ok());
        assert!(site.follow(&readme, "../../README.md").is_err());
    }

    #[test]
    fn code_that_is_no_test_is_found() {
        let text = "```rust\n```\n```rust,ignore\n```\n```text\n```\n```\n```\n";
        let (mut site, path) = site(text);
        assert_eq!(site.untested(&path, &site.pages[&path]).count(), 2);
        site.included.insert(path.clone());
        assert_eq!(site.untested(&path, &site.pages[&path]).count(), 1);
    }
}
