//! Which subnets are free, and how a launcher holds one.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd, OwnedFd};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use common::{Failure, Operation};
use ipnet::Ipv4Net;
use netlink_packet_route::route::RouteProtocol;
use nix::errno::Errno;
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, SockaddrIn, sockopt};

use crate::netlink::Netlink;

/// The addresses of the two ends of a cable, which are nobody else's while `held` is open.
pub struct Subnet {
    pub container: Ipv4Net,
    pub host: Ipv4Net,
    pub held: OwnedFd,
}

/// What lies in a subnet already, from the best case to the worst.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Use {
    /// At most a default route leads there.
    Unused,
    /// It is a part of a wider network that this machine has a route to, such as the one behind a
    /// VPN. The container would hide that part.
    PartOfAnother,
    /// This machine is connected to it, or has a route to these very addresses.
    Used,
}

/// Holds the subnet of an address that the user asked for.
///
/// # Errors
/// It is in use.
pub fn reserve(netlink: &Netlink, container: Ipv4Net) -> Result<Subnet> {
    for attempt in 0..20 {
        // The cable of a container that has just ended is still there for 50 ms.
        sleep(Duration::from_millis(50 * attempt.min(1)));
        if let Some(subnet) = try_reserve(netlink, container, Use::PartOfAnother)? {
            return Ok(subnet);
        }
    }
    let what = format!("{container} is already in use here");
    Err(Failure::new(what).of(Operation::TakeAddress).into())
}

/// Finds a subnet that is not in use, and holds it.
///
/// # Errors
/// All of both pools are in use.
pub fn reserve_free(netlink: &Netlink) -> Result<Subnet> {
    let start = RandomState::new().hash_one(()) as u32; // the standard library's random numbers
    // Where a VPN takes all private addresses, the first few show it.
    let unused = pool(start, 64).map(|container| (container, Use::Unused));
    let any = pool(start, SUBNETS).map(|container| (container, Use::PartOfAnother));
    for (container, most) in unused.chain(any) {
        if let Some(subnet) = try_reserve(netlink, container, most)? {
            return Ok(subnet);
        }
    }
    Err(Failure::new("no subnet is free").of(Operation::FindSubnet).into())
}

fn try_reserve(netlink: &Netlink, container: Ipv4Net, most: Use) -> Result<Option<Subnet>> {
    let other = container.hosts().find(|&address| address != container.addr());
    let host = Ipv4Net::new(other.context("no address for the host")?, container.prefix_len())?;
    let Some(held) = hold(container)? else { return Ok(None) };
    for end in [container, host] {
        if find_use(netlink, end)? > most {
            return Ok(None);
        }
    }
    Ok(Some(Subnet { container, host, held }))
}

/// Binds a port of the subnet's own address, which the kernel lets one socket do at a time, whoever
/// it belongs to. Below 1024 this takes CAP_NET_BIND_SERVICE, so that no ordinary user can hold
/// subnets to stop the containers of others.
fn hold(container: Ipv4Net) -> Result<Option<OwnedFd>> {
    let what = || format!("reserve {container}");
    let held = socket::socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)
        .with_context(what)?;
    socket::setsockopt(&held, sockopt::IpFreebind, &true).with_context(what)?; // nobody has it yet
    let port = SocketAddrV4::new(container.network(), UNASSIGNED_PORT);
    match socket::bind(held.as_raw_fd(), &SockaddrIn::from(port)) {
        Err(Errno::EADDRINUSE) => Ok(None),
        result => result.map(|()| Some(held)).with_context(what),
    }
}

/// No service has it (services(5)).
const UNASSIGNED_PORT: u16 = 4;

/// A route to more addresses than the largest private network has (10.0.0.0/8) is a default route,
/// or a part of one. A VPN that takes everything may have two: 0.0.0.0/1 and 128.0.0.0/1.
const WIDEST_NETWORK: u8 = 8;

fn find_use(netlink: &Netlink, end: Ipv4Net) -> Result<Use> {
    Ok(match netlink.route_to(end.addr())? {
        None => Use::Unused,
        // The kernel's own routes are those to the networks that its interfaces are in.
        Some(route) if route.protocol == RouteProtocol::Kernel => Use::Used,
        Some(route) if route.destination_prefix_length >= end.prefix_len() => Use::Used,
        Some(route) if route.destination_prefix_length < WIDEST_NETWORK => Use::Unused,
        Some(_) => Use::PartOfAnother,
    })
}

const POOLS: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 200, 0, 0), Ipv4Addr::new(172, 29, 0, 0)];

/// How many subnets of 4 addresses a pool has.
const SUBNETS: u32 = 1 << 14;

/// Returns the second address of `count` subnets of each pool. Because they start in different
/// places, launchers seldom meet.
fn pool(start: u32, count: u32) -> impl Iterator<Item = Ipv4Net> {
    POOLS.into_iter().flat_map(move |pool| {
        let second = move |n| u32::from(pool) + 4 * (start.wrapping_add(n) % SUBNETS) + 2;
        (0..count).map(move |n| Ipv4Net::new_assert(second(n).into(), 30))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_subnet_of_the_pool_comes_once_wherever_it_starts() {
        let mut subnets: Vec<_> =
            pool(u32::MAX - 7, SUBNETS).map(|address| address.trunc()).collect();
        subnets.sort();
        subnets.dedup();
        assert_eq!(subnets.len(), 2 * 16384);
        assert!(
            pool(1, 9).all(|address| crate::addresses::interface(&address.to_string()).is_ok())
        );
    }
}
