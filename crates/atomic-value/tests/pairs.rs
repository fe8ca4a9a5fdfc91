//! Every pair of a reader and a writer, of two writers, and of two readers, at the same time, on a value that is empty and
//! on one that is not; guards that end on another thread than they began on, or after their value; and first stores of an
//! `AnyValue` against each other. Small enough to run under Miri with many seeds, which is what it is for:
//!
//! ```text
//! MIRIFLAGS="-Zmiri-many-seeds=0..64" cargo +nightly miri test -p atomic-value --test pairs
//! ```
//!
//! No vectors and few iterators: they would cost Miri more than the value.
//!
//! An operation that is not here is to the other side as one that is: `store_arc`, `swap_arc` and `update` are what `store`,
//! `swap` and `try_update` are made of, `is_empty`, `type_name` and `Debug` load, and an owned reader is a reader.
#![cfg(not(pool_loom))]

#[path = "common/meeting.rs"]
mod meeting;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use atomic_value::{AnyValue, AtomicValue, Guard};

/// How often each number was made, and how often dropped: two bits for each.
struct Book {
    made: AtomicU32,
    dropped: AtomicU32,
}

impl Book {
    const fn new() -> Self {
        Self {
            made: AtomicU32::new(0),
            dropped: AtomicU32::new(0),
        }
    }

    /// Fails unless each value was dropped once, and opens the next page.
    fn close(&self, what: impl FnOnce() -> String) {
        let made = self.made.swap(0, Ordering::Relaxed);
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        assert!(
            made == dropped,
            "{}: made {made:b}, dropped {dropped:b}",
            what()
        );
    }
}

/// Some numbers: two bits for each, so that one that is there twice is seen.
type Numbers = u32;

fn digit(number: u32) -> Numbers {
    1 << (2 * number)
}

/// A number that counts its drops, and that tools see being read too early, twice or never.
struct Value {
    number: Box<u32>,
    book: &'static Book,
}

impl Value {
    fn new(number: u32, book: &'static Book) -> Self {
        book.made.fetch_add(digit(number), Ordering::Relaxed);
        Self {
            number: Box::new(number),
            book,
        }
    }

    fn digit(&self) -> Numbers {
        digit(*self.number)
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        self.book.dropped.fetch_add(self.digit(), Ordering::Relaxed);
    }
}

/// The value that is there at the start, and those that the sides bring.
const FIRST: u32 = 0;
const LEFT: u32 = 1;
const RIGHT: u32 = 2;

/// What an operation did.
#[derive(Default)]
struct Done {
    stored: Numbers,
    replaced: Numbers,
}

impl Done {
    fn exchanged<V: std::ops::Deref<Target = Value>>(stored: u32, replaced: Option<V>) -> Self {
        Self {
            stored: digit(stored),
            replaced: replaced.map_or(0, |value| value.digit()),
        }
    }
}

/// Each number is in one place: replaced by one side, or still there. Some stores do not tell what they replaced.
fn account(started: bool, done: [&Done; 2], left: Numbers, untold: u32) -> bool {
    let all = u32::from(started) * digit(FIRST) + done[0].stored + done[1].stored;
    let found = done[0].replaced + done[1].replaced + left;
    found & !all == 0 && (all ^ found).count_ones() <= untold
}

mod typed {
    use super::*;

