//! What is executed inside, and what a complete container asks for.

use nix::errno::Errno::{EACCES, EDQUOT, EINVAL, EIO, ENOENT, ENOEXEC, ENOSYS, ENOTDIR};

use super::when::{ALWAYS, FILTERED, NOEXEC};
use super::{Row, row};

pub const COMMAND: &[Row] = &[
    row!(
        "exec-noexec",
        ["exec "],
        [EACCES],
        NOEXEC,
        "the rootfs lies on a mount that nothing is executed from, as /tmp and removable disks may be",
        "`sudo mount -o remount,exec MOUNTPOINT`, or build the tree elsewhere with `target/debug/rootfs --to DIRECTORY`",
    ),
    row!(
        "exec-no-permission",
        ["exec "],
        [EACCES],
        ALWAYS,
        "it is a directory, or a file without the x permission",
        "name a program, or give it the permission with `chmod +x FILE`",
    ),
    row!(
        "exec-no-program",
        ["exec "],
        [ENOEXEC],
        ALWAYS,
        "it begins with neither `#!` nor the code of this machine's architecture",
        "`file PROGRAM` shows what it is and `uname -m` what this machine is",
    ),
    row!(
        "exec-dangling",
        ["exec "],
        [ENOENT],
        ALWAYS,
        "it is a link to something that is not in the rootfs",
        "`readlink PROGRAM` shows to what: copy that as well",
    ),
];

pub const COMPLETE: &[Row] = &[
    row!(
        "keys-used-up",
        ["keyctl "],
        [EDQUOT],
        ALWAYS,
        "each container takes a keyring, and you have as many keys as you may",
        "`cat /proc/key-users` shows how many: `sudo sysctl kernel.keys.maxkeys=2000`",
    ),
    row!(
        "seccomp-not-built",
        ["seccomp SECCOMP_SET_MODE_FILTER"],
        [EINVAL, ENOSYS],
        ALWAYS,
        "this kernel was built without seccomp filters (CONFIG_SECCOMP_FILTER)",
        "boot your distribution's own kernel, or do without: `--seccomp off`",
    ),
    row!(
        "volume-absent",
        ["mount /"],
        [ENOENT],
        ALWAYS,
        "the host has no such file or directory",
        "`ls -ld SRC` must show it before `--volume SRC:DST` can mount it",
    ),
    row!(
        "volume-file-and-directory",
        ["mount /"],
        [ENOTDIR],
        ALWAYS,
        "a directory is mounted on a directory, and a file on a file",
        "make DST what SRC is: `mkdir -p ROOTFS/DST`, or `touch ROOTFS/DST`",
    ),
    row!(
        "workdir-absent",
        ["chdir /"],
        [ENOENT, ENOTDIR],
        ALWAYS,
        "the container has no such directory",
        "`mkdir -p ROOTFS/DIR`, or leave out --workdir",
    ),
    row!(
        "workdir-closed",
        ["chdir /"],
        [EACCES],
        ALWAYS,
        "whom the payload runs as may not go into that directory",
        "`chmod o+x ROOTFS/DIR`, or leave out --workdir",
    ),
    row!(
        "container-absent",
        ["no container "],
        [],
        ALWAYS,
        "none of that name, or with that process 1, was started in this network namespace",
        "`target/debug/containers` shows which are",
    ),
    row!(
        "container-of-another",
        ["Permission Denied: /proc/"],
        [],
        ALWAYS,
        "another user started it",
        "`sudo target/debug/enter NAME`",
    ),
    row!(
        "no-strict-mode",
        ["seccomp SECCOMP_SET_MODE_STRICT"],
        [EINVAL],
        FILTERED,
        "strict mode is not for a process that is behind a filter already",
        "start the container with `--seccomp off`, or try `seccomp-demo filter`: filters add up",
    ),
    row!(
        "no-terminal",
        ["no terminal to type on"],
        [],
        ALWAYS,
        "standard input, output and error are files or pipes",
        "start it in a terminal, without > and |",
    ),
    row!(
        "no-typing",
        ["ioctl TIOCSTI"],
        [EIO],
        ALWAYS,
        "this kernel lets nobody type on a terminal for somebody else (since Linux 6.2)",
        "to see it succeed without a container: `sudo sysctl dev.tty.legacy_tiocsti=1`, and 0 afterwards",
    ),
];
