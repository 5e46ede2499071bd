//! Message queues, ids.

use harness::Identity::{Root, User};

use super::{Provocation, elsewhere, provoke};

pub fn queues() -> Vec<Provocation> {
    vec![
        provoke("queue-absent", "own '' queue receive 77").cured_by("own 'queue send 77 x' queue receive 77"),
        provoke("queue-absent", "own '' queue receive /absent").not(&["rootfs-absent"]),
        provoke("queue-empty", "own 'queue send 7 x && queue receive 7 >/dev/null' queue receive 7"),
        provoke("queue-empty", "own 'queue send /empty x && queue receive /empty >/dev/null' queue receive /empty"),
        provoke(
            "queue-full",
            "own 'for message in $(seq 20); do queue send 7 $(printf %04000d 0); done 2>/dev/null; true' \
                queue send 7 $(printf %04000d 0)",
        )
        .cured_by(
            "own 'for message in $(seq 20); do queue send 7 $(printf %04000d 0); done 2>/dev/null
                queue receive 7 >/dev/null' queue send 7 x",
        ),
        provoke("queue-closed", "own '' queue send /two/slashes x").cured_by("own '' queue send /mine x"),
        provoke("queue-bytes", "own '' prlimit --msgqueue=1 queue send /one x"),
        provoke("queue-limit", "own '' inject-errno mq_open=ENOSPC -- queue send /one x"),
        provoke("queue-limit", "own '' inject-errno msgget=ENOSPC -- queue send 7 x"),
        // With as many open files as it may have.
        provoke("files-limit", "own '' inject-errno mq_open=EMFILE dup=EMFILE -- queue send /one x").not(&["queue-bytes"]),
        elsewhere!("ENOENT", "queue-absent"),
        elsewhere!("EAGAIN", "queue-empty", "queue-full"),
        elsewhere!("EACCES", "queue-closed"),
        elsewhere!("ENOSPC", "queue-limit"),
    ]
}

pub fn ids() -> Vec<Provocation> {
    vec![
        provoke("proc-foreign", "unshare --user --map-root-user --pid --fork 05-user $ROOTFS true")
            .cured_by("unshare --user --map-root-user --pid --fork --mount-proc 05-user $ROOTFS true")
            .not(&["map-of-others", "map-of-nobody"]),
        provoke("map-of-others", "05-user --uid-map 0:7:1 $ROOTFS true")
            .cured_by("05-user $ONE $ROOTFS true")
            .only(User)
            .not(&["proc-foreign", "map-of-nobody", "userns-apparmor", "userns-forbidden"]),
        provoke("map-of-nobody", "own '' 05-user --uid-map 0:7:1 $ROOTFS true")
            .cured_by("own '' 05-user $ONE $ROOTFS true")
            .only(Root)
            .not(&["proc-foreign", "map-of-others", "userns-apparmor"]),
        provoke(
            "map-too-long",
            "05-user $(for id in $(seq 341); do echo --uid-map $id:$id:1; done) --gid-map 0:$(id -g):1 $ROOTFS true",
        )
        .not(&["id-not-mapped", "namespaces-invalid"]),
        provoke("id-not-mapped", "09-full --read-only $ONE --user 1000 $ROOTFS true").not(&["map-too-long", "idmap-filesystem"]),
        provoke("own-id-not-mapped", "06-mount --no-map $ROOTFS true")
            .cured_by("06-mount --uid-map 0:$(id -u):1 --gid-map 0:$(id -g):1 $ROOTFS true"),
        elsewhere!("EOVERFLOW", "own-id-not-mapped"),
        elsewhere!("EINVAL", "map-too-long", "id-not-mapped"),
        provoke(
            "newuidmap-traced",
            "command -v strace >/dev/null || skip 'strace is not installed'
            own 'mount -t tmpfs none $TMP; echo $(id -u):100000:65536 > $TMP/ids
                mount --bind $TMP/ids /etc/subuid && mount --bind $TMP/ids /etc/subgid
                printf \"#!/bin/sh\\\\nexit 1\\\\n\" > $TMP/newuidmap; chmod u+s,+x $TMP/newuidmap; PATH=$TMP:$PATH' \
                strace -f -o /dev/null 09-full --read-only $ROOTFS true",
        )
        .code(0)
        .cured_by("strace -f -o /dev/null 09-full --read-only $ONE $ROOTFS true")
        .not(&["newuidmap-powerless", "newuidmap-not-set-user-id", "newuidmap-refused"])
        .only(User),
        provoke(
            "newuidmap-powerless",
            "own 'mount -t tmpfs none $TMP; echo $(id -u):100000:65536 > $TMP/ids
                mount --bind $TMP/ids /etc/subuid && mount --bind $TMP/ids /etc/subgid
                printf \"#!/bin/sh\\\\nexit 1\\\\n\" > $TMP/newuidmap; chmod u+s,+x $TMP/newuidmap; PATH=$TMP:$PATH' \
                setpriv --no-new-privs 09-full --read-only $ROOTFS true",
        )
        .code(0)
        .cured_by("setpriv --no-new-privs 09-full --read-only $ONE $ROOTFS true")
        .not(&["newuidmap-traced", "newuidmap-not-set-user-id", "newuidmap-refused"])
        .only(User),
        provoke(
            "newuidmap-not-set-user-id",
            "own 'mount -t tmpfs none $TMP; echo $(id -u):100000:65536 > $TMP/ids
                mount --bind $TMP/ids /etc/subuid && mount --bind $TMP/ids /etc/subgid
                printf \"#!/bin/sh\\\\nexit 1\\\\n\" > $TMP/newuidmap; chmod +x $TMP/newuidmap; PATH=$TMP:$PATH' \
                09-full --read-only $ROOTFS true",
        )
        .not(&["newuidmap-traced", "newuidmap-powerless", "newuidmap-refused"])
        .only(User),
        provoke(
            "newuidmap-refused",
            "own 'mount -t tmpfs none $TMP; echo $(id -u):100000:65536 > $TMP/ids
                mount --bind $TMP/ids /etc/subuid && mount --bind $TMP/ids /etc/subgid
                printf \"#!/bin/sh\\\\nexit 1\\\\n\" > $TMP/newuidmap; chmod u+s,+x $TMP/newuidmap; PATH=$TMP:$PATH' \
                09-full --read-only $ROOTFS true",
        )
        .not(&["newuidmap-traced", "newuidmap-powerless", "newuidmap-not-set-user-id"])
        .only(User),
        provoke("idmap-too-old", "setarch --uname-2.6 inject-errno mount_setattr=ENOSYS -- 09-full --read-only $ROOTFS true")
            .only(Root)
            .code(0)
            .not(&["call-filtered", "call-absent"]),
        provoke("call-filtered", "inject-errno mount_setattr=ENOSYS -- 09-full --read-only $ROOTFS true")
            .only(Root)
            .code(0)
            .not(&["idmap-too-old", "call-too-new"]),
        provoke(
            "idmap-filesystem",
            "unshare --mount sh -c 'mount -t overlay none -o lowerdir=$(readlink -f $ROOTFS):$DIR $TMP &&
            09-full --read-only $TMP true'",
        )
            .only(Root)
            .code(0)
            .not(&["namespaces-invalid"]),
        elsewhere!("EINVAL", "idmap-filesystem"),
    ]
}
