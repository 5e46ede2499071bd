//! The process itself: what the payload would otherwise inherit from the launcher.

use std::env;
use std::ffi::OsString;
use std::io::{stderr, stdin, stdout};
use std::os::fd::AsFd;
use std::path::PathBuf;

use anyhow::{Context, Result};
use caps::CapSet;
use nix::errno::Errno;
use nix::sys::prctl;
use nix::unistd::{Gid, Uid, chdir, fchown, getuid, isatty, setgroups, setresgid, setresuid};

/// The options that belong to this.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub struct Options {
    /// Environment variable for the payload; repeatable [default: PATH, HOME, TERM and nothing of
    /// yours]
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    env: Vec<(String, String)>,

    /// Directory inside in which the payload starts
    #[arg(long, value_name = "DIR", default_value = "/")]
    workdir: PathBuf,

    /// Ids inside that the payload runs with [default: root's]
    #[arg(long, value_name = "UID[:GID]", value_parser = user)]
    user: Option<(Uid, Gid)>,
}

/// keyctl(2)
const KEYCTL_JOIN_SESSION_KEYRING: libc::c_int = 1;

/// linux/sched.h, time_namespaces(7): the last of the eight namespaces, too new for libc
const CLONE_NEWTIME: libc::c_int = 0x80;

/// Puts everything of the launcher's aside, goes to the working directory and takes on the
/// payload's ids.
///
/// Comes before [`pid::die_with`], which a change of ids would undo.
pub fn settle(options: &Options) -> Result<()> {
    own_clocks()?;
    arrive(options)?;
    // Nobody inside is to look at, or through /proc/1/exe to write to, what process 1 was made from
    // (CVE-2019-5736).
    prctl::set_dumpable(false).context("prctl PR_SET_DUMPABLE")
}

/// The part of it that also concerns a process which comes later.
pub fn arrive(options: &Options) -> Result<()> {
    own_keyring()?;
    chdir(&options.workdir).with_context(|| format!("chdir {}", options.workdir.display()))?;
    options.user.map_or(Ok(()), become_user)?;
    clean_environment(options);
    Ok(())
}

/// The session keyring would be the launcher's, with the keys of a whole login in it
/// (session-keyring(7)).
fn own_keyring() -> Result<()> {
    // SAFETY: a null pointer asks for an anonymous keyring.
    let result = unsafe {
        libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, std::ptr::null::<u8>())
    };
    match Errno::result(result) {
        Err(Errno::ENOSYS) => Ok(()), // a kernel without keys
        result => result.map(drop).context("keyctl KEYCTL_JOIN_SESSION_KEYRING"),
    }
}

/// The children of this process, and so the payload, will have clocks of their own: uptime can be
/// set apart.
fn own_clocks() -> Result<()> {
    // SAFETY: flags alone.
    match Errno::result(unsafe { libc::unshare(CLONE_NEWTIME) }) {
        Err(Errno::EINVAL) => Ok(()), // before Linux 5.6
        result => result.map(drop).context("unshare CLONE_NEWTIME"),
    }
}

/// Tokens and passwords live in environments, and paths in them name another root. (PATH is set by
/// exec.)
fn clean_environment(options: &Options) {
    let term = env::var_os("TERM").map(|term| ("TERM".into(), term));
    let home = [("HOME".into(), if getuid().is_root() { "/root" } else { "/" }.into())];
    let given = options.env.iter().map(|(name, value)| (name.into(), value.into()));
    let ours: Vec<(OsString, OsString)> = home.into_iter().chain(term).chain(given).collect();
    // SAFETY: this process has one thread.
    env::vars_os().for_each(|(name, _)| unsafe { env::remove_var(name) });
    // SAFETY: as above.
    ours.iter().for_each(|(name, value)| unsafe { env::set_var(name, value) });
}

fn become_user((uid, gid): (Uid, Gid)) -> Result<()> {
    for descriptor in [stdin().as_fd(), stdout().as_fd(), stderr().as_fd()] {
        if isatty(descriptor).unwrap_or(false) {
            fchown(descriptor, Some(uid), None).context("--user: fchown the terminal")?; // as login(1) does
        }
    }
    match setgroups(&[gid]) {
        Err(Errno::EPERM) => {} // a single id is mapped, and no group can be dropped
        result => result.with_context(|| format!("setgroups {gid}"))?,
    }
    take_ids(uid, gid)
}

/// Takes on these ids and keeps the capabilities.
pub fn take_ids(uid: Uid, gid: Gid) -> Result<()> {
    // Leaving id 0 takes all capabilities; which of them go is not decided here.
    prctl::set_keepcaps(true).context("prctl PR_SET_KEEPCAPS")?;
    setresgid(gid, gid, gid).with_context(|| format!("setresgid {gid}"))?;
    setresuid(uid, uid, uid).with_context(|| format!("setresuid {uid}"))?;
    let permitted = caps::read(None, CapSet::Permitted).context("read the permitted set")?;
    caps::set(None, CapSet::Effective, &permitted).context("capset Effective")
}

/// Leaves the payload standard input, output and error: any other descriptor that it inherited
/// would lead past its root.
pub fn close_on_exec() {
    close_fds::set_fds_cloexec(libc::STDERR_FILENO + 1, &[]);
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), value.into())),
        _ => Err("NAME=VALUE".into()),
    }
}

fn user(text: &str) -> Result<(Uid, Gid), String> {
    let (uid, gid) = text.split_once(':').unwrap_or((text, text));
    let id = |text: &str| text.parse().map_err(|_| "numbers, UID or UID:GID");
    Ok((Uid::from_raw(id(uid)?), Gid::from_raw(id(gid)?)))
}
