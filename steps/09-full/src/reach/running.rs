//! Which containers run: the processes that hold a name, and what /proc shows of those below them.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use common::{Failure, Operation};
use nix::unistd::{Uid, User, geteuid};
use procfs::process::Process;
use procfs::{Current, Uptime};

use super::publish::Port;
use super::registry::{Entry, Holder, Registry};

/// A container that runs.
pub struct Container {
    /// Its name.
    pub name: String,
    /// Id of the user that started it.
    pub owner: u32,
    /// The process that started it and waits for its end.
    pub launcher: Process,
    /// Its process 1, by its number outside.
    pub init: Process,
    entry: Entry,
}

/// The containers that the caller may know of: an ordinary user their own, root those of others,
/// too. A container in a PID namespace that we cannot see into is not among them.
///
/// # Errors
/// /proc shows another PID namespace: its numbers would mean other processes than ours do.
pub fn all() -> Result<Vec<Container>> {
    ensure_own_proc()?;
    let containers = |registry: &Registry| -> Vec<Container> {
        registry.names().filter_map(|name| container(registry, name)).collect()
    };
    Ok(Registry::all().iter().flat_map(containers).collect())
}

/// The names of those that run in another PID namespace.
pub fn elsewhere() -> Vec<String> {
    let names = |registry: &Registry| -> Vec<String> {
        let elsewhere = |name: &String| registry.holder(name) == Some(Holder::Elsewhere);
        registry.names().filter(elsewhere).collect()
    };
    Registry::all().iter().flat_map(names).collect()
}

/// An entry is as true as its user made it: the kernel is asked for each process.
fn container(registry: &Registry, name: String) -> Option<Container> {
    let holder = registry.holder(&name)?;
    let Holder::Process(pid) = holder else { return None };
    let launcher = Process::new(pid).ok()?;
    let status = launcher.status().ok()?;
    // The open directory in /proc is that of the holder if the number still is the holder's.
    let same = registry.holder(&name) == Some(holder) && status.ruid == registry.owner;
    // The first process of a PID namespace has the number 1 there, after those that the launcher
    // has, too.
    let first = |child: &Process| {
        let numbers = child.status().ok().and_then(|status| status.nspid).unwrap_or_default();
        numbers.last() == Some(&1) && Some(numbers.len()) > status.nspid.as_ref().map(Vec::len)
    };
    let init = children(&launcher).ok()?.into_iter().find(first)?;
    let entry = registry.read(&name)?;
    same.then_some(Container { name, owner: registry.owner, launcher, init, entry })
}

/// Returns the caller's container of that name, or the one whose process 1 has that number, which
/// may be another user's.
pub fn find(which: &str) -> Result<Container> {
    let own = |it: &Container| it.owner == geteuid().as_raw() && it.name == which;
    let found = all()?.into_iter().find(|it| own(it) || it.init.pid.to_string() == which);
    found.map_or_else(|| not_found(which), Ok)
}

/// A name that another user chose must not decide where root goes.
fn not_found(which: &str) -> Result<Container> {
    let failure =
        Failure::new(format!("no container {which} is running")).of(Operation::FindContainer);
    match all()?.into_iter().find(|it| it.name == which) {
        Some(it) => bail!(failure.hint(format!(
            "user {} has one of that name, with process 1 {}: only this number reaches it",
            it.user(),
            it.init.pid
        ))),
        None if elsewhere().iter().any(|name| name == which) => {
            bail!(failure.hint("it runs in another PID namespace, and is reached from there"))
        }
        None => bail!(failure),
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

    /// The name of the user that started it, or the id of one without a name.
    pub fn user(&self) -> String {
        let user = User::from_uid(Uid::from_raw(self.owner)).ok().flatten();
        user.map_or(self.owner.to_string(), |user| user.name)
    }

    /// Its own address, once it has one.
    pub fn address(&self) -> Option<Ipv4Addr> {
        self.entry.address
    }

    /// The ports of the host that lead into it.
    pub fn ports(&self) -> &[Port] {
        &self.entry.ports
    }

    /// Its root filesystem, as its user typed it.
    pub fn rootfs(&self) -> &str {
        &self.entry.rootfs
    }
}

/// A process has one number in each PID namespace, from that of /proc to its own.
fn ensure_own_proc() -> Result<()> {
    let status =
        Process::myself().and_then(|own| own.status()).context("read /proc/self/status")?;
    ensure!(
        status.nspid.is_none_or(|it| it.len() == 1),
        "/proc shows the processes of another PID namespace than ours"
    );
    Ok(())
}

fn children(process: &Process) -> Result<Vec<Process>> {
    let what = || format!("read /proc/{}/task/{0}/children", process.pid);
    let pids =
        process.task_main_thread().and_then(|thread| thread.children()).with_context(what)?;
    Ok(pids.into_iter().filter_map(|pid| Process::new(pid as i32).ok()).collect())
}
