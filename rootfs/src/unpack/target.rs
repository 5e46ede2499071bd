//! The directory that is filled from an archive.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use common::{Operation, Tried, printable};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, open, openat, openat2};
use nix::sys::stat::{
    FileStat, Mode, SFlag, UtimensatFlags, fchmod, fstat, fstatat, futimens, mkdirat, utimensat,
};
use nix::sys::statvfs::fstatvfs;
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchownat, geteuid, linkat, symlinkat, unlinkat};

use super::entry::Entry;
use super::whiteout::Whiteouts;
use super::{SetIds, hostile, library, split};
use crate::owners::Refused;

pub struct Target {
    pub root: OwnedFd,
    pub set_ids: SetIds,
    pub whiteouts: Whiteouts,
    /// The inodes that the present layer has made, or has named again.
    pub made: HashSet<u64>,
    /// Paths of whiteouts of the present layer.
    pub hidden: HashSet<PathBuf>,
    /// Directories get their modes and times last, when nothing more is put into them.
    directories: Vec<Directory>,
}

struct Directory {
    fd: Option<OwnedFd>,
    path: PathBuf,
    mode: u32,
    uid: u32,
    gid: u32,
    mtime: i64,
}

/// Descriptors of directories that are kept until the end; the others are looked up again.
const KEPT: usize = 64;

impl Target {
    pub fn open(root: &Path, whiteouts: Whiteouts, set_ids: SetIds) -> Result<Target> {
        let root = open(root, DIRECTORY | OFlag::O_RDONLY, Mode::empty())
            .with_context(|| format!("open {}", printable(root)))?;
        let (made, hidden, directories) = Default::default();
        Ok(Target { root, set_ids, whiteouts, made, hidden, directories })
    }

    pub fn begin_layer(&mut self) {
        self.made.clear();
        self.hidden.clear();
    }

    pub fn directory(&mut self, entry: &Entry) -> Result<()> {
        let fd = match entry.path == Path::new("") {
            true => self.root.try_clone().context("dup")?,
            false => self.entry_directory(&entry.path)?,
        };
        self.made.insert(fstat(&fd)?.st_ino);
        self.directories.push(Directory {
            fd: (self.directories.len() < KEPT).then_some(fd),
            path: entry.path.clone(),
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            mtime: entry.mtime,
        });
        Ok(())
    }

    /// In a layer, a directory hides a link of the layers below.
    fn entry_directory(&mut self, path: &Path) -> Result<OwnedFd> {
        if self.whiteouts != Whiteouts::None {
            let (above, name) = split(path)?;
            let parent = self.make_directory(above)?;
            if stat(&parent, name).is_ok_and(|found| is(&found, SFlag::S_IFLNK)) {
                remove(&parent, name).with_context(|| format!("replace {}", printable(path)))?;
            }
        }
        self.make_directory(path)
    }

    pub fn symlink(&mut self, path: &Path, to: &Path) -> Result<(OwnedFd, PathBuf)> {
        let (parent, name) = self.vacant(path)?;
        symlinkat(to, &parent, name).tried(Operation::CreateLink, "make the link")?;
        self.made.insert(stat(&parent, name)?.st_ino);
        Ok((parent, name.into()))
    }

    /// A link keeps its owner and its time; it has no mode.
    pub fn own_link(
        &self,
        (parent, name): &(OwnedFd, PathBuf),
        entry: &Entry,
        refused: &mut Refused,
    ) -> Result<()> {
        chown(parent.as_fd(), name, entry.uid, entry.gid, refused)?;
        let time = TimeSpec::new(entry.mtime, 0);
        utimensat(parent, name, &time, &time, UtimensatFlags::NoFollowSymlink).context("set time")
    }

    pub fn hard_link(&mut self, path: &Path, to: &Path) -> Result<()> {
        let (to_directory, to_name) = split(to)?;
        let from = self.resolve(to_directory, DIRECTORY | OFlag::O_PATH);
        let from = from.map_err(|errno| refused_path(errno, to))?;
        let found = fstatat(&from, to_name, AtFlags::AT_SYMLINK_NOFOLLOW);
        let found = found.with_context(|| format!("hard link to {}", printable(to)))?;
        let kind = SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT;
        ensure!(
            matches!(kind, SFlag::S_IFREG | SFlag::S_IFLNK),
            "hard link to {}, which is not a file of this archive",
            printable(to)
        );
        if path == to {
            return Ok(());
        }
        let (parent, name) = self.vacant(path)?;
        linkat(&from, to_name, &parent, name, AtFlags::empty())
            .tried(Operation::CreateLink, format_args!("hard link to {}", printable(to)))?;
        self.made.insert(found.st_ino);
        Ok(())
    }

