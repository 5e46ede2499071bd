//! How each row of the table is provoked: a script for sh(1), run on a host of its own, that ends
//! as the program does which prints the hint.
//!
//! What another machine would answer is answered by the program `inject-errno`. What it would show is
//! mounted over what this one shows: the table believes the kernel's files only, so such a file is
//! one of the kernel's too.

use harness::Identity;

mod cgroups;
mod complete;
mod ids;
mod mounts;
mod namespaces;
mod rootfs;

/// A way to provoke a row.
#[derive(Clone, Copy)]
pub struct Provocation {
    /// The row's name; none where no row must fit.
    pub row: Option<&'static str>,
    /// Rows for the same answer of the kernel, whose cause is not the one here.
    pub not: &'static [&'static str],
    /// The identity that it happens to, if not to both.
    pub only: Option<Identity>,
    /// The exit code.
    pub code: i32,
    /// What is run.
    pub script: &'static str,
    /// What is run afterwards: the cure, and the same once more, which now succeeds.
    pub cured: Option<&'static str>,
}

fn provoke(row: &'static str, script: &'static str) -> Provocation {
    Provocation { row: Some(row), ..unexplained(script) }
}

/// An error that no row explains.
fn unexplained(script: &'static str) -> Provocation {
    Provocation { row: None, not: &[], only: None, code: 125, script, cured: None }
}

/// The answer of these rows, given to an operation that has no row.
macro_rules! elsewhere {
    ($errno:literal, $($row:literal),+) => {
        $crate::provocations::unexplained(concat!("inject-errno pipe2=", $errno, " -- 05-user $ROOTFS true"))
            .not(&[$($row),+])
    };
}
use elsewhere;

impl Provocation {
    fn not(self, rows: &'static [&'static str]) -> Self {
        Provocation { not: rows, ..self }
    }

    fn only(self, identity: Identity) -> Self {
        Provocation { only: Some(identity), ..self }
    }

    fn code(self, code: i32) -> Self {
        Provocation { code, ..self }
    }

    fn cured_by(self, script: &'static str) -> Self {
        Provocation { cured: Some(script), ..self }
    }

    /// The row's name, or what is not to be seen.
    pub fn name(&self) -> String {
        self.row.map_or_else(|| format!("not {}", self.not.join(", ")), str::to_owned)
    }
}

/// All of them, in the order of the table.
pub fn provocations() -> Vec<Provocation> {
    let groups = [
        rootfs::rootfs(),
        rootfs::command(),
        namespaces::namespaces(),
        ids::queues(),
        ids::ids(),
        mounts::mounts(),
        mounts::overlays(),
        mounts::network(),
        cgroups::cgroups(),
        complete::complete(),
        rootfs::building(),
        cgroups::anything(),
    ];
    groups.into_iter().flatten().collect()
}
