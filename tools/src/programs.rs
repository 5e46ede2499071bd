//! Where a program of this machine is.

use std::env;
use std::path::{Path, PathBuf};

use common::{Need, Program};
use nix::unistd::{AccessFlags, access};

/// An ordinary user's PATH often leaves out the last two; the course's programs look there anyway.
const SYSTEM: [&str; 4] = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];

/// Whether this machine has the program, where the course looks for it: what goes into a root
/// filesystem is taken from the system's own directories too.
pub fn is_installed(program: &Program) -> bool {
    let system = match program.need {
        Need::Build => &SYSTEM[..0],
        _ if program.inside.is_empty() => &SYSTEM[2..],
        _ => &SYSTEM,
    };
    program.names.iter().any(|name| on_path(name).or_else(|| within(system, name)).is_some())
}

/// What the shell would run by this name.
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut files =
        env::split_paths(&path).filter(|dir| dir.is_absolute()).map(|dir| dir.join(name));
    files.find(|file| is_program(file))
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
    fn a_directory_is_not_a_program() {
        assert!(!is_program(Path::new("/usr")));
        assert!(within(&SYSTEM, "sh").is_some());
        assert_eq!(within(&SYSTEM, "no-such-program"), None);
    }
}
