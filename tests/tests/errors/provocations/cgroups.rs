//! Control groups, and what may happen to every system call.

use harness::Identity::{Root, User};

use super::{Provocation, provoke};

pub fn cgroups() -> Vec<Provocation> {
    vec![
        provoke("controller-absent", "own 'groups 0::/ \"rw - tmpfs none rw\" :' 08-cgroup --pids 9 $ROOTFS true"),
        provoke("groups-read-only-here", "own 'v2 \"rm cgroup.controllers\" ro' 08-cgroup --pids 9 $ROOTFS true"),
        provoke("groups-not-delegated", "own 'v2 \"chmod 444 *\"' 08-cgroup --pids 9 $ROOTFS true")
            .cured_by("own 'v2 \"chmod 444 *\"' 08-cgroup $ROOTFS true")
            .only(User),
        provoke(
            "groups-occupied",
            "own 'v2 \"echo 7 > cgroup.procs; touch cgroup.type\"' 08-cgroup --pids 9 $ROOTFS true",
        )
        .only(Root),
        provoke("groups-of-others", "own v2 inject-errno $MKDIR=EACCES -- 08-cgroup --pids 9 $ROOTFS true"),
        provoke("groups-of-root", "own v1 inject-errno $MKDIR=EACCES -- 08-cgroup --pids 9 $ROOTFS true"),
        provoke(
            "groups-of-root",
            "[ ! -e /sys/fs/cgroup/cgroup.controllers ] || skip 'cgroup v2'; 08-cgroup --pids 9 $ROOTFS true",
        )
        .only(User),
        provoke("groups-read-only", "own 'v1; mount -o remount,ro /sys/fs/cgroup' 08-cgroup --pids 9 $ROOTFS true")
            .cured_by("own 'v1; mount -o remount,ro /sys/fs/cgroup' 08-cgroup $ROOTFS true"),
        provoke("groups-too-many", "own v1 inject-errno $MKDIR=EAGAIN -- 08-cgroup --pids 9 $ROOTFS true"),
        provoke("groups-used-up", "own v1 inject-errno $MKDIR=ENOSPC -- 08-cgroup --pids 9 $ROOTFS true"),
        // Five bytes are written once, `+pids`; with root's ids the line of a map would have as
        // many.
        provoke("group-busy", "own v2 inject-errno write:2:5=EBUSY -- 08-cgroup --pids 9 $ROOTFS true").only(User),
        provoke("group-realtime", "OWN=--net; own v2 inject-errno write:2:4=EINVAL -- 08-cgroup --cpus 0.5 $ROOTFS true")
            .only(Root),
        provoke("group-threaded", "own v2 inject-errno write:2:5=EOPNOTSUPP -- 08-cgroup --pids 9 $ROOTFS true").only(User),
        provoke("memory-refused", "prlimit --as=100000000 mem-hog 1G").cured_by("prlimit --as=100000000 mem-hog 8M"),
        provoke(
            "quota-above",
            "group=/sys/fs/cgroup/cpu$(sed -n 's/^[0-9]*:\\(.*,\\)*cpu\\(,.*\\)*://p' /proc/self/cgroup)/errors-$$
            mkdir $group 2>/dev/null && echo 10000 > $group/cpu.cfs_quota_us || skip 'no cpu controller of cgroup v1'
            sh -c 'echo 0 > $0/tasks; exec 08-cgroup --cpus 0.5 $ROOTFS true' $group; code=$?
            for attempt in $(seq 100); do rmdir $group 2>/dev/null && exit $code; sleep 0.02; done",
        )
        .only(Root),
    ]
}

pub fn anything() -> Vec<Provocation> {
    vec![
        provoke(
            "call-wsl",
            "own 'show 4.4.0-19041-Microsoft /proc/sys/kernel/osrelease' inject-errno pipe2=ENOSYS -- 05-user $ROOTFS true",
        ),
        provoke("call-filtered", "inject-errno openat2=ENOSYS -- 06-mount $ROOTFS true"),
        provoke(
            "call-too-new",
            "own 'mount -t tmpfs none $TMP; echo Seccomp: 0 > $TMP/status; mount --bind $TMP/status /proc/$$/status' \
                inject-errno pipe2=ENOSYS -- 05-user $ROOTFS true",
        ),
        provoke(
            "selinux",
            "own 'mount -t tmpfs none /sys/fs; mkdir /sys/fs/selinux; echo 1 > /sys/fs/selinux/enforce' \
                inject-errno pipe2=EACCES -- 05-user $ROOTFS true",
        ),
        provoke("files-limit", "prlimit --nofile=4 05-user $ROOTFS true")
            .cured_by("ulimit -n 1024; 05-user $ROOTFS true"),
    ]
}
