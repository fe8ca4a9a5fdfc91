//! Memory follows a burst up and down: `cargo run -p pool-chain --example burst`.
//!
//! One thread buffers messages in a chain while nobody reads, then two readers catch up; light traffic
//! afterwards is enough for the chain to return to small rings.

use std::thread;

use pool_chain::{Consumer, unbounded};

fn main() {
    let (mut producer, consumer) = unbounded::<String>();
    let report = |what: &str, held: usize, slots: usize| {
        println!("{what:<36} {held:>8} messages, {slots:>8} slots");
    };
    report("at the start", producer.len(), producer.capacity());

    for number in 0..200_000 {
        producer.push(format!("message {number}"));
    }
    report(
        "after a burst without readers",
        producer.len(),
        producer.capacity(),
    );

    let read: usize = thread::scope(|scope| {
        let readers = [(); 2].map(|()| scope.spawn(|| catch_up(&consumer)));
        readers
            .into_iter()
            .map(|reader| reader.join().expect("a reader panicked"))
            .sum()
    });
    report(
        "two readers have caught up",
        producer.len(),
        producer.capacity(),
    );
    assert_eq!(read, 200_000);

    let mut traffic = 0;
    while producer.capacity() > 64 {
        producer.push(format!("message {traffic}"));
        consumer.pop_tail();
        traffic += 1;
    }
    report(
        &format!("after {traffic} more, one by one"),
        producer.len(),
        producer.capacity(),
    );

    producer.push_head_batch((0..10_000).map(|number| number.to_string()));
    drop(producer.pop_head_batch(usize::MAX));
    report(
        "after another burst, taken back",
        producer.len(),
        producer.capacity(),
    );
    producer.shrink();
    report("after shrink", producer.len(), producer.capacity());
}

/// Reads until nothing is left, in batches; says how many messages there were.
fn catch_up(consumer: &Consumer<String>) -> usize {
    let mut read = 0;
    loop {
        let batch = consumer.pop_tail_batch(64);
        if batch.len() == 0 {
            return read;
        }
        for message in batch {
            assert!(message.starts_with("message "));
            read += 1;
        }
    }
}
