//! Mounts, the network.

use harness::Identity::{Root, User};

use super::{Provocation, provoke};

pub fn mounts() -> Vec<Provocation> {
    vec![
        provoke("proc-covered", "own 'mount -t tmpfs none /proc/fs' 06-mount $ROOTFS true").code(0),
        provoke("sys-covered", "own 'mount -t tmpfs none /sys/kernel' 07-net $ROOTFS true")
            .cured_by("own 'mount -t tmpfs none /sys/kernel' 06-mount $ROOTFS true"),
        provoke("pivot-impossible", "06-mount / true"),
        provoke("filesystem-unknown", "inject-errno mount:3:0xa=ENODEV -- 06-mount $ROOTFS true"),
        provoke("mounts-limit", "inject-errno mount:3:0x5000=ENOSPC -- 06-mount $ROOTFS true"),
        provoke("mounts-filtered", "inject-errno mount:3:0x44000=EPERM -- 06-mount $ROOTFS true"),
        provoke("mounts-filtered", "inject-errno pivot_root=EPERM -- 06-mount $ROOTFS true"),
        provoke("mounts-forbidden", "inject-errno mount:3:0x44000=EACCES -- 06-mount $ROOTFS true"),
    ]
}

pub fn network() -> Vec<Provocation> {
    vec![
        // The one request of these lengths: they depend on how many digits the launcher's number
        // has.
        provoke(
            "veth-absent",
            "inject-errno sendto:2:104=EOPNOTSUPP sendto:2:108=EOPNOTSUPP -- 07-net $ROOTFS true",
        ),
        provoke("netlink-absent", "inject-errno socket:0:16=EAFNOSUPPORT -- 07-net $ROOTFS true"),
        provoke("netlink-absent", "inject-errno socket:0:16=EAFNOSUPPORT -- containers"),
        provoke(
            "address-used",
            "ip address add 10.77.0.3/24 dev lo; 07-net --ip 10.77.0.2/24 $ROOTFS true",
        )
        .cured_by("07-net --ip 10.78.0.2/24 $ROOTFS true")
        .only(Root),
        provoke("port-used", "09-full --publish 18080:80 --publish 18080:81 $ROOTFS true"),
        provoke("port-reserved", "timeout 5 server 80").only(User),
        provoke("address-foreign", "09-full --publish 192.0.2.1:18080:80 $ROOTFS true"),
        provoke("connection-refused", "client 127.0.0.1 1"),
        provoke("connection-unreachable", "OWN=--net; own '' client 10.77.0.1"),
    ]
}
