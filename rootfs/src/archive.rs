//! Unpacks a tar archive of unknown origin.
//!
//! The `tar` library keeps each entry below the directory that it unpacks into, also where links
//! lead elsewhere. It passes over names with `..` and cuts the `/` off absolute ones in silence;
//! here an archive that tries is refused.

use std::io::Read;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, ensure};
use common::Failure;
use tar::{Archive, Entry, EntryType};

use crate::decode;
use crate::tree::{SET_ID_BITS, Tree};

/// Unpacks the archive into the tree, whose path is `root`.
pub fn unpack(archive: &Path, tree: &Tree, root: &Path) -> Result<()> {
    let mut archive = Archive::new(decode::open(archive)?);
    archive.set_preserve_permissions(true);
    archive.set_mask(SET_ID_BITS);
    let (mut all, mut skipped) = (0, 0);
    for entry in archive.entries().context("read the archive")? {
        let mut entry = entry.context("read the next entry")?;
        let name = entry.path_bytes().escape_ascii().to_string();
        all += 1;
        skipped += usize::from(
            !unpack_entry(&mut entry, tree, root).with_context(|| format!("entry {name}"))?,
        );
    }
    ensure!(all > 0, "the archive is empty");
    if skipped > 0 {
        common::print_stderr(&format!(
            "left out: {skipped} devices and pipes of the archive (a container gets its own /dev)"
        ));
    }
    Ok(())
}

/// Unpacks one entry; says no if its kind is left out.
fn unpack_entry<R: Read>(entry: &mut Entry<R>, tree: &Tree, root: &Path) -> Result<bool> {
    use EntryType as Type;
    match entry.header().entry_type() {
        Type::XGlobalHeader => return Ok(true),
        Type::Char | Type::Block | Type::Fifo => return Ok(false),
        Type::Link => refuse_outside(&entry.link_name()?.unwrap_or_default())?,
        _ => {}
    }
    let path = entry.path()?.into_owned();
    refuse_outside(&path)?;
    ensure!(entry.unpack_in(root)?, "the name leads out of the tree");
    let path = normal(&path);
    // Most archives begin with an entry for the root itself.
    if entry.header().entry_type().is_dir() && path != Path::new("") {
        // Whoever builds the tree must be able to fill it, and to remove it.
        tree.chmod(&path, (entry.header().mode()? & 0o1777) | 0o700)?;
    }
    Ok(true)
}

/// No honest archive of a root filesystem has such names.
fn refuse_outside(path: &Path) -> Result<()> {
    let inside = |component| matches!(component, Component::Normal(_) | Component::CurDir);
    if path.components().all(inside) {
        return Ok(());
    }
    let failure = Failure::new(format!("{} leads out of the tree", path.display()));
    Err(failure.hint("nothing was unpacked; do not trust this archive").into())
}

/// The path without the `./` that many archives begin each name with.
fn normal(path: &Path) -> PathBuf {
    path.components().filter(|component| matches!(component, Component::Normal(_))).collect()
}
