//! Job control: the container stops, continues and leaves the terminal as any other program does.

use std::fs::File;
use std::process::ExitStatus;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, killpg, raise};
use nix::unistd::{Pid, getpgrp, tcgetpgrp, tcsetpgrp};

/// What a terminal sends to stop a job.
const STOPS: [Signal; 3] = [Signal::SIGTSTP, Signal::SIGTTIN, Signal::SIGTTOU];

fn signals() -> SigSet {
    STOPS.into_iter().chain([Signal::SIGCHLD]).collect()
}

/// How the launcher's job stands before it has a child.
pub struct Job {
    /// The signals that were blocked.
    mask: SigSet,
    /// The process group that had the terminal, if there is one.
    foreground: Option<Pid>,
}

impl Job {
    /// Blocks the signals that [`Job::wait`] waits for, so that none comes too early.
    pub fn begin() -> Result<Job> {
        let mask = signals().thread_swap_mask(SigmaskHow::SIG_BLOCK).context("sigprocmask")?;
        let foreground = terminal().and_then(|tty| tcgetpgrp(tty).ok());
        Ok(Job { mask, foreground })
    }

    /// Sets the signal mask as it was before: the child's part, and what the launcher does last.
    pub fn restore_mask(&self) {
        let _ = self.mask.thread_set_mask();
    }

    /// Waits for the end of `child`, and stops together with it.
    ///
    /// The kernel spares a process 1 the signals of the terminal that it does not handle
    /// (pid_namespaces(7)). It does not stop, and if it reads in the background, it tries again for
    /// ever. So the launcher, which gets the same signals, sends SIGSTOP, which no process is
    /// spared if an ancestor sends it.
    pub fn wait(&self, child: Pid) -> Result<ExitStatus> {
        let signals = signals();
        // Another job that ended may have unblocked them, and an unblocked SIGCHLD is lost.
        signals.thread_block().context("sigprocmask")?;
        loop {
            if let Some(status) = super::wait(child, libc::WNOHANG)? {
                self.take_terminal_back();
                self.restore_mask();
                return Ok(status);
            }
            match signals.wait().context("sigwait")? {
                Signal::SIGCHLD => {}
                stop => stop_with(child, stop)?,
            }
        }
    }

    /// A shell in the container took the terminal for its own process group. It could not give the
    /// terminal back, because a group outside has no number inside: tcgetpgrp(3) returns 0 there.
    fn take_terminal_back(&self) {
        let Some((group, tty)) = self.foreground.and_then(|group| Some((group, terminal()?)))
        else {
            return;
        };
        let gone = |group| killpg(group, None) == Err(Errno::ESRCH);
        if tcgetpgrp(&tty).is_ok_and(|now| now != getpgrp() && gone(now)) {
            let _ = tcsetpgrp(&tty, group); // allowed in the background because SIGTTOU is blocked
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.restore_mask();
    }
}

/// Stops the child and this process, and continues the child when the shell continues this process.
fn stop_with(child: Pid, stop: Signal) -> Result<()> {
    kill(child, Signal::SIGSTOP).with_context(|| format!("stop {child}"))?;
    raise(stop).context("raise")?;
    let stop = SigSet::from(stop);
    stop.thread_unblock().context("sigprocmask")?; // here this process stops
    stop.thread_block().context("sigprocmask")?;
    kill(child, Signal::SIGCONT).with_context(|| format!("continue {child}"))
}

/// Opens the controlling terminal of this session, if it has one.
fn terminal() -> Option<File> {
    File::open("/dev/tty").ok()
}
