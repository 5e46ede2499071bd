//! The manifest beside a tree: what it was built from. As long as that is what a build would start
//! from, the tree is up to date, whatever the users of the containers have changed in it since.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::place::Place;
use crate::plan::stamp;

/// To be raised when the builder makes another tree out of the same plan.
const VERSION: &str = "rootfs builder 1\n";

/// Stands there while trees are swapped: the tree is ours, and its origin is open.
const UNFINISHED: &str = "unfinished\n";

/// The plan's words, as a manifest begins with them.
pub fn begin(plan: &str) -> String {
    format!("{VERSION}{plan}")
}

/// Adds the libraries, which are found out only by building.
pub fn finish(begin: &str, libraries: &BTreeSet<PathBuf>) -> Result<String> {
    let lines =
        libraries.iter().map(|library| Ok(format!("{}\t{}\n", stamp(library)?, library.display())));
    Ok(format!("{begin}{}", lines.collect::<Result<String>>()?))
}

/// Whether the tree is there and was built from what would be taken today.
pub fn is_current(place: &Place, begin: &str) -> bool {
    let manifest = fs::read_to_string(&place.manifest).unwrap_or_default();
    let libraries = manifest.strip_prefix(begin);
    libraries.is_some_and(|lines| lines.lines().all(is_same)) && place.tree.is_dir()
}

fn is_same(line: &str) -> bool {
    line.split_once('\t')
        .is_some_and(|(was, library)| stamp(Path::new(library)).is_ok_and(|is| is == was))
}

/// Marks the place as ours before anything is changed there.
pub fn mark(place: &Place) -> Result<()> {
    write(place, UNFINISHED)
}

/// Writes the manifest in one step, since half of one might pass for a whole.
pub fn write(place: &Place, text: &str) -> Result<()> {
    let draft = place.manifest.with_extension("manifest.draft");
    fs::write(&draft, text)
        .and_then(|()| fs::rename(&draft, &place.manifest))
        .with_context(|| format!("write {}", place.manifest.display()))
}
