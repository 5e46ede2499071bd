//! Removes what containers and images have left on the disk.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{FchmodatFlags, Mode, SFlag, fchmodat, fstat, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};

/// Removes a directory with everything in it; a missing one is fine. No link is followed.
///
/// Others decide what is in it. Directories may be closed to their own owner, and there may be more
/// levels of them than a process may have open files or words in a path. So each is moved up before
/// it is emptied, and few are open at a time.
///
/// # Errors
/// EACCES, EPERM: a directory in it belongs to another user; EBUSY: something is mounted in it.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found if !found.as_ref().is_ok_and(fs::Metadata::is_dir) => return fs::remove_file(path),
        _ => {}
    }
    let mut top = Top { directory: open(AT_FDCWD, path.as_os_str())?, moved: 0 };
    loop {
        let names = names(&top.directory)?;
        if names.is_empty() {
            return fs::remove_dir(path);
        }
        names.iter().try_for_each(|name| top.remove(name))?;
    }
}

/// The directory that is removed, to which those below it are moved.
struct Top {
    directory: OwnedFd,
    moved: u64,
}

impl Top {
    /// Removes an entry. Directories in it become entries of the top.
    fn remove(&mut self, name: &OsStr) -> nix::Result<()> {
        if unlink(&self.directory, name)? {
            return Ok(());
        }
        let directory = open(&self.directory, name)?;
        let mut full = Vec::new();
        // Files first: a disk that is full has room for the new names then.
        for below in names(&directory)? {
            if !unlink(&directory, &below)? {
                full.push(below);
            }
        }
        full.iter().try_for_each(|below| self.move_up(&directory, below))?;
        unlinkat(&self.directory, name, UnlinkatFlags::RemoveDir)
    }

    fn move_up(&mut self, parent: &OwnedFd, name: &OsStr) -> nix::Result<()> {
        drop(open(parent, name)?); // its `..` is changed, which takes the right to write
        loop {
            self.moved += 1;
            let free = format!(".{}", self.moved);
            match renameat(parent, name, &self.directory, free.as_str()) {
                Err(Errno::EEXIST | Errno::ENOTEMPTY | Errno::ENOTDIR) => {}
                done => return done,
            }
        }
    }
}

/// Removes a file or an empty directory. Returns whether it is gone.
fn unlink(parent: &OwnedFd, name: &OsStr) -> nix::Result<bool> {
    let flags = match fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Err(Errno::ENOENT) => return Ok(true),
        found if found?.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFDIR.bits() => {
            UnlinkatFlags::RemoveDir
        }
        _ => UnlinkatFlags::NoRemoveDir,
    };
    match unlinkat(parent, name, flags) {
        Err(Errno::ENOTEMPTY | Errno::EEXIST) => Ok(false),
        Ok(()) | Err(Errno::ENOENT) => Ok(true),
        Err(errno) => Err(errno),
    }
}

/// Opens a directory for reading, with every right of its owner. By descriptor, because a container
/// that still runs could put a link in its place.
fn open(parent: impl AsFd, name: &OsStr) -> nix::Result<OwnedFd> {
    let directory = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let path = OFlag::O_PATH | OFlag::O_NOFOLLOW;
    let found = openat(parent, name, directory | path, Mode::empty())?;
    let mode = fstat(&found)?.st_mode;
    if mode & 0o700 != 0o700 {
        let path = format!("/proc/self/fd/{}", found.as_raw_fd());
        let mode = Mode::from_bits_truncate(mode & 0o7777 | 0o700);
        // What is refused here is refused again, in words, when the directory is read.
        let _ = fchmodat(AT_FDCWD, path.as_str(), mode, FchmodatFlags::FollowSymlink);
    }
    openat(&found, ".", directory | OFlag::O_RDONLY, Mode::empty())
}

fn names(directory: &OwnedFd) -> nix::Result<Vec<OsString>> {
    let again = openat(directory, ".", OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    let mut names = Vec::new();
    for entry in Dir::from_fd(again)?.iter() {
        let name = OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned();
        if name != "." && name != ".." {
            names.push(name);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    use nix::sys::stat::mkdirat;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn closed_directories_go_and_links_lead_nowhere() -> io::Result<()> {
        let lab = tempfile::tempdir()?;
        let (tree, kept) = (lab.path().join("tree"), lab.path().join("kept"));
        fs::create_dir_all(tree.join("a/b/c"))?;
        fs::write(tree.join("a/b/file"), "")?;
        fs::write(tree.join(".1"), "taken")?;
        fs::create_dir(&kept)?;
        fs::write(kept.join("file"), "")?;
        symlink(&kept, tree.join("a/link"))?;
        for closed in ["a/b/c", "a/b", "a", ""] {
            fs::set_permissions(tree.join(closed), fs::Permissions::from_mode(0o000))?;
        }
        remove_tree(&tree)?;
        assert!(!tree.exists() && kept.join("file").exists());
        remove_tree(&tree)
    }

    #[test]
    fn there_may_be_more_levels_than_open_files() -> io::Result<()> {
        let lab = tempfile::tempdir()?;
        let tree = lab.path().join("tree");
        fs::create_dir(&tree)?;
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
        setrlimit(Resource::RLIMIT_NOFILE, soft.min(500), hard)?;
        let mut at = open(AT_FDCWD, tree.as_os_str())?;
        for _ in 0..600 {
            mkdirat(&at, "d", Mode::S_IRWXU)?;
            at = open(&at, "d".as_ref())?;
        }
        remove_tree(&tree)?;
        assert!(!tree.exists());
        Ok(())
    }
}
