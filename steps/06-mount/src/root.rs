//! The root filesystem of a container as a descriptor, and what is mounted inside it.

use std::cell::RefCell;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use anyhow::Result;
use common::{Operation, Tried};
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::mount::{MsFlags, mount};
use nix::sys::stat::Mode;
use rustix::fs::CWD;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};
use rustix::path::Arg;

/// The root filesystem, attached as a mount, before it becomes `/`.
pub struct Root {
    pub(crate) tree: OwnedFd,
    /// What was mounted inside so far: where, and the root directory of that mount.
    mounts: RefCell<Vec<(String, OwnedFd)>>,
}

/// Makes the directory `rootfs` a mount of its own in this mount namespace (open_tree(2)).
///
/// # Errors
/// EPERM outside a mount namespace that one owns; ENOENT, ENOTDIR, EACCES as path_resolution(7)
/// says.
pub fn attach_root(rootfs: &Path) -> Result<Root> {
    Root::attach(open_root(rootfs)?)
}

/// Copies the mount of the directory `rootfs`, with what is mounted below it. The copy is attached
/// nowhere yet, and held by its descriptor.
///
/// # Errors
/// As [`attach_root`].
pub fn open_root(rootfs: &Path) -> Result<OwnedFd> {
    let what = format_args!("root filesystem {}", rootfs.display());
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let directory = open(rootfs, flags, Mode::empty()).tried(Operation::OpenRootfs, what)?;
    copy_mount(&directory, "").tried(Operation::OpenRootfs, what)
}

impl Root {
    /// Attaches a mount that is nowhere in the mount table yet: pivot_root(2) asks for one that is.
    /// Where does not matter. On top of `/` no directory on the way can be closed to us.
    ///
    /// # Errors
    /// EPERM outside a mount namespace that one owns.
    pub fn attach(tree: OwnedFd) -> Result<Root> {
        move_mount(&tree, "", CWD, "/", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
            .tried(Operation::Bind, "attach the root filesystem")?;
        // Where / is shared, as systemd makes it, each mount here would appear on the host as well,
        // and pivot_root would fail. With a user namespace the kernel makes our copies slaves: then
        // only the host's new mounts would still appear here (mount_namespaces(7)).
        let none: Option<&str> = None;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
            .tried(Operation::ChangeMount, "make / private")?;
        Ok(Root { tree, mounts: RefCell::default() })
    }

    /// Mounts a new filesystem on `path` inside (fsopen(2), fsmount(2)).
    ///
    /// # Errors
    /// ENOENT where `path` is missing; EPERM, ENODEV as mount(2) says.
    pub fn mount(
        &self,
        fstype: &str,
        path: &str,
        flags: MountAttrFlags,
        options: &[(&str, &str)],
    ) -> Result<()> {
        let new_mount = || {
            let filesystem = fsopen(fstype, FsOpenFlags::FSOPEN_CLOEXEC)?;
            fsconfig_set_string(&filesystem, "source", fstype)?; // what mount(8) prints as the device
            options
                .iter()
                .try_for_each(|(key, value)| fsconfig_set_string(&filesystem, *key, *value))?;
            fsconfig_create(&filesystem)?;
            fsmount(&filesystem, FsMountFlags::FSMOUNT_CLOEXEC, flags)
        };
        let mount = new_mount()
            .tried(Operation::mount(fstype), format_args!("mount {fstype} on /{path}"))?;
        self.place(mount, path)
    }

    /// Shows the host's file or directory `source` on `path` inside, with what is mounted below it.
    ///
    /// # Errors
    /// ENOENT where either is missing; ENOTDIR for a file on a directory and the reverse.
    pub fn bind(&self, source: &str, path: &str) -> Result<()> {
        let copy = copy_mount(CWD, source);
        self.place(copy.tried(Operation::Bind, format_args!("bind {source} on /{path}"))?, path)
    }

    /// Places a mount that is nowhere in the mount table yet on `path` inside.
    ///
    /// # Errors
    /// As [`Root::resolve`]; ENOTDIR for a file on a directory and the reverse.
    pub fn place(&self, mount: OwnedFd, path: &str) -> Result<()> {
        self.place_on(&self.resolve(path)?, mount, path)
    }

    /// The same on `target`, which was found by `path`.
    ///
    /// # Errors
    /// ENOTDIR for a file on a directory and the reverse.
    pub fn place_on(&self, target: &OwnedFd, mount: OwnedFd, path: &str) -> Result<()> {
        let flags =
            MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        move_mount(&mount, "", target, "", flags)
            .tried(Operation::Bind, format_args!("attach to /{path}"))?;
        self.mounts.borrow_mut().push((path.to_owned(), mount));
        Ok(())
    }

    /// Finds `path` as the container will see it (openat2(2)). What we have mounted on the way is
    /// entered through its own descriptor, so that `proc/sys` can lie in our procfs only.
    ///
    /// # Errors
    /// ENOENT, ENOTDIR as path_resolution(7) says; ELOOP for a link of procfs, such as /proc/1/root.
    pub fn resolve(&self, path: &str) -> Result<OwnedFd> {
        self.open(path, OFlag::O_PATH)
    }

    /// Opens `path` as the container will see it.
    ///
    /// # Errors
    /// As [`Root::resolve`].
    pub fn open(&self, path: &str, flags: OFlag) -> Result<OwnedFd> {
        self.look_up(path, flags)
            .tried(Operation::OpenMountPoint, format_args!("mount point /{path}"))
    }

    /// Finds `path` as [`Root::resolve`] does; None where there is nothing.
    ///
    /// # Errors
    /// As [`Root::resolve`], but for ENOENT.
    pub fn find(&self, path: &str) -> Result<Option<OwnedFd>> {
        match self.look_up(path, OFlag::O_PATH) {
            Err(Errno::ENOENT) => Ok(None),
            result => result
                .map(Some)
                .tried(Operation::OpenMountPoint, format_args!("mount point /{path}")),
        }
    }

    fn look_up(&self, path: &str, flags: OFlag) -> nix::Result<OwnedFd> {
        let mounts = self.mounts.borrow();
        let above = mounts.iter().rev().find_map(|(at, mount)| Some((mount, below(path, at)?)));
        let (directory, rest) = above.unwrap_or((&self.tree, path));
        let inside = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS;
        let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(inside);
        common::retry(|| openat2(directory, rest, how))
    }
}

/// Copies a mount, or the part of it below `path`, with what is mounted there (open_tree(2)).
pub fn copy_mount(directory: impl AsFd, path: impl Arg) -> rustix::io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    open_tree(directory, path, flags | OpenTreeFlags::AT_RECURSIVE | OpenTreeFlags::AT_EMPTY_PATH)
}

/// The rest of `path` where it leads through `at`.
fn below<'a>(path: &'a str, at: &str) -> Option<&'a str> {
    match path.strip_prefix(at)? {
        "" => Some("."),
        rest => rest.strip_prefix('/'),
    }
}
