//! What a complete container has besides the mechanisms of the chapters before: for `09-full`, which
//! starts one, and for the programs that find and join one that runs.
//!
//! # Layout
//!
//! Five rooms, each behind its `mod.rs`. The functions below show the order in which they are used.
//!
//! - [`life`]: process 1 and the payload below it, signals, the terminal
//! - [`owners`]: whose ids the container has, and to whom its files belong
//! - [`files`]: the root filesystem, layers and volumes
//! - [`confine`]: capabilities, system calls, masks; nothing of the launcher's is left
//! - [`reach`]: names, running containers, joining one, published ports, networks
//!
//! Beside them are two calls of the kernel: `handover` passes an open file to another process, and
//! `mount_setattr` changes mounts.
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
use files::Files;
use life::{Terminal, Title};
use reach::{Ways, publish};

/// The options that this chapter adds.
#[derive(clap::Args, Debug)]
#[group(skip)]
#[rustfmt::skip]
pub struct Options {
    #[command(flatten)] reach: reach::Options,
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
    terminal: Terminal,
    title: Title,
    /// What the payload has; found by the container itself.
    settings: OnceCell<Settings>,
    ways: Ways,
}

/// Before there is a container: whose ids it gets, which files, and how it is reached.
pub fn prepare(options: &Options, user: &user::Options, rootfs: &Path) -> Result<(Outside, Ids)> {
    let ids = owners::choose(user)?;
    program::seal(&ids)?; // executes this program again, so nothing is done before it
    let ways = reach::prepare(&options.reach, user, &ids, rootfs)?;
    owners::hand_over(&ids);
    let suid = options.seccomp.allows_new_privileges();
    let files = files::open(&options.files, rootfs, &ids, suid)?;
    let (terminal, title, settings) = (Terminal::new()?, Title::find()?, OnceCell::new());
    let outside = Outside { ids: ids.clone(), files, terminal, title, settings, ways };
    Ok((outside, ids))
}

impl Outside {
    /// Once the ids are mapped: the container's files get the owners that they have by these ids.
    pub fn shift_owners(&self, container: &Container) -> Result<()> {
        self.files.shift_owners(container)
    }

    /// Inside, before the pivot: what is found by the descriptors of the mounts that are ours.
    pub fn furnish(&self, options: &Options, link: &Link, root: &Root) -> Result<()> {
        self.files.mount_inside(&options.files, &self.ways.etc(link), root)?;
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
        self.ways.connect(link)?; // while CAP_NET_ADMIN is there
        let settings = self.settings.get().context("the container is not furnished")?;
        inheritance::reset(settings)?;
        let sets = options.capabilities.sets(settings.is_root());
        let load = || if options.seccomp.filters() { seccomp::load(sets.bounding) } else { Ok(()) };
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
        self.ways.publish(container, link)
    }

    /// Passes on what is typed, shown and signalled until the container ends. Returns the payload's
    /// exit code.
    pub fn wait(self, container: Container) -> Result<ExitCode> {
        self.terminal.wait(container)
    }
}
