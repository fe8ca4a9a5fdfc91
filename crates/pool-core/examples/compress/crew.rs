//! Lets all CPUs compress, one way after the other, and measures each.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use flate2::{Decompress, FlushDecompress, Status};

use crate::args::Args;
use crate::counting;
use crate::files::{Listing, Piece, Pieces};
use crate::report::{Complaints, Progress};
use crate::ways::{Compressor, Fresh, Locked, Pooled, Way};

/// For how long each way is measured, unless the user says otherwise.
const LONG_ENOUGH: Duration = Duration::from_secs(1);
/// How often a small tree is compressed at most.
const MOST_PASSES: u32 = 100;

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Results {
    /// Files compressed to their end.
    pub(crate) files: u64,
    /// Pieces of files: as many jobs there were for a compressor.
    pub(crate) pieces: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// Their bytes when compressed.
    pub(crate) compressed: u64,
    /// How often each was compressed by each way.
    pub(crate) passes: u32,
    /// Threads at work.
    pub(crate) threads: usize,
    /// One by one.
    pub(crate) ways: Vec<WayResult>,
}

/// What came of one way.
#[derive(Debug)]
pub(crate) struct WayResult {
    pub(crate) name: &'static str,
    pub(crate) time: Duration,
    pub(crate) allocations: u64,
    pub(crate) allocated: u64,
    pub(crate) created: u64,
    pub(crate) reused: Option<u64>,
    pub(crate) levels: Option<pool_core::Stats>,
    /// Bytes that it kept when all was done, and after two rotations.
    pub(crate) held: (usize, usize),
}

/// Two ways gave different results for this file.
#[derive(Debug)]
pub(crate) struct Different(pub(crate) PathBuf);

/// What the threads are to do with a batch.
#[derive(Clone, Copy, Debug)]
enum Task {
    /// Make the result with which those of all ways are compared.
    Expect,
    /// Compress it this way.
    Way(usize),
}

/// Pieces of files that are in memory together.
struct Batch {
    pieces: Vec<Piece>,
    /// What each comes to when compressed.
    expected: Vec<OnceLock<Vec<u8>>>,
    /// The first that nobody has begun.
    next: AtomicUsize,
    /// The last that came out wrong; none if it is behind the end.
    wrong: AtomicUsize,
}

/// When a thread began and ended a task.
type Shift = (Instant, Instant);

/// The threads, which live as long as the demo: a pool may keep something for each.
struct Crew<'scope> {
    threads: Vec<ScopedJoinHandle<'scope, ()>>,
    tasks: Vec<Sender<(Task, Arc<Batch>)>>,
    shifts: Receiver<Shift>,
    progress: &'scope Progress,
}

impl Crew<'_> {
    /// Has a task done by all, and returns how long that took.
    fn run(&self, task: Task, batch: &Arc<Batch>) -> Duration {
        batch.next.store(0, Relaxed);
        for thread in &self.tasks {
            thread
                .send((task, Arc::clone(batch)))
                .expect("the threads outlive the crew");
        }
        let mut shifts: Vec<Shift> = Vec::new();
        while shifts.len() < self.tasks.len() {
            match self.shifts.recv_timeout(Duration::from_millis(100)) {
                Ok(shift) => shifts.push(shift),
                Err(RecvTimeoutError::Timeout) if self.all_there() => {}
                Err(_) => panic!("a thread of the crew is gone"),
            }
            self.progress.show();
        }
        let began = shifts.iter().map(|(began, _)| *began).min();
        let ended = shifts.iter().map(|(_, ended)| *ended).max();
        began
            .zip(ended)
            .map_or(Duration::ZERO, |(began, ended)| ended - began)
    }

    fn all_there(&self) -> bool {
        !self.threads.iter().any(ScopedJoinHandle::is_finished)
    }
}

/// Compresses the files in all ways.
pub(crate) fn compress(
    args: &Args,
    listing: &Listing,
    complaints: &Complaints,
) -> Result<Results, Different> {
    let (fresh, locked, pooled) = (Fresh::default(), Locked::default(), Pooled::default());
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let ways: [&dyn Way; 3] = [&fresh, &locked, &pooled];
    let progress = Progress::new(listing.bytes);
    let mut results = thread::scope(|scope| {
        let (done, shifts) = channel();
        let (mut crew, progress) = (Vec::new(), &progress);
        let tasks = (0..threads)
            .map(|_| {
                let (send, tasks) = channel();
                let done = done.clone();
                crew.push(scope.spawn(move || work(&ways, &tasks, &done, progress)));
                send
            })
            .collect();
        let crew = Crew {
            threads: crew,
            tasks,
            shifts,
            progress,
        };
        all_batches(args, listing, complaints, &crew, &ways)
    })?;
    progress.finish();
    results.threads = threads;
    // What is left in them are their own tables: held at all times.
    let tables = [0, freed_by(|| drop(locked)), freed_by(|| drop(pooled))];
    for (way, table) in results.ways.iter_mut().zip(tables) {
        way.held.0 += table;
        way.held.1 += table;
    }
    Ok(results)
}

