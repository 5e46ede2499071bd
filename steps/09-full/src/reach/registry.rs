//! The registry: a directory for each user, with a file for each of their containers that run.
//!
//! Nothing counts because it is written there. A launcher holds a lock on its file
//! (fcntl_locking(2)). The kernel takes the lock away when the launcher ends, however it ends, and
//! names the holder to anyone who asks, in the numbers of their own PID namespace. So a file that a
//! killed launcher left does not count, and no number in it can come to mean another process.
//!
//! Only its user may look into the directory or write there. So no other user can take a name,
//! stop a start, or add a row to a list.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag, renameat};
use nix::sys::stat::{SFlag, fstat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use serde::{Deserialize, Serialize};

pub(super) use lock::{Holder, holder, wait};

use super::network::hosts;
use super::publish::Port;

mod leftovers;
mod lock;
mod place;

/// No entry of ours is longer than this, whatever another user wrote into theirs.
const LONGEST: u64 = 1 << 16;

/// The containers of one user.
pub(super) struct Registry {
    directory: OwnedFd,
    /// The user's id.
    pub owner: u32,
    /// Device and inode: one directory may be found in two places.
    id: (u64, u64),
}

/// What others may want to know of a container, and the kernel does not.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Entry {
    /// Its root filesystem, as it was typed.
    pub rootfs: String,
    /// Its address, once it has one.
    pub address: Option<std::net::Ipv4Addr>,
    /// The ports that lead into it.
    pub ports: Vec<Port>,
    /// The network that it shares with neighbours.
    pub network: Option<String>,
}

impl Registry {
    /// While the returned value lives, no other process of this user changes the registry.
    pub fn lock(&self) -> Result<Flock<OwnedFd>> {
        let directory = self.directory.try_clone().context("dup")?;
        Flock::lock(directory, FlockArg::LockExclusive)
            .map_err(|(_, errno)| errno)
            .context("lock the registry of containers")
    }

    /// Writes the entry of a container of ours; the caller has the registry's lock. Returns its
    /// file: the entry counts while the calling process has the file open.
    ///
    /// Another process sees the entry as it was before, or whole and locked.
    pub fn write(&self, name: &str, entry: &Entry) -> Result<File> {
        let what = || format!("write the registry's entry {name}");
        let (new, file) = (".new", file_name(name));
        let _ = unlinkat(&self.directory, new, UnlinkatFlags::NoRemoveDir); // of a start that was killed here
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL;
        let mut written = self.open(new, flags).with_context(what)?;
        written.write_all(&serde_json::to_vec(entry)?).with_context(what)?;
        lock::hold(&written).with_context(what)?;
        renameat(&self.directory, new, &self.directory, file.as_str()).with_context(what)?;
        Ok(written)
    }

    /// Removes what killed launchers left, which is all that nobody holds but our own entry: of that
    /// the kernel does not say so. The caller has the registry's lock.
    pub fn remove_stale(&self, own: &str) {
        let stale = |name: &String| name != own && self.holder(name) == Some(Holder::Nobody);
        self.names().filter(stale).for_each(|name| self.remove(&name));
    }

    /// Removes an entry; the caller has the registry's lock.
    pub fn remove(&self, name: &str) {
        for file in [file_name(name), format!("{name}.{}", hosts::KIND)] {
            let _ = unlinkat(&self.directory, file.as_str(), UnlinkatFlags::NoRemoveDir);
        }
    }

    /// The names of all entries: also of those that killed launchers left.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.names_of("json")
    }

    /// The process that holds this name, if there is such an entry.
    pub fn holder(&self, name: &str) -> Option<Holder> {
        lock::holder(&self.file(name)?).ok()
    }

    /// The name that this process holds.
    pub fn name_of(&self, pid: i32) -> Option<String> {
        self.names().find(|name| self.holder(name) == Some(Holder::Process(pid)))
    }

    /// What is written of this container.
    pub fn read(&self, name: &str) -> Option<Entry> {
        let mut text = Vec::new();
        self.file(name)?.take(LONGEST).read_to_end(&mut text).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// An entry's file. What else its user may have put there is not opened, or not looked at.
    pub fn file(&self, name: &str) -> Option<File> {
        let file = self.open(&file_name(name), OFlag::O_RDONLY | OFlag::O_NONBLOCK).ok()?;
        let stat = fstat(&file).ok()?;
        let regular =
            SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()) == SFlag::S_IFREG;
        (regular && stat.st_uid == self.owner).then_some(file)
    }

    /// Opens a file of the directory itself: no link out of it, and nothing that is mounted there.
    fn open(&self, name: &str, flags: OFlag) -> Result<File, Errno> {
        place::open_beneath(&self.directory, name, flags).map(File::from)
    }
}

fn file_name(name: &str) -> String {
    format!("{name}.json")
}
