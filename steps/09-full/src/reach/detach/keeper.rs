//! The launcher's parent, as long as the container runs: it keeps what is printed there, and the exit
//! code.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, dup2_stderr, dup2_stdin, dup2_stdout};

use crate::reach::log::Log;
use crate::reach::registry::Registry;
use crate::reach::running;

/// While a process has forked and not yet executed (linux/sched.h, PF_FORKNOEXEC).
const FORKED: u32 = 0x40;

/// The launcher's parent.
pub struct Keeper {
    launcher: Pid,
    /// What the launcher and the container print.
    words: File,
    /// To the command that was typed, until the payload is executed.
    typed: Option<UnixStream>,
    log: Option<Log>,
    name: String,
}

impl Keeper {
    /// A keeper that has heard nothing yet.
    pub fn new(launcher: Pid, words: File, typed: UnixStream) -> Keeper {
        Keeper { launcher, words, typed: Some(typed), log: None, name: String::new() }
    }

    /// Serves until no process is left that could print something. Returns the exit code.
    pub fn run(mut self) -> Result<u8> {
        prctl::set_name(c"keeper")?;
        let typed = self.typed.iter().map(AsRawFd::as_raw_fd);
        let mut kept: Vec<_> = typed.chain([self.words.as_raw_fd()]).collect();
        kept.sort();
        // SAFETY: closes what nothing here uses: we must not keep anybody's pipe open.
        unsafe { close_fds::close_open_fds(libc::STDERR_FILENO + 1, &kept) };
        while self.listen()? {
            self.report_start();
        }
        let code = match waitpid(self.launcher, None)? {
            WaitStatus::Exited(_, code) => code as u8,
            WaitStatus::Signaled(_, signal, _) => 128 + signal as u8,
            _ => common::exit::FAILURE,
        };
        match (self.typed.take(), self.log.take()) {
            (None, log) => log.map_or(Ok(()), |log| log.end(code))?,
            (Some(mut typed), log) => {
                log.map_or(Ok(()), Log::remove)?; // all of it was seen where the command was typed
                typed.write_all(&[code])?;
            }
        }
        Ok(code)
    }

    /// Keeps what is printed. Returns whether anyone is left to print more.
    fn listen(&mut self) -> Result<bool> {
        let patience =
            if self.typed.is_some() { PollTimeout::from(5u8) } else { PollTimeout::NONE };
        match poll(&mut [PollFd::new(self.words.as_fd(), PollFlags::POLLIN)], patience) {
            Ok(0) | Err(Errno::EINTR) => return Ok(true),
            result => result.context("poll")?,
        };
        let mut text = [0; 1 << 14];
        let length = self.words.read(&mut text).context("read")?;
        self.report_start(); // from then on words are the container's, and only for the log
        self.find_name();
        if self.typed.is_some() {
            let _ = std::io::stderr().write_all(&text[..length]);
        }
        // A container must not stop because the disk is full.
        let _ = self.log.as_mut().map(|log| log.write(&text[..length]));
        Ok(length > 0)
    }

    /// The launcher takes its name itself.
    fn find_name(&mut self) {
        if self.log.is_none()
            && let Some(name) =
                Registry::own().ok().and_then(|it| it.name_of(self.launcher.as_raw()))
        {
            (self.log, self.name) = (Log::create(&name).ok(), name);
        }
    }

    /// When the payload has been executed, the command that was typed ends, and its terminal or
    /// pipe is no longer ours.
    fn report_start(&mut self) {
        if self.typed.is_none() {
            return;
        }
        self.find_name();
        let all = running::all().unwrap_or_default();
        let ours = all.iter().find(|it| it.launcher.pid == self.launcher.as_raw());
        let payload = ours.and_then(|it| it.payload().ok()).and_then(|it| it.stat().ok());
        if payload.is_none_or(|payload| payload.flags & FORKED != 0) {
            return;
        }
        let message = [&[0], self.name.as_bytes()].concat();
        let _ = self.typed.take().map(|mut typed| typed.write_all(&message));
        if let Ok(null) = OpenOptions::new().read(true).write(true).open("/dev/null") {
            let _ = (dup2_stdin(&null), dup2_stdout(&null), dup2_stderr(&null));
        }
    }
}
