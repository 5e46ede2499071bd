//! What is kept of containers: layers of those that run or were killed, and logs.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::Result;
use full::files;
use full::reach::log;

/// One line for each layer and each log, with its size in KiB.
pub fn list() -> Result<String> {
    let layers = files::layers().into_iter().map(|(path, used)| {
        let state = if used { "in use" } else { "left by a killed launcher: `make sweep`" };
        line(&format!("layer {}", path.display()), size(&path), state)
    });
    let logs = log::kept()?.into_iter().map(|(name, length)| {
        line(&format!("log of {name}"), length, &format!("`containers rm {name}` removes it"))
    });
    Ok(layers.chain(logs).collect())
}

fn line(what: &str, bytes: u64, state: &str) -> String {
    format!("{:>9} KiB  {what}  ({state})\n", bytes.div_ceil(1024))
}

/// Bytes on disk. What the container has closed to its owner is not counted.
fn size(path: &Path) -> u64 {
    let Ok(found) = fs::symlink_metadata(path) else { return 0 };
    let own = found.blocks() * 512;
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    if found.is_dir() { own + entries.map(|entry| size(&entry.path())).sum::<u64>() } else { own }
}
