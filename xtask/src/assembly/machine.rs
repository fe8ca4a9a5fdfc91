//! What an instruction does, on the two architectures whose code is read: as far as the checks of the hot path want to
//! know it, and for the instructions that compilers put there.

/// An architecture, and the syntax of its instructions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Machine {
    /// x86-64, as AT&T writes it.
    #[default]
    X86,
    /// aarch64.
    Arm,
}

/// Where an instruction leads besides the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lead<'t> {
    /// The label or function; `None` for a pointer.
    pub(crate) target: Option<&'t str>,
    /// Comes back, if all goes well.
    pub(crate) is_call: bool,
    /// Goes there or on.
    pub(crate) is_conditional: bool,
}

/// What an instruction does to registers and memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Effect {
    /// The memory that it reads or writes, if that lies behind a register.
    pub(crate) access: Option<Access>,
    /// Registers that get another value.
    pub(crate) writes: Vec<String>,
    /// A register that gets the value of another, plus a number.
    pub(crate) copy: Option<Sum>,
}

/// `to` becomes `from + offset`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) to: String,
    pub(crate) from: String,
    pub(crate) offset: i64,
}

/// What stands for the register that is always zero: constants are sums of it.
pub(crate) const ZERO: &str = "zero";

/// An access to memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    /// The register of the address, or several and how they are added up: `rax+rcx*8`.
    pub(crate) base: String,
    pub(crate) offset: i64,
    pub(crate) reads: bool,
    pub(crate) writes: bool,
    /// What is written, if it is one number: `from + offset`, nothing behind `to`.
    pub(crate) value: Option<Sum>,
    /// Whether it is of a byte.
    pub(crate) is_byte: bool,
    /// Whether it orders other accesses: an acquire or a release in an instruction of its own.
    pub(crate) orders: bool,
}

/// Whether a base, as an access names it, is made of this register.
pub(crate) fn is_made_of(base: &str, register: &str) -> bool {
    base.split(['+', '*']).any(|part| part == register)
}

impl Machine {
    /// What begins a comment.
    pub(crate) fn comment(self) -> &'static str {
        match self {
            Self::X86 => "#",
            Self::Arm => "//",
        }
    }

    /// Where a jump or a call leads; `None` for other instructions.
    pub(crate) fn lead(self, text: &str) -> Option<Lead<'_>> {
        let (operation, operands) = split(text);
        let last = operands.last().copied().unwrap_or_default();
        match self {
            Self::X86 => {
                let is_call = operation.starts_with("call");
                (is_call || operation.starts_with('j')).then(|| Lead {
                    target: x86_destination(last),
                    is_call,
                    is_conditional: !is_call && !operation.starts_with("jmp"),
                })
            }
            Self::Arm => {
                let lead = |target, is_call, is_conditional| {
                    Some(Lead {
                        target,
                        is_call,
                        is_conditional,
                    })
                };
                match operation {
                    "b" => lead(Some(last), false, false),
                    "br" => lead(None, false, false),
                    "bl" => lead(Some(last), true, false),
                    "blr" => lead(None, true, false),
                    "cbz" | "cbnz" | "tbz" | "tbnz" => lead(Some(last), false, true),
                    _ if operation.starts_with("b.") || operation.starts_with("bc.") => {
                        lead(Some(last), false, true)
                    }
                    _ => None,
                }
            }
        }
    }

    /// Whether the instruction is a return.
    pub(crate) fn is_return(self, text: &str) -> bool {
        text.starts_with("ret")
    }

    /// Whether the instruction never goes on to the next one.
    pub(crate) fn ends(self, text: &str) -> bool {
        let traps = match self {
            Self::X86 => ["ud2", "hlt"].as_slice(),
            Self::Arm => &["brk", "udf", "hlt"],
        };
        let jumps = self
            .lead(text)
            .is_some_and(|lead| !lead.is_call && !lead.is_conditional);
        jumps || self.is_return(text) || traps.contains(&split(text).0)
    }

    /// What makes an instruction one that synchronises, if it does. Plain accesses that order others, as aarch64 has
    /// them, are none.
    pub(crate) fn synchronises(self, text: &str) -> Option<&'static str> {
        let operation = text.split_whitespace().next().unwrap_or_default();
        match self {
            Self::X86 => match operation {
                "lock" => Some("a locked instruction"),
                "mfence" | "lfence" | "sfence" => Some("a fence"),
                // An exchange with memory is locked without saying so.
                _ if operation.starts_with("xchg") && text.contains('(') => {
                    Some("a locked exchange")
                }
                "syscall" | "cpuid" | "serialize" => Some("a serialising instruction"),
                _ => None,
            },
            Self::Arm => {
                let begins = |with: &[&str]| with.iter().any(|with| operation.starts_with(with));
                if matches!(operation, "dmb" | "dsb" | "isb" | "sb") {
                    Some("a fence")
                } else if begins(&["ldx", "ldax", "stx", "stlx"]) {
                    Some("an exclusive access")
                } else if begins(&["cas", "swp", "rcw"]) || is_arm_atomic(operation) {
                    Some("an atomic read-modify-write")
                } else if matches!(operation, "svc" | "hvc" | "smc" | "eret") {
                    Some("a serialising instruction")
                } else {
                    None
                }
            }
        }
    }

    /// What the instruction does to registers and memory. Calls and jumps apart.
    pub(crate) fn effect(self, text: &str) -> Effect {
        match self {
            Self::X86 => x86(text),
            Self::Arm => arm(text),
        }
    }
}

