//! Which addresses a container can have, and which of them are free.

use std::net::Ipv4Addr;

use anyhow::Result;
use ipnet::Ipv4Net;

use crate::netlink::Netlink;

const POOLS: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 200, 0, 0), Ipv4Addr::new(172, 29, 0, 0)];

/// The second address of each /30 of two private ranges. Starting in different places, launchers
/// seldom meet.
pub fn pool(start: u32) -> impl Iterator<Item = Ipv4Net> {
    let subnets = 1 << 14;
    POOLS.into_iter().flat_map(move |pool| {
        let second = move |n| u32::from(pool) + 4 * ((start + n) % subnets) + 2;
        (0..subnets).map(move |n| Ipv4Net::new_assert(second(n).into(), 30))
    })
}

/// Whether this machine has a way to `address` other than the default route, be it a container or
/// the learner's VPN.
pub fn in_use(netlink: &Netlink, address: Ipv4Addr) -> Result<bool> {
    let route = netlink.route_to(address)?;
    Ok(route.is_some_and(|route| route.destination_prefix_length > 0))
}

/// An address that a container can have: a host's, in a subnet with room for the other end of the
/// cable.
pub fn interface(text: &str) -> Result<Ipv4Net, String> {
    let net: Ipv4Net =
        text.parse().map_err(|_| "an IPv4 address and its prefix length, as in 10.0.0.2/24")?;
    let address = net.addr();
    match net.prefix_len() {
        8..=30 if address == net.network() => {
            Err(format!("{address} is the network's own address"))
        }
        8..=30 if address == net.broadcast() => Err(format!("{address} is the broadcast address")),
        8..=30 if address.is_loopback() || address.is_multicast() || address.octets()[0] == 0 => {
            Err(format!("{address} is no address of a host"))
        }
        8..=30 => Ok(net),
        length => Err(format!(
            "a prefix length of {length}; 8 to 30 leave room for the host's end of the cable"
        )),
    }
}

#[cfg(test)]
mod tests;
