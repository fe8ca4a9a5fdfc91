//! Finds the files and reads them in pieces, whatever else happens to them meanwhile.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::report::Complaints;

/// The longest piece that is compressed at once.
const PIECE: usize = 4 << 20;

/// What lies below a folder.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Regular files, in order of their names, with their lengths.
    pub(crate) files: Vec<(PathBuf, u64)>,
    /// The sum of the lengths.
    pub(crate) bytes: u64,
    /// Symbolic links, which are not followed: they may lead in circles, and out of the folder.
    pub(crate) links: usize,
    /// Sockets, pipes and devices.
    pub(crate) special: usize,
    /// Folders left out because they are marked as caches.
    pub(crate) caches: Vec<PathBuf>,
}

/// Lists the files below `dir`; what cannot be listed is complained about.
pub(crate) fn list(dir: &Path, all: bool, complaints: &Complaints) -> Listing {
    let mut listing = Listing::default();
    // `dir` itself may be a link, and may be a cache: it was asked for.
    match fs::metadata(dir) {
        Ok(kind) if kind.is_dir() => {}
        Ok(_) => {
            complaints.add(dir, &"is not a folder");
            return listing;
        }
        Err(error) => {
            complaints.add(dir, &error);
            return listing;
        }
    }
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) => {
                complaints.add(&folder, &error);
                continue;
            }
        };
        for entry in entries {
            let found = entry.and_then(|entry| Ok((entry.path(), entry.metadata()?)));
            let (path, kind) = match found {
                Ok(found) => found,
                // It went away between being named and being looked at: then it is not there.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => {
                    complaints.add(&folder, &error);
                    continue;
                }
            };
            if kind.is_file() {
                listing.bytes += kind.len();
                listing.files.push((path, kind.len()));
            } else if kind.is_symlink() {
                listing.links += 1;
            } else if !kind.is_dir() {
                listing.special += 1;
            } else if !all && is_cache(&path) {
                listing.caches.push(path);
            } else {
                folders.push(path);
            }
        }
    }
    listing.files.sort();
    listing.caches.sort();
    listing
}

/// Whether the folder is marked as a cache, as <https://bford.info/cachedir/> describes it.
fn is_cache(folder: &Path) -> bool {
    let signature = b"Signature: 8a477f597d28d172789f06886806bc55";
    let mut start = [0; 43];
    let tag = File::open(folder.join("CACHEDIR.TAG"));
    tag.and_then(|mut tag| tag.read_exact(&mut start)).is_ok() && start == *signature
}

/// A piece of a file, which is all of it unless it is long.
#[derive(Debug)]
pub(crate) struct Piece {
    /// The place of its file in the listing.
    pub(crate) file: usize,
    pub(crate) data: Vec<u8>,
    /// The file ends here.
    pub(crate) last: bool,
}

/// Reads the listed files one after the other.
#[derive(Debug)]
pub(crate) struct Pieces<'a> {
    listing: &'a Listing,
    complaints: &'a Complaints,
    next: usize,
    /// The file being read and how much of it may still be.
    open: Option<(File, u64)>,
    piece: usize,
}

impl<'a> Pieces<'a> {
    /// Pieces of at most `memory` bytes.
    pub(crate) fn new(listing: &'a Listing, memory: usize, complaints: &'a Complaints) -> Self {
        Self {
            listing,
            complaints,
            next: 0,
            open: None,
            piece: PIECE.min(memory),
        }
    }

    /// Pieces of about `memory` bytes together, fewer at the end; `None` after the last.
    pub(crate) fn batch(&mut self, memory: usize) -> Option<Vec<Piece>> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while bytes + self.piece <= memory.max(self.piece) {
            let Some(piece) = self.next() else { break };
            bytes += piece.data.len();
            batch.push(piece);
        }
        (!batch.is_empty()).then_some(batch)
    }

    /// The next piece; files that cannot be read are complained about and left out.
    fn next(&mut self) -> Option<Piece> {
        loop {
            let (path, _) = self.listing.files.get(self.next)?;
            let complain = |error: std::io::Error| match error.kind() {
                ErrorKind::NotFound => self.complaints.add(path, &"vanished after it was listed"),
                _ => self.complaints.add(path, &error),
            };
            let (mut file, left) = match self.open.take() {
                Some(open) => open,
                None => match open(path) {
                    Ok(open) => open,
                    Err(error) => {
                        complain(error);
                        self.next += 1;
                        continue;
                    }
                },
            };
            let want = left.min(self.piece as u64);
            let mut data = Vec::with_capacity(want as usize);
            if let Err(error) = file.by_ref().take(want).read_to_end(&mut data) {
                complain(error);
                self.next += 1;
                continue;
            }
            // Shorter than it was: someone cut it. What is left counts.
            let left = if (data.len() as u64) < want {
                0
            } else {
                left - want
            };
            let piece = Piece {
                file: self.next,
                data,
                last: left == 0,
            };
            if left == 0 {
                self.next += 1;
            } else {
                self.open = Some((file, left));
            }
            return Some(piece);
        }
    }
}

/// Opens a file and says how much of it to read: what it holds now, so that a file that is being
/// written to ends, too. Some that the system makes up say 0 and hold something.
fn open(path: &Path) -> std::io::Result<(File, u64)> {
    let file = File::open(path)?;
    let kind = file.metadata()?;
    if !kind.is_file() {
        return Err(std::io::Error::other("is no longer a regular file"));
    }
    let length = if kind.len() == 0 {
        PIECE as u64
    } else {
        kind.len()
    };
    Ok((file, length))
}
