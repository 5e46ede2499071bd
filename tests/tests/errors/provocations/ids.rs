//! Message queues, ids.

use harness::Identity::{Root, User};

use super::{Provocation, provoke};

pub fn queues() -> Vec<Provocation> {
    vec![
        provoke("queue-absent", "own '' queue receive 77").cured_by("own 'queue send 77 x' queue receive 77"),
        provoke("queue-absent", "own '' queue receive /absent"),
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
    ]
}

pub fn ids() -> Vec<Provocation> {
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
        provoke("idmap-too-old", "inject-errno mount_setattr=ENOSYS -- 09-full $ROOTFS true")
            .only(Root)
            .code(0),
        provoke("idmap-filesystem", "inject-errno mount_setattr=EINVAL -- 09-full $ROOTFS true")
            .only(Root)
            .code(0),
    ]
}
