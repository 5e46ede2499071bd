//! How an address is written on the command line.

use ipnet::Ipv4Net;

/// Parses an address that a container can have: a host's, in a subnet with room for the other end
/// of the cable.
pub fn interface(text: &str) -> Result<Ipv4Net, String> {
    let net: Ipv4Net = text
        .parse()
        .map_err(|_| "write an IPv4 address and its prefix length, as in 10.0.0.2/24")?;
    let address = net.addr();
    match net.prefix_len() {
        8..=30 if address == net.network() => {
            Err(format!("{address} is the network's own address"))
        }
        8..=30 if address == net.broadcast() => Err(format!("{address} is the broadcast address")),
        8..=30 if address.is_loopback() || address.is_multicast() || address.octets()[0] == 0 => {
            Err(format!("{address} is not an address of a host"))
        }
        8..=30 => Ok(net),
        length => Err(format!(
            "the prefix length is {length}; 8 to 30 leave room for the host's end of the cable"
        )),
    }
}

#[cfg(test)]
mod tests;
