//! Where a program of this machine is.

use std::env;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

/// An ordinary user's PATH often leaves the last two out, and the course's programs look there all
/// the same.
const SYSTEM: [&str; 4] = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];

/// What the shell would run by this name.
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .filter(|dir| dir.is_absolute())
        .map(|dir| dir.join(name))
        .find(|file| is_program(file))
}

/// What a root filesystem made from this machine would have by this name.
pub fn for_rootfs(name: &str) -> Option<PathBuf> {
    on_path(name).or_else(|| within(&SYSTEM, name))
}

/// What a target of the Makefile would run by this name.
pub fn for_target(name: &str) -> Option<PathBuf> {
    on_path(name).or_else(|| within(&SYSTEM[2..], name))
}

fn within(dirs: &[&str], name: &str) -> Option<PathBuf> {
    dirs.iter().map(|dir| Path::new(dir).join(name)).find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    file.is_file() && access(file, AccessFlags::X_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_no_program() {
        assert!(!is_program(Path::new("/usr")));
        assert!(for_rootfs("sh").is_some());
        assert_eq!(for_rootfs("no-such-program"), None);
    }
}
