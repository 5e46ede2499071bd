//! Copy on write: what the container changes goes to a layer of its own, and the root filesystem
//! stays as it is (the kernel's Documentation/filesystems/overlayfs.rst).

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::merge;
use super::scratch::Scratch;
use super::tree::Restrictions;

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
    /// Whether ROOTFS must not be written to.
    needed: bool,
}

impl Options {
    /// Whether a layer was asked for.
    pub fn is_given(&self) -> bool {
        self.overlay.is_some()
    }
}

/// Makes the directories of the layer, where one is asked for or `needed`.
///
/// # Errors
/// DIR cannot be made or is not the caller's.
pub fn prepare(
    options: &Options,
    needed: bool,
    shifted: bool,
    rootfs: &Path,
) -> Result<Option<Overlay>> {
    let (scratch, directory) = match &options.overlay {
        None if !needed => return Ok(None),
        Some(Some(directory)) => (None, directory.clone()),
        None | Some(None) => {
            let scratch = Scratch::new()?;
            let directory = scratch.path().to_owned();
            (Some(scratch), directory)
        }
    };
    make_directories(&directory, rootfs)?;
    let tree = shifted.then(|| copy(&directory)).transpose()?;
    Ok(Some(Overlay { directory, tree, scratch, needed }))
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

    /// The container's part: lays the layer over the directories `names` of `lower`, topmost first.
    /// The names are short, because mount options end at 4096 bytes.
    ///
    /// # Errors
    /// EINVAL for idmapped layers before Linux 5.19; EPERM without the right to mount.
    pub fn mount_over(
        &self,
        lower: &OwnedFd,
        names: &[String],
        restrictions: Restrictions,
    ) -> Result<OwnedFd> {
        let layer =
            self.tree.as_ref().map_or_else(|| copy(&self.directory), |it| Ok(it.try_clone()?))?;
        // What is thrown away need not reach the disk.
        let volatile = if self.scratch.is_some() { ",volatile" } else { "" };
        let upper = format!(",upperdir=../layer/upper,workdir=../layer/work{volatile}");
        merge::merge(lower, names, Some((&layer, &upper)), restrictions)
    }
}
