//! Brings a tree to its place: complete, or not at all.
//!
//! A tree is built beside its place, and renamed when it is complete. Nothing else ever makes a
//! tree appear, so that a build that is killed leaves only a draft, which the next one removes.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context, Result};
use common::Failure;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use crate::fill::fill;
use crate::place::Place;
use crate::plan::Plan;
use crate::{manifest, mounts, tree};

/// Makes the tree what the plan says; does nothing if it is.
pub fn publish(place: &Place, plan: &Plan) -> Result<()> {
    let begin = manifest::begin(&plan.describe()?);
    refuse_foreign(place)?;
    let _lock = place.lock()?;
    if manifest::is_current(place, &begin) {
        return Ok(());
    }
    mounts::refuse(&place.tree)?;
    let draft = Draft::new(&place.draft)?;
    let libraries = fill(draft.0, plan)?;
    let finished = manifest::finish(&begin, &libraries)?;
    manifest::mark(place)?;
    put(draft.0, &place.tree)?;
    manifest::write(place, &finished)?;
    draft.remove()
}

/// A slip in `--to` must not cost anyone a directory. The manifest comes before the tree: it is
/// looked for after it.
fn refuse_foreign(place: &Place) -> Result<()> {
    if is_vacant(&place.tree)? || place.manifest.exists() {
        return Ok(());
    }
    let failure = Failure::new(format!(
        "{} is there, and was not built by this program",
        place.tree.display()
    ));
    Err(failure.hint("name another directory with --to, or remove this one first").into())
}

fn is_vacant(path: &Path) -> Result<bool> {
    match fs::read_dir(path) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error).with_context(|| format!("look into {}", path.display())),
    }
}

/// Puts the finished tree into its place; what was there is then where the draft was.
fn put(draft: &Path, tree: &Path) -> Result<()> {
    let exchange = renameat2(AT_FDCWD, draft, AT_FDCWD, tree, RenameFlags::RENAME_EXCHANGE);
    let done = match exchange {
        Err(Errno::ENOENT) => fs::rename(draft, tree),
        // Not every filesystem can exchange. Then there is no tree at all for a moment.
        Err(Errno::EINVAL | Errno::ENOSYS) => {
            tree::remove(tree).and_then(|()| fs::rename(draft, tree))
        }
        done => done.map_err(io::Error::from),
    };
    done.with_context(|| format!("rename {} to {}", draft.display(), tree.display()))
}

/// The tree that is being built; it goes when the build fails.
struct Draft<'a>(&'a Path);

impl<'a> Draft<'a> {
    /// Under the lock nobody else builds here, so that a draft that is there belongs to a dead
    /// build.
    fn new(path: &'a Path) -> Result<Self> {
        let draft = Draft(path);
        draft.remove()?;
        fs::create_dir(path).with_context(|| format!("make directory {}", path.display()))?;
        Ok(draft)
    }

    fn remove(&self) -> Result<()> {
        mounts::refuse(self.0)?;
        if let Err(error) = tree::remove(self.0) {
            let failure = Failure::new(format!("remove {}: {error}", self.0.display()));
            return Err(failure
                .hint(format!("remove it by hand: sudo rm -rf {}", self.0.display()))
                .into());
        }
        Ok(())
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        let _ = self.remove();
    }
}
