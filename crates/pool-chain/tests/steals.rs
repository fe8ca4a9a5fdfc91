//! What schedulers ask of a chain: values that move from one chain to another, an owner that works first in, first out,
//! the end of a producer, and which handles belong together.
#![cfg(not(pool_loom))]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use common::{Drops, below_the_wrap, scaled};
use pool_chain::raw::{Chain, FIRST_CAPACITY};
use pool_chain::{MAX_CAPACITY, Producer, unbounded, unbounded_at, with_limit};

fn newest_first<T>(producer: &mut Producer<T>) -> Vec<T> {
    std::iter::from_fn(|| producer.pop_head()).collect()
}

#[test]
fn half_moves_over_and_the_oldest_returns() {
    for origin in [0, below_the_wrap(1), below_the_wrap(3)] {
        let (mut victim, thief) = unbounded_at(origin);
        let (mut own, _) = unbounded_at(origin);
        let most = FIRST_CAPACITY;
        victim.push_head_batch(1..=most);
        assert_eq!(thief.steal_into(&mut own), Some(1));
        let moved = newest_first(&mut own);
        assert!(moved.into_iter().rev().eq(2..=most.div_ceil(2)));
        assert!(
            newest_first(&mut victim)
                .into_iter()
                .rev()
                .eq(most.div_ceil(2) + 1..=most)
        );
        assert_eq!(thief.steal_into(&mut own), None);
        assert_eq!(own.len(), 0);
    }
}

#[test]
fn the_same_chain_gives_one() {
    let (mut producer, consumer) = unbounded();
    producer.push_head_batch(1..=6);
    assert_eq!(consumer.steal_into(&mut producer), Some(1));
    assert_eq!(producer.len(), 5);
}

#[test]
fn a_steal_stops_at_the_limit() {
    let (mut victim, thief) = unbounded();
    victim.push_head_batch(1..=FIRST_CAPACITY);
    let (mut own, _own) = with_limit(2);
    own.push_head(0).unwrap();
    assert_eq!(thief.steal_into(&mut own), Some(1));
    if FIRST_CAPACITY >= 4 {
        assert_eq!(own.pop_head(), Some(2));
    }
    own.push_head(0).unwrap();
    let next = if FIRST_CAPACITY >= 4 { 3 } else { 2 };
    let left = victim.len();
    assert_eq!(thief.steal_into(&mut own), Some(next), "one comes back");
    assert_eq!((own.len(), victim.len()), (2, left - 1));
}

#[test]
fn a_full_ring_is_followed_before_a_steal() {
    let (mut victim, thief) = unbounded();
    victim.push_head_batch(0..FIRST_CAPACITY);
    let (mut own, _own) = unbounded();
    own.push_head_batch(0..FIRST_CAPACITY);
    assert_eq!(thief.steal_into(&mut own), Some(0));
    assert_eq!(own.len(), FIRST_CAPACITY + FIRST_CAPACITY.div_ceil(2) - 1);
    assert!(own.capacity() > FIRST_CAPACITY);
}

#[test]
fn a_steal_from_nothing_makes_no_ring() {
    let (_victim, thief) = unbounded::<u8>();
    let (mut own, _own) = unbounded();
    assert_eq!(thief.steal_into(&mut own), None);
    assert_eq!(own.capacity(), 0);
}

/// Slots that another thief has claimed and not emptied stand in the way of what would move, not of what comes back.
#[test]
fn a_blocked_slot_lets_one_through() {
    let (mut victim, thief) = unbounded();
    victim.push_head_batch(0..FIRST_CAPACITY);
    let (mut own, other) = unbounded();
    own.push_head_batch(0..FIRST_CAPACITY);
    let batch = other.pop_tail_batch(1);
    assert_eq!(own.len(), FIRST_CAPACITY - 1);
    assert_eq!(thief.steal_into(&mut own), Some(0));
    assert_eq!(own.len(), FIRST_CAPACITY - 1, "none moved");
    drop(batch);
    assert_eq!(victim.len(), FIRST_CAPACITY - 1);
}

