//! Where a program of this machine is, and where it belongs in a tree.

use std::env;
use std::fs::File;
use std::iter;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use common::Failure;

use crate::plan::Plan;

/// An ordinary user's PATH often leaves out the last two.
const SYSTEM: [&str; 4] = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];

/// A tool of the course: the system's own before what a user may have put in front of it.
pub fn tool(name: &str) -> Option<PathBuf> {
    system_path().chain(user_path()).map(|dir| dir.join(name)).find(|file| is_program(file))
}

/// A program that the user names: by a path, or by a name that stands for what the shell would run.
pub fn program(name: &str) -> Option<PathBuf> {
    let dirs: Box<dyn Iterator<Item = PathBuf>> = match name.contains('/') {
        true => Box::new(iter::once(PathBuf::new())),
        false => Box::new(user_path().chain(system_path())),
    };
    dirs.map(|dir| dir.join(name)).find(|file| is_program(file))
}

/// Plans the program that the option `--add` names.
pub fn add(plan: &mut Plan, name: &str) -> Result<()> {
    let Some(source) = program(name) else {
        let failure = Failure::new(format!(
            "--add {name}: there is no such program that you may read and execute"
        ));
        return Err(failure
            .hint("give the path of a file, or a name that is found through PATH")
            .into());
    };
    plan.program(place(&source)?, &std::path::absolute(&source)?);
    Ok(())
}

/// The path in the tree: the directories of programs keep their names, all others become `usr/bin`.
pub fn place(source: &Path) -> Result<PathBuf> {
    let name = source
        .file_name()
        .ok_or_else(|| Failure::usage(format!("{} names no file", source.display())))?;
    let in_sbin = source.parent().is_some_and(|dir| dir.ends_with("sbin"));
    Ok(Path::new(if in_sbin { "usr/sbin" } else { "usr/bin" }).join(name))
}

/// It must be readable too, since it is to be copied.
fn is_program(file: &Path) -> bool {
    let meta = File::open(file).and_then(|file| file.metadata());
    meta.is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

fn system_path() -> impl Iterator<Item = PathBuf> {
    SYSTEM.iter().map(PathBuf::from)
}

fn user_path() -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).filter(|dir| dir.is_absolute()).collect::<Vec<_>>().into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_no_program() {
        assert_eq!(program("/usr"), None);
        assert_eq!(tool("no-such-tool"), None);
        assert!(tool("sh").is_some());
    }

    #[test]
    fn sbin_stays_sbin() -> Result<()> {
        assert_eq!(place(Path::new("/sbin/ip"))?, Path::new("usr/sbin/ip"));
        assert_eq!(place(Path::new("/home/me/tool"))?, Path::new("usr/bin/tool"));
        Ok(())
    }
}
