//! The kernel removes a namespace with its last process, and a cgroup never. So a second process
//! stays outside, waits for the end of the launcher, even by SIGKILL, and removes what it was told
//! of.

use std::fs;
use std::io::{PipeWriter, Read, Write, pipe};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::prctl;
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, dup2_stdin, fork, setsid};

/// The cleaning process, seen from the launcher. It begins when the last writing end of the pipe is
/// closed.
pub struct Cleaner {
    pipe: PipeWriter,
    pid: Pid,
}

impl Cleaner {
    /// Starts it, before there is anything to remove.
    pub fn start() -> Result<Cleaner> {
        let (reader, writer) = pipe().context("pipe")?;
        // SAFETY: this process has one thread, so that the child may do what it likes.
        match unsafe { fork() }.context("fork")? {
            ForkResult::Parent { child } => Ok(Cleaner { pipe: writer, pid: child }),
            ForkResult::Child => {
                let _ = dup2_stdin(&reader);
                clean();
                // SAFETY: ends the process without the launcher's exit handlers.
                unsafe { libc::_exit(0) }
            }
        }
    }

    /// Tells it of a directory that is about to be made.
    pub fn remember(&mut self, dir: &Path) -> Result<()> {
        let line = [dir.as_os_str().as_bytes(), b"\n"].concat();
        self.pipe.write_all(&line).context("tell the cleaner")
    }

    /// Lets it remove everything, and waits for that.
    pub fn finish(self) -> Result<()> {
        drop(self.pipe);
        waitpid(self.pid, None).map(drop).with_context(|| format!("waitpid {}", self.pid))
    }
}

/// Reads directories from standard input up to its end, then removes them, each as soon as it is
/// empty of processes.
fn clean() {
    let _ = setsid(); // Ctrl-C in the terminal is not for us
    let _ = prctl::set_name(c"cleaner");
    // SAFETY: closes descriptors that nothing here uses: we must not keep anybody's pipe open,
    // least of all our own.
    unsafe { close_fds::close_open_fds(libc::STDIN_FILENO + 1, &[]) };
    let mut dirs = String::new();
    let _ = std::io::stdin().read_to_string(&mut dirs);
    let deadline = Instant::now() + Duration::from_secs(10);
    for dir in dirs.lines() {
        while Path::new(dir).exists() && fs::remove_dir(dir).is_err() && Instant::now() < deadline {
            sleep(Duration::from_millis(1));
        }
    }
}
