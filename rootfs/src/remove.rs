//! Removes trees with everything that containers can leave in them.
//!
//! | what is left | who can remove it |
//! |---|---|
//! | files and directories of the caller, whatever their modes | the caller, after chmod(2) |
//! | files of subordinate ids (step 09, unpacked images) | root of a user namespace with these ids |
//! | files of root in the caller's directories | the caller, because the directory decides |
//! | directories of root with something in them (steps 01 to 04) | root |

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use anyhow::Result;
use common::{Failure, printable};
use nix::dir::{Dir, Type};
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{Mode, fchmod, fstat};

use crate::{mounts, owners};

/// Removes a directory and everything in it; a missing one is fine.
///
/// # Errors
/// Something is mounted in it, or another user owns a directory in it: the hint says how to go on.
pub fn remove(path: &Path) -> Result<()> {
    mounts::refuse(path)?;
    match attempts(path) {
        Ok(()) => Ok(()),
        Err(error) => {
            let what = printable(path).to_string();
            let failure = Failure::new(format!("remove {what}: {}", first_line(&error)));
            let hint = match error.kind() {
                io::ErrorKind::PermissionDenied => format!(
                    "`find {what} ! -user $USER -ls` shows what belongs to others, such as root after a \
                     container of step 01: `sudo rm -rf --one-file-system {what}`"
                ),
                _ => format!("`ls -lR {what}` shows what remains"),
            };
            Err(failure.hint(hint).into())
        }
    }
}

/// Tries with the rights at hand, then with the modes changed, then with subordinate ids.
fn attempts(path: &Path) -> io::Result<()> {
    let denied = |done: &io::Result<()>| {
        done.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
    };
    let mut done = remove_all(path);
    if denied(&done) {
        open_directories(path);
        done = remove_all(path);
    }
    if denied(&done) && owners::enter_namespace().unwrap_or(false) {
        done = remove_all(path);
    }
    done
}

fn remove_all(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => fs::remove_file(path),
        done => done,
    }
}

/// Gives the caller every right to the directories that are the caller's. What fails here fails
/// again, in words, when it is removed.
fn open_directories(path: &Path) {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    if let Ok(dir) = open(path, flags, Mode::empty()) {
        let _ = open_directory(&dir);
    }
}

/// By descriptor: a container that still runs could put a link in the place of a directory.
fn open_directory(dir: &OwnedFd) -> nix::Result<()> {
    let mode = fstat(dir)?.st_mode;
    if mode & 0o700 != 0o700 {
        let path = format!("/proc/self/fd/{}", dir.as_raw_fd());
        let mode = Mode::from_bits_truncate(mode & 0o7777 | 0o700);
        nix::sys::stat::fchmodat(
            nix::fcntl::AT_FDCWD,
            path.as_str(),
            mode,
            nix::sys::stat::FchmodatFlags::FollowSymlink,
        )?;
    }
    let readable = openat(dir, ".", OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    for name in subdirectories(readable)? {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        if let Ok(below) = openat(dir, &name, flags, Mode::empty()) {
            let _ = open_directory(&below);
        }
    }
    Ok(())
}

fn subdirectories(dir: OwnedFd) -> nix::Result<Vec<PathBuf>> {
    use std::os::unix::ffi::OsStrExt;
    let mut names = Vec::new();
    for entry in Dir::from_fd(dir)?.iter() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        let may_be_directory = matches!(entry.file_type(), Some(Type::Directory) | None);
        if may_be_directory && name != b"." && name != b".." {
            names.push(Path::new(std::ffi::OsStr::from_bytes(name)).to_owned());
        }
    }
    Ok(names)
}

fn first_line(error: &io::Error) -> String {
    error.raw_os_error().map_or_else(
        || error.to_string(),
        |number| common::strerror(nix::errno::Errno::from_raw(number)),
    )
}

/// Makes a new directory that only the caller may change, with this mode whatever the umask is.
///
/// # Errors
/// What mkdir(2) reports; EEXIST is one.
pub fn create_directory(path: &Path, mode: u32) -> io::Result<()> {
    fs::create_dir(path)?;
    let dir = open(path, OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    Ok(fchmod(dir.as_fd(), Mode::from_bits_truncate(mode))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn closed_directories_are_removed() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let tree = dir.path().join("tree");
        fs::create_dir_all(tree.join("a/b"))?;
        fs::write(tree.join("a/b/c"), "")?;
        for closed in ["a/b", "a", ""] {
            fs::set_permissions(tree.join(closed), fs::Permissions::from_mode(0o000))?;
        }
        remove(&tree)?;
        assert!(!tree.exists());
        remove(&tree)
    }
}
