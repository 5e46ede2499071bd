//! The package managers, and how each is asked to install something.

use nix::unistd::geteuid;

use crate::programs;

/// A package manager; the table of tools has its columns in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    /// Debian, Ubuntu and their relatives
    Apt,
    /// Fedora, RHEL and their relatives
    Dnf,
    /// Arch Linux and its relatives
    Pacman,
    /// Alpine
    Apk,
    /// openSUSE
    Zypper,
}

/// Its program, what brings its lists up to date where it does not do so by itself, and what
/// installs without asking.
const COMMANDS: [(Manager, &str, &[&str], &[&str]); 5] = [
    (Manager::Apt, "apt-get", &["update"], &["install", "--yes", "--no-install-recommends"]),
    (Manager::Dnf, "dnf", &[], &["install", "--assumeyes"]),
    (Manager::Pacman, "pacman", &[], &["-S", "--needed", "--noconfirm"]),
    (Manager::Apk, "apk", &[], &["add"]),
    (Manager::Zypper, "zypper", &[], &["--non-interactive", "install"]),
];

impl Manager {
    /// The one of this machine.
    pub fn here() -> Option<Manager> {
        COMMANDS
            .iter()
            .find(|(_, program, ..)| programs::on_path(program).is_some())
            .map(|(manager, ..)| *manager)
    }

    /// What must be run before, if anything.
    pub fn update(self) -> Option<Vec<&'static str>> {
        let (_, program, update, _) = COMMANDS[self as usize];
        let sudo = (!geteuid().is_root()).then_some("sudo");
        let words = sudo.into_iter().chain([program]).chain(update.iter().copied());
        (!update.is_empty()).then(|| words.collect())
    }

    /// What installs these packages; each may be several, with spaces between.
    pub fn install(self, packages: &[&'static str]) -> Vec<&'static str> {
        let sudo = (!geteuid().is_root()).then_some("sudo");
        sudo.into_iter().chain(self.install_as_root(packages)).collect()
    }

    /// The same for who is root by then.
    pub fn install_as_root(self, packages: &[&'static str]) -> Vec<&'static str> {
        let (_, program, _, install) = COMMANDS[self as usize];
        let words =
            install.iter().copied().chain(packages.iter().flat_map(|names| names.split(' ')));
        [program].into_iter().chain(words).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_stand_in_the_order_of_the_managers() {
        for (index, (manager, ..)) in COMMANDS.iter().enumerate() {
            assert_eq!(*manager as usize, index);
        }
    }

    #[test]
    fn a_cell_may_name_two_packages() {
        let command = Manager::Apk.install(&["gcc musl-dev", "make"]);
        assert!(command.ends_with(&["apk", "add", "gcc", "musl-dev", "make"]));
    }
}