    /// Makes an empty file, which only the caller may read until it is complete.
    pub fn file(&mut self, path: &Path) -> Result<File> {
        let (parent, name) = self.vacant(path)?;
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
        let file = openat(&parent, name, flags, Mode::from_bits_truncate(0o600))
            .tried(Operation::BuildTree, "make the file")?;
        self.made.insert(fstat(&file)?.st_ino);
        Ok(file.into())
    }

    /// Gives the directories of this layer their owners, modes and times, the deepest first.
    pub fn finish_directories(&mut self, refused: &mut Refused) -> Result<()> {
        let mut directories = std::mem::take(&mut self.directories);
        directories.sort_by(|a, b| a.path.cmp(&b.path));
        while let Some(mut directory) = directories.pop() {
            let fd = match directory.fd.take() {
                Some(fd) => fd,
                None => match self.resolve(&directory.path, DIRECTORY | OFlag::O_NOFOLLOW) {
                    Ok(fd) => fd,
                    Err(_) => continue, // a later entry has replaced it
                },
            };
            self.finish_directory(&fd, &directory, refused)
                .with_context(|| format!("directory {}", printable(&directory.path)))?;
        }
        Ok(())
    }

    fn finish_directory(
        &self,
        fd: &OwnedFd,
        want: &Directory,
        refused: &mut Refused,
    ) -> Result<()> {
        let lost = chown_fd(fd.as_fd(), want.uid, want.gid, refused)?;
        // Only its owner may write to it; without other ids that is the caller, who needs to.
        let own = if geteuid().is_root() { 0 } else { 0o700 };
        let keep = self.set_ids == SetIds::Keep && !lost;
        let mask = if keep { 0o7777 } else { 0o1777 };
        fchmod(fd, Mode::from_bits_truncate(want.mode & mask | own)).context("set mode")?;
        let time = TimeSpec::new(want.mtime, 0);
        futimens(fd, &time, &time).context("set time")
    }

    /// The directory that holds the path's last name, and that name, with nothing there any more.
    pub fn vacant<'a>(&mut self, path: &'a Path) -> Result<(OwnedFd, &'a OsStr)> {
        let (directory, name) = split(path)?;
        let parent = self.make_directory(directory)?;
        remove(&parent, name).with_context(|| format!("replace {}", printable(path)))?;
        Ok((parent, name))
    }

    /// Opens a directory, which is made with those above it if need be. Anything else in its place
    /// is replaced, as overlayfs would show it; a link to a directory is followed.
    pub fn make_directory(&mut self, path: &Path) -> Result<OwnedFd> {
        match self.resolve(path, DIRECTORY) {
            Ok(fd) => return Ok(fd),
            Err(Errno::ENOENT | Errno::ENOTDIR) if path != Path::new("") => {}
            Err(errno) => return Err(refused_path(errno, path)),
        }
        let (above, name) = split(path)?;
        let parent = self.make_directory(above)?;
        match stat(&parent, name) {
            Err(Errno::ENOENT) => {}
            // Through a link that leads nowhere nothing is made.
            Ok(found) if is(&found, SFlag::S_IFLNK) => {
                return Err(hostile(format!("{} is a link to no directory", printable(path))));
            }
            _ => remove(&parent, name).with_context(|| format!("replace {}", printable(path)))?,
        }
        mkdirat(&parent, name, Mode::from_bits_truncate(0o755))
            .tried(Operation::BuildTree, format_args!("make directory {}", printable(path)))?;
        let fd = openat(&parent, name, DIRECTORY | OFlag::O_NOFOLLOW, Mode::empty())
            .with_context(|| format!("open {}", printable(path)))?;
        fchmod(&fd, Mode::from_bits_truncate(0o755)).context("set mode")?;
        self.made.insert(fstat(&fd)?.st_ino);
        self.show_again(path, &fd)?;
        Ok(fd)
    }

    /// Opens what is at this path, if no link leads out of the tree.
    pub fn resolve(&self, path: &Path, flags: OFlag) -> nix::Result<OwnedFd> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let how = match self.whiteouts {
            // Below a link of another layer: as a process inside would follow it.
            Whiteouts::Apply => ResolveFlag::RESOLVE_IN_ROOT,
            _ => ResolveFlag::RESOLVE_BENEATH,
        };
        let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(how);
        common::retry(|| openat2(&self.root, path, how))
    }
}

const DIRECTORY: OFlag = OFlag::O_DIRECTORY.union(OFlag::O_CLOEXEC);

fn refused_path(errno: Errno, path: &Path) -> anyhow::Error {
    let path = printable(path);
    match errno {
        Errno::EXDEV => hostile(format!("{path} leads out of the tree through a link")),
        errno => anyhow::Error::new(errno).context(format!("open {path}")),
    }
}

pub fn stat(parent: &OwnedFd, name: &OsStr) -> nix::Result<FileStat> {
    fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW)
}

pub fn is(found: &FileStat, kind: SFlag) -> bool {
    SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT == kind
}

