//! Root filesystems that an experiment may write to.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result};

use super::{Host, HostPath, TREES};
use crate::paths;

impl Host {
    /// A new directory for a rootfs, of the user that starts the steps here.
    pub fn empty_rootfs(&self) -> Result<HostPath> {
        self.directory_in(&self.scratch.path().join(TREES))
    }

    /// A copy of the rootfs that may be written to, of the user that starts the steps here. Its files are
    /// links to the originals: replace them, but do not write into them.
    pub fn copy_of_rootfs(&self) -> Result<HostPath> {
        let copy = self.empty_rootfs()?;
        self.copy_tree(&paths::rootfs()?, &copy.here)?;
        Ok(copy)
    }

    /// Such a copy with the program `try-call` of this crate in /bin: it makes one system call, and
    /// its exit code is the errno.
    pub fn rootfs_with_try_call(&self) -> Result<HostPath> {
        self.rootfs_with("try-call")
    }

    /// Such a copy with a program of this workspace in /bin.
    pub fn rootfs_with(&self, name: &str) -> Result<HostPath> {
        let copy = self.copy_of_rootfs()?;
        self.add_program(name, &copy)?;
        Ok(copy)
    }

    /// Adds one more to such a copy.
    pub(crate) fn add_program(&self, name: &str, copy: &HostPath) -> Result<()> {
        let program = paths::binary(name)?;
        for library in paths::libraries(&program)? {
            copy_new(&library, &copy.here.join(library.strip_prefix("/")?))?;
        }
        copy_new(&program, &copy.here.join("bin").join(name))
    }

    fn copy_tree(&self, from: &Path, to: &Path) -> Result<()> {
        for entry in fs::read_dir(from).with_context(|| format!("read {}", from.display()))? {
            let entry = entry?;
            let (source, target) = (entry.path(), to.join(entry.file_name()));
            if entry.file_type()?.is_dir() {
                fs::create_dir(&target).with_context(|| format!("mkdir {}", target.display()))?;
                self.give_to_user(&target)?;
                self.copy_tree(&source, &target)?;
            } else if let Ok(link) = fs::read_link(&source) {
                symlink(link, &target).with_context(|| format!("symlink {}", target.display()))?;
            } else if fs::hard_link(&source, &target).is_err() {
                copy_new(&source, &target)?; // another file system, or another's file (proc(5), protected_hardlinks)
            }
        }
        Ok(())
    }
}

fn copy_new(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        return Ok(());
    }
    let directory = to.parent().context("no directory")?;
    fs::create_dir_all(directory).with_context(|| format!("mkdir {}", directory.display()))?;
    let _guard = paths::no_fork();
    fs::copy(from, to)
        .map(drop)
        .with_context(|| format!("copy {} to {}", from.display(), to.display()))
}
