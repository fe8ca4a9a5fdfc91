//! The crates with atomics that count: a copy in which each facade takes its atomics from `tally`.
//!
//! The shipped facade knows nothing of it. What is replaced in the copy is named here line by line, so that a change of
//! the facade that would leave something uncounted fails the build of the copy.

use std::path::PathBuf;

use crate::copy::Tree;
use crate::workspace::Workspace;

/// Each of these must be in the facade.
const EDITS: &[(&str, &str)] = &[
    (
        "    pub(crate) use core::sync::atomic::AtomicU64;\n",
        "    pub(crate) use tally::atomic::AtomicU64;\n",
    ),
    (
        "    pub(crate) use core::sync::atomic::{\n",
        "    pub(crate) use tally::atomic::{\n",
    ),
    (
        "    impl<T: ?Sized> UnsafeCell<T> {\n",
        "    impl<T> UnsafeCell<T> {\n",
    ),
    (
        "(&self, f: impl FnOnce(*const T) -> R) -> R {\n",
        "(&self, f: impl FnOnce(*const T) -> R) -> R {\n            \
         tally::access(tally::Access::PlainRead, self.0.get().addr(), size_of::<T>());\n",
    ),
    (
        "(&self, f: impl FnOnce(*mut T) -> R) -> R {\n",
        "(&self, f: impl FnOnce(*mut T) -> R) -> R {\n            \
         tally::access(tally::Access::PlainWrite, self.0.get().addr(), size_of::<T>());\n",
    ),
];

/// Where the part for production ends and the model checker's begins, which stays as it is.
const END: &str = "#[cfg(pool_loom)]\nmod imp {";

fn facade(text: &str) -> Result<String, String> {
    let end = text
        .find(END)
        .ok_or("the model checker's part is not where it was")?;
    let (production, rest) = text.split_at(end);
    let mut production = production.to_owned();
    for (old, new) in EDITS {
        if production.matches(old).count() != 1 {
            return Err(format!("not there once: {old}"));
        }
        production = production.replace(old, new);
    }
    Ok(production + rest)
}

/// Makes the copy and says where it is.
pub(crate) fn copy(workspace: &Workspace) -> Result<PathBuf, String> {
    let mut tree = Tree::read_with(workspace, &["benches/tally/", "benches/counts/"])?;
    for krate in workspace.names() {
        tree.edit(&format!("crates/{krate}/src/sync.rs"), facade)?;
        tree.edit(&format!("crates/{krate}/Cargo.toml"), |text| {
            Ok(format!(
                "{text}\n[dependencies.tally]\npath = \"../../benches/tally\"\n"
            ))
        })?;
    }
    let folder = workspace.target_for("counting").join("source");
    tree.write(&folder)?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_facade_can_be_made_to_count() {
        let workspace = Workspace::find().unwrap();
        let tree = Tree::read(&workspace).unwrap();
        for krate in workspace.names() {
            let text = tree.text(&format!("crates/{krate}/src/sync.rs")).unwrap();
            let counting = facade(text).unwrap();
            let (production, rest) = counting.split_at(counting.find(END).unwrap());
            assert!(
                !production.contains("core::sync::atomic"),
                "{krate} has more atomics"
            );
            assert_eq!(rest, &text[text.find(END).unwrap()..]);
        }
    }

    #[test]
    fn a_facade_that_has_changed_is_noticed() {
        assert!(facade("").is_err());
        assert!(facade(END).unwrap_err().contains("not there once"));
    }
}
