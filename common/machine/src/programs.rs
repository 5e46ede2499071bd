//! Where a program of this machine is.

use std::env;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

/// An ordinary user's PATH often leaves these out, and the program `rootfs` looks there all the same.
const SYSTEM: [&str; 4] = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];

/// What the shell would run by this name.
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).filter(|dir| dir.is_absolute()).map(|dir| dir.join(name)).find(|file| is_program(file))
}

/// What a root filesystem made from this machine would have by this name.
pub fn for_rootfs(name: &str) -> Option<PathBuf> {
    let system = || SYSTEM.iter().map(|dir| Path::new(dir).join(name)).find(|file| is_program(file));
    on_path(name).or_else(system)
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
