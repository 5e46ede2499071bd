//! Mounts, the network.

use harness::Identity::{Root, User};

use super::{Provocation, elsewhere, provoke, unexplained};

pub fn overlays() -> Vec<Provocation> {
    // Root needs the layer, because others can reach ROOTFS. An ordinary user with one id does not.
    let each = |it: Provocation| [it.only(Root), it.only(User).code(0)];
    let all = [
        provoke(
            "overlay-too-old",
            "setarch --uname-2.6 inject-errno mount:3:6=EPERM -- 09-full --overlay $ONE $ROOTFS true",
        )
        .not(&["mounts-filtered"]),
        provoke(
            "mounts-filtered",
            "inject-errno mount:3:6=EPERM -- 09-full --overlay $ONE $ROOTFS true",
        )
        .not(&["overlay-too-old"]),
        provoke(
            "overlay-idmapped-too-old",
            "setarch --uname-2.6 inject-errno mount:3:6=EINVAL -- 09-full --overlay $ONE $ROOTFS true",
        )
        .not(&["pivot-impossible", "overlay-layer"]),
        provoke(
            "overlay-layer",
            "own 'mount -t tmpfs tmpfs /media; mkdir /media/lower /media/upper /media/work
                mount -t overlay -o lowerdir=/media/lower,upperdir=/media/upper,workdir=/media/work overlay /var/tmp
                chmod 1777 /var/tmp' 09-full --overlay $ONE $ROOTFS true",
        )
        .not(&["overlay-idmapped-too-old"]),
    ];
    all.into_iter().flat_map(each).collect()
}

pub fn mounts() -> Vec<Provocation> {
    vec![
        provoke("proc-covered", "own 'mount -t tmpfs none /proc/fs' 06-mount $ROOTFS true")
            .code(0)
            .not(&["sys-covered", "mounts-filtered"]),
        provoke("sys-covered", "own 'mount -t tmpfs none /sys/kernel' 07-net $ROOTFS true")
            .cured_by("own 'mount -t tmpfs none /sys/kernel' 06-mount $ROOTFS true")
            .not(&["proc-covered", "mounts-filtered"]),
        provoke("pivot-impossible", "inject-errno pivot_root=EINVAL -- 06-mount $ROOTFS true").not(&["id-not-mapped"]),
        provoke("filesystem-unknown", "inject-errno fsopen=ENODEV -- 06-mount $ROOTFS true"),
        provoke("mounts-limit", "inject-errno move_mount=ENOSPC -- 06-mount $ROOTFS true")
            .not(&["namespaces-limit", "disk-full"]),
        provoke("mounts-filtered", "inject-errno mount:3:0x44000=EPERM -- 06-mount $ROOTFS true")
            .not(&["proc-covered", "sys-covered", "userns-filtered"]),
        provoke("mounts-filtered", "inject-errno pivot_root=EPERM -- 06-mount $ROOTFS true"),
        provoke(
            "mounts-apparmor",
            "own 'mount -t tmpfs none /sys/module; mkdir -p /sys/module/apparmor/parameters
                show Y /sys/module/apparmor/parameters/enabled' inject-errno mount:3:0x44000=EACCES -- 06-mount $ROOTFS true",
        )
        .not(&["mounts-closed", "selinux"]),
        provoke("mounts-closed", "inject-errno mount:3:0x44000=EACCES -- 06-mount $ROOTFS true")
            .not(&["mounts-apparmor", "rootfs-closed"]),
        elsewhere!("EINVAL", "pivot-impossible"),
        elsewhere!("ENODEV", "filesystem-unknown"),
        elsewhere!("EPERM", "mounts-filtered"),
        elsewhere!("EACCES", "mounts-closed"),
        elsewhere!("ENOSPC", "mounts-limit"),
    ]
}

pub fn network() -> Vec<Provocation> {
    vec![
        // The one request of these lengths: they depend on how many digits the launcher's number
        // has.
        provoke("veth-absent", "inject-errno sendto:2:144=EOPNOTSUPP -- 07-net $ROOTFS true")
            .not(&["group-threaded"]),
        provoke("netlink-absent", "inject-errno socket:0:16=EAFNOSUPPORT -- 07-net $ROOTFS true"),
        provoke(
            "address-used",
            "ip address add 10.77.0.3/24 dev lo; 07-net --ip 10.77.0.2/24 $ROOTFS true",
        )
        .cured_by("07-net --ip 10.78.0.2/24 $ROOTFS true")
        .only(Root)
        .not(&["subnets-used", "port-used"]),
        // Every name is taken; only the netlink socket, with an address of 12 bytes, is bound.
        provoke(
            "subnets-used",
            "inject-errno $(seq -f bind:2:%g=EADDRINUSE 13 60) -- 07-net $ROOTFS true",
        )
        .not(&["address-used", "port-used"]),
        provoke(
            "port-used",
            "09-full --read-only --publish 18080:80 --publish 18080:81 $ROOTFS true",
        ),
        provoke("port-reserved", "timeout 5 server 80").only(User).not(&["rootfs-closed"]),
        unexplained("inject-errno bind=EACCES -- server 18080").only(Root).not(&["port-reserved"]),
        provoke("address-foreign", "09-full --read-only --publish 192.0.2.1:18080:80 $ROOTFS true"),
        provoke("connection-refused", "client 127.0.0.1 1"),
        provoke("connection-unreachable", "OWN=--net; own '' client 10.77.0.1"),
        elsewhere!("EOPNOTSUPP", "veth-absent"),
        elsewhere!("EAFNOSUPPORT", "netlink-absent"),
        elsewhere!("EADDRINUSE", "port-used"),
        elsewhere!("EADDRNOTAVAIL", "address-foreign"),
        elsewhere!("ECONNREFUSED", "connection-refused"),
        elsewhere!("ENETUNREACH", "connection-unreachable"),
    ]
}
