//! Layers on which containers of step 09 wrote: `layer-XXXXXX` in this user's directory in /var/tmp.
//! A launcher that lives holds a lock on its layer.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use common::remove_tree;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::geteuid;

use super::Found;
use super::ours::Ours;

/// All of this user's.
pub fn find(_ours: &Ours) -> Result<Vec<Found>> {
    let base = PathBuf::from(format!("/var/tmp/container-layers-{}", geteuid()));
    // In /var/tmp anybody may have made a directory or a link of this name.
    let own = fs::symlink_metadata(&base)
        .is_ok_and(|base| base.is_dir() && base.uid() == geteuid().as_raw());
    // A launcher holds the whole directory from making a layer until it has the layer's lock.
    let _all = own.then(|| lock(&base, FlockArg::LockExclusive).ok());
    let entries = own.then(|| fs::read_dir(&base).ok()).flatten();
    let layers = entries.into_iter().flatten().flatten().filter(|entry| {
        entry.file_name().to_string_lossy().starts_with("layer-")
            && entry.file_type().is_ok_and(|kind| kind.is_dir())
    });
    Ok(layers.map(|entry| judge(entry.path())).collect())
}

fn judge(layer: PathBuf) -> Found {
    let what = format!("layer {}", layer.display());
    match lock(&layer, FlockArg::LockExclusiveNonblock) {
        Err(Errno::EWOULDBLOCK) => Found::left(what, "in use: its launcher holds it".into()),
        held => Found::goes(what, "its launcher is gone".into(), move || {
            let _held = held; // until it is gone
            remove_tree(&layer).with_context(|| format!("remove {}", layer.display()))
        }),
    }
}

fn lock(directory: &Path, how: FlockArg) -> nix::Result<Flock<File>> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let directory = File::from(open(directory, flags, Mode::empty())?);
    Flock::lock(directory, how).map_err(|(_, errno)| errno)
}
