//! How each row of the table is provoked: a script for sh(1), run on a host of its own, that ends as the program does
//! which tells the hint.
//!
//! What another machine would answer is answered by the program `refuse`, and what it would show is mounted over what
//! this one shows, so that the conditions of the table are decided by files, as they are there.

use harness::Identity::{self, Root, User};

/// A way to provoke a row.
#[derive(Clone, Copy)]
pub struct Provocation {
    /// The row's name.
    pub row: &'static str,
    /// Who it happens to, if not to all.
    pub only: Option<Identity>,
    /// The exit code.
    pub code: i32,
    /// What is run.
    pub script: &'static str,
    /// What is run afterwards: the cure, and the same once more, which now succeeds.
    pub cured: Option<&'static str>,
}

fn provoke(row: &'static str, script: &'static str) -> Provocation {
    Provocation { row, only: None, code: 125, script, cured: None }
}

impl Provocation {
    fn only(self, identity: Identity) -> Self {
        Provocation { only: Some(identity), ..self }
    }

    fn code(self, code: i32) -> Self {
        Provocation { code, ..self }
    }

    fn cured_by(self, script: &'static str) -> Self {
        Provocation { cured: Some(script), ..self }
    }
}

/// All of them, in the order of the table.
pub fn provocations() -> Vec<Provocation> {
    let groups =
        [rootfs(), command(), namespaces(), queues(), ids(), mounts(), network(), cgroups(), complete(), anything()];
    groups.into_iter().flatten().collect()
}

fn rootfs() -> Vec<Provocation> {
    vec![
        provoke("chroot-not-root", "01-chroot $ROOTFS true").only(User),
        provoke("chroot-unable", "setpriv --bounding-set=-sys_chroot 01-chroot $ROOTFS true").cured_by("setpriv --bounding-set=-sys_chroot 05-user $ROOTFS true").only(Root),
        provoke("rootfs-absent", "01-chroot $ROOTFS/absent true").only(Root),
        provoke("rootfs-absent", "06-mount $ROOTFS/absent true"),
        // The launcher may just be making the cable, and must not complain as well that nobody is there any more.
        provoke(
            "rootfs-absent",
            "for round in $(seq 30); do
                [ $(07-net $ROOTFS/absent true 2>&1 | grep -c ^Error) = 1 ] || echo Error: not one
            done; 07-net $ROOTFS/absent true",
        ),
        provoke("rootfs-no-directory", "05-user /etc/passwd true").cured_by("tar -C $ROOTFS -cf $DIR/tree.tar bin lib lib64 usr proc dev sys 2>/dev/null; 05-user $(rootfs tar $DIR/tree.tar --to $DIR/tree) true"),
        provoke("rootfs-no-directory", "09-full /etc/passwd true"),
        provoke("rootfs-closed", "[ ! -x /root ] || skip '/root is open to all'; 06-mount /root/rootfs true")
            .only(User),
        provoke(
            "rootfs-closed",
            "mkdir -m 700 $DIR/closed; ln -s $ROOTFS $DIR/closed/rootfs; 05-user --uid-map 0:100000:9 --gid-map 0:100000:9 $DIR/closed/rootfs true",
        ).cured_by("chmod o+x $DIR/closed; 05-user --uid-map 0:100000:9 --gid-map 0:100000:9 $DIR/closed/rootfs true")
        .only(Root),
        provoke("rootfs-long-name", "06-mount $(printf %0300d 0) true").cured_by("cd $ROOTFS && 06-mount . true && 09-full . true && [ ! -e rootfs ]"),
        provoke("rootfs-loop", "ln -s loop $DIR/loop; 06-mount $DIR/loop true"),
        provoke("mount-point-absent", "mkdir $DIR/bare; 06-mount $DIR/bare true").cured_by("mkdir -p $DIR/bare/proc $DIR/bare/dev; 06-mount $DIR/bare nothing 2>&1 | grep -q ^Error:.exec.nothing"),
        provoke("no-links", "refuse symlinkat=EPERM -- rootfs --to $DIR/tree"),
        provoke("disk-full", "own 'mount -t tmpfs -o size=1m none $TMP' rootfs --to $TMP/tree").cured_by("rootfs --to $DIR/elsewhere"),
        provoke("disk-read-only", "own 'mount -t tmpfs -o ro none $TMP' rootfs --to $TMP/tree"),
        provoke("disk-not-yours", "rootfs --to /etc/tree").only(User),
    ]
}

