//! Neighbours: containers of one network reach each other by address and by name.
//!
//! A network is a network namespace that stands in for the machine's. The first launcher makes it,
//! each further one enters it, and the kernel removes it with the last. Each container has its
//! cable into it as always, and the namespace forwards packets from one cable to the other. So
//! nothing is left on the machine, however a launcher ends, and it is the same for root and for an
//! ordinary user, whose user namespace is shared as well.
//!
//! The machine itself is in no network: it reaches a member by its published ports.

use std::fs;
use std::net::Ipv4Addr;

use anyhow::{Context, Result, bail, ensure};
use common::{Failure, Operation, Tried};
use ipnet::Ipv4Net;
use net::netlink::Netlink;
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::geteuid;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use user::{Gate, Ids};

use super::name::{self, Name};
use super::registry::{Holder, Registry};
use crate::owners;
use hosts::Hosts;

pub(crate) mod hosts;

const SUBNETS: [Ipv4Net; 2] = [
    Ipv4Net::new_assert(Ipv4Addr::new(10, 200, 0, 0), 16),
    Ipv4Net::new_assert(Ipv4Addr::new(172, 29, 0, 0), 16),
];

/// The option that belongs to this.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub struct Options {
    /// Network of your containers: those with the same NAME reach each other, by address and by the
    /// name of --name. The network lives as long as its members, and this machine reaches them by
    /// --publish only
    #[arg(long, value_name = "NAME", value_parser = name::name)]
    network: Option<String>,
}

/// The membership of one container; None without `--network`.
pub struct Network(Option<Member>);

struct Member {
    /// The container's own /etc/hosts, which its launcher writes.
    hosts: Hosts,
    /// Its neighbours know it, and it knows them.
    announced: Gate,
}

/// Moves the launcher into the network, which is made where no member runs. Without the option an
/// ordinary user's launcher moves into a namespace of its own.
///
/// # Errors
/// The members run in another PID namespace, or have other ids than `ids`.
pub fn join(options: &Options, user: &user::Options, ids: &Ids, name: &Name) -> Result<Network> {
    let Some(network) = &options.network else {
        owners::stand_in(user, ids)?;
        return Ok(Network(None));
    };
    let hosts = Hosts::create(&name.registry, &name.name)?;
    let _lock = name.registry.lock()?; // nobody else makes this network meanwhile
    match members(&name.registry, network, Some(&name.name)).next() {
        Some((member, holder)) => enter(&name.registry, &member, holder, ids)
            .with_context(|| format!("--network {network}: join container {member}"))?,
        None => create(user, ids).with_context(|| format!("--network {network}"))?,
    }
    name.note_network(network)?;
    Ok(Network(Some(Member { hosts, announced: Gate::new()? })))
}

/// The containers of a network that run, without the caller's `own`.
fn members(
    registry: &Registry,
    network: &str,
    own: Option<&str>,
) -> impl Iterator<Item = (String, Holder)> {
    registry.names().filter(move |name| own != Some(name)).filter_map(move |name| {
        let holder = registry.holder(&name).filter(|holder| *holder != Holder::Nobody)?;
        let entry = registry.read(&name)?;
        (entry.network.as_deref() == Some(network)).then_some((name, holder))
    })
}

fn create(user: &user::Options, ids: &Ids) -> Result<()> {
    if geteuid().is_root() {
        let flags = CloneFlags::CLONE_NEWNET;
        unshare(flags).tried(Operation::namespaces(flags), "unshare CLONE_NEWNET")?;
    } else {
        owners::stand_in(user, ids)?;
        net::enter_host_network()?; // where only one id is mapped, this is what moves
    }
    Netlink::connect()?.set_up("lo")?;
    let forward = "/proc/sys/net/ipv4/ip_forward"; // this namespace's
    fs::write(forward, "1").with_context(|| format!("write {forward}"))
}

fn enter(registry: &Registry, member: &str, holder: Holder, ids: &Ids) -> Result<()> {
    let Holder::Process(number) = holder else { bail!("it runs in another PID namespace") };
    let pid = Pid::from_raw(number).context("a process number")?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).context("pidfd_open")?;
    // If it still has the lock, the number has not passed on to another process before the pidfd.
    ensure!(registry.holder(member) == Some(holder), "it has just ended: try again");
    let mut flags = CloneFlags::CLONE_NEWNET;
    if !geteuid().is_root() {
        flags |= CloneFlags::CLONE_NEWUSER;
    }
    setns(&pidfd, flags).tried(Operation::JoinContainer, "setns")?;
    if owners::are_mapped_here(ids) {
        return Ok(());
    }
    let failure = Failure::new("its ids are not those that this container asks for");
    Err(failure.hint("give all members of a network the same ids").into())
}

impl Network {
    /// The /etc/hosts that the container gets, instead of a private one.
    pub fn hosts(&self) -> Option<&Hosts> {
        self.0.as_ref().map(|member| &member.hosts)
    }

    /// The launcher's part, once the container's address is in the registry: every member learns
    /// the names of the others.
    pub fn announce(&self, name: &Name) -> Result<()> {
        let Some(member) = &self.0 else { return Ok(()) };
        if member.hosts.wait().is_err() {
            return Ok(()); // the container has ended and has reported why
        }
        name.announce()?;
        member.announced.open()
    }

    /// The subnets that members get where `--ip` does not say another one.
    pub fn subnets(&self) -> &'static [Ipv4Net] {
        if self.0.is_some() { &SUBNETS } else { &[] }
    }

    /// The container's part: waits until its neighbours' names are known.
    pub fn wait(&self) -> Result<()> {
        self.0.as_ref().map_or(Ok(()), |member| member.announced.wait())
    }
}
