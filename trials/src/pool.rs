//! Sequences of operations on a pool of any shape, with user code that panics: every item is with the pool, with the
//! caller, or dropped once; and nobody gets one that another has.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pool_core::{ManualClock, Pool, Pooled, PooledOwned, Recycle};

use crate::Bytes;
use crate::books::{Books, Fuse, Item, planned};

/// User code that panics or refuses when told to.
#[derive(Default)]
struct Moods {
    create: Fuse,
    recycle: Fuse,
    on_discard: Fuse,
    weight: Fuse,
    refuse: AtomicBool,
}

type Create = Box<dyn Fn() -> Item + Send + Sync>;

/// A guard that is out.
enum Lent<'a> {
    Borrowed(Pooled<'a, Item, Create>),
    Owned(PooledOwned<Item, Create>),
}

impl Lent<'_> {
    fn number(&self) -> usize {
        match self {
            Self::Borrowed(guard) => guard.number(),
            Self::Owned(guard) => guard.number(),
        }
    }
}

/// How the input wants the pool to be.
struct Shape {
    /// The most items that it may hold.
    most: usize,
    /// Whether two turns empty it.
    forgets: bool,
}

fn build(
    bytes: &mut Bytes<'_>,
    books: &Books,
    moods: &Arc<Moods>,
    clock: &Arc<ManualClock>,
) -> (Pool<Item, Create>, Shape) {
    let create: Create = {
        let (books, moods) = (books.clone(), moods.clone());
        Box::new(move || {
            moods.create.tick();
            books.item()
        })
    };
    let mut shape = Shape {
        most: usize::MAX,
        forgets: true,
    };
    let mut builder = Pool::builder(create)
        .thread_cache([0, 1, 2, 3, 8, 64][bytes.below(6)])
        .clock(clock.clone())
        .rotate_manually();
    let wants = bytes.next().unwrap_or(0);
    if wants & 1 != 0 {
        builder = builder.rotate_every(Duration::from_secs(1));
    }
    if wants & 2 != 0 {
        builder = builder.rotate_after(1 + bytes.below(200));
    }
    if wants & 4 != 0 {
        shape.most = 1 + bytes.below(40);
        builder = builder.max_idle(shape.most);
    }
    if wants & 8 != 0 {
        let least = bytes.below(8);
        shape.forgets &= least == 0;
        builder = builder.min_idle(least.min(shape.most));
    }
    if wants & 16 != 0 {
        let moods = moods.clone();
        builder = builder
            .weight(move |_| {
                moods.weight.tick();
                3
            })
            .max_weight(3 * (1 + bytes.below(40)));
    }
    if wants & 32 != 0 {
        builder = builder.prefill(bytes.below(8).min(shape.most));
    }
    if wants & 64 != 0 {
        shape.forgets = false;
        builder = builder.decay(true);
    }
    let pool = builder
        .discard_when_unwinding(wants & 128 != 0)
        .recycle({
            let moods = moods.clone();
            move |_| {
                moods.recycle.tick();
                if moods.refuse.swap(false, Ordering::Relaxed) {
                    Recycle::Discard
                } else {
                    Recycle::Keep
                }
            }
        })
        .on_discard({
            let moods = moods.clone();
            move |_, _| moods.on_discard.tick()
        })
        .build();
    (pool, shape)
}

pub(crate) fn run(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    let books = Books::default();
    let moods = Arc::new(Moods::default());
    let clock = Arc::new(ManualClock::new());
    let (pool, shape) = build(&mut bytes, &books, &moods, &clock);
    let pool = Arc::new(pool);
    let mut held: Vec<Item> = Vec::new();
    let mut lent: Vec<Lent<'_>> = Vec::new();

    while let Some(op) = bytes.next() {
        let made = books.made();
        match op % 16 {
            0 | 1 => held.extend(planned(|| pool.take())),
            2 => {
                let item = planned(|| pool.try_take()).flatten();
                assert!(
                    item.as_ref().is_none_or(|item| item.number() < made),
                    "created"
                );
                held.extend(item);
            }
            3 | 4 => {
                let which = bytes.below(256).checked_rem(held.len());
                let item = which.map(|which| held.swap_remove(which));
                planned(|| item.map(|item| pool.put(item)));
            }
            5 => {
                let item = books.item();
                planned(|| pool.put(item));
            }
            6 => lent.extend(planned(|| pool.get()).map(Lent::Borrowed)),
            7 => lent.extend(planned(|| pool.get_owned()).map(Lent::Owned)),
            8 | 9 => {
                if let Some(which) = bytes.below(256).checked_rem(lent.len()) {
                    let guard = lent.swap_remove(which);
                    match guard {
                        Lent::Borrowed(guard) if op > 240 => held.push(Pooled::detach(guard)),
                        Lent::Owned(guard) if op > 240 => held.push(PooledOwned::detach(guard)),
                        guard => _ = planned(|| drop(guard)),
                    }
                }
            }
            10 => {
                let count = bytes.below(100);
                let taken: Vec<_> = (0..count).filter_map(|_| planned(|| pool.take())).collect();
                for item in taken {
                    planned(|| pool.put(item));
                }
            }
            11 => {
                let before = pool.stats().generation;
                planned(|| pool.rotate());
                assert_eq!(pool.stats().generation, before + 1);
            }
            12 => {
                planned(|| pool.clear());
                assert_eq!(pool.stats().idle, 0, "cleared");
            }
            13 => clock.advance(Duration::from_millis(10 * bytes.below(256) as u64)),
            14 => {
                let item = held.pop();
                planned(|| drop(item));
            }
            _ => match bytes.below(6) {
                0 => moods.create.set(bytes.below(10)),
                1 => moods.recycle.set(bytes.below(10)),
                2 => moods.on_discard.set(bytes.below(10)),
                3 => moods.weight.set(bytes.below(10)),
                4 => books.drop_fuse().set(bytes.below(10)),
                _ => moods.refuse.store(true, Ordering::Relaxed),
            },
        }
        let stats = pool.stats();
        let out = held.len() + lent.len();
        assert_eq!(books.alive(), stats.idle + out, "{stats:?}");
        assert!(stats.idle <= shape.most, "{stats:?}");
        let mut numbers: Vec<_> = held.iter().map(Item::number).collect();
        numbers.extend(lent.iter().map(Lent::number));
        assert!(numbers.iter().all(|number| books.is_alive(*number)));
        numbers.sort_unstable();
        assert!(
            numbers.windows(2).all(|pair| pair[0] < pair[1]),
            "two have one item"
        );
    }
    for fuse in [
        &moods.create,
        &moods.recycle,
        &moods.on_discard,
        &moods.weight,
    ] {
        fuse.set(0);
    }
    books.drop_fuse().set(0);
    drop(lent);
    if shape.forgets {
        pool.rotate();
        pool.rotate();
        assert_eq!(pool.stats().idle, 0);
    }
    drop(pool);
    assert_eq!(books.alive(), held.len());
}
