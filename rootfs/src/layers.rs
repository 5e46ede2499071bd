//! Layers of images: directories that several images share, so that one is removed with the last
//! image that needs it, and not while a container uses it. The package `rootfs-image` describes the
//! files.
//!
//! Two locks (flock(2)): whoever adds or removes layers holds `.lock` of the store, and the launcher
//! of a container holds the note of each of its layers.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use common::{Failure, printable};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::{owners, place, remove};

/// A directory of layers. One user's layers have the same owners, and other users' have others.
pub struct Store {
    /// The directory, in `target/rootfs`.
    pub path: PathBuf,
    lock: Flock<File>,
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
        let lock = place::lock(&path.join(".lock"))?;
        Ok(Store { path, lock })
    }

    /// Removes the layers that no image in `base` needs and no container uses, and what a process
    /// that died has left.
    ///
    /// # Errors
    /// A layer cannot be removed.
    pub fn prune(&self, base: &Path) -> Result<()> {
        let needed = self.needed(base)?;
        for name in names(&self.path)? {
            let text = name.to_string_lossy();
            if text.ends_with(".draft") {
                remove::remove(&self.path.join(&name))?;
            } else if text != ".lock" && !needed.contains(layer_of(&text)) {
                self.remove(layer_of(&text))?;
            }
        }
        Ok(())
    }

    /// Where the note of a layer is: its digest, and the lock of those that use it.
    pub fn note(&self, layer: &str) -> PathBuf {
        self.path.join(format!(".{layer}.id"))
    }

    /// The layer first gets another name, because one that is half removed must not pass for a whole
    /// one, and loses its note last.
    fn remove(&self, layer: &str) -> Result<()> {
        let note = self.note(layer);
        let Some(_lock) = lock_unused(&note)? else { return Ok(()) };
        let draft = self.path.join(format!(".{layer}.draft"));
        match fs::rename(self.path.join(layer), &draft) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            done => done.with_context(|| format!("rename {}", printable(layer)))?,
        }
        remove::remove(&draft)?;
        remove::remove(&note)
    }

    fn needed(&self, base: &Path) -> Result<HashSet<String>> {
        let mut needed = HashSet::new();
        for name in names(base)?.iter().filter(|name| name.to_string_lossy().ends_with(".image")) {
            let image = base.join(name);
            let ours =
                fs::canonicalize(image.join("store")).ok() == fs::canonicalize(&self.path).ok();
            let layers = read(&image.join("layers"))?;
            needed.extend(layers.lines().filter(|_| ours).map(str::to_owned));
        }
        Ok(needed)
    }
}

/// What a file of a store belongs to: `.NAME.id` to the layer `NAME`.
fn layer_of(name: &str) -> &str {
    name.strip_prefix('.').and_then(|name| name.split('.').next()).unwrap_or(name)
}

/// None if a container uses the layer of this note. A layer without a note was never complete.
fn lock_unused(note: &Path) -> Result<Option<Option<Flock<File>>>> {
    let what = || format!("lock {}", printable(note));
    let file = match File::open(note) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Some(None)),
        opened => opened.with_context(what)?,
    };
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Err((_, Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, errno)) => Err(errno).with_context(what),
        Ok(lock) => Ok(Some(Some(lock))),
    }
}

/// Keeps containers from using a layer of any store in `base`, until the result is dropped.
///
/// # Errors
/// A container uses one; what open(2) and flock(2) report.
pub fn lock_all(base: &Path) -> Result<Vec<Flock<File>>> {
    let mut locks = Vec::new();
    for store in stores(base)? {
        let store = Store::lock(store)?;
        for name in names(&store.path)?.iter().map(|name| name.to_string_lossy()) {
            if !name.ends_with(".id") {
                continue;
            }
            let Some(lock) = lock_unused(&store.note(layer_of(&name)))? else {
                let what = format!("a container uses the layer {}", printable(layer_of(&name)));
                let hint = "`target/debug/containers` shows what runs";
                return Err(Failure::new(what).hint(hint).into());
            };
            locks.extend(lock);
        }
        locks.push(store.lock);
    }
    Ok(locks)
}

/// Removes what no image needs from all stores in `base`.
///
/// # Errors
/// A layer cannot be removed.
pub fn prune(base: &Path) -> Result<()> {
    stores(base)?.into_iter().try_for_each(|store| Store::lock(store)?.prune(base))
}

fn stores(base: &Path) -> Result<Vec<PathBuf>> {
    if !base.is_dir() {
        return Ok(Vec::new());
    }
    let is_store = |name: &str| name == STORE || name.starts_with("layers-");
    let names = names(base)?.into_iter().filter(|name| is_store(&name.to_string_lossy()));
    Ok(names.map(|name| base.join(name)).collect())
}

const NOTHING: [ErrorKind; 2] = [ErrorKind::NotFound, ErrorKind::NotADirectory];

/// What is not there is empty. Any other failure must not look as if no layer was needed.
fn read(path: &Path) -> Result<String> {
    match fs::read_to_string(path) {
        Err(error) if NOTHING.contains(&error.kind()) => Ok(String::new()),
        read => read.with_context(|| format!("read {}", printable(path))),
    }
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