fn command() -> Vec<Provocation> {
    vec![
        provoke(
            "exec-noexec",
            "own 'mount --rbind $ROOTFS $TMP && mount -o remount,bind,noexec $TMP' 06-mount $TMP true",
        ).cured_by("own 'mount --rbind $ROOTFS $TMP && mount -o remount,bind,noexec $TMP && mount -o remount,bind,exec $TMP' 06-mount $TMP true")
        .code(126),
        provoke("exec-no-permission", "06-mount $ROOTFS /etc").cured_by("06-mount $ROOTFS true").code(126),
        provoke("exec-no-program", "echo text > $DIR/plain; chmod +x $DIR/plain; 05-user $DIR /plain").code(126),
        provoke("exec-dangling", "ln -s /no/such $DIR/plain; 05-user $DIR /plain").code(127),
    ]
}

fn complete() -> Vec<Provocation> {
    vec![
        provoke("keys-used-up", "refuse keyctl=EDQUOT -- 09-full $ONE $ROOTFS true"),
        provoke("seccomp-not-built", "refuse seccomp:0:1=EINVAL -- 09-full $ONE $ROOTFS true")
            .cured_by("refuse seccomp:0:1=EINVAL -- 09-full $ONE --seccomp off $ROOTFS true"),
        provoke("volume-absent", "09-full --volume /no/such:/tmp $ROOTFS true"),
        provoke("volume-file-and-directory", "09-full --volume /etc/passwd:/tmp $ROOTFS true")
            .cured_by("09-full --volume /etc:/tmp $ROOTFS true"),
        provoke("workdir-absent", "09-full --workdir /no/such $ROOTFS true").cured_by("09-full $ROOTFS true"),
        provoke("workdir-closed", "09-full --volume /root:/tmp --workdir /tmp $ROOTFS true").only(User),
        provoke("container-absent", "enter nobody true"),
        provoke(
            "container-of-another",
            "09-full --name of-root $ROOTFS sleep 9 &
            for attempt in $(seq 100); do containers | grep -q of-root.*sleep && break; sleep 0.05; done
            setpriv --reuid 54321 --regid 54321 --clear-groups enter of-root true; code=$?
            kill $!; wait $!; exit $code",
        )
        .cured_by(
            "09-full --name of-root $ROOTFS sleep 9 &
            for attempt in $(seq 100); do containers | grep -q of-root.*sleep && break; sleep 0.05; done
            enter of-root true; code=$?; kill $!; wait $!; exit $code",
        )
        .only(Root),
        provoke("no-strict-mode", "refuse $MKDIR=EPERM -- seccomp-demo strict")
            .cured_by("refuse $MKDIR=EPERM -- seccomp-demo filter; [ $? = 159 ]"),
        provoke("no-terminal", "typist hello"),
        provoke("no-typing", "script -qec 'refuse ioctl:1:0x5412=EIO -- typist hello' /dev/null"),
    ]
}

