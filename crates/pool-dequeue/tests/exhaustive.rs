//! The protocol of the split ring, checked in every interleaving under sequential consistency, with counts so narrow
//! that a sleeping thief meets whole turns of them.
//!
//! This is a copy of the protocol and not the code: the models in `tests/loom.rs` run the code, and the design page says
//! which of the two covers what. What is checked in every state and at every end:
//!
//! - a thief or the owner takes a value only where there is one, and no value is taken twice;
//! - at the end each value was taken or is in the ring;
//! - "empty" is answered only if the ring was empty at some moment during the call;
//! - a closed ring that was seen drained, in which no new call begins, is empty when the calls in it have ended.
//!
//! Each rule that the protocol could do without is left out in turn, and the check has to notice.
#![cfg(not(any(pool_loom, miri)))]

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

/// Mixes bytes fast; nobody attacks this table.
#[derive(Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 29
    }
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }
    fn write_u8(&mut self, byte: u8) {
        self.write_u64(byte.into());
    }
    fn write_u32(&mut self, word: u32) {
        self.write_u64(word.into());
    }
    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }
}

const NONE: u8 = u8::MAX;

#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    /// Never wraps.
    pushes: u8,
    /// Modulo the range.
    pops: u8,
    steals: u8,
    /// By slot: whether the next lap in which it is written is an odd one.
    odd: [bool; 4],
    /// By slot: which push the value in it is of.
    value: [u8; 4],
    /// By push: whether its value was taken.
    taken: u32,
    /// The ring was closed, and then seen drained.
    drained: bool,
    owner: Owner,
    thieves: [Thief; 3],
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Owner {
    Idle,
    /// Has filled so many slots.
    Filled(u8),
    /// Wants so many and has read pops and steals.
    Read(u8, u8, u8),
    /// Has popped so many and not yet moved them out.
    Popped(u8),
    Closed,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Thief {
    /// Calls left.
    calls: u8,
    /// Whether the ring has been empty since the call began.
    empty: bool,
    /// Claims again up to so many after a give-back; 0 otherwise.
    owed: u8,
    at: At,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum At {
    Between,
    /// Has read the pushes.
    Before(u8),
    /// Has read pops and steals, too.
    Read(u8, u8, u8),
    /// Has claimed: pushes before, first ticket, how many.
    Claimed(u8, u8, u8),
    /// Is in doubt about tickets.
    Doubt(u8, u8),
    /// And has read the pushes.
    DoubtBefore(u8, u8, u8),
    /// And pops and steals.
    DoubtRead(u8, u8, u8, u8, u8),
    /// Gives the tickets back if pops and steals are these.
    GiveBack(u8, u8, u8, u8),
    /// Moves values out from here, so many.
    Take(u8, u8),
    Done,
}

/// What is left out.
#[derive(Clone, Copy, PartialEq)]
enum Without {
    Nothing,
    /// A claim is believed.
    SecondLook,
    /// In its place stands a look at the slot: it waits for the ticket's lap.
    LookAtTheSlot,
    /// Who gave tickets back answers at once.
    ClaimingAgain,
    /// "Empty" is answered without a second look at the pushes.
    LookBeforeEmpty,
}

#[derive(Clone, Copy)]
struct Case {
    range: u8,
    capacity: u8,
    pushes: u8,
    /// What the owner pushes or pops at once, at most.
    batch: u8,
    /// Calls of each thief.
    calls: &'static [u8],
    without: Without,
}

impl Case {
    fn add(&self, a: u8, b: u8) -> u8 {
        (a + b) % self.range
    }
    fn sub(&self, a: u8, b: u8) -> u8 {
        (a + self.range - b % self.range) % self.range
    }
    fn ahead(&self, a: u8, b: u8) -> i8 {
        let distance = self.sub(a, b) as i8;
        if distance >= (self.range / 2) as i8 {
            distance - self.range as i8
        } else {
            distance
        }
    }
    fn head(&self, pushes: u8, pops: u8) -> u8 {
        self.sub(pushes % self.range, pops)
    }
    fn len(&self, pushes: u8, pops: u8, steals: u8) -> i8 {
        self.ahead(self.head(pushes, pops), steals)
    }
    fn slot(&self, index: u8) -> usize {
        (index % self.capacity).into()
    }
    fn is_odd(&self, index: u8) -> bool {
        index & self.capacity != 0
    }

    /// Moves the value of an index out.
    fn take(&self, state: &mut State, index: u8, at_tail: bool) -> Result<(), String> {
        let slot = self.slot(index);
        let value = std::mem::replace(&mut state.value[slot], NONE);
        if value == NONE {
            return Err("an empty slot was read".into());
        }
        if state.taken & 1 << value != 0 {
            return Err("a value came twice".into());
        }
        state.taken |= 1 << value;
        if at_tail {
            state.odd[slot] = !self.is_odd(index);
        }
        Ok(())
    }

    fn owner(&self, state: &State, next: &mut Vec<State>) -> Result<(), String> {
        let mut to = |owner, change: &mut dyn FnMut(&mut State) -> Result<(), String>| {
            let mut after = State {
                owner,
                ..state.clone()
            };
            change(&mut after)?;
            next.push(after);
            Ok::<(), String>(())
        };
        let head = self.head(state.pushes, state.pops);
        match state.owner {
            Owner::Idle => {
                let most = self.batch.min(self.pushes - state.pushes);
                let is_free = |place: &u8| {
                    let index = self.add(head, *place);
                    state.odd[self.slot(index)] == self.is_odd(index)
                };
                let free = (0..most.min(self.capacity)).take_while(is_free).count() as u8;
                for count in 1..=free {
                    to(Owner::Filled(count), &mut |after| {
                        for place in 0..count {
                            let slot = self.slot(self.add(head, place));
                            if after.value[slot] != NONE {
                                return Err("a value was overwritten".into());
                            }
                            after.value[slot] = state.pushes + place;
                        }
                        Ok(())
                    })?;
                }
                for count in 1..=self.batch {
                    let read = Owner::Read(count, state.pops, state.steals);
                    to(read, &mut |_| Ok(()))?;
                }
                if state.pushes == self.pushes {
                    to(Owner::Closed, &mut |_| Ok(()))?;
                }
            }
            Owner::Filled(count) => to(Owner::Idle, &mut |after| {
                after.pushes += count;
                Ok(())
            })?,
            Owner::Read(most, pops, steals) => {
                let len = self.len(state.pushes, pops, steals);
                if len <= 0 {
                    to(Owner::Idle, &mut |_| Ok(()))?;
                } else if (state.pops, state.steals) == (pops, steals) {
                    let count = most.min(len as u8);
                    to(Owner::Popped(count), &mut |after| {
                        after.pops = self.add(pops, count);
                        Ok(())
                    })?;
                } else {
                    let read = Owner::Read(most, state.pops, state.steals);
                    to(read, &mut |_| Ok(()))?;
                }
            }
            Owner::Popped(count) => to(Owner::Idle, &mut |after| {
                (0..count).try_for_each(|place| self.take(after, self.add(head, place), false))
            })?,
            // Somebody who knows of all pushes asks whether the ring is drained.
            Owner::Closed => {
                if !state.drained && self.len(state.pushes, state.pops, state.steals) <= 0 {
                    to(Owner::Closed, &mut |after| {
                        after.drained = true;
                        Ok(())
                    })?;
                }
            }
        }
        Ok(())
    }

    fn thief(&self, state: &State, which: usize, next: &mut Vec<State>) -> Result<(), String> {
        let thief = state.thieves[which];
        let mut to = |change: &mut dyn FnMut(&mut State, &mut Thief) -> Result<(), String>| {
            let (mut after, mut moved) = (state.clone(), thief);
            change(&mut after, &mut moved)?;
            after.thieves[which] = moved;
            next.push(after);
            Ok::<(), String>(())
        };
        let mut go = |at| {
            to(&mut |_, thief| {
                thief.at = at;
                Ok(())
            })
        };
        // The word as it is, and where the call ends.
        let (pops, steals) = (state.pops, state.steals);
        let answer = |thief: &mut Thief| {
            thief.calls -= 1;
            thief.owed = 0;
            thief.empty = false;
            thief.at = if thief.calls == 0 {
                At::Done
            } else {
                At::Between
            };
        };
        match thief.at {
            At::Between => {
                // Nobody comes to a ring that was unlinked, and nobody has to come.
                if !state.drained {
                    to(&mut |state, thief| {
                        thief.at = At::Before(state.pushes);
                        thief.empty = self.len(state.pushes, pops, steals) <= 0;
                        Ok(())
                    })?;
                }
                to(&mut |_, thief| {
                    thief.at = At::Done;
                    Ok(())
                })?;
            }
            At::Before(before) => go(At::Read(before, pops, steals))?,
            At::Read(before, seen_pops, seen_steals) => {
                let len = self.len(before, seen_pops, seen_steals);
                if len <= 0 || len > self.capacity as i8 {
                    if state.pushes == before || self.without == Without::LookBeforeEmpty {
                        if !thief.empty {
                            return Err("empty was said of a ring that never was".into());
                        }
                        to(&mut |_, thief| {
                            answer(thief);
                            Ok(())
                        })?;
                    } else {
                        go(At::Before(state.pushes))?;
                    }
                } else if (pops, steals) != (seen_pops, seen_steals) {
                    // The exchange fails and gives the word.
                    go(At::Read(before, pops, steals))?;
                } else {
                    let len = len as u8;
                    let counts = match thief.owed {
                        // Any number: half, one, as many as there is room for.
                        0 => 1..=len,
                        owed => len.min(owed)..=len.min(owed),
                    };
                    for count in counts {
                        to(&mut |state, thief| {
                            state.steals = self.add(steals, count);
                            thief.at = At::Claimed(before, steals, count);
                            Ok(())
                        })?;
                    }
                }
            }
            At::Claimed(before, first, count) => {
                let good = match self.without {
                    Without::SecondLook => true,
                    Without::LookAtTheSlot => state.odd[self.slot(first)] == self.is_odd(first),
                    _ => state.pushes - before < self.range / 4,
                };
                go(if good {
                    At::Take(first, count)
                } else {
                    At::Doubt(first, count)
                })?;
            }
            At::Doubt(first, count) => go(At::DoubtBefore(first, count, state.pushes))?,
            At::DoubtBefore(first, count, before) => {
                go(At::DoubtRead(first, count, before, pops, steals))?;
            }
            At::DoubtRead(first, count, before, seen_pops, seen_steals) => {
                let end = self.add(first, count);
                go(if state.pushes != before {
                    At::DoubtBefore(first, count, state.pushes)
                } else if self.ahead(self.head(before, seen_pops), end) >= 0 {
                    At::Take(first, count)
                } else if seen_steals != end {
                    At::Doubt(first, count)
                } else {
                    At::GiveBack(first, count, seen_pops, seen_steals)
                })?;
            }
            At::GiveBack(first, count, seen_pops, seen_steals) => {
                if (pops, steals) != (seen_pops, seen_steals) {
                    go(At::Doubt(first, count))?;
                } else {
                    to(&mut |state, thief| {
                        state.steals = first;
                        thief.owed = thief.owed.max(count);
                        thief.at = At::Before(state.pushes);
                        if self.without == Without::ClaimingAgain {
                            answer(thief);
                        }
                        Ok(())
                    })?;
                }
            }
            At::Take(_, 0) => to(&mut |_, thief| {
                answer(thief);
                Ok(())
            })?,
            At::Take(first, count) => to(&mut |state, thief| {
                self.take(state, first, true)?;
                thief.at = At::Take(self.add(first, 1), count - 1);
                Ok(())
            })?,
            At::Done => {}
        }
        Ok(())
    }

    /// Goes through all states; says how many there are and in how many of them tickets were given back.
    fn search(&self) -> Result<(usize, usize), String> {
        let mut thieves = [Thief {
            calls: 0,
            empty: false,
            owed: 0,
            at: At::Done,
        }; 3];
        for (thief, calls) in thieves.iter_mut().zip(self.calls) {
            (thief.calls, thief.at) = (*calls, At::Between);
        }
        let start = State {
            pushes: 0,
            pops: 0,
            steals: 0,
            odd: [false; 4],
            value: [NONE; 4],
            taken: 0,
            drained: false,
            owner: Owner::Idle,
            thieves,
        };
        let mut seen: HashSet<State, BuildHasherDefault<Mix>> = HashSet::default();
        let mut open = vec![start];
        let mut next = Vec::new();
        let mut given_back = 0;
        while let Some(mut state) = open.pop() {
            if self.len(state.pushes, state.pops, state.steals) <= 0 {
                for thief in &mut state.thieves {
                    thief.empty |= !matches!(thief.at, At::Between | At::Done);
                }
            }
            // Thieves are alike.
            state.thieves.sort_unstable();
            if !seen.insert(state.clone()) {
                continue;
            }
            self.owner(&state, &mut next)?;
            for which in 0..state.thieves.len() {
                self.thief(&state, which, &mut next)?;
            }
            given_back += usize::from(state.thieves.iter().any(|thief| thief.owed != 0));
            if next.is_empty() {
                self.end(&state)?;
            }
            open.append(&mut next);
        }
        Ok((seen.len(), given_back))
    }

    /// Nobody has a step left.
    fn end(&self, state: &State) -> Result<(), String> {
        let is_done = |thief: &Thief| thief.at == At::Done;
        if state.owner != Owner::Closed || !state.thieves.iter().all(is_done) {
            return Err("a thread is stuck".into());
        }
        let mut there = state.taken;
        let mut index = state.steals;
        while index != self.head(state.pushes, state.pops) {
            if state.drained {
                return Err("a value is in a ring that was taken for drained".into());
            }
            let value = state.value[self.slot(index)];
            if value == NONE || there & 1 << value != 0 {
                return Err("the ring holds what it should not".into());
            }
            there |= 1 << value;
            index = self.add(index, 1);
        }
        if there != (1 << state.pushes) - 1 {
            return Err("a value was lost".into());
        }
        Ok(())
    }
}

/// One slot, counts modulo eight.
const ONE: Case = Case {
    range: 8,
    capacity: 1,
    pushes: 12,
    batch: 1,
    calls: &[2],
    without: Without::Nothing,
};

/// Two slots, counts modulo sixteen.
const TWO: Case = Case {
    range: 16,
    capacity: 2,
    pushes: 19,
    batch: 2,
    ..ONE
};

#[track_caller]
fn holds(name: &str, case: Case) {
    let (states, given_back) = case
        .search()
        .unwrap_or_else(|found| panic!("{name}: {found}"));
    println!("{name}: {states} states, {given_back} of them after a give-back");
    assert!(given_back != 0, "{name}: nothing was given back");
}

#[track_caller]
fn breaks(case: Case, how: &str) {
    assert_eq!(case.search(), Err(how.into()));
}

/// Debug builds are slow; they check the smaller cases.
const ALL: bool = !cfg!(debug_assertions);

#[test]
fn one_slot_and_one_thief() {
    holds("one slot, one thief", Case { pushes: 18, ..ONE });
}

#[test]
fn one_slot_and_two_thieves() {
    let pushes = if ALL { 12 } else { 9 };
    holds(
        "one slot, two thieves",
        Case {
            pushes,
            calls: &[1, 1],
            ..ONE
        },
    );
}

#[test]
fn one_slot_and_three_thieves() {
    if ALL {
        holds(
            "one slot, three thieves",
            Case {
                pushes: 7,
                calls: &[1, 1, 1],
                ..ONE
            },
        );
    }
}

#[test]
fn two_slots_and_batches() {
    holds("two slots", Case { calls: &[1], ..TWO });
}

#[test]
fn two_slots_and_two_thieves() {
    if ALL {
        let case = Case {
            range: 8,
            batch: 1,
            pushes: 8,
            calls: &[1, 1],
            ..TWO
        };
        holds("two slots, two thieves", case);
    }
}

#[test]
fn four_slots_and_batches() {
    if ALL {
        let case = Case {
            capacity: 4,
            pushes: 12,
            calls: &[1],
            ..TWO
        };
        holds("four slots", case);
    }
}

#[test]
fn no_rule_can_be_left_out() {
    let empty = "an empty slot was read";
    breaks(
        Case {
            without: Without::SecondLook,
            ..ONE
        },
        empty,
    );
    breaks(
        Case {
            without: Without::LookAtTheSlot,
            ..ONE
        },
        empty,
    );
    let never = "empty was said of a ring that never was";
    breaks(
        Case {
            without: Without::LookBeforeEmpty,
            pushes: 4,
            ..TWO
        },
        never,
    );
    let lost = "a value is in a ring that was taken for drained";
    breaks(
        Case {
            without: Without::ClaimingAgain,
            ..ONE
        },
        lost,
    );
}
