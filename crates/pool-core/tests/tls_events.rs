//! The usual subscriber, and a pool used in the destructor of a thread-local when a turn is due: an event from there would
//! find the subscriber's own thread-locals destroyed, and its panic would abort the process.

#![cfg(all(not(pool_loom), not(miri), feature = "tracing"))]

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

use pool_core::{ManualClock, Pool};

const PERIOD: Duration = Duration::from_secs(1);

static CLOCK: LazyLock<Arc<ManualClock>> = LazyLock::new(Arc::default);

static POOL: LazyLock<Pool<Vec<u8>>> = LazyLock::new(|| {
    Pool::builder(Vec::new as fn() -> Vec<u8>)
        .thread_cache(0)
        .rotate_every(PERIOD)
        .clock(CLOCK.clone())
        .build()
});

/// Puts a buffer back when the thread ends and a turn is due; asks for another turn by name if it is told to.
struct AtEnd {
    buffer: RefCell<Vec<u8>>,
    rotates: Cell<bool>,
}

impl Drop for AtEnd {
    fn drop(&mut self) {
        CLOCK.advance(2 * PERIOD);
        POOL.put(self.buffer.take());
        drop(POOL.take());
        if self.rotates.get() {
            POOL.rotate();
        }
    }
}

thread_local! {
    static SCRATCH: AtEnd = AtEnd {
        buffer: RefCell::new(POOL.take()),
        rotates: Cell::new(false),
    };
}

/// Counts what is written.
struct Lines(Arc<AtomicUsize>);

impl std::io::Write for Lines {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn turns_of_ending_threads_tell_nobody() {
    let lines = Arc::new(AtomicUsize::new(0));
    let writer = lines.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::DEBUG)
        .with_writer(move || Lines(writer.clone()))
        .with_ansi(false)
        .init();
    POOL.put(Vec::new());
    for in_life in [false, true] {
        let generation = POOL.stats().generation;
        let before = lines.load(Ordering::Relaxed);
        let ending = thread::spawn(move || {
            // An event in life is what makes the pool notice the end before the subscriber's thread-locals go.
            SCRATCH.with(|scratch| scratch.rotates.set(in_life));
            tracing::info!("the subscriber's thread-locals are there, and go first");
            if in_life {
                POOL.rotate();
            }
        });
        ending.join().unwrap();
        assert!(POOL.stats().generation > generation + u64::from(in_life));
        // The message, and the turn that was asked for in life.
        let told = lines.load(Ordering::Relaxed) - before;
        assert_eq!(told, 1 + usize::from(in_life));
    }
}