/// The operation and its operands.
fn split(text: &str) -> (&str, Vec<&str>) {
    let (operation, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let mut operands = Vec::new();
    let (mut depth, mut begin) = (0, 0);
    for (at, c) in rest.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                operands.push(rest[begin..at].trim());
                begin = at + 1;
            }
            _ => {}
        }
    }
    operands.push(rest[begin..].trim());
    operands.retain(|operand| !operand.is_empty());
    (operation, operands)
}

/// The name behind a call's or a jump's operand; `None` for a pointer in a register or in memory.
fn x86_destination(operand: &str) -> Option<&str> {
    if let Some(rest) = operand.strip_prefix('*') {
        // The address of a known function, which the linker or the loader puts there.
        return rest.split_once("@GOTPCREL(%rip)").map(|(name, _)| name);
    }
    let name = operand.split('@').next()?;
    (!name.is_empty() && !name.contains('%')).then_some(name)
}

/// The 64-bit register that an operand is, or is a part of.
fn x86_register(operand: &str) -> Option<String> {
    let name = operand.strip_prefix('%')?;
    let whole = match name {
        "al" | "ah" | "ax" | "eax" => "rax",
        "bl" | "bh" | "bx" | "ebx" => "rbx",
        "cl" | "ch" | "cx" | "ecx" => "rcx",
        "dl" | "dh" | "dx" | "edx" => "rdx",
        "sil" | "si" | "esi" => "rsi",
        "dil" | "di" | "edi" => "rdi",
        "bpl" | "bp" | "ebp" => "rbp",
        "spl" | "sp" | "esp" => "rsp",
        _ => match name.strip_prefix('r') {
            Some(number) if number.starts_with(|c: char| c.is_ascii_digit()) => {
                name.trim_end_matches(['d', 'w', 'b'])
            }
            _ => name,
        },
    };
    Some(whole.to_owned())
}

/// The base and the offset of a memory operand. `None` for what is no memory, and for memory that has an address of its
/// own or lies in the thread's segment.
fn x86_address(operand: &str) -> Option<(String, i64)> {
    let (offset, rest) = operand.split_once('(')?;
    let parts: Vec<_> = rest.strip_suffix(')')?.split(',').map(str::trim).collect();
    if offset.contains(':') || parts[0] == "%rip" {
        return None;
    }
    let offset = if offset.is_empty() {
        0
    } else {
        offset.parse().ok()?
    };
    let mut base = x86_register(parts[0]).unwrap_or_default();
    if let Some(index) = parts.get(1).and_then(|index| x86_register(index)) {
        base = format!("{base}+{index}*{}", parts.get(2).unwrap_or(&"1"));
    }
    Some((base, offset))
}

