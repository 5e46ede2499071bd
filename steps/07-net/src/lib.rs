//! Network namespace: the container has its own interfaces, addresses, routes and ports, and one
//! cable to the host.

use std::fs;
use std::os::fd::OwnedFd;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;
use common::{Operation, Tried};
use ipnet::Ipv4Net;
use mnt::Root;
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};
use pid::Container;
use rustix::mount::MountAttrFlags;
use user::Gate;

mod addresses;
pub mod netlink;
mod subnet;

use netlink::Netlink;
use subnet::Subnet;

/// The options that this chapter adds.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub struct Options {
    /// The container's address; the host's end of the cable gets another one of its subnet
    /// [default: a free subnet]
    #[arg(long, value_name = "ADDRESS/PREFIX", value_parser = addresses::interface)]
    ip: Option<Ipv4Net>,
}

/// The network on the other side of a container's cable: that of the namespace in which the
/// launcher is.
pub struct Host(Netlink);

/// A container's cable to the host.
pub struct Link {
    /// The container's address and its subnet.
    pub container: Ipv4Net,
    /// The address of the host's end.
    pub host: Ipv4Net,
    _held: OwnedFd,
    /// The host's network, where the child can look even after it has left it.
    outside: Netlink,
    /// The child goes on with its mounts while the cable is created, and waits for it here.
    plugged: Gate,
}

/// Ensures that the launcher is in a network that it may change. Without CAP_NET_ADMIN (an ordinary
/// user) it moves into a network namespace of its own, which then stands in for the host's. Its ids
/// stay the same.
///
/// # Errors
/// unshare(2), as [`pid::spawn`].
pub fn enter_host_network() -> Result<Host> {
    let netlink = Netlink::connect()?;
    if netlink.may_configure() { Ok(Host(netlink)) } else { stand_in() }
}

fn stand_in() -> Result<Host> {
    let (uid, gid) = (geteuid(), getegid()); // afterwards they would be nobody's
    let flags = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET;
    unshare(flags).tried(Operation::namespaces(flags), "unshare CLONE_NEWUSER | CLONE_NEWNET")?;
    write("setgroups", "deny")?;
    write("uid_map", &format!("{uid} {uid} 1"))?;
    write("gid_map", &format!("{gid} {gid} 1"))?;
    let netlink = Netlink::connect()?;
    netlink.set_up("lo").map(|()| Host(netlink))
}

fn write(file: &str, content: &str) -> Result<()> {
    fs::write(format!("/proc/self/{file}"), content)
        .tried(Operation::WriteIdMap, format_args!("write /proc/self/{file}"))
}

impl Host {
    /// Finds addresses for a container that nobody here uses, and holds them while this process
    /// lives.
    ///
    /// # Errors
    /// The requested address is in use.
    pub fn reserve(self, options: &Options) -> Result<Link> {
        let Subnet { container, host, held } = match options.ip {
            Some(address) => subnet::reserve(&self.0, address)?,
            None => subnet::reserve_free(&self.0)?,
        };
        Ok(Link { container, host, _held: held, outside: self.0, plugged: Gate::new()? })
    }
}

impl Link {
    /// The parent's part: creates a veth pair, one end here and one in the child's namespace. The
    /// pair goes when that namespace goes.
    pub fn plug(&self, container: &Container) -> Result<()> {
        match self.connect(container) {
            // The child has ended meanwhile and has reported why. Its exit code is still to come.
            Err(error) if matches!(common::errno(&error), Some(Errno::ESRCH | Errno::ENODEV)) => {
                Ok(())
            }
            result => result,
        }
    }

    fn connect(&self, container: &Container) -> Result<()> {
        let netlink = Netlink::connect()?; // the other one is the child's now
        netlink.add_veth(&self.name(), "eth0", container.pid)?;
        netlink.add_address(&self.name(), self.host)?;
        self.plugged.open()
    }

    /// The child's part: a new namespace has only a loopback interface, which is down
    /// (network_namespaces(7)).
    pub fn up(&self) -> Result<()> {
        let netlink = Netlink::connect()?;
        netlink.set_up("lo")?;
        self.plugged.wait()?;
        netlink.add_address("eth0", self.container)?;
        netlink.set_up("eth0")?;
        netlink.add_default_route(self.host.addr())?;
        self.await_running()
    }

    /// Waits until the host's end sends. The kernel notices that eth0 is up in a thread of its own
    /// (since Linux 6.8 the question is enough). Until then it drops what it should send, and TCP
    /// would try again only after a second.
    fn await_running(&self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(2);
        while !self.outside.is_running(&self.name())? && Instant::now() < deadline {
            sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// The name of the host's end, as unique as its address.
    fn name(&self) -> String {
        format!("veth{:08x}", u32::from(self.host.addr()))
    }
}

/// Mounts a /sys that shows this network namespace, and everything else in it read-only.
pub fn mount_sysfs(root: &Root) -> Result<()> {
    root.mount("sysfs", "sys", mnt::INERT | MountAttrFlags::MOUNT_ATTR_RDONLY, &[])
}
