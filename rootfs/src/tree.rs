//! A root filesystem that is being filled. Every path is resolved as a process inside would resolve
//! it.
//!
//! A tree may come from an archive of unknown origin. A link in it (`etc -> /home/me`) must lead to
//! the tree's own /home/me, not to this machine's. openat2(2) with RESOLVE_IN_ROOT walks a path as
//! if the tree were `/`. What it finds is then used through its descriptor, never again through a
//! path.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use common::{Operation, Tried, printable};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, open, openat, openat2};
use nix::sys::stat::{FchmodatFlags, Mode, fchmod, fchmodat, mkdirat};
use nix::unistd::{UnlinkatFlags, linkat, symlinkat, unlinkat};

use crate::elf;

/// A directory, and what was copied into it so far.
pub struct Tree {
    root: OwnedFd,
    /// Where a file of this machine (its device, inode and mode) is in the tree.
    copied: HashMap<(u64, u64, u32), PathBuf>,
}

impl Tree {
    /// Opens the directory that will be filled.
    pub fn open(root: &Path) -> Result<Tree> {
        let root = open(root, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
            .with_context(|| format!("open {}", printable(root)))?;
        Ok(Tree { root, copied: HashMap::new() })
    }

    /// Whether the path leads to something.
    pub fn has(&self, path: &Path) -> bool {
        self.resolve(path, OFlag::O_PATH).is_ok()
    }

    /// Makes a directory and those above it, unless they exist.
    pub fn dir(&self, path: &Path, mode: u32) -> Result<()> {
        if self.has(path) {
            return Ok(());
        }
        let (parent, name) = self.parent(path)?;
        mkdirat(&parent, name, Mode::from_bits_truncate(0o755))
            .tried(Operation::BuildTree, words("make directory", path))?;
        // mkdir(2) leaves out the bits of the umask, and the sticky bit.
        self.chmod(path, mode)
    }

    fn chmod(&self, path: &Path, mode: u32) -> Result<()> {
        let (parent, name) = self.parent(path)?;
        fchmodat(&parent, name, Mode::from_bits_truncate(mode), FchmodatFlags::FollowSymlink)
            .with_context(|| words("change the mode of", path))
    }

    /// Makes a symbolic link, which replaces whatever is there.
    pub fn link(&self, path: &Path, target: &Path) -> Result<()> {
        let (parent, name) = self.vacant(path)?;
        symlinkat(target, &parent, name).tried(Operation::CreateLink, words("make link", path))
    }

    /// Writes a file, unless there is one.
    pub fn text(&self, path: &Path, mode: u32, text: &str) -> Result<()> {
        if self.has(path) {
            return Ok(());
        }
        let (parent, name) = self.vacant(path)?;
        create(&parent, name, mode)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .tried(Operation::BuildTree, words("write", path))
    }

    /// Copies a file of this machine, which replaces whatever is there; with its own mode, if none
    /// is given.
    pub fn copy(&mut self, path: &Path, source: &Path, mode: Option<u32>) -> Result<()> {
        let mut file = open_source(source)?;
        let meta = file.metadata().with_context(|| format!("read {}", printable(source)))?;
        let mode = mode.unwrap_or(meta.permissions().mode()) & 0o777;
        let (parent, name) = self.vacant(path)?;
        let id = (meta.dev(), meta.ino(), mode);
        if let Some(copy) = self.copied.get(&id).filter(|copy| *copy != path) {
            // Some systems have one large program with a hundred names; the tree stores it once, too.
            let linked = self.hard_link(copy, &parent, name);
            return linked.tried(Operation::CreateLink, words("link", path));
        }
        create(&parent, name, mode)
            .and_then(|mut copy| io::copy(&mut file, &mut copy))
            .tried(Operation::BuildTree, from_to(source, path))?;
        self.copied.insert(id, path.into());
        Ok(())
    }

    /// Copies what is loaded of a program; of any other file, all of it.
    pub fn copy_loaded(&mut self, path: &Path, source: &Path) -> Result<()> {
        let file = open_source(source)?;
        let Some(bytes) = elf::loaded(&file) else { return self.copy(path, source, None) };
        let mode = file.metadata().map(|meta| meta.permissions().mode() & 0o777);
        let mode = mode.with_context(|| format!("read {}", printable(source)))?;
        let (parent, name) = self.vacant(path)?;
        create(&parent, name, mode)
            .and_then(|mut copy| copy.write_all(&bytes))
            .tried(Operation::BuildTree, from_to(source, path))
    }

    fn hard_link(&self, copy: &Path, parent: &OwnedFd, name: &OsStr) -> Result<()> {
        let (copy_parent, copy_name) = self.parent(copy)?;
        Ok(linkat(copy_parent, copy_name, parent, name, AtFlags::empty())?)
    }

    /// The directory that holds the path's last name, and that name, with nothing there any more.
    fn vacant<'a>(&self, path: &'a Path) -> Result<(OwnedFd, &'a OsStr)> {
        let (parent, name) = self.parent(path)?;
        match unlinkat(&parent, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok((parent, name)),
            Err(errno) => Err(errno).with_context(|| words("replace", path)),
        }
    }

