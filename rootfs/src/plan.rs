//! The plan: everything that a tree must contain, as a list. It is data, so that two plans can be
//! compared without building.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::manifest::{Part, Recipe};
use crate::owners;

/// One thing to put into the tree. Paths in the tree are relative to its root.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// Every entry of a tar archive.
    Archive {
        /// The archive, on this machine
        source: PathBuf,
    },
    /// A directory, unless the tree has one there.
    Dir {
        /// In the tree
        path: PathBuf,
        /// Permissions, and the sticky bit
        mode: u32,
    },
    /// A symbolic link; it replaces what is there.
    Link {
        /// In the tree
        path: PathBuf,
        /// What the link contains
        target: PathBuf,
    },
    /// A file with this text, unless the tree has one there.
    Text {
        /// In the tree
        path: PathBuf,
        /// Permissions
        mode: u32,
        /// The content
        text: String,
    },
    /// A file of this machine; it replaces what is there.
    Copy {
        /// In the tree
        path: PathBuf,
        /// Permissions
        mode: u32,
        /// On this machine
        source: PathBuf,
    },
    /// A program of this machine with the libraries and the loader that it needs; it replaces what
    /// is there.
    Program {
        /// In the tree
        path: PathBuf,
        /// On this machine
        source: PathBuf,
        /// How much of the program is copied
        part: Part,
    },
}

/// The list, in the order in which it is carried out.
#[derive(Debug, Default)]
pub struct Plan {
    /// What the tree must contain.
    pub items: Vec<Item>,
    /// What a user should know about the tree; printed only when it is built.
    pub notes: Vec<String>,
}

impl Plan {
    /// Adds every entry of a tar archive.
    pub fn archive(&mut self, source: &Path) {
        self.items.push(Item::Archive { source: source.into() });
    }

    /// Adds a directory.
    pub fn dir(&mut self, path: impl Into<PathBuf>, mode: u32) {
        self.items.push(Item::Dir { path: path.into(), mode });
    }

    /// Adds a symbolic link.
    pub fn link(&mut self, path: impl Into<PathBuf>, target: impl Into<PathBuf>) {
        self.items.push(Item::Link { path: path.into(), target: target.into() });
    }

    /// Adds a file with this text.
    pub fn text(&mut self, path: impl Into<PathBuf>, mode: u32, text: impl Into<String>) {
        self.items.push(Item::Text { path: path.into(), mode, text: text.into() });
    }

    /// Adds a copy of a file.
    pub fn copy(&mut self, path: impl Into<PathBuf>, mode: u32, source: &Path) {
        self.items.push(Item::Copy { path: path.into(), mode, source: source.into() });
    }

    /// Adds a program with its libraries.
    pub fn program(&mut self, path: impl Into<PathBuf>, source: &Path) {
        let (path, source) = (path.into(), source.into());
        self.items.push(Item::Program { path, source, part: Part::Whole });
    }

    /// Adds a program with its libraries, without its debug information.
    pub fn small_program(&mut self, path: impl Into<PathBuf>, source: &Path) {
        let (path, source) = (path.into(), source.into());
        self.items.push(Item::Program { path, source, part: Part::Loaded });
    }

    /// Returns the names of all programs in the plan.
    pub fn programs(&self) -> HashSet<&str> {
        self.items.iter().filter_map(Item::program_name).collect()
    }

    /// Whether it unpacks an archive, whose files have owners.
    pub fn has_archive(&self) -> bool {
        self.items.iter().any(|item| matches!(item, Item::Archive { .. }))
    }

    /// Returns what decides whether a tree must be built again.
    pub fn recipe(&self) -> Recipe {
        let mut words: String = self.items.iter().map(|item| format!("{item:?}\n")).collect();
        if self.has_archive() {
            words += &format!("owners {}\n", owners::describe());
        }
        Recipe { words, sources: self.items.iter().filter_map(Item::source).collect() }
    }
}

impl Item {
    fn program_name(&self) -> Option<&str> {
        match self {
            Item::Program { path, .. } => path.file_name()?.to_str(),
            _ => None,
        }
    }

    fn source(&self) -> Option<(PathBuf, Part)> {
        match self {
            Item::Archive { source } | Item::Copy { source, .. } => {
                Some((source.clone(), Part::Whole))
            }
            Item::Program { source, part, .. } => Some((source.clone(), *part)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_this_machine_is_a_source() {
        let mut plan = Plan::default();
        plan.dir("tmp", 0o1777);
        plan.program("usr/bin/a", Path::new("/a"));
        plan.small_program("usr/bin/b", Path::new("/b"));
        let recipe = plan.recipe();
        assert_eq!(recipe.sources, [("/a".into(), Part::Whole), ("/b".into(), Part::Loaded)]);
        assert!(recipe.words.contains("tmp"));
    }
}
