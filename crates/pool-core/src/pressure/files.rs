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
    while len < MOST {
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
    let found = unsafe { libc::poll(&mut entry, 1, 0) };
    found > 0 && entry.revents & (libc::POLLERR | libc::POLLHUP | libc::POLLNVAL) != 0
}
