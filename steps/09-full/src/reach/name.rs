//! The container's name: an entry of the user's registry, which counts while the launcher lives.

use std::cell::RefCell;
use std::fs::File;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process;

use anyhow::Result;
use common::Failure;

use super::network::hosts::{self, Neighbour};
use super::publish::Ports;
use super::registry::{Entry, Holder, Registry};

/// The options that belong to this.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub struct Options {
    /// Name by which `containers` shows it and `enter` finds it, unique among your containers
    /// [default: container-PID]
    #[arg(long, value_name = "NAME", value_parser = name)]
    name: Option<String>,
}

/// The name while it is held.
pub struct Name {
    pub(super) name: String,
    pub(super) registry: Registry,
    entry: RefCell<Entry>,
    /// Every version of the entry: closing one that a reader has open would end the lock for it.
    held: RefCell<Vec<File>>,
    launcher: u32,
}

/// Takes the container's name, and writes down what is known already.
///
/// # Errors
/// A container of the same user has that name.
pub fn take(options: &Options, rootfs: &Path) -> Result<Name> {
    let registry = Registry::own()?;
    let lock = registry.lock()?;
    let name = match &options.name {
        Some(name) => ensure_free(&registry, name)?,
        None => default_name(&registry),
    };
    registry.remove(&name); // of a launcher that was killed
    registry.forget(&name);
    let entry = Entry { rootfs: rootfs.display().to_string(), ..Entry::default() };
    let held = vec![registry.write(&name, &entry)?];
    drop(lock);
    let (entry, held) = (RefCell::new(entry), RefCell::new(held));
    Ok(Name { name, registry, entry, held, launcher: process::id() })
}

impl Name {
    /// Writes down how the container is reached, and removes what killed launchers left: the
    /// container is busy with itself meanwhile.
    pub fn record(&self, address: Ipv4Addr, ports: &Ports) -> Result<()> {
        let mut entry = self.entry.borrow_mut();
        (entry.address, entry.ports) = (Some(address), ports.list());
        let _lock = self.registry.lock()?;
        self.write(&entry)?;
        self.registry.remove_stale(&self.name);
        Ok(())
    }

    /// Writes down the container's network; the caller has the registry's lock.
    pub(super) fn note_network(&self, network: &str) -> Result<()> {
        let mut entry = self.entry.borrow_mut();
        entry.network = Some(network.to_owned());
        self.write(&entry)
    }

    fn write(&self, entry: &Entry) -> Result<()> {
        self.held.borrow_mut().push(self.registry.write(&self.name, entry)?);
        Ok(())
    }

    /// Writes down the names of its network's members for each of them.
    pub(super) fn announce(&self) -> Result<()> {
        let _lock = self.registry.lock()?;
        let own = (self.name.clone(), self.entry.borrow().address);
        self.update_neighbours(Some(own));
        Ok(())
    }

    fn update_neighbours(&self, own: Option<Neighbour>) {
        if let Some(network) = &self.entry.borrow().network {
            hosts::announce(&self.registry, network, own);
        }
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        if self.launcher != process::id() {
            return; // a child that panics must not take the name from its launcher
        }
        if let Ok(_lock) = self.registry.lock() {
            self.registry.remove(&self.name);
            self.update_neighbours(None);
        }
    }
}

fn ensure_free(registry: &Registry, name: &str) -> Result<String> {
    let by = match registry.holder(name) {
        None | Some(Holder::Nobody) => return Ok(name.to_owned()),
        Some(Holder::Process(pid)) => format!("started by process {pid}"),
        Some(Holder::Elsewhere) => "started in another PID namespace".into(),
    };
    let what = format!("--name {name}: a container of this name is running, {by}");
    Err(Failure::new(what).hint(format!("`containers` lists it, `enter {name}` joins it")).into())
}

/// A launcher in another PID namespace may have our number, and the same registry.
fn default_name(registry: &Registry) -> String {
    let name = |n| match n {
        1 => format!("container-{}", process::id()),
        _ => format!("container-{}-{n}", process::id()),
    };
    let free = |name: &String| matches!(registry.holder(name), None | Some(Holder::Nobody));
    (1..).map(name).find(free).expect("there are more numbers than processes")
}

/// A name like a host's. It begins with a letter, so that it is not a process number.
pub(super) fn name(text: &str) -> Result<String, String> {
    let default = text.strip_prefix("container-");
    if default.is_some_and(|rest| rest.starts_with(|char: char| char.is_ascii_digit())) {
        return Err("containers that were given no name are called so".into());
    }
    match is_valid(text) {
        true => Ok(text.to_owned()),
        false => Err("a letter, then letters, digits, `-`, `_` or `.`, 63 at most".into()),
    }
}

/// Whether a container can have this name.
pub(super) fn is_valid(text: &str) -> bool {
    let fits = |char: char| char.is_ascii_alphanumeric() || "-_.".contains(char);
    text.starts_with(|char: char| char.is_ascii_alphabetic())
        && text.len() <= 63
        && text.chars().all(fits)
}

#[cfg(test)]
mod tests;
