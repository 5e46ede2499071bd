//! The root filesystem, building one, and the command.

use harness::Identity::{Root, User};

use super::{Provocation, provoke};

pub fn rootfs() -> Vec<Provocation> {
    vec![
        provoke("chroot-not-root", "01-chroot $ROOTFS true").only(User),
        provoke("chroot-unable", "setpriv --bounding-set=-sys_chroot 01-chroot $ROOTFS true")
            .cured_by("setpriv --bounding-set=-sys_chroot 05-user $ROOTFS true")
            .only(Root),
        provoke("rootfs-absent", "01-chroot $ROOTFS/absent true").only(Root),
        provoke("rootfs-absent", "06-mount $ROOTFS/absent true"),
        // The launcher may just be making the cable, and must not complain as well that nobody is
        // there any more.
        provoke(
            "rootfs-absent",
            "for round in $(seq 30); do
                [ $(07-net $ROOTFS/absent true 2>&1 | grep -c ^Error) = 1 ] || echo Error: not one
            done; 07-net $ROOTFS/absent true",
        ),
        provoke("rootfs-no-directory", "05-user /etc/passwd true").cured_by(
            "tar -C $ROOTFS -cf $DIR/tree.tar bin lib lib64 usr proc dev sys 2>/dev/null; 05-user $(rootfs \
                 tar $DIR/tree.tar --to $DIR/tree) true",
        ),
        provoke("rootfs-no-directory", "09-full /etc/passwd true"),
        provoke("rootfs-closed", "[ ! -x /root ] || skip '/root is open to all'; 06-mount /root/rootfs true")
            .only(User),
        provoke(
            "rootfs-closed",
            "mkdir -m 700 $DIR/closed; ln -s $ROOTFS $DIR/closed/rootfs
            05-user --uid-map 0:100000:9 --gid-map 0:100000:9 $DIR/closed/rootfs true",
        )
        .cured_by("chmod o+x $DIR/closed; 05-user --uid-map 0:100000:9 --gid-map 0:100000:9 $DIR/closed/rootfs true")
        .only(Root),
        provoke("rootfs-long-name", "06-mount $(printf %0300d 0) true")
            .cured_by("cd $ROOTFS && 06-mount . true && 09-full . true && [ ! -e rootfs ]"),
        provoke("rootfs-loop", "ln -s loop $DIR/loop; 06-mount $DIR/loop true"),
        provoke("mount-point-absent", "mkdir $DIR/bare; 06-mount $DIR/bare true").cured_by(
            "mkdir -p $DIR/bare/proc $DIR/bare/dev; 06-mount $DIR/bare nothing 2>&1 | grep -q \
                 ^Error:.exec.nothing",
        ),
        provoke("no-links", "inject-errno symlinkat=EPERM -- rootfs --to $DIR/tree"),
        provoke("disk-full", "own 'mount -t tmpfs -o size=1m none $TMP' rootfs --to $TMP/tree")
            .cured_by("rootfs --to $DIR/elsewhere"),
        provoke("disk-read-only", "own 'mount -t tmpfs -o ro none $TMP' rootfs --to $TMP/tree"),
        provoke("disk-not-yours", "rootfs --to /etc/tree").only(User),
    ]
}

pub fn command() -> Vec<Provocation> {
    vec![
        provoke(
            "exec-noexec",
            "own 'mount --rbind $ROOTFS $TMP && mount -o remount,bind,noexec $TMP' 06-mount $TMP true",
        )
        .cured_by(
            "own 'mount --rbind $ROOTFS $TMP && mount -o remount,bind,noexec $TMP && mount -o remount,bind,exec $TMP' \
                06-mount $TMP true",
        )
        .code(126),
        provoke("exec-no-permission", "06-mount $ROOTFS /etc").cured_by("06-mount $ROOTFS true").code(126),
        provoke("exec-no-program", "echo text > $DIR/plain; chmod +x $DIR/plain; 05-user $DIR /plain").code(126),
        provoke("exec-dangling", "ln -s /no/such $DIR/plain; 05-user $DIR /plain").code(127),
    ]
}
