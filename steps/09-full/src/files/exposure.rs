//! Whether other users can reach ROOTFS. The container's root may leave a set-user-ID program
//! there, and on disk it may belong to the user who started the container. Anyone who can execute
//! it then has that user's rights.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::Result;
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::{getegid, geteuid};
use user::Ids;

use super::overlay;
use crate::owners;

/// Whether changes must go to a layer because others can reach ROOTFS; then a warning says so, unless
/// a layer was asked for.
pub fn warn_if_exposed(rootfs: &Path, overlay: &overlay::Options, ids: &Ids) -> Result<bool> {
    let exposed = is_exposed(rootfs, ids)?;
    if exposed && !overlay.is_given() {
        common::print_stderr(&format!(
            "warning: other users can reach {0}, and a set-user-ID program that the container \
             leaves there would be yours; changes go to a layer that is thrown away at the end\n\
             hint: to keep them, `chmod 700` a directory on the way to {0}, or use --overlay=DIR",
            rootfs.display()
        ));
    }
    Ok(exposed)
}

/// Whether the container could leave set-user-ID programs of the caller where others find them.
fn is_exposed(rootfs: &Path, ids: &Ids) -> Result<bool> {
    let shifted = geteuid().is_root() && !owners::identical(ids);
    let owner = if shifted { Some(0) } else { owners::outside(&ids.uids, 0) };
    let harmless = |flags: FsFlags| flags.intersects(FsFlags::ST_RDONLY | FsFlags::ST_NOSUID);
    Ok(owner == Some(geteuid().as_raw())
        && !statvfs(rootfs).is_ok_and(|it| harmless(it.flags()))
        && reachable(rootfs))
}

/// Whether others may enter every directory on the way, and `directory` itself.
fn reachable(directory: &Path) -> bool {
    let open = |directory: &Path| {
        fs::metadata(directory).is_ok_and(|it| {
            let group = it.mode() & 0o010 != 0 && it.gid() != 0 && it.gid() != getegid().as_raw();
            it.mode() & 0o001 != 0 || group
        })
    };
    directory.canonicalize().is_ok_and(|it| it.ancestors().all(open))
}
