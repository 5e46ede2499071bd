//! The line between two terminals: what the user types goes to the container's, what that one shows
//! goes to the user's.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};

use anyhow::Result;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

use super::keyboard::Keyboard;
use super::pty;
use super::user::User;

/// The user's terminal and the master of the container's. Dropped, it has the user's set as it was
/// before.
pub struct Line {
    keyboard: Option<Keyboard>,
    screen: File,
    master: File,
    typed: Buffer,
    shown: Buffer,
}

impl Line {
    /// Connects the container's terminal to the user's, and takes the keyboard.
    pub fn new(user: User, master: OwnedFd) -> Result<Self> {
        let mut line = Line {
            keyboard: user.keyboard,
            screen: user.screen,
            master: master.into(),
            typed: Buffer::new(),
            shown: Buffer::new(),
        };
        line.take()?;
        Ok(line)
    }

    /// Takes the keyboard, and passes the size on: at the beginning, and after every stop.
    pub fn take(&mut self) -> Result<()> {
        self.resize();
        self.keyboard.as_mut().map_or(Ok(()), Keyboard::take)
    }

    /// Gives the keyboard back.
    pub fn release(&mut self) {
        self.keyboard.iter_mut().for_each(Keyboard::release);
    }

    /// Whether the keyboard must be looked at again soon, because another program has the keys.
    pub fn is_lent(&self) -> bool {
        self.keyboard.as_ref().is_some_and(Keyboard::is_lent)
    }

    /// Gives the container's terminal the size of the user's.
    pub fn resize(&self) {
        pty::copy_size(&self.screen, &self.master);
    }

    /// Sends a signal to the container's foreground processes.
    pub fn signal(&self, signal: Signal) {
        pty::signal(&self.master, signal);
    }

    /// What [`Line::copy`] waits for: of each direction either something to read, or room for what
    /// was read.
    pub fn awaits(&self, ended: bool) -> impl Iterator<Item = PollFd<'_>> {
        let keys = keys(&self.keyboard, ended).map(|keys| self.typed.awaits(keys, &self.master));
        keys.into_iter().chain([self.shown.awaits(&self.master, &self.screen)])
    }

    /// Copies what can be copied at once. An error says that one of the terminals has hung up, or
    /// that the container has `ended` and all that it wrote is shown.
    pub fn copy(&mut self, ended: bool) -> io::Result<()> {
        if let Some(keys) = keys(&self.keyboard, ended) {
            if is_readable(keys) {
                let end = self.keyboard.as_ref().and_then(Keyboard::end_of_input);
                later(self.typed.fill(keys, end))?;
            }
            // If nobody is there any more to read the keys, there may still be something to show.
            later(self.typed.empty(&self.master)).unwrap_or_else(|_| self.typed.pending = 0..0);
        }
        let filled = self.shown.fill(&self.master, None);
        if ended { filled } else { later(filled) }?;
        later(self.shown.empty(&self.screen))
    }
}

/// The keys, as long as they are for the container: after its end they are for whoever comes next.
fn keys(keyboard: &Option<Keyboard>, ended: bool) -> Option<&File> {
    keyboard.as_ref().filter(|_| !ended)?.keys()
}

/// Bytes on their way in one direction.
struct Buffer {
    bytes: Box<[u8]>,
    pending: Range<usize>,
}

impl Buffer {
    fn new() -> Self {
        Buffer { bytes: vec![0; 4096].into(), pending: 0..0 }
    }

    fn awaits<'a>(&self, from: &'a File, to: &'a File) -> PollFd<'a> {
        match self.pending.is_empty() {
            true => PollFd::new(from.as_fd(), PollFlags::POLLIN),
            false => PollFd::new(to.as_fd(), PollFlags::POLLOUT),
        }
    }

    /// Reads, unless something is pending. At the end of input there is `end` to pass on, or an
    /// error.
    fn fill(&mut self, mut from: &File, end: Option<u8>) -> io::Result<()> {
        if !self.pending.is_empty() {
            return Ok(());
        }
        self.pending = 0..from.read(&mut self.bytes)?;
        if self.pending.is_empty() {
            self.bytes[0] = end.ok_or(ErrorKind::UnexpectedEof)?;
            self.pending = 0..1;
        }
        Ok(())
    }

    /// Writes what is pending, or the part for which there is room.
    fn empty(&mut self, mut to: &File) -> io::Result<()> {
        if !self.pending.is_empty() {
            self.pending.start += to.write(&self.bytes[self.pending.clone()])?;
        }
        Ok(())
    }
}

/// Where the keyboard could not be opened once more, read(2) waits, and meanwhile nobody would see
/// the container's end.
fn is_readable(file: &File) -> bool {
    poll(&mut [PollFd::new(file.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO)
        .is_ok_and(|ready| ready > 0)
}

/// Nothing to read, or no room to write, is a reason to wait and not an error.
fn later(result: io::Result<()>) -> io::Result<()> {
    result.or_else(|error| if error.kind() == ErrorKind::WouldBlock { Ok(()) } else { Err(error) })
}
