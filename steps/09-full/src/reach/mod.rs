//! Reach: how a running container is named, found, joined, and connected to.
//!
//! # Layout
//!
//! - `name`, `registry`: the containers of a user that run, by their names
//! - `running`: what /proc shows of them; `join`, `groups`, `rights`: the way into one
//! - `publish`: ports of the host that lead into the container
//! - `network`: neighbours; `internet`: the way out
//! - `detach`, `log`, `signals`: containers in the background

pub mod detach;
pub mod groups;
pub mod internet;
pub mod join;
pub mod log;
pub mod name;
pub mod network;
pub mod publish;
mod registry;
pub mod rights;
pub mod running;
pub mod signals;

use std::path::Path;

use anyhow::Result;
use net::Link;
use pid::Container;
use user::Ids;

use crate::files::Etc;

/// The options that belong to this.
#[derive(clap::Args, Debug)]
#[group(skip)]
#[rustfmt::skip]
pub struct Options {
    #[command(flatten)] name: name::Options,
    #[command(flatten)] detach: detach::Options,
    #[command(flatten)] publish: publish::Options,
    #[command(flatten)] network: network::Options,
    #[command(flatten)] internet: internet::Options,
}

/// The container's name, and the ways to it and out of it.
pub struct Ways {
    ports: publish::Ports,
    internet: internet::Internet,
    network: network::Network,
    name: name::Name,
}

/// Takes the name and the ports, and moves the launcher into its network: what is the machine's
/// comes first.
pub fn prepare(options: &Options, user: &user::Options, ids: &Ids, rootfs: &Path) -> Result<Ways> {
    detach::into_background(&options.detach)?; // what follows is the launcher's own
    let name = name::take(&options.name, rootfs)?;
    let ports = publish::listen(&options.publish)?;
    let internet = internet::prepare(&options.internet)?;
    let network = network::join(&options.network, user, ids, &name)?;
    Ok(Ways { ports, internet, network, name })
}

impl Ways {
    /// What the container's files in /etc say.
    pub fn etc(&self, link: &Link) -> Etc<'_> {
        let (address, hosts) = (link.container.addr(), self.network.hosts());
        Etc { address, hosts, resolv_conf: self.internet.resolv_conf() }
    }

    /// The container's part, once its cable is plugged in: waits until it can reach its neighbours
    /// and the Internet.
    pub fn connect(&self, link: &Link) -> Result<()> {
        self.network.wait()?;
        self.internet.configure(link.host.addr(), self.network.subnets())
    }

    /// The launcher's part: the container is found, reached by its address, and reaches others.
    pub fn publish(&self, container: &Container, link: &Link) -> Result<publish::Proxy> {
        let cable = publish::Cable { host: link.host.addr(), container: link.container.addr() };
        self.name.record(cable.container, &self.ports)?;
        self.network.announce(&self.name)?;
        self.internet.connect(container)?;
        self.ports.forward(cable)
    }
}
