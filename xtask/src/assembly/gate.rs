//! Follows the machine code of an owner through the gate of its thread cache (pool-gate's design page, G1): it writes
//! that it is inside, and only then looks whether the cache is revoked. The processor is made to keep that order by the
//! other side; the compiler is asked to by a compiler fence, and here is where one sees that it did.
//!
//! Every way through a function is followed, with what its registers have in common: which of them hold the same address,
//! how far apart, and how far its owner has come.

use std::collections::{BTreeMap, BTreeSet};

use super::machine::{Access, Sum, ZERO, is_made_of};
use super::{Function, Place};

/// Where in a `Gate`, with which a `LocalCache` begins, the two flags lie, in bytes, on 64 bits. Unit tests of both crates
/// know these numbers, too.
const PINNED: i64 = 0;
const REVOKED: i64 = 8;

/// No part of a cache that matters lies farther from another than this.
const FAR: i64 = 256;
/// A function of a few hundred instructions has a few thousand.
const STATES: usize = 100_000;

/// How far an owner has come with a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// Something at the place of `revoked` was read, of what may be a cache or may not.
    Looked,
    /// `pinned` is written.
    Pinned,
    /// `revoked` was read after that.
    Inside,
}

/// A value that somebody has; the first is zero, from which constants are counted.
type Value = u32;
const NOTHING: Value = 0;

/// What is known at an instruction, on some way to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct State {
    /// What the registers hold: a value and what was added to it. One that is not here holds a value that nobody else has.
    registers: BTreeMap<String, (Value, i64)>,
    phases: BTreeMap<Value, Phase>,
}

/// What was found in a function.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The instructions that pin.
    pub(crate) pins: BTreeSet<usize>,
    pub(crate) faults: BTreeSet<String>,
}

/// Follows every way through the function.
pub(crate) fn check(function: &Function) -> Found {
    let mut found = Found::default();
    let mut seen = BTreeSet::new();
    let mut ahead = vec![(0, State::default())];
    while let Some((at, mut state)) = ahead.pop() {
        if seen.len() > STATES {
            let fault = "has more ways through it than can be followed";
            found.faults.insert(fault.to_owned());
            break;
        }
        if at >= function.code.len() || !seen.insert((at, state.clone())) {
            continue;
        }
        let text = &function.code[at];
        let (place, goes_on) = function.after(at);
        let leaves = match place {
            Some(Place::Here(_)) => false,
            Some(Place::Function(_) | Place::Unknown) => true,
            None => function.is_return(at),
        };
        if leaves && state.is_inside() {
            let what = if function.is_return(at) {
                "returns"
            } else {
                "calls something"
            };
            found
                .faults
                .insert(format!("{what} inside the gate: {text}"));
        }
        if let Some(Place::Here(label)) = place {
            ahead.push((label, state.clone()));
        }
        if !goes_on {
            continue;
        }
        if place.is_none() {
            state.step(function, at, &mut found);
        } else if leaves && !function.is_conditional(at) {
            // A call may change any register, but for the few that it has to restore; who relies on these is not followed.
            state = State::default();
        }
        ahead.push((at + 1, state));
    }
    found
}

impl State {
    /// Whether the owner of any cache is between pinning and unpinning.
    fn is_inside(&self) -> bool {
        self.phases.values().any(|phase| *phase != Phase::Looked)
    }

    /// What a register holds.
    fn value(&mut self, register: &str) -> (Value, i64) {
        if register == ZERO {
            return (NOTHING, 0);
        }
        if let Some(known) = self.registers.get(register) {
            return *known;
        }
        let new = (self.fresh(), 0);
        self.registers.insert(register.to_owned(), new);
        new
    }

    fn fresh(&self) -> Value {
        let taken = self.registers.values().map(|(value, _)| *value);
        taken.max().unwrap_or(NOTHING) + 1
    }

    fn constant(&mut self, sum: &Sum) -> Option<i64> {
        let (value, more) = self.value(&sum.from);
        (value == NOTHING).then_some(more + sum.offset)
    }

    /// Carries out an instruction that leads on to the next one.
    fn step(&mut self, function: &Function, at: usize, found: &mut Found) {
        let text = &function.code[at];
        let effect = function.machine.effect(text);
        if let Some(access) = &effect.access {
            self.access(access, text, at, found);
        }
        if let Some(Sum { to, from, offset }) = effect.copy {
            let (value, more) = self.value(&from);
            self.forget(&to);
            // What is counted on would be something else in each turn of a loop.
            if (more + offset).abs() <= FAR {
                self.registers.insert(to, (value, more + offset));
            }
        }
        for register in &effect.writes {
            self.forget(register);
        }
        let kept: BTreeSet<Value> = self.registers.values().map(|(value, _)| *value).collect();
        for (value, phase) in &self.phases {
            if *phase != Phase::Looked && !kept.contains(value) {
                found.faults.insert(format!(
                    "no register holds the pinned cache any more after: {text}"
                ));
            }
        }
        self.phases.retain(|value, _| kept.contains(value));
        self.tidy();
    }

