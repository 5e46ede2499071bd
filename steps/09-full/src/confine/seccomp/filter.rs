//! The tables as one program: first the architecture, then a binary search for the number, then the
//! arguments.
//!
//! A list of comparisons, one a call, would take hundreds of instructions for the last of them.
//! Each call that is not always allowed would take that long. Loading the filter would take
//! hundreds of times as long: since Linux 5.11 the kernel runs it once for each number, to learn
//! which calls are always allowed. For these it later skips the filter.

use std::mem::offset_of;

use libc::{
    BPF_JEQ, BPF_JGE, BPF_JSET, ENOSYS, EPERM, SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO,
    SECCOMP_RET_KILL_PROCESS, seccomp_data, sock_filter,
};
use rustix::thread::CapabilitySet;

use super::abi::{ABIS, Abi};
use super::checked::{CHECKED, Rule, Test};
use super::program::{Label, Program};
use super::table::Verdict;

/// The numbers from `first` up to the next range.
#[derive(Clone, Copy)]
pub struct Range {
    first: u32,
    verdict: Verdict,
}

/// The whole program. Ways into the kernel that it has no numbers for kill the process that takes
/// them.
pub fn compile(kept: CapabilitySet) -> Vec<sock_filter> {
    let mut filter = Filter::default();
    let mut dispatch = filter.program.ret(SECCOMP_RET_KILL_PROCESS);
    let entries: Vec<_> =
        ABIS.iter().rev().map(|abi| (abi.arch, filter.numbers(abi, &ranges(abi, kept)))).collect();
    for (arch, entry) in entries {
        dispatch = filter.program.branch(BPF_JEQ, arch, entry, dispatch);
    }
    filter.program.load(offset_of!(seccomp_data, arch), dispatch);
    filter.program.finish()
}

/// The verdicts of one way into the kernel, in the order of its numbers.
pub fn ranges(abi: &Abi, kept: CapabilitySet) -> Vec<Range> {
    let verdicts = abi.entries.iter().map(|entry| entry.verdict(kept)).chain([Verdict::Absent]);
    let mut ranges: Vec<Range> = Vec::new();
    for (first, verdict) in (0..).zip(verdicts) {
        if ranges.last().is_none_or(|range| range.verdict != verdict) {
            ranges.push(Range { first, verdict });
        }
    }
    ranges
}

/// A program, and where in it each verdict already stands.
#[derive(Default)]
struct Filter {
    program: Program,
    verdicts: Vec<(Verdict, Label)>,
}

impl Filter {
    /// Everything about one way into the kernel.
    fn numbers(&mut self, abi: &Abi, ranges: &[Range]) -> Label {
        let search = self.search(ranges);
        let masked = if abi.mask == !0 { search } else { self.program.and(abi.mask, search) };
        self.program.load(offset_of!(seccomp_data, nr), masked)
    }

    /// Is the number in the upper half of the ranges, or in the lower one?
    fn search(&mut self, ranges: &[Range]) -> Label {
        if let [range] = ranges {
            return self.verdict(range.verdict);
        }
        let (lower, upper) = ranges.split_at(ranges.len() / 2);
        let (yes, no) = (self.search(upper), self.search(lower));
        self.program.branch(BPF_JGE, upper[0].first, yes, no)
    }

    fn verdict(&mut self, verdict: Verdict) -> Label {
        if let Some((_, label)) = self.verdicts.iter().find(|(known, _)| *known == verdict) {
            return *label;
        }
        let label = match verdict {
            Verdict::Allow => self.program.ret(SECCOMP_RET_ALLOW),
            Verdict::Refuse => self.program.ret(SECCOMP_RET_ERRNO | EPERM as u32),
            Verdict::Absent => self.program.ret(SECCOMP_RET_ERRNO | ENOSYS as u32),
            Verdict::Check(rule) => self.check(&CHECKED[rule as usize]),
        };
        self.verdicts.push((verdict, label));
        label
    }

    fn check(&mut self, rule: &Rule) -> Label {
        let (allow, refuse) = (self.verdict(Verdict::Allow), self.verdict(Verdict::Refuse));
        let test = match rule.test {
            Test::OneOf(values) => self.any(BPF_JEQ, values, allow, refuse),
            Test::NoneOf(values) => self.any(BPF_JEQ, values, refuse, allow),
            Test::Without(bits) => self.any(BPF_JSET, &[bits], refuse, allow),
        };
        // The lower half of the argument comes first: these are little-endian machines.
        self.program
            .load(offset_of!(seccomp_data, args) + rule.argument as usize * size_of::<u64>(), test)
    }

    fn any(&mut self, test: u32, values: &[u32], yes: Label, no: Label) -> Label {
        values.iter().rev().fold(no, |no, value| self.program.branch(test, *value, yes, no))
    }
}
