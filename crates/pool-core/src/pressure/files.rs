//! Small things that the Linux sources share: reading the kernel's files from their start, and asking whether one of
//! them is gone.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::fs::FileExt;

/// The most of a file that is read; the longest of these files has some hundred bytes.
const MOST: usize = 4096;

/// The text of one of the kernel's files, which is made anew for each read from the start.
pub(super) fn read(file: &File) -> io::Result<String> {
    let mut text = vec![0; MOST];
    let mut len = 0;
    // A read into no room ends it, too.
    loop {
        match file.read_at(&mut text[len..], len as u64) {
            Ok(0) => break,
            Ok(count) => len += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    text.truncate(len);
    String::from_utf8(text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Whether the kernel says that a watched file has nothing to say any more, as when its cgroup was removed.
pub(super) fn is_gone(file: BorrowedFd<'_>) -> bool {
    let mut entry = libc::pollfd {
        fd: file.as_raw_fd(),
        events: 0,
        revents: 0,
    };
    // SAFETY: one entry, ours for the time of the call.
    unsafe { libc::poll(&mut entry, 1, 0) };
    // Asked for nothing, it tells of errors and of the other end's going alone.
    entry.revents != 0
}

#[cfg(test)]
mod tests {
    use std::os::fd::{AsFd, OwnedFd};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "reads files")]
    fn from_the_start_up_to_a_bound() {
        let path = std::env::temp_dir().join(format!("pool-core-files-{}", std::process::id()));
        for (written, len) in [(0, 0), (5, 5), (MOST, MOST), (MOST + 1, MOST)] {
            std::fs::write(&path, "x".repeat(written)).unwrap();
            let file = File::open(&path).unwrap();
            for _ in 0..2 {
                assert_eq!(read(&file).unwrap(), "x".repeat(len));
            }
        }
        std::fs::write(&path, b"\xff").unwrap();
        let error = read(&File::open(&path).unwrap()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        std::fs::remove_file(&path).unwrap();
        let folder = File::open("/").unwrap();
        assert!(read(&folder).is_err(), "nothing to read");
    }

    #[test]
    #[cfg_attr(miri, ignore = "asks the kernel")]
    fn gone_with_the_other_end() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let ours = OwnedFd::from(ours);
        assert!(!is_gone(ours.as_fd()));
        drop(theirs);
        assert!(is_gone(ours.as_fd()));
    }
}
