//! Several directories as one tree: an overlay, mounted where nobody sees it.

use std::os::fd::OwnedFd;

use anyhow::{Context, Result};
use common::{Operation, Tried};
use nix::fcntl::{OFlag, openat};
use nix::mount::mount;
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::fchdir;
use rustix::fs::CWD;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MoveMountFlags, fsconfig_create, fsconfig_set_string, fsmount,
    fsopen, move_mount,
};

use super::tree::Restrictions;

/// A directory in which nobody looks for anything. What is mounted there goes away together with the
/// host's root, and what lies on `/` itself takes another umount2(2): each waits for every CPU.
const UNUSED: &str = "/proc/fs";

/// Mounts the overlay in a tmpfs that [`mnt::pivot`] takes away with the host's files. Attributes are
/// those that an ordinary user's container can set, too, so that all layers are alike.
pub fn merge(
    lower: &OwnedFd,
    names: &[String],
    upper: Option<(&OwnedFd, &str)>,
    restrictions: Restrictions,
) -> Result<OwnedFd> {
    let table = new_tmpfs().tried(Operation::Mount, "mount a tmpfs for an overlay")?;
    let attach =
        |place| move_mount(&table, "", CWD, place, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH);
    attach(UNUSED).or_else(|_| attach("/")).tried(Operation::Bind, "attach a tmpfs")?;
    for (name, tree) in
        [("lower", Some(lower)), ("layer", upper.map(|(layer, _)| layer)), ("merged", None)]
    {
        mkdirat(&table, name, Mode::S_IRWXU).context("mkdir in a tmpfs")?;
        let attach = |tree| {
            move_mount(tree, "", &table, name, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
                .tried(Operation::Bind, format_args!("attach the {name} of an overlay"))
        };
        tree.map_or(Ok(()), attach)?;
    }
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    fchdir(openat(&table, "lower", flags, Mode::empty())?).context("fchdir to the layers")?;
    let options = upper.map_or("", |(_, options)| options);
    let data = format!("lowerdir={},userxattr{options}", names.join(":"));
    let flags = restrictions.flags();
    mount(Some("overlay"), "../merged", Some("overlay"), flags, Some(&*data))
        .tried(Operation::MountOverlay, "mount overlay")?;
    mnt::copy_mount(&table, "merged").tried(Operation::Bind, "copy the overlay")
}

fn new_tmpfs() -> rustix::io::Result<OwnedFd> {
    let filesystem = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&filesystem, "size", "64k")?;
    fsconfig_create(&filesystem)?;
    fsmount(&filesystem, FsMountFlags::FSMOUNT_CLOEXEC, mnt::INERT)
}
