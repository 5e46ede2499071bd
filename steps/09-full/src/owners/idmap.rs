//! Idmapped mount: files belong to the container's ids, while on disk nothing changes its owner.

use std::fs::File;
use std::os::fd::OwnedFd;

use anyhow::{Context, Result};
use common::{Operation, Tried};
use nix::errno::Errno;
use pid::Container;

use crate::mount_setattr;

/// Shifts the owners in these trees as the container's ids are: what is root's on disk is the
/// container's root's. The kernel asks for CAP_SYS_ADMIN over the filesystem, so only root can.
///
/// Comes after the maps are written, and before a tree is attached anywhere. Where the filesystem
/// cannot, the owners stay as they are, with a warning.
pub fn shift<'a>(
    trees: impl Iterator<Item = (&'a OwnedFd, String)>,
    container: &Container,
) -> Result<()> {
    let path = format!("/proc/{}/ns/user", container.pid);
    let namespace = File::open(&path).with_context(|| format!("open {path}"))?;
    for (tree, name) in trees {
        let all = mount_setattr::set_idmap(tree, &namespace, true);
        // One filesystem below that cannot, such as proc, does not spoil it for the top.
        let shifted = match all {
            Err(Errno::EINVAL) => mount_setattr::set_idmap(tree, &namespace, false),
            result => result,
        };
        let what = format_args!("idmapped mount of {name}");
        if let Err(error) = shifted.tried(Operation::IdmapMount, what) {
            common::warn(&error, "what is root's will be nobody's inside");
        }
    }
    Ok(())
}
