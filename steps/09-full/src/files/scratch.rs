//! A directory on disk for what a container writes, removed with the launcher, however that ends.

use std::fs::{self, File};
use std::io::{PipeWriter, Read, pipe};
use std::mem::ManuallyDrop;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context, Result, ensure};
use common::remove_tree;
use nix::sys::prctl;
use nix::unistd::{ForkResult, fork, getuid, setsid};
use rustix::fs::{FlockOperation, flock};

/// The directory while it is used.
pub struct Scratch {
    path: PathBuf,
    /// A process removes it when the kernel closes the last writing end of this pipe: not before the
    /// launcher has ended, whose last steps it would hold up.
    _pipe: ManuallyDrop<PipeWriter>,
    launcher: u32,
}

/// Where each user's are. Nobody else may enter.
fn base() -> PathBuf {
    format!("/var/tmp/container-layers-{}", getuid()).into()
}

impl Scratch {
    /// Makes a new directory, and removes those that killed launchers have left.
    ///
    /// # Errors
    /// The directory of this user in /var/tmp belongs to somebody else, or others may enter it.
    pub fn new() -> Result<Scratch> {
        let usual = base();
        // Anybody can make a directory of that name first. Then there is one of another name.
        let base = private(&usual).or_else(|_| another(&usual))?;
        // Nobody makes or removes anything there while we do.
        let all = lock(&base, FlockOperation::LockExclusive)?;
        remove_stale(&base);
        let path = tempfile::Builder::new().prefix("layer-").tempdir_in(&base);
        let path = path.with_context(|| format!("make a directory in {}", base.display()))?.keep();
        let used = lock(&path, FlockOperation::LockExclusive)?;
        drop(all);
        let (reader, writer) = pipe().context("pipe")?;
        // SAFETY: this process has one thread, so that the child may do what it likes.
        match unsafe { fork() }.context("fork")? {
            ForkResult::Parent { .. } => {
                let (_pipe, launcher) = (ManuallyDrop::new(writer), process::id());
                Ok(Scratch { path, _pipe, launcher })
            }
            ForkResult::Child => {
                let _ = setsid(); // Ctrl-C in the terminal is not for us
                let _ = prctl::set_name(c"cleaner");
                drop(writer);
                wait_for_end(reader, &used);
                let _ = remove_tree(&path);
                if base != usual {
                    let _ = remove_tree(&base);
                }
                // SAFETY: ends the process without the launcher's exit handlers.
                unsafe { libc::_exit(0) }
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The cleaner removes the directory while the user's shell goes on: what a container has written may
/// be much. Where the launcher is process 1, the kernel ends the cleaner together with it.
impl Drop for Scratch {
    fn drop(&mut self) {
        if self.launcher == 1 {
            let _ = remove_tree(&self.path);
        }
    }
}

/// Makes a directory beside `usual`, with a name that nobody can know before.
fn another(usual: &Path) -> Result<PathBuf> {
    let (parent, prefix) = (usual.parent().context("no parent")?, usual.file_name());
    let directory = tempfile::Builder::new().prefix(prefix.unwrap_or_default()).tempdir_in(parent);
    Ok(directory.with_context(|| format!("make a directory in {}", parent.display()))?.keep())
}

/// Makes a directory that only this user may enter, or checks that it is one.
fn private(path: &Path) -> Result<PathBuf> {
    let _ = fs::DirBuilder::new().mode(0o700).create(path);
    let found = fs::symlink_metadata(path).with_context(|| format!("open {}", path.display()))?;
    let ours = found.is_dir() && found.uid() == getuid().as_raw() && found.mode() & 0o077 == 0;
    ensure!(ours, "{} is not a directory that only its owner may enter", path.display());
    Ok(path.to_owned())
}

/// The caller's directories, and whether a launcher uses each.
pub fn all() -> Vec<(PathBuf, bool)> {
    let entries = fs::read_dir(base()).into_iter().flatten().flatten();
    let used = |path: &Path| lock(path, FlockOperation::NonBlockingLockExclusive).is_err();
    entries.map(|entry| entry.path()).map(|path| (path.clone(), used(&path))).collect()
}

/// The lock is gone when the last copy of the descriptor is closed: the cleaner's, for a directory
/// in use.
fn lock(directory: &Path, how: FlockOperation) -> Result<File> {
    let what = || format!("lock {}", directory.display());
    let file = File::open(directory).with_context(what)?;
    flock(&file, how).with_context(what)?;
    Ok(file)
}

/// Whoever uses a directory holds its lock, and the kernel takes that away with the process.
fn remove_stale(base: &Path) {
    let entries = fs::read_dir(base).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        if lock(&path, FlockOperation::NonBlockingLockExclusive).is_ok() {
            let _ = remove_tree(&path);
        }
    }
}

/// Waits until the launcher has ended. Everything else is closed, so that nobody waits for us.
fn wait_for_end(mut launcher: impl Read + AsRawFd, used: &File) {
    let kept = [launcher.as_raw_fd(), used.as_raw_fd()];
    // SAFETY: closes descriptors that nothing here uses.
    unsafe { close_fds::close_open_fds(0, &kept) };
    let _ = launcher.read(&mut [0]);
}
