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

use std::cell::OnceCell;
use std::convert::Infallible;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use mnt::Root;
use net::Link;
use pid::{Container, Launcher};
use user::Ids;

pub mod confine;
pub mod files;
mod handover;
pub mod life;
mod mount_setattr;
pub mod owners;
pub mod reach;

use confine::account::READING;
use confine::settings::Settings;
use confine::{capabilities, inheritance, masks, program, seccomp, settings};
use files::{Etc, Files};
use life::{Terminal, Title};
use reach::{detach, internet, name, network, publish};

/// The options that this chapter adds.
#[derive(clap::Args, Debug)]
#[group(skip)]
#[rustfmt::skip]
pub struct Options {
    #[command(flatten)] name: name::Options,
    #[command(flatten)] detach: detach::Options,
    #[command(flatten)] publish: publish::Options,
    #[command(flatten)] network: network::Options,
    #[command(flatten)] internet: internet::Options,
    #[command(flatten)] files: files::Options,
    #[command(flatten)] process: settings::Options,
    #[command(flatten)] capabilities: capabilities::Options,
    #[command(flatten)] seccomp: seccomp::Options,
}

/// What the launcher keeps at hand outside while the container runs.
pub struct Outside {
    ids: Ids,
    /// The files that it sees.
    pub files: Files,
    ports: publish::Ports,
    terminal: Terminal,
    title: Title,
    /// What the payload has; found by the container itself.
    settings: OnceCell<Settings>,
    network: network::Network,
    internet: internet::Internet,
    name: name::Name,
}

/// Before there is a container: whose ids it gets, which files, and how it is reached.
pub fn prepare(options: &Options, user: &user::Options, rootfs: &Path) -> Result<(Outside, Ids)> {
    let ids = owners::choose(user)?;
    program::seal(&ids)?; // executes this program again, so nothing is done before it
    detach::into_background(&options.detach)?; // what follows is the launcher's own
    // These are the machine's, whose network the launcher may now leave.
    let name = name::take(&options.name, rootfs)?;
    let ports = publish::listen(&options.publish)?;
    let internet = internet::prepare(&options.internet)?;
    let network = network::join(&options.network, user, &ids, &name)?;
    owners::hand_over(&ids);
    let suid = options.seccomp.allows_new_privileges();
    let files = files::open(&options.files, rootfs, &ids, suid)?;
    let (terminal, title, settings) = (Terminal::new()?, Title::find()?, OnceCell::new());
    let kept = ids.clone();
    let outside = Outside { ids, files, ports, terminal, title, settings, network, internet, name };
    Ok((outside, kept))
}

impl Outside {
    /// Once the ids are mapped: the container's files get the owners that they have by these ids.
    pub fn shift_owners(&self, container: &Container) -> Result<()> {
        self.files.shift_owners(container)
    }

    /// Inside, before the pivot: what is found by the descriptors of the mounts that are ours.
    pub fn furnish(&self, options: &Options, link: &Link, root: &Root) -> Result<()> {
        let (address, hosts) = (link.container.addr(), self.network.hosts());
        let etc = Etc { address, hosts, resolv_conf: self.internet.resolv_conf() };
        self.files.mount_inside(&options.files, &etc, root)?;
        self.network.furnished()?;
        let open = |path: &str| root.open(path, READING);
        let settings = options.process.settings(&self.files.config(), open)?;
        let _ = self.settings.set(settings);
        self.terminal.attach(root)?;
        self.title.set("container-init")?;
        masks::cover(root, &self.ids)
    }

    /// Inside, after the pivot: takes from the process all that the payload need not have, the means
    /// to take last.
    pub fn confine(&self, options: &Options, link: &Link, launcher: &Launcher) -> Result<()> {
        self.network.wait()?; // the last two things for which CAP_NET_ADMIN is needed
        self.internet.configure(link.host.addr(), self.network.subnets())?;
        let settings = self.settings.get().context("the container is not furnished")?;
        inheritance::reset(settings)?;
        let sets = options.capabilities.sets(settings.is_root());
        let load =
            || if options.seccomp.filters() { seccomp::load(&sets.bounding) } else { Ok(()) };
        if options.seccomp.allows_new_privileges() {
            load()?; // while CAP_SYS_ADMIN is there, because without it that asks for no_new_privs
        }
        capabilities::limit(&sets)?;
        pid::die_with(launcher)?; // once more: the ids may have changed
        inheritance::close_files(launcher);
        if options.seccomp.allows_new_privileges() {
            return Ok(());
        }
        seccomp::no_new_privs()?;
        load()
    }

    /// Inside, last of all: becomes process 1, with the payload below it.
    pub fn run(&self, command: &[OsString]) -> Result<Infallible> {
        life::run(&self.files.config().command(command))
    }

    /// Once its cable is plugged in, the container is found and reached by its address, and reaches
    /// its neighbours and the Internet.
    pub fn publish(&self, container: &Container, link: &Link) -> Result<publish::Proxy> {
        let cable = publish::Cable { host: link.host.addr(), container: link.container.addr() };
        self.name.record(cable.container, &self.ports)?;
        self.network.announce(&self.name)?;
        self.internet.connect(container)?;
        self.ports.forward(cable)
    }

    /// Passes on what is typed, shown and signalled until the container ends. Returns the payload's
    /// exit code.
    pub fn wait(self, container: Container) -> Result<ExitCode> {
        self.terminal.wait(container)
    }
}
