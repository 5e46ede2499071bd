//! A tree of the host's files as a descriptor: a copy of its mount that is attached nowhere yet.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use common::{Failure, Operation, Tried};
use mnt::Root;
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use procfs::process::{MountInfo, Process};
use rustix::fs::{AtFlags, CWD, StatxFlags, statx};

use crate::mount_setattr;

/// Opens ROOTFS.
///
/// # Errors
/// ENOENT, ENOTDIR, EACCES as path_resolution(7) says; EPERM without the right to mount.
pub fn open(rootfs: &Path) -> Result<OwnedFd> {
    mnt::open_root(rootfs)
}

/// Refuses the host's own `/` as ROOTFS: its files are not a container's to own.
pub fn refuse_own_root(rootfs: &Path) -> Result<()> {
    let place = |path: &Path| {
        statx(CWD, path, AtFlags::empty(), StatxFlags::BASIC_STATS)
            .map(|it| (it.stx_dev_major, it.stx_dev_minor, it.stx_ino))
    };
    match (place(rootfs), place(Path::new("/"))) {
        (Ok(given), Ok(own)) if given == own => {
            let what = format!("root filesystem {}: this is the host's own /", rootfs.display());
            let hint =
                "name a directory with a root filesystem of its own: `make rootfs` builds one";
            Err(Failure::new(what).hint(hint).into())
        }
        _ => Ok(()), // opening it says what else is wrong
    }
}

/// What a container may not do with the files of a tree. No device works there in any case.
#[derive(Clone, Copy, Default)]
pub struct Restrictions {
    /// Write.
    pub read_only: bool,
    /// Unless this is set, gain rights by a set-user-ID program.
    pub suid: bool,
}

impl Restrictions {
    /// As flags of mount(2).
    pub fn flags(self) -> MsFlags {
        let read_only = if self.read_only { MsFlags::MS_RDONLY } else { MsFlags::empty() };
        let nosuid = if self.suid { MsFlags::empty() } else { MsFlags::MS_NOSUID };
        MsFlags::MS_NODEV | read_only | nosuid
    }
}

/// Restricts every mount in a tree.
///
/// # Errors
/// ENOSYS before Linux 5.12.
pub fn restrict(tree: &OwnedFd, restrictions: Restrictions) -> Result<(), Errno> {
    let read_only = if restrictions.read_only { libc::MOUNT_ATTR_RDONLY } else { 0 };
    let nosuid = if restrictions.suid { 0 } else { libc::MOUNT_ATTR_NOSUID };
    mount_setattr::set(tree, libc::MOUNT_ATTR_NODEV | read_only | nosuid)
}

/// Attaches a restricted tree as the root filesystem.
pub fn attach_restricted(tree: OwnedFd, restrictions: Restrictions) -> Result<Root> {
    match restrict(&tree, restrictions) {
        // Before Linux 5.12 flags are set mount by mount, when they are in the mount table.
        Err(Errno::ENOSYS) => {
            let copy = tree.try_clone()?;
            let root = Root::attach(tree)?;
            restrict_each(&copy, restrictions)?;
            Ok(root)
        }
        result => {
            result.tried(Operation::ChangeMount, "restrict the root filesystem")?;
            Root::attach(tree)
        }
    }
}

/// Remounts an attached tree and every mount below it. The flags that a mount has must be repeated:
/// a user namespace may not take off what was set outside of it (mount_namespaces(7)).
pub fn restrict_each(tree: &OwnedFd, restrictions: Restrictions) -> Result<()> {
    let table =
        Process::myself().and_then(|own| own.mountinfo()).context("read the mount table")?;
    let table: Vec<MountInfo> = table.into_iter().collect();
    let id = statx(tree, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID).context("statx")?.stx_mnt_id;
    let top = table.iter().find(|mount| mount.mnt_id as u64 == id).context("find a mount")?;
    for mount in subtree(top, &table) {
        let below = mount.mount_point.strip_prefix(&top.mount_point).unwrap_or(Path::new(""));
        let mut path = PathBuf::from(format!("/proc/self/fd/{}", tree.as_raw_fd()));
        if below != Path::new("") {
            path.push(below); // an empty part would end the path with a slash, as only a directory's may
        }
        remount(&path, restrictions.flags() | present_flags(mount))?;
    }
    Ok(())
}

fn remount(path: &Path, flags: MsFlags) -> Result<()> {
    let none: Option<&str> = None;
    mount(none, path, none, MsFlags::MS_REMOUNT | MsFlags::MS_BIND | flags, none)
        .tried(Operation::ChangeMount, format_args!("restrict the mount {}", path.display()))
}

/// A mount and all below it.
fn subtree<'a>(top: &'a MountInfo, table: &'a [MountInfo]) -> Vec<&'a MountInfo> {
    let mut found = vec![top];
    let mut next = 0;
    while let Some(parent) = found.get(next).map(|mount| mount.mnt_id) {
        found.extend(table.iter().filter(|it| it.pid == parent && it.mnt_id != parent));
        next += 1;
    }
    found
}

fn present_flags(mount: &MountInfo) -> MsFlags {
    const NAMES: [(&str, MsFlags); 8] = [
        ("ro", MsFlags::MS_RDONLY),
        ("nosuid", MsFlags::MS_NOSUID),
        ("nodev", MsFlags::MS_NODEV),
        ("noexec", MsFlags::MS_NOEXEC),
        ("noatime", MsFlags::MS_NOATIME),
        ("nodiratime", MsFlags::MS_NODIRATIME),
        ("relatime", MsFlags::MS_RELATIME),
        ("nosymfollow", MsFlags::from_bits_retain(256)), // MS_NOSYMFOLLOW, since Linux 5.10
    ];
    let present = NAMES.iter().filter(|(name, _)| mount.mount_options.contains_key(*name));
    present.fold(MsFlags::empty(), |flags, (_, flag)| flags | *flag)
}
