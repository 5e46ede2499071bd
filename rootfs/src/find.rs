//! Where a program of this machine is, and where it belongs in a tree.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use common::{Failure, printable};

use crate::plan::Plan;

/// An ordinary user's PATH often lacks the last two.
const SYSTEM: &str = "/usr/bin:/bin:/usr/sbin:/sbin";

/// Finds a tool of the course: the system's own before one that a user may have put in front of it.
pub fn tool(name: &str) -> Option<PathBuf> {
    search(name, [SYSTEM.into(), user_path()])
}

/// Finds a program that the user names: by a path, or by a name as the shell would find it.
pub fn program(name: &str) -> Option<PathBuf> {
    match name.contains('/') {
        true => Some(PathBuf::from(name)).filter(|file| is_program(file)),
        false => search(name, [user_path(), SYSTEM.into()]),
    }
}

fn search(name: &str, paths: [OsString; 2]) -> Option<PathBuf> {
    let found = paths.into_iter().filter_map(|path| which::which_in_global(name, Some(path)).ok());
    found.flatten().find(|file| file.is_absolute() && is_program(file))
}

/// Plans the program that the option `--add` names.
///
/// # Errors
/// There is no such program.
pub fn add(plan: &mut Plan, name: &str) -> Result<()> {
    let Some(source) = program(name) else {
        let failure = Failure::new(format!(
            "--add {}: there is no such program that you may read and execute",
            printable(name)
        ));
        return Err(failure
            .hint("give the path of a file, or a name that is found through PATH")
            .into());
    };
    plan.program(place(&source)?, &std::path::absolute(&source)?);
    Ok(())
}

/// Returns the path in the tree: programs of a system stay in `sbin` or `bin`, all others get into
/// `usr/bin`.
pub fn place(source: &Path) -> Result<PathBuf> {
    let name = source.file_name().ok_or_else(|| {
        Failure::usage(format!("{} is not the name of a file", printable(source)))
    })?;
    let in_sbin = source.parent().is_some_and(|dir| dir.ends_with("sbin"));
    Ok(Path::new(if in_sbin { "usr/sbin" } else { "usr/bin" }).join(name))
}

/// It must be readable, too, because it is copied.
fn is_program(file: &Path) -> bool {
    let meta = File::open(file).and_then(|file| file.metadata());
    meta.is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

fn user_path() -> OsString {
    env::var_os("PATH").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_not_a_program() {
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
