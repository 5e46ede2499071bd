//! The errors that a learner meets: what was tried × what the kernel answered × what the machine
//! shows → the cause and its cure, or what to check where nothing shows the cause.
//!
//! The book's page docs/src/errors.md is made of this table. tests/tests/errors provokes each row,
//! and provokes for each row the same answer with another cause, where that row must not appear.

use std::path::Path;

use anyhow::Error;
use nix::errno::Errno;

use crate::attempt::{Operation, operation, subject};
use crate::failure::errno;

mod anything;
mod cgroups;
mod ids;
mod mounts;
mod namespaces;
mod network;
mod programs;
mod queues;
mod rootfs;
mod when;

pub use when::When;

/// One cause of an error and its cure, or what to check.
pub struct Row {
    /// What the row is called: each name stands once in the table.
    pub name: &'static str,
    /// One of these failed; empty where any operation may fail so.
    pub tried: &'static [Operation],
    /// The kernel gave one of these answers; empty where the operation is answer enough.
    pub answers: &'static [Errno],
    /// All of this is seen on the machine.
    pub when: &'static [When],
    /// Why the error happens; none where nothing shows it.
    pub cause: Option<&'static str>,
    /// What to do, or what to check.
    pub cure: &'static str,
    /// Both, as they are printed.
    pub hint: &'static str,
}

/// Rows about one subject.
pub struct Group {
    /// The subject.
    pub title: &'static str,
    /// The first row that fits is taken, so the narrower cause stands above the wider one.
    pub rows: &'static [Row],
}

/// A row whose operation, answer and conditions leave one cause: name, what was tried, what was
/// answered, what the machine shows, cause, cure.
macro_rules! row {
    ($name:literal, $tried:expr, $answers:expr, $when:expr, $cause:literal, $cure:literal $(,)?) => {
        $crate::hints::Row {
            name: $name,
            tried: &$tried,
            answers: &$answers,
            when: &$when,
            cause: Some($cause),
            cure: $cure,
            hint: concat!($cause, ": ", $cure),
        }
    };
}

/// A row that leaves several causes: name, what was tried, what was answered, what the machine
/// shows, and how a reader finds out.
macro_rules! check {
    ($name:literal, $tried:expr, $answers:expr, $when:expr, $check:literal $(,)?) => {
        $crate::hints::Row {
            name: $name,
            tried: &$tried,
            answers: &$answers,
            when: &$when,
            cause: None,
            cure: concat!("check: ", $check),
            hint: concat!("check: ", $check),
        }
    };
}
use {check, row};

/// The table. What may be answered to any operation stands at its end.
pub const TABLE: &[Group] = &[
    Group { title: "The root filesystem", rows: rootfs::ROWS },
    Group { title: "The command", rows: programs::COMMAND },
    Group { title: "Namespaces", rows: namespaces::ROWS },
    Group { title: "Message queues", rows: queues::ROWS },
    Group { title: "Ids", rows: ids::ROWS },
    Group { title: "Mounts", rows: mounts::ROWS },
    Group { title: "The network", rows: network::ROWS },
    Group { title: "Control groups", rows: cgroups::ROWS },
    Group { title: "The complete container", rows: programs::COMPLETE },
    Group { title: "Building a root filesystem", rows: rootfs::BUILDING },
    Group { title: "Any operation", rows: anything::ROWS },
];

/// Returns why `error` happened and what to do, or what to check, where the table knows.
pub fn hint(error: &Error) -> Option<&'static str> {
    let operation = operation(error);
    let errno = errno(error);
    let subject = subject(error).unwrap_or(Path::new("/"));
    let mut rows = TABLE.iter().flat_map(|group| group.rows);
    rows.find(|row| row.fits(operation, errno, subject)).map(|row| row.hint)
}

impl Row {
    fn fits(&self, operation: Option<Operation>, errno: Option<Errno>, subject: &Path) -> bool {
        let tried = self.tried.is_empty() || operation.is_some_and(|it| self.tried.contains(&it));
        let answered =
            self.answers.is_empty() || errno.is_some_and(|errno| self.answers.contains(&errno));
        tried && answered && self.when.iter().all(|when| when.holds(subject))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{Failure, Tried};

    fn printed(tried: Operation, words: &str, errno: Errno) -> Option<&'static str> {
        hint(&Err::<(), _>(errno).tried(tried, words).unwrap_err())
    }

    #[test]
    fn an_error_keeps_its_cure_in_other_words() {
        let once = printed(Operation::Listen, "listen on port 80", Errno::EADDRINUSE);
        assert!(once.unwrap().contains("ss -tlnp"));
        for words in ["", "could not open the door", "chroot /x", "connect to 10.77.0.1"] {
            assert_eq!(printed(Operation::Listen, words, Errno::EADDRINUSE), once);
        }
        let failure = |what| Error::from(Failure::new(what).of(Operation::FindTerminal));
        assert!(hint(&failure("no terminal")).is_some());
        assert_eq!(hint(&failure("no terminal")), hint(&failure("anything else")));
    }

    #[test]
    fn an_operation_stays_known_in_any_context() {
        let error = Err::<(), _>(Errno::EADDRINUSE).tried(Operation::Listen, "listen").unwrap_err();
        assert_eq!(
            hint(&error.context("--publish 80:80")),
            printed(Operation::Listen, "", Errno::EADDRINUSE)
        );
    }

    #[test]
    fn another_answer_and_another_operation_have_another_hint() {
        assert_eq!(printed(Operation::Listen, "", Errno::EIO), None);
        assert_eq!(printed(Operation::Connect, "", Errno::EADDRINUSE), None);
        assert_eq!(hint(&anyhow::anyhow!("something")), None);
    }

    #[test]
    fn names_are_given_once_and_each_operation_is_looked_for() {
        let rows = || TABLE.iter().flat_map(|group| group.rows);
        assert_eq!(rows().map(|row| row.name).collect::<BTreeSet<_>>().len(), rows().count());
        for row in rows().filter(|row| row.tried.is_empty()) {
            assert!(!row.answers.is_empty(), "{} would explain everything", row.name);
        }
    }
}
