//! Answers that any system call may get.

use nix::errno::Errno::{EACCES, EMFILE, ENOSYS};

use super::when::{ALWAYS, FILTERED, SELINUX, WSL_1};
use super::{Row, row};

pub const ROWS: &[Row] = &[
    row!(
        "call-wsl",
        [""],
        [ENOSYS],
        WSL_1,
        "WSL 1 only imitates Linux, and has no such system call",
        "in a Windows terminal: `wsl --set-version DISTRIBUTION 2`",
    ),
    row!(
        "call-filtered",
        [""],
        [ENOSYS],
        FILTERED,
        "a seccomp filter hides this system call, as inside a container",
        "`docker run --security-opt seccomp=unconfined …`, or work outside of it",
    ),
    row!(
        "call-too-new",
        [""],
        [ENOSYS],
        ALWAYS,
        "this kernel has no such system call; the course needs Linux 5.10",
        "`uname -r` shows what you have: install a newer kernel and reboot",
    ),
    row!(
        "selinux",
        [""],
        [EACCES],
        SELINUX,
        "SELinux may forbid it",
        "`sudo ausearch -m avc -ts recent` shows what it forbade; to see whether it is that: `sudo setenforce 0`, and \
         1 afterwards",
    ),
    row!(
        "files-limit",
        [""],
        [EMFILE],
        ALWAYS,
        "this process has as many open files as it may",
        "`ulimit -n 1024`",
    ),
];
