//! Control groups: the container's CPU time, memory and number of processes are limited and
//! counted.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};

use anyhow::{Context, Result};
use libc::{c_int, clone_args};
use mnt::Root;
use nix::sched::{CloneFlags, unshare};
use rustix::mount::MountAttrFlags;

mod cleaner;
pub mod hierarchy;
mod limits;
mod usage;

use cleaner::Cleaner;
use hierarchy::Hierarchy;
pub use limits::{Options, Size};

/// clone3(2): be born in the group whose descriptor is in `cgroup`. (As a C int, the type of libc's
/// constant, it is 0.)
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// The container's control group: one node in each hierarchy that has a controller for a limit
/// which was asked for. Without limits there are none, and nobody needs the right to make them.
pub struct Group {
    nodes: Vec<Node>,
    cleaner: Option<Cleaner>,
}

/// A directory of the cgroup filesystem, and the file in it by which the child enters.
struct Node {
    hierarchy: Hierarchy,
    dir: PathBuf,
    handle: File,
    entrance: File,
}

impl Group {
    /// Makes the group and sets its limits. It is removed when this process ends, however it ends.
    ///
    /// # Errors
    /// No hierarchy has the controller, or its tree may not be changed by this user.
    pub fn create(options: &Options) -> Result<Group> {
        let limits = options.limits();
        let mut group = Group { nodes: Vec::new(), cleaner: None };
        if limits.is_empty() {
            return Ok(group);
        }
        let controllers: Vec<_> = limits.iter().map(|limit| limit.controller).collect();
        let hierarchies = hierarchy::find(&controllers)?;
        let cleaner = group.cleaner.insert(Cleaner::start()?);
        for hierarchy in hierarchies {
            let dir = hierarchy.parent()?.join(format!("container-{}", process::id()));
            cleaner.remember(&dir)?;
            fs::create_dir(&dir).with_context(|| format!("mkdir {}", dir.display()))?;
            for limit in limits.iter().filter(|limit| hierarchy.has(limit.controller)) {
                limit.files(hierarchy.version).iter().try_for_each(|setting| set(&dir, setting))?;
            }
            group.nodes.push(Node::open(hierarchy, dir)?);
        }
        Ok(group)
    }

    /// As [`pid::clone_args`]; on cgroup v2 the child is born in the group, so that nothing of it
    /// is ever outside.
    pub fn clone_args(&self, namespaces: &[c_int]) -> clone_args {
        let mut args = pid::clone_args(namespaces);
        if let Some(node) = self.nodes.iter().find(|node| node.hierarchy.is_v2()) {
            args.flags |= CLONE_INTO_CGROUP;
            args.cgroup = node.handle.as_raw_fd() as u64;
        }
        args
    }

    /// The child's part: enters the groups that it was not born in, and makes them the `/` of its
    /// own view (cgroup_namespaces(7)).
    pub fn enter(&self) -> Result<()> {
        for node in self.nodes.iter().filter(|node| node.is_empty()) {
            // 0 is the writer itself. The file was opened by the launcher, and its rights are those
            // that count.
            (&node.entrance)
                .write_all(b"0")
                .with_context(|| format!("enter {}", node.dir.display()))?;
        }
        unshare(CloneFlags::CLONE_NEWCGROUP).context("unshare CLONE_NEWCGROUP")
    }

    /// Tells in one line on standard error what the container used, removes the group, and returns
    /// the exit code.
    pub fn report(self, code: ExitCode) -> Result<ExitCode> {
        if !self.nodes.is_empty() {
            common::print_stderr(&usage::of(&self.nodes));
        }
        self.cleaner.map_or(Ok(()), Cleaner::finish)?;
        Ok(code)
    }
}

impl Node {
    /// clone3 takes the directory itself; whoever exists already enters by one of its files.
    fn open(hierarchy: Hierarchy, dir: PathBuf) -> Result<Node> {
        let what = || format!("open {}", dir.display());
        let handle = File::open(&dir).with_context(what)?;
        let entrance = OpenOptions::new()
            .write(true)
            .open(dir.join(hierarchy.entrance()))
            .with_context(what)?;
        Ok(Node { hierarchy, dir, handle, entrance })
    }

    /// Whether no process is in it: none of ours, for nobody else knows it.
    fn is_empty(&self) -> bool {
        fs::read(self.dir.join("cgroup.procs")).is_ok_and(|processes| processes.is_empty())
    }
}

fn set(dir: &Path, (file, value): &(&str, String)) -> Result<()> {
    match fs::write(dir.join(file), value) {
        // Swap is counted where the kernel was told to; where it is not, there is nothing to limit.
        Err(error) if error.kind() == ErrorKind::NotFound && file.contains("sw") => Ok(()),
        result => result.with_context(|| format!("write {value} to {}", dir.join(file).display())),
    }
}

/// Mounts the part of the cgroup v2 tree that this cgroup namespace shows, for reading only.
pub fn mount_view(root: &Root) -> Result<()> {
    root.mount("cgroup2", "sys/fs/cgroup", mnt::INERT | MountAttrFlags::MOUNT_ATTR_RDONLY, &[])
}
