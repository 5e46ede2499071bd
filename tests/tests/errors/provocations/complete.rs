//! The complete container.

use harness::Identity::User;

use super::{Provocation, elsewhere, provoke, unexplained};

pub fn complete() -> Vec<Provocation> {
    vec![
        provoke("keys-used-up", "inject-errno keyctl=EDQUOT -- 09-full --read-only $ONE $ROOTFS true"),
        provoke("seccomp-not-built", "inject-errno seccomp:0:1=EINVAL seccomp:0:2=EINVAL -- 09-full --read-only $ONE $ROOTFS true")
            .cured_by("inject-errno seccomp:0:1=EINVAL -- 09-full --read-only $ONE --seccomp off $ROOTFS true"),
        unexplained("inject-errno seccomp:0:1=EINVAL -- 09-full --read-only $ONE $ROOTFS true").not(&["seccomp-not-built"]),
        provoke("volume-absent", "09-full --read-only --volume /no/such:/tmp $ROOTFS true").not(&["rootfs-absent"]),
        provoke("volume-closed", "[ ! -x /root ] || skip '/root is open to all'; 09-full --read-only --volume /root/x:/mnt $ROOTFS true")
            .only(User)
            .not(&["mounts-closed", "mounts-apparmor", "selinux"]),
        provoke("volume-file-and-directory", "09-full --read-only --volume /etc/passwd:/tmp $ROOTFS true")
            .cured_by("09-full --read-only --volume /etc:/tmp $ROOTFS true")
            .not(&["workdir-absent", "exec-not-below", "rootfs-no-directory"]),
        provoke("workdir-absent", "09-full --read-only --workdir /no/such $ROOTFS true").cured_by("09-full --read-only $ROOTFS true")
            .not(&["volume-absent"]),
        provoke("workdir-closed", "09-full --read-only --volume /root:/tmp --workdir /tmp $ROOTFS true")
            .only(User)
            .not(&["volume-closed"]),
        provoke("container-absent", "enter nobody true").not(&[
            "no-terminal",
            "memory-refused",
            "controller-absent",
            "groups-occupied",
            "address-used",
            "subnets-used",
        ]),
        provoke("no-strict-mode", "inject-errno $MKDIR=EPERM -- seccomp-demo strict")
            .cured_by("inject-errno $MKDIR=EPERM -- seccomp-demo filter; [ $? = 159 ]")
            .not(&["seccomp-not-built"]),
        provoke("no-terminal", "typist hello").not(&["container-absent", "newuidmap-refused"]),
        provoke(
            "no-typing",
            "command -v script >/dev/null || skip 'script(1) is not installed'
            own 'show 0 /proc/sys/dev/tty/legacy_tiocsti' script -qec 'inject-errno ioctl:1:0x5412=EIO -- typist hello' /dev/null",
        ),
        unexplained(
            "command -v script >/dev/null || skip 'script(1) is not installed'
            own 'show 1 /proc/sys/dev/tty/legacy_tiocsti' script -qec 'inject-errno ioctl:1:0x5412=EIO -- typist hello' /dev/null",
        )
        .not(&["no-typing"]),
        elsewhere!("EDQUOT", "keys-used-up"),
        elsewhere!("EINVAL", "seccomp-not-built", "no-strict-mode"),
        elsewhere!("ENOENT", "volume-absent", "workdir-absent"),
        elsewhere!("ENOTDIR", "volume-file-and-directory", "workdir-absent"),
        elsewhere!("EACCES", "workdir-closed"),
    ]
}
