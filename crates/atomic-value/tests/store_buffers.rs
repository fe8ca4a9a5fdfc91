//! The protocol in small, searched whole, with store buffers: what the models in `loom.rs` cannot say, for which both sides
//! of the barrier are full fences.
//!
//! A reader's plain stores wait in a buffer and reach memory at any time later, in their order. A read-modify-write or a
//! fence empties the buffer of its thread; the heavy barrier empties all. `Windows` is the protection of a load by its
//! window: the modes of a slot, their turns, and a barrier that is refused later. `Debts` is the settling of what guards
//! of the light kind owe. Each is searched as it is, and with one thing left out at a time, which must break it.
#![cfg(not(any(miri, pool_loom)))]

use std::collections::{HashMap, HashSet};
use std::fmt::Debug;
use std::hash::Hash;

/// A protocol: from each state, the ones that may follow.
trait Protocol {
    type State: Clone + Eq + Hash + Debug;

    fn begin(&self) -> Self::State;

    /// All steps that any thread may take. An error when the state must not be.
    fn steps(&self, state: &Self::State, next: &mut Vec<Self::State>) -> Result<(), &'static str>;

    /// Whether all may have come to their end here.
    fn is_end(&self, state: &Self::State) -> Result<(), &'static str>;
}

/// Searches all there is, and says how many states that were.
fn search<P: Protocol>(protocol: &P) -> Result<usize, &'static str> {
    let begin = protocol.begin();
    let mut seen = HashSet::from([begin.clone()]);
    let mut before: HashMap<P::State, P::State> = HashMap::new();
    let mut ahead = vec![begin];
    let mut next = Vec::new();
    while let Some(state) = ahead.pop() {
        let result = protocol
            .steps(&state, &mut next)
            .and_then(|()| match next.is_empty() {
                true => protocol.is_end(&state),
                false => Ok(()),
            });
        if let Err(wrong) = result {
            let mut way = vec![&state];
            while let Some(earlier) = before.get(way[way.len() - 1]) {
                way.push(earlier);
            }
            if std::env::var_os("SHOW_THE_WAY").is_some() {
                way.iter().rev().for_each(|state| println!("{state:?}"));
            }
            return Err(wrong);
        }
        for one in next.drain(..) {
            if seen.insert(one.clone()) {
                before.insert(one.clone(), state.clone());
                ahead.push(one);
            }
        }
    }
    Ok(seen.len())
}

mod windows {
    use super::*;

