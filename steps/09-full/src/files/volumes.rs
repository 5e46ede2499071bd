//! Volumes: files and directories of the host inside the container.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Result;
use common::{Failure, Operation, Tried};
use mnt::Root;
use nix::errno::Errno;
use nix::sys::stat::fstat;
use nix::sys::statfs::{
    CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, PROC_SUPER_MAGIC, SYSFS_MAGIC, fstatfs,
};
use rustix::fs::CWD;

use super::mount_point;
use super::tree::{self, Restrictions};

/// The options that belong to this.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub struct Options {
    /// Mount the host's SRC on DST inside, with `ro` for reading only; repeatable
    #[arg(long, value_name = "SRC:DST[:ro|:rw]")]
    volume: Vec<Wish>,
}

/// A volume as it was asked for.
#[derive(Clone, Debug, PartialEq)]
struct Wish {
    /// As the user typed it, and what it means wherever this process goes.
    source: String,
    path: PathBuf,
    target: String,
    read_only: bool,
}

/// A volume, and its files where the launcher has opened them.
pub struct Volume {
    wish: Wish,
    tree: Option<OwnedFd>,
}

/// Opens the volumes of root's container, with the rights of root.
///
/// # Errors
/// ENOENT, EACCES as path_resolution(7) says.
pub fn open(options: &Options, shifted: bool) -> Result<Vec<Volume>> {
    let open = |wish: &Wish| {
        let tree = shifted.then(|| wish.open()).transpose()?;
        Ok(Volume { wish: wish.clone(), tree })
    };
    options.volume.iter().map(open).collect()
}

impl Wish {
    fn open(&self) -> Result<OwnedFd> {
        mnt::copy_mount(CWD, &self.path)
            .tried(Operation::OpenVolume, format_args!("volume {}", self.source))
    }
}

impl Volume {
    /// Its files, and what they are called.
    pub fn tree(&self) -> Option<(&OwnedFd, String)> {
        Some((self.tree.as_ref()?, self.wish.source.clone()))
    }

    /// The container's part: mounts it. DST is found as the container will see it.
    ///
    /// # Errors
    /// ENOENT where DST is missing and may not be made; DST lies in a filesystem of the kernel.
    pub fn mount(&self, root: &Root, make_missing: bool) -> Result<()> {
        let Wish { source, target, read_only, .. } = &self.wish;
        let tree =
            self.tree.as_ref().map_or_else(|| self.wish.open(), |tree| Ok(tree.try_clone()?))?;
        if make_missing {
            mount_point::make(root, target, &tree)?;
        }
        self.refuse_kernel_files(root)?;
        let restrictions = Restrictions { read_only: *read_only, suid: false };
        match tree::restrict(&tree, restrictions) {
            Err(Errno::ENOSYS) => {
                let copy = tree.try_clone()?;
                root.place(tree, target)?;
                tree::restrict_each(&copy, restrictions)
            }
            result => {
                result.tried(Operation::ChangeMount, format_args!("restrict volume {source}"))?;
                root.place(tree, target)
            }
        }
    }

    /// What lies on /proc or /sys is the kernel's, and the masks there must stay visible, also where
    /// a link of the image leads there.
    fn refuse_kernel_files(&self, root: &Root) -> Result<()> {
        let target = &self.wish.target;
        let place = root.resolve(target)?;
        let kind = fstatfs(&place)?.filesystem_type();
        let kernel = [PROC_SUPER_MAGIC, SYSFS_MAGIC, CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC];
        // On cgroup v1 it is a tmpfs that has the hierarchies.
        let groups = fstat(root.resolve("sys/fs/cgroup")?)?.st_dev;
        if !kernel.contains(&kind) && fstat(&place)?.st_dev != groups {
            return Ok(());
        }
        let what = format!("volume {}: /{target} leads to files of the kernel", self.wish.source);
        Err(Failure::new(what).hint("choose a DST that is not in /proc or /sys").into())
    }
}

impl FromStr for Wish {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(':').collect();
        let (source, target, read_only) = match parts[..] {
            [source, target] | [source, target, "rw"] => (source, target, false),
            [source, target, "ro"] => (source, target, true),
            _ => return Err("write SRC:DST, SRC:DST:ro or SRC:DST:rw".into()),
        };
        let target = target.trim_matches('/');
        let leads_up = target.split('/').any(|part| part == "..");
        if source.is_empty() || target.is_empty() || leads_up {
            return Err("SRC and DST each name a file or a directory, and DST is not /".into());
        }
        let path = std::path::absolute(source).map_err(|error| error.to_string())?;
        Ok(Wish { source: source.into(), path, target: target.into(), read_only })
    }
}
