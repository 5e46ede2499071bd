//! Where a tree is, and the hidden files beside it that belong to its building.
//!
//! `target/rootfs` is closed to other users. A container that runs as root can leave a set-user-ID
//! program of root in its tree, and on the host any user who can reach that file could run it.

use std::env;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf, absolute};

use anyhow::{Context, Result};
use common::{Failure, Operation, Tried, printable};
use nix::fcntl::{Flock, FlockArg};

/// A tree and the files beside it. All lie in one directory, so that rename(2) can exchange them.
pub struct Place {
    /// The finished tree.
    pub tree: PathBuf,
    /// The tree that is being built, or the one that was replaced and is being removed.
    pub draft: PathBuf,
    /// The file that lists what the tree was built from.
    pub manifest: PathBuf,
    lock: PathBuf,
}

impl Place {
    /// Returns the place that the user asks for, or that of this name below target/rootfs, and
    /// creates its parent directory.
    ///
    /// # Errors
    /// Exit code 2 if the path has no parent; what mkdir(2) reports.
    pub fn new(asked: Option<&Path>, name: &str) -> Result<Place> {
        let tree = match asked {
            Some(path) => follow(&absolute(path)?)?,
            None => private_base()?.join(name),
        };
        let (Some(dir), Some(name)) = (tree.parent(), tree.file_name()) else {
            let what = format!("--to {}: a tree must be below a directory", printable(&tree));
            return Err(Failure::usage(what).into());
        };
        create_directories(dir)?;
        let hidden = |suffix: &str| {
            let mut hidden = std::ffi::OsString::from(".");
            hidden.push(name);
            hidden.push(suffix);
            dir.join(hidden)
        };
        let (draft, manifest, lock) = (hidden(".draft"), hidden(".manifest"), hidden(".lock"));
        Ok(Place { tree, draft, manifest, lock })
    }

    /// Waits until no other process builds this tree, and keeps others waiting until the result is
    /// dropped. The kernel releases the lock of a process that dies.
    ///
    /// # Errors
    /// What open(2) and flock(2) report.
    pub fn lock(&self) -> Result<Flock<File>> {
        lock(&self.lock)
    }

    /// Whether other users are kept out: one of the directories above the tree is closed to them,
    /// and belongs to the caller or to root.
    pub fn is_private(&self) -> bool {
        let me = nix::unistd::geteuid().as_raw();
        let closed = |dir: &Path| {
            fs::metadata(dir)
                .is_ok_and(|dir| dir.mode() & 0o011 == 0 && [0, me].contains(&dir.uid()))
        };
        self.tree.ancestors().skip(1).any(closed)
    }

    /// Removes the files beside the tree, after the tree.
    pub fn forget(&self) {
        for file in [&self.manifest, &self.lock] {
            let _ = fs::remove_file(file);
        }
    }
}

/// Returns the directory for everything that this program makes: `target/rootfs`, seen from
/// `target/debug/rootfs`.
///
/// # Errors
/// /proc is not mounted.
pub fn base() -> Result<PathBuf> {
    let exe = env::current_exe().context("find the path of this program")?;
    let target = exe.parent().and_then(Path::parent).unwrap_or(Path::new("/"));
    Ok(target.join("rootfs"))
}

/// Creates [`base`] and closes it to other users.
///
/// # Errors
/// What mkdir(2) and chmod(2) report.
pub fn private_base() -> Result<PathBuf> {
    let base = base()?;
    create_private(&base)?;
    Ok(base)
}

/// Creates a directory of mode 0700, or changes one that is there to this mode.
///
/// # Errors
/// What mkdir(2) and chmod(2) report.
pub fn create_private(dir: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.tried(Operation::BuildTree, format_args!("make directory {}", printable(dir)))?;
    let mode = fs::metadata(dir).map(|meta| meta.mode() & 0o777);
    if mode.is_ok_and(|mode| mode == 0o700) {
        return Ok(());
    }
    fs::set_permissions(dir, Permissions::from_mode(0o700)).tried(
        Operation::BuildTree,
        format_args!("close the directory {} to other users", printable(dir)),
    )
}

/// Creates a directory and those above it.
fn create_directories(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir)
        .tried(Operation::BuildTree, format_args!("make directory {}", printable(dir)))
}

/// Locks a file, which is created if need be.
///
/// # Errors
/// What open(2) and flock(2) report.
pub fn lock(path: &Path) -> Result<Flock<File>> {
    let file = match File::open(path) {
        // A lock takes no right to write: another user may ask whether the tree is up to date.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            OpenOptions::new().create(true).append(true).open(path)
        }
        opened => opened,
    };
    let file = file.tried(Operation::BuildTree, format_args!("open {}", printable(path)))?;
    Flock::lock(file, FlockArg::LockExclusive)
        .map_err(|(_, errno)| errno)
        .with_context(|| format!("lock {}", printable(path)))
}

/// A link to a tree stands for the tree: the hidden files are beside the place that it leads to.
fn follow(path: &Path) -> Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(path.to_owned()),
        found => found.with_context(|| format!("find {}", printable(path))),
    }
}
