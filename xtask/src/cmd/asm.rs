//! `asm`: reads the machine code of the hot path and says whether it is free of locked instructions
//! and fences, and goes through the gate of a thread cache in order.
//!
//! The program under the glass is an example of `pool-core`. It is built with the profile and the
//! number of code generation units that users get, but in a package of its own, so that only the
//! pool's dependencies are built with it; the compiler is asked for the assembly text, so that no
//! disassembler is needed, nor, for another machine than this one, a linker. Starting from each
//! function under test, every instruction that can be reached without unwinding is read, through
//! jumps, tail calls and calls. Only functions that the compiler has put among the unlikely ones
//! (`#[cold]`) are not entered. A call that the check cannot see into fails it, unless it is in a
//! short list.

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use super::Command;
use crate::args::Args;
use crate::assembly::machine::Machine;
use crate::assembly::{Function, Place, Program, gate};
use crate::runner::{self, Job, Options};
use crate::step::{Invocation, Step};
use crate::tools;
use crate::workspace::{self, Workspace};

pub(super) const COMMAND: Command = Command {
    name: "asm",
    usage: "",
    about: "read the hot path's machine code: no locked instruction, no fence, the gate in order",
    details: "For x86-64 Linux, and for aarch64 Linux where that target is installed, whatever this machine is.\n\
        Prints, for each function of crates/pool-core/examples/hot_path.rs, how many instructions can be reached, and\n\
        which cold functions were not entered. The code itself stays in target/xtask/asm and asm-aarch64.\n\
        In order means: a take and a put write that they are inside the thread's cache before they look whether it\n\
        is revoked, and call nothing before they are out again.",
    flags: &[],
    passes_on: false,
    run,
};

/// The functions in `hot_path.rs` that are read.
const HOT: &[&str] = &["hot_get_drop", "hot_take_put"];

/// Functions of the system that may be called though their code is not seen: none of them
/// synchronises. The linker turns the first into a plain read of a register.
const HARMLESS: &[&str] = &["__tls_get_addr", "memcpy", "memmove", "memset"];

/// Functions that are not cold in general but that the pools in `hot_path.rs` never call, and why.
const NOT_TAKEN: &[(&str, &str)] = &[("::put_inspected", "the pool has no recycle hook")];

fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode, String> {
    args.no_words()?;
    Ok(runner::run(workspace, steps(), Options::of(args)))
}

/// An operation each: a take and a put. So often at least the gate is gone through.
const PASSES: usize = 2;

/// The machines, by target, and where their code goes.
const TARGETS: &[(Machine, &str, &str)] = &[
    (Machine::X86, "x86_64-unknown-linux-gnu", "asm"),
    (Machine::Arm, "aarch64-unknown-linux-gnu", "asm-aarch64"),
];

/// The checks, or why they cannot be made here.
pub(super) fn steps() -> Vec<Step> {
    let step = |(machine, target, folder): &(Machine, &'static str, &'static str)| {
        let (machine, target, folder) = (*machine, *target, *folder);
        let name = match machine {
            Machine::X86 => "asm",
            Machine::Arm => "asm aarch64",
        };
        if !tools::has_target(target) {
            let reason = format!("not installed: rustup target add {target}");
            return Step::skip(name, target, reason);
        }
        Step::check(name, move |job| check(job, machine, target, folder)).on_failure(format!(
            "read the function in target/xtask/{folder}; a slow path that is inlined belongs into a #[cold] function, and the \
             gate is `Gate::enter` of pool-gate with `barrier::light` in it"
        ))
    };
    TARGETS.iter().map(step).collect()
}

fn check(
    job: &mut Job<'_>,
    machine: Machine,
    target: &str,
    folder: &str,
) -> Result<String, String> {
    let program = build(job, machine, target, folder)?;
    let mut lines = Vec::new();
    let mut faults = Vec::new();
    for name in HOT {
        let path = follow(&program, name)?;
        lines.push(format!("{name} {}", path.shortest));
        let cold: Vec<_> = path.cold.iter().map(String::as_str).collect();
        let ordered = match machine {
            Machine::X86 => String::new(),
            Machine::Arm => format!(" ({} acquire, {} release)", path.acquires, path.releases),
        };
        job.note(&format!(
            "{name}: {} instructions straight through, {} in reach{ordered}, {} of them pin the cache; not entered: {}",
            path.shortest,
            path.instructions,
            path.pins,
            cold.join(", ")
        ));
        faults.extend(path.faults.iter().map(|fault| format!("{name}: {fault}")));
        if path.pins < PASSES {
            faults.push(format!(
                "{name}: {} instructions pin the cache, and a take and a put need {PASSES}; if that is \
                 right, xtask/src/assembly no longer recognises them",
                path.pins
            ));
        }
    }
    if faults.is_empty() {
        Ok(format!(
            "no locked instruction and no fence in the hot path, the gate in order; instructions: {}",
            lines.join(", ")
        ))
    } else {
        Err(format!(
            "the hot path synchronises, or does not keep the order of the gate (G1 on pool-gate's design page)\n{}",
            faults.join("\n")
        ))
    }
}

