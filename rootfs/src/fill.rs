//! Carries out a plan in an empty directory.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use common::{Failure, printable};

use crate::elf::{self, Format};
use crate::manifest::Part;
use crate::plan::{Item, Plan};
use crate::tree::Tree;
use crate::unpack::{self, SetIds};

/// Puts everything that is planned below `root`, and returns the libraries of the programs.
///
/// # Errors
/// A file cannot be read or written; an archive is broken or hostile.
pub fn fill(root: &Path, plan: &Plan, set_ids: SetIds) -> Result<Vec<PathBuf>> {
    let tree = Tree::open(root)?;
    let mut filler = Filler { tree, root, plan, set_ids, libraries: BTreeSet::new() };
    plan.items.iter().try_for_each(|item| filler.item(item))?;
    plan.notes.iter().for_each(|note| common::print_stderr(note));
    Ok(filler.libraries.into_iter().collect())
}

struct Filler<'a> {
    tree: Tree,
    root: &'a Path,
    plan: &'a Plan,
    set_ids: SetIds,
    libraries: BTreeSet<PathBuf>,
}

impl Filler<'_> {
    fn item(&mut self, item: &Item) -> Result<()> {
        match item {
            Item::Archive { source } => unpack::archive(source, self.root, self.set_ids)
                .with_context(|| format!("unpack {}", printable(source))),
            Item::Dir { path, mode } => self.tree.dir(path, *mode),
            Item::Link { path, target } => self.tree.link(path, target),
            Item::Text { path, mode, text } => self.tree.text(path, *mode, text),
            Item::Copy { path, mode, source } => self.tree.copy(path, source, Some(*mode)),
            Item::Program { path, source, part } => self.program(path, source, *part),
        }
    }

    fn program(&mut self, path: &Path, source: &Path, part: Part) -> Result<()> {
        match elf::format(source)? {
            Format::Elf => self.libraries(source)?,
            Format::Script(name) => self.interpreter(source, &name)?,
        }
        match part {
            Part::Whole => self.tree.copy(path, source, None),
            Part::Loaded => self.tree.copy_loaded(path, source),
        }
    }

    /// A script does not bring its interpreter: that may need a whole library of other scripts.
    fn interpreter(&self, script: &Path, name: &str) -> Result<()> {
        let there = ["bin", "usr/bin", "usr/local/bin"]
            .iter()
            .any(|dir| self.tree.has(&Path::new(dir).join(name)));
        if there || self.plan.programs().contains(name) {
            return Ok(());
        }
        let failure = Failure::new(format!(
            "{} is a script for {}, which the tree lacks",
            printable(script),
            printable(name)
        ));
        Err(failure.hint("add the interpreter as well, with another --add").into())
    }

    fn libraries(&mut self, program: &Path) -> Result<()> {
        let needs = elf::needs(program)?;
        for name in &needs.missing {
            common::print_stderr(&format!(
                "{} needs {name}, which is not on this machine",
                printable(program)
            ));
        }
        for library in needs.loader.iter().chain(&needs.libraries) {
            self.library(library)?;
        }
        for library in &needs.libraries {
            self.make_found(library, &needs.libraries)?;
        }
        Ok(())
    }

    /// A library from the archive is kept: the programs of the archive were built for it.
    fn library(&mut self, library: &Path) -> Result<()> {
        let path = in_tree(library);
        if !self.tree.has(path) {
            self.tree.copy(path, library, None)?;
        }
        self.libraries.insert(library.into());
        Ok(())
    }

    /// The loader looks into its own directories, and into those that ldconfig(8) wrote to
    /// /etc/ld.so.cache. The tree has no such cache, so a library from elsewhere gets a link beside
    /// the C library.
    fn make_found(&self, library: &Path, all: &[PathBuf]) -> Result<()> {
        let name = library.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        match elf::beside_libc(all, name) {
            Some(found) if !self.tree.has(in_tree(&found)) => {
                self.tree.link(in_tree(&found), library)
            }
            _ => Ok(()),
        }
    }
}

fn in_tree(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap_or(path)
}