/// Removes what has this name in the directory, with everything below it.
pub fn remove(parent: &OwnedFd, name: &OsStr) -> io::Result<()> {
    match unlinkat(parent, name, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        // The standard library follows no link on its way down.
        Err(Errno::EISDIR | Errno::EPERM) => {
            let parent = format!("/proc/self/fd/{}", parent.as_raw_fd());
            common::remove_tree(&Path::new(&parent).join(name))
        }
        Err(errno) => Err(errno.into()),
    }
}

/// How much is copied at once.
const CHUNK: usize = 1 << 16;

/// What a hole reads as. To compare with it is one call of memcmp(3), also in a build that is not
/// optimized: an archive of a kilobyte may have a hole of terabytes.
const ZEROS: &[u8] = &[0; CHUNK];

/// Copies the content of an entry. Long rows of zeros become holes, as they were where the archive
/// was made.
pub fn copy(from: &mut impl Read, file: &File, entry: &Entry) -> Result<()> {
    check_room(file, entry)?;
    let (mut file, mut chunk, mut length) = (file, vec![0; CHUNK], 0);
    loop {
        let count = fill(from, &mut chunk).map_err(library).context("read the archive")?;
        if count == 0 {
            break;
        }
        length += count as u64;
        if entry.sparse && chunk[..count] == ZEROS[..count] {
            file.seek(SeekFrom::Current(count as i64))?;
        } else {
            file.write_all(&chunk[..count]).tried(Operation::BuildTree, "write in the tree")?;
        }
    }
    ensure!(length == entry.size, "it is cut off after {length} of {} bytes", entry.size);
    file.set_len(length).tried(Operation::BuildTree, "write in the tree")
}

fn fill(from: &mut impl Read, chunk: &mut [u8]) -> io::Result<usize> {
    let mut count = 0;
    while count < chunk.len() {
        match from.read(&mut chunk[count..]) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

/// Before anything is written: what the archive claims could be more than any disk holds.
fn check_room(file: &File, entry: &Entry) -> Result<()> {
    let disk = fstatvfs(file).context("statvfs")?;
    let block = disk.fragment_size() as u64;
    let room = if entry.sparse { disk.blocks() } else { disk.blocks_available() };
    if entry.size > (room as u64).saturating_mul(block) {
        let what = format!("write {} bytes in the tree", entry.size);
        return Err(Errno::ENOSPC).tried(Operation::BuildTree, what);
    }
    Ok(())
}

/// Returns whether the owner was refused.
pub fn set_owner(file: BorrowedFd, entry: &Entry, refused: &mut Refused) -> Result<bool> {
    chown_fd(file, entry.uid, entry.gid, refused)
}

pub fn set_mode(file: BorrowedFd, entry: &Entry, privileges: bool) -> Result<()> {
    let mask = if privileges { 0o7777 } else { 0o1777 };
    if let Some(value) = entry.capability.as_ref().filter(|_| privileges) {
        set_capability(file, value)?;
    }
    fchmod(file, Mode::from_bits_truncate(entry.mode & mask)).context("set mode")?;
    let time = TimeSpec::new(entry.mtime, 0);
    futimens(file, &time, &time).context("set time")
}

/// Without the right to, and where the filesystem has no attributes, the program has none.
fn set_capability(file: BorrowedFd, value: &[u8]) -> Result<()> {
    use rustix::fs::XattrFlags;
    use rustix::io::Errno;
    match rustix::fs::fsetxattr(file, "security.capability", value, XattrFlags::empty()) {
        Ok(()) | Err(Errno::PERM | Errno::OPNOTSUPP) => Ok(()),
        Err(Errno::INVAL) => bail!("its capabilities are no value that the kernel knows"),
        done => done.context("set capabilities"),
    }
}

fn chown_fd(file: BorrowedFd, uid: u32, gid: u32, refused: &mut Refused) -> Result<bool> {
    if let Some(lost) = without_root(uid, gid, refused)? {
        return Ok(lost);
    }
    let done = nix::unistd::fchown(file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    refused.count(done).context("set owner")
}

fn chown(
    parent: BorrowedFd,
    name: &Path,
    uid: u32,
    gid: u32,
    refused: &mut Refused,
) -> Result<bool> {
    if let Some(lost) = without_root(uid, gid, refused)? {
        return Ok(lost);
    }
    let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    let done = fchownat(parent, name, uid, gid, AtFlags::AT_SYMLINK_NOFOLLOW);
    refused.count(done).context("set owner")
}

/// An ordinary user stands for root, and cannot give a file away.
fn without_root(uid: u32, gid: u32, refused: &mut Refused) -> nix::Result<Option<bool>> {
    if geteuid().is_root() {
        return Ok(None);
    }
    let done = if (uid, gid) == (0, 0) { Ok(()) } else { Err(Errno::EPERM) };
    refused.count(done).map(Some)
}
