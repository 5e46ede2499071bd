//! The programs that the course uses, what for, and the packages that bring them.

use crate::packages::Manager;
use crate::programs;

/// Where a program is used, and how badly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Without it nothing of the course is built.
    Build,
    /// The chapters' experiments run it inside the containers, where it comes from this machine.
    Inside,
    /// A single target wants it.
    Target,
}

/// A program, by any of its names.
pub struct Tool {
    /// One of these will do.
    pub names: &'static [&'static str],
    /// How badly it is needed.
    pub need: Need,
    /// The chapters and targets that use it.
    pub wanted_by: &'static str,
    /// By the package manager, in the order of [`Manager`]; empty where none has it.
    packages: [&'static str; 5],
}

impl Tool {
    /// Whether this machine has it.
    pub fn is_here(&self) -> bool {
        self.names.iter().any(|name| match self.need {
            Need::Inside => programs::for_rootfs(name).is_some(),
            Need::Target => programs::for_target(name).is_some(),
            Need::Build => programs::on_path(name).is_some(),
        })
    }

    /// The package that brings it.
    pub fn package(&self, manager: Manager) -> Option<&'static str> {
        Some(self.packages[manager as usize]).filter(|name| !name.is_empty())
    }
}

const fn tool(
    names: &'static [&'static str],
    need: Need,
    wanted_by: &'static str,
    packages: [&'static str; 5],
) -> Tool {
    Tool { names, need, wanted_by, packages }
}

use Need::{Build, Inside, Target};

/// All of them. The Rust toolchain stands apart: distributions' packages of it are often too old.
#[rustfmt::skip]
pub const TOOLS: &[Tool] = &[
    //   program                      need    wanted by                         apt
    // dnf                pacman              apk                   zypper
    tool(&["make"],                   Build,  "every chapter",                  ["make",            "make",            "make",             "make",               "make"]),
    tool(&["cc"],                     Build,  "every chapter, as the linker",   ["gcc libc6-dev",   "gcc",             "gcc",              "gcc musl-dev",       "gcc"]),
    tool(&["git"],                    Build,  "make diff-NN",                   ["git",             "git",             "git",              "git",                "git"]),
    tool(&["ps"],                     Inside, "chapters 02 to 09",              ["procps",          "procps-ng",       "procps-ng",        "procps-ng",          "procps"]),
    tool(&["hostname"],               Inside, "chapter 03",                     ["hostname",        "hostname",        "inetutils",        "busybox",            "hostname"]),
    tool(&["mount"],                  Inside, "chapters 04 to 06",              ["mount",           "util-linux-core", "util-linux",       "mount",              "util-linux"]),
    tool(&["findmnt"],                Inside, "chapter 06",                     ["util-linux",      "util-linux-core", "util-linux",       "findmnt",            "util-linux"]),
    tool(&["ip"],                     Inside, "chapter 07",                     ["iproute2",        "iproute",         "iproute2",         "iproute2",           "iproute2"]),
    tool(&["pstree"],                 Target, "make ssh",                       ["psmisc",          "psmisc",          "psmisc",           "psmisc",             "psmisc"]),
    tool(&["unshare"],                Target, "chapters 03, 04, 06; make bench", ["util-linux",     "util-linux-core", "util-linux",       "util-linux-misc",    "util-linux"]),
    tool(&["nsenter"],                Target, "chapters 06 and 07",             ["util-linux",      "util-linux-core", "util-linux",       "util-linux-misc",    "util-linux"]),
    tool(&["strace"],                 Target, "make trace-NN",                  ["strace",          "strace",          "strace",           "strace",             "strace"]),
    tool(&["newuidmap"],              Target, "step 09, for more than one id",  ["uidmap",          "shadow-utils",    "shadow",           "shadow-uidmap",      "shadow"]),
    tool(&["ssh"],                    Target, "make ssh",                       ["openssh-client",  "openssh-clients", "openssh",          "openssh-client",     "openssh-clients"]),
    tool(&["dropbear", "sshd"],       Target, "make ssh",                       ["dropbear-bin",    "dropbear",        "dropbear",         "dropbear",           "dropbear"]),
    tool(&["busybox"],                Target, "a rootfs of one program",        ["busybox-static",  "busybox",         "busybox",          "busybox-static",     "busybox-static"]),
    tool(&["hyperfine"],              Target, "make bench",                     ["hyperfine",       "hyperfine",       "hyperfine",        "hyperfine",          "hyperfine"]),
    tool(&["qemu-system-x86_64", "qemu-system-aarch64"],
                                      Target, "make vm, make test-vm",          ["qemu-system-x86", "qemu-system-x86", "qemu-system-x86",  "qemu-system-x86_64", "qemu-x86"]),
    tool(&["cpio"],                   Target, "make vm, make test-vm",          ["cpio",            "cpio",            "cpio",             "cpio",               "cpio"]),
    tool(&["xz"],                     Target, "make test, make vm",             ["xz-utils",        "xz",              "xz",               "xz",                 "xz"]),
    tool(&["zstd"],                   Target, "make test",                      ["zstd",            "zstd",            "zstd",             "zstd",               "zstd"]),
    tool(&["mdbook"],                 Target, "make book, which installs it with cargo", ["",       "",                "",                 "",                   ""]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_program_stands_twice() {
        let all: Vec<_> = TOOLS.iter().flat_map(|tool| tool.names).collect();
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
    }

    #[test]
    fn a_tool_that_one_manager_has_all_of_them_have() {
        for tool in TOOLS {
            let empty = tool.packages.iter().filter(|name| name.is_empty()).count();
            assert!(empty == 0 || empty == tool.packages.len(), "{:?}", tool.names);
        }
    }
}
