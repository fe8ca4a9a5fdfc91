//! The rule by which rings are unlinked, checked in every interleaving, with counts so narrow that a thief sleeps
//! through whole turns of them.
//!
//! One producer that ends by appending another ring, one thief that claims as the ring does, and an observer who
//! unlinks the ring when it has a successor and reads empty. The thief may find that it has claimed what is not there
//! and give its tickets back. Between its look and its give-back they may be filled, and the observer may come by. So
//! the thief claims as many again before it answers. The model has no weak memory: the models for that are in
//! `tests/loom.rs` of both crates.
#![cfg(not(any(pool_loom, miri)))]

use std::collections::{HashSet, VecDeque};

/// The range of a count.
const RANGE: u8 = 8;
/// The capacity of the ring.
const SLOTS: u8 = 2;
/// So many pushes between look and claim cannot bring the word round.
const UNSUSPICIOUS: u8 = RANGE / 4;
/// More than a turn, so that the thief's claim can be wrong.
const PUSHES: u8 = RANGE + 2;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// As it is.
    ClaimAgain,
    /// Who gave tickets back says that the ring was empty.
    Answer,
    /// Who claims believes it.
    Believe,
}

/// Pops and steals, both modulo the range.
type Word = (u8, u8);

#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    pushes: u8,
    word: Word,
    full: [bool; SLOTS as usize],
    item: [u8; SLOTS as usize],
    /// The values that have left, one bit for each.
    gone: u32,
    unlinked: bool,
    owner: Owner,
    thief: Thief,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Owner {
    Idle,
    Filled,
    Pop(Word),
    Won(u8),
    Closed,
}

/// `again` is how many tickets were given back; zero at the first attempt.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Thief {
    Start {
        again: u8,
    },
    Before {
        again: u8,
        pushes: u8,
    },
    Read {
        again: u8,
        pushes: u8,
        word: Word,
    },
    Claim {
        again: u8,
        pushes: u8,
        word: Word,
        count: u8,
    },
    Confirm {
        pushes: u8,
        first: u8,
        count: u8,
    },
    Suspect {
        first: u8,
        count: u8,
    },
    Collect {
        first: u8,
        count: u8,
        pushes: u8,
    },
    Compare {
        first: u8,
        count: u8,
        pushes: u8,
        word: Word,
    },
    GiveBack {
        first: u8,
        count: u8,
        word: Word,
    },
    Take {
        next: u8,
        left: u8,
    },
    Done,
}

const fn add(a: u8, b: u8) -> u8 {
    (a + b) % RANGE
}

const fn sub(a: u8, b: u8) -> u8 {
    (a + RANGE - b % RANGE) % RANGE
}

/// How far `a` lies ahead of `b`.
fn ahead(a: u8, b: u8) -> i8 {
    let distance = sub(a, b) as i8;
    if distance >= RANGE as i8 / 2 {
        distance - RANGE as i8
    } else {
        distance
    }
}

fn head(pushes: u8, (pops, _): Word) -> u8 {
    sub(pushes % RANGE, pops)
}

fn len(pushes: u8, word: Word) -> i8 {
    ahead(head(pushes, word), word.1)
}

impl State {
    fn new() -> Self {
        Self {
            pushes: 0,
            word: (0, 0),
            full: [false; SLOTS as usize],
            item: [0; SLOTS as usize],
            gone: 0,
            unlinked: false,
            owner: Owner::Idle,
            thief: Thief::Start { again: 0 },
        }
    }

    fn slot(index: u8) -> usize {
        usize::from(index % SLOTS)
    }

