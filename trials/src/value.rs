//! Sequences of operations on an `AtomicValue` with guards and readers, and on an `AnyValue` with two types.

use std::sync::Arc;

use atomic_value::{AnyValue, AtomicValue, Guard};

use crate::Bytes;
use crate::books::{Books, Fuse, planned};

/// Equal to others of its number; its life is booked.
#[derive(Debug)]
struct Value {
    number: usize,
    item: crate::books::Item,
    eq: Arc<Fuse>,
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.eq.tick();
        self.number == other.number
    }
}

/// A value that is held, and the number that it must keep.
enum Held {
    Guard(Guard<Value>, usize),
    Arc(Arc<Value>, usize),
}

fn number(value: Option<Arc<Value>>) -> Option<usize> {
    let number = value.as_ref().map(|value| value.number);
    planned(|| drop(value));
    number
}

pub(crate) fn run(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    typed(&mut bytes);
    any(&mut bytes);
}

/// Until a byte of 255.
fn typed(bytes: &mut Bytes<'_>) {
    let books = Books::default();
    let eq = Arc::new(Fuse::default());
    let new = |number| Value {
        number,
        item: books.item(),
        eq: eq.clone(),
    };
    let value = AtomicValue::empty();
    let mut model: Option<usize> = None;
    let mut held: Vec<Held> = Vec::new();
    let mut reader = value.reader();
    while let Some(op) = bytes.next().filter(|op| *op != 255) {
        let n = bytes.below(3);
        match op % 13 {
            0 => {
                planned(|| value.store(new(n)));
                model = Some(n);
            }
            1 => {
                let arc = Arc::new(new(n));
                held.push(Held::Arc(arc.clone(), n));
                planned(|| value.store_arc(arc));
                model = Some(n);
            }
            2 => assert_eq!(number(value.swap(new(n))), model.replace(n)),
            3 => assert_eq!(number(value.take()), model.take()),
            4 | 5 => {
                let current = (op % 13 == 4).then(|| new(bytes.below(3)));
                let expected = current.as_ref().map(|current| current.number);
                let result = planned(|| value.compare_and_swap(current.as_ref(), new(n)));
                match result {
                    Some(Ok(old)) => {
                        assert_eq!(model, expected, "swapped what was not equal");
                        assert_eq!(number(old), model.replace(n));
                    }
                    Some(Err(refused)) => {
                        assert_ne!(model, expected, "refused what was equal");
                        assert_eq!(refused.new.number, n);
                        planned(|| drop(refused));
                    }
                    // `eq` panicked: nothing is stored.
                    None => {}
                }
                planned(|| drop(current));
            }
            6 => {
                let old = value.update(|old| {
                    assert_eq!(old.map(|old| old.number), model);
                    new(n)
                });
                assert_eq!(number(old), model.replace(n));
            }
            7 => {
                let stored = planned(|| value.update(|_| std::panic::panic_any(crate::Planned)));
                assert!(stored.is_none());
            }
            8 => {
                if let Some(guard) = value.load() {
                    held.push(Held::Guard(guard, model.expect("loaded something")));
                }
            }
            9 => {
                if let Some(which) = bytes.below(256).checked_rem(held.len()) {
                    let one = held.swap_remove(which);
                    planned(|| drop(one));
                }
            }
            10 => assert_eq!(
                planned(|| reader.load().map(|seen| seen.number)).unwrap_or(model),
                model
            ),
            11 => _ = planned(|| reader.release()),
            _ if op % 2 == 0 => books.drop_fuse().set(n + 1),
            _ => eq.set(n + 1),
        }
        assert_eq!(value.is_empty(), model.is_none());
        assert_eq!(value.load().map(|seen| seen.number), model);
        for one in &held {
            let (seen, number) = match one {
                Held::Guard(guard, number) => (&**guard, *number),
                Held::Arc(arc, number) => (&**arc, *number),
            };
            assert_eq!(seen.number, number);
            assert!(books.is_alive(seen.item.number()), "held and dropped");
        }
    }
    planned(|| drop(reader));
    books.drop_fuse().set(0);
    drop(held);
    assert_eq!(books.alive(), usize::from(model.is_some()));
    drop(value);
    assert_eq!(books.alive(), 0, "of {} values", books.made());
}

/// The first store decides the type.
fn any(bytes: &mut Bytes<'_>) {
    let value = AnyValue::empty();
    let (mut small, mut text): (Option<u8>, Option<String>) = (None, None);
    while let Some(op) = bytes.next() {
        let n = bytes.next().unwrap_or(0);
        match op % 6 {
            0 => match value.store(n) {
                Ok(()) => small = text.is_none().then_some(n),
                Err(refused) => assert_eq!((refused.into_inner(), small), (n, None)),
            },
            1 => match value.store(n.to_string()) {
                Ok(()) => text = small.is_none().then(|| n.to_string()),
                Err(refused) => assert_eq!((refused.into_inner(), &text), (n.to_string(), &None)),
            },
            2 => match value.swap(n) {
                Ok(old) => assert_eq!(old.map(|old| *old), small.replace(n)),
                Err(refused) => assert_eq!((refused.into_inner(), small), (n, None)),
            },
            3 => {
                let current = op > 128;
                let current = current.then_some(n / 2);
                let swapped = value.compare_and_swap(current.as_ref(), n).is_ok();
                assert_eq!(swapped, text.is_none() && current == small);
                if swapped {
                    small = Some(n);
                }
            }
            4 => assert_eq!(value.load::<u8>().ok().flatten().map(|n| *n), small),
            _ => assert_eq!(
                value
                    .load::<String>()
                    .ok()
                    .flatten()
                    .map(|text| (*text).clone()),
                text
            ),
        }
        assert!(small.is_none() || text.is_none(), "two types in one value");
        assert_eq!(value.is_empty(), small.is_none() && text.is_none());
    }
}
