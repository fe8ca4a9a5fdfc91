//! What the user sees: complaints as they arise, a bar while it lasts, a table at the end.

use std::cell::Cell;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use crate::args::Args;
use crate::counting;
use crate::crew::{Results, WayResult};
use crate::files::Listing;

/// Tells what went wrong with a path, and counts.
#[derive(Debug, Default)]
pub(crate) struct Complaints {
    count: Cell<u64>,
}

impl Complaints {
    /// Says so at once, on a line of its own.
    pub(crate) fn add(&self, path: &Path, what: &dyn Display) {
        self.count.set(self.count.get() + 1);
        // Quoted: names may hold line breaks, escape sequences, and bytes that are no text.
        let _ = writeln!(io::stderr(), "{}compress: {path:?}: {what}", erase());
    }

    /// How many there were.
    pub(crate) fn count(&self) -> u64 {
        self.count.get()
    }
}

/// What makes room for a line where the bar may be.
fn erase() -> &'static str {
    if io::stderr().is_terminal() {
        "\r\x1b[2K"
    } else {
        ""
    }
}

/// A bar on a terminal; nothing elsewhere.
#[derive(Debug)]
pub(crate) struct Progress {
    terminal: bool,
    /// Bytes of all files.
    bytes: u64,
    /// How often each is compressed in each way, as far as is known.
    passes: AtomicU32,
    done: AtomicU64,
}

impl Progress {
    pub(crate) fn new(bytes: u64) -> Self {
        let terminal = io::stderr().is_terminal();
        Self {
            terminal,
            bytes,
            passes: AtomicU32::new(1),
            done: AtomicU64::new(0),
        }
    }

    /// A piece of this length is done.
    pub(crate) fn add(&self, bytes: u64) {
        self.done.fetch_add(bytes, Relaxed);
    }

    /// It is known now how many there will be.
    pub(crate) fn expect_passes(&self, passes: u32) {
        self.passes.store(passes, Relaxed);
    }

    /// Draws the bar.
    pub(crate) fn show(&self) {
        if !self.terminal {
            return;
        }
        const WIDTH: u64 = 40;
        // Three ways, and once for what they are compared with.
        let all = self.bytes * (1 + 3 * u64::from(self.passes.load(Relaxed)));
        let done = self.done.load(Relaxed).min(all);
        let full = (done * WIDTH).checked_div(all).unwrap_or(0);
        let percent = (done * 100).checked_div(all).unwrap_or(0);
        let bar: String = (0..WIDTH)
            .map(|at| if at < full { '█' } else { '·' })
            .collect();
        let _ = write!(
            io::stderr(),
            "\r\x1b[2K{bar} {percent:>3} %  {} of {}",
            size(done),
            size(all)
        );
    }

    /// Removes it.
    pub(crate) fn finish(&self) {
        let _ = write!(io::stderr(), "{}", erase());
    }
}

/// Says what will be done.
pub(crate) fn opening(args: &Args, listing: &Listing) {
    let mut text = format!(
        "{} regular files, {}, below {:?}\n",
        listing.files.len(),
        size(listing.bytes),
        args.dir
    );
    if listing.links > 0 {
        text += &format!("not followed: {} symbolic links\n", listing.links);
    }
    if listing.special > 0 {
        text += &format!("not read: {} sockets, pipes and devices\n", listing.special);
    }
    for cache in &listing.caches {
        text += &format!("left out, a cache by its CACHEDIR.TAG (--all includes it): {cache:?}\n");
    }
    print(&text);
}

/// Says what came of it.
pub(crate) fn table(results: &Results, complaints: &Complaints) {
    let ways = &results.ways;
    let mut text = format!(
        "\n{} files, {} in {} pieces, to {}; {} times in each way, on {} threads.\n\
         The ways agree byte for byte, and the original comes back from the result.\n\n",
        results.files,
        size(results.bytes),
        results.pieces,
        size(results.compressed),
        results.passes,
        results.threads
    );
    let passes = f64::from(results.passes);
    let rate = |what: u64, way: &WayResult| what as f64 * passes / way.time.as_secs_f64().max(1e-9);
    let mut row = |head: &str, cell: &dyn Fn(&WayResult) -> String| {
        text += &format!("{head:<26}");
        for way in ways {
            text += &format!("{:>16}", cell(way));
        }
        text += "\n";
    };
    row("", &|way| way.name.to_owned());
    row("MB/s", &|way| {
        format!("{:.1}", rate(results.bytes, way) / 1e6)
    });
    row("files/s", &|way| format!("{:.0}", rate(results.files, way)));
    row("allocations", &|way| way.allocations.to_string());
    row("bytes allocated", &|way| size(way.allocated));
    row("objects created", &|way| way.created.to_string());
    row("objects reused", &|way| some(way.reused));
    let level = |way: &WayResult, get: &dyn Fn(&pool_core::Stats) -> u64| {
        some(way.levels.as_ref().map(get))
    };
    row("  from the thread's cache", &|way| {
        level(way, &|stats| stats.cache_hits)
    });
    row("  from its own chain", &|way| {
        level(way, &|stats| stats.chain_hits)
    });
    row("  stolen from another", &|way| {
        level(way, &|stats| stats.steals)
    });
    row("  saved from the victims", &|way| {
        level(way, &|stats| stats.victim_hits)
    });
    row("memory held at the end", &|way| size(way.held.0 as u64));
    row("  and two rotations later", &|way| size(way.held.1 as u64));
    text += &format!(
        "\nmost memory in use at any time: {}\n",
        size(counting::peak() as u64)
    );
    if complaints.count() > 0 {
        text += &format!(
            "{} things could not be read, see above\n",
            complaints.count()
        );
    }
    print(&text);
}

/// Prints; a reader that went away is no reason to fail.
fn print(text: &str) {
    let mut out = io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn some(count: Option<u64>) -> String {
    count.map_or_else(|| "-".to_owned(), |count| count.to_string())
}

/// A number of bytes, with three digits.
fn size(bytes: u64) -> String {
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64;
    let mut unit = "B";
    for larger in ["kB", "MB", "GB", "TB", "PB", "EB"] {
        if value < 999.5 {
            break;
        }
        value /= 1000.0;
        unit = larger;
    }
    let digits = if value < 9.995 {
        2
    } else {
        usize::from(value < 99.95)
    };
    format!("{value:.digits$} {unit}")
}
