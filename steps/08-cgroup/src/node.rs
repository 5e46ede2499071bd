//! A group in one hierarchy: created under a name that nobody else has, limited, entered.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use anyhow::{Context, Result};
use common::{Operation, Tried};
use nix::unistd::mkdtemp;
use rustix::fs::{FlockOperation, flock};

use crate::cleaner::NAME;
use crate::files::{Directory, Limit};
use crate::hierarchy::Hierarchy;

/// A directory of the cgroup filesystem, and the file in it by which the child enters.
pub struct Node {
    hierarchy: Hierarchy,
    pub dir: Directory,
    /// Locked as long as the launcher lives.
    pub handle: File,
    entrance: File,
}

impl Node {
    /// Creates a group in this hierarchy.
    pub fn create(hierarchy: Hierarchy) -> Result<Node> {
        let parent = hierarchy.parent()?;
        let (path, handle) = loop {
            // A process number would not do as a name: it occurs once in each PID namespace.
            let path = mkdtemp(&parent.join(NAME)).tried(
                Operation::CreateGroup,
                format_args!("mkdir {}", parent.join(NAME).display()),
            )?;
            if let Some(handle) = lock(&path)? {
                break (path, handle);
            }
        };
        // clone3 takes the directory itself; a process that exists enters by one of its files.
        let dir = Directory { path, ..hierarchy.own.clone() };
        let door = dir.entrance();
        let entrance = OpenOptions::new().write(true).open(&door);
        let entrance = entrance.with_context(|| format!("open {}", door.display()))?;
        Ok(Node { hierarchy, dir, handle, entrance })
    }

    /// Returns whether the group's hierarchy provides this one of the requested controllers.
    pub fn has(&self, controller: &str) -> bool {
        self.hierarchy.has(controller)
    }

    /// A new group of `cpuset` has no CPU and no memory, and nothing can enter it: it gets those of
    /// the group above.
    pub fn inherit(&self) -> Result<()> {
        let files = if self.has("cpuset") { &["cpuset.cpus", "cpuset.mems"][..] } else { &[] };
        files.iter().try_for_each(|file| {
            let above = fs::read(self.hierarchy.own.path.join(file));
            let copied = above.and_then(|above| fs::write(self.dir.path.join(file), above));
            copied.with_context(|| format!("copy {file} to {}", self.dir.path.display()))
        })
    }

    /// Sets a limit.
    pub fn set(&self, limit: &Limit) -> Result<()> {
        for (file, value) in limit.files(self.dir.version) {
            let path = self.dir.path.join(file);
            match fs::write(&path, value) {
                // Without CONFIG_SWAP, or with swapaccount=0, there is no swap to limit.
                Err(error) if error.kind() == ErrorKind::NotFound && file.contains("sw") => {}
                result => result.tried(
                    Operation::limit(file),
                    format_args!("write {value} to {}", path.display()),
                )?,
            }
        }
        Ok(())
    }

    /// Moves this process into the group. The file was opened by the launcher, and the launcher's
    /// rights are those that count.
    pub fn enter(&self) -> Result<()> {
        (&self.entrance) // 0 is the writer itself
            .write_all(b"0")
            .tried(Operation::JoinGroup, format_args!("enter {}", self.dir.path.display()))
    }
}

/// Locks a new group, so that no other launcher takes it for abandoned. Returns nothing if one was
/// faster and has removed it.
fn lock(group: &PathBuf) -> Result<Option<File>> {
    let what = || format!("lock {}", group.display());
    let handle = match File::open(group) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        result => result.with_context(what)?,
    };
    flock(&handle, FlockOperation::LockExclusive).with_context(what)?;
    // mkdtemp gave it the mode 0700: until here no other user could open and lock it.
    match fs::set_permissions(group, Permissions::from_mode(0o755)) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        result => result.map(|()| Some(handle)).with_context(what),
    }
}
