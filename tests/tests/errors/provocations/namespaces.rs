//! Namespaces and the limits on them.

use harness::Identity::{Root, User};

use super::{Provocation, elsewhere, provoke};

pub fn namespaces() -> Vec<Provocation> {
    vec![
        provoke(
            "userns-chroot",
            "unshare --mount sh -c 'mount -t tmpfs none $TMP; for dir in bin lib lib64 usr proc mnt; do
                [ ! -d /$dir ] || { mkdir -p $TMP/root/$dir && mount --rbind /$dir $TMP/root/$dir; }; done
            chroot $TMP/root 05-user /mnt true'",
        )
        .only(Root)
        .not(&["userns-forbidden", "userns-filtered", "chroot-unable", "chroot-not-root"]),
        // A chroot on a mount point: the shell that stays outside shows it.
        provoke(
            "userns-chroot",
            "unshare --mount sh -c 'mount --rbind / $TMP; chroot $TMP $(command -v 05-user) $ROOTFS true; exit $?'",
        )
        .only(Root),
        provoke("userns-unmapped", "unshare --user 05-user $ROOTFS true")
            .cured_by("unshare --user --map-root-user 05-user $ROOTFS true")
            .not(&["userns-chroot", "userns-debian", "userns-forbidden"]),
        provoke(
            "userns-debian",
            "own 'show 0 /proc/sys/kernel/unprivileged_userns_clone' inject-errno clone3=EPERM -- 05-user $ROOTFS true",
        )
        .not(&["userns-chroot", "userns-unmapped", "userns-apparmor", "userns-filtered"]),
        provoke(
            "userns-apparmor",
            "own 'show 1 /proc/sys/kernel/apparmor_restrict_unprivileged_userns' \
                inject-errno clone3=EACCES -- 05-user $ROOTFS true",
        )
        .not(&["userns-forbidden"]),
        provoke(
            "userns-apparmor",
            "own 'show 1 /proc/sys/kernel/apparmor_restrict_unprivileged_userns' 05-user --uid-map 0:7:1 $ROOTFS true",
        ),
        provoke(
            "userns-apparmor",
            "own 'show 1 /proc/sys/kernel/apparmor_restrict_unprivileged_userns' \
                inject-errno mount:3:0x44000=EACCES -- 06-mount $ROOTFS true",
        ),
        provoke(
            "userns-apparmor",
            "own 'show 1 /proc/sys/kernel/apparmor_restrict_unprivileged_userns' \
                inject-errno sendto=EPERM -- 07-net $ROOTFS true",
        ),
        provoke("userns-filtered", "inject-errno clone3=EPERM -- 05-user $ROOTFS true").not(&[
            "userns-chroot",
            "userns-unmapped",
            "userns-debian",
            "userns-apparmor",
            "namespaces-not-root",
            "namespaces-unable",
        ]),
        provoke("userns-filtered", "inject-errno clone3=ENOSYS clone=EPERM -- 05-user $ROOTFS true"),
        provoke("userns-filtered", "inject-errno unshare=EPERM -- 09-full --read-only $ONE $ROOTFS true").only(User),
        provoke("userns-filtered", "inject-errno keyctl=EPERM -- 09-full --read-only $ONE $ROOTFS true"),
        provoke(
            "userns-forbidden",
            "own 'mount -t tmpfs none $TMP; echo Seccomp: 0 > $TMP/status; mount --bind $TMP/status /proc/$$/status' \
                inject-errno clone3=EPERM -- 05-user $ROOTFS true",
        )
        .not(&["userns-filtered", "userns-chroot"]),
        provoke("namespaces-not-root", "02-pid $ROOTFS true")
            .cured_by("05-user $ROOTFS true")
            .only(User)
            .not(&["namespaces-unable", "userns-filtered", "userns-forbidden"]),
        provoke("namespaces-unable", "setpriv --bounding-set=-sys_admin 02-pid $ROOTFS true")
            .cured_by("setpriv --bounding-set=-sys_admin 05-user $ROOTFS true")
            .only(Root)
            .not(&["namespaces-not-root", "userns-forbidden"]),
        provoke("userns-limit", "own 'echo 0 > /proc/sys/user/max_user_namespaces' 05-user $ROOTFS true").cured_by(
            "own 'echo 0 > /proc/sys/user/max_user_namespaces; sysctl -q user.max_user_namespaces=15000' \
                 05-user $ROOTFS true",
        ),
        provoke("namespaces-limit", "own 'echo 0 > /proc/sys/user/max_pid_namespaces' 05-user $ROOTFS true")
            .cured_by(
                "own 'echo 0 > /proc/sys/user/max_pid_namespaces; sysctl -q user.max_pid_namespaces=15000' \
                     05-user $ROOTFS true",
            )
            .not(&["userns-limit", "mounts-limit", "disk-full", "groups-used-up", "queue-limit"]),
        provoke("namespaces-limit", "own 'echo 0 > /proc/sys/user/max_time_namespaces' 09-full --read-only $ONE $ROOTFS true"),
        provoke(
            "namespaces-wsl",
            "own 'show 4.4.0-Microsoft /proc/sys/kernel/osrelease' inject-errno clone3=EINVAL -- 05-user $ROOTFS true",
        ),
        provoke(
            "userns-not-built",
            "own 'mount -t tmpfs none /proc/$$/ns' inject-errno clone3=EINVAL -- 05-user $ROOTFS true",
        ),
        provoke(
            "namespaces-not-built",
            "own 'mount -t tmpfs none /proc/$$/ns; touch /proc/$$/ns/user /proc/$$/ns/pid' \
                inject-errno clone3=EINVAL -- 05-user $ROOTFS true",
        )
        .not(&["userns-not-built", "namespaces-wsl", "namespaces-invalid"]),
        provoke("namespaces-invalid", "inject-errno clone3=EINVAL -- 05-user $ROOTFS true").not(&[
            "namespaces-wsl",
            "userns-not-built",
            "namespaces-not-built",
        ]),
        elsewhere!("ENOSPC", "namespaces-limit"),
        elsewhere!("EAGAIN", "processes-limit"),
        provoke("processes-limit", "prlimit --nproc=1 05-user $ROOTFS true").only(User),
        provoke(
            "processes-limit",
            "08-cgroup --pids 9 $ROOTFS true 2>/dev/null || skip 'root may set no limits here'
            exec 09-full --read-only --pids 1 $ROOTFS true",
        )
        .cured_by("08-cgroup --pids 9 $ROOTFS true 2>/dev/null || exit 0; 09-full --read-only --pids 2 $ROOTFS true")
        .only(Root),
    ]
}
