//! What a complete container has besides the mechanisms of the chapters before: for `09-full`, which
//! starts one, and for the programs that find and join one that runs.
//!
//! # Layout
//!
//! Five rooms, each behind its `mod.rs`. Here is the order in which they are used.
//!
//! - [`life`]: process 1 and the payload below it, signals, the terminal
//! - [`owners`]: whose ids the container has, and to whom its files belong
//! - [`files`]: the root filesystem, layers and volumes
//! - [`confine`]: capabilities, system calls, masks; nothing of the launcher's is left
//! - [`reach`]: names, running containers, joining one, published ports
//!
//! Everything between [`mnt::pivot`] and execve(2) is hostile ground: the image, or another process
//! with the same image, decides what a path means there. What is needed of the host is opened
//! before, and closed before the first path inside is followed.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use mnt::Root;
use pid::{Container, Launcher};
use user::Ids;

pub mod confine;
pub mod files;
mod handover;
pub mod life;
mod mount_setattr;
pub mod owners;
pub mod reach;

use confine::{capabilities, inheritance, masks, program, seccomp};
use files::Files;
use life::{Terminal, Title};
use reach::{name, publish};

/// The options that this chapter adds.
#[derive(clap::Args, Debug)]
#[group(skip)]
#[rustfmt::skip]
pub struct Options {
    #[command(flatten)] name: name::Options,
    #[command(flatten)] publish: publish::Options,
    #[command(flatten)] files: files::Options,
    #[command(flatten)] process: inheritance::Options,
    #[command(flatten)] capabilities: capabilities::Options,
    #[command(flatten)] seccomp: seccomp::Options,
}

/// What the launcher keeps at hand outside while the container runs.
pub struct Outside {
    /// The ids that the container has.
    pub ids: Ids,
    /// The files that it sees.
    pub files: Files,
    ports: publish::Ports,
    terminal: Terminal,
    title: Title,
    name: name::Name,
}

/// Before there is a container: whose ids it gets, which files, and how it is reached.
pub fn prepare(options: &Options, user: &user::Options, rootfs: &Path) -> Result<Outside> {
    let ids = owners::choose(user)?;
    program::seal(&ids)?; // executes this program again, so nothing is done before it
    // Both are the machine's, which an ordinary user's launcher now leaves.
    let name = name::take(&options.name, rootfs)?;
    let ports = publish::listen(&options.publish)?;
    owners::stand_in(&ids)?;
    owners::hand_over(&ids);
    let files = files::open(&options.files, rootfs, &ids)?;
    let (terminal, title) = (Terminal::new()?, Title::find()?);
    Ok(Outside { ids, files, ports, terminal, title, name })
}

/// Inside, after the pivot: takes from the process all that the payload need not have, the means to
/// take last.
pub fn confine(options: &Options, launcher: &Launcher) -> Result<()> {
    inheritance::reset(&options.process)?;
    let sets = options.capabilities.sets(options.process.is_root());
    capabilities::limit(&sets)?;
    pid::die_with(launcher)?; // once more: the ids may have changed
    inheritance::close_files(launcher);
    seccomp::no_new_privs()?;
    if options.seccomp.filters() { seccomp::load(&sets.bounding) } else { Ok(()) }
}

impl Outside {
    /// Gives the container its ids, and its files the owners that they have by these ids.
    pub fn map(&self, container: &Container) -> Result<()> {
        user::map(container, &self.ids)?;
        self.files.shift_owners(container)
    }

    /// Inside, before the pivot: what is found by the descriptors of the mounts that are ours.
    pub fn furnish(&self, root: &Root) -> Result<()> {
        self.files.mount_volumes(root)?;
        self.terminal.attach(root)?;
        self.title.set("container-init")?;
        masks::cover(root, &self.ids)
    }

    /// Once its cable is plugged in, the container is found and reached by its address.
    pub fn publish(&self, link: &net::Link) -> Result<publish::Proxy> {
        let cable = publish::Cable { host: link.host.addr(), container: link.container.addr() };
        self.name.record(cable.container, &self.ports)?;
        self.ports.forward(cable)
    }

    /// Passes on what is typed, shown and signalled until the container ends. Returns the payload's
    /// exit code.
    pub fn wait(self, container: Container) -> Result<ExitCode> {
        self.terminal.wait(container)
    }
}