#[test]
fn an_owner_works_first_in_first_out() {
    let (mut producer, _consumer) = unbounded();
    assert_eq!(producer.pop_tail(), None);
    for lap in 0..3 {
        let many = scaled(1000, 40);
        producer.push_head_batch(lap..lap + many);
        for expected in lap..lap + many {
            assert_eq!(producer.len(), lap + many - expected);
            assert_eq!(producer.pop_tail(), Some(expected));
        }
        assert_eq!(producer.pop_tail(), None);
        assert!(producer.is_empty());
    }
}

#[test]
fn a_producer_that_goes_is_missed() {
    let (mut producer, consumer) = unbounded();
    producer.push(1);
    let clone = consumer.clone();
    assert!(!consumer.is_abandoned());
    drop(producer);
    assert!(consumer.is_abandoned() && clone.is_abandoned());
    assert_eq!(clone.pop_tail(), Some(1));
}

#[test]
fn handles_know_their_chain() {
    let (producer, consumer) = unbounded::<u8>();
    let (other, stranger) = unbounded::<u8>();
    assert!(producer.same_queue(&consumer) && consumer.same_queue(&consumer.clone()));
    assert!(!producer.same_queue(&stranger) && !stranger.same_queue(&consumer));
    assert!(other.same_queue(&stranger));
}

/// Rings stop doubling at their bound, and many of them are as good as a large one.
#[test]
fn rings_of_a_bounded_size() {
    const SLOT: usize = 2 * size_of::<usize>();
    let bound = (4 * FIRST_CAPACITY).min(MAX_CAPACITY);
    let chain = Chain::<usize>::with_ring_bytes(bound * SLOT);
    let many = scaled(10_000, 100);
    for value in 0..many {
        // SAFETY: this thread is the only producer, here and below.
        unsafe { chain.push_head(value) }.unwrap();
    }
    assert!(chain.rings() >= many / bound, "{} rings", chain.rings());
    assert!(chain.capacity() <= many + 2 * bound);
    // SAFETY: as above.
    assert_eq!(unsafe { chain.producer_len() }, many);
    for value in 0..many / 2 {
        assert_eq!(chain.pop_tail(), Some(value));
    }
    assert!(
        chain.capacity() <= many / 2 + 2 * bound,
        "memory went with the values"
    );
    // SAFETY: as above.
    assert!(std::iter::from_fn(|| unsafe { chain.pop_head() }).eq((many / 2..many).rev()));
    assert_eq!((chain.rings(), chain.is_empty()), (1, true));
}

/// A value that stays at the tail keeps the rings in front of it. They do not pile up, burst after burst.
#[test]
fn empty_rings_do_not_pile_up() {
    let chain = Chain::<usize>::with_ring_bytes(0);
    let many = scaled(1000, 50);
    let mut most = 0;
    for lap in 0..10 {
        for value in 0..many {
            // SAFETY: this thread is the only producer, here and below.
            unsafe { chain.push_head(value) }.unwrap();
        }
        for _ in 1..many {
            // SAFETY: as above.
            unsafe { chain.pop_head() }.unwrap();
        }
        // SAFETY: as above.
        assert_eq!(unsafe { chain.producer_len() }, lap + 1);
        most = chain.capacity();
    }
    assert!(most <= 8 * many, "{most} slots for {many} values");
}

/// Thieves that steal into chains of their own, and from each other: each value is seen once.
#[test]
fn thieves_with_chains_of_their_own() {
    let values = scaled(200_000, 200);
    let drops = Drops::new(values);
    let left = AtomicUsize::new(values);
    let (mut producer, consumer) = unbounded();
    let chains: Vec<_> = (0..3).map(|_| unbounded()).collect();
    let (owns, ends): (Vec<_>, Vec<_>) = chains.into_iter().unzip();
    thread::scope(|scope| {
        for (me, mut own) in owns.into_iter().enumerate() {
            let (consumer, ends, left) = (&consumer, &ends, &left);
            scope.spawn(move || {
                while left.load(Ordering::Relaxed) != 0 {
                    let value = own
                        .pop_head()
                        .or_else(|| consumer.steal_into(&mut own))
                        .or_else(|| ends[(me + 1) % ends.len()].steal_into(&mut own));
                    match value {
                        Some(value) => {
                            drop(value);
                            left.fetch_sub(1, Ordering::Relaxed);
                        }
                        None => thread::yield_now(),
                    }
                }
            });
        }
        for number in 0..values {
            producer.push(drops.value(number));
        }
    });
    drops.assert_once_each();
}