    /// A register gets a value of which nothing is known.
    fn forget(&mut self, register: &str) {
        self.registers.retain(|name, _| !is_made_of(name, register));
    }

    fn access(&mut self, access: &Access, text: &str, at: usize, found: &mut Found) {
        // Nothing on the stack is a cache.
        if access.base.starts_with("rsp") || access.base.starts_with("sp") {
            return;
        }
        let (value, more) = self.value(&access.base);
        let offset = more + access.offset;
        let stored = access.value.as_ref().and_then(|sum| self.constant(sum));
        let at_pin = access.writes && !access.reads && access.is_byte && offset == PINNED;
        let is_look = access.reads && !access.writes && offset == REVOKED;
        let mut fault = |what: &str| {
            found.faults.insert(format!("{what}: {text}"));
        };
        let phase = self.phases.get(&value).copied();
        let next = match (phase, stored) {
            (Some(Phase::Pinned), _) if is_look => Some(Phase::Inside),
            (Some(Phase::Pinned), _) => {
                fault("touches the cache between pinning it and looking at `revoked`");
                // What was found is told once.
                (!at_pin).then_some(Phase::Inside)
            }
            (_, Some(1)) if at_pin => {
                found.pins.insert(at);
                match phase {
                    None => {}
                    Some(Phase::Looked) => fault("pins the cache after looking at `revoked`"),
                    Some(_) => fault("pins the cache twice"),
                }
                if access.orders {
                    fault("pins the cache by more than a plain store");
                }
                Some(if phase.is_none() {
                    Phase::Pinned
                } else {
                    Phase::Inside
                })
            }
            (Some(Phase::Looked), Some(0)) if at_pin => {
                fault("unpins what it has not pinned");
                None
            }
            (Some(Phase::Inside), Some(0)) if at_pin => None,
            (None, _) if is_look => Some(Phase::Looked),
            (phase, _) => phase,
        };
        match next {
            Some(phase) => self.phases.insert(value, phase),
            None => self.phases.remove(&value),
        };
    }

