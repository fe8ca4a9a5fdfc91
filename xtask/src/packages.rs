//! The packages of this repository, the published and the others: where they are, what they depend on, and who is
//! built on whom. Read from their manifests.

use std::collections::BTreeSet;
use std::path::Path;

use crate::workspace;

/// A package.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Its folder from the root, with forward slashes.
    pub(crate) folder: String,
    /// What its manifest names as dependencies, of all kinds, ours among them.
    pub(crate) dependencies: Vec<String>,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Packages(Vec<Package>);

impl Packages {
    /// The members of the workspace, and what it excludes: packages, too, but built by themselves.
    pub(crate) fn read(root: &Path) -> Result<Self, String> {
        let manifest = workspace::read(&root.join("Cargo.toml"))?;
        let list = |key| workspace::value(&manifest, "workspace", key).unwrap_or_default();
        let mut found = Vec::new();
        for entry in workspace::quoted(list("members")).chain(workspace::quoted(list("exclude"))) {
            let folders = match entry.strip_suffix("/*") {
                None => vec![root.join(entry)],
                Some(parent) => workspace::folders(&root.join(parent))?,
            };
            for folder in folders {
                let manifest = workspace::read(&folder.join("Cargo.toml"))?;
                let folder = folder.strip_prefix(root).unwrap_or(&folder);
                found.push((folder.to_string_lossy().replace('\\', "/"), manifest));
            }
        }
        let found: Vec<_> = found
            .iter()
            .map(|(a, b)| (a.as_str(), b.as_str()))
            .collect();
        Self::of(&found)
    }

    /// Packages by their folders and manifests.
    pub(crate) fn of(found: &[(&str, &str)]) -> Result<Self, String> {
        let package = |(folder, manifest): &(&str, &str)| {
            let name = workspace::value(manifest, "package", "name")
                .ok_or_else(|| format!("{folder}/Cargo.toml names no package"))?;
            Ok(Package {
                name: name.trim_matches('"').to_owned(),
                folder: (*folder).to_owned(),
                dependencies: dependencies(manifest),
            })
        };
        found
            .iter()
            .map(package)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// One by one.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Package> {
        self.0.iter()
    }

    /// The package that a file belongs to: one package's folder may lie in another's.
    pub(crate) fn owner(&self, file: &str) -> Option<&Package> {
        let inside = |package: &&Package| {
            file.strip_prefix(package.folder.as_str())
                .is_some_and(|rest| rest.starts_with('/'))
        };
        self.iter()
            .filter(inside)
            .max_by_key(|package| package.folder.len())
    }

    /// These packages and all that are built on them, directly or not.
    pub(crate) fn with_dependants(
        &self,
        names: impl IntoIterator<Item = String>,
    ) -> BTreeSet<String> {
        let mut names: BTreeSet<_> = names.into_iter().collect();
        loop {
            let before = names.len();
            for package in self.iter() {
                if package.dependencies.iter().any(|name| names.contains(name)) {
                    names.insert(package.name.clone());
                }
            }
            if names.len() == before {
                return names;
            }
        }
    }
}

/// The names in the tables of dependencies, whatever their kind and target.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut inside = false;
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]");
        } else if inside && !line.starts_with('#') {
            if let Some((key, _)) = line.split_once('=') {
                let name = key.split('.').next().unwrap_or(key).trim();
                names.push(name.to_owned());
            }
        }
    }
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Workspace;

    #[test]
    fn dependencies_of_every_kind_are_found() {
        let manifest = "[package]\nname = \"x\"\n[dependencies]\n# of\na.workspace = true\nb = \"1\"\n\
            [target.'cfg(unix)'.dev-dependencies]\nc = { version = \"1\" }\n[features]\nd = []\n";
        assert_eq!(dependencies(manifest), ["a", "b", "c"]);
    }

    #[test]
    fn the_workspace_is_read() {
        let packages = Packages::read(Workspace::find().unwrap().root()).unwrap();
        let above = packages.with_dependants(["pool-dequeue".to_owned()]);
        for name in [
            "pool-dequeue",
            "pool-chain",
            "pool-core",
            "trials",
            "pool-fuzz",
            "counts",
        ] {
            assert!(above.contains(name), "{name} is built on pool-dequeue");
        }
        assert!(!above.contains("atomic-value") && !above.contains("tally"));
        let owner = |file| Some(packages.owner(file)?.name.as_str());
        assert_eq!(owner("benches/counts/src/main.rs"), Some("counts"));
        assert_eq!(owner("benches/src/lib.rs"), Some("benches"));
        assert_eq!(owner("docs/recipes/rayon.md"), Some("recipes"));
        assert_eq!(owner("docs/tuning.md"), None);
    }
}
