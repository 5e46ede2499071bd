//! What a volume is mounted on, made where it is missing: a directory for a directory, a file for a
//! file.

use std::os::fd::OwnedFd;

use anyhow::{Context, Result};
use mnt::Root;
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, SFlag, fstat, mkdirat};

/// Makes `path` inside for something like `source`, with the directories on the way. Each is looked
/// for as the container will see it, and made beneath the descriptor of the one before.
pub fn make(root: &Root, path: &str, source: &OwnedFd) -> Result<()> {
    let mode = fstat(source).context("stat the volume")?.st_mode;
    let is_file = SFlag::from_bits_truncate(mode) & SFlag::S_IFMT != SFlag::S_IFDIR;
    let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
    for end in ends {
        let (directory, name) = path[..end].rsplit_once('/').unwrap_or((".", &path[..end]));
        if exists(root, &path[..end])? {
            continue;
        }
        let directory = root.resolve(directory)?;
        let made = if is_file && end == path.len() {
            let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
            openat(&directory, name, flags, Mode::S_IRUSR).map(drop)
        } else {
            mkdirat(&directory, name, Mode::from_bits_truncate(0o755))
        };
        made.with_context(|| format!("make mount point /{}", &path[..end]))?;
    }
    Ok(())
}

fn exists(root: &Root, path: &str) -> Result<bool> {
    match root.resolve(path) {
        Err(error) if common::errno(&error) == Some(Errno::ENOENT) => Ok(false),
        result => result.map(|_| true),
    }
}
