//! Facts about the workspace, read from its manifests and its folders rather than listed here, so
//! that a new crate, model or feature is checked from the day it exists.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::step::Invocation;

/// The workspace that xtask belongs to.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
    crates: Vec<Crate>,
    rust_version: String,
}

/// One of the published crates.
#[derive(Clone, Debug)]
pub(crate) struct Crate {
    /// Its name, which is its folder's name, too.
    pub(crate) name: String,
    /// Its folder.
    pub(crate) dir: PathBuf,
    /// Those that are on unless one says otherwise.
    default_features: Vec<String>,
    /// All its features but `default`.
    pub(crate) features: Vec<String>,
    /// Whether it has models for loom.
    pub(crate) has_models: bool,
    /// The crates of this workspace that it is built on, directly.
    pub(crate) needs: Vec<String>,
}

impl Crate {
    /// As Rust code spells it.
    pub(crate) fn ident(&self) -> String {
        self.name.replace('-', "_")
    }

    /// Its features without `loom`, which is for the models only.
    pub(crate) fn public_features(&self) -> impl Iterator<Item = &str> {
        let features = self.features.iter().map(String::as_str);
        features.filter(|name| *name != "loom")
    }

    /// What has to be switched on to have all of them, if anything has to be.
    pub(crate) fn optional_features(&self) -> Option<String> {
        let off: Vec<_> = self
            .public_features()
            .filter(|name| !self.default_features.iter().any(|on| on == name))
            .collect();
        (!off.is_empty()).then(|| off.join(","))
    }

    /// Whether `--no-default-features` changes anything.
    pub(crate) fn has_default_features(&self) -> bool {
        !self.default_features.is_empty()
    }
}

impl Workspace {
    /// Finds out where we are.
    pub(crate) fn find() -> Result<Self, String> {
        let built = env!("CARGO_MANIFEST_DIR");
        // Cargo names another package here when we are the runner of its tests, see `cmd::apart`.
        let own = std::env::var_os("CARGO_MANIFEST_DIR")
            .map(PathBuf::from)
            .filter(|own| own.file_name() == Path::new(built).file_name())
            .unwrap_or_else(|| PathBuf::from(built));
        let root = own.parent().ok_or("xtask has no parent folder")?.to_owned();
        let manifest = read(&root.join("Cargo.toml"))?;
        let rust_version = value(&manifest, "workspace.package", "rust-version")
            .ok_or("the root Cargo.toml states no rust-version")?
            .trim_matches('"')
            .to_owned();
        let mut crates = Vec::new();
        for dir in folders(&root.join("crates"))? {
            let manifest = read(&dir.join("Cargo.toml"))?;
            let name = dir
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let default = value(&manifest, "features", "default").unwrap_or_default();
            crates.push(Crate {
                default_features: quoted(default).map(str::to_owned).collect(),
                features: features(&manifest),
                has_models: dir.join("tests").join("loom.rs").exists(),
                dir,
                name,
                needs: Vec::new(),
            });
        }
        // Lower layers first: what fails there explains what fails above.
        let names: Vec<String> = crates.iter().map(|krate| krate.name.clone()).collect();
        for krate in &mut crates {
            let manifest = read(&krate.dir.join("Cargo.toml"))?;
            let below = |name: &&String| {
                let line = format!("\n{name}");
                manifest.contains(&format!("{line}.workspace"))
                    || manifest.contains(&format!("{line} = "))
            };
            krate.needs = names.iter().filter(below).cloned().collect();
        }
        crates.sort_by_cached_key(|krate| (krate.needs.len(), krate.name.clone()));
        let target = target_directory(&root)?;
        Ok(Self {
            root,
            target,
            crates,
            rust_version,
        })
    }

    /// The top folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where cargo builds.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// A folder for builds with other flags, which would throw out those in [`Self::target`].
    pub(crate) fn target_for(&self, what: &str) -> PathBuf {
        self.target.join("xtask").join(what)
    }

    /// The published crates, the lower layers first.
    pub(crate) fn crates(&self) -> &[Crate] {
        &self.crates
    }

