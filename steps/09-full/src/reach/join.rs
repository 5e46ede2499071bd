//! setns: a process goes over into namespaces that exist, and there takes on rights no wider than
//! process 1 has.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use anyhow::{Context, Result};
use common::{Operation, Tried, printable};
use libc::c_int;
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::prctl;
use nix::sys::stat::Mode;
use nix::unistd::{Gid, geteuid, setgroups};
use procfs::process::{Namespace, Process, Status};
use user::{IdMap, Ids};

use super::running::Container;
use crate::confine::account::READING;
use crate::confine::settings;
use crate::confine::settings::Settings;
use crate::files::Config;

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
/// is that of children only.
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
    // SAFETY: only integers; the descriptor that it returns is nobody else's.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, process.pid, 0) })
        .context("pidfd_open")?;
    // SAFETY: as above.
    let fd = unsafe { OwnedFd::from_raw_fd(fd as c_int) };
    // Its number could have passed on to another process meanwhile; the open directory in /proc
    // could not.
    process.stat().map(|_| fd).context("it has ended")
}

/// Prints whose container it is where it is not the caller's own: root may have typed a number that
/// now is another user's.
pub fn warn_if_of_another(container: &Container) {
    if container.owner != geteuid().as_raw() {
        let (name, user) = (printable(&container.name), container.user());
        common::print_stderr(&format!("container {name} is one of user {user}"));
    }
}

/// The ids of a container, as they are outside.
pub fn ids(container: &Container) -> Result<Ids> {
    let read = |file: &str| {
        let path = format!("/proc/{}/{file}", container.init.pid);
        let text = fs::read_to_string(&path)
            .tried(Operation::JoinContainer, format_args!("read {path}"))?;
        Ok::<_, anyhow::Error>(text.lines().filter_map(map).collect())
    };
    Ok(Ids { uids: read("uid_map")?, gids: read("gid_map")? })
}

fn map(line: &str) -> Option<IdMap> {
    let mut numbers = line.split_whitespace().filter_map(|number| number.parse().ok());
    Some(IdMap { inside: numbers.next()?, outside: numbers.next()?, count: numbers.next()? })
}

/// What was asked for on the command line, looked up in the container's files while we are outside.
///
/// The payload's root directory is the container's, and process 1 shows its own to nobody but root.
pub fn settings(container: &Container, options: &settings::Options) -> Result<Settings> {
    let root = format!("/proc/{}/root", container.payload()?.pid);
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let root = open(&*root, flags, Mode::empty())
        .tried(Operation::JoinContainer, format_args!("open {root}"))?;
    let inside = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    let how = OpenHow::new().flags(READING | OFlag::O_CLOEXEC).resolve(inside);
    options.settings(&Config::default(), |path| Ok(common::retry(|| openat2(&root, path, how))?))
}

/// Takes on the groups of process 1.
pub(super) fn become_member(container: &Container) -> Result<()> {
    let groups: Vec<Gid> = status(container)?.groups.into_iter().map(Gid::from_raw).collect();
    match setgroups(&groups) {
        Err(Errno::EPERM) => Ok(()),
        result => result.context("setgroups"),
    }
}

/// The ids in it are those of the namespace in which the file is opened (proc(5)), and that is the
/// container's now. Its directory is open since before.
pub(super) fn status(container: &Container) -> Result<Status> {
    container.init.status().with_context(|| format!("read /proc/{}/status", container.init.pid))
}
