//! The way out to the network: a program outside reads what the container sends from a tap interface
//! inside, and passes it on by sockets of its own (slirp4netns(1), pasta(1)).
//!
//! Root could let the kernel forward instead, with `ip_forward` and a rule that masquerades. Both
//! are changes of the whole machine: they meet the rules of its firewall and of Docker, and stay
//! when the launcher is killed. A program changes nothing but the container's own network, ends with
//! it, and is the same for every user. Its price is speed.
//!
//! The program must have the machine's network. An ordinary user's launcher leaves that, so a
//! process that stays behind starts it (`guard`).

use std::fs;
use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::os::unix::net::UnixStream;

use anyhow::{Context, Result};
use common::Failure;
use ipnet::Ipv4Net;
use net::netlink::Netlink;
use pid::Container;
use procfs::process::Process;
use user::Gate;

use program::TAP;

mod guard;
mod program;

/// The container's address on the tap interface, the gateway, and the resolver that the program
/// plays. It hands questions to the machine's own, also where that listens on 127.0.0.53 only.
const ADDRESS: &str = "10.0.2.100/24";
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
const RESOLVER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 3);

/// The options that belong to this.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub struct Options {
    /// Let the container reach the networks that this machine reaches, by IPv4, but not the
    /// services that this machine offers to itself only; needs slirp4netns or pasta
    #[arg(long)]
    internet: bool,

    /// IPv4 address of a name server that the container asks; repeatable [default: the one that
    /// this machine asks]
    #[arg(long, value_name = "ADDRESS", requires = "internet", value_parser = dns)]
    dns: Vec<Ipv4Addr>,
}

/// The way out; None without `--internet`.
pub struct Internet(Option<WayOut>);

struct WayOut {
    guard: UnixStream,
    /// There is a tap interface.
    connected: Gate,
    resolv_conf: String,
}

/// Leaves a process behind in this network that will start the program.
pub fn prepare(options: &Options) -> Result<Internet> {
    if !options.internet {
        return Ok(Internet(None));
    }
    let (guard, connected) = (guard::leave_behind()?, Gate::new()?);
    Ok(Internet(Some(WayOut { guard, connected, resolv_conf: resolv_conf(&options.dns) })))
}

impl Internet {
    /// The launcher's part: has the program started, and waits until there is a tap interface.
    ///
    /// # Errors
    /// No such program is installed, or none works.
    pub fn connect(&self, container: &Container) -> Result<()> {
        let Some(way) = &self.0 else { return Ok(()) };
        let mut guard = &way.guard;
        guard.write_all(&container.pid.as_raw().to_ne_bytes()).context("ask for the way out")?;
        let (mut ready, mut error) = ([0], String::new());
        if guard.read(&mut ready).context("wait for the way out")? == 1 && ready == guard::READY {
            return way.connected.open();
        }
        if has_ended(container) {
            return Ok(()); // and has reported why
        }
        let _ = guard.read_to_string(&mut error);
        let failure = Failure::new(format!("--internet: no way out of the container: {error}"));
        Err(program::hint().into_iter().fold(failure, Failure::hint).into())
    }

    /// The container's part: configures the interface. Routes to `neighbours` go on through
    /// `cable`, the host's end of the veth pair.
    pub fn configure(&self, cable: Ipv4Addr, neighbours: &[Ipv4Net]) -> Result<()> {
        let Some(way) = &self.0 else { return Ok(()) };
        way.connected.wait()?;
        let netlink = Netlink::connect()?;
        netlink.add_address(TAP, ADDRESS.parse()?)?;
        netlink.set_up(TAP)?;
        neighbours.iter().try_for_each(|&network| netlink.replace_route(network, cable))?;
        netlink.replace_route(Ipv4Net::default(), GATEWAY)
    }

    /// What /etc/resolv.conf says inside.
    pub fn resolv_conf(&self) -> Option<&str> {
        self.0.as_ref().map(|way| way.resolv_conf.as_str())
    }
}

/// The search list and the options are the machine's.
fn resolv_conf(dns: &[Ipv4Addr]) -> String {
    let ours = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let kept = |line: &&str| line.starts_with("search ") || line.starts_with("options ");
    let servers = if dns.is_empty() { &[RESOLVER] } else { dns };
    let servers = servers.iter().map(|address| format!("nameserver {address}\n"));
    servers.chain(ours.lines().filter(kept).map(|line| format!("{line}\n"))).collect()
}

/// A zombie keeps its number until the launcher waits for it.
fn has_ended(container: &Container) -> bool {
    let process = Process::new(container.pid.as_raw()).and_then(|process| process.stat());
    process.is_ok_and(|stat| stat.state == 'Z')
}

fn dns(text: &str) -> Result<Ipv4Addr, String> {
    let address: Ipv4Addr =
        text.parse().map_err(|_| "write an IPv4 address (inside there is no IPv6)")?;
    match address.is_loopback() || address.is_unspecified() || address.is_multicast() {
        true => Err("inside, this is not the address of another machine".into()),
        false => Ok(address),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_name_server_has_an_address_that_can_be_reached_from_inside() {
        assert!(super::dns("10.9.8.7").is_ok());
        for bad in ["", "::1", "127.0.0.53", "0.0.0.0", "224.0.0.1", "example.com", "1.1.1.1:53"] {
            assert!(super::dns(bad).is_err(), "{bad}");
        }
    }
}
