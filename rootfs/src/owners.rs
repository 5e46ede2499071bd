//! Owners: which user and group ids the files of an archive may keep on this machine.
//!
//! | who builds | an entry's owner becomes |
//! |---|---|
//! | root | the same number; step 09 shifts it with an idmapped mount |
//! | a user with subordinate ids | 0: the user; others: an id of the range, as step 09 maps them |
//! | a user without | the user, for every file |
//!
//! An ordinary user may not change the owner of a file. Root of a user namespace may, for the ids
//! that are mapped into it; newuidmap(1) maps the ranges of subuid(5). So this program moves into
//! such a namespace and goes on there. It also may remove there what containers have left.

use std::fs;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use common::{Failure, Operation, Tried};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{User, getegid, geteuid, getpid};

use crate::find;

/// Ids in a container: 0 to 65535, because nobody is 65534.
const COUNT: u32 = 65_536;

/// What [`describe`] returns for root.
pub const ANY: &str = "any";

/// `(inside, outside, count)`: the ids from `inside` on stand for those from `outside` on.
type Map = Vec<(u32, u32, u32)>;

/// Returns the ids that files can get, in words for a manifest. Other words: the same archive gives
/// another tree.
pub fn describe() -> String {
    match (geteuid().is_root(), maps()) {
        (true, _) => ANY.into(),
        (false, Some([uids, gids])) => format!("{uids:?} {gids:?}"),
        (false, None) => format!("{} {}", geteuid(), getegid()),
    }
}

/// Moves an ordinary user's process into a user namespace in which it may give files to every id of
/// the user's subordinate ranges. Returns whether it may; root stays where it is, and may.
///
/// # Errors
/// Never for want of ids or of newuidmap(1). EPERM, ENOSPC: user namespaces are turned off
/// (user_namespaces(7)).
pub fn enter_namespace() -> Result<bool> {
    if geteuid().is_root() {
        return Ok(true);
    }
    let Some(maps) = maps() else { return Ok(false) };
    let [newuidmap, newgidmap] = ["newuidmap", "newgidmap"].map(find::tool);
    let (Some(newuidmap), Some(newgidmap)) = (newuidmap, newgidmap) else { return Ok(false) };
    let mut helpers = Vec::new();
    for (program, map) in [newuidmap, newgidmap].iter().zip(&maps) {
        helpers.push(wait_then_run(&program.to_string_lossy(), map)?);
    }
    unshare(CloneFlags::CLONE_NEWUSER)
        .tried(Operation::CreateUserNamespace, "unshare CLONE_NEWUSER")?;
    helpers.into_iter().try_for_each(release)?;
    Ok(true)
}

/// Starts a program that maps ids from outside, which is where it must run, and holds it back until
/// this process has left: the shell waits for the end of its input.
fn wait_then_run(program: &str, map: &Map) -> Result<Child> {
    let numbers = map.iter().flat_map(|(inside, outside, count)| [inside, outside, count]);
    Command::new("/bin/sh")
        .args(["-c", "read _; exec \"$@\"", "sh", program, &getpid().to_string()])
        .args(numbers.map(ToString::to_string))
        .stdin(Stdio::piped())
        .spawn()
        .context("start /bin/sh")
}

fn release(mut helper: Child) -> Result<()> {
    drop(helper.stdin.take());
    let status = helper.wait().context("wait for newuidmap")?;
    if status.success() {
        return Ok(());
    }
    let what = "newuidmap or newgidmap refused the ids of /etc/subuid and /etc/subgid";
    let hint = "its message is above; `grep $USER /etc/subuid /etc/subgid` shows your ranges";
    Err(Failure::new(what).hint(hint).into())
}