/// Builds the example for its assembly text and reads that.
fn build(
    job: &mut Job<'_>,
    machine: Machine,
    target: &str,
    folder: &str,
) -> Result<Program, String> {
    let folder = &job.workspace.target_for(folder);
    // Old text must not be taken for new.
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let root = job.workspace.root();
    let quoted = |path: &Path| format!("{:?}", path.to_string_lossy());
    let pool = root.join("crates").join("pool-core");
    // A library needs no linker. The compiler has to be told then that the code is meant for a program.
    let host = cfg!(all(target_arch = "x86_64", target_os = "linux")) && machine == Machine::X86;
    let (kind, flags) = if host {
        ("[bin]", "--emit=asm,link")
    } else {
        ("lib", "--emit=asm -C relocation-model=pie")
    };
    let manifest = format!(
        "[package]\nname = \"hot-path\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n\n\
         [{kind}]\nname = \"hot_path\"\npath = {}\n\n[dependencies]\npool-core = {{ path = {} }}\n\n[workspace]\n\n\
         [lints.rust]\nunexpected_cfgs = {{ level = \"warn\", check-cfg = ['cfg(pool_loom)'] }}\n\
         dead_code = \"allow\"\n",
        quoted(&pool.join("examples").join("hot_path.rs")),
        quoted(&pool),
    );
    let put = |name: &str, text: &str| {
        fs::write(folder.join(name), text).map_err(|error| format!("{name}: {error}"))
    };
    put("Cargo.toml", &manifest)?;
    // The same versions as in the workspace, and no need to ask the registry.
    put("Cargo.lock", &workspace::read(&root.join("Cargo.lock"))?)?;
    let built = folder.join("target");
    let build = Invocation::cargo(&format!("build --release --quiet --target {target}"))
        .in_dir(folder)
        .env("CARGO_TARGET_DIR", &built)
        .env("RUSTFLAGS", format!("-C codegen-units=16 {flags}"))
        .without("CARGO_ENCODED_RUSTFLAGS");
    job.run(&build)?;
    let texts = fs::read_dir(built.join(target).join("release").join("deps"))
        .map_err(|error| error.to_string())?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "s"));
    let mut program = Program::of(machine);
    for path in texts {
        program.add(&workspace::read(&path)?);
    }
    Ok(program)
}

/// What was found on the way.
#[derive(Debug, Default)]
struct Walk {
    /// Of the way that calls nothing which is not entered.
    shortest: usize,
    instructions: usize,
    /// How many of them order others without more: loads and stores of a kind that x86-64 has no need of.
    acquires: usize,
    releases: usize,
    /// How many of them pin a cache.
    pins: usize,
    /// What was not entered.
    cold: BTreeSet<String>,
    faults: Vec<String>,
}

/// Follows the code from the function called `start`.
fn follow(program: &Program, start: &str) -> Result<Walk, String> {
    if !program.functions.contains_key(start) {
        return Err(format!("no function {start} in the assembly"));
    }
    let mut path = Walk::default();
    let mut entered = BTreeSet::from([start.to_owned()]);
    let mut ahead = vec![start.to_owned()];
    while let Some(name) = ahead.pop() {
        let function = &program.functions[&name];
        let passed = gate::check(function);
        path.pins += passed.pins.len();
        let place = readable(&name);
        let faults = passed.faults.iter();
        path.faults
            .extend(faults.map(|fault| format!("in {place}: {fault}")));
        for target in read_function(function, program.machine, &name, &mut path) {
            match program.functions.get(&target) {
                Some(function) if function.cold => {
                    path.cold.insert(readable(&target));
                }
                Some(_) if not_taken(&target).is_some() => {
                    let reason = not_taken(&target).unwrap_or_default();
                    path.cold
                        .insert(format!("{} ({reason})", readable(&target)));
                }
                Some(_) => {
                    if entered.insert(target.clone()) {
                        ahead.push(target);
                    }
                }
                None if is_panic(&target) => {}
                None if HARMLESS.contains(&target.as_str()) => {}
                None => path.faults.push(format!(
                    "calls {}, whose code is not here",
                    readable(&target)
                )),
            }
        }
    }
    // Without such a way the check would have seen everything but the hot path.
    let harmless = |name: &str| entered.contains(name) || HARMLESS.contains(&name);
    match shortest(&program.functions[start], harmless) {
        Some(count) => path.shortest = count,
        None => path
            .faults
            .push("every way through it calls a cold function".to_owned()),
    }
    Ok(path)
}