    /// Gets the number to store.
    type Op = fn(&AtomicValue<Value>, u32, &'static Book) -> Done;

    fn look(value: &Value) {
        assert!(*value.number <= RIGHT);
    }

    const READERS: &[(&str, Op)] = &[
        ("load", |value, _, _| {
            value.load().as_deref().map(look);
            Done::default()
        }),
        ("load_arc", |value, _, _| {
            value.load_arc().as_deref().map(look);
            Done::default()
        }),
        ("reader", |value, _, _| {
            let mut reader = value.reader();
            reader.load().map(look);
            reader.load().map(look);
            Done::default()
        }),
        ("guard held over", |value, _, _| {
            let first = value.load();
            let seen = first.as_deref().map(Value::digit);
            value.load().as_deref().map(look);
            assert_eq!(first.as_deref().map(Value::digit), seen);
            Done::default()
        }),
    ];

    const WRITERS: &[(&str, Op)] = &[
        ("store", |value, number, book| {
            value.store(Value::new(number, book));
            Done {
                stored: digit(number),
                replaced: 0,
            }
        }),
        ("swap", |value, number, book| {
            Done::exchanged(number, value.swap(Value::new(number, book)))
        }),
        ("take", |value, _, _| {
            let taken = value.take();
            Done {
                stored: 0,
                replaced: taken.map_or(0, |value| value.digit()),
            }
        }),
        ("compare_and_swap", |value, number, book| {
            let started = Value::new(FIRST, book);
            let new = Value::new(number, book);
            let current = (!value.is_empty()).then_some(&started);
            match value.compare_and_swap(current, new) {
                Ok(old) => Done::exchanged(number, old),
                Err(refused) => {
                    refused.current.as_deref().map(look);
                    assert_eq!(*refused.new.number, number);
                    Done::default()
                }
            }
        }),
        ("compare_and_swap_ptr", |value, number, book| {
            let seen = value.load();
            match value.compare_and_swap_ptr(seen.as_deref(), Arc::new(Value::new(number, book))) {
                Ok(old) => Done::exchanged(number, old),
                Err(refused) => {
                    refused.current.as_deref().map(look);
                    assert_eq!(Arc::strong_count(&refused.new), 1);
                    Done::default()
                }
            }
        }),
        ("try_update", |value, number, book| {
            let old = value.try_update(|old| {
                old.map(look);
                Ok::<_, ()>(Value::new(number, book))
            });
            Done::exchanged(number, old.unwrap())
        }),
    ];

    /// The same object comes back, and may be there twice.
    const RESTORE: &(&str, Op) = &("store_arc of what was loaded", |value, _, _| {
        if let Some(old) = value.load_arc() {
            value.store_arc(old);
        }
        Done::default()
    });

    /// Nothing comes of it.
    const REFUSED: &(&str, Op) = &("try_update that refuses", |value, _, _| {
        assert!(value.try_update(|old| Err(old.map(look))).is_err());
        Done::default()
    });

    type Case = (
        &'static (&'static str, Op),
        &'static (&'static str, Op),
        bool,
    );

    fn run(cases: &[Case], book: &'static Book) {
        meeting::each(
            cases,
            |(_, _, filled)| {
                let value = Arc::new(AtomicValue::empty());
                if *filled {
                    value.store(Value::new(FIRST, book));
                }
                (Arc::clone(&value), value)
            },
            |((_, op), _, _), value| (op(&value, LEFT, book), value),
            |(_, (_, op), _), value| op(&value, RIGHT, book),
            |((left, _), (right, _), filled), (left_did, value), right_did| {
                let value = Arc::into_inner(value).unwrap().into_inner();
                let last = value.map_or(0, |value| value.digit());
                let what = || format!("{left} against {right}, filled: {filled}");
                let untold = u32::from(*left == "store") + u32::from(*right == "store");
                let twice = [*left, *right].contains(&RESTORE.0);
                assert!(
                    twice || account(*filled, [&left_did, &right_did], last, untold),
                    "{}",
                    what()
                );
                book.close(what);
            },
        );
    }

    #[test]
    fn reader_and_writer() {
        static BOOK: Book = Book::new();
        let mut cases = Vec::new();
        for reader in READERS {
            for writer in WRITERS {
                // To a reader a store is a swap, and an update an exchange.
                if !matches!(writer.0, "swap" | "try_update") {
                    for filled in [false, true] {
                        cases.push((reader, writer, filled));
                    }
                }
            }
        }
        // One that is refused is a load.
        for writer in [&WRITERS[0], &WRITERS[2]] {
            cases.push((REFUSED, writer, true));
        }
        for reader in READERS {
            cases.push((reader, RESTORE, true));
        }
        run(&cases, &BOOK);
    }

    /// They share what there is to read, and the list of records; of nothing there is nothing to share.
    #[test]
    fn two_readers() {
        static BOOK: Book = Book::new();
        let mut cases = Vec::new();
        for (place, one) in READERS.iter().enumerate() {
            for other in &READERS[place..] {
                cases.push((one, other, true));
            }
        }
        run(&cases, &BOOK);
    }

    #[test]
    fn two_writers() {
        static BOOK: Book = Book::new();
        let mut cases = Vec::new();
        for (place, one) in WRITERS.iter().enumerate() {
            for other in &WRITERS[place..] {
                // A store is a swap that does not tell; with itself it is met.
                if place != 0 || other.0 == "store" {
                    for filled in [false, true] {
                        cases.push((one, other, filled));
                    }
                }
            }
            if place != 0 {
                cases.push((one, RESTORE, true));
            }
        }
        cases.push((RESTORE, RESTORE, true));
        run(&cases, &BOOK);
    }

    /// Gets the value, if it is still there when this side begins, and a guard that the thread on the left has made.
    type GuardOp = fn(Option<Arc<AtomicValue<Value>>>, Option<Guard<Value>>);

    const GUARDS: &[(&str, GuardOp)] = &[
        ("drop of a guard that was sent", |_, guard| {
            guard.as_deref().map(look);
            drop(guard);
        }),
        ("into_arc of a guard that was sent", |_, guard| {
            guard.map(Guard::into_arc).as_deref().map(look);
        }),
        ("load, drop of the value", |value, guard| {
            drop(guard);
            let guard = value.as_deref().and_then(AtomicValue::load);
            drop(value);
            guard.as_deref().map(look);
        }),
    ];

    /// A guard ends on another thread, while the value changes or goes, or while its debt's record is used for other guards.
    #[test]
    fn guards_that_were_sent() {
        static BOOK: Book = Book::new();
        let book = &BOOK;
        let mut cases = Vec::new();
        for guard in GUARDS {
            // The value goes.
            cases.push((None, guard));
            for other in WRITERS.iter().chain(READERS) {
                // To a guard, too, a store is a swap, and an exchange is as any other. Of readers one looks for a free debt
                // and one for two.
                if matches!(
                    other.0,
                    "store" | "take" | "compare_and_swap_ptr" | "load" | "guard held over"
                ) {
                    cases.push((Some(other), guard));
                }
            }
        }
        meeting::each(
            &cases,
            |(_, (guard, _))| {
                let value = Arc::new(AtomicValue::new(Value::new(FIRST, book)));
                let sent = value.load();
                // Whoever is to drop it has a handle.
                let other = guard.starts_with("load").then(|| Arc::clone(&value));
                (value, (other, sent))
            },
            |(other, _), value| match other {
                Some((_, op)) => _ = op(&value, LEFT, book),
                None => drop(value),
            },
            |(_, (_, op)), (value, guard)| op(value, guard),
            |(other, (guard, _)), (), ()| {
                let other = other.map_or("drop of the value", |(other, _)| other);
                book.close(|| format!("{other} against {guard}"));
            },
        );
    }
}

