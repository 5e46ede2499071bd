//! Which containers run: who holds a name, and what /proc shows of the processes below.

use std::fs;
use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use common::Failure;
use nix::unistd::getuid;
use procfs::process::Process;
use procfs::{Current, Uptime};

use super::name::{self, Entry};

/// A container that runs.
pub struct Container {
    /// Its name.
    pub name: String,
    /// User id of who started it.
    pub owner: u32,
    /// The process that started it and waits for its end.
    pub launcher: Process,
    /// Its process 1, by its number outside.
    pub init: Process,
}

/// All containers whose names are held in this network namespace.
pub fn all() -> Result<impl Iterator<Item = Container>> {
    Ok(name::entries()?.into_iter().filter_map(container))
}

/// Somebody may hold a name for a launcher that is not theirs, or for none: neither is one.
fn container(entry: Entry) -> Option<Container> {
    let launcher = Process::new(entry.launcher).ok()?;
    let status = launcher.status().ok()?;
    // The first process of a PID namespace has the number 1 there, besides those that the launcher
    // has, too.
    let first = |child: &Process| {
        let numbers = child.status().ok().and_then(|status| status.nspid).unwrap_or_default();
        numbers.last() == Some(&1) && Some(numbers.len()) > status.nspid.as_ref().map(Vec::len)
    };
    let init = children(&launcher).ok()?.into_iter().find(first)?;
    (status.ruid == entry.owner).then_some(Container {
        name: entry.name,
        owner: entry.owner,
        launcher,
        init,
    })
}

/// The container of that name, one's own before those of others; or the one whose process 1 has
/// that number.
pub fn find(which: &str) -> Result<Container> {
    let mut found: Vec<_> =
        all()?.filter(|it| it.name == which || it.init.pid.to_string() == which).collect();
    if found.iter().any(|container| container.owner == getuid().as_raw()) {
        found.retain(|container| container.owner == getuid().as_raw());
    }
    match (found.pop(), found.len()) {
        (Some(container), 0) => Ok(container),
        (None, _) => Err(Failure::new(format!("no container {which} is running")).into()),
        _ => bail!(
            "several users have a container {which}: name it by the number that `containers` shows"
        ),
    }
}

impl Container {
    /// The process that runs the command: the first child of process 1.
    ///
    /// # Errors
    /// The container has not come so far yet, or is just ending.
    pub fn payload(&self) -> Result<Process> {
        let first = children(&self.init)?.into_iter().next();
        first.with_context(|| format!("container {} runs no command at this moment", self.name))
    }

    /// For how long it has been running.
    pub fn age(&self) -> Result<Duration> {
        let since = self.init.stat().context("read its /proc/PID/stat")?.starttime
            / procfs::ticks_per_second();
        let now = Uptime::current().context("read /proc/uptime")?.uptime_duration();
        Ok(now.saturating_sub(Duration::from_secs(since)))
    }

    /// Its own address, once it has one.
    pub fn address(&self) -> Option<Ipv4Addr> {
        address(self.init.pid)
    }
}

/// The address of the network namespace in which process `pid` is, by its routing table: loopback's
/// aside, the only one that is local there.
pub fn address(pid: i32) -> Option<Ipv4Addr> {
    let table = fs::read_to_string(format!("/proc/{pid}/net/fib_trie")).ok()?;
    let mut leaf = None;
    table.lines().map(str::trim).find_map(|line| match line.strip_prefix("|-- ") {
        Some(address) => {
            leaf = address.parse().ok();
            None
        }
        None => {
            leaf.filter(|address: &Ipv4Addr| line == "/32 host LOCAL" && !address.is_loopback())
        }
    })
}

fn children(process: &Process) -> Result<Vec<Process>> {
    let what = || format!("read /proc/{}/task/{0}/children", process.pid);
    let pids =
        process.task_main_thread().and_then(|thread| thread.children()).with_context(what)?;
    Ok(pids.into_iter().filter_map(|pid| Process::new(pid as i32).ok()).collect())
}
