//! The container's mount table.

use nix::errno::Errno::{EACCES, EINVAL, ENODEV, ENOSPC, EPERM};

use super::when::{APPARMOR, BEFORE_5_11, BEFORE_5_19, FILTERED, PROC_COVERED, SYS_COVERED};
use super::{Row, check, row};
use crate::Operation::{
    Bind, ChangeMount, Mount, MountOverlay, MountProc, MountSysfs, OpenRootfs, PivotRoot, Unmount,
};

pub const ROWS: &[Row] = &[
    row!(
        "proc-covered",
        [MountProc],
        [EPERM],
        [PROC_COVERED],
        "something is mounted below the present /proc, as in a container, and a new one would show what it covers",
        "`docker run --security-opt systempaths=unconfined …` covers nothing; with the present one ps shows the \
         processes outside, too",
    ),
    row!(
        "sys-covered",
        [MountSysfs],
        [EPERM],
        [SYS_COVERED],
        "something is mounted below the present /sys, as in a container, and a new one would show what it covers",
        "`docker run --security-opt systempaths=unconfined …` covers nothing; until then go back to step 06",
    ),
    row!(
        "overlay-too-old",
        [MountOverlay],
        [EPERM],
        [BEFORE_5_11],
        "a container mounts an overlay since Linux 5.11",
        "a newer kernel: `make vm KERNEL=6.1`; an image is unpacked into one tree, which needs no overlay: \
         `make image FLAT=1 FILE=…`",
    ),
    row!(
        "overlay-idmapped-too-old",
        [MountOverlay],
        [EINVAL],
        [BEFORE_5_19],
        "layers of an overlay are idmapped, as root's are, since Linux 5.19",
        "start it as an ordinary user, whose layers are not; or a newer kernel: `make vm KERNEL=6.1`",
    ),
    check!(
        "overlay-layer",
        [MountOverlay],
        [EINVAL],
        [],
        "`findmnt -T /var/tmp -o FSTYPE`: a layer lies on ext4, xfs, btrfs or tmpfs, but not on another overlay, as \
         in a container, or on NFS. `--overlay=DIR` puts it elsewhere",
    ),
    check!(
        "pivot-impossible",
        [PivotRoot],
        [EINVAL],
        [],
        "ROOTFS must not be / itself (`make rootfs` builds another tree); and `findmnt -no FSTYPE /` must not show \
         rootfs, an initramfs, which cannot be left: first move to a tmpfs with switch_root(8)",
    ),
    row!(
        "filesystem-unknown",
        [Mount, MountOverlay, MountProc, MountSysfs],
        [ENODEV],
        [],
        "this kernel has no filesystem of this type",
        "`cat /proc/filesystems` lists those that it has: `sudo modprobe NAME`, or boot your distribution's own kernel",
    ),
    check!(
        "mounts-limit",
        [Mount, MountOverlay, MountProc, MountSysfs, Bind, OpenRootfs],
        [ENOSPC],
        [],
        "`wc -l /proc/self/mountinfo` against `sysctl fs.mount-max`, the limit of a mount table: `sudo sysctl \
         fs.mount-max=200000`",
    ),
    check!(
        "mounts-filtered",
        [
            Mount,
            MountOverlay,
            MountProc,
            MountSysfs,
            Bind,
            ChangeMount,
            PivotRoot,
            Unmount,
            OpenRootfs
        ],
        [EPERM],
        [FILTERED],
        "a seccomp filter is in force here, as in a container, and may forbid mounts: `docker run --security-opt \
         seccomp=unconfined --security-opt apparmor=unconfined …`, or work outside of it",
    ),
    check!(
        "mounts-apparmor",
        [Mount, MountOverlay, MountProc, MountSysfs, Bind, ChangeMount, PivotRoot, Unmount],
        [EACCES],
        [APPARMOR],
        "`cat /proc/self/attr/current` names AppArmor's profile for this program; docker-default, in a container, \
         forbids mounts: `docker run --security-opt apparmor=unconfined …`",
    ),
    check!(
        "mounts-closed",
        [Mount, MountOverlay, MountProc, MountSysfs, ChangeMount, PivotRoot, Unmount],
        [EACCES],
        [],
        "`sudo dmesg | grep -iE 'denied|avc' | tail` shows what AppArmor or SELinux has forbidden",
    ),
];
