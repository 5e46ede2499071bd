//! Locks that belong to a process: fcntl(2), not flock(2), whose locks a child inherits and keeps.

use std::fs::File;

use libc::{c_short, flock};
use nix::fcntl::{FcntlArg, fcntl};

/// The process that has an entry's lock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Holder {
    /// Its launcher has ended.
    Nobody,
    /// The process of this number.
    Process(i32),
    /// A process that has no number in our PID namespace.
    Elsewhere,
}

/// Locks `file` for this process, until it ends or closes any descriptor of the file.
///
/// # Errors
/// EAGAIN where another process has the lock; ENOLCK on a file system without locks.
pub fn hold(file: &File) -> nix::Result<()> {
    fcntl(file, FcntlArg::F_SETLK(&whole(libc::F_WRLCK))).map(drop)
}

/// Asks the kernel which process has the lock. A process does not see its own.
pub fn holder(file: &File) -> nix::Result<Holder> {
    let mut lock = whole(libc::F_WRLCK);
    fcntl(file, FcntlArg::F_GETLK(&mut lock))?;
    Ok(match lock.l_pid {
        _ if lock.l_type == libc::F_UNLCK as c_short => Holder::Nobody,
        pid @ 1.. => Holder::Process(pid),
        _ => Holder::Elsewhere,
    })
}

/// Waits until no process has the lock.
///
/// # Errors
/// EINTR where a signal comes first.
pub fn wait(file: &File) -> nix::Result<()> {
    fcntl(file, FcntlArg::F_SETLKW(&whole(libc::F_RDLCK))).map(drop)
}

fn whole(kind: libc::c_int) -> flock {
    // SAFETY: all fields are integers; with 0 everywhere the lock is one of the whole file.
    let mut lock: flock = unsafe { std::mem::zeroed() };
    (lock.l_type, lock.l_whence) = (kind as c_short, libc::SEEK_SET as c_short);
    lock
}
