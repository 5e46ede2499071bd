//! Mounts below our directories, as `mount -t proc proc /proc` leaves one in the machine's table
//! before chapter 06. Whoever removes the directory with such a mount in it removes files of the
//! machine.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::mount::{MntFlags, umount2};
use procfs::process::Process;

use super::Found;
use super::ours::{Ours, Owner};

/// The last mounted first, for it may cover another.
pub fn find(ours: &Ours) -> Result<Vec<Found>> {
    let mounts =
        Process::myself().and_then(|own| own.mountinfo()).context("read /proc/self/mountinfo")?;
    let points: Vec<_> =
        mounts.into_iter().map(|mount| (plain(&mount.mount_point), mount.fs_type)).collect();
    let dirs = || ours.rootfs.iter().chain([&ours.target]);
    let below = |point: &Path| dirs().any(|dir| point != dir && point.starts_with(dir));
    Ok(points
        .into_iter()
        .rev()
        .filter(|(point, _)| below(point))
        .map(|(point, kind)| judge(ours, point, &kind))
        .collect())
}

/// Up to chapter 05 a container has the machine's mount table.
fn judge(ours: &Ours, point: PathBuf, kind: &str) -> Found {
    let what = format!("mount {} ({kind})", ours.short(&point));
    let has_it = |seen: &&super::ours::Seen| {
        seen.rootfs.as_ref().is_some_and(|rootfs| point.starts_with(rootfs))
    };
    let user =
        ours.processes().filter(has_it).find(|seen| matches!(ours.owner(seen), Owner::Alive(_)));
    match user {
        Some(user) => {
            Found::left(what, format!("in use: process {} has this root filesystem", user.pid))
        }
        None => Found::goes(what, "it lies in a directory of ours".into(), move || unmount(&point)),
    }
}

/// Something may still be open there; then it goes with that.
fn unmount(point: &Path) -> Result<()> {
    let flags = MntFlags::UMOUNT_NOFOLLOW;
    match umount2(point, flags) {
        Err(Errno::EBUSY) => umount2(point, flags | MntFlags::MNT_DETACH),
        result => result,
    }
    .with_context(|| format!("umount {}", point.display()))
}

/// A path as it is: in the table, blanks and the like are octal numbers (proc_pid_mountinfo(5)).
fn plain(path: &Path) -> PathBuf {
    let bytes = path.as_os_str().as_bytes();
    let mut plain = Vec::new();
    let mut rest = bytes;
    while let Some((&byte, more)) = rest.split_first() {
        let number = more
            .get(..3)
            .filter(|_| byte == b'\\')
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let number = number.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        plain.push(number.unwrap_or(byte));
        rest = if number.is_some() { &more[3..] } else { more };
    }
    PathBuf::from(OsString::from_vec(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_a_blank_in_it() {
        assert_eq!(plain(Path::new("/a\\040b\\134c")), Path::new("/a b\\c"));
        assert_eq!(plain(Path::new("/a\\04")), Path::new("/a\\04"));
    }
}