    /// The directory that holds the path's last name, which is made if need be, and that name.
    fn parent<'a>(&self, path: &'a Path) -> Result<(OwnedFd, &'a OsStr)> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            bail!("/{} is the tree itself", printable(path));
        };
        self.dir(parent, 0o755)?;
        let parent = self.resolve(parent, OFlag::O_PATH | OFlag::O_DIRECTORY);
        Ok((parent.with_context(|| words("find the directory of", path))?, name))
    }

    fn resolve(&self, path: &Path, flags: OFlag) -> nix::Result<OwnedFd> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let how =
            OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(ResolveFlag::RESOLVE_IN_ROOT);
        common::retry(|| openat2(&self.root, path, how))
    }
}

/// Makes a file that was not there, which also means: not through a link.
fn create(parent: &OwnedFd, name: &OsStr, mode: u32) -> io::Result<File> {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
    let file = openat(parent, name, flags, Mode::from_bits_truncate(0o600))?;
    fchmod(&file, Mode::from_bits_truncate(mode))?;
    Ok(File::from(file))
}

fn open_source(source: &Path) -> Result<File> {
    let file = File::open(source).with_context(|| format!("open {}", printable(source)))?;
    let is_file = file.metadata().is_ok_and(|meta| meta.is_file());
    ensure!(is_file, "{} is not a file", printable(source));
    Ok(file)
}

fn words(what: &str, path: &Path) -> String {
    format!("{what} /{} in the tree", printable(path))
}

fn from_to(source: &Path, path: &Path) -> String {
    format!("copy {} to /{} in the tree", printable(source), printable(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_link_to_the_outside_leads_inside() -> Result<()> {
        let (outside, inside) = (tempfile::tempdir()?, tempfile::tempdir()?);
        symlink(outside.path(), inside.path().join("etc"))?;
        let tree = Tree::open(inside.path())?;
        // The directory does not exist inside, and none is made outside.
        assert!(tree.text(Path::new("etc/passwd"), 0o644, "root").is_err());
        assert_eq!(fs::read_dir(outside.path())?.count(), 0);
        symlink("/", inside.path().join("up"))?;
        tree.text(Path::new("up/../../made"), 0o644, "")?;
        assert!(inside.path().join("made").exists());
        Ok(())
    }

    #[test]
    fn a_file_replaces_a_link_and_not_its_target() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let victim = dir.path().join("victim");
        fs::write(&victim, "untouched")?;
        fs::create_dir(dir.path().join("tree"))?;
        symlink(&victim, dir.path().join("tree/file"))?;
        Tree::open(&dir.path().join("tree"))?.copy(
            Path::new("file"),
            Path::new("/etc/passwd"),
            None,
        )?;
        assert_eq!(fs::read_to_string(victim)?, "untouched");
        assert!(fs::symlink_metadata(dir.path().join("tree/file"))?.is_file());
        Ok(())
    }

    #[test]
    fn set_id_bits_are_left_out_and_sticky_ones_kept() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let source = dir.path().join("source");
        fs::write(&source, "")?;
        fs::set_permissions(&source, fs::Permissions::from_mode(0o6755))?;
        let mut tree = Tree::open(dir.path())?;
        tree.copy(Path::new("copy"), &source, None)?;
        tree.dir(Path::new("a/tmp"), 0o1777)?;
        assert_eq!(fs::metadata(dir.path().join("copy"))?.mode() & 0o7777, 0o755);
        assert_eq!(fs::metadata(dir.path().join("a/tmp"))?.mode() & 0o7777, 0o1777);
        Ok(())
    }

    #[test]
    fn the_same_file_may_come_twice() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let mut tree = Tree::open(dir.path())?;
        for _ in 0..2 {
            tree.copy(Path::new("a"), Path::new("/etc/passwd"), None)?;
        }
        assert_eq!(fs::read(dir.path().join("a"))?, fs::read("/etc/passwd")?);
        Ok(())
    }

    #[test]
    fn one_file_with_two_names_is_stored_once() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let mut tree = Tree::open(dir.path())?;
        for name in ["a", "b/c"] {
            tree.copy(Path::new(name), Path::new("/etc/passwd"), None)?;
        }
        assert_eq!(
            fs::metadata(dir.path().join("a"))?.ino(),
            fs::metadata(dir.path().join("b/c"))?.ino()
        );
        Ok(())
    }
}
