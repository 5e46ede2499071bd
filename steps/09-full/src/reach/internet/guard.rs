//! The process that stays in the machine's network, and ends the program with the launcher, however
//! that ends.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;

use anyhow::{Context, Result};
use nix::mount::{MsFlags, mount};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::SigSet;
use nix::unistd::{ForkResult, dup2_stderr, dup2_stdin, dup2_stdout, fork, geteuid, setsid};

use super::program::{self, Running};

/// The guard's answer when there is a tap interface; any other one is an error's text.
pub const READY: [u8; 1] = *b"!";

/// Forks it. It waits for the number of the container's process 1, and ends when no process has the
/// returned end of the connection open any more.
pub fn leave_behind() -> Result<UnixStream> {
    let (launcher, guard) = UnixStream::pair().context("socketpair")?;
    // SAFETY: this process has one thread, so that the child may do what it likes.
    match unsafe { fork() }.context("fork")? {
        ForkResult::Parent { .. } => Ok(launcher),
        ForkResult::Child => {
            drop(launcher);
            let served = detach(&guard).and_then(|()| serve(guard));
            // SAFETY: ends the process without the launcher's exit handlers.
            unsafe { libc::_exit(served.map_or(common::exit::FAILURE, |()| 0).into()) }
        }
    }
}

/// Keeps nothing of the launcher's: neither its ports nor its terminal.
fn detach(guard: &UnixStream) -> Result<()> {
    setsid()?; // Ctrl-C in the terminal is not for us
    SigSet::empty().thread_set_mask()?;
    prctl::set_name(c"internet")?;
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    dup2_stdin(&null).and_then(|()| dup2_stdout(&null)).and_then(|()| dup2_stderr(&null))?;
    drop(null);
    // SAFETY: closes descriptors that nothing here uses.
    unsafe { close_fds::close_open_fds(libc::STDERR_FILENO + 1, &[guard.as_raw_fd()]) };
    Ok(())
}

/// slirp4netns detaches the root of its mount table to shut itself in. What is shared with another
/// table (mount_namespaces(7)) would go there as well: on most machines that is /sys/fs/cgroup and
/// more. An ordinary user's goes in a user namespace, which can take nothing from the machine's.
fn leave_mounts() -> Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    unshare(CloneFlags::CLONE_NEWNS).context("unshare CLONE_NEWNS")?;
    let (none, flags) = (None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE);
    mount(none, "/", none, flags, none).context("mount --make-rprivate /")
}

fn serve(mut launcher: UnixStream) -> Result<()> {
    let mut number = [0; 4];
    launcher.read_exact(&mut number)?; // or the launcher has ended
    match leave_mounts().and_then(|()| program::start(i32::from_ne_bytes(number))) {
        Ok(mut program) => {
            launcher.write_all(&READY)?;
            let watched = watch(&launcher, &mut program);
            program.end();
            watched
        }
        Err(error) => Ok(write!(launcher, " {error:#}")?),
    }
}

/// Returns when either has ended. What the program prints goes nowhere, but must not block it.
fn watch(launcher: &UnixStream, program: &mut Running) -> Result<()> {
    loop {
        let readable = |file| PollFd::new(file, PollFlags::POLLIN);
        let mut events = [readable(launcher.as_fd()), readable(program.words.as_fd())];
        poll(&mut events, PollTimeout::NONE)?;
        let [from_launcher, from_program] = events.map(|event| event.any() == Some(true));
        if from_launcher || from_program && program.words.read(&mut [0; 4096])? == 0 {
            return Ok(()); // the launcher sends nothing more, so this is its end
        }
    }
}