mod any {
    use super::*;

    type Op = fn(&AnyValue, u32, &'static Book) -> Done;

    /// Of another type, and as particular.
    struct Other(Value);

    const OPS: &[(&str, Op)] = &[
        ("store", |value, number, book| {
            match value.store(Value::new(number, book)) {
                Ok(()) => Done {
                    stored: digit(number),
                    replaced: 0,
                },
                Err(refused) => {
                    assert_eq!(*refused.into_inner().number, number);
                    Done::default()
                }
            }
        }),
        ("store of another type", |value, number, book| {
            match value.store(Other(Value::new(number, book))) {
                Ok(()) => Done {
                    stored: digit(number),
                    replaced: 0,
                },
                Err(_) => Done::default(),
            }
        }),
        ("swap", |value, number, book| {
            match value.swap(Value::new(number, book)) {
                Ok(old) => Done::exchanged(number, old),
                Err(_) => Done::default(),
            }
        }),
        ("compare_and_swap", |value, number, book| {
            let started = Value::new(FIRST, book);
            let current = (!value.is_empty()).then_some(&started);
            match value.compare_and_swap(current, Value::new(number, book)) {
                Ok(old) => Done::exchanged(number, old),
                Err(_) => Done::default(),
            }
        }),
        ("load", |value, _, _| {
            if let Ok(Some(guard)) = value.load::<Value>() {
                assert!(*guard.number <= RIGHT);
            }
            Done::default()
        }),
        (LOAD_ANY, |value, _, _| {
            if let Some(any) = value.load_any() {
                assert!(any.is::<Value>() || any.is::<Other>());
            }
            Done::default()
        }),
    ];

    const LOAD_ANY: &str = "load_any";

    #[test]
    fn two_of_any_type() {
        static BOOK: Book = Book::new();
        let book = &BOOK;
        let mut cases = Vec::new();
        for (place, one) in OPS.iter().enumerate() {
            for other in &OPS[place..] {
                for filled in [false, true] {
                    // As with `load`, of what is there; it meets a load as that does.
                    if other.0 != LOAD_ANY || filled && one.0 != "load" && one.0 != LOAD_ANY {
                        cases.push((one, other, filled));
                    }
                }
            }
        }
        meeting::each(
            &cases,
            |(_, _, filled)| {
                let value = Arc::new(AnyValue::empty());
                if *filled {
                    assert!(value.store(Value::new(FIRST, book)).is_ok());
                }
                (Arc::clone(&value), value)
            },
            |((_, op), _, _), value| (op(&value, LEFT, book), value),
            |(_, (_, op), _), value| op(&value, RIGHT, book),
            |((left, _), (right, _), filled), (left_did, value), right_did| {
                let what = || format!("{left} against {right}, filled: {filled}");
                let last = match Arc::into_inner(value).unwrap().into_inner() {
                    None => 0,
                    Some(any) => match any.downcast::<Value>() {
                        Ok(value) => value.digit(),
                        Err(any) => any.downcast::<Other>().unwrap().0.digit(),
                    },
                };
                let stores = |name: &str| u32::from(name.starts_with("store"));
                let untold = stores(left) + stores(right);
                assert!(
                    account(*filled, [&left_did, &right_did], last, untold),
                    "{}",
                    what()
                );
                book.close(what);
            },
        );
    }
}
