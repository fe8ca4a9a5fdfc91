//! The report: what was measured, as files that can be drawn again without measuring, and as pages and pictures.

pub mod data;
pub mod page;
pub mod plot;
pub mod svg;

use std::fs;
use std::path::{Path, PathBuf};

use data::Data;

/// Where the report is kept, from the top of the repository.
pub const FOLDER: &str = "docs/benchmarks";

/// The top of the repository.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("a package in the repository")
        .to_owned()
}

/// Writes what was measured, so that [`draw`] can be repeated.
///
/// # Errors
///
/// What cannot be written, for the reader.
pub fn save(data: &Data) -> Result<(), String> {
    let folder = root().join(FOLDER);
    for (name, text) in data.files() {
        put(&folder.join(name), &text)?;
    }
    Ok(())
}

/// Draws all pictures and writes the pages, from the files that [`save`] wrote.
///
/// # Errors
///
/// What cannot be read or written, for the reader.
pub fn draw() -> Result<(), String> {
    let folder = root().join(FOLDER);
    let get = |name: &str| {
        let path = folder.join(name);
        fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let data = Data::parse(&get)?;
    // Pictures of workloads that are no more must not stay.
    let old = fs::read_dir(&folder).map_err(|error| error.to_string())?;
    for entry in old.filter_map(Result::ok) {
        if entry
            .path()
            .extension()
            .is_some_and(|extension| extension == "svg")
        {
            fs::remove_file(entry.path()).map_err(|error| error.to_string())?;
        }
    }
    let page = page::report(&data);
    for (name, picture) in &page.pictures {
        put(&folder.join(name), picture)?;
    }
    put(&folder.join("README.md"), &page.text)?;
    let readme = root().join("README.md");
    let text = fs::read_to_string(&readme).map_err(|error| error.to_string())?;
    put(&readme, &page::with_summary(&text, &page.summary)?)
}

fn put(path: &Path, text: &str) -> Result<(), String> {
    let named = |error: std::io::Error| format!("{}: {error}", path.display());
    let folder = path.parent().expect("a file in a folder");
    fs::create_dir_all(folder).map_err(named)?;
    fs::write(path, text).map_err(named)
}
