//! What a program's recorder and subscriber are told.

#![cfg(all(not(pool_loom), feature = "metrics", feature = "tracing"))]

mod common;

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use common::caches_work;
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString,
    Unit,
};
use pool_core::pressure::Pressure;
use pool_core::{Pool, Recycle, relieve};
use tracing::field::{Field, Visit};

/// Keeps the last value of everything by name and labels.
#[derive(Clone, Default)]
struct Book(Arc<Mutex<BTreeMap<String, f64>>>);

struct Entry {
    book: Book,
    name: String,
    count: AtomicU64,
}

impl Entry {
    fn new(book: &Book, key: &Key) -> Arc<Self> {
        let labels: Vec<_> = key
            .labels()
            .map(|label| format!("{}={}", label.key(), label.value()))
            .collect();
        Arc::new(Self {
            book: book.clone(),
            name: format!("{}{{{}}}", key.name(), labels.join(",")),
            count: AtomicU64::new(0),
        })
    }

    fn note(&self, value: f64) {
        let mut book = self.book.0.lock().unwrap();
        book.insert(self.name.clone(), value);
    }
}

impl CounterFn for Entry {
    fn increment(&self, value: u64) {
        self.absolute(self.count.fetch_add(value, Ordering::Relaxed) + value);
    }

    fn absolute(&self, value: u64) {
        self.note(value as f64);
    }
}

impl GaugeFn for Entry {
    fn increment(&self, _: f64) {
        unreachable!("gauges are set");
    }

    fn decrement(&self, _: f64) {
        unreachable!("gauges are set");
    }

    fn set(&self, value: f64) {
        self.note(value);
    }
}

impl Recorder for Book {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Entry::new(self, key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Entry::new(self, key))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        unreachable!("there are none");
    }
}

/// One at a time: `tracing` decides for the process whether anybody listens to an event, when it first meets it.
fn alone() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn numbers() {
    let _alone = alone();
    let pool = Pool::builder(|| 0u8)
        .recycle(|&mut item| {
            if item == 9 {
                Recycle::Discard
            } else {
                Recycle::Keep
            }
        })
        .weight(|_| 5)
        .rotate_manually()
        .build();
    let book = Book::default();
    metrics::with_local_recorder(&book, || {
        pool.stats().export("empty");
        drop((pool.get(), pool.get()));
        drop(pool.get());
        pool.put(9);
        pool.rotate();
        pool.stats().export("p");
    });
    let book = book.0.lock().unwrap();
    let (cache, shard) = if caches_work() {
        (1.0, 0.0)
    } else {
        (0.0, 1.0)
    };
    for (name, value) in [
        ("pool_hits_total{pool=p,level=cache}", cache),
        ("pool_hits_total{pool=p,level=shard}", shard),
        ("pool_hits_total{pool=p,level=steal}", 0.0),
        ("pool_hits_total{pool=p,level=victim}", 0.0),
        ("pool_misses_total{pool=p}", 2.0),
        ("pool_creates_total{pool=p}", 2.0),
        ("pool_discards_total{pool=p,reason=Refused}", 1.0),
        ("pool_discards_total{pool=p,reason=Aged}", 0.0),
        ("pool_turns_total{pool=p}", 1.0),
        ("pool_idle_items{pool=p}", 2.0),
        ("pool_idle_weight{pool=p}", 10.0),
        ("pool_idle_items{pool=empty}", 0.0),
    ] {
        assert_eq!(book.get(name), Some(&value), "{name} in {book:?}");
    }
}

/// Keeps what it is told, and uses the pool meanwhile.
struct Listener {
    heard: Arc<Mutex<Vec<String>>>,
    pool: Arc<Pool<u8>>,
}

impl tracing::Subscriber for Listener {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("pool_core")
    }

    fn event(&self, event: &tracing::Event<'_>) {
        struct Text(String);
        impl Visit for Text {
            fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
                use fmt::Write;
                write!(self.0, "{}={value:?} ", field.name()).unwrap();
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        self.heard.lock().unwrap().push(text.0);
        drop(self.pool.get());
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        unreachable!("there are none");
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn events() {
    let _alone = alone();
    let heard = Arc::<Mutex<Vec<String>>>::default();
    let pool: Arc<Pool<u8>> = Arc::new(Pool::new(|| 0));
    let listener = Listener {
        heard: heard.clone(),
        pool: pool.clone(),
    };
    tracing::subscriber::with_default(listener, || {
        pool.put(1);
        pool.rotate();
        pool.clear();
        relieve(Pressure::None);
        relieve(Pressure::Medium);
    });
    let heard = heard.lock().unwrap();
    assert_eq!(heard.len(), 3, "{heard:?}");
    assert!(heard[0].contains("turned") && heard[0].contains("generation=1 idle=1"));
    assert!(heard[1].contains("cleared") && heard[1].contains("idle=0"));
    assert!(heard[2].contains("pressure=Medium"));
}
