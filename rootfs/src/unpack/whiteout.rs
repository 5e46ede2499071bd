//! Whiteouts: how a layer of an image removes what the layers below it have.
//!
//! | in the archive | meaning | as a directory for overlayfs |
//! |---|---|---|
//! | `a/.wh.b` | `a/b` is gone | `a/b`, a character device 0:0 |
//! | `a/.wh..wh..opq` | nothing below shows in `a` | `a` has the attribute `user.overlay.opaque` |
//!
//! Since Linux 5.8 every user may make that device, since it gives access to nothing; an ordinary
//! user may mount an overlay since 5.11, so whoever can use it can make it. The attribute is the
//! one that overlayfs reads with the option `userxattr`. Without that option it reads
//! `trusted.overlay.opaque`, which only root could set.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::{Context, Result};
use common::{Operation, Tried, printable};
use nix::dir::Dir;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, SFlag, mknodat};
use rustix::fs::XattrFlags;

use super::target::{Target, is, remove, stat};
use super::{hostile, split};

/// What is done with them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Whiteouts {
    /// The archive is not a layer: it may have files with such names.
    None,
    /// They are kept for overlayfs; what they hide is in other directories.
    Keep,
    /// What they hide is removed: all layers go into one directory.
    Apply,
}

/// The attribute of a directory that hides the one below it.
pub const OPAQUE: &str = "user.overlay.opaque";

const PREFIX: &[u8] = b".wh.";
/// The rest of the names that stand for the directory itself; other names that begin like it are
/// notes of an old driver, of no use here.
const SPECIAL: &[u8] = b".wh.";

impl Target {
    /// Does what the whiteout at this path means. Returns whether it is one.
    pub fn whiteout(&mut self, path: &Path) -> Result<bool> {
        let name = path.file_name().map(OsStr::as_bytes).unwrap_or_default();
        let Some(hidden) = name.strip_prefix(PREFIX) else { return Ok(false) };
        if self.whiteouts == Whiteouts::None {
            return Ok(false);
        }
        let parent = path.parent().unwrap_or(Path::new(""));
        match hidden {
            b".wh..opq" => self.hide_all_in(parent)?,
            hidden if hidden.starts_with(SPECIAL) => {}
            b"" | b"." | b".." => {
                return Err(hostile(format!("{} leads out of the tree", printable(path))));
            }
            hidden => self.hide(&parent.join(OsStr::from_bytes(hidden)))?,
        }
        Ok(true)
    }

    /// A layer may hide only what is below it: what it brings itself stays.
    fn hide(&mut self, path: &Path) -> Result<()> {
        let (directory, name) = split(path)?;
        let parent = self.make_directory(directory)?;
        self.hidden.insert(path.into());
        match stat(&parent, name) {
            Ok(found) if self.made.contains(&found.st_ino) => {
                if is(&found, SFlag::S_IFDIR) {
                    self.hide_all_in(path)
                } else {
                    Ok(())
                }
            }
            _ => {
                remove(&parent, name).with_context(|| format!("remove {}", printable(path)))?;
                self.mark(&parent, name, path)
            }
        }
    }

    fn mark(&self, parent: &OwnedFd, name: &OsStr, path: &Path) -> Result<()> {
        if self.whiteouts == Whiteouts::Apply {
            return Ok(());
        }
        mknodat(parent, name, SFlag::S_IFCHR, Mode::empty(), 0)
            .tried(Operation::BuildTree, format_args!("hide {} in the tree", printable(path)))
    }

    fn hide_all_in(&mut self, path: &Path) -> Result<()> {
        let directory = self.make_directory(path)?;
        match self.whiteouts {
            Whiteouts::Apply => {
                self.remove_older(directory).with_context(|| format!("empty {}", printable(path)))
            }
            _ => set_opaque(&directory)
                .with_context(|| format!("hide what is below {}", printable(path))),
        }
    }

    /// Removes what earlier layers have put there.
    fn remove_older(&self, directory: OwnedFd) -> io::Result<()> {
        for name in names(&directory)? {
            let found = stat(&directory, &name)?;
            if !self.made.contains(&found.st_ino) {
                remove(&directory, &name)?;
            } else if is(&found, SFlag::S_IFDIR) {
                let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
                self.remove_older(openat(&directory, &*name, flags, Mode::empty())?)?;
            }
        }
        Ok(())
    }

    /// A directory in the place of a whiteout is a new one: nothing below shows in it.
    pub fn show_again(&mut self, path: &Path, directory: &OwnedFd) -> Result<()> {
        if self.whiteouts == Whiteouts::Keep && self.hidden.contains(path) {
            set_opaque(directory).context("hide what is below")?;
        }
        Ok(())
    }
}

fn names(directory: &OwnedFd) -> io::Result<Vec<OsString>> {
    let readable = openat(directory, ".", OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    let mut names = Vec::new();
    for entry in Dir::from_fd(readable)?.iter() {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name != "." && name != ".." {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

fn set_opaque(directory: &OwnedFd) -> rustix::io::Result<()> {
    rustix::fs::fsetxattr(directory, OPAQUE, b"y", XattrFlags::empty())
}

/// Whether nothing below shows in this directory of a layer.
pub fn is_opaque(directory: &impl AsFd) -> bool {
    let mut value = [0; 1];
    rustix::fs::fgetxattr(directory, OPAQUE, &mut value).is_ok_and(|_| value == *b"y")
}
