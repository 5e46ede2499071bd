//! How `make` learns whether the payload was started: its exit code cannot say so, because 127 may
//! be anybody's.
//!
//! `make` names a pipe in the environment variable `COURSE_STATUS`. The step opens it at once,
//! takes the variable away, and writes `+` before it executes the payload, and `-` when that failed.
//! The descriptor is close-on-exec, so the payload gets neither the variable nor the pipe.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::sync::OnceLock;

/// The variable that names the pipe.
const VARIABLE: &str = "COURSE_STATUS";

/// The pipe and its inode number.
static PIPE: OnceLock<(File, u64)> = OnceLock::new();

/// The name that the environment gave it.
static NAME: OnceLock<OsString> = OnceLock::new();

/// Opens the pipe that the environment names, where it names one.
pub(crate) fn open() {
    let Some(path) = env::var_os(VARIABLE) else { return };
    // SAFETY: called first of all, while this process has one thread.
    unsafe { env::remove_var(VARIABLE) };
    let Ok(pipe) = File::options().write(true).custom_flags(libc::O_NONBLOCK).open(&path) else {
        return;
    };
    let _ = NAME.set(path);
    if let Ok(found) = pipe.metadata()
        && found.file_type().is_fifo()
    {
        let _ = PIPE.set((pipe, found.ino()));
    }
}

/// The pipe's descriptor, for a step that closes what it does not need.
pub fn status_pipe() -> Option<RawFd> {
    PIPE.get().map(|(pipe, _)| pipe.as_raw_fd())
}

/// Returns the variable that was taken out of the environment, for a program that executes itself
/// again.
pub fn status_variable() -> Option<(OsString, OsString)> {
    NAME.get().map(|name| (VARIABLE.into(), name.clone()))
}

/// Reports that the payload is about to be executed.
pub(crate) fn starting() {
    write(b"+");
}

/// Takes it back: nothing was executed.
pub(crate) fn not_started() {
    write(b"-");
}

/// Whether the number still stands for the pipe is looked at, because a step may have closed it.
fn write(word: &[u8]) {
    if let Some((pipe, inode)) = PIPE.get()
        && pipe.metadata().is_ok_and(|found| found.file_type().is_fifo() && found.ino() == *inode)
    {
        let _ = (&*pipe).write_all(word); // make then takes the exit code as it is
    }
}
