//! Control groups called `container-XXXXXX`, in every hierarchy. The cleaner of chapter 08 removes
//! them, unless it was killed with its launcher. A launcher that lives holds a lock on its groups.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::geteuid;
use procfs::process::Process;

use super::Found;
use super::ours::Ours;

/// All of them, wherever the launcher was in the tree.
pub fn find(ours: &Ours) -> Result<Vec<Found>> {
    let mounts =
        Process::myself().and_then(|own| own.mountinfo()).context("read /proc/self/mountinfo")?;
    let mut groups = Vec::new();
    for mount in mounts.iter().filter(|mount| mount.fs_type.starts_with("cgroup")) {
        collect(&mount.mount_point, &mut groups);
    }
    groups.sort();
    groups.dedup();
    Ok(groups.into_iter().map(|dir| judge(ours, dir)).collect())
}

fn collect(dir: &Path, groups: &mut Vec<PathBuf>) {
    let below = fs::read_dir(dir).into_iter().flatten().flatten();
    for entry in below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        match is_ours(&entry.file_name().to_string_lossy()) {
            true => groups.push(entry.path()),
            false => collect(&entry.path(), groups),
        }
    }
}

/// Whether a group has a name that mkdtemp(3) gave to chapter 08.
fn is_ours(name: &str) -> bool {
    let end = name.strip_prefix("container-").unwrap_or_default();
    end.len() == 6 && end.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn judge(ours: &Ours, dir: PathBuf) -> Found {
    let what = format!("cgroup {}", dir.display());
    if owner(&dir).is_some_and(|owner| owner != geteuid().as_raw() && !geteuid().is_root()) {
        return Found::left(what, "it belongs to another user".into());
    }
    if is_locked(&dir) {
        return Found::left(what, "in use: its launcher holds it".into());
    }
    let inside = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
    // A process outside this PID namespace has the number 0 here.
    let foreign = inside.lines().find(|pid| !pid.parse().is_ok_and(|pid| ours.is_stray(pid)));
    match foreign {
        Some(pid) => Found::left(what, format!("in use: process {pid} is in it, not one of ours")),
        None => Found::goes(what, "its launcher is gone".into(), move || remove(&dir)),
    }
}

fn owner(dir: &Path) -> Option<u32> {
    fs::metadata(dir).ok().map(|file| file.uid())
}

fn is_locked(dir: &Path) -> bool {
    let try_lock = |dir| Flock::lock(dir, FlockArg::LockExclusiveNonblock);
    File::open(dir).is_ok_and(|dir| try_lock(dir).is_err())
}

/// A process that was killed is in its group for a moment longer.
fn remove(dir: &Path) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(2);
    loop {
        match fs::remove_dir(dir) {
            Err(error) if error.raw_os_error() == Some(Errno::ENOENT as i32) => return Ok(()), // its cleaner was quicker
            Err(error)
                if error.raw_os_error() == Some(Errno::EBUSY as i32)
                    && Instant::now() < deadline =>
            {
                sleep(Duration::from_millis(5));
            }
            result => return result.with_context(|| format!("rmdir {}", dir.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_group_of_ours_has_a_name_from_mkdtemp() {
        assert!(super::is_ours("container-x3Yz0a"));
        for other in ["container-", "container-web", "container-47110815", "my-container-x3Yz0a"] {
            assert!(!super::is_ours(other), "{other}");
        }
    }
}
