//! User and group ids, inside and outside.

use nix::errno::Errno::{EINVAL, ENOSYS, EOPNOTSUPP, EOVERFLOW, EPERM};

use super::when::{ALWAYS, NO_NEW_PRIVS, NOT_ROOT};
use super::{Row, row};

pub const ROWS: &[Row] = &[
    row!(
        "map-of-others",
        ["/uid_map", "/gid_map"],
        [EPERM],
        NOT_ROOT,
        "an ordinary user may map one id, the own one",
        "`--uid-map 0:$(id -u):1 --gid-map 0:$(id -g):1`",
    ),
    row!(
        "map-of-nobody",
        ["/uid_map", "/gid_map"],
        [EPERM],
        ALWAYS,
        "every OUT id must itself be mapped where you are",
        "`cat /proc/self/uid_map /proc/self/gid_map` shows which are: choose OUT and COUNT among those",
    ),
    row!(
        "map-too-long",
        ["/uid_map", "/gid_map"],
        [EINVAL],
        ALWAYS,
        "the kernel takes at most 340 ranges, in a page of text, and none that overlap (user_namespaces(7))",
        "join ranges that lie side by side: 0:1000:2 for 0:1000:1 and 1:1001:1",
    ),
    row!(
        "id-not-mapped",
        ["setresuid ", "setresgid ", "setgroups ", "fchown "],
        [EINVAL],
        ALWAYS,
        "this id is not mapped in the container",
        "map it with --uid-map and --gid-map; to have 65536 in step 09: `sudo usermod --add-subuids 524288-589823 \
         --add-subgids 524288-589823 $USER`",
    ),
    row!(
        "own-id-not-mapped",
        [""],
        [EOVERFLOW],
        ALWAYS,
        "no id of this process is mapped, so that nothing can be created as its own",
        "leave out --no-map, or map id 0",
    ),
    row!(
        "newuidmap-powerless",
        ["newuidmap and newgidmap refused"],
        [],
        NO_NEW_PRIVS,
        "no_new_privs is on, so that set-user-ID programs such as newuidmap(1) have no more rights than you",
        "start it from a plain login, or do without: `--uid-map 0:$(id -u):1 --gid-map 0:$(id -g):1`",
    ),
    row!(
        "newuidmap-refused",
        ["newuidmap and newgidmap refused"],
        [],
        ALWAYS,
        "newuidmap(1) is not set-user-ID root, or the ranges are not yours where you are, as inside a container",
        "`sudo chmod u+s $(which newuidmap newgidmap)`, or do without: `--uid-map 0:$(id -u):1 --gid-map 0:$(id -g):1`",
    ),
    row!(
        "idmap-too-old",
        ["idmapped mount of "],
        [ENOSYS],
        ALWAYS,
        "idmapped mounts came with Linux 5.12",
        "with an older kernel give the tree to the container's root: `sudo chown -hR 524288:524288 ROOTFS`",
    ),
    row!(
        "idmap-filesystem",
        ["idmapped mount of "],
        [EINVAL, EOPNOTSUPP, EPERM],
        ALWAYS,
        "this filesystem has no idmapped mounts, as NFS and 9p have none",
        "build the tree on ext4, xfs or btrfs: `target/debug/rootfs --to DIRECTORY`",
    ),
];
