//! The specification that models are compared with: the ring as a sequential machine whose operations are
//! one or a few steps each, and every interleaving of those steps.
//!
//! It knows nothing of atomics, orderings or wrapping indices. Its steps are the ones that the ring
//! documents: a claim takes values out of the ring at once, and the slots are handed back one by one after
//! that; a push of many looks at the slots one by one and makes all its values visible at once. A thief that
//! takes several counts them by the pushes that it saw before its claim. The producer may hear of a slot's
//! return late, even after the same consumer's next call: the counts are not what the return travels with.
//! It hears of one consumer's returns in their order.

use std::collections::{BTreeSet, HashSet};

/// One call.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Push(u8),
    PushBatch(&'static [u8]),
    PopHead,
    PopHeadBatch(usize),
    PopTail,
    PopTailBatch(usize),
    /// Steals into a ring of one's own of this capacity; what comes back is followed by what has moved, the
    /// newest first.
    StealInto(usize),
}

/// What a call gave.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Got {
    /// How many values went in.
    Pushed(usize),
    /// The values that came out, in this order.
    Popped(Vec<u8>),
}

/// What each thread does with a ring that starts with some values.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) capacity: usize,
    /// The first index. The specification does not care.
    pub(crate) origin: u32,
    pub(crate) start: Vec<u8>,
    pub(crate) owner: Vec<Op>,
    pub(crate) thieves: Vec<Vec<Op>>,
}

/// What happened in one execution.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Outcome {
    /// What each thread got, call by call; the owner comes first.
    pub(crate) got: Vec<Vec<Got>>,
    /// What was left in the ring.
    pub(crate) left: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    /// Indices that never wrap.
    head: usize,
    tail: usize,
    /// How often the owner has pushed.
    pushes: usize,
    /// By slot: the value, as long as it has not been moved out.
    slots: Vec<Option<u8>>,
    threads: Vec<Thread>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Thread {
    /// The next call.
    next: usize,
    /// Has found slots for so many values and filled them.
    filled: usize,
    /// Has seen so many pushes.
    looked: Option<usize>,
    /// Slots handed back of which the producer has not heard yet, oldest first.
    returning: Vec<usize>,
    got: Vec<Got>,
}

/// Every outcome of every interleaving.
pub(crate) fn outcomes(program: &Program) -> BTreeSet<Outcome> {
    let mut start = State {
        head: 0,
        tail: 0,
        pushes: 0,
        slots: vec![None; program.capacity],
        threads: vec![
            Thread {
                next: 0,
                filled: 0,
                looked: None,
                returning: Vec::new(),
                got: Vec::new(),
            };
            1 + program.thieves.len()
        ],
    };
    for value in &program.start {
        let slot = start.head % program.capacity;
        assert!(start.slots[slot].is_none(), "the ring starts with too much");
        start.slots[slot] = Some(*value);
        start.head += 1;
    }

    let mut seen = HashSet::new();
    let mut open = vec![start];
    let mut outcomes = BTreeSet::new();
    while let Some(state) = open.pop() {
        if !seen.insert(state.clone()) {
            continue;
        }
        let before = open.len();
        for thread in 0..state.threads.len() {
            let ops = if thread == 0 {
                &program.owner
            } else {
                &program.thieves[thread - 1]
            };
            let mut next = state.clone();
            if next.step(thread, ops) {
                open.push(next);
            }
            let mut next = state.clone();
            if next.hear_of_a_return(thread) {
                open.push(next);
            }
        }
        if open.len() == before {
            // Everybody is through.
            outcomes.insert(Outcome {
                left: (state.tail..state.head)
                    .map(|index| state.slots[index % program.capacity].unwrap())
                    .collect(),
                got: state.threads.into_iter().map(|thread| thread.got).collect(),
            });
        }
    }
    outcomes
}

impl State {
    /// One step of one thread; `false` if it has none left.
    fn step(&mut self, thread: usize, ops: &[Op]) -> bool {
        let len = self.head - self.tail;
        let Some(op) = ops.get(self.threads[thread].next) else {
            return false;
        };
        match *op {
            // Looking and publishing can be one step: a slot that is free stays free until the only
            // producer fills it.
            Op::Push(value) => {
                let free = self.fill(0, value);
                self.publish(thread, usize::from(free));
            }
            Op::PushBatch(values) => {
                let filled = self.threads[thread].filled;
                if filled < values.len() && self.fill(filled, values[filled]) {
                    self.threads[thread].filled += 1;
                } else {
                    self.threads[thread].filled = 0;
                    self.publish(thread, filled);
                }
            }
            Op::PopHead => self.claim_head(thread, len.min(1)),
            Op::PopHeadBatch(max) => self.claim_head(thread, len.min(max)),
            Op::PopTail => self.claim_tail(thread, len.min(1)),
            Op::PopTailBatch(_) | Op::StealInto(_) => {
                let Some(looked) = self.threads[thread].looked.take() else {
                    self.threads[thread].looked = Some(self.pushes);
                    return true;
                };
                // What was pushed since the look is not counted; if there is nothing else, the thief looks again.
                match (len + looked).checked_sub(self.pushes) {
                    Some(seen) if seen > 0 || looked == self.pushes => {
                        let half = seen.div_ceil(2);
                        match *op {
                            Op::StealInto(room) => {
                                self.claim_tail(thread, half.min(1 + room));
                                self.moved(thread);
                            }
                            Op::PopTailBatch(max) => self.claim_tail(thread, half.min(max)),
                            _ => unreachable!("as said above"),
                        }
                    }
                    _ => {}
                }
            }
        }
        true
    }

    /// What the thief got by its last call is in a ring of its own, but for the first.
    fn moved(&mut self, thread: usize) {
        if let Some(Got::Popped(values)) = self.threads[thread].got.last_mut() {
            if let Some(moved) = values.get_mut(1..) {
                moved.reverse();
            }
        }
    }

    /// The producer hears of one more slot of this thread's; `false` if there is none.
    fn hear_of_a_return(&mut self, thread: usize) -> bool {
        let returning = &mut self.threads[thread].returning;
        if returning.is_empty() {
            return false;
        }
        let slot = returning.remove(0);
        self.slots[slot] = None;
        true
    }

    /// Fills the slot so many places beyond the head, if it is free.
    fn fill(&mut self, beyond: usize, value: u8) -> bool {
        let slot = (self.head + beyond) % self.slots.len();
        let free = self.slots[slot].is_none();
        if free {
            self.slots[slot] = Some(value);
        }
        free
    }

    fn publish(&mut self, thread: usize, count: usize) {
        self.head += count;
        self.pushes += count;
        self.done(thread, Got::Pushed(count));
    }

    fn claim_head(&mut self, thread: usize, count: usize) {
        let indices = (self.head - count..self.head).rev();
        self.head -= count;
        self.claim(thread, indices);
    }

    fn claim_tail(&mut self, thread: usize, count: usize) {
        let indices = self.tail..self.tail + count;
        self.tail += count;
        self.claim(thread, indices);
    }

    fn claim(&mut self, thread: usize, indices: impl Iterator<Item = usize>) {
        let slots: Vec<_> = indices.map(|index| index % self.slots.len()).collect();
        let values = slots.iter().map(|slot| self.slots[*slot].unwrap());
        let got = Got::Popped(values.collect());
        self.done(thread, got);
        self.threads[thread].returning.extend(slots);
        // The producer knows what it handed back itself.
        while thread == 0 && self.hear_of_a_return(thread) {}
    }

    fn done(&mut self, thread: usize, got: Got) {
        let thread = &mut self.threads[thread];
        thread.got.push(got);
        thread.next += 1;
    }
}
