//! Rights: a process that enters gets no more than those that are inside already.

use anyhow::{Context, Result};
use nix::unistd::{Gid, Uid};
use rustix::thread::CapabilitySet;

use super::join::{become_member, status};
use super::running::Container;
use crate::confine::capabilities::{self, Sets};
use crate::confine::{inheritance, seccomp};

/// What process 1 has and may do: a process that enters gets no more.
pub struct Rights {
    uid: Uid,
    gid: Gid,
    sets: Sets,
    filtered: bool,
}

/// Reads them. The ids are as they are inside, because the reader is there already.
pub fn read(container: &Container) -> Result<Rights> {
    let status = status(container)?;
    let bounding = status.capbnd.context("/proc/PID/status without CapBnd")?;
    Ok(Rights {
        uid: Uid::from_raw(status.ruid),
        gid: Gid::from_raw(status.rgid),
        sets: Sets {
            held: CapabilitySet::from_bits_retain(status.capprm),
            bounding: CapabilitySet::from_bits_retain(bounding),
        },
        filtered: status.seccomp != Some(0), // 0: it was started with --seccomp off
    })
}

impl Rights {
    /// Takes on the ids of process 1.
    pub fn take_ids(&self, container: &Container) -> Result<()> {
        become_member(container)?; // again: here an ordinary user may, if there is a range of ids
        inheritance::take_ids(self.uid, self.gid)
    }

    /// Gives up every capability that process 1 has not, and goes behind the same filter. What is
    /// left to do is to execute the command.
    pub fn keep_only(&self) -> Result<()> {
        capabilities::limit(&self.sets)?;
        seccomp::no_new_privs()?;
        if self.filtered { seccomp::load(self.sets.bounding) } else { Ok(()) }
    }
}
