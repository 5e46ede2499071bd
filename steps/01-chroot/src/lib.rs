//! chroot: another directory becomes `/`, for this process and its children.

use std::path::Path;

use anyhow::{Context, Result};
use common::{Operation, Tried};
use nix::unistd;

/// Makes `rootfs` the root directory of this process, and changes to it.
///
/// # Errors
/// EPERM without CAP_SYS_CHROOT; ENOENT, ENOTDIR, EACCES as path_resolution(7) says.
pub fn enter(rootfs: &Path) -> Result<()> {
    unistd::chroot(rootfs).tried(Operation::Chroot, format_args!("chroot {}", rootfs.display()))?;
    // chroot(2) only changes what "/" means. Without this line "." stays outside, and "../.." leads
    // further out.
    unistd::chdir("/").context("chdir /")
}
