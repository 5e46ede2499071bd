//! Interfaces, addresses and ports.

use nix::errno::Errno::{
    EACCES, EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, ECONNREFUSED, EHOSTUNREACH, ENETUNREACH,
    EOPNOTSUPP, EPROTONOSUPPORT,
};

use super::when::NO_PORT_RIGHT;
use super::{Row, check, row};
use crate::Operation::{AddVeth, Connect, FindSubnet, Listen, OpenNetlink, TakeAddress};

pub const ROWS: &[Row] = &[
    row!(
        "veth-absent",
        [AddVeth],
        [EOPNOTSUPP],
        [],
        "this kernel has no veth pairs, or their module is not loaded (CONFIG_VETH)",
        "`sudo modprobe veth`; after an update of the kernel reboot first",
    ),
    row!(
        "netlink-absent",
        [OpenNetlink],
        [EAFNOSUPPORT, EPROTONOSUPPORT],
        [],
        "there are no netlink sockets here, as in a sandbox such as gVisor or with systemd's RestrictAddressFamilies=",
        "leave the sandbox: `ip link` must work first",
    ),
    check!(
        "address-used",
        [TakeAddress],
        [],
        [],
        "`ip route` shows the networks that this machine knows, and `ss -xl | grep container` the addresses that \
         containers hold; --ip chooses another one",
    ),
    check!(
        "subnets-used",
        [FindSubnet],
        [],
        [],
        "`ip route` shows the networks that this machine knows, and `ss -xl | grep container` the addresses that \
         are held, by containers or by any other process; --ip chooses one",
    ),
    row!(
        "port-used",
        [Listen],
        [EADDRINUSE],
        [],
        "another socket is bound to this port",
        "`ss -tlnp` shows whose it is; choose another port",
    ),
    row!(
        "port-reserved",
        [Listen],
        [EACCES],
        [NO_PORT_RIGHT],
        "ports below 1024 need CAP_NET_BIND_SERVICE (sysctl net.ipv4.ip_unprivileged_port_start)",
        "choose a higher one, as in `--publish 8080:80`",
    ),
    row!(
        "address-foreign",
        [Listen],
        [EADDRNOTAVAIL],
        [],
        "this machine has no such address",
        "`ip address` lists those that it has",
    ),
    row!(
        "connection-refused",
        [Connect],
        [ECONNREFUSED],
        [],
        "that address answers and refuses the connection, as it does where no program listens on the port",
        "start `server` there first; `ss -tln` there lists the ports",
    ),
    row!(
        "connection-unreachable",
        [Connect],
        [ENETUNREACH, EHOSTUNREACH],
        [],
        "no route leads from this network namespace to that address, or nothing answers there",
        "`ip route` lists the routes; an address of the same veth pair needs none",
    ),
];
