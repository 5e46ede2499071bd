//! Links called `vethXXXXXXXX`, the host's end of a cable of chapter 07. They go with the container's
//! network namespace, and that stays as long as anything holds it: a process that was sent there, or
//! a mount of `ip netns`.
//!
//! What proves that one is ours: it is a veth on no bridge, its name is an address in hexadecimal
//! digits, and it has this very address. A launcher that lives holds the subnet by a socket.

use std::net::{Ipv4Addr, SocketAddrV4};

use anyhow::{Context, Result, bail};
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkInfo, LinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::errno::Errno;
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, SockaddrIn, sockopt};

use super::Found;
use super::ours::Ours;

/// The port of the subnet's own address by which chapter 07 holds a subnet.
const HELD_PORT: u16 = 4;

/// Those of the network namespace in which this program runs.
pub fn find(_ours: &Ours) -> Result<Vec<Found>> {
    let links = links().context("list the network's links")?;
    let addresses = addresses().context("list the network's addresses")?;
    let found = links.iter().filter(|link| is_veth(link)).filter_map(|link| {
        let name = name(link)?;
        let address = addresses
            .iter()
            .find(|it| it.header.index == link.header.index && local(it) == address_of(name))?;
        Some(judge(name, local(address)?, address.header.prefix_len, link.header.index))
    });
    Ok(found.collect())
}

fn judge(name: &str, address: Ipv4Addr, prefix: u8, index: u32) -> Found {
    let what = format!("link {name}");
    if is_held(address, prefix) {
        return Found::left(what, format!("in use: a launcher holds the subnet of {address}"));
    }
    let why = format!("a veth pair's end with our address {address}, and its launcher is gone");
    Found::goes(what, why, move || delete(index))
}

/// Whether another process has the port: it can be bound once.
fn is_held(address: Ipv4Addr, prefix: u8) -> bool {
    let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
    let network = Ipv4Addr::from(u32::from(address) & mask);
    let bind = || -> nix::Result<()> {
        let any = SockFlag::SOCK_CLOEXEC;
        let socket = socket::socket(AddressFamily::Inet, SockType::Stream, any, None)?;
        socket::setsockopt(&socket, sockopt::IpFreebind, &true)?;
        let port = SockaddrIn::from(SocketAddrV4::new(network, HELD_PORT));
        socket::bind(std::os::fd::AsRawFd::as_raw_fd(&socket), &port)
    };
    bind() == Err(Errno::EADDRINUSE)
}

/// Other runtimes call theirs `veth` and a few hexadecimal digits, too; but theirs are ports of a
/// bridge.
fn is_veth(link: &LinkMessage) -> bool {
    let veth = |info: &LinkInfo| matches!(info, LinkInfo::Kind(InfoKind::Veth));
    let kind =
        |it: &LinkAttribute| matches!(it, LinkAttribute::LinkInfo(infos) if infos.iter().any(veth));
    let port = |it: &LinkAttribute| matches!(it, LinkAttribute::Controller(_));
    link.attributes.iter().any(kind) && !link.attributes.iter().any(port)
}

fn name(link: &LinkMessage) -> Option<&str> {
    link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.as_str()),
        _ => None,
    })
}

/// The address in the name of a link of ours.
fn address_of(name: &str) -> Option<Ipv4Addr> {
    let digits = name.strip_prefix("veth").filter(|digits| digits.len() == 8)?;
    u32::from_str_radix(digits, 16).ok().map(Ipv4Addr::from)
}

fn local(address: &AddressMessage) -> Option<Ipv4Addr> {
    address.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(std::net::IpAddr::V4(address)) => Some(*address),
        _ => None,
    })
}

/// `ip link`
fn links() -> Result<Vec<LinkMessage>> {
    dump(RouteNetlinkMessage::GetLink(LinkMessage::default()), |answer| match answer {
        RouteNetlinkMessage::NewLink(link) => Some(link),
        _ => None,
    })
}

/// `ip address`
fn addresses() -> Result<Vec<AddressMessage>> {
    dump(RouteNetlinkMessage::GetAddress(AddressMessage::default()), |answer| match answer {
        RouteNetlinkMessage::NewAddress(address) => Some(address),
        _ => None,
    })
}

/// Sends a request for a list, and reads the answers up to the last.
fn dump<T>(
    request: RouteNetlinkMessage,
    take: impl Fn(RouteNetlinkMessage) -> Option<T>,
) -> Result<Vec<T>> {
    let socket = send(request, NLM_F_DUMP)?;
    let mut list = Vec::new();
    loop {
        let (bytes, _) = socket.recv_from_full().context("receive")?;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                .context("read the answer")?;
            let length = (message.header.length as usize).next_multiple_of(4).min(rest.len());
            match message.payload {
                NetlinkPayload::Done(_) => return Ok(list),
                NetlinkPayload::InnerMessage(answer) => list.extend(take(answer)),
                other => bail!("the kernel answered {other:?}"),
            }
            rest = &rest[length..];
        }
    }
}

/// `ip link del`
fn delete(index: u32) -> Result<()> {
    let mut link = LinkMessage::default();
    link.header.index = index;
    let socket = send(RouteNetlinkMessage::DelLink(link), NLM_F_ACK)?;
    let (bytes, _) = socket.recv_from_full().context("receive")?;
    match NetlinkMessage::<RouteNetlinkMessage>::deserialize(&bytes)
        .context("read the answer")?
        .payload
    {
        NetlinkPayload::Error(error) => match error.code.map(|code| Errno::from_raw(-code.get())) {
            None | Some(Errno::ENODEV) => Ok(()),
            Some(errno) => Err(errno).context("delete it"),
        },
        other => bail!("the kernel answered {other:?}"),
    }
}

fn send(message: RouteNetlinkMessage, flags: u16) -> Result<Socket> {
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | flags;
    let mut packet = NetlinkMessage::new(header, NetlinkPayload::from(message));
    packet.finalize();
    let mut bytes = vec![0; packet.buffer_len()];
    packet.serialize(&mut bytes);
    let socket = Socket::new(NETLINK_ROUTE).context("socket")?;
    socket.send_to(&bytes, &SocketAddr::new(0, 0), 0).context("send")?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_of_ours_has_an_address_in_its_name() {
        assert_eq!(address_of("veth0ac87095"), Some(Ipv4Addr::new(10, 200, 112, 149)));
        for other in ["veth1", "vethX", "veth0ac8709", "veth0ac8709g", "eth0ac87095"] {
            assert_eq!(address_of(other), None, "{other}");
        }
    }
}
