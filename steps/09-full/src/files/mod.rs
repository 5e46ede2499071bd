//! Files: the root filesystem, what else of the host the container sees, and how it may use both.
//!
//! # Layout
//!
//! - `tree`: a directory of the host as a descriptor, with flags that hold for all of it
//! - `image`: layers and a configuration instead of a directory
//! - `held`: layers stay on disk while the container uses them
//! - `overlay`: changes go to a layer of their own, and the root filesystem stays as it is
//! - `merge`: several directories as one tree
//! - `scratch`: the directory for such a layer, removed with the launcher however it ends
//! - `volumes`: files and directories of the host inside
//! - `mount_point`: what a volume is mounted on, made where it is missing
//! - `tmpfs`: files in memory
//! - `etc`: the files that say the container's name and address
//! - `exposure`: whether other users could reach what the container leaves

mod etc;
mod exposure;
mod held;
mod image;
mod merge;
mod mount_point;
mod overlay;
mod scratch;
mod tmpfs;
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
pub use etc::Etc;
pub use image::Config;
use image::Image;
use overlay::Overlay;
pub use scratch::all as layers;
use tree::Restrictions;
use volumes::Volume;

/// The options that belong to this.
#[derive(clap::Args, Debug)]
#[group(skip)]
#[rustfmt::skip]
pub struct Options {
    #[command(flatten)] volumes: volumes::Options,
    #[command(flatten)] overlay: overlay::Options,
    #[command(flatten)] tmpfs: tmpfs::Options,

    /// Let nothing be written to the root filesystem
    #[arg(long, conflicts_with = "overlay")]
    read_only: bool,
}

/// The container's files, as the launcher holds them.
pub struct Files {
    /// The root filesystem as the user typed it.
    rootfs: PathBuf,
    restrictions: Restrictions,
    /// Root's, opened with the rights of root: the container's root may have none on the way to it.
    tree: Option<OwnedFd>,
    overlay: Option<Overlay>,
    volumes: Vec<Volume>,
    image: Option<Image>,
}

/// Opens what the launcher must open, before there is a container. What an ordinary user's
/// container may open, it opens itself: only there they have the right to mount.
///
/// # Errors
/// ENOENT, ENOTDIR, EACCES as path_resolution(7) says; ROOTFS is the host's own root directory.
pub fn open(options: &Options, rootfs: &Path, ids: &Ids, suid: bool) -> Result<Files> {
    let shifted = geteuid().is_root() && !owners::identical(ids);
    tree::refuse_own_root(rootfs)?;
    let image = Image::open(rootfs)?;
    let lower = image.as_ref().map_or(rootfs, |image| &image.store).to_owned();
    // Nothing is written to the layers of an image.
    let needs_layer = !options.read_only
        && (image.is_some() || exposure::warn_if_exposed(rootfs, &options.overlay, ids)?);
    Ok(Files {
        restrictions: Restrictions { read_only: options.read_only, suid },
        tree: shifted.then(|| tree::open(&lower)).transpose()?,
        overlay: overlay::prepare(&options.overlay, needs_layer, shifted, rootfs)?,
        volumes: volumes::open(&options.volumes, shifted)?,
        rootfs: lower,
        image,
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

    /// The container's part: attaches the root filesystem, where nothing set-user-ID and no device
    /// works.
    ///
    /// # Errors
    /// As [`mnt::open_root`]; the kernel cannot mount an overlay that is needed.
    pub fn attach_root(&self) -> Result<Root> {
        let tree = match &self.tree {
            Some(tree) => tree.try_clone()?,
            None => tree::open(&self.rootfs)?,
        };
        let whole = [".".to_owned()];
        let layers = self.image.as_ref().map_or(&whole[..], |image| &image.layers);
        match &self.overlay {
            None if self.image.is_some() => {
                Root::attach(merge::merge(&tree, layers, None, self.restrictions)?)
            }
            None => tree::attach_restricted(tree, self.restrictions),
            Some(overlay) => match overlay.mount_over(&tree, layers, self.restrictions) {
                Err(error) if overlay.is_optional() => {
                    common::warn(&error, "writing to ROOTFS instead");
                    tree::attach_restricted(tree, self.restrictions)
                }
                merged => Root::attach(merged?),
            },
        }
    }

    /// What the image says about its container; nothing where there is no image.
    pub fn config(&self) -> Config {
        self.image.as_ref().map(|image| image.config.clone()).unwrap_or_default()
    }

    /// The container's part: mounts all else that it sees of files.
    pub fn mount_inside(&self, options: &Options, etc: &Etc, root: &Root) -> Result<()> {
        let missing = self.overlay.is_some(); // then it is made in the layer, not on ROOTFS
        etc.mount(root, missing)?;
        tmpfs::mount(&options.tmpfs, options.read_only, root)?;
        self.volumes.iter().try_for_each(|volume| volume.mount(root, missing))
    }
}
