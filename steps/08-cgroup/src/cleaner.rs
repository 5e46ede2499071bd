//! The kernel removes a namespace with its last process, but never a cgroup. So a second process
//! stays outside, waits for the end of the launcher, even by SIGKILL, and removes the launcher's
//! groups.

use std::fs::{self, File};
use std::io::{PipeWriter, Write, pipe};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use common::{Operation, Tried};
use nix::sys::prctl;
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, dup2_stdin, fork, setsid};
use rustix::fs::{FlockOperation, flock};

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
        match unsafe { fork() }.tried(Operation::Fork, "fork")? {
            ForkResult::Parent { child } => Ok(Cleaner { pipe: writer, pid: child }),
            ForkResult::Child => {
                let _ = dup2_stdin(&reader);
                clean();
                // SAFETY: ends the process without the launcher's exit handlers.
                unsafe { libc::_exit(0) }
            }
        }
    }

    /// Passes on a directory that this process has created.
    pub fn remember(&mut self, dir: &Path) -> Result<()> {
        let line = [dir.as_os_str().as_bytes(), b"\n"].concat();
        self.pipe.write_all(&line).context("write to the cleaner")
    }

    /// Lets it remove them, and waits for that.
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
    let mut dirs = Vec::new();
    for dir in std::io::stdin().lines().map_while(Result::ok).map(PathBuf::from) {
        dir.parent().into_iter().for_each(remove_abandoned);
        dirs.push(dir);
    }
    dirs.iter().for_each(|dir| lift_quota(dir));
    let deadline = Instant::now() + Duration::from_secs(10);
    for dir in dirs {
        while dir.exists() && fs::remove_dir(&dir).is_err() && Instant::now() < deadline {
            sleep(Duration::from_millis(1));
        }
    }
}

/// Processes need CPU time to die, too: hundreds that share a quota would take minutes.
fn lift_quota(group: &Path) {
    for (file, value) in [("cpu.cfs_quota_us", "-1"), ("cpu.max", "max")] {
        let _ = fs::write(group.join(file), value);
    }
}

/// Removes groups whose launcher has ended together with its cleaner, as process 1 of a PID
/// namespace does when it is killed. A launcher that lives holds a lock on its groups.
fn remove_abandoned(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let ours = name.len() == NAME.len() && name.as_bytes().starts_with(PREFIX);
        if ours
            && let Ok(group) = File::open(entry.path())
            && flock(&group, FlockOperation::NonBlockingLockExclusive).is_ok()
        {
            let _ = fs::remove_dir(entry.path()); // the kernel refuses while a process is in it
        }
    }
}

/// The name of a group, whose end mkdtemp(3) replaces.
pub const NAME: &str = "container-XXXXXX";
const PREFIX: &[u8] = b"container-";
