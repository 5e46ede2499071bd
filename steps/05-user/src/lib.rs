//! User namespace: ids inside stand for other ids outside, and capabilities count inside only.

use std::cell::Cell;
use std::fs;
use std::os::fd::OwnedFd;

use anyhow::{Context, Result};
use common::Failure;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::{
    Gid, Uid, getegid, geteuid, pipe2, read, setgroups, setresgid, setresuid, write,
};
use pid::Container;

mod map;

pub use map::IdMap;

/// The options that this chapter adds.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub struct Options {
    /// User ids IN, IN+1 … inside are OUT, OUT+1 … outside, COUNT of them; repeatable [default: 0
    /// inside is you; in step 09 a range]
    #[arg(long, value_name = "IN:OUT:COUNT")]
    pub uid_map: Vec<IdMap>,

    /// The same for group ids [default: 0 inside is your group; in step 09 a range]
    #[arg(long, value_name = "IN:OUT:COUNT")]
    pub gid_map: Vec<IdMap>,

    /// Map nothing: every id inside is that of nobody and nogroup
    #[arg(long, conflicts_with_all = ["uid_map", "gid_map"])]
    pub no_map: bool,
}

/// Holds the child back until its parent has written the maps. Both go through the same pipe.
pub struct Gate {
    read: OwnedFd,
    write: Cell<Option<OwnedFd>>,
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Result<Self> {
        let (read, write) = pipe2(OFlag::O_CLOEXEC).context("pipe2")?;
        Ok(Gate { read, write: Cell::new(Some(write)) })
    }

    /// The parent's part: lets the child go on.
    pub fn open(&self) -> Result<()> {
        let end = self.write.take().context("the gate is open")?;
        write(end, b"!").map(drop).context("open the gate")
    }

    /// The child's part: waits for [`Gate::open`], and ends without a word if the parent failed and
    /// has told why.
    pub fn wait(&self) -> Result<()> {
        drop(self.write.take()); // our copy would keep the pipe alive after the parent's death
        match read(&self.read, &mut [0]).context("wait at the gate")? {
            0 => Err(Failure::silent().into()),
            _ => Ok(()),
        }
    }
}

/// Writes the maps of the child that waits at the gate. Only a process outside can map more than
/// its own id.
///
/// # Errors
/// Exit code 2 for ranges that overlap; EPERM for ids that the caller may not give away
/// (user_namespaces(7)).
pub fn map(container: &Container, options: &Options) -> Result<()> {
    if options.no_map {
        return Ok(());
    }
    let uids = or_own(&options.uid_map, geteuid().as_raw())?;
    let gids = or_own(&options.gid_map, getegid().as_raw())?;
    // Who could drop a group inside could reach files that this very group is denied
    // (CVE-2014-8989). Of an ordinary user the kernel demands it, and with a single group there is
    // none to change to.
    if gids.iter().map(|map| u64::from(map.count)).sum::<u64>() == 1 {
        write_proc(container, "setgroups", "deny")?;
    }
    write_proc(container, "uid_map", &lines(&uids))?;
    write_proc(container, "gid_map", &lines(&gids))
}

/// Takes on root's ids inside, or where 0 is not mapped the first that are, and no other groups.
///
/// Comes before [`pid::die_with`], which a change of ids would undo.
pub fn become_root(options: &Options) -> Result<()> {
    if options.no_map {
        return Ok(());
    }
    let (uid, gid) =
        (Uid::from_raw(first(&options.uid_map)), Gid::from_raw(first(&options.gid_map)));
    match setgroups(&[]) {
        Err(Errno::EPERM) => {} // denied above: an ordinary user keeps the groups
        result => result.context("setgroups")?,
    }
    setresgid(gid, gid, gid).with_context(|| format!("setresgid {gid}"))?;
    setresuid(uid, uid, uid).with_context(|| format!("setresuid {uid}"))
}

fn write_proc(container: &Container, file: &str, content: &str) -> Result<()> {
    let path = format!("/proc/{}/{file}", container.pid);
    fs::write(&path, content)
        .with_context(|| format!("write {path}: {}", content.trim_end().replace('\n', ", ")))
}

fn or_own(maps: &[IdMap], own: u32) -> Result<Vec<IdMap>> {
    let pairs = maps.iter().enumerate().flat_map(|(i, a)| maps[..i].iter().map(move |b| (b, a)));
    if let Some((a, b)) = pairs.into_iter().find(|(a, b)| a.overlaps(b)) {
        return Err(Failure::usage(format!("the maps {a} and {b} overlap")).into());
    }
    Ok(if maps.is_empty() {
        vec![IdMap { inside: 0, outside: own, count: 1 }]
    } else {
        maps.to_vec()
    })
}

fn lines(maps: &[IdMap]) -> String {
    maps.iter().map(|map| format!("{} {} {}\n", map.inside, map.outside, map.count)).collect()
}

fn first(maps: &[IdMap]) -> u32 {
    let root = maps.is_empty() || maps.iter().any(|map| map.inside == 0);
    if root { 0 } else { maps[0].inside }
}

#[cfg(test)]
mod tests;