fn namespaces() -> Vec<Provocation> {
    vec![
        provoke(
            "userns-chroot",
            "unshare --mount sh -c 'mount -t tmpfs none $TMP; for dir in bin lib lib64 usr proc mnt; do
                [ ! -d /$dir ] || { mkdir -p $TMP/root/$dir && mount --rbind /$dir $TMP/root/$dir; }; done
            chroot $TMP/root 05-user /mnt true'",
        )
        .only(Root),
        provoke("userns-unmapped", "unshare --user 05-user $ROOTFS true").cured_by("unshare --user --map-root-user 05-user $ROOTFS true"),
        provoke(
            "userns-debian",
            "own 'show 0 /proc/sys/kernel/unprivileged_userns_clone' refuse clone3=EPERM -- 05-user $ROOTFS true",
        ),
        provoke(
            "userns-apparmor",
            "own 'show 1 /proc/sys/kernel/apparmor_restrict_unprivileged_userns' refuse clone3=EACCES -- 05-user $ROOTFS true",
        ),
        provoke(
            "userns-apparmor",
            "own 'show 1 /proc/sys/kernel/apparmor_restrict_unprivileged_userns' 05-user --uid-map 0:7:1 $ROOTFS true",
        ),
        provoke(
            "userns-apparmor",
            "own 'show 1 /proc/sys/kernel/apparmor_restrict_unprivileged_userns' \
                refuse mount:3:0x44000=EACCES -- 06-mount $ROOTFS true",
        ),
        provoke(
            "userns-apparmor",
            "own 'show 1 /proc/sys/kernel/apparmor_restrict_unprivileged_userns' \
                refuse sendto=EPERM -- 07-net $ROOTFS true",
        ),
        provoke("userns-filtered", "refuse clone3=EPERM -- 05-user $ROOTFS true"),
        provoke("userns-filtered", "refuse clone3=ENOSYS clone=EPERM -- 05-user $ROOTFS true"),
        provoke("userns-filtered", "refuse unshare=EPERM -- 09-full $ONE $ROOTFS true").only(User),
        provoke("userns-filtered", "refuse keyctl=EPERM -- 09-full $ONE $ROOTFS true"),
        provoke(
            "userns-forbidden",
            "own 'mount -t tmpfs none $TMP; echo Seccomp: 0 > $TMP/status; mount --bind $TMP/status /proc/$$/status' \
                refuse clone3=EPERM -- 05-user $ROOTFS true",
        ),
        provoke("namespaces-not-root", "02-pid $ROOTFS true").cured_by("05-user $ROOTFS true").only(User),
        provoke("namespaces-unable", "setpriv --bounding-set=-sys_admin 02-pid $ROOTFS true").cured_by("setpriv --bounding-set=-sys_admin 05-user $ROOTFS true").only(Root),
        provoke("userns-limit", "own 'echo 0 > /proc/sys/user/max_user_namespaces' 05-user $ROOTFS true").cured_by("own 'echo 0 > /proc/sys/user/max_user_namespaces; sysctl -q user.max_user_namespaces=15000' 05-user $ROOTFS true"),
        provoke("namespaces-limit", "own 'echo 0 > /proc/sys/user/max_pid_namespaces' 05-user $ROOTFS true").cured_by("own 'echo 0 > /proc/sys/user/max_pid_namespaces; sysctl -q user.max_pid_namespaces=15000' 05-user $ROOTFS true"),
        provoke("namespaces-limit", "own 'echo 0 > /proc/sys/user/max_time_namespaces' 09-full $ONE $ROOTFS true"),
        provoke(
            "namespaces-wsl",
            "own 'show 4.4.0-19041-Microsoft /proc/sys/kernel/osrelease' refuse clone3=EINVAL -- 05-user $ROOTFS true",
        ),
        provoke(
            "userns-not-built",
            "own 'mount -t tmpfs none /proc/$$/ns' refuse clone3=EINVAL -- 05-user $ROOTFS true",
        ),
        provoke("namespaces-not-built", "refuse clone3=EINVAL -- 05-user $ROOTFS true"),
        provoke("processes-limit", "prlimit --nproc=1 05-user $ROOTFS true").only(User),
        provoke(
            "processes-limit",
            "08-cgroup --pids 9 $ROOTFS true 2>/dev/null || skip 'root may set no limits here'
            exec 09-full --pids 1 $ROOTFS true",
        ).cured_by("08-cgroup --pids 9 $ROOTFS true 2>/dev/null || exit 0; 09-full --pids 2 $ROOTFS true")
        .only(Root),
    ]
}