    /// What may be left out.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) enum Without {
        Nothing,
        /// The heavy barrier of a replacement.
        Heavy,
        /// The heavy barrier of a turn.
        HeavyInTurn,
        /// The count of turns.
        Generation,
        /// The reader's look at the mode inside the window: it looks before.
        LookInside,
        /// The version that is left to those who may be loading it.
        Leak,
        /// The reader's confirmation by a store behind its others: anybody who tells it counts it as done.
        Confirmation,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    enum Mode {
        Undecided,
        Light,
        Turning,
        Fences,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    enum Trust {
        Light,
        Told,
        Confirmed,
    }

    /// A store that waits.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    enum Store {
        Loading(u8),
        Confirmed,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    enum Reader {
        Idle,
        /// Has seen the mode, for the mutant that looks too early.
        Looked(bool),
        /// Has announced. The flag is what it saw of the mode before, for the mutant.
        Announced(bool),
        /// Will load by the light barrier.
        Light,
        Fenced,
        /// Uses a version in its window.
        Uses(u8),
        Closes,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    enum Writer {
        Begin,
        Swapped(u8),
        Heavy(u8),
        /// The barrier has been refused.
        Refused(u8),
        Told(u8),
        Looks(u8),
        Waits(u8, u8),
        Frees(u8),
        End,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    enum Turner {
        Begin,
        /// With the word that it has put there, and to where.
        Turning(u8, Mode, Mode),
        Ordered(u8, Mode),
        End,
    }

    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    pub(super) struct State {
        value: u8,
        mode: (u8, Mode),
        trust: Trust,
        loading: u8,
        freed: [bool; 4],
        refused: bool,
        may_refuse: bool,
        buffer: Vec<Store>,
        reader: Reader,
        loads: u8,
        writers: [Writer; 2],
        turners: [Turner; 2],
    }

    impl State {
        fn drain_one(&mut self) {
            match self.buffer.remove(0) {
                Store::Loading(word) => self.loading = word,
                Store::Confirmed => self.trust = Trust::Confirmed,
            }
        }

        fn drain(&mut self) {
            while !self.buffer.is_empty() {
                self.drain_one();
            }
        }

        /// The heavy barrier; false if it is refused.
        fn heavy(&mut self) -> bool {
            if !self.refused {
                self.drain();
            }
            !self.refused
        }

        fn trusts(&self) -> Trust {
            // A thread sees its own stores.
            match self.buffer.contains(&Store::Confirmed) {
                true => Trust::Confirmed,
                false => self.trust,
            }
        }
    }

    pub(super) struct Windows {
        pub(super) without: Without,
        pub(super) undecided: bool,
        pub(super) loads: u8,
        pub(super) turners: usize,
        pub(super) refuses: bool,
    }

    impl Windows {
        fn reader(&self, state: &State, next: &mut Vec<State>) {
            let mut after = state.clone();
            match state.reader {
                Reader::Idle => {
                    if state.loads == 0 {
                        return;
                    }
                    after.reader = Reader::Looked(state.mode.1 == Mode::Light);
                }
                Reader::Looked(seen) => {
                    after.loads -= 1;
                    if state.trusts() == Trust::Told {
                        after.buffer.push(Store::Confirmed);
                    }
                    // The number of the window, so that it differs from the last one's.
                    after.buffer.push(Store::Loading(state.loads));
                    after.reader = Reader::Announced(seen);
                }
                Reader::Announced(seen) => {
                    let light = match self.without {
                        Without::LookInside => seen,
                        _ => state.mode.1 == Mode::Light,
                    };
                    after.reader = match light && state.trusts() == Trust::Light {
                        true => Reader::Light,
                        false => Reader::Fenced,
                    };
                    if state.mode.1 == Mode::Undecided && state.trusts() == Trust::Light {
                        after.drain();
                        after.mode.1 = Mode::Light;
                        after.reader = Reader::Announced(true);
                    }
                }
                Reader::Light => after.reader = Reader::Uses(state.value),
                Reader::Fenced => {
                    after.drain();
                    after.reader = Reader::Light;
                }
                Reader::Uses(_) => after.reader = Reader::Closes,
                Reader::Closes => {
                    after.buffer.push(Store::Loading(0));
                    after.reader = Reader::Idle;
                }
            }
            next.push(after);
        }

        fn writer(&self, state: &State, i: usize, next: &mut Vec<State>) {
            let mut after = state.clone();
            after.writers[i] = match state.writers[i] {
                Writer::Begin => {
                    after.value = i as u8 + 1;
                    Writer::Swapped(state.value)
                }
                Writer::Swapped(old) => match state.mode.1 {
                    Mode::Fences => Writer::Looks(old),
                    Mode::Undecided => {
                        after.mode.1 = Mode::Fences;
                        Writer::Looks(old)
                    }
                    _ => Writer::Heavy(old),
                },
                Writer::Heavy(old) => match self.without == Without::Heavy || after.heavy() {
                    true => Writer::Looks(old),
                    false => Writer::Refused(old),
                },
                Writer::Refused(old) => {
                    if state.trust == Trust::Light {
                        after.trust = match self.without {
                            Without::Confirmation => Trust::Confirmed,
                            _ => Trust::Told,
                        };
                    }
                    Writer::Told(old)
                }
                Writer::Told(old) => {
                    match state.trust == Trust::Confirmed || self.without == Without::Leak {
                        true => Writer::Looks(old),
                        // Left to whoever loads it.
                        false => Writer::End,
                    }
                }
                Writer::Looks(old) => match state.loading {
                    0 => Writer::Frees(old),
                    seen => Writer::Waits(old, seen),
                },
                Writer::Waits(_, seen) if state.loading == seen => return,
                Writer::Waits(old, _) => Writer::Frees(old),
                Writer::Frees(old) => {
                    after.freed[old as usize] = true;
                    Writer::End
                }
                Writer::End => return,
            };
            next.push(after);
        }

        fn turner(&self, state: &State, i: usize, next: &mut Vec<State>) {
            match state.turners[i] {
                Turner::Begin => {
                    let from = state.mode.1;
                    let tos: &[Mode] = match from {
                        Mode::Undecided => &[],
                        Mode::Light => &[Mode::Fences],
                        Mode::Fences => &[Mode::Light],
                        Mode::Turning => &[Mode::Light, Mode::Fences],
                    };
                    for &to in tos {
                        let mut after = state.clone();
                        if from != Mode::Turning {
                            let generation = match self.without {
                                Without::Generation => 0,
                                _ => state.mode.0 + 1,
                            };
                            after.mode = (generation, Mode::Turning);
                        }
                        after.turners[i] = Turner::Turning(after.mode.0, from, to);
                        next.push(after);
                    }
                    // It may not come at all.
                    let mut after = state.clone();
                    after.turners[i] = Turner::End;
                    next.push(after);
                }
                Turner::Turning(generation, from, to) => {
                    let mut after = state.clone();
                    after.turners[i] = match self.without == Without::HeavyInTurn || after.heavy() {
                        true => Turner::Ordered(generation, to),
                        false if from == Mode::Fences => Turner::Ordered(generation, from),
                        false => Turner::End,
                    };
                    next.push(after);
                }
                Turner::Ordered(generation, to) => {
                    let mut after = state.clone();
                    if state.mode == (generation, Mode::Turning) {
                        after.mode.1 = to;
                    }
                    // One turn more, for a turner that another one overtakes.
                    after.turners[i] = match i {
                        0 if self.turners == 2 && state.mode.0 < 2 => Turner::Begin,
                        _ => Turner::End,
                    };
                    next.push(after);
                }
                Turner::End => {}
            }
        }
    }

    impl Protocol for Windows {
        type State = State;

        fn begin(&self) -> State {
            State {
                value: 0,
                mode: (
                    0,
                    match self.undecided {
                        true => Mode::Undecided,
                        false => Mode::Light,
                    },
                ),
                trust: Trust::Light,
                loading: 0,
                freed: [false; 4],
                refused: false,
                may_refuse: self.refuses,
                buffer: Vec::new(),
                reader: Reader::Idle,
                loads: self.loads,
                writers: [Writer::Begin; 2],
                turners: [0, 1].map(|i| match i < self.turners {
                    true => Turner::Begin,
                    false => Turner::End,
                }),
            }
        }

        fn steps(&self, state: &State, next: &mut Vec<State>) -> Result<(), &'static str> {
            if let Reader::Uses(value) = state.reader {
                if state.freed[value as usize] {
                    return Err("freed while in use");
                }
            }
            if !state.buffer.is_empty() {
                let mut after = state.clone();
                after.drain_one();
                next.push(after);
            }
            if state.may_refuse && !state.refused {
                let mut after = state.clone();
                after.refused = true;
                next.push(after);
            }
            self.reader(state, next);
            (0..2).for_each(|i| self.writer(state, i, next));
            (0..2).for_each(|i| self.turner(state, i, next));
            Ok(())
        }

        fn is_end(&self, state: &State) -> Result<(), &'static str> {
            let all = state.writers == [Writer::End; 2] && state.reader == Reader::Idle;
            match all {
                true => Ok(()),
                false => Err("stuck"),
            }
        }
    }
}

use windows::{Windows, Without};

fn windows(without: Without, undecided: bool, turners: usize, refuses: bool) -> Windows {
    Windows {
        without,
        undecided,
        loads: if turners == 2 { 1 } else { 2 },
        turners,
        refuses,
    }
}

#[test]
fn a_window_holds() {
    for (undecided, turners, refuses, least) in [
        (false, 0, false, 300),
        (true, 0, false, 300),
        (false, 1, true, 10_000),
        (true, 1, true, 10_000),
        (false, 2, false, 10_000),
    ] {
        let states = search(&windows(Without::Nothing, undecided, turners, refuses)).unwrap();
        println!("{states} states");
        assert!(states > least, "{states}");
    }
}

#[test]
fn a_window_needs_all_of_it() {
    for (without, undecided, turners, refuses) in [
        (Without::Heavy, false, 0, false),
        (Without::HeavyInTurn, false, 1, false),
        (Without::LookInside, false, 1, false),
        (Without::Generation, false, 2, false),
        (Without::Leak, false, 0, true),
        (Without::Confirmation, false, 0, true),
    ] {
        let result = search(&windows(without, undecided, turners, refuses));
        assert_eq!(result, Err("freed while in use"), "{without:?}");
    }
}

mod debts {
    use super::*;

