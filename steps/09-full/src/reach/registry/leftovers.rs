//! What else lies in a registry: names by the kinds of their files, and the files that outlive a
//! container, its log and its exit code.

use std::fs::File;

use anyhow::{Context, Result};
use nix::dir::Dir;
use nix::fcntl::{OFlag, renameat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::{Registry, lock};
use crate::reach::{log, name};

/// Root does not read more entries than this of another user.
const MOST: usize = 4096;

impl Registry {
    /// Makes a file that outlives the container of this name; it is locked while we have it open.
    pub fn create(&self, name: &str, kind: &str) -> Result<File> {
        let what = || format!("write {name}.{kind} in the registry");
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_APPEND;
        let file = self.open(&format!("{name}.{kind}"), flags).with_context(what)?;
        lock::hold(&file).with_context(what)?;
        Ok(file)
    }

    /// Makes a file that nobody has open yet, instead of one that a killed launcher left.
    pub fn create_anew(&self, name: &str, kind: &str) -> Result<File> {
        let file = format!("{name}.{kind}");
        let _ = unlinkat(&self.directory, file.as_str(), UnlinkatFlags::NoRemoveDir);
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL;
        self.open(&file, flags).with_context(|| format!("create {file} in the registry"))
    }

    /// Opens such a file of another launcher of this user for writing.
    pub fn to_write(&self, name: &str, kind: &str) -> Option<File> {
        self.open(&format!("{name}.{kind}"), OFlag::O_RDWR | OFlag::O_NONBLOCK).ok()
    }

    /// Such a file of another process.
    pub fn of(&self, name: &str, kind: &str) -> Option<File> {
        let name = name::is_valid(name).then(|| format!("{name}.{kind}"))?;
        self.open(&name, OFlag::O_RDONLY | OFlag::O_NONBLOCK).ok()
    }

    /// The names of which a log is kept.
    pub fn logged(&self) -> impl Iterator<Item = String> {
        self.names_of(log::LOG)
    }

    /// The names for which there is a file of this kind.
    pub(super) fn names_of(&self, kind: &str) -> impl Iterator<Item = String> {
        let names = |mut directory: Dir| -> Vec<String> {
            let files = directory.iter().flatten().take(MOST);
            files.filter_map(|file| name_of(file.file_name().to_str().ok()?, kind)).collect()
        };
        let again = self.open(".", OFlag::O_RDONLY | OFlag::O_DIRECTORY);
        again.and_then(|file| Dir::from_fd(file.into())).map(names).unwrap_or_default().into_iter()
    }

    /// Makes it one of another kind.
    pub fn rename(&self, name: &str, from: &str, to: &str) -> Result<()> {
        let (from, to) = (format!("{name}.{from}"), format!("{name}.{to}"));
        renameat(&self.directory, from.as_str(), &self.directory, to.as_str())
            .with_context(|| format!("rename {from} in the registry"))
    }

    /// Removes what outlived an earlier container of this name; the caller has the registry's lock.
    pub fn forget(&self, name: &str) {
        for kind in log::KINDS {
            let file = format!("{name}.{kind}");
            let _ = unlinkat(&self.directory, file.as_str(), UnlinkatFlags::NoRemoveDir);
        }
    }
}

/// Only a name that `--name` would take: another user's files may be called anything.
fn name_of(file: &str, kind: &str) -> Option<String> {
    let name = file.strip_suffix(kind)?.strip_suffix('.')?;
    name::is_valid(name).then(|| name.to_owned())
}
