//! A copy of the crates in which sources may be spoilt.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::workspace::Workspace;

/// The published crates and the root manifest, in memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    /// By path from the root, with forward slashes.
    files: BTreeMap<String, Vec<u8>>,
}

impl Tree {
    /// Reads what git knows of, or will know of once it is added, as it stands in the working tree. The root
    /// manifest is told that there is nothing but the crates.
    pub(crate) fn read(workspace: &Workspace) -> Result<Self, String> {
        Self::read_with(workspace, &[])
    }

    /// The same with more packages of the workspace, given by their folders.
    pub(crate) fn read_with(workspace: &Workspace, more: &[&str]) -> Result<Self, String> {
        let root = workspace.root();
        let mut tree = Self::default();
        for file in listed(root)? {
            let wanted = file.starts_with("crates/")
                || file == "Cargo.toml"
                || file == "Cargo.lock"
                || more.iter().any(|folder| file.starts_with(folder));
            // A file may be deleted, but not yet for git.
            if let Some(content) = wanted.then(|| fs::read(root.join(&file)).ok()).flatten() {
                tree.files.insert(file, content);
            }
        }
        tree.edit("Cargo.toml", |text| manifest(text, more))?;
        Ok(tree)
    }

    /// A tree of these files.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let own = |(path, text): &(&str, &str)| ((*path).to_owned(), text.as_bytes().to_vec());
        Self {
            files: files.iter().map(own).collect(),
        }
    }

    /// The text of a file, if it is there.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        std::str::from_utf8(self.files.get(path)?).ok()
    }

    /// Adds a file that is not there.
    pub(crate) fn add(&mut self, path: &str, text: &str) -> Result<(), String> {
        match self.files.insert(path.to_owned(), text.as_bytes().to_vec()) {
            None => Ok(()),
            Some(_) => Err(format!("{path} is there already")),
        }
    }

    /// Changes a file that is there.
    pub(crate) fn edit(
        &mut self,
        path: &str,
        change: impl FnOnce(&str) -> Result<String, String>,
    ) -> Result<(), String> {
        let text = self
            .text(path)
            .ok_or_else(|| format!("{path} is not there"))?;
        let new = change(text).map_err(|error| format!("{path}: {error}"))?;
        self.files.insert(path.to_owned(), new.into_bytes());
        Ok(())
    }

    /// Makes `folder` the same as this tree. A file whose content is the same is left alone, so that cargo builds
    /// again only what has changed.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), String> {
        for (path, content) in &self.files {
            // Cargo rewrites its copy of the lock file, without the packages that are left out here.
            let path = folder.join(path);
            if !(path.ends_with("Cargo.lock") && path.exists()) {
                write(&path, content)?;
            }
        }
        for name in ["crates", "benches"] {
            let inside = folder.join(name);
            if inside.exists() {
                self.remove_others(folder, &inside)?;
            }
        }
        Ok(())
    }

    /// Removes the files that an earlier tree left.
    fn remove_others(&self, root: &Path, folder: &Path) -> Result<(), String> {
        let named = |error: std::io::Error| format!("{}: {error}", folder.display());
        for entry in fs::read_dir(folder).map_err(named)? {
            let path: PathBuf = entry.map_err(named)?.path();
            let name = path
                .strip_prefix(root)
                .unwrap_or(&path)
                .to_string_lossy()
                .replace('\\', "/");
            if path.is_dir() {
                self.remove_others(root, &path)?;
            } else if !self.files.contains_key(&name) {
                fs::remove_file(&path).map_err(named)?;
            }
        }
        Ok(())
    }
}

fn write(path: &Path, content: &[u8]) -> Result<(), String> {
    if fs::read(path).is_ok_and(|old| old == content) {
        return Ok(());
    }
    path.parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(path, content))
        .map_err(|error| format!("{}: {error}", path.display()))
}

