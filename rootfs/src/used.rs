//! Whether a container uses a tree. The launcher of each step holds a shared lock on the directory
//! (flock(2)), which lasts as long as the launcher, whatever name the tree has by then. In step 01
//! the launcher becomes the payload, and holds nothing.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result};
use common::{Failure, printable};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// Keeps containers from using a tree, until the result is dropped. None if one uses it. A tree that
/// is missing, or that the caller may not open, is locked by nobody.
///
/// # Errors
/// What flock(2) reports.
pub fn lock(tree: &Path) -> Result<Option<Option<Flock<File>>>> {
    let Ok(directory) = File::open(tree) else { return Ok(Some(None)) };
    match Flock::lock(directory, FlockArg::LockExclusiveNonblock) {
        Err((_, Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, errno)) => Err(errno).with_context(|| format!("lock {}", printable(tree))),
        Ok(lock) => Ok(Some(Some(lock))),
    }
}

/// What is reported where that must stop everything.
pub fn refusal(tree: &Path) -> Failure {
    let hint =
        "leave that container first (`exit`); `target/debug/containers` shows those of step 09";
    Failure::new(format!("a container uses {}", printable(tree))).hint(hint)
}

/// Keeps containers from using any directory in `base`.
///
/// # Errors
/// A container uses one; what readdir(3) and flock(2) report.
pub fn lock_all(base: &Path) -> Result<Vec<Flock<File>>> {
    let entries = match fs::read_dir(base) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(|| format!("read directory {}", printable(base)))?,
    };
    let mut locks = Vec::new();
    for tree in entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()) {
        locks.extend(lock(&tree)?.ok_or_else(|| refusal(&tree))?);
    }
    Ok(locks)
}