/// The maps of user ids and of group ids, if the caller has ranges of both.
fn maps() -> Option<[Map; 2]> {
    let uid = geteuid();
    let name = User::from_uid(uid).ok().flatten().map(|user| user.name);
    let own = [uid.as_raw(), getegid().as_raw()];
    let texts = ["/etc/subuid", "/etc/subgid"].map(|file| fs::read_to_string(file).ok());
    let [Some(uids), Some(gids)] = texts else { return None };
    let map = |text: &str, own| map(&ranges(text, name.as_deref(), uid.as_raw()), own);
    Some([map(&uids, own[0])?, map(&gids, own[1])?])
}

/// The caller's ranges in the text of subuid(5) or subgid(5), by name or by number.
fn ranges(text: &str, name: Option<&str>, uid: u32) -> Vec<(u32, u32)> {
    let range = |line: &str| {
        let mut fields = line.split(':');
        let owner = fields.next()?;
        let ours = Some(owner) == name || owner == uid.to_string();
        ours.then(|| Some((fields.next()?.parse().ok()?, fields.next()?.trim().parse().ok()?)))?
    };
    text.lines().filter_map(range).collect()
}

/// Maps 0 to the caller's own id, and the ids from 1 on to the ranges, one after the other.
fn map(ranges: &[(u32, u32)], own: u32) -> Option<Map> {
    let (mut map, mut next) = (vec![(0, own, 1)], 1);
    for &(outside, count) in ranges {
        let count = count.min(COUNT - next);
        if count > 0 {
            map.push((next, outside, count));
            next += count;
        }
    }
    (map.len() > 1).then_some(map)
}

/// Counts the files that could not get the owner that their archive names.
#[derive(Debug, Default)]
pub struct Refused(u64);

impl Refused {
    /// Counts one file, if `done` says that its owner was refused.
    ///
    /// # Errors
    /// Every other failure.
    pub fn count(&mut self, done: nix::Result<()>) -> nix::Result<bool> {
        use nix::errno::Errno::{EINVAL, EPERM};
        match done {
            Err(EPERM | EINVAL) => {
                self.0 += 1;
                Ok(true)
            }
            done => done.map(|()| false),
        }
    }

    /// Adds the files that another one has counted.
    pub fn add(&mut self, other: &Refused) {
        self.0 += other.0;
    }

    /// Prints one warning, if files lost their owners.
    pub fn warn(&self) {
        if self.0 > 0 {
            common::print_stderr(&format!(
                "warning: {} files belong to other users in the archive, and to you here: {}",
                self.0,
                reason()
            ));
        }
    }
}

/// What the machine shows of the cause, and the cure.
fn reason() -> String {
    let inside = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    if geteuid().is_root() {
        return format!(
            "their ids are not mapped in this user namespace (uid_map: {})",
            inside.split_whitespace().collect::<Vec<_>>().join(" ")
        );
    }
    if maps().is_some() {
        return "newuidmap or newgidmap is not installed (package uidmap)".into();
    }
    "you have no ids in /etc/subuid and /etc/subgid\nhint: \
     `sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $USER`, with a range \
     that no line of these files has"
        .into()
}

/// Whether `id` can be the number of a user: the largest number means "no change" to chown(2).
///
/// # Errors
/// It cannot.
pub fn check_id(id: u64) -> Result<u32> {
    ensure!(id < u64::from(u32::MAX), "{id} is not the id of a user or a group");
    Ok(id as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_range_of_the_caller_is_used() {
        let text = "me:100000:60000\nother:1:2\n4711:300000:60000\nme:x:1\n";
        let ranges = ranges(text, Some("me"), 4711);
        assert_eq!(ranges, [(100_000, 60_000), (300_000, 60_000)]);
        assert_eq!(
            map(&ranges, 4711).unwrap(),
            [(0, 4711, 1), (1, 100_000, 60_000), (60_001, 300_000, 5535)]
        );
    }

    #[test]
    fn no_range_is_no_map() {
        assert_eq!(map(&ranges("me:1:0\n", Some("me"), 1), 1), None);
    }

    #[test]
    fn an_id_has_32_bits() {
        assert!(check_id(u64::from(u32::MAX)).is_err() && check_id(1 << 40).is_err());
        assert_eq!(check_id(65534).unwrap(), 65534);
    }
}
