//! The errors that a learner meets: what was tried × what the kernel answered × what the machine
//! shows → cause and cure.
//!
//! The book's page docs/src/errors.md is made of this table, and tests/tests/errors provokes every
//! row of it.

use anyhow::Error;
use nix::errno::Errno;

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

/// One cause of an error, and its cure.
pub struct Row {
    /// What it is called, once in the table.
    pub name: &'static str,
    /// One of these stands in the error's text.
    pub tried: &'static [&'static str],
    /// What the kernel answered, one of these; none where the error is not the kernel's.
    pub answers: &'static [Errno],
    /// What the machine shows where this is the cause.
    pub when: When,
    /// Why it happens.
    pub cause: &'static str,
    /// What to do about it.
    pub cure: &'static str,
    /// Both, as they are told.
    pub hint: &'static str,
}

/// Rows about one subject.
pub struct Group {
    /// The subject.
    pub title: &'static str,
    /// The first one that fits is told, so the narrower cause stands above the wider one.
    pub rows: &'static [Row],
}

/// A row, written as a line of the table: name, what was tried, what was answered, when, cause,
/// cure.
macro_rules! row {
    ($name:literal, $tried:expr, $answers:expr, $when:expr, $cause:literal, $cure:literal $(,)?) => {
        $crate::hints::Row {
            name: $name,
            tried: &$tried,
            answers: &$answers,
            when: $when,
            cause: $cause,
            cure: $cure,
            hint: concat!($cause, ": ", $cure),
        }
    };
}
use row;

/// The table. What may be answered to anything stands at its end.
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
    Group { title: "Whatever was tried", rows: anything::ROWS },
];

/// Why `error` happened and what to do about it, where the table knows.
pub fn hint(error: &Error) -> Option<&'static str> {
    let (text, errno) = (format!("{error:#}"), errno(error));
    let mut rows = TABLE.iter().flat_map(|group| group.rows);
    rows.find(|row| row.fits(&text, errno)).map(|row| row.hint)
}

impl Row {
    fn fits(&self, text: &str, errno: Option<Errno>) -> bool {
        let answered = errno.map_or(self.answers.is_empty(), |errno| self.answers.contains(&errno));
        answered && self.tried.iter().any(|tried| text.contains(tried)) && self.when.holds()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    fn told(tried: &'static str, errno: Errno) -> Option<&'static str> {
        hint(&Err::<(), _>(errno).context(tried).unwrap_err())
    }

    #[test]
    fn the_first_row_that_fits_is_taken() {
        assert!(told("chroot /x", Errno::EPERM).unwrap().contains("CAP_SYS_CHROOT"));
        assert!(told("write /proc/7/uid_map", Errno::EINVAL).unwrap().contains("340"));
        assert_eq!(told("read something", Errno::EIO), None);
    }

    #[test]
    fn an_error_without_an_errno_fits_no_row_that_names_one() {
        assert_eq!(hint(&anyhow::anyhow!("chroot")), None);
        assert!(hint(&anyhow::anyhow!("no container x is running")).is_some());
    }

    #[test]
    fn names_are_given_once() {
        let mut names: Vec<_> =
            TABLE.iter().flat_map(|group| group.rows).map(|row| row.name).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
