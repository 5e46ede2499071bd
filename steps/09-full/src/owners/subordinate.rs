//! Ids: 65536 for the container, which outside are nobody's. Only where the caller has no such
//! range is root inside the caller.

use std::fs;
use std::io::{PipeReader, Read, pipe};
use std::process::Command;

use anyhow::{Context, Result};
use common::Failure;
use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, User, fork, getegid, geteuid, getpid};
use user::{IdMap, Ids, Options};

/// Where systemd, too, takes the ids of containers from (systemd-nspawn(1)): no user has any of
/// these.
const FIRST: u32 = 524_288;
/// As many as programs expect: nobody is 65534.
const COUNT: u32 = 65_536;

/// Fills in the maps where none were asked for: a range of /etc/subuid and /etc/subgid that belongs
/// to the caller. Without one root takes ids that are nobody's, and an ordinary user has the own id
/// alone.
pub fn choose(options: &Options, ids: &mut Ids) -> Result<()> {
    if options.ids_given() {
        return Ok(());
    }
    let own = [geteuid().as_raw(), getegid().as_raw()];
    let files = ["/etc/subuid", "/etc/subgid"];
    let ranges =
        files.map(|file| subordinate(&fs::read_to_string(file).unwrap_or_default(), own[0]));
    let [uids, gids] = match (ranges, geteuid().is_root()) {
        (ranges, true) if mapped_here() => {
            ranges.map(|range| vec![map(0, range.unwrap_or((FIRST, COUNT)))])
        }
        ([Some(uids), Some(gids)], false) if installed("newuidmap") => {
            let maps = [(own[0], uids), (own[1], gids)]
                .map(|(id, range)| vec![map(0, (id, 1)), map(1, range)]);
            stand_in(&maps)?;
            maps
        }
        _ => return Ok(()),
    };
    (ids.uids, ids.gids) = (uids, gids);
    Ok(())
}

fn map(inside: u32, (outside, count): (u32, u32)) -> IdMap {
    IdMap { inside, outside, count: count.min(COUNT - inside) }
}

/// The caller's first range in the text of subuid(5) or subgid(5), by name or by number.
fn subordinate(text: &str, uid: u32) -> Option<(u32, u32)> {
    let name = match uid {
        0 => Some("root".into()), // needs no look-up
        _ => User::from_uid(uid.into()).ok().flatten().map(|user| user.name),
    };
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let owner = fields.next()?;
        let ours = Some(owner) == name.as_deref() || owner == uid.to_string();
        ours.then(|| Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?)))?
    })
}

/// Whether root here can give those ids away: in another container it may have but a few.
fn mapped_here() -> bool {
    let maps = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    maps.lines().any(|line| {
        let numbers: Vec<u64> =
            line.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        matches!(numbers[..], [inside, _, count] if inside == 0 && count > u64::from(FIRST + COUNT))
    })
}

fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).exists())
}

/// An ordinary user goes on in a user namespace that has these ids, each standing for itself, and
/// from there may give them to the container. Its network namespace plays the host's, as in chapter
/// 07.
fn stand_in(maps: &[Vec<IdMap>; 2]) -> Result<()> {
    let (ready, unshared) = pipe().context("pipe")?;
    let launcher = getpid().to_string();
    // SAFETY: this process has one thread.
    match unsafe { fork() }.context("fork")? {
        ForkResult::Child => {
            drop(unshared);
            let done = give(ready, &launcher, maps);
            // SAFETY: ends this process without the launcher's exit handlers.
            unsafe { libc::_exit(done.map_or(1, |()| 0)) }
        }
        ForkResult::Parent { child } => {
            unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)
                .context("unshare CLONE_NEWUSER | CLONE_NEWNET")?;
            drop(unshared);
            match waitpid(child, None).context("waitpid")? {
                WaitStatus::Exited(_, 0) => Ok(()),
                _ => Err(Failure::new(
                    "newuidmap and newgidmap refused the ids of /etc/subuid and /etc/subgid",
                )
                .into()),
            }
        }
    }
}

/// Only newuidmap(1), which is set-user-ID root, may give an ordinary user's namespace more than
/// one id, and only from outside: so this is run by a process that stayed there, as soon as the
/// other one has left.
fn give(mut ready: PipeReader, launcher: &str, maps: &[Vec<IdMap>; 2]) -> Result<()> {
    ready.read_to_end(&mut Vec::new())?;
    for (program, maps) in ["newuidmap", "newgidmap"].iter().zip(maps) {
        let triples = maps
            .iter()
            .flat_map(|map| [map.outside, map.outside, map.count])
            .map(|id| id.to_string());
        let status = Command::new(program).arg(launcher).args(triples).status()?;
        anyhow::ensure!(status.success(), "{program}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_found_by_number_and_by_name() {
        assert_eq!(subordinate("4711:100000:65536\n", 4711), Some((100_000, 65_536)));
        assert_eq!(subordinate("root:200000:7\n", 0), Some((200_000, 7)));
        assert_eq!(subordinate("other:1:2\nroot:x:7\n", 0), None);
    }

    #[test]
    fn there_are_65536_ids_inside() {
        assert_eq!(map(1, (100_000, 65_536)).count, 65_535);
        assert_eq!(map(0, (FIRST, COUNT)).count, COUNT);
    }
}