    /// The options that choose all of them, with all features.
    pub(crate) fn with_all_features(&self) -> String {
        let mut line = String::new();
        for krate in &self.crates {
            line += &format!(" -p {}", krate.name);
            for feature in krate.public_features() {
                line += &format!(" --features {}/{feature}", krate.name);
            }
        }
        line
    }

    /// One of them.
    pub(crate) fn krate(&self, name: &str) -> Option<&Crate> {
        self.crates.iter().find(|krate| krate.name == name)
    }

    /// Whether the crate is built on `name`, directly or not.
    pub(crate) fn is_above(&self, krate: &Crate, name: &str) -> bool {
        krate.needs.iter().any(|need| {
            need == name
                || self
                    .krate(need)
                    .is_some_and(|need| self.is_above(need, name))
        })
    }

    /// Their names.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.crates
            .iter()
            .map(|krate| krate.name.as_str())
            .collect()
    }

    /// The oldest Rust that the manifests promise to build with.
    pub(crate) fn rust_version(&self) -> &str {
        &self.rust_version
    }
}

/// Reads a text file; the error names it.
pub(crate) fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// The folders inside a folder, sorted.
pub(crate) fn folders(path: &Path) -> Result<Vec<PathBuf>, String> {
    let named = |error: io::Error| format!("{}: {error}", path.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(named)? {
        let path = entry.map_err(named)?.path();
        if path.join("Cargo.toml").exists() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The value of `key` in `[table]` of a manifest, as it is written.
pub(crate) fn value<'m>(manifest: &'m str, table: &str, key: &str) -> Option<&'m str> {
    let mut inside = false;
    for line in manifest.lines() {
        let line = line.trim();
        if line.starts_with('[') {
            inside = line.trim_matches(['[', ']']) == table;
        } else if inside {
            if let Some((name, value)) = line.split_once('=') {
                if name.trim() == key {
                    return Some(value.trim());
                }
            }
        }
    }
    None
}

/// The texts between quotation marks.
pub(crate) fn quoted(list: &str) -> impl Iterator<Item = &str> {
    list.split('"').skip(1).step_by(2)
}

/// The features that a manifest declares, but for `default`.
fn features(manifest: &str) -> Vec<String> {
    manifest
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != "[features]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| Some(line.split_once('=')?.0.trim()))
        .filter(|name| *name != "default")
        .map(str::to_owned)
        .collect()
}

/// Asks cargo where it builds: it may be told by a variable or by several files.
fn target_directory(root: &Path) -> Result<PathBuf, String> {
    let invocation = Invocation::cargo("metadata --no-deps --format-version 1");
    let output = std::process::Command::new(&invocation.program)
        .args(&invocation.args)
        .current_dir(root)
        .output()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let value = text
        .split_once("\"target_directory\":\"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .ok_or("cargo metadata names no target directory")?;
    Ok(PathBuf::from(value.0.replace("\\\\", "\\")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_in_their_table() {
        let manifest =
            "[package]\nname = \"x\"\n[features]\ndefault = [\"alloc\"] # on\n\n[dependencies]\n";
        assert_eq!(
            value(manifest, "features", "default"),
            Some("[\"alloc\"] # on")
        );
        assert_eq!(value(manifest, "package", "default"), None);
        assert!(features(manifest).is_empty());
        let manifest =
            "[features]\ndefault = [\"a\"]\n# one\na = []\nb = [\"dep:b\"]\n\n[lints]\nc = 1\n";
        assert_eq!(features(manifest), ["a", "b"]);
    }

    #[test]
    fn lower_layers_come_first() {
        let workspace = Workspace::find().unwrap();
        let names = workspace.names();
        let place = |name| names.iter().position(|known| *known == name).unwrap();
        assert!(place("pool-dequeue") < place("pool-chain"));
        assert!(place("pool-chain") < place("pool-core"));
        let dequeue = workspace.krate("pool-dequeue").unwrap();
        assert!(dequeue.has_default_features());
        assert_eq!(dequeue.optional_features(), None);
        let core = workspace.krate("pool-core").unwrap();
        assert!(!core.has_default_features());
        let features = core.optional_features();
        assert_eq!(features.as_deref(), Some("bytes,metrics,tracing"));
    }
}
