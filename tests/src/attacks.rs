//! What somebody inside a container may try. Every attack is a few lines, and none harms the host
//! where it succeeds: it goes for decoys, opens without writing, and asks for what is not there.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

mod calls;
mod crossing;
mod expected;
mod files;
mod host;
mod ids;
mod leaks;
mod mounts;
mod network;
mod others;
pub(crate) mod peers;
mod resources;
mod run;
mod stage;

pub use expected::ExpectedOutcomes;
pub use files::handle;
pub use host::TERMINAL;
pub use leaks::{DESCRIPTOR, KEY, SECRET};
pub use peers::{PEERS, Peer};
pub use resources::{BUSY_MACHINE, LIMITS};
pub use run::{AttackResult, AttackResults, Outcome, attack_peer, attack_step};
pub use stage::{Stage, Staged};

/// One thing to try from inside.
#[derive(Clone, Copy)]
pub struct Attack {
    /// What it is called in the table and on the command line of `attacker`.
    pub name: &'static str,
    /// The vulnerability that it was, or is akin to; empty where there is none.
    pub cve: &'static str,
    /// What is tried.
    pub what: &'static str,
    /// What stops it, in one sentence.
    pub remedy: &'static str,
    /// How it is tried.
    pub how: How,
}

/// How an attack is tried.
#[derive(Clone, Copy)]
pub enum How {
    /// By a process inside.
    Inside(fn(&Decoys) -> Attempt),
    /// By an image, an option or another user: from outside.
    Staged(fn(&Stage<'_>) -> Staged),
}

const fn attack(
    name: &'static str,
    cve: &'static str,
    what: &'static str,
    remedy: &'static str,
    inside: fn(&Decoys) -> Attempt,
) -> Attack {
    Attack { name, cve, what, remedy, how: How::Inside(inside) }
}

const fn staged(
    name: &'static str,
    cve: &'static str,
    what: &'static str,
    remedy: &'static str,
    run: fn(&Stage<'_>) -> Staged,
) -> Attack {
    Attack { name, cve, what, remedy, how: How::Staged(run) }
}

/// How an attack ended: what was gained, or why nothing was.
pub type Attempt = Result<String, Stop>;

/// Why nothing was gained.
#[derive(Clone, Debug, PartialEq)]
pub enum Stop {
    /// The kernel refused, with this error.
    Refused(Errno),
    /// There was nothing to gain.
    Nothing(String),
    /// It cannot be tried on this machine.
    Untried(String),
}

impl Attack {
    /// Whether being stopped means something: without a container it succeeds, or nothing but a
    /// container could be attacked so.
    pub fn is_provable(&self, free: &AttackResults) -> bool {
        matches!(self.how, How::Staged(_)) || free[self.name].outcome == Outcome::Succeeded
    }
}

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Self {
        Stop::Refused(errno)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        error
            .raw_os_error()
            .map_or(Stop::Nothing(error.to_string()), |errno| Stop::Refused(Errno::from_raw(errno)))
    }
}

/// All of them, in the order of the chapters that stop them.
pub fn all() -> Vec<Attack> {
    let groups: [&[Attack]; 10] = [
        files::ATTACKS,
        host::ATTACKS,
        ids::ATTACKS,
        mounts::ATTACKS,
        network::ATTACKS,
        resources::ATTACKS,
        leaks::ATTACKS,
        crossing::ATTACKS,
        others::ATTACKS,
        calls::ATTACKS,
    ];
    groups.concat()
}

/// What was put on the host to be found: words `NAME=VALUE` on the command line.
#[derive(Debug, Default)]
pub struct Decoys(HashMap<String, String>);

impl Decoys {
    /// Takes `NAME=VALUE`; false for any other word.
    pub fn take(&mut self, word: &str) -> bool {
        let pair = word.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        pair.map(|(name, value)| self.0.insert(name, value)).is_some()
    }

    fn get(&self, name: &str) -> Result<&str, Stop> {
        self.0
            .get(name)
            .map(String::as_str)
            .ok_or_else(|| Stop::Untried(format!("there is no decoy {name}")))
    }

    fn number<T: std::str::FromStr>(&self, name: &str) -> Result<T, Stop> {
        self.get(name)?.parse().map_err(|_| Stop::Untried(format!("decoy {name} is not a number")))
    }

    /// Whether this process is in the namespace of this kind (`uts`, `net`, …) that is the host's.
    fn shares(&self, kind: &str) -> Result<bool, Stop> {
        proc().map_err(|_| Stop::Untried("there is no /proc to see by".into()))?;
        let own = std::fs::read_link(format!("/proc/self/ns/{kind}"))?;
        Ok(own == Path::new(self.get(kind)?))
    }
}

fn nothing<T>(why: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Nothing(why.into()))
}

fn gained(what: impl Into<String>) -> Attempt {
    Ok(what.into())
}

/// Where there is no /proc an attacker mounts one, in a mount namespace of their own so that nobody
/// sees it.
fn proc() -> Result<(), Stop> {
    own_mount("/proc/self", "proc", "/proc")
}

fn sys() -> Result<(), Stop> {
    own_mount("/sys/kernel", "sysfs", "/sys")
}

fn own_mount(there: &str, fstype: &str, target: &str) -> Result<(), Stop> {
    if Path::new(there).exists() {
        return Ok(());
    }
    unshare(CloneFlags::CLONE_NEWNS)?;
    Ok(mount(Some(fstype), target, Some(fstype), MsFlags::empty(), None::<&str>)?)
}

/// The result of a system call by number; `why` is what it means when the kernel does it.
fn call(why: &str, result: libc::c_long) -> Attempt {
    Errno::result(result).map(|_| why.to_owned()).map_err(Stop::from)
}

/// Asks for something that the kernel refuses with `errno` for another reason, once it has found us
/// entitled to it.
fn permitted(errno: Errno, result: libc::c_long) -> Attempt {
    match Errno::result(result) {
        Err(refused) if refused != errno => Err(refused.into()),
        _ => gained("the kernel would do it"),
    }
}
