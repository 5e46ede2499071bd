//! Where the trials of root are made: from step 07 on a container is connected to the network of
//! its launcher, and the doctor must not change this machine's.

use std::process::ExitCode;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, geteuid};

/// Runs `examine` in a child with its own network namespace, and returns the child's exit code. It
/// gets `false` where no such namespace could be made and a container could be connected all the
/// same.
///
/// An ordinary user needs none: step 07 makes one.
pub fn apart(examine: impl FnOnce(bool) -> Result<ExitCode>) -> Result<ExitCode> {
    if !geteuid().is_root() {
        return examine(true);
    }
    match fork_with(libc::CLONE_NEWNET) {
        // Root without CAP_SYS_ADMIN. After any other answer the steps fail in the same way.
        Err(errno) => examine(errno != Errno::EPERM),
        Ok(None) => examine(true),
        Ok(Some(child)) => match waitpid(child, None).context("waitpid")? {
            WaitStatus::Exited(_, code) => Ok(ExitCode::from(code as u8)),
            status => anyhow::bail!("the examination ended: {status:?}"),
        },
    }
}

/// A fork(2) whose child has new namespaces; in the child it returns none. unshare(2) would do as
/// well, but a filter of system calls may refuse only that.
fn fork_with(namespaces: libc::c_int) -> nix::Result<Option<Pid>> {
    let flags = libc::c_long::from(namespaces | libc::SIGCHLD);
    // SAFETY: as fork(2), without a stack of its own; this process has one thread.
    let pid = Errno::result(unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) })?;
    Ok((pid != 0).then(|| Pid::from_raw(pid as i32)))
}