fn listed(root: &Path) -> Result<Vec<String>, String> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root)
        .output()
        .map_err(|error| format!("cannot run git: {error}"))?;
    if !output.status.success() {
        return Err(format!(
            "git ls-files: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text
        .split('\0')
        .filter(|file| !file.is_empty())
        .map(str::to_owned)
        .collect())
}

/// The root manifest for the published crates and these folders alone.
fn manifest(text: &str, more: &[&str]) -> Result<String, String> {
    let mut members = 0;
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.starts_with("members = ") {
            members += 1;
            let more = more.iter().map(|folder| folder.trim_end_matches('/'));
            let names: Vec<_> = std::iter::once("crates/*").chain(more).collect();
            lines.push(format!("members = {names:?}"));
        } else if !line.starts_with("default-members = ") {
            lines.push(line.to_owned());
        }
    }
    if members == 1 {
        Ok(lines.join("\n") + "\n")
    } else {
        Err("no line begins with `members = `".to_owned())
    }
}

/// Builds that a copy of the crates makes in target folders that it shares. To cargo the crates of a copy are those of the
/// workspace, and their files may be older than what the other has built: each would run the other's programs. So
/// what is built of them is forgotten, before and after.
pub(crate) struct Borrowed {
    target: PathBuf,
    crates: Vec<String>,
}

impl Borrowed {
    pub(crate) fn new(workspace: &Workspace) -> Self {
        let names = workspace.crates().iter().map(|krate| krate.name.clone());
        let borrowed = Self {
            target: workspace.target().to_owned(),
            crates: names.collect(),
        };
        borrowed.forget(&borrowed.target, 0);
        borrowed
    }

    /// Removes what cargo knows of the crates' builds, wherever they are: `target/xtask/loom/release/.fingerprint`.
    fn forget(&self, folder: &Path, depth: usize) {
        let Ok(entries) = fs::read_dir(folder) else {
            return;
        };
        let is_known = folder.ends_with(".fingerprint");
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_ours = |krate: &String| {
                let hash = name.strip_prefix(krate.as_str());
                hash.is_some_and(|hash| hash.starts_with('-') && !hash[1..].contains('-'))
            };
            if is_known && self.crates.iter().any(is_ours) {
                let _ = fs::remove_dir_all(entry.path());
            } else if !is_known && depth < 5 && !["deps", "copy"].contains(&name.as_str()) {
                self.forget(&entry.path(), depth + 1);
            }
        }
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        self.forget(&self.target, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_names_only_the_crates() {
        let text = "[workspace]\nmembers = [\"crates/*\", \"xtask\"]\ndefault-members = [\"crates/*\"]\n[x]\n";
        assert_eq!(
            manifest(text, &[]).unwrap(),
            "[workspace]\nmembers = [\"crates/*\"]\n[x]\n"
        );
        assert!(
            manifest(text, &["benches/x/"])
                .unwrap()
                .contains("members = [\"crates/*\", \"benches/x\"]\n")
        );
        assert!(manifest("[workspace]\n", &[]).is_err());
    }

    #[test]
    fn the_workspace_is_read() {
        let tree = Tree::read(&Workspace::find().unwrap()).unwrap();
        assert!(tree.text("crates/pool-dequeue/src/lib.rs").is_some());
        assert!(tree.text("xtask/src/main.rs").is_none());
    }

    #[test]
    fn only_what_has_changed_is_written() {
        let folder = std::env::temp_dir().join(format!("xtask-copy-{}", std::process::id()));
        let mut tree = Tree::of(&[
            ("crates/a/x", "1"),
            ("crates/b/y", "2"),
            ("Cargo.lock", "3"),
        ]);
        tree.write(&folder).unwrap();
        let written = || {
            fs::metadata(folder.join("crates/a/x"))
                .unwrap()
                .modified()
                .unwrap()
        };
        let before = written();
        fs::write(folder.join("Cargo.lock"), "cargo's").unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));

        tree.files.remove("crates/b/y");
        tree.write(&folder).unwrap();
        assert_eq!(written(), before);
        assert!(!folder.join("crates/b/y").exists());
        assert_eq!(fs::read(folder.join("Cargo.lock")).unwrap(), b"cargo's");

        tree.edit("crates/a/x", |text| Ok(format!("{text}!")))
            .unwrap();
        tree.write(&folder).unwrap();
        assert_eq!(fs::read(folder.join("crates/a/x")).unwrap(), b"1!");
        assert!(
            tree.edit("crates/b/y", |_| Ok(String::new()))
                .unwrap_err()
                .contains("not there")
        );
        fs::remove_dir_all(&folder).unwrap();
    }
}
