//! The root filesystem, building one, and the command.

use harness::Identity::{Root, User};

use super::{Provocation, elsewhere, provoke, unexplained};

pub fn rootfs() -> Vec<Provocation> {
    vec![
        provoke("chroot-not-root", "01-chroot $ROOTFS true")
            .only(User)
            .not(&["chroot-unable", "chroot-forbidden"]),
        provoke("chroot-unable", "setpriv --bounding-set=-sys_chroot 01-chroot $ROOTFS true")
            .cured_by("setpriv --bounding-set=-sys_chroot 05-user $ROOTFS true")
            .only(Root)
            .not(&["chroot-not-root", "chroot-forbidden"]),
        provoke("chroot-forbidden", "inject-errno chroot=EPERM -- 01-chroot $ROOTFS true")
            .only(Root)
            .not(&["chroot-not-root", "chroot-unable", "namespaces-unable"]),
        provoke("rootfs-absent", "01-chroot $ROOTFS/absent true").only(Root),
        provoke("rootfs-absent", "06-mount $ROOTFS/absent true").not(&["mount-point-absent"]),
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
        provoke("rootfs-no-directory", "09-full --read-only /etc/passwd true").not(&["exec-not-below"]),
        provoke("rootfs-closed", "[ ! -x /root ] || skip '/root is open to all'; 06-mount /root/rootfs true")
            .only(User),
        provoke(
            "rootfs-closed",
            "mkdir -m 700 $DIR/closed; ln -s $ROOTFS $DIR/closed/rootfs
            05-user --uid-map 0:100000:9 --gid-map 0:100000:9 $DIR/closed/rootfs true",
        )
        .cured_by("chmod o+x $DIR/closed; 05-user --uid-map 0:100000:9 --gid-map 0:100000:9 $DIR/closed/rootfs true")
        .only(Root)
        .not(&["mounts-apparmor", "mounts-closed", "volume-closed", "workdir-closed"]),
        provoke("rootfs-long-name", "06-mount $(printf %0300d 0) true")
            .cured_by("cd $ROOTFS && 06-mount . true && 09-full --read-only . true && [ ! -e rootfs ]")
            .not(&["exec-long-name"]),
        provoke("rootfs-loop", "ln -s loop $DIR/loop; 06-mount $DIR/loop true"),
        provoke("mount-point-absent", "mkdir $DIR/bare; 06-mount $DIR/bare true")
            .cured_by(
                "mkdir -p $DIR/bare/proc $DIR/bare/dev; 06-mount $DIR/bare nothing 2>&1 | grep -q \
                     ^Error:.exec.nothing",
            )
            .not(&["rootfs-absent"]),
        elsewhere!("ENOENT", "rootfs-absent", "mount-point-absent"),
        elsewhere!("ENOTDIR", "rootfs-no-directory"),
        elsewhere!("EACCES", "rootfs-closed"),
        elsewhere!("ENAMETOOLONG", "rootfs-long-name"),
        elsewhere!("ELOOP", "rootfs-loop"),
    ]
}

pub fn building() -> Vec<Provocation> {
    vec![
        provoke("no-links", "inject-errno symlinkat=EPERM -- rootfs --to $DIR/tree")
            .not(&["chroot-forbidden"]),
        provoke("disk-full", "own 'mount -t tmpfs -o size=1m none $TMP' rootfs --to $TMP/tree")
            .cured_by("rootfs --to $DIR/elsewhere")
            .not(&["mounts-limit"]),
        provoke("disk-read-only", "own 'mount -t tmpfs -o ro none $TMP' rootfs --to $TMP/tree"),
        provoke("disk-not-yours", "rootfs --to /etc/tree").only(User).not(&["rootfs-closed"]),
        elsewhere!("EPERM", "no-links"),
        elsewhere!("ENOSPC", "disk-full"),
        elsewhere!("EROFS", "disk-read-only"),
        elsewhere!("EACCES", "disk-not-yours"),
    ]
}

pub fn command() -> Vec<Provocation> {
    vec![
        provoke("exec-directory", "06-mount $ROOTFS /etc")
            .cured_by("06-mount $ROOTFS true")
            .code(126)
            .not(&["exec-special", "exec-noexec", "exec-no-permission", "exec-closed", "rootfs-closed"]),
        provoke("exec-special", "mkfifo -m 777 $DIR/fifo; 05-user $DIR /fifo")
            .code(126)
            .not(&["exec-directory", "exec-noexec", "exec-no-permission", "exec-closed"]),
        provoke(
            "exec-noexec",
            "own 'mount --rbind $ROOTFS $TMP && mount -o remount,bind,noexec $TMP' 06-mount $TMP true",
        )
        .cured_by(
            "own 'mount --rbind $ROOTFS $TMP && mount -o remount,bind,noexec $TMP && mount -o remount,bind,exec $TMP' \
                06-mount $TMP true",
        )
        .code(126)
        .not(&["exec-directory", "exec-special", "exec-no-permission", "exec-closed"]),
        provoke("exec-no-permission", "echo '#!/plain' > $DIR/plain; 05-user $DIR /plain")
            .code(126)
            .not(&["exec-directory", "exec-special", "exec-noexec", "exec-closed"]),
        provoke(
            "exec-closed",
            "echo text > $DIR/shell; echo '#!/shell' > $DIR/script; chmod +x $DIR/script; 05-user $DIR /script",
        )
        .cured_by("ln $(readlink -f $ROOTFS/bin/sh) $DIR/sh 2>/dev/null; 05-user $ROOTFS sh -c true")
        .code(126)
        .not(&["exec-directory", "exec-special", "exec-noexec", "exec-no-permission"]),
        provoke("exec-no-program", "echo text > $DIR/plain; chmod +x $DIR/plain; 05-user $DIR /plain").code(126),
        provoke("exec-dangling", "ln -s /no/such $DIR/plain; 05-user $DIR /plain")
            .code(127)
            .not(&["rootfs-absent", "mount-point-absent", "volume-absent", "workdir-absent"]),
        provoke("exec-not-below", "05-user $ROOTFS /etc/passwd/").code(126).not(&["rootfs-no-directory"]),
        provoke("exec-long-name", "05-user $ROOTFS $(printf %0300d 0)")
            .cured_by("05-user $ROOTFS true $(printf %0300d 0)")
            .code(126)
            .not(&["rootfs-long-name"]),
        // The longest word that reaches the step is too long once the line of the script is added.
        provoke(
            "exec-too-long",
            "{ printf '#!/bin/sh '; printf %0240d 0; echo; } > $DIR/script; chmod +x $DIR/script
            run() { env -i $(command -v prlimit) --stack=524288 \"$@\"; }
            for length in $(seq 131000 -40 120000); do
                word=$(printf %0${length}d 0)
                run $(command -v 05-user) --help $DIR /script $word >/dev/null 2>&1 || continue
                run $(command -v 05-user) $DIR /script $word; exit
            done",
        )
        .code(126),
        unexplained("ln -s loop $DIR/loop; 05-user $DIR /loop").code(126).not(&["rootfs-loop"]),
        elsewhere!("ENOEXEC", "exec-no-program"),
        elsewhere!("ENOENT", "exec-dangling"),
        elsewhere!("E2BIG", "exec-too-long"),
    ]
}
