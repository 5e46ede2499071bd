//! Idmapped mount: the root filesystem belongs to the container's root, while on the disk nothing
//! changes its owner.

use std::fs::{self, File};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::{ffi::CString, io};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{chdir, geteuid, pause};
use user::Ids;

/// Replaces `rootfs` by a mount of it in which all owners are shifted as the ids are: what is
/// root's on the disk is the container's root's. That takes CAP_SYS_ADMIN over the filesystem, and
/// so is root's business.
pub fn shift(rootfs: &mut PathBuf, ids: &Ids) -> Result<()> {
    if !geteuid().is_root() || ids.uids.iter().all(|map| map.inside == map.outside) {
        return Ok(());
    }
    let tree =
        open_tree(rootfs).with_context(|| format!("root filesystem {}", rootfs.display()))?;
    let shifted = set_idmap(&tree, &user_namespace(ids)?);
    if let Err(error) = shifted.with_context(|| format!("idmapped mount of {}", rootfs.display())) {
        common::warn(&error, "what is root's will be nobody's inside");
    }
    attach(&tree, rootfs)?;
    *rootfs = ROOTFS.into();
    Ok(())
}

const ROOTFS: &str = "rootfs";

/// Attaches it where the container's root can get at it: on the way to the present place there may
/// be directories that only the caller may enter. Working directories are found again in the mounts
/// of a clone, so this one is made the parent of the new place. Nobody sees it, for all this is in
/// a mount namespace of the launcher's.
fn attach(tree: &OwnedFd, rootfs: &Path) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS).context("unshare CLONE_NEWNS")?;
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .context("make / private")?;
    mount(Some("tmpfs"), rootfs, Some("tmpfs"), MsFlags::empty(), Some("mode=755,size=4k"))
        .with_context(|| format!("root filesystem {}", rootfs.display()))?;
    chdir(rootfs).with_context(|| format!("chdir {}", rootfs.display()))?;
    fs::create_dir(ROOTFS).context("mkdir rootfs")?;
    let path = c_string(Path::new(ROOTFS))?;
    // SAFETY: two descriptors and two strings that outlive the call.
    let result = unsafe {
        let (from, to, empty) = (tree.as_raw_fd(), libc::AT_FDCWD, c"".as_ptr());
        libc::syscall(
            libc::SYS_move_mount,
            from,
            empty,
            to,
            path.as_ptr(),
            libc::MOVE_MOUNT_F_EMPTY_PATH,
        )
    };
    Errno::result(result).map(drop).context("move_mount to rootfs")
}

/// A user namespace with the container's maps. The kernel takes them from there and does not keep
/// it.
fn user_namespace(ids: &Ids) -> Result<File> {
    let holder = pid::spawn(&pid::clone_args(&[libc::CLONE_NEWUSER]), |launcher| {
        pid::die_with(launcher)?;
        loop {
            pause();
        }
    })?;
    user::map(&holder, ids)?;
    let path = format!("/proc/{}/ns/user", holder.pid);
    File::open(&path).with_context(|| format!("open {path}"))
}

/// open_tree(2): a copy of a mount, with what is mounted below it.
fn open_tree(path: &Path) -> Result<OwnedFd> {
    let path = c_string(path)?;
    let flags =
        libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | libc::AT_RECURSIVE as libc::c_uint;
    // SAFETY: the string outlives the call, and the descriptor that it returns is nobody else's.
    unsafe {
        let tree = libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags);
        Ok(OwnedFd::from_raw_fd(Errno::result(tree)? as i32))
    }
}

/// mount_setattr(2), MOUNT_ATTR_IDMAP
fn set_idmap(tree: &OwnedFd, namespace: &File) -> Result<(), Errno> {
    let attributes = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_IDMAP,
        attr_clr: 0,
        propagation: 0,
        userns_fd: namespace.as_raw_fd() as u64,
    };
    // SAFETY: the structure outlives the call, and the size is its own.
    let result = unsafe {
        let (empty, size) = (c"".as_ptr(), size_of_val(&attributes));
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            empty,
            libc::AT_EMPTY_PATH,
            &attributes,
            size,
        )
    };
    Errno::result(result).map(drop)
}

fn c_string(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}
