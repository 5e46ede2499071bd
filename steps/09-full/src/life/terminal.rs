//! Terminal: the container has one of its own, a pty, and the launcher copies between it and the
//! user's.
//!
//! Whoever has a terminal open can type into it as its user would (TIOCSTI, CVE-2017-5226), read
//! what is typed and change its settings. So where one of the payload's standard files is a
//! terminal, the payload gets the slave of a new pty instead, from the container's own /dev/pts.
//! Nothing of the user's terminal is inside. Pipes and files are passed on as they are; where there
//! is no terminal, nobody copies anything.
//!
//! In any case the container is a session of its own (setsid(2)): no signal of the user's terminal
//! goes there directly. The launcher, whom they reach, passes each on, once. Ctrl-C and Ctrl-Z are
//! bytes on the way and become signals inside. Where no shell inside could continue what Ctrl-Z
//! stops, it stops nothing, as under ssh(1): the processes are an orphaned group (setpgid(2)).

use std::os::fd::AsFd;
use std::process::ExitCode;

use anyhow::{Context, Result};
use mnt::Root;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
use nix::unistd::setsid;
use pid::Container;

use self::user::User;
use crate::handover::Handover;
use line::Line;
use pty::{Pty, terminals};
use relay::Relay;

mod keyboard;
mod line;
mod pty;
mod relay;
mod user;

/// What is left as it is: to be stopped when using the terminal from the background, and EPIPE
/// instead of a signal.
const NOT_PASSED_ON: [Signal; 3] = [Signal::SIGTTIN, Signal::SIGTTOU, Signal::SIGPIPE];

/// What connects the user and the container: signals always, and two terminals where there is one.
pub struct Terminal {
    signals: SignalFd,
    /// None if no standard file is a terminal.
    terminals: Option<(User, Other)>,
}

/// The container's terminal.
enum Other {
    /// The container opens it and hands over its master.
    Comes(Handover),
    /// That of a container which runs already.
    Open(Pty),
}

impl Terminal {
    /// From here on signals wait for [`Terminal::wait`]: none is lost, and none ends the launcher
    /// unprepared. The user's terminal is opened now, while paths mean what they mean outside.
    pub fn new() -> Result<Self> {
        Terminal::with(|| Handover::new().map(Other::Comes))
    }

    /// The same for a container that runs already, in which process `pid` is. The new terminal
    /// belongs to user `owner`, an id outside.
    pub fn of(pid: i32, owner: Option<u32>) -> Result<Self> {
        Terminal::with(|| Pty::open_in(pid, owner).map(Other::Open))
    }

    fn with(other: impl FnOnce() -> Result<Other>) -> Result<Self> {
        let mut set = SigSet::all();
        NOT_PASSED_ON.into_iter().for_each(|signal| set.remove(signal));
        set.thread_block().context("sigprocmask")?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let signals = SignalFd::with_flags(&set, flags).context("signalfd")?;
        let user = User::new()?;
        let terminals = user.map(|user| Ok::<_, anyhow::Error>((user, other()?))).transpose()?;
        Ok(Terminal { signals, terminals })
    }

    /// The container's part: leaves the user's session, and takes a pty in place of each terminal.
    ///
    /// Comes before [`mnt::pivot`], when the container's own /dev/pts is found by its descriptor.
    pub fn attach(&self, root: &Root) -> Result<()> {
        setsid().context("setsid")?;
        let Some((_, Other::Comes(handover))) = &self.terminals else { return Ok(()) };
        let pty = Pty::open(root)?;
        pty::console(&pty.slave, root)?;
        take(&pty)?;
        handover.send(&pty.master)
    }

    /// The same for a process that enters later.
    pub fn join(&self) -> Result<()> {
        setsid().context("setsid")?;
        let Some((_, Other::Open(pty))) = &self.terminals else { return Ok(()) };
        take(pty)
    }

    /// The launcher's part: passes on signals, keys and output until the container has ended and
    /// all of it is shown.
    ///
    /// On every way out the user's terminal is set as before; after SIGKILL, when nobody can do
    /// that, reset(1) helps.
    pub fn wait(self, container: Container) -> Result<ExitCode> {
        let line = match self.terminals {
            None => None,
            Some((user, Other::Open(pty))) => Some(Line::new(user, pty.master)?),
            Some((user, Other::Comes(handover))) => {
                handover.receive()?.map(|master| Line::new(user, master)).transpose()?
            }
        };
        Relay::new(container.pid, self.signals, line).run()?;
        container.wait()
    }
}

/// Puts the slave in place of each terminal, with all that the user has set: the erase character,
/// UTF-8, and the size, before anybody can ask for it.
fn take(pty: &Pty) -> Result<()> {
    let Some(user) = terminals().next() else { return Ok(()) };
    let mut settings = tcgetattr(user).context("tcgetattr")?;
    if User::is_in_pipeline() {
        settings.local_flags.remove(LocalFlags::ECHO); // the user's own terminal echoes
    }
    tcsetattr(&pty.slave, SetArg::TCSANOW, &settings).context("tcsetattr")?;
    pty::copy_size(user, pty.master.as_fd());
    terminals().try_for_each(|terminal| pty::replace(terminal, &pty.slave))?;
    pty::control(&pty.slave)
}
