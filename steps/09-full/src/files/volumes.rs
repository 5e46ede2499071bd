//! Files: what of the host's the container sees besides its root filesystem, and how it may use
//! both.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Result;
use mount::Root;
use nix::mount::MsFlags;

use crate::confine::masks::restrict;

/// The options that belong to this.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub struct Options {
    /// Mount the host's SRC on DST inside, `ro` for reading only; repeatable
    #[arg(long, value_name = "SRC:DST[:ro]")]
    volume: Vec<Volume>,

    /// Let nothing be written to the root filesystem
    #[arg(long)]
    read_only: bool,
}

#[derive(Clone, Debug)]
struct Volume {
    source: String,
    target: PathBuf,
    read_only: bool,
}

/// Binds the volumes, while the host's files can still be named. DST is found as the container will
/// see it.
///
/// # Errors
/// ENOENT where SRC or DST is not there: nothing is made in a rootfs that others may use, too.
pub fn bind(root: &Root, options: &Options) -> Result<()> {
    options.volume.iter().try_for_each(|volume| {
        let target = volume.target.to_string_lossy();
        root.mount(
            &volume.source,
            target.trim_start_matches('/'),
            "",
            MsFlags::MS_BIND | MsFlags::MS_REC,
            "",
        )
    })
}

/// Takes from the mounts what they need not have. Comes after the pivot, when no path leads out of
/// the container.
pub fn restrict_all(options: &Options) -> Result<()> {
    let flags =
        |read_only: bool| MsFlags::MS_NOSUID | MsFlags::MS_NODEV | read_only_flag(read_only);
    for volume in &options.volume {
        restrict(&Path::new("/").join(&volume.target), flags(volume.read_only))?;
    }
    restrict(Path::new("/"), flags(options.read_only))
}

fn read_only_flag(read_only: bool) -> MsFlags {
    if read_only { MsFlags::MS_RDONLY } else { MsFlags::empty() }
}

impl FromStr for Volume {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(':').collect();
        let (source, target, read_only) = match parts[..] {
            [source, target] => (source, target, false),
            [source, target, "ro"] => (source, target, true),
            _ => return Err("SRC:DST or SRC:DST:ro".into()),
        };
        match (source.is_empty(), target.trim_matches('/').is_empty()) {
            (false, false) => {
                // The launcher will not stay in the directory that it was started in.
                let source = std::path::absolute(source).map_err(|error| error.to_string())?;
                Ok(Volume {
                    source: source.display().to_string(),
                    target: target.into(),
                    read_only,
                })
            }
            _ => Err("SRC and DST name a file or a directory each, and DST is not /".into()),
        }
    }
}
