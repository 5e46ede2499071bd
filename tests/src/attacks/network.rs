//! Sockets.

use std::net::{Ipv4Addr, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};

use super::{Attack, Attempt, attack, call, gained, nothing};

const FILTER: &str = "neither CAP_NET_RAW nor the system call filter allows it";

pub(super) const ATTACKS: &[Attack] = &[
    attack(
        "loopback-service",
        "",
        "connects to a service on the host's 127.0.0.1",
        "a network namespace",
        |decoys| {
            TcpStream::connect((Ipv4Addr::LOCALHOST, decoys.number("port")?))?;
            gained("connected")
        },
    ),
    attack(
        "abstract-socket",
        "CVE-2020-15257",
        "connects to an abstract Unix socket of the host",
        "a network namespace: such names are the network's, not the file system's",
        |decoys| {
            UnixStream::connect_addr(&SocketAddr::from_abstract_name(decoys.get("queue")?)?)?;
            gained("connected")
        },
    ),
    attack(
        "sniff",
        "",
        "hears every packet of the host",
        "a user namespace, whose root may not, and then a network namespace",
        |decoys| {
            if !decoys.shares("net")? {
                return nothing("a network of its own");
            }
            socket(libc::AF_PACKET, libc::SOCK_RAW, 0)
        },
    ),
    attack("raw-socket", "", "sends packets with forged addresses", FILTER, |_| {
        socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_RAW)
    }),
    attack("packet-socket", "CVE-2020-14386", "opens an AF_PACKET socket", FILTER, |_| {
        socket(libc::AF_PACKET, libc::SOCK_RAW, 0)
    }),
    attack("vsock", "", "talks to the hypervisor: AF_VSOCK", "the system call filter", |_| {
        socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0)
    }),
    attack(
        "alg",
        "CVE-2019-8912",
        "gets at the kernel's cryptography: AF_ALG",
        "the system call filter",
        |_| socket(libc::AF_ALG, libc::SOCK_SEQPACKET, 0),
    ),
];

fn socket(family: libc::c_int, kind: libc::c_int, protocol: libc::c_int) -> Attempt {
    // SAFETY: takes integers.
    call("a socket", unsafe { libc::socket(family, kind, protocol) }.into())
}
