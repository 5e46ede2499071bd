//! User namespace: ids inside stand for other ids outside, and capabilities count only inside.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd;

use anyhow::{Context, Result};
use common::{Failure, Operation, Tried};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::{Gid, Uid, pipe2, read, setgroups, setresgid, setresuid, write};
use pid::Container;

mod ids;

pub use ids::{IdMap, Ids, Options, ids};

/// Holds the child back until its parent has written the maps. Both go through the same pipe.
pub struct Gate {
    read: OwnedFd,
    write: Cell<Option<OwnedFd>>,
}

impl Gate {
    /// Creates a closed gate.
    pub fn new() -> Result<Self> {
        let (read, write) = pipe2(OFlag::O_CLOEXEC).context("pipe2")?;
        Ok(Gate { read, write: Cell::new(Some(write)) })
    }

    /// The parent's part: lets the child go on.
    pub fn open(&self) -> Result<()> {
        let end = self.write.take().context("the gate is open")?;
        write(end, b"!").map(drop).context("open the gate")
    }

    /// The child's part: waits for [`Gate::open`]. If the parent failed, it has reported why, and
    /// the child ends silently.
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
/// EPERM for ids that the caller may not give away (user_namespaces(7)). Fails before it writes
/// anything where /proc belongs to another PID namespace.
pub fn map(container: &Container, ids: &Ids) -> Result<()> {
    if *ids == Ids::default() {
        return Ok(());
    }
    ensure_own_proc()?;
    // Without this, a member of a group could leave it inside, and then open files that are closed
    // to that group (CVE-2014-8989). For an ordinary user the kernel insists on it; where a single
    // group is mapped there is no other one to change to.
    if ids.gids.iter().map(|map| u64::from(map.count)).sum::<u64>() == 1 {
        write_proc(container, "setgroups", "deny")?;
    }
    write_proc(container, "uid_map", &lines(&ids.uids))?;
    write_proc(container, "gid_map", &lines(&ids.gids))
}

/// Becomes root inside, or the first mapped id where 0 is not mapped, and leaves all other groups.
///
/// Comes before [`pid::die_with`], because a change of ids would undo that.
pub fn become_root(ids: &Ids) -> Result<()> {
    let (Some(uid), Some(gid)) = (root_id_inside(&ids.uids), root_id_inside(&ids.gids)) else {
        return Ok(());
    };
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    match setgroups(&[]) {
        Err(Errno::EPERM) => {} // denied above: an ordinary user keeps their groups
        result => result.tried(Operation::SetIds, "setgroups")?,
    }
    setresgid(gid, gid, gid).tried(Operation::SetIds, format_args!("setresgid {gid}"))?;
    setresuid(uid, uid, uid).tried(Operation::SetIds, format_args!("setresuid {uid}"))
}

/// Checks that the numbers in /proc are those of this PID namespace. Elsewhere the child's number
/// may be a stranger's.
fn ensure_own_proc() -> Result<()> {
    // NSpid has our number in each PID namespace from the one that this /proc shows down to our
    // own (proc(5)): a single number where they are the same.
    let status = File::open("/proc/self/status").map(BufReader::new);
    let mut lines = status.into_iter().flat_map(BufRead::lines).map_while(Result::ok);
    let numbers = lines.find(|line| line.starts_with("NSpid:"));
    if numbers.is_some_and(|numbers| numbers.split_whitespace().skip(1).count() == 1) {
        return Ok(());
    }
    let what = "cannot map ids: /proc shows another PID namespace than that of this process";
    Err(Failure::new(what).of(Operation::WriteIdMap).into())
}

fn write_proc(container: &Container, file: &str, content: &str) -> Result<()> {
    let path = format!("/proc/{}/{file}", container.pid);
    let what = format!("write {path}: {}", content.trim_end().replace('\n', ", "));
    fs::write(&path, content).tried(Operation::WriteIdMap, what)
}

fn lines(maps: &[IdMap]) -> String {
    maps.iter().map(|map| format!("{} {} {}\n", map.inside, map.outside, map.count)).collect()
}

fn root_id_inside(maps: &[IdMap]) -> Option<u32> {
    let zero = maps.iter().find(|map| map.inside == 0);
    zero.or(maps.first()).map(|map| map.inside)
}

#[cfg(test)]
mod tests {
    #[test]
    fn root_inside_is_0_or_the_first_mapped_id() {
        let maps = ["5:7:1", "0:9:1"].map(|map| map.parse().unwrap());
        assert_eq!(super::root_id_inside(&maps), Some(0));
        assert_eq!(super::root_id_inside(&maps[..1]), Some(5));
        assert_eq!(super::root_id_inside(&[]), None);
    }
}
