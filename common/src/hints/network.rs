//! Interfaces, addresses and ports.

use nix::errno::Errno::{
    EACCES, EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, ECONNREFUSED, EHOSTUNREACH, ENETUNREACH,
    EOPNOTSUPP, EPROTONOSUPPORT,
};

use super::when::{ALWAYS, NOT_ROOT};
use super::{Row, row};

pub const ROWS: &[Row] = &[
    row!(
        "veth-absent",
        ["add veth "],
        [EOPNOTSUPP],
        ALWAYS,
        "this kernel has no virtual cables, or their module is not loaded (CONFIG_VETH)",
        "`sudo modprobe veth`; where the running kernel was replaced by an update, reboot first",
    ),
    row!(
        "netlink-absent",
        ["socket AF_NETLINK", "socket NETLINK_"],
        [EAFNOSUPPORT, EPROTONOSUPPORT],
        ALWAYS,
        "nobody here may talk to the kernel's network configuration: a sandbox, or a kernel without it",
        "`ip link` must work first; leave the sandbox (gVisor, systemd's RestrictAddressFamilies=)",
    ),
    row!(
        "address-used",
        ["is already in use here", "no subnet is free"],
        [],
        ALWAYS,
        "another container, or a network that this machine is connected to, has it",
        "`ip route` shows what is in use; --ip chooses an address",
    ),
    row!(
        "port-used",
        ["listen on "],
        [EADDRINUSE],
        ALWAYS,
        "somebody listens there already",
        "`ss -tlnp` shows who; choose another port",
    ),
    row!(
        "port-reserved",
        ["listen on "],
        [EACCES],
        NOT_ROOT,
        "ports below 1024 are root's (sysctl net.ipv4.ip_unprivileged_port_start)",
        "choose a higher one, as in `--publish 8080:80`",
    ),
    row!(
        "address-foreign",
        ["listen on "],
        [EADDRNOTAVAIL],
        ALWAYS,
        "this machine has no such address",
        "`ip address` lists those that it has",
    ),
    row!(
        "connection-refused",
        ["connect to "],
        [ECONNREFUSED],
        ALWAYS,
        "nobody listens on that port there",
        "start `server` there first; `ss -tln` there shows the ports",
    ),
    row!(
        "connection-unreachable",
        ["connect to "],
        [ENETUNREACH, EHOSTUNREACH],
        ALWAYS,
        "no way leads from this network namespace to that address",
        "`ip route` shows the ways that there are; an address of the same cable needs none",
    ),
];
