//! ROOTFS: the way to it, and what is in it.

use nix::errno::Errno::{
    EACCES, EDQUOT, ELOOP, ENAMETOOLONG, ENOENT, ENOSPC, ENOTDIR, EPERM, EROFS,
};

use super::when::{ALWAYS, NOT_ROOT};
use super::{Row, row};

pub const ROWS: &[Row] = &[
    row!(
        "chroot-not-root",
        ["chroot "],
        [EPERM],
        NOT_ROOT,
        "chroot(2) asks for CAP_SYS_CHROOT",
        "run it with sudo; from step 05 on an ordinary user needs none",
    ),
    row!(
        "chroot-unable",
        ["chroot "],
        [EPERM],
        ALWAYS,
        "root has no CAP_SYS_CHROOT here, as inside some containers",
        "go on with step 05, which needs none, or start that container with `docker run --cap-add SYS_CHROOT …`",
    ),
    row!(
        "rootfs-absent",
        ["chroot ", "root filesystem "],
        [ENOENT],
        ALWAYS,
        "there is no such directory",
        "`make rootfs` builds one and prints its path",
    ),
    row!(
        "rootfs-no-directory",
        ["chroot ", "root filesystem "],
        [ENOTDIR],
        ALWAYS,
        "ROOTFS is a directory, not an archive",
        "`target/debug/rootfs tar FILE` unpacks one and prints its path",
    ),
    row!(
        "rootfs-closed",
        ["chroot ", "root filesystem ", "mount point /"],
        [EACCES],
        ALWAYS,
        "the container's root may not go that way, for outside it is another user; NFS knows no foreign root at all",
        "`namei -l ROOTFS` shows the directory without x for others: `chmod o+x DIRECTORY`, or copy the tree to a \
         local disk",
    ),
    row!(
        "rootfs-long-name",
        ["chroot ", "root filesystem "],
        [ENAMETOOLONG],
        ALWAYS,
        "a name has at most 255 bytes and a path 4095",
        "`cd` nearer to it and give the rest of the path, or move it",
    ),
    row!(
        "rootfs-loop",
        ["chroot ", "root filesystem "],
        [ELOOP],
        ALWAYS,
        "symbolic links on the way lead in a circle",
        "`namei ROOTFS` shows them; name the directory itself",
    ),
    row!(
        "mount-point-absent",
        ["mount point /"],
        [ENOENT],
        ALWAYS,
        "the rootfs lacks this directory, on which something is to be mounted",
        "`mkdir -p ROOTFS/DIRECTORY`; where a file is to be mounted, `touch ROOTFS/FILE`",
    ),
];

pub const BUILDING: &[Row] = &[
    row!(
        "no-links",
        ["link /"],
        [EPERM],
        ALWAYS,
        "this filesystem has no links, as vfat and exFAT have none",
        "build the tree on another one: `target/debug/rootfs --to DIRECTORY`",
    ),
    row!(
        "disk-full",
        ["in the tree", "make directory "],
        [ENOSPC, EDQUOT],
        ALWAYS,
        "the disk is full, or your part of it",
        "`df -h target` shows what is free: make room, or build elsewhere with `target/debug/rootfs --to DIRECTORY`",
    ),
    row!(
        "disk-read-only",
        ["make directory ", ".lock"],
        [EROFS],
        ALWAYS,
        "nothing can be written there",
        "build the tree elsewhere: `target/debug/rootfs --to DIRECTORY`",
    ),
    row!(
        "disk-not-yours",
        ["make directory ", ".lock", "in the tree"],
        [EACCES],
        NOT_ROOT,
        "the directory belongs to somebody else, perhaps to root since something was built with sudo",
        "`sudo chown -R $USER target`",
    ),
];
