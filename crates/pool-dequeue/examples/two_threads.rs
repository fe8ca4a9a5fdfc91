//! Hands out work from one thread to two others that steal it, and joins in.
//!
//! The work: how many primes are there below two million? The owner cuts the numbers into pieces and pushes
//! them at the head. The helpers take the oldest pieces from the tail, a few at a time, so that
//! they touch the shared word rarely. When the ring is full the owner stops cutting and works: it does
//! the newest piece itself. At the end all three empty the ring.
//!
//! ```text
//! cargo run --release -p pool-dequeue --example two_threads
//! ```

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use pool_dequeue::{Consumer, bounded};

const LIMIT: u32 = 2_000_000;
const PIECE: u32 = 5_000;

fn main() {
    let (mut producer, consumer) = bounded::<Range<u32>>(32);
    let all_cut = AtomicBool::new(false);

    thread::scope(|scope| {
        let helpers = [1, 2].map(|_| {
            let (consumer, all_cut) = (consumer.clone(), &all_cut);
            scope.spawn(move || help(&consumer, all_cut))
        });

        let mut own = Done::default();
        for start in (0..LIMIT).step_by(PIECE as usize) {
            let mut piece = start..(start + PIECE).min(LIMIT);
            while let Err(full) = producer.push_head(piece) {
                piece = full.into_inner();
                if let Some(newest) = producer.pop_head() {
                    own.work_on(newest);
                }
            }
        }
        all_cut.store(true, Ordering::Release);
        while let Some(newest) = producer.pop_head() {
            own.work_on(newest);
        }

        let mut primes = own.primes;
        println!("owner: {} pieces", own.pieces);
        for helper in helpers {
            let done = helper.join().expect("a helper panicked");
            println!("helper: {} pieces", done.pieces);
            primes += done.primes;
        }
        println!("{primes} primes below {LIMIT}");
        assert_eq!(primes, 148_933);
    });
}

/// What a helper does until there is nothing left to steal.
fn help(consumer: &Consumer<Range<u32>>, all_cut: &AtomicBool) -> Done {
    let mut done = Done::default();
    loop {
        // Looked at first: if it was true, an empty ring stays empty.
        let last = all_cut.load(Ordering::Acquire);
        let before = done.pieces;
        for piece in consumer.pop_tail_batch(4) {
            done.work_on(piece);
        }
        if done.pieces == before {
            if last {
                return done;
            }
            thread::yield_now();
        }
    }
}

/// One thread's share.
#[derive(Default)]
struct Done {
    pieces: usize,
    primes: usize,
}

impl Done {
    fn work_on(&mut self, piece: Range<u32>) {
        self.pieces += 1;
        self.primes += piece.filter(|number| is_prime(*number)).count();
    }
}

fn is_prime(number: u32) -> bool {
    number >= 2
        && (2..)
            .take_while(|factor| factor * factor <= number)
            .all(|factor| number % factor != 0)
}
