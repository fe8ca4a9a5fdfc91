//! The three ways to come by a compressor. The third is all that a user of `pool-core` has to write.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use flate2::{Compress, Compression, FlushCompress, Status};
use pool_core::{Pool, Stats};

/// A compressor with the buffer that it writes to.
#[derive(Debug)]
pub(crate) struct Compressor {
    state: Compress,
    /// Grows as needed and keeps its length: cleared memory would have to be paid for each time.
    output: Vec<u8>,
}

impl Compressor {
    /// A new one, which allocates the state.
    pub(crate) fn new() -> Self {
        Self {
            state: Compress::new(Compression::default(), true),
            output: Vec::new(),
        }
    }

    /// Compresses `data`; the result lives until the next call.
    pub(crate) fn compress(&mut self, data: &[u8]) -> &[u8] {
        self.state.reset();
        self.grow(data.len() / 2 + 64);
        loop {
            let (read, written) = (
                self.state.total_in() as usize,
                self.state.total_out() as usize,
            );
            let (data, output) = (&data[read..], &mut self.output[written..]);
            let status = self.state.compress(data, output, FlushCompress::Finish);
            if status.expect("only decompression can fail") == Status::StreamEnd {
                return &self.output[..self.state.total_out() as usize];
            }
            self.grow(2 * self.output.len());
        }
    }

    fn grow(&mut self, length: usize) {
        if self.output.len() < length {
            self.output.resize(length, 0);
        }
    }
}

/// A way to come by a compressor.
pub(crate) trait Way: Sync {
    /// For the table.
    fn name(&self) -> &'static str;
    /// Calls `job` with a compressor that nobody else has.
    fn with(&self, job: &mut dyn FnMut(&mut Compressor));
    /// How many compressors were made.
    fn created(&self) -> u64;
    /// How often one was found ready, for a way that keeps them.
    fn reused(&self) -> Option<u64>;
    /// Where it was found, for a way that has levels.
    fn levels(&self) -> Option<Stats> {
        None
    }
    /// Lets time pass: whatever was not used for two generations may go.
    fn rotate(&self) {}
    /// Drops everything that is kept.
    fn clear(&self) {}
}

/// A new compressor each time.
#[derive(Debug, Default)]
pub(crate) struct Fresh {
    created: AtomicU64,
}

impl Way for Fresh {
    fn name(&self) -> &'static str {
        "new each time"
    }

    fn with(&self, job: &mut dyn FnMut(&mut Compressor)) {
        self.created.fetch_add(1, Relaxed);
        job(&mut Compressor::new());
    }

    fn created(&self) -> u64 {
        self.created.load(Relaxed)
    }

    fn reused(&self) -> Option<u64> {
        None
    }
}

/// What most programs do.
#[derive(Debug, Default)]
pub(crate) struct Locked {
    idle: Mutex<Vec<Compressor>>,
    created: AtomicU64,
    reused: AtomicU64,
}

impl Way for Locked {
    fn name(&self) -> &'static str {
        "Mutex<Vec<_>>"
    }

    fn with(&self, job: &mut dyn FnMut(&mut Compressor)) {
        let idle = self.idle.lock().expect("no holder panics").pop();
        let count = if idle.is_some() {
            &self.reused
        } else {
            &self.created
        };
        count.fetch_add(1, Relaxed);
        let mut compressor = idle.unwrap_or_else(Compressor::new);
        job(&mut compressor);
        self.idle.lock().expect("no holder panics").push(compressor);
    }

    fn created(&self) -> u64 {
        self.created.load(Relaxed)
    }

    fn reused(&self) -> Option<u64> {
        Some(self.reused.load(Relaxed))
    }

    fn clear(&self) {
        *self.idle.lock().expect("no holder panics") = Vec::new();
    }
}

/// The pool.
#[derive(Debug)]
pub(crate) struct Pooled {
    pool: Pool<Compressor>,
}

impl Default for Pooled {
    fn default() -> Self {
        Self {
            pool: Pool::new(Compressor::new),
        }
    }
}

impl Way for Pooled {
    fn name(&self) -> &'static str {
        "pool-core"
    }

    fn with(&self, job: &mut dyn FnMut(&mut Compressor)) {
        job(&mut self.pool.get());
    }

    fn created(&self) -> u64 {
        self.pool.stats().creates
    }

    fn reused(&self) -> Option<u64> {
        Some(self.pool.stats().hits())
    }

    fn levels(&self) -> Option<Stats> {
        Some(self.pool.stats())
    }

    fn rotate(&self) {
        self.pool.rotate();
    }

    fn clear(&self) {
        self.pool.clear();
    }
}
