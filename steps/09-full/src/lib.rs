//! What a complete container has besides the mechanisms of the chapters before: for `09-full`,
//! which starts one, and for the programs that find and join one that runs. Here is the order; each
//! subject is a file of its own.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use pid::{Container, Launcher};

pub mod confine;
pub mod files;
pub mod life;
pub mod owners;
pub mod reach;

use confine::{capabilities, inheritance, masks, seccomp};
use files::volumes;
use life::Terminal;
use owners::{idmap, subordinate};
use reach::{name, publish};

/// The options that this chapter adds.
#[derive(clap::Args, Debug)]
#[group(skip)]
#[rustfmt::skip]
pub struct Options {
    #[command(flatten)] name: name::Options,
    #[command(flatten)] publish: publish::Options,
    /// What is mounted besides the root filesystem, while the host's files can still be named.
    #[command(flatten)] pub volumes: volumes::Options,
    #[command(flatten)] process: inheritance::Options,
    #[command(flatten)] capabilities: capabilities::Options,
    #[command(flatten)] seccomp: seccomp::Options,
}

/// What the launcher keeps at hand outside while the container runs.
pub struct Outside {
    /// The ports that lead into it.
    pub ports: publish::Ports,
    /// The container's own terminal, where the launcher has one.
    pub terminal: Terminal,
    _name: name::Name,
}

/// Before there is a container: whose ids it gets, and how it is reached. Fills in maps that were
/// not asked for, and replaces the way to the root filesystem by one that the container's root can
/// go.
pub fn prepare(
    options: &Options,
    user: &user::Options,
    ids: &mut user::Ids,
    rootfs: &mut PathBuf,
) -> Result<Outside> {
    let name = name::take(&options.name)?; // both are the machine's, which an ordinary user's launcher now leaves
    let ports = publish::listen(&options.publish)?;
    subordinate::choose(user, ids)?;
    idmap::shift(rootfs, ids)?;
    Ok(Outside { ports, terminal: Terminal::new()?, _name: name })
}

/// Inside, after the pivot: takes from the process all that the payload need not have, the means to
/// take last.
pub fn confine(options: &Options, launcher: &Launcher) -> Result<()> {
    masks::cover()?;
    volumes::restrict_all(&options.volumes)?;
    inheritance::settle(&options.process)?;
    capabilities::limit(&options.capabilities)?;
    pid::die_with(launcher)?; // once more: settle may have changed the ids
    inheritance::close_on_exec();
    seccomp::no_new_privs()?;
    seccomp::load(&options.seccomp)
}

impl Outside {
    /// Passes on what is typed, shown and signalled until the container ends. Returns the payload's
    /// exit code.
    pub fn wait(self, container: Container) -> Result<ExitCode> {
        self.terminal.wait(container)
    }
}
