//! Files in memory: what is written there is gone with the container.

use std::str::FromStr;

use anyhow::Result;
use cgroup::Size;
use mnt::Root;
use nix::errno::Errno;
use rustix::mount::MountAttrFlags;

/// The options that belong to this.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub struct Options {
    /// Mount an empty tmpfs on DIR inside, of at most SIZE bytes (K, M, G); repeatable [default
    /// with --read-only: /tmp and /run]
    #[arg(long, value_name = "DIR[:SIZE]")]
    tmpfs: Vec<Tmpfs>,
}

#[derive(Clone, Debug, PartialEq)]
struct Tmpfs {
    target: String,
    size: Option<Size>,
}

/// What programs expect to be able to write to, whatever the root filesystem is.
const ALWAYS_WRITABLE: [&str; 2] = ["tmp", "run"];

/// The container's part: mounts them, before the volumes, which may lie in them.
///
/// # Errors
/// ENOENT where DIR is missing.
pub fn mount(options: &Options, read_only: bool, root: &Root) -> Result<()> {
    options.tmpfs.iter().try_for_each(|tmpfs| tmpfs.mount(root))?;
    let usual = ALWAYS_WRITABLE.iter().filter(|_| read_only);
    for target in usual.filter(|&target| options.tmpfs.iter().all(|it| it.target != *target)) {
        match (Tmpfs { target: (*target).into(), size: None }).mount(root) {
            Err(error) if common::errno(&error) == Some(Errno::ENOENT) => {} // not in this image
            result => result?,
        }
    }
    Ok(())
}

impl Tmpfs {
    fn mount(&self, root: &Root) -> Result<()> {
        let size = self.size.map(|size| size.0.to_string());
        let mut options = vec![("mode", "1777")];
        options.extend(size.as_deref().map(|size| ("size", size)));
        let flags = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
        root.mount("tmpfs", &self.target, flags, &options)
    }
}

impl FromStr for Tmpfs {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (target, size) = match text.split_once(':') {
            Some((target, size)) => (target, Some(size.parse()?)),
            None => (text, None),
        };
        let target = target.trim_matches('/');
        if target.is_empty() || target.split('/').any(|part| part == "..") {
            return Err("DIR is a directory inside, and not /".into());
        }
        Ok(Tmpfs { target: target.into(), size })
    }
}
