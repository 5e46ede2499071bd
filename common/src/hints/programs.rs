//! What is executed inside, and what a complete container asks for.

use nix::errno::Errno::{
    E2BIG, EACCES, EDQUOT, EINVAL, EIO, ENAMETOOLONG, ENOENT, ENOEXEC, ENOSYS, ENOTDIR,
};

use super::when::{
    DANGLING, FILTERED, IS_DIRECTORY, IS_SPECIAL, NO_FILTERS_BUILT, ON_NOEXEC, TYPING_OFF,
    WITHOUT_X,
};
use super::{Row, check, row};
use crate::Operation::{
    Bind, ChangeDirectory, EnterStrictMode, Exec, FindContainer, FindTerminal, JoinKeyring,
    LoadFilter, OpenVolume, TypeOnTerminal,
};

pub const COMMAND: &[Row] = &[
    row!(
        "exec-directory",
        [Exec],
        [EACCES],
        [IS_DIRECTORY],
        "it is a directory",
        "name a program in it",
    ),
    row!(
        "exec-special",
        [Exec],
        [EACCES],
        [IS_SPECIAL],
        "it is a FIFO, a socket or a device",
        "only a regular file can be executed",
    ),
    row!(
        "exec-noexec",
        [Exec],
        [EACCES],
        [ON_NOEXEC],
        "it lies on a mount with the flag noexec, as /tmp and removable disks may be",
        "`sudo mount -o remount,exec MOUNTPOINT`, or build the tree elsewhere with `target/debug/rootfs --to \
         DIRECTORY`",
    ),
    row!(
        "exec-no-permission",
        [Exec],
        [EACCES],
        [WITHOUT_X],
        "nobody has the x permission for this file",
        "name a program, or `chmod +x FILE`",
    ),
    check!(
        "exec-closed",
        [Exec],
        [EACCES],
        [],
        "`namei -l FILE` shows the permissions of the file and of each directory on the way; of a script also those of \
         the program in its first line",
    ),
    row!(
        "exec-no-program",
        [Exec],
        [ENOEXEC],
        [],
        "it begins with neither `#!` nor the code of this machine's architecture",
        "`file PROGRAM` shows what it is, and `uname -m` what this machine is",
    ),
    row!(
        "exec-dangling",
        [Exec],
        [ENOENT],
        [DANGLING],
        "it is a symbolic link to a file that the rootfs does not have",
        "`readlink PROGRAM` shows which one: copy it into the rootfs",
    ),
    row!(
        "exec-not-below",
        [Exec],
        [ENOTDIR],
        [],
        "a part of the path before the last / is not a directory",
        "leave out what follows the program's name",
    ),
    row!(
        "exec-long-name",
        [Exec],
        [ENAMETOOLONG],
        [],
        "a name has at most 255 bytes, and a path 4095",
        "put quotes where the name of the program ends",
    ),
    row!(
        "exec-too-long",
        [Exec],
        [E2BIG],
        [],
        "arguments and environment are longer than the kernel takes: 128 KiB each, together a quarter of `ulimit -s`",
        "pass them in a file, or through standard input with xargs(1)",
    ),
];

pub const COMPLETE: &[Row] = &[
    row!(
        "keys-used-up",
        [JoinKeyring],
        [EDQUOT],
        [],
        "each container takes a keyring, and you have reached your limit of keys",
        "`cat /proc/key-users` shows how many you have: `sudo sysctl kernel.keys.maxkeys=2000`",
    ),
    row!(
        "seccomp-not-built",
        [LoadFilter],
        [EINVAL, ENOSYS],
        [NO_FILTERS_BUILT],
        "this kernel was built without seccomp filters (CONFIG_SECCOMP_FILTER)",
        "boot your distribution's own kernel, or do without: `--seccomp off`",
    ),
    row!(
        "volume-absent",
        [OpenVolume],
        [ENOENT],
        [],
        "the host has no such file or directory",
        "`ls -ld SRC` must show it before `--volume SRC:DST` can mount it",
    ),
    check!(
        "volume-closed",
        [OpenVolume, Bind],
        [EACCES],
        [],
        "`namei -l SRC` shows each directory on the way. The container's root may be another user outside, and needs x \
         on all of them: `chmod o+x DIRECTORY`",
    ),
    check!(
        "volume-file-and-directory",
        [OpenVolume, Bind],
        [ENOTDIR, EINVAL],
        [],
        "SRC and DST must both be directories, or neither: `mkdir -p ROOTFS/DST`, or `touch ROOTFS/DST`",
    ),
    row!(
        "workdir-absent",
        [ChangeDirectory],
        [ENOENT, ENOTDIR],
        [],
        "the container has no such directory",
        "`mkdir -p ROOTFS/DIR`, or leave out --workdir",
    ),
    check!(
        "workdir-closed",
        [ChangeDirectory],
        [EACCES],
        [],
        "`namei -l ROOTFS/DIR` shows each directory on the way; the payload's user needs x on all of them: `chmod o+x \
         DIRECTORY`, or leave out --workdir",
    ),
    row!(
        "container-absent",
        [FindContainer],
        [],
        [],
        "you have no running container of that name, or with that process 1",
        "`target/debug/containers` lists those that are running; another user's is joined by root, with the number of \
         its process 1",
    ),
    row!(
        "no-strict-mode",
        [EnterStrictMode],
        [EINVAL],
        [FILTERED],
        "a process that has a filter cannot change to strict mode",
        "start the container with `--seccomp off`, or try `seccomp-demo filter`: filters add up",
    ),
    row!(
        "no-terminal",
        [FindTerminal],
        [],
        [],
        "standard input, output and error are files or pipes",
        "start it in a terminal, without > and |",
    ),
    row!(
        "no-typing",
        [TypeOnTerminal],
        [EIO],
        [TYPING_OFF],
        "this kernel lets no process type for another one (Linux 6.2 and later)",
        "to see it succeed without a container: `sudo sysctl dev.tty.legacy_tiocsti=1`, and 0 afterwards",
    ),
];