fn queues() -> Vec<Provocation> {
    vec![
        provoke("queue-absent", "own '' queue receive 77").cured_by("own 'queue send 77 x' queue receive 77"),
        provoke("queue-absent", "own '' queue receive /absent"),
        provoke("queue-empty", "own 'queue send 7 x && queue receive 7 >/dev/null' queue receive 7"),
        provoke("queue-empty", "own 'queue send /empty x && queue receive /empty >/dev/null' queue receive /empty"),
        provoke(
            "queue-full",
            "own 'for message in $(seq 20); do queue send 7 $(printf %04000d 0); done 2>/dev/null; true' \
                queue send 7 $(printf %04000d 0)",
        ).cured_by("own 'for message in $(seq 20); do queue send 7 $(printf %04000d 0); done 2>/dev/null; queue receive 7 >/dev/null' queue send 7 x"),
        provoke("queue-closed", "own '' queue send /two/slashes x").cured_by("own '' queue send /mine x"),
        provoke("queue-bytes", "own '' prlimit --msgqueue=1 queue send /one x"),
        provoke("queue-limit", "own '' refuse mq_open=ENOSPC -- queue send /one x"),
        provoke("queue-limit", "own '' refuse msgget=ENOSPC -- queue send 7 x"),
    ]
}

fn ids() -> Vec<Provocation> {
    vec![
        provoke("map-of-others", "05-user --uid-map 0:7:1 $ROOTFS true")
            .cured_by("05-user $ONE $ROOTFS true")
            .only(User),
        provoke("map-of-nobody", "own '' 05-user --uid-map 0:7:1 $ROOTFS true")
            .cured_by("own '' 05-user $ONE $ROOTFS true")
            .only(Root),
        provoke(
            "map-too-long",
            "05-user $(for id in $(seq 341); do echo --uid-map $id:$id:1; done) --gid-map 0:$(id -g):1 $ROOTFS true",
        ),
        provoke("id-not-mapped", "09-full $ONE --user 1000 $ROOTFS true"),
        provoke("own-id-not-mapped", "06-mount --no-map $ROOTFS true")
            .cured_by("06-mount --uid-map 0:$(id -u):1 --gid-map 0:$(id -g):1 $ROOTFS true"),
        provoke(
            "newuidmap-powerless",
            "own 'mount -t tmpfs none $TMP; echo $(id -u):100000:65536 > $TMP/ids
                mount --bind $TMP/ids /etc/subuid && mount --bind $TMP/ids /etc/subgid
                echo exit 1 > $TMP/newuidmap; chmod +x $TMP/newuidmap; PATH=$TMP:$PATH' \
                setpriv --no-new-privs 09-full $ROOTFS true",
        )
        .cured_by("setpriv --no-new-privs 09-full $ONE $ROOTFS true")
        .only(User),
        provoke(
            "newuidmap-refused",
            "own 'mount -t tmpfs none $TMP; echo $(id -u):100000:65536 > $TMP/ids
                mount --bind $TMP/ids /etc/subuid && mount --bind $TMP/ids /etc/subgid
                echo exit 1 > $TMP/newuidmap; chmod +x $TMP/newuidmap; PATH=$TMP:$PATH' \
                09-full $ROOTFS true",
        )
        .only(User),
        provoke("idmap-too-old", "refuse mount_setattr=ENOSYS -- 09-full $ROOTFS true").only(Root).code(0),
        provoke("idmap-filesystem", "refuse mount_setattr=EINVAL -- 09-full $ROOTFS true").only(Root).code(0),
    ]
}

fn mounts() -> Vec<Provocation> {
    vec![
        provoke("proc-covered", "own 'mount -t tmpfs none /proc/fs' 06-mount $ROOTFS true").code(0),
        provoke("sys-covered", "own 'mount -t tmpfs none /sys/kernel' 07-net $ROOTFS true")
            .cured_by("own 'mount -t tmpfs none /sys/kernel' 06-mount $ROOTFS true"),
        provoke("pivot-impossible", "06-mount / true"),
        provoke("filesystem-unknown", "refuse mount:3:0xa=ENODEV -- 06-mount $ROOTFS true"),
        provoke("mounts-limit", "refuse mount:3:0x5000=ENOSPC -- 06-mount $ROOTFS true"),
        provoke("mounts-filtered", "refuse mount:3:0x44000=EPERM -- 06-mount $ROOTFS true"),
        provoke("mounts-filtered", "refuse pivot_root=EPERM -- 06-mount $ROOTFS true"),
        provoke("mounts-forbidden", "refuse mount:3:0x44000=EACCES -- 06-mount $ROOTFS true"),
    ]
}

