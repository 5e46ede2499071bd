//! Layers of images: directories that several images share, so that one is removed with the last
//! image that needs it. The package `rootfs-image` describes the files.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use common::printable;
use nix::fcntl::Flock;

use crate::{owners, place, remove};

/// A directory of layers. One user's layers have the same owners, and other users' have others.
pub struct Store {
    /// The directory, in `target/rootfs`.
    pub path: PathBuf,
    _lock: Flock<File>,
}

/// Layers of root.
const STORE: &str = "layers";

impl Store {
    /// Opens the caller's store, which is created if need be, and keeps other processes out.
    /// `owners` are those of [`owners::describe`].
    ///
    /// # Errors
    /// What mkdir(2), open(2) and flock(2) report.
    pub fn open(base: &Path, owners: &str) -> Result<Store> {
        Store::lock(base.join(name(owners)))
    }

    fn lock(path: PathBuf) -> Result<Store> {
        place::create_private(&path)?;
        let _lock = place::lock(&path.join(".lock"))?;
        Ok(Store { path, _lock })
    }

    /// Removes the layers that no image in `base` needs, and what a process that died has left.
    ///
    /// # Errors
    /// A layer cannot be removed.
    pub fn prune(&self, base: &Path) -> Result<()> {
        let needed = self.needed(base)?;
        for name in names(&self.path)? {
            let text = name.to_string_lossy();
            let layer = text.strip_prefix('.').and_then(|text| text.split('.').next());
            let layer = layer.unwrap_or(&text);
            if text != ".lock" && (text.ends_with(".draft") || !needed.contains(layer)) {
                remove::remove(&self.path.join(&name))?;
            }
        }
        Ok(())
    }

    fn needed(&self, base: &Path) -> Result<HashSet<String>> {
        let mut needed = HashSet::new();
        for name in names(base)?.iter().filter(|name| name.to_string_lossy().ends_with(".image")) {
            let image = base.join(name);
            let ours =
                fs::canonicalize(image.join("store")).ok() == fs::canonicalize(&self.path).ok();
            let layers = fs::read_to_string(image.join("layers")).unwrap_or_default();
            needed.extend(layers.lines().filter(|_| ours).map(str::to_owned));
        }
        Ok(needed)
    }
}

/// Removes what no image needs from all stores in `base`.
///
/// # Errors
/// A layer cannot be removed.
pub fn prune(base: &Path) -> Result<()> {
    if !base.is_dir() {
        return Ok(());
    }
    for name in names(base)? {
        let text = name.to_string_lossy();
        if text == STORE || text.starts_with("layers-") {
            Store::lock(base.join(&name))?.prune(base)?;
        }
    }
    Ok(())
}

/// Layers with other owners are other layers.
fn name(owners: &str) -> String {
    if owners == owners::ANY {
        return STORE.into();
    }
    use sha2::Digest;
    let digest = sha2::Sha256::digest(owners);
    let digits: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("{STORE}-{digits}")
}

fn names(directory: &Path) -> Result<Vec<OsString>> {
    let entries = fs::read_dir(directory);
    let names = entries.and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect());
    names.with_context(|| format!("read directory {}", printable(directory)))
}
