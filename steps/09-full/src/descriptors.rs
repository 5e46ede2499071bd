//! Open files: a descriptor that the payload inherited would lead past its root.

use std::fs;
use std::os::fd::RawFd;

use anyhow::{Context, Result};
use nix::errno::Errno;

/// Leaves the payload standard input, output and error.
pub fn close_on_exec() -> Result<()> {
    open()?.into_iter().try_for_each(|descriptor| {
        // SAFETY: sets a flag of a descriptor, whoever owns it, and closes none.
        match Errno::result(unsafe { libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) }) {
            Err(Errno::EBADF) => Ok(()), // the one through which the directory was read
            result => result.map(drop).with_context(|| format!("fcntl {descriptor} F_SETFD")),
        }
    })
}

/// The same for process 1, which never executes anything: what it held would stay open as long as the container runs.
///
/// # Safety
/// Nothing that owns one of these descriptors may be used or dropped afterwards.
pub unsafe fn close_all() -> Result<()> {
    for descriptor in open()? {
        // SAFETY: as the caller has promised.
        unsafe { libc::close(descriptor) };
    }
    Ok(())
}

fn open() -> Result<Vec<RawFd>> {
    let entries = fs::read_dir("/proc/self/fd").context("read /proc/self/fd")?;
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Ok(numbers.filter(|&descriptor| descriptor > 2).collect())
}
