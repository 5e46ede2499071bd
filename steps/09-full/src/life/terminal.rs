//! Terminal: the container has one of its own, a pty, and the launcher copies between it and the
//! user's.
//!
//! Whoever has a terminal open can type into it as if he sat there (TIOCSTI, CVE-2017-5226), read
//! what is typed and change its settings. So where one of the payload's standard files is a
//! terminal, the payload gets the slave of a new pty instead, from the container's own /dev/pts:
//! nothing of the user's terminal is inside. Pipes and files are passed on as they are; where there
//! is no terminal, nobody copies anything.
//!
//! In any case the container is a session of its own (setsid(2)): no signal of the user's terminal
//! goes there directly. The launcher, whom they reach, passes each on, once. Ctrl-C and Ctrl-Z are
//! bytes on the way and become signals inside. Where no shell inside could continue what Ctrl-Z
//! stops, it stops nothing, as under ssh(1): the processes are an orphaned group (setpgid(2)).

use std::io::IsTerminal;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::process::ExitCode;

use anyhow::{Context, Result};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::termios::{SetArg, tcgetattr, tcsetattr};
use nix::unistd::setsid;
use pid::Container;

use handover::Handover;
use line::Line;
use relay::Relay;

mod handover;
mod keyboard;
mod line;
mod pty;
mod relay;

/// What is left as it is: to be stopped when using the terminal from the background, and EPIPE
/// instead of a signal.
const NOT_PASSED_ON: [Signal; 3] = [Signal::SIGTTIN, Signal::SIGTTOU, Signal::SIGPIPE];

/// What connects the user and the container: signals always, and two terminals where there is one.
pub struct Terminal {
    signals: SignalFd,
    /// How the launcher gets the pty's master; none if no standard file is a terminal.
    handover: Option<Handover>,
}

impl Terminal {
    /// From here on signals wait for [`Terminal::wait`]: none is lost, and none ends the launcher
    /// unprepared.
    pub fn new() -> Result<Self> {
        let mut set = SigSet::all();
        NOT_PASSED_ON.into_iter().for_each(|signal| set.remove(signal));
        set.thread_block().context("sigprocmask")?;
        let signals = SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
            .context("signalfd")?;
        let handover = terminals().next().map(|_| Handover::new()).transpose()?;
        Ok(Terminal { signals, handover })
    }

    /// The container's part: leaves the user's session, and takes a pty in place of each terminal.
    ///
    /// Comes after [`mount::pivot`]: from there on /dev/pts is the container's own, and tty(1)
    /// finds the name there.
    pub fn attach(&self) -> Result<()> {
        self.connect()?.map_or(Ok(()), |slave| pty::console(&slave))
    }

    /// The same for one that comes later, when the container has its console. Returns the pty's
    /// slave.
    pub fn connect(&self) -> Result<Option<OwnedFd>> {
        setsid().context("setsid")?;
        let (Some(handover), Some(user)) = (&self.handover, terminals().next()) else {
            return Ok(None);
        };
        let (master, slave) = pty::open().context("open /dev/pts/ptmx")?;
        // All that the user has set: the erase character, UTF-8, and the size, before anybody can
        // ask for it.
        let settings = tcgetattr(user).context("tcgetattr")?;
        tcsetattr(&slave, SetArg::TCSANOW, &settings).context("tcsetattr")?;
        pty::copy_size(user, &master);
        handover.send(&master)?;
        terminals().try_for_each(|terminal| pty::replace(terminal, &slave))?;
        pty::control(&slave)?;
        Ok(Some(slave))
    }

    /// The launcher's part: passes on signals, keys and output until the container has ended and
    /// all of it is shown.
    ///
    /// On every way out the user's terminal is set as before; after SIGKILL, when nobody can do
    /// that, reset(1) helps.
    pub fn wait(self, container: Container) -> Result<ExitCode> {
        let master = self.handover.map_or(Ok(None), |handover| handover.receive())?;
        let line = master.map(Line::new).transpose()?;
        Relay::new(container.pid, self.signals, line).run()?;
        container.wait()
    }
}

/// Those standard files that are terminals, input first.
fn terminals() -> impl Iterator<Item = BorrowedFd<'static>> {
    // SAFETY: Rust's runtime opens /dev/null for those that were closed, and nothing closes them
    // later.
    let standard = [0, 1, 2].map(|number| unsafe { BorrowedFd::borrow_raw(number) });
    standard.into_iter().filter(BorrowedFd::is_terminal)
}
