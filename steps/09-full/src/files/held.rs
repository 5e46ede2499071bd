//! Layers stay on disk while a container uses them: `rootfs image` writes a note beside each layer
//! that it has unpacked, and asks for the lock of the note (flock(2)) before it removes the layer.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};

/// The locked notes. The kernel releases them with the launcher, however that ends.
pub struct Held(#[expect(dead_code, reason = "kept open")] Vec<File>);

/// Holds these layers of a store. None if one of them has just been removed.
///
/// # Errors
/// EACCES: the notes are somebody else's; EMFILE.
pub fn hold(store: &Path, layers: &[String]) -> Result<Option<Held>> {
    let mut notes = Vec::new();
    for layer in layers {
        let note = store.join(format!(".{layer}.id"));
        let lock = lock(&note);
        match lock.with_context(|| format!("lock {}", note.display()))? {
            // A tree that is no layer has no note: nobody removes it with an image.
            None if store.join(layer).is_dir() => {}
            Some(file) if is_same(&file, &note) && store.join(layer).is_dir() => notes.push(file),
            _ => return Ok(None),
        }
    }
    Ok(Some(Held(notes)))
}

/// Waits while the layer is being removed; then its note is gone from the directory.
fn lock(note: &Path) -> io::Result<Option<File>> {
    let file = match File::open(note) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    flock(&file, FlockOperation::LockShared)?;
    Ok(Some(file))
}

fn is_same(file: &File, path: &Path) -> bool {
    let inode = |meta: fs::Metadata| (meta.dev(), meta.ino());
    file.metadata().ok().map(inode) == fs::metadata(path).ok().map(inode)
}