    /// What may be left out.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) enum Without {
        Nothing,
        /// The heavy barrier between the ticket and the second look.
        SecondHeavy,
        /// The second look.
        SecondLook,
        /// A guard's removal of a ticket.
        Displacing,
        /// The mark of a debt that is being given up.
        Closing,
        /// What tells a payment from a ticket: an address is put there, and taken for a ticket by another address's
        /// replacement.
        Paid,
    }

    const FREE: u8 = 0;
    const CLOSING: u8 = 0x40;
    const TICKET: u8 = 0x20;
    const PAID: u8 = 0x10;

    /// A guard: its object, and its debt, if it has one.
    type Held = (u8, Option<usize>);

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    enum Dropping {
        No,
        Begins(Held),
        Closed(u8, usize),
        Found(u8, usize, u8),
        Empties(u8, usize, bool),
        GivesBack(u8),
    }

    /// The thread of the record: loads, whose windows are not looked at here, and drops.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    enum Reader {
        Idle,
        Announced(u8),
        Loaded(u8),
        Protected(Held),
        Drops(Dropping),
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    enum Writer {
        Begin,
        Swapped(u8),
        Waits(u8),
        /// Visits the debts, before the barrier or behind it. Has left tickets so far, or not.
        Visits(u8, usize, bool, bool),
        Tickets(u8, usize, bool, bool),
        Pays(u8, usize, bool),
        GivesBack(u8),
        End,
    }

