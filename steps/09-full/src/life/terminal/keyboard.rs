//! The user's terminal in raw mode: each key is passed on as it is, and Ctrl-C becomes a signal
//! inside, not here.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::{getpgrp, tcgetpgrp};

/// Standard input, where it is a terminal. Dropped, it is set as it was before.
pub struct Keyboard {
    file: File,
    before: Termios,
    raw: bool,
}

impl Keyboard {
    /// Leaves the terminal as it is.
    pub fn new(input: BorrowedFd) -> Result<Self> {
        Ok(Keyboard {
            file: reopen(input)?,
            before: tcgetattr(input).context("tcgetattr")?,
            raw: false,
        })
    }

    /// Takes the keys, unless we are in the background: there they are another's (`09-full … &`),
    /// and the kernel would stop us in tcsetattr(3).
    pub fn take(&mut self) -> Result<()> {
        self.raw = match tcgetpgrp(&self.file) {
            Ok(foreground) => foreground == getpgrp(),
            Err(errno) => errno == Errno::ENOTTY, // another session's: there is no background for us
        };
        if !self.raw {
            return Ok(());
        }
        let mut raw = self.before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(&self.file, SetArg::TCSANOW, &raw).context("tcsetattr")
    }

    /// Gives the terminal back.
    pub fn release(&mut self) {
        if std::mem::take(&mut self.raw) {
            let _ = tcsetattr(&self.file, SetArg::TCSANOW, &self.before); // one that hung up has nothing to restore
        }
    }

    /// Where keys can be read, while they are ours.
    pub fn keys(&self) -> Option<&File> {
        self.raw.then_some(&self.file)
    }
}

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