fn x86(text: &str) -> Effect {
    let (operation, operands) = split(text);
    let mut effect = Effect::default();
    let begins = |with: &[&str]| with.iter().any(|with| operation.starts_with(with));
    let strings = ["movs", "stos", "lods", "scas", "cmps"];
    if begins(&["rep"]) || operands.is_empty() && begins(&strings) {
        effect.writes = ["rdi", "rsi", "rcx", "rax"].map(str::to_owned).into();
        return effect;
    }
    if begins(&["nop", "prefetch", "endbr"]) {
        return effect;
    }
    let Some(last) = operands.last().copied() else {
        // Widening of rax into rdx, and what asks the processor.
        effect.writes = ["rax", "rbx", "rcx", "rdx"].map(str::to_owned).into();
        return effect;
    };
    let first = operands[0];
    let is_wide = |operand: &str| x86_register(operand).is_some_and(|name| operand[1..] == name);
    let number = |operand: &str| operand.strip_prefix('$')?.parse::<i64>().ok();
    let only_looks = begins(&["cmp", "test", "bt", "ucomi", "comi", "push"])
        && !begins(&["cmpxchg", "btc", "btr", "bts"]);
    let is_move = begins(&["mov", "vmov", "set"]);

    let memory = operands.iter().enumerate();
    let mut memory = memory.filter_map(|(at, operand)| Some((at, x86_address(operand)?)));
    if let Some((at, (base, offset))) = memory.next_back() {
        if begins(&["lea"]) {
            if let Some(to) = x86_register(last) {
                effect.copy = Some(Sum {
                    to,
                    from: base,
                    offset,
                });
            }
            return effect;
        }
        let writes = at + 1 == operands.len() && !only_looks && !begins(&["call", "j"]);
        let constant = number(first).map(|number| (ZERO.to_owned(), number));
        let register = || x86_register(first).map(|register| (register, 0));
        let value = constant.or_else(register).filter(|_| writes && is_move);
        effect.access = Some(Access {
            base,
            offset,
            reads: !writes || !is_move,
            writes,
            value: value.map(|(from, offset)| Sum {
                to: String::new(),
                from,
                offset,
            }),
            is_byte: operation.ends_with('b') || begins(&["set"]),
            orders: false,
        });
    }
    if only_looks {
        return effect;
    }
    if begins(&["mul", "div", "idiv"]) || begins(&["imul"]) && operands.len() == 1 {
        effect.writes = ["rax", "rdx"].map(str::to_owned).into();
        return effect;
    }
    if begins(&["cmpxchg"]) {
        effect.writes.push("rax".to_owned());
    }
    if begins(&["xchg", "xadd"]) {
        effect.writes.extend(x86_register(first));
    }
    let Some(to) = x86_register(last) else {
        return effect;
    };
    let sum = |from: Option<String>, offset| from.map(|from| (from, offset));
    let copied = match operation {
        "movq" if is_wide(first) && is_wide(last) => sum(x86_register(first), 0),
        "movb" | "movw" => None,
        _ if begins(&["mov"]) && number(first).is_some() => {
            sum(Some(ZERO.to_owned()), number(first).unwrap_or_default())
        }
        "xorl" | "xorq" if first == last => sum(Some(ZERO.to_owned()), 0),
        "addq" => number(first).and_then(|number| sum(Some(to.clone()), number)),
        "subq" => number(first).and_then(|number| sum(Some(to.clone()), -number)),
        _ => None,
    };
    match copied {
        Some((from, offset)) => effect.copy = Some(Sum { to, from, offset }),
        None => effect.writes.push(to),
    }
    effect
}

