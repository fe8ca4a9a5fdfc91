//! Two threads that do pair after pair of operations at the same time. The same file in every crate that has pairs.
//!
//! One thread for each side does all pairs. That alone saved Miri nothing measurable; what the pairs do without vectors
//! and iterators did. The sides meet before each, and that orders the pairs. Between the start of a pair and its end nothing here orders anything.

use std::hint;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, Thread};

/// How often each pair is done: under Miri once a schedule, on a machine until the sides have overlapped.
pub(crate) const ROUNDS: usize = if cfg!(miri) { 1 } else { 200 };

/// Where two sides meet.
#[derive(Default)]
struct Place {
    /// How often each has come.
    came: [AtomicUsize; 2],
    /// Whether one has left, because it is done or has failed.
    left: AtomicBool,
    coin: AtomicBool,
}

/// One of two sides.
struct Side<'a> {
    place: &'a Place,
    number: usize,
    other: Thread,
    came: usize,
}

impl<'a> Side<'a> {
    fn new(place: &'a Place, number: usize, other: Thread) -> Self {
        Self {
            place,
            number,
            other,
            came: 0,
        }
    }

    /// Whether the other has come as often. Fails when it never will.
    fn complete(&self) -> bool {
        let other = &self.place.came[1 - self.number];
        if other.load(Ordering::Acquire) >= self.came {
            return true;
        }
        if self.place.left.load(Ordering::Acquire) {
            // It may have come before it left.
            let came = other.load(Ordering::Acquire);
            assert!(came >= self.came, "the other side has failed");
        }
        false
    }

    fn come(&mut self) {
        self.came += 1;
        self.place.came[self.number].store(self.came, Ordering::Release);
    }

    /// Waits until the other has come as often, asleep: under Miri that costs nothing, however long it takes.
    fn meet(&mut self) {
        self.come();
        self.other.unpark();
        while !self.complete() {
            thread::park();
        }
    }

    /// The same awake, so that both start at once; and then lets chance say who is first.
    ///
    /// Under Miri whoever comes last would go on and be the first in nearly every schedule. A weak exchange fails there
    /// four times of five, as the seed decides; each time the other side has its turn.
    fn start(&mut self) {
        self.come();
        let mut rounds = 0;
        while !self.complete() {
            rounds += 1;
            if rounds % 256 == 0 {
                // Both may have to share a core.
                thread::yield_now();
            } else {
                hint::spin_loop();
            }
        }
        let coin = &self.place.coin;
        while cfg!(miri)
            && coin
                .compare_exchange_weak(false, false, Ordering::Relaxed, Ordering::Relaxed)
                .is_err()
        {
            hint::spin_loop();
        }
    }
}

impl Drop for Side<'_> {
    /// Also when it has failed: then the other waits no longer.
    fn drop(&mut self) {
        self.place.left.store(true, Ordering::Release);
        self.other.unpark();
    }
}

/// Does `left` here and `right` on another thread at the same time, for each case, with what `prepare` makes for them,
/// and hands `check` what they return.
pub(crate) fn each<C: Sync, L, R: Send, A, B: Send>(
    cases: &[C],
    mut prepare: impl FnMut(&C) -> (L, R),
    left: impl Fn(&C, L) -> A,
    right: impl Fn(&C, R) -> B + Sync,
    mut check: impl FnMut(&C, A, B),
) {
    let place = Place::default();
    let here = thread::current();
    let (given, returned) = (Mutex::new(None), Mutex::new(None));
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            let mut side = Side::new(&place, 1, here);
            for case in cases {
                for _ in 0..ROUNDS {
                    side.meet();
                    let part = given.lock().unwrap().take().unwrap();
                    side.start();
                    let result = right(case, part);
                    *returned.lock().unwrap() = Some(result);
                    side.meet();
                }
            }
        });
        let mut side = Side::new(&place, 0, other.thread().clone());
        for case in cases {
            for _ in 0..ROUNDS {
                let (mine, others) = prepare(case);
                *given.lock().unwrap() = Some(others);
                side.meet();
                side.start();
                let result = left(case, mine);
                side.meet();
                let other = returned.lock().unwrap().take().unwrap();
                check(case, result, other);
            }
        }
    });
}