/// Why the pools in `hot_path.rs` never call the function, if they do not.
fn not_taken(name: &str) -> Option<&'static str> {
    let name = readable(name);
    NOT_TAKEN
        .iter()
        .find(|(end, _)| name.ends_with(end))
        .map(|(_, reason)| *reason)
}

/// Reads the instructions of one function that can be reached without unwinding; returns what it
/// calls or jumps to.
fn read_function(
    function: &Function,
    machine: Machine,
    name: &str,
    path: &mut Walk,
) -> BTreeSet<String> {
    let mut seen = vec![false; function.code.len()];
    let mut called = BTreeSet::new();
    let mut ahead = vec![0];
    while let Some(mut at) = ahead.pop() {
        while at < function.code.len() && !seen[at] {
            seen[at] = true;
            path.instructions += 1;
            let text = &function.code[at];
            if let Some(what) = machine.synchronises(text) {
                path.faults
                    .push(format!("{what} in {}: {text}", readable(name)));
            }
            match machine.effect(text).access {
                Some(access) if access.orders && access.writes => path.releases += 1,
                Some(access) if access.orders => path.acquires += 1,
                _ => {}
            }
            let (place, continues) = function.after(at);
            match place {
                Some(Place::Here(label)) => ahead.push(label),
                Some(Place::Function(target)) => {
                    called.insert(target.to_owned());
                }
                Some(Place::Unknown) => {
                    let place = readable(name);
                    path.faults
                        .push(format!("goes to an unknown place in {place}: {text}"));
                }
                None => {}
            }
            if !continues {
                break;
            }
            at += 1;
        }
    }
    called
}

/// How many instructions the shortest way through a function takes that leaves it for nothing but
/// functions accepted by `may_call`.
fn shortest(function: &Function, may_call: impl Fn(&str) -> bool) -> Option<usize> {
    let mut distance = vec![None; function.code.len()];
    let mut ahead = VecDeque::from([(0, 1)]);
    while let Some((at, steps)) = ahead.pop_front() {
        if at >= function.code.len() || distance[at].is_some() {
            continue;
        }
        distance[at] = Some(steps);
        if function.is_return(at) {
            return Some(steps);
        }
        let conditional = function.is_conditional(at);
        let (place, continues) = function.after(at);
        let blocked = match place {
            Some(Place::Here(label)) => {
                ahead.push_back((label, steps + 1));
                false
            }
            // A tail call: the way goes on there.
            Some(Place::Function(target)) if !continues && may_call(target) => return Some(steps),
            Some(Place::Function(target)) => !may_call(target) && !conditional,
            Some(Place::Unknown) => true,
            None => false,
        };
        if continues && !blocked {
            ahead.push_back((at + 1, steps + 1));
        }
    }
    None
}

/// Whether a function of the standard library only ever panics or aborts.
fn is_panic(name: &str) -> bool {
    [
        "panicking",
        "_Unwind_Resume",
        "unwrap_failed",
        "expect_failed",
        "handle_alloc_error",
    ]
    .iter()
    .any(|part| name.contains(part))
}

/// A mangled name, shortened to the words in it.
fn readable(name: &str) -> String {
    if let Some(rest) = name.strip_prefix("_R") {
        return words(rest).join("::");
    }
    let Some(rest) = name.strip_prefix("_ZN") else {
        return name.to_owned();
    };
    let mut rest = rest;
    let mut parts = Vec::new();
    while let Some(end) = rest.find(|c: char| !c.is_ascii_digit()) {
        let Ok(length) = rest[..end].parse::<usize>() else {
            break;
        };
        let Some(part) = rest.get(end..end + length) else {
            break;
        };
        // Which `impl` it is in says little and takes half a line.
        if !part.contains('$') {
            parts.push(part);
        }
        rest = &rest[end + length..];
    }
    // The last part is a hash.
    parts.pop();
    if parts.is_empty() {
        name.to_owned()
    } else {
        parts.join("::")
    }
}

