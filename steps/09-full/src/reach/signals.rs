//! How a running container is ended, and gets other signals: they go to its launcher, which
//! passes them on.

use std::time::Duration;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use procfs::process::Process;
use rustix::fd::{AsFd, OwnedFd};
use rustix::process::{Pid, PidfdFlags, pidfd_open, pidfd_send_signal};

use super::log::LOG;
use super::registry::{Holder, Registry, holder};
use super::running::Container;

/// Asks the payload to end (SIGTERM), and kills the container if it has not ended after `patience`.
/// Returns when it has ended, and of one in the background nothing is written any more.
///
/// # Errors
/// EPERM for another user's container.
pub fn stop(container: &Container, patience: Duration) -> Result<()> {
    let launcher = open(&container.launcher)?;
    let keeper = keeper(container).map(|keeper| open(&keeper)).transpose()?;
    send(container, Signal::SIGTERM)?;
    let patience = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
    if !has_ended(&launcher, patience)? {
        send(container, Signal::SIGKILL)?;
        has_ended(&launcher, PollTimeout::NONE)?;
    }
    keeper.map_or(Ok(()), |keeper| has_ended(&keeper, PollTimeout::NONE).map(drop))
}

/// The process that writes the log of the caller's container, if that is in the background.
fn keeper(container: &Container) -> Option<Process> {
    let own = Registry::own().ok().filter(|own| own.owner == container.owner)?;
    match holder(&own.of(&container.name, LOG)?).ok()? {
        Holder::Process(pid) => Process::new(pid).ok(),
        _ => None,
    }
}

/// Sends a signal to the payload; SIGKILL ends the whole container.
///
/// # Errors
/// EPERM for another user's container.
pub fn send(container: &Container, signal: Signal) -> Result<()> {
    let what = || format!("send {signal} to container {}", container.name);
    let to = |process: &Process| -> Result<()> {
        let number = rustix::process::Signal::from_named_raw(signal as i32).context("signal")?;
        pidfd_send_signal(open(process)?, number).with_context(what)
    };
    // The launcher can neither see these two nor pass them on. An ordinary user may not signal
    // every id that is mapped inside: then the container ends with its launcher.
    match signal {
        Signal::SIGKILL => to(&container.init).or_else(|_| to(&container.launcher)),
        Signal::SIGSTOP => to(&container.payload()?),
        _ => to(&container.launcher),
    }
}

/// A handle on a process that cannot come to mean another.
fn open(process: &Process) -> Result<OwnedFd> {
    let pid = Pid::from_raw(process.pid).context("a process number")?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).context("pidfd_open")?;
    // The number could have passed on to another process; the open directory in /proc could not.
    process.stat().map(|_| pidfd).context("it has ended")
}

/// A pidfd is readable when its process has ended (pidfd_open(2)).
fn has_ended(process: &OwnedFd, patience: PollTimeout) -> Result<bool> {
    loop {
        match poll(&mut [PollFd::new(process.as_fd(), PollFlags::POLLIN)], patience) {
            Err(Errno::EINTR) => {}
            result => return Ok(result.context("poll")? > 0),
        }
    }
}
