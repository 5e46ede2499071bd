//! The program, run by an interpreter of our own, gives for every number the verdict that stands in
//! the tables.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use libc::{
    BPF_ABS, BPF_ALU, BPF_AND, BPF_JA, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET,
    BPF_W, EPERM, SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO, SECCOMP_RET_KILL_PROCESS, sock_filter,
};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use rustix::thread::CapabilitySet;

use super::abi::{self, ABIS, Abi};
use super::allowed::ALLOWED;
use super::calls::Calls;
use super::checked::{CHECKED, Rule, Test};
use super::filter::{compile, ranges};
use super::granted::GRANTED;
use super::program::Program;
use super::refused::{ABSENT, REFUSED};

use super::{no_new_privs, set_filter};

const NUMBERS: u32 = abi::NUMBERS as u32;

/// What the program says, and how many instructions it took.
fn run(program: &[sock_filter], arch: u32, number: u32, args: [u64; 6]) -> (u32, usize) {
    let mut words = vec![number, arch, 0, 0];
    words.extend(args.iter().flat_map(|arg| [*arg as u32, (*arg >> 32) as u32]));
    let (mut a, mut at) = (0, 0);
    for steps in 1..=program.len() {
        let it = program[at];
        at += 1;
        let jump = |yes: bool| usize::from(if yes { it.jt } else { it.jf });
        match u32::from(it.code) {
            code if code == BPF_LD | BPF_W | BPF_ABS => a = words[it.k as usize / 4],
            code if code == BPF_ALU | BPF_AND | BPF_K => a &= it.k,
            code if code == BPF_JMP | BPF_JA => at += it.k as usize,
            code if code == BPF_JMP | BPF_JEQ | BPF_K => at += jump(a == it.k),
            code if code == BPF_JMP | BPF_JGE | BPF_K => at += jump(a >= it.k),
            code if code == BPF_JMP | BPF_JSET | BPF_K => at += jump(a & it.k != 0),
            code if code == BPF_RET | BPF_K => return (it.k, steps),
            code => panic!("an instruction that seccomp does not use: {code:#x}"),
        }
    }
    panic!("a loop");
}

fn name(abi: &Abi, number: u32) -> Option<&'static [u8]> {
    abi.names.name(number as usize)
}

fn text(name: &[u8]) -> &str {
    str::from_utf8(name).unwrap()
}

/// What the tables say, looked up name by name.
fn expected(abi: &Abi, number: u32, args: [u64; 6]) -> u32 {
    let has = |calls: Calls| name(abi, number).is_some_and(|name| calls.contains(&name));
    let errno = |errno: i32| SECCOMP_RET_ERRNO | errno as u32;
    if has(ALLOWED) {
        SECCOMP_RET_ALLOW
    } else if has(REFUSED) {
        errno(EPERM)
    } else if let Some(rule) = CHECKED.iter().find(|rule| has(rule.calls)) {
        if passes(rule, args[rule.argument as usize] as u32) {
            SECCOMP_RET_ALLOW
        } else {
            errno(EPERM)
        }
    } else {
        errno(libc::ENOSYS)
    }
}

fn passes(rule: &Rule, value: u32) -> bool {
    match rule.test {
        Test::OneOf(values) => values.contains(&value),
        Test::NoneOf(values) => !values.contains(&value),
        Test::Without(bits) => value & bits == 0,
    }
}

/// Values on both sides of each rule, with and without bits that the kernel does not look at.
fn interesting() -> Vec<u64> {
    let low =
        (0..64).chain([0x5412, 0x5413, 0x541b, 0x541c, 0x2_0000, 0x2_0008, 0x4_0000, 0xffff_ffff]);
    let low: Vec<u64> = low.chain((0..32).map(|bit| 1 << bit)).collect();
    let high = low.iter().map(|value| value | 1 << 32);
    low.iter().copied().chain(high).collect()
}

#[test]
fn every_number_gets_the_verdict_of_the_tables() {
    let program = compile(CapabilitySet::empty());
    for abi in ABIS {
        for number in (0..NUMBERS).chain([0x3fff_ffff, 0x7fff_ffff, 0x8000_0000, u32::MAX]) {
            let found = run(&program, abi.arch, number, [0; 6]).0;
            assert_eq!(
                found,
                expected(abi, number & abi.mask, [0; 6]),
                "{number} of {:#x}",
                abi.arch
            );
        }
    }
}

#[test]
fn x32_gets_the_verdicts_of_the_native_numbers() {
    let program = compile(CapabilitySet::empty());
    for abi in ABIS.iter().filter(|abi| abi.mask != u32::MAX) {
        for number in 0..NUMBERS {
            let verdict = |number| run(&program, abi.arch, number, [0; 6]).0;
            assert_eq!(verdict(number), verdict(number | !abi.mask), "{number}");
        }
    }
}

#[test]
fn arguments_are_checked() {
    let program = compile(CapabilitySet::empty());
    for (abi, rule) in ABIS.iter().flat_map(|abi| CHECKED.iter().map(move |rule| (*abi, rule))) {
        let listed = |name| rule.calls.contains(&name);
        let numbers = (0..NUMBERS).filter(|number| name(abi, *number).is_some_and(listed));
        for (number, value) in
            numbers.flat_map(|number| interesting().into_iter().map(move |value| (number, value)))
        {
            let mut args = [0; 6];
            args[rule.argument as usize] = value;
            let found = run(&program, abi.arch, number, args).0;
            assert_eq!(
                found,
                expected(abi, number, args),
                "{:?} with {value:#x} of {:#x}",
                name(abi, number).map(text),
                abi.arch
            );
        }
    }
}

