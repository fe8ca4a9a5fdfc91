//! Where buffers, reports and compressors come from: pools, or the allocator each time.

use std::fmt::Debug;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use bytes::Bytes;
use flate2::{Compress, Compression, Crc, FlushCompress, Status};
use pool_core::{Pool, PooledOwned, Recycle};

use crate::report::Report;

/// How hard a compressor tries: speed is what an answer needs.
const LEVEL: Compression = Compression::new(1);

/// The largest buffer that is worth keeping.
const KEPT: usize = 1 << 20;

/// How long a generation of the pools lasts.
pub const PERIOD: std::time::Duration = std::time::Duration::from_millis(500);

/// The source of what a request needs for a while.
pub trait Parts: Debug + Send + Sync + 'static {
    /// An empty buffer, to be held across an await.
    type Buffer: DerefMut<Target = Vec<u8>> + AsRef<[u8]> + Send + Sync + 'static;

    /// An empty buffer.
    fn buffer(&self) -> Self::Buffer;

    /// Runs with a report, whatever is in it.
    fn with_report<R>(&self, run: impl FnOnce(&mut Report) -> R) -> R;

    /// Runs with a compressor that is at its beginning.
    fn with_compressor<R>(&self, run: impl FnOnce(&mut Compress) -> R) -> R;

    /// What became of the items of each pool.
    fn accounts(&self) -> Vec<Account>;
}

/// What became of the items of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Of which pool.
    pub name: &'static str,
    /// How many were made.
    pub made: u64,
    /// How many the pool has dropped.
    pub dropped: u64,
    /// How many lie in it.
    pub idle: u64,
}

impl Account {
    /// How many are out; `None` if the counts do not add up. Each is read by itself, so that may be while the pool is
    /// in use: an item may be counted as dropped that was made after those that were made had been counted. When the
    /// pool is not in use it means that the pool has miscounted.
    #[must_use]
    pub fn on_loan(&self) -> Option<u64> {
        self.made.checked_sub(self.dropped.checked_add(self.idle)?)
    }
}

/// Everything from a pool.
#[derive(Debug)]
pub struct Pooled {
    buffers: Arc<Pool<Buffer>>,
    reports: Arc<Pool<Box<Report>>>,
    compressors: Arc<Pool<Compress>>,
}

/// A buffer that shows its bytes, as [`Bytes::from_owner`] wants it.
#[derive(Debug, Default)]
pub struct Buffer(Vec<u8>);

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Deref for Buffer {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl Default for Pooled {
    fn default() -> Self {
        // Cleared when they come back, and dropped when a rare large request has blown them up.
        let buffers = Pool::builder(Buffer::default as fn() -> Buffer)
            .recycle(|buffer| {
                buffer.clear();
                if buffer.capacity() <= KEPT {
                    Recycle::Keep
                } else {
                    Recycle::Discard
                }
            })
            .rotate_every(PERIOD);
        let reports = Pool::builder(Box::default as fn() -> Box<Report>)
            .recycle(|report| {
                if report.is_huge() {
                    Recycle::Discard
                } else {
                    Recycle::Keep
                }
            })
            .rotate_every(PERIOD);
        let compressors = Pool::builder(compressor as fn() -> Compress)
            .recycle(|compressor| {
                compressor.reset();
                Recycle::Keep
            })
            .rotate_every(PERIOD);
        // A server that nobody asks anything gives its memory back all the same.
        Self {
            buffers: buffers.build_reaped(),
            reports: reports.build_reaped(),
            compressors: compressors.build_reaped(),
        }
    }
}

fn compressor() -> Compress {
    Compress::new(LEVEL, false)
}

/// A buffer on loan.
#[derive(Debug)]
pub struct Loan(PooledOwned<Buffer>);

impl AsRef<[u8]> for Loan {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Deref for Loan {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Loan {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

fn account<T>(name: &'static str, pool: &Pool<T>) -> Account {
    let stats = pool.stats();
    Account {
        name,
        made: stats.creates,
        dropped: stats.discards.total(),
        idle: stats.idle as u64,
    }
}

impl Parts for Pooled {
    type Buffer = Loan;

    fn buffer(&self) -> Loan {
        Loan(self.buffers.get_owned())
    }

    fn with_report<R>(&self, run: impl FnOnce(&mut Report) -> R) -> R {
        run(&mut self.reports.get())
    }

    fn with_compressor<R>(&self, run: impl FnOnce(&mut Compress) -> R) -> R {
        run(&mut self.compressors.get())
    }

    fn accounts(&self) -> Vec<Account> {
        vec![
            account("buffers", &self.buffers),
            account("reports", &self.reports),
            account("compressors", &self.compressors),
        ]
    }
}

/// Everything anew for each request.
#[derive(Debug, Default)]
pub struct Anew;

impl Parts for Anew {
    type Buffer = Buffer;

    fn buffer(&self) -> Buffer {
        Buffer::default()
    }

    fn with_report<R>(&self, run: impl FnOnce(&mut Report) -> R) -> R {
        run(&mut Report::default())
    }

    fn with_compressor<R>(&self, run: impl FnOnce(&mut Compress) -> R) -> R {
        run(&mut compressor())
    }

    fn accounts(&self) -> Vec<Account> {
        Vec::new()
    }
}

/// The report that is asked for, as gzip.
///
/// # Errors
///
/// When the compressor refuses, which it never should.
pub fn answer<P: Parts>(parts: &P, query: crate::report::Query) -> Result<Bytes, String> {
    let mut text = parts.buffer();
    parts
        .with_report(|report| {
            report.fill(query);
            serde_json::to_writer(&mut *text, report)
        })
        .map_err(|error| error.to_string())?;
    let mut packed = parts.buffer();
    parts.with_compressor(|compressor| gzip(compressor, &text, &mut packed))?;
    Ok(Bytes::from_owner(packed))
}

/// Writes a gzip member: RFC 1952.
fn gzip(compressor: &mut Compress, text: &[u8], into: &mut Vec<u8>) -> Result<(), String> {
    // No name, no time, the fastest method, unknown system.
    into.extend_from_slice(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255]);
    loop {
        // What does not fit makes the buffer grow, and comes out at the next turn.
        into.reserve(4096.max(text.len() / 8));
        let done = usize::try_from(compressor.total_in()).map_err(|error| error.to_string())?;
        let status = compressor
            .compress_vec(&text[done..], into, FlushCompress::Finish)
            .map_err(|error| error.to_string())?;
        if status == Status::StreamEnd {
            break;
        }
    }
    let mut crc = Crc::new();
    crc.update(text);
    into.extend_from_slice(&crc.sum().to_le_bytes());
    into.extend_from_slice(&crc.amount().to_le_bytes());
    Ok(())
}
