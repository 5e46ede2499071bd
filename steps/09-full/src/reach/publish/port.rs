//! A published port in words: `[ADDR:]HOST[:CONTAINER][/udp]`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where to listen outside, and the port inside.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Port {
    /// Address and port of the host.
    pub outside: SocketAddr,
    /// Port of the container.
    pub inside: u16,
    /// What goes through it.
    pub protocol: Protocol,
}

/// What ports belong to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Protocol {
    /// Connections.
    Tcp,
    /// Single datagrams.
    Udp,
}

impl FromStr for Port {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or("[ADDR:]HOST[:CONTAINER][/udp], as in 8080:80 or 0.0.0.0:5353:53/udp")
    }
}

fn parse(text: &str) -> Option<Port> {
    let (text, protocol) = match text.rsplit_once('/') {
        None => (text, Protocol::Tcp),
        Some((text, "tcp")) => (text, Protocol::Tcp),
        Some((text, "udp")) => (text, Protocol::Udp),
        Some(_) => return None,
    };
    // Without CONTAINER the port inside has the same number.
    let (outside, inside) = match outside(text) {
        Some(address) => (address, address.port()),
        None => {
            let (address, inside) = text.rsplit_once(':')?;
            (outside(address)?, inside.parse::<NonZeroU16>().ok()?.into())
        }
    };
    (outside.port() > 0).then_some(Port { outside, inside, protocol })
}

/// `HOST` or `ADDR:HOST`
fn outside(text: &str) -> Option<SocketAddr> {
    let loopback = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    text.parse().map(loopback).or_else(|_| text.parse()).ok()
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.outside, self.inside)?;
        f.write_str(if self.protocol == Protocol::Udp { "/udp" } else { "" })
    }
}

impl From<Port> for String {
    fn from(port: Port) -> String {
        port.to_string()
    }
}

impl TryFrom<String> for Port {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}