/// The words in a name of the newer kind, which nightly compilers give. The crate that asked for the function stands behind
/// its path, and is left out.
fn words(mut rest: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut is_root = false;
    let past = |text: &'_ str| text.find('_').map_or(text.len(), |at| at + 1);
    while let Some(tag) = rest.chars().next() {
        match tag {
            // A reference back, a number that tells equal names apart, a constant.
            'B' | 's' | 'K' => rest = &rest[past(rest)..],
            // And what kind of thing its last word is.
            'N' => rest = rest.get(2..).unwrap_or_default(),
            '0'..='9' => {
                let end = rest.find(|c: char| !c.is_ascii_digit());
                let (digits, text) = rest.split_at(end.unwrap_or(rest.len()));
                let text = text.strip_prefix('_').unwrap_or(text);
                let length = digits.parse().unwrap_or(usize::MAX);
                let Some(word) = text.get(..length) else {
                    break;
                };
                rest = &text[length..];
                if is_root && rest.is_empty() && !words.is_empty() {
                    break;
                }
                is_root = false;
                if !word.is_empty() {
                    words.push(word);
                }
            }
            _ => {
                is_root |= tag == 'C';
                rest = &rest[tag.len_utf8()..];
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
\t.section\t.text.hot,\"ax\",@progbits
\t.type\thot,@function
hot:
\t.cfi_startproc
\tmovq\t%fs:X@TPOFF, %rax
\tcmpq\t$3, %rax
\tje\t.LBB0_2
\tcallq\twarm
\tretq
.LBB0_2:
\tjmp\t_ZN3hot4slow17h0123456789abcdefE
.Lpad:
\tlock\t\tincq\t(%rax)
\tcallq\t_Unwind_Resume@PLT
.Lfunc_end0:
\t.cfi_endproc
\t.section\t\".text.unlikely._ZN3hot4slow\",\"ax\",@progbits
\t.type\t_ZN3hot4slow17h0123456789abcdefE,@function
_ZN3hot4slow17h0123456789abcdefE:
\tlock\t\txaddq\t%rax, A(%rip)
\tretq
\t.cfi_endproc
\t.section\t.text.warm,\"ax\",@progbits
\t.type\twarm,@function
warm:
\tWARM
\tretq
\t.cfi_endproc
";

    fn faults(warm: &str) -> Vec<String> {
        let mut program = Program::default();
        program.add(&TEXT.replace("WARM", warm));
        follow(&program, "hot").unwrap().faults
    }

    #[test]
    fn plain_code_passes_and_cold_functions_are_not_entered() {
        let mut program = Program::default();
        program.add(&TEXT.replace("WARM", "addq\t$1, %rax"));
        let path = follow(&program, "hot").unwrap();
        assert_eq!(path.faults, [""; 0]);
        assert_eq!(path.shortest, 5);
        assert_eq!(
            path.instructions, 8,
            "six of its own, without the landing pad, and two of warm"
        );
        assert_eq!(path.cold.into_iter().collect::<Vec<_>>(), ["hot::slow"]);
        assert!(follow(&program, "missing").is_err());
    }

    #[test]
    fn names_are_readable() {
        let name = "_ZN9pool_core4slow10_$LT$impl$13put_inspected17h2a1380a4c7a760d0E";
        assert_eq!(readable(name), "pool_core::slow::put_inspected");
        assert!(not_taken(name).is_some());
        assert_eq!(readable("memcpy"), "memcpy");
        let name = "_RNvMNtCs7dUq80xydhy_9pool_core4slowINtNtB4_4pool4PoolINtNtCsbEht8wFNRx7_5alloc3vec3VechEE13put_inspectedB4_";
        assert!(readable(name).starts_with("pool_core::slow::pool::Pool::"));
        assert!(not_taken(name).is_some());
        let name =
            "_RNvMs2_NtCs7dUq80xydhy_9pool_core4poolINtB5_4PoolhE9take_slowCs2eZPLPHfIIb_8hot_path";
        assert_eq!(readable(name), "pool_core::pool::Pool::take_slow");
    }

    #[test]
    fn what_synchronises_is_found_in_callees_too() {
        for text in [
            "lock\t\tcmpxchgq\t%rax, (%rdi)",
            "xchgq\t%rax, (%rdi)",
            "xchgb\t%al, 8(%rdi)",
            "mfence",
            "lock\t\torl\t$0, -64(%rsp)",
            "callq\tpthread_mutex_lock@PLT",
            "callq\t*pthread_mutex_lock@GOTPCREL(%rip)",
            "callq\t*%rax",
            "jmpq\t*8(%rax)",
            "syscall",
        ] {
            assert_eq!(faults(text).len(), 1, "{text}: {:?}", faults(text));
        }
        let only_cold = faults("callq\t_ZN3hot4slow17h0123456789abcdefE");
        assert_eq!(only_cold, [""; 0], "there is a way around it");
        let mut program = Program::default();
        program.add(&TEXT.replace("callq\twarm", "callq\t_ZN3hot4slow17h0123456789abcdefE"));
        let faults_without_a_way = follow(&program, "hot").unwrap().faults;
        assert_eq!(faults_without_a_way.len(), 1, "{faults_without_a_way:?}");
        for text in [
            "xchgq\t%rax, %rdx",
            "callq\t__tls_get_addr@PLT",
            "callq\t*memcpy@GOTPCREL(%rip)",
        ] {
            assert_eq!(faults(text), [""; 0], "{text}");
        }
    }
}
