//! The process itself: what the payload would otherwise inherit from the launcher.

use std::env;
use std::ffi::OsString;
use std::io::{stderr, stdin, stdout};
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;

use anyhow::{Context, Result};
use common::{Operation, Tried};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::prctl;
use nix::sys::stat::{SFlag, fstat};
use nix::unistd::{Gid, Uid, fchdir, fchown, getuid, isatty, setgroups, setresgid, setresuid};
use pid::Launcher;
use rustix::thread::{CapabilitySets, capabilities, set_capabilities};

use super::account::Identity;
use super::settings::Settings;

/// keyctl(2)
const KEYCTL_JOIN_SESSION_KEYRING: libc::c_int = 1;

/// linux/sched.h, time_namespaces(7): the last of the eight namespaces, too new for libc
const CLONE_NEWTIME: libc::c_int = 0x80;

/// Drops everything of the launcher's, goes to the working directory and takes on the payload's ids.
///
/// Comes before [`pid::die_with`], because a change of ids would undo that.
pub fn reset(settings: &Settings) -> Result<()> {
    create_time_namespace()?;
    reset_session(settings)?;
    // Nobody inside may look at what process 1 was made from, or write to it through /proc/1/exe
    // (CVE-2019-5736).
    prctl::set_dumpable(false).context("prctl PR_SET_DUMPABLE")
}

/// The part of [`reset`] that also concerns a process which enters later. Nothing of the host may be
/// open any more, because here the first path inside is followed.
pub fn reset_session(settings: &Settings) -> Result<()> {
    join_new_keyring()?;
    enter_directory(&settings.workdir)?;
    settings.identity.as_ref().map_or(Ok(()), become_user)?;
    reset_environment(settings)
}

/// A link of the image may lead anywhere inside, and nowhere through /proc/PID/fd, cwd or root.
fn enter_directory(path: &Path) -> Result<()> {
    let inside = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let how = OpenHow::new().flags(flags).resolve(inside);
    let directory = common::retry(|| openat2(AT_FDCWD, path, how));
    directory
        .and_then(fchdir)
        .tried(Operation::ChangeDirectory, format_args!("chdir {}", path.display()))
}

/// The session keyring would be the launcher's, with the keys of a whole login in it
/// (session-keyring(7)).
fn join_new_keyring() -> Result<()> {
    // SAFETY: a null pointer asks for an anonymous keyring.
    let result = unsafe {
        libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, std::ptr::null::<u8>())
    };
    match Errno::result(result) {
        Err(Errno::ENOSYS) => Ok(()), // a kernel without keys
        result => {
            result.map(drop).tried(Operation::JoinKeyring, "keyctl KEYCTL_JOIN_SESSION_KEYRING")
        }
    }
}

/// The children of this process, and so the payload, will have clocks of their own: uptime can be
/// set apart.
fn create_time_namespace() -> Result<()> {
    // SAFETY: only flags.
    match Errno::result(unsafe { libc::unshare(CLONE_NEWTIME) }) {
        Err(Errno::EINVAL) => Ok(()), // before Linux 5.6
        result => result.map(drop).tried(Operation::CreateNamespaces, "unshare CLONE_NEWTIME"),
    }
}

/// Tokens and passwords live in environments, and paths in them name another root. (PATH is set by
/// exec.)
fn reset_environment(settings: &Settings) -> Result<()> {
    let term = env::var_os("TERM").map(|term| ("TERM".into(), term));
    let known = settings.identity.as_ref().and_then(|identity| identity.home.as_deref());
    let home = known.unwrap_or(if getuid().is_root() { "/root" } else { "/" });
    let home = [("HOME".into(), home.into())];
    let given = settings.env.iter().map(|(name, value)| (name.into(), value.into()));
    let ours: Vec<(OsString, OsString)> = home.into_iter().chain(term).chain(given).collect();
    // SAFETY: this process has one thread.
    unsafe { nix::env::clearenv() }.context("clearenv")?;
    // SAFETY: as above.
    ours.iter().for_each(|(name, value)| unsafe { env::set_var(name, value) });
    Ok(())
}

fn become_user(identity: &Identity) -> Result<()> {
    let (uid, gid) = (identity.uid, identity.gid);
    for file in [stdin().as_fd(), stdout().as_fd(), stderr().as_fd()] {
        // Its terminal and its pipes, as login(1) does. What is not ours to give stays as it is.
        let kind = fstat(file).map(|it| SFlag::from_bits_truncate(it.st_mode) & SFlag::S_IFMT);
        if isatty(file).unwrap_or(false) || kind == Ok(SFlag::S_IFIFO) {
            let _ = fchown(file, Some(uid), None);
        }
    }
    match setgroups(&identity.groups) {
        Err(Errno::EPERM) => {} // a single id is mapped, and no group can be dropped
        result => result.with_context(|| format!("setgroups {gid}"))?,
    }
    take_ids(uid, gid)
}

/// Takes on these ids and keeps the capabilities, so that [`super::capabilities`] decides on them.
pub fn take_ids(uid: Uid, gid: Gid) -> Result<()> {
    prctl::set_keepcaps(true).context("prctl PR_SET_KEEPCAPS")?;
    setresgid(gid, gid, gid).tried(Operation::SetIds, format_args!("setresgid {gid}"))?;
    setresuid(uid, uid, uid).tried(Operation::SetIds, format_args!("setresuid {uid}"))?;
    let sets = capabilities(None).context("capget")?;
    set_capabilities(None, CapabilitySets { effective: sets.permitted, ..sets }).context("capset")
}

/// Closes all but standard input, output and error, the pipe that shows the launcher's end, and the
/// one by which `make` learns of the start. These are closed when the payload is executed.
pub fn close_files(launcher: &Launcher) {
    let pipes = [Some(launcher.as_fd().as_raw_fd()), common::status_pipe()];
    let mut kept: Vec<_> = pipes.into_iter().flatten().collect();
    kept.sort_unstable();
    // SAFETY: closes descriptors that nothing uses any more: this process soon executes the payload
    // or ends.
    unsafe { close_fds::close_open_fds(libc::STDERR_FILENO + 1, &kept) };
}
