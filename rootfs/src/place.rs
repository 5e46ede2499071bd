//! Where a tree stands, and the hidden files beside it that belong to its building.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf, absolute};

use anyhow::{Context, Result};
use common::Failure;
use nix::fcntl::{Flock, FlockArg};

/// All of these lie in one directory, so that a rename takes one to the other.
pub struct Place {
    /// The finished tree.
    pub tree: PathBuf,
    /// The tree that is being built, or the one that was replaced and is being removed.
    pub draft: PathBuf,
    /// Says what the tree was built from.
    pub manifest: PathBuf,
    lock: PathBuf,
}

impl Place {
    /// The place that the user asks for, or that of this name below target/rootfs; its parent
    /// directory is made.
    pub fn new(asked: Option<&Path>, name: &str) -> Result<Place> {
        let tree = asked.map_or_else(|| Ok(base()?.join(name)), |path| real(&absolute(path)?))?;
        let (Some(dir), Some(name)) = (tree.parent(), tree.file_name()) else {
            return Err(Failure::usage(format!(
                "--to {}: this names no directory below another",
                tree.display()
            ))
            .into());
        };
        make_dir(dir)?;
        let hidden = |suffix: &str| {
            let mut hidden = std::ffi::OsString::from(".");
            hidden.push(name);
            hidden.push(suffix);
            dir.join(hidden)
        };
        let (draft, manifest, lock) = (hidden(".draft"), hidden(".manifest"), hidden(".lock"));
        Ok(Place { tree, draft, manifest, lock })
    }

    /// Waits until no other build of this tree is under way, and keeps others waiting until the
    /// result is dropped. The kernel lets the lock go when its holder dies.
    pub fn lock(&self) -> Result<Flock<File>> {
        lock(&self.lock)
    }
}

/// The directory for all that this program makes: `target/rootfs`, seen from `target/debug/rootfs`.
pub fn base() -> Result<PathBuf> {
    let exe = env::current_exe().context("find the path of this program")?;
    let target = exe.parent().and_then(Path::parent).unwrap_or(Path::new("/"));
    Ok(target.join("rootfs"))
}

/// Makes a directory and those above it.
pub fn make_dir(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("make directory {}", dir.display()))
}

/// Locks a file, which is made if need be.
pub fn lock(path: &Path) -> Result<Flock<File>> {
    let file = match File::open(path) {
        // To lock it takes no right to write: another user may ask whether the tree is up to date.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            OpenOptions::new().create(true).append(true).open(path)
        }
        opened => opened,
    };
    let file = file.with_context(|| format!("open {}", path.display()))?;
    Flock::lock(file, FlockArg::LockExclusive)
        .map_err(|(_, errno)| errno)
        .with_context(|| format!("lock {}", path.display()))
}

/// A link to a tree stands for the tree, whose neighbours lie where the link leads.
fn real(path: &Path) -> Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(path.to_owned()),
        real => real.with_context(|| format!("find {}", path.display())),
    }
}
