//! The kind `host`: the tools of this machine. It needs no download and shows a system that the
//! reader knows.

use std::path::Path;

use anyhow::Result;
use common::PROGRAMS;

use crate::elf::{self, Format};
use crate::plan::Plan;
use crate::{etc_files, find, terminfo};

/// Plans a tree with as many of the tools as this machine has.
///
/// # Errors
/// A tool cannot be placed in the tree.
pub fn plan() -> Result<Plan> {
    let mut plan = Plan::default();
    layout(&mut plan);
    let mut missing = Vec::new();
    for name in PROGRAMS.iter().flat_map(|program| &program.inside) {
        match find::tool(name).filter(|file| runs(file)) {
            Some(source) => plan.program(find::place(&source)?, &source),
            None => missing.push(*name),
        }
    }
    if !missing.is_empty() {
        let names = missing.join(", ");
        plan.notes.push(format!("not on this machine, and so not in the tree: {names}"));
    }
    etc_files::add(&mut plan);
    terminfo::add(&mut plan);
    Ok(plan)
}

/// Plans the directories of a small Linux system in today's layout: every program and library is
/// below `usr`.
pub fn layout(plan: &mut Plan) {
    for name in ["bin", "sbin", "lib", "lib64"] {
        plan.dir(format!("usr/{name}"), 0o755);
        plan.link(name, format!("usr/{name}"));
    }
    for path in ["etc", "home", "mnt", "opt", "root", "run", "usr/local/bin", "var"] {
        plan.dir(path, 0o755);
    }
    standard_dirs(plan);
    plan.dir("var/tmp", 0o1777);
}

/// Plans the directories that a container mounts something on, or that every program expects.
pub fn standard_dirs(plan: &mut Plan) {
    for path in ["proc", "sys", "dev"] {
        plan.dir(path, 0o755);
    }
    plan.dir("tmp", 0o1777);
}

/// Some systems have a script where others have a program. It runs only if the tree has its
/// interpreter.
fn runs(program: &Path) -> bool {
    match elf::format(program) {
        Ok(Format::Elf) => true,
        Ok(Format::Script(interpreter)) => ["sh", "bash"].contains(&interpreter.as_str()),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_shell() -> Result<()> {
        assert!(plan()?.programs().contains("sh"));
        Ok(())
    }
}