/// Whether it is one of the instructions that change memory in one step: `ldadd`, `stset` and their kin.
fn is_arm_atomic(operation: &str) -> bool {
    const KINDS: &[&str] = &[
        "add", "clr", "eor", "set", "smax", "smin", "umax", "umin", "bfadd", "fadd", "tadd",
    ];
    ["ld", "st"]
        .iter()
        .filter_map(|begin| operation.strip_prefix(begin))
        .any(|rest| KINDS.iter().any(|kind| rest.starts_with(kind)))
}

/// The 64-bit register that an operand is, or is a part of.
fn arm_register(operand: &str) -> Option<String> {
    match operand {
        "wzr" | "xzr" => return Some(ZERO.to_owned()),
        "sp" | "wsp" => return Some("sp".to_owned()),
        _ => {}
    }
    let number = operand.strip_prefix(['w', 'x'])?;
    number.parse::<u8>().ok()?;
    Some(format!("x{number}"))
}

fn arm_number(operand: &str) -> Option<i64> {
    let text = operand.strip_prefix('#')?;
    match text.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// The base and the offset of a memory operand. `None` where a part of a symbol's address is the offset.
fn arm_address(operand: &str) -> Option<(String, i64)> {
    let inner = operand
        .trim_end_matches('!')
        .strip_prefix('[')?
        .strip_suffix(']')?;
    let mut parts = inner.split(',').map(str::trim);
    let base = arm_register(parts.next()?)?;
    let Some(second) = parts.next() else {
        return Some((base, 0));
    };
    if let Some(index) = arm_register(second) {
        let scale = parts.next().unwrap_or("1").replace([' ', '#'], "");
        return Some((format!("{base}+{index}*{scale}"), 0));
    }
    Some((base, arm_number(second)?))
}

fn arm(text: &str) -> Effect {
    let (operation, operands) = split(text);
    let mut effect = Effect::default();
    let begins = |with: &[&str]| with.iter().any(|with| operation.starts_with(with));
    let Some(first) = operands.first().copied() else {
        return effect;
    };
    let place = operands.iter().position(|operand| operand.starts_with('['));
    if let Some(place) = place {
        if begins(&["prfm"]) {
            return effect;
        }
        let changes = is_arm_atomic(operation) || begins(&["cas", "swp"]);
        let writes = begins(&["st"]) || changes;
        // The base moves along.
        let moves = operands[place].ends_with('!') || operands.len() > place + 1;
        if let Some((base, offset)) = arm_address(operands[place]) {
            if moves {
                effect.writes.push(base.clone());
            }
            let plain = matches!(
                operation,
                "str" | "stur" | "strb" | "sturb" | "stlr" | "stlrb"
            );
            let value = arm_register(first).filter(|_| plain);
            effect.access = Some(Access {
                base,
                offset,
                reads: !writes || changes,
                writes,
                value: value.map(|from| Sum {
                    to: String::new(),
                    from,
                    offset: 0,
                }),
                is_byte: operation.ends_with('b'),
                orders: begins(&["ldar", "ldapr", "ldapur", "stlr", "stlur"]),
            });
        }
        if !begins(&["st"]) || begins(&["stx", "stlx"]) {
            let registers = operands[..place].iter();
            effect
                .writes
                .extend(registers.filter_map(|operand| arm_register(operand)));
        }
        return effect;
    }
    if begins(&["cmp", "cmn", "tst", "ccm", "fcmp", "nop", "hint", "msr"]) {
        return effect;
    }
    let Some(to) = arm_register(first) else {
        return effect;
    };
    let from = operands.get(1).and_then(|operand| arm_register(operand));
    let second = operands.get(1).and_then(|operand| arm_number(operand));
    let third = operands.get(2).and_then(|operand| arm_number(operand));
    let is_wide = first.starts_with('x');
    effect.copy = match (operation, from) {
        ("mov", Some(from)) if is_wide || from == ZERO => Some((from, 0)),
        ("mov", None) => second.map(|number| (ZERO.to_owned(), number)),
        ("add", Some(from)) if is_wide && operands.len() == 3 => third.map(|third| (from, third)),
        ("sub", Some(from)) if is_wide && operands.len() == 3 => third.map(|third| (from, -third)),
        _ => None,
    }
    .map(|(from, offset)| Sum {
        to: to.clone(),
        from,
        offset,
    });
    if effect.copy.is_none() {
        effect.writes.push(to);
    }
    effect
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(machine: Machine, text: &str) -> Access {
        machine.effect(text).access.unwrap()
    }

    #[test]
    fn accesses_are_read() {
        for (machine, text, base, offset, reads, writes) in [
            (Machine::X86, "movq\t16(%rax), %rcx", "rax", 16, true, false),
            (Machine::X86, "cmpq\t$0, 16(%rax)", "rax", 16, true, false),
            (Machine::X86, "movb\t$1, (%rsi)", "rsi", 0, false, true),
            (Machine::X86, "decq\t-8(%r8)", "r8", -8, true, true),
            (
                Machine::X86,
                "movb\t$1, (%rax,%rcx,8)",
                "rax+rcx*8",
                0,
                false,
                true,
            ),
            (
                Machine::X86,
                "movups\t%xmm0, 32(%rsp)",
                "rsp",
                32,
                false,
                true,
            ),
            (Machine::Arm, "ldar\tx9, [x8]", "x8", 0, true, false),
            (Machine::Arm, "ldr\tx9, [x8, #16]", "x8", 16, true, false),
            (
                Machine::Arm,
                "ldr\tx9, [x8, x10, lsl #3]",
                "x8+x10*lsl3",
                0,
                true,
                false,
            ),
            (Machine::Arm, "strb\tw9, [x8]", "x8", 0, false, true),
            (
                Machine::Arm,
                "stp\tx29, x30, [sp, #-32]!",
                "sp",
                -32,
                false,
                true,
            ),
            (Machine::Arm, "ldadd\tx1, x2, [x0]", "x0", 0, true, true),
        ] {
            let access = access(machine, text);
            let told = (&*access.base, access.offset, access.reads, access.writes);
            assert_eq!(told, (base, offset, reads, writes), "{text}");
        }
        for (machine, text) in [
            (Machine::X86, "movq\t%fs:8(%rbx), %rcx"),
            (Machine::X86, "movq\tPOOL+800(%rip), %rcx"),
            (Machine::X86, "leaq\t8(%rax), %rcx"),
            (Machine::X86, "nopw\t8(%rax,%rax)"),
            (Machine::Arm, "ldr\tx1, [x0, :got_lo12:POOL]"),
            (Machine::Arm, "add\tx9, x8, #16"),
        ] {
            assert_eq!(machine.effect(text).access, None, "{text}");
        }
        assert!(access(Machine::Arm, "stlrb\twzr, [x8]").orders);
        assert!(!access(Machine::Arm, "strb\twzr, [x8]").orders);
    }

    #[test]
    fn stored_values_are_read() {
        for (machine, text, from, number) in [
            (Machine::X86, "movb\t$1, (%rax)", ZERO, 1),
            (Machine::X86, "movb\t%cl, (%rax)", "rcx", 0),
            (Machine::Arm, "strb\tw9, [x8]", "x9", 0),
            (Machine::Arm, "stlrb\twzr, [x8]", ZERO, 0),
        ] {
            let value = access(machine, text).value.unwrap();
            assert_eq!((&*value.from, value.offset), (from, number), "{text}");
            assert!(access(machine, text).is_byte);
        }
        assert_eq!(access(Machine::X86, "addq\t$1, (%rax)").value, None);
        assert_eq!(access(Machine::Arm, "stp\tx1, x2, [x8]").value, None);
    }

    #[test]
    fn registers_are_followed() {
        for (machine, text, to, from, offset) in [
            (Machine::X86, "movq\t%rax, %rbx", "rbx", "rax", 0),
            (Machine::X86, "leaq\t16(%rax), %rdx", "rdx", "rax", 16),
            (Machine::X86, "addq\t$24, %rcx", "rcx", "rcx", 24),
            (Machine::X86, "xorl\t%eax, %eax", "rax", ZERO, 0),
            (Machine::X86, "movl\t$1, %r8d", "r8", ZERO, 1),
            (Machine::Arm, "mov\tx9, x8", "x9", "x8", 0),
            (Machine::Arm, "mov\tw9, #1", "x9", ZERO, 1),
            (Machine::Arm, "add\tx9, x8, #16", "x9", "x8", 16),
        ] {
            let copy = machine.effect(text).copy.unwrap();
            assert_eq!(
                (&*copy.to, &*copy.from, copy.offset),
                (to, from, offset),
                "{text}"
            );
        }
        for (machine, text, writes) in [
            (Machine::X86, "movq\t16(%rax), %rcx", vec!["rcx"]),
            (Machine::X86, "movl\t%eax, %ecx", vec!["rcx"]),
            (Machine::X86, "movl\t%fs:4(%rsi), %edi", vec!["rdi"]),
            (Machine::X86, "testq\t%rcx, %rcx", vec![]),
            (Machine::X86, "popq\t%rbx", vec!["rbx"]),
            (Machine::X86, "shlq\t$8, %r8", vec!["r8"]),
            (
                Machine::Arm,
                "ldp\tx29, x30, [sp], #32",
                vec!["sp", "x29", "x30"],
            ),
            (Machine::Arm, "ldar\tx9, [x9]", vec!["x9"]),
            (Machine::Arm, "add\tx8, x8, :lo12:POOL", vec!["x8"]),
            (Machine::Arm, "add\tx8, x8, #1, lsl #12", vec!["x8"]),
            (Machine::Arm, "cmp\tx8, x9", vec![]),
            (Machine::Arm, "mrs\tx8, TPIDR_EL0", vec!["x8"]),
        ] {
            let effect = machine.effect(text);
            assert_eq!(effect.writes, writes, "{text}");
            assert_eq!(effect.copy, None, "{text}");
        }
    }

    #[test]
    fn what_synchronises_on_aarch64_is_known() {
        for text in [
            "dmb\tish",
            "ldaxr\tx8, [x0]",
            "stlxrb\tw9, w8, [x0]",
            "casal\tx1, x2, [x0]",
            "swpb\tw1, w2, [x0]",
            "ldaddal\tx1, x2, [x0]",
            "stset\tx1, [x0]",
            "svc\t#0",
        ] {
            assert!(Machine::Arm.synchronises(text).is_some(), "{text}");
        }
        for text in [
            "ldar\tx8, [x0]",
            "ldapr\tx8, [x0]",
            "stlrb\twzr, [x8]",
            "strb\tw9, [x8]",
            "stp\tx1, x2, [x8]",
            "sub\tx8, x8, #24",
            "csel\tx8, x9, x10, eq",
        ] {
            assert_eq!(Machine::Arm.synchronises(text), None, "{text}");
        }
    }

    #[test]
    fn leads_of_aarch64_are_read() {
        let lead = |text| Machine::Arm.lead(text).map(|lead| lead.target);
        assert_eq!(lead("b.ne\t.LBB0_1"), Some(Some(".LBB0_1")));
        assert_eq!(lead("tbz\tw8, #0, .LBB0_1"), Some(Some(".LBB0_1")));
        assert_eq!(lead("bl\tmemcpy"), Some(Some("memcpy")));
        assert_eq!(lead("blr\tx8"), Some(None));
        assert_eq!(lead("bic\tx8, x8, x9"), None);
        assert!(Machine::Arm.ends("b\t.LBB0_1") && Machine::Arm.ends("ret"));
        assert!(!Machine::Arm.ends("cbz\tx8, .LBB0_1") && !Machine::Arm.ends("bl\tmemcpy"));
    }
}
