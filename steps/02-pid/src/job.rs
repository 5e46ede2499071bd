//! Job control: the container stops, continues and leaves the terminal as any other program does.

use std::fs::File;
use std::process::ExitStatus;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, killpg, raise};
use nix::unistd::{Pid, getpgrp, tcgetpgrp, tcsetpgrp};

/// What a terminal sends to stop a job.
const STOPS: [Signal; 3] = [Signal::SIGTSTP, Signal::SIGTTIN, Signal::SIGTTOU];

/// Waits for the end of `child`, and stops together with it.
///
/// The kernel spares a process 1 the signals of the terminal that it does not handle
/// (pid_namespaces(7)). It does not stop, and where it reads from the background it would try for
/// ever. So the launcher, which has the same signals, sends SIGSTOP, which no process is spared
/// that an ancestor sends it to.
pub fn wait_as_job(child: Pid) -> Result<ExitStatus> {
    let terminal = Terminal::open();
    let mut signals = SigSet::from_iter(STOPS);
    signals.add(Signal::SIGCHLD); // blocked before we look, so that none is missed
    let before = signals.thread_swap_mask(SigmaskHow::SIG_BLOCK).context("sigprocmask")?;
    let status = loop {
        if let Some(status) = super::wait(child, libc::WNOHANG)? {
            break status;
        }
        match signals.wait().context("sigwait")? {
            Signal::SIGCHLD => {}
            stop => stop_with(child, stop)?,
        }
    };
    terminal.give_back();
    before.thread_set_mask().context("sigprocmask")?;
    Ok(status)
}

/// Stops the child and this process, and continues both when the shell continues this one.
fn stop_with(child: Pid, stop: Signal) -> Result<()> {
    kill(child, Signal::SIGSTOP).with_context(|| format!("stop {child}"))?;
    raise(stop).context("raise")?;
    let stop = SigSet::from(stop);
    stop.thread_unblock().context("sigprocmask")?; // here it stops
    stop.thread_block().context("sigprocmask")?;
    kill(child, Signal::SIGCONT).with_context(|| format!("continue {child}"))
}

/// The controlling terminal, and the process group that was in its foreground.
struct Terminal(Option<(File, Pid)>);

impl Terminal {
    fn open() -> Terminal {
        let tty = File::open("/dev/tty").ok(); // without a controlling terminal: ENXIO
        Terminal(tty.and_then(|tty| tcgetpgrp(&tty).ok().map(|group| (tty, group))))
    }

    /// A shell in the container took the terminal for its own process group and could not give it
    /// back, because a group from outside has no number inside (tcgetpgrp there returns 0).
    fn give_back(&self) {
        let Some((tty, group)) = &self.0 else { return };
        let gone = |group| killpg(group, None) == Err(Errno::ESRCH);
        if tcgetpgrp(tty).is_ok_and(|now| now != getpgrp() && gone(now)) {
            let _ = tcsetpgrp(tty, *group); // SIGTTOU is blocked, so that we may
        }
    }
}
