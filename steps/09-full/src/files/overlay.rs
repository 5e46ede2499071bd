//! Copy on write: what the container changes goes to a layer of its own, and the root filesystem
//! stays as it is (the kernel's Documentation/filesystems/overlayfs.rst).

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use common::{Operation, Tried};
use nix::mount::{MntFlags, umount2};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::fchdir;
use rustix::fs::CWD;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen, move_mount,
};

use super::scratch::Scratch;

/// The options that belong to this.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub struct Options {
    /// Leave ROOTFS as it is: what is written is thrown away at the end, or with DIR kept there
    /// for the next start
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true)]
    overlay: Option<Option<PathBuf>>,
}

/// The layer to which the container writes.
pub struct Overlay {
    directory: PathBuf,
    /// Root's, opened with the rights of root.
    tree: Option<OwnedFd>,
    scratch: Option<Scratch>,
    /// Whether others can reach ROOTFS, so that there must be a layer.
    needed: bool,
}

/// Makes the directories of the layer, where one is asked for, or others can reach ROOTFS.
///
/// # Errors
/// DIR cannot be made or is not the caller's.
pub fn prepare(
    options: &Options,
    exposed: bool,
    shifted: bool,
    rootfs: &Path,
) -> Result<Option<Overlay>> {
    let (scratch, directory) = match (&options.overlay, exposed) {
        (None, false) => return Ok(None),
        (Some(Some(directory)), _) => (None, directory.clone()),
        (asked, _) => {
            if asked.is_none() {
                warn_of_exposure(rootfs);
            }
            let scratch = Scratch::new()?;
            let directory = scratch.path().to_owned();
            (Some(scratch), directory)
        }
    };
    make_directories(&directory, rootfs)?;
    let tree = shifted.then(|| copy(&directory)).transpose()?;
    Ok(Some(Overlay { directory, tree, scratch, needed: exposed }))
}

fn warn_of_exposure(rootfs: &Path) {
    common::print_stderr(&format!(
        "warning: other users can reach {0}, and a set-user-ID program that the container leaves \
         there would be yours; changes go to a layer that is thrown away at the end\n\
         hint: to keep them, `chmod 700` a directory on the way to {0}, or use --overlay=DIR",
        rootfs.display()
    ));
}

/// `upper` and `work`, as overlayfs calls them. The root directory inside has the mode of `upper`.
fn make_directories(directory: &Path, rootfs: &Path) -> Result<()> {
    let mode = fs::metadata(rootfs).map_or(0o755, |it| it.mode() & 0o7777);
    let make = |path: &Path| match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(_) if path.is_dir() => Ok(()),
        result => result.with_context(|| format!("make directory {}", path.display())),
    };
    make(directory)?;
    make(&directory.join("work"))?;
    let upper = directory.join("upper");
    let new = !upper.is_dir();
    make(&upper)?;
    if new {
        fs::set_permissions(&upper, fs::Permissions::from_mode(mode)).context("chmod upper")?;
    }
    Ok(())
}

fn copy(directory: &Path) -> Result<OwnedFd> {
    mnt::open_root(directory)
}

impl Overlay {
    /// Its files, and what they are called.
    pub fn tree(&self) -> Option<(&OwnedFd, String)> {
        Some((self.tree.as_ref()?, self.directory.display().to_string()))
    }

    /// Whether the container may go on without the layer, where the kernel cannot make one.
    pub fn is_optional(&self) -> bool {
        self.scratch.is_some() && !self.needed
    }

    /// The container's part: lays the layer over `lower`. The layers have short names, because
    /// mount options end at 4096 bytes, in a tmpfs that nobody sees.
    ///
    /// # Errors
    /// EINVAL for idmapped layers before Linux 5.19; EPERM without the right to mount.
    pub fn mount_over(&self, lower: &OwnedFd) -> Result<OwnedFd> {
        let table = new_mount("tmpfs", &[("mode", "700"), ("size", "64k")], false)?;
        move_mount(&table, "", CWD, "/", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
            .tried(Operation::Bind, "attach a tmpfs")?;
        let layer =
            self.tree.as_ref().map_or_else(|| copy(&self.directory), |it| Ok(it.try_clone()?))?;
        for (name, tree) in [("lower", lower), ("layer", &layer)] {
            mkdirat(&table, name, Mode::S_IRWXU).context("mkdir in a tmpfs")?;
            move_mount(tree, "", &table, name, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
                .tried(Operation::Bind, format_args!("attach the {name} of an overlay"))?;
        }
        fchdir(&table).context("fchdir to a tmpfs")?;
        let layers =
            [("lowerdir", "lower"), ("upperdir", "layer/upper"), ("workdir", "layer/work")];
        let merged = new_mount("overlay", &layers, self.scratch.is_some())?;
        // It has clones of the layers of its own.
        umount2(".", MntFlags::MNT_DETACH).tried(Operation::Unmount, "umount a tmpfs")?;
        Ok(merged)
    }
}

/// A filesystem that nothing set-user-ID and no device works on, attached nowhere yet.
fn new_mount(fstype: &str, options: &[(&str, &str)], volatile: bool) -> Result<OwnedFd> {
    let mount = || {
        let filesystem = fsopen(fstype, FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_set_string(&filesystem, "source", fstype)?;
        options
            .iter()
            .try_for_each(|(key, value)| fsconfig_set_string(&filesystem, *key, *value))?;
        if fstype == "overlay" {
            // Attributes that an ordinary user's container can set, too: all layers are alike.
            fsconfig_set_flag(&filesystem, "userxattr")?;
        }
        if volatile {
            fsconfig_set_flag(&filesystem, "volatile")?; // what is thrown away need not reach the disk
        }
        fsconfig_create(&filesystem)?;
        let flags = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
        fsmount(&filesystem, FsMountFlags::FSMOUNT_CLOEXEC, flags)
    };
    mount().tried(Operation::mount(fstype), format_args!("mount {fstype}"))
}
