//! The command that installs packages on this machine.

use common::{MANAGERS, Manager, Program};
use nix::unistd::geteuid;

use crate::programs;

/// The package manager of this machine, by its place in the list.
#[derive(Clone, Copy, Debug)]
pub struct Packages(usize);

impl Packages {
    /// Detects it.
    pub fn detect() -> Option<Packages> {
        let installed = |manager: &Manager| programs::on_path(manager.name).is_some();
        MANAGERS.iter().position(installed).map(Packages)
    }

    /// The command that installs a program of the list, where a package has it.
    pub fn install(self, program: &Program) -> Option<String> {
        let package = Some(program.packages[self.0]).filter(|name| !name.is_empty())?;
        let sudo = if geteuid().is_root() { "" } else { "sudo " };
        Some(format!("{sudo}{}", self.install_as_root(package)))
    }

    /// The command for a user who is root by then.
    pub fn install_as_root(self, package: &str) -> String {
        let Manager { name, install, .. } = &MANAGERS[self.0];
        format!("{name} {} {package}", install.join(" "))
    }
}
