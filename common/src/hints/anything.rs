//! Answers that any system call may get.

use nix::errno::Errno::{EACCES, EMFILE, ENOSYS};

use super::when::{BEFORE_5_10, FILTERED, SELINUX, WSL_1};
use super::{Row, check, row};

pub const ROWS: &[Row] = &[
    row!(
        "call-wsl",
        [],
        [ENOSYS],
        [WSL_1],
        "WSL 1 imitates Linux, and has no such system call",
        "in a Windows terminal: `wsl --set-version DISTRIBUTION 2`",
    ),
    row!(
        "call-too-new",
        [],
        [ENOSYS],
        [BEFORE_5_10],
        "this kernel has no such system call; the course needs Linux 5.10",
        "install a newer kernel and reboot",
    ),
    check!(
        "call-filtered",
        [],
        [ENOSYS],
        [FILTERED],
        "a seccomp filter is in force here, as in a container, and may hide system calls: `docker run --security-opt \
         seccomp=unconfined …`, or work outside of it",
    ),
    check!(
        "call-absent",
        [],
        [ENOSYS],
        [],
        "`uname -a`: a kernel built for few purposes, or a sandbox that imitates Linux, lacks some system calls. Boot \
         your distribution's own kernel, or leave the sandbox",
    ),
    check!(
        "selinux",
        [],
        [EACCES],
        [SELINUX],
        "SELinux is enforcing: `sudo ausearch -m avc -ts recent` shows what it has forbidden; to see whether this is \
         the cause: `sudo setenforce 0`, and 1 afterwards",
    ),
    row!(
        "files-limit",
        [],
        [EMFILE],
        [],
        "this process has reached its limit of open files",
        "`ulimit -n 1024`",
    ),
];
