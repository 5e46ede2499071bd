//! Control groups: whose they are, and which controllers they have.

use nix::errno::Errno::{EACCES, EAGAIN, EBUSY, EINVAL, ENOSPC, EOPNOTSUPP, EROFS};

use super::when::{ALWAYS, CGROUP_READ_ONLY, CGROUP_V2, NOT_ROOT};
use super::{Row, row};

pub const ROWS: &[Row] = &[
    row!(
        "controller-absent",
        ["cgroup: no hierarchy with the "],
        [],
        ALWAYS,
        "no control group filesystem with this controller is mounted",
        "`sudo mount -t cgroup2 cgroup2 /sys/fs/cgroup`, or leave the limit out",
    ),
    row!(
        "groups-read-only-here",
        ["no group from here up"],
        [],
        CGROUP_READ_ONLY,
        "the control groups are mounted read-only, as inside a container",
        "leave the limits out, or start that one with `docker run --privileged …`",
    ),
    row!(
        "groups-not-delegated",
        ["no group from here up"],
        [],
        NOT_ROOT,
        "no part of the tree with these controllers has been delegated to you",
        "`systemd-run --user --scope -p Delegate=yes COMMAND`; for --cpus first put [Service] and Delegate=cpu memory pids \
         into `sudo systemctl edit user@.service` and log in again; or leave the limits out",
    ),
    row!(
        "groups-occupied",
        ["no group from here up"],
        [],
        ALWAYS,
        "every group up to the top has processes of its own, or lacks a controller",
        "`systemd-run --scope -p Delegate=yes COMMAND`; `cat cgroup.procs cgroup.controllers` there shows what there is",
    ),
    row!(
        "groups-of-others",
        ["cgroup"],
        [EACCES],
        CGROUP_V2,
        "this part of the tree is not yours",
        "`systemd-run --user --scope -p Delegate=yes COMMAND`, or leave the limits out",
    ),
    row!(
        "groups-of-root",
        ["cgroup"],
        [EACCES],
        ALWAYS,
        "on cgroup v1 limits are for root",
        "run it with sudo, or leave the limits out",
    ),
    row!(
        "groups-read-only",
        ["cgroup"],
        [EROFS],
        ALWAYS,
        "the control groups are mounted read-only, as inside a container",
        "leave the limits out, or start that one with `docker run --privileged …`",
    ),
    row!(
        "groups-too-many",
        ["mkdir "],
        [EAGAIN],
        ALWAYS,
        "a group above limits how many there may be below it, and how deep",
        "`cat cgroup.max.descendants cgroup.max.depth` there shows the limits: `echo max | sudo tee FILE`",
    ),
    row!(
        "groups-used-up",
        ["mkdir "],
        [ENOSPC],
        ALWAYS,
        "the kernel has no number left for a memory group, of which it can count 65535",
        "`cat /proc/cgroups` shows how many there are, and `sudo rmdir /sys/fs/cgroup/memory/NAME` removes one without processes",
    ),
    row!(
        "group-busy",
        ["cgroup.subtree_control"],
        [EBUSY],
        ALWAYS,
        "on cgroup v2 a group has either processes or controllers for its children, and this one has processes",
        "`cat cgroup.procs` there shows them; start it in a group of its own: `systemd-run --scope -p Delegate=yes COMMAND`",
    ),
    row!(
        "group-realtime",
        ["cgroup.subtree_control"],
        [EINVAL],
        ALWAYS,
        "where the kernel shares out real-time as well (CONFIG_RT_GROUP_SCHED), one real-time process bars the cpu controller",
        "`ps -eo pid,rtprio,args | awk '$2 != \"-\"'` shows who is one; or leave out --cpus",
    ),
    row!(
        "group-threaded",
        ["cgroup", "clone3 "],
        [EOPNOTSUPP],
        ALWAYS,
        "the group is threaded, for controllers were passed on while it had processes (`cat cgroup.type` there)",
        "start it in a group of its own: `systemd-run --scope -p Delegate=yes COMMAND`",
    ),
    row!(
        "memory-refused",
        ["allocate beyond "],
        [],
        ALWAYS,
        "a program may ask for no more memory than `ulimit -v` and the machine allow; that is none of the container's limits",
        "`ulimit -v unlimited`, or ask for less",
    ),
    row!(
        "quota-above",
        ["cpu.cfs_quota_us"],
        [EINVAL],
        ALWAYS,
        "a group above has less CPU time than that",
        "lower --cpus; `cat cpu.cfs_quota_us` in the groups above shows their microseconds of every 100000",
    ),
];
