//! Idmapped mount: the root filesystem belongs to the container's root, while on the disk nothing changes its owner.

use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::{ffi::CString, io};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::unistd::{geteuid, pause};
use user::Options;

/// The root filesystem as a mount that is not attached anywhere yet; none where the ids outside and inside are the same
/// or the caller may not shift them.
pub struct Shifted(Option<OwnedFd>);

/// Makes a copy of the mount on `rootfs` in which all owners are shifted as the ids are: what is root's on the disk is
/// the container's root's. Takes CAP_SYS_ADMIN over the filesystem, and so is root's business.
pub fn shift(rootfs: &Path, options: &Options) -> Result<Shifted> {
    if !geteuid().is_root() || options.uid_map.iter().all(|map| map.inside == map.outside) {
        return Ok(Shifted(None));
    }
    let tree = open_tree(rootfs).with_context(|| format!("root filesystem {}", rootfs.display()))?;
    match set_idmap(&tree, &user_namespace(options)?) {
        Ok(()) => Ok(Shifted(Some(tree))),
        Err(errno) => {
            let what = format!("idmapped mount of {}: {}", rootfs.display(), errno.desc());
            common::warn(
                &what,
                "its filesystem, or a kernel before 5.12, has none: what is root's will be nobody's inside",
            );
            Ok(Shifted(None))
        }
    }
}

impl Shifted {
    /// Attaches it over `rootfs`, in this mount namespace.
    ///
    /// Comes before [`user::become_root`]: on the way there may be directories that only the caller may enter.
    pub fn attach(&self, rootfs: &Path) -> Result<()> {
        let Some(tree) = &self.0 else { return Ok(()) };
        let path = c_string(rootfs)?;
        // SAFETY: two descriptors and two strings that outlive the call.
        let result = unsafe {
            let (from, to, empty) = (tree.as_raw_fd(), libc::AT_FDCWD, c"".as_ptr());
            libc::syscall(libc::SYS_move_mount, from, empty, to, path.as_ptr(), libc::MOVE_MOUNT_F_EMPTY_PATH)
        };
        Errno::result(result).map(drop).with_context(|| format!("move_mount to {}", rootfs.display()))
    }
}

/// A user namespace with the container's maps. The kernel takes them from there and does not keep it.
fn user_namespace(options: &Options) -> Result<File> {
    let holder = pid::spawn(&pid::clone_args(&[libc::CLONE_NEWUSER]), |launcher| {
        pid::die_with(launcher)?;
        loop {
            pause();
        }
    })?;
    user::map(&holder, options)?;
    let path = format!("/proc/{}/ns/user", holder.pid);
    File::open(&path).with_context(|| format!("open {path}"))
}

/// open_tree(2): a copy of a mount, with what is mounted below it.
fn open_tree(path: &Path) -> Result<OwnedFd> {
    let path = c_string(path)?;
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | libc::AT_RECURSIVE as libc::c_uint;
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
        libc::syscall(libc::SYS_mount_setattr, tree.as_raw_fd(), empty, libc::AT_EMPTY_PATH, &attributes, size)
    };
    Errno::result(result).map(drop)
}

fn c_string(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}
