//! Requests to the kernel's network configuration, one function each (rtnetlink(7)).

use std::io;
use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use common::{Operation, Tried};
use ipnet::Ipv4Net;
use libc::{
    RTM_GETLINK, RTM_GETROUTE, RTM_NEWADDR, RTM_NEWLINK, RTM_NEWPREFIX, RTM_NEWROUTE, RTM_SETLINK,
};
use netlink_packet_core::{
    Emitable, ErrorBuffer, NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST,
    NetlinkBuffer, NetlinkHeader,
};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkExtentMask, LinkFlags, LinkHeader, LinkInfo,
    LinkMessage,
};
use netlink_packet_route::prefix::PrefixMessage;
use netlink_packet_route::route::{
    RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteProtocol, RouteType,
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::errno::Errno;
use nix::unistd::Pid;
use rustix::net::netdevice::name_to_index;

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
        let request = self.request(RTM_NEWPREFIX, NLM_F_ACK, &PrefixMessage::default());
        request != Err(Errno::EPERM)
    }

    /// `ip link add NAME up type veth peer name PEER netns PID`: the peer is created in its
    /// namespace and need not be moved.
    pub fn add_veth(&self, name: &str, peer: &str, pid: Pid) -> Result<()> {
        let mut end = with_one_queue(link(peer));
        end.attributes.push(LinkAttribute::NetNsPid(pid.as_raw() as u32));
        let mut link = up(with_one_queue(link(name)));
        let kind =
            [LinkInfo::Kind(InfoKind::Veth), LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(end)))];
        link.attributes.push(LinkAttribute::LinkInfo(kind.into()));
        self.add(RTM_NEWLINK, &link).tried(Operation::AddVeth, format_args!("add veth {name}"))
    }

    /// `ip link set NAME up`
    pub fn set_up(&self, name: &str) -> Result<()> {
        self.request(RTM_SETLINK, NLM_F_ACK, &up(link(name)))
            .tried(Operation::ConfigureNetwork, format_args!("set {name} up"))
            .map(drop)
    }

    /// Returns whether `ip link show NAME` has the flag RUNNING (netdevice(7)): not only is it up,
    /// the kernel also knows that the other end is.
    pub fn is_running(&self, name: &str) -> Result<bool> {
        let mut query = link(name);
        query.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
        let look = || -> Result<LinkHeader> {
            Ok(LinkHeader::parse(&self.request(RTM_GETLINK, 0, &query)?)?)
        };
        let link = look().with_context(|| format!("look at {name}"))?;
        Ok(link.flags.contains(LinkFlags::Running))
    }

    /// `ip addr add ADDRESS dev NAME`
    pub fn add_address(&self, name: &str, address: Ipv4Net) -> Result<()> {
        let mut message = AddressMessage::default();
        message.header.family = AddressFamily::Inet;
        message.header.prefix_len = address.prefix_len();
        message.header.index =
            name_to_index(&self.0, name).with_context(|| format!("network interface {name}"))?;
        message.attributes.push(AddressAttribute::Local(address.addr().into()));
        message.attributes.push(AddressAttribute::Broadcast(address.broadcast()));
        self.add(RTM_NEWADDR, &message)
            .tried(Operation::ConfigureNetwork, format_args!("add address {address} to {name}"))
    }

    /// `ip route add default via GATEWAY`
    pub fn add_default_route(&self, gateway: Ipv4Addr) -> Result<()> {
        self.add(RTM_NEWROUTE, &route_via(gateway))
            .tried(Operation::ConfigureNetwork, format_args!("add default route via {gateway}"))
    }

    /// `ip route replace DESTINATION via GATEWAY`: also where there is such a route already.
    pub fn replace_route(&self, destination: Ipv4Net, gateway: Ipv4Addr) -> Result<()> {
        let mut route = route_via(gateway);
        route.header.destination_prefix_length = destination.prefix_len();
        route.attributes.push(RouteAttribute::Destination(destination.network().into()));
        self.request(RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, &route)
            .map(drop)
            .tried(
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
        let Ok(answer) = self.request(RTM_GETROUTE, 0, &query) else { return Ok(None) };
        RouteHeader::parse(&answer).map(Some).with_context(|| format!("route to {address}"))
    }

    /// Requests something new, which the kernel refuses with EEXIST where it exists already.
    fn add(&self, kind: u16, message: &impl Emitable) -> Result<(), Errno> {
        self.request(kind, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, message).map(drop)
    }

    /// Sends one request, a header and a message, and returns the message of the kernel's one
    /// answer: an object, or nothing where the answer is the acknowledgement of success.
    fn request(&self, kind: u16, flags: u16, message: &impl Emitable) -> Result<Vec<u8>, Errno> {
        let mut header = NetlinkHeader::default();
        header.message_type = kind;
        header.flags = NLM_F_REQUEST | flags;
        header.length = (header.buffer_len() + message.buffer_len()) as u32;
        let mut bytes = vec![0; header.length as usize];
        header.emit(&mut bytes);
        message.emit(&mut bytes[header.buffer_len()..]);
        let answer = self
            .exchange(&bytes)
            .map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))?;
        let answer = NetlinkBuffer::new_checked(&answer).map_err(|_| Errno::EBADMSG)?;
        if answer.message_type() != libc::NLMSG_ERROR as u16 {
            return Ok(answer.payload().to_vec());
        }
        let error = ErrorBuffer::new_checked(answer.payload()).map_err(|_| Errno::EBADMSG)?;
        error.code().map_or(Ok(Vec::new()), |code| Err(Errno::from_raw(-code.get())))
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

/// Unasked, the kernel makes a queue for each CPU and then shuts all but one. It waits twice until
/// no CPU uses the others (RCU), which takes longer than all else of a veth pair.
fn with_one_queue(mut link: LinkMessage) -> LinkMessage {
    link.attributes.extend([LinkAttribute::NumTxQueues(1), LinkAttribute::NumRxQueues(1)]);
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
