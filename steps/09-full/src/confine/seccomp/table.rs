//! All tables as one, by number instead of by name. The compiler makes it, because a start would
//! need 0.1 ms to look up a thousand names.

use rustix::thread::CapabilitySet;

use super::allowed::ALLOWED;
use super::calls::Calls;
use super::checked::CHECKED;
use super::granted::GRANTED;
use super::refused::{ABSENT, REFUSED};

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    Allow,
    /// EPERM
    Refuse,
    /// ENOSYS, as if this kernel did not have it
    Absent,
    /// It depends on the rule of this index in [`CHECKED`].
    Check(u8),
}

/// What the tables say of a number.
#[derive(Clone, Copy)]
pub struct Entry {
    verdict: Verdict,
    granted_by: CapabilitySet,
}

impl Entry {
    /// In no table. A program that knows a newer kernel than this filter then does without the
    /// call, as it would on an older one.
    pub const UNKNOWN: Entry =
        Entry { verdict: Verdict::Absent, granted_by: CapabilitySet::empty() };

    /// The entry of the call with this name.
    pub const fn of(name: &[u8]) -> Entry {
        if lists(ALLOWED, name) {
            return Entry { verdict: Verdict::Allow, ..Entry::UNKNOWN };
        }
        Entry { verdict: unless_granted(name), granted_by: granted_by(name) }
    }

    /// What becomes of the call in a container that has these capabilities.
    pub fn verdict(&self, kept: CapabilitySet) -> Verdict {
        if self.granted_by.intersects(kept) { Verdict::Allow } else { self.verdict }
    }
}

// Functions that the compiler runs have neither iterators nor == for slices.

const fn unless_granted(name: &[u8]) -> Verdict {
    if lists(REFUSED, name) {
        return Verdict::Refuse;
    } else if lists(ABSENT, name) {
        return Verdict::Absent;
    }
    let mut rule = 0;
    while rule < CHECKED.len() {
        if lists(CHECKED[rule].calls, name) {
            return Verdict::Check(rule as u8);
        }
        rule += 1;
    }
    Entry::UNKNOWN.verdict
}

const fn granted_by(name: &[u8]) -> CapabilitySet {
    let (mut granted_by, mut row) = (CapabilitySet::empty(), 0);
    while row < GRANTED.len() {
        let (capability, calls) = GRANTED[row];
        if lists(calls, name) {
            granted_by = granted_by.union(capability);
        }
        row += 1;
    }
    granted_by
}

const fn lists(calls: Calls, name: &[u8]) -> bool {
    let (mut at, end) = (0, calls.len());
    while at < end {
        if calls[at][0] == name[0] && are_equal(calls[at], name) {
            return true;
        }
        at += 1;
    }
    false
}

const fn are_equal(one: &[u8], other: &[u8]) -> bool {
    match (one, other) {
        ([], []) => true,
        ([a, one @ ..], [b, other @ ..]) => *a == *b && are_equal(one, other),
        _ => false,
    }
}
