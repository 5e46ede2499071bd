//! Process 1: it adopts the orphans and reaps them, passes signals on, and ends with the payload
//! and its exit code.

use std::convert::Infallible;
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use anyhow::{Context, Result};
use common::{Operation, Tried};
use libc::{SI_USER, SIGCHLD, SIGHUP, c_int, siginfo_t};
use nix::errno::Errno;
use nix::sched::{CloneFlags, clone};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::Pid;

/// Starts the payload as a child of this process and stays until it has ended.
///
/// The kernel spares process 1 all signals that it has no handler for (pid_namespaces(7)): as
/// process 2 the payload dies of SIGTERM and of Ctrl-C as it would anywhere.
pub fn run(command: &[OsString]) -> Result<Infallible> {
    // Blocked from before the fork on, signals wait to be fetched: none is lost, and no handler is
    // needed.
    SigSet::all().thread_set_mask().context("sigprocmask")?;
    let payload = start(command)?;
    // What this process holds would stay open as long as the container runs.
    // SAFETY: from here it ends without dropping anything.
    unsafe { close_fds::close_open_fds(libc::STDERR_FILENO + 1, &[]) };
    let Err(error) = serve(payload);
    // SAFETY: as below.
    unsafe { libc::_exit(common::report(&error).into()) }
}

/// In the manner of vfork(2): until it executes the command the child lives in our memory, and we
/// wait. A copy of the page tables would take longer than all else here.
fn start(command: &[OsString]) -> Result<Pid> {
    let start = |flags| {
        let payload = || {
            let Err(error) = become_payload(command);
            common::report(&error).into()
        };
        // SAFETY: the child has a stack of its own, leaves our memory in order, and ends without
        // coming back to us.
        unsafe {
            // The stack stays: other processors would have to be asked to forget it.
            clone(Box::new(payload), vec![0; 1 << 20].leak(), flags, Some(Signal::SIGCHLD as c_int))
        }
    };
    match start(CloneFlags::CLONE_VM | CloneFlags::CLONE_VFORK) {
        Err(Errno::EINVAL) => start(CloneFlags::empty()), // into a new time namespace older kernels let copies only
        result => result,
    }
    .tried(Operation::Fork, "clone")
}

/// Executes the command, with no signal blocked.
pub fn become_payload(command: &[OsString]) -> Result<Infallible> {
    SigSet::empty().thread_set_mask().context("sigprocmask")?;
    common::exec_keeping_path(command)
}

/// Waits for signals, and passes on what a process has sent, from outside or from inside: `kill 1`
/// means the program that the container is for. tini and catatonit do the same. An orphan that
/// signals its parent reaches the payload, too.
fn serve(payload: Pid) -> Result<Infallible> {
    loop {
        let signal = next_signal()?;
        if signal.si_signo == SIGCHLD {
            reap(payload)?;
        } else if signal.si_code <= SI_USER || signal.si_signo == SIGHUP {
            // Sent by a process. What the terminal sends (SI_KERNEL) has already reached the
            // payload; but of a hangup only the session's first process learns, and that is this
            // one. SAFETY: only integers. It may have ended by now, which is not an error.
            unsafe { libc::kill(payload.as_raw(), signal.si_signo) };
        }
    }
}

fn next_signal() -> Result<siginfo_t> {
    // SAFETY: siginfo_t is plain data, and sigwaitinfo(2) fills it before it is read.
    let mut info: siginfo_t = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: both references outlive the call. nix's `wait` tells the number and not the
        // sender.
        match Errno::result(unsafe { libc::sigwaitinfo(SigSet::all().as_ref(), &mut info) }) {
            Err(Errno::EINTR) => continue,
            result => return result.map(|_| info).context("sigwaitinfo"),
        }
    }
}

/// Collects all that have ended, for many deaths may share one SIGCHLD. A child that nobody
/// collects stays in the process table, a zombie, and takes a number there.
fn reap(payload: Pid) -> Result<()> {
    let mut status: c_int = 0;
    loop {
        // SAFETY: `status` outlives the call.
        match Errno::result(unsafe { libc::waitpid(-1, &mut status, libc::WNOHANG) }) {
            Ok(0) | Err(Errno::ECHILD) => return Ok(()),
            Ok(pid) if pid == payload.as_raw() => end_as(ExitStatus::from_raw(status)),
            Ok(_orphan) => continue,
            Err(errno) => return Err(errno).context("waitpid"),
        }
    }
}

/// With process 1 the kernel ends whatever is left of the container.
fn end_as(payload: ExitStatus) -> ! {
    let code = payload.code().or_else(|| payload.signal().map(|signal| 128 + signal));
    // SAFETY: ends this process, a copy of the launcher, without the launcher's exit handlers.
    unsafe { libc::_exit(code.unwrap_or(common::exit::FAILURE.into())) }
}
