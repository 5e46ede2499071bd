//! The launcher while the container runs: one loop that waits for signals and for the terminals
//! (poll(2)).

use std::os::fd::AsFd;

use anyhow::{Context, Result};
use libc::{SI_KERNEL, c_int, signalfd_siginfo};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, raise};
use nix::sys::signalfd::SignalFd;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use super::line::Line;

/// Between the user and a container.
pub struct Relay {
    /// Its process 1.
    container: Pid,
    signals: SignalFd,
    /// Dropped when one of the terminals hangs up, or the container has ended and all that it wrote
    /// is shown.
    line: Option<Line>,
    ended: bool,
}

impl Relay {
    /// Without a `line` it passes on only signals.
    pub fn new(container: Pid, signals: SignalFd, line: Option<Line>) -> Self {
        Relay { container, signals, line, ended: false }
    }

    /// Serves until the container has ended, but does not fetch its exit code.
    pub fn run(mut self) -> Result<()> {
        while !self.ended || self.line.is_some() {
            self.sleep()?;
            while let Some(signal) = self.signals.read_signal().context("read a signal")? {
                self.handle(&signal)?;
            }
            self.line.take_if(|line| line.copy(self.ended).is_err());
        }
        Ok(())
    }

    fn sleep(&self) -> Result<()> {
        let mut files = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        files.extend(self.line.iter().flat_map(|line| line.awaits(self.ended)));
        let lent = self.line.as_ref().is_some_and(Line::is_lent);
        let patience = if lent { PollTimeout::from(100u8) } else { PollTimeout::NONE };
        match poll(&mut files, patience) {
            Err(Errno::EINTR) => Ok(()), // SIGCONT after SIGSTOP
            result => result.map(drop).context("poll"),
        }
    }

    fn handle(&mut self, signal: &signalfd_siginfo) -> Result<()> {
        let from_terminal = signal.ssi_code == SI_KERNEL;
        match (signal.ssi_signo as c_int, &mut self.line) {
            (libc::SIGCHLD, _) => self.ended = self.has_ended(),
            (libc::SIGTSTP, _) => self.stop()?,
            (libc::SIGCONT, line) => line.as_mut().map_or(Ok(()), Line::take)?,
            (libc::SIGWINCH, line) => line.iter().for_each(Line::resize),
            (_, line) if self.ended => *line = None, // enough of waiting until the user's terminal takes the rest
            (libc::SIGINT, Some(line)) if from_terminal => line.signal(Signal::SIGINT),
            (libc::SIGQUIT, Some(line)) if from_terminal => line.signal(Signal::SIGQUIT),
            // SAFETY: only integers. Until it is waited for, the number is that of our child.
            (number, _) => drop(unsafe { libc::kill(self.container.as_raw(), number) }),
        }
        Ok(())
    }

    /// As Ctrl-Z does to any other program, but not before the terminal is in order. The container
    /// goes on.
    fn stop(&mut self) -> Result<()> {
        self.line.iter_mut().for_each(Line::release);
        raise(Signal::SIGTSTP).context("raise SIGTSTP")?;
        let set = SigSet::from(Signal::SIGTSTP);
        set.thread_unblock().context("sigprocmask")?; // here we stand until SIGCONT
        set.thread_block().context("sigprocmask")?;
        self.line.as_mut().map_or(Ok(()), Line::take)
    }

    /// Whether there is an exit code to fetch. (An error is one of a signal that nix has no name
    /// for.)
    fn has_ended(&self) -> bool {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        waitid(Id::Pid(self.container), flags) != Ok(WaitStatus::StillAlive)
    }
}