    /// A store that waits: to `loading`, or to a debt's `owed`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    enum Store {
        Loading(u8),
        Owed(usize, u8),
    }

    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    pub(super) struct State {
        slots: [u8; 2],
        loading: u8,
        owed: [u8; 2],
        paid: [u8; 2],
        counts: [i8; 5],
        freed: [bool; 5],
        left: [u8; 2],
        /// Of the reader, and of the thread that guards are sent to.
        buffers: [Vec<Store>; 2],
        reader: Reader,
        guards: Vec<Held>,
        sent: Option<Held>,
        elsewhere: Dropping,
        writers: [Writer; 2],
        loads: u8,
    }

    impl State {
        fn drain_one(&mut self, of: usize) {
            match self.buffers[of].remove(0) {
                Store::Loading(word) => self.loading = word,
                Store::Owed(debt, word) => self.owed[debt] = word,
            }
        }

        fn drain(&mut self, of: usize) {
            while !self.buffers[of].is_empty() {
                self.drain_one(of);
            }
        }

        fn heavy(&mut self) {
            (0..2).for_each(|of| self.drain(of));
        }

        /// What the reader sees of a debt: its own stores, though they wait.
        fn owed_to_the_reader(&self, debt: usize) -> u8 {
            let own = self.buffers[0].iter().rev().find_map(|store| match store {
                Store::Owed(of, word) if *of == debt => Some(*word),
                _ => None,
            });
            own.unwrap_or(self.owed[debt])
        }

        fn give_back(&mut self, object: u8) -> Result<(), &'static str> {
            let count = &mut self.counts[object as usize];
            *count -= 1;
            match *count {
                0 => self.freed[object as usize] = true,
                ..0 => return Err("given back twice"),
                _ => {}
            }
            Ok(())
        }
    }

    pub(super) struct Debts {
        pub(super) without: Without,
        pub(super) loads: u8,
        pub(super) replacements: [u8; 2],
        pub(super) debts: usize,
    }

    impl Debts {
        fn paid(&self, object: u8) -> u8 {
            match self.without {
                Without::Paid => object,
                _ => PAID,
            }
        }

        /// One step of a drop by the thread of that buffer.
        fn drops(
            &self,
            dropping: Dropping,
            by: usize,
            after: &mut State,
        ) -> Result<Dropping, &'static str> {
            Ok(match dropping {
                Dropping::No => Dropping::No,
                Dropping::Begins((object, None)) => Dropping::GivesBack(object),
                Dropping::Begins((object, Some(debt))) => {
                    let word = match self.without {
                        Without::Closing => FREE,
                        _ => CLOSING,
                    };
                    after.buffers[by].push(Store::Owed(debt, word));
                    Dropping::Closed(object, debt)
                }
                Dropping::Closed(object, debt) => match after.paid[debt] {
                    0 => Dropping::Empties(object, debt, false),
                    found if found != PAID && self.without == Without::Displacing => {
                        Dropping::Empties(object, debt, false)
                    }
                    found => Dropping::Found(object, debt, found),
                },
                Dropping::Found(object, debt, found) => {
                    after.drain(by);
                    if after.paid[debt] == found {
                        after.paid[debt] = 0;
                        match found == self.paid(object) {
                            true => Dropping::Empties(object, debt, true),
                            false => Dropping::Closed(object, debt),
                        }
                    } else {
                        Dropping::Closed(object, debt)
                    }
                }
                Dropping::Empties(object, debt, is_paid) => {
                    if self.without != Without::Closing {
                        after.buffers[by].push(Store::Owed(debt, FREE));
                    }
                    match is_paid {
                        true => Dropping::GivesBack(object),
                        false => Dropping::No,
                    }
                }
                Dropping::GivesBack(object) => {
                    after.drain(by);
                    after.give_back(object)?;
                    Dropping::No
                }
            })
        }

        fn reader(&self, state: &State, next: &mut Vec<State>) -> Result<(), &'static str> {
            let mut after = state.clone();
            after.reader = match state.reader {
                Reader::Idle => {
                    if state.loads > 0 && state.guards.len() < 2 {
                        for slot in 0..2 {
                            let mut after = state.clone();
                            after.loads -= 1;
                            after.buffers[0].push(Store::Loading(slot + 1));
                            after.reader = Reader::Announced(slot);
                            next.push(after);
                        }
                    }
                    for i in 0..state.guards.len() {
                        let mut after = state.clone();
                        let guard = after.guards.remove(i);
                        after.reader = Reader::Drops(Dropping::Begins(guard));
                        next.push(after);
                        // To another thread: whatever passes it on empties the buffer.
                        if state.sent.is_none() && state.elsewhere == Dropping::No {
                            let mut after = state.clone();
                            after.drain(0);
                            after.sent = Some(after.guards.remove(i));
                            next.push(after);
                        }
                    }
                    return Ok(());
                }
                Reader::Announced(slot) => Reader::Loaded(state.slots[slot as usize]),
                Reader::Loaded(object) => {
                    let free = (0..self.debts).find(|&debt| state.owed_to_the_reader(debt) == FREE);
                    match free {
                        Some(debt) => after.buffers[0].push(Store::Owed(debt, object)),
                        None => {
                            after.drain(0);
                            after.counts[object as usize] += 1;
                        }
                    }
                    Reader::Protected((object, free))
                }
                Reader::Protected(guard) => {
                    after.buffers[0].push(Store::Loading(0));
                    after.guards.push(guard);
                    after.guards.sort_unstable();
                    Reader::Idle
                }
                Reader::Drops(dropping) => match self.drops(dropping, 0, &mut after)? {
                    Dropping::No => Reader::Idle,
                    dropping => Reader::Drops(dropping),
                },
            };
            next.push(after);
            Ok(())
        }

        fn elsewhere(&self, state: &State, next: &mut Vec<State>) -> Result<(), &'static str> {
            let mut after = state.clone();
            match (state.elsewhere, state.sent) {
                (Dropping::No, None) => return Ok(()),
                (Dropping::No, Some(guard)) => {
                    after.sent = None;
                    after.elsewhere = Dropping::Begins(guard);
                }
                (dropping, _) => after.elsewhere = self.drops(dropping, 1, &mut after)?,
            }
            next.push(after);
            Ok(())
        }

        fn writer(
            &self,
            state: &State,
            i: usize,
            next: &mut Vec<State>,
        ) -> Result<(), &'static str> {
            let ticket = TICKET | i as u8;
            let mut after = state.clone();
            // What follows the visit of a debt.
            let on = |object, debt, behind, left| match debt + 1 < self.debts {
                true => Writer::Visits(object, debt + 1, behind, left),
                false if left => Writer::Visits(object, 0, true, false),
                false => Writer::GivesBack(object),
            };
            after.writers[i] = match state.writers[i] {
                Writer::Begin => {
                    // Both slots begin with object 1. The others are stored once.
                    let new = match (i, state.left[0]) {
                        (1, _) => 4,
                        (_, 2..) => 2,
                        _ => 3,
                    };
                    after.slots[i] = new;
                    after.counts[new as usize] += 1;
                    Writer::Swapped(state.slots[i])
                }
                Writer::Swapped(old) => {
                    after.heavy();
                    Writer::Waits(old)
                }
                Writer::Waits(_) if state.loading == i as u8 + 1 => return Ok(()),
                Writer::Waits(old) => Writer::Visits(old, 0, false, false),
                Writer::Visits(old, debt, behind, left) => {
                    // The barrier comes before the first debt of a visit behind it.
                    if behind && debt == 0 && self.without != Without::SecondHeavy {
                        after.heavy();
                    }
                    let owes = after.owed[debt] == old;
                    if behind && after.paid[debt] == ticket {
                        match owes || self.without == Without::SecondLook {
                            true => Writer::Pays(old, debt, left),
                            false => {
                                after.paid[debt] = 0;
                                on(old, debt, behind, left)
                            }
                        }
                    } else if owes {
                        Writer::Tickets(old, debt, behind, left)
                    } else {
                        on(old, debt, behind, left)
                    }
                }
                Writer::Tickets(old, debt, behind, left) => {
                    if state.paid[debt] == self.paid(old) {
                        on(old, debt, behind, left)
                    } else {
                        after.paid[debt] = ticket;
                        on(old, debt, behind, true)
                    }
                }
                Writer::Pays(old, debt, left) => {
                    if state.paid[debt] == ticket {
                        after.counts[old as usize] += 1;
                        after.paid[debt] = self.paid(old);
                        on(old, debt, true, left)
                    } else if state.owed[debt] == old {
                        Writer::Tickets(old, debt, true, left)
                    } else {
                        on(old, debt, true, left)
                    }
                }
                Writer::GivesBack(old) => {
                    after.give_back(old)?;
                    after.left[i] -= 1;
                    match after.left[i] {
                        0 => Writer::End,
                        _ => Writer::Begin,
                    }
                }
                Writer::End => return Ok(()),
            };
            next.push(after);
            Ok(())
        }
    }

    impl Protocol for Debts {
        type State = State;

        fn begin(&self) -> State {
            State {
                slots: [1, 1],
                loading: 0,
                owed: [FREE; 2],
                paid: [0; 2],
                counts: [0, 2, 0, 0, 0],
                freed: [false; 5],
                left: self.replacements,
                buffers: [Vec::new(), Vec::new()],
                reader: Reader::Idle,
                guards: Vec::new(),
                sent: None,
                elsewhere: Dropping::No,
                writers: [Writer::Begin; 2],
                loads: self.loads,
            }
        }

        fn steps(&self, state: &State, next: &mut Vec<State>) -> Result<(), &'static str> {
            let mut held: Vec<u8> = state
                .guards
                .iter()
                .chain(&state.sent)
                .map(|held| held.0)
                .collect();
            match state.reader {
                Reader::Loaded(object)
                | Reader::Protected((object, _))
                | Reader::Drops(Dropping::Begins((object, _))) => held.push(object),
                _ => {}
            }
            if let Dropping::Begins((object, _)) = state.elsewhere {
                held.push(object);
            }
            if held.iter().any(|&object| state.freed[object as usize]) {
                return Err("freed while in use");
            }
            for of in 0..2 {
                if !state.buffers[of].is_empty() {
                    let mut after = state.clone();
                    after.drain_one(of);
                    next.push(after);
                }
            }
            self.reader(state, next)?;
            self.elsewhere(state, next)?;
            self.writer(state, 0, next)?;
            self.writer(state, 1, next)
        }

        fn is_end(&self, state: &State) -> Result<(), &'static str> {
            let counts = [0, 0, 0, 1, 1];
            match (state.writers, state.counts == counts) {
                ([Writer::End, Writer::End], true) => Ok(()),
                ([Writer::End, Writer::End], false) => Err("a reference is left"),
                _ => Err("stuck"),
            }
        }
    }
}