fn network() -> Vec<Provocation> {
    vec![
        // The one request of these lengths: they depend on how many digits the launcher's number has.
        provoke("veth-absent", "refuse sendto:2:104=EOPNOTSUPP sendto:2:108=EOPNOTSUPP -- 07-net $ROOTFS true"),
        provoke("netlink-absent", "refuse socket:0:16=EAFNOSUPPORT -- 07-net $ROOTFS true"),
        provoke("netlink-absent", "refuse socket:0:16=EAFNOSUPPORT -- containers"),
        provoke("address-used", "ip address add 10.77.0.3/24 dev lo; 07-net --ip 10.77.0.2/24 $ROOTFS true")
            .cured_by("07-net --ip 10.78.0.2/24 $ROOTFS true")
            .only(Root),
        provoke("port-used", "09-full --publish 18080:80 --publish 18080:81 $ROOTFS true"),
        provoke("port-reserved", "timeout 5 server 80").only(User),
        provoke("address-foreign", "09-full --publish 192.0.2.1:18080:80 $ROOTFS true"),
        provoke("connection-refused", "client 127.0.0.1 1"),
        provoke("connection-unreachable", "OWN=--net; own '' client 10.77.0.1"),
    ]
}

fn cgroups() -> Vec<Provocation> {
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
        provoke("groups-of-others", "own v2 refuse $MKDIR=EACCES -- 08-cgroup --pids 9 $ROOTFS true"),
        provoke("groups-of-root", "own v1 refuse $MKDIR=EACCES -- 08-cgroup --pids 9 $ROOTFS true"),
        provoke(
            "groups-of-root",
            "[ ! -e /sys/fs/cgroup/cgroup.controllers ] || skip 'cgroup v2'; 08-cgroup --pids 9 $ROOTFS true",
        )
        .only(User),
        provoke("groups-read-only", "own 'v1; mount -o remount,ro /sys/fs/cgroup' 08-cgroup --pids 9 $ROOTFS true")
            .cured_by("own 'v1; mount -o remount,ro /sys/fs/cgroup' 08-cgroup $ROOTFS true"),
        provoke("groups-too-many", "own v1 refuse $MKDIR=EAGAIN -- 08-cgroup --pids 9 $ROOTFS true"),
        provoke("groups-used-up", "own v1 refuse $MKDIR=ENOSPC -- 08-cgroup --pids 9 $ROOTFS true"),
        // Five bytes are written once, `+pids`; with root's ids the line of a map would have as many.
        provoke("group-busy", "own v2 refuse write:2:5=EBUSY -- 08-cgroup --pids 9 $ROOTFS true").only(User),
        provoke("group-realtime", "OWN=--net; own v2 refuse write:2:4=EINVAL -- 08-cgroup --cpus 0.5 $ROOTFS true")
            .only(Root),
        provoke("group-threaded", "own v2 refuse write:2:5=EOPNOTSUPP -- 08-cgroup --pids 9 $ROOTFS true").only(User),
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

fn anything() -> Vec<Provocation> {
    vec![
        provoke(
            "call-wsl",
            "own 'show 4.4.0-19041-Microsoft /proc/sys/kernel/osrelease' refuse pipe2=ENOSYS -- 05-user $ROOTFS true",
        ),
        provoke("call-filtered", "refuse openat2=ENOSYS -- 06-mount $ROOTFS true"),
        provoke(
            "call-too-new",
            "own 'mount -t tmpfs none $TMP; echo Seccomp: 0 > $TMP/status; mount --bind $TMP/status /proc/$$/status' \
                refuse pipe2=ENOSYS -- 05-user $ROOTFS true",
        ),
        provoke(
            "selinux",
            "own 'mount -t tmpfs none /sys/fs; mkdir /sys/fs/selinux; echo 1 > /sys/fs/selinux/enforce' \
                refuse pipe2=EACCES -- 05-user $ROOTFS true",
        ),
        provoke("files-limit", "prlimit --nofile=4 05-user $ROOTFS true")
            .cured_by("ulimit -n 1024; 05-user $ROOTFS true"),
    ]
}
