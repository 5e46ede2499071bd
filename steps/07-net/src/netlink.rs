//! Requests to the kernel's network configuration, one function each (rtnetlink(7)).

use std::io;
use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use common::{Operation, Tried};
use ipnet::Ipv4Net;
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkHeader,
    NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkExtentMask, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::prefix::PrefixMessage;
use netlink_packet_route::route::{
    RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteProtocol, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use nix::unistd::Pid;

/// A connection to the network configuration of the namespace in which it was opened.
pub struct Netlink(Socket);

/// Enough for the kernel's answer to any request here.
const ANSWER: usize = 8192;

impl Netlink {
    /// Connects to the namespace that this process is in now.
    pub fn connect() -> Result<Netlink> {
        let connect = || -> io::Result<Netlink> {
            let socket = Socket::new(NETLINK_ROUTE)?;
            socket.connect(&SocketAddr::new(0, 0))?; // strace(1) decodes what such a socket sends
            Ok(Netlink(socket))
        };
        connect().tried(Operation::OpenNetlink, "socket AF_NETLINK")
    }

    /// Returns whether this process may change anything.
    ///
    /// The kernel answers EPERM without CAP_NET_ADMIN in the user namespace that owns the network,
    /// before it looks at what is requested. So the request may be one that it never fulfils, and
    /// does not wait for the lock on the configuration, which may take a millisecond.
    pub fn may_configure(&self) -> bool {
        let request = RouteNetlinkMessage::NewPrefix(PrefixMessage::default());
        self.request(request, NLM_F_ACK) != Err(Errno::EPERM)
    }

    /// `ip link add NAME up type veth peer name PEER netns PID`: the peer is created in its
    /// namespace and need not be moved.
    pub fn add_veth(&self, name: &str, peer: &str, pid: Pid) -> Result<()> {
        let mut end = link(peer);
        end.attributes.push(LinkAttribute::NetNsPid(pid.as_raw() as u32));
        let mut link = up(link(name));
        let kind =
            [LinkInfo::Kind(InfoKind::Veth), LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(end)))];
        link.attributes.push(LinkAttribute::LinkInfo(kind.into()));
        self.add(RouteNetlinkMessage::NewLink(link))
            .tried(Operation::AddVeth, format_args!("add veth {name}"))
    }

    /// `ip link set NAME up`
    pub fn set_up(&self, name: &str) -> Result<()> {
        let link = RouteNetlinkMessage::SetLink(up(link(name)));
        self.request(link, NLM_F_ACK)
            .tried(Operation::ConfigureNetwork, format_args!("set {name} up"))
            .map(drop)
    }

    /// Returns whether `ip link show NAME` has the flag RUNNING (netdevice(7)): not only is it up,
    /// the kernel also knows that the other end is.
    pub fn is_running(&self, name: &str) -> Result<bool> {
        let mut query = link(name);
        query.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
        match self.request(RouteNetlinkMessage::GetLink(query), 0) {
            Ok(Some(RouteNetlinkMessage::NewLink(link))) => {
                Ok(link.header.flags.contains(LinkFlags::Running))
            }
            Ok(answer) => anyhow::bail!("look at {name}: the kernel answered {answer:?}"),
            Err(errno) => Err(errno).with_context(|| format!("look at {name}")),
        }
    }

    /// `ip addr add ADDRESS dev NAME`
    pub fn add_address(&self, name: &str, address: Ipv4Net) -> Result<()> {
        let mut message = AddressMessage::default();
        message.header.family = AddressFamily::Inet;
        message.header.prefix_len = address.prefix_len();
        message.header.index =
            if_nametoindex(name).with_context(|| format!("network interface {name}"))?;
        message.attributes.push(AddressAttribute::Local(address.addr().into()));
        message.attributes.push(AddressAttribute::Broadcast(address.broadcast()));
        let message = RouteNetlinkMessage::NewAddress(message);
        self.add(message)
            .tried(Operation::ConfigureNetwork, format_args!("add address {address} to {name}"))
    }

    /// `ip route add default via GATEWAY`
    pub fn add_default_route(&self, gateway: Ipv4Addr) -> Result<()> {
        self.add(RouteNetlinkMessage::NewRoute(route_via(gateway)))
            .tried(Operation::ConfigureNetwork, format_args!("add default route via {gateway}"))
    }

    /// `ip route replace DESTINATION via GATEWAY`: also where there is such a route already.
    pub fn replace_route(&self, destination: Ipv4Net, gateway: Ipv4Addr) -> Result<()> {
        let mut route = route_via(gateway);
        route.header.destination_prefix_length = destination.prefix_len();
        route.attributes.push(RouteAttribute::Destination(destination.network().into()));
        let message = RouteNetlinkMessage::NewRoute(route);
        self.request(message, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE).map(drop).tried(
            Operation::ConfigureNetwork,
            format_args!("replace route {destination} via {gateway}"),
        )
    }

    /// `ip route get fibmatch ADDRESS`: the entry of the routing tables that decides. None where no
    /// route leads there: the kernel answers ENETUNREACH, and EINVAL, EACCES or EHOSTUNREACH where
    /// a route says blackhole, prohibit or unreachable (ip-route(8)).
    pub fn route_to(&self, address: Ipv4Addr) -> Result<Option<RouteHeader>> {
        let mut query = route();
        query.header.destination_prefix_length = 32;
        query.header.flags = RouteFlags::FibMatch;
        query.attributes.push(RouteAttribute::Destination(address.into()));
        match self.request(RouteNetlinkMessage::GetRoute(query), 0) {
            Ok(Some(RouteNetlinkMessage::NewRoute(route))) => Ok(Some(route.header)),
            Ok(answer) => anyhow::bail!("route to {address}: the kernel answered {answer:?}"),
            Err(_) => Ok(None),
        }
    }

    /// Requests something new, which the kernel refuses with EEXIST where it exists already.
    fn add(&self, message: RouteNetlinkMessage) -> Result<(), Errno> {
        self.request(message, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL).map(drop)
    }

    /// Sends one request and returns the kernel's one answer: an object, or the acknowledgement
    /// that stands for success.
    fn request(
        &self,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> Result<Option<RouteNetlinkMessage>, Errno> {
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        let mut packet = NetlinkMessage::new(header, NetlinkPayload::from(message));
        packet.finalize();
        let mut bytes = vec![0; packet.buffer_len()];
        packet.serialize(&mut bytes);
        let answer = self
            .exchange(&bytes)
            .map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))?;
        match NetlinkMessage::deserialize(&answer).map_err(|_| Errno::EBADMSG)?.payload {
            NetlinkPayload::Error(error) => {
                error.code.map_or(Ok(None), |code| Err(Errno::from_raw(-code.get())))
            }
            NetlinkPayload::InnerMessage(message) => Ok(Some(message)),
            _ => Err(Errno::EBADMSG),
        }
    }

    fn exchange(&self, request: &[u8]) -> std::io::Result<Vec<u8>> {
        self.0.send_to(request, &SocketAddr::new(0, 0), 0)?; // the kernel's own address
        let mut answer = Vec::with_capacity(ANSWER);
        self.0.recv(&mut answer, 0)?;
        Ok(answer)
    }
}

fn link(name: &str) -> LinkMessage {
    let mut link = LinkMessage::default();
    link.attributes.push(LinkAttribute::IfName(name.into()));
    link
}

fn up(mut link: LinkMessage) -> LinkMessage {
    link.header.flags = LinkFlags::Up;
    link.header.change_mask = LinkFlags::Up;
    link
}

/// To everywhere, until it has a destination.
fn route_via(gateway: Ipv4Addr) -> RouteMessage {
    let mut route = route();
    route.header.table = RouteHeader::RT_TABLE_MAIN;
    route.header.protocol = RouteProtocol::Static;
    route.header.kind = RouteType::Unicast;
    route.attributes.push(RouteAttribute::Gateway(gateway.into()));
    route
}

fn route() -> RouteMessage {
    let mut route = RouteMessage::default();
    route.header.address_family = AddressFamily::Inet;
    route
}
