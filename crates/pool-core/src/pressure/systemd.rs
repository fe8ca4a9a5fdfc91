//! What systemd tells its services: a file to watch and a line to write to it, in two environment variables.
//!
//! The protocol is systemd's "Memory Pressure Handling": `MEMORY_PRESSURE_WATCH` names a file of the kernel's, a named
//! pipe or a socket, or `/dev/null` for those who shall not watch; `MEMORY_PRESSURE_WRITE` has what to write to it
//! first, in Base64. Events are priority events of a file, and something to read from pipes and sockets.

use std::env;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::{Pressure, PressureSource, Watch, files};
use crate::sync::{AtomicBool, Ordering};

/// A source that listens to whoever started the program, by the protocol that systemd has for that.
///
/// Each event is [`Pressure::Medium`].
#[derive(Debug)]
pub struct Systemd {
    file: File,
    /// A file of the kernel's, and not a pipe or socket.
    priority: bool,
    closed: AtomicBool,
}

impl Systemd {
    /// Whether the environment says that memory pressure is not to be handled at all.
    pub(super) fn is_off() -> bool {
        env::var_os("MEMORY_PRESSURE_WATCH").is_some_and(|path| path == "/dev/null")
    }

    /// As the environment says; `None` when it says nothing, or not to watch.
    ///
    /// # Errors
    ///
    /// When a variable makes no sense, or the file cannot be opened or written to.
    pub fn from_env() -> io::Result<Option<Self>> {
        let Some(path) = env::var_os("MEMORY_PRESSURE_WATCH").filter(|path| !path.is_empty())
        else {
            return Ok(None);
        };
        if Self::is_off() {
            return Ok(None);
        }
        let line = match env::var("MEMORY_PRESSURE_WRITE") {
            Ok(text) => decode(&text).ok_or_else(|| {
                io::Error::new(
                    ErrorKind::InvalidData,
                    format!("MEMORY_PRESSURE_WRITE is to be Base64, given was {text:?}"),
                )
            })?,
            Err(_) => Vec::new(),
        };
        Self::new(Path::new(&path), &line).map(Some)
    }

    /// A file, a named pipe or a socket to watch, and what to write to it first.
    ///
    /// # Errors
    ///
    /// When it is neither of these, or cannot be opened or written to.
    pub fn new(path: impl AsRef<Path>, line: &[u8]) -> io::Result<Self> {
        let path = path.as_ref();
        if !path.is_absolute() {
            return Err(io::Error::new(
                ErrorKind::InvalidInput,
                format!("the file to watch has an absolute path, given was {path:?}"),
            ));
        }
        let kind = std::fs::metadata(path)?.file_type();
        let mut file = if kind.is_socket() {
            let socket = UnixStream::connect(path)?;
            socket.set_nonblocking(true)?;
            File::from(OwnedFd::from(socket))
        } else if kind.is_file() || kind.is_fifo() {
            // A pipe that is open for writing too never ends.
            OpenOptions::new()
                .read(true)
                .write(true)
                .custom_flags(libc::O_NONBLOCK)
                .open(path)?
        } else {
            return Err(io::Error::new(
                ErrorKind::InvalidInput,
                format!("what is watched is a file, a pipe or a socket, given was {path:?}"),
            ));
        };
        if !line.is_empty() {
            file.write_all(line)?;
        }
        Ok(Self {
            file,
            priority: kind.is_file(),
            closed: AtomicBool::new(false),
        })
    }

    /// Reads what a pipe or socket has; says whether there was something.
    fn drain(&self) -> bool {
        let mut something = false;
        // Bounded, in case somebody writes without end.
        for _ in 0..64 {
            match (&self.file).read(&mut [0; 1024]) {
                Ok(0) => {
                    self.close();
                    break;
                }
                Ok(_) => something = true,
                // What is left speaks up again.
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
                {
                    break;
                }
                Err(_) => {
                    self.close();
                    break;
                }
            }
        }
        something
    }

    fn close(&self) {
        // ORDERING: Relaxed. Only asked by the thread that asks for the pressure.
        self.closed.store(true, Ordering::Relaxed);
    }
}

impl PressureSource for Systemd {
    fn pressure(&self, ready: bool) -> Pressure {
        let event = if !ready {
            false
        } else if !self.priority {
            self.drain()
        } else {
            // Some files keep saying that they have changed until they are read.
            _ = files::read(&self.file);
            let gone = files::is_gone(self.file.as_fd());
            if gone {
                self.close();
            }
            !gone
        };
        if event {
            Pressure::Medium
        } else {
            Pressure::None
        }
    }

    fn interval(&self) -> Option<Duration> {
        None
    }

    fn watch(&self) -> Option<Watch<'_>> {
        // ORDERING: Relaxed, as in `close`.
        let closed = self.closed.load(Ordering::Relaxed);
        (!closed).then(|| Watch {
            file: self.file.as_fd(),
            priority: self.priority,
        })
    }
}

/// Base64 with or without the padding; None for anything else.
fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.trim().trim_end_matches('=');
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    for group in text.as_bytes().chunks(4) {
        let mut bits = 0u32;
        for &symbol in group {
            let value = match symbol {
                b'A'..=b'Z' => symbol - b'A',
                b'a'..=b'z' => symbol - b'a' + 26,
                b'0'..=b'9' => symbol - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            bits = bits * 64 + u32::from(value);
        }
        // Two symbols make one byte, three make two, and one makes none.
        let count = match group.len() {
            1 => return None,
            len => len - 1,
        };
        let bits = bits << (6 * (4 - group.len()));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..=count]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A socket stands for the file: unlike those of the system it can be made to go away.
    #[test]
    #[cfg_attr(miri, ignore = "asks the kernel")]
    fn a_file_that_goes_is_not_watched_any_more() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let source = Systemd {
            file: File::from(OwnedFd::from(ours)),
            priority: true,
            closed: AtomicBool::new(false),
        };
        assert_eq!(source.pressure(false), Pressure::None);
        assert_eq!(source.pressure(true), Pressure::Medium);
        assert!(source.watch().is_some_and(|watch| watch.priority));
        drop(theirs);
        assert_eq!(source.pressure(true), Pressure::None);
        assert!(source.watch().is_none());
    }

    #[test]
    fn base64() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("Zg==", b"f"),
            ("Zm8=", b"fo"),
            ("Zm9v", b"foo"),
            ("Zm9vYg", b"foob"),
            ("c29tZSAyMDAwMDAgMjAwMDAwMAA=", b"some 200000 2000000\0"),
            ("+/+/", &[0xfb, 0xff, 0xbf]),
        ] {
            assert_eq!(decode(text).as_deref(), Some(bytes), "{text}");
        }
        for bad in ["Z", "Zm9vY", "Zm 9", "Zm-_", "Zg==Zg=="] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
