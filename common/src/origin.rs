//! Where ROOTFS comes from, which decides how a missing program gets into it.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::OnceLock;

use crate::machine;

/// Whether `rootfs` built the tree. It is found out when the arguments are read, because inside the
/// container nothing shows it.
static BUILT_BY_ROOTFS: OnceLock<bool> = OnceLock::new();

/// Notes where this tree comes from.
pub fn note(rootfs: &Path) {
    BUILT_BY_ROOTFS.get_or_init(|| has_manifest(rootfs).unwrap_or(false));
}

/// `rootfs` leaves a manifest beside each tree that it builds.
fn has_manifest(rootfs: &Path) -> Option<bool> {
    let tree = rootfs.canonicalize().ok()?;
    let mut name = OsStr::new(".").to_owned();
    name.push(tree.file_name()?);
    name.push(".manifest");
    let head = machine::head(&tree.with_file_name(name))?;
    Some(head.starts_with(b"rootfs builder "))
}

/// What to do about a program that the container lacks.
pub fn how_to_add(program: &OsStr) -> String {
    let (name, built) = (program.display(), BUILT_BY_ROOTFS.get());
    match built {
        Some(true) => format!(
            "the rootfs has no {name}: `target/debug/rootfs --add {name}`, with what else the tree was built with, \
             copies this machine's"
        ),
        Some(false) => format!(
            "the rootfs has no {name}, and is not a tree that target/debug/rootfs built: install it there as the \
             tree's own system does"
        ),
        None => format!("the container has no {name}"),
    }
}
