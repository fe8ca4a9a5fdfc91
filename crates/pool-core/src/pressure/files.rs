//! Small things that the Linux sources share: reading the kernel's files from their start, and asking whether one of
//! them is gone.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::fs::FileExt;

/// The most of a file that is read; the longest of these files has some hundred bytes.
const MOST: usize = 4096;

/// The text of one of the kernel's files, which is made anew for each read from the start.
pub(super) fn read(file: &impl FileExt) -> io::Result<String> {
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
    use std::cell::Cell;
    use std::fs::File;
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

    /// A file in which every other read is interrupted.
    struct Interrupted {
        text: &'static [u8],
        reads: Cell<usize>,
    }

    impl FileExt for Interrupted {
        fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
            let reads = self.reads.get();
            self.reads.set(reads + 1);
            assert!(reads < 10, "read again and again");
            if reads % 2 == 0 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            // In two parts, so that what was read is not read again after an interruption.
            let left = &self.text[offset as usize..];
            let count = left.len().min(buffer.len()).min(3);
            buffer[..count].copy_from_slice(&left[..count]);
            Ok(count)
        }

        fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    #[test]
    fn a_signal_ends_no_read() {
        let file = Interrupted {
            text: b"total",
            reads: Cell::new(0),
        };
        assert_eq!(read(&file).unwrap(), "total");
        assert_eq!(file.reads.get(), 6);
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
