//! Files: the root filesystem, what else of the host the container sees, and how it may use both.
//!
//! # Layout
//!
//! - `tree`: a directory of the host as a descriptor, with flags that hold for all of it
//! - `overlay`: changes go to a layer of their own, and the root filesystem stays as it is
//! - `scratch`: the directory for such a layer, removed with the launcher however it ends
//! - `volumes`: files and directories of the host inside
//! - `exposure`: whether other users could reach what the container leaves

mod exposure;
mod overlay;
mod scratch;
mod tree;
mod volumes;

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use anyhow::Result;
use mnt::Root;
use nix::unistd::geteuid;
use pid::Container;
use user::Ids;

use crate::owners;
use overlay::Overlay;
use volumes::Volume;

/// The options that belong to this.
#[derive(clap::Args, Debug)]
#[group(skip)]
#[rustfmt::skip]
pub struct Options {
    #[command(flatten)] volumes: volumes::Options,
    #[command(flatten)] overlay: overlay::Options,

    /// Let nothing be written to the root filesystem
    #[arg(long, conflicts_with = "overlay")]
    read_only: bool,
}

/// The container's files, as the launcher holds them.
pub struct Files {
    /// The root filesystem as the user typed it.
    rootfs: PathBuf,
    read_only: bool,
    /// Root's, opened with the rights of root: the container's root may have none on the way to it.
    tree: Option<OwnedFd>,
    overlay: Option<Overlay>,
    volumes: Vec<Volume>,
}

/// Opens what the launcher must open, before there is a container. What an ordinary user's
/// container may open, it opens itself: only there they have the right to mount.
///
/// # Errors
/// ENOENT, ENOTDIR, EACCES as path_resolution(7) says; ROOTFS is the host's own root directory.
pub fn open(options: &Options, rootfs: &Path, ids: &Ids) -> Result<Files> {
    let shifted = geteuid().is_root() && !owners::identical(ids);
    tree::refuse_own_root(rootfs)?;
    let exposed = !options.read_only && exposure::is_exposed(rootfs, ids)?;
    Ok(Files {
        rootfs: rootfs.to_owned(),
        read_only: options.read_only,
        tree: shifted.then(|| tree::open(rootfs)).transpose()?,
        overlay: overlay::prepare(&options.overlay, exposed, shifted, rootfs)?,
        volumes: volumes::open(&options.volumes, shifted)?,
    })
}

impl Files {
    /// The launcher's part, once the ids are mapped: what is root's on disk becomes the container's
    /// root's.
    pub fn shift_owners(&self, container: &Container) -> Result<()> {
        let root = self.tree.iter().map(|tree| (tree, self.rootfs.display().to_string()));
        let layer = self.overlay.iter().flat_map(Overlay::tree);
        let volumes = self.volumes.iter().flat_map(Volume::tree);
        let mut trees = root.chain(layer).chain(volumes).peekable();
        if trees.peek().is_none() { Ok(()) } else { owners::shift(trees, container) }
    }

    /// The container's part: attaches the root filesystem, which nothing set-user-ID and no device
    /// works on.
    pub fn attach_root(&self) -> Result<Root> {
        let tree = match &self.tree {
            Some(tree) => tree.try_clone()?,
            None => tree::open(&self.rootfs)?,
        };
        let Some(overlay) = &self.overlay else {
            return tree::attach_restricted(tree, self.read_only);
        };
        match overlay.mount_over(&tree) {
            Ok(merged) => Root::attach(merged),
            Err(error) if overlay.is_optional() => {
                common::warn(&error, "writing to ROOTFS instead");
                tree::attach_restricted(tree, false)
            }
            Err(error) => Err(error),
        }
    }

    /// The container's part: mounts the volumes.
    pub fn mount_volumes(&self, root: &Root) -> Result<()> {
        self.volumes.iter().try_for_each(|volume| volume.mount(root))
    }
}
