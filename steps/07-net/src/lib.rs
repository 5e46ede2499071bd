//! Network namespace: the container has interfaces, addresses, routes and ports of its own, and one
//! cable to the host.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::thread::sleep;
use std::time::Duration;
use std::{fs, io, process};

use anyhow::{Context, Result};
use common::Failure;
use ipnet::Ipv4Net;
use mnt::Root;
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};
use pid::Container;
use rustix::mount::MountAttrFlags;
use user::Gate;

mod addresses;
mod netlink;

use netlink::Netlink;

/// The options that this chapter adds.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub struct Options {
    /// The container's address; the host's end of the cable takes another one of its subnet
    /// [default: a free subnet]
    #[arg(long, value_name = "ADDRESS/PREFIX", value_parser = addresses::interface)]
    ip: Option<Ipv4Net>,
}

/// The addresses of a container and of the host's end of its cable.
pub struct Link {
    /// The container's address and its subnet.
    pub container: Ipv4Net,
    /// The address of the host's end.
    pub host: Ipv4Net,
    /// The child goes on with its mounts while the cable is made, and waits for it here.
    plugged: Gate,
    _reserved: UnixDatagram,
}

/// The network on the other side of a container's cable: that of the namespace in which the
/// launcher is.
pub struct Host(Netlink);

/// Who may not change this machine's network (an ordinary user) goes on in a network namespace of
/// their own, which plays the host from then on. Their ids stay as they are.
pub fn enter_host_network() -> Result<Host> {
    // The kernel itself says who may: lo is up, so that setting it up changes nothing.
    let netlink = Netlink::connect()?;
    match netlink.set_up("lo") {
        Err(error) if error.downcast_ref() == Some(&Errno::EPERM) => stand_in(),
        result => result.map(|()| Host(netlink)),
    }
}

fn stand_in() -> Result<Host> {
    let (uid, gid) = (geteuid(), getegid()); // afterwards they would be nobody's
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)
        .context("unshare CLONE_NEWUSER | CLONE_NEWNET")?;
    write("setgroups", "deny")?;
    write("uid_map", &format!("{uid} {uid} 1"))?;
    write("gid_map", &format!("{gid} {gid} 1"))?;
    let netlink = Netlink::connect()?;
    netlink.set_up("lo").map(|()| Host(netlink))
}

fn write(file: &str, content: &str) -> Result<()> {
    fs::write(format!("/proc/self/{file}"), content)
        .with_context(|| format!("write /proc/self/{file}"))
}

impl Host {
    /// Finds addresses for a container that nobody here uses, and holds them while this process
    /// lives.
    ///
    /// # Errors
    /// The address asked for is in use.
    pub fn reserve(self, options: &Options) -> Result<Link> {
        let try_reserve = |address| Link::try_reserve(&self.0, address).transpose();
        let found = match options.ip {
            None => addresses::pool(process::id()).find_map(try_reserve),
            // The link of a container that has just ended is still there for 50 ms.
            Some(address) => (0..20).find_map(|attempt| {
                sleep(Duration::from_millis(50 * attempt.min(1)));
                try_reserve(address)
            }),
        };
        let what = options.ip.map_or("no subnet is free".into(), |address| {
            format!("{address} is already in use here")
        });
        found.unwrap_or_else(|| Err(Failure::new(what).into()))
    }
}

impl Link {
    fn try_reserve(netlink: &Netlink, container: Ipv4Net) -> Result<Option<Link>> {
        // A name of an abstract socket exists once in a network namespace, and no longer than its
        // owner (unix(7)).
        let name = SocketAddr::from_abstract_name(format!("container {}", container.trunc()))?;
        let reserved = match UnixDatagram::bind_addr(&name) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Ok(None),
            socket => socket.with_context(|| format!("reserve {container}"))?,
        };
        let host = container
            .hosts()
            .find(|&address| address != container.addr())
            .context("no address for the host")?;
        let in_use =
            addresses::in_use(netlink, container.addr())? || addresses::in_use(netlink, host)?;
        let host = Ipv4Net::new(host, container.prefix_len())?;
        Ok((!in_use).then_some(Link {
            container,
            host,
            plugged: Gate::new()?,
            _reserved: reserved,
        }))
    }

    /// The parent's part: a veth pair, one end here and one in the child's namespace. It goes when
    /// that namespace goes.
    pub fn plug(&self, container: &Container) -> Result<()> {
        match self.connect(container) {
            // The child has ended meanwhile and has told why; whoever waits for it learns its exit
            // code.
            Err(error) if matches!(error.downcast_ref(), Some(Errno::ESRCH | Errno::ENODEV)) => {
                Ok(())
            }
            result => result,
        }
    }

    fn connect(&self, container: &Container) -> Result<()> {
        let (netlink, name) = (Netlink::connect()?, format!("veth{}", process::id()));
        netlink.add_veth(&name, "eth0", container.pid)?;
        netlink.add_address(&name, self.host)?;
        self.plugged.open()
    }

    /// The child's part: a new namespace has but a loopback interface that is down
    /// (network_namespaces(7)).
    pub fn up(&self) -> Result<()> {
        let netlink = Netlink::connect()?;
        netlink.set_up("lo")?;
        self.plugged.wait()?;
        netlink.add_address("eth0", self.container)?;
        netlink.set_up("eth0")?;
        netlink.add_default_route(self.host.addr())
    }
}

/// Mounts a /sys that shows this network namespace, and what else is in it for reading only.
pub fn mount_sysfs(root: &Root) -> Result<()> {
    root.mount("sysfs", "sys", mnt::INERT | MountAttrFlags::MOUNT_ATTR_RDONLY, &[])
}
