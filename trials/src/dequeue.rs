//! Sequences of operations on a ring of any capacity, started anywhere around the wrap of its indices.

use std::collections::VecDeque;

use pool_dequeue::{Batch, try_bounded_at};

use crate::Bytes;
use crate::books::{Books, Item, planned};

/// What the ring should be. Places are counted from the first one and never wrap.
struct Model {
    /// The place of the oldest value.
    tail: usize,
    /// Numbers of the values, oldest first.
    values: VecDeque<usize>,
    /// By slot: whether there is a value in it, be it one that a batch has claimed.
    full: Vec<bool>,
}

impl Model {
    fn slot(&self, place: usize) -> usize {
        place % self.full.len()
    }

    /// Whether the next value has a slot; the slot is taken if so.
    fn push(&mut self, number: usize) -> bool {
        let slot = self.slot(self.tail + self.values.len());
        let free = !std::mem::replace(&mut self.full[slot], true);
        if free {
            self.values.push_back(number);
        }
        free
    }

    /// Claims the newest; its slot is not yet free.
    fn claim_head(&mut self) -> Option<(usize, usize)> {
        let number = self.values.pop_back()?;
        Some((number, self.slot(self.tail + self.values.len())))
    }

    /// Claims the oldest; its slot is not yet free.
    fn claim_tail(&mut self) -> Option<(usize, usize)> {
        let number = self.values.pop_front()?;
        self.tail += 1;
        Some((number, self.slot(self.tail - 1)))
    }

    /// Frees the slot of a value that was claimed.
    fn free(&mut self, claimed: Option<(usize, usize)>) -> Option<usize> {
        let (number, slot) = claimed?;
        self.full[slot] = false;
        Some(number)
    }
}

/// A steal that is under way, and what it must give.
type Held<'a> = (Batch<'a, Item>, VecDeque<(usize, usize)>);

pub(crate) fn run(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    let books = Books::default();
    let capacity = 1 + bytes.below(33);
    let Ok((mut head, tail)) = try_bounded_at::<Item>(capacity, bytes.origin()) else {
        panic!("no ring of {capacity} slots");
    };
    let mut model = Model {
        tail: 0,
        values: VecDeque::new(),
        full: vec![false; head.capacity()],
    };
    let thief = tail.clone();
    let mut held: Vec<Held<'_>> = Vec::new();

    while let Some(op) = bytes.next() {
        match op % 10 {
            0 | 1 => {
                let item = books.item();
                let number = item.number();
                match head.push_head(item) {
                    Ok(()) => assert!(model.push(number), "pushed where no room was"),
                    Err(full) => {
                        let item = full.into_inner();
                        assert!(!model.push(number), "refused with room");
                        assert_eq!(item.number(), number);
                        planned(|| drop(item));
                    }
                }
            }
            2 => {
                let got = head.pop_head();
                let claimed = model.claim_head();
                assert_eq!(got.as_ref().map(Item::number), model.free(claimed));
                planned(|| drop(got));
            }
            3 => {
                let got = tail.pop_tail();
                let claimed = model.claim_tail();
                assert_eq!(got.as_ref().map(Item::number), model.free(claimed));
                planned(|| drop(got));
            }
            4 => {
                let count = bytes.below(40);
                let mut asked = Vec::new();
                let pushed = head.push_head_batch((0..count).map(|_| {
                    let item = books.item();
                    asked.push(item.number());
                    item
                }));
                assert_eq!(pushed, asked.len(), "asked for an item without a slot");
                assert!(asked.iter().all(|number| model.push(*number)));
                assert!(pushed == count || model.full[model.slot(model.tail + model.values.len())]);
            }
            5 => {
                let (max, take) = (bytes.below(40), bytes.below(40));
                let mut batch = head.pop_head_batch(max);
                let count = batch.len();
                assert_eq!(count, max.min(model.values.len()));
                let claimed: Vec<_> = (0..count).filter_map(|_| model.claim_head()).collect();
                for claimed in claimed.iter().take(take) {
                    let item = batch.next().expect("as many as it says");
                    assert_eq!(Some(item.number()), model.free(Some(*claimed)));
                    planned(|| drop(item));
                }
                planned(|| drop(batch));
                for claimed in claimed {
                    model.free(Some(claimed));
                    assert!(!books.is_alive(claimed.0), "left in the ring");
                }
            }
            6 => {
                let max = bytes.below(40);
                let batch = thief.pop_tail_batch(max);
                assert_eq!(batch.len(), max.min(model.values.len().div_ceil(2)));
                let claimed = (0..batch.len())
                    .filter_map(|_| model.claim_tail())
                    .collect();
                held.push((batch, claimed));
            }
            7 => {
                if let Some(which) = bytes.below(256).checked_rem(held.len()) {
                    let (batch, claimed) = &mut held[which];
                    let item = batch.next();
                    let expected = model.free(claimed.pop_front());
                    assert_eq!(item.as_ref().map(Item::number), expected);
                    planned(|| drop(item));
                }
            }
            8 => {
                if let Some(which) = bytes.below(256).checked_rem(held.len()) {
                    let (batch, claimed) = held.swap_remove(which);
                    planned(|| drop(batch));
                    for claimed in claimed {
                        model.free(Some(claimed));
                        assert!(!books.is_alive(claimed.0), "left in the ring");
                    }
                }
            }
            _ => books.drop_fuse().set(bytes.below(10)),
        }
        assert_eq!(head.len(), model.values.len());
        assert_eq!(tail.is_empty(), model.values.is_empty());
        let claimed: usize = held.iter().map(|(batch, _)| batch.len()).sum();
        assert_eq!(books.alive(), model.values.len() + claimed);
    }
    held.into_iter()
        .for_each(|(batch, _)| _ = planned(|| drop(batch)));
    planned(|| drop(head));
    planned(|| drop((tail, thief)));
    assert_eq!(books.alive(), 0, "of {} items", books.made());
}
