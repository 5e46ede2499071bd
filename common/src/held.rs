//! A tree stays on disk while a container uses it: the launcher holds a lock on its directory
//! (flock(2)), and our `rootfs` removes no tree that somebody holds.

use std::fs::File;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::OnceLock;

use rustix::fs::{FlockOperation, flock};

/// Open as long as this process lives. The payload does not inherit it.
static HELD: OnceLock<Option<File>> = OnceLock::new();

/// How often the tree may be replaced by a new one meanwhile.
const ATTEMPTS: u32 = 3;

/// Holds this tree. Where that fails, opening it says why, or nobody else may remove it.
pub fn hold(tree: &Path) {
    HELD.get_or_init(|| (0..ATTEMPTS).find_map(|_| lock(tree)));
}

/// None if the tree is being removed: then another may be in its place already.
fn lock(tree: &Path) -> Option<File> {
    let mut directory = File::options();
    directory.read(true).custom_flags(libc::O_DIRECTORY);
    let file = directory.open(tree).ok()?;
    flock(&file, FlockOperation::NonBlockingLockShared).ok()?;
    let (held, found) = (file.metadata().ok()?, tree.metadata().ok()?);
    ((held.dev(), held.ino()) == (found.dev(), found.ino())).then_some(file)
}