/// Of each capability, on its own.
#[test]
fn a_capability_brings_its_calls_and_no_others() {
    for (capability, _) in GRANTED {
        let program = compile(*capability);
        let granted = GRANTED.iter().filter(|(for_it, _)| for_it == capability);
        let granted: BTreeSet<_> = granted.flat_map(|(_, calls)| *calls).collect();
        for (abi, number) in ABIS.iter().flat_map(|abi| (0..NUMBERS).map(move |it| (*abi, it))) {
            let is_granted = name(abi, number).is_some_and(|name| granted.contains(&name));
            let expected =
                if is_granted { SECCOMP_RET_ALLOW } else { expected(abi, number, [0; 6]) };
            let found = run(&program, abi.arch, number, [0; 6]).0;
            assert_eq!(found, expected, "{number} of {:#x} with {capability:?}", abi.arch);
        }
    }
}

#[test]
fn another_architecture_is_the_end() {
    let program = compile(CapabilitySet::empty());
    for arch in [0, libc::EM_PPC64.into(), ABIS[0].arch ^ 1, u32::MAX] {
        assert_eq!(run(&program, arch, 0, [0; 6]).0, SECCOMP_RET_KILL_PROCESS);
    }
}

/// A name in two tables would have two verdicts; one that is misspelt, or that a new kernel brings,
/// none.
#[test]
fn every_call_is_in_exactly_one_table() {
    let checked = CHECKED.iter().flat_map(|rule| rule.calls);
    let mut names = BTreeSet::new();
    for name in ALLOWED.iter().chain(REFUSED).chain(ABSENT).chain(checked) {
        assert!(names.insert(text(name)), "{} stands twice", text(name));
    }
    let mut calls: BTreeSet<_> = ABIS
        .iter()
        .flat_map(|abi| (0..NUMBERS).filter_map(|number| name(abi, number).map(text)))
        .collect();
    calls.remove("r#break"); // i386 never had it
    assert_eq!(calls.difference(&names).collect::<Vec<_>>(), Vec::<&&str>::new(), "in no table");
    if cfg!(target_arch = "x86_64") {
        // "fstatat" is what newfstatat is called on aarch64.
        assert_eq!(names.difference(&calls).collect::<Vec<_>>(), [&"fstatat"], "no such call");
    }
}

#[test]
fn the_tree_is_small_and_flat() {
    let program = compile(CapabilitySet::empty());
    println!("{} instructions", program.len());
    for abi in ABIS {
        let deepest =
            (0..NUMBERS).map(|number| run(&program, abi.arch, number, [0; 6]).1).max().unwrap();
        println!(
            "{:#x}: {} ranges, at most {deepest} instructions for a call",
            abi.arch,
            ranges(abi, CapabilitySet::empty()).len()
        );
        assert!(deepest <= 20);
    }
}

/// A branch reaches 255 instructions; longer ways go through a jump of their own, from both sides
/// of the border.
#[test]
fn long_jumps_arrive() {
    for length in 250..262 {
        let mut program = Program::default();
        let (one, two) = (program.ret(1), program.ret(2));
        let mut last = two;
        for _ in 0..length {
            last = program.and(u32::MAX, last);
        }
        let branch = program.branch(BPF_JEQ, 7, one, two);
        program.load(0, branch);
        let program = program.finish();
        assert_eq!([7, 8].map(|number| run(&program, 0, number, [0; 6]).0), [1, 2], "{length}");
    }
}

/// The same verdicts as a list of comparisons: how a filter looks that does not search.
fn linear() -> Vec<sock_filter> {
    let mut program = Program::default();
    let mut next = program.ret(SECCOMP_RET_ERRNO | libc::ENOSYS as u32);
    for number in (0..512).rev() {
        let verdict = match expected(ABIS[0], number, [0; 6]) {
            verdict if verdict == SECCOMP_RET_ERRNO | libc::ENOSYS as u32 => continue,
            verdict => program.ret(verdict),
        };
        // The verdict stands between this comparison and the next one.
        next = program.branch(BPF_JEQ, number, verdict, next);
    }
    program.load(0, next);
    program.finish()
}

/// How long the kernel takes to load a filter: the fastest of several children, each with no filter
/// before it.
fn loading(filter: &[sock_filter]) -> Duration {
    let once = || {
        // SAFETY: the child makes a few system calls and ends.
        match unsafe { fork() }.unwrap() {
            ForkResult::Child => {
                let start = Instant::now();
                let loaded = no_new_privs().is_ok() && set_filter(filter).is_ok();
                let micros = if loaded { start.elapsed().as_micros() as i32 / 10 } else { 0 };
                // SAFETY: ends only the child.
                unsafe { libc::_exit(micros.min(255)) }
            }
            ForkResult::Parent { child } => match waitpid(child, None).unwrap() {
                WaitStatus::Exited(_, tens @ 1..) => Duration::from_micros(tens as u64 * 10),
                other => panic!("{other:?}"),
            },
        }
    };
    (0..50).map(|_| once()).min().unwrap()
}

/// `cargo test --release -p step-09-full -- --ignored --nocapture loads_faster`
#[test]
#[ignore = "measures time"]
fn the_tree_loads_faster_than_a_list() {
    let start = Instant::now();
    let tree = compile(CapabilitySet::empty());
    println!("compiled in {:?}", start.elapsed());
    let list = linear();
    let (fast, slow) = (loading(&tree), loading(&list));
    println!(
        "{} instructions as a tree load in {fast:?}, {} as a list in {slow:?}",
        tree.len(),
        list.len()
    );
    assert!(fast * 2 < slow);
}