    /// Forgets what is known of one register alone and says nothing, and numbers the values in order, so that what is the
    /// same looks the same.
    fn tidy(&mut self) {
        let mut count: BTreeMap<Value, usize> = BTreeMap::new();
        for (value, _) in self.registers.values() {
            *count.entry(*value).or_default() += 1;
        }
        let phases = &self.phases;
        self.registers.retain(|_, (value, _)| {
            *value == NOTHING || phases.contains_key(value) || count[value] > 1
        });
        let mut numbers = BTreeMap::from([(NOTHING, NOTHING)]);
        for (value, _) in self.registers.values_mut() {
            let next = Value::try_from(numbers.len()).unwrap_or(Value::MAX);
            *value = *numbers.entry(*value).or_insert(next);
        }
        self.phases = std::mem::take(&mut self.phases)
            .into_iter()
            .filter_map(|(value, phase)| Some((*numbers.get(&value)?, phase)))
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use super::super::Program;
    use super::super::machine::Machine;
    use super::*;

    fn followed(machine: Machine, code: &str) -> (usize, Vec<String>) {
        let mut program = Program::of(machine);
        let lines: String = code.split("; ").map(|line| format!("\t{line}\n")).collect();
        let lines = lines.replace("\t.L", ".L");
        program.add(&format!(
            "\t.type\thot,@function\nhot:\n{lines}\t.cfi_endproc\n"
        ));
        let found = check(&program.functions["hot"]);
        (found.pins.len(), found.faults.into_iter().collect())
    }

    /// Of x86-64; how often it pins.
    fn passes(code: &str) -> usize {
        let (pins, faults) = followed(Machine::X86, code);
        assert_eq!(faults, [""; 0], "{code}");
        pins
    }

    #[track_caller]
    fn fails(code: &str, with: &str) {
        let (_, faults) = followed(Machine::X86, code);
        assert!(
            faults.len() == 1 && faults[0].contains(with),
            "{code}: {faults:?}"
        );
    }

    #[test]
    fn the_right_order_passes() {
        let use_it = "movq 24(%rax), %rdx; movb $0, (%rax); retq";
        assert_eq!(
            passes(&format!(
                "movb $1, (%rax); movq 8(%rax), %rcx; testq %rcx, %rcx; jne .L1; {use_it}; .L1:; \
                 movb $0, (%rax); retq"
            )),
            1
        );
        // The comparison with memory, another store in between, and the address in two registers.
        assert_eq!(
            passes(&format!(
                "movb $1, (%rax); movq %rdx, (%rsp); cmpq $0, 8(%rax); {use_it}"
            )),
            1
        );
        assert_eq!(
            passes(
                "movb $1, (%rsi,%rax); cmpq $0, 8(%rsi,%rax); movb $0, (%rsi,%rax); \
                 movq 8(%rax), %rcx; retq"
            ),
            1
        );
        // The same address under other names.
        assert_eq!(
            passes(
                "movl $1, %ecx; leaq 8(%rax), %rdx; movq %rax, %rbx; movb %cl, (%rax); \
                 movq (%rdx), %rdx; xorl %edx, %edx; movb %dl, (%rbx); retq"
            ),
            1
        );
        // One pass after the other, and what is no cache at all.
        assert_eq!(
            passes(
                "movb $1, (%rax); cmpq $0, 8(%rax); movb $0, (%rax); movq 8(%rdi), %rcx; callq x; \
                 movb $1, (%rax); cmpq $0, 8(%rax); movb $0, (%rax); retq"
            ),
            2
        );
        assert_eq!(passes("movq 8(%rax), %rcx; movb $1, 16(%rax); retq"), 0);
    }

    #[test]
    fn the_wrong_order_fails() {
        fails(
            "movq 8(%rax), %rcx; movb $1, (%rax); testq %rcx, %rcx; jne .L1; movq 24(%rax), %rdx; .L1:; \
             movb $0, (%rax); retq",
            "pins the cache after looking at `revoked`: movb",
        );
        fails(
            "leaq 8(%rax), %rdx; movq (%rdx), %rcx; movb $1, (%rax); movb $0, (%rax); retq",
            "pins the cache after looking",
        );
        // On one way of two.
        fails(
            "testq %rbx, %rbx; je .L1; movq 8(%rax), %rcx; .L1:; movb $1, (%rax); movq 8(%rax), %rcx; \
             movb $0, (%rax); retq",
            "pins the cache after looking",
        );
        fails(
            "movq 8(%rax), %rcx; movq 24(%rax), %rdx; movb $0, (%rax); retq",
            "unpins what it has not pinned",
        );
        fails(
            "movb $1, (%rax); movq 24(%rax), %rdx; movq 8(%rax), %rcx; movb $0, (%rax); retq",
            "between pinning it and looking at `revoked`: movq\t24"
                .replace('\t', " ")
                .as_str(),
        );
        // A look at another cache is none.
        fails(
            "movb $1, (%rax); movq 8(%rbx), %rcx; movb $0, (%rax); retq",
            "between pinning it and looking",
        );
    }

    #[test]
    fn what_leaves_the_gate_open_fails() {
        fails(
            "movb $1, (%rax); cmpq $0, 8(%rax); retq",
            "returns inside the gate",
        );
        fails(
            "movb $1, (%rbx); cmpq $0, 8(%rbx); callq x; movb $0, (%rbx); retq",
            "calls something inside the gate: callq x",
        );
        fails(
            "movb $1, (%rax); cmpq $0, 8(%rax); jmp other",
            "calls something inside the gate: jmp other",
        );
        fails(
            "movb $1, (%rax); cmpq $0, 8(%rax); xchgq %rax, %rbx; movb $0, (%rax); retq",
            "no register holds the pinned cache",
        );
    }

    #[test]
    fn loops_come_to_an_end() {
        // A counter, and two addresses that move apart.
        assert_eq!(
            passes(
                "xorl %ecx, %ecx; movq %rax, %rdx; .L1:; movq $0, (%rdx); addq $8, %rdx; addq $1, %rcx; \
                 cmpq $3, %rcx; jne .L1; movb $1, (%rax); cmpq $0, 8(%rax); movb $0, (%rax); retq"
            ),
            1
        );
    }

    #[test]
    fn aarch64_is_followed() {
        let arm = |code: &str| followed(Machine::Arm, code);
        let good = "mov w9, #1; strb w9, [x8]; add x10, x8, #8; ldar x10, [x10]; cbnz x10, .L1; \
             ldr x11, [x8, #24]; .L1:; stlrb wzr, [x8]; ret";
        assert_eq!(arm(good), (1, vec![]));
        let bad = "mov w9, #1; add x10, x8, #8; ldar x10, [x10]; strb w9, [x8]; cbnz x10, .L1; \
             ldr x11, [x8, #24]; .L1:; stlrb wzr, [x8]; ret";
        let (_, faults) = arm(bad);
        assert_eq!(
            faults,
            ["pins the cache after looking at `revoked`: strb w9, [x8]"]
        );
        let (_, faults) = arm(&good.replace("; strb", "; stlrb"));
        assert_eq!(
            faults,
            ["pins the cache by more than a plain store: stlrb w9, [x8]"]
        );
    }
}
