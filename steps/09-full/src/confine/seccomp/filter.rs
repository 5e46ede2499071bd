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
    SECCOMP_RET_KILL_PROCESS, c_int, seccomp_data, sock_filter,
};
use rustc_hash::FxHashMap;
use rustix::thread::CapabilitySet;

use super::abi::{ABIS, Abi, NUMBERS};
use super::allowed::ALLOWED;
use super::checked::{CHECKED, Rule, Test};
use super::granted;
use super::program::{Label, Program};
use super::refused::{ABSENT, REFUSED};

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    Allow,
    Errno(c_int),
    Check(&'static Rule),
}

/// A program that knows a newer kernel than this filter then does without the call, as it would on
/// an older one.
const UNKNOWN: Verdict = Verdict::Errno(ENOSYS);

/// Each start looks up two thousand numbers. With the standard library's hash, which withstands an
/// attacker's choice of keys, it would take 0.15 ms longer.
type Table = FxHashMap<&'static str, Verdict>;

/// The numbers from `first` up to the next range.
#[derive(Clone, Copy)]
pub struct Range {
    first: u32,
    verdict: Verdict,
}

/// The whole program. Ways into the kernel that it has no numbers for kill the process that takes
/// them.
pub fn compile(kept: CapabilitySet) -> Vec<sock_filter> {
    let table = table(kept);
    let mut filter = Filter::default();
    let mut dispatch = filter.program.ret(SECCOMP_RET_KILL_PROCESS);
    let entries: Vec<_> = ABIS
        .iter()
        .rev()
        .map(|abi| (abi.arch, filter.numbers(abi, &ranges(abi, &table))))
        .collect();
    for (arch, entry) in entries {
        dispatch = filter.program.branch(BPF_JEQ, arch, entry, dispatch);
    }
    filter.program.load(offset_of!(seccomp_data, arch), dispatch);
    filter.program.finish()
}

/// The verdicts of one way into the kernel, in the order of its numbers.
pub fn ranges(abi: &Abi, table: &Table) -> Vec<Range> {
    let verdict =
        |number| (abi.name)(number).and_then(|name| table.get(name)).copied().unwrap_or(UNKNOWN);
    let mut ranges: Vec<Range> = Vec::new();
    for (first, verdict) in
        (0..NUMBERS).map(|first| (first, verdict(first))).chain([(NUMBERS, UNKNOWN)])
    {
        if ranges.last().is_none_or(|range| range.verdict != verdict) {
            ranges.push(Range { first, verdict });
        }
    }
    ranges
}

/// All tables as one, which is made large enough at once. What comes with a capability is looked up
/// last.
pub fn table(kept: CapabilitySet) -> Table {
    let all = |groups: &'static [&str], verdict| groups.iter().map(move |names| (*names, verdict));
    let groups = all(ALLOWED, Verdict::Allow)
        .chain(all(REFUSED, Verdict::Errno(EPERM)))
        .chain(all(ABSENT, UNKNOWN));
    let groups = groups.chain(CHECKED.iter().map(|rule| (rule.calls, Verdict::Check(rule))));
    let groups = groups.chain(granted::calls(kept).map(|names| (names, Verdict::Allow)));
    let mut table = Table::with_capacity_and_hasher(NUMBERS as usize / 2, Default::default());
    for (names, verdict) in groups {
        table.extend(names.split_ascii_whitespace().map(|name| (name, verdict)));
    }
    table
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
            Verdict::Errno(errno) => self.program.ret(SECCOMP_RET_ERRNO | errno as u32),
            Verdict::Check(rule) => self.check(rule),
        };
        self.verdicts.push((verdict, label));
        label
    }

    fn check(&mut self, rule: &Rule) -> Label {
        let (allow, refuse) = (self.verdict(Verdict::Allow), self.verdict(Verdict::Errno(EPERM)));
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