    fn take(&mut self, index: u8) -> Result<(), &'static str> {
        let slot = Self::slot(index);
        if !std::mem::replace(&mut self.full[slot], false) {
            return Err("an empty slot was taken");
        }
        self.gone |= 1 << self.item[slot];
        Ok(())
    }

    fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut next = self.clone();
        change(&mut next);
        next
    }

    /// What the producer and the observer can do.
    fn owner_steps(&self, next: &mut Vec<Self>) -> Result<(), &'static str> {
        match self.owner {
            Owner::Idle => {
                let slot = Self::slot(head(self.pushes, self.word));
                if self.pushes < PUSHES && !self.full[slot] {
                    next.push(self.with(|state| {
                        state.item[slot] = self.pushes;
                        state.full[slot] = true;
                        state.owner = Owner::Filled;
                    }));
                }
                next.push(self.with(|state| state.owner = Owner::Pop(self.word)));
                next.push(self.with(|state| state.owner = Owner::Closed));
            }
            Owner::Filled => next.push(self.with(|state| {
                state.pushes += 1;
                state.owner = Owner::Idle;
            })),
            Owner::Pop(word) if len(self.pushes, word) <= 0 => {
                next.push(self.with(|state| state.owner = Owner::Idle));
            }
            Owner::Pop(word) if word != self.word => {
                next.push(self.with(|state| state.owner = Owner::Pop(self.word)));
            }
            Owner::Pop((pops, steals)) => next.push(self.with(|state| {
                state.word = (add(pops, 1), steals);
                state.owner = Owner::Won(head(self.pushes, state.word));
            })),
            Owner::Won(index) => {
                let mut state = self.clone();
                state.take(index)?;
                state.owner = Owner::Idle;
                next.push(state);
            }
            Owner::Closed if !self.unlinked && len(self.pushes, self.word) <= 0 => {
                next.push(self.with(|state| state.unlinked = true));
            }
            Owner::Closed => {}
        }
        Ok(())
    }

    /// What the thief can do. Says how many tickets it gave back though there were values behind them.
    fn thief_steps(&self, rule: Rule, next: &mut Vec<Self>) -> Result<u32, &'static str> {
        let to = |thief| self.with(|state| state.thief = thief);
        let mut filled_since = 0;
        match self.thief {
            Thief::Start { again } => next.push(to(Thief::Before {
                again,
                pushes: self.pushes,
            })),
            Thief::Before { again, pushes } => {
                next.push(to(Thief::Read {
                    again,
                    pushes,
                    word: self.word,
                }));
            }
            Thief::Read {
                again,
                pushes,
                word,
            } => {
                let there = len(pushes, word);
                if there <= 0 || there > SLOTS as i8 {
                    // Empty if nothing was pushed since; else a new look.
                    let empty = pushes == self.pushes;
                    next.push(to(if empty {
                        Thief::Done
                    } else {
                        Thief::Start { again }
                    }));
                } else if again != 0 {
                    let count = (there as u8).min(again);
                    next.push(to(Thief::Claim {
                        again,
                        pushes,
                        word,
                        count,
                    }));
                } else {
                    for count in 1..=there as u8 {
                        next.push(to(Thief::Claim {
                            again,
                            pushes,
                            word,
                            count,
                        }));
                    }
                }
            }
            Thief::Claim {
                again,
                pushes,
                word,
                count,
            } => {
                if word == self.word {
                    let first = word.1;
                    let won = match rule {
                        Rule::Believe => Thief::Take {
                            next: first,
                            left: count,
                        },
                        _ => Thief::Confirm {
                            pushes,
                            first,
                            count,
                        },
                    };
                    next.push(self.with(|state| {
                        state.word.1 = add(first, count);
                        state.thief = won;
                    }));
                } else {
                    next.push(to(Thief::Read {
                        again,
                        pushes,
                        word: self.word,
                    }));
                }
            }
            Thief::Confirm {
                pushes,
                first,
                count,
            } => {
                let good = self.pushes - pushes < UNSUSPICIOUS;
                next.push(to(if good {
                    Thief::Take {
                        next: first,
                        left: count,
                    }
                } else {
                    Thief::Suspect { first, count }
                }));
            }
            Thief::Suspect { first, count } => {
                next.push(to(Thief::Collect {
                    first,
                    count,
                    pushes: self.pushes,
                }));
            }
            Thief::Collect {
                first,
                count,
                pushes,
            } => {
                next.push(to(Thief::Compare {
                    first,
                    count,
                    pushes,
                    word: self.word,
                }));
            }
            Thief::Compare {
                first,
                count,
                pushes,
                word,
            } => {
                let end = add(first, count);
                next.push(to(if pushes != self.pushes {
                    Thief::Suspect { first, count }
                } else if ahead(head(pushes, word), end) >= 0 {
                    Thief::Take {
                        next: first,
                        left: count,
                    }
                } else if word.1 == end {
                    Thief::GiveBack { first, count, word }
                } else {
                    Thief::Suspect { first, count }
                }));
            }
            Thief::GiveBack { first, count, word } => {
                if word == self.word {
                    let state = self.with(|state| state.word.1 = first);
                    filled_since = len(state.pushes, state.word).max(0) as u32;
                    let answer = match rule {
                        Rule::Answer => Thief::Done,
                        _ => Thief::Start { again: count },
                    };
                    next.push(state.with(|state| state.thief = answer));
                } else {
                    next.push(to(Thief::Suspect { first, count }));
                }
            }
            Thief::Take { left: 0, .. } => next.push(to(Thief::Done)),
            Thief::Take { next: index, left } => {
                let mut state = self.clone();
                state.take(index)?;
                state.thief = Thief::Take {
                    next: add(index, 1),
                    left: left - 1,
                };
                next.push(state);
            }
            Thief::Done => {}
        }
        Ok(filled_since)
    }
}

/// What a search found: states, and give-backs of tickets that had been filled meanwhile.
fn search(rule: Rule) -> Result<(usize, u32), &'static str> {
    let mut seen = HashSet::from([State::new()]);
    let mut todo = VecDeque::from([State::new()]);
    let mut filled_since = 0;
    while let Some(state) = todo.pop_front() {
        let mut next = Vec::new();
        state.owner_steps(&mut next)?;
        filled_since += state.thief_steps(rule, &mut next)?;
        if next.is_empty() && state.unlinked && state.gone != (1 << state.pushes) - 1 {
            return Err("a value was left in a ring that was unlinked");
        }
        for state in next {
            if seen.insert(state.clone()) {
                todo.push_back(state);
            }
        }
    }
    Ok((seen.len(), filled_since))
}

#[test]
fn no_value_stays_in_an_unlinked_ring() {
    let (states, filled_since) = search(Rule::ClaimAgain).unwrap();
    assert!(states > 115_000, "only {states} states");
    assert!(
        filled_since > 0,
        "no ticket was filled before it was given back"
    );
}

#[test]
fn an_answer_after_a_give_back_loses_one() {
    let found = search(Rule::Answer);
    assert_eq!(found, Err("a value was left in a ring that was unlinked"));
}

#[test]
fn a_claim_that_is_believed_finds_nothing() {
    assert_eq!(search(Rule::Believe), Err("an empty slot was taken"));
}
