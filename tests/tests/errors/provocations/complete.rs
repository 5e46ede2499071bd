//! The complete container.

use harness::Identity::{Root, User};

use super::{Provocation, provoke};

pub fn complete() -> Vec<Provocation> {
    vec![
        provoke("keys-used-up", "inject-errno keyctl=EDQUOT -- 09-full $ONE $ROOTFS true"),
        provoke("seccomp-not-built", "inject-errno seccomp:0:1=EINVAL -- 09-full $ONE $ROOTFS true")
            .cured_by("inject-errno seccomp:0:1=EINVAL -- 09-full $ONE --seccomp off $ROOTFS true"),
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
        provoke("no-strict-mode", "inject-errno $MKDIR=EPERM -- seccomp-demo strict")
            .cured_by("inject-errno $MKDIR=EPERM -- seccomp-demo filter; [ $? = 159 ]"),
        provoke("no-terminal", "typist hello"),
        provoke(
            "no-typing",
            "command -v script >/dev/null || skip 'script(1) is not installed'
            script -qec 'inject-errno ioctl:1:0x5412=EIO -- typist hello' /dev/null",
        ),
    ]
}
