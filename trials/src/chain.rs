//! Sequences of operations on a chain, through its handles: it grows, is unlinked, shrinks and meets its limit, with
//! the indices of its rings around the wrap.

use std::collections::VecDeque;

use pool_chain::{TailBatch, try_with_limit_at};

use crate::Bytes;
use crate::books::{Books, Item, planned};

pub(crate) fn run(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    let books = Books::default();
    let limited = bytes.below(4) == 0;
    let (limit, origin) = if limited {
        let limit = 1 + bytes.below(100);
        // Near the wrap, without a byte that says so: the corpus has none.
        (limit, 0_u32.wrapping_sub(limit as u32 / 2))
    } else {
        (usize::MAX, bytes.origin())
    };
    let (mut head, tail) = try_with_limit_at::<Item>(limit, origin).expect("a limit above zero");
    let mut model: VecDeque<usize> = VecDeque::new();
    let thief = tail.clone();
    let mut held: Vec<(TailBatch<'_, Item>, VecDeque<usize>)> = Vec::new();

    while let Some(op) = bytes.next() {
        match op % 11 {
            0 | 1 => {
                let item = books.item();
                let number = item.number();
                match head.push_head(item) {
                    Ok(()) => model.push_back(number),
                    Err(full) => {
                        let item = full.into_inner();
                        assert_eq!((item.number(), model.len()), (number, limit));
                        planned(|| drop(item));
                    }
                }
                assert!(model.len() <= limit);
            }
            2 => {
                let got = head.pop_head();
                assert_eq!(got.as_ref().map(Item::number), model.pop_back());
                planned(|| drop(got));
            }
            3 => {
                let got = tail.pop_tail();
                assert_eq!(got.as_ref().map(Item::number), model.pop_front());
                planned(|| drop(got));
            }
            4 | 5 => {
                let count = bytes.below(100);
                let expected = count.min(limit - model.len());
                let pushed = head.push_head_batch((0..count).map(|_| {
                    let item = books.item();
                    model.push_back(item.number());
                    item
                }));
                assert_eq!(pushed, expected);
            }
            6 => {
                let (max, take) = (bytes.below(100), bytes.below(100));
                let count = max.min(model.len());
                let expected: Vec<_> = model.drain(model.len() - count..).rev().collect();
                let mut batch = head.pop_head_batch(max);
                for number in expected.iter().take(take) {
                    let item = batch.next();
                    assert_eq!(item.as_ref().map(Item::number), Some(*number));
                    planned(|| drop(item));
                }
                planned(|| drop(batch));
                assert!(expected.iter().all(|number| !books.is_alive(*number)));
            }
            7 => {
                let max = bytes.below(40);
                let batch = thief.pop_tail_batch(max);
                let bound = max.min(model.len().div_ceil(2));
                // Half of one ring, and the model does not know its rings.
                assert!(batch.len() <= bound && (batch.len() > 0 || bound == 0));
                let numbers = model.drain(..batch.len()).collect();
                held.push((batch, numbers));
            }
            8 => {
                if let Some(which) = bytes.below(256).checked_rem(held.len()) {
                    let (batch, numbers) = &mut held[which];
                    let item = batch.next();
                    assert_eq!(item.as_ref().map(Item::number), numbers.pop_front());
                    planned(|| drop(item));
                }
            }
            9 => {
                if let Some(which) = bytes.below(256).checked_rem(held.len()) {
                    let (batch, numbers) = held.swap_remove(which);
                    planned(|| drop(batch));
                    assert!(numbers.iter().all(|number| !books.is_alive(*number)));
                }
            }
            _ if op % 2 == 0 => head.shrink(),
            _ => books.drop_fuse().set(bytes.below(10)),
        }
        assert_eq!(head.len(), model.len());
        assert_eq!(tail.is_empty(), model.is_empty());
        assert!(head.capacity() >= model.len());
        let claimed: usize = held.iter().map(|(batch, _)| batch.len()).sum();
        assert_eq!(books.alive(), model.len() + claimed);
    }
    held.into_iter()
        .for_each(|(batch, _)| _ = planned(|| drop(batch)));
    planned(|| drop(head));
    planned(|| drop((tail, thief)));
    assert_eq!(books.alive(), 0, "of {} items", books.made());
}
