//! The plan: all that a tree shall hold, as a list. It is data, so that two plans can be compared
//! without building.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// One thing to put into the tree. Paths in the tree are relative to its root.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// All entries of a tar archive.
    Archive { source: PathBuf },
    /// A directory, unless the tree has one there.
    Dir { path: PathBuf, mode: u32 },
    /// A symbolic link; it takes the place of what is there.
    Link { path: PathBuf, target: PathBuf },
    /// A file of these words, unless the tree has one there.
    Text { path: PathBuf, mode: u32, text: String },
    /// A file of this machine; it takes the place of what is there.
    Copy { path: PathBuf, mode: u32, source: PathBuf },
    /// A program of this machine with the libraries and the loader that it needs; it takes the
    /// place of what is there.
    Program { path: PathBuf, source: PathBuf },
}

/// The list, in the order in which it is carried out.
#[derive(Debug, Default)]
pub struct Plan {
    pub items: Vec<Item>,
    /// What a user should know about the tree; told only when it is built.
    pub notes: Vec<String>,
}

impl Plan {
    pub fn archive(&mut self, source: &Path) {
        self.items.push(Item::Archive { source: source.into() });
    }

    pub fn dir(&mut self, path: impl Into<PathBuf>, mode: u32) {
        self.items.push(Item::Dir { path: path.into(), mode });
    }

    pub fn link(&mut self, path: impl Into<PathBuf>, target: impl Into<PathBuf>) {
        self.items.push(Item::Link { path: path.into(), target: target.into() });
    }

    pub fn text(&mut self, path: impl Into<PathBuf>, mode: u32, text: impl Into<String>) {
        self.items.push(Item::Text { path: path.into(), mode, text: text.into() });
    }

    pub fn copy(&mut self, path: impl Into<PathBuf>, mode: u32, source: &Path) {
        self.items.push(Item::Copy { path: path.into(), mode, source: source.into() });
    }

    pub fn program(&mut self, path: impl Into<PathBuf>, source: &Path) {
        self.items.push(Item::Program { path: path.into(), source: source.into() });
    }

    /// The names of all programs in the plan.
    pub fn programs(&self) -> HashSet<&str> {
        self.items.iter().filter_map(Item::program_name).collect()
    }

    /// The plan in words, each file of this machine with its stamp: two plans with the same words
    /// give the same tree.
    pub fn describe(&self) -> Result<String> {
        self.items.iter().map(|item| Ok(item.describe()? + "\n")).collect()
    }
}

impl Item {
    fn program_name(&self) -> Option<&str> {
        match self {
            Item::Program { path, .. } => path.file_name()?.to_str(),
            _ => None,
        }
    }

    fn source(&self) -> Option<&Path> {
        match self {
            Item::Archive { source } | Item::Copy { source, .. } | Item::Program { source, .. } => {
                Some(source)
            }
            _ => None,
        }
    }

    fn describe(&self) -> Result<String> {
        let stamp = self.source().map(stamp).transpose()?;
        Ok(format!("{self:?} {}", stamp.unwrap_or_default()))
    }
}

/// What tells a file from its next version without reading it: its size and the time when it was
/// last written.
pub fn stamp(file: &Path) -> Result<String> {
    let meta = fs::metadata(file).with_context(|| format!("look at {}", file.display()))?;
    Ok(format!("{} {}.{:09}", meta.size(), meta.mtime(), meta.mtime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_source_changes_the_words() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let source = dir.path().join("program");
        let mut plan = Plan::default();
        plan.program("usr/bin/program", &source);
        fs::write(&source, "1")?;
        let before = plan.describe()?;
        assert_eq!(before, plan.describe()?);
        fs::write(&source, "22")?;
        assert_ne!(before, plan.describe()?);
        Ok(())
    }

    #[test]
    fn a_missing_source_is_told_by_its_path() {
        let mut plan = Plan::default();
        plan.archive(Path::new("/nowhere/x.tar"));
        assert!(format!("{:#}", plan.describe().unwrap_err()).contains("/nowhere/x.tar"));
    }
}
