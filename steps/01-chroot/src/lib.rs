//! chroot: another directory becomes `/`, for this process and its children.

use std::path::Path;

use anyhow::{Context, Result};
use nix::unistd;

/// Makes `rootfs` the root directory of this process and goes there.
///
/// # Errors
/// EPERM without CAP_SYS_CHROOT; ENOENT, ENOTDIR, EACCES as path_resolution(7) says.
pub fn enter(rootfs: &Path) -> Result<()> {
    unistd::chroot(rootfs).with_context(|| format!("chroot {}", rootfs.display()))?;
    // chroot(2) changes what "/" means and nothing else. Without this line "." stays outside, and
    // so does "../..".
    unistd::chdir("/").context("chdir /")
}
