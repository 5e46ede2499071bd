//! ROOTFS: the way to it, what is in it, and how it is built.

use nix::errno::Errno::{
    EACCES, EDQUOT, ELOOP, ENAMETOOLONG, ENOENT, ENOSPC, ENOTDIR, EPERM, EROFS,
};

use super::when::{NO_CHROOT_RIGHT, NOT_ROOT};
use super::{Row, check, row};
use crate::Operation::{BuildTree, Chroot, CreateLink, OpenMountPoint, OpenRootfs};

pub const ROWS: &[Row] = &[
    row!(
        "chroot-not-root",
        [Chroot],
        [EPERM],
        [NOT_ROOT, NO_CHROOT_RIGHT],
        "chroot(2) needs CAP_SYS_CHROOT",
        "run it with sudo; from step 05 on an ordinary user can do without",
    ),
    row!(
        "chroot-unable",
        [Chroot],
        [EPERM],
        [NO_CHROOT_RIGHT],
        "root has no CAP_SYS_CHROOT here, as in some containers",
        "go on with step 05, which does without, or start that container with `docker run --cap-add SYS_CHROOT …`",
    ),
    check!(
        "chroot-forbidden",
        [Chroot],
        [EPERM],
        [],
        "`sudo dmesg | grep -iE 'denied|avc' | tail` shows what AppArmor or SELinux has forbidden",
    ),
    row!(
        "rootfs-absent",
        [Chroot, OpenRootfs],
        [ENOENT],
        [],
        "this directory does not exist",
        "`make rootfs` builds one and prints its path",
    ),
    row!(
        "rootfs-no-directory",
        [Chroot, OpenRootfs],
        [ENOTDIR],
        [],
        "ROOTFS must be a directory",
        "`target/debug/rootfs tar FILE` unpacks an archive and prints the path of its tree",
    ),
    check!(
        "rootfs-closed",
        [Chroot, OpenRootfs, OpenMountPoint],
        [EACCES],
        [],
        "`namei -l ROOTFS` shows each directory on the way. The container's root may be another user outside, and \
         needs x on all of them: `chmod o+x DIRECTORY`. On NFS it never gets in: copy the tree to a local disk",
    ),
    row!(
        "rootfs-long-name",
        [Chroot, OpenRootfs],
        [ENAMETOOLONG],
        [],
        "a name has at most 255 bytes, and a path 4095",
        "`cd` to a directory nearer to it and give the rest of the path, or move it",
    ),
    row!(
        "rootfs-loop",
        [Chroot, OpenRootfs],
        [ELOOP],
        [],
        "more than 40 symbolic links are on the way, or they form a circle",
        "`namei ROOTFS` shows them; give the path of the directory itself",
    ),
    row!(
        "mount-point-absent",
        [OpenMountPoint],
        [ENOENT],
        [],
        "the rootfs lacks this mount point",
        "`mkdir -p ROOTFS/DIRECTORY`, or `touch ROOTFS/FILE` to mount a file there",
    ),
];

pub const BUILDING: &[Row] = &[
    check!(
        "no-links",
        [CreateLink],
        [EPERM],
        [],
        "`findmnt -T DIRECTORY -o FSTYPE`: vfat and exFAT have no links. Build the tree on another filesystem: \
         `target/debug/rootfs --to DIRECTORY`",
    ),
    row!(
        "disk-full",
        [BuildTree, CreateLink],
        [ENOSPC, EDQUOT],
        [],
        "the disk is full, or your share of it",
        "`df -h target` and `df -i target` show what is free: make room, or build elsewhere with `target/debug/rootfs \
         --to DIRECTORY`",
    ),
    row!(
        "disk-read-only",
        [BuildTree, CreateLink],
        [EROFS],
        [],
        "this filesystem is read-only",
        "build the tree elsewhere: `target/debug/rootfs --to DIRECTORY`",
    ),
    check!(
        "disk-not-yours",
        [BuildTree, CreateLink],
        [EACCES],
        [NOT_ROOT],
        "`ls -ld DIRECTORY` shows whose it is. After a build with sudo, root owns a part of target: `sudo chown -R \
         $USER target`",
    ),
];
