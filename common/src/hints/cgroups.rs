//! Control groups: whose they are, and which controllers they have.

use nix::errno::Errno::{EACCES, EAGAIN, EBUSY, EINVAL, ENOSPC, EOPNOTSUPP, EROFS};

use super::when::{CGROUP_READ_ONLY, CGROUP_V2, NOT_ROOT};
use super::{Row, check, row};
use crate::Operation::{
    self, AllocateMemory, CreateGroup, CreateNamespaces, CreateUserNamespace, EnableController,
    FindController, FindGroup, JoinGroup, SetCpuQuota, SetLimit,
};

const WRITING: [Operation; 5] = [CreateGroup, EnableController, SetCpuQuota, SetLimit, JoinGroup];

pub const ROWS: &[Row] = &[
    row!(
        "controller-absent",
        [FindController],
        [],
        [],
        "no control group filesystem with this controller is mounted",
        "`sudo mount -t cgroup2 cgroup2 /sys/fs/cgroup`, or leave the limit out",
    ),
    row!(
        "groups-read-only-here",
        [FindGroup],
        [],
        [CGROUP_READ_ONLY],
        "the control groups are mounted read-only, as in a container",
        "leave the limits out, or start that container with `docker run --privileged …`",
    ),
    check!(
        "groups-not-delegated",
        [FindGroup],
        [],
        [NOT_ROOT],
        "`ls -ld . cgroup.procs cgroup.subtree_control; cat cgroup.procs cgroup.controllers` there: a group must be \
         yours, empty, and have the controllers. `systemd-run --user --scope -p Delegate=yes COMMAND` gives you one; \
         for --cpus first put [Service] and Delegate=cpu memory pids into `sudo systemctl edit user@.service` and log \
         in again; or leave the limits out",
    ),
    check!(
        "groups-occupied",
        [FindGroup],
        [],
        [],
        "`cat cgroup.procs cgroup.controllers` there: a group must be empty and have the controllers. `systemd-run \
         --scope -p Delegate=yes COMMAND` gives you one",
    ),
    row!(
        "groups-of-others",
        WRITING,
        [EACCES],
        [NOT_ROOT, CGROUP_V2],
        "this part of the hierarchy is not yours",
        "`systemd-run --user --scope -p Delegate=yes COMMAND`, or leave the limits out",
    ),
    row!(
        "groups-of-root",
        WRITING,
        [EACCES],
        [NOT_ROOT],
        "on cgroup v1 only root can set limits",
        "run it with sudo, or leave the limits out",
    ),
    check!(
        "groups-closed",
        WRITING,
        [EACCES],
        [],
        "`ls -ld` shows whose the group is; in a user namespace root can write only to what is its own: leave the \
         limits out",
    ),
    row!(
        "groups-read-only",
        WRITING,
        [EROFS],
        [],
        "the control groups are mounted read-only, as in a container",
        "leave the limits out, or start that container with `docker run --privileged …`",
    ),
    row!(
        "groups-too-many",
        [CreateGroup],
        [EAGAIN],
        [],
        "a group above limits how many there may be below it, and how deep",
        "`cat cgroup.max.descendants cgroup.max.depth` there shows the limits: `echo max | sudo tee FILE`",
    ),
    row!(
        "groups-used-up",
        [CreateGroup],
        [ENOSPC],
        [],
        "the kernel has no number left for a memory group, of which it can count 65535",
        "`cat /proc/cgroups` shows how many there are, and `sudo rmdir /sys/fs/cgroup/memory/NAME` removes one \
         without processes",
    ),
    row!(
        "group-busy",
        [EnableController],
        [EBUSY],
        [],
        "on cgroup v2 a group has either processes or controllers for its children, and this one has processes",
        "`cat cgroup.procs` there shows them; start it in a group of its own: `systemd-run --scope -p Delegate=yes \
         COMMAND`",
    ),
    check!(
        "group-realtime",
        [EnableController],
        [EINVAL],
        [],
        "`ps -eo pid,rtprio,args | awk '$2 != \"-\"'`: where the kernel shares out real-time as well \
         (CONFIG_RT_GROUP_SCHED), one real-time process keeps the cpu controller from all groups; or leave out --cpus",
    ),
    row!(
        "group-threaded",
        [EnableController, JoinGroup, CreateGroup, CreateNamespaces, CreateUserNamespace],
        [EOPNOTSUPP],
        [],
        "the group is threaded, because controllers were enabled while it had processes (`cat cgroup.type` there)",
        "start it in a group of its own: `systemd-run --scope -p Delegate=yes COMMAND`",
    ),
    check!(
        "memory-refused",
        [AllocateMemory],
        [],
        [],
        "`ulimit -v` and `sysctl vm.overcommit_memory`: they bound what a program may ask for, and are not limits of \
         the container; ask for less",
    ),
    check!(
        "quota-above",
        [SetCpuQuota],
        [EINVAL],
        [],
        "`cat cpu.cfs_quota_us` in the groups above shows their microseconds of every 100000: none may have less than \
         --cpus asks for, and 1000 is the least",
    ),
];
