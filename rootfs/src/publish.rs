//! Brings a tree to its place: complete, or not at all.
//!
//! A tree is built beside its place, and renamed when it is complete. Nothing else makes a tree
//! appear, so that a build that is killed leaves only a draft, which the next build removes. A
//! container that runs keeps the tree with which it was started: that one stays aside until a build
//! finds it unused.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use common::{Failure, Operation, Tried, printable};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use crate::manifest::{Manifest, Recipe};
use crate::place::Place;
use crate::{mounts, remove, used};

/// Makes the tree what the recipe describes, and does nothing if the present one was built from the
/// same. `build` fills an empty directory, and returns further files that the tree depends on.
///
/// # Errors
/// What `build` reports; then the old tree stays. A directory that this program did not build is in
/// the place; something is mounted in the old tree.
pub fn publish(
    place: &Place,
    recipe: &Recipe,
    build: impl FnOnce(&Path) -> Result<Vec<PathBuf>>,
) -> Result<()> {
    refuse_foreign(place)?;
    let _lock = place.lock()?;
    if Manifest::read(place).is_some_and(|manifest| manifest.is_current(place, recipe)) {
        return Ok(());
    }
    mounts::refuse(&place.tree)?;
    let draft = Draft::new(&place.draft)?;
    // Stamped first: a source that changes while the tree is built makes the next build differ.
    let before = recipe.stamp(&[])?;
    let more = build(draft.0)?;
    Manifest::mark(place)?;
    put(draft.0, &place.tree)?;
    before.with(recipe.stamp(&more)?).write(place)?;
    remove_unused(&place.draft);
    draft.remove()
}

/// A slip in `--to` must not cost anyone a directory. The manifest is written before the tree is
/// put in place, so it is looked for after the tree.
fn refuse_foreign(place: &Place) -> Result<()> {
    if is_vacant(&place.tree)? || place.manifest.exists() {
        return Ok(());
    }
    let what = format!("{} exists, and this program did not build it", printable(&place.tree));
    Err(Failure::new(what)
        .hint("choose another directory with --to, or remove this one first")
        .into())
}

fn is_vacant(path: &Path) -> Result<bool> {
    match fs::read_dir(path) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error).with_context(|| format!("read directory {}", printable(path))),
    }
}

/// Puts the finished tree into its place; the old one is then where the draft was.
fn put(draft: &Path, tree: &Path) -> Result<()> {
    let exchange = renameat2(AT_FDCWD, draft, AT_FDCWD, tree, RenameFlags::RENAME_EXCHANGE);
    let done = match exchange {
        Err(Errno::ENOENT) => fs::rename(draft, tree),
        // Not every filesystem can exchange. Then there is no tree at all for a moment.
        Err(Errno::EINVAL | Errno::ENOSYS) => {
            let aside = vacant_name(draft).unwrap_or_else(|| draft.to_owned());
            let swapped = fs::rename(tree, &aside).and_then(|()| fs::rename(draft, tree));
            swapped.and_then(|()| fs::rename(&aside, draft))
        }
        done => done.map_err(io::Error::from),
    };
    done.with_context(|| format!("rename {} to {}", printable(draft), printable(tree)))
}

/// The tree that is being built; it is removed when the build fails.
struct Draft<'a>(&'a Path);

impl<'a> Draft<'a> {
    /// Only one build at a time has the lock, so a draft that exists belongs to a dead build.
    fn new(path: &'a Path) -> Result<Self> {
        let draft = Draft(path);
        draft.remove()?;
        remove::create_directory(path, 0o755)
            .tried(Operation::BuildTree, format_args!("make directory {}", printable(path)))?;
        Ok(draft)
    }

    /// Removes it. What a container uses, or what takes more rights, is moved aside: neither must
    /// stop a build.
    fn remove(&self) -> Result<()> {
        let lock = used::lock(self.0)?;
        let error = match lock.as_ref().map(|_| remove::remove(self.0)) {
            Some(Ok(())) => return Ok(()),
            Some(Err(error)) => error,
            None => used::refusal(self.0).into(),
        };
        let Some(aside) = vacant_name(self.0) else { return Err(error) };
        if fs::rename(self.0, &aside).is_err() {
            return Err(error);
        }
        let place = printable(&aside);
        match lock {
            Some(_) => common::warn(&error, &format!("it stays as {place}")),
            None => common::print_stderr(&format!(
                "a container keeps the tree with which it was started, as {place}; a later build removes it"
            )),
        }
        Ok(())
    }
}

/// The names for what is moved aside: `.host.draft.1` and so on.
fn asides(draft: &Path) -> impl Iterator<Item = PathBuf> {
    (1..100).map(move |number| {
        let mut name = draft.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    })
}

fn vacant_name(draft: &Path) -> Option<PathBuf> {
    asides(draft).find(|name| fs::symlink_metadata(name).is_err())
}

/// Removes the trees aside that no container uses any more. The others have been reported.
fn remove_unused(draft: &Path) {
    for aside in asides(draft).filter(|aside| aside.is_dir()) {
        if let Ok(Some(_lock)) = used::lock(&aside) {
            let _ = remove::remove(&aside);
        }
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if fs::symlink_metadata(self.0).is_ok() {
            let _ = self.remove();
        }
    }
}
