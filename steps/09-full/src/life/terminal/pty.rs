//! The container's terminal: the slave is what its programs see, the master what the launcher reads
//! and writes (pty(7)).

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open as open_file};
use nix::mount::{MsFlags, mount};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;

/// A new pair: the master, which never makes its reader wait, and the slave.
pub fn open() -> nix::Result<(OwnedFd, OwnedFd)> {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let master = open_file("/dev/pts/ptmx", flags | OFlag::O_NONBLOCK, Mode::empty())?;
    let locked = 0;
    // SAFETY: reads an int, which outlives the call (TIOCSPTLCK(2const)).
    Errno::result(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &raw const locked) })?;
    // SAFETY: takes flags.
    let slave =
        Errno::result(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags.bits()) })?;
    // SAFETY: a new descriptor, which nobody else knows.
    Ok((master, unsafe { OwnedFd::from_raw_fd(slave) }))
}

/// Gives `to` the size of `from`; the kernel tells the programs there if it is another (SIGWINCH).
pub fn copy_size(from: impl AsFd, to: impl AsFd) {
    // SAFETY: winsize is four integers.
    let mut size: libc::winsize = unsafe { std::mem::zeroed() };
    // SAFETY: both calls are given a winsize that outlives them. A terminal that hangs up has no
    // size, and needs none.
    unsafe {
        if libc::ioctl(from.as_fd().as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) == 0 {
            libc::ioctl(to.as_fd().as_raw_fd(), libc::TIOCSWINSZ, &raw const size);
        }
    }
}

/// Puts `slave` in the place of a standard file of this process.
pub fn replace(standard: BorrowedFd, slave: &OwnedFd) -> Result<()> {
    // SAFETY: whoever uses the number from now on uses the pty, as is meant.
    Errno::result(unsafe { libc::dup2(slave.as_raw_fd(), standard.as_raw_fd()) })
        .map(drop)
        .context("dup2")
}

/// Makes `slave` the controlling terminal of this session: Ctrl-C there ends what runs here, and
/// /dev/tty means it.
pub fn control(slave: &OwnedFd) -> Result<()> {
    // SAFETY: takes an integer; 0 says that no other session is to be robbed of it.
    Errno::result(unsafe { libc::ioctl(slave.as_raw_fd(), libc::TIOCSCTTY, 0) })
        .map(drop)
        .context("ioctl TIOCSCTTY")
}

/// Lets /dev/console be the same terminal, as the other container runtimes do.
pub fn console(slave: &OwnedFd) -> Result<()> {
    let (source, target) = (format!("/proc/self/fd/{}", slave.as_raw_fd()), "/dev/console");
    File::create(target).with_context(|| format!("create {target}"))?;
    mount(Some(&*source), target, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        .with_context(|| format!("bind {target}"))
}

/// Sends SIGINT, SIGQUIT or SIGTSTP to the slave's foreground processes, as the key for it would.
pub fn signal(master: impl AsFd, signal: Signal) {
    // SAFETY: takes an integer. That nobody is there any more is no error.
    unsafe { libc::ioctl(master.as_fd().as_raw_fd(), libc::TIOCSIG, signal as libc::c_int) };
}