use debts::Debts;

fn debts(without: debts::Without, loads: u8, first: u8, debts: usize) -> Debts {
    Debts {
        without,
        loads,
        replacements: [first, 1],
        debts,
    }
}

/// One debt, which is used again.
#[test]
fn debts_are_settled() {
    let states = search(&debts(debts::Without::Nothing, 2, 1, 1)).unwrap();
    println!("{states} states");
    assert!(states > 10_000, "{states}");
}

/// Three loads, and two debts.
#[test]
#[ignore = "takes minutes"]
fn debts_are_settled_stress() {
    for (loads, of) in [(2, 1), (3, 1), (2, 2)] {
        let states = search(&debts(debts::Without::Nothing, loads, 2, of)).unwrap();
        println!("{states} states");
        assert!(states > 200_000, "{states}");
    }
}

#[test]
fn settling_needs_all_of_it() {
    use debts::Without::{Closing, Displacing, Paid, SecondHeavy, SecondLook};
    for without in [SecondHeavy, SecondLook, Displacing, Closing, Paid] {
        let first = if without == Paid { 2 } else { 1 };
        let result = search(&debts(without, 2, first, 1));
        let wrong = ["freed while in use", "a reference is left"];
        assert!(
            result.is_err_and(|how| wrong.contains(&how)),
            "{without:?}: {result:?}"
        );
    }
}
