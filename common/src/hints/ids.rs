//! User and group ids, inside and outside.

use nix::errno::Errno::{EINVAL, ENOSYS, EOPNOTSUPP, EOVERFLOW, EPERM};

use super::when::{
    BEFORE_5_12, FOREIGN_PROC, NO_NEW_PRIVS, NO_SET_USER_ID, NOT_ROOT, TRACED, UNMAPPED,
};
use super::{Row, check, row};
use crate::Operation::{ChangeOwner, IdmapMount, RunNewuidmap, SetIds, WriteIdMap};

pub const ROWS: &[Row] = &[
    row!(
        "proc-foreign",
        [WriteIdMap],
        [],
        [FOREIGN_PROC],
        "this /proc shows the processes of another PID namespace, in which the same numbers are others' processes",
        "mount one that shows yours: `unshare --pid --fork --mount-proc …`",
    ),
    check!(
        "map-of-others",
        [WriteIdMap],
        [EPERM],
        [NOT_ROOT],
        "an ordinary user may map only their own id: `--uid-map 0:$(id -u):1 --gid-map 0:$(id -g):1`",
    ),
    check!(
        "map-of-nobody",
        [WriteIdMap],
        [EPERM],
        [],
        "every OUT id must itself be mapped where you are: `cat /proc/self/uid_map /proc/self/gid_map` shows which \
         ones are",
    ),
    check!(
        "map-too-long",
        [WriteIdMap],
        [EINVAL],
        [],
        "the kernel takes at most 340 ranges, in 4096 bytes, and none that overlap (user_namespaces(7)). Join \
         neighbours: 0:1000:2 for 0:1000:1 and 1:1001:1",
    ),
    row!(
        "id-not-mapped",
        [SetIds, ChangeOwner],
        [EINVAL],
        [],
        "this id is not mapped in the container",
        "map it with --uid-map and --gid-map; to have 65536 in step 09: `sudo usermod --add-subuids 524288-589823 \
         --add-subgids 524288-589823 $USER`",
    ),
    row!(
        "own-id-not-mapped",
        [],
        [EOVERFLOW],
        [UNMAPPED],
        "no id of this process is mapped, so it cannot create a file: there is no owner for it",
        "leave out --no-map, or map id 0",
    ),
    row!(
        "newuidmap-traced",
        [RunNewuidmap],
        [],
        [TRACED],
        "a traced process gains no rights from a set-user-ID program such as newuidmap(1), unless the tracer has \
         CAP_SYS_PTRACE",
        "trace it as root: `sudo strace -u $USER …`; or do without: `--uid-map 0:$(id -u):1 --gid-map 0:$(id -g):1`",
    ),
    row!(
        "newuidmap-powerless",
        [RunNewuidmap],
        [],
        [NO_NEW_PRIVS],
        "no_new_privs is on, so a set-user-ID program such as newuidmap(1) has no more rights than you",
        "start it from a plain login, or do without: `--uid-map 0:$(id -u):1 --gid-map 0:$(id -g):1`",
    ),
    row!(
        "newuidmap-not-set-user-id",
        [RunNewuidmap],
        [],
        [NO_SET_USER_ID],
        "newuidmap(1) or newgidmap(1) has neither the set-user-ID bit nor capabilities, or lies on a mount with nosuid",
        "`sudo chmod u+s $(which newuidmap newgidmap)`, or do without: `--uid-map 0:$(id -u):1 --gid-map 0:$(id -g):1`",
    ),
    check!(
        "newuidmap-refused",
        [RunNewuidmap],
        [],
        [],
        "`grep $USER /etc/subuid /etc/subgid` shows your ranges, and `cat /proc/self/uid_map` whether they are mapped \
         where you are; or do without: `--uid-map 0:$(id -u):1 --gid-map 0:$(id -g):1`",
    ),
    row!(
        "idmap-too-old",
        [IdmapMount],
        [ENOSYS],
        [BEFORE_5_12],
        "idmapped mounts came with Linux 5.12",
        "with an older kernel give the tree to the container's root: `sudo chown -hR 524288:524288 ROOTFS`",
    ),
    check!(
        "idmap-filesystem",
        [IdmapMount],
        [EINVAL, EOPNOTSUPP, EPERM],
        [],
        "`findmnt -T ROOTFS -o FSTYPE`: ext4, xfs, btrfs and tmpfs have idmapped mounts; NFS, 9p and overlay may not. \
         `target/debug/rootfs --to DIRECTORY` builds the tree elsewhere",
    ),
];
