//! A child process in a PID namespace that its parent has joined: setns(2) moves only the children
//! of its caller there, so that std's [`Command`] would need one process more.

use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{ChildStdin, Command, ExitStatus};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, pipe2};

use crate::paths;

/// How long the kernel may take to end a process that was killed.
const LAST_MOMENT: Duration = Duration::from_secs(5);

/// A child of this process. Dropped, it is killed.
pub(crate) struct Child {
    pid: Pid,
    status: Option<ExitStatus>,
    /// Our end of its standard input, if that is a pipe.
    _stdin: Option<ChildStdin>,
}

impl Child {
    /// Starts `command`. Its `pre_exec` closures so far run in a process between this one and the
    /// child, those of `last` in the child.
    ///
    /// # Errors
    /// Those of [`Command::spawn`].
    pub fn spawn(
        command: &mut Command,
        mut last: impl FnMut() -> io::Result<()> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC)?;
        let report = writer.as_raw_fd();
        // SAFETY: the closure runs in a child with one thread and only makes system calls. The pipe
        // outlives the call of spawn.
        unsafe {
            command.pre_exec(move || {
                become_sibling(report)?;
                last()
            })
        };
        let spawned = {
            let _guard = paths::no_fork();
            command.spawn()
        };
        drop(writer);
        let mut pid = [0; size_of::<i32>()];
        let born = std::fs::File::from(reader).read_exact(&mut pid);
        let pid = Pid::from_raw(i32::from_ne_bytes(pid));
        let child = born.map(|()| Child { pid, status: None, _stdin: None });
        let mut between = spawned?; // where this fails, what was born is waited for
        let mut child = child?;
        child._stdin = between.stdin.take();
        between.wait()?;
        Ok(child)
    }

    /// Its number for this process.
    pub fn id(&self) -> u32 {
        self.pid.as_raw() as u32
    }

    /// How it ended, if it has.
    pub fn try_wait(&mut self) -> nix::Result<Option<ExitStatus>> {
        if self.status.is_none() {
            self.status = match waitpid(self.pid, Some(WaitPidFlag::WNOHANG))? {
                WaitStatus::Exited(_, code) => Some(ExitStatus::from_raw(code << 8)),
                WaitStatus::Signaled(_, signal, _) => Some(ExitStatus::from_raw(signal as i32)),
                _ => None,
            };
        }
        Ok(self.status)
    }

    /// Kills it.
    pub fn kill(&mut self) -> nix::Result<()> {
        match self.try_wait()? {
            Some(_) => Ok(()),
            None => kill(self.pid, Signal::SIGKILL),
        }
    }
}

impl Drop for Child {
    /// Process 1 of a PID namespace ends only after all others there were waited for, perhaps by
    /// somebody that is waiting for us.
    fn drop(&mut self) {
        let _ = self.kill();
        let end = Instant::now() + LAST_MOMENT;
        while matches!(self.try_wait(), Ok(None)) && Instant::now() < end {
            sleep(Duration::from_millis(1));
        }
    }
}

/// Goes on in a new process with the parent that this one has; this one reports the new one's
/// number and ends. Runs between fork and exec.
fn become_sibling(report: i32) -> io::Result<()> {
    let flags = libc::CLONE_PARENT | libc::SIGCHLD;
    // SAFETY: without a stack and without CLONE_VM the child is a copy of this process, which has
    // one thread.
    match Errno::result(unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) })? {
        0 => Ok(()),
        pid => {
            let pid = (pid as i32).to_ne_bytes();
            // SAFETY: the bytes outlive the call; then this process ends.
            unsafe {
                let written = libc::write(report, pid.as_ptr().cast(), pid.len());
                libc::_exit(i32::from(written != pid.len() as isize))
            }
        }
    }
}
