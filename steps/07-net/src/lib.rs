//! Network namespace: the container has interfaces, addresses, routes and ports of its own, and one cable to the host.

use std::net::Ipv4Addr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::thread::sleep;
use std::time::Duration;
use std::{fs, io, process};

use anyhow::{Context, Result};
use common::Failure;
use ipnet::Ipv4Net;
use mount::Root;
use nix::errno::Errno;
use nix::mount::MsFlags;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};
use pid::Container;

mod netlink;

/// The options that this chapter adds.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub struct Options {
    /// The container's address; the host's end of the cable takes another one of its subnet [default: a free subnet]
    #[arg(long, value_name = "ADDRESS/PREFIX", value_parser = interface)]
    ip: Option<Ipv4Net>,
}

/// The addresses of a container and of the host's end of its cable.
pub struct Link {
    container: Ipv4Net,
    host: Ipv4Net,
    _reserved: UnixDatagram,
}

/// Who may not change this machine's network (an ordinary user) goes on in a network namespace of their own, which
/// plays the host from then on. Their ids stay as they are.
pub fn stand_in() -> Result<()> {
    // The kernel itself says who may: lo is up, so that setting it up changes nothing.
    match netlink::set_up("lo") {
        Err(error) if error.downcast_ref() == Some(&Errno::EPERM) => {}
        result => return result,
    }
    let (uid, gid) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET).context("unshare")?;
    for (file, content) in
        [("setgroups", "deny".into()), ("uid_map", format!("{uid} {uid} 1")), ("gid_map", format!("{gid} {gid} 1"))]
    {
        fs::write(format!("/proc/self/{file}"), content).with_context(|| format!("write /proc/self/{file}"))?;
    }
    netlink::set_up("lo")
}

const POOLS: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 200, 0, 0), Ipv4Addr::new(172, 29, 0, 0)];

impl Link {
    /// Finds addresses for a container that nobody here uses, and holds them while this process lives.
    ///
    /// # Errors
    /// The address asked for is in use.
    pub fn reserve(options: &Options) -> Result<Link> {
        let Some(address) = options.ip else {
            let found = pool(process::id()).find_map(|address| Link::try_reserve(address).transpose());
            let full = || Failure::new("no free subnet").hint("choose one with --ip; `ip route` shows what is in use");
            return found.unwrap_or_else(|| Err(full().into()));
        };
        for _ in 0..20 {
            if let Some(link) = Link::try_reserve(address)? {
                return Ok(link);
            }
            sleep(Duration::from_millis(50)); // the link of a container that has just ended is still there for 50 ms
        }
        let what = format!("--ip {address}: {} is already in use here", address.trunc());
        Err(Failure::new(what).hint("`ip route` shows what is; without --ip a free subnet is chosen").into())
    }

    fn try_reserve(container: Ipv4Net) -> Result<Option<Link>> {
        // A name of an abstract socket exists once in a network namespace, and no longer than its owner (unix(7)).
        let name = SocketAddr::from_abstract_name(format!("container {}", container.trunc()))?;
        let reserved = match UnixDatagram::bind_addr(&name) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Ok(None),
            socket => socket.with_context(|| format!("reserve {container}"))?,
        };
        let host = container.hosts().find(|&address| address != container.addr()).context("no address for the host")?;
        let in_use = in_use(container.addr())? || in_use(host)?;
        let host = Ipv4Net::new(host, container.prefix_len())?;
        Ok((!in_use).then_some(Link { container, host, _reserved: reserved }))
    }

    /// The parent's part: a veth pair, one end here and one in the child's namespace. It goes when that namespace goes.
    pub fn plug(&self, container: &Container) -> Result<()> {
        let name = format!("veth{}", process::id());
        netlink::add_veth(&name, "eth0", container.pid)?;
        netlink::add_address(&name, self.host)?;
        netlink::set_up(&name)
    }

    /// The child's part: a new namespace has but a loopback interface that is down (network_namespaces(7)).
    pub fn up(&self) -> Result<()> {
        netlink::set_up("lo")?;
        netlink::add_address("eth0", self.container)?;
        netlink::set_up("eth0")?;
        netlink::add_default_route(self.host.addr())
    }
}

/// Mounts a /sys that shows this network namespace, and what else is in it for reading only.
pub fn sysfs(root: &Root) -> Result<()> {
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    root.mount("sysfs", "sys", "sysfs", flags, "")
}

/// The second address of each /30 of two private ranges. Starting in different places, launchers seldom meet.
fn pool(start: u32) -> impl Iterator<Item = Ipv4Net> {
    let subnets = 1 << 14;
    POOLS.into_iter().flat_map(move |pool| {
        let second = move |n| u32::from(pool) + 4 * ((start + n) % subnets) + 2;
        (0..subnets).map(move |n| Ipv4Net::new_assert(second(n).into(), 30))
    })
}

/// Whether this machine has a way to `address` other than the default route, be it a container or the learner's VPN.
fn in_use(address: Ipv4Addr) -> Result<bool> {
    let route = netlink::route_to(address)?;
    Ok(route.is_some_and(|route| route.destination_prefix_length > 0))
}

/// An address that a container can have: a host's, in a subnet with room for the other end of the cable.
fn interface(text: &str) -> Result<Ipv4Net, String> {
    let net: Ipv4Net = text.parse().map_err(|_| "an IPv4 address and its prefix length, as in 10.0.0.2/24")?;
    let address = net.addr();
    match net.prefix_len() {
        8..=30 if address == net.network() => Err(format!("{address} is the network's own address")),
        8..=30 if address == net.broadcast() => Err(format!("{address} is the broadcast address")),
        8..=30 if address.is_loopback() || address.is_multicast() || address.octets()[0] == 0 => {
            Err(format!("{address} is no address of a host"))
        }
        8..=30 => Ok(net),
        length => Err(format!("a prefix length of {length}; 8 to 30 leave room for the host's end of the cable")),
    }
}

#[cfg(test)]
mod tests;
