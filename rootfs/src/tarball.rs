//! The kind `tar`: a root filesystem that somebody else has packed.

use std::path::{Path, absolute};

use anyhow::{Context, Result};
use common::printable;

use crate::host;
use crate::plan::Plan;

/// Plans a tree from the archive, and the directories that a container needs where the archive
/// lacks them.
///
/// # Errors
/// What getcwd(2) reports.
pub fn plan(file: &Path) -> Result<Plan> {
    let file = absolute(file).with_context(|| format!("find {}", printable(file)))?;
    let mut plan = Plan::default();
    plan.archive(&file);
    host::standard_dirs(&mut plan);
    Ok(plan)
}

/// Returns the name of the tree: the archive's, without the parts that name its format.
pub fn name(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let formats = [".tgz", ".txz", ".tzst", ".gz", ".xz", ".zst"];
    let name = formats.iter().find_map(|format| name.strip_suffix(format)).unwrap_or(&name);
    match name.strip_suffix(".tar").unwrap_or(name) {
        // The other kinds, the keys and the layers of images have these names; a hidden name could
        // be that of a file beside a tree.
        taken @ ("" | "host" | "busybox" | "ssh") => format!("{taken}-tar"),
        taken if taken.starts_with("layers") => format!("tar-{taken}"),
        hidden if hidden.starts_with('.') => format!("tar{hidden}"),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_stay_in_the_name() {
        assert_eq!(
            name(Path::new("/x/alpine-minirootfs-3.20.0-x86_64.tar.gz")),
            "alpine-minirootfs-3.20.0-x86_64"
        );
        assert_eq!(name(Path::new("debian.tzst")), "debian");
        assert_eq!(name(Path::new("noble")), "noble");
    }

    #[test]
    fn an_archive_cannot_take_the_place_of_another_kind() {
        assert_eq!(name(Path::new("host.tar.xz")), "host-tar");
        assert_eq!(name(Path::new("layers")), "tar-layers");
        assert_eq!(name(Path::new(".host.draft")), "tar.host.draft");
        assert_eq!(name(Path::new("/")), "-tar");
    }
}
