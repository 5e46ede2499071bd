//! The user's terminal in raw mode: each key is passed on as it is, and Ctrl-C becomes a signal
//! inside, not here.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::termios::{LocalFlags, SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::{getpgrp, tcgetpgrp};

/// Standard input, where it is a terminal. Dropped, it is set as it was before.
pub struct Keyboard {
    file: File,
    before: Termios,
    mode: Mode,
    state: State,
}

/// How keys are read.
#[derive(Clone, Copy, PartialEq)]
pub enum Mode {
    /// Each by itself, and none means anything to the user's terminal.
    Raw,
    /// Line by line, as the user's terminal collects them.
    Lines,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Released,
    Taken,
}

impl Keyboard {
    /// Leaves the terminal as it is.
    pub fn new(input: BorrowedFd, mode: Mode) -> Result<Self> {
        let before = tcgetattr(input).context("tcgetattr")?;
        Ok(Keyboard { file: reopen(input)?, before, mode, state: State::Released })
    }

    /// Takes the keys, unless we are in the background: there they are another's (`09-full … &`),
    /// and the kernel would stop us in tcsetattr(3).
    pub fn take(&mut self) -> Result<()> {
        let ours = match tcgetpgrp(&self.file) {
            Ok(foreground) => foreground == getpgrp(),
            Err(errno) => errno == Errno::ENOTTY, // another session's: there is no background for us
        };
        self.state = if ours { State::Taken } else { State::Released };
        if !ours || self.mode == Mode::Lines {
            return Ok(());
        }
        let mut raw = self.before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(&self.file, SetArg::TCSANOW, &raw).context("tcsetattr")
    }

    /// Gives the terminal back.
    pub fn release(&mut self) {
        let was = std::mem::replace(&mut self.state, State::Released);
        if was == State::Taken && self.mode == Mode::Raw {
            // One that hung up has nothing to restore.
            let _ = tcsetattr(&self.file, SetArg::TCSANOW, &self.before);
        }
    }

    /// Where keys can be read, while they are ours: less(1) beside us in a pipeline takes them by
    /// leaving the canonical mode.
    pub fn keys(&self) -> Option<&File> {
        let canonical =
            || tcgetattr(&self.file).is_ok_and(|now| now.local_flags.contains(LocalFlags::ICANON));
        let ours = self.state == State::Taken && (self.mode == Mode::Raw || canonical());
        ours.then_some(&self.file)
    }

    /// Whether another program has the keys, and may give them back at any moment.
    pub fn is_lent(&self) -> bool {
        self.state == State::Taken && self.keys().is_none()
    }

    /// What the end of input is inside: where lines are collected outside, its character.
    pub fn end_of_input(&self) -> Option<u8> {
        (self.mode == Mode::Lines).then_some(CTRL_D)
    }
}

const CTRL_D: u8 = 4;

impl Drop for Keyboard {
    fn drop(&mut self) {
        self.release();
    }
}

/// Opens a terminal once more, so as never to wait in read(2) and write(2): O_NONBLOCK, set on what
/// we were given, would be set for the shell as well. After su(1) it may be another user's and not
/// ours to open, unlike /dev/tty; and where that leads nowhere, as on a console without a session,
/// we wait.
pub fn reopen(terminal: BorrowedFd) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    let path = format!("/proc/self/fd/{}", terminal.as_raw_fd());
    let opened = options.open(&path).or_else(|_| options.open("/dev/tty"));
    opened
        .or_else(|_| terminal.try_clone_to_owned().map(File::from))
        .with_context(|| format!("duplicate {path}"))
}
