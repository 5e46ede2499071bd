//! How each row of the table is provoked: a script for sh(1), run on a host of its own, that ends
//! as the program does which tells the hint.
//!
//! What another machine would answer is answered by the program `inject-errno`, and what it would show is
//! mounted over what this one shows, so that the conditions of the table are decided by files, as
//! they are there.

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
    /// The row's name.
    pub row: &'static str,
    /// Who it happens to, if not to all.
    pub only: Option<Identity>,
    /// The exit code.
    pub code: i32,
    /// What is run.
    pub script: &'static str,
    /// What is run afterwards: the cure, and the same once more, which now succeeds.
    pub cured: Option<&'static str>,
}

fn provoke(row: &'static str, script: &'static str) -> Provocation {
    Provocation { row, only: None, code: 125, script, cured: None }
}

impl Provocation {
    fn only(self, identity: Identity) -> Self {
        Provocation { only: Some(identity), ..self }
    }

    fn code(self, code: i32) -> Self {
        Provocation { code, ..self }
    }

    fn cured_by(self, script: &'static str) -> Self {
        Provocation { cured: Some(script), ..self }
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
        mounts::network(),
        cgroups::cgroups(),
        complete::complete(),
        cgroups::anything(),
    ];
    groups.into_iter().flatten().collect()
}
