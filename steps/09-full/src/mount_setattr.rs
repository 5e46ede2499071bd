//! mount_setattr(2), which changes a mount and all that are mounted below it at once. No library
//! has it yet.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;

/// Sets attributes of the mount `tree` and of the mounts below it; takes none away.
///
/// # Errors
/// ENOSYS before Linux 5.12; EPERM, EINVAL as mount_setattr(2) says.
pub fn set(tree: impl AsFd, attributes: u64) -> nix::Result<()> {
    mount_setattr(tree.as_fd(), libc::AT_RECURSIVE, attributes, None)
}

/// Shifts the owners of files by the maps of `user_namespace`: of the mounts below `tree` as well,
/// or of `tree` only.
///
/// # Errors
/// ENOSYS before Linux 5.12; EINVAL where the filesystem knows no idmapped mounts.
pub fn set_idmap(tree: impl AsFd, user_namespace: impl AsFd, recursively: bool) -> nix::Result<()> {
    let recursive = if recursively { libc::AT_RECURSIVE } else { 0 };
    let namespace = Some(user_namespace.as_fd());
    mount_setattr(tree.as_fd(), recursive, libc::MOUNT_ATTR_IDMAP, namespace)
}

fn mount_setattr(
    tree: BorrowedFd,
    recursive: libc::c_int,
    attributes: u64,
    user_namespace: Option<BorrowedFd>,
) -> nix::Result<()> {
    let attributes = libc::mount_attr {
        attr_set: attributes,
        attr_clr: 0,
        propagation: 0,
        userns_fd: user_namespace.map_or(0, |namespace| namespace.as_raw_fd() as u64),
    };
    let flags = libc::AT_EMPTY_PATH | recursive;
    // SAFETY: the structure outlives the call, and the size is its own.
    let result = unsafe {
        let (empty, size) = (c"".as_ptr(), size_of_val(&attributes));
        libc::syscall(libc::SYS_mount_setattr, tree.as_raw_fd(), empty, flags, &attributes, size)
    };
    Errno::result(result).map(drop)
}
