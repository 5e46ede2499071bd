//! PID namespace: the container's processes are numbered from 1 and see no others.

use std::convert::Infallible;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};

use anyhow::{Context, Result};
use common::{Failure, Operation, Tried};
use libc::{c_int, clone_args};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::CloneFlags;
use nix::sys::prctl;
use nix::sys::signal::{SigHandler, Signal, kill, signal};
use nix::unistd::{Pid, pipe2};

mod job;

use job::Job;

/// A container's first process, seen from the process that launched it. It is killed if this is
/// dropped before it has ended.
pub struct Container {
    /// Its number in the launcher's PID namespace.
    pub pid: Pid,
    job: Job,
    /// Closed by the kernel when the launcher ends, however it ends.
    _lifeline: OwnedFd,
}

/// The launcher, seen from inside: the reading end of a pipe that only the launcher can write to.
pub struct Launcher(OwnedFd);

impl AsFd for Launcher {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The arguments of clone3(2) for a child in these `CLONE_NEW…` namespaces.
pub fn clone_args(namespaces: &[c_int]) -> clone_args {
    // SAFETY: all fields are integers, and 0 means "not used" in each.
    let mut args: clone_args = unsafe { std::mem::zeroed() };
    args.flags = namespaces.iter().fold(0, |flags, &namespace| flags | namespace as u64);
    args.exit_signal = libc::SIGCHLD as u64;
    args
}

/// Starts the container's first process, which runs `init` and so becomes the payload.
///
/// # Errors
/// clone3(2): EPERM without CAP_SYS_ADMIN, unless a user namespace comes with it; ENOSPC at a limit
/// on namespaces.
pub fn spawn(
    args: &clone_args,
    init: impl FnOnce(&Launcher) -> Result<Infallible>,
) -> Result<Container> {
    keep_exit_codes()?;
    let job = Job::begin()?;
    let (launcher, lifeline) = pipe2(OFlag::O_CLOEXEC).context("pipe2")?;
    match fork(args)? {
        Some(pid) => Ok(Container { pid, job, _lifeline: lifeline }),
        None => {
            drop(lifeline);
            drop(job);
            let Err(error) = init(&Launcher(launcher));
            // SAFETY: ends only this process, without the exit handlers, which are the parent's.
            unsafe { libc::_exit(common::report(&error).into()) }
        }
    }
}

/// Ensures that the kernel keeps the exit code of a child until we ask for it. It does not in a
/// process that was started with SIGCHLD ignored (wait(2), notes).
fn keep_exit_codes() -> Result<()> {
    // SAFETY: SIG_DFL runs no code of ours.
    unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) }.map(drop).context("signal SIGCHLD")
}

/// Calls clone3(2) in the manner of fork(2): without a stack of its own the child goes on with a
/// copy of this one.
fn fork(args: &clone_args) -> Result<Option<Pid>> {
    let flags = CloneFlags::from_bits_truncate(args.flags as c_int);
    let what = Operation::namespaces(flags);
    // SAFETY: the size is that of the structure, and without CLONE_VM the child shares no memory
    // with us. This process has one thread, so that no lock is held in the child by a thread that
    // does not exist there.
    let pid = match Errno::result(unsafe {
        libc::syscall(libc::SYS_clone3, args, size_of::<clone_args>())
    }) {
        // Some container runtimes hide it, because their filters cannot look into the structure.
        Err(Errno::ENOSYS | Errno::E2BIG) => {
            clone(args).tried(what, format_args!("clone {}", names(flags)))?
        }
        result => result.tried(what, format_args!("clone3 {}", names(flags)))?,
    };
    Ok((pid != 0).then(|| Pid::from_raw(pid as c_int)))
}

/// Calls its predecessor, clone(2), which has room for the first 32 flags.
fn clone(args: &clone_args) -> nix::Result<libc::c_long> {
    let flags = args.flags as u32 | args.exit_signal as u32;
    // SAFETY: as above.
    Errno::result(unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) })
}

fn names(flags: CloneFlags) -> String {
    flags.iter_names().map(|(name, _)| name).collect::<Vec<_>>().join(" | ")
}

/// Requests SIGKILL for when the launcher dies. With process 1 the kernel ends all other processes
/// of the container (pid_namespaces(7)).
///
/// A later change of the user id cancels the request (prctl(2), PR_SET_PDEATHSIG).
pub fn die_with(launcher: &Launcher) -> Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL).context("prctl PR_SET_PDEATHSIG")?;
    // It may have died before that call. getppid(2) would not show it: it is 0 for every parent
    // outside the PID namespace.
    let mut pipe = [PollFd::new(launcher.0.as_fd(), PollFlags::empty())];
    match poll(&mut pipe, PollTimeout::ZERO).context("poll")? {
        0 => Ok(()),
        _hung_up => Err(Failure::silent().into()),
    }
}

impl Container {
    /// Waits for the end of the payload. Returns its exit code, or 128 + n when signal n ended it.
    pub fn wait(self) -> Result<ExitCode> {
        let status = self.job.wait(self.pid)?;
        std::mem::forget(self);
        let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
        Ok(ExitCode::from(code.unwrap_or(common::exit::FAILURE.into()) as u8))
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = kill(self.pid, Signal::SIGKILL);
        let _ = wait(self.pid, 0);
    }
}

/// Calls waitpid(2). Returns nothing if it does not wait (`WNOHANG`) and the child still runs.
fn wait(pid: Pid, flags: c_int) -> Result<Option<ExitStatus>> {
    let mut status = 0;
    loop {
        // SAFETY: `status` outlives the call. nix's waitpid has no name for the real-time signals.
        match Errno::result(unsafe { libc::waitpid(pid.as_raw(), &mut status, flags) }) {
            Err(Errno::EINTR) => continue,
            Ok(0) => return Ok(None),
            result => {
                return result
                    .map(|_| Some(ExitStatus::from_raw(status)))
                    .with_context(|| format!("waitpid {pid}"));
            }
        }
    }
}
