//! setns: a process goes over into namespaces that exist, and there takes on rights no wider than
//! process 1 has.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use anyhow::{Context, Result};
use libc::c_int;
use nix::errno::Errno;
use nix::sys::prctl;
use nix::unistd::{Gid, Uid, setgroups};
use procfs::process::{Namespace, Process, Status};

use super::running::Container;
use crate::confine::{capabilities, inheritance, seccomp};

/// All kinds there are, by their names in /proc/PID/ns and their flags. (For the last libc has no
/// name.)
const KINDS: [(&str, c_int); 8] = [
    ("user", libc::CLONE_NEWUSER),
    ("pid", libc::CLONE_NEWPID),
    ("mnt", libc::CLONE_NEWNS),
    ("net", libc::CLONE_NEWNET),
    ("uts", libc::CLONE_NEWUTS),
    ("ipc", libc::CLONE_NEWIPC),
    ("cgroup", libc::CLONE_NEWCGROUP),
    ("time", 0x80),
];

/// Joins the namespaces of the container's payload: all at once or none (setns(2), since Linux
/// 5.8). With the mount namespace come its root directory and working directory; the PID namespace
/// is that of children alone.
///
/// The payload's, not those of process 1, which nobody but root may look at, and which keeps the
/// host's clocks.
///
/// # Errors
/// EPERM, EACCES for a container that another user started.
pub fn namespaces(container: &Container) -> Result<()> {
    let what = || format!("join container {} of user {}", container.name, container.owner);
    let payload = container.payload()?;
    let pidfd = pidfd_open(&payload).with_context(what)?;
    let (ours, theirs) =
        (Process::myself()?.namespaces()?.0, payload.namespaces().with_context(what)?.0);
    let inode = |of: &HashMap<OsString, Namespace>, kind| {
        of.get(OsStr::new(kind)).map(|namespace| namespace.identifier)
    };
    // The kernel refuses a user namespace that one is in already, and a kind that it does not know.
    let flags = KINDS.iter().filter(|(kind, _)| inode(&ours, kind) != inode(&theirs, kind));
    let flags = flags.fold(0, |flags, (_, flag)| flags | flag);
    become_member(container)?; // now, for where a single id is mapped no group can be given up
    // From now on until exec nobody inside is to look at us, or through us at the host
    // (CVE-2016-9962).
    prctl::set_dumpable(false).context("prctl PR_SET_DUMPABLE")?;
    // SAFETY: `pidfd` is open, and flags are all there is besides.
    Errno::result(unsafe { libc::setns(pidfd.as_raw_fd(), flags) }).map(drop).with_context(what)
}

fn pidfd_open(process: &Process) -> Result<OwnedFd> {
    // SAFETY: numbers alone; the descriptor that it returns is nobody else's.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, process.pid, 0) })
        .context("pidfd_open")?;
    // SAFETY: as above.
    let fd = unsafe { OwnedFd::from_raw_fd(fd as c_int) };
    // Its number could have passed on to another process meanwhile; the open directory in /proc
    // could not.
    process.stat().map(|_| fd).context("it has ended")
}

/// Takes on the ids of process 1, as they are inside.
pub fn ids(container: &Container) -> Result<()> {
    become_member(container)?; // again: here an ordinary user may, if the container has a range of ids
    let status = status(container)?;
    inheritance::take_ids(Uid::from_raw(status.ruid), Gid::from_raw(status.rgid))
}

/// Gives up every capability that process 1 has not, and goes behind the same filter. The rest but
/// executes.
pub fn rights(container: &Container) -> Result<()> {
    let status = status(container)?;
    let bounding = status.capbnd.context("/proc/PID/status without CapBnd")?;
    let kept = caps::all().into_iter().filter(|capability| bounding & capability.bitmask() != 0);
    capabilities::keep(&kept.collect())?; // all five sets are the same
    seccomp::no_new_privs()?;
    match status.seccomp {
        Some(0) => Ok(()), // it was started with --seccomp off
        _ => seccomp::load_default(),
    }
}

/// Takes on the groups of process 1.
fn become_member(container: &Container) -> Result<()> {
    let groups: Vec<Gid> = status(container)?.groups.into_iter().map(Gid::from_raw).collect();
    match setgroups(&groups) {
        Err(Errno::EPERM) => Ok(()),
        result => result.context("setgroups"),
    }
}

/// The ids in it are those of the namespace in which the file is opened (proc(5)), and that is the
/// container's now. Its directory is open since before.
fn status(container: &Container) -> Result<Status> {
    container.init.status().with_context(|| format!("read /proc/{}/status", container.init.pid))
}