/// Goes through the files batch by batch.
fn all_batches(
    args: &Args,
    listing: &Listing,
    complaints: &Complaints,
    crew: &Crew<'_>,
    ways: &[&dyn Way; 3],
) -> Result<Results, Different> {
    let mut results = Results::default();
    let mut times = [Duration::ZERO; 3];
    let mut pieces = Pieces::new(listing, args.memory, complaints);
    let mut turn = 0;
    while let Some(pieces) = pieces.batch(args.memory) {
        let batch = Arc::new(Batch {
            expected: pieces.iter().map(|_| OnceLock::new()).collect(),
            next: AtomicUsize::new(0),
            wrong: AtomicUsize::new(usize::MAX),
            pieces,
        });
        let bytes = batch
            .pieces
            .iter()
            .map(|piece| piece.data.len() as u64)
            .sum::<u64>();
        crew.run(Task::Expect, &batch);
        let mut pass = 0;
        loop {
            for place in 0..ways.len() {
                let way = (place + turn) % ways.len();
                times[way] += crew.run(Task::Way(way), &batch);
            }
            turn += 1;
            pass += 1;
            if results.passes == 0 {
                let each = times.iter().sum::<Duration>() / 3;
                results.passes = args
                    .passes
                    .unwrap_or_else(|| enough(each, bytes, listing.bytes));
                crew.progress.expect_passes(results.passes);
            }
            if pass >= results.passes {
                break;
            }
        }
        if let Some(piece) = batch.pieces.get(batch.wrong.load(Relaxed)) {
            return Err(Different(listing.files[piece.file].0.clone()));
        }
        results.bytes += bytes;
        results.pieces += batch.pieces.len() as u64;
        results.files += batch.pieces.iter().filter(|piece| piece.last).count() as u64;
        results.compressed += batch
            .expected
            .iter()
            .filter_map(OnceLock::get)
            .map(|out| out.len() as u64)
            .sum::<u64>();
    }
    results.ways = ways
        .iter()
        .enumerate()
        .map(|(at, way)| result(at, *way, times[at]))
        .collect();
    Ok(results)
}

/// How many passes over all files make the measurement long enough, when one over `bytes` of them
/// took `first`.
fn enough(first: Duration, bytes: u64, all: u64) -> u32 {
    let share = if all == 0 {
        1.0
    } else {
        bytes as f64 / all as f64
    };
    let needed = LONG_ENOUGH.as_secs_f64() * share / first.as_secs_f64().max(1e-6);
    (needed.ceil() as u32).clamp(1, MOST_PASSES)
}

/// Collects what came of a way, and what it keeps while its threads are idle.
fn result(at: usize, way: &dyn Way, time: Duration) -> WayResult {
    let (allocations, allocated) = counting::asked_for(at);
    let (created, reused, levels) = (way.created(), way.reused(), way.levels());
    let aged = freed_by(|| {
        way.rotate();
        way.rotate();
    });
    let kept = freed_by(|| way.clear());
    let held = (aged + kept, kept);
    WayResult {
        name: way.name(),
        time,
        allocations,
        allocated,
        created,
        reused,
        levels,
        held,
    }
}

/// How much memory is given back by `f`.
fn freed_by(f: impl FnOnce()) -> usize {
    let before = counting::live();
    f();
    before.saturating_sub(counting::live())
}

/// What a thread does.
fn work(
    ways: &[&dyn Way; 3],
    tasks: &Receiver<(Task, Arc<Batch>)>,
    done: &Sender<Shift>,
    progress: &Progress,
) {
    for (task, batch) in tasks {
        let began = Instant::now();
        let mut own = matches!(task, Task::Expect).then(Compressor::new);
        loop {
            let at = batch.next.fetch_add(1, Relaxed);
            let Some(piece) = batch.pieces.get(at) else {
                break;
            };
            let right = match task {
                Task::Expect => {
                    let output = own
                        .get_or_insert_with(Compressor::new)
                        .compress(&piece.data);
                    batch.expected[at].get_or_init(|| output.to_owned());
                    expands_to(output, &piece.data)
                }
                Task::Way(way) => {
                    let mut right = false;
                    counting::attributed(way, || {
                        ways[way].with(&mut |compressor| {
                            let output = compressor.compress(&piece.data);
                            right = batch.expected[at]
                                .get()
                                .is_some_and(|wanted| wanted == output);
                        });
                    });
                    right
                }
            };
            if !right {
                batch.wrong.store(at, Relaxed);
            }
            progress.add(piece.data.len() as u64);
        }
        if done.send((began, Instant::now())).is_err() {
            return;
        }
    }
}

/// Whether decompressing `output` gives `data` back.
fn expands_to(output: &[u8], data: &[u8]) -> bool {
    let mut expanded = Vec::with_capacity(data.len() + 1);
    let status =
        Decompress::new(true).decompress_vec(output, &mut expanded, FlushDecompress::Finish);
    matches!(status, Ok(Status::StreamEnd)) && expanded == data
}
