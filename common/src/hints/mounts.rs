//! The container's mount table.

use nix::errno::Errno::{EACCES, EINVAL, ENODEV, ENOSPC, EPERM};

use super::when::{ALWAYS, FILTERED};
use super::{Row, row};

pub const ROWS: &[Row] = &[
    row!(
        "proc-covered",
        ["mount proc on "],
        [EPERM],
        ALWAYS,
        "parts of the present /proc are covered, as inside a container, and a new one would show them",
        "`docker run --security-opt systempaths=unconfined …` covers nothing; with the present one ps shows the processes \
         outside, too",
    ),
    row!(
        "sys-covered",
        ["mount sysfs on "],
        [EPERM],
        ALWAYS,
        "parts of the present /sys are covered, as inside a container, and a new one would show them",
        "`docker run --security-opt systempaths=unconfined …` covers nothing; until then go back to step 06",
    ),
    row!(
        "pivot-impossible",
        ["pivot_root"],
        [EINVAL],
        ALWAYS,
        "ROOTFS is / itself, or / is an initramfs, which cannot be left (`findmnt -no FSTYPE /` shows rootfs)",
        "build a tree with `make rootfs`; on an initramfs first move to a tmpfs with switch_root(8)",
    ),
    row!(
        "filesystem-unknown",
        ["mount "],
        [ENODEV],
        ALWAYS,
        "this kernel has no filesystem of this kind",
        "`cat /proc/filesystems` lists what it has: `sudo modprobe NAME`, or boot your distribution's own kernel",
    ),
    row!(
        "mounts-limit",
        ["mount ", "bind ", "root filesystem "],
        [ENOSPC],
        ALWAYS,
        "the mount table is full",
        "`wc -l /proc/self/mountinfo` shows how many there are: `sudo sysctl fs.mount-max=200000`",
    ),
    row!(
        "mounts-filtered",
        ["make / private", "mount ", "bind ", "hide ", "restrict ", "pivot_root", "umount "],
        [EPERM],
        FILTERED,
        "a seccomp filter forbids it, as inside a container",
        "`docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined …`, or work outside of it",
    ),
    row!(
        "mounts-forbidden",
        ["make / private", "mount ", "bind ", "hide ", "restrict ", "pivot_root", "umount "],
        [EACCES],
        ALWAYS,
        "a security module forbids it, as AppArmor's profile docker-default does inside a container",
        "`docker run --security-opt apparmor=unconfined …`; `cat /proc/self/attr/current` names the profile",
    ),
];
