//! What schedulers ask of a ring: half of a victim moves over, the owner works at the tail, handles know their queue.
#![cfg(all(feature = "alloc", not(pool_loom)))]

use pool_dequeue::raw::BoxedRing;
use pool_dequeue::{Consumer, InlineRing, MAX_CAPACITY, Producer, try_bounded_at};

/// A ring just below the wrap that holds these.
fn ring(capacity: usize, values: std::ops::Range<usize>) -> (Producer<usize>, Consumer<usize>) {
    let capacity = capacity.min(MAX_CAPACITY);
    let (mut producer, consumer) = try_bounded_at(capacity, 0u32.wrapping_sub(3)).unwrap();
    let pushed = producer.push_head_batch(values.clone());
    assert_eq!(pushed, values.len().min(capacity));
    (producer, consumer)
}

fn all(producer: &mut Producer<usize>) -> Vec<usize> {
    std::iter::from_fn(|| producer.pop_tail()).collect()
}

#[test]
fn the_older_half_moves() {
    if MAX_CAPACITY < 8 {
        return;
    }
    for held in 0..=8 {
        let (mut victim, thief) = ring(8, 0..held);
        let (mut own, _) = ring(8, 0..0);
        let stolen = held.div_ceil(2);
        assert_eq!(thief.steal_into(&mut own), (held != 0).then_some(0));
        assert_eq!(all(&mut own), Vec::from_iter(1..stolen.max(1)));
        assert_eq!(all(&mut victim), Vec::from_iter(stolen..held));
    }
}

#[test]
fn no_more_moves_than_there_is_room_for() {
    if MAX_CAPACITY < 8 {
        return;
    }
    for room in 0..=4 {
        let (mut victim, thief) = ring(8, 0..8);
        let (mut own, _) = ring(4, 100..104 - room);
        assert_eq!(thief.steal_into(&mut own), Some(0));
        let moved = room.min(3);
        assert_eq!(own.len(), 4 - room + moved);
        assert_eq!(victim.len(), 7 - moved);
        assert_eq!(all(&mut victim), Vec::from_iter(1 + moved..8));
        let expected = (100..104 - room).chain(1..1 + moved);
        assert_eq!(all(&mut own), Vec::from_iter(expected));
    }
}

/// A thief of ours still holds the slot that comes next.
#[test]
fn a_blocked_slot_is_no_room() {
    if MAX_CAPACITY < 8 {
        return;
    }
    let (victim, thief) = ring(8, 0..8);
    let (mut own, of_own) = ring(4, 100..104);
    let held = of_own.pop_tail_batch(2);
    assert_eq!((own.len(), held.len()), (2, 2));
    assert_eq!(thief.steal_into(&mut own), Some(0));
    assert_eq!((own.len(), victim.len()), (2, 7));
    drop(held);
    assert_eq!(thief.steal_into(&mut own), Some(1));
    assert_eq!((own.len(), victim.len()), (4, 4));
}

#[test]
fn from_a_queue_into_itself_is_a_pop() {
    let (mut producer, consumer) = ring(2, 0..2);
    let there = producer.len();
    assert_eq!(consumer.steal_into(&mut producer), Some(0));
    assert_eq!(producer.len(), there - 1);

    let mut inline = InlineRing::<usize, 1>::new();
    let (mut producer, consumer) = inline.split();
    assert_eq!(consumer.steal_into(&mut producer), None);
    producer.push_head(7).unwrap();
    assert_eq!(consumer.steal_into(&mut producer), Some(7));
}

#[test]
fn borrowed_rings_steal_as_well() {
    const N: usize = if MAX_CAPACITY < 4 { MAX_CAPACITY } else { 4 };
    let (mut one, mut two) = (InlineRing::<usize, N>::new(), InlineRing::<usize, N>::new());
    let (mut victim, thief) = one.split();
    let (mut own, of_own) = two.split();
    assert_eq!(victim.push_head_batch(0..N), N);
    assert_eq!(thief.steal_into(&mut own), Some(0));
    assert_eq!(own.len(), N.div_ceil(2) - 1);
    assert!(victim.same_queue(&thief) && thief.same_queue(&thief));
    assert!(!own.same_queue(&thief) && !of_own.same_queue(&thief));
}

#[test]
fn a_claim_takes_at_most_256() {
    // Miri looks at every slot of a ring at every step.
    if MAX_CAPACITY < 2048 || cfg!(not(target_has_atomic = "64")) || cfg!(miri) {
        return;
    }
    let (mut victim, thief) = ring(2048, 0..2048);
    let (mut own, _) = ring(2048, 0..0);
    let most = thief.pop_tail_batch(usize::MAX).len();
    assert!(most == 256 || cfg!(pool_index_bits = "16"));
    assert!(thief.steal_into(&mut own).is_some());
    assert_eq!(own.len(), most - 1);
    assert_eq!(victim.len(), 2048 - 2 * most);
    assert_eq!(victim.pop_head_batch(usize::MAX).len(), 2048 - 2 * most);
}

#[test]
fn a_consumer_hears_that_the_producer_is_gone() {
    let (producer, consumer) = ring(1, 0..1);
    let other = consumer.clone();
    assert!(producer.same_queue(&other) && consumer.same_queue(&other));
    assert!(!producer.same_queue(&ring(1, 0..0).1));
    assert!(!consumer.is_abandoned());
    drop(producer);
    assert!(consumer.is_abandoned() && other.is_abandoned());
    assert_eq!(consumer.pop_tail(), Some(0));
}

#[test]
fn a_ring_is_drained_when_all_is_claimed() {
    let ring = BoxedRing::boxed_at(1, u32::MAX).unwrap();
    assert!(ring.is_drained());
    // SAFETY: this thread alone calls the `*_head*` methods.
    unsafe { ring.push_head(1) }.unwrap();
    assert!(!ring.is_drained());
    let claimed = ring.pop_tail_batch(1);
    assert!(ring.is_drained(), "the claim is its author's business");
    drop(claimed);
    assert!(ring.is_drained());
}
